// SPDX-License-Identifier: GPL-2.0-only
#include "trusted.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "util.h"

#define MAX_LINKS 40 /* as the kernel */
#define OTHERS (S_IWGRP | S_IWOTH)

/* A way through directories, each of which was judged. */
struct walk {
	int dir_fd;
	int found_fd; /* what is at its end; -1: not there yet */
	unsigned int n_links;
	char rest[PATH_MAX]; /* what is not gone yet */
	char **why;
};

/* --- judging ---------------------------------------------------------------------------------- */

bool trusted_owner(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* In a directory with the sticky bit everybody may make something, but replace his own only. */
static bool is_open_to_others(const struct stat *st)
{
	if (S_ISLNK(st->st_mode) || (S_ISDIR(st->st_mode) && st->st_mode & S_ISVTX))
		return false;
	return st->st_mode & OTHERS;
}

/* The name it has now, for people. Returns buf. */
static const char *name_of(int fd, char buf[static PATH_MAX])
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, buf, PATH_MAX - 1);
	if (len < 0)
		return strcpy(buf, "it");
	buf[len] = '\0';
	return buf;
}

static int refuse_owner(int fd, const struct stat *st, char **why)
{
	const char *option = S_ISLNK(st->st_mode) ? "-h " : "";
	char name[PATH_MAX];

	name_of(fd, name);
	if (asprintf(
		    why,
		    "%s belongs to user %u, who could have edge53 do what he likes: `chown %sroot %s`",
		    name, st->st_uid, option, name) < 0) {
		*why = NULL;
		return -ENOMEM;
	}
	return -EPERM;
}

static int refuse_mode(int fd, const struct stat *st, char **why)
{
	char name[PATH_MAX], whom[32] = "everybody";
	bool is_everybody = st->st_mode & S_IWOTH;

	name_of(fd, name);
	/* With an ACL these bits are the most that it gives to anybody. */
	if (!is_everybody)
		snprintf(whom, sizeof(whom), "group %u", st->st_gid);
	if (asprintf(
		    why,
		    "%s can be written by %s, who could have edge53 do what they like: `chmod %s-w %s`",
		    name, whom, is_everybody ? st->st_mode & S_IWGRP ? "go" : "o" : "g",
		    name) < 0) {
		*why = NULL;
		return -ENOMEM;
	}
	return -EPERM;
}

static int judge(int fd, char **why)
{
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	if (!trusted_owner(&st))
		return refuse_owner(fd, &st, why);
	return is_open_to_others(&st) ? refuse_mode(fd, &st, why) : 0;
}

/* --- walking ---------------------------------------------------------------------------------- */

/* The walk is at this directory now, which is its own from here on. */
static void move_to(struct walk *walk, int *dir_fd)
{
	closep(&walk->dir_fd);
	walk->dir_fd = take_fd(dir_fd);
}

/* To where the rest begins. From there everybody has the same way as we. */
static int begin(struct walk *walk)
{
	_cleanup_(closep) int fd =
		open(walk->rest[0] == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : judge(fd, walk->why);

	if (!r)
		move_to(walk, &fd);
	return r;
}

/* Cuts the first name off the rest. False: there is none left. */
static bool next_name(struct walk *walk, char name[static PATH_MAX])
{
	size_t skip = strspn(walk->rest, "/"), len = strcspn(walk->rest + skip, "/");

	memcpy(name, walk->rest + skip, len);
	name[len] = '\0';
	memmove(walk->rest, walk->rest + skip + len, strlen(walk->rest + skip + len) + 1);
	return len;
}

static int follow(struct walk *walk, int link_fd)
{
	char target[PATH_MAX], rest[PATH_MAX];
	ssize_t len = readlinkat(link_fd, "", target, sizeof(target) - 1);

	if (len < 0)
		return -errno;
	target[len] = '\0';
	if (++walk->n_links > MAX_LINKS)
		return -ELOOP;
	if (snprintf(rest, sizeof(rest), "%s%s", target, walk->rest) >= (int)sizeof(rest))
		return -ENAMETOOLONG;
	memcpy(walk->rest, rest, sizeof(rest));
	return target[0] == '/' ? begin(walk) : 0;
}

/* A link to what a process has open, as /dev/stdin leads to: what it says is no path. */
static bool is_descriptor(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

static int open_last(struct walk *walk, const char *name, int flags)
{
	_cleanup_(closep) int fd = openat(walk->dir_fd, name, flags | O_CLOEXEC);
	int r = fd < 0 ? -errno : judge(fd, walk->why);

	if (!r)
		walk->found_fd = take_fd(&fd);
	return r;
}

/* One name further. */
static int step(struct walk *walk, const char *name, int flags)
{
	_cleanup_(closep) int fd = openat(walk->dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool is_last = !walk->rest[strspn(walk->rest, "/")];
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if (is_last && !S_ISLNK(st.st_mode))
		return open_last(walk, name, flags | O_NOFOLLOW);
	r = judge(fd, walk->why);
	if (r < 0)
		return r;
	if (S_ISLNK(st.st_mode))
		return is_last && is_descriptor(fd) ? open_last(walk, name, flags)
						    : follow(walk, fd);
	move_to(walk, &fd);
	return 0;
}

int trusted_open(const char *path, int flags, char **ret_why)
{
	struct walk walk = { .dir_fd = -1, .found_fd = -1, .why = ret_why };
	char name[PATH_MAX];
	int r;

	*ret_why = NULL;
	if (!path[0])
		return -ENOENT;
	if (strlen(path) >= sizeof(walk.rest))
		return -ENAMETOOLONG;
	strcpy(walk.rest, path);
	r = begin(&walk);
	while (!r && walk.found_fd < 0)
		r = next_name(&walk, name) ? step(&walk, name, flags)
					   : open_last(&walk, ".", flags);
	closep(&walk.dir_fd);
	return r < 0 ? r : walk.found_fd;
}
