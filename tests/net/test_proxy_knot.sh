#!/usr/bin/env bash
# Knot behind PROXY headers, which it reads over UDP only: client_ip: { udp: proxy-v2, tcp: none }. The clients' own
# addresses are in its dnstap, and in what its module whoami answers.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"

PROXY_WHOAMI=yes
PROXY_TRANSPORTS=+notcp
PROXY_TCP=none
compgen -G '/usr/lib/*/knot/modules-*/dnstap.so' >/dev/null || skip "knot-module-dnstap is not installed"
declare -A hosts=([on]="7 8 9" [off]="8")
for kind in ethernet tun; do
	lab_proxy knot_proxy $kind
	check_is_content UDP
	for offload in on off; do
		checksums $offload
		# shellcheck disable=SC2086 # a list
		every_pair_is_known "checksums $offload" ${hosts[$offload]}
		for from in 4 6; do
			expect "over TCP, without the header, the client is the edge, IPv$from client, $kind" \
				equal "$(ask_from "$(client_address $from 7)" 0 $from whoami.test AAAA +tcp)" $TUNNEL_SOURCE6
		done
	done
	server_saw_right
	lab_take_down
done
