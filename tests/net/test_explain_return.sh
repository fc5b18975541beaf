#!/usr/bin/env bash
# edge53 explain of `return`, and of an uplink without Ethernet header: what a query by the tunnel leaves behind is not left
# by one that is only explained.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_return.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_explain.sh"

reply() { explain backend --out up0 --from "$BACKEND:53" --to "$KEPT:$1" --reply; }

lab_up
lab_return tun
keep_config 53,53
start_edge53 edge
usual_return
start_return
EXPLAIN_PINS=$LAB_PINS-backend

explain backend --in tun0 --from $KEPT:4242 --to "$BACKEND"
expect "a query by the tunnel is noted" ends passed return_noted
expect "by its program" equal "$(told hooks.0.program)" return_in_l3
reply 4242
expect "but explain has noted nothing" ends passed not_ours
expect "the step says so" equal "$(told hooks.0.program) $(told hooks.0.steps.4.step)" "return_out_l2 find_peer"
EXPLAIN_PINS=
explain edge --in eth0 --from $KEPT:4242 --to $FRONTEND
expect "the client keeps its address" equal "$(told reason) $(told after.from)" "query_sent $KEPT"
EXPLAIN_PINS=$LAB_PINS-backend

noted() { [ -n "$(ask client $FRONTEND www.example.com -b "$KEPT#4243")" ]; }
wait_until 60 noted || fail "no answer"
port=$(e53 edge flows --json | python -c '
import json, sys
print(*[f["snat_port"] for f in json.load(sys.stdin)["flows"] if f["client_port"] == 4243][:1])')
[ -n "$port" ] || fail "the flow is not listed any more"
reply "$port"
expect "the reply to one that came goes back" ends sent return_sent
expect "into the tunnel" equal "$(told sent.device) $(told after.from) $(told after.eth_to)" "tun0 $BACKEND "
before=$(return_count return_sent)
reply "$port"
expect "which is not counted" equal "$(return_count return_sent)" "$before"
return53 down
