/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the fuzz targets have in common. A target is a file fuzz_NAME.c with
 * LLVMFuzzerTestOneInput(), which asserts what holds for every input, and its corpus corpus/NAME/.
 * `make fuzz` links it with libFuzzer, `make test` with replay.c.
 */
#ifndef EDGE53_FUZZ_H
#define EDGE53_FUZZ_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* The input with a 0 behind it, the caller's to free(). */
static inline char *text_of(const uint8_t *bytes, size_t len)
{
	char *text = malloc(len + 1);

	assert(text);
	if (len)
		memcpy(text, bytes, len);
	text[len] = '\0';
	return text;
}

/* An input is eaten from its front. What is not there any more reads as 0. */
struct input {
	const uint8_t *bytes;
	size_t len;
};

static inline void input_take(struct input *in, void *to, size_t len)
{
	size_t n = len < in->len ? len : in->len;

	memset(to, 0, len);
	if (n)
		memcpy(to, in->bytes, n);
	in->bytes += n;
	in->len -= n;
}

/* Numbers are little-endian, as on the machines we fuzz on. */
static inline uint8_t input_u8(struct input *in)
{
	uint8_t value;

	input_take(in, &value, sizeof(value));
	return value;
}

static inline uint16_t input_u16(struct input *in)
{
	uint16_t value;

	input_take(in, &value, sizeof(value));
	return value;
}

static inline uint32_t input_u32(struct input *in)
{
	uint32_t value;

	input_take(in, &value, sizeof(value));
	return value;
}

/*
 * A copy that ends where its memory ends, so that ASan sees the first byte read behind it; free()
 * it. offset: bytes left free in front, for the alignment of what follows.
 */
static inline uint8_t *copy_exactly(const void *bytes, size_t len, size_t offset)
{
	uint8_t *copy = malloc(offset + len + !(offset + len));

	assert(copy);
	if (len)
		memcpy(copy + offset, bytes, len);
	return copy;
}

#endif
