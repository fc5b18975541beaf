#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# Whom the loader obeys: a configuration that others could change is refused at the start, by check and at a reload, and
# what runs goes on. And who may touch what it pins: nobody else, whatever was made or left, with any umask.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR source=lab.sh
. "$(dirname "$0")/lab.sh"
[ "$LAB_NAT" = edge53 ] || skip "nftables has no loader"
need setpriv

STRANGER=12345
logged() { grep -c -- "$1" "$LAB_TMP/edge53.log" || true; }
logged_more() { [ "$(logged "$1")" -gt "$2" ]; }
hup() { # TEXT: reload, until it is logged once more
	local before
	before=$(logged "$1")
	kill -HUP "$EDGE53_PID"
	wait_until 60 logged_more "$1" "$before" || fail "HUP: '$1' is not logged"
}
ends_with() { # STATUS COMMAND...: with what it says in $said
	local wanted=$1 status=0
	shift
	said=$("$@" 2>&1) || status=$?
	equal $status "$wanted"
}
# Files of iterators cannot be written.
others() { find "$LAB_PINS" \( -type d ! -perm 700 -o ! -type d ! -perm 600 ! -perm 400 -o ! -uid 0 \) -printf '%m %U %p\n'; }
no_others() { # WHEN
	expect "$1: there are pins" test -e "$LAB_PINS/geometry" -a -e "$LAB_PINS/text/clients"
	expect "$1: pins 0600, in directories 0700, of root: $(others)" equal "$(others)" ''
}
as_stranger() { setpriv --reuid $STRANGER --regid $STRANGER --clear-groups "$@"; }

lab_up
lab_edge ethernet
edge_config eth1
config=$LAB_TMP/edge53.yaml

# --- the configuration ------------------------------------------------------------------------------

chmod 666 "$config"
expect "run refuses a file that all can write" ends_with 2 e53 edge run -c "$config"
expect "and says what mends it" contains "$said" "$config can be written by everybody, who could have edge53 do what they like: \`chmod go-w $config\`"
expect "check refuses it" ends_with 2 e53 edge check -c "$config"
expect "with the same words" contains "$said" "\`chmod go-w $config\`"
expect "nothing was begun" test ! -e "$LAB_PINS"
chmod 644 "$config"
umask 177 # which takes from the owner, too
start_edge53 edge
umask 022
expect "it answers" answers client "$FRONTEND" -b 203.0.113.7

# A stranger may put his file in place of root's, which has nothing wrong with it.
mkdir "$LAB_TMP/open"
chmod 777 "$LAB_TMP/open"
sed 's/public-dns/strangers/' "$config" >"$LAB_TMP/open/edge53.yaml"
mv "$config" "$LAB_TMP/good.yaml"
ln -s open/edge53.yaml "$config"
hup 'not reloaded; what was running keeps running'
expect "it is said why" test "$(logged "$LAB_TMP/open can be written by everybody")" -ge 1
chmod 755 "$LAB_TMP/open"
chown $STRANGER "$LAB_TMP/open"
hup 'not reloaded; what was running keeps running'
expect "whose it is" test "$(logged "$LAB_TMP/open belongs to user $STRANGER")" -ge 1
expect "he could have" as_stranger mv "$LAB_TMP/open/edge53.yaml" "$LAB_TMP/open/another.yaml"
rm "$config"
cp "$LAB_TMP/good.yaml" "$config"
chown $STRANGER "$config"
hup 'not reloaded; what was running keeps running'
expect "nothing of it is there" equal "$(e53 edge status --json | json_get "[s['name'] for s in d['services']]")" "['public-dns']"
expect "it answers as before" answers client "$FRONTEND" -b 203.0.113.7
chown 0 "$config"
hup "reloaded $config"

# --- pins -------------------------------------------------------------------------------------------

no_others "after the start"
cp "$config" "$LAB_TMP/plain.yaml"
echo 'return: [ { tunnel: eth1, uplink: eth0, udp: 5399, tcp: 5399 } ]' >>"$config"
hup "reloaded $config"
no_others "after a reload that made tables"
on edge ip link del eth0
add_uplink
wait_until 60 answers client "$FRONTEND" -b 203.0.113.7 || fail "no answer from the new uplink"
no_others "after the uplink came again"

# Whoever started it, with whatever umask; and what somebody gave away is taken back.
kill_edge53
chmod 755 "$LAB_PINS" "$LAB_PINS/links"
chmod 666 "$LAB_PINS/services" "$LAB_PINS"/links/*
umask 000
start_edge53 edge
no_others "after a restart"
expect "that something was open is said" test "$(logged 'could be used by others')" -ge 1
kill_edge53
sed -i 's/udp_slots: 65536/udp_slots: 32768/' "$config"
umask 777
start_edge53 edge
umask 022
no_others "with other tables"
expect "it answers with these" answers client "$FRONTEND" -b 203.0.113.7
expect "a stranger sees nothing" fails as_stranger ls "$LAB_PINS"

kill_edge53
chown $STRANGER "$LAB_PINS/services"
expect "a pin of a stranger's is not used" ends_with 1 e53 edge run -c "$config"
expect "and it is said" contains "$said" "$LAB_PINS/services belongs to user $STRANGER"
expect "the dataplane goes on" answers client "$FRONTEND" -b 203.0.113.7
chown 0 "$LAB_PINS/services"
expect "down" e53 edge down

# A bpffs where all can make something, as mount(8) makes it.
run_in_bpffs() { # COMMAND...: the loader's pins are in a bpffs at open/, in which COMMAND was run
	# shellcheck disable=SC2016
	on edge unshare --mount sh -c 'at=$1 edge53=$2 config=$3; shift 3
		mount -t bpf bpf "$at" && "$@" && exec timeout 60 "$edge53" --pins "$at/edge53" run -c "$config"' \
		sh "$LAB_TMP/open" "$EDGE53" "$config" "$@"
}
expect "a root that anybody can replace is not used" ends_with 1 run_in_bpffs chmod 777 "$LAB_TMP/open"
expect "and it is said" contains "$said" "$LAB_TMP/open can be written by everybody"
expect "nor one that a stranger made first" ends_with 1 run_in_bpffs setpriv --reuid $STRANGER mkdir -m 755 "$LAB_TMP/open/edge53"
expect "and it is said" contains "$said" "$LAB_TMP/open/edge53 belongs to user $STRANGER"
