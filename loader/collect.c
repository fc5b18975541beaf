// SPDX-License-Identifier: GPL-2.0-only
#include "collect.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "log.h"
#include "metrics_text.h"
#include "status.h"

#define LIMIT_US (30 * 1000000ull) /* for the child, on a busy machine with a million clients */
#define MAX_TEXT_LEN (16 * 1024 * 1024)
#define READ_LEN (64 * 1024)
#define CHILD_FD 3

struct collect {
	pid_t pid;
	int fd; /* read end of the pipe that the child writes into */
	char *text;
	size_t text_len;
	sd_event_source *readable;
	sd_event_source *limit;
	collect_fn fn;
	void *arg;
};

/* --- the child -------------------------------------------------------------------------------- */

static void say_nothing(int priority, const char *text)
{
	(void)priority;
	(void)text;
}

static int write_metrics(unsigned int top_clients)
{
	_cleanup_(status_clear) struct status status = { 0 };
	FILE *out = fdopen(CHILD_FD, "w");
	int r;

	if (!out)
		return -errno;
	r = state_open(&status.state);
	if (!r)
		r = status_gather(&status);
	if (!r)
		r = metrics_text(&status, top_clients, out);
	return fflush(out) && !r ? -errno : r;
}

/*
 * The loader's descriptors are closed, so that a connection ends when the loader ends it, and the lock on the pins
 * with the loader; that of the journal, too, so nothing is said here, and the exit code says what went wrong.
 */
/* Short of memory, the kernel takes this process before the loader. */
static void go_first(void)
{
	_cleanup_(closep) int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "1000", 4) < 0)
		log_debug("oom_score_adj: %s", strerror(errno));
}

static _Noreturn void be_child(int fd, pid_t parent, unsigned int top_clients)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(ESRCH);
	log_set_sink(say_nothing);
	go_first();
	if (dup2(fd, CHILD_FD) < 0 || close_range(CHILD_FD + 1, UINT_MAX, 0) < 0)
		_exit(errno);
	_exit(-write_metrics(top_clients) & 0xff);
}

/* --- the loader ------------------------------------------------------------------------------- */

/* Returns the errno that the child ended with. It is at its end, or is killed: there is next to nothing to wait for. */
static int reap(struct collect *collect)
{
	int status = 0;

	while (waitpid(collect->pid, &status, 0) < 0 && errno == EINTR)
		;
	collect->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

void collect_cancel(struct collect *collect)
{
	if (!collect)
		return;
	sd_event_source_disable_unref(collect->readable);
	sd_event_source_disable_unref(collect->limit);
	closep(&collect->fd);
	if (collect->pid > 0) {
		kill(collect->pid, SIGKILL);
		reap(collect);
	}
	free(collect->text);
	free(collect);
}

static void collect_cancelp(struct collect **collect)
{
	collect_cancel(*collect);
}

static int finish(struct collect *collect, int error)
{
	collect_fn fn = collect->fn;
	void *arg = collect->arg;
	size_t text_len = collect->text_len;
	char *text = error ? NULL : take_ptr(collect->text);

	collect_cancel(collect);
	fn(text, text_len, error, arg);
	return 0;
}

static int on_readable(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct collect *collect = arg;
	char *grown;
	ssize_t n;

	(void)source;
	(void)revents;
	if (collect->text_len > MAX_TEXT_LEN)
		return finish(collect, -EFBIG);
	grown = realloc(collect->text, collect->text_len + READ_LEN);
	if (!grown)
		return finish(collect, -ENOMEM);
	collect->text = grown;
	n = read(fd, grown + collect->text_len, READ_LEN);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : finish(collect, -errno);
	collect->text_len += (size_t)n;
	return n ? 0 : finish(collect, -reap(collect));
}

static int on_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	return finish(arg, -ETIMEDOUT);
}

static int watch(struct collect *collect, sd_event *event)
{
	int r = sd_event_add_io(event, &collect->readable, collect->fd, EPOLLIN, on_readable,
				collect);

	if (r >= 0)
		r = sd_event_source_set_priority(collect->readable, SD_EVENT_PRIORITY_IDLE);
	if (r >= 0)
		r = sd_event_add_time_relative(event, &collect->limit, CLOCK_MONOTONIC, LIMIT_US,
					       100000, on_limit, collect);
	return r;
}

int collect_start(sd_event *event, unsigned int top_clients, collect_fn fn, void *arg,
		  struct collect **ret)
{
	_cleanup_(collect_cancelp) struct collect *collect = calloc(1, sizeof(*collect));
	_cleanup_(closep) int write_fd = -1;
	pid_t parent = getpid();
	int fds[2], r;

	if (!collect)
		return -ENOMEM;
	collect->fd = -1;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	collect->fd = fds[0];
	write_fd = fds[1];
	collect->fn = fn;
	collect->arg = arg;
	if (fcntl(collect->fd, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	r = watch(collect, event);
	if (r < 0)
		return r;
	collect->pid = fork();
	if (collect->pid < 0)
		return -errno;
	if (!collect->pid)
		be_child(write_fd, parent, top_clients);
	*ret = take_ptr(collect);
	return 0;
}
