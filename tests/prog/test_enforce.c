#include "cases.h"
const struct table enforce_tables[] = { {} };
