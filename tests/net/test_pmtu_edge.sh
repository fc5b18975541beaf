#!/usr/bin/env bash
# Path MTU discovery through the edge, of clients and of backends: the narrow place is on the other side of the edge.
# All pairs of families.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

PORT=31060

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
	path_mtus $kind
done
