#!/usr/bin/env bash
# enforce: exempt clients, ipv6: pass, dot: drop; and HUP, which takes a new configuration but no wrong one.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need socat nc

OURS=192.0.2.80         # what unbound on the host says
FOREIGN=192.0.2.66      # what the servers behind the uplink say

vpn_config() {
	write_config <<-YAML
		enforce:
		  - name: vpn
		    interface: "ppp*"
		    resolver: $RESOLVER
		    ipv6: $1
		    dot: $2
		    exempt: [$3]
	YAML
}
tells() { [ "$(ask "$1" "$2" www.example.com 2>/dev/null)" = "$3" ]; }
# DoT and DoQ, as far as their ports go: an echo on 853 of the upstream.
dot_reaches() { [ "$(echo hello | on "$1" timeout 10 socat -t 5 - "TCP:8.8.8.8:853,connect-timeout=4" 2>/dev/null)" = hello ]; }
doq_reaches() { [ "$(echo hello | on "$1" nc -u -W 1 -w 3 8.8.8.8 853)" = hello ]; }

lab_up
lab_enforce
spawn upstream dot.log socat TCP-LISTEN:853,fork,reuseaddr EXEC:cat
spawn upstream doq.log socat UDP-RECVFROM:853,bind=8.8.8.8,fork EXEC:cat
wait_until 60 dot_reaches vpn1 || fail "the lab's port 853 does not answer"
wait_until 60 doq_reaches vpn1 || fail "the lab's UDP port 853 does not answer"

vpn_config pass drop 10.77.0.12
start_edge53 host
expect "a client that is not exempt gets our answer" tells vpn1 8.8.8.8 $OURS
expect "an exempt client gets the answer of whom it asks, UDP" tells vpn2 8.8.8.8 $FOREIGN
expect "an exempt client gets the answer of whom it asks, TCP" \
	equal "$(ask vpn2 8.8.8.8 www.example.com +tcp)" $FOREIGN
expect "an exempt client may ask our resolver" tells vpn2 $RESOLVER $OURS
expect "ipv6: pass lets IPv6 pass, UDP" tells vpn1 2001:4860:4860::8888 $FOREIGN
expect "ipv6: pass lets IPv6 pass, TCP" equal "$(ask vpn1 2001:4860:4860::8888 www.example.com +tcp)" $FOREIGN
expect "dot: drop drops TCP 853" fails dot_reaches vpn1
expect "dot: drop drops UDP 853" fails doq_reaches vpn1
expect "an exempt client may use DoT" dot_reaches vpn2
expect "an exempt client may use DoQ" doq_reaches vpn2
expect "the host may use DoT" dot_reaches host

vpn_config drop pass 10.77.0.11
kill -HUP "$EDGE53_PID"
wait_until 60 tells vpn2 8.8.8.8 $OURS || fail "after HUP 10.77.0.12 is not exempt any more"
wait_until 60 tells vpn1 8.8.8.8 $FOREIGN || fail "after HUP 10.77.0.11 is exempt"
wait_until 60 dot_reaches vpn2 || fail "after HUP port 853 passes"
expect "after HUP IPv6 is dropped" fails ask vpn2 2001:4860:4860::8888 www.example.com +time=1

echo 'enforce: [ { name: vpn, interface: "ppp*", resolver: nonsense } ]' | write_config
kill -HUP "$EDGE53_PID"
wait_until 60 grep -q nonsense "$LAB_TMP/edge53.log" || fail "a wrong configuration is not spoken of"
expect "a wrong configuration does not end edge53" alive "$EDGE53_PID"
expect "a wrong configuration changes nothing" tells vpn2 8.8.8.8 $OURS
