#!/usr/bin/env bash
# Hundreds of clients' devices: all are attached when edge53 is ready, those that come later, and what is left of a
# storm of others that come and go. Each gets its answer. What the kernel was told about grace periods is as before.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
need_newlink
[ -c /dev/net/tun ] || skip 'no /dev/net/tun'

devices=${QUICK:+100}
devices=${devices:-400}

# It is the whole machine's, and loaders of other tests change it, too: each for a moment.
expedited() { cat /sys/kernel/rcu_expedited 2>/dev/null || echo none; }
rcu_is() { [ "$(expedited)" = "$1" ]; }
before=$(expedited)
! wait_until 5 rcu_is 0 || before=0

lab_up
add_namespace host
on host ip addr add "$RESOLVER/32" dev lo
newlink_on add 0 "$devices"
enforce_config ""
start_edge53 host
newlink_on packets 0 "$devices" 0.1
expect "RCU is as before" wait_until 30 rcu_is "$before"
newlink_on one 5000 3
newlink_on storm 6000 100 1
newlink_on packets 0 "$devices" 0.1

# All at once, and nothing is left of them.
on host ip link del group 53
links_left() { find "$LAB_PINS/links" -name 'tcx_*ppp*' | wc -l; }
none_left() { [ "$(links_left)" = 0 ]; }
expect "records of devices that are gone, gone" wait_until 60 none_left
newlink_on add 0 "$devices"
all_back() { [ "$(links_left)" = $((2 * devices)) ]; }
expect "the same devices once more" wait_until 60 all_back
newlink_on packets 0 "$devices" 0.1
e53 host down
expect "RCU is as before, after all" wait_until 30 rcu_is "$before"
