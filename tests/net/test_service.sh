#!/usr/bin/env bash
# What edge53 tells systemd: that it is ready and what it serves, a reload and how it ended, and by the watchdog whether
# its event loop is alive. And that a read-only /sys is no obstacle, as the unit gives it.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables tells nobody"

said() { grep -c -- "$1" "$LAB_TMP/notify" || true; }
said_more() { [ "$(said "$1")" -gt "$2" ]; }
last_status() { sed -n 's/^STATUS=//p' "$LAB_TMP/notify" | tail -n 1; }
status_has() { contains "$(last_status)" "$1"; }
hup() { kill -HUP "$EDGE53_PID"; }
lab_up
lab_edge ethernet
edge_config eth1
on edge ip link del eth0
start_edge53 edge
expect "the status without a device" equal "$(last_status)" "public-dns: no device, 1 of 1 backend"
expect "who is not to be watched says nothing of it" equal "$(said WATCHDOG=1)" 0
add_uplink
expect "the status with one" wait_until 30 status_has "public-dns: 1 device, 1 of 1 backend"

# --- reload ---------------------------------------------------------------------------------------

before=$(count_ready)
hup
wait_until 60 more_ready_than "$before" || fail "no READY=1 after a reload"
reload=$(sed -n '/^RELOADING=1/,/^READY=1/p' "$LAB_TMP/notify")
expect "RELOADING=1 has the time" grep -qE '^MONOTONIC_USEC=[0-9]+$' <<<"$reload"
expect "a good file leaves no word of it" lacks "$(last_status)" reloaded
cp "$LAB_TMP/edge53.yaml" "$LAB_TMP/good.yaml"
sed -i 's/udp: 31053/udp: 0/' "$LAB_TMP/edge53.yaml"
before=$(count_ready)
hup
wait_until 60 more_ready_than "$before" || fail "no READY=1 after a wrong file"
expect "a wrong file is reported, and what is served" equal "$(last_status)" \
	"the file could not be reloaded, see the log; as before: public-dns: 1 device, 1 of 1 backend"
expect "and it is served" wait_until 30 answers client $FRONTEND -b 203.0.113.7
mv "$LAB_TMP/good.yaml" "$LAB_TMP/edge53.yaml"
kill "$EDGE53_PID"
wait_until 60 gone "$EDGE53_PID" || fail "it does not end"
expect "its end was said" said_more STOPPING=1 0

# --- /sys read-only, but for bpffs ------------------------------------------------------------------

# Its messages go into a FIFO, of which the other end is here.
mkfifo "$LAB_TMP/messages"
exec {messages}<>"$LAB_TMP/messages"
before=$(count_ready)
# shellcheck disable=SC2016
WATCHDOG_USEC=4000000 NOTIFY_SOCKET=$LAB_TMP/notify.sock spawn edge read-only.log unshare --mount sh -c \
	'mount -o remount,bind,ro /sys && ! echo 0 2>/dev/null >/sys/kernel/rcu_expedited && exec 2>"$0" "$@"' \
	"$LAB_TMP/messages" "$EDGE53" --pins "$LAB_PINS" run -c "$LAB_TMP/edge53.yaml"
EDGE53_PID=$SPAWNED
wait_until 180 ready_or_dead "$before" "$EDGE53_PID" || fail "it does not start with /sys read-only"
more_ready_than "$before" || fail "it ends with /sys read-only: $(timeout 1 cat <&"$messages" || true)"
on edge ip link del eth0
add_uplink
expect "a device that comes is attached" wait_until 60 answers client $FRONTEND -b 203.0.113.7

# --- a loop that hangs ------------------------------------------------------------------------------

expect "the loop is alive" wait_until 30 said_more WATCHDOG=1 2
# It waits to say something where there is no more room.
fill() { timeout 2 dd if=/dev/zero of="$LAB_TMP/messages" oflag=nonblock bs="$1" count=1000 status=none 2>/dev/null || true; }
fill 4096
fill 1
before=$(count_ready)
kill -HUP "$EDGE53_PID"
in_write() { [ "$(cut -d ' ' -f 1 "/proc/$EDGE53_PID/syscall")" = 1 ]; } # x86-64 and arm64 differ
[ "$(uname -m)" != x86_64 ] || wait_until 30 in_write || fail "it does not wait to write"
alive_before=$(said WATCHDOG=1)
if wait_until 6 said_more WATCHDOG=1 "$alive_before"; then
	fail "WATCHDOG=1 although the event loop hangs"
fi
expect "the reload does not go on" equal "$(count_ready)" "$before"
cat <&"$messages" >"$LAB_TMP/messages.txt" &
LAB_PIDS+=($!)
wait_until 60 more_ready_than "$before" || fail "no READY=1 when it goes on"
expect "the loop is alive again" wait_until 30 said_more WATCHDOG=1 "$alive_before"
