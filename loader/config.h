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

#include "dns_message.h"
#include "util.h"

/* Negated among other negative errno: what the file wants cannot be, and that has been said. EXIT_USAGE in the end. */
#define EWRONGCONFIG EBADRQC

enum config_policy {
	POLICY_PASS,
	POLICY_DROP,
	POLICY_REJECT,
	POLICY_SERVFAIL,
	POLICY_REDIRECT,
	POLICY_COUNT,
	POLICY_OFF,
	POLICY_TRUNCATE,
};

/* How a backend is told who the client is. */
enum config_client_ip {
	CLIENT_IP_NONE,
	CLIENT_IP_PROXY_V2,
};

struct config_backend {
	struct edge53_addr address;
	unsigned int udp_port; /* 0: this backend takes no UDP */
	unsigned int tcp_port; /* 0: this backend takes no TCP */
	unsigned int weight;   /* from 1 */
};

/* What the servers of a service are asked, and when one counts as dead or alive. */
struct config_health {
	bool is_off;
	bool is_written;   /* else these are defaults, by which nobody is dead who never answered */
	bool has_question; /* the file's, which has an answer: SERVFAIL is none */
	struct dns_question question;
	unsigned int interval_ms; /* between two questions, and how long an answer may take */
	unsigned int rise;	  /* good answers in a row, until it is alive again */
	unsigned int fall;	  /* failures in a row, until it is dead */
};

/* How many queries by UDP a prefix may send. */
struct config_rate {
	unsigned int qps;		    /* 0: no limit */
	unsigned int burst;		    /* queries at once */
	enum config_policy over;	    /* POLICY_TRUNCATE (default) or POLICY_DROP */
	unsigned int slip;		    /* of what is over, one in so many is truncated */
	struct edge53_client_prefix prefix; /* which clients are one; neither is 0 */
	unsigned int
		proven_s; /* for so long after a TCP handshake there is no limit; 0: there is */
	struct edge53_prefix *exempt;
	size_t n_exempt;
};

/* How many connections by TCP a prefix may open, and have open. */
struct config_tcp_limit {
	unsigned int new_per_second; /* 0: any number */
	unsigned int burst;	     /* new ones at once */
	unsigned int open;	     /* 0: any number */
	unsigned int cookies_above; /* SYNs per second of who is not proven; 0: no cookies */
	struct edge53_client_prefix prefix;
	struct edge53_prefix *exempt;
	size_t n_exempt;
};

/* How many bytes by UDP are sent to a prefix. */
struct config_response {
	unsigned int bytes_per_second; /* 0: no limit */
	unsigned int burst; /* bytes at once */
	struct edge53_client_prefix prefix; /* as of a rate */
	unsigned int proven_s; /* as of a rate */
	struct edge53_prefix *exempt;
	size_t n_exempt;
};

struct config_edge {
	char *name;
	char *interface; /* name or glob */
	struct edge53_addr *addresses;
	size_t n_addresses;	       /* 0: all addresses of the interface */
	char *tunnel;		       /* NULL: ask the routing table */
	struct edge53_addr sources[2]; /* towards IPv4 and IPv6 backends; zero: the tunnel's own */
	struct config_backend *backends;
	size_t n_backends;
	struct edge53_prefix *keep_source; /* clients that are not hidden behind the source */
	size_t n_keep_source;
	enum config_client_ip client_ip_udp; /* CLIENT_IP_NONE is the default */
	enum config_client_ip client_ip_tcp;
	enum config_policy on_down; /* POLICY_PASS, POLICY_DROP or POLICY_SERVFAIL */
	struct config_health health;
	struct config_rate rate;
	struct config_tcp_limit tcp;
	struct config_response response;
	enum config_policy any; /* POLICY_PASS (default) or POLICY_TRUNCATE */
};

/* Sorted, none twice; see config_prefixes.h. */
struct config_doh {
	struct edge53_prefix *prefixes;
	size_t n_prefixes;
	char *file;		   /* NULL: none. config_load() has added what is in it */
	unsigned int file_line;	   /* where it is named */
	enum config_policy action; /* POLICY_REJECT (default) or POLICY_DROP */
};

struct config_enforce {
	char *name;
	char *interface;	      /* name or glob */
	struct edge53_addr resolver;  /* IPv4 */
	struct edge53_addr resolver6; /* zero: none */
	enum config_policy ipv6;  /* POLICY_DROP (default), _REDIRECT (has a resolver6) or _PASS */
	enum config_policy dot;	  /* POLICY_PASS (default), _DROP or _REJECT */
	enum config_policy guard; /* POLICY_COUNT (default), _DROP or _OFF */
	enum config_policy on_down; /* POLICY_PASS or POLICY_DROP */
	struct config_health health;
	struct config_response response;
	enum config_policy any; /* as of an edge */
	struct config_doh doh;
	struct edge53_prefix *exempt;
	size_t n_exempt;
};

/* On a backend's host. A tunnel may have several, as may an uplink. */
struct config_return {
	char *tunnel;
	char *uplink;
	unsigned int udp_port; /* 0: no UDP is returned */
	unsigned int tcp_port;
};

struct config_limits {
	unsigned int udp_slots; /* per CPU, power of two */
	unsigned int tcp_connections;
	unsigned int clients;
	unsigned int port_first;
	unsigned int port_last; /* inclusive */
	unsigned int udp_timeout_ms;
	unsigned int backend_udp_size; /* bytes of UDP payload, PROXY header included; 0: any */
	struct edge53_client_prefix client_prefix; /* neither is 0 */
};

/* export.dnstap: neither socket nor file: off. */
struct config_dnstap {
	char *socket;
	char *file;
	char *identity;	     /* NULL: the host's name; "": none */
	unsigned int sample; /* one message in so many, from 1 */
};

/* The exporter of Prometheus. */
struct config_metrics {
	struct edge53_addr address; /* to listen at; zero, of either family: all of the host's */
	unsigned int port;	    /* 0: off */
	unsigned int top_clients;   /* who get series of their own; 0: nobody */
};

struct config_export {
	struct config_metrics metrics;
	struct config_dnstap dnstap;
};

struct config {
	struct config_edge *edges;
	size_t n_edges;
	struct config_enforce *enforces;
	size_t n_enforces;
	struct config_return *returns;
	size_t n_returns;
	struct config_limits limits;
	struct config_export export;
};

/*
 * Reads and checks a file. On success *ret is owned by the caller (config_free()). On failure the
 * sentence for the operator has been logged, with file, line, key, value and what would be right:
 * -ENOENT and friends when the file cannot be read, -EPERM when others could write it or a list that it names
 * (trusted.h), -EINVAL when its content is wrong.
 */
int config_load(const char *path, struct config **ret);

/*
 * The same for text in memory; name stands for the file in messages. Opens no other file: of
 * `doh.file` only the name is kept.
 */
int config_parse(const char *name, const char *text, size_t text_len, struct config **ret);

/* Whether anything is limited. */
bool has_tcp_limit(const struct config_tcp_limit *limit);

/* Accepts NULL. */
void config_free(struct config *config);

static inline void config_freep(struct config **config)
{
	config_free(*config);
}

#endif
