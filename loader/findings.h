/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is to be said to the operator about configuration and host. Each finding has a code, which stays the
 * same whatever the sentence becomes: scripts go by it, and docs/check.md lists them all.
 */
#ifndef EDGE53_FINDINGS_H
#define EDGE53_FINDINGS_H

#include <stddef.h>

/* A name here, the operator's code, and why it matters. */
#define FINDING_CODES(C)                                                                           \
	C(DEVICE_TWO_ROLES, "device-two-roles",                                                    \
	  "edge and enforce take packets of port 53 to different places; nothing is attached")     \
	C(TOO_MANY_FRONTENDS, "too-many-frontends", "the table of frontends is full")              \
	C(FRONTEND_TWICE, "frontend-twice",                                                        \
	  "a query can go to one service only; nothing is attached")                               \
	C(ADDRESS_MISSING, "address-missing",                                                      \
	  "without an address there is nothing that clients could ask")                            \
	C(ADDRESS_NOT_LOCAL, "address-not-local",                                                  \
	  "queries come only if a router sends them here without asking who has the address")      \
	C(TUNNEL_MISSING, "tunnel-missing", "no query reaches the backends behind it")             \
	C(TUNNEL_DOWN, "tunnel-down", "no query reaches the backends behind it")                   \
	C(BACKEND_IS_HOST, "backend-is-host",                                                      \
	  "what is rewritten leaves the host, and would not come back to a server on it")          \
	C(BACKEND_NO_ROUTE, "backend-no-route", "no query is sent to this backend")                \
	C(MTU_DIFFERS, "mtu-differs",                                                              \
	  "edge53 does not fragment; long replies vanish while short ones arrive")                 \
	C(UDP_BUNDLED, "udp-bundled",                                                              \
	  "one length for several DNS messages: they cannot be told apart")                        \
	C(KEEP_SOURCE, "keep-source",                                                              \
	  "edge53 on this host cannot see what the backend's host does")                           \
	C(INTERFACE_MISSING, "interface-missing", "a device that is not there serves nobody")      \
	C(RESOLVER_MISSING, "resolver-missing",                                                    \
	  "enforcement begins when there is somebody to answer")                                   \
	C(RESOLVER_ELSEWHERE, "resolver-elsewhere",                                                \
	  "a host that does not forward drops what is not for itself")                             \
	C(ENFORCE_DEFAULT_ROUTE, "enforce-default-route",                                          \
	  "the host's own way to DNS would be turned around; nothing is attached")                 \
	C(TCP_REFUSED, "tcp-refused", "clients with truncated answers come again by TCP, in vain") \
	C(PROXY_NO_ROOM, "proxy-no-room", "each such query costs its client a TCP connection")     \
	C(RP_FILTER, "rp-filter",                                                                  \
	  "clients with addresses of their own are dropped without a trace")                       \
	C(GUARD_FULL, "guard-full", "the guard would count or drop what is none of its business")

enum finding_code {
#define FINDING_CODE(name, text, why) FOUND_##name,
	FINDING_CODES(FINDING_CODE)
#undef FINDING_CODE
		N_FINDING_CODES,
};

enum finding_level {
	FINDING_NOTE,	 /* for information: "waiting for wg0" */
	FINDING_WARNING, /* works, but not as the operator may think */
	FINDING_ERROR,	 /* in a plan: nothing may be attached; in a check: it would not work */
};

struct finding {
	enum finding_level level;
	enum finding_code code;
	char *text; /* what was found */
	char *mend; /* the command that mends it; NULL: none is known */
};

/* "address-not-local", and why that matters. */
const char *finding_code_text(enum finding_code code);
const char *finding_why(enum finding_code code);
const char *finding_level_text(enum finding_level level);

struct findings {
	struct finding *list;
	size_t n;
};

/* Both return 0 or -ENOMEM; then nothing has changed. */
int findings_add(struct findings *findings, enum finding_level level, enum finding_code code,
		 const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* The command that mends what was added last. */
int findings_mend(struct findings *findings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Frees what is in it; the structure can be used again. */
void findings_clear(struct findings *findings);

#endif
