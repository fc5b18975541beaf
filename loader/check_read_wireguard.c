// SPDX-License-Identifier: GPL-2.0-only
/* Asks WireGuard who its peers are: the kernel's, else a userspace implementation by its socket. */
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>

#include "check.h"
#include "host_parts.h"
#include "netlink.h"

#define MAX_TEXT (16 << 20)
#define ANSWER_TIMEOUT_S 3

static const char config_dir[] = "/etc/wireguard";

/* --- the kernel's ----------------------------------------------------------------------------- */

static int read_family(const struct nlmsghdr *message, void *data)
{
	static const struct netlink_attribute wanted[] = {
		{ CTRL_ATTR_FAMILY_ID, MNL_TYPE_U16, 2 },
	};
	const struct nlattr *id;
	int r = netlink_attributes(message, GENL_HDRLEN, wanted, 1, &id);

	if (!r && id)
		*(uint16_t *)data = mnl_attr_get_u16(id);
	return r;
}

static struct nlmsghdr *generic_request(struct netlink *generic, uint16_t family, uint16_t flags,
					uint8_t command)
{
	struct nlmsghdr *request = netlink_request(generic, family, flags);
	struct genlmsghdr *header = mnl_nlmsg_put_extra_header(request, sizeof(*header));

	header->cmd = command;
	header->version = 1;
	return request;
}

static int read_allowed(const struct nlattr *allowed, struct wg_peer *peer)
{
	enum { FAMILY, ADDRESS, LENGTH, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[FAMILY] = { WGALLOWEDIP_A_FAMILY, MNL_TYPE_U16, 2 },
		[ADDRESS] = { WGALLOWEDIP_A_IPADDR, MNL_TYPE_BINARY, 4 },
		[LENGTH] = { WGALLOWEDIP_A_CIDR_MASK, MNL_TYPE_U8, 1 },
	};
	const struct nlattr *found[N_WANTED];
	struct edge53_prefix prefix;
	int r = netlink_nested(allowed, wanted, N_WANTED, found);

	if (r < 0 || !found[FAMILY] || !found[ADDRESS] || !found[LENGTH])
		return r;
	r = host_get_address(found[ADDRESS], (unsigned char)mnl_attr_get_u16(found[FAMILY]),
			     &prefix.address);
	if (r < 0)
		return r;
	prefix.length_bits = mnl_attr_get_u8(found[LENGTH]) +
			     (mnl_attr_get_u16(found[FAMILY]) == AF_INET ? 96u : 0u);
	return prefix.length_bits > 128 ? -EBADMSG : wg_add_allowed(peer, &prefix);
}

static void read_endpoint(const struct nlattr *endpoint, struct wg_peer *peer)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address = { 0 };
	size_t len = mnl_attr_get_payload_len(endpoint);

	memcpy(&address, mnl_attr_get_payload(endpoint),
	       len < sizeof(address) ? len : sizeof(address));
	if (address.any.sa_family == AF_INET && len >= sizeof(address.in)) {
		peer->endpoint = addr_from_ipv4(&address.in.sin_addr);
		peer->endpoint_port = ntohs(address.in.sin_port);
		peer->has_endpoint = true;
	} else if (address.any.sa_family == AF_INET6 && len >= sizeof(address.in6)) {
		memcpy(peer->endpoint.bytes, &address.in6.sin6_addr, 16);
		peer->endpoint_port = ntohs(address.in6.sin6_port);
		peer->has_endpoint = true;
	}
}

/* struct __kernel_timespec; the header is not everywhere. */
static long long seconds_of(const struct nlattr *time)
{
	long long seconds;

	memcpy(&seconds, mnl_attr_get_payload(time), sizeof(seconds));
	return seconds;
}

static int read_peer(const struct nlattr *nest, struct wg_device *device)
{
	enum { KEY, ENDPOINT, HANDSHAKE, ALLOWED, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[KEY] = { WGPEER_A_PUBLIC_KEY, MNL_TYPE_BINARY, WG_KEY_LEN },
		[ENDPOINT] = { WGPEER_A_ENDPOINT, MNL_TYPE_BINARY, sizeof(struct sockaddr) },
		[HANDSHAKE] = { WGPEER_A_LAST_HANDSHAKE_TIME, MNL_TYPE_BINARY, 16 },
		[ALLOWED] = { WGPEER_A_ALLOWEDIPS, MNL_TYPE_NESTED, 0 },
	};
	const struct nlattr *found[N_WANTED], *allowed;
	struct wg_peer *peer;
	int r = netlink_nested(nest, wanted, N_WANTED, found);

	if (r < 0 || !found[KEY])
		return r;
	peer = wg_add_peer(device, mnl_attr_get_payload(found[KEY]));
	if (!peer)
		return -ENOMEM;
	if (found[ENDPOINT])
		read_endpoint(found[ENDPOINT], peer);
	if (found[HANDSHAKE])
		peer->last_handshake_s = seconds_of(found[HANDSHAKE]);
	if (!found[ALLOWED])
		return 0;
	mnl_attr_for_each_nested (allowed, found[ALLOWED]) {
		r = read_allowed(allowed, peer);
		if (r < 0)
			return r;
	}
	return 0;
}

static int read_device(const struct nlmsghdr *message, void *data)
{
	enum { FWMARK, PEERS, N_WANTED };
	static const struct netlink_attribute wanted[N_WANTED] = {
		[FWMARK] = { WGDEVICE_A_FWMARK, MNL_TYPE_U32, 4 },
		[PEERS] = { WGDEVICE_A_PEERS, MNL_TYPE_NESTED, 0 },
	};
	const struct nlattr *found[N_WANTED], *peer;
	struct wg_device *device = data;
	int r = netlink_attributes(message, GENL_HDRLEN, wanted, N_WANTED, found);

	if (r < 0)
		return r;
	if (found[FWMARK])
		device->fwmark = mnl_attr_get_u32(found[FWMARK]);
	if (!found[PEERS])
		return 0;
	mnl_attr_for_each_nested (peer, found[PEERS]) {
		r = read_peer(peer, device);
		if (r < 0)
			return r;
	}
	return 0;
}

static void forget_device(void *data)
{
	wg_device_clear(data);
}

static int ask_kernel(const struct host_link *link, struct wg_device *device)
{
	_cleanup_(netlink_freep) struct netlink *generic = NULL;
	uint16_t family = 0;
	struct netlink_answer family_answer = { read_family, NULL, &family };
	struct netlink_answer answer = { read_device, forget_device, device };
	int r = netlink_open(NETLINK_GENERIC, &generic);

	if (r < 0)
		return r;
	mnl_attr_put_strz(generic_request(generic, GENL_ID_CTRL, 0, CTRL_CMD_GETFAMILY),
			  CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	r = netlink_talk(generic, &family_answer);
	if (r < 0)
		return r;
	mnl_attr_put_u32(generic_request(generic, family, NLM_F_DUMP, WG_CMD_GET_DEVICE),
			 WGDEVICE_A_IFINDEX, link->ifindex);
	return netlink_talk(generic, &answer);
}

/* --- a userspace implementation's ------------------------------------------------------------- */

static int connect_socket(const char *dir, const char *name)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = ANSWER_TIMEOUT_S };

	if (fd < 0)
		return -errno;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s.sock", dir, name);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

/* There are private keys in it. */
static void forget_text(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Returns 0 when there is something to read, or the end, or -ETIMEDOUT. */
static int wait_until(int fd, int64_t deadline_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	int64_t left_ms;

	while ((left_ms = deadline_ms - now_ms()) > 0) {
		int n = poll(&poll_fd, 1, (int)left_ms);

		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
	return -ETIMEDOUT;
}

/*
 * Up to an empty line of an answer, for which there is one deadline, however slowly it drips; or to the end of a file.
 * The text is the caller's, also on failure.
 */
static int read_text(int fd, bool is_answer, char **text, size_t *len)
{
	int64_t deadline_ms = now_ms() + ANSWER_TIMEOUT_S * 1000;
	size_t room = 0;
	int r;
	ssize_t n;

	for (;;) {
		if (*len == room) {
			char *larger = malloc(room * 2 + 4096);

			if (!larger || room > MAX_TEXT) {
				free(larger);
				return larger ? -EFBIG : -ENOMEM;
			}
			if (*len)
				memcpy(larger, *text, *len);
			forget_text(*text, *len);
			*text = larger;
			room = room * 2 + 4096;
		}
		r = is_answer ? wait_until(fd, deadline_ms) : 0;
		if (r < 0)
			return r;
		n = read(fd, *text + *len, room - *len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		*len += (size_t)n;
		if (!n || (is_answer && *len >= 2 && !memcmp(*text + *len - 2, "\n\n", 2)))
			return 0;
	}
}

static int ask_socket(const char *name, struct wg_device *device)
{
	static const char question[] = "get=1\n\n";
	_cleanup_(closep) int fd = connect_socket("/run/wireguard", name);
	char *text = NULL;
	size_t len = 0;
	int r;

	if (fd < 0)
		fd = connect_socket("/var/run/wireguard", name);
	if (fd < 0)
		return fd;
	if (send(fd, question, sizeof(question) - 1, MSG_NOSIGNAL) != sizeof(question) - 1)
		return -errno;
	r = read_text(fd, true, &text, &len);
	if (!r)
		r = wg_parse_answer(text, len, device);
	forget_text(text, len);
	return r;
}

/* --- the file --------------------------------------------------------------------------------- */

static int read_file(struct check_tunnel *tunnel)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int r;

	snprintf(tunnel->path, sizeof(tunnel->path), "%s/%s.conf", config_dir, tunnel->name);
	/* Not what blocks: somebody else's pipe has no place there. */
	fd = open(tunnel->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return -EINVAL;
	r = read_text(fd, false, &text, &len);
	if (!r)
		r = wg_parse_file(text, len, &tunnel->names);
	forget_text(text, len);
	return r;
}

int check_read_tunnel(const struct host_link *link, struct check_tunnel *tunnel)
{
	bool is_kernels = !strcmp(link->kind, "wireguard");
	int r;

	snprintf(tunnel->name, sizeof(tunnel->name), "%s", link->name);
	if (!is_kernels && strcmp(link->kind, "tun") != 0)
		return 0;
	r = is_kernels ? ask_kernel(link, &tunnel->device)
		       : ask_socket(link->name, &tunnel->device);
	if (r == -ENOMEM)
		return r;
	/* A tun device whose socket nobody has is somebody else's. */
	if (!is_kernels && (r == -ENOENT || r == -ECONNREFUSED))
		return 0;
	tunnel->is_wireguard = true;
	tunnel->error = r;
	if (r)
		wg_device_clear(&tunnel->device);
	r = read_file(tunnel);
	if (r == -ENOMEM)
		return r;
	tunnel->file_error = r;
	return 0;
}
