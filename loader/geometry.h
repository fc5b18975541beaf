/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From the pinned geometry to the constants of the programs: who writes slots (dataplane.c) and who
 * reads them (state.c) must come to the same.
 */
#ifndef EDGE53_GEOMETRY_H
#define EDGE53_GEOMETRY_H

#include <string.h>

#include "edge53_abi.h"
#include "knobs.h"

static inline unsigned int log2_rounded_up(__u64 value)
{
	return value > 1 ? 64 - (unsigned int)__builtin_clzll(value - 1) : 0;
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
}

#endif
