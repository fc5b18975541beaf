/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The exporter of Prometheus: GET /metrics at `export.metrics`, from the loader's event loop.
 *
 * Whoever reaches the address may ask, so nobody there can hold up the loader: connections are few and short, and
 * what takes time, collecting the numbers, is done by a child that is started for it.
 */
#ifndef EDGE53_METRICS_H
#define EDGE53_METRICS_H

#include <errno.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "built_in.h"

struct metrics;

#if EDGE53_WITH_METRICS

/* Listens at nothing yet. Returns 0 or negative errno. */
int metrics_new(sd_event *event, struct metrics **ret);

/* Accepts NULL. Whoever waits for an answer waits in vain. */
void metrics_free(struct metrics *metrics);

/*
 * A new configuration, in two steps, as it may be refused in between. metrics_prepare() listens at its address, if it
 * is another one, besides the one before; negative errno when it cannot, which has been logged. metrics_commit() then
 * leaves the address before, where what was asked is answered still; metrics_abandon() leaves the new one.
 */
int metrics_prepare(struct metrics *metrics, const struct config_metrics *config);
void metrics_commit(struct metrics *metrics);
void metrics_abandon(struct metrics *metrics);

/* Once more after a start that went on without the address. Says something when it works only. */
void metrics_retry(struct metrics *metrics);

#else

/* Without it no configuration has `export.metrics`. */
static inline int metrics_new(sd_event *event, struct metrics **ret)
{
	(void)event;
	*ret = NULL;
	return 0;
}

static inline int metrics_prepare(struct metrics *metrics, const struct config_metrics *config)
{
	(void)metrics;
	return config->port ? -EOPNOTSUPP : 0;
}

static inline void metrics_free(struct metrics *metrics)
{
	(void)metrics;
}

static inline void metrics_commit(struct metrics *metrics)
{
	(void)metrics;
}

static inline void metrics_abandon(struct metrics *metrics)
{
	(void)metrics;
}

static inline void metrics_retry(struct metrics *metrics)
{
	(void)metrics;
}

#endif

static inline void metrics_freep(struct metrics **metrics)
{
	metrics_free(*metrics);
}

#endif
