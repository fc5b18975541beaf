/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes the plan. Pure: every fact about the host comes in by struct host, every word to the
 * operator goes out as a finding.
 */
#include "plan.h"
#include "proxy_header.h"

#include <errno.h>
#include <fnmatch.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

/* Bytes an IPv4 fragment has more as IPv6: 40 instead of 20, and a fragment header. */
#define LARGEST_GROWTH 28

/* DNS header, the longest name, type and class, an OPT record without options. */
#define LONGEST_USUAL_QUERY (12 + 255 + 4 + 11)

#define RP_FILTER_STRICT 1

#define XDP_FEATURE_NDO_XMIT (1ull << 2) /* NETDEV_XDP_ACT_NDO_XMIT, linux/netdev.h */

/* Grows an array by one zeroed element. Returns the element, or NULL without memory. */
static void *grow(void **array, size_t *n, size_t element_size)
{
	if (array_grow(array, *n, element_size) < 0)
		return NULL;
	return memset((char *)*array + (*n)++ * element_size, 0, element_size);
}

#define GROW(array, n) ((__typeof__(array))grow((void **)&(array), &(n), sizeof(*(array))))

__attribute__((format(printf, 4, 5))) static int say(struct plan *plan, enum finding_level level,
						     enum finding_code code, const char *fmt, ...)
{
	va_list ap;
	int r;

	if (level == FINDING_ERROR)
		plan->has_errors = true;
	va_start(ap, fmt);
	r = findings_vadd(&plan->findings, level, code, fmt, ap);
	va_end(ap);
	return r;
}

/* The command that mends what was said last. Returns 0 or -ENOMEM. */
#define mend(plan, ...) findings_mend(&(plan)->findings, __VA_ARGS__)

static bool is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[");
}

static unsigned int host_bits(const struct edge53_addr *address)
{
	return addr_is_ipv4(address) ? 32 : 128;
}

/* Who makes a device that is not there is not known, but by what its name says. */
static int mend_missing(struct plan *plan, const char *name)
{
	return strncmp(name, "wg", 2) == 0 && !is_glob(name) ? mend(plan, "wg-quick up %s", name)
							     : 0;
}

bool plan_matches(const char *pattern, const struct host_link *link)
{
	return !(link->flags & IFF_LOOPBACK) && !fnmatch(pattern, link->name, 0);
}

static bool can_redirect_to(const struct host_link *link)
{
	/*
	 * A kernel that does not say (before 6.3) is not trusted: what cannot be sent is lost
	 * silently.
	 */
	return link->knows_xdp_features && link->xdp_features & XDP_FEATURE_NDO_XMIT;
}

/* The plan's entry for a link; made when it is not there. SIZE_MAX without memory. */
static size_t device_of(struct plan *plan, const struct host *host, const struct host_link *link)
{
	size_t *known = &plan->device_of_link[link - host->links];
	struct plan_device *device;

	if (*known)
		return *known - 1;
	device = GROW(plan->devices, plan->n_devices);
	if (!device)
		return SIZE_MAX;
	snprintf(device->name, sizeof(device->name), "%s", link->name);
	device->ifindex = link->ifindex;
	device->is_ethernet = host_link_is_ethernet(link);
	device->enforce = -1;
	device->mtu = link->mtu;
	device->xdp_redirect_ok = can_redirect_to(link);
	device->why_no_xdp = device->is_ethernet ? link->why_no_xdp :
						   "it has no Ethernet header";
	memcpy(device->mac, link->mac, sizeof(device->mac));
	*known = plan->n_devices;
	return *known - 1;
}

/* Both directions of `edge`: queries and replies may use the same device. */
static int want_edge_hooks(struct plan *plan, size_t device)
{
	struct plan_device *d = &plan->devices[device];

	if (d->enforce >= 0)
		return say(
			plan, FINDING_ERROR, FOUND_DEVICE_TWO_ROLES,
			"%s: belongs to enforce \"%s\" and to an edge service; a device can be one of both",
			d->name, plan->services[d->enforce].name);
	d->hooks |= HOOK_UPLINK_TC;
	if (d->is_ethernet)
		d->hooks |= HOOK_UPLINK_XDP;
	return 0;
}

static int append_frontend(struct plan *plan, size_t device, size_t service,
			   const struct edge53_addr *address)
{
	struct plan_frontend *frontend;

	if (plan->n_frontends == EDGE53_MAX_FRONTENDS)
		return say(plan, FINDING_ERROR, FOUND_TOO_MANY_FRONTENDS,
			   "more than %d pairs of device and address", EDGE53_MAX_FRONTENDS);
	frontend = GROW(plan->frontends, plan->n_frontends);
	if (!frontend)
		return -ENOMEM;
	frontend->device = device;
	frontend->service = service;
	frontend->address = *address;
	return 0;
}

/*
 * An address of an uplink, which several services may share as long as each has its own addresses.
 */
static int add_frontend(struct plan *plan, size_t device, size_t service,
			const struct edge53_addr *address)
{
	const struct plan_frontend *frontend;
	char text[ADDR_TEXT_LEN];

	for (size_t i = 0; i < plan->n_frontends; i++) {
		frontend = &plan->frontends[i];
		if (frontend->device != device || !addr_equal(&frontend->address, address))
			continue;
		if (frontend->service == service)
			return 0;
		return say(plan, FINDING_ERROR, FOUND_FRONTEND_TWICE,
			   "%s port 53 on %s belongs to \"%s\" and to \"%s\"",
			   addr_format(address, text), plan->devices[device].name,
			   plan->services[frontend->service].name, plan->services[service].name);
	}
	return append_frontend(plan, device, service, address);
}

static bool is_local_address(const struct host *host, const struct edge53_addr *address)
{
	for (size_t i = 0; i < host->n_addresses; i++)
		if (addr_equal(&host->addresses[i].address, address))
			return true;
	return false;
}

/* Whether clients elsewhere may have been told this address, and reach the host by it now. */
static bool is_for_clients(const struct host_address *address)
{
	return address->scope == RT_SCOPE_UNIVERSE && !address->is_tentative &&
	       !address->is_temporary;
}

/* No `address` in the file: what the device has, but not what only the link itself can use. */
static int add_own_frontends(struct plan *plan, const struct host *host, size_t device,
			     size_t service)
{
	size_t before = plan->n_frontends;
	int r;

	for (size_t i = 0; i < host->n_addresses; i++) {
		const struct host_address *a = &host->addresses[i];

		if (a->ifindex != plan->devices[device].ifindex || !is_for_clients(a))
			continue;
		r = add_frontend(plan, device, service, &a->address);
		if (r < 0)
			return r;
	}
	if (plan->n_frontends > before)
		return 0;
	return say(plan, FINDING_NOTE, FOUND_ADDRESS_MISSING, "%s: waiting for an address on %s",
		   plan->services[service].name, plan->devices[device].name)
		       ?: mend(plan, "ip address add ADDRESS/PREFIX_LENGTH dev %s",
			       plan->devices[device].name);
}

static int add_frontends(struct plan *plan, const struct config_edge *edge,
			 const struct host *host, size_t device, size_t service)
{
	int r = 0;

	if (!edge->n_addresses)
		return add_own_frontends(plan, host, device, service);
	for (size_t i = 0; i < edge->n_addresses && r >= 0; i++)
		r = add_frontend(plan, device, service, &edge->addresses[i]);
	return r;
}

static int check_addresses(struct plan *plan, const struct config_edge *edge,
			   const struct host *host)
{
	const char *device = is_glob(edge->interface) ? "DEVICE" : edge->interface;
	char text[ADDR_TEXT_LEN];
	int r = 0;

	for (size_t i = 0; i < edge->n_addresses && r >= 0; i++) {
		const struct edge53_addr *address = &edge->addresses[i];

		if (is_local_address(host, address))
			continue;
		addr_format(address, text);
		r = say(plan, FINDING_WARNING, FOUND_ADDRESS_NOT_LOCAL,
			"%s: address %s is not on this host; nobody will answer %s for it",
			edge->name, text, addr_is_ipv4(address) ? "ARP" : "neighbour solicitations")
			    ?: mend(plan, "ip address add %s/%u dev %s", text, host_bits(address),
				    device);
	}
	return r;
}

static unsigned int rank_of_source(const struct host_address *address)
{
	return (address->scope < RT_SCOPE_LINK) * 4u + !address->is_tentative * 2u +
	       !address->is_temporary;
}

/* The address of a device, in one family, that is best to be asked from; zero: none. */
static struct edge53_addr own_address(const struct host *host, unsigned int ifindex, bool is_ipv4)
{
	const struct host_address *best = NULL;

	for (size_t i = 0; i < host->n_addresses; i++) {
		const struct host_address *a = &host->addresses[i];

		if (a->ifindex == ifindex && addr_is_ipv4(&a->address) == is_ipv4 &&
		    (!best || rank_of_source(a) > rank_of_source(best)))
			best = a;
	}
	return best ? best->address : (struct edge53_addr){};
}

static bool is_temporary(const struct host *host, const struct edge53_addr *address)
{
	for (size_t i = 0; i < host->n_addresses; i++)
		if (host->addresses[i].is_temporary &&
		    addr_equal(&host->addresses[i].address, address))
			return true;
	return false;
}

/*
 * The SNAT address: the file's, else the kernel's choice, but none that is gone tomorrow, and
 * replies with it. Zero: there is none.
 */
static struct edge53_addr source_towards(const struct config_edge *edge, const struct host *host,
					 const struct host_route *route,
					 const struct edge53_addr *backend)
{
	bool is_ipv4 = addr_is_ipv4(backend);
	struct edge53_addr source = edge->sources[!is_ipv4];

	if (addr_is_zero(&source) && !is_temporary(host, &route->source))
		source = route->source;
	if (addr_is_zero(&source))
		source = own_address(host, route->ifindex, is_ipv4);
	return addr_is_zero(&source) ? route->source : source;
}

/* RFC 1918, RFC 6598 and RFC 4193. */
static bool is_private(const struct edge53_addr *address)
{
	const __u8 *ip = &address->bytes[12];

	if (!addr_is_ipv4(address))
		return (address->bytes[0] & 0xfe) == 0xfc;
	return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
	       (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && (ip[1] & 0xc0) == 64);
}

static int wait_for_up(struct plan *plan, const char *service, const struct host_link *link)
{
	return say(plan, FINDING_NOTE, FOUND_TUNNEL_DOWN, "%s: waiting for %s to be up", service,
		   link->name)
		       ?: mend(plan, "ip link set dev %s up", link->name);
}

/* Fills in how a backend is reached. It stays unusable, with a finding, when it is not. */
static int route_backend(struct plan *plan, const struct config_edge *edge, const struct host *host,
			 const struct host_route *route, struct plan_backend *backend)
{
	const struct host_link *link;
	char text[ADDR_TEXT_LEN];
	size_t device;

	addr_format(&backend->address, text);
	link = edge->tunnel ? host_link_by_name(host, edge->tunnel) : NULL;
	if (edge->tunnel && !link)
		return say(plan, FINDING_NOTE, FOUND_TUNNEL_MISSING, "%s: waiting for device %s",
			   edge->name, edge->tunnel)
			       ?: mend_missing(plan, edge->tunnel);
	if (link && !(link->flags & IFF_UP))
		return wait_for_up(plan, edge->name, link);
	link = route->reachable ? host_link_by_index(host, route->ifindex) : NULL;
	if (route->reachable && (route->is_local || (link && link->flags & IFF_LOOPBACK)))
		return say(
			plan, FINDING_ERROR, FOUND_BACKEND_IS_HOST,
			"%s: backend %s is this host itself; a server on the edge needs no edge53, let it listen on port 53",
			edge->name, text);
	if (!link)
		return say(plan, FINDING_NOTE, FOUND_BACKEND_NO_ROUTE,
			   "%s: waiting for a route to backend %s%s%s", edge->name, text,
			   edge->tunnel ? " through " : "", edge->tunnel ? edge->tunnel : "")
			       ?: mend(plan, "ip route add %s/%u %s %s", text,
				       host_bits(&backend->address), edge->tunnel ? "dev" : "via",
				       edge->tunnel ? edge->tunnel : "GATEWAY");
	/* When wg0 goes, the default route is what is left: nothing of the tunnel may go there. */
	if (route->by_default && is_private(&backend->address))
		return say(plan, FINDING_NOTE, FOUND_BACKEND_NO_ROUTE,
			   "%s: waiting for a route to backend %s: the default route, by %s, is not taken for a private address unless `tunnel: %s` says so",
			   edge->name, text, link->name, link->name)
			       ?: mend(plan, "ip route add %s/%u dev TUNNEL", text,
				       host_bits(&backend->address));
	if (!(link->flags & IFF_UP))
		return wait_for_up(plan, edge->name, link);
	backend->source = source_towards(edge, host, route, &backend->address);
	if (addr_is_zero(&backend->source))
		return say(plan, FINDING_NOTE, FOUND_ADDRESS_MISSING,
			   "%s: waiting for an %s address on %s", edge->name,
			   addr_is_ipv4(&backend->address) ? "IPv4" : "IPv6", link->name)
			       ?: mend(plan, "ip address add ADDRESS/PREFIX_LENGTH dev %s",
				       link->name);
	device = device_of(plan, host, link);
	if (device == SIZE_MAX)
		return -ENOMEM;
	backend->usable = true;
	backend->ifindex = link->ifindex;
	backend->mtu = link->mtu;
	backend->is_ethernet = plan->devices[device].is_ethernet;
	backend->xdp_redirect_ok = plan->devices[device].xdp_redirect_ok;
	backend->neighbour_known = route->neighbour_known;
	backend->neighbour_stale = route->neighbour_stale;
	backend->nexthop = route->nexthop;
	memcpy(backend->dmac, route->mac, sizeof(backend->dmac));
	memcpy(backend->smac, link->mac, sizeof(backend->smac));
	return want_edge_hooks(plan, device);
}

static struct plan_service *add_service(struct plan *plan, const char *name,
					enum edge53_service_kind kind, size_t n_backends)
{
	struct plan_service *service = GROW(plan->services, plan->n_services);

	if (!service)
		return NULL;
	snprintf(service->name, sizeof(service->name), "%s", name);
	service->kind = kind;
	service->backends = calloc(n_backends + 1, sizeof(*service->backends));
	if (!service->backends)
		return NULL;
	service->n_backends = n_backends;
	return service;
}

/* What is done about large replies. */
static void plan_replies(struct plan_service *service, const struct config_response *response,
			 enum config_policy any)
{
	if (any == POLICY_TRUNCATE)
		service->flags |= EDGE53_SERVICE_ANY_TRUNCATE;
	if (!response->bytes_per_second)
		return;
	service->response = response;
	service->exempt[EDGE53_EXEMPT_RESPONSES] =
		(struct plan_prefixes){ response->exempt, response->n_exempt };
	service->flags |= EDGE53_SERVICE_RESPONSE_LIMIT;
}

static int plan_edge_backends(struct plan *plan, const struct config_edge *edge,
			      const struct host *host, const struct host_route *routes)
{
	struct plan_service *service =
		add_service(plan, edge->name, EDGE53_SERVICE_EDGE, edge->n_backends);
	int r = 0;

	if (!service)
		return -ENOMEM;
	service->health = &edge->health;
	if (edge->on_down == POLICY_PASS)
		service->flags |= EDGE53_SERVICE_DOWN_PASS;
	if (edge->on_down == POLICY_SERVFAIL)
		service->flags |= EDGE53_SERVICE_DOWN_SERVFAIL;
	service->keep_source = (struct plan_prefixes){ edge->keep_source, edge->n_keep_source };
	if (edge->n_keep_source)
		service->flags |= EDGE53_SERVICE_KEEP_SOURCE;
	if (edge->rate.qps) {
		service->rate = &edge->rate;
		service->exempt[EDGE53_EXEMPT_ALL] =
			(struct plan_prefixes){ edge->rate.exempt, edge->rate.n_exempt };
		service->flags |= EDGE53_SERVICE_RATE_LIMIT;
		if (edge->rate.n_exempt)
			service->flags |= EDGE53_SERVICE_EXEMPT;
	}
	if (has_tcp_limit(&edge->tcp)) {
		service->tcp_limit = &edge->tcp;
		service->exempt[EDGE53_EXEMPT_TCP] =
			(struct plan_prefixes){ edge->tcp.exempt, edge->tcp.n_exempt };
		service->flags |= EDGE53_SERVICE_TCP_LIMIT;
		if (edge->tcp.cookies_above)
			service->flags |= EDGE53_SERVICE_SYN_COOKIES;
	}
	plan_replies(service, &edge->response, edge->any);
	if (edge->client_ip_udp == CLIENT_IP_PROXY_V2)
		service->flags |= EDGE53_SERVICE_PROXY_UDP;
	if (edge->client_ip_tcp == CLIENT_IP_PROXY_V2)
		service->flags |= EDGE53_SERVICE_PROXY_TCP;
	for (size_t i = 0; i < edge->n_backends && r >= 0; i++) {
		const struct config_backend *from = &edge->backends[i];
		struct plan_backend *to = &service->backends[i];

		to->address = from->address;
		to->udp_port = from->udp_port;
		to->tcp_port = from->tcp_port;
		to->weight = from->weight;
		r = route_backend(plan, edge, host, &routes[i], to);
	}
	return r;
}

static int mend_wide_backend(struct plan *plan, unsigned int ifindex, unsigned int mtu)
{
	for (size_t i = 0; i < plan->n_devices; i++)
		if (plan->devices[i].ifindex == ifindex)
			return mend(plan, "ip link set dev %s mtu %u", plan->devices[i].name, mtu);
	return 0;
}

/* An error of the network's that shows only with long replies: clients ask in vain. */
static int check_mtu(struct plan *plan, size_t service, const struct plan_device *device)
{
	const struct plan_service *s = &plan->services[service];
	const struct plan_backend *widest = NULL;

	for (size_t i = 0; i < s->n_backends; i++)
		if (s->backends[i].usable && (!widest || s->backends[i].mtu > widest->mtu))
			widest = &s->backends[i];
	if (!widest || widest->mtu <= device->mtu)
		return 0;
	return say(plan, FINDING_WARNING, FOUND_MTU_DIFFERS,
		   "%s: replies that fit into the MTU towards the backends (%u) but not into that of %s (%u) are lost; give both the same, or keep the backends' EDNS size below",
		   s->name, widest->mtu, device->name, device->mtu)
		       ?: mend_wide_backend(plan, widest->ifindex, device->mtu);
}

/* A bundle of queries has one length and many DNS headers: the dataplane refuses it. */
static int check_bundling(struct plan *plan, const char *service, const struct host_link *link)
{
	if (!link->bundles_udp)
		return 0;
	return say(plan, FINDING_WARNING, FOUND_UDP_BUNDLED,
		   "%s: %s bundles UDP packets of one sender (%s), and what is bundled is dropped: ethtool -K %s %s off",
		   service, link->name, link->bundles_udp, link->name, link->bundles_udp)
		       ?: mend(plan, "ethtool -K %s %s off", link->name, link->bundles_udp);
}

/* Nothing here can tell what the backend's host does. */
static int check_keep_source(struct plan *plan, const struct config_edge *edge)
{
	if (!edge->n_keep_source)
		return 0;
	return say(
		plan, FINDING_NOTE, FOUND_KEEP_SOURCE,
		"%s: clients of keep_source are answered when the backend's host sends its replies to them back into the tunnel (`return` of an edge53 there), and when its end of the tunnel admits their addresses (WireGuard: AllowedIPs)",
		edge->name);
}

static int plan_edge(struct plan *plan, const struct config_edge *edge, const struct host *host,
		     const struct host_route *routes)
{
	size_t service, found = 0, device;
	int r = plan_edge_backends(plan, edge, host, routes);

	service = plan->n_services - 1;
	for (size_t i = 0; i < host->n_links && r >= 0; i++) {
		if (!plan_matches(edge->interface, &host->links[i]))
			continue;
		found++;
		device = device_of(plan, host, &host->links[i]);
		if (device == SIZE_MAX)
			return -ENOMEM;
		plan->devices[device].is_client_side = true;
		r = want_edge_hooks(plan, device);
		if (r >= 0)
			r = add_frontends(plan, edge, host, device, service);
		if (r >= 0)
			r = check_mtu(plan, service, &plan->devices[device]);
		if (r >= 0)
			r = check_bundling(plan, edge->name, &host->links[i]);
	}
	if (r < 0)
		return r;
	if (!found)
		return say(plan, FINDING_NOTE, FOUND_INTERFACE_MISSING, "%s: waiting for %s %s",
			   edge->name,
			   is_glob(edge->interface) ? "a device that matches" : "device",
			   edge->interface)
			       ?: mend_missing(plan, edge->interface);
	r = check_addresses(plan, edge, host);
	return r < 0 ? r : check_keep_source(plan, edge);
}

static int plan_resolver(struct plan *plan, const char *service, const struct edge53_addr *address,
			 const struct host_route *route, struct plan_backend *backend)
{
	const char *sysctl =
		addr_is_ipv4(address) ? "net.ipv4.ip_forward" : "net.ipv6.conf.all.forwarding";
	char text[ADDR_TEXT_LEN];

	backend->address = *address;
	backend->udp_port = EDGE53_DNS_PORT;
	backend->tcp_port = EDGE53_DNS_PORT;
	backend->weight = 1;
	backend->is_local = true;
	backend->mtu = UINT16_MAX; /* the host's stack knows about its devices */
	/*
	 * By the default route: its address is not up yet, and queries sent there would leave the
	 * host.
	 */
	backend->usable = route->reachable && !route->by_default;
	addr_format(address, text);
	if (!backend->usable)
		return say(plan, FINDING_NOTE, FOUND_RESOLVER_MISSING,
			   "%s: waiting for resolver %s: no address of this host, and no route to it but the default",
			   service, text)
			       ?: mend(plan, "ip address add %s/%u dev lo", text,
				       host_bits(address));
	if (!route->is_local)
		return say(plan, FINDING_WARNING, FOUND_RESOLVER_ELSEWHERE,
			   "%s: resolver %s is not on this host: queries are forwarded (%s)",
			   service, text, sysctl)
			       ?: mend(plan, "sysctl -w %s=1", sysctl);
	return 0;
}

static int plan_enforce_device(struct plan *plan, const struct config_enforce *enforce,
			       const struct host *host, const struct host_link *link,
			       size_t service)
{
	const struct edge53_addr any = {};
	struct plan_device *d;
	size_t device;

	if (link->is_default_route)
		return say(
			plan, FINDING_ERROR, FOUND_ENFORCE_DEFAULT_ROUTE,
			"%s: interface \"%s\" matches %s, which carries the default route: the host's own way out is no client; name the clients' devices only",
			enforce->name, enforce->interface, link->name);
	device = device_of(plan, host, link);
	if (device == SIZE_MAX)
		return -ENOMEM;
	d = &plan->devices[device];
	if (d->hooks)
		return say(
			plan, FINDING_ERROR, FOUND_DEVICE_TWO_ROLES,
			"%s: device %s already belongs to another service; a device can be one's only",
			enforce->name, link->name);
	d->is_client_side = true;
	d->enforce = (int)service;
	d->hooks = HOOK_ENFORCE_IN | HOOK_ENFORCE_OUT;
	return append_frontend(plan, device, service, &any);
}

static unsigned int enforce_flags(const struct config_enforce *enforce)
{
	unsigned int flags = 0;

	if (enforce->on_down == POLICY_PASS)
		flags |= EDGE53_SERVICE_DOWN_PASS;
	if (enforce->ipv6 == POLICY_DROP)
		flags |= EDGE53_SERVICE_IPV6_DROP;
	if (enforce->ipv6 == POLICY_REDIRECT)
		flags |= EDGE53_SERVICE_IPV6_REDIRECT;
	if (enforce->dot == POLICY_DROP)
		flags |= EDGE53_SERVICE_DOT_DROP;
	if (enforce->dot == POLICY_REJECT)
		flags |= EDGE53_SERVICE_DOT_REJECT;
	if (enforce->doh.n_prefixes)
		flags |= enforce->doh.action == POLICY_DROP ? EDGE53_SERVICE_DOH_DROP :
							      EDGE53_SERVICE_DOH_REJECT;
	if (enforce->n_exempt)
		flags |= EDGE53_SERVICE_EXEMPT;
	return flags;
}

static bool has_resolver6(const struct config_enforce *enforce)
{
	return !addr_is_zero(&enforce->resolver6);
}

/* routes are to the resolver, then to resolver6 if there is one. */
static int plan_enforce(struct plan *plan, const struct config_enforce *enforce,
			const struct host *host, const struct host_route *routes)
{
	struct plan_service *service = add_service(plan, enforce->name, EDGE53_SERVICE_ENFORCE,
						   has_resolver6(enforce) ? 2 : 1);
	size_t found = 0, index = plan->n_services - 1;
	int r;

	if (!service)
		return -ENOMEM;
	service->flags = enforce_flags(enforce);
	plan_replies(service, &enforce->response, enforce->any);
	service->health = &enforce->health;
	service->exempt[EDGE53_EXEMPT_ALL] =
		(struct plan_prefixes){ enforce->exempt, enforce->n_exempt };
	service->doh = (struct plan_prefixes){ enforce->doh.prefixes, enforce->doh.n_prefixes };
	r = plan_resolver(plan, enforce->name, &enforce->resolver, &routes[0],
			  &service->backends[0]);
	if (r >= 0 && has_resolver6(enforce))
		r = plan_resolver(plan, enforce->name, &enforce->resolver6, &routes[1],
				  &service->backends[1]);
	for (size_t i = 0; i < host->n_links && r >= 0; i++) {
		if (!plan_matches(enforce->interface, &host->links[i]))
			continue;
		found++;
		r = plan_enforce_device(plan, enforce, host, &host->links[i], index);
		if (r >= 0)
			r = check_bundling(plan, enforce->name, &host->links[i]);
	}
	if (r >= 0 && !found)
		r = say(plan, FINDING_NOTE,
			is_glob(enforce->interface) ? FOUND_NO_DEVICE_YET : FOUND_INTERFACE_MISSING,
			"%s: no device matches \"%s\" yet", enforce->name, enforce->interface);
	return r;
}

/* --- PROXY headers ---------------------------------------------------------------------------- */

/*
 * Without XDP nobody keeps the segment that gets the header apart from the next one. Backends are
 * chosen by service, not by device, so all TCP of the service waits for the device that has none.
 */
static int refuse_tcp(struct plan *plan, size_t service)
{
	struct plan_service *s = &plan->services[service];

	for (size_t i = 0; i < plan->n_frontends; i++) {
		const struct plan_device *device = &plan->devices[plan->frontends[i].device];

		if (plan->frontends[i].service != service || !device->why_no_xdp)
			continue;
		s->tcp_refused = true;
		return say(
			plan, FINDING_WARNING, FOUND_TCP_REFUSED,
			"%s: TCP is refused, UDP is served: connections are to begin with a PROXY header, which needs XDP on %s, and %s; change that, or set client_ip.tcp: none, or make %s a service of its own",
			s->name, device->name, device->why_no_xdp, device->name);
	}
	return 0;
}

static bool has_frontend(const struct plan *plan, size_t service, bool is_ipv6)
{
	for (size_t i = 0; i < plan->n_frontends; i++)
		if (plan->frontends[i].service == service &&
		    addr_is_ipv4(&plan->frontends[i].address) != is_ipv6)
			return true;
	return false;
}

/* What is left of the MTU for a query behind the longest header that this service puts before one. */
static int check_header_room(struct plan *plan, size_t service)
{
	const struct plan_service *s = &plan->services[service];
	bool has_ipv6_clients = has_frontend(plan, service, true);
	unsigned int header_len = has_ipv6_clients ? PROXY_HEADER_LEN_IPV6 : PROXY_HEADER_LEN_IPV4;
	char text[ADDR_TEXT_LEN];
	int r = 0;

	for (size_t i = 0; i < s->n_backends && !r; i++) {
		const struct plan_backend *b = &s->backends[i];
		unsigned int taken = (addr_is_ipv4(&b->address) ? 20 : 40) + 8 + header_len;
		unsigned int left = b->mtu > taken ? b->mtu - taken : 0;

		if (!b->usable || !b->udp_port || left >= LONGEST_USUAL_QUERY)
			continue;
		r = say(plan, FINDING_WARNING, FOUND_PROXY_NO_ROOM,
			"%s: the MTU towards backend %s (%u) leaves %u bytes for a query behind its PROXY header, and queries may be %d bytes long; longer ones are answered TC=1, and come back by TCP",
			s->name, addr_format(&b->address, text), b->mtu, left, LONGEST_USUAL_QUERY);
	}
	return r;
}

/* After all edge services, which are the first in the plan. */
static int plan_proxy_headers(struct plan *plan, const struct config *config)
{
	int r = 0;

	for (size_t i = 0; i < config->n_edges && r >= 0; i++) {
		struct plan_service *service = &plan->services[i];

		if (service->flags & EDGE53_SERVICE_PROXY_UDP) {
			service->max_udp_payload = config->limits.backend_udp_size;
			r = check_header_room(plan, i);
		}
		if (r >= 0 && service->flags & EDGE53_SERVICE_PROXY_TCP)
			r = refuse_tcp(plan, i);
	}
	return r;
}

/* --- return ----------------------------------------------------------------------------------- */

/* One service a tunnel; its name is how numbers are kept across loaders (tables.c). */
static size_t return_service(struct plan *plan, const char *tunnel)
{
	char name[EDGE53_NAME_LEN];
	struct plan_service *service;

	snprintf(name, sizeof(name), "return-%s", tunnel);
	for (size_t i = 0; i < plan->n_services; i++)
		if (plan->services[i].kind == EDGE53_SERVICE_RETURN &&
		    !strcmp(plan->services[i].name, name))
			return i;
	service = add_service(plan, name, EDGE53_SERVICE_RETURN, 0);
	return service ? plan->n_services - 1 : SIZE_MAX;
}

static int add_return_port(struct plan *plan, const struct plan_return_port *port)
{
	struct plan_return_port *to;

	if (!port->port)
		return 0;
	to = GROW(plan->return_ports, plan->n_return_ports);
	if (!to)
		return -ENOMEM;
	*to = *port;
	return 0;
}

static int add_return_ports(struct plan *plan, const struct config_return *back, size_t service,
			    unsigned int ifindex, bool is_uplink)
{
	struct plan_return_port udp = { .ifindex = ifindex, .service = service,
					.port = (unsigned short)back->udp_port,
					.l4proto = IPPROTO_UDP, .is_uplink = is_uplink };
	struct plan_return_port tcp = udp;

	tcp.port = (unsigned short)back->tcp_port;
	tcp.l4proto = IPPROTO_TCP;
	return add_return_port(plan, &udp) ?: add_return_port(plan, &tcp);
}

/*
 * The kernel looks for the way back before anybody knows that edge53 has another one. IPv6 has no such
 * filter of the kernel's own.
 */
static int check_rp_filter(struct plan *plan, const char *service, const struct host *host,
			   const struct host_link *tunnel)
{
	unsigned int rp_filter = MAX(tunnel->rp_filter, host->rp_filter_all);

	if (rp_filter != RP_FILTER_STRICT)
		return 0;
	return say(plan, FINDING_WARNING, FOUND_RP_FILTER,
		   "%s: the kernel drops clients that come by %s and have their route by another device (rp_filter): sysctl -w net.ipv4.conf.%s.rp_filter=2",
		   service, tunnel->name, tunnel->name)
		       ?: mend(plan, "sysctl -w net.ipv4.conf.%s.rp_filter=2", tunnel->name);
}

/* Entries may have devices in common, of which all is said once. */
static void forget_repetition(struct plan *plan)
{
	struct findings *said = &plan->findings;

	for (size_t i = 0; i + 1 < said->n; i++) {
		if (strcmp(said->list[i].text, said->list[said->n - 1].text) != 0)
			continue;
		findings_drop_last(said);
		return;
	}
}

/* Ethernet devices drop what is too long; tunnels of IP take it apart outside. */
static int check_return_mtu(struct plan *plan, const char *service, const struct host_link *tunnel,
			    const struct host_link *uplink)
{
	int r;

	if (!host_link_is_ethernet(tunnel) || tunnel->mtu >= uplink->mtu)
		return 0;
	r = say(plan, FINDING_WARNING, FOUND_MTU_DIFFERS,
		"%s: replies that fit into the MTU of %s (%u) but not into that of %s (%u) are lost; keep the server's EDNS size below",
		service, uplink->name, uplink->mtu, tunnel->name, tunnel->mtu);
	if (!r)
		forget_repetition(plan);
	return r;
}

/* A device that is there and up; else the finding says what is waited for. */
static int find_return_device(struct plan *plan, const struct host *host, const char *service,
			      const char *name, const struct host_link **ret)
{
	const struct host_link *link = host_link_by_name(host, name);
	int r;

	*ret = link && link->flags & IFF_UP ? link : NULL;
	if (*ret)
		return 0;
	r = say(plan, FINDING_NOTE, FOUND_INTERFACE_MISSING, "%s: waiting for %s%s%s", service,
		link ? "" : "device ", name, link ? " to be up" : "");
	if (!r)
		r = link ? mend(plan, "ip link set dev %s up", name) : mend_missing(plan, name);
	if (!r)
		forget_repetition(plan);
	return r;
}

static int hook_return(struct plan *plan, const struct host *host, const struct host_link *link,
		       enum plan_hook hook)
{
	size_t device = device_of(plan, host, link);

	if (device == SIZE_MAX)
		return -ENOMEM;
	plan->devices[device].hooks |= hook;
	return 0;
}

/* The tunnel of a service, which several entries may have. */
static int plan_tunnel(struct plan *plan, const struct host *host, const struct host_link *tunnel,
		       size_t service)
{
	struct plan_service *s = &plan->services[service];
	bool is_new = !s->tunnel_ifindex;

	s->tunnel_ifindex = tunnel->ifindex;
	s->tunnel_is_ethernet = host_link_is_ethernet(tunnel);
	memcpy(s->tunnel_mac, tunnel->mac, sizeof(s->tunnel_mac));
	return hook_return(plan, host, tunnel, HOOK_RETURN_IN)
		       ?: (is_new ? check_rp_filter(plan, s->name, host, tunnel) : 0);
}

static int plan_return(struct plan *plan, const struct config_return *back, const struct host *host)
{
	const struct host_link *tunnel = NULL, *uplink = NULL;
	size_t service = return_service(plan, back->tunnel);
	const char *name;
	int r;

	if (service == SIZE_MAX)
		return -ENOMEM;
	name = plan->services[service].name;
	r = find_return_device(plan, host, name, back->tunnel, &tunnel)
	    ?: find_return_device(plan, host, name, back->uplink, &uplink);
	if (!r && tunnel)
		r = plan_tunnel(plan, host, tunnel, service)
		    ?: add_return_ports(plan, back, service, tunnel->ifindex, false);
	if (!r && uplink)
		r = hook_return(plan, host, uplink, HOOK_RETURN_OUT)
		    ?: add_return_ports(plan, back, service, uplink->ifindex, true);
	if (!r && tunnel && uplink)
		r = check_return_mtu(plan, name, tunnel, uplink);
	return r;
}

/* --- guard ------------------------------------------------------------------------------------ */

static enum edge53_guard_policy guard_policy(const struct config_enforce *enforce)
{
	return enforce->guard == POLICY_DROP  ? EDGE53_GUARD_DROP :
	       enforce->guard == POLICY_COUNT ? EDGE53_GUARD_COUNT :
						EDGE53_GUARD_PASS;
}

/* The strictest policy of the services that a link matches; of all services, for an unknown link. */
static struct plan_guard guard_of(const struct config *config, const struct host_link *link)
{
	struct plan_guard guard = { .ifindex = link ? link->ifindex : 0 };

	for (size_t i = 0; i < config->n_enforces; i++) {
		const struct config_enforce *enforce = &config->enforces[i];

		if ((link && !plan_matches(enforce->interface, link)) ||
		    guard_policy(enforce) <= guard.policy)
			continue;
		guard.policy = guard_policy(enforce);
		guard.service = config->n_edges + i;
	}
	return guard;
}

static int append_guard(struct plan *plan, const struct plan_guard *guard)
{
	struct plan_guard *to;

	if (plan->n_guards == EDGE53_MAX_GUARD)
		return 0;
	to = GROW(plan->guards, plan->n_guards);
	if (!to)
		return -ENOMEM;
	*to = *guard;
	return 0;
}

/* On the way out, but not on a client's device: its egress has another program. */
static int plan_guard_hook(struct plan *plan, const struct host *host, const struct host_link *link)
{
	size_t device;

	if (!link->is_default_route)
		return 0;
	device = device_of(plan, host, link);
	if (device == SIZE_MAX)
		return -ENOMEM;
	if (plan->devices[device].enforce < 0)
		plan->devices[device].hooks |= HOOK_GUARD_OUT;
	return 0;
}

/* After all services, when it is known which devices are enforced. */
static int plan_guards(struct plan *plan, const struct config *config, const struct host *host)
{
	struct plan_guard guard = guard_of(config, NULL);
	int r;

	if (guard.policy == EDGE53_GUARD_PASS)
		return 0;
	r = append_guard(plan, &guard);
	for (size_t i = 0; i < host->n_links && r >= 0; i++) {
		const struct host_link *link = &host->links[i];
		size_t known = plan->device_of_link[i];

		guard = guard_of(config, link);
		guard.is_enforced = known && plan->devices[known - 1].enforce >= 0;
		r = append_guard(plan, &guard) ?: plan_guard_hook(plan, host, link);
	}
	if (r < 0 || host->n_links < EDGE53_MAX_GUARD)
		return r;
	return say(
		plan, FINDING_WARNING, FOUND_GUARD_FULL,
		"more than %d devices: to the guard the others are clients' that are not attached",
		EDGE53_MAX_GUARD - 1);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static bool is_loopback(const struct edge53_addr *address)
{
	static const struct edge53_addr loopback6 = { .bytes[15] = 1 };

	return addr_is_ipv4(address) ? address->bytes[12] == 127 : addr_equal(address, &loopback6);
}

static bool is_any(const struct edge53_addr *address)
{
	static const struct edge53_addr any4 = { .bytes = { [10] = 0xff, [11] = 0xff } };

	return addr_is_zero(address) || addr_equal(address, &any4);
}

static int check_metrics(struct plan *plan, const struct config_metrics *metrics, const struct host *host)
{
	char text[ADDR_TEXT_LEN];
	int r = 0;

	if (!metrics->port || is_loopback(&metrics->address))
		return 0;
	addr_format(&metrics->address, text);
	if (!is_any(&metrics->address) && !is_local_address(host, &metrics->address))
		r = say(plan, FINDING_WARNING, FOUND_METRICS_NOT_LOCAL,
			"export.metrics: %s is not an address of this host", text);
	return r ?: say(plan, FINDING_WARNING, FOUND_METRICS_OPEN,
			"export.metrics: %s is not a loopback address, so others than this host can read the metrics%s",
			text, metrics->top_clients ? ", with addresses of clients in them" : "");
}

/* --- the whole -------------------------------------------------------------------------------- */

static size_t count_questions(const struct config *config)
{
	size_t n = 0;

	for (size_t i = 0; i < config->n_edges; i++)
		n += config->edges[i].n_backends;
	for (size_t i = 0; i < config->n_enforces; i++)
		n += has_resolver6(&config->enforces[i]) ? 2 : 1;
	return n;
}

int plan_questions(const struct config *config, struct host_question **ret, size_t *ret_n)
{
	size_t n = count_questions(config), at = 0;
	struct host_question *questions = calloc(n + 1, sizeof(*questions));

	if (!questions)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_edges; i++) {
		const struct config_edge *edge = &config->edges[i];

		for (size_t j = 0; j < edge->n_backends; j++, at++) {
			questions[at].target = edge->backends[j].address;
			snprintf(questions[at].tunnel, sizeof(questions[at].tunnel), "%s",
				 edge->tunnel ? edge->tunnel : "");
		}
	}
	for (size_t i = 0; i < config->n_enforces; i++) {
		questions[at++].target = config->enforces[i].resolver;
		if (has_resolver6(&config->enforces[i]))
			questions[at++].target = config->enforces[i].resolver6;
	}
	*ret = questions;
	*ret_n = n;
	return 0;
}

int plan_make(const struct config *config, const struct host *host, struct plan **ret)
{
	_cleanup_(plan_freep) struct plan *plan = calloc(1, sizeof(*plan));
	const struct host_route *routes = host->routes;
	int r = 0;

	if (!plan)
		return -ENOMEM;
	if (host->n_routes != count_questions(config))
		return -EINVAL;
	plan->device_of_link = calloc(host->n_links + 1, sizeof(*plan->device_of_link));
	if (!plan->device_of_link)
		return -ENOMEM;
	for (size_t i = 0; i < config->n_edges && r >= 0; i++) {
		r = plan_edge(plan, &config->edges[i], host, routes);
		routes += config->edges[i].n_backends;
	}
	for (size_t i = 0; i < config->n_enforces && r >= 0; i++) {
		r = plan_enforce(plan, &config->enforces[i], host, routes);
		routes += has_resolver6(&config->enforces[i]) ? 2 : 1;
	}
	if (r >= 0)
		r = plan_proxy_headers(plan, config);
	for (size_t i = 0; i < config->n_returns && r >= 0; i++)
		r = plan_return(plan, &config->returns[i], host);
	if (r >= 0)
		r = plan_guards(plan, config, host);
	if (r >= 0)
		r = check_metrics(plan, &config->export.metrics, host);
	if (r < 0)
		return r;
	*ret = take_ptr(plan);
	return 0;
}

bool plan_serves(const struct plan_service *service, const struct plan_backend *backend,
		 bool is_ipv6)
{
	return backend->usable && (service->kind == EDGE53_SERVICE_EDGE ||
				   addr_is_ipv4(&backend->address) != is_ipv6);
}

bool plan_answers(const struct plan_backend *backend)
{
	return backend->usable && ((backend->udp_port && !backend->udp_dead) ||
				   (backend->tcp_port && !backend->tcp_dead));
}

unsigned short plan_query_mtu(const struct plan_service *service)
{
	unsigned int mtu = UINT16_MAX;

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct plan_backend *b = &service->backends[i];

		if (b->usable && b->mtu < mtu)
			mtu = b->mtu;
	}
	return (unsigned short)(mtu > LARGEST_GROWTH ? mtu - LARGEST_GROWTH : 0);
}

void plan_free(struct plan *plan)
{
	if (!plan)
		return;
	for (size_t i = 0; i < plan->n_services; i++)
		free(plan->services[i].backends);
	findings_clear(&plan->findings);
	free(plan->services);
	free(plan->devices);
	free(plan->frontends);
	free(plan->return_ports);
	free(plan->guards);
	free(plan->device_of_link);
	free(plan);
}
