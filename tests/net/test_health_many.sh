#!/usr/bin/env bash
# 200 backends of which one answers, asked by a loader that may open few files: all the others are found dead, no
# descriptor is left behind, and what is at work is not disturbed.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need nft

MANY=200
lab_up
lab_edge ethernet
# Silent, not unreachable: that takes the longest.
on backend nft -f - <<-'NFT'
	table inet lab {
		chain input {
			type filter hook input priority 0
			ip daddr 10.172.91.0/24 drop
		}
	}
NFT
on backend ip addr add 10.172.91.1/24 dev eth0
on edge ip route add 10.172.91.0/24 via $BACKEND
{
	cat <<-YAML
		edge:
		  - name: public-dns
		    interface: eth0
		    address: [$FRONTEND]
		    source: $TUNNEL_SOURCE
		    tunnel: eth1
		    on_down: servfail
		    health: { interval: 1s, fall: 3 }
		    backends:
		      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	YAML
	for ((n = 1; n < MANY; n++)); do
		echo "      - { address: 10.172.91.$n, udp: 53, tcp: 53 }"
	done
} | write_config

count() { e53 edge status --json | json_get "sum(b['health'][p]['state'] == '$1' for b in d['services'][0]['backends'] for p in ('udp', 'tcp'))"; }
is_count() { [ "$(count "$1")" = "$2" ]; }
descriptors() { find "/proc/$EDGE53_PID/fd" -mindepth 1 2>/dev/null | wc -l; }

limit=$(ulimit -Sn)
ulimit -Sn 256
start_edge53 edge
ulimit -Sn "$limit"
most=0
all_found() {
	local now
	now=$(descriptors)
	[ "$now" -le "$most" ] || most=$now
	is_count dead $((2 * MANY - 2))
}
wait_until 60 all_found || fail "of $((2 * MANY - 2)) only $(count dead) are found dead"
expect "the one that answers is up" is_count up 2
expect "it answers clients" equal "$(ask client "$FRONTEND" www.example.com)" 192.0.2.80
expect "$most descriptors at a time" test "$most" -lt 200
expect "nothing is said of too many open files" lacks "$(cat "$LAB_TMP/edge53.log")" "Too many open files"

# Nobody is asked any more: what was open is closed.
edge_config eth1
sed -i 's/client_ip: none/health: off/' "$LAB_TMP/edge53.yaml"
kill -HUP "$EDGE53_PID"
wait_until 30 is_count off 2 || fail "health: off does not end the questions"
few_descriptors() { [ "$(descriptors)" -lt "$((most - 40))" ]; }
wait_until 30 few_descriptors || fail "$(descriptors) descriptors are left"
