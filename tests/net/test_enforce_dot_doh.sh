#!/usr/bin/env bash
# enforce: DNS over TLS and QUIC (port 853) and listed DoH servers (port 443) are refused, dropped or let through,
# TCP and UDP, both families; what is not listed, and who is exempt, is left alone.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"

EXEMPT='exempt: [10.77.0.12, "fd77::12"]'
LISTED='[8.8.8.8, 1.0.0.0/8, "2001:4860:4860::/48"]'    # one server of each family; 9.9.9.9 and QUAD6 are not

# fate NAME PORT SERVERS rejected | silence | works
fate() {
	local ns=$1 port=$2 servers=$3 fate=$4 server error what
	for server in $servers; do
		what="$ns, port $port of $server, $fate"
		case $fate in
		rejected)
			case $server in
			*:*) error=EACCES ;;
			*) error=EHOSTUNREACH ;;
			esac
			expect "UDP: $what" refused_with "$ns" udp "$server" "$port" $error
			expect "TCP: $what" refused_with "$ns" tcp "$server" "$port" ECONNREFUSED
			;;
		*)
			expect "UDP: $what" outcome_is "$ns" udp "$server" "$port" "$fate"
			expect "TCP: $what" outcome_is "$ns" tcp "$server" "$port" "$fate"
			;;
		esac
	done
}
lab_up
lab_enforce_network
fate vpn1 853 "8.8.8.8 $GOOGLE6" works
fate lan 443 "8.8.8.8 $GOOGLE6" works

network_enforce_config 'dot: reject' "doh: { addresses: $LISTED, action: reject }" "$EXEMPT"
start_edge53 host
for ns in vpn1 lan; do
	fate $ns 853 "8.8.8.8 $GOOGLE6 9.9.9.9 $QUAD6" rejected
	fate $ns 443 "8.8.8.8 $GOOGLE6" rejected
	fate $ns 443 "9.9.9.9 $QUAD6" works
	fate $ns 5353 "8.8.8.8 $GOOGLE6" works
	expect "port 53 beside it, $ns" tells $ns 8.8.8.8 $OURS
done
expect "it is told as an administrative one, by the address asked" \
	equal "$(netpeer vpn1 udp 8.8.8.8 853)" "error EHOSTUNREACH 3 13 0 8.8.8.8"
expect "the same over IPv6" equal "$(netpeer vpn1 udp $GOOGLE6 443)" "error EACCES 1 1 0 $GOOGLE6"
fate vpn2 853 "8.8.8.8 $GOOGLE6" works
fate vpn2 443 "8.8.8.8 $GOOGLE6" works
expect "each refusal has its reason (dot)" test "$(reason_count host dot_rejected)" -ge 16
expect "each refusal has its reason (doh)" test "$(reason_count host doh_rejected)" -ge 8

reload_enforce 'dot: drop' "doh: { addresses: $LISTED, action: drop }" "$EXEMPT"
for ns in vpn1 lan; do
	fate $ns 853 "8.8.8.8 $GOOGLE6" silence
	fate $ns 443 "8.8.8.8 $GOOGLE6" silence
	fate $ns 443 "9.9.9.9 $QUAD6" works
done
fate vpn2 853 "8.8.8.8 $GOOGLE6" works
fate vpn2 443 "8.8.8.8 $GOOGLE6" works

reload_enforce 'dot: pass' "$EXEMPT"
for ns in vpn1 lan; do
	fate $ns 853 "8.8.8.8 $GOOGLE6" works
	fate $ns 443 "8.8.8.8 $GOOGLE6" works
done

# The list as a file of 100,000 prefixes: it is taken while the service goes on, and all of it counts.
awk 'BEGIN {
	for (i = 0; i < 50000; i++) printf "100.%d.%d.0/24\n", 64 + i / 256 % 64, i % 256
	for (i = 0; i < 50000; i++) printf "2001:db8:%x::/48\n", i
	print "8.8.8.8\n2001:4860:4860::8888"
}' >"$LAB_TMP/doh.txt"
begin=$EPOCHREALTIME
reload_enforce 'dot: reject' "doh: { file: \"$LAB_TMP/doh.txt\", action: reject }" "$EXEMPT"
expect "100,000 prefixes must not take long" test $((${EPOCHREALTIME%.*} - ${begin%.*})) -lt 15
for ns in vpn1 lan; do
	fate $ns 443 "8.8.8.8 $GOOGLE6" rejected
	fate $ns 443 "9.9.9.9 $QUAD6" works
done
