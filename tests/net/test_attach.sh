#!/usr/bin/env bash
# `edge53 attach DEVICE`, as a hook of pppd calls it: when it ends well, the device is attached, and that before it is
# up. It says why when it is not, and changes nothing.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables attaches nothing"

# attach NAME EXIT-CODE WORDS ARGUMENTS...: must end so, and say that.
attach() {
	local ns=$1 wanted=$2 words=$3 code=0
	shift 3
	e53 "$ns" attach "$@" >"$LAB_TMP/attach.txt" 2>&1 || code=$?
	expect "attach $*: exit code, and it said: $(<"$LAB_TMP/attach.txt")" equal "$code" "$wanted"
	expect "attach $*: says why" contains "$(<"$LAB_TMP/attach.txt")" "$words"
}
hooks() {
	e53 host status --json |
		json_get "' '.join(sorted(h['hook'].split('_')[1] for h in d['hooks'] if h['device'] == '$1'))"
}
is_down() { on host ip -o link show "$1" | grep -vq '[<,]UP[,>]'; }
stopped() { grep -q '^State:.T' "/proc/$1/status"; }
# new_ppp N: as pppd makes it, before anybody agreed with anybody.
new_ppp() { on host ip tuntap add "ppp$1" mode tun; }

lab_up
lab_enforce
enforce_config ""
attach host 3 "not loaded" ppp0
attach host 2 "a device is missing"
attach host 2 "not a number of seconds" ppp0 --wait 1s
attach host 2 "not the name of a device" ../ppp0
attach host 2 "unexpected argument" ppp0 ppp1

n=10
for how in auto clsact; do
	start_edge53 host --attach $how
	attach host 0 "" ppp0
	attach host 0 "" ppp0 --wait 0
	expect "$how: ppp0 has both hooks" equal "$(hooks ppp0)" "egress ingress"
	attach host 1 "there is no device ppp99" ppp99
	# A regular look of the loader's comes every five seconds, so it was asked for one.
	attach host 0 "nothing to attach to eth0" eth0 --wait 4
	attach vpn1 1 "another network namespace" ppp0

	for _ in 1 2 3 4 5; do
		n=$((n + 1))
		new_ppp $n
		attach host 0 "" ppp$n --wait 60
		expect "$how: ppp$n is attached when attach ends" equal "$(hooks ppp$n)" "egress ingress"
		expect "$how: ppp$n is not up yet" is_down ppp$n
	done

	kill -STOP "$EDGE53_PID"
	wait_until 60 stopped "$EDGE53_PID" || fail "the loader does not stop"
	n=$((n + 1))
	new_ppp $n
	attach host 1 "is not attached after 1 s" ppp$n --wait 1
	attach host 0 "" ppp0
	kill -CONT "$EDGE53_PID"
	attach host 0 "" ppp$n --wait 60
	expect "$how: ppp$n is attached at last" equal "$(hooks ppp$n)" "egress ingress"

	kill_edge53
	n=$((n + 1))
	new_ppp $n
	attach host 0 "no loader is running" ppp0
	attach host 1 "no loader is running" ppp$n --wait 60
	expect "down" e53 host down
	attach host 3 "not loaded" ppp0
done
