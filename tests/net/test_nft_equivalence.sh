#!/usr/bin/env bash
# nftables and edge53 do the same job: the same client script gets the same answers, but for what is
# only edge53's. Both ways: DNAT and masquerade to a backend, and DNAT of what VPN clients ask.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need nft kdig

# answer NAME DIG-OPTIONS...: all of the answer that is not chance, and how dig took it.
answer() {
	local ns=$1 status=0
	shift
	echo "== $*"
	on "$ns" dig "$@" +tries=1 +time=30 +nocookie +noall +comments +question +answer +authority +additional \
		>"$LAB_TMP/answer" 2>&1 || status=$?
	sed -E 's/, id: [0-9]+/, id: */; /^$/d' "$LAB_TMP/answer"
	echo "dig ends with $status"
}

# The two scripts. No query's answer depends on the time or on the order.
edge_script() {
	local transport server=@$FRONTEND
	for transport in +notcp +tcp; do
		answer client $server $transport www.example.com
		answer client $server $transport www.example.com -b 203.0.113.7
		answer client $server $transport www.example.com AAAA
		answer client $server $transport example.com SOA +dnssec
		answer client $server $transport example.com NS +norecurse
		answer client $server $transport text.example.com TXT
		answer client $server $transport wWw.eXaMpLe.com +qr
		answer client $server $transport example.org
		answer client $server $transport nothing.whoami.test TXT
		answer client $server $transport whoami.test
		answer client $server $transport www.example.com +noedns
		answer client $server $transport www.example.com +ednsopt=65001:"$(printf '00%.0s' {1..400})"
		answer client $server $transport www.example.com +subnet=192.0.2.0/24
		answer client $server $transport version.bind CH TXT
		answer client $server $transport www.example.com +opcode=NOTIFY
		answer client $server $transport www.example.com +opcode=STATUS
		answer client $server $transport www.example.com +header-only
		answer client $server $transport example.com ANY
	done
	answer client $server big.example.com TXT +bufsize=1232
	answer client $server big.example.com TXT +bufsize=1232 +ignore
	answer client $server +tcp bulk.test AXFR
	answer client $server +tcp example.com AXFR
}
enforce_script() {
	local transport resolver vpn
	for transport in +notcp +tcp; do
		for resolver in 8.8.8.8 9.9.9.9 $RESOLVER; do
			for vpn in vpn1 vpn2; do
				answer $vpn @$resolver $transport www.example.com
			done
			answer vpn1 @$resolver $transport example.org
			answer vpn1 @$resolver $transport www.example.com TXT
			answer vpn1 @$resolver $transport www.example.com +noedns +norecurse
		done
		answer vpn1 @2001:4860:4860::8888 $transport www.example.com +time=1
		answer host @8.8.8.8 $transport www.example.com
	done
	dnsclient vpn1 twins 8.8.8.8 9.9.9.9 && echo "two resolvers from one UDP port"
}

# compare LAB NAMESPACE SCRIPT
compare() {
	local nat
	for nat in nft edge53; do
		LAB_NAT=$nat
		start_edge53 "$1"
		"$2" >"$LAB_TMP/$nat.txt" || fail "the script of $1 with $nat"
		[ $nat != nft ] || unnft "$1"
	done
	expect "the script of $1 does not say much" test "$(grep -c '^dig ends with 0' "$LAB_TMP/nft.txt")" -gt 20
	diff -u "$LAB_TMP/nft.txt" "$LAB_TMP/edge53.txt" || fail "answers of $1 differ: - nftables, + edge53"
	echo "$1: $(grep -c '^== ' "$LAB_TMP/nft.txt") answers are the same"
}
unnft() {
	on "$1" nft delete table ip lab
	on "$1" nft delete table ip6 lab 2>/dev/null || true
	[ "$1" != edge ] || on edge sysctl -qw net.ipv4.ip_forward=0
}

lab_up
lab_edge wireguard
edge_config wg0
compare edge edge_script
lab_take_down

lab_up
lab_enforce
enforce_config ""
compare host enforce_script
