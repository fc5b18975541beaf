#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# section_floods.sh: what is left of 1,000 good clients while somebody floods port 53. Sourced by run.
#
#   none       nothing else: what the lab itself loses     syns       TCP SYNs from anywhere, never acknowledged
#   sources    good queries from anywhere                  hot-syns   the same from one /24
#   hot        the same from one /24                       fragments  parts of datagrams that are never whole
#   payloads   random bytes from anywhere
#
# Good clients ask at a steady rate over UDP, each in a /24 of its own and each time from another port; and over TCP:
# connections that are opened, ask, and are closed, and some that stay. `traffic` sends queries and flood by one
# clock, in one order, so all candidates get the same packets at the same rate. What does not go into the queue before
# the edge, as long as a card's, while the CPU is at work is lost there: an edge that is too slow loses good queries, too.
#
# Against what comes from one /24 each candidate has what it has for it: no more than 1,000 queries a second, and 1,000
# new connections. dnsdist has nothing against SYNs: its host's stack answers them.
#
# way udp: percent of the good clients' queries that had no answer; and where the flood's packets went, of which each is
# counted: flood_sent = flood_queued_out + flood_arrived (at the backend) + flood_ended (at the edge: what `edge` says of
# that is the edge's own counters). way tcp: percent of the good clients' connections that were lost.

# shellcheck source-path=SCRIPTDIR source=section_sockets.sh
declare -F sockets_server_e >/dev/null || . "$(dirname "${BASH_SOURCE[0]}")/section_sockets.sh"

FLOODS_QUEUE=4096       # of a network card, before the edge
FLOODS_RATE=110000      # packets a second
FLOODS_WELL_EVERY=11    # of so many packets one is a good client's
FLOODS_QUICK=24000      # packets, where it is only to work: fewer a second, and none is lost because a CPU is busy
FLOODS_CLIENTS=1000
FLOODS_LIMIT=1000       # queries, or connections, a second of a /24
FLOODS_OVER=drop        # what edge53 does with queries over it
FLOODS_KEPT=20          # TCP connections that stay
FLOODS_OPENED=100       # TCP connections a second that do not

floods_workloads() { printf '%s\n' none sources hot payloads syns hot-syns fragments; }
floods_candidates() { printf '%s\n' edge53-xdp edge53-tc nft dnsdist; }

floods_measure() {
	lab_up
	floods_lab "$1" "$2"
	floods_flood "$1" "$2"
	result "$(<"$LAB_TMP/udp.json")" way=udp unit=percent
	result "$(<"$LAB_TMP/tcp.json")" way=tcp unit=percent
}

# ---------------------------------------------------------------- the lab

# floods_lab KIND CANDIDATE: ready for this flood. FLOODS_UDP is the port that queries go to at the backend.
floods_lab() {
	local host limit=()
	need unbound dig
	lab_bench
	[ "$(nproc)" = 1 ] || own_queues # connections and servers are on any CPU
	for host in {1..32}; do
		on gen ip addr add "$SOCKETS_CLIENTS.$host/32" dev lo
	done
	SERVER_THREADS=1 SERVER_PIDS=()
	sockets_server_e ''
	FLOODS_UDP=31053
	case $1/$2 in
	hot*/nft)
		candidate_up nft
		floods_limit_nft
		;;
	*/dnsdist)
		FLOODS_UDP=$BACKEND_PORT
		[[ $1 != hot* ]] || limit=("addAction(MaxQPSIPRule($FLOODS_LIMIT, 24), DropAction())")
		dnsdist_up "$BACKEND_PORT" false "$(floods_dnsdist_counters)" "${limit[@]}"
		;;
	hot*/*)
		# shellcheck disable=SC2034 # of lab_bench.sh
		BENCH_SERVICE="rate_limit: { qps: $FLOODS_LIMIT, burst: $FLOODS_LIMIT, over: $FLOODS_OVER, prefix: { ipv4: 24 } }
		    tcp_limit: { new_per_second: $FLOODS_LIMIT, burst: $FLOODS_LIMIT, prefix: { ipv4: 24 } }"
		BENCH_SERVICE=${BENCH_SERVICE//$'\t'/}
		candidate_up "$2"
		;;
	*) candidate_up "$2" ;;
	esac
	wait_until 20 answers gen "$FRONTEND" +tcp || fail "no answer from $FRONTEND by TCP"
}

# Before a connection is made of it.
floods_limit_nft() {
	local over="{ ip saddr & 255.255.255.0 limit rate over $FLOODS_LIMIT/second burst $FLOODS_LIMIT packets }"
	local set='type ipv4_addr; size 65535; flags dynamic, timeout; timeout 10s'
	on edge nft -f - <<-NFT
		table ip bench_limit {
			counter over_limit {}
			set udp_rates { $set; }
			set tcp_rates { $set; }
			chain pre {
				type filter hook prerouting priority raw
				iifname uplink0 udp dport 53 update @udp_rates $over counter name over_limit drop
				iifname uplink0 tcp dport 53 tcp flags & (syn | ack) == syn update @tcp_rates $over counter name over_limit drop
			}
		}
	NFT
}

# dnsdist calls this once a second.
floods_dnsdist_counters() {
	cat <<-LUA
		function maintenance()
		  local file = io.open("$LAB_TMP/dnsdist.new", "w")
		  for name, value in pairs(getStatisticsCounters()) do
		    file:write(name, " ", value, "\n")
		  end
		  file:close()
		  os.rename("$LAB_TMP/dnsdist.new", "$LAB_TMP/dnsdist.counters")
		end
	LUA
}

# ---------------------------------------------------------------- one flood

# floods_flood KIND CANDIDATE: what came of it, in LAB_TMP/udp.json and tcp.json.
floods_flood() {
	local talk
	rm -f "$LAB_TMP/talk.log"
	floods_counters "$2" >"$LAB_TMP/before.json"
	spawn gen talk.log "$BENCH_BIN/connections" -s "$FRONTEND" -k "$FLOODS_KEPT" -q "$FLOODS_OPENED" -c 1000 \
		-T "${FLOODS_PATIENCE:-5}" -t 200 -a "$SOCKETS_CLIENTS.1" -n 32
	talk=$SPAWNED
	wait_until 60 grep -q '^kept open' "$LAB_TMP/talk.log" || fail 'no TCP connections before the flood'
	floods_traffic "$1" >"$LAB_TMP/traffic.json"
	kill "$talk"
	wait "$talk" || fail 'connections'
	grep '^{' "$LAB_TMP/talk.log" >"$LAB_TMP/talk.json"
	floods_counters "$2" >"$LAB_TMP/after.json"
	floods_judge
}

floods_traffic() {
	local kind=$1 every=$FLOODS_WELL_EVERY amount=(--rate "$FLOODS_RATE" --seconds "${BENCH_SECONDS:-1}" --queue "$FLOODS_QUEUE")
	if [ -n "${BENCH_QUICK:-}" ]; then
		every=4 amount=(--rate 20000 --packets "$FLOODS_QUICK")
	fi
	if [ "$kind" = none ]; then
		kind=sources amount[1]=$((amount[1] / every)) every=1
		[ "${amount[2]}" != --packets ] || amount[3]=$((amount[3] / 4))
	fi
	"$BENCH_BIN/traffic" --workload flood --flood "$kind" --well-every "$every" "${amount[@]}" --warm 0 --way round-trip \
		--clients "$FLOODS_CLIENTS" --stride 257 --ports 60 --cpus "${BENCH_CPU:-0}" --backend "$BACKEND:$FLOODS_UDP" \
		--client-ns "/run/netns/$LAB_ID-gen" --client-dev gen0 \
		--backend-ns "/run/netns/$LAB_ID-backend" --backend-dev back0 --edge-mac "$(mac_of edge uplink0)"
}

# ---------------------------------------------------------------- what the edge counts

# floods_counters CANDIDATE: a JSON object of what ends packets at the edge: edge53's reasons that drop, what else the
# candidate counts, and what the host's own stack has to do with them.
floods_counters() {
	local status='{}' conntrack='' others=''
	case $1 in
	edge53-*) status=$(e53 edge status --json) ;;
	nft)
		conntrack=$(on edge cat /proc/net/stat/nf_conntrack)
		others=$(on edge nft list counters | awk '$1 == "counter" { name = $2 } $1 == "packets" { print name, $2 }')
		;;
	dnsdist)
		rm -f "$LAB_TMP/dnsdist.counters" # what is written from now on is new
		wait_until 20 test -e "$LAB_TMP/dnsdist.counters" || fail 'dnsdist does not say what it has counted'
		others=$(grep -E '^(rule-drop|noncompliant-queries|empty-queries|acl-drops|no-policy|downstream-send-errors) ' \
			"$LAB_TMP/dnsdist.counters")
		;;
	esac
	python_on edge - "$status" "$conntrack" "$others" <<-'PYTHON'
		import json, sys

		status, conntrack = json.loads(sys.argv[1]), sys.argv[2].splitlines()
		counters = {}
		for service in status.get("services", []):
		    for reason in service["reasons"]:
		        if reason["fate"] == "drop":
		            counters[reason["reason"]] = reason["packets"]
		for line in conntrack[1:]:
		    for name, value in zip(conntrack[0].split(), line.split()):
		        if name in ("insert_failed", "drop", "early_drop", "invalid"):
		            counters["conntrack " + name] = counters.get("conntrack " + name, 0) + int(value, 16)
		for line in sys.argv[3].splitlines():
		    counters[line.split()[0]] = int(line.split()[1])
		wanted = {"Ip": ("InDiscards", "ReasmReqds"), "Udp": ("NoPorts", "InErrors"),
		          "TcpExt": ("SyncookiesSent", "ListenDrops")}
		for path in "/proc/net/snmp", "/proc/net/netstat":
		    lines = open(path, encoding="ascii").read().splitlines()
		    for titles, values in zip(lines[::2], lines[1::2]):
		        kind = titles.split(":")[0]
		        for name, value in zip(titles.split(), values.split()):
		            if name in wanted.get(kind, ()):
		                counters[kind + name] = int(value)
		print(json.dumps(counters))
	PYTHON
}

# ---------------------------------------------------------------- results

# What the programs have counted, as the two figures of this flood.
floods_judge() {
	python - "$LAB_TMP" <<-'PYTHON'
		import json, sys

		def read(name):
		    with open(f"{sys.argv[1]}/{name}.json", encoding="ascii") as file:
		        return json.load(file)

		def write(name, value):
		    with open(f"{sys.argv[1]}/{name}.json", "w", encoding="ascii") as file:
		        json.dump(value, file)

		before, after, udp, tcp = (read(name) for name in ("before", "after", "traffic", "talk"))
		counted = {name: n - before.get(name, 0) for name, n in after.items() if n != before.get(name, 0)}
		udp["value"] = 100 * (udp["well_sent"] - udp["well_answered"]) / udp["well_sent"]
		udp["flood_ended"] = udp["flood_sent"] - udp["flood_queued_out"] - udp["flood_arrived"]
		udp["edge"] = dict(sorted(counted.items(), key=lambda item: -item[1]))
		# Those that stay are connections, too.
		tcp["sent"] += tcp["kept"]
		tcp["answered"] += tcp["kept"] - tcp["kept_lost"]
		tcp["lost"] += tcp["kept_lost"]
		tcp["value"] = 100 * tcp["lost"] / tcp["sent"]
		del tcp["unit"]
		write("udp", udp)
		write("tcp", tcp)
	PYTHON
}
