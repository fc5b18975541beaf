/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Asks servers as the dataplane would, with a PROXY header before the query where they are to read
 * one. All at the same time, so that `edge53 check` waits for the slowest only.
 *
 * The client in the header is the edge itself, and the command is PROXY: some servers drop LOCAL.
 */
#ifndef EDGE53_PROBE_H
#define EDGE53_PROBE_H

#include "config.h"

#define PROBE_MAX 128 /* at a time: descriptors are limited */
#define PROBE_TIMEOUT_MS 3000

enum probe_result {
	PROBE_ANSWERED,
	PROBE_HEADER_NOT_READ, /* UDP: an answer to the header, read as a query */
	PROBE_SILENT,
	PROBE_REFUSED, /* nobody listens there */
	PROBE_CLOSED,  /* TCP: the server has ended the connection without an answer */
	PROBE_FAILED,  /* this host could not send it; error says why */
};

struct probe {
	struct edge53_addr backend;
	struct edge53_addr source;
	unsigned int port;
	unsigned int ifindex;
	bool is_tcp;
	bool has_header;
	const struct dns_question *question; /* NULL: one that any server has an answer to */
	enum probe_result result;
	int error;	    /* errno, of FAILED */
	unsigned int rcode; /* of ANSWERED */
};

/*
 * Asks all of them, PROBE_MAX at most, from ports outside limits.ports: what comes back to those
 * would be the dataplane's. Returns 0 or -ENOMEM; what became of each is in result.
 */
int probe_all(struct probe *probes, size_t n, const struct config_limits *limits);

#endif
