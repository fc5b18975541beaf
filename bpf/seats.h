/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp_limit.open: a prefix has so many seats, and a connection that is open has one of them.
 *
 * Nothing is counted, so no count can be wrong: a seat names the entry of `conns` that has it, and is free as soon as
 * that entry is somebody else's, or its connection is over. However a connection ends - by FIN, RST, time or eviction,
 * seen or unseen, with or without a loader - its seat is free, and nobody need give it back. One whose time is over does
 * not go on, or who waits that long would have a connection and somebody else the seat (has_lost_seat()).
 *
 * Two CPUs that look for a place for the same seat at once may find one each: then there is a connection too many.
 */
#ifndef EDGE53_SEATS_H
#define EDGE53_SEATS_H

#include "barrier.h"
#include "conn.h"
#include "maps.h"
#include "moments.h"
#include "packet.h"
#include "service.h"

#define MAX_SEATS_TRIED 256

#define SEAT_TAG(word) ((__u16)((word) >> 48))
#define SEAT_INDEX(word) ((__u16)((word) >> 32))

/* Who looks for a seat, and how far he is. */
struct seat_search {
	__u64 prefix; /* as moment_owner() has it */
	__u64 now_ns;
	__u64 taker; /* index << 32 | sequence; 0: only asks */
	__u32 turn;
	__u32 n_seats;
	bool has_found;
};

/* A RST that may be forged, or provoked, leaves the connection where it was. */
static __always_inline bool is_seat_free(__u64 word, __u64 now_ns)
{
	__u32 index = SEAT_INDEX(word);
	const struct edge53_conn *conn;

	if (!word)
		return true;
	conn = bpf_map_lookup_elem(&conns, &index);
	if (!conn || READ_ONCE(conn->sequence) != (__u32)word || is_over(conn, now_ns))
		return true;
	return conn->state == EDGE53_CONN_CLOSING &&
	       (is_closed_by_both(conn) || conn->flags & EDGE53_CONN_REFUSED);
}

/* The way of a seat, or one that it may have. NULL: it is taken, or there is no place for it. */
static __always_inline __u64 *place_of_seat(struct edge53_seats *bucket, __u16 tag, __u64 now_ns,
					    __u64 *word)
{
	for (__u32 i = 0; i < EDGE53_SEAT_WAYS; i++) {
		*word = READ_ONCE(bucket->ways[i]);
		if (SEAT_TAG(*word) == tag)
			return is_seat_free(*word, now_ns) ? &bucket->ways[i] : NULL;
	}
	for (__u32 i = 0; i < EDGE53_SEAT_WAYS; i++) {
		*word = READ_ONCE(bucket->ways[i]);
		if (is_seat_free(*word, now_ns))
			return &bucket->ways[i];
	}
	return NULL;
}

/*
 * In order, if all are tried. Else not: those that are taken would run together, and who is tried 256 times in such a
 * run is refused where there are many free.
 */
static __always_inline __u32 seat_number(const struct seat_search *search, __u32 i)
{
	__u32 x = search->turn + i;

	if (search->n_seats > MAX_SEATS_TRIED) {
		x = (x ^ x >> 16) * 0x85ebca6bu; /* the end of MurmurHash3 */
		x = (x ^ x >> 13) * 0xc2b2ae35u;
		x ^= x >> 16;
	}
	return x % search->n_seats;
}

/* One seat: 0 to try the next, 1 when it is found. */
static long try_seat(__u32 i, struct seat_search *search)
{
	__u64 hash = moment_owner(search->prefix, seat_number(search, i), SCOPE_OF_SEATS);
	__u32 number = (__u32)((hash * MOMENT_FACTOR) >> (64 - EDGE53_SEAT_BUCKET_BITS));
	struct edge53_seats *bucket = bpf_map_lookup_elem(&tcp_seats, &number);
	__u16 tag = (__u16)(hash >> 32) | 1;
	__u64 *place, word;

	if (!bucket)
		return 1;
	place = place_of_seat(bucket, tag, search->now_ns, &word);
	if (!place)
		return 0;
	if (search->taker &&
	    __sync_val_compare_and_swap(place, word, (__u64)tag << 48 | search->taker) != word)
		return 0;
	search->has_found = true;
	return 1;
}

/*
 * From anywhere, so that few are tried as long as many are free. Of more than MAX_SEATS_TRIED only so many are looked at:
 * who has 95 % of 1,000 is refused with one SYN in 500,000.
 */
static __always_inline bool find_seat(const struct packet *pkt,
				      const struct edge53_tcp_limit *limit, __u64 taker)
{
	const __u64 *mask = (const __u64 *)limit->fresh.masks[pkt->is_ipv6 & 1].bytes;
	const __u64 *client = (const __u64 *)pkt->saddr.bytes;
	struct seat_search search = {
		.prefix = moment_owner(client[0] & mask[0], client[1] & mask[1],
				       SCOPE_OF_SEATS + pkt->service),
		.now_ns = clock_ns(),
		.taker = taker,
		.turn = bpf_get_prandom_u32() >> 1,
		.n_seats = limit->open,
	};

	bpf_loop(limit->open < MAX_SEATS_TRIED ? limit->open : MAX_SEATS_TRIED, try_seat, &search,
		 0);
	return search.has_found;
}

static __always_inline bool is_exempt_from_tcp_limit(const struct packet *pkt,
						     const struct edge53_tcp_limit *limit)
{
	struct edge53_prefix_key key;

	if (!limit->has_exempt)
		return false;
	make_prefix_key(pkt->service, &pkt->saddr, &key);
	key.use = EDGE53_EXEMPT_TCP;
	return bpf_map_lookup_elem(&exempt, &key);
}

/*
 * A seat for the connection of a port, which was opened just now. Its entry gets another sequence: one that begins anew
 * in its entry may have had a seat, which is somebody else's now or not. False: there is none any more.
 * A global function, for the stack of the caller.
 */
__weak __noinline int take_seat(const struct packet *pkt, __u32 index)
{
	struct edge53_conn *conn = bpf_map_lookup_elem(&conns, &index);
	const struct edge53_tcp_limit *limit;
	__u32 service, sequence;

	if (!pkt || !conn)
		return 0;
	service = pkt->service;
	limit = bpf_map_lookup_elem(&tcp_limits, &service);
	if (!limit || !limit->open || is_exempt_from_tcp_limit(pkt, limit))
		return 1;
	sequence = READ_ONCE(conn->sequence);
	if (sequence & 1 ||
	    __sync_val_compare_and_swap(&conn->sequence, sequence, sequence + 2) != sequence)
		return 0;
	__sync_fetch_and_or(&conn->flags, EDGE53_CONN_SEATED);
	if (find_seat(pkt, limit, (__u64)(__u16)index << 32 | (sequence + 2)))
		return 1;
	conn->seen_ns = 0; /* over: the entry is the next connection's */
	return 0;
}

#endif
