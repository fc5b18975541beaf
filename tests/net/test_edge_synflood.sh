#!/usr/bin/env bash
# Half-open connections, twenty times as many as the pool has room for, do not end an established one,
# and the pool serves new connections as soon as the flood is over.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

edge_mac() { on edge ip -j link show dev eth0 | json_get "d[0]['address']"; }

lab_up
lab_edge ethernet
edge_config eth1
echo '  tcp_connections: 1024' >>"$LAB_TMP/edge53.yaml"
start_edge53 edge

spawn client hold.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold $FRONTEND "$LAB_TMP/stop" --from 203.0.113.7
hold=$SPAWNED
connected() { on client ss -Htn dst $FRONTEND | grep -q ESTAB; }
wait_until 60 connected || fail "no connection before the flood"

python_on client "$LAB_HERE/synflood.py" eth0 "$(edge_mac)" $FRONTEND 20000 || fail "synflood.py"
expect "the connection must live through the flood" alive "$hold"
for n in 1 2 3 4 5 6 7 8; do
	expect "a new connection after the flood, $n" \
		equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8 +tcp +tries=2)" 192.0.2.80
done
expect "UDP is as ever" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8)" 192.0.2.80

touch "$LAB_TMP/stop"
wait_until 60 gone "$hold" || fail "the held connection does not end"
wait "$hold" || fail "the held connection broke"
