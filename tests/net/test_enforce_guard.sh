#!/usr/bin/env bash
# The guard on the device of the default route: a client whose device edge53 has not attached yet does not get its
# queries out (guard: drop), or is counted (guard: count). All else passes.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

# late_client N: a client by a new device pppN, which the loader cannot have looked at: it is stopped.
late_client() {
	add_ppp "$1"
	link_local "$1"
}
pings_both() { pings "$1" 8.8.8.8 && pings "$1" $GOOGLE6; }
# asks NAME ANSWER HOW: over UDP and TCP and both families, it is this answer; "" for none.
asks() {
	local server transport
	for server in 8.8.8.8 $GOOGLE6; do
		for transport in +notcp +tcp; do
			if [ -n "$2" ]; then
				expect "$1 asks $server, $transport, $3" tells "$1" $server "$2" $transport
			else
				expect "$1 asks $server, $transport, $3" fails ask "$1" $server www.example.com $transport +time=1
			fi
		done
	done
}
is_counted() { [ "$(reason_count host "$1")" -ge "$2" ]; }

lab_up
lab_enforce_network
add_namespace vpn3
add_namespace vpn4
add_namespace vpn5
network_enforce_config 'ipv6: redirect' "resolver6: \"$RESOLVER6\"" 'guard: drop'
start_edge53 host
before=$(leaked)
asks vpn1 $OURS "attached"
expect "the guard has nothing to do where all is attached" equal "$(reason_count host guard_dropped)" 0

kill -STOP "$EDGE53_PID"
late_client 2
asks vpn3 "" "guard: drop"
expect "guard: drop lets nothing out" equal "$(leaked)" "$before"
expect "what it drops is counted" is_counted guard_dropped 4
expect "ping of the new client passes" pings_both vpn3
for port in 853 5353; do
	for server in 8.8.8.8 $GOOGLE6; do
		for protocol in udp tcp; do
			expect "$protocol to port $port of the new client passes" outcome_is vpn3 $protocol $server $port works
		done
	done
done
asks vpn1 $OURS "attached, the loader is stopped"
asks host $FOREIGN "the host's own"
kill -CONT "$EDGE53_PID"
wait_until 20 tells vpn3 8.8.8.8 $OURS || fail "the new device is not attached when the loader goes on"
asks vpn3 $OURS "attached by now"
expect "nothing leaked" equal "$(leaked)" "$before"

# round GUARD ADD_PPP_N: the same with another policy, by a new loader that takes over.
round() {
	end_process "$EDGE53_PID"
	network_enforce_config 'ipv6: redirect' "resolver6: \"$RESOLVER6\"" "guard: $1"
	start_edge53 host
	counted=$(reason_count host guard_counted) dropped=$(reason_count host guard_dropped)
	kill -STOP "$EDGE53_PID"
	late_client "$2"
	asks "vpn$(($2 + 1))" $FOREIGN "guard: $1"
	counted=$(($(reason_count host guard_counted) - counted))
	expect "guard: $1 drops nothing" equal "$(reason_count host guard_dropped)" "$dropped"
	kill -CONT "$EDGE53_PID"
	wait_until 20 tells "vpn$(($2 + 1))" 8.8.8.8 $OURS || fail "the new device is not attached when the loader goes on"
}
round count 3
# Two queries by UDP; of each connection by TCP some segments.
expect "guard: count counts what it lets pass" test $counted -ge 8
round off 4
expect "guard: off counts nothing" equal $counted 0
