// SPDX-License-Identifier: GPL-2.0-only
/* Model: ICMP errors about packets of ours, in one family and from one to the other. */
#include <string.h>

#include "turn.h"

enum { UNREACHABLE = 3, TIME_EXCEEDED = 11, PARAMETER_PROBLEM = 12 };
enum { UNREACHABLE6 = 1, TOO_BIG6 = 2, TIME_EXCEEDED6 = 3, PARAMETER_PROBLEM6 = 4 };
enum { FRAGMENTATION_NEEDED = 4 };

/* The packet that an error is about, as far as it is quoted. */
struct quote {
	struct seen seen;
	const unsigned char *ip;
	unsigned bytes;
};

/* Where the error goes, and what its reader knows the quoted packet as. */
struct redirection {
	const struct edge53_flow *flow;
	bool to_backend;
	struct edge53_addr saddr, daddr;
	struct change quoted;
	unsigned header_len; /* of the connection's PROXY header */
};

static bool is_error_type(unsigned family, unsigned type)
{
	if (family == 4)
		return type == UNREACHABLE || type == TIME_EXCEEDED || type == PARAMETER_PROBLEM;
	return type >= UNREACHABLE6 && type <= PARAMETER_PROBLEM6;
}

static bool look_at_quote(const struct turn *t, struct quote *quote)
{
	const struct seen *s = &t->seen;
	unsigned least;

	if (s->protocol != (s->family == 4 ? PROTO_ICMP : PROTO_ICMP6) || is_first_fragment(s) ||
	    s->ip_len > s->there || s->there < s->l4 + 8 || !is_error_type(s->family, t->ip[s->l4]))
		return false;
	quote->ip = t->ip + s->l4 + 8;
	quote->bytes = s->there - s->l4 - 8;
	look_at_lightly(quote->ip, quote->bytes, s->family, &quote->seen);
	least = quote->seen.protocol == PROTO_UDP ? 10 : 8;
	if (s->family == 4 && quote->bytes && quote->ip[0] >> 4 != 4)
		return false;
	return quote->seen.family == s->family && !quote->seen.is_mapped && quote->seen.has_ports &&
	       quote->seen.there >= quote->seen.l4 + least;
}

/* --- whose packet is quoted ------------------------------------------------------------------- */

/* Over IPv6 no query was sent without. */
static bool lacks_checksum(const struct quote *quote)
{
	return quote->seen.family == 6 && !get16(quote->ip + quote->seen.l4 + 6);
}

/* The ID of a query that has a PROXY header is behind that: what is quoted is the signature. */
static bool quotes_header(const struct quote *quote)
{
	const unsigned char *dns = quote->ip + quote->seen.l4 + 8;

	return get16(dns) == 0x0d0a &&
	       (quote->seen.l4 + 12 > quote->bytes || get16(dns + 2) == 0x0d0a);
}

static const struct edge53_flow *flow_of_query(const struct turn *t, const struct quote *quote)
{
	const struct seen *q = &quote->seen;
	const struct edge53_flow *flow;
	const struct edge53_backend *backend;
	bool is_udp = q->protocol == PROTO_UDP;
	unsigned expected_device;

	if (is_udp) {
		struct edge53_slot *slot =
			find_slot(t->model, q->sport, get16(quote->ip + q->l4 + 8));

		if (!slot || quotes_header(quote) || lacks_checksum(quote) ||
		    slot->lap & EDGE53_SLOT_ANSWERED || slot_is_old(slot, t->got->before_ns))
			return NULL;
		flow = &slot->flow;
	} else {
		struct edge53_conn *conn = find_conn_by_port(t->model, q->sport);

		if (!conn)
			return NULL;
		flow = &conn->flow;
	}
	backend = &t->setup->backends[flow->backend];
	expected_device = backend->flags & EDGE53_BACKEND_LOCAL
				  ? t->setup->devices[flow->device].ifindex
				  : backend->ifindex;
	if (!same_address(&q->daddr, &backend->address) ||
	    q->dport != (is_udp ? backend->udp_port : backend->tcp_port) ||
	    !same_address(&q->saddr, source_of(t->setup, flow)) ||
	    !same_address(&t->seen.daddr, &q->saddr) || t->ifindex != expected_device)
		return NULL;
	return flow;
}

static const struct edge53_conn *conn_of_reply(const struct turn *t, const struct quote *quote,
					       unsigned service)
{
	const struct seen *q = &quote->seen;

	return find_conn(t->model, &q->daddr, &q->saddr, q->dport, service);
}

static struct redirection to_client(const struct edge53_flow *flow, bool is_udp)
{
	return (struct redirection){ .flow = flow,
				     .saddr = flow->asked,
				     .daddr = flow->client,
				     .quoted = { .saddr = flow->client,
						 .daddr = flow->asked,
						 .has_l4 = true,
						 .sport = flow->client_port,
						 .dport = EDGE53_DNS_PORT,
						 .has_id = is_udp,
						 .dns_id = flow->client_id } };
}

/* enforce: as from the client, whichever router of its found the error. */
static struct redirection to_backend(const struct turn *t, const struct edge53_conn *conn)
{
	const struct edge53_backend *backend = &t->setup->backends[conn->flow.backend];
	struct edge53_addr source = *source_of(t->setup, &conn->flow);

	return (struct redirection){ .flow = &conn->flow,
				     .to_backend = true,
				     .saddr = source,
				     .daddr = backend->address,
				     .quoted = { .saddr = backend->address,
						 .daddr = source,
						 .has_l4 = true,
						 .sport = backend->tcp_port,
						 .dport = conn->snat_port } };
}

/* --- from one family to the other (RFC 7915 4.2 and 5.2) -------------------------------------- */

static void put_type(unsigned char *icmp, unsigned type, unsigned code, __u32 rest)
{
	icmp[0] = type;
	icmp[1] = code;
	put32(icmp + 4, rest);
}

static bool type_to_ipv6(const unsigned char *icmp, unsigned char *out)
{
	unsigned mtu = get16(icmp + 6) + 20;

	if (icmp[0] == TIME_EXCEEDED) {
		put_type(out, TIME_EXCEEDED6, icmp[1], 0);
		return true;
	}
	if (icmp[0] != UNREACHABLE)
		return false;
	switch (icmp[1]) {
	case 0:
	case 1:
	case 5:
	case 6:
	case 7:
	case 8:
	case 11:
	case 12:
		put_type(out, UNREACHABLE6, 0, 0);
		return true;
	case 2:
		put_type(out, PARAMETER_PROBLEM6, 1, 6);
		return true;
	case 3:
		put_type(out, UNREACHABLE6, 4, 0);
		return true;
	case FRAGMENTATION_NEEDED:
		put_type(out, TOO_BIG6, 0, mtu < 1280 ? 1280 : mtu);
		return true;
	case 9:
	case 10:
	case 13:
	case 15:
		put_type(out, UNREACHABLE6, 1, 0);
		return true;
	default:
		return false;
	}
}

static bool type_to_ipv4(const unsigned char *icmp, unsigned char *out)
{
	static const unsigned char codes[] = { 1, 10, 1, 1, 3 };
	__u32 mtu = get32(icmp + 4);

	switch (icmp[0]) {
	case UNREACHABLE6:
		if (icmp[1] >= sizeof(codes))
			return false;
		put_type(out, UNREACHABLE, codes[icmp[1]], 0);
		return true;
	case TOO_BIG6:
		mtu = mtu > 0xffff ? 0xffff : mtu < 68 + 20 ? 68 + 20 : mtu;
		put_type(out, UNREACHABLE, FRAGMENTATION_NEEDED, mtu - 20);
		return true;
	case TIME_EXCEEDED6:
		put_type(out, TIME_EXCEEDED, icmp[1], 0);
		return true;
	case PARAMETER_PROBLEM6:
		put_type(out, UNREACHABLE, 2, 0); /* protocol */
		return icmp[1] == 1;
	default:
		return false;
	}
}

/* The MTU that is told leaves room for the PROXY header. */
static void lower_mtu(unsigned char *icmp, unsigned family, unsigned header_len)
{
	bool has_mtu = family == 4 ? icmp[0] == UNREACHABLE && icmp[1] == FRAGMENTATION_NEEDED
				   : icmp[0] == TOO_BIG6;
	__u32 least = family == 4 ? 68 : 1280,
	      mtu = family == 4 ? get16(icmp + 6) : get32(icmp + 4);

	if (!has_mtu || mtu <= least || mtu > 0xffff) /* that much nobody has */
		return;
	mtu = mtu > least + header_len ? mtu - header_len : least;
	if (family == 4)
		put16(icmp + 6, mtu);
	else
		put32(icmp + 4, mtu);
}

/* The first 8 bytes of the message; false when it cannot be said in the other family. */
static bool write_type(const struct turn *t, unsigned family, unsigned header_len,
		       unsigned char *out)
{
	unsigned char icmp[8];

	memcpy(icmp, t->ip + t->seen.l4, 8);
	lower_mtu(icmp, t->seen.family, header_len);
	memcpy(out, icmp, 8);
	if (family == t->seen.family)
		return true;
	return family == 6 ? type_to_ipv6(icmp, out) : type_to_ipv4(icmp, out);
}

/* --- writing ---------------------------------------------------------------------------------- */

static unsigned message_residue(const struct turn *t)
{
	const struct seen *s = &t->seen;
	unsigned len = s->there - s->l4;
	unsigned pseudo = s->family == 4 ? 0 : pseudo_sum(&s->saddr, &s->daddr, PROTO_ICMP6, len);

	return sum16(t->ip + s->l4, len, pseudo) % 0xffff;
}

/* The message is put together first: its length is that of what it quotes. */
static void send_error(struct turn *t, const struct quote *quote, const struct redirection *to)
{
	unsigned family = family_of(&to->daddr), len, sum = 0;
	unsigned protocol = family == 4 ? PROTO_ICMP : PROTO_ICMP6;
	const struct edge53_backend *backend = &t->setup->backends[to->flow->backend];
	unsigned char packet[FRAME_MAX], *ip, *icmp = packet + t->seen.l4;
	struct change change = { .saddr = to->saddr,
				 .daddr = to->daddr,
				 .hops = t->hook->place == EDGE_IN };
	struct seen seen = t->seen, quoted = quote->seen;
	unsigned header = family == t->seen.family ? t->seen.l4 : family == 4 ? 20 : 40;

	memcpy(packet, t->ip, t->seen.l4);
	write_type(t, family, to->header_len, icmp);
	if (family == 6 && t->seen.family == 4)
		quoted.has_more = false; /* without a fragment header */
	ip = to->to_backend ? begin_query(t, backend, family) : begin_reply(t, to->flow, family);
	len = 8 + write_changed(quote->ip, quote->bytes, &quoted, &to->quoted,
				got_ip(t) + header + 8, icmp + 8);
	put16(icmp + 2, 0);
	if (family == 6)
		sum = pseudo_sum(&to->saddr, &to->daddr, PROTO_ICMP6, len);
	put_checksum(icmp + 2, false, message_residue(t), sum16(icmp, len, sum));
	memcpy(icmp + len, t->ip + t->seen.there, t->ip_bytes - t->seen.there);
	seen.ip_len = seen.there = t->seen.l4 + len;
	seen.protocol = seen.fragment_protocol = protocol;
	seen.has_fragment_header = false; /* any ID will do */
	t->result->out.len += write_changed(packet, seen.there + t->ip_bytes - t->seen.there, &seen,
					    &change, got_ip(t), ip);
	end(t, EDGE53_ICMP_SENT, to->flow->service);
}

static bool has_lost_client(const struct turn *t, const struct redirection *to)
{
	return t->hook->place == EDGE_IN && !to->to_backend &&
	       !t->setup->devices[to->flow->device].ifindex;
}

static bool has_device(const struct turn *t, unsigned backend)
{
	const struct edge53_backend *b = &t->setup->backends[backend];

	return b->ifindex || b->flags & EDGE53_BACKEND_LOCAL;
}

static void redirect_error(struct turn *t, const struct quote *quote, const struct redirection *to)
{
	unsigned char type[8];

	if (has_lost_client(t, to))
		end(t, EDGE53_CLIENT_DEVICE_GONE, to->flow->service);
	else if (to->to_backend && !has_device(t, to->flow->backend))
		end(t, EDGE53_NO_BACKEND, to->flow->service);
	else if (t->hook->place == EDGE_IN && t->seen.ttl <= 1)
		end(t, EDGE53_TTL_EXPIRED, to->flow->service);
	else if (write_type(t, family_of(&to->daddr), to->header_len, type))
		send_error(t, quote, to);
}

/* --- the entries ------------------------------------------------------------------------------ */

static bool is_edge_port(unsigned port)
{
	return port >= PORT_BASE && port < PORT_BASE + (1 << PORT_BITS);
}

static void map_quoted_seq(const struct turn *t, const struct quote *quote, struct redirection *to)
{
	const struct edge53_conn *conn = find_conn_by_port(t->model, quote->seen.sport);

	to->header_len = header_len_of(conn);
	to->quoted.has_seq = to->header_len;
	to->quoted.seq = number_for_client(conn, get32(quote->ip + quote->seen.l4 + 4));
}

static void about_a_query(struct turn *t, const struct quote *quote)
{
	const struct edge53_flow *flow = flow_of_query(t, quote);
	struct redirection to;

	if (!flow)
		return;
	to = to_client(flow, quote->seen.protocol == PROTO_UDP);
	if (quote->seen.protocol == PROTO_TCP)
		map_quoted_seq(t, quote, &to);
	redirect_error(t, quote, &to);
}

static void about_a_reply(struct turn *t, const struct quote *quote)
{
	const struct edge53_frontend *frontend = frontend_of(t, &t->seen.daddr);
	const struct edge53_conn *conn = NULL;
	struct redirection to;

	if (!frontend || !same_address(&t->seen.daddr, &quote->seen.saddr))
		return;
	if (is_exempt(t, frontend->service, &quote->seen.daddr)) {
		end(t, EDGE53_EXEMPT, frontend->service);
		return;
	}
	if (quote->seen.protocol == PROTO_TCP)
		conn = conn_of_reply(t, quote, frontend->service);
	if (conn) {
		to = to_backend(t, conn);
		redirect_error(t, quote, &to);
	} else if (t->hook->place == ENFORCE_IN) {
		end(t, EDGE53_ICMP_DROPPED, frontend->service);
	}
}

void icmp_error(struct turn *t)
{
	struct quote quote;

	if (!look_at_quote(t, &quote))
		return;
	if (t->hook->place != ENFORCE_IN && is_edge_port(quote.seen.sport))
		about_a_query(t, &quote);
	else if (t->hook->place != ENFORCE_OUT && quote.seen.sport == EDGE53_DNS_PORT)
		about_a_reply(t, &quote);
}
