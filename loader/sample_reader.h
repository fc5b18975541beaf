/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reads the dataplane's samples: the buffers of one of the maps of events, one for each CPU, and the limit that says how many
 * of the messages are taken.
 */
#ifndef EDGE53_SAMPLE_READER_H
#define EDGE53_SAMPLE_READER_H

#include "util.h"

struct sample_reader;

typedef void (*sample_event_fn)(const void *event, size_t len, void *arg);

/*
 * events_fd must stay open as long as the reader lives: the kernel empties the map's entries with it. Another reader of
 * the map gets nothing from then on. Returns 0 or negative errno.
 */
int sample_reader_open(int events_fd, sample_event_fn fn, void *arg, struct sample_reader **ret);
void sample_reader_close(struct sample_reader *reader);

/* The same when another reader has taken its place, which it does not touch. events_fd leads nowhere afterwards. */
void sample_reader_leave(struct sample_reader *reader); /* accepts NULL */

/* Readable when there are many events; few wait for sample_reader_consume(). */
int sample_reader_fd(const struct sample_reader *reader);

/* Calls fn for every event there is. Returns 0 or negative errno. */
int sample_reader_consume(struct sample_reader *reader);

/* Maps the programs' variable; NULL: errno says why. munmap() it, sizeof(struct edge53_sampling). */
struct edge53_sampling *sampling_map(int sampling_fd);

/* The limit by which one message in `one_in` is taken. */
__u32 sampling_limit(unsigned int one_in);

#endif
