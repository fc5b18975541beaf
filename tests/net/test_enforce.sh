#!/usr/bin/env bash
# enforce: whatever resolver a VPN client asks, ours answers, and the answer comes from the one asked.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need kdig dnsperf

lab_up
lab_enforce
enforce_config ""
expect "without edge53 the lab lets queries leak" \
	equal "$(ask vpn1 8.8.8.8 www.example.com)" 192.0.2.66
expect "the lab counts a leak" differs "$(leaked)" 0
start_edge53 host
before=$(leaked)

for vpn in vpn1 vpn2; do
	for resolver in 8.8.8.8 9.9.9.9 1.1.1.1 $RESOLVER; do
		expect "$vpn asks $resolver over UDP" \
			equal "$(ask $vpn "$resolver" www.example.com)" 192.0.2.80
		expect "$vpn asks $resolver over TCP" \
			equal "$(ask $vpn "$resolver" www.example.com +tcp)" 192.0.2.80
	done
	expect "$vpn asks with kdig" equal "$(on $vpn kdig @1.1.1.1 www.example.com +short)" 192.0.2.80
	expect "$vpn asks three resolvers from one UDP port" dnsclient $vpn twins 8.8.8.8 9.9.9.9 1.1.1.1 $RESOLVER
	expect "$vpn asks three resolvers from one TCP port" dnsclient $vpn twins --tcp 8.8.8.8 9.9.9.9 1.1.1.1 $RESOLVER
	expect "$vpn pipelines over TCP" dnsclient $vpn pipeline 9.9.9.9 100
	expect "$vpn sends one byte a segment" dnsclient $vpn pipeline 9.9.9.9 3 --slow
done

start_load vpn1 vpn1.txt -s 8.8.8.8 -c 10 -Q 2000
load vpn2 vpn2.txt -s 9.9.9.9 -l 3 -c 5 -m tcp -Q 1000 || fail "dnsperf over TCP"
end_load "$LOAD_PID" vpn1.txt
expect "dnsperf over UDP loses nothing" all_answered vpn1.txt
expect "dnsperf over TCP loses nothing" all_answered vpn2.txt

expect "IPv6 to port 53 is dropped" \
	fails ask vpn1 2001:4860:4860::8888 www.example.com +time=1
expect "IPv6 to port 53 over TCP is dropped" \
	fails ask vpn1 2001:4860:4860::8888 www.example.com +tcp +time=1
expect "other IPv6 is not" pings vpn1 2001:4860:4860::8888

expect "the host's own query over UDP goes where it was sent" \
	equal "$(ask host 8.8.8.8 www.example.com)" 192.0.2.66
expect "the host's own query over TCP goes where it was sent" \
	equal "$(ask host 8.8.8.8 www.example.com +tcp)" 192.0.2.66
expect "other traffic of a client passes" pings vpn1 8.8.8.8

expect "nothing leaked" equal "$(leaked)" "$before"
