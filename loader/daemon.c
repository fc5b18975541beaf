/* SPDX-License-Identifier: GPL-2.0-only */
#include "daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <time.h>

#include "commands.h"
#include "dataplane.h"
#include "dnstap.h"
#include "health.h"
#include "host.h"
#include "log.h"
#include "metrics.h"
#include "notify.h"
#include "pins.h"
#include "plan.h"
#include "privileges.h"
#include "rcu.h"

#define US_PER_MS 1000ull
#define US_PER_S (1000 * US_PER_MS)

/* Also without an event: it heals what an event may not have told, and stale neighbours want a probe. */
#define LOOK_AGAIN_US (5 * US_PER_S)
/*
 * Under a storm of events one look serves all that came meanwhile, and half of the time is for
 * others; but a look that itself waited for its turn shall not let a new ppp link wait as long again.
 */
#define MIN_PAUSE_US (5 * US_PER_MS)
#define MAX_PAUSE_US (100 * US_PER_MS)
/*
 * A service whose backends just vanished drops queries for a while before `on_down: pass` hands
 * them to the host's stack: a client that hears nothing asks again, one that hears "port
 * unreachable" gives up, and a tunnel that is made anew is back in a second.
 */
#define DOWN_GRACE_US (10 * US_PER_S)
/*
 * "Ready" means that clients are enforced, so the first answers of resolvers are waited for. Who is not there yet says
 * so at once; a silent one shall not hold up the boot.
 */
#define SETTLE_US (3 * US_PER_S)

/* When a service lost a backend that it cannot do without; 0: all is well. */
struct down_clock {
	char name[EDGE53_NAME_LEN];
	enum edge53_service_kind kind;
	uint64_t since_us;
};

struct daemon {
	const char *config_path;
	enum attach_tc tc;
	struct config *config;
	struct dataplane *dataplane;
	struct attachments *attachments;
	struct health *health;
	struct metrics *metrics;
	struct dnstap *dnstap;
	struct down_clock *down;
	size_t n_down;
	char *said; /* findings of the last plan, so that only news are logged */
	struct host_watch watch;
	struct host *host;	/* the last snapshot; NULL: none yet */
	uint64_t looked_at_us;	/* end of the last look */
	uint64_t look_took_us;	/* and how long it took */
	uint64_t regular_at_us; /* the last regular one */
	sd_event *event;
	sd_event_source *timer;
	sd_event_source *old_timer;
};

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

/* --- plan ------------------------------------------------------------------------------------- */

int daemon_make_plan(const struct config *config, const struct attachments *attachments,
		     struct host_changes *changes, struct host **host, struct plan **ret_plan)
{
	_cleanup_(freep) struct host_question *questions = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	size_t n_questions;
	int r = plan_questions(config, &questions, &n_questions);

	if (!r)
		r = host_read_changes(changes, questions, n_questions, host);
	if (!r)
		attach_tell_host(attachments, *host);
	if (!r)
		r = plan_make(config, *host, &plan);
	if (r < 0) {
		log_error("cannot read the state of the host: %s", strerror(-r));
		return r;
	}
	*ret_plan = take_ptr(plan);
	return 0;
}

/* Whether a sentence of this plan was said for the last one already. */
static bool was_said(const char *said, const char *text)
{
	const char *at = said ? strstr(said, text) : NULL;

	return at && (at == said || at[-1] == '\n') && at[strlen(text)] == '\n';
}

static void say_findings(struct daemon *d, const struct plan *plan)
{
	char *said = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&said, &len);

	for (size_t i = 0; i < plan->findings.n; i++) {
		const struct finding *finding = &plan->findings.list[i];

		if (f)
			fprintf(f, "%s\n", finding->text);
		if (was_said(d->said, finding->text))
			continue;
		if (finding->level == FINDING_ERROR)
			log_error("%s", finding->text);
		else if (finding->level == FINDING_WARNING)
			log_warning("%s", finding->text);
		else
			log_info("%s", finding->text);
	}
	if (f)
		fclose(f);
	free(d->said);
	d->said = said;
}

/* An edge needs one backend, whichever; of resolvers each serves a family that nobody else does. */
static bool is_served(const struct plan_service *service)
{
	size_t n_usable = 0;

	for (size_t i = 0; i < service->n_backends; i++)
		n_usable += service->backends[i].usable;
	return service->kind == EDGE53_SERVICE_EDGE ? n_usable > 0 : n_usable == service->n_backends;
}

static struct down_clock *clock_of(struct daemon *d, const struct plan_service *service)
{
	struct down_clock *clocks;

	for (size_t i = 0; i < d->n_down; i++)
		if (d->down[i].kind == service->kind && !strcmp(d->down[i].name, service->name))
			return &d->down[i];
	clocks = reallocarray(d->down, d->n_down + 1, sizeof(*clocks));
	if (!clocks)
		return NULL;
	d->down = clocks;
	clocks[d->n_down] = (struct down_clock){
		.kind = service->kind,
		/* For a loader before us the grace was over: what passes goes on passing. */
		.since_us = dataplane_passes(d->dataplane, service) ? now_us() - DOWN_GRACE_US : 0,
	};
	snprintf(clocks[d->n_down].name, sizeof(clocks[0].name), "%s", service->name);
	return &clocks[d->n_down++];
}

/* Takes DOWN_PASS away from services that are down for less than the grace. */
static void apply_grace(struct daemon *d, struct plan *plan)
{
	for (size_t i = 0; i < plan->n_services; i++) {
		struct plan_service *service = &plan->services[i];
		struct down_clock *clock = clock_of(d, service);

		if (!clock)
			continue;
		if (is_served(service))
			clock->since_us = 0;
		else if (!clock->since_us)
			clock->since_us = now_us();
		if (clock->since_us && now_us() - clock->since_us < DOWN_GRACE_US)
			service->flags &= ~(unsigned int)EDGE53_SERVICE_DOWN_PASS;
	}
}

/*
 * An entry that traffic goes past never notices that its neighbour is gone; the kernel does, if
 * asked.
 */
static void probe_neighbours(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_services; i++) {
		for (size_t j = 0; j < plan->services[i].n_backends; j++) {
			const struct plan_backend *b = &plan->services[i].backends[j];

			if (b->usable && b->is_ethernet &&
			    (!b->neighbour_known || b->neighbour_stale))
				host_probe_neighbour(b->ifindex, &b->nexthop);
		}
	}
}

/* --- apply ------------------------------------------------------------------------------------ */

/* Clients' devices (ppp) come when they like, and should not wait for the verifier. */
static unsigned int wanted_by_clients(const struct config *config)
{
	return config->n_enforces ? 1u << PROGRAM_ENFORCE_IN_L3 | 1u << PROGRAM_ENFORCE_OUT_L3 : 0;
}

/* A reload may bring the first `enforce`. What cannot be loaded is said, and the device that comes is refused. */
static void load_for_clients(const struct daemon *d, const struct attach_programs *programs)
{
	unsigned int wanted = wanted_by_clients(d->config);

	for (unsigned int i = 0; i < PROGRAM_COUNT; i++)
		if (wanted & 1u << i)
			programs->get(programs->arg, (enum attach_program)i);
}

/*
 * Tables first, so that a packet finds them; then hooks. The guard hears of devices that lose their
 * hooks before they do, and of those that got them, after. What an earlier loader attached is not
 * known before the first attach_apply(), and its table holds. The guard comes last: its table may be
 * a new one, and would let all pass while it is empty.
 */
static int apply(struct daemon *d, struct plan *plan, bool retry)
{
	struct attach_programs programs = dataplane_programs(d->dataplane);
	int r, refused, guards;

	if (!attach_has_applied(d->attachments)) {
		r = dataplane_load(d->dataplane, attach_wanted(plan) | wanted_by_clients(d->config));
		if (r < 0)
			return r;
	}
	apply_grace(d, plan);
	r = dataplane_sync(d->dataplane, plan, d->attachments);
	if (!r && attach_has_applied(d->attachments))
		r = dataplane_sync_guard(d->dataplane, plan, d->attachments);
	if (r < 0)
		return r;
	refused = attach_apply(d->attachments, plan, &programs, retry);
	if (refused < 0)
		return refused;
	r = dataplane_sync_guard(d->dataplane, plan, d->attachments);
	if (r < 0)
		return r;
	guards = attach_apply_guard(d->attachments, plan, &programs);
	load_for_clients(d, &programs);
	return guards < 0 ? guards : refused + guards;
}

/*
 * Look at the host and make the dataplane match. A regular look reads everything, whatever events
 * said, probes neighbours and tries refused hooks again. Returns the number of hooks that were
 * refused, or negative errno: -EWRONGCONFIG when the plan has errors and strict is asked for.
 */
static int look_once(struct daemon *d, bool strict, bool is_regular)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int r;

	d->watch.changes.all |= is_regular;
	r = daemon_make_plan(d->config, d->attachments, &d->watch.changes, &d->host, &plan);
	if (r < 0)
		return r;
	say_findings(d, plan);
	if (plan->has_errors && strict)
		return -EWRONGCONFIG;
	r = health_update(d->health, plan);
	if (r >= 0)
		r = apply(d, plan, is_regular);
	if (r >= 0) {
		health_write(d->health);
		notify_serving(plan, r);
	}
	if (r >= 0 && is_regular)
		probe_neighbours(plan);
	return r;
}

/*
 * One look in LOOK_AGAIN_US is regular. It takes ten times as long where there are thousands of devices, so it
 * comes after the one that a new device waits for.
 */
static int look(struct daemon *d, bool strict)
{
	uint64_t begin_us = now_us();
	bool is_due = begin_us - d->regular_at_us >= LOOK_AGAIN_US, is_first = !d->host;
	unsigned int xdp_changes = attach_xdp_changes(d->attachments);
	int r;

	/* What happened before it began is in it: `edge53 attach` relies on that. */
	if (host_watch_drain(&d->watch) < 0)
		d->watch.changes.all = true;
	r = look_once(d, strict, is_first);

	if (r >= 0 && is_due && !is_first)
		r = look_once(d, strict, true);
	/* What the hooks make possible: redirecting from XDP, connections with a PROXY header. */
	if (r >= 0 && xdp_changes != attach_xdp_changes(d->attachments)) {
		d->watch.changes.all = true;
		r = look_once(d, false, false);
	}
	/* What is known of the host may be why. */
	if (r < 0)
		d->watch.changes.all = true;
	else if (is_due)
		d->regular_at_us = begin_us;
	if (r >= 0)
		dataplane_note_look(d->dataplane, begin_us * 1000);
	d->looked_at_us = now_us();
	d->look_took_us = d->looked_at_us - begin_us;
	return r;
}

/* --- events ----------------------------------------------------------------------------------- */

static void look_in(struct daemon *d, uint64_t delay_us)
{
	sd_event_source_set_time_relative(d->timer, delay_us);
	sd_event_source_set_enabled(d->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct daemon *d = arg;

	(void)source;
	(void)usec;
	look(d, false);
	look_in(d, LOOK_AGAIN_US);
	metrics_retry(d->metrics);
	return 0;
}

static int look_soon(struct daemon *d)
{
	uint64_t since_us = now_us() - d->looked_at_us;
	uint64_t pause_us = MIN(MAX(d->look_took_us, MIN_PAUSE_US), MAX_PAUSE_US);

	if (since_us < pause_us) {
		look_in(d, pause_us - since_us);
		return 0;
	}
	look(d, false);
	look_in(d, LOOK_AGAIN_US);
	return 0;
}

/* A server died or came back. */
static void on_health(void *arg)
{
	look_in(arg, 0);
}

static int on_change(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct daemon *d = arg;
	int r = host_watch_drain(&d->watch);

	(void)source;
	(void)fd;
	(void)revents;
	if (r < 0) {
		log_error("cannot watch the host any more: %s", strerror(-r));
		return sd_event_exit(d->event, EXIT_FAILED); /* the next loader can, maybe */
	}
	return r ? look_soon(d) : 0;
}

/* `edge53 attach` waits for a look. */
static int on_nudge(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	(void)source;
	(void)info;
	return look_soon(arg);
}

/* The queries that were under way when we came have been answered, or it is too late. */
static int on_old_end(sd_event_source *source, uint64_t usec, void *arg)
{
	struct daemon *d = arg;

	(void)source;
	(void)usec;
	if (attach_end_old(d->attachments))
		log_info("the programs from before are gone");
	dataplane_forget_old(d->dataplane);
	return 0;
}

/* Of those that shape the pinned state: what backends read is in `services`. */
static bool same_limits(const struct config_limits *a, const struct config_limits *b)
{
	struct config_limits other = *b;

	other.backend_udp_size = a->backend_udp_size;
	return !memcmp(a, &other, sizeof(*a));
}

static void export_samples(struct daemon *d)
{
	struct dataplane_samples samples = dataplane_samples(d->dataplane);

	d->dnstap = dnstap_apply(d->dnstap, &d->config->export.dnstap, &samples);
}

/* Takes a new configuration, or says why not and keeps the old one. */
static int try_config(struct daemon *d, struct config *config)
{
	_cleanup_(host_freep) struct host *host = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct config *old = d->config;
	int r = daemon_make_plan(config, d->attachments, &(struct host_changes){}, &host, &plan);

	if (!r && plan->has_errors) {
		say_findings(d, plan);
		r = -EWRONGCONFIG;
	}
	if (r < 0)
		return r;
	r = metrics_prepare(d->metrics, &config->export.metrics);
	if (r < 0)
		return r;
	d->config = config;
	d->watch.changes.all = true; /* as it was read for the check */
	r = look(d, true);
	if (r < 0) {
		metrics_abandon(d->metrics);
		d->config = old;
		look(d, false);
		return r;
	}
	metrics_commit(d->metrics);
	if (!same_limits(&config->limits, &old->limits))
		log_warning("limits have changed: they take effect at the next start (`systemctl restart edge53`; queries under way are answered all the same)");
	export_samples(d);
	config_free(old);
	return 0;
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct daemon *d = arg;
	bool failed;

	(void)source;
	(void)info;
	notify_reload_begin();
	failed = config_load(d->config_path, &config) < 0 || try_config(d, config) < 0;
	if (failed) {
		log_error("not reloaded; what was running keeps running");
	} else {
		take_ptr(config);
		log_info("reloaded %s", d->config_path);
	}
	notify_reload_end(failed);
	return 0;
}

static int on_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	(void)arg;
	log_info("signal %s: leaving; the dataplane serves on, `edge53 down` takes it away",
		 sigabbrev_np((int)info->ssi_signo));
	return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int add_signal(struct daemon *d, int signo, sd_event_signal_handler_t handler)
{
	return sd_event_add_signal(d->event, NULL, signo, handler, d);
}

/* They wait for the event loop: nobody is to end a loader that is half done, or nudge one that would die of it. */
static void hold_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&mask, signals[i]);
	sigprocmask(SIG_BLOCK, &mask, NULL);
}

static int set_up_events(struct daemon *d)
{
	int r = sd_event_new(&d->event);

	if (r >= 0)
		r = add_signal(d, SIGTERM, on_stop);
	if (r >= 0)
		r = add_signal(d, SIGINT, on_stop);
	if (r >= 0)
		r = add_signal(d, SIGHUP, on_reload);
	if (r >= 0)
		r = add_signal(d, SIGUSR1, on_nudge);
	if (r >= 0)
		r = sd_event_add_io(d->event, NULL, d->watch.route_fd, EPOLLIN, on_change, d);
	if (r >= 0 && d->watch.features_fd >= 0)
		r = sd_event_add_io(d->event, NULL, d->watch.features_fd, EPOLLIN, on_change, d);
	if (r >= 0)
		r = sd_event_add_time_relative(d->event, &d->timer, CLOCK_MONOTONIC, LOOK_AGAIN_US,
					       1000, on_timer, d);
	if (r >= 0)
		r = sd_event_set_watchdog(d->event, true);
	return r < 0 ? r : 0;
}

/* --- start ------------------------------------------------------------------------------------ */

static int explain_lock(int error)
{
	int pid = pins_lock_holder();

	if (error == -EBUSY && pid > 0)
		log_error("another edge53 (pid %d) is running on %s; stop it first, or reload it with SIGHUP",
			  pid, pins_root());
	else if (error == -EBUSY)
		log_error("another edge53 is running on %s", pins_root());
	else if (error == -ENODEV)
		log_error("%s is not on a bpffs; mount one: mount -t bpf bpf /sys/fs/bpf", pins_root());
	else
		log_error("cannot use %s: %s", pins_root(), strerror(-error));
	return error;
}

static void daemon_free(struct daemon *d)
{
	metrics_free(d->metrics);
	dnstap_stop(d->dnstap);
	health_free(d->health);
	sd_event_source_unref(d->timer);
	sd_event_source_unref(d->old_timer);
	sd_event_unref(d->event);
	attachments_free(d->attachments);
	dataplane_close(d->dataplane);
	config_free(d->config);
	free(d->down);
	free(d->said);
	host_free(d->host);
	host_watch_close(&d->watch);
}

/*
 * Refuses a plan with errors before anything is loaded. Where a dataplane runs already, it is
 * adopted, and what can be served is served, as it would be had the loader not been restarted.
 */
static int check_plan(struct daemon *d, bool is_loaded)
{
	_cleanup_(host_freep) struct host *host = NULL;
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int r = daemon_make_plan(d->config, d->attachments, &(struct host_changes){}, &host, &plan);

	if (r < 0)
		return r;
	if (!plan->has_errors || is_loaded)
		return 0;
	say_findings(d, plan);
	return -EWRONGCONFIG;
}

/* Where a dataplane runs already, it is served without metrics rather than not at all. */
static int start_metrics(struct daemon *d, bool is_loaded)
{
	int r = metrics_new(d->event, &d->metrics);

	if (r < 0) {
		log_error("cannot set up metrics: %s", strerror(-r));
		return r;
	}
	r = metrics_prepare(d->metrics, &d->config->export.metrics);
	if (r < 0 && !is_loaded)
		return r;
	metrics_commit(d->metrics);
	return 0;
}

/* Returns the number of refused hooks, or negative errno. */
static int start(struct daemon *d, bool is_loaded)
{
	int refused, r = dataplane_open(&d->config->limits, &d->dataplane);

	if (r < 0)
		return r;
	log_info("tables take %.1f MiB",
		 (double)dataplane_memory(d->dataplane) / (1024 * 1024));
	r = attachments_new(d->tc, &d->attachments);
	if (r < 0)
		return r;
	/* The watch comes before the first look, so that nothing happens in between unseen. */
	r = host_watch_open(&d->watch);
	if (r < 0) {
		log_error("cannot watch the host's devices: %s", strerror(-r));
		return r;
	}
	r = set_up_events(d);
	if (r < 0) {
		log_error("cannot set up the event loop: %s", strerror(-r));
		return r;
	}
	r = health_new(d->event, d->dataplane, &d->config->limits, is_loaded, on_health, d,
		       &d->health);
	if (r < 0) {
		log_error("cannot set up health checks: %s", strerror(-r));
		return r;
	}
	r = start_metrics(d, is_loaded);
	if (r < 0)
		return r;
	if (dataplane_replaces_flows(d->dataplane))
		attach_keep_old(d->attachments);
	refused = look(d, !is_loaded);
	if (refused < 0)
		return refused;
	r = dataplane_commit(d->dataplane);
	if (!r)
		export_samples(d);
	/* Also for what a loader before kept, which did not live as long. */
	if (!r)
		r = sd_event_add_time_relative(d->event, &d->old_timer, CLOCK_MONOTONIC,
					       d->config->limits.udp_timeout_ms * US_PER_MS + US_PER_S,
					       1000, on_old_end, d);
	return r < 0 ? r : refused;
}

/* Whether the loop has ended, or is to. */
static bool is_leaving(const struct daemon *d)
{
	int code;

	return sd_event_get_exit_code(d->event, &code) >= 0;
}

/* Serves the loop until something is known of each resolver. What follows from it is done. */
static int settle(struct daemon *d)
{
	uint64_t until_us = now_us() + SETTLE_US;
	int r = 0;

	if (health_is_settled(d->health))
		return 0;
	while (r >= 0 && !is_leaving(d) && !health_is_settled(d->health) && now_us() < until_us)
		r = sd_event_run(d->event, until_us - now_us());
	return r < 0 || is_leaving(d) ? r : look(d, false);
}

/* Serves until it is told to leave. Returns an exit code. */
static int serve(struct daemon *d)
{
	int r = settle(d);

	if (r < 0)
		log_warning("the first look after the start: %s", strerror(-r));
	r = 0;
	if (!is_leaving(d)) {
		notify_ready();
		r = sd_event_loop(d->event);
		notify_stopping();
	}
	return r ? EXIT_FAILED : EXIT_FINE;
}

/* A start that failed leaves nothing behind, unless there was something before. */
static void undo_start(void)
{
	attach_remove_all();
	pins_remove_all(DATAPLANE_COMMIT_RECORD);
}

int daemon_run(const char *config_path, struct config **config, enum attach_tc tc)
{
	_cleanup_(daemon_free) struct daemon d = { .config_path = config_path,
						   .tc = tc,
						   .watch.route_fd = -1,
						   .watch.features_fd = -1 };
	_cleanup_(closep) int lock_fd = -1;
	bool is_loaded = dataplane_is_pinned();
	int r;

	d.config = take_ptr(*config);
	if (!privileges_suffice()) {
		log_error("run needs root, or the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN");
		return EXIT_FAILED;
	}
	r = check_plan(&d, is_loaded);
	if (r < 0)
		return r == -EWRONGCONFIG ? EXIT_USAGE : EXIT_FAILED;
	hold_signals();
	/*
	 * Whoever started it: of pins and files their own modes count, which give less. One that takes from the owner, too,
	 * would leave directories that he cannot enter without CAP_DAC_OVERRIDE.
	 */
	umask(027);
	lock_fd = pins_lock();
	if (lock_fd < 0) {
		explain_lock(lock_fd);
		return EXIT_FAILED;
	}
	/* bpffs is mounted. What comes from outside, and what the kernel says of devices, is read with no more than this. */
	r = privileges_drop();
	if (r < 0) {
		log_error("cannot give up capabilities: %s", strerror(-r));
		return EXIT_FAILED;
	}
	is_loaded = dataplane_is_pinned();
	rcu_recover();
	r = start(&d, is_loaded);
	if (r < 0) {
		if (!is_loaded)
			undo_start();
		return r == -EWRONGCONFIG ? EXIT_USAGE : EXIT_FAILED;
	}
	return serve(&d);
}
