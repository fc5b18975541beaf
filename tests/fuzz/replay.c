// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stands for libFuzzer where only a corpus is replayed:  fuzz_NAME FILE-OR-DIRECTORY...
 *
 * Names each input before it runs, so that the last name is that of the input that failed.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fuzz.h"

static unsigned int n_inputs;

static void give_up(const char *path)
{
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	exit(2);
}

static void replay_file(const char *path)
{
	FILE *file = fopen(path, "r");
	struct stat st;
	uint8_t *bytes;

	if (!file || fstat(fileno(file), &st))
		give_up(path);
	bytes = malloc(st.st_size + !st.st_size);
	if (!bytes || fread(bytes, 1, st.st_size, file) != (size_t)st.st_size)
		give_up(path);
	fclose(file);

	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, st.st_size);
	free(bytes);
	n_inputs++;
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_visible, alphasort);

	if (n < 0)
		give_up(path);
	for (int i = 0; i < n; i++) {
		char *file;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			give_up(path);
		replay_file(file);
		free(file);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct stat st;

		if (stat(argv[i], &st))
			give_up(argv[i]);
		if (S_ISDIR(st.st_mode))
			replay_directory(argv[i]);
		else
			replay_file(argv[i]);
	}
	printf("%u inputs\n", n_inputs);
	return n_inputs ? 0 : 1;
}
