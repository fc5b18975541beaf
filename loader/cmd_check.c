/* SPDX-License-Identifier: GPL-2.0-only */
/* `edge53 check`: is the file right, what would be done with it on this host, and would that work? */
#include <argp.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "commands.h"
#include "daemon.h"
#include "log.h"
#include "output.h"
#include "plan.h"
#include "policies.h"
#include "probe.h"

#define KEY_NO_PROBE 0x100 /* no letter */

struct options {
	const char *config_path;
	bool no_probe;
	bool json;
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "Configuration (" DEFAULT_CONFIG_PATH ")", 0 },
	{ "no-probe", KEY_NO_PROBE, NULL, 0, "Do not ask backends whether they read PROXY headers",
	  0 },
	{ "json", 'j', NULL, 0, "One JSON object: the plan in short, and the findings", 0 },
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
	case 'j':
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "unexpected argument \"%s\"", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct {
	enum plan_hook hook;
	const char *text;
} hook_texts[] = {
	{ HOOK_UPLINK_XDP, "XDP" },
	{ HOOK_UPLINK_TC, "tc ingress" },
	{ HOOK_ENFORCE_IN, "tc ingress" },
	{ HOOK_ENFORCE_OUT, "tc egress" },
	{ HOOK_GUARD_OUT, "guard at tc egress" },
	{ HOOK_RETURN_IN, "return at tc ingress" },
	{ HOOK_RETURN_OUT, "return at tc egress" },
};

static void print_device(const struct plan_device *device)
{
	const char *between = "";

	if (!device->hooks)
		return;
	printf("device %s (%s): ", device->name,
	       device->is_ethernet ? "Ethernet" : "no Ethernet header");
	for (size_t i = 0; i < ARRAY_SIZE(hook_texts); i++) {
		if (!(device->hooks & hook_texts[i].hook))
			continue;
		printf("%s%s", between, hook_texts[i].text);
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

static const char *kind_text(const struct plan_service *service)
{
	return service->kind == EDGE53_SERVICE_EDGE	 ? "edge"
	       : service->kind == EDGE53_SERVICE_ENFORCE ? "enforce"
							 : "return";
}

static void print_service(const struct plan *plan, size_t index)
{
	const struct plan_service *service = &plan->services[index];
	char text[ADDR_TEXT_LEN];

	printf("%s \"%s\"\n", kind_text(service), service->name);
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
	for (size_t i = 0; i < plan->n_services; i++)
		print_service(plan, i);
	for (size_t i = 0; i < plan->n_devices; i++)
		print_device(&plan->devices[i]);
	if (plan->n_guards)
		printf("guard %s: port 53 of clients that leave by a device of the default route although their own is not attached\n",
		       guard_word(plan->guards[0].policy));
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

struct probed {
	struct probe probes[PROBE_MAX];
	size_t service_of[PROBE_MAX];
	size_t n;
};

static int say_probe(struct findings *findings, const char *service, const struct probe *probe)
{
	static const struct {
		enum finding_level level;
		enum finding_code code;
		bool needs_advice;
	} kinds[] = {
		[PROBE_ANSWERED] = { FINDING_NOTE, FOUND_PROXY_READ, false },
		[PROBE_HEADER_NOT_READ] = { FINDING_WARNING, FOUND_PROXY_NOT_READ, true },
		[PROBE_SILENT] = { FINDING_WARNING, FOUND_PROXY_SILENT, true },
		[PROBE_CLOSED] = { FINDING_WARNING, FOUND_PROXY_CLOSED, true },
		[PROBE_REFUSED] = { FINDING_WARNING, FOUND_BACKEND_REFUSED, false },
		[PROBE_FAILED] = { FINDING_WARNING, FOUND_BACKEND_NOT_ASKED, false },
	};
	char address[ADDR_TEXT_LEN], source[ADDR_TEXT_LEN], what[192], advice[160] = "";
	const char *key = probe->is_tcp ? "tcp" : "udp";

	switch (probe->result) {
	case PROBE_ANSWERED:
		snprintf(what, sizeof(what), "answers a query with a PROXY header");
		break;
	case PROBE_HEADER_NOT_READ:
		snprintf(
			what, sizeof(what),
			"does not read PROXY headers, but takes them for a query (its answer has DNS ID 0x0d0a)");
		break;
	case PROBE_SILENT:
		snprintf(what, sizeof(what),
			 "does not answer a query with a PROXY header in %.1f s",
			 PROBE_TIMEOUT_MS / 1000.0);
		break;
	case PROBE_CLOSED:
		snprintf(what, sizeof(what), "closes a connection that begins with a PROXY header");
		break;
	case PROBE_REFUSED:
		snprintf(what, sizeof(what), "nobody listens there");
		break;
	case PROBE_FAILED:
		snprintf(what, sizeof(what), "cannot be asked from here: %s",
			 strerror(probe->error));
		break;
	}
	if (kinds[probe->result].needs_advice)
		snprintf(advice, sizeof(advice),
			 "; is it set up to read them from %s? Else set client_ip.%s: none",
			 addr_format(&probe->source, source), key);
	return findings_add(findings, kinds[probe->result].level, kinds[probe->result].code,
			    "%s: backend %s, %s port %u: %s%s", service,
			    addr_format(&probe->backend, address), probe->is_tcp ? "TCP" : "UDP",
			    probe->port, what, advice);
}

/* One backend that does not answer is a loss; when none does, no client is served. */
static int say_no_answer(struct findings *findings, const struct plan *plan,
			 const struct probed *probed, size_t service, bool is_tcp)
{
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
			    "%s: no backend answers a query with a PROXY header by %s",
			    plan->services[service].name, is_tcp ? "TCP" : "UDP");
}

/* Not part of the plan, which is made again at every event: backends are asked here only. */
static int probe_backends(const struct plan *plan, const struct config *config,
			  struct findings *findings)
{
	struct probed probed = { .n = 0 };
	int r = 0;

	for (size_t i = 0; i < plan->n_services; i++) {
		size_t before = probed.n;

		probed.n = collect_probes(&plan->services[i], probed.probes, probed.n);
		for (; before < probed.n; before++)
			probed.service_of[before] = i;
	}
	if (!probed.n)
		return 0;
	r = probe_all(probed.probes, probed.n, &config->limits);
	for (size_t i = 0; i < probed.n && !r; i++)
		r = say_probe(findings, plan->services[probed.service_of[i]].name,
			      &probed.probes[i]);
	for (size_t i = 0; i < plan->n_services && !r; i++)
		r = say_no_answer(findings, plan, &probed, i, false)
			    ?: say_no_answer(findings, plan, &probed, i, true);
	if (!r && probed.n == PROBE_MAX)
		r = findings_add(findings, FINDING_NOTE, FOUND_PROBES_LIMITED,
				 "the first %d ports of backends were asked, and no more",
				 PROBE_MAX);
	return r;
}

/* --- findings --------------------------------------------------------------------------------- */

static size_t count_level(const struct findings *findings, enum finding_level level)
{
	size_t n = 0;

	for (size_t i = 0; i < findings->n; i++)
		n += findings->list[i].level == level;
	return n;
}

/* The worst first, as they were found otherwise. */
static void print_findings(const struct findings *findings)
{
	size_t n_errors = count_level(findings, FINDING_ERROR);
	size_t n_warnings = count_level(findings, FINDING_WARNING);

	for (int level = FINDING_ERROR; level >= FINDING_NOTE; level--) {
		for (size_t i = 0; i < findings->n; i++) {
			const struct finding *f = &findings->list[i];

			if ((int)f->level != level)
				continue;
			printf("%s: %s [%s]\n    why: %s\n", finding_level_text(f->level), f->text,
			       finding_code_text(f->code), finding_why(f->code));
			if (f->mend)
				printf("    mend: %s\n", f->mend);
		}
	}
	printf("%s: %zu error%s, %zu warning%s\n", n_errors ? "would not work" : "would work",
	       n_errors, n_errors == 1 ? "" : "s", n_warnings, n_warnings == 1 ? "" : "s");
}

/* --- JSON ------------------------------------------------------------------------------------- */

static json_t *text_json(const char *text)
{
	return output_text(text, strlen(text));
}

static json_t *device_name_json(unsigned int ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname(ifindex, name) ? text_json(name) : json_null();
}

static json_t *backend_json(const struct plan_backend *backend)
{
	json_t *o = json_object();

	output_put(&o, "address", output_address(&backend->address));
	output_put(&o, "udp", json_integer(backend->udp_port));
	output_put(&o, "tcp", json_integer(backend->tcp_port));
	output_put(&o, "weight", json_integer(backend->weight));
	output_put(&o, "usable", json_boolean(backend->usable));
	if (!backend->usable || backend->is_local)
		return o;
	output_put(&o, "device", device_name_json(backend->ifindex));
	output_put(&o, "mtu", json_integer(backend->mtu));
	output_put(&o, "source", output_address(&backend->source));
	return o;
}

static json_t *service_json(const struct plan *plan, size_t index)
{
	const struct plan_service *service = &plan->services[index];
	json_t *o = json_object(), *frontends = json_array(), *backends = json_array();

	for (size_t i = 0; i < plan->n_frontends; i++) {
		const struct plan_frontend *frontend = &plan->frontends[i];
		json_t *one;

		if (frontend->service != index)
			continue;
		one = json_object();
		output_put(&one, "device", text_json(plan->devices[frontend->device].name));
		output_put(&one, "address",
			   addr_is_zero(&frontend->address) ? json_null()
							    : output_address(&frontend->address));
		output_append(&frontends, one);
	}
	for (size_t i = 0; i < service->n_backends; i++)
		output_append(&backends, backend_json(&service->backends[i]));
	output_put(&o, "kind", json_string(kind_text(service)));
	output_put(&o, "name", text_json(service->name));
	output_put(&o, "frontends", frontends);
	output_put(&o, "backends", backends);
	return o;
}

static json_t *device_json(const struct plan_device *device)
{
	json_t *o = json_object(), *hooks = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(hook_texts); i++)
		if (device->hooks & hook_texts[i].hook)
			output_append(&hooks, json_string(hook_texts[i].text));
	output_put(&o, "device", text_json(device->name));
	output_put(&o, "ethernet", json_boolean(device->is_ethernet));
	output_put(&o, "hooks", hooks);
	return o;
}

static json_t *finding_json(const struct finding *finding)
{
	json_t *o = json_object();

	output_put(&o, "level", json_string(finding_level_text(finding->level)));
	output_put(&o, "code", json_string(finding_code_text(finding->code)));
	output_put(&o, "what", text_json(finding->text));
	output_put(&o, "why", json_string(finding_why(finding->code)));
	output_put(&o, "mend", finding->mend ? text_json(finding->mend) : json_null());
	return o;
}

static json_t *document(const char *config_path, const struct plan *plan,
			const struct findings *findings)
{
	json_t *o = json_object(), *services = json_array(), *devices = json_array(),
	       *list = json_array();

	for (size_t i = 0; i < plan->n_services; i++)
		output_append(&services, service_json(plan, i));
	for (size_t i = 0; i < plan->n_devices; i++)
		if (plan->devices[i].hooks)
			output_append(&devices, device_json(&plan->devices[i]));
	for (size_t i = 0; i < findings->n; i++)
		output_append(&list, finding_json(&findings->list[i]));
	output_put(&o, "config", text_json(config_path));
	output_put(&o, "would_work", json_boolean(!count_level(findings, FINDING_ERROR)));
	output_put(&o, "services", services);
	output_put(&o, "devices", devices);
	output_put(&o, "findings", list);
	return o;
}

/* --- the whole -------------------------------------------------------------------------------- */

/* What is found beyond the plan. Returns 0 or negative errno. */
static int find_all(const struct options *options, const struct config *config,
		    const struct host *host, const struct plan *plan, struct findings *findings)
{
	_cleanup_(check_facts_freep) struct check_facts *facts = NULL;
	struct check check = { .config_path = options->config_path,
			       .config = config,
			       .host = host,
			       .plan = plan,
			       .findings = findings };
	int r = check_read(config, host, plan, &facts);

	if (r < 0)
		return r;
	check.facts = facts;
	r = check_judge(&check);
	if (!r && !options->no_probe && !plan->has_errors)
		r = probe_backends(plan, config, findings);
	return r;
}

static int print_all(const struct options *options, const struct plan *plan,
		     const struct findings *findings)
{
	if (options->json)
		return output_json(document(options->config_path, plan, findings));
	print_findings(findings);
	return 0;
}

int cmd_check(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.doc = "Check FILE and this host: print what `edge53 run` would do, and what would keep it "
		       "from working, with the command that mends it. Changes nothing. "
		       "Backends of services with client_ip: proxy-v2 are asked once whether they read "
		       "PROXY headers.\vExit status: 0 it would work, 1 it would not on this host, 2 the "
		       "configuration is wrong.",
	};
	struct options options = { .config_path = DEFAULT_CONFIG_PATH };
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(host_freep) struct host *host = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	_cleanup_(findings_clear) struct findings findings = { 0 };
	int r;

	if (argp_parse(&argp, argc, argv, 0, NULL, &options))
		return EXIT_USAGE;
	if (config_load(options.config_path, &config) < 0)
		return EXIT_USAGE;
	if (daemon_make_plan(config, NULL, &(struct host_changes){}, &host, &plan) < 0)
		return EXIT_FAILED;
	/* What is asked takes a moment. */
	if (!options.json) {
		print_plan(plan);
		fflush(stdout);
	}
	r = find_all(&options, config, host, plan, &findings);
	if (!r)
		r = print_all(&options, plan, &findings);
	r = output_finish(r, "the state of the host");
	if (r != EXIT_FINE)
		return r;
	if (plan->has_errors)
		return EXIT_USAGE;
	return count_level(&findings, FINDING_ERROR) ? EXIT_FAILED : EXIT_FINE;
}
