#!/usr/bin/env bash
# A backend that dies under load gets no new queries, and gets them again when it answers again.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_health.sh"

# one_of_two_dies KIND DEVICE
one_of_two_dies() {
	local queries connections n
	lab_up
	lab_edge "$1"
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

one_of_two_dies ethernet eth1
one_of_two_dies wireguard wg0
