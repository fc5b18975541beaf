#!/usr/bin/env bash
# return on a host whose server is behind a DNAT of its own, as a Kubernetes NodePort is: queries to port 31053 go to
# port 53 of another namespace, conntrack turns the replies round, and only then do they come to the uplink's egress.
# What the pods ask of the world is masqueraded, and stays so.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_return.sh"
need nft kdig

POD=10.42.0.5
POD6=fd42::5
NODE_UDP=31153
NODE_TCP=31154
N=0

# add_pod: the server's namespace, behind the host's cni0. externalTrafficPolicy: Local, which does not hide clients.
add_pod() {
	add_namespace pod
	add_cable backend cni0 pod eth0
	on backend sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	on backend ip addr add 10.42.0.1/24 dev cni0
	on backend ip addr add fd42::1/64 dev cni0 nodad
	on pod ip addr add $POD/24 dev eth0
	on pod ip addr add $POD6/64 dev eth0 nodad
	on pod ip route add default via 10.42.0.1
	on pod ip -6 route add default via fd42::1
	start_dnsmasq pod $POD $POD6
	on backend nft -f - <<-NFT
		table inet kube {
			chain pre {
				type nat hook prerouting priority dstnat
				meta nfproto ipv4 fib daddr type local udp dport $NODE_UDP dnat ip to $POD:53
				meta nfproto ipv4 fib daddr type local tcp dport $NODE_TCP dnat ip to $POD:53
				meta nfproto ipv6 fib daddr type local udp dport $NODE_UDP dnat ip6 to [$POD6]:53
				meta nfproto ipv6 fib daddr type local tcp dport $NODE_TCP dnat ip6 to [$POD6]:53
			}
			chain post {
				type nat hook postrouting priority srcnat
				oifname up0 ip saddr 10.42.0.0/16 masquerade
				oifname up0 ip6 saddr fd42::/64 masquerade
			}
			chain forwarded {
				type filter hook forward priority filter
				ct state invalid counter drop
			}
		}
	NFT
}

# sees FAMILY TRANSPORT CLIENT LOGGED SERVER [DIG-OPTIONS...]
sees() {
	local family=$1 transport=$2 client=$3 logged=$4 server=$5 what="IPv$1, $2, from $3 to $5" name
	shift 5
	N=$((N + 1))
	name=n$N.example.com
	expect "the answer, $what" equal "$(ask client "$server" $name "$transport" -b "$client" "$@")" 192.0.2.53
	expect "the server sees $logged, $what" equal "$(logged_client $name)" "$logged"
}

# A client that asks the node port itself, by the uplink.
port_of() { if [ "$1" = +tcp ]; then echo $NODE_TCP; else echo $NODE_UDP; fi; }

all_are_seen() {
	local family transport
	for family in 4 6; do
		for transport in +notcp +tcp; do
			sees $family $transport "$(kept_of $family)" "$(kept_of $family)" "$(frontend_of $family)"
			sees $family $transport "$(client_of $family)" "$(source_of $family)" "$(frontend_of $family)"
			sees $family $transport "$(client_of $family)" "$(client_of $family)" "$(uplink_of $family)" \
				-p "$(port_of $transport)"
		done
	done
}

lab_up
lab_return tun
# The lab's own dnsmasq is on port 53 of the host; this one logs to the same file.
add_pod
start_netpeer client echo.log echo 7777 --at "$CLIENT" $CLIENT6
keep_config $NODE_UDP,$NODE_TCP
start_edge53 edge
expect "without return a kept client is not answered" fails ask client $FRONTEND lost.example.com -b $KEPT +time=2
expect "though the server saw it" equal "$(logged_client lost.example.com)" $KEPT

return_config "{ tunnel: $FAR_TUNNEL, uplink: up0, udp: $NODE_UDP, tcp: $NODE_TCP }"
start_return
before=$(astray)
all_are_seen
expect "nothing is astray" equal "$(astray)" "$before"
sent=$(return_count return_sent)
expect "replies went back into the tunnel" differs "$sent" 0

# The pod's own connections are the host's business, before and after.
for family in 4 6; do
	expect "the pod reaches the world by UDP, IPv$family" \
		equal "$(netpeer pod refused udp "$(client_of $family)" 7777 --wait 10 | cut -d' ' -f1)" works
	expect "the pod reaches the world by TCP, IPv$family" \
		equal "$(netpeer pod refused tcp "$(client_of $family)" 7777 --wait 10 | cut -d' ' -f1)" works
done
expect "none of that went into the tunnel" equal "$(return_count return_sent)" "$sent"
