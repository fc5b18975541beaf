/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The PROXY header, and the numbers of connections that begin with one, at tc. The header is put in by
 * moving what comes after it back, since a partial checksum is noted by where its transport header is.
 */
#ifndef EDGE53_PROXY_SKB_H
#define EDGE53_PROXY_SKB_H

#include "options.h"
#include "proxy.h"
#include "rewrite_skb.h"
#include "shift.h"
#include "translate.h"

/* --- the header ------------------------------------------------------------------------------- */

#define MOVE_BACK_CHUNK 64
#define MOVE_BACK_MAX_CHUNKS 144 /* more than jumbo frames */

/* Moves len bytes back by distance, the last first. The skb is long enough. */
static __always_inline bool move_back(struct __sk_buff *skb, __u32 off, __u32 len, __u32 distance)
{
	__u32 chunk[MOVE_BACK_CHUNK / 4], rest = len % MOVE_BACK_CHUNK, last = rest - 1;

	len -= rest;
	asm volatile("" : "+r"(last)); /* so that Linux 6.1 sees both bounds of last + 1 */
	if (rest) {
		if (last >= sizeof(chunk) ||
		    bpf_skb_load_bytes(skb, off + len, chunk, last + 1) ||
		    bpf_skb_store_bytes(skb, off + len + distance, chunk, last + 1, 0))
			return false;
	}
	for (int i = 0; i < MOVE_BACK_MAX_CHUNKS && len; i++) {
		len -= MOVE_BACK_CHUNK;
		if (bpf_skb_load_bytes(skb, off + len, chunk, sizeof(chunk)) ||
		    bpf_skb_store_bytes(skb, off + len + distance, chunk, sizeof(chunk), 0))
			return false;
	}
	return !len;
}

/* The length in the IP header, and its checksum. */
static __always_inline bool set_ip_len(struct __sk_buff *skb, const struct packet *pkt,
				       __u32 ip_len)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	void *l3 = data + (pkt->l3_off & L4_OFF_MASK);
	struct ipv6hdr *ip6 = l3;
	struct iphdr *ip = l3;
	__be16 before;

	if (l3 + sizeof(*ip6) > data_end)
		return false;
	if (pkt->is_ipv6) {
		ip6->payload_len = bpf_htons(ip_len - sizeof(*ip6));
		return true;
	}
	before = ip->tot_len;
	ip->tot_len = bpf_htons(ip_len);
	ip->check = csum_replace(ip->check, csum_sub16(ip->tot_len, before));
	return true;
}

/*
 * What the transport header says of its payload: UDP's length; TCP's urgent pointer, and flags which are
 * of the end that was cut off. Returns the change of the checksum in *diff.
 */
static __always_inline bool patch_transport(struct __sk_buff *skb, const struct packet *pkt,
					    __u32 len, bool is_cut, __u64 *diff)
{
	void *data = (void *)(long)skb->data, *data_end = (void *)(long)skb->data_end;
	__be16 *words = data + (pkt->l4_off & L4_OFF_MASK);
	__be16 before;

	if ((void *)words + sizeof(struct udphdr) > data_end)
		return false;
	if (pkt->l4proto == IPPROTO_UDP) {
		before = words[2];
		words[2] = bpf_htons(bpf_ntohs(before) + len);
		*diff = csum_sub16(*diff + words[2], before);
		return true;
	}
	if ((void *)words + sizeof(struct tcphdr) > data_end)
		return false;
	if (pkt->tcp_flags & TCP_URG) {
		before = words[9];
		words[9] = bpf_htons(bpf_ntohs(before) + len);
		*diff = csum_sub16(*diff + words[9], before);
	}
	if (is_cut) {
		before = words[6];
		words[6] = before & ~bpf_htons(TCP_FIN | TCP_PSH);
		*diff = csum_sub16(*diff + words[6], before);
	}
	return true;
}

/* The transport's checksum; a UDP checksum of 0 means none, and stays. */
static __always_inline bool update_check(struct __sk_buff *skb, const struct packet *pkt,
					 __u32 ip_len, __u64 diff)
{
	__u64 length = csum_sub16(bpf_htons(ip_len), bpf_htons(pkt->ip_len)), flags = 0;
	__u32 off = pkt->l4_off & L4_OFF_MASK;

	if (pkt->l4proto == IPPROTO_UDP) {
		if (!pkt->l4_check)
			return true;
		off += offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	} else {
		off += offsetof(struct tcphdr, check);
	}
	return !bpf_l4_csum_replace(skb, off, 0, csum_fold(length), flags | BPF_F_PSEUDO_HDR) &&
	       !bpf_l4_csum_replace(skb, off, 0, csum_fold(diff), flags);
}

static __always_inline bool begins_with_signature_skb(struct __sk_buff *skb,
						      const struct packet *pkt, __u32 off)
{
	__be32 words[PROXY_SIGNATURE_LEN / 4];

	return tcp_payload_len(pkt) >= sizeof(words) &&
	       !bpf_skb_load_bytes(skb, off, words, sizeof(words)) && is_proxy_signature(words);
}

/* What stays of the packet: of a GSO packet the first segment, as only that has the first byte. */
static __always_inline __u32 kept_ip_len(const struct packet *pkt)
{
	return pkt->segment_len < pkt->ip_len ? pkt->segment_len : pkt->ip_len;
}

/* Room for the header in front of the payload, and nothing behind it. */
__weak __noinline int open_gap_skb(struct __sk_buff *skb, const struct packet *pkt)
{
	__u32 off, end, room;

	if (!pkt)
		return EDGE53_NOT_WRITABLE;
	off = payload_off_of(pkt);
	end = pkt->l3_off + kept_ip_len(pkt);
	room = proxy_len(pkt->is_ipv6);
	if (pkt->l4proto == IPPROTO_TCP && begins_with_signature_skb(skb, pkt, off))
		return EDGE53_FORGED_HEADER;
	return bpf_skb_change_tail(skb, end + room, 0) || !move_back(skb, off, end - off, room)
		       ? EDGE53_NOT_WRITABLE
		       : GO_ON;
}

/* Afterwards the packet is one that came with the header. */
__weak __noinline int fill_gap_skb(struct __sk_buff *skb, struct packet *pkt)
{
	struct proxy_header header;
	__u32 len, ip_len, off;
	__u64 diff;

	if (!pkt)
		return EDGE53_NOT_WRITABLE;
	len = proxy_len(pkt->is_ipv6);
	ip_len = kept_ip_len(pkt) + len;
	off = payload_off_of(pkt);
	diff = proxy_sum(pkt);
	make_proxy_header(pkt, &header);
	if ((pkt->is_ipv6 ? bpf_skb_store_bytes(skb, off, header.words, PROXY_IPV6_LEN, 0)
			  : bpf_skb_store_bytes(skb, off, header.words, PROXY_IPV4_LEN, 0)) ||
	    !set_ip_len(skb, pkt, ip_len) ||
	    !patch_transport(skb, pkt, len, pkt->segment_len < pkt->ip_len, &diff) ||
	    !update_check(skb, pkt, ip_len, diff))
		return EDGE53_NOT_WRITABLE;
	pkt->ip_len = ip_len;
	pkt->segment_len = ip_len;
	if (pkt->l4proto == IPPROTO_UDP)
		pkt->payload_len += len;
	return GO_ON;
}

/* --- the numbers ------------------------------------------------------------------------------ */

static __always_inline enum edge53_reason patch_tcp_word(struct __sk_buff *skb, __u32 off,
							 __u32 check_off, __be32 before,
							 __be32 after)
{
	if (before == after)
		return GO_ON;
	return bpf_skb_store_bytes(skb, off, &after, sizeof(after), 0) ||
			       bpf_l4_csum_replace(skb, check_off, before, after, sizeof(after))
		       ? EDGE53_NOT_WRITABLE
		       : GO_ON;
}

static __always_inline enum edge53_reason shift_seq_skb(struct __sk_buff *skb,
							const struct packet *pkt,
							const struct rewrite *rw)
{
	__u32 off = pkt->l4_off & L4_OFF_MASK;

	return patch_tcp_word(skb, off + offsetof(struct tcphdr, seq),
			      off + offsetof(struct tcphdr, check), bpf_htonl(pkt->tcp_seq),
			      bpf_htonl(shift_seq(&rw->shift, pkt->tcp_seq)));
}

/* What a client's packet needs on its way to a backend that wants the header. */
static __always_inline enum edge53_reason proxy_query_skb(struct __sk_buff *skb, struct packet *pkt,
							  const struct rewrite *rw)
{
	if (!rw->shift.len)
		return GO_ON;
	if (rw->puts_header)
		return open_gap_skb(skb, pkt) ?: fill_gap_skb(skb, pkt);
	return has_syn(pkt) ? GO_ON : shift_seq_skb(skb, pkt, rw);
}

__weak __noinline int unshift_skb(struct __sk_buff *skb, const struct packet *pkt,
				  const struct rewrite *rw)
{
	__u32 off, check_off;
	__be16 window, after;
	enum edge53_reason why;

	if (!pkt || !rw)
		return EDGE53_NOT_WRITABLE;
	if (!(pkt->tcp_flags & TCP_ACK))
		return GO_ON;
	off = pkt->l4_off & L4_OFF_MASK;
	check_off = off + offsetof(struct tcphdr, check);
	why = patch_tcp_word(skb, off + offsetof(struct tcphdr, ack_seq), check_off,
			     bpf_htonl(pkt->tcp_ack), bpf_htonl(shift_ack(&rw->shift, pkt->tcp_ack)));
	if (why)
		return why;
	off += offsetof(struct tcphdr, window);
	if (bpf_skb_load_bytes(skb, off, &window, sizeof(window)))
		return EDGE53_NOT_WRITABLE;
	after = bpf_htons(shift_window(&rw->shift, pkt->tcp_ack, bpf_ntohs(window),
				       has_syn(pkt) ? 0 : rw->shift.wscale));
	if (after == window)
		return GO_ON;
	return bpf_skb_store_bytes(skb, off, &after, sizeof(after), 0) ||
			       bpf_l4_csum_replace(skb, check_off, window, after, sizeof(after))
		       ? EDGE53_NOT_WRITABLE
		       : GO_ON;
}

static __always_inline enum edge53_reason proxy_reply_skb(struct __sk_buff *skb,
							  const struct packet *pkt,
							  const struct rewrite *rw)
{
	return rw->shift.len ? unshift_skb(skb, pkt, rw) : GO_ON;
}

/* --- the options ------------------------------------------------------------------------------ */

static __always_inline enum edge53_reason edit_query_skb(struct __sk_buff *skb, const struct packet *pkt,
							 const struct rewrite *rw)
{
	if (!has_syn(pkt) || !(rw->max_segment | rw->shift.len))
		return GO_ON;
	return edit_options_skb(skb, pkt, rw) ? GO_ON : EDGE53_NOT_WRITABLE;
}

static __always_inline bool has_only_timestamps_skb(struct __sk_buff *skb,
						    const struct packet *pkt)
{
	__u32 off = (pkt->l4_off & L4_OFF_MASK) + sizeof(struct tcphdr);
	__be32 option;

	return pkt->tcp_header_len == sizeof(struct tcphdr) + TCP_TIMESTAMPS_LEN &&
	       !bpf_skb_load_bytes(skb, off, &option, sizeof(option)) &&
	       option == bpf_htonl(TCP_TIMESTAMPS);
}

/* SYN-ACKs, and on connections that begin with a PROXY header what may have SACK blocks. */
static __always_inline enum edge53_reason edit_reply_skb(struct __sk_buff *skb, const struct packet *pkt,
							 const struct reply_flow *reply,
							 const struct rewrite *rw)
{
	int edited;

	if (has_syn(pkt) ? !(rw->max_segment | rw->shift.len)
			 : !rw->shift.len || pkt->tcp_header_len <= sizeof(struct tcphdr) ||
				   has_only_timestamps_skb(skb, pkt))
		return GO_ON;
	edited = edit_options_skb(skb, pkt, rw);
	if (!edited)
		return EDGE53_NOT_WRITABLE;
	note_wscale(pkt, reply, edited >> 8);
	return GO_ON;
}

#endif
