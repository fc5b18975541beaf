/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages to the operator. Plain sentences on stderr prefixed "edge53: "; when stderr is the
 * journal, sd-journal with priority instead. One place decides; nobody else prints to stderr.
 */
#ifndef EDGE53_LOG_H
#define EDGE53_LOG_H

#include <stdbool.h>

/* With verbose, log_debug() and libbpf's own messages are shown. */
void log_init(bool verbose);

/*
 * Hands every message to fn (priority as in syslog.h, text without prefix) and prints none of them;
 * NULL goes back to printing. For tests.
 */
void log_set_sink(void (*fn)(int priority, const char *text));

void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
