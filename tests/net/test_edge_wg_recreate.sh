#!/usr/bin/env bash
# wg0 is deleted and made anew under load: answers come back within a second of its being up.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

lab_up
lab_edge wireguard
edge_config wg0
start_edge53 edge

# first_answer_after TIME: seconds from TIME until the first query asked after it was answered.
first_answer_after() {
	awk -v up="$1" '$1 >= up && $2 != "lost" && !found { found = 1; printf "%.3f\n", $2 - up }' "$LAB_TMP/steady.txt"
}
now() { cut -d' ' -f1 /proc/uptime; }
answered_again() { [ -n "$(ask client $FRONTEND www.example.com -b 203.0.113.8)" ]; }

ups=()
spawn client steady.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" \
	steady $FRONTEND "$LAB_TMP/stop" "$LAB_TMP/steady.txt" --from 203.0.113.7
steady=$SPAWNED
wait_until 60 answered_again || fail "no answer at the start"

for round in 1 2 3; do
	remove_edge_wireguard
	expect "wg0 is gone, and edge53 must still be there, round $round" alive "$EDGE53_PID"
	expect "status without wg0, round $round" e53 edge status >"$LAB_TMP/status.log"
	add_edge_wireguard
	ups+=("$(now)")
	wait_until 60 answered_again || fail "no answers after wg0 came back, round $round"
	expect "TCP after wg0 came back, round $round" \
		equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8 +tcp)" 192.0.2.80
done

touch "$LAB_TMP/stop"
wait_until 60 gone "$steady" || fail "the steady client does not end"
wait "$steady" || fail "the steady client failed"
fastest=99
for up in "${ups[@]}"; do
	took=$(first_answer_after "$up")
	echo "answers were back ${took:-never} s after wg0 was up"
	fastest=$(awk -v a="${took:-99}" -v b="$fastest" 'BEGIN { print a < b ? a : b }')
done
# The fastest, as a busy machine may let the tunnel itself wait.
expect "answers must be back within 1 s, not $fastest" awk -v took="$fastest" 'BEGIN { exit !(took < 1.0) }'
