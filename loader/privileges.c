// SPDX-License-Identifier: GPL-2.0-only
#include "privileges.h"

#include <cap-ng.h>
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>

#include "log.h"
#include "util.h"

/*
 * What each is for, and what failed after the start without it (net/privileges):
 * CAP_BPF: programs and maps; the tables of `return` that a reload asks for.
 * CAP_NET_ADMIN: programs and hooks; clsact filters of a device that comes. Also neighbours that are asked for.
 * CAP_PERFMON: the verifier compares packet pointers for nobody else; export.dnstap, whose buffers are perf events of a
 * CPU, and which a reload may begin with.
 * Root without the others still is the owner of bpffs and of rcu_expedited.
 */
static const unsigned int needed[] = { CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON };

static bool has(capng_type_t set, unsigned int capability)
{
	return capng_have_capability(set, capability) > 0;
}

/* Older than CAP_BPF and CAP_PERFMON, and stands for both. */
static bool has_only_sys_admin(void)
{
	return has(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) &&
	       (!has(CAPNG_EFFECTIVE, CAP_BPF) || !has(CAPNG_EFFECTIVE, CAP_PERFMON));
}

bool privileges_suffice(void)
{
	if (capng_get_caps_process())
		return false;
	return has(CAPNG_EFFECTIVE, CAP_NET_ADMIN) &&
	       (has(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) ||
		(has(CAPNG_EFFECTIVE, CAP_BPF) && has(CAPNG_EFFECTIVE, CAP_PERFMON)));
}

static int keep(unsigned int capability)
{
	return capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET,
			    capability);
}

int privileges_drop(void)
{
	bool held[ARRAY_SIZE(needed)], needs_sys_admin;
	int r = 0;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	if (capng_get_caps_process())
		return -EIO;
	needs_sys_admin = has_only_sys_admin();
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		held[i] = has(CAPNG_PERMITTED, needed[i]);
	capng_clear(CAPNG_SELECT_ALL);
	for (size_t i = 0; i < ARRAY_SIZE(needed) && !r; i++)
		r = held[i] ? keep(needed[i]) : 0;
	if (!r && needs_sys_admin)
		r = keep(CAP_SYS_ADMIN);
	if (r)
		return -EIO;
	/*
	 * Only who has CAP_SETPCAP can take from the bounding set. Who has not, as a user with ambient capabilities, has
	 * nothing to gain by what is in it: no_new_privs is set.
	 */
	if (capng_apply(CAPNG_SELECT_BOUNDS))
		log_debug("capabilities: the bounding set stays as it is");
	if (capng_apply(CAPNG_SELECT_CAPS | CAPNG_SELECT_AMBIENT))
		return -EPERM;
	if (needs_sys_admin)
		log_warning(
			"keeping CAP_SYS_ADMIN, as the loader was started without CAP_BPF and CAP_PERFMON, which would be enough");
	return 0;
}
