// SPDX-License-Identifier: GPL-2.0-only
#include "findings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

static const struct {
	const char *text;
	const char *why;
} codes[N_FINDING_CODES] = {
#define FINDING_CODE(name, text, why) [FOUND_##name] = { text, why },
	FINDING_CODES(FINDING_CODE)
#undef FINDING_CODE
};

const char *finding_code_text(enum finding_code code)
{
	return codes[code].text;
}

const char *finding_why(enum finding_code code)
{
	return codes[code].why;
}

const char *finding_level_text(enum finding_level level)
{
	static const char *const texts[] = { "note", "warning", "error" };

	return texts[level];
}

int findings_vadd(struct findings *findings, enum finding_level level, enum finding_code code,
		  const char *fmt, va_list ap)
{
	struct finding finding = { .level = level, .code = code };

	if (array_grow(&findings->list, findings->n, sizeof(finding)) < 0 ||
	    vasprintf(&finding.text, fmt, ap) < 0)
		return -ENOMEM;
	text_make_harmless(finding.text);
	findings->list[findings->n++] = finding;
	return 0;
}

int findings_add(struct findings *findings, enum finding_level level, enum finding_code code,
		 const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = findings_vadd(findings, level, code, fmt, ap);
	va_end(ap);
	return r;
}

int findings_mend(struct findings *findings, const char *fmt, ...)
{
	struct finding *last = &findings->list[findings->n - 1];
	char *text;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0)
		return -ENOMEM;
	free(last->mend);
	text_make_harmless(text);
	last->mend = text;
	return 0;
}

void findings_drop_last(struct findings *findings)
{
	struct finding *last = &findings->list[--findings->n];

	free(last->text);
	free(last->mend);
}

void findings_clear(struct findings *findings)
{
	while (findings->n)
		findings_drop_last(findings);
	free(findings->list);
	findings->list = NULL;
}
