#!/usr/bin/env bash
# `check` on an edge: each state that it should find is made, found, mended by the command that it names, and gone.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_check.sh"
need wg nft ss unshare
[ "$LAB_NAT" = edge53 ] || skip "nftables has no edge53 check"

lab_up
lab_edge wireguard
edge_config wg0
check_host edge

what_there_is() { on edge sh -c 'ip -d address; ip route; nft list ruleset; tc qdisc; sysctl -a -r "net.ipv4.(conf|ip_)"' 2>/dev/null |
	grep -v -e valid_lft -e mc_forwarding; }
before=$(what_there_is)
expect "nothing is found on a host that is ready" is_clean
expect "check changes nothing" equal "$(what_there_is)" "$before"
expect "and pins nothing" fails test -e "$LAB_PINS"
expect "people are told" contains "$(<"$LAB_TMP/check.txt")" "would work: 0 errors, 0 warnings"
expect "so are machines" equal "$(python -c 'import json, sys
d = json.load(open(sys.argv[1]))
b = d["services"][0]["backends"][0]
print(d["would_work"], d["services"][0]["kind"], b["address"], b["device"], b["mtu"])' "$LAB_TMP/check.json")" \
	"True edge $BACKEND wg0 1420"
finds note xdp-mode wg0
finds note backend-answers "backend $BACKEND, UDP port 31053: answers a query"

# ---------------------------------------------------------------- devices and addresses

sed -i "s/^    address: .*/    address: [$FRONTEND, 198.55.102.245]/" "$LAB_TMP/edge53.yaml"
finds warning address-not-local 198.55.102.245
mended address-not-local
edge_config wg0

on edge ip link set eth0 down
finds error interface-down "eth0 is down"
mended interface-down
on edge ip route replace default via 198.55.102.1
on client ip link set eth0 down
finds error no-carrier eth0
on client ip link set eth0 up
clean_again() { is_clean 2>/dev/null; }
wait_until 60 clean_again || fail "a carrier that is back"

for name in nope0 '"nope*"'; do
	sed -i "s/interface: .*/interface: $name/" "$LAB_TMP/edge53.yaml"
	finds error interface-missing "${name//\"/}"
	finds error no-frontend public-dns
done
edge_config wg9
finds warning tunnel-missing wg9 1
expect "a tunnel that is not there is brought up by wg-quick" equal "$(of_finding mend tunnel-missing)" "wg-quick up wg9"
finds error no-backend "no backend can be reached"
edge_config wg0

on edge ip link set wg0 down
finds warning tunnel-down wg0 1
mended tunnel-down

sed -i '/tunnel:/d' "$LAB_TMP/edge53.yaml"
on edge ip route del 10.172.90.0/24
finds warning backend-no-route "$BACKEND" 1
mended backend-no-route 0 s/TUNNEL/wg0/
edge_config wg0
expect "all is well again" is_clean

# ---------------------------------------------------------------- XDP

PASS=${PASS_OBJECT:-$(dirname "$EDGE53")/tests/pass.bpf.o}
for mode in xdpdrv xdpgeneric; do
	on edge ip link set dev eth0 $mode obj "$PASS" sec xdp
	finds warning xdp-taken "eth0: XDP program"
	expect "by name" contains "$(of_finding what xdp-taken)" " (id $(on edge ip -j link show dev eth0 |
		python -c 'import json, sys; print(json.load(sys.stdin)[0]["xdp"]["prog"]["id"])'))"
	mended xdp-taken
done

# ---------------------------------------------------------------- MTU

on edge ip route replace "$BACKEND/32" dev wg0 mtu lock 1300
finds warning path-mtu 1300
mended path-mtu
on edge ip route replace 10.172.90.0/24 dev wg0 src $TUNNEL_SOURCE
on edge ip route del "$BACKEND/32"
on edge ip link set wg0 mtu 1200
finds warning mtu-small 1200
mended mtu-small
on edge ip link set wg0 mtu 1460
finds warning wg-mtu 1460
mended wg-mtu
expect "what fits is 60 bytes less" equal "$(on edge ip -j link show wg0 | json_get "d[0]['mtu']")" 1440
on edge ip link set wg0 mtu 1420

# ---------------------------------------------------------------- WireGuard

peer=$(wg pubkey <"$LAB_TMP/backend.key")
there wg set wg0 peer "$peer" allowed-ips "$BACKEND2/32"
finds error wg-allowed-ips "$BACKEND"
mended wg-allowed-ips
expect "what was allowed still is" equal "$(there wg show wg0 allowed-ips | cut -f2)" "$BACKEND2/32 $BACKEND/32"

other=$(wg genkey | wg pubkey)
there wg set wg0 peer "$other" allowed-ips "10.172.90.77/32"
sed -i "s/address: $BACKEND,/address: 10.172.90.77,/; s/client_ip: none/health: off/" "$LAB_TMP/edge53.yaml"
finds warning wg-no-endpoint "$other"
mended wg-no-endpoint 0 s/ADDRESS:PORT/192.0.2.77:51820/
finds warning wg-no-handshake "$other"
edge_config wg0
on edge ip route add 192.0.2.77/32 dev wg0
finds error wg-endpoint-loop 192.0.2.77
on edge ip route del 192.0.2.77/32
there wg set wg0 peer "$other" remove
expect "all is well again" is_clean

printf '[Interface]\nPrivateKey = x\n[Peer]\nPublicKey = %s\nEndpoint = vpn.example.com:51820\n' "$peer" \
	>"$LAB_TMP/etc/wireguard/wg0.conf"
echo "nameserver 198.55.102.1" >"$LAB_TMP/etc/resolv.conf"
finds warning wg-endpoint-name vpn.example.com
echo "nameserver $BACKEND" >"$LAB_TMP/etc/resolv.conf"
finds error wg-endpoint-own-dns "$BACKEND (a backend)"
mended wg-endpoint-own-dns
expect "the file has the address" grep -q '^Endpoint = 192.0.2.2:51820$' "$LAB_TMP/etc/wireguard/wg0.conf"
printf 'nameserver 198.55.102.1\nnameserver %s\n' $FRONTEND >"$LAB_TMP/etc/resolv.conf"
finds warning resolv-conf-self "$FRONTEND"
mended resolv-conf-self
expect "the other nameserver stays" equal "$(<"$LAB_TMP/etc/resolv.conf")" "nameserver 198.55.102.1"

# ---------------------------------------------------------------- ports, sockets, nftables

on edge sysctl -qw net.ipv4.ip_local_port_range="20000 40000" net.ipv4.ip_local_reserved_ports=8080
finds warning ports-overlap "20000-32767"
mended ports-overlap
expect "what was reserved still is" equal "$(on edge sysctl -n net.ipv4.ip_local_reserved_ports)" "8080,16384-32767"

listen edge udp 0.0.0.0
finds warning port53-shadowed "on 0.0.0.0 port 53 (UDP)"
mended port53-shadowed
listen edge tcp ::
finds warning port53-shadowed "on [::] port 53 (TCP)"
mended port53-shadowed
listen edge udp 127.0.0.53
expect "who listens elsewhere is nobody's affair" is_clean
end_process "$LISTENER"

redirects() { on edge nft add rule ip old pre "$@"; }
on edge nft add table ip old
on edge nft add chain ip old pre '{ type nat hook prerouting priority -100; }'
redirects iifname eth0 udp dport 53 dnat to $BACKEND:31053
finds warning nft-redirects-53 "table ip old, chain pre"
mended nft-redirects-53
redirects ip saddr 203.0.113.7 tcp dport '{ 53, 80 }' redirect to :5353
finds warning nft-redirects-53 "may redirect"
mended nft-redirects-53
redirects iifname eth0 udp dport 5353 dnat to $BACKEND:31053
redirects iifname wg0 udp dport 53 dnat to $BACKEND:31053
redirects ip daddr 198.55.102.9 udp dport 53 dnat to $BACKEND:31053
expect "what redirects something else is nobody's affair" is_clean
on edge nft delete table ip old

# ---------------------------------------------------------------- beside edge53 at work, and without rights

start_edge53 edge
expect "nothing is found beside edge53 at work" is_clean
finds note xdp-mode "wg0"
expect "the mode is that which is attached" contains "$(<"$LAB_TMP/check.txt")" "eth0: XDP in native mode, where edge53 is attached now"

status=0
chmod 644 "$LAB_TMP/edge53.yaml"
there setpriv --reuid=65534 --regid=65534 --clear-groups timeout 60 "$EDGE53" --pins "$LAB_PINS" \
	check -c "$LAB_TMP/edge53.yaml" >"$LAB_TMP/nobody.txt" 2>&1 || status=$?
expect "what could not be told is said" grep -q '^note: could not tell what nftables does: .*\[not-told\]' "$LAB_TMP/nobody.txt"
