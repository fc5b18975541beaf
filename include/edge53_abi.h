/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What dataplane and loader share: the keys and values of the pinned maps. Nouns only.
 *
 * Everything here may outlive the program that wrote it (maps are pinned), so: fixed-width types,
 * padding by name, sizes asserted, and EDGE53_LAYOUT_VERSION goes up with every change of a layout.
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). Ports are in
 * host order so that `bpftool map dump` shows 53 and not 13568.
 */
#ifndef EDGE53_ABI_H
#define EDGE53_ABI_H

#include <linux/types.h>

#include "edge53_reasons.h"

#ifndef EDGE53_LAYOUT_VERSION /* a test builds a loader of the next one */
#define EDGE53_LAYOUT_VERSION 6 /* also when a token or a hash of it is made otherwise */
#endif
/*
 * Goes up, too, when it is about what TCP connections need: `conns`, `conn_by_tuple`, `tcp_pool`, the ports made of
 * their numbers, and `services`, `backends` and `devices`, whose numbers they bear. Else connections outlive a change
 * of the layout.
 */
#ifndef EDGE53_TCP_LAYOUT_VERSION
#define EDGE53_TCP_LAYOUT_VERSION 1
#endif

#define EDGE53_DNS_PORT 53

#define EDGE53_MAX_SERVICES 64	/* id 0 means none */
#define EDGE53_MAX_BACKENDS 256 /* id 0 means none */
#define EDGE53_MAX_DEVICES 8192 /* id 0 means none */
#define EDGE53_MAX_FRONTENDS 16384
#define EDGE53_MAX_EXEMPT 4096
#define EDGE53_MAX_DOH 262144
#define EDGE53_MAX_KEEP_SOURCE 4096
#define EDGE53_MAX_RETURN_PORTS 256 /* pairs of device and port */
#define EDGE53_MAX_RETURN_UDP_PEERS 262144
#define EDGE53_MAX_RETURN_TCP_PEERS 65536
#define EDGE53_MAX_GUARD 16384
#define EDGE53_MAX_FRAGMENTS 16384 /* datagrams of which later fragments are waited for */
#define EDGE53_PICKS 64 /* entries of a service's weighted choice of backend */
#define EDGE53_NAME_LEN 32
#define EDGE53_IFNAME_LEN 16
#define EDGE53_LATENCY_BUCKETS 24

struct edge53_addr {
	__u8 bytes[16];
} __attribute__((aligned(8)));

/* Bits of a client's address that are counted and shown, by family; 0: all of them (include/edge53_client_prefix.h). */
struct edge53_client_prefix {
	__u16 ipv4;
	__u16 ipv6;
};

/* --- what the loader writes: the plan, as the kernel sees it ---------------------------------- */

/* Map `frontends`: which packets are ours. An all-zero address stands for any destination. */
struct edge53_frontend_key {
	__u32 ifindex; /* device the query arrives on */
	__u32 pad;
	struct edge53_addr address; /* destination of the query */
};

struct edge53_frontend {
	__u16 device; /* index in `devices` */
	__u8 service; /* index in `services` */
	__u8 pad;
	__u8 mac[6]; /* the device's own, else the frame is another host's; zero: no Ethernet */
	__u8 pad2[2];
};

/*
 * Map `revision`, one entry: another number each time `frontends` has changed, and 0 while it changes, also for a
 * loader that died meanwhile. Under 0 programs note nothing that they find.
 */
struct edge53_revision {
	__u32 frontends;
	__u32 last; /* that was given; none is given twice */
};

enum edge53_service_kind {
	EDGE53_SERVICE_NONE,
	EDGE53_SERVICE_EDGE,
	EDGE53_SERVICE_ENFORCE,
	EDGE53_SERVICE_RETURN, /* no frontends: it only has a name and counters */
};

enum edge53_service_flag {
	EDGE53_SERVICE_XDP = 1 << 0,	   /* every backend can be reached from XDP */
	EDGE53_SERVICE_DOWN_PASS = 1 << 1, /* no backend: leave the packet to the host, else drop */
	EDGE53_SERVICE_EXEMPT = 1 << 4,	   /* has entries in `exempt`; of edge: of its rate limit */
	/* Of enforce only. Neither IPV6_*: IPv6 goes where the client sends it. */
	EDGE53_SERVICE_IPV6_DROP = 1 << 2,     /* refuse IPv6 to port 53 */
	EDGE53_SERVICE_DOT_DROP = 1 << 3,      /* drop port 853 without a word */
	EDGE53_SERVICE_IPV6_REDIRECT = 1 << 5, /* IPv6 to port 53 goes to picks[1] */
	EDGE53_SERVICE_DOT_REJECT = 1 << 6,    /* refuse port 853 */
	EDGE53_SERVICE_DOH_DROP = 1 << 7,      /* drop port 443 of what is in `doh` */
	EDGE53_SERVICE_DOH_REJECT = 1 << 8,    /* refuse it */
	/* Of edge only. */
	EDGE53_SERVICE_IPV6_BACKENDS = 1 << 9, /* one of picks[0] at least is by IPv6 */
	EDGE53_SERVICE_PROXY_UDP = 1 << 10,    /* queries carry a PROXY protocol header */
	EDGE53_SERVICE_PROXY_TCP = 1 << 11,    /* connections begin with one */
	EDGE53_SERVICE_KEEP_SOURCE = 1 << 12,  /* has entries in `keep_source` */
	EDGE53_SERVICE_DOWN_SERVFAIL = 1 << 13, /* no backend: answer SERVFAIL, and TCP with a RST */
	EDGE53_SERVICE_UDP_DOWN = 1 << 14,	/* a family has none for UDP, and that is to be answered */
	EDGE53_SERVICE_XDP_ANSWERS = 1 << 15,	/* neither has, and XDP may send on all of the devices */
	EDGE53_SERVICE_RATE_LIMIT = 1 << 16,	/* has an entry in `rate_limits` */
	EDGE53_SERVICE_RATE_IN_XDP = 1 << 17,	/* XDP does to what is over it what is to be done */
	EDGE53_SERVICE_TCP_LIMIT = 1 << 20,	/* has an entry in `tcp_limits` */
	EDGE53_SERVICE_SYN_COOKIES = 1 << 22,	/* and that of `unproven` is meant */
	EDGE53_SERVICE_COOKIES_IN_XDP = 1 << 23, /* which XDP can answer */
	EDGE53_SERVICE_ANY_IN_XDP = 1 << 18,	/* XDP answers queries of type ANY */
	/* Of edge and of enforce. */
	EDGE53_SERVICE_ANY_TRUNCATE = 1 << 19,	 /* answer them with TC=1 */
	EDGE53_SERVICE_RESPONSE_LIMIT = 1 << 21, /* has an entry in `response_limits` */
};

/* Ids of usable backends, each as often as its weight says; all 0 when there is none. */
struct edge53_picks {
	__u8 udp[EDGE53_PICKS];
	__u8 tcp[EDGE53_PICKS];
};

/* Map `services`. */
struct edge53_service {
	char name[EDGE53_NAME_LEN];
	__u8 kind; /* enum edge53_service_kind */
	__u8 pad;
	__u16 query_mtu; /* IP bytes of a query that surely fits on the way to each of its backends */
	__u32 flags;	 /* enum edge53_service_flag */
	__u16 max_udp_payload; /* of a query with its PROXY header, what backends read; 0: any */
	__u16 pad2[3];
	struct edge53_picks picks[2]; /* for clients by IPv4, and by IPv6 */
};

enum edge53_backend_flag {
	EDGE53_BACKEND_LOCAL = 1 << 0,	 /* goes on into the host's stack (enforce) */
	EDGE53_BACKEND_ETHERNET = 1 << 1, /* the device has an Ethernet header */
	EDGE53_BACKEND_XDP = 1 << 2,	 /* XDP sends to it (for readers only) */
	EDGE53_BACKEND_REMOVED = 1 << 3, /* from the configuration: there only for the flows that it has */
};

/* Map `backends`. A resolver of an enforce service is a backend too. */
struct edge53_backend {
	struct edge53_addr address;
	struct edge53_addr source;  /* SNAT address; all zero: the client keeps its own */
	struct edge53_addr nexthop; /* neighbour to send to on an Ethernet device */
	__u32 ifindex;		    /* device towards the backend; 0: none now */
	__u16 udp_port;
	__u16 tcp_port;
	__u8 service; /* 0: the entry is unused */
	__u8 flags;
	__u8 dmac[6]; /* nexthop's hardware address; all zero: not resolved */
	__u8 smac[6]; /* the device's own */
	__u16 mtu;    /* of the device, bytes of IP; 65535: that or more */
};

enum edge53_probe_state {
	EDGE53_PROBE_OFF,     /* not asked: `health: off`, or no such port, or no way there */
	EDGE53_PROBE_WAITING, /* nothing is known yet */
	EDGE53_PROBE_UP,
	EDGE53_PROBE_DOWN,
};

/* What became of the last question. */
enum edge53_probe_result {
	EDGE53_PROBE_NONE,	     /* none was asked, or it could not be sent: says nothing of the backend */
	EDGE53_PROBE_ANSWERED,	     /* rcode says how */
	EDGE53_PROBE_SILENT,
	EDGE53_PROBE_PORT_CLOSED,    /* nobody listens there */
	EDGE53_PROBE_CLOSED,	     /* TCP: the connection was ended without an answer */
	EDGE53_PROBE_UNREACHABLE,    /* error says why */
	EDGE53_PROBE_HEADER_NOT_READ,
	EDGE53_PROBE_NOT_SENT,	     /* this host could not; error says why */
};

/* A backend as one of its protocols is asked. Times are CLOCK_REALTIME; 0: never. */
struct edge53_probe {
	__u8 state;	  /* enum edge53_probe_state */
	__u8 result;	  /* enum edge53_probe_result, of the last question */
	__u8 rcode;	  /* of the last answer */
	__u8 is_unproven; /* it has never answered, and is used all the same */
	__u32 error;	  /* errno */
	__u64 since_ns;	  /* of the state */
	__u64 asked_ns;	  /* end of the last question */
	__u64 failed;	  /* questions without a good answer */
};

/* Map `health`, index as in `backends`. Written by the loader, for readers and for the next loader. */
struct edge53_health {
	struct edge53_probe udp;
	struct edge53_probe tcp;
	/* Clients' queries by UDP, in the last whole window. */
	__u32 queries;
	__u32 unanswered;
	__u8 is_unanswered; /* reported: it answers probes, but not clients */
	__u8 pad[7];
};

enum edge53_device_flag {
	EDGE53_DEVICE_ETHERNET = 1 << 0,
	EDGE53_DEVICE_XDP_TARGET = 1 << 1, /* XDP may redirect replies to it */
};

/* Map `devices`: where clients arrive, and how their replies leave. */
struct edge53_device {
	char name[EDGE53_IFNAME_LEN];
	__u32 ifindex; /* 0: gone, replies are dropped */
	__u8 flags;
	__u8 service; /* of an enforce device; 0 on an uplink, which may carry several */
	__u8 mac[6];
	__u16 mtu; /* bytes of IP; 65535: that or more */
	__u16 pad;
};

/*
 * Maps `exempt`, clients of an enforce service that are left alone, or of an edge service that are not limited, `doh`, servers whose port 443 is
 * refused to its clients, and `keep_source`, clients of an edge service whose address the backend
 * sees (longest prefix match). The value means nothing.
 */
struct edge53_prefix_key {
	__u32 prefix_len; /* bits of service, use and address: 32 + prefix of the mapped address */
	__u8 service;
	__u8 use; /* `exempt`: enum edge53_exempt_use; else 0 */
	__u8 pad[2];
	__u8 address[16];
};

enum edge53_exempt_use {
	EDGE53_EXEMPT_ALL, /* of enforce; of edge: rate_limit's */
	EDGE53_EXEMPT_TCP, /* tcp_limit's */
	EDGE53_EXEMPT_RESPONSES, /* response_limit's */
	EDGE53_EXEMPT_USES,
};

enum edge53_guard_policy {
	EDGE53_GUARD_PASS, /* not a client's device, or an enforced one */
	EDGE53_GUARD_COUNT,
	EDGE53_GUARD_DROP,
};

/*
 * Map `guard`, by the index of the device a forwarded packet came in by: what becomes of it when it
 * is for port 53 and about to leave by a device of the default route. Entry 0 stands for devices
 * that the loader has not looked at yet.
 */
struct edge53_guard {
	__u8 policy; /* enum edge53_guard_policy */
	__u8 service;
	__u8 pad[2];
};

/*
 * Map `returns`: on a backend's host, the tunnel that replies leave by. The index is that of its
 * service, of kind EDGE53_SERVICE_RETURN.
 */
struct edge53_return {
	__u32 ifindex;	  /* of the tunnel; 0: gone, replies take the way the host sends them */
	__u8 is_ethernet; /* the tunnel has an Ethernet header */
	__u8 smac[6];	  /* then: its own hardware address */
	__u8 pad;
};

/*
 * Map `returns_by_device`: tunnel and port of the server → service. Of an uplink the value only says that
 * replies which leave there may be some to return: the tunnel is the one that the client came by.
 */
struct edge53_return_key {
	__u32 ifindex;
	__u16 port; /* of the server */
	__u8 l4proto;
	__u8 is_uplink;
};

/*
 * Map `rate_limits`, index as in `services`: how many queries by UDP a prefix may send (docs/decisions.md, "Rate").
 * Meant only with EDGE53_SERVICE_RATE_LIMIT.
 */
struct edge53_rate_limit {
	__u64 interval_ns; /* between two queries at the rate; not 0 */
	__u64 burst_ns;	   /* of so many queries at once: intervals */
	struct edge53_addr masks[2]; /* of IPv4 clients, mapped as all addresses are, and of IPv6 clients */
	__u32 slip; /* of what is over the limit one in so many is answered TC=1; 0: none */
	__u32 proven_s; /* for so long who completed a TCP handshake is not limited; 0: is limited as others */
};

/* Map `tcp_limits`, index as in `services`: connections of a prefix. Meant only with EDGE53_SERVICE_TCP_LIMIT. */
struct edge53_tcp_limit {
	struct edge53_rate_limit fresh; /* connections that begin; interval_ns 0: any number; no slip, no proven_s */
	__u32 open;			/* at once; 0: any number. Prefixes are those of `fresh` */
	__u32 has_exempt;		/* has entries in `exempt` */
	struct edge53_rate_limit unproven; /* SYNs of all who are not proven; over it each gets a cookie */
};

/*
 * Map `response_limits`, index as in `services`: how many bytes by UDP are sent to a prefix (docs/decisions.md,
 * "Reflection"). All zeros where there is no limit, for replies to queries from when there was one.
 */
struct edge53_response_limit {
	__u64 interval_ns; /* of 2^EDGE53_RESPONSE_SHIFT bytes at the rate */
	__u64 burst_ns;	   /* of so many bytes at once */
	struct edge53_addr masks[2]; /* as of a rate limit */
	__u32 proven_s;	  /* the same */
	__u32 has_exempt; /* there are entries in `exempt` */
	__u32 bytes_per_second; /* for readers, and ... */
	__u32 burst_bytes;
};

#define EDGE53_RESPONSE_SHIFT 16

/* --- what the dataplane writes: flows and counters -------------------------------------------- */

enum edge53_flow_flag {
	EDGE53_FLOW_KEEP_SOURCE = 1 << 0, /* the backend saw the client's own address */
	EDGE53_FLOW_TIMED = 1 << 1,	  /* opened_us is exact, the reply counts for the latencies */
	EDGE53_FLOW_RESPONSE_LIMIT = 1 << 2, /* its service limits replies; UDP only */
	EDGE53_FLOW_EDNS = 1 << 3, /* then: the query had additional records */
};

/* Where a reply has to go and what it has to look like. */
struct edge53_flow {
	struct edge53_addr client;
	struct edge53_addr asked; /* destination the client used: frontend or foreign resolver */
	__u16 client_port;
	__u16 client_id; /* DNS transaction ID, host order; UDP only */
	__u16 device;	 /* the client's, index in `devices` */
	__u8 service;
	__u8 backend;
	__u8 client_mac[6]; /* neighbour the query came from, on an Ethernet device */
	__u16 flags;	    /* enum edge53_flow_flag */
};

/*
 * Map `slots`: one UDP query each, a ring per CPU. `lap` is 0 while the slot is empty or being
 * written; else (number of the lap, from 1) << 1 | answered. Readers take the flow only if lap is
 * the same before and after.
 */
struct edge53_slot {
	__u32 lap;
	__u32 opened_us; /* CLOCK_MONOTONIC / 1024 ns, low 32 bits; of the last tick unless TIMED */
	struct edge53_flow flow;
	__u32 client_entry; /* where the CPU of the query counts its client: index in `clients` + 1; 0: nowhere */
	__u32 pad;
};

#define EDGE53_SLOT_ANSWERED 1u

enum edge53_conn_state {
	EDGE53_CONN_FREE,
	EDGE53_CONN_HALF_OPEN,	 /* the client's SYN was forwarded */
	EDGE53_CONN_ESTABLISHED, /* the client acknowledged the backend's SYN-ACK */
	EDGE53_CONN_CLOSING,	 /* a RST, or a FIN from both sides */
};

enum edge53_conn_flag {
	EDGE53_CONN_CLIENT_FIN = 1 << 0,
	EDGE53_CONN_BACKEND_FIN = 1 << 1,
	EDGE53_CONN_SYN_ACKED = 1 << 2,	/* the backend answered the SYN */
	EDGE53_CONN_CLIENT_RST = 1 << 3, /* may be forged: a later segment of the client revives */
	EDGE53_CONN_PROVEN = 1 << 4,	 /* the client acknowledged the backend's SYN */
	/* Connections that begin with a PROXY header (docs/packets.md). */
	EDGE53_CONN_PROXY = 1 << 5,
	EDGE53_CONN_PROXY_SYNCED = 1 << 6, /* the backend agreed to first_seq */
	EDGE53_CONN_PROXY_DONE = 1 << 7,   /* it is so far behind that numbers wrap around */
	EDGE53_CONN_BACKEND_RST = 1 << 8,  /* may be provoked: a later segment of the backend revives */
	EDGE53_CONN_REOPENED = 1 << 9,	   /* by a SYN, which the backend has not answered yet */
	EDGE53_CONN_REFUSED = 1 << 10,	   /* that RST had an ACK: the next SYN may go elsewhere */
	EDGE53_CONN_SEATED = 1 << 11,	   /* lives as long as its seat (tcp_limit.open) */
};

/* Map `conns`: one TCP connection each; the index stands for the SNAT port. */
struct edge53_conn {
	__u32 sequence; /* odd while being written, two more after each change of hands */
	__u8 state;	/* enum edge53_conn_state */
	__u8 backend_wscale; /* shift of the backend's windows (RFC 7323) */
	__u16 snat_port;
	struct edge53_flow flow;
	__u64 opened_ns; /* CLOCK_MONOTONIC */
	__u64 seen_ns;
	__u32 handshake_ack; /* acknowledgement number that only who saw the SYN-ACK can know */
	__u32 flags;	     /* enum edge53_conn_flag; both directions write, so atomically */
	__u32 first_seq;     /* of the client's first byte; meant when SYN_ACKED */
	__u32 pending_seq;   /* the same of the client's last SYN, which the backend may agree to */
};

/* Map `conn_by_tuple`: a client's side of a connection → index in `conns`. */
struct edge53_tuple {
	struct edge53_addr client;
	struct edge53_addr asked;
	__u16 client_port;
	__u8 service;
	__u8 pad[5];
};

/*
 * Maps `rates`, who asked or was answered: when his bucket of tokens is full again, and `proven`, who completed a TCP
 * handshake: when that was (both CLOCK_MONOTONIC). `who` is a keyed hash, 0: unused, and chooses the bucket
 * (bpf/moments.h).
 */
#define EDGE53_MOMENT_WAYS 4
#define EDGE53_MOMENT_BUCKET_BITS 14

struct edge53_moment {
	__u64 who;
	__u64 at_ns;
};

struct edge53_moments {
	struct edge53_moment ways[EDGE53_MOMENT_WAYS];
};

/*
 * Map `tcp_seats`: who is one of a prefix's tcp_limit.open connections (bpf/seats.h). A way names a seat and who has it:
 * 16 bits of the seat's hash, never 0; index in `conns`; its `sequence`. It is good for as long as that connection is
 * open, and nobody need clear it. The upper bits of the hash choose the bucket.
 */
#define EDGE53_SEAT_WAYS 8
#define EDGE53_SEAT_BUCKET_BITS 13

struct edge53_seats {
	__u64 ways[EDGE53_SEAT_WAYS];
};

/* Map `fragments`: what became of a first fragment, by what its later ones have in common with it. */
struct edge53_fragment_key {
	struct edge53_addr saddr;
	struct edge53_addr daddr;
	__u32 ifindex; /* where it was seen */
	__u32 id;
	__u8 l4proto;
	__u8 is_return; /* of `return`, on its way out of the uplink */
	__u8 pad[6];
};

struct edge53_fragment {
	struct edge53_flow flow; /* of the query this is the reply to */
	__u64 seen_ns;		 /* CLOCK_MONOTONIC */
	__u8 is_refused;	 /* part of a query: the others are dropped, too; flow has only a service */
	__u8 pad[7];
};

/*
 * Map `return_peers`: two maps, of UDP and of TCP, so that queries do not push connections out; none while
 * there is no tunnel to return to. A client that came by a tunnel → when, and by which.
 */
enum edge53_return_map {
	EDGE53_RETURN_UDP,
	EDGE53_RETURN_TCP,
	EDGE53_RETURN_MAPS,
};

struct edge53_return_peer_key {
	struct edge53_addr client;
	struct edge53_addr server;
	__u16 client_port;
	__u16 server_port;
	__u32 pad;
};

struct edge53_return_peer {
	__u64 seen_ns; /* CLOCK_MONOTONIC */
	__u8 dmac[6];  /* neighbour it came from, on an Ethernet device */
	__u8 service;  /* index in `returns` */
	__u8 pad;
};

/*
 * What is known of DNS messages and bytes that went to or came from one peer. Per CPU. What a plain query and its
 * answer change comes first.
 */
struct edge53_traffic {
	__u64 queries;	 /* UDP */
	__u64 bytes_in;	 /* IP bytes of queries and client TCP segments */
	__u64 replies;	 /* UDP */
	__u64 bytes_out; /* IP bytes of replies and backend TCP segments */
	__u64 noerror;
	__u64 tcp_connections;
	__u64 truncated; /* replies with TC=1 */
	__u64 nxdomain;
	__u64 servfail;
	__u64 refused;
	__u64 other_rcode;
};

/*
 * Map `clients`: `geometry.clients` entries for each CPU, one CPU's after the other's, filled from the beginning. A
 * client is counted by each CPU that sees it: sum over them, min of first and max of last.
 */
struct edge53_client {
	struct edge53_addr address;
	__u64 last_seen_ns; /* CLOCK_MONOTONIC */
	struct edge53_traffic traffic;
	__u64 first_seen_ns;
	__u64 sequence; /* 0: unused; odd while the entry changes hands */
};

/*
 * Map `client_index`: 2^client_bucket_bits buckets for each CPU, which lead to its clients. A way is a part of the
 * address's hash, and below it the number of the entry in the CPU's part of `clients`, from 1.
 */
#define EDGE53_CLIENT_WAYS 14

struct edge53_client_bucket {
	__u32 ways[EDGE53_CLIENT_WAYS]; /* from the front; 0: none from here on */
	__u32 candidate;		/* hash of the newcomer that may take the place of one of them */
	__u32 votes;			/* how far it is ahead of others */
};

/* Map `backend_counters`, per CPU, index as in `backends`. */
struct edge53_backend_counters {
	struct edge53_traffic traffic;
	__u64 latency[EDGE53_LATENCY_BUCKETS]; /* of timed queries; bucket n: below 2^n * 1,024 ns, the last one: all above */
};

/* Map `reasons`, per CPU: packets by service * EDGE53_REASONS_PER_SERVICE + reason. */
#define EDGE53_REASONS_PER_SERVICE 64

/* Map `cpu_state`, per CPU, one entry. */
struct edge53_cpu_state {
	__u64 next_slot;	    /* slots handed out on this CPU since the ring was made */
	__u64 unanswered;	    /* of these, overwritten before a reply came */
	__u32 overwritten_age_us;   /* age of the slot overwritten last */
	__u32 last_turn;	    /* second in which a client that is established made room */
	__u64 refusals_since_ns;    /* begin of the second that is being counted */
	__u64 refusals;		    /* RSTs and ICMP errors of our own in it */
	__u64 refusals_suppressed;  /* not sent, for there were too many */
	__u64 clients_used;	    /* entries of this CPU's part of `clients` */
	__u64 clients_evicted;	    /* entries that another client has got */
	__u64 clients_not_counted;  /* packets of clients that had no entry */
	__u64 timed_at_ns;	    /* tick of the last query that was timed exactly */
	struct edge53_traffic others; /* of these packets, and what evicted clients had */
};

/* Map `tcp_pool`, one entry. */
struct edge53_tcp_pool {
	__u64 hand; /* next entry of `conns` to look at */
};

/*
 * Map `seen_frontends`, per CPU: what a look into `frontends` found, good for as long as the revision is the
 * same. The index is a hash of the key; the last one looked for stays.
 */
#define EDGE53_SEEN_FRONTENDS 64

struct edge53_seen_frontend {
	struct edge53_frontend_key key;
	struct edge53_frontend frontend;
	__u32 revision; /* of `frontends`; 0: empty */
};

/*
 * Samples of DNS messages, for dnstap and for `edge53 clients --names`. Which of them are taken follows from the client's
 * address and port and the DNS ID (bpf/sample.h), so that a query and its reply are taken both, or neither.
 */
enum edge53_sample_reader {
	EDGE53_SAMPLE_DNSTAP,
	EDGE53_SAMPLE_NAMES, /* queries only */
	EDGE53_SAMPLE_READERS,
};

#define EDGE53_SAMPLE_HASH_BITS 31
#define EDGE53_SAMPLE_ALL (1u << EDGE53_SAMPLE_HASH_BITS)

/*
 * Map `sampling`: a variable of the programs (.data), which readers map into their memory. Taken is a message whose hash, of
 * EDGE53_SAMPLE_HASH_BITS, is below the limit. 0: none.
 */
struct edge53_sampling {
	union {
		__u32 limits[EDGE53_SAMPLE_READERS];
		__u64 any;
	};
	__u64 names_until_ns; /* CLOCK_MONOTONIC; the programs set the limit to 0 after it, whatever became of the reader */
};

enum edge53_sample_kind {
	EDGE53_SAMPLE_QUERY, /* as it came from the client */
	EDGE53_SAMPLE_REPLY, /* as it goes to the client */
};

/*
 * An event in the buffers of `dnstap_events` and `names_events`; the packet follows, cut after EDGE53_SAMPLE_BYTES or
 * EDGE53_SAMPLE_NAMES_BYTES.
 */
struct edge53_sample {
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u32 packet_len; /* bytes, before it was cut */
	__u16 l3_off;	  /* where in the packet the IP header is */
	__u8 kind;	  /* enum edge53_sample_kind */
	__u8 service;
};

/*
 * The kernel pads an event, with a length of 4 bytes before it, to 8 bytes. What was cut needs no padding, so that it is
 * not taken for more than it is.
 */
#define EDGE53_SAMPLE_BYTES 4612 /* a message of 4,096 bytes, and any headers before it */
#define EDGE53_SAMPLE_NAMES_BYTES 772

/* Map `sample_counters`, per CPU, by reader. */
struct edge53_sample_counters {
	__u64 taken;	 /* that were to be handed over */
	__u64 no_room;	 /* of these, that were not, for the reader was not fast enough */
	__u64 no_reader; /* or for there was none on this CPU */
};

/* Map `dnstap`, one entry, written by the loader: what became of the events of `dnstap_events`, since the map was made. */
struct edge53_dnstap {
	__u64 read;	    /* events; each is one of the next three, or a message or more */
	__u64 no_message;   /* of TCP: none, or none that is whole in its segment */
	__u64 not_whole;    /* a fragment, or longer than EDGE53_SAMPLE_BYTES */
	__u64 not_dns;	    /* too short for a DNS message, or not a packet we know */
	__u64 written;	    /* messages */
	__u64 not_written;  /* messages: nobody to write to, or the writing failed */
	__u32 is_on;
	__u32 is_connected; /* socket or file are open */
};

/*
 * Map `geometry`, one entry, the same for as long as the state lives: what a later loader must keep to
 * understand the slots and connections it finds. Of a size that it does not know it keeps nothing.
 */
struct edge53_geometry {
	__u32 layout_version;
	__u32 tcp_layout_version;
	__u32 n_cpus;	     /* possible CPUs, each with its own part of `slots` */
	__u32 slots_per_cpu; /* power of two */
	__u32 tcp_connections;
	__u32 clients; /* for each CPU */
	__u16 port_base;
	__u8 port_bits; /* the edge's source ports are port_base .. port_base + 2^port_bits - 1 */
	__u8 client_bucket_bits;
	struct edge53_client_prefix client_prefix; /* of the addresses in `clients` */
	__u64 token_keys[4]; /* secret: ports of TCP connections, and the hash of clients */
	__u64 slot_keys[2];  /* secret: ports and IDs of UDP queries; another ring has others */
	__u64 netns_cookie;
};

/* Map `loader`, one entry: who is or was in charge. */
struct edge53_loader {
	__u32 pid;
	__u32 pad;
	__u64 started_ns; /* CLOCK_REALTIME */
	__u64 looked_ns;  /* CLOCK_MONOTONIC: begin of the last look at the host that was applied */
	char version[32];
};

_Static_assert(sizeof(struct edge53_addr) == 16, "layout");
_Static_assert(sizeof(struct edge53_frontend_key) == 24, "layout");
_Static_assert(sizeof(struct edge53_frontend) == 12, "layout");
_Static_assert(sizeof(struct edge53_seen_frontend) == 40, "layout");
_Static_assert(sizeof(struct edge53_revision) == 8, "layout");
_Static_assert(sizeof(struct edge53_flow) == 48, "layout");
_Static_assert(sizeof(struct edge53_slot) == 64, "one cache line");
_Static_assert(sizeof(struct edge53_client) == 128, "two cache lines");
_Static_assert(__builtin_offsetof(struct edge53_client, traffic.tcp_connections) == 64,
	       "a query and its reply change the first line only");
_Static_assert(sizeof(struct edge53_client_bucket) == 64, "one cache line");
_Static_assert(sizeof(struct edge53_conn) == 88, "layout");
_Static_assert(sizeof(struct edge53_tuple) == 40, "layout");
_Static_assert(sizeof(struct edge53_backend) == 72, "layout");
_Static_assert(sizeof(struct edge53_device) == 32, "layout");
_Static_assert(sizeof(struct edge53_health) == 80, "layout");
_Static_assert(sizeof(struct edge53_service) == 304, "layout");
_Static_assert(sizeof(struct edge53_prefix_key) == 24, "layout");
_Static_assert(sizeof(struct edge53_rate_limit) == 56, "layout");
_Static_assert(sizeof(struct edge53_response_limit) == 64, "one cache line");
_Static_assert(sizeof(struct edge53_moments) == 64, "one cache line");
_Static_assert(sizeof(struct edge53_tcp_limit) == 120, "layout");
_Static_assert(sizeof(struct edge53_seats) == 64, "one cache line");
_Static_assert(sizeof(struct edge53_guard) == 4, "layout");
_Static_assert(sizeof(struct edge53_fragment_key) == 48, "layout");
_Static_assert(sizeof(struct edge53_fragment) == 64, "layout");
_Static_assert(sizeof(struct edge53_return) == 12, "layout");
_Static_assert(sizeof(struct edge53_return_key) == 8, "layout");
_Static_assert(sizeof(struct edge53_return_peer_key) == 40, "layout");
_Static_assert(sizeof(struct edge53_return_peer) == 16, "layout");
_Static_assert(sizeof(struct edge53_geometry) == 88, "layout");
_Static_assert(sizeof(struct edge53_sampling) == 16, "layout");
_Static_assert(sizeof(struct edge53_sample) == 16, "layout");
_Static_assert((4 + sizeof(struct edge53_sample) + EDGE53_SAMPLE_BYTES) % 8 == 0, "no padding");
_Static_assert((4 + sizeof(struct edge53_sample) + EDGE53_SAMPLE_NAMES_BYTES) % 8 == 0, "no padding");
_Static_assert(sizeof(struct edge53_sample_counters) == 24, "layout");
_Static_assert(sizeof(struct edge53_dnstap) == 56, "layout");
_Static_assert(EDGE53_REASON_COUNT <= EDGE53_REASONS_PER_SERVICE, "reasons fit");

#endif
