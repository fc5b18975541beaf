// SPDX-License-Identifier: GPL-2.0-only
/* The text format of Prometheus, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../loader/exposition.h"

struct text {
	FILE *out;
	char *bytes;
	size_t len;
};

static FILE *begin(struct text *text)
{
	text->out = open_memstream(&text->bytes, &text->len);
	assert_non_null(text->out);
	return text->out;
}

static void expect(struct text *text, const char *wanted)
{
	fclose(text->out);
	assert_string_equal(text->bytes, wanted);
	free(text->bytes);
}

static void a_family_has_help_and_type(void **state)
{
	struct text text;

	(void)state;
	metric_family(begin(&text), "edge53_x_total", "counter", "Says \"x\", \\ and\nmore.");
	expect(&text,
	       "# HELP edge53_x_total Says \"x\", \\\\ and\\nmore.\n# TYPE edge53_x_total counter\n");
}

static void counts_are_exact(void **state)
{
	struct text text;

	(void)state;
	metric_count(begin(&text), "x", "_total", LABELS(), UINT64_MAX);
	metric_count(text.out, "x", "", LABELS({ "a", "1" }, { "b", "" }), 0);
	expect(&text, "x_total 18446744073709551615\nx{a=\"1\",b=\"\"} 0\n");
}

static void values_have_a_point(void **state)
{
	struct text text;

	(void)state;
	metric_value(begin(&text), "x", LABELS(), 1795387334.35022);
	metric_value(text.out, "x", LABELS(), 16777216);
	metric_value(text.out, "x", LABELS(), 0.000001);
	expect(&text, "x 1795387334.35022\nx 16777216\nx 1e-06\n");
}

/* A device may be called whatever has no slash, colon or white space. */
static void labels_cannot_break_out(void **state)
{
	struct text text;

	(void)state;
	metric_count(begin(&text), "x", "", LABELS({ "d", "a\"} 1\\" }), 1);
	metric_count(text.out, "x", "", LABELS({ "d", "\n\x7f\xff\xc3\xa4" }), 1);
	expect(&text, "x{d=\"a\\\"} 1\\\\\"} 1\nx{d=\"\\\\x0a\\\\x7f\\\\xff\\\\xc3\\\\xa4\"} 1\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_has_help_and_type),
		cmocka_unit_test(counts_are_exact),
		cmocka_unit_test(values_have_a_point),
		cmocka_unit_test(labels_cannot_break_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
