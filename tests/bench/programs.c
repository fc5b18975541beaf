// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long the programs of a running edge53 take for a packet, by BPF_PROG_TEST_RUN:
 *
 *	programs -p PINS -u UPLINK -i INNER -f FRONTEND [-r RUNS] [-c CPU] [-w PART OF A NAME]
 *
 * Prints a line `NAME MEDIAN LEAST HARNESS`, in ns, for each. The harness (restoring the packet, a tail call)
 * is taken off. Run in the edge's network namespace, with nothing else going through it. Redirects are
 * decided and not carried out, which is what the paths of the benchmark measure.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <err.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "edge53_abi.h"
#include "geometry.h"
#include "pins.h"
#include "token.h"

#include "programs.h"
#include "programs.skel.h"

#define MAX_RUNS 101
#define CLIENTS_NET 0xc6120000 /* 198.18.0.0/15, for benchmarks (RFC 2544) */

struct way {
	const char *name, *hook;
	bool is_reply;
	__u32 verdict; /* of a packet that is sent */
};

static const struct way ways[] = {
	{ "query-xdp", "xdp", false, XDP_REDIRECT },
	{ "reply-xdp", "xdp", true, XDP_REDIRECT },
	{ "query-tc", "tcx_ingress", false, TC_ACT_REDIRECT },
	{ "reply-tc", "tcx_ingress", true, TC_ACT_REDIRECT },
};

static struct edge53_geometry geometry;
static struct edge53_knobs knobs;
static struct edge53_slot *slots; /* of this CPU */
static struct edge53_backend backend;
static struct edge53_device device; /* the clients' */
static __u32 frontend;
static unsigned runs = 21, cpu;

static int pinned_map(const char *name)
{
	char path[PINS_PATH_LEN];
	int fd = bpf_obj_get(pins_map_path(name, path));

	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* The program that a pin in links/ stands for, or -1. */
static int attached_program(const char *hook, const char *ifname)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	char path[PINS_PATH_LEN];
	int fd = bpf_obj_get(pins_link_path(hook, ifname, path));

	if (fd < 0)
		return -1;
	if (bpf_obj_get_info_by_fd(fd, &info, &len))
		err(1, "%s", path);
	return bpf_prog_get_fd_by_id(info.prog_id);
}

static void run_on_one_cpu(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %u", cpu);
}

static void read_state(void)
{
	__u32 zero = 0, one = 1;
	size_t len;

	if (bpf_map_lookup_elem(pinned_map("geometry"), &zero, &geometry) ||
	    bpf_map_lookup_elem(pinned_map("backends"), &one, &backend) ||
	    bpf_map_lookup_elem(pinned_map("devices"), &one, &device))
		err(1, "a map");
	geometry_fill_knobs(&geometry, &knobs);
	len = (size_t)geometry.n_cpus * geometry.slots_per_cpu * sizeof(*slots);
	slots = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, pinned_map("slots"), 0);
	if (slots == MAP_FAILED)
		err(1, "slots");
	slots += (size_t)cpu * geometry.slots_per_cpu;
}

static __u32 ipv4_of(const struct edge53_addr *addr)
{
	__u32 ipv4;

	memcpy(&ipv4, &addr->bytes[12], sizeof(ipv4));
	return ipv4;
}

/* A frame with a query or a reply; what differs from packet to packet is put in by restore. */
static void make_frame(bool is_reply, struct programs_frame *frame)
{
	static const __u8 question[18] = "\7example\3com\0\0\1\0\1";
	__u8 *bytes = (__u8 *)frame->words, *ip = bytes + 14, *udp = ip + 20, *dns = udp + 8;
	__u32 saddr = is_reply ? ipv4_of(&backend.address) : 0;
	__u32 daddr = is_reply ? ipv4_of(&backend.source) : frontend;
	__u16 tot_len = htons(PROGRAMS_FRAME_LEN - 14), udp_len = htons(PROGRAMS_FRAME_LEN - 34);

	memset(frame, 0, sizeof(*frame));
	memcpy(bytes, is_reply ? backend.smac : device.mac, 6);
	memcpy(bytes + 6, backend.dmac, 6);
	bytes[12] = 8;
	ip[0] = 0x45;
	memcpy(ip + 2, &tot_len, 2);
	ip[8] = 64;
	ip[9] = IPPROTO_UDP;
	memcpy(ip + 12, &saddr, 4);
	memcpy(ip + 16, &daddr, 4);
	memcpy(udp + 4, &udp_len, 2);
	udp[6] = 0x12; /* any but that of a partial checksum: nobody looks */
	dns[2] = is_reply ? 0x81 : 0x01;
	dns[5] = 1;
	memcpy(dns + 12, question, sizeof(question));
}

static __u32 now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (__u32)((now.tv_sec * 1000000000ull + now.tv_nsec) >> 10);
}

/* One query of each client, and the reply to each slot that CPU 0 opened last. */
static void make_tokens(bool is_reply, struct programs_token *tokens)
{
	__u32 found = 0;

	if (!is_reply) {
		for (__u32 i = 0; i < PROGRAMS_TOKENS; i++)
			tokens[i] = (struct programs_token){
				.saddr = htonl(CLIENTS_NET + i),
				.sport = htons(1024 + i),
				.dport = htons(EDGE53_DNS_PORT),
				.dns_id = htons(i),
			};
		return;
	}
	for (__u32 i = 0; i < geometry.slots_per_cpu && found < PROGRAMS_TOKENS; i++) {
		__u32 token = token_encode(&knobs, (slots[i].lap >> 1) << knobs.slot_bits | (cpu * geometry.slots_per_cpu + i));

		if (!slots[i].lap)
			continue;
		slots[i].lap &= ~EDGE53_SLOT_ANSWERED;
		slots[i].opened_us = now_us();
		tokens[found++] = (struct programs_token){
			.saddr = ipv4_of(&backend.address),
			.sport = htons(backend.udp_port),
			.dport = htons(knobs.port_base + (token >> TOKEN_ID_BITS)),
			.dns_id = htons(token & 0xffff),
		};
	}
	if (found < PROGRAMS_TOKENS)
		errx(1, "no slots to reply to: run queries first");
}

static void write_tokens(int map, bool is_reply)
{
	static struct programs_token tokens[PROGRAMS_TOKENS];
	static __u32 keys[PROGRAMS_TOKENS];
	__u32 count = PROGRAMS_TOKENS;

	for (__u32 i = 0; i < count; i++)
		keys[i] = i;
	make_tokens(is_reply, tokens);
	if (bpf_map_update_batch(map, keys, tokens, &count, NULL))
		err(1, "tokens");
}

/* ns per pass of what is under test, with the harness. */
static unsigned run_once(struct programs_bpf *skel, int harness, bool is_xdp, unsigned ifindex,
			 __u32 *verdict)
{
	__u8 frame[PROGRAMS_FRAME_LEN] = {};
	struct xdp_md xdp = { .data_end = sizeof(frame), .ingress_ifindex = ifindex };
	struct __sk_buff skb = { .ifindex = ifindex, .ingress_ifindex = ifindex };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = sizeof(frame),
		    .repeat = PROGRAMS_TOKENS, .ctx_in = is_xdp ? (void *)&xdp : (void *)&skb,
		    .ctx_size_in = is_xdp ? sizeof(xdp) : sizeof(skb));

	skel->bss->passes = 0;
	memcpy(frame, (const void *)skel->rodata->frame.words, sizeof(frame));
	if (bpf_prog_test_run_opts(harness, &opts))
		err(1, "BPF_PROG_TEST_RUN");
	*verdict = opts.retval;
	return opts.duration;
}

static int compare(const void *a, const void *b)
{
	return (int)*(const unsigned *)a - (int)*(const unsigned *)b;
}

/* Once round the ring: what a page's first touch costs in a virtual machine is not the program's. */
static void warm_up(struct programs_bpf *skel, const struct way *way, int program, unsigned ifindex)
{
	bool is_xdp = !strcmp(way->hook, "xdp");
	const struct bpf_map *array = is_xdp ? skel->maps.under_test_xdp : skel->maps.under_test_tc;
	__u32 zero = 0, verdict;

	if (way->is_reply)
		return;
	write_tokens(bpf_map__fd(skel->maps.tokens), false);
	if (bpf_map_update_elem(bpf_map__fd(array), &zero, &program, BPF_ANY))
		err(1, "tail call");
	for (__u32 n = 0; n <= geometry.slots_per_cpu; n += PROGRAMS_TOKENS)
		run_once(skel, bpf_program__fd(is_xdp ? skel->progs.restore_xdp : skel->progs.restore_tc),
			 is_xdp, ifindex, &verdict);
}

static void time_program(const struct way *way, int program, unsigned ifindex)
{
	struct programs_bpf *skel = programs_bpf__open();
	bool is_xdp = !strcmp(way->hook, "xdp");
	unsigned with[MAX_RUNS], without[MAX_RUNS];
	int harness, nothing, array;
	__u32 zero = 0, verdict;

	if (!skel)
		err(1, "BPF object");
	make_frame(way->is_reply, (struct programs_frame *)&skel->rodata->frame);
	if (programs_bpf__load(skel))
		err(1, "BPF object");
	harness = bpf_program__fd(is_xdp ? skel->progs.restore_xdp : skel->progs.restore_tc);
	nothing = bpf_program__fd(is_xdp ? skel->progs.nothing_xdp : skel->progs.nothing_tc);
	array = bpf_map__fd(is_xdp ? skel->maps.under_test_xdp : skel->maps.under_test_tc);
	warm_up(skel, way, program, ifindex);
	for (unsigned i = 0; i < runs; i++) {
		write_tokens(bpf_map__fd(skel->maps.tokens), way->is_reply);
		if (bpf_map_update_elem(array, &zero, &nothing, BPF_ANY))
			err(1, "tail call");
		without[i] = run_once(skel, harness, is_xdp, ifindex, &verdict);
		if (bpf_map_update_elem(array, &zero, &program, BPF_ANY))
			err(1, "tail call");
		with[i] = run_once(skel, harness, is_xdp, ifindex, &verdict);
		if (verdict != way->verdict)
			errx(1, "%s: the verdict is %u, not %u", way->name, verdict,
			      way->verdict);
	}
	qsort(with, runs, sizeof(*with), compare);
	qsort(without, runs, sizeof(*without), compare);
	printf("%s %u %u %u\n", way->name, with[runs / 2] - without[runs / 2], with[0] - without[0], without[0]);
	programs_bpf__destroy(skel);
}

int main(int argc, char **argv)
{
	const char *uplink = NULL, *inner = NULL, *only = "";
	int option;

	while ((option = getopt(argc, argv, "p:u:i:f:r:w:c:")) != -1) {
		switch (option) {
		case 'p':
			pins_set_root(optarg);
			break;
		case 'u':
			uplink = optarg;
			break;
		case 'i':
			inner = optarg;
			break;
		case 'f':
			frontend = inet_addr(optarg);
			break;
		case 'r':
			runs = atoi(optarg);
			break;
		case 'c':
			cpu = atoi(optarg);
			break;
		case 'w':
			only = optarg;
			break;
		}
	}
	if (!uplink || !inner || !frontend || !runs || runs > MAX_RUNS)
		errx(2, "usage");
	run_on_one_cpu();
	read_state();
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		const char *ifname = ways[i].is_reply ? inner : uplink;
		int program = attached_program(ways[i].hook, ifname);

		if (program >= 0 && strstr(ways[i].name, only))
			time_program(&ways[i], program, if_nametoindex(ifname));
	}
	return 0;
}
