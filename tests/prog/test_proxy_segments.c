// SPDX-License-Identifier: GPL-2.0-only
/*
 * Segments of a connection that begins with a PROXY header (docs/packets.md): how long they may be,
 * what ICMP errors say of them, of a bundle of segments the first, and the mark that keeps GRO from
 * making such a bundle.
 */
#include <string.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "bytes.h"
#include "proxy_talk.h"

/* --- the MTU ----------------------------------------------------------------------------------- */

#define LONG(len) longer(len, nothing())

static struct layer_of *df(struct layer_of *ip)
{
	return ip->layer == L_IP4 ? dont_fragment(ip) : ip;
}

/* Between the families DF says that it is longer than what may be fragmented (RFC 7915 section 5.1). */
static struct layer_of *sent_df(struct layer_of *l4)
{
	struct layer_of *ip = df(sent(l4));

	ip->any_id = false;
	return client6 && !backend6 ? ip_id(0, ip) : ip;
}

/* IP and TCP headers towards the backend, whose MTU is 1,420. */
static unsigned room(void)
{
	return 1420 - (backend6 ? 60 : 40);
}

static struct layer_of *too_big(struct layer_of *segment)
{
	unsigned mtu = 1420 - H + 20 * client6 - 20 * backend6;

	if (client6)
		return ip6(FRONTEND6, CLIENT6, icmp(2, 0, mtu, quoting(1232, ask(segment))));
	return any_id(ip4(FRONTEND, CLIENT, icmp(3, 4, mtu, quoting(548, df(ask(segment))))));
}

static struct step goes(struct layer_of *before, struct layer_of *after)
{
	return (struct step){ .query = df(ask(before)),
			      .becomes = sent_df(after),
			      .why = EDGE53_TCP_QUERY_SENT,
			      .by_tc = true };
}

static struct step is_too_big(struct layer_of *segment)
{
	return (struct step){ .query = df(ask(segment)),
			      .told = too_big(segment),
			      .why = EDGE53_TOO_BIG,
			      .by_tc = true,
			      .state = EDGE53_CONN_ESTABLISHED };
}

/* XDP is told of less than what fits, so that tc has the last word. */
static void cautious_xdp(void)
{
	proxy_tcp();
	world_set_query_mtu(1000);
}

static int rows_of_mtu(const struct path *path)
{
	unsigned most = room(), first = room() - H;
	const struct test_case cases[] = {
		{ "the first segment just fits with the header",
		  { OPENS, AGREES, goes(C("A", I, LONG(first)), S("A", I, header(LONG(first)))) },
		  .world = cautious_xdp },
		{ "one byte too many",
		  { OPENS, AGREES, is_too_big(C("A", I, LONG(first + 1))) },
		  .world = cautious_xdp },
		{ "then a shorter one comes",
		  { OPENS, AGREES, is_too_big(C("A", I, LONG(most))),
		    goes(C("A", I, LONG(first)), S("A", I, header(LONG(first)))) },
		  .world = cautious_xdp },
		{ "a later segment needs no room for it",
		  { OPENS, AGREES, FIRST,
		    goes(C("A", I + 13, LONG(most)), S("A", I + 13 + H, LONG(most))) },
		  .world = cautious_xdp },
		{ "a later one that is too long is told the same",
		  { OPENS, AGREES, FIRST, is_too_big(C("A", I + 13, LONG(most + 1))) },
		  .world = cautious_xdp },
	};

	return RUN_PROXY(path, cases);
}

/* Without DF a tunnel fragments outside what it gets; nobody does on Ethernet. */
static int rows_without_df(const struct path *path)
{
	unsigned first = room() - H;
	const struct test_case cases[] = {
		{ "without DF, towards a tunnel",
		  { OPENS, AGREES,
		    client_sends(C("A", I, LONG(first + 1)), S("A", I, header(LONG(first + 1)))) },
		  .paths = TC_L2_L3 },
		{ "without DF, towards Ethernet",
		  { OPENS,
		    AGREES,
		    { .query = ask(C("A", I, LONG(first + 1))),
		      .why = EDGE53_TOO_BIG,
		      .by_tc = true,
		      .state = EDGE53_CONN_ESTABLISHED } },
		  .paths = XDP | TC_L2 | TC_L2_CHECKED },
	};

	return RUN_PROXY(path, cases);
}

static int of_mtu(const struct path *path)
{
	int failed = everywhere(path, rows_of_mtu);

	set_talkers(false, false, 1001);
	return failed + rows_without_df(path);
}

/* --- ICMP errors ------------------------------------------------------------------------------- */

/* An error from the way to the backend about a segment of the client's, and what the client gets. */
static struct layer_of *error(unsigned type, unsigned code, unsigned rest, struct layer_of *quoted)
{
	quoted = backend6 ? forwarded(ip6(EDGE6, BACKEND6, quoted))
			  : forwarded(ip4(EDGE, BACKEND, quoted));
	return backend6 ? ip6(STRANGER6, EDGE6, icmp(type, code, rest, quoted))
			: ip4(STRANGER, EDGE, icmp(type, code, rest, quoted));
}

static struct layer_of *error_got(unsigned type, unsigned code, unsigned rest,
				  struct layer_of *quoted)
{
	quoted = forwarded(ask(quoted));
	if (client6)
		return forwarded(ip6(FRONTEND6, CLIENT6, icmp(type, code, rest, quoted)));
	/* Between the families an ID is made up outside, and none inside. */
	if (backend6)
		dont_fragment(ip_id(0, quoted));
	quoted = forwarded(ip4(FRONTEND, CLIENT, icmp(type, code, rest, quoted)));
	return backend6 ? any_id(quoted) : quoted;
}

static struct step tells(struct layer_of *before, struct layer_of *after)
{
	return (struct step){
		.reply = before, .becomes = after, .why = EDGE53_ICMP_SENT, .by_tc = true
	};
}

/* Unreachable, quoting a segment with the number I + d. */
static struct step quotes(unsigned d, unsigned becomes)
{
	return tells(error(backend6 ? 1 : 3, backend6 ? 0 : 1, 0, S("A", I + d, DATA)),
		     error_got(client6 ? 1 : 3, client6 ? 0 : 1, 0, C("A", I + becomes, DATA)));
}

static int rows_of_quotes(const struct path *path)
{
	struct layer_of *short_one =
		error(backend6 ? 1 : 3, backend6 ? 0 : 1, 0, S("PA", I + H + 13, DATA));
	struct layer_of *short_one_got =
		error_got(client6 ? 1 : 3, client6 ? 0 : 1, 0, C("PA", I + 13, DATA));
	const struct test_case cases[] = {
		{ "numbers around the header",
		  { OPENS, AGREES, FIRST, quotes(-1, -1), quotes(0, 0), quotes(1, 0),
		    quotes(H - 1, 0), quotes(H, 0), quotes(H + 1, 1), quotes(H + 13, 13),
		    quotes(0x7fffffff, 0x7fffffff - H), quotes(0x80000000, 0x80000000) } },
		{ "when done", { OPENS, AGREES, IS_DONE, quotes(0, -H), quotes(-5, -5 - H) } },
		{ "before the backend agreed", { OPENS, quotes(0, 0), quotes(5, 5) } },
		{ "8 bytes of the segment",
		  { OPENS, AGREES, FIRST, tells(short_one, short_one_got) } },
	};

	quoting((backend6 ? 40 : 20) + 8, short_one->inner->inner);
	quoting((client6 ? 40 : 20) + 8, short_one_got->inner->inner);
	return RUN_PROXY(path, cases);
}

/* The same family on both sides; 8 bytes of the segment. */
static struct step says_mtu(unsigned mtu, unsigned becomes)
{
	struct layer_of *before =
		error(client6 ? 2 : 3, client6 ? 0 : 4, mtu, S("A", I + H + 5, DATA));
	struct layer_of *after =
		error_got(client6 ? 2 : 3, client6 ? 0 : 4, becomes, C("A", I + 5, DATA));

	return tells(before, after);
}

static int rows_of_mtu_said(const struct path *path)
{
	unsigned least = client6 ? 1280 : 68;
	const struct test_case cases[] = {
		{ "what fits is H less",
		  { OPENS, AGREES, FIRST, says_mtu(1420, 1420 - H), says_mtu(1500, 1500 - H),
		    says_mtu(least + H + 1, least + 1), says_mtu(least + H, least),
		    says_mtu(least + H - 1, least), says_mtu(least + 1, least) } },
		{ "what is no MTU stays",
		  { OPENS, AGREES, FIRST, says_mtu(least, least), says_mtu(least - 1, least - 1),
		    says_mtu(0, 0) } },
		{ "nothing happens without the option",
		  { OPENS,
		    tells(error(client6 ? 2 : 3, client6 ? 0 : 4, 1400, S("A", I + H + 5, DATA)),
			  error_got(client6 ? 2 : 3, client6 ? 0 : 4, 1400,
				    C("A", I + H + 5, DATA))) },
		  .world = no_option },
	};

	return RUN_PROXY(path, cases);
}

static int of_errors(const struct path *path)
{
	int failed = everywhere(path, rows_of_quotes);

	for (unsigned is_ipv6 = 0; is_ipv6 < 2; is_ipv6++) {
		set_talkers(is_ipv6, is_ipv6, 1001);
		failed += rows_of_mtu_said(path);
	}
	return failed;
}

/* --- bundles ----------------------------------------------------------------------------------- */

static bool complain_of(const struct path *path, const char *what, bool is_good)
{
	if (!is_good)
		printf("    %s: IPv%u to IPv%u: %s\n", path->name, client6 ? 6 : 4,
		       backend6 ? 6 : 4, what);
	return is_good;
}

static bool run_query(const struct path *path, enum test_program program, struct layer_of *l4,
		      unsigned gso_size, int verdict, struct frame *out)
{
	const struct surroundings around = { .gso_size = gso_size };
	struct frame in;

	frame_of_query(path, ask(l4), &in);
	return world_run_in(program, DEV_UPLINK, &around, &in, out) == verdict;
}

static bool run_syn_ack(const struct path *path, enum test_program program)
{
	struct frame in, out;

	frame_of_reply(path, answer(syn_ack(THEIRS, I)), &in);
	return world_run(program, DEV_INNER, &in, &out) == TC_ACT_REDIRECT;
}

/*
 * The checksum of a bundle is a partial one, which the kernel completes for each segment; in
 * BPF_PROG_TEST_RUN it is not, so it is not compared.
 */
static void take_checksum(const struct frame *from, unsigned l3, struct frame *to)
{
	unsigned off = l3 + (from->bytes[l3] >> 4 == 6 ? 40 : 20) + 16;

	memcpy(to->bytes + off, from->bytes + off, 2);
	if (client6 && !backend6 && !to->bytes[l3 + 6]) { /* without DF: an ID drawn at random */
		put16(to->bytes + l3 + 4, get16(from->bytes + l3 + 4));
		put16(to->bytes + l3 + 10, get16(from->bytes + l3 + 10));
	}
}

/* A bundle of so many bytes in segments of 1,000, with the first byte or the second. */
static bool run_bundle(const struct path *path, const char *flags, unsigned d, unsigned len,
		       const char *sent_flags, unsigned sent_len)
{
	unsigned l3 = path->bit == TC_L3 ? 0 : ETH_LEN;
	struct layer_of *payload = LONG(sent_len), *ip;
	struct frame out, expected;
	bool good;

	world_reset(path->client_is_l3, path->backend_is_l3);
	proxy_tcp();
	good = run_query(path, path->query, syn(I, nothing()), 0, TC_ACT_REDIRECT, &out) &&
	       run_syn_ack(path, path->reply) &&
	       run_query(path, path->query, C(flags, I + d, LONG(len)), 1000, TC_ACT_REDIRECT,
			 &out);
	if (!complain_of(path, "verdict", good))
		return false;
	ip = sent(S(sent_flags, d ? I + d + H : I, d ? payload : header(payload)));
	if (client6 && !backend6 && sent_len > 1260)
		dont_fragment(ip_id(0, ip));
	frame_of_sent_query(path, ip, &expected);
	if (path->bit == TC_L3_L2)
		memcpy(out.bytes, expected.bytes, ETH_LEN);
	take_checksum(&out, l3, &expected);
	return complain_of(path, "bytes", same_frame(&out, &expected, l3));
}

static int of_bundles(const struct path *path)
{
	int failed = 0;

	for (unsigned families = 0; families < 4; families++) {
		set_talkers(families & 1, families & 2, 1001);
		frames_reset();
		failed += !run_bundle(path, "A", 0, 3000, "A", 1000);
		failed += !run_bundle(path, "PA", 0, 1001, "A", 1000);
		failed += !run_bundle(path, "FPA", 0, 2500, "A", 1000);
		failed += !run_bundle(path, "FPA", 0, 1000, "FPA", 1000);
		failed += !run_bundle(path, "FPA", 1, 2500, "FPA", 2500);
	}
	return failed;
}

/* --- apart from others ------------------------------------------------------------------------- */

static void nat_at_tc(void)
{
	proxy_tcp();
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_PROXY_TCP);
}

static void nat_at_tc_no_option(void)
{
	proxy_tcp();
	world_set_flags(SERVICE_EDGE, 0);
}

/* XDP passes the frame as it is; whether with the mark. */
static bool marks(const struct path *path, const char *what, struct layer_of *l4, bool is_marked)
{
	struct frame in, out;
	bool good;

	frame_of_query(path, ask(l4), &in);
	good = world_run(EDGE_XDP, DEV_UPLINK, &in, &out) == XDP_PASS &&
	       same_frame(&out, &in, ETH_LEN) &&
	       (is_marked ? out.metadata_len == 4 && !memcmp(out.metadata, "E53h", 4)
			  : !out.metadata_len);
	return complain_of(path, what, good);
}

/* The connection is made at tc, in the same maps. */
static bool connect(const struct path *path, void (*service)(void))
{
	struct frame out;

	world_reset(path->client_is_l3, path->backend_is_l3);
	service();
	return complain_of(path, "connects",
			   run_query(path, EDGE_TC_L2, syn(I, nothing()), 0, TC_ACT_REDIRECT,
				     &out) &&
				   run_syn_ack(path, EDGE_TC_L2));
}

static bool at_tc(const struct path *path, struct layer_of *reply)
{
	struct frame in, out;

	frame_of_reply(path, answer(reply), &in);
	return complain_of(path, "reply",
			   world_run(EDGE_TC_L2, DEV_INNER, &in, &out) == TC_ACT_REDIRECT);
}

static bool run_marks(const struct path *path)
{
	struct frame out;
	bool good = connect(path, nat_at_tc);

	good &= marks(path, "first data", C("PA", I, DATA), true);
	good &= marks(path, "FIN in its place", C("FA", I, nothing()), true);
	good &= marks(path, "first data again", C("A", I, text("x")), true);
	good &= marks(path, "data behind it", C("PA", I + 1, DATA), false);
	good &= marks(path, "data before it", C("A", I - 1, text("x")), false);
	good &= marks(path, "an ACK behind it", C("A", I + 13, nothing()), false);
	good &= marks(path, "the SYN again", syn(I, nothing()), false);
	good &= marks(path, "a SYN at the number", syn(I + 1, nothing()), false);
	good &= marks(path, "a RST", C("R", I, nothing()), false);
	good &= marks(path, "another connection", segment(40001, 53, "PA", I, 1, DATA), false);
	good &= marks(path, "a query", udp(40000, 53, dns_query(7, "a.example")), false);
	good &= at_tc(path, B("A", I + (1u << 30), nothing()));
	good &= marks(path, "a number that came round", C("PA", I, DATA), false);

	good &= connect(path, nat_at_tc_no_option);
	good &= marks(path, "without the option", C("PA", I, DATA), false);

	world_reset(path->client_is_l3, path->backend_is_l3);
	nat_at_tc();
	good &= run_query(path, EDGE_TC_L2, syn(I, nothing()), 0, TC_ACT_REDIRECT, &out);
	good &= marks(path, "before the backend agreed", C("A", I, nothing()), false);
	return good;
}

static int of_marks(const struct path *path)
{
	int failed = 0;

	for (unsigned families = 0; families < 4; families++) {
		set_talkers(families & 1, families & 2, families & 1 ? 0xffffffff : 1001);
		frames_reset();
		failed += !run_marks(path);
	}
	return failed;
}

const struct table proxy_segment_tables[] = {
	{ "PROXY over TCP: MTU", of_mtu, ETHERNET_UPLINK },
	{ "PROXY over TCP: ICMP errors", of_errors, XDP | TC_L2 | TC_L2_CHECKED },
	{ "PROXY over TCP: bundles", of_bundles,
	  TC_L2 | TC_L2_CHECKED | TC_L2_L3 | TC_L3 | TC_L3_L2 },
	{ "PROXY over TCP: apart from others", of_marks, XDP },
	{},
};
