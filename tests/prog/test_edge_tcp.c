#include "cases.h"
const struct table edge_tcp_tables[] = { {} };
