/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A plain TCP, for one end of a conversation: RFC 9293 with window scaling, SACK and D-SACK, and
 * without congestion control. It knows nothing of edge53. Time is in ticks.
 *
 * Numbers are absolute, 64 bits wide: 0 is the SYN, 1 the first byte. What a stream has at a number
 * is computed and not kept, so a conversation can leave out gigabytes (peer_jump()).
 */
#ifndef EDGE53_MODEL_PEER_H
#define EDGE53_MODEL_PEER_H

#include "segment.h"

#define PEER_RANGES 48

enum peer_state {
	PEER_CLOSED,
	PEER_LISTENS,
	PEER_SYN_SENT,
	PEER_SYN_RECEIVED,
	PEER_OPEN,
	PEER_RESET, /* by a RST, its own or the other's */
};

/* Sorted, and none touches another. */
struct ranges {
	struct {
		__s64 from, to;
	} at[PEER_RANGES];
	unsigned n;
};

/* What the test knows of a segment on its way. */
struct note {
	bool is_probe;	 /* of a closed window, or of whether the other is still there */
	bool is_garbage; /* payload that belongs to nobody's stream */
	bool is_forged;
	bool has_urgent;
	__s64 urgent; /* that byte's number at the sender */
};

struct peer {
	enum peer_state state;
	/* What it is like. */
	unsigned mss; /* 0: no option */
	int wscale;   /* -1: no option */
	bool may_sack, has_timestamps, sends_syn_data;
	unsigned buffer, reads_a_tick, segment_max, flight_max;
	__u64 salt; /* of its stream */
	/* It sends. */
	__u32 iss;
	__s64 una, nxt, max;
	__s64 end; /* of what its application wrote, there the FIN is */
	bool closes;
	__s64 edge, edge_seq, edge_ack; /* of the window; and SND.WL1 and WL2 */
	unsigned their_mss, their_shift;
	bool has_sack, scales;
	struct ranges sacked;
	unsigned n_duplicates, timer, patience;
	/* It receives. */
	__u32 irs;
	__s64 rcv, read, offered;
	bool saw_fin, got_fin;
	__s64 fin_at;
	struct ranges queue;
	__s64 newest, again_from, again_to; /* for SACK and D-SACK */
	unsigned our_shift, ack_in;
	/* Of the stream it receives: what is in front of it, and whose it is. */
	unsigned char header[64];
	unsigned header_len;
	const struct peer *other;
	bool meets_strays; /* segments of a connection that was are about */
	const char *complaint;
	unsigned n_retransmitted;
};

/* A new connection; what it is like stays. */
void peer_begin(struct peer *peer, enum peer_state state);
void peer_write(struct peer *peer, unsigned n);
void peer_tick(struct peer *peer);
void peer_receive(struct peer *peer, const struct segment *segment, const struct note *note);
void peer_abort(struct peer *peer);
void peer_keep_alive(struct peer *peer);
/* All it wrote is acknowledged, and nothing of it is about. */
bool peer_is_quiet(const struct peer *peer);
/* So many bytes later. Both are quiet. */
void peer_jump(struct peer *sender, struct peer *receiver, __s64 n);

bool ranges_have(const struct ranges *ranges, __s64 from, __s64 to);

/* Of the conversation: puts a segment on its way. */
void peer_sends(struct peer *peer, struct segment *segment, const struct note *note);

#endif
