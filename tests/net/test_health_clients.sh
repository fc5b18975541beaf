#!/usr/bin/env bash
# A backend that answers probes and not its clients is reported, in the log and by status, and so is the end of it. It is
# not taken out: nobody knows whose fault that is. Probes come from ports that no client's query has.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need nft dnsperf

health() { e53 edge status --json | json_get "d['services'][0]['backends'][0]['health']$1"; }
is_up() { [ "$(health "['udp']['state']")" = up ] && [ "$(health "['tcp']['state']")" = up ]; }
is_reported() { [ "$(health "['clients_unanswered']")" = "$1" ]; }

lab_up
lab_edge ethernet
edge_config eth1
start_edge53 edge
wait_until 20 is_up || fail "the backend is not up"
# What the dataplane sends comes from limits.ports.
on backend nft -f - <<-'NFT'
	table inet lab {
		chain input {
			type filter hook input priority 0
			udp sport 16384-32767 udp dport 31053 drop
		}
	}
NFT
spawn client load.txt "${DNSPERF[@]}" -q 100 -t 1 -Q 40 -l 200 -s "$FRONTEND" -d "$(query_file)"
wait_until 90 is_reported True || fail "a backend that does not answer its clients is not reported: $(health '')"
expect "it is up all the same" is_up
expect "and gets queries" equal "$(e53 edge status --json | json_get "d['services'][0]['backends'][0]['usable_udp']")" True
expect "the log says so" contains "$(cat "$LAB_TMP/edge53.log")" "answers our questions, but not its clients': 100 %"
expect "status says so" contains "$(e53 edge status)" "$BACKEND answers probes, but not clients: of their last"
on backend nft delete table inet lab
wait_until 90 is_reported False || fail "the end of it is not reported: $(health '')"
expect "the log says that, too" contains "$(cat "$LAB_TMP/edge53.log")" "answers its clients again: 0 %"
