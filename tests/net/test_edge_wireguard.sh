#!/usr/bin/env bash
# A backend behind WireGuard: every answer over UDP and TCP, and counters that agree with what was sent.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need kdig dnsperf

lab_up
lab_edge wireguard
edge_config wg0
start_edge53 edge

for client in 203.0.113.7 203.0.113.8 203.0.113.9; do
	expect "dig over UDP from $client" \
		equal "$(ask client $FRONTEND www.example.com -b $client)" 192.0.2.80
	expect "dig over TCP from $client" \
		equal "$(ask client $FRONTEND www.example.com -b $client +tcp)" 192.0.2.80
	expect "kdig over UDP from $client" \
		equal "$(on client kdig @$FRONTEND www.example.com +short -b $client)" 192.0.2.80
	expect "kdig over TCP from $client" \
		equal "$(on client kdig @$FRONTEND www.example.com +short -b $client +tcp)" 192.0.2.80
done

expect "the backend must see the tunnel address on UDP" \
	equal "$(ask client $FRONTEND whoami.test -b 203.0.113.7)" $TUNNEL_SOURCE
expect "the backend must see the tunnel address on TCP" \
	equal "$(ask client $FRONTEND whoami.test -b 203.0.113.7 +tcp)" $TUNNEL_SOURCE

# A reply of 3 kB: truncated over UDP, and dig comes again over TCP.
expect "a large answer comes over TCP after TC" \
	equal "$(on client dig @$FRONTEND big.example.com TXT +short +tries=1 +time=30 +bufsize=1232 | wc -l)" 40

expect "the edge is one hop for a reply's TTL" \
	equal "$(dnsclient client ttl $FRONTEND)" 63

expect "pipelined TCP queries" dnsclient client pipeline $FRONTEND 200 --from 203.0.113.8
expect "TCP with one byte a segment" dnsclient client pipeline $FRONTEND 5 --from 203.0.113.8 --slow

load client udp.txt -s $FRONTEND -a 203.0.113.20 -l 3 -c 20 -Q 5000 || fail "dnsperf over UDP"
expect "dnsperf over UDP loses nothing" all_answered udp.txt
load client tcp.txt -s $FRONTEND -a 203.0.113.21 -l 2 -c 10 -m tcp -Q 1000 || fail "dnsperf over TCP"
expect "dnsperf over TCP loses nothing" all_answered tcp.txt

sent=$(perf_count udp.txt sent)
expect "counters of the UDP client agree with what dnsperf sent" \
	equal "$(client_counters edge 203.0.113.20 queries replies noerror)" "$sent $sent $sent"
expect "ten connections of the TCP client are counted" \
	equal "$(client_counters edge 203.0.113.21 queries tcp_connections)" "0 10"
# dig and kdig once each over UDP and TCP; .7 asked whoami.test as well.
expect "counters of 203.0.113.9" \
	equal "$(client_counters edge 203.0.113.9 queries replies tcp_connections)" "2 2 2"
expect "counters of 203.0.113.7" \
	equal "$(client_counters edge 203.0.113.7 queries replies tcp_connections)" "3 3 3"
