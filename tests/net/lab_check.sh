# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lab_check.sh: for tests of `edge53 check`. To be sourced after lab.sh. The host that is looked at has an /etc of its
# own, a copy, so that files there can be what a test wants, and commands may mend them.
# shellcheck disable=SC2034,SC2153 # for and from those who source it

# check_host NAME: the namespace that is looked at; its WireGuard's socket is seen, if it has one.
check_host() {
	local into=(nsenter --net="/run/netns/$LAB_ID-$1")
	[ -z "${LAB_WG_PID[$1]:-}" ] || into=(nsenter -t "${LAB_WG_PID[$1]}" --mount --net --root)
	cp -a /etc "$LAB_TMP/etc"
	rm -f "$LAB_TMP/etc/resolv.conf"
	mkdir -p "$LAB_TMP/etc/wireguard"
	: >"$LAB_TMP/etc/resolv.conf"
	# shellcheck disable=SC2016 # for the inner shell
	"${into[@]}" unshare --mount sh -c 'mount --bind "$1/etc" /etc && : >"$1/holds" && exec tail -f /dev/null' \
		holder "$LAB_TMP" >>"$LAB_TMP/holder.log" 2>&1 </dev/null &
	CHECK_PID=$!
	LAB_PIDS+=("$CHECK_PID")
	wait_until 60 test -e "$LAB_TMP/holds" || fail "no mount namespace with an /etc of its own"
}

# there COMMAND...: on the host that is looked at.
there() { nsenter -t "$CHECK_PID" --mount --net --root --wd=/ "$@"; }

# check [STATUS]: run it until it exits STATUS, 0 by default: on a busy machine a server may take longer than check
# waits. What it says is in check.json, and for people in check.txt.
check() {
	wait_until 60 check_once "${1:-0}" || { cat "$LAB_TMP/check.txt" >&2; fail "check exits ${1:-0}"; }
}
check_once() {
	local status=0
	there timeout 60 "$EDGE53" --pins "$LAB_PINS" check -c "$LAB_TMP/edge53.yaml" >"$LAB_TMP/check.txt" 2>&1 || status=$?
	equal "$status" "$1" || return 1
	status=0
	there timeout 60 "$EDGE53" --pins "$LAB_PINS" check --json -c "$LAB_TMP/edge53.yaml" >"$LAB_TMP/check.json" || status=$?
	equal "$status" "$1"
}

# of_finding KEY CODE: that of the first finding with this code.
of_finding() {
	python -c '
import json, sys
for finding in json.load(open(sys.argv[1]))["findings"]:
    if finding["code"] == sys.argv[3]:
        print(finding[sys.argv[2]])
        break' "$LAB_TMP/check.json" "$1" "$2"
}
# findings_above_note: their codes.
findings_above_note() {
	python -c '
import json, sys
print(*sorted(f["code"] for f in json.load(open(sys.argv[1]))["findings"] if f["level"] != "note"))' "$LAB_TMP/check.json"
}
is_clean() {
	check
	equal "$(findings_above_note)" ""
}

# finds LEVEL CODE TEXT [STATUS]: check finds it, says so to people and to machines, and why, and how to mend it.
finds() {
	local level=$1 code=$2 text=$3 mend
	check "${4:-$([ "$level" = error ] && echo 1 || echo 0)}"
	equal "$(of_finding level "$code")" "$level" || { cat "$LAB_TMP/check.txt" >&2; fail "check must find $code, $level"; }
	expect "$code says $text" contains "$(of_finding what "$code")" "$text"
	expect "$code is shown to people" contains "$(<"$LAB_TMP/check.txt")" "$level: $(of_finding what "$code") [$code]"
	expect "$code says why" contains "$(<"$LAB_TMP/check.txt")" "    why: $(of_finding why "$code")"
	mend=$(of_finding mend "$code")
	[ "$mend" = None ] || expect "$code shows the command" contains "$(<"$LAB_TMP/check.txt")" "    mend: $mend"
}

# finds_not CODE [STATUS]
finds_not() {
	check "${2:-0}"
	equal "$(of_finding level "$1")" "" || { cat "$LAB_TMP/check.txt" >&2; fail "check must not find $1 any more"; }
}

# mended CODE [STATUS] [SED]: the command that it names, with SED filling in what is left to the operator, mends it.
mended() {
	local command
	command=$(of_finding mend "$1")
	[ "$command" != None ] || fail "$1 names no command"
	[ -z "${3:-}" ] || command=$(sed "$3" <<<"$command")
	there sh -ec "$command" >>"$LAB_TMP/mend.log" 2>&1 || fail "what mends $1 fails: $command"
	finds_not "$1" "${2:-0}"
}

# listen NAME PROTOCOL ADDRESS: somebody who listens on port 53. LISTENER.
listen() {
	spawn "$1" listener.log "$LAB_PYTHON" -c '
import signal, socket, sys
kind = socket.SOCK_STREAM if sys.argv[1] == "tcp" else socket.SOCK_DGRAM
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, kind)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind((sys.argv[2], 53))
if kind == socket.SOCK_STREAM:
    s.listen()
signal.pause()' "$2" "$3"
	LISTENER=$SPAWNED
	wait_until 60 listens "$1" "$2" || fail "nobody listens"
}
listens() { on "$1" ss -Hln "--$2" sport = :53 | grep -q .; }
