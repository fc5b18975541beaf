// SPDX-License-Identifier: GPL-2.0-only
#include "rcu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "pins.h"
#include "util.h"

#define EXPEDITED "/sys/kernel/rcu_expedited"

/* Ours to end: it was off before, and the mark is there. */
static bool hurries;
static sigset_t mask_before;

static bool is_off(int fd)
{
	char value;

	return read(fd, &value, 1) == 1 && value == '0';
}

/* Other signals wait: they would end `edge53 down` half way. */
static void hold_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &mask_before);
}

static const char *mark_path(char buf[static PINS_PATH_LEN])
{
	return pins_map_path(PINS_RCU_MARK, buf);
}

static int write_off(void)
{
	_cleanup_(closep) int fd = open(EXPEDITED, O_WRONLY | O_CLOEXEC);
	char path[PINS_PATH_LEN];

	if (fd < 0 || pwrite(fd, "0", 1, 0) != 1) {
		log_error("cannot write 0 to %s again: %s", EXPEDITED, strerror(errno));
		return -errno;
	}
	rmdir(mark_path(path));
	return 0;
}

void rcu_recover(void)
{
	char path[PINS_PATH_LEN];

	if (!hurries && !access(mark_path(path), F_OK) && !write_off())
		log_info("wrote 0 to %s, where a loader that was killed had left 1", EXPEDITED);
}

void rcu_hurry(void)
{
	char path[PINS_PATH_LEN];
	_cleanup_(closep) int fd = -1;

	if (hurries)
		return;
	fd = open(EXPEDITED, O_RDWR | O_CLOEXEC);
	if (fd < 0 || !is_off(fd))
		return;
	if (mkdir(mark_path(path), 0700) && errno != EEXIST)
		return;
	hold_signals();
	hurries = pwrite(fd, "1", 1, 0) == 1;
	if (hurries) {
		log_debug("RCU: expedited, for links");
	} else {
		rmdir(path);
		sigprocmask(SIG_SETMASK, &mask_before, NULL);
	}
}

void rcu_hurry_end(void)
{
	if (!hurries)
		return;
	hurries = false;
	if (!write_off())
		log_debug("RCU: as before");
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}
