// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a server sends to the loader's own questions, in whatever pieces it comes. The socket is ours: receive is wrapped
 * by the linker.
 *
 * Input: a byte of flags; 2 bytes of the query's ID; then pieces, each a byte of its length and its bytes, or one of the
 * other things that happen.
 */
#include <errno.h>
#include <sys/socket.h>

#include "fuzz.h"

#include "exchange.h"

enum {
	IS_TCP = 1 << 0,
	HAS_HEADER = 1 << 1,
};

enum {
	MAX_PIECE = 250,
	NOTHING_YET,
	INTERRUPTED,
	RESET,
	UNREACHABLE,
};

static struct exchange exchange;
static struct {
	struct input in;
	uint8_t sent[65536]; /* by the server, of what was read */
	size_t n_sent;
	size_t left; /* of the piece */
	bool is_closed;
} server;

ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags);

static ssize_t error(int number)
{
	errno = number;
	return -1;
}

/* 0: a piece begins, or the connection ends; else an errno. */
static int next_happening(void)
{
	uint8_t what = input_u8(&server.in);

	switch (what) {
	case NOTHING_YET:
		return EAGAIN;
	case INTERRUPTED:
		return EINTR;
	case RESET:
		return ECONNRESET;
	case UNREACHABLE:
		return EHOSTUNREACH;
	default:
		server.left = what > MAX_PIECE ? MAX_PIECE : what;
		server.is_closed =
			!server.left && exchange.target.is_tcp; /* else it is an empty datagram */
		return 0;
	}
}

/* Of a datagram what there is no room for is gone; of a stream it comes next. */
ssize_t __wrap_recv(int fd, void *bytes, size_t len, int flags)
{
	unsigned char *to = bytes;
	size_t n;

	(void)fd, (void)flags;
	assert(len > 0 && to >= exchange.reply &&
	       to + len <= exchange.reply + sizeof(exchange.reply));
	if (server.is_closed)
		return 0;
	if (!server.left) {
		int r = server.in.len ? next_happening() : EAGAIN;

		if (r)
			return error(r);
	}
	n = server.left < len ? server.left : len;
	input_take(&server.in, to, n);
	assert(server.n_sent + n <= sizeof(server.sent));
	memcpy(server.sent + server.n_sent, to, n);
	server.n_sent += n;
	server.left -= n;
	if (!exchange.target.is_tcp)
		server.left = 0;
	return (ssize_t)n;
}

/* The answer is what the server sent: after the length, and as far as the length says. */
static void check_answer(void)
{
	size_t at = exchange.target.is_tcp ? 2 : 0;

	assert(server.n_sent >= at + DNS_MESSAGE_HEADER_LEN);
	if (exchange.target.is_tcp) {
		assert(exchange.reply_len == server.n_sent);
		assert(!memcmp(exchange.reply, server.sent, server.n_sent));
		assert((size_t)(server.sent[0] << 8 | server.sent[1]) >= server.n_sent - at);
		assert((server.sent[at] << 8 | server.sent[at + 1]) == exchange.id);
		assert(server.sent[at + 2] & 0x80 && exchange.rcode == (server.sent[at + 3] & 15u));
	}
	assert(exchange.rcode < 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct input in = { bytes, len < 60000 ? len : 60000 };
	uint8_t flags = input_u8(&in);

	memset(&server, 0, sizeof(server));
	exchange = (struct exchange){
		.target = { .is_tcp = flags & IS_TCP,
			    .has_header = flags & HAS_HEADER,
			    .question = &dns_default_question },
		.fd = -1,
		.is_connected = true,
		.id = input_u16(&in),
	};
	server.in = in;
	/* As poll would say it: as long as there is something to read, or the end. */
	while (exchange.result == EDGE53_PROBE_NONE && (server.in.len || server.left))
		exchange_on_event(&exchange);
	assert(exchange.reply_len <= sizeof(exchange.reply));
	if (exchange.result == EDGE53_PROBE_ANSWERED)
		check_answer();
	exchange_expire(&exchange);
	assert(exchange.result != EDGE53_PROBE_NONE);
	return 0;
}
