// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "config_prefixes.h"
#include "config_values.h"
#include "log.h"

#define MAX_ERRORS 20 /* an operator repairs these first */
#define MAX_LINE_LEN 255

/* The value in a line without comment and white space; too long a one is cut, and then no prefix. */
static const char *value_of(const char *line, size_t len, char buf[static MAX_LINE_LEN + 1])
{
	static const char white[] = " \t\r\v\f";
	const char *comment = memchr(line, '#', len);

	if (comment)
		len = comment - line;
	while (len > 0 && memchr(white, line[0], sizeof(white) - 1)) {
		line++;
		len--;
	}
	while (len > 0 && memchr(white, line[len - 1], sizeof(white) - 1))
		len--;
	if (len > MAX_LINE_LEN)
		len = MAX_LINE_LEN;
	memcpy(buf, line, len);
	buf[len] = '\0';
	return buf;
}

static int append(const struct edge53_prefix *prefix, struct edge53_prefix **prefixes, size_t *n)
{
	int r = array_grow(prefixes, *n, sizeof(**prefixes));

	if (r < 0)
		return r;
	(*prefixes)[(*n)++] = *prefix;
	return 0;
}

int prefixes_parse(const char *name, const char *text, size_t len, struct edge53_prefix **prefixes,
		   size_t *n)
{
	const char *end = text + len, *next;
	unsigned int n_errors = 0, line = 1;
	char buf[MAX_LINE_LEN + 1];

	for (; text < end; text = next + 1, line++) {
		struct edge53_prefix prefix;
		const char *value, *why;
		char shown[SHOWN_LEN];

		next = memchr(text, '\n', end - text) ?: end;
		value = value_of(text, next - text, buf);
		if (!value[0] && !memchr(text, '\0', next - text))
			continue;
		why = why_no_prefix(value, &prefix);
		if (!why) {
			if (append(&prefix, prefixes, n) < 0)
				return -ENOMEM;
			continue;
		}
		if (++n_errors > MAX_ERRORS) {
			log_error("%s: there is more that is wrong; these first", name);
			break;
		}
		log_error("%s:%u: %s %s", name, line, show(value, shown), why);
	}
	return n_errors ? -EINVAL : 0;
}

static int compare(const void *a, const void *b)
{
	const struct edge53_prefix *x = a, *y = b;

	if (x->length_bits != y->length_bits)
		return x->length_bits < y->length_bits ? -1 : 1;
	return memcmp(&x->address, &y->address, sizeof(x->address));
}

void prefixes_sort(struct edge53_prefix *prefixes, size_t *n)
{
	size_t kept = 0;

	if (!*n)
		return;
	qsort(prefixes, *n, sizeof(*prefixes), compare);
	for (size_t i = 0; i < *n; i++)
		if (!kept || compare(&prefixes[kept - 1], &prefixes[i]))
			prefixes[kept++] = prefixes[i];
	*n = kept;
}
