// SPDX-License-Identifier: GPL-2.0-only
/* TCP segments, as structs and as IP packets. */
#include <stdio.h>
#include <string.h>

#include "generate.h"
#include "segment.h"

enum {
	OPT_END = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_MAY_SACK = 4,
	OPT_SACK = 5,
	OPT_TIMESTAMPS = 8,
	OPT_MPTCP = 30,
	OPT_FAST_OPEN = 34,
	OPT_EXPERIMENT_1 = 253,
	OPT_EXPERIMENT_2 = 254,
};

#define TCP_HEADER 20
#define MAX_OPTIONS 40

/* --- options ---------------------------------------------------------------------------------- */

static unsigned put_nops(unsigned char *to, unsigned n)
{
	memset(to, OPT_NOP, n);
	return n;
}

static unsigned put_option(unsigned char *to, unsigned kind, unsigned len)
{
	to[0] = kind;
	to[1] = len;
	return len;
}

static unsigned put_fast_open(unsigned char *to)
{
	static const unsigned char kinds[] = { OPT_FAST_OPEN, OPT_MPTCP, OPT_EXPERIMENT_1,
					       OPT_EXPERIMENT_2 };
	unsigned len = 2 + random_below(5);

	memset(to, OPT_MSS, len); /* what is inside may look like others */
	return put_option(to, kinds[random_below(sizeof(kinds))], len);
}

static unsigned put_syn_options(const struct segment *s, unsigned char *to)
{
	unsigned at = put_nops(to, random_below(3));

	if (s->has_fast_open && one_in(2))
		at += put_fast_open(to + at);
	if (s->mss) {
		put16(to + at + 2, s->mss);
		at += put_option(to + at, OPT_MSS, 4);
	}
	at += put_nops(to + at, random_below(3));
	if (s->wscale >= 0) {
		to[at + 2] = s->wscale;
		at += put_option(to + at, OPT_WSCALE, 3);
	}
	if (s->may_sack)
		at += put_option(to + at, OPT_MAY_SACK, 2);
	if (s->has_fast_open)
		at += put_fast_open(to + at);
	return at;
}

static unsigned put_sacks(const struct segment *s, unsigned char *to)
{
	for (unsigned i = 0; i < s->n_sacks; i++) {
		put32(to + 2 + 8 * i, s->sacks[i].from);
		put32(to + 6 + 8 * i, s->sacks[i].to);
	}
	return put_option(to, OPT_SACK, 2 + 8 * s->n_sacks);
}

static unsigned put_timestamps(unsigned char *to)
{
	put32(to + 2, random_below(0xffffffff));
	put32(to + 6, random_below(0xffffffff));
	return put_option(to, OPT_TIMESTAMPS, 10);
}

static unsigned needed(const struct segment *s)
{
	return (s->has_timestamps ? 10 : 0) + (s->n_sacks ? 2 + 8 * s->n_sacks : 0);
}

unsigned options_room(const struct segment *s)
{
	if (s->flags & TCP_SYN)
		return MAX_OPTIONS;
	return needed(s) ? (needed(s) + 2 + 3) / 4 * 4 : 0;
}

/* Timestamps and SACK in either order, with the NOPs that are left anywhere. */
static unsigned put_options(const struct segment *s, unsigned char *to)
{
	unsigned spare = options_room(s) - needed(s), n, at = 0;
	bool sack_first = one_in(2);

	if (s->flags & TCP_SYN) {
		at = put_syn_options(s, to);
		if (s->has_timestamps && at + 10 <= MAX_OPTIONS)
			at += put_timestamps(to + at);
	} else {
		at = n = put_nops(to, random_below(spare + 1));
		if (s->n_sacks && sack_first)
			at += put_sacks(s, to + at);
		at += put_nops(to + at, random_below(spare - n + 1));
		if (s->has_timestamps)
			at += put_timestamps(to + at);
		if (s->n_sacks && !sack_first)
			at += put_sacks(s, to + at);
	}
	while (at % 4)
		to[at++] = one_in(2) ? OPT_NOP : OPT_END;
	return at;
}

static bool read_option(const unsigned char *option, unsigned kind, unsigned len, struct segment *s)
{
	if (kind == OPT_MSS && len == 4) {
		s->mss = get16(option + 2);
	} else if (kind == OPT_WSCALE && len == 3) {
		s->wscale = option[2];
	} else if (kind == OPT_MAY_SACK) {
		s->may_sack = true;
	} else if (kind == OPT_TIMESTAMPS && len == 10) {
		s->has_timestamps = true;
	} else if (kind == OPT_SACK && len >= 10 && len <= 34 && len % 8 == 2) {
		s->n_sacks = len / 8;
		for (unsigned i = 0; i < s->n_sacks; i++) {
			s->sacks[i].from = get32(option + 2 + 8 * i);
			s->sacks[i].to = get32(option + 6 + 8 * i);
		}
	} else if (kind == OPT_FAST_OPEN || kind == OPT_MPTCP || kind == OPT_EXPERIMENT_1 ||
		   kind == OPT_EXPERIMENT_2) {
		s->has_fast_open = true;
	} else {
		return false;
	}
	return true;
}

static bool read_options(const unsigned char *options, unsigned len, struct segment *s)
{
	unsigned at = 0, size;

	while (at < len && options[at] != OPT_END) {
		if (options[at] == OPT_NOP) {
			at++;
			continue;
		}
		size = at + 1 < len ? options[at + 1] : 0;
		if (size < 2 || at + size > len || !read_option(options + at, options[at], size, s))
			return false;
		at += size;
	}
	return true;
}

/* --- the packet ------------------------------------------------------------------------------- */

static unsigned write_ip(const struct ends *ends, unsigned l4_len, unsigned char *ip)
{
	bool is_v4 = family_of(&ends->saddr) == 4;

	memset(ip, 0, is_v4 ? 20 : 40);
	if (!is_v4) {
		ip[0] = 0x60;
		put16(ip + 4, l4_len);
		ip[6] = PROTO_TCP;
		ip[7] = 64;
		memcpy(ip + 8, &ends->saddr, 16);
		memcpy(ip + 24, &ends->daddr, 16);
		return 40;
	}
	ip[0] = 0x45;
	put16(ip + 2, 20 + l4_len);
	put16(ip + 4, random_below(65536));
	put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = PROTO_TCP;
	memcpy(ip + 12, ends->saddr.bytes + 12, 4);
	memcpy(ip + 16, ends->daddr.bytes + 12, 4);
	put_checksum(ip + 10, false, 0, sum16(ip, 20, 0));
	return 20;
}

unsigned write_segment(const struct segment *s, const struct ends *ends, unsigned char *ip)
{
	unsigned char options[64], *tcp;
	unsigned options_len = put_options(s, options), len = TCP_HEADER + options_len + s->len;

	tcp = ip + write_ip(ends, len, ip);
	put16(tcp, ends->sport);
	put16(tcp + 2, ends->dport);
	put32(tcp + 4, s->seq);
	put32(tcp + 8, s->ack);
	tcp[12] = (TCP_HEADER + options_len) / 4 << 4;
	tcp[13] = s->flags;
	put16(tcp + 14, s->window);
	put16(tcp + 16, 0);
	put16(tcp + 18, s->urgent);
	memcpy(tcp + TCP_HEADER, options, options_len);
	memcpy(tcp + TCP_HEADER + options_len, s->payload, s->len);
	put_checksum(tcp + 16, false, 0,
		     sum16(tcp, len, pseudo_sum(&ends->saddr, &ends->daddr, PROTO_TCP, len)));
	return tcp + len - ip;
}

static bool is_wrong(const char *what)
{
	printf("    a segment with wrong %s\n", what);
	return false;
}

bool read_segment(const unsigned char *ip, unsigned len, struct ends *ends, struct segment *s)
{
	struct seen seen;
	const unsigned char *tcp;
	unsigned header;

	memset(s, 0, offsetof(struct segment, payload));
	s->wscale = -1;
	look_at(ip, len, &seen);
	if (!seen.has_ports || seen.protocol != PROTO_TCP)
		return is_wrong("headers");
	if (seen.ip_len != len || !lengths_are_right(ip, &seen))
		return is_wrong("lengths");
	if (seen.family == 4 && sum16(ip, seen.l4, 0) != 0xffff)
		return is_wrong("IP checksum");
	if (l4_residue(ip, &seen, len - seen.l4))
		return is_wrong("TCP checksum");
	tcp = ip + seen.l4;
	header = (tcp[12] >> 4) * 4;
	*ends = (struct ends){ seen.saddr, seen.daddr, seen.sport, seen.dport };
	s->seq = get32(tcp + 4);
	s->ack = get32(tcp + 8);
	s->flags = tcp[13];
	s->window = get16(tcp + 14);
	s->urgent = get16(tcp + 18);
	s->len = len - seen.l4 - header;
	if (s->len > SEGMENT_MAX || !read_options(tcp + TCP_HEADER, header - TCP_HEADER, s))
		return is_wrong("options");
	memcpy(s->payload, tcp + header, s->len);
	return true;
}
