/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters: by reason, by client, by backend. All per CPU, so plain additions. Nothing here decides
 * about a packet: what finds no room is counted as not counted and goes on.
 */
#ifndef EDGE53_COUNT_H
#define EDGE53_COUNT_H

#include <linux/in.h>

#include "clients.h"
#include "latency.h"
#include "maps.h"
#include "packet.h"
#include "trace.h"

static __always_inline void count_reason(__u32 service, enum edge53_reason why)
{
	__u32 key = (service % EDGE53_MAX_SERVICES) * EDGE53_REASONS_PER_SERVICE + why;
	__u64 *count = bpf_map_lookup_elem(&reasons, &key);

	TRACE_COUNTED();
	if (count)
		*count += 1;
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
static __always_inline enum edge53_reason admit_plain_client(struct packet *pkt, __u64 now_ns)
{
	struct edge53_client *client = touch_client(&pkt->saddr, now_ns, &pkt->client_entry);
	struct edge53_traffic *traffic = client_traffic(client);

	if (traffic)
		add_query(traffic, pkt, pkt->ip_len);
	return GO_ON;
}

/* Of its own, for the stack of the caller. */
static __noinline enum edge53_reason admit_client(struct packet *pkt, __u64 now_ns)
{
	return admit_plain_client(pkt, now_ns);
}

/* ip_len: as the client sent it. */
static __always_inline void count_backend_query(const struct packet *pkt, __u32 backend,
						__u32 ip_len)
{
	struct edge53_traffic *traffic = backend_traffic(backend);

	if (traffic)
		add_query(traffic, pkt, ip_len);
}

/* A connection that begins, with a packet that is counted elsewhere. Of its own as well. */
static __noinline void count_connection(const struct packet *pkt, __u32 backend, __u64 now_ns)
{
	__u32 entry;
	struct edge53_client *client = touch_client(&pkt->saddr, now_ns, &entry);
	struct edge53_cpu_state *cpu = this_cpu_state();
	struct edge53_traffic *traffic = backend_traffic(backend);

	if (client)
		client->traffic.tcp_connections++;
	else if (cpu)
		cpu->others.tcp_connections++;
	if (traffic)
		traffic->tcp_connections++;
}

/* The client's, by the entry that its query remembers when that is this CPU's. */
static __always_inline struct edge53_traffic *
traffic_of_reply(const struct packet *pkt, const struct edge53_flow *flow, __u64 now_ns)
{
	struct edge53_client *client = recall_client(pkt->client_entry, &flow->client, now_ns);
	__u32 entry;

	if (!client)
		client = touch_client(&flow->client, now_ns, &entry);
	return client_traffic(client);
}

/* Counts a reply that was sent, and says what it was. */
static __always_inline enum edge53_reason count_udp_reply(const struct packet *pkt,
							  const struct edge53_flow *flow,
							  __u32 latency_us, __u64 now_ns)
{
	__u32 backend = flow->backend;
	struct edge53_backend_counters *counters = bpf_map_lookup_elem(&backend_counters, &backend);
	struct edge53_traffic *traffic = traffic_of_reply(pkt, flow, now_ns);

	if (traffic)
		add_reply(traffic, pkt);
	if (counters) {
		add_reply(&counters->traffic, pkt);
		if (flow->flags & EDGE53_FLOW_TIMED)
			counters->latency[latency_bucket(latency_us)]++;
	}
	return pkt->is_cut ? EDGE53_RESPONSE_TRUNCATED : EDGE53_REPLY_SENT;
}

static __always_inline enum edge53_reason
count_tcp_reply(const struct packet *pkt, const struct edge53_flow *flow, __u64 now_ns)
{
	struct edge53_traffic *client = traffic_of_reply(pkt, flow, now_ns);
	struct edge53_traffic *backend = backend_traffic(flow->backend);

	if (client)
		add_reply(client, pkt);
	if (backend)
		add_reply(backend, pkt);
	return EDGE53_TCP_REPLY_SENT;
}

/* Of its own, for the stack of the caller. */
static __noinline enum edge53_reason count_reply(const struct packet *pkt,
						 const struct edge53_flow *flow, __u32 latency_us,
						 __u64 now_ns)
{
	return pkt->l4proto == IPPROTO_UDP ? count_udp_reply(pkt, flow, latency_us, now_ns)
					   : count_tcp_reply(pkt, flow, now_ns);
}

/* A later fragment of a reply: bytes, and no reply of its own. */
static __noinline enum edge53_reason
count_fragment(const struct packet *pkt, const struct edge53_flow *flow, __u64 now_ns)
{
	struct edge53_traffic *traffic = traffic_of_reply(pkt, flow, now_ns);

	if (traffic)
		traffic->bytes_out += pkt->ip_len;
	traffic = backend_traffic(flow->backend);
	if (traffic)
		traffic->bytes_out += pkt->ip_len;
	return EDGE53_FRAGMENT_SENT;
}

#endif
