/* SPDX-License-Identifier: GPL-2.0-only */
/* A sampled DNS message → the bytes of a dnstap message (https://dnstap.info). Pure. */
#ifndef EDGE53_DNSTAP_MESSAGE_H
#define EDGE53_DNSTAP_MESSAGE_H

#include "sample.h"

/* Longer than any: the message itself, and what is around it. */
#define DNSTAP_MESSAGE_MAX_LEN (EDGE53_SAMPLE_BYTES + 1024)

struct dnstap_origin {
	const char *identity; /* of the server; "": none */
	const char *version;
	int64_t realtime_offset_ns; /* CLOCK_REALTIME - CLOCK_MONOTONIC */
};

/* A port of 0 is left out. Returns the length. */
size_t dnstap_message_write(const struct dnstap_origin *origin, const struct sample *sample,
			    const unsigned char *message, size_t len,
			    unsigned char buf[static DNSTAP_MESSAGE_MAX_LEN]);

#endif
