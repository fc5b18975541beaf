// SPDX-License-Identifier: GPL-2.0-only
/*
 * meddle.so: to be preloaded into a loader, for what a test cannot bring about from outside.
 *
 *   MEDDLE_STOP_AFTER=NAME  stops the process (SIGSTOP) once it has attached a program whose name begins with NAME
 *   MEDDLE_NO_XDP=NUMBER    attaching XDP fails with this errno, as a driver may have it
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static void stop_after(int program_fd)
{
	const char *name = getenv("MEDDLE_STOP_AFTER");
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);
	int error = errno;

	if (name && !bpf_obj_get_info_by_fd(program_fd, &info, &len) &&
	    !strncmp(info.name, name, strlen(name)))
		raise(SIGSTOP);
	errno = error;
}

int bpf_link_create(int prog_fd, int target_fd, enum bpf_attach_type attach_type,
		    const struct bpf_link_create_opts *opts)
{
	typeof(&bpf_link_create) real = dlsym(RTLD_NEXT, "bpf_link_create");
	const char *no_xdp = getenv("MEDDLE_NO_XDP");
	int r;

	if (no_xdp && attach_type == BPF_XDP) {
		errno = atoi(no_xdp);
		return -errno;
	}
	r = real(prog_fd, target_fd, attach_type, opts);
	if (r >= 0)
		stop_after(prog_fd);
	return r;
}

int bpf_link_update(int link_fd, int new_prog_fd, const struct bpf_link_update_opts *opts)
{
	typeof(&bpf_link_update) real = dlsym(RTLD_NEXT, "bpf_link_update");
	int r = real(link_fd, new_prog_fd, opts);

	if (!r)
		stop_after(new_prog_fd);
	return r;
}

int bpf_tc_attach(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts)
{
	typeof(&bpf_tc_attach) real = dlsym(RTLD_NEXT, "bpf_tc_attach");
	int r = real(hook, opts);

	if (!r)
		stop_after(opts->prog_fd);
	return r;
}
