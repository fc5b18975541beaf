#!/usr/bin/env bash
# The kernel's packet generator against native XDP: the rate is what was asked for, and each packet is
# counted once, as what it is.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

modprobe -q pktgen 2>/dev/null || [ -d /proc/net/pktgen ] || skip "this kernel has no pktgen"

pktgen() { on client timeout 120 "$LAB_ROOT/scripts/pktgen.sh" -i eth0 -d $FRONTEND -m "$edge_mac" "$@"; }
about() { awk -v got="$1" -v wanted="$2" 'BEGIN { exit !(got > wanted * 0.98 && got < wanted * 1.02) }'; }

lab_up
lab_edge ethernet
edge_config eth1
start_edge53 edge
edge_mac=$(on edge ip -j link show dev eth0 | json_get "d[0]['address']")
expect "XDP is native" contains \
	"$(e53 edge status --json | json_get "[(h['hook'], h['device'], h['mode']) for h in d['hooks']]")" "('xdp', 'eth0', 'native')"

total=0
for options in '-n 20000' '-n 20000 -c' '-n 10000 -r 5000 -s 203.0.113.100-203.0.113.199'; do
	# shellcheck disable=SC2086 # a list of options
	result=$(pktgen $options) || fail "pktgen.sh $options: $result"
	sent=$(cut -d' ' -f2 <<<"$result")
	# Errors are what did not fit into the queue of a receiver that had no CPU: they were sent once more.
	expect "$options: all are sent: $result" equal "$sent" "$(cut -d' ' -f2 <<<"$options")"
	total=$((total + sent))
	expect "$options: each is counted as no query" equal "$(reason_count edge not_a_query)" $total
	echo "$options: $result"
done
expect "5000 packets a second are: $result" about "${result##* }" 5000
expect "nothing is counted beside them" equal "$(reason_count edge)" $total
expect "no client is made up for them" equal "$(client_counters edge 203.0.113.100 queries)" 0

before=$(reason_count edge)
pktgen -n 5000 -p 54 >/dev/null || fail "pktgen.sh to port 54"
expect "what is not for port 53 is not counted" equal "$(reason_count edge)" "$before"

# Beside them the service works.
spawn client pktgen.log "$LAB_ROOT/scripts/pktgen.sh" -i eth0 -d $FRONTEND -m "$edge_mac" -n 20000 -r 4000
generator=$SPAWNED
for _ in 1 2 3 4 5; do
	expect "UDP under pktgen" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
	expect "TCP under pktgen" equal "$(ask client $FRONTEND www.example.com +tcp)" 192.0.2.80
done
wait_until 60 gone "$generator" || fail "pktgen does not end"
expect "and all of them are counted" equal "$(reason_count edge not_a_query)" $((total + 20000))

# Taking XDP away from a veth while packets come has panicked these kernels: retire_xdp() in loader/attach.c.
spawn client flood.log "$LAB_ROOT/scripts/pktgen.sh" -i eth0 -d $FRONTEND -m "$edge_mac" -n 100000000
flood=$SPAWNED
before=$(reason_count edge not_a_query)
flooded() { [ "$(reason_count edge not_a_query)" -gt $((before + 1000)) ]; }
wait_until 60 flooded || fail "pktgen does not flood"
for round in 1 2 3; do
	expect "down under a flood, round $round" e53 edge down
	start_edge53 edge
done
expect "the flood has not ended" alive "$flood"
end_process "$flood"
expect "after it the service works" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80

# Generic XDP: the script must not even try.
e53 edge down || fail "down"
if [ -n "${PASS_OBJECT:-}" ] && on edge ip link set dev eth0 xdpgeneric obj "$PASS_OBJECT" sec xdp 2>/dev/null; then
	contains "$(pktgen -n 1 2>&1 || true)" "generic XDP" || fail "pktgen.sh sends into generic XDP"
fi
