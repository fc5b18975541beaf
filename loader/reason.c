// SPDX-License-Identifier: GPL-2.0-only
/* Names, sentences and fates of edge53_reasons.h (declared in state.h). */
#include "state.h"

static const struct {
	const char *name;
	const char *sentence;
	enum edge53_fate fate;
} reasons[EDGE53_REASON_COUNT] = {
#define REASON_ROW(name, fate, sentence) [EDGE53_##name] = { #name, sentence, EDGE53_##fate },
	EDGE53_REASONS(REASON_ROW)
#undef REASON_ROW
};

const char *reason_name(enum edge53_reason reason)
{
	static char lower[EDGE53_REASON_COUNT][EDGE53_NAME_LEN];
	char *text;

	if ((unsigned int)reason >= EDGE53_REASON_COUNT || !reasons[reason].name)
		return "unknown";
	text = lower[reason];
	for (size_t i = 0; i < EDGE53_NAME_LEN - 1 && reasons[reason].name[i]; i++) {
		char c = reasons[reason].name[i];

		text[i] = c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
	}
	return text;
}

const char *reason_sentence(enum edge53_reason reason)
{
	if ((unsigned int)reason >= EDGE53_REASON_COUNT || !reasons[reason].sentence)
		return "counted by another version of edge53";
	return reasons[reason].sentence;
}

enum edge53_fate reason_fate(enum edge53_reason reason)
{
	if ((unsigned int)reason >= EDGE53_REASON_COUNT)
		return EDGE53_PASS;
	return reasons[reason].fate;
}
