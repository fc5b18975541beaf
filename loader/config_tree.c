// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_tree.h"
#include "log.h"
#include "util.h"

#define MAX_DEPTH 8	  /* edge, its list, an edge, backends, its list, a backend, and some air */
#define MAX_EVENTS 200000 /* more than the largest configuration we accept needs */
#define MAX_ERRORS 20	  /* an operator repairs these first */
#define SHOWN_CHARS 60	  /* of a value; the rest is "..." */

/* --- reading ---------------------------------------------------------------------------------- */

/* What the walk over the events has seen so far. */
struct scan {
	const char *name;
	unsigned int depth;
	unsigned int n_events;
	unsigned int n_documents;
};

__attribute__((format(printf, 3, 4)))
static int refuse(const char *name, size_t line, const char *fmt, ...)
{
	_cleanup_(freep) char *text = NULL;
	va_list args;
	int r;

	va_start(args, fmt);
	r = vasprintf(&text, fmt, args);
	va_end(args);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	log_error("%s:%zu: %s", name, line, text);
	return -EINVAL;
}

static size_t line_at(const char *text, size_t offset)
{
	size_t line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

static bool has_tab_in_line(const char *text, size_t text_len, size_t line)
{
	const char *end = text + text_len, *p = text;

	while (line-- > 1 && (p = memchr(p, '\n', end - p)))
		p++;
	for (; p && p < end && *p != '\n'; p++)
		if (*p == '\t')
			return true;
	return false;
}

/* Turns what libyaml says of a text that is not YAML into our form. */
static int refuse_syntax(const char *name, const yaml_parser_t *parser, const char *text,
			 size_t len)
{
	const char *problem = parser->problem ?: "unknown problem";
	size_t line = parser->problem_mark.line + 1;

	if (parser->error == YAML_MEMORY_ERROR) {
		log_error("%s: out of memory", name);
		return -ENOMEM;
	}
	/* The reader knows no lines, only bytes. */
	if (parser->error == YAML_READER_ERROR)
		return refuse(name, line_at(text, parser->problem_offset < len ?
						  parser->problem_offset : len),
			      "this is not plain text in UTF-8: %s", problem);
	if (has_tab_in_line(text, len, line))
		return refuse(name, line, "this is not YAML: %s; YAML indents with spaces, and "
			      "there is a tab in this line", problem);
	if (parser->context)
		return refuse(name, line, "this is not YAML: %s %s (from line %zu)", problem,
			      parser->context, parser->context_mark.line + 1);
	return refuse(name, line, "this is not YAML: %s", problem);
}

static bool has_control_characters(const yaml_event_t *event)
{
	for (size_t i = 0; i < event->data.scalar.length; i++) {
		unsigned char c = event->data.scalar.value[i];

		if (c < ' ' || c == 0x7f)
			return true;
	}
	return false;
}

static int scan_node(const struct scan *scan, size_t line, const yaml_char_t *anchor,
		     const yaml_char_t *tag)
{
	if (anchor)
		return refuse(scan->name, line, "anchors (&) are not accepted in this file; write "
			      "the value out where it is needed");
	if (tag)
		return refuse(scan->name, line, "tags (!) are not accepted in this file");
	if (scan->depth > MAX_DEPTH)
		return refuse(scan->name, line, "nested deeper than anything in this file can be "
			      "(%d levels)", MAX_DEPTH);
	return 0;
}

static int scan_event(struct scan *scan, const yaml_event_t *event)
{
	size_t line = event->start_mark.line + 1;

	if (++scan->n_events > MAX_EVENTS)
		return refuse(scan->name, line, "too many values; no configuration needs so many");

	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (++scan->n_documents > 1)
			return refuse(scan->name, line, "a second document begins here (---); one "
				      "file is one document");
		return 0;
	case YAML_ALIAS_EVENT:
		return refuse(scan->name, line, "aliases (*) are not accepted in this file; write "
			      "the value out, or in quotes if it begins with \"*\"");
	case YAML_SCALAR_EVENT:
		if (has_control_characters(event))
			return refuse(scan->name, line, "a value has a line break or another "
				      "control character in it; none here needs one");
		return scan_node(scan, line, event->data.scalar.anchor, event->data.scalar.tag);
	case YAML_SEQUENCE_START_EVENT:
		scan->depth++;
		return scan_node(scan, line, event->data.sequence_start.anchor,
				 event->data.sequence_start.tag);
	case YAML_MAPPING_START_EVENT:
		scan->depth++;
		return scan_node(scan, line, event->data.mapping_start.anchor,
				 event->data.mapping_start.tag);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		scan->depth--;
		return 0;
	default:
		return 0;
	}
}

static int scan_events(yaml_parser_t *parser, const char *name, const char *text, size_t text_len)
{
	struct scan scan = { .name = name };
	bool at_end = false;
	int r = 0;

	while (!at_end && r == 0) {
		yaml_event_t event;

		if (!yaml_parser_parse(parser, &event))
			return refuse_syntax(name, parser, text, text_len);
		at_end = event.type == YAML_STREAM_END_EVENT;
		r = scan_event(&scan, &event);
		yaml_event_delete(&event);
	}
	if (r == 0 && scan.n_documents == 0)
		return refuse(name, 1, "the file is empty; it needs an edge or an enforce service");
	return r;
}

/* Looks at the text event by event, in bounded memory, before anything is built from it. */
static int scan_text(const char *name, const char *text, size_t text_len)
{
	yaml_parser_t parser;
	const char *nul;
	int r;

	if (text_len > CONFIG_MAX_BYTES)
		return refuse(name, 1, "the file is larger than %d bytes; no configuration is",
			      CONFIG_MAX_BYTES);
	nul = memchr(text, '\0', text_len);
	if (nul)
		return refuse(name, line_at(text, nul - text),
			      "a NUL byte: this is not text in UTF-8");
	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, text_len);
	r = scan_events(&parser, name, text, text_len);
	yaml_parser_delete(&parser);
	return r;
}

int tree_read(struct config_tree *tree, const char *name, const char *text, size_t text_len)
{
	yaml_parser_t parser;
	int r;

	*tree = (struct config_tree){ .name = name };
	r = scan_text(name, text, text_len);
	if (r < 0)
		return r;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, text_len);
	if (!yaml_parser_load(&parser, &tree->document))
		r = refuse_syntax(name, &parser, text, text_len);
	yaml_parser_delete(&parser);
	return r;
}

void tree_free(struct config_tree *tree)
{
	yaml_document_delete(&tree->document);
}

/* --- places ----------------------------------------------------------------------------------- */

static unsigned int node_line(const yaml_node_t *node)
{
	return (unsigned int)node->start_mark.line + 1;
}

__attribute__((format(printf, 3, 4)))
static struct place make_place(const struct place *parent, const yaml_node_t *node,
			       const char *fmt, ...)
{
	struct place at = *parent;
	size_t used = strlen(at.path);
	va_list args;

	va_start(args, fmt);
	vsnprintf(at.path + used, sizeof(at.path) - used, fmt, args);
	va_end(args);
	at.node = node;
	if (node)
		at.line = node_line(node);
	return at;
}

struct place place_root(struct config_tree *tree)
{
	struct place at = { .tree = tree, .line = 1 };

	at.node = yaml_document_get_root_node(&tree->document);
	if (at.node)
		at.line = node_line(at.node);
	return at;
}

static const yaml_node_t *get_node(const struct place *at, int id)
{
	return yaml_document_get_node(&at->tree->document, id);
}

static struct place make_key_place(const struct place *mapping, const yaml_node_t *node,
				   const char *key)
{
	char shown[SHOWN_LEN];
	size_t len;

	/* Quotes would only be in the way here; what must be escaped still is. */
	show(key, shown);
	len = strlen(shown);
	if (shown[0] == '"')
		return make_place(mapping, node, "%s%.*s", mapping->path[0] ? "." : "",
				  (int)len - 2, shown + 1);
	return make_place(mapping, node, "%s%s", mapping->path[0] ? "." : "", shown);
}

struct place place_key(const struct place *mapping, const char *key)
{
	const yaml_node_t *found = NULL;

	if (mapping->node && mapping->node->type == YAML_MAPPING_NODE) {
		const yaml_node_pair_t *pair = mapping->node->data.mapping.pairs.start;

		for (; !found && pair < mapping->node->data.mapping.pairs.top; pair++) {
			const yaml_node_t *node = get_node(mapping, pair->key);

			if (node->type == YAML_SCALAR_NODE &&
			    strcmp((const char *)node->data.scalar.value, key) == 0)
				found = get_node(mapping, pair->value);
		}
	}
	return make_key_place(mapping, found, key);
}

struct place place_of_key(const struct place *mapping, const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = get_node(mapping, pair->key);

	if (key->type != YAML_SCALAR_NODE)
		return make_place(mapping, key, "%s", "");
	return make_key_place(mapping, key, (const char *)key->data.scalar.value);
}

struct place place_of_value(const struct place *mapping, const yaml_node_pair_t *pair)
{
	struct place at = place_of_key(mapping, pair);

	return make_place(&at, get_node(mapping, pair->value), "%s", "");
}

struct place place_item(const struct place *sequence, size_t index)
{
	const yaml_node_t *node = sequence->node;
	const yaml_node_t *item = NULL;

	if (node && node->type == YAML_SEQUENCE_NODE) {
		const yaml_node_item_t *items = node->data.sequence.items.start;

		if (index < (size_t)(node->data.sequence.items.top - items))
			item = get_node(sequence, items[index]);
	}
	return make_place(sequence, item, "[%zu]", index);
}

const char *place_text(const struct place *at)
{
	if (!at->node || at->node->type != YAML_SCALAR_NODE)
		return NULL;
	return (const char *)at->node->data.scalar.value;
}

size_t place_count(const struct place *at)
{
	if (!at->node)
		return 0;
	if (at->node->type != YAML_SEQUENCE_NODE)
		return 1;
	return at->node->data.sequence.items.top - at->node->data.sequence.items.start;
}

struct place place_entry(const struct place *at, size_t index)
{
	if (at->node && at->node->type == YAML_SEQUENCE_NODE)
		return place_item(at, index);
	return *at;
}

/* --- messages --------------------------------------------------------------------------------- */

const char *show(const char *value, char buf[static SHOWN_LEN])
{
	size_t n_digits = strspn(value, "0123456789");
	char *out = buf;

	if (n_digits > 0 && n_digits <= SHOWN_CHARS && !value[n_digits])
		return strcpy(buf, value);

	*out++ = '"';
	for (const char *p = value; *p; p++) {
		unsigned char c = (unsigned char)*p;

		if (out - buf > SHOWN_CHARS) {
			out = stpcpy(out, "...");
			break;
		}
		/* Not the operator's terminal: a file may have come from anywhere. */
		if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
			out += sprintf(out, "\\x%02x", c);
		else
			*out++ = (char)c;
	}
	strcpy(out, "\"");
	return buf;
}

static void report(const struct place *at, const char *text)
{
	struct config_tree *tree = at->tree;

	tree->n_errors++;
	if (tree->n_errors <= MAX_ERRORS)
		log_error("%s:%u: %s%s%s", tree->name, at->line, at->path, at->path[0] ? ": " : "",
			  text);
	else if (tree->n_errors == MAX_ERRORS + 1)
		log_error("%s: there is more that is wrong; these first", tree->name);
}

void wrong(const struct place *at, const char *fmt, ...)
{
	char text[768];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	report(at, text);
}

void wrong_value(const struct place *at, const char *fmt, ...)
{
	const char *value = place_text(at);
	char shown[SHOWN_LEN], text[768];
	va_list args;
	int used;

	if (value)
		used = sprintf(text, "%s ", show(value, shown));
	else
		used = sprintf(text, "this ");
	va_start(args, fmt);
	vsnprintf(text + used, sizeof(text) - used, fmt, args);
	va_end(args);
	report(at, text);
}
