#!/usr/bin/env bash
# /metrics where clients have a device each: the numbers of `edge53 status`, and as many series as before however many
# devices there are.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_metrics.sh"

devices_are() { scrape host && [ "$(value edge53_service_devices service=vpn)$(value edge53_service_attached_devices service=vpn)" = "$1$1" ]; }
n_samples() { grep -vc '^#' "$LAB_TMP/scrape"; }

lab_up
has_metrics || skip "this edge53 is built without metrics"
lab_enforce
enforce_config "" drop
metrics_config "metrics: 127.0.0.1:$PORT"
start_edge53 host
expect "an answer" answers vpn1 8.8.8.8
expect "by TCP" answers vpn2 9.9.9.9 +tcp
wait_until 60 devices_are 2 || fail "two devices are not attached"
wait_until 60 same_as_status host || fail "metrics and status differ: $(<"$LAB_TMP/differs.log")"
expect "the query" equal "$(value edge53_packets_total service=vpn reason=query_sent)" 1
lint
samples=$(n_samples)

for n in $(seq 10 29); do
	on host ip tuntap add "ppp$n" mode tun
	on host ip link set "ppp$n" up
done
wait_until 60 devices_are 22 || fail "22 devices are not attached"
wait_until 60 same_as_status host || fail "with more devices metrics and status differ: $(<"$LAB_TMP/differs.log")"
expect "no client's device by name" fails grep -q 'ppp' <(grep -v '^#' "$LAB_TMP/scrape")
expect "as many series as with two devices" equal "$(n_samples)" "$samples"
[ -z "${LINT_SKIPPED:-}" ] || skip "$LINT_SKIPPED; everything else is fine"
