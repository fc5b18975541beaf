#!/usr/bin/env bash
# Clients and backends of either address family, over each kind of device: who asks over IPv6 is answered by an
# IPv4 backend, and the other way round.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

# seen_by_backend CLIENT_FAMILY BACKEND_FAMILY TRANSPORT: the address the backend takes for the client.
seen_by_backend() {
	local type=A
	[ "$2" = 4 ] || type=AAAA
	ask client "$(frontend_of "$1")" whoami.test $type "$3" 2>/dev/null
}
backend_is() { [ "$(seen_by_backend 6 "$1" +notcp)" = "$(source_of "$1")" ]; }

# works FROM TO HOW: a client of family FROM is served by a backend of family TO.
works() {
	local from=$1 to=$2 frontend source what="IPv$1 client, IPv$2 backend, $3"
	frontend=$(frontend_of "$from") source=$(client_of "$from")
	for transport in +notcp +tcp; do
		expect "dig $transport, $what" \
			equal "$(ask client "$frontend" www.example.com $transport -b "$source")" 192.0.2.80
		expect "kdig $transport, $what" \
			equal "$(on client kdig "@$frontend" www.example.com +short $transport)" 192.0.2.80
		expect "the backend sees the edge, $transport, $what" \
			equal "$(seen_by_backend "$from" "$to" $transport)" "$(source_of "$to")"
	done
	expect "A and AAAA from one port, $what" netpeer client pair "$frontend"
	expect "3 kB over TCP, $what" \
		equal "$(on client dig "@$frontend" big.example.com TXT +tcp +short +time=5 +tries=1 | wc -l)" 40
	expect "router and edge are one hop each, $what" \
		equal "$(netpeer client udp "$frontend" 53 | awk '{ print $1, $3 }')" "answer 62"
	[ "$from" = 6 ] || expect "a query without UDP checksum, $what" \
		contains "$(netpeer client udp "$frontend" 53 --no-checksum)" answer
}

# all_pairs HOW
all_pairs() {
	local from to
	for to in 4 6; do
		reload_network "$(backend_of $to)"
		wait_until 20 backend_is $to || fail "no answer from the IPv$to backend, $1"
		for from in 4 6; do
			works $from $to "$1"
		done
	done
}

for kind in tun ethernet wireguard; do
	lab_up
	lab_network $kind
	network_config "$BACKEND"
	start_edge53 edge
	for offload in on off; do
		on client ethtool -K eth0 tx $offload >/dev/null
		on router ethtool -K wan tx $offload >/dev/null
		[ $kind = tun ] || on backend ethtool -K eth0 tx $offload >/dev/null
		all_pairs "$kind, tx checksums $offload"
	done

	# Neighbours are found although edge53 is attached: all of them forget each other.
	for ns in router edge backend; do
		on $ns ip neigh flush all
		on $ns ip -6 neigh flush all
	done
	expect "the router finds the edge again over IPv6" pings router $FRONTEND6
	for from in 4 6; do
		wait_until 10 answers client "$(frontend_of $from)" || fail "no answer after neighbours were forgotten, $kind"
	done
	expect "reasons of the edge's replies: none was unknown" equal "$(reason_count edge REPLY_UNKNOWN)" 0
	lab_take_down
done
