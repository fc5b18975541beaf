// SPDX-License-Identifier: GPL-2.0-only
/*
 * The PROXY header over UDP (docs/packets.md, "The PROXY protocol header"): that nobody else can supply one,
 * and what tells of a backend that does not read it.
 */
#include "cases.h"

#define NAME "example.com"
#define QUERY udp(40000, 53, dns_query(7, NAME))
#define SENT(n) udp(port_of(n), BACKEND_UDP, dns_query(id_of(n), NAME))

/* --- not to be forged -------------------------------------------------------------------------- */

static const char signature[] = "\r\n\r\n\0\r\nQUIT\n";

static struct layer_of *signed_by_client(struct layer_of *rest)
{
	struct layer_of *payload = option(signature, 12, nothing());

	return option((const char *)rest->data, rest->data_len, payload);
}

/* The signature but for one bit of one byte, which does not make it a reply or a bad query. */
static struct layer_of *nearly_signed(unsigned wrong)
{
	struct layer_of *payload = signed_by_client(text("and then some"));

	payload->data[wrong] ^= 0x20;
	return payload;
}

#define FROM_CLIENT4(payload) ip4(CLIENT, FRONTEND, udp(40000, 53, payload))
#define FROM_CLIENT6(payload) ip6(CLIENT6, FRONTEND6, udp(40000, 53, payload))
#define REFUSED(packet, reason)                                                                    \
	{                                                                                          \
		{                                                                                  \
			.query = packet, .why = EDGE53_##reason                                    \
		}                                                                                  \
	}

static void proxy_udp(void)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_UDP);
}

static int forged(const struct path *path)
{
	const struct test_case cases[] = {
		{ "a client's own header",
		  REFUSED(FROM_CLIENT4(signed_by_client(text("\x21\x12"))), FORGED_HEADER) },
		{ "the same where the service sends headers",
		  REFUSED(FROM_CLIENT4(signed_by_client(text("\x21\x12"))), FORGED_HEADER),
		  .world = proxy_udp, .paths = EDGE_PATHS },
		{ "over IPv6",
		  REFUSED(FROM_CLIENT6(signed_by_client(text("\x21\x22"))), FORGED_HEADER),
		  .paths = EDGE_PATHS },
		{ "the signature alone",
		  REFUSED(FROM_CLIENT4(signed_by_client(nothing())), FORGED_HEADER) },
		{ "cut off it is no DNS either",
		  REFUSED(FROM_CLIENT4(raw(0, (const unsigned char *)signature, 11)), SHORT_DNS) },
		{ "behind IP options",
		  REFUSED(options(2, FROM_CLIENT4(signed_by_client(nothing()))), FORGED_HEADER) },
		{ "in a first fragment it is one",
		  { { .query = first_fragment(FROM_CLIENT4(signed_by_client(nothing()))),
		      .why = EDGE53_FRAGMENTED_QUERY,
		      .by_tc = true } } },
	};

	return RUN(path, cases);
}

/* Each byte of the signature counts. */
static int nearly_forged(const struct path *path)
{
	int failed = 0;

	for (unsigned i = 0; i < 12; i++) {
		struct layer_of *expected = with_id(id_of(0), nearly_signed(i));
		const struct test_case cases[] = {
			{ "one byte different",
			  { { .query = FROM_CLIENT4(nearly_signed(i)),
			      .becomes = forwarded(
				      ip4(EDGE, BACKEND, udp(port_of(0), BACKEND_UDP, expected))),
			      .why = EDGE53_QUERY_SENT } } },
		};

		failed += RUN(path, cases);
	}
	return failed;
}

/* --- backends that do not read it -------------------------------------------------------------- */

static void proxy_tcp_only(void)
{
	world_set_flags(SERVICE_EDGE, EDGE53_SERVICE_XDP | EDGE53_SERVICE_PROXY_TCP);
}

#define NOTIMP(id) dns(id, 0x8d04, 0, 0, "")
#define UNASKED(id) udp(BACKEND_UDP, PORT_BASE + 77, NOTIMP(id))
#define PASSES(packet, reason)                                                                     \
	{                                                                                          \
		{                                                                                  \
			.reply = packet, .why = EDGE53_##reason                                    \
		}                                                                                  \
	}

static int not_read(const struct path *path)
{
	const struct test_case cases[] = {
		{ "DNS ID 0x0d0a", PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0a)), HEADER_NOT_READ),
		  .world = proxy_udp },
		{ "over IPv6", PASSES(ip6(BACKEND6, EDGE6, UNASKED(0x0d0a)), HEADER_NOT_READ),
		  .world = proxy_udp },
		{ "of the second backend",
		  PASSES(ip4(BACKEND_2, EDGE, UNASKED(0x0d0a)), HEADER_NOT_READ),
		  .world = proxy_udp },
		{ "another ID", PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0b)), REPLY_UNKNOWN),
		  .world = proxy_udp },
		{ "the same, its bytes turned round",
		  PASSES(ip4(BACKEND, EDGE, UNASKED(0x0a0d)), REPLY_UNKNOWN), .world = proxy_udp },
		{ "a service without headers",
		  PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0a)), REPLY_UNKNOWN) },
		{ "a service with headers over TCP only",
		  PASSES(ip4(BACKEND, EDGE, UNASKED(0x0d0a)), REPLY_UNKNOWN),
		  .world = proxy_tcp_only },
		{ "from another address",
		  PASSES(ip4(STRANGER, EDGE, UNASKED(0x0d0a)), REPLY_UNKNOWN), .world = proxy_udp },
		{ "from another port",
		  PASSES(ip4(BACKEND, EDGE, udp(BACKEND_UDP + 1, PORT_BASE + 77, NOTIMP(0x0d0a))),
			 REPLY_UNKNOWN),
		  .world = proxy_udp },
		{ "from the port for TCP",
		  PASSES(ip4(BACKEND, EDGE, udp(BACKEND_TCP, PORT_BASE + 77, NOTIMP(0x0d0a))),
			 REPLY_UNKNOWN),
		  .world = proxy_udp },
		{ "by another device is nobody's reply",
		  { { .reply = ip4(BACKEND, EDGE, UNASKED(0x0d0a)),
		      .device = DEV_OTHER,
		      .why = EDGE53_REPLY_UNKNOWN } },
		  .world = proxy_udp },
		{ "to a port that is not ours",
		  PASSES(ip4(BACKEND, EDGE, udp(BACKEND_UDP, 777, NOTIMP(0x0d0a))), NOT_OURS),
		  .world = proxy_udp },
	};

	return RUN(path, cases);
}

const struct table proxy_udp_tables[] = {
	{ "PROXY over UDP: forged", forged, EDGE_PATHS | ENFORCE_PATHS },
	{ "PROXY over UDP: nearly forged", nearly_forged, EDGE_PATHS },
	{ "PROXY over UDP: not read", not_read, EDGE_PATHS },
	{},
};
