/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp_limit: may a prefix open one more connection? Before the client is counted and an entry taken. The seat itself is
 * taken with the entry (tcp.h): here it is only seen whether there is one, which spares tc the packet.
 */
#ifndef EDGE53_TCP_LIMIT_H
#define EDGE53_TCP_LIMIT_H

#include "rate.h"
#include "seats.h"
#include "tcp.h"
#include "translate.h"

#define SCOPE_OF_NEW_CONNECTIONS (2 * EDGE53_MAX_SERVICES)

/* A SYN sent again, or on a connection that is open, opens none. */
static __always_inline bool has_connection(const struct packet *pkt, __u64 now_ns)
{
	const struct edge53_conn *conn;
	struct edge53_tuple tuple;
	__u32 *owner, index;

	make_tuple_of_client(pkt, &tuple);
	owner = bpf_map_lookup_elem(&conn_by_tuple, &tuple);
	if (!owner)
		return false;
	index = *owner;
	conn = bpf_map_lookup_elem(&conns, &index);
	if (!conn || READ_ONCE(conn->sequence) & 1 || !is_of_client(&conn->flow, pkt) || is_over(conn, now_ns))
		return false;
	return conn->state != EDGE53_CONN_CLOSING || is_last_syn(conn, pkt);
}

/* A global function, for the stack of the caller. */
__weak __noinline int judge_syn(const struct packet *pkt)
{
	const struct edge53_tcp_limit *limit;
	const __u64 *client;
	__u32 service;

	if (!pkt)
		return GO_ON;
	service = pkt->service;
	limit = bpf_map_lookup_elem(&tcp_limits, &service);
	if (!limit || has_connection(pkt, clock_ns()) || is_exempt_from_tcp_limit(pkt, limit))
		return GO_ON;
	client = (const __u64 *)pkt->saddr.bytes;
	if (limit->fresh.interval_ns &&
	    is_over_rate(client[0], client[1], SCOPE_OF_NEW_CONNECTIONS + service, &limit->fresh))
		return EDGE53_TCP_NEW_DROPPED;
	return limit->open && !find_seat(pkt, limit, 0) ? EDGE53_TCP_OPEN_DROPPED : GO_ON;
}

static __always_inline enum edge53_reason check_tcp_limit(const struct packet *pkt,
							  const struct edge53_service *svc)
{
	if (!(svc->flags & EDGE53_SERVICE_TCP_LIMIT) || pkt->l4proto != IPPROTO_TCP || !is_opening(pkt))
		return GO_ON;
	return judge_syn(pkt);
}

/* Of a connection that was opened. It may be the one too many of two that were judged at once. */
static __always_inline enum edge53_reason take_its_seat(const struct packet *pkt,
							const struct edge53_service *svc,
							const struct query_flow *query)
{
	if (!(svc->flags & EDGE53_SERVICE_TCP_LIMIT) || !query->is_new_connection)
		return GO_ON;
	return take_seat(pkt, token_conn_of_port(&knobs, query->snat_port - knobs.port_base))
		       ? GO_ON
		       : EDGE53_TCP_OPEN_DROPPED;
}

#endif
