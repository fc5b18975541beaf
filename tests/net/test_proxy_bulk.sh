#!/usr/bin/env bash
# Long streams that begin with a PROXY header: zone transfers of 20 MB under loss, from a PowerDNS that is told who
# asks and byte by byte from a server of ours; and 4.5 GB each way on one connection, whose sequence numbers come
# round, so that who only compares them with the first no longer knows before from behind.
#
#   LONG="off on"    these 4.5 GB with tx checksums off, as on a wire (the default), and on; "": not at all
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_lossy.sh"

need ss base64
PROXY=proxy-v2
TALK_TIMEOUT=280
MESSAGES=${QUICK:+1000}         # of 3 kB at most, 1.5 kB in the middle
MESSAGES=${MESSAGES:-13000}
ZONE_BYTES=${QUICK:+1000000}
ZONE_BYTES=${ZONE_BYTES:-20000000}
LONG_BYTES=${LONG_BYTES:-4500000000}

# start_transfers PORT: PowerDNS with a zone of 20 MB, which only clients of the lab may have; its log says who had it.
start_transfers() {
	local dir=$LAB_TMP/pdns
	mkdir "$dir"
	{
		printf '@ 60 SOA ns.large.test. hostmaster.large.test. 31053 36001 601 864001 301\n@ 60 NS ns\nns 60 A 192.0.2.1\n'
		head -c $((ZONE_BYTES * 3 / 4)) /dev/urandom | base64 -w 250 |
			awk '{ strings = strings " " $0 } NR % 2 == 0 { print "r" NR " 60 TXT" strings; strings = "" }'
	} >"$dir/large.test.zone"
	echo "zone \"large.test\" { type master; file \"$dir/large.test.zone\"; };" >"$dir/zones.conf"
	cat >"$dir/pdns.conf" <<-CONF
		launch=bind
		bind-config=$dir/zones.conf
		local-address=$BACKEND,$BACKEND6
		local-port=$1
		proxy-protocol-from=$TUNNEL_SOURCE,$TUNNEL_SOURCE6
		allow-axfr-ips=$CLIENT,$CLIENT6
		log-dns-queries=yes
		loglevel=6
		socket-dir=$dir
		daemon=no
		guardian=no
		security-poll-suffix=
	CONF
	spawn backend pdns.log pdns_server --config-dir="$dir"
	pdns_listens() { on backend ss -Hltn "sport = :$1" | grep -q .; }
	wait_until 30 pdns_listens "$1" || fail "pdns_server does not listen"
}

# transfer FAMILY: length and sum of the zone as a client of this family has it.
transfer() { on client timeout 250 "$LAB_PYTHON" "$LAB_HERE/netpeer.py" axfr "$(frontend_of "$1")" 53 large.test --from "$(client_of "$1")"; }

# real_transfers KIND: the zone is the same with loss and without, and each client is known.
real_transfers() {
	local family whole side got began
	start_transfers 31061
	set_rates client 0 0 0
	set_rates backend 0 0 0
	whole=$(transfer 4) || fail "no transfer from PowerDNS, $1"
	expect "the zone is 20 MB: $whole" test "${whole% *}" -gt "$ZONE_BYTES"
	for family in 4 6; do
		side=client
		[ $family = 4 ] || side=backend
		at_rate $side 5
		began=$SECONDS
		got=$(transfer $family) || fail "no transfer by IPv$family with 5 % lost on the side of the $side, $1"
		expect "the zone as it is, by IPv$family, with 5 % lost on the side of the $side, $1" equal "$got" "$whole"
		echo "$1: a transfer of ${whole% *} bytes from PowerDNS by IPv$family, 5 % on the side of the $side, in $((SECONDS - began)) s"
	done
	for family in 4 6; do
		expect "PowerDNS knows who had the zone, IPv$family, $1" \
			grep -q "AXFR.*large.test.*$(client_of $family)" "$LAB_TMP/pdns.log"
	done
}

# long_talk HOW: more than 4 GiB on one connection, both ways.
long_talk() {
	on client timeout 250 "$TOOLS/longtalk" talk "$FRONTEND" 53 "$LONG_BYTES" >"$LAB_TMP/longtalk.txt" 2>&1 ||
		fail "$LONG_BYTES bytes each way, $1: $(cat "$LAB_TMP/longtalk.txt")"
	expect "the server knows who talks so long, $1" grep -qE '^(\S+ [0-9]+) is \1 to the server' "$LAB_TMP/longtalk.txt"
	echo "$1: $(cat "$LAB_TMP/longtalk.txt")"
}

for kind in ethernet tun; do
	lab_up
	lab_lossy $kind
	tx_checksums off
	lossy_config $PROXY 4
	start_edge53 edge
	start_talk_server proxied 31061 -p "$FRONTEND" -p $FRONTEND6
	for side in client backend; do
		at_rate $side 1
		talk proxied "talk-proxied-$side" 3 -r "$MESSAGES" -c 3 ||
			fail "transfers with 1 % lost on the side of the $side, $kind: $(cat "$LAB_TMP/talk-proxied-$side.txt")"
		echo "$kind, 1 % on the side of the $side: $(tail -n 1 "$LAB_TMP/talk-proxied-$side.txt")"
	done
	end_talk_server proxied "$TALK_SERVER_PID"
	if command -v pdns_server >/dev/null; then
		real_transfers $kind
	else
		echo "$kind: without PowerDNS, which is not installed"
	fi
	lab_take_down
done
LONG=${LONG-${QUICK:-off}}
[ "${LONG:-1}" != 1 ] || exit 0

# By a cable that loses nothing; with tx checksums off XDP has it, with them on tc.
unset -f add_cable
eval "$(declare -f add_plain_cable | sed '1s/add_plain_/add_/')"
lab_up
lab_network ethernet
lossy_config $PROXY 4
spawn backend longtalk.log "$TOOLS/longtalk" serve 31061 "$FRONTEND"
start_edge53 edge
for offload in $LONG; do
	on client ethtool -K eth0 tx $offload >/dev/null
	on router ethtool -K wan tx $offload >/dev/null
	on backend ethtool -K eth0 tx $offload >/dev/null
	long_talk "tx checksums $offload"
done
