#!/usr/bin/env bash
# `check` on a host of VPN clients: what it says of nftables is what the clients see, and its commands mend that.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_check.sh"
need nft ss unshare
[ "$LAB_NAT" = edge53 ] || skip "nftables has no edge53 check"

lab_up
lab_enforce
enforce_config ""
check_host host
expect "nothing is found on a host that is ready" is_clean

# A client that asks the resolver itself takes the way of what edge53 turns to it.
served() { LAB_ANSWER_SECONDS=2 answers "$1" $RESOLVER "${@:2}"; }
hears() { wait_until 60 served "$@"; }

# filter: an input chain of these rules, with policy drop.
filter() {
	on host nft -f - <<-NFT
		table inet filter
		delete table inet filter
		table inet filter {
			set clients { type ipv4_addr; elements = { 10.77.0.11 } }
			chain input {
				type filter hook input priority filter; policy drop;
				iifname lo accept
				ct state vmap { established : accept, related : accept, invalid : drop }
				$1
			}
		}
	NFT
}

# ---------------------------------------------------------------- the way to the resolver

filter 'meta l4proto { icmp, ipv6-icmp } accept; tcp dport 22 accept; iifname eth0 udp dport 53 accept'
finds error nft-drops-resolver "drops UDP and TCP queries to resolver $RESOLVER port 53"
expect "by the policy" contains "$(of_finding what nft-drops-resolver)" "the policy of table inet filter, chain input"
expect "and so it is" fails served vpn1
mended nft-drops-resolver
expect "the client is served after that" hears vpn1
expect "by TCP, too" hears vpn1 +tcp

filter 'iifname "ppp*" udp dport 53 accept'
finds error nft-drops-resolver "drops TCP queries"
expect "UDP is served" hears vpn1
expect "TCP is not" fails served vpn1 +tcp
mended nft-drops-resolver
expect "TCP is served after that" hears vpn1 +tcp

filter 'ip saddr @clients th dport 53 accept; iifname "ppp*" tcp dport { 80, 443 } accept'
finds warning nft-may-drop-resolver "may drop UDP and TCP"
expect "one client is served" hears vpn1
expect "the other one is not" fails served vpn2
mended nft-may-drop-resolver
expect "both are after that" hears vpn2

filter 'iifname "ppp*" jump vpn
	}
	chain vpn {
		ip daddr 10.77.0.0/24 meta l4proto . th dport vmap { tcp . 53 : accept, udp . 53 : accept }
		drop'
expect "an allowlist that admits it in a chain of its own" is_clean
expect "and so it is" hears vpn2 +tcp

on host nft add chain inet filter early '{ type filter hook prerouting priority -300; }'
on host nft add rule inet filter early iifname ppp0 udp dport 53 drop
finds warning nft-may-drop-resolver "chain early, handle"
on host nft add rule inet filter early iifname '"ppp*"' udp dport 53 drop
finds error nft-drops-resolver "chain early, handle"
expect "and so it is" fails served vpn2
mended nft-drops-resolver
on host nft delete table inet filter

on host nft add table inet out
on host nft add chain inet out output '{ type filter hook output priority 0; policy drop; }'
on host nft add rule inet out output oifname != '"ppp*"' accept
finds error nft-drops-replies "replies from resolver $RESOLVER"
expect "and so it is" fails served vpn1
mended nft-drops-replies
expect "the client is served after that" hears vpn1
on host nft delete table inet out

on host nft add table ip old
on host nft add chain ip old pre '{ type nat hook prerouting priority dstnat; }'
on host nft add rule ip old pre iifname '"ppp*"' udp dport 53 dnat to $RESOLVER
finds warning nft-redirects-53 "table ip old, chain pre"
mended nft-redirects-53
on host nft delete table ip old
expect "all is well again" is_clean

# ---------------------------------------------------------------- the resolver

unbound=$(on host ss -Hlnup sport = :53 | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1)
end_process "$unbound"
finds error resolver-not-listening "by UDP and TCP"
listen host udp $RESOLVER
udp_listener=$LISTENER
finds error resolver-not-listening "by TCP"
listen host tcp 127.0.0.1
finds error resolver-not-listening "by TCP"
end_process "$LISTENER"
listen host tcp ::
finds_not resolver-not-listening 1
finds error no-answer "no resolver answers a query by UDP"
finds warning backend-silent "resolver $RESOLVER" 1
end_process "$LISTENER" "$udp_listener"
start_unbound
expect "all is well again" is_clean

sed -i 's/resolver: .*/resolver: 10.77.9.9/' "$LAB_TMP/edge53.yaml"
finds error resolver-missing 10.77.9.9
mended resolver-missing 1
enforce_config ""

# ---------------------------------------------------------------- IPv6, and no client

sed -i 's/ipv6: drop/ipv6: pass/' "$LAB_TMP/edge53.yaml"
for device in ppp0 ppp1 'devices to come'; do
	finds warning ipv6-open "IPv6 is open on $device (the host forwards"
	command=$(of_finding mend ipv6-open)
	there sh -ec "$command" >/dev/null || fail "$command"
done
finds_not ipv6-open
enforce_config ""
sed -i 's/"ppp\*"/"zzz*"/' "$LAB_TMP/edge53.yaml"
finds note no-device-yet 'zzz*'
sed -i 's/"zzz\*"/zzz0/' "$LAB_TMP/edge53.yaml"
finds error interface-missing zzz0
