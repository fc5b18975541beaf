// SPDX-License-Identifier: GPL-2.0-only
#include "config_tcp.h"

#include "config_values.h"
#include "edge53_abi.h"

#define MAX_NEW_PER_SECOND 1000000
#define MAX_BURST 1000000
#define MAX_SYNS_PER_SECOND 10000000
#define MAX_OPEN 65535 /* more than there are ports */

/* The same prefixes as rate_limit's, so that who is limited is one and the same. */
static const struct config_tcp_limit default_limit = {
	.prefix = { .ipv4 = 24, .ipv6 = 56 },
};

bool has_tcp_limit(const struct config_tcp_limit *limit)
{
	return limit->new_per_second || limit->open || limit->cookies_above;
}

static bool read_new(const struct place *at, const struct raw_tcp_limit *raw,
		     struct config_tcp_limit *ret)
{
	struct place fresh = place_key(at, "new_per_second");
	struct place burst = place_key(at, "burst");
	bool good = read_number(&fresh, raw->new_per_second, "a number of connections per second",
				1, MAX_NEW_PER_SECOND, &ret->new_per_second);

	ret->burst = 2 * ret->new_per_second < MAX_BURST ? 2 * ret->new_per_second : MAX_BURST;
	if (burst.node && !fresh.node) {
		wrong(&burst, "is the burst of new_per_second, which is missing");
		return false;
	}
	return good & read_number(&burst, raw->burst, "a number of connections", 1, MAX_BURST,
				  &ret->burst);
}

static bool read_cookies(const struct place *at, const struct raw_syn_cookies *raw,
			 struct config_tcp_limit *ret)
{
	struct place above = place_key(at, "above");

	return !at->node ||
	       (is_present(&above) && read_number(&above, raw->above, "a number of SYNs per second", 1,
						  MAX_SYNS_PER_SECOND, &ret->cookies_above));
}

bool read_tcp_limit(const struct place *at, const struct raw_tcp_limit *raw,
		    struct config_tcp_limit *ret)
{
	struct place open = place_key(at, "open");
	struct place cookies = place_key(at, "syn_cookies");
	struct place prefix = place_key(at, "prefix");
	struct place exempt = place_key(at, "exempt");
	bool good;

	*ret = default_limit;
	if (!at->node)
		return true;
	good = read_new(at, raw, ret);
	good &= read_number(&open, raw->open, "a number of connections", 1, MAX_OPEN, &ret->open);
	good &= read_cookies(&cookies, &raw->syn_cookies, ret);
	good &= read_client_prefix(&prefix, &raw->prefix, &ret->prefix);
	good &= read_prefixes(&exempt, EDGE53_MAX_EXEMPT, &ret->exempt, &ret->n_exempt);
	if (good && !has_tcp_limit(ret)) {
		wrong(at, "limits nothing; it needs one at least of new_per_second, open and syn_cookies");
		good = false;
	}
	return good;
}
