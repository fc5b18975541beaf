#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# UDP packets to port 53 by the kernel's own generator, at an exact rate:
#
#   scripts/pktgen.sh -i DEVICE -d ADDRESS -m MAC [-s FIRST[-LAST]] [-n COUNT] [-r RATE] [-l LENGTH] [-t CPU]
#
#   -i  device to send from, in this network namespace    -d, -m  destination, IPv4 and Ethernet
#   -s  source addresses, each as often (default: the device's own)       -n  packets (default 100000)
#   -r  packets a second (default: as fast as it goes)    -l  frame without FCS, bytes (default 74)
#   -t  the CPU that sends (default 0)    -p  destination port (default 53)    -c  with UDP checksums
#
# Prints `sent N errors N pps N`. As root; needs the module pktgen.
#
# Its payload is not DNS: it begins with the generator's mark, which as a DNS header is a response
# (0xe955: QR=1), so edge53 drops each packet as NOT_A_QUERY: after it has looked up the service, before
# it has taken any state. What this measures is how fast edge53 refuses.
#
# Never towards generic XDP: the generator's packets are shared, and the kernel panics when XDP asks for
# more room in front of one (BUG in pskb_expand_head; seen on 6.1 and 6.12). This script refuses
# when it can see such a receiver: the other end of a veth, in this or a named namespace.

set -eu
PATH=$PATH:/usr/sbin:/sbin

usage() { sed -n 's/^# \{0,1\}//; 4,13p' "$0" >&2; exit 2; }
die() { echo "pktgen.sh: $*" >&2; exit 1; }

device='' destination='' mac='' sources='' count=100000 rate=0 length=74 cpu=0 port=53 flags=''
while getopts i:d:m:s:n:r:l:t:p:c option; do
	case $option in
	i) device=$OPTARG ;;
	d) destination=$OPTARG ;;
	m) mac=$OPTARG ;;
	s) sources=$OPTARG ;;
	n) count=$OPTARG ;;
	r) rate=$OPTARG ;;
	l) length=$OPTARG ;;
	t) cpu=$OPTARG ;;
	p) port=$OPTARG ;;
	c) flags=UDPCSUM ;;
	*) usage ;;
	esac
done
[ -n "$device" ] && [ -n "$destination" ] && [ -n "$mac" ] || usage

# has_generic_xdp: does the other end of this veth run XDP in generic mode?
has_generic_xdp()
{
	local peer ns

	peer=$(ip -o link show dev "$device" | sed -n 's/^[0-9]*: [^ @]*@if\([0-9]*\):.*/\1/p')
	[ -n "$peer" ] || return 1
	for ns in /proc/self/ns/net /run/netns/*; do
		nsenter --net="$ns" ip -o link show 2>/dev/null | grep -q "^$peer: .*xdpgeneric" && return
	done
	return 1
}

[ -d /proc/net/pktgen ] || modprobe -q pktgen || die 'this kernel has no pktgen'
! has_generic_xdp || die "the other end of $device has generic XDP: the kernel would panic"

thread=/proc/net/pktgen/kpktgend_$cpu
[ -e "$thread" ] || die "no thread of pktgen for CPU $cpu"
first=${sources%-*} last=${sources#*-}

# set FILE COMMAND...: the kernel says what it thinks of a command in the file's last line.
set_pktgen()
{
	local file=$1
	shift
	echo "$*" >"$file" || die "pktgen refuses: $*"
}

trap 'echo rem_device_all >"$thread"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
set_pktgen "$thread" rem_device_all
set_pktgen "$thread" "add_device $device"
for command in "count $count" 'clone_skb 0' "pkt_size $length" 'delay 0' \
	"dst $destination" "dst_mac $mac" "udp_dst_min $port" "udp_dst_max $port" \
	'udp_src_min 1024' 'udp_src_max 65535' 'flag UDPSRC_RND' \
	${first:+"src_min $first"} ${last:+"src_max $last"} ${flags:+"flag $flags"}; do
	set_pktgen "/proc/net/pktgen/$device" "$command"
done
[ "$rate" = 0 ] || set_pktgen "/proc/net/pktgen/$device" "ratep $rate"
# Returns when all is sent.
set_pktgen /proc/net/pktgen/pgctrl start

awk '/pkts-sofar:/ { sent = $2; errors = $4 } /pps / { pps = $1 + 0 } /^Result: OK/ { ok = 1 }
	END { print "sent", sent, "errors", errors, "pps", pps; exit !ok }' "/proc/net/pktgen/$device"
