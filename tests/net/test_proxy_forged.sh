#!/usr/bin/env bash
# No client gets a header of its own past edge53: a datagram that begins with the signature, a connection that does,
# at once, in two segments or a byte at a time. What real servers that read headers believe is in their logs.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need kdig unbound
[ "$LAB_NAT" = edge53 ] || skip "it is edge53 that refuses forged headers"

FORGED=203.0.113.99             # the client that the headers name; the servers would serve it
FORGED6=2001:db8:c::99

# forges FAMILY TRANSPORT: kdig's header is whole and well-formed; no answer must come.
forges() {
	local forged=$FORGED
	[ "$1" = 4 ] || forged=$FORGED6
	fails on client kdig "@$(frontend_of "$1")" forged.example.com "$2" "+proxy=$forged#4444-$(frontend_of "$1")#53" \
		+retry=0 +timeout=1
}
is_believed() { grep -q "$FORGED\|$FORGED6" "$LAB_TMP/$1.log"; }
# believed FAMILY: what the server would say to a forged header, were it not for edge53.
believed() {
	local forged=$FORGED
	[ "$1" = 4 ] || forged=$FORGED6
	on edge kdig "@$PROXY_BACKEND" -p $PROXY_PORT "+proxy=$forged#4444-$(frontend_of "$1")#53" believed.example.com +short
}

# forge_connections FAMILY: at once, since each waits a second for an answer that must not come.
forge_connections() {
	local how pids=() pid
	forges "$1" +tcp & pids+=($!)
	for how in "" --alone --slow; do
		# shellcheck disable=SC2086 # none is no argument
		dnsclient client forge "$(frontend_of "$1")" --from "$(client_address "$1" 8)" $how & pids+=($!)
	done
	for pid in "${pids[@]}"; do
		wait "$pid" || return 1
	done
}

for run in "unbound ethernet off" "unbound tun on" "pdns wireguard on"; do
	read -r server kind offload <<<"$run"
	[ "$server" != pdns ] || command -v pdns_server >/dev/null || continue
	lab_proxy "$server" "$kind"
	checksums "$offload"
	# First, as connections that are refused send again and again, and count.
	for from in 4 6; do
		what="IPv$from client, $run"
		expect "no answer to a forged datagram, $what" forges $from +notcp
		expect "it is counted, $what" equal "$(reason_count edge forged_header)" $((from / 2 - 1))
	done
	for from in 4 6; do
		what="IPv$from client, $run"
		before=$(reason_count edge forged_header)
		expect "no answer behind a forged header, $what" forge_connections $from
		expect "what is whole or has a segment of its own is counted, $what" \
			test "$(reason_count edge forged_header)" -ge $((before + 2))
		# An honest client is served as before.
		pair_is_known $from 4 honest 9
	done
	server_saw_right
	expect "no forged header is believed, $run" fails is_believed "$server"
	# That it would have been seen:
	expect "a header from the edge's own address is believed" equal "$(believed 4)" 192.0.2.80
	expect "a header from the edge's own address is believed, IPv6 client" equal "$(believed 6)" 192.0.2.80
	wait_until 10 is_believed "$server" || fail "$server's log does not show whom it believes"
	lab_take_down
done

# Why docs/backends.md warns of a service without the option that leads to such a port: over TCP it lets a header pass.
PROXY_TCP=none
lab_proxy unbound ethernet
expect "a header that is not looked for is believed" contains \
	"$(dnsclient client forge $FRONTEND --from $CLIENT 2>&1)" 'an answer to a query behind a forged header'
wait_until 10 is_believed unbound || fail "unbound does not believe it"
lab_take_down

# Without the option a datagram that begins with the signature is refused all the same.
PROXY_UDP=none PROXY_TCP=none
lab_proxy unbound ethernet
reload_proxy "$BACKEND,$PLAIN_PORT"
expect "no answer to a forged datagram without the option" forges 4 +notcp
expect "it is counted without the option" equal "$(reason_count edge forged_header)" 1
expect "an answer without the option" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
