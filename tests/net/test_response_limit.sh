#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# response_limit: a client behind it is told to come by TCP (TC=1), comes, has the whole answer, and is not limited any more;
# other prefixes are not touched. any: truncate does that to queries of type ANY. By tc and by XDP; status shows both.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables limits otherwise"
need dig ethtool jq

# Two of the answers below, of 1,420 bytes of IP, and half of one more. A byte a second does not matter in this test.
LIMIT='{ bytes_per_second: 1, burst: 3550, prefix: { ipv4: 32 }, exempt: [203.0.113.9] }'

cut() { reason_count edge response_truncated; }
any() { reason_count edge any_truncated; }

# answer CLIENT NAME TYPE DIG-OPTIONS...: its flags, and how many records it has.
answer() {
	local client=$1 name=$2 type=$3
	shift 3
	on client dig "@$FRONTEND" "$name.example.com" "$type" -b "$client" +bufsize=1400 +tries=1 +time="$LAB_ANSWER_SECONDS" "$@" |
		sed -n 's/^;; flags: \(.*\); QUERY: 1, ANSWER: \([0-9]*\),.*/\1: \2/p'
}
by_udp() { answer "$1" fit TXT +notcp +ignore; }

# is_limited CLIENT BY: two answers, then none, until it came by TCP.
is_limited() {
	local before
	before=$(cut)
	for n in 1 2; do
		expect "$1: answer $n is whole" equal "$(by_udp "$1")" "qr aa rd: 6"
	done
	for n in 3 4; do
		expect "$1: answer $n is cut, $2" equal "$(by_udp "$1")" "qr tc rd: 0"
	done
	expect "$1: both are counted" equal $(($(cut) - before)) 2
	expect "$1: who comes by TCP has all of it" equal "$(answer "$1" fit TXT +notcp)" "qr aa rd: 6"
	for n in 5 6 7; do
		expect "$1: who came by TCP is not limited" equal "$(by_udp "$1")" "qr aa rd: 6"
	done
	expect "$1: and nothing was cut but what led there" equal $(($(cut) - before)) 3
}

is_no_any() { # CLIENT BY
	local before
	before=$(any)
	expect "ANY by UDP is truncated, $2" equal "$(answer "$1" www ANY +notcp +ignore)" "qr tc rd: 0"
	expect "and counted" equal $(($(any) - before)) 1
	expect "ANY by TCP is answered" equal "$(answer "$1" www ANY +tcp)" "qr aa rd: 1"
	expect "another type is answered" equal "$(answer "$1" www A +notcp +ignore)" "qr aa rd: 1"
}

lab_up
lab_edge ethernet
edge_config eth1
sed -i "s/^    client_ip: none/    response_limit: $LIMIT\n    any: truncate/" "$LAB_TMP/edge53.yaml"
start_edge53 edge

# With partial checksums, as veth has them, tc cuts and answers; without, XDP does.
is_limited 203.0.113.20 'by tc'
is_no_any 203.0.113.20 'by tc'
on client ethtool -K eth0 tx off >/dev/null
on backend ethtool -K eth0 tx off >/dev/null
is_limited 203.0.113.21 'by XDP'
is_no_any 203.0.113.21 'by XDP'

n=$(cut)
for i in 1 2 3 4; do
	expect "who is exempt is not limited ($i)" equal "$(by_udp 203.0.113.9)" "qr aa rd: 6"
done
for i in 1 2; do
	expect "another prefix is not limited by these ($i)" equal "$(by_udp 203.0.113.8)" "qr aa rd: 6"
done
expect "nothing was cut" equal "$(cut)" "$n"

e53 edge status --json >"$LAB_TMP/status.json"
expect "status has the limit" jq -e '.services[0] | .rate_limit == null and .any == "truncate" and .response_limit ==
	{bytes_per_second: 1, burst_bytes: 3550, prefix: {ipv4: 32, ipv6: 56}, proven_seconds: 600}' "$LAB_TMP/status.json"
limits=$(e53 edge status | sed -n '/^Limits by UDP/,/^$/p')
expect "and for people" contains "$limits" '1 bytes a second, 3550 at once'
expect "and ANY" contains "$limits" 'type ANY'
