// SPDX-License-Identifier: GPL-2.0-only
/* What follows from a configuration on a host: the whole plan, written as text, and compared. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/plan.h"
#include "built_in.h"
#include "host_of_test.h"

#define XDP_BASIC (1ull << 0)
#define XDP_NDO_XMIT (1ull << 2)

/* --- the host --------------------------------------------------------------------------------- */

static const struct {
	const char *name; /* the ifindex is the place in the list, from 1 */
	unsigned short arphrd;
	unsigned int flags;
	unsigned int mtu;
	unsigned long long xdp_features;
	bool is_default_route;
} usual_links[] = {
	{ "lo", ARPHRD_LOOPBACK, IFF_UP | IFF_LOOPBACK, 65536, 0, false },
	{ "eth0", ARPHRD_ETHER, IFF_UP, 1500, XDP_BASIC | XDP_NDO_XMIT, true },
	{ "eth1", ARPHRD_ETHER, IFF_UP, 1500, XDP_BASIC | XDP_NDO_XMIT, false },
	{ "wg0", ARPHRD_NONE, IFF_UP, 1420, 0, false },
	{ "ppp0", ARPHRD_PPP, IFF_UP, 1400, 0, false },
	{ "ppp1", ARPHRD_PPP, IFF_UP, 1400, 0, false },
};

static const struct {
	const char *link, *address;
	unsigned int prefix_len;
	unsigned char scope;
} usual_addresses[] = {
	{ "lo", "127.0.0.1", 8, RT_SCOPE_HOST },
	{ "lo", "::1", 128, RT_SCOPE_HOST },
	{ "eth0", "169.254.7.7", 16, RT_SCOPE_LINK },
	{ "eth0", "198.55.102.244", 24, RT_SCOPE_UNIVERSE },
	{ "eth0", "198.55.102.245", 24, RT_SCOPE_UNIVERSE },
	{ "eth0", "fe80::1", 64, RT_SCOPE_LINK },
	{ "eth0", "2001:db8::244", 64, RT_SCOPE_UNIVERSE },
	{ "eth1", "10.9.0.2", 24, RT_SCOPE_UNIVERSE },
	{ "eth1", "fd09::2", 64, RT_SCOPE_UNIVERSE },
	{ "wg0", "10.172.90.2", 24, RT_SCOPE_UNIVERSE },
	{ "wg0", "fd00::2", 64, RT_SCOPE_UNIVERSE },
	{ "ppp0", "10.77.0.1", 32, RT_SCOPE_UNIVERSE },
	{ "ppp0", "fd77::1", 128, RT_SCOPE_UNIVERSE },
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
		lab->links[i].mtu = usual_links[i].mtu;
		lab->links[i].xdp_features = usual_links[i].xdp_features;
		lab->links[i].is_default_route = usual_links[i].is_default_route;
	}
	for (size_t i = 0; i < ARRAY_SIZE(usual_addresses); i++)
		add_address(lab, usual_addresses[i].link, usual_addresses[i].address,
			    usual_addresses[i].prefix_len, usual_addresses[i].scope);
}

static struct host_address *address_of(struct lab *lab, const char *address)
{
	struct edge53_addr wanted = addr(address);

	for (size_t i = 0; i < lab->host.n_addresses; i++)
		if (addr_equal(&lab->addresses[i].address, &wanted))
			return &lab->addresses[i];
	fail_msg("the lab has no %s", address);
	return NULL;
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
	unsigned int mtu;

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
	else if (strstr(how, " takes no XDP") && sscanf(how, "%31s", link))
		link_of(lab, link)->why_no_xdp = "it is told not to";
	else if (strstr(how, " filters strictly") && sscanf(how, "%31s", link))
		link_of(lab, link)->rp_filter = 1;
	else if (strstr(how, " filters loosely") && sscanf(how, "%31s", link))
		link_of(lab, link)->rp_filter = 2;
	else if (strstr(how, " bundles UDP") && sscanf(how, "%31s", link))
		link_of(lab, link)->bundles_udp = "rx-gro-list";
	else if (sscanf(how, "%31s has an MTU of %u", link, &mtu) == 2)
		link_of(lab, link)->mtu = mtu;
	else if (sscanf(how, "%63s is tentative", address) && strstr(how, " is tentative"))
		address_of(lab, address)->is_tentative = true;
	else if (sscanf(how, "%63s is temporary", address) && strstr(how, " is temporary"))
		address_of(lab, address)->is_temporary = true;
	else if (sscanf(how, "%31s also has %63s", link, address) == 2)
		add_address(lab, link, address, strchr(address, ':') ? 128 : 32, RT_SCOPE_UNIVERSE);
	else if (!strcmp(how, "the kernel knows no XDP features"))
		for (size_t i = 0; i < lab->host.n_links; i++)
			lab->links[i].knows_xdp_features = false;
	else if (!strcmp(how, "all devices filter strictly"))
		lab->host.rp_filter_all = 1;
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
			route->nexthop = addr(addr_is_ipv4(&question->target) ? "198.55.102.1" :
										"fe80::99");
		}
	route->reachable = route->ifindex != 0;
	for (size_t i = 0; i < lab->host.n_addresses && addr_is_zero(&route->source); i++)
		if (!lab->names_no_source && lab->addresses[i].ifindex == route->ifindex &&
		    lab->addresses[i].scope == RT_SCOPE_UNIVERSE &&
		    addr_is_ipv4(&lab->addresses[i].address) == addr_is_ipv4(&route->target))
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
	assert_int_equal(b->mtu, host_link_by_index(&lab->host, b->ifindex)->mtu);
}

static void put_prefixes(const char *what, const struct plan_prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		const struct edge53_addr *address = &prefixes->list[i].address;

		put("  %s %s/%u\n", what, show(address),
		    prefixes->list[i].length_bits - (addr_is_ipv4(address) ? 96 : 0));
	}
}

static void put_service(const struct plan_service *s, const struct lab *lab)
{
	static const struct {
		unsigned int flag;
		const char *word;
	} flags[] = {
		{ EDGE53_SERVICE_DOWN_PASS, "down-pass" },
		{ EDGE53_SERVICE_IPV6_DROP, "ipv6-drop" },
		{ EDGE53_SERVICE_IPV6_REDIRECT, "ipv6-redirect" },
		{ EDGE53_SERVICE_DOT_DROP, "dot-drop" },
		{ EDGE53_SERVICE_DOT_REJECT, "dot-reject" },
		{ EDGE53_SERVICE_DOH_DROP, "doh-drop" },
		{ EDGE53_SERVICE_DOH_REJECT, "doh-reject" },
		{ EDGE53_SERVICE_EXEMPT, "exempt" },
		{ EDGE53_SERVICE_KEEP_SOURCE, "keep-source" },
		{ EDGE53_SERVICE_PROXY_UDP, "proxy-udp" },
		{ EDGE53_SERVICE_PROXY_TCP, "proxy-tcp" },
		{ EDGE53_SERVICE_XDP, "xdp, which the plan cannot know" },
	};

	put("%s %s:", s->kind == EDGE53_SERVICE_EDGE ? "edge" :
	    s->kind == EDGE53_SERVICE_ENFORCE	       ? "enforce" : "return",
	    s->name);
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (s->flags & flags[i].flag)
			put(" %s", flags[i].word);
	if (s->max_udp_payload)
		put(" payload<=%u", s->max_udp_payload);
	put("%s%s\n", s->tcp_refused ? " tcp-refused" : "",
	    s->kind == EDGE53_SERVICE_RETURN && !s->tunnel_ifindex ? " gone" : "");
	if (s->tunnel_ifindex)
		put("  tunnel %s%s %d\n", host_link_by_index(&lab->host, s->tunnel_ifindex)->name,
		    s->tunnel_is_ethernet ? " ethernet" : "", s->tunnel_mac[5]);
	for (size_t i = 0; i < s->n_backends; i++)
		put_backend(&s->backends[i], lab);
	put_prefixes("exempt", &s->exempt[EDGE53_EXEMPT_ALL]);
	put_prefixes("tcp-exempt", &s->exempt[EDGE53_EXEMPT_TCP]);
	put_prefixes("doh", &s->doh);
	put_prefixes("keep", &s->keep_source);
}

/* Of each device whose packets the guard does not let pass, and of others that may come. */
static void put_guards(const struct plan *plan, const struct lab *lab)
{
	if (!plan->n_guards)
		return;
	assert_int_equal(plan->n_guards, lab->host.n_links + 1);
	put("guard:");
	for (size_t i = 0; i < plan->n_guards; i++) {
		const struct plan_guard *g = &plan->guards[i];
		const struct host_link *link = host_link_by_index(&lab->host, g->ifindex);

		assert_int_equal(!link, i == 0);
		if (g->policy == EDGE53_GUARD_PASS)
			continue;
		put(" %s %s %s%s", link ? link->name : "others",
		    g->policy == EDGE53_GUARD_DROP ? "drop" : "count",
		    plan->services[g->service].name, g->is_enforced ? " enforced;" : ";");
	}
	put("\n");
}

static void put_device(const struct plan_device *d, const struct plan *plan, const struct lab *lab)
{
	const struct host_link *link = host_link_by_index(&lab->host, d->ifindex);

	assert_string_equal(d->name, link->name);
	assert_memory_equal(d->mac, link->mac, sizeof(d->mac));
	assert_int_equal(d->is_ethernet, host_link_is_ethernet(link));
	assert_int_equal(d->mtu, link->mtu);
	put("%s:%s%s%s%s%s%s%s%s%s", d->name, d->is_client_side ? " clients" : "",
	    d->hooks & HOOK_UPLINK_XDP ? " xdp" : "", d->hooks & HOOK_UPLINK_TC ? " tc" : "",
	    d->hooks & HOOK_ENFORCE_IN ? " in" : "", d->hooks & HOOK_ENFORCE_OUT ? " out" : "",
	    d->hooks & HOOK_GUARD_OUT ? " guard" : "",
	    d->hooks & HOOK_RETURN_IN ? " return-in" : "",
	    d->hooks & HOOK_RETURN_OUT ? " return-out" : "",
	    d->xdp_redirect_ok ? " redirect" : "");
	if (d->enforce >= 0)
		put(" of %s", plan->services[d->enforce].name);
	put("\n");
}

static void put_return_ports(const struct plan *plan, const struct lab *lab)
{
	for (size_t i = 0; i < plan->n_return_ports; i++) {
		const struct plan_return_port *p = &plan->return_ports[i];

		put("%s %s %u of %s on %s\n", p->is_uplink ? "from" : "to",
		    p->l4proto == IPPROTO_UDP ? "udp" : "tcp", p->port,
		    plan->services[p->service].name,
		    host_link_by_index(&lab->host, p->ifindex)->name);
	}
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
	put_guards(plan, lab);
	put_return_ports(plan, lab);
	for (size_t i = 0; i < plan->n_frontends; i++)
		put("%s on %s is %s\n",
		    addr_is_zero(&plan->frontends[i].address) ? "all"
							      : show(&plan->frontends[i].address),
		    plan->devices[plan->frontends[i].device].name,
		    plan->services[plan->frontends[i].service].name);
	for (size_t i = 0; i < plan->findings.n; i++) {
		put("%s: %s\n", levels[plan->findings.list[i].level], plan->findings.list[i].text);
		has_errors |= plan->findings.list[i].level == FINDING_ERROR;
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
#define OWN "198.55.102.245 on eth0 is dns\n2001:db8::244 on eth0 is dns\n"

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
	{ "without an address, those of global scope of the uplink, of both families",
	  "edge: [{ name: dns, interface: eth0, " WG " }]\n",
	  {},
	  DNS BY_WG0 WG0 ETH0 FRONTEND OWN },
	{ "but none that is tentative, and none that is gone tomorrow",
	  "edge: [{ name: dns, interface: eth0, " WG " }]\n",
	  { "eth0 also has 2001:db8::7", "2001:db8::7 is temporary", "2001:db8::244 is tentative" },
	  DNS BY_WG0 WG0 ETH0 FRONTEND "198.55.102.245 on eth0 is dns\n" },
	{ "frontends of both families",
	  "edge: [{ name: dns, interface: eth0, address: [198.55.102.244, '2001:db8::244'], " WG
	  " }]\n",
	  {},
	  DNS BY_WG0 WG0 ETH0 FRONTEND "2001:db8::244 on eth0 is dns\n" },
	{ "an IPv6 address that the host does not have",
	  "edge: [{ name: dns, interface: eth0, address: '2001:db8::9', " WG " }]\n",
	  {},
	  DNS BY_WG0 WG0 ETH0
	  "2001:db8::9 on eth0 is dns\n"
	  "warning: dns: address 2001:db8::9 is not on this host; nobody will answer neighbour "
	  "solicitations for it\n" },
	{ "queries may not come in bundles",
	  EDGE(WG),
	  { "eth0 bundles UDP" },
	  DNS BY_WG0 WG0 ETH0 FRONTEND
	  "warning: dns: eth0 bundles UDP packets of one sender (rx-gro-list), and what is bundled "
	  "is dropped: ethtool -K eth0 rx-gro-list off\n" },
	{ "replies may not be longer than the clients' device takes",
	  EDGE(WG),
	  { "wg0 has an MTU of 9000" },
	  DNS BY_WG0 WG0 ETH0 FRONTEND
	  "warning: dns: replies that fit into the MTU towards the backends (9000) but not into "
	  "that of eth0 (1500) are lost; give both the same, or keep the backends' EDNS size "
	  "below\n" },
	{ "an uplink without such an address is waited for",
	  "edge: [{ name: dns, interface: eth0, " WG " }]\n",
	  { "eth0 has no address" },
	  DNS BY_WG0 WG0 ETH0 "note: dns: waiting for an address on eth0\n" },
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
	  DNS BY_WG0 WG0 ETH0 FRONTEND OWN },
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
		     "198.55.102.245 on eth0 is two\n2001:db8::244 on eth0 is two\n"
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
				     "note: dns: waiting for an IPv4 address on wg0\n" },
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
	{ "an IPv6 backend",
	  EDGE(TO("'fd00::1'")),
	  {},
	  DNS BACKEND("fd00::1") " by wg0 from fd00::2\n" WG0 ETH0 FRONTEND },
	{ "backends of both families in one service, each with a source of its own",
	  EDGE("tunnel: wg0, backends: [{ address: 10.172.90.1, udp: 53 }, { address: 'fd00::1', "
	       "udp: 53, weight: 2 }]"),
	  {},
	  DNS "  backend 10.172.90.1 53/0*1 by wg0 from 10.172.90.2\n"
	      "  backend fd00::1 53/0*2 by wg0 from fd00::2\n" WG0 ETH0 FRONTEND },
	{ "sources of the file, one a family",
	  EDGE("source: ['fd00::7', 10.1.2.3], backends: [{ address: 10.172.90.1, udp: 53 }, "
	       "{ address: 'fd00::1', udp: 53 }]"),
	  {},
	  DNS "  backend 10.172.90.1 53/0*1 by wg0 from 10.1.2.3\n"
	      "  backend fd00::1 53/0*1 by wg0 from fd00::7\n" WG0 ETH0 FRONTEND },
	{ "a source of the other family is none",
	  EDGE(TO("'fd00::1'")),
	  { "wg0 has no address", "wg0 also has 10.172.90.2" },
	  DNS BACKEND("fd00::1") " waits\n" ETH0 FRONTEND
	  "note: dns: waiting for a route to backend fd00::1: the default route, by eth0, is not "
	  "taken for a private address unless `tunnel: eth0` says so\n" },
	{ "an IPv6 tunnel without IPv6 address is waited for",
	  EDGE("tunnel: wg0, " TO("'fd00::1'")),
	  { "wg0 has no address", "wg0 also has 10.172.90.2" },
	  DNS BACKEND("fd00::1") " waits\n" ETH0 FRONTEND
				 "note: dns: waiting for an IPv6 address on wg0\n" },
	{ "a temporary address is no source, though the kernel would take it",
	  EDGE(TO("'2001:db8:53::1'")),
	  { "eth0 also has 2001:db8::7", "2001:db8::244 is temporary" },
	  DNS BACKEND("2001:db8:53::1") " by eth0 from 2001:db8::7 via fe80::99 at 2-153 "
					"redirect\n" ETH0 FRONTEND },
	{ "unless there is no other",
	  EDGE(TO("'2001:db8:53::1'")),
	  { "2001:db8::244 is temporary" },
	  DNS BACKEND("2001:db8:53::1") " by eth0 from 2001:db8::244 via fe80::99 at 2-153 "
					"redirect\n" ETH0 FRONTEND },
	{ "an IPv6 backend on link",
	  EDGE(TO("'fd09::1'")),
	  {},
	  DNS BACKEND("fd09::1") " by eth1 from fd09::2 at 3-1 redirect\n"
				 "eth1: xdp tc redirect\n" ETH0 FRONTEND },
	{ "on_down: drop is no flag",
	  EDGE("on_down: drop, " WG),
	  {},
	  "edge dns:\n" BY_WG0 WG0 ETH0 FRONTEND },
};
ROWS(backends)

#define PROXY(more) "edge: [{ name: dns, interface: eth0, client_ip: " more ", " WG " }]\n"
#define PROXIED(flags) "edge dns: down-pass" flags "\n"
#define ALL_OF_ETH0 WG0 ETH0 FRONTEND OWN
#define REFUSED(device, why)                                                                       \
	"warning: dns: TCP is refused, UDP is served: connections are to begin with a PROXY "     \
	"header, which needs XDP on " device ", and " why "; change that, or set "                \
	"client_ip.tcp: none, or make " device " a service of its own\n"
#define NO_ROOM(backend, mtu, left)                                                                \
	"warning: dns: the MTU towards backend " backend " (" mtu ") leaves " left " bytes for a " \
	"query behind its PROXY header, and queries may be 282 bytes long; longer ones are "      \
	"answered TC=1, and come back by TCP\n"

static const struct row proxy_headers_rows[] = {
	{ "one word is for both",
	  PROXY("proxy-v2"),
	  {},
	  PROXIED(" proxy-udp proxy-tcp") BY_WG0 ALL_OF_ETH0 },
	{ "UDP only, and what backends read",
	  PROXY("{ udp: proxy-v2 }") "limits: { backend_udp_size: 1232 }\n",
	  {},
	  PROXIED(" proxy-udp payload<=1232") BY_WG0 ALL_OF_ETH0 },
	{ "what backends read does not matter to a service without the header",
	  "edge:\n"
	  "- { name: dns, interface: eth0, address: 198.55.102.244, " WG " }\n"
	  "- { name: more, interface: eth0, address: 198.55.102.245, client_ip: proxy-v2, " WG " }\n"
	  "limits: { backend_udp_size: 512 }\n",
	  {},
	  DNS BY_WG0 "edge more: down-pass proxy-udp proxy-tcp payload<=512\n" BY_WG0 WG0 ETH0 FRONTEND
	  "198.55.102.245 on eth0 is more\n" },
	{ "an uplink that takes no XDP refuses TCP",
	  PROXY("proxy-v2"),
	  { "eth0 takes no XDP" },
	  "edge dns: down-pass proxy-udp proxy-tcp tcp-refused\n" BY_WG0 ALL_OF_ETH0
	  REFUSED("eth0", "it is told not to") },
	{ "one of several is enough",
	  "edge: [{ name: dns, interface: 'eth*', address: 198.55.102.244, client_ip: proxy-v2, " WG
	  " }]\n",
	  { "eth1 takes no XDP" },
	  "edge dns: down-pass proxy-udp proxy-tcp tcp-refused\n" BY_WG0 WG0 ETH0
	  "eth1: clients xdp tc redirect\n" FRONTEND "198.55.102.244 on eth1 is dns\n"
	  REFUSED("eth1", "it is told not to") },
	{ "but not the device of the backends",
	  PROXY("proxy-v2"),
	  { "wg0 takes no XDP" },
	  PROXIED(" proxy-udp proxy-tcp") BY_WG0 ALL_OF_ETH0 },
	{ "nor a device of other services",
	  "edge:\n"
	  "- { name: dns, interface: eth0, client_ip: proxy-v2, " WG " }\n"
	  "- { name: more, interface: eth1, address: 10.9.0.2, " WG " }\n",
	  { "eth1 takes no XDP" },
	  PROXIED(" proxy-udp proxy-tcp") BY_WG0 "edge more: down-pass\n" BY_WG0 WG0 ETH0
	  "eth1: clients xdp tc redirect\n" FRONTEND OWN "10.9.0.2 on eth1 is more\n" },
	{ "an uplink without an Ethernet header refuses TCP",
	  "edge: [{ name: dns, interface: ppp0, address: 10.77.0.1, client_ip: proxy-v2, " WG " }]\n",
	  { "ppp0 has an MTU of 1420" },
	  "edge dns: down-pass proxy-udp proxy-tcp tcp-refused\n" BY_WG0 WG0 "ppp0: clients tc\n"
	  "10.77.0.1 on ppp0 is dns\n" REFUSED("ppp0", "it has no Ethernet header") },
	{ "for UDP no XDP is needed",
	  PROXY("{ udp: proxy-v2, tcp: none }"),
	  { "eth0 takes no XDP" },
	  PROXIED(" proxy-udp") BY_WG0 ALL_OF_ETH0 },
	{ "nor without the option",
	  PROXY("none"),
	  { "eth0 takes no XDP" },
	  DNS BY_WG0 ALL_OF_ETH0 },
	{ "an MTU that leaves room for the longest query: 20 + 8 + 28 + 282",
	  "edge: [{ name: dns, interface: eth0, address: 198.55.102.244, client_ip: proxy-v2, " WG
	  " }]\n",
	  { "wg0 has an MTU of 338" },
	  PROXIED(" proxy-udp proxy-tcp") BY_WG0 WG0 ETH0 FRONTEND },
	{ "and one that does not",
	  "edge: [{ name: dns, interface: eth0, address: 198.55.102.244, client_ip: proxy-v2, " WG
	  " }]\n",
	  { "wg0 has an MTU of 337" },
	  PROXIED(" proxy-udp proxy-tcp") BY_WG0 WG0 ETH0 FRONTEND
	  NO_ROOM("10.172.90.1", "337", "281") },
	{ "the header of IPv6 clients is longer",
	  PROXY("{ udp: proxy-v2 }"),
	  { "wg0 has an MTU of 361" },
	  PROXIED(" proxy-udp") BY_WG0 ALL_OF_ETH0 NO_ROOM("10.172.90.1", "361", "281") },
	{ "and so is that of IPv6; nothing fits into less than the headers",
	  "edge: [{ name: dns, interface: eth0, address: 198.55.102.244, client_ip: proxy-v2, "
	  TO("fd00::1") " }]\n",
	  { "wg0 has an MTU of 75" },
	  PROXIED(" proxy-udp proxy-tcp") BACKEND("fd00::1") " by wg0 from fd00::2\n" WG0 ETH0 FRONTEND
	  NO_ROOM("fd00::1", "75", "0") },
	{ "a backend that is asked by TCP only needs no room",
	  "edge: [{ name: dns, interface: eth0, address: 198.55.102.244, client_ip: proxy-v2, "
	  "backends: [{ address: 10.172.90.1, tcp: 31054 }] }]\n",
	  { "wg0 has an MTU of 75" },
	  PROXIED(" proxy-udp proxy-tcp") "  backend 10.172.90.1 0/31054*1 by wg0 from 10.172.90.2\n"
	  WG0 ETH0 FRONTEND },
	{ "without the option the MTU is the clients' matter",
	  EDGE(WG),
	  { "wg0 has an MTU of 75" },
	  DNS BY_WG0 WG0 ETH0 FRONTEND },
};

ROWS(proxy_headers)

#define RETURN "return: [{ tunnel: wg0, uplink: eth0, udp: 31053, tcp: 31054 }]\n"
#define TO_WG0 "to udp 31053 of return-wg0 on wg0\nto tcp 31054 of return-wg0 on wg0\n"
#define FROM_ETH0 "from udp 31053 of return-wg0 on eth0\nfrom tcp 31054 of return-wg0 on eth0\n"
#define STRICT(device)                                                                             \
	"warning: return-" device ": the kernel drops clients that come by " device " and have "   \
	"their route by another device (rp_filter): sysctl -w net.ipv4.conf." device ".rp_filter=2\n"
#define KEEP_NOTE                                                                                  \
	"note: dns: clients of keep_source are answered when the backend's host sends its "        \
	"replies to them back into the tunnel (`return` of an edge53 there), and when its end of " \
	"the tunnel admits their addresses (WireGuard: AllowedIPs)\n"

static const struct row returns_rows[] = {
	{ "what came by the tunnel goes back there",
	  RETURN, {}, "return return-wg0:\n  tunnel wg0 0\nwg0: return-in\neth0: return-out redirect\n"
	  TO_WG0 FROM_ETH0 },
	{ "the tunnel is waited for, and its clients' replies are known",
	  RETURN, { "wg0 is missing" },
	  "return return-wg0: gone\neth0: return-out redirect\n" FROM_ETH0
	  "note: return-wg0: waiting for device wg0\n" },
	{ "once, however many entries it has",
	  "return: [{ tunnel: wg0, uplink: eth0, udp: 1 }, { tunnel: wg0, uplink: eth0, udp: 2 }]\n",
	  { "wg0 is missing", "eth0 is down" }, "return return-wg0: gone\n"
	  "note: return-wg0: waiting for device wg0\nnote: return-wg0: waiting for eth0 to be up\n" },
	{ "one that is down carries nothing",
	  RETURN, { "wg0 is down" },
	  "return return-wg0: gone\neth0: return-out redirect\n" FROM_ETH0
	  "note: return-wg0: waiting for wg0 to be up\n" },
	{ "the uplink may come later",
	  RETURN, { "eth0 is missing" },
	  "return return-wg0:\n  tunnel wg0 0\nwg0: return-in\n" TO_WG0
	  "note: return-wg0: waiting for device eth0\n" },
	{ "two uplinks of one tunnel are one service, two tunnels are two",
	  "return: [{ tunnel: wg0, uplink: eth0, udp: 53 }, { tunnel: wg0, uplink: eth1, tcp: 53 },\n"
	  "  { tunnel: ppp0, uplink: eth0, udp: 53 }]\n", {},
	  "return return-wg0:\n  tunnel wg0 0\nreturn return-ppp0:\n  tunnel ppp0 0\n"
	  "wg0: return-in\neth0: return-out redirect\neth1: return-out redirect\nppp0: return-in\n"
	  "to udp 53 of return-wg0 on wg0\nfrom udp 53 of return-wg0 on eth0\n"
	  "to tcp 53 of return-wg0 on wg0\nfrom tcp 53 of return-wg0 on eth1\n"
	  "to udp 53 of return-ppp0 on ppp0\nfrom udp 53 of return-ppp0 on eth0\n" },
	{ "a tunnel of Ethernet that takes less than the uplink",
	  "return: [{ tunnel: eth1, uplink: eth0, udp: 53 }]\n", { "eth1 has an MTU of 1450" },
	  "return return-eth1:\n  tunnel eth1 ethernet 3\neth1: return-in redirect\n"
	  "eth0: return-out redirect\nto udp 53 of return-eth1 on eth1\nfrom udp 53 of return-eth1 on eth0\n"
	  "warning: return-eth1: replies that fit into the MTU of eth0 (1500) but not into that of eth1 "
	  "(1450) are lost; keep the server's EDNS size below\n" },
	{ "the kernel's own filter",
	  RETURN, { "wg0 filters strictly" },
	  "return return-wg0:\n  tunnel wg0 0\nwg0: return-in\neth0: return-out redirect\n"
	  TO_WG0 FROM_ETH0 STRICT("wg0") },
	{ "what is said of all devices, once for a tunnel of two entries",
	  "return: [{ tunnel: wg0, uplink: eth0, udp: 1 }, { tunnel: wg0, uplink: eth0, udp: 2 }]\n",
	  { "all devices filter strictly" },
	  "return return-wg0:\n  tunnel wg0 0\nwg0: return-in\neth0: return-out redirect\n"
	  "to udp 1 of return-wg0 on wg0\nfrom udp 1 of return-wg0 on eth0\n"
	  "to udp 2 of return-wg0 on wg0\nfrom udp 2 of return-wg0 on eth0\n" STRICT("wg0") },
	{ "a looser one of the tunnel wins, as in the kernel",
	  RETURN, { "all devices filter strictly", "wg0 filters loosely" },
	  "return return-wg0:\n  tunnel wg0 0\nwg0: return-in\neth0: return-out redirect\n"
	  TO_WG0 FROM_ETH0 },
	{ "an edge, whose uplink and tunnel are the same devices, and the guard",
	  EDGE(WG) "enforce: [{ name: vpn, interface: ppp0, resolver: 10.77.0.1 }]\n" RETURN, {},
	  DNS BY_WG0 "enforce vpn: down-pass ipv6-drop\n  backend 10.77.0.1 53/53*1 local\n"
	  "return return-wg0:\n  tunnel wg0 0\n"
	  "wg0: tc return-in\neth0: clients xdp tc guard return-out redirect\nppp0: clients in out of vpn\n"
	  "guard: others count vpn; ppp0 count vpn enforced;\n"
	  TO_WG0 FROM_ETH0 FRONTEND "all on ppp0 is vpn\n" },
	{ "clients are kept",
	  "edge: [{ name: dns, interface: eth0, address: 198.55.102.244, "
	  "keep_source: [192.168.0.0/16, 'fd00::/8'], " WG " }]\n", {},
	  "edge dns: down-pass keep-source\n" BY_WG0 "  keep fd00::/8\n  keep 192.168.0.0/16\n"
	  WG0 ETH0 FRONTEND KEEP_NOTE },
};

ROWS(returns)


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
		{ "'fbff::1'", false },	      { "'fc01::1'", true },
		{ "'fdff::1'", true },	      { "'fe00::1'", false },
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

/* The uplink is guarded, with the given policy of devices not known yet, and of these. */
#define ETH0_GUARDED "eth0: clients xdp tc guard redirect\n"
#define OUT "eth0: guard redirect\n"
#define GUARD(others, devices) "guard: others " others ";" devices "\n"
#define IN_PPP0 " ppp0 count vpn enforced;"
#define IN_PPP1 " ppp1 count vpn enforced;"
#define OUT_OF_PPP0 OUT GUARD("count vpn", IN_PPP0)
#define OUT_OF_BOTH OUT GUARD("count vpn", IN_PPP0 IN_PPP1)

static const struct row enforcing_rows[] = {
	{ "every device that matches is enforced, whatever is asked there",
	  ENFORCE(""),
	  {},
	  VPN RESOLVER PPP0 PPP1 OUT_OF_BOTH "all on ppp0 is vpn\nall on ppp1 is vpn\n" },
	{ "clients are waited for",
	  ENFORCE(""),
	  { "ppp0 is missing", "ppp1 is missing", "lo also has 10.77.0.1" },
	  VPN RESOLVER OUT GUARD("count vpn", "") "note: vpn: no device matches \"ppp*\" yet\n" },
	{ "the device that carries the default route is refused, the others are planned",
	  ENFORCE(""),
	  { "ppp1 carries the default route" },
	  VPN RESOLVER PPP0 OUT "ppp1: guard\n" GUARD("count vpn", IN_PPP0 " ppp1 count vpn;")
	  "all on ppp0 is vpn\n"
	  "error: vpn: interface \"ppp*\" matches ppp1, which carries the default route: the "
	  "host's own way out "
	  "is no client; name the clients' devices only\n" },
	{ "a resolver on link is used, with a warning",
	  "enforce: [{ name: vpn, interface: ppp0, resolver: 10.9.0.53 }]\n",
	  {},
	  VPN "  backend 10.9.0.53 53/53*1 local\n" PPP0 OUT_OF_PPP0 "all on ppp0 is vpn\n"
	      "warning: vpn: resolver 10.9.0.53 is not on this host: queries are forwarded "
	      "(net.ipv4.ip_forward)\n" },
	{ "a resolver to which only the default route leads is waited for",
	  "enforce: [{ name: vpn, interface: ppp0, resolver: 203.0.113.53 }]\n",
	  {},
	  VPN
	  "  backend 203.0.113.53 53/53*1 local waits\n" PPP0 OUT_OF_PPP0 "all on ppp0 is vpn\n"
	  "note: vpn: waiting for resolver 203.0.113.53: no address of this host, and no route to "
	  "it but the "
	  "default\n" },
	{ "ipv6, dot and on_down are flags",
	  ENFORCE(", ipv6: pass, dot: drop, on_down: drop"),
	  { "ppp1 is missing" },
	  "enforce vpn: dot-drop\n" RESOLVER PPP0 OUT_OF_PPP0 "all on ppp0 is vpn\n" },
	{ "exempt is a flag and a list",
	  ENFORCE(", exempt: [10.77.0.5, 10.78.0.0/16]"),
	  { "ppp1 is missing" },
	  "enforce vpn: down-pass ipv6-drop exempt\n" RESOLVER
	  "  exempt 10.78.0.0/16\n  exempt 10.77.0.5/32\n" PPP0 OUT_OF_PPP0 "all on ppp0 is vpn\n" },
	{ "clients on Ethernet get the same hooks",
	  "enforce: [{ name: vpn, interface: eth1, resolver: 10.77.0.1 }]\n",
	  {},
	  VPN RESOLVER "eth1: clients in out redirect of vpn\n" OUT GUARD(
		  "count vpn", " eth1 count vpn enforced;") "all on eth1 is vpn\n" },
	{ "two services with a device each",
	  "enforce:\n- { name: vpn, interface: ppp0, resolver: 10.77.0.1 }\n"
	  "- { name: two, interface: ppp1, resolver: 10.77.0.1 }\n",
	  {},
	  VPN RESOLVER "enforce two: down-pass ipv6-drop\n" RESOLVER PPP0
		       "ppp1: clients in out of two\n" OUT GUARD(
			       "count vpn", IN_PPP0 " ppp1 count two enforced;")
		       "all on ppp0 is vpn\nall on ppp1 is two\n" },
	{ "a device that two of them match is refused to the second",
	  "enforce:\n- { name: vpn, interface: 'ppp*', resolver: 10.77.0.1 }\n"
	  "- { name: two, interface: ppp1, resolver: 10.77.0.1 }\n",
	  {},
	  VPN RESOLVER
	  "enforce two: down-pass ipv6-drop\n" RESOLVER PPP0 PPP1 OUT_OF_BOTH
	  "all on ppp0 is vpn\nall on ppp1 is vpn\n"
	  "error: two: device ppp1 already belongs to another service; a device can be one's "
	  "only\n" },
	{ "a device is not for edge and enforce",
	  "edge: [{ name: dns, interface: eth1, address: 198.55.102.244, " WG " }]\n"
	  "enforce: [{ name: vpn, interface: 'eth1', resolver: 10.77.0.1 }]\n",
	  {},
	  DNS BY_WG0 VPN RESOLVER WG0
	  "eth1: clients xdp tc redirect\n" OUT GUARD("count vpn", " eth1 count vpn;")
	  "198.55.102.244 on eth1 is dns\n"
	  "error: vpn: device eth1 already belongs to another service; a device can be one's "
	  "only\n" },
	{ "nor is the way to a backend",
	  EDGE(WG) "enforce: [{ name: vpn, interface: 'wg*', resolver: 10.77.0.1 }]\n",
	  {},
	  DNS BY_WG0 VPN RESOLVER WG0 ETH0_GUARDED GUARD("count vpn", " wg0 count vpn;") FRONTEND
	  "error: vpn: device wg0 already belongs to another service; a device can be one's "
	  "only\n" },
	{ "edge and enforce side by side",
	  ENFORCE("") EDGE(WG),
	  { "ppp1 is missing" },
	  DNS BY_WG0 VPN RESOLVER WG0 ETH0_GUARDED PPP0 GUARD("count vpn", IN_PPP0) FRONTEND
	  "all on ppp0 is vpn\n" },
	{ "IPv6 goes to a resolver of its own",
	  ENFORCE(", resolver6: 'fd77::1', ipv6: redirect"),
	  { "ppp1 is missing" },
	  "enforce vpn: down-pass ipv6-redirect\n" RESOLVER
	  "  backend fd77::1 53/53*1 local\n" PPP0 OUT_OF_PPP0 "all on ppp0 is vpn\n" },
	{ "which may be elsewhere, with a warning, and be waited for",
	  "enforce:\n- { name: vpn, interface: ppp0, resolver: 10.77.0.1, resolver6: 'fd09::53',\n"
	  "    ipv6: redirect }\n- { name: two, interface: ppp1, resolver: 10.77.0.1,\n"
	  "    resolver6: '2001:db8:53::1', ipv6: redirect, guard: off }\n",
	  {},
	  "enforce vpn: down-pass ipv6-redirect\n" RESOLVER "  backend fd09::53 53/53*1 local\n"
	  "enforce two: down-pass ipv6-redirect\n" RESOLVER
	  "  backend 2001:db8:53::1 53/53*1 local waits\n" PPP0
	  "ppp1: clients in out of two\n" OUT_OF_PPP0 "all on ppp0 is vpn\nall on ppp1 is two\n"
	  "warning: vpn: resolver fd09::53 is not on this host: queries are forwarded "
	  "(net.ipv6.conf.all.forwarding)\n"
	  "note: two: waiting for resolver 2001:db8:53::1: no address of this host, and no route "
	  "to it but the default\n" },
	{ "DoT and DoH are refused",
	  ENFORCE(", dot: reject, doh: { addresses: [9.9.9.9, '2620:fe::/48'] }"),
	  { "ppp1 is missing" },
	  "enforce vpn: down-pass ipv6-drop dot-reject doh-reject\n" RESOLVER
	  "  doh 2620:fe::/48\n  doh 9.9.9.9/32\n" PPP0 OUT_OF_PPP0 "all on ppp0 is vpn\n" },
	{ "or dropped",
	  ENFORCE(", doh: { addresses: 9.9.9.9, action: drop }"),
	  { "ppp1 is missing" },
	  "enforce vpn: down-pass ipv6-drop doh-drop\n" RESOLVER "  doh 9.9.9.9/32\n" PPP0
		  OUT_OF_PPP0 "all on ppp0 is vpn\n" },
	{ "without a guard nothing is guarded",
	  ENFORCE(", guard: off"),
	  { "ppp1 is missing" },
	  VPN RESOLVER PPP0 "all on ppp0 is vpn\n" },
	{ "the strictest guard is that of devices not known yet",
	  "enforce:\n- { name: vpn, interface: ppp0, resolver: 10.77.0.1 }\n"
	  "- { name: two, interface: 'ppp*[1-9]', resolver: 10.77.0.1, guard: drop }\n"
	  "- { name: off, interface: eth1, resolver: 10.77.0.1, guard: off }\n",
	  {},
	  VPN RESOLVER "enforce two: down-pass ipv6-drop\n" RESOLVER
		       "enforce off: down-pass ipv6-drop\n" RESOLVER PPP0
		       "ppp1: clients in out of two\neth1: clients in out redirect of off\n" OUT
		       GUARD("drop two", IN_PPP0 " ppp1 drop two enforced;")
		       "all on ppp0 is vpn\nall on ppp1 is two\nall on eth1 is off\n" },
	{ "every device of a default route is guarded",
	  "enforce: [{ name: vpn, interface: ppp0, resolver: 10.77.0.1 }]\n",
	  { "ppp1 carries the default route" },
	  VPN RESOLVER PPP0 OUT "ppp1: guard\n" GUARD("count vpn", IN_PPP0) "all on ppp0 is vpn\n" },
	{ "without one nothing can leave by it",
	  "enforce: [{ name: vpn, interface: ppp0, resolver: 10.77.0.1 }]\n",
	  { "there is no default route" },
	  VPN RESOLVER PPP0 GUARD("count vpn", IN_PPP0) "all on ppp0 is vpn\n" },
};
ROWS(enforcing)

/* --- what may be sent where ------------------------------------------------------------------- */

static struct plan *plan_on_usual_host(const struct config *config)
{
	struct plan *plan = NULL;
	struct lab lab;

	usual_host(&lab);
	ask_lab(&lab, config);
	assert_int_equal(plan_make(config, &lab.host, &plan), 0);
	return plan;
}

static void an_edge_serves_both_families_from_each_backend(void **state)
{
	_cleanup_(config_freep) struct config *config = parse(
		EDGE("backends: [{ address: 10.172.90.1, udp: 53 }, { address: 'fd09::1', udp: 53 }, "
		     "{ address: 10.66.0.1, udp: 53 }]"));
	_cleanup_(plan_freep) struct plan *plan = plan_on_usual_host(config);
	const struct plan_service *service = &plan->services[0];

	(void)state;
	for (int is_ipv6 = 0; is_ipv6 <= 1; is_ipv6++) {
		assert_true(plan_serves(service, &service->backends[0], is_ipv6));
		assert_true(plan_serves(service, &service->backends[1], is_ipv6));
		assert_false(plan_serves(service, &service->backends[2], is_ipv6)); /* waits */
	}
	assert_int_equal(plan_query_mtu(service), 1420 - 28);
}

static void a_resolver_serves_its_family(void **state)
{
	_cleanup_(config_freep) struct config *config =
		parse(ENFORCE(", resolver6: 'fd77::1', ipv6: redirect"));
	_cleanup_(plan_freep) struct plan *plan = plan_on_usual_host(config);
	const struct plan_service *service = &plan->services[0];

	(void)state;
	assert_true(plan_serves(service, &service->backends[0], false));
	assert_false(plan_serves(service, &service->backends[0], true));
	assert_false(plan_serves(service, &service->backends[1], false));
	assert_true(plan_serves(service, &service->backends[1], true));
	assert_int_equal(plan_query_mtu(service), UINT16_MAX - 28);
}

static void a_query_fits_everywhere_or_nowhere(void **state)
{
	static const struct {
		unsigned int mtus[2];
		unsigned short query_mtu;
	} some[] = {
		{ { 1500, 1420 }, 1392 }, { { 1280, 9000 }, 1252 }, { { 65536, 70000 }, 65507 },
		{ { 28, 1500 }, 0 },	  { { 27, 1500 }, 0 },	    { { 0, 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		struct plan_backend backends[3] = { { .usable = true, .mtu = some[i].mtus[0] },
						    { .usable = true, .mtu = some[i].mtus[1] },
						    { .usable = false, .mtu = 68 } };
		struct plan_service service = { .backends = backends, .n_backends = 3 };

		assert_int_equal(plan_query_mtu(&service), some[i].query_mtu);
	}
}

/* --- the rest --------------------------------------------------------------------------------- */

static void questions_come_in_the_order_of_the_plan(void **state)
{
	_cleanup_(config_freep) struct config *config = parse(
		"enforce:\n- { name: v, interface: ppp0, resolver: 10.77.0.1 }\n"
		"- { name: w, interface: ppp1, resolver: 10.77.0.2, ipv6: redirect, resolver6: 'fd77::2' }\n"
		"edge:\n- { name: a, interface: eth0, address: 198.51.100.1, tunnel: wg0,\n"
		"    backends: [{ address: 10.0.0.1, udp: 53 }, { address: 10.0.0.2, udp: 53 }] }\n"
		"- { name: b, interface: eth0, address: 198.51.100.2,\n"
		"    backends: [{ address: 10.0.0.3, udp: 53 }] }\n");
	static const char *const wanted[][2] = {
		{ "10.0.0.1", "wg0" }, { "10.0.0.2", "wg0" }, { "10.0.0.3", "" },
		{ "10.77.0.1", "" },   { "10.77.0.2", "" },   { "fd77::2", "" },
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
	assert_int_equal(plan->findings.n, 2);
	assert_string_equal(plan->findings.list[0].text, "more than 16384 pairs of device and address");
	assert_int_equal(plan->n_guards, EDGE53_MAX_GUARD);
	assert_string_equal(plan->findings.list[1].text,
			    "more than 16383 devices: to the guard the others are clients' that are "
			    "not attached");
}

static bool has_finding(const struct plan *plan, enum finding_code code)
{
	for (size_t i = 0; i < plan->findings.n; i++)
		if (plan->findings.list[i].code == code)
			return true;
	return false;
}

/* Without the key nobody listens. */
static void metrics_open_to_others(void **state)
{
	static const struct {
		const char *export;
		bool is_open;
	} some[] = {
		{ "", false },
		{ "\nexport: { metrics: '127.0.0.1:9453' }", false },
		{ "\nexport: { metrics: '127.9.9.9:9453' }", false },
		{ "\nexport: { metrics: '[::1]:9453' }", false },
		{ "\nexport: { metrics: '0.0.0.0:9453' }", true },
		{ "\nexport: { metrics: '[::]:9453' }", true },
		{ "\nexport: { metrics: '192.0.2.77:9453' }", true },
		{ "\nexport: { metrics: '[2001:db8::1]:9453' }", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
		_cleanup_(config_freep) struct config *config = NULL;
		_cleanup_(plan_freep) struct plan *plan = NULL;
		struct lab lab;
		char yaml[512];

		if (!EDGE53_WITH_METRICS && some[i].export[0])
			continue;
		snprintf(yaml, sizeof(yaml), EDGE(WG) "%s", some[i].export);
		config = parse(yaml);
		assert_int_equal(!config->export.metrics.port, !some[i].export[0]);
		usual_host(&lab);
		ask_lab(&lab, config);
		assert_int_equal(plan_make(config, &lab.host, &plan), 0);
		if (has_finding(plan, FOUND_METRICS_OPEN) != some[i].is_open)
			fail_msg("%s", some[i].export);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uplinks),
		cmocka_unit_test(backends),
		cmocka_unit_test(proxy_headers),
		cmocka_unit_test(returns),
		cmocka_unit_test(private_addresses_wait_for_a_route_of_their_own),
		cmocka_unit_test(enforcing),
		cmocka_unit_test(an_edge_serves_both_families_from_each_backend),
		cmocka_unit_test(a_resolver_serves_its_family),
		cmocka_unit_test(a_query_fits_everywhere_or_nowhere),
		cmocka_unit_test(questions_come_in_the_order_of_the_plan),
		cmocka_unit_test(answers_to_other_questions_are_refused),
		cmocka_unit_test(more_devices_than_frontends_are_refused),
		cmocka_unit_test(metrics_open_to_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
