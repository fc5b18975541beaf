/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers as they stand in packets, in network order wherever they lie, and the sum that is checked there (RFC 1071). */
#ifndef EDGE53_WIRE_H
#define EDGE53_WIRE_H

#include <stddef.h>

static inline unsigned int u16_at(const unsigned char *at)
{
	return (unsigned int)at[0] << 8 | at[1];
}

static inline unsigned int u32_at(const unsigned char *at)
{
	return u16_at(at) << 16 | u16_at(at + 2);
}

/* The lower 16 bits of the value. */
static inline void store_u16(unsigned char *at, unsigned int value)
{
	at[0] = (unsigned char)(value >> 8);
	at[1] = (unsigned char)value;
}

/* sum: what was summed up so far, of an even number of bytes. */
static inline unsigned long sum_words(const unsigned char *bytes, size_t len, unsigned long sum)
{
	for (size_t i = 0; i < len; i++)
		sum += (unsigned long)bytes[i] << (i % 2 ? 0 : 8);
	return sum;
}

/* Such a sum in 16 bits; a checksum is what it lacks to 0xffff. */
static inline unsigned int fold_sum(unsigned long sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (unsigned int)sum;
}

#endif
