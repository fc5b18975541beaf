// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes DNS of what the kernel's packet generator sends; for scripts/pktgen.sh, at tc of the sending device.
 *
 * pktgen_send (egress) recognises a packet of pktgen by its mark, and writes a query over its payload.
 * pktgen_receive (ingress) counts the replies and ends them there: most clients are no addresses of this
 * host, whose stack would route their replies, or refuse them by ICMP, and so be a load of its own.
 *
 * A query's ID follows from its client. So a reply is counted only where ID, address and port have all been
 * restored, and what the host itself asks goes its way.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define PKTGEN_MAGIC 0xbe9be955
#define MESSAGE_LEN_MAX 256
#define DNS_FLAG_QR 0x8000
#define DNS_RCODE_MASK 0x000f

/* pktgen.sh writes it, as bytes: keep its order. */
struct query {
	__u32 message_len;
	/* IPv6: so many addresses from pktgen's own on. It varies those of IPv4 itself. */
	__u32 clients;
	__u32 is_random; /* in place of in turn */
	__u32 server_port;
	/* Its ID is zero, and so is what is behind the message. */
	__u8 message[MESSAGE_LEN_MAX + 4];
};

struct counters {
	__u64 queries;
	__u64 replies;
	__u64 replies_with_error; /* an RCODE other than NOERROR */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct query);
} query SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counters);
} counters SEC(".maps");

/* What pktgen writes behind the UDP header; zeros follow. */
struct pktgen_header {
	__be32 magic;
	__be32 sequence;
	__be32 seconds;
	__be32 microseconds;
};

struct dns_start {
	__be16 id;
	__be16 flags;
};

/* Of an address only the last four bytes. */
struct headers {
	__u32 saddr_off;
	__u32 daddr_off;
	__u32 udp_off;
};

static __always_inline bool find_headers(const struct __sk_buff *skb, struct headers *h)
{
	switch (skb->protocol) {
	case bpf_htons(ETH_P_IP):
		h->saddr_off = ETH_HLEN + 12;
		h->daddr_off = ETH_HLEN + 16;
		h->udp_off = ETH_HLEN + sizeof(struct iphdr);
		return true;
	case bpf_htons(ETH_P_IPV6):
		h->saddr_off = ETH_HLEN + 8 + 12;
		h->daddr_off = ETH_HLEN + 24 + 12;
		h->udp_off = ETH_HLEN + sizeof(struct ipv6hdr);
		return true;
	}
	return false;
}

static __always_inline __be16 id_of(__be32 address, __be16 port)
{
	__u32 hash = bpf_ntohl(address) * 0x9e3779b1 ^ bpf_ntohs(port) * 0x85ebca6b;

	return bpf_htons((hash ^ hash << 15) >> 16);
}

/* The client of an IPv6 query; pktgen sends all from one address. */
static __always_inline int choose_client(struct __sk_buff *skb, const struct headers *h,
					 const struct query *q, __u64 turn, __be32 *saddr)
{
	__u32 check_off = h->udp_off + offsetof(struct udphdr, check);
	__be32 old = *saddr;

	/* The CPUs begin far from each other. */
	turn += (__u64)bpf_get_smp_processor_id() * 0x9e3779b1;
	*saddr = bpf_htonl(bpf_ntohl(old) +
			   (q->is_random ? bpf_get_prandom_u32() : turn) % q->clients);
	return bpf_skb_store_bytes(skb, h->saddr_off, saddr, sizeof(*saddr), 0) ?:
	       bpf_l4_csum_replace(skb, check_off, old, *saddr,
				   BPF_F_PSEUDO_HDR | BPF_F_MARK_MANGLED_0 | sizeof(*saddr));
}

/* Over pktgen's header and zeros. A checksum of zero, or one left to hardware, stays as it is. */
static __always_inline int write_message(struct __sk_buff *skb, __u32 udp_off,
					 const struct query *q, struct pktgen_header *old,
					 __be16 id)
{
	__u32 len = q->message_len, payload_off = udp_off + sizeof(struct udphdr);
	__u64 sum;

	if (len < sizeof(*old))
		return -1;
	barrier_var(len); /* clang would make one comparison of two, beyond the verifier */
	if (len > MESSAGE_LEN_MAX)
		return -1;
	sum = (__u32)bpf_csum_diff((__be32 *)old, sizeof(*old), (__be32 *)q->message,
				   (len + 3) & ~3u, 0);
	sum += id;
	sum = (sum & 0xffffffff) + (sum >> 32);
	return bpf_skb_store_bytes(skb, payload_off, q->message, len, 0) ?:
	       bpf_skb_store_bytes(skb, payload_off, &id, sizeof(id), 0) ?:
	       bpf_l4_csum_replace(skb, udp_off + offsetof(struct udphdr, check), 0, sum,
				   BPF_F_MARK_MANGLED_0);
}

SEC("tc")
int pktgen_send(struct __sk_buff *skb)
{
	const __u32 zero = 0;
	const struct query *q = bpf_map_lookup_elem(&query, &zero);
	struct counters *n = bpf_map_lookup_elem(&counters, &zero);
	struct {
		struct udphdr udp;
		struct pktgen_header pktgen;
	} packet;
	struct headers h;
	__be32 saddr;

	if (!q || !n || !find_headers(skb, &h) ||
	    bpf_skb_load_bytes(skb, h.udp_off, &packet, sizeof(packet)) ||
	    packet.pktgen.magic != bpf_htonl(PKTGEN_MAGIC) ||
	    packet.udp.dest != bpf_htons(q->server_port))
		return TC_ACT_UNSPEC;
	/* Now it is pktgen's. What cannot be made a query shall not look as if it were one: it is an error there. */
	if (bpf_ntohs(packet.udp.len) != sizeof(packet.udp) + q->message_len ||
	    bpf_skb_load_bytes(skb, h.saddr_off, &saddr, sizeof(saddr)))
		return TC_ACT_SHOT;
	if (skb->protocol == bpf_htons(ETH_P_IPV6) && q->clients > 1 &&
	    choose_client(skb, &h, q, n->queries, &saddr))
		return TC_ACT_SHOT;
	if (write_message(skb, h.udp_off, q, &packet.pktgen, id_of(saddr, packet.udp.source)))
		return TC_ACT_SHOT;
	n->queries++;
	return TC_ACT_UNSPEC;
}

static __always_inline bool is_udp(const struct __sk_buff *skb)
{
	__u8 protocol = 0;

	bpf_skb_load_bytes(skb,
			   ETH_HLEN + (skb->protocol == bpf_htons(ETH_P_IP)
					       ? offsetof(struct iphdr, protocol)
					       : offsetof(struct ipv6hdr, nexthdr)),
			   &protocol, sizeof(protocol));
	return protocol == IPPROTO_UDP;
}

SEC("tc")
int pktgen_receive(struct __sk_buff *skb)
{
	const __u32 zero = 0;
	const struct query *q = bpf_map_lookup_elem(&query, &zero);
	struct counters *n = bpf_map_lookup_elem(&counters, &zero);
	struct {
		struct udphdr udp;
		struct dns_start dns;
	} packet;
	struct headers h;
	__be32 daddr;

	if (!q || !n || !find_headers(skb, &h) || !is_udp(skb) ||
	    bpf_skb_load_bytes(skb, h.udp_off, &packet, sizeof(packet)) ||
	    bpf_skb_load_bytes(skb, h.daddr_off, &daddr, sizeof(daddr)) ||
	    packet.udp.source != bpf_htons(q->server_port) ||
	    !(packet.dns.flags & bpf_htons(DNS_FLAG_QR)) ||
	    packet.dns.id != id_of(daddr, packet.udp.dest))
		return TC_ACT_UNSPEC;
	n->replies++;
	if (packet.dns.flags & bpf_htons(DNS_RCODE_MASK))
		n->replies_with_error++;
	return TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "GPL";
