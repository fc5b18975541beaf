#!/usr/bin/env bash
# enforce and ICMP errors: a resolver that is not there, on the host or on another one, is told to the client as if by
# the resolver it asked; and path MTU discovery of the resolver's TCP where the narrow place is behind a client's router.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

REMOTE4=198.51.100.1 REMOTE6=2001:db8:51::1     # of the upstream

# enforce_to RESOLVER4 RESOLVER6: services of both devices with these.
enforce_to() {
	network_enforce_config 'ipv6: redirect' "resolver6: \"$2\""
	sed -i "s/resolver: .*/resolver: $1/" "$LAB_TMP/edge53.yaml"
}
unreachable() {
	for ns in vpn1 lan; do
		expect "$ns hears that the resolver is not there, $1" \
			equal "$(netpeer $ns udp 8.8.8.8 53 --wait 5)" "error ECONNREFUSED 3 3 0 8.8.8.8"
		expect "$ns hears that the resolver is not there, IPv6, $1" \
			equal "$(netpeer $ns udp $GOOGLE6 53 --wait 5)" "error ECONNREFUSED 1 4 0 $GOOGLE6"
		expect "$ns hears it over TCP, $1" refused_with $ns tcp 8.8.8.8 53 ECONNREFUSED
		expect "$ns hears it over TCP, IPv6, $1" refused_with $ns tcp $GOOGLE6 53 ECONNREFUSED
	done
}

lab_up
lab_enforce_network
# Clients behind the router `lan`: what goes to them must be short, of which only `lan` knows.
add_namespace inner
add_cable inner eth0 lan inner0
on lan sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
on lan ip addr add 10.77.2.1/24 dev inner0
on lan ip addr add fd77:2::1/64 dev inner0 nodad
on inner ip addr add 10.77.2.11/24 dev eth0
on inner ip addr add fd77:2::11/64 dev eth0 nodad
on inner ip route add default via 10.77.2.1
on inner ip -6 route add default via fd77:2::1
on host ip route add 10.77.2.0/24 via 10.77.1.11
on host ip -6 route add fd77:2::/64 via fd77:1::11
on upstream ip route add 10.77.2.0/24 via 198.51.100.2
on upstream ip -6 route add fd77:2::/64 via 2001:db8:51::2
narrow lan 10.77.2.11 inner0 1300
narrow lan fd77:2::11 inner0 1300
# These servers are asked only by who is sent to them.
start_knot upstream remote $OURS $REMOTE4@53 $REMOTE6@53

# knot, like others, offers a small MSS; this server takes what it gets.
on host ip addr add 10.77.0.98/32 dev lo
on host ip addr add fd77::98/128 dev lo nodad
start_netpeer host serve.log serve 53 "$LAB_TMP/served" --at 10.77.0.98 fd77::98
enforce_to 10.77.0.98 fd77::98
start_edge53 host
for resolver in 8.8.8.8 $GOOGLE6; do
	expect "a stream out of a narrow path, asked $resolver" netpeer inner stream $resolver 53 1000000 >"$LAB_TMP/stream"
done
expect "the host knows the path's MTU" equal "$(path_mtu host 10.77.2.11)" 1300
expect "the host knows the path's MTU, IPv6" equal "$(path_mtu host fd77:2::11)" 1300

enforce_to 10.77.0.99 fd77::99
on host ip addr add 10.77.0.99/32 dev lo
on host ip addr add fd77::99/128 dev lo nodad
reload_edge53
unreachable "resolver on the host"

enforce_to $REMOTE4 $REMOTE6
reload_edge53
for ns in vpn1 lan inner; do
	for resolver in 8.8.8.8 $GOOGLE6; do
		expect "a resolver on another host answers $ns, asked $resolver" tells $ns $resolver $OURS
		expect "over TCP, $ns, asked $resolver" tells $ns $resolver $OURS +tcp
	done
done
expect "a TTL that ends at the host" equal "$(netpeer vpn1 udp 8.8.8.8 53 --ttl 1 --wait 5)" "error EHOSTUNREACH 11 0 0 8.8.8.8"
expect "a hop limit that ends at the host" \
	equal "$(netpeer vpn1 udp $GOOGLE6 53 --ttl 1 --wait 5)" "error EHOSTUNREACH 3 0 0 $GOOGLE6"
end_process "$KNOT_PID"
unreachable "resolver on another host"
