// SPDX-License-Identifier: GPL-2.0-only
#include "explain_packet.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <linux/if_ether.h>
#include <linux/in.h>

#include "wire.h"

#define IPV4_LEN 20
#define IPV6_LEN 40
#define UDP_LEN 8
#define TCP_LEN 20
#define MSS_OPTION_LEN 4
#define OPT_LEN 11
#define EDNS_SIZE 1232
#define TCP_WINDOW 64240

/* --- writing ---------------------------------------------------------------------------------- */

/* Bytes that are appended; all of it is shorter than EXPLAIN_MAX_LEN. */
struct out {
	unsigned char *bytes;
	size_t len;
};

static void put(struct out *out, const void *bytes, size_t len)
{
	memcpy(out->bytes + out->len, bytes, len);
	out->len += len;
}

static void put_u8(struct out *out, unsigned int value)
{
	out->bytes[out->len++] = (unsigned char)value;
}

static void put_u16(struct out *out, unsigned int value)
{
	put_u8(out, value >> 8);
	put_u8(out, value);
}

static void put_u32(struct out *out, unsigned int value)
{
	put_u16(out, value >> 16);
	put_u16(out, value);
}

static void put_message(const struct explain_packet *packet, struct out *out)
{
	unsigned char message[DNS_QUERY_MAX_LEN];
	size_t len = dns_query_write(message, (uint16_t)packet->dns_id, &packet->question);
	bool has_edns = packet->has_edns && !packet->is_reply;

	if (packet->is_reply)
		message[2] |= 0x80; /* QR */
	if (has_edns)
		message[11] = 1; /* additional records */
	if (packet->is_tcp)
		put_u16(out, (unsigned int)(len + has_edns * OPT_LEN));
	put(out, message, len);
	if (!has_edns)
		return;
	put_u8(out, 0); /* the root */
	put_u16(out, 41);
	put_u16(out, EDNS_SIZE);
	put_u32(out, 0);
	put_u16(out, 0);
}

static void put_udp(const struct explain_packet *packet, struct out *out)
{
	size_t start = out->len;

	put_u16(out, packet->from.port);
	put_u16(out, packet->to.port);
	put_u32(out, 0); /* length and checksum */
	put_message(packet, out);
	store_u16(out->bytes + start + 4, (unsigned int)(out->len - start));
}

static void put_tcp(const struct explain_packet *packet, struct out *out)
{
	bool has_mss = packet->tcp_flags & EXPLAIN_TCP_SYN;
	bool is_ipv4 = addr_is_ipv4(&packet->from.address);

	put_u16(out, packet->from.port);
	put_u16(out, packet->to.port);
	put_u32(out, packet->tcp_seq);
	put_u32(out, packet->tcp_ack);
	put_u8(out, (TCP_LEN + has_mss * MSS_OPTION_LEN) / 4 << 4);
	put_u8(out, packet->tcp_flags);
	put_u16(out, TCP_WINDOW);
	put_u32(out, 0); /* checksum and urgent pointer */
	if (has_mss) {
		put_u16(out, 2 << 8 | MSS_OPTION_LEN);
		put_u16(out, is_ipv4 ? 1460 : 1440);
	}
	if (packet->tcp_flags & EXPLAIN_TCP_PSH)
		put_message(packet, out);
}

static void put_ipv4(const struct explain_packet *packet, struct out *out)
{
	put_u16(out, 0x4500);
	put_u32(out, 0);      /* length, ID */
	put_u16(out, 0x4000); /* don't fragment, as resolvers send it */
	put_u8(out, packet->ttl);
	put_u8(out, packet->is_tcp ? IPPROTO_TCP : IPPROTO_UDP);
	put_u16(out, 0);
	put(out, packet->from.address.bytes + 12, 4);
	put(out, packet->to.address.bytes + 12, 4);
}

static void put_ipv6(const struct explain_packet *packet, struct out *out)
{
	put_u32(out, 0x60000000);
	put_u16(out, 0);
	put_u8(out, packet->is_tcp ? IPPROTO_TCP : IPPROTO_UDP);
	put_u8(out, packet->ttl);
	put(out, packet->from.address.bytes, 16);
	put(out, packet->to.address.bytes, 16);
}

/* The lengths and checksums of what stands at l3 .. len. */
static void finish(const struct explain_packet *packet, unsigned char *l3, size_t len,
		   size_t l3_len)
{
	unsigned char *l4 = l3 + l3_len;
	size_t l4_len = len - l3_len;
	unsigned long pseudo = l4_len + (packet->is_tcp ? IPPROTO_TCP : IPPROTO_UDP);
	unsigned int check;

	if (l3_len == IPV4_LEN) {
		store_u16(l3 + 2, (unsigned int)len);
		store_u16(l3 + 10, ~fold_sum(sum_words(l3, IPV4_LEN, 0)) & 0xffff);
		pseudo = sum_words(l3 + 12, 8, pseudo);
	} else {
		store_u16(l3 + 4, (unsigned int)l4_len);
		pseudo = sum_words(l3 + 8, 32, pseudo);
	}
	check = ~fold_sum(sum_words(l4, l4_len, pseudo)) & 0xffff;
	if (!check && !packet->is_tcp)
		check = 0xffff; /* 0 says that there is none */
	store_u16(l4 + (packet->is_tcp ? 16 : 6), check);
}

size_t explain_packet_write(const struct explain_packet *packet, bool has_ethernet,
			    unsigned char bytes[static EXPLAIN_MAX_LEN])
{
	bool is_ipv4 = addr_is_ipv4(&packet->from.address);
	struct out out = { .bytes = bytes };
	size_t l3;

	if (has_ethernet) {
		put(&out, packet->eth_to, ETH_ALEN);
		put(&out, packet->eth_from, ETH_ALEN);
		put_u16(&out, is_ipv4 ? ETH_P_IP : ETH_P_IPV6);
	}
	l3 = out.len;
	if (is_ipv4)
		put_ipv4(packet, &out);
	else
		put_ipv6(packet, &out);
	if (packet->is_tcp)
		put_tcp(packet, &out);
	else
		put_udp(packet, &out);
	finish(packet, bytes + l3, out.len - l3, is_ipv4 ? IPV4_LEN : IPV6_LEN);
	return out.len;
}

/* --- words ------------------------------------------------------------------------------------ */

/* A whole number in decimal digits, or -EINVAL. */
static int number_parse(const char *text, unsigned int max, unsigned int *ret)
{
	unsigned long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || value > max)
		return -EINVAL;
	*ret = (unsigned int)value;
	return 0;
}

static int port_parse(const char *text, unsigned int *ret)
{
	unsigned int port;

	if (number_parse(text, 0xffff, &port) < 0 || !port)
		return -EINVAL;
	*ret = port;
	return 0;
}

int explain_end_parse(const char *text, struct explain_end *ret)
{
	struct explain_end end = *ret;
	char address[ADDR_TEXT_LEN];
	const char *port = NULL;
	size_t len = strlen(text);

	if (*text == '[') {
		const char *close = strchr(text++, ']');

		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		len = (size_t)(close - text);
		port = close[1] ? close + 2 : NULL;
	} else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
		len = (size_t)(strchr(text, ':') - text); /* one colon: not IPv6 */
		port = text + len + 1;
	}
	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, len);
	address[len] = '\0';
	if (addr_parse(address, &end.address) < 0 || (port && port_parse(port, &end.port) < 0))
		return -EINVAL;
	*ret = end;
	return 0;
}

int explain_flags_parse(const char *text, unsigned int *ret)
{
	static const struct {
		const char *word;
		unsigned int flag;
	} words[] = {
		{ "FIN", EXPLAIN_TCP_FIN }, { "SYN", EXPLAIN_TCP_SYN }, { "RST", EXPLAIN_TCP_RST },
		{ "PSH", EXPLAIN_TCP_PSH }, { "ACK", EXPLAIN_TCP_ACK }, { "URG", EXPLAIN_TCP_URG },
	};
	unsigned int flags = 0;

	for (;;) {
		size_t len = strcspn(text, ","), i;

		for (i = 0; i < ARRAY_SIZE(words); i++)
			if (len == 3 && !strncasecmp(words[i].word, text, len))
				break;
		if (i == ARRAY_SIZE(words))
			return -EINVAL;
		flags |= words[i].flag;
		if (!text[len])
			break;
		text += len + 1;
	}
	*ret = flags;
	return 0;
}

int explain_type_parse(const char *text, unsigned int *ret)
{
	unsigned int type = dns_type_parse(text);

	if (!type) {
		if (!strncasecmp(text, "TYPE", 4))
			text += 4;
		if (number_parse(text, 0xffff, &type) < 0)
			return -EINVAL;
	}
	*ret = type;
	return 0;
}

int explain_mac_parse(const char *text, unsigned char ret[static 6])
{
	unsigned char bytes[EXPLAIN_MAX_LEN];

	if (strlen(text) != 17)
		return -EINVAL;
	for (size_t i = 2; i < 17; i += 3)
		if (text[i] != ':')
			return -EINVAL;
	if (explain_hex_read(text, 17, bytes) != 6)
		return -EINVAL;
	memcpy(ret, bytes, 6);
	return 0;
}

/* --- what was recorded ------------------------------------------------------------------------ */

static int digit_of(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int explain_hex_read(const char *text, size_t len, unsigned char bytes[static EXPLAIN_MAX_LEN])
{
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		int high, low;

		if (isspace((unsigned char)text[i]) || text[i] == ':') {
			i++;
			continue;
		}
		high = digit_of((unsigned char)text[i]);
		low = i + 1 < len ? digit_of((unsigned char)text[i + 1]) : -1;
		if (high < 0 || low < 0)
			return -EINVAL;
		if (n == EXPLAIN_MAX_LEN)
			return -E2BIG;
		bytes[n++] = (unsigned char)(high << 4 | low);
		i += 2;
	}
	return n ? (int)n : -EINVAL;
}

#define PCAP_HEADER_LEN 24
#define PCAP_RECORD_LEN 16
#define PCAPNG_MAGIC 0x0a0d0d0au

static unsigned int record_u32(const unsigned char *at, bool is_big)
{
	return is_big ? u32_at(at) : (unsigned int)at[3] << 24 | at[2] << 16 | at[1] << 8 | at[0];
}

/* Of microseconds or nanoseconds (pcap-savefile(5)). */
static bool is_pcap_magic(unsigned int magic)
{
	return magic == 0xa1b2c3d4u || magic == 0xa1b23c4du;
}

static enum explain_link link_of_pcap(unsigned int type)
{
	switch (type & 0xffff) { /* the upper bits say how long a checksum of the frame is */
	case 1:
		return EXPLAIN_LINK_ETHERNET;
	case 12: /* LINKTYPE_RAW, as some systems number it, and as all */
	case 14:
	case 101:
	case 228: /* IPv4 and IPv6 */
	case 229:
		return EXPLAIN_LINK_IP;
	default:
		return EXPLAIN_LINK_UNKNOWN;
	}
}

static int pcap_read(const unsigned char *content, size_t len, bool is_big, unsigned char *bytes,
		     enum explain_link *ret_link)
{
	const unsigned char *record = content + PCAP_HEADER_LEN;
	unsigned int n;

	if (len < PCAP_HEADER_LEN + PCAP_RECORD_LEN)
		return -EINVAL;
	*ret_link = link_of_pcap(record_u32(content + 20, is_big));
	if (*ret_link == EXPLAIN_LINK_UNKNOWN)
		return -EOPNOTSUPP;
	n = record_u32(record + 8, is_big);
	if (!n || n > len - PCAP_HEADER_LEN - PCAP_RECORD_LEN)
		return -EINVAL;
	if (n > EXPLAIN_MAX_LEN)
		return -E2BIG;
	memcpy(bytes, record + PCAP_RECORD_LEN, n);
	return (int)n;
}

int explain_frame_read(const unsigned char *content, size_t len,
		       unsigned char bytes[static EXPLAIN_MAX_LEN], enum explain_link *ret_link)
{
	int r;

	*ret_link = EXPLAIN_LINK_UNKNOWN;
	if (len >= 4 && record_u32(content, true) == PCAPNG_MAGIC)
		return -EPROTO;
	if (len >= 4 && is_pcap_magic(record_u32(content, true)))
		return pcap_read(content, len, true, bytes, ret_link);
	if (len >= 4 && is_pcap_magic(record_u32(content, false)))
		return pcap_read(content, len, false, bytes, ret_link);
	r = explain_hex_read((const char *)content, len, bytes);
	if (r != -EINVAL)
		return r;
	if (!len)
		return -EINVAL;
	if (len > EXPLAIN_MAX_LEN)
		return -E2BIG;
	memcpy(bytes, content, len);
	return (int)len;
}
