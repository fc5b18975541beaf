#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# DNS queries over UDP by the kernel's own packet generator, at an exact rate or as fast as it goes:
#
#   scripts/pktgen.sh -i DEVICE -d ADDRESS -m MAC [OPTION...]
#
#   -i  device to send from, in this network namespace    -d, -m  destination, IPv4 or IPv6, and Ethernet
#   -n  packets (default 100000)                          -S  seconds, in place of packets
#   -r  packets a second (default: as fast as it goes)    -t  CPUs that send, as 0-3,6 (default 0)
#   -s  first client address (default: the device's own)  -k  how many client addresses (default 1)
#   -u  client ports, FIRST or FIRST-LAST (default 1024-65534)
#   -R  clients at random (default: all addresses and ports in turn)
#   -q  name that is asked for, type A (default example.com)
#   -p  destination port (default 53)                     -z  without UDP checksums (IPv4)
#   -e  command that prints the edge's counters, as 'ssh edge edge53 status --json'
#   -x  not DNS but what pktgen sends by itself: how fast does edge53 refuse? (-l LENGTH of the frame)
#
# Prints what was sent, what edge53 counted meanwhile, and which replies came back, side by side.
# As root; needs the module pktgen, tc, bpftool and pktgen.bpf.o, which `make` builds (build/pktgen.bpf.o; where
# there is no build/, it lies beside this script); with -e, python3.
#
# pktgen's own payload begins with its mark, which as a DNS header is a response (0xe955: QR=1): edge53 drops
# it as NOT_A_QUERY. So a program at tc of the sending device writes a query over it (pktgen.bpf.c), and edge53
# needs no switch. Packets go through the device's queue for that; with -x they go straight to the driver.
#
# Never towards generic XDP: the generator's packets are shared, and the kernel panics when XDP asks for
# more room in front of one (BUG in pskb_expand_head; seen on 6.1 and 6.12). This script refuses
# when it can see such a receiver: the other end of a veth, in this or a named namespace.

set -eu -o pipefail
PATH=$PATH:/usr/sbin:/sbin
here=$(cd "$(dirname "$0")" && pwd)

usage() { sed -n 's/^# \{0,1\}//; 4,18p' "$0" >&2; exit 2; }
die() { echo "pktgen.sh: $*" >&2; exit 1; }

device='' destination='' mac='' source='' clients=1 ports=1024-65534 is_random=0 name=example.com port=53
count=100000 seconds='' rate=0 length=74 cpus=0 checksums=UDPCSUM edge='' plain=''
while getopts i:d:m:n:S:r:t:s:k:u:Rq:p:ze:xl: option; do
	case $option in
	i) device=$OPTARG ;;
	d) destination=$OPTARG ;;
	m) mac=$OPTARG ;;
	n) count=$OPTARG ;;
	S) seconds=$OPTARG count=0 ;;
	r) rate=$OPTARG ;;
	t) cpus=$OPTARG ;;
	s) source=$OPTARG ;;
	k) clients=$OPTARG ;;
	u) ports=$OPTARG ;;
	R) is_random=1 ;;
	q) name=${OPTARG%.} ;;
	p) port=$OPTARG ;;
	z) checksums='' ;;
	e) edge=$OPTARG ;;
	x) plain=yes ;;
	l) length=$OPTARG ;;
	*) usage ;;
	esac
done
if [ -z "$device" ] || [ -z "$destination" ] || [ -z "$mac" ] || [ $OPTIND -le $# ]; then
	usage
fi
for number in "$count" "$rate" "$clients" "$port" "$length" "${seconds:-1}" "${ports%-*}" "${ports#*-}"; do
	case $number in '' | *[!0-9]*) die "no number: '$number'" ;; esac
done
case $cpus in '' | *[!0-9,-]*) die "no list of CPUs, as 0-3,6: '$cpus'" ;; esac
case $destination in *:*) family=6 headers=62 ;; *) family=4 headers=42 ;; esac
[ -n "$source" ] || [ "$family$clients" = 41 ] || die 'IPv6, and many clients (-k), need the first address (-s)'
[ $family = 4 ] || [ -z "$plain" ] || [ "$clients" = 1 ] || die 'pktgen by itself (-x) has one client address in IPv6'
# IPv6 has no packet without.
[ $family = 4 ] || checksums=UDPCSUM

# --- the query --------------------------------------------------------------------------------

# message_bytes: its bytes in hex. The header: ID 0, RD, one question.
message_bytes()
{
	local label labels

	echo 00 00 01 00 00 01 00 00 00 00 00 00
	IFS=. read -ra labels <<<"$name"
	for label in "${labels[@]}"; do
		case ${#label} in
		[1-9] | [1-5][0-9] | 6[0-3]) ;;
		*) die "no domain name: $name" ;;
		esac
		printf '%02x' ${#label}
		printf '%s' "$label" | od -An -v -tx1
	done
	echo 00 00 01 00 01
}

word_bytes() { printf '%02x %02x %02x %02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24)); }

# load_programs: both, with the query as they want it (struct query), at tc of the device.
load_programs()
{
	local object=$here/pktgen.bpf.o bytes value tool

	[ -e "$object" ] || object=$here/../${BUILD:-build}/pktgen.bpf.o
	[ -e "$object" ] || die "no pktgen.bpf.o; \`make\` builds it"
	for tool in bpftool tc; do
		command -v "$tool" >/dev/null || die "$tool is not installed"
	done
	bpftool prog loadall "$object" "$pins" pinmaps "$pins" || die 'the kernel does not take pktgen.bpf.o'
	# shellcheck disable=SC2207 # bytes are words
	bytes=($(message_bytes))
	message_len=${#bytes[@]}
	[ "$message_len" -le 256 ] || die "too long a name: $name"
	# shellcheck disable=SC2207
	value=($(word_bytes "$message_len") $(word_bytes "$clients") $(word_bytes $is_random) $(word_bytes "$port") "${bytes[@]}")
	while [ ${#value[@]} -lt 276 ]; do
		value+=(00)
	done
	bpftool map update pinned "$pins/query" key hex 00 00 00 00 value hex "${value[@]}"

	if ! tc qdisc show dev "$device" | grep -q clsact; then
		tc qdisc add dev "$device" clsact
		own_qdisc=yes
	fi
	tc filter replace dev "$device" egress pref 53531 handle 1 bpf da object-pinned "$pins/pktgen_send"
	tc filter replace dev "$device" ingress pref 53531 handle 1 bpf da object-pinned "$pins/pktgen_receive"
}

# counted WHAT: what the programs have counted.
counted()
{
	[ -z "$plain" ] || return 0
	bpftool map dump pinned "$pins/counters" | awk -F '[":, ]+' -v what="$1" '$2 == what { n += $3 } END { print n + 0 }'
}

# settled COMMAND...: its output when it has stopped changing.
settled()
{
	local before='' now

	now=$("$@")
	for _ in {1..50}; do
		[ "$now" != "$before" ] || break
		sleep 0.3
		before=$now
		now=$("$@")
	done
	echo "$now"
}

# --- the generator ----------------------------------------------------------------------------

# cpu_list LIST: 0-2,4 as 0 1 2 4.
cpu_list()
{
	local part

	for part in ${1//,/ }; do
		seq "${part%-*}" "${part#*-}"
	done
}

number_of() { local a b c d; IFS=. read -r a b c d <<<"$1"; echo $((a << 24 | b << 16 | c << 8 | d)); }
address_of() { echo $(($1 >> 24)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255)); }

# set_pktgen FILE COMMAND...: the kernel says what it thinks of a command in the file's last line.
set_pktgen()
{
	local file=/proc/net/pktgen/$1
	shift
	if ! echo "$*" 2>/dev/null >"$file" || ! grep -q '^Result: OK' "$file"; then
		die "pktgen refuses: $*: $(tail -n 1 "$file")"
	fi
}

# client_commands N: the clients of CPU N of all. Addresses are shared out, or ports where those are too few, so that
# no two CPUs are the same client. (With IPv6 it is pktgen_send that knows of more than one address.)
client_commands()
{
	local first_port=${ports%-*} n_ports from to

	n_ports=$((${ports#*-} - first_port + 1))
	from=0 to=$n_ports
	if [ "$clients" -lt "$n_cpus" ] && [ "$n_ports" -ge "$n_cpus" ]; then
		from=$((n_ports * $1 / n_cpus)) to=$((n_ports * ($1 + 1) / n_cpus))
	fi
	# Ports end before the maximum; so do addresses at random, but those in turn with it.
	echo "udp_src_min $((first_port + from))"
	echo "udp_src_max $((first_port + to))"
	[ -n "$source" ] || return 0
	if [ $family = 6 ]; then
		echo "src6 $source"
		return
	fi
	from=0 to=$clients
	if [ "$clients" -ge "$n_cpus" ]; then
		from=$((clients * $1 / n_cpus)) to=$((clients * ($1 + 1) / n_cpus))
	fi
	echo "src_min $(address_of $(($(number_of "$source") + from)))"
	echo "src_max $(address_of $(($(number_of "$source") + to - 1 + is_random)))"
}

# set_up CPU N: a generator of its own on each CPU, with its share of packets and of the rate.
set_up()
{
	local thread=kpktgend_$1 unit=$device@$1 command dst=dst

	[ $family = 4 ] || dst=dst6
	set_pktgen "$thread" "add_device $unit"
	{
		echo "count $((count * ($2 + 1) / n_cpus - count * $2 / n_cpus))"
		printf '%s\n' 'clone_skb 0' 'delay 0' 'flag NO_TIMESTAMP' "pkt_size $length"
		printf '%s\n' "$dst $destination" "dst_mac $mac" "udp_dst_min $port" "udp_dst_max $port"
		[ -n "$plain" ] || echo 'xmit_mode queue_xmit'
		[ -z "$plain" ] || echo 'flag QUEUE_MAP_CPU'
		[ $is_random = 0 ] || printf 'flag %s\n' UDPSRC_RND IPSRC_RND
		[ -z "$checksums" ] || echo "flag $checksums"
		[ "$rate" = 0 ] || echo "ratep $((rate / n_cpus))"
		client_commands "$2"
	} >"$work/commands"
	while read -r command; do
		set_pktgen "$unit" "$command"
	done <"$work/commands"
}

running() { grep -q '^Running: .' "${threads[@]}"; }

# generate: returns when all is sent. A signal stops the generators, and that takes them a moment.
generate()
{
	if [ -n "$seconds" ]; then
		timeout "$seconds" bash -c 'echo start >/proc/net/pktgen/pgctrl' &
		wait $! || :
		for _ in {1..100}; do
			running || break
			sleep 0.1
		done
	else
		echo start >/proc/net/pktgen/pgctrl
	fi
}

# has_generic_xdp: does the other end of this veth run XDP in generic mode?
has_generic_xdp()
{
	local peer ns

	peer=$(ip -o link show dev "$device" | sed -n 's/^[0-9]*: [^ @]*@if\([0-9]*\):.*/\1/p')
	[ -n "$peer" ] || return 1
	for ns in /proc/self/ns/net /run/netns/*; do
		# Not grep -q: `ip` would end by SIGPIPE, and pipefail make "no" of it.
		nsenter --net="$ns" ip -o link show 2>/dev/null | grep "^$peer: .*xdpgeneric" >/dev/null && return
	done
	return 1
}

# --- what became of it ------------------------------------------------------------------------

# edge_reasons: what the edge's packets have come to so far, as lines `reason packets`.
edge_reasons()
{
	[ -n "$edge" ] || return 0
	bash -c "$edge" </dev/null | python3 -c '
import collections, json, sys
sums = collections.Counter()
d = json.load(sys.stdin)
for reasons in [s["reasons"] for s in d["services"]] + [d["reasons_without_service"]]:
    for r in reasons:
        sums[r["reason"]] += r["packets"]
for reason, packets in sums.items():
    print(reason, packets)' 2>/dev/null || die "this does not print what \`edge53 status --json\` does: $edge"
}
device_drops() { awk -v device="$device:" '$1 == device { print $5 }' /proc/net/dev; }

# row WHAT PACKETS: beside it, how many a second, and how much of what was sent.
row()
{
	awk -v what="$1" -v n="$2" -v us="$elapsed_us" -v sent="$sent" 'BEGIN {
		printf "%-32s %13d %13.0f %9.3f %%\n", what, n, us ? n * 1e6 / us : 0, sent ? 100 * n / sent : 0 }'
}

# results: `sent`, `errors` and `elapsed_us` of all CPUs, and a row each.
results()
{
	local cpu part us tried

	sent=0 errors=0 elapsed_us=0
	for cpu in "${list[@]}"; do
		read -r part tried us < <(awk '/pkts-sofar:/ { n = $2; e = $4 } /^Result: OK/ { us = $3 + 0 } END { print n, e, us }' \
			"/proc/net/pktgen/$device@$cpu")
		[ "${us:-0}" -gt 0 ] || die "the generator on CPU $cpu: $(tail -n 1 "/proc/net/pktgen/$device@$cpu")"
		sent=$((sent + part)) errors=$((errors + tried))
		[ "$us" -lt "$elapsed_us" ] || elapsed_us=$us
		shares[cpu]=$part
	done
}

report()
{
	local cpu reason packets before

	printf '%-32s %13s %13s %11s\n' '' packets 'a second' 'of sent'
	row sent "$sent"
	if [ "$n_cpus" -gt 1 ]; then
		for cpu in "${list[@]}"; do
			row "  by CPU $cpu" "${shares[cpu]}"
		done
	fi
	# Not part of what was sent: no room in the device's queue, or in a veth.
	[ "$errors" = 0 ] || row 'not taken, and sent anew' "$errors"
	while read -r reason packets; do
		before=$(awk -v reason="$reason" '$1 == reason { print $2 }' "$work/before")
		[ "$packets" = "${before:-0}" ] || row "edge53: $reason" $((packets - ${before:-0}))
	done <"$work/after"
	if [ -z "$plain" ]; then
		row 'replies that came back' "$(counted replies)"
		row '  with an error (RCODE)' "$(counted replies_with_error)"
		row 'dropped by this device' $(($(device_drops) - drops_before))
	fi
}

# --- run --------------------------------------------------------------------------------------

[ -d /proc/net/pktgen ] || modprobe -q pktgen || die 'this kernel has no pktgen'
[ -e "/sys/class/net/$device" ] || ip link show dev "$device" >/dev/null || exit 1
! has_generic_xdp || die "the other end of $device has generic XDP: the kernel would panic"

mapfile -t list < <(cpu_list "$cpus")
n_cpus=${#list[@]}
threads=("${list[@]/#//proc/net/pktgen/kpktgend_}")
for thread in "${threads[@]}"; do
	[ -e "$thread" ] || die "no thread of pktgen for CPU ${thread##*_}"
done
pins=/sys/fs/bpf/pktgen-$$ own_qdisc='' message_len=0
work=$(mktemp -d)
declare -A shares=()

clean_up()
{
	local thread

	for thread in "${threads[@]}"; do
		echo rem_device_all >"$thread"
	done
	if [ -d "$pins" ]; then
		tc filter del dev "$device" egress pref 53531 2>/dev/null
		tc filter del dev "$device" ingress pref 53531 2>/dev/null
		[ -z "$own_qdisc" ] || tc qdisc del dev "$device" clsact
		rm -r "$pins"
	fi
	rm -r "$work"
}
trap 'set +e; clean_up' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for thread in "${threads[@]}"; do
	set_pktgen "${thread##*/}" rem_device_all
done
if [ -z "$plain" ]; then
	load_programs
	length=$((headers + message_len))
fi
for i in "${!list[@]}"; do
	set_up "${list[i]}" "$i"
done
edge_reasons >"$work/before"
drops_before=$(device_drops)
generate
results
settled counted replies >/dev/null
settled edge_reasons >"$work/after"
report
