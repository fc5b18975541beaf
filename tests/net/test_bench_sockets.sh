#!/usr/bin/env bash
# The parts of the benchmark that have sockets: their programs count what is a right answer and nothing else, and each
# measurement works, with edge53 and with who is compared.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../bench/lab_bench.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../bench/section_enforce.sh"
need dig knotd unbound dnsperf dnsdist nft taskset

counts() { json_get "$1" <"$LAB_TMP/counts"; }

# asks SERVER: a second's tenth of questions, what came of them in LAB_TMP/counts.
asks() { on "$ASKER_AT" "$BENCH_BIN/asker" "${ASKER_DEVICE[@]}" "$ENFORCE_CLIENT" "$1" 64 0.1 >"$LAB_TMP/counts"; }

asker_counts() {
	local resolver sent
	lab_up
	add_namespace host
	"enforce_device_$1"
	spawn host answerer.log "$BENCH_BIN/answerer" "$RESOLVER"
	resolver=$SPAWNED
	wait_until 20 answers host "$RESOLVER" || fail 'answerer does not answer'
	expect "asker behind $1 counts answers" asks "$RESOLVER"
	expect "each question is answered, $1" equal "$(counts 'd["answered"] == d["sent"] > 16384')" True
	sent=$(counts 'd["sent"]')
	# The same answers, from an address that was not asked.
	on host nft -f - <<-NFT
		table ip wrong {
			chain in {
				type filter hook prerouting priority raw
				udp dport 53 ip daddr $ENFORCE_ASKED ip daddr set $RESOLVER udp checksum set 0 notrack
			}
		}
	NFT
	expect "answers of others are none, $1" fails asks "$ENFORCE_ASKED"
	end_process "$resolver"
	expect "and there were some, $1" test "$(json_get 'd["answered"]' <"$LAB_TMP/answerer.log")" -gt $((sent + 30))
	lab_take_down
}

connections_counts() {
	local kept
	lab_up
	add_namespace host
	start_knot host knot 192.0.2.80 127.0.0.1@53
	on host "$BENCH_BIN/connections" -s 127.0.0.1 -c 8 -t 0.2 >"$LAB_TMP/counts"
	expect 'each connection is answered' equal "$(counts 'd["answered"] == d["sent"] > 0')" True
	on host "$BENCH_BIN/connections" -s 127.0.0.1 -p 54 -c 8 -t 0.2 >"$LAB_TMP/counts"
	expect 'a connection that is refused is not answered' equal "$(counts '(d["answered"], d["refused"] == d["sent"] > 0)')" \
		'(0, True)'
	# So many a second and no more, beside some that stay, and ask again.
	on host "$BENCH_BIN/connections" -s 127.0.0.1 -c 100 -t 1 -q 50 -k 3 -T 20 >"$LAB_TMP/counts" 2>"$LAB_TMP/kept"
	expect 'connections are opened at a rate' equal \
		"$(counts '0 < d["sent"] == d["answered"] <= 50 * d["seconds"] + 1')" True
	expect 'those that stay ask again' equal \
		"$(counts '(d["kept"], d["kept_lost"], d["kept_asked"] == d["kept_answered"] >= 6)')" '(3, 0, True)'
	spawn host kept.log "$BENCH_BIN/connections" -s 127.0.0.1 -c 1 -t 60 -q 1 -k 3
	kept=$SPAWNED
	wait_until 20 grep -q '^kept open' "$LAB_TMP/kept.log" || fail 'none is kept open'
	end_process "$KNOT_PID"
	end_process "$kept"
	expect 'those that stay and are closed are lost' equal "$(grep '^{' "$LAB_TMP/kept.log" | json_get 'd["kept_lost"]')" 3
	lab_take_down
}

[ -x "$BENCH_BIN/asker" ] || fail "$BENCH_BIN/asker is not built"
asker_counts f
asker_counts f_veth
connections_counts

OUT=$(mktemp -d)
trap 'rm -rf "$OUT"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
QUICK=1 "$LAB_ROOT/tests/bench/run" -o "$OUT" sockets/{dnsperf,e}/{direct,edge53-xdp-proxy,dnsdist} enforce/{f,f-veth}/edge53 \
	>"$OUT/table" 2>"$OUT/log" || { cat "$OUT/log" "$OUT/table" >&2; fail "tests/bench/run: $?"; }
# Each has two lines.
expect 'all of them are measured' equal "$(python -c '
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
print(len(lines), all(line["answered"] > 0 and line["value"] > 0 for line in lines))' "$OUT/raw.jsonl")" '16 True'
