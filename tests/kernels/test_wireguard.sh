#!/usr/bin/env bash
# The kernel's WireGuard between edge and backend, with its MTU of 1420: what is larger than that.
# (What else there is to see on it, the net tests see: here they run on it.)
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

mss() { on client ss -tniH dst $FRONTEND | grep -o ' mss:[0-9]*' | cut -d: -f2 | sort -n | tail -n 1; }
mtu() { on "$1" ip -j link show dev "$2" | json_get "d[0]['mtu']"; }

lab_up
lab_edge wireguard
[ "$LAB_WIREGUARD" = kernel ] || skip "this kernel has no WireGuard"
expect "it is the kernel's device" contains "$(on edge ip -d link show wg0)" wireguard
expect "the MTU of WireGuard" equal "$(mtu edge wg0)" 1420
edge_config wg0
start_edge53 edge

expect "a reply of 3 kB is truncated over UDP and comes over TCP" \
	equal "$(on client dig @$FRONTEND big.example.com TXT +short +tries=1 +time=30 +bufsize=1232 | wc -l)" 40
expect "and over TCP at once" equal "$(on client dig @$FRONTEND big.example.com TXT +short +tries=1 +time=30 +tcp | wc -l)" 40

size() { on client dig @$FRONTEND "$@" +tries=1 +time=30 +nocookie +ignore | sed -n 's/^;; MSG SIZE *rcvd: //p'; }
expect "a UDP reply that just fits the tunnel" equal "$(size fit.example.com TXT +bufsize=1392)" 1392
expect "and whole, over TCP" equal "$(size fit.example.com TXT +bufsize=1392 +tcp)" 1392
expect "a zone transfer: segments as large as they can be" \
	equal "$(on client timeout 120 dig @$FRONTEND bulk.test AXFR +noall +answer | wc -l)" $LAB_BULK
expect "as many queries before the first answer is read" dnsclient client pipeline $FRONTEND 500

before=$(reason_count edge fragment_sent)
expect "a UDP reply of three fragments reaches the client" \
	on client dig @$FRONTEND big.example.com TXT +bufsize=4096 +ignore +tries=1 +time=10
expect "its later fragments are counted" equal "$(reason_count edge fragment_sent)" $((before + 2))

# 1398 bytes of DNS are 1426 of IP.
long=$(printf '00%.0s' {1..1350})
expect "a query larger than the MTU of the tunnel is answered" \
	equal "$(ask client $FRONTEND www.example.com +ednsopt=65001:"$long")" 192.0.2.80
expect "and one that just fits" equal "$(ask client $FRONTEND www.example.com +ednsopt=65001:"${long:12}")" 192.0.2.80

spawn client hold.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold $FRONTEND "$LAB_TMP/stop"
holder=$SPAWNED
has_mss() { [ -n "$(mss)" ]; }
wait_until 60 has_mss || fail "no connection"
# 1420 less 40; a sender counts 12 bytes of timestamps as header too.
expect "a connection's segments fit the tunnel: $(mss)" test "$(mss)" -le 1380
touch "$LAB_TMP/stop"
wait_until 60 gone "$holder" || fail "the connection does not end"
wait "$holder" || fail "the connection failed"
