#!/usr/bin/env bash
# Long TCP streams with translation and without: a zone of 50 MB, and random bytes both ways, byte for byte.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
need base64

# large_zone: large.test, 50 MB in some thousand records, served by a knot on port 31055.
large_zone() {
	local dir=$LAB_TMP/large
	mkdir "$dir"
	{
		echo '@ 60 SOA ns.large.test. hostmaster.large.test. 31053 36001 601 864001 301'
		echo '@ 60 NS ns.large.test.'
		echo 'ns 60 A 192.0.2.1'
		head -c 37500000 /dev/urandom | base64 -w 250 |
			awk '{ strings = strings " " $0 } NR % 40 == 0 { print "r" NR " 60 TXT" strings; strings = "" }'
	} >"$dir/large.test.zone"
	cat >"$dir/knot.conf" <<-CONF
		server:
		    rundir: $dir
		    listen: [ "$BACKEND@31055", "$BACKEND6@31055" ]
		    tcp-workers: 1
		    tcp-io-timeout: 20000
		database:
		    storage: $dir
		acl:
		  - id: anybody
		    action: transfer
		zone:
		  - domain: large.test
		    storage: $dir
		    acl: anybody
	CONF
	spawn backend large.log knotd -c "$dir/knot.conf"
	large_answers() { [ -n "$(on backend dig "@$BACKEND" -p 31055 large.test SOA +short +tries=1 +time=1)" ]; }
	wait_until 60 large_answers || fail "the server of the large zone does not answer"
}

# transfers KIND: the zone through the edge is the zone at the server, for each pair of families.
transfers() {
	local from to before what
	lab_up
	lab_network "$1"
	large_zone
	start_netpeer backend serve.log serve 31060 "$LAB_TMP/served"
	network_config "$BACKEND,31055"
	start_edge53 edge
	before=$(netpeer backend axfr "$BACKEND" 31055 large.test)
	expect "the zone is 50 MB: $before" test "${before% *}" -gt 50000000
	for to in 4 6; do
		reload_network "$(backend_of $to),31055"
		serves() { [ -n "$(on client dig @$FRONTEND6 large.test SOA +short +tries=1 +time=1)" ]; }
		wait_until 20 serves || fail "no answer from the IPv$to backend over $1"
		for from in 4 6; do
			[ $from$to != 44 ] || continue          # test_edge_bulk.sh
			what="IPv$from client, IPv$to backend, $1"
			expect "a zone transfer of 50 MB, $what" \
				equal "$(netpeer client axfr "$(frontend_of $from)" 53 large.test)" "$before"
		done
	done
	for to in 4 6; do
		reload_network "$(backend_of $to),31060"
		takes() { netpeer client stream $FRONTEND6 53 1000; }
		wait_until 20 takes || fail "no stream to the IPv$to backend over $1"
		for from in 4 6; do
			expect "10 MB there and back, IPv$from client, IPv$to backend, $1" \
				netpeer client stream "$(frontend_of $from)" 53 10000000
		done
	done
	lab_take_down
}

transfers tun
transfers ethernet
