/* SPDX-License-Identifier: GPL-2.0-only */
/* The parts of a snapshot, for host*.c only. Each returns 0 or negative errno. */
#ifndef EDGE53_HOST_PARTS_H
#define EDGE53_HOST_PARTS_H

#include "host.h"
#include "netlink.h"

int host_read_links(struct netlink *route, struct host *host);
int host_read_xdp_features(struct host *host);
int host_read_offloads(struct host *host);
int host_read_addresses(struct netlink *route, struct host *host);

/* Sets is_default_route of the links. */
int host_read_default_routes(struct netlink *route, struct host *host);

/* Answers host->routes[*], needs links and addresses. */
int host_answer(struct netlink *route, struct host *host, const struct host_question *questions);

/* NUD_* of a neighbour and, if mac is given and the kernel knows it, its mac; -ENOENT: none. */
int host_read_neighbour(struct netlink *route, unsigned int ifindex,
			const struct edge53_addr *address, unsigned short *ret_state,
			unsigned char *ret_mac, bool *ret_has_mac);

/* An address as netlink carries it: 4 or 16 bytes, family AF_INET or AF_INET6. */
unsigned char host_address_family(const struct edge53_addr *address);
void host_put_address(struct nlmsghdr *request, uint16_t type, const struct edge53_addr *address);

/* -EBADMSG when the length does not fit the family. */
int host_get_address(const struct nlattr *attribute, unsigned char family,
		     struct edge53_addr *ret);
int host_address_from(const void *bytes, size_t len, unsigned char family,
		      struct edge53_addr *ret);

struct host_link *host_link_by_index_mutable(struct host *host, unsigned int ifindex);

#endif
