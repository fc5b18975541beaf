// SPDX-License-Identifier: GPL-2.0-only
/* Puts packets through the programs. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <linux/bpf.h>

#include "world_state.h"

const char *program_name(enum test_program program)
{
	return bpf_program__name(world.programs[program]);
}

void world_print_cost(void)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, world.skel->obj) {
		struct bpf_prog_info info = {};
		__u32 len = sizeof(info);

		if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &len))
			give_up("bpf_obj_get_info_by_fd", errno);
		printf("%s %u\n", bpf_program__name(program), info.verified_insns);
	}
}

/*
 * The context of BPF_PROG_TEST_RUN has no VLAN tag. This program puts one beside the bytes, as
 * skb->mark says, and goes on to the one under test.
 */
static int run_with_tag(void)
{
	static int fd = -1;
	struct bpf_insn insns[] = {
		/* r6 = ctx; bpf_skb_vlan_push(ctx, htons(0x8100), ctx->mark) */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 6, .src_reg = 1 },
		{ .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 3, .src_reg = 1,
		  .off = offsetof(struct __sk_buff, mark) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(0x8100) },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push },
		/* bpf_tail_call(ctx, map, 0) */
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 1, .src_reg = 6 },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 2, .src_reg = BPF_PSEUDO_MAP_FD },
		{},
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3 },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_tail_call },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 99 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	if (fd >= 0)
		return fd;
	world.under_test = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, NULL, 4, 4, 1, NULL);
	if (world.under_test < 0)
		give_up("program array", errno);
	insns[5].imm = world.under_test;
	fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, NULL, "GPL", insns,
			   sizeof(insns) / sizeof(*insns), NULL);
	if (fd < 0)
		give_up("program that adds a VLAN tag", errno);
	return fd;
}

static int program_to_run(enum test_program program, const struct surroundings *around)
{
	int fd = bpf_program__fd(world.programs[program]), first;
	__u32 zero = 0;

	if (!around->has_vlan)
		return fd;
	first = run_with_tag();
	if (bpf_map_update_elem(world.under_test, &zero, &fd, BPF_ANY))
		give_up("tail call", errno);
	return first;
}

/* What XDP put in front of the packet is in front of the bytes. */
static void take_metadata(const struct xdp_md *xdp, struct frame *out)
{
	out->metadata_len = xdp->data - xdp->data_meta;
	if (out->metadata_len > METADATA_MAX)
		give_up("metadata", EMSGSIZE);
	out->len -= out->metadata_len;
	memcpy(out->metadata, out->bytes, out->metadata_len);
	memmove(out->bytes, out->bytes + out->metadata_len, out->len);
}

int world_run_in(enum test_program program, enum test_device device,
		 const struct surroundings *around, const struct frame *in, struct frame *out)
{
	struct __sk_buff skb = { .ifindex = world.ifindex[device],
				 .ingress_ifindex = around->ingress_ifindex,
				 .gso_size = around->gso_size,
				 .mark = around->vlan_tci };
	struct xdp_md xdp = { .data_end = in->len, .ingress_ifindex = world.ifindex[device] };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = in->bytes, .data_size_in = in->len,
		    .data_out = out->bytes, .data_size_out = sizeof(out->bytes), .repeat = 1);
	int r;

	if (program == EDGE_XDP) {
		opts.ctx_in = opts.ctx_out = &xdp;
		opts.ctx_size_in = opts.ctx_size_out = sizeof(xdp);
	} else {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	r = bpf_prog_test_run_opts(program_to_run(program, around), &opts);
	if (r) {
		fprintf(stderr, "%s, %u bytes: ", program_name(program), in->len);
		give_up("BPF_PROG_TEST_RUN", r);
	}
	out->len = opts.data_size_out;
	out->metadata_len = 0;
	if (program == EDGE_XDP)
		take_metadata(&xdp, out);
	return (int)opts.retval;
}

int world_run(enum test_program program, enum test_device device, const struct frame *in,
	      struct frame *out)
{
	return world_run_in(program, device, &(struct surroundings){}, in, out);
}
