#!/usr/bin/env bash
# Devices come and go in a storm, again and again: what is left is attached, and nothing of the others: no descriptor,
# no pin, no link, no memory. And a storm while the loader cannot listen: messages are lost (ENOBUFS), and after that
# everything is right all the same. STORM_DEVICES=4000: as many as a large host has.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables attaches nothing"
need bpftool
need_newlink
[ -c /dev/net/tun ] || skip 'no /dev/net/tun'

devices=${QUICK:+50}
devices=${STORM_DEVICES:-${devices:-300}}
seconds=2
rounds=3
MEMORY_KIB=1024         # by which a loader may grow from the second round to the last

pins() { find "$LAB_PINS" | wc -l; }
no_more_pins_than() { [ "$(pins)" -le "$1" ]; }
descriptors() { find "/proc/$EDGE53_PID/fd" -mindepth 1 | wc -l; }
# ids KIND: of the programs or maps that the loader holds.
ids() { cat "/proc/$EDGE53_PID"/fdinfo/* 2>/dev/null | awk -v kind="$1_id:" '$1 == kind { print $2 }' | sort -un; }
# links: how many in the whole machine run one of its programs.
links() { bpftool --json link show | LAB_IDS=$(ids prog | tr '\n' ' ') "$LAB_PYTHON" -c '
import json, os, sys
ours = set(map(int, os.environ["LAB_IDS"].split()))
print(sum(link.get("prog_id") in ours for link in json.load(sys.stdin)))'; }
memory_kib() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$EDGE53_PID/status"; }
held() { echo "$(descriptors) descriptors, $(pins) pins, $(links) links, $(ids prog | wc -l) programs, $(ids map | wc -l) maps"; }
as_before() { [ "$(held)" = "$before" ]; }

stopped() { grep -q '^State:.T' "/proc/$EDGE53_PID/status"; }
# lost: messages that sockets of the namespace which listen to groups did not get.
lost() { on host cat /proc/net/netlink | awk '$2 == 0 && $4 != "00000000" { n += $9 } END { print n + 0 }'; }

lab_up
add_namespace host
on host ip addr add "$RESOLVER/32" dev lo
enforce_config ""
start_edge53 host
before=$(held)
for ((round = 1; round <= rounds; round++)); do
	newlink_on storm 1000 "$devices" $seconds
	wait_until 120 as_before || fail "round $round: $(held), and before it $before"
	echo "round $round: $(memory_kib) KiB, $(held)"
	[ $round != 2 ] || second=$(memory_kib)
done
last=$(memory_kib)
expect "memory: $second KiB after the second round, $last after the last" test "$last" -le $((second + MEMORY_KIB))

# Those that are there when it listens again are others than those it knew, and some that it never heard of.
newlink_on add 0 20
wait_until 60 newlink_on packets 0 20 0.1 || fail "20 devices are not attached"
none_lost=$(lost)
kill -STOP "$EDGE53_PID"
wait_until 60 stopped || fail "the loader does not stop"
for ((i = 0; i < 100; i++)); do
	[ "$(lost)" = "$none_lost" ] || break
	newlink_on add 2000 200 >/dev/null
	on host ip link del group 53
done
expect "messages were lost" test "$(lost)" -gt "$none_lost"
newlink_on add 10 20 >/dev/null
kill -CONT "$EDGE53_PID"
attached() { [ "$(find "$LAB_PINS/links" -name 'tcx_*' | wc -l)" = 40 ] && newlink_on packets 10 20 0.1; }
wait_until 60 attached || fail "after lost messages: $(ls "$LAB_PINS/links")"
expect "after lost messages a device that comes is attached" newlink_on one 5000 2
on host ip link del group 53
wait_until 60 as_before || fail "at the end: $(held), and before $before"
expect "down" e53 host down
expect "no pins are left" fails test -e "$LAB_PINS"
