#!/usr/bin/env bash
# What is not DNS to a service is none of edge53's business: it arrives as if edge53 were not there.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need socat nc cmp

OTHER=198.55.102.245            # an address of the edge host that no service has

lab_up
lab_edge wireguard
on edge ip addr add $OTHER/24 dev eth0
start_knot edge other 192.0.2.45 $OTHER@53
edge_config wg0
start_edge53 edge

expect "small pings" on client ping -q -c 20 -i 0.01 -W 2 $FRONTEND >"$LAB_TMP/ping.log"
expect "no ping is lost" grep -q ' 0% packet loss' "$LAB_TMP/ping.log"
expect "pings in fragments" on client ping -q -c 3 -i 0.05 -W 2 -s 4000 $FRONTEND >"$LAB_TMP/ping.log"
expect "pings through the tunnel" on edge ping -q -c 3 -i 0.05 -W 2 $BACKEND >"$LAB_TMP/ping.log"

# An SSH-like session: 20 MB one way and back on one connection.
head -c 20000000 /dev/urandom >"$LAB_TMP/bytes"
spawn edge echo22.log socat TCP-LISTEN:22,fork,reuseaddr EXEC:cat
tcp_listens() { on edge ss -Hltn "sport = :$1" | grep -q LISTEN; }
wait_until 60 tcp_listens 22 || fail "socat does not listen"
on client timeout 90 socat -t 60 - TCP:$FRONTEND:22 <"$LAB_TMP/bytes" >"$LAB_TMP/returned" || fail "the session on port 22"
expect "the bytes come back unchanged" cmp "$LAB_TMP/bytes" "$LAB_TMP/returned"

# The same through the tunnel: what comes from wg0 and is no reply of ours.
spawn backend echo22.log socat TCP-LISTEN:22,fork,reuseaddr EXEC:cat
wait_until 60 on edge socat -u OPEN:/dev/null TCP:$BACKEND:22 || fail "socat does not listen at the backend"
on edge timeout 90 socat -t 60 - TCP:$BACKEND:22 <"$LAB_TMP/bytes" >"$LAB_TMP/returned" || fail "the session through wg0"
expect "the bytes come back unchanged through wg0" cmp "$LAB_TMP/bytes" "$LAB_TMP/returned"

# UDP to other ports, and from port 53 to another port.
spawn edge echo5300.log socat UDP-RECVFROM:5300,fork EXEC:cat
udp_listens() { on edge ss -Hlun "sport = :$1" | grep -q .; }
wait_until 60 udp_listens 5300 || fail "socat does not listen"
# echoes PAYLOAD [NC-OPTIONS]
echoes() {
	local payload=$1
	shift
	[ "$(echo "$payload" | on client nc -u -W 1 -w 30 "$@" $FRONTEND 5300)" = "$payload" ]
}
for size in 1 11 12 100 1400; do
	payload=$(head -c "$size" /dev/zero | tr '\0' x)
	expect "UDP of $size bytes to port 5300" echoes "$payload"
done
expect "UDP from port 53 to port 5300" echoes "from 53" -p 53

expect "a DNS server on another address of the host, UDP" equal "$(ask client $OTHER www.example.com)" 192.0.2.45
expect "a DNS server on another address of the host, TCP" equal "$(ask client $OTHER www.example.com +tcp)" 192.0.2.45
expect "the host's own dig to its backend, UDP" equal "$(ask edge $BACKEND www.example.com -p 31053)" 192.0.2.80
expect "the host's own dig to its backend, TCP" equal "$(ask edge $BACKEND www.example.com -p 31054 +tcp)" 192.0.2.80
expect "and the service works beside it" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80

# A port 53 that is not ours in the other direction: the host asks a server behind eth0.
start_knot client outside 192.0.2.46 203.0.113.9@53
expect "the host's own dig to a server on its uplink, UDP" equal "$(ask edge 203.0.113.9 www.example.com)" 192.0.2.46
expect "the host's own dig to a server on its uplink, TCP" equal "$(ask edge 203.0.113.9 www.example.com +tcp)" 192.0.2.46
expect "and from the service's own address" \
	equal "$(ask edge 203.0.113.9 www.example.com -b $FRONTEND)" 192.0.2.46
