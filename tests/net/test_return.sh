#!/usr/bin/env bash
# return on a backend's host: replies to exactly those who came by the tunnel go back into it, and everything else on
# that host is as it was. WireGuard, Ethernet and tun devices, by tcx, and by clsact; long replies, transfers, a tunnel that
# is made anew, a loader that is killed; `down` leaves nothing.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_return.sh"
need kdig tcpdump dnsperf

LAB_BULK=${QUICK:+304}
LAB_BULK=${LAB_BULK:-5004}

# seen_as FAMILY TRANSPORT CLIENT: whom knot on the backend takes a client of the edge for.
seen_as() {
	local type=A
	[ "$1" = 4 ] || type=AAAA
	ask client "$(frontend_of "$1")" whoami.test $type "$2" -b "$3" 2>/dev/null
}
kept_works() { [ "$(seen_as 4 +notcp $KEPT)" = $KEPT ]; }
kept_works_by_tcp() { [ "$(seen_as 6 +tcp $KEPT6)" = $KEPT6 ]; }

# all_seen WHAT: kept clients of both families, by UDP and TCP, are seen and answered.
all_seen() {
	local family transport
	for family in 4 6; do
		for transport in +notcp +tcp; do
			expect "a kept client, IPv$family $transport, $1" \
				equal "$(seen_as $family $transport "$(kept_of $family)")" "$(kept_of $family)"
		done
	done
}

# long_replies WHAT: what is more than one packet. dig truncates nothing here; knot sends 3 kB in fragments.
long_replies() {
	local family from
	for family in 4 6; do
		from=$(kept_of $family)
		expect "3 kB by UDP, in fragments, IPv$family, $1" \
			equal "$(on client dig "@$(frontend_of $family)" big.example.com TXT +short +notcp +ignore +bufsize=4096 +tries=1 +time=10 -b "$from" | wc -l)" 40
		expect "3 kB by TCP, IPv$family, $1" \
			equal "$(on client dig "@$(frontend_of $family)" big.example.com TXT +short +tcp +tries=1 +time=10 -b "$from" | wc -l)" 40
		expect "a zone transfer, IPv$family, $1" \
			equal "$(on client kdig "@$(frontend_of $family)" bulk.test AXFR +noall +answer +time=60 +retry=0 -b "$from" | grep -c IN)" "$LAB_BULK"
	done
}

# untouched WHAT: the same server by its uplink, another service, and the host's own queries.
untouched() {
	local family before after noted
	before=$(return_count return_sent)
	for family in 4 6; do
		expect "the server by its uplink, IPv$family UDP, $1" \
			equal "$(ask client "$(uplink_of $family)" direct.example.com +notcp -b "$(kept_of $family)")" 192.0.2.53
		expect "the server by its uplink, IPv$family TCP, $1" \
			equal "$(ask client "$(uplink_of $family)" direct.example.com +tcp -b "$(client_of $family)")" 192.0.2.53
		expect "another service by the uplink, IPv$family, $1" \
			equal "$(netpeer client refused tcp "$(uplink_of $family)" 7777 --wait 10 | cut -d' ' -f1)" works
		expect "another service by the tunnel, IPv$family, $1" \
			equal "$(netpeer edge refused udp "$(backend_of $family)" 7777 --wait 10 | cut -d' ' -f1)" works
		expect "the host's own queries, IPv$family, $1" pings backend "$(client_of $family)"
	done
	after=$(return_count return_sent)
	expect "nothing of that was sent into the tunnel, $1" equal "$after" "$before"
	noted=$(return_count return_noted)
	ask client $UPLINK_OF_BACKEND direct.example.com >/dev/null
	expect "who comes by the uplink is not noted, $1" equal "$(return_count return_noted)" "$noted"
}

hooks_of() { return53 status --json | python -c '
import json, sys
print(*sorted(h["hook"] + ":" + h["device"] for h in json.load(sys.stdin)["hooks"] if not h["gone"]))'; }

# try KIND [MTU]: of the tunnel.
try() {
	local before tc=tcx # or clsact, where the kernel has no tcx or is not to use it
	lab_up
	lab_return "$@"
	start_netpeer backend echo.log echo 7777 --at $UPLINK_OF_BACKEND $UPLINK_OF_BACKEND6 "$BACKEND" $BACKEND6
	keep_config 31053,31054
	start_edge53 edge
	usual_return
	start_return
	! on backend tc qdisc show dev up0 | grep -q clsact || tc=clsact
	expect "the hooks, $1" equal "$(hooks_of)" "${tc}_return_in:$FAR_TUNNEL ${tc}_return_out:up0"
	before=$(astray)
	all_seen "$1"
	long_replies "$1"
	untouched "$1"
	expect "nothing is astray, $1" equal "$(astray)" "$before"
	expect "what was noted is counted, $1" differs "$(return_count return_noted)" 0
	expect "nothing went when its tunnel was gone, $1" equal "$(return_count return_gone)" 0
}

# ---------------------------------------------------------------- WireGuard, and what happens to a loader

try wireguard
expect "check knows the strict filter of the kernel" \
	lacks "$(return53 check -c "$LAB_TMP/return.yaml")" rp_filter
on backend sysctl -qw net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.wg0.rp_filter=0
expect "check says that the kernel drops kept clients" \
	contains "$(return53 check -c "$LAB_TMP/return.yaml")" "sysctl -w net.ipv4.conf.wg0.rp_filter=2"
expect "and it does" fails ask client $FRONTEND whoami.test A -b $KEPT +time=1
on backend sysctl -qw net.ipv4.conf.wg0.rp_filter=2
expect "check is content with a loose one" lacks "$(return53 check -c "$LAB_TMP/return.yaml")" rp_filter
expect "and so is the client" kept_works

loose_rp_filter

start_load client kept.txt -s $FRONTEND -a $KEPT -c 10 -Q 2000
kill_return
expect "without a loader replies find back" kept_works
start_return
all_seen "after another loader adopted what was there"
end_load "$LOAD_PID" kept.txt
expect "nothing is lost while the loader is killed and started" all_answered kept.txt
expect "it was adopted" grep -q 'adopted the running dataplane' "$LAB_TMP/return.log"

before=$(return_count return_gone)
remove_backend_wireguard() {
	on backend ip link del wg0
	[ -z "${LAB_WG_PID[backend]:-}" ] || end_process "${LAB_WG_PID[backend]}"
	LAB_WG_PID[backend]=
}
remove_backend_wireguard
wait_until 20 grep -q 'return-wg0: waiting for device wg0' "$LAB_TMP/return.log" || fail "the tunnel is not missed"
add_wireguard backend "$BACKEND" edge "$TUNNEL_SOURCE/32,$TUNNEL_SOURCE6/128,$TUNNEL_ADMITS" 192.0.2.1
on backend ip addr add $BACKEND6/64 dev wg0 nodad
on backend ip link set wg0 mtu 1420
wait_until 60 kept_works || fail "no answer after wg0 came back"
wait_until 60 kept_works_by_tcp || fail "no answer over IPv6 after wg0 came back"
all_seen "after wg0 was made anew"

# A configuration that returns nothing any more, and then does again.
return_config "{ tunnel: $FAR_TUNNEL, uplink: up0, udp: 9999 }"
kill -HUP "$RETURN_PID"
wait_until 20 grep -q "reloaded $LAB_TMP/return.yaml" "$LAB_TMP/return.log" || fail "no reload"
expect "a port that is not returned" fails ask client $FRONTEND whoami.test A -b $KEPT +time=1
usual_return
kill -HUP "$RETURN_PID"
wait_until 20 kept_works || fail "no answer after a reload"
expect "down" return53 down
wait_until 20 gone "$RETURN_PID" || fail "the loader lives on after down"
expect "no pins are left" fails ls -d "$LAB_PINS-backend"
expect "without it kept clients wait" fails ask client $FRONTEND whoami.test A -b $KEPT +time=1
lab_take_down

# ---------------------------------------------------------------- other devices, other hooks

try ethernet 1500 # nobody takes apart what is too long for Ethernet: check warns of that
lab_take_down
RETURN_ATTACH=(--attach clsact)
try tun
has_clsact() { on backend tc qdisc show dev "$1" | grep -q clsact; }
expect "clsact on the tunnel" has_clsact tun0
expect "down" return53 down
expect "clsact must be gone from the tunnel" fails has_clsact tun0
expect "clsact must be gone from the uplink" fails has_clsact up0
