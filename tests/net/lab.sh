#!/usr/bin/env bash
# lab.sh: the network lab of the net tests and of scripts/demo. To be sourced.
# shellcheck disable=SC2034 # several variables are for those who source it
#
# The edge lab (lab_edge wireguard | lab_edge ethernet):
#
#     client                          edge                               backend
#   ┌────────────────┐              ┌──────────────────────┐           ┌──────────────────────┐
#   │ lo 203.0.113.7 │              │                 eth1 ├───────────┤ eth0                 │
#   │    203.0.113.8 │              │           192.0.2.1  │  underlay │ 192.0.2.2            │
#   │    203.0.113.9 │              │                      │           │                      │
#   │           eth0 ├──────────────┤ eth0             wg0 ├═══════════┤ wg0                  │
#   │   198.55.102.1 │ 198.55.102.0 │ .244     10.172.90.2 │   tunnel  │ 10.172.90.1  knot    │
#   └────────────────┘     /24      └──────────────────────┘           │   @31053 @31054      │
#                                    ip_forward=0 rp_filter=1          └──────────────────────┘
#
#   "ethernet": no tunnel; eth1 itself is 10.172.90.2, and eth0 of the backend 10.172.90.1 (and .3).
#   All of 203.0.113.0/24 and 100.64.0.0/16 (kxdpgun) is reached through 198.55.102.1.
#
# The enforce lab (lab_enforce):
#
#     vpn1                            host                               upstream
#   ┌────────────────┐              ┌──────────────────────┐           ┌──────────────────────┐
#   │           ppp0 ├──────────────┤ ppp0 ┐               │           │ lo 8.8.8.8 9.9.9.9   │
#   │ 10.77.0.11     │              │      ├ 10.77.0.1     │           │    1.1.1.1     knot, │
#   └────────────────┘              │      │ unbound       │           │    with false answers│
#     vpn2                          │      │          eth0 ├───────────┤ eth0                 │
#   ┌────────────────┐              │      │  198.51.100.2 │           │ 198.51.100.1         │
#   │           ppp0 ├──────────────┤ ppp1 ┘               │           │ counts leaks         │
#   │ 10.77.0.12     │              └──────────────────────┘           └──────────────────────┘
#   └────────────────┘               ip_forward=1: what edge53 does not catch does leak
#
# Every namespace of one lab begins with e53-PID-, every process is ended by its own pid, and
# lab_down (on EXIT, also after INT and TERM) removes all of it. `ip netns exec` is not used: it
# mounts a new /sys, where the pins in /sys/fs/bpf cannot be seen.
#
# From the environment:
#   EDGE53      the binary, default build/edge53 (BUILD: another directory than build)
#   LAB_NAT=nft set up nftables in place of edge53: is it the lab or is it edge53?
#   QUICK=1     less of what only takes time, for machines that are emulated
#   LAB_SHELL=1 when something fails, open a shell before the lab is taken down

LAB_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LAB_HERE=$LAB_ROOT/tests/net
EDGE53=${EDGE53:-$(cd "$LAB_ROOT" && realpath -m "${BUILD:-build}")/edge53}
LAB_NAT=${LAB_NAT:-edge53}
LAB_ID=e53-$$
LAB_PINS=/sys/fs/bpf/$LAB_ID
LAB_PYTHON=/usr/bin/python3       # Debian's own: no shim is in the way
LAB_TMP=                          # set by lab_up
LAB_NETNS=()
LAB_PIDS=()
LAB_PYTHON_FD=                    # set by lab_up
SPAWNED=                          # pid of the last spawn
exec {LAB_NEVER}<> <(:)           # a pipe that nobody writes to
LAB_ANSWER_SECONDS=30             # to wait for an answer that must come, on however busy a machine
LAB_PPP_PID=()
LAB_PPPD=(pppd)                   # the command; a test may put more before it
LAB_BULK=${QUICK:+2004}           # records of the zone bulk.test; a tenth under emulation
LAB_BULK=${LAB_BULK:-20004}
declare -A LAB_WG_PID=()          # wireguard-go by namespace

FRONTEND=198.55.102.244
TUNNEL_SOURCE=10.172.90.2
BACKEND=10.172.90.1
BACKEND2=10.172.90.3
RESOLVER=10.77.0.1

# ---------------------------------------------------------------- results

# skip REASON: the test needs what this machine cannot give.
skip() { echo "$*"; exit 77; }

# fail WHAT: say what is wrong, with what helps to find out why, and end.
fail() {
	echo "FAILED: $*" >&2
	if [ -n "$LAB_TMP" ]; then
		local log
		for log in "$LAB_TMP"/*.log; do
			[ -s "$log" ] || continue
			echo "--- $(basename "$log"), last lines" >&2
			tail -n 20 "$log" >&2
		done
	fi
	if [ -n "${LAB_SHELL:-}" ]; then
		echo "--- the lab is $LAB_ID, files in $LAB_TMP, pins in $LAB_PINS; leave the shell to take it down" >&2
		bash -i >&2 || true
	fi
	exit 1
}

# expect WHAT COMMAND...: WHAT is the sentence that is not true when COMMAND fails.
expect() {
	local what=$1
	shift
	"$@" || fail "$what"
}

equal() { [ "$1" = "$2" ] || { echo "got '$1', wanted '$2'" >&2; return 1; }; }
contains() { case $1 in *"$2"*) ;; *) echo "no '$2' in: $1" >&2; return 1 ;; esac; }
differs() { [ "$1" != "$2" ]; }
lacks() { case $1 in *"$2"*) echo "'$2' in: $1" >&2; return 1 ;; esac; }
fails() { ! "$@" >/dev/null 2>&1; }

# wait_until SECONDS COMMAND...: poll, never longer than that. What is not so at once is asked for less and less often, and
# what costs much less often still, so that who asks leaves the CPUs to who is asked.
wait_until() {
	# Names that no test has: what it asks sees these instead of its own.
	local LAB_ANSWER_SECONDS=2 lab_now=${EPOCHREALTIME/[.,]/} lab_asked lab_pause lab_least=40000 lab_deadline
	lab_deadline=$((lab_now + $1 * 1000000)) lab_asked=$lab_now
	shift
	until "$@" >/dev/null 2>&1; do
		lab_now=${EPOCHREALTIME/[.,]/}
		[ "$lab_now" -lt "$lab_deadline" ] || return 1
		lab_pause=$((3 * (lab_now - lab_asked)))
		lab_pause=$((lab_pause < lab_least ? lab_least : lab_pause > 400000 ? 400000 : lab_pause))
		lab_least=$((lab_least < 300000 ? lab_least * 5 / 4 : lab_least))
		printf -v lab_pause '0.%06d' $lab_pause
		read -rt "$lab_pause" -u "$LAB_NEVER" || true # a sleep without a process
		lab_asked=${EPOCHREALTIME/[.,]/}
	done
}

need() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null || skip "$tool is not installed"
	done
}

# need_newlink: the benchmark's maker of devices, for newlink_on.
need_newlink() {
	newlink=$(cd "$LAB_ROOT" && realpath -m "${BUILD:-build}")/tests/bench/newlink
	[ -x "$newlink" ] || skip "$newlink is not built"
}

# newlink_on VERB...: in the host's namespace; what it prints, or it is a failure. It skips where nothing tells.
newlink_on() {
	local status=0
	on host "$newlink" "$@" >"$LAB_TMP/newlink.out" 2>&1 || status=$?
	[ $status != 77 ] || skip "$(cat "$LAB_TMP/newlink.out")"
	[ $status = 0 ] || fail "newlink $*: $(cat "$LAB_TMP/newlink.out")"
	cat "$LAB_TMP/newlink.out"
}

# ---------------------------------------------------------------- namespaces and processes

# on NAME COMMAND...: run COMMAND in the lab's namespace NAME.
on() {
	local ns=$1
	shift
	nsenter --net="/run/netns/$LAB_ID-$ns" "$@"
}

# spawn NAME LOG COMMAND...: start COMMAND in namespace NAME; its pid is in SPAWNED.
spawn() {
	local ns=$1 log=$2
	shift 2
	nsenter --net="/run/netns/$LAB_ID-$ns" "$@" >>"$LAB_TMP/$log" 2>&1 </dev/null &
	SPAWNED=$!
	LAB_PIDS+=("$SPAWNED")
}

alive() {
	local stat
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
	stat=${stat##*) }
	[ "${stat:0:1}" != Z ]
}
gone() { ! alive "$1"; }

# start_python: for python and python_on.
start_python() {
	mkfifo "$LAB_TMP/python"
	exec {LAB_PYTHON_FD}<>"$LAB_TMP/python"
	"$LAB_PYTHON" "$LAB_HERE/warm.py" "$LAB_TMP/python" >>"$LAB_TMP/python.log" 2>&1 </dev/null &
	LAB_PIDS+=("$!")
}

# python ARGUMENT...: as "$LAB_PYTHON" ARGUMENT... for what is short and frequent: one that runs already does it in a child
# (warm.py). It does not see what is exported here. python_on NAME ARGUMENT...: in the lab's namespace NAME.
python() { python_in "" "$@"; }
python_on() { python_in "/run/netns/$LAB_ID-$1" "${@:2}"; }
python_in() {
	local pipe answer output request status
	if [ -z "$LAB_PYTHON_FD" ]; then # no lab is up
		"$LAB_PYTHON" "${@:2}"
		return
	fi
	exec {pipe}<<<"" # a pipe without a process
	exec {answer}<>"/proc/self/fd/$pipe" {pipe}<&- {output}>&1
	read -r -u "$answer" _
	request=$LAB_TMP/python.$BASHPID.$answer
	printf '%s\0' "$BASHPID" "$answer" "$output" "$@" >"$request"
	# From here on the other side looks at 0, 2 and $output, so nothing may redirect them; this is another 1 for a moment.
	echo "$request" >&"$LAB_PYTHON_FD"
	read -rt 150 -u "$answer" status || fail "no Python"
	exec {answer}<&- {output}>&-
	return "$status"
}

# end_process PID...: TERM, a while later KILL, and wait.
end_process() {
	local pid
	for pid in "$@"; do
		kill "$pid" 2>/dev/null || true
	done
	for pid in "$@"; do
		wait_until 3 gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
}

add_namespace() {
	local ns=$1
	ip netns add "$LAB_ID-$ns"
	LAB_NETNS+=("$ns")
	on "$ns" ip link set lo up
	on "$ns" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
}

# add_cable A DEVICE B DEVICE: a veth pair. GRO is on at both ends, because an end that has no XDP
# program takes frames redirected by XDP only so.
add_cable() {
	on "$1" ip link add "$2" type veth peer name "$4" netns "$LAB_ID-$3"
	on "$1" ethtool -K "$2" gro on
	on "$3" ethtool -K "$4" gro on
	on "$1" ip link set "$2" up
	on "$3" ip link set "$4" up
}

lab_up() {
	[ "$(id -u)" = 0 ] || skip "a lab of network namespaces needs root"
	need nsenter ip ethtool sysctl
	LAB_TMP=$(mktemp -d "${TMPDIR:-/tmp}/$LAB_ID.XXXXXX")
	chmod 755 "$LAB_TMP"
	trap lab_down EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	ip netns add "$LAB_ID-probe" 2>/dev/null || skip "this machine cannot make network namespaces"
	ip netns del "$LAB_ID-probe"
	start_python
}

# lab_take_down: everything that was made since lab_up. A test may then begin with lab_up again.
lab_take_down() {
	local ns pins
	if [ -x "$EDGE53" ] && [ -d "$LAB_PINS" ]; then
		for ns in "${LAB_NETNS[@]}"; do
			case $ns in
			edge | host) e53 "$ns" down >/dev/null 2>&1 || true ;;
			esac
		done
	fi
	end_process "${LAB_PIDS[@]}"
	[ -z "$LAB_PYTHON_FD" ] || exec {LAB_PYTHON_FD}<&-
	for ns in "${LAB_NETNS[@]}"; do
		ip netns del "$LAB_ID-$ns" 2>/dev/null || true
	done
	# What `down` should have removed; a test has already said so if it mattered.
	for pins in "$LAB_PINS" "$LAB_PINS-backend"; do
		# Of a loader that was killed while it made links: the next one would have written the 0.
		[ ! -d "$pins/rcu_expedited" ] || echo 0 >/sys/kernel/rcu_expedited
		[ ! -d "$pins" ] || find "$pins" -depth -delete 2>/dev/null || true
	done
	[ -z "$LAB_TMP" ] || rm -rf "$LAB_TMP"
	LAB_NETNS=() LAB_PIDS=() LAB_WG_PID=() LAB_PPP_PID=() LAB_TMP="" LAB_PYTHON_FD=""
}

# Ends with the status the script was ending with. Nothing here may stop it half way.
lab_down() {
	local status=$?
	trap '' INT TERM HUP
	set +e
	lab_take_down
	exit "$status"
}

# ---------------------------------------------------------------- edge53

# write_config: standard input becomes the configuration file.
write_config() { cat >"$LAB_TMP/edge53.yaml"; }

# edge_config [DEVICE]: the usual edge service, with its backend behind DEVICE.
edge_config() {
	write_config <<-YAML
		edge:
		  - name: public-dns
		    interface: eth0
		    address: [$FRONTEND]
		    tunnel: ${1:-wg0}
		    source: $TUNNEL_SOURCE
		    backends:
		      - { address: $BACKEND, udp: 31053, tcp: 31054 }
		    client_ip: none
		limits:
		  udp_slots: ${LAB_UDP_SLOTS:-65536}
		  udp_timeout: 60s
		  clients: ${LAB_CLIENTS:-65536}
	YAML
}

# enforce_config LIST [GUARD]: the usual enforce service; the clients in LIST ("" for none) are exempt.
enforce_config() {
	write_config <<-YAML
		enforce:
		  - name: vpn
		    interface: "ppp*"
		    resolver: $RESOLVER
		    ipv6: drop
		    exempt: [$1]
		    guard: ${2:-count}
		limits:
		  udp_slots: 65536
		  udp_timeout: 60s
	YAML
}

# e53 NAME ARGUMENTS...: the edge53 command, in namespace NAME.
e53() {
	local ns=$1
	shift
	on "$ns" timeout 60 "$EDGE53" --pins "$LAB_PINS" "$@"
}

# Without processes: while the verifier is at work, they would take its time.
count_ready() {
	local text without
	text=$(<"$LAB_TMP/notify")
	without=${text//READY=1/}
	echo $(((${#text} - ${#without}) / 7))
}
more_ready_than() { [ "$(count_ready)" -gt "$1" ]; }
ready_or_dead() { more_ready_than "$1" || gone "$2"; }

# start_edge53 NAME [OPTIONS...]: run the loader and wait until it says READY=1.
start_edge53() {
	local ns=$1 before
	shift
	if [ "$LAB_NAT" = nft ]; then
		"nft_$ns"
		EDGE53_PID=$$
		return
	fi
	[ -x "$EDGE53" ] || fail "$EDGE53 is not built"
	if [ ! -S "$LAB_TMP/notify.sock" ]; then
		spawn "$ns" notify "$LAB_PYTHON" "$LAB_HERE/notify.py" "$LAB_TMP/notify.sock"
		wait_until 60 test -S "$LAB_TMP/notify.sock" || fail "no notify socket"
	fi
	before=$(count_ready)
	NOTIFY_SOCKET=$LAB_TMP/notify.sock spawn "$ns" edge53.log \
		"$EDGE53" --pins "$LAB_PINS" run -c "$LAB_TMP/edge53.yaml" "$@"
	EDGE53_PID=$SPAWNED
	wait_until 180 ready_or_dead "$before" "$EDGE53_PID" || fail "edge53 run is not ready after three minutes"
	more_ready_than "$before" || fail "edge53 run ended before it was ready"
	e53 "$ns" status >/dev/null || fail "edge53 is ready, but status says $?"
}

# kill_edge53: as a crash does.
kill_edge53() {
	[ "$LAB_NAT" = nft ] && return
	kill -KILL "$EDGE53_PID"
	wait "$EDGE53_PID" 2>/dev/null || true
}

# ---------------------------------------------------------------- nftables in place of edge53

nft_edge() {
	on edge sysctl -qw net.ipv4.ip_forward=1
	on edge nft -f - <<-NFT
		table ip lab {
			chain pre {
				type nat hook prerouting priority dstnat
				iifname eth0 ip daddr $FRONTEND udp dport 53 dnat to $BACKEND:31053
				iifname eth0 ip daddr $FRONTEND tcp dport 53 dnat to $BACKEND:31054
			}
			chain post {
				type nat hook postrouting priority srcnat
				ip daddr $BACKEND masquerade
			}
		}
	NFT
}

nft_host() {
	on host nft -f - <<-NFT
		table ip lab {
			chain pre {
				type nat hook prerouting priority dstnat
				iifname "ppp*" udp dport 53 dnat to $RESOLVER
				iifname "ppp*" tcp dport 53 dnat to $RESOLVER
			}
		}
		table ip6 lab {
			chain forwarded {
				type filter hook forward priority filter
				iifname "ppp*" tcp dport 53 reject with tcp reset
				iifname "ppp*" udp dport 53 reject with icmpv6 admin-prohibited
			}
		}
	NFT
}

# ---------------------------------------------------------------- WireGuard

# add_wireguard NAME ADDRESS PEER_NAME PEER_ADDRESSES ENDPOINT: device wg0, by the kernel if it can,
# else by wireguard-go in a mount namespace of its own: its socket is /run/wireguard/wg0.sock, in the
# file system, where the other end's would have the same name.
add_wireguard() {
	local ns=$1 address=$2 peer=$3 allowed=$4 endpoint=$5 wg=()
	local key=$LAB_TMP/$ns.key peer_key=$LAB_TMP/$peer.key
	(
		umask 077
		[ -e "$key" ] || wg genkey >"$key"
		[ -e "$peer_key" ] || wg genkey >"$peer_key"
	)
	if on "$ns" ip link add wg0 type wireguard 2>/dev/null; then
		LAB_WIREGUARD=kernel
	else
		need wireguard-go unshare
		LAB_WIREGUARD=wireguard-go
		# shellcheck disable=SC2016 # for the inner shell
		spawn "$ns" "wireguard-$ns.log" unshare --mount sh -c \
			'mount -t tmpfs lab /run && mkdir /run/wireguard && WG_PROCESS_FOREGROUND=1 exec wireguard-go -f wg0'
		LAB_WG_PID[$ns]=$SPAWNED
		wg=(nsenter -t "$SPAWNED" --mount --net --root)
		wait_until 60 "${wg[@]}" test -S /run/wireguard/wg0.sock ||
			skip "neither the kernel nor wireguard-go makes a WireGuard device here"
	fi
	if [ "${#wg[@]}" = 0 ]; then
		wg=(nsenter --net="/run/netns/$LAB_ID-$ns")
	fi
	"${wg[@]}" wg set wg0 listen-port 51820 private-key "$key" peer "$(wg pubkey <"$peer_key")" \
		allowed-ips "$allowed" endpoint "$endpoint:51820"
	on "$ns" ip addr add "$address/24" dev wg0
	# wireguard-go may have to wait for its turn on a busy machine: its queue of 500 is short for that.
	on "$ns" ip link set wg0 txqueuelen 10000 up
}

add_edge_wireguard() { add_wireguard edge "$TUNNEL_SOURCE" backend "$BACKEND/32,$BACKEND2/32" 192.0.2.2; }

remove_edge_wireguard() {
	on edge ip link del wg0
	if [ -n "${LAB_WG_PID[edge]:-}" ]; then
		end_process "${LAB_WG_PID[edge]}"
		LAB_WG_PID[edge]=
	fi
}

# ---------------------------------------------------------------- the edge lab

# lab_edge wireguard | ethernet
lab_edge() {
	local kind=$1 host
	need knotd dig
	for ns in client edge backend; do
		add_namespace "$ns"
	done
	on edge sysctl -qw net.ipv4.ip_forward=0 net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
	add_cable edge eth1 backend eth0
	for host in 7 8 9 20 21; do
		on client ip addr add "203.0.113.$host/32" dev lo
	done
	add_uplink

	case $kind in
	wireguard)
		need wg
		on edge ip addr add 192.0.2.1/24 dev eth1
		on backend ip addr add 192.0.2.2/24 dev eth0
		add_wireguard backend "$BACKEND" edge "$TUNNEL_SOURCE/32" 192.0.2.1
		on backend ip addr add "$BACKEND2/32" dev wg0
		add_edge_wireguard
		;;
	ethernet)
		on edge ip addr add "$TUNNEL_SOURCE/24" dev eth1
		on backend ip addr add "$BACKEND/24" dev eth0
		on backend ip addr add "$BACKEND2/24" dev eth0
		;;
	esac
	start_knot backend knot 192.0.2.80 "$BACKEND@31053" "$BACKEND@31054"
	wait_until 60 on edge ping -c 1 -W 1 "$BACKEND" || fail "the edge does not reach the backend"
}

# add_uplink: the cable between client and edge, as a network card that is plugged in.
add_uplink() {
	add_cable client eth0 edge eth0
	on client ip addr add 198.55.102.1/24 dev eth0
	on edge ip addr add "$FRONTEND/24" dev eth0
	on edge ip route add default via 198.55.102.1
}

# start_knot NAME INSTANCE ANSWER ADDRESS@PORT...: an authoritative server for example.com, where every
# A is ANSWER, for whoami.test, whose A is the address the query came from, and for bulk.test, whose
# zone transfer is LAB_BULK records. KNOT_PID.
start_knot() {
	local ns=$1 instance=$2 answer=$3 dir listen
	shift 3
	dir=$LAB_TMP/$instance
	mkdir "$dir"
	listen=$(printf '%s, ' "$@")
	cat >"$dir/example.com.zone" <<-ZONE
		\$ORIGIN example.com.
		\$TTL 300
		@    SOA  ns hostmaster 1 3600 600 86400 300
		@    NS   ns
		ns   A    $FRONTEND
		*    A    $answer
		text TXT  "from $instance"
	ZONE
	awk 'BEGIN { for (i = 0; i < 40; i++) printf "big TXT \"%03d %s\"\n", i, sprintf("%70s", "") }' \
		>>"$dir/example.com.zone"
	# With header, question and OPT 1392 bytes of DNS: what WireGuard's MTU of 1420 takes in one piece.
	awk 'BEGIN { for (i = 0; i < 6; i++) printf "fit TXT \"%03d %s\"\n", i, sprintf("%" (i ? 208 : 206) "s", "") }' \
		>>"$dir/example.com.zone"
	awk -v n=$((LAB_BULK - 4)) 'BEGIN {
		print "@ 60 SOA ns.bulk.test. hostmaster.bulk.test. 1 3600 600 86400 60\n@ 60 NS ns.bulk.test.\nns 60 A 192.0.2.1"
		for (i = 0; i < n; i++) printf "r%d 60 TXT \"%d %s\"\n", i, i, "abcdefghijklmnopqrstuvwxyz0123456789"
	}' >"$dir/bulk.test.zone"
	printf '@ 60 SOA ns.whoami.test. hostmaster.whoami.test. 1 3600 600 86400 60\n@ 60 NS ns.whoami.test.\n' \
		>"$dir/whoami.test.zone"
	cat >"$dir/knot.conf" <<-CONF
		server:
		    rundir: $dir
		    listen: [ ${listen%, } ]
		    udp-workers: 2
		    tcp-workers: 1
		    background-workers: 1
		    tcp-idle-timeout: 60
		    tcp-io-timeout: 20000
		    tcp-max-clients: 2000
		    udp-max-payload: 4096
		database:
		    storage: $dir
		mod-stats:
		  - id: view
		    request-protocol: on
		acl:
		  - id: anybody
		    action: transfer
		template:
		  - id: default
		    storage: $dir
		    global-module: mod-stats/view
		zone:
		  - domain: example.com
		  - domain: bulk.test
		    acl: anybody
		  - domain: whoami.test
		    module: mod-whoami
		log:
		  - target: stdout
		    any: info
	CONF
	spawn "$ns" "$instance.log" knotd -c "$dir/knot.conf"
	KNOT_PID=$SPAWNED
	wait_until 60 answers "$ns" "${1%@*}" -p "${1#*@}" || fail "$instance does not answer"
	python "$LAB_HERE/rcvbuf.py" "$KNOT_PID"
}

# answers NAME SERVER DIG-OPTIONS...: does SERVER answer a query for www.example.com?
answers() {
	local ns=$1 server=$2 out
	shift 2
	out=$(ask "$ns" "$server" www.example.com "$@") && [ -n "$out" ]
}

pings() { on "$1" ping -c 1 -W 2 "$2" >/dev/null; }

# ask NAME SERVER QNAME DIG-OPTIONS...: the short answer. dig fails on no reply, and on a reply that
# is not from the address it asked.
ask() {
	local ns=$1 server=$2 name=$3
	shift 3
	on "$ns" dig "@$server" "$name" +short +tries=1 +time="$LAB_ANSWER_SECONDS" "$@"
}

# ---------------------------------------------------------------- the enforce lab

lab_enforce() {
	local ns address
	need unbound knotd dig nft
	for ns in host vpn1 vpn2 upstream; do
		add_namespace "$ns"
	done
	on host sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
		net.ipv4.conf.all.rp_filter=1 net.ipv4.conf.default.rp_filter=1
	add_cable host eth0 upstream eth0
	on host ip addr add 198.51.100.2/24 dev eth0
	on host ip route add default via 198.51.100.1
	on host ip addr add 2001:db8:51::2/64 dev eth0 nodad
	on host ip -6 route add default via 2001:db8:51::1
	on host ip addr add "$RESOLVER/32" dev lo

	on upstream ip addr add 198.51.100.1/24 dev eth0
	on upstream ip addr add 2001:db8:51::1/64 dev eth0 nodad
	for address in 8.8.8.8 9.9.9.9 1.1.1.1; do
		on upstream ip addr add "$address/32" dev lo
	done
	on upstream ip addr add 2001:4860:4860::8888/128 dev lo nodad
	on upstream ip route add 10.77.0.0/24 via 198.51.100.2
	on upstream ip -6 route add fd77::/64 via 2001:db8:51::2
	# A leak is a query that comes from a client. Not from the host: its own queries are its own.
	on upstream nft -f - <<-'NFT'
		table inet lab {
			counter leaked {}
			chain pre {
				type filter hook prerouting priority -300
				iifname eth0 ip saddr 10.77.0.0/24 meta l4proto { tcp, udp } th dport 53 counter name leaked
				iifname eth0 ip6 saddr fd77::/64 meta l4proto { tcp, udp } th dport 53 counter name leaked
			}
		}
	NFT
	# What answers there says 192.0.2.66, unbound on the host 192.0.2.80.
	# Its answers are false ones, so that a leak would show at the client too.
	start_knot upstream upstream 192.0.2.66 8.8.8.8@53 9.9.9.9@53 1.1.1.1@53 2001:4860:4860::8888@53

	start_unbound
	add_ppp 0
	add_ppp 1
	wait_until 60 answers host 8.8.8.8 || fail "the host does not reach the upstream"
}

# start_unbound: the resolver of the host; UNBOUND_PID.
start_unbound() {
	cat >"$LAB_TMP/unbound.conf" <<-CONF
		server:
		    directory: "$LAB_TMP"
		    chroot: ""
		    username: ""
		    pidfile: ""
		    use-syslog: no
		    do-daemonize: no
		    interface: $RESOLVER
		    so-rcvbuf: 4m
		    access-control: 0.0.0.0/0 allow
		    num-threads: 1
		    so-reuseport: no
		    tcp-idle-timeout: 60000
		    module-config: "iterator"
		    local-zone: "." static
		    local-zone: "example.com." redirect
		    local-data: "example.com. 300 A 192.0.2.80"
		remote-control:
		    control-enable: no
	CONF
	spawn host unbound.log unbound -d -c "$LAB_TMP/unbound.conf"
	UNBOUND_PID=$SPAWNED
	wait_until 60 answers host "$RESOLVER" || fail "unbound does not answer"
}

# leaked: how many packets to port 53 reached the upstream from clients.
leaked() { on upstream nft list counter inet lab leaked | awk '/packets/ { print $2 }'; }

# add_ppp N: a link between pppN of the host and ppp0 of vpn(N+1). By pppd over a pty where the
# kernel has ppp; else two tun devices of those names (link/ppp, no Ethernet header, like ppp) and a pump.
add_ppp() {
	local n=$1 ns=vpn$(($1 + 1)) client=10.77.0.$(($1 + 11)) options
	[ -e /dev/ppp ] || modprobe -q ppp_generic 2>/dev/null || true
	if [ -e /dev/ppp ] && command -v pppd >/dev/null; then
		LAB_PPP=pppd
		options="noauth local nodetach nodefaultroute noccp novj nobsdcomp nodeflate noipdefault"
		options="$options lcp-echo-interval 0 lcp-restart 1 ipcp-restart 1 +ipv6"
		cat >"$LAB_TMP/ppp$n.sh" <<-SH
			#!/bin/sh
			exec nsenter --net=/run/netns/$LAB_ID-$ns pppd notty $options unit 0 \
				$client:$RESOLVER ipv6 ::$((n + 11)),::1 logfile $LAB_TMP/ppp$n-client.log
		SH
		chmod 755 "$LAB_TMP/ppp$n.sh"
		# shellcheck disable=SC2086 # a list of options
		spawn host "ppp$n.log" "${LAB_PPPD[@]}" pty "$LAB_TMP/ppp$n.sh" $options unit "$n" \
			"$RESOLVER:$client" ipv6 "::1,::$((n + 11))" logfile "$LAB_TMP/ppp$n-host.log"
		LAB_PPP_PID[n]=$SPAWNED
		wait_until 60 has_address host "ppp$n" || fail "pppd does not bring ppp$n up"
		wait_until 60 has_address "$ns" ppp0 || fail "pppd does not bring ppp0 up at the client"
		# pppd's three packets of queue lose queries under load.
		on host ip link set "ppp$n" txqueuelen 10000
		on "$ns" ip link set ppp0 txqueuelen 10000
	else
		[ -c /dev/net/tun ] || modprobe -q tun 2>/dev/null || true
		[ -c /dev/net/tun ] || skip "no /dev/ppp with pppd, and no /dev/net/tun either"
		LAB_PPP="tun devices named ppp*"
		spawn host "ppp$n.log" "$LAB_PYTHON" "$LAB_HERE/tunpair.py" \
			"/run/netns/$LAB_ID-host" "ppp$n" "/run/netns/$LAB_ID-$ns" ppp0
		LAB_PPP_PID[n]=$SPAWNED
		wait_until 60 on host ip link show "ppp$n" || fail "no ppp$n"
		wait_until 60 on "$ns" ip link show ppp0 || fail "no ppp0 in $ns"
		on host ip addr add "$RESOLVER" peer "$client/32" dev "ppp$n"
		on "$ns" ip addr add "$client" peer "$RESOLVER/32" dev ppp0
		on host ip link set "ppp$n" mtu 1500 txqueuelen 10000 up
		on "$ns" ip link set ppp0 mtu 1500 txqueuelen 10000 up
	fi
	on host ip -6 route add "fd77::$((n + 11))/128" dev "ppp$n"
	on "$ns" ip addr add "fd77::$((n + 11))/128" dev ppp0 nodad
	on "$ns" ip route replace default dev ppp0
	on "$ns" ip -6 route replace default dev ppp0
}
# pppd gives a device its address before it takes it up.
has_address() { on "$1" ip -4 -o addr show dev "$2" up | grep -q inet; }
no_device() { ! on "$1" ip link show "$2"; }

# remove_ppp N: the client hangs up.
remove_ppp() {
	end_process "${LAB_PPP_PID[$1]}"
	wait_until 60 no_device host "ppp$1" || fail "ppp$1 does not go away"
	wait_until 60 no_device "vpn$(($1 + 1))" ppp0 || fail "ppp0 of vpn$(($1 + 1)) does not go away"
}

# ---------------------------------------------------------------- load

# query_file: 10,000 names, for dnsperf and kxdpgun.
query_file() {
	[ -e "$LAB_TMP/queries" ] ||
		awk 'BEGIN { for (i = 0; i < 10000; i++) print "q" i ".example.com A" }' >"$LAB_TMP/queries"
	echo "$LAB_TMP/queries"
}

# At most so many queries are under way, so that a late answer is one of few, and a client waits as long for each as
# a test may take: on a busy machine a server gets its turn seconds later. Only what is really lost counts.
DNSPERF=(dnsperf -q 30 -t 60 -b 1024)

# load NAME LOG DNSPERF-OPTIONS...: dnsperf, its report in LOG.
load() {
	local ns=$1 log=$2
	shift 2
	on "$ns" timeout 170 "${DNSPERF[@]}" -d "$(query_file)" "$@" >"$LAB_TMP/$log" 2>&1
}

# start_load NAME LOG DNSPERF-OPTIONS...: the same in the background, and when this returns it is under way; LOAD_PID.
# It goes on until end_load, so that it lasts as long as what it is to be beside. dnsperf waits for its last answers
# when its input ends, and not when it is interrupted: so it reads from a pipe. Comments fill that, so that what is
# in it when the writer stops is soon sent.
start_load() {
	local ns=$1 log=$2
	shift 2
	awk -v c=";$(printf '%0999d' 0)" 'NR > 100 { exit } { print $0 "\n" c }' "$(query_file)" >"$LAB_TMP/$log.chunk"
	mkfifo "$LAB_TMP/$log.in"
	: >"$LAB_TMP/$log.on"
	# shellcheck disable=SC2016 # for the inner shell
	spawn "$ns" load.log bash -c 'chunk=$(<"$1.chunk"); while [ -e "$1.on" ]; do echo "$chunk"; done >"$1.in"' \
		load "$LAB_TMP/$log"
	: >"$LAB_TMP/$log"
	spawn "$ns" "$log" stdbuf -oL "${DNSPERF[@]}" -d "$LAB_TMP/$log.in" "$@"
	LOAD_PID=$SPAWNED
	wait_until 60 grep -q 'Status.*Started' "$LAB_TMP/$log" || fail "dnsperf does not start: $log"
	alive "$LOAD_PID" || fail "dnsperf has ended already: $log"
}

# end_load PID LOG: it must still be at work. It stops sending, waits for what is under way, and writes its report.
end_load() {
	alive "$1" || fail "dnsperf has not lasted: $2"
	rm "$LAB_TMP/$2.on"
	wait_until 90 gone "$1" || fail "dnsperf does not end: $2"
}

# perf_count LOG sent|completed|lost
perf_count() { awk -v what="$2:" '$1 == "Queries" && $2 == what { print $3; exit }' "$LAB_TMP/$1"; }

# all_answered LOG: dnsperf sent something, and lost nothing of it.
all_answered() {
	local sent completed noerror
	sent=$(perf_count "$1" sent)
	completed=$(perf_count "$1" completed)
	noerror=$(grep -o 'NOERROR [0-9]*' "$LAB_TMP/$1" | awk '{ print $2 }')
	[ "${sent:-0}" -gt 0 ] && [ "$completed" = "$sent" ] && [ "$noerror" = "$sent" ] && return
	echo "$1: sent ${sent:-?}, answered ${completed:-?}, NOERROR ${noerror:-?}" >&2
	who_dropped >&2
	return 1
}

# who_dropped: what is known of where a packet can be lost, for a test that misses one.
who_dropped() {
	local ns
	for ns in "${LAB_NETNS[@]}"; do
		echo "--- $ns: UDP datagrams dropped for full receive buffers, and for other reasons:" \
			"$(on "$ns" awk '/^Udp: [0-9]/ { print $6, $4 - $6 }' /proc/net/snmp)"
		on "$ns" ip -s -s link
		case $ns in
		edge | host) e53 "$ns" status ;;
		esac
	done
}

# ---------------------------------------------------------------- counters

# json_get EXPRESSION: a Python expression over `d`, the document on standard input.
json_get() { python -c "import json, sys; d = json.load(sys.stdin); print($1)"; }

# client_counters NAME ADDRESS FIELD...: as `edge53 clients --json` has them, 0 for an unknown client.
client_counters() {
	local ns=$1
	shift
	e53 "$ns" clients --json | python -c '
import json, sys
document = json.load(sys.stdin)
clients = document if isinstance(document, list) else document["clients"]
found = [c for c in clients if c["client"] == sys.argv[1]]
print(*(sum(int(c[field]) for c in found) for field in sys.argv[2:]))' "$@"
}

# reason_count NAME [REASON]: how many packets `edge53 status` counts for REASON, for all without one.
reason_count() {
	e53 "$1" status --json | python -c '
import json, sys
d = json.load(sys.stdin)
lists = [s["reasons"] for s in d["services"]] + [d["reasons_without_service"]]
print(sum(r["packets"] for reasons in lists for r in reasons if sys.argv[1] in ("", r["reason"])))' "${2:-}"
}

dnsclient() {
	local ns=$1
	shift
	python_on "$ns" "$LAB_HERE/dnsclient.py" "$@"
}
