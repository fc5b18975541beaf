// SPDX-License-Identifier: GPL-2.0-only
/*
 * traffic: queries at the speed of one CPU (or several), through whatever is between two devices, and how many came.
 *
 * Prints one JSON object. Loss is no failure; packets that come out as others than went in are.
 *
 * What makes such a measurement dishonest, and what there is against it:
 *
 *   a warm start       packets before (--warm) are not counted, so that known clients are known
 *   batches            their size is a NAPI poll's; --batch shows what they hide
 *   recycled pages     each field is written anew, but its cache line is warm: nothing helps, docs/benchmarks.md says it
 *   the generator      --way generate measures it alone
 *   other load         the value is packets a second of CPU time (traffic_run.c)
 *   what is not seen   only what is counted at the end is in the value, and only if it is right
 */
#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <getopt.h>
#include <jansson.h>
#include <netinet/ether.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "traffic_parts.h"

static const char usage_text[] =
	"usage: traffic --client-ns PATH --client-dev DEVICE --backend-ns PATH --backend-dev DEVICE --edge-mac MAC [...]\n"
	"\n"
	"  --way WAY            query: to the backend's end; round-trip: and back (default: query);\n"
	"                       generate: the generator alone, nothing is sent\n"
	"  --workload NAME      known: --clients (16384) take turns, each with its port\n"
	"                       ports: each packet a new port, of --clients (65536) with --ports (16) each\n"
	"                       zipf: --clients (1048576), the busiest 1/rank as often as the first\n"
	"                       flood: random sources, and every 16th packet from one of --clients (1000)\n"
	"  --flood KIND         what a flood consists of: sources (queries from anywhere), hot (queries from 32.53.53.0/24),\n"
	"                       payloads (random bytes), syns, hot-syns, fragments (default: sources)\n"
	"  --well-every N       of so many packets of a flood one is well-behaved (default: 16; 1: no flood)\n"
	"  --clients N          addresses, from 100.64.0.0 (a flood's are in 32.0.0.0/3)\n"
	"  --stride N           from one of these addresses to the next (default: 1; 256: each in another /24)\n"
	"  --ports N            ports of each of them\n"
	"  --service IP:PORT    what is asked (default: 198.55.102.244:53)\n"
	"  --backend IP:PORT    what it becomes at the backend (default: 10.172.90.1:31053)\n"
	"  --proxy              each query must arrive with a PROXY header, and the right one\n"
	"  --verify             look at every checksum at both ends, too: slower\n"
	"  --packets N          send so many, or\n"
	"  --seconds S          send for so long (default: 1)\n"
	"  --warm N             packets before that, not counted\n"
	"  --rate N             packets a second, evenly (default: as many as there is time for)\n"
	"  --queue N            with --rate: so many may wait while the CPU is at work, and what is more is lost, as with a\n"
	"                       card (default: whatever there is waits for the CPU, and it becomes later)\n"
	"  --cpus LIST          where: 0,1 are two generators that share the clients (default: 0)\n"
	"  --batch N            frames at once, up to 128: half a ring (default: 64, a NAPI poll)\n";

static void __attribute__((noreturn)) usage(void)
{
	fputs(usage_text, stderr);
	exit(2);
}

/* --- options ---------------------------------------------------------------------------------- */

static unsigned long number_of(const char *option, const char *text, unsigned long least,
			       unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < least || value > most)
		errx(2, "--%s '%s': a number from %lu to %lu", option, text, least, most);
	return value;
}

static double seconds_of(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.01 && seconds <= 600))
		errx(2, "--seconds '%s': a number from 0.01 to 600", text);
	return seconds;
}

static struct socket_address socket_of(const char *option, const char *text)
{
	struct socket_address socket;
	const char *colon = strrchr(text, ':');
	char address[INET_ADDRSTRLEN];

	if (!colon || colon - text >= (long)sizeof(address))
		errx(2, "--%s '%s': an IPv4 address, ':' and a port", option, text);
	memcpy(address, text, colon - text);
	address[colon - text] = 0;
	if (inet_pton(AF_INET, address, &socket.address) != 1)
		errx(2, "--%s '%s': '%s' is no IPv4 address", option, text, address);
	socket.port = htons(number_of(option, colon + 1, 1, 65535));
	return socket;
}

static void parse_cpus(struct options *options, const char *text)
{
	char *copy = strdup(text), *rest = copy, *word;

	options->n_cpus = 0;
	while ((word = strsep(&rest, ","))) {
		if (options->n_cpus == TRAFFIC_MAX_CPUS)
			errx(2, "--cpus '%s': more than %d", text, TRAFFIC_MAX_CPUS);
		options->cpus[options->n_cpus++] =
			number_of("cpus", word, 0, libbpf_num_possible_cpus() - 1);
	}
	free(copy);
}

static enum traffic_way way_of(const char *text)
{
	if (!strcmp(text, "generate"))
		return TRAFFIC_GENERATE;
	if (!strcmp(text, "query"))
		return TRAFFIC_QUERY;
	if (!strcmp(text, "round-trip"))
		return TRAFFIC_ROUND_TRIP;
	errx(2, "--way '%s': query, round-trip or generate", text);
}

static enum traffic_flood flood_of(const char *text)
{
	static const char *const names[] = {
		[TRAFFIC_SOURCES] = "sources",	 [TRAFFIC_HOT] = "hot",
		[TRAFFIC_PAYLOADS] = "payloads", [TRAFFIC_SYNS] = "syns",
		[TRAFFIC_HOT_SYNS] = "hot-syns", [TRAFFIC_FRAGMENTS] = "fragments",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(text, names[i]))
			return i;
	errx(2, "--flood '%s': sources, hot, payloads, syns, hot-syns or fragments", text);
}

static const struct {
	const char *name;
	enum traffic_workload workload;
	unsigned int clients, ports;
	unsigned long warm_packets;
} workloads[] = {
	{ "known", TRAFFIC_KNOWN, 16384, 1, 1 << 19 },
	{ "ports", TRAFFIC_KNOWN, 65536, 16, 65536 },
	{ "zipf", TRAFFIC_ZIPF, 1 << 20, 1, 1 << 18 },
	{ "flood", TRAFFIC_FLOOD, 1000, 1, 65536 },
};

/* What was not asked for is as the workload has it. */
static void fill_workload(struct options *options, const char *name, bool is_warm_given)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++) {
		if (strcmp(workloads[i].name, name))
			continue;
		options->workload = workloads[i].workload;
		if (!options->clients)
			options->clients = workloads[i].clients;
		if (!options->ports)
			options->ports = workloads[i].ports;
		if (!is_warm_given)
			options->warm_packets = workloads[i].warm_packets;
		return;
	}
	errx(2, "--workload '%s': known, ports, zipf or flood", name);
}

enum {
	CLIENT_NS = 256,
	CLIENT_DEV,
	BACKEND_NS,
	BACKEND_DEV,
	EDGE_MAC,
	WAY,
	WORKLOAD,
	CLIENTS,
	PORTS,
	SERVICE,
	BACKEND,
	PROXY,
	VERIFY,
	PACKETS,
	SECONDS,
	WARM,
	CPUS,
	BATCH,
	FLOOD,
	WELL_EVERY,
	STRIDE,
	RATE,
	QUEUE
};

static const struct option long_options[] = {
	{ "client-ns", required_argument, NULL, CLIENT_NS },
	{ "client-dev", required_argument, NULL, CLIENT_DEV },
	{ "backend-ns", required_argument, NULL, BACKEND_NS },
	{ "backend-dev", required_argument, NULL, BACKEND_DEV },
	{ "edge-mac", required_argument, NULL, EDGE_MAC },
	{ "way", required_argument, NULL, WAY },
	{ "workload", required_argument, NULL, WORKLOAD },
	{ "clients", required_argument, NULL, CLIENTS },
	{ "ports", required_argument, NULL, PORTS },
	{ "service", required_argument, NULL, SERVICE },
	{ "backend", required_argument, NULL, BACKEND },
	{ "proxy", no_argument, NULL, PROXY },
	{ "verify", no_argument, NULL, VERIFY },
	{ "packets", required_argument, NULL, PACKETS },
	{ "seconds", required_argument, NULL, SECONDS },
	{ "warm", required_argument, NULL, WARM },
	{ "cpus", required_argument, NULL, CPUS },
	{ "cpu", required_argument, NULL, CPUS },
	{ "batch", required_argument, NULL, BATCH },
	{ "flood", required_argument, NULL, FLOOD },
	{ "well-every", required_argument, NULL, WELL_EVERY },
	{ "stride", required_argument, NULL, STRIDE },
	{ "rate", required_argument, NULL, RATE },
	{ "queue", required_argument, NULL, QUEUE },
	{ 0 },
};

static void parse_options(int argc, char **argv, struct options *options)
{
	const char *workload = "known";
	bool has_mac = false, is_warm_given = false;
	int option, index;

	*options = (struct options){
		.way = TRAFFIC_QUERY,
		.seconds = 1,
		.batch_len = 64,
		.n_cpus = 1,
		.stride = 1,
		.well_every = TRAFFIC_WELL_EVERY,
	};
	options->service = socket_of("service", "198.55.102.244:53");
	options->backend = socket_of("backend", "10.172.90.1:31053");
	while ((option = getopt_long(argc, argv, "", long_options, &index)) != -1) {
		switch (option) {
		case CLIENT_NS:
			options->client_ns = optarg;
			break;
		case CLIENT_DEV:
			options->client_dev = optarg;
			break;
		case BACKEND_NS:
			options->backend_ns = optarg;
			break;
		case BACKEND_DEV:
			options->backend_dev = optarg;
			break;
		case EDGE_MAC:
			has_mac = ether_aton_r(optarg, &options->edge_mac);
			if (!has_mac)
				errx(2, "--edge-mac '%s': no hardware address", optarg);
			break;
		case WAY:
			options->way = way_of(optarg);
			break;
		case WORKLOAD:
			workload = optarg;
			break;
		case CLIENTS:
			options->clients = number_of("clients", optarg, 1, TRAFFIC_MAX_CLIENTS);
			break;
		case PORTS:
			options->ports = number_of("ports", optarg, 1, TRAFFIC_MAX_PORTS);
			break;
		case SERVICE:
			options->service = socket_of("service", optarg);
			break;
		case BACKEND:
			options->backend = socket_of("backend", optarg);
			break;
		case PROXY:
			options->proxy = true;
			break;
		case VERIFY:
			options->verify = true;
			break;
		case PACKETS:
			options->packets = number_of("packets", optarg, 1, 1ul << 31);
			break;
		case SECONDS:
			options->seconds = seconds_of(optarg);
			break;
		case WARM:
			options->warm_packets = number_of("warm", optarg, 0, 1ul << 30);
			is_warm_given = true;
			break;
		case CPUS:
			parse_cpus(options, optarg);
			break;
		case BATCH:
			options->batch_len = number_of("batch", optarg, 1, TRAFFIC_MAX_BATCH);
			break;
		case FLOOD:
			options->flood = flood_of(optarg);
			break;
		case WELL_EVERY:
			options->well_every = number_of("well-every", optarg, 1, 1u << 20);
			break;
		case STRIDE:
			options->stride = number_of("stride", optarg, 1, 1u << 16);
			break;
		case RATE:
			options->rate = number_of("rate", optarg, 1, 1ul << 30);
			break;
		case QUEUE:
			options->queue_len = number_of("queue", optarg, 1, 1u << 20);
			break;
		default:
			usage();
		}
	}
	if (optind < argc || !options->client_ns || !options->client_dev || !options->backend_ns ||
	    !options->backend_dev || !has_mac)
		usage();
	fill_workload(options, workload, is_warm_given);
	if ((unsigned long)options->clients * options->stride > TRAFFIC_MAX_CLIENTS)
		errx(2, "%u clients, each %u from the next: more than %u addresses",
		     options->clients, options->stride, TRAFFIC_MAX_CLIENTS);
	if (options->rate && options->n_cpus > 1)
		errx(2, "--rate: by one CPU");
	if (options->queue_len && !options->rate)
		errx(2, "--queue: only with --rate");
}

/* --- result ----------------------------------------------------------------------------------- */

/* As many, but not the same: then some came twice, and others not at all. */
static void check_same(const char *what, const struct traffic_count *sent,
		       const struct traffic_count *come)
{
	if (come->packets > sent->packets ||
	    (come->packets == sent->packets && come->sum != sent->sum))
		errx(1, "%llu packets sent, %llu %s: they are not the same", sent->packets,
		     come->packets, what);
}

/* Where the packets of the well-behaved and those of the flood went. What is in none of them ended in between. */
static void add_flood(json_t *object, const struct totals *t)
{
	const struct {
		const char *name;
		unsigned long long value;
	} counts[] = {
		{ "well_sent", t->well_sent },
		{ "well_queued_out", t->well_queued_out },
		{ "well_arrived", t->well_arrived },
		{ "well_answered", t->well_answered },
		{ "well_truncated", t->well_truncated },
		{ "flood_sent", t->sent.packets - t->well_sent },
		{ "flood_queued_out", t->queued_out - t->well_queued_out },
		{ "flood_arrived", t->flood_arrived },
		{ "flood_answered", t->flood_answered },
		{ "flood_truncated", t->flood_truncated },
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++)
		json_object_set_new(object, counts[i].name, json_integer(counts[i].value));
}

static void print_result(const struct options *options, const struct result *result)
{
	const struct totals *t = &result->totals;
	unsigned long long come = options->way == TRAFFIC_QUERY	       ? t->arrived.packets
				  : options->way == TRAFFIC_ROUND_TRIP ? t->answered.packets
								       : t->sent.packets;
	json_t *object = json_pack(
		"{s:f, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:i}", "value",
		come / result->cpu_seconds, "sent", (json_int_t)t->sent.packets, "arrived",
		(json_int_t)t->arrived.packets, "answered", (json_int_t)t->answered.packets, "lost",
		(json_int_t)(t->sent.packets - come), "strange", (json_int_t)t->strange, "seconds",
		result->seconds, "cpu_seconds", result->cpu_seconds, "cpus", (int)options->n_cpus);

	if (object && options->workload == TRAFFIC_FLOOD)
		add_flood(object, t);
	if (!object || json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9)))
		errx(1, "print the result");
	putchar('\n');
	json_decref(object);
}

int main(int argc, char **argv)
{
	struct options options;
	struct result result;
	struct ends ends;

	parse_options(argc, argv, &options);
	warn_of_old_kernel();
	attach_ends(&options, &ends);
	if (options.warm_packets)
		run_traffic(&options, &ends, options.warm_packets, &result);
	run_traffic(&options, &ends, options.packets, &result);
	detach_ends(&ends);
	check_same("arrived", &result.totals.sent, &result.totals.arrived);
	check_same("answered", &result.totals.sent, &result.totals.answered);
	print_result(&options, &result);
	return 0;
}
