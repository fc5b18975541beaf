/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requests over netlink, and the checks an answer must pass before anyone looks into it.
 * One request at a time; used by host*.c only.
 */
#ifndef EDGE53_NETLINK_H
#define EDGE53_NETLINK_H

#include <libmnl/libmnl.h>
#include <stdint.h>

#include "util.h"

struct netlink {
	int fd;
	bool broken; /* the conversation itself failed, as opposed to the kernel saying no */
	uint32_t sequence;
	uint32_t port;
	char *buffer; /* of the last answer; grows */
	size_t buffer_len;
	union {
		struct nlmsghdr header;
		char bytes[512];
	} request;
};

/* Takes the answer: called for each message, returns 0 or negative errno. */
struct netlink_answer {
	int (*read)(const struct nlmsghdr *message, void *data);
	void (*forget)(void *data); /* a dump starts over: drop what was read; may be NULL */
	void *data;
};

/* Opens a socket of bus NETLINK_ROUTE or NETLINK_GENERIC. Returns 0 or negative errno. */
int netlink_open(int bus, struct netlink **ret);
void netlink_free(struct netlink *netlink);

static inline void netlink_freep(struct netlink **netlink)
{
	netlink_free(*netlink);
}

/* Begins a request; the caller adds the protocol's own header and attributes. */
struct nlmsghdr *netlink_request(struct netlink *netlink, uint16_t type, uint16_t flags);

/*
 * Sends the request and hands the messages of the answer to answer->read. answer may be NULL when
 * only the acknowledgement matters. A dump that was interrupted by changes is repeated, 16 times at
 * most, then -EAGAIN. Else 0, what read() returned, what the kernel refused with, or (with
 * netlink->broken set) what is wrong with the socket.
 */
int netlink_talk(struct netlink *netlink, const struct netlink_answer *answer);

/* The message at the start of len bytes, or NULL when it is cut short. */
const struct nlmsghdr *netlink_whole_message(const char *bytes, size_t len);

/* An attribute that is looked for; min_len matters for MNL_TYPE_BINARY. */
struct netlink_attribute {
	uint16_t type;
	enum mnl_attr_data_type data_type;
	uint16_t min_len;
};

/*
 * Finds the wanted attributes among those after the message's protocol header of header_len bytes;
 * found[i] belongs to wanted[i] and is NULL when absent. -EBADMSG: cut short, or one has the wrong
 * size.
 */
int netlink_attributes(const struct nlmsghdr *message, size_t header_len,
		       const struct netlink_attribute *wanted, size_t n,
		       const struct nlattr **found);

/* The same for the attributes inside one. */
int netlink_nested(const struct nlattr *nest, const struct netlink_attribute *wanted, size_t n,
		   const struct nlattr **found);

/* The same for plain memory, for structures that carry attributes (rtnexthop). */
int netlink_parse(const void *bytes, size_t len, const struct netlink_attribute *wanted, size_t n,
		  const struct nlattr **found);

#endif
