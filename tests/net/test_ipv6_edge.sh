#!/usr/bin/env bash
# Clients and backends of either address family, behind tunnels: who asks over IPv6 is answered by an
# IPv4 backend, and the other way round.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

for kind in tun wireguard; do
	lab_up
	lab_network $kind
	network_config "$BACKEND"
	start_edge53 edge
	for offload in on off; do
		on client ethtool -K eth0 tx $offload >/dev/null
		on router ethtool -K wan tx $offload >/dev/null
		all_pairs_work "$kind, tx checksums of the client $offload"
	done
	expect "no reply was unknown" equal "$(reason_count edge reply_unknown)" 0
	lab_take_down
done
