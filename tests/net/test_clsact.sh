#!/usr/bin/env bash
# `run --attach clsact`: what kernels before 6.6 get. Both jobs work with it.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need dnsperf

edge_answers() { [ -n "$(ask client $FRONTEND www.example.com)" ]; }
ours_answers() { [ "$(ask vpn1 8.8.8.8 www.example.com)" = 192.0.2.80 ]; }
has_clsact() { on "$1" tc qdisc show dev "$2" | grep -q clsact; }

lab_up
lab_edge wireguard
edge_config wg0
start_edge53 edge --attach clsact
expect "wg0 must have clsact" has_clsact edge wg0
for client in 203.0.113.7 203.0.113.8; do
	expect "UDP from $client" equal "$(ask client $FRONTEND www.example.com -b $client)" 192.0.2.80
	expect "TCP from $client" equal "$(ask client $FRONTEND www.example.com -b $client +tcp)" 192.0.2.80
done

start_load client udp.txt -s $FRONTEND -a 203.0.113.20 -c 10 -Q 2000
kill_edge53
expect "without a loader DNS goes on" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
start_edge53 edge --attach clsact
end_load "$LOAD_PID" udp.txt
expect "nothing is lost while the loader is killed and started" all_answered udp.txt

remove_edge_wireguard
add_edge_wireguard
wait_until 60 edge_answers || fail "no answer after wg0 came back"

expect "down" e53 edge down
expect "clsact must be gone from wg0" fails has_clsact edge wg0
expect "clsact must be gone from eth0" fails has_clsact edge eth0
lab_take_down

lab_up
lab_enforce
enforce_config ""
start_edge53 host --attach clsact
before=$(leaked)
for resolver in 8.8.8.8 9.9.9.9 $RESOLVER; do
	expect "$resolver over UDP" equal "$(ask vpn1 "$resolver" www.example.com)" 192.0.2.80
	expect "$resolver over TCP" equal "$(ask vpn2 "$resolver" www.example.com +tcp)" 192.0.2.80
done
expect "two resolvers from one UDP port" dnsclient vpn1 twins 8.8.8.8 9.9.9.9
expect "two resolvers from one TCP port" dnsclient vpn1 twins --tcp 8.8.8.8 9.9.9.9
expect "IPv6 to port 53 is dropped" fails ask vpn1 2001:4860:4860::8888 www.example.com +time=1
remove_ppp 0
add_ppp 0
wait_until 60 ours_answers || fail "no answer after ppp0 came back"
expect "nothing leaked" equal "$(leaked)" "$before"
expect "down" e53 host down
expect "clsact must be gone from ppp1" fails has_clsact host ppp1
