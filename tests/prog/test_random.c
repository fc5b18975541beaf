#include "cases.h"
const struct table random_tables[] = { {} };
