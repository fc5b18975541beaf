/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet as programs see it at tc and in XDP, on the host. What is not between data and data_end
 * is poison: ASan tells who reads it.
 */
#ifndef EDGE53_HOST_SKB_H
#define EDGE53_HOST_SKB_H

#include <assert.h>
#include <errno.h>
#include <linux/bpf.h>
#include <sanitizer/asan_interface.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HOST_SKB_MAX 4096
#define HOST_SKB_MARGIN 64

/* skb is what a program gets; bytes are the packet's, of skb.len, and stay the caller's. */
struct host_skb {
	struct __sk_buff skb;
	const uint8_t *bytes;
};

struct host_xdp {
	struct xdp_md xdp;
	uint32_t len; /* of all buffers */
};

/* Pointers into a packet have 32 bits in a program, so here, too. One packet at a time. */
static inline uint8_t *host_skb_memory(void)
{
	static uint8_t *memory;

	if (!memory)
		memory = mmap(NULL, HOST_SKB_MARGIN + HOST_SKB_MAX + HOST_SKB_MARGIN,
			      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1,
			      0);
	assert(memory != MAP_FAILED);
	return memory;
}

/* The packet in memory, of which only the first linear_len bytes can be read. */
static inline uint8_t *host_skb_data(const uint8_t *bytes, uint32_t linear_len)
{
	uint8_t *memory = host_skb_memory(), *data = memory + HOST_SKB_MARGIN;

	assert(linear_len <= HOST_SKB_MAX);
	ASAN_POISON_MEMORY_REGION(memory, HOST_SKB_MARGIN + HOST_SKB_MAX + HOST_SKB_MARGIN);
	ASAN_UNPOISON_MEMORY_REGION(data, linear_len);
	if (linear_len)
		memcpy(data, bytes, linear_len);
	return data;
}

static inline void host_skb_fill(struct host_skb *host, const uint8_t *bytes, uint32_t len,
				 uint32_t linear_len)
{
	uint8_t *data = host_skb_data(bytes, linear_len);

	memset(host, 0, sizeof(*host));
	host->bytes = bytes;
	host->skb.len = len;
	host->skb.data = (uintptr_t)data;
	host->skb.data_end = (uintptr_t)(data + linear_len);
}

static inline void host_xdp_fill(struct host_xdp *host, const uint8_t *bytes, uint32_t len,
				 uint32_t linear_len)
{
	uint8_t *data = host_skb_data(bytes, linear_len);

	memset(host, 0, sizeof(*host));
	host->len = len;
	host->xdp.data = (uintptr_t)data;
	host->xdp.data_end = (uintptr_t)(data + linear_len);
}

/* --- helpers ---------------------------------------------------------------------------------- */

static inline long host_skb_load_bytes(const void *skb, uint32_t offset, void *to, uint32_t len)
{
	const struct host_skb *host = skb;

	if (offset > host->skb.len || len > host->skb.len - offset) {
		memset(to, 0, len);
		return -EFAULT;
	}
	memcpy(to, host->bytes + offset, len);
	return 0;
}

static inline long host_skb_pull_data(struct __sk_buff *skb, uint32_t len)
{
	struct host_skb *host = (struct host_skb *)skb;

	if (len > skb->len)
		return -ENOMEM;
	if (len > skb->data_end - skb->data)
		host_skb_fill(host, host->bytes, skb->len, len);
	return 0;
}

static inline uint64_t host_xdp_get_buff_len(const struct xdp_md *xdp)
{
	return ((const struct host_xdp *)xdp)->len;
}

#endif
