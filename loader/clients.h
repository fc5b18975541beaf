/* SPDX-License-Identifier: GPL-2.0-only */
/* Entries of the map `clients`, taken while the dataplane writes, and added up by client. Pure. */
#ifndef EDGE53_CLIENTS_LIST_H
#define EDGE53_CLIENTS_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "edge53_abi.h"

/* Copies an entry, whole; false: it is unused, or changes hands all the time. */
bool clients_take(const struct edge53_client *shared, struct edge53_client *ret);

/* Adds up the entries of one address. Sorts by address; returns how many there are. */
size_t clients_merge(struct edge53_client *clients, size_t n);

#endif
