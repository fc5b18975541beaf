#!/usr/bin/env bash
# Devices that are not there yet when edge53 starts, go, and come again, with a loader and without one.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

answers_again() {
	[ "$(ask client $FRONTEND www.example.com -b 203.0.113.7)" = 192.0.2.80 ]
}
both_work() {
	wait_until 60 answers_again || fail "no answer over UDP $1"
	expect "an answer over TCP $1" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.7 +tcp)" 192.0.2.80
}

lab_up
lab_edge wireguard
edge_config wg0
remove_edge_wireguard
on edge ip link del eth0
start_edge53 edge
expect "status without any device" e53 edge status >"$LAB_TMP/status.log"

add_uplink
add_edge_wireguard
both_work "after both devices came"

for round in 1 2 3; do
	on edge ip link del eth0
	add_uplink
	both_work "after the uplink came again, round $round"
done

# Down and up is not gone and come: addresses stay, routes do not.
on edge ip link set eth0 down
on edge ip link set eth0 up
on edge ip route add default via 198.55.102.1
both_work "after the uplink was down"

# Another address on the neighbour's card.
on client ip link set eth0 down
on client ip link set eth0 address 02:00:00:00:53:01
on client ip link set eth0 up
both_work "after the router's hardware address changed"

kill_edge53
remove_edge_wireguard
add_edge_wireguard
start_edge53 edge
both_work "after wg0 came again while there was no loader"

kill_edge53
on edge ip link del eth0
add_uplink
start_edge53 edge
both_work "after the uplink came again while there was no loader"
