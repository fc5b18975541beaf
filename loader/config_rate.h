/* SPDX-License-Identifier: GPL-2.0-only */
/* `rate_limit` and `response_limit` of a service: what a prefix may ask, and be answered, by UDP. */
#ifndef EDGE53_CONFIG_RATE_H
#define EDGE53_CONFIG_RATE_H

#include "config.h"
#include "config_schema.h"
#include "config_tree.h"

/*
 * Reads the block. Without the key there is no limit: ret->qps is 0. ret->exempt is the caller's to free(). Returns
 * whether all is good; if not, it has been said why.
 */
bool read_rate(const struct place *at, const struct raw_rate *raw, struct config_rate *ret);

/* The same for `response_limit`, with ret->bytes_per_second. */
bool read_response(const struct place *at, const struct raw_response *raw,
		   struct config_response *ret);

#endif
