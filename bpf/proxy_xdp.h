/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PROXY header, and the numbers of connections that begin with one, in XDP. The header is put in by moving
 * what is before it forward, into the headroom.
 */
#ifndef EDGE53_PROXY_XDP_H
#define EDGE53_PROXY_XDP_H

#include "options.h"
#include "proxy.h"
#include "shift.h"
#include "translate.h"

/* --- the header ------------------------------------------------------------------------------- */

/* Ethernet, IP and UDP headers: constant lengths, as a loop of loads and stores costs 20 ns. */
#define UDP4_HEADERS_LEN (ETH_HLEN + IPV4_HEADER_LEN + 8)
#define UDP6_HEADERS_LEN (ETH_HLEN + IPV6_HEADER_LEN + 8)

/* Copies forward, word by word; len is 2 more than a multiple of 4. */
static __always_inline void move_forward(void *to, const void *from, const __u32 len)
{
	__u32 i;

#pragma unroll
	for (i = 0; i + 4 <= len; i += 4)
		*(__u32 *)(to + i) = *(const __u32 *)(from + i);
	*(__u16 *)(to + i) = *(const __u16 *)(from + i);
}

/* What the lengths of IP and UDP grow by, and the header's own bytes, go into the checksums. */
static __always_inline void grow_ipv4(struct iphdr *ip, __u32 len)
{
	__be16 before = ip->tot_len;

	ip->tot_len = bpf_htons(bpf_ntohs(before) + len);
	ip->check = csum_replace(ip->check, csum_sub16(ip->tot_len, before));
}

static __always_inline void grow_ipv6(struct ipv6hdr *ip, __u32 len)
{
	ip->payload_len = bpf_htons(bpf_ntohs(ip->payload_len) + len);
}

static __always_inline void grow_udp(struct udphdr *udp, const struct packet *pkt, __u32 len)
{
	__be16 before = udp->len;

	udp->len = bpf_htons(bpf_ntohs(before) + len);
	if (udp->check) /* the length counts twice, as the pseudo header has it too */
		udp->check = csum_replace(udp->check, proxy_sum(pkt) + 2 * csum_sub16(udp->len, before))
				     ?: 0xffff;
}

static __always_inline enum edge53_reason put_header_udp4(struct xdp_md *ctx,
							  const struct packet *pkt)
{
	struct proxy_header header;
	void *data, *data_end;

	make_proxy_header(pkt, &header);
	if (bpf_xdp_adjust_head(ctx, -PROXY_IPV4_LEN))
		return EDGE53_NO_HEADROOM;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (data + PROXY_IPV4_LEN + UDP4_HEADERS_LEN > data_end)
		return EDGE53_NOT_WRITABLE;
	move_forward(data, data + PROXY_IPV4_LEN, UDP4_HEADERS_LEN);
	for (int i = 0; i < PROXY_IPV4_LEN / 4; i++)
		((__u32 *)(data + UDP4_HEADERS_LEN))[i] = header.words[i];
	grow_ipv4(data + ETH_HLEN, PROXY_IPV4_LEN);
	grow_udp(data + ETH_HLEN + IPV4_HEADER_LEN, pkt, PROXY_IPV4_LEN);
	return GO_ON;
}

static __always_inline enum edge53_reason put_header_udp6(struct xdp_md *ctx,
							  const struct packet *pkt)
{
	struct proxy_header header;
	void *data, *data_end;

	make_proxy_header(pkt, &header);
	if (bpf_xdp_adjust_head(ctx, -PROXY_IPV6_LEN))
		return EDGE53_NO_HEADROOM;
	data = (void *)(long)ctx->data;
	data_end = (void *)(long)ctx->data_end;
	if (data + PROXY_IPV6_LEN + UDP6_HEADERS_LEN > data_end)
		return EDGE53_NOT_WRITABLE;
	move_forward(data, data + PROXY_IPV6_LEN, UDP6_HEADERS_LEN);
	for (int i = 0; i < PROXY_IPV6_LEN / 4; i++)
		((__u32 *)(data + UDP6_HEADERS_LEN))[i] = header.words[i];
	grow_ipv6(data + ETH_HLEN, PROXY_IPV6_LEN);
	grow_udp(data + ETH_HLEN + IPV6_HEADER_LEN, pkt, PROXY_IPV6_LEN);
	return GO_ON;
}

/* TCP, once a connection: the headers may have options, so by copies. */
#define TCP_MAX_HEADERS_LEN (ETH_HLEN + IPV6_HEADER_LEN + 60)
#define MOVE_CHUNK 32

static __always_inline bool move_headers(struct xdp_md *ctx, __u32 from, __u32 len)
{
	__u8 chunk[MOVE_CHUNK];
	__u32 off, last;

	for (off = 0; off + MOVE_CHUNK <= TCP_MAX_HEADERS_LEN && off + MOVE_CHUNK <= len;
	     off += MOVE_CHUNK)
		if (bpf_xdp_load_bytes(ctx, from + off, chunk, sizeof(chunk)) ||
		    bpf_xdp_store_bytes(ctx, off, chunk, sizeof(chunk)))
			return false;
	if (off >= len)
		return true;
	last = len - off - 1;
	asm volatile("" : "+r"(last)); /* so that Linux 6.1 sees both bounds of last + 1 */
	if (last >= sizeof(chunk))
		return false;
	return !bpf_xdp_load_bytes(ctx, from + off, chunk, last + 1) &&
	       !bpf_xdp_store_bytes(ctx, off, chunk, last + 1);
}

static __always_inline bool begins_with_signature(struct xdp_md *ctx, const struct packet *pkt)
{
	__be32 words[PROXY_SIGNATURE_LEN / 4];

	return tcp_payload_len(pkt) >= sizeof(words) &&
	       !bpf_xdp_load_bytes(ctx, payload_off_of(pkt), words, sizeof(words)) &&
	       is_proxy_signature(words);
}

static __always_inline enum edge53_reason grow_tcp(struct xdp_md *ctx, const struct packet *pkt,
						   __u32 len)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + (pkt->l4_off & L4_OFF_MASK);
	__u64 diff = proxy_sum(pkt);
	__be16 urgent;

	if ((void *)(tcp + 1) > data_end || data + ETH_HLEN + IPV6_HEADER_LEN > data_end)
		return EDGE53_NOT_WRITABLE;
	if (pkt->is_ipv6)
		grow_ipv6(data + ETH_HLEN, len);
	else
		grow_ipv4(data + ETH_HLEN, len);
	diff = csum_add16(diff, bpf_htons(pkt->ip_len + len));
	diff = csum_sub16(diff, bpf_htons(pkt->ip_len));
	if (pkt->tcp_flags & TCP_URG) {
		urgent = tcp->urg_ptr;
		tcp->urg_ptr = bpf_htons(bpf_ntohs(urgent) + len);
		diff = csum_sub16(diff + tcp->urg_ptr, urgent);
	}
	tcp->check = csum_replace(tcp->check, diff);
	return GO_ON;
}

static __always_inline enum edge53_reason put_header_tcp(struct xdp_md *ctx,
							 const struct packet *pkt)
{
	__u32 off = payload_off_of(pkt), len = proxy_len(pkt->is_ipv6);
	struct proxy_header header;

	if (begins_with_signature(ctx, pkt))
		return EDGE53_FORGED_HEADER;
	if (bpf_xdp_adjust_head(ctx, -(int)len))
		return EDGE53_NO_HEADROOM;
	make_proxy_header(pkt, &header);
	if (!move_headers(ctx, len, off) ||
	    (pkt->is_ipv6 ? bpf_xdp_store_bytes(ctx, off, header.words, PROXY_IPV6_LEN)
			  : bpf_xdp_store_bytes(ctx, off, header.words, PROXY_IPV4_LEN)))
		return EDGE53_NOT_WRITABLE;
	return grow_tcp(ctx, pkt, len);
}

/* Afterwards the packet is one that came with the header. */
static __always_inline void note_header(struct packet *pkt)
{
	__u32 len = proxy_len(pkt->is_ipv6);

	pkt->ip_len += len;
	pkt->segment_len += len;
	if (pkt->l4proto == IPPROTO_UDP)
		pkt->payload_len += len;
}

__weak __noinline int put_header_xdp(struct xdp_md *ctx, struct packet *pkt)
{
	enum edge53_reason why;

	if (!pkt)
		return EDGE53_NOT_WRITABLE;
	if (pkt->l4proto == IPPROTO_TCP)
		why = put_header_tcp(ctx, pkt);
	else
		why = pkt->is_ipv6 ? put_header_udp6(ctx, pkt) : put_header_udp4(ctx, pkt);
	if (!why)
		note_header(pkt);
	return why;
}

static __always_inline enum edge53_reason proxy_udp4_xdp(struct xdp_md *ctx, struct packet *pkt,
							 const struct rewrite *rw)
{
	enum edge53_reason why;

	if (!rw->puts_header)
		return GO_ON;
	why = put_header_udp4(ctx, pkt);
	if (!why)
		note_header(pkt);
	return why;
}

/* --- the numbers ------------------------------------------------------------------------------ */

static __always_inline enum edge53_reason shift_seq_xdp(struct xdp_md *ctx,
							const struct packet *pkt,
							const struct rewrite *rw)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + (pkt->l4_off & L4_OFF_MASK);
	__be32 before = bpf_htonl(pkt->tcp_seq), after;

	if ((void *)(tcp + 1) > data_end)
		return EDGE53_NOT_WRITABLE;
	after = bpf_htonl(shift_seq(&rw->shift, pkt->tcp_seq));
	tcp->seq = after;
	tcp->check = csum_replace(tcp->check, csum_sub32(after, before));
	return GO_ON;
}

/* What a client's packet needs on its way to a backend that wants the header. */
static __always_inline enum edge53_reason proxy_query_xdp(struct xdp_md *ctx, struct packet *pkt,
							  const struct rewrite *rw)
{
	if (!rw->shift.len)
		return GO_ON;
	if (rw->puts_header)
		return put_header_xdp(ctx, pkt);
	return has_syn(pkt) ? GO_ON : shift_seq_xdp(ctx, pkt, rw);
}

static __always_inline enum edge53_reason proxy_reply_xdp(struct xdp_md *ctx,
							  const struct packet *pkt,
							  const struct rewrite *rw)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	struct tcphdr *tcp = data + (pkt->l4_off & L4_OFF_MASK);
	__be32 ack = bpf_htonl(pkt->tcp_ack);
	__be16 window;
	__u64 diff;

	if (!rw->shift.len || !(pkt->tcp_flags & TCP_ACK))
		return GO_ON;
	if ((void *)(tcp + 1) > data_end)
		return EDGE53_NOT_WRITABLE;
	window = tcp->window;
	tcp->ack_seq = bpf_htonl(shift_ack(&rw->shift, pkt->tcp_ack));
	tcp->window = bpf_htons(shift_window(&rw->shift, pkt->tcp_ack, bpf_ntohs(window),
					     has_syn(pkt) ? 0 : rw->shift.wscale));
	diff = csum_sub32(tcp->ack_seq, ack) + csum_sub16(tcp->window, window);
	tcp->check = csum_replace(tcp->check, diff);
	return GO_ON;
}

/* --- apart from others ------------------------------------------------------------------------ */

#define APART_MARK 0x68333545 /* "E53h" */

/*
 * A segment that tc is to put the header into: with metadata that no other segment has, GRO does not merge it
 * with the next. Where the driver has no metadata GRO may, and tc sends only the first segment of what comes.
 */
__weak __noinline int set_apart(struct xdp_md *ctx, const struct packet *pkt)
{
	struct edge53_tuple tuple;
	struct edge53_conn *conn;
	__u32 *owner, index, *mark;

	if (!pkt || pkt->l4proto != IPPROTO_TCP || pkt->tcp_flags & (TCP_SYN | TCP_RST))
		return 0;
	make_tuple_of_client(pkt, &tuple);
	owner = bpf_map_lookup_elem(&conn_by_tuple, &tuple);
	if (!owner)
		return 0;
	index = *owner;
	conn = bpf_map_lookup_elem(&conns, &index);
	if (!conn ||
	    (conn->flags & PROXY_FLAGS) != (EDGE53_CONN_PROXY | EDGE53_CONN_PROXY_SYNCED) ||
	    pkt->tcp_seq != conn->first_seq || bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark)))
		return 0;
	mark = (void *)(long)ctx->data_meta;
	if ((void *)(mark + 1) > (void *)(long)ctx->data)
		return 0;
	*mark = APART_MARK;
	return 1;
}

/* --- the options ------------------------------------------------------------------------------ */

static __always_inline enum edge53_reason edit_query_xdp(struct xdp_md *ctx, const struct packet *pkt,
							 const struct rewrite *rw)
{
	if (!has_syn(pkt) || !(rw->max_segment | rw->shift.len))
		return GO_ON;
	return edit_options_xdp(ctx, pkt, rw) ? GO_ON : EDGE53_NOT_WRITABLE;
}

static __always_inline bool has_only_timestamps(struct xdp_md *ctx, const struct packet *pkt)
{
	void *data = (void *)(long)ctx->data, *data_end = (void *)(long)ctx->data_end;
	__be32 *option = data + (pkt->l4_off & L4_OFF_MASK) + sizeof(struct tcphdr);

	return pkt->tcp_header_len == sizeof(struct tcphdr) + TCP_TIMESTAMPS_LEN &&
	       (void *)(option + 1) <= data_end && *option == bpf_htonl(TCP_TIMESTAMPS);
}

/* SYN-ACKs, and on connections that begin with a PROXY header what may have SACK blocks. */
static __always_inline enum edge53_reason edit_reply_xdp(struct xdp_md *ctx, const struct packet *pkt,
							 const struct reply_flow *reply,
							 const struct rewrite *rw)
{
	int edited;

	if (has_syn(pkt) ? !(rw->max_segment | rw->shift.len)
			 : !rw->shift.len || pkt->tcp_header_len <= sizeof(struct tcphdr) ||
				   has_only_timestamps(ctx, pkt))
		return GO_ON;
	edited = edit_options_xdp(ctx, pkt, rw);
	if (!edited)
		return EDGE53_NOT_WRITABLE;
	note_wscale(pkt, reply, edited >> 8);
	return GO_ON;
}

#endif
