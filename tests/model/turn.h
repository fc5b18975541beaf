/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of the model: one packet's turn. */
#ifndef EDGE53_MODEL_TURN_H
#define EDGE53_MODEL_TURN_H

#include "model.h"

struct turn {
	struct model *model;
	const struct setup *setup;
	const struct hook *hook;
	const struct surroundings *around;
	unsigned ifindex;
	unsigned link; /* bytes of link header */
	const struct frame *in;
	const unsigned char *ip;
	unsigned ip_bytes; /* to the end of the frame */
	const struct outcome *got;
	struct seen seen;
	bool is_cut; /* to its first segment */
	struct result *result;
};

/* Ends the turn: the packet stays as it is. */
void end(struct turn *t, enum edge53_reason why, unsigned service);
/* Drops the packet and writes what its sender is told: an ICMP error or a RST. */
void end_with_error(struct turn *t, enum edge53_reason why, unsigned service, unsigned mtu);
void end_truncated(struct turn *t, unsigned service);
void end_servfail(struct turn *t, unsigned service);
void end_with_refusal(struct turn *t, enum edge53_reason why, unsigned service);

/* The link header of a packet that goes to the client's device, and the packet behind it. */
unsigned char *begin_reply(struct turn *t, const struct edge53_flow *flow, unsigned family);
unsigned char *begin_query(struct turn *t, const struct edge53_backend *backend, unsigned family);
/* What the program made of the IP header, where ours will be. */
const unsigned char *got_ip(const struct turn *t);

bool is_bundle(const struct turn *t);
bool is_exempt(const struct turn *t, unsigned service, const struct edge53_addr *client);
/* By which a client's packet to this address came in, if it is for this host; enforce: any. */
const struct edge53_frontend *frontend_of(const struct turn *t, const struct edge53_addr *address);

void icmp_error(struct turn *t);

#endif
