#!/usr/bin/env bash
# ICMP errors through the edge and by it: port unreachable, time exceeded, too big; and path MTU discovery, where
# the narrow place is on the backend's side or on the client's. All pairs of families.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

PORT=31060
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

# The translated MTU: an IPv6 header is 20 bytes longer.
mtu_for() {
	case $1$2 in
	46) echo $(($3 - 20)) ;;
	64) echo $(($3 + 20)) ;;
	*) echo "$3" ;;
	esac
}
path_mtu() { on "$1" ip route get "$2" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'; }

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

# path_mtus KIND: TCP there and back with a narrow place of 1300 bytes, which its sender learns of.
path_mtus() {
	local from to frontend mtu what
	lab_up
	lab_network "$1"
	behind_backend 1300
	start_netpeer far far.log serve $PORT "$LAB_TMP/served"
	start_netpeer backend serve.log serve $PORT "$LAB_TMP/served"
	network_config "$FAR,$PORT"
	start_edge53 edge
	for to in 4 6; do
		far=$([ $to = 4 ] && echo "$FAR" || echo $FAR6)
		reload_network "$far,$PORT"
		streams() { netpeer client stream $FRONTEND6 53 100; }
		wait_until 20 streams || fail "no stream to the IPv$to server behind the backend, $1"
		for from in 4 6; do
			frontend=$(frontend_of $from) what="IPv$from client, IPv$to server, $1"
			mtu=$(mtu_for $from $to 1300)
			expect "a stream into a narrow path, $what" netpeer client stream "$frontend" 53 2000000 >"$LAB_TMP/stream"
			expect "the client knows the MTU behind the backend, $what" \
				equal "$(path_mtu client "$frontend")" "$mtu"
			expect "nothing waits for a timeout, $what: $(cat "$LAB_TMP/stream")" \
				test "$(json_get 'int(d["seconds"])' <"$LAB_TMP/stream")" -lt 10
			on client ip route flush cache
			on client ip -6 route flush cache
		done
	done

	# Now between the router and the client, for what the backend sends.
	narrow router $CLIENT lan 1300
	narrow router $CLIENT6 lan 1300
	for to in 4 6; do
		reload_network "$(backend_of $to),$PORT"
		wait_until 20 streams || fail "no stream to the IPv$to backend, $1"
		for from in 4 6; do
			frontend=$(frontend_of $from) what="IPv$from client, IPv$to backend, $1"
			mtu=$(mtu_for $to $from 1300)
			on backend ip route flush cache
			on backend ip -6 route flush cache
			expect "a stream out of a narrow path, $what" netpeer client stream "$frontend" 53 2000000 >"$LAB_TMP/stream"
			expect "the backend knows the MTU of the client's side, $what" \
				equal "$(path_mtu backend "$(source_of $to)")" "$mtu"
			expect "nothing waits for a timeout, $what: $(cat "$LAB_TMP/stream")" \
				test "$(json_get 'int(d["seconds"])' <"$LAB_TMP/stream")" -lt 10
		done
	done
	lab_take_down
}

for kind in tun ethernet; do
	errors $kind
	path_mtus $kind
done
