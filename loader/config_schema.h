/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which keys there are, and where: the schema for libcyaml, and the configuration as it fills it
 * in, every value still the text that was written. NULL where a key is absent.
 *
 * `address`, `source`, `keep_source`, `exempt`, `doh.addresses`, `client_ip` and `health` are not here: they
 * take more than one form, which no libcyaml schema can say. config.c reads them from the tree.
 */
#ifndef EDGE53_CONFIG_SCHEMA_H
#define EDGE53_CONFIG_SCHEMA_H

#include "config_tree.h"

struct raw_backend {
	char *address;
	char *udp;
	char *tcp;
	char *weight;
};

/* Lengths of prefixes. */
struct raw_bits {
	char *ipv4;
	char *ipv6;
};

struct raw_rate {
	char *qps;
	char *burst;
	char *over;
	char *slip;
	char *proven;
	struct raw_bits prefix;
};

struct raw_syn_cookies {
	char *above;
};

struct raw_tcp_limit {
	char *new_per_second;
	char *burst;
	char *open;
	struct raw_syn_cookies syn_cookies;
	struct raw_bits prefix;
};

struct raw_response {
	char *bytes_per_second;
	char *burst;
	char *proven;
	struct raw_bits prefix;
};

struct raw_edge {
	char *name;
	char *interface;
	char *tunnel;
	struct raw_backend *backends;
	unsigned int backends_count;
	char *on_down;
	char *any;
	struct raw_rate rate_limit;
	struct raw_tcp_limit tcp_limit;
	struct raw_response response_limit;
};

struct raw_doh {
	char *file;
	char *action;
};

struct raw_enforce {
	char *name;
	char *interface;
	char *resolver;
	char *resolver6;
	char *ipv6;
	char *dot;
	struct raw_doh doh;
	char *guard;
	char *on_down;
	char *any;
	struct raw_response response_limit;
};

struct raw_return {
	char *tunnel;
	char *uplink;
	char *udp;
	char *tcp;
};

struct raw_limits {
	char *udp_slots;
	char *tcp_connections;
	char *clients;
	char *ports;
	char *udp_timeout;
	char *backend_udp_size;
	struct raw_bits client_prefix;
};

struct raw_dnstap {
	char *socket;
	char *file;
	char *sample;
	char *identity;
};

struct raw_export {
	char *metrics;
	char *top_clients;
	struct raw_dnstap dnstap;
};

struct raw_config {
	struct raw_edge *edge;
	unsigned int edge_count;
	struct raw_enforce *enforce;
	unsigned int enforce_count;
	struct raw_return *returns;
	unsigned int returns_count;
	struct raw_limits limits;
	struct raw_export export;
};

/*
 * Says what in the tree is at the wrong place: unknown keys, keys given twice,
 * a list where a value belongs. Returns 0, or -EINVAL after logging.
 */
int schema_check(struct config_tree *tree);

/*
 * Reads text into *ret (schema_free()). After schema_check() of the same text only memory can fail
 * it; whatever libcyaml has to say is logged as one sentence with file and line.
 */
int schema_read(const char *name, const char *text, size_t text_len, struct raw_config **ret);

/* Accepts NULL. */
void schema_free(struct raw_config *raw);

static inline void schema_freep(struct raw_config **raw)
{
	schema_free(*raw);
}

#endif
