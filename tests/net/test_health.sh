#!/usr/bin/env bash
# A backend that dies gets no new queries, and gets them again when it answers again; what clients are told when none
# is left (each on_down); connections that are there stay; a loader that starts anew knows what the last one knew.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

# health_config ON_DOWN DEVICE: an answer may take a second, as on a busy machine it does.
health_config() {
	write_config <<-YAML
		edge:
		  - name: public-dns
		    interface: eth0
		    address: [$FRONTEND]
		    tunnel: $2
		    source: $TUNNEL_SOURCE
		    backends:
		      - { address: $BACKEND, udp: 31053, tcp: 31054 }
		      - { address: $BACKEND2, udp: 31053, tcp: 31054 }
		    on_down: $1
		    health: { name: example.com, type: SOA, interval: 1s, rise: 2, fall: 3 }
		limits:
		  udp_slots: 65536
		  udp_timeout: 60s
	YAML
}

# backend_json ADDRESS EXPRESSION: of the backend, as status has it.
backend_json() {
	e53 edge status --json | json_get "[b for s in d['services'] for b in s['backends'] if b['address'] == '$1'][0]$2"
}
is_health() { [ "$(backend_json "$1" "['health']['$2']['state']")" = "$3" ]; }
are_health() { is_health "$1" udp "$2" && is_health "$1" tcp "$2"; }
queries_to() { backend_json "$1" "['traffic']['queries']"; }
connections_to() { backend_json "$1" "['traffic']['tcp_connections']"; }
answered_by() { [ "$(ask client "$FRONTEND" www.example.com "${@:2}")" = "$1" ]; }
reasons() { reason_count edge "$1"; }
rcode() { on client dig "@$FRONTEND" www.example.com +tries=1 +time=5 "$@" | sed -n 's/.*status: \([A-Z]*\).*/\1/p'; }

start_second() {
	rm -rf "$LAB_TMP/second"
	start_knot backend second 192.0.2.81 "$BACKEND2@31053" "$BACKEND2@31054"
	SECOND_PID=$KNOT_PID
}
start_first() {
	rm -rf "$LAB_TMP/knot"
	start_knot backend knot 192.0.2.80 "$BACKEND@31053" "$BACKEND@31054"
	FIRST_PID=$KNOT_PID
}

# one_of_two_dies KIND DEVICE
one_of_two_dies() {
	local queries connections n
	lab_up
	lab_edge "$1"
	FIRST_PID=$KNOT_PID
	start_second
	health_config drop "$2"
	start_edge53 edge
	wait_until 60 are_health "$BACKEND" up || fail "the first backend is not up"
	wait_until 60 are_health "$BACKEND2" up || fail "the second backend is not up"

	start_load client dies.log -s "$FRONTEND" -Q 500 -t 2
	n=$(queries_to "$BACKEND2")
	wait_until 30 more_queries_than "$BACKEND2" "$n" || fail "the second backend gets no queries"
	# As a host that vanishes: nothing comes back, and no port is closed.
	kill -STOP "$SECOND_PID"
	wait_until 60 are_health "$BACKEND2" dead || fail "the second backend is not found dead"
	expect "status says so" equal "$(backend_json "$BACKEND2" "['why_unusable']")" dead
	expect "and the log" contains "$(cat "$LAB_TMP/edge53.log")" "$BACKEND2, UDP port 31053 is dead: no answer in 1.0 s; others get what is new"
	queries=$(queries_to "$BACKEND2") connections=$(connections_to "$BACKEND2")
	for n in 1 2 3 4 5 6 7 8; do
		expect "query $n is answered by the other" answered_by 192.0.2.80
		expect "connection $n too" answered_by 192.0.2.80 +tcp
	done
	n=$(queries_to "$BACKEND")
	wait_until 30 more_queries_than "$BACKEND" $((n + 500)) || fail "the load does not go on"
	expect "the dead one got no query" equal "$(queries_to "$BACKEND2")" "$queries"
	expect "and no connection" equal "$(connections_to "$BACKEND2")" "$connections"

	kill -CONT "$SECOND_PID"
	wait_until 60 are_health "$BACKEND2" up || fail "the second backend does not come back"
	wait_until 30 more_queries_than "$BACKEND2" "$queries" || fail "and gets no queries again"
	expect "the log says that, too" contains "$(cat "$LAB_TMP/edge53.log")" "$BACKEND2, TCP port 31054 is alive: it answers NOERROR"
	rm "$LAB_TMP/dies.log.on"
	lab_take_down
}
more_queries_than() { [ "$(queries_to "$1")" -gt "$2" ]; }

more_connections_than() { [ "$(connections_to "$1")" -gt "$2" ]; }

all_dead() { are_health "$BACKEND" dead && are_health "$BACKEND2" dead; }
all_up() { are_health "$BACKEND" up && are_health "$BACKEND2" up; }

# none_is_left KIND DEVICE
none_is_left() {
	local n connection
	lab_up
	lab_edge "$1"
	FIRST_PID=$KNOT_PID
	start_second
	health_config drop "$2"
	start_edge53 edge
	wait_until 60 all_up || fail "two backends are not up"
	end_process "$SECOND_PID"
	wait_until 60 are_health "$BACKEND2" dead || fail "the second backend is not found dead"
	n=$(connections_to "$BACKEND")
	spawn client hold.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold "$FRONTEND" "$LAB_TMP/stop"
	connection=$SPAWNED
	wait_until 30 more_connections_than "$BACKEND" "$n" || fail "no connection to hold"
	kill -STOP "$FIRST_PID"
	wait_until 60 all_dead || fail "two dead backends are not found"
	expect "closed ports are told" contains "$(e53 edge status)" "nobody listens there"

	n=$(reasons no_backend)
	expect "drop: nothing is answered" fails on client dig "@$FRONTEND" www.example.com +tries=1 +time=1
	expect "drop: it is counted" test "$(reasons no_backend)" -gt "$n"

	health_config servfail "$2"
	kill -HUP "$EDGE53_PID"
	wait_until 60 on_down_is servfail || fail "on_down is not servfail after a reload"
	wait_until 60 all_dead || fail "they are still dead after a reload"
	n=$(reasons no_backend_servfail)
	expect "servfail: IPv4 is told" equal "$(rcode)" SERVFAIL
	expect "servfail: without EDNS" equal "$(rcode +noedns)" SERVFAIL
	expect "servfail: TCP is refused" contains "$(on client dig "@$FRONTEND" www.example.com +tcp +tries=1 +time=5 2>&1 || true)" "refused"
	expect "servfail: both are counted" equal "$(reasons no_backend_servfail)" $((n + 2))
	expect "servfail: TCP is counted" test "$(reasons no_backend_reset)" -ge 1

	health_config pass "$2"
	kill -HUP "$EDGE53_PID"
	wait_until 60 on_down_is pass || fail "on_down is not pass after a reload"
	n=$(reasons no_backend_passed)
	expect "pass: the host says that nobody listens" contains "$(on client dig "@$FRONTEND" www.example.com +tries=1 +time=5 2>&1 || true)" "refused"
	expect "pass: it is counted" test "$(reasons no_backend_passed)" -gt "$n"

	# A new loader does not send queries to who is known to be dead.
	kill_edge53
	expect "status still says dead" all_dead
	start_edge53 edge
	expect "a new loader knows that they are dead" all_dead

	kill -CONT "$FIRST_PID"
	wait_until 60 are_health "$BACKEND" up || fail "the first backend does not come back"
	wait_until 20 answered_by 192.0.2.80 || fail "and does not answer"
	expect "the connection from before is still there" alive "$connection"
	touch "$LAB_TMP/stop"
	wait "$connection" || fail "the connection from before has not lived on"
	lab_take_down
}
on_down_is() { [ "$(e53 edge status --json | json_get "d['services'][0]['on_down']")" = "$1" ]; }

one_of_two_dies ethernet eth1
one_of_two_dies wireguard wg0
none_is_left ethernet eth1
none_is_left wireguard wg0
