/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Worlds and packets at random. All of it comes from one seed, so that a run can be had again; the
 * packets also depend on what the model knows (the ports of live queries and connections), which
 * depends on the seed alone.
 */
#ifndef EDGE53_MODEL_GENERATE_H
#define EDGE53_MODEL_GENERATE_H

#include "model.h"

/* Which programs a world is about, and where they are. */
struct way {
	const char *name;
	enum test_program query, reply;
	bool client_is_l3, backend_is_l3, is_enforce, is_guard;
};

/* One packet, and where it is seen. */
struct event {
	enum test_program program;
	enum test_device device;
	struct surroundings around;
	struct frame frame;
	__u64 older_ns; /* so much time passes before it */
};

void random_seed(__u64 seed);
__u32 random_below(__u32 n);
/* True once in n. */
bool one_in(unsigned n);

void random_setup(const struct way *way, struct setup *setup);
/* What the operator may change while connections live. */
void random_reload(struct setup *setup);
void random_event(const struct way *way, const struct model *model, struct event *event);

#endif
