#!/usr/bin/env bash
# enforce and IPv6: redirect, drop and pass, for clients of a tunnel and of a LAN, UDP and TCP; and exempt ones.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

lab_up
lab_enforce_network
for ns in vpn1 lan; do
	expect "without edge53 the lab lets IPv6 leak from $ns" tells $ns $GOOGLE6 $FOREIGN
done
exempt='exempt: [10.77.0.12, "fd77::12"]'
network_enforce_config 'ipv6: redirect' "resolver6: \"$RESOLVER6\"" "$exempt"
start_edge53 host
exempt_is_free() {
	expect "an exempt client gets the answer of whom it asks, $1" tells vpn2 $GOOGLE6 $FOREIGN
	expect "an exempt client, TCP, $1" tells vpn2 $GOOGLE6 $FOREIGN +tcp
	expect "an exempt client over IPv4, $1" tells vpn2 8.8.8.8 $FOREIGN
	before=$(leaked)
}

before=$(leaked)
for ns in vpn1 lan; do
	for resolver in $GOOGLE6 $QUAD6 $RESOLVER6 2001:db8:dead::1; do
		expect "redirect: $ns asks $resolver" tells $ns $resolver $OURS
		expect "redirect: $ns asks $resolver over TCP" tells $ns $resolver $OURS +tcp
		expect "redirect: A and AAAA from one port of $ns to $resolver, hop limits as the resolver sent them" \
			equal "$(netpeer $ns pair $resolver)" 64
	done
	for extension in hop dest; do
		expect "redirect: $ns asks with an extension header ($extension)" \
			contains "$(netpeer $ns udp $GOOGLE6 53 --extension $extension)" answer
	done
	expect "redirect: IPv4 beside it, $ns" tells $ns 8.8.8.8 $OURS
	expect "redirect: other IPv6 of $ns passes" pings $ns $GOOGLE6
	expect "redirect: other ports of $ns pass" outcome_is $ns udp $GOOGLE6 5353 works
done
expect "redirect: a link-local resolver" tells vpn1 fe80::1%ppp0 $OURS
expect "redirect: a link-local resolver over TCP" tells vpn1 fe80::1%ppp0 $OURS +tcp
expect "redirect: nothing leaked" equal "$(leaked)" "$before"
exempt_is_free redirect

reload_enforce 'ipv6: drop' "$exempt"
before=$(leaked)
for ns in vpn1 lan; do
	for resolver in $GOOGLE6 $QUAD6 $RESOLVER6; do
		expect "drop: a datagram of $ns to $resolver is refused at once" refused_with $ns udp $resolver 53 EACCES
		expect "drop: a connection of $ns to $resolver is refused at once" refused_with $ns tcp $resolver 53 ECONNREFUSED
	done
	expect "drop: the refusal is an administrative one, from the address asked, $ns" \
		equal "$(netpeer $ns udp $GOOGLE6 53)" "error EACCES 1 1 0 $GOOGLE6"
	expect "drop: it also covers a query behind an extension header, $ns" \
		equal "$(netpeer $ns udp $GOOGLE6 53 --extension dest)" "error EACCES 1 1 0 $GOOGLE6"
	expect "drop: a client with both goes on over IPv4, $ns" tells $ns 8.8.8.8 $OURS
	expect "drop: other IPv6 of $ns passes" pings $ns $GOOGLE6
	expect "drop: other ports of $ns pass" outcome_is $ns udp $GOOGLE6 5353 works
done
expect "drop: the link-local address of the host" refused_with vpn1 udp fe80::1%ppp0 53 EACCES
expect "drop: nothing leaked" equal "$(leaked)" "$before"
exempt_is_free drop

reload_enforce 'ipv6: pass' "$exempt"
for ns in vpn1 lan; do
	expect "pass: UDP of $ns" tells $ns $GOOGLE6 $FOREIGN
	expect "pass: TCP of $ns" tells $ns $GOOGLE6 $FOREIGN +tcp
	expect "pass: IPv4 of $ns goes to our resolver" tells $ns 8.8.8.8 $OURS
	expect "pass: an extension header of $ns" \
		contains "$(netpeer $ns udp $GOOGLE6 53 --extension dest)" answer
done
exempt_is_free pass
