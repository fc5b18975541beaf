// SPDX-License-Identifier: GPL-2.0-only
/*
 * parse.h on any bytes: what it says of a packet is in the packet, and nothing outside of it is
 * looked at.
 *
 * Input: a byte of flags, 2 bytes for how much of the packet is in the linear part at tc, and the
 * packet.
 */
#include "fuzz.h"

#include <linux/ipv6.h>

#include "knobs.h"

static struct edge53_knobs knobs = { .port_base = 16384, .port_bits = 14 };

#include "packet.h"
#include "parse.h"

#define IS_L3 0x01
#define IS_IPV6 0x02
#define IS_PARTLY_LINEAR 0x04
#define MAX_PACKET 2048

struct view {
	const uint8_t *bytes;
	uint32_t linear_len; /* all that `bytes` has */
	uint32_t len;
	uint32_t l3_off;
	__be16 protocol;
};

static enum edge53_reason parse(const struct view *view, struct packet *pkt)
{
	/* The IP header lies at a multiple of 4 in the kernel, too (NET_IP_ALIGN). */
	size_t offset = view->l3_off ? 2 : 0;
	uint8_t *copy = copy_exactly(view->bytes, view->linear_len, offset);
	struct bytes b = { copy + offset, copy + offset + view->linear_len, view->len };
	enum edge53_reason why = parse_packet(&b, view->l3_off, view->protocol, pkt);

	/* Reads; never writes. */
	assert(!view->linear_len || !memcmp(b.data, view->bytes, view->linear_len));
	free(copy);
	return why;
}

static unsigned int be16_at(const struct view *view, size_t offset)
{
	assert(offset + 2 <= view->linear_len);
	return view->bytes[offset] << 8 | view->bytes[offset + 1];
}

static void check_addresses(const struct view *view, const struct packet *pkt)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *ip = view->bytes + pkt->l3_off;

	if (pkt->is_ipv6) {
		assert(!memcmp(pkt->saddr.bytes, ip + 8, 16));
		assert(!memcmp(pkt->daddr.bytes, ip + 24, 16));
		return;
	}
	assert(!memcmp(pkt->saddr.bytes, mapped, 12) && !memcmp(pkt->saddr.bytes + 12, ip + 12, 4));
	assert(!memcmp(pkt->daddr.bytes, mapped, 12) && !memcmp(pkt->daddr.bytes + 12, ip + 16, 4));
}

static void check_dns(const struct view *view, const struct packet *pkt)
{
	size_t dns = pkt->l4_off + 8;

	if (pkt->payload_len < DNS_HEADER_LEN)
		return;
	assert(pkt->dns.id == be16_at(view, dns));
	assert(pkt->dns.flags == be16_at(view, dns + 2));
	assert(pkt->dns.questions == be16_at(view, dns + 4));
	assert(pkt->dns.additionals == be16_at(view, dns + 10));
}

/* Of a packet that goes on to the next step. */
static void check_packet(const struct view *view, const struct packet *pkt)
{
	uint32_t end = pkt->l3_off + pkt->ip_len;
	uint32_t min_header_len = pkt->is_ipv6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

	assert(pkt->l3_off == view->l3_off);
	assert(view->bytes[pkt->l3_off] >> 4 == (pkt->is_ipv6 ? 6 : 4));
	assert(pkt->l4_off >= pkt->l3_off + min_header_len);
	assert(pkt->l4_off <= end);
	check_addresses(view, pkt);
	if (pkt->l4proto != IPPROTO_UDP && pkt->l4proto != IPPROTO_TCP)
		return;
	assert(pkt->sport == be16_at(view, pkt->l4_off));
	assert(pkt->dport == be16_at(view, pkt->l4_off + 2));
	if (pkt->has_bad_length)
		return;
	assert(end <= view->len);
	assert(pkt->l4_off + pkt->payload_len <= end);
	if (pkt->l4proto == IPPROTO_UDP)
		check_dns(view, pkt);
}

/* The padding behind a short frame, whatever is in it, is none of the packet. */
static void check_padding(const struct view *view, const struct packet *pkt)
{
	uint8_t padded[MAX_PACKET + 32];
	struct view with_padding = *view;
	struct packet again;

	if (view->linear_len < view->len || pkt->has_bad_length)
		return;
	memcpy(padded, view->bytes, view->linear_len);
	memset(padded + view->linear_len, 0x45, 32);
	with_padding.bytes = padded;
	with_padding.linear_len += 32;
	with_padding.len += 32;
	assert(parse(&with_padding, &again) == EDGE53_GO_ON);
	assert(!memcmp(pkt, &again, sizeof(again)));
}

static struct view take_view(struct input *in)
{
	uint8_t flags = input_u8(in);
	uint16_t linear_len = input_u16(in);
	struct view view = { .bytes = in->bytes };

	view.len = in->len < MAX_PACKET ? in->len : MAX_PACKET;
	view.linear_len = view.len;
	if ((flags & IS_PARTLY_LINEAR) && linear_len < view.len)
		view.linear_len = linear_len;
	if (flags & IS_L3)
		view.protocol = flags & IS_IPV6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	else
		view.l3_off = ETH_HLEN;
	return view;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct view view = take_view(&in);
	struct packet pkt;

	if (parse(&view, &pkt) == EDGE53_GO_ON) {
		check_packet(&view, &pkt);
		check_padding(&view, &pkt);
	}
	return 0;
}
