// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark's packets: `generate` makes them (BPF_PROG_TEST_RUN with live frames), `backend_end` counts
 * queries and answers them, `client_end` counts the replies.
 *
 *     gen0 [generate: XDP_TX] ──▶ uplink0 candidate down0 ──▶ back0 [backend_end]
 *     gen0 [client_end]       ◀── uplink0 candidate down0 ◀── back0 [backend_end: redirect]
 *
 * The answer is redirected to the device it came by: with XDP_TX a veth does not wake the other end unless
 * that has an XDP program, and those who work without XDP would get none.
 *
 * A live frame's page comes back with whatever was last written into it, so `generate` writes all of it. Neither
 * of the ends asks for the device it runs on: a veth may go on polling for a moment when its XDP is taken away.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "traffic.h"

#define DNS_QR 0x8000
#define DNS_TC 0x0200
#define DNS_RD 0x0100
#define DNS_RA 0x0080

#define IP_MF 0x2000 /* Flag: "More Fragments" */
#define IP_OFFSET 0x1fff

/* --- what traffic.c sets before loading ------------------------------------------------------- */

const volatile __u32 workload;
const volatile __u32 way;
const volatile __u32 clients = 1;
const volatile __u32 ports = 1;	 /* of each client */
const volatile __u32 stride = 1; /* from one client's address to the next one's */
const volatile __u32 flood;
const volatile __u32 well_every = TRAFFIC_WELL_EVERY;
const volatile __be32 service_address;
const volatile __be16 service_port;
const volatile __be32 backend_address;
const volatile __be16 backend_port;
const volatile __u32 backend_ifindex;
const volatile __u32 proxy_len; /* of the header that each query must carry, or 0 */
const volatile bool verify;	/* look at each checksum, too */
const volatile bool
	is_held; /* by the loopback device: `generate` is attached there, and has nothing to do */
/* Of `template`, and of the pseudo header: what does not change from packet to packet. */
const volatile __u32 ip_sum;
const volatile __u32 udp_sum;
/* The greatest fraction of 2^32, for divide(). */
const volatile __u64 clients_reciprocal = 1ull << 32;
const volatile __u64 ports_reciprocal = 1ull << 32;

#define FRAME_WORDS (TRAFFIC_FRAME_LEN / 8)
#define FRAME_TAIL (TRAFFIC_FRAME_LEN / 2 - 1) /* two bytes are left over */

typedef __u64 __attribute__((may_alias)) word;
typedef __u16 __attribute__((may_alias)) half;

__u64 template[FRAME_WORDS + 1];
__u32 zipf_clients[TRAFFIC_ZIPF_LEN];
struct traffic_cpu cpus[TRAFFIC_MAX_CPUS];

/* --- common ----------------------------------------------------------------------------------- */

struct dns_message {
	__be16 id;
	__be16 flags;
	__be16 counts[4];
	__u8 name[2];
	__u64 letters;
} __attribute__((packed, aligned(2)));

struct headers {
	struct ethhdr *eth;
	struct iphdr *ip;
	struct udphdr *udp;
	void *payload;
};

struct client {
	__be32 address;
	__be16 port;
	bool is_well_behaved; /* in a flood */
};

/* By a mask: after a comparison 6.1's verifier no longer knows what clang has computed before it. */
static __always_inline struct traffic_cpu *this_cpu(void)
{
	return &cpus[bpf_get_smp_processor_id() % TRAFFIC_MAX_CPUS];
}

static __always_inline void count(struct traffic_count *to, __u32 number)
{
	to->packets++;
	to->sum += number;
}

static __always_inline __u16 fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* x / by, by multiplying: `reciprocal` is 2^32 / by, rounded down, so the quotient is one too small at most. */
static __always_inline __u32 divide(__u32 x, __u32 by, __u64 reciprocal, __u32 *rest)
{
	__u32 quotient = x * reciprocal >> 32;

	*rest = x - quotient * by;
	if (*rest >= by) {
		*rest -= by;
		quotient++;
	}
	return quotient;
}

/* The finalizer of MurmurHash3 (Appleby, public domain). */
static __always_inline __u64 mix(__u64 x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdull;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ull;
	return x ^ x >> 33;
}

static __always_inline bool flood_is_hot(void)
{
	return flood == TRAFFIC_HOT || flood == TRAFFIC_HOT_SYNS;
}

static __always_inline bool flood_is_of_syns(void)
{
	return flood == TRAFFIC_SYNS || flood == TRAFFIC_HOT_SYNS;
}

/* Who sends the packet of this number. */
static __always_inline void find_client(__u32 number, struct client *client)
{
	__u32 index, turn, lap = 0;

	client->is_well_behaved = false;
	if (workload == TRAFFIC_FLOOD) {
		if (!traffic_is_well(number, well_every)) {
			__u64 random = mix(number);

			client->address = bpf_htonl(
				flood_is_hot()
					? TRAFFIC_HOT_BASE | (random & TRAFFIC_HOT_MASK)
					: TRAFFIC_FLOOD_BASE | (random & TRAFFIC_FLOOD_MASK));
			client->port = bpf_htons(1024 + (random >> 32 & 0x7fff));
			return;
		}
		client->is_well_behaved = true;
		turn = divide(number / well_every, clients, clients_reciprocal, &index);
	} else if (workload == TRAFFIC_ZIPF) {
		turn = number;
		index = zipf_clients[number % TRAFFIC_ZIPF_LEN];
	} else {
		turn = divide(number, clients, clients_reciprocal, &index);
	}
	if (ports > 1)
		divide(turn, ports, ports_reciprocal, &lap);
	client->address = bpf_htonl(TRAFFIC_CLIENTS_BASE + index * stride);
	client->port = bpf_htons(TRAFFIC_FIRST_PORT + (index & TRAFFIC_FIRST_PORTS_MASK) + lap);
}

/* Is there a whole UDP packet with a payload of this length? */
static __always_inline bool find_headers(struct xdp_md *ctx, __u32 payload_len, struct headers *h)
{
	void *data = (void *)(long)ctx->data;

	if (data + ETH_HLEN + sizeof(*h->ip) + sizeof(*h->udp) + payload_len >
	    (void *)(long)ctx->data_end)
		return false;
	h->eth = data;
	h->ip = data + ETH_HLEN;
	h->udp = data + ETH_HLEN + sizeof(*h->ip);
	h->payload = data + ETH_HLEN + sizeof(*h->ip) + sizeof(*h->udp);
	return h->eth->h_proto == bpf_htons(ETH_P_IP) && h->ip->version == 4 && h->ip->ihl == 5 &&
	       h->ip->protocol == IPPROTO_UDP;
}

static __always_inline bool has_len(const struct headers *h, __u32 payload_len)
{
	return h->udp->len == bpf_htons(sizeof(*h->udp) + payload_len) &&
	       h->ip->tot_len == bpf_htons(sizeof(*h->ip) + sizeof(*h->udp) + payload_len);
}

/* Halves: an even number of bytes. */
static __always_inline __u64 sum_of(const void *bytes, __u32 len)
{
	const half *halves = bytes;
	__u64 sum = 0;

	for (__u32 i = 0; i < len / 2; i++)
		sum += halves[i];
	return sum;
}

static __always_inline bool checksums_are_right(const struct headers *h, __u32 payload_len)
{
	__u64 sum = sum_of(&h->ip->saddr, 8) + bpf_htons(IPPROTO_UDP) + h->udp->len;

	if (payload_len == TRAFFIC_PAYLOAD_LEN)
		sum += sum_of(h->udp, sizeof(*h->udp) + TRAFFIC_PAYLOAD_LEN);
	else
		sum += sum_of(h->udp, sizeof(*h->udp) + TRAFFIC_PAYLOAD_LEN + TRAFFIC_PROXY_LEN);
	return h->udp->check && fold(sum) == 0xffff &&
	       fold(sum_of(h->ip, sizeof(*h->ip))) == 0xffff;
}

/* --- what a flood has besides queries --------------------------------------------------------- */

/* Is this flood made of queries, which are known by their numbers? */
static __always_inline bool flood_asks(void)
{
	return flood == TRAFFIC_SOURCES || flood == TRAFFIC_HOT;
}

/* Makes the checksum of a header that is no longer the template's. */
static __always_inline void finish_ip(struct iphdr *ip, __u16 payload_len)
{
	ip->tot_len = bpf_htons(sizeof(*ip) + payload_len);
	ip->check = 0;
	ip->check = ~fold(sum_of(ip, sizeof(*ip)));
}

/* Up to 40 bytes, which are random, or the header of a query and then random. Returns how many bytes to cut off. */
static __always_inline int make_payload(void *data, __u64 random)
{
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = data + ETH_HLEN + sizeof(*ip);
	word *payload = data + ETH_HLEN + sizeof(*ip) + sizeof(*udp);
	__u32 words = random % (TRAFFIC_PAYLOAD_LEN / sizeof(*payload) + 1);
	__u16 udp_len = sizeof(*udp) + words * sizeof(*payload);
	struct dns_message *dns = (void *)payload;
	__u64 sum;

	for (__u32 i = 0; i < TRAFFIC_PAYLOAD_LEN / sizeof(*payload); i++)
		payload[i] = mix(random + i);
	if (random >> 63) {
		dns->flags = bpf_htons(DNS_RD);
		dns->counts[0] = bpf_htons(1);
		dns->counts[1] = dns->counts[2] = dns->counts[3] = 0;
	}
	udp->len = bpf_htons(udp_len);
	udp->check = 0;
	sum = sum_of(&ip->saddr, 8) + bpf_htons(IPPROTO_UDP) + udp->len + sum_of(udp, sizeof(*udp));
	for (__u32 i = 0; i < TRAFFIC_PAYLOAD_LEN / sizeof(*payload); i++)
		if (i < words)
			sum += (payload[i] & 0xffffffff) + (payload[i] >> 32);
	udp->check = ~fold(sum);
	if (!udp->check)
		udp->check = 0xffff;
	finish_ip(ip, udp_len);
	return TRAFFIC_PAYLOAD_LEN - words * sizeof(*payload);
}

static __always_inline int make_syn(void *data, const struct client *client, __u64 random)
{
	struct iphdr *ip = data + ETH_HLEN;
	struct {
		struct tcphdr header;
		__be32 maximum_segment;
	} *tcp = data + ETH_HLEN + sizeof(*ip);

	__builtin_memset(tcp, 0, sizeof(*tcp));
	tcp->header.source = client->port;
	tcp->header.dest = service_port;
	tcp->header.seq = random >> 32;
	tcp->header.doff = sizeof(*tcp) / 4;
	tcp->header.syn = 1;
	tcp->header.window = bpf_htons(TRAFFIC_FLOOD_WINDOW);
	tcp->maximum_segment = bpf_htonl(0x02040000 | 1460);
	tcp->header.check = ~fold(sum_of(&ip->saddr, 8) + bpf_htons(IPPROTO_TCP) +
				  bpf_htons(sizeof(*tcp)) + sum_of(tcp, sizeof(*tcp)));
	ip->protocol = IPPROTO_TCP;
	finish_ip(ip, sizeof(*tcp));
	return TRAFFIC_FRAME_LEN - ETH_HLEN - sizeof(*ip) - sizeof(*tcp);
}

/* The first part of a datagram, or a later one of another: nothing is ever whole. */
static __always_inline int make_fragment(void *data, __u64 random)
{
	__u32 payload_len = sizeof(struct udphdr) + TRAFFIC_PAYLOAD_LEN;
	struct iphdr *ip = data + ETH_HLEN;
	struct udphdr *udp = data + ETH_HLEN + sizeof(*ip);

	if (random & 1) {
		ip->frag_off = bpf_htons(IP_MF);
		udp->len = bpf_htons(1400);
	} else {
		ip->frag_off = bpf_htons((random >> 1 & 1 ? IP_MF : 0) |
					 (1 + (random >> 2 & 0x7f)) * (payload_len / 8));
	}
	finish_ip(ip, payload_len);
	return 0;
}

/* The frame is a query; makes of it what the flood consists of. */
static __always_inline int make_flood(struct xdp_md *ctx, void *data, const struct client *client,
				      __u32 number)
{
	__u64 random = mix(~(__u64)number);
	int too_long = flood == TRAFFIC_PAYLOADS ? make_payload(data, random)
		       : flood_is_of_syns()	 ? make_syn(data, client, random)
						 : make_fragment(data, random);

	return too_long ? bpf_xdp_adjust_tail(ctx, -too_long) : 0;
}

static __always_inline struct iphdr *find_ip(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct ethhdr *eth = data;
	struct iphdr *ip = data + ETH_HLEN;

	if (data + ETH_HLEN + sizeof(*ip) > (void *)(long)ctx->data_end)
		return NULL;
	return eth->h_proto == bpf_htons(ETH_P_IP) && ip->version == 4 && ip->ihl == 5 ? ip : NULL;
}

static __always_inline bool is_fragment(struct xdp_md *ctx)
{
	struct iphdr *ip = find_ip(ctx);

	return ip && ip->frag_off & bpf_htons(IP_MF | IP_OFFSET);
}

static __always_inline bool is_flood_syn(struct xdp_md *ctx)
{
	struct iphdr *ip = find_ip(ctx);
	struct tcphdr *tcp = (void *)(ip + 1);

	return ip && (void *)(tcp + 1) <= (void *)(long)ctx->data_end &&
	       ip->protocol == IPPROTO_TCP && tcp->syn && !tcp->ack &&
	       tcp->window == bpf_htons(TRAFFIC_FLOOD_WINDOW);
}

/* Is this packet addressed to a source of the flood? */
static __always_inline bool is_to_flood(struct xdp_md *ctx)
{
	struct iphdr *ip = find_ip(ctx);

	return ip && (bpf_ntohl(ip->daddr) & ~TRAFFIC_FLOOD_MASK) == TRAFFIC_FLOOD_BASE;
}

/* --- the generator ---------------------------------------------------------------------------- */

SEC("xdp")
int generate(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data;
	struct traffic_cpu *cpu = this_cpu();
	struct dns_message *dns;
	struct client client;
	struct udphdr *udp;
	struct iphdr *ip;
	__u64 letters;
	__u32 number;

	if (is_held && ctx->ingress_ifindex == TRAFFIC_LOOPBACK)
		return XDP_PASS;
	if (data + TRAFFIC_FRAME_LEN > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	number = cpu->next;
	cpu->next += cpu->step;
	find_client(number, &client);

	for (__u32 i = 0; i < FRAME_WORDS; i++)
		((word *)data)[i] = template[i];
	((half *)data)[FRAME_TAIL] = template[FRAME_WORDS];

	ip = data + ETH_HLEN;
	ip->id = bpf_htons(number);
	ip->saddr = client.address;
	ip->check = ~fold((__u64)ip_sum + ip->id + ip->saddr);

	udp = data + ETH_HLEN + sizeof(*ip);
	dns = data + ETH_HLEN + sizeof(*ip) + sizeof(*udp);
	letters = traffic_letters(number);
	udp->source = client.port;
	dns->id = bpf_htons(traffic_id(number));
	*(word *)((void *)dns + TRAFFIC_LETTERS_OFF) = letters;
	udp->check = ~fold((__u64)udp_sum + client.address + client.port + dns->id +
			   (letters & 0xffffffff) + (letters >> 32));
	if (!udp->check)
		udp->check = 0xffff;

	if (workload == TRAFFIC_FLOOD && !flood_asks() && !client.is_well_behaved &&
	    make_flood(ctx, data, &client, number))
		return XDP_ABORTED;
	count(&cpu->sent, number);
	cpu->well_sent += client.is_well_behaved;
	return way == TRAFFIC_GENERATE ? XDP_DROP : XDP_TX;
}

/* --- the backend's end ------------------------------------------------------------------------ */

/* Does the header name the client of this packet, and the address it asked? */
static __always_inline bool names_client(const __be32 *header, const struct client *client)
{
	return header[0] == bpf_htonl(0x0d0a0d0a) && header[1] == bpf_htonl(0x000d0a51) &&
	       header[2] == bpf_htonl(0x5549540a) && header[3] == bpf_htonl(0x2112000c) &&
	       header[4] == client->address && header[5] == service_address &&
	       header[6] == ((__u32)client->port | (__u32)service_port << 16);
}

/* A packet becomes its reply; a PROXY header in front of the query has been read, and goes. */
static __always_inline int answer(struct xdp_md *ctx, const struct headers *query)
{
	struct ethhdr eth = *query->eth;
	__be32 saddr = query->ip->saddr, daddr = query->ip->daddr;
	__be16 sport = query->udp->source, dport = query->udp->dest;
	__u64 sum = (__u16)~query->udp->check;
	__u16 udp_len = sizeof(struct udphdr) + TRAFFIC_PAYLOAD_LEN;
	struct dns_message *dns;
	struct headers reply;

	if (proxy_len) {
		sum += (__u16)~fold(sum_of(query->payload, TRAFFIC_PROXY_LEN));
		/* The length is in the pseudo header, too. */
		sum += 2 * (__u64)(__u16)~query->udp->len + 2 * bpf_htons(udp_len);
		if (bpf_xdp_adjust_head(ctx, TRAFFIC_PROXY_LEN))
			return XDP_ABORTED;
	}
	reply.eth = (void *)(long)ctx->data;
	if ((void *)reply.eth + TRAFFIC_FRAME_LEN > (void *)(long)ctx->data_end)
		return XDP_ABORTED;
	reply.ip = (void *)reply.eth + ETH_HLEN;
	reply.udp = (void *)reply.ip + sizeof(*reply.ip);
	dns = (void *)reply.udp + sizeof(*reply.udp);

	__builtin_memcpy(reply.eth->h_dest, eth.h_source, ETH_ALEN);
	__builtin_memcpy(reply.eth->h_source, eth.h_dest, ETH_ALEN);
	reply.eth->h_proto = bpf_htons(ETH_P_IP);
	*(__u16 *)reply.ip = bpf_htons(0x4500);
	reply.ip->tot_len = bpf_htons(sizeof(*reply.ip) + udp_len);
	reply.ip->id = 0;
	reply.ip->frag_off = bpf_htons(0x4000);
	*(__u16 *)&reply.ip->ttl = bpf_htons(64 << 8 | IPPROTO_UDP);
	reply.ip->saddr = daddr;
	reply.ip->daddr = saddr;
	reply.ip->check = ~fold((__u64)saddr + daddr + bpf_htons(0x4500) + reply.ip->tot_len +
				reply.ip->frag_off + bpf_htons(64 << 8 | IPPROTO_UDP));
	reply.udp->source = dport;
	reply.udp->dest = sport;
	reply.udp->len = bpf_htons(udp_len);
	sum += (__u16)~dns->flags;
	dns->flags = bpf_htons(DNS_QR | DNS_RD | DNS_RA); /* no such data */
	sum += dns->flags;
	reply.udp->check = ~fold(sum);
	if (!reply.udp->check)
		reply.udp->check = 0xffff;
	return bpf_redirect(backend_ifindex, 0);
}

SEC("xdp")
int backend_end(struct xdp_md *ctx)
{
	__u32 payload_len = TRAFFIC_PAYLOAD_LEN + (proxy_len ? TRAFFIC_PROXY_LEN : 0);
	struct traffic_cpu *cpu = this_cpu();
	struct dns_message *dns;
	struct client client;
	struct headers h;
	__u32 number;

	if (workload == TRAFFIC_FLOOD && flood == TRAFFIC_FRAGMENTS && is_fragment(ctx)) {
		cpu->flood_arrived++;
		return XDP_DROP;
	}
	if (workload == TRAFFIC_FLOOD && flood_is_of_syns() && is_flood_syn(ctx)) {
		cpu->flood_arrived++;
		return XDP_PASS; /* a server may answer */
	}
	if (!find_headers(ctx, 0, &h))
		return XDP_PASS;
	if (!find_headers(ctx, payload_len, &h) || !has_len(&h, payload_len) ||
	    h.ip->daddr != backend_address || h.udp->dest != backend_port)
		goto strange;
	dns = h.payload + (proxy_len ? TRAFFIC_PROXY_LEN : 0);
	if (dns->flags & bpf_htons(DNS_QR) ||
	    !traffic_number(*(word *)((void *)dns + TRAFFIC_LETTERS_OFF), &number))
		goto strange;
	if (verify && !checksums_are_right(&h, payload_len))
		goto strange;
	/* Only then: the work that it is to find the client is the generator's. */
	if (proxy_len || workload == TRAFFIC_FLOOD)
		find_client(number, &client);
	else
		client.is_well_behaved = false;
	if (proxy_len && !names_client(h.payload, &client))
		goto strange;
	count(&cpu->arrived, number);
	cpu->well_arrived += client.is_well_behaved;
	cpu->flood_arrived += workload == TRAFFIC_FLOOD && !client.is_well_behaved;
	return way == TRAFFIC_ROUND_TRIP ? answer(ctx, &h) : XDP_DROP;

strange:
	if (workload == TRAFFIC_FLOOD && flood == TRAFFIC_PAYLOADS)
		cpu->flood_arrived++;
	else
		cpu->strange++;
	return XDP_DROP;
}

/* --- the client's end ------------------------------------------------------------------------- */

SEC("xdp")
int client_end(struct xdp_md *ctx)
{
	struct traffic_cpu *cpu = this_cpu();
	struct dns_message *dns;
	struct client client;
	struct headers h;
	__u32 number;

	if (workload == TRAFFIC_FLOOD && is_to_flood(ctx)) {
		cpu->flood_answered++;
		if (!flood_asks() || !find_headers(ctx, 0, &h))
			return XDP_DROP;
	}
	if (!find_headers(ctx, 0, &h))
		return XDP_PASS;
	if (!find_headers(ctx, TRAFFIC_PAYLOAD_LEN, &h) || !has_len(&h, TRAFFIC_PAYLOAD_LEN) ||
	    h.ip->saddr != service_address || h.udp->source != service_port)
		goto strange;
	dns = h.payload;
	if (!(dns->flags & bpf_htons(DNS_QR)) ||
	    !traffic_number(*(word *)((void *)dns + TRAFFIC_LETTERS_OFF), &number))
		goto strange;
	find_client(number, &client);
	if (h.ip->daddr != client.address || h.udp->dest != client.port ||
	    dns->id != bpf_htons(traffic_id(number)))
		goto strange;
	if (verify && !checksums_are_right(&h, TRAFFIC_PAYLOAD_LEN))
		goto strange;
	if (workload == TRAFFIC_FLOOD && dns->flags & bpf_htons(DNS_TC)) {
		cpu->well_truncated += client.is_well_behaved;
		cpu->flood_truncated += !client.is_well_behaved;
		return XDP_DROP;
	}
	count(&cpu->answered, number);
	cpu->well_answered += client.is_well_behaved;
	return XDP_DROP;

strange:
	cpu->strange++;
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "GPL";
