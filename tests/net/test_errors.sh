#!/usr/bin/env bash
# What is wrong is said in one sentence with file and line, and nothing is attached; `down` leaves nothing.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need setpriv

# status_of COMMAND...: its exit status; what it says is in out.log.
status_of() {
	local status=0
	"$@" >"$LAB_TMP/out.log" 2>&1 || status=$?
	echo $status
}
said() { grep -qi -- "$1" "$LAB_TMP/out.log"; }
nothing_attached() {
	[ ! -e "$LAB_PINS" ] || { find "$LAB_PINS" >&2; return 1; }
	on "$1" ip -d link show | grep -E 'xdp|prog/' >&2 && return 1
	on "$1" tc qdisc show | grep clsact >&2 && return 1
	return 0
}

# refused LINE PATTERN: the configuration on standard input is wrong in LINE, and PATTERN is said.
refused() {
	write_config
	local verb
	for verb in check run; do
		expect "$verb must exit 2 for: $2" equal "$(status_of e53 edge $verb -c "$LAB_TMP/edge53.yaml")" 2
		expect "$verb must name edge53.yaml:$1" said "edge53.yaml:$1:"
		expect "$verb must say $2" said "$2"
		expect "$verb must attach nothing" nothing_attached edge
	done
}

lab_up
lab_edge ethernet

expect "status with nothing loaded exits 3" equal "$(status_of e53 edge status)" 3
expect "clients with nothing loaded exits 3" equal "$(status_of e53 edge clients)" 3
expect "flows with nothing loaded exits 3" equal "$(status_of e53 edge flows)" 3
expect "an unknown verb exits 2" equal "$(status_of e53 edge frobnicate)" 2
expect "a missing file exits 2" equal "$(status_of e53 edge run -c "$LAB_TMP/none.yaml")" 2
expect "a missing file is named" said none.yaml

refused 5 'host name.*the very DNS server' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    backends:
	      - { address: ns1.example.com, udp: 31053, tcp: 31054 }
YAML
refused 4 'host name.*the very DNS server' <<-YAML
	enforce:
	  - name: vpn
	    interface: "ppp*"
	    resolver: dns.example.com
YAML
refused 4 'adress' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    adress: [$FRONTEND]
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
YAML
refused 5 '70000' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    backends:
	      - { address: $BACKEND, udp: 70000, tcp: 31054 }
YAML
refused 6 'refuse.*is not truncate or drop' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	    rate_limit: { qps: 200, burst: 400, over: refuse }
YAML
refused 6 'proxy-v1.*is not none or proxy-v2' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	    client_ip: { udp: proxy-v1 }
YAML
refused 5 "resolver of an enforce service sees each client's own address" <<-YAML
	enforce:
	  - name: vpn
	    interface: "ppp*"
	    resolver: $RESOLVER
	    client_ip: proxy-v2
YAML
refused 7 'would have no effect' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	limits:
	  backend_udp_size: 1232
YAML
refused 4 '300' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    address: [198.55.102.300]
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
YAML
refused 6 'maybe' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	    on_down: maybe
YAML
refused 7 '32767-16384' <<-YAML
	edge:
	  - name: public-dns
	    interface: eth0
	    backends:
	      - { address: $BACKEND, udp: 31053, tcp: 31054 }
	limits:
	  ports: 32767-16384
YAML

# An enforce glob that covers the uplink would take the host's own way to the Internet.
write_config <<-YAML
	enforce:
	  - name: vpn
	    interface: "eth*"
	    resolver: $RESOLVER
YAML
expect "a glob over the default-route device must be refused" \
	differs "$(status_of e53 edge run -c "$LAB_TMP/edge53.yaml")" 0
expect "run must name eth0" said eth0
expect "run must say why" said 'default route'
expect "run must attach nothing" nothing_attached edge

# Not root.
edge_config eth1
cp "$EDGE53" "$LAB_TMP/edge53"
chmod 755 "$LAB_TMP/edge53"
expect "run without privileges must exit 1" equal "$(status_of on edge timeout 20 setpriv --reuid 65534 --regid 65534 --clear-groups \
	"$LAB_TMP/edge53" --pins "$LAB_PINS" run -c "$LAB_TMP/edge53.yaml")" 1
expect "run without privileges must say so" said 'root\|privilege\|CAP_\|permi'
expect "run without privileges must attach nothing" nothing_attached edge

# A second run beside a live one.
start_edge53 edge
expect "a second run must exit 1" equal "$(status_of e53 edge run -c "$LAB_TMP/edge53.yaml")" 1
expect "a second run must name the first" said "$EDGE53_PID"
expect "the first must live on" alive "$EDGE53_PID"
expect "and serve" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
expect "status exits 0" equal "$(status_of e53 edge status)" 0

# down, with the loader stopped as systemd does it; what it leaves serves on until then.
kill -TERM "$EDGE53_PID"
wait_until 60 gone "$EDGE53_PID" || fail "TERM does not end edge53 run"
expect "down exits 0" equal "$(status_of e53 edge down)" 0
expect "down must leave nothing" nothing_attached edge
expect "after down port 53 is the host's own again" fails ask client $FRONTEND www.example.com +time=1
expect "status after down exits 3" equal "$(status_of e53 edge status)" 3

# down beside a live loader.
start_edge53 edge
expect "down beside a live loader exits 0" equal "$(status_of e53 edge down)" 0
wait_until 60 gone "$EDGE53_PID" || true
expect "it must leave nothing" nothing_attached edge
