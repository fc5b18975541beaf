#!/usr/bin/env bash
# Two backends with weights 3 and 1 get about that much; a TCP connection stays where it began.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

# times ANSWER TRANSPORT
times() { awk -v answer="$1" '$1 == answer { n = $2 } END { print n + 0 }' "$LAB_TMP/$2.txt"; }

# weights_hold KIND DEVICE
weights_hold() {
	local kind=$1 transport count option first second
	lab_up
	lab_edge "$kind"
	start_knot backend second 192.0.2.81 "$BACKEND2@31053" "$BACKEND2@31054"
	write_config <<-YAML
		edge:
		  - name: public-dns
		    interface: eth0
		    address: [$FRONTEND]
		    tunnel: $2
		    source: $TUNNEL_SOURCE
		    backends:
		      - { address: $BACKEND, udp: 31053, tcp: 31054, weight: 3 }
		      - { address: $BACKEND2, udp: 31053, tcp: 31054, weight: 1 }
	YAML
	start_edge53 edge
	for transport in udp tcp; do
		option=() count=2000
		[ $transport = udp ] || option=(--tcp) count=800
		dnsclient client tally $FRONTEND $count "${option[@]}" >"$LAB_TMP/$transport.txt" ||
			fail "$transport queries over $kind"
		first=$(times 192.0.2.80 $transport)
		second=$(times 192.0.2.81 $transport)
		expect "every $transport query over $kind is answered" equal $((first + second)) $count
		# 75 % give or take four standard deviations of a fair choice
		expect "weights 3:1 gave $first:$second on $transport over $kind" \
			awk -v a="$first" -v n="$count" 'BEGIN { d = a / n - 0.75; exit !(d * d < 16 * 0.1875 / n) }'
	done
	for _ in 1 2 3 4 5 6 7 8; do
		expect "a connection stays with its backend over $kind" dnsclient client stays $FRONTEND 100
	done
	lab_take_down
}

weights_hold wireguard wg0
weights_hold ethernet eth1
