// SPDX-License-Identifier: GPL-2.0-only
/* edge53 explain: what becomes of a described packet, by running the programs on it. */
#include <argp.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "commands.h"
#include "dataplane.h"
#include "explain_print.h"
#include "log.h"
#include "output.h"

#ifndef EDGE53_VERSION
#define EDGE53_VERSION "unknown"
#endif

#define DEFAULT_PORT 40053 /* of a client, where none is given */
#define DEFAULT_ID 4660	   /* 0x1234 */
#define DEFAULT_SEQ 1000
#define MAX_FILE_LEN 65536

struct options {
	const char *in;
	const char *out;
	const char *record; /* --packet */
	const char *name;
	unsigned int type;
	bool has_description; /* of a packet, beside --packet */
	bool has_from, has_to, has_flags, has_to_mac, has_from_mac, is_udp;
	bool as_json;
	struct explain_packet packet;
};

enum option_key {
	KEY_IN = 256, /* no short forms */
	KEY_OUT,
	KEY_FROM,
	KEY_TO,
	KEY_UDP,
	KEY_TCP,
	KEY_NAME,
	KEY_TYPE,
	KEY_ID,
	KEY_REPLY,
	KEY_NO_EDNS,
	KEY_FLAGS,
	KEY_SEQ,
	KEY_ACK,
	KEY_TTL,
	KEY_FROM_MAC,
	KEY_TO_MAC,
	KEY_PACKET,
};

static const struct argp_option option_table[] = {
	{ "in", KEY_IN, "DEVICE", 0,
	  "The packet comes in by this device; with --out: it came in by this one, and is forwarded",
	  0 },
	{ "out", KEY_OUT, "DEVICE", 0, "The packet is about to leave by this device", 0 },
	{ "from", KEY_FROM, "ADDRESS[:PORT]", 0, "Source; IPv6 with a port in brackets", 0 },
	{ "to", KEY_TO, "ADDRESS[:PORT]", 0, "Destination; port 53 unless given", 0 },
	{ "udp", KEY_UDP, NULL, 0, "UDP (default)", 0 },
	{ "tcp", KEY_TCP, NULL, 0, "TCP: a SYN, unless --flags says otherwise", 0 },
	{ "name", KEY_NAME, "NAME", 0, "What is asked (default: example.com)", 0 },
	{ "type", KEY_TYPE, "TYPE", 0, "Of which type: a word or a number (default: A)", 0 },
	{ "id", KEY_ID, "NUMBER", 0, "DNS ID (default: 4660)", 0 },
	{ "reply", KEY_REPLY, NULL, 0, "The DNS message is a reply", 0 },
	{ "no-edns", KEY_NO_EDNS, NULL, 0, "The query has no OPT record", 0 },
	{ "flags", KEY_FLAGS, "FLAGS", 0,
	  "TCP: SYN, ACK, PSH, FIN, RST, URG, with commas between; PSH carries the DNS message",
	  0 },
	{ "seq", KEY_SEQ, "NUMBER", 0, "TCP: sequence number (default: 1000)", 0 },
	{ "ack", KEY_ACK, "NUMBER", 0, "TCP: acknowledgement number", 0 },
	{ "ttl", KEY_TTL, "NUMBER", 0, "TTL or hop limit (default: 64)", 0 },
	{ "from-mac", KEY_FROM_MAC, "MAC", 0, "Source of the Ethernet header", 0 },
	{ "to-mac", KEY_TO_MAC, "MAC", 0,
	  "Its destination (default: the device's own, of what comes in)", 0 },
	{ "packet", KEY_PACKET, "FILE|HEX", 0,
	  "Instead of all these: a recorded packet, as a pcap file, bytes or hexadecimal digits",
	  0 },
	{ "json", 'j', NULL, 0, "Print JSON", 0 },
	{ 0 },
};

/* --- options ---------------------------------------------------------------------------------- */

static void refuse(const char *option, const char *value, const char *right)
{
	log_error("--%s: `%s' is not %s", option, value, right);
	exit(EXIT_USAGE);
}

static void take_end(const char *option, const char *arg, struct explain_end *end)
{
	if (explain_end_parse(arg, end) < 0)
		refuse(option, arg, "an address, or one with a port ([ADDRESS]:PORT of IPv6)");
}

static unsigned int take_number(const char *option, const char *arg, unsigned long max)
{
	unsigned long value;
	char right[48], *end;

	errno = 0;
	value = strtoul(arg, &end, 10);
	if (*arg >= '0' && *arg <= '9' && !*end && !errno && value <= max)
		return (unsigned int)value;
	snprintf(right, sizeof(right), "a number from 0 to %lu", max);
	refuse(option, arg, right);
	return 0;
}

static void take_mac(const char *option, const char *arg, unsigned char mac[static 6])
{
	if (explain_mac_parse(arg, mac) < 0)
		refuse(option, arg, "a hardware address like 02:00:00:00:00:01");
}

/* What describes the packet. */
static error_t parse_description(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	struct explain_packet *packet = &options->packet;

	switch (key) {
	case KEY_FROM:
		take_end("from", arg, &packet->from);
		options->has_from = true;
		break;
	case KEY_TO:
		take_end("to", arg, &packet->to);
		options->has_to = true;
		break;
	case KEY_UDP:
		options->is_udp = true;
		break;
	case KEY_TCP:
		packet->is_tcp = true;
		break;
	case KEY_NAME:
		options->name = arg;
		break;
	case KEY_TYPE:
		if (explain_type_parse(arg, &options->type) < 0)
			refuse("type", arg, DNS_TYPES_TEXT ", nor a number");
		break;
	case KEY_ID:
		packet->dns_id = take_number("id", arg, 0xffff);
		break;
	case KEY_REPLY:
		packet->is_reply = true;
		break;
	case KEY_NO_EDNS:
		packet->has_edns = false;
		break;
	case KEY_FLAGS:
		if (explain_flags_parse(arg, &packet->tcp_flags) < 0)
			refuse("flags", arg, "a list of SYN, ACK, PSH, FIN, RST and URG");
		options->has_flags = true;
		break;
	case KEY_SEQ:
		packet->tcp_seq = take_number("seq", arg, 0xffffffff);
		break;
	case KEY_ACK:
		packet->tcp_ack = take_number("ack", arg, 0xffffffff);
		break;
	case KEY_TTL:
		packet->ttl = take_number("ttl", arg, 255);
		break;
	case KEY_FROM_MAC:
		take_mac("from-mac", arg, packet->eth_from);
		options->has_from_mac = true;
		break;
	case KEY_TO_MAC:
		take_mac("to-mac", arg, packet->eth_to);
		options->has_to_mac = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	options->has_description = true;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case KEY_IN:
		options->in = arg;
		return 0;
	case KEY_OUT:
		options->out = arg;
		return 0;
	case KEY_PACKET:
		options->record = arg;
		return 0;
	case 'j':
		options->as_json = true;
		return 0;
	default:
		return parse_description(key, arg, state);
	}
}

static const struct argp explain_argp = {
	.options = option_table,
	.parser = parse_option,
	.doc = "Says what would become of a packet, by running the programs of its device on it: each step, the "
	       "verdict and its reason, and the bytes before and after. Nothing is sent, and counters and state "
	       "stay as they are.\v"
	       "For example:\n"
	       "  edge53 explain --in eth0 --from 203.0.113.7:4242 --to 198.55.102.244 --name example.com\n"
	       "  edge53 explain --in wg0 --from 10.172.90.1:31053 --to 10.172.90.2:17001 --reply --id 4242",
};

/* Whether the options go together; else the sentence has been logged. */
static bool check_options(const struct options *options)
{
	const struct explain_packet *packet = &options->packet;

	if (!options->in && !options->out)
		log_error(
			"--in DEVICE is missing: where the packet comes in (or --out, where it leaves)");
	else if (options->record && options->has_description)
		log_error("--packet is the whole packet: nothing else describes it");
	else if (options->record)
		return true;
	else if (!options->has_from || !options->has_to)
		log_error("--%s ADDRESS is missing", options->has_from ? "to" : "from");
	else if (addr_is_ipv4(&packet->from.address) != addr_is_ipv4(&packet->to.address))
		log_error("--from and --to are of two families");
	else if (options->is_udp && packet->is_tcp)
		log_error("--udp or --tcp, not both");
	else if (options->has_flags && !packet->is_tcp)
		log_error("--flags are of TCP: add --tcp");
	else
		return true;
	return false;
}

static bool make_question(struct options *options)
{
	const char *name = options->name ?: "example.com";

	if (!dns_question_make(name, options->type, &options->packet.question))
		return true;
	log_error("--name: `%s' is not a name: letters, digits, \"-\" and \"_\", with dots between",
		  name);
	return false;
}

/* --- the packet ------------------------------------------------------------------------------- */

/* A whole file, or -errno. */
static int read_file(const char *path, unsigned char **ret)
{
	_cleanup_(freep) unsigned char *content = malloc(MAX_FILE_LEN);
	FILE *file = content ? fopen(path, "re") : NULL;
	size_t n;
	int r;

	if (!file)
		return -errno;
	n = fread(content, 1, MAX_FILE_LEN, file);
	r = ferror(file) ? -EIO : (int)n;
	fclose(file);
	if (r >= 0)
		*ret = take_ptr(content);
	return r;
}

static const char *record_error(int error)
{
	switch (error) {
	case -E2BIG:
		return "the packet is longer than the kernel runs programs on";
	case -EPROTO:
		return "pcapng: `editcap -F pcap' makes pcap of it";
	case -EOPNOTSUPP:
		return "its packets are neither Ethernet nor IP";
	case -EINVAL:
		return "there is no packet in it";
	default:
		return strerror(-error);
	}
}

/* Returns the length of the packet, or negative errno, logged. */
static int read_record(const char *record, bool has_ethernet, unsigned char *bytes)
{
	_cleanup_(freep) unsigned char *content = NULL;
	enum explain_link link = EXPLAIN_LINK_UNKNOWN;
	int r;

	if (access(record, F_OK)) {
		r = explain_hex_read(record, strlen(record), bytes);
		if (r == -EINVAL) {
			log_error("--packet: `%.60s' is neither a file nor hexadecimal", record);
			return r;
		}
	} else {
		r = read_file(record, &content);
		if (r >= 0)
			r = explain_frame_read(content, (size_t)r, bytes, &link);
	}
	if (r < 0) {
		log_error("--packet: %.200s: %s", record, record_error(r));
		return r;
	}
	if (link != EXPLAIN_LINK_UNKNOWN && (link == EXPLAIN_LINK_ETHERNET) != has_ethernet) {
		log_error("--packet: %s has %s, and packets of this device have %s Ethernet header",
			  record, has_ethernet ? "IP packets" : "Ethernet frames",
			  has_ethernet ? "an" : "no");
		return -EINVAL;
	}
	if (r < (has_ethernet ? 14 : 20)) {
		log_error("--packet: %d bytes are no packet", r);
		return -EINVAL;
	}
	return r;
}

static void read_own_mac(const char *device, unsigned char mac[static 6])
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { 0 };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
	if (fd >= 0 && !ioctl(fd, SIOCGIFHWADDR, &request))
		memcpy(mac, request.ifr_hwaddr.sa_data, 6);
}

static void fill_macs(struct options *options, const char *device)
{
	static const unsigned char somebody[6] = { 2, 0, 0, 0, 0, 1 };
	struct explain_packet *packet = &options->packet;
	unsigned char own[6] = { 0 };

	read_own_mac(device, own);
	if (!options->has_to_mac)
		memcpy(packet->eth_to, options->out ? somebody : own, 6);
	if (!options->has_from_mac)
		memcpy(packet->eth_from, options->out ? own : somebody, 6);
}

/* Returns the length, or negative errno, logged. */
static int make_packet(struct options *options, const char *device, bool has_ethernet,
		       unsigned char *bytes)
{
	if (options->record)
		return read_record(options->record, has_ethernet, bytes);
	fill_macs(options, device);
	return (int)explain_packet_write(&options->packet, has_ethernet, bytes);
}

/* --- the device ------------------------------------------------------------------------------- */

#define LISTED_DEVICES 20

/* "eth0, wg0", at most so many. */
static void list_devices(const struct status *status, char *text, size_t size)
{
	size_t n = 0, listed = 0;

	snprintf(text, size, "nothing");
	for (size_t i = 0; i < status->n_hooks; i++) {
		const struct hook *hook = &status->hooks[i];

		if (hook->is_gone || (i && !strcmp(hook->device, status->hooks[i - 1].device)))
			continue;
		if (listed++ == LISTED_DEVICES) {
			snprintf(text + n, size - n, " and others");
			return;
		}
		n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", hook->device);
	}
}

/* An exit code. */
static int find_hooks(const struct status *status, const struct options *options,
		      const char *device, struct explain_run *run)
{
	char attached[LISTED_DEVICES * (IF_NAMESIZE + 2) + 16];

	if (!status->same_netns) {
		log_error(
			"what is loaded belongs to another network namespace; explain has to run in that");
		return EXIT_FAILED;
	}
	list_devices(status, attached, sizeof(attached));
	run->ifindex = if_nametoindex(device);
	if (!run->ifindex) {
		log_error("there is no device %s; attached are: %s", device, attached);
		return EXIT_FAILED;
	}
	if (options->out && options->in) {
		run->from_ifindex = if_nametoindex(options->in);
		if (!run->from_ifindex) {
			log_error("there is no device %s", options->in);
			return EXIT_FAILED;
		}
	}
	if (explain_find_hooks(status, device, options->out != NULL, run) > 0)
		return EXIT_FINE;
	log_error(
		"edge53 has nothing attached to %s on the way %s, so nothing becomes of a packet; attached are: %s",
		device, options->out ? "out" : "in", attached);
	return EXIT_FAILED;
}

/* --- the command ------------------------------------------------------------------------------ */

static void warn_of_others(const struct status *status, const char *device)
{
	for (size_t i = 0; i < status->n_hooks; i++)
		if (!strcmp(status->hooks[i].device, device) &&
		    !strncmp(status->hooks[i].name, "old_", 4))
			log_warning(
				"%s: behind these programs are those of an earlier loader, for what was under way; they are not shown",
				device);
}

static void warn_of_version(struct state *state)
{
	const struct edge53_loader *loader = state_loader(state);

	if (strncmp(loader->version, EDGE53_VERSION, sizeof(loader->version)))
		log_warning("loaded by edge53 %.*s; this is %s, and shows what its own programs do",
			    (int)sizeof(loader->version), loader->version, EDGE53_VERSION);
}

static int say_run_error(int error, const char *device)
{
	switch (error) {
	case -EPROTO:
		log_error(
			"the programs of %s are of another version of edge53: explain with the one that loaded them",
			device);
		break;
	case -ENOENT:
		log_error("the programs of %s have just been replaced; try again", device);
		break;
	case -EPERM:
	case -EACCES:
		log_error(
			"the kernel refuses to load or run the programs (%s): this needs root; -v shows what the verifier says",
			strerror(-error));
		break;
	case -EINVAL:
		log_error(
			"the kernel does not run programs on this packet (it is too short, or %s takes none)",
			device);
		break;
	default:
		log_error("cannot run the programs of %s: %s", device, strerror(-error));
	}
	return EXIT_FAILED;
}

static int explain(struct status *status, struct options *options)
{
	_cleanup_(freep) struct explain_run *run = calloc(1, sizeof(*run));
	const char *device = options->out ?: options->in;
	unsigned char bytes[EXPLAIN_MAX_LEN];
	struct explain_report report = { .state = status->state,
					 .version = EDGE53_VERSION,
					 .device = device,
					 .is_egress = options->out,
					 .bytes = bytes,
					 .run = run };
	int r;

	if (!run)
		return output_finish(-ENOMEM, "the packet");
	r = find_hooks(status, options, device, run);
	if (r)
		return r;
	report.has_ethernet = !run->hooks[0].is_l3;
	r = make_packet(options, device, report.has_ethernet, bytes);
	if (r < 0)
		return EXIT_USAGE;
	report.len = (size_t)r;
	warn_of_version(status->state);
	warn_of_others(status, device);
	r = explain_run(run, bytes, report.len, report.has_ethernet);
	if (r < 0)
		return say_run_error(r, device);
	r = options->as_json ? explain_print_json(&report) : explain_print_text(&report);
	return output_finish(r, "the packet");
}

int cmd_explain(int argc, char **argv)
{
	_cleanup_(status_clear) struct status status = { 0 };
	struct options options = {
		.type = 1,
		.packet = { .from = { .port = DEFAULT_PORT },
			    .to = { .port = EDGE53_DNS_PORT },
			    .has_edns = true,
			    .dns_id = DEFAULT_ID,
			    .tcp_flags = EXPLAIN_TCP_SYN,
			    .tcp_seq = DEFAULT_SEQ,
			    .ttl = 64 },
	};
	int r;

	if (argp_parse(&explain_argp, argc, argv, 0, NULL, &options))
		return EXIT_FAILED;
	if (!check_options(&options) || !make_question(&options))
		return EXIT_USAGE;
	dataplane_log_libbpf();
	r = output_open_state(&status.state);
	if (r)
		return r;
	r = status_gather(&status);
	return r < 0 ? output_finish(r, "the state") : explain(&status, &options);
}
