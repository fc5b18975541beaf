/* SPDX-License-Identifier: GPL-2.0-only */
/* The books that cases.c keeps about a story, to hold against those of the dataplane. */
#ifndef EDGE53_TEST_BOOKS_H
#define EDGE53_TEST_BOOKS_H

#include "cases.h"

struct model {
	const struct path *path;
	struct counters counters;
	struct edge53_addr clients[CLIENTS];
	struct edge53_slot *slots;
	struct edge53_conn conns[CONNS];
	__u64 next_slot;
};

/* Where IP starts in the frame of a step, before and after. */
unsigned l3_of_incoming(const struct path *path, const struct step *step);
unsigned l3_of_outgoing(const struct path *path, const struct step *step);

/* Enters what the step should change. out: the frame as expected. */
void expect_step(struct model *model, const struct step *step, enum test_program program,
		 const struct frame *in_frame, const struct frame *out_frame);

/* Each says what differs. */
bool complain(const char *what, long long got, long long expected);
bool same_counters(const struct counters *expected);
bool same_slots(struct model *model);
bool same_conns(struct model *model, const struct step *step);

#endif
