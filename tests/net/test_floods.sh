#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# 1,000 good clients at a steady rate beside floods of random sources, random payloads, SYNs, fragments and one hot /24:
# the good clients lose less than 0.1 % of their UDP queries and no TCP connection, each of the flood's packets is
# counted, and what becomes of it is what edge53 says. By XDP, and by tc, which answers TC=1 what is over the limit. It is the benchmark's `floods` in short; what nftables
# and dnsdist do with the same packets is printed beside it.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR/../bench source=../bench/lab_bench.sh
. "$(dirname "$0")/../bench/lab_bench.sh"
# shellcheck source-path=SCRIPTDIR/../bench source=../bench/section_floods.sh
. "$(dirname "$0")/../bench/section_floods.sh"

BENCH_QUICK=1
FLOODS_PATIENCE=60 # for a machine that is busy: only what never comes is lost

# look KIND CANDIDATE: a row of the table; and when CANDIDATE is edge53, what is wrong with it.
look() {
	python - "$LAB_TMP" "$FLOODS_QUICK" "$FLOODS_OVER" "$@" <<-'PYTHON'
		import json, sys

		path, packets, over, kind, candidate = sys.argv[1:]
		packets, wrong = int(packets), []
		with open(f"{path}/udp.json", encoding="ascii") as file:
		    udp = json.load(file)
		with open(f"{path}/tcp.json", encoding="ascii") as file:
		    tcp = json.load(file)
		counted, ended = udp["edge"], udp["flood_ended"]

		def expect(what, is_so):
		    if not is_so:
		        wrong.append(what)

		def counts(*names):
		    return sum(counted.get(name, 0) for name in names)

		print(f"{kind:10} {candidate:10} {udp['value']:6.3f} % of {udp['well_sent']:5}"
		      f" {tcp['lost'] + tcp['kept_lost']:4} of {tcp['sent'] + tcp['kept']:4}"
		      f" {udp['flood_sent']:7} {udp['flood_arrived']:7} {udp['flood_answered']:8}",
		      ", ".join(f"{name} {n}" for name, n in counted.items()))
		if not candidate.startswith("edge53"):
		    sys.exit()
		expect("less than 0.1 % of the good clients' queries is lost", udp["value"] < 0.1)
		expect("no TCP connection is lost", tcp["value"] == 0 == tcp["lost"] + tcp["kept_lost"])
		expect("good clients ask by TCP all the time", tcp["answered"] > 20 and tcp["kept_answered"] > 2 * tcp["kept"] > 0)
		expect("the flood is sent", (udp["sent"], udp["well_sent"], udp["flood_queued_out"]) == (packets, packets // 4, 0))
		expect("nothing else is about", udp["strange"] == 0)
		# What did not come to the backend, and why. A later fragment without its first one is not known to be
		# anybody's: the host's stack has it.
		whole = 3 * packets // 4
		if kind in ("sources", "syns"):
		    expect("all of it comes to the backend", ended == 0)
		    expect("and is answered", udp["flood_answered"] >= whole)
		elif kind == "payloads":
		    expect("edge53 says what was no query", ended == counts("short_dns", "not_a_query", "bad_counts", "bad_opcode") > 0)
		elif kind == "fragments":
		    expect("edge53 says which fragments were queries", ended == counts("fragmented_query", "IpReasmReqds") == whole)
		elif kind == "hot":
		    expect("edge53 says what was over the limit", ended == counts("rate_dropped", "rate_truncated") > packets // 4)
		    expect("and how it was answered", udp["flood_truncated"] == counts("rate_truncated"))
		    expect("the way that it was told to", bool(udp["flood_truncated"]) == (over == "truncate"))
		elif kind == "hot-syns":
		    expect("edge53 says which SYNs were over the limit", ended == counts("tcp_new_dropped") > packets // 4)
		else:
		    expect("this flood is known", False)
		for what in wrong:
		    print(f"not so: {what}:\n{udp}\n{tcp}", file=sys.stderr)
		sys.exit(bool(wrong))
	PYTHON
}

# Before Linux 6.5 the generator loses packets by itself: tests/bench/traffic_run.c.
printf '%s\n' 6.5 "$(uname -r)" | sort -CV || skip "traffic loses packets by itself on Linux $(uname -r), before 6.5"
[ -x "$BENCH_BIN/traffic" ] || fail "$BENCH_BIN/traffic is not built"
mapfile -t kinds < <(floods_workloads | grep -v '^none$')

printf '%-10s %-10s %17s %12s %7s %7s %8s %s\n' FLOOD EDGE 'UDP LOST' 'TCP LOST' SENT ARRIVED ANSWERED 'COUNTED AT THE EDGE'
for candidate in edge53-xdp edge53-tc; do
	lab_up
	[ $candidate != edge53-tc ] || FLOODS_OVER=truncate
	floods_lab hot $candidate # its limits are no hindrance to the other floods
	for kind in "${kinds[@]}"; do
		floods_flood "$kind" $candidate
		expect "good clients keep their answers: $kind, $candidate" look "$kind" $candidate
	done
	lab_take_down
done

# Not asserted: they are as they are.
for candidate in nft dnsdist; do
	command -v $candidate >/dev/null || continue
	(
		lab_up
		floods_lab hot $candidate
		for kind in "${kinds[@]}"; do
			floods_flood "$kind" $candidate
			look "$kind" $candidate
		done
	) || echo "$candidate: not measured"
done
