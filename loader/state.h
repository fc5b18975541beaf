/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read-only view of a loaded dataplane, for status, clients and flows: opens the pinned maps, knows
 * neither the skeleton nor how anything is attached. Works beside a live daemon and without one.
 */
#ifndef EDGE53_STATE_H
#define EDGE53_STATE_H

#include "util.h"

struct state; /* open descriptors of the pinned maps */

/*
 * -ENOENT: nothing is loaded (exit code 3). -EPROTO: another layout version, or maps that
 * contradict it; the sentence has been logged. Other errors are the caller's to explain.
 */
int state_open(struct state **ret);
void state_close(struct state *state);

static inline void state_closep(struct state **state)
{
	state_close(*state);
}

const struct edge53_geometry *state_geometry(const struct state *state);

/* Who is or was in charge, as it wrote itself down. */
const struct edge53_loader *state_loader(const struct state *state);

/* Whether a live `edge53 run` holds the lock; *pid is who holds or held it. */
bool state_has_loader(const struct state *state, unsigned int *pid);

/* Entry `id` of the table; NULL when unused. Valid until state_close(). */
const struct edge53_service *state_service(struct state *state, unsigned int id);
const struct edge53_backend *state_backend(struct state *state, unsigned int id);
/* The same, also one that was removed from the configuration and still has flows. */
const struct edge53_backend *state_flow_backend(struct state *state, unsigned int id);
const struct edge53_device *state_device(struct state *state, unsigned int id);

/* What a service is limited to; NULL: not at all. Valid until state_close(). */
const struct edge53_rate_limit *state_rate_limit(struct state *state, unsigned int service);
const struct edge53_response_limit *state_response_limit(struct state *state, unsigned int service);

/* What the loader knows of a backend's health, or the last one knew. Valid until state_close(). */
const struct edge53_health *state_health(const struct state *state, unsigned int backend);

/* The ifindex of a return service's tunnel; 0: it is gone. */
unsigned int state_tunnel(struct state *state, unsigned int service);

/* Calls fn for each frontend, in no order. A nonzero return of fn ends the walk and is returned. */
typedef int (*state_frontend_fn)(const struct edge53_frontend_key *key,
				 const struct edge53_frontend *frontend, void *arg);
int state_walk_frontends(struct state *state, state_frontend_fn fn, void *arg);

/* The same for the guard's table; ifindex 0 stands for devices it does not know. */
typedef int (*state_guard_fn)(unsigned int ifindex, const struct edge53_guard *guard, void *arg);
int state_walk_guard(struct state *state, state_guard_fn fn, void *arg);

/* The same for ports of `return`; service: of a tunnel only. */
typedef int (*state_return_fn)(const struct edge53_return_key *key, unsigned int service, void *arg);
int state_walk_returns(struct state *state, state_return_fn fn, void *arg);

/* All clients that are counted by name, each once, in no order; *ret is the caller's to free(). */
int state_clients(struct state *state, struct edge53_client **ret, size_t *ret_n);

/* Sums over the possible CPUs. */
int state_backend_counters(struct state *state, unsigned int id, struct edge53_backend_counters *ret);
int state_reason_count(struct state *state, unsigned int service, enum edge53_reason reason,
		       unsigned long long *ret);
/* ages: the minimum. *overwritten: slots that were handed out anew, for the share of them; or NULL. */
int state_cpu_totals(struct state *state, struct edge53_cpu_state *ret,
		     unsigned long long *overwritten);

/*
 * What was sampled, and what the loader did with it for dnstap, since the maps were made. -ENOENT: the loader that made
 * them could not sample.
 */
int state_sample_counters(struct state *state, enum edge53_sample_reader reader,
			  struct edge53_sample_counters *ret);
int state_dnstap(struct state *state, struct edge53_dnstap *ret);

/* Descriptors for a reader of sampled names (sample_reader.h), which are the caller's. -ENOENT as above. */
int state_open_names(int *events_fd, int *sampling_fd);

/*
 * Calls fn for each UDP slot in use that is younger than max_age_us, then for each live TCP
 * connection. A nonzero return of fn ends the walk and is returned.
 */
typedef int (*state_slot_fn)(const struct edge53_slot *slot, unsigned int snat_port,
			     unsigned int snat_id, unsigned long long age_us, void *arg);
typedef int (*state_conn_fn)(const struct edge53_conn *conn, unsigned long long idle_ns, void *arg);
int state_walk_slots(struct state *state, unsigned long long max_age_us, state_slot_fn fn, void *arg);
int state_walk_conns(struct state *state, state_conn_fn fn, void *arg);

/* Name and sentence of a reason, "query_sent" and "UDP query rewritten ...". */
const char *reason_name(enum edge53_reason reason);
const char *reason_sentence(enum edge53_reason reason);
enum edge53_fate reason_fate(enum edge53_reason reason);

#endif
