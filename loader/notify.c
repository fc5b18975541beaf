// SPDX-License-Identifier: GPL-2.0-only
#include "notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "util.h"

#define TEXT_LEN 512

static char serving[TEXT_LEN]; /* as it was sent */
static bool has_old_config;    /* the file was refused at the last reload */

/* --- the text --------------------------------------------------------------------------------- */

struct text {
	char *buf;
	size_t size;
	size_t used;
};

/* What does not fit is cut off. */
__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *fmt, ...)
{
	va_list args;
	int n;

	if (text->used >= text->size)
		return;
	va_start(args, fmt);
	n = vsnprintf(text->buf + text->used, text->size - text->used, fmt, args);
	va_end(args);
	if (n > 0)
		text->used += (size_t)n;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* Devices whose clients a service serves. An edge's are in its frontends, which stand device by device. */
static void count_devices(const struct plan *plan, size_t *counts)
{
	for (size_t i = 0; i < plan->n_devices; i++)
		if (plan->devices[i].enforce >= 0)
			counts[plan->devices[i].enforce]++;
	for (size_t i = 0; i < plan->n_frontends; i++) {
		const struct plan_frontend *frontend = &plan->frontends[i];
		bool is_same = i > 0 && frontend[-1].device == frontend->device &&
			       frontend[-1].service == frontend->service;

		if (plan->services[frontend->service].kind == EDGE53_SERVICE_EDGE && !is_same)
			counts[frontend->service]++;
	}
}

static void add_service(struct text *text, const struct plan_service *service, size_t n_devices)
{
	size_t n_usable = 0;

	if (service->kind == EDGE53_SERVICE_RETURN) {
		add(text, "%s: %s", service->name,
		    service->tunnel_ifindex ? "replies return" : "no device");
		return;
	}
	for (size_t i = 0; i < service->n_backends; i++)
		n_usable += plan_answers(&service->backends[i]);
	add(text, "%s: ", service->name);
	if (n_devices)
		add(text, "%zu device%s, ", n_devices, plural(n_devices));
	else
		add(text, "no device, ");
	if (service->kind == EDGE53_SERVICE_EDGE)
		add(text, "%zu of %zu backend%s", n_usable, service->n_backends,
		    plural(service->n_backends));
	else
		add(text, n_usable == service->n_backends ? "resolver answers"
							  : "resolver does not answer");
}

void notify_text(const struct plan *plan, int n_refused, char *buf, size_t size)
{
	struct text text = { .buf = buf, .size = size };
	_cleanup_(freep) size_t *counts = calloc(plan->n_services + 1, sizeof(*counts));

	buf[0] = '\0';
	if (!counts)
		return;
	count_devices(plan, counts);
	/* First, as it is what must not be cut off. */
	if (n_refused > 0)
		add(&text, "%d hook%s refused, see the log; ", n_refused,
		    plural((size_t)n_refused));
	for (size_t i = 0; i < plan->n_services; i++) {
		add_service(&text, &plan->services[i], counts[i]);
		if (i + 1 < plan->n_services)
			add(&text, "; ");
	}
}

/* --- to systemd ------------------------------------------------------------------------------- */

static const char *prefix(void)
{
	return has_old_config ? "the file could not be reloaded, see the log; as before: " : "";
}

void notify_serving(const struct plan *plan, int n_refused)
{
	char text[TEXT_LEN];

	notify_text(plan, n_refused, text, sizeof(text));
	if (!strcmp(text, serving))
		return;
	strcpy(serving, text);
	sd_notifyf(false, "STATUS=%s%s", prefix(), serving);
}

void notify_ready(void)
{
	sd_notifyf(false, "READY=1\nSTATUS=%s%s", prefix(), serving);
}

void notify_reload_begin(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	sd_notifyf(false, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)ts.tv_sec * 1000000 + (unsigned long long)ts.tv_nsec / 1000);
}

void notify_reload_end(bool failed)
{
	has_old_config = failed;
	notify_ready();
}

void notify_stopping(void)
{
	sd_notify(false, "STOPPING=1");
}
