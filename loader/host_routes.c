// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "host_parts.h"

#define NUD_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

/* --- default routes --------------------------------------------------------------------------- */

static void mark_default(struct host *host, unsigned int ifindex)
{
	struct host_link *link = host_link_by_index_mutable(host, ifindex);

	if (link)
		link->is_default_route = true;
}

/* A nexthop that is dead at the moment counts: the device is an uplink all the same. */
static int mark_multipath(struct host *host, const struct nlattr *multipath)
{
	const char *bytes = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);

	while (left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *hop = (const void *)bytes;
		size_t len = RTNH_ALIGN(hop->rtnh_len);

		if (hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > left)
			return -EBADMSG;
		mark_default(host, hop->rtnh_ifindex);
		if (len >= left)
			break;
		bytes += len;
		left -= len;
	}
	return 0;
}

static int read_default_route(const struct nlmsghdr *message, void *data)
{
	enum { TABLE, OIF, MULTIPATH, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[TABLE] = { RTA_TABLE, MNL_TYPE_U32, 4 },
		[OIF] = { RTA_OIF, MNL_TYPE_U32, 4 },
		[MULTIPATH] = { RTA_MULTIPATH, MNL_TYPE_BINARY, sizeof(struct rtnexthop) },
	};
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *found[N_WANTED];
	int r;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return -EBADMSG;
	/* Before the attributes: of a full table all but one or two routes end here. */
	if (info->rtm_dst_len != 0 || info->rtm_type != RTN_UNICAST ||
	    (info->rtm_family != AF_INET && info->rtm_family != AF_INET6))
		return 0;
	r = netlink_attributes(message, sizeof(*info), wanted, N_WANTED, found);
	if (r < 0)
		return r;
	if ((found[TABLE] ? mnl_attr_get_u32(found[TABLE]) : info->rtm_table) != RT_TABLE_MAIN)
		return 0;
	if (found[OIF])
		mark_default(data, mnl_attr_get_u32(found[OIF]));
	return found[MULTIPATH] ? mark_multipath(data, found[MULTIPATH]) : 0;
}

static int read_default_routes_of(struct netlink *route, struct host *host, unsigned char family)
{
	/* Nothing to forget: a mark of an interrupted dump was true a moment ago. */
	struct netlink_answer answer = { read_default_route, NULL, host };
	struct nlmsghdr *request = netlink_request(route, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int r;

	info->rtm_family = family;
	info->rtm_table = RT_TABLE_MAIN;
	r = netlink_talk(route, &answer);
	/* A namespace that never had a route has no main table, a host may be without IPv6. */
	if (r == -ENOENT || r == -EOPNOTSUPP || r == -EAFNOSUPPORT)
		return 0;
	return r;
}

int host_read_default_routes(struct netlink *route, struct host *host)
{
	for (size_t i = 0; i < host->n_links; i++)
		host->links[i].is_default_route = false;
	return read_default_routes_of(route, host, AF_INET)
	       ?: read_default_routes_of(route, host, AF_INET6);
}

/* --- neighbours ------------------------------------------------------------------------------- */

struct neighbour {
	unsigned short state; /* NUD_* */
	bool has_mac;
	unsigned char mac[6];
};

static int read_neighbour(const struct nlmsghdr *message, void *data)
{
	static const struct netlink_attribute wanted[] = {
		{ NDA_LLADDR, MNL_TYPE_BINARY, 0 },
	};
	const struct ndmsg *info = mnl_nlmsg_get_payload(message);
	struct neighbour *neighbour = data;
	const struct nlattr *mac;
	int r;

	if (message->nlmsg_type != RTM_NEWNEIGH)
		return 0;
	r = netlink_attributes(message, sizeof(*info), wanted, ARRAY_SIZE(wanted), &mac);
	if (r < 0)
		return r;
	neighbour->state = info->ndm_state;
	if (mac && mnl_attr_get_payload_len(mac) == sizeof(neighbour->mac)) {
		memcpy(neighbour->mac, mnl_attr_get_payload(mac), sizeof(neighbour->mac));
		neighbour->has_mac = true;
	}
	return 0;
}

int host_read_neighbour(struct netlink *route, unsigned int ifindex,
			const struct edge53_addr *address, unsigned short *ret_state,
			unsigned char *ret_mac, bool *ret_has_mac)
{
	struct neighbour neighbour = { 0 };
	struct netlink_answer answer = { read_neighbour, NULL, &neighbour };
	struct nlmsghdr *request = netlink_request(route, RTM_GETNEIGH, 0);
	struct ndmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int r;

	info->ndm_family = host_address_family(address);
	info->ndm_ifindex = ifindex;
	host_put_address(request, NDA_DST, address);
	r = netlink_talk(route, &answer);
	if (r < 0)
		return r;
	*ret_state = neighbour.state;
	if (ret_mac)
		memcpy(ret_mac, neighbour.mac, sizeof(neighbour.mac));
	if (ret_has_mac)
		*ret_has_mac = neighbour.has_mac;
	return 0;
}

/* --- questions -------------------------------------------------------------------------------- */

static int read_gateway(const struct nlattr *gateway, const struct nlattr *via,
			unsigned char family, struct edge53_addr *ret)
{
	const struct rtvia *hop;

	if (gateway)
		return host_get_address(gateway, family, ret);
	if (!via)
		return 0;
	/* An IPv4 route with an IPv6 gateway (RFC 5549). */
	hop = mnl_attr_get_payload(via);
	return host_address_from(hop->rtvia_addr, mnl_attr_get_payload_len(via) - sizeof(*hop),
				 hop->rtvia_family, ret);
}

static int read_route(const struct nlmsghdr *message, void *data)
{
	enum { OIF, SOURCE, GATEWAY, VIA, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[OIF] = { RTA_OIF, MNL_TYPE_U32, 4 },
		[SOURCE] = { RTA_PREFSRC, MNL_TYPE_BINARY, 4 },
		[GATEWAY] = { RTA_GATEWAY, MNL_TYPE_BINARY, 4 },
		[VIA] = { RTA_VIA, MNL_TYPE_BINARY, sizeof(struct rtvia) },
	};
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *found[N_WANTED];
	struct host_route *route = data;
	int r;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	r = netlink_attributes(message, sizeof(*info), wanted, N_WANTED, found);
	if (r < 0)
		return r;
	/* IPv6 describes blackhole and unreachable routes; IPv4 refuses with an error. */
	if (info->rtm_type != RTN_UNICAST && info->rtm_type != RTN_LOCAL)
		return 0;
	if (info->rtm_family != host_address_family(&route->target) || !found[OIF])
		return 0;
	route->nexthop = route->target;
	if (found[SOURCE])
		r = host_get_address(found[SOURCE], info->rtm_family, &route->source);
	r = r ?: read_gateway(found[GATEWAY], found[VIA], info->rtm_family, &route->nexthop);
	if (r < 0)
		return r;
	route->is_local = info->rtm_type == RTN_LOCAL;
	route->ifindex = mnl_attr_get_u32(found[OIF]);
	/* A local target answers "lo" whatever device was asked for. */
	route->reachable = !route->oif_required || route->is_local ||
			   route->ifindex == route->oif_required;
	return 0;
}

static void request_route(struct netlink *netlink, const struct host_route *route,
			  unsigned int flags)
{
	struct nlmsghdr *request = netlink_request(netlink, RTM_GETROUTE, 0);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->rtm_family = host_address_family(&route->target);
	info->rtm_dst_len = addr_is_ipv4(&route->target) ? 32 : 128;
	info->rtm_flags = flags;
	host_put_address(request, RTA_DST, &route->target);
	if (route->oif_required)
		mnl_attr_put_u32(request, RTA_OIF, route->oif_required);
}

static int read_match(const struct nlmsghdr *message, void *data)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(message);
	struct host_route *route = data;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (mnl_nlmsg_get_payload_len(message) < sizeof(*info))
		return -EBADMSG;
	route->by_default = info->rtm_dst_len == 0 && info->rtm_type == RTN_UNICAST;
	return 0;
}

/* The entry of the table that the lookup hit, instead of its result (RTM_F_FIB_MATCH). */
static int look_up_match(struct netlink *netlink, struct host_route *route)
{
	struct netlink_answer answer = { read_match, NULL, route };
	int r;

	request_route(netlink, route, RTM_F_FIB_MATCH);
	r = netlink_talk(netlink, &answer);
	return netlink->broken ? r : 0;
}

static int look_up(struct netlink *netlink, struct host_route *route)
{
	struct netlink_answer answer = { read_route, NULL, route };
	int r;

	request_route(netlink, route, 0);
	r = netlink_talk(netlink, &answer);
	/*
	 * Many errnos mean "no route": ENETUNREACH, EACCES, EINVAL (blackhole), what a rule says.
	 */
	return netlink->broken ? r : 0;
}

/* Loopback has the header but nobody to ask. */
static bool needs_neighbour(const struct host_link *link)
{
	return host_link_is_ethernet(link) && !(link->flags & IFF_LOOPBACK);
}

/* The device's first address of the target's family, better one that is not link-local. */
static const struct host_address *first_address(const struct host *host, unsigned int ifindex,
						 bool is_ipv4)
{
	const struct host_address *best = NULL;
	size_t i;

	for (i = 0; i < host->n_addresses; i++) {
		const struct host_address *one = &host->addresses[i];

		if (one->ifindex != ifindex || addr_is_ipv4(&one->address) != is_ipv4)
			continue;
		if (one->scope < RT_SCOPE_LINK)
			return one;
		best = best ?: one;
	}
	return best;
}

/*
 * A named tunnel needs no route: what is sent into it arrives at its other end. IPv4 lookups with a
 * device know that ("assume, that the destination is on link"), IPv6 ones do not.
 */
static void reach_through_tunnel(const struct host *host, struct host_route *route)
{
	const struct host_link *link = host_link_by_index(host, route->oif_required);
	const struct host_address *own;

	if (!link || !(link->flags & IFF_UP) || needs_neighbour(link))
		return;
	own = first_address(host, link->ifindex, addr_is_ipv4(&route->target));
	route->ifindex = link->ifindex;
	route->nexthop = route->target;
	route->source = own ? own->address : (struct edge53_addr){ 0 };
	route->is_local = false;
	route->reachable = true;
}

static int find_neighbour(struct netlink *netlink, const struct host *host,
			  struct host_route *route)
{
	const struct host_link *link = host_link_by_index(host, route->ifindex);
	unsigned short state = NUD_NONE;
	bool has_mac = false;
	int r;

	if (route->is_local || !link || !needs_neighbour(link))
		return 0;
	r = host_read_neighbour(netlink, route->ifindex, &route->nexthop, &state, route->mac,
				&has_mac);
	if (netlink->broken)
		return r;
	if (r < 0 || !has_mac || !(state & NUD_VALID))
		memset(route->mac, 0, sizeof(route->mac));
	else
		route->neighbour_known = true;
	route->neighbour_stale = route->neighbour_known && (state & NUD_STALE);
	return 0;
}

static int answer_question(struct netlink *netlink, const struct host *host,
			   const struct host_question *question, struct host_route *route)
{
	const struct host_link *tunnel;
	int r;

	*route = (struct host_route){ .target = question->target };
	if (question->tunnel[0]) {
		tunnel = host_link_by_name(host, question->tunnel);
		if (!tunnel)
			return 0;
		route->oif_required = tunnel->ifindex;
	}
	r = look_up(netlink, route);
	if (r < 0)
		return r;
	if (!route->reachable && route->oif_required)
		reach_through_tunnel(host, route);
	if (route->reachable && !route->oif_required)
		r = look_up_match(netlink, route);
	if (r < 0)
		return r;
	return route->reachable ? find_neighbour(netlink, host, route) : 0;
}

int host_answer(struct netlink *route, struct host *host, const struct host_question *questions)
{
	size_t i;

	for (i = 0; i < host->n_routes; i++) {
		int r = answer_question(route, host, &questions[i], &host->routes[i]);

		if (r < 0)
			return r;
	}
	return 0;
}
