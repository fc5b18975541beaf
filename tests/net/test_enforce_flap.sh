#!/usr/bin/env bash
# A VPN client that comes and goes: its new ppp0 is attached again each time, and nothing leaks meanwhile
# from the other, whose answers go on.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need dnsperf

lab_up
lab_enforce
enforce_config ""
start_edge53 host
before=$(leaked)

# The client never stops asking, so a gap between ppp0 coming up and its being attached would show.
spawn vpn1 steady.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" steady 8.8.8.8 "$LAB_TMP/stop" "$LAB_TMP/steady.txt"
steady=$SPAWNED
start_load vpn2 vpn2.txt -s 9.9.9.9 -c 4 -Q 500
attached_again() { [ "$(ask vpn1 8.8.8.8 www.example.com)" = 192.0.2.80 ]; }

for round in 1 2 3 4 5 6 7 8; do
	remove_ppp 0
	expect "edge53 must live on without ppp0, round $round" alive "$EDGE53_PID"
	add_ppp 0
	wait_until 60 attached_again || fail "no answer after ppp0 came back, round $round"
	expect "TCP after ppp0 came back, round $round" \
		equal "$(ask vpn1 1.1.1.1 www.example.com +tcp)" 192.0.2.80
done

end_load "$LOAD_PID" vpn2.txt
expect "the client that stayed loses nothing" all_answered vpn2.txt

touch "$LAB_TMP/stop"
wait_until 60 gone "$steady" || fail "the steady client does not end"
wait "$steady" || fail "the steady client failed"
expect "the client that came and went has had answers" grep -qv lost "$LAB_TMP/steady.txt"
expect "nothing leaked" equal "$(leaked)" "$before"
