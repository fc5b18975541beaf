// SPDX-License-Identifier: GPL-2.0-only
/* A plain TCP for one end of a conversation. */
#include <string.h>

#include "generate.h"
#include "peer.h"

#define PATIENCE 24 /* ticks until it sends again; doubled each time up to: */
#define PATIENCE_MAX 96
#define DEFAULT_MSS 536

static void complain(struct peer *p, const char *what)
{
	if (!p->complaint)
		p->complaint = what;
}

static __s64 min(__s64 a, __s64 b)
{
	return a < b ? a : b;
}

static __s64 max(__s64 a, __s64 b)
{
	return a > b ? a : b;
}

/* The number nearest to another one that reads so on the wire. */
static __s64 absolute(__u32 first, __s64 near, __u32 wire)
{
	return near + (__s32)(wire - (first + (__u32)near));
}

static unsigned char byte_at(const struct peer *sender, __s64 at)
{
	__u64 x = (at ^ sender->salt) * 0x9e3779b97f4a7c15;

	return x >> 56;
}

/* --- ranges ----------------------------------------------------------------------------------- */

static void remove_range(struct ranges *r, unsigned i)
{
	memmove(&r->at[i], &r->at[i + 1], (--r->n - i) * sizeof(r->at[0]));
}

/* False: there is no room for another. */
static bool add_range(struct ranges *r, __s64 from, __s64 to)
{
	unsigned i = 0;

	while (i < r->n && r->at[i].to < from)
		i++;
	while (i < r->n && r->at[i].from <= to) {
		from = min(from, r->at[i].from);
		to = max(to, r->at[i].to);
		remove_range(r, i);
	}
	if (r->n == PEER_RANGES)
		return false;
	memmove(&r->at[i + 1], &r->at[i], (r->n++ - i) * sizeof(r->at[0]));
	r->at[i].from = from;
	r->at[i].to = to;
	return true;
}

static void forget_below(struct ranges *r, __s64 from)
{
	while (r->n && r->at[0].to <= from)
		remove_range(r, 0);
	if (r->n)
		r->at[0].from = max(r->at[0].from, from);
}

bool ranges_have(const struct ranges *r, __s64 from, __s64 to)
{
	for (unsigned i = 0; i < r->n; i++)
		if (r->at[i].from <= from && to <= r->at[i].to)
			return true;
	return false;
}

/* --- what goes with every segment ------------------------------------------------------------- */

/* It never takes back what it offered, so it rounds up where it must. */
static unsigned window_to_offer(struct peer *p, bool is_syn)
{
	unsigned shift = is_syn ? 0 : p->our_shift, window;
	__s64 unread = p->rcv - p->read, room = max(p->buffer - unread, 0);

	window = min(room >> shift, 65535);
	if (p->rcv + ((__s64)window << shift) < p->offered)
		window = min((p->offered - p->rcv + (1 << shift) - 1) >> shift, 65535);
	p->offered = max(p->offered, p->rcv + ((__s64)window << shift));
	return window;
}

static void put_sack(const struct peer *p, struct segment *s, __s64 from, __s64 to)
{
	s->sacks[s->n_sacks].from = p->irs + (__u32)from;
	s->sacks[s->n_sacks++].to = p->irs + (__u32)to;
}

/* RFC 2018 and 2883: what came twice, then the newest, then the others. */
static void put_sacks(struct peer *p, struct segment *s)
{
	unsigned most = p->has_timestamps ? 3 : 4;

	if (p->again_to > p->again_from)
		put_sack(p, s, p->again_from, p->again_to);
	p->again_from = p->again_to = 0;
	for (unsigned i = 0; i < p->queue.n; i++)
		if (p->queue.at[i].from <= p->newest && p->newest < p->queue.at[i].to)
			put_sack(p, s, p->queue.at[i].from, p->queue.at[i].to);
	for (unsigned i = 0; i < p->queue.n && s->n_sacks < most; i++)
		if (p->newest < p->queue.at[i].from || p->queue.at[i].to <= p->newest)
			put_sack(p, s, p->queue.at[i].from, p->queue.at[i].to);
}

static struct segment *begin_segment(struct peer *p, __s64 seq, unsigned flags)
{
	static struct segment s;

	memset(&s, 0, offsetof(struct segment, payload));
	s.wscale = -1;
	s.seq = p->iss + (__u32)seq;
	s.flags = flags;
	if (flags & TCP_ACK) {
		s.ack = p->irs + (__u32)p->rcv;
		s.window = window_to_offer(p, flags & TCP_SYN);
		p->ack_in = 0;
	}
	if (!(flags & (TCP_SYN | TCP_RST))) {
		s.has_timestamps = p->has_timestamps;
		if (p->has_sack)
			put_sacks(p, &s);
	}
	return &s;
}

static void send_ack(struct peer *p)
{
	peer_sends(p, begin_segment(p, p->max, TCP_ACK), &(struct note){});
}

static void put_stream(const struct peer *p, struct segment *s, __s64 from, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		s->payload[i] = byte_at(p, from + i);
	s->len = len;
}

static unsigned syn_window(const struct peer *p)
{
	return min(p->buffer, 65535);
}

static void send_syn(struct peer *p)
{
	bool answers = p->state == PEER_SYN_RECEIVED;
	struct segment *s = begin_segment(p, 0, TCP_SYN | (answers ? TCP_ACK : 0));

	if (!answers)
		s->window = syn_window(p);
	s->mss = p->mss;
	s->wscale = answers && !p->scales ? -1 : p->wscale;
	s->may_sack = p->may_sack;
	s->has_timestamps = p->has_timestamps;
	s->has_fast_open = !answers && one_in(8);
	if (!answers && p->sends_syn_data) {
		put_stream(p, s, 1, min(p->end - 1, 100));
		p->sends_syn_data = false;
	}
	p->nxt = p->max = max(p->max, 1);
	peer_sends(p, s, &(struct note){});
}

/* RFC 9293 3.10.7.1. */
static void send_reset_for(struct peer *p, const struct segment *of)
{
	struct segment *s;

	if (of->flags & TCP_RST)
		return;
	s = begin_segment(p, 0, TCP_RST);
	if (of->flags & TCP_ACK) {
		s->seq = of->ack;
	} else {
		s->seq = 0;
		s->flags |= TCP_ACK;
		s->ack = of->seq + of->len + !!(of->flags & TCP_SYN) + !!(of->flags & TCP_FIN);
	}
	peer_sends(p, s, &(struct note){});
}

/* --- sending ---------------------------------------------------------------------------------- */

void peer_begin(struct peer *p, enum peer_state state)
{
	__u32 old = p->iss + (__u32)p->max;

	p->state = state;
	do
		p->iss = one_in(4) ? -random_below(200) : random_below(0xffffffff);
	while (p->max && p->iss - old + 1000000 < 2000000); /* RFC 6528 */
	p->una = p->nxt = p->max = 0;
	p->end = 1;
	p->closes = false;
	p->edge = p->edge_seq = p->edge_ack = 0;
	p->has_sack = false;
	p->sacked.n = p->queue.n = 0;
	p->n_duplicates = 0;
	p->timer = 0;
	p->patience = PATIENCE;
	p->rcv = p->read = p->offered = 0;
	p->saw_fin = p->got_fin = false;
	p->newest = p->again_from = p->again_to = 0;
	p->ack_in = 0;
}

void peer_write(struct peer *p, unsigned n)
{
	p->end += n;
}

static void add_urgent(struct segment *s, __s64 from, struct note *note)
{
	s->flags |= TCP_URG;
	s->urgent = 1 + random_below(s->len + 10);
	note->has_urgent = true;
	note->urgent = from + s->urgent;
}

/* How much goes into the next segment. */
static unsigned random_size(const struct peer *p, const struct segment *s)
{
	unsigned room = options_room(s), most = p->their_mss > room ? p->their_mss - room : 1;

	if (p->segment_max && p->segment_max < most)
		most = p->segment_max;
	return one_in(3) ? 1 + random_below(most) : most;
}

/* From there on, as much as the window lets it; 0: nothing. */
static unsigned send_from(struct peer *p, __s64 from, bool is_probe)
{
	__s64 room = is_probe ? 1 : min(p->edge, p->una + p->flight_max) - from;
	struct note note = { .is_probe = is_probe };
	bool has_fin = p->closes && from == p->end;
	struct segment *s;
	unsigned len;

	if (room <= 0 || (from >= p->end && !has_fin))
		return 0;
	s = begin_segment(p, from, TCP_ACK);
	len = min(min(room, random_size(p, s)), max(p->end - from, 0));
	put_stream(p, s, from, len);
	if (len && one_in(2))
		s->flags |= TCP_PSH;
	has_fin = p->closes && from + len == p->end && (is_probe || room > len);
	if (has_fin && !(len && one_in(3)))
		s->flags |= TCP_FIN;
	if (len && one_in(40))
		add_urgent(s, from, &note);
	p->n_retransmitted += from < p->max;
	len += !!(s->flags & TCP_FIN);
	p->max = max(p->max, from + len);
	peer_sends(p, s, &note);
	return len;
}

static __s64 behind_sacked(const struct peer *p, __s64 from)
{
	for (unsigned i = 0; i < p->sacked.n; i++)
		if (p->sacked.at[i].from <= from && from < p->sacked.at[i].to)
			return p->sacked.at[i].to;
	return from;
}

static void send_some(struct peer *p)
{
	unsigned n = random_below(4), len = 1;

	while (n-- && len) {
		p->nxt = behind_sacked(p, p->nxt);
		len = send_from(p, p->nxt, false);
		p->nxt += len;
	}
}

static bool has_to_send(const struct peer *p)
{
	return p->una < p->end + p->closes;
}

/* From where it was acknowledged, with boundaries of today; now and then from elsewhere first. */
static void send_again(struct peer *p)
{
	if (p->state != PEER_OPEN) {
		send_syn(p);
		return;
	}
	if (p->edge <= p->una) {
		send_from(p, p->una, true);
		p->nxt = max(p->nxt, p->una + 1);
		return;
	}
	if (p->max > p->una && one_in(4))
		send_from(p, p->una + random_below(p->max - p->una), false);
	p->nxt = p->una;
	p->nxt += send_from(p, p->una, false);
}

static void run_timer(struct peer *p)
{
	if (!has_to_send(p) && p->state == PEER_OPEN) {
		p->timer = 0;
		return;
	}
	if (++p->timer < p->patience)
		return;
	p->timer = 0;
	p->patience = min(p->patience * 2, PATIENCE_MAX);
	send_again(p);
}

void peer_tick(struct peer *p)
{
	__s64 was = p->read;

	if (p->state == PEER_SYN_SENT && !p->max)
		send_syn(p);
	if (p->state == PEER_SYN_SENT || p->state == PEER_SYN_RECEIVED)
		run_timer(p);
	if (p->state != PEER_OPEN)
		return;
	p->read = min(p->rcv, p->read + p->reads_a_tick);
	if (p->read > was && p->offered - p->rcv < p->buffer / 2 && !p->ack_in && one_in(2))
		p->ack_in = 1;
	run_timer(p);
	send_some(p);
	if (p->ack_in && !--p->ack_in)
		send_ack(p);
}

void peer_abort(struct peer *p)
{
	unsigned flags = TCP_RST | (one_in(2) ? TCP_ACK : 0);

	peer_sends(p, begin_segment(p, p->max, flags), &(struct note){});
	p->state = PEER_RESET;
}

/* RFC 9293 3.8.4: an old byte, or none. */
void peer_keep_alive(struct peer *p)
{
	struct segment *s = begin_segment(p, p->una - 1, TCP_ACK);

	s->len = random_below(2);
	s->payload[0] = random_below(256);
	peer_sends(p, s, &(struct note){ .is_probe = true, .is_garbage = true });
}

bool peer_is_quiet(const struct peer *p)
{
	return p->state == PEER_OPEN && !has_to_send(p) && !p->ack_in && !p->queue.n &&
	       p->read == p->rcv;
}

void peer_jump(struct peer *sender, struct peer *receiver, __s64 n)
{
	sender->una += n;
	sender->nxt = sender->una;
	sender->max += n;
	sender->end += n;
	sender->edge += n;
	sender->edge_ack += n;
	receiver->edge_seq += n;
	receiver->rcv += n;
	receiver->read += n;
	receiver->offered += n;
	receiver->newest += n;
}

/* --- receiving -------------------------------------------------------------------------------- */

static void take_sacks(struct peer *p, const struct segment *s)
{
	for (unsigned i = 0; i < s->n_sacks; i++) {
		__s64 from = absolute(p->iss, p->una, s->sacks[i].from);
		__s64 to = absolute(p->iss, p->una, s->sacks[i].to);

		if (to > p->max && !p->meets_strays)
			complain(p, "SACK of what it has not sent");
		else if (from > to)
			complain(p, "SACK that ends before it begins");
		else if (p->una <= from && from < to && to <= p->max)
			add_range(&p->sacked, from, to);
	}
}

static void take_window(struct peer *p, const struct segment *s, __s64 seq, __s64 ack)
{
	unsigned shift = s->flags & TCP_SYN ? 0 : p->their_shift;

	if (p->edge_seq > seq || (p->edge_seq == seq && p->edge_ack > ack))
		return;
	p->edge = ack + ((__s64)s->window << shift);
	p->edge_seq = seq;
	p->edge_ack = ack;
}

/* False: it cannot be. */
static bool take_ack(struct peer *p, const struct segment *s, __s64 seq)
{
	__s64 ack = absolute(p->iss, p->una, s->ack);

	if (ack > p->max) {
		if (!p->meets_strays)
			complain(p, "acknowledgement of what it has not sent");
		return false;
	}
	if (ack > p->una) {
		p->una = ack;
		p->nxt = max(p->nxt, ack);
		p->n_duplicates = p->timer = 0;
		p->patience = PATIENCE;
		forget_below(&p->sacked, ack);
	} else if (ack == p->una && !s->len && p->una < p->max) {
		p->n_duplicates++;
	}
	if (ack >= p->una)
		take_window(p, s, seq, ack);
	if (p->has_sack)
		take_sacks(p, s);
	if (p->n_duplicates >= 3 && p->edge > p->una) {
		p->n_duplicates = 0;
		send_from(p, p->una, false);
	}
	return true;
}

static unsigned char expected_byte(const struct peer *p, __s64 at)
{
	if (at <= p->header_len)
		return p->header[at - 1];
	return byte_at(p->other, at - p->header_len);
}

static void check_payload(struct peer *p, const struct segment *s, __s64 seq,
			  const struct note *note)
{
	__s64 urgent = seq + s->urgent - p->header_len;

	if (note->is_garbage || !s->len)
		return;
	for (unsigned i = 0; i < s->len; i++)
		if (seq + i < 1 || s->payload[i] != expected_byte(p, seq + i))
			complain(p, "wrong bytes");
	if (seq + s->len > p->offered && !note->is_probe)
		complain(p, "more than the window it offered");
	if (note->has_urgent && (!(s->flags & TCP_URG) || urgent != note->urgent))
		complain(p, "the urgent pointer");
}

static void acknowledge_soon(struct peer *p, bool at_once)
{
	unsigned in = at_once || one_in(2) ? 1 : 2 + random_below(3);

	p->ack_in = p->ack_in ? min(p->ack_in, in) : in;
}

static void take_bytes(struct peer *p, __s64 seq, __s64 to)
{
	__s64 from = max(seq, p->rcv);

	if (from >= to) {
		p->again_from = seq;
		p->again_to = to;
	} else if (from > p->rcv) {
		p->newest = from;
		add_range(&p->queue, from, to);
	} else {
		p->rcv = to;
		while (p->queue.n && p->queue.at[0].from <= p->rcv)
			p->rcv = max(p->rcv, p->queue.at[0].to), remove_range(&p->queue, 0);
	}
}

static void take_data(struct peer *p, const struct segment *s, __s64 seq)
{
	__s64 to = min(seq + s->len, p->offered);
	bool was_in_order = !p->queue.n && seq == p->rcv;

	if (s->len && seq < to)
		take_bytes(p, seq, to);
	if (s->flags & TCP_FIN && seq + s->len <= p->offered) {
		if (p->saw_fin && p->fin_at != seq + s->len)
			complain(p, "a FIN somewhere else");
		p->saw_fin = true;
		p->fin_at = seq + s->len;
	}
	if (p->saw_fin && !p->got_fin && p->rcv == p->fin_at) {
		p->got_fin = true;
		p->rcv++;
		p->read++;
	}
	if (s->len || s->flags & TCP_FIN || seq < p->rcv)
		acknowledge_soon(p, !was_in_order);
}

static void learn_options(struct peer *p, const struct segment *s)
{
	unsigned least = s->mss ? s->mss : DEFAULT_MSS;

	p->has_sack = p->may_sack && s->may_sack;
	p->has_timestamps = p->has_timestamps && s->has_timestamps;
	p->scales = p->wscale >= 0 && s->wscale >= 0;
	p->our_shift = p->scales ? p->wscale : 0;
	p->their_shift = p->scales ? s->wscale : 0;
	p->their_mss = p->mss ? min(least, p->mss) : least;
}

static void begin_receiving(struct peer *p, const struct segment *s)
{
	p->irs = s->seq;
	p->rcv = p->read = p->offered = 1;
	p->edge_seq = 0;
	learn_options(p, s);
	if (s->has_fast_open && p->header_len)
		complain(p, "an option of Fast Open or MPTCP");
}

static void receive_when_listening(struct peer *p, const struct segment *s)
{
	if (s->flags & TCP_RST)
		return;
	if (s->flags & TCP_ACK || !(s->flags & TCP_SYN)) {
		send_reset_for(p, s);
		return;
	}
	begin_receiving(p, s);
	if (s->len && p->header_len)
		complain(p, "data in a SYN");
	p->edge = 1 + s->window;
	p->state = PEER_SYN_RECEIVED;
	send_syn(p);
}

static void receive_when_syn_sent(struct peer *p, const struct segment *s)
{
	if (s->flags & TCP_ACK && absolute(p->iss, p->una, s->ack) != 1) {
		if (!p->meets_strays)
			complain(p, "a SYN acknowledged by another number");
		send_reset_for(p, s);
		return;
	}
	if (s->flags & TCP_RST) {
		if (s->flags & TCP_ACK)
			p->state = PEER_RESET;
		return;
	}
	if ((s->flags & (TCP_SYN | TCP_ACK)) != (TCP_SYN | TCP_ACK))
		return;
	begin_receiving(p, s);
	p->offered += syn_window(p);
	p->state = PEER_OPEN;
	take_ack(p, s, 0);
	send_ack(p);
}

static void receive_reset(struct peer *p, __s64 seq)
{
	if (seq == p->rcv)
		p->state = PEER_RESET;
	else if (p->rcv < seq && seq < p->offered)
		send_ack(p);
}

static void receive_when_open(struct peer *p, const struct segment *s, const struct note *note)
{
	__s64 seq = absolute(p->irs, p->rcv, s->seq);

	if (s->flags & TCP_RST) {
		receive_reset(p, seq);
		return;
	}
	if (s->flags & TCP_SYN && p->state == PEER_SYN_RECEIVED && seq == 0) {
		send_syn(p);
		return;
	}
	if (s->flags & TCP_SYN || !(s->flags & TCP_ACK)) {
		send_ack(p); /* RFC 5961 4.2 */
		return;
	}
	if (p->state == PEER_SYN_RECEIVED) {
		if (absolute(p->iss, p->una, s->ack) != 1) {
			send_reset_for(p, s);
			return;
		}
		p->state = PEER_OPEN;
	}
	if (note->is_forged) { /* it is far from the window */
		send_ack(p);
		return;
	}
	check_payload(p, s, seq, note);
	if (take_ack(p, s, seq))
		take_data(p, s, seq);
}

void peer_receive(struct peer *p, const struct segment *s, const struct note *note)
{
	switch (p->state) {
	case PEER_CLOSED:
	case PEER_RESET:
		send_reset_for(p, s);
		break;
	case PEER_LISTENS:
		receive_when_listening(p, s);
		break;
	case PEER_SYN_SENT:
		receive_when_syn_sent(p, s);
		break;
	default:
		receive_when_open(p, s, note);
	}
}
