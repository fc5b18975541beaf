// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the dataplane should have counted and kept: the packet's story told once more, from the
 * row's reason alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "books.h"
#include "bytes.h"

/* --- what is expected ------------------------------------------------------------------------- */

/* What the model needs to know of an IP packet. */
struct seen {
	struct edge53_addr saddr, daddr;
	unsigned ip_len, protocol, sport, dport, dns_id, dns_flags;
	bool is_ipv6;
	bool is_beyond_xdp; /* fragments, IPv6 with extension headers: XDP does not look */
};

static const unsigned char *look_at_ip4(const unsigned char *p, struct seen *seen)
{
	seen->saddr = seen->daddr = test_addr("0.0.0.0");
	seen->ip_len = get16(p + 2);
	seen->protocol = p[9];
	seen->is_beyond_xdp = get16(p + 6) & 0x3fff;
	memcpy(&seen->saddr.bytes[12], p + 12, 4);
	memcpy(&seen->daddr.bytes[12], p + 16, 4);
	return p + (p[0] & 15) * 4;
}

static const unsigned char *look_at_ip6(const unsigned char *p, struct seen *seen)
{
	static const unsigned char extensions[] = { 0, 43, 44, 60, 135, 139, 140 };
	const unsigned char *next = p + 40;

	memcpy(seen->saddr.bytes, p + 8, 16);
	memcpy(seen->daddr.bytes, p + 24, 16);
	seen->ip_len = 40 + get16(p + 4);
	seen->protocol = p[6];
	while (next < p + 512 && memchr(extensions, seen->protocol, sizeof(extensions))) {
		seen->is_beyond_xdp = true;
		seen->protocol = next[0];
		next += next[1] * 8 + 8; /* reserved, and 0, in a fragment header */
	}
	return next;
}

static struct seen look_at(const struct frame *frame, unsigned l3)
{
	const unsigned char *p = frame->bytes + l3, *l4;
	struct seen seen = {};

	seen.is_ipv6 = p[0] >> 4 == 6;
	l4 = seen.is_ipv6 ? look_at_ip6(p, &seen) : look_at_ip4(p, &seen);
	seen.sport = get16(l4);
	seen.dport = get16(l4 + 2);
	seen.dns_id = get16(l4 + 8);
	seen.dns_flags = get16(l4 + 10);
	return seen;
}

static bool same_addr(const struct edge53_addr *addr, const char *text)
{
	struct edge53_addr other = test_addr(text);

	return !memcmp(addr, &other, sizeof(other));
}

static struct edge53_traffic *client_traffic(struct model *model, const struct edge53_addr *addr)
{
	struct counters *c = &model->counters;
	unsigned i = 0;

	while (i < c->n_clients && memcmp(&model->clients[i], addr, sizeof(*addr)))
		i++;
	if (i == c->n_clients)
		model->clients[c->n_clients++] = *addr;
	return &c->clients[same_addr(addr, CLIENT)     ? 0 :
			   same_addr(addr, CLIENT_2)   ? 1 :
			   same_addr(addr, FRONTEND)   ? 2 :
			   same_addr(addr, CLIENT6)    ? 4 : 3];
}

static unsigned backend_of(const struct edge53_addr *addr)
{
	return same_addr(addr, BACKEND)	   ? 1 :
	       same_addr(addr, BACKEND_2)  ? 2 :
	       same_addr(addr, RESOLVER)   ? 3 :
	       same_addr(addr, RESOLVER_2) ? 4 :
	       same_addr(addr, BACKEND6)   ? 5 :
	       same_addr(addr, RESOLVER6)  ? 6 : 0;
}

/* Reasons of a query that was good, whatever became of it. */
static bool is_admitted(enum edge53_reason why, bool is_udp)
{
	switch (why) {
	case EDGE53_FORGED_HEADER: /* of a TCP connection only its first segment is looked at */
		return !is_udp;
	case EDGE53_NOT_OURS:
	case EDGE53_SHORT_DNS:
	case EDGE53_BAD_LENGTH:
	case EDGE53_NOT_A_QUERY:
	case EDGE53_BAD_COUNTS:
	case EDGE53_BAD_OPCODE:
	case EDGE53_BAD_SOURCE:
	case EDGE53_RATE_DROPPED:
	case EDGE53_RATE_TRUNCATED:
	case EDGE53_ANY_TRUNCATED:
	case EDGE53_FRAGMENTED_QUERY:
	case EDGE53_FRAGMENT_REFUSED:
	case EDGE53_NO_CHECKSUM:
	case EDGE53_HIDDEN_BY_HEADERS:
	case EDGE53_ICMP_SENT:
	case EDGE53_ICMP_DROPPED:
	case EDGE53_IPV6_DROPPED:
	case EDGE53_DOT_DROPPED:
	case EDGE53_DOT_REJECTED:
	case EDGE53_DOH_DROPPED:
	case EDGE53_DOH_REJECTED:
	case EDGE53_EXEMPT:
		return false;
	default:
		return true;
	}
}

static void expect_query(struct model *model, const struct step *step, const struct seen *in,
			 const struct seen *out)
{
	struct edge53_traffic *backend = &model->counters.backends[backend_of(&out->daddr)],
			      *client;
	bool is_udp = in->protocol == 17;

	if (is_admitted(step->why, is_udp) && (model->path->bit != TC_L2_CHECKED || in->is_beyond_xdp || step->counted_by_tc)) {
		client = client_traffic(model, &in->saddr);
		client->queries += is_udp;
		client->bytes_in += in->ip_len;
	}
	if (fate_of(step->why) != EDGE53_SEND || step->why == EDGE53_ICMP_SENT)
		return;
	backend->queries += is_udp;
	backend->bytes_in += in->ip_len;
	if (step->why == EDGE53_TCP_OPENED) {
		backend->tcp_connections++;
		client_traffic(model, &in->saddr)->tcp_connections++;
	}
}

static void add_reply(struct edge53_traffic *traffic, const struct seen *in)
{
	traffic->bytes_out += in->ip_len;
	if (in->protocol != 17)
		return;
	traffic->replies++;
	traffic->truncated += in->dns_flags >> 9 & 1;
	switch (in->dns_flags & 15) {
	case 0:
		traffic->noerror++;
		break;
	case 2:
		traffic->servfail++;
		break;
	case 3:
		traffic->nxdomain++;
		break;
	case 5:
		traffic->refused++;
		break;
	default:
		traffic->other_rcode++;
	}
}

/* A reply that was cut is counted as the backend would have sent it, with the code that it had. */
static void expect_reply(struct model *model, const struct step *step, const struct seen *in,
			 const struct seen *out)
{
	unsigned backend = backend_of(&in->saddr);
	struct seen counted = *in;

	if (fate_of(step->why) != EDGE53_SEND || step->why == EDGE53_ICMP_SENT)
		return;
	if (step->why == EDGE53_FRAGMENT_SENT) {
		model->counters.backends[backend].bytes_out += in->ip_len;
		client_traffic(model, &out->daddr)->bytes_out += in->ip_len;
		return;
	}
	if (step->why == EDGE53_RESPONSE_TRUNCATED) {
		counted.ip_len = out->ip_len + 20 * in->is_ipv6 - 20 * out->is_ipv6;
		counted.dns_flags |= 0x0200;
	}
	add_reply(&model->counters.backends[backend], &counted);
	add_reply(client_traffic(model, &out->daddr), &counted);
	model->counters.latencies[backend] += in->protocol == 17;
}

static void expect_reason(struct model *model, const struct step *step, enum test_program program)
{
	unsigned service = is_enforce(model->path) ? SERVICE_ENFORCE : SERVICE_EDGE;

	if (step->why == EDGE53_NOT_OURS ||
	    (program == EDGE_XDP && fate_of(step->why) == EDGE53_PASS))
		return;
	if (step->of_nobody || step->why == EDGE53_REPLY_UNKNOWN)
		service = SERVICE_NONE;
	model->counters.reasons[service][step->why]++;
}

static const char *source_of(const struct layer_of *packet)
{
	return packet->layer == L_ETH ? packet->inner->src : packet->src;
}

/* edge: whether the row has the query sent with the client's own address. */
static bool keeps_source(const struct path *path, const struct step *step)
{
	const char *before = source_of(step->query), *after;

	if (is_enforce(path) || !step->becomes)
		return false;
	after = source_of(step->becomes);
	return before && after && !strcmp(before, after);
}

/* A query takes the next slot of CPU 0. */
static void expect_slot(struct model *model, const struct seen *in, const unsigned char *smac,
			bool keeps)
{
	unsigned n = model->next_slot++;
	struct edge53_slot *slot = &model->slots[n % SLOTS_PER_CPU];
	struct edge53_flow *flow = &slot->flow;

	memset(slot, 0, sizeof(*slot));
	slot->lap = (n / SLOTS_PER_CPU + 1) << 1;
	flow->client = in->saddr;
	flow->asked = in->daddr;
	flow->client_port = in->sport;
	flow->client_id = in->dns_id;
	flow->device = client_device(model->path);
	flow->service = is_enforce(model->path) ? SERVICE_ENFORCE : SERVICE_EDGE;
	if (!model->path->client_is_l3)
		memcpy(flow->client_mac, smac, 6);
	if (keeps)
		flow->flags = EDGE53_FLOW_KEEP_SOURCE;
}

/* A reply marks the slot whose token it carries. */
static void expect_answer(struct model *model, const struct seen *in)
{
	__u64 oldest = model->next_slot > SLOTS_PER_CPU ? model->next_slot - SLOTS_PER_CPU : 0;

	for (__u64 n = oldest; n < model->next_slot; n++)
		if (port_of(n) == in->dport && id_of(n) == in->dns_id)
			model->slots[n % SLOTS_PER_CPU].lap |= EDGE53_SLOT_ANSWERED;
}

/* Where IP starts in the frame of a step, before and after. */
unsigned l3_of_incoming(const struct path *path, const struct step *step)
{
	return (step->query ? path->client_is_l3 : path->backend_is_l3) ? 0 : ETH_LEN;
}

unsigned l3_of_outgoing(const struct path *path, const struct step *step)
{
	bool gets_ethernet = step->query ? path->bit == TC_L3_L2 : !path->client_is_l3;

	return step->becomes && gets_ethernet ? ETH_LEN : l3_of_incoming(path, step);
}

void expect_step(struct model *model, const struct step *step, enum test_program program,
		   const struct frame *in_frame, const struct frame *out_frame)
{
	struct seen in = look_at(in_frame, l3_of_incoming(model->path, step));
	struct seen out = look_at(out_frame, l3_of_outgoing(model->path, step));

	expect_reason(model, step, program);
	if (step->query)
		expect_query(model, step, &in, &out);
	else
		expect_reply(model, step, &in, &out);
	if (in.protocol != 17)
		return;
	if (step->query && (step->why == EDGE53_QUERY_SENT || step->why == EDGE53_TTL_EXPIRED ||
			    step->why == EDGE53_TOO_BIG || step->why == EDGE53_TRUNCATED ||
			    step->takes_slot))
		expect_slot(model, &in, in_frame->bytes + 6, keeps_source(model->path, step));
	else if (step->why == EDGE53_REPLY_SENT || step->why == EDGE53_RESPONSE_TRUNCATED)
		expect_answer(model, &in);
}

/* --- comparing -------------------------------------------------------------------------------- */

bool complain(const char *what, long long got, long long expected)
{
	if (got == expected)
		return true;
	printf("      %s: %lld, expected %lld\n", what, got, expected);
	return false;
}

static bool same_traffic(const char *who, const struct edge53_traffic *got,
			 const struct edge53_traffic *expected)
{
	static const char *const names[] = { "queries", "bytes_in", "replies", "bytes_out",
					     "noerror", "tcp_connections", "truncated", "nxdomain",
					     "servfail", "refused", "other_rcode" };
	const __u64 *g = (const __u64 *)got, *e = (const __u64 *)expected;
	bool same = true;
	char what[80];

	_Static_assert(sizeof(*got) == sizeof(names), "every counter has a name");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(what, sizeof(what), "%s, %s", who, names[i]);
		same &= complain(what, g[i], e[i]);
	}
	return same;
}

bool same_counters(const struct counters *expected)
{
	static const char *const clients[] = { "client " CLIENT, "client " CLIENT_2,
					       "client " FRONTEND, "other clients",
					       "client " CLIENT6 };
	struct counters got;
	bool same = true;
	char what[80];

	world_read_counters(&got);
	for (unsigned s = 0; s < SERVICE_COUNT; s++)
		for (unsigned r = 0; r < EDGE53_REASONS_PER_SERVICE; r++) {
			snprintf(what, sizeof(what), "reason %s of service %u", reason_name(r), s);
			same &= complain(what, got.reasons[s][r], expected->reasons[s][r]);
		}
	for (unsigned i = 1; i < BACKENDS; i++) {
		snprintf(what, sizeof(what), "backend %u", i);
		same &= same_traffic(what, &got.backends[i], &expected->backends[i]);
		/* Which of the queries were timed is for the clock to say. */
		if (got.latencies[i] > expected->latencies[i])
			same &= complain("latencies", got.latencies[i], expected->latencies[i]);
	}
	for (unsigned i = 0; i < 5; i++)
		same &= same_traffic(clients[i], &got.clients[i], &expected->clients[i]);
	same &= same_traffic("clients without an entry", &got.others, &expected->others);
	same &= complain("packets without a client", got.n_not_counted, expected->n_not_counted);
	same &= complain("clients that made room", got.n_evicted, expected->n_evicted);
	return same & complain("number of clients", got.n_clients, expected->n_clients);
}

/* What a slot remembers leads to its client, if it remembers anything. */
static bool is_entry_of(__u32 entry, const struct edge53_addr *client)
{
	if (!entry || !memcmp(&world_clients()[entry - 1].address, client, sizeof(*client)))
		return true;
	printf("      entry %u is another client's\n", entry);
	return false;
}

bool same_slots(struct model *model)
{
	const struct edge53_slot *got = world_slots();
	bool same = true;

	for (unsigned i = 0; i < world_n_slots(); i++) {
		struct edge53_slot *expected = &model->slots[i];

		if (expected->lap && got[i].lap == expected->lap && !expected->opened_us) {
			/* Just taken: time, whether it is exact, and backend are the dataplane's choice. */
			expected->opened_us = got[i].opened_us;
			expected->flow.backend = got[i].flow.backend;
			expected->client_entry = got[i].client_entry;
			same &= is_entry_of(got[i].client_entry, &expected->flow.client);
			/* Whether it had EDNS its reply shows. */
			expected->flow.flags |= got[i].flow.flags &
						(EDGE53_FLOW_TIMED | EDGE53_FLOW_RESPONSE_LIMIT |
						 EDGE53_FLOW_EDNS);
		}
		if (!memcmp(&got[i], expected, sizeof(*expected)))
			continue;
		printf("      slot %u differs: lap %#x, expected %#x; client port %u, expected "
		       "%u\n",
		       i, got[i].lap, expected->lap, got[i].flow.client_port,
		       expected->flow.client_port);
		same = false;
	}
	return same & complain("next slot", world_cpu_state(0).next_slot, model->next_slot);
}

bool same_conns(struct model *model, const struct step *step)
{
	const struct edge53_conn *got = world_conns();
	bool is_tcp = step->why == EDGE53_TCP_OPENED || step->why == EDGE53_TCP_QUERY_SENT ||
		      step->why == EDGE53_TCP_REPLY_SENT || step->why == EDGE53_WITHOUT_HEADER ||
		      step->why == EDGE53_FORGED_HEADER || step->state;
	bool same = true;

	for (unsigned i = 0; i < CONNS; i++) {
		if (is_tcp && i == step->conn)
			continue;
		if (memcmp(&got[i], &model->conns[i], sizeof(got[i]))) {
			printf("      connection %u changed\n", i);
			same = false;
		}
	}
	if (step->state)
		same &= complain("state of the connection", got[step->conn].state, step->state);
	if (!world_tuples_are_right()) {
		printf("      conn_by_tuple has an entry that no connection answers for\n");
		same = false;
	}
	memcpy(model->conns, got, sizeof(model->conns));
	return same;
}
