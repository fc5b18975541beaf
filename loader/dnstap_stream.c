// SPDX-License-Identifier: GPL-2.0-only
#include "dnstap_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <fstrm.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "log.h"
#include "util.h"

#define CONTENT_TYPE "protobuf:dnstap.Dnstap"
#define BUFFER_LEN (64 * 1024)
#define HANDSHAKE_MS 2000
#define LOOK_MS 50
#define FILE_MODE 0640

struct dnstap_stream {
	struct dnstap_stream_options options;
	struct fstrm_writer *writer;
	int fd;
	int error;	     /* of the last flush; a socket is not used any more */
	int64_t deadline_ms; /* 0: none */
	bool is_over;
	off_t good_len;	     /* of the file: all frames before it are whole */
	size_t used;	     /* of the buffer */
	uint64_t n_buffered; /* frames in it */
	uint64_t written;
	uint64_t not_written;
	unsigned char buffer[BUFFER_LEN];
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* When it is over, a moment is left to end properly. */
static void look_whether_over(struct dnstap_stream *s)
{
	int64_t end_ms = now_ms() + DNSTAP_STREAM_GRACE_MS;

	if (!s->is_over && s->options.is_over(s->options.arg)) {
		s->is_over = true;
		if (!s->deadline_ms || s->deadline_ms > end_ms)
			s->deadline_ms = end_ms;
	}
}

/* Waits until the collector is ready, or some time. 0, or -ETIMEDOUT: too long, or it is over. */
static int wait_for(struct dnstap_stream *s, short events)
{
	struct pollfd fd = { .fd = s->fd, .events = events };

	look_whether_over(s);
	if (s->deadline_ms && now_ms() >= s->deadline_ms)
		return -ETIMEDOUT;
	return poll(&fd, 1, LOOK_MS) < 0 && errno != EINTR ? -errno : 0;
}

/* --- the buffer ------------------------------------------------------------------------------- */

static void drop_buffer(struct dnstap_stream *s)
{
	s->not_written += s->n_buffered;
	s->n_buffered = 0;
	s->used = 0;
}

static ssize_t write_some(struct dnstap_stream *s, const unsigned char *data, size_t len)
{
	if (s->options.file)
		return write(s->fd, data, len);
	return send(s->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static int write_all(struct dnstap_stream *s, const unsigned char *data, size_t len)
{
	while (len) {
		ssize_t n = write_some(s, data, len);
		int r = 0;

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			r = wait_for(s, POLLOUT);
		} else if (errno != EINTR) {
			r = -errno;
		}
		if (r < 0)
			return r;
	}
	return 0;
}

int dnstap_stream_flush(struct dnstap_stream *s)
{
	int r;

	if (s->error && s->options.socket) {
		drop_buffer(s);
		return s->error;
	}
	r = write_all(s, s->buffer, s->used);
	if (r < 0) {
		/* A frame that is cut would spoil those that come after it. */
		if (s->options.file && ftruncate(s->fd, s->good_len))
			log_debug("dnstap: cannot cut %s: %s", s->options.file, strerror(errno));
		drop_buffer(s);
	} else {
		s->good_len += (off_t)s->used;
		s->written += s->n_buffered;
		s->n_buffered = 0;
		s->used = 0;
	}
	s->error = r;
	return r;
}

void dnstap_stream_count(struct dnstap_stream *s, uint64_t *written, uint64_t *not_written)
{
	*written = s->written;
	*not_written = s->not_written;
	s->written = s->not_written = 0;
}

/* --- what libfstrm calls ---------------------------------------------------------------------- */

/* Takes control frames and data frames alike; all of them are shorter than the buffer. */
static fstrm_res on_write(void *obj, const struct iovec *iov, int n_iov)
{
	struct dnstap_stream *s = obj;
	size_t len = 0;

	for (int i = 0; i < n_iov; i++)
		len += iov[i].iov_len;
	if (len > sizeof(s->buffer) ||
	    (len > sizeof(s->buffer) - s->used && dnstap_stream_flush(s) < 0))
		return fstrm_res_failure;
	for (int i = 0; i < n_iov; i++) {
		memcpy(s->buffer + s->used, iov[i].iov_base, iov[i].iov_len);
		s->used += iov[i].iov_len;
	}
	return fstrm_res_success;
}

/* Control frames of the collector: in the handshake, and at the end. */
static fstrm_res on_read(void *obj, void *data, size_t len)
{
	struct dnstap_stream *s = obj;
	unsigned char *to = data;

	if (dnstap_stream_flush(s) < 0)
		return fstrm_res_failure;
	while (len) {
		ssize_t n = recv(s->fd, to, len, MSG_DONTWAIT);

		if (n > 0) {
			to += n;
			len -= (size_t)n;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
			   wait_for(s, POLLIN) < 0) {
			return fstrm_res_failure;
		}
	}
	return fstrm_res_success;
}

static fstrm_res on_open(void *obj)
{
	(void)obj;
	return fstrm_res_success;
}

static fstrm_res on_close(void *obj)
{
	return dnstap_stream_flush(obj) < 0 ? fstrm_res_failure : fstrm_res_success;
}

static fstrm_res on_destroy(void *obj)
{
	(void)obj;
	return fstrm_res_success;
}

/* --- opening ---------------------------------------------------------------------------------- */

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	/* EAGAIN: as many wait already as the collector lets. */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return -errno;
	return take_fd(&fd);
}

/* Whether a file begins as Frame Streams do: a control frame, START. */
static bool is_frame_stream(const char *path)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	static const unsigned char escape[4];
	unsigned char begin[12];

	return fd >= 0 && read(fd, begin, sizeof(begin)) == sizeof(begin) &&
	       !memcmp(begin, escape, sizeof(escape)) && begin[11] == FSTRM_CONTROL_START;
}

static int move_aside(const char *path)
{
	char other[4096 + 32], when[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	for (int i = 0; i < 100; i++) {
		int n = snprintf(other, sizeof(other), i ? "%s.%s.%d" : "%s.%s", path, when, i);

		if (n < 0 || (size_t)n >= sizeof(other))
			return -ENAMETOOLONG;
		/* Takes the place of nothing. */
		if (!renameat2(AT_FDCWD, path, AT_FDCWD, other, RENAME_NOREPLACE)) {
			log_info("dnstap: %s of before is now %s", path, other);
			return 0;
		}
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int make_way(const char *path)
{
	struct stat st;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (S_ISREG(st.st_mode) && st.st_size == 0)
		return unlink(path) ? -errno : 0;
	if (!S_ISREG(st.st_mode) || !is_frame_stream(path))
		return -EEXIST;
	return move_aside(path);
}

static int make_file(const char *path)
{
	int r = make_way(path), fd;

	if (r < 0)
		return r;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
	return fd < 0 ? -errno : fd;
}

static int start_writer(struct dnstap_stream *s)
{
	struct fstrm_writer_options *options = fstrm_writer_options_init();
	struct fstrm_rdwr *rdwr = fstrm_rdwr_init(s);
	int r = 0;

	fstrm_rdwr_set_open(rdwr, on_open);
	fstrm_rdwr_set_close(rdwr, on_close);
	fstrm_rdwr_set_destroy(rdwr, on_destroy);
	fstrm_rdwr_set_write(rdwr, on_write);
	if (s->options.socket)
		fstrm_rdwr_set_read(rdwr, on_read);
	fstrm_writer_options_add_content_type(options, CONTENT_TYPE, strlen(CONTENT_TYPE));
	s->writer = fstrm_writer_init(options, &rdwr);
	s->deadline_ms = s->options.socket ? now_ms() + HANDSHAKE_MS : 0;
	if (!s->writer || fstrm_writer_open(s->writer) != fstrm_res_success)
		r = -EPROTO;
	fstrm_writer_options_destroy(&options);
	if (!r)
		r = dnstap_stream_flush(s);
	s->deadline_ms = 0;
	return r;
}

int dnstap_stream_open(const struct dnstap_stream_options *options, struct dnstap_stream **ret)
{
	struct dnstap_stream *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->options = *options;
	s->fd = options->socket ? connect_to(options->socket) : make_file(options->file);
	r = s->fd < 0 ? s->fd : start_writer(s);
	if (r < 0) {
		s->error = r;
		dnstap_stream_close(s);
		return r;
	}
	*ret = s;
	return 0;
}

void dnstap_stream_close(struct dnstap_stream *s)
{
	if (!s)
		return;
	if (s->options.socket)
		s->deadline_ms = now_ms() + DNSTAP_STREAM_GRACE_MS;
	if (s->writer) {
		if (!s->error)
			fstrm_writer_close(s->writer);
		fstrm_writer_destroy(&s->writer);
	}
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

int dnstap_stream_write(struct dnstap_stream *s, const void *frame, size_t len)
{
	if (!(s->error && s->options.socket) &&
	    fstrm_writer_write(s->writer, frame, len) == fstrm_res_success) {
		s->n_buffered++;
		return 0;
	}
	s->not_written++;
	return s->error ?: -EIO;
}

bool dnstap_stream_is_moved(const struct dnstap_stream *s)
{
	struct stat ours, there;

	if (!s->options.file)
		return false;
	return fstat(s->fd, &ours) || lstat(s->options.file, &there) ||
	       ours.st_ino != there.st_ino || ours.st_dev != there.st_dev;
}

bool dnstap_stream_is_hung_up(const struct dnstap_stream *s)
{
	struct pollfd fd = { .fd = s->fd, .events = POLLRDHUP };

	return s->options.socket &&
	       (s->error || (poll(&fd, 1, 0) > 0 && fd.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}
