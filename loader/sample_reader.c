// SPDX-License-Identifier: GPL-2.0-only
#include "sample_reader.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* With the page before them what the kernel lets everybody lock (kernel.perf_event_mlock_kb, 516 KiB for each CPU). */
#define BUFFER_BYTES (512 * 1024)
#define WAKE_BYTES (BUFFER_BYTES / 8)

struct sample_reader {
	struct perf_buffer *buffer;
	int events_fd; /* the caller's */
	sample_event_fn fn;
	void *arg;
};

static enum bpf_perf_event_ret on_event(void *arg, int cpu, struct perf_event_header *event)
{
	struct sample_reader *reader = arg;
	struct {
		struct perf_event_header header;
		__u32 size;
	} *sample = (void *)event;

	(void)cpu;
	/* What was lost the dataplane has counted. */
	if (event->type == PERF_RECORD_SAMPLE && event->size >= sizeof(*sample) &&
	    sample->size <= event->size - sizeof(*sample))
		reader->fn(sample + 1, sample->size, reader->arg);
	return LIBBPF_PERF_EVENT_CONT;
}

int sample_reader_open(int events_fd, sample_event_fn fn, void *arg, struct sample_reader **ret)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.watermark = 1,
		.wakeup_watermark = WAKE_BYTES,
	};
	struct sample_reader *reader = calloc(1, sizeof(*reader));
	int r;

	if (!reader)
		return -ENOMEM;
	reader->events_fd = events_fd;
	reader->fn = fn;
	reader->arg = arg;
	reader->buffer = perf_buffer__new_raw(events_fd, BUFFER_BYTES / (size_t)getpagesize(),
					      &attr, on_event, reader, NULL);
	if (!reader->buffer) {
		r = -errno;
		free(reader);
		return r;
	}
	*ret = reader;
	return 0;
}

void sample_reader_close(struct sample_reader *reader)
{
	if (!reader)
		return;
	perf_buffer__free(reader->buffer);
	free(reader);
}

void sample_reader_leave(struct sample_reader *reader)
{
	int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);

	/* libbpf would take out of the map whatever is in it by now: of another descriptor there is nothing to take. */
	if (nothing < 0 || dup3(nothing, reader->events_fd, O_CLOEXEC) < 0)
		return; /* rather a leak */
	close(nothing);
	sample_reader_close(reader);
}

int sample_reader_fd(const struct sample_reader *reader)
{
	return perf_buffer__epoll_fd(reader->buffer);
}

int sample_reader_consume(struct sample_reader *reader)
{
	int r = perf_buffer__consume(reader->buffer);

	return r < 0 ? r : 0;
}

struct edge53_sampling *sampling_map(int sampling_fd)
{
	void *memory = mmap(NULL, sizeof(struct edge53_sampling), PROT_READ | PROT_WRITE,
			    MAP_SHARED, sampling_fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

__u32 sampling_limit(unsigned int one_in)
{
	return one_in > EDGE53_SAMPLE_ALL ? 1 : EDGE53_SAMPLE_ALL / one_in;
}
