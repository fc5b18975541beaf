#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# section_sockets.sh: real clients and a real server, so that programs with sockets compete, too. Sourced by run.
#
#   dnsperf   UDP: dnsperf against Knot
#   e         TCP connections, one question each, against Unbound: Knot does not read PROXY headers over TCP
#
# Nothing is bound to a CPU, and client, candidate and server are more than the machine can take: what limits is the
# CPU time of all of them together, the kernel's for their packets included. That is what is left for answers when
# one of them takes more. dnsperf has a thread for each CPU, and the server one for every two.
#
# Two figures of each: answers per second, of way "round-trip"; and, of way "cpu", the CPU time that all programs and
# the kernel spent for one answer. Its ratios hold on a machine that has other things to do, too.
#
# "direct" is the same path without the edge's work: frames are redirected between its two devices by XDP as they
# are, the client asks the server's own address, and each takes the other for its router.

SOCKETS_CLIENTS=203.0.113       # .1 to .32: a port that was closed is not to be had again for a minute

sockets_workloads() { printf '%s\n' dnsperf e; }
sockets_candidates() { printf '%s\n' direct edge53-xdp edge53-xdp-proxy edge53-tc routing nft dnsdist; }

sockets_measure() {
	local since
	lab_up
	lab_bench
	sockets_lab
	"sockets_server_$1" "$2"
	sockets_candidate_up "$2"
	wait_until 20 sockets_answered "$1" || fail "no answer from $SERVER port $SERVER_PORT"
	since=$(cpu_ns "${SERVER_PIDS[@]}")
	"sockets_load_$1"
	load_result "$since" "${SERVER_PIDS[@]}"
	case $2/$1 in
	edge53-*/dnsperf) through_edge53 edge query_sent reply_sent ;;
	edge53-*/e) through_edge53 edge tcp_opened ;;
	esac
}

# ---------------------------------------------------------------- the lab

# Sockets leave the checksums to the device, which a veth passes on as they are: partial. From a wire they come whole.
sockets_lab() {
	local host
	need dnsperf dig knotd unbound
	SERVER_THREADS=$((($(nproc) + 1) / 2))
	SERVER_PIDS=()
	on gen ethtool -K gen0 tx off >/dev/null
	on backend ethtool -K back0 tx off >/dev/null
	on edge ethtool -K uplink0 tx off >/dev/null
	on edge ethtool -K down0 tx off >/dev/null
	for host in {1..32}; do
		on gen ip addr add "$SOCKETS_CLIENTS.$host/32" dev lo
	done
}

sockets_candidate_up() {
	SERVER=$FRONTEND SERVER_PORT=53
	case $1 in
	direct)
		candidate_up redirect
		on gen ip neigh replace "$FRONTEND" lladdr "$(mac_of backend back0)" dev gen0 nud permanent
		on backend ip neigh replace "$TUNNEL_SOURCE" lladdr "$(mac_of gen gen0)" dev back0 nud permanent
		SERVER=$BACKEND SERVER_PORT=$BACKEND_PORT
		;;
	routing)
		candidate_up routing
		SERVER=$BACKEND SERVER_PORT=$BACKEND_PORT
		;;
	edge53-xdp-proxy) edge53_up proxy-v2 true ;;
	dnsdist)
		dnsdist_up "$BACKEND_PORT" true
		SERVER_PIDS+=("$SPAWNED")
		;;
	*) candidate_up "$1" ;;
	esac
}

# ---------------------------------------------------------------- servers

# Takes a PROXY header from the edge, and does without.
sockets_server_dnsperf() {
	local dir=$LAB_TMP/knot
	BACKEND_PORT=31053
	mkdir "$dir"
	cat >"$dir/example.com.zone" <<-ZONE
		\$ORIGIN example.com.
		\$TTL 300
		@   SOA  ns hostmaster 1 3600 600 86400 300
		@   NS   ns
		ns  A    $FRONTEND
		*   A    192.0.2.80
	ZONE
	cat >"$dir/knot.conf" <<-CONF
		server:
		    rundir: $dir
		    listen: $BACKEND@$BACKEND_PORT
		    proxy-allowlist: $TUNNEL_SOURCE
		    udp-workers: $SERVER_THREADS
		    tcp-workers: 1
		    background-workers: 1
		database:
		    storage: $dir
		template:
		  - id: default
		    storage: $dir
		zone:
		  - domain: example.com
		log:
		  - target: stdout
		    any: warning
	CONF
	spawn backend knot.log knotd -c "$dir/knot.conf"
	SERVER_PIDS+=("$SPAWNED")
	wait_until 60 answers backend "$BACKEND" -p "$BACKEND_PORT" || fail 'knot does not answer'
	"$LAB_PYTHON" "$LAB_HERE/rcvbuf.py" "$SPAWNED"
}

# A port of Unbound either takes PROXY headers or does not.
sockets_server_e() {
	local header=''
	BACKEND_PORT=31054
	case $1 in
	edge53-xdp-proxy | dnsdist) header="proxy-protocol-port: $BACKEND_PORT" ;;
	esac
	cat >"$LAB_TMP/unbound.conf" <<-CONF
		server:
		    directory: "$LAB_TMP"
		    chroot: ""
		    username: ""
		    pidfile: ""
		    use-syslog: no
		    do-daemonize: no
		    interface: $BACKEND@$BACKEND_PORT
		    $header
		    access-control: 0.0.0.0/0 allow
		    num-threads: $SERVER_THREADS
		    incoming-num-tcp: 1000
		    module-config: "iterator"
		    local-zone: "." static
		    local-zone: "example.com." redirect
		    local-data: "example.com. 300 A 192.0.2.80"
		remote-control:
		    control-enable: no
	CONF
	spawn backend unbound.log unbound -d -c "$LAB_TMP/unbound.conf"
	SERVER_PIDS+=("$SPAWNED")
}

# sockets_answered WORKLOAD: by the way that is to be measured.
sockets_answered() {
	case $1 in
	dnsperf) answers gen "$SERVER" -p "$SERVER_PORT" +notcp ;;
	e) answers gen "$SERVER" -p "$SERVER_PORT" +tcp ;;
	esac
}

# ---------------------------------------------------------------- load

# Of 500 queries under way few are ever waited for, and Knot's buffer holds them all. What is not answered within two
# seconds is lost.
sockets_load_dnsperf() {
	local log=$LAB_TMP/dnsperf.txt options=(-d "$(query_file)" -s "$SERVER" -p "$SERVER_PORT" -T "$(nproc)" -c 16 -q 500 -t 2 -b 4096)
	timed on gen dnsperf "${options[@]}" -l "$BENCH_SECONDS" >"$log"
	awk '
		/Queries sent:/ { sent = $3 }
		/Queries lost:/ { lost = $3 }
		/Response codes:/ { for (i = 3; i < NF; i++) if ($i == "NOERROR") answered = $(i + 1) }
		/Run time/ { seconds = $4 }
		/Queries per second:/ { value = $4 }
		END {
			printf "{\"unit\": \"queries/s\", \"value\": %s, \"sent\": %d, \"answered\": %d, ", value, sent, answered
			printf "\"lost\": %d, \"seconds\": %s}\n", lost, seconds
		}' "$log" >"$LAB_TMP/load.json"
}

# Knot and Unbound have room for more connections that wait than there are at any time: no SYN is lost there.
sockets_load_e() {
	timed on gen "$BENCH_BIN/connections" -s "$SERVER" -p "$SERVER_PORT" -c 64 -t "$BENCH_SECONDS" \
		-a "$SOCKETS_CLIENTS.1" -n 32 >"$LAB_TMP/load.json"
}
