// SPDX-License-Identifier: GPL-2.0-only
/* `edge53 explain` for machines. */
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "explain_decode.h"
#include "explain_print.h"
#include "explain_words.h"
#include "output.h"

/* --- a packet --------------------------------------------------------------------------------- */

static json_t *mac_json(const unsigned char mac[static 6])
{
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return json_string(text);
}

static json_t *hex_json(const unsigned char *bytes, size_t len)
{
	_cleanup_(freep) char *text = malloc(2 * len + 1);

	if (!text)
		return NULL;
	text[0] = '\0';
	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return json_string(text);
}

static json_t *tcp_json(const struct explain_view *view)
{
	char flags[EXPLAIN_FLAGS_LEN];
	json_t *o = json_object();

	output_put(&o, "flags", json_string(explain_flags_text(view->tcp_flags, flags)));
	output_put(&o, "seq", json_integer(view->tcp_seq));
	output_put(&o, "ack", json_integer(view->tcp_ack));
	output_put(&o, "window", json_integer(view->tcp_window));
	output_put(&o, "mss", view->tcp_mss ? json_integer(view->tcp_mss) : json_null());
	return o;
}

static json_t *proxy_json(const struct explain_proxy *proxy)
{
	json_t *o = json_object();

	output_put(&o, "from", output_address(&proxy->from));
	output_put(&o, "from_port", json_integer(proxy->from_port));
	output_put(&o, "to", output_address(&proxy->to));
	output_put(&o, "to_port", json_integer(proxy->to_port));
	return o;
}

static json_t *dns_json(const struct explain_dns *dns)
{
	char type[EXPLAIN_TYPE_LEN];
	json_t *o = json_object();

	output_put(&o, "id", json_integer(dns->id));
	output_put(&o, "flags", json_integer(dns->flags));
	output_put(&o, "name", dns->name[0] ? json_string(dns->name) : json_null());
	output_put(&o, "type",
		   dns->name[0] ? json_string(explain_type_text(dns->type, type)) : json_null());
	return o;
}

static void put_ip(json_t **o, const struct explain_view *view)
{
	output_put(o, "family", json_string(view->is_ipv6 ? "ipv6" : "ipv4"));
	output_put(o, "protocol", json_integer(view->protocol));
	output_put(o, "from", output_address(&view->from));
	output_put(o, "to", output_address(&view->to));
	output_put(o, "ttl", json_integer(view->ttl));
	output_put(o, "ip_length", json_integer(view->ip_len));
	output_put(o, "ip_checksum", json_string(explain_check_text(view->ip_check)));
	output_put(o, "checksum", json_string(explain_check_text(view->check)));
	output_put(o, "is_fragment", json_boolean(view->is_fragment));
	if (view->has_ports) {
		output_put(o, "from_port", json_integer(view->from_port));
		output_put(o, "to_port", json_integer(view->to_port));
	}
	if (view->has_icmp) {
		output_put(o, "icmp_type", json_integer(view->icmp_type));
		output_put(o, "icmp_code", json_integer(view->icmp_code));
	}
}

static json_t *packet_json(const unsigned char *bytes, size_t len, bool has_ethernet)
{
	struct explain_view view;
	json_t *o = json_object();

	explain_decode(bytes, len, has_ethernet, &view);
	if (view.has_ethernet) {
		output_put(&o, "eth_from", mac_json(view.eth_from));
		output_put(&o, "eth_to", mac_json(view.eth_to));
	}
	if (view.has_ip)
		put_ip(&o, &view);
	if (view.has_tcp)
		output_put(&o, "tcp", tcp_json(&view));
	if (view.has_proxy)
		output_put(&o, "proxy", proxy_json(&view.proxy));
	if (view.has_dns)
		output_put(&o, "dns", dns_json(&view.dns));
	output_put(&o, "bytes", hex_json(bytes, len));
	return o;
}

/* --- hooks ------------------------------------------------------------------------------------ */

static json_t *note_json(const struct edge53_trace_note *note)
{
	json_t *o = json_object();

	output_put(&o, note->kind == EDGE53_TRACE_CHAIN ? "chain" : "step",
		   json_string(explain_note_name(note)));
	if (note->kind != EDGE53_TRACE_CHAIN)
		output_put(&o, "result", json_string(explain_note_result(note)));
	output_put(&o, "sentence", json_string(explain_note_sentence(note)));
	return o;
}

static json_t *hook_json(const struct explain_hook *hook)
{
	bool has_run = hook->fate != EXPLAIN_NOT_REACHED;
	json_t *o = json_object(), *steps = json_array();

	for (__u32 i = 0; has_run && i < hook->trace.n_notes && i < EDGE53_TRACE_NOTES; i++)
		output_append(&steps, note_json(&hook->trace.notes[i]));
	output_put(&o, "hook", json_string(hook->pin));
	output_put(&o, "program", json_string(hook->program));
	output_put(&o, "program_id", json_integer(hook->program_id));
	output_put(&o, "fate", json_string(explain_fate_text(hook)));
	output_put(&o, "verdict", has_run ? json_string(explain_verdict_text(hook)) : json_null());
	output_put(&o, "reason",
		   has_run ? json_string(reason_name(explain_reason(hook))) : json_null());
	output_put(&o, "steps", steps);
	return o;
}

static json_t *device_json(unsigned int ifindex)
{
	char name[IF_NAMESIZE];

	return if_indextoname(ifindex, name) ? output_text(name, sizeof(name)) : json_null();
}

static json_t *way_json(const struct explain_report *report, const struct explain_hook *hook)
{
	const struct edge53_trace_way *way = &hook->trace.way;
	unsigned int ifindex = hook->is_answer ? report->run->ifindex : way->ifindex;
	const struct edge53_backend *backend =
		way->backend ? state_flow_backend(report->state, way->backend) : NULL;
	json_t *o;

	if (hook->fate != EXPLAIN_SENT)
		return json_null();
	o = json_object();
	output_put(&o, "device", device_json(ifindex));
	output_put(&o, "ifindex", json_integer(ifindex));
	output_put(&o, "backend", backend ? output_address(&backend->address) : json_null());
	output_put(&o, "next_hop",
		   backend && way->to_ethernet ? output_address(&backend->nexthop) : json_null());
	output_put(&o, "mac", way->to_ethernet ? mac_json(way->dmac) : json_null());
	return o;
}

int explain_print_json(const struct explain_report *report)
{
	const struct explain_hook *last = explain_last_hook(report->run);
	const struct explain_hook *telling = explain_telling_hook(report->run);
	const struct edge53_service *service =
		telling->trace.reason ? state_service(report->state, telling->trace.service) : NULL;
	enum edge53_reason reason = explain_reason(telling);
	json_t *o = json_object(), *hooks = json_array();

	for (size_t i = 0; i < report->run->n_hooks; i++)
		output_append(&hooks, hook_json(&report->run->hooks[i]));
	output_put(&o, "version", json_string(report->version));
	output_put(&o, "loaded_version",
		   output_text(state_loader(report->state)->version,
			       sizeof(state_loader(report->state)->version)));
	output_put(&o, "device", json_string(report->device));
	output_put(&o, "direction", json_string(report->is_egress ? "out" : "in"));
	output_put(&o, "cpu", json_integer(report->run->cpu));
	output_put(&o, "fate", json_string(explain_fate_text(last)));
	output_put(&o, "verdict", json_string(explain_verdict_text(last)));
	output_put(&o, "reason", json_string(reason_name(reason)));
	output_put(&o, "sentence", json_string(reason_sentence(reason)));
	output_put(&o, "service",
		   service ? output_text(service->name, EDGE53_NAME_LEN) : json_null());
	output_put(&o, "sent", way_json(report, last));
	output_put(&o, "hooks", hooks);
	output_put(&o, "before", packet_json(report->bytes, report->len, report->has_ethernet));
	output_put(&o, "after",
		   last->fate == EXPLAIN_DROPPED
			   ? json_null()
			   : packet_json(last->bytes, last->len, last->has_ethernet));
	return output_json(o);
}
