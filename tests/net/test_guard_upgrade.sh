#!/usr/bin/env bash
# A loader of another version takes over, whose tables are new: the guard is at no moment open. The new loader is stopped
# right after it has put its guard in place, and a client comes by a device that it has not seen.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
TOOLS=$(dirname "$EDGE53")/tests
for tool in edge53-layout meddle.so; do
	[ -e "$TOOLS/$tool" ] || skip "$TOOLS/$tool is not built"
done

is_stopped() {
	local stat
	read -r stat <"/proc/$1/stat"
	stat=${stat##*) }
	[ "${stat:0:1}" = T ]
}
is_enforced() { [ "$(ask "$1" 8.8.8.8 www.example.com)" = 192.0.2.80 ]; }

# upgrade HOW BINARY N [OPTIONS...]: the client of pppN comes when the guard is there and the loader is not done.
upgrade() {
	local how=$1 binary=$2 n=$3 before
	shift 3
	kill_edge53
	spawn host edge53.log env LD_PRELOAD="$TOOLS/meddle.so" MEDDLE_STOP_AFTER=guard_out \
		"$binary" --pins "$LAB_PINS" run -c "$LAB_TMP/edge53.yaml" "$@"
	EDGE53_PID=$SPAWNED
	wait_until 180 is_stopped "$EDGE53_PID" || fail "$how: the loader does not attach the guard"
	before=$(leaked)
	add_ppp "$n"
	expect "$how: the client gets no answer" fails on "vpn$((n + 1))" dig @8.8.8.8 www.example.com +tries=1 +time=1
	expect "$how: nothing leaks" equal "$(leaked)" "$before"
	expect "$how: who is attached is served" is_enforced vpn1
	expect "$how: who is exempt is not held up" equal "$(ask vpn2 8.8.8.8 www.example.com)" 192.0.2.66
	# It stops again for each program that it attaches by that name.
	until wait_until 2 is_enforced "vpn$((n + 1))"; do
		alive "$EDGE53_PID" || fail "$how: the loader ended"
		kill -CONT "$EDGE53_PID"
	done
}

# round [OPTIONS...]
round() {
	local ns
	lab_up
	lab_enforce
	for ns in vpn3 vpn4; do
		add_namespace $ns
	done
	enforce_config 10.77.0.12 drop
	start_edge53 host "$@"
	upgrade "another layout" "$TOOLS/edge53-layout" 2 "$@"
	rm "$LAB_PINS/guard"
	upgrade "a version without this table before" "$TOOLS/edge53-layout" 3 "$@"
	e53 host down
	lab_take_down
}

round
round --attach clsact
