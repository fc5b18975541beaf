#!/usr/bin/env bash
# edge53 explain: the steps, verdict, reason and bytes of a described packet, in both jobs and every kind of hook, and the
# maps, status, clients and flows are the same before and after.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_explain.sh"
need bpftool

LAB_UDP_SLOTS=1024
LAB_CLIENTS=1024

# as_is NS: everything that is pinned, and what the listings say of it. Ages go on.
as_is() {
	local map
	for map in "$LAB_PINS"/*; do
		[ -f "$map" ] || continue
		echo "$map"
		bpftool -j map dump pinned "$map"
	done
	for list in status clients flows; do
		e53 "$1" $list --json | sed -E '/"[a-z_]*(age|idle|seen)[a-z_]*":/d'
	done
}

# status_of COMMAND...: its exit status; what it says is in out.log.
status_of() {
	local status=0
	"$@" >"$LAB_TMP/out.log" 2>&1 || status=$?
	echo $status
}
mac_of() { on "$1" ip -o link show "$2" | sed 's|.*link/ether \([^ ]*\) .*|\1|'; }
# begin NS: from here on nothing may change but what the test does. same WHAT: and nothing has.
no_udp() { ! e53 "$watched" flows --json | grep -q '"udp"'; }
begin() {
	watched=$1
	# The list of flows loses what is older than ten seconds.
	wait_until 60 no_udp || fail "there are queries still"
	kill -STOP "$EDGE53_PID"
	as_is "$watched" >"$LAB_TMP/before"
	[ "$(wc -c <"$LAB_TMP/before")" -gt 10000 ] || fail "there is nothing to compare: $(head -c 1000 "$LAB_TMP/before")"
}
same() {
	as_is "$watched" >"$LAB_TMP/after"
	cmp "$LAB_TMP/before" "$LAB_TMP/after" >&2 || fail "explain has changed something: $1"
	kill -CONT "$EDGE53_PID"
}
# flow PORT KEY...: what the list says of a flow of this client port; it has those of the last ten seconds.
flow() {
	e53 edge flows --json | python -c '
import json, sys
for flow in json.load(sys.stdin)["flows"]:
    if flow["client_port"] == int(sys.argv[1]):
        print(*(flow[key] for key in sys.argv[2:]))
        break' "$@"
}
note_answered() {
	ask client $FRONTEND www.example.com -b 203.0.113.7#4998
	read -r answered_port answered_id state <<<"$(flow 4998 snat_port snat_id state)" && [ "$state" = answered ]
}
note_waiting() {
	on client dig @$FRONTEND www.example.com -b 203.0.113.7#4999 +tries=1 +time=1 || true
	read -r waiting_port waiting_id client_id state <<<"$(flow 4999 snat_port snat_id client_id state)" && [ "$state" = waiting ]
}
note_connection() {
	read -r conn_port state <<<"$(flow 4997 snat_port state)" && [ "$state" = established ]
}

# ---------------------------------------------------------------- edge: a tunnel, TCP, replies

lab_up
lab_edge wireguard
expect "not loaded is exit 3" equal "$(status_of e53 edge explain --in eth0 --from 203.0.113.7 --to $FRONTEND)" 3
expect "and is said" says "not loaded"
edge_config wg0
sed -i 's/^    client_ip: none/    health: off/; s/udp_timeout: 60s/udp_timeout: 300s\n  tcp_connections: 256/' "$LAB_TMP/edge53.yaml"
start_edge53 edge
wait_until 60 note_answered || fail "no answer, or no flow"
# A connection that stays, and one query that nobody answers.
spawn client talk.log "$LAB_PYTHON" -c "
import socket, time
s = socket.socket()
s.bind(('203.0.113.8', 4997))
s.connect(('$FRONTEND', 53))
time.sleep(600)"
wait_until 30 note_connection || fail "no connection"
kill -STOP "$KNOT_PID"
wait_until 60 note_waiting || fail "no slot waits"
begin edge

explain edge --in wg0 --from $BACKEND:31053 --to "$TUNNEL_SOURCE:$waiting_port" --reply --id "$waiting_id"
expect "the reply goes to its client" ends sent reply_sent
expect "by tc of the tunnel" equal "$(told hooks.0.program)" edge_tc_l3
expect "as the client asked" equal "$(told after.from):$(told after.from_port) $(told after.to):$(told after.to_port) $(told after.dns.id)" \
	"$FRONTEND:53 203.0.113.7:4999 $client_id"
expect "to the neighbour" equal "$(told sent.device) $(told after.eth_to)" "eth0 $(mac_of client eth0)"
expect "with a right checksum" equal "$(told after.checksum)" good
explain edge --in wg0 --from $BACKEND:31053 --to "$TUNNEL_SOURCE:$answered_port" --reply --id "$answered_id"
expect "it was answered" ends passed reply_duplicate
explain edge --in eth0 --from 203.0.113.7:4242 --to $FRONTEND --udp --name example.com --type AAAA
expect "UDP goes to the backend" ends sent query_sent
expect "both hooks" equal "$(told hooks.0.hook) $(told hooks.0.program)" "xdp edge_xdp"
expect "XDP leaves it to tc" equal "$(told hooks.0.verdict) $(told hooks.0.reason)" "XDP_PASS handed_to_tc"
expect "tc sends it" equal "$(told hooks.1.program) $(told hooks.1.verdict)" "edge_tc_l2_checked TC_ACT_REDIRECT"
expect "by the tunnel" equal "$(told sent.device) $(told sent.backend)" "wg0 $BACKEND"
expect "steps in order" contains "$(told steps)" "open_plain_flow translate_query"
expect "the last one too" contains "$(told steps)" "send_query_skb count_query"
expect "before" equal "$(told before.from):$(told before.from_port) $(told before.to):$(told before.to_port) $(told before.dns.name) $(told before.dns.type)" \
	"203.0.113.7:4242 $FRONTEND:53 example.com AAAA"
expect "after" equal "$(told after.from) $(told after.to):$(told after.to_port) $(told after.ttl)" "$TUNNEL_SOURCE $BACKEND:31053 63"
expect "the tunnel has no Ethernet header" equal "$(told before.eth_to) $(told after.eth_to)" "$(mac_of edge eth0) "
expect "checksums are right" equal "$(told before.checksum) $(told after.checksum) $(told after.ip_checksum)" "good good good"
expect "another ID" differs "$(told before.dns.id)" "$(told after.dns.id)"
in_words edge --in eth0 --from 203.0.113.7:4242 --to $FRONTEND --udp --name example.com --type AAAA
expect "people see it too" says "UDP 203.0.113.7:4242 -> $FRONTEND:53"
expect "and in hexadecimal" says "0010  00 44 00 00"
expect "the reason has its sentence" says "reason: query_sent: UDP query rewritten and sent to a backend"

explain edge --in eth0 --from 203.0.113.7 --to $FRONTEND --tcp
expect "a SYN opens a connection" ends sent tcp_opened
expect "its segments are as long as the tunnel lets them" equal "$(told before.tcp.mss) $(told after.tcp.mss)" "1460 1380"
expect "to the port of TCP" equal "$(told after.to_port)" 31054
explain edge --in eth0 --from 203.0.113.9 --to $FRONTEND --tcp --flags ACK --ack 77
expect "no such connection" ends passed no_connection
explain edge --in eth0 --from 203.0.113.8:4997 --to $FRONTEND --tcp --flags PSH,ACK --ack 77
expect "the connection that is there" ends sent tcp_query_sent
expect "with its own port" equal "$(told after.from_port)" "$conn_port"
expect "it carries a query" equal "$(told after.dns.name)" example.com

explain edge --in eth0 --from 203.0.113.7 --to $FRONTEND:80 --tcp
expect "not DNS" ends passed not_ours
in_words edge --in eth0 --from 203.0.113.7 --to $FRONTEND:80 --tcp
expect "nothing is changed" says "after: the same"
expect "whose it is then" says "the host's stack"
explain edge --in eth0 --from 203.0.113.7 --to 198.51.100.99
expect "another address" ends passed not_ours
explain edge --in eth0 --from 203.0.113.7 --to $FRONTEND --reply
expect "no query" ends dropped not_a_query
expect "nothing is left of it" equal "$(told after)" ""
explain edge --in eth0 --from 203.0.113.7 --to $FRONTEND --ttl 1
expect "its TTL is used up" ends answered ttl_expired
expect "the client is told" equal "$(told after.protocol) $(told after.icmp_type) $(told after.to) $(told sent.device)" "1 11 203.0.113.7 eth0"

explain edge --in wg0 --from $BACKEND:31053 --to $TUNNEL_SOURCE:20000 --reply --id 1
expect "nobody asked" ends passed reply_unknown

# The packet as somebody recorded it.
explain edge --in eth0 --from 203.0.113.7:4242 --to $FRONTEND
frame=$(told before.bytes)
explain edge --in eth0 --packet "$frame"
expect "hexadecimal" ends sent query_sent
python -c '
import struct, sys
frame = bytes.fromhex(sys.argv[2])
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    f.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)' "$LAB_TMP/one.pcap" "$frame"
explain edge --in eth0 --packet "$LAB_TMP/one.pcap"
expect "a pcap file" ends sent query_sent
expect "frames are not for wg0" equal "$(status_of e53 edge explain --in wg0 --packet "$LAB_TMP/one.pcap")" 2

expect "no such device" equal "$(status_of e53 edge explain --in eth7 --from 203.0.113.7 --to $FRONTEND)" 1
expect "what is attached" says "attached are: eth0, wg0"
expect "not attached" equal "$(status_of e53 edge explain --in eth1 --from 203.0.113.7 --to $FRONTEND)" 1
expect "that is said" says "nothing attached to eth1"
expect "two families" equal "$(status_of e53 edge explain --in eth0 --from 2001:db8::1 --to $FRONTEND)" 2
expect "no address" equal "$(status_of e53 edge explain --in eth0 --from ns1.example.com --to $FRONTEND)" 2
expect "no port" equal "$(status_of e53 edge explain --in eth0 --from 203.0.113.7:65536 --to $FRONTEND)" 2
same "edge, tunnel"

remove_edge_wireguard
backend_gone() { explain edge --in eth0 --from 203.0.113.7 --to $FRONTEND && ends passed no_backend_passed; }
wait_until 60 backend_gone || fail "without wg0: $(cat "$LAB_TMP/out.json")"
lab_take_down

# ---------------------------------------------------------------- edge: Ethernet, IPv6, PROXY header, generic XDP

lab_up
lab_network ethernet 1500
write_config <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    address: [$FRONTEND, "$FRONTEND6"]
	    tunnel: eth1
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	    client_ip: proxy-v2
	    health: off
	limits:
	  udp_slots: 1024
	  tcp_connections: 256
	  clients: 1024
YAML
start_edge53 edge
expect "the neighbour is known" wait_until 30 on edge ping -c 1 -W 1 "$BACKEND"
# Before 6.3 the kernel does not say whether a device takes frames from XDP, and tc sends them.
sends=XDP_REDIRECT
[ "$(printf '6.3\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.3 ] || sends=TC_ACT_REDIRECT
sent_as_wanted() { explain edge --in eth0 --from 203.0.113.7:4242 --to $FRONTEND && [ "$(told verdict)" = $sends ]; }
wait_until 60 sent_as_wanted || fail "not $sends: $(cat "$LAB_TMP/out.json")"
begin edge
explain edge --in eth0 --from 203.0.113.7:4242 --to $FRONTEND --no-edns
expect "it is sent" ends sent query_sent
[ $sends != XDP_REDIRECT ] || expect "tc is not reached" equal "$(told hooks.1.fate)" "not reached"
expect "with a PROXY header" equal "$(told after.proxy.from):$(told after.proxy.from_port) $(told after.proxy.to)" "203.0.113.7:4242 $FRONTEND"
expect "and the query behind it" equal "$(told after.dns.name) $(told after.checksum)" "example.com good"
expect "28 bytes longer" equal "$(told after.ip_length)" $(($(told before.ip_length) + 28))
expect "to the backend's neighbour" equal "$(told sent.mac) $(told sent.next_hop)" "$(mac_of backend eth0) $BACKEND"
[ $sends != XDP_REDIRECT ] || expect "by its address" equal "$(told after.eth_to)" "$(mac_of backend eth0)"
in_words edge --in eth0 --from 203.0.113.7:4242 --to $FRONTEND --no-edns
expect "people see the header" says "PROXY header: 203.0.113.7:4242 -> $FRONTEND:53"
explain edge --in eth0 --from "[$CLIENT6]:4242" --to "[$FRONTEND6]:53"
expect "IPv6 to a backend by IPv4" ends sent query_sent
expect "the families" equal "$(told before.family) $(told after.family) $(told after.proxy.from) $(told after.checksum)" "ipv6 ipv4 $CLIENT6 good"
explain edge --in eth0 --from $CLIENT6 --to $FRONTEND6 --tcp
expect "a SYN by IPv6" ends sent tcp_opened
same "edge, Ethernet"
lab_take_down

# ---------------------------------------------------------------- enforce

lab_up
lab_enforce
write_config <<-YAML
	enforce:
	  - name: vpn
	    interface: "ppp*"
	    resolver: $RESOLVER
	    ipv6: drop
	    dot: reject
	    exempt: [10.77.0.12]
	    guard: drop
	limits:
	  udp_slots: 1024
	  tcp_connections: 256
	  clients: 1024
	  udp_timeout: 60s
YAML
start_edge53 host
enforced() { [ "$(ask vpn1 8.8.8.8 www.example.com)" = 192.0.2.80 ]; }
wait_until 60 enforced || fail "no answer"
begin host
explain host --in ppp0 --from 10.77.0.11:4242 --to 8.8.8.8
expect "a query goes to our resolver" ends passed query_sent
expect "in the host's stack" equal "$(told hooks.0.program) $(told after.to) $(told after.from)" "enforce_in_l3 $RESOLVER 10.77.0.11"
expect "its checksum" equal "$(told after.checksum)" good
explain host --in ppp0 --from 10.77.0.11:4242 --to 8.8.8.8 --tcp
expect "TCP too" equal "$(told reason) $(told after.to)" "tcp_opened $RESOLVER"
explain host --in ppp1 --from 10.77.0.12 --to 8.8.8.8
expect "who is exempt" ends passed exempt
explain host --in ppp0 --from 2001:db8::1 --to 2001:4860:4860::8888
expect "IPv6 is refused" ends answered ipv6_dropped
explain host --in ppp0 --from 10.77.0.11 --to 9.9.9.9:853 --tcp
expect "DNS over TLS is refused" ends answered dot_rejected
explain host --out ppp0 --from $RESOLVER:53 --to 10.77.0.11:20000 --reply
expect "a reply to nobody" ends passed reply_unknown
expect "at egress" equal "$(told hooks.0.program) $(told direction)" "enforce_out_l3 out"
explain host --in ppp0 --out eth0 --from 10.77.0.11 --to 8.8.8.8
expect "the guard lets a client pass whose device is attached" ends passed not_ours
expect "it is the guard" equal "$(told hooks.0.program)" guard_out_l2
on host ip link add ppp9 type veth peer name far9
explain host --in ppp9 --out eth0 --from 10.77.0.19 --to 8.8.8.8
expect "and none whose is not" ends dropped guard_dropped
explain host --out eth0 --from 198.51.100.2 --to 8.8.8.8
expect "the host's own queries pass" ends passed not_ours
same "enforce"
lab_take_down
