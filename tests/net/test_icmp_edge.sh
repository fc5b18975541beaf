#!/usr/bin/env bash
# ICMP errors through the edge and by it: port unreachable, time exceeded, too big. All pairs of families.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

CLOSED=31999

# told FROM TYPE4 CODE4 TYPE6 CODE6 MTU: what the socket of a client of this family is to hear, from the frontend.
told() {
	if [ "$1" = 4 ]; then
		echo "error $7 $2 $3 $6 $FRONTEND"
	else
		echo "error $8 $4 $5 $6 $FRONTEND6"
	fi
}
port_unreachable() { told "$1" 3 3 1 4 0 ECONNREFUSED ECONNREFUSED; }
time_exceeded() { told "$1" 11 0 3 0 0 EHOSTUNREACH EHOSTUNREACH; }
too_big() { told "$1" 3 4 2 0 "$2" EMSGSIZE EMSGSIZE; }


# errors KIND
errors() {
	local from to frontend mtu what
	lab_up
	lab_network "$1"
	network_config "$BACKEND,$CLOSED,31054"
	start_edge53 edge
	for to in 4 6; do
		reload_network "$(backend_of $to),$CLOSED,31054"
		wait_until 20 answers client $FRONTEND6 +tcp || fail "no answer over TCP from the IPv$to backend, $1"
		for from in 4 6; do
			frontend=$(frontend_of $from) what="IPv$from client, IPv$to backend, $1"
			expect "a closed UDP port of the backend, $what" \
				equal "$(netpeer client udp "$frontend" 53 --wait 5)" "$(port_unreachable $from)"
			# 64 at the client's router, so the edge gets it with 1.
			expect "a TTL that ends at the edge, $what" \
				equal "$(netpeer client udp "$frontend" 53 --ttl 2 --wait 5)" "$(time_exceeded $from)"
			mtu=$(mtu_for $from $to 1420)
			expect "a query that is too long for the tunnel, $what" \
				equal "$(netpeer client udp "$frontend" 53 --df --size 1450 --wait 5)" "$(too_big $from "$mtu")"
			on client ip route flush cache
			on client ip -6 route flush cache
		done
	done
	lab_take_down
}

for kind in tun ethernet; do
	errors $kind
done
