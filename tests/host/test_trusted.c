// SPDX-License-Identifier: GPL-2.0-only
/* Which files are taken for somebody's whom the loader may obey, and which are not, with the command that mends it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../loader/config.h"
#include "../../loader/log.h"
#include "../../loader/trusted.h"
#include "../../loader/util.h"

#define STRANGER 12345

static char base[64], *why, message[1024];

/* A path below the directory of the test. */
static const char *at(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, PATH_MAX, "%s/%s", base, name);
	return path;
}

static void make_file(const char *name, mode_t mode)
{
	FILE *f = fopen(at(name), "we");

	assert_non_null(f);
	fputs("secret\n", f);
	fclose(f);
	assert_int_equal(chmod(at(name), mode), 0);
}

static void make_dir(const char *name, mode_t mode)
{
	assert_int_equal(mkdir(at(name), 0700), 0);
	assert_int_equal(chmod(at(name), mode), 0);
}

static void make_link(const char *target, const char *name)
{
	assert_int_equal(symlink(target, at(name)), 0);
}

static void belongs_to_stranger(const char *name)
{
	assert_int_equal(lchown(at(name), STRANGER, (gid_t)-1), 0);
}

static int open_it(const char *path)
{
	free(why);
	return trusted_open(path, O_RDONLY | O_NONBLOCK, &why);
}

static void is_trusted(const char *path)
{
	_cleanup_(closep) int fd = open_it(path);
	char text[16] = "";

	if (fd < 0)
		fail_msg("%s: %s", path, why ?: strerror(-fd));
	assert_null(why);
	assert_int_equal(read(fd, text, sizeof(text)), 7);
	assert_string_equal(text, "secret\n");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

/* For this reason, which has the path of what is to blame in place of %s. */
static void is_refused(const char *path, const char *reason, const char *culprit)
{
	char wanted[2 * PATH_MAX];
	int r = open_it(path);

	snprintf(wanted, sizeof(wanted), reason, at(culprit), at(culprit));
	assert_int_equal(r, -EPERM);
	assert_non_null(why);
	assert_string_equal(why, wanted);
}

static void fails_with(const char *path, int error)
{
	assert_int_equal(open_it(path), -error);
	assert_null(why);
}

static unsigned int count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

#define BY_ALL(mend)                                                                               \
	"%s can be written by everybody, who could have edge53 do what they like: `chmod " mend    \
	" %s`"
#define OF_STRANGER(mend)                                                                          \
	"%s belongs to user 12345, who could have edge53 do what he likes: `chown " mend " %s`"

static void ones_own_file_is_trusted(void **state)
{
	char relative[PATH_MAX];

	(void)state;
	make_file("good", 0644);
	make_dir("dir", 0755);
	make_file("dir/inner", 0400);
	is_trusted(at("good"));
	is_trusted(at("dir/inner"));
	is_trusted(at("dir//.././dir/../good"));
	assert_int_equal(chdir(at("dir")), 0);
	is_trusted("inner");
	is_trusted("../good");
	snprintf(relative, sizeof(relative), "../dir/./inner");
	is_trusted(relative);
	assert_int_equal(chdir("/"), 0);
}

static void a_file_that_others_can_write_is_not(void **state)
{
	(void)state;
	make_file("of_all", 0646);
	is_refused(at("of_all"), BY_ALL("o-w"), "of_all");
	make_file("of_both", 0666);
	is_refused(at("of_both"), BY_ALL("go-w"), "of_both");
	make_file("of_group", 0664);
	assert_int_equal(open_it(at("of_group")), -EPERM);
	assert_non_null(strstr(why, "can be written by group "));
	assert_non_null(strstr(why, "`chmod g-w "));
	assert_int_equal(chmod(at("of_group"), 0644), 0);
	is_trusted(at("of_group"));
}

static void nor_one_in_a_directory_where_it_can_be_replaced(void **state)
{
	(void)state;
	make_dir("open", 0757);
	make_dir("open/closed", 0755);
	make_file("open/closed/file", 0644);
	is_refused(at("open/closed/file"), BY_ALL("o-w"), "open");
	/* It is the way that counts, and not where the way ends. */
	assert_int_equal(chdir(at("open/closed")), 0);
	is_trusted("file");
	is_refused("../closed/file", BY_ALL("o-w"), "open");
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(chmod(at("open"), 0775), 0);
	assert_int_equal(open_it(at("open/closed/file")), -EPERM);
	assert_non_null(strstr(why, "`chmod g-w "));
	/* As /tmp: what is there is the owner's to replace. */
	assert_int_equal(chmod(at("open"), 01777), 0);
	is_trusted(at("open/closed/file"));
}

static void a_link_is_as_good_as_the_ways_to_it_and_from_it(void **state)
{
	(void)state;
	make_file("target", 0644);
	make_dir("links", 0755);
	make_link("../target", "links/short");
	make_link(at("links/short"), "links/chain");
	is_trusted(at("links/short"));
	is_trusted(at("links/chain"));
	make_link("links", "dirlink");
	is_trusted(at("dirlink/chain"));

	make_dir("shared", 0777);
	make_link("../target", "shared/link");
	is_refused(at("shared/link"), BY_ALL("go-w"), "shared");
	make_file("shared/file", 0644);
	make_link("../shared/file", "links/there");
	is_refused(at("links/there"), BY_ALL("go-w"), "shared");

	make_link("loop2", "loop1");
	make_link("loop1", "loop2");
	fails_with(at("loop1"), ELOOP);
	make_link("nowhere", "dangling");
	fails_with(at("dangling"), ENOENT);
}

static void what_is_a_strangers_is_not(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	make_file("his", 0644);
	belongs_to_stranger("his");
	is_refused(at("his"), OF_STRANGER("root"), "his");

	make_dir("hisdir", 0755);
	make_file("hisdir/file", 0644);
	belongs_to_stranger("hisdir");
	is_refused(at("hisdir/file"), OF_STRANGER("root"), "hisdir");

	/* With the sticky bit he may change where his own link leads to. */
	make_dir("sticky", 01777);
	make_file("sticky/file", 0644);
	make_link("file", "sticky/link");
	is_trusted(at("sticky/link"));
	belongs_to_stranger("sticky/link");
	is_refused(at("sticky/link"), OF_STRANGER("-h root"), "sticky/link");
}

static void what_cannot_be_opened_has_no_reason(void **state)
{
	char name[NAME_MAX + 2];
	static char deep[PATH_MAX + 16];

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(deep, 'x', sizeof(deep) - 1);
	make_file("plain", 0644);
	fails_with("", ENOENT);
	fails_with(at("none"), ENOENT);
	fails_with(at("none/none"), ENOENT);
	fails_with(at("plain/below"), ENOTDIR);
	fails_with(at(name), ENAMETOOLONG);
	fails_with(deep, ENAMETOOLONG);
}

/* What a shell hands over by /dev/stdin or as /dev/fd/N: the file is judged, and a pipe is opened, for others to refuse. */
static void a_descriptor_is_what_it_leads_to(void **state)
{
	_cleanup_(closep) int good = -1, bad = -1, fd = -1;
	char path[64];
	int ends[2];

	(void)state;
	make_file("handed", 0644);
	make_file("handed_bad", 0646);
	good = open(at("handed"), O_RDONLY | O_CLOEXEC);
	bad = open(at("handed_bad"), O_RDONLY | O_CLOEXEC);
	assert_true(good >= 0 && bad >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", good);
	is_trusted(path);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", bad);
	is_refused(path, BY_ALL("o-w"), "handed_bad");
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[0]);
	fd = open_it(path);
	assert_true(fd >= 0);
	close(ends[0]);
	close(ends[1]);
}

static void keep_message(int priority, const char *text)
{
	(void)priority;
	snprintf(message, sizeof(message), "%s", text);
}

/* The configuration, and a list that it names. */
static void a_configuration_is_read_only_then(void **state)
{
	struct config *config = NULL;
	char wanted[3 * PATH_MAX];
	FILE *f;

	(void)state;
	log_set_sink(keep_message);
	make_file("list", 0644);
	f = fopen(at("list"), "we");
	assert_non_null(f);
	fputs("192.0.2.1\n", f);
	fclose(f);
	make_file("edge53.yaml", 0644);
	f = fopen(at("edge53.yaml"), "we");
	assert_non_null(f);
	fputs("enforce: [ { name: vpn, interface: \"ppp*\", resolver: 10.77.0.1, doh: { file: list, action: drop } } ]\n",
	      f);
	fclose(f);
	message[0] = '\0';
	if (config_load(at("edge53.yaml"), &config) < 0)
		fail_msg("%s", message);
	config_freep(&config);
	config = NULL;

	assert_int_equal(chmod(at("list"), 0646), 0);
	assert_int_equal(config_load(at("edge53.yaml"), &config), -EPERM);
	snprintf(wanted, sizeof(wanted),
		 "%s:1: enforce[0].doh.file: %s: is not read: " BY_ALL("o-w"), at("edge53.yaml"),
		 at("list"), at("list"), at("list"));
	assert_string_equal(message, wanted);

	assert_int_equal(chmod(at("list"), 0644), 0);
	assert_int_equal(chmod(at("edge53.yaml"), 0666), 0);
	assert_int_equal(config_load(at("edge53.yaml"), &config), -EPERM);
	snprintf(wanted, sizeof(wanted), "%s: is not read: " BY_ALL("go-w"), at("edge53.yaml"),
		 at("edge53.yaml"), at("edge53.yaml"));
	assert_string_equal(message, wanted);
	log_set_sink(NULL);
}

static void no_descriptor_is_left(void **state)
{
	unsigned int before = count_descriptors();

	(void)state;
	make_file("again", 0644);
	make_link("again", "againlink");
	make_file("bad", 0666);
	for (int i = 0; i < 3; i++) {
		is_trusted(at("againlink"));
		is_refused(at("bad"), BY_ALL("go-w"), "bad");
		fails_with(at("none/none"), ENOENT);
		fails_with(at("loop1"), ELOOP);
	}
	assert_int_equal(count_descriptors(), before);
}

static int set_up(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	snprintf(base, sizeof(base), "%.40s/trusted.XXXXXX", tmp ?: "/tmp");
	return mkdtemp(base) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *place)
{
	(void)st;
	(void)type;
	(void)place;
	return remove(path);
}

static int take_down(void **state)
{
	(void)state;
	free(why);
	return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ones_own_file_is_trusted),
		cmocka_unit_test(a_file_that_others_can_write_is_not),
		cmocka_unit_test(nor_one_in_a_directory_where_it_can_be_replaced),
		cmocka_unit_test(a_link_is_as_good_as_the_ways_to_it_and_from_it),
		cmocka_unit_test(what_is_a_strangers_is_not),
		cmocka_unit_test(what_cannot_be_opened_has_no_reason),
		cmocka_unit_test(a_descriptor_is_what_it_leads_to),
		cmocka_unit_test(a_configuration_is_read_only_then),
		cmocka_unit_test(no_descriptor_is_left),
	};

	return cmocka_run_group_tests(tests, set_up, take_down);
}
