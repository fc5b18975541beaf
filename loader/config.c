// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_schema.h"
#include "config_tree.h"
#include "log.h"

#define MAX_SERVICES (EDGE53_MAX_SERVICES - 1) /* id 0 means none */
#define MAX_BACKENDS (EDGE53_MAX_BACKENDS - 1)
#define MAX_NAME_LEN (EDGE53_NAME_LEN - 1)
#define MAX_IFNAME_LEN (IFNAMSIZ - 1)
#define MAX_PORT 65535
#define MAX_WEIGHT 1000

#define MIN_UDP_SLOTS 1024
#define MAX_UDP_SLOTS 16777216
#define MIN_TCP_CONNECTIONS 16
#define MAX_TCP_CONNECTIONS 65536
#define MAX_CLIENTS 16777216
#define MIN_PORTS 1024
#define FIRST_FREE_PORT 1024
#define MIN_UDP_TIMEOUT_MS 100
#define MAX_UDP_TIMEOUT_MS 3600000

static const struct config_limits default_limits = {
	.udp_slots = 262144,
	.tcp_connections = 16384,
	.clients = 65536,
	.port_first = 16384,
	.port_last = 32767,
	.udp_timeout_ms = 10000,
};

/*
 * Everything below converts one value: at says where it is written and text what (NULL: it is not
 * written). Each returns whether the value is good; if it is not, it has been said why.
 */

/* --- words and numbers ------------------------------------------------------------------------ */

static bool is_present(const struct place *at)
{
	if (!at->node)
		wrong(at, "is missing");
	return at->node;
}

struct word {
	const char *text;
	enum config_policy policy;
	bool is_not_yet;
};

static const struct word on_down_words[] = {
	{ "pass", POLICY_PASS, false },
	{ "drop", POLICY_DROP, false },
	{ "servfail", POLICY_SERVFAIL, true },
	{ NULL, POLICY_PASS, false },
};

static const struct word ipv6_words[] = {
	{ "drop", POLICY_DROP, false },
	{ "pass", POLICY_PASS, false },
	{ "redirect", POLICY_REDIRECT, true },
	{ NULL, POLICY_PASS, false },
};

static const struct word dot_words[] = {
	{ "pass", POLICY_PASS, false },
	{ "drop", POLICY_DROP, false },
	{ "reject", POLICY_REJECT, true },
	{ NULL, POLICY_PASS, false },
};

/* All our words for policies go in pairs: "pass" and "drop" are the ones that work today. */
static bool read_policy(const struct place *at, const char *text, const struct word *words,
			enum config_policy *ret)
{
	const struct word *word = words;

	if (!text)
		return true;
	while (word->text && strcmp(word->text, text) != 0)
		word++;
	if (!word->text) {
		wrong_value(at, "is not pass or drop");
		return false;
	}
	if (word->is_not_yet) {
		wrong_value(at, "is not supported yet; pass and drop are");
		return false;
	}
	*ret = word->policy;
	return true;
}

/* Only digits, no sign, no leading zero (YAML 1.1 would take it for octal). */
static bool parse_number(const char *text, size_t len, unsigned int *ret)
{
	unsigned int number = 0;

	if (len < 1 || len > 9 || (text[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned int)(text[i] - '0');
	}
	*ret = number;
	return true;
}

static bool read_number(const struct place *at, const char *text, const char *what,
			unsigned int min, unsigned int max, unsigned int *ret)
{
	unsigned int number;

	if (!text)
		return true;
	if (!parse_number(text, strlen(text), &number) || number < min || number > max) {
		wrong_value(at, "is not %s (%u-%u)", what, min, max);
		return false;
	}
	*ret = number;
	return true;
}

static bool read_duration_ms(const struct place *at, const char *text, unsigned int min,
			     unsigned int max, unsigned int *ret)
{
	static const struct {
		const char *name;
		unsigned int ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	unsigned long long duration_ms = 0;
	size_t n_digits;
	unsigned int number;

	if (!text)
		return true;
	n_digits = strspn(text, "0123456789");
	if (n_digits > 0 && !text[n_digits]) {
		wrong_value(at, "has no unit: %ss or %sms?", text, text);
		return false;
	}
	if (parse_number(text, n_digits, &number))
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (strcmp(text + n_digits, units[i].name) == 0)
				duration_ms = (unsigned long long)number * units[i].ms;
	if (duration_ms < min || duration_ms > max) {
		wrong_value(at, "is not a duration from 100ms to 1h, such as 500ms, 10s or 2m");
		return false;
	}
	*ret = (unsigned int)duration_ms;
	return true;
}

/* --- names ------------------------------------------------------------------------------------ */

static bool copy_text(const struct place *at, const char *text, char **ret)
{
	*ret = strdup(text);
	if (!*ret)
		wrong(at, "out of memory");
	return *ret;
}

static bool read_name(const struct place *at, const char *text, char **ret)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len;

	if (!is_present(at))
		return false;
	len = strlen(text);
	if (len < 1 || len > MAX_NAME_LEN || text[strspn(text, allowed)]) {
		wrong_value(at, "is not a name: 1 to %d letters, digits, \"_\", \".\" or \"-\"",
			    MAX_NAME_LEN);
		return false;
	}
	return copy_text(at, text, ret);
}

static bool has_space(const char *text)
{
	for (; *text; text++)
		if (isspace((unsigned char)*text))
			return true;
	return false;
}

/* What the kernel takes as the name of a device (dev_valid_name()). */
static bool read_device(const struct place *at, const char *text, char **ret)
{
	size_t len = strlen(text);

	if (len < 1 || len > MAX_IFNAME_LEN) {
		wrong_value(at, "is not the name of a device: they have 1 to %d characters",
			    MAX_IFNAME_LEN);
		return false;
	}
	if (strpbrk(text, "/:") || has_space(text) || !strcmp(text, ".") || !strcmp(text, "..")) {
		wrong_value(at, "is not the name of a device: \"/\", \":\" and white space cannot be "
			    "in one, nor is it \".\" or \"..\"");
		return false;
	}
	return copy_text(at, text, ret);
}

static bool read_interface(const struct place *at, const char *text, char **ret)
{
	return is_present(at) && read_device(at, text, ret);
}

static bool read_tunnel(const struct place *at, const char *text, char **ret)
{
	if (!text)
		return true;
	if (strpbrk(text, "*?[")) {
		wrong_value(at, "is a pattern; the backends are behind one device, name that one");
		return false;
	}
	return read_device(at, text, ret);
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Something was written that is no address: says what it looks like, and what to do. */
static void wrong_address(const struct place *at, const char *text, bool is_prefix_ok)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t host_len = strcspn(text, ":");
	bool has_port = text[host_len] && !strchr(text + host_len + 1, ':');
	bool has_letters = strcspn(text, letters) < host_len;

	if (strchr(text, '/'))
		wrong_value(at, is_prefix_ok ? "is not an IPv4 address or prefix such as 10.77.0.0/16" :
					       "is a prefix; an address is needed here");
	else if (has_letters && (has_port || !strchr(text, ':')))
		wrong_value(at, "is a host name; write its address. Finding the address of a name "
			    "may need the very DNS server this file describes, which would then "
			    "wait for itself");
	else if (has_port)
		wrong_value(at, "has a port in it; write the address alone, ports have keys of "
			    "their own (udp, tcp) or are 53");
	else
		wrong_value(at, "is not an IPv4 address: four numbers from 0 to 255, with dots");
}

static bool is_ipv4_here(const struct place *at, const struct edge53_addr *addr)
{
	if (!addr_is_ipv4(addr))
		wrong_value(at, "is IPv6, and IPv6 is not supported yet here; an IPv4 address is");
	return addr_is_ipv4(addr);
}

/* Why no host on a network can have this address, or NULL. */
static const char *why_no_host(const struct edge53_addr *addr)
{
	const __u8 *ipv4 = addr->bytes + 12;

	if (ipv4[0] == 0)
		return "is no host's address: 0.0.0.0/8 means \"this network\"";
	if (ipv4[0] == 127)
		return "is a loopback address, which the kernel accepts from no network; write "
		       "another address of that host";
	if (ipv4[0] >= 224 && ipv4[0] < 240)
		return "is a multicast address; the address of one host is needed";
	if (memcmp(ipv4, "\xff\xff\xff\xff", 4) == 0)
		return "is the broadcast address; the address of one host is needed";
	return NULL;
}

static bool read_address(const struct place *at, const char *text, struct edge53_addr *ret)
{
	const char *why;

	if (!text) {
		wrong(at, "a list or a block stands where an address belongs");
		return false;
	}
	if (addr_parse(text, ret) < 0) {
		wrong_address(at, text, false);
		return false;
	}
	if (!is_ipv4_here(at, ret))
		return false;
	why = why_no_host(ret);
	if (why)
		wrong_value(at, "%s", why);
	return !why;
}

static bool read_prefix(const struct place *at, struct edge53_prefix *ret)
{
	const char *text = place_text(at);
	int r;

	if (!text) {
		wrong(at, "a list or a block stands where an address or prefix belongs");
		return false;
	}
	r = prefix_parse(text, ret);
	if (r == -ERANGE) {
		wrong_value(at, "is not a prefix: its length is at most 32 bits, and the bits of "
			    "the address after it are 0, as in 10.77.0.0/16");
		return false;
	}
	if (r < 0) {
		wrong_address(at, text, true);
		return false;
	}
	return is_ipv4_here(at, &ret->address);
}

/* --- edge ------------------------------------------------------------------------------------- */

static bool read_frontends(const struct place *at, struct config_edge *edge)
{
	size_t n = place_count(at);
	bool good = true;

	if (!at->node)
		return true;
	if (n < 1 || n > EDGE53_MAX_FRONTENDS) {
		wrong(at, "%zu addresses; 1 to %d are possible. Without this key the edge takes all "
		      "addresses of the interface", n, EDGE53_MAX_FRONTENDS);
		return false;
	}
	edge->addresses = calloc(n, sizeof(*edge->addresses));
	if (!edge->addresses) {
		wrong(at, "out of memory");
		return false;
	}
	edge->n_addresses = n;
	for (size_t i = 0; i < n; i++) {
		struct place entry = place_entry(at, i);

		good &= read_address(&entry, place_text(&entry), &edge->addresses[i]);
	}
	return good;
}

static bool read_client_ip_word(const struct place *at)
{
	const char *text = place_text(at);

	if (text && strcmp(text, "none") == 0)
		return true;
	if (text && strcmp(text, "proxy-v2") == 0)
		wrong_value(at, "is not supported yet; none is");
	else
		wrong_value(at, "is not none, or { udp: none, tcp: none }");
	return false;
}

/* One word for both, or a block with a word each. Only "none" works today, so nothing is kept. */
static bool check_client_ip(const struct place *at)
{
	const yaml_node_pair_t *pair;
	bool good = true;

	if (!at->node)
		return true;
	if (at->node->type != YAML_MAPPING_NODE)
		return read_client_ip_word(at);
	for (pair = at->node->data.mapping.pairs.start; pair < at->node->data.mapping.pairs.top;
	     pair++) {
		struct place key = place_of_key(at, pair);
		struct place value = place_of_value(at, pair);
		const char *text = place_text(&key);

		if (text && (strcmp(text, "udp") == 0 || strcmp(text, "tcp") == 0)) {
			good &= read_client_ip_word(&value);
			continue;
		}
		wrong(&key, "unknown key; keys here: udp, tcp");
		good = false;
	}
	return good;
}

static bool read_backend(const struct place *at, const struct raw_backend *raw,
			 struct config_backend *backend)
{
	struct place address = place_key(at, "address");
	struct place udp = place_key(at, "udp");
	struct place tcp = place_key(at, "tcp");
	struct place weight = place_key(at, "weight");
	bool good;

	backend->weight = 1;
	good = is_present(&address) && read_address(&address, raw->address, &backend->address);
	good &= read_number(&udp, raw->udp, "a port", 1, MAX_PORT, &backend->udp_port);
	good &= read_number(&tcp, raw->tcp, "a port", 1, MAX_PORT, &backend->tcp_port);
	good &= read_number(&weight, raw->weight, "a weight", 1, MAX_WEIGHT, &backend->weight);
	if (!udp.node && !tcp.node) {
		wrong(at, "a backend without udp and without tcp takes no queries; give the port of "
		      "at least one");
		good = false;
	}
	return good;
}

static bool read_backends(const struct place *at, const struct raw_edge *raw,
			  struct config_edge *edge)
{
	bool good = true;

	if (!is_present(at))
		return false;
	if (raw->backends_count < 1 || raw->backends_count > MAX_BACKENDS) {
		wrong(at, "%u backends; 1 to %d are possible", raw->backends_count, MAX_BACKENDS);
		return false;
	}
	edge->backends = calloc(raw->backends_count, sizeof(*edge->backends));
	if (!edge->backends) {
		wrong(at, "out of memory");
		return false;
	}
	edge->n_backends = raw->backends_count;
	for (size_t i = 0; i < edge->n_backends; i++) {
		struct place item = place_item(at, i);

		good &= read_backend(&item, &raw->backends[i], &edge->backends[i]);
	}
	return good;
}

static bool read_edge(const struct place *at, const struct raw_edge *raw, struct config_edge *edge)
{
	struct place name = place_key(at, "name");
	struct place interface = place_key(at, "interface");
	struct place address = place_key(at, "address");
	struct place tunnel = place_key(at, "tunnel");
	struct place source = place_key(at, "source");
	struct place backends = place_key(at, "backends");
	struct place client_ip = place_key(at, "client_ip");
	struct place on_down = place_key(at, "on_down");
	bool good;

	edge->on_down = POLICY_PASS;
	edge->has_source = raw->source;
	good = read_name(&name, raw->name, &edge->name);
	good &= read_interface(&interface, raw->interface, &edge->interface);
	good &= read_frontends(&address, edge);
	good &= read_tunnel(&tunnel, raw->tunnel, &edge->tunnel);
	good &= !raw->source || read_address(&source, raw->source, &edge->source);
	good &= read_backends(&backends, raw, edge);
	good &= check_client_ip(&client_ip);
	good &= read_policy(&on_down, raw->on_down, on_down_words, &edge->on_down);
	return good;
}

/* --- enforce ---------------------------------------------------------------------------------- */

static bool read_exempt(const struct place *at, struct config_enforce *enforce)
{
	size_t n = place_count(at);
	bool good = true;

	if (n == 0)
		return true;
	if (n > EDGE53_MAX_EXEMPT) {
		wrong(at, "%zu entries; at most %d are possible", n, EDGE53_MAX_EXEMPT);
		return false;
	}
	enforce->exempt = calloc(n, sizeof(*enforce->exempt));
	if (!enforce->exempt) {
		wrong(at, "out of memory");
		return false;
	}
	enforce->n_exempt = n;
	for (size_t i = 0; i < n; i++) {
		struct place entry = place_entry(at, i);

		good &= read_prefix(&entry, &enforce->exempt[i]);
	}
	return good;
}

static bool read_enforce(const struct place *at, const struct raw_enforce *raw,
			 struct config_enforce *enforce)
{
	struct place name = place_key(at, "name");
	struct place interface = place_key(at, "interface");
	struct place resolver = place_key(at, "resolver");
	struct place ipv6 = place_key(at, "ipv6");
	struct place dot = place_key(at, "dot");
	struct place exempt = place_key(at, "exempt");
	struct place on_down = place_key(at, "on_down");
	bool good;

	enforce->ipv6 = POLICY_DROP;
	enforce->dot = POLICY_PASS;
	enforce->on_down = POLICY_PASS;
	good = read_name(&name, raw->name, &enforce->name);
	good &= read_interface(&interface, raw->interface, &enforce->interface);
	good &= is_present(&resolver) && read_address(&resolver, raw->resolver, &enforce->resolver);
	good &= read_policy(&ipv6, raw->ipv6, ipv6_words, &enforce->ipv6);
	good &= read_policy(&dot, raw->dot, dot_words, &enforce->dot);
	good &= read_exempt(&exempt, enforce);
	good &= read_policy(&on_down, raw->on_down, on_down_words, &enforce->on_down);
	return good;
}

/* --- limits ----------------------------------------------------------------------------------- */

static unsigned int power_of_two_up_to(unsigned int number)
{
	unsigned int power = 1;

	while (power <= number / 2)
		power *= 2;
	return power;
}

static bool read_udp_slots(const struct place *at, const char *text, unsigned int *ret)
{
	unsigned int below;

	if (!read_number(at, text, "a number of slots", MIN_UDP_SLOTS, MAX_UDP_SLOTS, ret))
		return false;
	below = power_of_two_up_to(*ret);
	if (*ret != below)
		wrong_value(at, "is not a power of two; %u and %u are", below, 2 * below);
	return *ret == below;
}

static bool read_ports(const struct place *at, const char *text, struct config_limits *limits)
{
	unsigned int first = 0, last = 0;
	const char *dash;

	if (!text)
		return true;
	dash = strchr(text, '-');
	if (!dash || !parse_number(text, dash - text, &first) ||
	    !parse_number(dash + 1, strlen(dash + 1), &last)) {
		wrong_value(at, "is not a range of ports such as 16384-32767");
		return false;
	}
	if (first < FIRST_FREE_PORT || last > MAX_PORT || last < first ||
	    last - first + 1 < MIN_PORTS) {
		wrong_value(at, "is not a range of at least %d ports from %d to %d", MIN_PORTS,
			    FIRST_FREE_PORT, MAX_PORT);
		return false;
	}
	limits->port_first = first;
	limits->port_last = last;
	return true;
}

/* Of the ports, as many as the largest power of two are used, so that a key can permute them. */
static bool check_connections(const struct place *at, const char *text,
			      struct config_limits *limits)
{
	unsigned int usable = power_of_two_up_to(limits->port_last - limits->port_first + 1);

	/* Who only asked for fewer ports did not ask for 16384 connections. */
	if (!text && limits->tcp_connections > usable)
		limits->tcp_connections = usable;
	if (limits->tcp_connections <= usable)
		return true;
	wrong_value(at, "connections need as many ports, and limits.ports gives %u (the largest "
		    "power of two in %u-%u)", usable, limits->port_first, limits->port_last);
	return false;
}

static bool read_limits(const struct place *at, const struct raw_limits *raw,
			struct config_limits *limits)
{
	struct place udp_slots = place_key(at, "udp_slots");
	struct place tcp = place_key(at, "tcp_connections");
	struct place clients = place_key(at, "clients");
	struct place ports = place_key(at, "ports");
	struct place udp_timeout = place_key(at, "udp_timeout");
	bool good, sizes_good;

	*limits = default_limits;
	good = read_udp_slots(&udp_slots, raw->udp_slots, &limits->udp_slots);
	good &= read_number(&clients, raw->clients, "a number of clients", 1, MAX_CLIENTS,
			    &limits->clients);
	good &= read_duration_ms(&udp_timeout, raw->udp_timeout, MIN_UDP_TIMEOUT_MS,
				 MAX_UDP_TIMEOUT_MS, &limits->udp_timeout_ms);
	sizes_good = read_ports(&ports, raw->ports, limits);
	sizes_good &= read_number(&tcp, raw->tcp_connections, "a number of connections",
				  MIN_TCP_CONNECTIONS, MAX_TCP_CONNECTIONS,
				  &limits->tcp_connections);
	return good & (sizes_good && check_connections(&tcp, raw->tcp_connections, limits));
}

/* --- what must fit together ------------------------------------------------------------------- */

/* The services of both kinds in one row, edges first, for what concerns both. */
static const char *name_of(const struct config *config, size_t i)
{
	return i < config->n_edges ? config->edges[i].name :
				     config->enforces[i - config->n_edges].name;
}

static struct place place_of_service(const struct place *root, const struct config *config, size_t i)
{
	struct place list = place_key(root, i < config->n_edges ? "edge" : "enforce");

	return place_item(&list, i < config->n_edges ? i : i - config->n_edges);
}

static void check_names(const struct place *root, const struct config *config)
{
	size_t n = config->n_edges + config->n_enforces;

	for (size_t i = 0; i < n; i++) {
		for (size_t earlier = 0; earlier < i; earlier++) {
			struct place service = place_of_service(root, config, i);
			struct place first = place_of_service(root, config, earlier);
			struct place name = place_key(&service, "name");

			if (strcmp(name_of(config, i), name_of(config, earlier)) != 0)
				continue;
			wrong_value(&name, "is the name of %s in line %u already; every service needs "
				    "its own", first.path, first.line);
			break;
		}
	}
}

static struct place place_of_frontend(const struct place *root, size_t edge, size_t index)
{
	struct place list = place_key(root, "edge");
	struct place item = place_item(&list, edge);
	struct place addresses = place_key(&item, "address");

	return place_entry(&addresses, index);
}

/* Whether the address stands in an edge before, or in this one before index. */
static void check_frontend(const struct place *root, const struct config *config, size_t edge,
			   size_t index)
{
	const struct config_edge *ours = &config->edges[edge];

	for (size_t e = 0; e <= edge; e++) {
		const struct config_edge *other = &config->edges[e];
		size_t n = e == edge ? index : other->n_addresses;

		if (strcmp(other->interface, ours->interface) != 0)
			continue;
		for (size_t i = 0; i < n; i++) {
			struct place at, first;

			if (!addr_equal(&other->addresses[i], &ours->addresses[index]))
				continue;
			at = place_of_frontend(root, edge, index);
			first = place_of_frontend(root, e, i);
			wrong_value(&at, "is taken on interface %s by %s in line %u already",
				    ours->interface, first.path, first.line);
			return;
		}
	}
}

static void check_frontends(const struct place *root, const struct config *config)
{
	for (size_t e = 0; e < config->n_edges; e++)
		for (size_t i = 0; i < config->edges[e].n_addresses; i++)
			check_frontend(root, config, e, i);
}

static bool takes_all(const struct config *config, size_t i)
{
	return i >= config->n_edges || config->edges[i].n_addresses == 0;
}

static const char *interface_of(const struct config *config, size_t i)
{
	return i < config->n_edges ? config->edges[i].interface :
				     config->enforces[i - config->n_edges].interface;
}

/*
 * Two services of one kind that take everything that comes in by one interface. Whether two different
 * patterns mean the same device is known only when the devices are: plan.c looks.
 */
static void check_interfaces(const struct place *root, const struct config *config)
{
	size_t n = config->n_edges + config->n_enforces;

	for (size_t i = 0; i < n; i++) {
		size_t earlier = i < config->n_edges ? 0 : config->n_edges;

		for (; takes_all(config, i) && earlier < i; earlier++) {
			struct place service = place_of_service(root, config, i);
			struct place first = place_of_service(root, config, earlier);
			struct place interface = place_key(&service, "interface");

			if (!takes_all(config, earlier) ||
			    strcmp(interface_of(config, i), interface_of(config, earlier)) != 0)
				continue;
			wrong_value(&interface, "is taken, with all its addresses, by %s in line %u "
				    "already", first.path, first.line);
			break;
		}
	}
}

static void check_totals(const struct place *root, const struct config *config)
{
	size_t n_backends = config->n_enforces; /* a resolver is a backend too */
	size_t n_addresses = 0, n_exempt = 0;

	for (size_t i = 0; i < config->n_edges; i++) {
		n_backends += config->edges[i].n_backends;
		n_addresses += config->edges[i].n_addresses;
	}
	for (size_t i = 0; i < config->n_enforces; i++)
		n_exempt += config->enforces[i].n_exempt;

	if (n_backends > MAX_BACKENDS)
		wrong(root, "%zu backends and resolvers in all; %d are possible", n_backends,
		      MAX_BACKENDS);
	if (n_addresses > EDGE53_MAX_FRONTENDS)
		wrong(root, "%zu addresses of edges in all; %d are possible", n_addresses,
		      EDGE53_MAX_FRONTENDS);
	if (n_exempt > EDGE53_MAX_EXEMPT)
		wrong(root, "%zu exempt entries in all; %d are possible", n_exempt,
		      EDGE53_MAX_EXEMPT);
}

static bool check_n_services(const struct place *root, const struct raw_config *raw)
{
	size_t n = (size_t)raw->edge_count + raw->enforce_count;

	if (n < 1)
		wrong(root, "no service; the file needs an entry in edge or in enforce");
	else if (n > MAX_SERVICES)
		wrong(root, "%zu services; %d are possible", n, MAX_SERVICES);
	return n >= 1 && n <= MAX_SERVICES;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int read_services(const struct place *root, const struct raw_config *raw,
			 struct config *config)
{
	struct place edges = place_key(root, "edge");
	struct place enforces = place_key(root, "enforce");
	bool good = true;

	config->edges = calloc(raw->edge_count + 1, sizeof(*config->edges));
	config->enforces = calloc(raw->enforce_count + 1, sizeof(*config->enforces));
	if (!config->edges || !config->enforces)
		return -ENOMEM;
	config->n_edges = raw->edge_count;
	config->n_enforces = raw->enforce_count;

	for (size_t i = 0; i < config->n_edges; i++) {
		struct place item = place_item(&edges, i);

		good &= read_edge(&item, &raw->edge[i], &config->edges[i]);
	}
	for (size_t i = 0; i < config->n_enforces; i++) {
		struct place item = place_item(&enforces, i);

		good &= read_enforce(&item, &raw->enforce[i], &config->enforces[i]);
	}
	return good ? 0 : -EINVAL;
}

static int read_config(struct config_tree *tree, const struct raw_config *raw,
		       struct config *config)
{
	struct place root = place_root(tree);
	struct place limits = place_key(&root, "limits");
	int r;

	if (!check_n_services(&root, raw))
		return -EINVAL;
	r = read_services(&root, raw, config);
	if (!read_limits(&limits, &raw->limits, &config->limits) && r == 0)
		r = -EINVAL;
	if (r < 0)
		return r;

	/* Only now: these look at values of more than one place, which must be good by themselves. */
	check_totals(&root, config);
	if (tree->n_errors)
		return -EINVAL;
	check_names(&root, config);
	check_frontends(&root, config);
	check_interfaces(&root, config);
	return tree->n_errors ? -EINVAL : 0;
}

int config_parse(const char *name, const char *text, size_t text_len, struct config **ret)
{
	_cleanup_(tree_free) struct config_tree tree = {};
	_cleanup_(schema_freep) struct raw_config *raw = NULL;
	_cleanup_(config_freep) struct config *config = NULL;
	int r;

	r = tree_read(&tree, name, text, text_len);
	if (r < 0)
		return r;
	r = schema_check(&tree);
	if (r < 0)
		return r;
	r = schema_read(name, text, text_len, &raw);
	if (r < 0)
		return r;
	config = calloc(1, sizeof(*config));
	if (!config)
		return -ENOMEM;
	r = read_config(&tree, raw, config);
	if (r < 0)
		return r;
	*ret = take_ptr(config);
	return 0;
}

/* Reads at most size bytes; returns how many, or negative errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, buf + used, size - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

int config_load(const char *path, struct config **ret)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) char *text = NULL;
	ssize_t len;

	if (fd < 0) {
		int r = -errno;

		log_error("%s: cannot be opened: %s", path, strerror(-r));
		return r;
	}
	text = malloc(CONFIG_MAX_BYTES + 1); /* one more, so that too long is seen */
	if (!text)
		return -ENOMEM;
	len = read_all(fd, text, CONFIG_MAX_BYTES + 1);
	if (len < 0) {
		log_error("%s: cannot be read: %s", path, strerror((int)-len));
		return (int)len;
	}
	return config_parse(path, text, (size_t)len, ret);
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_edges; i++) {
		free(config->edges[i].name);
		free(config->edges[i].interface);
		free(config->edges[i].addresses);
		free(config->edges[i].tunnel);
		free(config->edges[i].backends);
	}
	for (size_t i = 0; i < config->n_enforces; i++) {
		free(config->enforces[i].name);
		free(config->enforces[i].interface);
		free(config->enforces[i].exempt);
	}
	free(config->edges);
	free(config->enforces);
	free(config);
}
