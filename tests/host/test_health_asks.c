// SPDX-License-Identifier: GPL-2.0-only
/* Whom health.c asks, when, and what it makes of a plan: with a clock, a network and a map of the test's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>

#include <cmocka.h>

static uint64_t fake_now_us;

static int fake_clock_gettime(clockid_t clock, struct timespec *ret)
{
	(void)clock;
	ret->tv_sec = (time_t)(fake_now_us / 1000000);
	ret->tv_nsec = (long)(fake_now_us % 1000000 * 1000);
	return 0;
}

#define clock_gettime fake_clock_gettime
#include "../../loader/health.c"
#undef clock_gettime

/* --- the network and the map ------------------------------------------------------------------ */

static unsigned int n_begun[PROTOCOLS], n_sent_again;
static enum edge53_probe_result result_of_sending_again;

void exchange_begin(struct exchange *exchange, const struct exchange_target *target,
		    const struct config_limits *limits)
{
	(void)limits;
	*exchange = (struct exchange){ .target = *target, .fd = eventfd(0, EFD_CLOEXEC) };
	assert_true(exchange->fd >= 0);
	n_begun[target->is_tcp ? TCP : UDP]++;
}

bool exchange_wants_to_write(const struct exchange *exchange)
{
	(void)exchange;
	return false;
}

void exchange_on_event(struct exchange *exchange)
{
	(void)exchange;
}

void exchange_send_again(struct exchange *exchange)
{
	assert_false(exchange->target.is_tcp);
	assert_int_equal(exchange->result, EDGE53_PROBE_NONE);
	n_sent_again++;
	exchange->result = result_of_sending_again;
}

void exchange_expire(struct exchange *exchange)
{
	if (exchange->result == EDGE53_PROBE_NONE)
		exchange->result = EDGE53_PROBE_SILENT;
}

void exchange_end(struct exchange *exchange)
{
	closep(&exchange->fd);
	exchange->fd = -1;
}

unsigned int dataplane_find_backend(const struct dataplane *dataplane,
				    const struct plan_service *service,
				    const struct plan_backend *backend)
{
	(void)dataplane;
	(void)service;
	(void)backend;
	return 0; /* it has none yet */
}

int dataplane_read_health(const struct dataplane *dataplane, unsigned int backend,
			  struct edge53_health *ret)
{
	(void)dataplane;
	(void)backend;
	(void)ret;
	return -ENOENT;
}

int dataplane_write_health(struct dataplane *dataplane, unsigned int backend,
			   const struct edge53_health *health)
{
	(void)dataplane;
	(void)backend;
	(void)health;
	return -ENOENT;
}

int dataplane_read_traffic(const struct dataplane *dataplane, unsigned int backend,
			   struct edge53_traffic *ret)
{
	(void)dataplane;
	(void)backend;
	(void)ret;
	return -ENOENT;
}

/* --- one resolver ----------------------------------------------------------------------------- */

#define INTERVAL_MS 900

struct lab {
	sd_event *event;
	struct health *health;
	struct config_health config;
	struct plan_backend resolver;
	struct plan_service service;
	struct plan plan;
	unsigned int n_changes;
};

static void on_change(void *arg)
{
	((struct lab *)arg)->n_changes++;
}

/* A new plan; afterwards it says who is dead. */
static void update(struct lab *lab)
{
	lab->resolver.udp_dead = lab->resolver.tcp_dead = false;
	assert_int_equal(health_update(lab->health, &lab->plan), 0);
}

static int begin(void **state)
{
	struct lab *lab = calloc(1, sizeof(*lab));
	struct config_limits limits = { 0 };

	assert_non_null(lab);
	fake_now_us = 1000000000;
	n_begun[UDP] = n_begun[TCP] = n_sent_again = 0;
	result_of_sending_again = EDGE53_PROBE_NONE;
	lab->config = (struct config_health){
		.is_written = true, .interval_ms = INTERVAL_MS, .rise = 2, .fall = 3
	};
	lab->resolver = (struct plan_backend){
		.udp_port = 53, .tcp_port = 53, .usable = true, .is_local = true
	};
	addr_parse("10.77.0.1", &lab->resolver.address);
	lab->service = (struct plan_service){ .name = "vpn",
					      .kind = EDGE53_SERVICE_ENFORCE,
					      .flags = EDGE53_SERVICE_DOWN_PASS,
					      .backends = &lab->resolver,
					      .n_backends = 1,
					      .health = &lab->config };
	lab->plan = (struct plan){ .services = &lab->service, .n_services = 1 };
	assert_true(sd_event_new(&lab->event) >= 0);
	assert_int_equal(health_new(lab->event, NULL, &limits, false, on_change, lab, &lab->health),
			 0);
	*state = lab;
	return 0;
}

static int end(void **state)
{
	struct lab *lab = *state;

	health_free(lab->health);
	sd_event_unref(lab->event);
	free(lab);
	return 0;
}

static struct side *side_of(struct lab *lab, size_t protocol)
{
	assert_int_equal(lab->health->n_targets, 1);
	return &lab->health->targets[0]->sides[protocol];
}

static void pass_ms(struct lab *lab, uint64_t ms)
{
	fake_now_us += ms * US_PER_MS;
	on_timer(NULL, 0, lab->health);
}

/* It answers all questions under way. */
static void answer(struct lab *lab)
{
	for (size_t protocol = 0; protocol < PROTOCOLS; protocol++) {
		struct side *side = side_of(lab, protocol);

		assert_true(side->is_under_way);
		side->exchange.result = EDGE53_PROBE_ANSWERED;
		finish_question(side);
	}
}

/* --- the tests -------------------------------------------------------------------------------- */

static void a_resolver_is_dead_until_it_answers(void **state)
{
	struct lab *lab = *state;

	update(lab);
	assert_true(lab->resolver.udp_dead && lab->resolver.tcp_dead);
	pass_ms(lab, 0);
	answer(lab);
	assert_int_equal(lab->n_changes, 2);
	update(lab);
	assert_false(lab->resolver.udp_dead || lab->resolver.tcp_dead);
}

/* `health: off` to a block, by a reload: it had all clients, and keeps them. */
static void one_that_was_not_asked_is_not_taken_out(void **state)
{
	struct lab *lab = *state;

	lab->config.is_off = true;
	update(lab);
	assert_false(lab->resolver.udp_dead || lab->resolver.tcp_dead);
	pass_ms(lab, 5000);
	assert_int_equal(n_begun[UDP] + n_begun[TCP], 0);

	lab->config.is_off = false;
	update(lab);
	assert_false(lab->resolver.udp_dead || lab->resolver.tcp_dead);
	pass_ms(lab, 0);
	answer(lab);
	update(lab);
	assert_false(lab->resolver.udp_dead || lab->resolver.tcp_dead);
	assert_int_equal(lab->n_changes, 0);
}

/* But it dies as others do; and one that was dead before `off` is asked anew, too. */
static void one_that_was_not_asked_can_die(void **state)
{
	struct lab *lab = *state;

	for (int round = 0; round < 2; round++) {
		lab->config.is_off = true;
		update(lab);
		lab->config.is_off = false;
		update(lab);
		for (int i = 0; i < 3; i++) {
			assert_false(side_of(lab, UDP)->is_under_way);
			assert_true(side_of(lab, UDP)->state.is_up);
			pass_ms(lab, 0);
			for (size_t protocol = 0; protocol < PROTOCOLS; protocol++) {
				exchange_expire(&side_of(lab, protocol)->exchange);
				finish_question(side_of(lab, protocol));
			}
			fake_now_us += INTERVAL_MS * US_PER_MS;
		}
		update(lab);
		assert_true(lab->resolver.udp_dead && lab->resolver.tcp_dead);
	}
}

/* Who comes back into reach without having been off is as new. */
static void a_resolver_that_comes_back_is_dead_until_it_answers(void **state)
{
	struct lab *lab = *state;

	lab->resolver.usable = false;
	update(lab);
	lab->resolver.usable = true;
	update(lab);
	assert_true(lab->resolver.udp_dead && lab->resolver.tcp_dead);
}

static void a_lost_question_is_sent_again_once(void **state)
{
	struct lab *lab = *state;

	update(lab);
	pass_ms(lab, 0);
	pass_ms(lab, INTERVAL_MS / 3 - 1);
	assert_int_equal(n_sent_again, 0);
	pass_ms(lab, 1);
	assert_int_equal(n_sent_again, 1);
	pass_ms(lab, INTERVAL_MS / 3);
	assert_int_equal(n_sent_again, 1);
	assert_true(side_of(lab, UDP)->is_under_way);
	assert_int_equal(n_begun[UDP], 1);

	/* An answer may take as long as before, and the next question has its own. */
	pass_ms(lab, INTERVAL_MS / 3);
	assert_int_equal(side_of(lab, UDP)->shown.failed, 1);
	assert_int_equal(n_begun[UDP], 2);
	pass_ms(lab, INTERVAL_MS / 3);
	assert_int_equal(n_sent_again, 2);
	assert_int_equal(n_begun[TCP], 2);
}

/* The loop wakes up for it. */
static void the_timer_knows_of_it(void **state)
{
	struct lab *lab = *state;
	uint64_t at;

	update(lab);
	pass_ms(lab, 0);
	assert_true(sd_event_source_get_time(lab->health->timer, &at) >= 0);
	assert_int_equal(at, fake_now_us + INTERVAL_MS / 3 * US_PER_MS);
	pass_ms(lab, INTERVAL_MS / 3);
	assert_true(sd_event_source_get_time(lab->health->timer, &at) >= 0);
	assert_int_equal(at, fake_now_us + INTERVAL_MS * 2 / 3 * US_PER_MS);
}

static void sending_again_may_say_that_it_is_over(void **state)
{
	struct lab *lab = *state;

	update(lab);
	pass_ms(lab, 0);
	result_of_sending_again = EDGE53_PROBE_PORT_CLOSED;
	pass_ms(lab, INTERVAL_MS / 3);
	assert_false(side_of(lab, UDP)->is_under_way);
	assert_int_equal(side_of(lab, UDP)->shown.result, EDGE53_PROBE_PORT_CLOSED);
	assert_int_equal(lab->health->n_under_way, 1); /* by TCP */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_resolver_is_dead_until_it_answers),
		TEST(one_that_was_not_asked_is_not_taken_out),
		TEST(one_that_was_not_asked_can_die),
		TEST(a_resolver_that_comes_back_is_dead_until_it_answers),
		TEST(a_lost_question_is_sent_again_once),
		TEST(the_timer_knows_of_it),
		TEST(sending_again_may_say_that_it_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
