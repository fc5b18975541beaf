#!/usr/bin/env bash
# kill -9 of the loader and a new `run`, under load: no query is lost, no connection breaks.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need dnsperf

lab_up
lab_edge wireguard
edge_config wg0
start_edge53 edge

# Emulated CPUs have nothing left for a loader beside thousands of queries a second.
udp_rate=3000 tcp_rate=300
[ -z "${QUICK:-}" ] || udp_rate=200 tcp_rate=50
start_load client udp.txt -s $FRONTEND -a 203.0.113.20 -c 20 -Q "$udp_rate"
udp_load=$LOAD_PID
start_load client tcp.txt -s $FRONTEND -a 203.0.113.21 -c 10 -m tcp -Q "$tcp_rate"
tcp_load=$LOAD_PID
spawn client hold.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold $FRONTEND "$LAB_TMP/stop" --from 203.0.113.7
hold=$SPAWNED

for round in 1 2 3; do
	kill_edge53
	expect "without a loader status still works, round $round" e53 edge status >"$LAB_TMP/status.log"
	for _ in 1 2 3 4 5; do
		expect "without a loader DNS goes on, round $round" \
			equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8)" 192.0.2.80
	done
	start_edge53 edge
	expect "new connections with the new loader, round $round" \
		equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8 +tcp)" 192.0.2.80
done

end_load "$udp_load" udp.txt
end_load "$tcp_load" tcp.txt
expect "dnsperf over UDP loses nothing" all_answered udp.txt
expect "dnsperf over TCP loses nothing" all_answered tcp.txt

touch "$LAB_TMP/stop"
wait_until 60 gone "$hold" || fail "the held TCP connection does not end"
wait "$hold" || fail "the held TCP connection broke"
expect "one connection must have served all the time" grep -q 'answers on one connection' "$LAB_TMP/hold.log"

# Every query sent is counted, before, between and after the loaders, and no fewer replies than arrived.
read -r queries replies <<<"$(client_counters edge 203.0.113.20 queries replies)"
expect "the queries' counters were kept" equal "$queries" "$(perf_count udp.txt sent)"
expect "the replies' counters were kept" test "$replies" -ge "$(perf_count udp.txt completed)"
