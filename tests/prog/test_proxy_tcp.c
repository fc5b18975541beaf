// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PROXY header at the beginning of a TCP connection (docs/packets.md, "The PROXY protocol
 * header"): the nine rules, each on both sides of its limits, for clients and backends of either
 * family, and for first numbers at which the comparisons turn round. What several segments do to
 * each other under loss is in tests/model.
 */
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "proxy_talk.h"

/* --- client → backend -------------------------------------------------------------------------- */

static int rows_of_client(const struct path *path)
{
	const struct test_case cases[] = {
		{ "3, 4: the first data with the header, the next H bytes higher",
		  { OPENS, AGREES, client_sends(C("A", I, nothing()), S("A", I, nothing())), FIRST,
		    client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA)), FIRST_IS_READ,
		    client_sends(C("FA", I + 26, nothing()), S("FA", I + 26 + H, nothing())),
		    client_sends(C("R", I + 27, nothing()), S("R", I + 27 + H, nothing())) } },
		{ "1: a SYN sent again is not shifted",
		  { OPENS, client_sends(syn(I, nothing()), syn_sent(I, nothing())), AGREES,
		    client_sends(syn(I, nothing()), syn_sent(I, nothing())), FIRST,
		    client_sends(syn(I, nothing()), syn_sent(I, nothing())) } },
		{ "1: nor is one with other numbers, and the connection's stay",
		  { OPENS, AGREES, FIRST,
		    client_sends(syn(I + 500, nothing()), syn_sent(I + 500, nothing())),
		    client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA)) } },
		{ "1: nor is a segment with SYN and ACK",
		  { OPENS, AGREES, FIRST,
		    client_sends(C("SA", I + 13, nothing()), S("SA", I + 13, nothing())) } },
		{ "1: a SYN with data opens nothing; it comes again without",
		  { client_is_refused(syn(I, text("x")), EDGE53_SYN_WITH_DATA), OPENS, AGREES,
		    FIRST } },
		{ "1: nor does it on a connection, and changes nothing there",
		  { OPENS, AGREES, FIRST,
		    client_is_refused(syn(I + 500, text("x")), EDGE53_SYN_WITH_DATA),
		    client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA)),
		    FIRST_IS_READ } },
		{ "2: data before the backend answered",
		  { OPENS, client_is_refused(C("PA", I, DATA), EDGE53_WITHOUT_HEADER),
		    client_is_refused(C("A", I + 1, text("x")), EDGE53_WITHOUT_HEADER),
		    client_is_refused(C("FA", I, nothing()), EDGE53_WITHOUT_HEADER),
		    client_is_refused(C("FA", I, text("x")), EDGE53_WITHOUT_HEADER), AGREES,
		    FIRST } },
		{ "2: anything else before it stays",
		  { OPENS, client_sends(C("A", I, nothing()), S("A", I, nothing())),
		    client_sends(C("A", I + 100, nothing()), S("A", I + 100, nothing())),
		    client_sends(C("A", I - 100, nothing()), S("A", I - 100, nothing())),
		    client_sends(C("R", I + 100, nothing()), S("R", I + 100, nothing())),
		    client_sends(C("RA", I, DATA), S("RA", I, DATA)) } },
		{ "4: d = 1, with and without data",
		  { OPENS, AGREES,
		    client_sends(C("A", I + 1, nothing()), S("A", I + 1 + H, nothing())),
		    client_sends(C("PA", I + 1, DATA), S("PA", I + 1 + H, DATA)),
		    client_sends(C("FA", I + 1, nothing()), S("FA", I + 1 + H, nothing())),
		    client_sends(C("R", I + 1, nothing()), S("R", I + 1 + H, nothing())) } },
		{ "4: d = -1, as keepalives have it, with and without a byte",
		  { OPENS, AGREES, client_sends(C("A", I - 1, nothing()), S("A", I - 1, nothing())),
		    client_sends(C("A", I - 1, text("x")), S("A", I - 1, text("x"))),
		    client_sends(C("FA", I - 1, nothing()), S("FA", I - 1, nothing())),
		    client_sends(C("R", I - 1, nothing()), S("R", I - 1, nothing())) } },
		{ "4: from before the first byte up to it",
		  { OPENS, AGREES, client_sends(C("A", I - 13, DATA), S("A", I - 13, DATA)),
		    client_sends(C("FA", I - 14, DATA), S("FA", I - 14, DATA)) } },
		{ "4: from before the first byte to behind it",
		  { OPENS, AGREES, client_is_refused(C("A", I - 12, DATA), EDGE53_WITHOUT_HEADER),
		    client_is_refused(C("FA", I - 13, DATA), EDGE53_WITHOUT_HEADER),
		    client_is_refused(C("A", I - 1, text("xx")), EDGE53_WITHOUT_HEADER),
		    client_is_refused(C("FA", I - 1, text("x")), EDGE53_WITHOUT_HEADER),
		    client_sends(C("RA", I - 1, text("xx")), S("RA", I - 1, text("xx"))), FIRST } },
		{ "4: when done there is no before",
		  { OPENS, AGREES, IS_DONE,
		    client_sends(C("A", I - 12, DATA), S("A", I - 12 + H, DATA)) } },
		{ "4: as far as the sign goes",
		  { OPENS, AGREES,
		    client_sends(C("A", I + 0x7fffffff, nothing()),
				 S("A", I + 0x7fffffff + H, nothing())),
		    client_sends(C("A", I + 0x80000000, nothing()),
				 S("A", I + 0x80000000, nothing())),
		    client_sends(C("A", I + 0x80000001, DATA), S("A", I + 0x80000001, DATA)) } },
		{ "4: d = 0 without data and FIN",
		  { OPENS, AGREES, client_sends(C("A", I, nothing()), S("A", I, nothing())),
		    client_sends(C("PA", I, nothing()), S("PA", I, nothing())),
		    client_sends(C("R", I, nothing()), S("R", I, nothing())),
		    client_sends(C("RA", I, text("x")), S("RA", I, text("x"))),
		    client_sends(C("RFA", I, nothing()), S("RFA", I, nothing())) } },
		{ "4: one byte",
		  { OPENS, AGREES,
		    client_sends(C("A", I, text("x")), S("A", I, header(text("x")))) } },
		{ "4: FIN without data",
		  { OPENS, AGREES,
		    client_sends(C("FA", I, nothing()), S("FA", I, header(nothing()))) } },
		{ "4: FIN with data",
		  { OPENS, AGREES, client_sends(C("FPA", I, DATA), S("FPA", I, header(DATA))) } },
		{ "4: data without ACK",
		  { OPENS, AGREES, client_sends(C("P", I, DATA), S("P", I, header(DATA))) } },
		{ "4: sent again, it has the header again; after it was read, too",
		  { OPENS, AGREES, FIRST, FIRST, FIRST_IS_READ, FIRST } },
		{ "4: other data the second time",
		  { OPENS, AGREES, client_sends(C("A", I, text("x")), S("A", I, header(text("x")))),
		    FIRST } },
		{ "4: urgent data with the header: the pointer counts it",
		  { OPENS, AGREES,
		    client_sends(urgent(3, C("PAU", I, DATA)),
				 urgent(3 + H, S("PAU", I, header(DATA)))),
		    client_sends(urgent(3, C("PAU", I + 13, DATA)),
				 urgent(3, S("PAU", I + 13 + H, DATA))),
		    client_sends(urgent(3, C("AU", I, nothing())),
				 urgent(3, S("AU", I, nothing()))) } },
		{ "4: a pointer without URG means nothing, and stays",
		  { OPENS, AGREES,
		    client_sends(urgent(3, C("PA", I, DATA)),
				 urgent(3, S("PA", I, header(DATA)))) } },
		{ "4: behind TCP options",
		  { OPENS, AGREES,
		    client_sends(option("\1\1\10\12abcdefgh", 12, C("PA", I, DATA)),
				 option("\1\1\10\12abcdefgh", 12, S("PA", I, header(DATA)))) } },
		{ "4: behind as many as there can be",
		  { OPENS, AGREES,
		    client_sends(option("\5\42aaaabbbbccccddddeeeeffffgggghhhh\1\1\1\1\1\1", 40,
					C("PA", I, DATA)),
				 option("\5\42aaaabbbbccccddddeeeeffffgggghhhh\1\1\1\1\1\1", 40,
					S("PA", I, header(DATA)))) } },
		{ "4: the client's own SACK blocks are about the backend's numbers",
		  { OPENS, AGREES, FIRST,
		    client_sends(option("\1\1\5\12\0\0\3\354\0\0\4\0", 12,
					C("A", I + 13, nothing())),
				 option("\1\1\5\12\0\0\3\354\0\0\4\0", 12,
					S("A", I + 13 + H, nothing()))) } },
		{ "4: only a SYN's options are for the edge",
		  { OPENS, AGREES,
		    client_sends(option("\36\4ab", 4, C("PA", I, DATA)),
				 option("\36\4ab", 4, S("PA", I, header(DATA)))) } },
		{ "a wrong checksum stays wrong",
		  { OPENS, AGREES,
		    client_sends(bad_checksum(C("PA", I, DATA)),
				 bad_checksum(S("PA", I, header(DATA)))),
		    client_sends(bad_checksum(C("PA", I + 13, DATA)),
				 bad_checksum(S("PA", I + 13 + H, DATA))),
		    backend_sends(bad_checksum(B("A", I + H + 13, nothing())),
				  bad_checksum(G("A", I + 13, nothing()))) } },
	};

	return RUN_PROXY(path, cases);
}

static int of_client(const struct path *path)
{
	return everywhere(path, rows_of_client);
}

/* --- the payload's length, and frames ---------------------------------------------------------- */

static int first_lengths(const struct path *path)
{
	int failed = 0;

	for (unsigned i = 0; i < often(200); i++) {
		unsigned len = i < 150 ? i + 1 : i * 6;

		set_talkers(i & 1, i & 1, 1001 + i);
		const struct test_case cases[] = {
			{ "the header before so much data",
			  { OPENS, AGREES,
			    client_sends(C("PA", I, longer(len, nothing())),
					 S("PA", I, header(longer(len, nothing())))) } },
		};

		if (RUN_PROXY(path, cases)) {
			printf("    %s: %u bytes\n", path->name, len);
			failed++;
		}
		frames_reset();
	}
	return failed;
}

static struct step without_padding(struct step step)
{
	step.cuts_padding = true;
	return step;
}

static struct step by_tc(struct step step)
{
	step.by_tc = true;
	return step;
}

static struct step with_priority(struct step step)
{
	step.has_vlan = true;
	step.vlan_tci = 0xe000;
	return step;
}

static struct step in_ip_options(struct step step)
{
	options(2, step.query ?: step.reply);
	if (client6 == backend6)
		options(2, step.becomes);
	return by_tc(step);
}

static int rows_of_frames(const struct path *path)
{
	struct step padded_data = without_padding(FIRST), padded_ack = AGREES;
	const struct test_case cases[] = {
		{ "padding is no data",
		  { OPENS,
		    AGREES,
		    { .query = padded(6, ask(C("A", I, nothing()))),
		      .becomes = sent(S("A", I, nothing())),
		      .why = EDGE53_TCP_QUERY_SENT },
		    padded_data } },
		{ "padding behind the backend's", { OPENS, padded_ack, FIRST } },
		{ "a priority beside the bytes",
		  { OPENS, AGREES, with_priority(FIRST),
		    with_priority(client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA))) },
		  .paths = TC_L2 | TC_L2_CHECKED | TC_L2_L3 },
	};

	padded(3, padded_data.query);
	padded(5, padded_ack.reply);
	return RUN_PROXY(path, cases);
}

static int rows_of_ip_options(const struct path *path)
{
	const struct test_case cases[] = {
		{ "behind IP options",
		  { OPENS, AGREES, in_ip_options(FIRST),
		    in_ip_options(client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA))),
		    FIRST_IS_READ } },
	};

	return RUN_PROXY(path, cases);
}

static int of_frames(const struct path *path)
{
	int failed = everywhere(path, rows_of_frames);

	set_talkers(false, false, 1001);
	failed += rows_of_ip_options(path);
	if (!(path->bit & ETHERNET_UPLINK))
		return failed;
	set_talkers(false, true, 1001);
	return failed + rows_of_ip_options(path);
}

/* --- options of the client's SYN --------------------------------------------------------------- */

#define OPTIONS(text) text, sizeof(text) - 1

struct syn_options {
	const char *name, *before;
	unsigned len;
	const char *after;
};

static int syn_options(const struct path *path)
{
	static const struct syn_options rows[] = {
		{ "Fast Open", OPTIONS("\42\12cookiecc\1\1"), "\1\1\1\1\1\1\1\1\1\1\1\1" },
		{ "Fast Open without cookie", OPTIONS("\42\2\1\1"), "\1\1\1\1" },
		{ "experimental Fast Open", OPTIONS("\376\4\371\211"), "\1\1\1\1" },
		{ "another experiment", OPTIONS("\375\6abcd\1\1"), "\1\1\1\1\1\1\1\1" },
		{ "MPTCP", OPTIONS("\36\14\0\201abcdefgh"), "\1\1\1\1\1\1\1\1\1\1\1\1" },
		{ "at an odd place", OPTIONS("\1\42\4ab\1\1\1"), "\1\1\1\1\1\1\1\1" },
		{ "at an odd place, of an odd length", OPTIONS("\1\42\3a\1\42\2"),
		  "\1\1\1\1\1\1\1" },
		{ "behind a window scale, before SACK permitted",
		  OPTIONS("\3\3\7\36\4ab\4\2\1\1\1"), "\3\3\7\1\1\1\1\4\2\1\1\1" },
		{ "behind timestamps", OPTIONS("\10\12abcdefgh\42\2"), "\10\12abcdefgh\1\1" },
		{ "all four", OPTIONS("\42\2\36\3a\375\2\376\3b\1\1"), "\1\1\1\1\1\1\1\1\1\1\1\1" },
		{ "twice", OPTIONS("\42\4ab\42\4cd"), "\1\1\1\1\1\1\1\1" },
		{ "all of the options", OPTIONS("\42\50abcdefghijklmnopqrstuvwxyzabcdefghijkl"),
		  "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1" },
		{ "the most: twenty of two bytes",
		  OPTIONS("\42\2\42\2\42\2\42\2\42\2\42\2\42\2\42\2\42\2\42\2"
			  "\42\2\42\2\42\2\42\2\42\2\42\2\42\2\42\2\42\2\42\2"),
		  "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1" },
		{ "the last of forty NOPs",
		  OPTIONS("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
			  "\42\2"),
		  "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1" },
		{ "MSS and all that Linux sends stay",
		  OPTIONS("\2\4\2\30\4\2\10\12abcdefgh\1\3\3\7"),
		  "\2\4\2\30\4\2\10\12abcdefgh\1\3\3\7" },
		{ "an unknown option of such bytes stays", OPTIONS("\100\6\42\2\36\2\1\1"),
		  "\100\6\42\2\36\2\1\1" },
		{ "31, 33, 35, 252 and 255 stay", OPTIONS("\37\2\41\2\43\2\374\2\377\2\1\1"),
		  "\37\2\41\2\43\2\374\2\377\2\1\1" },
		{ "what is behind the end of the list stays", OPTIONS("\0\42\2\1"), "\0\42\2\1" },
		{ "what is behind an option without length stays", OPTIONS("\100\0\42\2"),
		  "\100\0\42\2" },
		{ "one that is longer than the header stays", OPTIONS("\1\1\42\3"), "\1\1\42\3" },
		{ "one of length 1 stays", OPTIONS("\42\1\1\1"), "\42\1\1\1" },
		{ "one of length 0 stays", OPTIONS("\42\0\1\1"), "\42\0\1\1" },
	};
	int failed = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct layer_of *before = syn(I, nothing()), *after = syn_sent(I, nothing());
		unsigned len = (rows[i].len + 3) / 4 * 4;
		char padded_before[40] = {}, padded_after[40] = {};

		memcpy(padded_before, rows[i].before, rows[i].len);
		memcpy(padded_after, rows[i].after, rows[i].len);
		option(padded_before, len, before);
		option(padded_after, len, after);
		const struct test_case cases[] = {
			{ rows[i].name,
			  { { .query = ask(before),
			      .becomes = sent(after),
			      .why = EDGE53_TCP_OPENED,
			      .state = EDGE53_CONN_HALF_OPEN },
			    /* Sent again. */
			    client_sends(before, after),
			    /* The backend's are its own. */
			    backend_sends(option(padded_before, len, syn_ack(THEIRS, I)), NULL) } },
		};
		struct test_case one = cases[0];

		/* But for MSS, which no row but one has. */
		if (strstr(rows[i].name, "MSS"))
			one.steps[2] = (struct step){};
		else
			one.steps[2].becomes = got(option(
				padded_before, len, window(64240 - H, syn_ack_got(THEIRS, I))));
		one.world = proxy_tcp;
		failed += run_cases(path, &one, 1);
	}
	return failed;
}

static int of_syn_options(const struct path *path)
{
	return everywhere(path, syn_options);
}

/* --- MSS --------------------------------------------------------------------------------------- */

/* What fits on both sides: 1,420 towards the backend, 1,500 towards the client. */
static unsigned fits(void)
{
	return 1420 - (backend6 ? 60 : 40);
}

static struct test_case mss_row(const char *name, unsigned before, unsigned to_backend,
				unsigned to_client)
{
	struct test_case row = {
		name,
		{ { .query = ask(mss(before, syn(I, nothing()))),
		    .becomes = sent(mss(to_backend, syn_sent(I, nothing()))),
		    .why = EDGE53_TCP_OPENED,
		    .state = EDGE53_CONN_HALF_OPEN },
		  backend_sends(mss(before, syn_ack(THEIRS, I)),
				mss(to_client, window(64240 - H, syn_ack_got(THEIRS, I)))) },
	};

	return row;
}

static int rows_of_mss(const struct path *path)
{
	struct layer_of *odd = option("\1\2\4\5\264\1\1\1", 8, syn_ack(THEIRS, I));
	unsigned lower = fits() - H;
	const char odd_text[8] = { 1, 2, 4, lower >> 8, lower, 1, 1, 1 };
	const struct test_case cases[] = {
		mss_row("as Ethernet has it", 1460, fits(), fits() - H),
		mss_row("just what fits", fits(), fits(), fits() - H),
		mss_row("what fits with the header", fits() - H, fits() - H, fits() - 2 * H),
		mss_row("536", 536, 536, 536 - H),
		mss_row("a byte more than the header", H + 1, H + 1, 1),
		mss_row("as long as the header", H, H, 1),
		mss_row("a byte less", H - 1, H - 1, 1),
		mss_row("1", 1, 1, 1),
		mss_row("65535", 65535, fits(), fits() - H),
		{ "at an odd place",
		  { OPENS,
		    backend_sends(odd, option(odd_text, 8,
					      window(64240 - H, syn_ack_got(THEIRS, I)))) } },
		{ "none stays none", { OPENS, AGREES } },
		{ "without SYN it is none",
		  { OPENS, AGREES, FIRST,
		    backend_sends(mss(1460, B("A", I + H, nothing())),
				  mss(1460, G("A", I, nothing()))),
		    client_sends(mss(1460, C("A", I + 13, nothing())),
				 mss(1460, S("A", I + 13 + H, nothing()))) } },
		{ "of a SYN-ACK that comes again, too",
		  { OPENS, AGREES, FIRST,
		    backend_sends(mss(536, syn_ack(THEIRS, I)),
				  mss(536 - H, window(64240 - H, syn_ack_got(THEIRS, I)))) } },
	};

	return RUN_PROXY(path, cases);
}

static int of_mss(const struct path *path)
{
	return everywhere(path, rows_of_mss);
}

/* --- backend → client -------------------------------------------------------------------------- */

/* A segment of the backend acknowledges I + d: what the client gets, and how much window is left of 64,240. */
static struct step acks(unsigned d, unsigned becomes, unsigned left)
{
	return backend_sends(B("A", I + d, nothing()),
			     window(left, G("A", I + becomes, nothing())));
}

static int rows_of_backend(const struct path *path)
{
	const struct test_case cases[] = {
		{ "7, 8: from the first byte of the header to the first of the client's",
		  { OPENS, AGREES, FIRST, acks(-1, -1, 64240 - H), acks(0, 0, 64240 - H),
		    acks(1, 0, 64240 - H + 1), acks(12, 0, 64240 - H + 12),
		    acks(H - 1, 0, 64240 - 1), acks(H, 0, 64240), acks(H + 1, 1, 64240),
		    acks(H + 13, 13, 64240), acks(-1000, -1000, 64240 - H) } },
		{ "7: data of the backend",
		  { OPENS, AGREES, FIRST,
		    backend_sends(B("PA", I + H + 13, DATA), G("PA", I + 13, DATA)),
		    backend_sends(B("PA", I + 5, DATA), window(64240 - H + 5, G("PA", I, DATA))),
		    backend_sends(B("FA", I + H + 13, nothing()), G("FA", I + 13, nothing())) } },
		{ "7: a RST with ACK",
		  { OPENS, AGREES, FIRST,
		    backend_sends(B("RA", I + H + 13, nothing()), G("RA", I + 13, nothing())) } },
		{ "7: as far as the sign goes",
		  { OPENS, AGREES, acks(0x80000000, 0x80000000, 64240 - H),
		    acks(0x80000001, 0x80000001, 64240 - H) } },
		{ "6: without ACK the field means nothing",
		  { OPENS, AGREES, FIRST,
		    backend_sends(B("R", I + H + 13, nothing()), G("R", I + H + 13, nothing())),
		    backend_sends(B("R", 0, nothing()), G("R", 0, nothing())),
		    backend_sends(B("P", I + 1, DATA), G("P", I + 1, DATA)) } },
		{ "6: before the backend agreed",
		  { OPENS, acks(0, 0, 64240), acks(H, H, 64240), acks(1000, 1000, 64240),
		    acks(-1000, -1000, 64240) } },
		{ "6: a refusal",
		  { OPENS, backend_sends(B("RA", I, nothing()), G("RA", I, nothing())) } },
		{ "6: a refusal of another SYN has no number of this connection",
		  { OPENS, AGREES, FIRST,
		    client_sends(syn(I + 500, nothing()), syn_sent(I + 500, nothing())),
		    backend_sends(B("RA", I + 500, nothing()), G("RA", I + 500, nothing())) } },
		{ "6: a refusal of the first SYN, late: its window, too",
		  { OPENS, AGREES, backend_sends(B("RA", I, nothing()), G("RA", I, nothing())) } },
		{ "7: an ACK with the number of another SYN is no refusal",
		  { OPENS, AGREES, FIRST,
		    client_sends(syn(I + 500, nothing()), syn_sent(I + 500, nothing())),
		    acks(500, 500 - H, 64240) } },
		{ "7: an ACK to another SYN is one of this connection",
		  { OPENS, AGREES, FIRST,
		    client_sends(syn(I + 500, nothing()), syn_sent(I + 500, nothing())),
		    FIRST_IS_READ,
		    client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA)) } },
		{ "5: the SYN-ACK again", { OPENS, AGREES, AGREES, FIRST, AGREES, FIRST } },
		{ "5: a SYN-ACK of no life that is known",
		  { OPENS,
		    AGREES,
		    FIRST,
		    client_sends(syn(I + 500, nothing()), syn_sent(I + 500, nothing())),
		    { .reply = answer(syn_ack(9000, I)), .why = EDGE53_WITHOUT_HEADER },
		    { .reply = answer(syn_ack(THEIRS, I + 1)), .why = EDGE53_WITHOUT_HEADER },
		    client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA)) } },
		{ "5: SYN-ACK with data, as Fast Open would",
		  { OPENS,
		    backend_sends(segment(BACKEND_TCP, conn_port(0), "SA", THEIRS, I, DATA),
				  window(64240 - H, segment(53, 40000, "SA", THEIRS, I, DATA))),
		    FIRST } },
		{ "8: a window that is smaller than the header",
		  { OPENS, AGREES,
		    backend_sends(window(H + 1, B("A", I, nothing())),
				  window(1, G("A", I, nothing()))),
		    backend_sends(window(H, B("A", I, nothing())), window(0, G("A", I, nothing()))),
		    backend_sends(window(H - 1, B("A", I, nothing())),
				  window(0, G("A", I, nothing()))),
		    backend_sends(window(0, B("A", I, nothing())), window(0, G("A", I, nothing()))),
		    backend_sends(window(0, B("A", I + H, nothing())),
				  window(0, G("A", I, nothing()))),
		    backend_sends(window(65535, B("A", I, nothing())),
				  window(65535 - H, G("A", I, nothing()))) } },
		{ "8: in a SYN-ACK, too",
		  { OPENS,
		    backend_sends(window(H - 1, syn_ack(THEIRS, I)),
				  window(0, syn_ack_got(THEIRS, I))),
		    FIRST } },
		{ "9: d just below 2^30 leaves all as it is",
		  { OPENS, AGREES, acks((1u << 30) - 1, (1u << 30) - 1 - H, 64240), FIRST,
		    client_sends(C("A", I - 5, nothing()), S("A", I - 5, nothing())),
		    acks(5, 0, 64240 - H + 5) } },
		{ "9: from 2^30 on everything is shifted",
		  { OPENS, AGREES, IS_DONE, client_sends(C("PA", I, DATA), S("PA", I + H, DATA)),
		    client_sends(C("A", I - 5, nothing()), S("A", I - 5 + H, nothing())),
		    client_sends(C("FA", I, nothing()), S("FA", I + H, nothing())),
		    client_sends(C("R", I + 0x80000000, nothing()),
				 S("R", I + 0x80000000 + H, nothing())),
		    acks(5, 5 - H, 64240), acks(0, -H, 64240), acks(-5, -5 - H, 64240),
		    acks(0x80000000, 0x80000000 - H, 64240) } },
		{ "9: as far as the sign goes",
		  { OPENS, AGREES, acks(0x7fffffff, 0x7fffffff - H, 64240), acks(0, -H, 64240) } },
		{ "9: the client's numbers do not do it",
		  { OPENS, AGREES,
		    client_sends(C("A", I + 0x7fffffff, nothing()),
				 S("A", I + 0x7fffffff + H, nothing())),
		    FIRST, acks(5, 0, 64240 - H + 5) } },
		{ "9: nor does the backend before it agreed",
		  { OPENS, acks(1u << 30, 1u << 30, 64240), AGREES, FIRST } },
		{ "9: nor with SYN or RST",
		  { OPENS, AGREES,
		    backend_sends(B("RA", I + (1u << 30), nothing()),
				  G("RA", I + (1u << 30) - H, nothing())),
		    acks(5, 0, 64240 - H + 5) } },
		{ "9: nor without ACK",
		  { OPENS, AGREES,
		    backend_sends(B("R", I + (1u << 30), nothing()),
				  G("R", I + (1u << 30), nothing())),
		    acks(5, 0, 64240 - H + 5) } },
	};

	return RUN_PROXY(path, cases);
}

static int of_backend(const struct path *path)
{
	return everywhere(path, rows_of_backend);
}

/* --- the window's scale ------------------------------------------------------------------------ */

static unsigned rounded_up(unsigned bytes, unsigned scale)
{
	return (bytes + (1u << scale) - 1) >> scale;
}

static int scale_rows(const struct path *path, unsigned scale)
{
	/* RFC 7323 2.3: more than 14 means 14. */
	unsigned used = scale > 14 ? 14 : scale;
	const struct test_case cases[] = {
		{ "8: the window shrinks by what the header takes, rounded up",
		  { OPENS, agrees_scaled(scale), acks(0, 0, 64240 - rounded_up(H, used)),
		    acks(1, 0, 64240 - rounded_up(H - 1, used)),
		    acks(H - 1, 0, 64240 - rounded_up(1, used)), acks(H, 0, 64240),
		    acks(-3, -3, 64240 - rounded_up(H, used)),
		    backend_sends(window(1, B("A", I, nothing())), window(0, G("A", I, nothing()))),
		    /* A SYN has none. */
		    agrees_scaled(scale) } },
		{ "8: another SYN-ACK without the option takes it back",
		  { OPENS, agrees_scaled(scale), AGREES, acks(0, 0, 64240 - H) } },
	};

	return RUN_PROXY(path, cases);
}

static int scales(const struct path *path)
{
	int failed = 0;

	for (unsigned scale = 0; scale <= 16; scale++) {
		set_talkers(scale & 1, scale & 2, 1001);
		frames_reset();
		if (scale_rows(path, scale)) {
			printf("    ^ scale %u\n", scale);
			failed++;
		}
	}
	return failed;
}

/* --- SACK -------------------------------------------------------------------------------------- */

/* What becomes of a number I + d in a block. */
static unsigned mapped(unsigned d)
{
	return (int)d <= 0 ? I + d : d <= H ? I : I + d - H;
}

/* n blocks behind so many NOPs, with edges in and around the header. */
static struct layer_of *sack(unsigned nops, unsigned n, bool is_mapped, struct layer_of *segment)
{
	const unsigned edges[8] = { H + 13, H + 100, H, H + 1, -1u, 1, 0, 1u << 29 };
	unsigned len = (nops + 2 + 8 * n + 3) / 4 * 4;
	unsigned char text[40] = {};

	memset(text, 1, nops);
	text[nops] = 5;
	text[nops + 1] = 2 + 8 * n;
	for (unsigned i = 0; i < 2 * n; i++)
		put32(text + nops + 2 + 4 * i, is_mapped ? mapped(edges[i]) : I + edges[i]);
	return option((const char *)text, len, segment);
}

static int sack_rows(const struct path *path, unsigned nops, unsigned n)
{
	const struct test_case cases[] = {
		{ "7: SACK blocks",
		  { OPENS, AGREES, FIRST,
		    backend_sends(sack(nops, n, false, B("A", I + H, nothing())),
				  sack(nops, n, true, G("A", I, nothing()))) } },
		{ "7: SACK blocks in data",
		  { OPENS, AGREES, FIRST,
		    backend_sends(sack(nops, n, false, B("PA", I + H + 13, DATA)),
				  sack(nops, n, true, G("PA", I + 13, DATA))) } },
		{ "6: before the backend agreed they stay",
		  { OPENS, backend_sends(sack(nops, n, false, B("A", I + H, nothing())),
					 sack(nops, n, false, G("A", I + H, nothing()))) } },
	};

	return RUN_PROXY(path, cases);
}

static struct layer_of *of_blocks(const char *before, unsigned len, unsigned a, unsigned b,
				  struct layer_of *segment)
{
	unsigned char text[40] = {};

	memcpy(text, before, len);
	put32(text + len, a);
	put32(text + len + 4, b);
	return option((const char *)text, (len + 8 + 3) / 4 * 4, segment);
}

#define BLOCKS(before, a, b, segment) of_blocks(before, sizeof(before) - 1, a, b, segment)

static int rows_of_other_sack(const struct path *path)
{
	const struct test_case cases[] = {
		{ "behind timestamps, as Linux sends it",
		  { OPENS, AGREES, FIRST,
		    backend_sends(BLOCKS("\1\1\10\12abcdefgh\1\1\5\12", I + H + 13, I + H + 26,
					 B("A", I + H, nothing())),
				  BLOCKS("\1\1\10\12abcdefgh\1\1\5\12", I + 13, I + 26,
					 G("A", I, nothing()))) } },
		{ "before timestamps",
		  { OPENS, AGREES, FIRST,
		    backend_sends(
			    option("\10\12abcdefgh", 12,
				   BLOCKS("\1\1\5\12", I + H + 13, I + H + 26,
					  B("A", I + H, nothing()))),
			    option("\10\12abcdefgh", 12,
				   BLOCKS("\1\1\5\12", I + 13, I + 26, G("A", I, nothing())))) } },
		{ "when done, too",
		  { OPENS, AGREES, IS_DONE,
		    backend_sends(BLOCKS("\1\1\5\12", I + 13, I - 1, B("A", I + 5, nothing())),
				  BLOCKS("\1\1\5\12", I + 13 - H, I - 1 - H,
					 G("A", I + 5 - H, nothing()))) } },
		{ "behind the end of the list it is none",
		  { OPENS, AGREES, FIRST,
		    backend_sends(
			    BLOCKS("\0\1\5\12", I + H + 13, I + H + 26, B("A", I + H, nothing())),
			    BLOCKS("\0\1\5\12", I + H + 13, I + H + 26, G("A", I, nothing()))) } },
		{ "of a length that is none",
		  { OPENS, AGREES, FIRST,
		    backend_sends(
			    BLOCKS("\1\1\5\11", I + H + 13, I + H + 26, B("A", I + H, nothing())),
			    BLOCKS("\1\1\5\11", I + H + 13, I + H + 26, G("A", I, nothing()))) } },
		{ "cut off by the end of the header",
		  { OPENS, AGREES, FIRST,
		    backend_sends(
			    BLOCKS("\1\1\5\22", I + H + 13, I + H + 26, B("A", I + H, nothing())),
			    BLOCKS("\1\1\5\22", I + H + 13, I + H + 26, G("A", I, nothing()))) } },
		{ "timestamps alone stay, whatever they look like",
		  { OPENS, AGREES, FIRST,
		    backend_sends(option("\1\1\10\12\5\12\5\12\5\12\5\12", 12,
					 B("A", I + H + 13, nothing())),
				  option("\1\1\10\12\5\12\5\12\5\12\5\12", 12,
					 G("A", I + 13, nothing()))) } },
		{ "a wrong checksum stays wrong",
		  { OPENS, AGREES, FIRST,
		    backend_sends(bad_checksum(BLOCKS("\1\5\12", I + H + 13, I + H + 26,
						      B("A", I + H, nothing()))),
				  bad_checksum(BLOCKS("\1\5\12", I + 13, I + 26,
						      G("A", I, nothing())))) } },
	};

	return RUN_PROXY(path, cases);
}

static int of_sack(const struct path *path)
{
	int failed = everywhere(path, rows_of_other_sack);

	for (unsigned nops = 0; nops <= 6; nops++)
		for (unsigned n = 1; n <= 4; n++) {
			set_talkers(n & 1, n & 2, nops & 1 ? 1001 : 0xffffffe0);
			frames_reset();
			if (nops + 2 + 8 * n <= 40 && sack_rows(path, nops, n)) {
				printf("    ^ %u blocks behind %u NOPs\n", n, nops);
				failed++;
			}
		}
	return failed;
}

/* --- not to be forged -------------------------------------------------------------------------- */

static struct layer_of *forged_text(unsigned len)
{
	return raw(0, (const unsigned char *)"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c", len);
}

static int rows_of_forged(const struct path *path)
{
	struct layer_of *nearly = text("\r\n\r\n?\r\nQUIT\n!");
	const struct test_case cases[] = {
		{ "a client's own header",
		  { OPENS, AGREES,
		    client_is_refused(C("PA", I, forged_text(16)), EDGE53_FORGED_HEADER),
		    client_is_refused(C("PA", I, forged_text(12)), EDGE53_FORGED_HEADER),
		    client_is_refused(C("FA", I, forged_text(12)), EDGE53_FORGED_HEADER), FIRST } },
		{ "cut off it may be anything",
		  { OPENS, AGREES,
		    client_sends(C("PA", I, forged_text(11)),
				 S("PA", I, header(forged_text(11)))) } },
		{ "padding does not complete it",
		  { OPENS, AGREES,
		    without_padding(client_sends(C("PA", I, forged_text(11)),
						 S("PA", I, header(forged_text(11))))) } },
		{ "one byte is different",
		  { OPENS, AGREES, client_sends(C("PA", I, nearly), S("PA", I, header(nearly))) } },
		{ "later it is data",
		  { OPENS, AGREES, FIRST,
		    client_sends(C("PA", I + 13, forged_text(16)),
				 S("PA", I + 13 + H, forged_text(16))),
		    client_sends(C("PA", I + 1, forged_text(16)),
				 S("PA", I + 1 + H, forged_text(16))) } },
		{ "of a backend it is data",
		  { OPENS, AGREES, FIRST,
		    backend_sends(B("PA", I + H + 13, forged_text(16)),
				  G("PA", I + 13, forged_text(16))) } },
		{ "behind TCP options",
		  { OPENS, AGREES,
		    client_is_refused(option("\1\1\10\12abcdefgh", 12, C("PA", I, forged_text(16))),
				      EDGE53_FORGED_HEADER) } },
	};

	padded(1, cases[2].steps[2].query);
	return RUN_PROXY(path, cases);
}

static int of_forged(const struct path *path)
{
	return everywhere(path, rows_of_forged);
}

/* --- lives ------------------------------------------------------------------------------------- */

#define J (I + 70000)

static struct step reopens(unsigned first)
{
	struct step step = opens(first);

	return step;
}

static int rows_of_lives(const struct path *path)
{
	struct step backend_closes =
		backend_sends(B("FA", I + H + 13, nothing()), G("FA", I + 13, nothing()));
	struct step client_closes =
		client_sends(C("FA", I + 13, nothing()), S("FA", I + 13 + H, nothing()));
	const struct test_case cases[] = {
		{ "opened again after both FINs: the numbers stay until the backend agrees to others",
		  { OPENS, AGREES, FIRST, backend_closes, client_closes, reopens(J),
		    client_sends(C("A", I + 14, nothing()), S("A", I + 14 + H, nothing())),
		    FIRST_IS_READ, agrees(9000, J),
		    client_sends(C("PA", J, DATA), S("PA", J, header(DATA))),
		    client_sends(C("PA", J + 13, DATA), S("PA", J + 13 + H, DATA)),
		    acks(70000 + H + 13, 70000 + 13, 64240) } },
		{ "after the backend's RST nothing is known",
		  { OPENS, AGREES, FIRST,
		    backend_sends(B("RA", I + H + 13, nothing()), G("RA", I + 13, nothing())),
		    reopens(J), client_sends(C("A", I + 14, nothing()), S("A", I + 14, nothing())),
		    client_is_refused(C("PA", J, DATA), EDGE53_WITHOUT_HEADER), agrees(9000, J),
		    client_sends(C("PA", J, DATA), S("PA", J, header(DATA))) } },
		{ "a new life is not done",
		  { OPENS, AGREES, IS_DONE,
		    backend_sends(B("FA", I + 5, nothing()), G("FA", I + 5 - H, nothing())),
		    client_sends(C("FA", I, nothing()), S("FA", I + H, nothing())), reopens(J),
		    client_sends(C("A", I - 5, nothing()), S("A", I - 5 + H, nothing())),
		    agrees(9000, J), client_sends(C("PA", J, DATA), S("PA", J, header(DATA))),
		    client_sends(C("A", J - 5, nothing()), S("A", J - 5, nothing())) } },
		{ "the client tries another number before the backend answers",
		  { OPENS, client_sends(syn(J, nothing()), syn_sent(J, nothing())), agrees(9000, J),
		    client_sends(C("PA", J, DATA), S("PA", J, header(DATA))) } },
	};

	return RUN_PROXY(path, cases);
}

static int of_lives(const struct path *path)
{
	return everywhere(path, rows_of_lives);
}

/* --- services without, and changes -------------------------------------------------------------- */

static void proxy_udp_only(void)
{
	proxy_tcp();
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_UDP);
}

static struct step with(void (*before)(void), struct step step)
{
	step.before = before;
	return step;
}

static void takes_option(void)
{
	no_option();
}

#define PLAIN_AGREES backend_sends(syn_ack(THEIRS, I), syn_ack_got(THEIRS, I))

static int rows_of_none(const struct path *path)
{
	const struct test_case cases[] = {
		{ "nothing happens without the option",
		  { OPENS, PLAIN_AGREES, client_sends(C("PA", I, DATA), S("PA", I, DATA)),
		    client_sends(C("PA", I + 13, DATA), S("PA", I + 13, DATA)), acks(5, 5, 64240),
		    acks(1u << 30, 1u << 30, 64240),
		    client_sends(C("A", I - 5, nothing()), S("A", I - 5, nothing())),
		    client_sends(urgent(3, C("PAU", I, DATA)), urgent(3, S("PAU", I, DATA))),
		    client_sends(C("PA", I, forged_text(16)), S("PA", I, forged_text(16))),
		    backend_sends(BLOCKS("\1\1\5\12", I + H + 13, I + H + 26,
					 B("A", I + H, nothing())),
				  BLOCKS("\1\1\5\12", I + H + 13, I + H + 26,
					 G("A", I + H, nothing()))) },
		  .world = no_option },
		{ "nor with the option for UDP",
		  { OPENS, PLAIN_AGREES, client_sends(C("PA", I, DATA), S("PA", I, DATA)),
		    acks(5, 5, 64240) },
		  .world = proxy_udp_only },
		{ "data before the backend answers",
		  { OPENS, client_sends(C("PA", I, DATA), S("PA", I, DATA)) },
		  .world = no_option },
		{ "a SYN with data, and with any option",
		  { { .query = ask(option("\42\4ab", 4, syn(I, DATA))),
		      .becomes = sent(option("\42\4ab", 4, syn_sent(I, DATA))),
		      .why = EDGE53_TCP_OPENED,
		      .state = EDGE53_CONN_HALF_OPEN },
		    backend_sends(mss(536, syn_ack(THEIRS, I)), mss(536, syn_ack_got(THEIRS, I))) },
		  .world = no_option },
		{ "a connection keeps what its service had when it was opened",
		  { OPENS, AGREES, with(takes_option, FIRST), FIRST_IS_READ,
		    client_sends(C("PA", I + 13, DATA), S("PA", I + 13 + H, DATA)),
		    acks(5, 0, 64240 - H + 5) } },
		{ "and one opened without stays without",
		  { OPENS, PLAIN_AGREES,
		    with(proxy_tcp, client_sends(C("PA", I, DATA), S("PA", I, DATA))),
		    acks(5, 5, 64240) },
		  .world = no_option },
	};

	return RUN_PROXY(path, cases);
}

static int of_none(const struct path *path)
{
	return everywhere(path, rows_of_none);
}

const struct table proxy_tcp_tables[] = {
	{ "PROXY over TCP: client to backend", of_client, EDGE_PATHS },
	{ "PROXY over TCP: backend to client", of_backend, EDGE_PATHS },
	{ "PROXY over TCP: lengths", first_lengths, EDGE_PATHS },
	{ "PROXY over TCP: frames", of_frames, EDGE_PATHS },
	{ "PROXY over TCP: options of a SYN", of_syn_options, EDGE_PATHS },
	{ "PROXY over TCP: MSS", of_mss, EDGE_PATHS },
	{ "PROXY over TCP: window scale", scales, EDGE_PATHS },
	{ "PROXY over TCP: SACK", of_sack, EDGE_PATHS },
	{ "PROXY over TCP: forged", of_forged, EDGE_PATHS },
	{ "PROXY over TCP: lives", of_lives, EDGE_PATHS },
	{ "PROXY over TCP: none", of_none, EDGE_PATHS },
	{},
};
