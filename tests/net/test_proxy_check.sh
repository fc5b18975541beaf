#!/usr/bin/env bash
# `check` asks each backend of a service with client_ip: proxy-v2 whether it reads PROXY headers, as real servers do and
# do not, and says what it heard; the exit status is that of the configuration.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need unbound ss
[ "$LAB_NAT" = edge53 ] || skip "nftables has no edge53 check"

READS=5301 PLAIN=5302 NOBODY=5303 SILENT=5304 CLOSES=5305

# check_says SENTENCE...: each is what a line of `check` begins with; else the output is shown.
check_says() {
	local sentence
	for sentence in "$@"; do
		grep -qF -- "$sentence" "$LAB_TMP/check.log" || { cat "$LAB_TMP/check.log" >&2; fail "check must say: $sentence"; }
	done
}
check_once() { e53 edge check -c "$LAB_TMP/edge53.yaml" "$@" >"$LAB_TMP/check.log" 2>&1; }
# On a busy machine a server may take longer than check waits.
check() { wait_until 60 check_once "$@" || fail "check is fine with the configuration"; }
answered() { echo "note: dns: backend $1 port $2: answers a query with a PROXY header"; }
silent() { echo "warning: dns: backend $1 port $2: does not answer a query with a PROXY header in 3.0 s; is it set up"; }

# start_unbound_at PORT ADDRESS... [-- CONFIGURATION]: unbound in the backend's namespace.
start_unbound_at() {
	local port=$1 conf=$LAB_TMP/unbound-$1.conf address
	shift
	{
		printf 'server:\n directory: "%s"\n chroot: ""\n username: ""\n pidfile: ""\n use-syslog: no\n' "$LAB_TMP"
		printf ' do-daemonize: no\n num-threads: 1\n module-config: "iterator"\n access-control: 0.0.0.0/0 allow\n'
		printf ' access-control: ::/0 allow\n local-zone: "example.com." redirect\n local-data: "example.com. A 192.0.2.80"\n'
		for address in "$@"; do
			printf ' interface: %s@%s\n' "$address" "$port"
		done
		[ "$port" = $PLAIN ] || printf ' proxy-protocol-port: %s\n' "$port"
		printf 'remote-control:\n control-enable: no\n'
	} >"$conf"
	spawn backend "unbound-$port.log" unbound -d -c "$conf"
}
listens() { on backend ss -Hln "$1" sport = ":$2" | grep -q .; }

lab_up
lab_edge ethernet
on edge ip addr add fd00::2/64 dev eth1 nodad
on backend ip addr add fd00::1/64 dev eth0 nodad
start_unbound_at $READS $BACKEND fd00::1
start_unbound_at $PLAIN $BACKEND
# Sockets that take what comes and say nothing, and one that ends what was begun.
spawn backend sockets.log "$LAB_PYTHON" -c '
import socket, sys
host, silent, closes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((host, silent))
silent_tcp = socket.create_server((host, silent))
server = socket.create_server((host, closes))
while True:
    server.accept()[0].close()' "$BACKEND" $SILENT $CLOSES
for port in $READS $PLAIN $SILENT; do
	wait_until 60 listens -u "$port" || fail "nobody listens at UDP port $port"
	wait_until 60 listens -t "$port" || fail "nobody listens at TCP port $port"
done
wait_until 60 listens -t $CLOSES || fail "nobody listens at TCP port $CLOSES"

write_config <<-YAML
	edge:
	  - name: dns
	    interface: eth0
	    address: [$FRONTEND]
	    client_ip: proxy-v2
	    backends:
	      - { address: $BACKEND, udp: $READS, tcp: $READS }
	      - { address: "fd00::1", udp: $READS, tcp: $READS }
	      - { address: $BACKEND, udp: $PLAIN, tcp: $PLAIN }
	      - { address: $BACKEND, udp: $NOBODY, tcp: $NOBODY }
	      - { address: $BACKEND, udp: $SILENT, tcp: $SILENT }
	      - { address: $BACKEND, tcp: $CLOSES }
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
YAML
says_all() {
	check_says "$(answered "$BACKEND, UDP" $READS)" "$(answered "$BACKEND, TCP" $READS)" \
		"$(answered "fd00::1, UDP" $READS)" "$(answered "fd00::1, TCP" $READS)" \
		"warning: dns: backend $BACKEND, UDP port $PLAIN: does not read PROXY headers, but takes them for a query (its answer has DNS ID 0x0d0a); is it set up to read them from $TUNNEL_SOURCE? Else set client_ip.udp: none" \
		"$(silent "$BACKEND, TCP" $PLAIN) to read them from $TUNNEL_SOURCE? Else set client_ip.tcp: none" \
		"warning: dns: backend $BACKEND, UDP port $NOBODY: nobody listens there" \
		"warning: dns: backend $BACKEND, TCP port $NOBODY: nobody listens there" \
		"$(silent "$BACKEND, UDP" $SILENT)" "$(silent "$BACKEND, TCP" $SILENT)" \
		"warning: dns: backend $BACKEND, TCP port $CLOSES: closes a connection that begins with a PROXY header" \
		"$(silent "$BACKEND, UDP" 31053)" "$(silent "$BACKEND, TCP" 31054)"
}
check
says_all
# unbound shows whom the header names: the edge.
expect "unbound was told a client" fails grep -q 'could not match PROXYv2 header' "$LAB_TMP/unbound-$READS.log"

# Beside a dataplane at work the answers are not taken for its own.
start_edge53 edge
check
says_all
expect "no reply was looked for by the dataplane" equal "$(reason_count edge reply_unknown) $(reason_count edge header_not_read)" "0 0"

check --no-probe
expect "with --no-probe nobody is asked" fails grep -q 'port .*: ' "$LAB_TMP/check.log"

# Without the option nobody is asked with a header, nor where the source is not of this host.
edge_config eth1
check
check_says "note: public-dns: backend $BACKEND, UDP port 31053: answers a query [" "note: public-dns: backend $BACKEND, TCP port 31054: answers a query ["
expect "without the option they are asked without a header" fails grep -q 'PROXY header' "$LAB_TMP/check.log"
sed -i 's/client_ip: none/client_ip: { udp: proxy-v2 }/; s/source: .*/source: 10.172.90.77/' "$LAB_TMP/edge53.yaml"
check
check_says "warning: public-dns: backend $BACKEND, UDP port 31053: cannot be asked from here: Cannot assign requested address"
expect "and by UDP only, as the option says" fails grep -q 'TCP port.*PROXY header' "$LAB_TMP/check.log"
