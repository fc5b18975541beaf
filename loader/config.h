/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration file, as written by the operator: /etc/edge53/edge53.yaml → struct config.
 *
 * Knows YAML and what a value may be; knows nothing of the kernel, BPF or the state of the host, so
 * it is tested and fuzzed without root. Whether a thing exists is the plan's question.
 */
#ifndef EDGE53_CONFIG_H
#define EDGE53_CONFIG_H

#include <net/if.h>

#include "util.h"

enum config_policy {
	POLICY_PASS,
	POLICY_DROP,
	POLICY_REJECT,
	POLICY_SERVFAIL,
	POLICY_REDIRECT,
};

struct config_backend {
	struct edge53_addr address;
	unsigned int udp_port; /* 0: this backend takes no UDP */
	unsigned int tcp_port; /* 0: this backend takes no TCP */
	unsigned int weight;   /* from 1 */
};

struct config_edge {
	char *name;
	char *interface; /* name or glob */
	struct edge53_addr *addresses;
	size_t n_addresses; /* 0: all IPv4 addresses of the interface */
	char *tunnel;	    /* NULL: ask the routing table */
	bool has_source;
	struct edge53_addr source; /* else: the tunnel's own */
	struct config_backend *backends;
	size_t n_backends;
	enum config_policy on_down; /* POLICY_PASS or POLICY_DROP */
};

struct config_enforce {
	char *name;
	char *interface; /* name or glob */
	struct edge53_addr resolver;
	enum config_policy ipv6;    /* POLICY_DROP (default) or POLICY_PASS */
	enum config_policy dot;	    /* POLICY_PASS (default) or POLICY_DROP */
	enum config_policy on_down; /* POLICY_PASS or POLICY_DROP */
	struct edge53_prefix *exempt;
	size_t n_exempt;
};

struct config_limits {
	unsigned int udp_slots;	      /* per CPU, power of two */
	unsigned int tcp_connections;
	unsigned int clients;
	unsigned int port_first;
	unsigned int port_last;	      /* inclusive */
	unsigned int udp_timeout_ms;
};

struct config {
	struct config_edge *edges;
	size_t n_edges;
	struct config_enforce *enforces;
	size_t n_enforces;
	struct config_limits limits;
};

/*
 * Reads and checks a file. On success *ret is owned by the caller (config_free()). On failure the
 * sentence for the operator has been logged, with file, line, key, value and what would be right:
 * -ENOENT and friends when the file cannot be read, -EINVAL when its content is wrong.
 */
int config_load(const char *path, struct config **ret);

/* The same for text in memory; name stands for the file in messages. */
int config_parse(const char *name, const char *text, size_t text_len, struct config **ret);

/* Accepts NULL. */
void config_free(struct config *config);

static inline void config_freep(struct config **config)
{
	config_free(*config);
}

#endif
