#!/usr/bin/env bash
# A device that takes no XDP and says "no such device": it is there, so it is refused, said once, and tc does the work.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
meddle=$(dirname "$EDGE53")/tests/meddle.so
[ -e "$meddle" ] || skip "$meddle is not built"

works() { [ "$(ask client $FRONTEND www.example.com)" = 192.0.2.80 ]; }
said() { grep -c 'eth0: no XDP (native: ' "$LAB_TMP/edge53.log" || true; }
is_refused() { [ "$(said)" -ge 1 ]; }

lab_up
lab_edge ethernet
edge_config eth1
for error in 6 19; do # ENXIO, ENODEV
	: >"$LAB_TMP/edge53.log"
	spawn edge edge53.log env LD_PRELOAD="$meddle" MEDDLE_NO_XDP=$error \
		"$EDGE53" --pins "$LAB_PINS" run -c "$LAB_TMP/edge53.yaml"
	wait_until 180 works || fail "errno $error: no answer"
	wait_until 60 is_refused || fail "errno $error: it is not said that there is no XDP"
	expect "errno $error: it is said once" equal "$(said)" 1
	e53 edge down
done
