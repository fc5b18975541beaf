// SPDX-License-Identifier: GPL-2.0-only
/* tcp_limit: how many connections a prefix may open and have open, and that every end of one gives its seat back. */
#include <stdio.h>
#include <string.h>

#include "cases.h"

#define NEIGHBOUR "8.0.2.255" /* of CLIENT, in its /24 */
#define OTHER_PREFIX "8.0.3.0"
#define NEIGHBOUR6 "2001:db8:86dd:ff::1" /* of CLIENT6, in its /56 */

#define FIRST_PORT 1000 /* clients' ports are counted from there */

static bool expect(const struct path *path, const char *what, long got, long expected)
{
	if (got == expected)
		return true;
	printf("    %s: %s: %ld, expected %ld\n", path->name, what, got, expected);
	return false;
}

/* The reason that is counted for a client's segment. */
static enum edge53_reason send_segment(const struct path *path, const char *client, unsigned port,
				       const char *flags)
{
	bool is_ipv6 = strchr(client, ':');
	struct counters before, after;
	struct frame in, out;
	int verdict, why = EDGE53_GO_ON;

	frames_reset();
	frame_of_query(path,
		       is_ipv6 ? ip6(client, FRONTEND6, tcp(FIRST_PORT + port, 53, flags, nothing()))
			       : ip4(client, FRONTEND, tcp(FIRST_PORT + port, 53, flags, nothing())),
		       &in);
	world_read_counters(&before);
	verdict = world_run(path->query, client_device(path), &in, &out);
	world_read_counters(&after);
	for (int i = 1; i < EDGE53_REASON_COUNT; i++)
		if (after.reasons[SERVICE_EDGE][i] != before.reasons[SERVICE_EDGE][i])
			why = i;
	expect(path, "verdict", verdict, verdict_of(path->query, why));
	return why;
}

static int conn_of(const char *client, unsigned port)
{
	return world_find_conn(client, strchr(client, ':') ? FRONTEND6 : FRONTEND,
			       FIRST_PORT + port, SERVICE_EDGE);
}

static void answer_segment(const struct path *path, const char *client, unsigned port,
			   const char *flags)
{
	int conn = conn_of(client, port);
	struct frame in, out;

	if (!expect(path, "there is a connection", conn >= 0, 1))
		return;
	frames_reset();
	frame_of_reply(path,
		       ip4(BACKEND, EDGE, tcp(BACKEND_TCP, world_conns()[conn].snat_port, flags, nothing())),
		       &in);
	world_run(path->reply, backend_device(path), &in, &out);
}

static bool opens(const struct path *path, const char *client, unsigned port)
{
	return expect(path, "a SYN that may open a connection", send_segment(path, client, port, "S"),
		      EDGE53_TCP_OPENED);
}

static bool is_refused(const struct path *path, const char *client, unsigned port,
		       enum edge53_reason why)
{
	return expect(path, "a SYN over the limit", send_segment(path, client, port, "S"), why) &
	       expect(path, "it has no entry", conn_of(client, port) < 0, 1);
}

static bool is_full(const struct path *path, const char *client)
{
	return is_refused(path, client, 60000, EDGE53_TCP_OPEN_DROPPED);
}

/* A whole handshake. */
static bool connects(const struct path *path, const char *client, unsigned port)
{
	bool good = opens(path, client, port);

	answer_segment(path, client, port, "SA");
	return expect(path, "the ACK", send_segment(path, client, port, "A"), EDGE53_TCP_QUERY_SENT) & good;
}

static void closes(const struct path *path, const char *client, unsigned port)
{
	send_segment(path, client, port, "FA");
	answer_segment(path, client, port, "FA");
	send_segment(path, client, port, "A");
}

static void begin(const struct path *path, __u64 interval_ns, unsigned burst, unsigned open)
{
	world_reset(path->client_is_l3, path->backend_is_l3);
	world_limit_tcp(interval_ns, burst, open);
}

static void let_pass(unsigned seconds)
{
	for (unsigned i = 0; i < CONNS; i++)
		world_conns()[i].seen_ns -= seconds * SECONDS;
}

/* --- new ones --------------------------------------------------------------------------------- */

static int new_ones(const struct path *path)
{
	bool good = true;

	begin(path, DAY_NS / 3, 3, 0);
	good &= opens(path, CLIENT, 1) & opens(path, CLIENT_2, 2) & opens(path, NEIGHBOUR, 3);
	good &= is_refused(path, CLIENT, 4, EDGE53_TCP_NEW_DROPPED);
	good &= is_refused(path, NEIGHBOUR, 4, EDGE53_TCP_NEW_DROPPED);
	good &= expect(path, "a SYN sent again", send_segment(path, CLIENT, 1, "S"),
		       EDGE53_TCP_QUERY_SENT);
	answer_segment(path, CLIENT, 1, "SA");
	good &= expect(path, "who is in goes on", send_segment(path, CLIENT, 1, "A"), EDGE53_TCP_QUERY_SENT);
	good &= opens(path, OTHER_PREFIX, 1) & opens(path, CLIENT6, 1) & opens(path, NEIGHBOUR6, 2);
	good &= opens(path, CLIENT6, 3) & is_refused(path, NEIGHBOUR6, 4, EDGE53_TCP_NEW_DROPPED);
	world_exempt_from_tcp_limit(CLIENT);
	good &= opens(path, CLIENT, 4) & opens(path, CLIENT, 5);
	good &= is_refused(path, NEIGHBOUR, 4, EDGE53_TCP_NEW_DROPPED);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP);
	good &= opens(path, NEIGHBOUR, 4);
	return !good;
}

/* --- open ones -------------------------------------------------------------------------------- */

static int open_ones(const struct path *path)
{
	bool good = true;

	begin(path, 0, 0, 3);
	good &= connects(path, CLIENT, 1) & connects(path, NEIGHBOUR, 2) & opens(path, CLIENT_2, 3);
	good &= is_full(path, CLIENT) & is_full(path, "8.0.2.1");
	good &= connects(path, OTHER_PREFIX, 1) & opens(path, CLIENT6, 1);
	good &= expect(path, "a SYN sent again", send_segment(path, CLIENT_2, 3, "S"),
		       EDGE53_TCP_QUERY_SENT);
	answer_segment(path, CLIENT_2, 3, "SA");
	good &= expect(path, "who is in goes on", send_segment(path, CLIENT_2, 3, "A"),
		       EDGE53_TCP_QUERY_SENT);
	world_exempt_from_tcp_limit(CLIENT);
	good &= connects(path, CLIENT, 4) & connects(path, CLIENT, 5) & is_full(path, NEIGHBOUR);
	return !good;
}

/* However a connection ends, one more can be opened, and not two. */
static int ends(const struct path *path)
{
	bool good = true;

	begin(path, 0, 0, 2);
	good &= connects(path, CLIENT, 1) & connects(path, CLIENT, 2) & is_full(path, CLIENT);
	closes(path, CLIENT, 1); /* by FINs */
	good &= connects(path, CLIENT, 3) & is_full(path, CLIENT);
	answer_segment(path, CLIENT, 3, "RA"); /* by the backend's RST */
	good &= connects(path, CLIENT, 4) & is_full(path, CLIENT);
	send_segment(path, CLIENT, 4, "R"); /* by the client's, which may be forged ... */
	good &= is_full(path, CLIENT);
	let_pass(TCP_CLOSING_S + 1); /* ... until its time is over; the others' is not */
	good &= connects(path, CLIENT, 5) & is_full(path, CLIENT);
	let_pass(TCP_IDLE_S + 1);
	good &= opens(path, CLIENT, 6) & opens(path, CLIENT, 7) & is_full(path, CLIENT);
	let_pass(TCP_HALF_OPEN_S + 1);
	good &= opens(path, CLIENT, 8) & opens(path, CLIENT, 9) & is_full(path, CLIENT);
	for (unsigned i = 0; i < CONNS; i++) /* by eviction */
		send_segment(path, OTHER_PREFIX, 100 + i, "S");
	world_change_tcp_limit(0, 0, CONNS);
	for (unsigned i = 0; i < CONNS; i++)
		good &= opens(path, "8.0.4.1", 200 + i);
	world_change_tcp_limit(0, 0, 2);
	good &= opens(path, CLIENT, 10) & opens(path, CLIENT, 11) & is_full(path, CLIENT);
	return !good;
}

/* Who resets a connection, and lets it go on, has it still; one that begins anew has one seat, not two. */
static int come_back(const struct path *path)
{
	bool good = true;

	begin(path, 0, 0, 2);
	good &= connects(path, CLIENT, 1) & connects(path, CLIENT, 2);
	send_segment(path, CLIENT, 1, "R");
	good &= is_full(path, CLIENT);
	send_segment(path, CLIENT, 1, "A");
	good &= expect(path, "it lives", world_conns()[conn_of(CLIENT, 1)].state, EDGE53_CONN_ESTABLISHED);
	good &= is_full(path, CLIENT);
	for (unsigned i = 0; i < 10; i++) {
		closes(path, CLIENT, 1);
		good &= connects(path, CLIENT, 1) & is_full(path, CLIENT);
	}
	closes(path, CLIENT, 1);
	good &= connects(path, CLIENT, 3);
	good &= expect(path, "its seat is another's", send_segment(path, CLIENT, 1, "S"),
		       EDGE53_TCP_OPEN_DROPPED);
	return !good;
}

/* Who is silent until his seat is another's has no connection any more, whoever speaks first then. */
static int come_too_late(const struct path *path)
{
	bool good = true;

	begin(path, 0, 0, 3);
	good &= connects(path, CLIENT, 1) & connects(path, CLIENT, 2) & opens(path, CLIENT, 3);
	answer_segment(path, CLIENT, 3, "SA");
	send_segment(path, CLIENT, 1, "R"); /* which the backend may not believe */
	send_segment(path, CLIENT, 2, "R");
	let_pass(TCP_CLOSING_S + 1);
	good &= connects(path, CLIENT, 4) & connects(path, CLIENT, 5) & connects(path, CLIENT, 6);
	good &= is_full(path, CLIENT);
	answer_segment(path, CLIENT, 2, "A");
	for (unsigned port = 1; port <= 3; port++)
		good &= expect(path, "who comes too late goes on",
			       send_segment(path, CLIENT, port, "A") == EDGE53_TCP_QUERY_SENT, 0);
	closes(path, CLIENT, 4);
	good &= opens(path, CLIENT, 1) & is_full(path, CLIENT);
	return !good;
}

/* Connections that come and go at random, in many prefixes: what a prefix has open never is more than it may, and a SYN
 * is refused only when it has as many. */
static int exact(const struct path *path)
{
	unsigned open[4] = {}, refused = 0, seed = 1, port = 1;
	unsigned ports[4][5] = {};
	const char *const clients[4] = { CLIENT, OTHER_PREFIX, "8.0.4.4", "8.0.5.5" };
	bool good = true;

	begin(path, 0, 0, 5);
	for (unsigned i = 0; good && i < 500; i++) {
		unsigned who, which;

		seed = seed * 1664525 + 1013904223;
		who = seed >> 30;
		which = (seed >> 20) % 5;
		if (seed >> 29 & 1 && ports[who][which]) {
			closes(path, clients[who], ports[who][which]);
			ports[who][which] = 0;
			open[who]--;
		} else if (open[who] == 5) {
			good &= is_full(path, clients[who]);
			refused++;
		} else {
			for (which = 0; ports[who][which]; which++)
				;
			ports[who][which] = port;
			good &= connects(path, clients[who], port);
			port = port % 50000 + 1;
			open[who]++;
		}
	}
	return !(good & expect(path, "some were refused", refused > 10, 1));
}

/* With more seats than are looked at, nobody who has but half of them is refused. */
static int many_seats(const struct path *path)
{
	bool good = true;

	begin(path, 0, 0, 2 * CONNS);
	for (unsigned i = 0; i < CONNS; i++)
		good &= opens(path, CLIENT, 1000 + i);
	return !good;
}

/*
 * Nor who has 95 % of them. Seats that are tried and taken in order run together: of these some 15 would be refused. There
 * are fewer entries than seats, so one stands for all.
 */
static int crowded_seats(const struct path *path)
{
	unsigned refused = 0, taken = 0, port = 0;
	bool good = true;

	begin(path, 0, 0, 1000);
	good &= connects(path, OTHER_PREFIX, 1);
	while (taken < 950) {
		for (unsigned i = 1; i < CONNS; i++) {
			if (send_segment(path, CLIENT, ++port, "S") == EDGE53_TCP_OPENED)
				taken++;
			else
				refused++;
		}
		world_give_seats(conn_of(OTHER_PREFIX, 1));
	}
	return !(good & expect(path, "SYNs that were refused", refused, 0));
}

/* --- cookies ---------------------------------------------------------------------------------- */

static __u32 number_at(const struct frame *frame, unsigned off)
{
	const unsigned char *p = frame->bytes + off;

	return (__u32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* A whole frame: what the client's own stack would make of its port and number. */
static void frame_of_client(const struct path *path, const char *client, struct layer_of *tcp,
			    struct frame *in)
{
	frame_of_query(path,
		       strchr(client, ':') ? ip6(client, FRONTEND6, tcp) : ip4(client, FRONTEND, tcp), in);
}

/* A SYN that is answered with a cookie, as its bytes are to be but for number and cookie. Returns the cookie. */
static __u32 cookie_for(const struct path *path, const char *client, unsigned port, bool *good)
{
	bool is_ipv6 = strchr(client, ':'), is_l2 = !path->client_is_l3;
	unsigned tcp_off = (is_l2 ? 14 : 0) + (is_ipv6 ? 40 : 20);
	struct layer_of *answer;
	struct frame in, out, expected;
	__u32 cookie;

	frames_reset();
	frame_of_client(path, client, tcp(FIRST_PORT + port, 53, "S", nothing()), &in);
	world_run(path->query, client_device(path), &in, &out);
	cookie = number_at(&out, tcp_off + 8);
	answer = window(0, reset(53, FIRST_PORT + port, "SA", number_at(&out, tcp_off + 4), cookie));
	answer = is_ipv6 ? ip6(FRONTEND6, client, answer) : ip4(FRONTEND, client, answer);
	answer->id = number_at(&out, (is_l2 ? 14 : 0) + 4) >> 16; /* any */
	make_frame(is_l2 ? eth(client_mac, uplink_mac, answer) : answer, &expected);
	*good &= expect(path, "length of the answer", out.len, expected.len) &&
		 expect(path, "bytes of the answer", memcmp(out.bytes, expected.bytes, out.len), 0);
	*good &= expect(path, "a cookie, and not what is expected", cookie != 1001, 1);
	*good &= expect(path, "it has no entry", conn_of(client, port) < 0, 1);
	return cookie;
}

static enum edge53_reason reset_with(const struct path *path, const char *client, unsigned port,
				     __u32 number)
{
	struct counters before, after;
	struct frame in, out;
	int why = EDGE53_GO_ON;

	frames_reset();
	frame_of_client(path, client, reset(FIRST_PORT + port, 53, "R", number, 0), &in);
	world_read_counters(&before);
	world_run(path->query, client_device(path), &in, &out);
	world_read_counters(&after);
	for (int i = 1; i < EDGE53_REASON_COUNT; i++)
		if (after.reasons[SERVICE_EDGE][i] != before.reasons[SERVICE_EDGE][i])
			why = i;
	return why;
}

static bool is_not_taken(const struct path *path, const char *client, unsigned port, __u32 number)
{
	int why = reset_with(path, client, port, number);

	/* XDP leaves to tc what is not of a connection, and does not count it. */
	return expect(path, "a RST without a good cookie", why,
		      path->query == EDGE_XDP ? EDGE53_GO_ON : EDGE53_NO_CONNECTION);
}

/* Above the threshold, who does not return his cookie gets nothing but another, and who does is let in. */
static int cookies(const struct path *path)
{
	__u32 cookie, other;
	bool good = true;

	begin(path, 0, 0, 0);
	world_limit_unproven_syns(DAY_NS / 2, 2, true);
	good &= opens(path, OTHER_PREFIX, 1) & opens(path, OTHER_PREFIX, 2); /* below */
	cookie = cookie_for(path, CLIENT, 1, &good);
	other = cookie_for(path, CLIENT_2, 1, &good);
	good &= is_not_taken(path, CLIENT, 1, cookie + 1000) & is_not_taken(path, CLIENT, 1, other);
	good &= is_not_taken(path, CLIENT, 2, cookie) & is_not_taken(path, STRANGER, 1, cookie);
	cookie_for(path, CLIENT, 1, &good);
	good &= expect(path, "a RST with the cookie", reset_with(path, CLIENT, 1, cookie),
		       EDGE53_COOKIE_RETURNED);
	good &= connects(path, CLIENT, 1) & connects(path, CLIENT, 2);
	cookie_for(path, CLIENT_2, 1, &good);
	world_age_proofs(601);
	cookie_for(path, CLIENT, 3, &good);
	good &= expect(path, "its connections go on", send_segment(path, CLIENT, 1, "A"),
		       EDGE53_TCP_QUERY_SENT);
	good &= expect(path, "a SYN on one of them", send_segment(path, CLIENT, 1, "S"),
		       EDGE53_TCP_QUERY_SENT);
	cookie = cookie_for(path, CLIENT6, 1, &good);
	good &= expect(path, "IPv6", reset_with(path, CLIENT6, 1, cookie), EDGE53_COOKIE_RETURNED);
	good &= opens(path, CLIENT6, 1);
	world_exempt_from_tcp_limit(CLIENT_2);
	good &= opens(path, CLIENT_2, 1);
	return !good;
}

/* Who has to prove himself takes nothing of what his prefix may open. */
static int cookies_and_limits(const struct path *path)
{
	bool good = true;
	__u32 cookie = 0;

	begin(path, DAY_NS / 2, 2, 2);
	world_limit_unproven_syns(DAY_NS, 1, true);
	good &= opens(path, OTHER_PREFIX, 1);
	for (unsigned i = 0; i < 10; i++)
		cookie = cookie_for(path, CLIENT, 1, &good);
	good &= expect(path, "a RST with the cookie", reset_with(path, CLIENT, 1, cookie),
		       EDGE53_COOKIE_RETURNED);
	good &= connects(path, CLIENT, 1) & connects(path, CLIENT, 2);
	good &= is_refused(path, CLIENT, 3, EDGE53_TCP_NEW_DROPPED);
	return !good;
}

/* What XDP could not answer it leaves to tc, which judges it, behind XDP or not. */
static int cookies_by_tc(const struct path *path)
{
	struct frame in, out;
	bool good = true;

	begin(path, 0, 0, 0);
	world_limit_unproven_syns(DAY_NS, 1, false);
	frames_reset();
	frame_of_client(path, CLIENT, tcp(FIRST_PORT + 1, 53, "S", nothing()), &in);
	for (unsigned i = 0; i < 3; i++)
		good &= expect(path, "XDP", world_run(EDGE_XDP, client_device(path), &in, &out),
			       2 /* XDP_PASS */);
	good &= opens(path, OTHER_PREFIX, 1);
	cookie_for(path, CLIENT, 1, &good);
	return !good;
}

const struct table tcp_limit_tables[] = {
	{ "TCP limit: new connections", new_ones, XDP | TC_L2 | TC_L2_L3 },
	{ "TCP limit: open connections", open_ones, XDP | TC_L2 | TC_L2_L3 },
	{ "TCP limit: however they end", ends, XDP | TC_L2 | TC_L2_L3 },
	{ "TCP limit: those that come back", come_back, XDP | TC_L2 | TC_L2_L3 },
	{ "TCP limit: those that come too late", come_too_late, XDP | TC_L2 | TC_L2_L3 },
	{ "TCP limit: exact", exact, XDP | TC_L2 },
	{ "TCP limit: many seats", many_seats, XDP },
	{ "TCP limit: crowded seats", crowded_seats, XDP },
	{ "TCP limit: cookies", cookies, XDP | TC_L2 | TC_L2_L3 | TC_L3 },
	{ "TCP limit: cookies before limits", cookies_and_limits, XDP | TC_L2 },
	{ "TCP limit: cookies by tc behind XDP", cookies_by_tc, TC_L2_CHECKED },
	{},
};
