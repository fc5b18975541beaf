/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plan → programs on devices: XDP and tcx links, pinned, or clsact filters where the kernel has no
 * tcx.
 *
 * What is attached outlives the loader. A link's pin, and for clsact a pin of the program under the
 * name of the hook, is the record of it; a later loader finds it there, puts its own program in
 * place of the old one, and takes away what its plan does not want.
 */
#ifndef EDGE53_ATTACH_H
#define EDGE53_ATTACH_H

#include "plan.h"

enum attach_program {
	PROGRAM_EDGE_XDP,
	PROGRAM_EDGE_XDP_GENERIC, /* stands in for it where XDP is generic */
	PROGRAM_EDGE_TC_L2,
	PROGRAM_EDGE_TC_L2_CHECKED,
	PROGRAM_EDGE_TC_L3,
	PROGRAM_ENFORCE_IN_L2,
	PROGRAM_ENFORCE_IN_L3,
	PROGRAM_ENFORCE_OUT_L2,
	PROGRAM_ENFORCE_OUT_L3,
	PROGRAM_GUARD_OUT_L2,
	PROGRAM_GUARD_OUT_L3,
	PROGRAM_RETURN_IN_L2,
	PROGRAM_RETURN_IN_L3,
	PROGRAM_RETURN_OUT_L2,
	PROGRAM_RETURN_OUT_L3,
	PROGRAM_COUNT,
};

/* Where programs come from. get() returns the descriptor of one, which stays theirs, or negative errno, logged. */
struct attach_programs {
	int (*get)(void *arg, enum attach_program program);
	void *arg;
};

enum attach_tc {
	ATTACH_TC_AUTO, /* tcx, else clsact */
	ATTACH_TC_CLSACT,
};

enum attach_xdp_mode {
	XDP_MODE_NONE,
	XDP_MODE_NATIVE,
	XDP_MODE_GENERIC,
};

struct attachments; /* what this loader knows to be attached */

int attachments_new(enum attach_tc tc, struct attachments **ret);
/* Forgets; detaches nothing. Accepts NULL. */
void attachments_free(struct attachments *attachments);

static inline void attachments_freep(struct attachments **attachments)
{
	attachments_free(*attachments);
}

/* The programs that attach_apply() and attach_apply_guard() of this plan ask for on devices that take them: 1 << enum attach_program. */
unsigned int attach_wanted(const struct plan *plan);

/*
 * Gives the devices what the plan wants, but for the guard, with programs of which each is asked for when
 * the first device wants it. A device that refuses a hook is logged once and tried again with retry; the others are attached
 * all the same. Returns the number of hooks that could not be attached, or negative errno when
 * nothing could be done at all.
 */
int attach_apply(struct attachments *attachments, const struct plan *plan,
		 const struct attach_programs *programs, bool retry);

/*
 * After that, of the same plan: attaches the guard, whose table by then says what is attached, and takes away what the
 * plan does not want. Returns as attach_apply().
 */
int attach_apply_guard(struct attachments *attachments, const struct plan *plan,
		       const struct attach_programs *programs);

/*
 * Counts the changes in how XDP is attached, a refusal included: what may be redirected from XDP
 * depends on it, and what attach_tell_host() has to say.
 */
unsigned int attach_xdp_changes(const struct attachments *attachments);

/* How XDP is attached to a device of the last attach_apply(). */
enum attach_xdp_mode attach_xdp_mode(const struct attachments *attachments, unsigned int ifindex);

/*
 * Tells the plan what the kernel does not: sets why_no_xdp of the links that another program holds,
 * or that refused ours. attachments is NULL before anything was tried.
 */
void attach_tell_host(const struct attachments *attachments, struct host *host);

/* Whether queries and replies of a client's device run through enforce programs. */
bool attach_enforces(const struct attachments *attachments, unsigned int ifindex);

/* Whether both have run: before, nothing is known of what an earlier loader attached. */
bool attach_has_applied(const struct attachments *attachments);

/*
 * From now on what an earlier loader attached stays behind ours where replies come by, for the flows that only it
 * knows; called before attach_apply(). Not XDP: what it does not know it passes to tc.
 */
void attach_keep_old(struct attachments *attachments);

/* Takes that away, also what another loader has kept so. Returns whether there was any. */
bool attach_end_old(struct attachments *attachments);

enum attach_record {
	ATTACHED_INGRESS = 1 << 0,
	ATTACHED_EGRESS = 1 << 1,
	ATTACHED_RETURN_IN = 1 << 2,
	ATTACHED_RETURN_OUT = 1 << 3,
};

/* What is on record as attached at tc of a device, by whichever loader: enum attach_record. */
unsigned int attach_records(const char *ifname, unsigned int ifindex);

/*
 * Detaches everything that has a record, also what a dead loader left. clsact qdiscs go when we
 * made them and nobody else uses them. Returns 0, or the first error after having tried all.
 */
int attach_remove_all(void);

#endif
