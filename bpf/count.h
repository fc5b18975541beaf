/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters: by reason, by client, by backend. All per CPU, so plain additions. Nothing here decides
 * about a packet: what finds no room is counted as not counted and goes on.
 */
#ifndef EDGE53_COUNT_H
#define EDGE53_COUNT_H

#include <linux/errno.h>
#include <linux/in.h>

#include "maps.h"
#include "packet.h"

#define CLIENTS_RETRY_NS 1000000000ull

static __always_inline void count_reason(__u32 service, enum edge53_reason why)
{
	__u32 key = (service % EDGE53_MAX_SERVICES) * EDGE53_REASONS_PER_SERVICE + why;
	__u64 *count = bpf_map_lookup_elem(&reasons, &key);

	if (count)
		*count += 1;
}

static __always_inline struct edge53_cpu_state *this_cpu_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_state, &zero);
}

/* What a new client begins with. Not on the stack, of which there is little. */
static const volatile struct edge53_client new_client;

/*
 * A full table is not asked again for a while: the failed insertion takes a lock and costs more
 * than everything else done for the packet, which is what a flood of forged sources would want.
 */
static __always_inline struct edge53_client *insert_client(const struct edge53_addr *address,
							   __u64 now_ns)
{
	struct edge53_cpu_state *cpu = this_cpu_state();

	if (!cpu)
		return NULL;
	if (now_ns < cpu->clients_full_until_ns) {
		cpu->clients_not_counted++;
		return NULL;
	}
	/* int, as before Linux 6.4 the upper half of the inlined call's result is not set. */
	if ((int)bpf_map_update_elem(&clients, address, (void *)&new_client, BPF_NOEXIST) ==
	    -E2BIG) {
		cpu->clients_full_until_ns = now_ns + CLIENTS_RETRY_NS;
		cpu->clients_not_counted++;
		return NULL;
	}
	return bpf_map_lookup_elem(&clients, address);
}

/*
 * The client's counters on this CPU; NULL when there is no room for a new one. Of its own, for the
 * stack of the caller.
 */
static __noinline struct edge53_client *touch_client(const struct edge53_addr *address,
						     __u64 now_ns)
{
	/* Linux 6.1 takes no key from an argument of a global function. */
	struct edge53_addr key = *address;
	struct edge53_client *client = bpf_map_lookup_elem(&clients, &key);

	if (!client)
		client = insert_client(&key, now_ns);
	if (!client)
		return NULL;
	if (!client->first_seen_ns)
		client->first_seen_ns = now_ns;
	client->last_seen_ns = now_ns;
	return client;
}

static __always_inline struct edge53_traffic *backend_traffic(__u32 backend)
{
	struct edge53_backend_counters *counters = bpf_map_lookup_elem(&backend_counters, &backend);

	return counters ? &counters->traffic : NULL;
}

static __always_inline void add_query(struct edge53_traffic *traffic, const struct packet *pkt,
				      __u32 ip_len)
{
	traffic->bytes_in += ip_len;
	if (pkt->l4proto == IPPROTO_UDP)
		traffic->queries++;
}

static __always_inline void add_reply(struct edge53_traffic *traffic, const struct packet *pkt)
{
	traffic->bytes_out += pkt->ip_len;
	if (pkt->l4proto != IPPROTO_UDP)
		return;
	traffic->replies++;
	if (pkt->dns.flags & DNS_FLAG_TC)
		traffic->truncated++;
	switch (DNS_RCODE(pkt->dns.flags)) {
	case DNS_RCODE_NOERROR:
		traffic->noerror++;
		break;
	case DNS_RCODE_NXDOMAIN:
		traffic->nxdomain++;
		break;
	case DNS_RCODE_SERVFAIL:
		traffic->servfail++;
		break;
	case DNS_RCODE_REFUSED:
		traffic->refused++;
		break;
	default:
		traffic->other_rcode++;
	}
}

/* A query that passed its checks, whatever becomes of it. */
static __always_inline enum edge53_reason admit_client(const struct packet *pkt, __u64 now_ns)
{
	struct edge53_client *client = touch_client(&pkt->saddr, now_ns);

	if (client)
		add_query(&client->traffic, pkt, pkt->ip_len);
	return GO_ON;
}

/* ip_len: as the client sent it. */
static __always_inline void count_backend_query(const struct packet *pkt, __u32 backend,
						__u32 ip_len)
{
	struct edge53_traffic *traffic = backend_traffic(backend);

	if (traffic)
		add_query(traffic, pkt, ip_len);
}

static __always_inline void count_connection(const struct packet *pkt, __u32 backend, __u64 now_ns)
{
	struct edge53_client *client = touch_client(&pkt->saddr, now_ns);
	struct edge53_traffic *traffic = backend_traffic(backend);

	if (client)
		client->traffic.tcp_connections++;
	if (traffic)
		traffic->tcp_connections++;
}

/* Bucket n holds what took less than 2^n us (of 1,024 ns). */
static __always_inline __u32 latency_bucket(__u32 latency_us)
{
	__u32 bucket = 0;

	if (latency_us >= 1u << 16) {
		bucket += 16;
		latency_us >>= 16;
	}
	if (latency_us >= 1u << 8) {
		bucket += 8;
		latency_us >>= 8;
	}
	if (latency_us >= 1u << 4) {
		bucket += 4;
		latency_us >>= 4;
	}
	if (latency_us >= 1u << 2) {
		bucket += 2;
		latency_us >>= 2;
	}
	bucket += latency_us >= 2 ? 2 : latency_us;
	return bucket < EDGE53_LATENCY_BUCKETS ? bucket : EDGE53_LATENCY_BUCKETS - 1;
}

/* Counts a reply that was sent, and says what it was. Of its own, for the stack of the caller. */
static __noinline enum edge53_reason count_reply(const struct packet *pkt,
						 const struct edge53_flow *flow, __u32 latency_us,
						 __u64 now_ns)
{
	__u32 backend = flow->backend;
	struct edge53_backend_counters *counters = bpf_map_lookup_elem(&backend_counters, &backend);
	struct edge53_client *client = touch_client(&flow->client, now_ns);

	if (client)
		add_reply(&client->traffic, pkt);
	if (counters)
		add_reply(&counters->traffic, pkt);
	if (pkt->l4proto != IPPROTO_UDP)
		return EDGE53_TCP_REPLY_SENT;
	if (counters)
		counters->latency[latency_bucket(latency_us)]++;
	return EDGE53_REPLY_SENT;
}

/* A later fragment of a reply: bytes, and no reply of its own. */
static __always_inline enum edge53_reason
count_fragment(const struct packet *pkt, const struct edge53_flow *flow, __u64 now_ns)
{
	struct edge53_client *client = touch_client(&flow->client, now_ns);
	struct edge53_traffic *traffic = backend_traffic(flow->backend);

	if (client)
		client->traffic.bytes_out += pkt->ip_len;
	if (traffic)
		traffic->bytes_out += pkt->ip_len;
	return EDGE53_FRAGMENT_SENT;
}

#endif
