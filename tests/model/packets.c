// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model: packets at random. Most are what live queries and connections would see, so that all rules
 * have their turn; some are changed afterwards, and a few are noise from the beginning.
 */
#include <stdio.h>
#include <string.h>

#include "generate.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };
enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, DESTINATION = 60 };

#define PICK(array) (array)[random_below(sizeof(array) / sizeof(*(array)))]
#define MAX_L4 1400
#define MAX_EXTENSIONS 10
#define MAX_L4_BEHIND_EXTENSIONS 700

/* What a packet is made of. */
struct recipe {
	struct edge53_addr saddr, daddr;
	unsigned protocol, ttl, tos;
	__u32 id;
	bool dont_fragment;
	unsigned option_words;
	unsigned extensions[MAX_EXTENSIONS], n_extensions;
	bool is_fragment, has_more;
	unsigned fragment_offset;
	enum checksum checksum;
	unsigned char l4[MAX_L4]; /* its checksum is filled in */
	unsigned l4_len;
};

static void random_bytes(unsigned char *to, unsigned len)
{
	while (len--)
		*to++ = random_below(256);
}

/* --- layers ----------------------------------------------------------------------------------- */

static void begin_ip(struct recipe *r, const struct edge53_addr *saddr,
		     const struct edge53_addr *daddr, unsigned protocol)
{
	static const unsigned ttls[] = { 0, 1, 2, 255 };

	memset(r, 0, offsetof(struct recipe, l4));
	r->l4_len = 0;
	r->saddr = *saddr;
	r->daddr = *daddr;
	r->protocol = protocol;
	r->ttl = one_in(16) ? PICK(ttls) : 3 + random_below(252);
	r->tos = one_in(4) ? random_below(256) : 0;
	r->id = random_below(65536) << (one_in(2) ? 16 : 0) | random_below(65536);
	r->dont_fragment = one_in(2);
	if (one_in(10))
		r->option_words = 1 + random_below(10);
	if (one_in(6))
		r->n_extensions = 1 + random_below(one_in(4) ? MAX_EXTENSIONS : 3);
	for (unsigned i = 0; i < r->n_extensions; i++)
		r->extensions[i] = i == 0 && one_in(2) ? HOP_BY_HOP
				   : one_in(4)	       ? ROUTING
						       : DESTINATION;
	r->checksum =
		one_in(12)
			? PICK(((enum checksum[]){ CHECKSUM_ZERO, CHECKSUM_BAD, CHECKSUM_PARTIAL }))
			: CHECKSUM_GOOD;
}

static void put_udp(struct recipe *r, unsigned sport, unsigned dport)
{
	put16(r->l4, sport);
	put16(r->l4 + 2, dport);
	put16(r->l4 + 6, 0);
}

/* Now and then around 1,260 and 1,280 bytes of IP, where RFC 7915 and MTUs make a difference. */
static unsigned random_payload_len(void)
{
	if (one_in(32))
		return 1190 + random_below(80);
	return one_in(16) ? random_below(MAX_L4 - 60) : random_below(80);
}

/* A DNS message: a header that is asked for, and anything behind it. */
static void put_dns(struct recipe *r, unsigned id, unsigned flags, unsigned questions,
		    unsigned additionals)
{
	unsigned char *dns = r->l4 + 8;
	unsigned len = random_payload_len();

	if (one_in(32)) { /* no DNS message at all */
		r->l4_len = 8 + random_below(12);
		random_bytes(dns, r->l4_len - 8);
		put16(r->l4 + 4, r->l4_len);
		return;
	}
	memset(dns, 0, 12);
	put16(dns, id);
	put16(dns + 2, flags);
	put16(dns + 4, questions);
	put16(dns + 10, additionals);
	random_bytes(dns + 12, len);
	r->l4_len = 8 + 12 + len;
	put16(r->l4 + 4, r->l4_len);
}

/* Options as senders write them, and some as they do not. Returns their length, of whole words. */
static unsigned random_tcp_options(unsigned char *to)
{
	unsigned len = 0;

	while (len < 36 && !one_in(4)) {
		switch (random_below(6)) {
		case 0:
			to[len++] = 1;
			break;
		case 4:
			to[len] = PICK(((unsigned[]){ 34, 254, 253, 30 }));
			to[len + 1] = 2 + random_below(3);
			random_bytes(to + len + 2, 2);
			len += to[len + 1];
			break;
		case 1:
			to[len] = 2;
			to[len + 1] = one_in(16) ? random_below(6) : 4;
			put16(to + len + 2,
			      one_in(4) ? random_below(65536) : 1180 + random_below(300));
			len += 4;
			break;
		case 2:
			memcpy(to + len, "\3\3\7", 3);
			len += 3;
			break;
		case 3:
			memcpy(to + len, "\4\2", 2);
			len += 2;
			break;
		default:
			random_bytes(to + len, 4);
			to[len + 1] = 4;
			len += 4;
		}
	}
	while (len % 4)
		to[len++] = 0;
	return len;
}

static void put_tcp(struct recipe *r, unsigned sport, unsigned dport, unsigned flags, __u32 ack)
{
	unsigned char *tcp = r->l4;
	unsigned options = flags & SYN ? random_tcp_options(tcp + 20)
			   : one_in(4) ? 12 + 4 * random_below(8)
				       : 0;
	bool has_data = flags & SYN ? one_in(16) : !one_in(5);
	unsigned data = has_data ? random_payload_len() : 0;

	if (!(flags & SYN) && options)
		memset(tcp + 20, 1, options);
	put16(tcp, sport);
	put16(tcp + 2, dport);
	random_bytes(tcp + 4, 4);
	put32(tcp + 8, ack);
	tcp[12] = (20 + options) / 4 << 4;
	tcp[13] = flags;
	random_bytes(tcp + 14, 2);
	memset(tcp + 16, 0, 4);
	random_bytes(tcp + 20 + options, data);
	r->l4_len = 20 + options + data;
}

/* --- the packet around it --------------------------------------------------------------------- */

static void finish_checksum(struct recipe *r)
{
	unsigned at = r->protocol == PROTO_UDP ? 6 : r->protocol == PROTO_TCP ? 16 : 2;
	unsigned sum = 0, check;

	if (r->l4_len < at + 2 || r->fragment_offset)
		return;
	put16(r->l4 + at, 0);
	if (r->protocol != PROTO_ICMP)
		sum = pseudo_sum(&r->saddr, &r->daddr, r->protocol, r->l4_len);
	check = 0xffff - sum16(r->l4, r->l4_len, sum);
	if (r->protocol == PROTO_UDP && !check)
		check = 0xffff;
	if (r->checksum == CHECKSUM_ZERO && r->protocol == PROTO_UDP)
		check = 0;
	else if (r->checksum == CHECKSUM_PARTIAL)
		check = sum;
	else if (r->checksum == CHECKSUM_BAD)
		check ^= 0x1234;
	put16(r->l4 + at, check);
}

static unsigned make_ip4(const struct recipe *r, unsigned char *ip)
{
	unsigned header = 20 + r->option_words * 4;

	memset(ip, 0, 20);
	memset(ip + 20, 1, r->option_words * 4);
	ip[0] = 0x40 | header / 4;
	ip[1] = r->tos;
	put16(ip + 2, header + r->l4_len);
	put16(ip + 4, r->id);
	put16(ip + 6, r->fragment_offset / 8 | (r->has_more ? 0x2000 : 0) |
			      (r->dont_fragment && !r->is_fragment ? 0x4000 : 0));
	ip[8] = r->ttl;
	ip[9] = r->protocol;
	memcpy(ip + 12, r->saddr.bytes + 12, 4);
	memcpy(ip + 16, r->daddr.bytes + 12, 4);
	put16(ip + 10, 0xffff - sum16(ip, header, 0));
	memcpy(ip + header, r->l4, r->l4_len);
	return header + r->l4_len;
}

/* Returns its length; `next` is where the protocol of what follows is written. */
static unsigned put_extension(const struct recipe *r, unsigned type, unsigned char *ext)
{
	unsigned len = 8;

	if (type == FRAGMENT) {
		ext[1] = 0;
		put16(ext + 2, r->fragment_offset | r->has_more);
		put32(ext + 4, r->id);
		return len;
	}
	if (one_in(8))
		len += 8 * random_below(one_in(4) ? 30 : 4);
	memset(ext + 1, 0, len - 1);
	ext[1] = len / 8 - 1;
	if (type == ROUTING && one_in(8))
		ext[3] = 1;
	return len;
}

/* An address that nobody may put on the wire (RFC 4291 2.5.5.2), and that no program may take for IPv4. */
static void map_address(unsigned char *address)
{
	memset(address, 0, 10);
	memset(address + 10, 0xff, 2);
}

static unsigned make_ip6(const struct recipe *r, unsigned char *ip)
{
	unsigned char *next = ip + 6;
	unsigned at = 40, fragment_at = r->is_fragment ? random_below(r->n_extensions + 1) : 99;

	memset(ip, 0, 40);
	put16(ip, 6 << 12 | r->tos << 4);
	ip[7] = r->ttl;
	memcpy(ip + 8, &r->saddr, 16);
	memcpy(ip + 24, &r->daddr, 16);
	if (one_in(200))
		map_address(ip + (one_in(2) ? 8 : 24));
	for (unsigned i = 0; i <= r->n_extensions && at < 400; i++) {
		if (i == fragment_at) {
			*next = FRAGMENT;
			next = ip + at;
			at += put_extension(r, FRAGMENT, ip + at);
			if (r->fragment_offset)
				break;
		}
		if (i == r->n_extensions)
			break;
		*next = r->extensions[i];
		next = ip + at;
		at += put_extension(r, r->extensions[i], ip + at);
	}
	*next = r->protocol;
	memcpy(ip + at, r->l4, r->l4_len);
	at += r->l4_len;
	put16(ip + 4, at - 40);
	return at;
}

static unsigned make_ip(struct recipe *r, unsigned char *ip)
{
	if (r->l4_len > MAX_L4_BEHIND_EXTENSIONS)
		r->n_extensions = 0;
	finish_checksum(r);
	return family_of(&r->saddr) == 4 ? make_ip4(r, ip) : make_ip6(r, ip);
}

/* --- clients and servers ---------------------------------------------------------------------- */

static struct edge53_addr address_at_random(const char *network, unsigned n)
{
	struct edge53_addr addr = test_addr(network);

	addr.bytes[15] += random_below(n);
	return addr;
}

static struct edge53_addr random_client(bool is_v6)
{
	if (one_in(8))
		return address_at_random(is_v6 ? "2001:db8:86dd:3::70" : "8.0.3.120", 16);
	return address_at_random(is_v6 ? CLIENT6 : CLIENT, 8);
}

static struct edge53_addr random_server(const struct way *way, bool is_v6)
{
	static const char *const v4[] = { "8.8.8.8", "9.9.9.9",	 "9.9.40.1",
					  RESOLVER,  RESOLVER_2, FRONTEND };
	static const char *const v6[] = { "2001:4860:4860::8888", "2620:fe::fe", RESOLVER6,
					  FRONTEND6 };

	if (!way->is_enforce)
		return test_addr(is_v6 ? FRONTEND6 : FRONTEND);
	return test_addr(is_v6 ? PICK(v6) : PICK(v4));
}

static unsigned client_port(void)
{
	return one_in(8) ? 1 + random_below(65535) : 40000 + random_below(20);
}

/* --- queries ---------------------------------------------------------------------------------- */

/* A client that brings a header of its own, or nearly. */
static void put_header_as_dns(struct recipe *r)
{
	static const struct edge53_addr nobody;

	r->l4_len = 8 + write_proxy_header(&nobody, &nobody, 1, false, r->l4 + 8);
	if (one_in(4))
		r->l4[8 + random_below(14)] ^= 1;
	if (one_in(4))
		r->l4_len = 8 + 12 + random_below(r->l4_len - 8 - 12);
	put16(r->l4 + 4, r->l4_len);
}

/* Now and then with a question as it should be; else what is behind the header is anything. */
static void put_question(struct recipe *r)
{
	unsigned char *dns = r->l4 + 8;
	unsigned at = 12, len = r->l4_len - 8, label;

	while (at + 4 < len && !one_in(4)) {
		label = 1 + random_below(one_in(16) ? 80 : 20);
		dns[at] = label;
		at += 1 + label;
	}
	if (at < len)
		dns[at] = one_in(32) ? 0xc0 : 0;
}

static void udp_query(const struct way *way, struct recipe *r, unsigned port)
{
	static const unsigned flags[] = { 0x0000, 0x0120, 0x2400, 0x2800, 0x8180, 0x0100, 0x0100 };
	bool is_v6 = one_in(3);
	struct edge53_addr client = random_client(is_v6), server = random_server(way, is_v6);

	begin_ip(r, &client, &server, PROTO_UDP);
	put_udp(r, client_port(), port);
	if (one_in(8))
		put_dns(r, random_below(65536), PICK(flags), random_below(3), random_below(2));
	else if (one_in(24))
		put_header_as_dns(r);
	else
		put_dns(r, random_below(65536), 0x0100, 1, random_below(2));
	if (r->l4_len >= 8 + 12 && one_in(2) && get16(r->l4 + 8) != 0x0d0a)
		put_question(r);
}

static void tcp_open(const struct way *way, struct recipe *r, unsigned port)
{
	bool is_v6 = one_in(3);
	struct edge53_addr client = random_client(is_v6), server = random_server(way, is_v6);

	begin_ip(r, &client, &server, PROTO_TCP);
	put_tcp(r, client_port(), port, one_in(8) ? random_below(256) : SYN, random_below(1000));
}

/* A later fragment may come of any first one; its bytes are anything. */
static void later_fragment_of(const struct edge53_fragment_key *key, struct recipe *r)
{
	begin_ip(r, &key->saddr, &key->daddr, key->l4proto);
	r->id = key->id;
	r->is_fragment = true;
	r->has_more = one_in(2);
	r->fragment_offset = 8 * (1 + random_below(300));
	r->l4_len = 8 * random_below(40);
	random_bytes(r->l4, r->l4_len);
}

static void make_first_fragment(struct recipe *r)
{
	r->is_fragment = true;
	r->has_more = !one_in(8);
	r->dont_fragment = false;
	if (r->protocol == PROTO_UDP && r->has_more)
		put16(r->l4 + 4, r->l4_len + 1 + random_below(2000));
	r->l4_len &= ~7u;
}

/* --- what belongs to a live query or connection ----------------------------------------------- */

static const struct edge53_slot *live_slot(const struct model *model, unsigned *at)
{
	*at = random_below(SLOTS_PER_CPU);
	return model->slots[*at].lap ? &model->slots[*at] : NULL;
}

static const struct edge53_conn *live_conn(const struct model *model)
{
	const struct edge53_conn *conn = &model->conns[random_below(CONNS)];

	for (unsigned i = 0; i < CONNS && !conn->state; i++)
		conn = &model->conns[random_below(CONNS)];
	return conn->state ? conn : NULL;
}

/* Chooses the last word of an answer so that the checksum its client gets comes to 0, sent as 0xffff. */
static void steer_to_zero(struct recipe *r, const struct edge53_flow *flow)
{
	unsigned sum = pseudo_sum(&flow->asked, &flow->client, PROTO_UDP, r->l4_len);
	unsigned char restored[MAX_L4], *last = r->l4 + r->l4_len - 2;

	if (r->l4_len % 2 || r->l4_len < 8 + 12 + 2)
		return;
	put16(last, 0);
	memcpy(restored, r->l4, r->l4_len);
	put16(restored, EDGE53_DNS_PORT);
	put16(restored + 2, flow->client_port);
	put16(restored + 6, 0);
	put16(restored + 8, flow->client_id);
	put16(last, 0xffff - sum16(restored, r->l4_len, sum));
	r->checksum = CHECKSUM_GOOD;
}

static bool udp_reply(const struct model *model, struct recipe *r)
{
	unsigned at, rcode = one_in(2) ? 0 : random_below(16);
	const struct edge53_slot *slot = live_slot(model, &at);
	const struct edge53_backend *backend;

	if (!slot)
		return false;
	backend = &model->setup->backends[slot->flow.backend];
	begin_ip(r, &backend->address, source_of(model->setup, &slot->flow), PROTO_UDP);
	put_udp(r, backend->udp_port + one_in(32), model->slot_port[at]);
	put_dns(r, one_in(32) ? 0x0d0a : model->slot_id[at] ^ one_in(32),
		(one_in(32) ? 0 : 0x8180) | rcode | (one_in(8) ? 0x200 : 0), 1, 0);
	if (one_in(16))
		steer_to_zero(r, &slot->flow);
	return true;
}

static unsigned random_flags(void)
{
	static const unsigned flags[] = {
		ACK,	   ACK, ACK | PSH, ACK | PSH, ACK | FIN, RST,
		RST | ACK, SYN, SYN | ACK, FIN,	      SYN | FIN, ACK | URG
	};

	return one_in(32) ? random_below(256) : PICK(flags);
}

/* Around what makes a difference to a connection that begins with a PROXY header. */
static __u32 number_near(__u32 first)
{
	static const __u32 steps[] = { 0, 0, 0, 1, 28, 52, 1u << 30, 1u << 31, 3u << 30, 20000 };
	__u32 from = first + PICK(steps);

	return one_in(2) ? from : from + random_below(60) - 30;
}

static void put_forged_header(struct recipe *r)
{
	static const struct edge53_addr nobody;
	unsigned at = (r->l4[12] >> 4) * 4;

	if (r->l4_len < at + PROXY_HEADER_MAX)
		return;
	write_proxy_header(&nobody, &nobody, 1, true, r->l4 + at);
	if (one_in(4))
		r->l4[at + random_below(14)] ^= 1;
}

static void number_query(const struct edge53_conn *conn, struct recipe *r)
{
	__u32 first = one_in(4) ? conn->pending_seq : conn->first_seq;
	bool is_syn = r->l4[13] & SYN;

	if (!one_in(8))
		put32(r->l4 + 4, number_near(first) - is_syn);
	if (one_in(8))
		put_forged_header(r);
}

/* Instead of the NOPs that put_tcp() left; or nothing. */
static void put_sacks(__u32 first, struct recipe *r)
{
	unsigned char *options = r->l4 + 20;
	unsigned end = (r->l4[12] >> 4) * 4, at = 20, n;

	if (r->l4[13] & SYN || end < 32)
		return;
	at += random_below(3);
	n = 1 + random_below((end - at - 2) / 8);
	options = r->l4 + at;
	options[0] = 5;
	options[1] = one_in(16) ? random_below(40) : 2 + 8 * n;
	for (unsigned i = 0; i < 2 * n; i++)
		put32(options + 2 + 4 * i, number_near(first));
}

static void number_reply(const struct edge53_conn *conn, struct recipe *r)
{
	static const unsigned windows[] = { 0, 1, 2, 27, 28, 29, 52, 53, 65535 };
	bool is_syn = r->l4[13] & SYN;
	__u32 first = is_syn ? conn->pending_seq : conn->first_seq;

	if (is_syn && one_in(2))
		put32(r->l4 + 4, conn->handshake_ack - 1);
	if (one_in(8))
		return;
	put32(r->l4 + 8, is_syn && !one_in(4) ? first : number_near(first));
	if (one_in(2))
		put16(r->l4 + 14, PICK(windows));
	if (one_in(2))
		put_sacks(first, r);
}

static bool tcp_segment(const struct model *model, struct recipe *r)
{
	const struct edge53_conn *conn = live_conn(model);

	if (!conn)
		return false;
	begin_ip(r, &conn->flow.client, &conn->flow.asked, PROTO_TCP);
	put_tcp(r, conn->flow.client_port, EDGE53_DNS_PORT, random_flags(),
		conn->handshake_ack + one_in(3));
	number_query(conn, r);
	return true;
}

static bool tcp_reply(const struct model *model, struct recipe *r)
{
	const struct edge53_conn *conn = live_conn(model);
	const struct edge53_backend *backend;

	if (!conn)
		return false;
	backend = &model->setup->backends[conn->flow.backend];
	begin_ip(r, &backend->address, source_of(model->setup, &conn->flow), PROTO_TCP);
	put_tcp(r, backend->tcp_port + one_in(32), conn->snat_port,
		one_in(3) ? SYN | ACK : random_flags(), random_below(100000));
	number_reply(conn, r);
	return true;
}

/* --- ICMP errors ------------------------------------------------------------------------------ */

static void put_icmp(struct recipe *r, struct recipe *quoted, bool is_v4)
{
	static const unsigned types4[] = { 3, 3, 11, 12, 8, 0 };
	static const unsigned types6[] = { 1, 2, 3, 4, 128, 135 };
	unsigned char packet[FRAME_MAX];
	unsigned len, min = is_v4 ? 28 : 48;

	len = make_ip(quoted, packet);
	if (len > 500)
		len = 500;
	if (one_in(3) && len > min)
		len = min + random_below(len - min);
	r->l4[0] = is_v4 ? PICK(types4) : PICK(types6);
	r->l4[1] = random_below(one_in(4) ? 256 : 6);
	memset(r->l4 + 2, 0, 6);
	put16(r->l4 + 6, one_in(4) ? random_below(65536) : 1280 + random_below(221));
	memcpy(r->l4 + 8, packet, len);
	r->l4_len = 8 + len;
}

static struct edge53_addr random_router(const struct edge53_addr *near, bool is_v4)
{
	return one_in(2) ? *near : test_addr(is_v4 ? "8.0.44.4" : "2001:db8:86dd:44::4");
}

static void icmp_about(struct recipe *r, struct recipe *quoted)
{
	bool is_v4 = family_of(&quoted->saddr) == 4;
	struct edge53_addr router = random_router(&quoted->daddr, is_v4);

	begin_ip(r, &router, &quoted->saddr, is_v4 ? PROTO_ICMP : PROTO_ICMP6);
	put_icmp(r, quoted, is_v4);
}

/* About a query as the backend would have got it. */
static bool icmp_about_query(const struct model *model, struct recipe *r)
{
	struct recipe quoted;
	const struct edge53_backend *backend;
	unsigned at;

	if (one_in(2)) {
		const struct edge53_slot *slot = live_slot(model, &at);

		if (!slot)
			return false;
		backend = &model->setup->backends[slot->flow.backend];
		begin_ip(&quoted, source_of(model->setup, &slot->flow), &backend->address,
			 PROTO_UDP);
		put_udp(&quoted, model->slot_port[at], backend->udp_port);
		put_dns(&quoted, model->slot_id[at], 0x0100, 1, 0);
	} else {
		const struct edge53_conn *conn = live_conn(model);

		if (!conn)
			return false;
		backend = &model->setup->backends[conn->flow.backend];
		begin_ip(&quoted, source_of(model->setup, &conn->flow), &backend->address,
			 PROTO_TCP);
		put_tcp(&quoted, conn->snat_port, backend->tcp_port, random_flags(), 7);
		put32(quoted.l4 + 4, number_near(conn->first_seq));
	}
	icmp_about(r, &quoted);
	return true;
}

/* About a reply as the client would have got it. */
static bool icmp_about_reply(const struct model *model, struct recipe *r)
{
	const struct edge53_conn *conn = live_conn(model);
	struct recipe quoted;
	unsigned at;

	if (one_in(3)) {
		const struct edge53_slot *slot = live_slot(model, &at);

		if (!slot)
			return false;
		begin_ip(&quoted, &slot->flow.asked, &slot->flow.client, PROTO_UDP);
		put_udp(&quoted, EDGE53_DNS_PORT, slot->flow.client_port);
		put_dns(&quoted, slot->flow.client_id, 0x8180, 1, 0);
	} else {
		if (!conn)
			return false;
		begin_ip(&quoted, &conn->flow.asked, &conn->flow.client, PROTO_TCP);
		put_tcp(&quoted, EDGE53_DNS_PORT, conn->flow.client_port, random_flags(), 7);
	}
	icmp_about(r, &quoted);
	return true;
}

/* --- the rest --------------------------------------------------------------------------------- */

static void other_traffic(const struct way *way, struct recipe *r)
{
	static const unsigned protocols[] = { PROTO_UDP, PROTO_TCP, PROTO_ICMP, PROTO_ICMP6,
					      47,	 50,	    51,		132 };
	static const unsigned ports[] = {
		53, 54, 853, 443, 123, PORT_BASE - 1, PORT_BASE, PORT_BASE + (1 << PORT_BITS)
	};
	bool is_v6 = one_in(2);
	struct edge53_addr client = random_client(is_v6), server = random_server(way, is_v6);

	if (one_in(2))
		server.bytes[15] ^= 1;
	begin_ip(r, &client, &server, PICK(protocols));
	r->l4_len = random_below(100);
	random_bytes(r->l4, r->l4_len);
	if (r->protocol == PROTO_UDP)
		put_udp(r, PICK(ports), PICK(ports));
}

/* What policies are about: DNS over TLS and QUIC, DoH. */
static void policed(const struct way *way, struct recipe *r)
{
	unsigned port = one_in(2) ? 853 : 443;

	if (one_in(2))
		tcp_open(way, r, port);
	else
		udp_query(way, r, port);
}

static bool query_like(const struct way *way, const struct model *model, struct recipe *r)
{
	switch (random_below(way->is_enforce ? 12 : 10)) {
	case 0:
	case 1:
	case 2:
	case 3:
		udp_query(way, r, EDGE53_DNS_PORT);
		return true;
	case 4:
	case 5:
		tcp_open(way, r, EDGE53_DNS_PORT);
		return true;
	case 6:
	case 7:
	case 8:
		return tcp_segment(model, r);
	case 9:
		if (one_in(2))
			return icmp_about_reply(model, r);
		other_traffic(way, r);
		return true;
	default:
		policed(way, r);
		return true;
	}
}

static bool reply_like(const struct way *way, const struct model *model, struct recipe *r)
{
	switch (random_below(8)) {
	case 0:
	case 1:
	case 2:
	case 3:
		return udp_reply(model, r);
	case 4:
	case 5:
		return tcp_reply(model, r);
	case 6:
		return icmp_about_query(model, r);
	default:
		other_traffic(way, r);
		return true;
	}
}

static bool fragment_like(const struct model *model, struct recipe *r)
{
	unsigned n = model->n_fragments < MODEL_FRAGMENTS ? model->n_fragments : MODEL_FRAGMENTS;

	if (!n)
		return false;
	later_fragment_of(&model->fragments[n - 1 - random_below(n < 8 ? n : 8)].key, r);
	return true;
}

/* --- frames ----------------------------------------------------------------------------------- */

static void put_link(const struct way *way, bool is_query, bool is_v4, unsigned char *link)
{
	const unsigned char *to = is_query ? uplink_mac : way->is_enforce ? client_mac : inner_mac;
	const unsigned char *from = is_query	      ? one_in(8) ? router_mac : client_mac
				    : way->is_enforce ? uplink_mac
						      : backend_mac;

	memcpy(link, one_in(64) ? router_mac : to, 6);
	memcpy(link + 6, from, 6);
	put16(link + 12, is_v4 ? 0x0800 : 0x86dd);
}

static void add_vlan_tag(struct frame *frame)
{
	unsigned char *at = frame->bytes + 12;

	if (frame->len + 4 > FRAME_MAX)
		return;
	memmove(at + 4, at, frame->len - 12);
	put16(at, one_in(4) ? 0x88a8 : 0x8100);
	put16(at + 2, one_in(4) ? 0 : random_below(65536));
	frame->len += 4;
}

static void pad(struct frame *frame)
{
	unsigned n = 1 + random_below(30);

	if (frame->len + n > FRAME_MAX)
		return;
	random_bytes(frame->bytes + frame->len, n);
	frame->len += n;
}

static void mutate(struct frame *frame, unsigned l3)
{
	static const unsigned char interesting[] = { 0,	 1,  4,	 6,    17,   44,   50,	 51,
						     53, 58, 59, 0x45, 0x46, 0x60, 0x7f, 0xff };

	for (unsigned n = 1 + random_below(3); n; n--) {
		unsigned at = random_below(frame->len < l3 + 100 ? frame->len : l3 + 100);

		switch (random_below(5)) {
		case 0:
			frame->bytes[at] ^= 1u << random_below(8);
			break;
		case 1:
			frame->bytes[at] = PICK(interesting);
			break;
		case 2:
			frame->bytes[at] = random_below(256);
			break;
		case 3:
			frame->len -= random_below(frame->len > 60 ? 20 : 4);
			break;
		default:
			frame->len =
				frame->len < 40 ? frame->len : 40 + random_below(frame->len - 39);
		}
	}
}

/*
 * BPF_PROG_TEST_RUN has its own wishes: on a device without Ethernet header the packet must bear
 * the EtherType where it looks for it, and behind one of IP there must be an IP header.
 */
static void suit_test_run(enum test_program program, bool is_l3, bool is_v4, struct frame *frame)
{
	unsigned least = ETH_LEN + 1, type;

	if (is_l3)
		put16(frame->bytes + 12, is_v4 ? 0x0800 : 0x86dd);
	type = get16(frame->bytes + 12);
	if (program != EDGE_XDP)
		least = ETH_LEN + (type == 0x0800 ? 20 : type == 0x86dd ? 40 : 1);
	while (frame->len < least)
		frame->bytes[frame->len++] = 0;
}

static void make_frame_of(const struct way *way, bool is_query, struct recipe *r,
			  struct event *event)
{
	bool is_l3 = is_query ? way->client_is_l3 : way->backend_is_l3;
	bool is_v4 = family_of(&r->saddr) == 4;
	unsigned l3 = is_l3 ? 0 : ETH_LEN;
	struct frame *frame = &event->frame;

	frame->len = l3 + make_ip(r, frame->bytes + l3);
	if (!is_l3)
		put_link(way, is_query, is_v4, frame->bytes);
	if (one_in(10))
		pad(frame);
	if (!is_l3 && one_in(64))
		add_vlan_tag(frame);
	if (one_in(5))
		mutate(frame, l3);
	if (one_in(100))
		random_bytes(frame->bytes + l3, frame->len - l3);
	suit_test_run(event->program, is_l3, is_v4, frame);
}

/*
 * Far enough from every timeout (5, 10, 20, 30 and 300 s), also several of them together, that neither the machine's
 * own slowness nor the tick of the clock matters.
 */
static __u64 random_time(void)
{
	static const unsigned times_ms[] = { 2900, 6400, 22750, 307000 };

	return one_in(64) ? PICK(times_ms) * (SECONDS / 1000) : 0;
}

/* What a guard sees: anything that is forwarded, from any device. */
static void forwarded_event(const struct way *way, struct event *event)
{
	const enum test_device from = random_below(DEV_COUNT);
	struct recipe recipe;

	if (one_in(3))
		tcp_open(way, &recipe, one_in(8) ? 54 : EDGE53_DNS_PORT);
	else if (one_in(3))
		other_traffic(way, &recipe);
	else
		udp_query(way, &recipe, EDGE53_DNS_PORT);
	if (one_in(8))
		make_first_fragment(&recipe);
	event->program = way->query;
	event->device = DEV_UPLINK;
	event->around = (struct surroundings){ .ingress_ifindex = from ? world_ifindex(from) : 0 };
	event->older_ns = 0;
	make_frame_of(way, true, &recipe, event);
}

/* TCP that GRO put together; not in worlds where BPF_PROG_TEST_RUN cannot change the family of such. */
static unsigned random_gso_size(const struct model *model, const struct recipe *r)
{
	const struct setup *setup = model->setup;
	unsigned header = (r->l4[12] >> 4) * 4;

	for (unsigned family = 0; family < 2; family++) {
		unsigned id = setup->services[SERVICE_EDGE].picks[family].tcp[0];

		if ((family_of(&setup->backends[id].address) == 6) != family)
			return 0;
	}
	if (r->protocol != PROTO_TCP || r->is_fragment || r->l4[13] & SYN || r->l4_len < header + 2)
		return 0;
	return 1 + random_below(r->l4_len - header - 1);
}

void random_event(const struct way *way, const struct model *model, struct event *event)
{
	struct recipe recipe;
	bool is_query = one_in(2), is_made = false;

	if (way->is_guard) {
		forwarded_event(way, event);
		return;
	}
	while (!is_made) {
		is_query = one_in(2);
		if (one_in(10))
			is_made = fragment_like(model, &recipe);
		else if (is_query)
			is_made = query_like(way, model, &recipe);
		else
			is_made = reply_like(way, model, &recipe);
	}
	if (!recipe.is_fragment && one_in(12))
		make_first_fragment(&recipe);
	event->program = is_query ? way->query : way->reply;
	event->device = way->is_enforce ? DEV_PPP : is_query ? DEV_UPLINK : DEV_INNER;
	if (one_in(32))
		event->device = DEV_OTHER;
	event->older_ns = random_time();
	event->around = (struct surroundings){};
	if (recipe.protocol == PROTO_UDP && !recipe.is_fragment && event->program != EDGE_XDP &&
	    one_in(50))
		event->around.gso_size = 1 + random_below(100);
	if (event->program != EDGE_XDP && one_in(20))
		event->around.gso_size = event->around.gso_size ?: random_gso_size(model, &recipe);
	make_frame_of(way, is_query, &recipe, event);
}
