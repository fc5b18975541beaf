#!/usr/bin/env bash
# Whoever reaches /metrics means no good: garbage, two hundred connections that never end, and as many scrapes as go.
# The loader's watchdog, reloads, health and DNS go on meanwhile, and Prometheus comes in again afterwards.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_metrics.sh"
need dnsperf

said() { grep -c -- "$1" "$LAB_TMP/notify" || true; }
said_more() { [ "$(said "$1")" -gt "$2" ]; }
# is_alive WHEN: the watchdog is fed, and a new backend's device would be looked at: a reload is done.
is_alive() {
	local before
	before=$(said WATCHDOG=1)
	wait_until 20 said_more WATCHDOG=1 "$before" || fail "$1: the watchdog is not fed"
	before=$(count_ready)
	kill -HUP "$EDGE53_PID"
	wait_until 30 more_ready_than "$before" || fail "$1: no reload"
}
fds() { find "/proc/$EDGE53_PID/fd" -mindepth 1 | wc -l; }
fds_are() { [ "$(fds)" -le "$1" ]; }
# let_in: connections that the loader has, one a line.
let_in() { on edge ss -Htnp state established "sport = :$PORT" | grep "pid=$EDGE53_PID," || true; }
somebody_is_in() { [ -n "$(let_in)" ]; }
nobody_is_in() { [ -z "$(let_in)" ]; }
no_child() { [ -z "$(cat "/proc/$EDGE53_PID/task/$EDGE53_PID/children")" ]; }

lab_up
has_metrics || skip "this edge53 is built without metrics"
lab_edge ethernet
edge_config eth1
metrics_config "metrics: 127.0.0.1:$PORT" "top_clients: 10"
WATCHDOG_USEC=4000000 start_edge53 edge
expect "a scrape" scrape edge
before=$(fds)
start_load client load.txt -s $FRONTEND -a 203.0.113.20 -c 5 -Q 300
load=$LOAD_PID

python_on edge "$LAB_HERE/httppeer.py" garbage 127.0.0.1 $PORT || fail "garbage is not ended"
is_alive "after garbage"
expect "a scrape after garbage" scrape edge

spawn edge hold.txt "$LAB_PYTHON" "$LAB_HERE/httppeer.py" hold 127.0.0.1 $PORT 200 200
hold=$SPAWNED
wait_until 60 grep -q ready "$LAB_TMP/hold.txt" || fail "no connections"
wait_until 30 somebody_is_in || fail "nobody is let in"
expect "and no more than 32" test "$(grep -c . <<<"$(let_in)")" -le 32
is_alive "with 200 connections"
expect "DNS" answers client $FRONTEND -b 203.0.113.7
wait_until 90 scrape edge || fail "nobody comes in beside connections that never end"
wait_until 60 nobody_is_in || fail "connections are not ended: $(on edge ss -Htn "sport = :$PORT")"
expect "those who hold on are there still" alive "$hold"
kill "$hold"

# As fast as they go, four at a time: only now and then one makes the loader look.
for _ in 1 2 3 4; do
	# shellcheck disable=SC2016
	spawn edge scrapes.log timeout 250 sh -c 'i=0; while [ $i -lt 40 ]; do curl -s --noproxy "*" -m 20 -o /dev/null "$0" || exit 1; i=$((i + 1)); done; echo done' \
		"http://127.0.0.1:$PORT/metrics"
	scrapers+=("$SPAWNED")
done
is_alive "while it is scraped"
for scraper in "${scrapers[@]}"; do
	wait "$scraper" || fail "a scrape failed: $(cat "$LAB_TMP/scrapes.log")"
done
is_alive "afterwards"
wait_until 30 no_child || fail "a child is left"
wait_until 30 fds_are "$before" || fail "$(fds) descriptors, of $before: $(ls -l "/proc/$EDGE53_PID/fd")"
wait_until 60 same_as_status edge || true # the load goes on, so the two may differ: but the scrape works
expect "a scrape at the end" scrape edge
end_load "$load" load.txt
expect "DNS has lost nothing" all_answered load.txt

# Who is not read from does not hold up its end.
spawn edge unread.log "$LAB_PYTHON" -c "
import socket, time
s = [socket.create_connection(('127.0.0.1', $PORT)) for _ in range(8)]
for c in s:
    c.sendall(b'GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n')
print('sent', flush=True)
time.sleep(300)"
wait_until 30 grep -q sent "$LAB_TMP/unread.log" || fail "no connections"
kill "$EDGE53_PID"
wait_until 20 gone "$EDGE53_PID" || fail "connections that nobody reads from hold up the loader's end"
