// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <linux/genetlink.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/ip.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "host_parts.h"

/*
 * From linux/netdev.h (Linux 6.3, Documentation/netlink/specs/netdev.yaml), which the headers of
 * Debian 12 do not have. Enums, so that a header which has them does not clash with macros of ours.
 */
enum {
	DEV_GET = 1,	       /* NETDEV_CMD_DEV_GET */
	DEV_IFINDEX = 1,       /* NETDEV_A_DEV_IFINDEX */
	DEV_XDP_FEATURES = 3,  /* NETDEV_A_DEV_XDP_FEATURES */
	NETDEV_VERSION = 1,    /* NETDEV_FAMILY_VERSION */
};

static int compare_links(const void *a, const void *b)
{
	const struct host_link *one = a, *other = b;

	return (one->ifindex > other->ifindex) - (one->ifindex < other->ifindex);
}

static int read_kind(const struct nlattr *link_info, struct host_link *link)
{
	static const struct netlink_attribute wanted[] = {
		{ IFLA_INFO_KIND, MNL_TYPE_STRING, 1 },
	};
	const struct nlattr *kind;
	int r = netlink_nested(link_info, wanted, ARRAY_SIZE(wanted), &kind);

	if (r < 0 || !kind)
		return r;
	snprintf(link->kind, sizeof(link->kind), "%.*s", (int)mnl_attr_get_payload_len(kind),
		 mnl_attr_get_str(kind));
	return 0;
}

static int read_xdp(const struct nlattr *xdp, struct host_link *link)
{
	static const struct netlink_attribute wanted[] = { { IFLA_XDP_ATTACHED, MNL_TYPE_U8, 1 } };
	const struct nlattr *attached;
	int r = netlink_nested(xdp, wanted, 1, &attached);

	if (r < 0)
		return r;
	link->has_xdp = attached && mnl_attr_get_u8(attached) != XDP_ATTACHED_NONE;
	return 0;
}

/* An array of what is in net.ipv4.conf.NAME, by IPV4_DEVCONF_* less 1. */
static void read_rp_filter(const struct nlattr *inet_conf, struct host_link *link)
{
	const unsigned int *conf = mnl_attr_get_payload(inet_conf);

	if (mnl_attr_get_payload_len(inet_conf) >= IPV4_DEVCONF_RP_FILTER * sizeof(*conf))
		link->rp_filter = conf[IPV4_DEVCONF_RP_FILTER - 1];
}

static int read_families(const struct nlattr *af_spec, struct host_link *link)
{
	static const struct netlink_attribute inet_wanted[] = { { AF_INET, MNL_TYPE_NESTED, 0 } };
	static const struct netlink_attribute conf_wanted[] = {
		{ IFLA_INET_CONF, MNL_TYPE_BINARY, 0 },
	};
	const struct nlattr *inet, *conf;
	int r = netlink_nested(af_spec, inet_wanted, 1, &inet);

	if (r < 0 || !inet)
		return r;
	r = netlink_nested(inet, conf_wanted, 1, &conf);
	if (!r && conf)
		read_rp_filter(conf, link);
	return r;
}

static int read_link(const struct nlmsghdr *message, void *data)
{
	enum { NAME, MTU, ADDRESS, LINKINFO, XDP, AF_SPEC, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[NAME] = { IFLA_IFNAME, MNL_TYPE_NUL_STRING, 2 },
		[MTU] = { IFLA_MTU, MNL_TYPE_U32, 4 },
		[ADDRESS] = { IFLA_ADDRESS, MNL_TYPE_BINARY, 0 },
		[LINKINFO] = { IFLA_LINKINFO, MNL_TYPE_NESTED, 0 },
		[XDP] = { IFLA_XDP, MNL_TYPE_NESTED, 0 },
		[AF_SPEC] = { IFLA_AF_SPEC, MNL_TYPE_NESTED, 0 },
	};
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *found[N_WANTED];
	struct host_link link = { 0 };
	struct host *host = data;
	int r;

	if (message->nlmsg_type != RTM_NEWLINK)
		return 0;
	r = netlink_attributes(message, sizeof(*info), wanted, N_WANTED, found);
	if (r < 0)
		return r;
	if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0)
		return 0;
	if (!found[NAME] || mnl_attr_get_payload_len(found[NAME]) > sizeof(link.name))
		return -EBADMSG;
	memcpy(link.name, mnl_attr_get_payload(found[NAME]),
	       mnl_attr_get_payload_len(found[NAME]));
	link.ifindex = info->ifi_index;
	link.arphrd = info->ifi_type;
	link.flags = info->ifi_flags;
	if (found[MTU])
		link.mtu = mnl_attr_get_u32(found[MTU]);
	/* Tunnels put an IPv4 or IPv6 address here, InfiniBand 20 bytes. */
	if (found[ADDRESS] && host_link_is_ethernet(&link) &&
	    mnl_attr_get_payload_len(found[ADDRESS]) == sizeof(link.mac)) {
		memcpy(link.mac, mnl_attr_get_payload(found[ADDRESS]), sizeof(link.mac));
		link.has_mac = true;
	}
	r = found[LINKINFO] ? read_kind(found[LINKINFO], &link) : 0;
	if (!r && found[XDP])
		r = read_xdp(found[XDP], &link);
	if (!r && found[AF_SPEC])
		r = read_families(found[AF_SPEC], &link);
	if (r < 0)
		return r;
	r = array_grow(&host->links, host->n_links, sizeof(link));
	if (r < 0)
		return r;
	host->links[host->n_links++] = link;
	return 0;
}

static void forget_links(void *data)
{
	struct host *host = data;

	free(take_ptr(host->links));
	host->n_links = 0;
}

static void put_link_request(struct nlmsghdr *request, unsigned int ifindex)
{
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));

	info->ifi_index = (int)ifindex;
	/* Statistics are most of a link's message, and no news to us. */
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
}

int host_read_link(struct netlink *route, struct host *host, unsigned int ifindex)
{
	struct netlink_answer answer = { read_link, NULL, host };
	int r;

	put_link_request(netlink_request(route, RTM_GETLINK, 0), ifindex);
	r = netlink_talk(route, &answer);
	return r == -ENODEV ? 0 : r;
}

/* The kernel tells it by netlink only to who asks for every device's once more. */
static unsigned int read_rp_filter_of_all(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/conf/all/rp_filter", "re");
	unsigned int value = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%u", &value) != 1)
		value = 0;
	fclose(f);
	return value;
}

int host_read_links(struct netlink *route, struct host *host)
{
	struct netlink_answer answer = { read_link, forget_links, host };
	int r;

	put_link_request(netlink_request(route, RTM_GETLINK, NLM_F_DUMP), 0);
	r = netlink_talk(route, &answer);
	if (r < 0)
		return r;
	host->rp_filter_all = read_rp_filter_of_all();
	if (host->n_links)
		qsort(host->links, host->n_links, sizeof(*host->links), compare_links);
	return 0;
}

static int read_address(const struct nlmsghdr *message, void *data)
{
	enum { LOCAL, ADDRESS, FLAGS, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[LOCAL] = { IFA_LOCAL, MNL_TYPE_BINARY, 0 },
		[ADDRESS] = { IFA_ADDRESS, MNL_TYPE_BINARY, 0 },
		[FLAGS] = { IFA_FLAGS, MNL_TYPE_U32, 4 },
	};
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
	const struct nlattr *found[N_WANTED], *own;
	struct host_address address = { 0 };
	struct host *host = data;
	unsigned int flags;
	int r;

	if (message->nlmsg_type != RTM_NEWADDR)
		return 0;
	r = netlink_attributes(message, sizeof(*info), wanted, N_WANTED, found);
	if (r < 0)
		return r;
	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return 0;
	flags = found[FLAGS] ? mnl_attr_get_u32(found[FLAGS]) : info->ifa_flags;
	/* Another host has it (RFC 4862 5.4.5); the kernel does not use it either. */
	if (flags & IFA_F_DADFAILED)
		return 0;
	/* On point-to-point links IFA_ADDRESS is the peer's. */
	own = found[LOCAL] ?: found[ADDRESS];
	if (!own)
		return 0;
	r = host_get_address(own, info->ifa_family, &address.address);
	if (r < 0)
		return r;
	address.ifindex = info->ifa_index;
	address.prefix_len = info->ifa_prefixlen;
	address.scope = info->ifa_scope;
	address.is_tentative = flags & IFA_F_TENTATIVE && !(flags & IFA_F_OPTIMISTIC);
	/* The same bit says "secondary" of an IPv4 address. */
	address.is_temporary = info->ifa_family == AF_INET6 && flags & IFA_F_TEMPORARY;
	if (address.prefix_len > (info->ifa_family == AF_INET ? 32 : 128))
		return -EBADMSG;
	r = array_grow(&host->addresses, host->n_addresses, sizeof(address));
	if (r < 0)
		return r;
	host->addresses[host->n_addresses++] = address;
	return 0;
}

static void forget_addresses(void *data)
{
	struct host *host = data;

	free(take_ptr(host->addresses));
	host->n_addresses = 0;
}

int host_read_addresses(struct netlink *route, struct host *host)
{
	struct netlink_answer answer = { read_address, forget_addresses, host };
	struct nlmsghdr *request = netlink_request(route, RTM_GETADDR, NLM_F_DUMP);

	/* Family 0: one dump of all families. */
	mnl_nlmsg_put_extra_header(request, sizeof(struct ifaddrmsg));
	return netlink_talk(route, &answer);
}

/* A filter in a dump: what this socket asks for is checked strictly. */
int host_read_addresses_of(struct netlink *route, struct host *host, unsigned int ifindex)
{
	struct host of_device = { 0 };
	struct netlink_answer answer = { read_address, forget_addresses, &of_device };
	struct nlmsghdr *request = netlink_request(route, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(request, sizeof(*info));
	int r;

	info->ifa_index = ifindex;
	r = netlink_talk(route, &answer);
	for (size_t i = 0; i < of_device.n_addresses && !r; i++) {
		r = array_grow(&host->addresses, host->n_addresses, sizeof(host->addresses[0]));
		if (!r && of_device.addresses[i].ifindex == ifindex)
			host->addresses[host->n_addresses++] = of_device.addresses[i];
	}
	free(of_device.addresses);
	return r == -ENODEV ? 0 : r;
}

static struct nlmsghdr *generic_request(struct netlink *generic, uint16_t family, uint16_t flags,
					uint8_t command, uint8_t version)
{
	struct nlmsghdr *request = netlink_request(generic, family, flags);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->cmd = command;
	header->version = version;
	return request;
}

/* The netdev family's number, and that of the group that hears of changes; 0: not there. */
struct netdev_family {
	uint16_t id;
	uint32_t changes_group;
};

static int read_group(const struct nlattr *group, struct netdev_family *family)
{
	enum { NAME, ID, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[NAME] = { CTRL_ATTR_MCAST_GRP_NAME, MNL_TYPE_NUL_STRING, 0 },
		[ID] = { CTRL_ATTR_MCAST_GRP_ID, MNL_TYPE_U32, 4 },
	};
	const struct nlattr *found[N_WANTED];
	int r = netlink_nested(group, wanted, N_WANTED, found);

	if (r < 0)
		return r;
	if (found[NAME] && found[ID] && !strcmp(mnl_attr_get_str(found[NAME]), "mgmt"))
		family->changes_group = mnl_attr_get_u32(found[ID]);
	return 0;
}

static int read_family(const struct nlmsghdr *message, void *data)
{
	enum { ID, GROUPS, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[ID] = { CTRL_ATTR_FAMILY_ID, MNL_TYPE_U16, 2 },
		[GROUPS] = { CTRL_ATTR_MCAST_GROUPS, MNL_TYPE_NESTED, 0 },
	};
	const struct nlattr *found[N_WANTED], *group;
	struct netdev_family *family = data;
	int r = netlink_attributes(message, GENL_HDRLEN, wanted, N_WANTED, found);

	if (r < 0)
		return r;
	if (found[ID])
		family->id = mnl_attr_get_u16(found[ID]);
	if (!found[GROUPS])
		return 0;
	mnl_attr_for_each_nested(group, found[GROUPS]) {
		r = read_group(group, family);
		if (r < 0)
			return r;
	}
	return 0;
}

static int find_netdev_family(struct netlink *generic, struct netdev_family *family)
{
	struct netlink_answer answer = { read_family, NULL, family };
	struct nlmsghdr *request =
		generic_request(generic, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY, 1);

	mnl_attr_put_strz(request, CTRL_ATTR_FAMILY_NAME, "netdev");
	return netlink_talk(generic, &answer);
}

static int read_xdp_features(const struct nlmsghdr *message, void *data)
{
	enum { IFINDEX, FEATURES, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[IFINDEX] = { DEV_IFINDEX, MNL_TYPE_U32, 4 },
		[FEATURES] = { DEV_XDP_FEATURES, MNL_TYPE_U64, 8 },
	};
	const struct nlattr *found[N_WANTED];
	struct host_link *link;
	int r = netlink_attributes(message, GENL_HDRLEN, wanted, N_WANTED, found);

	if (r < 0)
		return r;
	if (!found[IFINDEX] || !found[FEATURES])
		return 0;
	link = host_link_by_index_mutable(data, mnl_attr_get_u32(found[IFINDEX]));
	if (!link) /* younger than our list of links */
		return 0;
	link->xdp_features = mnl_attr_get_u64(found[FEATURES]);
	link->knows_xdp_features = true;
	return 0;
}

const struct nlattr *host_netdev_ifindex(const struct nlmsghdr *message)
{
	static const struct netlink_attribute wanted[] = { { DEV_IFINDEX, MNL_TYPE_U32, 4 } };
	const struct nlattr *ifindex;

	return netlink_attributes(message, GENL_HDRLEN, wanted, 1, &ifindex) < 0 ? NULL : ifindex;
}

/* A kernel without the family, or one that does not want to tell, leaves the features unknown. */
static int ask_xdp_features(struct host *host, bool one_by_one)
{
	_cleanup_(netlink_freep) struct netlink *generic = NULL;
	struct netlink_answer answer = { read_xdp_features, NULL, host };
	struct netdev_family family = { 0 };
	int r = netlink_open(NETLINK_GENERIC, &generic);

	if (r < 0)
		return r == -EPROTONOSUPPORT ? 0 : r;
	r = find_netdev_family(generic, &family);
	if (r < 0 || !family.id)
		return generic->broken ? r : 0;
	for (size_t i = 0; one_by_one && i < host->n_links && !generic->broken; i++) {
		mnl_attr_put_u32(generic_request(generic, family.id, 0, DEV_GET, NETDEV_VERSION),
				 DEV_IFINDEX, host->links[i].ifindex);
		r = netlink_talk(generic, &answer);
	}
	if (!one_by_one) {
		generic_request(generic, family.id, NLM_F_DUMP, DEV_GET, NETDEV_VERSION);
		r = netlink_talk(generic, &answer);
	}
	return generic->broken ? r : 0;
}

int host_read_xdp_features(struct host *host)
{
	return ask_xdp_features(host, false);
}

int host_read_some_xdp_features(struct host *host)
{
	return host->n_links ? ask_xdp_features(host, true) : 0;
}

int host_watch_features_open(void)
{
	_cleanup_(netlink_freep) struct netlink *generic = NULL;
	_cleanup_(closep) int fd = -1;
	struct netdev_family family = { 0 };
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	int r = netlink_open(NETLINK_GENERIC, &generic);

	if (!r)
		r = find_netdev_family(generic, &family);
	if (r < 0 || !family.changes_group)
		return -EOPNOTSUPP;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0 || bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.changes_group,
		       sizeof(family.changes_group)) < 0)
		return -errno;
	return take_fd(&fd);
}
