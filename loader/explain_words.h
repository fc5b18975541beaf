/* SPDX-License-Identifier: GPL-2.0-only */
/* The words that text and JSON of `edge53 explain` have in common. Pure. */
#ifndef EDGE53_EXPLAIN_WORDS_H
#define EDGE53_EXPLAIN_WORDS_H

#include "explain_run.h"

/* The name of a step or chain in the source, and what it asks. */
const char *explain_note_name(const struct edge53_trace_note *note);
const char *explain_note_sentence(const struct edge53_trace_note *note);

/* What it came to: "go on", the name of a reason, "yes" or "no"; empty for a chain that begins. */
const char *explain_note_result(const struct edge53_trace_note *note);

/* "XDP_PASS", "TC_ACT_REDIRECT" ... */
const char *explain_verdict_text(const struct explain_hook *hook);

/* "passed", "dropped", "sent", "answered" or "not reached". */
const char *explain_fate_text(const struct explain_hook *hook);

/* The hook where the packet's way ended, or the last one. */
const struct explain_hook *explain_last_hook(const struct explain_run *run);

/* The hook whose reason is the packet's: the last one where it was one of edge53's; else the last. */
const struct explain_hook *explain_telling_hook(const struct explain_run *run);

#endif
