/* SPDX-License-Identifier: GPL-2.0-only */
/* newlink: what its parts share. Any failure ends the program with a sentence. */
#ifndef EDGE53_BENCH_NEWLINK_H
#define EDGE53_BENCH_NEWLINK_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Kernel 6.6 (include/uapi/linux/bpf.h); Debian 12's headers are older. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

#define RESOLVER 0x0a4d0001u	 /* 10.77.0.1, the host's end of each link */
#define FIRST_CLIENT 0x64400000u /* 100.64.0.0 and so on, their other ends */

#define PATIENCE_MS 60000 /* on however busy a machine */

extern const char *program_name;

#define CHECK(ok, ...)                                                                             \
	do {                                                                                       \
		if (!(ok)) {                                                                       \
			fprintf(stderr, "%s: ", program_name);                                     \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, ": %s\n", strerror(errno));                                \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

double now_ms(void);
int compare_numbers(const void *a, const void *b); /* two doubles, for qsort() */

/* pppI, made if it is not there. It goes with the descriptor, unless it is made to stay. */
int open_device(unsigned int i);
unsigned int ifindex_of(unsigned int i);

/* How many programs are attached there, and the ID of the first; exit 77 where the kernel cannot tell. */
unsigned int count_programs(unsigned int ifindex, unsigned int type, unsigned int *id);

/* The verb of this name; returns the exit status. */
int packets(unsigned int first, unsigned int n, double seconds);

#endif
