/* SPDX-License-Identifier: GPL-2.0-only */
/* `edge53 down`: end the loader, detach and unpin everything. */
#include <argp.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "attach.h"
#include "commands.h"
#include "dataplane.h"
#include "log.h"
#include "pins.h"
#include "rcu.h"

#define LOCK_TRIES 100
#define LOCK_PAUSE_NS (50 * 1000 * 1000)

/* Asks a live loader to leave and waits for its lock. Returns the lock, or negative errno. */
static int take_over(void)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	int asked = 0;

	for (int i = 0; i < LOCK_TRIES; i++) {
		int lock_fd = pins_lock(), pid;

		if (lock_fd != -EBUSY)
			return lock_fd;
		/* Whoever holds the lock now, and not who is said to have held it once. */
		pid = pins_lock_holder();
		if (pid > 0 && pid != asked) {
			log_info("ending the loader (pid %d)", pid);
			if (kill(pid, SIGTERM) && errno != ESRCH)
				return -errno;
			asked = pid;
		}
		nanosleep(&pause, NULL);
	}
	return -EBUSY;
}

static bool is_loaded(void)
{
	struct stat st;

	return !stat(pins_root(), &st) || (errno != ENOENT && errno != ENOTDIR);
}

int cmd_down(int argc, char **argv)
{
	static const struct argp argp = {
		.doc = "End the loader if it runs, detach every program, and remove all pinned state.",
	};
	_cleanup_(closep) int lock_fd = -1;
	int r, error;

	if (argp_parse(&argp, argc, argv, 0, NULL, NULL))
		return EXIT_USAGE;
	if (!is_loaded()) {
		log_error("not loaded");
		return EXIT_NOT_LOADED;
	}
	signal(SIGUSR1, SIG_IGN); /* `edge53 attach` takes who holds the lock for a loader */
	lock_fd = take_over();
	if (lock_fd < 0) {
		log_error("cannot take over %s: %s", pins_root(), strerror(-lock_fd));
		return EXIT_FAILED;
	}
	rcu_recover();
	r = attach_remove_all();
	error = pins_remove_all(DATAPLANE_COMMIT_RECORD);
	if (!r)
		r = error;
	if (r < 0) {
		log_error("could not remove everything below %s: %s", pins_root(), strerror(-r));
		return EXIT_FAILED;
	}
	return EXIT_FINE;
}
