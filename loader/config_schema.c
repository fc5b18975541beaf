// SPDX-License-Identifier: GPL-2.0-only
#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_schema.h"
#include "log.h"
#include "util.h"

/* --- the schema ------------------------------------------------------------------------------- */

/* Every scalar is text to libcyaml: config.c converts it, and knows what would have been right. */
#define TEXT(key, type) \
	CYAML_FIELD_STRING_PTR(#key, CYAML_FLAG_OPTIONAL, struct type, key, 0, CYAML_UNLIMITED)
#define LIST(key, type, entry)                                                        \
	CYAML_FIELD_SEQUENCE(#key, CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct type, \
			     key, entry, 0, CYAML_UNLIMITED)
#define BLOCK(key, type, fields) \
	CYAML_FIELD_MAPPING(#key, CYAML_FLAG_OPTIONAL, struct type, key, fields)

/* libcyaml passes over it. */
#define SEVERAL_FORMS(key) CYAML_FIELD_IGNORE(key, CYAML_FLAG_OPTIONAL)

static const cyaml_schema_field_t backend_fields[] = {
	TEXT(address, raw_backend),
	TEXT(udp, raw_backend),
	TEXT(tcp, raw_backend),
	TEXT(weight, raw_backend),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t backend_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_backend, backend_fields),
};

static const cyaml_schema_field_t bits_fields[] = {
	TEXT(ipv4, raw_bits),
	TEXT(ipv6, raw_bits),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t rate_fields[] = {
	TEXT(qps, raw_rate),
	TEXT(burst, raw_rate),
	TEXT(over, raw_rate),
	TEXT(slip, raw_rate),
	BLOCK(prefix, raw_rate, bits_fields),
	TEXT(proven, raw_rate),
	SEVERAL_FORMS("exempt"),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t syn_cookies_fields[] = {
	TEXT(above, raw_syn_cookies),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t tcp_limit_fields[] = {
	TEXT(new_per_second, raw_tcp_limit),
	TEXT(burst, raw_tcp_limit),
	TEXT(open, raw_tcp_limit),
	BLOCK(syn_cookies, raw_tcp_limit, syn_cookies_fields),
	BLOCK(prefix, raw_tcp_limit, bits_fields),
	SEVERAL_FORMS("exempt"),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t response_fields[] = {
	TEXT(bytes_per_second, raw_response),
	TEXT(burst, raw_response),
	BLOCK(prefix, raw_response, bits_fields),
	TEXT(proven, raw_response),
	SEVERAL_FORMS("exempt"),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t edge_fields[] = {
	TEXT(name, raw_edge),
	TEXT(interface, raw_edge),
	SEVERAL_FORMS("address"),
	TEXT(tunnel, raw_edge),
	SEVERAL_FORMS("source"),
	SEVERAL_FORMS("keep_source"),
	LIST(backends, raw_edge, &backend_entry),
	SEVERAL_FORMS("client_ip"),
	TEXT(on_down, raw_edge),
	BLOCK(rate_limit, raw_edge, rate_fields),
	BLOCK(tcp_limit, raw_edge, tcp_limit_fields),
	BLOCK(response_limit, raw_edge, response_fields),
	TEXT(any, raw_edge),
	SEVERAL_FORMS("health"),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t edge_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_edge, edge_fields),
};

static const cyaml_schema_field_t doh_fields[] = {
	SEVERAL_FORMS("addresses"),
	TEXT(file, raw_doh),
	TEXT(action, raw_doh),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t enforce_fields[] = {
	TEXT(name, raw_enforce),
	TEXT(interface, raw_enforce),
	TEXT(resolver, raw_enforce),
	TEXT(resolver6, raw_enforce),
	TEXT(ipv6, raw_enforce),
	TEXT(dot, raw_enforce),
	BLOCK(doh, raw_enforce, doh_fields),
	SEVERAL_FORMS("exempt"),
	TEXT(guard, raw_enforce),
	TEXT(on_down, raw_enforce),
	BLOCK(response_limit, raw_enforce, response_fields),
	TEXT(any, raw_enforce),
	SEVERAL_FORMS("health"),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t enforce_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_enforce, enforce_fields),
};

static const cyaml_schema_field_t return_fields[] = {
	TEXT(tunnel, raw_return),
	TEXT(uplink, raw_return),
	TEXT(udp, raw_return),
	TEXT(tcp, raw_return),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t return_entry = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct raw_return, return_fields),
};

static const cyaml_schema_field_t limits_fields[] = {
	TEXT(udp_slots, raw_limits),
	TEXT(tcp_connections, raw_limits),
	TEXT(clients, raw_limits),
	TEXT(ports, raw_limits),
	TEXT(udp_timeout, raw_limits),
	TEXT(backend_udp_size, raw_limits),
	BLOCK(client_prefix, raw_limits, bits_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t dnstap_fields[] = {
	TEXT(socket, raw_dnstap),
	TEXT(file, raw_dnstap),
	TEXT(sample, raw_dnstap),
	TEXT(identity, raw_dnstap),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t export_fields[] = {
	TEXT(metrics, raw_export),
	TEXT(top_clients, raw_export),
	BLOCK(dnstap, raw_export, dnstap_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_field_t top_fields[] = {
	LIST(edge, raw_config, &edge_entry),
	LIST(enforce, raw_config, &enforce_entry),
	/* "return" is no name in C. */
	CYAML_FIELD_SEQUENCE("return", CYAML_FLAG_OPTIONAL | CYAML_FLAG_POINTER, struct raw_config,
			     returns, &return_entry, 0, CYAML_UNLIMITED),
	BLOCK(limits, raw_config, limits_fields),
	BLOCK(export, raw_config, export_fields),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t top = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct raw_config, top_fields),
};

/* --- the shape of the tree -------------------------------------------------------------------- */

#define MAX_FIELDS 32 /* bits of the set of keys seen */

_Static_assert(ARRAY_SIZE(edge_fields) <= MAX_FIELDS, "the longest list of keys");

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int least = a < b ? a : b;

	return least < c ? least : c;
}

#define MAX_KEY_LEN 31 /* longer than any of our keys by far */

/* Levenshtein's distance, one row at a time. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[MAX_KEY_LEN + 1];
	size_t b_len = strlen(b);

	for (size_t j = 0; j <= b_len; j++)
		row[j] = (unsigned int)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned int diagonal = row[0];

		row[0] = (unsigned int)i + 1;
		for (size_t j = 0; j < b_len; j++) {
			unsigned int above = row[j + 1];

			row[j + 1] = min3(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[b_len];
}

/* The key that was probably meant, or NULL. */
static const char *nearest(const char *key, const cyaml_schema_field_t *fields)
{
	const char *best = NULL;
	unsigned int best_distance = 3; /* three wrong letters are another word */

	if (strlen(key) > MAX_KEY_LEN)
		return NULL;
	for (; fields->key; fields++) {
		unsigned int d = distance(key, fields->key);

		if (d < best_distance && d < strlen(fields->key)) {
			best = fields->key;
			best_distance = d;
		}
	}
	return best;
}

/* "name, interface, resolver": the keys that do something here. */
static const char *list_keys(const cyaml_schema_field_t *fields, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (; fields->key; fields++) {
		if (used >= size)
			break;
		used += snprintf(buf + used, size - used, "%s%s", used ? ", " : "", fields->key);
	}
	return buf;
}

/* A key that works elsewhere, and why it cannot work here; NULL for others. */
static const char *why_not_here(const char *key, const cyaml_schema_field_t *fields)
{
	if (fields == enforce_fields && strcmp(key, "client_ip") == 0)
		return "is a key of edge services; the resolver of an enforce service sees each "
		       "client's own address, and needs no PROXY header";
	if (fields == enforce_fields && strcmp(key, "keep_source") == 0)
		return "is a key of edge services; the resolver of an enforce service sees each "
		       "client's own address";
	return NULL;
}

static void wrong_key(const struct place *at, const char *key, const cyaml_schema_field_t *fields)
{
	const char *meant = nearest(key, fields), *why = why_not_here(key, fields);
	char keys[256];

	list_keys(fields, keys, sizeof(keys));
	if (why)
		wrong(at, "%s", why);
	else if (meant)
		wrong(at, "unknown key; did you mean \"%s\"? Keys here: %s", meant, keys);
	else
		wrong(at, "unknown key; keys here: %s", keys);
}

static void check_value(const struct place *at, const cyaml_schema_value_t *schema);

static void check_pair(const struct place *at, const yaml_node_pair_t *pair,
		       const cyaml_schema_field_t *fields, unsigned int *seen)
{
	struct place key = place_of_key(at, pair);
	struct place value = place_of_value(at, pair);
	const char *text = place_text(&key);
	const cyaml_schema_field_t *field = fields;

	if (!text) {
		wrong(&key, "a list or a block where a key belongs");
		return;
	}
	while (field->key && strcmp(field->key, text) != 0)
		field++;
	if (!field->key) {
		wrong_key(&key, text, fields);
		return;
	}
	if (*seen & 1u << (field - fields)) {
		struct place first = place_key(at, text);

		wrong(&key, "is given twice, with the first value in line %u; remove one",
		      first.line);
		return;
	}
	*seen |= 1u << (field - fields);
	check_value(&value, &field->value);
}

static void check_mapping(const struct place *at, const cyaml_schema_field_t *fields)
{
	const yaml_node_pair_t *pair;
	unsigned int seen = 0;
	char keys[256];

	if (at->node->type != YAML_MAPPING_NODE) {
		wrong_value(at, "stands where a block of keys belongs: %s",
			    list_keys(fields, keys, sizeof(keys)));
		return;
	}
	for (pair = at->node->data.mapping.pairs.start; pair < at->node->data.mapping.pairs.top;
	     pair++)
		check_pair(at, pair, fields, &seen);
}

static void check_value(const struct place *at, const cyaml_schema_value_t *schema)
{
	switch (schema->type) {
	case CYAML_MAPPING:
		check_mapping(at, schema->mapping.fields);
		return;
	case CYAML_SEQUENCE:
		if (at->node->type != YAML_SEQUENCE_NODE) {
			wrong_value(at, "stands where a list belongs; entries begin with \"- \"");
			return;
		}
		for (size_t i = 0; i < place_count(at); i++) {
			struct place item = place_item(at, i);

			check_value(&item, schema->sequence.entry);
		}
		return;
	case CYAML_STRING:
		if (at->node->type != YAML_SCALAR_NODE)
			wrong(at, "a list or a block stands where a single value belongs");
		return;
	default: /* in several forms: config.c looks */
		return;
	}
}

int schema_check(struct config_tree *tree)
{
	struct place root = place_root(tree);

	check_value(&root, &top);
	return tree->n_errors ? -EINVAL : 0;
}

/* --- libcyaml --------------------------------------------------------------------------------- */

/* libcyaml says what is wrong first, and in which line in the trace that follows. */
struct complaint {
	char text[256];
	unsigned int line; /* 0: not said */
};

static void take_message(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct complaint *complaint = ctx;
	char text[256];
	const char *line;

	(void)level;
	vsnprintf(text, sizeof(text), fmt, args);
	text[strcspn(text, "\n")] = '\0';
	if (!complaint->text[0])
		strcpy(complaint->text, text);
	line = strstr(text, "(line: ");
	if (line && !complaint->line)
		sscanf(line, "(line: %u", &complaint->line);
}

static const cyaml_config_t base_config = {
	.mem_fn = cyaml_mem,
	.log_fn = take_message,
	.log_level = CYAML_LOG_ERROR,
	.flags = CYAML_CFG_NO_ALIAS,
};

int schema_read(const char *name, const char *text, size_t text_len, struct raw_config **ret)
{
	struct complaint complaint = { .text = "" };
	cyaml_config_t config = base_config;
	cyaml_data_t *data = NULL;
	char shown[SHOWN_LEN];
	cyaml_err_t err;

	config.log_ctx = &complaint;
	err = cyaml_load_data((const uint8_t *)text, text_len, &config, &top, &data, NULL);
	if (err == CYAML_OK) {
		*ret = data;
		return 0;
	}
	log_error("%s:%u: libcyaml says %s", name, complaint.line ?: 1,
		  show(complaint.text[0] ? complaint.text : cyaml_strerror(err), shown));
	return err == CYAML_ERR_OOM ? -ENOMEM : -EINVAL;
}

void schema_free(struct raw_config *raw)
{
	struct complaint complaint = { .text = "" };
	cyaml_config_t config = base_config;

	config.log_ctx = &complaint;
	cyaml_free(&config, &top, raw, 0);
}
