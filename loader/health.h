/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks the servers of the plan whether they answer, and says so to the plan: sockets and timers in the daemon's
 * loop. What it knows is in the map `health`, too, for `edge53 status` and the next loader. health_state.h has the
 * rules.
 */
#ifndef EDGE53_HEALTH_H
#define EDGE53_HEALTH_H

#include <systemd/sd-event.h>

#include "dataplane.h"
#include "plan.h"

struct health;

/* Called from the loop when a server died or came back: a new plan is due. */
typedef void (*health_fn)(void *arg);

/*
 * limits: of the dataplane, until the end of which this lives. is_replacing: a dataplane was at work before, so that
 * resolvers of the first plan are taken for alive, as they were for that one, even if nothing of what it knew could be
 * kept. Returns 0 or negative errno; health_free() accepts NULL.
 */
int health_new(sd_event *event, struct dataplane *dataplane, const struct config_limits *limits,
	       bool is_replacing, health_fn on_change, void *arg, struct health **ret);
void health_free(struct health *health);

/*
 * From now on the servers of this plan are asked, by the way it has; and those that are dead are marked in it. A
 * server that is new to the dataplane is taken for alive, a resolver for dead until it answers; one that an earlier
 * loader knew for what it was; one that was not to be asked until now for alive.
 */
int health_update(struct health *health, struct plan *plan);

/* Writes all that is known to the map; after the dataplane has the plan, and with it numbers for its servers. */
void health_write(struct health *health);

/* Whether of each resolver something is known: before that, `enforce` does not know what to do. */
bool health_is_settled(const struct health *health);

#endif
