// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "config_export.h"
#include "config_values.h"
#include "built_in.h"

/* --- metrics ---------------------------------------------------------------------------------- */

#define MAX_TOP_CLIENTS                                                                            \
	1000 /* each is some series, which Prometheus keeps for as long as it keeps anything */

#define AS_LISTENER "is not an address with a port, such as 127.0.0.1:9453 or \"[::1]:9453\""

/* The address in front of the port, without brackets; false: there is no port, or one bracket. */
static bool split_port(const char *text, char address[static ADDR_TEXT_LEN], const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon ? (size_t)(colon - text) : 0;

	if (!len)
		return false;
	*port = colon + 1;
	if (text[0] == '[') {
		if (len < 3 || text[len - 1] != ']')
			return false;
		text++;
		len -= 2;
	} else if (memchr(text, ':', len)) {
		return false;
	}
	if (len >= ADDR_TEXT_LEN)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	return true;
}

static bool is_multicast(const struct edge53_addr *addr)
{
	return addr_is_ipv4(addr) ? addr->bytes[12] >= 224 : addr->bytes[0] == 0xff;
}

static bool is_host_name(const char *text)
{
	return text[strspn(text, "0123456789.")] && !strchr(text, ':');
}

static const char *why_no_listener(const char *text, struct config_metrics *ret)
{
	char address[ADDR_TEXT_LEN];
	const char *port;

	if (!split_port(text, address, &port))
		return AS_LISTENER;
	if (addr_parse(address, &ret->address) < 0)
		return is_host_name(address)
			       ? "has a host name in it; write an address of this host. Finding the address of a name "
				 "may need the very DNS server this file describes"
			       : AS_LISTENER;
	if (addr_is_ipv4(&ret->address) != (text[0] != '['))
		return AS_LISTENER;
	if (is_multicast(&ret->address))
		return "is no address that a connection can be made to";
	if (!parse_number(port, strlen(port), &ret->port) || ret->port < 1 || ret->port > 65535)
		return "has no port from 1 to 65535 behind the last colon";
	return NULL;
}

static bool read_listener(const struct place *at, const char *text, struct config_metrics *ret)
{
	const char *why;

	if (!text)
		return true;
	if (!EDGE53_WITH_METRICS) {
		wrong(at,
		      "this edge53 was built without metrics, that is, without libmicrohttpd; remove the key");
		return false;
	}
	why = why_no_listener(text, ret);
	if (why)
		wrong_value(at, "%s", why);
	return !why;
}

static bool read_metrics(const struct place *at, const struct raw_export *raw,
			 struct config_metrics *ret)
{
	struct place metrics = place_key(at, "metrics");
	struct place top_clients = place_key(at, "top_clients");

	if (!read_listener(&metrics, raw->metrics, ret))
		return false;
	if (!raw->top_clients || !strcmp(raw->top_clients, "off"))
		return true;
	if (!read_number(&top_clients, raw->top_clients, "off or a number of clients", 0,
			 MAX_TOP_CLIENTS, &ret->top_clients))
		return false;
	if (ret->top_clients && !ret->port) {
		wrong(&top_clients, "is about metrics, and there is no export.metrics");
		return false;
	}
	return true;
}

/* --- the whole -------------------------------------------------------------------------------- */

bool read_export(const struct place *at, const struct raw_export *raw, struct config_export *ret)
{
	*ret = (struct config_export){ 0 };
	return read_metrics(at, raw, &ret->metrics);
}
