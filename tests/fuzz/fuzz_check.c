// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `edge53 check` reads of others: a ruleset of nftables as JSON, the answer of a userspace WireGuard, wg-quick's
 * file, resolv.conf, and a list of ports. The first byte chooses which.
 */
#include "fuzz.h"

#include "check.h"
#include "check_nft.h"

#define MAX_STEPS 20000 /* else circles take a second each */

static void check_hook(struct nft_ruleset *ruleset, const char *hook, bool is_tcp, bool is_ipv6)
{
	static const struct edge53_addr ipv4 = {
		.bytes = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 77, [15] = 1 }
	};
	static const struct edge53_addr ipv6 = { .bytes = { [0] = 0xfd, [15] = 1 } };
	struct nft_packet packet = { .iif = "ppp*",
				     .is_tcp = is_tcp,
				     .is_ipv6 = is_ipv6,
				     .daddr = is_ipv6 ? &ipv6 : &ipv4,
				     .sport = NFT_ANY_PORT,
				     .dport = 53,
				     .is_for_host = true };
	struct nft_result result, again;

	nft_run(ruleset, hook, &packet, &result);
	if (result.drops != NFT_NO)
		assert(result.drop.family && result.drop.table && result.drop.chain &&
		       result.drop_base.chain);
	if (result.redirects != NFT_NO)
		assert(result.redirect.family && result.redirect.table && result.redirect.chain);
	if (result.gave_up)
		return;
	/* Who knows less of a packet is not surer of it. */
	packet.iif = NULL;
	packet.daddr = NULL;
	packet.is_for_host = false;
	nft_run(ruleset, hook, &packet, &again);
	if (!again.gave_up && again.drops != NFT_MAYBE)
		assert(again.drops == result.drops);
}

static void fuzz_ruleset(const char *text, size_t len)
{
	json_t *document = json_loadb(text, len, 0, NULL);
	struct nft_ruleset ruleset;

	if (!document)
		return;
	if (!nft_ruleset_open(document, &ruleset)) {
		ruleset.max_steps = MAX_STEPS;
		for (int i = 0; i < 4; i++)
			check_hook(&ruleset, "input", i & 1, i & 2);
		check_hook(&ruleset, "prerouting", false, false);
		assert(ruleset.depth == 0);
	}
	json_decref(document);
}

static void fuzz_answer(const char *text, size_t len)
{
	static const struct edge53_addr address = { .bytes = {
							    [10] = 0xff, [11] = 0xff, [12] = 10 } };
	struct wg_device device = {};

	if (!wg_parse_answer(text, len, &device)) {
		for (size_t i = 0; i < device.n_peers; i++) {
			char *allowed = wg_allowed_text(&device.peers[i]);
			char key[WG_KEY_TEXT_LEN];

			assert(allowed);
			free(allowed);
			wg_key_text(device.peers[i].key, key);
			assert(strlen(key) == WG_KEY_TEXT_LEN - 1);
			assert(device.peers[i].endpoint_port <= 65535);
		}
		wg_route(&device, &address);
	}
	wg_device_clear(&device);
}

static void fuzz_file(const char *text, size_t len)
{
	struct wg_names names = {};

	assert(!wg_parse_file(text, len, &names));
	for (size_t i = 0; i < names.n; i++) {
		struct edge53_addr address;

		assert(names.list[i].host[0] && addr_parse(names.list[i].host, &address) < 0);
	}
	free(names.list);
}

static void fuzz_ports(const char *text, size_t len)
{
	char *list = strndup(text, len);

	assert(list);
	/* All of a range is also each half of it. */
	if (check_ports_reserved(list, 1000, 2000))
		assert(check_ports_reserved(list, 1000, 1500) &&
		       check_ports_reserved(list, 1501, 2000));
	free(list);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct edge53_addr nameservers[CHECK_MAX_NAMESERVERS];
	char *text;

	if (!len)
		return 0;
	text = (char *)copy_exactly(bytes + 1, len - 1, 0);
	switch (bytes[0]) {
	case 'n':
		fuzz_ruleset(text, len - 1);
		break;
	case 'a':
		fuzz_answer(text, len - 1);
		break;
	case 'f':
		fuzz_file(text, len - 1);
		break;
	case 'p':
		fuzz_ports(text, len - 1);
		break;
	default:
		assert(check_parse_nameservers(text, len - 1, nameservers) <=
		       CHECK_MAX_NAMESERVERS);
	}
	free(text);
	return 0;
}
