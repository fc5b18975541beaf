#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# More CPUs are possible than there are (tests/vm/run boots with such a kernel): every per-CPU table is made, read and summed over the
# possible ones, by edge53, by the iterator and by bpftool, also when one of those that asked has gone.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"
need taskset bpftool

# count_cpus LIST: how many are in one of the kernel's, as 0-1,4.
count_cpus() {
	local range n=0
	for range in ${1//,/ }; do
		n=$((n + ${range#*-} - ${range%-*} + 1))
	done
	echo $n
}
cpu=/sys/devices/system/cpu
possible=$(count_cpus "$(<$cpu/possible)")
online=$(count_cpus "$(<$cpu/online)")
[ "$possible" -gt "$online" ] || skip "all $possible possible CPUs are there"

# all_agree QUERIES: everyone who sums has that many queries and replies of the client 203.0.113.7.
all_agree() {
	local wanted="$1 $1"
	[ "$(client_counters edge 203.0.113.7 queries replies)" = "$wanted" ] &&
		[ "$(awk '$1 == "203.0.113.7" { q = $2; r = $3 } END { print q + 0, r + 0 }' "$LAB_PINS/text/clients")" = "$wanted" ] &&
		[ "$(e53 edge status --json | json_get "'{queries} {replies}'.format(**d['services'][0]['traffic'])")" = "$wanted" ] &&
		[ "$(reason_count edge query_sent) $(reason_count edge reply_sent)" = "$wanted" ] &&
		[ "$(in_map reasons) $(in_map cpu_state)" = "$((2 * $1)) $1" ]
}

# in_map NAME: the sum in a per-CPU map as bpftool shows it, which must have a value for each possible CPU.
in_map() {
	bpftool -j map dump pinned "$LAB_PINS/$1" | python -c '
import json, sys
total = 0
for entry in json.load(sys.stdin):
    values = entry["formatted"]["values"]
    assert [v["cpu"] for v in values] == list(range(int(sys.argv[1]))), values
    total += sum(v["value"]["next_slot"] if isinstance(v["value"], dict) else v["value"] for v in values)
print(total)' "$possible"
}

lab_up
lab_edge ethernet
edge_config eth1
sed -i 's/client_ip: none/&\n    health: off/' "$LAB_TMP/edge53.yaml" # our own questions are none of a client
start_edge53 edge
expect "tables are of all possible CPUs" equal "$(e53 edge status --json | json_get "d['geometry']['cpus']")" "$possible"
expect "before anybody asks all is nothing" all_agree 0

n=0
for ((i = 0; i < online; i++)); do
	for ((k = 0; k <= i; k++)); do
		# A veth's packets are looked at where they were sent.
		expect "a query from CPU $i" equal "$(on client taskset -c "$i" dig @$FRONTEND www.example.com -b 203.0.113.7 \
			+short +tries=1 +time=30)" 192.0.2.80
		n=$((n + 1))
	done
done
expect "all CPUs are in the sum" wait_until 30 all_agree $n

last=$((online - 1))
if [ -w $cpu/cpu$last/online ] && echo 0 >$cpu/cpu$last/online 2>"$LAB_TMP/offline.log"; then
	expect "what a CPU counted that has gone is there" all_agree $n
	expect "another one goes on" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.7)" 192.0.2.80
	expect "in the sum, too" wait_until 30 all_agree $((n + 1))
	end_process "$EDGE53_PID"
	start_edge53 edge
	expect "a loader that starts meanwhile takes it over" all_agree $((n + 1))
	echo 1 >$cpu/cpu$last/online
	expect "the CPU comes again" equal "$(on client taskset -c $last dig @$FRONTEND www.example.com -b 203.0.113.7 +short +tries=1 +time=30)" \
		192.0.2.80
	expect "and counts on" wait_until 30 all_agree $((n + 2))
fi
