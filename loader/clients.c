// SPDX-License-Identifier: GPL-2.0-only
#include "clients.h"

#include <stdlib.h>
#include <string.h>

#define READ_ATTEMPTS 8

bool clients_take(const struct edge53_client *shared, struct edge53_client *ret)
{
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		__u64 sequence = __atomic_load_n(&shared->sequence, __ATOMIC_ACQUIRE);

		if (!sequence)
			return false;
		if (sequence & 1)
			continue;
		memcpy(ret, shared, sizeof(*ret));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&shared->sequence, __ATOMIC_RELAXED) == sequence)
			return true;
	}
	return false;
}

static int by_address(const void *a, const void *b)
{
	const struct edge53_client *x = a, *y = b;

	return memcmp(&x->address, &y->address, sizeof(x->address));
}

static void add_client(struct edge53_client *sum, const struct edge53_client *client)
{
	const __u64 *from = (const __u64 *)&client->traffic;
	__u64 *to = (__u64 *)&sum->traffic;

	for (size_t i = 0; i < sizeof(sum->traffic) / sizeof(*to); i++)
		to[i] += from[i];
	if (client->first_seen_ns < sum->first_seen_ns)
		sum->first_seen_ns = client->first_seen_ns;
	if (client->last_seen_ns > sum->last_seen_ns)
		sum->last_seen_ns = client->last_seen_ns;
}

size_t clients_merge(struct edge53_client *clients, size_t n)
{
	size_t n_merged = 0;

	if (!n)
		return 0;
	qsort(clients, n, sizeof(*clients), by_address);
	for (size_t i = 1; i < n; i++) {
		if (!by_address(&clients[n_merged], &clients[i]))
			add_client(&clients[n_merged], &clients[i]);
		else
			clients[++n_merged] = clients[i];
	}
	return n_merged + 1;
}
