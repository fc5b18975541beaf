/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * Why a packet stopped where it did: the one list. The enum, the counters, `edge53 status` and the
 * documentation are made from it.
 *
 * R(NAME, FATE, sentence). The fate says what becomes of the packet:
 *   PASS  it goes on to the host as if edge53 were not there (bit for bit unchanged)
 *   DROP  it ends here
 *   SEND  it was rewritten and goes on, to a backend, a resolver or a client
 *
 * Append only: the numbers index pinned counters, and newer loaders adopt a running dataplane.
 */
#ifndef EDGE53_REASONS_H
#define EDGE53_REASONS_H

#define EDGE53_REASONS(R)                                                                          \
	R(NOT_OURS, PASS, "not addressed to a service (not counted)")                              \
	R(QUERY_SENT, SEND, "UDP query rewritten and sent to a backend")                           \
	R(REPLY_SENT, SEND, "UDP reply restored and sent to its client")                           \
	R(TCP_QUERY_SENT, SEND, "TCP segment of a client rewritten and sent to its backend")       \
	R(TCP_REPLY_SENT, SEND, "TCP segment of a backend restored and sent to its client")        \
	R(TCP_OPENED, SEND, "TCP SYN of a new connection sent to a backend")                       \
	R(HANDED_TO_TC, PASS, "checked in XDP, left to tc for translation (not counted)")          \
	R(SHORT_DNS, DROP, "UDP payload shorter than a DNS header")                                \
	R(BAD_LENGTH, DROP, "header lengths contradict each other")                                \
	R(NOT_A_QUERY, DROP, "DNS message to a server that is not a query (QR=1)")                 \
	R(BAD_COUNTS, DROP, "DNS query with an impossible number of questions")                    \
	R(FRAGMENTED_QUERY, DROP, "query in IP fragments")                                         \
	R(TTL_EXPIRED, DROP, "TTL used up on the way; the sender is told by ICMP")                  \
	R(NO_BACKEND, DROP, "no usable backend")                                                   \
	R(NO_BACKEND_PASSED, PASS, "no usable backend, left to the host (on_down: pass)")          \
	R(NO_CONNECTION, PASS, "TCP segment of no known connection, left to the host to reset")    \
	R(NO_CONNECTION_DROPPED, DROP, "TCP segment to another resolver of no known connection")   \
	R(TCP_FULL, DROP, "all TCP ports hold established connections")                            \
	R(TCP_CONTENDED, DROP, "two CPUs opened the same TCP connection at once; SYN comes again") \
	R(REPLY_UNKNOWN, PASS, "looks like a reply, but no query is waiting for it")               \
	R(REPLY_EXPIRED, PASS, "reply later than limits.udp_timeout")                              \
	R(REPLY_DUPLICATE, PASS, "second reply to a query already answered")                       \
	R(REPLY_FOREIGN, PASS, "reply from an address that was not asked")                         \
	R(FRAGMENT_SENT, SEND, "later fragment of a reply, restored and sent to its client")       \
	R(FRAGMENT_REFUSED, DROP, "later fragment of a refused query, or of a reply sent with TC=1")                             \
	R(ICMP_SENT, SEND, "ICMP error translated and sent to the client or backend it is for")    \
	R(ICMP_DROPPED, DROP, "ICMP error of an enforced client about an answer no longer known")  \
	R(TOO_BIG, DROP, "longer than the MTU on its way; the sender is told by ICMP")             \
	R(BAD_CHECKSUM, DROP, "wrong IPv4 header checksum, and IPv6 has none to keep it wrong")      \
	R(NO_CHECKSUM, DROP, "UDP over IPv6 without a checksum")                                   \
	R(HIDDEN_BY_HEADERS, DROP, "IPv6 extension headers that hide what the packet is")          \
	R(IPV6_DROPPED, DROP, "IPv6 to port 53 of an enforced client, refused (ipv6: drop)")       \
	R(DOT_DROPPED, DROP, "DNS over TLS or QUIC of an enforced client (dot: drop)")             \
	R(DOT_REJECTED, DROP, "DNS over TLS or QUIC of an enforced client, refused (dot: reject)") \
	R(DOH_DROPPED, DROP, "port 443 of a listed DoH server (doh action: drop)")                 \
	R(DOH_REJECTED, DROP, "port 443 of a listed DoH server, refused (doh action: reject)")     \
	R(GUARD_COUNTED, PASS, "port 53 of a client about to leave, device not attached (guard: count)") \
	R(GUARD_DROPPED, DROP, "port 53 of a client about to leave, device not attached (guard: drop)") \
	R(EXEMPT, PASS, "client listed in exempt")                                                 \
	R(NOT_WRITABLE, DROP, "the kernel refused to make the packet writable")                    \
	R(NO_HEADROOM, DROP, "no room in front of the packet for an Ethernet header")              \
	R(REDIRECT_REFUSED, DROP, "the kernel refused the redirect")                               \
	R(CLIENT_DEVICE_GONE, DROP, "reply to a client whose device is gone")                      \
	R(FORGED_HEADER, DROP, "begins with the signature of a PROXY header, which only edge53 sends") \
	R(TRUNCATED, DROP, "query too long with its PROXY header, answered TC=1: come back by TCP") \
	R(SYN_WITH_DATA, DROP, "SYN with data, which would be ahead of the PROXY header; comes again without") \
	R(WITHOUT_HEADER, DROP, "TCP segment that would let data come without the PROXY header before it") \
	R(HEADER_NOT_READ, PASS, "reply with DNS ID 0x0d0a: a backend that does not read PROXY headers") \
	R(RETURN_NOTED, PASS, "query that came by a tunnel of `return`, remembered")               \
	R(RETURN_SENT, SEND, "reply sent back into the tunnel its query came by")                  \
	R(RETURN_GONE, PASS, "reply to a client of a tunnel that is gone, sent as the host sends it") \
	R(NO_BACKEND_SERVFAIL, DROP, "no usable backend, answered SERVFAIL (on_down: servfail)")   \
	R(NO_BACKEND_RESET, DROP, "no usable backend, TCP answered with a RST (on_down: servfail)")    \
	R(BAD_SOURCE, DROP, "source that cannot be answered: port 0, a group, loopback, 0/8 or the server's own") \
	R(BAD_OPCODE, DROP, "DNS message with an opcode that has no meaning")                      \
	R(RATE_DROPPED, DROP, "query over rate_limit")                                             \
	R(RATE_TRUNCATED, DROP, "query over rate_limit, answered TC=1: come back by TCP")    \
	R(TCP_NEW_DROPPED, DROP, "SYN over tcp_limit.new_per_second")                              \
	R(TCP_OPEN_DROPPED, DROP, "SYN of a prefix that has tcp_limit.open connections")                 \
	R(ANY_TRUNCATED, DROP, "query of type ANY, answered TC=1 (any: truncate)")                 \
	R(RESPONSE_TRUNCATED, SEND, "reply over response_limit, sent with TC=1: come back by TCP") \
	R(COOKIE_SENT, DROP, "SYN over tcp_limit.syn_cookies, answered with a cookie: prove yourself") \
	R(COOKIE_RETURNED, DROP, "RST with the cookie of a SYN: its sender is proven")

enum edge53_fate {
	EDGE53_PASS,
	EDGE53_DROP,
	EDGE53_SEND,
};

#define EDGE53_REASON_ENUM(name, fate, sentence) EDGE53_##name,
enum edge53_reason {
	EDGE53_GO_ON, /* no reason to stop: the next step runs */
	EDGE53_REASONS(EDGE53_REASON_ENUM) EDGE53_REASON_COUNT,
};
#undef EDGE53_REASON_ENUM

#endif
