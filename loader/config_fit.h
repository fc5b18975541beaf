/* SPDX-License-Identifier: GPL-2.0-only */
/* What must fit together in a configuration whose values are good, each by itself. */
#ifndef EDGE53_CONFIG_FIT_H
#define EDGE53_CONFIG_FIT_H

#include "config.h"
#include "config_tree.h"

#define MAX_SERVICES (EDGE53_MAX_SERVICES - 1) /* id 0 means none */
#define MAX_BACKENDS (EDGE53_MAX_BACKENDS - 1)

/* root is the tree config was read from. If it returns false, it has been said why. */
bool check_fit(const struct place *root, const struct config *config);

#endif
