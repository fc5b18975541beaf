#!/usr/bin/env bash
# dnsdist behind PROXY headers: the clients' own addresses are in its log, in what its Lua says, and its ACL goes by
# them.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need dnsdist stdbuf

PROXY_WHOAMI=yes
for kind in ethernet wireguard; do
	lab_proxy dnsdist $kind
	check_is_content UDP TCP
	for offload in on off; do
		offload_is_known $offload
	done
	for transport in +notcp +tcp; do
		expect "a client outside the ACL is not answered, $kind, $transport" stranger_gets '' $transport
	done
	server_saw_right
	lab_take_down
done
