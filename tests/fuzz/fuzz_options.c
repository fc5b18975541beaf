// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is done to the options of a TCP header, against a plain second way to do it.
 *
 * Input: 2 bytes of the largest segment, a byte of length, the options; then a byte that says what else
 * is done, and 4 of the client's first sequence number.
 */
#include "fuzz.h"

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "options.h"

enum {
	LOWERS = 1, /* by the length of a PROXY header */
	HIDES = 2,
	SHIFTS = 4,
	IS_DONE = 8,
	IS_IPV6 = 16,
};

static void do_mss(const struct option_edit *edit, uint8_t *option)
{
	int mss = option[2] << 8 | option[3], wanted = mss;

	if (wanted > edit->max_segment)
		wanted = edit->max_segment;
	if (edit->less) {
		wanted -= edit->less;
		if (wanted < 1)
			wanted = 1;
	}
	option[2] = wanted >> 8;
	option[3] = wanted & 0xff;
}

static void do_edge(const struct shift *shift, uint8_t *at)
{
	uint32_t edge = (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
	int32_t beyond = (int32_t)(edge - shift->first_seq);

	if (shift->is_done || beyond > shift->len)
		edge -= shift->len;
	else if (beyond > 0)
		edge = shift->first_seq;
	for (int i = 0; i < 4; i++)
		at[i] = edge >> (24 - 8 * i);
}

static void do_option(const struct option_edit *edit, uint8_t *option, uint8_t *wscale)
{
	uint8_t kind = option[0], len = option[1];

	if (edit->hides && (kind == 30 || kind == 34 || kind == 253 || kind == 254))
		memset(option, TCP_OPTION_NOP, len);
	else if (kind == TCP_OPTION_MSS && len == 4)
		do_mss(edit, option);
	else if (kind == TCP_OPTION_WSCALE && len == 3)
		*wscale = option[2] > 14 ? 14 : option[2];
	else if (kind == TCP_OPTION_SACK && edit->shift.len && len % 8 == 2)
		for (uint8_t *at = option + 2; at < option + len; at += 4)
			do_edge(&edit->shift, at);
}

/* RFC 9293 section 3.1. As in Linux, an MSS option of a wrong length is one like any other. */
static void edit_plainly(const struct option_edit *edit, uint8_t *options, uint8_t *wscale)
{
	uint32_t off = 0, len = edit->len;

	*wscale = 0;
	while (off < len && options[off] != TCP_OPTION_END) {
		if (options[off] == TCP_OPTION_NOP) {
			off++;
			continue;
		}
		if (off + 1 >= len || options[off + 1] < 2 || off + options[off + 1] > len)
			return;
		uint8_t option_len = options[off + 1];

		do_option(edit, options + off, wscale);
		off += option_len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len };
	struct option_edit edit = { .max_segment = input_u16(&in) };
	uint8_t before[TCP_MAX_OPTIONS_LEN], expected[TCP_MAX_OPTIONS_LEN], what, header, wscale;

	edit.len = input_u8(&in) % (TCP_MAX_OPTIONS_LEN / 4 + 1) * 4;
	input_take(&in, edit.options, edit.len);
	what = input_u8(&in);
	header = what & IS_IPV6 ? 52 : 28;
	edit.less = what & LOWERS ? header : 0;
	edit.hides = what & HIDES;
	edit.shift = (struct shift){ .len = what & SHIFTS ? header : 0,
				     .is_synced = true,
				     .is_done = what & IS_DONE,
				     .first_seq = input_u32(&in) };
	memcpy(before, edit.options, sizeof(before));
	memcpy(expected, edit.options, sizeof(expected));
	edit_plainly(&edit, expected, &wscale);

	edit_options(&edit);

	assert(!memcmp(edit.options, expected, sizeof(expected)));
	assert(edit.is_changed || !memcmp(edit.options, before, sizeof(before)));
	assert(edit.wscale == wscale);
	return 0;
}
