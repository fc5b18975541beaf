// SPDX-License-Identifier: GPL-2.0-only
/*
 * The way of a packet through the chains of a hook. Where a match may or may not hold, both ways are followed, and
 * what was possible is kept; so nothing is said for certain that depends on what is not known.
 */
#include "check_nft.h"

#include <errno.h>
#include <string.h>

struct walk {
	struct nft_ruleset *ruleset;
	const struct nft_packet *packet;
	struct nft_result *result;
	const struct nft_place *base;
	bool may_accept;
	bool may_drop;
	struct nft_place drop;
	unsigned int depth;
};

int nft_ruleset_open(const json_t *document, struct nft_ruleset *ret)
{
	const json_t *list = json_object_get(document, "nftables");

	if (!json_is_array(list))
		return -EBADMSG;
	*ret = (struct nft_ruleset){ .list = list, .max_steps = NFT_MAX_STEPS };
	return 0;
}

/* How sure it is that the packet is still here. Returns that at the end of the chain. */
static enum nft_tri walk_chain(struct walk *walk, const struct nft_place *chain, enum nft_tri here);

static void may_drop(struct walk *walk, const struct nft_place *at)
{
	if (!walk->may_drop)
		walk->drop = *at;
	walk->may_drop = true;
}

static void redirects(struct walk *walk, const struct nft_place *at, enum nft_tri here)
{
	if (here > walk->result->redirects) {
		walk->result->redirects = here;
		walk->result->redirect = *at;
	}
	walk->may_accept = true;
}

/* What became of the packet in a rule. */
struct passage {
	enum nft_tri goes_on;	  /* to the next statement */
	enum nft_tri not_matched; /* to the next rule, as a match did not hold */
	enum nft_tri returned;	  /* to the chain that called this one */
};

/* A match held, or not, or who knows. */
static void take_match(struct passage *passage, enum nft_tri holds)
{
	if (holds == NFT_MAYBE)
		passage->not_matched = NFT_MAYBE;
	passage->goes_on = nft_and(passage->goes_on, holds);
}

static enum nft_tri call(struct walk *walk, const struct nft_place *at, const json_t *verdict,
			 enum nft_tri here)
{
	struct nft_place target = *at;

	target.chain = nft_text(verdict, "target");
	return walk_chain(walk, &target, here);
}

/* A verdict, of a rule or of a map. here: how sure it is to be reached. Returns false when it is none. */
static bool take_verdict(struct walk *walk, const struct nft_place *at, const json_t *verdict,
			 enum nft_tri here, struct passage *passage)
{
	const json_t *jump = json_object_get(verdict, "jump"),
		     *go_to = json_object_get(verdict, "goto");

	if (jump) {
		passage->goes_on = call(walk, at, jump, here);
		return true;
	}
	if (json_object_get(verdict, "continue"))
		return true;
	passage->goes_on = NFT_NO;
	if (go_to) {
		passage->returned = nft_or(passage->returned, call(walk, at, go_to, here));
	} else if (json_object_get(verdict, "accept")) {
		walk->may_accept = true;
	} else if (json_object_get(verdict, "drop") || json_object_get(verdict, "reject")) {
		may_drop(walk, at);
	} else if (json_object_get(verdict, "queue") || json_object_get(verdict, "synproxy")) {
		walk->may_accept = true; /* somebody else decides */
		may_drop(walk, at);
	} else if (json_object_get(verdict, "return")) {
		passage->returned = nft_or(passage->returned, here);
	} else if (json_object_get(verdict, "dnat") || json_object_get(verdict, "redirect") ||
		   json_object_get(verdict, "tproxy")) {
		redirects(walk, at, here);
	} else if (json_object_get(verdict, "snat") || json_object_get(verdict, "masquerade")) {
		walk->may_accept = true;
	} else {
		passage->goes_on = here;
		return false;
	}
	return true;
}

/* {"vmap": {"key": ..., "data": {"set": [[key, verdict], ...]} or "@map"}} */
static void take_verdict_map(struct walk *walk, const struct nft_place *at, const json_t *vmap,
			     enum nft_tri here, struct passage *passage)
{
	const json_t *key = json_object_get(vmap, "key"), *data = json_object_get(vmap, "data");
	const json_t *entries = json_object_get(data, "set"), *entry;
	enum nft_tri left = here; /* how sure it is that no entry was the right one yet */
	size_t i;

	passage->goes_on = NFT_NO;
	if (json_is_string(data))
		entries = json_object_get(
			nft_find(walk->ruleset, at, "map",
				 json_string_value(data) + (json_string_value(data)[0] == '@')),
			"elem");
	if (!json_is_array(entries)) {
		walk->may_accept = true;
		may_drop(walk, at);
		passage->goes_on = NFT_MAYBE;
		return;
	}
	json_array_foreach (entries, i, entry) {
		enum nft_tri same =
			nft_compare(walk->ruleset, at, key, json_array_get(entry, 0), walk->packet);
		struct passage one = { .goes_on = nft_and(left, same) };

		if (same == NFT_NO || left == NFT_NO)
			continue;
		take_verdict(walk, at, json_array_get(entry, 1), nft_and(left, same), &one);
		passage->goes_on = nft_or(passage->goes_on, one.goes_on);
		passage->returned = nft_or(passage->returned, one.returned);
		left = same == NFT_YES ? NFT_NO : NFT_MAYBE;
	}
	passage->goes_on = nft_or(passage->goes_on, left);
}

/* Statements that do not decide where the packet goes. */
static bool is_without_effect(const char *statement)
{
	static const char *const statements[] = { "counter",	"log",	   "comment",
						  "mangle",	"notrack", "ct helper",
						  "ct timeout", "last",	   "secmark",
						  "dup",	"map",	   "ct expectation" };

	for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
		if (!strcmp(statement, statements[i]))
			return true;
	return false;
}

/* Targets of iptables that leave the packet to the next rule. */
static bool is_target_without_verdict(const char *name)
{
	static const char *const targets[] = { "AUDIT",	 "CHECKSUM", "CLASSIFY", "CONNMARK",
					       "CT",	 "DSCP",     "HL",	 "LOG",
					       "MARK",	 "NFLOG",    "NOTRACK",	 "SET",
					       "TCPMSS", "TOS",	     "TRACE",	 "TTL" };

	for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
		if (!strcmp(name, targets[i]))
			return true;
	return false;
}

/* An extension of iptables that nft cannot say in its own words; a target is one, too. */
static void take_foreign(struct walk *walk, const struct nft_place *at, const json_t *xt,
			 struct passage *passage)
{
	const char *name = nft_text(xt, "name");

	if (is_target_without_verdict(name) && !strcmp(nft_text(xt, "type"), "target"))
		return;
	if (!strcmp(name, "DNAT") || !strcmp(name, "REDIRECT") || !strcmp(name, "TPROXY"))
		redirects(walk, at, nft_and(passage->goes_on, NFT_MAYBE));
	else if (strcmp(nft_text(xt, "type"), "match") != 0) {
		walk->may_accept = true;
		may_drop(walk, at);
	}
	take_match(passage, NFT_MAYBE);
}

/* An update of a set matters when it has a limit with it. */
static bool is_plain_update(const json_t *statement)
{
	const json_t *set = json_object_get(statement, "set");

	return set && !json_object_get(set, "stmt");
}

static void take_statement(struct walk *walk, const struct nft_place *at, const json_t *statement,
			   struct passage *passage)
{
	const json_t *match = json_object_get(statement, "match"),
		     *vmap = json_object_get(statement, "vmap"),
		     *xt = json_object_get(statement, "xt");
	const char *name = json_object_iter_key(json_object_iter((json_t *)statement));

	if (match)
		take_match(passage, nft_match(walk->ruleset, at, match, walk->packet));
	else if (vmap)
		take_verdict_map(walk, at, vmap, passage->goes_on, passage);
	else if (xt)
		take_foreign(walk, at, xt, passage);
	else if (name && !is_without_effect(name) && !is_plain_update(statement) &&
		 !take_verdict(walk, at, statement, passage->goes_on, passage))
		take_match(passage, NFT_MAYBE); /* limit, quota, ct count ... */
}

/*
 * Returns how sure it is that the packet comes to the next rule: it does when a match did not hold, when a jump came
 * back, or when the rule has no verdict.
 */
static enum nft_tri walk_rule(struct walk *walk, const struct nft_place *chain, const json_t *rule,
			      enum nft_tri here, enum nft_tri *returned)
{
	struct passage passage = { .goes_on = here, .returned = *returned };
	struct nft_place at = *chain;
	const json_t *statements = json_object_get(rule, "expr"), *statement;
	size_t i;

	at.handle = json_integer_value(json_object_get(rule, "handle"));
	json_array_foreach (statements, i, statement) {
		take_statement(walk, &at, statement, &passage);
		if (passage.goes_on != NFT_NO)
			continue;
		/* Matches come first: nothing has become of the packet when one does not hold. */
		if (json_object_get(statement, "match"))
			return here;
		break;
	}
	*returned = passage.returned;
	return nft_or(passage.goes_on, passage.not_matched);
}

static enum nft_tri walk_rules(struct walk *walk, const struct nft_place *chain, enum nft_tri here)
{
	enum nft_tri returned = NFT_NO;
	const json_t *entry;
	size_t i;

	json_array_foreach (walk->ruleset->list, i, entry) {
		const json_t *rule = json_object_get(entry, "rule");

		if (!rule || strcmp(nft_text(rule, "chain"), chain->chain) != 0 ||
		    strcmp(nft_text(rule, "table"), chain->table) != 0 ||
		    strcmp(nft_text(rule, "family"), chain->family) != 0)
			continue;
		here = walk_rule(walk, chain, rule, here, &returned);
		if (here == NFT_NO)
			break;
	}
	return nft_or(here, returned);
}

static enum nft_tri walk_chain(struct walk *walk, const struct nft_place *chain, enum nft_tri here)
{
	walk->ruleset->steps += json_array_size(walk->ruleset->list) + 1;
	if (walk->depth == NFT_MAX_DEPTH || walk->ruleset->steps >= walk->ruleset->max_steps) {
		walk->result->gave_up = true;
		return NFT_MAYBE;
	}
	walk->depth++;
	here = walk_rules(walk, chain, here);
	walk->depth--;
	return here;
}

static void walk_base(struct nft_ruleset *ruleset, const json_t *chain,
		      const struct nft_packet *packet, struct nft_result *result)
{
	struct nft_place base = { nft_text(chain, "family"), nft_text(chain, "table"),
				  nft_text(chain, "name"), 0 };
	struct walk walk = {
		.ruleset = ruleset, .packet = packet, .result = result, .base = &base
	};
	enum nft_tri end = walk_chain(&walk, &base, NFT_YES), drops;

	if (end != NFT_NO && !strcmp(nft_text(chain, "policy"), "drop"))
		may_drop(&walk, &base);
	else if (end != NFT_NO)
		walk.may_accept = true;
	drops = !walk.may_drop ? NFT_NO : walk.may_accept ? NFT_MAYBE : NFT_YES;
	if (drops > result->drops) {
		result->drops = drops;
		result->drop = walk.drop;
		result->drop_base = base;
	}
}

void nft_run(struct nft_ruleset *ruleset, const char *hook, const struct nft_packet *packet,
	     struct nft_result *ret)
{
	const json_t *entry;
	size_t i;

	*ret = (struct nft_result){ 0 };
	json_array_foreach (ruleset->list, i, entry) {
		const json_t *chain = json_object_get(entry, "chain");
		const char *family = nft_text(chain, "family");

		if (!chain || strcmp(nft_text(chain, "hook"), hook) != 0)
			continue;
		if (!strcmp(family, "inet") || !strcmp(family, packet->is_ipv6 ? "ip6" : "ip"))
			walk_base(ruleset, chain, packet, ret);
	}
	if (ruleset->steps >= ruleset->max_steps)
		ret->gave_up = true;
}
