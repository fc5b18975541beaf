/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One question to one server, as the dataplane would send it: by UDP or TCP, from the source address and by the
 * device that queries take, with a PROXY header where it belongs. Never blocks: the owner waits for the descriptor and
 * keeps the time. The source port is none of the dataplane's, to which a reply would be a client's.
 */
#ifndef EDGE53_EXCHANGE_H
#define EDGE53_EXCHANGE_H

#include "config.h"
#include "dns_message.h"
#include "proxy_header.h"

struct exchange_target {
	struct edge53_addr backend;
	struct edge53_addr source; /* zero: the kernel's choice */
	unsigned int port;
	unsigned int ifindex; /* 0: the kernel's choice */
	bool is_tcp;
	bool has_header; /* version 2, command PROXY: some servers drop LOCAL */
	const struct dns_question *question;
};

#define EXCHANGE_MESSAGE_MAX_LEN (PROXY_HEADER_MAX_LEN + 2 + DNS_QUERY_MAX_LEN)

struct exchange {
	struct exchange_target target;
	int fd;				 /* the owner's to wait for; open until exchange_end() */
	enum edge53_probe_result result; /* EDGE53_PROBE_NONE: not over yet */
	int error;			 /* errno, of UNREACHABLE and NOT_SENT */
	unsigned int rcode;		 /* of ANSWERED */
	uint16_t id;
	bool is_connected; /* TCP */
	unsigned char message[EXCHANGE_MESSAGE_MAX_LEN];
	size_t message_len;
	unsigned char reply[2 + DNS_QUERY_MAX_LEN]; /* its beginning; TCP: with the length */
	size_t reply_len;
};

/*
 * Sends, or begins to. It may be over at once (result); else the descriptor is waited for. target->question must
 * live as long as the exchange. limits: the dataplane's, running or to be; the source port is outside limits.ports.
 */
void exchange_begin(struct exchange *exchange, const struct exchange_target *target,
		    const struct config_limits *limits);

/* Whether the descriptor is to become writable; else readable. */
bool exchange_wants_to_write(const struct exchange *exchange);

/* The descriptor is ready. Nothing happens when it is not. */
void exchange_on_event(struct exchange *exchange);

/* UDP, which may have been lost. */
void exchange_send_again(struct exchange *exchange);

/* Time is up: SILENT, unless it was over. */
void exchange_expire(struct exchange *exchange);

/* Closes the descriptor, if there is one. What came of it stays. */
void exchange_end(struct exchange *exchange);

#endif
