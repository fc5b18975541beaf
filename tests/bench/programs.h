/* SPDX-License-Identifier: GPL-2.0-only */
/* What programs.c tells programs.bpf.c. */
#ifndef EDGE53_BENCH_PROGRAMS_H
#define EDGE53_BENCH_PROGRAMS_H

#include <linux/types.h>

#define PROGRAMS_TOKENS 16384
#define PROGRAMS_FRAME_LEN 72 /* Ethernet, IPv4, UDP, a DNS header and a question of 18 bytes */
#define PROGRAMS_SADDR_OFF 26
#define PROGRAMS_SPORT_OFF 34
#define PROGRAMS_DPORT_OFF 36
#define PROGRAMS_DNS_ID_OFF 42

struct programs_frame {
	__u64 words[PROGRAMS_FRAME_LEN / 8];
};

/* Network order. */
struct programs_token {
	__u32 saddr;
	__u16 sport;
	__u16 dport;
	__u16 dns_id;
	__u16 pad;
};

#endif
