/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * There and back is the identity, whatever the model thinks: a query that went out comes back from
 * the backend as its own answer, and what the client gets is the query again, turned round.
 */
#ifndef EDGE53_MODEL_IDENTITY_H
#define EDGE53_MODEL_IDENTITY_H

#include "generate.h"

/* `sent` is what a program made of a query. False: there is no answering this one. */
bool echo(const struct way *way, const struct frame *query, const struct frame *sent,
	  unsigned query_l3, unsigned sent_l3, struct event *answer);

/* Says what is not the same. */
bool is_turned_round(const struct frame *query, unsigned query_l3, const struct frame *received,
		     unsigned received_l3, bool is_translated);

#endif
