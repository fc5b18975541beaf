// SPDX-License-Identifier: GPL-2.0-only
/* What follows from a configuration on a host: the whole plan, written as text, and compared. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/plan.h"

#define XDP_BASIC (1ull << 0)
#define XDP_NDO_XMIT (1ull << 2)

/* --- the host --------------------------------------------------------------------------------- */

const struct host_link *host_link_by_name(const struct host *host, const char *name)
{
	for (size_t i = 0; i < host->n_links; i++)
		if (!strcmp(host->links[i].name, name))
			return &host->links[i];
	return NULL;
}

const struct host_link *host_link_by_index(const struct host *host, unsigned int ifindex)
{
	for (size_t i = 0; i < host->n_links; i++)
		if (host->links[i].ifindex == ifindex)
			return &host->links[i];
	return NULL;
}

bool host_link_is_ethernet(const struct host_link *link)
{
	return link->arphrd == ARPHRD_ETHER || link->arphrd == ARPHRD_LOOPBACK;
}

static const struct {
	const char *name; /* the ifindex is the place in the list, from 1 */
	unsigned short arphrd;
	unsigned int flags;
	unsigned long long xdp_features;
	bool is_default_route;
} usual_links[] = {
	{ "lo", ARPHRD_LOOPBACK, IFF_UP | IFF_LOOPBACK, 0, false },
	{ "eth0", ARPHRD_ETHER, IFF_UP, XDP_BASIC | XDP_NDO_XMIT, true },
	{ "eth1", ARPHRD_ETHER, IFF_UP, XDP_BASIC | XDP_NDO_XMIT, false },
	{ "wg0", ARPHRD_NONE, IFF_UP, 0, false },
	{ "ppp0", ARPHRD_PPP, IFF_UP, 0, false },
	{ "ppp1", ARPHRD_PPP, IFF_UP, 0, false },
};

static const struct {
	const char *link, *address;
	unsigned int prefix_len;
	unsigned char scope;
} usual_addresses[] = {
	{ "lo", "127.0.0.1", 8, RT_SCOPE_HOST },
	{ "eth0", "169.254.7.7", 16, RT_SCOPE_LINK },
	{ "eth0", "198.55.102.244", 24, RT_SCOPE_UNIVERSE },
	{ "eth0", "198.55.102.245", 24, RT_SCOPE_UNIVERSE },
	{ "eth0", "2001:db8::244", 64, RT_SCOPE_UNIVERSE },
	{ "eth1", "10.9.0.2", 24, RT_SCOPE_UNIVERSE },
	{ "wg0", "10.172.90.2", 24, RT_SCOPE_UNIVERSE },
	{ "ppp0", "10.77.0.1", 32, RT_SCOPE_UNIVERSE },
	{ "ppp1", "10.77.0.1", 32, RT_SCOPE_UNIVERSE },
};

struct lab {
	struct host host;
	struct host_link links[16];
	struct host_address addresses[32];
	struct host_route routes[16];
	bool names_no_source, knows_no_neighbour, is_stale;
};

static struct edge53_addr addr(const char *text)
{
	struct edge53_addr ret;

	assert_int_equal(addr_parse(text, &ret), 0);
	return ret;
}

static struct host_link *link_of(struct lab *lab, const char *name)
{
	struct host_link *link = (struct host_link *)host_link_by_name(&lab->host, name);

	if (!link)
		fail_msg("the lab has no %s", name);
	return link;
}

static void add_link(struct lab *lab, const char *name, unsigned short arphrd, unsigned int flags)
{
	struct host_link *link = &lab->links[lab->host.n_links++];

	link->ifindex = lab->host.n_links;
	snprintf(link->name, sizeof(link->name), "%s", name);
	link->arphrd = arphrd;
	link->flags = flags;
	link->knows_xdp_features = true;
	link->has_mac = arphrd == ARPHRD_ETHER;
	if (link->has_mac)
		memcpy(link->mac, (unsigned char[]){ 2, 0, 0, 0, 0, link->ifindex }, 6);
}

static void add_address(struct lab *lab, const char *link, const char *address,
			unsigned int prefix_len, unsigned char scope)
{
	lab->addresses[lab->host.n_addresses++] = (struct host_address){
		.ifindex = link_of(lab, link)->ifindex,
		.address = addr(address),
		.prefix_len = prefix_len,
		.scope = scope,
	};
}

static void usual_host(struct lab *lab)
{
	memset(lab, 0, sizeof(*lab));
	lab->host.links = lab->links;
	lab->host.addresses = lab->addresses;
	lab->host.routes = lab->routes;
	for (size_t i = 0; i < ARRAY_SIZE(usual_links); i++) {
		add_link(lab, usual_links[i].name, usual_links[i].arphrd, usual_links[i].flags);
		lab->links[i].xdp_features = usual_links[i].xdp_features;
		lab->links[i].is_default_route = usual_links[i].is_default_route;
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual_addresses); i++)
		add_address(lab, usual_addresses[i].link, usual_addresses[i].address,
			    usual_addresses[i].prefix_len, usual_addresses[i].scope);
}

static void remove_addresses(struct lab *lab, unsigned int ifindex)
{
	size_t kept = 0;

	for (size_t i = 0; i < lab->host.n_addresses; i++)
		if (lab->addresses[i].ifindex != ifindex)
			lab->addresses[kept++] = lab->addresses[i];
	lab->host.n_addresses = kept;
}

static void remove_link(struct lab *lab, struct host_link *link)
{
	remove_addresses(lab, link->ifindex);
	memmove(link, link + 1, (char *)&lab->links[lab->host.n_links--] - (char *)(link + 1));
}

/* Takes one thing in which this host is not the usual one. */
static void change(struct lab *lab, const char *how)
{
	char link[32] = "", address[64] = "";

	if (sscanf(how, "%31s has no address", link) && strstr(how, " has no address"))
		remove_addresses(lab, link_of(lab, link)->ifindex);
	else if (strstr(how, " is missing") && sscanf(how, "%31s", link))
		remove_link(lab, link_of(lab, link));
	else if (strstr(how, " is down") && sscanf(how, "%31s", link))
		link_of(lab, link)->flags &= ~IFF_UP;
	else if (strstr(how, " cannot transmit XDP frames") && sscanf(how, "%31s", link))
		link_of(lab, link)->xdp_features = XDP_BASIC;
	else if (strstr(how, " carries the default route") && sscanf(how, "%31s", link))
		link_of(lab, link)->is_default_route = true;
	else if (sscanf(how, "%31s also has %63s", link, address) == 2)
		add_address(lab, link, address, 32, RT_SCOPE_UNIVERSE);
	else if (!strcmp(how, "the kernel knows no XDP features"))
		for (size_t i = 0; i < lab->host.n_links; i++)
			lab->links[i].knows_xdp_features = false;
	else if (!strcmp(how, "there is no default route"))
		for (size_t i = 0; i < lab->host.n_links; i++)
			lab->links[i].is_default_route = false;
	else if (!strcmp(how, "the routing table names no source"))
		lab->names_no_source = true;
	else if (!strcmp(how, "no neighbour is known"))
		lab->knows_no_neighbour = true;
	else if (!strcmp(how, "neighbours are stale"))
		lab->is_stale = true;
	else
		fail_msg("the lab does not know: %s", how);
}

static bool is_in_prefix(const struct edge53_addr *target, const struct host_address *of)
{
	unsigned int bits = of->prefix_len + (addr_is_ipv4(&of->address) ? 96 : 0);

	return addr_is_ipv4(target) == addr_is_ipv4(&of->address) &&
	       !memcmp(target->bytes, of->address.bytes, bits / 8);
}

/* The kernel's part: what is on the host, then on link, then by the default route. */
static void answer(struct lab *lab, const struct host_question *question)
{
	struct host_route *route = &lab->routes[lab->host.n_routes++];
	const struct host_link *tunnel = host_link_by_name(&lab->host, question->tunnel);
	const struct host_address *own = NULL;

	memset(route, 0, sizeof(*route));
	route->target = route->nexthop = question->target;
	if (*question->tunnel && !tunnel)
		return;
	route->oif_required = route->ifindex = tunnel ? tunnel->ifindex : 0;
	for (size_t i = 0; i < lab->host.n_addresses && !own; i++)
		if (addr_equal(&lab->addresses[i].address, &question->target))
			own = &lab->addresses[i];
	route->is_local = own && !tunnel;
	for (size_t i = 0; i < lab->host.n_addresses && !own; i++)
		if (is_in_prefix(&question->target, &lab->addresses[i]))
			own = &lab->addresses[i];
	if (route->is_local)
		route->ifindex = 1;
	else if (!route->ifindex && own)
		route->ifindex = own->ifindex;
	for (size_t i = 0; i < lab->host.n_links && !route->ifindex; i++)
		if (lab->links[i].is_default_route) {
			route->ifindex = lab->links[i].ifindex;
			route->by_default = true;
			route->nexthop = addr("198.55.102.1");
		}
	route->reachable = route->ifindex != 0;
	for (size_t i = 0; i < lab->host.n_addresses && addr_is_zero(&route->source); i++)
		if (!lab->names_no_source && lab->addresses[i].ifindex == route->ifindex &&
		    lab->addresses[i].scope == RT_SCOPE_UNIVERSE)
			route->source = lab->addresses[i].address;
	route->neighbour_known = route->reachable && !lab->knows_no_neighbour;
	route->neighbour_stale = route->neighbour_known && lab->is_stale;
	if (route->neighbour_known)
		memcpy(route->mac, (unsigned char[]){ 6, 0, 0, 0, 0, route->nexthop.bytes[15] }, 6);
}

/* --- the plan as text ------------------------------------------------------------------------- */

static char text[16384];

__attribute__((format(printf, 1, 2))) static void put(const char *fmt, ...)
{
	size_t used = strlen(text);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + used, sizeof(text) - used, fmt, ap);
	va_end(ap);
}

static const char *show(const struct edge53_addr *address)
{
	static char buf[4][ADDR_TEXT_LEN];
	static unsigned int turn;

	return addr_format(address, buf[turn++ % 4]);
}

static void put_backend(const struct plan_backend *b, const struct lab *lab)
{
	put("  backend %s %u/%u*%u", show(&b->address), b->udp_port, b->tcp_port, b->weight);
	if (b->is_local)
		put(b->usable ? " local\n" : " local waits\n");
	if (b->is_local)
		return;
	if (!b->usable) {
		assert_int_equal(b->ifindex, 0);
		put(" waits\n");
		return;
	}
	put(" by %s from %s", host_link_by_index(&lab->host, b->ifindex)->name, show(&b->source));
	if (!addr_equal(&b->nexthop, &b->address))
		put(" via %s", show(&b->nexthop));
	if (b->is_ethernet && b->neighbour_known)
		put(" at %d-%d", b->smac[5], b->dmac[5]);
	else if (b->is_ethernet)
		put(" at ?");
	put("%s%s\n", b->neighbour_stale ? " stale" : "", b->xdp_redirect_ok ? " redirect" : "");
}

static void put_service(const struct plan_service *s, const struct lab *lab)
{
	put("%s %s:%s%s%s%s\n", s->kind == EDGE53_SERVICE_EDGE ? "edge" : "enforce", s->name,
	    s->flags & EDGE53_SERVICE_DOWN_PASS ? " down-pass" : "",
	    s->flags & EDGE53_SERVICE_IPV6_DROP ? " ipv6-drop" : "",
	    s->flags & EDGE53_SERVICE_DOT_DROP ? " dot-drop" : "",
	    s->flags & EDGE53_SERVICE_EXEMPT ? " exempt" : "");
	assert_false(s->flags & EDGE53_SERVICE_XDP);
	for (size_t i = 0; i < s->n_backends; i++)
		put_backend(&s->backends[i], lab);
	for (size_t i = 0; i < s->n_exempt; i++)
		put("  exempt %s/%u\n", show(&s->exempt[i].address), s->exempt[i].length_bits - 96);
}

static void put_device(const struct plan_device *d, const struct plan *plan, const struct lab *lab)
{
	const struct host_link *link = host_link_by_index(&lab->host, d->ifindex);

	assert_string_equal(d->name, link->name);
	assert_memory_equal(d->mac, link->mac, sizeof(d->mac));
	assert_int_equal(d->is_ethernet, host_link_is_ethernet(link));
	put("%s:%s%s%s%s%s%s", d->name, d->is_client_side ? " clients" : "",
	    d->hooks & HOOK_UPLINK_XDP ? " xdp" : "", d->hooks & HOOK_UPLINK_TC ? " tc" : "",
	    d->hooks & HOOK_ENFORCE_IN ? " in" : "", d->hooks & HOOK_ENFORCE_OUT ? " out" : "",
	    d->xdp_redirect_ok ? " redirect" : "");
	if (d->enforce >= 0)
		put(" of %s", plan->services[d->enforce].name);
	put("\n");
}

static void put_plan(const struct plan *plan, const struct lab *lab)
{
	static const char *const levels[] = { "note", "warning", "error" };
	bool has_errors = false;

	text[0] = '\0';
	for (size_t i = 0; i < plan->n_services; i++)
		put_service(&plan->services[i], lab);
	for (size_t i = 0; i < plan->n_devices; i++)
		put_device(&plan->devices[i], plan, lab);
	for (size_t i = 0; i < plan->n_frontends; i++)
		put("%s on %s is %s\n",
		    addr_is_zero(&plan->frontends[i].address) ? "all"
							      : show(&plan->frontends[i].address),
		    plan->devices[plan->frontends[i].device].name,
		    plan->services[plan->frontends[i].service].name);
	for (size_t i = 0; i < plan->n_findings; i++) {
		put("%s: %s\n", levels[plan->findings[i].level], plan->findings[i].text);
		has_errors |= plan->findings[i].level == FINDING_ERROR;
	}
	assert_int_equal(plan->has_errors, has_errors);
}

static struct config *parse(const char *yaml)
{
	struct config *config = NULL;

	if (config_parse("edge53.yaml", yaml, strlen(yaml), &config) < 0)
		fail_msg("not a configuration: %s", yaml);
	return config;
}

static void ask_lab(struct lab *lab, const struct config *config)
{
	_cleanup_(freep) struct host_question *questions = NULL;
	size_t n;

	assert_int_equal(plan_questions(config, &questions, &n), 0);
	assert_true(n <= ARRAY_SIZE(lab->routes));
	lab->host.n_routes = 0;
	for (size_t i = 0; i < n; i++)
		answer(lab, &questions[i]);
}

/* --- the rows --------------------------------------------------------------------------------- */

struct row {
	const char *sentence;
	const char *config;
	const char *host[3]; /* in what it differs from the usual one */
	const char *plan;
};

static bool holds(const struct row *row)
{
	_cleanup_(config_freep) struct config *config = parse(row->config);
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct lab lab;

	usual_host(&lab);
	for (size_t i = 0; i < ARRAY_SIZE(row->host) && row->host[i]; i++)
		change(&lab, row->host[i]);
	ask_lab(&lab, config);
	assert_int_equal(plan_make(config, &lab.host, &plan), 0);
	put_plan(plan, &lab);
	if (!strcmp(text, row->plan))
		return true;
	print_error("%s\n--- wanted\n%s--- got\n%s\n", row->sentence, row->plan, text);
	return false;
}

static void all_hold(const struct row *rows, size_t n)
{
	size_t wrong = 0;

	for (size_t i = 0; i < n; i++)
		wrong += !holds(&rows[i]);
	if (wrong)
		fail_msg("%zu of %zu rows do not hold", wrong, n);
}

#define ROWS(name)                                                                                 \
	static void name(void **state)                                                             \
	{                                                                                          \
		(void)state;                                                                       \
		all_hold(name##_rows, ARRAY_SIZE(name##_rows));                                    \
	}

#define EDGE(more) "edge: [{ name: dns, interface: eth0, address: 198.55.102.244, " more " }]\n"
#define TO(address) "backends: [{ address: " address ", udp: 31053, tcp: 31054 }]"
#define WG TO("10.172.90.1")
#define ENFORCE(more) "enforce: [{ name: vpn, interface: 'ppp*', resolver: 10.77.0.1 " more "}]\n"

#define BACKEND(address) "  backend " address " 31053/31054*1"
#define DNS "edge dns: down-pass\n"
#define BY_WG0 BACKEND("10.172.90.1") " by wg0 from 10.172.90.2\n"
#define WG0 "wg0: tc\n"
#define ETH0 "eth0: clients xdp tc redirect\n"
#define FRONTEND "198.55.102.244 on eth0 is dns\n"

static const struct row uplinks_rows[] = {
	{ "an edge with its uplink, its tunnel and its backend there",
	  EDGE(WG),
	  {},
	  DNS BY_WG0 WG0 ETH0 FRONTEND },
	{ "an uplink that is missing is waited for by its name",
	  EDGE(WG),
	  { "eth0 is missing" },
	  DNS BY_WG0 WG0 "note: dns: waiting for device eth0\n" },
	{ "so is a glob that nothing matches",
	  "edge: [{ name: dns, interface: 'en*', address: 198.55.102.244, " WG " }]\n",
	  {},
	  DNS BY_WG0 WG0 "note: dns: waiting for a device that matches en*\n" },
	{ "a glob takes every device that matches",
	  "edge: [{ name: dns, interface: 'eth*', address: 198.55.102.244, " WG " }]\n",
	  {},
	  DNS BY_WG0 WG0 ETH0 "eth1: clients xdp tc redirect\n" FRONTEND
			      "198.55.102.244 on eth1 is dns\n" },
	{ "a glob for all does not take lo",
	  "edge: [{ name: dns, interface: '*', address: 198.55.102.244, " WG " }]\n",
	  { "eth1 is missing", "ppp0 is missing", "ppp1 is missing" },
	  DNS BY_WG0 "wg0: clients tc\n" ETH0 FRONTEND "198.55.102.244 on wg0 is dns\n" },
	{ "without an address, the IPv4 addresses of global scope of the uplink",
	  "edge: [{ name: dns, interface: eth0, " WG " }]\n",
	  {},
	  DNS BY_WG0 WG0 ETH0 FRONTEND "198.55.102.245 on eth0 is dns\n" },
	{ "an uplink without such an address is waited for",
	  "edge: [{ name: dns, interface: eth0, " WG " }]\n",
	  { "eth0 has no address" },
	  DNS BY_WG0 WG0 ETH0 "note: dns: waiting for an IPv4 address on eth0\n" },
	{ "an address of another device is one of this host too",
	  "edge: [{ name: dns, interface: eth1, address: 198.55.102.244, " WG " }]\n",
	  {},
	  DNS BY_WG0 WG0 "eth1: clients xdp tc redirect\n"
			 "198.55.102.244 on eth1 is dns\n" },
	{ "an address that the host does not have serves, with a warning",
	  "edge: [{ name: dns, interface: eth0, address: [198.55.102.244, 198.55.102.9], " WG
	  " }]\n",
	  {},
	  DNS BY_WG0 WG0 ETH0 FRONTEND
	  "198.55.102.9 on eth0 is dns\n"
	  "warning: dns: address 198.55.102.9 is not on this host; nobody will answer ARP for "
	  "it\n" },
	{ "an address that the uplink has twice is one frontend",
	  "edge: [{ name: dns, interface: eth0, " WG " }]\n",
	  { "eth0 also has 198.55.102.244" },
	  DNS BY_WG0 WG0 ETH0 FRONTEND "198.55.102.245 on eth0 is dns\n" },
	{ "two services share an uplink, each with its address",
	  "edge:\n- { name: dns, interface: eth0, address: 198.55.102.244, " WG " }\n"
	  "- { name: two, interface: eth0, address: 198.55.102.245, " WG " }\n",
	  {},
	  DNS BY_WG0 "edge two: down-pass\n" BY_WG0 WG0 ETH0 FRONTEND
		     "198.55.102.245 on eth0 is two\n" },
	{ "they may not share an address, also when one comes from the device",
	  "edge:\n- { name: dns, interface: eth0, address: 198.55.102.244, " WG " }\n"
	  "- { name: two, interface: 'eth*', " WG " }\n",
	  { "eth1 is missing" },
	  DNS BY_WG0 "edge two: down-pass\n" BY_WG0 WG0 ETH0 FRONTEND
		     "198.55.102.245 on eth0 is two\n"
		     "error: 198.55.102.244 port 53 on eth0 belongs to \"dns\" and to \"two\"\n" },
};
ROWS(uplinks)

static const struct row backends_rows[] = {
	{ "a tunnel that is missing is waited for; the routing table is not asked instead",
	  EDGE("tunnel: wg0, " WG),
	  { "wg0 is missing" },
	  DNS BACKEND("10.172.90.1") " waits\n" ETH0 FRONTEND
				     "note: dns: waiting for device wg0\n" },
	{ "a tunnel that is down is waited for",
	  EDGE("tunnel: wg0, " WG),
	  { "wg0 is down" },
	  DNS BACKEND("10.172.90.1") " waits\n" ETH0 FRONTEND
				     "note: dns: waiting for wg0 to be up\n" },
	{ "a tunnel without an address is waited for, when no source is given",
	  EDGE("tunnel: wg0, " WG),
	  { "wg0 has no address" },
	  DNS BACKEND("10.172.90.1") " waits\n" ETH0 FRONTEND
				     "note: dns: waiting for an address on wg0\n" },
	{ "with a source it is not",
	  EDGE("tunnel: wg0, source: 10.1.2.3, " WG),
	  { "wg0 has no address" },
	  DNS BACKEND("10.172.90.1") " by wg0 from 10.1.2.3\n" WG0 ETH0 FRONTEND },
	{ "the source of the file goes before the route's",
	  EDGE("source: 10.1.2.3, " WG),
	  {},
	  DNS BACKEND("10.172.90.1") " by wg0 from 10.1.2.3\n" WG0 ETH0 FRONTEND },
	{ "where the route names none, the device's address is the source",
	  EDGE(WG),
	  { "the routing table names no source" },
	  DNS BY_WG0 WG0 ETH0 FRONTEND },
	{ "of one backend that waits, another that does not says nothing",
	  EDGE("backends: [{ address: 10.172.90.1, udp: 53 }, { address: 10.9.0.1, tcp: 53, "
	       "weight: 3 }]"),
	  { "wg0 is down" },
	  DNS "  backend 10.172.90.1 53/0*1 waits\n"
	      "  backend 10.9.0.1 0/53*3 by eth1 from 10.9.0.2 at 3-1 redirect\n"
	      "eth1: xdp tc redirect\n" ETH0 FRONTEND "note: dns: waiting for wg0 to be up\n" },
	{ "a backend that is the host itself is refused",
	  EDGE(TO("198.55.102.244")),
	  {},
	  DNS BACKEND("198.55.102.244") " waits\n" ETH0 FRONTEND
	  "error: dns: backend 198.55.102.244 is this host itself; a server on the edge needs "
	  "no edge53, let it listen on port 53\n" },
	{ "a backend behind Ethernet has both hooks there and its neighbour's MAC",
	  EDGE(TO("10.9.0.1")),
	  {},
	  DNS BACKEND("10.9.0.1") " by eth1 from 10.9.0.2 at 3-1 redirect\n"
				  "eth1: xdp tc redirect\n" ETH0 FRONTEND },
	{ "also before the neighbour is known",
	  EDGE(TO("10.9.0.1")),
	  { "no neighbour is known" },
	  DNS BACKEND("10.9.0.1") " by eth1 from 10.9.0.2 at ? redirect\n"
				  "eth1: xdp tc redirect\n" ETH0 FRONTEND },
	{ "a stale neighbour is used and known to be stale",
	  EDGE(TO("10.9.0.1")),
	  { "neighbours are stale" },
	  DNS BACKEND("10.9.0.1") " by eth1 from 10.9.0.2 at 3-1 stale redirect\n"
				  "eth1: xdp tc redirect\n" ETH0 FRONTEND },
	{ "XDP does not redirect to a device that cannot transmit such frames",
	  EDGE(TO("10.9.0.1")),
	  { "eth1 cannot transmit XDP frames" },
	  DNS BACKEND("10.9.0.1") " by eth1 from 10.9.0.2 at 3-1\n"
				  "eth1: xdp tc\n" ETH0 FRONTEND },
	{ "nor where the kernel does not say that it can",
	  EDGE(TO("10.9.0.1")),
	  { "the kernel knows no XDP features" },
	  DNS BACKEND("10.9.0.1") " by eth1 from 10.9.0.2 at 3-1\n"
				  "eth1: xdp tc\n"
				  "eth0: clients xdp tc\n" FRONTEND },
	{ "clients and backend may be on one device",
	  EDGE(TO("198.55.102.7")),
	  {},
	  DNS BACKEND(
		  "198.55.102.7") " by eth0 from 198.55.102.244 at 2-7 redirect\n" ETH0 FRONTEND },
	{ "a private backend to which only the default route leads is waited for",
	  EDGE(WG),
	  { "wg0 is missing" },
	  DNS BACKEND("10.172.90.1") " waits\n" ETH0
		  FRONTEND "note: dns: waiting for a route to backend 10.172.90.1: the default "
				     "route, by eth0, is "
				     "not taken for a "
				     "private address unless `tunnel: eth0` says so\n" },
	{ "`tunnel: eth0` takes it all the same",
	  EDGE("tunnel: eth0, " WG),
	  { "wg0 is missing" },
	  DNS BACKEND(
		  "10.172.90.1") " by eth0 from 198.55.102.244 at 2-1 redirect\n" ETH0 FRONTEND },
	{ "a public one is reached by the default route",
	  EDGE(TO("203.0.113.53")),
	  {},
	  DNS BACKEND("203.0.113.53") " by eth0 from 198.55.102.244 via 198.55.102.1 at 2-1 "
				      "redirect\n" ETH0 FRONTEND },
	{ "without any route a backend is waited for",
	  EDGE(TO("203.0.113.53")),
	  { "there is no default route" },
	  DNS BACKEND("203.0.113.53") " waits\n" ETH0 FRONTEND
				      "note: dns: waiting for a route to backend 203.0.113.53\n" },
	{ "on_down: drop is no flag",
	  EDGE("on_down: drop, " WG),
	  {},
	  "edge dns:\n" BY_WG0 WG0 ETH0 FRONTEND },
};
ROWS(backends)

static void private_addresses_wait_for_a_route_of_their_own(void **state)
{
	static const struct {
		const char *address;
		bool waits;
	} some[] = {
		{ "9.255.255.255", false },   { "10.0.0.1", true },
		{ "10.255.255.254", true },   { "11.0.0.1", false },
		{ "100.63.255.255", false },  { "100.64.0.1", true },
		{ "100.127.255.254", true },  { "100.128.0.1", false },
		{ "172.15.255.254", false },  { "172.16.0.1", true },
		{ "172.31.255.254", true },   { "172.32.0.1", false },
		{ "192.167.255.254", false }, { "192.168.0.1", true },
		{ "192.168.255.254", true },  { "192.169.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		_cleanup_(config_freep) struct config *config = NULL;
		_cleanup_(plan_freep) struct plan *plan = NULL;
		struct lab lab;
		char yaml[256];

		snprintf(yaml, sizeof(yaml), EDGE(TO("%s")), some[i].address);
		config = parse(yaml);
		usual_host(&lab);
		ask_lab(&lab, config);
		assert_int_equal(plan_make(config, &lab.host, &plan), 0);
		if (plan->services[0].backends[0].usable == some[i].waits)
			fail_msg("%s must %s", some[i].address, some[i].waits ? "wait" : "be used");
	}
}

#define VPN "enforce vpn: down-pass ipv6-drop\n"
#define RESOLVER "  backend 10.77.0.1 53/53*1 local\n"
#define PPP0 "ppp0: clients in out of vpn\n"
#define PPP1 "ppp1: clients in out of vpn\n"

static const struct row enforcing_rows[] = {
	{ "every device that matches is enforced, whatever is asked there",
	  ENFORCE(""),
	  {},
	  VPN RESOLVER PPP0 PPP1 "all on ppp0 is vpn\nall on ppp1 is vpn\n" },
	{ "clients are waited for",
	  ENFORCE(""),
	  { "ppp0 is missing", "ppp1 is missing", "lo also has 10.77.0.1" },
	  VPN RESOLVER "note: vpn: no device matches \"ppp*\" yet\n" },
	{ "the device that carries the default route is refused, the others are planned",
	  ENFORCE(""),
	  { "ppp1 carries the default route" },
	  VPN RESOLVER PPP0
	  "all on ppp0 is vpn\n"
	  "error: vpn: interface \"ppp*\" matches ppp1, which carries the default route: the "
	  "host's own way out "
	  "is no client; name the clients' devices only\n" },
	{ "a resolver on link is used, with a warning",
	  "enforce: [{ name: vpn, interface: ppp0, resolver: 10.9.0.53 }]\n",
	  {},
	  VPN "  backend 10.9.0.53 53/53*1 local\n" PPP0 "all on ppp0 is vpn\n"
	      "warning: vpn: resolver 10.9.0.53 is not on this host: queries are forwarded "
	      "(net.ipv4.ip_forward)\n" },
	{ "a resolver to which only the default route leads is waited for",
	  "enforce: [{ name: vpn, interface: ppp0, resolver: 203.0.113.53 }]\n",
	  {},
	  VPN
	  "  backend 203.0.113.53 53/53*1 local waits\n" PPP0 "all on ppp0 is vpn\n"
	  "note: vpn: waiting for resolver 203.0.113.53: no address of this host, and no route to "
	  "it but the "
	  "default\n" },
	{ "ipv6, dot and on_down are flags",
	  ENFORCE(", ipv6: pass, dot: drop, on_down: drop"),
	  { "ppp1 is missing" },
	  "enforce vpn: dot-drop\n" RESOLVER PPP0 "all on ppp0 is vpn\n" },
	{ "exempt is a flag and a list",
	  ENFORCE(", exempt: [10.77.0.5, 10.78.0.0/16]"),
	  { "ppp1 is missing" },
	  "enforce vpn: down-pass ipv6-drop exempt\n" RESOLVER
	  "  exempt 10.77.0.5/32\n  exempt 10.78.0.0/16\n" PPP0 "all on ppp0 is vpn\n" },
	{ "clients on Ethernet get the same hooks",
	  "enforce: [{ name: vpn, interface: eth1, resolver: 10.77.0.1 }]\n",
	  {},
	  VPN RESOLVER "eth1: clients in out redirect of vpn\nall on eth1 is vpn\n" },
	{ "two services with a device each",
	  "enforce:\n- { name: vpn, interface: ppp0, resolver: 10.77.0.1 }\n"
	  "- { name: two, interface: ppp1, resolver: 10.77.0.1 }\n",
	  {},
	  VPN RESOLVER "enforce two: down-pass ipv6-drop\n" RESOLVER PPP0
		       "ppp1: clients in out of two\n"
		       "all on ppp0 is vpn\nall on ppp1 is two\n" },
	{ "a device that two of them match is refused to the second",
	  "enforce:\n- { name: vpn, interface: 'ppp*', resolver: 10.77.0.1 }\n"
	  "- { name: two, interface: ppp1, resolver: 10.77.0.1 }\n",
	  {},
	  VPN RESOLVER
	  "enforce two: down-pass ipv6-drop\n" RESOLVER PPP0 PPP1
	  "all on ppp0 is vpn\nall on ppp1 is vpn\n"
	  "error: two: device ppp1 already belongs to another service; a device can be one's "
	  "only\n" },
	{ "a device is not for edge and enforce",
	  "edge: [{ name: dns, interface: eth1, address: 198.55.102.244, " WG " }]\n"
	  "enforce: [{ name: vpn, interface: 'eth1', resolver: 10.77.0.1 }]\n",
	  {},
	  DNS BY_WG0 VPN RESOLVER WG0
	  "eth1: clients xdp tc redirect\n"
	  "198.55.102.244 on eth1 is dns\n"
	  "error: vpn: device eth1 already belongs to another service; a device can be one's "
	  "only\n" },
	{ "nor is the way to a backend",
	  EDGE(WG) "enforce: [{ name: vpn, interface: 'wg*', resolver: 10.77.0.1 }]\n",
	  {},
	  DNS BY_WG0 VPN RESOLVER WG0 ETH0 FRONTEND
	  "error: vpn: device wg0 already belongs to another service; a device can be one's "
	  "only\n" },
	{ "edge and enforce side by side",
	  ENFORCE("") EDGE(WG),
	  { "ppp1 is missing" },
	  DNS BY_WG0 VPN RESOLVER WG0 ETH0 PPP0 FRONTEND "all on ppp0 is vpn\n" },
};
ROWS(enforcing)

/* --- the rest --------------------------------------------------------------------------------- */

static void questions_come_in_the_order_of_the_plan(void **state)
{
	_cleanup_(config_freep) struct config *config = parse(
		"enforce:\n- { name: v, interface: ppp0, resolver: 10.77.0.1 }\n"
		"- { name: w, interface: ppp1, resolver: 10.77.0.2 }\n"
		"edge:\n- { name: a, interface: eth0, address: 198.51.100.1, tunnel: wg0,\n"
		"    backends: [{ address: 10.0.0.1, udp: 53 }, { address: 10.0.0.2, udp: 53 }] }\n"
		"- { name: b, interface: eth0, address: 198.51.100.2,\n"
		"    backends: [{ address: 10.0.0.3, udp: 53 }] }\n");
	static const char *const wanted[][2] = {
		{ "10.0.0.1", "wg0" }, { "10.0.0.2", "wg0" }, { "10.0.0.3", "" },
		{ "10.77.0.1", "" },   { "10.77.0.2", "" },
	};
	_cleanup_(freep) struct host_question *questions = NULL;
	size_t n;

	(void)state;
	assert_int_equal(plan_questions(config, &questions, &n), 0);
	assert_int_equal(n, ARRAY_SIZE(wanted));
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(show(&questions[i].target), wanted[i][0]);
		assert_string_equal(questions[i].tunnel, wanted[i][1]);
	}
}

static void answers_to_other_questions_are_refused(void **state)
{
	_cleanup_(config_freep) struct config *config = parse(EDGE(WG));
	struct plan *plan = NULL;
	struct lab lab;

	(void)state;
	usual_host(&lab);
	ask_lab(&lab, config);
	lab.host.n_routes = 0;
	assert_int_equal(plan_make(config, &lab.host, &plan), -EINVAL);
	assert_null(plan);
	plan_free(NULL);
}

/* The map of frontends is full: that is said, not written past. */
static void more_devices_than_frontends_are_refused(void **state)
{
	_cleanup_(config_freep) struct config *config =
		parse("enforce: [{ name: vpn, interface: 'c*', resolver: 10.77.0.1 }]\n");
	const size_t n = EDGE53_MAX_FRONTENDS + 1;
	_cleanup_(freep) struct host_link *links = calloc(n, sizeof(*links));
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct lab lab;

	(void)state;
	usual_host(&lab);
	ask_lab(&lab, config);
	assert_non_null(links);
	for (size_t i = 0; i < n; i++) {
		links[i].ifindex = i + 1;
		links[i].arphrd = ARPHRD_PPP;
		snprintf(links[i].name, sizeof(links[i].name), "c%zu", i);
	}
	lab.host.links = links;
	lab.host.n_links = n;
	assert_int_equal(plan_make(config, &lab.host, &plan), 0);
	assert_int_equal(plan->n_frontends, EDGE53_MAX_FRONTENDS);
	assert_true(plan->has_errors);
	assert_int_equal(plan->n_findings, 1);
	assert_string_equal(plan->findings[0].text, "more than 16384 pairs of device and address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uplinks),
		cmocka_unit_test(backends),
		cmocka_unit_test(private_addresses_wait_for_a_route_of_their_own),
		cmocka_unit_test(enforcing),
		cmocka_unit_test(questions_come_in_the_order_of_the_plan),
		cmocka_unit_test(answers_to_other_questions_are_refused),
		cmocka_unit_test(more_devices_than_frontends_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
