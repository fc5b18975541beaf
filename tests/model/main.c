// SPDX-License-Identifier: GPL-2.0-only
/*
 * A million packets at random, through every entry program, held against the model: verdict, bytes,
 * slots, connections and what is counted.
 *
 *	MODEL_SEED=n     repeats a run (the seed is printed)
 *	MODEL_PACKETS=n  how many, over all programs
 *	MODEL_ONLY=n     only the world of this number, which a failure names
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

#include <cmocka.h>

#include "check.h"
#include "generate.h"

#define DEFAULT_PACKETS 1200000
#define PACKETS_A_WORLD 400
#define LOOK_AT_EVERYTHING_EACH 100
#define MAX_FAILURES 10

static const struct way ways[] = {
	{ "edge_xdp", EDGE_XDP, EDGE_XDP, false, false, false },
	{ "edge_tc_l2", EDGE_TC_L2, EDGE_TC_L2, false, false, false },
	{ "edge_tc_l2_checked", EDGE_TC_L2_CHECKED, EDGE_TC_L2_CHECKED, false, false, false },
	{ "edge_tc_l2 to edge_tc_l3", EDGE_TC_L2, EDGE_TC_L3, false, true, false },
	{ "edge_tc_l3", EDGE_TC_L3, EDGE_TC_L3, true, true, false },
	{ "edge_tc_l3 to edge_tc_l2", EDGE_TC_L3, EDGE_TC_L2, true, false, false },
	{ "enforce_l2", ENFORCE_IN_L2, ENFORCE_OUT_L2, false, false, true },
	{ "enforce_l3", ENFORCE_IN_L3, ENFORCE_OUT_L3, true, true, true },
};

#define WAYS (sizeof(ways) / sizeof(*ways))

static __u64 seed, n_run[WAYS][2];
static __u64 seen[PROGRAM_COUNT][EDGE53_REASONS_PER_SERVICE];

static __u64 number_from(const char *variable, __u64 otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECONDS + now.tv_nsec;
}

static struct hook hook_of(enum test_program program)
{
	return (struct hook){
		.place = program >= ENFORCE_OUT_L2 ? ENFORCE_OUT :
			 program >= ENFORCE_IN_L2  ? ENFORCE_IN : EDGE_IN,
		.is_xdp = program == EDGE_XDP,
		.is_behind_xdp = program == EDGE_TC_L2_CHECKED,
		.is_l3 = program == EDGE_TC_L3 || program == ENFORCE_IN_L3 ||
			 program == ENFORCE_OUT_L3,
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

static bool same_bytes(const struct event *event, const struct hook *hook,
		       const struct outcome *got, struct result *expected)
{
	unsigned l3 = hook->is_l3 && expected->out.len < event->frame.len + ETH_LEN ? 0 : ETH_LEN;

	if (expected->open_link && got->out.len >= expected->open_link)
		memcpy(expected->out.bytes, got->out.bytes, expected->open_link);
	if (same_frame(&got->out, &expected->out, l3))
		return true;
	print_frame("got:      ", &got->out);
	print_frame("expected: ", &expected->out);
	return false;
}

static bool same_verdict(int got, int expected)
{
	if (got != expected)
		printf("    verdict: %d, expected %d\n", got, expected);
	return got == expected;
}

static bool is_same(const struct model *model, const struct event *event, const struct hook *hook,
		    const struct outcome *got, struct result *expected)
{
	bool same = same_verdict(got->verdict, model_verdict(hook, expected));

	same &= same_bytes(event, hook, got, expected);
	same &= same_reason(model, expected);
	same &= same_flows(model);
	if (model->objection)
		printf("    not allowed: %s\n", model->objection);
	return same && !model->objection;
}

/* A time when the machine stood still is no time to judge time by; the packet is put through. */
static bool run_event(struct model *model, const struct event *event)
{
	struct hook hook = hook_of(event->program);
	struct outcome got = { .slots = world_slots(), .conns = world_conns() };
	struct result expected;

	if (event->older_ns)
		world_age(model, event->older_ns);
	got.before_ns = now_ns();
	got.verdict = world_run(event->program, event->device, &event->frame, &got.out);
	got.after_ns = now_ns();
	model_run(model, &hook, world_ifindex(event->device), &event->frame, &got, &expected);
	seen[event->program][expected.why]++;
	if (is_same(model, event, &hook, &got, &expected))
		return true;
	printf("    expected %s of service %u from %s\n", name_of_reason(expected.why),
	       expected.service, program_name(event->program));
	print_frame("packet:   ", &event->frame);
	same_reasons(model);
	return false;
}

/* --- one world -------------------------------------------------------------------------------- */

static bool run_world(const struct way *way, unsigned number)
{
	static struct model model;
	static struct setup setup;
	static struct event event;
	unsigned n = 0;
	bool good = true;

	random_seed(seed + number);
	random_setup(way, &setup);
	world_write(&setup);
	model_reset(&model, &setup);
	while (good && n++ < PACKETS_A_WORLD) {
		random_event(way, &model, &event);
		good = run_event(&model, &event);
		if (good && n % LOOK_AT_EVERYTHING_EACH == 0)
			good = same_everything(&model);
	}
	n_run[way - ways][good] += n;
	if (!good)
		printf("  ^ %s, packet %u: MODEL_SEED=%llu MODEL_ONLY=%u\n", way->name, n,
		       (unsigned long long)seed, number);
	return good;
}

static void run_way(void **state)
{
	const struct way *way = *state;
	unsigned worlds = number_from("MODEL_PACKETS", DEFAULT_PACKETS) / PACKETS_A_WORLD / WAYS + 1;
	unsigned only = number_from("MODEL_ONLY", -1), failed = 0;

	for (unsigned i = 0; i < worlds && failed < MAX_FAILURES; i++) {
		unsigned number = i * WAYS + (way - ways);

		if (only == -1u || only == number)
			failed += !run_world(way, number);
	}
	assert_int_equal(failed, 0);
}

int main(void)
{
	struct CMUnitTest tests[WAYS];
	int failed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	seed = number_from("MODEL_SEED", now_ns() ^ (__u64)getpid() << 32);
	printf("# model: MODEL_SEED=%llu\n", (unsigned long long)seed);
	world_create();
	for (size_t i = 0; i < WAYS; i++)
		tests[i] = (struct CMUnitTest){ .name = ways[i].name, .test_func = run_way,
						.initial_state = (void *)&ways[i] };
	failed = _cmocka_run_group_tests("model", tests, WAYS, NULL, NULL);
	world_destroy();
	return failed;
}
