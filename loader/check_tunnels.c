// SPDX-License-Identifier: GPL-2.0-only
/* WireGuard: who may be reached, by which way, and whether that way needs our own DNS. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "check.h"

/* Outer IP and UDP headers, and WireGuard's own 32 bytes. */
#define WG_OVERHEAD_IPV4 60
#define WG_OVERHEAD_IPV6 80

#define NAMESERVERS_TEXT_LEN (CHECK_MAX_NAMESERVERS * (ADDR_TEXT_LEN + 48))

struct tunnel {
	const struct check *check;
	const struct check_tunnel *facts;
	const struct host_link *link;
};

/* --- backends --------------------------------------------------------------------------------- */

/* Which of several peers is meant is not known. "allowed-ips" replaces what there was. */
static int mend_allowed(const struct tunnel *t, const char *addition)
{
	const struct wg_device *device = &t->facts->device;
	char key[WG_KEY_TEXT_LEN];
	_cleanup_(freep) char *text = NULL;

	if (device->n_peers != 1)
		return findings_mend(t->check->findings,
				     "wg set %s peer PUBLIC-KEY allowed-ips WHAT-IT-HAS,%s",
				     t->link->name, addition);
	text = wg_allowed_text(&device->peers[0]);
	if (!text)
		return -ENOMEM;
	wg_key_text(device->peers[0].key, key);
	return findings_mend(t->check->findings, "wg set %s peer %s allowed-ips %s%s%s",
			     t->link->name, key, text, *text ? "," : "", addition);
}

static int check_peer(const struct tunnel *t, const char *service, const char *backend,
		      const struct wg_peer *peer)
{
	char key[WG_KEY_TEXT_LEN];

	wg_key_text(peer->key, key);
	if (!peer->has_endpoint)
		return findings_add(
			       t->check->findings, FINDING_WARNING, FOUND_WG_NO_ENDPOINT,
			       "%s: %s does not know where peer %s is, behind which backend %s is, until that peer calls",
			       service, t->link->name, key, backend)
			       ?: findings_mend(t->check->findings,
						"wg set %s peer %s endpoint ADDRESS:PORT",
						t->link->name, key);
	if (!peer->last_handshake_s)
		return findings_add(
			       t->check->findings, FINDING_WARNING, FOUND_WG_NO_HANDSHAKE,
			       "%s: %s has not heard of peer %s yet, behind which backend %s is",
			       service, t->link->name, key, backend)
			       ?: findings_mend(t->check->findings, "ping -c 3 -I %s %s",
						t->link->name, backend);
	return 0;
}

static int check_backend(const struct tunnel *t, const char *service,
			 const struct plan_backend *backend)
{
	const struct wg_peer *peer = wg_route(&t->facts->device, &backend->address);
	char text[ADDR_TEXT_LEN], addition[ADDR_TEXT_LEN + 8];

	addr_format(&backend->address, text);
	if (peer)
		return check_peer(t, service, text, peer);
	snprintf(addition, sizeof(addition), "%s/%d", text,
		 addr_is_ipv4(&backend->address) ? 32 : 128);
	return findings_add(t->check->findings, FINDING_ERROR, FOUND_WG_ALLOWED_IPS,
			    "%s: backend %s is in AllowedIPs of no peer of %s", service, text,
			    t->link->name)
		       ?: mend_allowed(t, addition);
}

/* --- return ----------------------------------------------------------------------------------- */

static bool is_network(const struct edge53_prefix *prefix)
{
	return prefix->length_bits < 128;
}

/* Clients come with their own addresses. Where only single hosts are admitted, the edge is all there is. */
static int check_return(const struct tunnel *t, const char *service)
{
	for (size_t i = 0; i < t->facts->device.n_peers; i++)
		for (size_t j = 0; j < t->facts->device.peers[i].n_allowed; j++)
			if (is_network(&t->facts->device.peers[i].allowed[j]))
				return 0;
	return findings_add(
		       t->check->findings, FINDING_WARNING, FOUND_WG_RETURN_NARROW,
		       "%s: AllowedIPs of %s admit single addresses only, and no network that clients with addresses of their own could be in",
		       service, t->link->name)
		       ?: mend_allowed(t, "CLIENTS-PREFIX");
}

/* --- endpoints -------------------------------------------------------------------------------- */

static int check_outer_mtu(const struct tunnel *t, const struct wg_peer *peer,
			   const struct check_path *path)
{
	const struct host_link *outer = host_link_by_index(t->check->host, path->ifindex);
	unsigned int overhead = addr_is_ipv4(&peer->endpoint) ? WG_OVERHEAD_IPV4 : WG_OVERHEAD_IPV6;
	unsigned int mtu = path->mtu ?: (outer ? outer->mtu : 0);
	char text[ADDR_TEXT_LEN];

	if (!outer || mtu <= overhead || t->link->mtu + overhead <= mtu)
		return 0;
	return findings_add(
		       t->check->findings, FINDING_WARNING, FOUND_WG_MTU,
		       "%s: its MTU of %u and %u bytes of WireGuard do not fit into the %u bytes that %s takes on the way to %s",
		       t->link->name, t->link->mtu, overhead, mtu, outer->name,
		       addr_format(&peer->endpoint, text))
		       ?: findings_mend(t->check->findings, "ip link set dev %s mtu %u",
					t->link->name, mtu - overhead);
}

static int check_endpoint(const struct tunnel *t, const struct wg_peer *peer,
			  const struct check_path *path)
{
	char text[ADDR_TEXT_LEN];

	if (!peer->has_endpoint || !path->is_known)
		return 0;
	if (path->ifindex != t->link->ifindex)
		return check_outer_mtu(t, peer, path);
	addr_format(&peer->endpoint, text);
	return findings_add(t->check->findings, FINDING_ERROR, FOUND_WG_ENDPOINT_LOOP,
			    "%s: the route to its own endpoint %s leads into the tunnel",
			    t->link->name, text)
		       ?: findings_mend(t->check->findings,
					"ip route add %s/%d via GATEWAY dev UPLINK", text,
					addr_is_ipv4(&peer->endpoint) ? 32 : 128);
}

/* --- endpoints by name ------------------------------------------------------------------------ */

static bool is_loopback(const struct edge53_addr *address)
{
	static const struct edge53_addr ipv6_loopback = { .bytes = { [15] = 1 } };

	return addr_is_ipv4(address) ? address->bytes[12] == 127
				     : addr_equal(address, &ipv6_loopback);
}

static bool is_backend(const struct plan *plan, const struct edge53_addr *address)
{
	for (size_t i = 0; i < plan->n_services; i++)
		for (size_t j = 0; j < plan->services[i].n_backends; j++)
			if (addr_equal(&plan->services[i].backends[j].address, address))
				return true;
	return false;
}

static bool is_frontend(const struct plan *plan, const struct edge53_addr *address)
{
	for (size_t i = 0; i < plan->n_frontends; i++)
		if (!addr_is_zero(&plan->frontends[i].address) &&
		    addr_equal(&plan->frontends[i].address, address))
			return true;
	return false;
}

/* What a nameserver is to us; NULL: somebody elsewhere. */
static const char *what_nameserver(const struct tunnel *t, size_t index, bool *needs_tunnel)
{
	const struct edge53_addr *address = &t->check->facts->nameservers[index];
	const struct check_path *path = &t->check->facts->nameserver_paths[index];

	*needs_tunnel = true;
	if (is_backend(t->check->plan, address))
		return "a backend";
	if (is_frontend(t->check->plan, address))
		return "a frontend of this edge";
	if (path->is_known && path->ifindex == t->link->ifindex)
		return "behind this tunnel";
	*needs_tunnel = false;
	return is_loopback(address) ? "on this host; whom that one asks could not be told" : NULL;
}

/* "10.172.90.1 (a backend), 9.9.9.9". Returns whether all of them need the tunnel. */
static bool describe_nameservers(const struct tunnel *t, char *text, size_t size)
{
	const struct check_facts *facts = t->check->facts;
	bool all = facts->n_nameservers > 0, needs_tunnel;
	char address[ADDR_TEXT_LEN];
	size_t at = 0;

	snprintf(text, size, "none");
	for (size_t i = 0; i < facts->n_nameservers && at < size; i++) {
		const char *what = what_nameserver(t, i, &needs_tunnel);

		at += (size_t)snprintf(text + at, size - at, "%s%s%s%s%s", i ? ", " : "",
				       addr_format(&facts->nameservers[i], address),
				       what ? " (" : "", what ?: "", what ? ")" : "");
		all &= needs_tunnel;
	}
	return all;
}

/* Into a shell's quotes, and sed's, goes only what can do no harm there. */
static bool is_plain(const char *text)
{
	return !text[strspn(text,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")];
}

static int mend_name(const struct tunnel *t, const struct wg_named_endpoint *name)
{
	char text[ADDR_TEXT_LEN];

	for (size_t i = 0; i < t->facts->device.n_peers; i++) {
		const struct wg_peer *peer = &t->facts->device.peers[i];
		bool is_ipv4 = addr_is_ipv4(&peer->endpoint);

		if (!peer->has_endpoint || memcmp(peer->key, name->key, WG_KEY_LEN) != 0 ||
		    !is_plain(name->host) || !is_plain(name->port))
			continue;
		return findings_mend(t->check->findings, "sed -i 's/%s:%s/%s%s%s:%s/' %s",
				     name->host, name->port, is_ipv4 ? "" : "[",
				     addr_format(&peer->endpoint, text), is_ipv4 ? "" : "]",
				     name->port, t->facts->path);
	}
	return 0;
}

static int say_name(const struct tunnel *t, const struct wg_named_endpoint *name)
{
	char servers[NAMESERVERS_TEXT_LEN];
	bool all = describe_nameservers(t, servers, sizeof(servers));

	return findings_add(
		       t->check->findings, all ? FINDING_ERROR : FINDING_WARNING,
		       all ? FOUND_WG_ENDPOINT_OWN_DNS : FOUND_WG_ENDPOINT_NAME,
		       "%s: Endpoint %s in %s is a name, which is looked up at the nameservers of /etc/resolv.conf: %s",
		       t->link->name, name->host, t->facts->path, servers)
		       ?: mend_name(t, name);
}

static int check_names(const struct tunnel *t)
{
	int r = 0;

	if (t->facts->file_error)
		return findings_add(t->check->findings, FINDING_NOTE, FOUND_NOT_TOLD,
				    "could not tell whether an Endpoint of %s is a name: %s: %s",
				    t->link->name, t->facts->path, strerror(-t->facts->file_error));
	for (size_t i = 0; i < t->facts->names.n && !r; i++)
		r = say_name(t, &t->facts->names.list[i]);
	return r;
}

/* --- a tunnel --------------------------------------------------------------------------------- */

static int check_users(const struct tunnel *t)
{
	const struct plan *plan = t->check->plan;
	int r = 0;

	for (size_t i = 0; i < plan->n_services && !r; i++) {
		const struct plan_service *service = &plan->services[i];

		for (size_t j = 0; j < service->n_backends && !r; j++)
			if (service->backends[j].usable && !service->backends[j].is_local &&
			    service->backends[j].ifindex == t->link->ifindex)
				r = check_backend(t, service->name, &service->backends[j]);
		if (!r && service->kind == EDGE53_SERVICE_RETURN &&
		    service->tunnel_ifindex == t->link->ifindex)
			r = check_return(t, service->name);
	}
	return r;
}

static int check_tunnel(const struct tunnel *t)
{
	int r = 0;

	if (t->facts->error)
		return findings_add(t->check->findings, FINDING_NOTE, FOUND_NOT_TOLD,
				    "could not tell which peers %s has: %s", t->link->name,
				    strerror(-t->facts->error))
			       ?: check_names(t);
	for (size_t i = 0; i < t->facts->device.n_peers && !r; i++)
		r = check_endpoint(t, &t->facts->device.peers[i], &t->facts->endpoint_paths[i]);
	return r ?: check_users(t) ?: check_names(t);
}

int check_tunnels(const struct check *check)
{
	int r = 0;

	for (size_t i = 0; i < check->facts->n_tunnels && !r; i++) {
		struct tunnel t = { .check = check, .facts = &check->facts->tunnels[i] };

		t.link = host_link_by_name(check->host, t.facts->name);
		if (t.link && t.facts->is_wireguard)
			r = check_tunnel(&t);
	}
	return r;
}
