#!/usr/bin/env bash
# Servers that read PROXY headers are asked with one, by UDP and TCP, and find the edge's own address in it. Without a
# header those that insist on one do not answer: they are not taken for dead, since they never answered, and it is said.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"

state_of() { e53 edge status --json | json_get "d['services'][0]['backends'][0]['health']['$1']['state']"; }
are_states() { [ "$(state_of udp)" = "$1" ] && [ "$(state_of tcp)" = "$2" ]; }

both_families_are_up() {
	[ "$(e53 edge status --json | json_get "*(b['health'][p]['state'] for b in d['services'][0]['backends'] for p in ('udp', 'tcp'))")" = "up up up up" ]
}

servers=()
! command -v unbound >/dev/null || servers+=(unbound)
! command -v pdns_server >/dev/null || servers+=(pdns)
! command -v dnsdist >/dev/null || servers+=(dnsdist)
! compgen -G '/usr/lib/*/knot/modules-*/dnstap.so' >/dev/null || servers+=(knot_proxy)
[ "${#servers[@]}" -gt 0 ] || skip "no server that reads PROXY headers is installed"
for server in "${servers[@]}"; do
	PROXY_TCP=proxy-v2
	[ "$server" != knot_proxy ] || PROXY_TCP=none
	lab_proxy "$server" ethernet
	reload_proxy "$BACKEND" "$BACKEND6"
	wait_until 30 both_families_are_up || fail "$server by IPv6: $(e53 edge status | grep -A7 '^Health')"
	wait_until 20 are_states up up || fail "$server is asked with a PROXY header: $(e53 edge status | grep -A5 '^Health')"
	expect "$server answers something" contains "NOERROR NXDOMAIN REFUSED SERVFAIL" \
		"$(e53 edge status --json | json_get "d['services'][0]['backends'][0]['health']['udp']['result']")"
	if [ "$server" = unbound ] || [ "$server" = pdns ]; then
		lab_take_down
		PROXY_UDP=none PROXY_TCP=none lab_proxy "$server" ethernet
		wait_until 30 are_states unproven unproven || fail "$server, without a header: $(e53 edge status | grep -A5 '^Health')"
		expect "the log says so" contains "$(cat "$LAB_TMP/edge53.log")" "does not answer our questions (no answer in 2.0 s): it gets clients' queries all the same"
		PROXY_UDP=proxy-v2
	fi
	lab_take_down
done
