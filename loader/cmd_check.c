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

#define KEY_NO_PROBE 0x100 /* no letter */

struct options {
	const char *config_path;
	bool no_probe;
	bool json;
};

static const struct argp_option option_table[] = {
	{ "config", 'c', "FILE", 0, "Configuration (" DEFAULT_CONFIG_PATH ")", 0 },
	{ "no-probe", KEY_NO_PROBE, NULL, 0, "Do not ask backends and resolvers", 0 },
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
	char name[EDGE53_IFNAME_LEN];

	if (!device->hooks)
		return;
	printf("device %s (%s): ", ifname_text(device->name, name),
	       device->is_ethernet ? "Ethernet" : "no Ethernet header");
	for (size_t i = 0; i < ARRAY_SIZE(hook_texts); i++) {
		if (!(device->hooks & hook_texts[i].hook))
			continue;
		printf("%s%s", between, hook_texts[i].text);
		between = ", ";
	}
	printf("\n");
}

/* Returns buf. */
static const char *name_of_index(unsigned int ifindex, char buf[static EDGE53_IFNAME_LEN])
{
	char name[IF_NAMESIZE] = "?";

	if_indextoname(ifindex, name);
	return ifname_text(name, buf);
}

static void print_backend(const struct plan_backend *backend)
{
	char address[ADDR_TEXT_LEN], source[ADDR_TEXT_LEN], device[EDGE53_IFNAME_LEN];

	printf("  %s %s udp %u tcp %u weight %u", backend->is_local ? "resolver" : "backend",
	       addr_format(&backend->address, address), backend->udp_port, backend->tcp_port,
	       backend->weight);
	if (!backend->usable)
		printf(": not usable now");
	else if (backend->is_local)
		printf(" through the host's stack");
	else
		printf(" through %s from %s", name_of_index(backend->ifindex, device),
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

static void print_tcp_limit(const struct config_tcp_limit *limit)
{
	if (!limit)
		return;
	printf("  connections of a /%u, by IPv6 a /%u:", limit->prefix.ipv4, limit->prefix.ipv6);
	if (limit->new_per_second)
		printf(" %u new ones a second (%u at once)", limit->new_per_second, limit->burst);
	if (limit->open)
		printf("%s %u open ones", limit->new_per_second ? "," : "", limit->open);
	if (limit->cookies_above)
		printf("%s cookies above %u SYNs a second of all",
		       limit->new_per_second || limit->open ? "," : "", limit->cookies_above);
	printf("\n");
}

static void print_prefixes(const char *what, const struct plan_prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->n; i++)
		print_prefix(what, &prefixes->list[i]);
}

static void print_client_ip(const struct plan_service *service)
{
	if (!(service->flags & (EDGE53_SERVICE_PROXY_UDP | EDGE53_SERVICE_PROXY_TCP)))
		return;
	printf("  the client's address to the backends: UDP %s",
	       client_ip_udp_word(service->flags));
	if (service->max_udp_payload)
		printf(" (in %u bytes)", service->max_udp_payload);
	printf(", TCP %s%s\n", client_ip_tcp_word(service->flags),
	       service->tcp_refused ? " (refused, see below)" : "");
}

/* Both halves of each entry. */
static void print_returns(const struct plan *plan, size_t service)
{
	char device[EDGE53_IFNAME_LEN];

	for (size_t i = 0; i < plan->n_return_ports; i++) {
		const struct plan_return_port *p = &plan->return_ports[i];
		const char *protocol = p->l4proto == IPPROTO_UDP ? "UDP" : "TCP";

		if (p->service != service)
			continue;
		name_of_index(p->ifindex, device);
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
	char text[ADDR_TEXT_LEN], name[EDGE53_IFNAME_LEN];

	printf("%s \"%s\"\n", kind_text(service), service->name);
	for (size_t i = 0; i < plan->n_frontends; i++) {
		const struct plan_frontend *frontend = &plan->frontends[i];

		if (frontend->service != index)
			continue;
		printf("  clients on %s ask %s port 53\n",
		       ifname_text(plan->devices[frontend->device].name, name),
		       addr_is_zero(&frontend->address) ? "any address"
							: addr_format(&frontend->address, text));
	}
	for (size_t i = 0; i < service->n_backends; i++)
		print_backend(&service->backends[i]);
	print_client_ip(service);
	print_tcp_limit(service->tcp_limit);
	print_policies(service);
	print_returns(plan, index);
	print_prefixes("exempt", &service->exempt[EDGE53_EXEMPT_ALL]);
	print_prefixes("exempt from tcp_limit:", &service->exempt[EDGE53_EXEMPT_TCP]);
	print_prefixes("exempt from response_limit:", &service->exempt[EDGE53_EXEMPT_RESPONSES]);
	print_prefixes("keeps its source:", &service->keep_source);
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
	_cleanup_(freep) struct check_answers *answers = NULL;
	struct check check = { .config_path = options->config_path,
			       .config = config,
			       .host = host,
			       .plan = plan,
			       .findings = findings };
	int r = 0;

	/* First: a question wakes a tunnel that has slept, and what it says of itself is then of now. */
	if (!options->no_probe && !plan->has_errors)
		r = check_read_answers(plan, &config->limits, &answers);
	if (!r)
		r = check_read(config, host, plan, &facts);
	if (r < 0)
		return r;
	check.facts = facts;
	check.answers = answers;
	return check_judge(&check);
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
		       "Backends and resolvers are asked one question each by UDP and TCP.\vExit status: 0 it would work, 1 it would not on this host, 2 the "
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
