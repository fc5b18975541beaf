// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_prefixes.h"
#include "config_values.h"
#include "edge53_client_prefix.h"

#define MAX_NAME_LEN (EDGE53_NAME_LEN - 1)
#define MAX_IFNAME_LEN (IFNAMSIZ - 1)

/* --- words and numbers ------------------------------------------------------------------------ */

bool is_present(const struct place *at)
{
	if (!at->node)
		wrong(at, "is missing");
	return at->node;
}

static bool is_one_of(const struct place *key, const char *const *keys)
{
	const char *text = place_text(key);
	char list[128] = "";
	size_t len = 0;

	for (size_t i = 0; keys[i]; i++) {
		if (text && strcmp(text, keys[i]) == 0)
			return true;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					keys[i]);
	}
	wrong(key, "unknown key; keys here: %s", list);
	return false;
}

static bool is_good_pair(const struct place *block, const yaml_node_pair_t *pair,
			 const char *const *keys)
{
	struct place key = place_of_key(block, pair), value = place_of_value(block, pair), first;

	if (!is_one_of(&key, keys))
		return false;
	first = place_key(block, place_text(&key));
	if (first.node != value.node) {
		wrong(&key, "is given twice, with the first value in line %u; remove one",
		      first.line);
		return false;
	}
	if (!place_text(&value)) {
		wrong(&value, "a list or a block stands where a single value belongs");
		return false;
	}
	return true;
}

bool are_keys(const struct place *block, const char *const *keys)
{
	const yaml_node_pair_t *pair = block->node->data.mapping.pairs.start;
	bool good = true;

	for (; pair < block->node->data.mapping.pairs.top; pair++)
		good &= is_good_pair(block, pair, keys);
	return good;
}

const struct word on_down_words[] = {
	{ "pass", POLICY_PASS },
	{ "drop", POLICY_DROP },
	{ "servfail", POLICY_SERVFAIL },
	{ NULL, POLICY_PASS },
};

/* The resolvers that a client wanted answer for themselves. */
const struct word enforce_on_down_words[] = {
	{ "pass", POLICY_PASS },
	{ "drop", POLICY_DROP },
	{ NULL, POLICY_PASS },
};

const struct word ipv6_words[] = {
	{ "drop", POLICY_DROP },
	{ "redirect", POLICY_REDIRECT },
	{ "pass", POLICY_PASS },
	{ NULL, POLICY_PASS },
};

const struct word dot_words[] = {
	{ "reject", POLICY_REJECT },
	{ "drop", POLICY_DROP },
	{ "pass", POLICY_PASS },
	{ NULL, POLICY_PASS },
};

const struct word doh_words[] = {
	{ "reject", POLICY_REJECT },
	{ "drop", POLICY_DROP },
	{ NULL, POLICY_PASS },
};

const struct word over_words[] = {
	{ "truncate", POLICY_TRUNCATE },
	{ "drop", POLICY_DROP },
	{ NULL, POLICY_PASS },
};

const struct word any_words[] = {
	{ "pass", POLICY_PASS },
	{ "truncate", POLICY_TRUNCATE },
	{ NULL, POLICY_PASS },
};

const struct word guard_words[] = {
	{ "count", POLICY_COUNT },
	{ "drop", POLICY_DROP },
	{ "off", POLICY_OFF },
	{ NULL, POLICY_PASS },
};

#define WORDS_LEN 64

/* "reject, drop or pass" */
static const char *list_words(const struct word *words, char buf[static WORDS_LEN])
{
	size_t n = 0, used = 0;

	while (words[n].text)
		n++;
	buf[0] = '\0';
	for (size_t i = 0; i < n && used < WORDS_LEN; i++)
		used += snprintf(buf + used, WORDS_LEN - used, "%s%s", words[i].text,
				 i + 2 == n ? " or " : i + 1 == n ? "" : ", ");
	return buf;
}

bool read_policy(const struct place *at, const char *text, const struct word *words,
		 enum config_policy *ret)
{
	const struct word *word = words;
	char list[WORDS_LEN];

	if (!text)
		return true;
	while (word->text && strcmp(word->text, text) != 0)
		word++;
	if (!word->text) {
		wrong_value(at, "is not %s", list_words(words, list));
		return false;
	}
	*ret = word->policy;
	return true;
}

bool parse_number(const char *text, size_t len, unsigned int *ret)
{
	unsigned int number = 0;

	if (len < 1 || len > 9 || (text[0] == '0' && len > 1))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (unsigned int)(text[i] - '0');
	}
	*ret = number;
	return true;
}

bool read_number(const struct place *at, const char *text, const char *what, unsigned int min,
		 unsigned int max, unsigned int *ret)
{
	unsigned int number;

	if (!text)
		return true;
	if (!parse_number(text, strlen(text), &number) || number < min || number > max) {
		wrong_value(at, "is not %s (%u-%u)", what, min, max);
		return false;
	}
	*ret = number;
	return true;
}

bool read_duration_ms(const struct place *at, const char *text, unsigned int min, unsigned int max,
		      unsigned int *ret)
{
	static const struct {
		const char *name;
		unsigned int ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 } };
	unsigned long long duration_ms = 0;
	size_t n_digits;
	unsigned int number;

	if (!text)
		return true;
	n_digits = strspn(text, "0123456789");
	if (n_digits > 0 && !text[n_digits]) {
		wrong_value(at, "has no unit: %ss or %sms?", text, text);
		return false;
	}
	if (parse_number(text, n_digits, &number))
		for (size_t i = 0; i < ARRAY_SIZE(units); i++)
			if (strcmp(text + n_digits, units[i].name) == 0)
				duration_ms = (unsigned long long)number * units[i].ms;
	if (duration_ms < min || duration_ms > max) {
		wrong_value(at, "is not a duration from %s to 1h, such as %s10s or 2m",
			    min < 1000 ? "100ms" : "1s", min < 1000 ? "500ms, " : "");
		return false;
	}
	*ret = (unsigned int)duration_ms;
	return true;
}

static bool read_prefix_bits(const struct place *at, const char *text, unsigned int most,
			     __u16 *ret)
{
	unsigned int bits = *ret;
	bool good = read_number(at, text, "a number of bits", 1, most, &bits);

	*ret = (__u16)bits;
	return good;
}

bool read_client_prefix(const struct place *at, const struct raw_bits *raw,
			       struct edge53_client_prefix *ret)
{
	struct place ipv4 = place_key(at, "ipv4");
	struct place ipv6 = place_key(at, "ipv6");

	return read_prefix_bits(&ipv4, raw->ipv4, EDGE53_IPV4_BITS, &ret->ipv4) &
	       read_prefix_bits(&ipv6, raw->ipv6, EDGE53_IPV6_BITS, &ret->ipv6);
}

/* --- names ------------------------------------------------------------------------------------ */

bool copy_text(const struct place *at, const char *text, char **ret)
{
	*ret = strdup(text);
	if (!*ret)
		wrong(at, "out of memory");
	return *ret;
}

bool read_name(const struct place *at, const char *text, char **ret)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len;

	if (!is_present(at))
		return false;
	len = strlen(text);
	if (len < 1 || len > MAX_NAME_LEN || text[strspn(text, allowed)]) {
		wrong_value(at, "is not a name: 1 to %d letters, digits, \"_\", \".\" or \"-\"",
			    MAX_NAME_LEN);
		return false;
	}
	return copy_text(at, text, ret);
}

static bool has_space(const char *text)
{
	for (; *text; text++)
		if (isspace((unsigned char)*text))
			return true;
	return false;
}

/* What the kernel takes as the name of a device (dev_valid_name()). */
static bool read_device(const struct place *at, const char *text, char **ret)
{
	size_t len = strlen(text);

	if (len < 1 || len > MAX_IFNAME_LEN) {
		wrong_value(at, "is not the name of a device: they have 1 to %d characters",
			    MAX_IFNAME_LEN);
		return false;
	}
	if (strpbrk(text, "/:") || has_space(text) || !strcmp(text, ".") || !strcmp(text, "..")) {
		wrong_value(at,
			    "is not the name of a device: \"/\", \":\" and white space cannot be "
			    "in one, nor is it \".\" or \"..\"");
		return false;
	}
	return copy_text(at, text, ret);
}

bool read_interface(const struct place *at, const char *text, char **ret)
{
	return is_present(at) && read_device(at, text, ret);
}

bool read_tunnel(const struct place *at, const char *text, char **ret)
{
	if (!text)
		return true;
	if (strpbrk(text, "*?[")) {
		wrong_value(at, "is a pattern; it is one device, name that one");
		return false;
	}
	return read_device(at, text, ret);
}

/* --- addresses -------------------------------------------------------------------------------- */

/* The functions here called why_no_*() say what is wrong with a text, or NULL when nothing is. */

#define AS_PREFIX "is not an IPv4 or IPv6 address or prefix such as 10.77.0.0/16 or 2001:db8::/32"

/* Something was written that is no address: what it looks like, and what to do. */
static const char *why_not_parsed(const char *text, bool is_prefix_ok)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	size_t host_len = strcspn(text, ":");
	bool has_port = text[host_len] && !strchr(text + host_len + 1, ':');
	bool has_letters = strcspn(text, letters) < host_len;

	if (strchr(text, '/'))
		return is_prefix_ok ? AS_PREFIX : "is a prefix; an address is needed here";
	if (has_letters && (has_port || !strchr(text, ':')))
		return "is a host name; write its address. Finding the address of a name may need "
		       "the very DNS server this file describes, which would then wait for itself";
	if (has_port || text[0] == '[')
		return "has a port or brackets in it; write the address alone, ports have keys of "
		       "their own (udp, tcp) or are 53";
	if (strchr(text, '%'))
		return "names a device, as link-local addresses need it; an address that is valid "
		       "everywhere on the host is needed";
	if (strchr(text, ':'))
		return "is not an IPv6 address such as 2001:db8::53";
	return "is not an IPv4 address: four numbers from 0 to 255, with dots";
}

static const char *why_no_ipv4_host(const __u8 *ipv4)
{
	if (ipv4[0] == 0)
		return "is no host's address: 0.0.0.0/8 means \"this network\"";
	if (ipv4[0] == 127)
		return "is a loopback address, which the kernel accepts from no network; write "
		       "another address of that host";
	if (ipv4[0] >= 224 && ipv4[0] < 240)
		return "is a multicast address; the address of one host is needed";
	if (memcmp(ipv4, "\xff\xff\xff\xff", 4) == 0)
		return "is the broadcast address; the address of one host is needed";
	return NULL;
}

static const char *why_no_ipv6_host(const struct edge53_addr *addr)
{
	static const struct edge53_addr loopback = { .bytes[15] = 1 };

	if (addr_is_zero(addr))
		return "is no host's address: :: means \"any\"";
	if (addr_equal(addr, &loopback))
		return "is the loopback address, which the kernel accepts from no network; write "
		       "another address of that host";
	if (addr->bytes[0] == 0xff)
		return "is a multicast address; the address of one host is needed";
	if (addr->bytes[0] == 0xfe && (addr->bytes[1] & 0xc0) == 0x80)
		return "is a link-local address, which means another host on every device; a global "
		       "or unique local address is needed";
	return NULL;
}

bool read_address(const struct place *at, const char *text, struct edge53_addr *ret)
{
	const char *why;

	if (!text) {
		wrong(at, "a list or a block stands where an address belongs");
		return false;
	}
	if (addr_parse(text, ret) < 0)
		why = why_not_parsed(text, false);
	else
		why = addr_is_ipv4(ret) ? why_no_ipv4_host(ret->bytes + 12) : why_no_ipv6_host(ret);
	if (why)
		wrong_value(at, "%s", why);
	return !why;
}

/*
 * IPv4 addresses are stored mapped: what contains ::ffff:0:0/96 contains all of them. That is ::/0
 * to ::/80, and those with the first of its 16 ones: ::8000:0:0/81 to ::fffe:0:0/95.
 */
static bool contains_ipv4(const struct edge53_prefix *prefix)
{
	if (prefix->length_bits >= 96)
		return false;
	for (unsigned int bit = 0; bit < prefix->length_bits; bit++)
		if ((prefix->address.bytes[bit / 8] >> (7 - bit % 8) & 1) != (bit >= 80))
			return false;
	return true;
}

const char *why_no_prefix(const char *text, struct edge53_prefix *ret)
{
	int r = prefix_parse(text, ret);

	if (r == -ERANGE)
		return "is not a prefix: its length is at most 32 bits (IPv6: 128), and the bits of "
		       "the address after it are 0, as in 10.77.0.0/16";
	if (r < 0)
		return why_not_parsed(text, true);
	if (contains_ipv4(ret))
		return "contains the IPv4-mapped addresses, that is, all of IPv4; write 2000::/3 and "
		       "fc00::/7, which are all of IPv6 that is in use";
	return NULL;
}

bool read_prefix(const struct place *at, struct edge53_prefix *ret)
{
	const char *text = place_text(at), *why;

	if (!text) {
		wrong(at, "a list or a block stands where an address or prefix belongs");
		return false;
	}
	why = why_no_prefix(text, ret);
	if (why)
		wrong_value(at, "%s", why);
	return !why;
}

bool read_prefixes(const struct place *at, size_t max, struct edge53_prefix **prefixes,
			  size_t *ret_n)
{
	size_t n = place_count(at);
	bool good = true;

	if (n > max) {
		wrong(at, "%zu entries; at most %zu are possible", n, max);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		struct place entry = place_entry(at, i);
		struct edge53_prefix prefix = {};

		good &= read_prefix(&entry, &prefix);
		if (array_grow(prefixes, i, sizeof(**prefixes)) < 0) {
			wrong(at, "out of memory");
			return false;
		}
		(*prefixes)[(*ret_n)++] = prefix;
	}
	prefixes_sort(*prefixes, ret_n);
	return good;
}
