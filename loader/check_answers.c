// SPDX-License-Identifier: GPL-2.0-only
/* Do backends and resolvers answer, and read PROXY headers where they are to? */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "dns_message.h"
#include "health_state.h"

/* SERVFAIL to the question of `health` is what `run` takes for a failure. */
static bool has_failed(const struct plan_service *service, const struct probe *probe)
{
	return probe->result == PROBE_ANSWERED &&
	       health_judge(service->health, EDGE53_PROBE_ANSWERED, probe->rcode) != HEALTH_GOOD;
}

static enum finding_code code_of(const struct plan_service *service, const struct probe *probe)
{
	if (has_failed(service, probe))
		return FOUND_BACKEND_FAILS;
	switch (probe->result) {
	case PROBE_ANSWERED:
		return probe->has_header ? FOUND_PROXY_READ : FOUND_BACKEND_ANSWERS;
	case PROBE_HEADER_NOT_READ:
		return FOUND_PROXY_NOT_READ;
	case PROBE_CLOSED:
		return probe->has_header ? FOUND_PROXY_CLOSED : FOUND_BACKEND_SILENT;
	case PROBE_REFUSED:
		return FOUND_BACKEND_REFUSED;
	case PROBE_FAILED:
		return FOUND_BACKEND_NOT_ASKED;
	default:
		return probe->has_header ? FOUND_PROXY_SILENT : FOUND_BACKEND_SILENT;
	}
}

static void describe(const struct plan_service *service, const struct probe *probe, char *text,
		     size_t size)
{
	const char *with = probe->has_header ? " with a PROXY header" : "";

	switch (probe->result) {
	case PROBE_ANSWERED:
		if (has_failed(service, probe))
			snprintf(
				text, size,
				"answers the question of `health`%s with %s, which counts as a failure",
				with, dns_rcode_name(probe->rcode));
		else
			snprintf(text, size, "answers a query%s", with);
		break;
	case PROBE_HEADER_NOT_READ:
		snprintf(
			text, size,
			"does not read PROXY headers, but takes them for a query (its answer has DNS ID 0x0d0a)");
		break;
	case PROBE_SILENT:
		snprintf(text, size, "does not answer a query%s in %.1f s", with,
			 PROBE_TIMEOUT_MS / 1000.0);
		break;
	case PROBE_CLOSED:
		snprintf(text, size, "closes a connection %s",
			 probe->has_header ? "that begins with a PROXY header"
					   : "without an answer");
		break;
	case PROBE_REFUSED:
		snprintf(text, size, "nobody listens there");
		break;
	case PROBE_FAILED:
		snprintf(text, size, "cannot be asked from here: %s", strerror(probe->error));
		break;
	}
}

static bool may_read_no_header(const struct probe *probe)
{
	return probe->has_header &&
	       (probe->result == PROBE_HEADER_NOT_READ || probe->result == PROBE_SILENT ||
		probe->result == PROBE_CLOSED);
}

static int say(struct findings *findings, const struct plan_service *service,
	       const struct probe *probe)
{
	char address[ADDR_TEXT_LEN], source[ADDR_TEXT_LEN], what[192], advice[160] = "";
	enum finding_code code = code_of(service, probe);

	describe(service, probe, what, sizeof(what));
	if (may_read_no_header(probe))
		snprintf(advice, sizeof(advice),
			 "; is it set up to read them from %s? Else set client_ip.%s: none",
			 addr_format(&probe->source, source), probe->is_tcp ? "tcp" : "udp");
	return findings_add(findings,
			    code == FOUND_BACKEND_ANSWERS || code == FOUND_PROXY_READ
				    ? FINDING_NOTE
				    : FINDING_WARNING,
			    code, "%s: %s %s, %s port %u: %s%s", service->name,
			    service->kind == EDGE53_SERVICE_ENFORCE ? "resolver" : "backend",
			    addr_format(&probe->backend, address), probe->is_tcp ? "TCP" : "UDP",
			    probe->port, what, advice);
}

/* `run` does not take those for dead that never answered: they may not want to answer us. */
static bool may_serve_unproven(const struct plan_service *service)
{
	bool is_enforce = service->kind == EDGE53_SERVICE_ENFORCE;

	return service->health->is_off || health_rule_of(service->health, is_enforce).needs_proof;
}

/*
 * One that does not answer is a loss; when none does, no client is served. That is for certain where nobody listens,
 * where a header is not read, or where `run` would take them all for dead.
 */
static int say_no_answer(const struct check *check, size_t service, bool is_tcp)
{
	const struct plan_service *s = &check->plan->services[service];
	const struct check_answers *answers = check->answers;
	bool was_asked = false, may_serve = false;

	for (size_t i = 0; i < answers->n; i++) {
		const struct probe *probe = &answers->probes[i];

		if (answers->service_of[i] != service || probe->is_tcp != is_tcp)
			continue;
		if (probe->result == PROBE_FAILED ||
		    (probe->result == PROBE_ANSWERED && !has_failed(s, probe)))
			return 0;
		was_asked = true;
		may_serve |= probe->result == PROBE_SILENT || probe->result == PROBE_CLOSED;
	}
	if (!was_asked || answers->n == PROBE_MAX)
		return 0;
	may_serve &= may_serve_unproven(s);
	return findings_add(check->findings, may_serve ? FINDING_WARNING : FINDING_ERROR,
			    FOUND_NO_ANSWER, "%s: no %s answers a query by %s%s", s->name,
			    s->kind == EDGE53_SERVICE_ENFORCE ? "resolver" : "backend",
			    is_tcp ? "TCP" : "UDP",
			    may_serve ? "; clients' queries are sent there all the same" : "");
}

int check_answers(const struct check *check)
{
	const struct check_answers *answers = check->answers;
	const struct plan *plan = check->plan;
	int r = 0;

	if (!answers)
		return 0;
	for (size_t i = 0; i < answers->n && !r; i++)
		r = say(check->findings, &plan->services[answers->service_of[i]],
			&answers->probes[i]);
	for (size_t i = 0; i < plan->n_services && !r; i++)
		r = say_no_answer(check, i, false) ?: say_no_answer(check, i, true);
	if (!r && answers->n == PROBE_MAX)
		r = findings_add(check->findings, FINDING_NOTE, FOUND_PROBES_LIMITED,
				 "the first %d ports of backends were asked, and no more",
				 PROBE_MAX);
	return r;
}

bool check_has_answered(const struct check *check, const struct edge53_addr *server, bool is_tcp)
{
	const struct check_answers *answers = check->answers;

	for (size_t i = 0; answers && i < answers->n; i++) {
		const struct probe *probe = &answers->probes[i];

		if (probe->is_tcp == is_tcp && probe->port == EDGE53_DNS_PORT &&
		    probe->result == PROBE_ANSWERED && addr_equal(&probe->backend, server))
			return true;
	}
	return false;
}
