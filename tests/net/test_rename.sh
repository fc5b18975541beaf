#!/usr/bin/env bash
# A client's device that gets another name is the same client: enforcement stays, with and without a loader,
# and a device that takes the old name gets its own.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "the rules of nftables go by name"

OURS=192.0.2.80
FOREIGN=192.0.2.66

# rename OLD NEW: live where the kernel can (6.2), else with the device down for a moment.
rename() {
	on host ip link set "$1" name "$2" 2>/dev/null && return
	on host ip link set "$1" down
	on host ip link set "$1" name "$2"
	on host ip link set "$2" up
}
swap_names() {
	rename ppp0 between
	rename ppp1 ppp0
	rename between ppp1
}

says() { [ "$(ask "$1" 8.8.8.8 www.example.com "${@:3}" 2>/dev/null)" = "$2" ]; }
both_enforced() { says vpn1 $OURS && says vpn2 $OURS; }

# hooks DEVICE: the directions in which status knows a program on it.
hooks() {
	e53 host status --json |
		json_get "' '.join(sorted((h['hook'] for h in d['hooks'] if h['device'] == '$1'), reverse=True))"
}
has_both_hooks() { [ "$(hooks "$1" | wc -w)" = 2 ]; }
has_no_hooks() { [ -z "$(hooks "$1")" ]; }

# enforced WHEN DEVICE...: both clients get our answers, status names the devices, and nothing leaked.
enforced() {
	local when=$1 device
	shift
	wait_until 60 both_enforced || fail "$when: both clients must get the host's answer"
	for device in "$@"; do
		wait_until 60 has_both_hooks "$device" ||
			fail "$when: status must name $device, and has: $(hooks "$device")"
	done
	expect "$when: nothing leaked" equal "$(leaked)" "$before"
}

lab_up
lab_enforce
enforce_config ""
before=$(leaked)

for attach in auto clsact; do
	options=()
	[ $attach = auto ] || options=(--attach $attach)
	start_edge53 host "${options[@]}"
	enforced "$attach: at first" ppp0 ppp1

	rename ppp0 ppp5
	enforced "$attach: ppp0 is now ppp5" ppp5 ppp1
	on host ip link add ppp0 type veth peer name spare0
	on host ip link set ppp0 up
	enforced "$attach: another device is ppp0" ppp5 ppp1 ppp0
	on host ip link del ppp0
	wait_until 60 has_no_hooks ppp0 || fail "$attach: the other ppp0 is gone, and status has: $(hooks ppp0)"
	rename ppp5 ppp0

	swap_names
	enforced "$attach: ppp0 and ppp1 have swapped names" ppp0 ppp1

	kill_edge53
	swap_names
	expect "$attach: swapped without a loader: still enforced" both_enforced
	start_edge53 host "${options[@]}"
	enforced "$attach: swapped without a loader, and a new one" ppp0 ppp1

	kill_edge53
	rename ppp0 ppp7
	expect "$attach: renamed without a loader: still enforced" both_enforced
	start_edge53 host "${options[@]}"
	enforced "$attach: renamed without a loader, and a new one" ppp7 ppp1

	# A name that matches no more ends it, for this device only.
	rename ppp7 wan7
	wait_until 60 says vpn1 $FOREIGN ||
		fail "$attach: wan7 matches ppp* no more: its client may ask whom it likes"
	expect "$attach: the other client is still enforced" says vpn2 $OURS
	rename wan7 ppp0
	wait_until 60 both_enforced || fail "$attach: the name matches again"
	before=$(leaked)

	expect "$attach: down" e53 host down
	expect "$attach: down must leave no pins" fails test -e "$LAB_PINS"
done
