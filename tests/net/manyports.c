// SPDX-License-Identifier: GPL-2.0-only
/*
 * manyports DEVICE EDGE_MAC SERVER COUNT: DNS queries from COUNT distinct client addresses and ports.
 *
 * The addresses are all of 100.64.0.0/16, then all of them again with other ports. Frames are written
 * and read raw, no address has to exist. At most WINDOW queries are under way, so that no queue on the
 * path overflows and every query can be expected to be answered, whatever else the machine does. A
 * reply counts once, and only if address, port and DNS ID are those of a query.
 *
 * Prints "sent N answered N"; exit 0 when all were answered.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ether.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define WINDOW 128
#define BATCH 32
#define PATIENCE_MS 5000
#define CLIENTS_BASE 0x64400000u /* 100.64.0.0 */
#define CLIENTS 65536u
#define PORT_BASE 1024
#define PORT_STEP 3000 /* from one round through the addresses to the next */

static const unsigned char question[] =
	"\3www\7example\3com\0\0\1\0\1"; /* A IN; its final 0 is not sent */

struct dns_header {
	unsigned short id, flags, qd, an, ns, ar;
};

struct frame {
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
	struct dns_header dns;
	unsigned char question[sizeof(question) - 1];
} __attribute__((packed));

static unsigned int client_of(unsigned int n)
{
	return CLIENTS_BASE + n % CLIENTS;
}

static unsigned short port_of(unsigned int n)
{
	return PORT_BASE + n / CLIENTS * PORT_STEP + n * 7 % PORT_STEP;
}

static unsigned short id_of(unsigned int n)
{
	return n * 2654435761u >> 16;
}

static unsigned int sum16(const void *data, size_t len, unsigned int sum)
{
	const unsigned char *bytes = data;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	if (len & 1)
		sum += bytes[len - 1] << 8;
	return sum;
}

static unsigned short fold(unsigned int sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum & 0xffff);
}

static void fill(struct frame *f, const struct frame *model, unsigned int n)
{
	*f = *model;
	f->ip.saddr = htonl(client_of(n));
	f->ip.check = 0;
	f->ip.check = fold(sum16(&f->ip, sizeof(f->ip), 0));
	f->udp.source = htons(port_of(n));
	f->dns.id = htons(id_of(n));
	f->udp.check = 0;
	f->udp.check = fold(sum16(&f->udp, ntohs(f->udp.len),
				  sum16(&f->ip.saddr, 8, IPPROTO_UDP + ntohs(f->udp.len))));
	if (!f->udp.check)
		f->udp.check = 0xffff;
}

/* The number of the query that this frame answers, or -1. */
static long answered_query(const unsigned char *data, size_t len, const struct frame *model,
			   unsigned int count)
{
	const struct frame *f = (const void *)data;
	unsigned int client, n;

	if (len < offsetof(struct frame, question) || f->eth.ether_type != htons(ETHERTYPE_IP) ||
	    f->ip.ihl != 5 || f->ip.protocol != IPPROTO_UDP || f->ip.saddr != model->ip.daddr ||
	    f->udp.source != htons(53) || !(f->dns.flags & htons(0x8000)) || !f->dns.an)
		return -1;
	client = ntohl(f->ip.daddr) - CLIENTS_BASE;
	if (client >= CLIENTS)
		return -1;
	for (n = client; n < count; n += CLIENTS)
		if (port_of(n) == ntohs(f->udp.dest))
			return id_of(n) == ntohs(f->dns.id) ? (long)n : -1;
	return -1;
}

static int open_device(const char *name, struct frame *model)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP) };
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP)), one = 1, buffer = 16 << 20;
	struct ifreq ifr = { 0 };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &ifr))
		return -1;
	memcpy(model->eth.ether_shost, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	address.sll_ifindex = if_nametoindex(name);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one));
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	return bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -1 : fd;
}

int main(int argc, char **argv)
{
	static unsigned char replies[BATCH][2048];
	static struct frame frames[BATCH];
	struct mmsghdr in[BATCH] = { 0 }, out[BATCH] = { 0 };
	struct iovec in_data[BATCH], out_data[BATCH];
	struct frame model = {
		.eth.ether_type = htons(ETHERTYPE_IP),
		.ip = { .version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_UDP,
			.frag_off = htons(IP_DF),
			.tot_len = htons(sizeof(struct frame) - sizeof(struct ether_header)) },
		.udp = { .dest = htons(53),
			 .len = htons(sizeof(struct frame) - offsetof(struct frame, udp)) },
		.dns = { .flags = htons(0x0100), .qd = htons(1) },
	};
	unsigned int count, sent = 0, answered = 0;
	unsigned char *seen;
	int fd;

	if (argc != 5 || !ether_aton_r(argv[2], (struct ether_addr *)model.eth.ether_dhost) ||
	    inet_pton(AF_INET, argv[3], &model.ip.daddr) != 1 ||
	    !(count = strtoul(argv[4], NULL, 10))) {
		fprintf(stderr, "usage: manyports DEVICE EDGE_MAC SERVER COUNT\n");
		return 2;
	}
	memcpy(model.question, question, sizeof(model.question));
	seen = calloc(1, count);
	fd = open_device(argv[1], &model);
	if (fd < 0 || !seen) {
		perror(argv[1]);
		return 2;
	}
	for (int i = 0; i < BATCH; i++) {
		in_data[i] = (struct iovec){ replies[i], sizeof(replies[i]) };
		out_data[i] = (struct iovec){ &frames[i], sizeof(frames[i]) };
		in[i].msg_hdr = (struct msghdr){ .msg_iov = &in_data[i], .msg_iovlen = 1 };
		out[i].msg_hdr = (struct msghdr){ .msg_iov = &out_data[i], .msg_iovlen = 1 };
	}
	while (answered < count) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		int n = 0;

		while (n < BATCH && sent + n < count && sent + n - answered < WINDOW) {
			fill(&frames[n], &model, sent + n);
			n++;
		}
		for (int done = 0; done < n;) {
			int r = sendmmsg(fd, out + done, n - done, 0);

			if (r < 0 && errno != ENOBUFS && errno != EAGAIN) {
				perror("sendmmsg");
				return 1;
			}
			done += r > 0 ? r : 0;
		}
		sent += n;
		if (poll(&wait, 1, PATIENCE_MS) <= 0)
			break;
		n = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
		for (int i = 0; i < n; i++) {
			long query = answered_query(replies[i], in[i].msg_len, &model, count);

			if (query >= 0 && query < sent && !seen[query]) {
				seen[query] = 1;
				answered++;
			}
		}
	}
	printf("sent %u answered %u\n", sent, answered);
	return answered != count;
}
