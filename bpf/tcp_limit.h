/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp_limit: may a prefix open one more connection? Before the client is counted and an entry taken. The seat itself is
 * taken with the entry (tcp.h): here it is only seen whether there is one, which spares tc the packet.
 */
#ifndef EDGE53_TCP_LIMIT_H
#define EDGE53_TCP_LIMIT_H

#include "rate.h"
#include "seats.h"
#include "syn_cookie.h"
#include "tcp.h"
#include "translate.h"

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
	if (knobs.has_syn_cookies && limit->unproven.interval_ns &&
	    !is_proven(client[0], client[1], limit->unproven.proven_s) &&
	    is_over_rate(client[0], client[1], SCOPE_OF_UNPROVEN_SYNS + service, &limit->unproven))
		return EDGE53_COOKIE_SENT;
	if (limit->fresh.interval_ns &&
	    is_over_rate(client[0], client[1], SCOPE_OF_NEW_CONNECTIONS + service, &limit->fresh))
		return EDGE53_TCP_NEW_DROPPED;
	return limit->open && !find_seat(pkt, limit, 0) ? EDGE53_TCP_OPEN_DROPPED : GO_ON;
}

static __always_inline enum edge53_reason check_tcp_limit(const struct packet *pkt,
							  const struct edge53_service *svc)
{
	if (!(svc->flags & EDGE53_SERVICE_TCP_LIMIT) || pkt->l4proto != IPPROTO_TCP)
		return GO_ON;
	if (is_opening(pkt))
		return judge_syn(pkt);
	return svc->flags & EDGE53_SERVICE_SYN_COOKIES && pkt->tcp_flags & TCP_RST && take_cookie(pkt)
		       ? EDGE53_COOKIE_RETURNED
		       : GO_ON;
}

/*
 * Whether XDP leaves a SYN to tc, as it could not answer it. Both hooks must say the same, so it depends on nothing
 * that changes between them.
 */
static __always_inline bool is_syn_for_tc(const struct packet *pkt, const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_SYN_COOKIES && pkt->l4proto == IPPROTO_TCP &&
	       is_opening(pkt) &&
	       (!(svc->flags & EDGE53_SERVICE_COOKIES_IN_XDP) || extra_headers_len(pkt) ||
		has_partial_checksum(pkt));
}

static __always_inline enum edge53_reason check_tcp_limit_xdp(const struct packet *pkt,
							      const struct edge53_service *svc)
{
	return is_syn_for_tc(pkt, svc) ? EDGE53_HANDED_TO_TC : check_tcp_limit(pkt, svc);
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
