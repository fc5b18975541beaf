#!/usr/bin/env bash
# text/clients, a pinned iterator: `cat` reads what `edge53 clients` tells, summed over the CPUs, of IPv4 and IPv6; it stays
# when the loader is gone, and goes with `edge53 down`.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
need taskset

text=$LAB_PINS/text/clients

# as_listed: what edge53 clients has, in the order and with the columns of the text, without the times.
as_listed() {
	e53 edge clients --json | python -c '
import json, sys
d = json.load(sys.stdin)
columns = "queries replies bytes_in bytes_out tcp_connections truncated noerror nxdomain servfail refused other_rcode".split()
for name, c in [(c["client"], c) for c in d["clients"]] + [("others", d["others"])]:
    print(name, *(c[k] for k in columns))' | sort
}
# The kernel writes IPv6 addresses in full.
as_text() {
	sed 1d "$text" | cut -f 1-12 | python -c '
import ipaddress, sys
for line in sys.stdin:
    name, *counts = line.split()
    print(name if name == "others" else ipaddress.ip_address(name), *counts)' | sort
}
same() { [ "$(as_text)" = "$(as_listed)" ]; }

lab_up
lab_network ethernet 1500
network_config "$BACKEND" "$BACKEND6"
start_edge53 edge
expect "before anybody asks there are the titles and the others" equal "$(cut -f 1 "$text" | tr '\n' ' ')" "client others "

cpus=$(nproc)
for cpu in $(seq 0 $((cpus - 1))); do
	# A veth's packets are looked at where they were sent.
	for _ in $(seq 0 "$cpu"); do
		expect "IPv4 from CPU $cpu" test -n "$(on client taskset -c "$cpu" dig @$FRONTEND www.example.com +short)"
		expect "IPv6 from CPU $cpu" test -n "$(on client taskset -c "$cpu" dig @$FRONTEND6 www.example.com +short)"
	done
done
queries=$((cpus * (cpus + 1) / 2))
expect "TCP" ask client $FRONTEND www.example.com +tcp
wait_until 30 same || fail "the text has: $(as_text) and the list: $(as_listed)"
expect "the same CPU or others, it is one line" equal "$(sed 1d "$text" | wc -l)" 3
expect "an IPv4 client's queries" test "$(awk '$1 !~ /:/ && NR > 1 && $1 != "others" { print $2 }' "$text")" -ge $queries
expect "an IPv6 client's queries" test "$(awk '$1 ~ /:/ { print $2 }' "$text")" -ge $queries
# shellcheck disable=SC2016 # awk's
expect "times are seconds ago" awk 'NR > 1 && $1 != "others" { if (!($13 >= $14 && $14 >= 0 && $13 < 600)) exit 1 }' "$text"
expect "it is root's" equal "$(stat -c %a "$text" "$LAB_PINS/text" | tr '\n' ' ')" "600 700 "

# Who has the file open reads on, whoever is in charge.
exec 7<"$text"
end_process "$EDGE53_PID"
expect "it stays without a loader" same
start_edge53 edge
expect "a new loader's is the same" same
expect "the earlier one can be read still" equal "$(sed 1d <&7 | wc -l)" 3
exec 7<&-
# A text that cannot be made anew is none, rather than that of a map that may be another's.
end_process "$EDGE53_PID"
mkdir "$text-new"
start_edge53 edge
expect "it is said that there is none" grep -q 'the clients cannot be pinned as text' "$LAB_TMP/edge53.log"
expect "and the earlier one has gone" test ! -e "$text"
end_process "$EDGE53_PID"
rmdir "$text-new"
start_edge53 edge
expect "another loader makes it" same

expect "nothing else is there" equal "$(ls "$LAB_PINS/text")" clients
e53 edge down || fail "down"
expect "down takes it away" test ! -e "$LAB_PINS"
