/* SPDX-License-Identifier: GPL-2.0-only */
/* `health` of a service: what its servers are asked, and when one counts as dead. */
#ifndef EDGE53_CONFIG_HEALTH_H
#define EDGE53_CONFIG_HEALTH_H

#include "config.h"
#include "config_tree.h"

/*
 * Reads the block, or `off`. Without the key *ret is the default. Returns whether all is good; if not, it has been
 * said why.
 */
bool read_health(const struct place *at, struct config_health *ret);

#endif
