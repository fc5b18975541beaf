// SPDX-License-Identifier: GPL-2.0-only
/* What `edge53 check` makes of rulesets of nftables, of WireGuard's texts, of lists of ports and of resolv.conf. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/check.h"
#include "../../loader/check_nft.h"
#include "host_of_test.h"

/* --- nftables --------------------------------------------------------------------------------- */

/* A ruleset in short: 'text' has apostrophes where JSON has quotes. */
static json_t *ruleset_of(const char *text)
{
	char json[8192];
	json_error_t error;
	json_t *document;

	assert_true(strlen(text) < sizeof(json));
	strcpy(json, text);
	for (char *c = json; *c; c++)
		if (*c == '\'')
			*c = '"';
	document = json_loads(json, 0, &error);
	if (!document)
		fail_msg("%s in: %s", error.text, text);
	return document;
}

#define TABLE "'family':'inet','table':'filter'"
#define BASE(hook, policy)                                                                         \
	"{'chain':{" TABLE ",'name':'" hook "','type':'filter','hook':'" hook                      \
	"','prio':0,'policy':'" policy "'}}"
#define CHAIN(name) "{'chain':{" TABLE ",'name':'" name "'}}"
#define RULE(chain, handle, expr)                                                                  \
	",{'rule':{" TABLE ",'chain':'" chain "','handle':" #handle ",'expr':[" expr "]}}"
#define MATCH(left, right) "{'match':{'op':'==','left':" left ",'right':" right "}}"
#define MATCH_NOT(left, right) "{'match':{'op':'!=','left':" left ",'right':" right "}}"
#define IIF "{'meta':{'key':'iifname'}}"
#define L4 "{'meta':{'key':'l4proto'}}"
#define UDP_DPORT "{'payload':{'protocol':'udp','field':'dport'}}"
#define TCP_DPORT "{'payload':{'protocol':'tcp','field':'dport'}}"
#define TH_DPORT "{'payload':{'protocol':'th','field':'dport'}}"
#define SADDR "{'payload':{'protocol':'ip','field':'saddr'}}"
#define DADDR "{'payload':{'protocol':'ip','field':'daddr'}}"
#define STATE "{'ct':{'key':'state'}}"
#define MARK "{'meta':{'key':'mark'}}"
#define TCP_FLAGS "{'payload':{'protocol':'tcp','field':'flags'}}"
#define TARGET(name) "{'xt':{'type':'target','name':'" name "'}}"
#define ACCEPT "{'accept':null}"
#define DROP "{'drop':null}"
#define RULESET(chains_and_rules) "{'nftables':[{'metainfo':{'version':'1'}}," chains_and_rules "]}"

struct expected {
	const char *what;
	const char *ruleset;
	enum nft_tri udp;
	enum nft_tri tcp;
};

static enum nft_tri drops(const char *text, bool is_tcp, const char *iif, struct nft_result *result)
{
	struct edge53_addr resolver;
	struct nft_packet packet = { .is_tcp = is_tcp,
				     .iif = iif,
				     .daddr = &resolver,
				     .sport = NFT_ANY_PORT,
				     .dport = 53,
				     .is_for_host = true };
	json_t *document = ruleset_of(text);
	struct nft_ruleset ruleset;

	addr_parse("10.77.0.1", &resolver);
	assert_int_equal(nft_ruleset_open(document, &ruleset), 0);
	nft_run(&ruleset, "input", &packet, result);
	/* Places point into the document. */
	result->drop = (struct nft_place){ .handle = result->drop.handle };
	json_decref(document);
	return result->drops;
}

static void input_chains_are_followed(void **state)
{
	static const struct expected rows[] = {
		{ "no chain at all", RULESET("{}"), NFT_NO, NFT_NO },
		{ "policy drop", RULESET(BASE("input", "drop")), NFT_YES, NFT_YES },
		{ "policy accept", RULESET(BASE("input", "accept")), NFT_NO, NFT_NO },
		{ "UDP alone is admitted",
		  RULESET(BASE("input", "drop")
				  RULE("input", 3, MATCH(UDP_DPORT, "53") "," ACCEPT)),
		  NFT_NO, NFT_YES },
		{ "both are admitted",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3,
			  MATCH(IIF, "'ppp*'") "," MATCH(L4, "{'set':['tcp','udp']}") "," MATCH(
				  TH_DPORT, "53") "," MATCH(DADDR, "'10.77.0.1'") "," ACCEPT)),
		  NFT_NO, NFT_NO },
		{ "another address is admitted",
		  RULESET(BASE("input", "drop")
				  RULE("input", 3, MATCH(DADDR, "'10.77.0.2'") "," ACCEPT)),
		  NFT_YES, NFT_YES },
		{ "a network with the resolver in it",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3,
			  MATCH(DADDR, "{'prefix':{'addr':'10.77.0.0','len':24}}") "," ACCEPT)),
		  NFT_NO, NFT_NO },
		{ "a network without it",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3,
			  MATCH(DADDR, "{'prefix':{'addr':'10.76.0.0','len':16}}") "," ACCEPT)),
		  NFT_YES, NFT_YES },
		{ "some clients are admitted",
		  RULESET(BASE("input", "drop")
				  RULE("input", 3, MATCH(SADDR, "'10.77.0.11'") "," ACCEPT)),
		  NFT_MAYBE, NFT_MAYBE },
		{ "after a doubt, what is certain is certain",
		  RULESET(BASE("input", "drop")
				  RULE("input", 3, MATCH(SADDR, "'10.77.0.11'") "," ACCEPT)
					  RULE("input", 4, MATCH(IIF, "'ppp*'") "," ACCEPT)),
		  NFT_NO, NFT_NO },
		{ "some marks are dropped",
		  RULESET(BASE("input", "accept") RULE("input", 3, MATCH(MARK, "1") "," DROP)),
		  NFT_MAYBE, NFT_MAYBE },
		{ "a first query is new",
		  RULESET(BASE("input", "drop")
				  RULE("input", 3,
				       "{'match':{'op':'in','left':" STATE
				       ",'right':['established','related']}}," ACCEPT)),
		  NFT_YES, NFT_YES },
		{ "the state by a verdict map",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3,
			  "{'vmap':{'key':" STATE ",'data':{'set':[['established'," ACCEPT
			  "],['new',{'jump':{'target':'more'}}]]}}}") "," CHAIN("more")
				  RULE("more", 4, MATCH(TH_DPORT, "{'set':[22,53]}") "," ACCEPT)),
		  NFT_NO, NFT_NO },
		{ "a named verdict map",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3,
			  "{'vmap':{'key':" TH_DPORT
			  ",'data':'@ports'}}") ",{'map':{'family':'inet','table':'filter','name':'ports','elem':[[53," ACCEPT
						"]]}}"),
		  NFT_NO, NFT_NO },
		{ "a chain that comes back",
		  RULESET(BASE("input", "drop") RULE("input", 3, "{'jump':{'target':'more'}}")
				  RULE("input", 5, ACCEPT) "," CHAIN("more")
					  RULE("more", 4, MATCH(TH_DPORT, "22") "," DROP)),
		  NFT_NO, NFT_NO },
		{ "goto does not come back",
		  RULESET(BASE("input", "drop") RULE("input", 3, "{'goto':{'target':'more'}}")
				  RULE("input", 5, ACCEPT) "," CHAIN("more")),
		  NFT_YES, NFT_YES },
		{ "all but DNS is dropped",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3, MATCH_NOT(UDP_DPORT, "53") "," DROP)),
		  NFT_NO, NFT_NO }, /* of TCP the rule says nothing */
		{ "ports of a range, and a set with a name",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3, MATCH(UDP_DPORT, "{'range':[50,60]}") "," ACCEPT)
				  RULE("input", 4,
				       MATCH(TCP_DPORT,
					     "'@open'") "," ACCEPT) ",{'set':{'family':'inet','table':'filter','name':'open','elem':[22,{'range':[53,54]}]}}"),
		  NFT_NO, NFT_NO },
		{ "a set whose elements come and go",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3,
			  MATCH(TCP_DPORT,
				"'@open'") "," ACCEPT) ",{'set':{'family':'inet','table':'filter','name':'open','flags':['dynamic'],'elem':[]}}"),
		  NFT_YES, NFT_MAYBE },
		{ "a concatenation",
		  RULESET(BASE("input", "drop") RULE(
			  "input", 3,
			  MATCH("{'concat':[" L4 "," TH_DPORT "]}",
				"{'set':[{'concat':['tcp',53]},{'concat':['udp',5353]}]}") "," ACCEPT)),
		  NFT_YES, NFT_NO },
		{ "a limit",
		  RULESET(BASE("input", "accept") RULE("input", 3, "{'limit':{'rate':10}}," DROP)),
		  NFT_MAYBE, NFT_MAYBE },
		{ "counters do nothing",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3, "{'counter':{'packets':0}}," DROP)),
		  NFT_YES, NFT_YES },
		{ "an extension of iptables",
		  RULESET(BASE("input", "accept") RULE("input", 3, "{'xt':null}," DROP)), NFT_MAYBE,
		  NFT_MAYBE },
		{ "rejected",
		  RULESET(BASE("input", "accept") RULE("input", 3, "{'reject':{'type':'icmpx'}}")),
		  NFT_YES, NFT_YES },
		{ "only IPv6",
		  RULESET("{'chain':{'family':'ip6','table':'filter','name':'input','hook':'input','policy':'drop'}}"),
		  NFT_NO, NFT_NO },
		{ "for this host",
		  RULESET(BASE("input", "drop")
				  RULE("input", 3,
				       MATCH("{'fib':{'result':'type','flags':'daddr'}}",
					     "'local'") "," ACCEPT)),
		  NFT_NO, NFT_NO },
		{ "no way back",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3,
				       MATCH("{'fib':{'result':'oif','flags':['saddr','iif']}}",
					     "false") "," DROP)),
		  NFT_NO, NFT_NO },
		{ "no way back, as nft 1.1 says it",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3,
				       MATCH("{'fib':{'result':'check','flags':['saddr','iif']}}",
					     "false") "," DROP)),
		  NFT_NO, NFT_NO },
		{ "no way back, by name",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3,
				       MATCH("{'fib':{'result':'oifname','flags':['saddr','iif']}}",
					     "false") "," DROP)),
		  NFT_NO, NFT_NO },
		{ "a way back by a device",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3,
				       MATCH("{'fib':{'result':'oifname','flags':['saddr','iif']}}",
					     "'ppp0'") "," DROP)),
		  NFT_MAYBE, NFT_MAYBE },
		{ "a flag of TCP, which UDP has not",
		  RULESET(BASE("input", "accept") RULE("input", 3,
						       MATCH("{'&':[" TCP_FLAGS ",['syn','rst']]}",
							     "'syn'") "," DROP)),
		  NFT_NO, NFT_MAYBE },
		{ "all but a flag of TCP",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3,
				       MATCH_NOT("{'&':[{'&':[" TCP_FLAGS ",'syn']},'rst']}",
						 "'syn'") "," DROP)),
		  NFT_NO, NFT_MAYBE },
		{ "a bit of a mark",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3, MATCH("{'&':[" MARK ",1]}", "1") "," DROP)),
		  NFT_MAYBE, NFT_MAYBE },
		{ "targets of iptables that decide nothing",
		  RULESET(BASE("input", "accept") RULE("input", 3, TARGET("TCPMSS"))
				  RULE("input", 4, TARGET("LOG")) RULE("input", 5, TARGET("CT"))),
		  NFT_NO, NFT_NO },
		{ "what comes after them does",
		  RULESET(BASE("input", "accept") RULE("input", 3, TARGET("CONNMARK"))
				  RULE("input", 4, DROP)),
		  NFT_YES, NFT_YES },
		{ "another target of iptables",
		  RULESET(BASE("input", "accept") RULE("input", 3, TARGET("TARPIT"))), NFT_MAYBE,
		  NFT_MAYBE },
		{ "a match of iptables with the name of a target",
		  RULESET(BASE("input", "accept")
				  RULE("input", 3, "{'xt':{'type':'match','name':'SET'}}," DROP)),
		  NFT_MAYBE, NFT_MAYBE },
		{ "a second chain drops what the first accepts",
		  RULESET(BASE(
			  "input",
			  "accept") ",{'chain':{'family':'ip','table':'x','name':'y','hook':'input','policy':'drop'}}"),
		  NFT_YES, NFT_YES },
	};
	struct nft_result result;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int is_tcp = 0; is_tcp < 2; is_tcp++)
			if (drops(rows[i].ruleset, is_tcp, "ppp*", &result) !=
			    (is_tcp ? rows[i].tcp : rows[i].udp))
				fail_msg("%s, %s: got %d", rows[i].what, is_tcp ? "TCP" : "UDP",
					 result.drops);
}

static void devices_are_compared_as_nft_does(void **state)
{
	static const struct {
		const char *device, *rule;
		enum nft_tri drops;
	} rows[] = {
		{ "ppp*", "'ppp*'", NFT_YES },
		{ "ppp*", "'ppp0'", NFT_MAYBE },
		{ "ppp*", "'pp*'", NFT_YES },
		{ "pp*", "'ppp*'", NFT_MAYBE },
		{ "ppp*", "'eth0'", NFT_NO },
		{ "ppp*", "'eth*'", NFT_NO },
		{ "ppp0", "'ppp*'", NFT_YES },
		{ "ppp0", "'ppp1'", NFT_NO },
		{ "ppp0", "'ppp0x*'", NFT_NO },
		{ "ppp[01]", "'ppp1'", NFT_MAYBE },
		{ "ppp[01]", "'ppp2'", NFT_NO },
		{ "*", "'eth0'", NFT_MAYBE },
		{ "ppp0", "{'set':['eth0','ppp0']}", NFT_YES },
	};
	struct nft_result result;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(
			text, sizeof(text),
			"{'nftables':[" BASE(
				"input",
				"accept") ",{'rule':{" TABLE
					  ",'chain':'input','handle':9,'expr':[{'match':{'op':'==','left':" IIF
					  ",'right':%s}}," DROP "]}}]}",
			rows[i].rule);
		if (drops(text, false, rows[i].device, &result) != rows[i].drops)
			fail_msg("%s and %s: got %d", rows[i].device, rows[i].rule, result.drops);
		if (rows[i].drops != NFT_NO)
			assert_int_equal(result.drop.handle, 9);
	}
}

static void redirections_are_found(void **state)
{
	static const struct {
		const char *expr;
		enum nft_tri redirects;
	} rows[] = {
		{ MATCH(UDP_DPORT, "53") ",{'dnat':{'addr':'10.0.0.1'}}", NFT_YES },
		{ MATCH(UDP_DPORT, "'domain'") ",{'redirect':{'port':5353}}", NFT_YES },
		{ MATCH(UDP_DPORT, "53") ",{'redirect':null}", NFT_YES },
		{ MATCH(UDP_DPORT, "54") ",{'redirect':null}", NFT_NO },
		{ MATCH(TCP_DPORT, "53") ",{'dnat':{'addr':'10.0.0.1'}}", NFT_NO },
		{ MATCH(SADDR, "'10.77.0.11'") ",{'tproxy':{'port':1}}", NFT_MAYBE },
		{ MATCH(UDP_DPORT, "53") "," MATCH(DADDR,
						   "'8.8.8.8'") ",{'dnat':{'addr':'10.0.0.1'}}",
		  NFT_NO },
		{ MATCH(UDP_DPORT, "53") ",{'xt':{'type':'target','name':'DNAT'}}", NFT_MAYBE },
		{ MATCH(UDP_DPORT, "53") ",{'masquerade':null}", NFT_NO },
	};
	struct edge53_addr resolver;
	struct nft_packet packet = {
		.iif = "ppp0", .daddr = &resolver, .sport = NFT_ANY_PORT, .dport = 53
	};

	(void)state;
	addr_parse("10.77.0.1", &resolver);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct nft_ruleset ruleset;
		struct nft_result result;
		char text[1024];
		json_t *document;

		snprintf(text, sizeof(text),
			 "{'nftables':[" BASE(
				 "prerouting",
				 "accept") ",{'rule':{" TABLE
					   ",'chain':'prerouting','handle':7,'expr':[%s]}}]}",
			 rows[i].expr);
		document = ruleset_of(text);
		assert_int_equal(nft_ruleset_open(document, &ruleset), 0);
		nft_run(&ruleset, "prerouting", &packet, &result);
		if (result.redirects != rows[i].redirects)
			fail_msg("%s: got %d", rows[i].expr, result.redirects);
		if (result.redirects != NFT_NO)
			assert_int_equal(result.redirect.handle, 7);
		json_decref(document);
	}
}

/* Chains that call each other, sets that contain themselves: an end, and no certainty. */
static void circles_end(void **state)
{
	static const char *const rows[] = {
		RULESET(BASE("input", "accept") RULE("input", 1, "{'jump':{'target':'input'}}")
				RULE("input", 2, "{'jump':{'target':'input'}}")),
		RULESET(BASE("input", "accept") RULE(
			"input", 1,
			MATCH(SADDR,
			      "'@s'") "," DROP) ",{'set':{'family':'inet','table':'filter','name':'s','elem':['@s','@s','@s','@s']}}"),
	};
	struct nft_result result;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_not_equal(drops(rows[i], false, "ppp0", &result), NFT_YES);
}

static void what_is_no_ruleset_is_refused_or_empty(void **state)
{
	static const char *const no_rulesets[] = { "{}", "[]", "{'nftables':{}}",
						   "{'nftables':null}" };
	static const char *const odd[] = {
		RULESET("1,null,'chain',[[]],{'chain':7},{'rule':null}"),
		RULESET(BASE("input", "accept") ",{'rule':{" TABLE ",'chain':'input','expr':7}}"),
		RULESET(BASE("input", "accept") RULE(
			"input", 1, "7,[],{},{'match':7},{'match':{'op':9}},{'vmap':[]}")),
		RULESET(BASE("input", "accept") RULE("input", 1, MATCH("7", "[[[[1]]]]"))),
		RULESET(BASE("input", "accept") RULE(
			"input", 1, MATCH(DADDR, "{'prefix':{'addr':7,'len':-9000}}") "," DROP)),
		RULESET(BASE("input", "accept") RULE("input", 1, "{'jump':{'target':7}}")),
	};
	struct nft_ruleset ruleset;
	struct nft_result result;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(no_rulesets); i++) {
		json_t *document = ruleset_of(no_rulesets[i]);

		assert_int_equal(nft_ruleset_open(document, &ruleset), -EBADMSG);
		json_decref(document);
	}
	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		if (drops(odd[i], true, "ppp0", &result) == NFT_YES)
			fail_msg("certain of: %s", odd[i]);
}

/* --- WireGuard -------------------------------------------------------------------------------- */

#define KEY "88c4b6a1de4d3bd9d8ab3a4dc4c1f7a05af4dcb4e1b9c87c34cbf6b4b3a2917e"
#define KEY_TEXT "iMS2od5NO9nYqzpNxMH3oFr03LThuch8NMv2tLOikX4="

static int parse_answer(const char *text, struct wg_device *device)
{
	*device = (struct wg_device){ 0 };
	return wg_parse_answer(text, strlen(text), device);
}

static void an_answer_is_read(void **state)
{
	static const char text[] =
		"private_key=" KEY "\nlisten_port=51820\nfwmark=51820\n"
		"public_key=" KEY "\nendpoint=192.0.2.2:51821\n"
		"last_handshake_time_sec=1700000000\nlast_handshake_time_nsec=5\n"
		"allowed_ip=10.172.90.1/32\nallowed_ip=10.172.0.0/16\nallowed_ip=fd00::/64\n"
		"public_key=00c4b6a1de4d3bd9d8ab3a4dc4c1f7a05af4dcb4e1b9c87c34cbf6b4b3a2917e\n"
		"endpoint=[2001:db8::1]:7\nallowed_ip=0.0.0.0/0\nerrno=0\n\n";
	struct edge53_addr address;
	struct wg_device device;
	char key[WG_KEY_TEXT_LEN], *allowed;

	(void)state;
	assert_int_equal(parse_answer(text, &device), 0);
	assert_int_equal(device.n_peers, 2);
	assert_int_equal(device.fwmark, 51820);
	wg_key_text(device.peers[0].key, key);
	assert_string_equal(key, KEY_TEXT);
	assert_true(device.peers[0].has_endpoint && device.peers[0].endpoint_port == 51821);
	assert_int_equal(device.peers[0].last_handshake_s, 1700000000);
	allowed = wg_allowed_text(&device.peers[0]);
	assert_string_equal(allowed, "10.172.90.1/32,10.172.0.0/16,fd00::/64");
	free(allowed);

	addr_parse("10.172.90.1", &address);
	assert_ptr_equal(wg_route(&device, &address), &device.peers[0]);
	addr_parse("9.9.9.9", &address);
	assert_ptr_equal(wg_route(&device, &address), &device.peers[1]);
	addr_parse("fd00::1", &address);
	assert_ptr_equal(wg_route(&device, &address), &device.peers[0]);
	addr_parse("fd01::1", &address); /* not in 0.0.0.0/0 */
	assert_null(wg_route(&device, &address));
	wg_device_clear(&device);
}

static void bad_answers_are_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"public_key=" KEY "\n", /* cut short */
		"errno=1\n\n",
		"nonsense\nerrno=0\n\n",
		"public_key=zz\nerrno=0\n\n",
		"public_key=" KEY "00\nerrno=0\n\n",
		"public_key=" KEY "\nallowed_ip=10.0.0.1/8\nerrno=0\n\n",
		"public_key=" KEY "\nallowed_ip=10.0.0.0/33\nerrno=0\n\n",
		"public_key=" KEY "\nendpoint=192.0.2.1\nerrno=0\n\n",
		"public_key=" KEY "\nendpoint=192.0.2.1:65536\nerrno=0\n\n",
		"public_key=" KEY "\nendpoint=:\nerrno=0\n\n",
		"public_key=" KEY "\nendpoint=[::1:5\nerrno=0\n\n",
		"public_key=" KEY "\nlast_handshake_time_sec=-1\nerrno=0\n\n",
		"fwmark=99999999999\nerrno=0\n\n",
	};
	struct wg_device device;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (parse_answer(rows[i], &device) != -EBADMSG)
			fail_msg("taken: %s", rows[i]);
		wg_device_clear(&device);
	}
}

static void endpoints_that_are_names_are_found(void **state)
{
	static const char text[] =
		"# a comment\n[Interface]\nPrivateKey = x\n"
		"[Peer]\nEndpoint = vpn.example.com:51820 # where\nPublicKey=" KEY_TEXT "\n"
		"[peer]\n publickey = " KEY_TEXT "\n endpoint=192.0.2.1:1\n"
		"[Peer]\nPublicKey = " KEY_TEXT "\nEndpoint = [2001:db8::1]:1\n"
		"[Peer]\nEndpoint = no-key.example.com:1\n"
		"[Peer]\nPublicKey = " KEY_TEXT "\n#Endpoint = not.example.com:1\n"
		"[Peer]\nPublicKey = " KEY_TEXT "\nEndpoint = [fe80::1%eth0]:1";
	struct wg_names names = { 0 };
	char key[WG_KEY_TEXT_LEN];

	(void)state;
	assert_int_equal(wg_parse_file(text, sizeof(text) - 1, &names), 0);
	assert_int_equal(names.n, 1);
	assert_string_equal(names.list[0].host, "vpn.example.com");
	assert_string_equal(names.list[0].port, "51820");
	wg_key_text(names.list[0].key, key);
	assert_string_equal(key, KEY_TEXT);
	free(names.list);
}

/* --- ports and resolv.conf -------------------------------------------------------------------- */

static void reserved_ports_are_counted(void **state)
{
	(void)state;
	assert_true(check_ports_reserved("100-200", 100, 200));
	assert_true(check_ports_reserved("1,50-150,151-300", 100, 200));
	assert_true(check_ports_reserved("100,101", 100, 101));
	assert_true(check_ports_reserved("1-65535", 65535, 65535));
	assert_false(check_ports_reserved("", 100, 200));
	assert_false(check_ports_reserved("100-199", 100, 200));
	assert_false(check_ports_reserved("101-200", 100, 200));
	assert_false(check_ports_reserved("100-150,152-200", 100, 200));
	assert_false(check_ports_reserved("x", 100, 200));
	assert_false(check_ports_reserved("100-", 100, 100));
	assert_false(check_ports_reserved("1;100-200", 100, 200));
}

static void nameservers_are_read(void **state)
{
	static const char text[] =
		"# nameserver 1.1.1.1\nsearch example.com\nnameserver 9.9.9.9\n"
		"nameserver\t2620:fe::fe # q\nnameserver fe80::1%eth0\nnameserverx 8.8.8.8\n"
		"nameserver not-an-address\nnameserver 127.0.0.53";
	static const char many[] =
		"nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\n"
		"nameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\nnameserver 1.1.1.1\n"
		"nameserver 1.1.1.1\n";
	struct edge53_addr found[CHECK_MAX_NAMESERVERS];
	char address[ADDR_TEXT_LEN];

	(void)state;
	assert_int_equal(check_parse_nameservers(text, sizeof(text) - 1, found), 4);
	assert_string_equal(addr_format(&found[0], address), "9.9.9.9");
	assert_string_equal(addr_format(&found[1], address), "2620:fe::fe");
	assert_string_equal(addr_format(&found[3], address), "127.0.0.53");
	assert_int_equal(check_parse_nameservers(many, sizeof(many) - 1, found),
			 CHECK_MAX_NAMESERVERS);
	assert_int_equal(check_parse_nameservers("", 0, found), 0);
}

/* --- codes ------------------------------------------------------------------------------------ */

static char page[65536];

static void codes_are_documented(void **state)
{
	FILE *f = fopen("docs/check.md", "re");
	size_t len, n_rows = 0;
	char row[128];

	(void)state;
	assert_non_null(f);
	len = fread(page, 1, sizeof(page) - 1, f);
	fclose(f);
	assert_in_range(len, 1, sizeof(page) - 2);
	page[len] = '\0';
	for (int i = 0; i < N_FINDING_CODES; i++) {
		const char *code = finding_code_text((enum finding_code)i);

		if (code[strspn(code, "abcdefghijklmnopqrstuvwxyz0123456789-")])
			fail_msg("%s is no code", code);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(code, finding_code_text((enum finding_code)j));
		assert_true(strlen(finding_why((enum finding_code)i)) > 0);
		snprintf(row, sizeof(row), "\n| `%s` |", code);
		if (!strstr(page, row))
			fail_msg("docs/check.md has no row for %s", code);
	}
	for (const char *at = page; (at = strstr(at, "\n| `")); at++)
		n_rows++;
	assert_int_equal(n_rows, N_FINDING_CODES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_chains_are_followed),
		cmocka_unit_test(devices_are_compared_as_nft_does),
		cmocka_unit_test(redirections_are_found),
		cmocka_unit_test(circles_end),
		cmocka_unit_test(what_is_no_ruleset_is_refused_or_empty),
		cmocka_unit_test(an_answer_is_read),
		cmocka_unit_test(bad_answers_are_refused),
		cmocka_unit_test(endpoints_that_are_names_are_found),
		cmocka_unit_test(reserved_ports_are_counted),
		cmocka_unit_test(nameservers_are_read),
		cmocka_unit_test(codes_are_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
