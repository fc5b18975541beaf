#!/usr/bin/env bash
# Replies that the backend sends in fragments arrive whole, in whatever order the later ones come, in both families
# and from one to the other; a query in fragments is refused, and no part of it reaches the backend.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
need nft

ORDERED=31061 SWAPPED=31062
# large_answer FRONTEND: the bytes of a reply of 3.5 kB that came over UDP.
large_answer() { netpeer client udp "$1" 53 big.example.com TXT --wait 3 | awk '$1 == "answer" { print $2 }'; }
is_large() { [ "${1:-0}" -gt 3000 ] || { echo "got a reply of '$1' bytes" >&2; return 1; }; }
serves() { answers client $FRONTEND6; }

for kind in tun ethernet; do
	lab_up
	lab_network $kind
	on backend nft -f - <<-NFT
		table inet lab {
			counter fragments {}
			chain pre {
				type filter hook prerouting priority -450
				iifname $FAR_TUNNEL ip frag-off & 0x3fff != 0 counter name fragments
				iifname $FAR_TUNNEL ip6 nexthdr 44 counter name fragments
			}
		}
	NFT
	for family in 4 6; do
		start_netpeer backend ordered-$family.log fragments "$(backend_of $family)" $ORDERED 0 1 2
		start_netpeer backend swapped-$family.log fragments "$(backend_of $family)" $SWAPPED 0 3 1 2
	done
	network_config "$BACKEND"
	start_edge53 edge
	for to in 4 6; do
		reload_network "$(backend_of $to)"
		wait_until 20 serves || fail "no answer from the IPv$to backend"
		for from in 4 6; do
			frontend=$(frontend_of $from) what="IPv$from client, IPv$to backend, $kind"
			expect "a reply that the backend's stack fragments, $what" is_large "$(large_answer "$frontend")"
			expect "the same for dig, $what" equal "$(on client dig "@$frontend" big.example.com TXT +ignore +bufsize=4096 \
				+short +tries=1 +time=5 | wc -l)" 40
			expect "a query in fragments is refused, $what" \
				equal "$(netpeer client udp "$frontend" 53 --size 2500 --wait 0.5)" silence
		done
	done
	expect "no part of a query in fragments reaches the backend, $kind" equal "$(count_packets backend fragments)" 0
	expect "each query in fragments is counted, $kind" equal "$(reason_count edge fragmented_query)" 4
	expect "each later fragment is counted, $kind" equal "$(reason_count edge fragment_refused)" 4

	for to in 4 6; do
		for port in $ORDERED $SWAPPED; do
			reload_network "$(backend_of $to),$port"
			size=$((port == ORDERED ? 2992 : 4192))
			arrives() { [ "$(netpeer client udp $FRONTEND6 53 --wait 1)" = "answer $size 62" ]; }
			wait_until 20 arrives || fail "no reply in fragments by hand from the IPv$to backend, port $port, $kind"
			for from in 4 6; do
				expect "a reply in fragments by hand, IPv$from client, IPv$to backend, port $port, $kind" \
					equal "$(netpeer client udp "$(frontend_of $from)" 53 --wait 5)" "answer $size 62"
			done
		done
	done
	lab_take_down
done
