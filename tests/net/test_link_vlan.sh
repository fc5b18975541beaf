#!/usr/bin/env bash
# The uplink is a VLAN device, and one in another (QinQ): the kernel takes tags off and puts them on, be they in the
# bytes or beside them, and the device below leaves tagged frames alone.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

# tagged TAG...: the uplink's addresses move from the cable's ends to VLAN devices on them, one on the other.
tagged() {
	local upper_wan=wan upper_eth=eth0 id
	for id in "$@"; do
		on router ip link add link $upper_wan name $upper_wan."$id" type vlan id "$id" 2>/dev/null ||
			skip "the kernel has no VLAN devices (8021q)"
		on edge ip link add link $upper_eth name $upper_eth."$id" type vlan id "$id"
		upper_wan=$upper_wan.$id upper_eth=$upper_eth.$id
		on router ip link set "$upper_wan" up
		on edge ip link set "$upper_eth" up
	done
	UPLINK=$upper_eth
	on router ip addr flush dev wan
	on edge ip addr flush dev eth0
	on router ip addr add $ROUTER/24 dev "$upper_wan"
	on router ip addr add $ROUTER6/64 dev "$upper_wan" nodad
	on edge ip addr add "$FRONTEND/24" dev "$UPLINK"
	on edge ip addr add $FRONTEND6/64 dev "$UPLINK" nodad
	on edge ip route replace default via $ROUTER
	on edge ip -6 route replace default via $ROUTER6
	wait_until 20 pings client "$FRONTEND" || fail "the client does not reach the edge over $UPLINK"
	wait_until 20 pings client $FRONTEND6 || fail "the client does not reach the edge over $UPLINK, IPv6"
}

# served KIND TAG...
served() {
	local kind=$1 beside from
	shift
	lab_up
	UPLINK=eth0
	lab_network "$kind"
	tagged "$@"
	network_config "$BACKEND"
	start_edge53 edge
	for beside in on off; do
		on router ethtool -K wan txvlan $beside >/dev/null 2>&1 || true
		on edge ethtool -K eth0 rxvlan $beside txvlan $beside >/dev/null 2>&1 || true
		all_pairs_work "uplink $UPLINK, tags beside the bytes $beside, $kind"
		for from in 4 6; do
			expect "an answer in fragments, IPv$from, uplink $UPLINK, $kind" \
				contains "$(netpeer client udp "$(frontend_of $from)" 53 big.example.com TXT --wait 10)" answer
		done
	done
	lab_take_down
}
served ethernet 100
served tun 100 200

# The service is on the cable itself: what has a tag is not for it.
lab_up
UPLINK=eth0
lab_network tun
network_config "$BACKEND"
start_edge53 edge
on router ip link add link wan name wan.100 type vlan id 100
on router ip link set wan.100 up
on router ip addr add 192.0.2.129/25 dev wan.100
on edge ip link add link eth0 name eth0.100 type vlan id 100
on edge ip link set eth0.100 up
on edge ip addr add 192.0.2.130/25 dev eth0.100
start_knot edge tagged 192.0.2.45 192.0.2.130@53
expect "a server of the edge's own on a VLAN of the uplink" equal "$(ask router 192.0.2.130 www.example.com)" 192.0.2.45
on router ip route add "$FRONTEND/32" dev wan.100 via 192.0.2.130
before=$(reasons edge)
fails ask router "$FRONTEND" www.example.com +time=1
expect "a query to the frontend by that VLAN is not its" equal "$(reasons edge)" "$before"
