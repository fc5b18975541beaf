/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One value each: from the text that was written to what it means.
 *
 * at says where it is written and text what; text is NULL when it is not written, which is good for
 * what has a default: *ret is then left alone. Each returns whether the value is good; if it is
 * not, it has been said why.
 */
#ifndef EDGE53_CONFIG_VALUES_H
#define EDGE53_CONFIG_VALUES_H

#include "config.h"
#include "config_schema.h"
#include "config_tree.h"

/* Whether a key without a default is written. */
bool is_present(const struct place *at);

/* Whether each key of a block is one of these, up to NULL, written once, and has a single value. */
bool are_keys(const struct place *block, const char *const *keys);

/* The words of a policy, up to one without text. */
struct word {
	const char *text;
	enum config_policy policy;
};

extern const struct word on_down_words[];
extern const struct word enforce_on_down_words[];
extern const struct word ipv6_words[];
extern const struct word dot_words[];
extern const struct word doh_words[];
extern const struct word guard_words[];
extern const struct word over_words[];
extern const struct word any_words[];

bool read_policy(const struct place *at, const char *text, const struct word *words,
		 enum config_policy *ret);

/* Only digits, no sign, no leading zero (YAML 1.1 would take it for octal). Says nothing. */
bool parse_number(const char *text, size_t len, unsigned int *ret);

/* what: "a port" */
bool read_number(const struct place *at, const char *text, const char *what, unsigned int min,
		 unsigned int max, unsigned int *ret);

bool read_duration_ms(const struct place *at, const char *text, unsigned int min, unsigned int max,
		      unsigned int *ret);

/* How many bits of clients' addresses are looked at, of each family. */
bool read_client_prefix(const struct place *at, const struct raw_bits *raw,
			struct edge53_client_prefix *ret);

/* The text as it is; false: out of memory. *ret is the caller's to free(). */
bool copy_text(const struct place *at, const char *text, char **ret);

/* These must be written (the tunnel need not). *ret is the caller's to free(). */
bool read_name(const struct place *at, const char *text, char **ret);
bool read_interface(const struct place *at, const char *text, char **ret);
bool read_tunnel(const struct place *at, const char *text, char **ret);

/* The address of a host, or a prefix of addresses, of either family. The place must exist. */
bool read_address(const struct place *at, const char *text, struct edge53_addr *ret);
bool read_prefix(const struct place *at, struct edge53_prefix *ret);

/* A list of prefixes, sorted, none twice; *prefixes is the caller's to free(). A place that does not exist is no list. */
bool read_prefixes(const struct place *at, size_t max, struct edge53_prefix **prefixes,
		   size_t *ret_n);

/* What is wrong with the text as a prefix ("is a host name; ..."), or NULL and *ret is set. */
const char *why_no_prefix(const char *text, struct edge53_prefix *ret);

#endif
