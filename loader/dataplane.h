/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The BPF object: load or adopt, and plan → map entries. dataplane.c alone sees the skeleton.
 */
#ifndef EDGE53_DATAPLANE_H
#define EDGE53_DATAPLANE_H

#include "attach.h"
#include "config.h"
#include "plan.h"

struct dataplane;

/* What libbpf says goes to the log from now on, to be seen with -v. dataplane_open() does so, too. */
void dataplane_log_libbpf(void);

/*
 * Makes the tables. State that an earlier loader left pinned is adopted when it was made with the
 * same limits, in this network namespace, and by a version with the same layout; else as much of it as is not
 * concerned, the rest is replaced, and the log says why. Call with the lock of pins.h held. On failure the sentence
 * has been logged.
 */
int dataplane_open(const struct config_limits *limits, struct dataplane **ret);

/* Whether an earlier loader, of whatever version, left a whole set of maps. */
bool dataplane_is_pinned(void);

/* Closes descriptors; pinned state stays. Accepts NULL. */
void dataplane_close(struct dataplane *dataplane);

static inline void dataplane_closep(struct dataplane **dataplane)
{
	dataplane_close(*dataplane);
}

/*
 * Pins the maps of a new dataplane. Called when it is attached: until then `status` says "not
 * loaded", and a loader that dies leaves what was before for the next one to adopt. Returns 0 or
 * negative errno, logged.
 */
int dataplane_commit(struct dataplane *dataplane);

/* Notes, for other processes, that what the host was at this time (CLOCK_MONOTONIC) has been applied. */
int dataplane_note_look(struct dataplane *dataplane, unsigned long long looked_ns);

/* No earlier loader's programs are at work any more. */
void dataplane_forget_old(const struct dataplane *dataplane);

/* Whether queries or connections of an earlier loader's are known to its programs only. */
bool dataplane_replaces_flows(const struct dataplane *dataplane);

/* For attach_apply(): each is loaded when it is first asked for, and stays until dataplane_close(). */
struct attach_programs dataplane_programs(struct dataplane *dataplane);

/*
 * Loads programs (1 << enum attach_program) before somebody asks for them: the verifier takes a while, and what cannot be
 * loaded is known before anything is changed. 0 or negative errno, logged.
 */
int dataplane_load(struct dataplane *dataplane, unsigned int wanted);

/* Bytes of kernel memory that slots, connections and clients take. */
unsigned long long dataplane_memory(const struct dataplane *dataplane);

/*
 * Makes the tables match the plan: ids of what was there before stay, as flows refer to them.
 * attachments says how XDP is attached (what may be redirected from XDP depends on it).
 */
int dataplane_sync(struct dataplane *dataplane, const struct plan *plan,
		   const struct attachments *attachments);

/*
 * Whether the tables let queries past a service for want of the backends that the plan cannot use, either. Before the
 * first dataplane_sync(): what an earlier loader has decided.
 */
bool dataplane_passes(const struct dataplane *dataplane, const struct plan_service *service);

/*
 * Makes the guard's table match the plan and what is attached of it. Before hooks are taken away and
 * after they are attached, so that at no moment a device counts as enforced that is not.
 */
int dataplane_sync_guard(struct dataplane *dataplane, const struct plan *plan,
			 const struct attachments *attachments);

/* The number of a backend of the last plan that was synced, or of the adopted state; 0: it has none. */
unsigned int dataplane_find_backend(const struct dataplane *dataplane,
				    const struct plan_service *service,
				    const struct plan_backend *backend);

/* What is known of a backend's health, by its number, and what was counted. 0 or negative errno. */
int dataplane_read_health(const struct dataplane *dataplane, unsigned int backend,
			  struct edge53_health *ret);
int dataplane_write_health(struct dataplane *dataplane, unsigned int backend,
			   const struct edge53_health *health);
int dataplane_read_traffic(const struct dataplane *dataplane, unsigned int backend,
			   struct edge53_traffic *ret);

/* The map whose pin says that the set of pinned maps is whole (pins_commit()); removed first. */
#define DATAPLANE_COMMIT_RECORD "geometry"

/* Descriptors of what `export.dnstap` needs; valid until dataplane_close(). */
struct dataplane_samples {
	int sampling; /* may be mapped: struct edge53_sampling */
	int events;
	int dnstap;
	struct edge53_client_prefix client_prefix; /* of addresses that are let out */
};
struct dataplane_samples dataplane_samples(const struct dataplane *dataplane);

/* The pin of the programs' variable `sampling`. */
#define DATAPLANE_SAMPLING "sampling"

#endif
