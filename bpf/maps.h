/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map of the object. Types with BTF, so that `bpftool map dump pinned` prints field names.
 * Sizes that the configuration chooses are set by the loader before load; 1 stands for them here.
 * MMAPABLE arrays start on a page: a slot is exactly one cache line, and the loader reads them
 * without a system call an entry.
 */
#ifndef EDGE53_MAPS_H
#define EDGE53_MAPS_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "edge53_abi.h"
#include "knobs.h"

const volatile struct edge53_knobs knobs;

/* Written by the loader. */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EDGE53_MAX_FRONTENDS);
	__type(key, struct edge53_frontend_key);
	__type(value, struct edge53_frontend);
} frontends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct edge53_revision);
} revision SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct edge53_service);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct edge53_backend);
} backends SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_DEVICES);
	__type(key, __u32);
	__type(value, struct edge53_device);
} devices SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, EDGE53_MAX_EXEMPT);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct edge53_prefix_key);
	__type(value, __u32);
} exempt SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, EDGE53_MAX_DOH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct edge53_prefix_key);
	__type(value, __u32);
} doh SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, EDGE53_MAX_KEEP_SOURCE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct edge53_prefix_key);
	__type(value, __u32);
} keep_source SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EDGE53_MAX_GUARD);
	__type(key, __u32);
	__type(value, struct edge53_guard);
} guard SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct edge53_return);
} returns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, EDGE53_MAX_RETURN_PORTS);
	__type(key, struct edge53_return_key);
	__type(value, __u32);
} returns_by_device SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct edge53_rate_limit);
} rate_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct edge53_tcp_limit);
} tcp_limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct edge53_response_limit);
} response_limits SEC(".maps");

/* For other loaders and for readers; no program reads them. */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDGE53_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct edge53_health);
} health SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct edge53_geometry);
} geometry SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct edge53_loader);
} loader SEC(".maps");

/* What was looked up already. */

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EDGE53_SEEN_FRONTENDS);
	__type(key, __u32);
	__type(value, struct edge53_seen_frontend);
} seen_frontends SEC(".maps");

/* Flows. */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* n_cpus * slots_per_cpu */
	__type(key, __u32);
	__type(value, struct edge53_slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* tcp_connections */
	__type(key, __u32);
	__type(value, struct edge53_conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1); /* tcp_connections, and room for entries about to be deleted */
	__type(key, struct edge53_tuple);
	__type(value, __u32);
} conn_by_tuple SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct edge53_tcp_pool);
} tcp_pool SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, EDGE53_MAX_FRAGMENTS);
	__type(key, struct edge53_fragment_key);
	__type(value, struct edge53_fragment);
} fragments SEC(".maps");

/*
 * The loader puts larger ones in when they are needed: they take 37 MiB. Sizes and not types, as
 * clang 14 forgets what types an inner map has.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, EDGE53_RETURN_MAPS);
	__type(key, __u32);
	__array(
		values, struct {
			__uint(type, BPF_MAP_TYPE_LRU_HASH);
			__uint(max_entries, 1);
			__uint(key_size, sizeof(struct edge53_return_peer_key));
			__uint(value_size, sizeof(struct edge53_return_peer));
		});
} return_peers SEC(".maps");

/* Limits. */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << EDGE53_MOMENT_BUCKET_BITS);
	__type(key, __u32);
	__type(value, struct edge53_moments);
} rates SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << EDGE53_MOMENT_BUCKET_BITS);
	__type(key, __u32);
	__type(value, struct edge53_moments);
} proven SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1 << EDGE53_SEAT_BUCKET_BITS);
	__type(key, __u32);
	__type(value, struct edge53_seats);
} tcp_seats SEC(".maps");

/* Counters. */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* n_cpus * clients_per_cpu */
	__type(key, __u32);
	__type(value, struct edge53_client);
} clients SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* n_cpus << client_bucket_bits */
	__type(key, __u32);
	__type(value, struct edge53_client_bucket);
} client_index SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EDGE53_MAX_BACKENDS);
	__type(key, __u32);
	__type(value, struct edge53_backend_counters);
} backend_counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EDGE53_MAX_SERVICES *EDGE53_REASONS_PER_SERVICE);
	__type(key, __u32);
	__type(value, __u64);
} reasons SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct edge53_cpu_state);
} cpu_state SEC(".maps");

/* Samples (sample.h). */

struct edge53_sampling sampling SEC(".data.sampling");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} dnstap_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(__u32));
} names_events SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, EDGE53_SAMPLE_READERS);
	__type(key, __u32);
	__type(value, struct edge53_sample_counters);
} sample_counters SEC(".maps");

/* No program reads it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct edge53_dnstap);
} dnstap SEC(".maps");

#endif
