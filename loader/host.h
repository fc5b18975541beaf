/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host as the kernel tells it over netlink: a snapshot of links, addresses, routes and
 * neighbours, and a socket that says when to take the next one. Reads only; changes nothing but
 * neighbour probes.
 */
#ifndef EDGE53_HOST_H
#define EDGE53_HOST_H

#include <net/if.h>

#include "util.h"

struct host_link {
	unsigned int ifindex;
	char name[IFNAMSIZ];
	unsigned short arphrd; /* ARPHRD_* of linux/if_arp.h */
	char kind[16];	       /* IFLA_INFO_KIND: "veth", "wireguard", "tun", "ppp"; "" for hardware */
	unsigned int flags;    /* IFF_* */
	unsigned int mtu;      /* bytes */
	unsigned char mac[6];
	bool has_mac;
	bool is_default_route; /* carries a default route of the main table, of either family */
	bool knows_xdp_features; /* the kernel has netdev genetlink (6.3) and answered for this link */
	unsigned long long xdp_features; /* NETDEV_XDP_ACT_* of linux/netdev.h */
	bool has_xdp; /* some XDP program is attached */
	/* Why ours cannot be, as far as is known; the kernel does not say: attach.h does. */
	const char *why_no_xdp;
	unsigned int rp_filter; /* net.ipv4.conf.NAME.rp_filter; the larger of it and of "all" holds */
	const char *bundles_udp; /* the offload that makes one packet of several queries, or NULL */
};

struct host_address {
	unsigned int ifindex;
	struct edge53_addr address;
	unsigned int prefix_len; /* 0..32 for IPv4, 0..128 for IPv6 */
	unsigned char scope;	 /* RT_SCOPE_* */
	bool is_tentative; /* IPv6: not known yet to be nobody else's (RFC 4862 5.4) */
	bool is_temporary; /* IPv6: for privacy, and gone tomorrow (RFC 8981) */
};

/* How the host would send to a target, and the neighbour that this needs. */
struct host_route {
	struct edge53_addr target;
	unsigned int oif_required; /* what was asked for; 0: any device */
	bool reachable;		   /* false: the fields below mean nothing */
	bool is_local;		   /* the target is an address of this host */
	bool by_default;	   /* only a default route leads there, and no device was asked for */
	unsigned int ifindex;
	struct edge53_addr source;  /* address the host would use; zero when the kernel names none */
	struct edge53_addr nexthop; /* gateway, or the target itself */
	bool neighbour_known;	    /* mac may be used now (NUD_VALID) */
	bool neighbour_stale;	    /* known, but worth a probe */
	unsigned char mac[6];
};

struct host {
	struct host_link *links; /* sorted by ifindex */
	size_t n_links;
	struct host_address *addresses;
	size_t n_addresses;
	struct host_route *routes; /* one per question, in the order asked */
	size_t n_routes;
	unsigned int rp_filter_all; /* net.ipv4.conf.all.rp_filter */
};

/* A target whose route is wanted; tunnel: through this device only ("" for any). */
struct host_question {
	struct edge53_addr target;
	char tunnel[IFNAMSIZ];
};

/*
 * Takes a snapshot of the current network namespace. Owned by the caller (host_free()).
 * A question whose device is missing or whose target has no route is answered with reachable=false.
 * Negative errno when netlink itself fails; a dump interrupted by changes is repeated.
 */
int host_read(const struct host_question *questions, size_t n_questions, struct host **ret);
void host_free(struct host *host);

static inline void host_freep(struct host **host)
{
	host_free(*host);
}

/* NULL when there is no such link. */
const struct host_link *host_link_by_name(const struct host *host, const char *name);
const struct host_link *host_link_by_index(const struct host *host, unsigned int ifindex);

/* Whether frames of this link begin with an Ethernet header. */
bool host_link_is_ethernet(const struct host_link *link);

/* Asks the kernel to resolve or re-confirm a neighbour (NTF_USE). Returns 0 or negative errno. */
int host_probe_neighbour(unsigned int ifindex, const struct edge53_addr *address);

/*
 * Identifies the network namespace of this process (SO_NETNS_COOKIE). Returns 0 or negative errno.
 */
int host_netns_cookie(unsigned long long *ret);

/* What has to be read again; what became of it is not known. */
#define HOST_MAX_CHANGED 64
struct host_changes {
	bool all; /* at first, and when messages were lost */
	bool default_routes;
	unsigned int devices[HOST_MAX_CHANGED]; /* their links, features, offloads and addresses */
	size_t n_devices;
};

/*
 * Netlink sockets that become readable when links, addresses, routes or neighbours change, or the XDP features
 * of devices: a veth whose peer turns GRO off takes no frames from XDP any more.
 */
struct host_watch {
	int route_fd;
	int features_fd; /* -1: this kernel does not tell (before 6.3) */
	struct host_changes changes;
};

/* Returns 0 or negative errno. The watch can be closed in either case. */
int host_watch_open(struct host_watch *watch);
void host_watch_close(struct host_watch *watch);

/*
 * Empties the sockets and notes what has to be read again. Returns 1 when something happened, also when messages
 * were lost (ENOBUFS), 0 when nothing did, or negative errno. Does not block.
 */
int host_watch_drain(struct host_watch *watch);

/*
 * Brings a snapshot up to date: reads again what has changed, and asks all questions anew. *host may be NULL: then,
 * and if anything is doubtful, everything is read. What happens after the last host_watch_drain() may or may not be
 * in it, and is noted by the next. On failure *host is NULL, and everything will be read again.
 */
int host_read_changes(struct host_changes *changes, const struct host_question *questions,
		      size_t n_questions, struct host **host);

#endif
