// SPDX-License-Identifier: GPL-2.0-only
/* Model: the rules of docs/packets.md, in their order. */
#include <string.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "turn.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };
enum { DOT_PORT = 853, HTTPS_PORT = 443, DNS_HEADER = 12 };
enum { OPCODE_QUERY = 0, OPCODE_UNKNOWN = 3, OPCODE_LAST = 6 };

/* --- how a turn ends -------------------------------------------------------------------------- */

#define REASON_FATE(name, fate, sentence) [EDGE53_##name] = EDGE53_##fate,

static enum edge53_fate fate(enum edge53_reason why)
{
	static const enum edge53_fate fates[] = { EDGE53_REASONS(REASON_FATE) };

	return fates[why];
}

int model_verdict(const struct hook *hook, const struct result *result)
{
	enum edge53_fate f = fate(result->why);

	if (hook->is_xdp)
		return f == EDGE53_PASS	  ? XDP_PASS
		       : f == EDGE53_SEND ? XDP_REDIRECT
		       : result->is_told  ? XDP_REDIRECT
					  : XDP_DROP;
	if (f == EDGE53_DROP)
		return result->is_told ? TC_ACT_REDIRECT : TC_ACT_SHOT;
	return f == EDGE53_SEND && hook->place == EDGE_IN ? TC_ACT_REDIRECT : TC_ACT_UNSPEC;
}

void end(struct turn *t, enum edge53_reason why, unsigned service)
{
	t->result->why = why;
	t->result->service = service;
	if (why == EDGE53_NOT_OURS || why == EDGE53_HANDED_TO_TC)
		return;
	if (t->hook->is_xdp && fate(why) == EDGE53_PASS)
		return; /* tc counts it */
	t->model->reasons[service][why]++;
}

/* --- link headers ----------------------------------------------------------------------------- */

static void put_link(unsigned char *link, const unsigned char *dmac, const unsigned char *smac,
		     unsigned family)
{
	memcpy(link, dmac, 6);
	memcpy(link + 6, smac, 6);
	put16(link + 12, family == 4 ? 0x0800 : 0x86dd);
}

/* Room for the link header, which is that of the packet that came unless it is written anew. */
static unsigned char *begin(struct turn *t, unsigned link)
{
	memset(t->result->out.bytes, 0, link);
	memcpy(t->result->out.bytes, t->in->bytes, t->link < link ? t->link : link);
	t->result->out.len = t->result->link = link;
	return t->result->out.bytes + link;
}

unsigned char *begin_query(struct turn *t, const struct edge53_backend *backend, unsigned family)
{
	bool is_ethernet = backend->flags & EDGE53_BACKEND_ETHERNET;
	unsigned char *ip = begin(t, t->link || is_ethernet ? ETH_LEN : 0);

	if (t->hook->is_xdp)
		put_link(t->result->out.bytes, backend->dmac, backend->smac, family);
	else if (t->hook->place == EDGE_IN && ip != t->result->out.bytes)
		t->result->open_link = t->link && family == t->seen.family ? 0 : ETH_LEN;
	return ip;
}

unsigned char *begin_reply(struct turn *t, const struct edge53_flow *flow, unsigned family)
{
	const struct edge53_device *device = &t->setup->devices[flow->device];
	bool is_ethernet = device->flags & EDGE53_DEVICE_ETHERNET;
	unsigned char *ip = begin(t, t->link || is_ethernet ? ETH_LEN : 0);

	if (is_ethernet && t->hook->place == EDGE_IN)
		put_link(t->result->out.bytes, flow->client_mac, device->mac, family);
	return ip;
}

const unsigned char *got_ip(const struct turn *t)
{
	return t->got->out.bytes + t->result->out.len;
}

/* --- going on --------------------------------------------------------------------------------- */

static unsigned mss_of(unsigned mtu, unsigned family)
{
	return mtu - 20 - (family == 4 ? 20 : 40);
}

static unsigned lowest_mss(const struct turn *t, const struct edge53_flow *flow)
{
	const struct edge53_backend *backend = &t->setup->backends[flow->backend];
	unsigned theirs, ours;

	if (backend->flags & EDGE53_BACKEND_LOCAL)
		return 0;
	theirs = mss_of(backend->mtu, family_of(&backend->address));
	ours = mss_of(t->setup->devices[flow->device].mtu, family_of(&flow->client));
	return theirs < ours ? theirs : ours;
}

/* What cannot become IPv6: a wrong header checksum would be lost, a missing one cannot be made. */
static enum edge53_reason has_no_translation(const struct turn *t, unsigned family)
{
	if (t->seen.family == family || family == 4)
		return EDGE53_GO_ON;
	if (sum16(t->ip, t->seen.l4, 0) != 0xffff)
		return EDGE53_BAD_CHECKSUM;
	if (is_first_fragment(&t->seen) && t->seen.protocol == PROTO_UDP &&
	    !get16(t->ip + t->seen.l4 + 6))
		return EDGE53_NO_CHECKSUM;
	return EDGE53_GO_ON;
}

/* What a query of this service may get in front. */
static unsigned header_len_at(const struct turn *t, unsigned service)
{
	bool is_udp = t->seen.protocol == PROTO_UDP;
	unsigned flag = is_udp ? EDGE53_SERVICE_PROXY_UDP : EDGE53_SERVICE_PROXY_TCP;

	return t->setup->services[service].flags & flag ? proxy_header_len(&t->seen.saddr) : 0;
}

static bool is_longer_than_read(const struct turn *t, unsigned service)
{
	unsigned most = t->setup->services[service].max_udp_payload;

	return t->seen.protocol == PROTO_UDP && most && header_len_at(t, service) &&
	       get16(t->ip + t->seen.l4 + 4) - 8 + header_len_at(t, service) > most;
}

/* Of what GRO put together the segments count. */
static unsigned longest_of(const struct turn *t, unsigned family)
{
	unsigned gso_size = t->seen.protocol == PROTO_TCP ? t->around->gso_size : 0;
	unsigned header = gso_size ? l4_header_len(t->ip, &t->seen) : 0;
	unsigned len = changed_len(&t->seen, family), cut;

	cut = t->seen.ip_len - t->seen.l4 - header;
	return gso_size && cut > gso_size ? len - cut + gso_size : len;
}

/*
 * A router's questions. True: the turn has ended. header_len: of the PROXY header that the flow has,
 * be it in this packet or not; the client is told an MTU that leaves room for it.
 */
static bool is_stopped_on_its_way(struct turn *t, unsigned service, unsigned hops, unsigned mtu,
				  unsigned header_len, unsigned family, bool to_ethernet)
{
	unsigned len = longest_of(t, family);
	bool gets_header = t->seen.protocol == PROTO_UDP && header_len;
	bool may_be_fragmented = t->seen.family == 4 && !t->seen.dont_fragment;
	enum edge53_reason why = has_no_translation(t, family);

	if (hops && t->seen.ttl <= 1) {
		end_with_error(t, EDGE53_TTL_EXPIRED, service, 0);
		return true;
	}
	if (gets_header && (len > mtu || is_longer_than_read(t, service))) {
		end_truncated(t, service);
		return true;
	}
	if (!hops || len <= mtu || (may_be_fragmented && !to_ethernet)) {
		if (why)
			end(t, why, service);
		return why;
	}
	if (t->hook->is_xdp) /* a connection's header that its service has no more: tc answers */
		end(t, EDGE53_HANDED_TO_TC, service);
	else if (may_be_fragmented)
		end(t, EDGE53_TOO_BIG, service);
	else
		end_with_error(t, EDGE53_TOO_BIG, service,
			       mtu - header_len +
				       (family == t->seen.family ? 0
					: family == 4		 ? 20
								 : -20));
	return true;
}

/* At tc nothing is left behind a packet that got longer. */
static unsigned bytes_kept(const struct turn *t)
{
	return t->seen.grows && !t->hook->is_xdp ? t->seen.there : t->ip_bytes;
}

/* Rules 1 to 4, for a client's segment. */
static struct tcp_edit edit_for_backend(const struct turn *t, const struct edge53_conn *conn)
{
	const unsigned char *tcp = t->ip + t->seen.l4;
	bool is_syn = tcp[13] & SYN;

	return (struct tcp_edit){
		.seq = is_syn ? get32(tcp + 4) : seq_for_backend(conn, get32(tcp + 4)),
		.ack = get32(tcp + 8),
		.window = get16(tcp + 14),
		.urgent = get16(tcp + 18) + (tcp[13] & URG ? t->seen.grows : 0),
		.flags = tcp[13],
		.hides_early_data = is_syn,
		.any_checksum = t->is_cut,
	};
}

/* Rules 5 to 8. */
static struct tcp_edit edit_for_client(const struct turn *t, const struct edge53_conn *conn)
{
	const unsigned char *tcp = t->ip + t->seen.l4;
	bool as_is = is_refusal(conn, tcp), is_syn = tcp[13] & SYN;
	struct tcp_edit edit = { .seq = get32(tcp + 4),
				 .ack = get32(tcp + 8),
				 .window = get16(tcp + 14),
				 .urgent = get16(tcp + 18),
				 .flags = tcp[13],
				 .less_mss = is_syn ? header_len_of(conn) : 0,
				 .conn = as_is ? NULL : conn };

	if (as_is || !(tcp[13] & ACK))
		return edit;
	edit.ack = number_for_client(conn, edit.ack);
	edit.window = window_for_client(conn, tcp);
	return edit;
}

/* conn: of TCP. */
static void send_to_backend(struct turn *t, enum edge53_reason why, const struct edge53_flow *flow,
			    const struct edge53_conn *conn, unsigned sport, unsigned dns_id)
{
	unsigned char header[PROXY_HEADER_MAX];
	struct tcp_edit edit;
	const struct edge53_backend *backend = &t->setup->backends[flow->backend];
	bool is_udp = t->seen.protocol == PROTO_UDP;
	struct change change = {
		.saddr = *source_of(t->setup, flow),
		.daddr = backend->address,
		.has_l4 = true,
		.sport = sport,
		.dport = is_udp ? backend->udp_port : backend->tcp_port,
		.has_id = is_udp,
		.dns_id = dns_id,
		.hops = !(backend->flags & EDGE53_BACKEND_LOCAL),
		.mss = is_udp ? 0 : lowest_mss(t, flow),
		.header = header,
	};
	unsigned char *ip = begin_query(t, backend, family_of(&change.daddr));

	t->result->has_header = t->seen.grows || (conn && header_len_of(conn));
	if (t->seen.grows)
		write_proxy_header(&flow->client, &flow->asked, flow->client_port, !is_udp, header);
	if (conn && header_len_of(conn)) {
		edit = edit_for_backend(t, conn);
		change.tcp = &edit;
	}
	t->result->out.len += write_changed(t->ip, bytes_kept(t), &t->seen, &change, got_ip(t), ip);
	count_sent(t->model, flow->backend, &t->seen);
	end(t, why, flow->service);
}

static void send_to_client(struct turn *t, enum edge53_reason why, const struct edge53_flow *flow,
			   const struct edge53_conn *conn)
{
	struct tcp_edit edit;
	struct change change = {
		.saddr = flow->asked,
		.daddr = flow->client,
		.has_l4 = !is_later_fragment(&t->seen),
		.sport = EDGE53_DNS_PORT,
		.dport = flow->client_port,
		.has_id = t->seen.protocol == PROTO_UDP,
		.dns_id = flow->client_id,
		.hops = t->hook->place == EDGE_IN,
		.mss = t->seen.protocol == PROTO_TCP ? lowest_mss(t, flow) : 0,
	};
	unsigned char *ip = begin_reply(t, flow, family_of(&change.daddr));

	if (conn && header_len_of(conn)) {
		edit = edit_for_client(t, conn);
		change.tcp = &edit;
	}
	t->result->out.len += write_changed(t->ip, t->ip_bytes, &t->seen, &change, got_ip(t), ip);
	count_reply(t->model, flow, &t->seen, t->ip);
	end(t, why, flow->service);
}

/* --- queries ---------------------------------------------------------------------------------- */

static enum edge53_reason check_dns(const struct turn *t)
{
	const unsigned char *l4 = t->ip + t->seen.l4, *dns = l4 + 8;
	unsigned questions, additionals;

	if (t->seen.family == 6 && !get16(l4 + 6))
		return EDGE53_NO_CHECKSUM;
	if (get16(l4 + 4) < 8 + DNS_HEADER)
		return EDGE53_SHORT_DNS;
	if (has_signature(dns, get16(l4 + 4) - 8))
		return EDGE53_FORGED_HEADER;
	if (dns[2] & 0x80)
		return EDGE53_NOT_A_QUERY;
	if ((dns[2] >> 3 & 15) == OPCODE_UNKNOWN || (dns[2] >> 3 & 15) > OPCODE_LAST)
		return EDGE53_BAD_OPCODE;
	questions = get16(dns + 4);
	additionals = get16(dns + 10);
	if ((dns[2] >> 3 & 15) == OPCODE_QUERY &&
	    (questions > 1 || (questions == 0 && additionals == 0)))
		return EDGE53_BAD_COUNTS;
	return EDGE53_GO_ON;
}

/* No answer can reach it, or it never asks by itself. */
static bool is_bad_source(const struct turn *t)
{
	const struct seen *seen = &t->seen;
	const unsigned char *from = seen->saddr.bytes;

	if (!seen->sport || same_address(&seen->saddr, &seen->daddr))
		return true;
	if (seen->family == 6)
		return from[0] == 0xff || (is_zero(from, 15) && from[15] < 2);
	return from[12] == 0 || from[12] == 127 || (from[12] >= 224 && from[12] < 240) ||
	       !memcmp(from + 12, "\xff\xff\xff\xff", 4);
}

static struct edge53_flow flow_of_query(const struct turn *t, unsigned device, unsigned service)
{
	struct edge53_flow flow = { .client = t->seen.saddr,
				    .asked = t->seen.daddr,
				    .client_port = t->seen.sport,
				    .device = device,
				    .service = service };

	if (t->seen.protocol == PROTO_UDP)
		flow.client_id = get16(t->ip + t->seen.l4 + 8);
	if (t->link)
		memcpy(flow.client_mac, t->in->bytes + 6, 6);
	return flow;
}

/* One of them, all of which are of one family; 0: there is none. */
static unsigned backend_of(const struct turn *t, unsigned service)
{
	const struct edge53_picks *picks = &t->setup->services[service].picks[t->seen.family == 6];

	return t->seen.protocol == PROTO_UDP ? picks->udp[0] : picks->tcp[0];
}

static void end_without_backend(struct turn *t, unsigned service)
{
	unsigned flags = t->setup->services[service].flags;

	if (!(flags & EDGE53_SERVICE_DOWN_SERVFAIL))
		end(t, flags & EDGE53_SERVICE_DOWN_PASS ? EDGE53_NO_BACKEND_PASSED : EDGE53_NO_BACKEND,
		    service);
	else if (t->hook->is_xdp)
		end(t, EDGE53_HANDED_TO_TC, service);
	else if (t->seen.protocol == PROTO_UDP)
		end_servfail(t, service);
	else
		end_with_refusal(t, EDGE53_NO_BACKEND_RESET, service);
}

/* What XDP checks and counts, but does not translate. */
static bool is_beyond_xdp(const struct turn *t, bool may_change_family, unsigned max_len)
{
	bool has_checksum = t->seen.protocol == PROTO_TCP || get16(t->ip + t->seen.l4 + 6);

	return t->seen.ttl <= 1 || t->seen.ip_len > max_len || t->seen.l4 > 40 ||
	       (t->seen.family == 4 && t->seen.l4 > 20) || has_partial_checksum(t->ip, &t->seen) ||
	       (may_change_family && !has_checksum);
}

static bool xdp_leaves_query(const struct turn *t, unsigned service)
{
	const struct edge53_service *s = &t->setup->services[service];
	unsigned len = header_len_at(t, service);

	if (!t->hook->is_xdp)
		return false;
	return !(s->flags & EDGE53_SERVICE_XDP) || s->query_mtu < len ||
	       is_beyond_xdp(t, s->flags & EDGE53_SERVICE_IPV6_BACKENDS, s->query_mtu - len) ||
	       is_longer_than_read(t, service);
}

/* Whether XDP answers SERVFAIL itself, or leaves it to tc. */
static bool xdp_answers(struct turn *t, unsigned service)
{
	if (!t->hook->is_xdp || !(t->setup->services[service].flags & EDGE53_SERVICE_XDP_ANSWERS))
		return false;
	if (t->seen.l4 > (t->seen.family == 4 ? 20 : 40) || has_partial_checksum(t->ip, &t->seen))
		end(t, EDGE53_HANDED_TO_TC, service);
	else
		end_servfail(t, service);
	return true;
}

static bool is_stopped_query(struct turn *t, const struct edge53_flow *flow, unsigned header_len)
{
	const struct edge53_backend *backend = &t->setup->backends[flow->backend];
	bool is_local = backend->flags & EDGE53_BACKEND_LOCAL;

	if (!backend->ifindex && !is_local) {
		end(t, EDGE53_NO_BACKEND, flow->service);
		return true;
	}
	return is_stopped_on_its_way(t, flow->service, !is_local, backend->mtu, header_len,
				     family_of(&backend->address),
				     backend->flags & EDGE53_BACKEND_ETHERNET);
}

static void udp_query(struct turn *t, unsigned device, unsigned service)
{
	struct edge53_flow flow = flow_of_query(t, device, service);
	const struct edge53_slot *slot;
	unsigned at;

	if (xdp_answers(t, service))
		return;
	if (xdp_leaves_query(t, service)) {
		end(t, EDGE53_HANDED_TO_TC, service);
		return;
	}
	if (!backend_of(t, service)) {
		end_without_backend(t, service);
		return;
	}
	slot = take_slot(t->model, &flow, t->got);
	at = slot - t->model->slots;
	t->seen.grows = header_len_at(t, service);
	if (!is_stopped_query(t, &slot->flow, t->seen.grows))
		send_to_backend(t, EDGE53_QUERY_SENT, &slot->flow, NULL, t->model->slot_port[at],
				t->model->slot_id[at]);
}

static void note_seen(struct turn *t, struct edge53_conn *conn)
{
	const struct edge53_conn *theirs = &t->got->conns[conn - t->model->conns];

	if (theirs->seen_ns != conn->seen_ns &&
	    (theirs->seen_ns < t->got->before_ns || theirs->seen_ns > t->got->after_ns))
		t->model->objection = "the time a connection was seen";
	conn->seen_ns = theirs->seen_ns;
}

/* One of the service's resolvers in use, by its own address. */
static bool is_resolver(const struct turn *t, unsigned service)
{
	const __u8 *picks = t->setup->services[service].picks[t->seen.family == 6].tcp;

	for (unsigned i = 0; i < EDGE53_PICKS; i++)
		if (picks[i] && same_address(&t->setup->backends[picks[i]].address, &t->seen.daddr))
			return true;
	return false;
}

static void end_without_connection(struct turn *t, unsigned service)
{
	bool is_enforce = t->hook->place == ENFORCE_IN;

	if (is_enforce && !backend_of(t, service) &&
	    t->setup->services[service].flags & EDGE53_SERVICE_DOWN_PASS)
		end(t, EDGE53_NO_BACKEND_PASSED, service);
	else if (is_enforce && !is_resolver(t, service))
		end(t, EDGE53_NO_CONNECTION_DROPPED, service);
	else
		end(t, EDGE53_NO_CONNECTION, service);
}

/* A connection for a SYN: the entry it had, or another. NULL: it has ended. */
static struct edge53_conn *conn_for_syn(struct turn *t, struct edge53_conn *conn, unsigned service,
					const struct edge53_flow *flow)
{
	if (!backend_of(t, service)) {
		end_without_backend(t, service);
		return NULL;
	}
	if (!conn)
		conn = take_conn(t->model, t->got->before_ns);
	if (!conn) {
		end(t, EDGE53_TCP_FULL, service);
		return NULL;
	}
	open_conn(t->model, conn, flow, t->ip + t->seen.l4, t->got);
	return conn;
}

static unsigned tcp_payload_len(const struct turn *t)
{
	return t->seen.ip_len - t->seen.l4 - l4_header_len(t->ip, &t->seen);
}

/* Rule 4: the client sends the others again. */
static void keep_first_segment(struct turn *t)
{
	static unsigned char kept[FRAME_MAX];
	unsigned less = tcp_payload_len(t) - t->around->gso_size, residue;

	memcpy(kept, t->ip, t->ip_bytes);
	residue = sum16(kept, t->seen.l4, 0) % 0xffff;
	t->seen.ip_len -= less;
	t->seen.there = t->seen.ip_len;
	put16(kept + (t->seen.family == 4 ? 2 : 4),
	      t->seen.ip_len - (t->seen.family == 4 ? 0 : 40));
	if (t->seen.family == 4) {
		put16(kept + 10, 0);
		put_checksum(kept + 10, false, residue, sum16(kept, t->seen.l4, 0));
	}
	kept[t->seen.l4 + 13] &= ~(FIN | PSH);
	t->ip = kept;
	t->is_cut = true;
}

/* The backend would read it without header: rules 2 and 4. */
static bool is_without_header(const struct turn *t, const struct edge53_conn *conn)
{
	const unsigned char *tcp = t->ip + t->seen.l4;
	__s32 d = get32(tcp + 4) - conn->first_seq, len = tcp_payload_len(t) + !!(tcp[13] & FIN);

	if (!header_len_of(conn) || tcp[13] & (SYN | RST) || conn->flags & EDGE53_CONN_PROXY_DONE)
		return false;
	if (!(conn->flags & EDGE53_CONN_PROXY_SYNCED))
		return len;
	return d < 0 && d + len > 0;
}

/*
 * For GRO, of a service that has the option. A segment with the number and nothing to say may be marked as
 * well: nothing is merged with it anyway.
 */
static void expect_mark(struct turn *t, const struct edge53_conn *conn, unsigned service)
{
	const unsigned char *tcp = t->ip + t->seen.l4;

	if (!conn || !header_len_at(t, service))
		return;
	t->result->may_be_marked = carries_header(conn, tcp, 1);
	t->result->must_be_marked = carries_header(conn, tcp, tcp_payload_len(t));
}

static void tcp_query(struct turn *t, unsigned device, unsigned service)
{
	struct edge53_flow flow = flow_of_query(t, device, service);
	const unsigned char *tcp = t->ip + t->seen.l4;
	struct edge53_conn *conn =
		find_conn(t->model, &flow.client, &flow.asked, flow.client_port, service);
	enum syn_kind kind = conn ? kind_of_syn(t->model, conn, tcp, t->got->before_ns) : SYN_OPENS;
	bool opens = is_opening(tcp) && kind >= SYN_REOPENS;

	if (xdp_leaves_query(t, service)) {
		expect_mark(t, conn, service);
		end(t, EDGE53_HANDED_TO_TC, service);
		return;
	}
	if (tcp[13] & SYN && tcp_payload_len(t) && header_len_at(t, service)) {
		end(t, EDGE53_SYN_WITH_DATA, service);
		return;
	}
	if (!opens && !conn) {
		end_without_connection(t, service);
		return;
	}
	if (is_opening(tcp) && kind == SYN_OPENS)
		conn = conn_for_syn(t, conn, service, &flow);
	else if (is_opening(tcp))
		client_sends_syn(conn, kind, tcp);
	else
		client_sends(conn, tcp);
	if (!conn)
		return;
	memcpy(conn->flow.client_mac, flow.client_mac, 6);
	note_seen(t, conn);
	if (carries_header(conn, tcp, tcp_payload_len(t)))
		t->seen.grows = header_len_of(conn);
	if (is_without_header(t, conn)) {
		end(t, EDGE53_WITHOUT_HEADER, service);
		return;
	}
	if (is_stopped_query(t, &conn->flow, header_len_of(conn)))
		return;
	if (t->seen.grows && has_signature(t->ip + t->seen.l4 + l4_header_len(t->ip, &t->seen),
					   tcp_payload_len(t))) {
		end(t, EDGE53_FORGED_HEADER, service);
		return;
	}
	if (t->seen.grows && t->around->gso_size && tcp_payload_len(t) > t->around->gso_size)
		keep_first_segment(t);
	if (opens)
		count_connection(t->model, &conn->flow);
	send_to_backend(t, opens ? EDGE53_TCP_OPENED : EDGE53_TCP_QUERY_SENT, &conn->flow, conn,
			conn->snat_port, 0);
}

/* XDP leaves these without a look, so they are counted at tc. */
static bool xdp_cannot_see(const struct turn *t)
{
	return !is_udp_or_tcp(&t->seen) || is_first_fragment(&t->seen) ||
	       is_later_fragment(&t->seen) || (t->seen.family == 6 && t->seen.l4 > 40);
}

/* Several datagrams in one, put together by GRO: only the first has an ID that could be seen. */
bool is_bundle(const struct turn *t)
{
	return t->seen.protocol == PROTO_UDP && t->around->gso_size;
}

static void query(struct turn *t, unsigned device, unsigned service)
{
	bool is_udp = t->seen.protocol == PROTO_UDP;
	enum edge53_reason why;

	if (is_first_fragment(&t->seen)) {
		remember_fragment(t->model, &t->seen, t->ifindex, t->got->after_ns,
				  &(struct edge53_flow){ .service = service }, true);
		end(t, EDGE53_FRAGMENTED_QUERY, service);
		return;
	}
	why = lengths_are_right(t->ip, &t->seen) && !is_bundle(t) ? EDGE53_GO_ON
								  : EDGE53_BAD_LENGTH;
	if (!why && is_bad_source(t))
		why = EDGE53_BAD_SOURCE;
	if (!why && is_udp)
		why = check_dns(t);
	if (why) {
		end(t, why, service);
		return;
	}
	if (!t->hook->is_behind_xdp || xdp_cannot_see(t))
		count_client(t->model, &t->seen);
	if (is_udp)
		udp_query(t, device, service);
	else
		tcp_query(t, device, service);
}

/* --- replies ---------------------------------------------------------------------------------- */

static bool is_edge_port(unsigned port)
{
	return port >= PORT_BASE && port < PORT_BASE + (1 << PORT_BITS);
}

static bool is_from_backend(const struct turn *t, const struct edge53_flow *flow)
{
	const struct edge53_backend *backend = &t->setup->backends[flow->backend];
	bool is_udp = t->seen.protocol == PROTO_UDP;

	return same_address(&t->seen.saddr, &backend->address) &&
	       t->seen.sport == (is_udp ? backend->udp_port : backend->tcp_port) &&
	       same_address(&t->seen.daddr, source_of(t->setup, flow));
}

static bool is_on_its_device(const struct turn *t, const struct edge53_flow *flow)
{
	const struct edge53_backend *backend = &t->setup->backends[flow->backend];

	if (backend->flags & EDGE53_BACKEND_LOCAL)
		return t->ifindex == t->setup->devices[flow->device].ifindex;
	return t->ifindex == backend->ifindex;
}

static bool xdp_leaves_reply(const struct turn *t, const struct edge53_flow *flow)
{
	const struct edge53_device *device = &t->setup->devices[flow->device];
	unsigned family = family_of(&flow->client);
	unsigned growth = changed_len(&t->seen, family) - t->seen.ip_len;

	return t->hook->is_xdp &&
	       (!(device->flags & EDGE53_DEVICE_XDP_TARGET) ||
		is_beyond_xdp(t, family != t->seen.family, device->mtu - growth));
}

/* True: the turn has ended, and what is remembered of the flow stays as it was. */
static bool is_stopped_reply(struct turn *t, const struct edge53_flow *flow)
{
	const struct edge53_device *device = &t->setup->devices[flow->device];

	if (t->hook->place == EDGE_IN && !device->ifindex) {
		end(t, EDGE53_CLIENT_DEVICE_GONE, flow->service);
		return true;
	}
	if (xdp_leaves_reply(t, flow)) {
		end(t, EDGE53_HANDED_TO_TC, flow->service);
		return true;
	}
	return is_stopped_on_its_way(t, flow->service, t->hook->place == EDGE_IN, device->mtu, 0,
				     family_of(&flow->client),
				     device->flags & EDGE53_DEVICE_ETHERNET);
}

static void remember_reply(struct turn *t, const struct edge53_flow *flow)
{
	if (is_first_fragment(&t->seen))
		remember_fragment(t->model, &t->seen, t->ifindex, t->got->after_ns, flow, false);
}

static enum edge53_reason look_at_answer(const struct turn *t, const struct edge53_slot *slot)
{
	if (!(t->ip[t->seen.l4 + 10] & 0x80))
		return EDGE53_REPLY_FOREIGN; /* a query */
	if (slot_is_old(slot, t->got->before_ns))
		return EDGE53_REPLY_EXPIRED;
	if (slot->lap & EDGE53_SLOT_ANSWERED)
		return EDGE53_REPLY_DUPLICATE;
	return is_on_its_device(t, &slot->flow) ? EDGE53_GO_ON : EDGE53_REPLY_FOREIGN;
}

/* All lengths that are there agree on that. */
static bool holds_dns_header(const struct turn *t)
{
	const unsigned least = 8 + DNS_HEADER;
	unsigned len;

	if (t->seen.protocol != PROTO_UDP || t->seen.there < t->seen.l4 + least)
		return false;
	len = get16(t->ip + t->seen.l4 + 4);
	return len >= least && (len <= t->seen.ip_len - t->seen.l4 || is_first_fragment(&t->seen));
}

/* It may answer a PROXY header, read as a query. */
static void end_of_unknown(struct turn *t)
{
	bool has_id = holds_dns_header(t) && get16(t->ip + t->seen.l4 + 8) == 0x0d0a;

	for (unsigned id = 1; id < MODEL_BACKENDS; id++) {
		const struct edge53_backend *backend = &t->setup->backends[id];
		unsigned flags = t->setup->services[backend->service].flags;

		if (has_id && flags & EDGE53_SERVICE_PROXY_UDP && backend->ifindex == t->ifindex &&
		    same_address(&backend->address, &t->seen.saddr) &&
		    backend->udp_port == t->seen.sport) {
			end(t, EDGE53_HEADER_NOT_READ, backend->service);
			return;
		}
	}
	end(t, EDGE53_REPLY_UNKNOWN, SERVICE_NONE);
}

static void udp_reply(struct turn *t)
{
	struct edge53_slot *slot;
	enum edge53_reason why;

	if (get16(t->ip + t->seen.l4 + 4) < 8 + DNS_HEADER ||
	    (t->seen.family == 6 && !get16(t->ip + t->seen.l4 + 6))) {
		end_of_unknown(t);
		return;
	}
	slot = find_slot(t->model, t->seen.dport, get16(t->ip + t->seen.l4 + 8));
	if (!slot) {
		end_of_unknown(t);
		return;
	}
	if (!is_from_backend(t, &slot->flow)) {
		end(t, EDGE53_REPLY_FOREIGN, SERVICE_NONE);
		return;
	}
	why = look_at_answer(t, slot);
	if (why) {
		end(t, why, slot->flow.service);
		return;
	}
	if (is_stopped_reply(t, &slot->flow))
		return;
	slot->lap |= EDGE53_SLOT_ANSWERED;
	remember_reply(t, &slot->flow);
	send_to_client(t, EDGE53_REPLY_SENT, &slot->flow, NULL);
}

static void tcp_reply(struct turn *t)
{
	struct edge53_conn *conn = find_conn_by_port(t->model, t->seen.dport);
	const unsigned char *tcp = t->ip + t->seen.l4;

	if (!conn) {
		end(t, EDGE53_REPLY_UNKNOWN, SERVICE_NONE);
		return;
	}
	if (!is_from_backend(t, &conn->flow) || !is_on_its_device(t, &conn->flow)) {
		end(t, EDGE53_REPLY_FOREIGN,
		    is_from_backend(t, &conn->flow) ? conn->flow.service : SERVICE_NONE);
		return;
	}
	if (is_stopped_reply(t, &conn->flow))
		return;
	note_seen(t, conn);
	if (!backend_sends(conn, tcp, conn->seen_ns)) {
		end(t, EDGE53_WITHOUT_HEADER, conn->flow.service);
		return;
	}
	if (tcp[13] & SYN)
		conn->backend_wscale = wscale_of(tcp, 60);
	if (!header_len_of(conn)) /* means nothing */
		conn->backend_wscale = t->got->conns[conn - t->model->conns].backend_wscale;
	remember_reply(t, &conn->flow);
	send_to_client(t, EDGE53_TCP_REPLY_SENT, &conn->flow, conn);
}

/* All that is rewritten is in the first fragment. */
static bool holds_headers(const struct seen *seen)
{
	return seen->protocol == PROTO_TCP || seen->there >= seen->l4 + 8 + DNS_HEADER;
}

static void reply(struct turn *t)
{
	if (!lengths_are_right(t->ip, &t->seen) || !holds_headers(&t->seen) || is_bundle(t))
		end_of_unknown(t);
	else if (t->seen.protocol == PROTO_UDP)
		udp_reply(t);
	else
		tcp_reply(t);
}

/* --- later fragments -------------------------------------------------------------------------- */

static void take_later_fragment(struct turn *t)
{
	const struct fragment *first =
		find_fragment(t->model, &t->seen, t->ifindex, t->got->before_ns);

	if (!first || t->seen.ip_len > t->seen.there ||
	    (t->hook->place == ENFORCE_IN && !first->value.is_refused))
		end(t, EDGE53_NOT_OURS, SERVICE_NONE);
	else if (first->value.is_refused)
		end(t, EDGE53_FRAGMENT_REFUSED, first->value.flow.service);
	else if (!is_stopped_reply(t, &first->value.flow))
		send_to_client(t, EDGE53_FRAGMENT_SENT, &first->value.flow, NULL);
}

/* --- policies of enforce ---------------------------------------------------------------------- */

bool is_exempt(const struct turn *t, unsigned service, const struct edge53_addr *client)
{
	return t->setup->services[service].flags & EDGE53_SERVICE_EXEMPT &&
	       matches_prefix(t->setup->exempt, t->setup->n_exempt, service, client);
}

/* What the policies make of a packet; NOT_OURS: nothing, GO_ON: it is a query. */
static enum edge53_reason policy(const struct turn *t, unsigned service)
{
	unsigned flags = t->setup->services[service].flags, port = t->seen.dport;

	if (t->seen.is_hidden)
		return t->seen.family == 6 && flags & (EDGE53_SERVICE_IPV6_DROP |
						       EDGE53_SERVICE_IPV6_REDIRECT)
			       ? EDGE53_HIDDEN_BY_HEADERS
			       : EDGE53_NOT_OURS;
	if (port == EDGE53_DNS_PORT && t->seen.family == 6 && flags & EDGE53_SERVICE_IPV6_DROP)
		return EDGE53_IPV6_DROPPED;
	if (port == EDGE53_DNS_PORT)
		return t->seen.family == 4 || flags & EDGE53_SERVICE_IPV6_REDIRECT
			       ? EDGE53_GO_ON
			       : EDGE53_NOT_OURS;
	if (port == DOT_PORT)
		return flags & EDGE53_SERVICE_DOT_REJECT ? EDGE53_DOT_REJECTED
		       : flags & EDGE53_SERVICE_DOT_DROP ? EDGE53_DOT_DROPPED
							 : EDGE53_NOT_OURS;
	if (port == HTTPS_PORT &&
	    matches_prefix(t->setup->doh, t->setup->n_doh, service, &t->seen.daddr))
		return flags & EDGE53_SERVICE_DOH_REJECT ? EDGE53_DOH_REJECTED
		       : flags & EDGE53_SERVICE_DOH_DROP ? EDGE53_DOH_DROPPED
							 : EDGE53_NOT_OURS;
	return EDGE53_NOT_OURS;
}

static void refuse(struct turn *t, enum edge53_reason why, unsigned service)
{
	bool is_silent = why == EDGE53_DOT_DROPPED || why == EDGE53_DOH_DROPPED ||
			 why == EDGE53_HIDDEN_BY_HEADERS;

	if (is_first_fragment(&t->seen))
		remember_fragment(t->model, &t->seen, t->ifindex, t->got->after_ns,
				  &(struct edge53_flow){ .service = service }, true);
	if (is_silent)
		end(t, why, service);
	else
		end_with_refusal(t, why, service);
}

/* --- the entries ------------------------------------------------------------------------------ */

const struct edge53_frontend *frontend_of(const struct turn *t, const struct edge53_addr *address)
{
	static const struct edge53_addr any;

	for (unsigned i = 0; i < t->setup->n_frontends; i++) {
		const struct edge53_frontend_key *key = &t->setup->frontends[i].key;
		const struct edge53_frontend *value = &t->setup->frontends[i].value;

		if (key->ifindex != t->ifindex ||
		    !same_address(&key->address, t->hook->place == EDGE_IN ? address : &any))
			continue;
		if (t->link && !is_zero(value->mac, 6) && memcmp(t->in->bytes, value->mac, 6))
			return NULL;
		return value;
	}
	return NULL;
}

static void edge_in(struct turn *t)
{
	const struct edge53_frontend *frontend;

	if (t->seen.has_ports && t->seen.dport == EDGE53_DNS_PORT) {
		frontend = frontend_of(t, &t->seen.daddr);
		if (frontend)
			query(t, frontend->device, frontend->service);
	} else if (t->seen.has_ports && is_edge_port(t->seen.dport)) {
		reply(t);
	}
}

static void enforce_in(struct turn *t)
{
	const struct edge53_frontend *frontend = frontend_of(t, NULL);
	enum edge53_reason why;

	if (!frontend || (!t->seen.has_ports && !t->seen.is_hidden))
		return;
	why = policy(t, frontend->service);
	if (why == EDGE53_NOT_OURS)
		return;
	if (is_exempt(t, frontend->service, &t->seen.saddr))
		end(t, EDGE53_EXEMPT, frontend->service);
	else if (why == EDGE53_GO_ON)
		query(t, frontend->device, frontend->service);
	else
		refuse(t, why, frontend->service);
}

static void enforce_out(struct turn *t)
{
	if (t->seen.has_ports && t->seen.sport == EDGE53_DNS_PORT && is_edge_port(t->seen.dport))
		reply(t);
}

/* What was forwarded from a device that should be enforced and is not, or from one not known yet. */
static void guard_out(struct turn *t)
{
	const struct edge53_guard *guard = &t->setup->guard[0];

	for (unsigned i = 1; i < DEV_COUNT; i++)
		if (world_ifindex(i) == t->around->ingress_ifindex && t->setup->is_guarded[i])
			guard = &t->setup->guard[i];
	if (!t->around->ingress_ifindex || !t->seen.has_ports || t->seen.dport != EDGE53_DNS_PORT)
		return; /* the host's own packets, and other traffic */
	if (guard->policy == EDGE53_GUARD_DROP)
		end(t, EDGE53_GUARD_DROPPED, guard->service);
	else if (guard->policy == EDGE53_GUARD_COUNT)
		end(t, EDGE53_GUARD_COUNTED, guard->service);
}

static bool is_icmp(const struct seen *seen)
{
	return seen->protocol == PROTO_ICMP || seen->protocol == PROTO_ICMP6;
}

/* BPF_PROG_TEST_RUN reads the protocol there, always. */
static unsigned family_beside(const struct turn *t)
{
	unsigned type = get16(t->in->bytes + 12);

	return type == 0x0800 ? 4 : type == 0x86dd ? 6 : 0;
}

void model_run(struct model *model, const struct scene *scene, const struct frame *in,
	       const struct outcome *got, struct result *result)
{
	const struct hook *hook = &scene->hook;
	unsigned link = hook->is_l3 ? 0 : ETH_LEN;
	struct turn t = { .model = model,
			  .setup = model->setup,
			  .hook = hook,
			  .around = &scene->around,
			  .ifindex = world_ifindex(scene->device),
			  .link = link,
			  .in = in,
			  .ip = in->bytes + link,
			  .ip_bytes = in->len - link,
			  .got = got,
			  .result = result };

	result->why = EDGE53_NOT_OURS;
	result->service = SERVICE_NONE;
	result->is_told = false;
	result->has_header = result->must_be_marked = result->may_be_marked = false;
	result->link = link;
	result->open_link = 0;
	result->is_open = false;
	result->out = *in;
	model->objection = NULL;
	if (hook->place == GUARD_OUT) {
		look_at_lightly(t.ip, t.ip_bytes, family_beside(&t), &t.seen);
		guard_out(&t);
		return;
	}
	look_at(t.ip, t.ip_bytes, &t.seen);
	if (!t.seen.family || t.seen.family != family_beside(&t) || t.seen.is_mapped ||
	    (hook->is_xdp && xdp_cannot_see(&t)))
		return;
	if (is_later_fragment(&t.seen) && !t.seen.is_hidden)
		take_later_fragment(&t);
	else if (!t.seen.is_hidden && is_icmp(&t.seen))
		icmp_error(&t);
	else if (hook->place == EDGE_IN)
		edge_in(&t);
	else if (hook->place == ENFORCE_IN)
		enforce_in(&t);
	else
		enforce_out(&t);
}
