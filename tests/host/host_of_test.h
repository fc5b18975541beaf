/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is asked about a snapshot of the host, for tests that link who asks and not loader/host.c, which would want
 * netlink. For one file of a test.
 */
#ifndef EDGE53_HOST_OF_TEST_H
#define EDGE53_HOST_OF_TEST_H

#include <net/if_arp.h>
#include <string.h>

#include "../../loader/host.h"

const struct host_link *host_link_by_name(const struct host *host, const char *name)
{
	for (size_t i = 0; i < host->n_links; i++)
		if (!strcmp(host->links[i].name, name))
			return &host->links[i];
	return NULL;
}

const struct host_link *host_link_by_index(const struct host *host, unsigned int ifindex)
{
	for (size_t i = 0; i < host->n_links; i++)
		if (host->links[i].ifindex == ifindex)
			return &host->links[i];
	return NULL;
}

bool host_link_is_ethernet(const struct host_link *link)
{
	return link->arphrd == ARPHRD_ETHER || link->arphrd == ARPHRD_LOOPBACK;
}

#endif
