/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * DNS answers of our own: TC=1 to a query that is too long with its PROXY header, over a limit, or of type ANY, whose
 * client comes again by TCP (RFC 7766 section 5), and SERVFAIL where no backend is left. The query becomes its own
 * answer; the question stays where it is, what follows it is cut off. A reply over response_limit is cut in the same way, and
 * goes on. Here at tc, as all of answer.h; answer_xdp.h has the same for XDP.
 */
#ifndef EDGE53_TRUNCATED_H
#define EDGE53_TRUNCATED_H

#include "answer.h"
#include "fragment.h"

#define DNS_MAX_NAME_LEN 255 /* RFC 1035 section 2.3.4, with the length bytes and the root's */
#define DNS_MAX_LABEL_LEN 63
#define DNS_MAX_LABELS 128 /* the shortest are two bytes long, the root's one */
#define DNS_TYPE_AND_CLASS_LEN 4

#define DNS_TYPE_OPT 41
#define DNS_TYPE_ANY 255
#define OPT_LEN 11
#define OPT_UDP_SIZE 1232 /* what goes through without fragments (DNS flag day 2020) */

/* Between IP header and question. */
struct answer_headers {
	struct udphdr udp;
	__be16 id;
	__be16 flags;
	__be16 questions;
	__be16 answers;
	__be16 authorities;
	__be16 additionals;
};

/* Of a packet in either hook: each has a helper that the other's programs may not even mention. */
static __always_inline long load_bytes(void *ctx, bool is_xdp, __u32 off, void *to, __u32 len)
{
	return is_xdp ? bpf_xdp_load_bytes(ctx, off, to, len)
		      : bpf_skb_load_bytes(ctx, off, to, len);
}

/* Bytes of the first question of a UDP datagram; 0 when it cannot be walked. */
static __always_inline __u32 walk_question(void *ctx, bool is_xdp, __u32 l4_off, __u32 payload_len)
{
	__u32 off = l4_off + sizeof(struct answer_headers), len = 0;
	__u8 label = 0;

	for (int i = 0; i < DNS_MAX_LABELS; i++) {
		if (load_bytes(ctx, is_xdp, off + len, &label, sizeof(label)))
			return 0;
		len += 1 + label;
		if (!label)
			break;
		if (label > DNS_MAX_LABEL_LEN) /* a pointer; there is nothing to point to */
			return 0;
	}
	if (label || len > DNS_MAX_NAME_LEN)
		return 0;
	len += DNS_TYPE_AND_CLASS_LEN;
	return DNS_HEADER_LEN + len <= payload_len ? len : 0;
}

/* A global function: the verifier goes through the labels once, alone. */
__weak __noinline int question_len(struct __sk_buff *skb, __u32 l4_off, __u32 payload_len)
{
	return walk_question(skb, false, l4_off, payload_len);
}

/* Only a query with one question says by its header that it may be of type ANY. */
static __always_inline bool may_be_any(const struct packet *pkt, const struct edge53_service *svc)
{
	return svc->flags & EDGE53_SERVICE_ANY_TRUNCATE && pkt->l4proto == IPPROTO_UDP &&
	       pkt->dns.questions == 1 && DNS_OPCODE(pkt->dns.flags) == DNS_OPCODE_QUERY;
}

/* Whether the type, at the end of a question of so many bytes, is ANY. */
static __always_inline bool has_type_any(void *ctx, bool is_xdp, __u32 l4_off, __u32 question)
{
	__be16 type = 0;

	return question &&
	       !load_bytes(ctx, is_xdp,
			   l4_off + sizeof(struct answer_headers) + question - DNS_TYPE_AND_CLASS_LEN,
			   &type, sizeof(type)) &&
	       type == bpf_htons(DNS_TYPE_ANY);
}

__weak __noinline int is_any_skb(struct __sk_buff *skb, __u32 l4_off, __u32 payload_len)
{
	return has_type_any(skb, false, l4_off, question_len(skb, l4_off, payload_len));
}

static __always_inline enum edge53_reason check_any_skb(struct __sk_buff *skb,
							const struct packet *pkt,
							const struct edge53_service *svc)
{
	return may_be_any(pkt, svc) && is_any_skb(skb, pkt->l4_off, pkt->payload_len)
		       ? EDGE53_ANY_TRUNCATED
		       : GO_ON;
}

/* flags: what is set beside QR, opcode and RD. */
static __always_inline void make_answer(const struct packet *pkt, __u32 udp_len, bool has_question,
					__u16 flags, struct answer_headers *answer)
{
	__builtin_memset(answer, 0, sizeof(*answer));
	answer->udp.source = bpf_htons(pkt->dport);
	answer->udp.dest = bpf_htons(pkt->sport);
	answer->udp.len = bpf_htons(udp_len);
	answer->udp.check = csum_fold(pseudo_sum(pkt, IPPROTO_UDP, udp_len));
	answer->id = bpf_htons(pkt->dns.id);
	answer->flags = bpf_htons(DNS_FLAG_QR | flags |
				  (pkt->dns.flags & (DNS_OPCODE_MASK | DNS_FLAG_RD)));
	answer->questions = bpf_htons(has_question);
}

/*
 * Who asks with EDNS is answered with EDNS (RFC 6891 section 6.1.1), where the query has room for it: TC=1 without is
 * no answer to a client that gave a larger size. SERVFAIL is one.
 */
static __always_inline bool has_opt(const struct packet *pkt, __u32 question, __u32 dns_flags)
{
	return dns_flags & DNS_FLAG_TC && pkt->dns.additionals &&
	       DNS_HEADER_LEN + question + OPT_LEN <= pkt->payload_len;
}

static __always_inline void make_opt(__u8 opt[OPT_LEN])
{
	__builtin_memset(opt, 0, OPT_LEN);
	opt[2] = DNS_TYPE_OPT;
	opt[3] = OPT_UDP_SIZE >> 8;
	opt[4] = OPT_UDP_SIZE & 0xff;
}

static __always_inline bool store_opt(struct __sk_buff *skb, __u32 off)
{
	__u8 opt[OPT_LEN];

	make_opt(opt);
	return !bpf_skb_store_bytes(skb, off, opt, sizeof(opt), 0);
}

/*
 * The field holds the sum of the pseudo header. Where the checksum is still to be completed
 * (CHECKSUM_PARTIAL) that is what belongs there, and the kernel's helper leaves it alone. Everywhere
 * else it takes the difference to the whole checksum: ~sum of all, the field as it is now included.
 */
static __always_inline bool complete_checksum(struct __sk_buff *skb, __u32 l4_off, __u32 udp_len,
					      __u16 field)
{
	int sum = sum_of_bytes(skb, l4_off, udp_len);

	return sum >= 0 &&
	       !bpf_l4_csum_replace(skb, l4_off + offsetof(struct udphdr, check), 0,
				    csum_fold((__u64)(__u32)sum + field), BPF_F_MARK_MANGLED_0);
}

/*
 * Where the device gave a sum over the whole packet (CHECKSUM_COMPLETE) it is not of what the packet is now: an IPv4
 * header comes to nothing, and UDP to what its pseudo header lacks.
 */
static __always_inline void tell_sum(struct __sk_buff *skb, const struct packet *pkt, __u32 udp_len)
{
	__s64 old = bpf_csum_update(skb, 0);
	__u64 sum;

	if (old < 0)
		return;
	sum = (__u16)~csum_fold(pseudo_sum(pkt, IPPROTO_UDP, udp_len));
	if (pkt->is_ipv6)
		sum += addr_sum(&pkt->saddr, true) + addr_sum(&pkt->daddr, true) +
		       bpf_htonl(6u << 28) + bpf_htons(udp_len) +
		       bpf_htons(IPPROTO_UDP << 8 | ANSWER_TTL);
	bpf_csum_update(skb, csum_sub16(sum, csum_fold((__u32)old)));
}

/* dns_flags: as make_answer() has them. The answer is never longer than pkt is. Returns whether it is one. */
__weak __noinline int become_dns(struct __sk_buff *skb, const struct packet *pkt, __u32 dns_flags)
{
	const __u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET;
	__u32 extra, l4_off, question, udp_len;
	struct answer_headers answer;
	bool opt;

	if (!pkt)
		return false;
	extra = extra_headers_len(pkt);
	l4_off = pkt->l4_off - extra;
	question = pkt->dns.questions == 1 ? question_len(skb, pkt->l4_off, pkt->payload_len) : 0;
	opt = has_opt(pkt, question, dns_flags);
	udp_len = sizeof(answer) + question + (opt ? OPT_LEN : 0);
	make_answer(pkt, udp_len, question, dns_flags, &answer);
	answer.additionals = bpf_htons(opt);
	/* Options go, and the IP header with them: what CHECKSUM_PARTIAL points to stays the UDP header. */
	if ((extra && bpf_skb_adjust_room(skb, -(int)extra, BPF_ADJ_ROOM_NET, flags)) ||
	    bpf_skb_change_tail(skb, l4_off + udp_len, 0) ||
	    !store_ip(skb, pkt, udp_len, IPPROTO_UDP) ||
	    bpf_skb_store_bytes(skb, l4_off, &answer, sizeof(answer), 0) ||
	    (opt && !store_opt(skb, l4_off + udp_len - OPT_LEN)) ||
	    !complete_checksum(skb, l4_off, udp_len, answer.udp.check))
		return false;
	tell_sum(skb, pkt, udp_len);
	return true;
}

/* A function of its own for the stack of the caller. */
__weak __noinline int answer_dns(struct __sk_buff *skb, const struct packet *pkt, __u32 dns_flags)
{
	return pkt && become_dns(skb, pkt, dns_flags) ? send_back(skb, pkt) : TC_ACT_SHOT;
}

/* Then its answer would go where it goes. */
static __always_inline void turn_round(struct packet *pkt)
{
	struct edge53_addr addr = pkt->saddr;
	__u16 port = pkt->sport;
	__u8 mac[ETH_ALEN];

	pkt->saddr = pkt->daddr;
	pkt->daddr = addr;
	pkt->sport = pkt->dport;
	pkt->dport = port;
	mac_copy(mac, pkt->eth_src);
	mac_copy(pkt->eth_src, pkt->eth_dst);
	mac_copy(pkt->eth_dst, mac);
}

/* What is left of a reply, and how it is seen: not without OPT record, if the query was. */
static __always_inline void prepare_cut(struct packet *pkt, bool has_edns)
{
	__u32 there = pkt->l3_off + pkt->ip_len - pkt->l4_off - sizeof(struct udphdr);

	if (!has_edns)
		pkt->dns.additionals = 0;
	if (pkt->payload_len > there) /* a first fragment */
		pkt->payload_len = there;
	turn_round(pkt);
}

/*
 * Makes a reply one with TC=1 and nothing behind the question; of one in fragments, the others end. *pkt is of no use
 * afterwards: the packet is to be parsed anew. Returns whether it could be done.
 */
__weak __noinline int cut_reply_skb(struct __sk_buff *skb, struct packet *pkt, __u32 has_edns)
{
	if (!pkt)
		return false;
	if (pkt->is_first_fragment)
		remember_first_fragment(pkt, NULL);
	prepare_cut(pkt, has_edns);
	return become_dns(skb, pkt, DNS_FLAG_TC);
}

#endif
