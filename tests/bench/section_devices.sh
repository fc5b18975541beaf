#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# section_devices.sh: what many clients' devices cost, and how soon a new one has its hooks. Sourced by run.
#
#     host                                   up
#   ┌────────────────────────┐           ┌───────────────┐
#   │ ppp0 ppp1 ... ppp3999  │           │               │
#   │ 10.77.0.1         eth0 ├───────────┤ eth0          │
#   └────────────────────────┘           └───────────────┘
#
#   g       1, 100 and 4,000 devices of `enforce`. way start: from the start of `edge53 run` to READY=1 with all
#           attached; new: from RTM_NEWLINK of one more until it is attached (the median of several; the others are
#           beside it); query, reply: a program's time for a packet, while each device asks in turn and gets its
#           answer; round-trip: the whole of that, with the host's stack and the server's socket
#   storm   1,000 devices come and go beside 3,000: from the last change until all that are left are attached
#   memory  bytes of kernel memory (memlock of the maps) for each UDP slot, TCP connection and client, and of the
#           loader (resident) and of the kernel's slab for each device; each the difference between two sizes

devices_workloads() { printf '%s\n' g storm memory; }

devices_candidates() {
	case $1 in
	g) printf '%s\n' 1-device 100-devices 4000-devices ;;
	storm) echo edge53 ;;
	memory) printf '%s\n' udp-slot tcp-connection client device ;;
	esac
}

devices_measure() { "devices_measure_$1" "$2"; }

# ---------------------------------------------------------------- the lab

# devices_lab N: a host with N devices, and a way out that the guard watches.
devices_lab() {
	[ -c /dev/net/tun ] || skip 'no /dev/net/tun'
	lab_up
	add_namespace host
	add_namespace up
	add_cable host eth0 up eth0
	on host ip addr add 198.51.100.2/24 dev eth0
	on host ip route add default via 198.51.100.1
	on host ip addr add "$RESOLVER/32" dev lo
	on host "$BENCH_BIN/newlink" add 0 "$1"
	devices_config
}

# devices_config [SLOTS [CONNECTIONS [CLIENTS]]]
devices_config() {
	write_config <<-YAML
		enforce:
		  - name: vpn
		    interface: "ppp*"
		    resolver: $RESOLVER
		    health: off # it is there while it is asked, and not before
		    guard: count
		limits:
		  udp_slots: ${1:-65536}
		  tcp_connections: ${2:-16384}
		  clients: ${3:-65536}
	YAML
}

# The end of a namespace takes devices away one after the other, later, and in the way of what is measured next.
devices_lab_down() {
	e53 host down
	on host ip link del group 53
	lab_take_down
}

# devices_start N: starts edge53; sets DEVICES_STARTED, what was measured.
devices_start() {
	spawn host start.log "$BENCH_BIN/newlink" start 0 "$1" "$EDGE53" --pins "$LAB_PINS" run -c "$LAB_TMP/edge53.yaml"
	wait_until 120 devices_ready || fail 'edge53 run is not ready after two minutes'
	DEVICES_STARTED=$(grep '^{' "$LAB_TMP/start.log") || fail 'edge53 run ended before it was ready'
	expect 'all devices are attached when it is ready' equal "$(json_get 'd["attached"]' <<<"$DEVICES_STARTED")" "$1"
}
devices_ready() { grep -q '^{' "$LAB_TMP/start.log" || gone "$SPAWNED"; }

# devices_result OBJECT FIELD WAY UNIT: the figure is in one field of what newlink printed.
devices_result() {
	local value
	value=$(json_get "d[\"$2\"]" <<<"$1")
	result "$1" way="$3" unit="$4" value="$value"
}

# ---------------------------------------------------------------- g, storm

devices_measure_g() {
	local n=${1%-*} new packets
	devices_lab "$n"
	devices_start "$n"
	devices_result "$DEVICES_STARTED" ms start ms
	new=$(on host "$BENCH_BIN/newlink" one 5000 $((${BENCH_QUICK:-0} ? 3 : 15))) || fail 'no new device is attached'
	devices_result "$new" ms new ms
	packets=$(on host "$BENCH_BIN/newlink" packets 0 "$n" "$BENCH_SECONDS") || fail "answers are missing: $packets"
	devices_result "$packets" query_ns query ns
	devices_result "$packets" reply_ns reply ns
	devices_result "$packets" round_trip_ns round-trip ns
	devices_lab_down
}

devices_measure_storm() {
	local storm
	devices_lab 3000
	devices_start 3000
	storm=$(on host "$BENCH_BIN/newlink" storm 5000 1000 "$BENCH_SECONDS") || fail 'not all are attached after the storm'
	devices_result "$storm" ms '' ms
	devices_lab_down
}

# ---------------------------------------------------------------- memory

devices_measure_memory() {
	case $1 in
	udp-slot) devices_map_bytes 65536 1048576 %s 16384 65536 ;;
	tcp-connection) devices_map_bytes 2048 16384 65536 %s 65536 ;;
	client) devices_map_bytes 16384 262144 65536 16384 %s ;;
	device) devices_device_bytes ;;
	esac
}

# devices_map_bytes SMALL LARGE SLOTS CONNECTIONS CLIENTS: what is %s is small, then large.
devices_map_bytes() {
	local small=$1 large=$2 n sums=()
	shift 2
	for n in "$small" "$large"; do
		devices_lab 1
		devices_config "${@//%s/$n}"
		devices_start 1
		sums+=("$(devices_memlock)")
		devices_lab_down
	done
	result unit=bytes small="$small" large="$large" small_bytes="${sums[0]}" large_bytes="${sums[1]}" \
		value="$(awk "BEGIN { printf \"%.2f\", (${sums[1]} - ${sums[0]}) / ($large - $small) }")"
}

# devices_memlock: what the kernel says that the maps take.
devices_memlock() {
	local pin sum=0 bytes
	for pin in "$LAB_PINS"/*; do
		[ -f "$pin" ] || continue
		bytes=$(bpftool --json map show pinned "$pin" | json_get 'd["bytes_memlock"]')
		sum=$((sum + bytes))
	done
	echo "$sum"
}

# Two ways: the loader's own, and the links and their pins, which outlive it. Without the devices themselves.
devices_device_bytes() {
	local n=${BENCH_QUICK:+400} slab rss=() kernel=()
	n=${n:-4000}
	for count in 1 "$n"; do
		devices_lab "$count"
		slab=$(devices_slab)
		devices_start "$count"
		kernel+=($(($(devices_slab) - slab)))
		rss+=("$(devices_resident)")
		devices_lab_down
	done
	result way=loader unit=bytes small=1 large="$n" small_bytes="${rss[0]}" large_bytes="${rss[1]}" \
		value=$(((rss[1] - rss[0]) / (n - 1)))
	result way=kernel unit=bytes small=1 large="$n" small_bytes="${kernel[0]}" large_bytes="${kernel[1]}" \
		value=$(((kernel[1] - kernel[0]) / (n - 1)))
}
devices_slab() { awk '/^Slab:/ { print $2 * 1024 }' /proc/meminfo; }
devices_resident() {
	local pid
	pid=$(json_get 'd["pid"]' <<<"$DEVICES_STARTED")
	awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$pid/status"
}
