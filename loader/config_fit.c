// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "config_fit.h"

/* The services of both kinds in one row, edges first, for what concerns both. */
static const char *name_of(const struct config *config, size_t i)
{
	return i < config->n_edges ? config->edges[i].name
				   : config->enforces[i - config->n_edges].name;
}

static struct place place_of_service(const struct place *root, const struct config *config,
				     size_t i)
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
			wrong_value(&name,
				    "is the name of %s in line %u already; every service needs "
				    "its own",
				    first.path, first.line);
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

static bool has_backend(const struct config_edge *edge, bool is_ipv6)
{
	for (size_t i = 0; i < edge->n_backends; i++)
		if (addr_is_ipv4(&edge->backends[i].address) != is_ipv6)
			return true;
	return false;
}

/* A source is in the family of the backend, whatever the client's is. */
static void check_sources(const struct place *root, const struct config *config)
{
	struct place edges = place_key(root, "edge");

	for (size_t e = 0; e < config->n_edges; e++) {
		const struct config_edge *edge = &config->edges[e];
		struct place item = place_item(&edges, e);
		struct place sources = place_key(&item, "source");

		for (size_t i = 0; i < place_count(&sources); i++) {
			struct place at = place_entry(&sources, i);
			struct edge53_addr source;
			bool is_ipv6 = !addr_parse(place_text(&at), &source) && !addr_is_ipv4(&source);

			if (!has_backend(edge, is_ipv6))
				wrong_value(&at, "is %s, and no backend here is; the source is of the "
						 "backend's family",
					    is_ipv6 ? "IPv6" : "IPv4");
		}
	}
}

static bool has_proxy_udp(const struct config *config)
{
	for (size_t i = 0; i < config->n_edges; i++)
		if (config->edges[i].client_ip_udp == CLIENT_IP_PROXY_V2)
			return true;
	return false;
}

/* A key without effect: whoever wrote it expects one. */
static void check_backend_udp_size(const struct place *root, const struct config *config)
{
	struct place limits = place_key(root, "limits");
	struct place size = place_key(&limits, "backend_udp_size");

	if (size.node && !has_proxy_udp(config))
		wrong_value(&size, "would have no effect: it is for queries with a PROXY header, and no "
				   "edge service has client_ip.udp: proxy-v2");
}

/* Whether two entries say the same of one port. */
static bool is_same_return(const struct config_return *a, const struct config_return *b)
{
	return !strcmp(a->tunnel, b->tunnel) && !strcmp(a->uplink, b->uplink) &&
	       ((a->udp_port && a->udp_port == b->udp_port) ||
		(a->tcp_port && a->tcp_port == b->tcp_port));
}

static void check_returns(const struct place *root, const struct config *config)
{
	struct place returns = place_key(root, "return");

	for (size_t i = 0; i < config->n_returns; i++) {
		const struct config_return *back = &config->returns[i];
		struct place item = place_item(&returns, i);
		struct place uplink = place_key(&item, "uplink");

		if (!strcmp(back->tunnel, back->uplink))
			wrong_value(&uplink, "is the tunnel, too; replies that leave by the tunnel need "
					     "no return");
		for (size_t earlier = 0; earlier < i; earlier++) {
			struct place first = place_item(&returns, earlier);

			if (!is_same_return(back, &config->returns[earlier]))
				continue;
			wrong(&item, "a port of it is that of %s in line %u already, with the same "
				     "tunnel and uplink",
			      first.path, first.line);
			break;
		}
	}
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
 * Two services of one kind that take everything that comes in by one interface. Whether two
 * different patterns mean the same device is known only when the devices are: plan.c looks.
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
			wrong_value(&interface,
				    "is taken, with all its addresses, by %s in line %u "
				    "already",
				    first.path, first.line);
			break;
		}
	}
}

static void check_totals(const struct place *root, const struct config *config)
{
	size_t n_backends = 0, n_addresses = 0, n_exempt = 0, n_keep_source = 0;

	for (size_t i = 0; i < config->n_edges; i++) {
		n_backends += config->edges[i].n_backends;
		n_addresses += config->edges[i].n_addresses;
		n_keep_source += config->edges[i].n_keep_source;
		n_exempt += config->edges[i].rate.n_exempt + config->edges[i].tcp.n_exempt +
			    config->edges[i].response.n_exempt;
	}
	for (size_t i = 0; i < config->n_enforces; i++) {
		/* A resolver is a backend too. */
		n_backends += addr_is_zero(&config->enforces[i].resolver6) ? 1 : 2;
		n_exempt += config->enforces[i].n_exempt + config->enforces[i].response.n_exempt;
	}

	if (n_backends > MAX_BACKENDS)
		wrong(root, "%zu backends and resolvers in all; %d are possible", n_backends,
		      MAX_BACKENDS);
	if (n_addresses > EDGE53_MAX_FRONTENDS)
		wrong(root, "%zu addresses of edges in all; %d are possible", n_addresses,
		      EDGE53_MAX_FRONTENDS);
	if (n_exempt > EDGE53_MAX_EXEMPT)
		wrong(root, "%zu exempt entries in all; %d are possible", n_exempt,
		      EDGE53_MAX_EXEMPT);
	if (n_keep_source > EDGE53_MAX_KEEP_SOURCE)
		wrong(root, "%zu keep_source entries in all; %d are possible", n_keep_source,
		      EDGE53_MAX_KEEP_SOURCE);
}

bool check_fit(const struct place *root, const struct config *config)
{
	check_totals(root, config);
	/* Comparing each with each is for what is not too much. */
	if (root->tree->n_errors)
		return false;
	check_names(root, config);
	check_frontends(root, config);
	check_sources(root, config);
	check_backend_udp_size(root, config);
	check_interfaces(root, config);
	check_returns(root, config);
	return root->tree->n_errors == 0;
}
