/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Ordering of plain loads and stores between CPUs. BPF has no fences; on x86 (TSO) the compiler is
 * the only one to hold back, elsewhere an atomic read-modify-write with a result is a full barrier
 * (Documentation/bpf/standardization/instruction-set.rst, BPF_FETCH; kernel memory model).
 */
#ifndef EDGE53_BARRIER_H
#define EDGE53_BARRIER_H

#include <linux/types.h>

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))

#if defined(__TARGET_ARCH_x86)
#define smp_wmb() asm volatile("" ::: "memory")
#define smp_rmb() asm volatile("" ::: "memory")
#else
static __always_inline void smp_mb(void)
{
	__u64 fence = 0;

	/* The result must be used, or clang emits the form without BPF_FETCH. */
	__u64 old = __sync_fetch_and_add(&fence, 1);

	asm volatile("" ::"r"(old) : "memory");
}
#define smp_wmb() smp_mb()
#define smp_rmb() smp_mb()
#endif

#endif
