#!/usr/bin/env bash
# Unbound behind PROXY headers: its log has the clients' own addresses, and its access-control goes by them.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need unbound

for kind in ethernet wireguard; do
	lab_proxy unbound $kind
	check_is_content UDP TCP
	for offload in on off; do
		offload_is_known $offload
		for transport in +notcp +tcp; do
			expect "a client that access-control does not list is refused, $kind, $transport" \
				stranger_gets REFUSED $transport
		done
	done
	server_saw_right
	lab_take_down
done
