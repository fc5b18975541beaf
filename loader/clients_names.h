/* SPDX-License-Identifier: GPL-2.0-only */
/* `edge53 clients --names`: what the busiest clients ask, for some seconds, from sampled queries. Keeps nothing. */
#ifndef EDGE53_CLIENTS_NAMES_H
#define EDGE53_CLIENTS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* top: clients to show; 0: what suits. Returns an exit code. */
int clients_names(unsigned int seconds, size_t top, bool as_json);

#endif
