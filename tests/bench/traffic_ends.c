// SPDX-License-Identifier: GPL-2.0-only
/* The generator's programs: made for one workload, loaded, and attached in their namespaces. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "traffic_parts.h"

/* --- namespaces and devices ------------------------------------------------------------------- */

static void enter(const char *ns)
{
	int fd = open(ns, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		err(1, "network namespace %s", ns);
	close(fd);
}

static unsigned int ifindex_of(const char *ns, const char *device)
{
	unsigned int ifindex = if_nametoindex(device);

	if (!ifindex)
		err(1, "device %s in %s", device, ns);
	return ifindex;
}

static void mac_of(const char *device, struct ether_addr *mac)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, device, sizeof(request.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		err(1, "hardware address of %s", device);
	memcpy(mac, request.ifr_hwaddr.sa_data, sizeof(*mac));
	close(fd);
}

static int attach(const struct bpf_program *program, const char *device, unsigned int ifindex,
		  unsigned int mode)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = mode);
	int fd = bpf_link_create(bpf_program__fd(program), ifindex, BPF_XDP, &opts);

	if (fd < 0)
		err(1, "attach %s to %s, %s XDP", bpf_program__name(program), device,
		    mode == XDP_FLAGS_DRV_MODE ? "native" : "generic");
	return fd;
}

/* --- the packet ------------------------------------------------------------------------------- */

static const char question[] = "\11q--------\7example\4test\0\0\1\0\1"; /* its last 0 is not sent */

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
	unsigned short dns[6];
	char question[sizeof(question) - 1];
} __attribute__((packed));

_Static_assert(sizeof(struct frame) == TRAFFIC_FRAME_LEN, "the frame is as long as traffic.h says");

/* Sum of halves as they lie in memory. */
static unsigned int sum_of(const void *bytes, size_t len)
{
	unsigned int sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		unsigned short half;

		memcpy(&half, (const char *)bytes + i, sizeof(half));
		sum += half;
	}
	return sum;
}

/* All that is the same in each packet; the rest is zero. */
static void make_template(const struct options *options, struct traffic_bpf *skel)
{
	unsigned short udp_len = htons(TRAFFIC_FRAME_LEN - offsetof(struct frame, udp));
	struct frame frame = {
		.eth.ether_type = htons(ETHERTYPE_IP),
		.ip = {
			.version = 4,
			.ihl = 5,
			.tot_len = htons(TRAFFIC_FRAME_LEN - offsetof(struct frame, ip)),
			.frag_off = htons(IP_DF),
			.ttl = 57,
			.protocol = IPPROTO_UDP,
			.daddr = options->service.address.s_addr,
		},
		.udp = { .dest = options->service.port, .len = udp_len },
		.dns = { 0, htons(0x0100), htons(1) },
	};
	char *letters = frame.question + TRAFFIC_LETTERS_OFF - sizeof(frame.dns);
	struct ether_addr mac;

	mac_of(options->client_dev, &mac);
	memcpy(frame.eth.ether_shost, &mac, sizeof(mac));
	memcpy(frame.eth.ether_dhost, &options->edge_mac, sizeof(mac));
	memcpy(frame.question, question, sizeof(frame.question));
	memset(letters, 0, sizeof(__u64));
	memcpy(skel->bss->template, &frame, sizeof(frame));
	skel->rodata->ip_sum = sum_of(&frame.ip, sizeof(frame.ip));
	skel->rodata->udp_sum = sum_of(&frame.ip.daddr, sizeof(frame.ip.daddr)) +
				htons(IPPROTO_UDP) + udp_len +
				sum_of(&frame.udp, TRAFFIC_FRAME_LEN - offsetof(struct frame, udp));
}

void draw_zipf(__u32 *table, unsigned int clients)
{
	const unsigned long scatter =
		2654435761; /* a prime: no client of fewer than that is met twice */
	unsigned short seed[3] = { 53, 53, 53 };
	double *below = calloc(clients, sizeof(*below)), sum = 0;

	if (!below)
		err(1, "%u clients", clients);
	for (unsigned int rank = 0; rank < clients; rank++) {
		below[rank] = sum;
		sum += 1.0 / (rank + 1);
	}
	for (unsigned int i = 0; i < TRAFFIC_ZIPF_LEN; i++) {
		double at = erand48(seed) * sum;
		unsigned int low = 0, high = clients;

		while (high - low > 1) {
			unsigned int middle = low + (high - low) / 2;

			if (below[middle] <= at)
				low = middle;
			else
				high = middle;
		}
		table[i] = low * scatter % clients;
	}
	free(below);
}

/* --- the programs ----------------------------------------------------------------------------- */

static void set_knobs(const struct options *options, struct traffic_bpf *skel)
{
	skel->rodata->workload = options->workload;
	skel->rodata->way = options->way;
	skel->rodata->flood = options->flood;
	skel->rodata->well_every = options->well_every;
	skel->rodata->clients = options->clients;
	skel->rodata->clients_reciprocal = (1ull << 32) / options->clients;
	skel->rodata->ports = options->ports;
	skel->rodata->stride = options->stride;
	skel->rodata->ports_reciprocal = (1ull << 32) / options->ports;
	skel->rodata->service_address = options->service.address.s_addr;
	skel->rodata->service_port = options->service.port;
	skel->rodata->backend_address = options->backend.address.s_addr;
	skel->rodata->backend_port = options->backend.port;
	skel->rodata->proxy_len = options->proxy ? TRAFFIC_PROXY_LEN : 0;
	skel->rodata->verify = options->verify;
	skel->rodata->is_held = options->rate > 0;
}

static void number_packets(const struct options *options, struct traffic_bpf *skel)
{
	for (unsigned int i = 0; i < options->n_cpus; i++) {
		struct traffic_cpu *cpu = &skel->bss->cpus[options->cpus[i]];

		cpu->next = i;
		cpu->step = options->n_cpus;
	}
}

void attach_ends(const struct options *options, struct ends *ends)
{
	unsigned int backend_ifindex;

	if (libbpf_num_possible_cpus() > TRAFFIC_MAX_CPUS)
		errx(1, "more than %d CPUs", TRAFFIC_MAX_CPUS);
	ends->skel = traffic_bpf__open();
	if (!ends->skel)
		err(1, "open the programs");
	enter(options->client_ns);
	set_knobs(options, ends->skel);
	make_template(options, ends->skel);
	if (options->workload == TRAFFIC_ZIPF)
		draw_zipf(ends->skel->bss->zipf_clients, options->clients);
	number_packets(options, ends->skel);

	enter(options->backend_ns);
	backend_ifindex = ifindex_of(options->backend_ns, options->backend_dev);
	ends->skel->rodata->backend_ifindex = backend_ifindex;
	if (traffic_bpf__load(ends->skel))
		err(1, "load the programs");
	ends->backend_link = attach(ends->skel->progs.backend_end, options->backend_dev,
				    backend_ifindex, XDP_FLAGS_DRV_MODE);
	enter(options->client_ns);
	ends->client_ifindex = ifindex_of(options->client_ns, options->client_dev);
	ends->client_link = attach(ends->skel->progs.client_end, options->client_dev,
				   ends->client_ifindex, XDP_FLAGS_DRV_MODE);
	/*
	 * The kernel patches its dispatcher of XDP programs when a run of one that is nowhere attached begins and when it
	 * ends, and waits for all CPUs each time: too long to send in small lots.
	 */
	ends->held_link = !options->rate ? -1
					 : attach(ends->skel->progs.generate, "lo",
						  TRAFFIC_LOOPBACK, XDP_FLAGS_SKB_MODE);
}

void detach_ends(struct ends *ends)
{
	if (ends->held_link >= 0)
		close(ends->held_link);
	close(ends->client_link);
	close(ends->backend_link);
	traffic_bpf__destroy(ends->skel);
}
