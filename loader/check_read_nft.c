// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ruleset, as `nft -j list ruleset` tells it: one program that knows all expressions of its kernel. It is run
 * without a shell, and neither hangs us nor fills our memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

#define MAX_OUTPUT (256u << 20)
#define TIMEOUT_MS 20000

extern char **environ;

struct output {
	char *text;
	size_t len;
	size_t room;
};

/* What one read brings. Returns 1, 0 at the end, or negative errno. */
static int take(int fd, struct output *out)
{
	ssize_t n;

	if (out->len == out->room) {
		size_t room = out->room * 2 + 65536;
		char *larger = out->room < MAX_OUTPUT ? realloc(out->text, room) : NULL;

		if (!larger)
			return out->room < MAX_OUTPUT ? -ENOMEM : -EFBIG;
		out->text = larger;
		out->room = room;
	}
	do {
		n = read(fd, out->text + out->len, out->room - out->len);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	out->len += (size_t)n;
	return n > 0;
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

/* Both pipes until both have ended. Returns 0 or negative errno. */
static int collect(int fds[2], struct output out[2])
{
	long long deadline = now_ms() + TIMEOUT_MS;
	struct pollfd polled[2] = { { .fd = fds[0], .events = POLLIN },
				    { .fd = fds[1], .events = POLLIN } };

	while (polled[0].fd >= 0 || polled[1].fd >= 0) {
		long long left = deadline - now_ms();
		int r = left > 0 ? poll(polled, 2, (int)left) : 0;

		if (r < 0 && errno != EINTR)
			return -errno;
		if (!r)
			return -ETIMEDOUT;
		for (int i = 0; i < 2; i++) {
			if (r < 0 || polled[i].fd < 0 || !polled[i].revents)
				continue;
			r = take(fds[i], &out[i]);
			if (r < 0)
				return r;
			if (!r)
				polled[i].fd = -1;
		}
	}
	return 0;
}

static int spawn_nft(const char *path, int out_fd, int error_fd, pid_t *ret)
{
	static char *const arguments[] = { "nft", "-j", "list", "ruleset", NULL };
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
		    ?: posix_spawn_file_actions_adddup2(&actions, out_fd, 1)
		    ?: posix_spawn_file_actions_adddup2(&actions, error_fd, 2)
		    ?: posix_spawnp(ret, path, &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Runs it, and waits for its end. Returns its exit status, or negative errno. */
static int run_nft(struct output out[2])
{
	int pipes[2][2], status = 0, r;
	pid_t pid;

	if (pipe2(pipes[0], O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(pipes[1], O_CLOEXEC) < 0) {
		r = -errno;
		close(pipes[0][0]);
		close(pipes[0][1]);
		return r;
	}
	r = spawn_nft("nft", pipes[0][1], pipes[1][1], &pid);
	if (r == -ENOENT) /* sbin is not in everyone's PATH */
		r = spawn_nft("/usr/sbin/nft", pipes[0][1], pipes[1][1], &pid);
	close(pipes[0][1]);
	close(pipes[1][1]);
	if (!r) {
		r = collect((int[2]){ pipes[0][0], pipes[1][0] }, out);
		if (r < 0)
			kill(pid, SIGKILL);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(pipes[0][0]);
	close(pipes[1][0]);
	if (r < 0)
		return r;
	return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

static int why(struct check_facts *facts, const char *fmt, const char *what)
{
	return asprintf(&facts->nft_why, fmt, what) < 0 ? -ENOMEM : 0;
}

/* The first line of what it said on stderr. */
static int why_refused(struct check_facts *facts, const struct output *out)
{
	char line[128];
	size_t len = 0;

	while (len < out->len && len < sizeof(line) - 1 && (unsigned char)out->text[len] >= ' ' &&
	       (unsigned char)out->text[len] < 0x7f)
		len++;
	if (len)
		memcpy(line, out->text, len);
	line[len] = '\0';
	return why(facts, "nft list ruleset: %s", len ? line : "failed");
}

int check_read_nft(struct check_facts *facts)
{
	struct output out[2] = { 0 };
	json_error_t error;
	int status = run_nft(out), r = 0;

	if (status == -ENOENT)
		r = why(facts, "the nft command is not installed%s", "");
	else if (status < 0)
		r = why(facts, "nft list ruleset: %s", strerror(-status));
	else if (status)
		r = why_refused(facts, &out[1]);
	else {
		facts->nft = json_loadb(out[0].text, out[0].len, 0, &error);
		if (!facts->nft)
			r = why(facts, "its answer is no JSON: %s", error.text);
	}
	free(out[0].text);
	free(out[1].text);
	return r;
}
