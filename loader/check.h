/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `edge53 check`: what an expert would look at on this host. check_read*.c read facts, and change nothing;
 * check_*.c judge them, and are pure. What the plan found already is said by the plan.
 */
#ifndef EDGE53_CHECK_H
#define EDGE53_CHECK_H

#include <jansson.h>

#include "check_wireguard.h"
#include "config.h"
#include "findings.h"
#include "host.h"
#include "plan.h"
#include "probe.h"

#define CHECK_UNIT_LEN 64

/* A socket on port 53. */
struct check_listener {
	struct edge53_addr address; /* 0.0.0.0 or ::, too */
	bool is_tcp;
	bool is_ipv6_only;
	unsigned int ifindex; /* bound to a device; 0: to none */
	int pid;	      /* 0: not known */
	char process[16];
	char unit[CHECK_UNIT_LEN]; /* of systemd; "": none is known */
};

enum check_xdp_mode { CHECK_XDP_NONE, CHECK_XDP_NATIVE, CHECK_XDP_GENERIC, CHECK_XDP_OFFLOADED };

/* The program on a device, ours or another. */
struct check_xdp {
	enum check_xdp_mode mode;
	unsigned int program_id; /* 0: several, or not told */
	unsigned int link_id;	 /* 0: no bpf_link holds it */
	char program[16];	 /* "": not told */
};

/* How the kernel would send to an address. */
struct check_path {
	bool is_known;
	unsigned int ifindex;
	unsigned int mtu; /* of the path, where the kernel has one for it; 0: that of the device */
};

/* A tunnel that may be WireGuard's. */
struct check_tunnel {
	char name[IFNAMSIZ];
	bool is_wireguard;
	int error; /* negative errno: the device could not be asked */
	struct wg_device device;
	struct check_path *endpoint_paths; /* one a peer */
	char path[64];			   /* of wg-quick's file */
	int file_error;			   /* other than -ENOENT: it could not be read */
	struct wg_names names;
};

/* IPv6 on a device, or "default": what devices to come will have. */
struct check_ipv6 {
	char name[IFNAMSIZ];
	bool is_known;
	bool is_disabled;
	bool forwards;
};

struct check_ports {
	bool is_known;
	unsigned int first; /* net.ipv4.ip_local_port_range */
	unsigned int last;
	char *reserved; /* net.ipv4.ip_local_reserved_ports, as it is written there */
};

#define CHECK_MAX_NAMESERVERS 8

struct check_facts {
	struct check_listener *listeners;
	size_t n_listeners;
	int listeners_error;
	struct check_ports ports;
	struct edge53_addr nameservers[CHECK_MAX_NAMESERVERS];
	struct check_path nameserver_paths[CHECK_MAX_NAMESERVERS];
	size_t n_nameservers;
	json_t *nft;		  /* NULL: see nft_why */
	char *nft_why;		  /* why there is no ruleset; NULL: nothing was asked */
	bool has_legacy_tables;	  /* of iptables' own, which nft does not show */
	struct check_xdp *xdp;	  /* one a device of the plan */
	struct check_path *paths; /* one a backend of the plan, service after service */
	struct check_tunnel *tunnels;
	size_t n_tunnels;
	struct check_ipv6 *ipv6; /* devices of enforce, and "default" */
	size_t n_ipv6;
};

/* What became of the questions to backends and resolvers. */
struct check_answers {
	struct probe probes[PROBE_MAX];
	size_t service_of[PROBE_MAX]; /* index in the plan */
	size_t n;
};

struct check {
	const char *config_path;
	const struct config *config;
	const struct host *host;
	const struct plan *plan;
	const struct check_facts *facts;
	const struct check_answers *answers; /* NULL: nobody was asked */
	struct findings *findings;	     /* is added to */
};

/* Reads all facts. Owned by the caller. Returns 0 or -ENOMEM: what cannot be read is a fact, too. */
int check_read(const struct config *config, const struct host *host, const struct plan *plan,
	       struct check_facts **ret);
void check_facts_free(struct check_facts *facts);

static inline void check_facts_freep(struct check_facts **facts)
{
	check_facts_free(*facts);
}

/* Says all there is to say, the plan's findings first. Returns 0 or -ENOMEM. */
int check_judge(const struct check *check);

/* Its parts. */
int check_answers(const struct check *check); /* check_answers.c */
int check_services(
	const struct check *check); /* check_services.c: devices, and whether anybody is served */
int check_xdp(const struct check *check);	  /* check_services.c */
int check_paths(const struct check *check);	  /* check_services.c: route and MTU to backends */
int check_ports(const struct check *check);	  /* check_services.c */
int check_ipv6(const struct check *check);	  /* check_services.c */
int check_tunnels(const struct check *check);	  /* check_tunnels.c */
int check_listeners(const struct check *check);	  /* check_sockets.c */
int check_nameservers(const struct check *check); /* check_sockets.c */
int check_filter(const struct check *check);	  /* check_filter.c: nftables */

/* check_sockets.c: the addresses behind "nameserver" in a resolv.conf. Returns how many there are. */
size_t check_parse_nameservers(const char *text, size_t len,
			       struct edge53_addr ret[static CHECK_MAX_NAMESERVERS]);

/* check_services.c: whether a list like "1-5,8080" has all of first..last; what is no list has nothing. */
bool check_ports_reserved(const char *list, unsigned int first, unsigned int last);

/* Whether an address is one of this host. */
bool check_is_local(const struct check *check, const struct edge53_addr *address);

/* check_answers.c: whether a server on port 53 answered, by UDP or TCP; whatever it said. */
bool check_has_answered(const struct check *check, const struct edge53_addr *server, bool is_tcp);

/*
 * check_read_answers.c: asks backends and resolvers. Takes as long as the slowest of them. Returns 0 or -ENOMEM; the
 * result is to be freed with free(), and points into the config, whose questions were asked.
 */
int check_read_answers(const struct plan *plan, const struct config_limits *limits,
		       struct check_answers **ret);

/* check_read_nft.c: the ruleset, or why there is none. Returns 0 or -ENOMEM. */
int check_read_nft(struct check_facts *facts);

/* check_read_wireguard.c: is the device WireGuard's, and what are its peers? Returns 0 or -ENOMEM. */
int check_read_tunnel(const struct host_link *link, struct check_tunnel *tunnel);

#endif
