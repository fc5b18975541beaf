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

declare -A hosts=([on]="7 8 9" [off]="8")
for kind in ethernet wireguard; do
	lab_proxy unbound $kind
	check_is_content UDP TCP
	for offload in on off; do
		checksums $offload
		# shellcheck disable=SC2086 # a list
		every_pair_is_known "checksums $offload" ${hosts[$offload]}
		for from in 4 6; do
			stream_is_known $from 100
			stream_is_known $from 3 --slow
		done
		for transport in +notcp +tcp; do
			expect "a client that access-control does not list is refused, $kind, $transport" \
				stranger_gets REFUSED $transport
		done
	done
	server_saw_right
	lab_take_down
done
