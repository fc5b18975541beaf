/* SPDX-License-Identifier: GPL-2.0-only */
/* What `cat` reads in bpffs: iterators over the pinned maps, pinned below text/ (pins.h). */
#ifndef EDGE53_TEXT_PIN_H
#define EDGE53_TEXT_PIN_H

/*
 * Pins the iterator that this program is over this map as text/NAME, in the place of an earlier one at once; who is
 * reading goes on with that. Descriptors stay the caller's. Returns 0 or negative errno; then there is no text/NAME, as
 * the earlier one may be over a map that nothing is counted in any more.
 */
int text_pin(const char *name, int program_fd, int map_fd);

#endif
