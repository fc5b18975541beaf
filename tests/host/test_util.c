// SPDX-License-Identifier: GPL-2.0-only
/* Addresses, prefixes, and what the log does with a message. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include <cmocka.h>

#include "../../loader/geometry.h"
#include "../../loader/log.h"
#include "../../loader/util.h"
#include "edge53_client_prefix.h"

/* --- addresses -------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	const char *formatted; /* NULL: not an address */
	bool is_ipv4;
} addresses[] = {
	{ "198.51.100.1", "198.51.100.1", true },
	{ "0.0.0.0", "0.0.0.0", true },
	{ "255.255.255.255", "255.255.255.255", true },
	{ "::ffff:10.0.0.1", "10.0.0.1", true },
	{ "2001:db8::53", "2001:db8::53", false },
	{ "2001:0DB8:0:0::53", "2001:db8::53", false },
	{ "::", "::", false },
	{ "", NULL, false },
	{ "10.0.0", NULL, false },
	{ "10.0.0.256", NULL, false },
	{ "010.0.0.1", NULL, false },
	{ "10.0.0.1 ", NULL, false },
	{ "10.0.0.1:53", NULL, false },
	{ "fe80::1%eth0", NULL, false },
	{ "dns.example.com", NULL, false },
};

static void addresses_are_read_and_written(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
		struct edge53_addr addr;
		char text[ADDR_TEXT_LEN];
		int r = addr_parse(addresses[i].text, &addr);

		print_message("    \"%s\"\n", addresses[i].text);
		assert_int_equal(r, addresses[i].formatted ? 0 : -EINVAL);
		if (r < 0)
			continue;
		assert_string_equal(addr_format(&addr, text), addresses[i].formatted);
		assert_int_equal(addr_is_ipv4(&addr), addresses[i].is_ipv4);
	}
}

static const struct client_case {
	const char *address;
	struct edge53_client_prefix prefix;
	const char *text;
} client_cases[] = {
	{ "203.0.113.7", { 32, 128 }, "203.0.113.7" },
	{ "203.0.113.7", { 0, 0 }, "203.0.113.7" },
	{ "2001:db8::7", { 0, 0 }, "2001:db8::7" },
	{ "203.0.113.255", { 24, 128 }, "203.0.113.0/24" },
	{ "203.0.113.255", { 31, 1 }, "203.0.113.254/31" },
	{ "203.0.113.7", { 1, 1 }, "128.0.0.0/1" },
	{ "100.64.0.1", { 1, 1 }, "0.0.0.0/1" },
	{ "2001:db8:1:2:3:4:5:6", { 8, 64 }, "2001:db8:1:2::/64" },
	{ "2001:db8:1:2:3:4:5:6", { 8, 127 }, "2001:db8:1:2:3:4:5:6/127" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	  { 8, 128 },
	  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
	{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", { 8, 1 }, "8000::/1" },
	{ "::1", { 8, 1 }, "::/1" },
};

static void clients_are_shown_as_far_as_they_are_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(client_cases); i++) {
		const struct client_case *row = &client_cases[i];
		char text[CLIENT_TEXT_LEN];
		struct edge53_addr addr;

		assert_int_equal(addr_parse(row->address, &addr), 0);
		assert_string_equal(client_format(&addr, &row->prefix, text), row->text);
	}
}

/* What the dataplane has by its masks is what the loader has bit by bit. */
static void knobs_mask_as_the_loader_does(void **state)
{
	(void)state;
	for (unsigned int bits = 1; bits <= EDGE53_IPV6_BITS; bits++) {
		struct edge53_client_prefix prefix = { (__u16)(bits <= 32 ? bits : 32),
						       (__u16)bits };
		struct edge53_knobs knobs = {};

		knobs_set_client_prefix(&knobs, &prefix);
		assert_int_equal(knobs.is_client_masked, bits < EDGE53_IPV6_BITS);
		for (size_t i = 0; i < ARRAY_SIZE(client_cases); i++) {
			struct edge53_addr whole, kept;
			__u64 halves[2], wanted[2];

			assert_int_equal(addr_parse(client_cases[i].address, &whole), 0);
			kept = whole;
			edge53_client_mask(&kept, &prefix);
			memcpy(halves, &whole, sizeof(halves));
			memcpy(wanted, &kept, sizeof(wanted));
			if (addr_is_ipv4(&whole)) {
				halves[1] &= knobs.client_mask_ipv4;
			} else {
				halves[0] &= knobs.client_mask_ipv6[0];
				halves[1] &= knobs.client_mask_ipv6[1];
			}
			assert_memory_equal(halves, wanted, sizeof(halves));
		}
	}
}

static void ipv4_is_stored_mapped(void **state)
{
	static const unsigned char mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 7 };
	struct edge53_addr parsed, made = addr_from_ipv4("\xc0\x00\x02\x07");

	(void)state;
	assert_int_equal(addr_parse("192.0.2.7", &parsed), 0);
	assert_memory_equal(parsed.bytes, mapped, sizeof(mapped));
	assert_memory_equal(made.bytes, mapped, sizeof(mapped));
	assert_true(addr_equal(&parsed, &made));
	made.bytes[15]++;
	assert_false(addr_equal(&parsed, &made));
}

static void zero_is_the_unspecified_ipv6_address_only(void **state)
{
	struct edge53_addr addr;

	(void)state;
	assert_int_equal(addr_parse("::", &addr), 0);
	assert_true(addr_is_zero(&addr));
	assert_int_equal(addr_parse("0.0.0.0", &addr), 0);
	assert_false(addr_is_zero(&addr));
}

/* --- prefixes --------------------------------------------------------------------------------- */

static const struct {
	const char *text;
	int result;
	const char *address;
	unsigned int length_bits;
} prefixes[] = {
	{ "10.77.0.5", 0, "10.77.0.5", 128 },
	{ "10.77.0.5/32", 0, "10.77.0.5", 128 },
	{ "10.77.0.0/16", 0, "10.77.0.0", 112 },
	{ "10.77.0.128/25", 0, "10.77.0.128", 121 },
	{ "0.0.0.0/0", 0, "0.0.0.0", 96 },
	{ "2001:db8::/32", 0, "2001:db8::", 32 },
	{ "2001:db8::1", 0, "2001:db8::1", 128 },
	{ "::/0", 0, "::", 0 },
	{ "::ffff:10.0.0.0/104", 0, "10.0.0.0", 104 },
	{ "10.77.0.0/33", -ERANGE, NULL, 0 },
	{ "10.77.0.5/16", -ERANGE, NULL, 0 },
	{ "10.77.0.128/24", -ERANGE, NULL, 0 },
	{ "2001:db8::1/64", -ERANGE, NULL, 0 },
	{ "2001:db8::/129", -ERANGE, NULL, 0 },
	{ "::ffff:10.0.0.0/8", -ERANGE, NULL, 0 },
	{ "10.77.0.0/", -EINVAL, NULL, 0 },
	{ "10.77.0.0/016", -EINVAL, NULL, 0 },
	{ "10.77.0.0/-1", -EINVAL, NULL, 0 },
	{ "10.77.0.0/16/8", -EINVAL, NULL, 0 },
	{ "10.77.0.0/255.255.0.0", -EINVAL, NULL, 0 },
	{ "10.77.0.0/4294967312", -EINVAL, NULL, 0 },
	{ "10.77/16", -EINVAL, NULL, 0 },
	{ "/16", -EINVAL, NULL, 0 },
	{ "", -EINVAL, NULL, 0 },
	{ "1111111111111111111111111111111111111111111111111111111/8", -EINVAL, NULL, 0 },
};

static void prefixes_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		struct edge53_prefix prefix;
		char text[ADDR_TEXT_LEN];
		int r = prefix_parse(prefixes[i].text, &prefix);

		print_message("    \"%s\"\n", prefixes[i].text);
		assert_int_equal(r, prefixes[i].result);
		if (r < 0)
			continue;
		assert_string_equal(addr_format(&prefix.address, text), prefixes[i].address);
		assert_int_equal(prefix.length_bits, prefixes[i].length_bits);
	}
}

/* --- ownership -------------------------------------------------------------------------------- */

static void taking_leaves_nothing_behind(void **state)
{
	_cleanup_(freep) char *text = strdup("mine");
	_cleanup_(freep) char *taken = take_ptr(text);
	_cleanup_(closep) int fd = dup(STDERR_FILENO);
	_cleanup_(closep) int taken_fd = take_fd(&fd);

	(void)state;
	assert_null(text);
	assert_string_equal(taken, "mine");
	assert_int_equal(fd, -1);
	assert_true(taken_fd >= 0);
}

/* --- log -------------------------------------------------------------------------------------- */

static int last_priority;
static char last_text[128];
static unsigned int n_messages;

static void keep_message(int priority, const char *text)
{
	last_priority = priority;
	snprintf(last_text, sizeof(last_text), "%s", text);
	n_messages++;
}

static void messages_have_a_priority(void **state)
{
	(void)state;
	log_set_sink(keep_message);
	log_error("%s:%d: wrong", "edge53.yaml", 7);
	assert_int_equal(last_priority, LOG_ERR);
	assert_string_equal(last_text, "edge53.yaml:7: wrong");
	log_warning("careful");
	assert_int_equal(last_priority, LOG_WARNING);
	log_info("so you know");
	assert_int_equal(last_priority, LOG_INFO);
	assert_string_equal(last_text, "so you know");
	log_set_sink(NULL);
}

static void debug_needs_verbose(void **state)
{
	(void)state;
	log_set_sink(keep_message);
	n_messages = 0;
	log_init(false);
	log_debug("detail");
	assert_int_equal(n_messages, 0);
	log_init(true);
	log_debug("detail");
	assert_int_equal(n_messages, 1);
	assert_int_equal(last_priority, LOG_DEBUG);
	log_init(false);
	log_set_sink(NULL);
}

static void logging_keeps_errno(void **state)
{
	(void)state;
	log_set_sink(keep_message);
	errno = EXDEV;
	log_error("a long text %0500d", 1);
	assert_int_equal(errno, EXDEV);
	log_set_sink(NULL);
}

#define THIS_PIPE "this pipe"

static void name_stream(int fd, char *buf, size_t size)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	snprintf(buf, size, "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
}

/* Logs one error with stderr being a pipe, and gives what came out of it. */
static void log_to_pipe(const char *journal_stream, char *buf, size_t size)
{
	int saved = dup(STDERR_FILENO), ends[2];
	char own[64];
	ssize_t n;

	assert_int_equal(pipe(ends), 0);
	if (journal_stream && strcmp(journal_stream, THIS_PIPE) == 0) {
		name_stream(ends[1], own, sizeof(own));
		journal_stream = own;
	}
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	if (journal_stream)
		setenv("JOURNAL_STREAM", journal_stream, 1);
	log_init(false);
	log_error("100%% of it");
	dup2(saved, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_init(false);
	close(saved);
	close(ends[1]);
	n = read(ends[0], buf, size - 1);
	close(ends[0]);
	assert_true(n >= 0);
	buf[n] = '\0';
}

static void without_a_journal_stderr_gets_it(void **state)
{
	char text[128];

	(void)state;
	unsetenv("JOURNAL_STREAM");
	log_to_pipe(NULL, text, sizeof(text));
	assert_string_equal(text, "edge53: 100% of it\n");
	/* Inherited from a parent, but stderr is another file by now. */
	log_to_pipe("1:1", text, sizeof(text));
	assert_string_equal(text, "edge53: 100% of it\n");
	log_to_pipe("nonsense", text, sizeof(text));
	assert_string_equal(text, "edge53: 100% of it\n");
}

static void a_journal_gets_it_with_its_priority(void **state)
{
	bool has_journal = access("/run/systemd/journal/socket", W_OK) == 0;
	char text[128];

	(void)state;
	/* With a journal on this host the message is there now, and not in the pipe. */
	log_to_pipe(THIS_PIPE, text, sizeof(text));
	assert_string_equal(text, has_journal ? "" : "<3>100% of it\n");
}

static void what_a_terminal_obeys_is_taken_out(void **state)
{
	static const struct {
		const char *text, *harmless;
	} rows[] = {
		{ "ppp0: is up\n\tand more\n", "ppp0: is up\n\tand more\n" },
		{ "\033[2J\a\r\x7f", "?[2J???" },
		{ "\2332J", "?2J" }, /* ESC [ as one byte */
		{ "\x9b\x9b", "??" },
		{ "\xc2\2332J", "\xc2?2J" }, /* and in UTF-8 */
		{ "caf\xc3\xa9, \xc3\x89, \xe2\x82\xac", "caf\xc3\xa9, \xc3\x89, \xe2\x82\xac" },
		{ "", "" },
	};
	char text[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(text, sizeof(text), "%s", rows[i].text);
		text_make_harmless(text);
		assert_string_equal(text, rows[i].harmless);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_read_and_written),
		cmocka_unit_test(clients_are_shown_as_far_as_they_are_counted),
		cmocka_unit_test(knobs_mask_as_the_loader_does),
		cmocka_unit_test(ipv4_is_stored_mapped),
		cmocka_unit_test(zero_is_the_unspecified_ipv6_address_only),
		cmocka_unit_test(prefixes_are_read),
		cmocka_unit_test(taking_leaves_nothing_behind),
		cmocka_unit_test(messages_have_a_priority),
		cmocka_unit_test(what_a_terminal_obeys_is_taken_out),
		cmocka_unit_test(debug_needs_verbose),
		cmocka_unit_test(logging_keeps_errno),
		cmocka_unit_test(without_a_journal_stderr_gets_it),
		cmocka_unit_test(a_journal_gets_it_with_its_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
