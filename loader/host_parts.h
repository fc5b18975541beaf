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

/* The same for one device, or few: of 4,000 that is a thousandth of the work. One that is gone adds nothing. */
int host_read_link(struct netlink *route, struct host *host, unsigned int ifindex);
int host_read_some_xdp_features(struct host *host);
int host_read_addresses_of(struct netlink *route, struct host *host, unsigned int ifindex);

/* Sets is_default_route of the links. */
int host_read_default_routes(struct netlink *route, struct host *host);

/* Answers host->routes[*], needs links and addresses. */
int host_answer(struct netlink *route, struct host *host, const struct host_question *questions);
int host_ask(struct netlink *route, struct host *host, const struct host_question *questions,
	     size_t n_questions);

/* -EOPNOTSUPP: the kernel does not tell of XDP features (before 6.3). */
int host_watch_features_open(void);

/* The device that a message of it is about, or NULL. */
const struct nlattr *host_netdev_ifindex(const struct nlmsghdr *message);

/* Notes what a datagram says has changed, of a watch's socket. */
void host_note(struct host_changes *changes, bool is_generic, const void *datagram, size_t len);

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
