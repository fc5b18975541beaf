// SPDX-License-Identifier: GPL-2.0-only
#include "health.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "exchange.h"
#include "health_state.h"
#include "log.h"

#define US_PER_MS 1000ull
#define NS_PER_US 1000ull
#define NS_PER_S 1000000000ull

/* Descriptors are limited, and 255 servers may all be silent. Whoever is due waits for its turn. */
#define MAX_ASKED_AT_ONCE 64
/* A loop that comes so late to a deadline may not have read the answer, or sent the question: nobody's fault. */
#define LATE_US (500 * US_PER_MS)
#define SEND_AGAIN_PART 3 /* of the interval: UDP, which may be lost */
/* A socket's answer is read before the timer says that there is none. */
#define TIMER_PRIORITY (SD_EVENT_PRIORITY_NORMAL + 10)
#define LOOK_AT_WINDOWS_US (2000 * US_PER_MS)
#define NEVER UINT64_MAX

enum { UDP, TCP, PROTOCOLS };

static const char *const protocol_names[PROTOCOLS] = { "UDP", "TCP" };

struct health_target;

/* A server by one of its protocols. */
struct side {
	struct health_target *target;
	bool is_asked; /* it has a port, and there is a way to it */
	struct health_state state;
	uint64_t due_us;   /* when the next question is */
	uint64_t begin_us; /* of the question under way */
	bool is_under_way;
	bool is_sent_again;
	bool was_void; /* the last one came to nothing for our own fault */
	struct exchange exchange;
	sd_event_source *io;
	struct edge53_probe shown;
};

/* A server of a service. */
struct health_target {
	struct health *health;
	char service[EDGE53_NAME_LEN];
	enum edge53_service_kind kind;
	unsigned int service_flags;
	struct plan_backend backend; /* of the last plan */
	struct config_health config;
	struct health_rule rule;
	struct side sides[PROTOCOLS];
	struct health_window window;
	unsigned int id; /* in the dataplane; 0: it has none yet */
	struct edge53_health written;
	bool has_changed; /* and no plan says so yet: the map waits for it */
	bool is_wanted;
};

struct health {
	sd_event *event;
	sd_event_source *timer;
	struct dataplane *dataplane;
	struct config_limits limits;
	health_fn on_change;
	void *arg;
	struct health_target **targets;
	size_t n_targets;
	size_t n_under_way;
	bool is_replacing; /* until the first plan is known */
	uint64_t windows_due_us;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / NS_PER_US;
}

static uint64_t wall_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static uint64_t interval_us(const struct health_target *target)
{
	return target->config.interval_ms * US_PER_MS;
}

static bool is_dead(const struct side *side)
{
	return side->is_asked && !side->state.is_up;
}

/* --- the map ---------------------------------------------------------------------------------- */

static void write_target(struct health_target *target)
{
	struct edge53_health wanted = {
		.udp = target->sides[UDP].shown,
		.tcp = target->sides[TCP].shown,
		.queries = target->window.queries,
		.unanswered = target->window.unanswered,
		.is_unanswered = target->window.is_reported,
	};

	if (!target->id || target->has_changed ||
	    !memcmp(&wanted, &target->written, sizeof(wanted)))
		return;
	if (!dataplane_write_health(target->health->dataplane, target->id, &wanted))
		target->written = wanted;
}

static enum edge53_probe_state shown_state(const struct side *side)
{
	if (!side->is_asked)
		return EDGE53_PROBE_OFF;
	if (!side->state.is_known)
		return EDGE53_PROBE_WAITING;
	return side->state.is_up ? EDGE53_PROBE_UP : EDGE53_PROBE_DOWN;
}

static void show(struct side *side)
{
	enum edge53_probe_state state = shown_state(side);

	side->shown.is_unproven = state == EDGE53_PROBE_UP && !side->state.has_answered;
	if (side->shown.state == state && side->shown.since_ns)
		return;
	side->shown.state = (__u8)state;
	side->shown.since_ns = wall_clock_ns();
}

/* --- what is said ----------------------------------------------------------------------------- */

#define WHAT_LEN 160

/* "it answers NOERROR", "no answer in 2.0 s" ... */
static const char *what_happened(const struct side *side, char buf[static WHAT_LEN])
{
	const struct exchange *e = &side->exchange;

	switch (e->result) {
	case EDGE53_PROBE_ANSWERED:
		snprintf(buf, WHAT_LEN, "it answers %s", dns_rcode_name(e->rcode));
		break;
	case EDGE53_PROBE_PORT_CLOSED:
		snprintf(buf, WHAT_LEN, "nobody listens there");
		break;
	case EDGE53_PROBE_CLOSED:
		snprintf(buf, WHAT_LEN, "it closes the connection without an answer");
		break;
	case EDGE53_PROBE_UNREACHABLE:
	case EDGE53_PROBE_NOT_SENT:
		snprintf(buf, WHAT_LEN, "%s", strerror(e->error));
		break;
	case EDGE53_PROBE_HEADER_NOT_READ:
		snprintf(buf, WHAT_LEN, "it does not read PROXY headers");
		break;
	default:
		snprintf(buf, WHAT_LEN, "no answer in %.1f s",
			 (double)side->target->config.interval_ms / 1000);
	}
	return buf;
}

#define SERVER_LEN (EDGE53_NAME_LEN + ADDR_TEXT_LEN + 48)

/* "public-dns: backend 10.0.0.1, UDP port 53" */
static const char *server_text(const struct side *side, char buf[static SERVER_LEN])
{
	const struct health_target *target = side->target;
	size_t protocol = (size_t)(side - target->sides);
	char address[ADDR_TEXT_LEN];

	snprintf(buf, SERVER_LEN, "%s: %s %s, %s port %u", target->service,
		 target->kind == EDGE53_SERVICE_ENFORCE ? "resolver" : "backend",
		 addr_format(&target->backend.address, address), protocol_names[protocol],
		 protocol == UDP ? target->backend.udp_port : target->backend.tcp_port);
	return buf;
}

/* Whether another server of the service takes what this one took. */
static bool has_stand_in(const struct side *side)
{
	const struct health_target *target = side->target;
	const struct health *health = target->health;
	size_t protocol = (size_t)(side - target->sides);

	if (target->kind == EDGE53_SERVICE_ENFORCE)
		return false;
	for (size_t i = 0; i < health->n_targets; i++) {
		const struct health_target *other = health->targets[i];

		if (other != target && other->kind == target->kind && other->backend.usable &&
		    (protocol == UDP ? other->backend.udp_port : other->backend.tcp_port) &&
		    !strcmp(other->service, target->service) && !is_dead(&other->sides[protocol]))
			return true;
	}
	return false;
}

static const char *what_follows(const struct side *side)
{
	unsigned int flags = side->target->service_flags;

	if (has_stand_in(side))
		return "others get what is new";
	return flags & EDGE53_SERVICE_DOWN_SERVFAIL
		       ? "no other is left: clients get SERVFAIL, and a RST by TCP (on_down: servfail)"
	       : flags & EDGE53_SERVICE_DOWN_PASS
		       ? "no other is left: what is new goes past edge53 (on_down: pass)"
		       : "no other is left: what is new is dropped (on_down: drop)";
}

static void say_change(const struct side *side)
{
	char server[SERVER_LEN], what[WHAT_LEN];

	server_text(side, server);
	what_happened(side, what);
	if (side->state.is_up)
		log_info("%s is alive: %s", server, what);
	else
		log_warning("%s is dead: %s; %s", server, what, what_follows(side));
}

/* What is worth a word although nothing changes: once, when it begins. */
static void say_oddity(const struct side *side, const struct edge53_probe *before)
{
	const struct exchange *e = &side->exchange;
	char server[SERVER_LEN], what[WHAT_LEN];
	bool was_refused =
		before->result == EDGE53_PROBE_ANSWERED && before->rcode == DNS_RCODE_IS_REFUSED;

	server_text(side, server);
	what_happened(side, what);
	if (e->result == EDGE53_PROBE_NOT_SENT && before->result != EDGE53_PROBE_NOT_SENT)
		log_warning("%s cannot be asked from here (%s): it counts for what it was", server,
			    what);
	else if (side->target->config.has_question && e->result == EDGE53_PROBE_ANSWERED &&
		 e->rcode == DNS_RCODE_IS_REFUSED && !was_refused)
		log_warning(
			"%s refuses to answer the question of `health`: it counts as alive; does it have that name, and are we allowed to ask?",
			server);
	else if (side->target->rule.needs_proof && side->shown.is_unproven && !before->is_unproven)
		log_warning(
			"%s does not answer our questions (%s): it gets clients' queries all the same, since it never did; `health: off` ends the questions, a `health` block makes them count",
			server, what);
}

/* --- one question ----------------------------------------------------------------------------- */

static void end_question(struct side *side)
{
	side->io = sd_event_source_unref(side->io);
	exchange_end(&side->exchange);
	if (side->is_under_way)
		side->target->health->n_under_way--;
	side->is_under_way = false;
}

static void note_result(struct side *side, enum health_verdict verdict)
{
	struct health_target *target = side->target;
	struct edge53_probe before = side->shown;
	bool was_known = side->state.is_known, changed = false;

	side->shown.result = (__u8)side->exchange.result;
	side->shown.rcode = (__u8)side->exchange.rcode;
	side->shown.error = (__u32)side->exchange.error;
	side->shown.asked_ns = wall_clock_ns();
	if (verdict != HEALTH_VOID) {
		side->shown.failed += verdict == HEALTH_BAD;
		changed = health_note(&side->state, &target->rule, verdict == HEALTH_GOOD);
	}
	show(side);
	/* A resolver that is not there yet is no change, but news. */
	if (changed || (!was_known && side->state.is_known && !side->state.is_up))
		say_change(side);
	else
		say_oddity(side, &before);
	target->has_changed |= changed;
	if (changed)
		target->health->on_change(target->health->arg);
	else
		write_target(target);
}

/* The question is over, or its time is. */
static void finish_question(struct side *side)
{
	enum health_verdict verdict;

	end_question(side);
	verdict = health_judge(&side->target->config, side->exchange.result, side->exchange.rcode);
	side->was_void = false;
	note_result(side, verdict);
}

static void plan_timer(struct health *health);

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct side *side = arg;

	(void)fd;
	(void)revents;
	exchange_on_event(&side->exchange);
	if (side->exchange.result != EDGE53_PROBE_NONE) {
		finish_question(side);
		plan_timer(side->target->health);
		return 0;
	}
	return sd_event_source_set_io_events(
		source, exchange_wants_to_write(&side->exchange) ? EPOLLOUT : EPOLLIN);
}

static struct exchange_target question_for(const struct side *side)
{
	const struct health_target *target = side->target;
	bool is_tcp = side == &target->sides[TCP];
	unsigned int header = is_tcp ? EDGE53_SERVICE_PROXY_TCP : EDGE53_SERVICE_PROXY_UDP;

	return (struct exchange_target){
		.backend = target->backend.address,
		.source = target->backend.source,
		.port = is_tcp ? target->backend.tcp_port : target->backend.udp_port,
		.ifindex = target->backend.ifindex,
		.is_tcp = is_tcp,
		.has_header = target->service_flags & header,
		.question = &target->config.question,
	};
}

static void ask(struct side *side, uint64_t now)
{
	struct health *health = side->target->health;
	struct exchange_target question = question_for(side);

	side->begin_us = now;
	side->due_us = now + interval_us(side->target);
	side->is_under_way = true;
	side->is_sent_again = question.is_tcp; /* the kernel does so */
	health->n_under_way++;
	exchange_begin(&side->exchange, &question, &health->limits);
	if (side->exchange.result == EDGE53_PROBE_NONE &&
	    sd_event_add_io(health->event, &side->io, side->exchange.fd,
			    exchange_wants_to_write(&side->exchange) ? EPOLLOUT : EPOLLIN, on_io,
			    side) < 0) {
		side->exchange.result = EDGE53_PROBE_NOT_SENT;
		side->exchange.error = ENOMEM;
	}
	if (side->exchange.result != EDGE53_PROBE_NONE)
		finish_question(side);
}

static void send_again_if_due(struct side *side, uint64_t now)
{
	if (side->is_sent_again ||
	    now - side->begin_us < interval_us(side->target) / SEND_AGAIN_PART)
		return;
	side->is_sent_again = true;
	exchange_send_again(&side->exchange);
	if (side->exchange.result != EDGE53_PROBE_NONE)
		finish_question(side);
}

/* An answer may take as long as the interval, as with HAProxy. */
static void expire(struct side *side, uint64_t now)
{
	uint64_t deadline_us = side->begin_us + interval_us(side->target);

	if (now < deadline_us) {
		send_again_if_due(side, now);
		return;
	}
	if (now - deadline_us >= LATE_US && !side->was_void) {
		end_question(side);
		side->was_void = true;
		side->due_us = now;
		return;
	}
	exchange_expire(&side->exchange);
	finish_question(side);
}

/* --- clients without an answer ---------------------------------------------------------------- */

static void say_window(const struct health_target *target)
{
	char server[SERVER_LEN];
	unsigned int percent =
		(unsigned int)(target->window.unanswered * 100ull / target->window.queries);

	server_text(&target->sides[UDP], server);
	if (target->window.is_reported)
		log_warning(
			"%s answers our questions, but not its clients': %u %% of their last %u queries have no answer",
			server, percent, target->window.queries);
	else
		log_info(
			"%s answers its clients again: %u %% of their last %u queries have no answer",
			server, percent, target->window.queries);
}

/* Who is dead anyway, or is not asked, is not reported: nothing would be new. */
static void look_at_window(struct health_target *target, uint64_t now)
{
	const struct side *side = &target->sides[UDP];
	struct edge53_traffic traffic;

	if (!target->id || !side->is_asked || !side->state.is_up || !side->state.has_answered) {
		health_window_forget(&target->window);
		write_target(target);
		return;
	}
	if (dataplane_read_traffic(target->health->dataplane, target->id, &traffic) < 0)
		return;
	if (health_window_note(&target->window, traffic.queries, traffic.replies, now / US_PER_MS))
		say_window(target);
	write_target(target);
}

static void look_at_windows(struct health *health, uint64_t now)
{
	if (now < health->windows_due_us)
		return;
	health->windows_due_us = now + LOOK_AT_WINDOWS_US;
	for (size_t i = 0; i < health->n_targets; i++)
		look_at_window(health->targets[i], now);
}

/* --- time ------------------------------------------------------------------------------------- */

typedef void (*side_fn)(struct side *side, uint64_t *arg);

static void for_each_side(struct health *health, side_fn fn, uint64_t *arg)
{
	for (size_t i = 0; i < health->n_targets; i++)
		for (size_t protocol = 0; protocol < PROTOCOLS; protocol++)
			fn(&health->targets[i]->sides[protocol], arg);
}

/* When there is something to do about the question under way. */
static uint64_t next_step_us(const struct side *side)
{
	uint64_t whole_us = interval_us(side->target);

	return side->begin_us + (side->is_sent_again ? whole_us : whole_us / SEND_AGAIN_PART);
}

static void find_next(struct side *side, uint64_t *next)
{
	uint64_t at = side->is_under_way ? next_step_us(side)
		      : side->is_asked && side->target->health->n_under_way < MAX_ASKED_AT_ONCE
			      ? side->due_us
			      : NEVER;

	*next = at < *next ? at : *next;
}

static void plan_timer(struct health *health)
{
	uint64_t next = health->n_targets ? health->windows_due_us : NEVER;

	for_each_side(health, find_next, &next);
	sd_event_source_set_enabled(health->timer, next == NEVER ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
	if (next != NEVER)
		sd_event_source_set_time(health->timer, next);
}

static void expire_if_due(struct side *side, uint64_t *now)
{
	if (side->is_under_way)
		expire(side, *now);
}

static void find_most_due(struct health *health, uint64_t now, struct side **ret)
{
	*ret = NULL;
	for (size_t i = 0; i < health->n_targets; i++) {
		for (size_t protocol = 0; protocol < PROTOCOLS; protocol++) {
			struct side *side = &health->targets[i]->sides[protocol];

			if (side->is_asked && !side->is_under_way && side->due_us <= now &&
			    (!*ret || side->due_us < (*ret)->due_us))
				*ret = side;
		}
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct health *health = arg;
	uint64_t now = now_us();
	struct side *side;

	(void)source;
	(void)usec;
	for_each_side(health, expire_if_due, &now);
	for (find_most_due(health, now, &side); side && health->n_under_way < MAX_ASKED_AT_ONCE;
	     find_most_due(health, now, &side))
		ask(side, now);
	look_at_windows(health, now);
	plan_timer(health);
	return 0;
}

/* --- the plan --------------------------------------------------------------------------------- */

static void target_free(struct health_target *target)
{
	for (size_t protocol = 0; protocol < PROTOCOLS; protocol++)
		end_question(&target->sides[protocol]);
	free(target);
}

/* A server keeps what is known of it by its service, address and ports. */
static struct health_target *find_target(const struct health *health,
					 const struct plan_service *service,
					 const struct plan_backend *backend)
{
	for (size_t i = 0; i < health->n_targets; i++) {
		struct health_target *target = health->targets[i];

		if (target->kind == service->kind && !strcmp(target->service, service->name) &&
		    addr_equal(&target->backend.address, &backend->address) &&
		    target->backend.udp_port == backend->udp_port &&
		    target->backend.tcp_port == backend->tcp_port)
			return target;
	}
	return NULL;
}

/* What the loader before us knew. */
static void adopt_side(struct side *side, const struct edge53_probe *known)
{
	if (known->state != EDGE53_PROBE_UP && known->state != EDGE53_PROBE_DOWN)
		return;
	side->shown = *known;
	side->state.is_known = true;
	side->state.is_up = known->state == EDGE53_PROBE_UP;
	side->state.has_answered = !known->is_unproven;
}

static void adopt(struct health_target *target, const struct plan_service *service,
		  const struct plan_backend *backend)
{
	struct dataplane *dataplane = target->health->dataplane;
	unsigned int id = dataplane_find_backend(dataplane, service, backend);
	struct edge53_health known;

	if (!id || dataplane_read_health(dataplane, id, &known) < 0)
		return;
	adopt_side(&target->sides[UDP], &known.udp);
	adopt_side(&target->sides[TCP], &known.tcp);
	target->window.queries = known.queries;
	target->window.unanswered = known.unanswered;
	target->window.is_reported = known.is_unanswered;
}

static struct health_target *add_target(struct health *health, const struct plan_service *service,
					const struct plan_backend *backend)
{
	struct health_target *target;

	if (array_grow(&health->targets, health->n_targets, sizeof(*health->targets)) < 0)
		return NULL;
	target = calloc(1, sizeof(*target));
	if (!target)
		return NULL;
	health->targets[health->n_targets++] = target;
	target->health = health;
	target->kind = service->kind;
	snprintf(target->service, sizeof(target->service), "%s", service->name);
	target->rule = health_rule_of(service->health, service->kind == EDGE53_SERVICE_ENFORCE);
	for (size_t protocol = 0; protocol < PROTOCOLS; protocol++) {
		struct side *side = &target->sides[protocol];

		side->target = target;
		side->exchange.fd = -1;
		side->state = health_begin(&target->rule);
		side->state.is_up |= health->is_replacing;
	}
	adopt(target, service, backend);
	return target;
}

static bool same_path(const struct plan_backend *a, const struct plan_backend *b)
{
	return a->ifindex == b->ifindex && addr_equal(&a->source, &b->source);
}

static bool same_question(const struct dns_question *a, const struct dns_question *b)
{
	return a->len == b->len && !memcmp(a->bytes, b->bytes, a->len);
}

/*
 * Who comes back into reach is as new: what is known is of before. By another way he is asked at once, and the
 * question that went the old one is forgotten. Who was not to be asked (`health: off`) had clients until now, and
 * keeps them until it fails, a resolver too.
 */
static void update_side(struct side *side, bool is_asked, bool is_same_path, bool was_off)
{
	bool begins = is_asked && !side->is_asked;

	if (begins && side->shown.state == EDGE53_PROBE_OFF && side->shown.since_ns)
		side->state = health_begin(&side->target->rule);
	side->state.is_up |= begins && was_off;
	if (!is_asked || !is_same_path)
		end_question(side);
	if (begins || !is_same_path)
		side->due_us = now_us();
	side->is_asked = is_asked;
	show(side);
}

static void update_target(struct health_target *target, const struct plan_service *service,
			  const struct plan_backend *backend)
{
	bool is_same_path = same_path(&target->backend, backend) &&
			    same_question(&target->config.question, &service->health->question);
	bool is_asked = backend->usable && !service->health->is_off;
	bool was_off = target->config.is_off; /* of one that is new: false */

	target->backend = *backend;
	target->service_flags = service->flags;
	target->config = *service->health;
	target->rule = health_rule_of(service->health, service->kind == EDGE53_SERVICE_ENFORCE);
	target->is_wanted = true;
	update_side(&target->sides[UDP], is_asked && backend->udp_port, is_same_path, was_off);
	update_side(&target->sides[TCP], is_asked && backend->tcp_port, is_same_path, was_off);
}

static void forget_unwanted(struct health *health)
{
	size_t n = 0;

	for (size_t i = 0; i < health->n_targets; i++) {
		if (health->targets[i]->is_wanted)
			health->targets[n++] = health->targets[i];
		else
			target_free(health->targets[i]);
	}
	health->n_targets = n;
}

static int update_service(struct health *health, struct plan_service *service)
{
	for (size_t i = 0; i < service->n_backends; i++) {
		struct plan_backend *backend = &service->backends[i];
		struct health_target *target = find_target(health, service, backend)
						       ?: add_target(health, service, backend);

		if (!target)
			return -ENOMEM;
		update_target(target, service, backend);
		backend->udp_dead = is_dead(&target->sides[UDP]);
		backend->tcp_dead = is_dead(&target->sides[TCP]);
	}
	return 0;
}

int health_update(struct health *health, struct plan *plan)
{
	int r = 0;

	for (size_t i = 0; i < health->n_targets; i++)
		health->targets[i]->is_wanted = false;
	for (size_t i = 0; i < plan->n_services && !r; i++)
		if (plan->services[i].health)
			r = update_service(health, &plan->services[i]);
	if (r < 0)
		return r;
	forget_unwanted(health);
	health->is_replacing = false;
	plan_timer(health);
	return 0;
}

void health_write(struct health *health)
{
	for (size_t i = 0; i < health->n_targets; i++) {
		struct health_target *target = health->targets[i];
		struct plan_service service = { .kind = target->kind };
		unsigned int id;

		memcpy(service.name, target->service, sizeof(service.name));
		id = dataplane_find_backend(health->dataplane, &service, &target->backend);
		/* A number that was another's has another's health. */
		if (id != target->id)
			memset(&target->written, 0xff, sizeof(target->written));
		target->id = id;
		target->has_changed = false;
		write_target(target);
	}
}

bool health_is_settled(const struct health *health)
{
	for (size_t i = 0; i < health->n_targets; i++)
		for (size_t protocol = 0; protocol < PROTOCOLS; protocol++) {
			const struct side *side = &health->targets[i]->sides[protocol];

			if (side->is_asked && !side->target->rule.starts_up &&
			    !side->shown.asked_ns)
				return false;
		}
	return true;
}

int health_new(sd_event *event, struct dataplane *dataplane, const struct config_limits *limits,
	       bool is_replacing, health_fn on_change, void *arg, struct health **ret)
{
	struct health *health = calloc(1, sizeof(*health));
	int r;

	if (!health)
		return -ENOMEM;
	health->event = sd_event_ref(event);
	health->dataplane = dataplane;
	health->limits = *limits;
	health->is_replacing = is_replacing;
	health->on_change = on_change;
	health->arg = arg;
	r = sd_event_add_time(event, &health->timer, CLOCK_MONOTONIC, NEVER - 1, 1000, on_timer,
			      health);
	if (r >= 0)
		r = sd_event_source_set_priority(health->timer, TIMER_PRIORITY);
	if (r < 0) {
		health_free(health);
		return r;
	}
	*ret = health;
	return 0;
}

void health_free(struct health *health)
{
	if (!health)
		return;
	for (size_t i = 0; i < health->n_targets; i++)
		target_free(health->targets[i]);
	free(health->targets);
	sd_event_source_unref(health->timer);
	sd_event_unref(health->event);
	free(health);
}
