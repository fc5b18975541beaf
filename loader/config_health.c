// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "config_health.h"
#include "config_values.h"

#define MIN_INTERVAL_MS 100
#define MAX_INTERVAL_MS 3600000
#define MAX_COUNT 100

static const struct config_health default_health = {
	.interval_ms = 2000,
	.rise = 2,
	.fall = 3,
};

static const char *const keys[] = { "name", "type", "interval", "rise", "fall", NULL };

static bool read_type(const struct place *at, unsigned int *ret)
{
	if (!at->node)
		return true;
	*ret = dns_type_parse(place_text(at));
	if (!*ret)
		wrong_value(at, "is no type that is asked for: " DNS_TYPES_TEXT);
	return *ret;
}

/* A name that the servers are responsible for has an SOA record, if it is a zone's, and else no answer to fear. */
static bool read_question(const struct place *name, const struct place *type,
			  struct config_health *health)
{
	unsigned int number = dns_type_parse("SOA");

	if (!read_type(type, &number))
		return false;
	if (!name->node) {
		if (type->node)
			wrong(type, "is the type of no name; give name, too, or neither");
		return !type->node;
	}
	if (dns_question_make(place_text(name), number, &health->question) < 0) {
		wrong_value(name,
			    "is not a DNS name such as example.com: labels of 1 to 63 letters, "
			    "digits, \"-\" or \"_\", 253 characters in all");
		return false;
	}
	health->has_question = true;
	return true;
}

bool read_health(const struct place *at, struct config_health *ret)
{
	struct place name = place_key(at, "name");
	struct place type = place_key(at, "type");
	struct place interval = place_key(at, "interval");
	struct place rise = place_key(at, "rise");
	struct place fall = place_key(at, "fall");
	const char *text = at->node ? place_text(at) : NULL;
	bool good;

	*ret = default_health;
	ret->question = dns_default_question;
	if (!at->node)
		return true;
	ret->is_written = true;
	if (text && strcmp(text, "off") == 0) {
		ret->is_off = true;
		return true;
	}
	if (at->node->type != YAML_MAPPING_NODE) {
		wrong_value(at, "is not off, or a block such as { name: example.com, type: SOA, "
				"interval: 2s, rise: 2, fall: 3 }");
		return false;
	}
	if (!are_keys(at, keys))
		return false;
	good = read_question(&name, &type, ret);
	good &= read_duration_ms(&interval, place_text(&interval), MIN_INTERVAL_MS, MAX_INTERVAL_MS,
				 &ret->interval_ms);
	good &= read_number(&rise, place_text(&rise), "a number of good answers", 1, MAX_COUNT,
			    &ret->rise);
	good &= read_number(&fall, place_text(&fall), "a number of failures", 1, MAX_COUNT,
			    &ret->fall);
	return good;
}
