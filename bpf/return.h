/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * return: on the host of a server, the clients that come by a tunnel are remembered, and replies to
 * them that are about to leave by an uplink go back into the tunnel (docs/packets.md, "return"). Bytes
 * stay as they are. What is not the reply to such a client is not even counted.
 */
#ifndef EDGE53_RETURN_H
#define EDGE53_RETURN_H

#include "fragment.h"
#include "maps.h"
#include "packet.h"
#include "parse_skb.h"
#include "peek.h"
#include "rewrite_skb.h"
#include "trace.h"
#include "translate.h"
#include "verdict.h"

#define RETURN_UDP_NS (30 * 1000000000ull)
#define RETURN_TCP_NS (7440 * 1000000000ull) /* RFC 5382 REQ-5: 2 h 4 min */

/* The service of a tunnel, or one of an uplink's, that has a port. */
static __always_inline __u32 *find_return_port(const struct __sk_buff *skb, __u16 port,
					       __u8 l4proto, bool is_uplink)
{
	struct edge53_return_key key = { .ifindex = skb->ifindex, .port = port,
					 .l4proto = l4proto, .is_uplink = is_uplink };

	return bpf_map_lookup_elem(&returns_by_device, &key);
}

static __always_inline void *return_peers_of(const struct packet *pkt)
{
	__u32 which = pkt->l4proto == IPPROTO_TCP ? EDGE53_RETURN_TCP : EDGE53_RETURN_UDP;

	return bpf_map_lookup_elem(&return_peers, &which);
}

/* --- the tunnel's ingress --------------------------------------------------------------------- */

__weak __noinline int note_peer(const struct packet *pkt, __u64 now_ns)
{
	struct edge53_return_peer_key key = {};
	struct edge53_return_peer peer = { .seen_ns = now_ns };
	void *peers;

	if (!pkt)
		return 0;
	peers = return_peers_of(pkt);
	if (!peers)
		return 0;
	key.client = pkt->saddr;
	key.server = pkt->daddr;
	key.client_port = pkt->sport;
	key.server_port = pkt->dport;
	peer.service = pkt->service;
	mac_copy(peer.dmac, pkt->eth_src);
	bpf_map_update_elem(peers, &key, &peer, BPF_ANY);
	return 0;
}

/* On Ethernet a frame may be another host's, as for an edge (take_frontend()). */
static __always_inline bool take_tunnel(struct packet *pkt, __u32 service)
{
	const struct edge53_return *tunnel = bpf_map_lookup_elem(&returns, &service);

	pkt->service = service;
	return tunnel && mac_equal(tunnel->smac, pkt->eth_dst);
}

static __always_inline int return_in(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};
	struct peek peek = {};
	__u32 *service;

	CHAIN(return_in);
	if (!peek_skb(skb, l3_off, &peek))
		return TC_GO_ON;
	service = ASK(find_return_port, skb, peek.dport, peek.l4proto, false);
	if (!service || STEP(parse_skb, skb, l3_off, &pkt) || !ASK(take_tunnel, &pkt, *service))
		return TC_GO_ON;
	note_peer(&pkt, clock_ns());
	return finish_skb(&pkt, EDGE53_RETURN_NOTED, TC_GO_ON);
}

/* --- the uplink's egress ---------------------------------------------------------------------- */

static __always_inline bool is_noted_lately(const struct packet *pkt,
					    const struct edge53_return_peer *peer)
{
	__u64 age_ns = clock_ns() - peer->seen_ns;

	/* It may be of another CPU and a little later than now. */
	return (__s64)age_ns <
	       (__s64)(pkt->l4proto == IPPROTO_TCP ? RETURN_TCP_NS : RETURN_UDP_NS);
}

/* Fills service and client_mac of the flow, if the packet is for a client that came by a tunnel. */
__weak __noinline int find_peer(const struct packet *pkt, struct edge53_flow *flow)
{
	struct edge53_return_peer_key key = {};
	const struct edge53_return_peer *peer;
	void *peers;

	if (!pkt || !flow)
		return EDGE53_NOT_OURS;
	peers = return_peers_of(pkt);
	if (!peers)
		return EDGE53_NOT_OURS;
	key.client = pkt->daddr;
	key.server = pkt->saddr;
	key.client_port = pkt->dport;
	key.server_port = pkt->sport;
	peer = bpf_map_lookup_elem(peers, &key);
	if (!peer || !is_noted_lately(pkt, peer))
		return EDGE53_NOT_OURS;
	flow->service = peer->service;
	mac_copy(flow->client_mac, peer->dmac);
	return GO_ON;
}

/* The way back into the tunnel. */
static __always_inline enum edge53_reason route_return(struct packet *pkt,
						       const struct edge53_flow *flow,
						       struct rewrite *rw)
{
	__u32 id = flow->service;
	const struct edge53_return *to = bpf_map_lookup_elem(&returns, &id);

	pkt->service = id;
	if (!to || !to->ifindex)
		return EDGE53_RETURN_GONE;
	rw->ifindex = to->ifindex;
	rw->is_ipv6 = pkt->is_ipv6;
	rw->to_ethernet = to->is_ethernet;
	mac_copy(rw->dmac, flow->client_mac);
	mac_copy(rw->smac, to->smac);
	return GO_ON;
}

static __always_inline enum edge53_reason send_return(struct __sk_buff *skb,
						      const struct packet *pkt,
						      const struct rewrite *rw, int *verdict)
{
	if (!drop_priority_tag(skb))
		return EDGE53_NOT_WRITABLE;
	return send_reply_skb(skb, pkt, rw, verdict) ?: EDGE53_RETURN_SENT;
}

__weak __noinline int return_reply(struct __sk_buff *skb, struct packet *pkt)
{
	struct edge53_flow flow = {};
	struct rewrite rw = {};
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(return_reply);
	why = STEP(find_peer, pkt, &flow)
	   ?: STEP(route_return, pkt, &flow, &rw)
	   ?: STEP(remember_fragment, pkt, &flow)
	   ?: STEP(send_return, skb, pkt, &rw, &verdict);
	return finish_skb(pkt, why, verdict);
}

__weak __noinline int return_fragment(struct __sk_buff *skb, struct packet *pkt)
{
	struct edge53_flow flow;
	struct rewrite rw = {};
	int verdict = TC_GO_ON;
	enum edge53_reason why;

	if (!pkt)
		return TC_GO_ON;
	CHAIN(return_fragment);
	why = STEP(find_fragment, pkt, clock_ns(), &flow)
	   ?: STEP(route_return, pkt, &flow, &rw)
	   ?: STEP(send_return, skb, pkt, &rw, &verdict);
	return finish_skb(pkt, why, verdict);
}

static __always_inline int return_out(struct __sk_buff *skb, __u32 l3_off)
{
	struct packet pkt = {};
	struct peek peek = {};

	CHAIN(return_out);
	if (!peek_skb(skb, l3_off, &peek)) {
		if (!peek.is_later_fragment || parse_skb(skb, l3_off, &pkt))
			return TC_GO_ON;
		pkt.is_return = true;
		return return_fragment(skb, &pkt);
	}
	if (!ASK(find_return_port, skb, peek.sport, peek.l4proto, true) ||
	    STEP(parse_skb, skb, l3_off, &pkt))
		return TC_GO_ON;
	pkt.is_return = true;
	return return_reply(skb, &pkt);
}

#endif
