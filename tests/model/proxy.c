// SPDX-License-Identifier: GPL-2.0-only
/* Model: the header of the PROXY protocol, version 2 (docs/packets.md). */
#include <string.h>

#include "model.h"

static const unsigned char signature[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
					     0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a };

bool has_signature(const unsigned char *payload, unsigned len)
{
	return len >= sizeof(signature) && !memcmp(payload, signature, sizeof(signature));
}

unsigned proxy_header_len(const struct edge53_addr *client)
{
	return family_of(client) == 4 ? 16 + 12 : 16 + 36;
}

unsigned write_proxy_header(const struct edge53_addr *client, const struct edge53_addr *asked,
			    unsigned client_port, bool is_tcp, unsigned char *out)
{
	bool is_v4 = family_of(client) == 4;
	unsigned size = is_v4 ? 4 : 16, skip = is_v4 ? 12 : 0;

	memcpy(out, signature, sizeof(signature));
	out[12] = 0x21;
	out[13] = (is_v4 ? 0x10 : 0x20) | (is_tcp ? 1 : 2);
	put16(out + 14, 2 * size + 4);
	memcpy(out + 16, client->bytes + skip, size);
	memcpy(out + 16 + size, asked->bytes + skip, size);
	put16(out + 16 + 2 * size, client_port);
	put16(out + 18 + 2 * size, EDGE53_DNS_PORT);
	return 20 + 2 * size;
}

/* --- connections that begin with one ---------------------------------------------------------- */

enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

unsigned header_len_of(const struct edge53_conn *conn)
{
	return conn->flags & EDGE53_CONN_PROXY ? proxy_header_len(&conn->flow.client) : 0;
}

static bool is_synced(const struct edge53_conn *conn)
{
	return conn->flags & EDGE53_CONN_PROXY_SYNCED;
}

static bool is_done(const struct edge53_conn *conn)
{
	return conn->flags & EDGE53_CONN_PROXY_DONE;
}

__u32 seq_for_backend(const struct edge53_conn *conn, __u32 seq)
{
	__s32 d = seq - conn->first_seq;

	if (!is_synced(conn))
		return seq;
	return is_done(conn) || d > 0 ? seq + header_len_of(conn) : seq;
}

__u32 number_for_client(const struct edge53_conn *conn, __u32 number)
{
	__s32 d = number - conn->first_seq, len = header_len_of(conn);

	if (!is_synced(conn))
		return number;
	if (is_done(conn))
		return number - len;
	return d <= 0 ? number : d <= len ? conn->first_seq : number - len;
}

unsigned window_for_client(const struct edge53_conn *conn, const unsigned char *tcp)
{
	__s32 d = get32(tcp + 8) - conn->first_seq, len = header_len_of(conn);
	unsigned window = get16(tcp + 14),
		 unit = tcp[13] & TCP_SYN ? 1 : 1u << conn->backend_wscale;
	unsigned less;

	if (!is_synced(conn) || is_done(conn) || d >= len)
		return window;
	less = (len - (d > 0 ? d : 0) + unit - 1) / unit;
	return window > less ? window - less : 0;
}

bool carries_header(const struct edge53_conn *conn, const unsigned char *tcp, unsigned payload)
{
	return header_len_of(conn) && is_synced(conn) && !is_done(conn) &&
	       get32(tcp + 4) == conn->first_seq && !(tcp[13] & (TCP_SYN | TCP_RST)) &&
	       (payload || tcp[13] & TCP_FIN);
}

bool is_refusal(const struct edge53_conn *conn, const unsigned char *tcp)
{
	return tcp[13] & TCP_RST && get32(tcp + 8) == conn->pending_seq;
}
