#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# tcp_limit with real clients and a real server: who has as many connections as he may gets no more until one ends; and a
# flood of SYNs meets cookies: 1,000 clients that are not known yet are all served beside it, their own kernel returning
# the cookies, while what is open stays open and the server sees of the flood no more than the threshold.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables limits otherwise"
need dig ethtool

ABOVE=50
CLIENTS=${QUICK:+100}
CLIENTS=${CLIENTS:-1000}
PER_SECOND=100

edge_mac() { on edge ip -j link show dev eth0 | json_get "d[0]['address']"; }
held() { on client ss -Htn state established src "$1" dst $FRONTEND | wc -l; }
holds() { [ "$(held "$1")" -eq "$2" ]; }
hold() { # ADDRESS FILE: a connection until FILE is there
	spawn client "hold$RANDOM.log" "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold $FRONTEND "$2" --from "$1"
}
one_more_dropped() { [ "$(reason_count edge tcp_open_dropped)" -gt "$dropped" ]; }
one_more_cookie() { [ "$(reason_count edge cookie_sent)" -gt "$cookies" ]; }

lab_up
lab_edge ethernet
edge_config eth1
sed -i "s/^    client_ip: none/    tcp_limit: { open: 3, prefix: { ipv4: 32 }, exempt: [203.0.113.9], syn_cookies: { above: $ABOVE } }/" \
	"$LAB_TMP/edge53.yaml"
echo '  tcp_connections: 1024' >>"$LAB_TMP/edge53.yaml"
start_edge53 edge
on client ethtool -K eth0 tx off >/dev/null # for XDP to answer

# Open ones.
for n in 1 2 3; do
	hold 203.0.113.7 "$LAB_TMP/stop$n"
	pids[n]=$SPAWNED
	wait_until 60 holds 203.0.113.7 "$n" || fail "no connection $n"
done
dropped=$(reason_count edge tcp_open_dropped)
spawn client fourth.log dig @$FRONTEND www.example.com -b 203.0.113.7 +tcp +tries=1 +timeout=60 +short
fourth=$SPAWNED
wait_until 60 one_more_dropped || fail "a fourth connection is not refused"
expect "who shares no prefix is not concerned" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8 +tcp)" 192.0.2.80
expect "who is exempt is not limited" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.9 +tcp)" 192.0.2.80
expect "the fourth waits" alive "$fourth"
touch "$LAB_TMP/stop1"
wait_until 60 gone "${pids[1]}" || fail "the first connection does not end"
wait_until 60 gone "$fourth" || fail "the fourth connection is not let in when the first has ended"
expect "then it is served" contains "$(cat "$LAB_TMP/fourth.log")" 192.0.2.80

# A flood.
on client ip route add local 100.64.0.0/16 dev lo
begun=$(date +%s) opened=$(reason_count edge tcp_opened) cookies=$(reason_count edge cookie_sent)
spawn client flood.log "$LAB_PYTHON" "$LAB_HERE/synflood.py" eth0 "$(edge_mac)" $FRONTEND 100000000
flood=$SPAWNED
wait_until 60 one_more_cookie || fail "the flood gets no cookies"
expect "1,000 clients beside a flood" on client timeout 300 "$LAB_PYTHON" "$LAB_HERE/manyclients.py" $FRONTEND $CLIENTS $PER_SECOND
end_process "$flood"
seconds=$(($(date +%s) - begun + 2))
cookies=$(($(reason_count edge cookie_sent) - cookies)) opened=$(($(reason_count edge tcp_opened) - opened))
returned=$(reason_count edge cookie_returned)
echo "$seconds s: $cookies cookies, $returned returned, $opened connections opened"
expect "the flood was far above the threshold" test $cookies -gt $((10 * ABOVE * seconds))
expect "clients proved themselves" test "$returned" -gt $((CLIENTS / 2))
expect "of the flood no more than the threshold got through" test $opened -le $((CLIENTS + ABOVE * (seconds + 1)))
expect "what was open stays open" alive "${pids[2]}"
expect "what was open stays open" alive "${pids[3]}"
touch "$LAB_TMP/stop2" "$LAB_TMP/stop3"
for n in 2 3; do
	wait_until 60 gone "${pids[n]}" || fail "a held connection does not end"
	wait "${pids[n]}" || fail "a held connection broke"
done
expect "UDP is as ever" equal "$(ask client $FRONTEND www.example.com -b 203.0.113.8)" 192.0.2.80
