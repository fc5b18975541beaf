// SPDX-License-Identifier: GPL-2.0-only
/*
 * redirect UPLINK DOWN: each of the two devices, by native XDP, sends on by the other what it
 * receives. The programs stay as long as the devices.
 */
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "redirect.skel.h"

static int attach(const struct bpf_program *program, unsigned int ifindex, const char *device)
{
	int r = bpf_xdp_attach((int)ifindex, bpf_program__fd(program), XDP_FLAGS_DRV_MODE, NULL);

	if (r < 0)
		fprintf(stderr, "redirect: %s takes no native XDP: %s\n", device, strerror(-r));
	return r;
}

static int redirect(const char *uplink, const char *down)
{
	struct redirect_bpf *skel = redirect_bpf__open();
	int r = -1;

	if (!skel) {
		perror("redirect: opening the programs");
		return -1;
	}
	skel->rodata->uplink_ifindex = if_nametoindex(uplink);
	skel->rodata->down_ifindex = if_nametoindex(down);
	if (!skel->rodata->uplink_ifindex || !skel->rodata->down_ifindex)
		fprintf(stderr, "redirect: no device %s, or no %s\n", uplink, down);
	else if (redirect_bpf__load(skel))
		perror("redirect: loading the programs");
	else
		r = attach(skel->progs.redirect_down, skel->rodata->uplink_ifindex, uplink)
			    ?: attach(skel->progs.redirect_up, skel->rodata->down_ifindex, down);
	redirect_bpf__destroy(skel);
	return r;
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: redirect UPLINK DOWN\n");
		return 2;
	}
	return redirect(argv[1], argv[2]) ? 1 : 0;
}
