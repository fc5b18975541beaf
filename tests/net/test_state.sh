#!/usr/bin/env bash
# status, clients and flows tell what the dataplane does, beside a live loader and without one.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need tcpdump
[ "$LAB_NAT" = edge53 ] || skip "nftables has no edge53 status"

exit_code() { local code=0; "$@" >/dev/null 2>&1 || code=$?; echo $code; }
status() { e53 edge status --json | json_get "$1"; }
flow() { e53 edge flows --json | json_get "$1"; }

lab_up
lab_edge ethernet
edge_config eth1

for verb in status clients flows; do
	expect "$verb with nothing loaded is exit code 3" equal "$(exit_code e53 edge $verb)" 3
done
expect "no verb is wrong usage" equal "$(exit_code e53 edge)" 2
expect "an unknown verb is wrong usage" equal "$(exit_code e53 edge stats)" 2
expect "an unknown option of a verb is wrong usage" equal "$(exit_code e53 edge status --what)" 2

start_edge53 edge
expect "status knows its loader" \
	equal "$(status "d['loader']['running'], d['loader']['pid']")" "True $EDGE53_PID"
expect "XDP is attached to the uplink" \
	contains "$(status "[(h['hook'], h['device'], h['mode']) for h in d['hooks']]")" "('xdp', 'eth0', 'native')"
expect "the backend is usable" \
	equal "$(status "[b['usable_udp'] and b['usable_tcp'] for b in d['services'][0]['backends']]")" "[True]"

# What the backend's wire shows of a query is what flows says of it.
spawn backend wire.txt tcpdump -l -n -T domain -c 1 -i eth0 "udp and dst port 31053"
wire=$SPAWNED
wait_until 60 grep -q "listening on" "$LAB_TMP/wire.txt" || fail "tcpdump does not listen"
expect "a query is answered" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.7)" 192.0.2.80
wait_until 60 gone "$wire" || fail "the backend has not seen the query"
newest="[f for f in d['flows'] if f['client'] == '203.0.113.7'][0]"
expect "flows names the port and the ID on the wire" \
	contains "$(cat "$LAB_TMP/wire.txt")" "$TUNNEL_SOURCE.$(flow "'%d > $BACKEND.31053: %d+' % (${newest}['snat_port'], ${newest}['snat_id'])")"
expect "the flow is answered" equal "$(flow "${newest}['state']")" answered

expect "a query over TCP is answered" \
	equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8 +tcp)" 192.0.2.80
expect "flows shows the TCP connection" \
	equal "$(flow "[f['state'] for f in d['flows'] if f['protocol'] == 'tcp']")" "['closing']"
expect "clients counts both" \
	equal "$(client_counters edge 203.0.113.7 queries replies noerror) $(client_counters edge 203.0.113.8 tcp_connections)" "1 1 1 1"
expect "the backend's counters agree" \
	equal "$(status "d['services'][0]['traffic']['queries'], d['services'][0]['traffic']['tcp_connections']")" "1 1"
expect "the latency of the reply was counted" \
	equal "$(status "sum(b['replies'] for b in d['services'][0]['backends'][0]['latency'])")" 1
expect "the tables are there for people" contains "$(e53 edge clients --top 1 --sort queries)" "203.0.113.7"
expect "a reader that goes away is no failure" equal "$(e53 edge status | head -1 | cut -d' ' -f1)" loader
expect "an unknown field lists the fields" contains "$(e53 edge clients --sort x 2>&1 || true)" "nxdomain"

kill_edge53
expect "status sees that the loader is gone" equal "$(status "d['loader']['running']")" False
expect "and that nothing else is" contains "$(e53 edge status)" "the dataplane serves on"
e53 edge down
expect "after down nothing is loaded" equal "$(exit_code e53 edge status)" 3
