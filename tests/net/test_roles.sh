#!/usr/bin/env bash
# A device keeps of its hooks what the configuration wants: an uplink of an edge that becomes one that is only guarded,
# a client's device that becomes an uplink; as tcx links and as clsact filters, by reload and by restart.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

# hooks: "eth0 guard_out_l2, ppp0 enforce_in_l2, ...", sorted
hooks() {
	e53 host status --json | python -c '
import json, sys
print(", ".join(sorted(hook["device"] + " " + hook["program"] for hook in json.load(sys.stdin)["hooks"])))'
}
hooks_are() { [ "$(hooks)" = "$1" ]; }
# guard: "policy of others/devices known", "off/0" without a guard
guard() {
	e53 host status --json | python -c '
import json, sys
guard = json.load(sys.stdin)["guard"]
print(guard["policy"], guard["unattached"], sep="/")'
}

# How many devices run an XDP program, and how many tc filters there are, asked without edge53.
n_xdp() { on host ip -o link show | grep -c 'prog/xdp' || true; }
n_filters() {
	local device point
	for device in eth0 ppp0; do
		for point in ingress egress; do
			on host tc filter show dev "$device" "$point" | grep 'handle 0xe53' || true
		done
	done | wc -l
}

edge_config() { write_config <<<'edge: [ { name: dns, interface: eth0, backends: [ { address: 10.77.0.11, udp: 53 } ] } ]'; }
vpn_config() {
	write_config <<<"enforce: [ { name: vpn, interface: 'ppp*', resolver: 10.77.0.1, guard: $1 } ]"
}

EDGE_HOOKS="eth0 edge_tc_l2_chec, eth0 edge_xdp, ppp0 edge_tc_l2_chec, ppp0 edge_xdp"
VPN_HOOKS="eth0 guard_out_l2, ppp0 enforce_in_l2, ppp0 enforce_out_l2"

# becomes WHAT HOOKS GUARD XDP TC: by record, by the guard's table, and by what the devices say
becomes() {
	local what="$how, $1" filters=0
	[ "$how" = auto ] || filters=$5
	wait_until 20 hooks_are "$2" || fail "$what: hooks are $(hooks), wanted $2"
	expect "$what: the guard" equal "$(guard)" "$3"
	expect "$what: XDP programs" equal "$(n_xdp)" "$4"
	expect "$what: filters" equal "$(n_filters)" "$filters"
}

has_program() { # NAME: loaded by the loader that runs
	local pin
	for pin in "$LAB_PINS"/programs/*; do
		bpftool prog show pinned "$pin" | grep -q " name $1 " && return
	done
}

lab_up
add_namespace host
add_namespace peer
add_cable host eth0 peer eth0
add_cable host ppp0 peer ppp0
on host ip addr add 198.51.100.2/24 dev eth0
on host ip addr add 10.77.0.1/24 dev ppp0
on host ip route add default via 198.51.100.1

for how in auto clsact; do
	edge_config
	start_edge53 host --attach "$how"
	becomes "an edge" "$EDGE_HOOKS" off/0 2 2
	vpn_config drop
	kill -HUP "$EDGE53_PID"
	becomes "enforce after a reload" "$VPN_HOOKS" drop/0 0 3
	wait_until 60 has_program enforce_out_l3 || fail "$how: a first ppp link has to wait for the verifier"
	vpn_config off
	kill -HUP "$EDGE53_PID"
	becomes "without a guard" "ppp0 enforce_in_l2, ppp0 enforce_out_l2" off/0 0 2
	vpn_config count
	end_process "$EDGE53_PID"
	start_edge53 host --attach "$how"
	becomes "with one after a restart" "$VPN_HOOKS" count/0 0 3
	edge_config
	end_process "$EDGE53_PID"
	start_edge53 host --attach "$how"
	becomes "an edge after a restart" "$EDGE_HOOKS" off/0 2 2
	end_process "$EDGE53_PID"
	e53 host down
	expect "$how: down leaves no XDP program" equal "$(n_xdp)" 0
	expect "$how: down leaves no filter" equal "$(n_filters)" 0
done
