// SPDX-License-Identifier: GPL-2.0-only
#include "check_wireguard.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LINE_LEN 512 /* a line that is longer is none of those that are looked for */

struct wg_peer *wg_add_peer(struct wg_device *device, const unsigned char *key)
{
	struct wg_peer *last = device->n_peers ? &device->peers[device->n_peers - 1] : NULL;

	if (last && !memcmp(last->key, key, WG_KEY_LEN))
		return last;
	if (array_grow(&device->peers, device->n_peers, sizeof(*last)) < 0)
		return NULL;
	last = &device->peers[device->n_peers++];
	*last = (struct wg_peer){ 0 };
	memcpy(last->key, key, WG_KEY_LEN);
	return last;
}

int wg_add_allowed(struct wg_peer *peer, const struct edge53_prefix *prefix)
{
	if (array_grow(&peer->allowed, peer->n_allowed, sizeof(*prefix)) < 0)
		return -ENOMEM;
	peer->allowed[peer->n_allowed++] = *prefix;
	return 0;
}

void wg_device_clear(struct wg_device *device)
{
	for (size_t i = 0; i < device->n_peers; i++)
		free(device->peers[i].allowed);
	free(device->peers);
	*device = (struct wg_device){ 0 };
}

/* --- text ------------------------------------------------------------------------------------- */

/* Takes a line off the front. Returns false at the end; a line that is too long comes out empty. */
static bool next_line(const char **text, size_t *len, char line[static LINE_LEN])
{
	const char *end = memchr(*text, '\n', *len);
	size_t n = end ? (size_t)(end - *text) : *len;

	if (!*len)
		return false;
	line[0] = '\0';
	if (n < LINE_LEN) {
		memcpy(line, *text, n);
		line[n] = '\0';
	}
	n += end != NULL;
	*text += n;
	*len -= n;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static int parse_hex_key(const char *text, unsigned char key[static WG_KEY_LEN])
{
	if (strlen(text) != 2 * WG_KEY_LEN)
		return -EBADMSG;
	for (size_t i = 0; i < WG_KEY_LEN; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		key[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void wg_key_text(const unsigned char *key, char ret[static WG_KEY_TEXT_LEN])
{
	size_t at = 0;

	for (size_t i = 0; i < WG_KEY_LEN; i += 3) {
		bool is_last = i + 3 > WG_KEY_LEN;
		unsigned int three = (unsigned int)key[i] << 16 | (unsigned int)key[i + 1] << 8 |
				     (is_last ? 0u : key[i + 2]);

		ret[at++] = base64[three >> 18];
		ret[at++] = base64[three >> 12 & 63];
		ret[at++] = base64[three >> 6 & 63];
		ret[at++] = is_last ? '=' : base64[three & 63];
	}
	ret[at] = '\0';
}

static int parse_base64_key(const char *text, unsigned char key[static WG_KEY_LEN])
{
	unsigned int bits = 0, n_bits = 0;
	size_t at = 0;

	if (strlen(text) != WG_KEY_TEXT_LEN - 1 || text[WG_KEY_TEXT_LEN - 2] != '=')
		return -EINVAL;
	for (size_t i = 0; i < WG_KEY_TEXT_LEN - 2; i++) {
		const char *digit = strchr(base64, text[i]);

		if (!digit)
			return -EINVAL;
		bits = (bits << 6 | (unsigned int)(digit - base64)) & 0xffff;
		n_bits += 6;
		if (n_bits >= 8) {
			n_bits -= 8;
			key[at++] = (unsigned char)(bits >> n_bits);
		}
	}
	return 0;
}

static int parse_number(const char *text, unsigned long long max, unsigned long long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !isdigit((unsigned char)*text) || *end || errno || *ret > max ? -EBADMSG : 0;
}

/*
 * Splits "host:port" and "[host]:port" in place. Returns the host, or NULL. A zone (fe80::1%eth0) stays.
 */
static char *split_endpoint(char *text, char **port)
{
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || !colon[1])
		return NULL;
	*colon = '\0';
	*port = colon + 1;
	if (text[0] != '[')
		return text;
	if (colon[-1] != ']')
		return NULL;
	colon[-1] = '\0';
	return text + 1;
}

/* --- the answer of a userspace implementation ------------------------------------------------- */

static int take_endpoint(struct wg_peer *peer, char *text)
{
	unsigned long long number;
	char *port, *host = split_endpoint(text, &port);

	if (!host || parse_number(port, 65535, &number) < 0)
		return -EBADMSG;
	host[strcspn(host, "%")] = '\0';
	if (addr_parse(host, &peer->endpoint) < 0)
		return -EBADMSG;
	peer->endpoint_port = (unsigned int)number;
	peer->has_endpoint = true;
	return 0;
}

static int take_allowed(struct wg_peer *peer, const char *text)
{
	struct edge53_prefix prefix;

	return prefix_parse(text, &prefix) < 0 ? -EBADMSG : wg_add_allowed(peer, &prefix);
}

static int take_peer(struct wg_device *device, const char *text)
{
	unsigned char key[WG_KEY_LEN];

	if (parse_hex_key(text, key) < 0)
		return -EBADMSG;
	return wg_add_peer(device, key) ? 0 : -ENOMEM;
}

static int take_answer_line(struct wg_device *device, const char *key, char *value)
{
	struct wg_peer *peer = device->n_peers ? &device->peers[device->n_peers - 1] : NULL;
	unsigned long long number = 0;
	int r = 0;

	if (!strcmp(key, "public_key"))
		return take_peer(device, value);
	if (!strcmp(key, "fwmark")) {
		r = parse_number(value, 0xffffffff, &number);
		device->fwmark = (unsigned int)number;
	} else if (peer && !strcmp(key, "endpoint")) {
		r = take_endpoint(peer, value);
	} else if (peer && !strcmp(key, "allowed_ip")) {
		r = take_allowed(peer, value);
	} else if (peer && !strcmp(key, "last_handshake_time_sec")) {
		r = parse_number(value, 0x7fffffffffffffff, &number);
		peer->last_handshake_s = (long long)number;
	}
	return r;
}

int wg_parse_answer(const char *text, size_t len, struct wg_device *device)
{
	char line[LINE_LEN];
	int r = -EBADMSG; /* until errno=0 was there */

	while (next_line(&text, &len, line)) {
		char *value = strchr(line, '=');

		if (!line[0])
			continue;
		if (!value)
			r = -EBADMSG;
		else {
			*value++ = '\0';
			r = strcmp(line, "errno") == 0 ? (strcmp(value, "0") == 0 ? 1 : -EBADMSG)
						       : take_answer_line(device, line, value);
		}
		if (r)
			break;
		r = -EBADMSG;
	}
	/* The private key was among the lines. */
	explicit_bzero(line, sizeof(line));
	return r > 0 ? 0 : r;
}

/* --- wg-quick's file -------------------------------------------------------------------------- */

/* Cuts comments and spaces off both ends. */
static char *trim(char *text)
{
	char *end;

	text[strcspn(text, "#")] = '\0';
	while (isspace((unsigned char)*text))
		text++;
	end = text + strlen(text);
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	return text;
}

/* A section [Peer], whose lines may come in any order. */
struct section {
	bool is_peer;
	bool has_key;
	struct wg_named_endpoint endpoint;
};

static int end_section(struct section *section, struct wg_names *names)
{
	int r = 0;

	if (section->is_peer && section->has_key && section->endpoint.host[0]) {
		r = array_grow(&names->list, names->n, sizeof(*names->list));
		if (!r)
			names->list[names->n++] = section->endpoint;
	}
	*section = (struct section){ 0 };
	return r;
}

static void take_named_endpoint(struct section *section, char *value)
{
	struct edge53_addr address;
	char *port, *host = split_endpoint(value, &port);

	if (!host)
		return;
	section->endpoint.host[0] = '\0';
	if (strchr(host, '%') || !addr_parse(host, &address))
		return;
	snprintf(section->endpoint.host, sizeof(section->endpoint.host), "%s", host);
	snprintf(section->endpoint.port, sizeof(section->endpoint.port), "%s", port);
}

static int take_file_line(struct section *section, struct wg_names *names, char *line)
{
	char *value;

	if (line[0] == '[') {
		int r = end_section(section, names);

		section->is_peer = strcasecmp(line, "[Peer]") == 0;
		return r;
	}
	value = strchr(line, '=');
	if (!value)
		return 0;
	*value++ = '\0';
	line = trim(line);
	value = trim(value);
	if (!strcasecmp(line, "PublicKey"))
		section->has_key = !parse_base64_key(value, section->endpoint.key);
	else if (!strcasecmp(line, "Endpoint"))
		take_named_endpoint(section, value);
	return 0;
}

int wg_parse_file(const char *text, size_t len, struct wg_names *names)
{
	struct section section = { 0 };
	char line[LINE_LEN];
	int r = 0;

	while (!r && next_line(&text, &len, line))
		r = take_file_line(&section, names, trim(line));
	explicit_bzero(line, sizeof(line));
	return r ?: end_section(&section, names);
}

/* --- questions -------------------------------------------------------------------------------- */

static bool is_within(const struct edge53_addr *address, const struct edge53_prefix *prefix)
{
	unsigned int bytes = prefix->length_bits / 8, rest = prefix->length_bits % 8;

	/* ::/0 is all of IPv6, and 0.0.0.0/0 is 96 bits long: families are apart in WireGuard. */
	if (addr_is_ipv4(address) != addr_is_ipv4(&prefix->address))
		return false;
	return !memcmp(address->bytes, prefix->address.bytes, bytes) &&
	       (!rest || !((address->bytes[bytes] ^ prefix->address.bytes[bytes]) >> (8 - rest)));
}

const struct wg_peer *wg_route(const struct wg_device *device, const struct edge53_addr *address)
{
	const struct wg_peer *best = NULL;
	unsigned int best_len = 0;

	for (size_t i = 0; i < device->n_peers; i++) {
		const struct wg_peer *peer = &device->peers[i];

		for (size_t j = 0; j < peer->n_allowed; j++) {
			if ((best && peer->allowed[j].length_bits < best_len) ||
			    !is_within(address, &peer->allowed[j]))
				continue;
			best = peer;
			best_len = peer->allowed[j].length_bits;
		}
	}
	return best;
}

char *wg_allowed_text(const struct wg_peer *peer)
{
	char address[ADDR_TEXT_LEN], *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < peer->n_allowed; i++) {
		const struct edge53_prefix *p = &peer->allowed[i];

		fprintf(f, "%s%s/%u", i ? "," : "", addr_format(&p->address, address),
			p->length_bits - (addr_is_ipv4(&p->address) ? 96 : 0));
	}
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}
