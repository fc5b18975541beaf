// SPDX-License-Identifier: GPL-2.0-only
/* What is a good configuration, and what an operator reads when it is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../loader/config.h"
#include "built_in.h"
#include "../../loader/config_prefixes.h"
#include "../../loader/config_schema.h"
#include "../../loader/log.h"

/* --- the messages ----------------------------------------------------------------------------- */

static char messages[16384]; /* one a line */
static unsigned int n_messages;

static void keep_message(int priority, const char *text)
{
	size_t used = strlen(messages);

	(void)priority;
	snprintf(messages + used, sizeof(messages) - used, "%s\n", text);
	n_messages++;
}

static int forget_messages(void **state)
{
	(void)state;
	messages[0] = '\0';
	n_messages = 0;
	return 0;
}

static int parse(const char *text, size_t len, struct config **ret)
{
	forget_messages(NULL);
	*ret = NULL;
	return config_parse("edge53.yaml", text, len, ret);
}

static struct config *parse_good(const char *text)
{
	struct config *config;
	int r = parse(text, strlen(text), &config);

	if (r < 0)
		fail_msg("refused: %s", messages);
	assert_int_equal(n_messages, 0);
	assert_non_null(config);
	return config;
}

static void assert_address(const struct edge53_addr *addr, const char *text)
{
	char formatted[ADDR_TEXT_LEN];

	assert_string_equal(addr_format(addr, formatted), text);
}

/* --- good ones -------------------------------------------------------------------------------- */

/* The example of the design, without what a build may leave out. */
static const char example[] =
	"edge:\n"
	"  - name: public-dns\n"
	"    interface: eth0                 # name or glob; where clients arrive\n"
	"    address: [198.55.102.244]\n"
	"    tunnel: wg0\n"
	"    source: 10.172.90.2\n"
	"    backends:\n"
	"      - { address: 10.172.90.1, udp: 31053, tcp: 31054, weight: 1 }\n"
	"    client_ip: { udp: proxy-v2, tcp: proxy-v2 }\n"
	"    rate_limit: { qps: 200, burst: 400, over: truncate }\n"
	"    on_down: pass\n"
	"    health: { name: example.com, type: SOA, interval: 2s, rise: 2, fall: 3 }\n"
	"enforce:\n"
	"  - name: vpn\n"
	"    interface: \"ppp*\"\n"
	"    resolver: 10.77.0.1\n"
	"    ipv6: drop\n"
	"    dot: reject\n"
	"    doh: { addresses: [9.9.9.9, 2620:fe::/48], action: reject }\n"
	"    exempt: [10.77.0.5]\n"
	"    on_down: pass\n"
	"limits:\n"
	"  udp_slots: 262144\n"
	"  tcp_connections: 16384\n"
	"  clients: 65536\n"
	"  ports: 16384-32767\n"
	"  udp_timeout: 10s\n"
#if EDGE53_WITH_METRICS
	"export:\n"
	"  metrics: 127.0.0.1:9453\n"
	"  top_clients: 10\n";
#else
	"export: {}\n";
#endif

static void the_example_is_good(void **state)
{
	_cleanup_(config_freep) struct config *config = parse_good(example);
	const struct config_edge *edge = &config->edges[0];
	const struct config_enforce *enforce = &config->enforces[0];

	(void)state;
	assert_int_equal(config->n_edges, 1);
	assert_string_equal(edge->name, "public-dns");
	assert_string_equal(edge->interface, "eth0");
	assert_int_equal(edge->n_addresses, 1);
	assert_address(&edge->addresses[0], "198.55.102.244");
	assert_string_equal(edge->tunnel, "wg0");
	assert_address(&edge->sources[0], "10.172.90.2");
	assert_true(addr_is_zero(&edge->sources[1]));
	assert_int_equal(edge->n_backends, 1);
	assert_address(&edge->backends[0].address, "10.172.90.1");
	assert_int_equal(edge->backends[0].udp_port, 31053);
	assert_int_equal(edge->backends[0].tcp_port, 31054);
	assert_int_equal(edge->backends[0].weight, 1);
	assert_int_equal(edge->client_ip_udp, CLIENT_IP_PROXY_V2);
	assert_int_equal(edge->client_ip_tcp, CLIENT_IP_PROXY_V2);
	assert_int_equal(edge->on_down, POLICY_PASS);

#if EDGE53_WITH_METRICS
	assert_address(&config->export.metrics.address, "127.0.0.1");
	assert_int_equal(config->export.metrics.port, 9453);
	assert_int_equal(config->export.metrics.top_clients, 10);
#endif

	assert_int_equal(config->n_enforces, 1);
	assert_string_equal(enforce->name, "vpn");
	assert_string_equal(enforce->interface, "ppp*");
	assert_address(&enforce->resolver, "10.77.0.1");
	assert_int_equal(enforce->ipv6, POLICY_DROP);
	assert_true(addr_is_zero(&enforce->resolver6));
	assert_int_equal(enforce->dot, POLICY_REJECT);
	assert_int_equal(enforce->guard, POLICY_COUNT);
	assert_int_equal(enforce->on_down, POLICY_PASS);
	assert_int_equal(enforce->doh.action, POLICY_REJECT);
	assert_null(enforce->doh.file);
	assert_int_equal(enforce->doh.n_prefixes, 2);
	assert_address(&enforce->doh.prefixes[0].address, "2620:fe::");
	assert_int_equal(enforce->doh.prefixes[0].length_bits, 48);
	assert_address(&enforce->doh.prefixes[1].address, "9.9.9.9");
	assert_int_equal(enforce->doh.prefixes[1].length_bits, 128);
	assert_int_equal(enforce->n_exempt, 1);
	assert_address(&enforce->exempt[0].address, "10.77.0.5");
	assert_int_equal(enforce->exempt[0].length_bits, 128);

	assert_int_equal(config->limits.udp_slots, 262144);
	assert_int_equal(config->limits.tcp_connections, 16384);
	assert_int_equal(config->limits.clients, 65536);
	assert_int_equal(config->limits.port_first, 16384);
	assert_int_equal(config->limits.port_last, 32767);
	assert_int_equal(config->limits.udp_timeout_ms, 10000);
}

static void the_smallest_edge_gets_the_defaults(void **state)
{
	_cleanup_(config_freep) struct config *config = parse_good(
		"edge: [{name: a, interface: eth0, backends: [{address: 10.0.0.1, udp: 53}]}]\n");
	const struct config_edge *edge = &config->edges[0];

	(void)state;
	assert_int_equal(config->n_edges, 1);
	assert_int_equal(config->n_enforces, 0);
	assert_string_equal(edge->name, "a");
	assert_string_equal(edge->interface, "eth0");
	assert_int_equal(edge->n_addresses, 0);
	assert_null(edge->tunnel);
	assert_true(addr_is_zero(&edge->sources[0]));
	assert_true(addr_is_zero(&edge->sources[1]));
	assert_int_equal(edge->n_backends, 1);
	assert_address(&edge->backends[0].address, "10.0.0.1");
	assert_int_equal(edge->backends[0].udp_port, 53);
	assert_int_equal(edge->backends[0].tcp_port, 0);
	assert_int_equal(edge->backends[0].weight, 1);
	assert_int_equal(edge->client_ip_udp, CLIENT_IP_NONE);
	assert_int_equal(edge->client_ip_tcp, CLIENT_IP_NONE);
	assert_int_equal(edge->on_down, POLICY_PASS);
	assert_int_equal(config->limits.udp_slots, 262144);
	assert_int_equal(config->limits.tcp_connections, 16384);
	assert_int_equal(config->limits.clients, 65536);
	assert_int_equal(config->limits.port_first, 16384);
	assert_int_equal(config->limits.port_last, 32767);
	assert_int_equal(config->limits.udp_timeout_ms, 10000);
	assert_int_equal(config->limits.backend_udp_size, 0);
	assert_int_equal(config->limits.client_prefix.ipv4, 32);
	assert_int_equal(config->limits.client_prefix.ipv6, 128);
}

static void the_smallest_enforce_gets_the_defaults(void **state)
{
	_cleanup_(config_freep) struct config *config =
		parse_good("enforce:\n- name: vpn\n  interface: ppp*\n  resolver: 10.77.0.1\n");
	const struct config_enforce *enforce = &config->enforces[0];

	(void)state;
	assert_int_equal(config->n_edges, 0);
	assert_int_equal(config->n_enforces, 1);
	assert_string_equal(enforce->name, "vpn");
	assert_string_equal(enforce->interface, "ppp*");
	assert_address(&enforce->resolver, "10.77.0.1");
	assert_int_equal(enforce->ipv6, POLICY_DROP);
	assert_true(addr_is_zero(&enforce->resolver6));
	assert_int_equal(enforce->dot, POLICY_PASS);
	assert_int_equal(enforce->guard, POLICY_COUNT);
	assert_int_equal(enforce->on_down, POLICY_PASS);
	assert_int_equal(enforce->doh.n_prefixes, 0);
	assert_null(enforce->doh.file);
	assert_int_equal(enforce->n_exempt, 0);
}

static void both_kinds_with_everything_changed(void **state)
{
	_cleanup_(config_freep) struct config *config = parse_good(
		"limits: { udp_slots: 1024, tcp_connections: 16, clients: 1, ports: 1024-65535,\n"
		"          udp_timeout: 100ms }\n"
		"enforce:\n"
		"  - { name: vpn, interface: 'tun[0-9]', resolver: 10.77.0.1, ipv6: pass, dot: pass,\n"
		"      doh: { file: lists/doh.txt, action: drop }, guard: drop,\n"
		"      exempt: [10.78.0.0/16, 10.77.0.5/32, 0.0.0.0/0], on_down: drop }\n"
		"edge:\n"
		"  - { name: one, interface: eth0, address: 198.51.100.1, client_ip: none,\n"
		"      on_down: drop, backends: [{address: 10.0.0.1, tcp: 65535, weight: 1000},\n"
		"                                {address: 10.0.0.2, udp: 1}] }\n"
		"  - { name: two, interface: eth0, address: [198.51.100.2, 198.51.100.3],\n"
		"      backends: [{address: 10.0.0.1, udp: 53}] }\n"
		"  - { name: three, interface: eth1, address: [198.51.100.2],\n"
		"      backends: [{address: 10.0.0.1, udp: 53}] }\n");

	(void)state;
	assert_int_equal(config->limits.udp_slots, 1024);
	assert_int_equal(config->limits.tcp_connections, 16);
	assert_int_equal(config->limits.clients, 1);
	assert_int_equal(config->limits.port_first, 1024);
	assert_int_equal(config->limits.port_last, 65535);
	assert_int_equal(config->limits.udp_timeout_ms, 100);
	assert_string_equal(config->enforces[0].interface, "tun[0-9]");
	assert_int_equal(config->enforces[0].ipv6, POLICY_PASS);
	assert_int_equal(config->enforces[0].dot, POLICY_PASS);
	assert_int_equal(config->enforces[0].on_down, POLICY_DROP);
	assert_int_equal(config->enforces[0].n_exempt, 3);
	assert_int_equal(config->enforces[0].exempt[0].length_bits, 96);
	assert_address(&config->enforces[0].exempt[1].address, "10.78.0.0");
	assert_int_equal(config->enforces[0].exempt[1].length_bits, 112);
	assert_int_equal(config->enforces[0].exempt[2].length_bits, 128);
	assert_int_equal(config->enforces[0].guard, POLICY_DROP);
	assert_string_equal(config->enforces[0].doh.file, "lists/doh.txt");
	assert_int_equal(config->enforces[0].doh.file_line, 5);
	assert_int_equal(config->enforces[0].doh.action, POLICY_DROP);
	assert_int_equal(config->n_edges, 3);
	assert_int_equal(config->edges[0].n_addresses, 1);
	assert_address(&config->edges[0].addresses[0], "198.51.100.1");
	assert_int_equal(config->edges[0].on_down, POLICY_DROP);
	assert_int_equal(config->edges[0].n_backends, 2);
	assert_int_equal(config->edges[0].backends[0].udp_port, 0);
	assert_int_equal(config->edges[0].backends[0].tcp_port, 65535);
	assert_int_equal(config->edges[0].backends[0].weight, 1000);
	assert_int_equal(config->edges[0].backends[1].udp_port, 1);
	assert_int_equal(config->edges[1].n_addresses, 2);
	assert_address(&config->edges[1].addresses[1], "198.51.100.3");
}

static void all_of_ipv6(void **state)
{
	_cleanup_(config_freep) struct config *config = parse_good(
		"edge:\n"
		"  - { name: one, interface: eth0, address: [198.51.100.1, '2001:DB8::53'],\n"
		"      source: ['fd00::2', 10.172.90.2], backends: [\n"
		"        { address: 'fd00::1', udp: 53 }, { address: 10.172.90.1, udp: 53 }] }\n"
		"  - { name: two, interface: eth1, source: 'fd00::2',\n"
		"      backends: [{ address: 'fd00::1', udp: 53 }] }\n"
		"enforce:\n"
		"  - { name: vpn, interface: ppp*, resolver: 10.77.0.1, resolver6: 'fd77::1',\n"
		"      ipv6: redirect, exempt: ['fd77::5', '2000::/3', 10.77.0.5], guard: off,\n"
		"      doh: { addresses: '2001:4860:4860::8888' } }\n");
	const struct config_enforce *enforce = &config->enforces[0];

	(void)state;
	assert_address(&config->edges[0].addresses[1], "2001:db8::53");
	assert_address(&config->edges[0].sources[0], "10.172.90.2");
	assert_address(&config->edges[0].sources[1], "fd00::2");
	assert_address(&config->edges[0].backends[0].address, "fd00::1");
	assert_true(addr_is_zero(&config->edges[1].sources[0]));
	assert_address(&config->edges[1].sources[1], "fd00::2");
	assert_address(&enforce->resolver6, "fd77::1");
	assert_int_equal(enforce->ipv6, POLICY_REDIRECT);
	assert_int_equal(enforce->guard, POLICY_OFF);
	assert_int_equal(enforce->n_exempt, 3);
	assert_address(&enforce->exempt[0].address, "2000::");
	assert_int_equal(enforce->exempt[0].length_bits, 3);
	assert_int_equal(enforce->doh.n_prefixes, 1);
	assert_int_equal(enforce->doh.action, POLICY_REJECT);
}

static void a_prefix_counts_once(void **state)
{
	_cleanup_(config_freep) struct config *config =
		parse_good("enforce:\n- name: vpn\n  interface: ppp*\n  resolver: 10.77.0.1\n"
			   "  exempt: [10.0.0.1, 10.0.0.1/32, '::ffff:10.0.0.1', 10.0.0.0/8]\n");

	(void)state;
	assert_int_equal(config->enforces[0].n_exempt, 2);
}

#define RATE_OF(block)                                                                             \
	"edge: [{name: a, interface: eth0, rate_limit: " block                                     \
	", backends: [{address: 10.0.0.1, udp: 53}]}]\n"

static void rates(void **state)
{
	_cleanup_(config_freep) struct config *none = parse_good(
		"edge: [{name: a, interface: eth0, backends: [{address: 10.0.0.1, udp: 53}]}]\n");
	_cleanup_(config_freep) struct config *least = parse_good(RATE_OF("{ qps: 200 }"));
	_cleanup_(config_freep) struct config *all = parse_good(RATE_OF(
		"{ qps: 1, burst: 7, over: truncate, slip: 3, prefix: { ipv4: 32, ipv6: 64 }, "
		"proven: off, exempt: [10.0.0.0/8, '2001:db8::/32'] }"));
	const struct config_rate *rate = &least->edges[0].rate;

	(void)state;
	assert_int_equal(none->edges[0].rate.qps, 0);
	assert_int_equal(rate->qps, 200);
	assert_int_equal(rate->burst, 400);
	assert_int_equal(rate->over, POLICY_TRUNCATE);
	assert_int_equal(rate->slip, 1);
	assert_int_equal(rate->prefix.ipv4, 24);
	assert_int_equal(rate->prefix.ipv6, 56);
	assert_int_equal(rate->proven_s, 600);
	rate = &all->edges[0].rate;
	assert_int_equal(rate->qps, 1);
	assert_int_equal(rate->burst, 7);
	assert_int_equal(rate->slip, 3);
	assert_int_equal(rate->prefix.ipv4, 32);
	assert_int_equal(rate->prefix.ipv6, 64);
	assert_int_equal(rate->proven_s, 0);
	assert_int_equal(rate->n_exempt, 2);
}

#define TCP_LIMIT_OF(block)                                                                        \
	"edge: [{name: a, interface: eth0, tcp_limit: " block                                      \
	", backends: [{address: 10.0.0.1, tcp: 53}]}]\n"

static void tcp_limits(void **state)
{
	_cleanup_(config_freep) struct config *none = parse_good(
		"edge: [{name: a, interface: eth0, backends: [{address: 10.0.0.1, tcp: 53}]}]\n");
	_cleanup_(config_freep) struct config *fresh =
		parse_good(TCP_LIMIT_OF("{ new_per_second: 20 }"));
	_cleanup_(config_freep) struct config *all = parse_good(TCP_LIMIT_OF(
		"{ new_per_second: 1, burst: 7, open: 9, syn_cookies: { above: 1000 }, prefix: { ipv4: 32, ipv6: 64 }, "
		"exempt: [10.0.0.0/8] }"));
	const struct config_tcp_limit *limit = &fresh->edges[0].tcp;

	(void)state;
	assert_false(has_tcp_limit(&none->edges[0].tcp));
	assert_true(has_tcp_limit(limit));
	assert_int_equal(limit->new_per_second, 20);
	assert_int_equal(limit->burst, 40);
	assert_int_equal(limit->open, 0);
	assert_int_equal(limit->prefix.ipv4, 24);
	assert_int_equal(limit->prefix.ipv6, 56);
	limit = &all->edges[0].tcp;
	assert_int_equal(limit->new_per_second, 1);
	assert_int_equal(limit->burst, 7);
	assert_int_equal(limit->open, 9);
	assert_int_equal(limit->cookies_above, 1000);
	assert_int_equal(limit->prefix.ipv4, 32);
	assert_int_equal(limit->prefix.ipv6, 64);
	assert_int_equal(limit->n_exempt, 1);
}

#define RESPONSE_OF(block)                                                                         \
	"edge: [{name: a, interface: eth0, any: truncate, response_limit: " block                   \
	", backends: [{address: 10.0.0.1, udp: 53}]}]\n"                                           \
	"enforce: [{name: v, interface: ppp*, resolver: 10.77.0.1, response_limit: " block "}]\n"

static void responses(void **state)
{
	_cleanup_(config_freep) struct config *none = parse_good(
		"edge: [{name: a, interface: eth0, backends: [{address: 10.0.0.1, udp: 53}]}]\n");
	_cleanup_(config_freep) struct config *least =
		parse_good(RESPONSE_OF("{ bytes_per_second: 100000 }"));
	_cleanup_(config_freep) struct config *few =
		parse_good(RESPONSE_OF("{ bytes_per_second: 100 }"));
	_cleanup_(config_freep) struct config *many =
		parse_good(RESPONSE_OF("{ bytes_per_second: 500000000 }"));
	_cleanup_(config_freep) struct config *all = parse_good(RESPONSE_OF(
		"{ bytes_per_second: 1, burst: 512, prefix: { ipv4: 32, ipv6: 64 }, proven: off, "
		"exempt: [10.0.0.0/8, '2001:db8::/32'] }"));
	const struct config_response *response = &least->edges[0].response;

	(void)state;
	assert_int_equal(none->edges[0].response.bytes_per_second, 0);
	assert_int_equal(none->edges[0].any, POLICY_PASS);
	assert_int_equal(least->edges[0].any, POLICY_TRUNCATE);
	assert_int_equal(least->enforces[0].any, POLICY_PASS);
	assert_int_equal(response->bytes_per_second, 100000);
	assert_int_equal(response->burst, 200000);
	assert_int_equal(response->prefix.ipv4, 24);
	assert_int_equal(response->prefix.ipv6, 56);
	assert_int_equal(response->proven_s, 600);
	assert_int_equal(few->edges[0].response.burst, 4096);
	assert_int_equal(many->edges[0].response.burst, 500000000);
	response = &all->enforces[0].response;
	assert_int_equal(response->bytes_per_second, 1);
	assert_int_equal(response->burst, 512);
	assert_int_equal(response->prefix.ipv4, 32);
	assert_int_equal(response->prefix.ipv6, 64);
	assert_int_equal(response->proven_s, 0);
	assert_int_equal(response->n_exempt, 2);
}

static const struct {
	const char *text;
	unsigned int ms;
} durations[] = {
	{ "100ms", 100 }, { "999ms", 999 },   { "1s", 1000 },	 { "10s", 10000 },
	{ "2m", 120000 }, { "60m", 3600000 }, { "1h", 3600000 }, { "3600000ms", 3600000 },
};

#define EDGE_PROXY                                                                                 \
	"edge: [{name: a, interface: eth0, client_ip: { udp: proxy-v2 }, "                         \
	"backends: [{address: 10.0.0.1, udp: 53}]}]\n"
#define EDGE "edge: [{name: a, interface: eth0, backends: [{address: 10.0.0.1, udp: 53}]}]\n"

static void durations_have_units(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
		_cleanup_(config_freep) struct config *config = NULL;
		char text[256];

		snprintf(text, sizeof(text), EDGE "limits: { udp_timeout: %s }\n",
			 durations[i].text);
		config = parse_good(text);
		assert_int_equal(config->limits.udp_timeout_ms, durations[i].ms);
	}
}

static void fewer_ports_mean_fewer_connections(void **state)
{
	_cleanup_(config_freep) struct config *config =
		parse_good(EDGE "limits: { ports: 20000-23000 }\n");

	(void)state;
	assert_int_equal(config->limits.tcp_connections, 2048);
}

static const struct {
	const char *text;
	enum config_client_ip udp, tcp;
} client_ips[] = {
	{ "none", CLIENT_IP_NONE, CLIENT_IP_NONE },
	{ "proxy-v2", CLIENT_IP_PROXY_V2, CLIENT_IP_PROXY_V2 },
	{ "'proxy-v2'", CLIENT_IP_PROXY_V2, CLIENT_IP_PROXY_V2 },
	{ "{ udp: proxy-v2, tcp: none }", CLIENT_IP_PROXY_V2, CLIENT_IP_NONE },
	{ "{ tcp: proxy-v2 }", CLIENT_IP_NONE, CLIENT_IP_PROXY_V2 },
	{ "{}", CLIENT_IP_NONE, CLIENT_IP_NONE },
};

static void client_ip_is_one_word_or_one_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(client_ips); i++) {
		_cleanup_(config_freep) struct config *config = NULL;
		char text[256];

		snprintf(text, sizeof(text),
			 "edge: [{name: a, interface: eth0, client_ip: %s, "
			 "backends: [{address: 10.0.0.1, udp: 53}]}]\n",
			 client_ips[i].text);
		config = parse_good(text);
		assert_int_equal(config->edges[0].client_ip_udp, client_ips[i].udp);
		assert_int_equal(config->edges[0].client_ip_tcp, client_ips[i].tcp);
	}
}

static void what_backends_read_is_any_size_or_the_one_given(void **state)
{
	_cleanup_(config_freep) struct config *any = parse_good(EDGE_PROXY);
	_cleanup_(config_freep) struct config *given =
		parse_good(EDGE_PROXY "limits: { backend_udp_size: 512 }\n");

	(void)state;
	assert_int_equal(any->limits.backend_udp_size, 0);
	assert_int_equal(given->limits.backend_udp_size, 512);
}

/* Who names one family has said nothing of the other. */
static void a_client_prefix_is_of_each_family(void **state)
{
	static const struct {
		const char *text;
		unsigned int ipv4, ipv6;
	} rows[] = {
		{ "{ ipv4: 32, ipv6: 64 }", 32, 64 },
		{ "{ ipv4: 1, ipv6: 1 }", 1, 1 },
		{ "{ ipv4: 24 }", 24, 128 },
		{ "{ ipv6: 56 }", 32, 56 },
		{ "{}", 32, 128 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(config_freep) struct config *config = NULL;
		char text[256];

		snprintf(text, sizeof(text), EDGE "limits: { client_prefix: %s }\n", rows[i].text);
		config = parse_good(text);
		assert_int_equal(config->limits.client_prefix.ipv4, rows[i].ipv4);
		assert_int_equal(config->limits.client_prefix.ipv6, rows[i].ipv6);
	}
}

static void clients_are_kept_where_it_is_said(void **state)
{
	_cleanup_(config_freep) struct config *config = parse_good(
		"edge:\n"
		"- { name: a, interface: eth0, keep_source: [192.168.0.0/16, 'fd00::/8', 192.168.0.0/16],\n"
		"    backends: [{ address: 10.0.0.1, udp: 53 }] }\n"
		"- { name: b, interface: eth1, keep_source: 10.0.0.7,\n"
		"    backends: [{ address: 10.0.0.1, udp: 53 }] }\n"
		"- { name: c, interface: eth2, backends: [{ address: 10.0.0.1, udp: 53 }] }\n");
	const struct config_edge *edges = config->edges;

	(void)state;
	assert_int_equal(edges[0].n_keep_source, 2);
	assert_address(&edges[0].keep_source[0].address, "fd00::");
	assert_int_equal(edges[0].keep_source[0].length_bits, 8);
	assert_address(&edges[0].keep_source[1].address, "192.168.0.0");
	assert_int_equal(edges[0].keep_source[1].length_bits, 112);
	assert_int_equal(edges[1].n_keep_source, 1);
	assert_address(&edges[1].keep_source[0].address, "10.0.0.7");
	assert_int_equal(edges[2].n_keep_source, 0);
}

static void a_host_may_do_nothing_but_return(void **state)
{
	_cleanup_(config_freep) struct config *config =
		parse_good("return:\n"
			   "- { tunnel: wg0, uplink: eth0, udp: 31053, tcp: 31054 }\n"
			   "- { tunnel: wg0, uplink: eth1, udp: 31053 }\n"
			   "- { tunnel: wg1, uplink: eth0, tcp: 65535 }\n"
			   "- { tunnel: wg0, uplink: eth0, udp: 31054, tcp: 31053 }\n");

	(void)state;
	assert_int_equal(config->n_edges, 0);
	assert_int_equal(config->n_enforces, 0);
	assert_int_equal(config->n_returns, 4);
	assert_string_equal(config->returns[0].tunnel, "wg0");
	assert_string_equal(config->returns[0].uplink, "eth0");
	assert_int_equal(config->returns[0].udp_port, 31053);
	assert_int_equal(config->returns[0].tcp_port, 31054);
	assert_string_equal(config->returns[1].uplink, "eth1");
	assert_int_equal(config->returns[1].tcp_port, 0);
	assert_string_equal(config->returns[2].tunnel, "wg1");
	assert_int_equal(config->returns[2].udp_port, 0);
	assert_int_equal(config->returns[2].tcp_port, 65535);
}

#define EXPORT                                                                                     \
	"edge: [{ name: a, interface: eth0, backends: [{ address: 10.0.0.1, udp: 53 }] }]\n"       \
	"export:\n  dnstap: " /* on line 3 */

static void dnstap_is_off_or_goes_somewhere(void **state)
{
#if EDGE53_WITH_DNSTAP
	_cleanup_(config_freep) struct config *socket =
		parse_good(EXPORT "{ socket: /run/tap.sock }");
	_cleanup_(config_freep) struct config *file =
		parse_good(EXPORT "{ file: /var/log/edge53/tap, sample: 1, identity: 'an edge' }");
	_cleanup_(config_freep) struct config *nameless =
		parse_good(EXPORT "{ file: /tap, sample: 1000000, identity: '' }");

	assert_string_equal(socket->export.dnstap.socket, "/run/tap.sock");
	assert_null(socket->export.dnstap.file);
	assert_null(socket->export.dnstap.identity);
	assert_int_equal(socket->export.dnstap.sample, 100);
	assert_null(file->export.dnstap.socket);
	assert_string_equal(file->export.dnstap.file, "/var/log/edge53/tap");
	assert_string_equal(file->export.dnstap.identity, "an edge");
	assert_int_equal(file->export.dnstap.sample, 1);
	assert_string_equal(nameless->export.dnstap.identity, "");
	assert_int_equal(nameless->export.dnstap.sample, 1000000);
#endif
	_cleanup_(config_freep) struct config *off = parse_good(example);

	(void)state;
	assert_null(off->export.dnstap.socket);
	assert_null(off->export.dnstap.file);
}

/* --- bad ones --------------------------------------------------------------------------------- */

#define BACKENDS "  backends: [{ address: 10.0.0.1, udp: 53 }]\n"
#define EDGE_HEAD "edge:\n- name: a\n  interface: eth0\n" /* three lines */
#define ENFORCE_HEAD "enforce:\n- name: a\n  interface: ppp*\n  resolver: 10.77.0.1\n" /* four */
#define RATE EDGE_HEAD "  rate_limit: "
#define TCP EDGE_HEAD "  tcp_limit: "
#define RESPONSE EDGE_HEAD "  response_limit: "

static const struct {
	const char *text;
	const char *messages[3]; /* all that are logged, in order; see reads_as() */
} bad[] = {
	/* Nothing to do. */
	{ "", { "1: the file is empty" } },
	{ "# only a comment\n\n", { "1: the file is empty" } },
	{ "---\n",
	  { "2: \"\" stands where a block of keys belongs: edge, enforce, return, limits" } },
	{ "hello\n", { "1: \"hello\" stands where a block of keys belongs" } },
	{ "- edge\n", { "1: this stands where a block of keys belongs" } },
	{ "{}\n", { "1: no service" } },
	{ "edge: []\nenforce: []\nreturn: []\n",
	  { "1: no service; the file needs an entry in edge, enforce or return" } },
	{ "limits: { clients: 10 }\n", { "1: no service" } },

	/* Not YAML, or not what we take of it. */
	{ "edge:\n  - name: [a\n    interface: eth0\n", { "3: this is not YAML" } },
	{ "edge:\n\t- name: a\n",
	  { "2: this is not YAML..."
	    "spaces" } },
	{ "edge:\n- name: \"a\n", { "3: this is not YAML" } },
	{ "edge:\n- name: \xff\xfe\n", { "2: this is not plain text in UTF-8" } },
	{ "edge:\n- name: \"a\\0b\"\n", { "2: a value has a line break or another control" } },
	{ "edge:\n- name: |\n    a\n    b\n", { "2: a value has a line break" } },
	{ "edge:\n- &e { name: a }\n- *e\n", { "2: anchors (&) are not accepted" } },
	{ "enforce:\n- name: a\n  interface: *ppp\n", { "3: aliases (*) are not accepted" } },
	{ "edge:\n- name: !!str a\n", { "2: tags (!) are not accepted" } },
	{ EDGE "---\n" EDGE, { "2: a second document begins here" } },
	{ "edge:\n- [[[[[[[[[[1]]]]]]]]]]\n", { "2: nested deeper" } },

	/* Keys. */
	{ EDGE "limit: {}\n",
	  { "2: limit: unknown key; did you mean \"limits\"? Keys here: "
	    "edge, enforce, return, limits" } },
	{ EDGE_HEAD "  adress: [198.51.100.1]\n" BACKENDS,
	  { "4: edge[0].adress: unknown key; did you mean \"address\"?..."
	    "Keys here: name, " } },
	{ EDGE_HEAD "  wurst: 1\n" BACKENDS,
	  { "4: edge[0].wurst: unknown key; keys here: name, interface, address, tunnel, source, "
	    "keep_source, backends, client_ip, on_down, rate_limit, tcp_limit, response_limit, any, "
	    "health" } },
	{ EDGE_HEAD BACKENDS "  tunnel: wg0\n  tunnel: wg1\n",
	  { "6: edge[0].tunnel: is given twice, with the first value in line 5" } },
	{ EDGE_HEAD BACKENDS "  address: 198.51.100.1\n  address: 198.51.100.2\n",
	  { "6: edge[0].address: is given twice, with the first value in line 5" } },
	{ EDGE_HEAD BACKENDS "  [a, b]: 1\n", { "5: edge[0]: a list or a block where a key" } },
	{ EDGE_HEAD BACKENDS "  \"x\\ty\": 1\n", { "5: a value has a line break or another" } },
	{ EDGE_HEAD BACKENDS "  <<: { tunnel: wg0 }\n", { "5: edge[0].<<: unknown key" } },
	{ EDGE "2: 3\nx: 4\n", { "2: 2: unknown key", "3: x: unknown key" } },
	{ EDGE_HEAD "  backends:\n  - address: 10.0.0.1\n    udp: 53\n    port: 53\n",
	  { "7: edge[0].backends[0].port: unknown key..."
	    "address, udp, tcp, weight" } },
	{ EDGE "export:\n  prometheus: 1\n",
	  { "3: export.prometheus: unknown key; keys here: metrics, top_clients, dnstap" } },
#if EDGE53_WITH_METRICS
	{ EDGE "export:\n  metrics: 9453\n",
	  { "3: export.metrics: 9453 is not an address with a port" } },
	{ EDGE "export:\n  metrics: 127.0.0.1\n",
	  { "3: export.metrics: \"127.0.0.1\" is not an address with a port" } },
	{ EDGE "export:\n  metrics: ::1:9453\n",
	  { "3: export.metrics: \"::1:9453\" is not an address with a port" } },
	{ EDGE "export:\n  metrics: \"[127.0.0.1]:9453\"\n",
	  { "3: export.metrics: ...is not an address with a port" } },
	{ EDGE "export:\n  metrics: \"[::1\"\n",
	  { "3: export.metrics: ...is not an address with a port" } },
	{ EDGE "export:\n  metrics: \"[]:1\"\n",
	  { "3: export.metrics: ...is not an address with a port" } },
	{ EDGE "export:\n  metrics: localhost:9453\n",
	  { "3: export.metrics: ...has a host name in it" } },
	{ EDGE "export:\n  metrics: 127.0.0.1:0\n",
	  { "3: export.metrics: ...has no port from 1 to 65535" } },
	{ EDGE "export:\n  metrics: 127.0.0.1:65536\n",
	  { "3: export.metrics: ...has no port from 1 to 65535" } },
	{ EDGE "export:\n  metrics: 127.0.0.1:http\n",
	  { "3: export.metrics: ...has no port from 1 to 65535" } },
	{ EDGE "export:\n  metrics: 239.1.1.1:9453\n",
	  { "3: export.metrics: ...no address that a connection can be made to" } },
	{ EDGE "export:\n  metrics: [127.0.0.1]\n",
	  { "3: export.metrics: a list or a block stands where a single value" } },
	{ EDGE "export:\n  metrics: 127.0.0.1:9453\n  top_clients: 1001\n",
	  { "4: export.top_clients: 1001 is not off or a number of clients (0-1000)" } },
#else
	{ EDGE "export:\n  metrics: 127.0.0.1:9453\n",
	  { "3: export.metrics: this edge53 was built without metrics" } },
#endif
	{ EDGE "export:\n  top_clients: 5\n",
	  { "3: export.top_clients: is about metrics, and there is no" } },

/* export.dnstap. */
#if EDGE53_WITH_DNSTAP
	{ EXPORT "{}",
	  { "3: export.dnstap: needs one of socket (of a collector, such as /run/dnstap.sock) and file" } },
	{ EXPORT "{ sample: 1 }", { "3: export.dnstap: needs one of socket" } },
	{ EXPORT "{ socket: /a, file: /b }",
	  { "3: export.dnstap.file: socket and file are both given; remove one" } },
	{ EXPORT "{ socket: tap.sock }",
	  { "3: export.dnstap.socket: \"tap.sock\" is not a path that begins with / and ends with a name" } },
	{ EXPORT "{ file: /var/log/ }", { "3: export.dnstap.file: \"/var/log/\" is not a path" } },
	{ EXPORT "{ file: '' }", { "3: export.dnstap.file: \"\" is not a path" } },
	{ EXPORT "{ socket: /0123456789012345678901234567890123456789012345678901234567890123456789"
		 "01234567890123456789012345678901234567 }",
	  { "3: export.dnstap.socket: \"/012345678..."
	    "is too long; at most 107 bytes are possible" } },
	{ EXPORT "{ file: /tap, sample: 0 }",
	  { "3: export.dnstap.sample: 0 is not a number: one message in so many (1-1000000)" } },
	{ EXPORT "{ file: /tap, rate: 5 }",
	  { "3: export.dnstap.rate: unknown key; keys here: socket, file, sample, identity" } },
	{ EXPORT "tap.sock",
	  { "3: export.dnstap: \"tap.sock\" stands where a block of keys belongs" } },
#else
	{ EXPORT "{ file: /tap }", { "3: export.dnstap: this edge53 was built without dnstap" } },
#endif

	{ RATE "{ burst: 5 }\n" BACKENDS, { "4: edge[0].rate_limit.qps: is missing" } },
	{ RATE "200\n" BACKENDS,
	  { "4: edge[0].rate_limit: 200 stands where a block of keys belongs" } },
	{ RATE "{ qps: 5, slip: 0 }\n" BACKENDS,
	  { "4: edge[0].rate_limit.slip: 0 is not a number of queries (1-100)" } },
	{ RATE "{ qps: 0, burst: 0, over: refuse }\n" BACKENDS,
	  { "4: edge[0].rate_limit.qps: 0 is not a number of queries per second (1-1000000)",
	    "4: edge[0].rate_limit.burst: 0 is not a number of queries (1-1000000)",
	    "4: edge[0].rate_limit.over: \"refuse\" is not truncate or drop" } },
	{ RATE "{ qps: 5, over: drop, slip: 2 }\n" BACKENDS,
	  { "4: edge[0].rate_limit.slip: nothing is truncated with over: drop; leave one of them out" } },
	{ RATE "{ qps: 5, prefix: { ipv4: 33 }, proven: 0s }\n" BACKENDS,
	  { "4: edge[0].rate_limit.prefix.ipv4: 33 is not a number of bits (1-32)",
	    "4: edge[0].rate_limit.proven: \"0s\" is not a duration from 1s to 1h, such as 10s or 2m" } },
	{ RATE "{ qps: 5, exempt: [printer] }\n" BACKENDS,
	  { "4: edge[0].rate_limit.exempt[0]: \"printer\" is a host name..." } },
	{ RATE "{ qps: 5, bursts: 7 }\n" BACKENDS,
	  { "4: edge[0].rate_limit.bursts: unknown key; did you mean \"burst\"? Keys here: qps, "
	    "burst, over, slip, prefix, proven, exempt" } },
	{ TCP "{ prefix: { ipv4: 32 } }\n" BACKENDS,
	  { "4: edge[0].tcp_limit: limits nothing; it needs one at least of new_per_second, open and syn_cookies" } },
	{ TCP "20\n" BACKENDS,
	  { "4: edge[0].tcp_limit: 20 stands where a block of keys belongs" } },
	{ TCP "{ open: 5, burst: 7 }\n" BACKENDS,
	  { "4: edge[0].tcp_limit.burst: is the burst of new_per_second, which is missing" } },
	{ TCP "{ new_per_second: 0, burst: 0, open: 65536 }\n" BACKENDS,
	  { "4: edge[0].tcp_limit.new_per_second: 0 is not a number of connections per second (1-1000000)",
	    "4: edge[0].tcp_limit.burst: 0 is not a number of connections (1-1000000)",
	    "4: edge[0].tcp_limit.open: 65536 is not a number of connections (1-65535)" } },
	{ TCP "{ open: 5, prefix: { ipv6: 129 }, exempt: [printer] }\n" BACKENDS,
	  { "4: edge[0].tcp_limit.prefix.ipv6: 129 is not a number of bits (1-128)",
	    "4: edge[0].tcp_limit.exempt[0]: \"printer\" is a host name..." } },
	{ TCP "{ opens: 7 }\n" BACKENDS,
	  { "4: edge[0].tcp_limit.opens: unknown key; did you mean \"open\"? Keys here: new_per_second, "
	    "burst, open, syn_cookies, prefix, exempt" } },
	{ TCP "{ syn_cookies: {} }\n" BACKENDS, { "4: edge[0].tcp_limit.syn_cookies.above: is missing" } },
	{ TCP "{ syn_cookies: { above: 0 } }\n" BACKENDS,
	  { "4: edge[0].tcp_limit.syn_cookies.above: 0 is not a number of SYNs per second (1-10000000)" } },
	{ RESPONSE "{ burst: 5000 }\n" BACKENDS,
	  { "4: edge[0].response_limit.bytes_per_second: is missing" } },
	{ RESPONSE "{ bytes_per_second: 0, burst: 511 }\n" BACKENDS,
	  { "4: edge[0].response_limit.bytes_per_second: 0 is not a number of bytes per second (1-500000000)",
	    "4: edge[0].response_limit.burst: 511 is not a number of bytes (512-500000000)" } },
	{ RESPONSE "{ bytes_per_second: 1, over: drop }\n" BACKENDS,
	  { "4: edge[0].response_limit.over: unknown key; keys here: bytes_per_second, burst, prefix, "
	    "proven, exempt" } },
	{ RESPONSE "{ bytes_per_second: 1, exempt: [printer] }\n" BACKENDS,
	  { "4: edge[0].response_limit.exempt[0]: \"printer\" is a host name..." } },
	{ EDGE_HEAD "  any: drop\n" BACKENDS,
	  { "4: edge[0].any: \"drop\" is not pass or truncate" } },
	{ EDGE "limits:\n  client_prefix: { ipv4: 33 }\n",
	  { "3: limits.client_prefix.ipv4: 33 is not a number of bits (1-32)" } },
	{ EDGE "limits:\n  client_prefix: { ipv4: 0, ipv6: 129 }\n",
	  { "3: limits.client_prefix.ipv4: 0 is not a number of bits (1-32)",
	    "3: limits.client_prefix.ipv6: 129 is not a number of bits (1-128)" } },
	{ EDGE "limits:\n  client_prefix: { ipv6: /64 }\n",
	  { "3: limits.client_prefix.ipv6: \"/64\" is not a number of bits (1-128)" } },
	{ EDGE "limits:\n  client_prefix: { ipv5: 8 }\n",
	  { "3: limits.client_prefix.ipv5: unknown key; did you mean \"ipv4\"?" } },
	{ EDGE "limits:\n  client_prefix: 24\n", { "3: limits.client_prefix: 24" } },

	/* Health. */
	{ EDGE_HEAD "  on_down: nxdomain\n" BACKENDS,
	  { "4: edge[0].on_down: \"nxdomain\" is not pass, drop or servfail" } },
	{ ENFORCE_HEAD "  on_down: servfail\n",
	  { "5: enforce[0].on_down: \"servfail\" is not pass or drop" } },
	{ EDGE_HEAD "  health: on\n" BACKENDS,
	  { "4: edge[0].health: \"on\" is not off, or a block such as { name: example.com" } },
	{ EDGE_HEAD "  health: [off]\n" BACKENDS, { "4: edge[0].health: this is not off" } },
	{ ENFORCE_HEAD "  health: ''\n", { "5: enforce[0].health: \"\" is not off" } },
	{ EDGE_HEAD "  health: { nam: a, [b]: 1 }\n" BACKENDS,
	  { "4: edge[0].health.nam: unknown key; keys here: name, type, interval, rise, fall",
	    "4: edge[0].health: unknown key" } },
	{ EDGE_HEAD "  health: { rise: 1, rise: 2, fall: [3] }\n" BACKENDS,
	  { "4: edge[0].health.rise: is given twice",
	    "4: edge[0].health.fall: a list or a block stands where a single value belongs" } },
	{ EDGE_HEAD "  health: { name: a..b, type: SOA }\n" BACKENDS,
	  { "4: edge[0].health.name: \"a..b\" is not a DNS name such as example.com" } },
	{ EDGE_HEAD "  health: { name: '' }\n" BACKENDS,
	  { "4: edge[0].health.name: \"\" is not a" } },
	{ EDGE_HEAD "  health: { name: 'ex ample.com' }\n" BACKENDS,
	  { "4: edge[0].health.name: \"ex ample.com\" is not a DNS name" } },
	{ EDGE_HEAD "  health: { name: example.com, type: 6 }\n" BACKENDS,
	  { "4: edge[0].health.type: 6 is no type that is asked for: A, AAAA, CNAME" } },
	{ EDGE_HEAD "  health: { type: SOA }\n" BACKENDS,
	  { "4: edge[0].health.type: is the type of no name; give name, too" } },
	{ EDGE_HEAD "  health: { interval: 2, rise: 0, fall: 101 }\n" BACKENDS,
	  { "4: edge[0].health.interval: 2 has no unit: 2s or 2ms?",
	    "4: edge[0].health.rise: 0 is not a number of good answers (1-100)",
	    "4: edge[0].health.fall: 101 is not a number of failures (1-100)" } },
	{ EDGE_HEAD "  health: { interval: 50ms }\n" BACKENDS,
	  { "4: edge[0].health.interval: \"50ms\" is not a duration from 100ms to 1h" } },

	/* keep_source and return. */
	{ EDGE_HEAD "  keep_source: 192.168.1.0/16\n  tunnel: wg0\n" BACKENDS,
	  { "4: edge[0].keep_source: \"192.168.1.0/16\" is not a prefix" } },
	{ EDGE_HEAD "  keep_source: [10.0.0.0/8, eth0, '::/0']\n" BACKENDS,
	  { "4: edge[0].keep_source[1]: \"eth0\" is",
	    "4: edge[0].keep_source[2]: \"::/0\" contains the IPv4-mapped addresses" } },
	{ EDGE_HEAD "  keep_source: { a: b }\n" BACKENDS,
	  { "4: edge[0].keep_source: a list or a block" } },
	{ ENFORCE_HEAD "  keep_source: [10.0.0.0/8]\n",
	  { "5: enforce[0].keep_source: is a key of edge services; the resolver of an enforce service "
	    "sees each client's own address" } },
	{ "return: { tunnel: wg0 }\n", { "1: return: this stands where a list belongs" } },
	{ "return: [wg0]\n",
	  { "1: return[0]: \"wg0\" stands where a block of keys belongs: tunnel, uplink, udp, tcp" } },
	{ "return:\n- { tunnel: wg0, uplink: eth0, udp: 53, port: 53 }\n",
	  { "2: return[0].port: unknown key; keys here: tunnel, uplink, udp, tcp" } },
	{ "return:\n- { udp: 53 }\n",
	  { "2: return[0].tunnel: is missing", "2: return[0].uplink: is missing" } },
	{ "return:\n- { tunnel: wg0, uplink: eth0 }\n",
	  { "2: return[0]: without udp and without tcp there is nothing to return; give the port" } },
	{ "return:\n- { tunnel: \"wg*\", uplink: eth0, udp: 53 }\n",
	  { "2: return[0].tunnel: \"wg*\" is a pattern; it is one device, name that one" } },
	{ "return:\n- tunnel: wg0\n  uplink: \"eth?\"\n  udp: 0\n",
	  { "3: return[0].uplink: \"eth?\" is a pattern", "4: return[0].udp: 0 is not a port" } },
	{ "return:\n- { tunnel: wg0, uplink: wg0, tcp: 53 }\n",
	  { "2: return[0].uplink: \"wg0\" is the tunnel, too; replies that leave by the tunnel need no "
	    "return" } },
	{ "return:\n- { tunnel: wg0, uplink: eth0, udp: 53, tcp: 53 }\n"
	  "- { tunnel: wg0, uplink: eth0, udp: 5353, tcp: 53 }\n",
	  { "3: return[1]: a port of it is that of return[0] in line 2 already, with the same tunnel "
	    "and uplink" } },

	/* The wrong kind of thing. */
	{ "edge: { name: a }\n", { "1: edge: this stands where a list belongs" } },
	{ "edge:\n", { "1: edge: \"\" stands where a list belongs" } },
	{ "edge: [eth0]\n",
	  { "1: edge[0]: \"eth0\" stands where a block of keys belongs: name, " } },
	{ EDGE_HEAD "  tunnel: [wg0]\n" BACKENDS,
	  { "4: edge[0].tunnel: a list or a block stands" } },
	{ EDGE_HEAD "  backends: 10.0.0.1\n",
	  { "4: edge[0].backends: \"10.0.0.1\" stands where a list belongs" } },
	{ EDGE_HEAD "  address: { a: b }\n" BACKENDS, { "4: edge[0].address: a list or a block" } },
	{ EDGE_HEAD "  address: [[198.51.100.1]]\n" BACKENDS,
	  { "4: edge[0].address[0]: a list or a block" } },
	{ EDGE_HEAD "  client_ip: [none]\n" BACKENDS,
	  { "4: edge[0].client_ip: this is not none" } },
	{ EDGE_HEAD "  client_ip: proxy-v1\n" BACKENDS,
	  { "4: edge[0].client_ip: \"proxy-v1\" is not none or proxy-v2; one word is for UDP and "
	    "TCP, a block such as { udp: proxy-v2, tcp: none } for each" } },
	{ EDGE_HEAD "  client_ip:\n" BACKENDS, { "4: edge[0].client_ip: \"\" is not none or" } },
	{ EDGE_HEAD "  client_ip:\n    udp: proxy-v2\n    tcp: yes\n" BACKENDS,
	  { "6: edge[0].client_ip.tcp: \"yes\" is not none or proxy-v2" } },
	{ EDGE_HEAD "  client_ip: { dns: none }\n" BACKENDS,
	  { "4: edge[0].client_ip.dns: unknown key; keys here: udp, tcp" } },
	{ EDGE_HEAD "  client_ip:\n    udp: none\n    [tcp]: none\n    udp: proxy-v2\n" BACKENDS,
	  { "6: edge[0].client_ip: unknown key; keys here: udp, tcp",
	    "7: edge[0].client_ip.udp: is given twice, with the first value in line 5" } },
	{ ENFORCE_HEAD "  client_ip: proxy-v2\n",
	  { "5: enforce[0].client_ip: is a key of edge services; the resolver of an enforce service "
	    "sees each client's own address, and needs no PROXY header" } },
	{ EDGE_PROXY "limits: { backend_udp_size: 511 }\n",
	  { "2: limits.backend_udp_size: 511 is not a number of bytes (512-65535)" } },
	{ EDGE_PROXY "limits: { backend_udp_size: 65536 }\n",
	  { "2: limits.backend_udp_size: 65536 is not a number of bytes" } },
	{ EDGE "limits: { backend_udp_size: 1232 }\n",
	  { "2: limits.backend_udp_size: 1232 would have no effect: it is for queries with a PROXY "
	    "header, and no edge service has client_ip.udp: proxy-v2" } },
	{ ENFORCE_HEAD "  exempt:\n  - { a: b }\n",
	  { "6: enforce[0].exempt[0]: a list or a block" } },
	{ EDGE_HEAD "  source: { a: b }\n" BACKENDS, { "4: edge[0].source: a list or a block" } },
	{ EDGE_HEAD "  source: []\n" BACKENDS,
	  { "4: edge[0].source: 0 addresses; one, or a list of one IPv4 and one IPv6 address" } },
	{ EDGE_HEAD "  source: [10.0.0.2, 'fd00::2', 10.0.0.3]\n" BACKENDS,
	  { "4: edge[0].source: 3 addresses; one, or a list" } },
	{ ENFORCE_HEAD "  doh: [9.9.9.9]\n",
	  { "5: enforce[0].doh: this stands where a block of keys belongs: addresses, file, action" } },
	{ ENFORCE_HEAD "  doh: { file: [a] }\n", { "5: enforce[0].doh.file: a list or a block" } },
	{ ENFORCE_HEAD "  doh: { addresses: [[9.9.9.9]] }\n",
	  { "5: enforce[0].doh.addresses[0]: a list or a block" } },
	{ ENFORCE_HEAD "  doh: { address: 9.9.9.9 }\n",
	  { "5: enforce[0].doh.address: unknown key; did you mean \"addresses\"?" } },
	{ ENFORCE_HEAD "  resolver6: ['fd77::1']\n",
	  { "5: enforce[0].resolver6: a list or a block" } },

	/* Names and devices. */
	{ "edge:\n- interface: eth0\n" BACKENDS, { "2: edge[0].name: is missing" } },
	{ "edge:\n- name: a\n" BACKENDS, { "2: edge[0].interface: is missing" } },
	{ "edge:\n- name: a b\n  interface: eth0\n" BACKENDS,
	  { "2: edge[0].name: \"a b\" is not a name: 1 to 31 letters" } },
	{ "edge:\n- name: a234567890123456789012345678901x\n  interface: eth0\n" BACKENDS,
	  { "2: edge[0].name: \"a234567890123456789012345678901x\" is not a name" } },
	{ "edge:\n- name:\n  interface: eth0\n" BACKENDS,
	  { "2: edge[0].name: \"\" is not a name" } },
	{ "edge:\n- name: \xc3\xa9\n  interface: eth0\n" BACKENDS,
	  { "2: edge[0].name: \"\\xc3\\xa9\" is not a name" } },
	{ "edge:\n- name: a\n  interface: a234567890123456\n" BACKENDS,
	  { "3: edge[0].interface: \"a234567890123456\" is not the name of a device: they have 1 "
	    "to 15" } },
	{ "edge:\n- name: a\n  interface: ../x\n" BACKENDS,
	  { "3: edge[0].interface: \"../x\" is not the name of a device: \"/\"" } },
	{ "edge:\n- name: a\n  interface: eth 0\n" BACKENDS,
	  { "3: edge[0].interface: \"eth 0\" is not the name of a device" } },
	{ "edge:\n- name: a\n  interface: ..\n" BACKENDS,
	  { "3: edge[0].interface: \"..\" is not the name of a device" } },
	{ EDGE_HEAD "  tunnel: wg*\n" BACKENDS, { "4: edge[0].tunnel: \"wg*\" is a pattern" } },
	{ EDGE_HEAD "  tunnel: ''\n" BACKENDS, { "4: edge[0].tunnel: \"\" is not the name of" } },

	/* Addresses. */
	{ EDGE_HEAD "  backends:\n  - address: dns.example.com\n    udp: 53\n",
	  { "5: edge[0].backends[0].address: \"dns.example.com\" is a host name..."
	    "may need the very DNS server this file describes" } },
	{ EDGE_HEAD "  backends:\n  - address: localhost:53\n    udp: 53\n",
	  { "5: edge[0].backends[0].address: \"localhost:53\" is a host name" } },
	{ EDGE_HEAD "  address:\n  - 198.51.100.1\n  - ns1\n" BACKENDS,
	  { "6: edge[0].address[1]: \"ns1\" is a host name" } },
	{ EDGE_HEAD "  source: gateway\n" BACKENDS,
	  { "4: edge[0].source: \"gateway\" is a host" } },
	{ "enforce:\n- name: a\n  interface: ppp*\n  resolver: resolver.lan\n",
	  { "4: enforce[0].resolver: \"resolver.lan\" is a host name" } },
	{ ENFORCE_HEAD "  exempt: [10.77.0.5, printer]\n",
	  { "5: enforce[0].exempt[1]: \"printer\" is a host name" } },
	{ EDGE_HEAD "  backends:\n  - address: 10.0.0.1:53\n    udp: 53\n",
	  { "5: edge[0].backends[0].address: \"10.0.0.1:53\" has a port or brackets in it" } },
	{ EDGE_HEAD "  address: 198.51.100.256\n" BACKENDS,
	  { "4: edge[0].address: \"198.51.100.256\" is not an IPv4 address: four numbers" } },
	{ EDGE_HEAD "  address: 198.51.100.0/24\n" BACKENDS,
	  { "4: edge[0].address: \"198.51.100.0/24\" is a prefix; an address is needed" } },
	{ EDGE_HEAD "  address: []\n" BACKENDS, { "4: edge[0].address: 0 addresses; 1 to" } },
	{ EDGE_HEAD "  address: ''\n" BACKENDS, { "4: edge[0].address: \"\" is not an IPv4" } },
	{ EDGE_HEAD "  address: [0.0.0.0, 239.0.0.1, 255.255.255.255]\n" BACKENDS,
	  { "4: edge[0].address[0]: \"0.0.0.0\" is no host's address",
	    "4: edge[0].address[1]: \"239.0.0.1\" is a multicast address",
	    "4: edge[0].address[2]: \"255.255.255.255\" is the broadcast address" } },
	{ "enforce:\n- name: a\n  interface: ppp*\n  resolver: 0.0.0.0\n",
	  { "4: enforce[0].resolver: \"0.0.0.0\" is no host's address" } },
	{ "enforce:\n- name: a\n  interface: ppp*\n  resolver: 224.0.0.251\n",
	  { "4: enforce[0].resolver: \"224.0.0.251\" is a multicast address" } },
	{ "enforce:\n- name: a\n  interface: ppp*\n  resolver: 127.0.0.53\n",
	  { "4: enforce[0].resolver: \"127.0.0.53\" is a loopback address" } },
	{ "enforce:\n- name: a\n  interface: ppp*\n", { "2: enforce[0].resolver: is missing" } },
	{ ENFORCE_HEAD "  exempt: [10.77.0.0/33]\n",
	  { "5: enforce[0].exempt[0]: \"10.77.0.0/33\" is not a prefix: its length is at most 32 bits "
	    "(IPv6: 128)" } },
	{ ENFORCE_HEAD "  exempt:\n  - 10.77.0.5/16\n",
	  { "6: enforce[0].exempt[0]: \"10.77.0.5/16\" is not a prefix" } },
	{ ENFORCE_HEAD "  exempt: 10.77.0.0/\n",
	  { "5: enforce[0].exempt: \"10.77.0.0/\" is not an IPv4 or IPv6 address or prefix such as" } },

	/* IPv6. */
	{ EDGE_HEAD "  address: ['2001:db8::1::2', '2001:db8', 'fd00::g']\n" BACKENDS,
	  { "4: edge[0].address[0]: \"2001:db8::1::2\" is not an IPv6 address such as 2001:db8::53",
	    "4: edge[0].address[1]: \"2001:db8\" has a port or brackets in it",
	    "4: edge[0].address[2]: \"fd00::g\" is not an IPv6 address" } },
	{ EDGE_HEAD "  address: ['[2001:db8::1]:53', 'fe80::1%eth0', 'fe80::1']\n" BACKENDS,
	  { "4: edge[0].address[0]: \"[2001:db8::1]:53\" has a port or brackets in it",
	    "4: edge[0].address[1]: \"fe80::1%eth0\" names a device",
	    "4: edge[0].address[2]: \"fe80::1\" is a link-local address" } },
	{ EDGE_HEAD "  backends:\n  - { address: '::', udp: 53 }\n  - { address: '::1', udp: 53 }\n"
		    "  - { address: 'ff02::1', udp: 53 }\n",
	  { "5: edge[0].backends[0].address: \"::\" is no host's address",
	    "6: edge[0].backends[1].address: \"::1\" is the loopback address",
	    "7: edge[0].backends[2].address: \"ff02::1\" is a multicast address" } },
	{ EDGE_HEAD "  source: [10.0.0.2, 10.0.0.3]\n" BACKENDS,
	  { "4: edge[0].source[1]: \"10.0.0.3\" is the second of its family" } },
	{ EDGE_HEAD "  source: fd00::1\n" BACKENDS,
	  { "4: edge[0].source: \"fd00::1\" is IPv6, and no backend here is" } },
	{ EDGE_HEAD "  source: [10.0.0.2, 'fd00::1']\n"
		    "  backends: [{ address: 'fd00::2', udp: 53 }]\n",
	  { "4: edge[0].source[0]: \"10.0.0.2\" is IPv4, and no backend here is" } },
	{ "enforce:\n- name: a\n  interface: ppp*\n  resolver: fd00::1\n",
	  { "4: enforce[0].resolver: \"fd00::1\" is IPv6; IPv4 queries need an IPv4 address" } },
	{ ENFORCE_HEAD "  ipv6: redirect\n  resolver6: 10.77.0.1\n",
	  { "6: enforce[0].resolver6: \"10.77.0.1\" is IPv4; resolver6 answers IPv6 queries" } },
	{ ENFORCE_HEAD "  ipv6: redirect\n  resolver6: fe80::1\n",
	  { "6: enforce[0].resolver6: \"fe80::1\" is a link-local address" } },
	{ ENFORCE_HEAD "  ipv6: redirect\n",
	  { "5: enforce[0].ipv6: \"redirect\" needs a resolver6" } },
	{ ENFORCE_HEAD "  resolver6: fd77::1\n",
	  { "5: enforce[0].resolver6: \"fd77::1\" would never be asked: that takes ipv6: redirect" } },
	{ ENFORCE_HEAD "  exempt: ['fd00::/129', 'fd00::1/64']\n",
	  { "5: enforce[0].exempt[0]: \"fd00::/129\" is not a prefix",
	    "5: enforce[0].exempt[1]: \"fd00::1/64\" is not a prefix" } },
	{ ENFORCE_HEAD "  exempt: ['::/0', '::/80']\n",
	  { "5: enforce[0].exempt[0]: \"::/0\" contains the IPv4-mapped addresses...2000::/3",
	    "5: enforce[0].exempt[1]: \"::/80\" contains the IPv4-mapped addresses" } },
	{ ENFORCE_HEAD "  exempt: ['::8000:0:0/81', '::fffe:0:0/95', '::/81', '::fffe:0:0/96']\n",
	  { "5: enforce[0].exempt[0]: \"::8000:0:0/81\" contains the IPv4-mapped addresses",
	    "5: enforce[0].exempt[1]: \"::fffe:0:0/95\" contains the IPv4-mapped addresses" } },

	/* DoH. */
	{ ENFORCE_HEAD "  doh: {}\n", { "5: enforce[0].doh: neither addresses nor file" } },
	{ ENFORCE_HEAD "  doh: { action: reject }\n",
	  { "5: enforce[0].doh: neither addresses nor" } },
	{ ENFORCE_HEAD "  doh: { addresses: 9.9.9.9, action: pass }\n",
	  { "5: enforce[0].doh.action: \"pass\" is not reject or drop" } },
	{ ENFORCE_HEAD "  doh: { file: '' }\n", { "5: enforce[0].doh.file: no name of a file" } },
	{ ENFORCE_HEAD "  doh:\n    addresses:\n    - dns.google\n",
	  { "7: enforce[0].doh.addresses[0]: \"dns.google\" is a host name" } },

	/* Backends. */
	{ EDGE_HEAD, { "2: edge[0].backends: is missing" } },
	{ EDGE_HEAD "  backends: []\n", { "4: edge[0].backends: 0 backends; 1 to 255" } },
	{ EDGE_HEAD "  backends:\n  - udp: 53\n",
	  { "5: edge[0].backends[0].address: is missing" } },
	{ EDGE_HEAD "  backends:\n  - address: 10.0.0.1\n",
	  { "5: edge[0].backends[0]: a backend without udp and without tcp" } },
	{ "edge:\n- name: a\n  interface: eth0\n  backends:\n  - address: 10.0.0.1\n    tcp: 53\n"
	  "    udp: 70000\n",
	  { "7: edge[0].backends[0].udp: 70000 is not a port (1-65535)" } },
	{ EDGE_HEAD "  backends: [{address: 10.0.0.1, udp: 0, tcp: -1, weight: 0}]\n",
	  { "4: edge[0].backends[0].udp: 0 is not a port (1-65535)",
	    "4: edge[0].backends[0].tcp: \"-1\" is not a port",
	    "4: edge[0].backends[0].weight: 0 is not a weight (1-1000)" } },
	{ EDGE_HEAD "  backends: [{address: 10.0.0.1, udp: 053, tcp: 0x35, weight: 1001}]\n",
	  { "4: edge[0].backends[0].udp: 053 is not a port",
	    "4: edge[0].backends[0].tcp: \"0x35\" is not a port",
	    "4: edge[0].backends[0].weight: 1001 is not a weight" } },
	{ EDGE_HEAD "  backends: [{address: 10.0.0.1, udp: 4294967349, tcp: domain}]\n",
	  { "4: edge[0].backends[0].udp: 4294967349 is not a port",
	    "4: edge[0].backends[0].tcp: \"domain\" is not a port" } },
	{ EDGE_HEAD "  backends: [{address: 10.0.0.1, udp: , tcp: 53.0}]\n",
	  { "4: edge[0].backends[0].udp: \"\" is not a port",
	    "4: edge[0].backends[0].tcp: \"53.0\" is not a port" } },

	/* Words. */
	{ EDGE_HEAD "  on_down: Pass\n" BACKENDS,
	  { "4: edge[0].on_down: \"Pass\" is not pass, drop or" } },
	{ ENFORCE_HEAD "  ipv6: accept\n  dot: no\n  on_down: reject\n",
	  { "5: enforce[0].ipv6: \"accept\" is not drop, redirect or pass",
	    "6: enforce[0].dot: \"no\" is not reject, drop or pass",
	    "7: enforce[0].on_down: \"reject\" is not pass or drop" } },
	{ ENFORCE_HEAD "  guard: on\n",
	  { "5: enforce[0].guard: \"on\" is not count, drop or off" } },

	/* Limits. */
	{ EDGE "limits:\n  udp_slots: 200000\n",
	  { "3: limits.udp_slots: 200000 is not a power of two; 131072 and 262144 are" } },
	{ EDGE "limits:\n  udp_slots: 512\n",
	  { "3: limits.udp_slots: 512 is not a number of slots (1024-16777216)" } },
	{ EDGE "limits:\n  udp_slots: 33554432\n", { "3: limits.udp_slots: 33554432 is not a" } },
	{ EDGE "limits:\n  tcp_connections: 15\n",
	  { "3: limits.tcp_connections: 15 is not a number of connections (16-65536)" } },
	{ EDGE "limits:\n  tcp_connections: 16385\n",
	  { "3: limits.tcp_connections: 16385 connections need as many ports..."
	    "gives 16384" } },
	{ EDGE "limits:\n  ports: 16384-40000\n  tcp_connections: 20000\n",
	  { "4: limits.tcp_connections: 20000 connections need as many ports..."
	    "gives 16384" } },
	{ EDGE "limits:\n  clients: 0\n  udp_timeout: 10\n",
	  { "3: limits.clients: 0 is not a number of clients (1-16777216)",
	    "4: limits.udp_timeout: 10 has no unit: 10s or 10ms?" } },
	{ EDGE "limits:\n  clients: 16777217\n  udp_timeout: 99ms\n",
	  { "3: limits.clients: 16777217 is not", "4: limits.udp_timeout: \"99ms\" is not a" } },
	{ EDGE "limits:\n  udp_timeout: 2h\n",
	  { "3: limits.udp_timeout: \"2h\" is not a duration" } },
	{ EDGE "limits:\n  udp_timeout: 999999999h\n",
	  { "3: limits.udp_timeout: \"999999999h\"" } },
	{ EDGE "limits:\n  udp_timeout: 1.5s\n", { "3: limits.udp_timeout: \"1.5s\" is not a" } },
	{ EDGE "limits:\n  udp_timeout: fast\n", { "3: limits.udp_timeout: \"fast\" is not a" } },
	{ EDGE "limits:\n  ports: 16384\n",
	  { "3: limits.ports: 16384 is not a range of ports such as 16384-32767" } },
	{ EDGE "limits:\n  ports: 1023-32767\n",
	  { "3: limits.ports: \"1023-32767\" is not a range of at least 1024 ports from 1024 to" } },
	{ EDGE "limits:\n  ports: 16384-65536\n", { "3: limits.ports: \"16384-65536\" is not a" } },
	{ EDGE "limits:\n  ports: 32767-16384\n", { "3: limits.ports: \"32767-16384\" is not a" } },
	{ EDGE "limits:\n  ports: 16384-17406\n", { "3: limits.ports: \"16384-17406\" is not a" } },
	{ EDGE "limits:\n  ports: 16384 - 32767\n",
	  { "3: limits.ports: \"16384 - 32767\" is not" } },
	{ EDGE "limits: 10\n", { "2: limits: 10 stands where a block of keys belongs" } },

	/* Things that do not fit together. */
	{ EDGE_HEAD BACKENDS "enforce:\n- { name: a, interface: ppp*, resolver: 10.77.0.1 }\n",
	  { "6: enforce[0].name: \"a\" is the name of edge[0] in line 2 already" } },
	{ EDGE_HEAD "  address: [198.51.100.1, 198.51.100.1]\n" BACKENDS,
	  { "4: edge[0].address[1]: \"198.51.100.1\" is taken on interface eth0 by "
	    "edge[0].address[0] in line 4" } },
	{ EDGE_HEAD "  address: [198.51.100.1]\n" BACKENDS
		    "- name: b\n  interface: eth0\n  address: 198.51.100.1\n" BACKENDS,
	  { "8: edge[1].address: \"198.51.100.1\" is taken on interface eth0 by edge[0].address[0] "
	    "in line 4 already" } },
	{ EDGE_HEAD BACKENDS "- name: b\n  interface: eth0\n" BACKENDS,
	  { "6: edge[1].interface: \"eth0\" is taken, with all its addresses, by edge[0] in line 2" } },
	{ ENFORCE_HEAD "- { name: b, interface: ppp*, resolver: 10.77.0.2 }\n",
	  { "5: enforce[1].interface: \"ppp*\" is taken, with all its addresses, by enforce[0]" } },
};

/* Whether a line begins with the pattern's first piece; those after each "..." come later in it. */
static bool reads_as(const char *line, const char *pattern)
{
	const char *end = strchr(line, '\n');
	const char *at = line;

	for (;;) {
		const char *dots = strstr(pattern, "...");
		size_t len = dots ? (size_t)(dots - pattern) : strlen(pattern);
		const char *found = memmem(at, end - at, pattern, len);

		if (!found || (at == line && found != line))
			return false;
		if (!dots)
			return true;
		at = found + len;
		pattern = dots + 3;
	}
}

/* Checks that the messages read so, one line each, and that there are no others. */
static void assert_messages(const char *const expected[3])
{
	const char *line = messages;
	unsigned int n = 0;

	for (; n < 3 && expected[n]; n++) {
		char pattern[512];

		snprintf(pattern, sizeof(pattern), "edge53.yaml:%s", expected[n]);
		if (n >= n_messages || !reads_as(line, pattern))
			fail_msg("expected: %s\ngot: %s", pattern, line);
		line = strchr(line, '\n') + 1;
	}
	if (n_messages != n)
		fail_msg("%u messages instead of %u:\n%s", n_messages, n, messages);
}

#define OTHER_ENFORCE "enforce:\n- name: b\n  interface: ppp*\n  resolver: 10.77.0.1\n"

static void health_is_asked_for_unless_it_is_off(void **state)
{
	_cleanup_(config_freep) struct config *none = parse_good(EDGE OTHER_ENFORCE);
	_cleanup_(config_freep) struct config *off =
		parse_good(EDGE_HEAD "  health: off\n" BACKENDS OTHER_ENFORCE "  health: 'off'\n");
	_cleanup_(config_freep) struct config *given = parse_good(
		EDGE_HEAD
		"  on_down: servfail\n"
		"  health: { name: Example.com., type: ns, interval: 500ms, rise: 1, fall: 100 }\n" BACKENDS
			OTHER_ENFORCE "  on_down: drop\n  health: { name: ., fall: 1 }\n");
	const struct config_health *h = &none->edges[0].health;

	(void)state;
	assert_false(h->is_off || h->is_written || h->has_question);
	assert_memory_equal(h->question.bytes, "\11localhost\0\0\1\0\1", 15);
	assert_int_equal(h->question.len, 15);
	assert_int_equal(h->interval_ms, 2000);
	assert_int_equal(h->rise, 2);
	assert_int_equal(h->fall, 3);
	assert_memory_equal(h, &none->enforces[0].health, sizeof(*h));

	assert_true(off->edges[0].health.is_off && off->enforces[0].health.is_off);

	h = &given->edges[0].health;
	assert_true(h->is_written && h->has_question && !h->is_off);
	assert_int_equal(h->question.len, 17);
	assert_memory_equal(h->question.bytes, "\7Example\3com\0\0\2\0\1", 17);
	assert_int_equal(h->interval_ms, 500);
	assert_int_equal(h->rise, 1);
	assert_int_equal(h->fall, 100);
	assert_int_equal(given->edges[0].on_down, POLICY_SERVFAIL);

	h = &given->enforces[0].health;
	assert_int_equal(h->question.len, 5);
	assert_memory_equal(h->question.bytes, "\0\0\6\0\1", 5);
	assert_int_equal(h->interval_ms, 2000);
	assert_int_equal(h->fall, 1);
	assert_int_equal(given->enforces[0].on_down, POLICY_DROP);
}

static void bad_ones_are_refused_with_line_and_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct config *config;
		int r = parse(bad[i].text, strlen(bad[i].text), &config);

		if (r == 0)
			fail_msg("accepted:\n%s", bad[i].text);
		assert_int_equal(r, -EINVAL);
		assert_null(config);
		assert_messages(bad[i].messages);
	}
	print_message("    %zu of them\n", ARRAY_SIZE(bad));
}

/* --- too much --------------------------------------------------------------------------------- */

/* A text that grows; as long as it must be. */
struct text {
	char *bytes;
	size_t len, size;
};

static void text_free(struct text *text)
{
	free(text->bytes);
}

__attribute__((format(printf, 2, 3))) static void append(struct text *text, const char *fmt, ...)
{
	va_list args;

	if (text->size - text->len < 256) {
		text->size = text->size * 2 + 4096;
		text->bytes = realloc(text->bytes, text->size);
		assert_non_null(text->bytes);
	}
	va_start(args, fmt);
	text->len += vsnprintf(text->bytes + text->len, text->size - text->len, fmt, args);
	va_end(args);
}

static void assert_refused(const struct text *text, const char *message)
{
	const char *expected[3] = { message };
	struct config *config;

	assert_int_equal(parse(text->bytes, text->len, &config), -EINVAL);
	assert_null(config);
	assert_messages(expected);
}

static void append_edges(struct text *text, unsigned int n)
{
	append(text, "edge:\n");
	for (unsigned int i = 0; i < n; i++)
		append(text,
		       "- { name: e%u, interface: eth%u, "
		       "backends: [{ address: 10.0.0.1, udp: 53 }] }\n",
		       i, i);
}

static void sixty_three_services_are_the_most(void **state)
{
	_cleanup_(text_free) struct text good = {}, many = {};
	_cleanup_(config_freep) struct config *config = NULL;

	(void)state;
	append_edges(&good, 62);
	append(&good, "enforce: [{ name: v, interface: ppp*, resolver: 10.77.0.1 }]\n");
	config = parse_good(good.bytes);
	assert_int_equal(config->n_edges + config->n_enforces, 63);

	append_edges(&many, 63);
	append(&many, "enforce: [{ name: v, interface: ppp*, resolver: 10.77.0.1 }]\n");
	assert_refused(&many, "1: 64 services; 63 are possible");
}

static void append_backends(struct text *text, unsigned int n)
{
	append(text, EDGE_HEAD "  backends:\n");
	for (unsigned int i = 0; i < n; i++)
		append(text, "  - { address: 10.0.0.%u, udp: 53 }\n", i % 256);
}

static void two_hundred_fifty_five_backends_are_the_most(void **state)
{
	_cleanup_(text_free) struct text good = {}, many = {}, with_resolver = {};
	_cleanup_(config_freep) struct config *config = NULL;

	(void)state;
	append_backends(&good, 255);
	config = parse_good(good.bytes);
	assert_int_equal(config->edges[0].n_backends, 255);

	append_backends(&many, 256);
	assert_refused(&many, "5: edge[0].backends: 256 backends; 1 to 255 are possible");

	append_backends(&with_resolver, 255);
	append(&with_resolver, "enforce: [{ name: v, interface: ppp*, resolver: 10.77.0.1 }]\n");
	assert_refused(&with_resolver, "1: 256 backends and resolvers in all; 255 are possible");
}

static void append_exempt(struct text *text, unsigned int n)
{
	append(text, ENFORCE_HEAD "  exempt:\n");
	for (unsigned int i = 0; i < n; i++)
		append(text, "  - 10.%u.%u.0/24\n", i / 256, i % 256);
}

static void exempt_entries_are_limited(void **state)
{
	_cleanup_(text_free) struct text good = {}, many = {}, spread = {};
	_cleanup_(config_freep) struct config *config = NULL;

	(void)state;
	append_exempt(&good, EDGE53_MAX_EXEMPT);
	config = parse_good(good.bytes);
	assert_int_equal(config->enforces[0].n_exempt, EDGE53_MAX_EXEMPT);

	append_exempt(&many, EDGE53_MAX_EXEMPT + 1);
	assert_refused(&many, "6: enforce[0].exempt: 4097 entries; at most 4096");

	append_exempt(&spread, EDGE53_MAX_EXEMPT);
	append(&spread, "- { name: b, interface: tun*, resolver: 10.77.0.1, exempt: 10.0.0.1 }\n");
	assert_refused(&spread, "1: 4097 exempt entries in all; 4096 are possible");
}

static void as_many_frontends_as_the_map_holds(void **state)
{
	_cleanup_(text_free) struct text good = {};
	_cleanup_(config_freep) struct config *config = NULL;

	(void)state;
	append(&good, EDGE_HEAD BACKENDS "  address:\n");
	for (unsigned int i = 0; i < EDGE53_MAX_FRONTENDS; i++)
		append(&good, "  - 198.51.%u.%u\n", i / 256, i % 256);
	config = parse_good(good.bytes);
	assert_int_equal(config->edges[0].n_addresses, EDGE53_MAX_FRONTENDS);

	append(&good, "  - 203.0.113.1\n");
	assert_refused(&good, "6: edge[0].address: 16385 addresses; 1 to 16384 are possible");
}

static void huge_files_are_refused(void **state)
{
	_cleanup_(text_free) struct text text = {};

	(void)state;
	append(&text, EDGE);
	while (text.len <= CONFIG_MAX_BYTES)
		append(&text, "# ..............................................................\n");
	assert_refused(&text, "1: the file is larger than 1048576 bytes");
}

static void many_small_values_are_refused(void **state)
{
	_cleanup_(text_free) struct text text = {};

	(void)state;
	append(&text, "edge: [");
	for (unsigned int i = 0; i < 300000; i++)
		append(&text, "a,");
	append(&text, "]\n");
	assert_refused(&text, "1: too many values");
}

static void deep_nesting_is_refused_early(void **state)
{
	static const char *const openings[] = { "[", "{a: ", "- ", "? " };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(openings); i++) {
		_cleanup_(text_free) struct text text = {};

		while (text.len < CONFIG_MAX_BYTES - 8)
			append(&text, "%s", openings[i]);
		assert_refused(&text, "1: nested deeper than anything in this file can be");
	}
}

static void a_bomb_of_anchors_is_refused(void **state)
{
	_cleanup_(text_free) struct text text = {};

	(void)state;
	append(&text, "a: &a [x, x, x, x, x, x, x, x, x]\n");
	for (char c = 'b'; c <= 'k'; c++)
		append(&text, "%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c - 1, c - 1,
		       c - 1, c - 1, c - 1, c - 1, c - 1);
	assert_refused(&text, "1: anchors (&) are not accepted");
}

static void binary_files_are_refused(void **state)
{
	static const char elf[] = "edge:\n\x7f"
				  "ELF\x02\x01\x01\x00\x00";
	static const char utf16[] = "\xff\xfe"
				    "e\0d\0g\0e\0:\0\n\0";
	const struct text binary = { (char *)elf, sizeof(elf), 0 };
	const struct text wide = { (char *)utf16, sizeof(utf16), 0 };

	(void)state;
	assert_refused(&binary, "2: a NUL byte: this is not text in UTF-8");
	assert_refused(&wide, "1: a NUL byte: this is not text in UTF-8");
}

static void long_values_are_shown_short_and_printable(void **state)
{
	_cleanup_(text_free) struct text text = {};

	(void)state;
	append(&text, EDGE_HEAD BACKENDS "  tunnel: \"\xc3\xa9");
	while (text.len < 100000)
		append(&text, "xxxxxxxxxxxxxxxx");
	append(&text, "\"\n");
	assert_refused(&text, "5: edge[0].tunnel: \"\\xc3\\xa9xxxxxxxx");
	assert_non_null(strstr(messages, "xxx...\" is not the name of a device"));
	assert_true(strlen(messages) < 250);
}

static void only_the_first_twenty_errors_are_told(void **state)
{
	_cleanup_(text_free) struct text text = {};
	struct config *config;

	(void)state;
	for (unsigned int i = 0; i < 10000; i++)
		append(&text, "x%u: 1\n", i);
	assert_int_equal(parse(text.bytes, text.len, &config), -EINVAL);
	assert_int_equal(n_messages, 21);
	assert_non_null(strstr(messages, "edge53.yaml:20: x19: unknown key"));
	assert_null(strstr(messages, "x20: "));
	assert_non_null(strstr(messages, "edge53.yaml: there is more that is wrong"));
}

/* Every beginning of a good file, and the file with each byte changed: an answer, never a crash. */
static void damaged_files_do_no_harm(void **state)
{
	char text[sizeof(example)];
	size_t len = sizeof(example) - 1;
	unsigned int n_refused = 0;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		static const char damage[] = {
			'\0', '\n', ' ', ':', '[', '}', '"', '-', '\xff', '9'
		};
		_cleanup_(config_freep) struct config *cut = NULL;

		n_refused += parse(example, i, &cut) < 0;
		for (size_t d = 0; d < sizeof(damage); d++) {
			_cleanup_(config_freep) struct config *damaged = NULL;
			int r;

			memcpy(text, example, sizeof(text));
			text[i] = damage[d];
			r = parse(text, len, &damaged);
			assert_int_equal(r < 0, !damaged);
			assert_int_equal(r<0, n_messages> 0);
			n_refused += r < 0;
		}
	}
	assert_true(n_refused > len); /* the damage is felt */
}

/* --- libcyaml's own words --------------------------------------------------------------------- */

/* schema_check() says these before libcyaml can; should it ever miss one, this is what is read. */
static void what_libcyaml_says_has_file_and_line(void **state)
{
	static const char twice[] = EDGE_HEAD BACKENDS "  tunnel: wg0\n  tunnel: wg1\n";
	static const char list[] = EDGE_HEAD BACKENDS "  tunnel: [wg0]\n";
	struct raw_config *raw = NULL;

	(void)state;
	forget_messages(NULL);
	assert_int_equal(schema_read("edge53.yaml", twice, strlen(twice), &raw), -EINVAL);
	assert_null(raw);
	assert_messages((const char *const[3]){ "5: libcyaml says...already seen: tunnel" });

	forget_messages(NULL);
	assert_int_equal(schema_read("edge53.yaml", list, strlen(list), &raw), -EINVAL);
	assert_null(raw);
	assert_messages((const char *const[3]){ "5: libcyaml says" });
}

/* --- files ------------------------------------------------------------------------------------ */

static void write_file(const char *path, const char *text, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static void files_are_read(void **state)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct config *none = NULL;
	char dir[] = P_tmpdir "/edge53-test-XXXXXX", path[64], expected[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/edge53.yaml", dir);

	forget_messages(NULL);
	assert_int_equal(config_load(path, &none), -ENOENT);
	snprintf(expected, sizeof(expected), "%s: cannot be opened: No such file or directory\n",
		 path);
	assert_string_equal(messages, expected);

	forget_messages(NULL);
	assert_int_equal(config_load(dir, &none), -EISDIR);
	assert_non_null(strstr(messages, "cannot be read: Is a directory"));

	forget_messages(NULL);
	write_file(path, example, strlen(example));
	assert_int_equal(config_load(path, &config), 0);
	assert_string_equal(config->edges[0].name, "public-dns");

	forget_messages(NULL);
	write_file(path, "edge:\nenforce: []\n", 18);
	assert_int_equal(config_load(path, &none), -EINVAL);
	snprintf(expected, sizeof(expected), "%s:1: edge: ", path);
	assert_int_equal(strncmp(messages, expected, strlen(expected)), 0);

	assert_int_equal(truncate(path, 2 * CONFIG_MAX_BYTES), 0);
	forget_messages(NULL);
	assert_int_equal(config_load(path, &none), -EINVAL);
	assert_non_null(strstr(messages, "larger than 1048576 bytes"));
	assert_null(none);
	unlink(path);
	rmdir(dir);
}

/* --- lists of prefixes ------------------------------------------------------------------------ */

static void a_list_has_comments_and_blank_lines(void **state)
{
	static const char list[] =
		"# resolvers\n\n9.9.9.9\r\n  2620:fe::/48 # Quad9\n\t\n8.8.8.0/24\n"
		"9.9.9.9/32\n149.112.112.112";
	_cleanup_(freep) struct edge53_prefix *prefixes = NULL;
	size_t n = 0;

	(void)state;
	forget_messages(NULL);
	assert_int_equal(prefixes_parse("doh.txt", list, strlen(list), &prefixes, &n), 0);
	assert_string_equal(messages, "");
	assert_int_equal(n, 5);
	prefixes_sort(prefixes, &n);
	assert_int_equal(n, 4);
	assert_address(&prefixes[0].address, "2620:fe::");
	assert_address(&prefixes[1].address, "8.8.8.0");
	assert_address(&prefixes[2].address, "9.9.9.9");
	assert_address(&prefixes[3].address, "149.112.112.112");
}

static void what_is_no_prefix_is_told_with_its_line(void **state)
{
	static const char list[] =
		"9.9.9.9\ndns.google\n# x\n10.0.0.1/8\n::/0\na b\n\0\n9.9.9.9 8.8.8.8\n";
	static const char *const expected[] = {
		"doh.txt:2: \"dns.google\" is a host name",
		"doh.txt:4: \"10.0.0.1/8\" is not a prefix",
		"doh.txt:5: \"::/0\" contains the IPv4-mapped addresses",
		"doh.txt:6: \"a b\" is a host name",
		"doh.txt:7: \"\" is not an IPv4 address",
		"doh.txt:8: \"9.9.9.9 8.8.8.8\" is not an IPv4 address",
	};
	_cleanup_(freep) struct edge53_prefix *prefixes = NULL;
	const char *line = messages;
	size_t n = 0;

	(void)state;
	forget_messages(NULL);
	assert_int_equal(prefixes_parse("doh.txt", list, sizeof(list) - 1, &prefixes, &n), -EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		if (!reads_as(line, expected[i]))
			fail_msg("expected: %s\ngot: %s", expected[i], line);
		line = strchr(line, '\n') + 1;
	}
	assert_string_equal(line, "");
}

static void of_a_file_that_is_no_list_twenty_lines_are_told(void **state)
{
	_cleanup_(text_free) struct text text = {};
	_cleanup_(freep) struct edge53_prefix *prefixes = NULL;
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		append(&text, "<td>%u</td>\n", i);
	forget_messages(NULL);
	assert_int_equal(prefixes_parse("doh.txt", text.bytes, text.len, &prefixes, &n), -EINVAL);
	assert_int_equal(n_messages, 21);
	assert_non_null(strstr(messages, "doh.txt: there is more that is wrong"));
}

/* Writes the list beside the configuration, which names it without a directory. */
static void load_with_list(const char *dir, const char *list, size_t len, struct config **ret,
			   int *result)
{
	static const char config[] =
		ENFORCE_HEAD "  doh:\n    file: doh.txt\n    addresses: 8.8.8.8\n";
	char path[64];

	snprintf(path, sizeof(path), "%s/doh.txt", dir);
	unlink(path);
	if (list)
		write_file(path, list, len);
	snprintf(path, sizeof(path), "%s/edge53.yaml", dir);
	write_file(path, config, strlen(config));
	forget_messages(NULL);
	*result = config_load(path, ret);
	unlink(path);
}

static void a_list_is_read_from_beside_the_configuration(void **state)
{
	char dir[] = P_tmpdir "/edge53-test-XXXXXX", expected[256], path[64];
	_cleanup_(text_free) struct text many = {};
	_cleanup_(config_freep) struct config *config = NULL;
	struct config *none = NULL;
	int r;

	(void)state;
	assert_non_null(mkdtemp(dir));
	load_with_list(dir, "9.9.9.9\n8.8.8.8\n", 16, &config, &r);
	assert_int_equal(r, 0);
	assert_int_equal(config->enforces[0].doh.n_prefixes, 2);

	load_with_list(dir, NULL, 0, &none, &r);
	assert_int_equal(r, -ENOENT);
	snprintf(
		expected, sizeof(expected),
		"%s/edge53.yaml:6: enforce[0].doh.file: %s/doh.txt: cannot be opened: No such file or "
		"directory\n",
		dir, dir);
	assert_string_equal(messages, expected);

	load_with_list(dir, "9.9.9.9\nwurst\n", 14, &none, &r);
	assert_int_equal(r, -EINVAL);
	snprintf(expected, sizeof(expected), "%s/doh.txt:2: \"wurst\" is a host name", dir);
	assert_int_equal(strncmp(messages, expected, strlen(expected)), 0);

	for (unsigned int i = 0; i < EDGE53_MAX_DOH; i++)
		append(&many, "11.%u.%u.%u\n", i >> 16, i >> 8 & 255, i & 255);
	load_with_list(dir, many.bytes, many.len, &none, &r);
	assert_int_equal(r, -EINVAL); /* with the one in addresses */
	snprintf(expected, sizeof(expected),
		 "%s/edge53.yaml: 262145 addresses and prefixes of DoH servers in all; 262144 are "
		 "possible\n",
		 dir);
	assert_string_equal(messages, expected);

	snprintf(path, sizeof(path), "%s/doh.txt", dir);
	unlink(path);
	assert_null(none);
	rmdir(dir);
}

static void nothing_is_freed_without_complaint(void **state)
{
	(void)state;
	config_free(NULL);
	schema_free(NULL);
}

#if EDGE53_WITH_METRICS

static void metrics_listen_at(void **state)
{
	static const struct {
		const char *text, *address;
		unsigned int port;
	} rows[] = {
		{ "127.0.0.1:9453", "127.0.0.1", 9453 },     { "'0.0.0.0:1'", "0.0.0.0", 1 },
		{ "\"[::1]:9453\"", "::1", 9453 },	     { "'[::]:65535'", "::", 65535 },
		{ "'[2001:db8::5]:80'", "2001:db8::5", 80 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_(freep) char *text = NULL;
		_cleanup_(config_freep) struct config *config = NULL;

		assert_true(asprintf(&text, EDGE "export:\n  metrics: %s\n  top_clients: off\n",
				     rows[i].text) > 0);
		config = parse_good(text);
		assert_address(&config->export.metrics.address, rows[i].address);
		assert_int_equal(config->export.metrics.port, rows[i].port);
		assert_int_equal(config->export.metrics.top_clients, 0);
	}
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_is_good),
#if EDGE53_WITH_METRICS
		cmocka_unit_test(metrics_listen_at),
#endif
		cmocka_unit_test(the_smallest_edge_gets_the_defaults),
		cmocka_unit_test(the_smallest_enforce_gets_the_defaults),
		cmocka_unit_test(both_kinds_with_everything_changed),
		cmocka_unit_test(all_of_ipv6),
		cmocka_unit_test(a_prefix_counts_once),
		cmocka_unit_test(rates),
		cmocka_unit_test(tcp_limits),
		cmocka_unit_test(responses),
		cmocka_unit_test(durations_have_units),
		cmocka_unit_test(fewer_ports_mean_fewer_connections),
		cmocka_unit_test(client_ip_is_one_word_or_one_each),
		cmocka_unit_test(what_backends_read_is_any_size_or_the_one_given),
		cmocka_unit_test(a_client_prefix_is_of_each_family),
		cmocka_unit_test(clients_are_kept_where_it_is_said),
		cmocka_unit_test(health_is_asked_for_unless_it_is_off),
		cmocka_unit_test(a_host_may_do_nothing_but_return),
		cmocka_unit_test(dnstap_is_off_or_goes_somewhere),
		cmocka_unit_test(bad_ones_are_refused_with_line_and_reason),
		cmocka_unit_test(sixty_three_services_are_the_most),
		cmocka_unit_test(two_hundred_fifty_five_backends_are_the_most),
		cmocka_unit_test(exempt_entries_are_limited),
		cmocka_unit_test(as_many_frontends_as_the_map_holds),
		cmocka_unit_test(huge_files_are_refused),
		cmocka_unit_test(many_small_values_are_refused),
		cmocka_unit_test(deep_nesting_is_refused_early),
		cmocka_unit_test(a_bomb_of_anchors_is_refused),
		cmocka_unit_test(binary_files_are_refused),
		cmocka_unit_test(long_values_are_shown_short_and_printable),
		cmocka_unit_test(only_the_first_twenty_errors_are_told),
		cmocka_unit_test(damaged_files_do_no_harm),
		cmocka_unit_test(what_libcyaml_says_has_file_and_line),
		cmocka_unit_test(files_are_read),
		cmocka_unit_test(a_list_has_comments_and_blank_lines),
		cmocka_unit_test(what_is_no_prefix_is_told_with_its_line),
		cmocka_unit_test(of_a_file_that_is_no_list_twenty_lines_are_told),
		cmocka_unit_test(a_list_is_read_from_beside_the_configuration),
		cmocka_unit_test(nothing_is_freed_without_complaint),
	};

	log_set_sink(keep_message);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
