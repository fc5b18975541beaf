/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who is counted by name: a table of our own, a part of it for each CPU (docs/architecture.md, "the counted
 * clients"). A client that is known costs a line of `client_index` and one of `clients`.
 *
 * A newcomer gets an entry while there is one. After that it must be seen ADMISSION_VOTES times more than other newcomers
 * of its bucket; then it takes the place of the client there that was seen longest ago. Who forges sources can have each
 * of them seen so often. So a client that is established, which takes time and not packets, makes room at most once a
 * second on each CPU, however large the flood. Whoever has no entry is counted among `others`, and so is what
 * a client had that made room: no packet is lost from the sum.
 *
 * Nothing here is atomic: a CPU writes its own part only. Readers take an entry whose sequence is even and the same
 * afterwards.
 */
#ifndef EDGE53_CLIENTS_H
#define EDGE53_CLIENTS_H

#include "barrier.h"
#include "client_hash.h"
#include "maps.h"
#include "packet.h"
#include "trace.h"

#define ADMISSION_VOTES 8

/*
 * Established is who was seen over this time, and not longer ago than the second: most resolvers ask again when what they
 * keep has expired. Who comes once, however busy, is not.
 */
#define ESTABLISHED_NS (10 * 1000000000ull)
#define KEPT_NS (300 * 1000000000ull)
#define TURN_SHIFT 30 /* of ns: about a second */

/* Buckets that are asked for an entry when the newcomer's own has none. One of fifty has none. */
#define NEIGHBOURS 3

/* No entry yet: another client is to make room. */
#define MAKE_ROOM (~0u)

/* Ways that are looked at together, without a branch between them. */
#define WAYS_AT_ONCE 4

static __always_inline struct edge53_cpu_state *this_cpu_state(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&cpu_state, &zero);
}

/* number: of the bucket among the CPU's. */
static __always_inline struct edge53_client_bucket *bucket_at(__u32 cpu, __u32 number)
{
	__u32 index = (cpu << knobs.client_bucket_bits) + number;

	return LOOK_UP(client_index, &index);
}

static __always_inline struct edge53_client_bucket *bucket_of(__u32 cpu, __u32 hash)
{
	return bucket_at(cpu, client_bucket(hash, knobs.client_bucket_bits));
}

/* entry: from 1; 0: NULL. */
static __always_inline struct edge53_client *client_at(__u32 entry)
{
	__u32 index = entry - 1;

	return LOOK_UP(clients, &index);
}

/* The same by its number in a CPU's part, of which there may be none like that. */
static __always_inline struct edge53_client *client_of_cpu(__u32 cpu, __u32 number)
{
	if (number - 1 >= knobs.clients_per_cpu)
		return NULL;
	return client_at(cpu * knobs.clients_per_cpu + number);
}

static __always_inline bool is_client(const struct edge53_client *client, __u64 high, __u64 low)
{
	const __u64 *halves = (const __u64 *)client->address.bytes;

	return halves[0] == high && halves[1] == low;
}

/* Number of the entry that a way leads to. */
static __always_inline __u32 way_number(__u32 way)
{
	return way & ((1u << knobs.client_entry_bits) - 1);
}

static __always_inline bool has_tag(__u32 way, __u32 hash)
{
	return !((way ^ client_tag(hash, knobs.client_entry_bits)) >> knobs.client_entry_bits);
}

/*
 * The numbers in some ways that have the tag, ORed: nearly always there is one of them. A comparison instead would be a
 * jump that nobody can foresee.
 */
static __always_inline __u32 guess_number(const __u32 *ways, __u32 n, __u32 hash)
{
	__u32 tag = client_tag(hash, knobs.client_entry_bits), number = 0;
	__s64 limit = 1u << knobs.client_entry_bits;

	for (__u32 i = 0; i < n; i++) {
		__u32 rest = ways[i] ^ tag; /* the number, where the tag is the same */
		__s64 below = rest - limit;

		asm volatile("" : "+r"(below));
		number |= rest & (__u32)(below >> 63);
	}
	return number;
}

/* The entry of a client that is known; it may miss one, which settle_client() finds. */
static __always_inline __u32 guess_entry(__u64 high, __u64 low)
{
	__u32 hash = client_hash(knobs.token_keys, high, low);
	__u32 cpu = bpf_get_smp_processor_id(), number;
	struct edge53_client_bucket *bucket = bucket_of(cpu, hash);

	if (!bucket)
		return 0;
	number = guess_number(bucket->ways, WAYS_AT_ONCE, hash);
	if (!number)
		number = guess_number(bucket->ways + WAYS_AT_ONCE,
				      EDGE53_CLIENT_WAYS - WAYS_AT_ONCE, hash);
	return number - 1 < knobs.clients_per_cpu ? cpu * knobs.clients_per_cpu + number : 0;
}

/* --- newcomers -------------------------------------------------------------------------------- */

/* An entry begins for this client. What it counted before must have been saved. */
static __always_inline void begin_client(struct edge53_client *client, __u64 high, __u64 low,
					 __u64 now_ns)
{
	__u64 *halves = (__u64 *)client->address.bytes;

	WRITE_ONCE(client->sequence, client->sequence + 1);
	smp_wmb();
	halves[0] = high;
	halves[1] = low;
	__builtin_memset(&client->traffic, 0, sizeof(client->traffic));
	client->first_seen_ns = now_ns;
	client->last_seen_ns = now_ns;
	smp_wmb();
	WRITE_ONCE(client->sequence, client->sequence + 1);
}

static __always_inline void add_traffic(struct edge53_traffic *sum,
					const struct edge53_traffic *more)
{
	__u64 *to = (__u64 *)sum;
	const __u64 *from = (const __u64 *)more;

	for (__u32 i = 0; i < sizeof(*sum) / sizeof(*to); i++)
		to[i] += from[i];
}

static __always_inline bool is_established(const struct edge53_client *client, __u64 now_ns)
{
	return client->last_seen_ns - client->first_seen_ns >= ESTABLISHED_NS &&
	       now_ns - client->last_seen_ns < KEPT_NS;
}

/* Whether one that is established is to make room now. */
static __always_inline bool take_turn(struct edge53_cpu_state *state, __u64 now_ns)
{
	__u32 turn = (__u32)(now_ns >> TURN_SHIFT);

	if (state->last_turn == turn)
		return false;
	state->last_turn = turn;
	return true;
}

/*
 * The way in a bucket to the client that is to make room: who was seen longest ago, of those who are not established if
 * there are such. EDGE53_CLIENT_WAYS: nobody is to. A bucket without any: 0, which is empty.
 */
static __always_inline __u32 way_to_give(const struct edge53_client_bucket *bucket,
					 struct edge53_cpu_state *state, __u32 cpu, __u64 now_ns)
{
	const __u64 established = 1ull << 63;
	__u64 first = ~0ull;
	__u32 at = 0;

	for (__u32 i = 0; i < EDGE53_CLIENT_WAYS; i++) {
		struct edge53_client *client = client_of_cpu(cpu, way_number(bucket->ways[i]));
		__u64 rank;

		if (!client)
			break;
		rank = client->last_seen_ns | (is_established(client, now_ns) ? established : 0);
		if (rank < first) {
			first = rank;
			at = i;
		}
	}
	if (first & established && first != ~0ull && !take_turn(state, now_ns))
		return EDGE53_CLIENT_WAYS;
	return at;
}

/* The entry of this number is the newcomer's now. Returns it; 0: there is no such entry. */
static __always_inline __u32 replace_client(struct edge53_cpu_state *state, __u32 cpu, __u32 number,
					    __u64 high, __u64 low, __u64 now_ns)
{
	struct edge53_client *client = client_of_cpu(cpu, number);

	if (!client)
		return 0;
	add_traffic(&state->others, &client->traffic);
	state->clients_evicted++;
	begin_client(client, high, low, now_ns);
	return cpu * knobs.clients_per_cpu + number;
}

/* Takes the way to a client out of a bucket. Returns the number of the entry; 0: there is none to give. */
static __always_inline __u32 drop_client(struct edge53_client_bucket *bucket,
					 struct edge53_cpu_state *state, __u32 cpu, __u64 now_ns)
{
	__u32 at = way_to_give(bucket, state, cpu, now_ns), last = 0, number;

	if (at >= EDGE53_CLIENT_WAYS)
		return 0;
	for (__u32 i = 1; i < EDGE53_CLIENT_WAYS && bucket->ways[i]; i++)
		last = i;
	number = way_number(bucket->ways[at]);
	bucket->ways[at] = bucket->ways[last];
	bucket->ways[last] = 0;
	return number;
}

/* The majority among those without an entry (Boyer and Moore): whether this one is it by now. */
static __always_inline bool is_voted_in(struct edge53_client_bucket *bucket, __u32 hash)
{
	if (bucket->candidate == hash) {
		bucket->votes++;
	} else if (bucket->votes > 1) {
		bucket->votes--;
	} else {
		bucket->candidate = hash;
		bucket->votes = 1;
	}
	if (bucket->votes < ADMISSION_VOTES)
		return false;
	bucket->votes = 0;
	return true;
}

/* The number of the client's entry; 0: it has none. *n: ways of the bucket that were looked at. */
static __always_inline __u32 search_bucket(const struct edge53_client_bucket *bucket, __u32 cpu,
					   __u32 hash, __u64 high, __u64 low, __u32 *n)
{
	struct edge53_client *client;
	__u32 i, number = 0;

	for (i = 0; i < EDGE53_CLIENT_WAYS; i++) {
		if (!bucket->ways[i])
			break;
		if (!has_tag(bucket->ways[i], hash))
			continue;
		number = way_number(bucket->ways[i]);
		client = client_of_cpu(cpu, number);
		if (client && is_client(client, high, low))
			break;
		number = 0;
	}
	*n = i;
	return number;
}

/*
 * What touch_client() could not do in a moment: finds the client for sure, or gives it an entry. Returns the
 * entry; 0: it has none; or MAKE_ROOM. A global function, so that the verifier looks at it once.
 */
__weak __noinline __u32 settle_client(__u64 high, __u64 low, __u64 now_ns)
{
	__u32 hash = client_hash(knobs.token_keys, high, low);
	__u32 cpu = bpf_get_smp_processor_id(), number, n;
	struct edge53_client_bucket *bucket = bucket_of(cpu, hash);
	struct edge53_cpu_state *state;
	struct edge53_client *client;

	if (!bucket)
		return 0;
	number = search_bucket(bucket, cpu, hash, high, low, &n);
	if (number)
		return cpu * knobs.clients_per_cpu + number;
	state = this_cpu_state();
	if (!state)
		return 0;
	if (n < EDGE53_CLIENT_WAYS && state->clients_used < knobs.clients_per_cpu) {
		number = ++state->clients_used;
		client = client_of_cpu(cpu, number);
		if (!client)
			return 0;
		begin_client(client, high, low, now_ns);
		bucket->ways[n] = client_tag(hash, knobs.client_entry_bits) | number;
		return cpu * knobs.clients_per_cpu + number;
	}
	return is_voted_in(bucket, hash) ? MAKE_ROOM : 0;
}

/*
 * Takes an entry from its client, in the newcomer's bucket, or beside it where that has none. Returns its number; 0: nobody
 * is to make room.
 */
__weak __noinline __u32 free_entry(__u64 high, __u64 low, __u64 now_ns)
{
	__u32 first =
		client_bucket(client_hash(knobs.token_keys, high, low), knobs.client_bucket_bits);
	__u32 mask = (1u << knobs.client_bucket_bits) - 1;
	__u32 cpu = bpf_get_smp_processor_id();
	struct edge53_cpu_state *state = this_cpu_state();
	struct edge53_client_bucket *bucket = NULL;

	for (__u32 i = 0; i <= NEIGHBOURS; i++) {
		bucket = bucket_at(cpu, (first ^ i) & mask);
		if (bucket && bucket->ways[0])
			break;
	}
	return bucket && state ? drop_client(bucket, state, cpu, now_ns) : 0;
}

/* The newcomer gets the entry that is free, and a way to it, for which there is room now. As settle_client(). */
__weak __noinline __u32 settle_freed(__u64 high, __u64 low, __u64 now_ns, __u32 number)
{
	__u32 hash = client_hash(knobs.token_keys, high, low);
	__u32 cpu = bpf_get_smp_processor_id(), n = 0;
	struct edge53_client_bucket *bucket = bucket_of(cpu, hash);
	struct edge53_cpu_state *state = this_cpu_state();

	if (!number || !bucket || !state)
		return 0;
	while (n < EDGE53_CLIENT_WAYS - 1 && bucket->ways[n])
		n++;
	bucket->ways[n] = client_tag(hash, knobs.client_entry_bits) | number;
	return replace_client(state, cpu, number, high, low, now_ns);
}

/*
 * What of a client's address is counted, as two halves: whole, or the prefix that limits.client_prefix leaves. Whoever
 * looks for a client does it by this.
 */
static __always_inline void client_key(const struct edge53_addr *address, __u64 *high, __u64 *low)
{
	const __u64 *halves = (const __u64 *)address->bytes;

	*high = halves[0];
	*low = halves[1];
	if (!knobs.is_client_masked)
		return;
	if (is_mapped_ipv4(*high, *low)) {
		*low &= knobs.client_mask_ipv4;
	} else {
		*high &= knobs.client_mask_ipv6[0];
		*low &= knobs.client_mask_ipv6[1];
	}
}

/* --- for the steps ---------------------------------------------------------------------------- */

/* The client's entry on this CPU, and in *entry what recalls it; NULL and 0: it has none. */
static __always_inline struct edge53_client *touch_client(const struct edge53_addr *address,
							  __u64 now_ns, __u32 *entry)
{
	__u64 high, low;
	struct edge53_client *client;
	__u32 found;

	client_key(address, &high, &low);
	found = guess_entry(high, low);
	client = client_at(found);
	if (!client || !is_client(client, high, low)) {
		found = settle_client(high, low, now_ns);
		if (found == MAKE_ROOM)
			found = settle_freed(high, low, now_ns, free_entry(high, low, now_ns));
		client = client_at(found);
	}
	*entry = found;
	if (client)
		client->last_seen_ns = now_ns;
	return client;
}

/* The same by the entry it had a moment ago; NULL: it is another CPU's, or has another client by now. */
static __always_inline struct edge53_client *
recall_client(__u32 entry, const struct edge53_addr *address, __u64 now_ns)
{
	__u32 first = bpf_get_smp_processor_id() * knobs.clients_per_cpu;
	struct edge53_client *client;
	__u64 high, low;

	if (entry - 1 - first >= knobs.clients_per_cpu)
		return NULL;
	client = client_at(entry);
	client_key(address, &high, &low);
	if (!client || !is_client(client, high, low))
		return NULL;
	client->last_seen_ns = now_ns;
	return client;
}

/* Where to count; who has no entry is one of the others. */
static __always_inline struct edge53_traffic *client_traffic(struct edge53_client *client)
{
	struct edge53_cpu_state *cpu;

	if (client)
		return &client->traffic;
	cpu = this_cpu_state();
	if (!cpu)
		return NULL;
	cpu->clients_not_counted++;
	return &cpu->others;
}

#endif
