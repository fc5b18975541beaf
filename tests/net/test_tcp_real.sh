#!/usr/bin/env bash
# TCP as real stacks speak it, through tunnels of MTU 1420: MSS, window scale, SACK, timestamps; a port that is used
# again at once, RST, and both sides closing at the same time.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
need tcpdump ss

PORT=31060
# syn_mss NAME DEVICE FLAGS: the MSS option of what the capture there has seen with these TCP flags.
syn_mss() { sed -n "s/.*Flags \[$3\].*mss \([0-9]*\).*/\1/p" "$LAB_TMP/capture-$1-$2.txt" | sort -u | tr '\n' ' ' | sed 's/ $//'; }
captured() { [ -n "$(syn_mss backend $FAR_TUNNEL S)" ] && [ -n "$(syn_mss client eth0 'S\.')" ]; }

# mss FROM TO WANTED HOW: the MSS that both sides are told by the other's SYN.
mss() {
	local from=$1 to=$2 wanted=$3 what="IPv$1 client, IPv$2 backend, $4" backend_capture
	start_capture backend $FAR_TUNNEL "tcp port $PORT or (ip6 and tcp)"
	backend_capture=$CAPTURE_PID
	start_capture client eth0 'tcp port 53 or (ip6 and tcp)'
	expect "a stream, $what" netpeer client stream "$(frontend_of "$from")" 53 200000 >"$LAB_TMP/stream"
	wait_until 10 captured || fail "no SYN and SYN-ACK were captured, $what"
	end_process "$CAPTURE_PID" "$backend_capture"
	expect "the backend's view of the client's MSS, $what" equal "$(syn_mss backend $FAR_TUNNEL S)" "$wanted"
	expect "the client's view of the backend's MSS, $what" equal "$(syn_mss client eth0 'S\.')" "$wanted"
	for who in "$LAB_TMP/stream" "$LAB_TMP/served"; do
		expect "timestamps, SACK and window scale, $what, in $(basename "$who")" equal \
			"$(tail -n 1 "$who" | json_get 'd["timestamps"] and d["sack"] and d["wscale"]')" True
	done
}

lab_up
lab_network tun
start_netpeer backend serve.log serve $PORT "$LAB_TMP/served"
network_config "$BACKEND,$PORT"
start_edge53 edge
waiting() { { on client ss -Htan state time-wait; on backend ss -Htan state time-wait; } | wc -l; }
is_used() { netpeer client stream $FRONTEND6 53 100; }
# Both ends would rather send more, were it not for the edge: it alone knows the tunnel's MTU.
on backend ip link set tun0 mtu 1500
for to in 4 6; do
	reload_network "$(backend_of $to),$PORT"
	wait_until 20 is_used || fail "no stream to the IPv$to backend"
	for from in 4 6; do
		frontend=$(frontend_of $from) what="IPv$from client, IPv$to backend"
		[ $to = 4 ] && wanted=1380 || wanted=1360
		mss $from $to $wanted "tunnel of MTU 1420"
		usual=$(netpeer client reuse "$frontend" 53 20) || fail "connections one after the other from one port, $what"
		# A SYN that is not answered comes again after a second.
		expect "a port that is used again waits for nothing ($usual ms), $what" test "$usual" -lt 900
		expect "RST of the backend, and a new connection from the same port, $what" netpeer client reset "$frontend" 53
		# Who closes first waits; when both do, both wait, and there are more waits than connections.
		before=$(waiting)
		expect "both sides close at once, $what" netpeer client close "$frontend" 53 20
		expect "at least once both sides have closed first, $what" test "$(waiting)" -gt $((before + 20))
	done
done

# A client device of a smaller MTU than the tunnel's.
on edge ip link set eth0 mtu 1380
reload_edge53
for from in 4 6; do
	[ $from = 4 ] && wanted=1340 || wanted=1320
	mss $from 6 $wanted "uplink of MTU 1380"
done
