// SPDX-License-Identifier: GPL-2.0-only
/* The packet builder, and the eyes that compare two packets. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frames.h"

#define POOL 8192

static struct layer_of pool[POOL];
static unsigned used;

void frames_reset(void)
{
	used = 0;
}

static struct layer_of *new_layer(enum layer kind, struct layer_of *inner)
{
	struct layer_of *l = &pool[used++];

	if (used == POOL)
		abort();
	*l = (struct layer_of){ .layer = kind, .inner = inner, .ttl = 64,
				.id = 0x4d2 };
	return l;
}

/* --- layers ----------------------------------------------------------------------------------- */

struct layer_of *eth(const unsigned char *dmac, const unsigned char *smac, struct layer_of *inner)
{
	struct layer_of *l = new_layer(L_ETH, inner);

	l->dmac = dmac;
	l->smac = smac;
	return l;
}

struct layer_of *tag(unsigned tci, struct layer_of *inner)
{
	struct layer_of *l = new_layer(L_VLAN, inner);

	l->id = tci;
	return l;
}

struct layer_of *vlan(const unsigned char *dmac, const unsigned char *smac, struct layer_of *inner)
{
	return eth(dmac, smac, tag(42, inner));
}

struct layer_of *arp(void)
{
	return new_layer(L_ARP, NULL);
}

static struct layer_of *ip(enum layer kind, const char *src, const char *dst,
			   struct layer_of *inner)
{
	struct layer_of *l = new_layer(kind, inner);

	l->src = src;
	l->dst = dst;
	return l;
}

struct layer_of *ip4(const char *src, const char *dst, struct layer_of *inner)
{
	return ip(L_IP4, src, dst, inner);
}

struct layer_of *ip6(const char *src, const char *dst, struct layer_of *inner)
{
	return ip(L_IP6, src, dst, inner);
}

struct layer_of *ip6_ext(unsigned protocol, struct layer_of *inner)
{
	struct layer_of *l = new_layer(L_IP6_EXT, inner);

	l->sport = protocol;
	return l;
}

struct layer_of *ip6_fragment(unsigned offset_and_flags, struct layer_of *inner)
{
	struct layer_of *l = ip6_ext(44, inner);

	l->frag = offset_and_flags;
	return l;
}

struct layer_of *ip6_long_ext(unsigned protocol, unsigned more, struct layer_of *inner)
{
	return options(more, ip6_ext(protocol, inner));
}

struct layer_of *ip6_routing(unsigned segments_left, struct layer_of *inner)
{
	struct layer_of *l = ip6_ext(43, inner);

	l->segments_left = segments_left;
	return l;
}

struct layer_of *udp(unsigned sport, unsigned dport, struct layer_of *payload)
{
	struct layer_of *l = new_layer(L_UDP, payload);

	l->sport = sport;
	l->dport = dport;
	return l;
}

struct layer_of *tcp(unsigned sport, unsigned dport, const char *flags, struct layer_of *payload)
{
	static const char letters[] = "FSRPA";
	struct layer_of *l = new_layer(L_TCP, payload);

	l->sport = sport;
	l->dport = dport;
	for (; *flags; flags++)
		l->flags |= 1u << (strchr(letters, *flags) - letters);
	return l;
}

struct layer_of *reset(unsigned sport, unsigned dport, const char *flags, unsigned seq,
		       unsigned ack)
{
	struct layer_of *l = tcp(sport, dport, flags, nothing());

	l->has_numbers = true;
	l->seq = seq;
	l->ack = ack;
	return l;
}

struct layer_of *icmp(unsigned type, unsigned code, unsigned rest, struct layer_of *quoted)
{
	struct layer_of *l = new_layer(L_ICMP, quoted);

	l->flags = type << 8 | code;
	l->rest = rest;
	return l;
}

struct layer_of *icmp_echo(void)
{
	return icmp(8, 0, 0, text("ping"));
}

struct layer_of *quoting(unsigned bytes, struct layer_of *l)
{
	l->cut = bytes;
	return l;
}

static void put16(unsigned char *p, unsigned value)
{
	p[0] = value >> 8;
	p[1] = value;
}

static void put32(unsigned char *p, unsigned value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

static unsigned get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

struct layer_of *nothing(void)
{
	return new_layer(L_DATA, NULL);
}

struct layer_of *text(const char *bytes)
{
	struct layer_of *l = nothing();

	l->data_len = strlen(bytes);
	memcpy(l->data, bytes, l->data_len);
	return l;
}

struct layer_of *raw(unsigned protocol, const unsigned char *bytes, unsigned len)
{
	struct layer_of *l = nothing();

	if (len > DATA_MAX)
		abort();
	l->sport = protocol;
	l->data_len = len;
	memcpy(l->data, bytes, len);
	return l;
}

/* The name is one label as it stands; nobody in the dataplane reads it. */
struct layer_of *dns(unsigned id, unsigned flags, unsigned questions, unsigned additionals,
		     const char *name)
{
	struct layer_of *l = nothing();
	size_t len = strlen(name);

	put16(l->data, id);
	put16(l->data + 2, flags);
	put16(l->data + 4, questions);
	put16(l->data + 10, additionals);
	l->data[12] = len;
	memcpy(l->data + 13, name, len);
	put16(l->data + 13 + len + 1, 1); /* A */
	put16(l->data + 13 + len + 3, 1); /* IN */
	l->data_len = 13 + len + 5;
	return l;
}

struct layer_of *dns_query(unsigned id, const char *name)
{
	return dns(id, 0x0100, 1, 0, name);
}

struct layer_of *dns_reply(unsigned id, const char *name)
{
	return dns(id, 0x8180, 1, 0, name);
}

struct layer_of *longer(unsigned bytes, struct layer_of *payload)
{
	if (payload->data_len + bytes > DATA_MAX)
		abort();
	for (unsigned i = 0; i < bytes; i++)
		payload->data[payload->data_len++] = i * 7;
	return payload;
}

/* --- modifiers -------------------------------------------------------------------------------- */

struct layer_of *with_tail(unsigned tail, struct layer_of *payload)
{
	put16(payload->data + payload->data_len, tail);
	payload->data_len += 2;
	return payload;
}

struct layer_of *header_only(struct layer_of *l)
{
	l->data_len = 12;
	return l;
}

struct layer_of *ttl(unsigned hops, struct layer_of *l)
{
	l->ttl = hops;
	return l;
}

struct layer_of *forwarded(struct layer_of *l)
{
	return ttl(63, l);
}

struct layer_of *tos(unsigned value, struct layer_of *l)
{
	l->tos = value;
	return l;
}

struct layer_of *flow_label(unsigned value, struct layer_of *l)
{
	l->flow_label = value;
	return l;
}

struct layer_of *dont_fragment(struct layer_of *l)
{
	l->frag |= 0x4000;
	return l;
}

struct layer_of *ip_id(unsigned id, struct layer_of *l)
{
	l->id = id;
	return l;
}

struct layer_of *any_id(struct layer_of *l)
{
	l->any_id = true;
	return l;
}

struct layer_of *option(const char *bytes, unsigned len, struct layer_of *l)
{
	memcpy(l->data + l->data_len, bytes, len);
	l->data_len += len;
	return l;
}

struct layer_of *mss(unsigned bytes, struct layer_of *l)
{
	const char text[4] = { 2, 4, bytes >> 8, bytes };

	return option(text, sizeof(text), l);
}

struct layer_of *options(unsigned words, struct layer_of *l)
{
	l->option_words = words;
	return l;
}

struct layer_of *first_fragment(struct layer_of *l)
{
	l->frag = 0x2000;
	return l;
}

struct layer_of *later_fragment(struct layer_of *l)
{
	l->frag = 100;
	return l;
}

struct layer_of *version(unsigned value, struct layer_of *l)
{
	l->version = value;
	return l;
}

struct layer_of *ihl(unsigned words, struct layer_of *l)
{
	l->ihl = words;
	return l;
}

struct layer_of *data_offset(unsigned words, struct layer_of *l)
{
	l->data_offset = words;
	return l;
}

struct layer_of *acknowledging_too_much(unsigned bytes, struct layer_of *l)
{
	l->ack_off = bytes;
	return l;
}

struct layer_of *length_off_by(int bytes, struct layer_of *l)
{
	l->len_off = bytes;
	return l;
}

static struct layer_of *set_checksum(enum checksum checksum, struct layer_of *l)
{
	l->checksum = checksum;
	return l;
}

struct layer_of *zero_checksum(struct layer_of *l4)
{
	return set_checksum(CHECKSUM_ZERO, l4);
}

struct layer_of *partial_checksum(struct layer_of *l4)
{
	return set_checksum(CHECKSUM_PARTIAL, l4);
}

struct layer_of *bad_checksum(struct layer_of *l4)
{
	return set_checksum(CHECKSUM_BAD, l4);
}

struct layer_of *padded(unsigned bytes, struct layer_of *outer)
{
	outer->pad = bytes;
	return outer;
}

struct layer_of *cut_to(unsigned bytes, struct layer_of *outer)
{
	outer->cut = bytes;
	return outer;
}

/* --- checksums, from scratch ------------------------------------------------------------------ */

unsigned sum16(const unsigned char *bytes, size_t len, unsigned start)
{
	unsigned long sum = start;

	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : bytes[i] << 8;
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static unsigned pseudo_sum(const unsigned char *addresses, size_t address_bytes, unsigned protocol,
			   unsigned len)
{
	unsigned char tail[4] = { 0, protocol, len >> 8, len };

	return sum16(tail, sizeof(tail), sum16(addresses, address_bytes, 0));
}

int ip_checksum_error(const unsigned char *p, size_t len)
{
	size_t header = (p[0] & 15) * 4;

	if (len < 20 || len < header)
		return -1;
	return 0xffff - sum16(p, header, 0);
}

int l4_checksum_error(const unsigned char *p, size_t len)
{
	size_t header = (p[0] & 15) * 4, l4_len = get16(p + 2) - header;
	const unsigned char *l4 = p + header;

	if (len < header + 8 || (p[9] != 6 && p[9] != 17))
		return -1;
	if (p[9] == 17) {
		if (!get16(l4 + 6))
			return -1;
		l4_len = get16(l4 + 4);
	}
	if (header + l4_len > len)
		return -1;
	return 0xffff - sum16(l4, l4_len, pseudo_sum(p + 12, 8, p[9], l4_len));
}

bool looks_partial(const unsigned char *p)
{
	size_t header = (p[0] & 15) * 4, check = header + (p[9] == 17 ? 6 : 16);

	return get16(p + check) == pseudo_sum(p + 12, 8, p[9], get16(p + 2) - header);
}

bool lengths_agree(const unsigned char *p, size_t len)
{
	size_t header = (p[0] & 15) * 4, total = get16(p + 2), l4_min, l4_says;

	if (header < 20 || total > len || total < header + 8)
		return false;
	l4_min = p[9] == 17 ? 8 : 20;
	l4_says = p[9] == 17 ? get16(p + header + 4) : (p[header + 12] >> 4) * 4u;
	return l4_says >= l4_min && header + l4_says <= total;
}

/* --- bytes ------------------------------------------------------------------------------------ */

static unsigned protocol_of(const struct layer_of *l)
{
	switch (l->layer) {
	case L_UDP:
		return 17;
	case L_TCP:
		return 6;
	case L_ICMP:
		return 1;
	case L_IP6_EXT:
		return l->sport;
	default:
		return l->sport ?: 59;
	}
}

static unsigned protocol_in_ip6(const struct layer_of *l)
{
	return l->layer == L_ICMP ? 58 : protocol_of(l);
}

static unsigned ethertype_of(const struct layer_of *l)
{
	switch (l->layer) {
	case L_IP4:
		return 0x0800;
	case L_IP6:
		return 0x86dd;
	case L_ARP:
		return 0x0806;
	case L_VLAN:
		return 0x8100;
	default:
		return 0x88b5;
	}
}

static unsigned make(const struct layer_of *l, unsigned char *p);

static unsigned make_eth(const struct layer_of *l, unsigned char *p)
{
	memcpy(p, l->dmac, 6);
	memcpy(p + 6, l->smac, 6);
	put16(p + 12, ethertype_of(l->inner));
	return ETH_LEN + make(l->inner, p + ETH_LEN);
}

static unsigned make_vlan(const struct layer_of *l, unsigned char *p)
{
	put16(p, l->id);
	put16(p + 2, ethertype_of(l->inner));
	return 4 + make(l->inner, p + 4);
}

/* Checksum of the transport header at l4, now that the addresses are known; none: no pseudo header. */
static void finish_l4(const struct layer_of *l, unsigned char *l4, unsigned len, unsigned pseudo)
{
	unsigned char *check = l4 + (l->layer == L_UDP ? 6 : l->layer == L_TCP ? 16 : 2);
	unsigned sum;

	if (l->layer != L_UDP && l->layer != L_TCP && l->layer != L_ICMP)
		return;
	put16(check, 0);
	sum = 0xffff - sum16(l4, len, pseudo);
	if (!sum && l->layer == L_UDP)
		sum = 0xffff;
	switch (l->checksum) {
	case CHECKSUM_ZERO:
		sum = 0;
		break;
	case CHECKSUM_PARTIAL:
		sum = pseudo;
		break;
	case CHECKSUM_BAD:
		sum = sum16((unsigned char[]){ 0x11, 0x22 }, 2, sum);
		break;
	default:
		break;
	}
	put16(check, sum);
}

static unsigned make_ip4(const struct layer_of *l, unsigned char *p)
{
	unsigned header = 20 + l->option_words * 4, len;

	memset(p, 0, 20);
	memset(p + 20, 1, l->option_words * 4); /* NOP */
	p[0] = (l->version ?: 4) << 4 | (l->ihl ?: header / 4);
	p[1] = l->tos;
	put16(p + 4, l->id);
	put16(p + 6, l->frag);
	p[8] = l->ttl;
	p[9] = protocol_of(l->inner);
	inet_pton(AF_INET, l->src, p + 12);
	inet_pton(AF_INET, l->dst, p + 16);
	len = make(l->inner, p + header);
	put16(p + 2, header + len + l->len_off);
	put16(p + 10, 0xffff - sum16(p, header, 0));
	if (l->checksum == CHECKSUM_BAD)
		put16(p + 10, sum16((unsigned char[]){ 0x11, 0x22 }, 2, get16(p + 10)));
	finish_l4(l->inner, p + header, len,
		  l->inner->layer == L_ICMP ? 0 :
					      pseudo_sum(p + 12, 8, protocol_of(l->inner), len));
	return header + len;
}

static unsigned ext_len(const struct layer_of *l)
{
	return 8 + l->option_words * 8;
}

static unsigned make_ip6(const struct layer_of *l, unsigned char *p)
{
	const struct layer_of *next = l->inner;
	unsigned len, skip = 0;

	memset(p, 0, 40);
	put32(p, (l->version ?: 6) << 28 | l->tos << 20 | l->flow_label);
	p[6] = protocol_in_ip6(l->inner);
	p[7] = l->ttl;
	inet_pton(AF_INET6, l->src, p + 8);
	inet_pton(AF_INET6, l->dst, p + 24);
	len = make(l->inner, p + 40);
	put16(p + 4, len + l->len_off);
	for (; next->layer == L_IP6_EXT; next = next->inner)
		skip += ext_len(next);
	finish_l4(next, p + 40 + skip, len - skip,
		  pseudo_sum(p + 8, 32, protocol_in_ip6(next), len - skip));
	return 40 + len;
}

static unsigned make_ip6_ext(const struct layer_of *l, unsigned char *p)
{
	memset(p, 0, ext_len(l));
	p[0] = protocol_in_ip6(l->inner);
	if (l->sport == 44) {
		put16(p + 2, l->frag);
		put32(p + 4, l->id);
	} else {
		p[1] = l->option_words;
		p[3] = l->segments_left;
	}
	return ext_len(l) + make(l->inner, p + ext_len(l));
}

static unsigned make_udp(const struct layer_of *l, unsigned char *p)
{
	unsigned len = 8 + make(l->inner, p + 8);

	put16(p, l->sport);
	put16(p + 2, l->dport);
	put16(p + 4, len + l->len_off);
	put16(p + 6, 0);
	return len;
}

enum { FLAG_SYN = 2, FLAG_ACK = 16, CLIENT_ISN = 1000, SERVER_ISN = 5000 };

static unsigned make_tcp(const struct layer_of *l, unsigned char *p)
{
	bool is_server = l->sport < l->dport;
	unsigned ours = is_server ? SERVER_ISN : CLIENT_ISN;
	unsigned theirs = is_server ? CLIENT_ISN : SERVER_ISN;

	memset(p, 0, 20);
	put16(p, l->sport);
	put16(p + 2, l->dport);
	put16(p + 6, ours + !(l->flags & FLAG_SYN));
	put16(p + 10, l->flags & FLAG_ACK ? theirs + 1 + l->ack_off : 0);
	p[12] = (l->data_offset ?: 5 + l->data_len / 4) << 4;
	p[13] = l->flags;
	put16(p + 14, 64240);
	if (l->has_numbers) {
		put32(p + 4, l->seq);
		put32(p + 8, l->ack);
		put16(p + 14, 0);
	}
	memcpy(p + 20, l->data, l->data_len);
	return 20 + l->data_len + make(l->inner, p + 20 + l->data_len);
}

static unsigned make_icmp(const struct layer_of *l, unsigned char *p)
{
	unsigned len;

	put16(p, l->flags);
	put32(p + 4, l->rest);
	len = make(l->inner, p + 8);
	return 8 + (l->inner->cut && l->inner->cut < len ? l->inner->cut : len);
}

static unsigned make(const struct layer_of *l, unsigned char *p)
{
	switch (l->layer) {
	case L_ETH:
		return make_eth(l, p);
	case L_VLAN:
		return make_vlan(l, p);
	case L_ARP:
		memcpy(p, "\0\1\10\0\6\4\0\1", 8);
		memset(p + 8, 7, 20);
		return 28;
	case L_IP4:
		return make_ip4(l, p);
	case L_IP6:
		return make_ip6(l, p);
	case L_IP6_EXT:
		return make_ip6_ext(l, p);
	case L_UDP:
		return make_udp(l, p);
	case L_TCP:
		return make_tcp(l, p);
	case L_ICMP:
		return make_icmp(l, p);
	default:
		memcpy(p, l->data, l->data_len);
		return l->data_len;
	}
}

void make_frame(const struct layer_of *outer, struct frame *frame)
{
	frame->len = make(outer, frame->bytes);
	memset(frame->bytes + frame->len, 0xee, outer->pad);
	frame->len += outer->pad;
	if (outer->cut && outer->cut < frame->len)
		frame->len = outer->cut;
}

struct layer_of *part_of(struct layer_of *whole, unsigned from, unsigned len)
{
	struct layer_of *part = new_layer(whole->layer, NULL);
	unsigned header = whole->layer == L_IP6 ? 40 : 20 + whole->option_words * 4, more;
	struct frame frame;

	make_frame(whole, &frame);
	more = header + from + len < frame.len;
	if (!more)
		len = frame.len - header - from;
	*part = *whole;
	part->inner = raw(whole->layer == L_IP6 ? protocol_in_ip6(whole->inner) :
						  protocol_of(whole->inner),
			  frame.bytes + header + from, len);
	if (whole->layer == L_IP6)
		part->inner = ip_id(whole->id, ip6_fragment(from | more, part->inner));
	else
		part->frag = from / 8 | more << 13;
	return part;
}

/* --- comparing -------------------------------------------------------------------------------- */

struct field {
	const char *name;
	unsigned off, len;
	char form; /* d decimal, x hex, a address, m MAC */
};

static const struct field eth_fields[] = {
	{ "Ethernet destination", 0, 6, 'm' },
	{ "Ethernet source", 6, 6, 'm' },
	{ "Ethernet type", 12, 2, 'x' },
};

static const struct field ip4_fields[] = {
	{ "IPv4 version and header length", 0, 1, 'x' },
	{ "IPv4 TOS", 1, 1, 'x' },
	{ "IPv4 total length", 2, 2, 'd' },
	{ "IPv4 ID", 4, 2, 'x' },
	{ "IPv4 fragment", 6, 2, 'x' },
	{ "IPv4 TTL", 8, 1, 'd' },
	{ "IPv4 protocol", 9, 1, 'd' },
	{ "IPv4 checksum", 10, 2, 'x' },
	{ "IPv4 source", 12, 4, 'a' },
	{ "IPv4 destination", 16, 4, 'a' },
};

static const struct field ip6_fields[] = {
	{ "IPv6 version, class, label", 0, 4, 'x' },
	{ "IPv6 payload length", 4, 2, 'd' },
	{ "IPv6 next header", 6, 1, 'd' },
	{ "IPv6 hop limit", 7, 1, 'd' },
	{ "IPv6 source", 8, 16, '6' },
	{ "IPv6 destination", 24, 16, '6' },
};

static const struct field icmp_fields[] = {
	{ "ICMP type and code", 0, 2, 'x' },
	{ "ICMP checksum", 2, 2, 'x' },
	{ "ICMP rest of header", 4, 4, 'x' },
};

static const struct field udp_fields[] = {
	{ "UDP source port", 0, 2, 'd' }, { "UDP destination port", 2, 2, 'd' },
	{ "UDP length", 4, 2, 'd' },	  { "UDP checksum", 6, 2, 'x' },
	{ "DNS ID", 8, 2, 'x' },	  { "DNS flags", 10, 2, 'x' },
};

static const struct field tcp_fields[] = {
	{ "TCP source port", 0, 2, 'd' }, { "TCP destination port", 2, 2, 'd' },
	{ "TCP sequence", 4, 4, 'x' },	  { "TCP acknowledgement", 8, 4, 'x' },
	{ "TCP offset and flags", 12, 2, 'x' }, { "TCP window", 14, 2, 'd' },
	{ "TCP checksum", 16, 2, 'x' },
};

static void print_value(const struct field *f, const unsigned char *p)
{
	unsigned long value = 0;
	char text[INET6_ADDRSTRLEN];

	if (f->form == '6')
		printf("%s", inet_ntop(AF_INET6, p, text, sizeof(text)));
	for (unsigned i = 0; i < f->len; i++) {
		if (f->form == 'a')
			printf("%s%u", i ? "." : "", p[i]);
		else if (f->form == 'm')
			printf("%s%02x", i ? ":" : "", p[i]);
		value = value << 8 | p[i];
	}
	if (f->form == 'd')
		printf("%lu", value);
	else if (f->form == 'x')
		printf("0x%0*lx", (int)f->len * 2, value);
}

/* Prints differing fields and makes them equal in the scratch copy: the rest shows later. */
static void compare_fields(const struct field *fields, size_t n, unsigned base, struct frame *got,
			   const struct frame *expected)
{
	for (size_t i = 0; i < n; i++) {
		unsigned off = base + fields[i].off;

		if (off + fields[i].len > expected->len || off + fields[i].len > got->len ||
		    !memcmp(got->bytes + off, expected->bytes + off, fields[i].len))
			continue;
		printf("      %s: ", fields[i].name);
		print_value(&fields[i], got->bytes + off);
		printf(", expected ");
		print_value(&fields[i], expected->bytes + off);
		printf("\n");
		memcpy(got->bytes + off, expected->bytes + off, fields[i].len);
	}
}

#define COMPARE(fields, base, got, expected) \
	compare_fields(fields, sizeof(fields) / sizeof(*(fields)), base, got, expected)

static void compare_l4(unsigned protocol, unsigned l4, struct frame *got,
		       const struct frame *expected)
{
	if (protocol == 17)
		COMPARE(udp_fields, l4, got, expected);
	else if (protocol == 6)
		COMPARE(tcp_fields, l4, got, expected);
	else if (protocol == 1 || protocol == 58)
		COMPARE(icmp_fields, l4, got, expected);
}

bool same_frame(const struct frame *got, const struct frame *expected, unsigned l3)
{
	const unsigned char *ip_header = expected->bytes + l3;
	struct frame rest;

	if (got->len == expected->len && !memcmp(got->bytes, expected->bytes, got->len))
		return true;
	rest = *got;
	if (got->len != expected->len)
		printf("      length: %u, expected %u\n", got->len, expected->len);
	if (l3)
		COMPARE(eth_fields, l3 - ETH_LEN, &rest, expected);
	if (expected->len >= l3 + 20 && ip_header[0] >> 4 == 4) {
		COMPARE(ip4_fields, l3, &rest, expected);
		compare_l4(ip_header[9], l3 + (ip_header[0] & 15) * 4, &rest, expected);
	} else if (expected->len >= l3 + 40 && ip_header[0] >> 4 == 6) {
		COMPARE(ip6_fields, l3, &rest, expected);
		compare_l4(ip_header[6], l3 + 40, &rest, expected);
	}
	for (unsigned i = 0; i < rest.len && i < expected->len; i++)
		if (rest.bytes[i] != expected->bytes[i]) {
			printf("      byte %u: 0x%02x, expected 0x%02x\n", i, rest.bytes[i],
			       expected->bytes[i]);
			break;
		}
	return false;
}
