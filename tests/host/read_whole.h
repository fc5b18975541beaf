/* SPDX-License-Identifier: GPL-2.0-only */
/* For tests that look into the files of the repository. */
#ifndef EDGE53_TESTS_READ_WHOLE_H
#define EDGE53_TESTS_READ_WHOLE_H

#include <stdio.h>

/* Reads a file of fewer than size - 1 bytes into text, with a NUL behind it. The test fails if it cannot be, or is empty. */
static inline void read_whole(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t len;

	if (!f)
		fail_msg("%s cannot be opened", path);
	len = fread(text, 1, size - 1, f);
	fclose(f);
	assert_in_range(len, 1, size - 2);
	text[len] = '\0';
}

#endif
