// SPDX-License-Identifier: GPL-2.0-only
/* Which devices bundle the UDP packets of a flow into one before tc sees them. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "host_parts.h"

#define MAX_FEATURES 256
#define FEATURE_BLOCKS (MAX_FEATURES / 32)

/* Both are off, unless somebody wanted a router to be fast. */
static const char *const bundling[] = { "rx-udp-gro-forwarding", "rx-gro-list" };

/* Features have no fixed numbers; the names are the same for all devices. */
struct feature_bits {
	bool is_known;
	unsigned int bits[ARRAY_SIZE(bundling)]; /* MAX_FEATURES: this kernel has none */
};

static int ask(int fd, const char *ifname, void *command)
{
	struct ifreq request = { .ifr_data = command };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", ifname);
	return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static void find_features(int fd, const char *ifname, struct feature_bits *features)
{
	struct {
		struct ethtool_gstrings header;
		char names[MAX_FEATURES][ETH_GSTRING_LEN];
	} strings = { .header = { .cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES } };
	struct {
		struct ethtool_sset_info header;
		__u32 n;
	} set = { .header = { .cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES } };

	if (ask(fd, ifname, &set) < 0 || set.n > MAX_FEATURES)
		return;
	strings.header.len = set.n;
	if (ask(fd, ifname, &strings) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(bundling); i++) {
		unsigned int bit = 0;

		while (bit < set.n && strncmp(strings.names[bit], bundling[i], ETH_GSTRING_LEN))
			bit++;
		features->bits[i] = bit < set.n ? bit : MAX_FEATURES;
	}
	features->is_known = true;
}

static void read_bundling(int fd, const struct feature_bits *features, struct host_link *link)
{
	struct {
		struct ethtool_gfeatures header;
		struct ethtool_get_features_block blocks[FEATURE_BLOCKS];
	} command = { .header = { .cmd = ETHTOOL_GFEATURES, .size = FEATURE_BLOCKS } };

	if (ask(fd, link->name, &command) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(bundling) && !link->bundles_udp; i++) {
		unsigned int bit = features->bits[i];

		if (bit < MAX_FEATURES && command.blocks[bit / 32].active & 1u << bit % 32)
			link->bundles_udp = bundling[i];
	}
}

int host_read_offloads(struct host *host)
{
	_cleanup_(closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct feature_bits features = {};

	if (fd < 0)
		return 0; /* a warning less */
	for (size_t i = 0; i < host->n_links; i++) {
		struct host_link *link = &host->links[i];

		/* Others have no driver that would bundle. */
		if (!host_link_is_ethernet(link) || link->flags & IFF_LOOPBACK)
			continue;
		if (!features.is_known)
			find_features(fd, link->name, &features);
		if (features.is_known)
			read_bundling(fd, &features, link);
	}
	return 0;
}
