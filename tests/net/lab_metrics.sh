#!/usr/bin/env bash
# What the tests of /metrics have in common. To be sourced after lab.sh.
# shellcheck disable=SC2034 # variables are for those who source it
[ "$LAB_NAT" = edge53 ] || skip "nftables has no metrics"
need curl jq

PROMETHEUS=$LAB_ROOT/docs/examples
PORT=9453

# metrics_config TEXT...: lines of the block `export` behind the configuration that there is.
metrics_config() {
	sed -i '/^export:/,$d' "$LAB_TMP/edge53.yaml"
	{
		echo "export:"
		printf '  %s\n' "$@"
	} >>"$LAB_TMP/edge53.yaml"
}
has_metrics() { contains "$(ldd "$EDGE53")" libmicrohttpd 2>/dev/null; }

# scrape NAME [ADDRESS]: /metrics as namespace NAME sees it, into the file scrape.
scrape() { on "$1" curl -sf --noproxy '*' -m "$LAB_ANSWER_SECONDS" "http://${2:-127.0.0.1:$PORT}/metrics" >"$LAB_TMP/scrape"; }
# value METRIC LABEL=VALUE...: of the scrape.
value() { python "$LAB_HERE/metrics.py" value "$LAB_TMP/scrape" "$@"; }
# http_status NAME URL OPTIONS...
http_status() {
	local ns=$1 url=$2
	shift 2
	on "$ns" curl -s --noproxy '*' -o "$LAB_TMP/body" -w '%{http_code}' -m "$LAB_ANSWER_SECONDS" "$@" "$url" || true
}
# same_as_status NAME: the scrape has the numbers of `edge53 status`. What is left of a query may come between the two.
same_as_status() {
	scrape "$1" && e53 "$1" status --json >"$LAB_TMP/status.json" &&
		python "$LAB_HERE/metrics.py" same "$LAB_TMP/scrape" "$LAB_TMP/status.json" >"$LAB_TMP/differs.log"
}
# lint: promtool has nothing to say against the scrape.
lint() {
	if command -v promtool >/dev/null; then
		expect "promtool check metrics" promtool check metrics <"$LAB_TMP/scrape"
	else
		LINT_SKIPPED="promtool is not installed"
	fi
}
listens() { [ -n "$(on edge ss -Hltn "sport = :$1")" ]; }
closed() { ! listens "$1"; }
