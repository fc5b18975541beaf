/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs of `edge53 explain` see of the running dataplane, and write to in its place. Tables that only the
 * loader writes are the live ones. All others are private: copied, or, where they are large, with the entries that the
 * packet needs. The live maps are never written to.
 */
#ifndef EDGE53_EXPLAIN_STATE_H
#define EDGE53_EXPLAIN_STATE_H

#include <bpf/libbpf.h>

#include "edge53_steps.h"
#include "explain_decode.h"

struct explain_state;

/*
 * Between opening and loading an object: gives its maps their shape, and its constants the values that the live program
 * was loaded with. The object must outlive the state. Returns 0; -ENOENT: a map is not pinned any more; -EPROTO: the
 * live program or its maps are of another version; or another negative errno.
 */
int explain_state_prepare(struct bpf_object *object, int live_program_fd,
			  struct explain_state **ret);

/* After loading: takes the copies. view: the packet, whose sender or receiver may be a client of `return`. */
int explain_state_take(struct explain_state *state, const struct explain_view *view);

/* Before each run: everything private is as it was taken. */
int explain_state_restore(struct explain_state *state);

/*
 * After a run: takes what it has missed. Returns how many entries are new, and then the packet has to be run anew; or
 * negative errno, -E2BIG: it wants ever more.
 */
int explain_state_fetch(struct explain_state *state, const struct edge53_trace *trace);

void explain_state_free(struct explain_state *state);

static inline void explain_state_freep(struct explain_state **state)
{
	explain_state_free(*state);
}

#endif
