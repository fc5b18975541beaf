#!/usr/bin/env bash
# lab_health.sh: two backends in the edge lab, and what is known of their health. To be sourced after lab.sh.
# shellcheck disable=SC2034 # some variables are for those who source it

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
