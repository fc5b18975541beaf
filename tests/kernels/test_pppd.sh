#!/usr/bin/env bash
# Links of real pppd: four at once, one of them behind a packet filter that lets nothing but DNS to our
# resolver in; all hang up and come back, several times, while their clients never stop asking.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

ours() { [ "$(ask "$1" 8.8.8.8 www.example.com)" = 192.0.2.80 ]; }

lab_up
lab_enforce
[ "$LAB_PPP" = pppd ] || skip "this kernel has no ppp, or there is no pppd"
for n in 2 3; do
	add_namespace vpn$((n + 1))
	add_ppp $n
done
# vpn3 is the restricted one.
on host nft -f - <<-'NFT'
	table inet restricted {
		chain input {
			type filter hook input priority filter
			iifname ppp2 ip daddr 10.77.0.1 meta l4proto { tcp, udp } th dport 53 accept
			iifname ppp2 drop
		}
		chain forward {
			type filter hook forward priority filter
			iifname ppp2 drop
		}
	}
NFT

expect "without edge53 queries leak" equal "$(ask vpn1 8.8.8.8 www.example.com)" 192.0.2.66
enforce_config "" drop
start_edge53 host
before=$(leaked)
# They ask also while a link comes up, before edge53 has seen it: then the guard is what stops them.
stop=$LAB_TMP/stop
steady=()
for n in 1 2 3 4; do
	spawn vpn$n "steady$n.log" "$LAB_PYTHON" "$LAB_HERE/dnsclient.py" \
		steady 8.8.8.8 "$stop" "$LAB_TMP/steady$n.txt" --interval 0.1
	steady+=("$SPAWNED")
done

everybody_asks() { # WHEN
	local vpn
	for vpn in vpn1 vpn2 vpn3 vpn4; do
		wait_until 60 ours $vpn || fail "no answer for $vpn $1"
		expect "$vpn over TCP $1" equal "$(ask $vpn 9.9.9.9 www.example.com +tcp)" 192.0.2.80
	done
	expect "IPv6 does not leak $1" fails ask vpn1 2001:4860:4860::8888 www.example.com +time=1
	expect "IPv6 over TCP does not leak $1" fails ask vpn1 2001:4860:4860::8888 www.example.com +tcp +time=1
}

everybody_asks "at the start"
for vpn in vpn1 vpn3; do
	expect "$vpn asks two resolvers from one UDP port" dnsclient $vpn twins 8.8.8.8 1.1.1.1
	expect "$vpn asks two resolvers from one TCP port" dnsclient $vpn twins --tcp 8.8.8.8 1.1.1.1
done
expect "the restricted client may ask our resolver by its own address" \
	equal "$(ask vpn3 $RESOLVER www.example.com)" 192.0.2.80
expect "the restricted client may not ping the host" fails pings vpn3 $RESOLVER
expect "the restricted client may not ping others" fails pings vpn3 8.8.8.8
expect "others may" pings vpn4 8.8.8.8

for round in 1 2; do
	kill "${LAB_PPP_PID[@]}"
	for n in 0 1 2 3; do
		remove_ppp $n
	done
	expect "edge53 must live on, round $round" alive "$EDGE53_PID"
	for n in 0 1 2 3; do
		add_ppp $n
	done
	everybody_asks "in round $round"
done

touch "$stop"
for pid in "${steady[@]}"; do
	wait_until 60 gone "$pid" || fail "a steady client does not end"
	wait "$pid" || fail "a steady client failed"
done
for n in 1 2 3 4; do
	expect "vpn$n had answers" grep -qv lost "$LAB_TMP/steady$n.txt"
done
expect "nothing leaked" equal "$(leaked)" "$before"
