#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Whatever lists has JSON that jq takes and docs/json.md describes, key by key; the tables for people have the same numbers;
# and each pinned map is readable with bpftool, by the names of its fields.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need jq bpftool

DOC=$LAB_ROOT/docs/json.md

# keys_of: of the documents on standard input, a path a line, as the page writes them.
keys_of() {
	jq -r 'paths | select(.[-1] | type == "string") | reduce .[] as $p ("";
		if $p | type == "number" then . + "[]" elif . == "" then $p else . + "." + $p end)' | LC_ALL=C sort -u
}

# described HEADING: the keys that the page has below it, and what leads there, and below each `traffic` the counters.
described() {
	python - "$DOC" "## $1" <<-'PYTHON'
		import re, sys

		lines = open(sys.argv[1], encoding="utf-8").read().split("\n")

		def names(lines):
		    return [key for line in lines if line.startswith("| `") for key in re.findall("`([^`]*)`", line.split("|")[1])]

		def until(lines, start):
		    return lines[:next((i for i, line in enumerate(lines) if line.startswith(start)), len(lines))]

		begin = lines.index(sys.argv[2]) + 1
		counters = names(until(lines, "## "))
		keys = names(until(lines[begin:], "## "))
		for above in {key for key in keys if re.search("(^|[.])(traffic|others)$", key)}:
		    keys += [f"{above}.{counter}" for counter in counters]
		if "clients[].client" in keys:
		    keys += [f"clients[].{counter}" for counter in counters]
		keys += [key.replace("before", "after", 1) for key in keys if key.startswith("before.")]
		known = set()
		for key in keys:
		    parts = key.split(".")
		    known |= {".".join(parts[:n]).removesuffix("[]") for n in range(1, len(parts) + 1)}
		print(*sorted(known), sep="\n")
	PYTHON
}

# listing HEADING OPTIONS...: its JSON is in LAB_TMP/HEADING.json, and described.
listing() {
	local name=$1 status=0 unknown
	shift
	e53 edge "$@" --json >"$LAB_TMP/$name.json" 2>"$LAB_TMP/$name.err" || status=$?
	expect "$name --json ends with 0: $(<"$LAB_TMP/$name.err")" equal $status 0
	expect "$name --json is one document for jq" equal "$(jq -s length "$LAB_TMP/$name.json")" 1
	unknown=$(LC_ALL=C comm -23 <(keys_of <"$LAB_TMP/$name.json") <(described "edge53 $name") | paste -sd' ')
	expect "docs/json.md has all keys of $name" equal "$unknown" ''
}

# cell TITLE: of the first row of the table on standard input.
cell() { awk -v title="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == title) c = i } NR == 2 { print $c }'; }

lab_up
lab_edge ethernet
edge_config eth1
sed -i 's/^    client_ip: none/    rate_limit: { qps: 1000, slip: 2 }\n    response_limit: { bytes_per_second: 1000000 }\n    any: truncate/' \
	"$LAB_TMP/edge53.yaml"
start_edge53 edge
for ((i = 0; i < 3; i++)); do
	expect 'a query' equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
done
expect 'a query for what it does not serve' ask client $FRONTEND www.example.net
expect 'a query by TCP' equal "$(ask client $FRONTEND www.example.com +tcp -b 203.0.113.8)" 192.0.2.80

listing status status
listing clients clients
listing flows flows
listing check check -c "$LAB_TMP/edge53.yaml" --no-probe
listing explain explain --in eth0 --from 203.0.113.7:4242 --to $FRONTEND
listing explain explain --in eth0 --from 203.0.113.7:4242 --to $FRONTEND --tcp
expect 'nothing else has --json' equal "$(for verb in run attach down; do "$EDGE53" help $verb; done | grep -c -e --json)" 0

# --- the documents of --watch ----------------------------------------------------------------------

spawn edge watch.json "$EDGE53" --pins "$LAB_PINS" clients --watch --json
watcher=$SPAWNED
two_documents() { [ "$(jq -s length "$LAB_TMP/watch.json")" -ge 2 ]; }
wait_until 30 two_documents || fail 'clients --watch --json is not for jq'
end_process "$watcher"
expect 'docs/json.md has their keys' equal '' \
	"$(LC_ALL=C comm -23 <(jq -s '.[1]' "$LAB_TMP/watch.json" | keys_of) <(described 'edge53 clients') | paste -sd' ')"
expect 'a rate from the second one on' jq -se '(.[0].clients[0] | has("queries_per_second") | not) and
	(.[1].clients[0].queries_per_second | type == "number")' "$LAB_TMP/watch.json"

# --- the same for people ---------------------------------------------------------------------------

e53 edge status >"$LAB_TMP/status.txt"
while read -r title key; do
	expect "status has $key below $title" equal "$(sed -n '/^Traffic/,/^$/p' "$LAB_TMP/status.txt" | sed 1d | cell "$title")" \
		"$(jq ".services[0].backends[0].traffic.$key" "$LAB_TMP/status.json")"
	expect "clients has $key below $title" equal "$(e53 edge clients --sort queries | cell "$title")" \
		"$(jq ".clients[0].$key" "$LAB_TMP/clients.json")"
done <<-'END'
	QUERIES queries
	REPLIES replies
	BYTES-IN bytes_in
	BYTES-OUT bytes_out
	TCP tcp_connections
	TRUNC truncated
	NOERROR noerror
	NXDOMAIN nxdomain
	SERVFAIL servfail
	REFUSED refused
	OTHER other_rcode
END
expect 'the numbers are not all the same' jq -e '.services[0].backends[0].traffic | .queries == 4 and .refused == 1 and
	.noerror == 3 and .tcp_connections == 1 and .bytes_in > 100' "$LAB_TMP/status.json"
expect 'replies were timed' jq -e '.services[0].backends[0] | .latency_percentiles.timed_replies ==
	([.latency[].replies] | add) and .latency_percentiles.p50_below_us > 0' "$LAB_TMP/status.json"

# --- bpftool ---------------------------------------------------------------------------------------

# Of maps of maps and of perf events the kernel takes no BTF: they hold descriptors. Of large maps the first entry tells.
n_maps=0
for pin in "$LAB_PINS"/*; do
	[ -f "$pin" ] || continue
	name=$(basename "$pin")
	kind=$(bpftool -j map show pinned "$pin" | jq -r .type)
	case $kind in
	array_of_maps | perf_event_array) continue ;;
	esac
	n_maps=$((n_maps + 1))
	expect "$name has BTF" test "$(bpftool -j map show pinned "$pin" | jq '.btf_id // 0')" -gt 0
	case $name in
	clients | client_index | slots | conns | devices)
		bpftool -j map lookup pinned "$pin" key 0 0 0 0 | jq -c '[.]' ;;
	*) bpftool -j map dump pinned "$pin" ;;
	esac >"$LAB_TMP/map.json"
	# Each value of each entry, of each CPU, is an object with names, or a number that needs none.
	jq -e 'all(.[]; .formatted | if has("values") then [.values[].value] else [.value] end |
		all(type == "number" or (type == "object" and length > 0)))' "$LAB_TMP/map.json" >"$LAB_TMP/map.out" ||
		fail "bpftool shows $name as $(head -c 300 "$LAB_TMP/map.json")"
done
expect "there are maps: $n_maps" test $n_maps -gt 20
field() { bpftool -j map dump pinned "$LAB_PINS/$1" | jq -c "$2"; }
expect 'a service by its name' contains "$(bpftool map dump pinned "$LAB_PINS/services")" '"name": "public-dns"'
expect 'a frontend' equal "$(field frontends '.[0].formatted.key.ifindex > 0')" true
expect 'a client by its counters' equal \
	"$(bpftool -j map lookup pinned "$LAB_PINS/clients" key 0 0 0 0 | jq '.formatted.value.traffic | has("refused")')" true

# --- what is asked now -----------------------------------------------------------------------------

spawn client busy.log bash -c "while dig @$FRONTEND www.example.com +short +tries=1 +time=5; do :; done"
busy=$SPAWNED
listing 'clients --names' clients --names
end_process "$busy"
expect 'somebody asks something' jq -e '.clients[0].names[0] | .name == "www.example.com." or .name == "www.example.com"' \
	"$LAB_TMP/clients --names.json"
