#!/usr/bin/env bash
# edge53 clients --watch: one list after the other when nobody looks, with rates; a screen that keys sort on a terminal.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

lab_up
lab_edge ethernet
edge_config eth1
start_edge53 edge

# lists N: so many lists have begun.
lists() { [ "$(grep -c '^CLIENT' "$LAB_TMP/plain.log")" -ge "$1" ]; }
watches() { on edge "$EDGE53" --pins "$LAB_PINS" clients "$@"; }
column() { awk -v name="$1" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i } NR > 1 { print $c }'; }

for n in 1 2 3; do
	expect "query $n" equal "$(ask client $FRONTEND www.example.com)" 192.0.2.80
done
spawn edge plain.log "$EDGE53" --pins "$LAB_PINS" clients --watch=1
watcher=$SPAWNED
expect "two lists come" wait_until 30 lists 2
dnsclient client tally $FRONTEND 50 >/dev/null
asked_53() { [ "$(tac "$LAB_TMP/plain.log" | sed '/^CLIENT/q' | tac | column QUERIES)" = 53 ]; }
expect "a later list has what was asked meanwhile" wait_until 30 asked_53
expect "the first list has no rates" lacks "$(grep -m 1 '^CLIENT' "$LAB_TMP/plain.log")" QUERIES/S
# Each list's rate is of its own interval: one or two of them have all of the 50.
# shellcheck disable=SC2016 # awk's
expect "rates are of the time since the list before" \
	awk '/^198\.55\.102\.1/ { sum += $2 } END { exit !(sum > 10 && sum < 300) }' \
	<(sed '1,/^$/d' "$LAB_TMP/plain.log")
kill -INT "$watcher"
wait_until 20 gone "$watcher" || fail "SIGINT does not end it"
wait "$watcher" || fail "SIGINT is no failure: $?"

# A reader that goes away is none, either; and each list is a document of JSON.
watches --watch --json --top 1 | head -n 1 >/dev/null || fail "clients --watch | head"
expect "an interval of nothing is refused" equal "$(watches --watch=0 2>&1 || echo $?)" \
	"edge53: --watch: \`0' is not a number from 1 to 3600
2"
expect "and a field that there is not" contains "$(watches --watch --sort age 2>&1 || true)" "queries/s, queries,"

screen() { python_on edge "$LAB_HERE/watchscreen.py" "$EDGE53" --pins "$LAB_PINS" clients "$@"; }
screen --watch >"$LAB_TMP/screen.log" 2>&1 <<-'KEYS' || { cat "$LAB_TMP/screen.log" >&2; fail "the screen"; }
	wait 1 clients
	wait by QUERIES/S
	wait 198.55.102.1
	key >
	wait REPLI
	key <<
	wait CLIENT
	key q
	end
KEYS

# Keys do not keep it from looking again. Who asks while one is held down is seen.
keys() {
	echo 'wait 1 clients'
	echo "tell $LAB_TMP/shown"
	echo 'hold x 203.0.113.8'
	wait_until 30 test -e "$LAB_TMP/shown"
	ask client $FRONTEND www.example.com -b 203.0.113.8 >/dev/null
	echo 'key q'
	echo end
}
screen --watch=1 < <(keys) >"$LAB_TMP/hold.log" 2>&1 || { cat "$LAB_TMP/hold.log" >&2; fail "a key that is held down"; }

# Nobody types any more: it ends, and does not ask for keys without end.
python_on edge "$LAB_HERE/watchscreen.py" --keyboard "$EDGE53" --pins "$LAB_PINS" clients --watch=3600 \
	>"$LAB_TMP/hangup.log" 2>&1 <<-'KEYS' || { cat "$LAB_TMP/hangup.log" >&2; fail "a keyboard that is taken away"; }
	wait 2 clients
	hangup
	end
KEYS
expect "a number that is too large" contains "$(watches --top 1000000001 2>&1 || true)" "is not a number from 1 to 1000000000"

# Whoever is in charge may change meanwhile.
spawn edge again.log "$EDGE53" --pins "$LAB_PINS" clients --watch
watcher=$SPAWNED
lists_again() { grep -q '^198.55.102.1' "$LAB_TMP/again.log"; }
wait_until 30 lists_again || fail "no list"
end_process "$EDGE53_PID"
e53 edge down || fail "down"
wait_until 30 gone "$watcher" || fail "it goes on when nothing is loaded any more"
expect "it says why it ends" contains "$(cat "$LAB_TMP/again.log")" 'not loaded'
expect "by exit status 3" equal "$(wait "$watcher" || echo $?)" 3
