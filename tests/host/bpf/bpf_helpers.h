/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libbpf's header of this name as headers of bpf/ see it when they are compiled for the host: the
 * helpers that a parser calls work on a struct host_skb or host_xdp. Any other is a jump to nowhere.
 */
#ifndef EDGE53_HOST_BPF_HELPERS_H
#define EDGE53_HOST_BPF_HELPERS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>

#include_next <bpf/bpf_helpers.h>

#include "../host_skb.h"

#define bpf_skb_load_bytes host_skb_load_bytes
#define bpf_skb_pull_data host_skb_pull_data
#define bpf_xdp_get_buff_len host_xdp_get_buff_len

#define bpf_loop(n, step, data, flags)                     \
	({                                                 \
		__u32 _i = 0;                              \
		while (_i < (n) && !(step)(_i, (data)))    \
			_i++;                              \
		_i;                                        \
	})

#endif
