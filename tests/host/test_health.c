// SPDX-License-Identifier: GPL-2.0-only
/* When a server is alive, when its clients have no answer, and what a DNS message says, hostile ones too. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/dns_message.h"
#include "../../loader/health_state.h"

/* --- alive or dead ---------------------------------------------------------------------------- */

/*
 * What came of each question ("+" good, "-" bad), and what the server was after each: "U" alive, "D" dead. The first
 * letter is what it was taken for before any.
 */
static const struct {
	const char *name;
	struct health_rule rule;
	const char *results;
	const char *is;
} stories[] = {
	{ "falls after three, rises after two", { 2, 3, true, false }, "+---++", "UUUUDDU" },
	{ "never asked before, and silent", { 2, 3, true, false }, "---", "UUUD" },
	{ "two failures are forgiven", { 2, 3, true, false }, "--+--+--+", "UUUUUUUUUU" },
	{ "one good answer of a dead one is forgotten",
	  { 2, 3, true, false },
	  "+---+-+-++",
	  "UUUUDDDDDDU" },
	{ "the first answer ever is not", { 2, 3, true, false }, "---+--", "UUUDUUU" },
	{ "flapping: every change takes its time",
	  { 2, 2, true, false },
	  "+--++--++",
	  "UUUDDUUDDU" },
	{ "rise 1, fall 1 follows each answer", { 1, 1, true, false }, "+-+-", "UUDUD" },
	{ "a resolver is dead until it answers", { 2, 3, false, false }, "+", "DU" },
	{ "a resolver that starts after us does not wait for rise",
	  { 2, 3, false, false },
	  "--+--",
	  "DDDUUU" },
	{ "but it does when it comes back", { 2, 3, false, false }, "-+---++", "DDUUUDDU" },
	{ "a resolver rises and falls as others do", { 2, 3, false, false }, "+---+", "DUUUDD" },
	{ "who never answered is no worse off", { 2, 3, true, true }, "------", "UUUUUUU" },
	{ "who answered once can die", { 2, 3, true, true }, "----+---", "UUUUUUUUD" },
	{ "and comes back", { 2, 3, true, true }, "+---++", "UUUUDDU" },
	{ "fall counts from the first answer on", { 2, 3, true, true }, "--+--+---", "UUUUUUUUUD" },
};

static void servers_rise_and_fall(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		struct health_state health = health_begin(&stories[i].rule);
		const char *is = stories[i].is;

		assert_int_equal(health.is_up, *is == 'U');
		assert_false(health.is_known);
		for (const char *result = stories[i].results; *result; result++, is++) {
			bool changed = health_note(&health, &stories[i].rule, *result == '+');

			if (health.is_up != (is[1] == 'U') || changed != (is[0] != is[1]))
				fail_msg("%s: after result %td", stories[i].name,
					 result - stories[i].results + 1);
			assert_true(health.is_known);
		}
	}
}

/* The loader before us knew it, and knew it dead: it is none that boots. */
static void a_dead_one_that_was_known_waits_for_rise(void **state)
{
	const struct health_rule rule = { 2, 3, false, false };
	struct health_state health = { .is_known = true, .has_answered = true };

	(void)state;
	assert_false(health_note(&health, &rule, true));
	assert_true(health_note(&health, &rule, true));
	assert_true(health.is_up);
}

/* Two changes are never nearer than rise or fall say, whatever comes. */
static void nothing_flaps_faster_than_the_rule(void **state)
{
	const struct health_rule rule = { 3, 4, true, false };
	struct health_state health = health_begin(&rule);
	unsigned int since = 0;

	(void)state;
	srand(1);
	health_note(&health, &rule, true);
	for (int i = 0; i < 100000; i++) {
		bool was_up = health.is_up;

		since++;
		if (!health_note(&health, &rule, rand() % 3 == 0))
			continue;
		assert_true(since >= (was_up ? rule.fall : rule.rise));
		since = 0;
	}
}

static void rules_come_from_the_file(void **state)
{
	struct config_health config = { .rise = 2, .fall = 3 };
	struct health_rule rule = health_rule_of(&config, false);

	(void)state;
	assert_true(rule.starts_up && rule.needs_proof);
	config.is_written = true;
	rule = health_rule_of(&config, false);
	assert_true(rule.starts_up && !rule.needs_proof);
	config.is_written = false;
	rule = health_rule_of(&config, true);
	assert_false(rule.starts_up || rule.needs_proof);
	assert_int_equal(rule.rise, 2);
	assert_int_equal(rule.fall, 3);
}

static void answers_are_judged(void **state)
{
	struct config_health ours = {}, theirs = { .has_question = true };

	(void)state;
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_ANSWERED, 0), HEALTH_GOOD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_ANSWERED, 2), HEALTH_GOOD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_ANSWERED, 5), HEALTH_GOOD);
	assert_int_equal(health_judge(&theirs, EDGE53_PROBE_ANSWERED, 0), HEALTH_GOOD);
	assert_int_equal(health_judge(&theirs, EDGE53_PROBE_ANSWERED, 2), HEALTH_BAD);
	assert_int_equal(health_judge(&theirs, EDGE53_PROBE_ANSWERED, 3), HEALTH_GOOD);
	assert_int_equal(health_judge(&theirs, EDGE53_PROBE_ANSWERED, 5), HEALTH_GOOD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_SILENT, 0), HEALTH_BAD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_PORT_CLOSED, 0), HEALTH_BAD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_CLOSED, 0), HEALTH_BAD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_UNREACHABLE, 0), HEALTH_BAD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_HEADER_NOT_READ, 0), HEALTH_BAD);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_NOT_SENT, 0), HEALTH_VOID);
	assert_int_equal(health_judge(&ours, EDGE53_PROBE_NONE, 0), HEALTH_VOID);
}

/* --- clients without an answer ---------------------------------------------------------------- */

/* One window: so many queries, so many answered, in so many milliseconds. Returns whether something changed. */
struct clients {
	struct health_window window;
	uint64_t queries, replies, now_ms;
};

static bool pass(struct clients *c, unsigned int ms, unsigned int queries, unsigned int replies)
{
	c->now_ms += ms;
	c->queries += queries;
	c->replies += replies;
	return health_window_note(&c->window, c->queries, c->replies, c->now_ms);
}

static struct clients begin(void)
{
	struct clients c = { .queries = 1000000, .replies = 900000, .now_ms = 77 };

	assert_false(pass(&c, 0, 0, 0)); /* what was before does not count */
	return c;
}

static void two_bad_windows_are_reported(void **state)
{
	struct clients c = begin();

	(void)state;
	assert_false(pass(&c, 10000, 100, 50));
	assert_int_equal(c.window.queries, 100);
	assert_int_equal(c.window.unanswered, 50);
	assert_true(pass(&c, 10000, 100, 0));
	assert_true(c.window.is_reported);
	/* Neither good nor bad: it stays. */
	assert_false(pass(&c, 10000, 100, 60));
	assert_false(pass(&c, 10000, 100, 70));
	assert_false(pass(&c, 10000, 100, 75));
	assert_false(pass(&c, 10000, 100, 100));
	assert_true(c.window.is_reported);
	assert_true(pass(&c, 10000, 100, 76));
	assert_false(c.window.is_reported);
}

static void one_bad_window_is_not(void **state)
{
	struct clients c = begin();

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_false(pass(&c, 10000, 100, 0));
		assert_false(pass(&c, 10000, 100, 51));
	}
}

static void few_queries_are_waited_for(void **state)
{
	struct clients c = begin();

	(void)state;
	/* 49 in 50 s: not yet; with one more it is a window. */
	assert_false(pass(&c, 50000, 49, 0));
	assert_int_equal(c.window.queries, 0);
	assert_false(pass(&c, 1, 1, 0));
	assert_int_equal(c.window.queries, 50);
	assert_true(pass(&c, 10000, 50, 0));
	/* After a minute with too few it begins anew, and what is known stays. */
	assert_false(pass(&c, 60000, 49, 0));
	assert_false(pass(&c, 9999, 1000, 1000));
	assert_int_equal(c.window.queries, 50);
	assert_true(c.window.is_reported);
	health_window_forget(&c.window);
	assert_false(c.window.is_reported);
}

static void windows_are_not_shorter_than_ten_seconds(void **state)
{
	struct clients c = begin();

	(void)state;
	for (int i = 0; i < 9; i++)
		assert_false(pass(&c, 1000, 1000, 0));
	assert_int_equal(c.window.queries, 0);
	assert_false(pass(&c, 1000, 1000, 0));
	assert_int_equal(c.window.queries, 10000);
}

static void more_replies_than_queries_are_no_harm(void **state)
{
	struct clients c = begin();

	(void)state;
	assert_false(pass(&c, 10000, 100, 150));
	assert_int_equal(c.window.unanswered, 0);
}

static void what_goes_back_begins_anew(void **state)
{
	struct clients c = begin();

	(void)state;
	assert_false(pass(&c, 10000, 100, 0));
	/* Counters of a new dataplane. */
	assert_false(health_window_note(&c.window, 5, 5, c.now_ms + 10000));
	assert_false(health_window_note(&c.window, 5, 0, c.now_ms + 20000));
	/* The clock. */
	assert_false(health_window_note(&c.window, 1000, 0, 5));
	assert_false(health_window_note(&c.window, 2000, 0, 10004));
	assert_int_equal(c.window.queries, 100);
	/* A leap forward is a long window. */
	assert_true(health_window_note(&c.window, 3000, 0, UINT64_MAX));
	assert_int_equal(c.window.queries, 2000);
	/* And numbers as large as they come. */
	assert_false(health_window_note(&c.window, UINT64_MAX, 0, UINT64_MAX));
}

/* --- messages --------------------------------------------------------------------------------- */

static struct dns_question question_of(const char *name, unsigned int type)
{
	struct dns_question question;

	assert_int_equal(dns_question_make(name, type, &question), 0);
	return question;
}

static void names_are_made_into_questions(void **state)
{
	struct dns_question question = question_of("example.com", 6);
	char longest[256], label[65];

	(void)state;
	assert_int_equal(question.len, 17);
	assert_memory_equal(question.bytes, "\7example\3com\0\0\6\0\1", 17);
	question = question_of("example.com.", 6);
	assert_int_equal(question.len, 17);
	question = question_of("_dns.x-1.", 65);
	assert_memory_equal(question.bytes, "\4_dns\3x-1\0\0\101\0\1", 14);
	question = question_of(".", 2);
	assert_int_equal(question.len, 5);

	memset(label, 'a', 64);
	label[64] = '\0';
	assert_int_equal(dns_question_make(label, 1, &question), -EINVAL);
	label[63] = '\0';
	assert_int_equal(dns_question_make(label, 1, &question), 0);

	/* 253 letters and dots are 255 bytes on the wire. */
	for (size_t i = 0; i < 255; i++)
		longest[i] = i % 2 ? '.' : 'a';
	longest[253] = '\0';
	question = question_of(longest, 1);
	assert_int_equal(question.len, DNS_QUESTION_MAX_LEN);
	longest[253] = '.';
	longest[254] = 'a';
	longest[255] = '\0';
	assert_int_equal(dns_question_make(longest, 1, &question), -EINVAL);

	static const char *const bad[] = {
		"", "..", ".a", "a..b", "a b", "\303\244", "a/b", "a\\.b"
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dns_question_make(bad[i], 1, &question), -EINVAL);
}

static void queries_are_as_the_rfc_has_them(void **state)
{
	struct dns_question question = question_of("a.", 1);
	unsigned char query[DNS_QUERY_MAX_LEN];

	(void)state;
	assert_int_equal(dns_query_write(query, 0x1234, &question), 19);
	assert_memory_equal(query, "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19);
	assert_int_equal(dns_type_parse("soa"), 6);
	assert_int_equal(dns_type_parse("AAAA"), 28);
	assert_int_equal(dns_type_parse("ANY"), 0);
	assert_int_equal(dns_type_parse(""), 0);
}

/* To the query 0x1234 for "a.", A. */
static const struct {
	const char *name;
	enum dns_reply is;
	unsigned int rcode;
	const char *bytes;
	size_t len;
} replies[] = {
#define REPLY(name, is, rcode, bytes)                                                              \
	{                                                                                          \
		name, DNS_REPLY_##is, rcode, bytes, sizeof(bytes) - 1                              \
	}
	REPLY("an answer", OURS, 0, "\x12\x34\x81\0\0\1\0\1\0\0\0\0\1a\0\0\1\0\1rest"),
	REPLY("its question alone", OURS, 0, "\x12\x34\x81\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"),
	REPLY("in capitals", OURS, 3, "\x12\x34\x81\x83\0\1\0\0\0\0\0\0\1A\0\0\1\0\1"),
	REPLY("SERVFAIL", OURS, 2, "\x12\x34\x81\x82\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"),
	REPLY("truncated", OURS, 0, "\x12\x34\x83\x80\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"),
	REPLY("REFUSED without a question", OURS, 5, "\x12\x34\x81\x85\0\0\0\0\0\0\0\0"),
	REPLY("NOERROR without a question", NOT_OURS, 0, "\x12\x34\x81\x80\0\0\0\0\0\0\0\0"),
	REPLY("a query", NOT_OURS, 0, "\x12\x34\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"),
	REPLY("another ID", NOT_OURS, 0, "\x12\x35\x81\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"),
	REPLY("another name", NOT_OURS, 0, "\x12\x34\x81\0\0\1\0\0\0\0\0\0\1b\0\0\1\0\1"),
	REPLY("a letter that is one only by a bit", NOT_OURS, 0,
	      "\x12\x34\x81\0\0\1\0\0\0\0\0\0\1!\0\0\1\0\1"),
	REPLY("a longer name", NOT_OURS, 0, "\x12\x34\x81\0\0\1\0\0\0\0\0\0\1a\1b\0\0\1\0\1"),
	REPLY("another type", NOT_OURS, 0, "\x12\x34\x81\0\0\1\0\0\0\0\0\0\1a\0\0\2\0\1"),
	REPLY("another class", NOT_OURS, 0, "\x12\x34\x81\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\3"),
	REPLY("two questions", NOT_OURS, 0, "\x12\x34\x81\0\0\2\0\0\0\0\0\0\1a\0\0\1\0\1"),
	REPLY("another opcode", NOT_OURS, 0, "\x12\x34\xa1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"),
	REPLY("its question cut off", NOT_OURS, 0, "\x12\x34\x81\0\0\1\0\0\0\0\0\0\1a\0\0\1\0"),
	REPLY("cut off in the header", NOT_OURS, 0, "\x12\x34\x81\x85\0\0\0\0\0\0\0"),
	REPLY("nothing", NOT_OURS, 0, ""),
	REPLY("to a header that was not read", TO_HEADER, 0, "\x0d\x0a\x88\4\0\1\0\0\0\0\0\0"),
	REPLY("a header", NOT_OURS, 0, "\x0d\x0a\x0d\x0a\0\x0d\x0aQUIT\x0a"),
};

static void replies_are_told_apart(void **state)
{
	struct dns_question question = question_of("a.", 1);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		/* Of its own size, so that ASan sees a byte too far. */
		unsigned char *copy = malloc(replies[i].len ?: 1);
		unsigned int rcode = 99;

		memcpy(copy, replies[i].bytes, replies[i].len);
		if (dns_reply_judge(copy, replies[i].len, 0x1234, &question, &rcode) !=
		    replies[i].is)
			fail_msg("%s", replies[i].name);
		if (replies[i].is == DNS_REPLY_OURS && rcode != replies[i].rcode)
			fail_msg("%s: rcode %u", replies[i].name, rcode);
		free(copy);
	}
}

/* Random bytes, and an answer with some of its bytes changed, of any length. */
static void damaged_replies_do_no_harm(void **state)
{
	struct dns_question question = question_of("a.", 1);
	size_t ours = 0;

	(void)state;
	srand(2);
	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)rand() % replies[0].len;
		unsigned char *copy = malloc(len ?: 1);
		unsigned int rcode = 0;

		memcpy(copy, replies[0].bytes, len);
		for (int n = rand() % 3; n && len; n--)
			copy[(size_t)rand() % len] = (unsigned char)rand();
		ours += dns_reply_judge(copy, len, 0x1234, &question, &rcode) == DNS_REPLY_OURS;
		assert_true(rcode < 16);
		free(copy);
	}
	assert_true(ours > 0);
}

static void rcodes_have_names(void **state)
{
	(void)state;
	assert_string_equal(dns_rcode_name(0), "NOERROR");
	assert_string_equal(dns_rcode_name(5), "REFUSED");
	assert_string_equal(dns_rcode_name(15), "RCODE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(servers_rise_and_fall),
		cmocka_unit_test(a_dead_one_that_was_known_waits_for_rise),
		cmocka_unit_test(nothing_flaps_faster_than_the_rule),
		cmocka_unit_test(rules_come_from_the_file),
		cmocka_unit_test(answers_are_judged),
		cmocka_unit_test(two_bad_windows_are_reported),
		cmocka_unit_test(one_bad_window_is_not),
		cmocka_unit_test(few_queries_are_waited_for),
		cmocka_unit_test(windows_are_not_shorter_than_ten_seconds),
		cmocka_unit_test(more_replies_than_queries_are_no_harm),
		cmocka_unit_test(what_goes_back_begins_anew),
		cmocka_unit_test(names_are_made_into_questions),
		cmocka_unit_test(queries_are_as_the_rfc_has_them),
		cmocka_unit_test(replies_are_told_apart),
		cmocka_unit_test(damaged_replies_do_no_harm),
		cmocka_unit_test(rcodes_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
