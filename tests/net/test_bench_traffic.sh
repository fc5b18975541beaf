#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The benchmark's generator and its counting ends: what is lost, comes twice or is not right between them is
# seen, to the packet.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR/../bench source=../bench/lab_bench.sh
. "$(dirname "$0")/../bench/lab_bench.sh"

BENCH_BIN=$(cd "$LAB_ROOT" && realpath -m "${BUILD:-build}")/tests/bench
PACKETS=${QUICK:+16000}
PACKETS=${PACKETS:-100000}
WRONG=$((PACKETS / 100)) # one of 100
RIGHT=$((PACKETS - WRONG))

# send OPTIONS...: by routing alone, so that the backend is who is asked.
send() { send_service --service "$BACKEND:31053" "$@"; }
send_service() {
	timeout 120 "$BENCH_BIN/traffic" --client-ns "/run/netns/$LAB_ID-gen" --client-dev gen0 \
		--backend-ns "/run/netns/$LAB_ID-backend" --backend-dev back0 --edge-mac "$(mac_of edge uplink0)" \
		--way round-trip --warm 1024 --packets "$PACKETS" "$@"
}

# numbers RESULT NAME...: of the JSON object, in a line.
numbers() { local result=$1; shift; json_get "' '.join(str(d[n]) for n in '$*'.split())" <<<"$result"; }

# expect_numbers WHAT WANTED NAMES OPTIONS...
expect_numbers() {
	local what=$1 wanted=$2 names=$3 result
	shift 3
	result=$(send "$@") || fail "$what: traffic failed"
	# shellcheck disable=SC2086 # several names
	expect "$what: $result" equal "$(numbers "$result" $names)" "$wanted"
}

# mistreat RULE...: what the edge does to forwarded packets, in place of what it did before.
mistreat() {
	local rule
	on edge nft flush ruleset
	on edge nft add table ip wrong
	on edge nft add chain ip wrong forwarded '{ type filter hook forward priority 0; }'
	for rule in "$@"; do
		on edge nft add rule ip wrong forwarded "$rule" || skip "nftables of this machine has no '$rule'"
	done
}

# refused WHAT: there is no result, and it is said why.
refused() {
	local said
	! said=$(send 2>&1) || fail "$1: $said"
	expect "$1" contains "$said" 'they are not the same'
}

# Before, the generator goes on while ksoftirqd has packets to process, and rings overflow: traffic_run.c.
since_6_5() { printf '%s\n' 6.5 "$(uname -r)" | sort -CV; }

need nft
since_6_5 || skip "traffic loses packets by itself on Linux $(uname -r), before 6.5"
lab_up
lab_bench
candidate_up routing
counts='sent arrived answered lost strange'

for workload in known ports zipf flood; do
	expect_numbers "$workload" "$PACKETS $PACKETS $PACKETS 0 0" "$counts" --workload $workload --verify
done
expect_numbers 'one way' "$PACKETS $PACKETS 0 0 0" "$counts" --way query

# Of a flood each packet is counted, too, and what comes back to its sources: answers, or a RST to a SYN. Parts of
# datagrams come without a connection table, as parts.
QUARTER=$((PACKETS / 4)) FLOOD=$((PACKETS - PACKETS / 4))
floods='well_sent well_arrived well_answered flood_sent flood_arrived flood_answered strange'
flood() { expect_numbers "a flood of $1" "$QUARTER $QUARTER $QUARTER $FLOOD $FLOOD $2 0" "$floods" --workload flood --flood "$1" --well-every 4 --stride 257 --verify; }
flood sources $FLOOD
flood hot $FLOOD
flood syns $FLOOD
flood hot-syns $FLOOD
flood payloads 0
flood fragments 0

# What finds no room in the queue is lost, and told; without a queue nothing is.
result=$(send --workload flood --well-every 4 --rate 1000000000 --queue 64) || fail 'a queue: traffic failed'
expect "a queue: $result" equal "$(json_get 'd["sent"], d["well_sent"], d["well_queued_out"] > 0 < d["flood_queued_out"],
	d["well_sent"] - d["well_queued_out"] - d["well_answered"], d["flood_sent"] - d["flood_queued_out"] - d["flood_arrived"]' <<<"$result")" \
	"$PACKETS $QUARTER True 0 0"
expect_numbers 'a rate' "$QUARTER $QUARTER 0 $FLOOD $FLOOD 0" 'well_sent well_answered well_queued_out flood_sent flood_arrived flood_queued_out' \
	--workload flood --well-every 4 --rate $((PACKETS * 2))

mistreat 'ip saddr 32.0.0.0/3 numgen inc mod 10 0 drop'
expect_numbers 'one of 10 of a flood is lost' "$QUARTER $FLOOD $((FLOOD * 9 / 10))" 'well_answered flood_sent flood_arrived' \
	--workload flood --flood payloads --well-every 4

mistreat "ip daddr $BACKEND numgen inc mod 100 0 drop"
expect_numbers 'one query of 100 is lost' "$PACKETS $RIGHT $RIGHT $WRONG 0" "$counts"
expect_numbers 'one way, one query of 100 is lost' "$PACKETS $RIGHT 0 $WRONG 0" "$counts" --way query

mistreat "ip saddr $BACKEND numgen inc mod 100 0 drop"
expect_numbers 'one reply of 100 is lost' "$PACKETS $PACKETS $RIGHT $WRONG 0" "$counts"

mistreat 'ip saddr 100.64.0.0/10 numgen inc mod 10 0 drop'
expect_numbers 'one of 10 well-behaved is lost' "$((PACKETS / 16)) $((PACKETS * 9 / 160))" \
	'well_sent well_answered' --workload flood

# An ID is right by chance once in 65,536.
mistreat "ip saddr $BACKEND numgen inc mod 100 0 @th,64,16 set 4660"
result=$(send) || fail 'wrong IDs: traffic failed'
strange=$(numbers "$result" strange)
expect "wrong IDs: $result" test "$strange" -gt $((WRONG - 10)) -a "$strange" -le $WRONG

mistreat "ip saddr $BACKEND numgen inc mod 100 0 udp dport set 4"
expect_numbers 'a reply to another port' "$PACKETS $RIGHT $WRONG $WRONG" 'arrived answered lost strange'

mistreat "ip daddr $BACKEND numgen inc mod 100 0 udp checksum set 4"
expect_numbers 'a wrong checksum, not looked at' "$PACKETS" answered
expect_numbers 'a wrong checksum' "$RIGHT $WRONG" 'answered strange' --verify

# The ends compare more than how many: as many may still be others.
mistreat "ip daddr $BACKEND numgen inc mod 100 0 dup to $BACKEND device down0"
refused 'more than were sent'
mistreat "ip daddr $BACKEND numgen inc mod 100 0 dup to $BACKEND device down0" \
	"ip daddr $BACKEND numgen inc mod 100 50 drop"
refused 'others than were sent'
on edge nft flush ruleset

expect_numbers 'a header that nobody put there' "0 $PACKETS" 'arrived strange' --proxy

lab_take_down

# XDP sends by the queue of the CPU it runs on. All receive before any sends by two: a veth wants it so.
if [ "$(nproc)" -gt 1 ]; then
	lab_up
	lab_bench
	for kind in rx tx; do
		for end in gen:gen0 edge:uplink0 edge:down0 backend:back0; do
			on "${end%:*}" ethtool -L "${end#*:}" $kind 2
		done
	done
	candidate_up redirect
	expect_numbers 'two CPUs' "$PACKETS $PACKETS $PACKETS 0 0" "$counts" --cpus 0,1 --verify
	lab_take_down
fi

lab_up
lab_bench
candidate_up edge53-xdp-proxy
result=$(send_service --proxy --verify) || fail 'PROXY: traffic failed'
expect "PROXY: $result" equal "$(numbers "$result" arrived answered strange)" "$PACKETS $PACKETS 0"
result=$(send_service) || fail 'PROXY that is not expected: traffic failed'
expect "PROXY that is not expected: $result" equal "$(numbers "$result" arrived strange)" "0 $PACKETS"
