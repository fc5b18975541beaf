/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rows of before and after. A case is a short story told to a fresh world: steps, each a packet
 * that comes in, what it becomes, and why. Around them run_cases() puts the Ethernet headers of the
 * path the packet takes, and after each step compares everything: verdict, bytes, counters, slots
 * and connections. What a row does not mention must not have changed.
 */
#ifndef EDGE53_TEST_CASES_H
#define EDGE53_TEST_CASES_H

#include "world.h"

/* Rows name what they are about; the rest is zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum test_path {
	XDP = 1 << 0,
	TC_L2 = 1 << 1,
	TC_L2_CHECKED = 1 << 2,
	TC_L2_L3 = 1 << 3, /* Ethernet uplink, backends behind a tunnel */
	TC_L3 = 1 << 4,
	TC_L3_L2 = 1 << 5, /* clients behind a tunnel, backends on Ethernet */
	ENFORCE_L2 = 1 << 6,
	ENFORCE_L3 = 1 << 7,
};

#define ETHERNET_UPLINK (XDP | TC_L2 | TC_L2_CHECKED | TC_L2_L3)
#define ETHERNET_BACKEND (XDP | TC_L2 | TC_L2_CHECKED | TC_L3_L2)

struct path {
	enum test_path bit;
	const char *name;
	enum test_program query, reply;
	bool client_is_l3, backend_is_l3;
};

extern const struct path paths[8];

struct step {
	struct layer_of *query; /* towards the service; or ... */
	struct layer_of *reply; /* ... coming back. From the IP header on, or a whole frame */
	struct layer_of *becomes; /* NULL: stays as it is; or ... */
	struct layer_of *told; /* ... what its sender is answered, though the packet ends here */
	enum edge53_reason why;
	enum test_device device; /* where it is seen, if not where it should */
	bool of_nobody; /* counted for no service */
	bool takes_slot; /* although it is not sent */
	bool cuts_padding; /* at tc; XDP leaves what is behind the packet */
	bool counted_by_tc; /* although it came by XDP */
	bool by_tc;	 /* XDP leaves it as it is, to edge_tc_l2_checked behind it */
	unsigned gso_size; /* tc: it is a bundle of segments or datagrams */
	bool has_vlan;	   /* tc: the tag beside the bytes */
	unsigned vlan_tci;
	unsigned conn;	/* TCP: the entry that this is about ... */
	enum edge53_conn_state state; /* ... and its state afterwards; 0: not looked at */
	void (*before)(void); /* what happens in between */
};

#define MAX_STEPS 16

struct test_case {
	const char *name;
	struct step steps[MAX_STEPS];
	enum test_path paths; /* 0: all that the table is run on */
	void (*world)(void);  /* what is different in this one */
};

/* So many times; under emulation (QUICK=1), where each takes twenty times as long, a fifth of it. */
unsigned often(unsigned times);

/* Returns how many cases failed, having said what is wrong. */
int run_cases(const struct path *path, const struct test_case *cases, size_t n);

/* A frame of the path around a packet. becomes: what the path makes of the frame's own header. */
void frame_of_query(const struct path *path, struct layer_of *ip, struct frame *frame);
void frame_of_reply(const struct path *path, struct layer_of *ip, struct frame *frame);
void frame_of_sent_query(const struct path *path, struct layer_of *ip, struct frame *frame);
void frame_of_sent_reply(const struct path *path, struct layer_of *ip, struct frame *frame);
int verdict_of(enum test_program program, enum edge53_reason why);
enum edge53_fate fate_of(enum edge53_reason why);
const char *reason_name(enum edge53_reason why);
bool is_enforce(const struct path *path);
enum test_device client_device(const struct path *path);
enum test_device backend_device(const struct path *path);

/* One test each for every path in paths; returns the number of failures. Ends with a NULL name. */
struct table {
	const char *name;
	int (*run)(const struct path *path);
	enum test_path paths;
};

#define RUN(path, cases) run_cases(path, cases, sizeof(cases) / sizeof(*(cases)))

#define EDGE_PATHS (XDP | TC_L2 | TC_L2_CHECKED | TC_L2_L3 | TC_L3 | TC_L3_L2)
#define ENFORCE_PATHS (ENFORCE_L2 | ENFORCE_L3)

extern const struct table edge_udp_tables[], edge_tcp_tables[], enforce_tables[], random_tables[],
	race_tables[], count_tables[];
extern const struct table ipv6_tables[], family_tables[], fragment_tables[], icmp_tables[],
	icmp_family_tables[], mss_tables[], policy_tables[], answer_tables[], link_tables[],
	guard_tables[], proxy_udp_tables[], return_tables[], keep_source_tables[], proxy_tcp_tables[],
	proxy_segment_tables[], sample_tables[], rate_tables[], tcp_limit_tables[],
	response_tables[];

#endif
