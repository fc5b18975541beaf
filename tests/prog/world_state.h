/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of the world share, and nobody else sees. */
#ifndef EDGE53_TEST_WORLD_STATE_H
#define EDGE53_TEST_WORLD_STATE_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "world.h"

#include "edge53.skel.h"

extern struct world {
	struct edge53_bpf *skel;
	struct bpf_program *programs[PROGRAM_COUNT];
	unsigned ifindex[DEV_COUNT];
	unsigned n_cpus;
	struct edge53_slot *slots;
	struct edge53_conn *conns;
	struct edge53_client *clients;
	struct edge53_client_bucket *client_index;
	int return_peers[EDGE53_RETURN_MAPS];
	int under_test; /* a program array, for run_with_tag() */
} world;

/* Ends the process with a sentence. */
_Noreturn void give_up(const char *what, int error);
void world_get(const struct bpf_map *map, const void *key, void *value);

#endif
