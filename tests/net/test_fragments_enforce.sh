#!/usr/bin/env bash
# enforce and fragments: an answer of the resolver that the host fragments towards a client of MTU 1400 arrives whole,
# as from the resolver asked; a query in fragments is refused, and no part of it reaches a resolver, ours or another.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

# Counts fragments that came from clients: in the host behind edge53, and in what leaves the host.
count_fragments() {
	on host nft -f - <<-'NFT'
		table inet lab {
			counter fragments {}
			chain pre {
				type filter hook prerouting priority -450
				iifname { "ppp*", "lan0" } ip frag-off & 0x3fff != 0 counter name fragments
				iifname { "ppp*", "lan0" } ip6 nexthdr 44 counter name fragments
			}
		}
	NFT
}
is_large() { [ "${1:-0}" -gt 3000 ] || { echo "got a reply of '$1' bytes" >&2; return 1; }; }

lab_up
lab_enforce_network
count_fragments
for ns in vpn1 vpn2; do
	on $ns ip link set ppp0 mtu 1400
done
on host ip link set ppp0 mtu 1400
on host ip link set ppp1 mtu 1400
on host ip link set lan0 mtu 1400
on lan ip link set eth0 mtu 1400
network_enforce_config 'ipv6: redirect' "resolver6: \"$RESOLVER6\"" 'exempt: [10.77.0.12, "fd77::12"]'
start_edge53 host

for ns in vpn1 lan; do
	for resolver in 8.8.8.8 $RESOLVER4 $GOOGLE6 $RESOLVER6; do
		expect "an answer in fragments to $ns, asked $resolver" \
			is_large "$(netpeer $ns udp $resolver 53 big.example.com TXT --wait 5 | awk '$1 == "answer" { print $2 }')"
		expect "the same for dig" equal "$(on $ns dig @$resolver big.example.com TXT +ignore +bufsize=4096 \
			+short +tries=1 +time=5 | wc -l)" 40
	done
	for size in 1500 2900 4000; do
		for resolver in 8.8.8.8 $RESOLVER4 $GOOGLE6 $RESOLVER6; do
			expect "a query of $size bytes in fragments is not answered, $ns asked $resolver" \
				lacks "$(netpeer $ns udp $resolver 53 --size $size --wait 0.3)" answer
		done
	done
done
expect "no part of a query in fragments got past edge53" equal "$(count_packets host fragments)" 0
# Three sizes to four addresses from two clients; of 1500 bytes 1 later fragment, of 2900 and 4000 bytes 2.
expect "each query in fragments is counted" equal "$(reason_count host fragmented_query)" 24
expect "each later fragment is counted" equal "$(reason_count host fragment_refused)" 40

# Fragments of other traffic, and of exempt clients, are nobody's business.
for ns in vpn1 lan; do
	expect "a ping in fragments from $ns" on $ns ping -q -c 2 -i 0.05 -W 5 -s 4000 8.8.8.8 >"$LAB_TMP/ping.log"
	expect "a ping in fragments over IPv6 from $ns" on $ns ping -q -c 2 -i 0.05 -W 5 -s 4000 $GOOGLE6 >"$LAB_TMP/ping.log"
	for server in 8.8.8.8 $GOOGLE6; do
		expect "3000 bytes from $ns to port 5353 of $server and back" \
			contains "$(netpeer $ns udp $server 5353 --size 3000 --wait 5)" answer
	done
done
for server in 8.8.8.8 $GOOGLE6; do
	expect "a query in fragments of an exempt client to $server" \
		contains "$(netpeer vpn2 udp $server 53 --size 3000 --wait 5)" answer
done

reload_enforce 'ipv6: drop'
before=$(count_packets host fragments)
for ns in vpn1 lan; do
	expect "ipv6: drop refuses a query in fragments at its first, $ns" \
		equal "$(netpeer $ns udp $GOOGLE6 53 --size 3000 --wait 5)" "error EACCES 1 1 0 $GOOGLE6"
done
expect "and no other part of it passes" equal "$(count_packets host fragments)" "$before"
