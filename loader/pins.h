/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the running state lives in bpffs, and who may change it.
 *
 *   /sys/fs/bpf/edge53/NAME          maps, under their plain names (clients, slots, ...)
 *   /sys/fs/bpf/edge53/links/HOOK_IF tcx and XDP links; bpffs refuses dots, so they are escaped
 *   /sys/fs/bpf/edge53/text/NAME     iterators, to be read with cat (text.h)
 *   /sys/fs/bpf/edge53/programs/ID   programs at work, by their number (program_pins.h)
 *   /sys/fs/bpf/edge53/rcu_expedited there only while links are made (rcu.h)
 *
 * The root can be moved with the global option --pins, for a second instance in another network
 * namespace.
 */
#ifndef EDGE53_PINS_H
#define EDGE53_PINS_H

#include <stdbool.h>
#include <stddef.h>

#define PINS_DEFAULT_ROOT "/sys/fs/bpf/edge53"
#define PINS_PATH_LEN 256
#define PINS_RCU_MARK "rcu_expedited" /* a directory (rcu.h) */
#define PINS_TEXT "text"	      /* another */
#define PINS_PROGRAMS "programs"      /* another */

/* root must stay valid. Called once, before anything else here. */
void pins_set_root(const char *root);
const char *pins_root(void);

/* Path of a pinned map. Returns buf. */
const char *pins_map_path(const char *map, char buf[static PINS_PATH_LEN]);

/* Where a map of a new set is pinned until pins_commit(). Returns buf. */
const char *pins_new_map_path(const char *map, char buf[static PINS_PATH_LEN]);

/* Path of a pinned link: hook is "xdp", "tcx_ingress" and so on (attach.c). Returns buf. */
const char *pins_link_path(const char *hook, const char *ifname, char buf[static PINS_PATH_LEN]);

/* Path of a directory below the root, and of a pinned program in it. Return buf. */
const char *pins_directory_path(const char *name, char buf[static PINS_PATH_LEN]);
const char *pins_program_path(unsigned int id, char buf[static PINS_PATH_LEN]);

/* Path of a pinned iterator. Returns buf. */
const char *pins_text_path(const char *name, char buf[static PINS_PATH_LEN]);

/*
 * Splits the name of an entry in links/ into hook and interface. False when it is not one of ours.
 * hook takes 32 bytes, ifname IF_NAMESIZE.
 */
bool pins_parse_link(const char *entry, char hook[static 32], char ifname[static 16]);

/*
 * Makes the root (mounting bpffs on /sys/fs/bpf when nothing is mounted there) with mode 0700 and
 * takes the lock that one live loader holds; what is there is the owner's alone from then on. Returns a descriptor to
 * keep open, -EBUSY: another loader lives, -ENODEV: the root is not on a bpffs, -EPERM: it or something in it is
 * another user's, which is logged, or another negative errno.
 */
int pins_lock(void);

/*
 * Who holds the lock, as /proc/locks tells: its pid, 0 when nobody does or it is in another pid
 * namespace, or negative errno.
 */
int pins_lock_holder(void);

/*
 * A set of maps takes the place of another at once: the map `record` is pinned first at its new path, the others
 * after it, and pins_commit() moves it to its place, which makes the new set valid, and then the others.
 * pins_recover(), called with the lock held before anything is read, brings to an end what was interrupted: the new
 * set is valid, or gone. Both return 0 or negative errno.
 */
int pins_commit(const char *record);
int pins_recover(const char *record);

/* Removes every pinned map that nobody wants. Returns 0 or the first error. */
typedef bool (*pins_is_wanted_fn)(const char *name, const void *arg);
int pins_remove_others(pins_is_wanted_fn is_wanted, const void *arg);

/*
 * Removes every pinned map, `first` before the others, and the directories. Call with the lock held
 * and links/ empty. Returns 0 or the first error.
 */
int pins_remove_all(const char *first);

/* Whether someone holds the lock. Never blocks; false when there is no root. */
int pins_is_locked(void);

#endif
