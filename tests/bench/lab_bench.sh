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
# Neighbours are permanent: the first packets would measure ARP. `traffic` puts XDP programs on gen0 and
# back0; what competes only has uplink0 and down0.

BENCH_BIN=${BENCH_BIN:-$(cd "$LAB_ROOT" && realpath -m "${BUILD:-build}")/tests/bench}
# nftables has this many source ports towards one backend; each takes two entries of the table's hash.
NFT_PORTS=64512

mac_of() { on "$1" ip -o link show dev "$2" | sed -n 's/.* link\/ether \([^ ]*\).*/\1/p'; }

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
		on "$ns" sysctl -qw net.ipv6.conf.default.disable_ipv6=1 \
			net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
	done
	add_cable gen gen0 edge uplink0
	add_cable edge down0 backend back0
	# A network card's frames have their whole checksum; what sockets send over veth does not.
	on gen ethtool -K gen0 tx off >/dev/null
	on backend ethtool -K back0 tx off >/dev/null
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

# own_queues [COUNT]: each of the CPUs (or of so many) has a queue of its own on each device. A ring that two fill
# overflows when the one that empties it has something else to do.
own_queues() {
	local end queue kind count=${1:-$(nproc)} ends=(gen:gen0 edge:uplink0 edge:down0 backend:back0)
	[ "$count" -le 32 ] || count=32 # what one word of a mask holds; further CPUs share them
	for kind in rx tx; do
		for end in "${ends[@]}"; do
			on "${end%:*}" ethtool -L "${end#*:}" $kind "$count"
		done
	done
	for end in "${ends[@]}"; do
		for ((queue = 0; queue < count; queue++)); do
			# What /sys shows is of the namespace that it was mounted in.
			on "${end%:*}" unshare --mount sh -c \
				"mount -t sysfs sysfs /sys && printf %x $((1 << queue)) >/sys/class/net/${end#*:}/queues/tx-$queue/xps_cpus" ||
				skip 'this kernel does not choose queues by CPU (XPS)'
		done
	done
}

# ---------------------------------------------------------------- who competes

# candidate_up NAME: in the edge's namespace, which goes with what is set up in it.
candidate_up() {
	case $1 in
	redirect) redirect_up ;;
	edge53-xdp) edge53_up none true ;;
	edge53-xdp-proxy) edge53_up '{ udp: proxy-v2, tcp: none }' true ;;
	edge53-tc) edge53_tc_up ;;
	routing) on edge sysctl -qw net.ipv4.ip_forward=1 ;;
	nft) nft_up ;;
	*) fail "no candidate '$1'" ;;
	esac
}

# candidate_translates NAME: does it lead from the frontend's address to the backend's?
candidate_translates() {
	case $1 in
	redirect | routing) return 1 ;;
	esac
}

# redirect_up: a cable, as it were; for sockets, too, both ends are given each other's hardware address.
redirect_up() {
	on edge "$BENCH_BIN/redirect" uplink0 down0
	on gen ip neigh replace "$FRONTEND" lladdr "$(mac_of backend back0)" dev gen0 nud permanent
	on backend ip neigh replace "$TUNNEL_SOURCE" lladdr "$(mac_of gen gen0)" dev back0 nud permanent
}

# edge53_up CLIENT_IP XDP: the default sizes, and BENCH_SERVICE, one more line of the service. Whether it translates
# in XDP must be as XDP (true or false) says.
edge53_up() {
	write_config <<-YAML
		edge:
		  - name: bench
		    interface: uplink0
		    address: [$FRONTEND]
		    tunnel: down0
		    source: $TUNNEL_SOURCE
		    backends:
		      - { address: $BACKEND, udp: 31053, tcp: 31054 }
		    client_ip: $1
		    health: off
		    ${BENCH_SERVICE:-}
		limits:
		  clients: ${BENCH_CLIENTS:-65536}
	YAML
	start_edge53 edge
	expect "edge53 translates in XDP: $2" wait_until 20 edge53_in_xdp "$2"
}
edge53_in_xdp() { contains "$(e53 edge status --json | tr -d ' \n')" "\"xdp\":$1"; }

# edge53_tc_up: what becomes of a query whose backend XDP cannot send to. A veth takes frames of XDP when
# its other end has GRO or XDP, so that is off while the loader looks, and the dataplane is then left as it is:
# the loader ends before it hears of a change.
edge53_tc_up() {
	on gen ethtool -K gen0 gro off
	on backend ethtool -K back0 gro off
	edge53_up none false
	end_process "$EDGE53_PID"
	expect "edge53 translates in tc" edge53_in_xdp false
	on gen ethtool -K gen0 gro on
	on backend ethtool -K back0 gro on
}

nft_up() {
	local name value
	need nft
	on edge sysctl -qw net.ipv4.ip_forward=1
	on edge nft -f - <<-NFT
		table ip bench {
			chain pre {
				type nat hook prerouting priority dstnat
				iifname uplink0 ip daddr $FRONTEND udp dport 53 dnat to $BACKEND:31053
				iifname uplink0 ip daddr $FRONTEND tcp dport 53 dnat to $BACKEND:31054
			}
			chain post {
				type nat hook postrouting priority srcnat
				ip daddr $BACKEND masquerade
			}
		}
	NFT
	# Which loads the module, if it is one.
	for name in nf_conntrack_max nf_conntrack_buckets; do
		value=$(sysctl -n "net.netfilter.$name") || skip 'this kernel has no connection tracking'
		[ "$value" -ge $((2 * NFT_PORTS)) ] || skip "net.netfilter.$name is $value: less than $((2 * NFT_PORTS)) are no match"
	done
}

# dnsdist_up PORT PROXY [LINE...]: in front of the backend's PORT, with a PROXY header or without (true or false), and
# these lines of its configuration; its pid is in SPAWNED. As fast as it gets in front of another server: no cache,
# which would answer in the server's place, no log, and a thread of UDP for each CPU.
dnsdist_up() {
	local cpu port=$1 proxy=$2
	shift 2
	need dnsdist
	# Sockets leave the checksums to the device, which a veth passes on as they are: partial. From a wire they come whole.
	on edge ethtool -K uplink0 tx off >/dev/null
	on edge ethtool -K down0 tx off >/dev/null
	{
		echo 'setSecurityPollSuffix("")'
		echo 'setACL("0.0.0.0/0")'
		echo 'setMaxUDPOutstanding(65535)'
		echo 'setUDPMultipleMessagesVectorSize(32)'
		echo 'setMaxTCPQueuedConnections(0)'
		echo "setMaxTCPClientThreads($(nproc))"
		for ((cpu = 0; cpu < $(nproc); cpu++)); do
			echo "addLocal(\"$FRONTEND:53\", { reusePort = true })"
		done
		echo "newServer({ address = \"$BACKEND:$port\", useProxyProtocol = $proxy, sockets = $(nproc) })"
		echo 'getServer(0):setUp()'
		[ $# = 0 ] || printf '%s\n' "$@"
	} >"$LAB_TMP/dnsdist.lua"
	spawn edge dnsdist.log dnsdist --supervised --disable-syslog -C "$LAB_TMP/dnsdist.lua"
	wait_until 20 grep -q '^Listening on' "$LAB_TMP/dnsdist.log" || fail 'dnsdist does not start'
	"$LAB_PYTHON" "$LAB_HERE/rcvbuf.py" "$SPAWNED"
}

# ---------------------------------------------------------------- what it takes

# cpu_ns PID...: the CPU time of these processes' threads, in which is what the kernel did for packets meanwhile; and
# that of the kernel's threads for what it left for later.
cpu_ns() {
	local pid pids
	mapfile -t pids < <(pgrep '^ksoftirqd/')
	for pid in "$@" "${pids[@]}"; do
		cat "/proc/$pid/task/"*/schedstat
	done | awk '{ ns += $1 } END { printf "%.0f\n", ns }'
}

# timed COMMAND...: run it, its CPU time in TIMED_NS.
timed() {
	local TIMEFORMAT='%3U %3S' user system
	{ time "$@" 2>"$LAB_TMP/timed.log"; } 2>"$LAB_TMP/timed" || fail "$*: $(<"$LAB_TMP/timed.log")"
	read -r user system <"$LAB_TMP/timed"
	TIMED_NS=$(((10#${user/./} + 10#${system/./}) * 1000000))
}

# load_result SINCE PID...: what LAB_TMP/load.json says, and the CPU time of an answer: TIMED_NS and, since cpu_ns was
# SINCE, that of these processes.
load_result() {
	local answered since=$1 ns
	shift
	ns=$(($(cpu_ns "$@") - since))
	answered=$(json_get 'd["answered"]' <"$LAB_TMP/load.json")
	expect 'something is answered' test "$answered" -gt 0
	result "$(<"$LAB_TMP/load.json")" way=round-trip client_cpu_ns="$TIMED_NS" server_cpu_ns="$ns"
	result way=cpu unit=ns value=$(((TIMED_NS + ns) / answered)) answered="$answered"
}

# through_edge53 NAME REASON...: what was answered has gone through edge53: no fewer packets have ended so.
through_edge53() {
	local ns=$1 answered reason
	shift
	answered=$(json_get 'd["answered"]' <"$LAB_TMP/load.json")
	for reason in "$@"; do
		expect "edge53 counts no fewer $reason than the $answered that were answered" \
			test "$(reason_count "$ns" "$reason")" -ge "$answered"
	done
}
