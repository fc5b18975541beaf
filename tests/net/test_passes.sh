#!/usr/bin/env bash
# What is not DNS of a client passes bit for bit: packets of some hundred kinds are captured before and behind a host
# that forwards, with edge53 attached for edge and for enforce; and ping, traceroute and fragments work as ever.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
need tcpdump ping

# start_pcap NAME DEVICE SOURCE: what SOURCE sends, as it is on this device, into NAME.pcap.
start_pcap() {
	spawn "$1" "pcap-$1.log" tcpdump -i "$2" -n -p -U -B 8192 -w "$LAB_TMP/$1.pcap" "(ip or (ip6 and not icmp6)) and src host $3"
	PCAP_PIDS+=("$SPAWNED")
	wait_until 60 grep -q 'listening on' "$LAB_TMP/pcap-$1.log" || fail "tcpdump on $2 of $1 does not start"
}
# same_packets NAME NAME COUNT
same_packets() {
	python "$LAB_HERE/samepackets.py" compare 1 "$3" "$LAB_TMP/$1.pcap" "$LAB_TMP/$2.pcap" >"$LAB_TMP/compared"
}

# passes FROM DEVICE SOURCE TO DEVICE DESTINATION HOW [WITHOUT]
passes() {
	local from=$1 source=$3 to=$4 destination=$6 count
	PCAP_PIDS=()
	start_pcap "$from" "$2" "$source"
	start_pcap "$to" "$5" "$source"
	count=$(python_on "$from" "$LAB_HERE/samepackets.py" send "$source" "$destination" ${8:-})
	# Captured packets are written when tcpdump comes to it.
	wait_until 10 same_packets "$from" "$to" "$count" || { cut -c 1-300 "$LAB_TMP/compared" | tail -n 12 >&2; fail "not the $count packets that were sent, $7"; }
	end_process "${PCAP_PIDS[@]}"
	rm -f "$LAB_TMP/$from.pcap" "$LAB_TMP/$to.pcap" "$LAB_TMP"/pcap-*.log
}

# usual NAME DESTINATION...: what people do.
usual() {
	local from=$1 destination size
	shift
	for destination in "$@"; do
		for size in 0 56 1400 4000 9000; do
			# Of several, ping waits for the last for two round trips only.
			for _ in 1 2; do
				expect "ping of $size bytes from $from to $destination" \
					on "$from" ping -q -c 1 -W 5 -s $size "$destination" >"$LAB_TMP/ping.log"
			done
		done
	done
}

for kind in tun ethernet; do
	lab_up
	lab_network $kind 1500
	# This edge is also a router: for packets to the backend itself, which are no business of edge53.
	on edge sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	on backend ip route add 203.0.113.0/24 via $TUNNEL_SOURCE
	on backend ip -6 route add 2001:db8:c::/64 via $TUNNEL_SOURCE6
	on backend ip route add 198.55.102.0/24 via $TUNNEL_SOURCE
	on backend ip -6 route add 2001:db8:e::/64 via $TUNNEL_SOURCE6
	on router ip route add 10.172.90.0/24 via $FRONTEND
	on router ip -6 route add fd10:172:90::/64 via $FRONTEND6
	on backend nft add table inet silent
	on backend nft "add chain inet silent pre { type filter hook prerouting priority -450; }"
	network_config "$BACKEND" "$BACKEND6"
	start_edge53 edge
	before=$(reasons edge)
	on backend nft add rule inet silent pre ip saddr $ROUTER drop
	on backend nft add rule inet silent pre ip6 saddr $ROUTER6 drop
	on router nft "add table inet silent; add chain inet silent pre { type filter hook prerouting priority -450; }"
	on router nft add rule inet silent pre iifname wan ip saddr $BACKEND ip daddr $ROUTER drop
	on router nft add rule inet silent pre iifname wan ip6 saddr $BACKEND6 ip6 daddr $ROUTER6 meta l4proto != icmpv6 drop
	passes router wan $ROUTER backend $FAR_TUNNEL "$BACKEND" "$kind, from the uplink"
	passes router wan $ROUTER6 backend $FAR_TUNNEL $BACKEND6 "$kind, from the uplink, IPv6"
	passes backend $FAR_TUNNEL "$BACKEND" router wan $ROUTER "$kind, from the tunnel"
	passes backend $FAR_TUNNEL $BACKEND6 router wan $ROUTER6 "$kind, from the tunnel, IPv6"
	usual client "$FRONTEND" $FRONTEND6 "$BACKEND" $BACKEND6
	expect "a TTL that ends at the edge is the kernel's affair" \
		equal "$(netpeer client udp "$BACKEND" 5353 --ttl 2 --wait 5)" "error EHOSTUNREACH 11 0 0 $FRONTEND"
	expect "a closed port of the edge" \
		equal "$(netpeer client udp "$FRONTEND" 5353 --wait 5)" "error ECONNREFUSED 3 3 0 $FRONTEND"
	expect "a closed port of the edge, IPv6" \
		equal "$(netpeer client udp $FRONTEND6 5353 --wait 5)" "error ECONNREFUSED 1 4 0 $FRONTEND6"
	expect "nothing of it was counted, $kind" equal "$(reasons edge)" "$before"
	# Its port could be one of limits.ports, and is: a reply to nobody, which passes.
	for family in 4 6; do
		expect "a query to the backend itself, IPv$family" answers client "$(backend_of $family)" -p 31053
	done
	lab_take_down
done

lab_up
lab_enforce_network
network_enforce_config 'ipv6: redirect' "resolver6: \"$RESOLVER6\"" 'dot: pass' 'guard: drop'
start_edge53 host
before=$(reasons host)
on upstream nft add rule inet lab pre iifname eth0 ip saddr "{ 10.77.0.0/23 }" drop
on upstream nft add rule inet lab pre iifname eth0 ip6 saddr fd77::/32 drop
passes vpn1 ppp0 10.77.0.11 upstream eth0 8.8.8.8 "enforce, tunnel"
# What AH (51) hides in IPv6 could be port 53, and does not pass.
passes vpn1 ppp0 fd77::11 upstream eth0 $GOOGLE6 "enforce, tunnel, IPv6" 51
passes lan eth0 10.77.1.11 upstream eth0 8.8.8.8 "enforce, Ethernet"
passes lan eth0 fd77:1::11 upstream eth0 $GOOGLE6 "enforce, Ethernet, IPv6" 51
expect "nothing of it was counted, enforce" equal "$(reasons host)" "$before"
on upstream nft flush chain inet lab pre
usual vpn1 8.8.8.8 $GOOGLE6 10.77.0.2
usual lan 9.9.9.9 $QUAD6 10.77.0.2
