// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the parsers of bpf/ say of any bytes: it is in the packet, and nothing outside of the packet
 * is looked at.
 *
 * Input: a byte of flags; 2 bytes that say how much of the packet lies in its first buffer; the
 * packet.
 */
#include "fuzz.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "icmp.h"
#include "parse.h"
#include "peek.h"

enum {
	IS_L3 = 1 << 0,
	IS_IPV6 = 1 << 1,
	IS_SCATTERED = 1 << 2,
	IS_XDP = 1 << 3,
};

#define MAX_PACKET 2048

struct view {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t linear_len;
	uint32_t l3_off;
	__be16 protocol;
	bool is_xdp;
};

/* --- parsing, as edge_xdp() and parse_skb() do it --------------------------------------------- */

static struct bytes bytes_at_xdp(const struct view *view, struct host_xdp *host)
{
	host_xdp_fill(host, view->bytes, view->len, view->linear_len);
	return (struct bytes){
		.data = (void *)(long)host->xdp.data,
		.data_end = (void *)(long)host->xdp.data_end,
		.len = view->linear_len,
		.xdp = &host->xdp,
	};
}

static struct bytes bytes_at_tc(const struct view *view, struct host_skb *host)
{
	host_skb_fill(host, view->bytes, view->len, view->linear_len);
	return bytes_of_skb(&host->skb, view->l3_off);
}

/* Not inline: the fuzzer shall see one parser. */
static __noinline enum edge53_reason parse(const struct view *view, struct packet *pkt)
{
	enum edge53_reason why;
	struct host_xdp xdp;
	struct host_skb skb;
	struct bytes b;

	b = view->is_xdp ? bytes_at_xdp(view, &xdp) : bytes_at_tc(view, &skb);
	memset(pkt, 0, sizeof(*pkt));
	why = parse_packet(&b, view->l3_off, view->protocol, pkt);

	/* Reads; never writes. */
	assert(b.data_end >= b.data && b.data_end - b.data <= view->len);
	assert(b.data == b.data_end || !memcmp(b.data, view->bytes, b.data_end - b.data));
	return why;
}

/* --- what holds for what goes on -------------------------------------------------------------- */

static unsigned int be16_at(const struct view *view, size_t offset)
{
	assert(offset + 2 <= view->len);
	return view->bytes[offset] << 8 | view->bytes[offset + 1];
}

static void check_addresses(const struct view *view, const struct packet *pkt)
{
	const uint8_t *ip = view->bytes + pkt->l3_off;
	struct edge53_addr saddr, daddr;

	if (pkt->is_ipv6) {
		memcpy(&saddr, ip + 8, 16);
		memcpy(&daddr, ip + 24, 16);
	} else {
		saddr = daddr = (struct edge53_addr){ .bytes = { [10] = 0xff, [11] = 0xff } };
		memcpy(saddr.bytes + 12, ip + 12, 4);
		memcpy(daddr.bytes + 12, ip + 16, 4);
	}
	assert(!memcmp(&pkt->saddr, &saddr, sizeof(saddr)));
	assert(!memcmp(&pkt->daddr, &daddr, sizeof(daddr)));
}

static void check_dns(const struct view *view, const struct packet *pkt)
{
	size_t dns = pkt->l4_off + sizeof(struct udphdr);

	if (pkt->payload_len < DNS_HEADER_LEN)
		return;
	assert(dns + DNS_HEADER_LEN <= pkt->l3_off + pkt->ip_len);
	assert(pkt->dns.id == be16_at(view, dns));
	assert(pkt->dns.flags == be16_at(view, dns + 2));
	assert(pkt->dns.questions == be16_at(view, dns + 4));
	assert(pkt->dns.additionals == be16_at(view, dns + 10));
}

static void check_transport(const struct view *view, const struct packet *pkt)
{
	uint32_t end = pkt->l3_off + pkt->ip_len;

	assert(pkt->l4proto == IPPROTO_UDP || pkt->l4proto == IPPROTO_TCP);
	assert(pkt->sport == be16_at(view, pkt->l4_off));
	assert(pkt->dport == be16_at(view, pkt->l4_off + 2));
	if (pkt->has_bad_length)
		return;
	assert(end <= view->len);
	assert(pkt->is_scattered == (end > view->linear_len && view->is_xdp));
	if (!pkt->is_first_fragment)
		assert(pkt->l4_off + pkt->payload_len <= end);
	if (pkt->l4proto == IPPROTO_UDP)
		check_dns(view, pkt);
}

static void check_packet(const struct view *view, const struct packet *pkt)
{
	assert(pkt->l3_off == view->l3_off);
	assert(view->bytes[pkt->l3_off] >> 4 == (pkt->is_ipv6 ? 6 : 4));
	assert(pkt->l4_off >= pkt->l3_off + (pkt->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN));
	assert(pkt->l4_off <= L4_OFF_MASK && pkt->l4_off <= pkt->l3_off + pkt->ip_len);
	assert(!pkt->is_first_fragment || !pkt->is_later_fragment);
	check_addresses(view, pkt);
	if (pkt->is_later_fragment)
		assert(pkt->fragment_field & IP_OFFSET);
	else if (pkt->is_icmp_error)
		assert(pkt->l4proto == (pkt->is_ipv6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP));
	else
		check_transport(view, pkt);
}

/* What is behind the packet in the frame, padding or anything else, is none of it. */
static void check_padding(const struct view *view, const struct packet *pkt)
{
	struct view without = *view;
	struct packet again;

	without.len = pkt->l3_off + pkt->ip_len;
	if (without.len >= view->len)
		return;
	if (without.linear_len > without.len)
		without.linear_len = without.len;
	/* By its ports a packet is still known when they are behind its end, and refused. */
	if (parse(&without, &again) != EDGE53_GO_ON) {
		assert(pkt->has_bad_length || pkt->is_icmp_error);
		return;
	}
	assert(!memcmp(pkt, &again, sizeof(again)));
}

/* --- what an ICMP error quotes ---------------------------------------------------------------- */

static void check_quote(const struct view *view, struct packet *pkt)
{
	struct edge53_addr sender = pkt->daddr;
	struct icmp_quote quote = {};
	struct host_skb host;

	host_skb_fill(&host, view->bytes, view->len, view->linear_len);
	if (!parse_quote(&host.skb, pkt, &quote))
		return;
	assert(quote.end <= view->len && quote.end == pkt->l3_off + pkt->ip_len);
	assert(quote.ip_off == quote.icmp_off + 8);
	assert(quote.l4_off >= quote.ip_off + (pkt->is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN));
	assert(quote.l4_off + 8 <= quote.end);
	/* It is the reply to what is quoted: turned round. */
	assert(pkt->dport == be16_at(view, quote.l4_off));
	assert(pkt->sport == be16_at(view, quote.l4_off + 2));
	assert(!memcmp(&pkt->daddr, &sender, sizeof(sender)));
	assert(pkt->l4proto == IPPROTO_UDP || pkt->l4proto == IPPROTO_TCP);
	if (pkt->l4proto == IPPROTO_UDP)
		assert(pkt->dns.id == be16_at(view, quote.l4_off + 8));
}

/* --- a look at the ports ---------------------------------------------------------------------- */

/* Whatever else is wrong with the packet, it shows bytes of its own, or nothing. */
static bool peek_at(const struct view *view, struct peek *peek)
{
	struct host_skb host;

	host_skb_fill(&host, view->bytes, view->len, view->linear_len);
	host.skb.protocol = view->protocol;
	memset(peek, 0, sizeof(*peek));
	return peek_skb(&host.skb, view->l3_off, peek);
}

static void check_peek(const struct view *view, const struct packet *pkt)
{
	struct peek peek;
	bool has_ports = peek_at(view, &peek);

	if (!pkt)
		return;
	assert(peek.is_later_fragment == pkt->is_later_fragment);
	if (pkt->is_later_fragment || pkt->is_icmp_error)
		return;
	assert(has_ports && peek.l4proto == pkt->l4proto);
	assert(peek.sport == pkt->sport && peek.dport == pkt->dport);
}

/* --- the target ------------------------------------------------------------------------------- */

static struct view take_view(struct input *in)
{
	uint8_t flags = input_u8(in);
	uint16_t linear_len = input_u16(in);
	struct view view = { .bytes = in->bytes, .is_xdp = flags & IS_XDP };

	view.len = in->len < MAX_PACKET ? in->len : MAX_PACKET;
	view.linear_len = view.len;
	if ((flags & IS_SCATTERED) && linear_len < view.len)
		view.linear_len = linear_len;
	if (!(flags & IS_L3) || view.is_xdp) {
		view.l3_off = ETH_HLEN;
		if (view.len >= ETH_HLEN)
			memcpy(&view.protocol, view.bytes + 12, sizeof(view.protocol));
	} else {
		view.protocol = flags & IS_IPV6 ? bpf_htons(ETH_P_IPV6) : bpf_htons(ETH_P_IP);
	}
	return view;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct view view = take_view(&in);
	struct packet pkt;
	bool is_parsed = parse(&view, &pkt) == EDGE53_GO_ON;

	if (!view.is_xdp)
		check_peek(&view, is_parsed ? &pkt : NULL);
	if (!is_parsed)
		return 0;
	check_packet(&view, &pkt);
	check_padding(&view, &pkt);
	if (pkt.is_icmp_error)
		check_quote(&view, &pkt);
	return 0;
}
