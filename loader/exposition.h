/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The text format of Prometheus, version 0.0.4: families of metrics, and their samples. Pure; what is written
 * where nothing can be written any more shows at the end, by ferror().
 */
#ifndef EDGE53_EXPOSITION_H
#define EDGE53_EXPOSITION_H

#include <stdio.h>

#include <linux/types.h>

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metric_label {
	const char *name;
	const char *value;
};

/* Labels of a sample, as a list that ends with one without a name. */
#define LABELS(...) ((const struct metric_label[]){ __VA_ARGS__ __VA_OPT__(, ){ NULL, NULL } })

/* The lines before the samples of a family. type: "counter", "gauge" or "histogram". */
void metric_family(FILE *out, const char *name, const char *type, const char *help);

/* A sample: its family's name, and of a histogram what comes behind that ("_bucket"). */
void metric_count(FILE *out, const char *name, const char *suffix,
		  const struct metric_label *labels, __u64 value);
void metric_value(FILE *out, const char *name, const struct metric_label *labels, double value);

#endif
