// SPDX-License-Identifier: GPL-2.0-only
/* Who listens on port 53, and whom the host itself asks. */
#include <stdio.h>
#include <string.h>

#include "check.h"

static bool is_wildcard(const struct edge53_addr *address)
{
	static const struct edge53_addr ipv4_any = { .bytes = { [10] = 0xff, [11] = 0xff } };

	return addr_is_zero(address) || addr_equal(address, &ipv4_any);
}

/* Whether a datagram or connection to this address comes to the socket. */
static bool hears(const struct check_listener *listener, const struct edge53_addr *address)
{
	if (addr_equal(&listener->address, address))
		return true;
	if (!is_wildcard(&listener->address))
		return false;
	if (addr_is_ipv4(address))
		return addr_is_ipv4(&listener->address) || !listener->is_ipv6_only;
	return addr_is_zero(&listener->address);
}

static const struct check_listener *find_listener(const struct check *check,
						  const struct edge53_addr *address, bool is_tcp)
{
	for (size_t i = 0; i < check->facts->n_listeners; i++) {
		const struct check_listener *l = &check->facts->listeners[i];

		if (l->is_tcp == is_tcp && hears(l, address))
			return l;
	}
	return NULL;
}

static const char *address_text(const struct edge53_addr *address, char buf[static ADDR_TEXT_LEN])
{
	return addr_is_zero(address) ? "[::]" : addr_format(address, buf);
}

/* --- edge: who listens in vain ---------------------------------------------------------------- */

static int mend_listener(const struct check *check, const struct check_listener *listener)
{
	if (listener->unit[0])
		return findings_mend(check->findings, "systemctl stop %s", listener->unit);
	if (listener->pid)
		return findings_mend(check->findings, "kill %d", listener->pid);
	return findings_mend(check->findings, "ss -lnp 'sport = :53'");
}

static int say_shadowed(const struct check *check, const struct config_edge *edge,
			const struct check_listener *listener, const char *protocols)
{
	char text[ADDR_TEXT_LEN];

	return findings_add(
		       check->findings, FINDING_WARNING, FOUND_PORT53_SHADOWED,
		       "%s: %s listens on %s port 53 (%s) of this host, and gets no query that comes by %s while edge53 serves%s",
		       edge->name, listener->process[0] ? listener->process : "a process",
		       address_text(&listener->address, text), protocols, edge->interface,
		       edge->on_down == POLICY_PASS
			       ? "; on_down: pass hands it what no backend can get"
			       : "")
		       ?: mend_listener(check, listener);
}

static bool is_shadowed(const struct check *check, size_t service,
			const struct check_listener *listener)
{
	const struct plan *plan = check->plan;

	for (size_t i = 0; i < plan->n_frontends; i++)
		if (plan->frontends[i].service == service &&
		    (!listener->ifindex ||
		     listener->ifindex == plan->devices[plan->frontends[i].device].ifindex) &&
		    hears(listener, &plan->frontends[i].address))
			return true;
	return false;
}

static bool same_place(const struct check_listener *a, const struct check_listener *b)
{
	return addr_equal(&a->address, &b->address) && a->pid == b->pid;
}

/* Servers have a socket a thread, and one of each protocol: said once. */
static bool is_first(const struct check *check, size_t index, bool *other_protocol)
{
	const struct check_listener *list = check->facts->listeners;

	*other_protocol = false;
	for (size_t i = 0; i < check->facts->n_listeners; i++) {
		if (!same_place(&list[i], &list[index]))
			continue;
		if (i < index)
			return false;
		*other_protocol |= list[i].is_tcp != list[index].is_tcp;
	}
	return true;
}

static int check_shadowed(const struct check *check, size_t service)
{
	int r = 0;

	for (size_t i = 0; i < check->facts->n_listeners && !r; i++) {
		const struct check_listener *listener = &check->facts->listeners[i];
		bool is_both;

		if (is_shadowed(check, service, listener) && is_first(check, i, &is_both))
			r = say_shadowed(check, &check->config->edges[service], listener,
					 is_both	    ? "UDP and TCP"
					 : listener->is_tcp ? "TCP"
							    : "UDP");
	}
	return r;
}

/* --- enforce: who must listen ----------------------------------------------------------------- */

/* An answer is proof: DNAT, IPVS or another network namespace may serve an address where no socket is seen. */
static bool is_served(const struct check *check, const struct edge53_addr *resolver, bool is_tcp)
{
	return find_listener(check, resolver, is_tcp) ||
	       check_has_answered(check, resolver, is_tcp);
}

static int check_resolver(const struct check *check, const char *service,
			  const struct edge53_addr *resolver)
{
	bool udp, tcp;
	char text[ADDR_TEXT_LEN];

	if (addr_is_zero(resolver) || !check_is_local(check, resolver))
		return 0;
	udp = is_served(check, resolver, false);
	tcp = is_served(check, resolver, true);
	if (udp && tcp)
		return 0;
	return findings_add(check->findings, FINDING_ERROR, FOUND_RESOLVER_NOT_LISTENING,
			    "%s: nobody listens on resolver %s port 53 by %s", service,
			    addr_format(resolver, text),
			    udp	  ? "TCP"
			    : tcp ? "UDP"
				  : "UDP and TCP")
		       ?: findings_mend(
				  check->findings,
				  "ss -lntup 'sport = :53'   # then let the resolver listen on %s",
				  text);
}

int check_listeners(const struct check *check)
{
	const struct config *config = check->config;
	int r = 0;

	if (check->facts->listeners_error)
		return findings_add(check->findings, FINDING_NOTE, FOUND_NOT_TOLD,
				    "could not tell who listens on port 53: %s",
				    strerror(-check->facts->listeners_error));
	for (size_t i = 0; i < config->n_edges && !r; i++)
		r = check_shadowed(check, i);
	for (size_t i = 0; i < config->n_enforces && !r; i++)
		r = check_resolver(check, config->enforces[i].name, &config->enforces[i].resolver)
			    ?: check_resolver(check, config->enforces[i].name,
					      &config->enforces[i].resolver6);
	return r;
}

/* --- whom the host asks ----------------------------------------------------------------------- */

size_t check_parse_nameservers(const char *text, size_t len,
			       struct edge53_addr ret[static CHECK_MAX_NAMESERVERS])
{
	static const char keyword[] = "nameserver";
	const char *end = text + len;
	size_t n = 0;

	for (; text < end && n < CHECK_MAX_NAMESERVERS; text++) {
		const char *newline = memchr(text, '\n', (size_t)(end - text)) ?: end;
		size_t line_len = (size_t)(newline - text), word;
		char line[128], *address;

		if (line_len < sizeof(line)) {
			memcpy(line, text, line_len);
			line[line_len] = '\0';
			address = line + sizeof(keyword) - 1;
			word = strspn(address, " \t");
			if (!strncmp(line, keyword, sizeof(keyword) - 1) && word) {
				address += word;
				address[strcspn(address, " \t%#;\r")] = '\0';
				n += !addr_parse(address, &ret[n]);
			}
		}
		text = newline;
	}
	return n;
}

static bool is_frontend(const struct check *check, const struct edge53_addr *address,
			size_t *ret_service)
{
	for (size_t i = 0; i < check->plan->n_frontends; i++) {
		const struct plan_frontend *f = &check->plan->frontends[i];

		if (addr_is_zero(&f->address) || !addr_equal(&f->address, address))
			continue;
		*ret_service = f->service;
		return true;
	}
	return false;
}

/* What the host sends to an address of its own never comes by a device. */
int check_nameservers(const struct check *check)
{
	char text[ADDR_TEXT_LEN];
	size_t service;
	int r = 0;

	for (size_t i = 0; i < check->facts->n_nameservers && !r; i++) {
		const struct edge53_addr *address = &check->facts->nameservers[i];

		if (!is_frontend(check, address, &service) || find_listener(check, address, false))
			continue;
		addr_format(address, text);
		r = findings_add(
			    check->findings, FINDING_WARNING, FOUND_RESOLV_CONF_SELF,
			    "%s: /etc/resolv.conf sends the host's own queries to %s, a frontend, where edge53 does not see them and nobody else listens",
			    check->plan->services[service].name, text)
			    ?: findings_mend(
				       check->findings,
				       "sed -i --follow-symlinks '/^nameserver[[:space:]]*%s[[:space:]]*$/d' /etc/resolv.conf   # and name a resolver elsewhere",
				       text);
	}
	return r;
}
