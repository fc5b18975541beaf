// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <string.h>
#include <sys/socket.h>

#include "host_parts.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71 /* asm-generic/socket.h, Linux 5.14 */
#endif

int host_ask(struct netlink *route, struct host *host, const struct host_question *questions,
	     size_t n_questions)
{
	free(host->routes);
	host->n_routes = 0;
	host->routes = calloc(n_questions + 1, sizeof(*host->routes));
	if (!host->routes)
		return -ENOMEM;
	host->n_routes = n_questions;
	return host_answer(route, host, questions);
}

int host_read(const struct host_question *questions, size_t n_questions, struct host **ret)
{
	_cleanup_(netlink_freep) struct netlink *route = NULL;
	_cleanup_(host_freep) struct host *host = calloc(1, sizeof(*host));
	int r;

	if (!host)
		return -ENOMEM;
	r = netlink_open(NETLINK_ROUTE, &route)
	    ?: host_read_links(route, host)
	    ?: host_read_xdp_features(host)
	    ?: host_read_offloads(host)
	    ?: host_read_addresses(route, host)
	    ?: host_read_default_routes(route, host)
	    ?: host_ask(route, host, questions, n_questions);
	if (r < 0)
		return r;
	*ret = take_ptr(host);
	return 0;
}

void host_free(struct host *host)
{
	if (!host)
		return;
	free(host->links);
	free(host->addresses);
	free(host->routes);
	free(host);
}

const struct host_link *host_link_by_name(const struct host *host, const char *name)
{
	size_t i;

	for (i = 0; i < host->n_links; i++)
		if (!strcmp(host->links[i].name, name))
			return &host->links[i];
	return NULL;
}

static int compare_index(const void *key, const void *entry)
{
	const unsigned int *ifindex = key;
	const struct host_link *link = entry;

	return (*ifindex > link->ifindex) - (*ifindex < link->ifindex);
}

struct host_link *host_link_by_index_mutable(struct host *host, unsigned int ifindex)
{
	if (!host->n_links)
		return NULL;
	return bsearch(&ifindex, host->links, host->n_links, sizeof(*host->links), compare_index);
}

const struct host_link *host_link_by_index(const struct host *host, unsigned int ifindex)
{
	return host_link_by_index_mutable((struct host *)host, ifindex);
}

bool host_link_is_ethernet(const struct host_link *link)
{
	/* Loopback frames have an Ethernet header too, of zeros. */
	return link->arphrd == ARPHRD_ETHER || link->arphrd == ARPHRD_LOOPBACK;
}

unsigned char host_address_family(const struct edge53_addr *address)
{
	return addr_is_ipv4(address) ? AF_INET : AF_INET6;
}

void host_put_address(struct nlmsghdr *request, uint16_t type, const struct edge53_addr *address)
{
	if (addr_is_ipv4(address))
		mnl_attr_put(request, type, 4, address->bytes + 12);
	else
		mnl_attr_put(request, type, 16, address->bytes);
}

int host_address_from(const void *bytes, size_t len, unsigned char family, struct edge53_addr *ret)
{
	if (family == AF_INET && len == 4) {
		*ret = addr_from_ipv4(bytes);
		return 0;
	}
	if (family == AF_INET6 && len == 16) {
		memcpy(ret->bytes, bytes, 16);
		return 0;
	}
	return -EBADMSG;
}

int host_get_address(const struct nlattr *attribute, unsigned char family, struct edge53_addr *ret)
{
	return host_address_from(mnl_attr_get_payload(attribute),
				 mnl_attr_get_payload_len(attribute), family, ret);
}

int host_probe_neighbour(unsigned int ifindex, const struct edge53_addr *address)
{
	_cleanup_(netlink_freep) struct netlink *route = NULL;
	unsigned short state;
	struct nlmsghdr *request;
	struct ndmsg *neighbour;
	int r;

	r = netlink_open(NETLINK_ROUTE, &route);
	if (r < 0)
		return r;
	/*
	 * NTF_USE takes NUD_PERMANENT away (__neigh_update(), since 5.16), and an entry that the
	 * operator wrote is not ours to change. It needs no probe either.
	 */
	r = host_read_neighbour(route, ifindex, address, &state, NULL, NULL);
	if (!r && (state & (NUD_PERMANENT | NUD_NOARP)))
		return 0;
	if (r < 0 && route->broken)
		return r;

	request = netlink_request(route, RTM_NEWNEIGH, NLM_F_CREATE);
	neighbour = mnl_nlmsg_put_extra_header(request, sizeof(*neighbour));
	neighbour->ndm_family = host_address_family(address);
	neighbour->ndm_ifindex = ifindex;
	neighbour->ndm_state = NUD_NONE;
	neighbour->ndm_flags = NTF_USE;
	host_put_address(request, NDA_DST, address);
	return netlink_talk(route, NULL);
}

int host_netns_cookie(unsigned long long *ret)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned long long cookie;
	socklen_t len = sizeof(cookie);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0)
		return -errno;
	if (len != sizeof(cookie))
		return -EBADMSG;
	*ret = cookie;
	return 0;
}
