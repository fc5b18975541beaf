#!/usr/bin/env bash
# What clients are told when no backend is left, by each on_down; connections that are there stay; a loader that starts
# anew knows what the last one knew.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_health.sh"
need nft

more_connections_than() { [ "$(connections_to "$1")" -gt "$2" ]; }

all_dead() { are_health "$BACKEND" dead && are_health "$BACKEND2" dead; }
all_up() { are_health "$BACKEND" up && are_health "$BACKEND2" up; }

# What is new is not answered; the connection that is there is.
first_takes_nothing_new() {
	on backend nft -f - <<-NFT
		table inet lab {
			chain input {
				type filter hook input priority 0
				ip daddr $BACKEND udp dport 31053 drop
				ip daddr $BACKEND tcp dport 31054 tcp flags & (syn | ack) == syn drop
			}
		}
	NFT
}

# none_is_left KIND DEVICE
none_is_left() {
	local n connection
	lab_up
	lab_edge "$1"
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
	first_takes_nothing_new
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

	on backend nft delete table inet lab
	wait_until 60 are_health "$BACKEND" up || fail "the first backend does not come back"
	wait_until 20 answered_by 192.0.2.80 || fail "and does not answer"
	expect "the connection from before is still there" alive "$connection"
	touch "$LAB_TMP/stop"
	wait "$connection" || fail "the connection from before has not lived on"
	lab_take_down
}
on_down_is() { [ "$(e53 edge status --json | json_get "d['services'][0]['on_down']")" = "$1" ]; }

none_is_left ethernet eth1
none_is_left wireguard wg0
