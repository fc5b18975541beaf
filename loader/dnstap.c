// SPDX-License-Identifier: GPL-2.0-only
#include "dnstap.h"

#ifndef EDGE53_VERSION
#define EDGE53_VERSION "unknown"
#endif

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>

#include "built_in.h"
#include "dnstap_message.h"
#include "dnstap_stream.h"
#include "log.h"
#include "sample_reader.h"

#define NS_PER_S 1000000000ll

static struct edge53_sampling *map_sampling(const struct dataplane_samples *samples)
{
	struct edge53_sampling *sampling = sampling_map(samples->sampling);

	if (!sampling)
		log_error("export.dnstap: cannot map what the programs sample by: %s",
			  strerror(errno));
	return sampling;
}

static void set_limit(struct edge53_sampling *sampling, __u32 limit)
{
	__atomic_store_n(&sampling->limits[EDGE53_SAMPLE_DNSTAP], limit, __ATOMIC_RELAXED);
}

/* A loader that was killed has left its limit, and said that it is on. */
static void switch_off(const struct dataplane_samples *samples)
{
	struct edge53_sampling *sampling = map_sampling(samples);
	struct edge53_dnstap counts;
	__u32 zero = 0;

	if (sampling) {
		set_limit(sampling, 0);
		munmap(sampling, sizeof(*sampling));
	}
	if (bpf_map_lookup_elem(samples->dnstap, &zero, &counts) || !counts.is_on)
		return;
	counts.is_on = counts.is_connected = 0;
	bpf_map_update_elem(samples->dnstap, &zero, &counts, BPF_ANY);
}

#if EDGE53_WITH_DNSTAP

/* Few events wait so long. */
#define CONSUME_MS 100
/* Who is not there is asked for again so often. */
#define RETRY_MS 1000
/* For the thread to end in; a disk may take any time. */
#define STOP_MS 2000

struct dnstap {
	struct config_dnstap config; /* with copies of its words */
	struct edge53_client_prefix client_prefix;
	struct edge53_sampling *sampling;
	int events_fd;
	int counts_fd;
	int wake_fd;
	pthread_t thread;
	atomic_bool is_over;
	atomic_bool is_rotated; /* look whether */
	atomic_int owners;	/* who ends last frees */
	atomic_bool is_left;	/* to itself: the maps are a successor's; or the thread has them to the end */

	char host[HOST_NAME_MAX + 1];

	/* The thread's own. */
	struct sample_reader *reader;
	struct dnstap_stream *stream;
	struct dnstap_origin origin;
	struct edge53_dnstap counts;
	int64_t retry_at_ms;
	int said; /* error that was logged last */
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t realtime_offset_ns(void)
{
	struct timespec real, mono;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	return (real.tv_sec - mono.tv_sec) * NS_PER_S + real.tv_nsec - mono.tv_nsec;
}

static void dnstap_free(struct dnstap *d)
{
	if (d->sampling)
		munmap(d->sampling, sizeof(*d->sampling));
	closep(&d->events_fd);
	closep(&d->counts_fd);
	closep(&d->wake_fd);
	free(d->config.socket);
	free(d->config.file);
	free(d->config.identity);
	free(d);
}

static void release(struct dnstap *d)
{
	if (atomic_fetch_sub(&d->owners, 1) == 1)
		dnstap_free(d);
}

/* --- the thread: where to --------------------------------------------------------------------- */

static const char *target(const struct dnstap *d)
{
	return d->config.socket ?: d->config.file;
}

static bool is_over(void *arg)
{
	struct dnstap *d = arg;

	return atomic_load(&d->is_over);
}

static const char *why_not_open(const struct dnstap *d, int error)
{
	if (error == -EPROTO)
		return "who listens there does not speak Frame Streams";
	if (error == -EEXIST)
		return "what is there is no file of dnstap, and is left alone";
	if (error == -ENOENT && d->config.socket)
		return "nobody has made the socket yet";
	return strerror(-error);
}

/* Once, until it is another one. */
static void say_error(struct dnstap *d, const char *what, int error)
{
	if (d->said == error)
		return;
	d->said = error;
	log_warning(
		"export.dnstap: cannot %s %s: %s; it is tried again every second, and what is not written is counted",
		what, target(d), why_not_open(d, error));
}

static void count_stream(struct dnstap *d)
{
	uint64_t written, not_written;

	dnstap_stream_count(d->stream, &written, &not_written);
	d->counts.written += written;
	d->counts.not_written += not_written;
}

static void end_stream(struct dnstap *d)
{
	if (!d->stream)
		return;
	dnstap_stream_flush(d->stream);
	count_stream(d);
	dnstap_stream_close(d->stream);
	d->stream = NULL;
	d->counts.is_connected = 0;
}

static void try_stream(struct dnstap *d)
{
	struct dnstap_stream_options options = {
		.socket = d->config.socket, .file = d->config.file, .is_over = is_over, .arg = d
	};
	int r;

	if (d->stream || now_ms() < d->retry_at_ms)
		return;
	r = dnstap_stream_open(&options, &d->stream);
	d->retry_at_ms = now_ms() + RETRY_MS;
	if (r < 0) {
		say_error(d, d->config.socket ? "connect to" : "open", r);
		return;
	}
	d->said = 0;
	d->counts.is_connected = 1;
	log_info("export.dnstap: writing to %s", target(d));
}

/* --- the thread: what ------------------------------------------------------------------------- */

static void write_message(struct dnstap *d, const struct sample *sample,
			  const unsigned char *message, size_t len)
{
	unsigned char frame[DNSTAP_MESSAGE_MAX_LEN];

	if (!d->stream) {
		d->counts.not_written++;
		return;
	}
	dnstap_stream_write(d->stream, frame,
			    dnstap_message_write(&d->origin, sample, message, len, frame));
}

static void on_event(const void *event, size_t event_len, void *arg)
{
	struct dnstap *d = arg;
	const unsigned char *message;
	struct sample sample;
	size_t offset = 0, len;

	d->counts.read++;
	switch (sample_read(event, event_len, &sample)) {
	case SAMPLE_NO_MESSAGE:
		d->counts.no_message++;
		return;
	case SAMPLE_NOT_WHOLE:
		d->counts.not_whole++;
		return;
	case SAMPLE_NOT_DNS:
		d->counts.not_dns++;
		return;
	case SAMPLE_HAS_MESSAGES:
		break;
	}
	sample_mask_client(&sample, &d->client_prefix);
	while (sample_next_message(&sample, &offset, &message, &len))
		write_message(d, &sample, message, len);
}

/* What is there, until it is written or given up. */
static void consume(struct dnstap *d)
{
	uint64_t written = d->counts.written;
	int r;

	d->origin.realtime_offset_ns = realtime_offset_ns();
	sample_reader_consume(d->reader);
	if (!d->stream)
		return;
	r = dnstap_stream_flush(d->stream);
	count_stream(d);
	if (r < 0)
		say_error(d, "write to", r);
	else if (d->config.file && d->counts.written > written)
		d->said = 0;
	if (dnstap_stream_is_hung_up(d->stream)) {
		if (!r)
			log_info("export.dnstap: %s has hung up", target(d));
		end_stream(d);
	}
}

/* For `edge53 status`, metrics, and the next loader. */
static void publish(struct dnstap *d)
{
	__u32 zero = 0;

	bpf_map_update_elem(d->counts_fd, &zero, &d->counts, BPF_ANY);
}

static void wait_for_events(struct dnstap *d)
{
	struct pollfd fds[] = { { .fd = d->wake_fd, .events = POLLIN },
				{ .fd = sample_reader_fd(d->reader), .events = POLLIN } };
	uint64_t n;

	if (poll(fds, ARRAY_SIZE(fds), CONSUME_MS) > 0 && fds[0].revents &&
	    read(d->wake_fd, &n, sizeof(n)) < 0)
		log_debug("export.dnstap: %s", strerror(errno));
}

static void look_whether_moved(struct dnstap *d)
{
	if (!atomic_exchange(&d->is_rotated, false))
		return;
	if (d->stream && dnstap_stream_is_moved(d->stream))
		end_stream(d);
	d->retry_at_ms = 0;
}

static void *run(void *arg)
{
	struct dnstap *d = arg;

	while (!atomic_load(&d->is_over)) {
		look_whether_moved(d);
		try_stream(d);
		wait_for_events(d);
		consume(d);
		publish(d);
	}
	/* What was taken until the limit was zero. */
	consume(d);
	end_stream(d);
	if (atomic_exchange(&d->is_left, true)) {
		sample_reader_leave(d->reader);
	} else {
		d->counts.is_on = 0;
		publish(d);
		sample_reader_close(d->reader);
	}
	release(d);
	return NULL;
}

/* --- the loader ------------------------------------------------------------------------------- */

/* strdup() for words that may be absent. */
static bool copy_word(const char *from, char **to)
{
	*to = from ? strdup(from) : NULL;
	return !from == !*to;
}

/* Signals are the event loop's. */
static int start_thread(struct dnstap *d)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&d->thread, NULL, run, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!r)
		pthread_setname_np(d->thread, "edge53-dnstap");
	return -r;
}

static int set_up(struct dnstap *d, const struct config_dnstap *config,
		  const struct dataplane_samples *samples)
{
	__u32 zero = 0;
	int r;

	if (!copy_word(config->socket, &d->config.socket) ||
	    !copy_word(config->file, &d->config.file) ||
	    !copy_word(config->identity, &d->config.identity))
		return -ENOMEM;
	d->config.sample = config->sample;
	d->client_prefix = samples->client_prefix;
	if (gethostname(d->host, sizeof(d->host) - 1))
		d->host[0] = '\0';
	d->origin = (struct dnstap_origin){ .identity = d->config.identity ?: d->host,
					    .version = "edge53 " EDGE53_VERSION };
	d->sampling = map_sampling(samples);
	d->events_fd = fcntl(samples->events, F_DUPFD_CLOEXEC, 0);
	d->counts_fd = fcntl(samples->dnstap, F_DUPFD_CLOEXEC, 0);
	d->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!d->sampling || d->events_fd < 0 || d->counts_fd < 0 || d->wake_fd < 0)
		return -errno;
	if (bpf_map_lookup_elem(d->counts_fd, &zero, &d->counts))
		return -errno;
	d->counts.is_on = 1;
	d->counts.is_connected = 0;
	r = sample_reader_open(d->events_fd, on_event, d, &d->reader);
	return r ?: start_thread(d);
}

/* Above this, kernels like Debian's open perf events for CAP_SYS_ADMIN only, whatever CAP_PERFMON should be enough for. */
#define MAX_PARANOID 2

static const char *why_not_started(int error)
{
	_cleanup_(closep) int fd = open("/proc/sys/kernel/perf_event_paranoid", O_RDONLY | O_CLOEXEC);
	char text[16] = "";

	if ((error != -EACCES && error != -EPERM) || fd < 0 ||
	    read(fd, text, sizeof(text) - 1) <= 0 || atoi(text) <= MAX_PARANOID)
		return "";
	return "; this kernel opens perf events for CAP_SYS_ADMIN only, which the loader does not keep: `sysctl -w "
	       "kernel.perf_event_paranoid=2`, and reload";
}

static struct dnstap *start(const struct config_dnstap *config,
			    const struct dataplane_samples *samples)
{
	struct dnstap *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return NULL;
	d->events_fd = d->counts_fd = d->wake_fd = -1;
	atomic_init(&d->owners, 2);
	r = set_up(d, config, samples);
	if (r < 0) {
		log_error("export.dnstap: cannot be started: %s%s", strerror(-r), why_not_started(r));
		switch_off(samples);
		sample_reader_close(d->reader);
		dnstap_free(d);
		return NULL;
	}
	set_limit(d->sampling, sampling_limit(d->config.sample));
	return d;
}

static void wake(struct dnstap *d)
{
	uint64_t one = 1;

	if (write(d->wake_fd, &one, sizeof(one)) < 0)
		log_debug("export.dnstap: %s", strerror(errno));
}

void dnstap_stop(struct dnstap *d)
{
	struct timespec until;

	if (!d)
		return;
	set_limit(d->sampling, 0);
	atomic_store(&d->is_over, true);
	wake(d);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_MS / 1000;
	if (!pthread_clockjoin_np(d->thread, NULL, CLOCK_MONOTONIC, &until)) {
		release(d);
		return;
	}
	if (atomic_exchange(&d->is_left, true)) { /* it has just ended */
		pthread_join(d->thread, NULL);
	} else {
		log_warning(
			"export.dnstap: %s is being written to for too long; not waiting for it",
			target(d));
		pthread_detach(d->thread);
	}
	release(d);
}

static bool same_word(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

static bool same_config(const struct config_dnstap *a, const struct config_dnstap *b)
{
	return same_word(a->socket, b->socket) && same_word(a->file, b->file) &&
	       same_word(a->identity, b->identity) && a->sample == b->sample;
}

struct dnstap *dnstap_apply(struct dnstap *d, const struct config_dnstap *config,
			    const struct dataplane_samples *samples)
{
	bool is_wanted = config->socket || config->file;

	if (d && is_wanted && same_config(&d->config, config)) {
		atomic_store(&d->is_rotated, true);
		wake(d);
		return d;
	}
	dnstap_stop(d);
	if (is_wanted)
		return start(config, samples);
	switch_off(samples);
	return NULL;
}

#else

/* The configuration says that it cannot be. */
struct dnstap *dnstap_apply(struct dnstap *d, const struct config_dnstap *config,
			    const struct dataplane_samples *samples)
{
	(void)d;
	(void)config;
	switch_off(samples);
	return NULL;
}

void dnstap_stop(struct dnstap *d)
{
	(void)d;
}

#endif
