#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# section_enforce.sh: what it costs to send a VPN client's queries to the resolver of this host. Sourced by run.
#
#   f        the client is behind a tun device, and `asker` is the program that has it
#   f-veth   ... behind a veth, with Ethernet headers; `asker` is at its other end
#
#     asker 10.77.0.11 ──▶ ppp0 [candidate] ──▶ 10.77.0.1 answerer
#
# `asker` has 512 queries under way, from 16,384 ports in turn, all of which it has asked from before anything is
# counted, and looks at every byte of an answer; `answerer` does next to nothing. "none" is a client that asks
# 10.77.0.1 of itself, the others ask 8.8.8.8. Way "cpu" is the CPU time of both programs, and of the kernel for
# them, for one answer: a query's way is part of asker's write, an answer's way of answerer's send. Each has a CPU of its
# own, and asker's is the one that limits.

ENFORCE_CLIENT=10.77.0.11
ENFORCE_CLIENT_MAC=02:00:00:00:00:0b    # nobody's: the stack at asker's end shall not look at the answers
ENFORCE_ASKED=8.8.8.8

enforce_workloads() { printf '%s\n' f f-veth; }
enforce_candidates() { printf '%s\n' none edge53 nft; }

enforce_measure() {
	local server=$ENFORCE_ASKED resolver since
	lab_up
	need dig taskset
	add_namespace host
	"enforce_device_${1/-/_}"
	# shellcheck disable=SC2153 # of lab.sh
	spawn host answerer.log taskset -c "$(((BENCH_CPU + 1) % $(nproc)))" "$BENCH_BIN/answerer" "$RESOLVER"
	resolver=$SPAWNED
	wait_until 20 answers host "$RESOLVER" || fail 'answerer does not answer'
	case $2 in
	none) server=$RESOLVER ;;
	*) enforce_up "$2" ;;
	esac
	since=$(cpu_ns "$resolver")
	timed on "$ASKER_AT" taskset -c "$BENCH_CPU" "$BENCH_BIN/asker" "${ASKER_DEVICE[@]}" "$ENFORCE_CLIENT" "$server" 512 \
		"$BENCH_SECONDS" >"$LAB_TMP/load.json"
	load_result "$since" "$resolver"
	[ "$2" != edge53 ] || through_edge53 host query_sent reply_sent
}

enforce_up() {
	case $1 in
	edge53)
		enforce_config ''
		start_edge53 host
		;;
	nft)
		need nft
		nft_host
		;;
	esac
}

enforce_device_f() {
	[ -c /dev/net/tun ] || modprobe -q tun 2>/dev/null || true
	[ -c /dev/net/tun ] || skip 'no /dev/net/tun'
	on host ip tuntap add dev ppp0 mode tun
	enforce_addresses
	ASKER_AT=host ASKER_DEVICE=(tun ppp0)
}

enforce_device_f_veth() {
	add_namespace vpn
	on host ip link add ppp0 type veth peer name eth0 netns "$LAB_ID-vpn"
	on vpn ip link set eth0 up
	on host ethtool -K ppp0 tx off >/dev/null # asker looks at checksums, and a veth would leave them partial
	enforce_addresses
	on host ip neigh replace "$ENFORCE_CLIENT" lladdr "$ENFORCE_CLIENT_MAC" dev ppp0 nud permanent
	ASKER_AT=vpn ASKER_DEVICE=(packet eth0 "$(mac_of host ppp0)" "$ENFORCE_CLIENT_MAC")
}

enforce_addresses() {
	on host sysctl -qw net.ipv6.conf.ppp0.disable_ipv6=1
	on host ip addr add "$RESOLVER" peer "$ENFORCE_CLIENT/32" dev ppp0
	on host ip link set ppp0 txqueuelen 1000 up # more than are under way
}
