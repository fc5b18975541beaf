/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The numbers of a TCP connection that begins with a PROXY header (docs/packets.md): the backend's
 * stream is the client's, and len bytes of header before it. What the client sends is moved up by that for
 * the backend, and what the backend acknowledges is moved down for the client. Pure.
 *
 * Sequence numbers are compared as RFC 9293 section 3.4 does: modulo 2^32, by the sign of the difference.
 */
#ifndef EDGE53_SHIFT_H
#define EDGE53_SHIFT_H

#include <stdbool.h>

#include <linux/types.h>

struct shift {
	__u32 first_seq; /* of the client's first byte; the header has the same, for the backend */
	__u8 len;	 /* bytes of the header; 0: the connection has none */
	bool is_synced;	 /* the backend agreed to first_seq */
	bool is_done;	 /* first_seq is so far behind that comparisons with it mean nothing */
	__u8 wscale;	 /* of the backend's windows, at most 14 (RFC 7323 section 2.3) */
};

/* From here on behind first_seq, it is. A quarter of all numbers: long before the sign turns. */
#define SHIFT_DONE_AT (1 << 30)

static inline __s32 shift_distance(const struct shift *shift, __u32 seq)
{
	return (__s32)(seq - shift->first_seq);
}

/* A sequence number of the client's, for the backend. */
static inline __u32 shift_seq(const struct shift *shift, __u32 seq)
{
	if (!shift->is_synced || (!shift->is_done && shift_distance(shift, seq) <= 0))
		return seq;
	return seq + shift->len;
}

/* Whether the segment is the one that carries the header. */
static inline bool shift_is_first(const struct shift *shift, __u32 seq)
{
	return shift->is_synced && !shift->is_done && seq == shift->first_seq;
}

/*
 * A number of the backend's stream of the client, acknowledged or quoted, for the client. The header's own
 * bytes are none of the client's.
 */
static inline __u32 shift_ack(const struct shift *shift, __u32 ack)
{
	__s32 distance = shift_distance(shift, ack);

	if (!shift->is_synced || (!shift->is_done && distance <= 0))
		return ack;
	if (!shift->is_done && distance <= shift->len)
		return shift->first_seq;
	return ack - shift->len;
}

/*
 * The backend's window, as in the header, for the client: the bytes of the header that it has not
 * acknowledged will need some of it. wscale: 0 in a SYN, whose window has no scale.
 */
static inline __u16 shift_window(const struct shift *shift, __u32 ack, __u16 window, __u8 wscale)
{
	__s32 distance = shift_distance(shift, ack);
	__u32 loss;

	if (!shift->is_synced || shift->is_done || distance >= shift->len)
		return window;
	loss = distance > 0 ? shift->len - distance : shift->len;
	wscale &= 15;
	loss = (loss + (1u << wscale) - 1) >> wscale;
	return window > loss ? window - loss : 0;
}

#endif
