// SPDX-License-Identifier: GPL-2.0-only
/* Reads what `edge53 check` looks at, and changes nothing. What cannot be read is left unknown. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/inet_diag.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "check.h"
#include "host_parts.h"
#include "netlink.h"

#define MAX_BPF_LINKS 100000u /* bpf_links of the host that are looked through */

/* --- files ------------------------------------------------------------------------------------ */

/* A small file, ended by NUL and without its last newline. Returns its length, or negative errno. */
static ssize_t read_small(const char *path, char *text, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (len < size - 1) {
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return (ssize_t)len;
}

static bool read_switch(const char *family, const char *device, const char *name, bool *ret)
{
	char path[128], text[16];

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, device, name);
	if (read_small(path, text, sizeof(text)) <= 0)
		return false;
	*ret = atoi(text) > 0;
	return true;
}

static int read_ports(struct check_ports *ports)
{
	char text[64], *reserved;
	size_t size = 1 << 20; /* every second port: 200 kB */

	if (read_small("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text)) > 0)
		ports->is_known = sscanf(text, "%u %u", &ports->first, &ports->last) == 2;
	reserved = malloc(size);
	if (!reserved)
		return -ENOMEM;
	if (read_small("/proc/sys/net/ipv4/ip_local_reserved_ports", reserved, size) < 0)
		reserved[0] = '\0';
	ports->reserved = reserved;
	return 0;
}

static bool has_legacy_tables(void)
{
	char text[256];

	return read_small("/proc/net/ip_tables_names", text, sizeof(text)) > 0 ||
	       read_small("/proc/net/ip6_tables_names", text, sizeof(text)) > 0;
}

/* --- sockets on port 53 ----------------------------------------------------------------------- */

struct sockets {
	struct check_facts *facts;
	unsigned int *inodes; /* of facts->listeners */
	bool is_tcp;
};

static int add_listener(struct sockets *s, const struct check_listener *listener,
			unsigned int inode)
{
	struct check_facts *facts = s->facts;

	if (array_grow(&facts->listeners, facts->n_listeners, sizeof(*listener)) < 0 ||
	    array_grow(&s->inodes, facts->n_listeners, sizeof(inode)) < 0)
		return -ENOMEM;
	s->inodes[facts->n_listeners] = inode;
	facts->listeners[facts->n_listeners++] = *listener;
	return 0;
}

static int read_socket(const struct nlmsghdr *message, void *data)
{
	static const struct netlink_attribute wanted[] = {
		{ INET_DIAG_SKV6ONLY, MNL_TYPE_U8, 1 },
	};
	const struct inet_diag_msg *socket = mnl_nlmsg_get_payload(message);
	struct check_listener listener = { 0 };
	struct sockets *s = data;
	const struct nlattr *only;
	int r;

	if (message->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return 0;
	r = netlink_attributes(message, sizeof(*socket), wanted, 1, &only);
	if (r < 0)
		return r;
	/* A connected UDP socket is a client's, or a conversation's. */
	if (ntohs(socket->id.idiag_sport) != EDGE53_DNS_PORT || socket->id.idiag_dport)
		return 0;
	if (socket->idiag_family == AF_INET)
		listener.address = addr_from_ipv4(socket->id.idiag_src);
	else
		memcpy(listener.address.bytes, socket->id.idiag_src, 16);
	listener.is_tcp = s->is_tcp;
	listener.is_ipv6_only = only && mnl_attr_get_u8(only);
	listener.ifindex = socket->id.idiag_if;
	return add_listener(s, &listener, socket->idiag_inode);
}

static int dump_sockets(struct netlink *diag, struct sockets *s, unsigned char family)
{
	struct netlink_answer answer = { read_socket, NULL, s };
	struct nlmsghdr *request = netlink_request(diag, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP);
	struct inet_diag_req_v2 *wanted = mnl_nlmsg_put_extra_header(request, sizeof(*wanted));

	wanted->sdiag_family = family;
	wanted->sdiag_protocol = s->is_tcp ? IPPROTO_TCP : IPPROTO_UDP;
	wanted->idiag_states = s->is_tcp ? 1 << TCP_LISTEN : ~0u;
	wanted->id.idiag_sport = htons(EDGE53_DNS_PORT);
	return netlink_talk(diag, &answer);
}

static int read_sockets(struct sockets *s)
{
	_cleanup_(netlink_freep) struct netlink *diag = NULL;
	int r = netlink_open(NETLINK_SOCK_DIAG, &diag);

	for (int is_tcp = 0; is_tcp < 2 && !r; is_tcp++) {
		s->is_tcp = is_tcp;
		r = dump_sockets(diag, s, AF_INET) ?: dump_sockets(diag, s, AF_INET6);
	}
	return r;
}

/* "0::/system.slice/unbound.service" → "unbound.service" */
static void read_unit(int pid, char *unit, size_t size)
{
	char path[64], text[1024], *end, *last;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (read_small(path, text, sizeof(text)) <= 0)
		return;
	end = strstr(text, ".service");
	if (!end)
		return;
	end += strlen(".service");
	*end = '\0';
	last = strrchr(text, '/');
	if (!last || strlen(last + 1) >= size)
		return;
	/* It goes into a command. */
	for (const char *c = ++last; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("@._-", *c))
			return;
	snprintf(unit, size, "%s", last);
}

static void name_listener(struct check_listener *listener, int pid)
{
	char path[64];

	listener->pid = pid;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	if (read_small(path, listener->process, sizeof(listener->process)) < 0)
		listener->process[0] = '\0';
	read_unit(pid, listener->unit, sizeof(listener->unit));
}

/* Which of the listeners' sockets a process has. */
static void look_through(struct sockets *s, int pid, const char *fd_dir)
{
	DIR *dir = opendir(fd_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char target[64];
		unsigned int inode;
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n < 0)
			continue;
		target[n] = '\0';
		if (sscanf(target, "socket:[%u]", &inode) != 1)
			continue;
		for (size_t i = 0; i < s->facts->n_listeners; i++)
			if (s->inodes[i] == inode && !s->facts->listeners[i].pid)
				name_listener(&s->facts->listeners[i], pid);
	}
	if (dir)
		closedir(dir);
}

static void find_processes(struct sockets *s)
{
	DIR *proc = s->facts->n_listeners ? opendir("/proc") : NULL;
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		char path[64];
		int pid = atoi(entry->d_name);

		if (pid <= 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd", pid);
		look_through(s, pid, path);
	}
	if (proc)
		closedir(proc);
}

static int read_listeners(struct check_facts *facts)
{
	struct sockets s = { .facts = facts };
	int r = read_sockets(&s);

	if (!r)
		find_processes(&s);
	free(s.inodes);
	if (r == -ENOMEM)
		return r;
	facts->listeners_error = r;
	return 0;
}

/* --- XDP -------------------------------------------------------------------------------------- */

static bool get_link_info(unsigned int id, struct bpf_link_info *info)
{
	_cleanup_(closep) int fd = bpf_link_get_fd_by_id(id);
	__u32 len = sizeof(*info);

	memset(info, 0, sizeof(*info));
	return fd >= 0 && !bpf_obj_get_info_by_fd(fd, info, &len);
}

/* 0: none, or none that may be seen. */
static unsigned int find_xdp_link(unsigned int ifindex, unsigned int program_id)
{
	struct bpf_link_info info;
	unsigned int id = 0;

	for (unsigned int i = 0; i < MAX_BPF_LINKS && !bpf_link_get_next_id(id, &id); i++)
		if (get_link_info(id, &info) && info.type == BPF_LINK_TYPE_XDP &&
		    info.xdp.ifindex == ifindex && info.prog_id == program_id)
			return id;
	return 0;
}

static void read_program_name(unsigned int id, char name[static 16])
{
	_cleanup_(closep) int fd = bpf_prog_get_fd_by_id(id);
	struct bpf_prog_info info = { 0 };
	__u32 len = sizeof(info);

	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(name, 16, "%s", info.name);
}

static void read_xdp(unsigned int ifindex, struct check_xdp *xdp)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, opts);

	if (bpf_xdp_query((int)ifindex, 0, &opts))
		return;
	/* Of several, the one that is first to see a packet. */
	if (opts.attach_mode == XDP_ATTACHED_NONE)
		return;
	xdp->mode = opts.hw_prog_id    ? CHECK_XDP_OFFLOADED
		    : opts.drv_prog_id ? CHECK_XDP_NATIVE
				       : CHECK_XDP_GENERIC;
	xdp->program_id = opts.hw_prog_id ?: opts.drv_prog_id ?: opts.skb_prog_id;
	if (!xdp->program_id)
		return;
	read_program_name(xdp->program_id, xdp->program);
	xdp->link_id = find_xdp_link(ifindex, xdp->program_id);
}

static int read_xdps(const struct plan *plan, struct check_facts *facts)
{
	facts->xdp = calloc(plan->n_devices + 1, sizeof(*facts->xdp));
	if (!facts->xdp)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_devices; i++)
		if (plan->devices[i].hooks & HOOK_UPLINK_XDP)
			read_xdp(plan->devices[i].ifindex, &facts->xdp[i]);
	return 0;
}

/* --- paths ------------------------------------------------------------------------------------ */

static int read_path(const struct nlmsghdr *message, void *data)
{
	enum { OIF, METRICS, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[OIF] = { RTA_OIF, MNL_TYPE_U32, 4 },
		[METRICS] = { RTA_METRICS, MNL_TYPE_NESTED, 0 },
	};
	static const struct netlink_attribute metrics_wanted[] = { { RTAX_MTU, MNL_TYPE_U32, 4 } };
	const struct nlattr *found[N_WANTED], *mtu = NULL;
	struct check_path *path = data;
	int r;

	if (message->nlmsg_type != RTM_NEWROUTE)
		return 0;
	r = netlink_attributes(message, sizeof(struct rtmsg), wanted, N_WANTED, found);
	if (!r && found[METRICS])
		r = netlink_nested(found[METRICS], metrics_wanted, 1, &mtu);
	if (r < 0 || !found[OIF])
		return r;
	path->is_known = true;
	path->ifindex = mnl_attr_get_u32(found[OIF]);
	path->mtu = mtu ? mnl_attr_get_u32(mtu) : 0;
	return 0;
}

/* Many errnos mean "no route"; none of them is ours to report. */
static void ask_path(struct netlink *route, const struct edge53_addr *target, unsigned int ifindex,
		     unsigned int mark, struct check_path *path)
{
	struct netlink_answer answer = { read_path, NULL, path };
	struct nlmsghdr *request = netlink_request(route, RTM_GETROUTE, 0);
	struct rtmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->rtm_family = host_address_family(target);
	info->rtm_dst_len = addr_is_ipv4(target) ? 32 : 128;
	host_put_address(request, RTA_DST, target);
	if (ifindex)
		mnl_attr_put_u32(request, RTA_OIF, ifindex);
	if (mark)
		mnl_attr_put_u32(request, RTA_MARK, mark);
	netlink_talk(route, &answer);
}

static void read_nameservers(struct netlink *route, struct check_facts *facts)
{
	char text[16384];
	ssize_t len = read_small("/etc/resolv.conf", text, sizeof(text));

	if (len > 0)
		facts->n_nameservers =
			check_parse_nameservers(text, (size_t)len, facts->nameservers);
	for (size_t i = 0; i < facts->n_nameservers; i++)
		ask_path(route, &facts->nameservers[i], 0, 0, &facts->nameserver_paths[i]);
}

static int read_paths(struct netlink *route, const struct plan *plan, struct check_facts *facts)
{
	struct check_path *path;
	size_t n = 0;

	for (size_t i = 0; i < plan->n_services; i++)
		n += plan->services[i].n_backends;
	path = facts->paths = calloc(n + 1, sizeof(*facts->paths));
	if (!path)
		return -ENOMEM;
	for (size_t i = 0; i < plan->n_services; i++)
		for (size_t j = 0; j < plan->services[i].n_backends; j++, path++) {
			const struct plan_backend *b = &plan->services[i].backends[j];

			if (b->usable && !b->is_local)
				ask_path(route, &b->address, b->ifindex, 0, path);
		}
	return 0;
}

/* --- tunnels ---------------------------------------------------------------------------------- */

static bool is_tunnel(const struct plan *plan, unsigned int ifindex)
{
	for (size_t i = 0; i < plan->n_services; i++) {
		const struct plan_service *service = &plan->services[i];

		if (service->kind == EDGE53_SERVICE_RETURN && service->tunnel_ifindex == ifindex)
			return true;
		for (size_t j = 0; j < service->n_backends; j++)
			if (service->backends[j].usable && !service->backends[j].is_local &&
			    service->backends[j].ifindex == ifindex)
				return true;
	}
	return false;
}

static int read_tunnel(struct netlink *route, const struct host_link *link,
		       struct check_facts *facts)
{
	struct check_tunnel *tunnel;
	int r = array_grow(&facts->tunnels, facts->n_tunnels, sizeof(*tunnel));

	if (r < 0)
		return r;
	tunnel = &facts->tunnels[facts->n_tunnels++];
	*tunnel = (struct check_tunnel){ 0 };
	r = check_read_tunnel(link, tunnel);
	if (r < 0)
		return r;
	tunnel->endpoint_paths =
		calloc(tunnel->device.n_peers + 1, sizeof(*tunnel->endpoint_paths));
	if (!tunnel->endpoint_paths)
		return -ENOMEM;
	for (size_t i = 0; i < tunnel->device.n_peers; i++)
		if (tunnel->device.peers[i].has_endpoint)
			ask_path(route, &tunnel->device.peers[i].endpoint, 0, tunnel->device.fwmark,
				 &tunnel->endpoint_paths[i]);
	return 0;
}

static int read_tunnels(struct netlink *route, const struct host *host, const struct plan *plan,
			struct check_facts *facts)
{
	int r = 0;

	for (size_t i = 0; i < host->n_links && !r; i++)
		if (is_tunnel(plan, host->links[i].ifindex))
			r = read_tunnel(route, &host->links[i], facts);
	return r;
}

/* --- IPv6 of clients' devices ----------------------------------------------------------------- */

static int read_ipv6(struct check_facts *facts, const char *device)
{
	struct check_ipv6 *ipv6;

	if (array_grow(&facts->ipv6, facts->n_ipv6, sizeof(*ipv6)) < 0)
		return -ENOMEM;
	ipv6 = &facts->ipv6[facts->n_ipv6++];
	*ipv6 = (struct check_ipv6){ 0 };
	snprintf(ipv6->name, sizeof(ipv6->name), "%s", device);
	ipv6->is_known = read_switch("ipv6", device, "disable_ipv6", &ipv6->is_disabled) &&
			 read_switch("ipv6", device, "forwarding", &ipv6->forwards);
	return 0;
}

/* One device that stands open is enough to know, and thousands of them take long. */
#define MAX_IPV6_DEVICES 64

static int read_ipv6_devices(const struct plan *plan, struct check_facts *facts)
{
	int r = 0;

	for (size_t i = 0; i < plan->n_devices && !r && facts->n_ipv6 < MAX_IPV6_DEVICES; i++)
		if (plan->devices[i].enforce >= 0)
			r = read_ipv6(facts, plan->devices[i].name);
	return r ?: read_ipv6(facts, "default");
}

/* --- all of it -------------------------------------------------------------------------------- */

int check_read(const struct config *config, const struct host *host, const struct plan *plan,
	       struct check_facts **ret)
{
	_cleanup_(check_facts_freep) struct check_facts *facts = calloc(1, sizeof(*facts));
	_cleanup_(netlink_freep) struct netlink *route = NULL;
	int r;

	if (!facts)
		return -ENOMEM;
	r = netlink_open(NETLINK_ROUTE, &route)
		    ?: read_listeners(facts)
		    ?: read_ports(&facts->ports)
		    ?: read_xdps(plan, facts)
		    ?: read_paths(route, plan, facts)
		    ?: read_tunnels(route, host, plan, facts)
		    ?: read_ipv6_devices(plan, facts);
	if (!r && (config->n_edges || config->n_enforces))
		r = check_read_nft(facts);
	if (r < 0)
		return r;
	read_nameservers(route, facts);
	facts->has_legacy_tables = has_legacy_tables();
	*ret = take_ptr(facts);
	return 0;
}

void check_facts_free(struct check_facts *facts)
{
	if (!facts)
		return;
	for (size_t i = 0; i < facts->n_tunnels; i++) {
		wg_device_clear(&facts->tunnels[i].device);
		free(facts->tunnels[i].endpoint_paths);
		free(facts->tunnels[i].names.list);
	}
	free(facts->listeners);
	free(facts->ports.reserved);
	json_decref(facts->nft);
	free(facts->nft_why);
	free(facts->xdp);
	free(facts->paths);
	free(facts->tunnels);
	free(facts->ipv6);
	free(facts);
}
