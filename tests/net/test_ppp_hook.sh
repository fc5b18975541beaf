#!/usr/bin/env bash
# The hook of pppd: a link waits for edge53, never for long, and comes up without it unless PPP_REQUIRED says otherwise.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables attaches nothing"

HOOK=$LAB_TMP/ip-pre-up # that looks here for what is in /etc and /run

hooks_of() { e53 host status --json | json_get "sum(h['device'] == '$1' for h in d['hooks'])"; }
hooks_of_hostile() { e53 host status --json | "$LAB_PYTHON" -c 'import json, sys; print(sum(h["device"] == sys.argv[1] for h in json.load(sys.stdin)["hooks"]))' "$1"; }
# A second word makes it one that hangs, and that takes no notice of SIGTERM.
fake_edge53() {
	cat >"$LAB_TMP/bin/edge53" <<-SH
		#!/bin/sh
		[ -z "${1:-}" ] || { trap '' TERM; echo hangs; while :; do sleep 1; done; }
		exec $EDGE53 --pins $LAB_PINS "\$@"
	SH
	chmod 755 "$LAB_TMP/bin/edge53"
}
settings() { cat >"$LAB_TMP/defaults"; }

# hook DEVICE: as pppd calls it, which is a process that SIGHUP ends here. Its exit code does not matter to pppd. Variables
# are from whoever called pppd, and must not matter.
hook() {
	local begin=${EPOCHREALTIME/[.,]/}
	: >"$LAB_TMP/logged"
	spawn host pppd.log "$LAB_TMP/bin/pppd" -f /dev/null
	PPPD=$SPAWNED
	echo "$PPPD" >"$LAB_TMP/run/$1.pid"
	on host env -i PATH="$LAB_TMP/bin:$PATH" PPP_IFACE=ppp77 PPPD_PID="$BYSTANDER" PPP_REQUIRED=yes \
		EDGE53_DEFAULTS="$LAB_TMP/hostile" "$HOOK" "$1" /dev/pts/1 0 10.77.0.1 10.77.0.11 '' || fail "the hook ends with $?"
	HOOK_MS=$(((${EPOCHREALTIME/[.,]/} - begin) / 1000))
}
comes_up() { # WORDS: that are logged; "" for nothing
	alive "$PPPD" || fail "the link was hung up: $(<"$LAB_TMP/logged")"
	if [ -n "$1" ]; then
		expect "it is logged why" contains "$(<"$LAB_TMP/logged")" "$1"
	else
		expect "nothing is logged" equal "$(<"$LAB_TMP/logged")" ''
	fi
	end_process "$PPPD"
}
is_hung_up() {
	wait_until 10 gone "$PPPD" || fail "the link was not hung up"
	expect "it is logged why" contains "$(<"$LAB_TMP/logged")" "is hung up: $1"
}

lab_up
need timeout
mkdir "$LAB_TMP/bin" "$LAB_TMP/run"
cp "$(command -v tail)" "$LAB_TMP/bin/pppd"
sed "s|/etc/default/edge53|$LAB_TMP/defaults|; s|/run/[$]|$LAB_TMP/run/\$|g" "$LAB_ROOT/scripts/ip-pre-up" >"$HOOK"
chmod 755 "$HOOK"
echo "touch $LAB_TMP/obeyed" >"$LAB_TMP/hostile"
printf '#!/bin/sh\necho "$@" >>%s\n' "$LAB_TMP/logged" >"$LAB_TMP/bin/logger"
chmod 755 "$LAB_TMP/bin/logger"
lab_enforce
enforce_config ""

spawn host bystander.log tail -f /dev/null
BYSTANDER=$SPAWNED

hook ppp0 # with no edge53 in the PATH, as when the package was removed and not purged
comes_up ''
fake_edge53
settings </dev/null
hook ppp0
comes_up "ppp0 comes up without edge53: edge53: not loaded"
[ $HOOK_MS -lt 10000 ] || fail "it waited $HOOK_MS ms for nobody"

# A name is a name: not an option, which edge53 or logger would obey, and nothing that a shell reads again.
cd "$LAB_TMP"
hostile=(--help -w99 --version '-ehi' "ppp\$(>obeyed)" 'ppp`>obeyed`' 'ppp;>obeyed' "ppp'\"\\" 'ppp*' 'ppp%n%s%d' 'ppp|>obeyed&' $'ppp\e[2J' '$PATH')
for name in "${hostile[@]}"; do
	hook "$name"
	comes_up "comes up without edge53: edge53: there is no device"
	expect "logger is told that its options end" contains "$(<"$LAB_TMP/logged")" "-- $name "
done
hook ../run/ppp0
comes_up ''
expect "no name was obeyed" test ! -e "$LAB_TMP/obeyed"

start_edge53 host
for n in 11 12 13; do
	on host ip tuntap add "ppp$n" mode tun
	hook "ppp$n"
	comes_up ''
	expect "ppp$n is attached when the hook ends" equal "$(hooks_of "ppp$n")" 2
done
n=0
for name in "${hostile[@]}"; do
	[[ $name = ppp* && $name != *%* ]] || continue # the kernel puts a number in place of a %d, and takes no other %
	on host ip tuntap add dev "hostile$n" mode tun
	on host ip link set "hostile$n" name "$name"
	hook "$name"
	comes_up ''
	expect "$name is attached when the hook ends" equal "$(hooks_of_hostile "$name")" 2
	n=$((n + 1))
done
expect "no name was obeyed" test ! -e "$LAB_TMP/obeyed"
expect "what is said of them is no command to a terminal" fails grep -q $'\e' "$LAB_TMP/edge53.log"
expect "nor is what status says" lacks "$(e53 host status)" $'\e'
said=$(e53 host check -c "$LAB_TMP/edge53.yaml" || true)
expect "nor is what check says, which names them" lacks "$said" $'\e'
expect "nor is what check says, which names them" contains "$said" 'device ppp?'
expect "it can be started anew with these" kill_edge53
start_edge53 host
hook eth0
comes_up ''
hook ppp99
comes_up "there is no device ppp99"

kill -STOP "$EDGE53_PID"
on host ip tuntap add ppp14 mode tun
settings <<<'PPP_WAIT=1'
hook ppp14
comes_up "ppp14 comes up without edge53: edge53: ppp14 is not attached after 1 s"
settings <<<'PPP_WAIT=1; PPP_REQUIRED=yes'
hook ppp14
is_hung_up "edge53: ppp14 is not attached after 1 s"
hook ppp0
comes_up ''
kill -CONT "$EDGE53_PID"
settings <<<'PPP_WAIT=nonsense; PPP_REQUIRED=yes'
hook ppp14
comes_up ''

# An edge53 that hangs whatever happens: what bounds the time is the hook.
fake_edge53 hangs
settings <<<'PPP_WAIT=0'
hook ppp14
comes_up "ppp14 comes up without edge53: hangs"
[ $HOOK_MS -lt 60000 ] || fail "it waited $HOOK_MS ms"

# Not a pppd's pid, whoever wrote it there.
settings <<<'PPP_WAIT=08; PPP_REQUIRED=yes'
spawn host other.log tail -f /dev/null
sed -i "s|read -r pid <.*|pid=$SPAWNED|" "$HOOK"
hook ppp14
expect "what is no pppd is not hung up" alive "$SPAWNED"
comes_up "ppp14 comes up without edge53: hangs"
expect "nor is what a variable names" alive "$BYSTANDER"
expect "nor is a file read that a variable names" test ! -e "$LAB_TMP/obeyed"
