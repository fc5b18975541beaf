// SPDX-License-Identifier: GPL-2.0-only
#include "config_rate.h"

#include <string.h>

#include "config_values.h"
#include "edge53_abi.h"

#define MAX_QPS 1000000
#define MAX_BURST 1000000
#define MAX_SLIP 100
#define MAX_BYTES 500000000
#define LEAST_BURST 512 /* RFC 1035 section 2.3.4; what is longer than a burst is never sent whole */
#define LEAST_DEFAULT_BURST 4096

/* As wide as one customer is, mostly (RRL's default for IPv6, too). */
static const struct config_rate default_rate = {
	.over = POLICY_TRUNCATE,
	.slip = 1,
	.prefix = { .ipv4 = 24, .ipv6 = 56 },
	.proven_s = 600,
};

static const struct config_response default_response = {
	.prefix = { .ipv4 = 24, .ipv6 = 56 },
	.proven_s = 600,
};

static bool read_proven(const struct place *at, const char *text, unsigned int *ret_s)
{
	unsigned int proven_ms = *ret_s * 1000;

	if (text && strcmp(text, "off") == 0) {
		*ret_s = 0;
		return true;
	}
	if (!read_duration_ms(at, text, 1000, 3600000, &proven_ms))
		return false;
	*ret_s = proven_ms / 1000;
	return true;
}

bool read_rate(const struct place *at, const struct raw_rate *raw, struct config_rate *ret)
{
	struct place qps = place_key(at, "qps");
	struct place burst = place_key(at, "burst");
	struct place over = place_key(at, "over");
	struct place slip = place_key(at, "slip");
	struct place prefix = place_key(at, "prefix");
	struct place proven = place_key(at, "proven");
	struct place exempt = place_key(at, "exempt");
	bool good;

	*ret = default_rate;
	if (!at->node)
		return true;
	good = is_present(&qps) &&
	       read_number(&qps, raw->qps, "a number of queries per second", 1, MAX_QPS, &ret->qps);
	ret->burst = 2 * ret->qps < MAX_BURST ? 2 * ret->qps : MAX_BURST;
	good &= read_number(&burst, raw->burst, "a number of queries", 1, MAX_BURST, &ret->burst);
	good &= read_policy(&over, raw->over, over_words, &ret->over);
	good &= read_number(&slip, raw->slip, "a number of queries", 1, MAX_SLIP, &ret->slip);
	if (slip.node && ret->over == POLICY_DROP) {
		wrong(&slip, "nothing is truncated with over: drop; leave one of them out");
		good = false;
	}
	good &= read_client_prefix(&prefix, &raw->prefix, &ret->prefix);
	good &= read_proven(&proven, raw->proven, &ret->proven_s);
	good &= read_prefixes(&exempt, EDGE53_MAX_EXEMPT, &ret->exempt, &ret->n_exempt);
	return good;
}

/* Of two seconds, and room for a long reply. */
static unsigned int default_burst(unsigned int bytes_per_second)
{
	unsigned int burst = bytes_per_second < MAX_BYTES / 2 ? 2 * bytes_per_second : MAX_BYTES;

	return burst > LEAST_DEFAULT_BURST ? burst : LEAST_DEFAULT_BURST;
}

bool read_response(const struct place *at, const struct raw_response *raw,
		   struct config_response *ret)
{
	struct place bytes = place_key(at, "bytes_per_second");
	struct place burst = place_key(at, "burst");
	struct place prefix = place_key(at, "prefix");
	struct place proven = place_key(at, "proven");
	struct place exempt = place_key(at, "exempt");
	bool good;

	*ret = default_response;
	if (!at->node)
		return true;
	good = is_present(&bytes) &&
	       read_number(&bytes, raw->bytes_per_second, "a number of bytes per second", 1,
			   MAX_BYTES, &ret->bytes_per_second);
	ret->burst = default_burst(ret->bytes_per_second);
	good &= read_number(&burst, raw->burst, "a number of bytes", LEAST_BURST, MAX_BYTES,
			    &ret->burst);
	good &= read_client_prefix(&prefix, &raw->prefix, &ret->prefix);
	good &= read_proven(&proven, raw->proven, &ret->proven_s);
	good &= read_prefixes(&exempt, EDGE53_MAX_EXEMPT, &ret->exempt, &ret->n_exempt);
	return good;
}
