#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# section_programs.sh: what edge53's programs take for one packet, by BPF_PROG_TEST_RUN. Sourced by run.
#
# The programs as they are attached, with the maps of a dataplane at work, and 16,384 clients in turn. Nothing is
# sent, no skb is made, and redirects are decided but not carried out: the rest of a packet's price is in `paths`.

programs_workloads() { echo nat; }
programs_candidates() { printf '%s\n' edge53-xdp edge53-tc; }

programs_measure() {
	local name runs=21 median least harness
	[ -z "$BENCH_QUICK" ] || runs=3
	lab_up
	lab_bench
	candidate_up "$2"
	# Replies are to the queries that were timed before them.
	on edge "$BENCH_BIN/programs" -p "$LAB_PINS" -u uplink0 -i down0 -f "$FRONTEND" -r $runs -c "$BENCH_CPU" \
		-w "${2#edge53}" >"$LAB_TMP/programs.out"
	while read -r name median least harness; do
		result way="${name%-*}" unit=ns value="$median" least="$least" harness="$harness"
	done <"$LAB_TMP/programs.out"
	expect "both ways are timed" equal "$(cut -d - -f 1 "$LAB_TMP/programs.out" | tr '\n' ' ')" 'query reply '
}
