// SPDX-License-Identifier: GPL-2.0-only
/* There and back is the identity. */
#include <stdio.h>
#include <string.h>

#include "identity.h"

enum { SYN = 2 };

#define HOPS_OF_AN_ANSWER 64

static void swap(unsigned char *a, unsigned char *b, unsigned len)
{
	unsigned char kept[16];

	memcpy(kept, a, len);
	memcpy(a, b, len);
	memcpy(b, kept, len);
}

/* Turns a packet round; a DNS query becomes an answer or the other way, its checksum with it. */
static void turn_round(unsigned char *ip, const struct seen *seen)
{
	unsigned char *l4 = ip + seen->l4, *check = l4 + 6;
	unsigned len = seen->there - seen->l4, residue;

	if (seen->family == 4)
		swap(ip + 12, ip + 16, 4);
	else
		swap(ip + 8, ip + 24, 16);
	swap(l4, l4 + 2, 2);
	if (seen->protocol != PROTO_UDP)
		return;
	residue = sum16(l4, len, 0);
	l4[10] ^= 0x80;
	if (!get16(check))
		return;
	put16(check, 0);
	put_checksum(check, true, residue, sum16(l4, len, 0));
}

static void set_hops(unsigned char *ip, const struct seen *seen, unsigned hops)
{
	unsigned residue;

	if (seen->family == 6) {
		ip[7] = hops;
		return;
	}
	residue = sum16(ip, seen->l4, 0);
	ip[8] = hops;
	put16(ip + 10, 0);
	put_checksum(ip + 10, false, residue, sum16(ip, seen->l4, 0));
}

/* Nothing in the transport header but ports (and checksum) was changed: no MSS. */
static bool has_kept_options(const unsigned char *query, const struct seen *q,
			     const unsigned char *sent, const struct seen *s)
{
	unsigned len = q->there - q->l4;

	return q->protocol == PROTO_UDP ||
	       (len == s->there - s->l4 &&
		!memcmp(query + q->l4 + 18, sent + s->l4 + 18, len - 18));
}

/* The backend takes the PROXY header off; a wrong checksum stays as wrong. */
static void take_off_header(struct frame *frame, unsigned l3, struct seen *seen, unsigned len)
{
	unsigned char *ip = frame->bytes + l3, *udp = ip + seen->l4;
	unsigned residue = l4_residue(ip, seen, seen->there - seen->l4);
	unsigned ip_residue = seen->family == 4 ? sum16(ip, seen->l4, 0) % 0xffff : 0, rest;

	rest = frame->len - l3 - seen->l4 - 8 - len;
	memmove(udp + 8, udp + 8 + len, rest);
	frame->len -= len;
	put16(udp + 4, get16(udp + 4) - len);
	if (seen->family == 4) {
		put16(ip + 2, get16(ip + 2) - len);
		put16(ip + 10, 0);
		put_checksum(ip + 10, false, ip_residue, sum16(ip, seen->l4, 0));
	} else {
		put16(ip + 4, get16(ip + 4) - len);
	}
	look_at(ip, frame->len - l3, seen);
	if (!get16(udp + 6))
		return;
	put16(udp + 6, 0);
	put_checksum(
		udp + 6, true, residue,
		sum16(udp, seen->there - seen->l4,
		      pseudo_sum(&seen->saddr, &seen->daddr, PROTO_UDP, seen->there - seen->l4)));
}

bool echo(const struct way *way, const struct frame *query, const struct frame *sent,
	  unsigned query_l3, unsigned sent_l3, struct event *answer)
{
	unsigned l3 = way->backend_is_l3 ? 0 : ETH_LEN;
	unsigned char *ip = answer->frame.bytes + l3;
	struct seen seen, before;
	unsigned longer;

	look_at(query->bytes + query_l3, query->len - query_l3, &before);
	look_at(sent->bytes + sent_l3, sent->len - sent_l3, &seen);
	longer = (seen.there - seen.l4) - (before.there - before.l4);
	if (!seen.has_ports ||
	    !has_kept_options(query->bytes + query_l3, &before, sent->bytes + sent_l3, &seen))
		return false;
	answer->program = way->reply;
	answer->device = way->is_enforce ? DEV_PPP : DEV_INNER;
	answer->older_ns = 0;
	answer->around = (struct surroundings){};
	if (l3) {
		memcpy(answer->frame.bytes, inner_mac, 6);
		memcpy(answer->frame.bytes + 6, backend_mac, 6);
		put16(answer->frame.bytes + 12, seen.family == 4 ? 0x0800 : 0x86dd);
	}
	answer->frame.len = l3 + sent->len - sent_l3;
	memcpy(ip, sent->bytes + sent_l3, sent->len - sent_l3);
	if (seen.protocol == PROTO_UDP && longer)
		take_off_header(&answer->frame, l3, &seen, longer);
	turn_round(ip, &seen);
	set_hops(ip, &seen, HOPS_OF_AN_ANSWER);
	return true;
}

/* Translated twice: IPv4 ID and DF, options and extension headers are gone, see RFC 7915. */
static bool same_beyond_header(const unsigned char *got, const struct seen *g,
			       const unsigned char *expected, const struct seen *e)
{
	unsigned len = e->there - e->l4;

	if (g->family == e->family && g->tos == e->tos && same_address(&g->saddr, &e->daddr) &&
	    same_address(&g->daddr, &e->saddr) && g->there - g->l4 == len &&
	    !memcmp(got + g->l4, expected + e->l4, len))
		return true;
	printf("    translated there and back, and not the same\n");
	return false;
}

bool is_turned_round(const struct frame *query, unsigned query_l3, const struct frame *received,
		     unsigned received_l3, bool is_translated)
{
	struct frame expected = { .len = query->len - query_l3 };
	struct frame got = { .len = received->len - received_l3 };
	struct seen before, after;

	memcpy(expected.bytes, query->bytes + query_l3, expected.len);
	memcpy(got.bytes, received->bytes + received_l3, got.len);
	look_at(expected.bytes, expected.len, &before);
	look_at(got.bytes, got.len, &after);
	if (got.len < expected.len && got.len == after.there)
		expected.len = before.there; /* padding went when a header was put in */
	turn_round(expected.bytes, &before);
	if (is_translated && before.protocol == PROTO_UDP &&
	    !get16(expected.bytes + before.l4 + 6)) /* IPv6 made one */
		memcpy(expected.bytes + before.l4 + 6, got.bytes + after.l4 + 6, 2);
	if (is_translated)
		return same_beyond_header(got.bytes, &after, expected.bytes, &before);
	set_hops(expected.bytes, &before, after.ttl);
	return same_frame(&got, &expected, 0);
}
