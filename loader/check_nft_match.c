// SPDX-License-Identifier: GPL-2.0-only
/* Matches of nftables' rules, for a packet of which not everything is known. */
#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#include "check_nft.h"

/* The left side of a match: what the packet has there. */
struct value {
	enum {
		VALUE_UNKNOWN,
		VALUE_NEVER, /* the packet has no such thing: it is of another protocol */
		VALUE_TEXT,  /* and number, when it has one */
		VALUE_NUMBER,
		VALUE_ADDRESS,
		VALUE_DEVICE,
		VALUE_EXISTS,
	} kind;
	const char *text;
	json_int_t number;
	const struct edge53_addr *address;
};

static const struct value unknown = { .kind = VALUE_UNKNOWN };
static const struct value never = { .kind = VALUE_NEVER };

const char *nft_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const json_t *nft_find(struct nft_ruleset *ruleset, const struct nft_place *at, const char *kind,
		       const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach (ruleset->list, i, entry) {
		const json_t *thing = json_object_get(entry, kind);

		if (thing && !strcmp(nft_text(thing, "name"), name) &&
		    !strcmp(nft_text(thing, "table"), at->table) &&
		    !strcmp(nft_text(thing, "family"), at->family))
			return thing;
	}
	return NULL;
}

/* --- left: what the packet has ---------------------------------------------------------------- */

static struct value text_value(const char *text, json_int_t number)
{
	return (struct value){ .kind = VALUE_TEXT, .text = text, .number = number };
}

static struct value port_value(int port)
{
	if (port == NFT_ANY_PORT)
		return unknown;
	return (struct value){ .kind = VALUE_NUMBER, .number = port };
}

static struct value address_value(const struct edge53_addr *address)
{
	if (!address)
		return unknown;
	return (struct value){ .kind = VALUE_ADDRESS, .address = address };
}

static struct value device_value(const char *device)
{
	if (!device)
		return unknown;
	return (struct value){ .kind = VALUE_DEVICE, .text = device };
}

static struct value protocol_value(const struct nft_packet *packet)
{
	return packet->is_tcp ? text_value("tcp", 6) : text_value("udp", 17);
}

static struct value meta_value(const char *key, const struct nft_packet *packet)
{
	if (!strcmp(key, "iifname") || !strcmp(key, "iif"))
		return device_value(packet->iif);
	if (!strcmp(key, "oifname") || !strcmp(key, "oif"))
		return device_value(packet->oif);
	if (!strcmp(key, "l4proto"))
		return protocol_value(packet);
	if (!strcmp(key, "nfproto"))
		return packet->is_ipv6 ? text_value("ipv6", 10) : text_value("ipv4", 2);
	if (!strcmp(key, "protocol"))
		return packet->is_ipv6 ? text_value("ip6", 0x86dd) : text_value("ip", 0x0800);
	return unknown;
}

static struct value network_value(const char *field, const struct nft_packet *packet)
{
	if (!strcmp(field, "saddr"))
		return address_value(packet->saddr);
	if (!strcmp(field, "daddr"))
		return address_value(packet->daddr);
	if (!strcmp(field, "protocol") || !strcmp(field, "nexthdr"))
		return protocol_value(packet);
	return unknown;
}

static struct value port_field(const char *field, const struct nft_packet *packet)
{
	if (!strcmp(field, "sport"))
		return port_value(packet->sport);
	if (!strcmp(field, "dport"))
		return port_value(packet->dport);
	return unknown;
}

static struct value payload_value(const json_t *payload, const struct nft_packet *packet)
{
	static const char *const others[] = { "icmp", "icmpv6", "sctp", "dccp",	   "igmp",
					      "esp",  "ah",	"comp", "udplite", "arp" };
	const char *protocol = nft_text(payload, "protocol"), *field = nft_text(payload, "field");

	if (!strcmp(protocol, "ip"))
		return packet->is_ipv6 ? never : network_value(field, packet);
	if (!strcmp(protocol, "ip6"))
		return packet->is_ipv6 ? network_value(field, packet) : never;
	if (!strcmp(protocol, "th"))
		return port_field(field, packet);
	if (!strcmp(protocol, "tcp"))
		return packet->is_tcp ? port_field(field, packet) : never;
	if (!strcmp(protocol, "udp"))
		return packet->is_tcp ? never : port_field(field, packet);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!strcmp(protocol, others[i]))
			return never;
	return unknown;
}

static struct value ct_value(const char *key, const struct nft_packet *packet)
{
	if (!strcmp(key, "state"))
		return packet->is_reply ? text_value("established", 2) : text_value("new", 8);
	if (!strcmp(key, "direction"))
		return packet->is_reply ? text_value("reply", 1) : text_value("original", 0);
	return unknown;
}

static bool has_flag(const json_t *flags, const char *wanted)
{
	const json_t *flag;
	size_t i;

	if (json_is_string(flags))
		return !strcmp(json_string_value(flags), wanted);
	json_array_foreach (flags, i, flag)
		if (json_is_string(flag) && !strcmp(json_string_value(flag), wanted))
			return true;
	return false;
}

/* `fib saddr oif exists`, of which nft has several ways to say it in JSON. */
static bool asks_for_route(const char *result)
{
	return !strcmp(result, "oif") || !strcmp(result, "oifname") || !strcmp(result, "check");
}

/* `fib daddr type`: an allowlist's usual way to say "for this host". */
static struct value fib_value(const json_t *fib, const struct nft_packet *packet)
{
	const json_t *flags = json_object_get(fib, "flags");

	if (json_is_array(flags) && json_array_size(flags) == 1)
		flags = json_array_get(flags, 0);
	/* "Is there a way back?" Of clients there is: their device has them at its other end. */
	if (asks_for_route(nft_text(fib, "result")) &&
	    has_flag(json_object_get(fib, "flags"), "saddr"))
		return (struct value){ .kind = VALUE_EXISTS };
	if (strcmp(nft_text(fib, "result"), "type") != 0 || !json_is_string(flags) ||
	    strcmp(json_string_value(flags), "daddr") != 0 || !packet->is_for_host)
		return unknown;
	return text_value("local", 2);
}

static struct value left_value(const json_t *left, const struct nft_packet *packet);

/* `tcp flags & syn`: of a field that the packet has not there is no part either. */
static bool is_part_of_nothing(const json_t *left, const struct nft_packet *packet)
{
	static const char *const operators[] = { "&", "|", "^", "<<", ">>" };

	for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
		const json_t *operands = json_object_get(left, operators[i]);

		if (operands)
			return left_value(json_array_get(operands, 0), packet).kind == VALUE_NEVER;
	}
	return false;
}

static struct value left_value(const json_t *left, const struct nft_packet *packet)
{
	const json_t *inner;

	inner = json_object_get(left, "meta");
	if (inner)
		return meta_value(nft_text(inner, "key"), packet);
	inner = json_object_get(left, "payload");
	if (inner)
		return payload_value(inner, packet);
	inner = json_object_get(left, "ct");
	if (inner)
		return ct_value(nft_text(inner, "key"), packet);
	inner = json_object_get(left, "fib");
	if (inner)
		return fib_value(inner, packet);
	return is_part_of_nothing(left, packet) ? never : unknown;
}

/* --- right: what it is compared with ---------------------------------------------------------- */

static enum nft_tri yes_if(bool condition)
{
	return condition ? NFT_YES : NFT_NO;
}

/* "ppp*" covers "ppp0", and the glob "ppp*" or "ppp[0-3]" as well. */
static enum nft_tri compare_device(const char *device, const char *wanted)
{
	size_t len = strlen(wanted), literal = strcspn(device, "*?[");
	bool is_glob = device[literal];

	if (!strcmp(device, wanted))
		return NFT_YES;
	if (len && wanted[len - 1] == '*') {
		if (strncmp(device, wanted, MIN(len - 1, literal)) != 0)
			return NFT_NO;
		return literal >= len - 1 ? NFT_YES : is_glob ? NFT_MAYBE : NFT_NO;
	}
	return is_glob && !fnmatch(device, wanted, 0) ? NFT_MAYBE : NFT_NO;
}

static int compare_bytes(const struct edge53_addr *a, const struct edge53_addr *b)
{
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static bool parse_number(const char *text, json_int_t *ret)
{
	char *end;

	if (!strcmp(text, "domain")) {
		*ret = EDGE53_DNS_PORT;
		return true;
	}
	errno = 0;
	*ret = strtoll(text, &end, 0);
	return *text && !*end && !errno;
}

static enum nft_tri compare_text(const struct value *value, const char *wanted)
{
	struct edge53_addr address;
	json_int_t number;

	switch (value->kind) {
	case VALUE_TEXT:
		return yes_if(!strcmp(value->text, wanted));
	case VALUE_DEVICE:
		return compare_device(value->text, wanted);
	case VALUE_NUMBER:
		return parse_number(wanted, &number) ? yes_if(number == value->number) : NFT_MAYBE;
	case VALUE_ADDRESS:
		if (addr_parse(wanted, &address) < 0)
			return NFT_MAYBE;
		return yes_if(addr_equal(&address, value->address));
	default:
		return NFT_MAYBE;
	}
}

static enum nft_tri compare_integer(const struct value *value, json_int_t wanted)
{
	if (value->kind == VALUE_NUMBER || value->kind == VALUE_TEXT)
		return yes_if(value->number == wanted);
	return NFT_MAYBE; /* a device by its number, an address as one */
}

static bool number_of(const json_t *json, json_int_t *ret)
{
	if (json_is_integer(json)) {
		*ret = json_integer_value(json);
		return true;
	}
	return json_is_string(json) && parse_number(json_string_value(json), ret);
}

static enum nft_tri compare_range(const struct value *value, const json_t *range)
{
	const json_t *first = json_array_get(range, 0), *last = json_array_get(range, 1);
	struct edge53_addr from, to;
	json_int_t low, high;

	if (value->kind == VALUE_ADDRESS && json_is_string(first) && json_is_string(last)) {
		if (addr_parse(json_string_value(first), &from) < 0 ||
		    addr_parse(json_string_value(last), &to) < 0)
			return NFT_MAYBE;
		return yes_if(compare_bytes(&from, value->address) <= 0 &&
			      compare_bytes(value->address, &to) <= 0);
	}
	if (value->kind != VALUE_NUMBER || !number_of(first, &low) || !number_of(last, &high))
		return NFT_MAYBE;
	return yes_if(low <= value->number && value->number <= high);
}

static bool same_bits(const struct edge53_addr *a, const struct edge53_addr *b, unsigned int n_bits)
{
	unsigned int bytes = n_bits / 8, rest = n_bits % 8;

	return !memcmp(a->bytes, b->bytes, bytes) &&
	       (!rest || !((a->bytes[bytes] ^ b->bytes[bytes]) & (0xff00 >> rest & 0xff)));
}

static enum nft_tri compare_prefix(const struct value *value, const json_t *prefix)
{
	json_int_t len = json_integer_value(json_object_get(prefix, "len"));
	struct edge53_addr address;

	if (value->kind != VALUE_ADDRESS || addr_parse(nft_text(prefix, "addr"), &address) < 0)
		return NFT_MAYBE;
	if (addr_is_ipv4(&address) != addr_is_ipv4(value->address))
		return NFT_NO;
	len += addr_is_ipv4(&address) ? 96 : 0;
	if (len < 0 || len > 128)
		return NFT_MAYBE;
	return yes_if(same_bits(&address, value->address, (unsigned int)len));
}

static enum nft_tri compare_any(struct nft_ruleset *ruleset, const struct nft_place *at,
				const json_t *left, const json_t *list,
				const struct nft_packet *packet)
{
	enum nft_tri found = NFT_NO;
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		found = nft_or(found, nft_compare(ruleset, at, left, one, packet));
	return found;
}

/* Elements that come and go may be others when the packet comes. */
static bool is_moving(const json_t *set)
{
	const json_t *flags = json_object_get(set, "flags");

	return json_object_get(set, "timeout") || has_flag(flags, "dynamic") ||
	       has_flag(flags, "timeout");
}

static enum nft_tri compare_named(struct nft_ruleset *ruleset, const struct nft_place *at,
				  const json_t *left, const char *name,
				  const struct nft_packet *packet)
{
	const json_t *set = nft_find(ruleset, at, "set", name);

	if (!set || is_moving(set))
		return NFT_MAYBE;
	return compare_any(ruleset, at, left, json_object_get(set, "elem"), packet);
}

/* Part by part, when both sides have as many. */
static enum nft_tri compare_concat(struct nft_ruleset *ruleset, const struct nft_place *at,
				   const json_t *left, const json_t *right,
				   const struct nft_packet *packet)
{
	enum nft_tri all = NFT_YES;
	size_t n = json_array_size(left);

	if (!n || n != json_array_size(right))
		return NFT_MAYBE;
	for (size_t i = 0; i < n; i++)
		all = nft_and(all, nft_compare(ruleset, at, json_array_get(left, i),
					       json_array_get(right, i), packet));
	return all;
}

static enum nft_tri compare_object(struct nft_ruleset *ruleset, const struct nft_place *at,
				   const json_t *left, const json_t *right,
				   const struct nft_packet *packet)
{
	struct value value = left_value(left, packet);
	const json_t *inner;

	inner = json_object_get(right, "set");
	if (inner)
		return compare_any(ruleset, at, left, inner, packet);
	inner = json_object_get(right, "elem");
	if (inner)
		return nft_compare(ruleset, at, left, json_object_get(inner, "val"), packet);
	inner = json_object_get(right, "range");
	if (inner)
		return compare_range(&value, inner);
	inner = json_object_get(right, "prefix");
	if (inner)
		return compare_prefix(&value, inner);
	return NFT_MAYBE;
}

static enum nft_tri compare(struct nft_ruleset *ruleset, const struct nft_place *at,
			    const json_t *left, const json_t *right,
			    const struct nft_packet *packet)
{
	const json_t *left_parts = json_object_get(left, "concat");
	const json_t *right_parts = json_object_get(right, "concat");
	struct value value;

	if (json_is_string(right) && json_string_value(right)[0] == '@')
		return compare_named(ruleset, at, left, json_string_value(right) + 1, packet);
	if (left_parts && right_parts)
		return compare_concat(ruleset, at, left_parts, right_parts, packet);
	if (json_is_array(right))
		return compare_any(ruleset, at, left, right, packet);
	/* Elements of sets and verdict maps come here one by one. */
	if (json_is_object(right) &&
	    (json_object_get(right, "set") || json_object_get(right, "elem")))
		return compare_object(ruleset, at, left, right, packet);
	if (json_is_string(right) && !strcmp(json_string_value(right), "*"))
		return NFT_YES; /* the default of a verdict map */
	value = left_value(left, packet);
	if (value.kind == VALUE_NEVER)
		return NFT_NO;
	if (value.kind == VALUE_UNKNOWN)
		return NFT_MAYBE;
	if (value.kind == VALUE_EXISTS)
		return json_is_boolean(right) ? yes_if(json_is_true(right)) : NFT_MAYBE;
	if (json_is_string(right))
		return compare_text(&value, json_string_value(right));
	if (json_is_integer(right))
		return compare_integer(&value, json_integer_value(right));
	return compare_object(ruleset, at, left, right, packet);
}

enum nft_tri nft_compare(struct nft_ruleset *ruleset, const struct nft_place *at,
			 const json_t *left, const json_t *right, const struct nft_packet *packet)
{
	enum nft_tri result;

	/* Sets are not nested; what claims to be would take us round and round. */
	if (ruleset->depth == NFT_MAX_DEPTH || ruleset->steps >= ruleset->max_steps)
		return NFT_MAYBE;
	ruleset->steps++;
	ruleset->depth++;
	result = compare(ruleset, at, left, right, packet);
	ruleset->depth--;
	return result;
}

/* "<" and the like, of ports. */
static enum nft_tri compare_order(const char *op, const json_t *left, const json_t *right,
				  const struct nft_packet *packet)
{
	struct value value = left_value(left, packet);
	json_int_t number;

	if (value.kind == VALUE_NEVER)
		return NFT_NO;
	if (value.kind != VALUE_NUMBER || !number_of(right, &number))
		return NFT_MAYBE;
	if (!strcmp(op, "<"))
		return yes_if(value.number < number);
	if (!strcmp(op, ">"))
		return yes_if(value.number > number);
	if (!strcmp(op, "<="))
		return yes_if(value.number <= number);
	if (!strcmp(op, ">="))
		return yes_if(value.number >= number);
	return NFT_MAYBE;
}

enum nft_tri nft_match(struct nft_ruleset *ruleset, const struct nft_place *at, const json_t *match,
		       const struct nft_packet *packet)
{
	const json_t *left = json_object_get(match, "left"),
		     *right = json_object_get(match, "right");
	const char *op = nft_text(match, "op");
	enum nft_tri same;

	if (strcmp(op, "==") != 0 && strcmp(op, "in") != 0 && strcmp(op, "!=") != 0)
		return compare_order(op, left, right, packet);
	/* A packet of another protocol ends the rule, whatever the comparison. */
	if (left_value(left, packet).kind == VALUE_NEVER)
		return NFT_NO;
	same = nft_compare(ruleset, at, left, right, packet);
	if (strcmp(op, "!=") != 0)
		return same;
	return same == NFT_YES ? NFT_NO : same == NFT_NO ? NFT_YES : NFT_MAYBE;
}
