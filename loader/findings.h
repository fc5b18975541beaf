/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is to be said to the operator about configuration and host. Each finding has a code, which stays the
 * same whatever the sentence becomes: scripts go by it, and docs/check.md lists them all.
 */
#ifndef EDGE53_FINDINGS_H
#define EDGE53_FINDINGS_H

#include <stdarg.h>
#include <stddef.h>

/* A name here, the operator's code, and why it matters. */
#define FINDING_CODES(C)                                                                                        \
	C(DEVICE_TWO_ROLES, "device-two-roles",                                                                 \
	  "edge and enforce take packets of port 53 to different places; nothing is attached")                  \
	C(TOO_MANY_FRONTENDS, "too-many-frontends", "the table of frontends is full")                           \
	C(FRONTEND_TWICE, "frontend-twice",                                                                     \
	  "a query can go to one service only; nothing is attached")                                            \
	C(ADDRESS_MISSING, "address-missing",                                                                   \
	  "without an address there is nothing that clients could ask")                                         \
	C(ADDRESS_NOT_LOCAL, "address-not-local",                                                               \
	  "queries come only if a router sends them here without asking who has the address")                   \
	C(TUNNEL_MISSING, "tunnel-missing", "no query reaches the backends behind it")                          \
	C(TUNNEL_DOWN, "tunnel-down", "no query reaches the backends behind it")                                \
	C(BACKEND_IS_HOST, "backend-is-host",                                                                   \
	  "what is rewritten leaves the host, and would not come back to a server on it")                       \
	C(BACKEND_NO_ROUTE, "backend-no-route", "no query is sent to this backend")                             \
	C(MTU_DIFFERS, "mtu-differs",                                                                           \
	  "edge53 does not fragment; long replies vanish while short ones arrive")                              \
	C(UDP_BUNDLED, "udp-bundled",                                                                           \
	  "one length for several DNS messages: they cannot be told apart")                                     \
	C(KEEP_SOURCE, "keep-source",                                                                           \
	  "edge53 on this host cannot see what the backend's host does")                                        \
	C(INTERFACE_MISSING, "interface-missing", "a device that is not there serves nobody")                   \
	C(RESOLVER_MISSING, "resolver-missing",                                                                 \
	  "enforcement begins when there is somebody to answer")                                                \
	C(RESOLVER_ELSEWHERE, "resolver-elsewhere",                                                             \
	  "a host that does not forward drops what is not for itself")                                          \
	C(ENFORCE_DEFAULT_ROUTE, "enforce-default-route",                                                       \
	  "the host's own way to DNS would be turned around; nothing is attached")                              \
	C(TCP_REFUSED, "tcp-refused", "clients with truncated answers come again by TCP, in vain")              \
	C(PROXY_NO_ROOM, "proxy-no-room", "each such query costs its client a TCP connection")                  \
	C(RP_FILTER, "rp-filter",                                                                               \
	  "clients with addresses of their own are dropped without a trace")                                    \
	C(GUARD_FULL, "guard-full", "the guard would count or drop what is none of its business")               \
	C(NO_DEVICE_YET, "no-device-yet",                                                                       \
	  "clients' devices come and go; each is attached when it comes")                                       \
	C(INTERFACE_DOWN, "interface-down", "nothing is received by a device that is down")                     \
	C(NO_CARRIER, "no-carrier", "nothing is received without one")                                          \
	C(NO_FRONTEND, "no-frontend", "no client is served")                                                    \
	C(NO_BACKEND, "no-backend", "no client is served")                                                      \
	C(SOURCE_NOT_LOCAL, "source-not-local",                                                                 \
	  "backends ask for its hardware address in vain, and their replies go nowhere")                        \
	C(XDP_MODE, "xdp-mode", "native XDP is fastest; the others do the same, slower")                        \
	C(XDP_TAKEN, "xdp-taken", "tc is slower, and cannot put PROXY headers into TCP")                        \
	C(PATH_MTU, "path-mtu", "what is longer than the path takes is lost on the way")                        \
	C(MTU_SMALL, "mtu-small", "long replies come in fragments or by TCP, if at all")                        \
	C(PORTS_OVERLAP, "ports-overlap",                                                                       \
	  "replies to the host's own connections could be taken for replies to clients")                        \
	C(IPV6_OPEN, "ipv6-open", "a client that asks over IPv6 is not held to the resolver")                   \
	C(WG_ALLOWED_IPS, "wg-allowed-ips",                                                                     \
	  "WireGuard drops what is sent to it, and what comes from it")                                         \
	C(WG_RETURN_NARROW, "wg-return-narrow",                                                                 \
	  "WireGuard drops what such clients ask, and says nothing")                                            \
	C(WG_NO_ENDPOINT, "wg-no-endpoint", "queries are dropped until then")                                   \
	C(WG_NO_HANDSHAKE, "wg-no-handshake",                                                                   \
	  "either nothing was sent yet, or the tunnel does not work: keys, endpoint, a firewall between")       \
	C(WG_ENDPOINT_LOOP, "wg-endpoint-loop",                                                                 \
	  "the tunnel carries itself, so nothing leaves the host")                                              \
	C(WG_MTU, "wg-mtu", "full packets are cut in two outside, and one lost piece loses both")               \
	C(WG_ENDPOINT_NAME, "wg-endpoint-name",                                                                 \
	  "the tunnel waits for DNS at boot, and stays down when that does not answer")                         \
	C(WG_ENDPOINT_OWN_DNS, "wg-endpoint-own-dns",                                                           \
	  "the tunnel needs the DNS server that it leads to: after the next boot neither comes up")             \
	C(PORT53_SHADOWED, "port53-shadowed", "who set it up may wonder why it hears nothing")                  \
	C(RESOLVER_NOT_LISTENING, "resolver-not-listening",                                                     \
	  "all DNS of the clients goes there, and fails")                                                       \
	C(RESOLV_CONF_SELF, "resolv-conf-self", "the host itself has no DNS")                                   \
	C(NFT_REDIRECTS_53, "nft-redirects-53",                                                                 \
	  "two redirections of the same packets: which of them holds changes with the state of edge53")         \
	C(NFT_DROPS_RESOLVER, "nft-drops-resolver",                                                             \
	  "the rewrite comes before the packet filter, which sees queries to the resolver: clients get no DNS") \
	C(NFT_MAY_DROP_RESOLVER, "nft-may-drop-resolver",                                                       \
	  "the rewrite comes before the packet filter: clients that may not reach the resolver get no DNS")     \
	C(NFT_DROPS_REPLIES, "nft-drops-replies", "clients wait for answers in vain")                           \
	C(IPTABLES_LEGACY, "iptables-legacy",                                                                   \
	  "they could do what this check looks for in nftables")                                                \
	C(NOT_TOLD, "not-told", "this part of the check was not made")                                          \
	C(PROXY_READ, "proxy-read", "the backend sees who asks")                                                \
	C(PROXY_NOT_READ, "proxy-not-read", "clients get no usable answer")                                     \
	C(PROXY_SILENT, "proxy-silent", "clients would wait in vain, too")                                      \
	C(PROXY_CLOSED, "proxy-closed", "connections of clients end in the same way")                           \
	C(BACKEND_ANSWERS, "backend-answers", "what it answers is what clients get")                            \
	C(BACKEND_SILENT, "backend-silent", "clients would wait in vain, too")                                  \
	C(BACKEND_FAILS, "backend-fails", "`run` takes it for dead, and sends nothing there")                   \
	C(BACKEND_REFUSED, "backend-refused", "queries sent there are lost")                                    \
	C(BACKEND_NOT_ASKED, "backend-not-asked", "whether it answers is not known")                            \
	C(NO_ANSWER, "no-answer", "no client is served by this protocol")                                       \
	C(PROBES_LIMITED, "probes-limited", "what the others do is not known")                                  \
	C(METRICS_OPEN, "metrics-open", "whoever reaches that address reads them, with no password asked for")  \
	C(METRICS_NOT_LOCAL, "metrics-not-local", "nobody can ask there until the host has the address")

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

int findings_vadd(struct findings *findings, enum finding_level level, enum finding_code code,
		  const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));

/* The command that mends what was added last. */
int findings_mend(struct findings *findings, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Forgets what was added last. */
void findings_drop_last(struct findings *findings);

/* Frees what is in it; the structure can be used again. */
void findings_clear(struct findings *findings);

#endif
