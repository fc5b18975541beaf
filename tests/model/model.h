/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What becomes of a packet, told a second time: docs/packets.md and the RFCs in plain C, for a
 * comparison with the dataplane. Nothing here comes from bpf/. It is slow and short: it keeps its
 * state in arrays that it searches, and sums checksums from scratch.
 *
 * A packet is put to the model after it was put to the program, for some things are the program's to
 * choose (which backend, an IPv4 ID, the TTL of an answer of its own). The model takes these from
 * `struct outcome`, says no to a choice that is not allowed, and predicts everything else.
 */
#ifndef EDGE53_MODEL_H
#define EDGE53_MODEL_H

#include <stdbool.h>

#include "edge53_abi.h"

#include "frames.h"
#include "world.h"

#define MODEL_BACKENDS 9
#define MODEL_FRONTENDS 8
#define MODEL_PREFIXES 8
#define MODEL_FRAGMENTS 1024

/* The other family's part of the world. Bytes 4 and 5 of who sends are 0x86dd, see world.h. */
#define CLIENT6 "2001:db8:86dd:2::17"
#define FRONTEND6 "2001:db8:53::53"
#define EDGE6 "fd00:77::2"
#define BACKEND6 "2001:db8:86dd:77::1"
#define BACKEND6_2 "2001:db8:86dd:77::2"
#define RESOLVER6 "2001:db8:86dd:99::1"
#define RESOLVER6_2 "2001:db8:86dd:99::2"

enum { PROTO_ICMP = 1, PROTO_TCP = 6, PROTO_UDP = 17, PROTO_ICMP6 = 58 };

/* The tables of a world, as they are written to the maps. Indexes are ids. */
struct setup {
	bool client_is_l3, backend_is_l3;
	struct {
		struct edge53_frontend_key key;
		struct edge53_frontend value;
	} frontends[MODEL_FRONTENDS];
	unsigned n_frontends;
	struct edge53_service services[SERVICE_COUNT];
	struct edge53_backend backends[MODEL_BACKENDS];
	struct edge53_device devices[DEV_COUNT];
	struct edge53_prefix_key exempt[MODEL_PREFIXES], doh[MODEL_PREFIXES];
	struct edge53_prefix_key keep_source[MODEL_PREFIXES];
	unsigned n_exempt, n_doh, n_keep_source;
	struct edge53_guard guard[DEV_COUNT]; /* of these the first is for all others, too */
	bool is_guarded[DEV_COUNT];	      /* else there is no entry */
};

enum place { EDGE_IN, ENFORCE_IN, ENFORCE_OUT, GUARD_OUT };

struct hook {
	enum place place;
	bool is_xdp;
	bool is_behind_xdp; /* edge_tc_l2_checked: the clients are counted already */
	bool is_l3;
};

/* What the program made of the packet. */
struct outcome {
	int verdict;
	struct frame out;
	const struct edge53_slot *slots;
	const struct edge53_conn *conns;
	__u64 before_ns, after_ns; /* CLOCK_MONOTONIC around the run */
};

struct client {
	struct edge53_addr address;
	struct edge53_traffic traffic;
};

struct fragment {
	struct edge53_fragment_key key;
	struct edge53_fragment value;
};

#define MODEL_CLIENTS 1024

struct model {
	const struct setup *setup;
	struct edge53_slot slots[SLOTS_PER_CPU];
	unsigned slot_port[SLOTS_PER_CPU], slot_id[SLOTS_PER_CPU];
	__u64 next_slot, unanswered;
	struct edge53_conn conns[CONNS];
	__u64 hand;
	struct fragment fragments[MODEL_FRAGMENTS];
	unsigned n_fragments;
	struct client clients[MODEL_CLIENTS]; /* the first ones */
	unsigned n_clients;
	struct edge53_traffic all_clients;
	__u64 reasons[SERVICE_COUNT][EDGE53_REASONS_PER_SERVICE];
	struct edge53_traffic backends[MODEL_BACKENDS];
	__u64 latencies[MODEL_BACKENDS];
	unsigned n_told;
	const char *objection; /* to a choice of the program, or NULL */
};

/* What the model expects. */
struct result {
	enum edge53_reason why;
	unsigned service;		    /* that it is counted for */
	bool is_told;			    /* dropped, and `out` goes back to its sender */
	bool must_be_marked, may_be_marked; /* by XDP's metadata */
	bool has_header; /* of PROXY, or its connection has one: the answer is no mirror image */
	struct frame out;
	unsigned link;	    /* bytes of link header, behind which IP begins */
	unsigned open_link; /* bytes of link header that the kernel writes later */
	bool is_open;	    /* and what BPF_PROG_TEST_RUN cannot show: the bytes are not compared */
};

void model_reset(struct model *model, const struct setup *setup);

/* Where a packet is: it came in by (at egress: leaves by) the device. */
struct scene {
	struct hook hook;
	enum test_device device;
	struct surroundings around;
};

void model_run(struct model *model, const struct scene *scene, const struct frame *in,
	       const struct outcome *got, struct result *result);

/* TC_ACT_* or XDP_*. */
int model_verdict(const struct hook *hook, const struct result *result);

/* --- look.c: what is in a packet -------------------------------------------------------------- */

struct seen {
	unsigned family; /* 4 or 6; 0: neither, or its headers cannot be followed */
	bool is_hidden;	 /* IPv6: the headers go on where nobody follows */
	bool is_mapped;	 /* IPv6 that names IPv4 addresses, as nobody may on the wire */
	struct edge53_addr saddr, daddr;
	unsigned ip_len; /* as the header says */
	unsigned there;	 /* bytes of it that are there */
	unsigned tos, ttl;
	unsigned protocol; /* of the transport header, at `l4` */
	unsigned l4;	   /* offset from the IP header, behind options and extension headers */
	bool dont_fragment, has_more, has_fragment_header;
	unsigned fragment_offset, fragment_protocol;
	__u32 id;
	bool has_ports;
	unsigned sport, dport;
	unsigned grows; /* bytes that it gets in front of its payload */
};

/* ip: from the IP header to the end of the frame. */
void look_at(const unsigned char *ip, unsigned len, struct seen *seen);
/* As of this family, and whatever length it says. */
void look_at_lightly(const unsigned char *ip, unsigned len, unsigned family, struct seen *seen);
bool is_first_fragment(const struct seen *seen);
bool is_later_fragment(const struct seen *seen);
/* Of a whole UDP or TCP packet; of a first fragment, as far as it can be told. */
bool lengths_are_right(const unsigned char *ip, const struct seen *seen);
bool is_udp_or_tcp(const struct seen *seen);
bool matches_prefix(const struct edge53_prefix_key *keys, unsigned n, unsigned service,
		    const struct edge53_addr *address);
unsigned family_of(const struct edge53_addr *addr);
bool same_address(const struct edge53_addr *a, const struct edge53_addr *b);
bool is_zero(const void *bytes, unsigned len);

/* --- bytes.c: what is written ----------------------------------------------------------------- */

unsigned get16(const unsigned char *p);
__u32 get32(const unsigned char *p);
void put16(unsigned char *p, unsigned value);
void put32(unsigned char *p, __u32 value);

/* What is different in a TCP header because a PROXY header is in front of the client's first byte. */
struct tcp_edit {
	__u32 seq, ack;
	unsigned window, urgent, flags;
	bool hides_early_data; /* those options of a SYN */
	bool any_checksum;     /* partial, of what GRO put together: the device completes it */
	unsigned less_mss;
	const struct edge53_conn *conn; /* of the backend, whose SACK blocks are mapped */
};

/* What is different in a packet that goes on. The family is that of the new addresses. */
struct change {
	struct edge53_addr saddr, daddr;
	bool has_l4; /* else a later fragment */
	unsigned sport, dport;
	bool has_id;
	unsigned dns_id;
	unsigned hops;		     /* the TTL is lowered by */
	unsigned mss;		     /* and that option to, at most; 0: not looked at */
	const unsigned char *header; /* of seen.grows bytes */
	const struct tcp_edit *tcp;  /* or NULL */
	bool has_seq;		     /* quoted: only this */
	__u32 seq;
};

/* Of its transport header, with options. */
unsigned l4_header_len(const unsigned char *ip, const struct seen *seen);
/* The length of the IP packet after the change, which may be to the other family. */
unsigned changed_len(const struct seen *seen, unsigned family);
/* `got_ip` is what the program made of it, for the IPv4 ID that it draws. Returns the length. */
unsigned write_changed(const unsigned char *ip, unsigned frame_len, const struct seen *seen,
		       const struct change *change, const unsigned char *got_ip,
		       unsigned char *out);

/* The sum over a pseudo header and the bytes, modulo 0xffff. Right checksums make it 0. */
unsigned l4_residue(const unsigned char *ip, const struct seen *seen, unsigned l4_len);
/* Writes the checksum at `check` so that the sum over all is `residue`. */
void put_checksum(unsigned char *check, bool is_udp, unsigned residue, unsigned sum_without);
unsigned pseudo_sum(const struct edge53_addr *saddr, const struct edge53_addr *daddr,
		    unsigned protocol, unsigned len);
bool has_partial_checksum(const unsigned char *ip, const struct seen *seen);

/* --- header.c: of the PROXY protocol ---------------------------------------------------------- */

#define PROXY_HEADER_MAX 52

bool has_signature(const unsigned char *payload, unsigned len);
unsigned proxy_header_len(const struct edge53_addr *client);
/* Returns its length. */
unsigned write_proxy_header(const struct edge53_addr *client, const struct edge53_addr *asked,
			    unsigned client_port, bool is_tcp, unsigned char *out);

/* 0: the connection does not begin with a header. */
unsigned header_len_of(const struct edge53_conn *conn);
/* The rules by their numbers in docs/packets.md: 2 to 4, and 6 with 7. */
__u32 seq_for_backend(const struct edge53_conn *conn, __u32 seq);
__u32 number_for_client(const struct edge53_conn *conn, __u32 number);
/* 8 */
unsigned window_for_client(const struct edge53_conn *conn, const unsigned char *tcp);
bool carries_header(const struct edge53_conn *conn, const unsigned char *tcp, unsigned payload);
/* A SYN is refused. */
bool is_refusal(const struct edge53_conn *conn, const unsigned char *tcp);

/* --- state.c: slots, connections, fragments, counters ----------------------------------------- */

struct edge53_slot *take_slot(struct model *model, const struct edge53_flow *flow,
			      const struct outcome *got);
/* By the port and ID on the backend's side; NULL when there is none. */
struct edge53_slot *find_slot(struct model *model, unsigned port, unsigned id);
bool slot_is_old(const struct edge53_slot *slot, __u64 now_ns);

struct edge53_conn *find_conn(struct model *model, const struct edge53_addr *client,
			      const struct edge53_addr *asked, unsigned port, unsigned service);
struct edge53_conn *find_conn_by_port(struct model *model, unsigned port);
bool conn_is_over(const struct edge53_conn *conn, __u64 now_ns);
/* An entry for a new connection, free now, or NULL. */
struct edge53_conn *take_conn(struct model *model, __u64 now_ns);
void open_conn(struct model *model, struct edge53_conn *conn, const struct edge53_flow *flow,
	       const unsigned char *tcp, const struct outcome *got);
void client_sends(struct edge53_conn *conn, const unsigned char *tcp);
/* False: a SYN-ACK of no life that is known, on a connection that begins with a PROXY header. */
bool backend_sends(struct edge53_conn *conn, const unsigned char *tcp, __u64 now_ns);

/*
 * A SYN of a client that has a connection: the same again, one in between that may be forged, or a
 * new beginning.
 */
enum syn_kind { SYN_AGAIN, SYN_BETWEEN, SYN_REOPENS, SYN_OPENS };

enum syn_kind kind_of_syn(const struct model *model, const struct edge53_conn *conn,
			  const unsigned char *tcp, __u64 now_ns);
/* But SYN_OPENS, which is open_conn(). */
void client_sends_syn(struct edge53_conn *conn, enum syn_kind kind, const unsigned char *tcp);
bool is_opening(const unsigned char *tcp);
/* The shift of the window scale option; 0 without. */
unsigned wscale_of(const unsigned char *tcp, unsigned len);

struct fragment *find_fragment(struct model *model, const struct seen *seen, unsigned ifindex,
			       __u64 now_ns);
void remember_fragment(struct model *model, const struct seen *seen, unsigned ifindex, __u64 now_ns,
		       const struct edge53_flow *flow, bool is_refused);

/* The source its backend sees. */
const struct edge53_addr *source_of(const struct setup *setup, const struct edge53_flow *flow);

void count_client(struct model *model, const struct seen *seen);
void count_connection(struct model *model, const struct edge53_flow *flow);
void count_sent(struct model *model, unsigned backend, const struct seen *seen);
void count_reply(struct model *model, const struct edge53_flow *flow, const struct seen *seen,
		 const unsigned char *ip);

#endif
