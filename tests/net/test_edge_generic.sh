#!/usr/bin/env bash
# An uplink without native XDP (a bridge): generic XDP is taken and said, and both protocols work.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need dnsperf

# uplink_is_bridge: eth0 of the edge goes into br0, which gets its address.
uplink_is_bridge() {
	on edge ip link add br0 type bridge 2>/dev/null || skip "the kernel has no bridge"
	on edge ip addr del $FRONTEND/24 dev eth0
	on edge ip link set eth0 master br0
	on edge ip addr add $FRONTEND/24 dev br0
	on edge ip link set br0 up
	on edge ip route add default via 198.55.102.1
	wait_until 60 pings client $FRONTEND || fail "the client does not reach the bridge"
}

# works_over KIND DEVICE
works_over() {
	lab_up
	lab_edge "$1"
	uplink_is_bridge
	edge_config "$2"
	sed -i 's/interface: eth0/interface: br0/' "$LAB_TMP/edge53.yaml"
	start_edge53 edge
	expect "status says generic" contains "$(e53 edge status)" generic

	for offload in on off; do
		on client ethtool -K eth0 tx $offload >/dev/null
		expect "UDP, backend over $1, tx checksums $offload" \
			equal "$(ask client $FRONTEND www.example.com -b 203.0.113.7)" 192.0.2.80
		expect "TCP, backend over $1, tx checksums $offload" \
			equal "$(ask client $FRONTEND www.example.com -b 203.0.113.7 +tcp)" 192.0.2.80
		# A bridge sees what GRO merged: long segments.
		expect "pipelined TCP, backend over $1, tx checksums $offload" dnsclient client pipeline $FRONTEND 500
		load client $offload.txt -s $FRONTEND -a 203.0.113.20 -l 1 -c 10 -Q 3000 || fail "dnsperf"
		expect "dnsperf, backend over $1, tx checksums $offload" all_answered $offload.txt
	done
	expect "ping beside it" pings client $FRONTEND
	sent=$(($(perf_count on.txt sent) + $(perf_count off.txt sent)))
	expect "the client's counters agree with what dnsperf sent, backend over $1" \
		equal "$(client_counters edge 203.0.113.20 queries replies)" "$sent $sent"
	lab_take_down
}

works_over wireguard wg0
works_over ethernet eth1
