// SPDX-License-Identifier: GPL-2.0-only
/* What `edge53 check` makes of the answers of backends and resolvers, and of who listens. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/check.h"
#include "../../loader/dns_message.h"

/* The resolver is an address of this host. */
bool check_is_local(const struct check *check, const struct edge53_addr *address)
{
	(void)check;
	(void)address;
	return true;
}

#define NONE (-1)

enum answer {
	NOT_ASKED = -1,
	ANSWERED = PROBE_ANSWERED,
	MISREAD = PROBE_HEADER_NOT_READ,
	SILENT = PROBE_SILENT,
	REFUSED = PROBE_REFUSED,
	CLOSED = PROBE_CLOSED,
	NOT_SENT = PROBE_FAILED,
	SERVFAIL = 100, /* ANSWERED, with that */
};

struct lab {
	struct config_health health;
	struct plan_service service;
	struct plan plan;
	struct config_enforce enforce;
	struct config config;
	struct check_listener listener;
	struct check_facts facts;
	struct check_answers answers;
	struct findings findings;
	struct check check;
};

static void lab_begin(struct lab *lab, enum edge53_service_kind kind)
{
	memset(lab, 0, sizeof(*lab));
	lab->health = (struct config_health){ .rise = 2, .fall = 3, .is_written = true };
	lab->service = (struct plan_service){ .name = "dns", .kind = kind, .health = &lab->health };
	lab->plan = (struct plan){ .services = &lab->service, .n_services = 1 };
	lab->enforce.name = (char *)"dns";
	addr_parse("10.77.0.1", &lab->enforce.resolver);
	if (kind == EDGE53_SERVICE_ENFORCE) {
		lab->config.enforces = &lab->enforce;
		lab->config.n_enforces = 1;
	}
	lab->check = (struct check){ .config = &lab->config,
				     .plan = &lab->plan,
				     .facts = &lab->facts,
				     .answers = &lab->answers,
				     .findings = &lab->findings };
}

static void add_answer(struct lab *lab, const char *server, bool is_tcp, enum answer answer)
{
	struct probe *probe = &lab->answers.probes[lab->answers.n];

	if (answer == NOT_ASKED)
		return;
	lab->answers.n++;
	*probe = (struct probe){ .port = EDGE53_DNS_PORT, .is_tcp = is_tcp };
	addr_parse(server, &probe->backend);
	probe->result = answer == SERVFAIL ? PROBE_ANSWERED : (enum probe_result)answer;
	probe->rcode = answer == SERVFAIL ? DNS_RCODE_IS_SERVFAIL : 0;
}

/* The level of the only finding with this code, or NONE. */
static int level_of(const struct lab *lab, enum finding_code code)
{
	int level = NONE;

	for (size_t i = 0; i < lab->findings.n; i++) {
		if (lab->findings.list[i].code != code)
			continue;
		assert_int_equal(level, NONE);
		level = (int)lab->findings.list[i].level;
	}
	return level;
}

static void no_answer_is_as_bad_as_run_takes_it(void **state)
{
	static const struct {
		const char *what;
		enum edge53_service_kind kind;
		bool is_written, is_off;
		enum answer first, second; /* by UDP */
		int level;		   /* of no-answer */
	} rows[] = {
		{ "silent, and health says that it counts", EDGE53_SERVICE_EDGE, true, false,
		  SILENT, SILENT, FINDING_ERROR },
		{ "silent, and nobody asked for health", EDGE53_SERVICE_EDGE, false, false, SILENT,
		  SILENT, FINDING_WARNING },
		{ "closed or silent", EDGE53_SERVICE_EDGE, false, false, CLOSED, SILENT,
		  FINDING_WARNING },
		{ "health: off", EDGE53_SERVICE_EDGE, true, true, SILENT, NOT_ASKED,
		  FINDING_WARNING },
		{ "nobody listens anywhere", EDGE53_SERVICE_EDGE, false, false, REFUSED, REFUSED,
		  FINDING_ERROR },
		{ "one may be unwilling", EDGE53_SERVICE_EDGE, false, false, REFUSED, SILENT,
		  FINDING_WARNING },
		{ "a header is not read", EDGE53_SERVICE_EDGE, false, false, MISREAD, NOT_ASKED,
		  FINDING_ERROR },
		{ "a silent resolver is dead to run", EDGE53_SERVICE_ENFORCE, false, false, SILENT,
		  NOT_ASKED, FINDING_ERROR },
		{ "one of them answers", EDGE53_SERVICE_EDGE, true, false, SILENT, ANSWERED, NONE },
		{ "one of them is not known", EDGE53_SERVICE_EDGE, true, false, SILENT, NOT_SENT,
		  NONE },
		{ "nobody was asked", EDGE53_SERVICE_EDGE, true, false, NOT_ASKED, NOT_ASKED,
		  NONE },
	};
	static struct lab lab;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		lab_begin(&lab, rows[i].kind);
		lab.health.is_written = rows[i].is_written;
		lab.health.is_off = rows[i].is_off;
		add_answer(&lab, "10.0.0.1", false, rows[i].first);
		add_answer(&lab, "10.0.0.2", false, rows[i].second);
		add_answer(&lab, "10.0.0.1", true, ANSWERED);
		assert_int_equal(check_answers(&lab.check), 0);
		if (level_of(&lab, FOUND_NO_ANSWER) != rows[i].level)
			fail_msg("%s: level %d", rows[i].what, level_of(&lab, FOUND_NO_ANSWER));
		findings_clear(&lab.findings);
	}
}

/* To a question that has an answer; run takes it for dead. */
static void servfail_is_no_answer_where_a_name_is_given(void **state)
{
	static struct lab lab;

	(void)state;
	lab_begin(&lab, EDGE53_SERVICE_EDGE);
	lab.health.has_question = true;
	add_answer(&lab, "10.0.0.1", false, SERVFAIL);
	assert_int_equal(check_answers(&lab.check), 0);
	assert_int_equal(level_of(&lab, FOUND_BACKEND_FAILS), FINDING_WARNING);
	assert_int_equal(level_of(&lab, FOUND_BACKEND_ANSWERS), NONE);
	assert_int_equal(level_of(&lab, FOUND_NO_ANSWER), FINDING_ERROR);
	assert_string_equal(lab.findings.list[0].text,
			    "dns: backend 10.0.0.1, UDP port 53: answers the question of `health` "
			    "with SERVFAIL, which counts as a failure");
	findings_clear(&lab.findings);

	/* Another backend has it. */
	add_answer(&lab, "10.0.0.2", false, ANSWERED);
	assert_int_equal(check_answers(&lab.check), 0);
	assert_int_equal(level_of(&lab, FOUND_BACKEND_FAILS), FINDING_WARNING);
	assert_int_equal(level_of(&lab, FOUND_BACKEND_ANSWERS), FINDING_NOTE);
	assert_int_equal(level_of(&lab, FOUND_NO_ANSWER), NONE);
	findings_clear(&lab.findings);
}

/* To "localhost" it says nothing but that somebody is there. */
static void servfail_to_our_own_question_is_an_answer(void **state)
{
	static struct lab lab;

	(void)state;
	lab_begin(&lab, EDGE53_SERVICE_EDGE);
	add_answer(&lab, "10.0.0.1", false, SERVFAIL);
	assert_int_equal(check_answers(&lab.check), 0);
	assert_int_equal(level_of(&lab, FOUND_BACKEND_ANSWERS), FINDING_NOTE);
	assert_int_equal(lab.findings.n, 1);
	findings_clear(&lab.findings);
}

/* By DNAT, IPVS, or in another network namespace: an answer without a socket here. */
static void who_answers_need_not_listen_here(void **state)
{
	static const struct {
		enum answer udp, tcp;
		bool listens; /* by UDP */
		const char *missing;
	} rows[] = {
		{ ANSWERED, ANSWERED, false, NULL },
		{ SERVFAIL, ANSWERED, false, NULL },
		{ ANSWERED, SILENT, false, "port 53 by TCP" },
		{ REFUSED, ANSWERED, false, "port 53 by UDP" },
		{ SILENT, SILENT, false, "port 53 by UDP and TCP" },
		{ NOT_ASKED, NOT_ASKED, false, "port 53 by UDP and TCP" },
		{ SILENT, ANSWERED, true, NULL },
		{ SILENT, SILENT, true, "port 53 by TCP" },
	};
	static struct lab lab;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		lab_begin(&lab, EDGE53_SERVICE_ENFORCE);
		lab.health.has_question = true;
		lab.listener.address = lab.enforce.resolver;
		lab.facts.listeners = &lab.listener;
		lab.facts.n_listeners = rows[i].listens;
		add_answer(&lab, "10.77.0.2", false, ANSWERED); /* another's */
		add_answer(&lab, "10.77.0.1", false, rows[i].udp);
		add_answer(&lab, "10.77.0.1", true, rows[i].tcp);
		assert_int_equal(check_listeners(&lab.check), 0);
		if (level_of(&lab, FOUND_RESOLVER_NOT_LISTENING) !=
		    (rows[i].missing ? FINDING_ERROR : NONE))
			fail_msg("row %zu", i);
		if (rows[i].missing)
			assert_non_null(strstr(lab.findings.list[0].text, rows[i].missing));
		findings_clear(&lab.findings);
	}

	/* --no-probe */
	lab.check.answers = NULL;
	lab.facts.n_listeners = 0;
	assert_int_equal(check_answers(&lab.check), 0);
	assert_int_equal(lab.findings.n, 0);
	assert_int_equal(check_listeners(&lab.check), 0);
	assert_int_equal(level_of(&lab, FOUND_RESOLVER_NOT_LISTENING), FINDING_ERROR);
	findings_clear(&lab.findings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_answer_is_as_bad_as_run_takes_it),
		cmocka_unit_test(servfail_is_no_answer_where_a_name_is_given),
		cmocka_unit_test(servfail_to_our_own_question_is_an_answer),
		cmocka_unit_test(who_answers_need_not_listen_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
