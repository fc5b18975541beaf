// SPDX-License-Identifier: GPL-2.0-only
/*
 * docs/security.md names tests that there are, for each sentence in its tables, and all fuzz targets; and the loader
 * starts no shell. Run from the top of the repository, as tests/run does.
 */
#include <ctype.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "read_whole.h"

#define PAGE "docs/security.md"
#define MAX_NAME 128

static char page[65536];

/* Whether a file of the pattern has the text. */
static bool has_text(const char *pattern, const char *text)
{
	static char file[262144];
	glob_t files;
	bool found = false;

	if (glob(pattern, 0, NULL, &files))
		return false;
	for (size_t i = 0; i < files.gl_pathc && !found; i++) {
		read_whole(files.gl_pathv[i], file, sizeof(file));
		found = strstr(file, text);
	}
	globfree(&files);
	return found;
}

__attribute__((format(printf, 1, 2))) static bool is_executable(const char *fmt, ...)
{
	char path[2 * MAX_NAME];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	return !access(path, X_OK);
}

/* By its name, as tests/run prints it. */
static bool is_test(const char *name)
{
	char kind[16] = "", what[MAX_NAME] = "", pattern[2 * MAX_NAME], text[2 * MAX_NAME];
	const char *colon = strstr(name, ": ");

	if (!strncmp(name, "prog: ", strlen("prog: "))) {
		snprintf(text, sizeof(text), "\t{ \"%s\",", name + strlen("prog: "));
		return has_text("tests/prog/test_*.c", text);
	}
	if (sscanf(name, "%15[a-z]/%127[a-z0-9_]", kind, what) != 2)
		return false;
	if (!strcmp(kind, "host")) {
		snprintf(pattern, sizeof(pattern), "tests/host/test_%s.c", what);
		snprintf(text, sizeof(text), "cmocka_unit_test(%s)", colon ? colon + 2 : "?");
		return has_text(pattern, text);
	}
	if (colon || strlen(name) != strlen(kind) + 1 + strlen(what))
		return false;
	if (!strcmp(kind, "corpus"))
		return !access(strcat(strcpy(pattern, "tests/fuzz/corpus/"), what), F_OK);
	return is_executable("tests/%s/test_%s.sh", kind, what);
}

/* Every name in backquotes of a cell. Returns how many. */
static unsigned int check_cell(const char *cell, const char *end)
{
	unsigned int n = 0;

	while ((cell = memchr(cell, '`', (size_t)(end - cell)))) {
		const char *close = memchr(cell + 1, '`', (size_t)(end - cell - 1));
		char name[MAX_NAME];

		assert_non_null(close);
		assert_in_range(close - cell, 2, MAX_NAME - 1);
		snprintf(name, sizeof(name), "%.*s", (int)(close - cell - 1), cell + 1);
		if (!is_test(name))
			fail_msg(PAGE ": there is no test \"%s\"", name);
		cell = close + 1;
		n++;
	}
	return n;
}

static void every_row_names_tests_that_there_are(void **state)
{
	unsigned int n_rows = 0;

	(void)state;
	read_whole(PAGE, page, sizeof(page));
	for (char *line = page, *end; *line; line = end + 1) {
		char *cell;

		end = strchr(line, '\n');
		assert_non_null(end);
		if (line[0] != '|' || !strncmp(line, "|--", 3) || !strncmp(line, "| what ", 7))
			continue;
		assert_true(end - line > 4 && !strncmp(end - 2, " |", 2));
		cell = end - 2;
		while (cell > line && strncmp(cell, "| ", 2) != 0)
			cell--;
		if (!check_cell(cell, end))
			fail_msg(PAGE ": no test in: %.*s", (int)(end - line), line);
		n_rows++;
	}
	assert_true(n_rows > 30);
}

static void a_name_of_no_test_is_found_out(void **state)
{
	(void)state;
	assert_true(is_test("net/owner"));
	assert_true(is_test("prog: clients, a flood that is voted in"));
	assert_true(is_test("corpus/packet"));
	assert_true(is_test("host/security: a_name_of_no_test_is_found_out"));
	assert_false(is_test("net/none"));
	assert_false(is_test("net/owner and more"));
	assert_false(is_test("prog: none"));
	assert_false(is_test("prog: clients"));
	assert_false(is_test("corpus/none"));
	assert_false(is_test("host/security"));
	assert_false(is_test("host/security: none"));
	assert_false(is_test("a flood"));
}

static void every_fuzz_target_is_named(void **state)
{
	glob_t targets;

	(void)state;
	read_whole(PAGE, page, sizeof(page));
	assert_int_equal(glob("tests/fuzz/fuzz_*.c", 0, NULL, &targets), 0);
	for (size_t i = 0; i < targets.gl_pathc; i++) {
		char name[MAX_NAME], quoted[MAX_NAME + 16];

		assert_int_equal(sscanf(targets.gl_pathv[i], "tests/fuzz/fuzz_%127[a-z_]", name),
				 1);
		snprintf(quoted, sizeof(quoted), "`corpus/%s`", name);
		if (!strstr(page, quoted))
			fail_msg(PAGE " does not say what %s reads", targets.gl_pathv[i]);
	}
	globfree(&targets);
}

/* As a whole word, and called. */
static bool calls(const char *text, const char *function)
{
	size_t len = strlen(function);

	for (const char *at = text; (at = strstr(at, function)); at += len)
		if (at[len] == '(' &&
		    (at == text || (!isalnum((unsigned char)at[-1]) && at[-1] != '_')))
			return true;
	return false;
}

static void no_shell_is_started(void **state)
{
	static const char *const starts[] = { "system",	 "popen",  "wordexp", "execl",
					      "execlp",	 "execle", "execv",   "execvp",
					      "execvpe", "execve", "fexecve" };
	static const char *const spawns[] = { "posix_spawn", "posix_spawnp" };
	static char file[262144];
	glob_t sources;

	(void)state;
	assert_true(calls("\tr = system(command);", "system"));
	assert_false(calls("file_system(x)", "system"));
	assert_int_equal(glob("loader/*.c", 0, NULL, &sources), 0);
	for (size_t i = 0; i < sources.gl_pathc; i++) {
		const char *path = sources.gl_pathv[i];

		read_whole(path, file, sizeof(file));
		for (size_t j = 0; j < sizeof(starts) / sizeof(*starts); j++)
			if (calls(file, starts[j]))
				fail_msg("%s calls %s()", path, starts[j]);
		for (size_t j = 0; j < sizeof(spawns) / sizeof(*spawns); j++)
			if (calls(file, spawns[j]) && strcmp(path, "loader/check_read_nft.c") != 0)
				fail_msg("%s calls %s()", path, spawns[j]);
	}
	globfree(&sources);
	/* What that one starts, and that nothing is put into it. */
	assert_true(has_text(
		"loader/check_read_nft.c",
		"static char *const arguments[] = { \"nft\", \"-j\", \"list\", \"ruleset\", NULL };"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_names_tests_that_there_are),
		cmocka_unit_test(a_name_of_no_test_is_found_out),
		cmocka_unit_test(every_fuzz_target_is_named),
		cmocka_unit_test(no_shell_is_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
