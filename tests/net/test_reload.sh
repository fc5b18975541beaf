#!/usr/bin/env bash
# SIGHUP under load, with a good file, a wrong one and one in which nearly every service is another: services that
# stay lose nothing, and a wrong file changes nothing. The same with a restart in place of SIGHUP.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need dnsperf
[ "$LAB_NAT" = edge53 ] || skip "nftables is not reloaded by a signal"

OTHERS=40       # of at most 63 services: a second set does not fit beside the first

# services PREFIX N: the service that stays, and N others, of which number i is 198.55.103.i.
services() {
	local i
	{
		edge_service stays "$FRONTEND"
		for ((i = 1; i <= $2; i++)); do
			edge_service "$1$i" "198.55.103.$i"
		done
		echo "limits: { udp_slots: 65536 }"
	} | write_config
}
edge_service() {
	[ "$1" != stays ] || echo "edge:"
	echo "  - { name: $1, interface: eth0, address: [$2], tunnel: eth1, source: $TUNNEL_SOURCE,"
	echo "      backends: [ { address: $BACKEND, udp: 31053, tcp: 31054 } ] }"
}

answered() { [ "$(ask client "$1" www.example.com "${@:2}")" = 192.0.2.80 ]; }
count_log() { grep -c -- "$1" "$LAB_TMP/edge53.log" || true; }
said_again() { [ "$(count_log "$1")" -gt "$2" ]; }
# service_names: as status has them, without the one that stays.
service_names() {
	e53 edge status --json | json_get "' '.join(sorted(s['name'] for s in d['services'] if s['name'] != 'stays'))"
}
names() { printf '%s\n' $(seq -f "$1%g" "$2") | LC_ALL=C sort | tr '\n' ' ' | sed 's/ $//'; }

# reload WORD: HUP, and wait until WORD is logged once more.
reload() {
	local before
	before=$(count_log "$1")
	kill -HUP "$EDGE53_PID"
	wait_until 60 said_again "$1" "$before" || fail "HUP: '$1' is not logged"
	expect "HUP must not end edge53" alive "$EDGE53_PID"
}

serve() {
	expect "$1: status has the services $2 and no others" equal "$(service_names)" "$2"
	expect "$1: UDP to a service that stays" answered $FRONTEND
	expect "$1: TCP to a service that stays" answered $FRONTEND +tcp
}
others_serve() {
	expect "$1: UDP to the first of the others" answered 198.55.103.1
	expect "$1: TCP to the last of the others" answered 198.55.103.$OTHERS +tcp
}

lab_up
lab_edge ethernet
for ((i = 1; i <= OTHERS; i++)); do
	echo "addr add 198.55.103.$i/32 dev lo"
done | on edge ip -batch -
on client ip route add 198.55.103.0/24 via $FRONTEND
services one 1
start_edge53 edge
start_load client stays.txt -s $FRONTEND -a 203.0.113.20 -c 10 -Q 1000
stays=$LOAD_PID
start_load client stays-tcp.txt -s $FRONTEND -a 203.0.113.21 -c 5 -m tcp -Q 200
stays_tcp=$LOAD_PID

services two 2
reload 'reloaded .*edge53.yaml'
serve "a good file" "two1 two2"
expect "a good file: what is new serves" answered 198.55.103.2

for wrong in 'edge: [ { name: public-dns, interface: eth0, backends: [ { address: nonsense, udp: 53 } ] } ]' \
	'edge: [ { name: stays, inter' \
	'enforce: [ { name: vpn, interface: "eth*", resolver: 10.172.90.2 } ]'; do
	echo "$wrong" | write_config
	reload 'not reloaded; what was running keeps running'
	serve "wrong: $wrong" "two1 two2"
	expect "wrong: $wrong: the second service" answered 198.55.103.2
done
expect "the wrong value was named" test "$(count_log nonsense)" -ge 1
expect "the device that carries the default route was named" test "$(count_log 'eth0.*default route')" -ge 1

services a $OTHERS
reload 'reloaded .*edge53.yaml'
serve "$OTHERS services more" "$(names a $OTHERS)"
others_serve "$OTHERS services more"
services b $OTHERS
reload 'reloaded .*edge53.yaml'
serve "$OTHERS services replaced by $OTHERS" "$(names b $OTHERS)"
others_serve "$OTHERS services replaced by $OTHERS"

services c $OTHERS
kill_edge53
start_edge53 edge
serve "$OTHERS services replaced by $OTHERS at a restart" "$(names c $OTHERS)"
others_serve "$OTHERS services replaced by $OTHERS at a restart"
expect "nothing may have failed on the way" equal "$(count_log 'cannot write the tables')" 0

end_load "$stays" stays.txt
end_load "$stays_tcp" stays-tcp.txt
expect "UDP to a service that stays loses nothing" all_answered stays.txt
expect "TCP to a service that stays loses nothing" all_answered stays-tcp.txt
sent=$(perf_count stays.txt sent)
expect "the counters of a client were kept" \
	equal "$(client_counters edge 203.0.113.20 queries replies)" "$sent $sent"
