#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# edge53 clients --names: what clients ask, without any configuration for it, and without a trace afterwards. Hostile names
# stay text.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
need dnsperf

lab_up
lab_edge ethernet
edge_config eth1
start_edge53 edge

names() { e53 edge clients --names="$1" "${@:2}"; }
sampled_limit() { bpftool map dump pinned "$LAB_PINS/sampling" -j | json_get "d[0]['formatted']['value']['.data.sampling'][0]['sampling']"; }

expect "nothing is asked, nothing is shown" contains "$(names 1)" "0 queries of 0 clients in 1 s"
expect "of nothing there is no list" fails names 0
expect "it is no live view" contains "$(names 1 --watch 2>&1 || true)" "--names goes with --json and --top only"

# One client asks for one name all the time, another for many, once each.
spawn client one.log bash -c "while dig @$FRONTEND -b 203.0.113.7 MAIL.example.com MX +tries=1 >/dev/null; do :; done"
one=$SPAWNED
start_load client many.txt -s $FRONTEND -a 203.0.113.9 -c 5 -Q 500
many=$LOAD_PID
text=$(names 3)
json=$(names 2 --json)
expect "the busiest is first" contains "$(sed -n 2p <<<"$text")" 203.0.113.9
expect "with ten of its names" contains "$text" 'more)'
row=$(grep -a 203.0.113.7 <<<"$text") || fail "no row of the other client: $text"
expect "in lower case, and its type" contains "$row" 'mail.example.com.'
expect "the type" contains "$row" MX
first() { json_get "[c for c in d['clients'] if c['client'] == '$1'][0]['$2']" <<<"$json"; }
expect "one name of it" equal "$(first 203.0.113.7 names | tr -dc '[' | wc -c)" 1
expect "sums are right" equal "$(json_get "all(c['queries'] == sum(n['count'] for n in c['names']) for c in d['clients']) and \
	d['queries'] == sum(c['queries'] for c in d['clients']) and d['sampled'] == d['queries'] + d['lost']" <<<"$json")" True
expect "only the first one" equal "$(names 1 --json --top 1 | json_get "[c['client'] for c in d['clients']]")" "['203.0.113.9']"

# There can be one at a time; who comes second is told, and the first goes on.
spawn edge first.log "$EDGE53" --pins "$LAB_PINS" clients --names=60
reader=$SPAWNED
# shellcheck disable=SC2016 # not to be expanded
refused() { [[ $(names 1 2>&1) = *'another `edge53 clients --names`'* ]]; }
wait_until 20 refused || fail "two at a time"
kill -INT "$reader"
wait_until 20 gone "$reader" || fail "SIGINT does not end it"
expect "and shows what it has until then" contains "$(cat "$LAB_TMP/first.log")" 203.0.113.9
expect "the next one may" contains "$(names 1)" 203.0.113.9

# Killed, it leaves nothing behind that lasts: when its time is over, the programs stop.
spawn edge killed.log "$EDGE53" --pins "$LAB_PINS" clients --names=1
reader=$SPAWNED
busy() { ! [[ $(sampled_limit) = *"'limits': [0, 0]"* ]]; }
is_off() { ! busy; }
if command -v bpftool >/dev/null; then
	wait_until 20 busy || fail "it never began"
	kill -KILL "$reader"
	wait_until 30 is_off || fail "sampling goes on: $(sampled_limit)"
fi
expect "and another one begins" contains "$(names 1)" 203.0.113.9
end_load "$many" many.txt
end_process "$one"
expect "dnsperf loses nothing" all_answered many.txt

# A name that would clear the screen, ring, and go on in the next column.
# shellcheck disable=SC2016 # Python's
spawn client hostile.log "$LAB_PYTHON" -c '
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
name = b"\x1b[2J\a\n|\xc3\xa4\xff"
query = b"\0\1\1\0\0\1\0\0\0\0\0\0" + bytes([len(name)]) + name + b"\7example\3com\0\0\1\0\1"
while True:
    s.sendto(query, (sys.argv[1], 53))
    try:
        s.recv(4096)
    except socket.timeout:
        pass
' $FRONTEND
text=$(names 2)
end_process "$SPAWNED"
expect "it is shown as a master file would have it" contains "$text" '\027[2j\007\010|\195\164\255.example.com.'
expect "and nothing else" equal "$(LC_ALL=C tr -d ' -~\n' <<<"$text" | wc -c)" 0
