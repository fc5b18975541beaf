/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP connections: a pool whose entries stand for SNAT ports (docs/architecture.md, "the connection
 * pool"). The states are only as many as decide how long a port is kept; the peers do the rest of
 * TCP.
 *
 * An entry changes hands by `sequence`: odd while it is written, another even value after; who
 * copies a flow checks it again afterwards. State and times of a live entry are written by whoever
 * sees a segment, without a lock: an entry changes hands only after it was over, so the worst that
 * a late segment of the old connection can do is to lengthen or shorten the life of a port.
 */
#ifndef EDGE53_TCP_H
#define EDGE53_TCP_H

#include "barrier.h"
#include "conn.h"
#include "count.h"
#include "maps.h"
#include "packet.h"
#include "proof.h"
#include "proxy.h"
#include "ring.h"
#include "service.h"
#include "token.h"

#define TCP_PROBES 32

/* How willingly an entry makes room for a new connection. */
enum sacrifice {
	NEVER,	 /* established */
	IN_NEED, /* half open, or ended by a RST that may be forged */
	GLADLY,	 /* both sides are done with it; it only rests */
	AT_ONCE, /* free, or past its timeout */
};

static __always_inline enum sacrifice sacrifice_of(const struct edge53_conn *conn, __u64 now_ns)
{
	if (is_over(conn, now_ns))
		return AT_ONCE;
	if (conn->state == EDGE53_CONN_HALF_OPEN)
		return IN_NEED;
	if (conn->state != EDGE53_CONN_CLOSING)
		return NEVER;
	return conn->flags & EDGE53_CONN_CLIENT_RST ? IN_NEED : GLADLY;
}

static __always_inline void make_tuple(const struct edge53_flow *flow, struct edge53_tuple *tuple)
{
	__builtin_memset(tuple, 0, sizeof(*tuple));
	tuple->client = flow->client;
	tuple->asked = flow->asked;
	tuple->client_port = flow->client_port;
	tuple->service = flow->service;
}

/* The same, from a segment of the client. */
static __always_inline void make_tuple_of_client(const struct packet *pkt,
						 struct edge53_tuple *tuple)
{
	__builtin_memset(tuple, 0, sizeof(*tuple));
	tuple->client = pkt->saddr;
	tuple->asked = pkt->daddr;
	tuple->client_port = pkt->sport;
	tuple->service = pkt->service;
}

/*
 * Takes an entry from its last connection; sequence: what it was when the entry was judged.
 * Afterwards sequence is odd, and the caller must release_entry(). 0: another CPU was faster.
 *
 * A global function, so that its tuple does not add to the caller's stack.
 */
__weak __noinline int claim_entry(__u32 index, __u32 sequence)
{
	struct edge53_conn *conn = bpf_map_lookup_elem(&conns, &index);
	struct edge53_tuple tuple;
	__u32 *owner;

	if (!conn ||
	    __sync_val_compare_and_swap(&conn->sequence, sequence, sequence + 1) != sequence)
		return 0;
	if (conn->state == EDGE53_CONN_FREE)
		return 1;
	make_tuple(&conn->flow, &tuple);
	owner = bpf_map_lookup_elem(&conn_by_tuple, &tuple);
	if (owner && *owner == index)
		bpf_map_delete_elem(&conn_by_tuple, &tuple);
	return 1;
}

#define NO_ENTRY 0xffffffffu

/* An entry of `conns` as it was when it was judged. */
struct judged_entry {
	__u32 index; /* NO_ENTRY: all that were looked at are established */
	__u32 sequence;
};

/*
 * The clock hand: the first entry that is over, else the first of those that make room most
 * willingly. Entries are opened in the order the hand walks, so that is the oldest of them. Returns
 * a struct judged_entry, index in the lower half.
 *
 * A global function, which the verifier looks at once. Inlined, Linux 6.1 walks the loop anew for
 * every state that reaches it, which in enforce_in_* are 29: 350,000 instructions.
 */
__weak __noinline __u64 judge_entries(__u64 now_ns)
{
	__u32 zero = 0, sequence_taken = 0;
	struct edge53_tcp_pool *pool = bpf_map_lookup_elem(&tcp_pool, &zero);
	enum sacrifice best = NEVER;
	__u64 hand = 0, taken = 0;

	if (!pool)
		return NO_ENTRY;
	for (int i = 0; i < TCP_PROBES && best != AT_ONCE; i++) {
		enum sacrifice sacrifice;
		struct edge53_conn *conn;
		__u32 index, sequence;

		hand = __sync_fetch_and_add(&pool->hand, 1);
		index = hand % knobs.tcp_connections;
		conn = bpf_map_lookup_elem(&conns, &index);
		if (!conn)
			return NO_ENTRY;
		sequence = READ_ONCE(conn->sequence);
		if (sequence & 1) /* changing hands */
			continue;
		smp_rmb();
		sacrifice = sacrifice_of(conn, now_ns);
		if (sacrifice > best) {
			best = sacrifice;
			taken = hand;
			sequence_taken = sequence;
		}
	}
	if (best == NEVER)
		return NO_ENTRY;
	/* The others keep their turn, unless another CPU moved the hand meanwhile. */
	if (taken != hand)
		__sync_val_compare_and_swap(&pool->hand, hand + 1, taken + 1);
	return (__u64)sequence_taken << 32 | taken % knobs.tcp_connections;
}

static __always_inline struct judged_entry pick_entry(__u64 now_ns)
{
	__u64 judged = judge_entries(now_ns);

	return (struct judged_entry){ .index = judged, .sequence = judged >> 32 };
}

/* Hands a claimed entry over to its readers. */
static __always_inline void release_entry(struct edge53_conn *conn)
{
	smp_wmb();
	WRITE_ONCE(conn->sequence, conn->sequence + 1);
}

/*
 * Makes the tuple lead to the entry. False: another CPU opens the same connection at this moment.
 * An entry that is left from a connection whose deletion failed is taken over.
 */
static __always_inline bool enter_tuple(const struct edge53_tuple *tuple, __u32 index)
{
	struct edge53_conn *conn;
	__u32 *owner, other;

	if (!bpf_map_update_elem(&conn_by_tuple, tuple, &index, BPF_NOEXIST))
		return true;
	owner = bpf_map_lookup_elem(&conn_by_tuple, tuple);
	if (!owner)
		return false;
	other = *owner;
	conn = bpf_map_lookup_elem(&conns, &other);
	if (!conn || READ_ONCE(conn->sequence) & 1 ||
	    (conn->state != EDGE53_CONN_FREE && conn->flow.client_port == tuple->client_port &&
	     addr_equal(&conn->flow.client, &tuple->client)))
		return false;
	return !bpf_map_update_elem(&conn_by_tuple, tuple, &index, BPF_ANY);
}

/* Client and backend are seen by different CPUs at once. */
static __always_inline void set_flag(struct edge53_conn *conn, __u32 flag)
{
	__sync_fetch_and_or(&conn->flags, flag);
}

static __always_inline void clear_flag(struct edge53_conn *conn, __u32 flag)
{
	__sync_fetch_and_and(&conn->flags, ~flag);
}

/* --- the PROXY header at the beginning (shift.h) ---------------------------------------------- */

/* What a new life of the connection begins without. */
#define FLAGS_OF_A_LIFE                                                                             \
	(EDGE53_CONN_CLIENT_FIN | EDGE53_CONN_BACKEND_FIN | EDGE53_CONN_CLIENT_RST |                 \
	 EDGE53_CONN_PROVEN | EDGE53_CONN_PROXY_DONE | EDGE53_CONN_REOPENED)
#define PROXY_FLAGS (EDGE53_CONN_PROXY | EDGE53_CONN_PROXY_SYNCED | EDGE53_CONN_PROXY_DONE)

static __always_inline void load_shift(const struct edge53_conn *conn,
				       const struct edge53_flow *flow, struct shift *shift)
{
	__u32 flags = READ_ONCE(conn->flags);

	shift->len = flags & EDGE53_CONN_PROXY ? proxy_len(!addr_is_ipv4(&flow->client)) : 0;
	shift->is_synced = flags & EDGE53_CONN_PROXY_SYNCED;
	shift->is_done = flags & EDGE53_CONN_PROXY_DONE;
	shift->first_seq = conn->first_seq;
	shift->wscale = conn->backend_wscale;
}

/*
 * The backend's SYN-ACK: a life of the connection begins. Not with one that is about another SYN than the
 * client's last, which may be of an earlier life; but where none is known yet, or a SYN is being answered, the
 * backend is believed: a forged SYN just before it does no harm.
 *
 * Of a connection with a PROXY header, one that is of no life we know must not reach the client: what it
 * would send then would not be known as the beginning.
 */
static __always_inline enum edge53_reason begin_life(struct edge53_conn *conn,
						     const struct packet *pkt)
{
	bool is_same = pkt->tcp_seq + 1 == conn->handshake_ack && pkt->tcp_ack == conn->first_seq;
	__u32 flags = READ_ONCE(conn->flags);
	bool is_asked = pkt->tcp_ack == conn->pending_seq;
	bool is_reopened = flags & EDGE53_CONN_REOPENED;

	if (flags & EDGE53_CONN_SYN_ACKED) {
		if (is_same && !(is_asked && is_reopened))
			return GO_ON;
		if (!is_asked && !is_reopened)
			return flags & EDGE53_CONN_PROXY ? EDGE53_WITHOUT_HEADER : GO_ON;
	}
	conn->state = EDGE53_CONN_HALF_OPEN;
	conn->opened_ns = conn->seen_ns;
	conn->handshake_ack = pkt->tcp_seq + 1;
	conn->first_seq = pkt->tcp_ack;
	clear_flag(conn, FLAGS_OF_A_LIFE);
	smp_wmb();
	set_flag(conn, EDGE53_CONN_SYN_ACKED |
			       (flags & EDGE53_CONN_PROXY ? EDGE53_CONN_PROXY_SYNCED : 0));
	return GO_ON;
}

/* How far the backend has read. A RST may be about a SYN that it refused. */
static __always_inline void track_shift(struct edge53_conn *conn, const struct packet *pkt)
{
	if ((READ_ONCE(conn->flags) & PROXY_FLAGS) ==
		    (EDGE53_CONN_PROXY | EDGE53_CONN_PROXY_SYNCED) &&
	    (pkt->tcp_flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK &&
	    (__s32)(pkt->tcp_ack - conn->first_seq) >= SHIFT_DONE_AT)
		set_flag(conn, EDGE53_CONN_PROXY_DONE);
}

static __always_inline void start_life(struct edge53_conn *conn, const struct packet *pkt,
				       const struct edge53_service *svc, __u64 now_ns)
{
	conn->state = EDGE53_CONN_HALF_OPEN;
	conn->flags = svc->flags & EDGE53_SERVICE_PROXY_TCP ? EDGE53_CONN_PROXY : 0;
	conn->pending_seq = pkt->tcp_seq + 1;
	conn->opened_ns = now_ns;
	conn->seen_ns = now_ns;
}

static __always_inline __u8 pick_tcp_backend(const struct packet *pkt,
					     const struct edge53_service *svc)
{
	return svc->picks[pkt->is_ipv6 & 1].tcp[bpf_get_prandom_u32() % EDGE53_PICKS];
}

/* A SYN of a client we hold no connection for: takes an entry and fills *flow and *conn. */
static __always_inline enum edge53_reason tcp_open(const struct packet *pkt,
						   const struct edge53_service *svc,
						   const struct edge53_tuple *tuple, __u64 now_ns,
						   struct edge53_flow *flow,
						   struct edge53_conn **ret)
{
	struct judged_entry judged;
	struct edge53_conn *conn;

	__builtin_memset(flow, 0, sizeof(*flow));
	flow->backend = pick_tcp_backend(pkt, svc);
	if (!flow->backend)
		return no_backend(pkt, svc);
	flow->client = pkt->saddr;
	flow->asked = pkt->daddr;
	flow->client_port = pkt->sport;
	flow->device = pkt->device;
	flow->service = pkt->service;
	mac_copy(flow->client_mac, pkt->eth_src);
	if (svc->flags & EDGE53_SERVICE_KEEP_SOURCE)
		note_flow_flags(pkt, flow);

	judged = pick_entry(now_ns);
	conn = bpf_map_lookup_elem(&conns, &judged.index);
	if (!conn)
		return EDGE53_TCP_FULL;
	if (!claim_entry(judged.index, judged.sequence))
		return EDGE53_TCP_CONTENDED;
	if (!enter_tuple(tuple, judged.index)) {
		conn->state = EDGE53_CONN_FREE;
		release_entry(conn);
		return EDGE53_TCP_CONTENDED;
	}
	conn->flow = *flow;
	conn->snat_port = knobs.port_base + token_port_of_conn(&knobs, judged.index);
	start_life(conn, pkt, svc, now_ns);
	release_entry(conn);
	*ret = conn;
	return GO_ON;
}

/*
 * Whether a SYN may be a forged one on a connection that is still of use: then its port, its backend and the
 * numbers that both know stay until the backend agrees to the SYN.
 */
static __always_inline bool may_live_on(const struct edge53_conn *conn,
					const struct edge53_service *svc, __u64 now_ns)
{
	__u32 id = conn->flow.backend;
	const struct edge53_backend *backend = bpf_map_lookup_elem(&backends, &id);
	bool had_proxy = conn->flags & EDGE53_CONN_PROXY;
	bool has_proxy = svc->flags & EDGE53_SERVICE_PROXY_TCP;

	return !is_over(conn, now_ns) && !(conn->flags & EDGE53_CONN_REFUSED) && backend &&
	       backend->service == conn->flow.service &&
	       (backend->ifindex || backend->flags & EDGE53_BACKEND_LOCAL) &&
	       !(backend->flags & EDGE53_BACKEND_REMOVED) && had_proxy == has_proxy;
}

/* A SYN on the tuple of a connection that is closing or over. */
static __always_inline enum edge53_reason tcp_reopen(struct edge53_conn *conn,
						     const struct packet *pkt,
						     const struct edge53_service *svc, __u64 now_ns,
						     struct edge53_flow *flow)
{
	if (may_live_on(conn, svc, now_ns)) {
		conn->state = EDGE53_CONN_HALF_OPEN;
		conn->pending_seq = pkt->tcp_seq + 1;
		conn->seen_ns = now_ns;
		set_flag(conn, EDGE53_CONN_REOPENED);
		return GO_ON;
	}
	flow->backend = pick_tcp_backend(pkt, svc);
	if (!flow->backend)
		return no_backend(pkt, svc);
	flow->flags = 0;
	if (svc->flags & EDGE53_SERVICE_KEEP_SOURCE)
		note_flow_flags(pkt, flow);
	conn->flow.backend = flow->backend; /* one byte: who copies it sees old or new */
	conn->flow.flags = flow->flags;
	start_life(conn, pkt, svc, now_ns);
	return GO_ON;
}

/* Copies the flow of an entry. False: free, or changing hands. */
static __always_inline bool copy_flow(struct edge53_conn *conn, struct edge53_flow *flow)
{
	__u32 sequence = READ_ONCE(conn->sequence);

	if (sequence & 1 || conn->state == EDGE53_CONN_FREE)
		return false;
	smp_rmb();
	*flow = conn->flow;
	smp_rmb();
	return READ_ONCE(conn->sequence) == sequence;
}

static __always_inline bool is_of_client(const struct edge53_flow *flow, const struct packet *pkt)
{
	return flow->service == pkt->service && flow->client_port == pkt->sport &&
	       addr_equal(&flow->client, &pkt->saddr) && addr_equal(&flow->asked, &pkt->daddr);
}

/* The connection a client's segment belongs to, or NULL. */
static __always_inline struct edge53_conn *tcp_find_by_client(const struct packet *pkt,
							      const struct edge53_tuple *tuple,
							      struct edge53_flow *flow)
{
	__u32 *owner = bpf_map_lookup_elem(&conn_by_tuple, tuple), index;
	struct edge53_conn *conn;

	if (!owner)
		return NULL;
	index = *owner;
	conn = bpf_map_lookup_elem(&conns, &index);
	if (!conn || !copy_flow(conn, flow) || !is_of_client(flow, pkt))
		return NULL;
	return conn;
}

/* Replies go where the client's last segment came from. */
static __always_inline void note_neighbour(struct edge53_conn *conn, const struct packet *pkt)
{
	conn->flow.device = pkt->device;
	mac_copy(conn->flow.client_mac, pkt->eth_src);
}

/*
 * What a client's segment does to its connection. Nothing a forger can send without having seen the
 * SYN-ACK makes it established, or two small packets would hold a port for the idle time. A RST
 * ends it, but may be forged, so a later segment of the client that is no RST takes it back to what
 * it was.
 */
static __always_inline void tcp_track_client(struct edge53_conn *conn, const struct packet *pkt,
					     __u64 now_ns)
{
	const __u64 *halves = (const __u64 *)pkt->saddr.bytes;

	conn->seen_ns = now_ns;
	if (pkt->tcp_flags & TCP_RST) {
		if (conn->state != EDGE53_CONN_CLOSING)
			set_flag(conn, EDGE53_CONN_CLIENT_RST);
		conn->state = EDGE53_CONN_CLOSING;
		return;
	}
	if (pkt->tcp_flags & TCP_ACK && pkt->tcp_ack == conn->handshake_ack &&
	    (conn->flags & (EDGE53_CONN_SYN_ACKED | EDGE53_CONN_PROVEN)) == EDGE53_CONN_SYN_ACKED) {
		set_flag(conn, EDGE53_CONN_PROVEN);
		note_proof(halves[0], halves[1], conn->flow.backend, pkt->ifindex);
	}
	if (conn->flags & EDGE53_CONN_CLIENT_RST) {
		clear_flag(conn, EDGE53_CONN_CLIENT_RST);
		conn->state = EDGE53_CONN_HALF_OPEN;
	}
	if (pkt->tcp_flags & TCP_FIN)
		set_flag(conn, EDGE53_CONN_CLIENT_FIN);
	if (conn->state == EDGE53_CONN_HALF_OPEN && conn->flags & EDGE53_CONN_PROVEN)
		conn->state = EDGE53_CONN_ESTABLISHED;
	if (is_closed_by_both(conn))
		conn->state = EDGE53_CONN_CLOSING;
}

/*
 * What a backend's segment does to its connection. A RST ends it; but it may answer a forged segment, and
 * leave a half open connection as it is (RFC 9293 section 3.10.7.4), which its next segment shows. That
 * one has no ACK, while who refuses a SYN, or closes with data unread, sends one.
 */
static __always_inline enum edge53_reason
tcp_track_backend(struct edge53_conn *conn, const struct packet *pkt, __u64 now_ns)
{
	enum edge53_reason why = GO_ON;

	conn->seen_ns = now_ns;
	track_shift(conn, pkt);
	if (pkt->tcp_flags & TCP_RST) {
		clear_flag(conn, EDGE53_CONN_CLIENT_RST);
		set_flag(conn, EDGE53_CONN_BACKEND_RST |
				       (pkt->tcp_flags & TCP_ACK ? EDGE53_CONN_REFUSED : 0));
		conn->state = EDGE53_CONN_CLOSING;
		return GO_ON;
	}
	if (conn->flags & EDGE53_CONN_BACKEND_RST) {
		clear_flag(conn, EDGE53_CONN_BACKEND_RST | EDGE53_CONN_REFUSED);
		conn->state = EDGE53_CONN_HALF_OPEN;
	}
	if (pkt->tcp_flags & TCP_SYN && pkt->tcp_flags & TCP_ACK)
		why = begin_life(conn, pkt);
	if (pkt->tcp_flags & TCP_FIN)
		set_flag(conn, EDGE53_CONN_BACKEND_FIN);
	if (is_closed_by_both(conn))
		conn->state = EDGE53_CONN_CLOSING;
	return why;
}

/*
 * A segment of nobody's connection. For a frontend, or a resolver asked by its own address, the
 * host's stack may answer it with a RST; towards another resolver it would leave the host, so it
 * ends here.
 */
static __always_inline enum edge53_reason no_connection(const struct packet *pkt,
							const struct edge53_service *svc)
{
	__u32 last = 0;

	if (svc->kind == EDGE53_SERVICE_EDGE)
		return EDGE53_NO_CONNECTION;
	if (!svc->picks[pkt->is_ipv6 & 1].tcp[0] && svc->flags & EDGE53_SERVICE_DOWN_PASS)
		return EDGE53_NO_BACKEND_PASSED;
	for (int i = 0; i < EDGE53_PICKS; i++) {
		__u32 id = svc->picks[pkt->is_ipv6 & 1].tcp[i];
		const struct edge53_backend *backend;

		if (id == last)
			continue;
		last = id;
		backend = bpf_map_lookup_elem(&backends, &id);
		if (backend && addr_equal(&pkt->daddr, &backend->address))
			return EDGE53_NO_CONNECTION;
	}
	return EDGE53_NO_CONNECTION_DROPPED;
}

/* The client's last SYN, sent again; not one that happens to have the number of one that was closed. */
static __always_inline bool is_last_syn(const struct edge53_conn *conn, const struct packet *pkt)
{
	return conn->pending_seq == pkt->tcp_seq + 1 && !is_closed_by_both(conn) &&
	       !(conn->flags & EDGE53_CONN_REFUSED);
}

/* A RST before it was of an earlier connection, or forged. */
static __always_inline void revive(struct edge53_conn *conn, __u64 now_ns)
{
	if (conn->flags & (EDGE53_CONN_CLIENT_RST | EDGE53_CONN_BACKEND_RST)) {
		clear_flag(conn, EDGE53_CONN_CLIENT_RST | EDGE53_CONN_BACKEND_RST);
		conn->state = EDGE53_CONN_HALF_OPEN;
	}
	if (conn->state == EDGE53_CONN_HALF_OPEN)
		conn->seen_ns = now_ns;
}

/* The flow of a client's segment: found, opened anew under its old port, or opened. */
static __always_inline enum edge53_reason tcp_flow_of_client(const struct packet *pkt,
							     const struct edge53_service *svc,
							     __u64 now_ns, struct edge53_flow *flow,
							     __u16 *snat_port, bool *is_new,
							     struct shift *shift)
{
	struct edge53_tuple tuple;
	struct edge53_conn *conn;
	enum edge53_reason why;

	if (has_syn(pkt) && svc->flags & EDGE53_SERVICE_PROXY_TCP && tcp_payload_len(pkt))
		return EDGE53_SYN_WITH_DATA;
	make_tuple_of_client(pkt, &tuple);
	conn = tcp_find_by_client(pkt, &tuple, flow);

	*is_new = false;
	if (conn)
		note_neighbour(conn, pkt);
	if (!is_opening(pkt)) {
		if (!conn || has_lost_seat(conn, now_ns))
			return no_connection(pkt, svc);
		tcp_track_client(conn, pkt, now_ns);
	} else if (!conn) {
		why = tcp_open(pkt, svc, &tuple, now_ns, flow, &conn);
		if (why)
			return why;
		*is_new = true;
	} else if (is_last_syn(conn, pkt) && !is_over(conn, now_ns)) {
		revive(conn, now_ns);
	} else if (conn->state == EDGE53_CONN_CLOSING || is_over(conn, now_ns)) {
		why = tcp_reopen(conn, pkt, svc, now_ns, flow);
		if (why)
			return why;
		*is_new = true;
	} else {
		conn->pending_seq = pkt->tcp_seq + 1;
		if (conn->state == EDGE53_CONN_HALF_OPEN)
			conn->seen_ns = now_ns;
	}
	*snat_port = conn->snat_port;
	load_shift(conn, flow, shift);
	return GO_ON;
}

/* The flow of a backend's segment. */
static __always_inline enum edge53_reason tcp_flow_of_backend(struct packet *pkt, __u64 now_ns,
							      struct edge53_flow *flow,
							      const struct edge53_backend **backend,
							      struct edge53_conn **ret)
{
	__u32 index = token_conn_of_port(&knobs, pkt->dport - knobs.port_base), id;
	struct edge53_conn *conn = bpf_map_lookup_elem(&conns, &index);

	if (!conn || !copy_flow(conn, flow) || has_lost_seat(conn, now_ns))
		return EDGE53_REPLY_UNKNOWN;
	id = flow->backend;
	*backend = bpf_map_lookup_elem(&backends, &id);
	if (!*backend || !is_from_backend(pkt, flow, *backend, (*backend)->tcp_port))
		return EDGE53_REPLY_FOREIGN;
	pkt->service = flow->service;
	*ret = conn;
	return GO_ON;
}

#endif
