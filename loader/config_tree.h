/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The configuration file as a tree of YAML nodes that know their lines, and the one place where
 * "this is wrong" becomes a sentence with file, line, key and value.
 *
 * For the files of the configuration only; everyone else sees config.h.
 */
#ifndef EDGE53_CONFIG_TREE_H
#define EDGE53_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#define CONFIG_MAX_BYTES (1024 * 1024)

struct config_tree {
	const char *name; /* of the file, for messages */
	yaml_document_t document;
	unsigned int n_errors; /* sentences of wrong() */
};

/*
 * Reads text into tree, refusing what no configuration of ours needs and an attacker may: binary
 * data, anchors and aliases, tags, several documents, deep nesting, very many nodes. Returns 0 and
 * the caller owns the tree (tree_free()); else negative errno, and the reason has been logged.
 */
int tree_read(struct config_tree *tree, const char *name, const char *text, size_t text_len);
void tree_free(struct config_tree *tree);

/*
 * A spot in the file. Where a key is not written, node is NULL and line that of the mapping that
 * lacks it. A value, not a resource.
 */
struct place {
	struct config_tree *tree;
	const yaml_node_t *node;
	unsigned int line; /* from 1 */
	char path[160];	   /* "edge[0].backends[1].udp"; "" for the whole file */
};

struct place place_root(struct config_tree *tree);
struct place place_key(const struct place *mapping, const char *key);
struct place place_item(const struct place *sequence, size_t index);

/* The spot of the key itself (not of its value) of the n-th pair of a mapping; see place_pair(). */
struct place place_of_key(const struct place *mapping, const yaml_node_pair_t *pair);
struct place place_of_value(const struct place *mapping, const yaml_node_pair_t *pair);

/* NULL when the place is no scalar. Never contains control characters: tree_read() saw to it. */
const char *place_text(const struct place *at);

/*
 * Some keys take one value or a list of them. place_count() says how many there are (0 when the key
 * is absent) and place_entry() gives each.
 */
size_t place_count(const struct place *at);
struct place place_entry(const struct place *at, size_t index);

/* Logs "FILE:LINE: KEY: text"; wrong_value() puts the value before the text. */
void wrong(const struct place *at, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wrong_value(const struct place *at, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define SHOWN_LEN 88

/* Makes a value fit to be shown: printable, not too long, in quotes unless it is a plain number. */
const char *show(const char *value, char buf[static SHOWN_LEN]);

#endif
