#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# section_paths.sh: live frames of XDP through the whole path, every one counted at its end. Sourced by run.
#
#   a    16,384 clients that are known                    c  a million clients, the n-th of them 1/n as often
#   b1   every query from a new port, a million of them   d  any address at all, beside 1,000 clients who behave:
#   b10  ... ten million                                     each with 60 ports; theirs is what is counted as lost

paths_workloads() { printf '%s\n' a b1 b10 c d; }

paths_candidates() {
	case $1 in
	a) printf '%s\n' redirect edge53-xdp edge53-xdp-proxy edge53-tc routing nft ;;
	d) printf '%s\n' edge53-xdp edge53-tc nft ;;
	*) printf '%s\n' redirect edge53-xdp edge53-tc nft ;;
	esac
}

paths_ways() {
	case $1 in
	d) echo round-trip ;;
	*) echo query round-trip ;;
	esac
}

# paths_traffic WORKLOAD CANDIDATE WAY: prints what `traffic` counted.
paths_traffic() {
	local options=''
	case $1 in
	a) options='--workload known --clients 16384' ;;
	b1) options='--workload ports --clients 65536 --ports 16' ;;
	b10) options='--workload ports --clients 655360 --ports 16' ;;
	c) options='--workload zipf --clients 1048576' ;;
	d) options='--workload flood --clients 1000 --ports 60' ;;
	esac
	candidate_translates "$2" || options+=" --service $BACKEND:31053"
	[ "$2" != edge53-xdp-proxy ] || options+=' --proxy'
	# shellcheck disable=SC2086 # several words
	"$BENCH_BIN/traffic" $options --way "$3" --seconds "$BENCH_SECONDS" --cpus "$BENCH_CPU" \
		--client-ns "/run/netns/$LAB_ID-gen" --client-dev gen0 \
		--backend-ns "/run/netns/$LAB_ID-backend" --backend-dev back0 --edge-mac "$(mac_of edge uplink0)"
}

# Each way begins with nothing known, no client and no connection: for that who remembers some begins anew. A smoke
# run does without.
paths_measure() {
	local way counted
	for way in $(paths_ways "$1"); do
		if [ -z "$LAB_TMP" ]; then
			lab_up
			lab_bench
			candidate_up "$2"
		fi
		counted=$(paths_traffic "$1" "$2" "$way")
		result "$counted" way="$way" unit=packets/s
		[ -n "$BENCH_QUICK" ] || ! candidate_translates "$2" || lab_take_down
	done
}
