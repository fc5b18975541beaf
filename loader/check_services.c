// SPDX-License-Identifier: GPL-2.0-only
/* Devices, and whether anybody would be served. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "check.h"

#define LINK_LOWER_UP (1u << 16) /* IFF_LOWER_UP: there is a carrier */

#define IPV6_MIN_MTU 1280 /* RFC 8200 5 */

/* Native XDP wants a frame in one page, with room before and behind; what exactly is the driver's affair. */
#define XDP_SAFE_MTU 3400

#define XDP_FEATURE_BASIC 1ull /* NETDEV_XDP_ACT_BASIC, linux/netdev.h */

bool check_is_local(const struct check *check, const struct edge53_addr *address)
{
	for (size_t i = 0; i < check->host->n_addresses; i++)
		if (addr_equal(&check->host->addresses[i].address, address))
			return true;
	return false;
}

/* --- the plan's own --------------------------------------------------------------------------- */

/* What a daemon waits for is, to who asks now, not there. */
static enum finding_level level_now(const struct finding *finding)
{
	switch (finding->code) {
	case FOUND_INTERFACE_MISSING:
	case FOUND_RESOLVER_MISSING:
		return FINDING_ERROR;
	case FOUND_ADDRESS_MISSING:
	case FOUND_TUNNEL_MISSING:
	case FOUND_TUNNEL_DOWN:
	case FOUND_BACKEND_NO_ROUTE:
		return MAX(finding->level, FINDING_WARNING);
	default:
		return finding->level;
	}
}

static int take_plan(const struct check *check)
{
	int r = 0;

	for (size_t i = 0; i < check->plan->findings.n && !r; i++) {
		const struct finding *f = &check->plan->findings.list[i];

		r = findings_add(check->findings, level_now(f), f->code, "%s", f->text);
		if (!r && f->mend)
			r = findings_mend(check->findings, "%s", f->mend);
	}
	return r;
}

int check_judge(const struct check *check)
{
	return take_plan(check)
	       ?: check_answers(check)
	       ?: check_services(check)
	       ?: check_xdp(check)
	       ?: check_paths(check)
	       ?: check_ports(check)
	       ?: check_ipv6(check)
	       ?: check_tunnels(check)
	       ?: check_listeners(check)
	       ?: check_nameservers(check)
	       ?: check_filter(check);
}

/* --- devices and services --------------------------------------------------------------------- */

static bool has_carrier(const struct host_link *link)
{
	return link->flags & LINK_LOWER_UP;
}

static bool works(const struct host_link *link)
{
	return link->flags & IFF_UP && has_carrier(link);
}

static bool has_working_device(const struct check *check, const char *pattern)
{
	for (size_t i = 0; i < check->host->n_links; i++)
		if (plan_matches(pattern, &check->host->links[i]) && works(&check->host->links[i]))
			return true;
	return false;
}

static int check_device(const struct check *check, const char *service,
			const struct host_link *link, enum finding_level level)
{
	if (!(link->flags & IFF_UP))
		return findings_add(check->findings, level, FOUND_INTERFACE_DOWN, "%s: %s is down",
				    service, link->name)
			       ?: findings_mend(check->findings, "ip link set dev %s up",
						link->name);
	if (!has_carrier(link))
		return findings_add(
			check->findings, level, FOUND_NO_CARRIER,
			"%s: %s is up but has no carrier: a cable, a switch, or the other end of it",
			service, link->name);
	return 0;
}

/* One of several may be down; when it is the only one, nobody is served. */
static int check_devices(const struct check *check, const char *service, const char *pattern,
			 enum finding_level when_all)
{
	enum finding_level level =
		has_working_device(check, pattern) ? MIN(when_all, FINDING_WARNING) : when_all;
	int r = 0;

	for (size_t i = 0; i < check->host->n_links && !r; i++)
		if (plan_matches(pattern, &check->host->links[i]))
			r = check_device(check, service, &check->host->links[i], level);
	return r;
}

static const char *on_down_text(enum config_policy on_down)
{
	return on_down == POLICY_PASS	? "passed to this host"
	       : on_down == POLICY_DROP ? "dropped"
					: "answered SERVFAIL";
}

static bool has_frontend(const struct plan *plan, size_t service)
{
	for (size_t i = 0; i < plan->n_frontends; i++)
		if (plan->frontends[i].service == service)
			return true;
	return false;
}

static size_t count_usable(const struct plan_service *service)
{
	size_t n = 0;

	for (size_t i = 0; i < service->n_backends; i++)
		n += service->backends[i].usable;
	return n;
}

/* Where the source is nobody's, nobody answers ARP for it. Devices without neighbours ask none. */
static int check_source(const struct check *check, const struct config_edge *edge,
			const struct plan_service *service)
{
	char text[ADDR_TEXT_LEN];

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct plan_backend *b = &service->backends[i];
		const struct host_link *link = host_link_by_index(check->host, b->ifindex);

		if (!b->usable || !b->is_ethernet || !link || addr_is_zero(&b->source) ||
		    check_is_local(check, &b->source))
			continue;
		addr_format(&b->source, text);
		return findings_add(check->findings, FINDING_WARNING, FOUND_SOURCE_NOT_LOCAL,
				    "%s: source %s is not on this host", edge->name, text)
			       ?: findings_mend(check->findings, "ip address add %s/%u dev %s",
						text, addr_is_ipv4(&b->source) ? 32 : 128,
						link->name);
	}
	return 0;
}

static int check_edge(const struct check *check, const struct config_edge *edge, size_t index)
{
	const struct plan_service *service = &check->plan->services[index];
	int r = check_devices(check, edge->name, edge->interface, FINDING_ERROR);

	if (!r && !has_frontend(check->plan, index))
		r = findings_add(check->findings, FINDING_ERROR, FOUND_NO_FRONTEND,
				 "%s: there is no address that clients could ask", edge->name);
	if (!r && !count_usable(service))
		r = findings_add(check->findings, FINDING_ERROR, FOUND_NO_BACKEND,
				 "%s: no backend can be reached now; queries are %s", edge->name,
				 on_down_text(edge->on_down));
	return r ?: check_source(check, edge, service);
}

int check_services(const struct check *check)
{
	const struct config *config = check->config;
	int r = 0;

	for (size_t i = 0; i < config->n_edges && !r; i++)
		r = check_edge(check, &config->edges[i], i);
	/* Clients come and go: a device that is down is no fault. */
	for (size_t i = 0; i < config->n_enforces && !r; i++)
		r = check_devices(check, config->enforces[i].name, config->enforces[i].interface,
				  FINDING_NOTE);
	return r;
}

/* --- XDP -------------------------------------------------------------------------------------- */

static int mend_foreign(const struct check *check, const char *device, const struct check_xdp *xdp)
{
	if (!strcmp(xdp->program, "xdp_dispatcher"))
		return findings_mend(check->findings, "xdp-loader unload %s --all", device);
	if (xdp->link_id)
		return findings_mend(check->findings, "bpftool link detach id %u", xdp->link_id);
	return findings_mend(check->findings, "ip link set dev %s %s off", device,
			     xdp->mode == CHECK_XDP_GENERIC	? "xdpgeneric"
			     : xdp->mode == CHECK_XDP_OFFLOADED ? "xdpoffload"
								: "xdpdrv");
}

static int say_foreign(const struct check *check, const char *device, const struct check_xdp *xdp)
{
	return findings_add(
		       check->findings, FINDING_WARNING, FOUND_XDP_TAKEN,
		       "%s: XDP program %s (id %u) holds the device; edge53 does its steps in tc there",
		       device, xdp->program[0] ? xdp->program : "without a name", xdp->program_id)
		       ?: mend_foreign(check, device, xdp);
}

/* What will be tried, in this order, and what is known of how that ends. */
static const char *mode_to_come(const struct host_link *link)
{
	if (!host_link_is_ethernet(link))
		return "tc: it has no Ethernet header, which XDP programs need";
	if (!link->knows_xdp_features)
		return "XDP in native mode, or in generic mode if its driver has none: this kernel does not tell before";
	if (!(link->xdp_features & XDP_FEATURE_BASIC))
		return "XDP in generic mode: its driver has none of its own";
	if (link->mtu > XDP_SAFE_MTU)
		return "XDP in native mode, or in generic mode if its driver refuses so large an MTU";
	return "XDP in native mode: its driver has it";
}

static int say_mode(const struct check *check, const struct host_link *link,
		    const struct check_xdp *xdp)
{
	const char *mode = xdp->mode == CHECK_XDP_NONE ? mode_to_come(link)
			   : xdp->mode == CHECK_XDP_GENERIC
				   ? "XDP in generic mode, where edge53 is attached now"
				   : "XDP in native mode, where edge53 is attached now";

	return findings_add(check->findings, FINDING_NOTE, FOUND_XDP_MODE, "%s: %s", link->name,
			    mode);
}

int check_xdp(const struct check *check)
{
	int r = 0;

	for (size_t i = 0; i < check->plan->n_devices && !r; i++) {
		const struct plan_device *device = &check->plan->devices[i];
		const struct check_xdp *xdp = &check->facts->xdp[i];
		const struct host_link *link = host_link_by_index(check->host, device->ifindex);

		if (!link || !(device->hooks & HOOK_UPLINK_TC))
			continue;
		/* host.h: why_no_xdp is another's program. */
		if (device->is_ethernet && xdp->mode != CHECK_XDP_NONE && device->why_no_xdp)
			r = say_foreign(check, device->name, xdp);
		else
			r = say_mode(check, link, xdp);
	}
	return r;
}

/* --- the way to the backends ------------------------------------------------------------------ */

static int check_path(const struct check *check, const char *service,
		      const struct plan_backend *backend, const struct check_path *path)
{
	const struct host_link *link = host_link_by_index(check->host, backend->ifindex);
	unsigned int mtu =
		path->is_known && path->mtu && path->mtu < backend->mtu ? path->mtu : backend->mtu;
	char text[ADDR_TEXT_LEN];
	int r = 0;

	if (!link)
		return 0;
	addr_format(&backend->address, text);
	if (mtu < backend->mtu)
		r = findings_add(
			    check->findings, FINDING_WARNING, FOUND_PATH_MTU,
			    "%s: the kernel knows that the path to backend %s takes %u bytes, but %s takes %u, and that is what edge53 goes by",
			    service, text, mtu, link->name, backend->mtu)
			    ?: findings_mend(check->findings, "ip link set dev %s mtu %u",
					     link->name, mtu);
	if (r || mtu >= IPV6_MIN_MTU)
		return r;
	return findings_add(
		       check->findings, FINDING_WARNING, FOUND_MTU_SMALL,
		       "%s: the MTU towards backend %s is %u: replies of 1232 bytes, the usual EDNS size, do not fit, nor does IPv6",
		       service, text, mtu)
		       ?: findings_mend(check->findings, "ip link set dev %s mtu %u", link->name,
					IPV6_MIN_MTU);
}

int check_paths(const struct check *check)
{
	const struct check_path *path = check->facts->paths;
	int r = 0;

	for (size_t i = 0; i < check->plan->n_services && !r; i++) {
		const struct plan_service *service = &check->plan->services[i];

		for (size_t j = 0; j < service->n_backends && !r; j++, path++)
			if (service->backends[j].usable && !service->backends[j].is_local)
				r = check_path(check, service->name, &service->backends[j], path);
	}
	return r;
}

/* --- ports ------------------------------------------------------------------------------------ */

bool check_ports_reserved(const char *list, unsigned int first, unsigned int last)
{
	unsigned int wanted = first;

	/* The kernel writes it sorted and merged: "1-5,8080". */
	while (*list) {
		unsigned long from, to;
		char *end;

		from = to = strtoul(list, &end, 10);
		if (end == list)
			return false;
		if (*end == '-') {
			list = end + 1;
			to = strtoul(list, &end, 10);
			if (end == list)
				return false;
		}
		if (from <= wanted && wanted <= to)
			wanted = to >= last ? last + 1 : (unsigned int)to + 1;
		if (wanted > last)
			return true;
		list = end + (*end == ',');
		if (list == end)
			return false;
	}
	return false;
}

/* The largest power of two of them, as dataplane.c takes it. */
static unsigned int last_port_used(const struct config_limits *limits)
{
	unsigned int n = limits->port_last - limits->port_first + 1;

	return limits->port_first + (1u << (31 - __builtin_clz(n))) - 1;
}

int check_ports(const struct check *check)
{
	const struct check_ports *local = &check->facts->ports;
	unsigned int first = check->config->limits.port_first;
	unsigned int last = last_port_used(&check->config->limits);
	unsigned int shared_first = MAX(first, local->first), shared_last = MIN(last, local->last);
	const char *reserved = local->reserved ?: "";

	if (!check->config->n_edges)
		return 0;
	if (!local->is_known)
		return findings_add(
			check->findings, FINDING_NOTE, FOUND_NOT_TOLD,
			"could not tell which ports the host's own connections take (net.ipv4.ip_local_port_range)");
	if (shared_first > shared_last || check_ports_reserved(reserved, shared_first, shared_last))
		return 0;
	return findings_add(
		       check->findings, FINDING_WARNING, FOUND_PORTS_OVERLAP,
		       "edge53 sends from ports %u-%u, of which the host's own connections may take %u-%u (net.ipv4.ip_local_port_range is %u-%u)",
		       first, last, shared_first, shared_last, local->first, local->last)
		       ?: findings_mend(check->findings,
					"sysctl -w net.ipv4.ip_local_reserved_ports=%s%s%u-%u",
					reserved, *reserved ? "," : "", first, last);
}

/* --- IPv6 on clients' devices ----------------------------------------------------------------- */

static bool has_global_ipv6(const struct check *check, const char *device)
{
	const struct host_link *link = host_link_by_name(check->host, device);

	for (size_t i = 0; link && i < check->host->n_addresses; i++) {
		const struct host_address *a = &check->host->addresses[i];

		if (a->ifindex == link->ifindex && !addr_is_ipv4(&a->address) &&
		    a->scope == RT_SCOPE_UNIVERSE)
			return true;
	}
	return false;
}

/* sysctl takes "eth0/100" for the device "eth0.100". */
static const char *sysctl_name(const char *device, char name[static IFNAMSIZ])
{
	size_t i;

	for (i = 0; device[i] && i < IFNAMSIZ - 1; i++)
		name[i] = (char)(device[i] == '.' ? '/' : device[i]);
	name[i] = '\0';
	return name;
}

static int check_ipv6_device(const struct check *check, const struct config_enforce *enforce,
			     const struct check_ipv6 *ipv6)
{
	bool is_default = !strcmp(ipv6->name, "default"), is_global;
	char name[IFNAMSIZ];

	is_global = !is_default && has_global_ipv6(check, ipv6->name);
	if (!ipv6->is_known || ipv6->is_disabled || (!ipv6->forwards && !is_global))
		return 0;
	return findings_add(
		       check->findings, FINDING_WARNING, FOUND_IPV6_OPEN,
		       "%s: IPv6 is open on %s (%s), and `ipv6: pass` lets DNS over it go wherever the client wants",
		       enforce->name, is_default ? "devices to come" : ipv6->name,
		       ipv6->forwards && is_global
			       ? "it has a global address, and the host forwards"
		       : ipv6->forwards ? "the host forwards"
					: "it has a global address")
		       ?: findings_mend(check->findings,
					"sysctl -w net.ipv6.conf.%s.disable_ipv6=1",
					sysctl_name(ipv6->name, name));
}

static bool is_of(const struct check *check, const struct config_enforce *enforce,
		  const struct check_ipv6 *ipv6)
{
	const struct host_link *link = host_link_by_name(check->host, ipv6->name);

	return link ? plan_matches(enforce->interface, link) : !strcmp(ipv6->name, "default");
}

int check_ipv6(const struct check *check)
{
	int r = 0;

	for (size_t i = 0; i < check->config->n_enforces; i++) {
		const struct config_enforce *enforce = &check->config->enforces[i];
		size_t before = check->findings->n;

		if (enforce->ipv6 != POLICY_PASS)
			continue;
		/* "default" comes last: for services without a device yet. One is said, not four thousand. */
		for (size_t j = 0; j < check->facts->n_ipv6 && !r; j++)
			if (check->findings->n == before &&
			    is_of(check, enforce, &check->facts->ipv6[j]))
				r = check_ipv6_device(check, enforce, &check->facts->ipv6[j]);
		if (r)
			return r;
	}
	return 0;
}
