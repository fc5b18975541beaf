#!/usr/bin/env bash
# lab_return.sh: a backend's host with an uplink of its own, by which its replies to clients would leave. To be
# sourced after lab_network.sh.
# shellcheck disable=SC2034,SC2153 # several variables are for those who source it, or of lab.sh
#
#     client                     router                 edge                    backend
#   ┌─────────────────┐      ┌──────────────┐      ┌───────────┐          ┌─────────────────────┐
#   │ 203.0.113.7, ::7│      │              │      │           │  tunnel  │ 10.172.90.1         │
#   │ 192.168.7.7  ───┼──────┤ lan      wan ├──────┤ eth0  tun0├══════════┤ tun0      dnsmasq,  │
#   │ fd00:192::7     │      │           bk ├────┐ └───────────┘          │           knot      │
#   └─────────────────┘      └──────────────┘    └────────────────────────┤ up0   198.51.100.2  │
#                             counts and drops                            │    2001:db8:b::2    │
#                             what is astray                              └─────────────────────┘
#
#   The backend's default route is by up0. Clients of 192.168.0.0/16 and fd00:192::/32 are kept, others are not.
#   What the backend sends by up0 from an address of the tunnel is astray: the router counts and drops it, as
#   the Internet would.
#   edge53 runs twice, on the edge and, with `return`, on the backend.

KEPT=192.168.7.7
KEPT6=fd00:192::7
KEEP="[192.168.0.0/16, \"fd00:192::/32\"]"
UPLINK_OF_BACKEND=198.51.100.2
UPLINK_OF_BACKEND6=2001:db8:b::2
RETURN_ATTACH=()                # options of its `run`

# lab_return KIND [MTU]: as lab_network, and dnsmasq on port 53 of the tunnel and of the uplink.
lab_return() {
	need dnsmasq nft
	TUNNEL_ADMITS=192.168.0.0/16,fd00:192::/32
	lab_network "$@"
	on client ip addr add $KEPT/32 dev eth0
	on client ip addr add $KEPT6/128 dev eth0 nodad
	on router ip route add 192.168.0.0/16 via "$CLIENT"
	on router ip -6 route add fd00:192::/32 via "$CLIENT6"
	add_cable router bk backend up0
	on router ip addr add 198.51.100.1/24 dev bk
	on router ip addr add 2001:db8:b::1/64 dev bk nodad
	on backend ip addr add $UPLINK_OF_BACKEND/24 dev up0
	on backend ip addr add $UPLINK_OF_BACKEND6/64 dev up0 nodad
	on backend ip route add default via 198.51.100.1
	on backend ip -6 route add default via 2001:db8:b::1
	on backend sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0
	loose_rp_filter
	on router nft -f - <<-NFT
		table inet lab {
			counter astray {}
			chain forwarded {
				type filter hook prerouting priority -300
				iifname bk ip saddr 10.0.0.0/8 counter name astray drop
				iifname bk ip6 saddr fd00::/8 counter name astray drop
			}
		}
	NFT
	start_dnsmasq
	wait_until 20 answers client $UPLINK_OF_BACKEND || fail "the client does not reach the backend's uplink"
	wait_until 20 answers client $UPLINK_OF_BACKEND6 || fail "the client does not reach the backend's uplink over IPv6"
}

# What the kernel would drop clients of the tunnel for; README, "return".
loose_rp_filter() { on backend sysctl -qw net.ipv4.conf.all.rp_filter=2; }

# start_dnsmasq [NAME ADDRESS...]: it logs who asks.
start_dnsmasq() {
	local ns=${1:-backend} address listen=()
	shift $(($# ? 1 : 0))
	[ $# -gt 0 ] || set -- "$BACKEND" "$BACKEND6" $UPLINK_OF_BACKEND $UPLINK_OF_BACKEND6
	for address in "$@"; do
		listen+=("--listen-address=$address")
	done
	: >"$LAB_TMP/dnsmasq.log"
	spawn "$ns" dnsmasq.log dnsmasq --no-daemon --conf-file=/dev/null --no-resolv --no-hosts --user=root \
		--pid-file= --log-facility=- --log-queries=extra --bind-interfaces "${listen[@]}" \
		--address=/example.com/192.0.2.53
	wait_until 20 answers "$ns" "$1" || fail "dnsmasq does not answer"
}

# logged_client NAME: whom dnsmasq saw ask for NAME, each address once.
logged_client() {
	sed -n "s|^.* \([0-9a-f.:]*\)/[0-9]* query\[[A-Z]*\] $1 from .*|\1|p" "$LAB_TMP/dnsmasq.log" | sort -u
}

astray() { count_packets router astray; }

# return_config LINE...: entries of `return` on the backend's host.
return_config() {
	{
		echo "return:"
		[ $# = 0 ] || printf '  - %s\n' "$@"
		printf 'limits:\n  udp_slots: 1024\n  clients: 1024\n'
	} >"$LAB_TMP/return.yaml"
}

usual_return() { return_config "{ tunnel: $FAR_TUNNEL, uplink: up0, udp: 53, tcp: 53 }" \
	"{ tunnel: $FAR_TUNNEL, uplink: up0, udp: 31053, tcp: 31054 }"; }

# keep_config [PORTS]: the edge's service, with keep_source. PORTS: UDP,TCP of the backends.
keep_config() {
	network_config "$BACKEND,${1:-53,53}" "$BACKEND6,${1:-53,53}"
	sed -i "s|^    tunnel: .*|&\n    keep_source: $KEEP|" "$LAB_TMP/edge53.yaml"
}

# return53 ARGUMENTS...: the edge53 command on the backend's host, whose pins are its own.
return53() { on backend timeout 60 "$EDGE53" --pins "$LAB_PINS-backend" "$@"; }

start_return() {
	local before
	before=$(count_ready)
	NOTIFY_SOCKET=$LAB_TMP/notify.sock spawn backend return.log \
		"$EDGE53" --pins "$LAB_PINS-backend" run -c "$LAB_TMP/return.yaml" "${RETURN_ATTACH[@]}"
	RETURN_PID=$SPAWNED
	wait_until 180 ready_or_dead "$before" "$RETURN_PID" || fail "edge53 with return is not ready"
	more_ready_than "$before" || fail "edge53 with return ended before it was ready"
}

kill_return() {
	kill -KILL "$RETURN_PID"
	wait "$RETURN_PID" 2>/dev/null || true
}

# return_count REASON: packets of the backend's host, of all its services.
return_count() {
	return53 status --json | python -c '
import json, sys
print(sum(r["packets"] for s in json.load(sys.stdin)["services"] for r in s["reasons"] if r["reason"] == sys.argv[1]))' "$1"
}

kept_of() { if [ "$1" = 4 ]; then echo $KEPT; else echo $KEPT6; fi; }
uplink_of() { if [ "$1" = 4 ]; then echo $UPLINK_OF_BACKEND; else echo $UPLINK_OF_BACKEND6; fi; }
