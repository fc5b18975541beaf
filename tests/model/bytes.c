// SPDX-License-Identifier: GPL-2.0-only
/* Model: the bytes of a packet that goes on, in its family or in the other (RFC 7915). */
#include <string.h>

#include "model.h"

enum { FLAG_SYN = 2, TCP_MSS = 2 };

#define DONT_FRAGMENT_ABOVE 1260 /* RFC 7915 5.1 */

unsigned get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

__u32 get32(const unsigned char *p)
{
	return (__u32)get16(p) << 16 | get16(p + 2);
}

void put16(unsigned char *p, unsigned value)
{
	p[0] = value >> 8;
	p[1] = value;
}

void put32(unsigned char *p, __u32 value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

/* --- checksums -------------------------------------------------------------------------------- */

void put_checksum(unsigned char *check, bool is_udp, unsigned residue, unsigned sum_without)
{
	unsigned value = (residue + 0xffff - sum_without % 0xffff) % 0xffff;

	put16(check, is_udp && !value ? 0xffff : value);
}

unsigned pseudo_sum(const struct edge53_addr *saddr, const struct edge53_addr *daddr,
		    unsigned protocol, unsigned len)
{
	unsigned char rest[4];
	unsigned skip = family_of(saddr) == 4 ? 12 : 0, sum;

	put16(rest, protocol);
	put16(rest + 2, len);
	sum = sum16(rest, sizeof(rest), 0);
	sum = sum16(saddr->bytes + skip, 16 - skip, sum);
	return sum16(daddr->bytes + skip, 16 - skip, sum);
}

unsigned l4_residue(const unsigned char *ip, const struct seen *seen, unsigned l4_len)
{
	return sum16(ip + seen->l4, l4_len,
		     pseudo_sum(&seen->saddr, &seen->daddr, seen->protocol, l4_len)) %
	       0xffff;
}

static unsigned checksum_offset(unsigned protocol)
{
	return protocol == PROTO_UDP ? 6 : 16;
}

bool has_partial_checksum(const unsigned char *ip, const struct seen *seen)
{
	unsigned len = seen->ip_len - seen->l4;

	return get16(ip + seen->l4 + checksum_offset(seen->protocol)) ==
	       pseudo_sum(&seen->saddr, &seen->daddr, seen->protocol, len);
}

/* --- the IP header ---------------------------------------------------------------------------- */

static bool is_fragment(const struct seen *seen)
{
	return is_first_fragment(seen) || is_later_fragment(seen);
}

static unsigned header_len(const struct seen *seen, unsigned family)
{
	if (family == seen->family)
		return seen->l4;
	if (family == 4)
		return 20;
	return is_fragment(seen) ? 48 : 40;
}

unsigned changed_len(const struct seen *seen, unsigned family)
{
	unsigned len = seen->ip_len > seen->l4 ? seen->ip_len - seen->l4 : 0; /* quoted: anything */

	return len + header_len(seen, family) + seen->grows;
}

unsigned l4_header_len(const unsigned char *ip, const struct seen *seen)
{
	return seen->protocol == PROTO_UDP ? 8 : (ip[seen->l4 + 12] >> 4) * 4;
}

static void write_same_ipv4(const unsigned char *ip, const struct seen *seen,
			    const struct change *change, unsigned char *out)
{
	unsigned residue = sum16(ip, seen->l4, 0) % 0xffff;

	out[8] -= change->hops;
	put16(out + 2, get16(out + 2) + seen->grows);
	memcpy(out + 12, change->saddr.bytes + 12, 4);
	memcpy(out + 16, change->daddr.bytes + 12, 4);
	put16(out + 10, 0);
	put_checksum(out + 10, false, residue, sum16(out, seen->l4, 0));
}

static void write_same_ipv6(const struct seen *seen, const struct change *change,
			    unsigned char *out)
{
	put16(out + 4, get16(out + 4) + seen->grows);
	out[7] -= change->hops;
	memcpy(out + 8, &change->saddr, 16);
	memcpy(out + 24, &change->daddr, 16);
}

/* Whether a quoted packet had DF before it was translated, nobody knows. */
static void write_new_ipv4(const struct seen *seen, const struct change *change,
			   const unsigned char *got_ip, unsigned char *out)
{
	unsigned len = changed_len(seen, 4);
	bool is_quoted = !change->hops;

	memset(out, 0, 20);
	out[0] = 0x45;
	out[1] = seen->tos;
	put16(out + 2, len);
	if (seen->has_fragment_header) {
		put16(out + 4, seen->id & 0xffff);
		put16(out + 6, seen->fragment_offset / 8 | (seen->has_more ? 0x2000 : 0));
	} else if (len > DONT_FRAGMENT_ABOVE) {
		put16(out + 6, 0x4000);
	} else {
		memcpy(out + 4, got_ip + 4, 2);
		if (is_quoted)
			out[6] = got_ip[6] & 0x40;
	}
	out[8] = seen->ttl - change->hops;
	out[9] = seen->protocol;
	if (is_later_fragment(seen))
		out[9] = seen->fragment_protocol;
	memcpy(out + 12, change->saddr.bytes + 12, 4);
	memcpy(out + 16, change->daddr.bytes + 12, 4);
	put_checksum(out + 10, false, 0, sum16(out, 20, 0));
}

static void write_new_ipv6(const struct seen *seen, const struct change *change, unsigned char *out)
{
	unsigned header = header_len(seen, 6);

	memset(out, 0, header);
	put16(out, 6 << 12 | seen->tos << 4);
	put16(out + 4, changed_len(seen, 6) - 40);
	out[6] = header > 40 ? 44 : seen->protocol;
	out[7] = seen->ttl - change->hops;
	memcpy(out + 8, &change->saddr, 16);
	memcpy(out + 24, &change->daddr, 16);
	if (header == 40)
		return;
	out[40] = seen->protocol;
	put16(out + 42, seen->fragment_offset | seen->has_more);
	put32(out + 44, seen->id);
}

/* --- the transport header --------------------------------------------------------------------- */

static void lower_mss(unsigned char *tcp, unsigned len, unsigned mss)
{
	unsigned end = (tcp[12] >> 4) * 4, at = 20, size;

	if (!(tcp[13] & FLAG_SYN) || end > len)
		return;
	while (at < end && tcp[at] != 0) {
		size = tcp[at] == 1 ? 1 : at + 1 < end ? tcp[at + 1] : 0;
		if (!size || (tcp[at] != 1 && size < 2) || at + size > end)
			return;
		if (tcp[at] == TCP_MSS && size == 4 && get16(tcp + at + 2) > mss)
			put16(tcp + at + 2, mss);
		at += size;
	}
}

static bool lets_data_come_early(unsigned kind)
{
	return kind == 34 || kind == 254 || kind == 253 || kind == 30;
}

static void map_sacks(unsigned char *option, unsigned size, const struct edge53_conn *conn)
{
	for (unsigned at = 2; size % 8 == 2 && at < size; at += 4)
		put32(option + at, number_for_client(conn, get32(option + at)));
}

static void edit_option(unsigned char *option, unsigned size, const struct tcp_edit *edit)
{
	unsigned kind = option[0], mss;

	if (edit->hides_early_data && lets_data_come_early(kind))
		memset(option, 1, size);
	if (edit->less_mss && kind == TCP_MSS && size == 4) {
		mss = get16(option + 2);
		put16(option + 2, mss > edit->less_mss ? mss - edit->less_mss : 1);
	}
	if (edit->conn && kind == 5)
		map_sacks(option, size, edit->conn);
}

static void edit_options(unsigned char *tcp, unsigned len, const struct tcp_edit *edit)
{
	unsigned end = (tcp[12] >> 4) * 4, at = 20, size;

	while (at < end && end <= len && tcp[at] != 0) {
		size = tcp[at] == 1 ? 1 : at + 1 < end ? tcp[at + 1] : 0;
		if (!size || (tcp[at] != 1 && size < 2) || at + size > end)
			return;
		edit_option(tcp + at, size, edit);
		at += size;
	}
}

static void edit_tcp(unsigned char *tcp, unsigned len, const struct tcp_edit *edit)
{
	put32(tcp + 4, edit->seq);
	put32(tcp + 8, edit->ack);
	tcp[13] = edit->flags;
	put16(tcp + 14, edit->window);
	put16(tcp + 18, edit->urgent);
	edit_options(tcp, len, edit);
}

/* A checksum where there was none is over as much as UDP says; else the difference is what counts. */
static unsigned summed_len(const unsigned char *ip, const struct seen *seen, bool has_none)
{
	return has_none ? get16(ip + seen->l4 + 4) : seen->there - seen->l4;
}

static void write_l4(const unsigned char *ip, const struct seen *seen, const struct change *change,
		     unsigned char *l4)
{
	bool is_udp = seen->protocol == PROTO_UDP;
	bool has_none = is_udp && !get16(l4 + 6) && change->hops && family_of(&change->daddr) == 6;
	unsigned len = summed_len(ip, seen, has_none), sum, residue = l4_residue(ip, seen, len);
	unsigned char *check = l4 + checksum_offset(seen->protocol);

	put16(l4, change->sport);
	put16(l4 + 2, change->dport);
	if (change->has_id)
		put16(l4 + 8 + seen->grows, change->dns_id);
	if (is_udp && seen->grows)
		put16(l4 + 4, get16(l4 + 4) + seen->grows);
	if (!is_udp && change->mss)
		lower_mss(l4, len, change->mss);
	if (change->tcp)
		edit_tcp(l4, len, change->tcp);
	if (change->has_seq)
		put32(l4 + 4, change->seq);
	if (len < checksum_offset(seen->protocol) + 2 || (is_udp && !get16(check) && !has_none))
		return;
	put16(check, 0);
	len += seen->grows;
	sum = sum16(l4, len, pseudo_sum(&change->saddr, &change->daddr, seen->protocol, len));
	put_checksum(check, is_udp, has_none ? 0 : residue, sum);
}

static void copy_l4(const unsigned char *ip, unsigned frame_len, const struct seen *seen,
		    const struct change *change, unsigned char *out)
{
	unsigned len = seen->grows ? l4_header_len(ip, seen) : 0;

	memcpy(out, ip + seen->l4, len);
	if (seen->grows)
		memcpy(out + len, change->header, seen->grows);
	memcpy(out + len + seen->grows, ip + seen->l4 + len, frame_len - seen->l4 - len);
}

unsigned write_changed(const unsigned char *ip, unsigned frame_len, const struct seen *seen,
		       const struct change *change, const unsigned char *got_ip, unsigned char *out)
{
	unsigned family = family_of(&change->daddr), header = header_len(seen, family);

	memcpy(out, ip, seen->l4);
	copy_l4(ip, frame_len, seen, change, out + header);
	if (family == 4 && seen->family == 4)
		write_same_ipv4(ip, seen, change, out);
	else if (family == 6 && seen->family == 6)
		write_same_ipv6(seen, change, out);
	else if (family == 4)
		write_new_ipv4(seen, change, got_ip, out);
	else
		write_new_ipv6(seen, change, out);
	if (change->has_l4)
		write_l4(ip, seen, change, out + header);
	if (change->tcp && change->tcp->any_checksum)
		memcpy(out + header + 16, got_ip + header + 16, 2);
	return frame_len - seen->l4 + header + seen->grows;
}
