/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Steps of a TCP connection that begins with a PROXY header, for clients and backends of either
 * family: who talks is said by set_talkers().
 */
#ifndef EDGE53_TEST_PROXY_TALK_H
#define EDGE53_TEST_PROXY_TALK_H

#include <stdio.h>

#include "cases.h"

/* --- who talks --------------------------------------------------------------------------------- */

static bool client6, backend6;
static unsigned I; /* number of the client's first byte */
static unsigned H; /* bytes of its header */

#define THEIRS 5000 /* number of the backend's SYN */

static inline struct layer_of *ask(struct layer_of *l4)
{
	return client6 ? ip6(CLIENT6, FRONTEND6, l4) : ip4(CLIENT, FRONTEND, l4);
}

static inline struct layer_of *sent(struct layer_of *l4)
{
	if (backend6)
		return forwarded(ip6(EDGE6, BACKEND6, l4));
	return forwarded(client6 ? any_id(ip4(EDGE, BACKEND, l4)) : ip4(EDGE, BACKEND, l4));
}

static inline struct layer_of *answer(struct layer_of *l4)
{
	return backend6 ? ip6(BACKEND6, EDGE6, l4) : ip4(BACKEND, EDGE, l4);
}

static inline struct layer_of *got(struct layer_of *l4)
{
	if (client6)
		return forwarded(ip6(FRONTEND6, CLIENT6, l4));
	return forwarded(backend6 ? any_id(ip4(FRONTEND, CLIENT, l4)) : ip4(FRONTEND, CLIENT, l4));
}

/* A segment of the client, on both sides of the edge; and one of the backend. */
#define C(flags, seq, payload) segment(40000, 53, flags, seq, THEIRS + 1, payload)
#define S(flags, seq, payload) segment(conn_port(0), BACKEND_TCP, flags, seq, THEIRS + 1, payload)
#define B(flags, ack, payload) segment(BACKEND_TCP, conn_port(0), flags, THEIRS + 1, ack, payload)
#define G(flags, ack, payload) segment(53, 40000, flags, THEIRS + 1, ack, payload)

static inline struct layer_of *header(struct layer_of *payload)
{
	return client6 ? proxied(0x21, CLIENT6, 40000, FRONTEND6, payload)
		       : proxied(0x11, CLIENT, 40000, FRONTEND, payload);
}

static inline struct step client_sends(struct layer_of *before, struct layer_of *after)
{
	return (struct step){ .query = ask(before),
			      .becomes = sent(after),
			      .why = EDGE53_TCP_QUERY_SENT };
}

static inline struct step client_is_refused(struct layer_of *segment, enum edge53_reason why)
{
	return (struct step){ .query = ask(segment), .why = why };
}

static inline struct step backend_sends(struct layer_of *before, struct layer_of *after)
{
	return (struct step){ .reply = answer(before),
			      .becomes = got(after),
			      .why = EDGE53_TCP_REPLY_SENT };
}

static inline struct layer_of *syn(unsigned first, struct layer_of *payload)
{
	return segment(40000, 53, "S", first - 1, 0, payload);
}

static inline struct layer_of *syn_sent(unsigned first, struct layer_of *payload)
{
	return segment(conn_port(0), BACKEND_TCP, "S", first - 1, 0, payload);
}

static inline struct layer_of *syn_ack(unsigned theirs, unsigned first)
{
	return segment(BACKEND_TCP, conn_port(0), "SA", theirs, first, nothing());
}

static inline struct layer_of *syn_ack_got(unsigned theirs, unsigned first)
{
	return segment(53, 40000, "SA", theirs, first, nothing());
}

static inline struct step opens(unsigned first)
{
	return (struct step){ .query = ask(syn(first, nothing())),
			      .becomes = sent(syn_sent(first, nothing())),
			      .why = EDGE53_TCP_OPENED,
			      .state = EDGE53_CONN_HALF_OPEN };
}

/* Its window has no scale yet, and the header will take H bytes of it. */
static inline struct step agrees(unsigned theirs, unsigned first)
{
	return backend_sends(syn_ack(theirs, first), window(64240 - H, syn_ack_got(theirs, first)));
}

#define OPENS opens(I)
#define AGREES agrees(THEIRS, I)
/* A window scale option. */
static inline struct layer_of *scaled(unsigned scale, struct layer_of *segment)
{
	const char text[4] = { 1, 3, 3, scale };

	return option(text, sizeof(text), segment);
}

static inline struct step agrees_scaled(unsigned scale)
{
	return backend_sends(scaled(scale, syn_ack(THEIRS, I)),
			     scaled(scale, window(64240 - H, syn_ack_got(THEIRS, I))));
}

/* The first data, which carry the header, and what the backend says to them. */
#define DATA text("thirteen here")
#define FIRST client_sends(C("PA", I, DATA), S("PA", I, header(DATA)))
#define FIRST_IS_READ backend_sends(B("A", I + H + 13, nothing()), G("A", I + 13, nothing()))
#define IS_DONE                                                                                    \
	backend_sends(B("A", I + (1u << 30), nothing()), G("A", I + (1u << 30) - H, nothing()))

/* --- running ----------------------------------------------------------------------------------- */

static inline void proxy_tcp(void)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_TCP);
	world_set_backends(SERVICE_EDGE, (const __u8[]){ backend6 ? ID_BACKEND6 : ID_BACKEND }, 1);
	world_set_backend_mtu(ID_BACKEND, 1420);
	world_set_backend_mtu(ID_BACKEND6, 1420);
}

static inline void no_option(void)
{
	proxy_tcp();
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP);
}

static inline int run(const struct path *path, const struct test_case *cases, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		struct test_case one = cases[i];

		one.world = one.world ?: proxy_tcp;
		failed += run_cases(path, &one, 1);
	}
	return failed;
}

#define RUN_PROXY(path, cases) run(path, cases, sizeof(cases) / sizeof(*(cases)))

static inline void set_talkers(bool is_client6, bool is_backend6, unsigned first)
{
	client6 = is_client6;
	backend6 = is_backend6;
	H = client6 ? 52 : 28;
	I = first;
}

/* For both families on both sides, and first numbers around which the sign of a difference turns. */
static const struct {
	bool is_client6, is_backend6;
	unsigned first;
} talks[] = {
	{ false, false, 1001 }, { true, true, 0xfffffff0 }, { false, true, 0x7ffffff0 },
	{ true, false, 0 },	{ true, true, 0x7ffffff0 }, { false, false, 0xfffffff0 },
};

static inline int everywhere(const struct path *path, int (*rows)(const struct path *path))
{
	int failed = 0;

	for (unsigned i = 0; i < sizeof(talks) / sizeof(*talks); i++) {
		set_talkers(talks[i].is_client6, talks[i].is_backend6, talks[i].first);
		frames_reset();
		if (!rows(path))
			continue;
		printf("    ^ IPv%u to IPv%u, first number %#x\n", client6 ? 6 : 4,
		       backend6 ? 6 : 4, I);
		failed++;
	}
	return failed;
}

#endif
