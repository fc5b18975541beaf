/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `edge53 status` knows before it prints: the pinned state, and what is attached to the
 * devices. status.c gathers it and names things; status_text.c and status_json.c only print.
 */
#ifndef EDGE53_STATUS_H
#define EDGE53_STATUS_H

#include <linux/bpf.h>
#include <net/if.h>

#include "state.h"

struct frontend {
	struct edge53_frontend_key key;
	struct edge53_frontend value;
};

/* A port of `return`, on a tunnel or an uplink. */
struct return_port {
	struct edge53_return_key key;
	unsigned int service; /* of a tunnel only */
};

struct hook {
	char name[32]; /* "xdp", "tcx_ingress", "clsact_egress" ... */
	char device[IF_NAMESIZE];
	unsigned int ifindex; /* 0: gone, or (clsact) in a network namespace not ours */
	bool is_gone;
	unsigned int program_id;
	char program[BPF_OBJ_NAME_LEN]; /* the kernel keeps 15 bytes of it */
	const char *mode;		/* of XDP: "native", "generic" ...; else "" */
};

/* What the guard's table says. */
struct guard_counts {
	enum edge53_guard_policy policy; /* of devices it does not know; PASS: there is no guard */
	size_t n_devices;
	size_t n_unattached; /* clients' devices without hooks */
};

struct status {
	struct state *state;
	bool show_all;
	bool same_netns;	    /* else interface numbers mean nothing here */
	struct frontend *frontends; /* sorted by service and device */
	size_t n_frontends;
	struct return_port *return_ports; /* sorted by device */
	size_t n_return_ports;
	struct guard_counts guard;
	struct hook *hooks; /* sorted by device */
	size_t n_hooks;
};

/* Fills what stands beside status->state, which is open. Returns 0 or negative errno. */
int status_gather(struct status *status);

/* Closes the state too. */
void status_clear(struct status *status);

/* To stdout. Returns 0 or negative errno. */
int status_print_text(const struct status *status);
int status_print_json(const struct status *status);

#define DEVICE_TEXT_LEN (IF_NAMESIZE + 8)

/* Name of an interface, "#7" when it has none here, "-" for none. Returns buf. */
const char *device_text(const struct status *status, unsigned int ifindex,
			char buf[static DEVICE_TEXT_LEN]);
const char *frontend_device_text(const struct status *status, const struct frontend *frontend,
				 char buf[static DEVICE_TEXT_LEN]);
const char *kind_text(const struct edge53_service *service);
const char *fate_text(enum edge53_fate fate);

#define REFUSAL_TEXT_LEN (DEVICE_TEXT_LEN + 80)

/*
 * Why no connection of a service is opened although it has backends for TCP; empty when that is not
 * so. Returns buf.
 */
const char *tcp_refusal_text(const struct status *status, unsigned int service,
			     char buf[static REFUSAL_TEXT_LEN]);

/* Whether new queries may go to this backend. */
bool is_usable_udp(const struct status *status, unsigned int backend);
bool is_usable_tcp(const struct status *status, unsigned int backend);
/* Empty for a backend that is usable for either. */
const char *why_unusable(const struct status *status, unsigned int backend);
/*
 * A backend's health by one protocol: "up", "dead" ...; and what came of the last question, empty when none was
 * asked. Returns buf.
 */
#define PROBE_TEXT_LEN 96
const char *probe_state_text(const struct edge53_probe *probe);
const char *probe_result_text(const struct edge53_probe *probe, char buf[static PROBE_TEXT_LEN]);
/* How queries get to a backend. */
const char *path_text(const struct edge53_backend *backend);

/* What was configured: queries a second and at once, and the lengths of prefixes that share a limit. */
unsigned int limit_qps(const struct edge53_rate_limit *limit);
unsigned int limit_burst(const struct edge53_rate_limit *limit);
struct edge53_client_prefix limit_prefix(const struct edge53_addr masks[static 2]);

/* How much memory the state takes. */
struct memory {
	__u64 slots_bytes;
	__u64 conns_bytes;
	__u64 clients_bytes;
};
struct memory memory_of(const struct edge53_geometry *geometry);

void add_backend_counters(struct edge53_backend_counters *sum,
			  const struct edge53_backend_counters *value);

#endif
