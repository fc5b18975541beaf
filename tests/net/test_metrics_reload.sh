#!/usr/bin/env bash
# The listener of /metrics comes, moves and goes with a reload; an address that is taken is an error that changes
# nothing, and at the start there is nothing then. What runs already goes on without metrics until the address is free.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_metrics.sh"
need dnsperf socat ss

logged() { grep -c -- "$1" "$LAB_TMP/edge53.log" || true; }
logged_more() { [ "$(logged "$1")" -gt "$2" ]; }
# hup TEXT: reload, and wait until TEXT is logged once more.
hup() {
	local before
	before=$(logged "$1")
	kill -HUP "$EDGE53_PID"
	wait_until 60 logged_more "$1" "$before" || fail "HUP: '$1' is not logged"
}
# occupy PORT: somebody else listens there. OTHER.
occupy() {
	spawn edge other.log socat TCP4-LISTEN:"$1",bind=127.0.0.1,reuseaddr,fork /dev/null
	OTHER=$SPAWNED
	wait_until 30 listens "$1" || fail "socat does not listen"
}

lab_up
has_metrics || skip "this edge53 is built without metrics"
lab_edge ethernet
edge_config eth1

# --- at the start -----------------------------------------------------------------------------------

occupy $PORT
metrics_config "metrics: 127.0.0.1:$PORT"
status=0
e53 edge run -c "$LAB_TMP/edge53.yaml" >"$LAB_TMP/refused.log" 2>&1 || status=$?
expect "an address that is taken ends the start" equal $status 1
expect "it is said" grep -q "export.metrics: cannot listen at 127.0.0.1:$PORT: Address already in use" "$LAB_TMP/refused.log"
expect "nothing is left" test ! -e "$LAB_PINS/geometry"
end_process "$OTHER"

sed -i '/^export:/,$d' "$LAB_TMP/edge53.yaml"
start_edge53 edge
start_load client load.txt -s $FRONTEND -a 203.0.113.20 -c 5 -Q 300
load=$LOAD_PID
expect "nobody listens" closed $PORT

# --- by a reload ------------------------------------------------------------------------------------

metrics_config "metrics: 127.0.0.1:$PORT"
hup 'reloaded .*edge53.yaml'
expect "it has come" scrape edge
metrics_config "metrics: 127.0.0.1:$PORT" "top_clients: 1"
hup 'reloaded .*edge53.yaml'
has_top() { scrape edge && grep -q '^edge53_top_client_queries_total{client="203.0.113.20"}' "$LAB_TMP/scrape"; }
wait_until 30 has_top || fail "no client by name after a reload"
metrics_config "metrics: 127.0.0.1:$PORT" "top_clients: off"
hup 'reloaded .*edge53.yaml'
expect "the next scrape" scrape edge
expect "has no client any more" fails grep -q '^edge53_top_client_' "$LAB_TMP/scrape"

# From one address to another at the same port, which contains it, and back.
for address in "0.0.0.0:$PORT" "127.0.0.1:$PORT" "'[::1]:$PORT'" "'[::]:$PORT'" "127.0.0.1:$PORT" "127.0.0.1:$((PORT + 1))" "127.0.0.1:$PORT"; do
	metrics_config "metrics: $address"
	hup 'reloaded .*edge53.yaml'
	text=${address//\'/}
	text=${text/0.0.0.0/127.0.0.1}
	expect "it has moved to $address" scrape edge "${text/\[::\]/[::1]}"
	expect "it listens once" equal "$(on edge ss -Hltnp | grep -c "pid=$EDGE53_PID,")" 1
done
expect "who opens it to all is told" test "$(logged 'export.metrics: 0.0.0.0 is not a loopback address')" -ge 1

# An address that comes later, as at boot.
metrics_config "metrics: 192.0.2.77:$PORT"
hup 'reloaded .*edge53.yaml'
expect "that the host does not have it is said" test "$(logged 'export.metrics: 192.0.2.77 is not an address of this host')" -ge 1
expect "nobody can ask there" fails scrape edge 192.0.2.77:$PORT
on edge ip addr add 192.0.2.77/32 dev lo
expect "until the host has it" scrape edge 192.0.2.77:$PORT

# A request that is under way when it moves is answered. It has ten seconds, which a busy machine may need for less.
mkfifo "$LAB_TMP/go"
# moves_beside_request FROM TO: whether the request was answered.
moves_beside_request() {
	metrics_config "metrics: 127.0.0.1:$1"
	hup 'reloaded .*edge53.yaml'
	metrics_config "metrics: 127.0.0.1:$2"
	: >"$LAB_TMP/slow.txt"
	spawn edge slow.txt "$LAB_PYTHON" -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
s.sendall(b"GET /metrics HTTP/1.1\r\n")
print("begun", flush=True)
open(sys.argv[1]).readline()
s.sendall(b"Host: x\r\n\r\n")
text = b""
while True:
    more = s.recv(65536)
    if not more:
        break
    text += more
sys.exit(not (text.startswith(b"HTTP/1.1 200") and b"edge53_collect_seconds" in text))' "$LAB_TMP/go" "$1"
	wait_until 30 grep -q begun "$LAB_TMP/slow.txt" || fail "no connection"
	hup 'reloaded .*edge53.yaml'
	expect "nobody else is let in" closed "$1"
	echo >"$LAB_TMP/go"
	wait "$SPAWNED"
}
for attempt in 1 2 3 4 5; do
	! moves_beside_request $PORT $((PORT + 1)) || break
done
expect "who was let in is answered" test "$attempt" != 5

# --- an address that is taken -----------------------------------------------------------------------

occupy $PORT
metrics_config "metrics: 127.0.0.1:$PORT"
hup 'not reloaded; what was running keeps running'
expect "it is said" test "$(logged "cannot listen at 127.0.0.1:$PORT: Address already in use")" -ge 1
expect "the one before listens on" scrape edge 127.0.0.1:$((PORT + 1))
sed -i 's/udp_timeout: 60s/udp_timeout: nonsense/' "$LAB_TMP/edge53.yaml"
metrics_config "metrics: 127.0.0.1:$((PORT + 2))"
hup 'not reloaded; what was running keeps running'
expect "with another mistake in the file it does not move either" closed $((PORT + 2))
sed -i 's/udp_timeout: nonsense/udp_timeout: 60s/' "$LAB_TMP/edge53.yaml"

# A loader that comes to a dataplane at work does not leave it alone for that.
metrics_config "metrics: 127.0.0.1:$PORT"
kill_edge53
start_edge53 edge
expect "it serves" answers client $FRONTEND -b 203.0.113.7
end_process "$OTHER"
wait_until 60 scrape edge || fail "the address is free, and nobody listens"
expect "and it is edge53" value edge53_build_info

sed -i '/^export:/,$d' "$LAB_TMP/edge53.yaml"
hup 'reloaded .*edge53.yaml'
expect "it has gone" closed $PORT
end_load "$load" load.txt
expect "DNS has lost nothing meanwhile" all_answered load.txt
