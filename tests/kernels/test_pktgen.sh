#!/usr/bin/env bash
# The kernel's packet generator against native XDP: what it sends are queries, at the rate that was asked for,
# each is counted once, and replies come back to the clients that it made up.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"
need bpftool tc

modprobe -q pktgen 2>/dev/null || [ -d /proc/net/pktgen ] || skip "this kernel has no pktgen"

FRONTEND6=2001:db8:e::53
CLIENTS6=2001:db8:e::100
BACKEND6=fd10:172:90::1

PKTGEN=("$LAB_ROOT/scripts/pktgen.sh" -i eth0)
# pktgen OPTION...: towards the IPv4 frontend, with the edge's counters beside. pktgen6: IPv6.
pktgen() { on client timeout 200 "${PKTGEN[@]}" -m "$edge_mac" -e "$counters" -d $FRONTEND "$@"; }
pktgen6() { pktgen -d $FRONTEND6 -s $CLIENTS6 "$@"; }
# packets ROW, rate ROW: of what pktgen printed, in $result.
packets() { awk -v row="$1" 'index($0, row) == 1 { print $(NF - 3); n++ } END { if (!n) print 0 }' <<<"$result"; }
rate() { awk -v row="$1" 'index($0, row) == 1 { print $(NF - 2) }' <<<"$result"; }
within() { awk -v least="$1" -v got="$2" -v most="$3" 'BEGIN { exit !(got >= least && got <= most) }'; }
# sends N KIND COMMAND...: that so many were sent, and that edge53 counted each of them as KIND and nothing else.
sends()
{
	local what="${*:3}"

	result=$("${@:3}") || fail "$what: $result"
	echo "$what:" && echo "$result"
	expect "$what: all are sent" equal "$(packets sent)" "$1"
	expect "$what: edge53 counts each as $2" equal "$(packets "edge53: $2")" "$1"
	expect "$what: and none as anything else" equal "$(grep 'edge53: ' <<<"$result" | grep -cvE "$2|reply_sent")" 0
}
# sends_at RATE N KIND COMMAND...: at that rate exactly. A machine that is busy with something else makes it less;
# it gets a second chance then, and more.
sends_at()
{
	local wanted=$1

	shift
	for _ in 1 2 3 4 5 6; do
		sends "$@" -r "$wanted"
		expect "it is never more than $wanted a second" within 0 "$(rate sent)" $((wanted * 102 / 100))
		! within $((wanted * 98 / 100)) "$(rate sent)" $((wanted * 2)) || return 0
	done
	fail "$wanted packets a second are $(rate sent)"
}
# is_answered: all that was sent.
is_answered()
{
	expect "the edge sends all replies" equal "$(packets 'edge53: reply_sent')" "$(packets sent)"
	expect "all replies come back" equal "$(packets 'replies that came back')" "$(packets sent)"
	expect "without an error" equal "$(packets '  with an error')" 0
}

# are_in_turn N PREFIX: the clients of the first run that begin with PREFIX, each as often as the other.
are_in_turn()
{
	local seen

	seen=$(e53 edge clients --json | json_get "(lambda q, r: '%d %d %d %d' % (len(q), sum(q), sum(r), max(q) - min(q)))(
		*zip(*[(c['queries'], c['replies']) for c in d['clients'] if c['client'].startswith('$2')]))")
	expect "$1 clients have sent it all" equal "${seen% *}" "$1 $(packets sent) $(packets sent)"
	# What had no room in the veth has had its turn, too.
	[ "$(packets 'not taken')" != 0 ] || expect "each as often" equal "${seen##* }" 0
}

lab_up
lab_edge ethernet
on client ip addr add 2001:db8:e::1/64 dev eth0 nodad
on edge ip addr add $FRONTEND6/64 dev eth0 nodad
on edge ip addr add fd10:172:90::2/64 dev eth1 nodad
on backend ip addr add $BACKEND6/64 dev eth0 nodad
start_knot backend knot6 192.0.2.80 $BACKEND6@31053
wait_until 60 on edge ping -c 1 -W 1 $BACKEND6 || fail "the edge does not reach the backend over IPv6"
write_config <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    address: [$FRONTEND]
	    tunnel: eth1
	    health: off # an emulated CPU under a flood has no time for it
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	  - name: public-dns-6
	    interface: eth0
	    address: ["$FRONTEND6"]
	    tunnel: eth1
	    health: off
	    backends:
	      - { address: "$BACKEND6", udp: 31053, tcp: 31053 }
	limits:
	  udp_slots: 65536
YAML
start_edge53 edge
edge_mac=$(on edge ip -j link show dev eth0 | json_get "d[0]['address']")
counters="nsenter --net=/run/netns/$LAB_ID-edge $EDGE53 --pins $LAB_PINS status --json"
expect "XDP is native" contains \
	"$(e53 edge status --json | json_get "[(h['hook'], h['device'], h['mode']) for h in d['hooks']]")" "('xdp', 'eth0', 'native')"

# --- queries: 40 clients, each as often; rates that leave a server under emulation its time

# First with full checksums, which XDP takes; then with those that it leaves to tc, and with none.
on client ethtool -K eth0 tx off >/dev/null
sends 1000 query_sent pktgen -n 1000 -r 1000 -s 203.0.113.100 -k 40
is_answered
are_in_turn 40 203.0.113.
sends 1000 query_sent pktgen -n 1000 -r 1000 -s 203.0.113.100 -k 40 -R -t 0,1 -z
is_answered
expect "each CPU sends its half" equal "$(packets '  by CPU 0') $(packets '  by CPU 1')" "500 500"
on client ethtool -K eth0 tx on >/dev/null
sends_at 1000 3000 query_sent pktgen -n 3000
is_answered

sends 1000 query_sent pktgen6 -n 1000 -r 1000 -k 250 -q "a.rather.long.name.example.com."
is_answered
are_in_turn 250 2001:db8:e::
on client ethtool -K eth0 tx off >/dev/null
sends 1000 query_sent pktgen6 -n 1000 -r 1000 -k 250 -R -t 0-1
is_answered

# As fast as it goes. What the server then has no time for is its own affair.
result=$(pktgen -S 2 -t 0-1) || fail "pktgen.sh -S 2: $result"
echo "$result"
expect "in two seconds something is sent" test "$(packets sent)" -gt 0
expect "of which all is counted" equal "$(packets 'edge53: query_sent')" "$(packets sent)"

# --- what is refused

sends_at 5000 10000 not_a_query pktgen -x -n 10000 -s 203.0.113.150 -k 50
expect "no client is made up for them" equal "$(client_counters edge 203.0.113.150 queries)" 0
before=$(reason_count edge)
on client "${PKTGEN[@]}" -d $FRONTEND -m "$edge_mac" -n 1000 -p 54 >/dev/null || fail "pktgen.sh to port 54"
expect "what is not for port 53 is not counted" equal "$(reason_count edge)" "$before"

# --- beside it

lacks_traces()
{
	expect "no program stays behind" lacks "$(on client tc filter show dev eth0 egress)$(on client tc filter show dev eth0 ingress)" bpf
	expect "no qdisc stays behind" lacks "$(on client tc qdisc show dev eth0)" clsact
	expect "no pins stay behind" equal "$(find /sys/fs/bpf -maxdepth 1 -name 'pktgen-*')" ''
}
lacks_traces

# The service works, and what the generator's own host asks is answered.
before=$(reason_count edge not_a_query)
spawn client pktgen.log "${PKTGEN[@]}" -d $FRONTEND -m "$edge_mac" -n 4000 -r 800 -s 203.0.113.100 -k 40
generator=$SPAWNED
for _ in 1 2 3 4 5; do
	expect "UDP under pktgen" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
	expect "TCP under pktgen" equal "$(ask client $FRONTEND www.example.com +tcp)" 192.0.2.80
done
wait_until 60 gone "$generator" || fail "pktgen does not end"
wait "$generator" || fail "pktgen.sh fails"

# Taking XDP away from a veth while packets come has panicked these kernels: retire_xdp() in loader/attach.c.
start_flood()
{
	spawn client flood.log "${PKTGEN[@]}" -d $FRONTEND -m "$edge_mac" "$@"
	flood=$SPAWNED
}
# It takes its generators down before it ends.
stop_flood()
{
	kill "$flood"
	wait_until 60 gone "$flood" || fail "pktgen.sh does not end when it is told to"
}
start_flood -x -n 100000000
flooded() { [ "$(reason_count edge "$1")" -gt $((before + 1000)) ]; }
wait_until 60 flooded not_a_query || fail "pktgen does not flood"
for round in 1 2 3; do
	expect "down under a flood, round $round" e53 edge down
	start_edge53 edge
done
expect "the flood has not ended" alive "$flood"
stop_flood
start_flood -S 1000 -t 0-1
before=$(reason_count edge query_sent)
wait_until 60 flooded query_sent || fail "pktgen does not flood with queries"
stop_flood
lacks_traces
wait_until 60 answers client $FRONTEND || fail "after it the service does not work"

# Generic XDP: the script must not even try.
e53 edge down || fail "down"
if [ -n "${PASS_OBJECT:-}" ] && on edge ip link set dev eth0 xdpgeneric obj "$PASS_OBJECT" sec xdp 2>/dev/null; then
	contains "$(pktgen -n 1 2>&1 || true)" "generic XDP" || fail "pktgen.sh sends into generic XDP"
fi
