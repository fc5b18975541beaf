#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# export.dnstap of an edge: every query and reply with the client's own address, into a file and to a collector, and what
# becomes of it when file or collector fail. DNS does not depend on any of it, and every message is accounted for.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR source=lab_dnstap.sh
. "$(dirname "$0")/lab_dnstap.sh"
need dnstap-read fstrm_capture dnsperf
need_dnstap

lab_up
lab_edge wireguard

# ---------------------------------------------------------------- off
edge_config wg0
start_edge53 edge
expect "an answer" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
expect "there is no thread" equal "$(threads)" 1
expect "nothing is sampled" equal "$(tapped sampled)" 0

# ---------------------------------------------------------------- a file
tap=$LAB_TMP/tap
dnstap_config "file: $tap" 'identity: "edge \" one"'
reload
expect "there is one now" equal "$(threads)" 2
expect "the file is nobody else's" equal "$(stat -c %a "$tap")" 640
expect "UDP" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.7#4242)" 192.0.2.80
expect "TCP" equal "$(ask client $FRONTEND text.example.com TXT +tcp -b 203.0.113.8#4343)" '"from knot"'
wait_until 20 is_written 4 || fail "four messages: $(taps)"
# Without a reload the file has no end yet; dnstap-read takes it as it is.
lines=$(read_tap "$tap")
expect "the query, as the client sent it" contains "$lines" "CQ 203.0.113.7:4242 -> $FRONTEND:53 UDP"
expect "its reply, as the client got it" contains "$lines" "CR 203.0.113.7:4242 <- $FRONTEND:53 UDP"
expect "the query by TCP" contains "$lines" "CQ 203.0.113.8:4343 -> $FRONTEND:53 TCP"
expect "its reply" contains "$lines" "CR 203.0.113.8:4343 <- $FRONTEND:53 TCP"
expect "what was asked" contains "$lines" "www.example.com/IN/A"
expect "by TCP too" contains "$lines" "text.example.com/IN/TXT"
expect "nothing of the edge" lacks "$lines" "$BACKEND"
long=$(dnstap-read -y "$tap" 2>/dev/null)
expect "the identity" contains "$long" 'identity: edge " one'
expect "the answer itself" contains "$long" 'from knot'
expect "the ID is the client's: query and reply have one" equal \
	"$(grep -c '^    id:' <<<"$long") $(grep '^    id:' <<<"$long" | sort -u | wc -l)" '4 2'

load client file.txt -s $FRONTEND -l 3 -c 10 -Q 2000 || fail "dnsperf"
expect "dnsperf loses nothing" all_answered file.txt
sent=$(perf_count file.txt sent)
wait_until 60 is_written $((4 + 2 * sent)) || fail "$((4 + 2 * sent)) messages: $(taps)"
expect "the sum is what was sent" equal "$(tapped sampled no_room no_reader read no_message not_whole not_dns not_written)" \
	"$((4 + 2 * sent)) 0 0 $((4 + 2 * sent)) 0 0 0 0"

# ---------------------------------------------------------------- rotation
mv "$tap" "$tap.1"
reload
wait_until 20 test -s "$tap" || fail "no new file"
expect "the old one is whole" equal "$(read_tap "$tap.1" | wc -l)" $((4 + 2 * sent))
expect "a query" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
wait_until 20 is_written $((6 + 2 * sent)) || fail "after the rotation: $(taps)"
wait_until 20 has_lines "$tap" 2 || fail "they are in the new file: $(read_tap "$tap")"

# What was there is moved aside, also when nothing ended it.
kill_edge53
before=$(tapped sampled no_reader)
expect "DNS goes on without the loader" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
expect "and it is counted that nobody reads" equal "$(tapped sampled no_reader)" \
	"$((${before% *} + 2)) $((${before#* } + 2))"
start_edge53 edge
wait_until 20 is_connected || fail "the next loader writes"
expect "the file of before is kept" equal "$(cat "$tap".20* | wc -c)" "$(stat -c %s "$tap".20*)"
expect "with its two messages" equal "$(read_tap "$(echo "$tap".20*)" | wc -l)" 2

# ---------------------------------------------------------------- files that cannot be
echo precious >"$LAB_TMP/precious"
ln -s "$LAB_TMP/precious" "$LAB_TMP/symlink"
for file in precious symlink nowhere/tap; do
	dnstap_config "file: $LAB_TMP/$file"
	reload
	wait_until 20 says "$file" || fail "nothing is said of $file"
	written=$(tapped not_written)
	expect "$file: an answer" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
	wait_until 20 is_not_written $((written + 2)) || fail "$file: not counted: $(taps)"
done
expect "what was there is as it was" equal "$(cat "$LAB_TMP/precious") $(readlink "$LAB_TMP/symlink")" \
	"precious $LAB_TMP/precious"

# A disk that is full, and then is not.
disk=$LAB_TMP/disk
mkdir "$disk"
if mount -t tmpfs -o size=256k lab "$disk"; then
	# shellcheck disable=SC2154 # r is the trap's
	trap 'r=$?; set +e; umount -l "$disk"; (exit $r); lab_down' EXIT
	tap=$disk/tap
	head -c 150000 /dev/zero >"$disk/ballast"
	dnstap_config "file: $tap"
	reload
	wait_until 20 is_connected || fail "a file"
	read -r written lost sampled < <(tapped written not_written sampled)
	load client full.txt -s $FRONTEND -l 2 -c 10 -Q 1000 || fail "dnsperf"
	expect "dnsperf loses nothing beside a full disk" all_answered full.txt
	sent=$(perf_count full.txt sent)
	accounted() { [ $(($(tapped written) - written + $(tapped not_written) - lost)) = $((2 * sent)) ]; }
	wait_until 30 accounted || fail "written and not are not what was sent, $((2 * sent)): $(taps)"
	expect "some were not written" differs "$(tapped not_written)" "$lost"
	expect "all were sampled" equal "$(($(tapped sampled) - sampled))" $((2 * sent))
	rm "$disk/ballast"
	now=$(tapped written)
	expect "an answer" equal "$(ask client $FRONTEND last.example.com)" 192.0.2.80
	wait_until 20 is_written $((now + 2)) || fail "it goes on when there is room: $(taps)"
	now=$(($(tapped written) - written))
	expect "what was written is in the file, whole" equal "$(read_tap "$tap" | wc -l)" "$now"
	expect "the last one too" contains "$(read_tap "$tap" | tail -n 1)" last.example.com
fi

# ---------------------------------------------------------------- a collector
socket=$LAB_TMP/tap.sock
dnstap_config "socket: $socket"
reload
wait_until 20 says "$socket: nobody has made" || fail "an absent collector is not said"
lost=$(tapped not_written)
load client absent.txt -s $FRONTEND -l 2 -c 10 -Q 1000 || fail "dnsperf"
expect "dnsperf loses nothing without a collector" all_answered absent.txt
sent=$(perf_count absent.txt sent)
wait_until 30 is_not_written $((lost + 2 * sent)) || fail "all of it is counted: $(taps)"

# It comes, it goes, it comes back.
for n in 1 2; do
	start_collector "$LAB_TMP/collected.$n"
	wait_until 20 is_connected || fail "collector $n is not found"
	now=$(tapped written)
	expect "an answer" equal "$(ask client $FRONTEND "col$n.example.com" -b 203.0.113.9#4444)" 192.0.2.80
	wait_until 20 is_written $((now + 2)) || fail "collector $n: $(taps)"
	end_process "$COLLECTOR_PID"
	wait_until 20 is_not_connected || fail "the end of collector $n is not seen"
	lines=$(read_tap "$LAB_TMP/collected.$n")
	expect "collector $n has the query" contains "$lines" "CQ 203.0.113.9:4444 -> $FRONTEND:53 UDP"
	expect "collector $n has the reply" contains "$lines" "CR 203.0.113.9:4444 <- $FRONTEND:53 UDP"
done

# One that stops reading: buffers fill, and the dataplane finds no room. It is not waited for.
start_collector "$LAB_TMP/collected.slow"
wait_until 20 is_connected || fail "the slow collector is not found"
kill -STOP "$COLLECTOR_PID"
read -r sampled room lost written < <(tapped sampled no_room not_written written)
load client slow.txt -s $FRONTEND -l 5 -c 10 -Q 3000 || fail "dnsperf"
expect "dnsperf loses nothing beside a collector that does not read" all_answered slow.txt
sent=$(perf_count slow.txt sent)
expect "all of it was sampled" equal "$(($(tapped sampled) - sampled))" $((2 * sent))
expect "there was no room for some" differs "$(tapped no_room)" "$room"
# The loop is not held up: it reloads, though the thread waits.
reload
kill -CONT "$COLLECTOR_PID"
settled() { [ $(($(tapped written) - written + $(tapped not_written) - lost + $(tapped no_room) - room)) = $((2 * sent)) ]; }
wait_until 60 settled || fail "written, not written and without room are not $((2 * sent)): $(taps)"
end_process "$COLLECTOR_PID"
collected=$(($(tapped written) - written))
expect "the collector has what was written" equal "$(read_tap "$LAB_TMP/collected.slow" | wc -l)" "$collected"

# Nor can it hold up the end.
start_collector "$LAB_TMP/collected.stuck"
wait_until 20 is_connected || fail "the stuck collector is not found"
kill -STOP "$COLLECTOR_PID"
load client stuck.txt -s $FRONTEND -l 3 -c 10 -Q 3000 || fail "dnsperf"
expect "dnsperf loses nothing" all_answered stuck.txt
kill -TERM "$EDGE53_PID"
wait_until 20 gone "$EDGE53_PID" || fail "a stuck collector keeps the loader from ending"
wait "$EDGE53_PID" || fail "it ended with $?"
kill -CONT "$COLLECTOR_PID"
sampled=$(tapped sampled)
expect "DNS goes on" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
expect "and nothing is sampled any more" equal "$(tapped sampled)" "$sampled"
expect "status says that it is off" equal "$(e53 edge status --json | json_get "d['dnstap']['on']")" False

# Off again, by the configuration.
start_edge53 edge
edge_config wg0
reload
expect "the thread has ended" equal "$(threads)" 1
