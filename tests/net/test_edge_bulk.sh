#!/usr/bin/env bash
# Long TCP streams: a zone transfer, and thousands of pipelined queries. With and without TSO and GRO.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

# streams KIND DEVICE
streams() {
	local offload device
	lab_up
	lab_edge "$1"
	edge_config "$2"
	start_edge53 edge
	for offload in on off; do
		for device in client:eth0 edge:eth0 edge:eth1 backend:eth0; do
			on ${device%:*} ethtool -K ${device#*:} tso $offload gso $offload tx $offload >/dev/null 2>&1
		done
		expect "a zone transfer over $1, offloads $offload" \
			equal "$(on client timeout 120 dig @$FRONTEND bulk.test AXFR +noall +answer | wc -l)" $LAB_BULK
		expect "pipelined queries over $1, offloads $offload" dnsclient client pipeline $FRONTEND $LAB_BULK
	done
	lab_take_down
}

streams wireguard wg0
streams ethernet eth1
