/* SPDX-License-Identifier: GPL-2.0-only */
/* TCP segments, as structs and as IP packets. */
#ifndef EDGE53_MODEL_SEGMENT_H
#define EDGE53_MODEL_SEGMENT_H

#include "model.h"

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_PSH = 8, TCP_ACK = 16, TCP_URG = 32 };

#define SEGMENT_MAX 3000 /* bytes of payload: what BPF_PROG_TEST_RUN takes, and GSO a little */
#define SACK_MAX 4

/* Who speaks to whom. */
struct ends {
	struct edge53_addr saddr, daddr;
	unsigned sport, dport;
};

struct segment {
	__u32 seq, ack;
	unsigned flags, window, urgent;
	unsigned mss;	    /* 0: no such option */
	int wscale;	    /* -1: likewise */
	bool may_sack;	    /* in a SYN */
	bool has_fast_open; /* in a SYN: one of the options that no backend may see */
	bool has_timestamps;
	unsigned n_sacks;
	struct {
		__u32 from, to;
	} sacks[SACK_MAX];
	unsigned len;
	unsigned char payload[SEGMENT_MAX];
};

/* Bytes that its options take, with room for some at odd offsets; a multiple of 4. */
unsigned options_room(const struct segment *segment);
/* Returns the length of the IP packet. The layout of the options is drawn at random. */
unsigned write_segment(const struct segment *segment, const struct ends *ends, unsigned char *ip);
/* False: it is none, or a checksum or length is wrong; says which. */
bool read_segment(const unsigned char *ip, unsigned len, struct ends *ends,
		  struct segment *segment);

#endif
