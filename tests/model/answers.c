// SPDX-License-Identifier: GPL-2.0-only
/* Model: what the sender of a dropped packet is told. */
#include <string.h>

#include "turn.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

#define IPV4_ERROR_MAX 576
#define IPV6_ERROR_MAX 1280

struct error {
	unsigned type, code, mtu;
};

static bool is_nobody(const struct edge53_addr *addr)
{
	if (family_of(addr) == 4)
		return !addr->bytes[12] || addr->bytes[12] >= 224; /* RFC 1122 3.2.1.3 */
	return is_zero(addr, 16) || addr->bytes[0] == 0xff;
}

static unsigned ip_header_len(const struct turn *t)
{
	return t->seen.family == 4 ? 20 : 40;
}

static bool may_be_told(const struct turn *t)
{
	const unsigned char *tcp = t->ip + t->seen.l4;

	return !is_nobody(&t->seen.saddr) && !is_nobody(&t->seen.daddr) &&
	       !is_later_fragment(&t->seen) && lengths_are_right(t->ip, &t->seen) &&
	       !is_bundle(t) && !(t->seen.protocol == PROTO_TCP && tcp[13] & RST);
}

/* --- the headers of an answer ----------------------------------------------------------------- */

/* Back to where the frame came from. */
static unsigned char *begin_answer(struct turn *t)
{
	unsigned char *link = t->result->out.bytes;

	t->result->out.len = t->link;
	if (!t->link)
		return link;
	memcpy(link, t->in->bytes + 6, 6);
	memcpy(link + 6, t->in->bytes, 6);
	memcpy(link + 12, t->in->bytes + 12, 2);
	return link + t->link;
}

/* TOS, ID, DF and TTL are for the program to choose. */
static void put_ip_header(struct turn *t, unsigned char *ip, unsigned protocol, unsigned l4_len)
{
	const unsigned char *got = got_ip(t);
	const struct seen *seen = &t->seen;

	if (seen->family == 6) {
		memcpy(ip, got, 8);
		ip[0] = 0x60 | (got[0] & 15);
		put16(ip + 4, l4_len);
		ip[6] = protocol;
		memcpy(ip + 8, &seen->daddr, 16);
		memcpy(ip + 24, &seen->saddr, 16);
		return;
	}
	memcpy(ip, got, 20);
	ip[0] = 0x45;
	put16(ip + 2, 20 + l4_len);
	put16(ip + 6, get16(got + 6) & 0x4000);
	ip[9] = protocol;
	put16(ip + 10, 0);
	memcpy(ip + 12, seen->daddr.bytes + 12, 4);
	memcpy(ip + 16, seen->saddr.bytes + 12, 4);
	put_checksum(ip + 10, false, 0, sum16(ip, 20, 0));
}

static void check_hops(struct turn *t)
{
	unsigned hops = got_ip(t)[t->seen.family == 4 ? 8 : 7];

	if (hops < 64)
		t->model->objection = "the TTL of an answer";
}

/* --- ICMP and RST ----------------------------------------------------------------------------- */

/*
 * The sum of a message. A partial checksum in what it quotes is completed on the way out, over as much as
 * is quoted, and then that comes to the complement of what the field is now.
 */
static unsigned sum_of_message(const struct turn *t, const unsigned char *icmp, unsigned len,
			       unsigned sum)
{
	const struct seen *seen = &t->seen;
	unsigned char completed[2];

	if (!has_partial_checksum(t->ip, seen))
		return sum16(icmp, len, sum);
	put16(completed, 0xffff - pseudo_sum(&seen->saddr, &seen->daddr, seen->protocol,
					     seen->ip_len - seen->l4));
	return sum16(completed, 2, sum16(icmp, 8 + seen->l4, sum));
}

static void write_error(struct turn *t, const struct error *error)
{
	bool is_v4 = t->seen.family == 4;
	unsigned header = ip_header_len(t), max = is_v4 ? IPV4_ERROR_MAX : IPV6_ERROR_MAX;
	unsigned quote = t->seen.there < max - header - 8 ? t->seen.there : max - header - 8;
	unsigned char *ip = begin_answer(t), *icmp = ip + header;
	unsigned sum = 0;

	put_ip_header(t, ip, is_v4 ? PROTO_ICMP : PROTO_ICMP6, 8 + quote);
	memset(icmp, 0, 8);
	icmp[0] = error->type;
	icmp[1] = error->code;
	put32(icmp + 4, error->mtu);
	memcpy(icmp + 8, t->ip, quote);
	if (!is_v4)
		sum = pseudo_sum(&t->seen.daddr, &t->seen.saddr, PROTO_ICMP6, 8 + quote);
	put_checksum(icmp + 2, false, 0, sum_of_message(t, icmp, 8 + quote, sum));
	check_hops(t);
	t->result->out.len += header + 8 + quote;
}

/* RFC 9293 3.10.7.1. */
static void write_reset(struct turn *t)
{
	unsigned header = ip_header_len(t), flags = t->ip[t->seen.l4 + 13];
	const unsigned char *tcp = t->ip + t->seen.l4;
	unsigned char *ip = begin_answer(t), *rst = ip + header;
	unsigned len = t->seen.ip_len - t->seen.l4 - (tcp[12] >> 4) * 4, sum;

	put_ip_header(t, ip, PROTO_TCP, 20);
	memset(rst, 0, 20);
	put16(rst, t->seen.dport);
	put16(rst + 2, t->seen.sport);
	rst[12] = 5 << 4;
	rst[13] = RST;
	if (flags & ACK) {
		put32(rst + 4, get32(tcp + 8));
	} else {
		rst[13] |= ACK;
		put32(rst + 8, get32(tcp + 4) + len + !!(flags & SYN) + !!(flags & FIN));
	}
	sum = pseudo_sum(&t->seen.daddr, &t->seen.saddr, PROTO_TCP, 20);
	if (has_partial_checksum(t->ip, &t->seen))
		put16(rst + 16, sum);
	else
		put_checksum(rst + 16, false, 0, sum16(rst, 20, sum));
	check_hops(t);
	t->result->out.len += header + 20;
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool begin_telling(struct turn *t, enum edge53_reason why, unsigned service)
{
	end(t, why, service);
	t->result->is_told = may_be_told(t);
	t->model->n_told += t->result->is_told;
	t->result->is_open = t->hook->is_l3; /* it takes Ethernet for granted when sizes change */
	return t->result->is_told;
}

void end_with_error(struct turn *t, enum edge53_reason why, unsigned service, unsigned mtu)
{
	static const struct error expired[] = { { 11, 0, 0 }, { 3, 0, 0 } };
	bool is_v6 = t->seen.family == 6;
	struct error error = why == EDGE53_TTL_EXPIRED ? expired[is_v6]
			     : is_v6		       ? (struct error){ 2, 0, mtu }
						       : (struct error){ 3, 4, mtu };

	if (begin_telling(t, why, service))
		write_error(t, &error);
}

/* --- TC=1 and SERVFAIL ------------------------------------------------------------------------------------- */

enum { DNS_HEADER = 12, MAX_NAME = 255, OPT_LEN = 11 };

/* Bytes of the one question; 0: none that can be walked. */
static unsigned question_len(const unsigned char *dns, unsigned len)
{
	unsigned at = DNS_HEADER, label;

	if (get16(dns + 4) != 1)
		return 0;
	do {
		if (at >= len)
			return 0;
		label = dns[at];
		at += 1 + label;
		if (label > 63 || at - DNS_HEADER > MAX_NAME)
			return 0;
	} while (label);
	return at + 4 <= len ? at + 4 - DNS_HEADER : 0;
}

static unsigned write_message(const unsigned char *query, unsigned len, bool is_servfail,
			      unsigned char *dns)
{
	static const unsigned char opt[OPT_LEN] = { 0, 0, 41, 1232 >> 8, 1232 & 0xff };
	unsigned question = question_len(query, len), at = DNS_HEADER + question;

	memset(dns, 0, DNS_HEADER);
	memcpy(dns, query, 2);
	dns[2] = 0x80 | (is_servfail ? 0 : 0x02) | (query[2] & 0x79);
	dns[3] = is_servfail ? 2 : 0;
	put16(dns + 4, !!question);
	memcpy(dns + DNS_HEADER, query + DNS_HEADER, question);
	if (is_servfail || !get16(query + 10) || at + OPT_LEN > len)
		return at;
	put16(dns + 10, 1);
	memcpy(dns + at, opt, sizeof(opt));
	return at + sizeof(opt);
}

enum { ETHERNET_MIN = 60 };

/* XDP makes no frame shorter than Ethernet has them, nor longer than it was. */
static void pad_as_ethernet(struct frame *frame, unsigned len)
{
	if (len > ETHERNET_MIN)
		len = ETHERNET_MIN;
	if (frame->len >= len)
		return;
	memset(frame->bytes + frame->len, 0, len - frame->len);
	frame->len = len;
}

static void end_with_message(struct turn *t, enum edge53_reason why, unsigned service)
{
	const unsigned char *query = t->ip + t->seen.l4;
	unsigned header = ip_header_len(t), len, sum;
	unsigned char *ip, *udp;

	end(t, why, service);
	if (is_nobody(&t->seen.saddr) || is_nobody(&t->seen.daddr))
		return;
	t->result->is_told = true;
	t->result->is_open = t->hook->is_l3;
	ip = begin_answer(t);
	udp = ip + header;
	len = 8 + write_message(query + 8, get16(query + 4) - 8,
				why == EDGE53_NO_BACKEND_SERVFAIL, udp + 8);
	put_ip_header(t, ip, PROTO_UDP, len);
	put16(udp, t->seen.dport);
	put16(udp + 2, t->seen.sport);
	put16(udp + 4, len);
	put16(udp + 6, 0);
	sum = pseudo_sum(&t->seen.daddr, &t->seen.saddr, PROTO_UDP, len);
	put_checksum(udp + 6, true, 0, sum16(udp, len, sum));
	check_hops(t);
	t->result->out.len += header + len;
	if (t->hook->is_xdp)
		pad_as_ethernet(&t->result->out, t->in->len);
}

void end_truncated(struct turn *t, unsigned service)
{
	end_with_message(t, EDGE53_TRUNCATED, service);
}

void end_servfail(struct turn *t, unsigned service)
{
	end_with_message(t, EDGE53_NO_BACKEND_SERVFAIL, service);
}

/* A partial checksum must stay where it is, and a RST has neither options nor extensions. */
static bool can_be_reset(const struct turn *t)
{
	return t->seen.l4 == ip_header_len(t) || !has_partial_checksum(t->ip, &t->seen);
}

void end_with_refusal(struct turn *t, enum edge53_reason why, unsigned service)
{
	static const struct error prohibited[] = { { 3, 13, 0 }, { 1, 1, 0 } };

	if (!begin_telling(t, why, service))
		return;
	if (t->seen.protocol == PROTO_UDP)
		write_error(t, &prohibited[t->seen.family == 6]);
	else if (can_be_reset(t))
		write_reset(t);
	else
		t->result->is_told = false;
}
