// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asks backends and resolvers, once. Not part of the plan, which is made again at every event.
 */
#include <errno.h>

#include "check.h"

static void collect(struct check_answers *to, const struct plan *plan, size_t service,
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

static void collect_all(struct check_answers *to, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_services; i++)
		for (size_t j = 0; j < plan->services[i].n_backends; j++)
			for (int is_tcp = 0; is_tcp < 2; is_tcp++)
				collect(to, plan, i, &plan->services[i].backends[j], is_tcp);
}

int check_read_answers(const struct plan *plan, const struct config_limits *limits,
		       struct check_answers **ret)
{
	_cleanup_(freep) struct check_answers *answers = calloc(1, sizeof(*answers));
	int r;

	if (!answers)
		return -ENOMEM;
	collect_all(answers, plan);
	r = answers->n ? probe_all(answers->probes, answers->n, limits) : 0;
	if (r < 0)
		return r;
	*ret = answers;
	answers = NULL;
	return 0;
}
