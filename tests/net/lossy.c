// SPDX-License-Identifier: GPL-2.0-only
/*
 * lossy SEED RATES END END: a cable, or a tunnel, that loses, doubles and reorders packets.
 *
 * An END is packet:NETNS:DEVICE, an Ethernet device whose frames are taken and given raw (a veth that
 * leads to a host of the lab; nobody else uses this end), or tun:NETNS:DEVICE, a tun device without
 * Ethernet header that is made and vanishes with this process. NETNS is the path of a namespace.
 *
 * RATES is a file of three numbers, read again at HUP. In a hundred packets so many
 *
 *   are lost,
 *   are doubled: every other time the second comes late,
 *   come late: up to 20 ms, one of eight up to 300 ms.
 *
 * All draws are for either direction, and each packet by itself. ARP and ICMPv6 are spared: what is
 * tried is TCP, and not how a host finds its neighbours. Partial checksums stay partial and GSO packets
 * stay whole (a GSO packet is one draw: switch TSO and GRO off where each segment should be).
 *
 * In user space, since a packet that comes late has to be kept somewhere, and a tc program cannot: many
 * kernels have neither netem nor fq. Prints "rates" and what it read each time; at HUP and TERM what
 * became of the packets until then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUND 64		/* packets of one end before the other has its turn */
#define PACKET_MAX (65536 + 64) /* a GSO packet and its headers */
#define LATE_MAX 65536		/* packets that are kept at a time */
#define SIGNAL_SEEN_NS 50000000 /* at the latest, when it came before the wait began */

struct end {
	int fd;
	int is_tun;
	const char *name;
	unsigned long seen, lost, doubled, late, full;
};

struct late {
	uint64_t due_ns;
	struct end *to;
	size_t len;
	unsigned char *data;
};

static struct late heap[LATE_MAX]; /* the first is the next that is due */
static size_t n_late;
static double lost_share, doubled_share, late_share;
static uint64_t random_state = 1;
static volatile sig_atomic_t ended, is_read = 1;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

/* xorshift64* (Marsaglia, Vigna) */
static uint64_t draw(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dull;
}

static int happens(double share)
{
	return (draw() >> 11) * 0x1p-53 < share;
}

static uint64_t delay_ns(void)
{
	return draw() % (draw() % 8 ? 20000000 : 300000000);
}

static void give(struct end *to, const unsigned char *data, size_t len)
{
	if (write(to->fd, data, len) < 0)
		to->full++;
}

static void swap(size_t a, size_t b)
{
	struct late t = heap[a];

	heap[a] = heap[b];
	heap[b] = t;
}

static void give_late(struct end *to, const unsigned char *data, size_t len)
{
	struct late l = { .due_ns = now_ns() + delay_ns(), .to = to, .len = len };
	size_t i = n_late;

	if (n_late == LATE_MAX || !(l.data = malloc(len))) {
		to->full++;
		return;
	}
	memcpy(l.data, data, len);
	heap[n_late++] = l;
	for (; i && heap[i].due_ns < heap[(i - 1) / 2].due_ns; i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static void give_first_late(void)
{
	size_t i = 0, child;

	give(heap[0].to, heap[0].data, heap[0].len);
	free(heap[0].data);
	heap[0] = heap[--n_late];
	while ((child = 2 * i + 1) < n_late) {
		if (child + 1 < n_late && heap[child + 1].due_ns < heap[child].due_ns)
			child++;
		if (heap[i].due_ns <= heap[child].due_ns)
			break;
		swap(i, child);
		i = child;
	}
}

static int is_spared(const struct end *from, const unsigned char *data, size_t len)
{
	size_t l3 = from->is_tun ? 0 : sizeof(struct virtio_net_hdr) + ETH_HLEN;

	if (len < l3 + 40)
		return !from->is_tun && len >= l3 && (data[l3 - 2] != 0x08 || data[l3 - 1]);
	if (data[l3] >> 4 == 4)
		return !from->is_tun && (data[l3 - 2] != 0x08 || data[l3 - 1] != 0x00);
	return data[l3 + 6] == IPPROTO_ICMPV6;
}

static void pass_on(struct end *from, struct end *to, const unsigned char *data, size_t len)
{
	from->seen++;
	if (is_spared(from, data, len)) {
		give(to, data, len);
		return;
	}
	if (happens(lost_share)) {
		from->lost++;
		return;
	}
	if (happens(late_share)) {
		from->late++;
		give_late(to, data, len);
	} else {
		give(to, data, len);
	}
	if (happens(doubled_share)) {
		from->doubled++;
		if (draw() & 1)
			give(to, data, len);
		else
			give_late(to, data, len);
	}
}

static void pump(struct end *from, struct end *to)
{
	static unsigned char data[PACKET_MAX];
	ssize_t len;

	for (int i = 0; i < ROUND; i++) {
		len = read(from->fd, data, sizeof(data));
		if (len <= 0)
			return;
		pass_on(from, to, data, len);
	}
}

static int open_packet(const char *device)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1, buffer = 64 << 20;

	address.sll_ifindex = if_nametoindex(device);
	if (fd < 0 || !address.sll_ifindex ||
	    setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)))
		return -1;
	return fd;
}

/* Plain tun, as the errors of a wrong checksum are masked on one with checksum offload. */
static int open_tun(const char *device)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", device);
	return fd < 0 || ioctl(fd, TUNSETIFF, &ifr) ? -1 : fd;
}

static void open_end(struct end *end, char *text)
{
	char *kind = strtok(text, ":"), *netns = strtok(NULL, ":"), *device = strtok(NULL, ":");
	int ns;

	if (!device || (strcmp(kind, "packet") && strcmp(kind, "tun"))) {
		fprintf(stderr, "an END is packet:NETNS:DEVICE or tun:NETNS:DEVICE\n");
		exit(2);
	}
	ns = open(netns, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET)) {
		perror(netns);
		exit(1);
	}
	close(ns);
	end->name = device;
	end->is_tun = !strcmp(kind, "tun");
	end->fd = end->is_tun ? open_tun(device) : open_packet(device);
	if (end->fd < 0) {
		perror(device);
		exit(1);
	}
}

static void on_signal(int signal)
{
	if (signal == SIGHUP)
		is_read = 0;
	else
		ended = 1;
}

static void read_rates(const char *path)
{
	FILE *file = fopen(path, "r");
	double lost, doubled, late;

	if (!file || fscanf(file, "%lf %lf %lf", &lost, &doubled, &late) != 3) {
		fprintf(stderr, "%s: not three numbers\n", path);
		exit(1);
	}
	fclose(file);
	lost_share = lost / 100;
	doubled_share = doubled / 100;
	late_share = late / 100;
	is_read = 1;
	printf("rates %g %g %g\n", lost, doubled, late);
	fflush(stdout);
}

static void say_counts(struct end *from)
{
	printf("from %s: %lu seen, %lu lost, %lu doubled, %lu late, %lu found no room\n",
	       from->name, from->seen, from->lost, from->doubled, from->late, from->full);
	from->seen = from->lost = from->doubled = from->late = from->full = 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct end ends[2] = { 0 };

	if (argc != 5) {
		fprintf(stderr, "usage: lossy SEED RATES END END\n");
		return 2;
	}
	random_state = 2 * strtoull(argv[1], NULL, 10) + 1;
	sigaction(SIGHUP, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	open_end(&ends[0], argv[3]);
	open_end(&ends[1], argv[4]);
	read_rates(argv[2]);

	while (!ended) {
		struct pollfd fds[2] = { { ends[0].fd, POLLIN, 0 }, { ends[1].fd, POLLIN, 0 } };
		struct timespec wait = { 0, SIGNAL_SEEN_NS };
		uint64_t now = now_ns();

		while (n_late && heap[0].due_ns <= now)
			give_first_late();
		if (n_late && heap[0].due_ns - now < SIGNAL_SEEN_NS)
			wait.tv_nsec = heap[0].due_ns - now;
		ppoll(fds, 2, &wait, NULL);
		if (!is_read) {
			say_counts(&ends[0]);
			say_counts(&ends[1]);
			read_rates(argv[2]);
		}
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				pump(&ends[i], &ends[!i]);
	}
	say_counts(&ends[0]);
	say_counts(&ends[1]);
	return 0;
}
