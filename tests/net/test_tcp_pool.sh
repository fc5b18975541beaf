#!/usr/bin/env bash
# A small pool of TCP connections: short ones in a row, more than it holds, all get through; and spoofed SYNs
# with ACKs after them, of clients that never saw the SYN+ACK, do not lock the others out.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need nft
[ "$LAB_NAT" = edge53 ] || skip "the pool is edge53's"

POOL=256

lab_up
lab_edge ethernet
edge_config eth1
echo "  tcp_connections: $POOL" >>"$LAB_TMP/edge53.yaml"
start_edge53 edge

# Each is opened after the one before was closed, so most of the pool is in `closing` all the time.
cat >"$LAB_TMP/churn.py" <<'PYTHON'
import socket, struct, sys
query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\3www\7example\3com\0\0\1\0\1"
for i in range(int(sys.argv[2])):
    with socket.create_connection((sys.argv[1], 53), timeout=5) as s:
        s.sendall(struct.pack("!H", len(query)) + query)
        if len(s.recv(4096)) <= 12:
            sys.exit("connection %d: no answer" % i)
print("all answered")
PYTHON
spawn client churn.log timeout 60 "$LAB_PYTHON" "$LAB_TMP/churn.py" $FRONTEND $((POOL * 2))
churn=$SPAWNED
wait_until 60 gone "$churn" || fail "the short connections do not end"
expect "$((POOL * 2)) short connections must be served by a pool of $POOL" \
	grep -q "all answered" "$LAB_TMP/churn.log"
expect "none may find the pool full" equal "$(reason_count edge tcp_full)" 0

# The spoofed sources are behind the client, which says nothing to the SYN+ACKs.
on client nft -f - <<-'NFT'
	table ip lab {
		chain input {
			type filter hook input priority 0
			ip daddr 100.64.0.0/16 drop
		}
		chain forward {
			type filter hook forward priority 0
			ip daddr 100.64.0.0/16 drop
		}
	}
NFT
cat >"$LAB_TMP/blind.py" <<'PYTHON'
import random, socket, struct, sys
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
server = socket.inet_aton(sys.argv[1])

def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff

def send(i, flags, seq, ack):
    source = socket.inet_aton("100.64.%d.%d" % (1 + i // 200, 1 + i % 200))
    tcp = struct.pack("!HHIIBBHHH", 40000 + i, 53, seq, ack, 0x50, flags, 1000, 0, 0)
    total = checksum(source + server + struct.pack("!HH", 6, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", total) + tcp[18:]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, source, server) + tcp, (sys.argv[1], 0))

for i in range(int(sys.argv[2])):
    send(i, 2, 1000, 0)
for i in range(int(sys.argv[2])):
    send(i, 16, 1001, random.getrandbits(32))
PYTHON
before=$(reason_count edge tcp_opened)
expect "spoofed packets can be sent" python_on client "$LAB_TMP/blind.py" $FRONTEND $((POOL * 2))
expect "the spoofed SYNs must have reached the pool" \
	test "$(reason_count edge tcp_opened)" -ge $((before + POOL * 2))
for round in 1 2 3; do
	expect "spoofed SYN and ACK pairs lock nobody out, round $round" \
		equal "$(ask client $FRONTEND www.example.com -b 203.0.113.7 +tcp)" 192.0.2.80
done
expect "spoofed clients may not find the pool full either" equal "$(reason_count edge tcp_full)" 0
