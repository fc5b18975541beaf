#!/usr/bin/env bash
# A loader killed between any two changes of what is pinned, at the first start, at a start with other limits
# or in `down`: the next run puts it right.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables has no loader to kill"
need bpftool
case $(uname -m) in x86_64 | aarch64) ;; *) skip "no numbers of system calls for $(uname -m)" ;; esac

lab_up
# killer.py FILE N COMMAND...: runs COMMAND, killed before its Nth change below /sys/fs/bpf takes place. How many
# changes there were is in FILE. A change is a pin, and what renames or removes one.
cat >"$LAB_TMP/killer.py" <<'PYTHON'
import ctypes, os, platform, signal, struct, sys
TRACEME, CONT_TO_SYSCALL, SETOPTIONS, SYSCALL_INFO = 0, 24, 0x4200, 0x420e
SYSGOOD_AND_EXITKILL = 1 | 1 << 20
BPF_OBJ_PIN = 6
if platform.machine() == "x86_64":
    BPF, CHANGES = 321, {82, 84, 87, 263, 264, 316}
else:
    BPF, CHANGES = 280, {35, 38, 276}
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
info = ctypes.create_string_buffer(88)

def is_change(pid):
    libc.ptrace(SYSCALL_INFO, pid, len(info), ctypes.addressof(info))
    if info.raw[0] != 1:                # not at the entry of a call
        return False
    number, first = struct.unpack_from("QQ", info.raw, 24)
    return number in CHANGES or (number == BPF and first & 0xffffffff == BPF_OBJ_PIN)

count_file, kill_at, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
pid = os.fork()
if not pid:
    libc.ptrace(TRACEME, 0, None, None)
    os.execv(command[0], command)
for wanted in signal.SIGTERM, signal.SIGINT:
    signal.signal(wanted, lambda signo, frame: os.kill(pid, signo))
os.waitpid(pid, 0)
if libc.ptrace(SETOPTIONS, pid, None, SYSGOOD_AND_EXITKILL) < 0:
    sys.exit("no ptrace here")
count, pass_on = 0, 0
while True:
    libc.ptrace(CONT_TO_SYSCALL, pid, None, pass_on)
    _, status = os.waitpid(pid, 0)
    pass_on = 0
    if not os.WIFSTOPPED(status):
        sys.exit(os.waitstatus_to_exitcode(status) & 0xff)
    if os.WSTOPSIG(status) != signal.SIGTRAP | 0x80:
        pass_on = os.WSTOPSIG(status)
    elif is_change(pid):
        count += 1
        with open(count_file, "w") as f:
            f.write(str(count))
        if count == kill_at:
            os.kill(pid, signal.SIGKILL)
PYTHON

# changes_of COMMAND...: how many changes edge53 COMMAND makes until it is ready or ends.
changes_of() {
	rm -f "$LAB_TMP/count"
	killed_at 0 "$@"
	cat "$LAB_TMP/count"
}

# killed_at N COMMAND...: edge53 COMMAND, killed before its Nth change; with N=0, ended when it is ready.
killed_at() {
	local before status=0
	before=$(count_ready)
	NOTIFY_SOCKET=$LAB_TMP/notify.sock spawn edge killed.log timeout 30 "$LAB_PYTHON" \
		"$LAB_TMP/killer.py" "$LAB_TMP/count" "$1" "$EDGE53" --pins "$LAB_PINS" "${@:2}"
	wait_until 60 ready_or_dead "$before" "$SPAWNED" || fail "edge53 $2 neither ends nor is ready"
	if [ "$1" = 0 ]; then
		end_process "$SPAWNED"
		return
	fi
	alive "$SPAWNED" && end_process "$SPAWNED" && fail "edge53 $2 outlived its change $1"
	wait "$SPAWNED" || status=$?
	expect "edge53 $2 must be killed before change $1" equal $status 247
}

# some_of N: the last two, because the last one is what makes the rest valid, and one before.
some_of() { printf '%s\n' $(($1 * 2 / 3)) $(($1 - 1)) "$1" | sort -nu; }

answered() { [ "$(ask client $FRONTEND www.example.com "$@")" = 192.0.2.80 ]; }

# serves WHEN: a new loader is ready, status is content, and every query has its answer.
serves() {
	start_edge53 edge
	expect "$1: UDP" answered
	expect "$1: UDP from another client" answered -b 203.0.113.8
	expect "$1: TCP" answered +tcp
	expect "$1: status" e53 edge status >/dev/null
}
# removed WHEN: down takes everything away.
removed() {
	expect "$1: down" e53 edge down
	expect "$1: down must leave no pins" fails test -e "$LAB_PINS"
	expect "$1: down must leave no XDP" lacks "$(on edge ip link show)" xdp
}
limits() {
	LAB_UDP_SLOTS=$1 LAB_CLIENTS=$1
	edge_config eth1
}

lab_edge ethernet
limits 1024
start_edge53 edge
expect "a loader that nobody kills" answered
removed "a loader that nobody kills"

n=$(changes_of run -c "$LAB_TMP/edge53.yaml") || skip "ptrace is not allowed here"
expect "the first start makes changes" test "${n:-0}" -gt 5
removed "a loader that was traced"
for at in $(some_of "$n"); do
	when="the first start, killed before change $at of $n"
	killed_at "$at" run -c "$LAB_TMP/edge53.yaml"
	serves "$when"
	removed "$when"
done

start_edge53 edge
kill_edge53
slots=2048
limits $slots
n=$(changes_of run -c "$LAB_TMP/edge53.yaml")
expect "other limits make changes" test "${n:-0}" -gt 5
for at in $(some_of "$n"); do
	when="other limits, killed before change $at of $n"
	slots=$((slots * 2))    # not those of the round before
	limits $slots
	killed_at "$at" run -c "$LAB_TMP/edge53.yaml"
	expect "$when: DNS goes on" answered
	serves "$when"
	kill_edge53
done

removed "what other limits left"

# Killed while RCU was hurried, or while the frontends changed.
start_edge53 edge
kill_edge53
mkdir "$LAB_PINS/rcu_expedited"
revision=(on edge bpftool map update pinned "$LAB_PINS/revision" key 0 0 0 0 value hex)
"${revision[@]}" 00 00 00 00 07 00 00 00
serves "killed while RCU was hurried and frontends changed"
expect "the mark is gone" fails test -e "$LAB_PINS/rcu_expedited"
expect "and that was said" grep -q 'where a loader that was killed had left 1' "$LAB_TMP/edge53.log"
expect "the frontends have a number that was not given before" contains \
	"$(bpftool --json map dump pinned "$LAB_PINS/revision" | tr -d ' \n')" '"frontends":8,"last":8'
kill_edge53
mkdir "$LAB_PINS/rcu_expedited"
removed "killed while RCU was hurried, then down"
start_edge53 edge
kill_edge53
n=$(changes_of down)
expect "down makes changes" test "${n:-0}" -gt 5
for at in $(some_of "$n"); do
	when="down, killed before change $at of $n"
	start_edge53 edge
	kill_edge53
	killed_at "$at" down
	if [ $((at % 2)) = 0 ]; then
		serves "$when, then run"
	fi
	removed "$when"
done
