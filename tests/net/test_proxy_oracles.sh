#!/usr/bin/env bash
# The header that edge53 sends is, byte for byte, that of kdig +proxy and of dnsdist useProxyProtocol=true for the same
# addresses and ports, as they are on the wire at the backend; and of a connection it is whole in the first segment.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need unbound dnsdist kdig
[ "$LAB_NAT" = edge53 ] || skip "it is edge53's header that is looked at"

# on_wire NAME: what was in front of the message about this name, and whether it was whole.
on_wire() { sed -n "s/^... $1 //p" "$LAB_TMP/wire.log"; }
was_on_wire() { [ -n "$(on_wire "$1")" ]; }

# same_header WHO NAME WHAT: the header of another sender, as edge53's for the same tuple.
same_header() {
	local theirs ours
	wait_until 10 was_on_wire "$1-$2" || fail "no query of $1 was seen, $3"
	theirs=$(on_wire "$1-$2") ours=$(on_wire "edge53-$2")
	expect "the header of $1, $3" equal "${ours% *}" "${theirs% *}"
}

# start_dnsdist_edge FAMILY: dnsdist in place of edge53, on its addresses.
start_dnsdist_edge() {
	local address=$PROXY_BACKEND
	[ "$1" = 4 ] || address="[$address]"
	cat >"$LAB_TMP/dnsdist-edge.lua" <<-LUA
		setSecurityPollSuffix("")
		setLocal("$FRONTEND:53")
		addLocal("[$FRONTEND6]:53")
		setACL({"0.0.0.0/0", "::/0"})
		newServer({address="$address:$PROXY_PORT", useProxyProtocol=true})
		getServer(0):setUp()
	LUA
	spawn edge dnsdist-edge.log dnsdist --supervised --disable-syslog -C "$LAB_TMP/dnsdist-edge.lua"
	DNSDIST_PID=$SPAWNED
	wait_until 20 dnsdist_listens || fail "dnsdist does not start on the edge"
}
dnsdist_listens() { on edge ss -Htln 'sport = :53' | grep -q "$FRONTEND" && on edge ss -Htln 'sport = :53' | grep -q "$FRONTEND6"; }

for kind in ethernet tun; do
	lab_proxy unbound $kind
	spawn backend wire.log "$LAB_PYTHON" "$LAB_HERE/proxywire.py" "$FAR_TUNNEL" $PROXY_PORT
	wait_until 20 grep -q ready "$LAB_TMP/wire.log" || fail "proxywire.py does not start"
	pairs="4-4 6-4 4-6 6-6"
	for pair in $pairs; do
		from=${pair%-*} to=${pair#*-} client=$(client_address "$from" 8) frontend=$(frontend_of "$from")
		[ "$PROXY_BACKEND" = "$(backend_of "$to")" ] || reload_proxy "$(backend_of "$to")"
		for transport in +notcp +tcp; do
			name=$pair${transport#+} port=2${from}${to}0${#transport}
			what="IPv$from client, IPv$to backend, $kind, $transport"
			expect "an answer through edge53, $what" equal \
				"$(ask client "$frontend" "edge53-$name.example.com" -b "$client#$port" $transport)" 192.0.2.80
			expect "an answer to kdig, $what" equal "$(on edge kdig "@$PROXY_BACKEND" -p $PROXY_PORT \
				"+proxy=$client#$port-$frontend#53" +short $transport "kdig-$name.example.com" A)" 192.0.2.80
			wait_until 10 was_on_wire "edge53-$name" || fail "no query of edge53 was seen, $what"
			seen=$(on_wire "edge53-$name")
			expect "the header is whole in the first segment, $what" equal "${seen#* }" whole
			expect "the length of the header, $what" equal "${#seen}" $((($([ "$from" = 4 ] && echo 28 || echo 52)) * 2 + 6))
			same_header kdig "$name" "$what"
		done
	done
	e53 edge down >/dev/null 2>&1
	end_process "$EDGE53_PID"
	for pair in $pairs; do
		from=${pair%-*} to=${pair#*-} client=$(client_address "$from" 8) frontend=$(frontend_of "$from")
		if [ "$PROXY_BACKEND" != "$(backend_of "$to")" ] || [ -z "${DNSDIST_PID:-}" ]; then
			[ -z "${DNSDIST_PID:-}" ] || end_process "$DNSDIST_PID"
			PROXY_BACKEND=$(backend_of "$to")
			start_dnsdist_edge "$to"
		fi
		for transport in +notcp +tcp; do
			name=$pair${transport#+} port=2${from}${to}0${#transport}
			what="IPv$from client, IPv$to backend, $kind, $transport"
			expect "an answer through dnsdist, $what" equal \
				"$(ask client "$frontend" "dnsdist-$name.example.com" -b "$client#$port" $transport)" 192.0.2.80
			same_header dnsdist "$name" "$what"
		done
	done
	end_process "$DNSDIST_PID"
	DNSDIST_PID=
	lab_take_down
done
