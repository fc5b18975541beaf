#!/usr/bin/env bash
# A query that is too long with its PROXY header is answered TC=1 by the edge, and its client comes again by TCP, with the
# header. The checksum of that answer is made by the edge, or begun by it and completed by its kernel or by the client's:
# a wrong one is seen by the client's kernel only.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
[ "$LAB_NAT" = edge53 ] || skip "kdig answers nothing itself"
need unbound

# With EDNS: 44 bytes with the question alone, 60 with an address.
TRUNCATED="answer 44"
WHOLE="answer 60"

# query FAMILY BYTES OPTION...: a query of so many bytes, and what comes back.
query() {
	python_on client "$LAB_HERE/netpeer.py" udp "$(frontend_of "$1")" 53 www.example.com A --size "$2" "${@:3}" |
		cut -d' ' -f1-2
}

# is_truncated FAMILY BYTES HOW OPTION...
is_truncated() {
	local before
	before=$(reason_count edge truncated)
	expect "one byte too many, $3" equal "$(query "$1" "$2" "${@:4}")" "$TRUNCATED"
	expect "it is counted, $3" equal "$(reason_count edge truncated)" $((before + 1))
}

for kind in ethernet tun; do
	lab_proxy unbound $kind
	for side in client edge none; do
		# A client whose device computes checksums begins them only; where the edge's does not, its kernel completes them.
		checksums off
		if [ $side != none ]; then
			on client ethtool -K eth0 tx on >/dev/null
			on router ethtool -K wan tx on >/dev/null
		fi
		[ $side != edge ] || on edge ethtool -K eth0 tx on >/dev/null
		for from in 4 6; do
			# The way to the backend takes 1,420 bytes, of IPv4.
			room=$((from == 4 ? 1420 - 28 - 28 : 1420 - 52 - 28))
			how="IPv$from, $kind, checksums: $side"
			expect "just what fits, $how" equal "$(query $from $room)" "$WHOLE"
			is_truncated $from $((room + 1)) "$how"
			is_truncated $from $((room + 1)) "DF, $how" --df
			is_truncated $from 1400 "an even length, $how"
			if [ $from = 4 ]; then
				is_truncated 4 1400 "IP options, $how" --ip-option
				is_truncated 4 1400 "no checksum, $how" --no-checksum
			else
				is_truncated 6 1400 "an extension header, $how" --extension dest
			fi
		done
	done

	# A client that does as RFC 7766 says.
	sed -i "s/^limits:/&\n  backend_udp_size: 512/" "$LAB_TMP/edge53.yaml"
	reload_edge53
	for from in 4 6; do
		client=$(client_address $from 7) before=$(reason_count edge truncated)
		expect "it comes again by TCP, IPv$from, $kind" equal \
			"$(ask client "$(frontend_of $from)" "n$from.example.com" -b "$client" +padding=512)" 192.0.2.80
		expect "after TC=1, IPv$from, $kind" equal "$(reason_count edge truncated)" $((before + 1))
		expect "and is known, IPv$from, $kind" contains "$(seen_by_unbound)" "n$from $client"
	done
	lab_take_down
done
