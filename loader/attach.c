/* SPDX-License-Identifier: GPL-2.0-only */
#include "attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/membarrier.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "netlink.h"
#include "pins.h"
#include "program_pins.h"
#include "rcu.h"

/* Kernel 6.6 (include/uapi/linux/bpf.h); Debian 12's headers are older. */
#define BPF_TCX_INGRESS_TYPE 46
#define BPF_TCX_EGRESS_TYPE 47
#define BPF_F_BEFORE_FLAG (1u << 3)

/* The names of our filters on a clsact qdisc: one of each to replace or to remove, never two. */
#define CLSACT_HANDLE 0xe53
#define CLSACT_HANDLE_RETURN 0xe54
#define CLSACT_PRIORITY 53
#define CLSACT_PRIORITY_OLD 54

/* `return` has its own, as a device may be an edge's or be guarded, too. */
enum place {
	PLACE_XDP,
	PLACE_INGRESS,
	PLACE_EGRESS,
	PLACE_RETURN_IN,
	PLACE_RETURN_OUT,
	PLACE_COUNT,
};

/*
 * Where replies come by, what an earlier loader attached can be kept behind ours, for the flows that only it knows
 * (attach_keep_old()): it has the pins old_*. What ours does not know passes to it.
 */
static const struct place_facts {
	const char *link_pin;	/* tcx or XDP link */
	const char *clsact_pin; /* record of a clsact filter */
	const char *old_link_pin;
	const char *old_clsact_pin;
	unsigned int attach_type;
	enum bpf_tc_attach_point clsact;
	unsigned int clsact_handle;
	const char *words;
} places[PLACE_COUNT] = {
	[PLACE_XDP] = { "xdp", NULL, NULL, NULL, BPF_XDP, 0, 0, "XDP" },
	[PLACE_INGRESS] = { "tcx_ingress", "clsact_ingress", "old_tcx_ingress",
			    "old_clsact_ingress", BPF_TCX_INGRESS_TYPE, BPF_TC_INGRESS,
			    CLSACT_HANDLE, "tc ingress" },
	[PLACE_EGRESS] = { "tcx_egress", "clsact_egress", "old_tcx_egress", "old_clsact_egress",
			   BPF_TCX_EGRESS_TYPE, BPF_TC_EGRESS, CLSACT_HANDLE, "tc egress" },
	[PLACE_RETURN_IN] = { "tcx_return_in", "clsact_return_in", NULL, NULL, BPF_TCX_INGRESS_TYPE,
			      BPF_TC_INGRESS, CLSACT_HANDLE_RETURN, "tc ingress (return)" },
	[PLACE_RETURN_OUT] = { "tcx_return_out", "clsact_return_out", NULL, NULL,
			       BPF_TCX_EGRESS_TYPE, BPF_TC_EGRESS, CLSACT_HANDLE_RETURN,
			       "tc egress (return)" },
};

/* The record that a clsact qdisc was made by us. */
#define QDISC_PIN "qdisc"

/* Devices whose tc hooks are looked at again in one regular look: thousands of them take turns. */
#define CHECKED_PER_LOOK 500

struct attachment {
	unsigned int ifindex;
	enum place place;
	char name[IFNAMSIZ];
	int program; /* enum attach_program; -1: refused */
	bool was_refused; /* and that was said */
	const char *why_no_xdp; /* then, at PLACE_XDP */
	enum attach_xdp_mode mode;
	bool is_clsact;
	unsigned int wanted_in; /* generation of the plan that last wanted it */
};

struct attachments {
	enum attach_tc tc;
	bool tcx_missing;
	bool has_applied;
	bool keeps_old;
	bool retry;
	unsigned int xdp_changes;
	unsigned int generation;
	size_t next_check; /* index in the devices of a plan */
	struct attachment *entries; /* sorted by ifindex, place */
	size_t n_entries;
};

int attachments_new(enum attach_tc tc, struct attachments **ret)
{
	struct attachments *attachments = calloc(1, sizeof(*attachments));

	if (!attachments)
		return -ENOMEM;
	attachments->tc = tc;
	*ret = attachments;
	return 0;
}

void attachments_free(struct attachments *attachments)
{
	if (!attachments)
		return;
	free(attachments->entries);
	free(attachments);
}

/* --- the table of what is attached ------------------------------------------------------------ */

static int compare(const struct attachment *a, unsigned int ifindex, enum place place)
{
	if (a->ifindex != ifindex)
		return a->ifindex < ifindex ? -1 : 1;
	return (int)a->place - (int)place;
}

/* Index of the entry, or of where it would be inserted. */
static size_t position(const struct attachments *at, unsigned int ifindex, enum place place)
{
	size_t low = 0, high = at->n_entries;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&at->entries[middle], ifindex, place) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct attachment *find(const struct attachments *at, unsigned int ifindex, enum place place)
{
	size_t i = position(at, ifindex, place);

	return i < at->n_entries && !compare(&at->entries[i], ifindex, place) ? &at->entries[i] :
										NULL;
}

/* All entries of a device bear the same name. */
static const struct attachment *first_of(const struct attachments *at, unsigned int ifindex)
{
	size_t i = position(at, ifindex, 0);

	return i < at->n_entries && at->entries[i].ifindex == ifindex ? &at->entries[i] : NULL;
}

static struct attachment *insert(struct attachments *at, const struct plan_device *device,
				 enum place place)
{
	size_t i = position(at, device->ifindex, place); /* before the table moves */
	struct attachment *entries =
		reallocarray(at->entries, at->n_entries + 1, sizeof(*entries));

	if (!entries)
		return NULL;
	at->entries = entries;
	memmove(&entries[i + 1], &entries[i], (at->n_entries - i) * sizeof(*entries));
	at->n_entries++;
	entries[i] = (struct attachment){
		.ifindex = device->ifindex,
		.place = place,
		.program = -1,
	};
	snprintf(entries[i].name, sizeof(entries[i].name), "%s", device->name);
	return &entries[i];
}

enum attach_xdp_mode attach_xdp_mode(const struct attachments *attachments, unsigned int ifindex)
{
	const struct attachment *entry = find(attachments, ifindex, PLACE_XDP);

	return entry && entry->program >= 0 ? entry->mode : XDP_MODE_NONE;
}

/* The guard asks this for each of 4,000 devices, so it looks for both places at once. */
bool attach_enforces(const struct attachments *attachments, unsigned int ifindex)
{
	size_t i = position(attachments, ifindex, PLACE_INGRESS);
	const struct attachment *in, *out;

	if (i + 1 >= attachments->n_entries)
		return false;
	in = &attachments->entries[i];
	out = in + 1;
	if (compare(in, ifindex, PLACE_INGRESS) || compare(out, ifindex, PLACE_EGRESS))
		return false;
	return (in->program == PROGRAM_ENFORCE_IN_L2 && out->program == PROGRAM_ENFORCE_OUT_L2) ||
	       (in->program == PROGRAM_ENFORCE_IN_L3 && out->program == PROGRAM_ENFORCE_OUT_L3);
}

bool attach_has_applied(const struct attachments *attachments)
{
	return attachments->has_applied;
}

unsigned int attach_xdp_changes(const struct attachments *attachments)
{
	return attachments->xdp_changes;
}

/* --- links ------------------------------------------------------------------------------------ */

/*
 * The device a pinned link is attached to; 0 when it is gone. XDP and tcx keep it at the same
 * place.
 */
static unsigned int link_ifindex(int link_fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link_fd, &info, &len))
		return 0;
	return info.xdp.ifindex;
}

static int pin_again(int fd, const char *path)
{
	unlink(path);
	return bpf_obj_pin(fd, path) ? -errno : 0;
}

/* Puts our program in place of the one a pinned link runs. -ENOENT: no such link on this device. */
static int adopt_link(const char *path, unsigned int ifindex, int program_fd)
{
	_cleanup_(closep) int fd = bpf_obj_get(path);

	if (fd < 0)
		return -ENOENT;
	if (link_ifindex(fd) != ifindex) {
		unlink(path);
		return -ENOENT;
	}
	return bpf_link_update(fd, program_fd, NULL) ? -errno : 0;
}

static int make_link(const char *path, unsigned int ifindex, int program_fd,
		     unsigned int attach_type, unsigned int flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);
	_cleanup_(closep) int fd = -1;

	fd = bpf_link_create(program_fd, (int)ifindex, (enum bpf_attach_type)attach_type, &opts);
	return fd < 0 ? -errno : pin_again(fd, path);
}

/* --- XDP -------------------------------------------------------------------------------------- */

static const char foreign_xdp[] = "another XDP program is attached to it";

/* Whether the XDP link on record is on this device: 1 yes, 0 no, or -EPERM. */
static int has_xdp_link(const char *ifname, unsigned int ifindex)
{
	char path[PINS_PATH_LEN];
	_cleanup_(closep) int fd =
		bpf_obj_get(pins_link_path(places[PLACE_XDP].link_pin, ifname, path));

	if (fd < 0)
		return errno == EPERM || errno == EACCES ? -EPERM : 0;
	return link_ifindex(fd) == ifindex;
}

static const char *why_no_xdp(const struct attachments *attachments, const struct host_link *link)
{
	const struct attachment *entry =
		attachments ? find(attachments, link->ifindex, PLACE_XDP) : NULL;

	if (entry)
		return entry->was_refused ? entry->why_no_xdp : NULL;
	/* Who may not look into our records must not take our program for another's. */
	return link->has_xdp && !has_xdp_link(link->name, link->ifindex) ? foreign_xdp : NULL;
}

void attach_tell_host(const struct attachments *attachments, struct host *host)
{
	for (size_t i = 0; i < host->n_links; i++)
		host->links[i].why_no_xdp = why_no_xdp(attachments, &host->links[i]);
}

static enum attach_xdp_mode current_xdp_mode(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	if (bpf_xdp_query((int)ifindex, 0, &opts))
		return XDP_MODE_NATIVE;
	return opts.attach_mode == XDP_ATTACHED_SKB ? XDP_MODE_GENERIC : XDP_MODE_NATIVE;
}

static bool has_foreign_xdp(unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	return !bpf_xdp_query((int)ifindex, 0, &opts) && opts.attach_mode != XDP_ATTACHED_NONE;
}

static const char *xdp_error(int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		return "the driver has none";
	case -ERANGE:
		return "the MTU is too large for it";
	default:
		return strerror(-error);
	}
}

static bool is_there(unsigned int ifindex)
{
	char name[IFNAMSIZ];

	return if_indextoname(ifindex, name);
}

static int get_program(const struct attach_programs *programs, enum attach_program program)
{
	return programs->get(programs->arg, program);
}

static int program_of_mode(enum attach_xdp_mode mode, const struct attach_programs *programs)
{
	return get_program(programs, mode == XDP_MODE_GENERIC ? PROGRAM_EDGE_XDP_GENERIC :
								PROGRAM_EDGE_XDP);
}

/* Makes the link with the program of that mode. */
static int make_xdp_link(const char *path, unsigned int ifindex, enum attach_xdp_mode mode,
			 const struct attach_programs *programs)
{
	int program_fd = program_of_mode(mode, programs);

	return program_fd < 0 ? program_fd :
				make_link(path, ifindex, program_fd, BPF_XDP,
					  mode == XDP_MODE_GENERIC ? XDP_FLAGS_SKB_MODE :
								     XDP_FLAGS_DRV_MODE);
}

static int attach_xdp(struct attachment *entry, const struct attach_programs *programs)
{
	enum attach_xdp_mode mode = current_xdp_mode(entry->ifindex);
	char path[PINS_PATH_LEN];
	int program_fd, native, generic;

	pins_link_path(places[PLACE_XDP].link_pin, entry->name, path);
	program_fd = program_of_mode(mode, programs);
	if (program_fd >= 0 && !adopt_link(path, entry->ifindex, program_fd)) {
		entry->mode = mode;
		log_info("%s: adopted, XDP in %s mode", entry->name,
			 entry->mode == XDP_MODE_GENERIC ? "generic" : "native");
		return 0;
	}
	if (has_foreign_xdp(entry->ifindex)) {
		entry->why_no_xdp = foreign_xdp;
		if (!entry->was_refused)
			log_warning("%s: another XDP program is attached; doing the same in tc instead",
				    entry->name);
		return -EBUSY;
	}
	native = make_xdp_link(path, entry->ifindex, XDP_MODE_NATIVE, programs);
	if (!native) {
		entry->mode = XDP_MODE_NATIVE;
		log_info("%s: XDP in native mode", entry->name);
		return 0;
	}
	generic = make_xdp_link(path, entry->ifindex, XDP_MODE_GENERIC, programs);
	if (!generic) {
		entry->mode = XDP_MODE_GENERIC;
		log_info("%s: XDP in generic mode (native: %s)", entry->name, xdp_error(native));
		return 0;
	}
	entry->why_no_xdp = "it takes neither native nor generic XDP";
	if (!entry->was_refused && is_there(entry->ifindex))
		log_warning("%s: no XDP (native: %s; generic: %s); doing the same in tc instead",
			    entry->name, xdp_error(native), xdp_error(generic));
	return generic;
}

/* --- tc: tcx, else clsact --------------------------------------------------------------------- */

/* The pinned program is not used; its name is the record of what to remove. */
static void record(const char *pin, const char *ifname, int program_fd)
{
	char path[PINS_PATH_LEN];
	int r = pin_again(program_fd, pins_link_path(pin, ifname, path));

	if (r < 0)
		log_warning("%s: cannot pin %s: %s", ifname, path, strerror(-r));
}

/* The kernel keeps 15 bytes of a program's name. */
static int program_name(int program_fd, char name[static BPF_OBJ_NAME_LEN])
{
	struct bpf_prog_info info = {};
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(program_fd, &info, &len))
		return -errno;
	memcpy(name, info.name, BPF_OBJ_NAME_LEN);
	return 0;
}

/*
 * Whether a program may run behind its successor. Only what passes on nothing that it has handled: a query that
 * enforce_in has rewritten and let pass would be another query to the next enforce_in.
 */
static bool may_stay_behind(int old_fd, int new_fd)
{
	static const char *const kinds[] = { "edge_tc_", "enforce_out_" };
	char old_name[BPF_OBJ_NAME_LEN], new_name[BPF_OBJ_NAME_LEN];

	if (old_fd < 0 || program_name(old_fd, old_name) || program_name(new_fd, new_name))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i]);

		if (!strncmp(old_name, kinds[i], len) && !strncmp(new_name, kinds[i], len))
			return true;
	}
	return false;
}

static int link_program(int link_fd)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);

	if (link_fd < 0 || bpf_obj_get_info_by_fd(link_fd, &info, &len))
		return -1;
	return program_pins_open(info.prog_id);
}

static int remove_record(const char *hook, const char *ifname);

/*
 * Sets the link on record aside, so that another is made in front of it: at no moment is there none. Whether that
 * was done.
 */
static bool set_link_aside(const struct attachment *entry, int program_fd)
{
	const struct place_facts *place = &places[entry->place];
	char path[PINS_PATH_LEN], old_path[PINS_PATH_LEN];
	_cleanup_(closep) int fd = bpf_obj_get(pins_link_path(place->link_pin, entry->name, path));
	_cleanup_(closep) int old_fd = link_program(fd);

	if (fd < 0 || link_ifindex(fd) != entry->ifindex || !may_stay_behind(old_fd, program_fd))
		return false;
	remove_record(place->old_link_pin, entry->name);
	return !rename(path, pins_link_path(place->old_link_pin, entry->name, old_path));
}

static void put_link_back(const struct attachment *entry)
{
	const struct place_facts *place = &places[entry->place];
	char path[PINS_PATH_LEN], old_path[PINS_PATH_LEN];

	pins_link_path(place->link_pin, entry->name, path);
	rename(pins_link_path(place->old_link_pin, entry->name, old_path), path);
}

/* The same for a filter: it is there twice until ours takes the place of the first. */
static void double_filter(const struct attachment *entry, int program_fd)
{
	const struct place_facts *place = &places[entry->place];
	char path[PINS_PATH_LEN];
	_cleanup_(closep) int fd = bpf_obj_get(pins_link_path(place->clsact_pin, entry->name, path));
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)entry->ifindex, .attach_point = place->clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place->clsact_handle,
		    .priority = CLSACT_PRIORITY_OLD, .prog_fd = fd, .flags = BPF_TC_F_REPLACE);

	if (!may_stay_behind(fd, program_fd))
		return;
	record(place->old_clsact_pin, entry->name, fd);
	bpf_tc_attach(&hook, &opts);
}

static int attach_clsact(struct attachment *entry, int program_fd, bool keeps_old)
{
	const struct place_facts *place = &places[entry->place];
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)entry->ifindex, .attach_point = place->clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place->clsact_handle, .priority = CLSACT_PRIORITY,
		    .prog_fd = program_fd, .flags = BPF_TC_F_REPLACE);
	int r = bpf_tc_hook_create(&hook);

	if (!r)
		record(QDISC_PIN, entry->name, program_fd);
	else if (r != -EEXIST)
		return r;
	if (keeps_old)
		double_filter(entry, program_fd);
	/*
	 * The record first: a record without filter does no harm, a filter without record stays for
	 * ever.
	 */
	record(place->clsact_pin, entry->name, program_fd);
	r = bpf_tc_attach(&hook, &opts);
	if (r < 0)
		return r;
	entry->is_clsact = true;
	return 0;
}

static int attach_tc(struct attachments *at, struct attachment *entry, int program_fd)
{
	const struct place_facts *place = &places[entry->place];
	bool keeps_old = at->keeps_old && place->old_link_pin && entry->program < 0;
	char path[PINS_PATH_LEN];
	int r;

	if (at->tc == ATTACH_TC_AUTO && !at->tcx_missing) {
		keeps_old = keeps_old && set_link_aside(entry, program_fd);
		pins_link_path(place->link_pin, entry->name, path);
		r = adopt_link(path, entry->ifindex, program_fd);
		if (r != -ENOENT)
			return r;
		/* One that was refused and is tried again is refused again, mostly, and not for want of time. */
		if (!entry->was_refused)
			rcu_hurry();
		/* First in the chain: nothing may decide about a query before it is redirected. */
		r = make_link(path, entry->ifindex, program_fd, place->attach_type, BPF_F_BEFORE_FLAG);
		if (r && keeps_old) {
			put_link_back(entry);
			return adopt_link(path, entry->ifindex, program_fd);
		}
		if (r != -EINVAL)
			return r;
		at->tcx_missing = true;
		log_info("this kernel has no tcx (before 6.6): using clsact");
	}
	return attach_clsact(entry, program_fd, keeps_old);
}

/* --- taking away ------------------------------------------------------------------------------ */

struct filter_count {
	unsigned int ifindex;
	unsigned int n;
};

static int count_filter(const struct nlmsghdr *message, void *data)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct filter_count *count = data;

	if (mnl_nlmsg_get_payload_len(message) >= sizeof(*tc) &&
	    tc->tcm_ifindex == (int)count->ifindex)
		count->n++;
	return 0;
}

/* Whether anybody's filters are left on the clsact qdisc of a device. Doubt says yes. */
static bool has_filters(unsigned int ifindex)
{
	static const unsigned int parents[] = { TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
						TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS) };
	struct filter_count count = { .ifindex = ifindex };
	struct netlink_answer answer = { .read = count_filter, .data = &count };
	_cleanup_(netlink_freep) struct netlink *netlink = NULL;

	if (netlink_open(NETLINK_ROUTE, &netlink) < 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(parents); i++) {
		struct nlmsghdr *request = netlink_request(netlink, RTM_GETTFILTER, NLM_F_DUMP);
		struct tcmsg *tc = mnl_nlmsg_put_extra_header(request, sizeof(*tc));

		tc->tcm_family = AF_UNSPEC;
		tc->tcm_ifindex = (int)ifindex;
		tc->tcm_parent = parents[i];
		if (netlink_talk(netlink, &answer) < 0)
			return true;
	}
	return count.n > 0;
}

static void remove_filter(unsigned int ifindex, const struct place_facts *place,
			  unsigned int priority)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = place->clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place->clsact_handle, .priority = priority);

	if (ifindex)
		bpf_tc_detach(&hook, &opts); /* not there any more is as good */
}

/* Takes away the clsact qdisc that we made, as soon as nobody's filters are on it. */
static void remove_qdisc(unsigned int ifindex, const char *ifname)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	char path[PINS_PATH_LEN];

	pins_link_path(QDISC_PIN, ifname, path);
	if (access(path, F_OK) || (ifindex && has_filters(ifindex)))
		return;
	if (ifindex)
		bpf_tc_hook_destroy(&hook);
	unlink(path);
}

/*
 * A veth that has GRO on goes on polling when its XDP is taken away, although the queue is not
 * registered any more: a program that then asks for the device it runs on reads through a null
 * pointer, and the kernel panics (veth_disable_xdp(); seen on 6.1). So one that asks for nothing takes
 * the place of ours first, and when ours runs on no CPU any more, that one can be taken away.
 */
static void retire_xdp(int link_fd)
{
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	/* As edge_xdp, or a device of jumbo frames would refuse it. */
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_XDP,
		    .prog_flags = BPF_F_XDP_HAS_FRAGS);
	_cleanup_(closep) int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "edge53_pass", "GPL", pass,
						 ARRAY_SIZE(pass), &opts);

	if (fd < 0 || bpf_link_update(link_fd, fd, NULL))
		return;
	/* Waits for an RCU grace period. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
}

static bool is_pin(const char *hook, const char *pin)
{
	return pin && !strcmp(hook, pin);
}

/* Of something from before that is kept behind ours. */
static bool is_old(const char *hook)
{
	for (int i = 0; i < PLACE_COUNT; i++)
		if (is_pin(hook, places[i].old_link_pin) || is_pin(hook, places[i].old_clsact_pin))
			return true;
	return false;
}

/* The place that a clsact record is of, or NULL. */
static const struct place_facts *place_of_clsact(const char *hook)
{
	for (int i = 0; i < PLACE_COUNT; i++)
		if (is_pin(hook, places[i].clsact_pin) || is_pin(hook, places[i].old_clsact_pin))
			return &places[i];
	return NULL;
}

/*
 * Detaches what a record stands for, then removes it. A link is detached by force: another process
 * (bpftool, an older loader on its way out) may still hold a descriptor.
 */
static int remove_record(const char *hook, const char *ifname)
{
	const struct place_facts *clsact = place_of_clsact(hook);
	char path[PINS_PATH_LEN];
	_cleanup_(closep) int fd = -1;

	pins_link_path(hook, ifname, path);
	if (!strcmp(hook, QDISC_PIN)) {
		remove_qdisc(if_nametoindex(ifname), ifname);
		return 0;
	}
	if (clsact) {
		remove_filter(if_nametoindex(ifname), clsact,
			      is_old(hook) ? CLSACT_PRIORITY_OLD : CLSACT_PRIORITY);
	} else {
		bool is_xdp = !strcmp(hook, places[PLACE_XDP].link_pin);

		fd = bpf_obj_get(path);
		if (fd >= 0 && is_xdp &&
		    current_xdp_mode(if_nametoindex(ifname)) == XDP_MODE_NATIVE)
			retire_xdp(fd);
		if (fd >= 0 && !is_xdp && link_ifindex(fd))
			rcu_hurry();
		if (fd >= 0)
			bpf_link_detach(fd);
	}
	return unlink(path) && errno != ENOENT ? -errno : 0;
}

static const char *pin_of(const struct attachment *entry)
{
	return entry->is_clsact ? places[entry->place].clsact_pin : places[entry->place].link_pin;
}

/* NULL where nothing is kept. */
static const char *old_pin_of(const struct attachment *entry)
{
	return entry->is_clsact ? places[entry->place].old_clsact_pin :
				  places[entry->place].old_link_pin;
}

/* Calls fn for each record; a record made by nobody we know is left alone. */
static int each_record(int (*fn)(const char *hook, const char *ifname, void *arg), void *arg)
{
	char path[PINS_PATH_LEN + 8], hook[32], ifname[IFNAMSIZ];
	struct dirent *entry;
	DIR *directory;
	int r = 0;

	snprintf(path, sizeof(path), "%s/links", pins_root());
	directory = opendir(path);
	if (!directory)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(directory))) {
		int error;

		if (!pins_parse_link(entry->d_name, hook, ifname))
			continue;
		error = fn(hook, ifname, arg);
		if (error < 0 && !r)
			r = error;
	}
	closedir(directory);
	return r;
}

/* A record of a filter bears a name only, and may be that of an earlier device: the filter itself must be there. */
static bool has_filter_on_record(const struct place_facts *place, const char *ifname,
				 unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = place->clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place->clsact_handle, .priority = CLSACT_PRIORITY);
	char path[PINS_PATH_LEN];

	return !access(pins_link_path(place->clsact_pin, ifname, path), F_OK) &&
	       !bpf_tc_query(&hook, &opts);
}

static bool is_on_record(const struct place_facts *place, const char *ifname, unsigned int ifindex)
{
	char path[PINS_PATH_LEN];
	_cleanup_(closep) int fd = bpf_obj_get(pins_link_path(place->link_pin, ifname, path));

	return (fd >= 0 && link_ifindex(fd) == ifindex) ||
	       has_filter_on_record(place, ifname, ifindex);
}

unsigned int attach_records(const char *ifname, unsigned int ifindex)
{
	static const struct {
		enum place place;
		enum attach_record record;
	} of[] = {
		{ PLACE_INGRESS, ATTACHED_INGRESS },
		{ PLACE_EGRESS, ATTACHED_EGRESS },
		{ PLACE_RETURN_IN, ATTACHED_RETURN_IN },
		{ PLACE_RETURN_OUT, ATTACHED_RETURN_OUT },
	};
	unsigned int records = 0;

	for (size_t i = 0; i < ARRAY_SIZE(of); i++)
		if (is_on_record(&places[of[i].place], ifname, ifindex))
			records |= of[i].record;
	return records;
}

/* --- plan → devices --------------------------------------------------------------------------- */

static int attach_at(struct attachments *at, const struct plan_device *device, enum place place,
		     enum attach_program program, const struct attach_programs *programs)
{
	struct attachment *entry = find(at, device->ifindex, place);
	int r;

	if (!entry) {
		entry = insert(at, device, place);
		if (!entry)
			return -ENOMEM;
	}
	entry->wanted_in = at->generation;
	if (entry->program == (int)program)
		return 0;
	if (entry->was_refused && !at->retry)
		return 1;
	r = place == PLACE_XDP ? attach_xdp(entry, programs) : get_program(programs, program);
	if (r >= 0 && place != PLACE_XDP)
		r = attach_tc(at, entry, r);
	if (!r) {
		entry->program = program;
		entry->was_refused = false;
		at->xdp_changes += place == PLACE_XDP;
		log_debug("%s: attached at %s", device->name, places[place].words);
		return 0;
	}
	/* No errno says it: a driver may have the same, and XDP has -EINVAL. The next plan does not want it. */
	if (!is_there(device->ifindex))
		return 0;
	at->xdp_changes += place == PLACE_XDP && !entry->was_refused;
	if (place != PLACE_XDP && !entry->was_refused)
		log_error("%s: cannot attach at %s: %s", device->name, places[place].words,
			  strerror(-r));
	entry->was_refused = true;
	return 1;
}

static enum attach_program uplink_program(const struct attachments *at,
					  const struct plan_device *device)
{
	if (!device->is_ethernet)
		return PROGRAM_EDGE_TC_L3;
	return attach_xdp_mode(at, device->ifindex) == XDP_MODE_NONE ? PROGRAM_EDGE_TC_L2 :
								      PROGRAM_EDGE_TC_L2_CHECKED;
}

/* Whether an XDP link of ours, or of an earlier loader's, is on this device. */
static bool has_link_to_adopt(const struct plan_device *device)
{
	return has_xdp_link(device->name, device->ifindex) == 1;
}

/*
 * A link cannot be replaced, but detached by force (`bpftool link detach`), and no event tells. Then
 * tc must do everything again.
 */
static void forget_lost_xdp(struct attachments *at, const struct plan_device *device)
{
	struct attachment *entry = find(at, device->ifindex, PLACE_XDP);

	if (!entry || entry->program < 0 || has_link_to_adopt(device))
		return;
	log_warning("%s: somebody else has detached XDP; attaching it again", device->name);
	entry->program = -1;
	at->xdp_changes++;
}

/* Whether a pin of a link is there no more, or its link is on no device, or on another one. Doubt says no. */
static bool is_link_lost(const char *path, unsigned int ifindex)
{
	struct bpf_link_info info = {};
	__u32 len = sizeof(info);
	_cleanup_(closep) int fd = bpf_obj_get(path);

	if (fd < 0)
		return errno == ENOENT;
	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.xdp.ifindex != ifindex;
}

/* -EINVAL: there is not even a qdisc. */
static bool is_filter_lost(const struct place_facts *place, unsigned int ifindex)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = (int)ifindex, .attach_point = place->clsact);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = place->clsact_handle, .priority = CLSACT_PRIORITY);
	int r = bpf_tc_query(&hook, &opts);

	return r == -ENOENT || r == -EINVAL;
}

static bool is_tc_lost(const struct attachment *entry)
{
	char path[PINS_PATH_LEN];
	bool is_lost = entry->is_clsact ?
			       is_filter_lost(&places[entry->place], entry->ifindex) :
			       is_link_lost(pins_link_path(pin_of(entry), entry->name, path),
					    entry->ifindex);

	/* With its device it goes, too, and that is nobody's doing. */
	return is_lost && is_there(entry->ifindex);
}

/* The same for what is at tc of a device. The guard believes that what was attached is. */
static void forget_lost_tc(struct attachments *at, const struct plan_device *device)
{
	for (size_t i = position(at, device->ifindex, PLACE_INGRESS);
	     i < at->n_entries && at->entries[i].ifindex == device->ifindex; i++) {
		struct attachment *entry = &at->entries[i];

		if (entry->program < 0 || !is_tc_lost(entry))
			continue;
		log_warning("%s: somebody else has detached %s; attaching it again", device->name,
			    places[entry->place].words);
		entry->program = -1;
	}
}

static void check_some_tc(struct attachments *at, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_devices && i < CHECKED_PER_LOOK; i++) {
		at->next_check = at->next_check < plan->n_devices ? at->next_check : 0;
		forget_lost_tc(at, &plan->devices[at->next_check++]);
	}
}

/* Hooks of which each is one program at one place. */
static const struct hook_program {
	enum plan_hook hook;
	enum place place;
	enum attach_program l2, l3;
} hook_programs[] = {
	{ HOOK_ENFORCE_IN, PLACE_INGRESS, PROGRAM_ENFORCE_IN_L2, PROGRAM_ENFORCE_IN_L3 },
	{ HOOK_ENFORCE_OUT, PLACE_EGRESS, PROGRAM_ENFORCE_OUT_L2, PROGRAM_ENFORCE_OUT_L3 },
	{ HOOK_RETURN_IN, PLACE_RETURN_IN, PROGRAM_RETURN_IN_L2, PROGRAM_RETURN_IN_L3 },
	{ HOOK_RETURN_OUT, PLACE_RETURN_OUT, PROGRAM_RETURN_OUT_L2, PROGRAM_RETURN_OUT_L3 },
	{ HOOK_GUARD_OUT, PLACE_EGRESS, PROGRAM_GUARD_OUT_L2, PROGRAM_GUARD_OUT_L3 },
};

static enum attach_program program_of(const struct hook_program *hook,
				      const struct plan_device *device)
{
	return device->is_ethernet ? hook->l2 : hook->l3;
}

static int attach_hook(struct attachments *at, const struct plan_device *device,
		       const struct hook_program *hook, const struct attach_programs *programs)
{
	return attach_at(at, device, hook->place, program_of(hook, device), programs);
}

/*
 * tc comes first and does everything, then XDP, then tc leaves to XDP what XDP has done: at no
 * moment does a query reach the host's stack. Where XDP is there already, nothing is ever counted
 * twice.
 */
static int attach_device(struct attachments *at, const struct plan_device *device,
			 const struct attach_programs *programs)
{
	int refused = 0;

	if (device->hooks & HOOK_UPLINK_XDP && at->retry)
		forget_lost_xdp(at, device);
	if (device->hooks & HOOK_UPLINK_XDP && !find(at, device->ifindex, PLACE_XDP) &&
	    has_link_to_adopt(device))
		attach_at(at, device, PLACE_XDP, PROGRAM_EDGE_XDP, programs);
	if (device->hooks & HOOK_UPLINK_TC)
		refused += attach_at(at, device, PLACE_INGRESS, uplink_program(at, device), programs);
	if (device->hooks & HOOK_UPLINK_XDP) {
		attach_at(at, device, PLACE_XDP, PROGRAM_EDGE_XDP, programs);
		if (attach_xdp_mode(at, device->ifindex) != XDP_MODE_NONE)
			refused += attach_at(at, device, PLACE_INGRESS,
					     PROGRAM_EDGE_TC_L2_CHECKED, programs);
	}
	for (size_t i = 0; i < ARRAY_SIZE(hook_programs); i++)
		if (device->hooks & ~HOOK_GUARD_OUT & hook_programs[i].hook)
			refused += attach_hook(at, device, &hook_programs[i], programs);
	return refused;
}

static int attach_guard(struct attachments *at, const struct plan_device *device,
			const struct attach_programs *programs)
{
	for (size_t i = 0; i < ARRAY_SIZE(hook_programs); i++)
		if (device->hooks & HOOK_GUARD_OUT & hook_programs[i].hook)
			return attach_hook(at, device, &hook_programs[i], programs);
	return 0;
}

/* Until it is known whether the device takes XDP, tc does all. */
static unsigned int wanted_of_uplink(const struct plan_device *device)
{
	unsigned int wanted = 0;

	if (device->hooks & HOOK_UPLINK_XDP)
		wanted |= 1u << PROGRAM_EDGE_XDP | 1u << PROGRAM_EDGE_TC_L2_CHECKED;
	if (device->hooks & HOOK_UPLINK_TC)
		wanted |= 1u << (device->is_ethernet ? PROGRAM_EDGE_TC_L2 : PROGRAM_EDGE_TC_L3);
	return wanted;
}

unsigned int attach_wanted(const struct plan *plan)
{
	unsigned int wanted = 0;

	for (size_t d = 0; d < plan->n_devices; d++) {
		const struct plan_device *device = &plan->devices[d];

		wanted |= wanted_of_uplink(device);
		for (size_t i = 0; i < ARRAY_SIZE(hook_programs); i++)
			if (device->hooks & hook_programs[i].hook)
				wanted |= 1u << program_of(&hook_programs[i], device);
	}
	return wanted;
}

/* Whether a device's successor of the same name has hooks: any, or one at the same place. */
static bool has_successor(const struct attachments *at, const struct attachment *gone,
			  bool at_same_place)
{
	for (size_t i = 0; i < at->n_entries; i++) {
		const struct attachment *other = &at->entries[i];

		if (other->wanted_in == at->generation && other->ifindex != gone->ifindex &&
		    !strcmp(other->name, gone->name) &&
		    (!at_same_place || other->place == gone->place))
			return true;
	}
	return false;
}

/*
 * A tcx link goes with its device into another network namespace, where nothing that we know of the host is true; so
 * it is taken away there. A filter and its qdisc do not go along.
 */
static void say_if_moved(const struct attachment *entry)
{
	char path[PINS_PATH_LEN], name[IFNAMSIZ];
	_cleanup_(closep) int fd = -1;

	if (entry->is_clsact || if_indextoname(entry->ifindex, name))
		return;
	fd = bpf_obj_get(pins_link_path(pin_of(entry), entry->name, path));
	if (fd >= 0 && link_ifindex(fd) == entry->ifindex)
		log_warning("%s was moved to another network namespace: detaching %s there",
			    entry->name, places[entry->place].words);
}

/* A successor has taken over the records, which bear its name. */
static void remove_attachment(const struct attachments *at, const struct attachment *entry)
{
	if (entry->program < 0)
		return;
	log_debug("%s: detaching %s", entry->name, places[entry->place].words);
	say_if_moved(entry);
	if (entry->is_clsact)
		remove_filter(entry->ifindex, &places[entry->place], CLSACT_PRIORITY);
	if (!has_successor(at, entry, true)) {
		remove_record(pin_of(entry), entry->name);
		if (old_pin_of(entry))
			remove_record(old_pin_of(entry), entry->name);
	}
	if (entry->is_clsact && !has_successor(at, entry, false))
		remove_qdisc(entry->ifindex, entry->name);
}

/* What the plan no longer wants. */
static void detach_unwanted(struct attachments *at)
{
	size_t kept = 0;

	for (size_t i = 0; i < at->n_entries; i++)
		if (at->entries[i].wanted_in != at->generation)
			remove_attachment(at, &at->entries[i]);
	for (size_t i = 0; i < at->n_entries; i++)
		if (at->entries[i].wanted_in == at->generation)
			at->entries[kept++] = at->entries[i];
	at->n_entries = kept;
}

/* --- renamed devices -------------------------------------------------------------------------- */

static void move_record(const char *hook, const char *from, const char *to)
{
	char old_path[PINS_PATH_LEN], new_path[PINS_PATH_LEN];

	pins_link_path(hook, from, old_path);
	pins_link_path(hook, to, new_path);
	if (rename(old_path, new_path) && errno != ENOENT)
		log_error("cannot rename %s: %s", old_path, strerror(errno));
}

static void rename_entry(struct attachment *entry, const char *to)
{
	if (entry->program < 0)
		return;
	move_record(pin_of(entry), entry->name, to);
	if (old_pin_of(entry))
		move_record(old_pin_of(entry), entry->name, to);
	if (entry->is_clsact)
		move_record(QDISC_PIN, entry->name, to);
}

/* A name no device can have (dev_valid_name() refuses ':'), for records on the way to another. */
static void aside_name(unsigned int ifindex, char name[static IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, ":%u", ifindex);
}

/*
 * A link of an earlier loader whose device was renamed since: aside, then (step 1) to the new name.
 */
static int realign_record(const char *hook, const char *ifname, void *arg)
{
	const int *step = arg;
	char path[PINS_PATH_LEN], name[IFNAMSIZ] = "";
	_cleanup_(closep) int fd = bpf_obj_get(pins_link_path(hook, ifname, path));
	unsigned int ifindex = fd < 0 ? 0 : link_ifindex(fd); /* 0 for a clsact record, too */

	if (!ifindex || !if_indextoname(ifindex, name) || !strcmp(name, ifname))
		return 0;
	if (!*step)
		aside_name(ifindex, name);
	move_record(hook, ifname, name);
	return 0;
}

/* A loader that died before it had made its link in front of one that it had set aside. */
static int put_back_record(const char *hook, const char *ifname, void *arg)
{
	char path[PINS_PATH_LEN], old_path[PINS_PATH_LEN];

	(void)arg;
	for (int i = 0; i < PLACE_COUNT; i++)
		if (is_pin(hook, places[i].old_link_pin) &&
		    access(pins_link_path(places[i].link_pin, ifname, path), F_OK))
			rename(pins_link_path(hook, ifname, old_path), path);
	return 0;
}

static void realign_records(void)
{
	each_record(put_back_record, NULL);
	for (int step = 0; step < 2; step++)
		each_record(realign_record, &step);
}

/* Gives what is attached to a device, and its records, this name. */
static void rename_entries(struct attachments *at, unsigned int ifindex, const char *to)
{
	for (size_t i = position(at, ifindex, 0); i < at->n_entries; i++) {
		struct attachment *entry = &at->entries[i];

		if (entry->ifindex != ifindex)
			break;
		if (!strcmp(entry->name, to))
			continue;
		rename_entry(entry, to);
		snprintf(entry->name, sizeof(entry->name), "%s", to);
	}
}

/*
 * Records bear the device's name, and devices may change names, or swap them. First every record
 * that has to move steps aside, then it takes the new name.
 */
static void follow_renames(struct attachments *at, const struct plan *plan)
{
	bool any = false;

	for (size_t i = 0; i < plan->n_devices; i++) {
		const struct plan_device *device = &plan->devices[i];
		const struct attachment *entry = first_of(at, device->ifindex);
		char aside[IFNAMSIZ];

		if (!entry || !strcmp(entry->name, device->name))
			continue;
		log_info("%s is now %s", entry->name, device->name);
		aside_name(device->ifindex, aside);
		rename_entries(at, device->ifindex, aside);
		any = true;
	}
	for (size_t i = 0; i < plan->n_devices && any; i++)
		rename_entries(at, plan->devices[i].ifindex, plan->devices[i].name);
}

static int remove_if_unknown(const char *hook, const char *ifname, void *arg)
{
	const struct attachments *at = arg;
	unsigned int ifindex = if_nametoindex(ifname);

	if (is_old(hook))
		return 0; /* until attach_end_old() */
	for (int place = 0; place < PLACE_COUNT; place++) {
		const struct attachment *entry = find(at, ifindex, place);

		if (entry && entry->program >= 0 &&
		    (!strcmp(hook, pin_of(entry)) ||
		     (entry->is_clsact && !strcmp(hook, QDISC_PIN))))
			return 0;
	}
	log_info("%s: removing %s of an earlier run", ifname, hook);
	return remove_record(hook, ifname);
}

static int apply(struct attachments *attachments, const struct plan *plan, const struct attach_programs *programs)
{
	int refused = 0, r;

	attachments->generation++;
	if (!attachments->has_applied)
		realign_records();
	follow_renames(attachments, plan);
	if (attachments->retry)
		check_some_tc(attachments, plan);
	for (size_t i = 0; i < plan->n_devices; i++) {
		r = attach_device(attachments, &plan->devices[i], programs);
		if (r < 0)
			return r;
		refused += r;
	}
	return refused;
}

int attach_apply(struct attachments *attachments, const struct plan *plan,
		 const struct attach_programs *programs, bool retry)
{
	int r;

	attachments->retry = retry;
	r = apply(attachments, plan, programs);
	rcu_hurry_end();
	return r;
}

static int apply_guard(struct attachments *attachments, const struct plan *plan,
		       const struct attach_programs *programs)
{
	int refused = 0;

	for (size_t i = 0; i < plan->n_devices; i++) {
		int r = attach_guard(attachments, &plan->devices[i], programs);

		if (r < 0)
			return r;
		refused += r;
	}
	detach_unwanted(attachments);
	if (!attachments->has_applied) {
		attachments->has_applied = true;
		each_record(remove_if_unknown, attachments);
	}
	return refused;
}

int attach_apply_guard(struct attachments *attachments, const struct plan *plan,
		       const struct attach_programs *programs)
{
	int r = apply_guard(attachments, plan, programs);

	rcu_hurry_end();
	return r;
}

void attach_keep_old(struct attachments *attachments)
{
	attachments->keeps_old = true;
}

static int remove_if_old(const char *hook, const char *ifname, void *arg)
{
	bool *any = arg;

	if (!is_old(hook))
		return 0;
	*any = true;
	return remove_record(hook, ifname);
}

bool attach_end_old(struct attachments *attachments)
{
	bool any = false;

	attachments->keeps_old = false;
	each_record(remove_if_old, &any);
	rcu_hurry_end();
	return any;
}

static int remove_but_qdiscs(const char *hook, const char *ifname, void *arg)
{
	(void)arg;
	return strcmp(hook, QDISC_PIN) ? remove_record(hook, ifname) : 0;
}

static int remove_qdiscs(const char *hook, const char *ifname, void *arg)
{
	(void)arg;
	return strcmp(hook, QDISC_PIN) ? 0 : remove_record(hook, ifname);
}

int attach_remove_all(void)
{
	int r = each_record(remove_but_qdiscs, NULL), r2 = each_record(remove_qdiscs, NULL);

	rcu_hurry_end();
	return r < 0 ? r : r2;
}
