// SPDX-License-Identifier: GPL-2.0-only
#include "explain_decode.h"

#include <stdio.h>
#include <string.h>

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/in6.h>

#include "dns_message.h"
#include "proxy_header.h"
#include "wire.h"

/* Bytes that are read from the front; what is not there is not read. */
struct in {
	const unsigned char *bytes;
	size_t len;
};

static struct in behind(struct in in, size_t len)
{
	return (struct in){ in.bytes + len, in.len - len };
}

/* --- DNS -------------------------------------------------------------------------------------- */

/* One byte of a label, as in a zone file (RFC 1035 section 5.1). Returns what it took. */
static size_t write_letter(unsigned char letter, char *to, size_t room)
{
	int n = letter > ' ' && letter < 127 && letter != '.' && letter != '\\'
			? snprintf(to, room, "%c", letter)
			: snprintf(to, room, "\\%03u", letter);

	return n < 0 || (size_t)n >= room ? room : (size_t)n;
}

/* The name of the first question, which nobody compresses; false when it goes on behind the end. */
static bool read_name(struct in in, char name[static EXPLAIN_NAME_LEN], size_t *ret_len)
{
	size_t at = 0, n = 0;

	while (at < in.len && in.bytes[at]) {
		unsigned int label = in.bytes[at++];

		if (label > 63 || at + label >= in.len || at + label > DNS_NAME_MAX_LEN)
			return false;
		for (unsigned int i = 0; i < label && n < EXPLAIN_NAME_LEN - 8; i++)
			n += write_letter(in.bytes[at + i], name + n, 8);
		name[n++] = '.';
		at += label;
	}
	if (at >= in.len)
		return false;
	if (n > 1)
		n--; /* the last dot, as people write it */
	if (!n)
		name[n++] = '.';
	name[n] = '\0';
	*ret_len = at + 1;
	return true;
}

static void read_dns(struct in in, struct explain_view *view)
{
	struct explain_dns *dns = &view->dns;
	size_t name_len;

	if (in.len < DNS_MESSAGE_HEADER_LEN)
		return;
	view->has_dns = true;
	dns->id = u16_at(in.bytes);
	dns->flags = u16_at(in.bytes + 2);
	if (!u16_at(in.bytes + 4))
		return;
	in = behind(in, DNS_MESSAGE_HEADER_LEN);
	if (!read_name(in, dns->name, &name_len) || name_len + 2 > in.len) {
		dns->name[0] = '\0';
		return;
	}
	dns->type = u16_at(in.bytes + name_len);
}

/* --- PROXY header ----------------------------------------------------------------------------- */

static const unsigned char proxy_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

/* Returns its length; 0: there is none, or not a whole one of two addresses. */
static size_t read_proxy(struct in in, struct explain_view *view)
{
	struct explain_proxy *proxy = &view->proxy;
	size_t address_len, len;

	if (in.len < 16 || memcmp(in.bytes, proxy_signature, sizeof(proxy_signature)) ||
	    in.bytes[12] != 0x21)
		return 0;
	len = 16 + u16_at(in.bytes + 14);
	address_len = in.bytes[13] >> 4 == 1 ? 4 : in.bytes[13] >> 4 == 2 ? 16 : 0;
	if (!address_len || len < 16 + 2 * address_len + 4 || len > in.len)
		return 0;
	if (address_len == 4) {
		proxy->from = addr_from_ipv4(in.bytes + 16);
		proxy->to = addr_from_ipv4(in.bytes + 20);
	} else {
		memcpy(proxy->from.bytes, in.bytes + 16, 16);
		memcpy(proxy->to.bytes, in.bytes + 32, 16);
	}
	proxy->from_port = u16_at(in.bytes + 16 + 2 * address_len);
	proxy->to_port = u16_at(in.bytes + 18 + 2 * address_len);
	view->has_proxy = true;
	return len;
}

static void read_payload(struct in in, struct explain_view *view)
{
	view->payload_len = (unsigned int)in.len;
	in = behind(in, read_proxy(in, view));
	if (view->has_tcp) { /* a length stands before each message */
		if (in.len < 2)
			return;
		in = behind(in, 2);
	}
	read_dns(in, view);
}

/* --- transport -------------------------------------------------------------------------------- */

static void read_mss(struct in options, struct explain_view *view)
{
	while (options.len && options.bytes[0]) {
		size_t len = options.bytes[0] == 1 ? 1 : options.len > 1 ? options.bytes[1] : 0;

		if (!len || len > options.len || (options.bytes[0] != 1 && len < 2))
			return;
		if (options.bytes[0] == 2 && len == 4)
			view->tcp_mss = u16_at(options.bytes + 2);
		options = behind(options, len);
	}
}

static void read_tcp(struct in in, struct explain_view *view)
{
	size_t header_len;

	if (in.len < 20)
		return;
	header_len = (size_t)(in.bytes[12] >> 4) * 4;
	view->has_ports = view->has_tcp = true;
	view->tcp_seq = u32_at(in.bytes + 4);
	view->tcp_ack = u32_at(in.bytes + 8);
	view->tcp_flags = in.bytes[13];
	view->tcp_window = u16_at(in.bytes + 14);
	if (header_len < 20 || header_len > in.len)
		return;
	read_mss((struct in){ in.bytes + 20, header_len - 20 }, view);
	read_payload(behind(in, header_len), view);
}

static void read_udp(struct in in, struct explain_view *view)
{
	size_t len;

	if (in.len < 8)
		return;
	view->has_ports = true;
	len = u16_at(in.bytes + 4);
	if (len < 8)
		return;
	if (len < in.len)
		in.len = len;
	read_payload(behind(in, 8), view);
}

/* Of an L4 packet that is there whole; pseudo: of the pseudo header. */
static enum explain_check judge(struct in in, size_t at, unsigned long pseudo, bool may_be_none)
{
	unsigned int field;

	if (at + 2 > in.len)
		return EXPLAIN_CHECK_UNKNOWN;
	field = u16_at(in.bytes + at);
	if (!field && may_be_none)
		return EXPLAIN_CHECK_NONE;
	if (fold_sum(sum_words(in.bytes, in.len, pseudo)) == 0xffff)
		return EXPLAIN_CHECK_GOOD;
	return field == fold_sum(pseudo) && field ? EXPLAIN_CHECK_PARTIAL : EXPLAIN_CHECK_WRONG;
}

static enum explain_check check_l4(struct in in, struct explain_view *view, unsigned int l4_len)
{
	size_t addr_at = view->is_ipv6 ? 0 : 12, addr_len = 16 - addr_at;
	unsigned long pseudo = l4_len + view->protocol;

	if (in.len < l4_len)
		return EXPLAIN_CHECK_UNKNOWN;
	in.len = l4_len;
	pseudo = sum_words(view->from.bytes + addr_at, addr_len, pseudo);
	pseudo = sum_words(view->to.bytes + addr_at, addr_len, pseudo);
	switch (view->protocol) {
	case IPPROTO_UDP:
		return judge(in, 6, pseudo, true);
	case IPPROTO_TCP:
		return judge(in, 16, pseudo, false);
	case IPPROTO_ICMP:
		return judge(in, 2, 0, false);
	case IPPROTO_ICMPV6:
		return judge(in, 2, pseudo, false);
	default:
		return EXPLAIN_CHECK_UNKNOWN;
	}
}

/* l4_len: as the IP header says. */
static void read_l4(struct in in, unsigned int l4_len, struct explain_view *view)
{
	view->check = EXPLAIN_CHECK_UNKNOWN;
	if (view->fragment_offset)
		return;
	if (!view->is_fragment)
		view->check = check_l4(in, view, l4_len);
	if (l4_len < in.len)
		in.len = l4_len;
	if ((view->protocol == IPPROTO_UDP || view->protocol == IPPROTO_TCP) && in.len >= 4) {
		view->from_port = u16_at(in.bytes);
		view->to_port = u16_at(in.bytes + 2);
	}
	if (view->protocol == IPPROTO_UDP) {
		read_udp(in, view);
	} else if (view->protocol == IPPROTO_TCP) {
		read_tcp(in, view);
	} else if ((view->protocol == IPPROTO_ICMP || view->protocol == IPPROTO_ICMPV6) &&
		   in.len >= 2) {
		view->has_icmp = true;
		view->icmp_type = in.bytes[0];
		view->icmp_code = in.bytes[1];
	}
}

/* --- network ---------------------------------------------------------------------------------- */

static void read_ipv4(struct in in, struct explain_view *view)
{
	size_t header_len;

	if (in.len < 20)
		return;
	header_len = (size_t)(in.bytes[0] & 15) * 4;
	view->has_ip = true;
	view->ip_len = u16_at(in.bytes + 2);
	view->fragment_offset = (u16_at(in.bytes + 6) & 0x1fff) * 8;
	view->is_fragment = u16_at(in.bytes + 6) & 0x3fff;
	view->ttl = in.bytes[8];
	view->protocol = in.bytes[9];
	view->from = addr_from_ipv4(in.bytes + 12);
	view->to = addr_from_ipv4(in.bytes + 16);
	if (header_len < 20 || header_len > in.len || view->ip_len < header_len) {
		view->ip_check = view->check = EXPLAIN_CHECK_UNKNOWN;
		return;
	}
	view->ip_check = fold_sum(sum_words(in.bytes, header_len, 0)) == 0xffff
				 ? EXPLAIN_CHECK_GOOD
				 : EXPLAIN_CHECK_WRONG;
	read_l4(behind(in, header_len), view->ip_len - (unsigned int)header_len, view);
}

static void read_ipv6(struct in in, struct explain_view *view)
{
	unsigned int next, rest, len;

	if (in.len < 40)
		return;
	view->has_ip = view->is_ipv6 = true;
	view->ip_check = EXPLAIN_CHECK_NONE;
	view->check = EXPLAIN_CHECK_UNKNOWN;
	rest = u16_at(in.bytes + 4);
	view->ip_len = 40 + rest;
	next = in.bytes[6];
	view->ttl = in.bytes[7];
	memcpy(view->from.bytes, in.bytes + 8, 16);
	memcpy(view->to.bytes, in.bytes + 24, 16);
	in = behind(in, 40);
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_FRAGMENT ||
	       next == IPPROTO_DSTOPTS) {
		if (in.len < 8)
			return;
		len = next == IPPROTO_FRAGMENT ? 8 : (in.bytes[1] + 1u) * 8;
		if (next == IPPROTO_FRAGMENT) {
			view->fragment_offset = u16_at(in.bytes + 2) & 0xfff8;
			view->is_fragment = u16_at(in.bytes + 2) & 0xfff9;
		}
		if (len > in.len || len > rest)
			return;
		next = in.bytes[0];
		in = behind(in, len);
		rest -= len;
	}
	view->protocol = next;
	read_l4(in, rest, view);
}

void explain_decode(const unsigned char *bytes, size_t len, bool has_ethernet,
		    struct explain_view *ret)
{
	struct in in = { bytes, len };

	memset(ret, 0, sizeof(*ret));
	if (has_ethernet) {
		if (len < ETH_HLEN)
			return;
		ret->has_ethernet = true;
		memcpy(ret->eth_to, bytes, ETH_ALEN);
		memcpy(ret->eth_from, bytes + ETH_ALEN, ETH_ALEN);
		ret->ethertype = u16_at(bytes + 12);
		if (ret->ethertype != ETH_P_IP && ret->ethertype != ETH_P_IPV6)
			return;
		in = behind(in, ETH_HLEN);
	}
	if (in.len && in.bytes[0] >> 4 == 4)
		read_ipv4(in, ret);
	else if (in.len && in.bytes[0] >> 4 == 6)
		read_ipv6(in, ret);
}

/* --- words ------------------------------------------------------------------------------------ */

const char *explain_type_text(unsigned int type, char buf[static EXPLAIN_TYPE_LEN])
{
	static const char *const words[] = { "A",   "NS",   "CNAME", "SOA",    "PTR",  "MX",
					     "TXT", "AAAA", "SRV",   "DNSKEY", "HTTPS" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (dns_type_parse(words[i]) == type) {
			snprintf(buf, EXPLAIN_TYPE_LEN, "%s", words[i]);
			return buf;
		}
	}
	snprintf(buf, EXPLAIN_TYPE_LEN, "TYPE%u", type & 0xffff);
	return buf;
}

const char *explain_flags_text(unsigned int tcp_flags, char buf[static EXPLAIN_FLAGS_LEN])
{
	static const char *const words[] = { "FIN", "SYN", "RST", "PSH", "ACK", "URG" };
	size_t n = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (tcp_flags & 1u << i)
			n += (size_t)snprintf(buf + n, EXPLAIN_FLAGS_LEN - n, "%s%s", n ? "," : "",
					      words[i]);
	return buf;
}

const char *explain_check_text(enum explain_check check)
{
	switch (check) {
	case EXPLAIN_CHECK_GOOD:
		return "good";
	case EXPLAIN_CHECK_WRONG:
		return "wrong";
	case EXPLAIN_CHECK_NONE:
		return "none";
	case EXPLAIN_CHECK_PARTIAL:
		return "partial";
	default:
		return "unknown";
	}
}
