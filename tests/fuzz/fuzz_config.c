// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration file. What is refused is explained, in lines that can be printed. What is
 * accepted can be written again from what was understood, and then means the same.
 */
#include <stdarg.h>
#include <stdio.h>

#include "fuzz.h"

#include "config.h"
#include "log.h"

#define FILE_NAME "edge53.yaml"

/* --- messages --------------------------------------------------------------------------------- */

static unsigned int n_messages;

/* A file may have come from anywhere, and must not write to the operator's terminal or journal. */
static void check_message(int priority, const char *text)
{
	(void)priority;
	n_messages++;
	assert(!strncmp(text, FILE_NAME ":", strlen(FILE_NAME ":")));
	for (; *text; text++)
		assert(*text >= ' ' && *text < 0x7f);
}

static struct config *parse(const char *text, size_t len)
{
	struct config *config = NULL;
	int r;

	n_messages = 0;
	r = config_parse(FILE_NAME, text, len, &config);
	assert(r <= 0);
	assert((r < 0) == !config);
	assert((r < 0) == (n_messages > 0));
	return config;
}

/* --- writing a configuration ------------------------------------------------------------------ */

static const char *const policy_words[] = {
	[POLICY_PASS] = "pass",		[POLICY_DROP] = "drop",		[POLICY_REJECT] = "reject",
	[POLICY_SERVFAIL] = "servfail", [POLICY_REDIRECT] = "redirect", [POLICY_COUNT] = "count",
	[POLICY_OFF] = "off",
};

/* In double quotes, whatever is not ASCII by its code point; text is UTF-8. */
static void write_text(FILE *to, const char *key, const char *text)
{
	const uint8_t *c = (const uint8_t *)text;

	fprintf(to, "%s: \"", key);
	while (*c) {
		unsigned int n_more = *c < 0xc0 ? 0 : *c < 0xe0 ? 1 : *c < 0xf0 ? 2 : 3;
		uint32_t point = *c < 0x80 ? *c : *c & (0x3f >> n_more);

		c++;
		while (n_more--)
			point = point << 6 | (*c++ & 0x3f);
		if (point < 0x7f && point != '"' && point != '\\')
			fputc(point, to);
		else
			fprintf(to, "\\U%08x", point);
	}
	fputs("\"\n", to);
}

static void write_address(FILE *to, const char *key, const struct edge53_addr *addr)
{
	char text[ADDR_TEXT_LEN];

	fprintf(to, "%s: \"%s\"\n", key, addr_format(addr, text));
}

static void write_backend(FILE *to, const struct config_backend *backend)
{
	write_address(to, "      - address", &backend->address);
	if (backend->udp_port)
		fprintf(to, "        udp: %u\n", backend->udp_port);
	if (backend->tcp_port)
		fprintf(to, "        tcp: %u\n", backend->tcp_port);
	fprintf(to, "        weight: %u\n", backend->weight);
}

static void write_sources(FILE *to, const struct edge53_addr sources[2])
{
	char text[ADDR_TEXT_LEN];

	if (!addr_is_zero(&sources[0]) || !addr_is_zero(&sources[1]))
		fprintf(to, "    source:\n");
	for (int i = 0; i < 2; i++)
		if (!addr_is_zero(&sources[i]))
			fprintf(to, "      - \"%s\"\n", addr_format(&sources[i], text));
}

static const char *const client_ip_words[] = {
	[CLIENT_IP_NONE] = "none",
	[CLIENT_IP_PROXY_V2] = "proxy-v2",
};

static void write_prefixes(FILE *to, const char *key, const struct edge53_prefix *prefixes,
			   size_t n)
{
	char text[ADDR_TEXT_LEN];

	if (n)
		fprintf(to, "%s:\n", key);
	for (size_t i = 0; i < n; i++) {
		unsigned int length = prefixes[i].length_bits;

		if (addr_is_ipv4(&prefixes[i].address))
			length -= 96;
		fprintf(to, "        - \"%s/%u\"\n", addr_format(&prefixes[i].address, text),
			length);
	}
}

static void write_doh(FILE *to, const struct config_doh *doh)
{
	if (!doh->n_prefixes && !doh->file)
		return;
	fprintf(to, "    doh:\n");
	write_prefixes(to, "      addresses", doh->prefixes, doh->n_prefixes);
	if (doh->file)
		write_text(to, "      file", doh->file);
	fprintf(to, "      action: %s\n", policy_words[doh->action]);
}

static void write_health(FILE *to, const struct config_health *health)
{
	static const char *const types[] = { [1] = "A",	   [2] = "NS",	[5] = "CNAME", [6] = "SOA",
					     [12] = "PTR", [15] = "MX", [16] = "TXT",  [28] = "AAAA",
					     [33] = "SRV", [48] = "DNSKEY", [65] = "HTTPS" };
	const unsigned char *at = health->question.bytes;

	if (!health->is_written)
		return;
	if (health->is_off) {
		fprintf(to, "    health: off\n");
		return;
	}
	fprintf(to, "    health:\n");
	if (health->has_question) {
		fprintf(to, "      name: \"");
		for (; *at; at += *at + 1)
			fprintf(to, "%.*s.", *at, at + 1);
		fprintf(to, "%s\"\n", health->question.len == 5 ? "." : "");
		fprintf(to, "      type: %s\n", types[at[2]]);
	}
	fprintf(to, "      interval: %ums\n", health->interval_ms);
	fprintf(to, "      rise: %u\n", health->rise);
	fprintf(to, "      fall: %u\n", health->fall);
}

static void write_edge(FILE *to, const struct config_edge *edge)
{
	char text[ADDR_TEXT_LEN];

	write_text(to, "  - name", edge->name);
	write_text(to, "    interface", edge->interface);
	if (edge->n_addresses)
		fprintf(to, "    address:\n");
	for (size_t i = 0; i < edge->n_addresses; i++)
		fprintf(to, "      - \"%s\"\n", addr_format(&edge->addresses[i], text));
	if (edge->tunnel)
		write_text(to, "    tunnel", edge->tunnel);
	write_sources(to, edge->sources);
	fprintf(to, "    backends:\n");
	for (size_t i = 0; i < edge->n_backends; i++)
		write_backend(to, &edge->backends[i]);
	write_prefixes(to, "    keep_source", edge->keep_source, edge->n_keep_source);
	fprintf(to, "    client_ip: { udp: %s, tcp: %s }\n", client_ip_words[edge->client_ip_udp],
		client_ip_words[edge->client_ip_tcp]);
	fprintf(to, "    on_down: %s\n", policy_words[edge->on_down]);
	write_health(to, &edge->health);
}

static void write_enforce(FILE *to, const struct config_enforce *enforce)
{
	write_text(to, "  - name", enforce->name);
	write_text(to, "    interface", enforce->interface);
	write_address(to, "    resolver", &enforce->resolver);
	if (!addr_is_zero(&enforce->resolver6))
		write_address(to, "    resolver6", &enforce->resolver6);
	fprintf(to, "    ipv6: %s\n", policy_words[enforce->ipv6]);
	fprintf(to, "    dot: %s\n", policy_words[enforce->dot]);
	write_doh(to, &enforce->doh);
	fprintf(to, "    guard: %s\n", policy_words[enforce->guard]);
	fprintf(to, "    on_down: %s\n", policy_words[enforce->on_down]);
	write_health(to, &enforce->health);
	write_prefixes(to, "    exempt", enforce->exempt, enforce->n_exempt);
}

static void write_return(FILE *to, const struct config_return *back)
{
	write_text(to, "  - tunnel", back->tunnel);
	write_text(to, "    uplink", back->uplink);
	if (back->udp_port)
		fprintf(to, "    udp: %u\n", back->udp_port);
	if (back->tcp_port)
		fprintf(to, "    tcp: %u\n", back->tcp_port);
}

static void write_limits(FILE *to, const struct config_limits *limits)
{
	fprintf(to, "limits:\n");
	fprintf(to, "  udp_slots: %u\n", limits->udp_slots);
	fprintf(to, "  tcp_connections: %u\n", limits->tcp_connections);
	fprintf(to, "  clients: %u\n", limits->clients);
	fprintf(to, "  ports: %u-%u\n", limits->port_first, limits->port_last);
	fprintf(to, "  udp_timeout: %ums\n", limits->udp_timeout_ms);
	if (limits->backend_udp_size)
		fprintf(to, "  backend_udp_size: %u\n", limits->backend_udp_size);
}

/* The text of a configuration with all that was understood of it, defaults included. */
static char *write_config(const struct config *config, size_t *ret_len)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, ret_len);

	assert(to);
	if (config->n_edges)
		fprintf(to, "edge:\n");
	for (size_t i = 0; i < config->n_edges; i++)
		write_edge(to, &config->edges[i]);
	if (config->n_enforces)
		fprintf(to, "enforce:\n");
	for (size_t i = 0; i < config->n_enforces; i++)
		write_enforce(to, &config->enforces[i]);
	if (config->n_returns)
		fprintf(to, "return:\n");
	for (size_t i = 0; i < config->n_returns; i++)
		write_return(to, &config->returns[i]);
	write_limits(to, &config->limits);
	assert(fclose(to) == 0);
	return text;
}

/* --- the target ------------------------------------------------------------------------------- */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = (char *)copy_exactly(bytes, len, 0), *written, *written_again;
	size_t written_len, written_again_len;
	struct config *config, *again;

	log_set_sink(check_message);
	config = parse(text, len);
	free(text);
	if (!config)
		return 0;

	written = write_config(config, &written_len);
	config_free(config);
	again = parse(written, written_len);
	assert(again);
	written_again = write_config(again, &written_again_len);
	config_free(again);
	assert(!strcmp(written, written_again));
	free(written);
	free(written_again);
	return 0;
}
