// SPDX-License-Identifier: GPL-2.0-only
/* nftables beside us: who else redirects port 53, and who would drop what we have turned to the resolver. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "check_nft.h"

#define MAX_SAID 32	 /* rules that redirect; a file with more of them has told enough */
#define MAX_FRONTENDS 64 /* of a service, looked at one by one */

struct filter {
	const struct check *check;
	struct nft_ruleset ruleset;
	struct nft_place said[MAX_SAID];
	size_t n_said;
	bool gave_up;
};

static bool is_glob(const char *pattern)
{
	return strpbrk(pattern, "*?[");
}

/* --- rules that redirect ---------------------------------------------------------------------- */

static bool was_said(const struct filter *f, const struct nft_place *place)
{
	for (size_t i = 0; i < f->n_said; i++)
		if (f->said[i].handle == place->handle && !strcmp(f->said[i].chain, place->chain) &&
		    !strcmp(f->said[i].table, place->table) &&
		    !strcmp(f->said[i].family, place->family))
			return true;
	return false;
}

static int say_redirect(struct filter *f, const char *service, const char *device, bool is_enforce,
			const struct nft_result *result)
{
	const struct nft_place *at = &result->redirect;

	if (f->n_said == MAX_SAID || was_said(f, at))
		return 0;
	f->said[f->n_said++] = *at;
	return findings_add(
		       f->check->findings, FINDING_WARNING, FOUND_NFT_REDIRECTS_53,
		       "%s: nftables %s port 53 of %s too: table %s %s, chain %s, handle %lld; %s",
		       service, result->redirects == NFT_YES ? "redirects" : "may redirect", device,
		       at->family, at->table, at->chain, (long long)at->handle,
		       is_enforce
			       ? "it comes after edge53, and sends on what is for the resolver already"
			       : "edge53 comes before it, and it gets what edge53 passes")
		       ?: findings_mend(f->check->findings, "nft delete rule %s %s %s handle %lld",
					at->family, at->table, at->chain, (long long)at->handle);
}

static int look_for_redirect(struct filter *f, const char *service, const char *device,
			     const struct edge53_addr *daddr, bool is_ipv6, bool is_enforce)
{
	struct nft_packet packet = {
		.iif = device,
		.daddr = daddr,
		.is_ipv6 = is_ipv6,
		.is_for_host = check_is_local(f->check, daddr),
		.sport = NFT_ANY_PORT,
		.dport = EDGE53_DNS_PORT,
	};
	int r = 0;

	for (int is_tcp = 0; is_tcp < 2 && !r; is_tcp++) {
		struct nft_result result;

		packet.is_tcp = is_tcp;
		nft_run(&f->ruleset, "prerouting", &packet, &result);
		f->gave_up |= result.gave_up;
		if (result.redirects != NFT_NO)
			r = say_redirect(f, service, device, is_enforce, &result);
	}
	return r;
}

static int check_edge_filter(struct filter *f, size_t service)
{
	const struct plan *plan = f->check->plan;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < plan->n_frontends && !r && n < MAX_FRONTENDS; i++) {
		const struct plan_frontend *frontend = &plan->frontends[i];

		if (frontend->service != service)
			continue;
		n++;
		r = look_for_redirect(f, plan->services[service].name,
				      plan->devices[frontend->device].name, &frontend->address,
				      !addr_is_ipv4(&frontend->address), false);
	}
	return r;
}

/* --- the way to the resolver ------------------------------------------------------------------ */

/* What became of UDP and of TCP, by one hook. */
struct both {
	struct nft_result udp;
	struct nft_result tcp;
};

static const char *place_text(const struct nft_place *at, char *text, size_t size)
{
	if (at->handle)
		snprintf(text, size, "table %s %s, chain %s, handle %lld", at->family, at->table,
			 at->chain, (long long)at->handle);
	else
		snprintf(text, size, "the policy of table %s %s, chain %s", at->family, at->table,
			 at->chain);
	return text;
}

/* A rule that comes first. nft has no globs but "ppp*". */
static int mend_drop(const struct filter *f, const struct config_enforce *enforce,
		     const struct edge53_addr *resolver, const struct nft_place *base,
		     bool is_reply)
{
	const char *pattern = enforce->interface, *direction = is_reply ? "oifname" : "iifname";
	size_t literal = strcspn(pattern, "*?[");
	char text[ADDR_TEXT_LEN], device[64] = "";

	/* "ppp[0-9]": all that begin like it; "*": all, which is said by not saying it. */
	if (literal)
		snprintf(device, sizeof(device), "%s '\"%.*s%s\"' ", direction,
			 (int)(literal < IFNAMSIZ ? literal : IFNAMSIZ), pattern,
			 is_glob(pattern) ? "*" : "");
	return findings_mend(
		f->check->findings,
		"nft insert rule %s %s %s %s%s %s %s meta l4proto '{ tcp, udp }' th %s 53 accept",
		base->family, base->table, base->chain, device,
		addr_is_ipv4(resolver) ? "ip" : "ip6", is_reply ? "saddr" : "daddr",
		addr_format(resolver, text), is_reply ? "sport" : "dport");
}

static int say_drop(const struct filter *f, const struct config_enforce *enforce,
		    const struct edge53_addr *resolver, const struct both *both, bool is_reply)
{
	bool udp = both->udp.drops >= both->tcp.drops, tcp = both->tcp.drops >= both->udp.drops;
	const struct nft_result *result = udp ? &both->udp : &both->tcp;
	bool is_sure = result->drops == NFT_YES;
	char text[ADDR_TEXT_LEN], place[512];

	place_text(&result->drop, place, sizeof(place));
	addr_format(resolver, text);
	return findings_add(
		       f->check->findings, is_sure ? FINDING_ERROR : FINDING_WARNING,
		       is_reply	 ? FOUND_NFT_DROPS_REPLIES
		       : is_sure ? FOUND_NFT_DROPS_RESOLVER
				 : FOUND_NFT_MAY_DROP_RESOLVER,
		       "%s: nftables %s %s %s %s resolver %s port 53 (clients on %s): %s%s",
		       enforce->name, is_sure ? "drops" : "may drop",
		       udp && tcp ? "UDP and TCP"
		       : udp	  ? "UDP"
				  : "TCP",
		       is_reply ? "replies" : "queries", is_reply ? "from" : "to", text,
		       enforce->interface, place,
		       is_sure ? ""
			       : "; it depends on what could not be told from here, as whose address it is")
		       ?: mend_drop(f, enforce, resolver, &result->drop_base, is_reply);
}

static int check_hook(struct filter *f, const struct config_enforce *enforce,
		      const struct edge53_addr *resolver, const char *hook, bool is_reply)
{
	struct nft_packet packet = { .is_ipv6 = !addr_is_ipv4(resolver),
				     .is_reply = is_reply,
				     .sport = NFT_ANY_PORT,
				     .dport = NFT_ANY_PORT };
	struct both both;

	if (is_reply) {
		packet.oif = enforce->interface;
		packet.saddr = resolver;
		packet.sport = EDGE53_DNS_PORT;
	} else {
		packet.iif = enforce->interface;
		packet.daddr = resolver;
		packet.dport = EDGE53_DNS_PORT;
		packet.is_for_host = check_is_local(f->check, resolver);
	}
	nft_run(&f->ruleset, hook, &packet, &both.udp);
	packet.is_tcp = true;
	nft_run(&f->ruleset, hook, &packet, &both.tcp);
	f->gave_up |= both.udp.gave_up || both.tcp.gave_up;
	if (both.udp.drops == NFT_NO && both.tcp.drops == NFT_NO)
		return 0;
	return say_drop(f, enforce, resolver, &both, is_reply);
}

static int check_resolver(struct filter *f, const struct config_enforce *enforce,
			  const struct edge53_addr *resolver)
{
	bool is_local = check_is_local(f->check, resolver);

	if (addr_is_zero(resolver))
		return 0;
	return look_for_redirect(f, enforce->name, enforce->interface, resolver,
				 !addr_is_ipv4(resolver), true)
		       ?: check_hook(f, enforce, resolver, "prerouting", false)
		       ?: check_hook(f, enforce, resolver, is_local ? "input" : "forward", false)
		       ?: check_hook(f, enforce, resolver, is_local ? "output" : "forward", true);
}

/* --- the whole -------------------------------------------------------------------------------- */

static int check_ruleset(const struct check *check)
{
	struct filter f = { .check = check };
	const struct config *config = check->config;
	int r = 0;

	if (nft_ruleset_open(check->facts->nft, &f.ruleset) < 0)
		return findings_add(check->findings, FINDING_NOTE, FOUND_NOT_TOLD,
				    "could not tell what nftables does: its answer is no ruleset");
	for (size_t i = 0; i < config->n_edges && !r; i++)
		r = check_edge_filter(&f, i);
	for (size_t i = 0; i < config->n_enforces && !r; i++)
		r = check_resolver(&f, &config->enforces[i], &config->enforces[i].resolver)
			    ?: check_resolver(&f, &config->enforces[i],
					      &config->enforces[i].resolver6);
	if (!r && f.gave_up)
		r = findings_add(
			check->findings, FINDING_NOTE, FOUND_NOT_TOLD,
			"could not tell all of what nftables does: the ruleset is too large or turns in circles");
	return r;
}

int check_filter(const struct check *check)
{
	int r = 0;

	if (!check->config->n_edges && !check->config->n_enforces)
		return 0;
	if (check->facts->nft)
		r = check_ruleset(check);
	else if (check->facts->nft_why)
		r = findings_add(check->findings, FINDING_NOTE, FOUND_NOT_TOLD,
				 "could not tell what nftables does: %s", check->facts->nft_why);
	if (!r && check->facts->has_legacy_tables)
		r = findings_add(
			    check->findings, FINDING_NOTE, FOUND_IPTABLES_LEGACY,
			    "tables of iptables-legacy are loaded, which nftables does not show; whether they redirect or drop port 53 could not be told")
			    ?: findings_mend(
				       check->findings,
				       "iptables-legacy-save; ip6tables-legacy-save   # look for port 53");
	return r;
}
