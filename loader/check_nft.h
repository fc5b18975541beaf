/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What would nftables do with a packet? An answer from the JSON of `nft -j list ruleset`, for a packet of which
 * only some things are known: NO, YES, or MAYBE when it depends on what is not. Pure, and takes any JSON.
 */
#ifndef EDGE53_CHECK_NFT_H
#define EDGE53_CHECK_NFT_H

#include <jansson.h>
#include <net/if.h>

#include "util.h"

enum nft_tri { NFT_NO, NFT_MAYBE, NFT_YES };

static inline enum nft_tri nft_and(enum nft_tri a, enum nft_tri b)
{
	return a < b ? a : b;
}

static inline enum nft_tri nft_or(enum nft_tri a, enum nft_tri b)
{
	return a > b ? a : b;
}

#define NFT_ANY_PORT (-1)

struct nft_packet {
	bool is_ipv6;
	bool is_tcp;	 /* else UDP */
	bool is_reply;	 /* to conntrack: "established", else "new" */
	const char *iif; /* a name, or a glob: any such device; NULL: not known, or none */
	const char *oif;
	const struct edge53_addr *saddr; /* NULL: not known */
	const struct edge53_addr *daddr;
	int sport; /* NFT_ANY_PORT: not known */
	int dport;
	bool is_for_host; /* daddr is an address of this host */
};

/* A rule, or with handle 0 the policy of a chain. Points into the ruleset. */
struct nft_place {
	const char *family;
	const char *table;
	const char *chain;
	json_int_t handle;
};

#define NFT_MAX_STEPS 20000000ul /* a second or two */
#define NFT_MAX_DEPTH 16	 /* NFT_JUMP_STACK_SIZE of the kernel */

struct nft_ruleset {
	const json_t *list;
	unsigned long steps; /* rules and elements looked at */
	unsigned long max_steps;
	unsigned int depth;
};

/* What a hook does with a packet. */
struct nft_result {
	enum nft_tri drops;
	struct nft_place drop;	    /* the first that may; with YES one that does */
	struct nft_place drop_base; /* the base chain it is in, or is called from; handle 0 */
	enum nft_tri redirects;	    /* dnat, redirect, tproxy */
	struct nft_place redirect;
	bool gave_up; /* too large a ruleset to tell */
};

/* Returns 0, or -EBADMSG: no ruleset. The document must outlive it. */
int nft_ruleset_open(const json_t *document, struct nft_ruleset *ret);

/* hook: "prerouting", "input", "forward", "output", "postrouting". */
void nft_run(struct nft_ruleset *ruleset, const char *hook, const struct nft_packet *packet,
	     struct nft_result *ret);

/* check_nft_match.c: does a statement {"match": ...} hold, and is a key of a packet this one? */
enum nft_tri nft_match(struct nft_ruleset *ruleset, const struct nft_place *at, const json_t *match,
		       const struct nft_packet *packet);
enum nft_tri nft_compare(struct nft_ruleset *ruleset, const struct nft_place *at,
			 const json_t *left, const json_t *right, const struct nft_packet *packet);

/* The set, map or chain of a name in the table of `at`, or NULL. kind: "set", "map", "chain". */
const json_t *nft_find(struct nft_ruleset *ruleset, const struct nft_place *at, const char *kind,
		       const char *name);

/* A string of an object; "" when it is none. */
const char *nft_text(const json_t *object, const char *key);

#endif
