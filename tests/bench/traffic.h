/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark's packets: what the generator sends, and what its counting ends know it by.
 *
 *     Ethernet | IPv4, DF | UDP | DNS: ID, RD=1, 1 question | 9 "q" LETTERS 7 "example" 4 "test" 0 | A IN
 *
 * LETTERS are the packet's number, four bits a letter. Address, port and DNS ID of the client follow from the
 * number alone, so the end that gets the reply can tell whether it belongs to a query, and to which.
 */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <linux/types.h>

#define TRAFFIC_MAX_CPUS 256
#define TRAFFIC_LOOPBACK 1 /* index of lo, in every namespace */

/*
 * Well-behaved clients are in 100.64.0.0/10, the sources of a flood in 32.0.0.0/3, and those of one that comes from
 * a single /24 in 32.53.53.0/24.
 */
#define TRAFFIC_CLIENTS_BASE 0x64400000u
#define TRAFFIC_MAX_CLIENTS (1u << 22)
#define TRAFFIC_FLOOD_BASE 0x20000000u
#define TRAFFIC_FLOOD_MASK 0x1fffffffu
#define TRAFFIC_HOT_BASE 0x20353500u
#define TRAFFIC_HOT_MASK 0xffu

/* The port of a client is its first one plus the lap, below TRAFFIC_MAX_PORTS. */
#define TRAFFIC_FIRST_PORT 16384
#define TRAFFIC_FIRST_PORTS_MASK 0x3fff
#define TRAFFIC_MAX_PORTS 32768

#define TRAFFIC_ZIPF_LEN (1u << 20) /* draws, used over and over */
#define TRAFFIC_WELL_EVERY 16	    /* of so many packets of a flood one is well-behaved */
#define TRAFFIC_FLOOD_WINDOW 5353   /* of a flood's SYNs: no client of the lab has it */

#define TRAFFIC_LETTERS_OFF 14 /* in the payload: even, for the checksum */
#define TRAFFIC_PAYLOAD_LEN 40
#define TRAFFIC_FRAME_LEN (14 + 20 + 8 + TRAFFIC_PAYLOAD_LEN)
#define TRAFFIC_PROXY_LEN 28 /* of the PROXY protocol, version 2, with IPv4 addresses */

enum traffic_workload {
	TRAFFIC_KNOWN, /* clients take turns; with several ports each, the port changes every lap */
	TRAFFIC_ZIPF,  /* some are busier than others */
	TRAFFIC_FLOOD, /* random sources, and clients that are well-behaved between them */
};

/* What a flood consists of; all of it goes to the address and port that the well-behaved ask. */
enum traffic_flood {
	TRAFFIC_SOURCES,   /* queries from random addresses and ports */
	TRAFFIC_HOT,	   /* queries from one /24 */
	TRAFFIC_PAYLOADS,  /* random bytes, every other time behind the header of a query */
	TRAFFIC_SYNS,	   /* TCP SYNs from random addresses and ports */
	TRAFFIC_HOT_SYNS,  /* ... and from one /24 */
	TRAFFIC_FRAGMENTS, /* parts of datagrams that are never whole */
};

enum traffic_way {
	TRAFFIC_GENERATE,   /* the generator alone: nothing is sent */
	TRAFFIC_QUERY,	    /* to the backend's end, and no further */
	TRAFFIC_ROUND_TRIP, /* the backend's end answers */
};

/* The sum of the packets' numbers tells whether as many packets are also the same packets. */
struct traffic_count {
	__u64 packets;
	__u64 sum;
};

/* Of one CPU; nobody else writes to it while packets come. */
struct traffic_cpu {
	__u32 next; /* number of the next packet */
	__u32 step; /* from one number to the next: each CPU has clients of its own */
	struct traffic_count sent;
	struct traffic_count arrived;
	struct traffic_count answered;
	__u64 well_sent; /* of these, by well-behaved clients; in a flood only */
	__u64 well_arrived;
	__u64 well_answered;
	__u64 well_truncated; /* not answered, but told to come by TCP */
	__u64 flood_arrived;  /* packets of the flood itself, at the backend's end */
	__u64 flood_answered; /* packets that came back to its sources, from whoever */
	__u64 flood_truncated;
	__u64 queued_out; /* of what was sent, no room in the queue before the edge */
	__u64 well_queued_out;
	__u64 strange; /* UDP at one of the ends that is not what it should be */
} __attribute__((aligned(128)));

/* Four bits of the number become one of the letters from a to p. */
static inline __u64 traffic_letters(__u32 number)
{
	__u64 x = number;

	x = (x | x << 16) & 0x0000ffff0000ffffull;
	x = (x | x << 8) & 0x00ff00ff00ff00ffull;
	x = (x | x << 4) & 0x0f0f0f0f0f0f0f0full;
	return x + 0x6161616161616161ull;
}

/* The way back; false if these are not such letters. */
static inline _Bool traffic_number(__u64 letters, __u32 *number)
{
	__u64 x = letters - 0x6161616161616161ull;

	if (x & 0xf0f0f0f0f0f0f0f0ull)
		return 0;
	x = (x | x >> 4) & 0x00ff00ff00ff00ffull;
	x = (x | x >> 8) & 0x0000ffff0000ffffull;
	*number = x | x >> 16;
	return 1;
}

/* Whether a flood's packet is a well-behaved client's: one of each `every` is, and not always the same CPU's. */
static inline _Bool traffic_is_well(__u32 number, __u32 every)
{
	return (number % every + number / every % every) % every == 0;
}

/* The DNS ID of a packet. */
static inline __u16 traffic_id(__u32 number)
{
	return number * 0x9e3779b1u >> 16;
}

#endif
