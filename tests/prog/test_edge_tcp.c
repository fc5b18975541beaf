// SPDX-License-Identifier: GPL-2.0-only
/* edge, TCP: the life of connections, and the pool they are taken from. */
#include <stdio.h>
#include <string.h>

#include "cases.h"

#define IN_FROM(client, port, flags) \
	ip4(client, FRONTEND, tcp(port, 53, flags, payload_of(flags)))
#define OUT(n, flags) \
	forwarded(ip4(EDGE, BACKEND, tcp(conn_port(n), BACKEND_TCP, flags, payload_of(flags))))
#define BACK_IN(n, flags) \
	ip4(BACKEND, EDGE, tcp(BACKEND_TCP, conn_port(n), flags, payload_of(flags)))
#define BACK_OUT_TO(client, port, flags) \
	forwarded(ip4(FRONTEND, client, tcp(53, port, flags, payload_of(flags))))

#define IN(flags) IN_FROM(CLIENT, 40000, flags)
#define BACK_OUT(flags) BACK_OUT_TO(CLIENT, 40000, flags)

/* Steps. conn_port(0) is the first port handed out; `now` is the state afterwards. */
#define OPENS(n, port)                                                                  \
	{ .query = IN_FROM(CLIENT, port, "S"), .becomes = OUT(n, "S"),                   \
	  .why = EDGE53_TCP_OPENED, .conn = n, .state = EDGE53_CONN_HALF_OPEN }
#define CLIENT_SENDS(flags, now)                                                        \
	{ .query = IN(flags), .becomes = OUT(0, flags), .why = EDGE53_TCP_QUERY_SENT,   \
	  .state = EDGE53_CONN_##now }
#define BACKEND_SENDS(flags, now)                                                       \
	{ .reply = BACK_IN(0, flags), .becomes = BACK_OUT(flags),                        \
	  .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_##now }
#define ACKNOWLEDGES_TOO_MUCH(now)                                                                \
	{                                                                                         \
		.query = ip4(CLIENT, FRONTEND,                                                    \
			     acknowledging_too_much(1, tcp(40000, 53, "A", nothing()))),          \
		.becomes = forwarded(ip4(EDGE, BACKEND,                                           \
					 acknowledging_too_much(1, tcp(conn_port(0), BACKEND_TCP, \
								       "A", nothing())))),        \
		.why = EDGE53_TCP_QUERY_SENT, .state = EDGE53_CONN_##now                          \
	}
#define HANDSHAKE OPENS(0, 40000), BACKEND_SENDS("SA", HALF_OPEN), CLIENT_SENDS("A", ESTABLISHED)

/* Segments with PSH carry data, of odd length. */
static struct layer_of *payload_of(const char *flags)
{
	return strchr(flags, 'P') ? text("thirteen here") : nothing();
}

/* --- what happens meanwhile ------------------------------------------------------------------- */

static void let_pass(unsigned seconds)
{
	for (unsigned i = 0; i < CONNS; i++)
		world_conns()[i].seen_ns -= seconds * SECONDS;
}

static void idle_for_long(void)
{
	let_pass(TCP_IDLE_S + 1);
}

static void nearly_idle_for_long(void)
{
	let_pass(TCP_IDLE_S - 1);
}

static void closing_is_over(void)
{
	let_pass(TCP_CLOSING_S + 1);
}

/* As if another CPU were about to hand the entries over, and when it has. */
static void entries_are_being_written(void)
{
	for (unsigned i = 0; i < CONNS; i++)
		world_conns()[i].sequence |= 1;
}

static void entries_are_written(void)
{
	for (unsigned i = 0; i < CONNS; i++)
		world_conns()[i].sequence++;
}

static void other_backend_is_picked(void)
{
	world_set_backends(SERVICE_EDGE, (const __u8[]){ 2 }, 1);
}

static void no_backend(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
}

static void no_backend_pass(void)
{
	world_set_backends(SERVICE_EDGE, NULL, 0);
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_DOWN_PASS);
}

/* --- stories ---------------------------------------------------------------------------------- */

static int life(const struct path *path)
{
	const struct test_case cases[] = {
		{ "handshake, data both ways, FIN from both sides",
		  { HANDSHAKE, CLIENT_SENDS("PA", ESTABLISHED), BACKEND_SENDS("A", ESTABLISHED),
		    BACKEND_SENDS("PA", ESTABLISHED), CLIENT_SENDS("FA", ESTABLISHED),
		    BACKEND_SENDS("FA", CLOSING), CLIENT_SENDS("A", CLOSING) } },
		{ "the backend closes first",
		  { HANDSHAKE, BACKEND_SENDS("FA", ESTABLISHED), CLIENT_SENDS("A", ESTABLISHED),
		    CLIENT_SENDS("PA", ESTABLISHED), CLIENT_SENDS("FA", CLOSING),
		    BACKEND_SENDS("A", CLOSING) } },
		{ "a SYN sent again keeps its port",
		  { OPENS(0, 40000), CLIENT_SENDS("S", HALF_OPEN), BACKEND_SENDS("SA", HALF_OPEN),
		    CLIENT_SENDS("S", HALF_OPEN), BACKEND_SENDS("SA", HALF_OPEN),
		    CLIENT_SENDS("A", ESTABLISHED) } },
		{ "an ACK before the backend's SYN-ACK establishes nothing",
		  { OPENS(0, 40000), CLIENT_SENDS("A", HALF_OPEN) } },
		{ "nor does one that acknowledges what the backend did not send, as forgers do",
		  { OPENS(0, 40000), BACKEND_SENDS("SA", HALF_OPEN),
		    ACKNOWLEDGES_TOO_MUCH(HALF_OPEN), CLIENT_SENDS("R", CLOSING),
		    ACKNOWLEDGES_TOO_MUCH(HALF_OPEN), CLIENT_SENDS("A", ESTABLISHED),
		    ACKNOWLEDGES_TOO_MUCH(ESTABLISHED) } },
		{ "a SYN in a live connection is the backend's to answer",
		  { HANDSHAKE, CLIENT_SENDS("S", ESTABLISHED), BACKEND_SENDS("A", ESTABLISHED) } },
		{ "the backend refuses", { OPENS(0, 40000), BACKEND_SENDS("RA", CLOSING) } },
		{ "the client resets", { HANDSHAKE, CLIENT_SENDS("R", CLOSING) } },
		{ "a forged RST does not end a connection that goes on",
		  { HANDSHAKE, CLIENT_SENDS("R", CLOSING), BACKEND_SENDS("PA", CLOSING),
		    CLIENT_SENDS("A", ESTABLISHED), BACKEND_SENDS("PA", ESTABLISHED) } },
		{ "a RST after FINs from both sides takes nothing back",
		  { HANDSHAKE, CLIENT_SENDS("FA", ESTABLISHED), BACKEND_SENDS("FA", CLOSING),
		    CLIENT_SENDS("R", CLOSING), CLIENT_SENDS("A", CLOSING),
		    BACKEND_SENDS("A", CLOSING) } },
		{ "SYN, RST and another segment, all forged, establish nothing",
		  { OPENS(0, 40000), CLIENT_SENDS("R", CLOSING), CLIENT_SENDS("A", HALF_OPEN) } },
		{ "the same port again after the end is the same port to the backend",
		  { HANDSHAKE, CLIENT_SENDS("FA", ESTABLISHED), BACKEND_SENDS("FA", CLOSING),
		    CLIENT_SENDS("A", CLOSING), OPENS(0, 40000), BACKEND_SENDS("SA", HALF_OPEN),
		    CLIENT_SENDS("A", ESTABLISHED) } },
		{ "two connections of one client",
		  { OPENS(0, 40000), OPENS(1, 40001), BACKEND_SENDS("SA", HALF_OPEN),
		    { .reply = BACK_IN(1, "SA"), .becomes = BACK_OUT_TO(CLIENT, 40001, "SA"),
		      .why = EDGE53_TCP_REPLY_SENT, .conn = 1, .state = EDGE53_CONN_HALF_OPEN } } },
		{ "the same port of two clients",
		  { OPENS(0, 40000),
		    { .query = IN_FROM(CLIENT_2, 40000, "S"), .becomes = OUT(1, "S"),
		      .why = EDGE53_TCP_OPENED, .conn = 1, .state = EDGE53_CONN_HALF_OPEN },
		    BACKEND_SENDS("SA", HALF_OPEN),
		    { .reply = BACK_IN(1, "SA"), .becomes = BACK_OUT_TO(CLIENT_2, 40000, "SA"),
		      .why = EDGE53_TCP_REPLY_SENT, .conn = 1, .state = EDGE53_CONN_HALF_OPEN } } },
		{ "a connection stays with its backend when another is picked",
		  { HANDSHAKE,
		    { .query = IN("PA"), .becomes = OUT(0, "PA"), .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_ESTABLISHED, .before = other_backend_is_picked },
		    BACKEND_SENDS("PA", ESTABLISHED) } },
		{ "a connection goes on when no backend is picked for new ones",
		  { HANDSHAKE,
		    { .query = IN("PA"), .becomes = OUT(0, "PA"), .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_ESTABLISHED, .before = no_backend } } },
	};

	return RUN(path, cases);
}

static int reuse(const struct path *path)
{
	const struct test_case cases[] = {
		{ "the same port again goes to the backend that is picked now",
		  { HANDSHAKE, BACKEND_SENDS("RA", CLOSING),
		    { .query = IN("S"),
		      .becomes = forwarded(ip4(EDGE, BACKEND_2, tcp(conn_port(0), BACKEND_TCP, "S",
								    nothing()))),
		      .why = EDGE53_TCP_OPENED, .state = EDGE53_CONN_HALF_OPEN,
		      .before = other_backend_is_picked } } },
		{ "the same port again with no backend picked",
		  { HANDSHAKE, BACKEND_SENDS("RA", CLOSING),
		    { .query = IN("S"), .why = EDGE53_NO_BACKEND, .before = no_backend } } },
		{ "a connection idle for long is opened anew by a SYN",
		  { HANDSHAKE,
		    { .query = IN("S"), .becomes = OUT(0, "S"), .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN, .before = idle_for_long } } },
		{ "one not so long idle is not",
		  { HANDSHAKE,
		    { .query = IN("S"), .becomes = OUT(0, "S"), .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_ESTABLISHED, .before = nearly_idle_for_long } } },
		{ "an idle entry that nobody took goes on",
		  { HANDSHAKE,
		    { .query = IN("PA"), .becomes = OUT(0, "PA"), .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_ESTABLISHED, .before = idle_for_long } } },
		{ "a client's RST is forgotten when the backend sends one too",
		  { HANDSHAKE, CLIENT_SENDS("R", CLOSING), BACKEND_SENDS("R", CLOSING),
		    { .query = IN("A"), .becomes = OUT(0, "A"), .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_CLOSING, .before = closing_is_over } } },
	};

	return RUN(path, cases);
}

#define NOBODYS(flags) { { .query = IN(flags), .why = EDGE53_NO_CONNECTION } }

static int nobodys(const struct path *path)
{
	const struct test_case cases[] = {
		{ "an ACK of no known connection is the host's to reset", NOBODYS("A") },
		{ "data", NOBODYS("PA") },
		{ "a RST", NOBODYS("R") },
		{ "a SYN-ACK", NOBODYS("SA") },
		{ "SYN and FIN at once open nothing", NOBODYS("SF") },
		{ "SYN and RST at once open nothing", NOBODYS("SR") },
		{ "no flags at all", NOBODYS("") },
		{ "a reply to a port of no connection",
		  { { .reply = BACK_IN(0, "SA"), .why = EDGE53_REPLY_UNKNOWN } } },
		{ "a port that stands for no entry",
		  { { .reply = BACK_IN(CONNS, "SA"), .why = EDGE53_REPLY_UNKNOWN } } },
		{ "a segment of a stranger to a connection's port",
		  { HANDSHAKE,
		    { .reply = ip4(STRANGER, EDGE, tcp(BACKEND_TCP, conn_port(0), "PA", text("x"))),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true },
		    { .reply = ip4(BACKEND, EDGE,
				   tcp(BACKEND_TCP + 1, conn_port(0), "PA", text("x"))),
		      .why = EDGE53_REPLY_FOREIGN,
		      .of_nobody = true },
		    { .reply = BACK_IN(0, "PA"),
		      .why = EDGE53_REPLY_FOREIGN,
		      .device = DEV_OTHER } } },
		{ "an entry that another CPU is writing is not read",
		  { HANDSHAKE,
		    { .reply = BACK_IN(0, "PA"),
		      .why = EDGE53_REPLY_UNKNOWN,
		      .before = entries_are_being_written },
		    { .query = IN("PA"), .why = EDGE53_NO_CONNECTION },
		    { .query = IN("PA"),
		      .becomes = OUT(0, "PA"),
		      .why = EDGE53_TCP_QUERY_SENT,
		      .state = EDGE53_CONN_ESTABLISHED,
		      .before = entries_are_written } } },
		{ "nor taken: the SYN comes again",
		  { { .query = IN("S"),
		      .why = EDGE53_TCP_FULL,
		      .before = entries_are_being_written },
		    { .query = IN("S"),
		      .becomes = OUT(32, "S"), /* the hand has looked at so many */
		      .why = EDGE53_TCP_OPENED,
		      .conn = 32,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .before = entries_are_written } } },
		{ "no backend for a SYN",
		  { { .query = IN("S"), .why = EDGE53_NO_BACKEND } },
		  .world = no_backend },
		{ "no backend for a SYN, on_down: pass",
		  { { .query = IN("S"), .why = EDGE53_NO_BACKEND_PASSED } },
		  .world = no_backend_pass },
	};

	return RUN(path, cases);
}

static int refused(const struct path *path)
{
#define REFUSED(packet, reason) { { .query = packet, .why = EDGE53_##reason } }
	const struct test_case cases[] = {
		{ "a data offset beyond the packet",
		  REFUSED(ip4(CLIENT, FRONTEND, data_offset(6, tcp(40000, 53, "S", nothing()))),
			  BAD_LENGTH) },
		{ "a data offset within the TCP header",
		  REFUSED(ip4(CLIENT, FRONTEND, data_offset(4, tcp(40000, 53, "S", nothing()))),
			  BAD_LENGTH) },
		{ "an IP length beyond the frame",
		  REFUSED(length_off_by(1, IN("S")), BAD_LENGTH) },
		{ "an IP length that ends in the TCP header",
		  REFUSED(length_off_by(-1, IN("S")), BAD_LENGTH) },
	};
#undef REFUSED
	return RUN(path, cases);
}

static int odd_frames(const struct path *path)
{
	const struct test_case cases[] = {
		{ "IP options",
		  { { .query = options(10, IN("S")),
		      .becomes = options(10, OUT(0, "S")),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .by_tc = true },
		    { .reply = options(3, BACK_IN(0, "SA")),
		      .becomes = options(3, BACK_OUT("SA")),
		      .why = EDGE53_TCP_REPLY_SENT,
		      .state = EDGE53_CONN_HALF_OPEN,
		      .by_tc = true } } },
		{ "padding",
		  { { .query = padded(6, IN("S")),
		      .becomes = OUT(0, "S"),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN } } },
		{ "a wrong checksum stays wrong",
		  { { .query = ip4(CLIENT, FRONTEND, bad_checksum(tcp(40000, 53, "S", nothing()))),
		      .becomes = forwarded(
			      ip4(EDGE, BACKEND,
				  bad_checksum(tcp(conn_port(0), BACKEND_TCP, "S", nothing())))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN } } },
		{ "XDP leaves partial checksums to tc, and no connection is opened for them",
		  { { .query = ip4(CLIENT, FRONTEND,
				   partial_checksum(tcp(40000, 53, "S", nothing()))),
		      .why = EDGE53_HANDED_TO_TC },
		    OPENS(0, 40000),
		    { .reply = ip4(
			      BACKEND, EDGE,
			      partial_checksum(tcp(BACKEND_TCP, conn_port(0), "SA", nothing()))),
		      .why = EDGE53_HANDED_TO_TC } },
		  .paths = XDP },
	};

	return RUN(path, cases);
}

/* A SYN, and the SYN-ACK to it, after the client moved to another router. */
static int neighbours(const struct path *path)
{
#define FROM(mac, n, flags, reason)                                                            \
	{ .query = eth(uplink_mac, mac, IN(flags)),                                             \
	  .becomes = path->bit == XDP ? OUT(n, flags) : eth(uplink_mac, mac, OUT(n, flags)),    \
	  .why = EDGE53_TCP_##reason, .state = EDGE53_CONN_HALF_OPEN }
#define TO(mac, n, flags)                                                                      \
	{ .reply = BACK_IN(n, flags), .becomes = eth(mac, uplink_mac, BACK_OUT(flags)),         \
	  .why = EDGE53_TCP_REPLY_SENT, .state = EDGE53_CONN_HALF_OPEN }
	const struct test_case cases[] = {
		{ "replies go to the router the SYN came from",
		  { FROM(router_mac, 0, "S", OPENED), TO(router_mac, 0, "SA") } },
		{ "they follow a client that moves",
		  { FROM(client_mac, 0, "S", OPENED), FROM(router_mac, 0, "A", QUERY_SENT),
		    TO(router_mac, 0, "SA") } },
		{ "a SYN sent again by another router",
		  { FROM(client_mac, 0, "S", OPENED), FROM(router_mac, 0, "S", QUERY_SENT),
		    TO(router_mac, 0, "SA") } },
		{ "the same port again by another router",
		  { FROM(client_mac, 0, "S", OPENED), BACKEND_SENDS("RA", CLOSING),
		    FROM(router_mac, 0, "S", OPENED), TO(router_mac, 0, "SA") } },
	};
#undef FROM
#undef TO
	return RUN(path, cases);
}

/* --- the pool --------------------------------------------------------------------------------- */

static bool expect(const struct path *path, const char *what, long got, long expected)
{
	if (got == expected)
		return true;
	printf("    %s: %s: %ld, expected %ld\n", path->name, what, got, expected);
	return false;
}

static int send_syn(const struct path *path, unsigned port)
{
	struct frame in, out;

	frame_of_query(path, IN_FROM(CLIENT, port, "S"), &in);
	return world_run(path->query, client_device(path), &in, &out);
}

static int conn_of(unsigned port)
{
	return world_find_conn(CLIENT, FRONTEND, port, SERVICE_EDGE);
}

static void set_states(enum edge53_conn_state state)
{
	for (unsigned i = 0; i < CONNS; i++)
		world_conns()[i].state = state;
}

static bool fill(const struct path *path, enum edge53_conn_state state)
{
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	for (unsigned i = 0; i < CONNS; i++) {
		send_syn(path, 1000 + i);
		good &= expect(path, "entry of a SYN while there is room", conn_of(1000 + i), i);
	}
	set_states(state);
	return good;
}

/* However many SYNs come, the one evicted is the one opened longest ago. */
static int pool_of_half_open(const struct path *path)
{
	bool good = fill(path, EDGE53_CONN_HALF_OPEN);

	for (unsigned i = 0; good && i < 3 * CONNS; i++) {
		send_syn(path, 5000 + i);
		good &= expect(path, "the new connection has an entry", conn_of(5000 + i) >= 0, 1);
		if (i < CONNS)
			good &= expect(path, "the oldest is still known", conn_of(1000 + i) >= 0,
				       0);
		if (i + 1 < CONNS)
			good &= expect(path, "the second oldest is still known",
				       conn_of(1000 + i + 1) >= 0, 1);
		good &= expect(path, "tuples", world_count_tuples(), CONNS);
		good &= expect(path, "tuples are right", world_tuples_are_right(), 1);
		frames_reset();
	}
	return !good;
}

static int pool_of_established(const struct path *path)
{
	bool good = fill(path, EDGE53_CONN_ESTABLISHED);
	struct edge53_conn before[CONNS];
	struct counters counters;

	memcpy(before, world_conns(), sizeof(before));
	for (unsigned i = 0; i < 2 * CONNS; i++)
		good &= expect(path, "verdict of a SYN", send_syn(path, 5000 + i),
			       verdict_of(path->query, EDGE53_TCP_FULL));
	world_read_counters(&counters);
	good &= expect(path, "TCP_FULL", counters.reasons[SERVICE_EDGE][EDGE53_TCP_FULL],
		       2 * CONNS);
	good &= expect(path, "connections changed",
		       !!memcmp(before, world_conns(), sizeof(before)), 0);
	good &= expect(path, "tuples", world_count_tuples(), CONNS);
	return !good;
}

/* Of established entries only those are taken that were idle for long, and all of those. */
static int pool_of_idle(const struct path *path)
{
	bool good = fill(path, EDGE53_CONN_ESTABLISHED);

	for (unsigned i = 0; i < CONNS; i += 5)
		world_conns()[i].seen_ns -= (TCP_IDLE_S + 1) * SECONDS;
	for (unsigned i = 0; i < CONNS / 5; i++) {
		send_syn(path, 5000 + i);
		good &= expect(path, "entry of the new connection modulo 5", conn_of(5000 + i) % 5,
			       0);
		world_conns()[i * 5].state = EDGE53_CONN_ESTABLISHED;
	}
	for (unsigned i = 0; i < CONNS; i++)
		good &= expect(path, "an old connection is known", conn_of(1000 + i) >= 0,
			       i % 5 != 0);
	good &= expect(path, "tuples are right", world_tuples_are_right(), 1);
	return !good;
}

/* Closed ones make room when there is no other, and before half-open ones. */
static int pool_of_closed(const struct path *path)
{
	bool good = fill(path, EDGE53_CONN_CLOSING);

	for (unsigned i = 0; i < CONNS; i++)
		good &= expect(path, "verdict of a SYN", send_syn(path, 6000 + i),
			       verdict_of(path->query, EDGE53_TCP_OPENED));
	good &= expect(path, "tuples", world_count_tuples(), CONNS);
	good &= fill(path, EDGE53_CONN_HALF_OPEN);
	world_conns()[10].state = EDGE53_CONN_CLOSING;
	send_syn(path, 5000);
	good &= expect(path, "entry of a SYN: the closed one's", conn_of(5000), 10);
	good &= fill(path, EDGE53_CONN_ESTABLISHED);
	world_conns()[20].state = EDGE53_CONN_CLOSING;
	world_conns()[20].flags |= EDGE53_CONN_CLIENT_RST;
	send_syn(path, 5000);
	good &= expect(path, "entry of a SYN: the one reset by its client", conn_of(5000), 20);
	good &= expect(path, "tuples are right", world_tuples_are_right(), 1);
	return !good;
}

/* A flood of SYNs leaves the only established connection alone. */
static int flood(const struct path *path)
{
	const unsigned established = 7;
	bool good = fill(path, EDGE53_CONN_HALF_OPEN);

	world_conns()[established].state = EDGE53_CONN_ESTABLISHED;
	for (unsigned i = 0; i < 2000; i++) {
		good &= expect(path, "verdict of a SYN", send_syn(path, 5000 + i),
			       verdict_of(path->query, EDGE53_TCP_OPENED));
		frames_reset();
	}
	good &= expect(path, "entry of the established one", conn_of(1000 + established),
		       established);
	good &= expect(path, "tuples are right", world_tuples_are_right(), 1);
	return !good;
}

static int send_segment(const struct path *path, unsigned port, const char *flags)
{
	struct frame in, out;

	frame_of_query(path, IN_FROM(CLIENT, port, flags), &in);
	return world_run(path->query, client_device(path), &in, &out);
}

/* The backend's, on the connection of the client's port. */
static int answer_segment(const struct path *path, unsigned port, const char *flags)
{
	unsigned snat_port = world_conns()[conn_of(port)].snat_port;
	struct frame in, out;

	frame_of_reply(path, ip4(BACKEND, EDGE, tcp(BACKEND_TCP, snat_port, flags, payload_of(flags))),
		       &in);
	return world_run(path->reply, backend_device(path), &in, &out);
}

/*
 * Connections that were really opened, of which each second entry of the pool is, and then what a forger can send: many
 * more SYNs than there are entries, which the backend answers, and to which he sends an ACK without knowing what it is
 * about, and a RST. The others keep their entries, their ports and all of their times.
 */
static int established_ones_outlast_half_open_ones(const struct path *path)
{
	const int sent = verdict_of(path->query, EDGE53_TCP_QUERY_SENT);
	struct edge53_conn before[CONNS];
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	for (unsigned i = 0; i < CONNS; i++) {
		send_syn(path, 1000 + i);
		if (i % 2)
			continue;
		answer_segment(path, 1000 + i, "SA");
		send_segment(path, 1000 + i, "A");
		good &= expect(path, "state after a handshake", world_conns()[i].state,
			       EDGE53_CONN_ESTABLISHED);
		frames_reset();
	}
	memcpy(before, world_conns(), sizeof(before));
	for (unsigned i = 0; good && i < 20 * CONNS; i++) {
		struct frame in, out;

		good &= expect(path, "verdict of a SYN", send_syn(path, 5000 + i),
			       verdict_of(path->query, EDGE53_TCP_OPENED));
		answer_segment(path, 5000 + i, "SA");
		frame_of_query(path,
			       ip4(CLIENT, FRONTEND,
				   acknowledging_too_much(1, tcp(5000 + i, 53, "A", nothing()))),
			       &in);
		world_run(path->query, client_device(path), &in, &out);
		if (i % 3 == 0)
			send_segment(path, 5000 + i, "R");
		frames_reset();
	}
	for (unsigned i = 0; good && i < CONNS; i += 2) {
		good &= expect(path, "entry of an established one", conn_of(1000 + i), i);
		good &= expect(path, "it is as it was",
			       memcmp(&before[i], &world_conns()[i], sizeof(before[i])), 0);
		good &= expect(path, "what its client sends goes on", send_segment(path, 1000 + i, "PA"),
			       sent);
		good &= expect(path, "and what its backend sends", answer_segment(path, 1000 + i, "PA"),
			       verdict_of(path->reply, EDGE53_TCP_REPLY_SENT));
		frames_reset();
	}
	good &= expect(path, "tuples are right", world_tuples_are_right(), 1);
	return !good;
}

/* Each connection has a port of its own, inside the range. */
static int ports(const struct path *path)
{
	bool taken[1 << PORT_BITS] = {}, good = fill(path, EDGE53_CONN_HALF_OPEN);

	for (unsigned i = 0; i < CONNS; i++) {
		unsigned offset = world_conns()[i].snat_port - PORT_BASE;

		good &= expect(path, "port in the range", offset < 1 << PORT_BITS, 1);
		good &= expect(path, "port taken before", taken[offset % (1 << PORT_BITS)], 0);
		taken[offset % (1 << PORT_BITS)] = true;
	}
	return !good;
}

const struct table edge_tcp_tables[] = {
	{ "TCP, the life of a connection", life, EDGE_PATHS },
	{ "TCP, ports used again", reuse, EDGE_PATHS },
	{ "TCP, nobody's segments", nobodys, EDGE_PATHS },
	{ "TCP, refused segments", refused, EDGE_PATHS },
	{ "TCP, odd frames", odd_frames, EDGE_PATHS },
	{ "TCP, reply to the neighbour", neighbours, ETHERNET_UPLINK },
	{ "TCP pool, half-open ones go, oldest first", pool_of_half_open, XDP | TC_L2 },
	{ "TCP pool, established ones stay", pool_of_established, XDP | TC_L2 },
	{ "TCP pool, idle ones go", pool_of_idle, XDP | TC_L2 },
	{ "TCP pool, closed ones go first", pool_of_closed, XDP | TC_L2 },
	{ "TCP pool, a flood of SYNs", flood, XDP | TC_L2 },
	{ "TCP pool, established ones outlast half-open ones", established_ones_outlast_half_open_ones,
	  XDP | TC_L2 | TC_L2_L3 },
	{ "TCP pool, every connection has its port", ports, XDP | TC_L2 },
	{},
};
