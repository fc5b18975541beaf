#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# A million queries of ten thousand clients, and their replies, by two CPUs: what the clients have, what the service has,
# and what the generator has sent and got back are the same numbers, to the packet. With far more clients than
# limits.clients the sum is still the same, and those who made room are a number themselves. In XDP, behind XDP in tc, and
# in tc alone.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR/../bench source=../bench/lab_bench.sh
. "$(dirname "$0")/../bench/lab_bench.sh"

BENCH_BIN=$(cd "$LAB_ROOT" && realpath -m "${BUILD:-build}")/tests/bench
PASS=${PASS_OBJECT:-$(dirname "$EDGE53")/tests/pass.bpf.o}
CLIENTS=10001 # not even, so that each has packets on both CPUs: one sends even numbers, the other one odd ones
EACH=${QUICK:+4}
EACH=${EACH:-100}
PACKETS=$((CLIENTS * EACH))
LIMIT=16384      # entries of each CPU: enough for these,
CROWD=$((LIMIT * 20)) # and not for those

# exact_lab CANDIDATE
exact_lab() {
	lab_up
	lab_bench
	own_queues 2
	# shellcheck disable=SC2034 # of lab_bench.sh
	BENCH_CLIENTS=$LIMIT
	if [ "$1" = tc-alone ]; then
		tc_alone_up
	else
		candidate_up "$1"
	fi
}

# tc_alone_up: somebody else has XDP already, so that edge53 has nothing but tc.
tc_alone_up() {
	local device
	for device in uplink0 down0; do
		on edge ip link set dev $device xdp obj "$PASS" sec xdp 2>"$LAB_TMP/ip.log" ||
			skip "ip cannot load an XDP program here: $(tail -n 1 "$LAB_TMP/ip.log")"
	done
	edge53_up none false
	expect 'it has no XDP' lacks "$(e53 edge status)" ' edge_xdp '
}

# ask_all OPTIONS...: a million queries, of which none must be lost; then what is said of them and those before, in
# LAB_TMP/*.json.
ask_all() {
	timeout 120 "$BENCH_BIN/traffic" --client-ns "/run/netns/$LAB_ID-gen" --client-dev gen0 \
		--backend-ns "/run/netns/$LAB_ID-backend" --backend-dev back0 --edge-mac "$(mac_of edge uplink0)" \
		--way round-trip --warm 0 --cpus 0,1 --packets $PACKETS "$@" >"$LAB_TMP/sent.json" ||
		fail 'traffic failed'
	expect "all are answered: $(<"$LAB_TMP/sent.json")" \
		equal "$(json_get 'd["sent"], d["arrived"], d["answered"], d["strange"]' <"$LAB_TMP/sent.json")" \
		"$PACKETS $PACKETS $PACKETS 0"
	e53 edge clients --json >"$LAB_TMP/clients.json" || fail 'clients'
	e53 edge status --json >"$LAB_TMP/status.json" || fail 'status'
	cat "$LAB_PINS/text/clients" >"$LAB_TMP/clients.txt" || fail 'text/clients'
	bpftool -j map dump pinned "$LAB_PINS/cpu_state" >"$LAB_TMP/cpus.json" || fail 'cpu_state'
}

# agree N EACH: the numbers of everyone, of N queries; each client has so many of them (0: not all clients have a row).
agree() {
	python - "$LAB_TMP" "$1" "$2" <<-'PYTHON'
		import json, sys

		def read(name):
		    with open(f"{sys.argv[1]}/{name}.json", encoding="utf-8") as file:
		        return json.load(file)

		listed, status, cpus = read("clients"), read("status"), read("cpus")
		n, each = int(sys.argv[2]), int(sys.argv[3])
		clients, others = listed["clients"], listed["others"]
		service = status["services"][0]
		reasons = {r["reason"]: r["packets"] for r in service["reasons"] if r["packets"]}
		wrong = []

		def same(what, got, wanted):
		    if got != wanted:
		        wrong.append(f"{what}: {got}, and not {wanted}")

		frame = 20 + 8 + 40 # IPv4, UDP, DNS; a reply is as long
		wanted = dict.fromkeys(others, 0) | {
		    "queries": n, "replies": n, "noerror": n, "bytes_in": n * frame, "bytes_out": n * frame}
		for key, value in wanted.items():
		    same(f"{key} of all clients", sum(c[key] for c in clients) + others[key], value)
		    same(f"{key} of the service", service["traffic"][key], value)
		    same(f"{key} of its backend", service["backends"][0]["traffic"][key], value)
		same("reasons", reasons, {"query_sent": n, "reply_sent": n})
		same("slots", status["ring"]["handed_out"], n)
		same("clients listed twice", len(clients) - len({c["client"] for c in clients}), 0)

		with open(f"{sys.argv[1]}/clients.txt", encoding="utf-8") as file:
		    titles, *lines = [line.split() for line in file]
		rows = {line[0]: [int(value) for value in line[1:12]] for line in lines}
		same("the text", rows, {name: [c[key] for key in titles[1:12]]
		                        for name, c in [(c["client"], c) for c in clients] + [("others", others)]})

		states = [value["value"] for value in cpus[0]["formatted"]["values"]]
		same("CPUs that were asked by", sum(state["next_slot"] > n // 4 for state in states), 2)
		for name, key in (("clients_evicted", "clients_evicted"), ("packets_not_counted", "clients_not_counted")):
		    same(f"{name} of the CPUs", listed[name], sum(state[key] for state in states))
		same("clients_evicted in status", status["ring"]["clients_evicted"], listed["clients_evicted"])
		same("client_packets_not_counted in status", status["ring"]["client_packets_not_counted"],
		     listed["packets_not_counted"])
		if each:
		    for key in ("queries", "replies"):
		        same(f"who has how many {key}", {c[key] for c in clients}, {each})
		    same("clients", len(clients), n // each)
		    same("others", (listed["packets_not_counted"], listed["clients_evicted"]), (0, 0))
		else:
		    limit = status["geometry"]["clients"]
		    same("entries in use", [state["clients_used"] for state in states if state["next_slot"]], [limit] * 2)
		    same("rows fit", limit <= len(clients) <= 2 * limit, True)
		    same("some made room", listed["clients_evicted"] > 0, True)
		    same("some have no room", listed["packets_not_counted"] > 0, True)
		print(*wrong[:20], sep="\n")
		sys.exit(bool(wrong))
	PYTHON
}

# Before Linux 6.5 the generator loses packets by itself: tests/bench/traffic_run.c.
printf '%s\n' 6.5 "$(uname -r)" | sort -CV || skip "traffic loses packets by itself on Linux $(uname -r), before 6.5"
[ "$(nproc)" -gt 1 ] || skip 'there is one CPU'
need ethtool bpftool unshare

for candidate in edge53-xdp edge53-tc tc-alone; do
	exact_lab $candidate
	ask_all --clients $CLIENTS
	expect "$candidate: everybody has the same numbers" agree $PACKETS "$EACH"
	ask_all --workload zipf --clients $CROWD
	expect "$candidate, more clients than room: everybody has the same sum" agree $((2 * PACKETS)) 0
	expect "people are told" contains "$(e53 edge clients --top 1 2>&1)" "limits.clients ($LIMIT for each CPU) is too small"
	expect "and in status" contains "$(e53 edge status)" ' clients made room'
	lab_take_down
done
