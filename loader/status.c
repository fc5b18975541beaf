// SPDX-License-Identifier: GPL-2.0-only
/* Gathers what `edge53 status` prints, and has the words for it. */
#include <dirent.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dns_message.h"
#include "host.h"
#include "log.h"
#include "pins.h"
#include "program_pins.h"
#include "status.h"

/* --- gathering -------------------------------------------------------------------------------- */

static int append_frontend(const struct edge53_frontend_key *key,
			   const struct edge53_frontend *value, void *arg)
{
	struct status *status = arg;
	struct frontend *grown;

	grown = reallocarray(status->frontends, status->n_frontends + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	status->frontends = grown;
	grown[status->n_frontends++] = (struct frontend){ *key, *value };
	return 0;
}

static int compare_frontends(const void *a, const void *b)
{
	const struct frontend *x = a, *y = b;

	if (x->value.service != y->value.service)
		return x->value.service < y->value.service ? -1 : 1;
	if (x->key.ifindex != y->key.ifindex)
		return x->key.ifindex < y->key.ifindex ? -1 : 1;
	return memcmp(&x->key.address, &y->key.address, sizeof(x->key.address));
}

static int append_return_port(const struct edge53_return_key *key, unsigned int service, void *arg)
{
	struct status *status = arg;
	struct return_port *grown;

	grown = reallocarray(status->return_ports, status->n_return_ports + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	status->return_ports = grown;
	grown[status->n_return_ports++] = (struct return_port){ *key, service };
	return 0;
}

static int compare_return_ports(const void *a, const void *b)
{
	const struct edge53_return_key *x = &((const struct return_port *)a)->key;
	const struct edge53_return_key *y = &((const struct return_port *)b)->key;

	if (x->is_uplink != y->is_uplink)
		return x->is_uplink < y->is_uplink ? -1 : 1;
	if (x->ifindex != y->ifindex)
		return x->ifindex < y->ifindex ? -1 : 1;
	if (x->l4proto != y->l4proto) /* UDP before TCP, as everywhere */
		return x->l4proto > y->l4proto ? -1 : 1;
	return x->port < y->port ? -1 : x->port > y->port;
}

static int count_guard(unsigned int ifindex, const struct edge53_guard *guard, void *arg)
{
	struct guard_counts *counts = arg;

	if (!ifindex) {
		counts->policy = guard->policy;
		return 0;
	}
	counts->n_devices++;
	counts->n_unattached += guard->policy != EDGE53_GUARD_PASS;
	return 0;
}

static const char *xdp_mode(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	if (bpf_xdp_query(ifindex, 0, &opts) < 0)
		return "unknown";
	switch (opts.attach_mode) {
	case XDP_ATTACHED_DRV:
		return "native";
	case XDP_ATTACHED_SKB:
		return "generic";
	case XDP_ATTACHED_HW:
		return "offloaded";
	case XDP_ATTACHED_MULTI:
		return "several";
	default:
		return "detached";
	}
}

static int read_program(int fd, struct hook *hook)
{
	struct bpf_prog_info info = { 0 };
	__u32 info_len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) < 0)
		return -errno;
	hook->program_id = info.id;
	memcpy(hook->program, info.name, sizeof(hook->program));
	return 0;
}

static int read_link(const struct status *status, int fd, struct hook *hook)
{
	_cleanup_(closep) int program_fd = -1;
	struct bpf_link_info info = { 0 };
	__u32 info_len = sizeof(info);

	if (bpf_obj_get_info_by_fd(fd, &info, &info_len) < 0)
		return -errno;
	/* tcx, which older headers do not have, keeps it in the same place. */
	hook->ifindex = info.xdp.ifindex;
	hook->is_gone = !hook->ifindex;
	if (info.type == BPF_LINK_TYPE_XDP)
		hook->mode =
			hook->ifindex && status->same_netns ? xdp_mode(hook->ifindex) : "unknown";
	program_fd = program_pins_open(info.prog_id);
	if (program_fd < 0)
		return program_fd;
	return read_program(program_fd, hook);
}

/*
 * A link, or for clsact a program that is the record of a filter. -EINVAL: neither; not to be
 * shown.
 */
static int read_hook(const struct status *status, const char *pin, struct hook *ret)
{
	char path[PINS_PATH_LEN + NAME_MAX + 8];
	_cleanup_(closep) int fd = -1;

	*ret = (struct hook){ .mode = "" };
	if (!pins_parse_link(pin, ret->name, ret->device))
		return -EINVAL;
	if (!strcmp(ret->name, "qdisc")) /* records who made the qdisc; nothing runs there */
		return -EINVAL;
	snprintf(path, sizeof(path), "%s/links/%s", pins_root(), pin);
	fd = bpf_obj_get(path);
	if (fd < 0)
		return -errno;
	if (!strstr(ret->name, "clsact_"))
		return read_link(status, fd, ret);
	if (status->same_netns) {
		ret->ifindex = if_nametoindex(ret->device);
		ret->is_gone = !ret->ifindex;
	}
	return read_program(fd, ret);
}

static int compare_hooks(const void *a, const void *b)
{
	const struct hook *x = a, *y = b;

	return strcmp(x->device, y->device) ?: strcmp(x->name, y->name);
}

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

static int read_hooks(struct status *status)
{
	_cleanup_(closedirp) DIR *dir = NULL;
	char path[PINS_PATH_LEN + 8];
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/links", pins_root());
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(dir))) {
		struct hook hook, *grown;
		int r;

		if (entry->d_name[0] == '.')
			continue;
		r = read_hook(status, entry->d_name, &hook);
		if (r < 0) {
			log_debug("%s/%s: %s", path, entry->d_name, strerror(-r));
			continue;
		}
		grown = reallocarray(status->hooks, status->n_hooks + 1, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		status->hooks = grown;
		grown[status->n_hooks++] = hook;
	}
	if (status->n_hooks)
		qsort(status->hooks, status->n_hooks, sizeof(*status->hooks), compare_hooks);
	return 0;
}

int status_gather(struct status *status)
{
	__u64 theirs = state_geometry(status->state)->netns_cookie;
	unsigned long long ours = 0;
	int r;

	/* Unknown on either side counts as the same: names are then at worst missing. */
	status->same_netns = !theirs || host_netns_cookie(&ours) < 0 || ours == theirs;
	r = state_walk_frontends(status->state, append_frontend, status);
	if (r < 0)
		return r;
	if (status->n_frontends)
		qsort(status->frontends, status->n_frontends, sizeof(*status->frontends),
		      compare_frontends);
	r = state_walk_returns(status->state, append_return_port, status);
	if (r < 0)
		return r;
	if (status->n_return_ports)
		qsort(status->return_ports, status->n_return_ports,
		      sizeof(*status->return_ports), compare_return_ports);
	r = state_walk_guard(status->state, count_guard, &status->guard);
	return r < 0 ? r : read_hooks(status);
}

void status_clear(struct status *status)
{
	state_close(status->state);
	free(status->frontends);
	free(status->return_ports);
	free(status->hooks);
}

/* --- what things are called ------------------------------------------------------------------- */

const char *device_text(const struct status *status, unsigned int ifindex,
			char buf[static DEVICE_TEXT_LEN])
{
	if (!ifindex)
		snprintf(buf, DEVICE_TEXT_LEN, "-");
	else if (!status->same_netns || !if_indextoname(ifindex, buf))
		snprintf(buf, DEVICE_TEXT_LEN, "#%u", ifindex);
	return buf;
}

/* The name in the plan holds in any network namespace, and for a device that is gone. */
const char *frontend_device_text(const struct status *status, const struct frontend *frontend,
				 char buf[static DEVICE_TEXT_LEN])
{
	const struct edge53_device *device = state_device(status->state, frontend->value.device);

	if (!device)
		return device_text(status, frontend->key.ifindex, buf);
	snprintf(buf, DEVICE_TEXT_LEN, "%.*s", EDGE53_IFNAME_LEN, device->name);
	return buf;
}

const char *kind_text(const struct edge53_service *service)
{
	return service->kind == EDGE53_SERVICE_EDGE	 ? "edge"
	       : service->kind == EDGE53_SERVICE_ENFORCE ? "enforce"
	       : service->kind == EDGE53_SERVICE_RETURN	 ? "return"
							 : "unknown";
}

const char *fate_text(enum edge53_fate fate)
{
	return fate == EDGE53_PASS ? "pass" : fate == EDGE53_DROP ? "drop" : "send";
}

bool is_usable_udp(const struct status *status, unsigned int id)
{
	const struct edge53_backend *backend = state_backend(status->state, id);
	const struct edge53_service *service = state_service(status->state, backend->service);

	return service && (memchr(service->picks[0].udp, (int)id, EDGE53_PICKS) ||
			   memchr(service->picks[1].udp, (int)id, EDGE53_PICKS));
}

bool is_usable_tcp(const struct status *status, unsigned int id)
{
	const struct edge53_backend *backend = state_backend(status->state, id);
	const struct edge53_service *service = state_service(status->state, backend->service);

	return service && (memchr(service->picks[0].tcp, (int)id, EDGE53_PICKS) ||
			   memchr(service->picks[1].tcp, (int)id, EDGE53_PICKS));
}

static bool has_xdp(const struct status *status, unsigned int ifindex)
{
	for (size_t i = 0; i < status->n_hooks; i++)
		if (status->hooks[i].ifindex == ifindex && !strcmp(status->hooks[i].name, "xdp"))
			return true;
	return false;
}

static bool opens_connections(const struct edge53_service *service)
{
	static const __u8 no_backend[EDGE53_PICKS];

	return memcmp(service->picks[0].tcp, no_backend, sizeof(no_backend)) ||
	       memcmp(service->picks[1].tcp, no_backend, sizeof(no_backend));
}

/* The plan's decision leaves no other trace than that there is nothing to pick. */
const char *tcp_refusal_text(const struct status *status, unsigned int id,
			     char buf[static REFUSAL_TEXT_LEN])
{
	const struct edge53_service *service = state_service(status->state, id);
	char device[DEVICE_TEXT_LEN];

	buf[0] = '\0';
	if (!(service->flags & EDGE53_SERVICE_PROXY_TCP) || opens_connections(service))
		return buf;
	for (size_t i = 0; i < status->n_frontends && !buf[0]; i++) {
		const struct frontend *f = &status->frontends[i];

		if (f->value.service == id && !has_xdp(status, f->key.ifindex))
			snprintf(buf, REFUSAL_TEXT_LEN,
				 "no XDP on %s, and connections are to begin with a PROXY header",
				 frontend_device_text(status, f, device));
	}
	return buf;
}

/* By one protocol at least; by the other it then has no port, or is dead, too. */
static bool is_dead(const struct status *status, unsigned int id)
{
	const struct edge53_health *health = state_health(status->state, id);

	return health->udp.state == EDGE53_PROBE_DOWN || health->tcp.state == EDGE53_PROBE_DOWN;
}

const char *why_unusable(const struct status *status, unsigned int id)
{
	const struct edge53_backend *backend = state_backend(status->state, id);

	if (is_usable_udp(status, id) || is_usable_tcp(status, id))
		return "";
	if (!backend->ifindex && !(backend->flags & EDGE53_BACKEND_LOCAL))
		return "no route or no device towards it";
	if (is_dead(status, id))
		return "dead";
	return "left out by the plan; `edge53 check` says why";
}

const char *probe_state_text(const struct edge53_probe *probe)
{
	switch (probe->state) {
	case EDGE53_PROBE_UP:
		return probe->is_unproven ? "unproven" : "up";
	case EDGE53_PROBE_DOWN:
		return "dead";
	case EDGE53_PROBE_WAITING:
		return "waiting";
	default:
		return "off";
	}
}

const char *probe_result_text(const struct edge53_probe *probe, char buf[static PROBE_TEXT_LEN])
{
	switch (probe->result) {
	case EDGE53_PROBE_NONE:
		return "";
	case EDGE53_PROBE_ANSWERED:
		return dns_rcode_name(probe->rcode);
	case EDGE53_PROBE_SILENT:
		return "no answer";
	case EDGE53_PROBE_PORT_CLOSED:
		return "nobody listens there";
	case EDGE53_PROBE_CLOSED:
		return "connection closed without an answer";
	case EDGE53_PROBE_HEADER_NOT_READ:
		return "does not read PROXY headers";
	default:
		snprintf(buf, PROBE_TEXT_LEN, "%s%s",
			 probe->result == EDGE53_PROBE_NOT_SENT ? "cannot be asked from here: " : "",
			 strerror((int)probe->error));
		return buf;
	}
}

const char *path_text(const struct edge53_backend *backend)
{
	static const __u8 no_mac[sizeof(backend->dmac)];

	if (backend->flags & EDGE53_BACKEND_LOCAL)
		return "host";
	if (!backend->ifindex)
		return "-";
	if (backend->flags & EDGE53_BACKEND_XDP)
		return "xdp";
	if (backend->flags & EDGE53_BACKEND_ETHERNET &&
	    !memcmp(backend->dmac, no_mac, sizeof(no_mac)))
		return "tc (neighbour unresolved)";
	return "tc";
}

#define NS_PER_S 1000000000ull

/* An interval is a whole number of nanoseconds; above 20,000 a second the rate is what comes of that. */
unsigned int limit_qps(const struct edge53_rate_limit *limit)
{
	return (unsigned int)((NS_PER_S + limit->interval_ns / 2) / limit->interval_ns);
}

unsigned int limit_burst(const struct edge53_rate_limit *limit)
{
	return (unsigned int)(limit->burst_ns / limit->interval_ns);
}

static unsigned int bits_of(const struct edge53_addr *mask)
{
	unsigned int n = 0;

	for (size_t i = 0; i < sizeof(mask->bytes); i++)
		n += (unsigned int)__builtin_popcount(mask->bytes[i]);
	return n;
}

struct edge53_client_prefix limit_prefix(const struct edge53_addr masks[static 2])
{
	unsigned int ipv4 = bits_of(&masks[0]);

	return (struct edge53_client_prefix){
		.ipv4 = (__u16)(ipv4 > 96 ? ipv4 - 96 : 0),
		.ipv6 = (__u16)bits_of(&masks[1]),
	};
}

struct memory memory_of(const struct edge53_geometry *g)
{
	__u64 n_buckets = (__u64)g->n_cpus << g->client_bucket_bits;

	return (struct memory){
		.slots_bytes = (__u64)g->n_cpus * g->slots_per_cpu * sizeof(struct edge53_slot),
		.conns_bytes = (__u64)g->tcp_connections * sizeof(struct edge53_conn),
		.clients_bytes = (__u64)g->n_cpus * g->clients * sizeof(struct edge53_client) +
				 n_buckets * sizeof(struct edge53_client_bucket),
	};
}

/* struct edge53_backend_counters is nothing but __u64. */
void add_backend_counters(struct edge53_backend_counters *sum,
			  const struct edge53_backend_counters *value)
{
	const __u64 *from = (const __u64 *)value;
	__u64 *to = (__u64 *)sum;

	for (size_t i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}
