#!/usr/bin/env bash
# Clients and backends of either address family over Ethernet, where XDP does it: native, and generic on a bridge. And
# neighbours: edge53 leaves alone what finds them.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

for UPLINK in eth0 br0; do
	lab_up
	lab_network ethernet
	network_config "$BACKEND"
	start_edge53 edge
	[ $UPLINK = eth0 ] || expect "status says generic" contains "$(e53 edge status)" generic
	# Partial checksums are left to tc, in both modes alike.
	for offload in $([ $UPLINK = eth0 ] && echo on) off; do
		on client ethtool -K eth0 tx $offload >/dev/null
		on router ethtool -K wan tx $offload >/dev/null
		on backend ethtool -K eth0 tx $offload >/dev/null
		all_pairs_work "uplink $UPLINK, tx checksums $offload"
	done

	# All of them forget each other.
	for ns in router edge backend; do
		on $ns ip neigh flush all
		on $ns ip -6 neigh flush all
	done
	expect "the router finds the edge again over IPv6" pings router $FRONTEND6
	expect "the edge finds the backend again over IPv6" pings edge $BACKEND6
	for from in 4 6; do
		wait_until 10 answers client "$(frontend_of $from)" || fail "no answer after neighbours were forgotten, $UPLINK"
	done
	expect "no reply was unknown" equal "$(reason_count edge reply_unknown)" 0
	lab_take_down
done
