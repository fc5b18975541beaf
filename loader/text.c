// SPDX-License-Identifier: GPL-2.0-only
#include "text.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pins.h"
#include "util.h"

int text_pin(const char *name, int program_fd, int map_fd)
{
	union bpf_iter_link_info over = { .map.map_fd = (__u32)map_fd };
	LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &over,
		    .iter_info_len = sizeof(over));
	char path[PINS_PATH_LEN], new_path[PINS_PATH_LEN + sizeof("-new")];
	_cleanup_(closep) int link_fd = -1;

	snprintf(path, sizeof(path), "%s/" PINS_TEXT, pins_root());
	if (mkdir(path, 0700) && errno != EEXIST)
		return -errno;
	link_fd = bpf_link_create(program_fd, 0, BPF_TRACE_ITER, &options);
	if (link_fd < 0)
		return -errno;
	pins_text_path(name, path);
	snprintf(new_path, sizeof(new_path), "%s-new", path);
	unlink(new_path); /* of a loader that was killed in between */
	if (bpf_obj_pin(link_fd, new_path))
		return -errno;
	return rename(new_path, path) ? -errno : 0;
}
