#!/usr/bin/env bash
# SIGHUP again and again, each time with something else changed: backends, their weights, frontends, policies, limits.
# Under load, with a TCP connection that is open all the time: no query is lost, and the connection goes on.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need dnsperf
[ "$LAB_NAT" = edge53 ] || skip "nftables is not reloaded by a signal"

ROUNDS=12
# config N: what of it changes follows from N.
config() {
	local weights=(1 2 5) down=(pass drop) clients=(65536 4096) frontends backends other=$((30 + $1 % 4))
	frontends="$FRONTEND"
	[ $(($1 % 2)) = 0 ] || frontends="$FRONTEND, 198.55.102.245"
	backends="{ address: $BACKEND, udp: 31053, tcp: 31054, weight: ${weights[$1 % 3]} }"
	[ $(($1 % 3)) = 0 ] || backends+=", { address: $BACKEND2, udp: 31053, tcp: 31054, weight: 1 }"
	write_config <<-YAML
		edge:
		  - { name: public-dns, interface: eth0, address: [$frontends], tunnel: $device, source: $TUNNEL_SOURCE,
		      on_down: ${down[$1 % 2]}, backends: [ $backends ] }
		  - { name: other$other, interface: eth0, address: [198.55.102.$other], tunnel: $device,
		      source: $TUNNEL_SOURCE, backends: [ { address: $BACKEND, udp: 31053, tcp: 31054 } ] }
		limits: { udp_slots: 65536, clients: ${clients[$1 / 4 % 2]}, udp_timeout: 60s }
	YAML
}
count_log() { grep -c -- "$1" "$LAB_TMP/edge53.log" || true; }
said_again() { [ "$(count_log "$1")" -gt "$2" ]; }
reload() {
	local before
	before=$(count_log "$1")
	kill -HUP "$EDGE53_PID"
	wait_until 60 said_again "$1" "$before" || fail "HUP: '$1' is not logged"
}

for kind in ethernet wireguard; do
	lab_up
	lab_edge $kind
	device=eth1
	[ $kind = ethernet ] || device=wg0
	# Both backends are the same server, so that a connection to either has the same answers.
	start_knot backend knot2 192.0.2.80 "$BACKEND2@31053" "$BACKEND2@31054"
	for last in 30 31 32 33 245; do
		on edge ip addr add "198.55.102.$last/24" dev eth0
	done
	config 0
	start_edge53 edge
	start_load client udp.txt -s $FRONTEND -a 203.0.113.20 -c 10 -Q 1000
	udp=$LOAD_PID
	start_load client tcp.txt -s $FRONTEND -a 203.0.113.21 -c 5 -m tcp -Q 100
	tcp=$LOAD_PID
	spawn client hold.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold $FRONTEND "$LAB_TMP/stop" --from 203.0.113.7
	hold=$SPAWNED
	for ((n = 1; n <= ROUNDS; n++)); do
		config $n
		reload 'reloaded .*edge53.yaml'
		if [ $((n % 6)) = 0 ]; then
			echo "edge: [ { name: public-dns, interface: eth0, adress: [$FRONTEND] } ]" | write_config
			reload 'not reloaded; what was running keeps running'
		fi
		expect "$kind, reload $n: the service that came with it" \
			equal "$(ask client 198.55.102.$((30 + n % 4)) www.example.com)" 192.0.2.80
	done
	expect "limits that wait for a restart are named" test "$(count_log 'limits have changed')" -ge 1
	touch "$LAB_TMP/stop"
	wait_until 60 gone "$hold" || fail "$kind: the held TCP connection does not end"
	wait "$hold" || fail "$kind: the held TCP connection broke: $(tail -n 1 "$LAB_TMP/hold.log")"
	end_load "$udp" udp.txt
	end_load "$tcp" tcp.txt
	expect "$kind: UDP loses nothing" all_answered udp.txt
	expect "$kind: TCP loses nothing" all_answered tcp.txt
	expect "$kind: every query is counted" equal \
		"$(client_counters edge 203.0.113.20 queries)" "$(perf_count udp.txt sent)"
	lab_take_down
done
