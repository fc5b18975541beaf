// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shows what loader/host.c and loader/pins.c see, a line each, for test_host.sh.
 *
 *   host_dump [TARGET|TARGET@TUNNEL ...]   a snapshot
 *   host_dump probe IFNAME ADDRESS
 *   host_dump cookie
 *   host_dump watch                        "drained" after each line of stdin, and what is wrong in a snapshot
 *                                          of which only what had changed was read again
 *   host_dump pins ROOT path HOOK IFNAME | lock | locked
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "host.h"
#include "pins.h"

static int failed(int r, const char *what)
{
	printf("error %s: %s\n", what, strerror(-r));
	return 1;
}

static void show_links(const struct host *host)
{
	size_t i;

	for (i = 0; i < host->n_links; i++) {
		const struct host_link *l = &host->links[i];

		printf("link %s kind=%s arphrd=%u mtu=%u %s%s%s%s", l->name, l->kind, l->arphrd,
		       l->mtu, l->flags & IFF_UP ? "up" : "down",
		       host_link_is_ethernet(l) ? " ethernet" : " l3",
		       l->is_default_route ? " default" : "", l->has_mac ? " mac=" : "");
		if (l->has_mac)
			printf("%02x:%02x:%02x:%02x:%02x:%02x", l->mac[0], l->mac[1], l->mac[2],
			       l->mac[3], l->mac[4], l->mac[5]);
		if (l->knows_xdp_features)
			printf(" xdp=0x%llx", l->xdp_features);
		printf("\n");
	}
}

static const char *name_of(const struct host *host, unsigned int ifindex)
{
	const struct host_link *link = host_link_by_index(host, ifindex);

	return link ? link->name : "?";
}

static void show_addresses(const struct host *host)
{
	char text[ADDR_TEXT_LEN];
	size_t i;

	for (i = 0; i < host->n_addresses; i++) {
		const struct host_address *a = &host->addresses[i];

		printf("address %s %s/%u scope=%u\n", name_of(host, a->ifindex),
		       addr_format(&a->address, text), a->prefix_len, a->scope);
	}
}

static void show_routes(const struct host *host)
{
	char target[ADDR_TEXT_LEN], source[ADDR_TEXT_LEN], nexthop[ADDR_TEXT_LEN];
	size_t i;

	for (i = 0; i < host->n_routes; i++) {
		const struct host_route *r = &host->routes[i];

		printf("route %s ", addr_format(&r->target, target));
		if (!r->reachable) {
			printf("unreachable\n");
			continue;
		}
		printf("dev=%s source=%s nexthop=%s%s%s%s", name_of(host, r->ifindex),
		       addr_is_zero(&r->source) ? "none" : addr_format(&r->source, source),
		       addr_format(&r->nexthop, nexthop), r->is_local ? " local" : "",
		       r->neighbour_known ? " known" : "", r->neighbour_stale ? " stale" : "");
		if (r->neighbour_known)
			printf(" mac=%02x:%02x:%02x:%02x:%02x:%02x", r->mac[0], r->mac[1],
			       r->mac[2], r->mac[3], r->mac[4], r->mac[5]);
		printf("\n");
	}
}

static int snapshot(char **words, int n)
{
	_cleanup_(freep) struct host_question *questions = calloc(n + 1, sizeof(*questions));
	_cleanup_(host_freep) struct host *host = NULL;
	struct timespec before, after;
	int i, r;

	if (!questions)
		return failed(-ENOMEM, "questions");
	for (i = 0; i < n; i++) {
		char *tunnel = strchr(words[i], '@');

		if (tunnel) {
			*tunnel++ = '\0';
			snprintf(questions[i].tunnel, IFNAMSIZ, "%s", tunnel);
		}
		r = addr_parse(words[i], &questions[i].target);
		if (r < 0)
			return failed(r, words[i]);
	}
	clock_gettime(CLOCK_MONOTONIC, &before);
	r = host_read(questions, n, &host);
	clock_gettime(CLOCK_MONOTONIC, &after);
	if (r < 0)
		return failed(r, "host_read");
	show_links(host);
	show_addresses(host);
	show_routes(host);
	printf("took %ld us\n", (long)((after.tv_sec - before.tv_sec) * 1000000 +
				      (after.tv_nsec - before.tv_nsec) / 1000));
	return 0;
}

static int probe(const char *ifname, const char *text)
{
	struct edge53_addr address;
	int r = addr_parse(text, &address) ?: host_probe_neighbour(if_nametoindex(ifname), &address);

	return r < 0 ? failed(r, "probe") : 0;
}

static int cookie(void)
{
	unsigned long long value;
	int r = host_netns_cookie(&value);

	if (r < 0)
		return failed(r, "cookie");
	printf("cookie %llu\n", value);
	return 0;
}

static bool same_link(const struct host_link *a, const struct host_link *b)
{
	return a->ifindex == b->ifindex && !strcmp(a->name, b->name) && a->arphrd == b->arphrd &&
	       !strcmp(a->kind, b->kind) && a->flags == b->flags && a->mtu == b->mtu &&
	       !memcmp(a->mac, b->mac, sizeof(a->mac)) &&
	       a->is_default_route == b->is_default_route &&
	       a->xdp_features == b->xdp_features && a->has_xdp == b->has_xdp &&
	       a->rp_filter == b->rp_filter && a->bundles_udp == b->bundles_udp;
}

static bool has_address(const struct host *host, const struct host_address *wanted)
{
	for (size_t i = 0; i < host->n_addresses; i++) {
		const struct host_address *a = &host->addresses[i];

		if (a->ifindex == wanted->ifindex && addr_equal(&a->address, &wanted->address) &&
		    a->prefix_len == wanted->prefix_len && a->is_tentative == wanted->is_tentative)
			return true;
	}
	return false;
}

/* What an updated snapshot has wrong, or NULL. */
static const char *difference(const struct host *updated, const struct host *fresh)
{
	if (updated->n_links != fresh->n_links)
		return "the number of links";
	for (size_t i = 0; i < fresh->n_links; i++)
		if (!same_link(&updated->links[i], &fresh->links[i]))
			return fresh->links[i].name;
	if (updated->n_addresses != fresh->n_addresses)
		return "the number of addresses";
	for (size_t i = 0; i < fresh->n_addresses; i++)
		if (!has_address(updated, &fresh->addresses[i]))
			return "an address";
	return NULL;
}

/* Drains, brings the snapshot up to date, and compares it with a fresh one: again when something happened meanwhile. */
static int drain_and_compare(struct host_watch *watch, struct host **host, const char **ret_wrong)
{
	int heard = 0, r;

	do {
		_cleanup_(host_freep) struct host *fresh = NULL;

		r = host_watch_drain(watch);
		heard |= r;
		if (r >= 0)
			r = host_read_changes(&watch->changes, NULL, 0, host);
		if (r >= 0)
			r = host_read(NULL, 0, &fresh);
		if (r < 0)
			return r;
		*ret_wrong = difference(*host, fresh);
	} while (*ret_wrong && host_watch_drain(watch) > 0);
	return heard;
}

static int watch(void)
{
	_cleanup_(host_watch_close) struct host_watch watch;
	_cleanup_(host_freep) struct host *host = NULL;
	const char *wrong;
	char line[16];
	int r = host_watch_open(&watch);

	if (r < 0)
		return failed(r, "watch");
	printf("watching\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		r = drain_and_compare(&watch, &host, &wrong);
		if (r >= 0 && wrong)
			printf("drained %d, but wrong: %s\n", r, wrong);
		else
			printf("drained %d\n", r);
		fflush(stdout);
	}
	return 0;
}

static int pins(int n, char **words)
{
	char path[PINS_PATH_LEN];
	int r;

	pins_set_root(words[0]);
	if (n == 4 && !strcmp(words[1], "path")) {
		printf("%s\n", pins_link_path(words[2], words[3], path));
		return 0;
	}
	if (!strcmp(words[1], "locked")) {
		printf("locked %d\n", pins_is_locked());
		return 0;
	}
	r = pins_lock();
	if (r < 0)
		return failed(r, "lock");
	printf("holding\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "probe") && argc == 4)
		return probe(argv[2], argv[3]);
	if (!strcmp(verb, "cookie"))
		return cookie();
	if (!strcmp(verb, "watch"))
		return watch();
	if (!strcmp(verb, "pins") && argc >= 4)
		return pins(argc - 2, argv + 2);
	return snapshot(argv + 1, argc - 1);
}
