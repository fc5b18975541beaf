#!/usr/bin/env bash
# Connections that are to begin with a PROXY header need XDP on the uplink. Where another program holds it, or takes it
# later, no connection reaches the backend, and check, the log and status say why; UDP goes on, and so does what was open.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need unbound bpftool ss
[ "$LAB_NAT" = edge53 ] || skip "nftables has no PROXY headers"
# PASS_OBJECT names pass.bpf.c compiled elsewhere.
[ -n "${PASS_OBJECT:-}" ] || need "${CLANG:=clang}"

PORT=5301
REFUSED='public-dns: TCP is refused, UDP is served: connections are to begin with a PROXY header, which needs XDP on eth0, and another XDP program is attached to it'
multiarch=/usr/include/$(uname -m)-linux-gnu

status() { e53 edge status --json | json_get "$1"; }
why_refused() { status "d['services'][0]['why_tcp_refused']"; }
is_refused() { contains "$(why_refused)" "no XDP on eth0"; }
is_served() { equal "$(why_refused)" None; }
xdp_mode() { status "[h['mode'] for h in d['hooks'] if (h['hook'], h['device']) == ('xdp', 'eth0')]"; }
has_xdp() { equal "$(xdp_mode)" "['native']"; }
tc_program() { status "[h['program'] for h in d['hooks'] if h['device'] == 'eth0' and h['hook'] != 'xdp']"; }
listens() { on backend ss -Hln "$1" sport = ":$2" | grep -q .; }

# Connections that the backend's host has accepted since it is there.
# shellcheck disable=SC2016 # for awk
accepted() { on backend awk '/^Tcp: [0-9]/ { print $7 }' /proc/net/snmp; }
foreign_xdp() { on edge ip link set dev eth0 xdp obj "$LAB_TMP/pass.o" sec xdp 2>"$LAB_TMP/ip.log"; }

udp_works() { expect "UDP works $1" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80; }
# The header is what the backend insists on, and whom it names is in its log.
tcp_works() {
	expect "TCP works $1" equal "$(ask client $FRONTEND www.example.com +tcp -b 203.0.113.9)" 192.0.2.80
	expect "the backend hears of the client $1" grep -q 'info: 203.0.113.9 www.example.com' "$LAB_TMP/unbound.log"
}
tcp_is_refused() {
	local before
	before=$(accepted)
	expect "TCP is refused $1" fails ask client $FRONTEND www.example.com +tcp +time=2
	expect "no connection reaches the backend $1" equal "$(accepted)" "$before"
	expect "the table for people says so $1" contains "$(e53 edge status)" \
		"public-dns: TCP is refused: no XDP on eth0, and connections are to begin with a PROXY header"
	expect "status says that the option is on $1" \
		equal "$(status "d['services'][0]['client_ip']")" "{'udp': 'proxy-v2', 'tcp': 'proxy-v2'}"
}
# check_says 0|1: whether it is refused, by check.
check_says() {
	e53 edge check --no-probe -c "$LAB_TMP/edge53.yaml" >"$LAB_TMP/check.log" || fail "check is fine with the configuration"
	expect "check: refused $1" equal "$(grep -c "^warning: $REFUSED" "$LAB_TMP/check.log")" "$1"
}

detach_xdp() { on edge bpftool link detach pinned "$LAB_PINS/links/xdp_eth0" 2>"$LAB_TMP/bpftool.log"; }
# Detaches our link by force and has the other program there before edge53 looks again.
take_xdp() { detach_xdp && foreign_xdp; }

lab_up
if [ -n "${PASS_OBJECT:-}" ]; then
	cp "$PASS_OBJECT" "$LAB_TMP/pass.o"
else
	"$CLANG" -target bpf -O2 -g -idirafter "$multiarch" -c "$LAB_HERE/pass.bpf.c" -o "$LAB_TMP/pass.o"
fi
lab_edge ethernet
cat >"$LAB_TMP/unbound.conf" <<-CONF
	server:
	    directory: "$LAB_TMP"
	    chroot: ""
	    username: ""
	    pidfile: ""
	    use-syslog: no
	    do-daemonize: no
	    log-queries: yes
	    num-threads: 1
	    module-config: "iterator"
	    tcp-idle-timeout: 60000
	    access-control: 0.0.0.0/0 allow
	    interface: $BACKEND@$PORT
	    proxy-protocol-port: $PORT
	    local-zone: "example.com." redirect
	    local-data: "example.com. A 192.0.2.80"
	remote-control:
	    control-enable: no
CONF
spawn backend unbound.log unbound -d -c "$LAB_TMP/unbound.conf"
wait_until 60 listens -t $PORT || fail "unbound does not listen"
edge_config eth1
sed -i "s/client_ip: none/health: off\n    client_ip: proxy-v2/; s/udp: 31053, tcp: 31054/udp: $PORT, tcp: $PORT/" "$LAB_TMP/edge53.yaml"

# Somebody else was there first.
check_says 0
foreign_xdp || skip "ip cannot load an XDP program here: $(tail -n 1 "$LAB_TMP/ip.log")"
check_says 1
start_edge53 edge
expect "the log says why, once" equal "$(grep -c "$REFUSED" "$LAB_TMP/edge53.log")" 1
expect "status says why" is_refused
udp_works "with another program"
tcp_is_refused "with another program"
expect "it is counted" test "$(reason_count edge no_backend_passed)" -ge 1

# A loader that is started anew does not think otherwise.
kill_edge53
start_edge53 edge
expect "status says why, with a new loader" is_refused
tcp_is_refused "with a new loader"

# It goes: edge53 attaches its own at the next look, and TCP is served.
on edge ip link set dev eth0 xdp off
wait_until 60 is_served || fail "TCP must be served when the other program is gone"
check_says 0
udp_works "with XDP"
tcp_works "with XDP"

# A new loader that takes over XDP does not refuse in between: every connection is answered.
# shellcheck disable=SC2016 # for the inner shell
spawn client connects.txt bash -c '
	until [ -e "$2" ]; do
		dig "@$1" www.example.com +short +tcp +tries=1 +time=30 || echo "dig: $?"
	done' connects $FRONTEND "$LAB_TMP/enough"
connects=$SPAWNED
answers_after() { [ "$(wc -l <"$LAB_TMP/connects.txt")" -gt "$1" ]; }
wait_until 60 answers_after 5 || fail "no connection is answered"
kill_edge53
start_edge53 edge
wait_until 60 answers_after $(($(wc -l <"$LAB_TMP/connects.txt") + 5)) || fail "no connection is answered any more"
: >"$LAB_TMP/enough"
wait_until 60 gone "$connects" || fail "the client does not end"
expect "a new loader costs no connection" equal "$(sort -u "$LAB_TMP/connects.txt")" 192.0.2.80

# On Linux 6.1 a veth whose XDP is taken away while it has packets may panic; edge53 is careful then, others are not.
[ "$(printf '6.6\n%s\n' "$(uname -r)" | sort -V | head -n 1)" = 6.6 ] || exit 0

# Somebody takes XDP by force. What was open goes on.
spawn client hold.log "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" hold $FRONTEND "$LAB_TMP/release" --from 203.0.113.8
hold=$SPAWNED
held() { [ "$(e53 edge flows --json | json_get "[f['proxy_header'] for f in d['flows'] if f['client'] == '203.0.113.8' and f['state'] == 'established']")" = "['synced']" ]; }
wait_until 60 held || fail "flows must show a connection with its header"
wait_until 60 take_xdp || fail "XDP cannot be detached by force"
wait_until 60 is_refused || fail "TCP must be refused when XDP is lost to another program"
expect "the log says that it was taken" grep -q 'eth0: somebody else has detached XDP' "$LAB_TMP/edge53.log"
expect "and why TCP is refused, once more" equal "$(grep -c "$REFUSED" "$LAB_TMP/edge53.log")" 3
expect "tc does everything again" equal "$(tc_program)" "['edge_tc_l2']"
check_says 1
udp_works "after another program came"
tcp_is_refused "after another program came"
expect "what was open goes on" alive "$hold"
: >"$LAB_TMP/release"
wait_until 60 gone "$hold" || fail "the open connection does not end"
status=0
wait "$hold" || status=$?
expect "every query on the open connection was answered" equal $status 0

# Detached and left: edge53 attaches it again.
on edge ip link set dev eth0 xdp off
wait_until 60 is_served || fail "TCP must be served again"
detach_xdp || fail "XDP cannot be detached by force"
expect "XDP is detached" fails has_xdp
wait_until 60 has_xdp || fail "XDP must be attached again"
expect "TCP is served all the while" is_served
tcp_works "with XDP attached again"
expect "tc leaves to XDP what is XDP's" equal "$(tc_program)" "['edge_tc_l2_chec']"
