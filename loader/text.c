// SPDX-License-Identifier: GPL-2.0-only
#include "text.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pins.h"
#include "util.h"

static int make_directory(void)
{
	char path[PINS_PATH_LEN];

	snprintf(path, sizeof(path), "%s/" PINS_TEXT, pins_root());
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

static int replace(const char *path, int program_fd, int map_fd)
{
	union bpf_iter_link_info over = { .map.map_fd = (__u32)map_fd };
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &over,
		    .iter_info_len = sizeof(over));
	char new_path[PINS_PATH_LEN + sizeof("-new")];
	_cleanup_(closep) int link_fd = -1;

	link_fd = bpf_link_create(program_fd, 0, BPF_TRACE_ITER, &options);
	if (link_fd < 0)
		return -errno;
	snprintf(new_path, sizeof(new_path), "%s-new", path);
	unlink(new_path); /* of a loader that was killed in between */
	if (bpf_obj_pin(link_fd, new_path))
		return -errno;
	return rename(new_path, path) ? -errno : 0;
}

int text_pin(const char *name, int program_fd, int map_fd)
{
	char path[PINS_PATH_LEN];
	int r;

	pins_text_path(name, path);
	r = make_directory() ?: replace(path, program_fd, map_fd);
	if (r < 0)
		unlink(path);
	return r;
}
