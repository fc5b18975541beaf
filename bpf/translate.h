/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The NAT decision, once for every hook: what the packet will look like and where it goes.
 * open_flow() takes the state a query needs, find_flow() what a reply needs; translate_*() fill the
 * rewrite.
 */
#ifndef EDGE53_TRANSLATE_H
#define EDGE53_TRANSLATE_H

#include "fragment.h"
#include "maps.h"
#include "packet.h"
#include "response.h"
#include "rewrite.h"
#include "ring.h"
#include "service.h"
#include "tcp.h"

/* The flow of a query, and what the packet will carry in place of the client's port and ID. */
struct query_flow {
	struct edge53_flow flow;
	__u16 snat_port;
	__u16 dns_id;
	__u16 max_udp_payload; /* 0: any */
	bool is_new_connection;
};

static __always_inline void fill_flow(const struct packet *pkt, const struct edge53_service *svc,
				      __u8 backend, struct edge53_flow *flow)
{
	flow->client = pkt->saddr;
	flow->asked = pkt->daddr;
	flow->client_port = pkt->sport;
	flow->client_id = pkt->dns.id;
	flow->device = pkt->device;
	flow->service = pkt->service;
	flow->backend = backend;
	mac_copy(flow->client_mac, pkt->eth_src);
	flow->flags = response_flags(pkt, svc);
}

/* Of *rw only the shift is filled. */
static __always_inline void begin_query(const struct packet *pkt, const struct edge53_service *svc,
					struct query_flow *query, struct rewrite *rw)
{
	__builtin_memset(&rw->shift, 0, sizeof(rw->shift));
	query->dns_id = 0;
	query->max_udp_payload = 0;
	query->is_new_connection = false;
	if (pkt->l4proto == IPPROTO_UDP && svc->flags & EDGE53_SERVICE_PROXY_UDP) {
		rw->shift.len = proxy_len(pkt->is_ipv6);
		query->max_udp_payload = svc->max_udp_payload;
	}
}

static __always_inline void use_turn(const struct packet *pkt, const struct ring_turn *turn,
				     __u64 now_ns, struct query_flow *query)
{
	ring_open(pkt, turn, now_ns, &query->flow);
	query->snat_port = knobs.port_base + (turn->token >> TOKEN_ID_BITS);
	query->dns_id = turn->token;
}

/* Of *rw only the shift is filled. */
static __noinline enum edge53_reason open_flow(const struct packet *pkt,
					       const struct edge53_service *svc, __u64 now_ns,
					       struct query_flow *query, struct rewrite *rw)
{
	struct ring_turn turn;
	enum edge53_reason why;

	begin_query(pkt, svc, query, rw);
	if (pkt->l4proto == IPPROTO_TCP)
		return tcp_flow_of_client(pkt, svc, now_ns, &query->flow, &query->snat_port,
					  &query->is_new_connection, &rw->shift);
	why = ring_next(pkt, svc, &turn);
	if (why)
		return why;
	fill_flow(pkt, svc, turn.backend, &query->flow);
	if (svc->flags & EDGE53_SERVICE_KEEP_SOURCE)
		note_flow_flags(pkt, &query->flow);
	use_turn(pkt, &turn, now_ns, query);
	return GO_ON;
}

/* The same for a plain query: in registers, which calls would take it out of. */
static __always_inline enum edge53_reason open_plain_flow(const struct packet *pkt,
							  const struct edge53_service *svc,
							  __u64 now_ns, struct query_flow *query,
							  struct rewrite *rw)
{
	struct ring_turn turn;
	enum edge53_reason why;

	begin_query(pkt, svc, query, rw);
	why = ring_next(pkt, svc, &turn);
	if (why)
		return why;
	fill_flow(pkt, svc, turn.backend, &query->flow);
	use_turn(pkt, &turn, now_ns, query);
	return GO_ON;
}

/* TCP payload that fits into one packet on a device. */
static __always_inline int segment_room(__u32 mtu, bool is_ipv6)
{
	return (int)mtu - (is_ipv6 ? IPV6_HEADER_LEN : IPV4_HEADER_LEN) -
	       (int)sizeof(struct tcphdr);
}

/* What both ends' segments must fit into: the way to the client and that to the backend. */
static __always_inline __u16 max_segment(const struct edge53_backend *backend,
					 const struct edge53_device *device, bool client_is_ipv6)
{
	int there = segment_room(backend->mtu, !addr_is_ipv4(&backend->address));
	int back = segment_room(device->mtu, client_is_ipv6);
	int least = there < back ? there : back;

	return least > 0 ? least : 0;
}

/*
 * Whether the packet fits through the device it is to leave by. What may not be fragmented is
 * refused, and so is on Ethernet what may be, as nobody would do it there; a tunnel is left to see for
 * itself.
 */
static __always_inline enum edge53_reason check_mtu(const struct packet *pkt, struct rewrite *rw,
						    __u32 mtu)
{
	int growth = growth_of(pkt, rw) + (rw->puts_header ? rw->shift.len : 0);

	if ((int)pkt->segment_len + growth <= (int)mtu)
		return GO_ON;
	if (rw->puts_header && pkt->l4proto == IPPROTO_UDP)
		return EDGE53_TRUNCATED;
	if (!pkt->dont_fragment && !rw->to_ethernet)
		return GO_ON;
	/* As the sender sees it, whatever options this packet had. */
	mtu += pkt->is_ipv6 * FAMILY_DIFFERENCE;
	mtu -= rw->is_ipv6 * FAMILY_DIFFERENCE + (rw->backend ? rw->shift.len : 0);
	rw->mtu = mtu < 0xffff ? mtu : 0xffff;
	return EDGE53_TOO_BIG;
}

/* Whether a query fits into what its backend reads at once, with its header. */
static __always_inline enum edge53_reason check_payload(const struct packet *pkt,
							const struct query_flow *query,
							const struct rewrite *rw)
{
	return query->max_udp_payload && pkt->payload_len + rw->shift.len > query->max_udp_payload
		       ? EDGE53_TRUNCATED
		       : GO_ON;
}

static __always_inline enum edge53_reason check_ttl(const struct packet *pkt, struct rewrite *rw)
{
	rw->decrement_ttl = true;
	return pkt->ttl <= 1 ? EDGE53_TTL_EXPIRED : GO_ON;
}

/* The way to a backend that is not on this host. */
static __always_inline enum edge53_reason route_query(const struct packet *pkt,
						      const struct query_flow *query,
						      const struct edge53_backend *backend,
						      struct rewrite *rw)
{
	if (!backend->ifindex)
		return EDGE53_NO_BACKEND;
	rw->ifindex = backend->ifindex;
	rw->to_ethernet = backend->flags & EDGE53_BACKEND_ETHERNET;
	mac_copy(rw->dmac, backend->dmac);
	mac_copy(rw->smac, backend->smac);
	return check_ttl(pkt, rw) ?: check_payload(pkt, query, rw) ?: check_mtu(pkt, rw, backend->mtu);
}

/*
 * What the backend reads must not come before the header: data while nobody knows where it belongs, or from
 * before the first byte to behind it, of which the backend would take the rest.
 */
static __always_inline enum edge53_reason check_begin(const struct packet *pkt,
						      const struct rewrite *rw)
{
	__s32 distance = shift_distance(&rw->shift, pkt->tcp_seq);
	__s32 len;

	if (!rw->shift.len || pkt->l4proto != IPPROTO_TCP || rw->shift.is_done ||
	    pkt->tcp_flags & (TCP_SYN | TCP_RST))
		return GO_ON;
	len = tcp_payload_len(pkt) + !!(pkt->tcp_flags & TCP_FIN);
	if (!rw->shift.is_synced)
		return len ? EDGE53_WITHOUT_HEADER : GO_ON;
	return distance < 0 && distance + len > 0 ? EDGE53_WITHOUT_HEADER : GO_ON;
}

/* UDP: each; TCP: the segment with the client's first byte, or with a FIN in its place. */
static __always_inline bool carries_header(const struct packet *pkt, const struct shift *shift)
{
	if (!shift->len)
		return false;
	if (pkt->l4proto == IPPROTO_UDP)
		return true;
	return shift_is_first(shift, pkt->tcp_seq) && !(pkt->tcp_flags & (TCP_SYN | TCP_RST)) &&
	       (tcp_payload_len(pkt) || pkt->tcp_flags & TCP_FIN);
}

static __always_inline void clamp_query(const struct packet *pkt,
					const struct edge53_backend *backend, struct rewrite *rw)
{
	__u32 id = pkt->device;
	const struct edge53_device *device = bpf_map_lookup_elem(&devices, &id);

	if (device)
		rw->max_segment = max_segment(backend, device, pkt->is_ipv6);
}

/* rw->shift is what open_flow() made of it. */
static __always_inline enum edge53_reason
translate_query(const struct packet *pkt, const struct query_flow *query, struct rewrite *rw)
{
	__u32 id = query->flow.backend;
	const struct edge53_backend *backend = bpf_map_lookup_elem(&backends, &id);

	if (!backend)
		return EDGE53_NO_BACKEND;
	rw->saddr = keeps_source(&query->flow, backend) ? pkt->saddr : backend->source;
	rw->daddr = backend->address;
	rw->sport = query->snat_port;
	rw->dport = pkt->l4proto == IPPROTO_TCP ? backend->tcp_port : backend->udp_port;
	rw->dns_id = query->dns_id;
	rw->is_ipv6 = !addr_is_ipv4(&backend->address);
	rw->max_segment = 0;
	rw->ifindex = 0;
	rw->backend = id;
	rw->to_ethernet = false;
	rw->decrement_ttl = false;
	rw->puts_header = carries_header(pkt, &rw->shift);
	if (backend->flags & EDGE53_BACKEND_LOCAL)
		return GO_ON;
	if (has_syn(pkt))
		clamp_query(pkt, backend, rw);
	return check_begin(pkt, rw) ?: route_query(pkt, query, backend, rw);
}

/*
 * The flow of a reply, and what must still be confirmed when the packet can be sent. match.slot is
 * set for UDP and conn for TCP: the verifier tracks NULL through the stack, but not that the
 * transport is the same as a few steps ago.
 */
struct reply_flow {
	struct edge53_flow flow;
	const struct edge53_backend *backend;
	struct ring_match match;
	struct edge53_conn *conn;
};

static __noinline enum edge53_reason find_flow(struct packet *pkt, __u64 now_ns,
					       struct reply_flow *reply)
{
	reply->backend = NULL;
	reply->match.slot = NULL;
	reply->conn = NULL;
	if (pkt->has_bad_length)
		return EDGE53_REPLY_UNKNOWN;
	if (pkt->l4proto == IPPROTO_TCP)
		return tcp_flow_of_backend(pkt, now_ns, &reply->flow, &reply->backend,
					   &reply->conn);
	if (pkt->payload_len < DNS_HEADER_LEN || (pkt->is_ipv6 && !pkt->l4_check))
		return EDGE53_REPLY_UNKNOWN;
	return ring_find(pkt, now_ns, &reply->flow, &reply->backend, &reply->match);
}

/*
 * From here on the reply is taken: the UDP slot is used up, the connection moves on. Of its own, for the
 * stack of the caller.
 */
static __noinline enum edge53_reason take_reply(const struct packet *pkt, __u64 now_ns,
						     struct reply_flow *reply)
{
	if (reply->match.slot)
		return ring_answer(&reply->match);
	return reply->conn ? tcp_track_backend(reply->conn, pkt, now_ns) : GO_ON;
}

/* edge: how the numbers of a connection that begins with a PROXY header are shifted. */
static __noinline enum edge53_reason
find_shift(const struct packet *pkt, const struct reply_flow *reply, struct rewrite *rw)
{
	const struct edge53_conn *conn = reply->conn;

	if (!conn)
		return GO_ON;
	load_shift(conn, &reply->flow, &rw->shift);
	/* It refuses a SYN, with that one's number, which is none of the connection's. */
	if (pkt->tcp_flags & TCP_RST && pkt->tcp_ack == conn->pending_seq)
		rw->shift.is_synced = false;
	return GO_ON;
}

/* The edited options of a SYN-ACK told the scale of the backend's windows. */
static __always_inline void note_wscale(const struct packet *pkt, const struct reply_flow *reply,
					__u8 wscale)
{
	if (reply->conn && has_syn(pkt))
		reply->conn->backend_wscale = wscale;
}

static __always_inline enum edge53_reason translate_reply(const struct edge53_flow *flow,
							  struct rewrite *rw)
{
	rw->saddr = flow->asked;
	rw->daddr = flow->client;
	rw->sport = EDGE53_DNS_PORT;
	rw->dport = flow->client_port;
	rw->dns_id = flow->client_id;
	rw->is_ipv6 = !addr_is_ipv4(&flow->client);
	rw->max_segment = 0;
	rw->ifindex = 0;
	rw->backend = 0;
	rw->to_ethernet = false;
	rw->decrement_ttl = false;
	rw->puts_header = false;
	rw->shift.len = 0;
	return GO_ON;
}

/* The later fragments of a reply come without ports. */
static __always_inline enum edge53_reason remember_fragment(const struct packet *pkt,
							    const struct edge53_flow *flow)
{
	if (pkt->is_first_fragment)
		remember_first_fragment(pkt, flow);
	return GO_ON;
}

/* The flow that a later fragment belongs to, if its first one was a reply. */
static __always_inline enum edge53_reason find_fragment(struct packet *pkt, __u64 now_ns,
							struct edge53_flow *flow)
{
	const struct edge53_fragment *fragment = recall_fragment(pkt, now_ns);

	if (!fragment)
		return EDGE53_NOT_OURS;
	pkt->service = fragment->flow.service;
	if (fragment->is_refused)
		return EDGE53_FRAGMENT_REFUSED;
	*flow = fragment->flow;
	return GO_ON;
}

/* edge: a backend's reply comes back through the device its queries leave by, or it is forged. */
static __always_inline enum edge53_reason check_origin(const struct packet *pkt,
						       const struct reply_flow *reply)
{
	return reply->backend->ifindex == pkt->ifindex ? GO_ON : EDGE53_REPLY_FOREIGN;
}

/* enforce: an address may move to another link's client before a late reply to the first comes. */
static __always_inline enum edge53_reason check_client_device(const struct packet *pkt,
							      const struct edge53_flow *flow)
{
	__u32 id = flow->device;
	const struct edge53_device *device = bpf_map_lookup_elem(&devices, &id);

	return device && device->ifindex == pkt->ifindex ? GO_ON : EDGE53_REPLY_FOREIGN;
}

/* edge: the reply leaves by the device the query came in by, to the neighbour it came from. */
static __always_inline enum edge53_reason
route_reply(const struct packet *pkt, const struct edge53_flow *flow, struct rewrite *rw)
{
	__u32 id = flow->device;
	const struct edge53_device *device = bpf_map_lookup_elem(&devices, &id);

	if (!device || !device->ifindex)
		return EDGE53_CLIENT_DEVICE_GONE;
	rw->xdp_target = device->flags & EDGE53_DEVICE_XDP_TARGET;
	rw->ifindex = device->ifindex;
	rw->to_ethernet = device->flags & EDGE53_DEVICE_ETHERNET;
	mac_copy(rw->dmac, flow->client_mac);
	mac_copy(rw->smac, device->mac);
	return check_ttl(pkt, rw) ?: check_mtu(pkt, rw, device->mtu);
}

/* edge: the backend's SYN-ACK tells the client how much it may send at once. */
static __always_inline enum edge53_reason
clamp_reply(const struct packet *pkt, const struct reply_flow *reply, struct rewrite *rw)
{
	__u32 id = reply->flow.device;
	const struct edge53_device *device;

	if (!has_syn(pkt))
		return GO_ON;
	device = bpf_map_lookup_elem(&devices, &id);
	if (device)
		rw->max_segment = max_segment(reply->backend, device, rw->is_ipv6);
	return GO_ON;
}

/* Counts a query that was sent, and says what it was. */
static __always_inline enum edge53_reason count_query(const struct packet *pkt,
						      const struct query_flow *query,
						      const struct rewrite *rw, __u64 now_ns)
{
	count_backend_query(pkt, query->flow.backend,
			    pkt->ip_len - (rw->puts_header ? rw->shift.len : 0));
	if (pkt->l4proto == IPPROTO_UDP)
		return EDGE53_QUERY_SENT;
	if (!query->is_new_connection)
		return EDGE53_TCP_QUERY_SENT;
	count_connection(pkt, query->flow.backend, now_ns);
	return EDGE53_TCP_OPENED;
}

#endif
