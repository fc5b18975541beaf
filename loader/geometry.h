/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the pinned geometry to the constants of the programs: who writes slots (dataplane.c) and who
 * reads them (state.c) must come to the same.
 */
#ifndef EDGE53_GEOMETRY_H
#define EDGE53_GEOMETRY_H

#include <string.h>

#include "edge53_abi.h"
#include "edge53_client_prefix.h"
#include "knobs.h"

static inline unsigned int log2_rounded_up(__u64 value)
{
	return value > 1 ? 64 - (unsigned int)__builtin_clzll(value - 1) : 0;
}

/* What edge53_client_mask() leaves of ones is the mask. */
static inline void knobs_set_client_prefix(struct edge53_knobs *knobs,
					   const struct edge53_client_prefix *prefix)
{
	struct edge53_addr ipv4 = { .bytes = { [10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	struct edge53_addr ipv6;

	memset(&ipv6, 0xff, sizeof(ipv6));
	edge53_client_mask(&ipv4, prefix);
	edge53_client_mask(&ipv6, prefix);
	memcpy(&knobs->client_mask_ipv4, ipv4.bytes + 8, 8);
	memcpy(knobs->client_mask_ipv6, ipv6.bytes, 16);
	knobs->client_prefix.ipv4 = (__u16)edge53_client_prefix_bits(prefix, 1);
	knobs->client_prefix.ipv6 = (__u16)edge53_client_prefix_bits(prefix, 0);
	knobs->is_client_masked = knobs->client_prefix.ipv4 != EDGE53_IPV4_BITS ||
				  knobs->client_prefix.ipv6 != EDGE53_IPV6_BITS;
}

/* Fills what the geometry determines; timeouts are left alone. */
static inline void geometry_fill_knobs(const struct edge53_geometry *geometry,
				       struct edge53_knobs *knobs)
{
	memcpy(knobs->token_keys, geometry->token_keys, sizeof(knobs->token_keys));
	memcpy(knobs->slot_keys, geometry->slot_keys, sizeof(knobs->slot_keys));
	knobs->slots_per_cpu = geometry->slots_per_cpu;
	knobs->lap_shift = log2_rounded_up(geometry->slots_per_cpu);
	knobs->slot_bits = log2_rounded_up((__u64)geometry->n_cpus * geometry->slots_per_cpu);
	knobs->port_base = geometry->port_base;
	knobs->port_bits = geometry->port_bits;
	knobs->tcp_connections = geometry->tcp_connections;
	knobs->clients_per_cpu = geometry->clients;
	knobs->client_entry_bits = log2_rounded_up((__u64)geometry->clients + 1);
	knobs->client_bucket_bits = geometry->client_bucket_bits;
	knobs_set_client_prefix(knobs, &geometry->client_prefix);
}

#endif
