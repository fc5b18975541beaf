// SPDX-License-Identifier: GPL-2.0-only
/*
 * What `edge53 explain` is given: words of its options, a recorded packet, and any bytes as a packet. What it writes of
 * a description is what it sees in it.
 */
#include <errno.h>

#include "fuzz.h"

#include "explain_decode.h"
#include "explain_packet.h"

static void check_words(const char *text)
{
	struct explain_end end = { .port = 53 };
	char written[EXPLAIN_FLAGS_LEN];
	unsigned int flags, again, type;
	unsigned char mac[6];
	int r = explain_end_parse(text, &end);

	assert(r == 0 || r == -EINVAL);
	assert(end.port > 0 && end.port < 65536);
	r = explain_flags_parse(text, &flags);
	assert(r == 0 || r == -EINVAL);
	if (!r) {
		assert(explain_flags_parse(explain_flags_text(flags, written), &again) == 0);
		assert(flags == again);
	}
	r = explain_type_parse(text, &type);
	assert(r == -EINVAL || type < 65536);
	r = explain_mac_parse(text, mac);
	assert(r == 0 || r == -EINVAL);
}

static void check_view(const struct explain_view *view, size_t len)
{
	assert(strlen(view->dns.name) < EXPLAIN_NAME_LEN);
	assert(view->payload_len <= len);
	assert(view->from_port < 65536 && view->to_port < 65536);
	assert(!view->has_proxy || view->has_ports);
}

static void check_packet(const uint8_t *bytes, size_t len, bool has_ethernet)
{
	uint8_t *copy = copy_exactly(bytes, len, 0);
	struct explain_view view;

	explain_decode(copy, len, has_ethernet, &view);
	check_view(&view, len);
	free(copy);
}

static void check_record(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = copy_exactly(bytes, len, 0);
	unsigned char packet[EXPLAIN_MAX_LEN];
	enum explain_link link;
	int r = explain_frame_read(copy, len, packet, &link);

	assert(r > 0 || r == -EINVAL || r == -E2BIG || r == -EPROTO || r == -EOPNOTSUPP);
	assert(r <= EXPLAIN_MAX_LEN);
	free(copy);
	if (r <= 0)
		return;
	check_packet(packet, (size_t)r, true);
	check_packet(packet, (size_t)r, false);
}

/* The same bytes as a description. */
static void check_written(const uint8_t *bytes, size_t len, const char *name)
{
	struct input in = { bytes, len };
	struct explain_packet packet = { .has_edns = true };
	unsigned char written[EXPLAIN_MAX_LEN];
	struct explain_view view;
	bool is_ipv6 = input_u8(&in) & 1, has_ethernet = input_u8(&in) & 1;

	if (dns_question_make(name, 1, &packet.question) < 0)
		return;
	input_take(&in, packet.from.address.bytes, 16);
	input_take(&in, packet.to.address.bytes, 16);
	if (!is_ipv6) {
		packet.from.address = addr_from_ipv4(packet.from.address.bytes);
		packet.to.address = addr_from_ipv4(packet.to.address.bytes);
	} else {
		packet.from.address.bytes[0] |= 0x20; /* not a mapped one */
		packet.to.address.bytes[0] |= 0x20;
	}
	packet.from.port = input_u16(&in);
	packet.to.port = input_u16(&in);
	packet.is_tcp = input_u8(&in) & 1;
	packet.tcp_flags = input_u8(&in) & 0x3f;
	packet.dns_id = input_u16(&in);
	len = explain_packet_write(&packet, has_ethernet, written);
	assert(len <= EXPLAIN_MAX_LEN);
	explain_decode(written, len, has_ethernet, &view);
	assert(view.has_ports && view.check == EXPLAIN_CHECK_GOOD);
	assert(addr_equal(&view.from, &packet.from.address));
	assert(addr_equal(&view.to, &packet.to.address));
	assert(view.from_port == packet.from.port && view.to_port == packet.to.port);
	assert(packet.is_tcp || (view.has_dns && view.dns.id == packet.dns_id));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char *text = text_of(bytes, len);

	check_words(text);
	check_record(bytes, len);
	check_written(bytes, len, text);
	check_packet(bytes, len, true);
	check_packet(bytes, len, false);
	free(text);
	return 0;
}
