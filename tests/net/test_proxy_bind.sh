#!/usr/bin/env bash
# BIND 9.20 behind PROXY headers: its query log has the clients' own addresses, and allow-query and allow-transfer go
# by them.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need_named

for kind in ethernet wireguard; do
	lab_proxy named $kind
	check_is_content UDP TCP
	for offload in on off; do
		offload_is_known $offload
		for from in 4 6; do
			transfer_is_allowed $from
		done
		for transport in +notcp +tcp; do
			expect "a client that allow-query does not list is refused, $kind, $transport" \
				stranger_gets REFUSED $transport
		done
	done
	server_saw_right
	lab_take_down
done
