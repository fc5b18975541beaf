#!/usr/bin/env bash
# A client's device that is moved into another network namespace is not ours any more: nothing of ours stays on it, with
# a loader and with one that was dead meanwhile; when it comes back it is attached again. And a default route that
# goes without a word, with its nexthop or with the address that is its source, is noticed.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables attaches nothing"
need bpftool

programs() { on "$1" bpftool --json net show | json_get "len([x for n in d for k in ('xdp', 'tc') for x in n[k]])"; }
hooks() {
	e53 host status --json |
		json_get "' '.join(sorted(h['hook'].split('_')[1] for h in d['hooks'] if h['device'] == '$1'))"
}
has_hooks() { [ "$(hooks "$1")" = "$2" ]; }
has_no_programs() { [ "$(programs "$1")" = 0 ]; }
has_guard() { [[ $(hooks eth0) == *egress* ]]; }
has_no_guard() { ! has_guard; }

lab_up
for ns in host other; do
	add_namespace $ns
done
on host ip addr add "$RESOLVER/32" dev lo
on host ip link add eth0 type veth peer name far
on host ip addr add 198.51.100.2/24 dev eth0
on host ip addr add 198.51.100.3/32 dev lo
on host ip link set eth0 up
on host ip link set far up
on host ip link add ppp0 type veth peer name client0

for how in auto clsact; do
	enforce_config ""
	start_edge53 host --attach $how
	wait_until 60 has_hooks ppp0 "egress ingress" || fail "$how: ppp0 is not attached: $(hooks ppp0)"
	on host ip link set ppp0 netns "$LAB_ID-other"
	wait_until 60 has_hooks ppp0 "" || fail "$how: ppp0 has gone, and status has: $(hooks ppp0)"
	expect "$how: no pin of it is left" lacks "$(ls "$LAB_PINS/links")" ppp0
	wait_until 60 has_no_programs other || fail "$how: in the other namespace programs run on: $(programs other)"
	[ $how = clsact ] ||
		expect "that is said" grep -q 'ppp0 was moved to another network namespace' "$LAB_TMP/edge53.log"
	on other ip link set ppp0 netns "$LAB_ID-host"
	wait_until 60 has_hooks ppp0 "egress ingress" || fail "$how: ppp0 is back, and has: $(hooks ppp0)"

	kill_edge53
	on host ip link set ppp0 netns "$LAB_ID-other"
	start_edge53 host --attach $how
	wait_until 60 has_no_programs other || fail "$how: moved without a loader: programs run on: $(programs other)"
	expect "$how: moved without a loader: no pin of it is left" lacks "$(ls "$LAB_PINS/links")" ppp0
	on other ip link set ppp0 netns "$LAB_ID-host"
	wait_until 60 has_hooks ppp0 "egress ingress" || fail "$how: ppp0 is back once more, and has: $(hooks ppp0)"
	expect "down" e53 host down
done

# The guard is where the default route leaves. Each regular look of the loader's would find out, too, within 5 s; so the
# fastest of some must be faster than that, as a machine may be busy.
now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }
by_nexthop() {
	on host ip nexthop add id 7 via 198.51.100.1 dev eth0
	on host ip route add default nhid 7
}
by_source() { on host ip route add default via 198.51.100.1 dev eth0 src 198.51.100.3; }
no_nexthop() { on host ip nexthop del id 7; }
no_source() { on host ip addr del 198.51.100.3/32 dev lo; }
enforce_config "" drop
start_edge53 host
for way in nexthop source; do
	fastest=99999
	for _ in 1 2 3 4; do
		[ $way = nexthop ] || on host ip addr replace 198.51.100.3/32 dev lo
		by_$way
		wait_until 60 has_guard || fail "no guard on the device of the default route: $(hooks eth0)"
		begin=$(now_ms)
		no_$way
		expect "the route has gone with its $way" lacks "$(on host ip route show default)" default
		wait_until 60 has_no_guard || fail "the guard stays when the route has gone with its $way"
		took=$(($(now_ms) - begin))
		[ $took -ge $fastest ] || fastest=$took
	done
	echo "a default route that goes with its $way: noticed after $fastest ms"
	expect "a default route that goes with its $way is noticed at once, not after $fastest ms" test $fastest -lt 1500
done
expect "down" e53 host down
