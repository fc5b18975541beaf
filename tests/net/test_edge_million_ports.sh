#!/usr/bin/env bash
# A million distinct client addresses and ports within seconds: every one is answered. nftables
# masquerade stops at 64,512 (LAB_NAT=nft shows it).
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need kxdpgun "${CC:=cc}"

WANTED=1000000

sum() { e53 edge clients --json | json_get "sum(c['$1'] for c in d['clients'])"; }
count_clients() { e53 edge clients --json | json_get "len(d['clients'])"; }
edge_mac() { on edge ip -j link show dev eth0 | json_get "d[0]['address']"; }

lab_up
lab_edge ethernet
LAB_UDP_SLOTS=262144 LAB_CLIENTS=131072 edge_config eth1
start_edge53 edge

"$CC" -O2 -o "$LAB_TMP/manyports" "$LAB_HERE/manyports.c"
began=$(date +%s)
on client timeout 120 "$LAB_TMP/manyports" eth0 "$(edge_mac)" $FRONTEND $WANTED >"$LAB_TMP/manyports.log" ||
	fail "manyports: $(cat "$LAB_TMP/manyports.log")"
took=$(($(date +%s) - began))
expect "every query is answered" equal "$(cat "$LAB_TMP/manyports.log")" "sent $WANTED answered $WANTED"
expect "the edge counts every query" equal "$(sum queries)" $WANTED
expect "the edge counts every reply" equal "$(sum replies)" $WANTED
expect "the edge knows every client" equal "$(count_clients)" 65536

# Once more with kxdpgun, which does not wait for answers: 20,000 a second whatever becomes of them. A
# veth has room for 256 frames, 13 ms at this rate; what a busy machine loses there is not the edge's
# loss. knot takes its queries by AF_XDP, as by sockets it would be the first to lose some.
end_process "$KNOT_PID"
sed -i 's/^database:/xdp:\n    listen: [ eth0@31053 ]\n    udp: on\n&/' "$LAB_TMP/knot/knot.conf"
spawn backend knot.log knotd -c "$LAB_TMP/knot/knot.conf"
wait_until 60 answers edge $BACKEND -p 31053 || skip "$WANTED in $took s; knot does not answer by AF_XDP on veth here"

on client timeout 60 kxdpgun -t 6 -Q 20000 -p 53 -l 100.65.0.0/16 -i "$(query_file)" $FRONTEND \
	>"$LAB_TMP/kxdpgun.log" 2>&1 || fail "kxdpgun"
sent=$(awk '/^total queries:/ { print $3 }' "$LAB_TMP/kxdpgun.log")
answered=$(awk '/^total replies:/ { print $3 }' "$LAB_TMP/kxdpgun.log")
expect "more than nftables has ports must be sent, not $sent" test "$sent" -gt 64512
expect "the edge counts every query of kxdpgun" equal "$(sum queries)" $((WANTED + sent))
expect "the edge counts every reply that kxdpgun got" test $((WANTED + answered)) -le "$(sum replies)"
expect "95 % of $sent must be answered, not $answered" test $((answered * 100)) -ge $((sent * 95))
echo "$WANTED in $took s; kxdpgun sent $sent in 6 s, $answered answered"
