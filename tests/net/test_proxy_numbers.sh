#!/usr/bin/env bash
# No client makes the backend read a PROXY header of its own: what arrives on a connection begins with the edge's, or
# is nothing. Clients made by hand, which do with numbers what no TCP does.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_lossy.sh"
need nft

ROUNDS=${ROUNDS:-3}
SPORT=20000

forger() {
	local ns=$1
	shift
	python_on "$ns" "$LAB_HERE/forger.py" "$@"
}

# header_of PORT: what the edge says of the client, in hex.
header_of() { printf '0d0a0d0a000d0a515549540a2111000c%02x%02x%02x%02x%02x%02x%02x%02x%04x0035' ${CLIENT//./ } ${FRONTEND//./ } "$1"; }

# forge HOW: a connection; its port is in SPORT.
forge() {
	SPORT=$((SPORT + 1))
	forger client talk "$FRONTEND" 53 "$1" --from "$CLIENT" --sport $SPORT >>"$LAB_TMP/forged.txt" || fail "forger: $1"
	echo "$SPORT $1" >>"$LAB_TMP/forged"
}

served() { grep -vc ready "$LAB_TMP/forger.log"; }
as_many_served() { [ "$(served)" -ge "$1" ]; }

# all_begin_with_headers KIND
all_begin_with_headers() {
	local port how allowed='-' bytes
	while read -r port how; do
		allowed+=$'\n'$(header_of "$port")
	done <"$LAB_TMP/forged"
	while read -r _ _ bytes; do
		case $'\n'$allowed$'\n' in
		*$'\n'"${bytes:0:56}"$'\n'*) ;;
		*) fail "a connection began with $bytes, $1" ;;
		esac
	done < <(grep -v ready "$LAB_TMP/forger.log")
}

for kind in ethernet tun; do
	lab_up
	lab_lossy $kind
	write_config <<-YAML
		edge:
		  - name: public-dns
		    interface: eth0
		    address: [$FRONTEND]
		    tunnel: $TUNNEL
		    backends: [{ address: $BACKEND, udp: 31053, tcp: 31063 }]
		    client_ip: { tcp: proxy-v2, udp: none }
		    health: off
	YAML
	# What a server may be set to: SYN cookies off, and data in the SYN without a cookie.
	on backend sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.tcp_fastopen=0x603
	on client nft -f - <<-'NFT'
		table ip lab {
			chain output {
				type filter hook output priority 0
				ip ttl != 77 tcp flags & rst == rst drop
			}
		}
	NFT
	tx_checksums off
	start_edge53 edge
	: >"$LAB_TMP/forged"
	spawn backend forger.log "$LAB_PYTHON" "$LAB_HERE/forger.py" serve 31063
	wait_until 20 grep -q ready "$LAB_TMP/forger.log" || fail "forger.py does not serve"
	forge plain
	expect "a client made by hand has its handshake, $kind" grep -q syn-ack "$LAB_TMP/forged.txt"
	wait_until 10 as_many_served 1 || fail "the server does not see it, $kind"
	expect "its query comes behind a header, $kind" grep -q "$(header_of $SPORT)0022" "$LAB_TMP/forger.log"
	for how in own straddle syn-data syn-ack-data race again; do
		case $how in
		race | again) set_rates backend 0 0 100 ;; # the second SYN shall be at the edge before the SYN-ACK
		*) set_rates backend 0 0 0 ;;
		esac
		for ((i = 0; i < ROUNDS; i++)); do
			forge $how
		done
	done
	set_rates backend 0 0 0
	forge plain
	wait_until 10 grep -q "$(header_of $SPORT)" "$LAB_TMP/forger.log" || fail "the last query does not come, $kind"
	all_begin_with_headers "$kind"
	echo "$kind: $(served) connections, $(grep -c 'syn-ack$' "$LAB_TMP/forged.txt") handshakes"
	lab_take_down
done
