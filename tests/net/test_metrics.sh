#!/usr/bin/env bash
# /metrics after traffic: the numbers of `edge53 status`, as Prometheus wants them written, and as docs/metrics.md has
# them; each name that the dashboard and the rules use is there.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_metrics.sh"

url=http://127.0.0.1:$PORT
backend=(service=public-dns "backend=$BACKEND" udp_port=31053 tcp_port=31054)

lab_up
has_metrics || skip "this edge53 is built without metrics"
lab_edge ethernet
edge_config eth1
metrics_config "metrics: 127.0.0.1:$PORT" "top_clients: 3"
start_edge53 edge
expect "before the first query" scrape edge
expect "no query yet" equal "$(value edge53_backend_queries_total "${backend[@]}")" 0
lint
expect "no backend is known to be dead" test "$(value edge53_backend_up "${backend[@]}" l4proto=udp || true)" != 0

for host in 7 8 8 9 9 9 20 20 20 20 21 21 21 21 21; do
	expect "an answer" answers client $FRONTEND -b 203.0.113.$host
done
expect "TCP" answers client $FRONTEND -b 203.0.113.21 +tcp
expect "a name that is not there" ask client $FRONTEND nobody.example.org -b 203.0.113.21
printf 'short' | on client socat -u - UDP4-SENDTO:$FRONTEND:53,bind=203.0.113.7
backend_is_up() { scrape edge && [ "$(value edge53_backend_up "${backend[@]}" l4proto=tcp)" = 1 ]; }
wait_until 60 backend_is_up || fail "health does not show"
wait_until 60 same_as_status edge || fail "metrics and status differ: $(<"$LAB_TMP/differs.log")"

expect "UDP queries" equal "$(value edge53_backend_queries_total "${backend[@]}")" 16
expect "TCP connections" equal "$(value edge53_backend_tcp_connections_total "${backend[@]}")" 1
expect "a reason" equal "$(value edge53_packets_total service=public-dns reason=short_dns fate=drop)" 1
expect "the modes" test "$(value edge53_attached_hooks hook=ingress mode=tcx || value edge53_attached_hooks hook=ingress mode=clsact)" = 2
expect "XDP of the uplink" value edge53_device_hook_info device=eth0 hook=xdp >/dev/null
# The last bucket has all that were timed.
expect "latency" test "$(value edge53_backend_latency_seconds_bucket "${backend[@]}" le=+Inf)" -ge 1
expect "HELP has the reasons' sentences" grep -q '^# HELP edge53_packets_total .*SHORT_DNS: UDP payload shorter than a DNS header' "$LAB_TMP/scrape"

expect "the busiest clients, and no others" equal \
	"$(sed -n 's/^edge53_top_client_queries_total{client="\(.*\)"} \(.*\)/\1=\2/p' "$LAB_TMP/scrape" | tr '\n' ' ')" \
	"203.0.113.21=6 203.0.113.20=4 203.0.113.9=3 "
lint
expect "docs/metrics.md has all of it" python "$LAB_HERE/metrics.py" table "$LAB_TMP/scrape" "$LAB_ROOT/docs/metrics.md"

# --- HTTP -----------------------------------------------------------------------------------------

expect "the type" contains "$(on edge curl -sI --noproxy '*' $url/metrics)" "text/plain; version=0.0.4"
expect "/ leads there" equal "$(http_status edge $url/)" 200
expect "/ has a link" grep -q 'href="/metrics"' "$LAB_TMP/body"
expect "HEAD" equal "$(http_status edge $url/metrics -I)" 200
expect "another path" equal "$(http_status edge $url/metrics/x)" 404
for method in POST PUT DELETE OPTIONS TRACE PATCH; do
	expect "$method" equal "$(http_status edge $url/metrics -X $method)" 405
done
expect "a body is not waited for" equal "$(http_status edge $url/metrics -d "$(seq 10000)")" 405
expect "clients do not reach it" fails on client curl -s --noproxy '*' -m 3 http://$FRONTEND:$PORT/metrics

# --- what is shipped with it ------------------------------------------------------------------------

python "$LAB_HERE/metrics.py" names "$LAB_TMP/scrape" >"$LAB_TMP/names"
expect "the dashboard is JSON" jq -e '.panels | length > 5' "$PROMETHEUS/grafana-dashboard.json" >/dev/null
jq -r '.. | objects | (.expr // empty), (.query? | strings)' "$PROMETHEUS/grafana-dashboard.json" >"$LAB_TMP/exprs"
grep -o 'expr: .*' "$PROMETHEUS/prometheus-alerts.yaml" >>"$LAB_TMP/exprs"
n=0
while read -r name; do
	grep -qx "$name" "$LAB_TMP/names" || fail "dashboard or rules ask for $name, which is not there"
	n=$((n + 1))
done < <(grep -o 'edge53_[a-z0-9_]*' "$LAB_TMP/exprs" | sort -u)
expect "names were found in them" test "$n" -ge 15

if [ -n "${LINT_SKIPPED:-}" ]; then
	skip "$LINT_SKIPPED; everything else is fine"
fi
expect "the rules are rules" promtool check rules "$PROMETHEUS/prometheus-alerts.yaml"
cp "$PROMETHEUS/prometheus-alerts.yaml" "$LAB_HERE/prometheus-alerts-test.yaml" "$LAB_TMP"
(cd "$LAB_TMP" && promtool test rules prometheus-alerts-test.yaml) >"$LAB_TMP/rules.log" 2>&1 || fail "the rules do not fire as they should"
