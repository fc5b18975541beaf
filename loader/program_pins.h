/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The programs at work, pinned as programs/ID (pins.h). A link tells the number of its program, and only with
 * CAP_SYS_ADMIN, which the loader has not, would the kernel give a descriptor for a number.
 */
#ifndef EDGE53_PROGRAM_PINS_H
#define EDGE53_PROGRAM_PINS_H

#include <stddef.h>

/* Pins these, beside what is pinned there. Descriptors stay the caller's. Returns 0 or negative errno. */
int program_pins_add(const int fds[], size_t n);

/* Removes all but these. */
void program_pins_keep(const int fds[], size_t n);

/*
 * A descriptor of the program with this number, which is the caller's, or negative errno. Who may asks the kernel for one
 * that is not pinned.
 */
int program_pins_open(unsigned int id);

#endif
