/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libbpf's header of this name as it looks to headers of bpf/ that are compiled for the host: the
 * attributes, and the helpers that read packets. There a `struct __sk_buff *` or `struct xdp_md *`
 * is a `struct host_packet *` in disguise. Any other helper is missed by the linker or compiler.
 */
#ifndef EDGE53_TEST_BPF_HELPERS_H
#define EDGE53_TEST_BPF_HELPERS_H

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define SEC(name)
#undef __always_inline
#define __always_inline inline __attribute__((always_inline, unused))
#define __noinline __attribute__((noinline, unused))
#define __weak __attribute__((weak))

struct host_packet {
	const uint8_t *bytes;
	uint32_t len;
};

static inline long bpf_skb_load_bytes(const void *ctx, uint32_t offset, void *to, uint32_t len)
{
	const struct host_packet *packet = ctx;

	if (offset > packet->len || len > packet->len - offset) {
		memset(to, 0, len);
		return -EFAULT;
	}
	memcpy(to, packet->bytes + offset, len);
	return 0;
}

static inline long bpf_xdp_load_bytes(const void *ctx, uint32_t offset, void *to, uint32_t len)
{
	return bpf_skb_load_bytes(ctx, offset, to, len);
}

#endif
