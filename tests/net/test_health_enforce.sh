#!/usr/bin/env bash
# enforce is active while its resolver answers: a silent one, one that is not there yet, one that comes back; by UDP and
# TCP each for itself; on_down: pass and drop.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

# health_config ON_DOWN HEALTH
health_config() {
	write_config <<-YAML
		enforce:
		  - name: vpn
		    interface: "ppp*"
		    resolver: $RESOLVER
		    ipv6: drop
		    on_down: $1
		    health: $2
		limits:
		  udp_slots: 65536
		  udp_timeout: 60s
	YAML
}

state_of() { e53 host status --json | json_get "d['services'][0]['backends'][0]['health']['$1']['state']"; }
is_state() { [ "$(state_of udp)" = "$1" ] && [ "$(state_of tcp)" = "${2:-$1}" ]; }
is_answered_by() { [ "$(ask vpn1 8.8.8.8 www.example.com "${@:2}")" = "$1" ]; }
is_on_down() { [ "$(e53 host status --json | json_get "d['services'][0]['on_down']")" = "$1" ]; }
ours=192.0.2.80 theirs=192.0.2.66

lab_up
lab_enforce
FAST="{ interval: 1s, rise: 2, fall: 3 }"
health_config pass "$FAST"
start_edge53 host
expect "ready means that the resolver is known to answer" is_state up
expect "and that clients are enforced" is_answered_by $ours
expect "by TCP, too" is_answered_by $ours +tcp

# It hangs: the port is open, and nothing comes.
kill -STOP "$UNBOUND_PID"
wait_until 60 is_state dead || fail "a resolver that hangs is not found dead"
expect "pass: the client's query goes where it wanted" is_answered_by $theirs
expect "pass: by TCP, too" is_answered_by $theirs +tcp
expect "the log says so" contains "$(cat "$LAB_TMP/edge53.log")" \
	"vpn: resolver $RESOLVER, UDP port 53 is dead: no answer in 1.0 s; no other is left: what is new goes past edge53 (on_down: pass)"
kill -CONT "$UNBOUND_PID"
wait_until 60 is_state up || fail "a resolver that answers again is not found alive"
expect "it is enforced again" is_answered_by $ours
expect "by TCP, too, again" is_answered_by $ours +tcp

# A loader that starts again does not let anything by meanwhile.
start_load vpn1 again.log -s 8.8.8.8 -Q 200
before=$(reason_count host no_backend_passed)
kill_edge53
start_edge53 host
expect "nothing has passed while the loader started" equal "$(reason_count host no_backend_passed)" "$before"
end_load "$LOAD_PID" again.log
expect "and nothing was lost" all_answered again.log

# It is gone: the port is closed.
end_process "$UNBOUND_PID"
wait_until 60 is_state dead || fail "a resolver that is gone is not found dead"
expect "gone: passes" is_answered_by $theirs
health_config drop "$FAST"
kill -HUP "$EDGE53_PID"
wait_until 20 is_on_down drop || fail "on_down is not drop after a reload"
before=$(leaked)
expect "drop: nobody answers" fails on vpn1 dig @8.8.8.8 www.example.com +tries=1 +time=1
expect "drop: nor by TCP" fails on vpn1 dig @8.8.8.8 www.example.com +tcp +tries=1 +time=1
expect "drop: nothing leaks" equal "$(leaked)" "$before"

# A machine that boots: the resolver comes after edge53.
e53 host down
health_config pass "$FAST"
start_edge53 host
expect "not there yet" is_state dead
expect "not there yet: passes" is_answered_by $theirs
start_unbound
wait_until 60 is_state up || fail "a resolver that comes later is not found"
expect "then it is enforced" is_answered_by $ours

# There is no way to it at all. What has passed for long passes on while another loader takes over.
end_process "$UNBOUND_PID"
sed -i "s/resolver: $RESOLVER/resolver: 10.77.0.2/" "$LAB_TMP/edge53.yaml"
on host ip route add unreachable 10.77.0.2
kill -HUP "$EDGE53_PID"
wait_until 60 is_answered_by $theirs || fail "no way to the resolver: nothing passes after the grace"
before=$(reason_count host no_backend)
kill_edge53
start_edge53 host
expect "no way to the resolver: the next loader lets pass at once" is_answered_by $theirs
expect "and has dropped nothing" equal "$(reason_count host no_backend)" "$before"
on host ip route del unreachable 10.77.0.2
start_unbound
health_config pass "$FAST"
kill -HUP "$EDGE53_PID"
wait_until 60 is_answered_by $ours || fail "the resolver is not back"

# Not asked: taken for alive.
end_process "$UNBOUND_PID"
wait_until 60 is_state dead || fail "the second unbound is not found dead"
health_config pass off
kill -HUP "$EDGE53_PID"
wait_until 60 is_state off || fail "health: off does not end the questions"
before=$(leaked)
expect "off: queries go to it all the same" fails on vpn1 dig @8.8.8.8 www.example.com +tries=1 +time=1
expect "off: nothing leaks" equal "$(leaked)" "$before"

# On again, by a reload: one that answers is not taken out until it has answered.
start_unbound
wait_until 60 is_answered_by $ours || fail "the third unbound does not answer"
start_load vpn1 on.log -s 8.8.8.8 -Q 200
before=$(reason_count host no_backend_passed)
health_config pass "$FAST"
kill -HUP "$EDGE53_PID"
wait_until 60 is_state up || fail "a health block does not begin the questions"
expect "on again: nothing has passed" equal "$(reason_count host no_backend_passed)" "$before"
end_load "$LOAD_PID" on.log
expect "on again: nothing was lost" all_answered on.log
