// SPDX-License-Identifier: GPL-2.0-only
/* The bytes of a packet: lengths and checksums, computed from scratch. */
#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "bytes.h"
#include "frames.h"

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

/* The transport's checksum, now that the addresses are known and with them the pseudo header. */
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
		put16(p + 14, l->window);
		put16(p + 18, l->urgent);
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
