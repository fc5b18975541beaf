// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients' devices that come and go, and how soon edge53 has them: an object of JSON for what is measured. Exit 1
 * when what should be attached is not, or an answer is missing. All in the network namespace that this is called in.
 *
 *   newlink add FIRST N               makes pppFIRST and the N - 1 after it, of device group 53; they stay
 *   newlink start FIRST N COMMAND...  runs `edge53 run`: from there until it says READY=1; all N must be attached then.
 *                                     Goes on until the command ends; SIGTERM is handed on
 *   newlink one FIRST N               a new device, N times: from RTM_NEWLINK until it is attached
 *   newlink storm FIRST N SECONDS     N devices come and go: from the last change until what is left is attached
 *   newlink packets FIRST N SECONDS   a query by each device and its answer back, again and again: ns a program
 *
 * The devices are tun and say they are ppp; each has an address and a route, and is up, as pppd leaves them.
 */
#include <err.h>
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "newlink.h"

#define GROUP 53
#define POLL_US 100

const char *program_name;

double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

int compare_numbers(const void *a, const void *b)
{
	const double *one = a, *other = b;

	return (*one > *other) - (*one < *other);
}

static double number(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	errno = EINVAL;
	CHECK(*text && !*end && n >= 0 && n <= 1000000, "\"%s\"", text);
	return n;
}

/* --- devices ---------------------------------------------------------------------------------- */

static void name_of(unsigned int i, char name[static IFNAMSIZ])
{
	snprintf(name, IFNAMSIZ, "ppp%u", i);
}

unsigned int ifindex_of(unsigned int i)
{
	char name[IFNAMSIZ];

	name_of(i, name);
	return if_nametoindex(name);
}

int open_device(unsigned int i)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	CHECK(fd >= 0, "/dev/net/tun");
	name_of(i, request.ifr_name);
	CHECK(!ioctl(fd, TUNSETIFF, &request), "cannot make %s", request.ifr_name);
	return fd;
}

static void talk(struct mnl_socket *netlink, struct nlmsghdr *request, const char *what)
{
	char answer[8192];
	ssize_t n;

	request->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	CHECK(mnl_socket_sendto(netlink, request, request->nlmsg_len) >= 0, "%s", what);
	n = mnl_socket_recvfrom(netlink, answer, sizeof(answer));
	CHECK(n > 0 && mnl_cb_run(answer, (size_t)n, 0, 0, NULL, NULL) >= 0, "%s", what);
}

static struct mnl_socket *open_netlink(unsigned int groups)
{
	struct mnl_socket *netlink = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int bytes = 4 << 20;

	CHECK(netlink && !mnl_socket_bind(netlink, groups, MNL_SOCKET_AUTOPID), "netlink");
	setsockopt(mnl_socket_get_fd(netlink), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	return netlink;
}

static void give_address(struct mnl_socket *netlink, unsigned int i, unsigned int ifindex)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifaddrmsg *address;

	request->nlmsg_type = RTM_NEWADDR;
	request->nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE;
	address = mnl_nlmsg_put_extra_header(request, sizeof(*address));
	address->ifa_family = AF_INET;
	address->ifa_prefixlen = 32;
	address->ifa_index = ifindex;
	mnl_attr_put_u32(request, IFA_LOCAL, htonl(RESOLVER));
	mnl_attr_put_u32(request, IFA_ADDRESS, htonl(FIRST_CLIENT + i));
	talk(netlink, request, "cannot give an address");
}

static void set_up(struct mnl_socket *netlink, unsigned int ifindex)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ifinfomsg *link;

	request->nlmsg_type = RTM_NEWLINK;
	link = mnl_nlmsg_put_extra_header(request, sizeof(*link));
	link->ifi_index = (int)ifindex;
	link->ifi_flags = link->ifi_change = IFF_UP;
	mnl_attr_put_u32(request, IFLA_GROUP, GROUP); /* thousands go at once by it */
	talk(netlink, request, "cannot set a device up");
}

/* What pppd does once both ends agree. */
static unsigned int configure(struct mnl_socket *netlink, int fd, unsigned int i)
{
	unsigned int ifindex = ifindex_of(i);

	CHECK(ifindex, "ppp%u is gone", i);
	CHECK(!ioctl(fd, TUNSETLINK, ARPHRD_PPP), "cannot call ppp%u a ppp link", i);
	give_address(netlink, i, ifindex);
	set_up(netlink, ifindex);
	return ifindex;
}

static int add(unsigned int first, unsigned int n)
{
	struct mnl_socket *netlink = open_netlink(0);

	for (unsigned int i = first; i < first + n; i++) {
		int fd = open_device(i);

		CHECK(!ioctl(fd, TUNSETPERSIST, 1), "cannot let ppp%u stay", i);
		configure(netlink, fd, i);
		close(fd);
	}
	mnl_socket_close(netlink);
	return 0;
}

/* --- attached --------------------------------------------------------------------------------- */

unsigned int count_programs(unsigned int ifindex, unsigned int type, unsigned int *id)
{
	unsigned int ids[64] = {};
	LIBBPF_OPTS(bpf_prog_query_opts, opts, .prog_ids = ids, .prog_cnt = 64);

	if (!bpf_prog_query_opts((int)ifindex, (enum bpf_attach_type)type, &opts)) {
		if (id)
			*id = ids[0];
		return opts.prog_cnt;
	}
	if (errno == EINVAL) {
		puts("this kernel has no tcx (before 6.6), which tells what is attached");
		exit(77);
	}
	return 0;
}

static bool is_attached(unsigned int ifindex)
{
	return count_programs(ifindex, TCX_INGRESS, NULL) &&
	       count_programs(ifindex, TCX_EGRESS, NULL);
}

/* Does not take the processor from who is to attach it. Returns when it was seen. */
static double wait_attached(unsigned int ifindex)
{
	const double begin = now_ms();

	while (!is_attached(ifindex)) {
		errno = ETIMEDOUT;
		CHECK(now_ms() - begin < PATIENCE_MS, "interface %u is not attached", ifindex);
		usleep(POLL_US);
	}
	return now_ms();
}

/* --- one -------------------------------------------------------------------------------------- */

/* Reads until the kernel has told of the link; it does so within the call that makes it. */
static void hear_of(struct mnl_socket *netlink, unsigned int ifindex)
{
	char buffer[16384] = "";
	const struct nlmsghdr *message = (const void *)buffer;
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);

	do {
		ssize_t n = mnl_socket_recvfrom(netlink, buffer, sizeof(buffer));

		CHECK(n >= (ssize_t)(sizeof(*message) + sizeof(*link)), "RTM_NEWLINK of %u",
		      ifindex);
	} while (message->nlmsg_type != RTM_NEWLINK || link->ifi_index != (int)ifindex);
}

/* So that a clock is read when it should be, however many others want the processor. It hardly uses it. */
static void take_precedence(void)
{
	const struct sched_param first = { .sched_priority = 1 };

	if (sched_setscheduler(0, SCHED_FIFO, &first))
		warn("no real time scheduling: times are longer than they were");
}

struct waits {
	double attached_ms; /* from RTM_NEWLINK; what the kernel does before it is not edge53's */
	double made_ms;
};

static struct waits one_device(struct mnl_socket *netlink, unsigned int i)
{
	struct mnl_socket *heard = open_netlink(RTMGRP_LINK);
	double asked_ms = now_ms(), heard_ms;
	int fd = open_device(i);
	unsigned int ifindex = ifindex_of(i);
	struct waits waits;

	hear_of(heard, ifindex);
	heard_ms = now_ms();
	waits.made_ms = heard_ms - asked_ms;
	waits.attached_ms = wait_attached(ifindex) - heard_ms;
	/* And what a link goes through after that, which the next one meets. */
	configure(netlink, fd, i);
	mnl_socket_close(heard);
	close(fd);
	return waits;
}

/* At times that have nothing to do with how often the loader looks. */
static int one(unsigned int first, unsigned int n)
{
	struct mnl_socket *netlink = open_netlink(0);
	double *attached_ms = calloc(n, sizeof(*attached_ms)), made_ms = 0;

	CHECK(attached_ms && n, "%u devices", n);
	take_precedence();
	for (unsigned int i = 0; i < n; i++) {
		struct waits waits = one_device(netlink, first + i);

		attached_ms[i] = waits.attached_ms;
		made_ms = waits.made_ms > made_ms ? waits.made_ms : made_ms;
		usleep(20000 + (useconds_t)(rand() % 200000));
	}
	qsort(attached_ms, n, sizeof(*attached_ms), compare_numbers);
	printf("{\"ms\":%.3f,\"ms_min\":%.3f,\"ms_90_percent\":%.3f,\"ms_max\":%.3f,\"made_ms_max\":%.3f,\"new_devices\":%u}\n",
	       attached_ms[n / 2], attached_ms[0], attached_ms[n * 9 / 10], attached_ms[n - 1],
	       made_ms, n);
	mnl_socket_close(netlink);
	free(attached_ms);
	return 0;
}

/* --- storm ------------------------------------------------------------------------------------ */

/* All come, then one after the other goes and is there again. When it ends all are there. */
static unsigned int churn(struct mnl_socket *netlink, int *fds, unsigned int first, unsigned int n,
			  double seconds)
{
	unsigned int changes = 0;
	double until_ms;

	for (unsigned int i = 0; i < n; i++, changes++) {
		fds[i] = open_device(first + i);
		configure(netlink, fds[i], first + i);
	}
	until_ms = now_ms() + seconds * 1e3;
	for (unsigned int i = 0; now_ms() < until_ms; i = (i + 7) % n, changes += 2) {
		close(fds[i]);
		fds[i] = open_device(first + i);
		configure(netlink, fds[i], first + i);
	}
	return changes;
}

/* Half of them go for good. */
static int storm(unsigned int first, unsigned int n, double seconds)
{
	struct mnl_socket *netlink = open_netlink(0);
	int *fds = calloc(n, sizeof(*fds));
	double begin = now_ms(), last, attached = 0;
	unsigned int changes;

	CHECK(fds, "no memory");
	changes = churn(netlink, fds, first, n, seconds);
	for (unsigned int i = 1; i < n; i += 2)
		close(fds[i]);
	last = now_ms();
	for (unsigned int i = 0; i < n; i += 2)
		attached = wait_attached(ifindex_of(first + i));
	printf("{\"devices\":%u,\"changes\":%u,\"seconds\":%.3f,\"ms\":%.3f}\n", n, changes + n / 2,
	       (last - begin) / 1e3, attached - last);
	for (unsigned int i = 0; i < n; i += 2)
		close(fds[i]);
	mnl_socket_close(netlink);
	free(fds);
	return 0;
}

/* --- start ------------------------------------------------------------------------------------ */

static pid_t child;

static void hand_on(int signo)
{
	kill(child, signo);
}

/* An abstract address, so that there is nothing to remove. */
static int open_notify_socket(void)
{
	struct sockaddr_un self = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[64];

	snprintf(text, sizeof(text), "@edge53-bench-%d", (int)getpid());
	memcpy(self.sun_path + 1, text + 1, strlen(text) - 1);
	CHECK(fd >= 0 && !bind(fd, (struct sockaddr *)&self,
			       (socklen_t)(sizeof(self.sun_family) + strlen(text))),
	      "notify socket");
	setenv("NOTIFY_SOCKET", text, 1);
	return fd;
}

static void wait_ready(int fd)
{
	char text[4096] = "";

	while (!strstr(text, "READY=1")) {
		struct pollfd ready = { .fd = fd, .events = POLLIN };
		ssize_t n = 0;

		if (poll(&ready, 1, 100) > 0)
			n = recv(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		errno = ECHILD;
		CHECK(n > 0 || !waitpid(child, NULL, WNOHANG),
		      "the command ended before it was ready");
	}
}

static int start(unsigned int first, unsigned int n, char *const command[])
{
	int fd = open_notify_socket(), status;
	unsigned int attached = 0;
	double begin = now_ms(), ready;

	child = fork();
	CHECK(child >= 0, "fork");
	if (!child) {
		execv(command[0], command);
		CHECK(false, "%s", command[0]);
	}
	signal(SIGTERM, hand_on);
	wait_ready(fd);
	ready = now_ms();
	for (unsigned int i = first; i < first + n; i++)
		attached += is_attached(ifindex_of(i));
	printf("{\"devices\":%u,\"attached\":%u,\"ms\":%.3f,\"pid\":%d}\n", n, attached,
	       ready - begin, (int)child);
	fflush(stdout);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return attached == n && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char *argv[])
{
	unsigned int first, n;

	program_name = argv[0];
	if (argc < 4) {
		fprintf(stderr, "usage: %s add|start|one|storm|packets FIRST N ...\n", argv[0]);
		return 2;
	}
	first = (unsigned int)number(argv[2]);
	n = (unsigned int)number(argv[3]);
	if (!strcmp(argv[1], "add") && argc == 4)
		return add(first, n);
	if (!strcmp(argv[1], "one") && argc == 4)
		return one(first, n);
	if (!strcmp(argv[1], "start") && argc > 4)
		return start(first, n, argv + 4);
	if (!strcmp(argv[1], "storm") && argc == 5)
		return storm(first, n, number(argv[4]));
	if (!strcmp(argv[1], "packets") && argc == 5)
		return packets(first, n, number(argv[4]));
	fprintf(stderr, "%s: what is \"%s\"?\n", argv[0], argv[1]);
	return 2;
}
