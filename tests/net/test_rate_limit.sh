#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# rate_limit: what is over it is answered TC=1, by tc and by XDP, and a client that comes back by TCP is not limited any
# more. Every query is either sent or counted as over the limit, and what is sent is the burst and the rate.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables limits otherwise"
need dnsperf dig ethtool

QPS=50
BURST=100

limited() { # OVER
	edge_config eth1
	sed -i "s/^    client_ip: none/    rate_limit: { qps: $QPS, burst: $BURST, over: $1, prefix: { ipv4: 32 }, exempt: [203.0.113.9] }/" \
		"$LAB_TMP/edge53.yaml"
}
truncated() { reason_count edge rate_truncated; }
dropped() { reason_count edge rate_dropped; }
sent() { reason_count edge query_sent; }
more_truncated_than() { [ "$(truncated)" -gt "$1" ]; }
run_time() { awk '$1 == "Run" && $2 == "time" { print $4 }' "$LAB_TMP/$1"; }

# is_the_rate QUERIES SECONDS: which the client asked for all the time.
is_the_rate() {
	awk -v n="$1" -v s="$2" -v qps=$QPS -v burst=$BURST 'BEGIN {
		most = burst + qps * (s + 1)
		if (n > most * 1.05 || n < (burst + qps * (s - 1)) * 0.95) { print n, "queries in", s, "s" >"/dev/stderr"; exit 1 }
	}'
}

# is_limited ADDRESS: ten times as often as it may.
is_limited() {
	local n asked over=$LAB_TMP/over
	asked=$(sent) n=$(truncated)
	load client "load$1.txt" -s $FRONTEND -a "$1" -l 4 -c 10 -Q $((10 * QPS)) || fail "dnsperf"
	expect "$1: every query is answered, by the server or with TC=1" all_answered "load$1.txt"
	asked=$(($(sent) - asked)) n=$(($(truncated) - n))
	expect "$1: every query was sent or truncated" equal $((asked + n)) "$(perf_count "load$1.txt" sent)"
	expect "$1: the burst and the rate were sent" is_the_rate $asked "$(run_time "load$1.txt")"
	expect "$1: what was over the limit has taken no counters" equal \
		"$(client_counters edge "$1" queries)" $asked
}

lab_up
lab_edge ethernet
limited truncate
start_edge53 edge

# With partial checksums, as veth has them, tc answers; without, XDP does.
is_limited 203.0.113.20
on client ethtool -K eth0 tx off >/dev/null
is_limited 203.0.113.21

# Who is told to come by TCP, comes, and is proven.
start_load client steady.txt -s $FRONTEND -a 203.0.113.7 -c 10 -Q $((10 * QPS))
load=$LOAD_PID n=$(truncated)
wait_until 60 more_truncated_than "$n" || fail "a client is not limited"
# One of ten of its queries has an answer still.
is_told() { [ -z "$(ask client $FRONTEND www.example.com +ignore -b 203.0.113.7)" ]; }
wait_until 60 is_told || fail "a resolver is not told to come by TCP"
expect "a resolver that is told to comes by TCP" equal "$(ask client $FRONTEND www.example.com +tcp -b 203.0.113.7)" 192.0.2.80
n=$(truncated) asked=$(sent)
sends_more() { [ $(($(sent) - asked)) -gt $((4 * (BURST + QPS))) ]; }
wait_until 60 sends_more || fail "after a handshake it is limited still"
end_load "$load" steady.txt
expect "after a handshake nothing is truncated" test $(($(truncated) - n)) -le 30
expect "nothing is lost" all_answered steady.txt

n=$(truncated)
load client exempt.txt -s $FRONTEND -a 203.0.113.9 -l 2 -c 10 -Q $((10 * QPS)) || fail "dnsperf"
expect "who is exempt is not limited" equal "$(truncated) $(perf_count exempt.txt completed)" "$n $(perf_count exempt.txt sent)"

# Another loader knows who was proven; drop says nothing.
limited drop
kill -HUP "$EDGE53_PID"
wait_until 60 grep -q 'reloaded\|applied' "$LAB_TMP/edge53.log" || true
n=$(dropped) asked=$(sent)
load client drop.txt -s $FRONTEND -a 203.0.113.8 -l 4 -c 10 -Q $((10 * QPS)) -q 3000 -t 1 || fail "dnsperf"
asked=$(($(sent) - asked)) n=$(($(dropped) - n))
expect "drop: every query was sent or dropped" equal $((asked + n)) "$(perf_count drop.txt sent)"
expect "drop: the burst and the rate were sent" is_the_rate $asked "$(run_time drop.txt)"
expect "drop: the client lost what was dropped" equal "$(perf_count drop.txt lost)" $n
