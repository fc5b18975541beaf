#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab_bench.sh: the lab of the benchmark, and who competes in it. To be sourced after tests/net/lab.sh.
#
#     gen                             edge                            backend
#   ┌────────────────┐              ┌───────────────────────┐         ┌────────────────┐
#   │           gen0 ├──────────────┤ uplink0         down0 ├─────────┤ back0          │
#   │ 198.55.102.1   │              │ 198.55.102.244        │         │ 10.172.90.1    │
#   └────────────────┘              │           10.172.90.2 │         └────────────────┘
#     everybody else is behind it   └───────────────────────┘
#
# Neighbours are permanent: the first packets would measure ARP. `traffic` puts XDP programs on gen0 and back0.

mac_of() { on "$1" cat "/sys/class/net/$2/address"; }

# add_neighbours NAME DEVICE ADDRESS NAME DEVICE ADDRESS: two that know each other.
add_neighbours() {
	on "$1" ip neigh replace "$6" lladdr "$(mac_of "$4" "$5")" dev "$2" nud permanent
	on "$4" ip neigh replace "$3" lladdr "$(mac_of "$1" "$2")" dev "$5" nud permanent
}

# lab_bench: after lab_up.
lab_bench() {
	local ns
	for ns in gen edge backend; do
		add_namespace "$ns"
		on "$ns" sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	done
	add_cable gen gen0 edge uplink0
	add_cable edge down0 backend back0
	on gen ip addr add 198.55.102.1/24 dev gen0
	on edge ip addr add "$FRONTEND/24" dev uplink0
	on edge ip addr add "$TUNNEL_SOURCE/24" dev down0
	on backend ip addr add "$BACKEND/24" dev back0
	add_neighbours gen gen0 198.55.102.1 edge uplink0 "$FRONTEND"
	add_neighbours edge down0 "$TUNNEL_SOURCE" backend back0 "$BACKEND"
	on gen ip route add default via "$FRONTEND"
	on edge ip route add default via 198.55.102.1
	on backend ip route add default via "$TUNNEL_SOURCE"
}
