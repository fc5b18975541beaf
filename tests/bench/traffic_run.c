// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending: one thread a CPU, each a BPF_PROG_TEST_RUN with live frames; and counting.
 *
 * The kernel processes a batch before it makes the next: the softirqs that it raises run as soon as they may. Before
 * Linux 6.5 they do not once ksoftirqd has been woken (the revert of 4cd13c21b207, "softirq: Let ksoftirqd do its
 * job"), and batch after batch goes into a veth's ring of 256 until it gets the CPU.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <limits.h>
#include <linux/bpf.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "traffic_parts.h"

#define QUIET_MS 500	 /* nothing has come for so long: nothing more will */
#define PATIENCE_MS 5000 /* for it to become quiet */
#define NUDGE_NS 5000000 /* from one signal to the next */
#define TICK_NS 1000000	 /* with a rate: from one look at the clock to the next */
#define LATE_SECONDS .05 /* with a rate and no queue: no more is made up for */

struct generator {
	pthread_t thread;
	const struct options *options;
	const struct ends *ends;
	pthread_barrier_t *start;
	unsigned int cpu;
	unsigned int packets; /* UINT_MAX: until a signal comes */
	atomic_bool is_done;
	int error; /* negative errno */
	double seconds, cpu_seconds;
};

/* --- time ------------------------------------------------------------------------------------- */

static double seconds_by(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static double now(void)
{
	return seconds_by(CLOCK_MONOTONIC);
}

static void nap(long ns)
{
	struct timespec t = { .tv_nsec = ns };

	nanosleep(&t, NULL);
}

/* /proc/PID/schedstat: how long it ran, and how long it waited for a CPU. */
static bool read_schedstat(const char *pid, double *ran, double *waited)
{
	unsigned long long ran_ns, waited_ns;
	char path[64];
	FILE *file;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%s/schedstat", pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	ok = fscanf(file, "%llu %llu", &ran_ns, &waited_ns) == 2;
	fclose(file);
	if (ok) {
		*ran = ran_ns / 1e9;
		*waited = waited_ns / 1e9;
	}
	return ok;
}

/*
 * Softirqs are on the account of the thread they come over, unless the kernel keeps one for them
 * (CONFIG_IRQ_TIME_ACCOUNTING): then there is a file for its pressure.
 */
static bool pays_for_softirqs(void)
{
	return !access("/proc/pressure/cpu", F_OK) && access("/proc/pressure/irq", F_OK);
}

/* The kernel thread that takes over when there is too much for softirqs: pid, or "" if there is none. */
static void find_ksoftirqd(unsigned int cpu, char pid[static 16])
{
	char wanted[32], path[300], name[32];
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	*pid = 0;
	snprintf(wanted, sizeof(wanted), "ksoftirqd/%u\n", cpu);
	while (proc && (entry = readdir(proc))) {
		FILE *file;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(name, sizeof(name), file) && !strcmp(name, wanted))
			snprintf(pid, 16, "%.15s", entry->d_name);
		if (file)
			fclose(file);
		if (*pid)
			break;
	}
	if (proc)
		closedir(proc);
}

/* --- one CPU ---------------------------------------------------------------------------------- */

static int send_frames(const struct generator *generator, unsigned int packets)
{
	unsigned char frame[TRAFFIC_FRAME_LEN] = { 0 };
	struct xdp_md md = {
		.data_end = sizeof(frame),
		.ingress_ifindex = generator->ends->client_ifindex,
	};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .ctx_in = &md, .ctx_size_in = sizeof(md), .repeat = packets,
		    .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
		    .batch_size = generator->options->batch_len);
	return bpf_prog_test_run_opts(bpf_program__fd(generator->ends->skel->progs.generate),
				      &opts);
}

/* Readings of all the clocks of a CPU, to be subtracted from later ones. */
struct clocks {
	double wall, own, waited, ksoftirqd;
};

static struct clocks read_clocks(const char *ksoftirqd)
{
	struct clocks clocks = { 0 };
	double unused;

	read_schedstat("thread-self", &unused, &clocks.waited);
	if (*ksoftirqd)
		read_schedstat(ksoftirqd, &clocks.ksoftirqd, &unused);
	clocks.own = seconds_by(CLOCK_THREAD_CPUTIME_ID);
	clocks.wall = now();
	return clocks;
}

/*
 * CPU seconds: what the machine's other load takes is not in them. Where softirqs are not on the thread's account,
 * they are all of the time in which it did not wait for the CPU; the sleep at both ends of BPF_PROG_TEST_RUN, some
 * milliseconds, is then in it.
 */
static double busy_seconds(const struct clocks *a, const struct clocks *b)
{
	double seconds =
		pays_for_softirqs() ? b->own - a->own : b->wall - a->wall - (b->waited - a->waited);

	return seconds + b->ksoftirqd - a->ksoftirqd;
}

/* What finds no room in the queue is sent, and lost. The numbers are the next ones of this CPU, which is not sending. */
static void drop_from_queue(const struct generator *generator, unsigned long packets)
{
	struct traffic_cpu *cpu = &generator->ends->skel->bss->cpus[generator->cpu];

	for (unsigned long i = 0; i < packets; i++, cpu->next += cpu->step) {
		bool is_well = generator->options->workload == TRAFFIC_FLOOD &&
			       traffic_is_well(cpu->next, generator->options->well_every);

		cpu->sent.packets++;
		cpu->sent.sum += cpu->next;
		cpu->well_sent += is_well;
		cpu->queued_out++;
		cpu->well_queued_out += is_well;
	}
}

/*
 * So many a second, by a clock that runs while this CPU is at work for the packets or has nothing to do, and not while
 * others have it. While the kernel is at work with one lot of packets, others become due: there is a queue for them,
 * and beyond it they are lost; without a queue all of it becomes later.
 */
static int generate_at_rate(const struct generator *generator, const char *ksoftirqd)
{
	const struct options *options = generator->options;
	struct clocks before = read_clocks(ksoftirqd), after;
	double elapsed = 0;

	for (unsigned long done = 0; done < generator->packets;) {
		double late = elapsed - done / options->rate;
		unsigned long due;
		int r;

		if (!options->queue_len && late > LATE_SECONDS) {
			elapsed -= late - LATE_SECONDS;
			late = LATE_SECONDS;
		}
		due = late > 0 ? late * options->rate : 0;
		if (due > generator->packets - done)
			due = generator->packets - done;
		if (options->queue_len && due > options->queue_len) {
			drop_from_queue(generator, due - options->queue_len);
			done += due - options->queue_len;
			due = options->queue_len;
		}
		r = due ? send_frames(generator, due) : 0;
		if (r)
			return r;
		done += due;
		after = read_clocks(ksoftirqd);
		elapsed += busy_seconds(&before, &after);
		nap(TICK_NS);
		before = read_clocks(ksoftirqd);
		elapsed += before.wall - after.wall - (before.waited - after.waited);
	}
	return 0;
}

static int generate(const struct generator *generator, const char *ksoftirqd)
{
	int r;

	if (generator->options->rate)
		return generate_at_rate(generator, ksoftirqd);
	r = send_frames(generator, generator->packets);
	return r == -EINTR && generator->packets == UINT_MAX ? 0 : r;
}

static void take_times(struct generator *generator, const struct clocks *a, const struct clocks *b)
{
	generator->seconds = b->wall - a->wall;
	generator->cpu_seconds = busy_seconds(a, b);
}

static void *run_generator(void *argument)
{
	struct generator *generator = argument;
	struct clocks before, after;
	char ksoftirqd[16];
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(generator->cpu, &set);
	generator->error = -pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	find_ksoftirqd(generator->cpu, ksoftirqd);
	pthread_barrier_wait(generator->start);
	if (!generator->error) {
		before = read_clocks(ksoftirqd);
		generator->error = generate(generator, ksoftirqd);
		after = read_clocks(ksoftirqd);
		take_times(generator, &before, &after);
	}
	generator->is_done = true;
	return NULL;
}

/* --- all of them ------------------------------------------------------------------------------ */

static void read_totals(const struct ends *ends, struct totals *totals)
{
	/* The kernel writes it. */
	const volatile struct traffic_cpu *cpus = ends->skel->bss->cpus;

	memset(totals, 0, sizeof(*totals));
	for (unsigned int i = 0; i < TRAFFIC_MAX_CPUS; i++) {
		totals->sent.packets += cpus[i].sent.packets;
		totals->sent.sum += cpus[i].sent.sum;
		totals->arrived.packets += cpus[i].arrived.packets;
		totals->arrived.sum += cpus[i].arrived.sum;
		totals->answered.packets += cpus[i].answered.packets;
		totals->answered.sum += cpus[i].answered.sum;
		totals->well_sent += cpus[i].well_sent;
		totals->well_arrived += cpus[i].well_arrived;
		totals->well_answered += cpus[i].well_answered;
		totals->well_truncated += cpus[i].well_truncated;
		totals->flood_arrived += cpus[i].flood_arrived;
		totals->flood_answered += cpus[i].flood_answered;
		totals->flood_truncated += cpus[i].flood_truncated;
		totals->queued_out += cpus[i].queued_out;
		totals->well_queued_out += cpus[i].well_queued_out;
		totals->strange += cpus[i].strange;
	}
}

static void subtract_count(struct traffic_count *a, const struct traffic_count *b)
{
	a->packets -= b->packets;
	a->sum -= b->sum;
}

static void subtract(struct totals *a, const struct totals *b)
{
	subtract_count(&a->sent, &b->sent);
	subtract_count(&a->arrived, &b->arrived);
	subtract_count(&a->answered, &b->answered);
	a->well_sent -= b->well_sent;
	a->well_arrived -= b->well_arrived;
	a->well_answered -= b->well_answered;
	a->well_truncated -= b->well_truncated;
	a->flood_arrived -= b->flood_arrived;
	a->flood_answered -= b->flood_answered;
	a->flood_truncated -= b->flood_truncated;
	a->queued_out -= b->queued_out;
	a->well_queued_out -= b->well_queued_out;
	a->strange -= b->strange;
}

/* Not what a flood's sources get: to SYNs that nobody acknowledges, answers come for a minute. */
static unsigned long long seen(const struct totals *t)
{
	return t->arrived.packets + t->answered.packets + t->flood_arrived + t->strange;
}

static void wait_until_quiet(const struct options *options, const struct ends *ends)
{
	double start = now(), changed = start;
	struct totals totals;
	unsigned long long before = 0;

	while (now() - start < PATIENCE_MS / 1e3) {
		read_totals(ends, &totals);
		if (options->way == TRAFFIC_GENERATE ||
		    (options->way == TRAFFIC_QUERY &&
		     totals.arrived.packets == totals.sent.packets) ||
		    totals.answered.packets == totals.sent.packets)
			return;
		if (seen(&totals) != before)
			changed = now();
		else if (now() - changed >= QUIET_MS / 1e3)
			return;
		before = seen(&totals);
		nap(1000000);
	}
	errx(1, "packets still come %d ms after the last was sent", PATIENCE_MS);
}

static void ignore(int signal)
{
	(void)signal;
}

/* A signal ends BPF_PROG_TEST_RUN; one that came before it had begun has ended nothing. */
static void stop(struct generator *generators, unsigned int n, double seconds)
{
	double end = now() + seconds;

	for (bool is_done = false; !is_done; nap(NUDGE_NS)) {
		is_done = true;
		for (unsigned int i = 0; i < n; i++) {
			if (generators[i].is_done)
				continue;
			is_done = false;
			if (now() >= end && generators[i].packets == UINT_MAX)
				pthread_kill(generators[i].thread, SIGUSR1);
		}
	}
}

static void run_generators(const struct options *options, struct ends *ends, unsigned long packets,
			   struct result *result)
{
	struct generator generators[TRAFFIC_MAX_CPUS] = { 0 };
	unsigned int n = options->n_cpus;
	pthread_barrier_t start;

	if (!packets && options->rate)
		packets = options->rate * options->seconds;
	pthread_barrier_init(&start, NULL, n);
	for (unsigned int i = 0; i < n; i++) {
		generators[i] = (struct generator){
			.options = options,
			.ends = ends,
			.start = &start,
			.cpu = options->cpus[i],
			.packets = packets ? packets / n + (i < packets % n) : UINT_MAX,
		};
		errno = pthread_create(&generators[i].thread, NULL, run_generator, &generators[i]);
		if (errno)
			err(1, "a thread for CPU %u", options->cpus[i]);
	}
	stop(generators, n, options->seconds);
	for (unsigned int i = 0; i < n; i++) {
		pthread_join(generators[i].thread, NULL);
		errno = -generators[i].error;
		if (errno)
			err(1, "send live frames from CPU %u", options->cpus[i]);
		if (generators[i].seconds > result->seconds)
			result->seconds = generators[i].seconds;
		result->cpu_seconds += generators[i].cpu_seconds / n;
	}
	pthread_barrier_destroy(&start);
}

void warn_of_old_kernel(void)
{
	struct utsname name;
	unsigned int major, minor;

	if (!uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	    (major < 6 || (major == 6 && minor < 5)))
		warnx("Linux %s, before 6.5, lets queues overflow: losses are the generator's",
		      name.release);
}

void run_traffic(const struct options *options, struct ends *ends, unsigned long packets,
		 struct result *result)
{
	struct sigaction action = { .sa_handler = ignore }; /* without SA_RESTART */
	struct totals before;

	sigaction(SIGUSR1, &action, NULL);
	memset(result, 0, sizeof(*result));
	read_totals(ends, &before);
	run_generators(options, ends, packets, result);
	wait_until_quiet(options, ends);
	read_totals(ends, &result->totals);
	subtract(&result->totals, &before);
}
