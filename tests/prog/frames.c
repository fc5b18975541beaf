// SPDX-License-Identifier: GPL-2.0-only
/* The packet builder: layers and what changes them. Their bytes are made in frame_bytes.c. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
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
	static const char letters[] = "FSRPAU";
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

struct layer_of *segment(unsigned sport, unsigned dport, const char *flags, unsigned seq,
			 unsigned ack, struct layer_of *payload)
{
	struct layer_of *l = tcp(sport, dport, flags, payload);

	l->has_numbers = true;
	l->seq = seq;
	l->ack = ack;
	l->window = 64240;
	return l;
}

struct layer_of *window(unsigned value, struct layer_of *l)
{
	l->window = value;
	return l;
}

struct layer_of *urgent(unsigned pointer, struct layer_of *l)
{
	l->urgent = pointer;
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

struct layer_of *proxied(unsigned kind, const char *client, unsigned port, const char *asked,
			 struct layer_of *payload)
{
	bool is_ipv6 = kind >> 4 == 2;
	unsigned address_len = is_ipv6 ? 16 : 4, len = 16 + 2 * address_len + 4;
	unsigned char bytes[52] = "\r\n\r\n\0\r\nQUIT\n\x21";
	struct layer_of *l = nothing();

	bytes[13] = kind;
	put16(bytes + 14, len - 16);
	inet_pton(is_ipv6 ? AF_INET6 : AF_INET, client, bytes + 16);
	inet_pton(is_ipv6 ? AF_INET6 : AF_INET, asked, bytes + 16 + address_len);
	put16(bytes + len - 4, port);
	put16(bytes + len - 2, 53);
	option((const char *)bytes, len, l);
	return option((const char *)payload->data, payload->data_len, l);
}

struct layer_of *with_id(unsigned id, struct layer_of *message)
{
	put16(message->data, id);
	return message;
}

struct layer_of *with_opt(struct layer_of *message)
{
	static const char opt[11] = { 0, 0, 41, 1232 >> 8, 1232 & 0xff };

	put16(message->data + 10, 1);
	return option(opt, sizeof(opt), message);
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
	part->inner =
		raw(frame.bytes[whole->layer == L_IP6 ? 6 : 9], frame.bytes + header + from, len);
	if (whole->layer == L_IP6)
		part->inner = ip_id(whole->id, ip6_fragment(from | more, part->inner));
	else
		part->frag = from / 8 | more << 13;
	return part;
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
