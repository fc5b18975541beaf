// SPDX-License-Identifier: GPL-2.0-only
#include "probe.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <time.h>

#include "exchange.h"

#define SEND_AGAIN_MS (PROBE_TIMEOUT_MS / 3) /* UDP, which may be lost */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void begin(struct exchange *exchange, const struct probe *probe,
		  const struct config_limits *limits)
{
	struct exchange_target target = {
		.backend = probe->backend,
		.source = probe->source,
		.port = probe->port,
		.ifindex = probe->ifindex,
		.is_tcp = probe->is_tcp,
		.has_header = probe->has_header,
		.question = probe->question ?: &dns_default_question,
	};

	exchange_begin(exchange, &target, limits);
}

/* Returns how many are waited for. */
static size_t fill_polls(const struct exchange *exchanges, size_t n, struct pollfd *polls)
{
	size_t n_open = 0;

	for (size_t i = 0; i < n; i++) {
		bool is_over = exchanges[i].result != EDGE53_PROBE_NONE;

		polls[i] = (struct pollfd){
			.fd = is_over ? -1 : exchanges[i].fd,
			.events = exchange_wants_to_write(&exchanges[i]) ? POLLOUT : POLLIN,
		};
		n_open += !is_over;
	}
	return n_open;
}

static void wait_for(struct exchange *exchanges, size_t n, struct pollfd *polls)
{
	uint64_t begin_ms = now_ms(), passed_ms;
	bool is_sent_again = false;

	while ((passed_ms = now_ms() - begin_ms) < PROBE_TIMEOUT_MS) {
		uint64_t until_ms = is_sent_again ? PROBE_TIMEOUT_MS : SEND_AGAIN_MS;

		if (!is_sent_again && passed_ms >= SEND_AGAIN_MS) {
			for (size_t i = 0; i < n; i++)
				exchange_send_again(&exchanges[i]);
			is_sent_again = true;
			continue;
		}
		if (!fill_polls(exchanges, n, polls))
			return;
		if (poll(polls, n, (int)(until_ms - passed_ms)) <= 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (polls[i].revents)
				exchange_on_event(&exchanges[i]);
	}
}

static enum probe_result result_of(const struct exchange *exchange)
{
	switch (exchange->result) {
	case EDGE53_PROBE_ANSWERED:
		return PROBE_ANSWERED;
	case EDGE53_PROBE_HEADER_NOT_READ:
		return PROBE_HEADER_NOT_READ;
	case EDGE53_PROBE_PORT_CLOSED:
		return PROBE_REFUSED;
	case EDGE53_PROBE_CLOSED:
		return PROBE_CLOSED;
	case EDGE53_PROBE_UNREACHABLE:
	case EDGE53_PROBE_NOT_SENT:
		return PROBE_FAILED;
	default:
		return PROBE_SILENT;
	}
}

int probe_all(struct probe *probes, size_t n, const struct config_limits *limits)
{
	_cleanup_(freep) struct exchange *exchanges = calloc(n + 1, sizeof(*exchanges));
	_cleanup_(freep) struct pollfd *polls = calloc(n + 1, sizeof(*polls));

	if (!exchanges || !polls)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		begin(&exchanges[i], &probes[i], limits);
	wait_for(exchanges, n, polls);
	for (size_t i = 0; i < n; i++) {
		exchange_expire(&exchanges[i]);
		exchange_end(&exchanges[i]);
		probes[i].result = result_of(&exchanges[i]);
		probes[i].error = exchanges[i].error;
		probes[i].rcode = exchanges[i].rcode;
	}
	return 0;
}
