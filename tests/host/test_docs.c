// SPDX-License-Identifier: GPL-2.0-only
/*
 * docs/backends.md shows the files that the net tests run the servers with, and configurations that the
 * loader takes. Run from the top of the repository, as tests/run does.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "read_whole.h"

#include "../../loader/config.h"
#include "../../loader/log.h"

static char doc[65536], file[16384], message[512];

static void keep_message(int priority, const char *text)
{
	(void)priority;
	snprintf(message, sizeof(message), "%s", text);
}

/* A block of the page: from a line of ``` to the next. */
static bool has_block(const char *text)
{
	const char *at = doc;
	size_t len = strlen(text);

	while ((at = strstr(at, text))) {
		if (at > doc + 4 && at[-1] == '\n' && !strncmp(at + len, "```\n", 4))
			return true;
		at++;
	}
	return false;
}

static void the_servers_files_are_shown_as_they_are(void **state)
{
	static glob_t files;

	(void)state;
	read_whole("docs/backends.md", doc, sizeof(doc));
	assert_int_equal(glob("tests/net/backends/*.conf", 0, NULL, &files), 0);
	assert_int_equal(files.gl_pathc, 5);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		read_whole(files.gl_pathv[i], file, sizeof(file));
		if (!has_block(file))
			fail_msg("docs/backends.md has no block that is %s", files.gl_pathv[i]);
	}
	globfree(&files);
}

static void the_edge_shown_is_a_good_configuration(void **state)
{
	const char *begin, *end;
	struct config *config = NULL;

	(void)state;
	read_whole("docs/backends.md", doc, sizeof(doc));
	begin = strstr(doc, "```yaml\nedge:\n");
	assert_non_null(begin);
	begin = strchr(begin, '\n') + 1;
	end = strstr(begin, "\n```\n");
	assert_non_null(end);
	if (config_parse("docs/backends.md", begin, end + 1 - begin, &config) < 0)
		fail_msg("refused: %s", message);
	config_freep(&config);
}

static int catch_messages(void **state)
{
	(void)state;
	log_set_sink(keep_message);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_servers_files_are_shown_as_they_are),
		cmocka_unit_test(the_edge_shown_is_a_good_configuration),
	};

	return cmocka_run_group_tests(tests, catch_messages, NULL);
}
