// SPDX-License-Identifier: GPL-2.0-only
/*
 * Do backends and resolvers answer, and read PROXY headers where they are to? Not part of the plan, which is made
 * again at every event: they are asked here only, once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "probe.h"

struct probed {
	struct probe probes[PROBE_MAX];
	size_t service_of[PROBE_MAX];
	size_t n;
};

static void collect(struct probed *to, const struct plan *plan, size_t service,
		    const struct plan_backend *backend, bool is_tcp)
{
	const struct plan_service *s = &plan->services[service];
	bool has_header = s->flags & (is_tcp ? EDGE53_SERVICE_PROXY_TCP : EDGE53_SERVICE_PROXY_UDP);
	unsigned int port = is_tcp ? backend->tcp_port : backend->udp_port;

	/* `health: off` is for servers that do not want to be asked. Headers are asked for all the same. */
	if (!backend->usable || !port || to->n == PROBE_MAX || !s->health ||
	    (s->health->is_off && !has_header))
		return;
	to->service_of[to->n] = service;
	to->probes[to->n++] = (struct probe){
		.backend = backend->address,
		.source = backend->source,
		.port = port,
		.ifindex = backend->ifindex,
		.is_tcp = is_tcp,
		.has_header = has_header,
		.question = s->health->has_question ? &s->health->question : NULL,
	};
}

static void collect_all(struct probed *to, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_services; i++)
		for (size_t j = 0; j < plan->services[i].n_backends; j++)
			for (int is_tcp = 0; is_tcp < 2; is_tcp++)
				collect(to, plan, i, &plan->services[i].backends[j], is_tcp);
}

static enum finding_code code_of(const struct probe *probe)
{
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

static void describe(const struct probe *probe, char *text, size_t size)
{
	const char *with = probe->has_header ? " with a PROXY header" : "";

	switch (probe->result) {
	case PROBE_ANSWERED:
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

	describe(probe, what, sizeof(what));
	if (may_read_no_header(probe))
		snprintf(advice, sizeof(advice),
			 "; is it set up to read them from %s? Else set client_ip.%s: none",
			 addr_format(&probe->source, source), probe->is_tcp ? "tcp" : "udp");
	return findings_add(findings,
			    probe->result == PROBE_ANSWERED ? FINDING_NOTE : FINDING_WARNING,
			    code_of(probe), "%s: %s %s, %s port %u: %s%s", service->name,
			    service->kind == EDGE53_SERVICE_ENFORCE ? "resolver" : "backend",
			    addr_format(&probe->backend, address), probe->is_tcp ? "TCP" : "UDP",
			    probe->port, what, advice);
}

/* One that does not answer is a loss; when none does, no client is served. */
static int say_no_answer(struct findings *findings, const struct plan *plan,
			 const struct probed *probed, size_t service, bool is_tcp)
{
	const struct plan_service *s = &plan->services[service];
	bool was_asked = false;

	for (size_t i = 0; i < probed->n; i++) {
		const struct probe *probe = &probed->probes[i];

		if (probed->service_of[i] != service || probe->is_tcp != is_tcp)
			continue;
		if (probe->result == PROBE_ANSWERED || probe->result == PROBE_FAILED)
			return 0;
		was_asked = true;
	}
	if (!was_asked || probed->n == PROBE_MAX)
		return 0;
	return findings_add(findings, FINDING_ERROR, FOUND_NO_ANSWER,
			    "%s: no %s answers a query by %s", s->name,
			    s->kind == EDGE53_SERVICE_ENFORCE ? "resolver" : "backend",
			    is_tcp ? "TCP" : "UDP");
}

int check_read_answers(const struct plan *plan, const struct config_limits *limits,
		       struct findings *findings)
{
	_cleanup_(freep) struct probed *probed = calloc(1, sizeof(*probed));
	int r;

	if (!probed)
		return -ENOMEM;
	collect_all(probed, plan);
	if (!probed->n)
		return 0;
	r = probe_all(probed->probes, probed->n, limits);
	for (size_t i = 0; i < probed->n && !r; i++)
		r = say(findings, &plan->services[probed->service_of[i]], &probed->probes[i]);
	for (size_t i = 0; i < plan->n_services && !r; i++)
		r = say_no_answer(findings, plan, probed, i, false)
			    ?: say_no_answer(findings, plan, probed, i, true);
	if (!r && probed->n == PROBE_MAX)
		r = findings_add(findings, FINDING_NOTE, FOUND_PROBES_LIMITED,
				 "the first %d ports of backends were asked, and no more",
				 PROBE_MAX);
	return r;
}
