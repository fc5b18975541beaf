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

# Debian's way from pppd to our hook, with this loader instead of one that is installed.
pppd_with_hook() {
	mkdir "$LAB_TMP/hooks" "$LAB_TMP/sbin"
	install -m 755 "$LAB_ROOT/scripts/ip-pre-up" "$LAB_TMP/hooks/edge53"
	cat >"$LAB_TMP/sbin/edge53" <<-SH
		#!/bin/sh
		exec "$EDGE53" --pins "$LAB_PINS" "\$@"
	SH
	cat >"$LAB_TMP/hooks/look" <<-SH
		#!/bin/sh
		ip -o link show dev "\$1" >"$LAB_TMP/hook-\$1.link"
		edge53 status --json >"$LAB_TMP/hook-\$1.json"
	SH
	cat >"$LAB_TMP/pppd" <<-SH
		#!/bin/sh -e
		mount --bind "$LAB_TMP/hooks" /etc/ppp/ip-pre-up.d
		mount --bind "$LAB_TMP/sbin" /usr/local/sbin
		exec pppd "\$@"
	SH
	chmod 755 "$LAB_TMP/sbin/edge53" "$LAB_TMP/hooks/look" "$LAB_TMP/pppd"
	LAB_PPPD=(unshare --mount "$LAB_TMP/pppd")
}

for round in 1 2; do
	[ $round = 1 ] || pppd_with_hook
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
for n in 0 1 2 3; do
	look=$LAB_TMP/hook-ppp$n
	expect "pppd ran the hooks of ppp$n" grep -q "ppp$n: <" "$look.link"
	expect "the hook ended before ppp$n was up" fails grep -q '[<,]UP[,>]' "$look.link"
	expect "ppp$n was attached when the hook ended" equal \
		"$(json_get "sum(h['device'] == 'ppp$n' for h in d['hooks'])" <"$look.json")" 2
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
