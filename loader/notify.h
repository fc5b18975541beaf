/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What systemd is told, and shows in `systemctl status`: that we are ready, that a reload is under way, what is served.
 * Without a NOTIFY_SOCKET nobody is told, and nothing fails.
 */
#ifndef EDGE53_NOTIFY_H
#define EDGE53_NOTIFY_H

#include "plan.h"

/* What is served, as of the last look, and how many hooks were refused; sent only when it has changed. */
void notify_serving(const struct plan *plan, int n_refused);

void notify_ready(void);

/* Around a reload, which may have failed: then what is served is said to be as before. */
void notify_reload_begin(void);
void notify_reload_end(bool failed);

void notify_stopping(void);

/* The text of a STATUS line: "public-dns: 1 device, 2 of 2 backends; vpn: 12 devices". For notify_serving(). */
void notify_text(const struct plan *plan, int n_refused, char *buf, size_t size);

#endif
