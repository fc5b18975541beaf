// SPDX-License-Identifier: GPL-2.0-only
/* Reading the dataplane's samples: packets, what is whole in them, names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sample.h"

/* An event that is put together from the front. */
struct event {
	unsigned char bytes[8192];
	size_t len;
};

#define ABOUT(e) ((struct edge53_sample *)(void *)(e)->bytes)

static void begin(struct event *e, unsigned int kind, unsigned int l3_off)
{
	memset(e, 0, sizeof(*e));
	*ABOUT(e) = (struct edge53_sample){
		.time_ns = 5, .kind = (__u8)kind, .l3_off = (__u16)l3_off, .service = 3
	};
	e->len = sizeof(struct edge53_sample) + l3_off;
}

static void put(struct event *e, const void *bytes, size_t len)
{
	memcpy(e->bytes + e->len, bytes, len);
	e->len += len;
}

static void put16(struct event *e, unsigned int n)
{
	unsigned char bytes[2] = { (unsigned char)(n >> 8), (unsigned char)n };

	put(e, bytes, 2);
}

/* 203.0.113.7 → 198.51.100.53, or back. */
static void put_ipv4(struct event *e, bool is_reply, unsigned int protocol, size_t len)
{
	static const unsigned char client[] = { 203, 0, 113, 7 }, server[] = { 198, 51, 100, 53 };
	unsigned char ip[12] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, (unsigned char)protocol, 0, 0 };

	ip[2] = (unsigned char)((20 + len) >> 8);
	ip[3] = (unsigned char)(20 + len);
	put(e, ip, sizeof(ip));
	put(e, is_reply ? server : client, 4);
	put(e, is_reply ? client : server, 4);
}

static void put_ipv6(struct event *e, unsigned int next, size_t len)
{
	unsigned char ip[40] = { 0x60,
				 0,
				 0,
				 0,
				 (unsigned char)(len >> 8),
				 (unsigned char)len,
				 (unsigned char)next,
				 64,
				 0x20,
				 0x01,
				 0x0d,
				 0xb8,
				 [23] = 7,
				 [24] = 0x20,
				 0x01,
				 0x0d,
				 0xb8,
				 [39] = 0x53 };

	put(e, ip, sizeof(ip));
}

static void put_udp(struct event *e, bool is_reply, size_t len)
{
	put16(e, is_reply ? 53 : 4242);
	put16(e, is_reply ? 4242 : 53);
	put16(e, (unsigned int)(8 + len));
	put16(e, 0);
}

static void put_tcp(struct event *e, bool is_reply)
{
	static const unsigned char rest[16] = { [8] = 0x50 };

	put16(e, is_reply ? 53 : 4242);
	put16(e, is_reply ? 4242 : 53);
	put(e, rest, sizeof(rest));
}

/* A question for the name, as it is on the wire; len: with the root's byte. */
static size_t make_message(unsigned char *to, bool is_reply, const char *name, size_t len)
{
	memset(to, 0, 12);
	to[1] = 9;
	to[2] = is_reply ? 0x80 : 0;
	to[5] = 1;
	memcpy(to + 12, name, len);
	memcpy(to + 12 + len, "\0\34\0\1", 4);
	return 12 + len + 4;
}

#define NAME "\3www\7EXAMPLE\3com" /* the string's end is the root */

static size_t make_usual(unsigned char to[64], bool is_reply)
{
	return make_message(to, is_reply, NAME, sizeof(NAME));
}

static enum sample_verdict end(struct event *e, struct sample *sample)
{
	ABOUT(e)->packet_len = (__u32)(e->len - sizeof(struct edge53_sample));
	return sample_read(e->bytes, e->len, sample);
}

static void put_udp4(struct event *e, bool is_reply, unsigned int l3_off)
{
	unsigned char message[64];
	size_t len = make_usual(message, is_reply);

	begin(e, is_reply ? EDGE53_SAMPLE_REPLY : EDGE53_SAMPLE_QUERY, l3_off);
	put_ipv4(e, is_reply, 17, 8 + len);
	put_udp(e, is_reply, len);
	put(e, message, len);
}

static void assert_address(const struct edge53_addr *addr, const char *text)
{
	char buf[ADDR_TEXT_LEN];

	assert_string_equal(addr_format(addr, buf), text);
}

/* --- packets ---------------------------------------------------------------------------------- */

static void the_client_is_who_asks_and_is_answered(void **state)
{
	struct event e;
	struct sample sample;

	(void)state;
	for (int is_reply = 0; is_reply < 2; is_reply++) {
		put_udp4(&e, is_reply, 14);
		assert_int_equal(end(&e, &sample), SAMPLE_HAS_MESSAGES);
		assert_int_equal(sample.is_reply, is_reply);
		assert_address(&sample.client, "203.0.113.7");
		assert_int_equal(sample.client_port, 4242);
		assert_address(&sample.server, "198.51.100.53");
		assert_int_equal(sample.server_port, 53);
		assert_int_equal(sample.service, 3);
		assert_int_equal(sample.time_ns, 5);
		assert_false(sample.is_tcp || sample.is_ipv6);
	}
}

/* Of the frame, and of the ring, which pads events to 8 bytes. */
static void padding_is_no_part_of_the_message(void **state)
{
	struct event e;
	struct sample sample;
	size_t len;

	(void)state;
	put_udp4(&e, false, 0);
	len = e.len;
	put(&e, "padding", 7);
	assert_int_equal(end(&e, &sample), SAMPLE_HAS_MESSAGES);
	assert_int_equal(sample.payload_len, len - sizeof(struct edge53_sample) - 28);
	assert_int_equal(sample_read(e.bytes, e.len + 4, &sample), SAMPLE_HAS_MESSAGES);
	assert_int_equal(sample.payload_len, len - sizeof(struct edge53_sample) - 28);
}

static void ipv6_has_extension_headers(void **state)
{
	static const unsigned char hop_by_hop[8] = { 60 }, options[16] = { 17, 1 };
	static const unsigned char atomic[8] = { 17 }, fragment[8] = { 17, 0, 0, 1 };
	unsigned char message[64];
	size_t len = make_usual(message, false);
	struct sample sample;
	struct event e;

	(void)state;
	begin(&e, EDGE53_SAMPLE_QUERY, 0);
	put_ipv6(&e, 0, 24 + 8 + len);
	put(&e, hop_by_hop, 8);
	put(&e, options, 16);
	put_udp(&e, false, len);
	put(&e, message, len);
	assert_int_equal(end(&e, &sample), SAMPLE_HAS_MESSAGES);
	assert_address(&sample.client, "2001:db8::7");
	assert_address(&sample.server, "2001:db8::53");
	assert_true(sample.is_ipv6);

	for (int is_whole = 0; is_whole < 2; is_whole++) {
		begin(&e, EDGE53_SAMPLE_QUERY, 0);
		put_ipv6(&e, 44, 8 + 8 + len);
		put(&e, is_whole ? atomic : fragment, 8);
		put_udp(&e, false, len);
		put(&e, message, len);
		assert_int_equal(end(&e, &sample),
				 is_whole ? SAMPLE_HAS_MESSAGES : SAMPLE_NOT_WHOLE);
	}
}

static void what_was_cut_is_not_whole(void **state)
{
	struct event e;
	struct sample sample;

	(void)state;
	put_udp4(&e, true, 14);
	assert_int_equal(end(&e, &sample), SAMPLE_HAS_MESSAGES);
	for (size_t len = 0; len < e.len; len++) {
		enum sample_verdict verdict = sample_read(e.bytes, len, &sample);

		assert_int_equal(verdict, len < sizeof(struct edge53_sample) + 14 + 28
						  ? SAMPLE_NOT_DNS
						  : SAMPLE_NOT_WHOLE);
	}
	e.bytes[sizeof(struct edge53_sample) + 14 + 6] |= 0x20; /* more fragments */
	assert_int_equal(sample_read(e.bytes, e.len, &sample), SAMPLE_NOT_WHOLE);
}

static void what_is_no_dns_is_told(void **state)
{
	struct event e;
	struct sample sample;

	(void)state;
	begin(&e, EDGE53_SAMPLE_QUERY, 0);
	put_ipv4(&e, false, 17, 8 + 11);
	put_udp(&e, false, 11);
	put(&e, "eleven byte", 11);
	assert_int_equal(end(&e, &sample), SAMPLE_NOT_DNS);
	begin(&e, EDGE53_SAMPLE_QUERY, 0);
	put_ipv4(&e, false, 47, 20);
	put(&e, "twenty bytes of GRE.", 20);
	assert_int_equal(end(&e, &sample), SAMPLE_NOT_DNS);
	begin(&e, EDGE53_SAMPLE_QUERY, 60000); /* beyond its bytes */
	e.len = 100;
	ABOUT(&e)->packet_len = 84;
	assert_int_equal(sample_read(e.bytes, e.len, &sample), SAMPLE_NOT_DNS);
}

/* --- TCP -------------------------------------------------------------------------------------- */

/* A segment of so many messages, and more bytes of another. */
static enum sample_verdict read_segment(struct event *e, struct sample *sample, bool is_reply,
					unsigned int n, size_t more)
{
	unsigned char message[64];
	size_t len = make_usual(message, is_reply);

	begin(e, is_reply ? EDGE53_SAMPLE_REPLY : EDGE53_SAMPLE_QUERY, 0);
	put_ipv4(e, is_reply, 6, 20 + n * (2 + len) + more);
	put_tcp(e, is_reply);
	for (unsigned int i = 0; i < n; i++) {
		put16(e, (unsigned int)len);
		put(e, message, len);
	}
	put(e, message, more);
	return end(e, sample);
}

static unsigned int count_messages(const struct sample *sample)
{
	const unsigned char *message;
	unsigned int n = 0;
	size_t offset = 0, len;

	while (sample_next_message(sample, &offset, &message, &len))
		n++;
	return n;
}

static void a_segment_is_whole_messages_or_none(void **state)
{
	struct sample sample;
	struct event e;

	(void)state;
	for (unsigned int n = 1; n < 4; n++) {
		assert_int_equal(read_segment(&e, &sample, n & 1, n, 0), SAMPLE_HAS_MESSAGES);
		assert_int_equal(count_messages(&sample), n);
		assert_true(sample.is_tcp);
		for (size_t more = 1; more < 20; more++)
			assert_int_equal(read_segment(&e, &sample, n & 1, n, more),
					 SAMPLE_NO_MESSAGE);
	}
	assert_int_equal(read_segment(&e, &sample, false, 0, 0), SAMPLE_NO_MESSAGE);
	assert_int_equal(read_segment(&e, &sample, false, 0, 2), SAMPLE_NO_MESSAGE);
	/* The middle of something that looks like a message of the other direction. */
	assert_int_equal(read_segment(&e, &sample, false, 1, 0), SAMPLE_HAS_MESSAGES);
	ABOUT(&e)->kind = EDGE53_SAMPLE_REPLY;
	assert_int_equal(sample_read(e.bytes, e.len, &sample), SAMPLE_NO_MESSAGE);
}

/* --- privacy ---------------------------------------------------------------------------------- */

static void a_cut_address_has_no_port(void **state)
{
	struct edge53_client_prefix whole = { 32, 128 }, old = { 0, 0 }, cut = { 20, 128 };
	struct sample sample;
	struct event e;

	(void)state;
	put_udp4(&e, false, 14);
	end(&e, &sample);
	sample_mask_client(&sample, &whole);
	sample_mask_client(&sample, &old);
	assert_address(&sample.client, "203.0.113.7");
	assert_int_equal(sample.client_port, 4242);
	sample_mask_client(&sample, &cut);
	assert_address(&sample.client, "203.0.112.0");
	assert_int_equal(sample.client_port, 0);
	assert_address(&sample.server, "198.51.100.53");
}

/* --- names ------------------------------------------------------------------------------------ */

static int read_name(const char *wire, size_t len, struct sample_question *question)
{
	unsigned char message[512];

	return sample_question_read(message, make_message(message, false, wire, len), question);
}

static void names_cannot_be_taken_for_anything_else(void **state)
{
	static const struct {
		const char *wire;
		size_t len;
		const char *text;
	} rows[] = {
#define ROW(wire, text) { wire, sizeof(wire), text }
		ROW("", "."),
		ROW(NAME, "www.example.com."),
		ROW("\4a.b\\", "a\\.b\\\\."),
		ROW("\5\x1b[2Jx", "\\027[2jx."),
		ROW("\3\r\n\t", "\\013\\010\\009."),
		ROW("\2\xc3\xa4", "\\195\\164."),
		ROW("\3a b", "a\\032b."),
		ROW("\4\"(;)", "\\\"\\(\\;\\)."),
		ROW("\3@$\x7f", "\\@\\$\\127."),
		{ "\3a\0b", 5, "a\\000b." },
#undef ROW
	};
	struct sample_question question;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(read_name(rows[i].wire, rows[i].len, &question), 0);
		assert_string_equal(question.name, rows[i].text);
		assert_int_equal(question.type, 28);
	}
}

static void the_longest_name_fits(void **state)
{
	struct sample_question question;
	char wire[300];

	(void)state;
	memset(wire, 0xff, sizeof(wire));
	wire[0] = wire[64] = wire[128] = 63;
	wire[192] = 61;
	wire[254] = 0;
	assert_int_equal(read_name(wire, 255, &question), 0);
	assert_int_equal(strlen(question.name), 4 * 250 + 4);
	wire[192] = 62;
	wire[254] = (char)0xff;
	wire[255] = 0;
	assert_int_equal(read_name(wire, 256, &question), -74); /* EBADMSG */
}

static void what_is_no_question_is_refused(void **state)
{
	unsigned char message[64];
	struct sample_question question;
	size_t len = make_usual(message, false);

	(void)state;
	for (size_t n = 0; n < len; n++)
		assert_int_equal(sample_question_read(message, n, &question), -74);
	message[12] = 0xc0; /* a pointer */
	assert_int_equal(sample_question_read(message, len, &question), -74);
	make_usual(message, false);
	message[5] = 0; /* no question */
	assert_int_equal(sample_question_read(message, len, &question), -74);
}

static void types_have_names_or_numbers(void **state)
{
	char buf[SAMPLE_TYPE_TEXT_LEN];

	(void)state;
	assert_string_equal(sample_type_text(28, buf), "AAAA");
	assert_string_equal(sample_type_text(65280, buf), "TYPE65280");
	assert_string_equal(sample_type_text(0, buf), "TYPE0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_client_is_who_asks_and_is_answered),
		cmocka_unit_test(padding_is_no_part_of_the_message),
		cmocka_unit_test(ipv6_has_extension_headers),
		cmocka_unit_test(what_was_cut_is_not_whole),
		cmocka_unit_test(what_is_no_dns_is_told),
		cmocka_unit_test(a_segment_is_whole_messages_or_none),
		cmocka_unit_test(a_cut_address_has_no_port),
		cmocka_unit_test(names_cannot_be_taken_for_anything_else),
		cmocka_unit_test(the_longest_name_fits),
		cmocka_unit_test(what_is_no_question_is_refused),
		cmocka_unit_test(types_have_names_or_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
