/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maps as text: iterators (BPF_TRACE_ITER) that the loader pins below text/ in bpffs, so that `cat` prints what
 * `edge53 clients` does. They run when somebody reads, over maps that packets are being counted in.
 *
 * Each CPU has its own part of the table of clients. A client is printed where the first CPU that knows it has it,
 * with what the others have added. One that comes or goes in a table that is full, just then, may be missed, or be there
 * twice. On hosts with very many CPUs there are lines with a # and nothing else.
 */
#ifndef EDGE53_TEXT_H
#define EDGE53_TEXT_H

#include "clients.h"
#include "edge53_client_prefix.h"

/* Of vmlinux, as much as is read. */
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	__u64 seq_num;
} __attribute__((preserve_access_index));

struct bpf_map {
	__u32 max_entries;
} __attribute__((preserve_access_index));

struct bpf_iter__bpf_map_elem {
	struct bpf_iter_meta *meta;
	struct bpf_map *map;
	void *key;
	void *value;
};

#define CLIENT_TAKEN_ATTEMPTS 8

/* A read() that prints nothing for a million entries fails (bpf_seq_read(), kernel/bpf/bpf_iter.c). */
#define SIGN_OF_LIFE_EVERY (1u << 19)

/* The client that is being printed. */
struct text_client {
	__u64 high;
	__u64 low;
	__u32 cpu; /* whose entry it is */
	bool is_known_before;
	struct edge53_traffic sum;
	__u64 first_seen_ns;
	__u64 last_seen_ns;
};

/* Copies an entry, whole; false: it is unused, or changes hands all the time. */
static __always_inline bool take_client(const struct edge53_client *client, struct text_client *ret)
{
	const __u64 *halves = (const __u64 *)client->address.bytes;

	for (int i = 0; i < CLIENT_TAKEN_ATTEMPTS; i++) {
		__u64 sequence = READ_ONCE(client->sequence);

		if (!sequence)
			return false;
		smp_rmb();
		ret->high = READ_ONCE(halves[0]);
		ret->low = READ_ONCE(halves[1]);
		ret->sum = client->traffic;
		ret->first_seen_ns = READ_ONCE(client->first_seen_ns);
		ret->last_seen_ns = READ_ONCE(client->last_seen_ns);
		smp_rmb();
		if (!(sequence & 1) && READ_ONCE(client->sequence) == sequence)
			return true;
	}
	return false;
}

/* bpf_loop() over the CPUs: adds what another one has of the client. */
static long add_of_cpu(__u32 cpu, void *arg)
{
	struct text_client *text = arg, of_cpu = {};
	__u32 hash = client_hash(knobs.token_keys, text->high, text->low), number, n;
	struct edge53_client_bucket *bucket = bucket_of(cpu, hash);
	struct edge53_client *client;

	if (cpu == text->cpu || !bucket)
		return 0;
	number = search_bucket(bucket, cpu, hash, text->high, text->low, &n);
	client = number ? client_of_cpu(cpu, number) : NULL;
	if (!client || !take_client(client, &of_cpu) || of_cpu.high != text->high ||
	    of_cpu.low != text->low)
		return 0;
	if (cpu < text->cpu) {
		text->is_known_before = true;
		return 1;
	}
	add_traffic(&text->sum, &of_cpu.sum);
	if (of_cpu.first_seen_ns < text->first_seen_ns)
		text->first_seen_ns = of_cpu.first_seen_ns;
	if (of_cpu.last_seen_ns > text->last_seen_ns)
		text->last_seen_ns = of_cpu.last_seen_ns;
	return 0;
}

/* bpf_loop() over the CPUs: the sum of those who have no entry. */
static long add_others_of_cpu(__u32 cpu, void *arg)
{
	struct text_client *text = arg;
	__u32 zero = 0;
	struct edge53_cpu_state *state = bpf_map_lookup_percpu_elem(&cpu_state, &zero, cpu);

	if (state)
		add_traffic(&text->sum, &state->others);
	return 0;
}

static __always_inline void print_traffic(struct seq_file *seq, const struct edge53_traffic *t)
{
	BPF_SEQ_PRINTF(seq, "\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu", t->queries, t->replies,
		       t->bytes_in, t->bytes_out, t->tcp_connections, t->truncated);
	BPF_SEQ_PRINTF(seq, "\t%llu\t%llu\t%llu\t%llu\t%llu", t->noerror, t->nxdomain, t->servfail,
		       t->refused, t->other_rcode);
}

static __always_inline void print_client(struct seq_file *seq, const struct text_client *text)
{
	bool is_ipv4 = !text->high && (__u32)text->low == bpf_htonl(0xffff);
	__u32 bits = is_ipv4 ? knobs.client_prefix.ipv4 : knobs.client_prefix.ipv6;
	__u64 now_ns = bpf_ktime_get_ns();

	if (is_ipv4)
		BPF_SEQ_PRINTF(seq, "%pI4", (const char *)&text->low + 4);
	else
		BPF_SEQ_PRINTF(seq, "%pI6", &text->high);
	if (bits < (is_ipv4 ? EDGE53_IPV4_BITS : EDGE53_IPV6_BITS))
		BPF_SEQ_PRINTF(seq, "/%u", bits);
	print_traffic(seq, &text->sum);
	BPF_SEQ_PRINTF(seq, "\t%llu\t%llu\n", (now_ns - text->first_seen_ns) / 1000000000,
		       (now_ns - text->last_seen_ns) / 1000000000);
}

static __always_inline void print_others(struct seq_file *seq, __u32 n_cpus)
{
	struct text_client text = {};

	bpf_loop(n_cpus, add_others_of_cpu, &text, 0);
	BPF_SEQ_PRINTF(seq, "others");
	print_traffic(seq, &text.sum);
	BPF_SEQ_PRINTF(seq, "\t-\t-\n");
}

static __always_inline void text_of_client(struct bpf_iter__bpf_map_elem *ctx)
{
	struct seq_file *seq = ctx->meta->seq;
	__u32 n_cpus = ctx->map->max_entries / knobs.clients_per_cpu;
	const __u32 *index = ctx->key;
	const struct edge53_client *client;
	struct text_client text = {};

	if (!ctx->meta->seq_num)
		BPF_SEQ_PRINTF(
			seq,
			"client\tqueries\treplies\tbytes_in\tbytes_out\ttcp_connections\ttruncated\tnoerror\tnxdomain\tservfail\trefused\tother_rcode\tfirst_seen_s_ago\tlast_seen_s_ago\n");
	if (!index) { /* behind the last one */
		print_others(seq, n_cpus);
		return;
	}
	if (*index % SIGN_OF_LIFE_EVERY == SIGN_OF_LIFE_EVERY - 1)
		BPF_SEQ_PRINTF(seq, "#\n");
	client = client_at(*index + 1); /* ctx->value, but that may be read at fixed offsets only: in no loop */
	if (!client || !take_client(client, &text))
		return;
	text.cpu = *index / knobs.clients_per_cpu;
	bpf_loop(n_cpus, add_of_cpu, &text, 0);
	if (!text.is_known_before)
		print_client(seq, &text);
}

#endif
