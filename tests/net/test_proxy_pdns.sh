#!/usr/bin/env bash
# PowerDNS authoritative behind PROXY headers: the clients' own addresses are in its log and in what its LUA records
# say, and it is by them that it allows zone transfers.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need pdns_server

PROXY_WHOAMI=yes
for kind in ethernet tun; do
	lab_proxy pdns $kind
	check_is_content UDP TCP
	for offload in on off; do
		offload_is_known $offload
		for from in 4 6; do
			transfer_is_allowed $from
		done
	done
	server_saw_right
	lab_take_down
done
