/* SPDX-License-Identifier: GPL-2.0-only */
/* The settings that a running program was loaded with, out of its read-only data. */
#ifndef EDGE53_EXPLAIN_CONSTANTS_H
#define EDGE53_EXPLAIN_CONSTANTS_H

#include <bpf/libbpf.h>

/*
 * Gives each constant of an object that is not loaded yet the value that the program's constant of the same name has.
 * -EPROTO: one is missing there or has another size, so the program is of another version; or another negative errno.
 */
int explain_constants_copy(struct bpf_object *object, int program_fd);

#endif
