/* SPDX-License-Identifier: GPL-2.0-only */
/* `edge53 check`: is the file right, and what would be done with it on this host? */
#include <argp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "daemon.h"
#include "log.h"
#include "plan.h"
#include "policies.h"
#include "probe.h"

#define KEY_NO_PROBE 0x100 /* no letter */

struct options {
	const char *config_path;
	bool no_probe;
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "Configuration (" DEFAULT_CONFIG_PATH ")", 0 },
	{ "no-probe", KEY_NO_PROBE, NULL, 0,
	  "Do not ask backends whether they read PROXY headers", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c':
		options->config_path = arg;
		return 0;
	case KEY_NO_PROBE:
		options->no_probe = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument \"%s\"", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_device(const struct plan_device *device)
{
	static const struct {
		enum plan_hook hook;
		const char *text;
	} texts[] = {
		{ HOOK_UPLINK_XDP, "XDP" },
		{ HOOK_UPLINK_TC, "tc ingress" },
		{ HOOK_ENFORCE_IN, "tc ingress" },
		{ HOOK_ENFORCE_OUT, "tc egress" },
		{ HOOK_GUARD_OUT, "guard at tc egress" },
		{ HOOK_RETURN_IN, "return at tc ingress" },
		{ HOOK_RETURN_OUT, "return at tc egress" },
	};
	const char *between = "";

	if (!device->hooks)
		return;
	printf("device %s (%s): ", device->name,
	       device->is_ethernet ? "Ethernet" : "no Ethernet header");
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!(device->hooks & texts[i].hook))
			continue;
		printf("%s%s", between, texts[i].text);
		between = ", ";
	}
	printf("\n");
}

static void print_backend(const struct plan_backend *backend)
{
	char address[ADDR_TEXT_LEN], source[ADDR_TEXT_LEN], device[IF_NAMESIZE] = "?";

	printf("  %s %s udp %u tcp %u weight %u", backend->is_local ? "resolver" : "backend",
	       addr_format(&backend->address, address), backend->udp_port, backend->tcp_port,
	       backend->weight);
	if (!backend->usable)
		printf(": not usable now");
	else if (backend->is_local)
		printf(" through the host's stack");
	else
		printf(" through %s from %s", if_indextoname(backend->ifindex, device) ?: device,
		       addr_format(&backend->source, source));
	printf("\n");
}

static void print_prefix(const char *what, const struct edge53_prefix *prefix)
{
	unsigned int mapped_bits = addr_is_ipv4(&prefix->address) ? 96 : 0;
	char text[ADDR_TEXT_LEN];

	printf("  %s %s/%u\n", what, addr_format(&prefix->address, text),
	       prefix->length_bits - mapped_bits);
}

static void print_policies(const struct plan_service *service)
{
	if (service->kind != EDGE53_SERVICE_ENFORCE)
		return;
	printf("  IPv6 %s, DoT %s", ipv6_word(service->flags), dot_word(service->flags));
	if (service->doh.n)
		printf(", DoH %s (%zu prefixes)", doh_word(service->flags), service->doh.n);
	printf("\n");
}

static void print_client_ip(const struct plan_service *service)
{
	if (!(service->flags & (EDGE53_SERVICE_PROXY_UDP | EDGE53_SERVICE_PROXY_TCP)))
		return;
	printf("  the client's address to the backends: UDP %s", client_ip_udp_word(service->flags));
	if (service->max_udp_payload)
		printf(" (in %u bytes)", service->max_udp_payload);
	printf(", TCP %s%s\n", client_ip_tcp_word(service->flags),
	       service->tcp_refused ? " (refused, see below)" : "");
}

/* Both halves of each entry. */
static void print_returns(const struct plan *plan, size_t service)
{
	char device[IF_NAMESIZE] = "?";

	for (size_t i = 0; i < plan->n_return_ports; i++) {
		const struct plan_return_port *p = &plan->return_ports[i];
		const char *protocol = p->l4proto == IPPROTO_UDP ? "UDP" : "TCP";

		if (p->service != service)
			continue;
		if_indextoname(p->ifindex, device);
		if (p->is_uplink)
			printf("  replies from %s port %u that are about to leave by %s go back into the tunnel\n",
			       protocol, p->port, device);
		else
			printf("  who comes by %s to %s port %u is remembered\n", device, protocol,
			       p->port);
	}
}

static void print_service(const struct plan *plan, size_t index)
{
	const struct plan_service *service = &plan->services[index];
	char text[ADDR_TEXT_LEN];

	printf("%s \"%s\"\n",
	       service->kind == EDGE53_SERVICE_EDGE	 ? "edge" :
	       service->kind == EDGE53_SERVICE_ENFORCE ? "enforce" : "return",
	       service->name);
	for (size_t i = 0; i < plan->n_frontends; i++) {
		const struct plan_frontend *frontend = &plan->frontends[i];

		if (frontend->service != index)
			continue;
		printf("  clients on %s ask %s port 53\n", plan->devices[frontend->device].name,
		       addr_is_zero(&frontend->address) ? "any address"
							: addr_format(&frontend->address, text));
	}
	for (size_t i = 0; i < service->n_backends; i++)
		print_backend(&service->backends[i]);
	print_client_ip(service);
	print_policies(service);
	print_returns(plan, index);
	for (size_t i = 0; i < service->exempt.n; i++)
		print_prefix("exempt", &service->exempt.list[i]);
	for (size_t i = 0; i < service->keep_source.n; i++)
		print_prefix("keeps its source:", &service->keep_source.list[i]);
}

static void print_plan(const struct plan *plan)
{
	static const char *const levels[] = { "note", "warning", "error" };

	for (size_t i = 0; i < plan->n_services; i++)
		print_service(plan, i);
	for (size_t i = 0; i < plan->n_devices; i++)
		print_device(&plan->devices[i]);
	if (plan->n_guards)
		printf("guard %s: port 53 of clients that leave by a device of the default route although their own is not attached\n",
		       guard_word(plan->guards[0].policy));
	for (size_t i = 0; i < plan->n_findings; i++)
		printf("%s: %s\n", levels[plan->findings[i].level], plan->findings[i].text);
}

/* --- do the backends read PROXY headers? ------------------------------------------------------ */

/* Appends what is to be asked of the backends of a service. Returns how many there are now. */
static size_t collect_probes(const struct plan_service *service, struct probe *probes, size_t n)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		const struct plan_backend *b = &service->backends[i];
		struct probe probe = { .backend = b->address,
				       .source = b->source,
				       .ifindex = b->ifindex };

		if (b->usable && b->udp_port && service->flags & EDGE53_SERVICE_PROXY_UDP &&
		    n < PROBE_MAX) {
			probe.port = b->udp_port;
			probes[n++] = probe;
		}
		if (b->usable && b->tcp_port && service->flags & EDGE53_SERVICE_PROXY_TCP &&
		    n < PROBE_MAX) {
			probe.port = b->tcp_port;
			probe.is_tcp = true;
			probes[n++] = probe;
		}
	}
	return n;
}

static void print_advice(const struct probe *probe)
{
	char source[ADDR_TEXT_LEN];

	printf("; is it set up to read them from %s? Else set client_ip.%s: none\n",
	       addr_format(&probe->source, source), probe->is_tcp ? "tcp" : "udp");
}

static void print_probe(const char *service, const struct probe *probe)
{
	const char *protocol = probe->is_tcp ? "TCP" : "UDP";
	char address[ADDR_TEXT_LEN];

	printf("%s: %s: backend %s, %s port %u: ",
	       probe->result == PROBE_ANSWERED ? "note" : "warning", service,
	       addr_format(&probe->backend, address), protocol, probe->port);
	switch (probe->result) {
	case PROBE_ANSWERED:
		printf("answers a query with a PROXY header\n");
		return;
	case PROBE_HEADER_NOT_READ:
		printf("does not read PROXY headers, but takes them for a query (its answer has DNS ID 0x0d0a)");
		break;
	case PROBE_SILENT:
		printf("does not answer a query with a PROXY header in %.1f s",
		       PROBE_TIMEOUT_MS / 1000.0);
		break;
	case PROBE_CLOSED:
		printf("closes a connection that begins with a PROXY header");
		break;
	case PROBE_REFUSED:
		printf("nobody listens there\n");
		return;
	case PROBE_FAILED:
		printf("cannot be asked from here: %s\n", strerror(probe->error));
		return;
	}
	print_advice(probe);
}

/* Not part of the plan, which is made again at every event: backends are asked here only. */
static void probe_backends(const struct plan *plan, const struct config *config)
{
	struct probe probes[PROBE_MAX];
	size_t service_of[PROBE_MAX], n = 0;

	for (size_t i = 0; i < plan->n_services; i++) {
		size_t before = n;

		n = collect_probes(&plan->services[i], probes, n);
		for (; before < n; before++)
			service_of[before] = i;
	}
	if (!n || probe_all(probes, n, &config->limits) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		print_probe(plan->services[service_of[i]].name, &probes[i]);
	if (n == PROBE_MAX)
		printf("note: the first %d ports of backends were asked, and no more\n", PROBE_MAX);
}

int cmd_check(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Check FILE and this host, and print what `edge53 run` would do. Changes nothing. "
		       "Backends of services with client_ip: proxy-v2 are asked once whether they read "
		       "PROXY headers.",
	};
	struct options options = { .config_path = DEFAULT_CONFIG_PATH };
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(host_freep) struct host *host = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;

	if (argp_parse(&argp, argc, argv, 0, NULL, &options))
		return EXIT_USAGE;
	if (config_load(options.config_path, &config) < 0)
		return EXIT_USAGE;
	if (daemon_make_plan(config, NULL, &(struct host_changes){}, &host, &plan) < 0)
		return EXIT_FAILED;
	print_plan(plan);
	fflush(stdout);
	if (!options.no_probe && !plan->has_errors)
		probe_backends(plan, config);
	return plan->has_errors ? EXIT_USAGE : EXIT_FINE;
}
