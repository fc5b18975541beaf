// SPDX-License-Identifier: GPL-2.0-only
/* Runs the rows. What should have been counted and kept is in books.c. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include "books.h"
#include "bytes.h"
#include "cases.h"

const struct path paths[8] = {
	{ XDP, "edge_xdp", EDGE_XDP, EDGE_XDP, false, false },
	{ TC_L2, "edge_tc_l2", EDGE_TC_L2, EDGE_TC_L2, false, false },
	{ TC_L2_CHECKED, "edge_tc_l2_checked", EDGE_TC_L2_CHECKED, EDGE_TC_L2_CHECKED, false,
	  false },
	{ TC_L2_L3, "edge_tc_l2 to edge_tc_l3", EDGE_TC_L2, EDGE_TC_L3, false, true },
	{ TC_L3, "edge_tc_l3", EDGE_TC_L3, EDGE_TC_L3, true, true },
	{ TC_L3_L2, "edge_tc_l3 to edge_tc_l2", EDGE_TC_L3, EDGE_TC_L2, true, false },
	{ ENFORCE_L2, "enforce_l2", ENFORCE_IN_L2, ENFORCE_OUT_L2, false, false },
	{ ENFORCE_L3, "enforce_l3", ENFORCE_IN_L3, ENFORCE_OUT_L3, true, true },
};

/* --- reasons and paths ------------------------------------------------------------------------ */

#define REASON_FATE(name, fate, sentence) [EDGE53_##name] = EDGE53_##fate,
#define REASON_NAME(name, fate, sentence) [EDGE53_##name] = #name,

enum edge53_fate fate_of(enum edge53_reason why)
{
	static const enum edge53_fate fates[] = { EDGE53_REASONS(REASON_FATE) };

	return fates[why];
}

const char *reason_name(enum edge53_reason why)
{
	static const char *const names[] = { [EDGE53_GO_ON] = "GO_ON",
					     EDGE53_REASONS(REASON_NAME) };

	return why < EDGE53_REASON_COUNT ? names[why] : "?";
}

bool is_enforce(const struct path *path)
{
	return path->bit & (ENFORCE_L2 | ENFORCE_L3);
}

enum test_device client_device(const struct path *path)
{
	return is_enforce(path) ? DEV_PPP : DEV_UPLINK;
}

enum test_device backend_device(const struct path *path)
{
	return is_enforce(path) ? DEV_PPP : DEV_INNER;
}

int verdict_of(enum test_program program, enum edge53_reason why)
{
	enum edge53_fate fate = fate_of(why);

	if (program == EDGE_XDP)
		return fate == EDGE53_PASS ? XDP_PASS :
		       fate == EDGE53_DROP ? XDP_DROP : XDP_REDIRECT;
	if (fate == EDGE53_DROP)
		return TC_ACT_SHOT;
	return fate == EDGE53_PASS || program >= ENFORCE_IN_L2 ? TC_ACT_UNSPEC : TC_ACT_REDIRECT;
}

/* dmac NULL: no Ethernet header. */
static void frame_around(const unsigned char *dmac, const unsigned char *smac, struct layer_of *ip,
			 struct frame *frame)
{
	struct layer_of *outer = ip;

	if (ip->layer != L_ETH && dmac) {
		outer = eth(dmac, smac, ip);
		outer->pad = ip->pad;
		outer->cut = ip->cut ? ip->cut + ETH_LEN : 0;
	}
	make_frame(outer, frame);
}

void frame_of_query(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	frame_around(path->client_is_l3 ? NULL : uplink_mac, client_mac, ip, frame);
}

void frame_of_reply(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	frame_around(path->backend_is_l3 ? NULL : inner_mac, backend_mac, ip, frame);
}

/* At tc the kernel writes the Ethernet header towards the backend after the program. */
void frame_of_sent_query(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	static const unsigned char none[6];

	if (path->bit == XDP)
		frame_around(backend_mac, inner_mac, ip, frame);
	else if (path->bit == TC_L3_L2)
		frame_around(none, none, ip, frame);
	else
		frame_of_query(path, ip, frame);
	if (path->bit == TC_L3_L2)
		memset(frame->bytes, 0, ETH_LEN);
}

void frame_of_sent_reply(const struct path *path, struct layer_of *ip, struct frame *frame)
{
	if (is_enforce(path) || path->client_is_l3)
		frame_of_reply(path, ip, frame);
	else
		frame_around(client_mac, uplink_mac, ip, frame);
}

/* --- running ---------------------------------------------------------------------------------- */

/* XDP does not make a frame shorter than Ethernet has them. */
static void pad_as_ethernet(const struct frame *in, struct frame *answer)
{
	unsigned len = MIN(in->len, ETH_MIN_LEN);

	if (answer->len < len) {
		memset(answer->bytes + answer->len, 0, len - answer->len);
		answer->len = len;
	}
}

static void frames_of_step(const struct path *path, const struct step *step, struct frame *in,
			   struct frame *expected)
{
	struct layer_of *before = step->query ?: step->reply;

	if (step->query)
		frame_of_query(path, before, in);
	else
		frame_of_reply(path, before, in);
	*expected = *in;
	if (step->told && step->query) {
		frame_around(path->client_is_l3 ? NULL : client_mac, uplink_mac, step->told,
			     expected);
		if (path->bit == XDP && !step->by_tc)
			pad_as_ethernet(in, expected);
	} else if (step->told) {
		frame_around(path->backend_is_l3 ? NULL : backend_mac, inner_mac, step->told,
			     expected);
	}
	if (!step->becomes)
		return;
	step->becomes->pad = step->cuts_padding && path->bit != XDP ? 0 : before->pad;
	if (step->query)
		frame_of_sent_query(path, step->becomes, expected);
	else
		frame_of_sent_reply(path, step->becomes, expected);
	if (step->why == EDGE53_RESPONSE_TRUNCATED && path->bit == XDP && !step->by_tc)
		pad_as_ethernet(in, expected);
}

/* An ID drawn at random is taken over; all that depends on it is computed anew. */
static void take_id(const struct path *path, const struct step *step, const struct frame *out,
		    struct frame *expected)
{
	struct layer_of *ip = step->becomes ?: step->told;
	struct frame in;

	if (!ip || !ip->any_id)
		return;
	ip->id = get16(out->bytes + l3_of_outgoing(path, step) + 4);
	frames_of_step(path, step, &in, expected);
}

/*
 * BPF_PROG_TEST_RUN refuses to begin with fewer bytes than an IPv4 header behind what it takes for
 * the Ethernet header, so the shortest packets of devices without one cannot be tried.
 */
static bool can_be_run(enum test_program program, const struct frame *frame)
{
	unsigned ethertype = get16(frame->bytes + 12);

	return program == EDGE_XDP ||
	       frame->len >= ETH_LEN + (ethertype == 0x86dd ? 40 : ethertype == 0x0800 ? 20 : 0);
}

static bool passes_xdp(const struct frame *in, enum test_device device)
{
	struct frame out;
	int verdict = world_run(EDGE_XDP, device, in, &out);

	return complain("verdict of XDP", verdict, XDP_PASS) & same_frame(&out, in, ETH_LEN);
}

static bool run_step(struct model *model, const struct step *step)
{
	bool is_left_to_tc = model->path->bit == XDP && step->by_tc;
	const struct path *path = is_left_to_tc ? &paths[1] : model->path;
	enum test_program program = is_left_to_tc ? EDGE_TC_L2_CHECKED :
				    step->query ? path->query : path->reply;
	enum test_device device = step->device ?: step->query ? client_device(path) :
								backend_device(path);
	const struct surroundings around = { .gso_size = step->gso_size,
					     .has_vlan = step->has_vlan,
					     .vlan_tci = step->vlan_tci };
	struct frame in, out, expected;
	int verdict;
	bool good = true;

	if (step->before) {
		step->before();
		memcpy(model->slots, world_slots(), world_n_slots() * sizeof(*model->slots));
		memcpy(model->conns, world_conns(), sizeof(model->conns));
	}
	frames_of_step(path, step, &in, &expected);
	if (!can_be_run(program, &in))
		return true;
	if (is_left_to_tc)
		good = passes_xdp(&in, device);
	verdict = world_run_in(program, device, &around, &in, &out);
	take_id(path, step, &out, &expected);
	expect_step(model, step, program, &in, &expected);

	good &= complain("verdict", verdict,
			 !step->told ? verdict_of(program, step->why) :
			 program == EDGE_XDP ? XDP_REDIRECT : TC_ACT_REDIRECT);
	good &= same_frame(&out, &expected, l3_of_outgoing(path, step));
	good &= same_counters(&model->counters);
	good &= same_slots(model);
	good &= same_conns(model, step);
	return good;
}

static bool run_case(const struct path *path, const struct test_case *test)
{
	struct model model = { .path = path };
	bool good = true;

	world_reset(path->client_is_l3, path->backend_is_l3);
	if (test->world)
		test->world();
	model.next_slot = world_cpu_state(0).next_slot;
	model.slots = calloc(world_n_slots(), sizeof(*model.slots));
	for (unsigned i = 0; i < MAX_STEPS && (test->steps[i].query || test->steps[i].reply); i++) {
		if (run_step(&model, &test->steps[i]))
			continue;
		printf("    ^ %s: %s: step %u (%s)\n", path->name, test->name, i + 1,
		       reason_name(test->steps[i].why));
		good = false;
		break;
	}
	free(model.slots);
	return good;
}

int run_cases(const struct path *path, const struct test_case *cases, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++)
		if (!cases[i].paths || cases[i].paths & path->bit)
			failed += !run_case(path, &cases[i]);
	return failed;
}
