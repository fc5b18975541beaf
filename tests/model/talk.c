// SPDX-License-Identifier: GPL-2.0-only
/* Conversations of two plain TCPs through the programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "check.h"
#include "peer.h"
#include "talk.h"

#define TALKS_A_WORLD 16
#define LEG_MAX 256
#define MAX_PHASES 9
#define STALLED 6000 /* ticks without a byte, more than 60 times sending again */
#define GIGABYTE (1ll << 30)

#define PICK(array) (array)[random_below(sizeof(array) / sizeof(*(array)))]

enum leg { CLIENT_TO_EDGE, EDGE_TO_BACKEND, BACKEND_TO_EDGE, EDGE_TO_CLIENT, LEGS };

/* In front of the edge a frame as the device sees it, behind it only the IP packet. */
struct packet {
	struct frame frame;
	struct note note;
	unsigned due;
};

struct network {
	struct packet packets[LEGS][LEG_MAX];
	unsigned n[LEGS], last_due[LEGS];
	unsigned loss, copies, disorder; /* percent */
};

enum ending { BOTH_CLOSE, NOBODY_CLOSES, CLIENT_ABORTS, BACKEND_ABORTS };

/* What they talk about. */
struct script {
	struct {
		unsigned client, backend;	 /* bytes they say */
		__s64 client_jump, backend_jump; /* before that, bytes nobody sees */
	} phases[MAX_PHASES];
	unsigned n_phases;
	enum ending ending;
	bool backend_waits; /* with its FIN, for the client's */
	unsigned abort_at;
	bool forges_syns, forges_data, keeps_alive, flips;
};

/* How a connection begins where another one was: who has forgotten it. */
enum beginning { FRESH, BOTH_KNOW_THE_END, CLIENT_RESET, CLIENT_CRASHED, BOTH_CRASHED };

static struct talk {
	const struct talk_way *way;
	struct setup setup;
	struct network network;
	struct script script;
	struct peer client, backend;
	struct ends client_ends, backend_ends; /* as they send */
	unsigned now, phase, aborted_at, progressed_at;
	bool aborts_in_window; /* with nothing beyond what the other takes, and no half of a header */
	__s64 progress;
	bool has_option; /* the service has, now */
	unsigned header_len;
	enum beginning beginning;
	const char *complaint;
	struct talk_counts *counts;
	bool is_traced;
} talk;

static void complain(const char *what)
{
	if (!talk.complaint)
		talk.complaint = what;
}

/* --- the network ------------------------------------------------------------------------------ */

static void print_segment(const char *what, const struct segment *s, const struct note *note)
{
	const struct peer *c = &talk.client, *b = &talk.backend;
	bool by_client = what[0] == 'c' || what[0] == 'C';
	__u32 seq0 = by_client ? c->iss : b->iss, ack0 = by_client ? b->iss : c->iss;

	printf("%6u %-18s%s%s%s%s%s seq %d ack %d win %u len %u%s%s", talk.now, what,
	       s->flags & TCP_SYN ? " SYN" : "", s->flags & TCP_FIN ? " FIN" : "",
	       s->flags & TCP_RST ? " RST" : "", s->flags & TCP_ACK ? " ACK" : "",
	       s->flags & TCP_URG ? " URG" : "", (int)(s->seq - seq0), (int)(s->ack - ack0),
	       s->window, s->len, note->is_probe ? " probe" : "", note->is_forged ? " forged" : "");
	for (unsigned i = 0; i < s->n_sacks; i++)
		printf(" sack %d-%d", (int)(s->sacks[i].from - ack0), (int)(s->sacks[i].to - ack0));
	if (s->mss)
		printf(" mss %u", s->mss);
	if (s->wscale >= 0)
		printf(" wscale %d", s->wscale);
	printf("\n");
}

static void put_on_leg(enum leg leg, const struct packet *packet, bool may_be_late)
{
	struct network *net = &talk.network;
	struct packet *to;
	unsigned due = talk.now + 1;

	if (net->n[leg] == LEG_MAX)
		return;
	if (may_be_late)
		due += random_below(12);
	else if (due < net->last_due[leg])
		due = net->last_due[leg];
	else
		net->last_due[leg] = due;
	to = &net->packets[leg][net->n[leg]++];
	memcpy(to->frame.bytes, packet->frame.bytes, packet->frame.len);
	to->frame.len = packet->frame.len;
	to->note = packet->note;
	to->due = due;
}

static void travel(enum leg leg, const struct packet *packet)
{
	const struct network *net = &talk.network;

	if (random_below(100) < net->loss) {
		talk.counts->n_lost++;
		return;
	}
	put_on_leg(leg, packet, random_below(100) < net->disorder);
	if (random_below(100) < net->copies)
		put_on_leg(leg, packet, true);
}

/* False: none is due. */
static bool arrive(enum leg leg, struct packet *packet)
{
	struct network *net = &talk.network;

	for (unsigned i = 0; i < net->n[leg]; i++) {
		struct packet *p = &net->packets[leg][i];

		if (p->due > talk.now)
			continue;
		memcpy(packet->frame.bytes, p->frame.bytes, p->frame.len);
		packet->frame.len = p->frame.len;
		packet->note = p->note;
		net->n[leg]--;
		for (; i < net->n[leg]; i++) {
			p = &net->packets[leg][i];
			memcpy(p->frame.bytes, p[1].frame.bytes, p[1].frame.len);
			p->frame.len = p[1].frame.len;
			p->note = p[1].note;
			p->due = p[1].due;
		}
		return true;
	}
	return false;
}

static void forget_packets(void)
{
	memset(talk.network.n, 0, sizeof(talk.network.n));
}

static bool network_is_empty(void)
{
	unsigned n = 0;

	for (enum leg leg = 0; leg < LEGS; leg++)
		n += talk.network.n[leg];
	return !n;
}

static void put_link(unsigned char *link, bool is_query, bool is_v4)
{
	memcpy(link, is_query ? uplink_mac : inner_mac, 6);
	memcpy(link + 6, is_query ? client_mac : backend_mac, 6);
	put16(link + 12, is_v4 ? 0x0800 : 0x86dd);
}

static unsigned link_len(bool is_query)
{
	const struct way *way = &talk.way->way;

	return (is_query ? way->client_is_l3 : way->backend_is_l3) ? 0 : ETH_LEN;
}

void peer_sends(struct peer *peer, struct segment *segment, const struct note *note)
{
	static struct packet packet;
	bool is_query = peer == &talk.client;
	const struct ends *ends = is_query ? &talk.client_ends : &talk.backend_ends;
	unsigned l3 = link_len(is_query);

	if (talk.is_traced)
		print_segment(is_query ? "client sends" : "backend sends", segment, note);
	packet.frame.len = l3 + write_segment(segment, ends, packet.frame.bytes + l3);
	packet.note = *note;
	if (l3)
		put_link(packet.frame.bytes, is_query, family_of(&ends->saddr) == 4);
	travel(is_query ? CLIENT_TO_EDGE : BACKEND_TO_EDGE, &packet);
}

/* --- the edge --------------------------------------------------------------------------------- */

static const struct edge53_conn *conn_of_client(void)
{
	const struct edge53_conn *conns = world_conns();

	for (unsigned i = 0; i < CONNS; i++)
		if (conns[i].state && conns[i].flow.client_port == talk.client_ends.sport &&
		    same_address(&conns[i].flow.client, &talk.client_ends.saddr))
			return &conns[i];
	return NULL;
}

/* Has it the number that the header belongs to? */
static bool is_first(const struct segment *s)
{
	const unsigned flags = EDGE53_CONN_PROXY | EDGE53_CONN_PROXY_SYNCED;
	const struct edge53_conn *conn = conn_of_client();

	return conn && (conn->flags & (flags | EDGE53_CONN_PROXY_DONE)) == flags &&
	       s->seq == conn->first_seq && !(s->flags & (TCP_SYN | TCP_RST));
}

/*
 * What will get the header at tc must not be merged with another. One without payload may be marked
 * or not.
 */
static void check_mark(const struct frame *frame, const struct segment *s, bool is_query)
{
	bool may_be = is_query && is_first(s);
	bool is_marked = frame->metadata_len == 4 && !memcmp(frame->metadata, "E53h", 4);
	bool must_be = may_be && (s->len || s->flags & TCP_FIN) && talk.has_option;

	if ((must_be && !is_marked) || (frame->metadata_len && (!is_marked || !may_be)))
		complain("metadata");
	talk.counts->n_marked += is_marked && s->len;
}

/* True: it was sent, and is in `out`, without link header. */
static bool pass_edge(const struct packet *in, const struct segment *s, bool is_query,
		      unsigned gso_size, struct packet *out)
{
	const struct way *way = &talk.way->way;
	enum test_program program = is_query ? way->query : way->reply;
	enum test_device device = is_query ? DEV_UPLINK : DEV_INNER;
	struct surroundings around = { .gso_size = gso_size };
	unsigned l3 = link_len(is_query) || link_len(!is_query) ? ETH_LEN : 0;
	static struct frame left;
	int verdict = world_run_in(program, device, &around, &in->frame, &out->frame);
	bool is_sent = verdict == (program == EDGE_XDP ? XDP_REDIRECT : TC_ACT_REDIRECT);

	if (program == EDGE_XDP && verdict == XDP_PASS) {
		check_mark(&out->frame, s, is_query);
		memcpy(left.bytes, out->frame.bytes, out->frame.len);
		left.len = out->frame.len;
		is_sent = world_run_in(talk.way->next, device, &around, &left, &out->frame) ==
			  TC_ACT_REDIRECT;
	}
	out->note = in->note;
	if (!is_sent || out->frame.len < l3)
		return false;
	out->frame.len -= l3;
	memmove(out->frame.bytes, out->frame.bytes + l3, out->frame.len);
	return true;
}

static void read_frame(const struct packet *packet, unsigned l3, struct ends *ends,
		       struct segment *s)
{
	if (!read_segment(packet->frame.bytes + l3, packet->frame.len - l3, ends, s))
		complain("what arrives is no segment");
}

/* May it end at the edge? A SYN with data does, and what comes after a connection. */
static bool may_end_here(const struct segment *s, bool is_query)
{
	if (is_query && s->flags & TCP_SYN && s->len)
		return true;
	return talk.aborted_at || !conn_of_client();
}

/*
 * What GRO merged has a partial checksum, which the device that sends it completes; so what tc cuts
 * off needs no arithmetic. BPF_PROG_TEST_RUN knows none of that.
 */
static void complete_checksum(struct packet *packet)
{
	unsigned char *ip = packet->frame.bytes;
	struct seen seen;
	unsigned len;

	look_at(ip, packet->frame.len, &seen);
	len = seen.ip_len - seen.l4;
	put16(ip + seen.l4 + 16, 0);
	put_checksum(ip + seen.l4 + 16, false, 0,
		     sum16(ip + seen.l4, len,
			   pseudo_sum(&seen.saddr, &seen.daddr, PROTO_TCP, len)));
}

/* Forged or doubled, after the option was changed: on a closing connection it is a new one. */
static bool is_stray_syn(const struct segment *s, const struct note *note)
{
	bool is_stray = note->is_forged || talk.client.state == PEER_OPEN;

	return s->flags & TCP_SYN && is_stray && talk.has_option != !!talk.header_len;
}

static void query_at_edge(const struct packet *in, unsigned gso_size)
{
	static struct packet out;
	static struct segment s;
	struct ends ends;
	bool was_first;

	read_frame(in, link_len(true), &ends, &s);
	was_first = is_first(&s);
	if (is_stray_syn(&s, &in->note))
		return;
	if (pass_edge(in, &s, true, gso_size, &out)) {
		if (gso_size && was_first)
			complete_checksum(&out);
		travel(EDGE_TO_BACKEND, &out);
	} else if (!in->note.is_forged && !may_end_here(&s, true))
		complain("a segment of the client ends at the edge");
}

static void reply_at_edge(const struct packet *in)
{
	static struct packet out;
	static struct segment s;
	struct ends ends;

	read_frame(in, link_len(false), &ends, &s);
	if (pass_edge(in, &s, false, 0, &out))
		travel(EDGE_TO_CLIENT, &out);
	else if (!may_end_here(&s, false))
		complain("a segment of the backend ends at the edge");
}

/* --- GRO -------------------------------------------------------------------------------------- */

static bool is_noted(const struct note *note)
{
	return note->is_probe || note->is_garbage || note->is_forged || note->has_urgent;
}

/* Makes one of two segments, of which the second is behind the first. False: GRO would not. */
static bool merge(struct packet *first, const struct packet *second, unsigned gso_size)
{
	unsigned l3 = link_len(true), len;
	unsigned char *ip = first->frame.bytes + l3;
	static struct segment a, b;
	struct ends ends, other;

	read_frame(first, l3, &ends, &a);
	read_frame(second, l3, &other, &b);
	if (!a.len || !b.len || b.len > gso_size || (a.len % gso_size) || (a.flags & ~TCP_ACK) ||
	    (b.flags & ~(TCP_ACK | TCP_PSH | TCP_FIN)) || a.n_sacks || b.n_sacks ||
	    a.ack != b.ack || a.window != b.window || a.seq + a.len != b.seq ||
	    a.len + b.len > SEGMENT_MAX || is_noted(&first->note) || is_noted(&second->note))
		return false;
	memcpy(a.payload + a.len, b.payload, b.len);
	a.len += b.len;
	a.flags |= b.flags;
	len = write_segment(&a, &ends, ip);
	first->frame.len = l3 + len;
	return true;
}

static bool uses_gro(void)
{
	enum test_program program = talk.way->way.query;

	return program == EDGE_TC_L2 || program == EDGE_TC_L2_CHECKED;
}

/* What GRO makes of what has come. Returns the size of its segments, or 0 for a single one. */
static unsigned merge_more(struct packet *packet)
{
	static struct packet next;
	static struct segment s;
	struct ends ends;
	unsigned n = 1;

	if (!uses_gro() || !one_in(2))
		return 0;
	read_frame(packet, link_len(true), &ends, &s);
	while (s.len && n < 4 && arrive(CLIENT_TO_EDGE, &next)) {
		if (!merge(packet, &next, s.len)) {
			query_at_edge(&next, 0); /* reordered a little */
			break;
		}
		n++;
	}
	talk.counts->n_merged += n > 1;
	return n > 1 ? s.len : 0;
}

/* --- delivery --------------------------------------------------------------------------------- */

static bool same_ends(const struct ends *got, const struct ends *turned)
{
	return same_address(&got->saddr, &turned->daddr) &&
	       same_address(&got->daddr, &turned->saddr) && got->sport == turned->dport &&
	       got->dport == turned->sport;
}

/* The client must not be told that more arrived than did. */
static void check_told(const struct segment *s)
{
	const struct peer *c = &talk.client, *b = &talk.backend;
	__s64 ack = c->una + (__s32)(s->ack - (c->iss + (__u32)c->una));
	__s64 there = b->rcv - b->header_len > 1 ? b->rcv - b->header_len : 1;

	if (talk.beginning > BOTH_KNOW_THE_END || talk.aborted_at || c->state != PEER_OPEN ||
	    !(s->flags & TCP_ACK) || s->flags & TCP_RST)
		return;
	if (ack > there)
		complain("the client is told more than there is");
	for (unsigned i = 0; i < s->n_sacks; i++) {
		__s64 from = c->una + (__s32)(s->sacks[i].from - (c->iss + (__u32)c->una));
		__s64 to = c->una + (__s32)(s->sacks[i].to - (c->iss + (__u32)c->una));

		if (to > there &&
		    !ranges_have(&b->queue, from + b->header_len, to + b->header_len) && to > from)
			complain("SACK of what is not there");
	}
}

static void deliver_to_client(const struct packet *packet)
{
	static struct segment s;
	struct ends ends;

	read_frame(packet, 0, &ends, &s);
	if (talk.is_traced)
		print_segment("backend's arrives", &s, &packet->note);
	if (!same_ends(&ends, &talk.client_ends)) {
		complain("a reply from or to somebody else");
		return;
	}
	check_told(&s);
	peer_receive(&talk.client, &s, &packet->note);
}

static void take_header(void)
{
	struct peer *b = &talk.backend;

	b->header_len = talk.header_len;
	write_proxy_header(&talk.client_ends.saddr, &talk.client_ends.daddr, talk.client_ends.sport,
			   true, b->header);
}

static void deliver_to_backend(const struct packet *packet)
{
	struct peer *b = &talk.backend;
	static struct segment s;
	struct ends ends;

	read_frame(packet, 0, &ends, &s);
	if (talk.is_traced)
		print_segment("client's arrives", &s, &packet->note);
	if (b->state == PEER_LISTENS)
		take_header();
	talk.backend_ends = (struct ends){ ends.daddr, ends.saddr, ends.dport, ends.sport };
	peer_receive(b, &s, &packet->note);
}

static void run_network(void)
{
	static struct packet packet;

	while (arrive(CLIENT_TO_EDGE, &packet)) {
		unsigned gso_size = merge_more(&packet);

		query_at_edge(&packet, gso_size);
	}
	while (arrive(BACKEND_TO_EDGE, &packet))
		reply_at_edge(&packet);
	while (arrive(EDGE_TO_BACKEND, &packet))
		deliver_to_backend(&packet);
	while (arrive(EDGE_TO_CLIENT, &packet))
		deliver_to_client(&packet);
}

/* --- the script ------------------------------------------------------------------------------- */

static unsigned random_bytes_to_say(const struct peer *by, const struct peer *to)
{
	static const unsigned sizes[] = { 0, 1, 2, 30, 60, 300, 1460, 2000, 6000 };
	unsigned size = PICK(sizes), most = by->segment_max ? by->segment_max * 40 : 6000;

	if (most > to->buffer * 30)
		most = to->buffer * 30;
	if (most > by->flight_max * 30)
		most = by->flight_max * 30;
	size = one_in(2) ? size : size ? random_below(size) : 0;
	return size < most ? size : most;
}

/* The client says something in each, so that the edge sees how far they are. */
static void add_jumps(struct script *script)
{
	bool both = one_in(2);

	script->n_phases = 3 + random_below(MAX_PHASES - 2);
	script->phases[0].client += !script->phases[0].client;
	for (unsigned i = 1; i < script->n_phases; i++) {
		script->phases[i].client_jump =
			GIGABYTE - 1000000 - random_below(one_in(2) ? 1000 : 1 << 29);
		script->phases[i].client += !script->phases[i].client;
		if (both)
			script->phases[i].backend_jump =
				random_below(1u << 31) + (__s64)random_below(1u << 31);
	}
}

static void write_script(struct script *script)
{
	memset(script, 0, sizeof(*script));
	script->n_phases = one_in(2) ? 1 : 1 + random_below(3);
	script->ending = one_in(8)    ? CLIENT_ABORTS
			 : one_in(16) ? BACKEND_ABORTS
			 : one_in(8)  ? NOBODY_CLOSES
				      : BOTH_CLOSE;
	script->abort_at = random_below(200);
	script->backend_waits = one_in(2);
	script->forges_syns = one_in(6);
	script->forges_data = !script->forges_syns && one_in(6);
	script->keeps_alive = one_in(4);
	script->flips = one_in(4);
	for (unsigned i = 0; i < MAX_PHASES; i++) {
		script->phases[i].client = random_bytes_to_say(&talk.client, &talk.backend);
		script->phases[i].backend = random_bytes_to_say(&talk.backend, &talk.client);
	}
	if (one_in(6))
		add_jumps(script);
}

static void begin_phase(unsigned i)
{
	const struct script *script = &talk.script;
	bool is_last = i + 1 == script->n_phases;

	talk.phase = i;
	if (script->phases[i].client_jump)
		peer_jump(&talk.client, &talk.backend, script->phases[i].client_jump);
	if (script->phases[i].backend_jump)
		peer_jump(&talk.backend, &talk.client, script->phases[i].backend_jump);
	peer_write(&talk.client, script->phases[i].client);
	peer_write(&talk.backend, script->phases[i].backend);
	if (is_last && script->ending == BOTH_CLOSE) {
		talk.client.closes = true;
		talk.backend.closes = !script->backend_waits;
	}
}

static bool both_are_open(void)
{
	return talk.client.state == PEER_OPEN && talk.backend.state == PEER_OPEN;
}

/* Of what the client said, is all there, and its header in front? */
static void check_all_is_there(void)
{
	const struct peer *c = &talk.client, *b = &talk.backend;
	__s64 said = c->end + c->closes;

	if (b->rcv != said + (said > 1 ? b->header_len : 0))
		complain("not all that was acknowledged is there");
	if (c->rcv != b->end + b->closes)
		complain("not all that the backend said is there");
}

static bool all_is_said(void)
{
	const struct peer *c = &talk.client, *b = &talk.backend;

	return both_are_open() && c->una == c->end + c->closes && b->una == b->end + b->closes;
}

static void set_option(bool has_option)
{
	struct edge53_service *service = &talk.setup.services[SERVICE_EDGE];
	__u32 id = SERVICE_EDGE;

	talk.has_option = has_option;
	service->flags &= ~EDGE53_SERVICE_PROXY_TCP;
	if (has_option)
		service->flags |= EDGE53_SERVICE_PROXY_TCP;
	if (bpf_map_update_elem(world_map("services"), &id, service, 0))
		complain("services cannot be written");
}

/* --- disturbances ----------------------------------------------------------------------------- */

static bool is_far_from_window(const struct peer *b, __u32 seq, unsigned len)
{
	__s64 at = b->rcv + (__s32)(seq - (b->irs + (__u32)b->rcv));

	return at + len + 100 < b->rcv || at > b->offered + 100;
}

static __u32 interesting_distance(void)
{
	static const __u32 steps[] = { 0, 1, 28, 52, 1u << 30, 1u << 31, 3u << 30 };

	return one_in(2) ? PICK(steps) + random_below(5) - 2 : random_below(0xffffffff);
}

/* Somebody else, who can only guess. */
static void forge(unsigned flags)
{
	static struct segment s;
	struct peer *c = &talk.client;

	memset(&s, 0, offsetof(struct segment, payload));
	s.wscale = -1;
	s.flags = flags;
	s.seq = c->iss + 1 + interesting_distance();
	s.window = random_below(65536);
	if (flags & TCP_ACK)
		s.ack = random_below(0xffffffff);
	else
		s.mss = 1460;
	if (!(flags & TCP_SYN) && one_in(2))
		s.len = 1 + random_below(100);
	/* Behind the edge it may be a header further. */
	if (!(flags & TCP_SYN) && (!is_far_from_window(&talk.backend, s.seq, s.len) ||
				   !is_far_from_window(&talk.backend, s.seq + 52, s.len)))
		return;
	peer_sends(c, &s, &(struct note){ .is_garbage = true, .is_forged = true });
}

static bool edge_holds_it(void)
{
	const struct edge53_conn *conn = conn_of_client();

	return conn && conn->state == EDGE53_CONN_ESTABLISHED;
}

static void disturb(void)
{
	const struct script *script = &talk.script;

	if (!both_are_open() || !edge_holds_it())
		return;
	if (script->forges_syns && one_in(20))
		forge(TCP_SYN);
	if (script->forges_data && one_in(20))
		forge(TCP_ACK | (one_in(4) ? TCP_FIN : 0));
	if (script->keeps_alive && one_in(40))
		peer_keep_alive(&talk.client);
	if (script->flips && one_in(20))
		set_option(!talk.has_option);
}

/* --- one connection --------------------------------------------------------------------------- */

static void be_of_a_kind(struct peer *p)
{
	static const unsigned msss[] = { 0, 100, 536, 1220, 1440, 1460, 1460, 8960 };
	static const unsigned buffers[] = { 5,	  30,	 60,	200,	1000,
					    5000, 20000, 65535, 200000, 1000000 };
	static const unsigned segments[] = { 0, 0, 0, 0, 1, 10, 100 };

	p->mss = PICK(msss);
	p->buffer = PICK(buffers);
	p->wscale = one_in(3) ? -1 : (int)random_below(12);
	while (p->wscale > 0 && !(p->buffer >> p->wscale))
		p->wscale--;
	p->may_sack = !one_in(3);
	p->has_timestamps = one_in(2);
	p->sends_syn_data = p == &talk.client && one_in(8);
	p->reads_a_tick = one_in(4) ? 1 + random_below(50) : 100000;
	if (p->reads_a_tick < p->buffer / 100)
		p->reads_a_tick = p->buffer / 100;
	p->segment_max = PICK(segments);
	p->flight_max = one_in(3) ? 1 + random_below(3000) : 20000;
	p->salt = random_below(0xffffffff);
}

static void begin_connection(enum beginning beginning)
{
	struct peer *c = &talk.client, *b = &talk.backend;
	bool is_known_to_backend = beginning == CLIENT_RESET || beginning == CLIENT_CRASHED;
	const struct edge53_conn *conn = conn_of_client();
	/* Also when a forged SYN came after the end. */
	bool is_known_to_edge = conn && conn->state != EDGE53_CONN_CLOSING;

	talk.beginning = beginning;
	talk.now = talk.aborted_at = talk.progressed_at = 0;
	memset(talk.network.last_due, 0, sizeof(talk.network.last_due));
	forget_packets();
	be_of_a_kind(c);
	if (is_known_to_edge)
		set_option(talk.header_len);
	else
		set_option(!one_in(4));
	talk.header_len = talk.has_option ? proxy_header_len(&talk.client_ends.saddr) : 0;
	peer_begin(c, PEER_SYN_SENT);
	if (!is_known_to_backend) {
		be_of_a_kind(b);
		peer_begin(b, PEER_LISTENS);
	}
	c->other = b;
	b->other = c;
	c->meets_strays = b->meets_strays = is_known_to_backend || is_known_to_edge;
	write_script(&talk.script);
	if (!is_known_to_backend)
		begin_phase(0);
}

/* The backend's old connection is gone: it takes new ones. What it said is on its way no more. */
static void listen_again(void)
{
	forget_packets();
	be_of_a_kind(&talk.backend);
	peer_begin(&talk.backend, PEER_LISTENS);
	talk.client.end = 1;
	begin_phase(0);
}

static void abort_connection(bool by_client)
{
	struct peer *by = by_client ? &talk.client : &talk.backend;
	const struct peer *of = by_client ? &talk.backend : &talk.client;

	talk.aborts_in_window = by->max + of->header_len < of->offered &&
				(of->buffer >= 200 || of->rcv > of->header_len);
	peer_abort(by);
	talk.aborted_at = talk.now;
}

static void go_on(void)
{
	const struct script *script = &talk.script;
	struct peer *c = &talk.client, *b = &talk.backend;

	if (b->state == PEER_RESET && talk.beginning > BOTH_KNOW_THE_END &&
	    c->state == PEER_SYN_SENT)
		listen_again();
	if (b->got_fin && script->ending == BOTH_CLOSE && script->backend_waits)
		b->closes = true;
	if (all_is_said() && peer_is_quiet(c) && peer_is_quiet(b) && network_is_empty()) {
		check_all_is_there();
		if (talk.phase + 1 < script->n_phases)
			begin_phase(talk.phase + 1);
	}
	if (script->ending >= CLIENT_ABORTS && !talk.aborted_at && both_are_open() &&
	    talk.now >= script->abort_at)
		abort_connection(script->ending == CLIENT_ABORTS);
}

static bool is_over(void)
{
	bool is_last = talk.phase + 1 == talk.script.n_phases;

	switch (talk.script.ending) {
	case BOTH_CLOSE:
		return is_last && talk.client.closes && talk.backend.closes && all_is_said() &&
		       network_is_empty();
	case NOBODY_CLOSES:
		return is_last && all_is_said() && network_is_empty();
	default:
		return talk.aborted_at &&
		       (talk.now > talk.aborted_at + 300 ||
			(talk.client.state == PEER_RESET && talk.backend.state == PEER_RESET &&
			 network_is_empty()));
	}
}

/* With nothing lost on the way, the other hears of it. */
static void check_end(void)
{
	bool was_aborted = talk.script.ending >= CLIENT_ABORTS;
	const struct network *net = &talk.network;

	if (!was_aborted)
		check_all_is_there();
	else if (!net->loss && !net->disorder && talk.aborts_in_window &&
		 (talk.client.state != PEER_RESET || talk.backend.state != PEER_RESET))
		complain("a RST that did not arrive");
}

static void note_progress(void)
{
	const struct peer *c = &talk.client, *b = &talk.backend;
	__s64 progress = c->una + c->rcv + b->una + b->rcv;

	if (progress != talk.progress)
		talk.progressed_at = talk.now;
	talk.progress = progress;
	if (talk.now > talk.progressed_at + STALLED)
		complain("it stalls");
}

static void tick(void)
{
	talk.now++;
	run_network();
	peer_tick(&talk.client);
	peer_tick(&talk.backend);
	disturb();
	go_on();
	if (talk.client.complaint)
		complain(talk.client.complaint);
	if (talk.backend.complaint)
		complain(talk.backend.complaint);
	if (talk.client.state == PEER_RESET && !talk.aborted_at)
		complain("the client's connection was reset");
	note_progress();
}

static bool connect_and_talk(enum beginning beginning)
{
	begin_connection(beginning);
	while (!talk.complaint && !is_over())
		tick();
	if (!talk.complaint)
		check_end();
	talk.counts->n++;
	talk.counts->n_with_header += talk.header_len && talk.backend.rcv > 1;
	talk.counts->n_again += talk.client.n_retransmitted;
	if (talk.complaint)
		printf("    %s, at the %s's side, tick %u, beginning %d, ending %d\n",
		       talk.complaint, talk.client.complaint ? "client" : "backend", talk.now,
		       beginning, talk.script.ending);
	return !talk.complaint;
}

/* The client may come again from the same port. */
static enum beginning next_beginning(void)
{
	static const enum beginning after_quiet[] = { CLIENT_RESET, CLIENT_CRASHED, BOTH_CRASHED };

	if (talk.script.ending == BOTH_CLOSE && one_in(3))
		return BOTH_KNOW_THE_END;
	if (talk.script.ending == NOBODY_CLOSES)
		return PICK(after_quiet);
	return FRESH;
}

/* Its RST gets as far as the edge. */
static void reset_to_edge(void)
{
	static struct packet packet, out;
	static struct segment s;
	struct ends ends;

	forget_packets();
	talk.network.loss = talk.network.disorder = talk.network.copies = 0;
	peer_abort(&talk.client);
	talk.now += 2;
	while (arrive(CLIENT_TO_EDGE, &packet)) {
		read_frame(&packet, link_len(true), &ends, &s);
		pass_edge(&packet, &s, true, 0, &out);
	}
	forget_packets();
}

static void random_network(struct network *net)
{
	static const unsigned losses[] = { 0, 1, 5, 20 };

	net->loss = PICK(losses);
	net->copies = one_in(2) ? 0 : random_below(10);
	net->disorder = one_in(2) ? 0 : random_below(40);
}

static bool talk_from_port(unsigned port)
{
	bool is_v6 = one_in(3);
	enum beginning beginning = FRESH;

	talk.client_ends = (struct ends){ .saddr = test_addr(is_v6 ? CLIENT6 : CLIENT),
					  .daddr = test_addr(is_v6 ? FRONTEND6 : FRONTEND),
					  .sport = port,
					  .dport = EDGE53_DNS_PORT };
	talk.client_ends.saddr.bytes[15] += random_below(8);
	memset(&talk.client, 0, sizeof(talk.client));
	memset(&talk.backend, 0, sizeof(talk.backend));
	do {
		random_network(&talk.network);
		if (!connect_and_talk(beginning))
			return false;
		beginning = next_beginning();
		if (beginning == CLIENT_RESET)
			reset_to_edge();
	} while (beginning != FRESH);
	return true;
}

/* --- a world of them -------------------------------------------------------------------------- */

/* One backend of a family, so that the seed decides all. */
static bool is_usable(struct setup *setup)
{
	struct edge53_service *service = &setup->services[SERVICE_EDGE];
	bool is_usable = setup->devices[DEV_UPLINK].ifindex;

	for (unsigned family = 0; family < 2; family++) {
		__u8 *picks = service->picks[family].tcp;

		memset(picks, picks[0], EDGE53_PICKS);
		is_usable &= picks[0] && setup->backends[picks[0]].ifindex;
	}
	return is_usable;
}

bool talk_in_world(const struct talk_way *way, struct talk_counts *counts)
{
	talk.way = way;
	talk.complaint = NULL;
	talk.counts = counts;
	talk.is_traced = getenv("MODEL_TRACE");
	do
		random_setup(&way->way, &talk.setup);
	while (!is_usable(&talk.setup));
	if (way->to_next)
		talk.setup.services[SERVICE_EDGE].flags &= ~EDGE53_SERVICE_XDP;
	world_write(&talk.setup);
	for (unsigned i = 0; i < TALKS_A_WORLD; i++)
		if (!talk_from_port(2000 + i))
			return false;
	return true;
}
