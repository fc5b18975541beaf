/* SPDX-License-Identifier: GPL-2.0-only */
/* `tcp_limit` of an edge service: how many connections a prefix may open, and have open. */
#ifndef EDGE53_CONFIG_TCP_H
#define EDGE53_CONFIG_TCP_H

#include "config.h"
#include "config_schema.h"
#include "config_tree.h"

/*
 * Reads the block. Without the key there is no limit: all numbers of *ret are 0. ret->exempt is the caller's to free().
 * Returns whether all is good; if not, it has been said why.
 */
bool read_tcp_limit(const struct place *at, const struct raw_tcp_limit *raw,
		    struct config_tcp_limit *ret);

#endif
