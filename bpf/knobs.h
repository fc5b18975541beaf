/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the loader fixes before a program is loaded (read-only data: the verifier sees constants and
 * removes dead branches). Values that shape state come from the pinned map `geometry`, so that a
 * later program understands the slots an earlier one wrote. Anything that changes while a program
 * runs is in a map instead.
 *
 * Also included by the loader and the tests: fixed-width types only.
 */
#ifndef EDGE53_KNOBS_H
#define EDGE53_KNOBS_H

#include <linux/types.h>

#include "edge53_abi.h"

struct edge53_knobs {
	__u64 token_keys[4];
	__u64 slot_keys[2];
	/* Of clients' addresses, in two halves as they lie in memory; read only when is_client_masked. */
	__u64 client_mask_ipv4; /* of the low half */
	__u64 client_mask_ipv6[2];
	__u32 slots_per_cpu; /* power of two, */
	__u32 lap_shift;     /* and this is its logarithm */
	__u32 slot_bits;     /* log2(n_cpus * slots_per_cpu), rounded up */
	__u32 port_base;
	__u32 port_bits;
	__u32 tcp_connections; /* at most 2^port_bits */
	__u32 clients_per_cpu;
	__u32 client_entry_bits;  /* that numbers from 0 to clients_per_cpu take */
	__u32 client_bucket_bits; /* log2 of the buckets of a CPU */
	__u32 is_client_masked;	  /* 0: clients are counted by their whole address */
	struct edge53_client_prefix client_prefix;
	__u32 udp_timeout_us;
	__u32 has_syn_cookies; /* 0: the kernel lacks the helpers, and no call of them may be left */
	__u64 tcp_half_open_ns; /* a SYN that nobody completed */
	__u64 tcp_idle_ns;	/* an established connection without a segment */
	__u64 tcp_closing_ns;	/* after a RST, or FINs from both sides */
};

#endif
