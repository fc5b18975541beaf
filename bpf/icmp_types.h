/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers of RFC 792, RFC 1812 and RFC 4443. linux/icmp.h has them too, but draws in headers of libc,
 * which clang does not find for BPF.
 */
#ifndef EDGE53_ICMP_TYPES_H
#define EDGE53_ICMP_TYPES_H

#define ICMP_DEST_UNREACH 3
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

/* Codes of ICMP_DEST_UNREACH. */
#define ICMP_NET_UNREACH 0
#define ICMP_HOST_UNREACH 1
#define ICMP_PROT_UNREACH 2
#define ICMP_PORT_UNREACH 3
#define ICMP_FRAG_NEEDED 4
#define ICMP_SR_FAILED 5
#define ICMP_NET_UNKNOWN 6
#define ICMP_HOST_UNKNOWN 7
#define ICMP_HOST_ISOLATED 8
#define ICMP_NET_ANO 9
#define ICMP_HOST_ANO 10
#define ICMP_NET_UNR_TOS 11
#define ICMP_HOST_UNR_TOS 12
#define ICMP_PKT_FILTERED 13
#define ICMP_PREC_CUTOFF 15

#define ICMPV6_DEST_UNREACH 1
#define ICMPV6_PKT_TOOBIG 2
#define ICMPV6_TIME_EXCEED 3
#define ICMPV6_PARAMPROB 4

/* Codes of ICMPV6_DEST_UNREACH, and of ICMPV6_PARAMPROB. */
#define ICMPV6_NOROUTE 0
#define ICMPV6_ADM_PROHIBITED 1
#define ICMPV6_PORT_UNREACH 4
#define ICMPV6_UNK_NEXTHDR 1

#endif
