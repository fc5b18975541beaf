#!/usr/bin/env bash
# lab_lossy.sh: cables and tunnels that lose, double and reorder packets, and conversations over them. To be sourced
# after lab_network.sh, whose edge lab it changes: where the two cables and the tunnel were there now is lossy.c.
# shellcheck disable=SC2034 # several variables are for those who source it
#
#     client ─── router                        edge                         backend
#              ┌────────┐       wire       ┌──────────┐       wire       ┌───────────┐
#              │    wan ├────[ lossy ]─────┤ eth0 eth1├────[ lossy ]─────┤ eth0      │   "ethernet", and
#              └────────┘  LOSSY[client]   └──────────┘  LOSSY[backend]  └───────────┘   "wireguard" over that
#                                          edge tun0 ═════[ lossy ]════ tun0 backend     "tun"
#
#   talk_server at the backend: port 31061, where each connection begins with a PROXY header if the service of
#   FRONTEND and FRONTEND6 has the option, and port 31062, where it does not: the service of PLAIN and PLAIN6.

TOOLS=$(dirname "$EDGE53")/tests
PLAIN=198.55.102.245
PLAIN6=2001:db8:e::54
CLIENTS=(203.0.113.7 203.0.113.8 203.0.113.9 2001:db8:c::7 2001:db8:c::8 2001:db8:c::9)
declare -A LOSSY=()             # pids

# start_lossy SIDE END END
start_lossy() {
	local side=$1
	echo "0 0 0" >"$LAB_TMP/rates-$side"
	spawn "$4" "lossy-$side.log" "$TOOLS/lossy" 53 "$LAB_TMP/rates-$side" "$2" "$3"
	LOSSY[$side]=$SPAWNED
	wait_until 20 grep -q '^rates' "$LAB_TMP/lossy-$side.log" || fail "lossy does not start: $side"
}

# add_lossy_cable SIDE A DEVICE B DEVICE: each segment by itself is a frame on the wire. An end of the wire may not
# merge frames, but has to take those that XDP redirects: it gets an XDP program that lets everything pass.
add_lossy_cable() {
	local side=$1 a="$2-$3" b="$4-$5"
	[ -e "/run/netns/$LAB_ID-wire" ] || {
		add_namespace wire
		on wire sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	}
	on "$2" ip link add "$3" type veth peer name "$a" netns "$LAB_ID-wire"
	on "$4" ip link add "$5" type veth peer name "$b" netns "$LAB_ID-wire"
	on wire ip link set dev "$a" xdp obj "$TOOLS/pass.bpf.o" sec xdp 2>"$LAB_TMP/ip.log" ||
		fail "the wire has no XDP program: $(cat "$LAB_TMP/ip.log")"
	on wire ip link set dev "$b" xdp obj "$TOOLS/pass.bpf.o" sec xdp
	on "$2" ethtool -K "$3" gro on tso off gso off
	on "$4" ethtool -K "$5" gro on tso off gso off
	on wire ip link set "$a" up
	on wire ip link set "$b" up
	on "$2" ip link set "$3" up
	on "$4" ip link set "$5" up
	start_lossy "$side" "packet:/run/netns/$LAB_ID-wire:$a" "packet:/run/netns/$LAB_ID-wire:$b" wire
}

eval "add_plain_$(declare -f add_cable | sed '1s/add_//')"
add_cable() {
	case $1:$2-$3:$4 in
	router:wan-edge:eth0) add_lossy_cable client "$@" ;;
	edge:eth1-backend:eth0) add_lossy_cable backend "$@" ;;
	*) add_plain_cable "$@" ;;
	esac
}

# add_tunnel A DEVICE B DEVICE MTU
add_tunnel() {
	[ -c /dev/net/tun ] || modprobe -q tun 2>/dev/null || true
	[ -c /dev/net/tun ] || skip "no /dev/net/tun"
	start_lossy backend "tun:/run/netns/$LAB_ID-$1:$2" "tun:/run/netns/$LAB_ID-$3:$4" "$1"
	on "$1" ip link set "$2" mtu "$5" txqueuelen 10000 up
	on "$3" ip link set "$4" mtu "$5" txqueuelen 10000 up
}

# lab_lossy KIND
lab_lossy() {
	local address ns
	lab_network "$1"
	on edge ip addr add $PLAIN/24 dev eth0
	on edge ip addr add $PLAIN6/64 dev eth0 nodad
	for address in "${CLIENTS[@]}"; do
		[ "$address" != "$CLIENT" ] && [ "$address" != "$CLIENT6" ] || continue
		case $address in
		*:*) on client ip addr add "$address/64" dev eth0 nodad ;;
		*) on client ip addr add "$address/24" dev eth0 ;;
		esac
	done
	for ns in client backend; do
		# With SYN cookies, a stream can lose its first bytes when the last packet of the handshake is lost, the
		# header or not: the server knows of the connection only by a later one.
		on $ns sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.tcp_max_syn_backlog=8192 net.core.somaxconn=8192 \
			net.ipv4.tcp_fastopen=0x203 net.ipv4.tcp_fastopen_blackhole_timeout_sec=0
		# Who has closed shall wait for the last acknowledgement as long as anybody.
		on $ns sysctl -qw net.ipv4.tcp_orphan_retries=15 net.ipv4.tcp_syn_retries=20
		# Only for time: not half a minute from one attempt to the next. Older kernels do not have them.
		on $ns sysctl -qw net.ipv4.tcp_rto_min_us=20000 net.ipv4.tcp_rto_max_ms=1000 2>/dev/null || true
	done
}

# lossy_config WORD FAMILY...: the service of FRONTEND with `client_ip: {tcp: WORD}`, and that of PLAIN without;
# backends of these address families.
lossy_config() {
	local word=$1 family
	shift
	write_config <<-YAML
		edge:
		  - name: proxied
		    interface: eth0
		    address: [$FRONTEND, "$FRONTEND6"]
		    tunnel: $TUNNEL
		    backends:
		$(for family; do echo "      - { address: \"$(backend_of "$family")\", udp: 31053, tcp: 31061 }"; done)
		    client_ip: { udp: none, tcp: $word }
		    health: off # the servers count connections
		  - name: plain
		    interface: eth0
		    address: [$PLAIN, "$PLAIN6"]
		    tunnel: $TUNNEL
		    backends:
		$(for family; do echo "      - { address: \"$(backend_of "$family")\", udp: 31053, tcp: 31062 }"; done)
		    health: off
		limits:
		  udp_slots: 1024
		  tcp_connections: 16384
	YAML
}

# set_rates SIDE LOST DOUBLED LATE: of a hundred packets, until the next time.
set_rates() {
	echo "$2 $3 $4" >"$LAB_TMP/rates-$1"
	: >"$LAB_TMP/lossy-$1.log"
	kill -HUP "${LOSSY[$1]}"
	wait_until 20 grep -q '^rates' "$LAB_TMP/lossy-$1.log" || fail "lossy does not read its rates: $1"
}

# at_rate SIDE PERCENT: of the packets to and from this side are lost, doubled and late, and none of the other's.
at_rate() {
	local side
	for side in client backend; do
		[ $side = "$1" ] || set_rates $side 0 0 0
	done
	set_rates "$1" "$2" "$2" "$2"
}

# was_lossy SIDE: packets of both directions were lost, doubled and late since at_rate.
was_lossy() {
	: >"$LAB_TMP/lossy-$1.log"
	kill -HUP "${LOSSY[$1]}"
	wait_until 20 grep -q '^rates' "$LAB_TMP/lossy-$1.log" &&
		[ "$(grep -c 'seen, [1-9][0-9]* lost, [1-9][0-9]* doubled, [1-9][0-9]* late,' "$LAB_TMP/lossy-$1.log")" = 2 ]
}

# tx_checksums on | off: on, the lab's frames have partial checksums, as no real wire has.
tx_checksums() {
	on client ethtool -K eth0 tx "$1" tso off gso off >/dev/null
	on router ethtool -K wan tx "$1" tso off gso off >/dev/null
	on edge ethtool -K eth0 tx "$1" tso off gso off >/dev/null
	[ "$TUNNEL" = tun0 ] || {
		on edge ethtool -K eth1 tx "$1" tso off gso off >/dev/null
		on backend ethtool -K eth0 tx "$1" tso off gso off >/dev/null
	}
}

# start_talk_server NAME PORT OPTIONS...: TALK_SERVER_PID. What it tells is in NAME-server.log, its queries in NAME.served.
start_talk_server() {
	local name=$1 port=$2
	shift 2
	: >"$LAB_TMP/$name-server.log"
	spawn backend "$name-server.log" "$TOOLS/talk_server" "$@" "$port" "$LAB_TMP/$name.served"
	TALK_SERVER_PID=$SPAWNED
	wait_until 20 grep -q ready "$LAB_TMP/$name-server.log" || fail "talk_server does not start"
}

# talk NAME LOG COUNT OPTIONS...: conversations with FRONTEND (proxied) or PLAIN (plain).
talk() {
	local name=$1 log=$2 count=$3 address servers=("$FRONTEND" "$FRONTEND6") from=()
	shift 3
	[ "$name" = proxied ] || servers=("$PLAIN" "$PLAIN6")
	for address in "${CLIENTS[@]}"; do
		from+=(-f "$address")
	done
	[ "$name" = proxied ] && [ "$PROXY" != none ] || from+=(-n "$TUNNEL_SOURCE" -n "$TUNNEL_SOURCE6")
	on client timeout "$TALK_TIMEOUT" "$TOOLS/talk_client" "${from[@]}" "$@" "${servers[@]}" "$count" "$LAB_TMP/$log" \
		>"$LAB_TMP/$log.txt" 2>&1 </dev/null
}

# same_queries NAME: the server NAME has logged what its clients did, each query with its client, and nothing else.
same_queries() {
	local name=$1 fields=1-3 missing strange
	# Who has no name of his own is known by his queries.
	[ "$name" = proxied ] && [ "$PROXY" != none ] || fields=3
	cut -d' ' -f$fields "$LAB_TMP/$name.served" | LC_ALL=C sort >"$LAB_TMP/served"
	cat "$LAB_TMP/talk-$name"-*[0-9] | cut -d' ' -f$fields | LC_ALL=C sort >"$LAB_TMP/surely"
	cat "$LAB_TMP/talk-$name"-*.maybe | cut -d' ' -f$fields | LC_ALL=C sort - "$LAB_TMP/surely" >"$LAB_TMP/possibly"
	missing=$(LC_ALL=C comm -23 "$LAB_TMP/surely" "$LAB_TMP/served" | tee "$LAB_TMP/missing" | wc -l)
	strange=$(LC_ALL=C comm -13 "$LAB_TMP/possibly" "$LAB_TMP/served" | tee "$LAB_TMP/strange" | wc -l)
	[ -s "$LAB_TMP/surely" ] && [ "$missing" = 0 ] && [ "$strange" = 0 ] && return
	echo "$(wc -l <"$LAB_TMP/surely") lines to be there; $missing missing:" >&2
	head -n 10 "$LAB_TMP/missing" >&2
	echo "$strange that nobody sent:" >&2
	head -n 10 "$LAB_TMP/strange" >&2
	return 1
}

# end_talk_server NAME PID: it has seen nothing but what clients send.
end_talk_server() {
	local status=0
	kill "$2"
	wait_until 20 gone "$2" || fail "talk_server does not end"
	wait "$2" || status=$?
	[ $status = 0 ] || { grep VIOLATION "$LAB_TMP/$1-server.log" | head -n 20 >&2; fail "the server $1 saw what no client sends"; }
}
