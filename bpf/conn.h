/* SPDX-License-Identifier: GPL-2.0-only */
/* Questions about an entry of `conns`, and what a segment means to it. */
#ifndef EDGE53_CONN_H
#define EDGE53_CONN_H

#include "maps.h"
#include "packet.h"

static __always_inline bool is_opening(const struct packet *pkt)
{
	return (pkt->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) == TCP_SYN;
}

static __always_inline bool is_over(const struct edge53_conn *conn, __u64 now_ns)
{
	__u64 idle_ns = now_ns - conn->seen_ns;

	/* seen_ns may be of another CPU and a little later than now. */
	if ((__s64)idle_ns < 0)
		return false;
	switch (conn->state) {
	case EDGE53_CONN_FREE:
		return true;
	case EDGE53_CONN_HALF_OPEN:
		return idle_ns > knobs.tcp_half_open_ns;
	case EDGE53_CONN_CLOSING:
		return idle_ns > knobs.tcp_closing_ns;
	default:
		return idle_ns > knobs.tcp_idle_ns;
	}
}

/* From when its time was over its seat (seats.h) may be another's, so it must not go on. */
static __always_inline bool has_lost_seat(const struct edge53_conn *conn, __u64 now_ns)
{
	return conn->flags & EDGE53_CONN_SEATED && is_over(conn, now_ns);
}

static __always_inline bool is_closed_by_both(const struct edge53_conn *conn)
{
	return conn->flags & EDGE53_CONN_CLIENT_FIN && conn->flags & EDGE53_CONN_BACKEND_FIN;
}

#endif
