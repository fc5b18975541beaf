/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What `edge53 status` knows, as metrics. How many series there are does not depend on traffic, nor on how many
 * clients' devices there are: docs/metrics.md.
 */
#ifndef EDGE53_METRICS_TEXT_H
#define EDGE53_METRICS_TEXT_H

#include <stdio.h>

#include "status.h"

/*
 * Writes all metrics of a status that was gathered; the top_clients with the most queries by their addresses.
 * Returns 0 or negative errno.
 */
int metrics_text(const struct status *status, unsigned int top_clients, FILE *out);

#endif
