// SPDX-License-Identifier: GPL-2.0-only
/* `edge53 status` for machines: everything, keys in snake_case, units in the key. */
#include <errno.h>
#include <netinet/in.h>

#include "edge53_client_prefix.h"
#include "latency_table.h"
#include "output.h"
#include "pins.h"
#include "policies.h"
#include "status.h"

static json_t *loader_json(const struct status *status)
{
	const struct edge53_loader *loader = state_loader(status->state);
	json_t *o = json_object();
	unsigned int pid;

	output_put(&o, "running", json_boolean(state_has_loader(status->state, &pid)));
	output_put(&o, "pid", json_integer(pid));
	output_put(&o, "started", json_real(loader->started_ns / 1e9));
	output_put(&o, "version", output_text(loader->version, sizeof(loader->version)));
	return o;
}

static json_t *client_prefix_json(const struct edge53_client_prefix *prefix)
{
	json_t *o = json_object();

	output_put(&o, "ipv4", json_integer(edge53_client_prefix_bits(prefix, true)));
	output_put(&o, "ipv6", json_integer(edge53_client_prefix_bits(prefix, false)));
	return o;
}

/* Without the keys: who knows them can guess ports and IDs. */
static json_t *geometry_json(const struct edge53_geometry *g)
{
	struct memory memory = memory_of(g);
	json_t *o = json_object();

	output_put(&o, "layout_version", json_integer(g->layout_version));
	output_put(&o, "cpus", json_integer(g->n_cpus));
	output_put(&o, "slots_per_cpu", json_integer(g->slots_per_cpu));
	output_put(&o, "tcp_connections", json_integer(g->tcp_connections));
	output_put(&o, "clients", json_integer(g->clients));
	output_put(&o, "client_prefix", client_prefix_json(&g->client_prefix));
	output_put(&o, "port_first", json_integer(g->port_base));
	output_put(&o, "port_last", json_integer(g->port_base + (1 << g->port_bits) - 1));
	output_put(&o, "slots_bytes", json_integer(memory.slots_bytes));
	output_put(&o, "tcp_connections_bytes", json_integer(memory.conns_bytes));
	output_put(&o, "clients_bytes", json_integer(memory.clients_bytes));
	return o;
}

static json_t *ring_json(const struct status *status)
{
	struct edge53_cpu_state totals;
	unsigned long long overwritten;
	json_t *o;

	if (state_cpu_totals(status->state, &totals, &overwritten) < 0)
		return NULL;
	o = json_object();
	output_put(&o, "handed_out", json_integer(totals.next_slot));
	output_put(&o, "overwritten", json_integer((json_int_t)overwritten));
	output_put(&o, "unanswered", json_integer(totals.unanswered));
	output_put(&o, "unanswered_share",
		   overwritten ? json_real((double)totals.unanswered / (double)overwritten) :
				 json_null());
	output_put(&o, "overwritten_age_seconds",
		   overwritten ? json_real(totals.overwritten_age_us * 1024 / 1e9) : json_null());
	output_put(&o, "client_packets_not_counted", json_integer(totals.clients_not_counted));
	output_put(&o, "clients_evicted", json_integer(totals.clients_evicted));
	output_put(&o, "refusals_suppressed", json_integer(totals.refusals_suppressed));
	return o;
}

static json_t *below_us(unsigned int bucket)
{
	__u64 end_ns = latency_end_ns(bucket);

	return end_ns ? json_real((double)end_ns / 1e3) : json_null();
}

static json_t *latency_json(const struct edge53_backend_counters *counters)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < EDGE53_LATENCY_BUCKETS; i++) {
		json_t *o = json_object();

		output_put(&o, "below_us", below_us(i));
		output_put(&o, "replies", json_integer((json_int_t)counters->latency[i]));
		output_append(&list, o);
	}
	return list;
}

/* Above all buckets, or none timed: null. */
static json_t *percentiles_json(const struct edge53_backend_counters *counters)
{
	static const struct {
		const char *key;
		unsigned int percent;
	} percentiles[] = { { "p50_below_us", 50 }, { "p90_below_us", 90 }, { "p99_below_us", 99 } };
	__u64 count = latency_count(counters->latency);
	json_t *o = json_object();

	output_put(&o, "timed_replies", json_integer((json_int_t)count));
	for (size_t i = 0; i < ARRAY_SIZE(percentiles); i++)
		output_put(&o, percentiles[i].key,
			   count ? below_us(latency_percentile(counters->latency,
							       percentiles[i].percent)) :
				   json_null());
	return o;
}

static json_t *device_json(const struct status *status, unsigned int ifindex)
{
	char buf[DEVICE_TEXT_LEN];

	if (!ifindex)
		return json_null();
	device_text(status, ifindex, buf);
	return output_text(buf, sizeof(buf));
}

static json_t *time_json(__u64 ns)
{
	return ns ? json_real((double)ns / 1e9) : json_null();
}

static json_t *probe_json(const struct edge53_probe *probe)
{
	char buf[PROBE_TEXT_LEN];
	const char *result = probe_result_text(probe, buf);
	bool has_answer = probe->result == EDGE53_PROBE_ANSWERED;
	json_t *o = json_object();

	output_put(&o, "state", json_string(probe_state_text(probe)));
	output_put(&o, "since", time_json(probe->since_ns));
	output_put(&o, "asked", time_json(probe->asked_ns));
	output_put(&o, "result", *result ? json_string(result) : json_null());
	output_put(&o, "rcode", has_answer ? json_integer(probe->rcode) : json_null());
	output_put(&o, "failed", json_integer((json_int_t)probe->failed));
	return o;
}

static json_t *health_json(const struct edge53_health *health)
{
	json_t *o = json_object(), *window = json_object();

	output_put(&window, "queries", json_integer(health->queries));
	output_put(&window, "unanswered", json_integer(health->unanswered));
	output_put(&o, "udp", probe_json(&health->udp));
	output_put(&o, "tcp", probe_json(&health->tcp));
	output_put(&o, "last_window", window);
	output_put(&o, "clients_unanswered", json_boolean(health->is_unanswered));
	return o;
}

static json_t *backend_json(const struct status *status, unsigned int id,
			    struct edge53_backend_counters *sum)
{
	const struct edge53_backend *b = state_backend(status->state, id);
	struct edge53_backend_counters counters;
	const char *why = why_unusable(status, id);
	json_t *o;

	if (state_backend_counters(status->state, id, &counters) < 0)
		return NULL;
	add_backend_counters(sum, &counters);
	o = json_object();
	output_put(&o, "id", json_integer(id));
	output_put(&o, "address", output_address(&b->address));
	output_put(&o, "udp_port", json_integer(b->udp_port));
	output_put(&o, "tcp_port", json_integer(b->tcp_port));
	output_put(&o, "ifindex", json_integer(b->ifindex));
	output_put(&o, "device", device_json(status, b->ifindex));
	output_put(&o, "source",
		   addr_is_zero(&b->source) ? json_null() : output_address(&b->source));
	output_put(&o, "path", json_string(path_text(b)));
	output_put(&o, "usable_udp", json_boolean(is_usable_udp(status, id)));
	output_put(&o, "usable_tcp", json_boolean(is_usable_tcp(status, id)));
	output_put(&o, "why_unusable", *why ? json_string(why) : json_null());
	output_put(&o, "health", health_json(state_health(status->state, id)));
	output_put(&o, "traffic", output_traffic(&counters.traffic));
	output_put(&o, "latency_percentiles", percentiles_json(&counters));
	output_put(&o, "latency", latency_json(&counters));
	return o;
}

static json_t *backends_json(const struct status *status, unsigned int service,
			     struct edge53_backend_counters *sum)
{
	json_t *list = json_array();

	for (unsigned int id = 1; id < EDGE53_MAX_BACKENDS; id++) {
		const struct edge53_backend *backend = state_backend(status->state, id);

		if (backend && backend->service == service)
			output_append(&list, backend_json(status, id, sum));
	}
	return list;
}

static json_t *frontend_json(const struct status *status, const struct frontend *f)
{
	char device[DEVICE_TEXT_LEN];
	json_t *o = json_object();
	bool is_any = addr_is_zero(&f->key.address);

	frontend_device_text(status, f, device);
	output_put(&o, "device", output_text(device, sizeof(device)));
	output_put(&o, "ifindex", json_integer(f->key.ifindex));
	output_put(&o, "address", is_any ? json_null() : output_address(&f->key.address));
	return o;
}

static json_t *frontends_json(const struct status *status, unsigned int service)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->n_frontends; i++)
		if (status->frontends[i].value.service == service)
			output_append(&list, frontend_json(status, &status->frontends[i]));
	return list;
}

static json_t *reason_json(const struct status *status, unsigned int service,
			   enum edge53_reason reason)
{
	unsigned long long count;
	json_t *o;

	if (state_reason_count(status->state, service, reason, &count) < 0)
		return NULL;
	o = json_object();
	output_put(&o, "reason", json_string(reason_name(reason)));
	output_put(&o, "fate", json_string(fate_text(reason_fate(reason))));
	output_put(&o, "packets", json_integer(count));
	output_put(&o, "meaning", json_string(reason_sentence(reason)));
	return o;
}

static json_t *reasons_json(const struct status *status, unsigned int service)
{
	json_t *list = json_array();

	for (unsigned int reason = EDGE53_GO_ON + 1; reason < EDGE53_REASON_COUNT; reason++)
		output_append(&list, reason_json(status, service, reason));
	return list;
}

static json_t *client_ip_json(const struct edge53_service *service)
{
	json_t *o = json_object();

	output_put(&o, "udp", json_string(client_ip_udp_word(service->flags)));
	output_put(&o, "tcp", json_string(client_ip_tcp_word(service->flags)));
	return o;
}

/* Whom a limit is about. */
static void put_limited(json_t **o, const struct edge53_addr masks[2], unsigned int proven_s)
{
	struct edge53_client_prefix prefix = limit_prefix(masks);

	output_put(o, "prefix", client_prefix_json(&prefix));
	output_put(o, "proven_seconds", proven_s ? json_integer(proven_s) : json_null());
}

static json_t *rate_limit_json(const struct edge53_rate_limit *limit)
{
	json_t *o;

	if (!limit)
		return json_null();
	o = json_object();
	output_put(&o, "qps", json_integer(limit_qps(limit)));
	output_put(&o, "burst", json_integer(limit_burst(limit)));
	output_put(&o, "over", json_string(limit->slip ? "truncate" : "drop"));
	output_put(&o, "slip", limit->slip ? json_integer(limit->slip) : json_null());
	put_limited(&o, limit->masks, limit->proven_s);
	return o;
}

static json_t *response_limit_json(const struct edge53_response_limit *limit)
{
	json_t *o;

	if (!limit)
		return json_null();
	o = json_object();
	output_put(&o, "bytes_per_second", json_integer(limit->bytes_per_second));
	output_put(&o, "burst_bytes", json_integer(limit->burst_bytes));
	put_limited(&o, limit->masks, limit->proven_s);
	return o;
}

static json_t *service_json(const struct status *status, unsigned int id)
{
	const struct edge53_service *s = state_service(status->state, id);
	struct edge53_backend_counters sum = { 0 };
	char refusal[REFUSAL_TEXT_LEN];
	json_t *o = json_object();

	tcp_refusal_text(status, id, refusal);
	output_put(&o, "id", json_integer(id));
	output_put(&o, "name", output_text(s->name, sizeof(s->name)));
	output_put(&o, "kind", json_string(kind_text(s)));
	output_put(&o, "on_down", json_string(on_down_word(s->flags)));
	output_put(&o, "ipv6", json_string(ipv6_word(s->flags)));
	output_put(&o, "dot", json_string(dot_word(s->flags)));
	output_put(&o, "doh", json_string(doh_word(s->flags)));
	output_put(&o, "client_ip", client_ip_json(s));
	output_put(&o, "any", json_string(any_word(s->flags)));
	output_put(&o, "rate_limit", rate_limit_json(state_rate_limit(status->state, id)));
	output_put(&o, "response_limit",
		   response_limit_json(state_response_limit(status->state, id)));
	output_put(&o, "keep_source", json_boolean(s->flags & EDGE53_SERVICE_KEEP_SOURCE));
	if (s->kind == EDGE53_SERVICE_RETURN)
		output_put(&o, "tunnel", device_json(status, state_tunnel(status->state, id)));
	output_put(&o, "max_udp_payload",
		   s->max_udp_payload ? json_integer(s->max_udp_payload) : json_null());
	output_put(&o, "why_tcp_refused", *refusal ? json_string(refusal) : json_null());
	output_put(&o, "xdp", json_boolean(s->flags & EDGE53_SERVICE_XDP));
	output_put(&o, "frontends", frontends_json(status, id));
	output_put(&o, "backends", backends_json(status, id, &sum));
	output_put(&o, "traffic", output_traffic(&sum.traffic));
	output_put(&o, "reasons", reasons_json(status, id));
	return o;
}

static json_t *services_json(const struct status *status)
{
	json_t *list = json_array();

	for (unsigned int id = 1; id < EDGE53_MAX_SERVICES; id++)
		if (state_service(status->state, id))
			output_append(&list, service_json(status, id));
	return list;
}

static json_t *return_port_json(const struct status *status, const struct return_port *p)
{
	const struct edge53_service *service =
		p->key.is_uplink ? NULL : state_service(status->state, p->service);
	json_t *o = json_object();

	output_put(&o, "service",
		   service ? output_text(service->name, sizeof(service->name)) : json_null());
	output_put(&o, "device", device_json(status, p->key.ifindex));
	output_put(&o, "ifindex", json_integer(p->key.ifindex));
	output_put(&o, "role", json_string(p->key.is_uplink ? "uplink" : "tunnel"));
	output_put(&o, "protocol", json_string(p->key.l4proto == IPPROTO_UDP ? "udp" : "tcp"));
	output_put(&o, "port", json_integer(p->key.port));
	return o;
}

static json_t *returns_json(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->n_return_ports; i++)
		output_append(&list, return_port_json(status, &status->return_ports[i]));
	return list;
}

static json_t *guard_json(const struct guard_counts *guard)
{
	json_t *o = json_object();

	output_put(&o, "policy", json_string(guard_word(guard->policy)));
	output_put(&o, "devices", json_integer(guard->n_devices));
	output_put(&o, "unattached", json_integer(guard->n_unattached));
	return o;
}

static json_t *hook_json(const struct hook *h)
{
	json_t *o = json_object();

	output_put(&o, "hook", json_string(h->name));
	output_put(&o, "device", output_text(h->device, sizeof(h->device)));
	output_put(&o, "ifindex", json_integer(h->ifindex));
	output_put(&o, "gone", json_boolean(h->is_gone));
	output_put(&o, "program", output_text(h->program, sizeof(h->program)));
	output_put(&o, "program_id", json_integer(h->program_id));
	output_put(&o, "mode", *h->mode ? json_string(h->mode) : json_null());
	return o;
}

static json_t *hooks_json(const struct status *status)
{
	json_t *list = json_array();

	for (size_t i = 0; i < status->n_hooks; i++)
		output_append(&list, hook_json(&status->hooks[i]));
	return list;
}

/* null: the loader could not do it yet. */
static json_t *dnstap_json(const struct status *status)
{
	struct edge53_sample_counters sampled;
	struct edge53_dnstap dnstap;
	json_t *o;

	if (state_dnstap(status->state, &dnstap) ||
	    state_sample_counters(status->state, EDGE53_SAMPLE_DNSTAP, &sampled))
		return json_null();
	o = json_object();
	output_put(&o, "on", json_boolean(dnstap.is_on));
	output_put(&o, "connected", json_boolean(dnstap.is_connected));
	output_put(&o, "sampled", json_integer((json_int_t)sampled.taken));
	output_put(&o, "no_room", json_integer((json_int_t)sampled.no_room));
	output_put(&o, "no_reader", json_integer((json_int_t)sampled.no_reader));
	output_put(&o, "read", json_integer((json_int_t)dnstap.read));
	output_put(&o, "no_message", json_integer((json_int_t)dnstap.no_message));
	output_put(&o, "not_whole", json_integer((json_int_t)dnstap.not_whole));
	output_put(&o, "not_dns", json_integer((json_int_t)dnstap.not_dns));
	output_put(&o, "written", json_integer((json_int_t)dnstap.written));
	output_put(&o, "not_written", json_integer((json_int_t)dnstap.not_written));
	return o;
}

int status_print_json(const struct status *status)
{
	json_t *o = json_object();

	output_put(&o, "pins", json_string(pins_root()));
	output_put(&o, "same_netns", json_boolean(status->same_netns));
	output_put(&o, "loader", loader_json(status));
	output_put(&o, "geometry", geometry_json(state_geometry(status->state)));
	output_put(&o, "ring", ring_json(status));
	output_put(&o, "services", services_json(status));
	output_put(&o, "returns", returns_json(status));
	output_put(&o, "guard", guard_json(&status->guard));
	output_put(&o, "hooks", hooks_json(status));
	output_put(&o, "dnstap", dnstap_json(status));
	output_put(&o, "reasons_without_service", reasons_json(status, 0));
	return output_json(o);
}
