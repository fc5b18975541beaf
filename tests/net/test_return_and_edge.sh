#!/usr/bin/env bash
# One host that is an edge, guards what is not enforced, and returns: the same two devices carry hooks of all, by tcx
# and by clsact. What each says of itself in `check` and `status`.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_return.sh"

STRANGER=203.0.113.99           # comes by the tunnel; the edge's route to it is the uplink

# both_config [LINE...]: the edge's service, an enforced device that is not there, and `return` for knot on the edge.
both_config() {
	network_config "$BACKEND"
	{
		printf 'enforce:\n  - { name: vpn, interface: "ppp*", resolver: %s }\n' "$FRONTEND"
		printf 'return:\n'
		printf '  - %s\n' "$@"
	} >>"$LAB_TMP/edge53.yaml"
}
both_works() {
	local transport
	for transport in +notcp +tcp; do
		expect "the edge's client, $transport, $1" \
			equal "$(ask client $FRONTEND whoami.test $transport)" "$TUNNEL_SOURCE"
		expect "who comes by the tunnel, $transport, $1" \
			equal "$(ask backend "$TUNNEL_SOURCE" whoami.test $transport -b $STRANGER -p 5353)" $STRANGER
	done
}
hooks_of() { e53 edge status --json | python -c '
import json, sys
print(*sorted(h["hook"] + ":" + h["device"] for h in json.load(sys.stdin)["hooks"] if not h["gone"]))'; }
edge_count() { e53 edge status --json | python -c '
import json, sys
print(sum(r["packets"] for s in json.load(sys.stdin)["services"] for r in s["reasons"] if r["reason"] == sys.argv[1]))' "$1"; }

for options in "" "--attach clsact"; do
	lab_up
	lab_network tun
	start_knot edge local 192.0.2.81 "$TUNNEL_SOURCE@5353" "$TUNNEL_SOURCE6@5353"
	on backend ip addr add $STRANGER/32 dev lo
	on edge sysctl -qw net.ipv4.conf.all.rp_filter=2
	both_config "{ tunnel: tun0, uplink: eth0, udp: 5353, tcp: 5353 }"
	# There is no resolver for the enforce service, which is what check does not like, and nothing else.
	check=$(e53 edge check --no-probe -c "$LAB_TMP/edge53.yaml") && fail "check is content without a resolver"
	expect "check misses the resolver" contains "$check" "[resolver-not-listening]"
	expect "check has nothing else against it" contains "$check" "would not work: 1 error, 0 warnings"
	expect "check names the service" contains "$check" 'return "return-tun0"'
	expect "check says who is remembered" contains "$check" "who comes by tun0 to UDP port 5353 is remembered"
	expect "check says what goes back" contains "$check" "replies from TCP port 5353 that are about to leave by eth0 go back into the tunnel"
	expect "check names the hooks" contains "$check" "guard at tc egress, return at tc egress"
	# shellcheck disable=SC2086 # none, or two words
	start_edge53 edge $options
	tc=tcx
	! on edge tc qdisc show dev eth0 | grep -q clsact || tc=clsact
	expect "hooks of all on both devices, $tc" equal "$(hooks_of)" \
		"$(printf '%s\n' "${tc}_egress:eth0" "${tc}_ingress:eth0" "${tc}_ingress:tun0" "${tc}_return_in:tun0" \
			"${tc}_return_out:eth0" xdp:eth0 | sort | tr '\n' ' ' | sed 's/ $//')"
	both_works $tc
	status=$(e53 edge status)
	expect "status has a table of returns" contains "$status" "Returns"
	expect "status has the tunnel" contains "$status" "return-tun0"
	expect "status has the role of the uplink" contains "$status" "uplink"

	# Without its entry the edge stays, and the hooks of return go.
	network_config "$BACKEND"
	reload_edge53
	expect "no hooks of return are left, $tc" lacks "$(hooks_of)" return
	expect "the edge serves on, $tc" equal "$(ask client $FRONTEND whoami.test)" "$TUNNEL_SOURCE"
	expect "who comes by the tunnel waits, $tc" fails ask backend "$TUNNEL_SOURCE" whoami.test +time=1 -b $STRANGER -p 5353
	both_config "{ tunnel: tun0, uplink: eth0, udp: 5353, tcp: 5353 }"
	reload_edge53
	both_works "$tc, again"
	expect "down" e53 edge down
	expect "clsact is gone" lacks "$(on edge tc qdisc show dev eth0; on edge tc qdisc show dev tun0)" clsact
	[ -z "${SHOW:-}" ] || echo "$status"
	lab_take_down
done
