/* SPDX-License-Identifier: GPL-2.0-only */
#include "tables.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mirror.h"

/* Entries of the mirrors: key and value, as the kernel has them, without a gap. */
struct frontend_entry {
	struct edge53_frontend_key key;
	struct edge53_frontend value;
} __attribute__((packed));

struct prefix_entry {
	struct edge53_prefix_key key;
	__u32 value;
} __attribute__((packed));

struct return_entry {
	struct edge53_return_key key;
	__u32 service;
} __attribute__((packed));

struct guard_entry {
	__u32 ifindex;
	struct edge53_guard value;
} __attribute__((packed));

struct tables {
	struct tables_fds fds;
	/* What the maps hold, so that a look at 4,000 devices of which one is new writes one. */
	struct edge53_service services[EDGE53_MAX_SERVICES];
	struct edge53_backend backends[EDGE53_MAX_BACKENDS];
	struct edge53_device devices[EDGE53_MAX_DEVICES];
	struct edge53_return returns[EDGE53_MAX_SERVICES];
	struct edge53_rate_limit rate_limits[EDGE53_MAX_SERVICES];
	struct edge53_tcp_limit tcp_limits[EDGE53_MAX_SERVICES];
	struct edge53_response_limit response_limits[EDGE53_MAX_SERVICES];
	struct edge53_revision revision;
	struct mirror frontends;
	struct mirror exempt;
	struct mirror doh;
	struct mirror keep_source;
	struct mirror returns_by_device;
	struct mirror guard;
	unsigned short by_name[EDGE53_MAX_DEVICES]; /* ids of named devices, sorted by name */
	size_t n_names;
	bool names_changed;
	unsigned int last_backend; /* numbers go round, so that one is not used again at once */
	unsigned int last_device;
};

/* A plan's numbers: plan index → id. */
struct numbers {
	unsigned char *services;
	unsigned short *devices;
	unsigned char **backends; /* by service */
	size_t n_services;
};

/* --- reading what is there -------------------------------------------------------------------- */

static int read_all(int fd, void *entries, size_t entry_size, unsigned int n)
{
	for (__u32 id = 0; id < n; id++)
		if (bpf_map_lookup_elem(fd, &id, (char *)entries + id * entry_size))
			return -errno;
	return 0;
}

static int open_mirrors(struct tables *t)
{
	return mirror_open(&t->frontends, t->fds.frontends, sizeof(struct edge53_frontend_key),
			   sizeof(struct edge53_frontend), EDGE53_MAX_FRONTENDS)
	       ?: mirror_open(&t->exempt, t->fds.exempt, sizeof(struct edge53_prefix_key),
			      sizeof(__u32), EDGE53_MAX_EXEMPT)
	       ?: mirror_open(&t->doh, t->fds.doh, sizeof(struct edge53_prefix_key), sizeof(__u32),
			      EDGE53_MAX_DOH)
	       ?: mirror_open(&t->keep_source, t->fds.keep_source,
			      sizeof(struct edge53_prefix_key), sizeof(__u32),
			      EDGE53_MAX_KEEP_SOURCE)
	       ?: mirror_open(&t->returns_by_device, t->fds.returns_by_device,
			      sizeof(struct edge53_return_key), sizeof(__u32),
			      EDGE53_MAX_RETURN_PORTS)
	       ?: mirror_open(&t->guard, t->fds.guard, sizeof(__u32), sizeof(struct edge53_guard),
			      EDGE53_MAX_GUARD);
}

void tables_free(struct tables *tables)
{
	if (!tables)
		return;
	mirror_clear(&tables->frontends);
	mirror_clear(&tables->exempt);
	mirror_clear(&tables->doh);
	mirror_clear(&tables->keep_source);
	mirror_clear(&tables->returns_by_device);
	mirror_clear(&tables->guard);
	free(tables);
}

static void tables_freep(struct tables **tables)
{
	tables_free(*tables);
}

int tables_open(const struct tables_fds *fds, struct tables **ret)
{
	_cleanup_(tables_freep) struct tables *tables = calloc(1, sizeof(*tables));
	int r;

	if (!tables)
		return -ENOMEM;
	tables->fds = *fds;
	r = read_all(fds->services, tables->services, sizeof(tables->services[0]),
		     EDGE53_MAX_SERVICES);
	if (!r)
		r = read_all(fds->backends, tables->backends, sizeof(tables->backends[0]),
			     EDGE53_MAX_BACKENDS);
	if (!r)
		r = read_all(fds->devices, tables->devices, sizeof(tables->devices[0]),
			     EDGE53_MAX_DEVICES);
	if (!r)
		r = read_all(fds->returns, tables->returns, sizeof(tables->returns[0]),
			     EDGE53_MAX_SERVICES);
	if (!r)
		r = read_all(fds->rate_limits, tables->rate_limits, sizeof(tables->rate_limits[0]),
			     EDGE53_MAX_SERVICES);
	if (!r)
		r = read_all(fds->tcp_limits, tables->tcp_limits, sizeof(tables->tcp_limits[0]),
			     EDGE53_MAX_SERVICES);
	if (!r)
		r = read_all(fds->response_limits, tables->response_limits,
			     sizeof(tables->response_limits[0]), EDGE53_MAX_SERVICES);
	if (!r)
		r = read_all(fds->revision, &tables->revision, sizeof(tables->revision), 1);
	if (!r)
		r = open_mirrors(tables);
	if (r < 0)
		return r;
	tables->names_changed = true;
	*ret = take_ptr(tables);
	return 0;
}

/* --- writing what differs --------------------------------------------------------------------- */

static int write_entry(int fd, unsigned int id, void *now, const void *wanted, size_t size)
{
	__u32 key = id;

	if (!memcmp(now, wanted, size))
		return 0;
	if (bpf_map_update_elem(fd, &key, wanted, BPF_ANY))
		return -errno;
	memcpy(now, wanted, size);
	return 0;
}

static int write_service(struct tables *t, unsigned int id, const struct edge53_service *wanted)
{
	return write_entry(t->fds.services, id, &t->services[id], wanted, sizeof(*wanted));
}

static int write_backend(struct tables *t, unsigned int id, const struct edge53_backend *wanted)
{
	return write_entry(t->fds.backends, id, &t->backends[id], wanted, sizeof(*wanted));
}

static int write_return(struct tables *t, unsigned int id, const struct edge53_return *wanted)
{
	return write_entry(t->fds.returns, id, &t->returns[id], wanted, sizeof(*wanted));
}

static int write_rate_limit(struct tables *t, unsigned int id,
			    const struct edge53_rate_limit *wanted)
{
	return write_entry(t->fds.rate_limits, id, &t->rate_limits[id], wanted, sizeof(*wanted));
}

static int write_tcp_limit(struct tables *t, unsigned int id, const struct edge53_tcp_limit *wanted)
{
	return write_entry(t->fds.tcp_limits, id, &t->tcp_limits[id], wanted, sizeof(*wanted));
}

static int write_device(struct tables *t, unsigned int id, const struct edge53_device *wanted)
{
	if (strcmp(t->devices[id].name, wanted->name))
		t->names_changed = true;
	return write_entry(t->fds.devices, id, &t->devices[id], wanted, sizeof(*wanted));
}

/* --- numbers ---------------------------------------------------------------------------------- */

/*
 * Two passes: first what is in the maps keeps its number, then the rest gets numbers that nobody of
 * this plan has. Unused ones are preferred, but a plan that replaces nearly everything takes over
 * those of what it replaces: late replies cannot go astray, since their flow is compared with the
 * backend's address.
 */

static unsigned int find_service(const struct tables *t, const struct plan_service *service)
{
	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES; id++)
		if (t->services[id].kind == service->kind &&
		    !strcmp(t->services[id].name, service->name))
			return id;
	return 0;
}

static unsigned int new_service(const struct tables *t, const bool *taken)
{
	unsigned int replaced = 0;

	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES; id++) {
		if (taken[id])
			continue;
		if (!t->services[id].kind)
			return id;
		replaced = id;
	}
	return replaced;
}

static unsigned int find_backend(const struct tables *t, const struct plan_backend *backend,
				 unsigned int service)
{
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS; id++) {
		const struct edge53_backend *b = &t->backends[id];

		if (b->service == service && addr_equal(&b->address, &backend->address) &&
		    b->udp_port == backend->udp_port && b->tcp_port == backend->tcp_port)
			return id;
	}
	return 0;
}

/*
 * Numbers go round, so that one is not used again while replies to its predecessor are under way.
 */
static unsigned int new_backend(struct tables *t, const bool *taken)
{
	unsigned int replaced = 0;

	for (unsigned int i = 0; i < EDGE53_MAX_BACKENDS - 1; i++) {
		unsigned int id = 1 + (t->last_backend + i) % (EDGE53_MAX_BACKENDS - 1);

		if (taken[id])
			continue;
		replaced = replaced ?: id;
		if (t->backends[id].service)
			continue;
		t->last_backend = id;
		return id;
	}
	t->last_backend = replaced;
	return replaced;
}

static int compare_names(const void *a, const void *b, void *arg)
{
	const struct tables *t = arg;

	return strcmp(t->devices[*(const unsigned short *)a].name,
		      t->devices[*(const unsigned short *)b].name);
}

static void sort_names(struct tables *t)
{
	t->n_names = 0;
	for (unsigned int id = 1; id < EDGE53_MAX_DEVICES; id++)
		if (t->devices[id].name[0])
			t->by_name[t->n_names++] = (unsigned short)id;
	qsort_r(t->by_name, t->n_names, sizeof(t->by_name[0]), compare_names, t);
	t->names_changed = false;
}

/* A device keeps its number by its name: ppp0 of now takes the late replies to ppp0 of before. */
static unsigned int find_device(const struct tables *t, const char *name)
{
	size_t low = 0, high = t->n_names;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(t->devices[t->by_name[middle]].name, name);

		if (!order)
			return t->by_name[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return 0;
}

static unsigned int new_device(struct tables *t, const bool *taken)
{
	unsigned int replaced = 0;

	for (unsigned int i = 0; i < EDGE53_MAX_DEVICES - 1; i++) {
		unsigned int id = 1 + (t->last_device + i) % (EDGE53_MAX_DEVICES - 1);

		if (taken[id])
			continue;
		replaced = replaced ?: id;
		if (t->devices[id].ifindex)
			continue;
		t->last_device = id;
		return id;
	}
	return replaced;
}

static void numbers_free(struct numbers *numbers)
{
	for (size_t i = 0; numbers->backends && i < numbers->n_services; i++)
		free(numbers->backends[i]);
	free(numbers->services);
	free(numbers->devices);
	free(numbers->backends);
}

static int number_services(struct tables *t, const struct plan *plan, struct numbers *numbers)
{
	bool taken[EDGE53_MAX_SERVICES] = {};

	for (size_t i = 0; i < plan->n_services; i++) {
		numbers->services[i] = (unsigned char)find_service(t, &plan->services[i]);
		taken[numbers->services[i]] = true;
	}
	for (size_t i = 0; i < plan->n_services; i++) {
		if (numbers->services[i])
			continue;
		numbers->services[i] = (unsigned char)new_service(t, taken);
		if (!numbers->services[i])
			return -ENOSPC;
		taken[numbers->services[i]] = true;
	}
	return 0;
}

static int number_backends(struct tables *t, const struct plan *plan, struct numbers *numbers)
{
	bool taken[EDGE53_MAX_BACKENDS] = {};

	for (size_t i = 0; i < plan->n_services; i++) {
		const struct plan_service *service = &plan->services[i];

		numbers->backends[i] = calloc(service->n_backends, 1);
		if (!numbers->backends[i])
			return -ENOMEM;
		for (size_t j = 0; j < service->n_backends; j++) {
			unsigned int id =
				find_backend(t, &service->backends[j], numbers->services[i]);

			numbers->backends[i][j] = (unsigned char)id;
			taken[id] = true;
		}
	}
	for (size_t i = 0; i < plan->n_services; i++) {
		for (size_t j = 0; j < plan->services[i].n_backends; j++) {
			unsigned char *id = &numbers->backends[i][j];

			*id = *id ?: (unsigned char)new_backend(t, taken);
			if (!*id)
				return -ENOSPC;
			taken[*id] = true;
		}
	}
	return 0;
}

static int number_devices(struct tables *t, const struct plan *plan, struct numbers *numbers)
{
	_cleanup_(freep) bool *taken = calloc(EDGE53_MAX_DEVICES, sizeof(*taken));

	if (!taken)
		return -ENOMEM;
	if (t->names_changed)
		sort_names(t);
	for (size_t i = 0; i < plan->n_devices; i++) {
		if (!plan->devices[i].is_client_side)
			continue;
		numbers->devices[i] = (unsigned short)find_device(t, plan->devices[i].name);
		taken[numbers->devices[i]] = true;
	}
	for (size_t i = 0; i < plan->n_devices; i++) {
		if (!plan->devices[i].is_client_side || numbers->devices[i])
			continue;
		numbers->devices[i] = (unsigned short)new_device(t, taken);
		if (!numbers->devices[i])
			log_error("more than %d devices; %s is not served", EDGE53_MAX_DEVICES - 1,
				  plan->devices[i].name);
		taken[numbers->devices[i]] = true;
	}
	return 0;
}

static int make_numbers(struct tables *t, const struct plan *plan, struct numbers *numbers)
{
	int r;

	numbers->n_services = plan->n_services;
	numbers->services = calloc(plan->n_services + 1, sizeof(*numbers->services));
	numbers->devices = calloc(plan->n_devices + 1, sizeof(*numbers->devices));
	numbers->backends = calloc(plan->n_services + 1, sizeof(*numbers->backends));
	if (!numbers->services || !numbers->devices || !numbers->backends)
		return -ENOMEM;
	r = number_services(t, plan, numbers);
	if (!r)
		r = number_backends(t, plan, numbers);
	if (!r)
		r = number_devices(t, plan, numbers);
	return r;
}

/* --- what XDP may do -------------------------------------------------------------------------- */

/*
 * Generic XDP sends by the ordinary transmit path; native needs the target's driver to take frames.
 */
static bool may_redirect(const struct attachments *attachments, unsigned int from_ifindex,
			 bool target_takes_frames)
{
	switch (attach_xdp_mode(attachments, from_ifindex)) {
	case XDP_MODE_GENERIC:
		return true;
	case XDP_MODE_NATIVE:
		return target_takes_frames;
	default:
		return false;
	}
}

/* Whether XDP on every device of the service that has it may send: to the backend, or (NULL) back to the client. */
static bool xdp_sends(const struct plan *plan, size_t service, const struct plan_backend *backend,
		      const struct attachments *attachments)
{
	bool has_xdp = false;

	for (size_t i = 0; i < plan->n_frontends; i++) {
		const struct plan_device *device = &plan->devices[plan->frontends[i].device];

		if (plan->frontends[i].service != service ||
		    attach_xdp_mode(attachments, device->ifindex) == XDP_MODE_NONE)
			continue;
		has_xdp = true;
		if (!may_redirect(attachments, device->ifindex,
				  backend ? backend->xdp_redirect_ok : device->xdp_redirect_ok))
			return false;
	}
	return has_xdp;
}

static bool xdp_reaches(const struct plan *plan, size_t service, const struct plan_backend *backend,
			const struct attachments *attachments)
{
	return backend->is_ethernet && backend->neighbour_known &&
	       xdp_sends(plan, service, backend, attachments);
}

/* Whether XDP on every backend's device may send replies to this client device. */
static bool xdp_returns(const struct plan *plan, const struct plan_device *device,
			const struct attachments *attachments)
{
	bool has_xdp = false;

	if (!device->is_ethernet || device->enforce >= 0)
		return false;
	for (size_t i = 0; i < plan->n_services; i++) {
		for (size_t j = 0; j < plan->services[i].n_backends; j++) {
			const struct plan_backend *b = &plan->services[i].backends[j];

			if (!b->usable || !b->is_ethernet ||
			    attach_xdp_mode(attachments, b->ifindex) == XDP_MODE_NONE)
				continue;
			has_xdp = true;
			if (!may_redirect(attachments, b->ifindex, device->xdp_redirect_ok))
				return false;
		}
	}
	return has_xdp;
}

/* --- plan → entries --------------------------------------------------------------------------- */

/* Shares the picks out by weight (largest remainder); ids[] of those with weight 0 get none. */
static void share_out(__u8 picks[EDGE53_PICKS], const unsigned char *ids,
		      const unsigned int *weights, size_t n)
{
	unsigned long long total = 0;

	memset(picks, 0, EDGE53_PICKS);
	for (size_t i = 0; i < n; i++)
		total += weights[i];
	if (!total)
		return;
	for (unsigned int at = 0; at < EDGE53_PICKS; at++) {
		/* The one furthest behind its share of the at + 1 picks so far. */
		long long best_lag = -1;
		size_t best = 0;

		for (size_t i = 0; i < n; i++) {
			unsigned long long has = 0;
			long long lag;

			if (!weights[i])
				continue;
			for (unsigned int j = 0; j < at; j++)
				has += picks[j] == ids[i];
			lag = (long long)(weights[i] * (at + 1ull)) - (long long)(has * total);
			if (lag > best_lag) {
				best_lag = lag;
				best = i;
			}
		}
		picks[at] = ids[best];
	}
}

static bool keeps_some(const struct plan_service *service, bool is_ipv6)
{
	for (size_t i = 0; i < service->keep_source.n; i++)
		if (addr_is_ipv4(&service->keep_source.list[i].address) != is_ipv6)
			return true;
	return false;
}

/*
 * A backend of the other family cannot be shown a client's address: where some are kept, those of their
 * own come first, and the others only serve when there is none.
 */
static void prefer_own_family(unsigned int *weights, const struct plan_service *service,
			      bool is_ipv6)
{
	bool has_own = false;

	if (!keeps_some(service, is_ipv6))
		return;
	for (size_t i = 0; i < service->n_backends; i++)
		has_own |= weights[i] && addr_is_ipv4(&service->backends[i].address) != is_ipv6;
	for (size_t i = 0; i < service->n_backends && has_own; i++)
		if (addr_is_ipv4(&service->backends[i].address) == is_ipv6)
			weights[i] = 0;
}

/* What clients of one family are given. */
static void fill_picks(struct edge53_picks *picks, const struct plan_service *service, bool is_ipv6,
		       const unsigned char *ids)
{
	unsigned int udp[EDGE53_MAX_BACKENDS] = {}, tcp[EDGE53_MAX_BACKENDS] = {};

	for (size_t i = 0; i < service->n_backends; i++) {
		const struct plan_backend *b = &service->backends[i];

		if (!plan_serves(service, b, is_ipv6))
			continue;
		udp[i] = b->udp_port && !b->udp_dead ? b->weight : 0;
		tcp[i] = b->tcp_port && !b->tcp_dead && !service->tcp_refused ? b->weight : 0;
	}
	prefer_own_family(udp, service, is_ipv6);
	prefer_own_family(tcp, service, is_ipv6);
	share_out(picks->udp, ids, udp, service->n_backends);
	share_out(picks->tcp, ids, tcp, service->n_backends);
}

/* What is to be done with queries by UDP when no backend takes those of a family, or any. */
static unsigned int flags_when_down(const struct plan *plan, size_t index,
				    const struct edge53_picks picks[2],
				    const struct attachments *attachments)
{
	unsigned int flags = EDGE53_SERVICE_UDP_DOWN;

	if (!(plan->services[index].flags & EDGE53_SERVICE_DOWN_SERVFAIL) ||
	    (picks[0].udp[0] && picks[1].udp[0]))
		return 0;
	if (!picks[0].udp[0] && !picks[1].udp[0] && xdp_sends(plan, index, NULL, attachments))
		flags |= EDGE53_SERVICE_XDP_ANSWERS;
	return flags;
}

#define NS_PER_S 1000000000ull

static void set_bits(struct edge53_addr *mask, unsigned int n_bits)
{
	memset(mask, 0, sizeof(*mask));
	for (unsigned int bit = 0; bit < n_bits; bit++)
		mask->bytes[bit / 8] |= (__u8)(0x80 >> bit % 8);
}

/* Before the service that refers to it. A service without a limit leaves the entry as it is: nobody reads it. */
static int sync_rate_limit(struct tables *t, const struct plan_service *service, unsigned int id)
{
	const struct config_rate *rate = service->rate;
	struct edge53_rate_limit wanted = {};

	if (!rate)
		return 0;
	wanted.interval_ns = NS_PER_S / rate->qps;
	wanted.burst_ns = wanted.interval_ns * rate->burst;
	wanted.slip = rate->over == POLICY_TRUNCATE ? rate->slip : 0;
	wanted.proven_s = rate->proven_s;
	set_bits(&wanted.masks[0], 96u + rate->prefix.ipv4);
	set_bits(&wanted.masks[1], rate->prefix.ipv6);
	return write_rate_limit(t, id, &wanted);
}

#define PROVEN_S 600 /* as rate_limit has it, unless told */

static int sync_tcp_limit(struct tables *t, const struct plan_service *service, unsigned int id)
{
	const struct config_tcp_limit *limit = service->tcp_limit;
	struct edge53_tcp_limit wanted = {};

	if (!limit)
		return 0;
	if (limit->new_per_second) {
		wanted.fresh.interval_ns = NS_PER_S / limit->new_per_second;
		wanted.fresh.burst_ns = wanted.fresh.interval_ns * limit->burst;
	}
	wanted.open = limit->open;
	wanted.has_exempt = limit->n_exempt > 0;
	set_bits(&wanted.fresh.masks[0], 96 + limit->prefix.ipv4);
	set_bits(&wanted.fresh.masks[1], limit->prefix.ipv6);
	if (limit->cookies_above) {
		wanted.unproven.interval_ns = NS_PER_S / limit->cookies_above;
		wanted.unproven.burst_ns = NS_PER_S;
		wanted.unproven.proven_s = PROVEN_S;
	}
	return write_tcp_limit(t, id, &wanted);
}

/* The same; but replies may still come to queries from before, so a service without a limit has an empty entry. */
static int sync_response_limit(struct tables *t, const struct plan_service *service, unsigned int id)
{
	const struct config_response *response = service->response;
	struct edge53_response_limit wanted = {};

	if (response) {
		wanted.bytes_per_second = response->bytes_per_second;
		wanted.burst_bytes = response->burst;
		wanted.interval_ns =
			(NS_PER_S << EDGE53_RESPONSE_SHIFT) / response->bytes_per_second;
		wanted.burst_ns = NS_PER_S * response->burst / response->bytes_per_second;
		wanted.proven_s = response->proven_s;
		wanted.has_exempt = response->n_exempt > 0;
		set_bits(&wanted.masks[0], 96u + response->prefix.ipv4);
		set_bits(&wanted.masks[1], response->prefix.ipv6);
	}
	return write_entry(t->fds.response_limits, id, &t->response_limits[id], &wanted,
			   sizeof(wanted));
}

/* Whether XDP can answer what is to be answered with TC=1. */
static unsigned int flags_of_any(const struct plan *plan, size_t index,
				 const struct attachments *attachments)
{
	return plan->services[index].flags & EDGE53_SERVICE_ANY_TRUNCATE &&
			       xdp_sends(plan, index, NULL, attachments) ?
		       EDGE53_SERVICE_ANY_IN_XDP :
		       0;
}

static unsigned int flags_of_cookies(const struct plan *plan, size_t index,
				     const struct attachments *attachments)
{
	const struct config_tcp_limit *limit = plan->services[index].tcp_limit;

	return limit && limit->cookies_above && xdp_sends(plan, index, NULL, attachments)
		       ? EDGE53_SERVICE_COOKIES_IN_XDP
		       : 0;
}

/* Whether XDP can do to a query over the limit what is to be done. */
static unsigned int flags_of_rate(const struct plan *plan, size_t index,
				  const struct attachments *attachments)
{
	const struct config_rate *rate = plan->services[index].rate;

	if (!rate || (rate->over == POLICY_TRUNCATE && !xdp_sends(plan, index, NULL, attachments)))
		return 0;
	return EDGE53_SERVICE_RATE_IN_XDP;
}

static bool has_number(const struct numbers *numbers, const struct plan *plan, unsigned int backend)
{
	for (size_t i = 0; i < plan->n_services; i++)
		if (memchr(numbers->backends[i], (int)backend, plan->services[i].n_backends))
			return true;
	return false;
}

static bool has_device(const struct plan *plan, unsigned int ifindex)
{
	for (size_t i = 0; i < plan->n_devices; i++)
		if (plan->devices[i].ifindex == ifindex)
			return true;
	return false;
}

/*
 * A backend that a service has no more keeps its entry, for the connections and the queries that it has: until its
 * service or its device goes, or the number is needed.
 */
static bool is_held(const struct tables *t, const struct plan *plan, const struct numbers *numbers,
		    unsigned int id)
{
	const struct edge53_backend *b = &t->backends[id];

	return b->service && !has_number(numbers, plan, id) &&
	       memchr(numbers->services, b->service, plan->n_services) &&
	       (b->flags & EDGE53_BACKEND_LOCAL || (b->ifindex && has_device(plan, b->ifindex)));
}

/* What is true of all backends of a service must be true of those, too. */
static void heed_held(const struct tables *t, const struct plan *plan,
		      const struct numbers *numbers, unsigned int service,
		      struct edge53_service *wanted, bool *from_xdp)
{
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS; id++) {
		const struct edge53_backend *b = &t->backends[id];

		if (b->service != service || !is_held(t, plan, numbers, id))
			continue;
		*from_xdp = *from_xdp && b->flags & EDGE53_BACKEND_XDP;
		if (wanted->kind == EDGE53_SERVICE_EDGE && !addr_is_ipv4(&b->address))
			wanted->flags |= EDGE53_SERVICE_IPV6_BACKENDS;
	}
}

/* A service that gets the number of another one does not get its backends. */
static int drop_backends(struct tables *t, const struct plan *plan, const struct numbers *numbers,
			 unsigned int service)
{
	int r = 0;

	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS && !r; id++)
		if (t->backends[id].service == service && !has_number(numbers, plan, id))
			r = write_backend(t, id, &(struct edge53_backend){});
	return r;
}

static int sync_service(struct tables *t, const struct plan *plan, size_t index,
			const struct numbers *numbers, const struct attachments *attachments)
{
	const struct plan_service *service = &plan->services[index];
	struct edge53_service wanted = {
		.kind = (__u8)service->kind,
		.flags = service->flags,
		.query_mtu = plan_query_mtu(service),
		.max_udp_payload = (__u16)service->max_udp_payload,
	};
	bool from_edge = service->kind == EDGE53_SERVICE_EDGE;
	bool from_xdp = from_edge, has_usable = false;
	unsigned int id = numbers->services[index];
	int r = 0;

	snprintf(wanted.name, sizeof(wanted.name), "%s", service->name);
	if (t->services[id].kind != wanted.kind || strcmp(t->services[id].name, wanted.name))
		r = drop_backends(t, plan, numbers, id);
	if (r < 0)
		return r;
	heed_held(t, plan, numbers, id, &wanted, &from_xdp);
	for (size_t i = 0; i < service->n_backends; i++) {
		const struct plan_backend *b = &service->backends[i];

		has_usable |= b->usable;
		if (b->usable && from_edge && !addr_is_ipv4(&b->address))
			wanted.flags |= EDGE53_SERVICE_IPV6_BACKENDS;
		if (b->usable && !xdp_reaches(plan, index, b, attachments))
			from_xdp = false;
	}
	for (int is_ipv6 = 0; is_ipv6 <= 1; is_ipv6++)
		fill_picks(&wanted.picks[is_ipv6], service, is_ipv6, numbers->backends[index]);
	if (from_xdp && has_usable)
		wanted.flags |= EDGE53_SERVICE_XDP;
	wanted.flags |= flags_when_down(plan, index, wanted.picks, attachments);
	wanted.flags |= flags_of_rate(plan, index, attachments);
	wanted.flags |= flags_of_any(plan, index, attachments);
	wanted.flags |= flags_of_cookies(plan, index, attachments);
	return sync_rate_limit(t, service, id)
	       ?: sync_tcp_limit(t, service, id)
	       ?: sync_response_limit(t, service, id)
	       ?: write_service(t, id, &wanted);
}

/* In 16 bits; a larger one (lo has 65536) is as good as none. */
static __u16 clamp_mtu(unsigned int mtu)
{
	return mtu > UINT16_MAX ? UINT16_MAX : (__u16)mtu;
}

static int sync_backends(struct tables *t, const struct plan *plan, size_t index,
			 const struct numbers *numbers, const struct attachments *attachments)
{
	const struct plan_service *service = &plan->services[index];
	int r = 0;

	for (size_t i = 0; i < service->n_backends && !r; i++) {
		const struct plan_backend *b = &service->backends[i];
		struct edge53_backend wanted = {
			.address = b->address,
			.source = b->source,
			.nexthop = b->nexthop,
			.ifindex = b->usable ? b->ifindex : 0,
			.udp_port = (__u16)b->udp_port,
			.tcp_port = (__u16)b->tcp_port,
			.mtu = clamp_mtu(b->mtu),
			.service = numbers->services[index],
		};

		if (b->is_local && b->usable)
			wanted.flags |= EDGE53_BACKEND_LOCAL;
		if (b->is_ethernet)
			wanted.flags |= EDGE53_BACKEND_ETHERNET;
		if (b->usable && xdp_reaches(plan, index, b, attachments))
			wanted.flags |= EDGE53_BACKEND_XDP;
		memcpy(wanted.smac, b->smac, sizeof(wanted.smac));
		if (b->neighbour_known)
			memcpy(wanted.dmac, b->dmac, sizeof(wanted.dmac));
		r = write_backend(t, numbers->backends[index][i], &wanted);
	}
	return r;
}

static int sync_devices(struct tables *t, const struct plan *plan, const struct numbers *numbers,
			const struct attachments *attachments)
{
	int r = 0;

	for (size_t i = 0; i < plan->n_devices && !r; i++) {
		const struct plan_device *d = &plan->devices[i];
		struct edge53_device wanted = { .ifindex = d->ifindex, .mtu = clamp_mtu(d->mtu) };

		if (!numbers->devices[i])
			continue;
		memcpy(wanted.name, d->name, sizeof(wanted.name));
		memcpy(wanted.mac, d->mac, sizeof(wanted.mac));
		if (d->enforce >= 0)
			wanted.service = numbers->services[d->enforce];
		if (d->is_ethernet)
			wanted.flags |= EDGE53_DEVICE_ETHERNET;
		if (xdp_returns(plan, d, attachments))
			wanted.flags |= EDGE53_DEVICE_XDP_TARGET;
		r = write_device(t, numbers->devices[i], &wanted);
	}
	return r;
}

/* Of other services the entry is zeros. */
static int sync_return(struct tables *t, const struct plan_service *service, unsigned int id)
{
	struct edge53_return wanted = { .ifindex = service->tunnel_ifindex,
					.is_ethernet = service->tunnel_is_ethernet };

	memcpy(wanted.smac, service->tunnel_mac, sizeof(wanted.smac));
	return write_return(t, id, &wanted);
}

/* --- hash tables and tries -------------------------------------------------------------------- */

static size_t collect_frontends(const struct plan *plan, const struct numbers *numbers,
				struct frontend_entry *entries)
{
	size_t n = 0;

	for (size_t i = 0; i < plan->n_frontends; i++) {
		const struct plan_frontend *from = &plan->frontends[i];
		const struct plan_device *device = &plan->devices[from->device];
		struct frontend_entry *to = &entries[n];

		if (!numbers->devices[from->device])
			continue;
		to->key.ifindex = device->ifindex;
		to->key.address = from->address;
		to->value.device = numbers->devices[from->device];
		to->value.service = numbers->services[from->service];
		if (device->is_ethernet)
			memcpy(to->value.mac, device->mac, sizeof(to->value.mac));
		n++;
	}
	return n;
}

/* Hands the entries over to the mirror, unless that fails. */
static int sync_mirror(struct mirror *mirror, void *entries, size_t n)
{
	int r = mirror_sync(mirror, entries, n);

	if (r < 0)
		free(entries);
	return r;
}

static int write_revision(struct tables *t, __u32 frontends)
{
	struct edge53_revision wanted = t->revision;
	__u32 zero = 0;

	wanted.frontends = frontends;
	wanted.last = frontends ?: wanted.last;
	if (bpf_map_update_elem(t->fds.revision, &zero, &wanted, BPF_ANY))
		return -errno;
	t->revision = wanted;
	return 0;
}

static int sync_frontends(struct tables *t, const struct plan *plan, const struct numbers *numbers)
{
	struct frontend_entry *entries = calloc(plan->n_frontends + 1, sizeof(*entries));
	size_t n;
	int r;

	if (!entries)
		return -ENOMEM;
	n = collect_frontends(plan, numbers, entries);
	if (t->revision.frontends && mirror_holds(&t->frontends, entries, &n)) {
		free(entries);
		return 0;
	}
	/* Whoever fails or dies before the new number is there leaves 0: slower, but never an old frontend. */
	r = write_revision(t, 0);
	if (r < 0) {
		free(entries);
		return r;
	}
	return sync_mirror(&t->frontends, entries, n)
		       ?: write_revision(t, t->revision.last + 1 ?: 1);
}

/* By enum edge53_exempt_use; of what has but one, the others are empty. */
typedef struct plan_prefixes (*prefixes_of_fn)(const struct plan_service *service,
					       unsigned int use);

static struct plan_prefixes exempt_of(const struct plan_service *service, unsigned int use)
{
	return service->exempt[use];
}

static struct plan_prefixes doh_of(const struct plan_service *service, unsigned int use)
{
	return use ? (struct plan_prefixes){} : service->doh;
}

static struct plan_prefixes keep_source_of(const struct plan_service *service, unsigned int use)
{
	return use ? (struct plan_prefixes){} : service->keep_source;
}

/* Returns how many it wrote. */
static size_t fill_prefixes(struct prefix_entry *entries, const struct plan_prefixes *prefixes,
			    unsigned int service, unsigned int use)
{
	for (size_t i = 0; i < prefixes->n; i++) {
		entries[i].key.prefix_len = 32 + prefixes->list[i].length_bits;
		entries[i].key.service = (__u8)service;
		entries[i].key.use = (__u8)use;
		memcpy(entries[i].key.address, prefixes->list[i].address.bytes,
		       sizeof(entries[i].key.address));
		entries[i].value = 1;
	}
	return prefixes->n;
}

/* The prefixes of all services in one trie. */
static int sync_prefixes(struct mirror *mirror, const struct plan *plan,
			 const struct numbers *numbers, prefixes_of_fn prefixes_of)
{
	struct prefix_entry *entries;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < plan->n_services; i++)
		for (unsigned int use = 0; use < EDGE53_EXEMPT_USES; use++)
			n += prefixes_of(&plan->services[i], use).n;
	entries = calloc(n + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_services; i++)
		for (unsigned int use = 0; use < EDGE53_EXEMPT_USES; use++) {
			struct plan_prefixes prefixes = prefixes_of(&plan->services[i], use);

			at += fill_prefixes(entries + at, &prefixes, numbers->services[i], use);
		}
	return sync_mirror(mirror, entries, n);
}

static int sync_return_ports(struct tables *t, const struct plan *plan,
			     const struct numbers *numbers)
{
	struct return_entry *entries = calloc(plan->n_return_ports + 1, sizeof(*entries));

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_return_ports; i++) {
		const struct plan_return_port *port = &plan->return_ports[i];

		entries[i].key.ifindex = port->ifindex;
		entries[i].key.port = port->port;
		entries[i].key.l4proto = port->l4proto;
		entries[i].key.is_uplink = port->is_uplink;
		entries[i].service = numbers->services[port->service];
	}
	return sync_mirror(&t->returns_by_device, entries, plan->n_return_ports);
}

/* --- what is gone ----------------------------------------------------------------------------- */

/*
 * Devices that are gone keep their name and number, for when they come back, and lose the ifindex.
 */
static int clear_devices(struct tables *t, const struct plan *plan, const struct numbers *numbers)
{
	_cleanup_(freep) bool *used = calloc(EDGE53_MAX_DEVICES, sizeof(*used));
	int r = 0;

	if (!used)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_devices; i++)
		used[numbers->devices[i]] = true;
	for (unsigned int id = 1; id < EDGE53_MAX_DEVICES && !r; id++) {
		struct edge53_device gone = t->devices[id];

		if (used[id] || !gone.ifindex)
			continue;
		gone.ifindex = 0;
		r = write_device(t, id, &gone);
	}
	return r;
}

static int clear_others(struct tables *t, const struct plan *plan, const struct numbers *numbers)
{
	int r = clear_devices(t, plan, numbers);

	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES && !r; id++)
		if (t->services[id].kind && !memchr(numbers->services, (int)id, plan->n_services))
			r = write_service(t, id, &(struct edge53_service){})
				    ?: write_return(t, id, &(struct edge53_return){});
	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS && !r; id++) {
		struct edge53_backend wanted = {};

		if (!t->backends[id].service || has_number(numbers, plan, id))
			continue;
		if (is_held(t, plan, numbers, id)) {
			wanted = t->backends[id];
			wanted.flags |= EDGE53_BACKEND_REMOVED;
		}
		r = write_backend(t, id, &wanted);
	}
	return r;
}

int tables_sync(struct tables *t, const struct plan *plan, const struct attachments *attachments)
{
	_cleanup_(numbers_free) struct numbers numbers = {};
	int r = make_numbers(t, plan, &numbers);

	if (!r)
		r = sync_devices(t, plan, &numbers, attachments);
	for (size_t i = 0; i < plan->n_services && !r; i++)
		r = sync_backends(t, plan, i, &numbers, attachments);
	for (size_t i = 0; i < plan->n_services && !r; i++)
		r = sync_service(t, plan, i, &numbers, attachments)
			    ?: sync_return(t, &plan->services[i], numbers.services[i]);
	if (!r)
		r = sync_prefixes(&t->exempt, plan, &numbers, exempt_of);
	if (!r)
		r = sync_prefixes(&t->doh, plan, &numbers, doh_of);
	if (!r)
		r = sync_prefixes(&t->keep_source, plan, &numbers, keep_source_of);
	if (!r)
		r = sync_return_ports(t, plan, &numbers);
	if (!r)
		r = sync_frontends(t, plan, &numbers);
	if (!r)
		r = clear_others(t, plan, &numbers);
	if (r < 0)
		log_error("cannot write the tables of the dataplane: %s", strerror(-r));
	return r;
}

unsigned int tables_find_backend(const struct tables *t, const struct plan_service *service,
				 const struct plan_backend *backend)
{
	unsigned int id = find_service(t, service);

	return id ? find_backend(t, backend, id) : 0;
}

static bool is_picked(const struct edge53_service *service, unsigned int backend)
{
	for (size_t family = 0; family < ARRAY_SIZE(service->picks); family++)
		for (size_t i = 0; i < EDGE53_PICKS; i++)
			if (service->picks[family].udp[i] == backend ||
			    service->picks[family].tcp[i] == backend)
				return true;
	return false;
}

bool tables_pass(const struct tables *t, const struct plan_service *service)
{
	unsigned int id = find_service(t, service), backend;

	if (!id || !(t->services[id].flags & EDGE53_SERVICE_DOWN_PASS))
		return false;
	for (size_t i = 0; i < service->n_backends; i++) {
		if (service->backends[i].usable)
			continue;
		backend = find_backend(t, &service->backends[i], id);
		if (backend && is_picked(&t->services[id], backend))
			return false;
	}
	return true;
}

int tables_sync_guard(struct tables *t, const struct plan *plan,
		      const struct attachments *attachments)
{
	struct guard_entry *entries = calloc(plan->n_guards + 1, sizeof(*entries));
	unsigned char ids[EDGE53_MAX_SERVICES] = {};
	int r;

	if (!entries)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_services; i++)
		ids[i] = (unsigned char)find_service(t, &plan->services[i]);
	for (size_t i = 0; i < plan->n_guards; i++) {
		const struct plan_guard *guard = &plan->guards[i];

		entries[i].ifindex = guard->ifindex;
		if (guard->policy == EDGE53_GUARD_PASS ||
		    (guard->is_enforced && attach_enforces(attachments, guard->ifindex)))
			continue;
		entries[i].value.policy = (__u8)guard->policy;
		entries[i].value.service = ids[guard->service];
	}
	r = sync_mirror(&t->guard, entries, plan->n_guards);
	if (r < 0)
		log_error("cannot write the guard's table: %s", strerror(-r));
	return r;
}
