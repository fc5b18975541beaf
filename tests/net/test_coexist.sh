#!/usr/bin/env bash
# Somebody else's programs are on the hooks already: they stay, they go on seeing packets, and the
# service works beside them.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need bpftool
# PASS_OBJECT names pass.bpf.c compiled elsewhere.
[ -n "${PASS_OBJECT:-}" ] || need "${CLANG:=clang}"

multiarch=/usr/include/$(uname -m)-linux-gnu

# seen HOOK PROGRAM_ID: how many packets the foreign program has counted (HOOK 0: XDP, 1: tc).
seen() {
	local map
	map=$(bpftool -j prog show id "$2" | json_get "d['map_ids'][0]")
	bpftool -j map lookup id "$map" key "$1" 0 0 0 | json_get "d['formatted']['value']"
}
filter_id() { on edge tc filter show dev eth0 ingress pref 7 | sed -n 's/.* id \([0-9]*\).*/\1/p' | head -n 1; }
xdp_id() { on edge ip -j link show dev eth0 | json_get "d[0]['xdp']['prog']['id']"; }

service_works() {
	expect "UDP $1" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
	expect "TCP $1" equal "$(ask client $FRONTEND www.example.com +tcp)" 192.0.2.80
}

begin() {
	lab_up
	if [ -n "${PASS_OBJECT:-}" ]; then
		cp "$PASS_OBJECT" "$LAB_TMP/pass.o"
	else
		"$CLANG" -target bpf -O2 -g -idirafter "$multiarch" -c "$LAB_HERE/pass.bpf.c" -o "$LAB_TMP/pass.o"
	fi
	lab_edge wireguard
	edge_config wg0
}
foreign_xdp() {
	on edge ip link set dev eth0 xdp obj "$LAB_TMP/pass.o" sec xdp 2>"$LAB_TMP/ip.log" ||
		skip "ip cannot load an XDP program here: $(tail -n 1 "$LAB_TMP/ip.log")"
}
foreign_tc() {
	on edge tc qdisc add dev eth0 clsact
	on edge tc filter add dev eth0 ingress prio "$1" bpf da obj "$LAB_TMP/pass.o" sec tc 2>"$LAB_TMP/tc.log" ||
		skip "tc cannot load a program here: $(tail -n 1 "$LAB_TMP/tc.log")"
}

# XDP: the hook is taken, so everything is done in tc.
begin
foreign_xdp
xdp=$(xdp_id)
start_edge53 edge
expect "the log must say that another XDP program holds eth0" grep -qi 'xdp' "$LAB_TMP/edge53.log"
service_works "with another XDP program on eth0"
expect "the other XDP program must still be there" equal "$(xdp_id)" "$xdp"
before=$(seen 0 "$xdp")
pings client $FRONTEND
expect "the other XDP program sees packets" test "$(seen 0 "$xdp")" -gt "$before"
expect "each query is counted once" equal "$(client_counters edge 198.55.102.1 queries replies tcp_connections)" "1 1 1"
e53 edge down || fail "down"
expect "down leaves the other XDP program alone" equal "$(xdp_id)" "$xdp"
lab_take_down

# tc: a filter in clsact, with edge53 in tcx or, as on older kernels, in clsact too.
for attach in tcx clsact; do
	begin
	foreign_tc 7
	filter=$(filter_id)
	if [ $attach = clsact ]; then
		start_edge53 edge --attach clsact
	else
		start_edge53 edge
	fi
	service_works "with another tc filter on eth0 ($attach)"
	before=$(seen 1 "$filter")
	for _ in 1 2 3 4 5; do
		pings client $FRONTEND
	done
	expect "the other tc filter sees foreign packets ($attach)" test "$(seen 1 "$filter")" -ge $((before + 5))
	e53 edge down || fail "down"
	expect "down leaves the other tc filter alone ($attach)" equal "$(filter_id)" "$filter"
	before=$(seen 1 "$filter")
	pings client $FRONTEND
	expect "and it works on ($attach)" test "$(seen 1 "$filter")" -gt "$before"
	lab_take_down
done
