// SPDX-License-Identifier: GPL-2.0-only
/*
 * asker tun DEVICE | asker packet DEVICE EDGE_MAC CLIENT_MAC   and then: CLIENT SERVER WINDOW SECONDS
 *
 * The client on the far side of a device: its UDP questions come in by the device as packets, and what
 * goes out by it is looked at and counted. "tun" is the program behind a tun device, which exists
 * already; "packet" sits at the other end of a veth pair and adds Ethernet headers. At most WINDOW
 * questions are under way. CLIENT asks from 16,384 ports in turn; counting per second begins when it has
 * asked from all of them. Prints one JSON object.
 *
 * An answer counts if it comes from whom was asked, to the port that asked, with right checksums and
 * everything that dns_answers() looks at. A question without one after two seconds is lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dns.h"

#define SECOND_NS 1000000000ULL
#define TIMEOUT_NS (2 * SECOND_NS)
#define FIRST_TIMEOUT_NS (SECOND_NS / 20)
#define FIRST_TRIES 60
#define PORTS 16384
#define FIRST_PORT 20000
#define IDS 65536
#define L4_LEN (sizeof(struct udphdr) + DNS_QUESTION)

/* A question under way, by its ID. */
struct question {
	uint64_t asked_ns; /* 0: none */
	uint32_t number;
};

static struct question questions[IDS];
static struct in_addr client, server;
static unsigned char link_header[ETH_HLEN];
static size_t link_len; /* 0 for tun */
static unsigned int window, under_way;
static uint64_t timeout_ns = TIMEOUT_NS;
static double seconds;
static uint32_t next_number, oldest; /* numbers; what is older than `oldest` is not under way */
static uint64_t sent, answered, wrong, refused, lost;

static void die(const char *what)
{
	fprintf(stderr, "asker: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static uint32_t sum16(const unsigned char *at, size_t len, uint32_t sum)
{
	for (; len > 1; at += 2, len -= 2)
		sum += get16(at);
	return len ? sum + (at[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum >> 16) + (sum & 0xffff);
	return (sum >> 16) + (sum & 0xffff);
}

/* Pseudo header and datagram. */
static uint16_t udp_sum(const struct iphdr *ip, const unsigned char *l4, size_t len)
{
	return fold(sum16(l4, len, sum16((const unsigned char *)&ip->saddr, 8, IPPROTO_UDP + len)));
}

static uint16_t port_of(uint32_t number)
{
	return FIRST_PORT + number % PORTS;
}

static size_t make_question(unsigned char *at, uint32_t number)
{
	struct iphdr *ip = (struct iphdr *)(at + link_len);
	struct udphdr *udp = (struct udphdr *)(ip + 1);

	memcpy(at, link_header, link_len);
	*ip = (struct iphdr){ .version = 4,
			      .ihl = 5,
			      .tot_len = htons(sizeof(*ip) + L4_LEN),
			      .id = htons(number),
			      .ttl = 64,
			      .protocol = IPPROTO_UDP,
			      .saddr = client.s_addr,
			      .daddr = server.s_addr };
	ip->check = htons(~fold(sum16((unsigned char *)ip, sizeof(*ip), 0)));
	*udp = (struct udphdr){ .source = htons(port_of(number)),
				.dest = htons(53),
				.len = htons(L4_LEN) };
	dns_ask((unsigned char *)(udp + 1), number, number);
	udp->check = htons(~udp_sum(ip, (unsigned char *)udp, L4_LEN));
	if (!udp->check)
		udp->check = 0xffff;
	return link_len + sizeof(*ip) + L4_LEN;
}

/* False: the device takes no more for now. */
static bool ask(int fd)
{
	unsigned char bytes[ETH_HLEN + sizeof(struct iphdr) + L4_LEN] __attribute__((aligned(4)));
	struct question *question = &questions[next_number % IDS];
	size_t len = make_question(bytes, next_number);

	if (write(fd, bytes, len) != (ssize_t)len) {
		if (errno != EAGAIN && errno != ENOBUFS)
			die("write");
		refused++;
		return false;
	}
	*question = (struct question){ .asked_ns = now_ns(), .number = next_number++ };
	sent++;
	under_way++;
	return true;
}

static bool is_answer(const unsigned char *at, size_t len)
{
	const struct iphdr *ip = (const struct iphdr *)at;
	const struct udphdr *udp = (const struct udphdr *)(ip + 1);
	const unsigned char *dns = (const unsigned char *)(udp + 1);
	const struct question *question;
	size_t l4_len;

	if (len < sizeof(*ip) + sizeof(*udp) + DNS_HEADER || ip->ihl != 5 ||
	    ip->protocol != IPPROTO_UDP)
		return false;
	l4_len = ntohs(udp->len);
	question = &questions[get16(dns)];
	return question->asked_ns && len == sizeof(*ip) + l4_len && ntohs(ip->tot_len) == len &&
	       ip->saddr == server.s_addr && udp->source == htons(53) &&
	       ip->daddr == client.s_addr && udp->dest == htons(port_of(question->number)) &&
	       fold(sum16(at, sizeof(*ip), 0)) == 0xffff &&
	       (!udp->check || udp_sum(ip, (const unsigned char *)udp, l4_len) == 0xffff) &&
	       dns_answers(dns, l4_len - sizeof(*udp), question->number, question->number);
}

/* Only what is UDP is looked at: a device has IPv6 of its own to tell. */
static bool is_udp(const unsigned char *at, size_t len)
{
	return len >= sizeof(struct iphdr) && at[0] >> 4 == 4 && at[9] == IPPROTO_UDP;
}

static bool read_answer(int fd)
{
	unsigned char bytes[2048] __attribute__((aligned(4)));
	unsigned char *at = bytes + 2; /* so that the IP header is aligned behind Ethernet's, too */
	ssize_t len;

	if (!link_len)
		at = bytes;
	len = read(fd, at, sizeof(bytes) - 2);
	if (len < 0) {
		if (errno != EAGAIN)
			die("read");
		return false;
	}
	at += link_len;
	len -= link_len;
	if (len < 0 || !is_udp(at, len))
		return true;
	if (!is_answer(at, len)) {
		wrong++;
		return true;
	}
	questions[get16(at + sizeof(struct iphdr) + sizeof(struct udphdr))].asked_ns = 0;
	under_way--;
	answered++;
	return true;
}

static void give_up_old(void)
{
	uint64_t now = now_ns();

	for (; oldest != next_number; oldest++) {
		struct question *question = &questions[oldest % IDS];

		if (!question->asked_ns || question->number != oldest)
			continue;
		if (now - question->asked_ns < timeout_ns)
			break;
		question->asked_ns = 0;
		under_way--;
		lost++;
	}
}

/* Asks what may be asked, and takes what has come. Without either it waits a little. */
static void turn(int fd, bool asks)
{
	bool busy = false;

	while (asks && under_way < window && next_number - oldest < IDS && ask(fd))
		busy = true;
	while (read_answer(fd))
		busy = true;
	if (!busy)
		poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 10);
	give_up_old();
}

/*
 * One question at a time until one is answered: a tun device drops what it should send until the kernel
 * has noticed that somebody has opened it. Nothing of this is counted.
 */
static void wait_for_answers(int fd)
{
	unsigned int real_window = window;

	window = 1;
	timeout_ns = FIRST_TIMEOUT_NS;
	while (!answered && lost < FIRST_TRIES)
		turn(fd, true);
	if (!answered) {
		fprintf(stderr, "asker: no answer to %d questions\n", FIRST_TRIES);
		exit(1);
	}
	while (under_way)
		turn(fd, false);
	window = real_window;
	timeout_ns = TIMEOUT_NS;
	sent = answered = wrong = refused = lost = 0;
}

static int open_tun(const char *device)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	if (fd < 0)
		die("/dev/net/tun");
	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	if (ioctl(fd, TUNSETIFF, &request))
		die(device);
	return fd;
}

static int open_packet(const char *device, const char *edge_mac, const char *client_mac)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), one = 1, size = 1 << 23;
	struct ethhdr *eth = (struct ethhdr *)link_header;
	struct ether_addr mac;

	if (fd < 0)
		die("packet socket");
	address.sll_ifindex = if_nametoindex(device);
	if (!address.sll_ifindex || bind(fd, (struct sockaddr *)&address, sizeof(address)))
		die(device);
	if (!ether_aton_r(edge_mac, &mac)) {
		fprintf(stderr, "asker: \"%s\" is no MAC address\n", edge_mac);
		exit(2);
	}
	memcpy(eth->h_dest, &mac, ETH_ALEN);
	if (!ether_aton_r(client_mac, &mac)) {
		fprintf(stderr, "asker: \"%s\" is no MAC address\n", client_mac);
		exit(2);
	}
	memcpy(eth->h_source, &mac, ETH_ALEN);
	eth->h_proto = htons(ETH_P_IP);
	link_len = ETH_HLEN;
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		die("options of the packet socket");
	return fd;
}

static int parse(int argc, char **argv)
{
	int last = argc > 2 && !strcmp(argv[1], "tun")	    ? 3
		   : argc > 4 && !strcmp(argv[1], "packet") ? 5
							    : 0;

	if (!last || argc != last + 4 || inet_pton(AF_INET, argv[last], &client) != 1 ||
	    inet_pton(AF_INET, argv[last + 1], &server) != 1 || !(window = atoi(argv[last + 2])) ||
	    (seconds = atof(argv[last + 3])) <= 0) {
		fprintf(stderr, "usage: asker tun DEVICE | asker packet DEVICE EDGE_MAC CLIENT_MAC"
				"   and then: CLIENT SERVER WINDOW SECONDS\n");
		exit(2);
	}
	return last == 3 ? open_tun(argv[2]) : open_packet(argv[2], argv[3], argv[4]);
}

int main(int argc, char **argv)
{
	int fd = parse(argc, argv);
	uint64_t begin_ns, end_ns, in_time;
	double took;

	wait_for_answers(fd);
	while (sent < PORTS)
		turn(fd, true);
	in_time = answered;
	begin_ns = now_ns();
	end_ns = begin_ns + seconds * SECOND_NS;
	while (now_ns() < end_ns)
		turn(fd, true);
	took = (double)(now_ns() - begin_ns) / SECOND_NS;
	in_time = answered - in_time;
	while (under_way)
		turn(fd, false);

	printf("{\"unit\": \"queries/s\", \"value\": %.1f, \"sent\": %lu, \"answered\": %lu, "
	       "\"lost\": %lu, \"wrong\": %lu, \"refused\": %lu, \"seconds\": %.6f}\n",
	       in_time / took, sent, answered, lost, wrong, refused, took);
	return 0;
}
