#!/usr/bin/env bash
# Somebody else takes our hooks away, of which no event tells: they are attached again, and that is said once. Clients'
# devices and the guard, in tcx and in clsact.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need bpftool tc

# hooks DEVICE: the programs at its tc hooks, in whichever way they are attached.
hooks() {
	local hook
	for hook in ingress egress; do
		python_on host "$LAB_HERE/tcx.py" list "$1" $hook || true # a kernel without tcx
		on host tc filter show dev "$1" $hook
	done
}
has_hooks() {
	local device=$1 program
	shift
	for program in "$@"; do
		[[ $(hooks "$device") == *"$program"* ]] || return 1
	done
}
all_attached() { has_hooks ppp0 enforce_in enforce_out && has_hooks eth0 guard_out; }
is_enforced() { [ "$(ask "$1" 8.8.8.8 www.example.com)" = 192.0.2.80 ]; }
said() { grep -c "$1: somebody else has detached $2; attaching it again" "$LAB_TMP/edge53.log" || true; }

# detach HOOK DEVICE
detach() {
	on host bpftool link detach pinned "$LAB_PINS/links/$1_$2" 2>>"$LAB_TMP/bpftool.log"
}
take_tcx() {
	detach tcx_ingress ppp0 || skip "bpftool cannot detach a tcx link here: $(tail -n 1 "$LAB_TMP/bpftool.log")"
	detach tcx_egress ppp0
	detach tcx_egress eth0
}
take_clsact() {
	on host tc qdisc del dev ppp0 clsact
	on host tc qdisc del dev eth0 clsact
}

# round auto | clsact
round() {
	local device hook take=take_clsact options=()
	lab_up
	lab_enforce
	add_namespace vpn3
	enforce_config "" drop
	[ "$1" = auto ] || options=(--attach clsact)
	start_edge53 host "${options[@]}"
	expect "all is attached at first ($1)" all_attached
	[ ! -e "$LAB_PINS/links/tcx_ingress_ppp0" ] || take=take_tcx

	# A loader that does nothing meanwhile: then what was taken is gone.
	kill -STOP "$EDGE53_PID"
	$take
	for device in ppp0 eth0; do
		expect "nothing is left on $device ($1)" lacks "$(hooks $device)" _out
	done
	expect "nor at ingress ($1)" lacks "$(hooks ppp0)" enforce_in
	kill -CONT "$EDGE53_PID"
	wait_until 60 all_attached || fail "hooks that were taken away are not attached again ($1): $(hooks ppp0) $(hooks eth0)"
	expect "the client is enforced again ($1)" is_enforced vpn1
	for hook in "ppp0 tc ingress" "ppp0 tc egress" "eth0 tc egress"; do
		expect "it is said once: $hook ($1)" equal "$(said "${hook%% *}" "${hook#* }")" 1
	done

	# The guard works, too: a device that comes while the loader sleeps does not get past it.
	kill -STOP "$EDGE53_PID"
	before=$(leaked)
	add_ppp 2
	expect "the guard lets no query out ($1)" fails on vpn3 dig @8.8.8.8 www.example.com +tries=1 +time=1
	expect "none has reached the upstream ($1)" equal "$(leaked)" "$before"
	kill -CONT "$EDGE53_PID"
	wait_until 60 is_enforced vpn3 || fail "the new device is not attached ($1)"

	# Ours, all of it: `down` knows what was attached again.
	e53 host down
	expect "no hook is left ($1)" lacks "$(hooks ppp0) $(hooks eth0)" _out
	expect "no qdisc is left ($1)" lacks "$(on host tc qdisc show)" clsact
	lab_take_down
}

round auto
round clsact
