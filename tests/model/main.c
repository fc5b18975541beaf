// SPDX-License-Identifier: GPL-2.0-only
/*
 * A million packets at random, through every entry program, held against the model: verdict, bytes,
 * slots, connections and what is counted. And conversations: two plain TCPs that talk through them.
 *
 *	MODEL_SEED=n     repeats a run (the seed is printed)
 *	MODEL_PACKETS=n  how many, over all programs
 *	MODEL_TALKS=n    how many worlds of conversations, over all ways
 *	MODEL_ONLY=n     only the world of this number, which a failure names
 *	MODEL_EACH=1     looks at all counters after each packet, and not after each hundredth
 *	MODEL_TRACE=1    prints each segment of a conversation (with MODEL_ONLY)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <cmocka.h>

#include "check.h"
#include "generate.h"
#include "identity.h"
#include "talk.h"

#define DEFAULT_PACKETS 1200000
#define PACKETS_A_WORLD 400
#define MAX_FAILURES 10
#define DEFAULT_TALKS 240
#define FIRST_TALK 1000000000u /* numbers of their worlds */

static const struct way ways[] = {
	{ "edge_xdp", EDGE_XDP, EDGE_XDP, false, false, false, false },
	{ "edge_tc_l2", EDGE_TC_L2, EDGE_TC_L2, false, false, false, false },
	{ "edge_tc_l2_checked", EDGE_TC_L2_CHECKED, EDGE_TC_L2_CHECKED, false, false, false,
	  false },
	{ "edge_tc_l2 to edge_tc_l3", EDGE_TC_L2, EDGE_TC_L3, false, true, false, false },
	{ "edge_tc_l3", EDGE_TC_L3, EDGE_TC_L3, true, true, false, false },
	{ "edge_tc_l3 to edge_tc_l2", EDGE_TC_L3, EDGE_TC_L2, true, false, false, false },
	{ "enforce_l2", ENFORCE_IN_L2, ENFORCE_OUT_L2, false, false, true, false },
	{ "enforce_l3", ENFORCE_IN_L3, ENFORCE_OUT_L3, true, true, true, false },
	{ "guard_out_l2", GUARD_OUT_L2, GUARD_OUT_L2, false, false, true, true },
	{ "guard_out_l3", GUARD_OUT_L3, GUARD_OUT_L3, true, true, true, true },
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static const struct talk_way talk_ways[] = {
	{ { "talk: edge_xdp", EDGE_XDP, EDGE_XDP, false, false, false, false },
	  EDGE_TC_L2_CHECKED,
	  false },
	{ { "talk: edge_xdp, left to edge_tc_l2_checked", EDGE_XDP, EDGE_TC_L2, false, false, false,
	    false },
	  EDGE_TC_L2_CHECKED,
	  true },
	{ { "talk: edge_xdp, to and from L3", EDGE_XDP, EDGE_TC_L3, false, true, false, false },
	  EDGE_TC_L2_CHECKED,
	  true },
	{ { "talk: edge_tc_l2", EDGE_TC_L2, EDGE_TC_L2, false, false, false, false }, 0, false },
	{ { "talk: edge_tc_l3", EDGE_TC_L3, EDGE_TC_L3, true, true, false, false }, 0, false },
};

#define TALK_WAYS (sizeof(talk_ways) / sizeof(*talk_ways))

static struct talk_counts talked;

static __u64 seed, look_each, n_turned_round;
static __u64 met[PROGRAM_COUNT][EDGE53_REASONS_PER_SERVICE]; /* reasons */

static __u64 number_from(const char *variable, __u64 otherwise)
{
	const char *text = getenv(variable);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

static __u64 ns_of(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return now.tv_sec * SECONDS + now.tv_nsec;
}

static __u64 now_ns(void)
{
	return ns_of(CLOCK_MONOTONIC);
}

/* As the programs see it, or a little earlier. */
static __u64 tick_ns(void)
{
	return ns_of(CLOCK_MONOTONIC_COARSE);
}

static struct hook hook_of(enum test_program program)
{
	return (struct hook){
		.place = program >= GUARD_OUT_L2     ? GUARD_OUT
			 : program >= ENFORCE_OUT_L2 ? ENFORCE_OUT
			 : program >= ENFORCE_IN_L2  ? ENFORCE_IN
						     : EDGE_IN,
		.is_xdp = program == EDGE_XDP,
		.is_behind_xdp = program == EDGE_TC_L2_CHECKED,
		.is_l3 = program == EDGE_TC_L3 || program == ENFORCE_IN_L3 ||
			 program == ENFORCE_OUT_L3 || program == GUARD_OUT_L3,
	};
}

/* --- one packet ------------------------------------------------------------------------------- */

static void print_frame(const char *what, const struct frame *frame)
{
	printf("    %s", what);
	for (unsigned i = 0; i < frame->len; i++)
		printf("%02x", frame->bytes[i]);
	printf("\n");
}

static bool same_bytes(const struct outcome *got, struct result *expected)
{
	if (expected->open_link && got->out.len >= expected->open_link)
		memcpy(expected->out.bytes, got->out.bytes, expected->open_link);
	if (same_frame(&got->out, &expected->out, expected->link))
		return true;
	print_frame("got:      ", &got->out);
	print_frame("expected: ", &expected->out);
	return false;
}

static bool same_mark(const struct frame *got, const struct result *expected)
{
	bool is_marked = got->metadata_len == 4 && !memcmp(got->metadata, "E53h", 4);
	bool is_good = is_marked ? expected->may_be_marked
				 : !got->metadata_len && !expected->must_be_marked;

	if (!is_good)
		printf("    metadata: %u bytes, expected %s\n", got->metadata_len,
		       expected->must_be_marked ? "the mark" : "none");
	return is_good;
}

static bool same_verdict(int got, int expected)
{
	if (got != expected)
		printf("    verdict: %d, expected %d\n", got, expected);
	return got == expected;
}

static bool is_same(const struct model *model, const struct hook *hook, const struct outcome *got,
		    struct result *expected)
{
	int verdict = model_verdict(hook, expected);
	bool same = same_verdict(got->verdict, verdict) & same_mark(&got->out, expected);

	/* Of a dropped packet nobody sees the bytes. */
	if (!expected->is_open && verdict != (hook->is_xdp ? XDP_DROP : TC_ACT_SHOT))
		same &= same_bytes(got, expected);
	same &= same_reason(model, expected);
	same &= same_flows(model);
	if (model->objection)
		printf("    not allowed: %s\n", model->objection);
	return same && !model->objection;
}

struct run {
	struct scene scene;
	struct outcome got;
	struct result expected;
};

static bool run_event(struct model *model, const struct event *event, struct run *run)
{
	run->scene = (struct scene){ hook_of(event->program), event->device, event->around };
	run->got.slots = world_slots();
	run->got.conns = world_conns();
	if (event->older_ns)
		world_age(model, event->older_ns);
	/* No difference: a packet that is sampled takes another way through the programs. */
	world_sample(random_below(2) ? EDGE53_SAMPLE_ALL : 0, 0, 0);
	run->got.before_ns = tick_ns();
	run->got.verdict = world_run_in(event->program, event->device, &event->around,
					&event->frame, &run->got.out);
	run->got.after_ns = now_ns();
	model_run(model, &run->scene, &event->frame, &run->got, &run->expected);
	met[event->program][run->expected.why]++;
	if (is_same(model, &run->scene.hook, &run->got, &run->expected))
		return true;
	printf("    expected %s of service %u from %s on device %u\n",
	       name_of_reason(run->expected.why), run->expected.service,
	       program_name(event->program), event->device);
	print_frame("packet:   ", &event->frame);
	same_reasons(model);
	return false;
}

/* A segment of a connection that begins with a header has no mirror image. */
static bool can_come_back(const struct result *sent)
{
	return sent->why == EDGE53_QUERY_SENT ||
	       (!sent->has_header &&
		(sent->why == EDGE53_TCP_OPENED || sent->why == EDGE53_TCP_QUERY_SENT));
}

/* The query that was sent comes back. */
static bool comes_back(const struct way *way, struct model *model, const struct event *query,
		       const struct run *sent)
{
	static struct event answer;
	static struct run received;
	unsigned query_l3 = sent->scene.hook.is_l3 ? 0 : ETH_LEN;
	bool is_translated;

	if (!echo(way, &query->frame, &sent->got.out, query_l3, sent->expected.link, &answer))
		return true;
	if (!run_event(model, &answer, &received))
		return false;
	if (received.expected.why != EDGE53_REPLY_SENT &&
	    received.expected.why != EDGE53_TCP_REPLY_SENT)
		return true;
	is_translated =
		sent->got.out.bytes[sent->expected.link] >> 4 != query->frame.bytes[query_l3] >> 4;
	n_turned_round++;
	if (is_turned_round(&query->frame, query_l3, &received.got.out, received.expected.link,
			    is_translated))
		return true;
	print_frame("query:    ", &query->frame);
	print_frame("sent:     ", &sent->got.out);
	print_frame("received: ", &received.got.out);
	return false;
}

/* --- one world -------------------------------------------------------------------------------- */

static bool run_world(const struct way *way, unsigned number)
{
	static struct model model;
	static struct setup setup;
	static struct event event;
	static struct run run;
	unsigned n = 0;
	bool good = true;

	random_seed(seed << 32 ^ seed >> 32 ^ number);
	random_setup(way, &setup);
	world_write(&setup);
	model_reset(&model, &setup);
	while (good && n++ < PACKETS_A_WORLD) {
		if (one_in(60)) {
			random_reload(&setup);
			world_write_services(&setup);
		}
		random_event(way, &model, &event);
		good = run_event(&model, &event, &run);
		if (good && can_come_back(&run.expected) && one_in(8))
			good = comes_back(way, &model, &event, &run);
		if (good && n % look_each == 0)
			good = same_everything(&model);
	}
	if (!good && n % look_each == 0)
		print_frame("last:     ", &event.frame);
	if (!good)
		printf("  ^ %s, packet %u: MODEL_SEED=%llu MODEL_ONLY=%u (flags %#x and %#x)\n",
		       way->name, n, (unsigned long long)seed, number,
		       setup.services[SERVICE_EDGE].flags, setup.services[SERVICE_ENFORCE].flags);
	return good;
}

/*
 * What is older than a timeout is so by more than half a second or not at all. When the machine
 * stood still for that long, the world is made again.
 */
static bool run_world_in_time(const struct way *way, unsigned number)
{
	for (unsigned tries = 1;; tries++) {
		__u64 begin = now_ns();

		if (run_world(way, number))
			return true;
		if (now_ns() - begin < SECONDS / 2 || tries == 3)
			return false;
		printf("  that took long: again\n");
	}
}

static void run_way(void **state)
{
	const struct way *way = *state;
	unsigned worlds =
		number_from("MODEL_PACKETS", DEFAULT_PACKETS) / PACKETS_A_WORLD / WAYS + 1;
	unsigned only = number_from("MODEL_ONLY", -1), failed = 0;

	for (unsigned i = 0; i < worlds && failed < MAX_FAILURES; i++) {
		unsigned number = i * WAYS + (way - ways);

		if (only == -1u || only == number)
			failed += !run_world_in_time(way, number);
	}
	assert_int_equal(failed, 0);
}

static void run_talks(void **state)
{
	const struct talk_way *way = *state;
	unsigned worlds = number_from("MODEL_TALKS", DEFAULT_TALKS) / TALK_WAYS + 1;
	unsigned only = number_from("MODEL_ONLY", -1), failed = 0;

	for (unsigned i = 0; i < worlds && failed < MAX_FAILURES; i++) {
		unsigned number = FIRST_TALK + i * TALK_WAYS + (way - talk_ways);

		if (only != -1u && only != number)
			continue;
		random_seed(seed << 32 ^ seed >> 32 ^ number);
		if (talk_in_world(way, &talked))
			continue;
		printf("  ^ %s: MODEL_SEED=%llu MODEL_ONLY=%u MODEL_TRACE=1\n", way->way.name,
		       (unsigned long long)seed, number);
		failed++;
	}
	assert_int_equal(failed, 0);
}

static void print_what_was_met(void)
{
	for (enum test_program p = 0; p < PROGRAM_COUNT; p++) {
		printf("# %s:", program_name(p));
		for (unsigned why = 1; why < EDGE53_REASON_COUNT; why++)
			if (met[p][why])
				printf(" %s %llu", name_of_reason(why),
				       (unsigned long long)met[p][why]);
		printf("\n");
	}
	printf("# there and back: %llu\n", (unsigned long long)n_turned_round);
	printf("# conversations: %u, with header %u; segments sent again %u, lost %u, merged %u, "
	       "marked %u\n",
	       talked.n, talked.n_with_header, talked.n_again, talked.n_lost, talked.n_merged,
	       talked.n_marked);
}

int main(void)
{
	struct CMUnitTest tests[WAYS + TALK_WAYS];
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = number_from("MODEL_SEED", now_ns() ^ (__u64)getpid() << 32);
	look_each = number_from("MODEL_EACH", 100);
	printf("# model: MODEL_SEED=%llu\n", (unsigned long long)seed);
	world_create();
	for (size_t i = 0; i < WAYS; i++)
		tests[i] = (struct CMUnitTest){ .name = ways[i].name,
						.test_func = run_way,
						.initial_state = (void *)&ways[i] };
	for (size_t i = 0; i < TALK_WAYS; i++)
		tests[WAYS + i] = (struct CMUnitTest){ .name = talk_ways[i].way.name,
						       .test_func = run_talks,
						       .initial_state = (void *)&talk_ways[i] };
	failed = _cmocka_run_group_tests("model", tests, WAYS + TALK_WAYS, NULL, NULL);
	print_what_was_met();
	world_destroy();
	return failed;
}
