/* SPDX-License-Identifier: GPL-2.0-only */
/* `edge53 clients --watch`: the same list again and again. */
#ifndef EDGE53_CLIENTS_WATCH_H
#define EDGE53_CLIENTS_WATCH_H

#include "client_table.h"

struct clients_watch {
	unsigned int interval_s;
	const struct client_field *sort;
	size_t top; /* 0: all, or as many as the screen has room for */
	bool as_json;
};

/*
 * Until SIGINT, SIGTERM or `q`: on a terminal a screen that keys sort; else, and with as_json, one list after the
 * other. Returns an exit code of commands.h; the sentence for the operator has been logged.
 */
int clients_watch(const struct clients_watch *watch);

#endif
