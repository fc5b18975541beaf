#!/usr/bin/env bash
# A loader takes the place of another while queries are under way and a TCP connection is open: another version's,
# with other programs, with other limits, and with another layout of the maps. No query is lost, the connection
# goes on, and nothing of the loader before stays. To be sourced, by a test for each kind of lab.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables has no loader to replace"
need dnsperf bpftool

TOOLS=$(dirname "$EDGE53")/tests
THIS=$EDGE53
DELAY=0.3               # seconds to each answer
rate=400
[ -z "${QUICK:-}" ] || rate=100

for tool in edge53-programs edge53-layout edge53-tcp-layout; do
	[ -x "$TOOLS/$tool" ] || skip "$TOOLS/$tool is not built"
done

# limits SLOTS CLIENTS CONNECTIONS
limits() { echo "limits: { udp_slots: $1, clients: $2, tcp_connections: $3, udp_timeout: 10s }"; }
edge_yaml() {
	{
		echo "edge: [ { name: public-dns, interface: eth0, address: [$FRONTEND], tunnel: $backend_device,"
		echo "  source: $TUNNEL_SOURCE, backends: [ { address: $BACKEND, udp: 31153, tcp: 31153 } ] } ]"
		limits "$@"
	} | write_config
}
enforce_yaml() {
	{
		echo 'enforce: [ { name: vpn, interface: "ppp*", resolver: 10.77.0.2 } ]'
		limits "$@"
	} | write_config
}

hooks() { e53 "$lab" status --json | json_get "' '.join(h['hook'] for h in d['hooks'])"; }
keeps_old() { [[ $(hooks) == *old_* ]]; }
keeps_none() { ! keeps_old; }
tags() {
	e53 "$lab" status --json | json_get "'\n'.join(str(h['program_id']) for h in d['hooks'])" |
		while read -r id; do bpftool --json prog show id "$id" | json_get "d['tag']"; done | sort -u
}
traffic() { e53 "$lab" status --json | json_get "d['services'][0]['traffic']['queries']"; }

# replaced WHAT BINARY SLOTS CLIENTS CONNECTIONS OLD: the loader goes, and another one comes with these.
replaced() {
	local what=$1
	kill_edge53
	EDGE53=$2
	"${where}_yaml" "$3" "$4" "$5"
	start_edge53 "$lab" "${options[@]}"
	expect "$what: programs from before must be kept: $6; $(hooks)" equal "$(keeps_old && echo yes || echo no)" "$6"
	wait_until 60 more_answers || fail "$what: no answers any more"
	expect "$what: the TCP connection is open" alive "$hold"
}
# Something went through since this was asked first.
more_answers() { [ "$(traffic)" -gt 0 ]; }

one_round() {
	local sent
	"${where}_yaml" 65536 1024 16384
	EDGE53=$THIS
	start_edge53 "$lab" "${options[@]}"
	start_load "$client" udp.txt -s "$server" -a "$address" -c 10 -Q $rate
	load=$LOAD_PID
	rm -f "$LAB_TMP/stop"
	spawn "$client" hold.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold "$server" "$LAB_TMP/stop" --from "$address"
	hold=$SPAWNED
	wait_until 60 more_answers || fail "no answers at the start"

	before=$(tags)
	replaced "other programs" "$TOOLS/edge53-programs" 65536 1024 16384 no
	expect "other programs: they are attached" differs "$(tags)" "$before"
	replaced "and back" "$THIS" 65536 1024 16384 no
	rm "$LAB_PINS/fragments" # as if the version before had no such table
	replaced "a table more" "$THIS" 65536 1024 16384 no
	expect "a table more: it is there" test -e "$LAB_PINS/fragments"
	expect "that is no reason to begin anew" fails grep -q 'not whole' "$LAB_TMP/edge53.log"
	replaced "another number of slots" "$THIS" 32768 1024 16384 yes
	replaced "of clients" "$THIS" 32768 2048 16384 yes
	replaced "another layout" "$TOOLS/edge53-layout" 32768 2048 16384 yes
	replaced "and back to the first" "$THIS" 32768 2048 16384 yes
	wait_until 60 keeps_none || fail "programs from before are kept for ever: $(hooks)"
	expect "and that is said" grep -q 'programs from before are gone' "$LAB_TMP/edge53.log"

	touch "$LAB_TMP/stop"
	wait_until 60 gone "$hold" || fail "the held TCP connection does not end"
	wait "$hold" || fail "the held TCP connection broke: $(tail -n 1 "$LAB_TMP/hold.log")"
	end_load "$load" udp.txt
	expect "no query is lost" all_answered udp.txt

	# A layout of which connections cannot be kept: what is under way over UDP is answered all the same.
	rm "$LAB_TMP/udp.txt" "$LAB_TMP/udp.txt".*
	start_load "$client" udp.txt -s "$server" -a "$address" -c 10 -Q $rate
	load=$LOAD_PID
	hold=$$
	replaced "another layout of connections" "$TOOLS/edge53-tcp-layout" 32768 2048 16384 yes
	replaced "and back to the first" "$THIS" 32768 2048 16384 yes
	expect "TCP works" equal "$(ask "$client" "$server" www.example.com +tcp)" 192.0.2.80
	end_load "$load" udp.txt
	expect "no query is lost with another layout of connections" all_answered udp.txt

	expect "down, while programs from before are kept" e53 "$lab" down
	expect "no pins are left" fails test -e "$LAB_PINS"
	expect "no program is left" equal "$(on "$lab" bpftool --json net show | json_get "[x for n in d for k in n for x in n[k] if k != 'flow_dissector']")" "[]"
	expect "no qdisc is left" lacks "$(on "$lab" tc qdisc show)" clsact
}

# replace_loaders ethernet | wireguard | enforce
replace_loaders() {
	lab_up
	options=()
	case $1 in
	enforce)
		lab_enforce
		where=enforce lab=host client=vpn1 server=8.8.8.8 address=10.77.0.11
		on host ip addr add 10.77.0.2/32 dev lo
		spawn host slow.log "$LAB_PYTHON" "$LAB_HERE/slow.py" 10.77.0.2 53 $DELAY
		;;
	*)
		lab_edge "$1"
		where=edge lab=edge client=client server=$FRONTEND address=203.0.113.20
		backend_device=eth1
		[ "$1" = ethernet ] || backend_device=wg0 options=(--attach clsact)
		spawn backend slow.log "$LAB_PYTHON" "$LAB_HERE/slow.py" "$BACKEND" 31153 $DELAY
		;;
	esac
	one_round
}
