// SPDX-License-Identifier: GPL-2.0-only
#include "explain_words.h"

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#define NAME_OF(name, sentence) #name,
#define SENTENCE_OF(name, sentence) sentence,

static const char *const step_names[] = { EDGE53_STEPS(NAME_OF) };
static const char *const step_sentences[] = { EDGE53_STEPS(SENTENCE_OF) };
static const char *const chain_names[] = { EDGE53_CHAINS(NAME_OF) };
static const char *const chain_sentences[] = { EDGE53_CHAINS(SENTENCE_OF) };

static const char *word_of(const struct edge53_trace_note *note, const char *const steps[],
			   const char *const chains[])
{
	if (note->kind == EDGE53_TRACE_CHAIN)
		return note->what < EDGE53_CHAIN_COUNT ? chains[note->what] : "?";
	return note->what < EDGE53_STEP_COUNT ? steps[note->what] : "?";
}

const char *explain_note_name(const struct edge53_trace_note *note)
{
	return word_of(note, step_names, chain_names);
}

const char *explain_note_sentence(const struct edge53_trace_note *note)
{
	return word_of(note, step_sentences, chain_sentences);
}

const char *explain_note_result(const struct edge53_trace_note *note)
{
	switch (note->kind) {
	case EDGE53_TRACE_STEP:
		return note->result ? reason_name(note->result) : "go on";
	case EDGE53_TRACE_QUESTION:
		return note->result ? "yes" : "no";
	default:
		return "";
	}
}

const char *explain_verdict_text(const struct explain_hook *hook)
{
	if (hook->is_xdp) {
		switch (hook->verdict) {
		case XDP_DROP:
			return "XDP_DROP";
		case XDP_PASS:
			return "XDP_PASS";
		case XDP_TX:
			return "XDP_TX";
		case XDP_REDIRECT:
			return "XDP_REDIRECT";
		default:
			return "XDP_ABORTED";
		}
	}
	switch (hook->verdict) {
	case TC_ACT_UNSPEC:
		return "TC_ACT_UNSPEC";
	case TC_ACT_OK:
		return "TC_ACT_OK";
	case TC_ACT_SHOT:
		return "TC_ACT_SHOT";
	case TC_ACT_REDIRECT:
		return "TC_ACT_REDIRECT";
	default:
		return "unknown";
	}
}

const char *explain_fate_text(const struct explain_hook *hook)
{
	switch (hook->fate) {
	case EXPLAIN_GOES_ON:
		return "passed";
	case EXPLAIN_DROPPED:
		return "dropped";
	case EXPLAIN_SENT:
		return hook->is_answer ? "answered" : "sent";
	default:
		return "not reached";
	}
}

const struct explain_hook *explain_last_hook(const struct explain_run *run)
{
	const struct explain_hook *last = &run->hooks[0];

	for (size_t i = 0; i < run->n_hooks; i++)
		if (run->hooks[i].fate != EXPLAIN_NOT_REACHED)
			last = &run->hooks[i];
	return last;
}

const struct explain_hook *explain_telling_hook(const struct explain_run *run)
{
	const struct explain_hook *telling = explain_last_hook(run);

	if (explain_reason(telling) != EDGE53_NOT_OURS)
		return telling;
	for (size_t i = 0; i < run->n_hooks; i++)
		if (run->hooks[i].fate != EXPLAIN_NOT_REACHED &&
		    explain_reason(&run->hooks[i]) != EDGE53_NOT_OURS)
			telling = &run->hooks[i];
	return telling;
}
