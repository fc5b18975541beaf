// SPDX-License-Identifier: GPL-2.0-only
/*
 * talk_client [OPTIONS] SERVER4 SERVER6 COUNT LOG: conversations with talk_server (talk.h) on port 53,
 * of as many kinds as clients are: how much is asked, how it is cut into pieces, who ends it and how.
 *
 *   -f ADDRESS   one of the client's addresses (several times)
 *   -n ADDRESS   the server takes all clients for this address, at any port (several times). Without,
 *                it must know the client's own address and port
 *   -c N         conversations at a time (64)
 *   -s NUMBER    of the first conversation (0); with the same number it is the same conversation
 *   -t SECONDS   what one conversation may take (150)
 *   -j           packets that are of no conversation in their midst: SYNs, RSTs and others, with
 *                numbers at random, from the addresses and ports of live connections
 *   -r N         each conversation is one query for N messages of 3 kB, as a zone transfer is
 *   -p PORT      of the server
 *
 * Each query must have its answer, in order, to the byte, from a server that knows who asked. LOG
 * gets what the server's log has to hold, LOG.maybe what it may hold besides, of conversations that the
 * client broke off. Prints what was done; exit 1 when a conversation failed, and what became of it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "talk.h"

#define AT_ONCE_MAX 2048
#define ADDRESSES_MAX 32
#define QUERIES_MAX 200
#define FIXED_PORTS 10000   /* of a client that uses its port again and again; one for each slot */
#define PORT_IN_USE_MS 5000 /* then another one */
#define FAILURES_TOLD 20
#define INJECT_EVERY_MS 4

enum pattern {
	AT_ONCE, /* the first segment is full */
	BYTEWISE,
	SPLIT, /* length prefix and message in two writes */
	BURSTS,
	SLOWLY,	  /* with pauses */
	PINGPONG, /* a query for each answer */
	N_PATTERNS,
};

enum ending {
	CLOSE,
	HALF_CLOSE, /* FIN in the last segment, before the answers */
	SERVER_CLOSES,
	RESET,	   /* when all is answered */
	BREAK_OFF, /* RST in the midst */
	NO_QUERY,  /* only a FIN */
	N_ENDINGS,
};

static const char *const pattern_names[] = { "at once", "bytewise", "split",
					     "bursts",	"slowly",   "ping-pong" };
static const char *const ending_names[] = { "close", "half-close", "server closes",
					    "reset", "broken off", "no query" };

enum fast_open {
	NO_FAST_OPEN,
	WITH_COOKIE,
	WITHOUT_COOKIE, /* data in the SYN, and no option */
};

enum state {
	UNUSED,
	STARTING,
	TALKING,
	ENDING, /* waits for the server's FIN */
};

struct talk {
	enum state state;
	int fd;
	unsigned int number, slot;
	struct draws draws;
	/* what was drawn */
	enum pattern pattern;
	enum ending ending;
	enum fast_open fast_open;
	unsigned int n_queries, break_at, repeat;
	int family, address, is_fixed_port, buffer;
	/* the queries, each with its length prefix */
	unsigned char *out;
	size_t out_len, sent, at[QUERIES_MAX + 1];
	char (*names)[NAME_MAX_LEN];
	unsigned int padding[QUERIES_MAX];
	/* how far it has come */
	unsigned int n_answered, n_repeated;
	int is_writable, is_shut, is_connected, did_fast_open;
	uint64_t began_ms, next_write_ms;
	unsigned char in[65536];
	size_t in_len;
	char who[WHO_LEN], own[WHO_LEN];
};

static struct talk *talks[AT_ONCE_MAX];
static struct sockaddr_storage servers[2]; /* IPv4, IPv6 */
static struct sockaddr_storage addresses[ADDRESSES_MAX];
static int raw[ADDRESSES_MAX];
static int n_addresses, poller;
static char *believed[ADDRESSES_MAX];
static int n_believed;
static uint64_t patience_ms = 150000;
static unsigned int first, count, at_once = 64, repeat, port = 53, n_begun, n_ended, n_done,
				  n_failed;
static unsigned long n_queries, n_answers, n_reused, n_fast_open, n_injected, by_ending[N_ENDINGS];
static FILE *log_file, *maybe_file;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static socklen_t size_of(const struct sockaddr_storage *address)
{
	return address->ss_family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
}

static void set_port(struct sockaddr_storage *address, unsigned int value)
{
	((struct sockaddr_in *)address)->sin_port = htons(value); /* at the same place in both */
}

static struct sockaddr_storage parse_address(const char *text)
{
	struct sockaddr_storage address = { 0 };

	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&address)->sin_addr) == 1)
		address.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&address)->sin6_addr) == 1)
		address.ss_family = AF_INET6;
	else
		die(text);
	return address;
}

static void name_own(struct talk *t)
{
	struct sockaddr_storage own = { 0 };
	socklen_t len = sizeof(own);
	struct sockaddr_in *own4 = (void *)&own;
	struct in6_addr a;

	getsockname(t->fd, (struct sockaddr *)&own, &len);
	if (own.ss_family == AF_INET) {
		memset(&a, 0, sizeof(a));
		memset(&a.s6_addr[10], 0xff, 2);
		memcpy(&a.s6_addr[12], &own4->sin_addr, 4);
	} else {
		a = ((struct sockaddr_in6 *)&own)->sin6_addr;
	}
	say_who(t->own, &a, ntohs(own4->sin_port));
}

/* ---------------------------------------------------------------- what is said */

static void add_query(struct talk *t, unsigned int k, const char *orders)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	unsigned int n_labels = t->pattern == BYTEWISE ? 0 : below(&t->draws, 4), len;
	unsigned char *q = t->out + t->out_len + 2, *p = q + DNS_HEADER_LEN;
	char *name = t->names[k];
	size_t at;

	at = snprintf(name, NAME_MAX_LEN, "q%u.c%u.%s", k, t->number, orders);
	while (n_labels--) {
		name[at++] = '.';
		for (len = 1 + below(&t->draws, 55); len; len--)
			name[at++] = letters[below(&t->draws, 36)];
	}
	strcpy(name + at, ".test");

	memset(q, 0, DNS_HEADER_LEN);
	put16(q, draw(&t->draws));
	put16(q + 2, 0x0100);
	put16(q + 4, 1);
	for (const char *label = name; *label; label += len + (label[len] == '.')) {
		len = strcspn(label, ".");
		*p++ = len;
		memcpy(p, label, len);
		p += len;
	}
	memcpy(p, "\0\0\x10\0\1", 5);
	p += 5;
	put16(q - 2, p - q);
	t->at[k] = t->out_len;
	t->out_len = p - t->out;
	t->at[k + 1] = t->out_len;
}

static unsigned int draw_count(struct talk *t)
{
	switch (t->pattern) {
	case BYTEWISE:
		return 1 + below(&t->draws, 4);
	case SLOWLY:
	case PINGPONG:
		return 1 + below(&t->draws, 12);
	default:
		switch (below(&t->draws, 3)) {
		case 0:
			return 1 + below(&t->draws, 3);
		case 1:
			return 1 + below(&t->draws, 40);
		default:
			return 1 + below(&t->draws, QUERIES_MAX);
		}
	}
}

/* Everything about a conversation is drawn here, from its number. */
static void plan(struct talk *t)
{
	static const enum ending endings[] = { CLOSE,	   CLOSE,	  CLOSE,	 CLOSE,
					       CLOSE,	   CLOSE,	  HALF_CLOSE,	 HALF_CLOSE,
					       HALF_CLOSE, SERVER_CLOSES, SERVER_CLOSES, RESET,
					       BREAK_OFF,  NO_QUERY };
	static const enum ending with_fixed_port[] = { SERVER_CLOSES, SERVER_CLOSES, RESET,
						       BREAK_OFF };
	static const int buffers[] = { 2304, 8192, 32768 };
	char orders[32];

	t->draws.state = t->number;
	t->repeat = repeat;
	t->pattern = repeat ? AT_ONCE : below(&t->draws, N_PATTERNS);
	t->is_fixed_port = !repeat && !below(&t->draws, 4);
	t->ending = repeat ? CLOSE : endings[below(&t->draws, 14)];
	if (t->is_fixed_port) /* no TIME_WAIT at the client */
		t->ending = with_fixed_port[below(&t->draws, 4)];
	t->fast_open = below(&t->draws, 8) < 2 ? 1 + below(&t->draws, 2) : NO_FAST_OPEN;
	t->buffer = below(&t->draws, 8) ? 0 : buffers[below(&t->draws, 3)];
	t->address = t->is_fixed_port ? t->slot % n_addresses : below(&t->draws, n_addresses);
	t->family = addresses[t->address].ss_family;
	t->n_queries = repeat ? 1 : t->ending == NO_QUERY ? 0 : draw_count(t);
	if (t->ending == NO_QUERY)
		t->fast_open = NO_FAST_OPEN;
	t->out = malloc((t->n_queries + 1) * QUERY_MAX);
	t->names = malloc((t->n_queries + 1) * NAME_MAX_LEN);
	if (!t->out || !t->names)
		die("memory");
	for (unsigned int k = 0; k < t->n_queries; k++) {
		int is_last = k + 1 == t->n_queries;

		t->padding[k] = below(&t->draws, 4)
					? 0
					: below(&t->draws, below(&t->draws, 4) ? 200 : PADDING_MAX);
		if (repeat)
			snprintf(orders, sizeof(orders), "a%um%u", t->padding[k], repeat);
		else
			snprintf(orders, sizeof(orders), "a%u%s", t->padding[k],
				 is_last && t->ending == SERVER_CLOSES ? "x" : "");
		add_query(t, k, orders);
	}
	t->break_at = t->ending == BREAK_OFF ? below(&t->draws, t->out_len + 1) : 0;
}

/* ---------------------------------------------------------------- how it ends */

static void release(struct talk *t)
{
	if (t->fd >= 0)
		close(t->fd);
	free(t->out);
	free(t->names);
	t->out = NULL;
	t->names = NULL;
	t->fd = -1;
	t->state = UNUSED;
	n_ended++;
}

static void fail(struct talk *t, const char *what)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (n_failed++ < FAILURES_TOLD) {
		if (t->fd >= 0)
			getsockopt(t->fd, IPPROTO_TCP, TCP_INFO, &info, &len);
		printf("FAILED: conversation %u of %s: %s. %s, %s%s%s, receive buffer %d; "
		       "%zu of %zu bytes written, "
		       "%u of %u queries answered, %zu bytes of the next; after %llu ms; "
		       "TCP state %u, unacked %u, "
		       "retransmits %u in all %u, backoff %u, at %llu ms\n",
		       t->number, t->own[0] ? t->own : "(not connected)", what,
		       pattern_names[t->pattern], ending_names[t->ending],
		       t->fast_open == WITH_COOKIE ? ", fast open"
		       : t->fast_open		   ? ", data in the SYN"
						   : "",
		       t->is_fixed_port ? ", port used again" : "", t->buffer, t->sent, t->out_len,
		       t->n_answered, t->n_queries, t->in_len,
		       (unsigned long long)(now_ms() - t->began_ms), info.tcpi_state,
		       info.tcpi_unacked, info.tcpi_retransmits, info.tcpi_total_retrans,
		       info.tcpi_backoff, (unsigned long long)now_ms());
		fflush(stdout);
	}
	release(t);
}

static void log_queries(struct talk *t)
{
	FILE *file = t->ending == BREAK_OFF ? maybe_file : log_file;
	const char *who = n_believed && t->who[0] ? t->who : t->own;

	for (unsigned int k = 0; k < t->n_queries; k++)
		fprintf(file, "%s %s\n", who, t->names[k]);
	if (!t->n_queries || t->ending == BREAK_OFF)
		fprintf(file, "%s -\n", who);
}

static void reset(struct talk *t)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

static void succeed(struct talk *t)
{
	log_queries(t);
	n_done++;
	by_ending[t->ending]++;
	n_queries += t->n_queries;
	n_answers += t->n_answered;
	n_fast_open += t->did_fast_open;
	if (t->ending == RESET || t->ending == BREAK_OFF)
		reset(t);
	release(t);
}

/* ---------------------------------------------------------------- answers */

/* Without -n, the server knows us. With it, one of these, and always the same. */
static int knows_us(struct talk *t, const unsigned char *answer, size_t query_len, size_t len)
{
	size_t at = query_len + 12, n;

	if (!n_believed)
		strcpy(t->who, t->own);
	if (t->who[0])
		return 1;
	if (at >= len)
		return 0;
	n = answer[at++];
	if (at + n > len || n >= WHO_LEN)
		return 0;
	memcpy(t->who, answer + at, n);
	t->who[n] = 0;
	for (int i = 0; i < n_believed; i++)
		if (!strncmp(t->who, believed[i], strlen(believed[i])) &&
		    t->who[strlen(believed[i])] == ' ')
			return 1;
	return 0;
}

static const char *check_answer(struct talk *t, const unsigned char *answer, size_t len)
{
	static unsigned char wanted[ANSWER_MAX];
	static char what[200];
	unsigned int k = t->n_answered, padding;
	const unsigned char *query;
	size_t query_len, wanted_len, i;

	if (k == t->n_queries)
		return "an answer too many";
	query = t->out + t->at[k] + 2;
	query_len = t->at[k + 1] - t->at[k] - 2;
	if (t->at[k + 1] > t->sent)
		return "an answer before its query";
	padding = t->repeat ? (t->padding[k] + t->n_repeated) % PADDING_MAX : t->padding[k];
	if (!knows_us(t, answer, query_len, len)) {
		snprintf(what, sizeof(what), "the server takes us for %s", t->who);
		return what;
	}
	wanted_len = make_answer(wanted, query, query_len, t->who, padding);
	if (len == wanted_len && !memcmp(answer, wanted, len)) {
		if (++t->n_repeated >= (t->repeat ? t->repeat : 1)) {
			t->n_answered++;
			t->n_repeated = 0;
		}
		return NULL;
	}
	for (i = 0; i < len && i < wanted_len && answer[i] == wanted[i]; i++)
		;
	if (len > query_len + 13 && i >= query_len + 10)
		snprintf(what, sizeof(what),
			 "the answer is not ours from byte %zu on (%zu instead of %zu bytes): %.*s",
			 i, len, wanted_len,
			 (int)answer[query_len + 12] < 63 ? (int)answer[query_len + 12] : 63,
			 (const char *)answer + query_len + 13);
	else
		snprintf(what, sizeof(what),
			 "the answer differs from byte %zu on, %zu instead of %zu bytes", i, len,
			 wanted_len);
	return what;
}

/* 0: no more for now, 1: the server has closed, -1: failed */
static int receive(struct talk *t)
{
	const char *what;
	ssize_t n;
	size_t used;

	for (;;) {
		n = read(t->fd, t->in + t->in_len, sizeof(t->in) - t->in_len);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return fail(t, strerror(errno)), -1;
		if (!n)
			return 1;
		t->in_len += n;
		for (used = 0;
		     t->in_len - used >= 2 && t->in_len - used >= 2u + get16(t->in + used);) {
			what = check_answer(t, t->in + used + 2, get16(t->in + used));
			if (what)
				return fail(t, what), -1;
			used += 2 + get16(t->in + used);
		}
		t->in_len -= used;
		memmove(t->in, t->in + used, t->in_len);
	}
}

/* ---------------------------------------------------------------- queries */

static size_t next_piece(struct talk *t)
{
	size_t left = t->out_len - t->sent, piece = left;
	unsigned int k = 0;

	switch (t->pattern) {
	case BYTEWISE:
		piece = 1;
		break;
	case SPLIT:
	case PINGPONG:
		while (t->at[k + 1] <= t->sent)
			k++;
		piece = t->at[k + 1] - t->sent;
		if (t->pattern == SPLIT && t->sent == t->at[k])
			piece = 2;
		break;
	case BURSTS:
	case SLOWLY:
		piece = 1 + below(&t->draws, 300);
		break;
	default:
		break;
	}
	if (t->ending == BREAK_OFF && piece > t->break_at - t->sent)
		piece = t->break_at - t->sent;
	return piece < left ? piece : left;
}

static uint64_t next_write(struct talk *t)
{
	if (t->pattern == SLOWLY)
		return now_ms() + below(&t->draws, 50);
	if (t->pattern == BYTEWISE && !below(&t->draws, 4))
		return now_ms() + 1;
	return 0;
}

static ssize_t write_piece(struct talk *t, size_t piece)
{
	struct sockaddr_storage *server = &servers[t->family == AF_INET6];
	int flags = t->ending == HALF_CLOSE && t->sent + piece == t->out_len ? MSG_MORE : 0;

	if (t->is_connected)
		return send(t->fd, t->out + t->sent, piece, flags);
	/* The first, and with it the SYN. */
	return sendto(t->fd, t->out + t->sent, piece, MSG_FASTOPEN, (struct sockaddr *)server,
		      size_of(server));
}

/* Write what may be written. Returns -1 when the conversation is over. */
static int transmit(struct talk *t)
{
	ssize_t n;

	while (t->is_writable && t->next_write_ms <= now_ms() && t->sent < t->out_len) {
		if (t->ending == BREAK_OFF && t->sent == t->break_at)
			return succeed(t), -1;
		if (t->pattern == PINGPONG && t->n_answered < t->n_queries &&
		    t->sent == t->at[t->n_answered + 1])
			return 0;
		n = write_piece(t, next_piece(t));
		if (n < 0 && errno == EAGAIN) {
			t->is_writable = 0;
			return 0;
		}
		if (n < 0 && errno != EINPROGRESS) /* for Fast Open: there is no cookie yet */
			return fail(t, strerror(errno)), -1;
		if (!t->is_connected) {
			t->is_connected = 1;
			t->is_writable = 0;
			t->did_fast_open = n > 0;
			name_own(t);
		}
		t->sent += n > 0 ? n : 0;
		t->next_write_ms = next_write(t);
	}
	if (t->ending == BREAK_OFF && t->sent == t->break_at && t->is_writable)
		return succeed(t), -1;
	if ((t->ending == HALF_CLOSE || t->ending == NO_QUERY) && t->sent == t->out_len &&
	    t->is_writable && !t->is_shut) {
		t->is_shut = 1;
		shutdown(t->fd, SHUT_WR);
	}
	return 0;
}

static void go_on(struct talk *t, int is_readable)
{
	int r = is_readable ? receive(t) : 0;

	if (r < 0)
		return;
	if (r && (t->n_answered < t->n_queries || t->in_len || t->sent < t->out_len ||
		  (t->ending != SERVER_CLOSES && !t->is_shut))) {
		fail(t, "the server has closed");
		return;
	}
	if (transmit(t))
		return;
	if (r || (t->n_answered == t->n_queries && t->n_queries &&
		  (t->ending == CLOSE || t->ending == RESET)))
		succeed(t);
}

/* ---------------------------------------------------------------- begin */

static void begin(struct talk *t);

static int set_options(struct talk *t)
{
	int one = 1;

	return setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ||
	       setsockopt(t->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	       (t->buffer &&
		setsockopt(t->fd, SOL_SOCKET, SO_RCVBUF, &t->buffer, sizeof(t->buffer))) ||
	       (t->fast_open == WITHOUT_COOKIE &&
		setsockopt(t->fd, IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, &one, sizeof(one)));
}

static void begin(struct talk *t)
{
	struct sockaddr_storage own = addresses[t->address],
				*server = &servers[t->family == AF_INET6];
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u32 = t->slot };
	int one = 1;

	t->fd = socket(t->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (t->fd < 0 || set_options(t))
		die("socket");
	if (t->is_fixed_port)
		set_port(&own, FIXED_PORTS + t->slot);
	else
		setsockopt(t->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (bind(t->fd, (struct sockaddr *)&own, size_of(&own)))
		die("bind");
	if (t->fast_open) {
		t->state = TALKING;
		t->is_writable = 1;
		/* Not before: an unconnected socket is said to be writable. */
		if (!transmit(t))
			epoll_ctl(poller, EPOLL_CTL_ADD, t->fd, &e);
		return;
	}
	if (connect(t->fd, (struct sockaddr *)server, size_of(server)) && errno != EINPROGRESS) {
		if (errno != EADDRNOTAVAIL || !t->is_fixed_port) {
			fail(t, strerror(errno));
			return;
		}
		/* The old connection is not quite gone yet. */
		close(t->fd);
		t->fd = -1;
		t->is_fixed_port = now_ms() - t->began_ms < PORT_IN_USE_MS;
		return;
	}
	n_reused += t->is_fixed_port;
	t->is_connected = 1;
	t->state = TALKING;
	name_own(t);
	epoll_ctl(poller, EPOLL_CTL_ADD, t->fd, &e);
}

static void fill_slot(unsigned int slot)
{
	struct talk *t = talks[slot];

	if (!t && !(t = talks[slot] = malloc(sizeof(*t))))
		die("memory");
	memset(t, 0, sizeof(*t));
	t->slot = slot;
	t->fd = -1;
	t->number = first + n_begun++;
	t->state = STARTING;
	t->began_ms = now_ms();
	plan(t);
	if (t->is_fixed_port)
		t->fast_open = NO_FAST_OPEN;
	begin(t);
}

/* ---------------------------------------------------------------- packets of nobody */

static void open_raw(void)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog filter = { 1, &nothing };

	for (int i = 0; i < n_addresses; i++) {
		raw[i] = socket(addresses[i].ss_family, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_TCP);
		if (raw[i] < 0 ||
		    setsockopt(raw[i], SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) ||
		    bind(raw[i], (struct sockaddr *)&addresses[i], size_of(&addresses[i])))
			die("raw socket");
	}
}

static unsigned int sum16(const unsigned char *p, size_t len, unsigned int sum)
{
	/* of an even number of bytes */
	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get16(p + i);
	return sum;
}

static unsigned int sum_address(const struct sockaddr_storage *a, unsigned int sum)
{
	if (a->ss_family == AF_INET)
		return sum16((const unsigned char *)&((const struct sockaddr_in *)a)->sin_addr, 4,
			     sum);
	return sum16(((const struct sockaddr_in6 *)a)->sin6_addr.s6_addr, 16, sum);
}

/* From a live connection's address and port, with numbers that are not its own. */
static void inject(struct draws *d)
{
	enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };
	static const unsigned char kinds[] = { SYN,	  SYN, SYN,	  SYN | ACK, RST,
					       RST | ACK, ACK, FIN | ACK, ACK };
	struct talk *t = talks[below(d, at_once)];
	struct sockaddr_storage own = { 0 }, server;
	socklen_t own_len = sizeof(own);
	unsigned char tcp[40] = { 0 };
	unsigned int sum, i = below(d, sizeof(kinds));
	size_t len;

	if (!t || t->state != TALKING || t->fd < 0)
		return;
	server = servers[t->family == AF_INET6];
	getsockname(t->fd, (struct sockaddr *)&own, &own_len);
	len = i >= 7 ? 40 : 20; /* 20 bytes of zeros */
	memcpy(tcp, &((struct sockaddr_in *)&own)->sin_port, 2);
	put16(tcp + 2, port);
	for (int at = 4; at < 12; at++)
		tcp[at] = draw(d);
	tcp[12] = 0x50;
	tcp[13] = kinds[i];
	put16(tcp + 14, 1000);
	sum = sum16(tcp, len, IPPROTO_TCP + len);
	sum = sum_address(&own, sum);
	sum = sum_address(&server, sum);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	put16(tcp + 16, ~sum);
	set_port(&server, 0);
	if (sendto(raw[t->address], tcp, len, MSG_DONTWAIT, (struct sockaddr *)&server,
		   size_of(&server)) > 0)
		n_injected++;
}

/* ---------------------------------------------------------------- */

/* What does not wait for an event. */
static void look_after(struct talk *t)
{
	if (now_ms() - t->began_ms > patience_ms)
		fail(t, "it does not end");
	else if (t->state == STARTING)
		begin(t);
	else if (t->next_write_ms && t->is_writable && t->is_connected)
		go_on(t, 0);
}

static int read_options(int argc, char **argv)
{
	int option, is_injecting = 0;

	while ((option = getopt(argc, argv, "f:n:c:s:t:jr:p:")) != -1) {
		switch (option) {
		case 'f':
			if (n_addresses == ADDRESSES_MAX)
				return -1;
			addresses[n_addresses++] = parse_address(optarg);
			break;
		case 'n':
			if (n_believed == ADDRESSES_MAX)
				return -1;
			believed[n_believed++] = optarg;
			break;
		case 'c':
			at_once = atoi(optarg);
			break;
		case 's':
			first = strtoul(optarg, NULL, 10);
			break;
		case 't':
			patience_ms = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'j':
			is_injecting = 1;
			break;
		case 'r':
			repeat = atoi(optarg);
			break;
		case 'p':
			port = atoi(optarg);
			break;
		default:
			return -1;
		}
	}
	return argc - optind != 4 || !n_addresses || !at_once || at_once > AT_ONCE_MAX
		       ? -1
		       : is_injecting;
}

static FILE *open_log(const char *name, const char *suffix)
{
	char path[4096];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", name, suffix);
	file = fopen(path, "w");
	if (!file)
		die(path);
	return file;
}

int main(int argc, char **argv)
{
	int is_injecting = read_options(argc, argv);
	struct epoll_event events[64];
	uint64_t began = now_ms(), looked = 0;
	struct draws draws;

	if (is_injecting < 0) {
		fprintf(stderr,
			"usage: talk_client [OPTIONS] -f ADDRESS... SERVER4 SERVER6 COUNT LOG\n");
		return 2;
	}
	draws.state = first;
	servers[0] = parse_address(argv[optind]);
	servers[1] = parse_address(argv[optind + 1]);
	set_port(&servers[0], port);
	set_port(&servers[1], port);
	count = atoi(argv[optind + 2]);
	log_file = open_log(argv[optind + 3], "");
	maybe_file = open_log(argv[optind + 3], ".maybe");
	poller = epoll_create1(EPOLL_CLOEXEC);
	signal(SIGPIPE, SIG_IGN);
	if (is_injecting)
		open_raw();

	while (n_ended < count) {
		for (unsigned int i = 0; i < at_once && n_begun < count; i++)
			if (!talks[i] || talks[i]->state == UNUSED)
				fill_slot(i);
		int n = epoll_wait(poller, events, 64, 1);
		for (int i = 0; i < n; i++) {
			struct talk *t = talks[events[i].data.u32];

			if (t->state == UNUSED || t->fd < 0)
				continue;
			if (events[i].events & EPOLLOUT)
				t->is_writable = 1;
			go_on(t, events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP));
		}
		if (now_ms() == looked)
			continue;
		looked = now_ms();
		for (unsigned int i = 0; i < at_once; i++)
			if (talks[i] && talks[i]->state != UNUSED)
				look_after(talks[i]);
		if (is_injecting && looked % INJECT_EVERY_MS == 0)
			inject(&draws);
	}
	if (fclose(log_file) || fclose(maybe_file))
		die("log");
	printf("%u conversations, %u failed, %lu queries, %lu answers", n_ended, n_failed,
	       n_queries, n_answers);
	for (int i = 0; i < N_ENDINGS; i++)
		printf(", %lu %s", by_ending[i], ending_names[i]);
	printf("; %lu on a port used before, %lu with data in the SYN, %lu packets of nobody; "
	       "%llu ms\n",
	       n_reused, n_fast_open, n_injected, (unsigned long long)(now_ms() - began));
	return n_failed != 0 || n_done != count;
}
