/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * WireGuard devices as `edge53 check` sees them, and the two texts they are described by: the answer of a userspace
 * implementation (wireguard-go) to "get=1", and wg-quick's file. Pure; takes any bytes.
 */
#ifndef EDGE53_CHECK_WIREGUARD_H
#define EDGE53_CHECK_WIREGUARD_H

#include <net/if.h>

#include "util.h"

#define WG_KEY_LEN 32
#define WG_KEY_TEXT_LEN 45 /* base64, and NUL */
#define WG_HOST_LEN 256

struct wg_peer {
	unsigned char key[WG_KEY_LEN]; /* public */
	bool has_endpoint;
	struct edge53_addr endpoint;
	unsigned int endpoint_port;
	long long last_handshake_s; /* 0: none yet */
	struct edge53_prefix *allowed;
	size_t n_allowed;
};

struct wg_device {
	struct wg_peer *peers;
	size_t n_peers;
	unsigned int fwmark; /* 0: none */
};

/* What a file says of a peer whose Endpoint is a host name. */
struct wg_named_endpoint {
	unsigned char key[WG_KEY_LEN];
	char host[WG_HOST_LEN];
	char port[8];
};

struct wg_names {
	struct wg_named_endpoint *list;
	size_t n;
};

/*
 * Appends a peer or an allowed prefix; the result is part of the device. NULL without memory. The kernel tells of a
 * peer with many prefixes in several messages: one that is the last already is returned again.
 */
struct wg_peer *wg_add_peer(struct wg_device *device, const unsigned char *key);
int wg_add_allowed(struct wg_peer *peer, const struct edge53_prefix *prefix);
void wg_device_clear(struct wg_device *device);

/* -EBADMSG: not an answer, or cut short. Fills the device, which must be empty, in either case. */
int wg_parse_answer(const char *text, size_t len, struct wg_device *device);

/* Finds the Endpoint lines that are no addresses. The list is the caller's to free(). Returns 0 or -ENOMEM. */
int wg_parse_file(const char *text, size_t len, struct wg_names *names);

/* The peer that packets to an address are sent to: the longest prefix; NULL: they are dropped. */
const struct wg_peer *wg_route(const struct wg_device *device, const struct edge53_addr *address);

void wg_key_text(const unsigned char *key, char ret[static WG_KEY_TEXT_LEN]);

/* "10.0.0.0/24,fd00::/64"; NULL without memory. The caller's to free(). */
char *wg_allowed_text(const struct wg_peer *peer);

#endif
