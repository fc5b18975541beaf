#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# limits.client_prefix: clients are counted, listed and shown among the flows by the prefix of their address, of both families, by
# UDP and TCP, queries and replies; each family by itself. A reload says that it waits for a restart, and that begins
# the table anew.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

text=$LAB_PINS/text/clients

# prefix_config PREFIX: limits, which are last, have that client_prefix, or none.
prefix_config() {
	network_config "$BACKEND" "$BACKEND6"
	[ -z "$1" ] || echo "  client_prefix: $1" >>"$LAB_TMP/edge53.yaml"
}

# asked ADDRESS OPTIONS...: a query from there is answered.
asked() {
	local frontend=$FRONTEND from=$1
	shift
	case $from in
	*:*) frontend=$FRONTEND6 ;;
	esac
	expect "a query from $from $*" equal "$(ask client "$frontend" www.example.com -b "$from" "$@")" 192.0.2.80
}
ask_from_all() {
	local from
	for from in 203.0.113.7 203.0.113.8 198.51.100.9 2001:db8:c::7 2001:db8:c:0:1:2:3:4 2001:db8:c:1::17; do
		asked $from
	done
	asked 203.0.113.9 +tcp
	asked 2001:db8:c::7 +tcp
}

# listed: "CLIENT QUERIES REPLIES TCP" of each, in a row.
listed() { e53 edge clients --json | json_get "' '.join(sorted(','.join(str(c[k]) for k in
	('client', 'queries', 'replies', 'tcp_connections')) for c in d['clients']))"; }
# as_text: the same from bpffs, whose IPv6 addresses are in full.
as_text() {
	sed 1d "$text" | python -c '
import ipaddress, sys
rows = [line.split() for line in sys.stdin]
def name(text):
    address, slash, bits = text.partition("/")
    return str(ipaddress.ip_address(address)) + slash + bits
print(*sorted(",".join([name(r[0]), r[1], r[2], r[5]]) for r in rows if r[0] != "others"))'
}
flow_clients() { e53 edge flows --json | json_get "' '.join(sorted({f['client'] for f in d['flows']}))"; }

lab_up
lab_network ethernet 1500
for address in 203.0.113.8 203.0.113.9 198.51.100.9; do
	on client ip addr add $address/32 dev lo
	on router ip route add $address/32 via $CLIENT dev lan
done
for address in 2001:db8:c:0:1:2:3:4 2001:db8:c:1::17; do
	on client ip addr add $address/128 dev lo nodad
	on router ip route add $address/128 via $CLIENT6 dev lan
done
prefix_config '{ ipv4: 24, ipv6: 64 }'
start_edge53 edge
ask_from_all
expect "clients with a prefix in common are one" equal "$(listed)" \
	"198.51.100.0/24,1,1,0 2001:db8:c:1::/64,1,1,0 2001:db8:c::/64,2,2,1 203.0.113.0/24,2,2,1"
expect "in bpffs, too" equal "$(as_text)" "$(listed)"
# Of UDP the last ten seconds are shown; a connection longer.
expect "flows show prefixes" contains "$(flow_clients)" 203.0.113.0/24
expect "and nothing else" equal "$(flow_clients | tr ' ' '\n' | grep -vE '(\.0/24|::/64)$')" ''
for verb in clients flows; do
	expect "a table of $verb" contains "$(e53 edge $verb)" 203.0.113.0/24
	expect "a table of $verb has no address" lacks "$(e53 edge $verb)" 203.0.113.9
done
expect "status says so" equal "$(e53 edge status --json | json_get "d['geometry']['client_prefix']")" "{'ipv4': 24, 'ipv6': 64}"
expect "also to people" contains "$(e53 edge status)" '24 bits of an IPv4 address, 64 of an IPv6 address'

# A loader that is killed and comes again with the same file counts on.
kill -KILL "$EDGE53_PID"
wait_until 30 gone "$EDGE53_PID"
start_edge53 edge
asked 203.0.113.8
expect "another loader counts on" contains "$(listed)" '203.0.113.0/24,3,3,1'

# Another prefix takes a restart, as all that shapes the tables.
prefix_config '{ ipv6: 56 }'
kill -HUP "$EDGE53_PID"
wait_until 60 grep -q 'limits have changed: they take effect at the next start' "$LAB_TMP/edge53.log" || fail 'the reload says nothing'
asked 203.0.113.8
expect "until then it counts as before" contains "$(listed)" '203.0.113.0/24,4,4,1'
end_process "$EDGE53_PID"
start_edge53 edge
expect "it says that counters begin anew" contains "$(cat "$LAB_TMP/edge53.log")" 'counters of clients begin anew'
ask_from_all
expect "one family by prefix, the other by address" equal "$(listed)" \
	"198.51.100.9,1,1,0 2001:db8:c::/56,3,3,1 203.0.113.7,1,1,0 203.0.113.8,1,1,0 203.0.113.9,0,0,1"
expect "in bpffs, too, as one" equal "$(as_text)" "$(listed)"

# And back to all of it.
prefix_config ''
end_process "$EDGE53_PID"
start_edge53 edge
ask_from_all
expect "everyone by address" equal "$(listed)" \
	"198.51.100.9,1,1,0 2001:db8:c:0:1:2:3:4,1,1,0 2001:db8:c:1::17,1,1,0 2001:db8:c::7,1,1,1 203.0.113.7,1,1,0 203.0.113.8,1,1,0 203.0.113.9,0,0,1"
expect "flows, too" contains "$(flow_clients)" 203.0.113.9
