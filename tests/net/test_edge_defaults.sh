#!/usr/bin/env bash
# The shortest configuration: addresses, tunnel and source are found on the host. And on_down.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

SECOND=198.55.102.245

# shortest_config ON_DOWN [LINE]
shortest_config() {
	write_config <<-YAML
		edge:
		  - name: public-dns
		    interface: eth0
		    backends:
		      - { address: $BACKEND, udp: 31053, tcp: 31054 }
		    on_down: $1
		    ${2:-}
	YAML
}
tells() { [ "$(ask client "$1" www.example.com 2>/dev/null)" = "$2" ]; }

lab_up
lab_edge wireguard
on edge ip addr add $SECOND/24 dev eth0
shortest_config drop
start_edge53 edge
for address in $FRONTEND $SECOND; do
	expect "UDP to $address" equal "$(ask client "$address" www.example.com)" 192.0.2.80
	expect "TCP to $address" equal "$(ask client "$address" www.example.com +tcp)" 192.0.2.80
	expect "the source is the tunnel's address" equal "$(ask client "$address" whoami.test)" $TUNNEL_SOURCE
done
on edge ip addr add 198.55.102.246/24 dev eth0
wait_until 60 tells 198.55.102.246 192.0.2.80 || fail "an address that is added later is served"
on edge ip addr del 198.55.102.246/24 dev eth0

# The host has a DNS server of its own there. on_down decides who gets the queries without a backend.
start_knot edge own 192.0.2.45 $FRONTEND@53
# The tunnel by name: the routing table would lead to the backend through eth0 when wg0 is gone.
shortest_config drop "tunnel: wg0"
kill -HUP "$EDGE53_PID"
expect "with a backend the host's own server gets nothing" tells $FRONTEND 192.0.2.80
remove_edge_wireguard
no_backend() { e53 edge status | grep -q '0 of 1 usable'; }
wait_until 60 no_backend || fail "status must say that there is no usable backend without wg0"
expect "on_down: drop does not leave queries to the host" fails ask client $FRONTEND www.example.com +time=1
shortest_config pass "tunnel: wg0"
kill -HUP "$EDGE53_PID"
wait_until 60 tells $FRONTEND 192.0.2.45 || fail "on_down: pass leaves queries to the host"
expect "over TCP too" equal "$(ask client $FRONTEND www.example.com +tcp)" 192.0.2.45
add_edge_wireguard
wait_until 60 tells $FRONTEND 192.0.2.80 || fail "no answer from the backend after wg0 came back"
