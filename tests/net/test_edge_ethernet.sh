#!/usr/bin/env bash
# A backend over Ethernet: XDP translates and redirects, whatever the client does with checksums.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need kdig dnsperf

lab_up
lab_edge ethernet
edge_config eth1
start_edge53 edge

for offload in off on; do
	on client ethtool -K eth0 tx $offload >/dev/null
	on backend ethtool -K eth0 tx $offload >/dev/null
	on edge ethtool -K eth0 tx $offload >/dev/null
	on edge ethtool -K eth1 tx $offload >/dev/null
	for client in 203.0.113.7 203.0.113.8; do
		expect "dig over UDP from $client, tx checksums $offload" \
			equal "$(ask client $FRONTEND www.example.com -b $client)" 192.0.2.80
		expect "dig over TCP from $client, tx checksums $offload" \
			equal "$(ask client $FRONTEND www.example.com -b $client +tcp)" 192.0.2.80
		expect "a large answer over TCP to $client, tx checksums $offload" \
			equal "$(on client dig @$FRONTEND big.example.com TXT -b $client +tcp +short +tries=1 +time=30 | wc -l)" 40
	done
	expect "the backend must see the edge's address, tx checksums $offload" \
		equal "$(ask client $FRONTEND whoami.test)" $TUNNEL_SOURCE
	expect "the edge is one hop for a reply's TTL, tx checksums $offload" \
		equal "$(dnsclient client ttl $FRONTEND)" 63
	expect "pipelined TCP queries, tx checksums $offload" dnsclient client pipeline $FRONTEND 200
	expect "TCP with one byte a segment, tx checksums $offload" dnsclient client pipeline $FRONTEND 3 --slow

	load client udp-$offload.txt -s $FRONTEND -a 203.0.113.20 -l 2 -c 20 -Q 8000 || fail "dnsperf over UDP"
	expect "dnsperf over UDP loses nothing, tx checksums $offload" all_answered udp-$offload.txt
	load client tcp-$offload.txt -s $FRONTEND -a 203.0.113.21 -l 2 -c 10 -m tcp -Q 1000 || fail "dnsperf over TCP"
	expect "dnsperf over TCP loses nothing, tx checksums $offload" all_answered tcp-$offload.txt
done

sent=$(($(perf_count udp-off.txt sent) + $(perf_count udp-on.txt sent)))
expect "the client's counters agree with what dnsperf sent" \
	equal "$(client_counters edge 203.0.113.20 queries replies noerror)" "$sent $sent $sent"
