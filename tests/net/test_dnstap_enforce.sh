#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# export.dnstap where VPN clients are enforced: messages have the client's own address and the resolver it asked, whoever
# answered. And with limits.client_prefix neither address nor port of a client.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR source=lab_dnstap.sh
. "$(dirname "$0")/lab_dnstap.sh"
need dnstap-read
need_dnstap

LAB_TAPPED=host
lab_up
lab_enforce
tap=$LAB_TMP/tap
export_to() { printf 'export:\n  dnstap: { sample: 1, file: "%s" }\n' "$1" >>"$LAB_TMP/edge53.yaml"; }

enforce_config ""
export_to "$tap"
start_edge53 host
expect "UDP" equal "$(ask vpn1 8.8.8.8 www.example.com -b 10.77.0.11#4242)" 192.0.2.80
expect "TCP" equal "$(ask vpn2 9.9.9.9 tcp.example.com +tcp -b 10.77.0.12#4343)" 192.0.2.80
wait_until 20 is_written 4 || fail "four messages: $(taps)"
lines=$(read_tap "$tap")
expect "the query by UDP" contains "$lines" "CQ 10.77.0.11:4242 -> 8.8.8.8:53 UDP"
expect "its reply" contains "$lines" "CR 10.77.0.11:4242 <- 8.8.8.8:53 UDP"
expect "the query by TCP" contains "$lines" "CQ 10.77.0.12:4343 -> 9.9.9.9:53 TCP"
expect "its reply" contains "$lines" "CR 10.77.0.12:4343 <- 9.9.9.9:53 TCP"
expect "nothing of the resolver that answered" lacks "$lines" "$RESOLVER:53"

# Of one second, names; beside dnstap, which goes on.
spawn vpn1 asker.log bash -c 'while dig @1.1.1.1 Again.EXAMPLE.com AAAA +tries=1 >/dev/null; do :; done'
names=$(e53 host clients --names=2 --json)
end_process "$SPAWNED"
expect "the client and what it asks" equal \
	"$(json_get "d['clients'][0]['client'], d['clients'][0]['names'][0]['name'], d['clients'][0]['names'][0]['type']" <<<"$names")" \
	"10.77.0.11 again.example.com. AAAA"
expect "all were seen" equal "$(json_get "d['queries'] == d['sampled'] == d['clients'][0]['queries'] > 0" <<<"$names")" True
expect "dnstap has them as well" contains "$(read_tap "$tap")" "Again.EXAMPLE.com/IN/AAAA"

# Privacy.
end_process "$EDGE53_PID"
e53 host down || fail "down"
rm -f "$tap"*
enforce_config ""
sed -i '/udp_timeout/a\  client_prefix: { ipv4: 24 }' "$LAB_TMP/edge53.yaml"
export_to "$tap"
start_edge53 host
expect "an answer" equal "$(ask vpn1 8.8.8.8 www.example.com)" 192.0.2.80
wait_until 20 is_written 2 || fail "two messages: $(taps)"
lines=$(dnstap-read -y "$tap" 2>/dev/null || true)
expect "the prefix" contains "$lines" 'query_address: "10.77.0.0"'
expect "not the client" lacks "$lines" 10.77.0.11
expect "no port" lacks "$lines" query_port
