// SPDX-License-Identifier: GPL-2.0-only
#include "explain_run.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "explain_state.h"
#include "knobs.h"

#include "edge53_trace.skel.h"

/* A packet wants a few entries of sparse tables, one after the other at worst. */
#define MAX_ATTEMPTS 100

/* Kernel 6.6 (include/uapi/linux/bpf.h); Debian 12's headers are older. */
#define TCX_INGRESS_TYPE 46
#define TCX_EGRESS_TYPE 47

/* --- which programs --------------------------------------------------------------------------- */

static const struct {
	const char *pin;
	const char *place;
	bool is_egress;
} pins[] = {
	{ "xdp", "XDP", false },
	{ "tcx_ingress", "tc ingress", false },
	{ "clsact_ingress", "tc ingress", false },
	{ "tcx_return_in", "tc ingress (return)", false },
	{ "clsact_return_in", "tc ingress (return)", false },
	{ "tcx_egress", "tc egress", true },
	{ "clsact_egress", "tc egress", true },
	{ "tcx_return_out", "tc egress (return)", true },
	{ "clsact_return_out", "tc egress (return)", true },
};

static void add_hook(struct explain_run *run, const struct hook *from, const char *place)
{
	struct explain_hook *hook = &run->hooks[run->n_hooks++];

	memset(hook, 0, sizeof(*hook));
	hook->place = place;
	hook->is_xdp = !strcmp(from->name, "xdp");
	hook->is_l3 = strstr(from->program, "_l3") != NULL;
	hook->program_id = from->program_id;
	hook->mode = from->mode;
	memcpy(hook->program, from->program, sizeof(from->program));
	memcpy(hook->pin, from->name, sizeof(hook->pin));
}

/* Where a program stands among those of tcx; -1: it is not there, or this kernel has none. */
static int tcx_position(unsigned int ifindex, bool is_egress, unsigned int program_id)
{
	__u32 ids[64] = { 0 };
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = ARRAY_SIZE(ids));

	if (bpf_prog_query_opts(
		    (int)ifindex,
		    (enum bpf_attach_type)(is_egress ? TCX_EGRESS_TYPE : TCX_INGRESS_TYPE), &opts))
		return -1;
	for (__u32 i = 0; i < opts.prog_cnt && i < ARRAY_SIZE(ids); i++)
		if (ids[i] == program_id)
			return (int)i;
	return -1;
}

/* `return` has its own hook, and is before or behind the other, as they were attached. */
static void order_hooks(struct explain_run *run, bool is_egress)
{
	struct explain_hook *last, *other, moved;

	if (run->n_hooks < 2)
		return;
	last = &run->hooks[run->n_hooks - 1];
	other = last - 1;
	if (other->is_xdp || tcx_position(run->ifindex, is_egress, last->program_id) >=
				     tcx_position(run->ifindex, is_egress, other->program_id))
		return;
	moved = *last;
	*last = *other;
	*other = moved;
}

int explain_find_hooks(const struct status *status, const char *device, bool is_egress,
		       struct explain_run *run)
{
	run->n_hooks = 0;
	for (size_t p = 0; p < ARRAY_SIZE(pins); p++) {
		for (size_t i = 0; i < status->n_hooks && run->n_hooks < EXPLAIN_MAX_HOOKS; i++) {
			const struct hook *hook = &status->hooks[i];

			if (pins[p].is_egress == is_egress && !hook->is_gone &&
			    !strcmp(hook->name, pins[p].pin) && !strcmp(hook->device, device) &&
			    hook->ifindex == run->ifindex)
				add_hook(run, hook, pins[p].place);
		}
	}
	order_hooks(run, is_egress);
	return (int)run->n_hooks;
}

/* The kernel keeps 15 bytes of a program's name. */
static struct bpf_program *find_program(struct bpf_object *object, const char *live_name)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object) {
		char cut[BPF_OBJ_NAME_LEN];

		snprintf(cut, sizeof(cut), "%s", bpf_program__name(program));
		if (!strncmp(cut, live_name, sizeof(cut) - 1) ||
		    !strcmp(bpf_program__name(program), live_name))
			return program;
	}
	return NULL;
}

/* Loads nothing that is not run. -EPROTO: there is no such program in this version. */
static int choose_programs(struct bpf_object *object, struct explain_run *run)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, false);
	for (size_t i = 0; i < run->n_hooks; i++) {
		struct explain_hook *hook = &run->hooks[i];

		program = find_program(object, hook->program);
		if (!program)
			return -EPROTO;
		bpf_program__set_autoload(program, true);
		snprintf(hook->program, sizeof(hook->program), "%s", bpf_program__name(program));
	}
	return 0;
}

/* --- running ---------------------------------------------------------------------------------- */

/*
 * BPF_PROG_TEST_RUN takes 14 bytes for an Ethernet header even where a program expects none, and the protocol of the
 * packet from them: of IPv4 that are two bytes of its source address. So these bytes say the protocol, and this program
 * puts the true ones, of skb->mark, in their place and goes on to the one that is meant.
 */
struct l3_entry {
	int target; /* program array */
	int fd;
};

static int l3_entry_open(struct l3_entry *entry)
{
	struct bpf_insn insns[] = {
		/* r6 = ctx; *(u16 *)(r10 - 2) = ctx->mark; ctx->mark = 0 */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W,
		  .dst_reg = 2,
		  .src_reg = 1,
		  .off = offsetof(struct __sk_buff, mark) },
		{ .code = BPF_STX | BPF_MEM | BPF_H, .dst_reg = 10, .src_reg = 2, .off = -2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0 },
		{ .code = BPF_STX | BPF_MEM | BPF_W,
		  .dst_reg = 1,
		  .src_reg = 2,
		  .off = offsetof(struct __sk_buff, mark) },
		/* bpf_skb_store_bytes(ctx, 12, r10 - 2, 2, 0) */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = ETH_HLEN - 2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = 2 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 5, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_store_bytes },
		/* bpf_tail_call(ctx, target, 0) */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD },
		{ 0 },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 0 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_SHOT },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	entry->target = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, NULL, 4, 4, 1, NULL);
	if (entry->target < 0)
		return -errno;
	insns[12].imm = entry->target;
	entry->fd =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", insns, ARRAY_SIZE(insns), NULL);
	return entry->fd < 0 ? -errno : 0;
}

static void l3_entry_close(struct l3_entry *entry)
{
	closep(&entry->target);
	closep(&entry->fd);
}

struct runner {
	struct explain_run *run;
	struct bpf_object *object;
	struct edge53_trace *trace; /* NULL: the object keeps none */
	struct explain_state *state;
	struct l3_entry l3;
};

static int run_xdp(const struct runner *runner, int fd, const unsigned char *bytes, size_t len,
		   struct explain_hook *hook)
{
	struct xdp_md ctx = { .data_end = (__u32)len, .ingress_ifindex = runner->run->ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = bytes, .data_size_in = (__u32)len,
		    .data_out = hook->bytes, .data_size_out = sizeof(hook->bytes), .repeat = 1,
		    .ctx_in = &ctx, .ctx_out = &ctx, .ctx_size_in = sizeof(ctx),
		    .ctx_size_out = sizeof(ctx));
	size_t metadata_len;

	if (bpf_prog_test_run_opts(fd, &opts))
		return -errno;
	hook->verdict = (int)opts.retval;
	/* What it put in front for GRO is in front of the bytes. */
	metadata_len = ctx.data - ctx.data_meta;
	hook->len = opts.data_size_out - metadata_len;
	memmove(hook->bytes, hook->bytes + metadata_len, hook->len);
	return 0;
}

static int run_skb(const struct runner *runner, int fd, const unsigned char *bytes, size_t len,
		   struct explain_hook *hook)
{
	struct __sk_buff ctx = { .ifindex = runner->run->ifindex,
				 .ingress_ifindex = runner->run->from_ifindex };
	unsigned char in[sizeof(hook->bytes)];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in, .data_size_in = (__u32)len,
		    .data_out = hook->bytes, .data_size_out = sizeof(hook->bytes), .repeat = 1,
		    .ctx_in = &ctx, .ctx_size_in = sizeof(ctx));
	__u16 protocol = htons(bytes[0] >> 4 == 6 ? ETH_P_IPV6 : ETH_P_IP), covered;
	__u32 zero = 0;

	memcpy(in, bytes, len);
	if (hook->is_l3) {
		memcpy(&covered, in + ETH_HLEN - 2, sizeof(covered));
		memcpy(in + ETH_HLEN - 2, &protocol, sizeof(protocol));
		ctx.mark = covered;
		if (bpf_map_update_elem(runner->l3.target, &zero, &fd, BPF_ANY))
			return -errno;
		fd = runner->l3.fd;
	}
	if (bpf_prog_test_run_opts(fd, &opts))
		return -errno;
	hook->verdict = (int)opts.retval;
	hook->len = opts.data_size_out;
	return 0;
}

static enum explain_fate fate_of(const struct explain_hook *hook)
{
	if (hook->is_xdp)
		return hook->verdict == XDP_PASS				  ? EXPLAIN_GOES_ON
		       : hook->verdict == XDP_REDIRECT || hook->verdict == XDP_TX ? EXPLAIN_SENT
										  : EXPLAIN_DROPPED;
	return hook->verdict == TC_ACT_REDIRECT ? EXPLAIN_SENT
	       : hook->verdict == TC_ACT_SHOT	? EXPLAIN_DROPPED
						: EXPLAIN_GOES_ON;
}

static bool has_step(const struct edge53_trace *trace, enum edge53_step step)
{
	for (__u32 i = 0; i < trace->n_notes && i < EDGE53_TRACE_NOTES; i++)
		if (trace->notes[i].kind != EDGE53_TRACE_CHAIN && trace->notes[i].what == step)
			return true;
	return false;
}

/*
 * What is sent from tc leaves as it is here only when the program has written the Ethernet header: that of a reply.
 * Else what stands for it is not part of the packet: the kernel takes it away, and puts its own in front where the
 * device has one.
 */
static void drop_foreign_header(struct explain_hook *hook, bool has_ethernet)
{
	const struct edge53_trace_way *way = &hook->trace.way;

	hook->has_ethernet = has_ethernet;
	if (hook->is_xdp || hook->fate != EXPLAIN_SENT || hook->is_answer)
		return;
	hook->has_ethernet = way->to_ethernet && !way->backend;
	if (hook->has_ethernet || (!has_ethernet && !way->to_ethernet) || hook->len < ETH_HLEN)
		return;
	hook->len -= ETH_HLEN;
	memmove(hook->bytes, hook->bytes + ETH_HLEN, hook->len);
}

static void conclude(struct explain_hook *hook, bool has_ethernet)
{
	const struct edge53_trace *trace = &hook->trace;

	hook->fate = fate_of(hook);
	hook->is_answer =
		hook->fate == EXPLAIN_SENT && (has_step(trace, EDGE53_STEP_answer_skb) ||
					       has_step(trace, EDGE53_STEP_answer_query_xdp));
	drop_foreign_header(hook, has_ethernet);
}

static int run_hook(const struct runner *runner, struct explain_hook *hook,
		    const unsigned char *bytes, size_t len, bool has_ethernet)
{
	int fd = bpf_program__fd(find_program(runner->object, hook->program)), r;

	memset(runner->trace, 0, sizeof(*runner->trace));
	r = hook->is_xdp ? run_xdp(runner, fd, bytes, len, hook)
			 : run_skb(runner, fd, bytes, len, hook);
	if (r < 0)
		return r;
	hook->trace = *runner->trace;
	conclude(hook, has_ethernet);
	return 0;
}

/* Once through all hooks. Returns how much was missed, as explain_state_fetch(). */
static int run_hooks(const struct runner *runner, const unsigned char *bytes, size_t len,
		     bool has_ethernet)
{
	struct explain_run *run = runner->run;
	int n_missed = 0, r = explain_state_restore(runner->state);

	for (size_t i = 0; i < run->n_hooks; i++)
		run->hooks[i].fate = EXPLAIN_NOT_REACHED;
	for (size_t i = 0; i < run->n_hooks && r >= 0; i++) {
		struct explain_hook *hook = &run->hooks[i];

		r = run_hook(runner, hook, bytes, len, has_ethernet);
		if (!r)
			r = explain_state_fetch(runner->state, &hook->trace);
		n_missed += r > 0 ? r : 0;
		if (hook->fate != EXPLAIN_GOES_ON)
			break;
		bytes = hook->bytes;
		len = hook->len;
	}
	return r < 0 ? r : n_missed;
}

static int run_until_complete(const struct runner *runner, const unsigned char *bytes, size_t len,
			      bool has_ethernet)
{
	for (int i = 0; i < MAX_ATTEMPTS; i++) {
		int r = run_hooks(runner, bytes, len, has_ethernet);

		if (r <= 0)
			return r;
	}
	return -E2BIG;
}

/* Slots and counters are a CPU's: all runs are on one. */
static int stay_on_this_cpu(unsigned int *ret)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return cpu < 0 ? -errno : -ERANGE;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	*ret = (unsigned int)cpu;
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

static void trace_bpfp(struct edge53_trace_bpf **skel)
{
	edge53_trace_bpf__destroy(*skel);
}

static int load(struct runner *runner, struct edge53_trace_bpf *skel,
		const struct explain_view *view)
{
	_cleanup_(closep) int live_fd = bpf_prog_get_fd_by_id(runner->run->hooks[0].program_id);
	int r;

	if (live_fd < 0)
		return -errno;
	r = choose_programs(skel->obj, runner->run);
	if (!r)
		r = explain_state_prepare(skel->obj, live_fd, &runner->state);
	if (!r)
		r = edge53_trace_bpf__load(skel);
	if (!r)
		r = l3_entry_open(&runner->l3);
	if (!r)
		r = explain_state_take(runner->state, view);
	runner->trace = &skel->bss->trace;
	return r;
}

int explain_run(struct explain_run *run, const unsigned char *bytes, size_t len, bool has_ethernet)
{
	_cleanup_(trace_bpfp) struct edge53_trace_bpf *skel = edge53_trace_bpf__open();
	struct runner runner = { .run = run, .l3 = { .target = -1, .fd = -1 } };
	struct explain_view view;
	int r = skel ? stay_on_this_cpu(&run->cpu) : -errno;

	if (r < 0)
		return r;
	runner.object = skel->obj;
	explain_decode(bytes, len, has_ethernet, &view);
	r = load(&runner, skel, &view);
	if (!r)
		r = run_until_complete(&runner, bytes, len, has_ethernet);
	explain_state_free(runner.state);
	l3_entry_close(&runner.l3);
	return r;
}

enum edge53_reason explain_reason(const struct explain_hook *hook)
{
	const struct edge53_trace *trace = &hook->trace;
	enum edge53_reason why = trace->reason;

	for (__u32 i = 0; i < trace->n_notes && i < EDGE53_TRACE_NOTES && !trace->reason; i++)
		if (trace->notes[i].kind == EDGE53_TRACE_STEP && trace->notes[i].result)
			why = trace->notes[i].result;
	return why ?: EDGE53_NOT_OURS;
}
