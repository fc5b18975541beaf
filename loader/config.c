// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config.h"
#include "config_dnstap.h"
#include "config_export.h"
#include "config_fit.h"
#include "config_health.h"
#include "config_prefixes.h"
#include "config_rate.h"
#include "config_schema.h"
#include "config_tcp.h"
#include "config_tree.h"
#include "config_values.h"
#include "edge53_client_prefix.h"
#include "log.h"
#include "trusted.h"

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
#define MIN_BACKEND_UDP_SIZE 512 /* RFC 1035 4.2.1: every server reads as much */
#define MAX_BACKEND_UDP_SIZE 65535

static const struct config_limits default_limits = {
	.udp_slots = 262144,
	.tcp_connections = 16384,
	.clients = 65536,
	.port_first = 16384,
	.port_last = 32767,
	.udp_timeout_ms = 10000,
	.client_prefix = { EDGE53_IPV4_BITS,
			   EDGE53_IPV6_BITS }, /* to see every client is the point */
};

/* Every read_*() and check_*() here returns whether all is good; if not, it has been said why. */

/* --- lists of prefixes ------------------------------------------------------------------------ */

/* --- edge ------------------------------------------------------------------------------------- */

static bool read_frontends(const struct place *at, struct config_edge *edge)
{
	size_t n = place_count(at);
	bool good = true;

	if (!at->node)
		return true;
	if (n < 1 || n > EDGE53_MAX_FRONTENDS) {
		wrong(at,
		      "%zu addresses; 1 to %d are possible. Without this key the edge takes all "
		      "addresses of the interface",
		      n, EDGE53_MAX_FRONTENDS);
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

static bool read_client_ip_word(const struct place *at, enum config_client_ip *ret)
{
	const char *text = place_text(at);

	if (text && strcmp(text, "none") == 0) {
		*ret = CLIENT_IP_NONE;
		return true;
	}
	if (text && strcmp(text, "proxy-v2") == 0) {
		*ret = CLIENT_IP_PROXY_V2;
		return true;
	}
	wrong_value(at, "is not none or proxy-v2; one word is for UDP and TCP, a block such as "
			"{ udp: proxy-v2, tcp: none } for each");
	return false;
}

/* One word for both, or a block with a word each. */
static bool read_client_ip(const struct place *at, struct config_edge *edge)
{
	static const char *const keys[] = { "udp", "tcp", NULL };
	struct place udp = place_key(at, "udp"), tcp = place_key(at, "tcp");
	bool good = true;

	if (!at->node)
		return true;
	if (at->node->type != YAML_MAPPING_NODE) {
		good = read_client_ip_word(at, &edge->client_ip_udp);
		edge->client_ip_tcp = edge->client_ip_udp;
		return good;
	}
	if (!are_keys(at, keys))
		return false;
	if (udp.node)
		good &= read_client_ip_word(&udp, &edge->client_ip_udp);
	if (tcp.node)
		good &= read_client_ip_word(&tcp, &edge->client_ip_tcp);
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
		wrong(at,
		      "a backend without udp and without tcp takes no queries; give the port of "
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

/* One address, or one of each family. */
static bool read_sources(const struct place *at, struct config_edge *edge)
{
	size_t n = place_count(at);
	bool good = true;

	if (!at->node)
		return true;
	if (n < 1 || n > ARRAY_SIZE(edge->sources)) {
		wrong(at, "%zu addresses; one, or a list of one IPv4 and one IPv6 address", n);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct place entry = place_entry(at, i);
		struct edge53_addr source, *to;

		if (!read_address(&entry, place_text(&entry), &source)) {
			good = false;
			continue;
		}
		to = &edge->sources[!addr_is_ipv4(&source)];
		if (!addr_is_zero(to)) {
			wrong_value(&entry, "is the second of its family; one IPv4 and one IPv6 "
					    "address are possible");
			good = false;
		}
		*to = source;
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
	struct place keep_source = place_key(at, "keep_source");
	struct place client_ip = place_key(at, "client_ip");
	struct place on_down = place_key(at, "on_down");
	struct place health = place_key(at, "health");
	struct place rate = place_key(at, "rate_limit");
	struct place tcp = place_key(at, "tcp_limit");
	struct place response = place_key(at, "response_limit");
	struct place any = place_key(at, "any");
	bool good;

	edge->on_down = POLICY_PASS;
	edge->any = POLICY_PASS;
	good = read_name(&name, raw->name, &edge->name);
	good &= read_interface(&interface, raw->interface, &edge->interface);
	good &= read_frontends(&address, edge);
	good &= read_tunnel(&tunnel, raw->tunnel, &edge->tunnel);
	good &= read_sources(&source, edge);
	good &= read_backends(&backends, raw, edge);
	good &= read_prefixes(&keep_source, EDGE53_MAX_KEEP_SOURCE, &edge->keep_source,
			      &edge->n_keep_source);
	good &= read_client_ip(&client_ip, edge);
	good &= read_policy(&on_down, raw->on_down, on_down_words, &edge->on_down);
	good &= read_health(&health, &edge->health);
	good &= read_rate(&rate, &raw->rate_limit, &edge->rate);
	good &= read_tcp_limit(&tcp, &raw->tcp_limit, &edge->tcp);
	good &= read_response(&response, &raw->response_limit, &edge->response);
	good &= read_policy(&any, raw->any, any_words, &edge->any);
	return good;
}

/* --- enforce ---------------------------------------------------------------------------------- */

/* What config_load() opens; here only the name is looked at. */
static bool read_doh_file(const struct place *at, const char *text, struct config_doh *doh)
{
	if (!text)
		return true;
	if (!text[0]) {
		wrong(at, "no name of a file");
		return false;
	}
	doh->file_line = at->line;
	return copy_text(at, text, &doh->file);
}

static bool read_doh(const struct place *at, const struct raw_doh *raw, struct config_doh *doh)
{
	struct place addresses = place_key(at, "addresses");
	struct place file = place_key(at, "file");
	struct place action = place_key(at, "action");
	bool good;

	doh->action = POLICY_REJECT;
	if (!at->node)
		return true;
	good = read_prefixes(&addresses, EDGE53_MAX_DOH, &doh->prefixes, &doh->n_prefixes);
	good &= read_doh_file(&file, raw->file, doh);
	good &= read_policy(&action, raw->action, doh_words, &doh->action);
	if (!addresses.node && !file.node) {
		wrong(at, "neither addresses nor file: there is nothing to refuse; give one of them");
		good = false;
	}
	return good;
}

/* resolver answers what was asked by IPv4, resolver6 by IPv6: the answer comes from who was asked. */
static bool read_resolvers(const struct place *at, const struct raw_enforce *raw,
			   struct config_enforce *enforce)
{
	struct place resolver = place_key(at, "resolver");
	struct place resolver6 = place_key(at, "resolver6");
	bool good = is_present(&resolver) &&
		    read_address(&resolver, raw->resolver, &enforce->resolver);

	if (good && !addr_is_ipv4(&enforce->resolver)) {
		wrong_value(&resolver, "is IPv6; IPv4 queries need an IPv4 address, IPv6 queries have "
				       "resolver6");
		good = false;
	}
	if (!resolver6.node)
		return good;
	if (!read_address(&resolver6, raw->resolver6, &enforce->resolver6))
		return false;
	if (addr_is_ipv4(&enforce->resolver6)) {
		wrong_value(&resolver6, "is IPv4; resolver6 answers IPv6 queries and is an IPv6 "
					"address");
		return false;
	}
	return good;
}

/* Redirection needs somebody to redirect to, and a resolver6 would else never be asked. */
static bool check_redirect(const struct place *ipv6, const struct place *resolver6,
			   const struct config_enforce *enforce)
{
	if (enforce->ipv6 == POLICY_REDIRECT && !resolver6->node) {
		wrong_value(ipv6, "needs a resolver6, the IPv6 address that answers");
		return false;
	}
	if (enforce->ipv6 != POLICY_REDIRECT && resolver6->node) {
		wrong_value(resolver6, "would never be asked: that takes ipv6: redirect");
		return false;
	}
	return true;
}

static bool read_enforce(const struct place *at, const struct raw_enforce *raw,
			 struct config_enforce *enforce)
{
	struct place name = place_key(at, "name");
	struct place interface = place_key(at, "interface");
	struct place resolver6 = place_key(at, "resolver6");
	struct place ipv6 = place_key(at, "ipv6");
	struct place dot = place_key(at, "dot");
	struct place doh = place_key(at, "doh");
	struct place exempt = place_key(at, "exempt");
	struct place guard = place_key(at, "guard");
	struct place on_down = place_key(at, "on_down");
	struct place health = place_key(at, "health");
	struct place response = place_key(at, "response_limit");
	struct place any = place_key(at, "any");
	bool good, ipv6_good;

	enforce->ipv6 = POLICY_DROP;
	enforce->dot = POLICY_PASS;
	enforce->guard = POLICY_COUNT;
	enforce->on_down = POLICY_PASS;
	enforce->any = POLICY_PASS;
	good = read_name(&name, raw->name, &enforce->name);
	good &= read_interface(&interface, raw->interface, &enforce->interface);
	good &= read_resolvers(at, raw, enforce);
	ipv6_good = read_policy(&ipv6, raw->ipv6, ipv6_words, &enforce->ipv6);
	good &= ipv6_good && check_redirect(&ipv6, &resolver6, enforce);
	good &= read_policy(&dot, raw->dot, dot_words, &enforce->dot);
	good &= read_doh(&doh, &raw->doh, &enforce->doh);
	good &= read_prefixes(&exempt, EDGE53_MAX_EXEMPT, &enforce->exempt, &enforce->n_exempt);
	good &= read_policy(&guard, raw->guard, guard_words, &enforce->guard);
	good &= read_policy(&on_down, raw->on_down, enforce_on_down_words, &enforce->on_down);
	good &= read_health(&health, &enforce->health);
	good &= read_response(&response, &raw->response_limit, &enforce->response);
	good &= read_policy(&any, raw->any, any_words, &enforce->any);
	return good;
}

/* --- return ----------------------------------------------------------------------------------- */

static bool read_return(const struct place *at, const struct raw_return *raw,
			struct config_return *back)
{
	struct place tunnel = place_key(at, "tunnel");
	struct place uplink = place_key(at, "uplink");
	struct place udp = place_key(at, "udp");
	struct place tcp = place_key(at, "tcp");
	bool good;

	good = is_present(&tunnel) && read_tunnel(&tunnel, raw->tunnel, &back->tunnel);
	good &= is_present(&uplink) && read_tunnel(&uplink, raw->uplink, &back->uplink);
	good &= read_number(&udp, raw->udp, "a port", 1, MAX_PORT, &back->udp_port);
	good &= read_number(&tcp, raw->tcp, "a port", 1, MAX_PORT, &back->tcp_port);
	if (!udp.node && !tcp.node) {
		wrong(at, "without udp and without tcp there is nothing to return; give the port that "
			  "the server's replies come from, of at least one");
		good = false;
	}
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
	wrong_value(at,
		    "connections need as many ports, and limits.ports gives %u (the largest "
		    "power of two in %u-%u)",
		    usable, limits->port_first, limits->port_last);
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
	struct place backend_udp_size = place_key(at, "backend_udp_size");
	struct place client_prefix = place_key(at, "client_prefix");
	bool good, sizes_good;

	*limits = default_limits;
	good = read_udp_slots(&udp_slots, raw->udp_slots, &limits->udp_slots);
	good &= read_number(&clients, raw->clients, "a number of clients", 1, MAX_CLIENTS,
			    &limits->clients);
	good &= read_duration_ms(&udp_timeout, raw->udp_timeout, MIN_UDP_TIMEOUT_MS,
				 MAX_UDP_TIMEOUT_MS, &limits->udp_timeout_ms);
	good &= read_number(&backend_udp_size, raw->backend_udp_size, "a number of bytes",
			    MIN_BACKEND_UDP_SIZE, MAX_BACKEND_UDP_SIZE, &limits->backend_udp_size);
	good &= read_client_prefix(&client_prefix, &raw->client_prefix, &limits->client_prefix);
	sizes_good = read_ports(&ports, raw->ports, limits);
	sizes_good &=
		read_number(&tcp, raw->tcp_connections, "a number of connections",
			    MIN_TCP_CONNECTIONS, MAX_TCP_CONNECTIONS, &limits->tcp_connections);
	return good & (sizes_good && check_connections(&tcp, raw->tcp_connections, limits));
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool check_n_services(const struct place *root, const struct raw_config *raw)
{
	size_t n = (size_t)raw->edge_count + raw->enforce_count + raw->returns_count;

	if (n < 1)
		wrong(root, "no service; the file needs an entry in edge, enforce or return");
	else if (n > MAX_SERVICES)
		wrong(root, "%zu services; %d are possible", n, MAX_SERVICES);
	return n >= 1 && n <= MAX_SERVICES;
}

static int read_services(const struct place *root, const struct raw_config *raw,
			 struct config *config)
{
	struct place edges = place_key(root, "edge");
	struct place enforces = place_key(root, "enforce");
	struct place returns = place_key(root, "return");
	bool good = true;

	config->edges = calloc(raw->edge_count + 1, sizeof(*config->edges));
	config->enforces = calloc(raw->enforce_count + 1, sizeof(*config->enforces));
	config->returns = calloc(raw->returns_count + 1, sizeof(*config->returns));
	if (!config->edges || !config->enforces || !config->returns)
		return -ENOMEM;
	config->n_edges = raw->edge_count;
	config->n_enforces = raw->enforce_count;
	config->n_returns = raw->returns_count;

	for (size_t i = 0; i < config->n_edges; i++) {
		struct place item = place_item(&edges, i);

		good &= read_edge(&item, &raw->edge[i], &config->edges[i]);
	}
	for (size_t i = 0; i < config->n_enforces; i++) {
		struct place item = place_item(&enforces, i);

		good &= read_enforce(&item, &raw->enforce[i], &config->enforces[i]);
	}
	for (size_t i = 0; i < config->n_returns; i++) {
		struct place item = place_item(&returns, i);

		good &= read_return(&item, &raw->returns[i], &config->returns[i]);
	}
	return good ? 0 : -EINVAL;
}

static int read_config(struct config_tree *tree, const struct raw_config *raw,
		       struct config *config)
{
	struct place root = place_root(tree);
	struct place limits = place_key(&root, "limits");
	struct place export = place_key(&root, "export"), dnstap = place_key(&export, "dnstap");
	int r;

	if (!check_n_services(&root, raw))
		return -EINVAL;
	r = read_services(&root, raw, config);
	if (!read_limits(&limits, &raw->limits, &config->limits) && r == 0)
		r = -EINVAL;
	if (!read_export(&export, &raw->export, &config->export) && r == 0)
		r = -EINVAL;
	if (!read_dnstap(&dnstap, &raw->export.dnstap, &config->export.dnstap) && r == 0)
		r = -EINVAL;
	if (r < 0)
		return r;

	return check_fit(&root, config) ? 0 : -EINVAL;
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

/* Neither a device nor a FIFO. A directory says so itself when it is read. */
static bool is_file(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode));
}

/*
 * Reads a whole file into *ret, up to max bytes and one more, so that too long is seen. where is
 * put before what is logged. Returns the length or negative errno.
 */
static ssize_t load_text(const char *where, const char *path, size_t max, char **ret)
{
	_cleanup_(freep) char *text = NULL, *why = NULL;
	/* Nonblocking, as a FIFO would have us wait for a writer. */
	_cleanup_(closep) int fd = trusted_open(path, O_RDONLY | O_NONBLOCK, &why);
	ssize_t len;

	if (fd < 0) {
		if (why)
			log_error("%s%s: is not read: %s", where, path, why);
		else
			log_error("%s%s: cannot be opened: %s", where, path, strerror(-fd));
		return fd;
	}
	if (!is_file(fd)) {
		log_error("%s%s: is not a file", where, path);
		return -EINVAL;
	}
	text = malloc(max + 1);
	if (!text)
		return -ENOMEM;
	len = read_all(fd, text, max + 1);
	if (len < 0) {
		log_error("%s%s: cannot be read: %s", where, path, strerror((int)-len));
		return len;
	}
	*ret = take_ptr(text);
	return len;
}

/* A relative name is one beside the configuration, wherever the loader was started. */
static char *path_beside(const char *config_path, const char *name)
{
	const char *slash = strrchr(config_path, '/');
	char *path;

	if (name[0] == '/' || !slash)
		return strdup(name);
	return asprintf(&path, "%.*s/%s", (int)(slash - config_path), config_path, name) < 0 ? NULL :
											      path;
}

static int load_doh_file(const char *config_path, size_t index, struct config_doh *doh)
{
	_cleanup_(freep) char *path = path_beside(config_path, doh->file);
	_cleanup_(freep) char *text = NULL, *where = NULL;
	ssize_t len;
	int r;

	if (!path || asprintf(&where, "%s:%u: enforce[%zu].doh.file: ", config_path, doh->file_line,
			      index) < 0)
		return -ENOMEM;
	len = load_text(where, path, PREFIXES_MAX_BYTES, &text);
	if (len < 0)
		return (int)len;
	if (len > PREFIXES_MAX_BYTES) {
		log_error("%s%s: is larger than %d bytes; no list of servers is", where, path,
			  PREFIXES_MAX_BYTES);
		return -EINVAL;
	}
	r = prefixes_parse(path, text, (size_t)len, &doh->prefixes, &doh->n_prefixes);
	prefixes_sort(doh->prefixes, &doh->n_prefixes);
	return r;
}

static int load_doh_files(const char *config_path, struct config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_enforces; i++) {
		struct config_doh *doh = &config->enforces[i].doh;
		int r = doh->file ? load_doh_file(config_path, i, doh) : 0;

		if (r < 0)
			return r;
		n += doh->n_prefixes;
	}
	if (n <= EDGE53_MAX_DOH)
		return 0;
	log_error("%s: %zu addresses and prefixes of DoH servers in all; %d are possible",
		  config_path, n, EDGE53_MAX_DOH);
	return -EINVAL;
}

int config_load(const char *path, struct config **ret)
{
	_cleanup_(config_freep) struct config *config = NULL;
	_cleanup_(freep) char *text = NULL;
	ssize_t len = load_text("", path, CONFIG_MAX_BYTES, &text);
	int r;

	if (len < 0)
		return (int)len;
	r = config_parse(path, text, (size_t)len, &config);
	if (!r)
		r = load_doh_files(path, config);
	if (r < 0)
		return r;
	*ret = take_ptr(config);
	return 0;
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
		free(config->edges[i].keep_source);
		free(config->edges[i].rate.exempt);
		free(config->edges[i].tcp.exempt);
		free(config->edges[i].response.exempt);
	}
	for (size_t i = 0; i < config->n_enforces; i++) {
		free(config->enforces[i].name);
		free(config->enforces[i].interface);
		free(config->enforces[i].exempt);
		free(config->enforces[i].response.exempt);
		free(config->enforces[i].doh.prefixes);
		free(config->enforces[i].doh.file);
	}
	for (size_t i = 0; i < config->n_returns; i++) {
		free(config->returns[i].tunnel);
		free(config->returns[i].uplink);
	}
	free(config->export.dnstap.socket);
	free(config->export.dnstap.file);
	free(config->export.dnstap.identity);
	free(config->edges);
	free(config->enforces);
	free(config->returns);
	free(config);
}
