// SPDX-License-Identifier: GPL-2.0-only
#include "rcu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>

#include "log.h"
#include "util.h"

#define EXPEDITED "/sys/kernel/rcu_expedited"

/* Ours to end: it was off before. Only a loader that is killed (SIGKILL) meanwhile leaves it on, until it is reset. */
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

void rcu_hurry(void)
{
	_cleanup_(closep) int fd = -1;

	if (hurries)
		return;
	fd = open(EXPEDITED, O_RDWR | O_CLOEXEC);
	if (fd < 0 || !is_off(fd))
		return;
	hold_signals();
	hurries = pwrite(fd, "1", 1, 0) == 1;
	if (hurries)
		log_debug("RCU: expedited, for links");
	else
		sigprocmask(SIG_SETMASK, &mask_before, NULL);
}

void rcu_hurry_end(void)
{
	_cleanup_(closep) int fd = -1;

	if (!hurries)
		return;
	hurries = false;
	fd = open(EXPEDITED, O_WRONLY | O_CLOEXEC);
	if (fd >= 0 && pwrite(fd, "0", 1, 0) == 1)
		log_debug("RCU: as before");
	else
		log_error("cannot write 0 to %s again: %s", EXPEDITED, strerror(errno));
	sigprocmask(SIG_SETMASK, &mask_before, NULL);
}
