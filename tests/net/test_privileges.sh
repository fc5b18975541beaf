#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The loader, started by root's shell with all there is, keeps three capabilities and can get no other back; and with
# these it does all that it does: reload, metrics, dnstap, tables that are made later, devices that come and go, the
# place of a loader before it. In a virtual machine also with the kernel's settings that decide what needs which.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR source=lab_dnstap.sh
. "$(dirname "$0")/lab_dnstap.sh"
# shellcheck source-path=SCRIPTDIR source=lab_metrics.sh
. "$(dirname "$0")/lab_metrics.sh"
need setpriv

# CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39
THREE=$(printf %016x $((1 << 12 | 1 << 38 | 1 << 39)))
TWO=$(printf %016x $((1 << 12 | 1 << 21))) # with CAP_SYS_ADMIN
NONE=$(printf %016x 0)

# privileges PID: the sets of its threads, a line for each that differs.
privileges() { sed -nE 's/^Cap(...):\s*/\1=/p' /proc/"$1"/task/*/status | paste -d' ' - - - - - | sort -u; }
# confined WHEN
confined() {
	expect "$1: three capabilities, in no set another, none that is inherited" equal "$(privileges "$EDGE53_PID")" \
		"Inh=$NONE Prm=$THREE Eff=$THREE Bnd=$THREE Amb=$NONE"
	expect "$1: no new ones" equal "$(sed -n 's/^NoNewPrivs:\s*//p' /proc/"$EDGE53_PID"/task/*/status | sort -u)" 1
}
answers_both() { # WHEN
	wait_until 60 answers client $FRONTEND -b 203.0.113.7 || fail "no answer over UDP $1"
	expect "an answer over TCP $1" answers client $FRONTEND -b 203.0.113.7 +tcp
}
refused() { grep -v perf_event_paranoid "$LAB_TMP/edge53.log" | grep -iE 'permitted|permission'; }

# everything_works WHEN
everything_works() {
	local slots=65536 options=() tap=$LAB_TMP/tap
	LAB_UDP_SLOTS=$slots edge_config eth1
	start_edge53 edge
	confined "$1: after the start"
	answers_both "$1: after the start"

	# Sockets, perf events, and tables that only `return` needs.
	! $HAS_METRICS || options+=("metrics: 127.0.0.1:$PORT")
	! $HAS_DNSTAP || options+=("dnstap: { file: $tap, sample: 1 }")
	[ ${#options[@]} = 0 ] || metrics_config "${options[@]}"
	echo 'return: [ { tunnel: eth1, uplink: eth0, udp: 5399, tcp: 5399 } ]' >>"$LAB_TMP/edge53.yaml"
	reload
	confined "$1: after a reload"
	answers_both "$1: after a reload"
	! $HAS_METRICS || wait_until 60 same_as_status edge || fail "$1: $(cat "$LAB_TMP/differs.log")"
	! $HAS_DNSTAP || is_paranoid || wait_until 60 has_messages || fail "$1: dnstap has no message: $(taps)"

	on edge ip link del eth0
	add_uplink
	answers_both "$1: after the uplink came again"
	on edge ip link del eth1
	add_cable backend eth0 edge eth1
	on backend ip addr add $BACKEND/24 dev eth0
	on edge ip addr add $TUNNEL_SOURCE/24 dev eth1
	answers_both "$1: after the device of the backend came again"

	# The health of a backend: a server that is not there.
	sed -i "s/udp: 31053, tcp: 31054 }/&\n      - { address: $BACKEND2, udp: 31099, tcp: 31099 }/; s/    client_ip: none/&\n    health: { interval: 1s }/" \
		"$LAB_TMP/edge53.yaml"
	reload
	wait_until 60 health_knows || fail "$1: health sees nothing: $(e53 edge status)"

	kill_edge53
	slots=32768
	sed -i "s/udp_slots: .*/udp_slots: $slots/" "$LAB_TMP/edge53.yaml"
	rm -f "$tap"
	start_edge53 edge
	confined "$1: with new tables"
	expect "$1: programs from before are kept with them" contains "$(e53 edge status --json | json_get "[h['hook'] for h in d['hooks']]")" old_
	answers_both "$1: with new tables"
	expect "$1: nothing was refused" fails refused
	expect "$1: down" e53 edge down
	wait_until 20 gone "$EDGE53_PID" || end_process "$EDGE53_PID"
}

# started_by WHAT SETS COMMAND...: COMMAND starts the loader, which then has these sets, and serves.
started_by() {
	local what=$1 sets=$2
	shift 2
	printf '#!/bin/sh\nexec %s "%s" "$@"\n' "$*" "$REAL" >"$LAB_TMP/edge53"
	edge_config eth1
	start_edge53 edge
	expect "$what: no more than this" equal "$(privileges "$EDGE53_PID")" "$sets"
	expect "$what: no new ones" equal "$(sed -n 's/^NoNewPrivs:\s*//p' /proc/"$EDGE53_PID"/task/*/status | sort -u)" 1
	answers_both "$what"
	on edge ip link del eth0
	add_uplink
	answers_both "$what, after the uplink came again"
	kill_edge53
}
is_vm() { grep -q ' stage2=' /proc/cmdline; } # tests/vm's, where settings are nobody else's
# Debian's kernels want CAP_SYS_ADMIN for perf events then; it is said what mends it, and that does.
is_paranoid() {
	[ "$(</proc/sys/kernel/perf_event_paranoid)" -gt 2 ] && grep -q 'kernel.perf_event_paranoid=2' "$LAB_TMP/edge53.log" || return
	is_vm || return 0
	sysctl -qw kernel.perf_event_paranoid=2
	reload
	answers_both "with dnstap"
	wait_until 60 has_messages && sysctl -qw kernel.perf_event_paranoid=3
}
has_messages() { [ "$(tapped written)" -ge 4 ]; }
health_knows() { [ "$(e53 edge status --json | json_get "[b['health']['udp']['state'] for b in d['services'][0]['backends']]")" = "['up', 'dead']" ]; }

lab_up
[ "$LAB_NAT" = edge53 ] || skip "nftables has no loader"
lab_edge ethernet

# Who starts it hands down what it can.
REAL=$EDGE53
has_metrics && HAS_METRICS=true || HAS_METRICS=false
[[ $(ldd "$REAL") == *libfstrm* ]] && HAS_DNSTAP=true || HAS_DNSTAP=false
cat >"$LAB_TMP/edge53" <<-END
	#!/bin/sh
	exec setpriv --inh-caps=+net_raw,+sys_admin,+bpf --ambient-caps=+net_raw,+sys_admin,+bpf "$REAL" "\$@"
END
chmod 755 "$LAB_TMP/edge53"
expect "more is handed down" differs \
	"$(setpriv --inh-caps=+net_raw --ambient-caps=+net_raw sed -n 's/^CapAmb:\s*//p' /proc/self/status)" "$NONE"
EDGE53=$LAB_TMP/edge53
# The settings that decide what needs which capability: none, one in between, and what Debian has, from where there is no way back.
if is_vm; then
	for settings in ${FULL:+'0 -1' '2 2'} '1 3'; do
		sysctl -qw "kernel.unprivileged_bpf_disabled=${settings% *}" "kernel.perf_event_paranoid=${settings#* }"
		everything_works "settings $settings"
	done
else
	everything_works "here"

	# What is older than CAP_BPF and stands for it, as in a container: that is kept, and said.
	started_by "with CAP_SYS_ADMIN" "Inh=$NONE Prm=$TWO Eff=$TWO Bnd=$TWO Amb=$NONE" \
		setpriv --bounding-set=-all,+sys_admin,+net_admin
	expect "that it is kept is said" grep -q 'keeping CAP_SYS_ADMIN' "$LAB_TMP/edge53.log"
	EDGE53=$REAL
	expect "down" e53 edge down
fi
