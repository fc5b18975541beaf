// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <time.h>

#include "log.h"
#include "pins.h"
#include "trusted.h"
#include "util.h"

#define BPFFS "/sys/fs/bpf"
#define MAX_ROOT_LEN (PINS_PATH_LEN - 72) /* "/links/", the longest hook, an escaped name */
#define NEW_PREFIX "new_"
#define LOCK_TRIES 5
#define LOCK_PAUSE_NS (10 * 1000 * 1000)

static const char *root = PINS_DEFAULT_ROOT;

void pins_set_root(const char *new_root)
{
	root = new_root;
}

const char *pins_root(void)
{
	return root;
}

const char *pins_map_path(const char *map, char buf[static PINS_PATH_LEN])
{
	snprintf(buf, PINS_PATH_LEN, "%s/%s", root, map);
	return buf;
}

const char *pins_new_map_path(const char *map, char buf[static PINS_PATH_LEN])
{
	snprintf(buf, PINS_PATH_LEN, "%s/" NEW_PREFIX "%s", root, map);
	return buf;
}

/* bpffs refuses names with a dot; '%' goes too, so that eth0.1 and eth0%2e1 stay apart. */
static void escape_ifname(const char *ifname, char *buf, size_t buf_len)
{
	size_t used = 0;

	for (; *ifname && used + sizeof("%xx") <= buf_len; ifname++) {
		if (*ifname == '.' || *ifname == '%')
			used += snprintf(buf + used, buf_len - used, "%%%02x", *ifname);
		else
			buf[used++] = *ifname;
	}
	buf[used] = '\0';
}

const char *pins_directory_path(const char *name, char buf[static PINS_PATH_LEN])
{
	return pins_map_path(name, buf);
}

const char *pins_program_path(unsigned int id, char buf[static PINS_PATH_LEN])
{
	snprintf(buf, PINS_PATH_LEN, "%s/" PINS_PROGRAMS "/%u", root, id);
	return buf;
}

const char *pins_text_path(const char *name, char buf[static PINS_PATH_LEN])
{
	snprintf(buf, PINS_PATH_LEN, "%s/" PINS_TEXT "/%s", root, name);
	return buf;
}

const char *pins_link_path(const char *hook, const char *ifname, char buf[static PINS_PATH_LEN])
{
	char escaped[EDGE53_IFNAME_LEN * 3];

	escape_ifname(ifname, escaped, sizeof(escaped));
	snprintf(buf, PINS_PATH_LEN, "%s/links/%s_%s", root, hook, escaped);
	return buf;
}

/* The byte of two hexadecimal digits; 0, which is in no name: there are not two. */
static char hex_byte(const char *digits)
{
	char text[3] = "";

	if (!isxdigit((unsigned char)digits[0]) || !isxdigit((unsigned char)digits[1]))
		return '\0';
	memcpy(text, digits, 2);
	return (char)strtoul(text, NULL, 16);
}

static bool unescape_ifname(const char *text, char ifname[static EDGE53_IFNAME_LEN])
{
	size_t used = 0;

	while (*text && used + 1 < EDGE53_IFNAME_LEN) {
		bool is_escape = *text == '%';

		ifname[used] = is_escape ? hex_byte(text + 1) : *text;
		if (!ifname[used++])
			return false;
		text += is_escape ? 3 : 1;
	}
	ifname[used] = '\0';
	return used && !*text;
}

bool pins_parse_link(const char *entry, char hook[static 32], char ifname[static 16])
{
	static const char *const hooks[] = {
		"xdp",		  "tcx_ingress",      "tcx_egress",
		"clsact_ingress", "clsact_egress",    "tcx_return_in",
		"tcx_return_out", "clsact_return_in", "clsact_return_out",
		"qdisc",	  "old_tcx_ingress",  "old_tcx_egress",
		"old_clsact_ingress", "old_clsact_egress",
	};

	for (size_t i = 0; i < ARRAY_SIZE(hooks); i++) {
		size_t len = strlen(hooks[i]);

		if (strncmp(entry, hooks[i], len) || entry[len] != '_')
			continue;
		snprintf(hook, 32, "%s", hooks[i]);
		return unescape_ifname(entry + len + 1, ifname);
	}
	return false;
}

static bool is_below(const char *path, const char *directory)
{
	size_t len = strlen(directory);

	return !strncmp(path, directory, len) && (path[len] == '/' || path[len] == '\0');
}

/* Mounts bpffs where systemd would; on hosts without systemd nobody else does. */
static int ensure_bpffs(void)
{
	struct stat parent, mountpoint;

	if (!is_below(root, BPFFS) || stat(BPFFS, &mountpoint) < 0 || stat("/sys/fs", &parent) < 0)
		return 0;
	if (mountpoint.st_dev != parent.st_dev) /* something is mounted; is it what we need? */
		return 0;
	if (mount("bpf", BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") < 0)
		return -errno;
	log_info("mounted a bpffs on %s", BPFFS);
	return 0;
}

static int is_bpffs(int fd)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -errno;
	return (unsigned int)fs.f_type == BPF_FS_MAGIC;
}

static int open_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Looks at the parent first: on another file system nothing should be left behind. */
static int make_root(void)
{
	_cleanup_(closep) int parent_fd = -1;
	char parent[PINS_PATH_LEN];
	char *slash;
	int r;

	snprintf(parent, sizeof(parent), "%s", root);
	for (slash = parent + strlen(parent); slash > parent + 1 && slash[-1] == '/';)
		*--slash = '\0';
	slash = strrchr(parent, '/');
	if (!slash)
		return -ENODEV; /* a relative path: never a bpffs of ours */
	slash[slash == parent] = '\0';
	parent_fd = open_directory(parent);
	if (parent_fd < 0)
		return parent_fd;
	r = is_bpffs(parent_fd);
	if (r <= 0)
		return r < 0 ? r : -ENODEV;
	if (mkdir(root, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

/* Where nobody else can put something in place of a pin, or of the root: a bpffs may be everybody's, as mount(8) makes it. */
static int open_trusted(void)
{
	_cleanup_(freep) char *why = NULL;
	int fd = trusted_open(root, O_RDONLY | O_DIRECTORY, &why);

	if (why)
		log_error("%s: is not used: %s", root, why);
	return fd;
}

static int open_root(void)
{
	_cleanup_(closep) int fd = open_trusted();
	int r;

	if (fd == -ENOENT) {
		r = make_root();
		if (r < 0)
			return r;
		fd = open_trusted();
	}
	if (fd < 0)
		return fd;
	r = is_bpffs(fd);
	if (r <= 0)
		return r < 0 ? r : -ENODEV;
	if (mkdirat(fd, "links", 0700) < 0 && errno != EEXIST)
		return -errno;
	return take_fd(&fd);
}

/* --- nobody else's ---------------------------------------------------------------------------- */

/* Takes from others what somebody has given them. Returns how many of the entries that were, or -errno. */
static int close_entry(int directory_fd, const char *name)
{
	struct stat st;

	if (fstatat(directory_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0 : -errno;
	if (!trusted_owner(&st)) {
		log_error("%s/%s belongs to user %u, who could have edge53 do what he likes: remove it, or `chown root` it",
			  root, name, st.st_uid);
		return -EPERM;
	}
	if (S_ISLNK(st.st_mode) || !(st.st_mode & (S_IRWXG | S_IRWXO)))
		return 0;
	return fchmodat(directory_fd, name, st.st_mode & S_IRWXU, 0) ? -errno : 1;
}

/* The same for a directory and what is in it. */
static int close_directory(int parent_fd, const char *name)
{
	int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int n = 0, r = 0;

	if (!directory) {
		r = errno == ENOENT ? 0 : -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	while (r >= 0 && (entry = readdir(directory))) {
		if (!strcmp(entry->d_name, ".."))
			continue;
		r = close_entry(dirfd(directory), entry->d_name); /* "." is itself */
		n += r;
	}
	closedir(directory);
	return r < 0 ? r : n;
}

/* They are made for their owner only. Who opened one to others meant well, and opened all that it can change. */
static int close_to_others(int root_fd)
{
	static const char *const directories[] = { ".", "links", PINS_TEXT, PINS_PROGRAMS };
	int n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
		int r = close_directory(root_fd, directories[i]);

		if (r < 0)
			return r;
		n += r;
	}
	if (n)
		log_warning("%s: %d pins or directories could be used by others; they are the owner's alone again",
			    root, n);
	return 0;
}

/* A loader that leaves for good removes the root; a lock on what was removed protects nothing. */
static bool is_still_root(int fd)
{
	struct stat locked, now;

	return fstat(fd, &locked) == 0 && stat(root, &now) == 0 && locked.st_dev == now.st_dev &&
	       locked.st_ino == now.st_ino;
}

int pins_lock(void)
{
	const struct timespec a_moment = { .tv_nsec = LOCK_PAUSE_NS };
	int tries, r;

	if (strlen(root) > MAX_ROOT_LEN)
		return -ENAMETOOLONG;
	r = ensure_bpffs();
	if (r < 0)
		return r;
	/* More than once, because pins_is_locked() of another process holds it for a moment. */
	for (tries = 0; tries < LOCK_TRIES; tries++) {
		_cleanup_(closep) int fd = open_root();

		if (fd < 0)
			return fd;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (is_still_root(fd))
				return close_to_others(fd) ?: take_fd(&fd);
		} else if (errno != EWOULDBLOCK) {
			return -errno;
		}
		nanosleep(&a_moment, NULL);
	}
	return -EBUSY;
}

int pins_is_locked(void)
{
	_cleanup_(closep) int fd = open_directory(root);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? 1 : -errno;
}

/* A line: "1: FLOCK  ADVISORY  WRITE 1234 00:2a:77 0 EOF" (fs/locks.c, lock_get_status()). */
static int holder_in_line(const char *line, const struct stat *root_stat)
{
	unsigned int major_number, minor_number;
	unsigned long inode;
	int pid;

	if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %d %x:%x:%lu", &pid, &major_number, &minor_number,
		   &inode) != 4)
		return 0;
	if (inode != root_stat->st_ino || major_number != major(root_stat->st_dev) ||
	    minor_number != minor(root_stat->st_dev))
		return 0;
	return pid > 0 ? pid : 0;
}

int pins_lock_holder(void)
{
	struct stat root_stat;
	char line[256];
	int pid = 0;
	FILE *locks;

	if (stat(root, &root_stat) < 0)
		return errno == ENOENT ? 0 : -errno;
	locks = fopen("/proc/locks", "re");
	if (!locks)
		return -errno;
	while (!pid && fgets(line, sizeof(line), locks))
		pid = holder_in_line(line, &root_stat);
	fclose(locks);
	return pid;
}

/* --- a set of maps takes the place of another ------------------------------------------------- */

static bool is_new(const char *name)
{
	return !strncmp(name, NEW_PREFIX, strlen(NEW_PREFIX));
}

static int take_place(int directory_fd, const char *new_name)
{
	return renameat(directory_fd, new_name, directory_fd, new_name + strlen(NEW_PREFIX)) ? -errno
											      : 0;
}

/* Calls take_place() for each pin of a new set, or removes it. */
static int settle(DIR *directory, bool is_valid, const char *but_not)
{
	struct dirent *entry;
	int r = 0;

	/* From the beginning after each: what is renamed may come again, or something else not at all. */
	do {
		rewinddir(directory);
		while ((entry = readdir(directory)))
			if (is_new(entry->d_name) && strcmp(entry->d_name, but_not))
				break;
		if (entry && is_valid)
			r = take_place(dirfd(directory), entry->d_name);
		else if (entry)
			r = unlinkat(dirfd(directory), entry->d_name, 0) ? -errno : 0;
	} while (entry && !r);
	return r;
}

int pins_commit(const char *record)
{
	DIR *directory = opendir(root);
	char name[PINS_PATH_LEN];
	int r;

	if (!directory)
		return -errno;
	snprintf(name, sizeof(name), NEW_PREFIX "%s", record);
	r = take_place(dirfd(directory), name);
	if (!r)
		r = settle(directory, true, "");
	closedir(directory);
	return r;
}

int pins_recover(const char *record)
{
	DIR *directory = opendir(root);
	char name[PINS_PATH_LEN];
	bool is_valid;
	int r;

	if (!directory)
		return -errno;
	snprintf(name, sizeof(name), NEW_PREFIX "%s", record);
	is_valid = faccessat(dirfd(directory), name, F_OK, 0) && errno == ENOENT;
	r = settle(directory, is_valid, name);
	if (!r && !is_valid && unlinkat(dirfd(directory), name, 0))
		r = -errno;
	closedir(directory);
	return r;
}

int pins_remove_others(pins_is_wanted_fn is_wanted, const void *arg)
{
	DIR *directory = opendir(root);
	struct dirent *entry;
	int r = 0;

	if (!directory)
		return -errno;
	while ((entry = readdir(directory)))
		if (entry->d_type != DT_DIR && !is_wanted(entry->d_name, arg) &&
		    unlinkat(dirfd(directory), entry->d_name, 0))
			r = r ?: -errno;
	closedir(directory);
	return r;
}

static int unlink_files(DIR *directory)
{
	struct dirent *entry;
	int r = 0;

	while ((entry = readdir(directory))) {
		if (entry->d_type == DT_DIR)
			continue;
		if (unlinkat(dirfd(directory), entry->d_name, 0) && errno != ENOENT && !r)
			r = -errno;
	}
	return r;
}

static int remove_directory(int root_fd, const char *name)
{
	int fd = openat(root_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC), r;
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);

	if (!directory) {
		r = errno == ENOENT ? 0 : -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	r = unlink_files(directory);
	closedir(directory);
	return unlinkat(root_fd, name, AT_REMOVEDIR) ? -errno : r;
}

int pins_remove_all(const char *first)
{
	DIR *directory = opendir(root);
	int r, error;

	if (!directory)
		return -errno;
	unlinkat(dirfd(directory), first, 0);
	r = unlink_files(directory);
	error = remove_directory(dirfd(directory), PINS_TEXT);
	r = r ?: error;
	error = remove_directory(dirfd(directory), PINS_PROGRAMS);
	r = r ?: error;
	unlinkat(dirfd(directory), PINS_RCU_MARK, AT_REMOVEDIR);
	if (unlinkat(dirfd(directory), "links", AT_REMOVEDIR) && errno != ENOENT && !r)
		r = -errno;
	closedir(directory);
	if (rmdir(root) && !r)
		r = -errno;
	return r;
}
