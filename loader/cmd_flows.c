// SPDX-License-Identifier: GPL-2.0-only
/* edge53 flows: UDP queries under way and TCP connections. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>

#include "commands.h"
#include "log.h"
#include "output.h"

/* The default of limits.udp_timeout: what the state was made with is not in the pinned geometry. */
#define SHOW_UDP_US 10000000ull

enum column {
	COL_PROTO,
	COL_CLIENT,
	COL_PORT,
	COL_ASKED,
	COL_SERVICE,
	COL_BACKEND,
	COL_SNAT_PORT,
	COL_ID,
	COL_STATE,
	COL_AGE,
	COL_COUNT,
};

static const struct output_column columns[COL_COUNT] = {
	[COL_PROTO] = { "PROTO", false },	 [COL_CLIENT] = { "CLIENT", false },
	[COL_PORT] = { "PORT", true },		 [COL_ASKED] = { "ASKED", false },
	[COL_SERVICE] = { "SERVICE", false },	 [COL_BACKEND] = { "BACKEND", false },
	[COL_SNAT_PORT] = { "SNAT-PORT", true }, [COL_ID] = { "ID", true },
	[COL_STATE] = { "STATE", false },	 [COL_AGE] = { "AGE", true },
};

/* One line of the list, of either protocol. */
struct row {
	bool is_udp;
	const struct edge53_flow *flow;
	unsigned int snat_port;
	unsigned int snat_id; /* UDP */
	const char *state;
	const char *proxy_header; /* TCP; NULL: the connection has none */
	double age_seconds;  /* since the query or SYN */
	double idle_seconds; /* TCP: since the last segment */
};

/* Where the rows go: to the table or, when there is none, to the list. */
struct sink {
	struct state *state;
	struct libscols_table *table;
	struct output_list list;
};

/* A flow knows the whole address, for its reply; who chose to see prefixes sees them here as well. */
static const struct edge53_client_prefix *client_prefix(const struct state *state)
{
	return &state_geometry(state)->client_prefix;
}

static int print_row(struct sink *sink, const struct row *row)
{
	const struct edge53_flow *flow = row->flow;
	const struct edge53_service *service = state_service(sink->state, flow->service);
	const struct edge53_backend *backend = state_flow_backend(sink->state, flow->backend);
	struct libscols_line *line = scols_table_new_line(sink->table, NULL);
	char text[ADDR_TEXT_LEN], client[CLIENT_TEXT_LEN];
	int r;

	r = output_cell(line, COL_PROTO, "%s", row->is_udp ? "udp" : "tcp")
	    ?: output_cell(line, COL_CLIENT, "%s",
			   client_format(&flow->client, client_prefix(sink->state), client))
	    ?: output_cell(line, COL_PORT, "%u", flow->client_port)
	    ?: output_cell(line, COL_ASKED, "%s", addr_format(&flow->asked, text))
	    ?: output_cell(line, COL_SNAT_PORT, "%u", row->snat_port)
	    ?: output_cell(line, COL_STATE, "%s", row->state)
	    ?: output_cell(line, COL_AGE, "%.1fs", row->age_seconds);
	if (r)
		return r;
	if (row->is_udp)
		r = output_cell(line, COL_ID, "%u", row->snat_id);
	else
		r = output_cell(line, COL_ID, "-");
	if (r)
		return r;
	/* Both may be gone from the plan while the flow lives on. */
	if (service)
		r = output_cell(line, COL_SERVICE, "%.*s", EDGE53_NAME_LEN, service->name);
	else
		r = output_cell(line, COL_SERVICE, "#%u", flow->service);
	if (r)
		return r;
	if (backend)
		return output_cell(line, COL_BACKEND, "%s", addr_format(&backend->address, text));
	return output_cell(line, COL_BACKEND, "#%u", flow->backend);
}

static json_t *row_json(struct state *state, const struct row *row)
{
	const struct edge53_flow *flow = row->flow;
	const struct edge53_service *service = state_service(state, flow->service);
	const struct edge53_backend *backend = state_flow_backend(state, flow->backend);
	const struct edge53_device *device = state_device(state, flow->device);
	json_t *o = json_object();

	output_put(&o, "protocol", json_string(row->is_udp ? "udp" : "tcp"));
	output_put(&o, "client", output_client(&flow->client, client_prefix(state)));
	output_put(&o, "client_port", json_integer(flow->client_port));
	output_put(&o, "asked", output_address(&flow->asked));
	output_put(&o, "device",
		   device ? output_text(device->name, EDGE53_IFNAME_LEN) : json_null());
	output_put(&o, "service",
		   service ? output_text(service->name, EDGE53_NAME_LEN) : json_null());
	output_put(&o, "backend", backend ? output_address(&backend->address) : json_null());
	output_put(&o, "snat_port", json_integer(row->snat_port));
	output_put(&o, "source_kept", json_boolean(flow->flags & EDGE53_FLOW_KEEP_SOURCE));
	output_put(&o, "state", json_string(row->state));
	output_put(&o, "age_seconds", json_real(row->age_seconds));
	if (row->is_udp) {
		output_put(&o, "client_id", json_integer(flow->client_id));
		output_put(&o, "snat_id", json_integer(row->snat_id));
	} else {
		output_put(&o, "idle_seconds", json_real(row->idle_seconds));
		output_put(&o, "proxy_header",
			   row->proxy_header ? json_string(row->proxy_header) : json_null());
	}
	return o;
}

static int show(struct sink *sink, const struct row *row)
{
	if (sink->table)
		return print_row(sink, row);
	return output_list_item(&sink->list, row_json(sink->state, row));
}

static int show_slot(const struct edge53_slot *slot, unsigned int snat_port, unsigned int snat_id,
		     unsigned long long age_us, void *arg)
{
	struct row row = {
		.is_udp = true,
		.flow = &slot->flow,
		.snat_port = snat_port,
		.snat_id = snat_id,
		.state = slot->lap & EDGE53_SLOT_ANSWERED ? "answered" : "waiting",
		.age_seconds = age_us / 1e6,
	};

	return show(arg, &row);
}

static const char *conn_state_text(unsigned int state)
{
	switch (state) {
	case EDGE53_CONN_HALF_OPEN:
		return "half-open";
	case EDGE53_CONN_ESTABLISHED:
		return "established";
	case EDGE53_CONN_CLOSING:
		return "closing";
	default:
		return "unknown";
	}
}

/* How far a connection is that begins with a PROXY header (docs/packets.md, "TCP"). */
static const char *proxy_header_text(unsigned int flags)
{
	if (!(flags & EDGE53_CONN_PROXY))
		return NULL;
	if (flags & EDGE53_CONN_PROXY_DONE)
		return "done";
	return flags & EDGE53_CONN_PROXY_SYNCED ? "synced" : "pending";
}

static int show_conn(const struct edge53_conn *conn, unsigned long long idle_ns, void *arg)
{
	long long lived_ns = conn->seen_ns - conn->opened_ns;
	struct row row = {
		.flow = &conn->flow,
		.snat_port = conn->snat_port,
		.state = conn_state_text(conn->state),
		.proxy_header = proxy_header_text(conn->flags),
		.idle_seconds = idle_ns / 1e9,
	};

	row.age_seconds = ((lived_ns > 0 ? lived_ns : 0) + idle_ns) / 1e9;
	return show(arg, &row);
}

static const struct argp_option option_table[] = {
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key != 'j')
		return ARGP_ERR_UNKNOWN;
	*(bool *)state->input = true;
	return 0;
}

static const struct argp flows_argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Lists UDP queries of the last 10 seconds, answered or waiting, and TCP connections. "
	       "SNAT-PORT and ID are what the backend sees.",
};

int cmd_flows(int argc, char **argv)
{
	_cleanup_(state_closep) struct state *state = NULL;
	_cleanup_(output_tablep) struct libscols_table *table = NULL;
	struct sink sink = { 0 };
	bool as_json = false;
	int r;

	if (argp_parse(&flows_argp, argc, argv, 0, NULL, &as_json))
		return EXIT_FAILED;
	r = output_open_state(&state);
	if (r)
		return r;
	sink.state = state;
	if (as_json) {
		output_list_begin(&sink.list, "flows");
	} else {
		sink.table = table = output_table(columns, COL_COUNT);
		if (!table)
			return output_finish(-ENOMEM, "the flows");
	}
	r = state_walk_slots(state, SHOW_UDP_US, show_slot, &sink)
		    ?: state_walk_conns(state, show_conn, &sink);
	if (!r)
		r = as_json ? output_list_end(&sink.list, NULL) : scols_print_table(table);
	return output_finish(r, "the flows");
}
