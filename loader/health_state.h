/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When a server counts as alive, from what became of the questions it was asked; and when it leaves too many
 * of its clients' queries without an answer. Pure: whoever asks keeps the time.
 */
#ifndef EDGE53_HEALTH_STATE_H
#define EDGE53_HEALTH_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* --- alive or dead ---------------------------------------------------------------------------- */

struct health_rule {
	unsigned int rise; /* good answers in a row, until a dead server is alive */
	unsigned int fall; /* failures in a row, until one that is alive is dead */
	bool starts_up;	   /* before anything is known */
	bool needs_proof;  /* who has never answered is not dead: it may not want to answer us */
};

struct health_state {
	bool is_up;
	bool is_known;	     /* something came of a question */
	bool has_answered;   /* at some time */
	unsigned int streak; /* results in a row that speak against is_up */
};

/* What is assumed before the first question. */
struct health_state health_begin(const struct health_rule *rule);

/*
 * Takes a result. Returns whether is_up has changed. The first good answer of one that has never answered decides at
 * once: nobody at the door of a host that boots shall wait for rise because the resolver starts a second after us.
 */
bool health_note(struct health_state *state, const struct health_rule *rule, bool is_good);

/* How a service's servers are judged. */
struct health_rule health_rule_of(const struct config_health *config, bool is_enforce);

enum health_verdict {
	HEALTH_GOOD,
	HEALTH_BAD,
	HEALTH_VOID, /* says nothing of the server */
};

/*
 * Any answer is one, REFUSED too: whoever says so is there, and clients may be allowed what we are not. But a question
 * that the operator chose has an answer, and SERVFAIL is none.
 */
enum health_verdict health_judge(const struct config_health *config,
				 enum edge53_probe_result result, unsigned int rcode);

/* --- clients without an answer ---------------------------------------------------------------- */

#define HEALTH_WINDOW_MS 10000	   /* at least, */
#define HEALTH_WINDOW_MAX_MS 60000 /* and at most, */
#define HEALTH_WINDOW_QUERIES 50   /* until there were so many */
#define HEALTH_WINDOWS 2	   /* in a row, to report it or to take that back */
#define HEALTH_BAD_PERCENT 50	   /* without an answer, and more: a bad window */
#define HEALTH_GOOD_PERCENT 25	   /* less: a good one */

struct health_window {
	uint64_t begin_ms;	 /* 0: there is none */
	uint64_t queries_before; /* counters at its begin */
	uint64_t replies_before;
	uint32_t queries; /* of the last whole one */
	uint32_t unanswered;
	unsigned int streak; /* windows in a row that speak against is_reported */
	bool is_reported;
};

/* queries, replies: counted since whenever. Returns whether is_reported has changed. */
bool health_window_note(struct health_window *window, uint64_t queries, uint64_t replies,
			uint64_t now_ms);

/* A server that is not used has no window. What was reported is over. */
void health_window_forget(struct health_window *window);

#endif
