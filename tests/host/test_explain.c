// SPDX-License-Identifier: GPL-2.0-only
/* `edge53 explain`: the words of its options, the packet it makes, and what it sees in one. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../loader/explain_decode.h"
#include "../../loader/explain_packet.h"
#include "../../loader/proxy_header.h"

static struct edge53_addr addr(const char *text)
{
	struct edge53_addr ret;

	assert_int_equal(addr_parse(text, &ret), 0);
	return ret;
}

/* --- words ------------------------------------------------------------------------------------ */

static const struct {
	const char *text;
	const char *address; /* NULL: refused */
	unsigned int port;
} ends[] = {
	{ "203.0.113.7", "203.0.113.7", 53 },
	{ "203.0.113.7:4242", "203.0.113.7", 4242 },
	{ "[203.0.113.7]:4242", "203.0.113.7", 4242 },
	{ "2001:db8::1", "2001:db8::1", 53 },
	{ "[2001:db8::1]", "2001:db8::1", 53 },
	{ "[2001:db8::1]:65535", "2001:db8::1", 65535 },
	{ "::", "::", 53 },
	{ "", NULL, 0 },
	{ ":53", NULL, 0 },
	{ "203.0.113.7:", NULL, 0 },
	{ "203.0.113.7:0", NULL, 0 },
	{ "203.0.113.7:65536", NULL, 0 },
	{ "203.0.113.7:53x", NULL, 0 },
	{ "203.0.113.7:+53", NULL, 0 },
	{ "[2001:db8::1", NULL, 0 },
	{ "[2001:db8::1]53", NULL, 0 },
	{ "[2001:db8::1]:", NULL, 0 },
	{ "ns1.example.com:53", NULL, 0 },
	{ "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001", NULL, 0 },
};

static void test_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		struct explain_end end = { .port = 53 };
		int r = explain_end_parse(ends[i].text, &end);
		char text[ADDR_TEXT_LEN];

		if (!ends[i].address) {
			assert_int_equal(r, -EINVAL);
			assert_int_equal(end.port, 53);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(addr_format(&end.address, text), ends[i].address);
		assert_int_equal(end.port, ends[i].port);
	}
}

static void test_flags(void **state)
{
	static const char *const wrong[] = { "", "SYN,", ",SYN", "SYNACK", "SYN ACK", "ECE", "SY" };
	char text[EXPLAIN_FLAGS_LEN];
	unsigned int flags;

	(void)state;
	assert_int_equal(explain_flags_parse("syn,ACK", &flags), 0);
	assert_int_equal(flags, EXPLAIN_TCP_SYN | EXPLAIN_TCP_ACK);
	assert_string_equal(explain_flags_text(flags, text), "SYN,ACK");
	assert_int_equal(explain_flags_parse("FIN,SYN,RST,PSH,ACK,URG", &flags), 0);
	assert_string_equal(explain_flags_text(flags, text), "FIN,SYN,RST,PSH,ACK,URG");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(explain_flags_parse(wrong[i], &flags), -EINVAL);
}

static void test_types(void **state)
{
	static const char *const wrong[] = { "", "TYPE", "65536", "-1", "AX", "TYPE1x" };
	char text[EXPLAIN_TYPE_LEN];
	unsigned int type;

	(void)state;
	assert_int_equal(explain_type_parse("aaaa", &type), 0);
	assert_string_equal(explain_type_text(type, text), "AAAA");
	assert_int_equal(explain_type_parse("TYPE65", &type), 0);
	assert_string_equal(explain_type_text(type, text), "HTTPS");
	assert_int_equal(explain_type_parse("64", &type), 0);
	assert_string_equal(explain_type_text(type, text), "TYPE64");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(explain_type_parse(wrong[i], &type), -EINVAL);
}

static void test_macs(void **state)
{
	static const char *const wrong[] = { "",
					     "02:00:00:00:00",
					     "02:00:00:00:00:0g",
					     "02-00-00-00-00-01",
					     "02:00:00:00:00:01:02",
					     "0200:0:00:00:00:01",
					     "02:00:00: 0:00:01" };
	static const unsigned char wanted[6] = { 2, 0, 0, 0, 0xab, 0xcd };
	unsigned char mac[6];

	(void)state;
	assert_int_equal(explain_mac_parse("02:00:00:00:ab:CD", mac), 0);
	assert_memory_equal(mac, wanted, 6);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(explain_mac_parse(wrong[i], mac), -EINVAL);
}

/* --- a described packet, and what is seen in it ------------------------------------------------ */

static struct explain_packet describe(const char *from, const char *to)
{
	struct explain_packet packet = {
		.from = { addr(from), 4242 },
		.to = { addr(to), 53 },
		.has_edns = true,
		.dns_id = 0x1234,
		.tcp_flags = EXPLAIN_TCP_SYN,
		.tcp_seq = 1000,
		.ttl = 64,
		.eth_to = { 2, 0, 0, 0, 0, 2 },
		.eth_from = { 2, 0, 0, 0, 0, 1 },
	};

	assert_int_equal(dns_question_make("www.example.com", 28, &packet.question), 0);
	return packet;
}

static void check_ends(const struct explain_view *view, const struct explain_packet *packet)
{
	assert_true(view->has_ip && view->has_ports);
	assert_true(addr_equal(&view->from, &packet->from.address));
	assert_true(addr_equal(&view->to, &packet->to.address));
	assert_int_equal(view->from_port, packet->from.port);
	assert_int_equal(view->to_port, packet->to.port);
	assert_int_equal(view->ttl, 64);
	assert_int_equal(view->check, EXPLAIN_CHECK_GOOD);
	assert_int_equal(view->ip_check, view->is_ipv6 ? EXPLAIN_CHECK_NONE : EXPLAIN_CHECK_GOOD);
}

static void check_dns(const struct explain_view *view, bool is_reply)
{
	assert_true(view->has_dns);
	assert_int_equal(view->dns.id, 0x1234);
	assert_string_equal(view->dns.name, "www.example.com");
	assert_int_equal(view->dns.type, 28);
	assert_int_equal(!!(view->dns.flags & 0x8000), is_reply);
}

static void test_udp(void **state)
{
	static const char *const from[] = { "203.0.113.7", "2001:db8::7" };
	static const char *const to[] = { "198.55.102.244", "2001:db8::53" };
	unsigned char bytes[EXPLAIN_MAX_LEN];

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		struct explain_packet packet = describe(from[i & 1], to[i & 1]);
		bool has_ethernet = i & 2;
		struct explain_view view;
		size_t len;

		packet.is_reply = i & 4;
		len = explain_packet_write(&packet, has_ethernet, bytes);
		explain_decode(bytes, len, has_ethernet, &view);
		check_ends(&view, &packet);
		check_dns(&view, packet.is_reply);
		assert_int_equal(view.has_ethernet, has_ethernet);
		assert_int_equal(view.ip_len + 14 * has_ethernet, len);
		assert_int_equal(view.has_proxy, false);
		/* 12 of header, 17 and 4 of question, 11 of OPT */
		assert_int_equal(view.payload_len, packet.is_reply ? 33 : 44);
	}
}

static void test_tcp(void **state)
{
	struct explain_packet packet = describe("203.0.113.7", "198.55.102.244");
	unsigned char bytes[EXPLAIN_MAX_LEN];
	struct explain_view view;
	size_t len;

	(void)state;
	packet.is_tcp = true;
	len = explain_packet_write(&packet, true, bytes);
	explain_decode(bytes, len, true, &view);
	check_ends(&view, &packet);
	assert_true(view.has_tcp);
	assert_int_equal(view.tcp_mss, 1460);
	assert_int_equal(view.tcp_seq, 1000);
	assert_int_equal(view.payload_len, 0);
	assert_false(view.has_dns);
	packet.tcp_flags = EXPLAIN_TCP_PSH | EXPLAIN_TCP_ACK;
	len = explain_packet_write(&packet, true, bytes);
	explain_decode(bytes, len, true, &view);
	check_ends(&view, &packet);
	check_dns(&view, false);
	assert_int_equal(view.tcp_mss, 0);
}

static void test_wrong_bytes(void **state)
{
	struct explain_packet packet = describe("203.0.113.7", "198.55.102.244");
	unsigned char bytes[EXPLAIN_MAX_LEN];
	struct explain_view view;
	size_t len = explain_packet_write(&packet, true, bytes);

	(void)state;
	bytes[len - 1] ^= 1;
	explain_decode(bytes, len, true, &view);
	assert_int_equal(view.check, EXPLAIN_CHECK_WRONG);
	bytes[22] ^= 1; /* the TTL */
	explain_decode(bytes, len, true, &view);
	assert_int_equal(view.ip_check, EXPLAIN_CHECK_WRONG);
	bytes[40] = bytes[41] = 0; /* the checksum of UDP */
	explain_decode(bytes, len, true, &view);
	assert_int_equal(view.check, EXPLAIN_CHECK_NONE);
	/* Whatever is missing at the end, nothing is read behind it. */
	for (size_t cut = 0; cut < len; cut++) {
		unsigned char *copy = malloc(cut + !cut);

		assert_non_null(copy);
		memcpy(copy, bytes, cut);
		explain_decode(copy, cut, true, &view);
		assert_int_equal(view.has_ip, cut >= 34);
		free(copy);
	}
}

static void test_proxy(void **state)
{
	struct explain_packet packet = describe("10.172.90.2", "10.172.90.1");
	struct proxy_peer from = { addr("2001:db8::7"), 4242 }, to = { addr("2001:db8::53"), 53 };
	unsigned char bytes[EXPLAIN_MAX_LEN], message[EXPLAIN_MAX_LEN];
	struct explain_view view;
	size_t len = explain_packet_write(&packet, false, bytes), header_len, message_len;

	(void)state;
	message_len = len - 28;
	memcpy(message, bytes + 28, message_len);
	header_len = proxy_header_write(bytes + 28, &from, &to, false);
	memcpy(bytes + 28 + header_len, message, message_len);
	len += header_len;
	bytes[2] = (unsigned char)(len >> 8);
	bytes[3] = (unsigned char)len;
	bytes[24] = (unsigned char)((len - 20) >> 8);
	bytes[25] = (unsigned char)(len - 20);
	explain_decode(bytes, len, false, &view);
	assert_true(view.has_proxy);
	assert_true(addr_equal(&view.proxy.from, &from.address));
	assert_true(addr_equal(&view.proxy.to, &to.address));
	assert_int_equal(view.proxy.from_port, 4242);
	check_dns(&view, false);
}

/* --- what was recorded ------------------------------------------------------------------------ */

static int read_text(const char *text, unsigned char *bytes)
{
	enum explain_link link;
	int r = explain_frame_read((const unsigned char *)text, strlen(text), bytes, &link);

	assert_int_equal(link, EXPLAIN_LINK_UNKNOWN);
	return r;
}

static void test_hex(void **state)
{
	unsigned char bytes[EXPLAIN_MAX_LEN];
	char digits[2 * EXPLAIN_MAX_LEN + 3];

	(void)state;
	assert_int_equal(read_text("45 00:aB\ncd\n", bytes), 4);
	assert_memory_equal(bytes, "\x45\x00\xab\xcd", 4);
	assert_int_equal(explain_hex_read("450", 3, bytes), -EINVAL);
	assert_int_equal(explain_hex_read("4 5", 3, bytes), -EINVAL);
	assert_int_equal(explain_hex_read("", 0, bytes), -EINVAL);
	assert_int_equal(explain_hex_read("zz", 2, bytes), -EINVAL);
	assert_int_equal(read_text("", bytes), -EINVAL);
	/* What is not hexadecimal is the bytes. */
	assert_int_equal(read_text("zz", bytes), 2);
	memset(digits, 'a', sizeof(digits) - 1);
	digits[sizeof(digits) - 1] = '\0';
	assert_int_equal(read_text(digits, bytes), -E2BIG);
	assert_int_equal(explain_hex_read(digits, 2 * EXPLAIN_MAX_LEN, bytes), EXPLAIN_MAX_LEN);
}

struct pcap {
	unsigned int magic;
	unsigned short major, minor;
	unsigned int zone, accuracy, max_len, link;
	unsigned int seconds, fraction, len, whole_len;
	unsigned char bytes[EXPLAIN_MAX_LEN + 1];
};

static int read_pcap(const struct pcap *pcap, size_t len, enum explain_link *link)
{
	unsigned char bytes[EXPLAIN_MAX_LEN];

	return explain_frame_read((const unsigned char *)pcap, len, bytes, link);
}

static void test_pcap(void **state)
{
	struct pcap pcap = { .magic = 0xa1b2c3d4, .major = 2, .minor = 4, .link = 1, .len = 60 };
	enum explain_link link;

	(void)state;
	assert_int_equal(read_pcap(&pcap, 40 + 60, &link), 60);
	assert_int_equal(link, EXPLAIN_LINK_ETHERNET);
	assert_int_equal(read_pcap(&pcap, 40 + 59, &link), -EINVAL);
	assert_int_equal(read_pcap(&pcap, 39, &link), -EINVAL);
	pcap.magic = 0xa1b23c4d;
	pcap.link = 101;
	assert_int_equal(read_pcap(&pcap, 40 + 60, &link), 60);
	assert_int_equal(link, EXPLAIN_LINK_IP);
	pcap.link = 113; /* Linux cooked */
	assert_int_equal(read_pcap(&pcap, 40 + 60, &link), -EOPNOTSUPP);
	pcap.link = 1;
	pcap.len = EXPLAIN_MAX_LEN + 1;
	assert_int_equal(read_pcap(&pcap, 40 + EXPLAIN_MAX_LEN + 1, &link), -E2BIG);
	pcap.len = 0xffffffff;
	assert_int_equal(read_pcap(&pcap, 100, &link), -EINVAL);
	/* Of a machine of the other byte order. */
	pcap.magic = __builtin_bswap32(0xa1b2c3d4);
	pcap.link = __builtin_bswap32(1);
	pcap.len = __builtin_bswap32(60);
	assert_int_equal(read_pcap(&pcap, 40 + 60, &link), 60);
	pcap.magic = 0x0a0d0d0a;
	assert_int_equal(read_pcap(&pcap, 40 + 60, &link), -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),	    cmocka_unit_test(test_flags),
		cmocka_unit_test(test_types),	    cmocka_unit_test(test_macs),
		cmocka_unit_test(test_udp),	    cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_wrong_bytes), cmocka_unit_test(test_proxy),
		cmocka_unit_test(test_hex),	    cmocka_unit_test(test_pcap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
