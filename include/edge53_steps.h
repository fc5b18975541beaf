/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What `edge53 explain` sees of a run: the steps of the chains by name, and the record that the traced build of the
 * programs keeps of them (bpf/trace.h). The one list: the record, `edge53 explain` and its JSON are made from it.
 *
 * No map of the live programs has anything of this, so it may change with every version.
 */
#ifndef EDGE53_STEPS_H
#define EDGE53_STEPS_H

#include <linux/types.h>

#include "edge53_abi.h"

/* C(name, sentence): the function of a chain. */
#define EDGE53_CHAINS(C)                                                                           \
	C(plain_query_xdp, "a query in the way of plain packets")                                  \
	C(plain_reply_xdp, "a reply in the way of plain packets")                                  \
	C(plain_query_skb, "a query in the way of plain packets")                                  \
	C(plain_reply_skb, "a reply in the way of plain packets")                                  \
	C(any_in_xdp, "the way of all packets")                                                    \
	C(any_in_tc, "the way of all packets")                                                     \
	C(query_xdp, "a query")                                                                    \
	C(reply_xdp, "a reply")                                                                    \
	C(query_skb, "a query")                                                                    \
	C(reply_skb, "a reply")                                                                    \
	C(fragment_skb, "a later fragment of a reply")                                             \
	C(icmp_error_skb, "an ICMP error")                                                         \
	C(enforce_in, "from a client that is enforced")                                            \
	C(enforce_query, "what an enforced client asks")                                           \
	C(enforce_hidden, "IPv6 whose headers hide what it is")                                    \
	C(enforce_fragment, "a later fragment of what an enforced client asks")                    \
	C(enforce_out, "to a client that is enforced")                                             \
	C(enforce_reply, "a reply to an enforced client")                                          \
	C(enforce_reply_fragment, "a later fragment of such a reply")                              \
	C(guard_out, "about to leave by a device of the default route")                            \
	C(return_in, "in from a tunnel of `return`")                                               \
	C(return_out, "about to leave by an uplink of `return`")                                   \
	C(return_reply, "a reply that may be one to return")                                       \
	C(return_fragment, "a later fragment of such a reply")

/* S(name, sentence): a step, which is a function that returns GO_ON or a reason, or a question that one asks. */
#define EDGE53_STEPS(S)                                                                            \
	S(parse_plain_xdp, "is it plain: whole UDP over IPv4, without options, in one piece?")     \
	S(parse_plain_skb, "is it plain: whole UDP over IPv4, without options, in one piece?")     \
	S(is_plain_service, "does the service want nothing of it that plain packets do without?")  \
	S(parse_packet, "read the headers")                                                        \
	S(parse_skb, "read the headers")                                                           \
	S(parse_quote, "read what the error quotes, with a port of ours")                          \
	S(find_edge_service, "is device and destination a frontend of a service?")                 \
	S(find_enforce_service, "is the device one of an enforce service?")                        \
	S(apply_policy, "what the service does with port, family and client")                      \
	S(refuse_hidden, "may it be a query that leaks?")                                          \
	S(check_query, "is it a whole DNS query, of somebody who can be answered?")                \
	S(check_message, "is it a DNS query?")                                                     \
	S(check_any_xdp, "is it of type ANY, that the service does not want by UDP?")               \
	S(check_any_skb, "is it of type ANY, that the service does not want by UDP?")               \
	S(check_rate, "is it within rate_limit?")                                                  \
	S(check_rate_xdp, "is it within rate_limit, and can XDP say so?")                          \
	S(check_limits_xdp, "is it within rate_limit or tcp_limit, and can XDP say so?")              \
	S(take_its_seat, "count the connection among those of its prefix")                         \
	S(check_and_admit, "is it a whole DNS query, within its limits? count the client, unless XDP did") \
	S(admit_client, "count the client")                                                        \
	S(admit_plain_client, "count the client")                                                  \
	S(count_here, "count the client, unless XDP did")                                          \
	S(sample_query_xdp, "hand it to readers outside of the kernel, if it is in the sample")        \
	S(sample_query_skb, "hand it to readers outside of the kernel, if it is in the sample")        \
	S(sample_reply, "hand it to readers outside of the kernel, if it is in the sample")        \
	S(is_for_xdp, "can XDP do the rest?")                                                      \
	S(is_sent_by_xdp, "can XDP do the rest?")                                                  \
	S(open_flow, "choose a backend; take a slot, or find or open the connection")              \
	S(open_plain_flow, "choose a backend and take a slot")                                     \
	S(translate_query, "decide what the backend gets: addresses, ports, ID, TTL, MTU")         \
	S(is_still_plain, "is the backend still by IPv4?")                                         \
	S(has_no_header, "does the backend still want no PROXY header?")                           \
	S(check_family_skb, "may it become a packet of the other family?")                         \
	S(is_rewrite_for_xdp, "can XDP write that?")                                               \
	S(edit_query_skb, "TCP options of the client")                                             \
	S(edit_query_xdp, "TCP options of the client")                                             \
	S(proxy_query_skb, "PROXY header, and the numbers behind it")                              \
	S(proxy_query_xdp, "PROXY header, and the numbers behind it")                              \
	S(proxy_udp4_xdp, "PROXY header")                                                          \
	S(find_flow, "does a query or a connection wait for it?")                                  \
	S(ring_find, "does a query wait for it?")                                                  \
	S(find_fragment, "which reply is it a part of?")                                           \
	S(check_origin, "does it come by the device of that backend?")                             \
	S(check_client_device, "does it leave by the device of that client?")                      \
	S(translate_reply, "decide what the client gets: addresses, ports, ID")                    \
	S(route_reply, "device and neighbour that the query came from; TTL, MTU")                  \
	S(clamp_reply, "the largest segment that the client may send")                             \
	S(is_reply_for_xdp, "can XDP do the rest?")                                                \
	S(check_response, "is it within response_limit?")                                          \
	S(check_any_response, "is it within response_limit?")                                      \
	S(take_reply, "mark the query answered, or note what the connection is now")               \
	S(ring_answer, "mark the query answered")                                                  \
	S(find_shift, "by how much the numbers of the connection are shifted")                     \
	S(remember_fragment, "note a first fragment, for the later ones")                          \
	S(edit_reply_skb, "TCP options of the backend")                                            \
	S(edit_reply_xdp, "TCP options of the backend")                                            \
	S(proxy_reply_skb, "the numbers behind the PROXY header")                                  \
	S(proxy_reply_xdp, "the numbers behind the PROXY header")                                  \
	S(rewrite_skb, "write addresses, ports, ID and checksums")                                 \
	S(rewrite_xdp, "write addresses, ports, ID and checksums")                                 \
	S(rewrite_same_family_skb, "write addresses, ports, ID and checksums")                     \
	S(rewrite_same_family_xdp, "write addresses, ports, ID and checksums")                     \
	S(rewrite_fragment_skb, "write the addresses")                                             \
	S(send_query_skb, "send it to the backend")                                                \
	S(send_reply_skb, "send it to the client")                                                 \
	S(send_xdp, "send it")                                                                     \
	S(count_query, "count for the backend")                                                    \
	S(count_reply, "count for client and backend")                                             \
	S(count_udp_reply, "count for client and backend")                                         \
	S(count_fragment, "count for client and backend")                                          \
	S(explain_unknown, "does it answer a PROXY header?")                                       \
	S(translate_error, "whom the error is for")                                                \
	S(rewrite_error, "write the error, and what it quotes")                                    \
	S(guard_packet, "did it come by a device that should be enforced and is not?")             \
	S(find_return_port, "is the server's port one of `return`?")                               \
	S(take_tunnel, "is the frame for this host?")                                              \
	S(find_peer, "did the client come by a tunnel?")                                           \
	S(route_return, "the way back into that tunnel")                                           \
	S(send_return, "send it into the tunnel")                                                  \
	S(answer_query_xdp, "make an answer of it: SERVFAIL or TC=1")                                 \
	S(cut_reply_xdp, "cut it to its question, with TC=1")                                       \
	S(cut_reply_skb, "cut it to its question, with TC=1")                                       \
	S(answer_skb, "make an answer of it: RST, ICMP error or DNS")

#define EDGE53_STEP_ENUM(name, sentence) EDGE53_STEP_##name,
#define EDGE53_CHAIN_ENUM(name, sentence) EDGE53_CHAIN_##name,
enum edge53_step {
	EDGE53_STEPS(EDGE53_STEP_ENUM) EDGE53_STEP_COUNT,
};
enum edge53_chain {
	EDGE53_CHAINS(EDGE53_CHAIN_ENUM) EDGE53_CHAIN_COUNT,
};
#undef EDGE53_STEP_ENUM
#undef EDGE53_CHAIN_ENUM

enum edge53_trace_kind {
	EDGE53_TRACE_CHAIN,    /* `what` is an enum edge53_chain that begins */
	EDGE53_TRACE_STEP,     /* enum edge53_step; result: enum edge53_reason */
	EDGE53_TRACE_QUESTION, /* the same; result: 0 no, 1 yes */
};

struct edge53_trace_note {
	__u8 kind; /* enum edge53_trace_kind */
	__u8 pad;
	__u16 what;
	__u32 result;
};

/* Tables of which a run sees what concerns its packet only, and says what it would have looked at besides. */
enum edge53_sparse {
	EDGE53_SPARSE_slots,
	EDGE53_SPARSE_clients,
	EDGE53_SPARSE_client_index,
	EDGE53_SPARSE_COUNT,
};

struct edge53_trace_miss {
	__u32 table; /* enum edge53_sparse */
	__u32 index;
};

/* Where a packet is sent, as the programs decided; what the kernel makes of it is not tried. */
struct edge53_trace_way {
	__u32 ifindex; /* 0: it was not sent */
	__u8 backend;
	__u8 to_ethernet;
	__u8 dmac[6];
	__u8 smac[6];
	__u8 pad[2];
};

#define EDGE53_TRACE_NOTES 64 /* powers of two */
#define EDGE53_TRACE_MISSES 64

struct edge53_trace {
	__u32 n_notes;
	__u32 n_misses;
	__u32 reason;	    /* enum edge53_reason that the chain ended with; 0: no chain did */
	__u32 service;
	__u32 is_counted;   /* the reason, in `reasons` */
	__u32 client_entry; /* as in a slot: where the client is counted */
	struct edge53_trace_way way;
	struct edge53_trace_note notes[EDGE53_TRACE_NOTES];
	struct edge53_trace_miss misses[EDGE53_TRACE_MISSES];
};

#endif
