#!/usr/bin/env bash
# keep_source on the edge, return on the backend's host: a server that reads no header logs who asked. Only some
# clients are kept, the others are the edge's. Without `return` the kept ones wait in vain: their replies are astray.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_return.sh"

N=0
# sees FAMILY TRANSPORT CLIENT LOGGED [DIG-OPTIONS...]: a query of CLIENT by the edge is answered, and logged as LOGGED's.
sees() {
	local family=$1 transport=$2 client=$3 logged=$4 what="IPv$1, $2, from $3" name
	shift 4
	N=$((N + 1))
	name=n$N.example.com
	expect "the answer, $what" \
		equal "$(ask client "$(frontend_of "$family")" $name "$transport" -b "$client" "$@")" 192.0.2.53
	expect "the server sees $logged, $what" equal "$(logged_client $name)" "$logged"
}

all_are_seen() {
	local family transport
	for family in 4 6; do
		for transport in +notcp +tcp; do
			sees $family $transport "$(kept_of $family)" "$(kept_of $family)"
			sees $family $transport "$(client_of $family)" "$(source_of $family)"
		done
	done
}

# try KIND: of the tunnel.
try() {
	local before
	N=0
	lab_up
	lab_return "$1"
	keep_config
	start_edge53 edge

	# What operators saw who tried it with a rule of their firewall: the server answers, and the answer goes elsewhere.
	expect "without return a kept client is not answered, $1" fails ask client $FRONTEND lost.example.com -b $KEPT +time=2
	expect "though the server saw it, $1" equal "$(logged_client lost.example.com)" $KEPT
	expect "and its reply went astray, $1" differs "$(astray)" 0
	sees 4 +notcp $CLIENT "$TUNNEL_SOURCE"
	expect "check reminds of what it takes, $1" \
		contains "$(e53 edge check -c "$LAB_TMP/edge53.yaml")" "clients of keep_source are answered when"

	usual_return
	start_return
	before=$(astray)
	all_are_seen
	expect "nothing is astray any more, $1" equal "$(astray)" "$before"

	network_config "$BACKEND,53"
	reload_edge53
	sees 4 +notcp $KEPT "$TUNNEL_SOURCE"
	keep_config
	reload_edge53
	all_are_seen
	expect "nothing is astray after reloads, $1" equal "$(astray)" "$before"

	# An IPv4 backend alone cannot be shown an IPv6 client: the edge asks.
	network_config "$BACKEND,53"
	sed -i "s|^    tunnel: .*|&\n    keep_source: $KEEP|" "$LAB_TMP/edge53.yaml"
	reload_edge53
	sees 4 +tcp $KEPT $KEPT
	sees 6 +notcp $KEPT6 "$TUNNEL_SOURCE"
	sees 6 +tcp $KEPT6 "$TUNNEL_SOURCE"
	lab_take_down
}

# Ethernet: the edge's NAT is in XDP, and the backend's way back is to a neighbour.
try tun
try ethernet
