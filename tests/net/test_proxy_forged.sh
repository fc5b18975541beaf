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

# Each waits a second for an answer that must not come: so all at once.
all_end_well() {
	local pid
	for pid in "$@"; do
		wait "$pid" || return 1
	done
}
forge_datagrams() {
	local pids=()
	forges 4 +notcp & pids+=($!)
	forges 6 +notcp & pids+=($!)
	all_end_well "${pids[@]}"
}
forge_connections() {
	local from how pids=()
	for from in 4 6; do
		forges $from +tcp & pids+=($!)
		for how in "" --alone --slow; do
			# shellcheck disable=SC2086 # none is no argument
			dnsclient client forge "$(frontend_of $from)" --from "$(client_address $from 8)" $how & pids+=($!)
		done
	done
	all_end_well "${pids[@]}"
}

for run in "unbound ethernet off" "unbound tun on" "pdns wireguard on"; do
	read -r server kind offload <<<"$run"
	[ "$server" != pdns ] || command -v pdns_server >/dev/null || continue
	lab_proxy "$server" "$kind"
	checksums "$offload"
	# First, as connections that are refused send again and again, and count.
	expect "no answer to forged datagrams, $run" forge_datagrams
	expect "they are counted, $run" equal "$(reason_count edge forged_header)" 2
	expect "no answer behind a forged header, $run" forge_connections
	expect "what is whole or has a segment of its own is counted, $run" test "$(reason_count edge forged_header)" -ge 6
	# An honest client is served as before.
	for from in 4 6; do
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
