#!/usr/bin/env bash
# Proof under loss: TCP conversations of every kind, while 1, 5 and 20 % of the packets on either side of the edge are
# lost, doubled and late. Each query is answered and logged once, with the right client. The same, at the same time,
# with a service that has no header: what fails there too is not the header's fault.
#
#   CONVERSATIONS=N  in all (2,000); ten thousand take some ten minutes
#   KINDS="ethernet tun wireguard", RATES="1 5 20", SIDES="client backend", OFFLOADS="on off"
#   FAMILIES="4 6"   of the backends
#   INJECT=          without the SYNs, RSTs and others of nobody in their midst
#   PROXY=none       without the header anywhere
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_lossy.sh"

CONVERSATIONS=${CONVERSATIONS:-${QUICK:+200}}
CONVERSATIONS=${CONVERSATIONS:-2000}
KINDS=${KINDS:-ethernet tun}
RATES=${RATES:-1 5 20}
SIDES=${SIDES:-client backend}
INJECT=${INJECT--j}
FAMILIES=${FAMILIES:-4 6}
PROXY=${PROXY:-proxy-v2}
TALK_TIMEOUT=280
AT_ONCE=400
FIRST=0

# step KIND SIDE RATE OFFLOADS: a part of the conversations.
step() {
	local what="$1, $3 % on the side of the $2, tx checksums $4" options pid status=0 began=$SECONDS
	at_rate "$2" "$3"
	tx_checksums "$4"
	options=(-s "$FIRST" -c "$AT_ONCE" ${INJECT:+"$INJECT"})
	talk plain "talk-plain-$FIRST" $((PER_STEP / 4 + 1)) "${options[@]}" &
	pid=$!
	talk proxied "talk-proxied-$FIRST" $PER_STEP "${options[@]}" || status=$?
	was_lossy "$2" || fail "the wire lost nothing, $what: $(cat "$LAB_TMP/lossy-$2.log")"
	wait "$pid" || fail "without header, $what: $(cat "$LAB_TMP/talk-plain-$FIRST.txt")"
	[ $status = 0 ] || fail "$what: $(cat "$LAB_TMP/talk-proxied-$FIRST.txt")"
	echo "$what, in $((SECONDS - began)) s: $(tail -n 1 "$LAB_TMP/talk-proxied-$FIRST.txt")"
	FIRST=$((FIRST + PER_STEP))
}

# offloads_of KIND SIDE RATE: by default each half of the steps. XDP leaves partial checksums to tc.
offloads_of() {
	case ${OFFLOADS:-$1:$2:$3} in
	ethernet:client:5 | ethernet:backend:1 | tun:client:1 | tun:client:20 | tun:backend:5) echo on ;;
	*:*) echo off ;;
	*) echo "$OFFLOADS" ;;
	esac
}

lossy_lab() {
	local kind=$1 side rate offload proxied plain
	lab_up
	lab_lossy "$kind"
	# shellcheck disable=SC2086 # a list
	lossy_config "$PROXY" $FAMILIES
	start_edge53 edge
	if [ "$PROXY" = none ]; then
		start_talk_server proxied 31061 -m
	else
		start_talk_server proxied 31061 -m -p "$FRONTEND" -p $FRONTEND6
	fi
	proxied=$TALK_SERVER_PID
	start_talk_server plain 31062 -m
	plain=$TALK_SERVER_PID
	for side in $SIDES; do
		for rate in $RATES; do
			for offload in $(offloads_of "$kind" "$side" "$rate"); do
				step "$kind" "$side" "$rate" "$offload"
			done
		done
	done
	end_talk_server proxied "$proxied"
	end_talk_server plain "$plain"
	# The MSS leaves room for the header: clients do not learn that by ICMP errors, of which each makes one come again.
	expect "hardly a segment is too long with the header, $kind" test "$(reason_count edge too_big)" -le $((FIRST / 200 + 1))
	expect "the server logs each query once, with its client, $kind" same_queries proxied
	expect "the server without header logs each query once, $kind" same_queries plain
	lab_take_down
}

steps=0
for kind in $KINDS; do
	for side in $SIDES; do
		for rate in $RATES; do
			for offload in $(offloads_of "$kind" "$side" "$rate"); do
				steps=$((steps + 1))
			done
		done
	done
done
PER_STEP=$(((CONVERSATIONS + steps - 1) / steps))
for kind in $KINDS; do
	lossy_lab "$kind"
done
