// SPDX-License-Identifier: GPL-2.0-only
/*
 * longtalk serve PORT [FRONTEND]     one connection after the other; with FRONTEND each must begin with
 *                                    a PROXY header that has this destination, and port 53
 * longtalk talk SERVER PORT BYTES    on one connection: so many bytes there, and as many back, and once
 *                                    more a few there and back; the server must know who we are
 *
 * Every eight bytes are their position in the stream, so that a byte too many or too few shows. For
 * more than 4 GiB: sequence numbers come round.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "talk.h"

#define CHUNK (1 << 18)
#define AFTERWARDS (1 << 20)

static const unsigned char signature[12] = "\r\n\r\n\0\r\nQUIT\n";
static uint64_t words[CHUNK / 8];

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, errno ? strerror(errno) : "the other side has closed");
	exit(1);
}

static void read_all(int fd, void *data, size_t len)
{
	ssize_t n;

	for (errno = 0; len; len -= n, data = (char *)data + n)
		if ((n = read(fd, data, len)) <= 0)
			die("read");
}

static void write_all(int fd, const void *data, size_t len)
{
	ssize_t n;

	for (errno = 0; len; len -= n, data = (const char *)data + n)
		if ((n = write(fd, data, len)) <= 0)
			die("write");
}

static void give(int fd, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += CHUNK) {
		for (size_t i = 0; i < CHUNK / 8; i++)
			words[i] = at / 8 + i;
		write_all(fd, words, CHUNK);
	}
}

static void take(int fd, uint64_t bytes)
{
	for (uint64_t at = 0; at < bytes; at += CHUNK) {
		read_all(fd, words, CHUNK);
		for (size_t i = 0; i < CHUNK / 8; i++) {
			if (words[i] == at / 8 + i)
				continue;
			printf("WRONG: at byte %llu is what belongs to %llu\n",
			       (unsigned long long)at + 8 * i, 8ull * words[i]);
			exit(1);
		}
	}
}

/* Who the client is, by the header; the client's own address without. */
static void name_client(int fd, const struct sockaddr_in6 *peer, const char *frontend, char *who)
{
	unsigned char header[28], wanted[4];
	struct in6_addr client = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

	if (!frontend) {
		say_who(who, &peer->sin6_addr, ntohs(peer->sin6_port));
		return;
	}
	read_all(fd, header, sizeof(header));
	inet_pton(AF_INET, frontend, wanted);
	if (memcmp(header, signature, 12) || memcmp(header + 12, "\x21\x11\0\x0c", 4) ||
	    memcmp(header + 20, wanted, 4) || get16(header + 26) != 53) {
		puts("WRONG: not the PROXY header");
		exit(1);
	}
	memcpy(&client.s6_addr[12], header + 16, 4);
	say_who(who, &client, get16(header + 24));
}

static void serve(unsigned int port, const char *frontend)
{
	struct sockaddr_in6 address = { .sin6_family = AF_INET6, .sin6_port = htons(port) }, peer;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1, client;
	socklen_t len;
	uint64_t bytes;
	char who[WHO_LEN];

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16))
		die("listening");
	puts("ready");
	fflush(stdout);
	for (;;) {
		memset(who, 0, sizeof(who));
		len = sizeof(peer);
		client = accept(fd, (struct sockaddr *)&peer, &len);
		if (client < 0)
			die("accept");
		name_client(client, &peer, frontend, who);
		read_all(client, &bytes, sizeof(bytes));
		take(client, bytes);
		write_all(client, who, sizeof(who));
		give(client, bytes);
		take(client, AFTERWARDS);
		give(client, AFTERWARDS);
		printf("%s: %llu bytes each way\n", who, (unsigned long long)bytes);
		fflush(stdout);
		close(client);
	}
}

static int talk(const char *server, unsigned int port, uint64_t bytes)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) }, own;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
	uint64_t began = now_ms(), there;
	char who[WHO_LEN], ours[WHO_LEN];
	socklen_t len = sizeof(own);

	bytes = (bytes + CHUNK - 1) / CHUNK * CHUNK;
	if (fd < 0 || inet_pton(AF_INET, server, &address.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockname(fd, (struct sockaddr *)&own, &len))
		die("connect");
	memcpy(&mapped.s6_addr[12], &own.sin_addr, 4);
	say_who(ours, &mapped, ntohs(own.sin_port));
	write_all(fd, &bytes, sizeof(bytes));
	give(fd, bytes);
	read_all(fd, who, sizeof(who));
	there = now_ms();
	take(fd, bytes);
	give(fd, AFTERWARDS);
	take(fd, AFTERWARDS);
	who[WHO_LEN - 1] = 0;
	printf("%s is %s to the server; %llu bytes there in %llu ms and back in %llu ms\n", ours,
	       who, (unsigned long long)bytes, (unsigned long long)(there - began),
	       (unsigned long long)(now_ms() - there));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && argc <= 4 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]), argv[3]);
	if (argc == 5 && !strcmp(argv[1], "talk"))
		return talk(argv[2], atoi(argv[3]), strtoull(argv[4], NULL, 10));
	fprintf(stderr, "usage: longtalk serve PORT [FRONTEND] | talk SERVER PORT BYTES\n");
	return 2;
}
