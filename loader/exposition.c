// SPDX-License-Identifier: GPL-2.0-only
#include "exposition.h"

/* In a text of help quotes stand for themselves. */
static void put_help(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\\\", out);
		else if (*text == '\n')
			fputs("\\n", out);
		else
			fputc(*text, out);
	}
}

/*
 * The kernel takes about any byte in the name of a device, and one that is no UTF-8 would have Prometheus refuse all
 * there is; so what is not ASCII is shown as a number, by which two names still differ.
 */
static void put_label(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '\\' || c == '"')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\\\x%02x", c);
		else
			fputc(c, out);
	}
}

static void put_name(FILE *out, const char *name, const char *suffix,
		     const struct metric_label *labels)
{
	fprintf(out, "%s%s", name, suffix);
	for (const struct metric_label *label = labels; label->name; label++) {
		fprintf(out, "%c%s=\"", label == labels ? '{' : ',', label->name);
		put_label(out, label->value);
		fputc('"', out);
	}
	if (labels->name)
		fputc('}', out);
}

void metric_family(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s ", name);
	put_help(out, help);
	fprintf(out, "\n# TYPE %s %s\n", name, type);
}

void metric_count(FILE *out, const char *name, const char *suffix,
		  const struct metric_label *labels, __u64 value)
{
	put_name(out, name, suffix, labels);
	fprintf(out, " %llu\n", (unsigned long long)value);
}

void metric_value(FILE *out, const char *name, const struct metric_label *labels, double value)
{
	put_name(out, name, "", labels);
	fprintf(out, " %.15g\n", value);
}
