#!/usr/bin/env bash
# A million distinct client addresses and ports within seconds: every one is answered. nftables
# masquerade stops at 64,512 (LAB_NAT=nft shows it).
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need kxdpgun

WANTED=1000000
RATE=80000

lab_up
lab_edge ethernet

# knot takes its queries by AF_XDP here: by sockets it would be the first to lose some.
end_process "$KNOT_PID"
sed -i 's/^database:/xdp:\n    listen: [ eth0@31053 ]\n    udp: on\n&/' "$LAB_TMP/knot/knot.conf"
spawn backend knot.log knotd -c "$LAB_TMP/knot/knot.conf"
wait_until 15 answers edge $BACKEND -p 31053 || skip "knot does not answer by AF_XDP on veth here"

LAB_UDP_SLOTS=262144 LAB_CLIENTS=131072 edge_config eth1
start_edge53 edge

# kxdpgun uses the 63,536 ports from 2000 on of one address, then those of the next: no pair comes twice.
on client timeout 120 kxdpgun -t $(((WANTED + RATE - 1) / RATE)) -Q $RATE -p 53 -l 100.64.0.0/16 \
	-i "$(query_file)" $FRONTEND >"$LAB_TMP/kxdpgun.log" 2>&1 || fail "kxdpgun"
sent=$(awk '/^total queries:/ { print $3 }' "$LAB_TMP/kxdpgun.log")
answered=$(awk '/^total replies:/ { print $3 }' "$LAB_TMP/kxdpgun.log")
noerror=$(awk '/^responded NOERROR:/ { print $3 }' "$LAB_TMP/kxdpgun.log")
expect "kxdpgun must send a million queries" test "$sent" -ge $WANTED

sum() { e53 edge clients --json | json_get "sum(c['$1'] for c in d['clients'])"; }
if [ "$LAB_NAT" != nft ]; then
	expect "the edge counts every query kxdpgun sent" equal "$(sum queries)" "$sent"
	expect "as many addresses as that many ports need" \
		equal "$(e53 edge clients --json | json_get "len(d['clients'])")" $(((sent + 63535) / 63536))
	expect "the edge counts a reply for every query" equal "$(sum replies)" "$sent"
fi
expect "every query is answered" equal "$answered $noerror" "$sent $sent"
