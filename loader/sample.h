/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is in an event of the dataplane's samples: the packet's addresses and ports, its DNS messages, and what a query asks.
 * Pure; the bytes are hostile.
 */
#ifndef EDGE53_SAMPLE_READING_H
#define EDGE53_SAMPLE_READING_H

#include <stdint.h>

#include "util.h"

enum sample_verdict {
	SAMPLE_HAS_MESSAGES,
	SAMPLE_NO_MESSAGE, /* TCP: the segment is not one whole message, or several */
	SAMPLE_NOT_WHOLE,  /* a fragment, or cut by the dataplane */
	SAMPLE_NOT_DNS,	   /* too short for a message, or not a packet we know */
};

struct sample {
	uint64_t time_ns; /* CLOCK_MONOTONIC */
	bool is_reply;
	bool is_tcp;
	bool is_ipv6;
	uint8_t service;
	struct edge53_addr client;
	struct edge53_addr server; /* that the client asked */
	uint16_t client_port;
	uint16_t server_port;
	const unsigned char *payload; /* of the caller's bytes */
	size_t payload_len;
};

/* Reads an event: a struct edge53_sample, the packet behind it, and padding. *ret is filled for SAMPLE_HAS_MESSAGES. */
enum sample_verdict sample_read(const void *event, size_t len, struct sample *ret);

/*
 * The message at *offset of the payload, 0 for the first, which then is that of the next. False: there is none. Each has a
 * whole DNS header.
 */
bool sample_next_message(const struct sample *sample, size_t *offset, const unsigned char **message,
			 size_t *len);

/* limits.client_prefix: cuts the client's address, and then its port too, which would tell clients apart again. */
void sample_mask_client(struct sample *sample, const struct edge53_client_prefix *prefix);

/* A name as master files have it (RFC 1035 section 5.1), every byte that a terminal could take otherwise as \DDD. */
#define SAMPLE_NAME_TEXT_LEN (255 * 4 + 1)

struct sample_question {
	char name[SAMPLE_NAME_TEXT_LEN]; /* in lower case */
	uint16_t type;
};

/* What a message asks. Returns 0, or -EBADMSG: it has no question that can be read. */
int sample_question_read(const unsigned char *message, size_t len, struct sample_question *ret);

#define SAMPLE_TYPE_TEXT_LEN 16

/* "AAAA", "TYPE65280" (RFC 3597). Returns buf or a constant. */
const char *sample_type_text(unsigned int type, char buf[static SAMPLE_TYPE_TEXT_LEN]);

#endif
