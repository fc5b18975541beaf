// SPDX-License-Identifier: GPL-2.0-only
#include "program_pins.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "pins.h"
#include "util.h"

/* 0: it cannot be told. */
static unsigned int id_of(int fd)
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &len) ? 0 : info.id;
}

int program_pins_add(const int fds[], size_t n)
{
	char path[PINS_PATH_LEN];

	if (mkdir(pins_directory_path(PINS_PROGRAMS, path), 0700) && errno != EEXIST)
		return -errno;
	for (size_t i = 0; i < n; i++)
		if (bpf_obj_pin(fds[i], pins_program_path(id_of(fds[i]), path)) && errno != EEXIST)
			return -errno;
	return 0;
}

static bool is_among(unsigned long id, const int fds[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (id_of(fds[i]) == id)
			return true;
	return false;
}

void program_pins_keep(const int fds[], size_t n)
{
	char path[PINS_PATH_LEN];
	DIR *directory = opendir(pins_directory_path(PINS_PROGRAMS, path));
	struct dirent *entry;

	if (!directory)
		return;
	while ((entry = readdir(directory)))
		if (entry->d_type != DT_DIR && !is_among(strtoul(entry->d_name, NULL, 10), fds, n))
			unlinkat(dirfd(directory), entry->d_name, 0);
	closedir(directory);
}

int program_pins_open(unsigned int id)
{
	char path[PINS_PATH_LEN];
	int fd = bpf_obj_get(pins_program_path(id, path));

	if (fd < 0)
		fd = bpf_prog_get_fd_by_id(id);
	return fd < 0 ? -errno : fd;
}
