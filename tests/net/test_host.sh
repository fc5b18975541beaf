#!/usr/bin/env bash
# What loader/host.c reads of a host and loader/pins.c makes of bpffs, seen through host_dump.
#
#   namespace a (read by host_dump)                              namespace b
#   ┌──────────────────────────────────────┐            ┌──────────────────────┐
#   │ up0  198.51.100.1/24, 2001:db8:1::1/64 ├── veth ──┤ peer0 198.51.100.2   │
#   │ up1  192.0.2.1/24                      ├── veth ──┤ peer1 (no address)   │
#   │ tun0 10.9.0.1, 2001:db8:9::1/128 (L3)  │          └──────────────────────┘
#   └──────────────────────────────────────┘
#
# HOST_DUMP names a helper built elsewhere; LINKS how many links the large dump has (1000; 4000 take a minute to remove).
set -eu -o pipefail
PATH=$PATH:/usr/sbin:/sbin

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
a=e53h$$a
b=e53h$$b
tmp=$(mktemp -d)
pids=()

cleanup() {
	local pid
	exec 7>&- 8>&-
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	ip netns del $a 2>/dev/null || true
	ip netns del $b 2>/dev/null || true
	rmdir /sys/fs/bpf/e53h$$/links /sys/fs/bpf/e53h$$ 2>/dev/null || true
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 1' INT TERM

skip() { echo "$*"; exit 77; }
fail() { echo "FAILED: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || skip "needs root for network namespaces"
for tool in ip ethtool nsenter; do
	command -v $tool >/dev/null || skip "needs $tool"
done

dump=${HOST_DUMP:-$tmp/host_dump}
if [ -z "${HOST_DUMP:-}" ]; then
	# shellcheck disable=SC2086 # SANITIZE holds several words
	${CC:-gcc} -std=gnu11 -D_GNU_SOURCE= -g -O1 -Wall -Wextra \
		${SANITIZE--fsanitize=address,undefined -fno-sanitize-recover=undefined} \
		-I"$root/include" -I"$root/loader" "$root/tests/net/host_dump.c" \
		"$root"/loader/host*.c "$root"/loader/{netlink,pins,trusted,util,log}.c \
		-lmnl -lsystemd -o "$dump"
fi

in_a() { nsenter --net=/run/netns/$a "$@"; }
in_b() { nsenter --net=/run/netns/$b "$@"; }
ask() { in_a "$dump" "$@" >"$tmp/out" 2>&1 || { cat "$tmp/out" >&2; fail "host_dump $*"; }; }

# sees WHAT REGEX / sees_not WHAT REGEX: of the last dump.
sees() { grep -Eq -- "$2" "$tmp/out" || { cat "$tmp/out" >&2; fail "$1: no line like $2"; }; }
sees_not() { ! grep -Eq -- "$2" "$tmp/out" || { cat "$tmp/out" >&2; fail "$1: a line like $2"; }; }

# within SECONDS COMMAND...: some answers of the kernel need a moment.
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.1
	done
}
route_is() { ask "$1"; grep -Eq -- "$2" "$tmp/out"; }

ip netns add $a
ip netns add $b

# ---------------------------------------------------------------- an empty namespace
ask 192.0.2.1 2001:db8::1
sees "loopback" '^link lo .* down ethernet'
sees "no route at all" '^route 192.0.2.1 unreachable'
sees "no IPv6 route at all" '^route 2001:db8::1 unreachable'

# ---------------------------------------------------------------- links
in_a ip link set lo up
in_a ip link add up0 address 02:00:00:00:00:01 type veth peer name peer0 netns $b address 02:00:00:00:00:02
in_a ip link add up1 address 02:00:00:00:00:03 type veth peer name peer1 netns $b
in_b ip link set peer0 up
in_b ip link set peer1 up
in_a ip link set up0 mtu 1400 up
in_a ip link set up1 up
in_b ip addr add 198.51.100.2/24 dev peer0
in_a ip addr add 198.51.100.1/24 dev up0
in_a ip addr add 192.0.2.1/24 dev up1
in_a ip addr add 2001:db8:1::1/64 dev up0 nodad
in_a ip tuntap add dev tun0 mode tun
in_a ip addr add 10.9.0.1/32 dev tun0
in_a ip link add br0.100 type bridge
ask
sees "veth" '^link up0 kind=veth arphrd=1 mtu=1400 up ethernet mac=02:00:00:00:00:01'
sees "tun is L3, without mac" '^link tun0 kind=tun arphrd=65534 mtu=1500 down l3( xdp=0x[0-9a-f]+)?$'
sees "a name with a dot" "^link br0.100 kind=bridge"
sees "IPv4 address" '^address up0 198.51.100.1/24 scope=0$'
sees "IPv6 address" '^address up0 2001:db8:1::1/64 scope=0$'
sees "tun address" '^address tun0 10.9.0.1/32 scope=0$'
sees_not "no default route yet" '^link .* default'

in_a ip link set up1 down
ask
sees "link down" '^link up1 .* down '
in_a ip link set up1 up
in_a ip addr del 192.0.2.1/24 dev up1
ask
sees "link up again" '^link up1 .* up '
sees_not "address removed" '^address up1 192.0.2.1'
in_a ip addr add 192.0.2.1/24 dev up1
in_a ip addr add 10.9.0.5 peer 10.9.0.6 dev up1
ask
sees "own address of a point-to-point pair" '^address up1 10.9.0.5/32'
in_a ip addr del 10.9.0.5 peer 10.9.0.6 dev up1

# ---------------------------------------------------------------- XDP features
if grep -q '^link up0 .* xdp=' "$tmp/out"; then
	ndo_xmit() { ask; local x; x=$(sed -n 's/^link up0 .* xdp=\(0x[0-9a-f]*\)$/\1/p' "$tmp/out"); [ $((x & 4)) = "$1" ]; }
	in_b ethtool -K peer0 gro off
	in_a ethtool -K up0 gro off
	ndo_xmit 0 || fail "NDO_XMIT of veth without GRO"
	# veth sends where the receiving side has NAPI; which of the two switches counts is its affair.
	in_b ethtool -K peer0 gro on
	ndo_xmit 4 || fail "NDO_XMIT of veth whose peer has GRO"
	in_b ethtool -K peer0 gro off
else
	echo "no XDP features from this kernel; not tested"
fi

# ---------------------------------------------------------------- default routes
in_a ip route add default via 198.51.100.2 dev up0
ask 203.0.113.1
sees "default route" '^link up0 .* default'
sees_not "default route of another" '^link up1 .* default'
sees "gateway" '^route 203.0.113.1 dev=up0 source=198.51.100.1 nexthop=198.51.100.2'
in_a ip route add default via 192.0.2.2 dev up1 table 100
ask
sees_not "another table" '^link up1 .* default'
in_a ip route replace default nexthop via 198.51.100.2 dev up0 nexthop via 192.0.2.2 dev up1
ask
sees "multipath, first" '^link up0 .* default'
sees "multipath, second" '^link up1 .* default'
in_a ip route replace default via 198.51.100.2 dev up0
in_a ip -6 route add default via 2001:db8:1::2 dev up0
in_a ip -6 route add 2001:db8:bad::/48 dev lo table main type blackhole 2>/dev/null ||
	in_a ip -6 route add blackhole 2001:db8:bad::/48
in_a ip route add blackhole 203.0.113.64/26
in_a ip route add prohibit 203.0.113.128/26
in_a ip route add 203.0.113.192/26 via inet6 2001:db8:1::7 dev up0
ask 2001:db8:2::1 2001:db8:bad::1 203.0.113.65 203.0.113.129 203.0.113.193 198.51.100.1 198.51.100.255
sees "IPv6 gateway" '^route 2001:db8:2::1 dev=up0 source=2001:db8:1::1 nexthop=2001:db8:1::2'
sees "IPv6 blackhole" '^route 2001:db8:bad::1 unreachable'
sees "blackhole" '^route 203.0.113.65 unreachable'
sees "prohibit" '^route 203.0.113.129 unreachable'
sees "IPv4 via IPv6" '^route 203.0.113.193 dev=up0 source=198.51.100.1 nexthop=2001:db8:1::7'
sees "local" '^route 198.51.100.1 dev=lo source=198.51.100.1 nexthop=198.51.100.1 local'
sees "broadcast" '^route 198.51.100.255 unreachable'
in_a ip -6 route del default
in_a ip addr add 2001:db8:3::1/64 dev up1 nodad
in_a ip -6 route add default nexthop via 2001:db8:1::2 dev up0 nexthop via 2001:db8:3::2 dev up1
in_a ip route del default
ask
sees "IPv6 multipath" '^link up1 .* default'

# ---------------------------------------------------------------- through a named tunnel
in_a ip route add default via 198.51.100.2 dev up0
ask 203.0.113.1@tun0 2001:db8:7::1@tun0 203.0.113.1@missing
sees "tunnel down" '^route 203.0.113.1 unreachable'
sees "tunnel down, IPv6" '^route 2001:db8:7::1 unreachable'
[ "$(grep -c unreachable "$tmp/out")" = 3 ] || fail "tunnel missing"
in_a ip link set tun0 up
in_a ip addr add 2001:db8:9::1/128 dev tun0 nodad
ask 203.0.113.1@tun0 2001:db8:7::1@tun0 203.0.113.1
sees "tunnel wins" '^route 203.0.113.1 dev=tun0 source=10.9.0.1 nexthop=203.0.113.1$'
sees "tunnel wins, IPv6" '^route 2001:db8:7::1 dev=tun0 source=2001:db8:9::1 nexthop=2001:db8:7::1$'
sees "without a tunnel the table decides" '^route 203.0.113.1 dev=up0 '
in_a ip route add 203.0.113.0/28 dev tun0 src 10.9.0.1
ask 203.0.113.1
sees "route through tun" '^route 203.0.113.1 dev=tun0 source=10.9.0.1 nexthop=203.0.113.1$'

# ---------------------------------------------------------------- neighbours
in_a ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:99 dev up0 nud permanent
ask 198.51.100.9
sees "permanent" '^route 198.51.100.9 .* known mac=02:00:00:00:00:99'
in_a "$dump" probe up0 198.51.100.9
in_a ip neigh show dev up0 198.51.100.9 | grep -q PERMANENT || fail "a probe must leave PERMANENT alone"
in_a ip neigh add 198.51.100.8 lladdr 02:00:00:00:00:88 dev up0 nud stale
ask 198.51.100.8
sees "stale" '^route 198.51.100.8 .* known stale mac=02:00:00:00:00:88'
in_a ip neigh del 198.51.100.2 dev up0 2>/dev/null || true
ask 198.51.100.2
sees "unknown neighbour" '^route 198.51.100.2 dev=up0 source=198.51.100.1 nexthop=198.51.100.2$'
in_a "$dump" probe up0 198.51.100.2
within 3 route_is 198.51.100.2 'known mac=02:00:00:00:00:02' || fail "a probe resolves"
in_a "$dump" probe up0 198.51.100.77
ask 198.51.100.77
sees_not "incomplete" ' known'
within 6 eval "in_a ip neigh show dev up0 198.51.100.77 | grep -q FAILED" || fail "no FAILED entry"
ask 198.51.100.77
sees "failed" '^route 198.51.100.77 dev=up0 source=198.51.100.1 nexthop=198.51.100.77$'
in_a "$dump" probe up0 2001:db8:1::2 || fail "probe over IPv6"
! in_a "$dump" probe missing 198.51.100.2 >/dev/null || fail "probe of no device"

# ---------------------------------------------------------------- cookie
one=$(in_a "$dump" cookie)
other=$(in_b "$dump" cookie)
[ "$one" != "$other" ] || fail "two namespaces, one cookie"
[ "$one" = "$(in_a "$dump" cookie)" ] || fail "the cookie changes"

# ---------------------------------------------------------------- the watch
mkfifo "$tmp/in"
nsenter --net=/run/netns/$a "$dump" watch <"$tmp/in" >"$tmp/watch" 2>&1 &
pids+=($!)
exec 7>"$tmp/in"
# ask_watch: what it has seen since, in $answer. drains N WHAT: N is what it must say.
lines=1
ask_watch() {
	echo >&7
	lines=$((lines + 1))
	within 20 eval "[ \$(wc -l <'$tmp/watch') -ge $lines ]" || fail "the watch does not answer"
	answer=$(tail -n 1 "$tmp/watch")
}
drains() {
	ask_watch
	[ "$answer" = "drained $1" ] || { cat "$tmp/watch"; fail "$2"; }
}
# What came before may have an echo or two (a device that goes down, duplicate addresses looked for); then there is silence.
is_quiet() { ask_watch; [ "$answer" = 'drained 0' ] && ask_watch && [ "$answer" = 'drained 0' ]; }
falls_quiet() { within 20 is_quiet || { cat "$tmp/watch"; fail "$1"; }; }
within 20 grep -q watching "$tmp/watch" || fail "no watch"
falls_quiet "quiet"
in_a ip link set up1 down
drains 1 "link"
falls_quiet "quiet again"
in_a ip addr add 10.9.1.1/32 dev lo
drains 1 "IPv4 address"
in_a ip -6 addr add 2001:db8:aa::1/128 dev lo nodad
drains 1 "IPv6 address"
falls_quiet "quiet after addresses"
in_a ip route add 203.0.114.0/24 dev tun0
drains 1 "IPv4 route"
in_a ip -6 route add 2001:db8:ab::/48 dev tun0
drains 1 "IPv6 route"
in_a ip neigh add 198.51.100.7 lladdr 02:00:00:00:00:77 dev up0 nud permanent
drains 1 "neighbour"
# Each time, the snapshot that is brought up to date is as a fresh one.
in_a ip link add br7 type bridge
drains 1 "a new device"
in_a ip link set br7 name br8 mtu 1400 address 02:00:00:00:00:78 up
drains 1 "another name, MTU and MAC"
in_a ip addr add 10.9.2.1/24 dev br8
in_a ip addr add 10.9.2.2/24 dev br8
in_a ip addr del 10.9.2.2/24 dev br8
drains 1 "addresses that come and go"
in_a ip route add default via 10.9.2.3 metric 77
drains 1 "a default route"
in_a ip link set br8 down
drains 1 "a default route that goes with its device, of which the kernel says nothing"
in_b ethtool -K peer1 gro off
in_b ethtool -K peer1 gro on
in_b ethtool -K peer1 gro off
drains 1 "XDP features, by the peer"
in_a ethtool -K up1 rx-gro-list on
drains 1 "an offload"
in_a ethtool -K up1 rx-gro-list off
in_a ip link del br8
drains 1 "a device that is gone"
for n in {1..40}; do echo "link add many$n type bridge"; done >"$tmp/batch"
for n in {1..30}; do echo "link del many$n"; done >>"$tmp/batch"
for n in {31..40}; do echo "addr add 10.9.3.$n/32 dev many$n"; done >>"$tmp/batch"
in_a ip -batch "$tmp/batch"
drains 1 "many devices"
for n in {41..200}; do echo "link add many$n type bridge"; done >"$tmp/batch"
in_a ip -batch "$tmp/batch"
drains 1 "more devices than are noted"
for n in {31..200}; do echo "link del many$n"; done >"$tmp/batch"
in_a ip -batch "$tmp/batch"
drains 1 "and all of them gone"
falls_quiet "quiet after devices"
# A storm of more than the socket holds (8 MiB, some 1.2 kB a link): messages are lost.
for n in {1..10000}; do echo "link set dev tun0 mtu $((1300 + n % 100))"; done >"$tmp/storm"
in_a ip -batch "$tmp/storm"
dropped=$(nsenter --net=/run/netns/$a cat /proc/thread-self/net/netlink | awk -v p="${pids[0]}" '$3 == p { print $9 }')
drains 1 "storm"
echo "storm: ${dropped:-?} messages lost"
falls_quiet "quiet after the storm"

# ---------------------------------------------------------------- many links, many routes
links=${LINKS:-1000}
seq "$links" | sed 's/.*/link add many& type bridge/' >"$tmp/many"
in_a ip -batch "$tmp/many" || fail "no links"
ask
[ "$(grep -c '^link many' "$tmp/out")" = "$links" ] || fail "links are missing"
[ "$(awk '/^link/ { print $2 }' "$tmp/out" | sort -u | wc -l)" = "$(grep -c ^link "$tmp/out")" ] || fail "links twice"
echo "$links links: $(tail -n 1 "$tmp/out")"
# While links come and go, a snapshot is still complete.
(while :; do in_a ip link add coming type bridge; in_a ip link del coming; done) 2>/dev/null &
churn=$!
pids+=("$churn")
for _ in 1 2 3 4 5; do
	ask
	[ "$(grep -c '^link many' "$tmp/out")" = "$links" ] || fail "links are missing under churn"
done
kill "$churn"; wait "$churn" 2>/dev/null || true
awk 'BEGIN { for (i = 0; i < 100000; i++) printf "route add 11.%d.%d.%d/32 dev tun0\n", i / 65536, i / 256 % 256, i % 256 }' >"$tmp/routes"
in_a ip -batch "$tmp/routes"
ask 11.0.1.1
sees "one of many routes" '^route 11.0.1.1 dev=tun0'
sees "default among many" '^link up0 .* default'
echo "and 100000 routes: $(tail -n 1 "$tmp/out")"

# ---------------------------------------------------------------- pins
[ "$($dump pins /x path xdp eth0.100)" = /x/links/xdp_eth0%2e100 ] || fail "dot"
[ "$($dump pins /x path tcx_egress a%2e.)" = /x/links/tcx_egress_a%252e%2e ] || fail "percent"
[ "$($dump pins /x path tcx_egress ...............)" = "/x/links/tcx_egress_$(printf '%%2e%.0s' {1..15})" ] ||
	fail "the longest name"
{ $dump pins "$tmp/no" lock </dev/null || true; } | grep -q "No such device" || fail "not a bpffs"
[ ! -e "$tmp/no" ] || fail "left a directory behind"
pins=/sys/fs/bpf/e53h$$
[ "$($dump pins $pins locked)" = "locked 0" ] || fail "no root, no lock"
mkfifo "$tmp/hold"
$dump pins $pins lock <"$tmp/hold" >"$tmp/lock" 2>&1 &
pids+=($!)
exec 8>"$tmp/hold"
within 5 grep -q holding "$tmp/lock" || { cat "$tmp/lock"; fail "lock"; }
[ "$(stat -c %a $pins)" = 700 ] || fail "mode of the root"
[ "$($dump pins $pins locked)" = "locked 1" ] || fail "locked"
{ $dump pins $pins lock </dev/null || true; } | grep -q busy || fail "a second loader"
exec 8>&-
within 5 eval "[ \"\$($dump pins $pins locked)\" = 'locked 0' ]" || fail "unlocked by the end of the process"
$dump pins $pins lock </dev/null | grep -q holding || fail "locked again"
echo "passed"
