#!/usr/bin/env bash
# client_ip and limits.backend_udp_size are changed by SIGHUP: what is opened then is as the new file says, connections that
# are open stay as they began, also when the loader is killed and started anew, and status shows both.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables has no PROXY headers"

PORT=5301
CLIENT=203.0.113.9
EDGE=$TUNNEL_SOURCE

count_log() { grep -c -- "$1" "$LAB_TMP/edge53.log" || true; }
reloaded() { [ "$(count_log '^edge53: reloaded')" -gt "$1" ]; }

# config CLIENT_IP [BACKEND_UDP_SIZE]
config() {
	edge_config "$DEVICE"
	sed -i "s/client_ip: none/client_ip: $1/; s/udp: 31053, tcp: 31054/udp: $PORT, tcp: $PORT/" "$LAB_TMP/edge53.yaml"
	[ -z "${2:-}" ] || sed -i "s/^limits:/&\n  backend_udp_size: $2/" "$LAB_TMP/edge53.yaml"
}
reload() {
	local before
	before=$(count_log '^edge53: reloaded')
	config "$@"
	kill -HUP "$EDGE53_PID"
	wait_until 60 reloaded "$before" || fail "HUP: the file is not taken"
}
who() { ask client $FRONTEND who.example.com -b $CLIENT "$@"; }
# clients_are UDP TCP WHEN
clients_are() {
	expect "who asks by UDP $3" equal "$(who)" "$1"
	expect "who asks by TCP $3" equal "$(who +tcp)" "$2"
}

# hold N: a connection from 203.0.113.N; held N: what the backend took it for, from the first answer to the last.
declare -A HELD=()
hold() {
	spawn client "held-$1.txt" "$LAB_PYTHON" "$LAB_HERE/whoami.py" hold $FRONTEND "$LAB_TMP/release" --from "203.0.113.$1"
	HELD[$1]=$SPAWNED
	wait_until 60 test -s "$LAB_TMP/held-$1.txt" || fail "the connection of 203.0.113.$1 is not answered"
}
proxy_header() {
	e53 edge flows --json |
		json_get "[f['proxy_header'] for f in d['flows'] if f['client'] == '203.0.113.$1' and f['state'] == 'established']"
}
client_ip() { e53 edge status --json | json_get "*(d['services'][0]['client_ip'][p] for p in ('udp', 'tcp')), d['services'][0]['max_udp_payload']"; }

# A query of 600 bytes, with its header 628, and how long the answer is: 49 bytes with an address; truncated it has an OPT
# record instead, 44.
long_query() { python_on client "$LAB_HERE/netpeer.py" udp $FRONTEND 53 who.example.com A --size 600 --from $CLIENT | cut -d' ' -f1-2; }

for kind in ethernet wireguard; do
	DEVICE=eth1
	[ $kind = ethernet ] || DEVICE=wg0
	lab_up
	lab_edge $kind
	spawn backend whoami.txt "$LAB_PYTHON" "$LAB_HERE/whoami.py" serve "$BACKEND" $PORT
	wait_until 60 grep -q ready "$LAB_TMP/whoami.txt" || fail "the server is not ready"

	config none
	start_edge53 edge
	clients_are $EDGE $EDGE "without the option, $kind"
	expect "status, without the option" equal "$(client_ip)" "none none None"
	hold 7

	reload proxy-v2
	clients_are $CLIENT $CLIENT "with it, $kind"
	expect "status, with it" equal "$(client_ip)" "proxy-v2 proxy-v2 None"
	expect "flows: a connection that began without the header, $kind" equal "$(proxy_header 7)" "[None]"
	hold 8
	expect "flows: a connection that began with it, $kind" equal "$(proxy_header 8)" "['synced']"

	reload '{ udp: proxy-v2, tcp: none }'
	clients_are $CLIENT $EDGE "with it for UDP, $kind"
	expect "the table for people, with it for UDP" contains "$(e53 edge status)" "udp: proxy-v2"
	reload '{ tcp: proxy-v2 }'
	clients_are $EDGE $CLIENT "with it for TCP, $kind"
	expect "the table for people, with it for TCP" contains "$(e53 edge status)" "tcp: proxy-v2"

	kill_edge53
	start_edge53 edge
	clients_are $EDGE $CLIENT "with a new loader, $kind"
	reload none
	clients_are $EDGE $EDGE "without it again, $kind"

	# What backends read.
	reload proxy-v2
	expect "a long query, $kind" equal "$(long_query)" "answer 49"
	reload proxy-v2 627
	expect "status, with a size" equal "$(client_ip)" "proxy-v2 proxy-v2 627"
	expect "a query longer than backends read, $kind" equal "$(long_query)" "answer 44"
	expect "it is counted, $kind" equal "$(reason_count edge truncated)" 1
	expect "others are answered, $kind" equal "$(who)" $CLIENT
	reload proxy-v2 628
	expect "one that is just as long as they read, $kind" equal "$(long_query)" "answer 49"
	expect "a size takes effect at once" equal "$(count_log 'limits have changed')" 0

	for n in 7 8; do
		expect "the connection of 203.0.113.$n lives, $kind" alive "${HELD[$n]}"
	done
	: >"$LAB_TMP/release"
	for n in 7 8; do
		wait_until 60 gone "${HELD[$n]}" || fail "the connection of 203.0.113.$n does not end"
		status=0
		wait "${HELD[$n]}" || status=$?
		expect "every query of 203.0.113.$n was answered, $kind" equal $status 0
	done
	expect "a connection that began without the header stays so, $kind" equal "$(<"$LAB_TMP/held-7.txt")" $EDGE
	expect "and one that began with it, $kind" equal "$(<"$LAB_TMP/held-8.txt")" 203.0.113.8
	lab_take_down
done
