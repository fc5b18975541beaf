/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A packet through the programs of a device, in the order of its hooks, by BPF_PROG_TEST_RUN: nothing is sent, and the
 * running dataplane's state stays as it is (explain_state.h).
 */
#ifndef EDGE53_EXPLAIN_RUN_H
#define EDGE53_EXPLAIN_RUN_H

#include "edge53_steps.h"
#include "explain_packet.h"
#include "status.h"

#define EXPLAIN_MAX_HOOKS 4
#define EXPLAIN_ROOM                                                                               \
	512 /* that a packet may grow by: another family's header, a PROXY header, Ethernet */

/* What becomes of the packet at a hook. */
enum explain_fate {
	EXPLAIN_NOT_REACHED, /* an earlier hook has taken it */
	EXPLAIN_GOES_ON,
	EXPLAIN_DROPPED,
	EXPLAIN_SENT, /* by a device, which trace.way says; or back (is_answer) */
};

struct explain_hook {
	const char *place; /* "XDP", "tc ingress" ... */
	bool is_xdp;
	bool is_l3;		 /* its program expects no Ethernet header */
	unsigned int program_id; /* of the live program */
	char program[64];	 /* whole name */
	char pin[32];		 /* "xdp", "tcx_ingress" ... */
	const char *mode;	 /* XDP: "native", "generic" */

	/* After explain_run(). */
	enum explain_fate fate;
	int verdict;	   /* as the program returned it */
	bool is_answer;	   /* what is sent is an answer of edge53's own */
	bool has_ethernet; /* of the bytes below */
	struct edge53_trace trace;
	size_t len; /* of the packet as it goes on; without an Ethernet header that the kernel will put in front */
	unsigned char bytes[EXPLAIN_MAX_LEN + EXPLAIN_ROOM];
};

struct explain_run {
	unsigned int ifindex;	   /* the device */
	unsigned int from_ifindex; /* egress: the device it came in by; 0: the host's own */
	unsigned int cpu;	   /* that it ran on: who has slots, and counts */
	struct explain_hook hooks[EXPLAIN_MAX_HOOKS];
	size_t n_hooks;
};

/*
 * The hooks of a device on the way in or out. Returns their number, also in run->n_hooks, or negative errno.
 */
int explain_find_hooks(const struct status *status, const char *device, bool is_egress,
		       struct explain_run *run);

/*
 * Runs a packet through run->hooks. Returns 0, -EPROTO: the live programs are of another version; -EINVAL: the kernel
 * refuses to run this packet; or another negative errno. has_ethernet: of the packet.
 */
int explain_run(struct explain_run *run, const unsigned char *bytes, size_t len, bool has_ethernet);

/* The reason the chain ended with; where none did, what the last step said. */
enum edge53_reason explain_reason(const struct explain_hook *hook);

#endif
