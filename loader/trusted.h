/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that decide what the loader does, and who could change them. */
#ifndef EDGE53_TRUSTED_H
#define EDGE53_TRUSTED_H

#include <stdbool.h>
#include <sys/stat.h>

/*
 * Opens what only root and the caller can change or put something else in place of: each directory and symbolic link
 * on the way, and what is opened, belongs to one of these two, and neither group nor others can write to it; to a
 * directory with the sticky bit, as /tmp, they may. What is judged is what is opened, and not a name that may mean
 * something else a moment later.
 *
 * flags as of open(2), without O_CREAT. Returns a descriptor (O_CLOEXEC), or negative errno. -EPERM with *ret_why, which
 * is the caller's to free: why it is not to be trusted, and what mends it; *ret_why is NULL with any other error.
 */
int trusted_open(const char *path, int flags, char **ret_why);

/* Whether root or the caller owns it. */
bool trusted_owner(const struct stat *st);

#endif
