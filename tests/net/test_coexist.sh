#!/usr/bin/env bash
# Somebody else's programs are on the hooks already, or come later: they stay, they go on seeing packets, and
# the service works beside them. And the hook is tcx where the kernel has it, else clsact.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need bpftool dnsperf
# PASS_OBJECT names pass.bpf.c compiled elsewhere.
[ -n "${PASS_OBJECT:-}" ] || need "${CLANG:=clang}"

multiarch=/usr/include/$(uname -m)-linux-gnu

# Linux 6.6 has brought tcx. Not what the kernel answers: that is what edge53 goes by.
has_tcx() { [ "$(printf '6.6\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.6 ]; }
has_clsact() { on edge tc qdisc show dev "$1" | grep -q clsact; }
tcx() { python_on edge "$LAB_HERE/tcx.py" "$@"; }
tcx_names() { tcx list "$1" | cut -d' ' -f2 | paste -sd' '; }

# seen HOOK PROGRAM_ID: how many packets the foreign program has counted (HOOK 0: XDP, 1: tc).
seen() {
	local map
	map=$(bpftool prog show id "$2" | sed -n 's/.*map_ids \([0-9]*\).*/\1/p')
	bpftool map lookup id "$map" key "$1" 0 0 0 | sed -n 's/.*"value": \([0-9]*\).*/\1/p'
}
# filter_id DEVICE PRIORITY: the program of a filter.
filter_id() { on edge tc filter show dev "$1" ingress pref "$2" | sed -n 's/.* id \([0-9]*\).*/\1/p' | head -n 1; }
xdp_id() { on edge ip -j link show dev eth0 | json_get "d[0]['xdp']['prog']['id']"; }

foreign_xdp() {
	on edge ip link set dev eth0 xdp obj "$LAB_TMP/pass.o" sec xdp 2>"$LAB_TMP/ip.log" ||
		skip "ip cannot load an XDP program here: $(tail -n 1 "$LAB_TMP/ip.log")"
}
# foreign_filter DEVICE PRIORITY
foreign_filter() {
	has_clsact "$1" || on edge tc qdisc add dev "$1" clsact
	on edge tc filter add dev "$1" ingress prio "$2" bpf da obj "$LAB_TMP/pass.o" sec tc 2>"$LAB_TMP/tc.log" ||
		skip "tc cannot load a program here: $(tail -n 1 "$LAB_TMP/tc.log")"
}

service_works() {
	expect "UDP $1" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
	expect "TCP $1" equal "$(ask client $FRONTEND www.example.com +tcp)" 192.0.2.80
}
# Whether a program of somebody else sees what is not ours, and whether it sees queries too: HOOK PROGRAM_ID WHO.
# (A few packets of ARP and the like are nobody's.)
sees_pings() {
	local before
	before=$(seen "$1" "$2")
	on client ping -q -c 5 -i 0.01 $FRONTEND >"$LAB_TMP/pings"
	expect "$3 sees what is not ours" test "$(seen "$1" "$2")" -ge $((before + 5))
}
sees_queries() {
	local before
	before=$(seen "$1" "$2")
	on client dnsperf -s $FRONTEND -d "$LAB_TMP/forty" >"$LAB_TMP/forty.txt"
	test "$(seen "$1" "$2")" -ge $((before + 40))
}
sees_all() { expect "$3 sees queries" sees_queries "$1" "$2"; }
sees_others() {
	sees_pings "$@"
	expect "$3 does not see queries" fails sees_queries "$1" "$2"
}

lab_up
if [ -n "${PASS_OBJECT:-}" ]; then
	cp "$PASS_OBJECT" "$LAB_TMP/pass.o"
else
	"$CLANG" -target bpf -O2 -g -idirafter "$multiarch" -c "$LAB_HERE/pass.bpf.c" -o "$LAB_TMP/pass.o"
fi
lab_edge wireguard
edge_config wg0
head -n 40 "$(query_file)" >"$LAB_TMP/forty"

# Nobody else: which hook is it?
start_edge53 edge
service_works "without others"
if has_tcx; then
	expect "eth0 has its program in tcx" equal "$(tcx_names eth0)" edge_tc_l2_chec
	expect "wg0 has its program in tcx" equal "$(tcx_names wg0)" edge_tc_l3
	expect "eth0 has no clsact" fails has_clsact eth0
	expect "wg0 has no clsact" fails has_clsact wg0
else
	status=0
	tcx list eth0 || status=$?
	expect "Linux $(uname -r) has no tcx" equal $status 3
	expect "eth0 has its program in clsact" contains "$(on edge tc filter show dev eth0 ingress)" edge_tc_l2_chec
	expect "wg0 has its program in clsact" contains "$(on edge tc filter show dev wg0 ingress)" edge_tc_l3
	expect "the log says so" grep -q 'this kernel has no tcx (before 6.6): using clsact' "$LAB_TMP/edge53.log"
fi
expect "the XDP hook, once taken, stays ours" fails on edge ip link set dev eth0 xdp obj "$LAB_TMP/pass.o" sec xdp
e53 edge down || fail "down"
expect "clsact is gone from eth0" fails has_clsact eth0

# XDP: the hook is taken, so everything is done in tc.
foreign_xdp
xdp=$(xdp_id)
start_edge53 edge
expect "the log says that another XDP program holds eth0" \
	grep -q 'eth0: another XDP program is attached; doing the same in tc instead' "$LAB_TMP/edge53.log"
expect "in tc is the program that does all of it" contains \
	"$(tcx_names eth0 2>/dev/null || true) $(on edge tc filter show dev eth0 ingress)" 'edge_tc_l2 '
service_works "with another XDP program on eth0"
expect "the other XDP program is still there" equal "$(xdp_id)" "$xdp"
sees_all 0 "$xdp" "the other XDP program"
expect "each query is counted once" equal "$(client_counters edge 198.55.102.1 queries replies tcp_connections)" "41 41 1"
e53 edge down || fail "down"
expect "down leaves the other XDP program alone" equal "$(xdp_id)" "$xdp"
on edge ip link set dev eth0 xdp off

# tc: filters in clsact, of a smaller and a greater priority than ours, on both devices; edge53 in tcx or, as on
# older kernels, in clsact too.
for attach in auto clsact; do
	foreign_filter eth0 7
	foreign_filter eth0 60
	foreign_filter wg0 7
	first=$(filter_id eth0 7) last=$(filter_id eth0 60) tunnel=$(filter_id wg0 7)
	if [ $attach = clsact ]; then
		start_edge53 edge --attach clsact
	else
		start_edge53 edge
	fi
	service_works "with other tc filters ($attach)"
	sees_others 1 "$last" "the later tc filter ($attach)"
	if [ $attach = clsact ] || ! has_tcx; then
		sees_all 1 "$first" "the earlier tc filter ($attach)"
		sees_all 1 "$tunnel" "the tc filter on wg0 ($attach)"
	else
		sees_others 1 "$first" "the earlier tc filter ($attach)"
	fi
	e53 edge down || fail "down"
	expect "down leaves the other tc filters alone ($attach)" \
		equal "$(filter_id eth0 7) $(filter_id eth0 60) $(filter_id wg0 7)" "$first $last $tunnel"
	sees_pings 1 "$last" "without edge53 the later tc filter ($attach)"
	on edge tc qdisc del dev eth0 clsact
	on edge tc qdisc del dev wg0 clsact
done

# tcx: a program that was there before, one that came later and put itself first, and one that is last. Filters
# on lo keep them in the kernel.
has_tcx || exit 0
for priority in 1 2 3; do
	foreign_filter lo $priority
done
earlier=$(filter_id lo 1) first=$(filter_id lo 2) last=$(filter_id lo 3)
spawn edge tcx.log "$LAB_PYTHON" "$LAB_HERE/tcx.py" hold "$earlier" eth0 first
programs_are() { equal "$(tcx list eth0 | cut -d' ' -f1 | paste -sd' ')" "$*"; }
wait_until 60 programs_are "$earlier" || fail "a program in tcx"
start_edge53 edge
ours=$(tcx list eth0 | sed -n 1p)
expect "ours is before what was there" equal "${ours#* }" edge_tc_l2_chec
expect "nothing else is on eth0" programs_are "${ours% *}" "$earlier"
service_works "with an earlier program in tcx"
sees_others 1 "$earlier" "an earlier program in tcx"

spawn edge tcx.log "$LAB_PYTHON" "$LAB_HERE/tcx.py" hold "$first" eth0 first
spawn edge tcx.log "$LAB_PYTHON" "$LAB_HERE/tcx.py" hold "$last" eth0 last
wait_until 60 programs_are "$first" "${ours% *}" "$earlier" "$last" || fail "programs in tcx before and after ours"
service_works "between two programs in tcx"
sees_all 1 "$first" "a program in tcx before ours"
sees_others 1 "$last" "a program in tcx after ours"

kill_edge53
start_edge53 edge
ours=$(tcx list eth0 | sed -n 2p)
expect "a new loader's program is where the old one's was" programs_are "$first" "${ours% *}" "$earlier" "$last"
service_works "with a new loader"
e53 edge down || fail "down"
expect "down leaves the other programs in tcx alone" programs_are "$first" "$earlier" "$last"
sees_pings 1 "$last" "without edge53 the last program in tcx"
