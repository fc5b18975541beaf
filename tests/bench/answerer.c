// SPDX-License-Identifier: GPL-2.0-only
/*
 * answerer ADDRESS [PORT]
 *
 * A resolver that does next to nothing, so that a measurement is about the way to it: every question
 * is answered with one A record, 192.0.2.80, and what is no question not at all. On TERM it prints how
 * many came, and how many answers it sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "dns.h"

#define BATCH 64
#define LONGEST 512

static unsigned char bytes[BATCH][LONGEST + DNS_ANSWER];
static struct sockaddr_in clients[BATCH];
static struct iovec parts[BATCH];
static struct mmsghdr messages[BATCH];
static volatile sig_atomic_t ended;

static void end(int signal)
{
	(void)signal;
	ended = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "answerer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_socket(const char *address, int port)
{
	struct sockaddr_in local = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 1 << 23;

	if (inet_pton(AF_INET, address, &local.sin_addr) != 1) {
		fprintf(stderr, "answerer: \"%s\" is no IPv4 address\n", address);
		exit(2);
	}
	if (fd < 0 || bind(fd, (struct sockaddr *)&local, sizeof(local)))
		die("bind");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)))
		die("socket buffers");
	return fd;
}

/* The end of the question, 0 when there is none. */
static size_t question_end(const unsigned char *dns, size_t len)
{
	size_t at = DNS_HEADER;

	if (len < DNS_HEADER || (dns[2] & DNS_QR) || get16(dns + 4) != 1)
		return 0;
	while (at < len && dns[at])
		at += 1 + dns[at];
	at += 5;
	return at <= len ? at : 0;
}

/* The length of the answer that now stands in place of the question, or 0. */
static size_t answer(unsigned char *dns, size_t len)
{
	static const unsigned char record[DNS_ANSWER] = { 0xc0, DNS_HEADER, 0, 1, 0,   1, 0, 0,
							  1,	44,	    0, 4, 192, 0, 2, 80 };
	size_t at = question_end(dns, len);

	if (!at)
		return 0;
	dns[2] |= DNS_QR;
	dns[3] &= ~DNS_RCODE;
	put16(dns + 6, 1);
	put16(dns + 8, 0);
	put16(dns + 10, 0);
	memcpy(dns + at, record, sizeof(record));
	return at + sizeof(record);
}

static void make_room(void)
{
	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ .iov_base = bytes[i], .iov_len = LONGEST };
		messages[i].msg_hdr = (struct msghdr){ .msg_name = &clients[i],
						       .msg_namelen = sizeof(clients[i]),
						       .msg_iov = &parts[i],
						       .msg_iovlen = 1 };
	}
}

/* Answers what came, and says to how many. */
static int reply(int fd, int came)
{
	int n = 0, sent = 0;

	for (int i = 0; i < came; i++) {
		size_t len = answer(bytes[i], messages[i].msg_len);

		if (!len)
			continue;
		parts[i].iov_len = len;
		messages[n++].msg_hdr = messages[i].msg_hdr;
	}
	while (sent < n) {
		int done = sendmmsg(fd, messages + sent, n - sent, 0);

		if (done <= 0)
			break; /* a client that is gone; the count shows it */
		sent += done;
	}
	return sent;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = end };
	uint64_t received = 0, answered = 0;
	int fd;

	if (argc != 2 && argc != 3) {
		fprintf(stderr, "usage: answerer ADDRESS [PORT]\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	fd = open_socket(argv[1], argc == 3 ? atoi(argv[2]) : 53);
	while (!ended) {
		int came;

		make_room();
		came = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
		if (came < 0 && errno != EINTR)
			die("recvmmsg");
		if (came <= 0)
			continue;
		received += came;
		answered += reply(fd, came);
	}
	printf("{\"received\": %lu, \"answered\": %lu}\n", received, answered);
	return 0;
}
