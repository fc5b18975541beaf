/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plan → entries of frontends, services, backends, devices, exempt, doh, keep_source, rate_limits, response_limits,
 * returns, returns_by_device and guard.
 *
 * Flows in the kernel refer to services, backends and devices by number, so a number stays with its
 * name or address for as long as the state lives, also across loaders: what is in the maps is read
 * first, and only the rest gets new numbers. Used by dataplane.c only.
 */
#ifndef EDGE53_TABLES_H
#define EDGE53_TABLES_H

#include "attach.h"
#include "plan.h"

struct tables_fds {
	int frontends;
	int revision;
	int services;
	int backends;
	int devices;
	int exempt;
	int doh;
	int keep_source;
	int rate_limits;
	int tcp_limits;
	int response_limits;
	int returns;
	int returns_by_device;
	int guard;
};

struct tables;

/* Reads what is in the maps. The descriptors stay the caller's. */
int tables_open(const struct tables_fds *fds, struct tables **ret);
void tables_free(struct tables *tables);

/* Writes what differs, in an order in which no packet meets an entry that is not there yet. */
int tables_sync(struct tables *tables, const struct plan *plan,
		const struct attachments *attachments);

/* The number of a backend that is in the tables; 0: it is not. */
unsigned int tables_find_backend(const struct tables *tables, const struct plan_service *service,
				 const struct plan_backend *backend);

/*
 * Whether what is in the tables lets queries past a service (on_down: pass), since they have none of the backends
 * that this one cannot use. Before tables_sync(): what an earlier loader has left.
 */
bool tables_pass(const struct tables *tables, const struct plan_service *service);

/*
 * Writes what the guard does with packets of each device: nothing where the plan's hooks are
 * attached. After tables_sync() of the same plan.
 */
int tables_sync_guard(struct tables *tables, const struct plan *plan,
		      const struct attachments *attachments);

#endif
