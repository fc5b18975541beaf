#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What systemd says of the unit as it is installed: clean, and exposed no more than we promise.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

MAX_EXPOSURE=2.5

need systemd-analyze man make
lab_up
make -C "$LAB_ROOT" -s V=1 BUILD="${BUILD:-build}" PREFIX=/usr DESTDIR="$LAB_TMP/root" install >"$LAB_TMP/install.log" 2>&1 ||
	fail "make install"
# systemd looks for the program where the unit says, and asks man for the pages: both of this tree, not of the host.
unit=$LAB_TMP/edge53.service
sed "s|/usr/sbin/edge53|$LAB_TMP/root/usr/sbin/edge53|" "$LAB_TMP/root/usr/lib/systemd/system/edge53.service" >"$unit"

said=$(MANPATH=$LAB_TMP/root/usr/share/man: systemd-analyze verify --recursive-errors=no "$unit" 2>&1) ||
	fail "systemd-analyze verify: $said"
expect "systemd-analyze verify finds nothing" equal "$said" ''
sed 's/^WatchdogSec=/WatchdogSecs=/' "$unit" >"$LAB_TMP/wrong.service"
said=$(systemd-analyze verify --recursive-errors=no "$LAB_TMP/wrong.service" 2>&1 || true)
expect "it finds a key that does not exist" contains "$said" WatchdogSecs

systemd-analyze security --offline=true --no-pager "$unit" >"$LAB_TMP/security" 2>&1 ||
	fail "systemd-analyze security: $(cat "$LAB_TMP/security")"
exposure=$(sed -n 's/.*Overall exposure level for [^:]*: \([0-9.]*\).*/\1/p' "$LAB_TMP/security")
expect "an exposure is said" differs "$exposure" ''
awk -v is="$exposure" -v max=$MAX_EXPOSURE 'BEGIN { exit !(is <= max) }' || {
	grep -a '✗' "$LAB_TMP/security" >&2
	fail "the exposure is $exposure, and at most $MAX_EXPOSURE is promised"
}
echo "exposure $exposure"
