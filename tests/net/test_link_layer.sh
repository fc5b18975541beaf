#!/usr/bin/env bash
# What Ethernet and IP headers may bring with them: priority tags, padding, IPv4 options, IPv6 extension headers,
# and jumbo frames. All pairs of families, native XDP and generic.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

# framed FAMILY OPTIONS...: a query in a frame made by hand, from the router, which is the edge's neighbour.
framed() {
	local family=$1
	shift
	netpeer router udp "$(frontend_of "$family")" 53 --frame "wan,$EDGE_MAC" --wait "${LAB_WAIT:-10}" "$@"
}

# headers HOW
headers() {
	local from to frontend what extension
	for to in 4 6; do
		reload_network "$(backend_of $to)"
		wait_until 20 answers client $FRONTEND6 || fail "no answer from the IPv$to backend, $1"
		for from in 4 6; do
			frontend=$(frontend_of $from) what="IPv$from client, IPv$to backend, $1"
			expect "priority-tagged, with priority 5, $what" contains "$(framed $from --vlan $((5 << 13)))" answer
			expect "bytes behind the packet, $what" contains "$(framed $from --pad 300)" answer
			if [ $from = 4 ]; then
				expect "IPv4 options and no checksum, $what" \
					contains "$(netpeer client udp "$frontend" 53 --ip-option --no-checksum --wait 10)" answer
			else
				extension=$([ $to = 4 ] && echo hop || echo dest)
				expect "extension header ($extension), $what" \
					contains "$(netpeer client udp "$frontend" 53 --extension "$extension" --wait 10)" answer
			fi
		done
	done
	# A frame with a tag is another device's.
	before=$(reasons edge)
	expect "tagged for a VLAN, $1" equal "$(LAB_WAIT=0.5 framed 4 --vlan 100)" silence
	expect "tagged for a VLAN, IPv6, $1" equal "$(LAB_WAIT=0.5 framed 6 --vlan 100)" silence
	expect "two tags, $1" equal "$(LAB_WAIT=0.5 framed 4 --vlan 0 --vlan 100)" silence
	expect "nothing of it was counted, $1" equal "$(reasons edge)" "$before"
}

# jumbo HOW: whatever edge53 makes of an uplink of MTU 9000, it serves, and no error is logged.
jumbo() {
	local from
	on client ip link set eth0 mtu 9000
	on router ip link set lan mtu 9000
	on router ip link set wan mtu 9000
	for from in 4 6; do
		expect "UDP of IPv$from with MTU 9000, $1" answers client "$(frontend_of $from)"
		expect "TCP of IPv$from with MTU 9000, $1" answers client "$(frontend_of $from)" +tcp
		expect "a zone transfer of IPv$from with MTU 9000, $1" \
			netpeer client axfr "$(frontend_of $from)" 53 bulk.test >"$LAB_TMP/axfr"
		expect "a query of 3 kB in one frame, IPv$from, $1" \
			contains "$(netpeer client udp "$(frontend_of $from)" 53 --size 3000 --wait 10)" "${2:-answer}"
	done
}

for UPLINK in eth0 br0; do
	[ $UPLINK = eth0 ] && kind=ethernet || kind=tun
	lab_up
	lab_network $kind
	EDGE_MAC=$(on edge ip -j link show $UPLINK | json_get 'd[0]["address"]')
	network_config "$BACKEND"
	start_edge53 edge
	headers "$UPLINK, $kind"
	lab_take_down

	lab_up
	lab_network $kind 9000
	on edge ip link set eth0 mtu 9000
	on edge ip link set $UPLINK mtu 9000
	network_config "$BACKEND6"
	start_edge53 edge
	jumbo "$UPLINK, $kind"
	lab_take_down
done
