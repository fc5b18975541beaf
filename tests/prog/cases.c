// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the rows and holds the dataplane against a model of what it should have counted and kept.
 * The model is the packet's story told once more, from the row's reason alone.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "cases.h"

const struct path paths[8] = {
	{ XDP, "edge_xdp", EDGE_XDP, EDGE_XDP, false, false },
	{ TC_L2, "edge_tc_l2", EDGE_TC_L2, EDGE_TC_L2, false, false },
	{ TC_L2_CHECKED, "edge_tc_l2_checked", EDGE_TC_L2_CHECKED, EDGE_TC_L2_CHECKED, false,
	  false },
	{ TC_L2_L3, "edge_tc_l2 to edge_tc_l3", EDGE_TC_L2, EDGE_TC_L3, false, true },
	{ TC_L3, "edge_tc_l3", EDGE_TC_L3, EDGE_TC_L3, true, true },
	{ TC_L3_L2, "edge_tc_l3 to edge_tc_l2", EDGE_TC_L3, EDGE_TC_L2, true, false },
	{ ENFORCE_L2, "enforce_l2", ENFORCE_IN_L2, ENFORCE_OUT_L2, false, false },
	{ ENFORCE_L3, "enforce_l3", ENFORCE_IN_L3, ENFORCE_OUT_L3, true, true },
};

/* --- reasons and paths ------------------------------------------------------------------------ */

#define REASON_FATE(name, fate, sentence) [EDGE53_##name] = EDGE53_##fate,
#define REASON_NAME(name, fate, sentence) [EDGE53_##name] = #name,

enum edge53_fate fate_of(enum edge53_reason why)
{
	static const enum edge53_fate fates[] = { EDGE53_REASONS(REASON_FATE) };

	return fates[why];
}

const char *reason_name(enum edge53_reason why)
{
	static const char *const names[] = { [EDGE53_GO_ON] = "GO_ON",
					     EDGE53_REASONS(REASON_NAME) };

	return why < EDGE53_REASON_COUNT ? names[why] : "?";
}

bool is_enforce(const struct path *path)
{
	return path->bit & (ENFORCE_L2 | ENFORCE_L3);
}

enum test_device client_device(const struct path *path)
{
	return is_enforce(path) ? DEV_PPP : DEV_UPLINK;
}

enum test_device backend_device(const struct path *path)
{
	return is_enforce(path) ? DEV_PPP : DEV_INNER;
}

int verdict_of(enum test_program program, enum edge53_reason why)
{
	enum edge53_fate fate = fate_of(why);

	if (program == EDGE_XDP)
		return fate == EDGE53_PASS ? XDP_PASS :
		       fate == EDGE53_DROP ? XDP_DROP : XDP_REDIRECT;
	if (fate == EDGE53_DROP)
		return TC_ACT_SHOT;
	return fate == EDGE53_PASS || program >= ENFORCE_IN_L2 ? TC_ACT_UNSPEC : TC_ACT_REDIRECT;
}

/* dmac NULL: no Ethernet header. */
static void frame_around(const unsigned char *dmac, const unsigned char *smac, struct layer_of *ip,
			 struct frame *frame)
{
	struct layer_of *outer = ip;

	if (ip->layer != L_ETH && dmac) {
		outer = eth(dmac, smac, ip);
		outer->pad = ip->pad;
		outer->cut = ip->cut ? ip->cut + ETH_LEN : 0;
	}
	make_frame(outer, frame);
}

void frame_of_query(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	frame_around(path->client_is_l3 ? NULL : uplink_mac, client_mac, ip, frame);
}

void frame_of_reply(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	frame_around(path->backend_is_l3 ? NULL : inner_mac, backend_mac, ip, frame);
}

/* At tc the kernel writes the Ethernet header towards the backend after the program. */
void frame_of_sent_query(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	static const unsigned char none[6];

	if (path->bit == XDP)
		frame_around(backend_mac, inner_mac, ip, frame);
	else if (path->bit == TC_L3_L2)
		frame_around(none, none, ip, frame);
	else
		frame_of_query(path, ip, frame);
	if (path->bit == TC_L3_L2)
		memset(frame->bytes, 0, ETH_LEN);
}

void frame_of_sent_reply(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	if (is_enforce(path) || path->client_is_l3)
		frame_of_reply(path, ip, frame);
	else
		frame_around(client_mac, uplink_mac, ip, frame);
}

/* --- the model -------------------------------------------------------------------------------- */

struct model {
	const struct path *path;
	struct counters counters;
	struct edge53_addr clients[CLIENTS];
	struct edge53_slot *slots;
	struct edge53_conn conns[CONNS];
	__u64 next_slot;
};

/* What the model needs to know of an IP packet. */
struct seen {
	struct edge53_addr saddr, daddr;
	unsigned ip_len, protocol, sport, dport, dns_id, dns_flags;
	bool is_beyond_xdp; /* a fragment, or IPv6 with extension headers: XDP does not look at it */
};

static unsigned get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

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

	l4 = p[0] >> 4 == 6 ? look_at_ip6(p, &seen) : look_at_ip4(p, &seen);
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
static bool is_admitted(enum edge53_reason why)
{
	switch (why) {
	case EDGE53_NOT_OURS:
	case EDGE53_SHORT_DNS:
	case EDGE53_BAD_LENGTH:
	case EDGE53_NOT_A_QUERY:
	case EDGE53_BAD_COUNTS:
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

	if (is_admitted(step->why) && (model->path->bit != TC_L2_CHECKED || in->is_beyond_xdp)) {
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

static void expect_reply(struct model *model, const struct step *step, const struct seen *in,
			 const struct seen *out)
{
	unsigned backend = backend_of(&in->saddr);

	if (fate_of(step->why) != EDGE53_SEND || step->why == EDGE53_ICMP_SENT)
		return;
	if (step->why == EDGE53_FRAGMENT_SENT) {
		model->counters.backends[backend].bytes_out += in->ip_len;
		client_traffic(model, &out->daddr)->bytes_out += in->ip_len;
		return;
	}
	add_reply(&model->counters.backends[backend], in);
	add_reply(client_traffic(model, &out->daddr), in);
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

/* A query takes the next slot of CPU 0. */
static void expect_slot(struct model *model, const struct seen *in, const unsigned char *smac)
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
static unsigned l3_of_incoming(const struct path *path, const struct step *step)
{
	return (step->query ? path->client_is_l3 : path->backend_is_l3) ? 0 : ETH_LEN;
}

static unsigned l3_of_outgoing(const struct path *path, const struct step *step)
{
	bool gets_ethernet = step->query ? path->bit == TC_L3_L2 : !path->client_is_l3;

	return step->becomes && gets_ethernet ? ETH_LEN : l3_of_incoming(path, step);
}

static void expect(struct model *model, const struct step *step, enum test_program program,
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
			    step->why == EDGE53_TOO_BIG || step->takes_slot))
		expect_slot(model, &in, in_frame->bytes + 6);
	else if (step->why == EDGE53_REPLY_SENT)
		expect_answer(model, &in);
}

/* --- comparing -------------------------------------------------------------------------------- */

static bool complain(const char *what, long long got, long long expected)
{
	if (got == expected)
		return true;
	printf("      %s: %lld, expected %lld\n", what, got, expected);
	return false;
}

static bool same_traffic(const char *who, const struct edge53_traffic *got,
			 const struct edge53_traffic *expected)
{
	static const char *const names[] = { "queries", "replies", "bytes_in", "bytes_out",
					     "tcp_connections", "truncated", "noerror", "nxdomain",
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

static bool same_counters(const struct counters *expected)
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
		same &= complain("latencies", got.latencies[i], expected->latencies[i]);
	}
	for (unsigned i = 0; i < 5; i++)
		same &= same_traffic(clients[i], &got.clients[i], &expected->clients[i]);
	return same & complain("number of clients", got.n_clients, expected->n_clients);
}

static bool same_slots(struct model *model)
{
	const struct edge53_slot *got = world_slots();
	bool same = true;

	for (unsigned i = 0; i < world_n_slots(); i++) {
		struct edge53_slot *expected = &model->slots[i];

		if (expected->lap && got[i].lap == expected->lap && !expected->opened_us) {
			/* Just taken: time and backend are the dataplane's choice. */
			expected->opened_us = got[i].opened_us;
			expected->flow.backend = got[i].flow.backend;
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

static bool same_conns(struct model *model, const struct step *step)
{
	const struct edge53_conn *got = world_conns();
	bool is_tcp = step->why == EDGE53_TCP_OPENED || step->why == EDGE53_TCP_QUERY_SENT ||
		      step->why == EDGE53_TCP_REPLY_SENT || step->state;
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

/* --- running ---------------------------------------------------------------------------------- */

static void frames_of_step(const struct path *path, const struct step *step, struct frame *in,
			   struct frame *expected)
{
	struct layer_of *before = step->query ?: step->reply;

	if (step->query)
		frame_of_query(path, before, in);
	else
		frame_of_reply(path, before, in);
	*expected = *in;
	if (step->told && step->query)
		frame_around(path->client_is_l3 ? NULL : client_mac, uplink_mac, step->told,
			     expected);
	else if (step->told)
		frame_around(path->backend_is_l3 ? NULL : backend_mac, inner_mac, step->told,
			     expected);
	if (!step->becomes)
		return;
	step->becomes->pad = before->pad;
	if (step->query)
		frame_of_sent_query(path, step->becomes, expected);
	else
		frame_of_sent_reply(path, step->becomes, expected);
}

/* An ID drawn at random is taken over; all that depends on it is computed anew. */
static void take_id(const struct path *path, const struct step *step, const struct frame *out,
		    struct frame *expected)
{
	struct layer_of *ip = step->becomes ?: step->told;
	struct frame in;

	if (!ip || !ip->any_id)
		return;
	ip->id = get16(out->bytes + l3_of_outgoing(path, step) + 4);
	frames_of_step(path, step, &in, expected);
}

/*
 * BPF_PROG_TEST_RUN refuses to begin with fewer bytes than an IPv4 header behind what it takes for
 * the Ethernet header, so the shortest packets of devices without one cannot be tried.
 */
static bool can_be_run(enum test_program program, const struct frame *frame)
{
	unsigned ethertype = get16(frame->bytes + 12);

	return program == EDGE_XDP ||
	       frame->len >= ETH_LEN + (ethertype == 0x86dd ? 40 : ethertype == 0x0800 ? 20 : 0);
}

static bool passes_xdp(const struct frame *in, enum test_device device)
{
	struct frame out;
	int verdict = world_run(EDGE_XDP, device, in, &out);

	return complain("verdict of XDP", verdict, XDP_PASS) & same_frame(&out, in, ETH_LEN);
}

static bool run_step(struct model *model, const struct step *step)
{
	bool is_left_to_tc = model->path->bit == XDP && step->by_tc;
	const struct path *path = is_left_to_tc ? &paths[1] : model->path;
	enum test_program program = is_left_to_tc ? EDGE_TC_L2_CHECKED :
				    step->query ? path->query : path->reply;
	enum test_device device = step->device ?: step->query ? client_device(path) :
								backend_device(path);
	const struct surroundings around = { .gso_size = step->gso_size,
					     .has_vlan = step->has_vlan,
					     .vlan_tci = step->vlan_tci };
	struct frame in, out, expected;
	int verdict;
	bool good = true;

	if (step->before) {
		step->before();
		memcpy(model->slots, world_slots(), world_n_slots() * sizeof(*model->slots));
		memcpy(model->conns, world_conns(), sizeof(model->conns));
	}
	frames_of_step(path, step, &in, &expected);
	if (!can_be_run(program, &in))
		return true;
	if (is_left_to_tc)
		good = passes_xdp(&in, device);
	verdict = world_run_in(program, device, &around, &in, &out);
	take_id(path, step, &out, &expected);
	expect(model, step, program, &in, &expected);

	good &= complain("verdict", verdict,
			 step->told ? TC_ACT_REDIRECT : verdict_of(program, step->why));
	good &= same_frame(&out, &expected, l3_of_outgoing(path, step));
	good &= same_counters(&model->counters);
	good &= same_slots(model);
	good &= same_conns(model, step);
	return good;
}

static bool run_case(const struct path *path, const struct test_case *test)
{
	struct model model = { .path = path };
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	if (test->world)
		test->world();
	model.next_slot = world_cpu_state(0).next_slot;
	model.slots = calloc(world_n_slots(), sizeof(*model.slots));
	for (unsigned i = 0; i < MAX_STEPS && (test->steps[i].query || test->steps[i].reply); i++) {
		if (run_step(&model, &test->steps[i]))
			continue;
		printf("    ^ %s: %s: step %u (%s)\n", path->name, test->name, i + 1,
		       reason_name(test->steps[i].why));
		good = false;
		break;
	}
	free(model.slots);
	return good;
}

int run_cases(const struct path *path, const struct test_case *cases, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++)
		if (!cases[i].paths || cases[i].paths & path->bit)
			failed += !run_case(path, &cases[i]);
	return failed;
}
