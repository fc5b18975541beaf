// SPDX-License-Identifier: GPL-2.0-only
#include "health_state.h"

struct health_state health_begin(const struct health_rule *rule)
{
	return (struct health_state){ .is_up = rule->starts_up };
}

static bool turn(struct health_state *state)
{
	state->is_up = !state->is_up;
	state->streak = 0;
	return true;
}

bool health_note(struct health_state *state, const struct health_rule *rule, bool is_good)
{
	bool had_answered = state->has_answered;

	state->is_known = true;
	state->has_answered |= is_good;
	if (is_good == state->is_up) {
		state->streak = 0;
		return false;
	}
	if (is_good)
		return !had_answered || ++state->streak >= rule->rise ? turn(state) : false;
	if (state->streak < rule->fall)
		state->streak++;
	if (state->streak < rule->fall || (rule->needs_proof && !state->has_answered))
		return false;
	return turn(state);
}

struct health_rule health_rule_of(const struct config_health *config, bool is_enforce)
{
	return (struct health_rule){
		.rise = config->rise,
		.fall = config->fall,
		.starts_up = !is_enforce,
		.needs_proof = !is_enforce && !config->is_written,
	};
}

enum health_verdict health_judge(const struct config_health *config,
				 enum edge53_probe_result result, unsigned int rcode)
{
	switch (result) {
	case EDGE53_PROBE_ANSWERED:
		return config->has_question && rcode == DNS_RCODE_IS_SERVFAIL ? HEALTH_BAD
									      : HEALTH_GOOD;
	case EDGE53_PROBE_NONE:
	case EDGE53_PROBE_NOT_SENT:
		return HEALTH_VOID;
	default:
		return HEALTH_BAD;
	}
}

/* --- clients without an answer ---------------------------------------------------------------- */

static void begin_window(struct health_window *window, uint64_t queries, uint64_t replies,
			 uint64_t now_ms)
{
	window->begin_ms = now_ms;
	window->queries_before = queries;
	window->replies_before = replies;
}

/* Returns whether is_reported has changed. */
static bool judge_window(struct health_window *window)
{
	uint64_t percent = window->unanswered * 100ull / window->queries;
	bool speaks_against =
		window->is_reported ? percent < HEALTH_GOOD_PERCENT : percent >= HEALTH_BAD_PERCENT;

	window->streak = speaks_against ? window->streak + 1 : 0;
	if (window->streak < HEALTH_WINDOWS)
		return false;
	window->streak = 0;
	window->is_reported = !window->is_reported;
	return true;
}

bool health_window_note(struct health_window *window, uint64_t queries, uint64_t replies,
			uint64_t now_ms)
{
	uint64_t new_queries = queries - window->queries_before;
	uint64_t new_replies = replies - window->replies_before;

	/* Counters or a clock that went back begin anew. */
	if (!window->begin_ms || now_ms < window->begin_ms || queries < window->queries_before ||
	    replies < window->replies_before) {
		begin_window(window, queries, replies, now_ms);
		return false;
	}
	if (now_ms - window->begin_ms < HEALTH_WINDOW_MS)
		return false;
	if (new_queries < HEALTH_WINDOW_QUERIES) {
		if (now_ms - window->begin_ms >= HEALTH_WINDOW_MAX_MS)
			begin_window(window, queries, replies, now_ms);
		return false;
	}
	begin_window(window, queries, replies, now_ms);
	window->queries = new_queries < UINT32_MAX ? (uint32_t)new_queries : UINT32_MAX;
	/* A reply may be to a query of the window before. */
	new_queries = new_queries > new_replies ? new_queries - new_replies : 0;
	window->unanswered = new_queries < UINT32_MAX ? (uint32_t)new_queries : UINT32_MAX;
	return judge_window(window);
}

void health_window_forget(struct health_window *window)
{
	*window = (struct health_window){};
}
