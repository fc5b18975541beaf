/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A Frame Stream to a collector's unix socket, or into a file: libfstrm's, on a descriptor of ours. That never waits
 * for longer than it is told to, and knows which frames went out whole and which did not.
 *
 * For a thread of its own: a collector that does not read is waited for, and a disk as long as it takes.
 */
#ifndef EDGE53_DNSTAP_STREAM_H
#define EDGE53_DNSTAP_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dnstap_stream;

struct dnstap_stream_options {
	const char *socket; /* or */
	const char *file;
	/* Asked while a collector is waited for: whether to give it up, within DNSTAP_STREAM_GRACE_MS. */
	bool (*is_over)(void *arg);
	void *arg;
};

#define DNSTAP_STREAM_GRACE_MS 500

/*
 * Connects, or makes the file: 0640 less the umask, following no symlink. A Frame Stream that is there is moved aside,
 * with the time behind its name, an empty file is removed, and what is of any other kind is left alone (-EEXIST).
 * -EPROTO: nobody who speaks Frame Streams. Returns 0 or negative errno.
 */
int dnstap_stream_open(const struct dnstap_stream_options *options, struct dnstap_stream **ret);

/* Ends the stream properly, unless the collector takes too long. Flush and count before. Accepts NULL. */
void dnstap_stream_close(struct dnstap_stream *stream);

/* Takes a frame. 0 or negative errno, which is of frames before it: see dnstap_stream_flush(). */
int dnstap_stream_write(struct dnstap_stream *stream, const void *frame, size_t len);

/*
 * Writes what was taken. On failure a socket is of no use any more; a file is as it was before, and may be tried again.
 */
int dnstap_stream_flush(struct dnstap_stream *stream);

/* Of the frames that were taken, how many went out and how many did not, since it was asked last. */
void dnstap_stream_count(struct dnstap_stream *stream, uint64_t *written, uint64_t *not_written);

/* Whether the file is no longer at its path: somebody rotates it. False for sockets. */
bool dnstap_stream_is_moved(const struct dnstap_stream *stream);

/* Whether the collector has closed its end. False for files. */
bool dnstap_stream_is_hung_up(const struct dnstap_stream *stream);

#endif
