/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Conversations: two plain TCPs that talk through the programs, over a network that loses, doubles
 * and reorders. Whatever happens on the way, the backend must get the client's bytes behind one
 * header, and the client must be told neither more nor less than that.
 */
#ifndef EDGE53_MODEL_TALK_H
#define EDGE53_MODEL_TALK_H

#include "generate.h"

/* Where the programs are. */
struct talk_way {
	struct way way;
	enum test_program next; /* after XDP, for what it leaves; of queries and replies */
	bool to_next;		/* XDP leaves all */
};

struct talk_counts {
	unsigned n, n_with_header, n_again, n_segments, n_lost, n_marked, n_merged;
};

/* Some of them, in one world. Says what went wrong. */
bool talk_in_world(const struct talk_way *way, struct talk_counts *counts);

#endif
