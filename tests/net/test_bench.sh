#!/usr/bin/env bash
# The benchmark, as short as it goes: whoever competes answers real queries, every packet is counted, and
# what is not counted is not reported.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../bench/lab_bench.sh"
need dig knotd nft

# real_queries CANDIDATE: by UDP and TCP, to the frontend or, where nobody translates, to the backend.
real_queries() {
	local server=$FRONTEND udp=53 tcp=53
	lab_up
	lab_bench
	candidate_up "$1"
	start_knot backend knot 192.0.2.80 "$BACKEND@31053" "$BACKEND@31054"
	candidate_translates "$1" || server=$BACKEND udp=31053 tcp=31054
	expect "an answer through $1 by UDP" equal "$(ask gen "$server" www.example.com -p $udp)" 192.0.2.80
	expect "an answer through $1 by TCP" equal "$(ask gen "$server" www.example.com -p $tcp +tcp)" 192.0.2.80
	lab_take_down
	expect "pins of $1 are gone" test ! -e "$LAB_PINS"
	expect "namespaces of $1 are gone" lacks "$(ip netns)" "$LAB_ID-"
}

# check_lines WORKLOAD/CANDIDATE/WAY...: each line of raw.jsonl, and there is one about each of these.
check_lines() {
	python - "$OUT/raw.jsonl" "$@" <<-'PYTHON'
		import json, sys
		lines = [json.loads(line) for line in open(sys.argv[1])]
		for line in lines:
		    seen = line["arrived" if line["way"] == "query" else "answered"]
		    assert line["sent"] > 0 and 0 < seen <= line["sent"], line
		    assert line["value"] > 0 and line["unit"] == "packets/s", line
		for name in sys.argv[2:]:
		    assert any(name == f"{l['workload']}/{l['candidate']}/{l['way']}" for l in lines), name
	PYTHON
}

check_svg() { python -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$1"; }

[ -x "$BENCH_BIN/report" ] || fail "$BENCH_BIN/report is not built"
for candidate in edge53-xdp edge53-tc nft; do
	real_queries $candidate
done

OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
measured=(paths/a/redirect paths/a/edge53-xdp-proxy paths/a/edge53-tc paths/b1/nft paths/d/edge53-xdp)
QUICK=1 "$LAB_ROOT/tests/bench/run" -o "$OUT" "${measured[@]}" >"$OUT/table" 2>"$OUT/log" ||
	{ cat "$OUT/log" "$OUT/table" >&2; fail "tests/bench/run: $?"; }
expect "every packet is counted" check_lines {a/redirect,a/edge53-xdp-proxy,a/edge53-tc,b1/nft}/{query,round-trip} \
	d/edge53-xdp/round-trip
expect "the table tells whether a goal was met" grep -qi "flood.* reached" "$OUT/table"
expect "bench.json is JSON" python -m json.tool "$OUT/bench.json" /dev/null
expect "bench.svg is XML" check_svg "$OUT/bench.svg"

sed -i 's/"answered":/"unanswered":/' "$OUT/raw.jsonl"
expect "what was not counted is refused" fails "$BENCH_BIN/report" "$OUT"
