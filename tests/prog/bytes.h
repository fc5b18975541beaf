/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers in network order. */
#ifndef EDGE53_TEST_BYTES_H
#define EDGE53_TEST_BYTES_H

static inline void put16(unsigned char *p, unsigned value)
{
	p[0] = value >> 8;
	p[1] = value;
}

static inline void put32(unsigned char *p, unsigned value)
{
	put16(p, value >> 16);
	put16(p + 2, value);
}

static inline unsigned get16(const unsigned char *p)
{
	return p[0] << 8 | p[1];
}

#endif
