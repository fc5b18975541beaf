#!/usr/bin/env bash
# lab_network.sh: what a real network does to packets, in both address families. To be sourced after lab.sh.
# shellcheck disable=SC2034 # several variables are for those who source it
#
# The edge lab (lab_network tun | wireguard | ethernet [MTU of the tunnel]):
#
#     client                 router                edge                     backend
#   ┌───────────────┐      ┌───────────┐      ┌──────────────────┐       ┌───────────────────┐
#   │ 203.0.113.7   │      │           │      │ 198.55.102.244   │       │ 10.172.90.1       │
#   │ 2001:db8:c::7 ├──────┤ lan   wan ├──────┤ eth0        tun0 ├═══════┤ tun0              │
#   │          eth0 │      │           │      │ 2001:db8:e::53   │       │ fd10:172:90::1    │
#   └───────────────┘      └───────────┘      └──────────────────┘       └───────────────────┘
#                                             10.172.90.2, fd10:172:90::2    knot @31053 @31054
#
#   "tun": two tun devices without Ethernet header; "wireguard": wg0 instead, with the cable eth1 - eth0
#   below it; "ethernet": only that cable, $TUNNEL is eth1 on the edge. The edge does not forward.
#   With UPLINK=br0 the edge's eth0 is a port of that bridge, which has its addresses and no native XDP.
#   behind_backend MTU adds a server behind the backend, which then is a router.

FRONTEND6=2001:db8:e::53
ROUTER=198.55.102.1
ROUTER6=2001:db8:e::1
CLIENT=203.0.113.7
CLIENT6=2001:db8:c::7
TUNNEL_SOURCE6=fd10:172:90::2
BACKEND6=fd10:172:90::1
FAR=10.172.91.1
FAR6=fd10:172:91::1
UPLINK=eth0                     # the edge's device towards the clients; br0: a bridge over it
TUNNEL=                         # the edge's device towards the backend
FAR_TUNNEL=                     # and the backend's towards the edge
TUNNEL_ADMITS=                  # what the backend's WireGuard takes from the edge besides its own address

# lab_network KIND [MTU]
lab_network() {
	local kind=$1 mtu=${2:-1420} ns
	need knotd dig kdig
	for ns in client router edge backend; do
		add_namespace "$ns"
	done
	on edge sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
	on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	# A router tells of every packet it cannot forward, as the tests want to see each.
	on router sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	add_cable client eth0 router lan
	add_cable router wan edge eth0
	on client ip addr add $CLIENT/24 dev eth0
	on client ip addr add $CLIENT6/64 dev eth0 nodad
	on router ip addr add 203.0.113.1/24 dev lan
	on router ip addr add 2001:db8:c::1/64 dev lan nodad
	on router ip addr add $ROUTER/24 dev wan
	on router ip addr add $ROUTER6/64 dev wan nodad
	if [ "$UPLINK" = br0 ]; then
		on edge ip link add br0 type bridge 2>/dev/null || skip "the kernel has no bridge"
		on edge ip link set eth0 master br0
		on edge ip link set br0 up
	fi
	on edge ip addr add "$FRONTEND/24" dev "$UPLINK"
	on edge ip addr add $FRONTEND6/64 dev "$UPLINK" nodad
	on client ip route add default via 203.0.113.1
	on client ip -6 route add default via 2001:db8:c::1
	on edge ip route add default via $ROUTER
	on edge ip -6 route add default via $ROUTER6

	"network_$kind" "$mtu"
	if [ "$kind" != wireguard ]; then
		on edge ip addr add "$TUNNEL_SOURCE/24" dev "$TUNNEL"
		on backend ip addr add "$BACKEND/24" dev "$FAR_TUNNEL"
	fi
	on edge ip addr add $TUNNEL_SOURCE6/64 dev "$TUNNEL" nodad
	on backend ip addr add $BACKEND6/64 dev "$FAR_TUNNEL" nodad
	start_knot backend knot 192.0.2.80 "$BACKEND@31053" "$BACKEND@31054" "$BACKEND6@31053" "$BACKEND6@31054"
	wait_until 20 on edge ping -c 1 -W 1 "$BACKEND" || fail "the edge does not reach the backend"
	wait_until 20 on edge ping -c 1 -W 1 $BACKEND6 || fail "the edge does not reach the backend over IPv6"
	wait_until 20 on client ping -c 1 -W 1 "$FRONTEND" || fail "the client does not reach the edge"
	wait_until 20 on client ping -c 1 -W 1 $FRONTEND6 || fail "the client does not reach the edge over IPv6"
}

network_tun() {
	TUNNEL=tun0 FAR_TUNNEL=tun0
	add_tunnel edge tun0 backend tun0 "$1"
}

network_ethernet() {
	TUNNEL=eth1 FAR_TUNNEL=eth0
	add_cable edge eth1 backend eth0
	on edge ip link set eth1 mtu "$1"
	on backend ip link set eth0 mtu "$1"
}

network_wireguard() {
	need wg
	TUNNEL=wg0 FAR_TUNNEL=wg0
	add_cable edge eth1 backend eth0
	on edge ip addr add 192.0.2.1/24 dev eth1
	on backend ip addr add 192.0.2.2/24 dev eth0
	add_wireguard backend "$BACKEND" edge "$TUNNEL_SOURCE/32,$TUNNEL_SOURCE6/128${TUNNEL_ADMITS:+,$TUNNEL_ADMITS}" 192.0.2.1
	add_wireguard edge "$TUNNEL_SOURCE" backend "$BACKEND/32,$BACKEND6/128,$FAR/32,$FAR6/128" 192.0.2.2
	on edge ip link set wg0 mtu "$1"
	on backend ip link set wg0 mtu "$1"
}

# add_tunnel A DEVICE B DEVICE MTU: two devices without Ethernet header, and a pump between them.
add_tunnel() {
	[ -c /dev/net/tun ] || modprobe -q tun 2>/dev/null || true
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	spawn "$1" "tunnel-$1.log" "$LAB_PYTHON" "$LAB_HERE/tunpair.py" \
		"/run/netns/$LAB_ID-$1" "$2" "/run/netns/$LAB_ID-$3" "$4"
	wait_until 20 on "$1" ip link show "$2" || fail "no $2"
	wait_until 20 on "$3" ip link show "$4" || fail "no $4 in $3"
	on "$1" ip link set "$2" mtu "$5" txqueuelen 10000 up
	on "$3" ip link set "$4" mtu "$5" txqueuelen 10000 up
}

# narrow NAME ADDRESS DEVICE MTU: a router sends nothing longer to ADDRESS, though neither end knows of it.
narrow() {
	case $2 in
	*:*) on "$1" ip -6 route add "$2/128" dev "$3" mtu lock "$4" ;;
	*) on "$1" ip route add "$2/32" dev "$3" mtu lock "$4" ;;
	esac
}

# behind_backend MTU: a server behind the backend, over a path of this MTU.
behind_backend() {
	add_namespace far
	add_cable backend far0 far eth0
	on backend sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
	on backend ip addr add 10.172.91.2/24 dev far0
	on backend ip addr add fd10:172:91::2/64 dev far0 nodad
	on far ip addr add $FAR/24 dev eth0
	on far ip addr add $FAR6/64 dev eth0 nodad
	on far ip route add default via 10.172.91.2
	on far ip -6 route add default via fd10:172:91::2
	on edge ip route add $FAR/32 via "$BACKEND" dev "$TUNNEL"
	on edge ip -6 route add $FAR6/128 via $BACKEND6 dev "$TUNNEL"
	narrow backend $FAR far0 "$1"
	narrow backend $FAR6 far0 "$1"
	wait_until 20 on edge ping -c 1 -W 1 $FAR || fail "the edge does not reach the server behind the backend"
	wait_until 20 on edge ping -c 1 -W 1 $FAR6 || fail "the edge does not reach it over IPv6"
}

# network_config BACKEND...: an edge service of both families with these backends: ADDRESS (knot's ports),
# ADDRESS,PORT (the same for UDP and TCP) or ADDRESS,UDP,TCP. HEALTH: the block; edge53 asks them nothing itself without.
network_config() {
	local backend address udp tcp
	write_config <<-YAML
		edge:
		  - name: public-dns
		    interface: $UPLINK
		    address: [$FRONTEND, "$FRONTEND6"]
		    tunnel: $TUNNEL
		    health: ${HEALTH:-off} # what is looked at are packets of clients, one by one
		    backends:
		$(for backend in "$@"; do
			IFS=, read -r address udp tcp <<<"$backend"
			echo "      - { address: \"$address\", udp: ${udp:-31053}, tcp: ${tcp:-${udp:-31054}} }"
		done)
		limits:
		  udp_slots: 65536
	YAML
}

# reload_edge53: HUP, and wait until the new configuration is at work.
reload_edge53() {
	local before
	[ "$LAB_NAT" != nft ] || return 0
	before=$(count_ready)
	kill -HUP "$EDGE53_PID"
	wait_until 20 more_ready_than "$before" || fail "edge53 is not ready again after HUP"
	! grep -q 'not reloaded' "$LAB_TMP/edge53.log" || fail "edge53 does not take the new configuration"
}

# reload_network BACKEND...: network_config for a running loader.
reload_network() {
	network_config "$@"
	reload_edge53
}

# frontend_of 4 | 6, client_of, backend_of: the addresses of a family
frontend_of() { if [ "$1" = 4 ]; then echo $FRONTEND; else echo $FRONTEND6; fi; }
client_of() { if [ "$1" = 4 ]; then echo $CLIENT; else echo $CLIENT6; fi; }
backend_of() { if [ "$1" = 4 ]; then echo "$BACKEND"; else echo $BACKEND6; fi; }
source_of() { if [ "$1" = 4 ]; then echo "$TUNNEL_SOURCE"; else echo $TUNNEL_SOURCE6; fi; }

# ---------------------------------------------------------------- checks
# seen_by_backend CLIENT_FAMILY BACKEND_FAMILY TRANSPORT: the address the backend takes for the client.
seen_by_backend() {
	local type=A
	[ "$2" = 4 ] || type=AAAA
	ask client "$(frontend_of "$1")" whoami.test $type "$3" 2>/dev/null
}
backend_is() { [ "$(seen_by_backend 6 "$1" +notcp)" = "$(source_of "$1")" ]; }

# pair_works FROM TO HOW: a client of family FROM is served by a backend of family TO.
pair_works() {
	local from=$1 to=$2 frontend transport what="IPv$1 client, IPv$2 backend, $3"
	frontend=$(frontend_of "$from")
	for transport in +notcp +tcp; do
		expect "the backend's answer says that the edge asked, $transport, $what" \
			equal "$(seen_by_backend "$from" "$to" $transport)" "$(source_of "$to")"
	done
	expect "3 kB over TCP, $what" \
		equal "$(on client kdig "@$frontend" big.example.com TXT +tcp +short +time=5 +retry=0 | wc -l)" 40
	expect "A and AAAA from one port, without UDP checksum where that is allowed; router and edge are one hop each, $what" \
		equal "$(netpeer client pair "$frontend" --no-checksum)" 62
}

# all_pairs_work HOW: clients of both families, backends of both.
all_pairs_work() {
	local from to
	for to in 4 6; do
		reload_network "$(backend_of $to)"
		wait_until 20 backend_is $to || fail "no answer from the IPv$to backend, $1"
		for from in 4 6; do
			pair_works $from $to "$1"
		done
	done
}

# ---------------------------------------------------------------- helpers

# mtu_for FROM TO MTU: what an MTU for the family TO is in FROM, whose header has 20 bytes more or less.
mtu_for() {
	case $1$2 in
	46) echo $(($3 - 20)) ;;
	64) echo $(($3 + 20)) ;;
	*) echo "$3" ;;
	esac
}
path_mtu() { on "$1" ip route get "$2" | sed -n 's/.* mtu \([0-9]*\).*/\1/p'; }

# netpeer NAME VERB...
netpeer() {
	local ns=$1
	shift
	python_on "$ns" "$LAB_HERE/netpeer.py" "$@"
}

# start_netpeer NAME LOG VERB...: a server of netpeer.py. NETPEER_PID.
start_netpeer() {
	local ns=$1 log=$2
	shift 2
	: >"$LAB_TMP/$log"
	spawn "$ns" "$log" "$LAB_PYTHON" "$LAB_HERE/netpeer.py" "$@"
	NETPEER_PID=$SPAWNED
	wait_until 20 grep -q ready "$LAB_TMP/$log" || fail "netpeer.py $1 does not start"
}

# start_capture NAME DEVICE FILTER: tcpdump until end_capture, which prints what it saw. CAPTURE_PID.
start_capture() {
	need tcpdump
	: >"$LAB_TMP/capture-$1-$2.txt"
	spawn "$1" "capture-$1-$2.txt" tcpdump -i "$2" -n -p -v --immediate-mode -l "$3"
	CAPTURE_PID=$SPAWNED
	wait_until 60 grep -q 'listening on' "$LAB_TMP/capture-$1-$2.txt" || fail "tcpdump on $2 of $1 does not start: $(<"$LAB_TMP/capture-$1-$2.txt")"
}

# count_packets NAME COUNTER: how many packets the nft counter of table inet lab has seen.
count_packets() { on "$1" nft list counter inet lab "$2" | awk '/packets/ { print $2 }'; }

# reasons NAME: every reason with its packets, for comparing.
reasons() {
	e53 "$1" status --json | python -c '
import collections, json, sys
d = json.load(sys.stdin)
sums = collections.Counter()
for reasons in [s["reasons"] for s in d["services"]] + [d["reasons_without_service"]]:
    for r in reasons:
        sums[r["reason"]] += r["packets"]
print(*sorted(f"{reason}={n}" for reason, n in sums.items() if n))'
}

# In place of edge53 (LAB_NAT=nft), for what nftables can do: backends of the client's family.
nft_edge() {
	on edge sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	on edge nft -f - <<-NFT
		table inet lab {
			chain pre {
				type nat hook prerouting priority dstnat
				iifname $UPLINK ip daddr $FRONTEND udp dport 53 dnat ip to $BACKEND:${LAB_NFT_PORT:-31053}
				iifname $UPLINK ip daddr $FRONTEND tcp dport 53 dnat ip to $BACKEND:${LAB_NFT_PORT:-31054}
				iifname $UPLINK ip6 daddr $FRONTEND6 udp dport 53 dnat ip6 to [$BACKEND6]:${LAB_NFT_PORT:-31053}
				iifname $UPLINK ip6 daddr $FRONTEND6 tcp dport 53 dnat ip6 to [$BACKEND6]:${LAB_NFT_PORT:-31054}
			}
			chain post {
				type nat hook postrouting priority srcnat
				oifname $TUNNEL masquerade
			}
		}
	NFT
}

# ---------------------------------------------------------------- the enforce lab of both families
#
# lab_enforce, and to it:
#
#     lan                             host                               upstream
#   ┌────────────────┐              ┌──────────────────────┐           ┌──────────────────────┐
#   │           eth0 ├──────────────┤ lan0       lo        │           │ lo 2620:fe::fe       │
#   │ 10.77.1.11     │  10.77.1.1   │   10.77.0.2, fd77::2 │           │ echoes TCP and UDP   │
#   │ fd77:1::11     │  fd77:1::1   │   knot, true answers │           │ 853, 443 and 5353    │
#   └────────────────┘              └──────────────────────┘           └──────────────────────┘
#     vpn1, vpn2: fd77::11 and fd77::12 on ppp0; link-local fe80::11, fe80::12, the host is fe80::1

RESOLVER4=10.77.0.2
RESOLVER6=fd77::2
GOOGLE6=2001:4860:4860::8888
QUAD6=2620:fe::fe
OURS=192.0.2.80                 # the address in the resolver's answers
FOREIGN=192.0.2.66              # in those of the servers behind the uplink

lab_enforce_network() {
	lab_enforce
	on host ip addr add $RESOLVER4/32 dev lo
	on host ip addr add $RESOLVER6/128 dev lo nodad
	start_knot host resolver $OURS $RESOLVER4@53 $RESOLVER6@53
	on upstream ip addr add $QUAD6/128 dev lo nodad
	start_knot upstream upstream6 $FOREIGN $QUAD6@53
	start_netpeer upstream echo.log echo 853 443 5353 --at 8.8.8.8 9.9.9.9 $GOOGLE6 $QUAD6
	link_local 0
	link_local 1

	add_namespace lan
	add_cable lan eth0 host lan0
	on host ip addr add 10.77.1.1/24 dev lan0
	on host ip addr add fd77:1::1/64 dev lan0 nodad
	on lan ip addr add 10.77.1.11/24 dev eth0
	on lan ip addr add fd77:1::11/64 dev eth0 nodad
	on lan ip route add default via 10.77.1.1
	on lan ip -6 route add default via fd77:1::1
	on upstream ip route add 10.77.1.0/24 via 198.51.100.2
	on upstream ip -6 route add fd77:1::/64 via 2001:db8:51::2
	on upstream nft add rule inet lab pre iifname eth0 ip saddr 10.77.1.0/24 meta l4proto '{ tcp, udp }' th dport 53 counter name leaked
	on upstream nft add rule inet lab pre iifname eth0 ip6 saddr fd77:1::/64 meta l4proto '{ tcp, udp }' th dport 53 counter name leaked
	for ns in vpn1 lan; do
		wait_until 20 answers $ns 8.8.8.8 || fail "$ns does not reach the upstream"
		wait_until 20 answers $ns $GOOGLE6 || fail "$ns does not reach the upstream over IPv6"
	done
}

# link_local N: add_ppp N gave no link-local address to devices that are no ppp.
link_local() {
	on host ip addr replace fe80::1/64 dev "ppp$1" nodad
	on "vpn$(($1 + 1))" ip addr replace "fe80::$(($1 + 11))/64" dev ppp0 nodad
}

# network_enforce_config LINE...: services for ppp* and for lan0, each with these lines.
network_enforce_config() {
	local name
	{
		echo "enforce:"
		for name in "vpn ppp*" "lan lan0"; do
			printf '  - name: %s\n    interface: "%s"\n    resolver: %s\n' ${name% *} "${name#* }" $RESOLVER4
			printf '    %s\n' "$@" 'health: off' # resolvers that only echo are servers here, too
		done
		printf 'limits:\n  udp_slots: 65536\n'
	} | write_config
}

# reload_enforce LINE...: the same for a running loader.
reload_enforce() {
	network_enforce_config "$@"
	reload_edge53
}

# tells NAME SERVER ANSWER DIG-OPTIONS...: does SERVER's answer hold this address?
tells() {
	local ns=$1 server=$2 answer=$3
	shift 3
	equal "$(ask "$ns" "$server" www.example.com "$@" 2>/dev/null)" "$answer"
}

# refused_with NAME PROTOCOL SERVER PORT ERROR: the error comes, and within a second.
refused_with() {
	local outcome
	outcome=$(netpeer "$1" refused "$2" "$3" "$4" --wait 5)
	equal "${outcome% *}" "$5" && { [ "${outcome#* }" -lt 1000 ] || { echo "only after ${outcome#* } ms" >&2; false; }; }
}
# outcome_is NAME PROTOCOL SERVER PORT OUTCOME: works, or silence.
outcome_is() { equal "$(netpeer "$1" refused "$2" "$3" "$4" --wait "$([ "$5" = silence ] && echo 0.7 || echo 10)")" "$5"; }
