/* SPDX-License-Identifier: GPL-2.0-only */
/* The words of the configuration for what a service's flags and the guard's policies say. */
#ifndef EDGE53_POLICIES_H
#define EDGE53_POLICIES_H

#include "edge53_abi.h"

static inline const char *on_down_word(__u32 flags)
{
	return flags & EDGE53_SERVICE_DOWN_SERVFAIL ? "servfail"
	       : flags & EDGE53_SERVICE_DOWN_PASS   ? "pass"
						    : "drop";
}

static inline const char *ipv6_word(__u32 flags)
{
	return flags & EDGE53_SERVICE_IPV6_REDIRECT ? "redirect"
	       : flags & EDGE53_SERVICE_IPV6_DROP   ? "drop"
						    : "pass";
}

static inline const char *dot_word(__u32 flags)
{
	return flags & EDGE53_SERVICE_DOT_REJECT ? "reject"
	       : flags & EDGE53_SERVICE_DOT_DROP ? "drop"
						 : "pass";
}

static inline const char *doh_word(__u32 flags)
{
	return flags & EDGE53_SERVICE_DOH_REJECT ? "reject"
	       : flags & EDGE53_SERVICE_DOH_DROP ? "drop"
						 : "pass";
}

static inline const char *client_ip_udp_word(__u32 flags)
{
	return flags & EDGE53_SERVICE_PROXY_UDP ? "proxy-v2" : "none";
}

static inline const char *client_ip_tcp_word(__u32 flags)
{
	return flags & EDGE53_SERVICE_PROXY_TCP ? "proxy-v2" : "none";
}

static inline const char *any_word(__u32 flags)
{
	return flags & EDGE53_SERVICE_ANY_TRUNCATE ? "truncate" : "pass";
}

static inline const char *guard_word(unsigned int policy)
{
	return policy == EDGE53_GUARD_DROP    ? "drop"
	       : policy == EDGE53_GUARD_COUNT ? "count"
					      : "off";
}

#endif
