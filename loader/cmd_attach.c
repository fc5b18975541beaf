// SPDX-License-Identifier: GPL-2.0-only
/*
 * `edge53 attach DEVICE`: wait until the loader has attached what it wants on a device. For hooks of pppd, which go
 * on when this ends: no query of the client may come before.
 *
 * Reads the pinned state, and changes nothing. Tables are written before hooks are attached, so they say what is
 * wanted of the device; and the loader notes when it last looked at the host, so a device that no table names after
 * that is none of its.
 */
#include <argp.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attach.h"
#include "commands.h"
#include "edge53_abi.h"
#include "host.h"
#include "log.h"
#include "pins.h"
#include "state.h"

#define NS_PER_MS 1000000ull
#define NS_PER_S (1000 * NS_PER_MS)
#define DEFAULT_WAIT_S 10
#define MAX_WAIT_S 3600
#define MIN_PAUSE_NS (5 * NS_PER_MS)
#define MAX_PAUSE_NS (100 * NS_PER_MS)

struct attach_options {
	const char *device;
	unsigned int wait_s;
};

/* What is known of the device, and of the loader, at one look. */
struct sight {
	int error; /* of state_open() */
	bool has_loader;
	bool is_other_netns;
	unsigned int wanted; /* enum attach_record */
	unsigned int missing;
	unsigned int attached;
	uint64_t looked_ns; /* begin of the loader's last look */
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* --- what is wanted --------------------------------------------------------------------------- */

struct return_search {
	unsigned int ifindex;
	unsigned int wanted;
};

static int note_return(const struct edge53_return_key *key, unsigned int service, void *arg)
{
	struct return_search *search = arg;

	(void)service;
	if (key->ifindex == search->ifindex)
		search->wanted |= key->is_uplink ? ATTACHED_RETURN_OUT : ATTACHED_RETURN_IN;
	return 0;
}

static unsigned int wanted_on(struct state *state, unsigned int ifindex)
{
	struct return_search search = { .ifindex = ifindex };

	for (unsigned int id = 1; id < EDGE53_MAX_DEVICES; id++) {
		const struct edge53_device *device = state_device(state, id);

		if (device && device->ifindex == ifindex)
			search.wanted |= ATTACHED_INGRESS | (device->service ? ATTACHED_EGRESS : 0);
	}
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS; id++) {
		const struct edge53_backend *backend = state_backend(state, id);

		if (backend && backend->ifindex == ifindex &&
		    !(backend->flags & EDGE53_BACKEND_LOCAL))
			search.wanted |= ATTACHED_INGRESS;
	}
	state_walk_returns(state, note_return, &search);
	return search.wanted;
}

static bool is_other_netns(const struct state *state)
{
	unsigned long long cookie;

	return !host_netns_cookie(&cookie) && cookie != state_geometry(state)->netns_cookie;
}

/* error: of the look before. State of another layout (a package is being replaced) is said once, and not opened again. */
static struct sight look(const char *device, unsigned int ifindex, int error)
{
	_cleanup_(state_closep) struct state *state = NULL;
	struct sight sight = { .error = error == -EPROTO ? error : state_open(&state),
			       .attached = attach_records(device, ifindex) };
	unsigned int pid;

	if (sight.error < 0) {
		sight.has_loader = pins_is_locked() > 0;
		return sight;
	}
	sight.has_loader = state_has_loader(state, &pid);
	sight.is_other_netns = is_other_netns(state);
	sight.looked_ns = state_loader(state)->looked_ns;
	sight.wanted = wanted_on(state, ifindex);
	sight.missing = sight.wanted & ~sight.attached;
	return sight;
}

/* --- waiting ---------------------------------------------------------------------------------- */

/* Whether a process takes this signal by signalfd(): an older loader would be ended by it. */
static bool takes_signal(int pid, int signo)
{
	unsigned long long blocked = 0;
	char path[32], line[128];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1)
			break;
	fclose(f);
	return blocked >> (signo - 1) & 1;
}

/* Asks the loader to look now, and not at its next turn. Returns whether it was asked. */
static bool nudge(void)
{
	int pid = pins_lock_holder();

	return pid > 0 && takes_signal(pid, SIGUSR1) && !kill(pid, SIGUSR1);
}

/* What is pinned of hooks does not depend on the layout. */
static bool is_enforced(const struct sight *sight)
{
	return !(~sight->attached & (ATTACHED_INGRESS | ATTACHED_EGRESS));
}

/* An exit code, or -1: not decided yet. since_ns: a look of the loader's that began later is meant. */
static int judge(const struct sight *sight, const char *device, uint64_t since_ns)
{
	if (sight->error == -ENOENT && sight->has_loader)
		return -1; /* it is starting */
	if (sight->error == -ENOENT) {
		log_error("not loaded");
		return EXIT_NOT_LOADED;
	}
	if (sight->error == -EPROTO && sight->has_loader)
		return is_enforced(sight) ? EXIT_FINE : -1;
	if (sight->error < 0) {
		if (sight->error != -EPROTO)
			log_error("cannot read %s: %s", pins_root(), strerror(-sight->error));
		return EXIT_FAILED;
	}
	if (sight->is_other_netns) {
		log_error("%s: the edge53 of %s works in another network namespace", device,
			  pins_root());
		return EXIT_FAILED;
	}
	if (sight->wanted && !sight->missing) {
		if (!sight->has_loader)
			log_warning(
				"%s is attached, but no loader is running: what changes from now on is not seen",
				device);
		return EXIT_FINE;
	}
	if (!sight->has_loader) {
		log_error(
			"%s is not attached, and no loader is running that could do it; start `edge53 run`",
			device);
		return EXIT_FAILED;
	}
	if (sight->looked_ns < since_ns || sight->missing)
		return -1;
	log_info("edge53 has nothing to attach to %s", device);
	return EXIT_FINE;
}

static int give_up(const struct sight *sight, const struct attach_options *options,
		   uint64_t since_ns)
{
	if (sight->missing && sight->looked_ns >= since_ns)
		log_error("%s: not everything could be attached; the log of `edge53 run` says why",
			  options->device);
	else
		log_error("%s is not attached after %u s; is `edge53 run` at work?",
			  options->device, options->wait_s);
	return EXIT_FAILED;
}

static int wait_attached(const struct attach_options *options)
{
	uint64_t since_ns = now_ns(), pause_ns = MIN_PAUSE_NS;
	uint64_t until_ns = since_ns + options->wait_s * NS_PER_S;
	struct sight sight = { .error = 0 };
	bool is_asked = false;

	for (;;) {
		unsigned int ifindex = if_nametoindex(options->device);
		struct timespec pause = { .tv_nsec = (long)pause_ns };
		int code;

		if (!ifindex) {
			log_error("there is no device %s in this network namespace",
				  options->device);
			return EXIT_FAILED;
		}
		sight = look(options->device, ifindex, sight.error);
		code = judge(&sight, options->device, since_ns);
		if (code >= 0)
			return code;
		if (now_ns() >= until_ns)
			return give_up(&sight, options, since_ns);
		is_asked = is_asked || nudge();
		nanosleep(&pause, NULL);
		pause_ns = pause_ns * 2 < MAX_PAUSE_NS ? pause_ns * 2 : MAX_PAUSE_NS;
	}
}

/* --- the command line ------------------------------------------------------------------------- */

static const struct argp_option option_table[] = {
	{ "wait", 'w', "SECONDS", 0, "How long at most (10); 0: look once", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct attach_options *options = state->input;
	unsigned long seconds;
	char *end;

	switch (key) {
	case 'w':
		seconds = strtoul(arg, &end, 10);
		if (*arg < '0' || *arg > '9' || *end || seconds > MAX_WAIT_S)
			argp_error(state, "--wait: \"%s\" is not a number of seconds from 0 to %d",
				   arg, MAX_WAIT_S);
		options->wait_s = (unsigned int)seconds;
		return 0;
	case ARGP_KEY_ARG:
		if (options->device)
			argp_error(state, "unexpected argument \"%s\"", arg);
		if (!*arg || strlen(arg) >= IFNAMSIZ || strchr(arg, '/'))
			argp_error(state, "\"%s\" is not the name of a device", arg);
		options->device = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "a device is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_attach(int argc, char **argv)
{
	static const struct argp argp = {
		.options = option_table,
		.parser = parse_option,
		.args_doc = "DEVICE",
		.doc = "Wait until the running loader has attached everything it wants on DEVICE. For hooks of pppd (ip-pre-up): no query of the client is let past.\v"
		       "Exit status 0 also when there is nothing to attach to DEVICE; 1 when it is not attached in time, or nobody is there to do it; 3 when edge53 is not loaded.",
	};
	struct attach_options options = { .wait_s = DEFAULT_WAIT_S };

	if (argp_parse(&argp, argc, argv, 0, NULL, &options))
		return EXIT_USAGE;
	libbpf_set_print(NULL); /* that a filter is not there is no news */
	return wait_attached(&options);
}
