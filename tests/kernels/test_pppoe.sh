#!/usr/bin/env bash
# Clients over PPPoE, two at once: pppoe-server on the host, the kernel's PPPoE at the clients.
#
#     vpn3 eth0 ─────── eth3 host        ppp0, ppp1: links over a pty, as in every enforce lab
#     vpn4 eth0 ─────── eth4             ppp2, ppp3: sessions of pppoe-server
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"
need pppoe-server pppd

ours() { [ "$(ask "$1" 8.8.8.8 www.example.com)" = 192.0.2.80 ]; }

# connect NAME: PPPoE from NAME; DIALED.
connect() {
	spawn "$1" "pppoe-$1.log" pppd plugin rp-pppoe.so eth0 noauth nodetach nodefaultroute noccp novj \
		noipdefault lcp-echo-interval 0 lcp-restart 1 ipcp-restart 1 mtu 1492 mru 1492 +ipv6
	DIALED=$SPAWNED
	wait_until 60 has_address "$1" ppp0 || fail "no PPPoE session for $1"
	on "$1" ip route replace default dev ppp0
	on "$1" ip -6 route replace default dev ppp0
}
mtu() { on "$1" ip -j link show dev "$2" | json_get "d[0]['mtu']"; }

lab_up
lab_enforce
modprobe -q pppoe 2>/dev/null || true
[ "$LAB_PPP" = pppd ] && on host test -e /proc/net/pppoe || skip "this kernel has no PPPoE"
cat >"$LAB_TMP/server-options" <<-END
	noauth
	noccp
	novj
	lcp-echo-interval 0
	lcp-restart 1
	ipcp-restart 1
	+ipv6
END
for n in 3 4; do
	add_namespace vpn$n
	add_cable host eth$n vpn$n eth0
done
spawn host pppoe-server.log pppoe-server -F -I eth3 -I eth4 -L $RESOLVER -R 10.77.0.21 -N 8 -O "$LAB_TMP/server-options"

enforce_config ""
start_edge53 host
before=$(leaked)
for round in 1 2; do
	connect vpn3
	dialed3=$DIALED
	connect vpn4
	dialed4=$DIALED
	expect "the MTU of PPPoE, round $round" equal "$(mtu vpn3 ppp0)" 1492
	for vpn in vpn3 vpn4; do
		wait_until 60 ours $vpn || fail "no answer over PPPoE for $vpn, round $round"
		expect "$vpn over TCP, round $round" equal "$(ask $vpn 9.9.9.9 www.example.com +tcp)" 192.0.2.80
		expect "IPv6 of $vpn does not leak, round $round" \
			fails ask $vpn 2001:4860:4860::8888 www.example.com +time=1
	done
	expect "two resolvers from one UDP port, round $round" dnsclient vpn3 twins 8.8.8.8 9.9.9.9
	expect "two resolvers from one TCP port, round $round" dnsclient vpn4 twins --tcp 8.8.8.8 9.9.9.9
	expect "pipelined TCP over PPPoE, round $round" dnsclient vpn3 pipeline 9.9.9.9 200
	end_process "$dialed3" "$dialed4"
	for n in 2 3; do
		wait_until 60 no_device host ppp$n || fail "ppp$n does not go away, round $round"
	done
	expect "edge53 must live on, round $round" alive "$EDGE53_PID"
	expect "the others have their answers, round $round" ours vpn1
done
expect "nothing leaked" equal "$(leaked)" "$before"
