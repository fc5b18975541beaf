/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * `edge53 run`: config → plan → apply, again whenever the host changes. Owns the event loop;
 * decides nothing about packets, devices or tables itself.
 */
#ifndef EDGE53_DAEMON_H
#define EDGE53_DAEMON_H

#include "attach.h"
#include "config.h"

/*
 * Loads or adopts the dataplane, applies the plan, and keeps it applied until SIGTERM or SIGINT,
 * which leave the dataplane running. Takes over *config, and reads config_path again on SIGHUP.
 * Returns an exit code of commands.h; the sentence for the operator has been logged.
 */
int daemon_run(const char *config_path, struct config **config, enum attach_tc tc);

/*
 * Snapshot and plan, as the daemon makes them; attachments is NULL where there is none yet. *host is NULL or an
 * older snapshot, of which only what has changed is read again. Returns 0 or negative errno, logged.
 */
int daemon_make_plan(const struct config *config, const struct attachments *attachments,
		     struct host_changes *changes, struct host **host, struct plan **ret_plan);

#endif
