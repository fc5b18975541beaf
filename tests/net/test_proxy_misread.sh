#!/usr/bin/env bash
# A backend that does not read the header its service sends: unbound (and BIND) take it for a query of opcode 1 with
# ID 0x0d0a and answer that. The client hears nothing; the answer is counted, and `status` says what it means.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need unbound
[ "$LAB_NAT" = edge53 ] || skip "it is edge53 that counts"

misread() { [ "$(reason_count edge header_not_read)" = "$1" ]; }

for kind in ethernet tun; do
	lab_proxy unbound $kind
	count=0
	for to in 4 6; do
		reload_proxy "$(backend_of $to),$PLAIN_PORT"
		for from in 4 6; do
			what="IPv$from client, IPv$to backend, $kind"
			expect "no answer comes, $what" fails ask client "$(frontend_of $from)" www.example.com +time=1
			count=$((count + 1))
			wait_until 10 misread $count || fail "$(reason_count edge header_not_read) answers are counted as header_not_read, wanted $count, $what"
		done
	done
	expect "no reply is unknown, $kind" equal "$(reason_count edge reply_unknown)" 0
	expect "status says what it means, $kind" contains "$(e53 edge status)" 'does not read PROXY headers'
	# The same service, once the backend is set right.
	reload_proxy "$BACKEND"
	expect "an answer from the port that reads headers, $kind" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
	expect "no more is counted, $kind" misread $count
	lab_take_down
done
