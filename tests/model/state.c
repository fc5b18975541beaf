// SPDX-License-Identifier: GPL-2.0-only
/* Model: what is remembered of queries, connections and fragments, and what is counted. */
#include <string.h>

#include "model.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

#define HAND_LOOKS_AT 32
#define FRAGMENTS_LIVE_S 30

void model_reset(struct model *model, const struct setup *setup)
{
	memset(model, 0, sizeof(*model));
	model->setup = setup;
}

static void object(struct model *model, const char *what)
{
	if (!model->objection)
		model->objection = what;
}

/* The backend that the program picked must be one of the service's for this family. */
static unsigned check_pick(struct model *model, const struct edge53_flow *flow, bool is_udp,
			   unsigned backend)
{
	const struct edge53_picks *picks =
		&model->setup->services[flow->service].picks[family_of(&flow->client) == 6];

	for (unsigned i = 0; i < EDGE53_PICKS; i++)
		if ((is_udp ? picks->udp : picks->tcp)[i] == backend)
			return backend;
	object(model, "a backend that the service does not have");
	return (is_udp ? picks->udp : picks->tcp)[0];
}

const struct edge53_addr *source_of(const struct setup *setup, const struct edge53_flow *flow)
{
	const struct edge53_backend *backend = &setup->backends[flow->backend];
	bool is_clients = flow->flags & EDGE53_FLOW_KEEP_SOURCE || is_zero(&backend->source, 16);

	return is_clients ? &flow->client : &backend->source;
}

/* With the backend what depends on it is decided. */
static void set_backend(struct model *model, struct edge53_flow *flow, unsigned backend)
{
	const struct setup *setup = model->setup;
	unsigned family = family_of(&setup->backends[backend].address);

	flow->backend = backend;
	flow->flags = 0;
	if (setup->services[flow->service].flags & EDGE53_SERVICE_KEEP_SOURCE &&
	    family == family_of(&flow->client) &&
	    matches_prefix(setup->keep_source, setup->n_keep_source, flow->service, &flow->client))
		flow->flags = EDGE53_FLOW_KEEP_SOURCE;
}

static void check_time(struct model *model, const char *what, __u64 got, __u64 before, __u64 after)
{
	if (got < before || got > after)
		object(model, what);
}

/* --- UDP: the ring ---------------------------------------------------------------------------- */

struct edge53_slot *take_slot(struct model *model, const struct edge53_flow *flow,
			      const struct outcome *got)
{
	unsigned n = model->next_slot++, at = n % SLOTS_PER_CPU;
	struct edge53_slot *slot = &model->slots[at];

	model->unanswered += slot->lap && !(slot->lap & EDGE53_SLOT_ANSWERED);
	memset(slot, 0, sizeof(*slot));
	slot->lap = (n / SLOTS_PER_CPU + 1) << 1;
	slot->opened_us = got->slots[at].opened_us;
	slot->flow = *flow;
	set_backend(model, &slot->flow, check_pick(model, flow, true, got->slots[at].flow.backend));
	slot->flow.flags |= got->slots[at].flow.flags & EDGE53_FLOW_TIMED; /* is for the clock to say */
	model->slot_port[at] = port_of(n);
	model->slot_id[at] = id_of(n);
	check_time(model, "the time a slot was opened",
		   (__u32)(slot->opened_us - (__u32)(got->before_ns >> 10)), 0,
		   (got->after_ns >> 10) - (got->before_ns >> 10));
	return slot;
}

struct edge53_slot *find_slot(struct model *model, unsigned port, unsigned id)
{
	for (unsigned i = 0; i < SLOTS_PER_CPU; i++)
		if (model->slots[i].lap && model->slot_port[i] == port && model->slot_id[i] == id)
			return &model->slots[i];
	return NULL;
}

bool slot_is_old(const struct edge53_slot *slot, __u64 now_ns)
{
	/* Exact times may be ahead of the tick. */
	return (__s32)((now_ns >> 10) - slot->opened_us) > (__s32)(UDP_TIMEOUT_S * SECONDS >> 10);
}

/* --- TCP: the pool ---------------------------------------------------------------------------- */

bool is_opening(const unsigned char *tcp)
{
	return (tcp[13] & (SYN | ACK | RST | FIN)) == SYN;
}

struct edge53_conn *find_conn(struct model *model, const struct edge53_addr *client,
			      const struct edge53_addr *asked, unsigned port, unsigned service)
{
	for (unsigned i = 0; i < CONNS; i++) {
		const struct edge53_conn *conn = &model->conns[i];

		if (conn->state && same_address(&conn->flow.client, client) &&
		    same_address(&conn->flow.asked, asked) && conn->flow.client_port == port &&
		    conn->flow.service == service)
			return &model->conns[i];
	}
	return NULL;
}

struct edge53_conn *find_conn_by_port(struct model *model, unsigned port)
{
	for (unsigned i = 0; i < CONNS; i++)
		if (model->conns[i].state && model->conns[i].snat_port == port)
			return &model->conns[i];
	return NULL;
}

bool conn_is_over(const struct edge53_conn *conn, __u64 now_ns)
{
	static const __u64 limits[] = {
		[EDGE53_CONN_HALF_OPEN] = TCP_HALF_OPEN_S * SECONDS,
		[EDGE53_CONN_ESTABLISHED] = TCP_IDLE_S * SECONDS,
		[EDGE53_CONN_CLOSING] = TCP_CLOSING_S * SECONDS,
	};

	return conn->state == EDGE53_CONN_FREE || now_ns - conn->seen_ns > limits[conn->state];
}

static bool only_client_reset(const struct edge53_conn *conn)
{
	return conn->state == EDGE53_CONN_CLOSING && conn->flags & EDGE53_CONN_CLIENT_RST;
}

struct edge53_conn *take_conn(struct model *model, __u64 now_ns)
{
	struct edge53_conn *closed = NULL, *half_open = NULL;

	for (unsigned i = 0; i < HAND_LOOKS_AT; i++) {
		struct edge53_conn *conn = &model->conns[model->hand++ % CONNS];

		if (conn_is_over(conn, now_ns))
			return conn;
		if (only_client_reset(conn) || conn->state == EDGE53_CONN_HALF_OPEN)
			half_open = half_open ?: conn;
		else if (conn->state == EDGE53_CONN_CLOSING)
			closed = closed ?: conn;
	}
	return closed ?: half_open;
}

void open_conn(struct model *model, struct edge53_conn *conn, const struct edge53_flow *flow,
	       const unsigned char *tcp, const struct outcome *got)
{
	unsigned at = conn - model->conns;
	const struct edge53_conn *theirs = &got->conns[at];
	const struct edge53_service *service = &model->setup->services[flow->service];

	conn->flags = service->flags & EDGE53_SERVICE_PROXY_TCP ? EDGE53_CONN_PROXY : 0;
	conn->pending_seq = get32(tcp + 4) + 1;
	conn->sequence = theirs->sequence;
	conn->state = EDGE53_CONN_HALF_OPEN;
	conn->snat_port = conn_port(at);
	conn->flow = *flow;
	set_backend(model, &conn->flow, check_pick(model, flow, false, theirs->flow.backend));
	conn->opened_ns = theirs->opened_ns;
	check_time(model, "the time a connection was opened", conn->opened_ns, got->before_ns,
		   got->after_ns);
}

static bool both_sent_fin(const struct edge53_conn *conn)
{
	const unsigned both = EDGE53_CONN_CLIENT_FIN | EDGE53_CONN_BACKEND_FIN;

	return (conn->flags & both) == both;
}

/* --- a client's SYN --------------------------------------------------------------------------- */

static bool is_retransmission(const struct edge53_conn *conn, const unsigned char *tcp)
{
	return get32(tcp + 4) + 1 == conn->pending_seq && !both_sent_fin(conn) &&
	       !(conn->flags & EDGE53_CONN_REFUSED);
}

enum syn_kind kind_of_syn(const struct model *model, const struct edge53_conn *conn,
			  const unsigned char *tcp, __u64 now_ns)
{
	const struct edge53_backend *backend = &model->setup->backends[conn->flow.backend];
	unsigned service = model->setup->services[conn->flow.service].flags;
	bool is_there = backend->ifindex || backend->flags & EDGE53_BACKEND_LOCAL;
	bool is_over = conn_is_over(conn, now_ns);

	if (is_retransmission(conn, tcp) && !is_over)
		return SYN_AGAIN;
	if (conn->state != EDGE53_CONN_CLOSING && !is_over)
		return SYN_BETWEEN;
	if (!is_over && is_there && !(conn->flags & EDGE53_CONN_REFUSED) &&
	    !!(conn->flags & EDGE53_CONN_PROXY) == !!(service & EDGE53_SERVICE_PROXY_TCP))
		return SYN_REOPENS;
	return SYN_OPENS;
}

void client_sends_syn(struct edge53_conn *conn, enum syn_kind kind, const unsigned char *tcp)
{
	const unsigned resets = EDGE53_CONN_CLIENT_RST | EDGE53_CONN_BACKEND_RST;

	conn->pending_seq = get32(tcp + 4) + 1;
	if (kind == SYN_REOPENS) {
		conn->state = EDGE53_CONN_HALF_OPEN;
		conn->flags |= EDGE53_CONN_REOPENED;
	} else if (kind == SYN_AGAIN && conn->flags & resets) {
		conn->flags &= ~resets;
		conn->state = EDGE53_CONN_HALF_OPEN;
	}
}

/* --- segments --------------------------------------------------------------------------------- */

static void note_fin(struct edge53_conn *conn, unsigned flags, unsigned which)
{
	if (flags & FIN)
		conn->flags |= which;
	if (both_sent_fin(conn))
		conn->state = EDGE53_CONN_CLOSING;
}

void client_sends(struct edge53_conn *conn, const unsigned char *tcp)
{
	unsigned flags = tcp[13];

	if (flags & RST) {
		if (conn->state != EDGE53_CONN_CLOSING)
			conn->flags |= EDGE53_CONN_CLIENT_RST;
		conn->state = EDGE53_CONN_CLOSING;
		return;
	}
	if (flags & ACK && conn->flags & EDGE53_CONN_SYN_ACKED &&
	    get32(tcp + 8) == conn->handshake_ack)
		conn->flags |= EDGE53_CONN_PROVEN;
	if (conn->flags & EDGE53_CONN_CLIENT_RST) {
		conn->flags &= ~EDGE53_CONN_CLIENT_RST;
		conn->state = EDGE53_CONN_HALF_OPEN;
	}
	if (conn->state == EDGE53_CONN_HALF_OPEN && conn->flags & EDGE53_CONN_PROVEN)
		conn->state = EDGE53_CONN_ESTABLISHED;
	note_fin(conn, flags, EDGE53_CONN_CLIENT_FIN);
}

unsigned wscale_of(const unsigned char *tcp, unsigned len)
{
	unsigned end = (tcp[12] >> 4) * 4, at = 20, size, scale = 0;

	while (at < end && end <= len && tcp[at] != 0) {
		size = tcp[at] == 1 ? 1 : at + 1 < end ? tcp[at + 1] : 0;
		if (!size || (tcp[at] != 1 && size < 2) || at + size > end)
			break;
		if (tcp[at] == 3 && size == 3)
			scale = tcp[at + 2];
		at += size;
	}
	return scale > 14 ? 14 : scale; /* RFC 7323 2.3 */
}

/* The SYN-ACK that began its life, once more. */
static bool is_same_life(const struct edge53_conn *conn, const unsigned char *tcp)
{
	return conn->flags & EDGE53_CONN_SYN_ACKED && get32(tcp + 4) + 1 == conn->handshake_ack &&
	       get32(tcp + 8) == conn->first_seq;
}

static bool begins_life(const struct edge53_conn *conn, const unsigned char *tcp)
{
	bool is_asked = get32(tcp + 8) == conn->pending_seq, is_same = is_same_life(conn, tcp);

	if (!(conn->flags & EDGE53_CONN_SYN_ACKED))
		return true;
	if (conn->flags & EDGE53_CONN_REOPENED)
		return !is_same || is_asked;
	return is_asked && !is_same;
}

static void begin_life(struct edge53_conn *conn, const unsigned char *tcp, __u64 now_ns)
{
	conn->state = EDGE53_CONN_HALF_OPEN;
	conn->opened_ns = now_ns;
	conn->handshake_ack = get32(tcp + 4) + 1;
	conn->first_seq = get32(tcp + 8);
	conn->flags &= EDGE53_CONN_PROXY;
	conn->flags |= EDGE53_CONN_SYN_ACKED;
	if (conn->flags & EDGE53_CONN_PROXY)
		conn->flags |= EDGE53_CONN_PROXY_SYNCED;
}

/* Rule 9. */
static void note_distance(struct edge53_conn *conn, const unsigned char *tcp)
{
	if ((tcp[13] & (ACK | SYN | RST)) == ACK && conn->flags & EDGE53_CONN_PROXY_SYNCED &&
	    (__s32)(get32(tcp + 8) - conn->first_seq) >= 1 << 30)
		conn->flags |= EDGE53_CONN_PROXY_DONE;
}

bool backend_sends(struct edge53_conn *conn, const unsigned char *tcp, __u64 now_ns)
{
	bool is_syn_ack = (tcp[13] & (SYN | ACK)) == (SYN | ACK), is_good = true;

	note_distance(conn, tcp);
	if (tcp[13] & RST) {
		conn->flags &= ~EDGE53_CONN_CLIENT_RST;
		conn->flags |= EDGE53_CONN_BACKEND_RST;
		if (tcp[13] & ACK)
			conn->flags |= EDGE53_CONN_REFUSED;
		conn->state = EDGE53_CONN_CLOSING;
		return true;
	}
	if (conn->flags & EDGE53_CONN_BACKEND_RST)
		conn->state = EDGE53_CONN_HALF_OPEN;
	conn->flags &= ~(EDGE53_CONN_BACKEND_RST | EDGE53_CONN_REFUSED);
	if (is_syn_ack && begins_life(conn, tcp))
		begin_life(conn, tcp, now_ns);
	else if (is_syn_ack && !is_same_life(conn, tcp))
		is_good = !(conn->flags & EDGE53_CONN_PROXY);
	note_fin(conn, tcp[13], EDGE53_CONN_BACKEND_FIN);
	return is_good;
}

/* --- fragments -------------------------------------------------------------------------------- */

/* RFC 8200 4.5: over IPv6 the protocol is none of what fragments have in common. */
static struct edge53_fragment_key key_of(const struct seen *seen, unsigned ifindex)
{
	return (struct edge53_fragment_key){ .saddr = seen->saddr,
					     .daddr = seen->daddr,
					     .ifindex = ifindex,
					     .id = seen->id,
					     .l4proto = seen->family == 4 ? seen->protocol : 0 };
}

static struct fragment *lookup_fragment(struct model *model, const struct edge53_fragment_key *key)
{
	for (unsigned i = 0; i < model->n_fragments; i++)
		if (!memcmp(&model->fragments[i].key, key, sizeof(*key)))
			return &model->fragments[i];
	return NULL;
}

struct fragment *find_fragment(struct model *model, const struct seen *seen, unsigned ifindex,
			       __u64 now_ns)
{
	struct edge53_fragment_key key = key_of(seen, ifindex);
	struct fragment *fragment = lookup_fragment(model, &key);

	/* Which may have been seen after the last tick. */
	if (!fragment || (__s64)(now_ns - fragment->value.seen_ns) > (__s64)(FRAGMENTS_LIVE_S * SECONDS))
		return NULL;
	return fragment;
}

void remember_fragment(struct model *model, const struct seen *seen, unsigned ifindex, __u64 now_ns,
		       const struct edge53_flow *flow, bool is_refused)
{
	struct edge53_fragment_key key = key_of(seen, ifindex);
	struct fragment *fragment = lookup_fragment(model, &key);

	if (!fragment)
		fragment = &model->fragments[model->n_fragments++ % MODEL_FRAGMENTS];
	*fragment = (struct fragment){
		.key = key, .value = { .flow = *flow, .seen_ns = now_ns, .is_refused = is_refused }
	};
}

/* --- counters --------------------------------------------------------------------------------- */

/* Where the client is counted, besides the sum; NULL: this is one too many for the model. */
static struct edge53_traffic *traffic_of(struct model *model, const struct edge53_addr *client)
{
	unsigned i = 0;

	while (i < model->n_clients && !same_address(&model->clients[i].address, client))
		i++;
	if (i < model->n_clients)
		return &model->clients[i].traffic;
	if (i == MODEL_CLIENTS)
		return NULL;
	model->clients[model->n_clients++].address = *client;
	return &model->clients[i].traffic;
}

static void add_query(struct edge53_traffic *traffic, const struct seen *seen)
{
	traffic->queries += seen->protocol == PROTO_UDP;
	traffic->bytes_in += seen->ip_len;
}

void count_client(struct model *model, const struct seen *seen)
{
	struct edge53_traffic *traffic = traffic_of(model, &seen->saddr);

	if (traffic)
		add_query(traffic, seen);
	add_query(&model->all_clients, seen);
}

void count_connection(struct model *model, const struct edge53_flow *flow)
{
	struct edge53_traffic *traffic = traffic_of(model, &flow->client);

	if (traffic)
		traffic->tcp_connections++;
	model->all_clients.tcp_connections++;
	model->backends[flow->backend].tcp_connections++;
}

/* Without the PROXY header, which is none of the client's. */
void count_sent(struct model *model, unsigned backend, const struct seen *seen)
{
	model->backends[backend].queries += seen->protocol == PROTO_UDP;
	model->backends[backend].bytes_in += seen->ip_len;
}

static void add_reply(struct edge53_traffic *traffic, const struct seen *seen,
		      const unsigned char *ip)
{
	unsigned flags;

	traffic->bytes_out += seen->ip_len;
	if (seen->protocol != PROTO_UDP || is_later_fragment(seen))
		return;
	flags = get16(ip + seen->l4 + 8 + 2);
	traffic->replies++;
	traffic->truncated += flags >> 9 & 1;
	switch (flags & 15) {
	case 0:
		traffic->noerror++;
		break;
	case 2:
		traffic->servfail++;
		break;
	case 3:
		traffic->nxdomain++;
		break;
	case 5:
		traffic->refused++;
		break;
	default:
		traffic->other_rcode++;
	}
}

void count_reply(struct model *model, const struct edge53_flow *flow, const struct seen *seen,
		 const unsigned char *ip)
{
	struct edge53_traffic *traffic = traffic_of(model, &flow->client);

	if (traffic)
		add_reply(traffic, seen, ip);
	add_reply(&model->all_clients, seen, ip);
	add_reply(&model->backends[flow->backend], seen, ip);
	model->latencies[flow->backend] += seen->protocol == PROTO_UDP && !is_later_fragment(seen) &&
					   flow->flags & EDGE53_FLOW_TIMED;
}
