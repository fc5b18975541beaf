#!/usr/bin/env bash
# lab_proxy.sh: real servers that read the PROXY protocol header, behind the edge of lab_network.sh. To be sourced
# after it.
# shellcheck disable=SC2034,SC2153 # several variables are for those who source it, or of lab.sh
#
# Each server runs with the file of tests/net/backends/ as it is: docs/backends.md shows that very file. Only what a
# lab needs besides (a directory of its own, no daemon, a zone) is said here.
#
# Every query has a name of its own, n1.example.com and so on, and its client a port of its own. What the server
# believes is read back from its log, and must be the list of what was asked, no more and no less.
#
#   LAB_NAT=kdig   kdig +proxy on the edge in place of edge53: is it the server or is it edge53?
#   NAMED          a named of BIND 9.20, else that of scripts/fetch-bind, else the one in PATH

PROXY_PORT=5300
PLAIN_PORT=5301                 # unbound's port without the header
CLIENT_HOSTS=(7 8 9)
STRANGER=198.51.100.9           # a client that no server serves
BACKENDS=$LAB_HERE/backends
PROXY_UDP=proxy-v2              # client_ip of the next configuration
PROXY_TCP=proxy-v2
LAB_BULK=${QUICK:+304}
LAB_BULK=${LAB_BULK:-2004}      # records of bulk.test

# ---------------------------------------------------------------- the lab

# lab_proxy SERVER KIND: a lab of lab_network, with more clients, SERVER at the backend, and edge53 in between.
lab_proxy() {
	local host
	lab_up
	PROXY_SERVER=$1
	PROXY_KIND=$2
	PROXY_N=0
	lab_network "$2"
	for host in "${CLIENT_HOSTS[@]:1}"; do
		on client ip addr add "203.0.113.$host/24" dev eth0
		on client ip addr add "2001:db8:c::$host/64" dev eth0 nodad
	done
	on client ip addr add "$STRANGER/32" dev lo
	on router ip route add "$STRANGER" via "$CLIENT"
	: >"$LAB_TMP/asked"
	"serve_$1"
	proxy_config "$BACKEND"
	[ "$LAB_NAT" = kdig ] || start_edge53 edge
}

# proxy_config BACKEND...: as network_config, with client_ip; BACKEND is ADDRESS or ADDRESS,PORT.
proxy_config() {
	local backend address port
	PROXY_BACKEND=${1%,*}
	write_config <<-YAML
		edge:
		  - name: public-dns
		    interface: $UPLINK
		    address: [$FRONTEND, "$FRONTEND6"]
		    tunnel: $TUNNEL
		    backends:
		$(for backend in "$@"; do
			IFS=, read -r address port <<<"$backend"
			echo "      - { address: \"$address\", udp: ${port:-$PROXY_PORT}, tcp: ${port:-$PROXY_PORT} }"
		done)
		    client_ip: { udp: $PROXY_UDP, tcp: $PROXY_TCP }
		limits:
		  udp_slots: 65536
	YAML
}

reload_proxy() {
	proxy_config "$@"
	[ "$LAB_NAT" = kdig ] || reload_edge53
}

# checksums on | off: as veth does by default, partial checksums and segments of 64 kB, or as on a real wire.
checksums() {
	local device
	for device in client/eth0 router/lan router/wan edge/eth0 edge/eth1 backend/eth0; do
		on "${device%/*}" ip link show "${device#*/}" >/dev/null 2>&1 || continue
		on "${device%/*}" ethtool -K "${device#*/}" tx "$1" >/dev/null
	done
}

# ---------------------------------------------------------------- servers

serve_unbound() {
	local dir=$LAB_TMP/unbound
	mkdir "$dir"
	cat >"$dir/unbound.conf" <<-CONF
		include: "$BACKENDS/unbound.conf"
		server:
		    interface: $BACKEND@$PLAIN_PORT
		    interface: $BACKEND6@$PLAIN_PORT
		    ip-freebind: yes
		    directory: "$dir"
		    chroot: ""
		    username: ""
		    pidfile: ""
		    use-syslog: no
		    do-daemonize: no
		    num-threads: 1
		    module-config: "iterator"
		    local-zone: "." static
		    local-zone: "example.com." redirect
		    local-data: "example.com. 300 A 192.0.2.80"
		remote-control:
		    control-enable: no
	CONF
	spawn backend unbound.log unbound -d -c "$dir/unbound.conf"
	wait_until 20 listens || fail "unbound does not start"
}
seen_by_unbound() { sed -nE 's/.* info: ([^ ]*) (\w+)\.example\.com\. A IN$/\2 \1 -/p' "$LAB_TMP/unbound.log"; }

serve_pdns() {
	local dir=$LAB_TMP/pdns type zone
	mkdir -p "$dir/conf.d"
	cp "$BACKENDS/pdns.conf" "$dir/conf.d/"
	cat >"$dir/pdns.conf" <<-CONF
		include-dir=$dir/conf.d
		launch=bind
		bind-config=$dir/zones.conf
		enable-lua-records=yes
		socket-dir=$dir
		daemon=no
		guardian=no
		security-poll-suffix=
	CONF
	{
		printf '@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 192.0.2.1\n'
		printf '@ 60 LUA %s "who:toString()"\n' A A AAAA AAAA | uniq
	} >"$dir/whoami.test.zone"
	for zone in "$LAB_TMP/knot/example.com" "$LAB_TMP/knot/bulk.test" "$dir/whoami.test"; do
		echo "zone \"${zone##*/}\" { type master; file \"$zone.zone\"; };"
	done >"$dir/zones.conf"
	spawn backend pdns.log pdns_server --config-dir="$dir"
	wait_until 20 listens || fail "pdns_server does not start"
}
seen_by_pdns() { sed -nE "s/.*Remote [^(]*\(([^)]*)\) wants '(\w+)\.example\.com\|A'.*/\2 \1 -/p" "$LAB_TMP/pdns.log"; }

serve_dnsdist() {
	cat >"$LAB_TMP/dnsdist.lua" <<-LUA
		setSecurityPollSuffix("")
		dofile("$BACKENDS/dnsdist.conf")
		addAction("whoami.test.", LuaAction(function(dq) return DNSAction.Spoof, dq.remoteaddr:toString() end))
	LUA
	spawn backend dnsdist.log stdbuf -oL dnsdist --supervised --disable-syslog -C "$LAB_TMP/dnsdist.lua"
	wait_until 20 grep -q "Marking downstream .* as 'up'" "$LAB_TMP/dnsdist.log" || fail "dnsdist does not start"
}
seen_by_dnsdist() {
	sed -nE 's/.*Packet from (.*):([0-9]+) for (\w+)\.example\.com\. A .*/\3 \1 \2/p' "$LAB_TMP/dnsdist.log" | tr -d '[]'
}

serve_knot_proxy() {
	local dir=$LAB_TMP/knot-proxy
	mkdir "$dir"
	cat >"$dir/knot.conf" <<-CONF
		include: $BACKENDS/knot.conf
		server:
		    rundir: $dir
		database:
		    storage: $dir
		log:
		  - target: stdout
		    any: info
		zone:
		  - domain: example.com
		    file: $LAB_TMP/knot/example.com.zone
		  - domain: whoami.test
		    file: $LAB_TMP/knot/whoami.test.zone
		    module: mod-whoami
	CONF
	# Its dnstap file is where it is started.
	cd "$dir" || fail "no $dir"
	spawn backend knot-proxy.log knotd -c knot.conf
	cd "$OLDPWD" || fail "no way back"
	KNOT_PROXY_PID=$SPAWNED
	wait_until 20 grep -q 'server started' "$LAB_TMP/knot-proxy.log" || fail "knot does not start"
}
# The file of dnstap is complete when knot has ended.
seen_by_knot_proxy() {
	alive "$KNOT_PROXY_PID" && end_process "$KNOT_PROXY_PID"
	kdig -G "$LAB_TMP/knot-proxy/clients.tap" |
		sed -nE '/QUESTION SECTION/ { n; s/^;; (\S+)\. .*/\1/; h }
			/^;; To .*\(UDP\)/ { G; s/^;; To (.*)@([0-9]+)\(UDP\).*\n(\w+)\.example\.com/\3 \1 \2/p }'
}

# named 9.20, or a reason to skip.
need_named() {
	local fetched=${EDGE53_BIND_CACHE:-/var/cache/edge53-bind}/named
	[ ! -x "$fetched" ] || NAMED=${NAMED:-$fetched}
	NAMED=${NAMED:-$(command -v named || true)}
	[ -n "$NAMED" ] || skip "named is not installed, and scripts/fetch-bind has not fetched one"
	case $("$NAMED" -v) in
	'BIND 9.'[0-9].* | 'BIND 9.1'[0-9].*) skip "$("$NAMED" -v) does not read PROXY headers, 9.20 does" ;;
	esac
}

serve_named() {
	local dir=$LAB_TMP/named zone
	mkdir "$dir"
	{
		# What a lab adds to `options` goes where the file of the documentation ends it.
		sed "s|^};|    directory \"$dir\"; pid-file none; session-keyfile none; recursion no;\n};|" "$BACKENDS/named.conf"
		echo 'controls { };'
		for zone in example.com bulk.test; do
			echo "zone \"$zone\" { type primary; file \"$LAB_TMP/knot/$zone.zone\"; };"
		done
	} >"$dir/named.conf"
	spawn backend named.log "$NAMED" -g -n 1 -c "$dir/named.conf"
	wait_until 20 grep -q ' running$' "$LAB_TMP/named.log" || fail "named does not start"
}
seen_by_named() {
	sed -nE 's/.* client @\S+ (\S+)#([0-9]+) \((\w+)\.example\.com\): query: .* IN A .*/\3 \1 \2/p' "$LAB_TMP/named.log"
}

listens() { on backend ss -Htln "sport = :$PROXY_PORT" | grep -q . && on backend ss -Huln "sport = :$PROXY_PORT" | grep -q .; }

# ---------------------------------------------------------------- asking

client_address() { if [ "$1" = 4 ]; then echo "203.0.113.$2"; else echo "2001:db8:c::$2"; fi; }

# ask_from CLIENT PORT FAMILY NAME DIG-OPTIONS...: the short answer.
ask_from() {
	local client=$1 port=$2 frontend name=$4 header
	frontend=$(frontend_of "$3")
	shift 4
	if [ "$LAB_NAT" = kdig ]; then
		header=("+proxy=$client#$port-$frontend#53")
		[[ "$*" != *+tcp* || "$PROXY_TCP" != none ]] || header=()
		on edge kdig "@$PROXY_BACKEND" -p "$PROXY_PORT" "${header[@]}" +retry=0 "$name" +short "$@"
	else
		ask client "$frontend" "$name" -b "$client#$port" "$@"
	fi
}

# note NAME ADDRESS PORT: this is what the server has to believe; the port is "-" where it does not say.
note() {
	case $PROXY_SERVER in
	unbound | pdns) set -- "$1" "$2" - ;;
	esac
	echo "$*" >>"$LAB_TMP/asked"
}

# pair_is_known FROM TO HOW HOST...: clients of family FROM, as the server knows them by a backend address of family TO.
pair_is_known() {
	local from=$1 host transport client port name answer what
	for host in "${@:4}"; do
		client=$(client_address "$from" "$host")
		for transport in $PROXY_TRANSPORTS; do
			PROXY_N=$((PROXY_N + 1))
			name=n$PROXY_N port=$((20000 + PROXY_N)) what="$client, IPv$2 backend, $PROXY_KIND, $transport, $3"
			answer=$(ask_from "$client" $port "$from" "$name.example.com" A "$transport") || fail "no answer: $what"
			expect "the answer, $what" equal "$answer" 192.0.2.80
			note "$name" "$client" "$port"
		done
	done
	[ -n "$PROXY_WHOAMI" ] || return 0
	for transport in $PROXY_TRANSPORTS; do
		PROXY_N=$((PROXY_N + 1))
		port=$((20000 + PROXY_N))
		expect "the server's answer is the client's address, $client, IPv$2 backend, $PROXY_KIND, $transport, $3" equal \
			"$(ask_from "$client" $port "$from" whoami.test "$([ "$from" = 4 ] && echo A || echo AAAA)" "$transport")" "$client"
	done
}
PROXY_TRANSPORTS="+notcp +tcp"
PROXY_WHOAMI=                   # "yes": the server answers whoami.test with the client's address

# offload_is_known on|off: with the client's checksums as told, every pair of families and long streams. With
# `on` all three clients of a family ask, with `off` one.
offload_is_known() {
	local from hosts="7 8 9"
	[ "$1" = on ] || hosts=8

	checksums "$1"
	# shellcheck disable=SC2086 # a list
	every_pair_is_known "checksums $1" $hosts
	for from in 4 6; do
		stream_is_known $from 100
		stream_is_known $from 3 --slow
	done
}

# every_pair_is_known HOW HOST...: clients of both families, both families towards the backend.
every_pair_is_known() {
	local to from
	for to in 4 6; do
		reload_proxy "$(backend_of $to)"
		for from in 4 6; do
			pair_is_known $from $to "$@"
		done
	done
}

# stream_is_known FROM COUNT OPTION...: COUNT queries in one connection, www.example.com each.
stream_is_known() {
	local client=2001:db8:c::9 i count=$2 frontend
	frontend=$(frontend_of "$1")
	[ "$1" = 6 ] || client=203.0.113.9
	shift 2
	[ "$LAB_NAT" != kdig ] || return 0
	expect "$count queries in one connection $*, $client, $PROXY_KIND" \
		dnsclient client pipeline "$frontend" "$count" --from $client "$@"
	for ((i = 0; i < count; i++)); do note www $client -; done
}

# transfer_is_allowed FROM: a zone transfer for the client that may have it, and no other.
transfer_is_allowed() {
	local frontend records
	frontend=$(frontend_of "$1")
	[ "$LAB_NAT" != kdig ] || return 0
	records=$(on client dig "@$frontend" bulk.test AXFR -b "$(client_address "$1" 7)" +tries=1 +time="$LAB_ANSWER_SECONDS" |
		sed -n 's/^;; XFR size: \([0-9]*\) records.*/\1/p')
	expect "the zone transfer, IPv$1 client, $PROXY_KIND" equal "$records" "$LAB_BULK"
	expect "no zone transfer for other clients, IPv$1 client, $PROXY_KIND" contains \
		"$(on client dig "@$frontend" bulk.test AXFR -b "$(client_address "$1" 8)" +tries=1 +time="$LAB_ANSWER_SECONDS" 2>&1)" 'Transfer failed'
}

# check_is_content TRANSPORT...: `edge53 check` finds that the backend reads headers by UDP, by TCP.
check_is_content() {
	local transport
	[ "$LAB_NAT" != kdig ] || return 0
	e53 edge check -c "$LAB_TMP/edge53.yaml" >"$LAB_TMP/check.txt" 2>&1 || fail "edge53 check"
	for transport in "$@"; do
		expect "edge53 check finds that headers are read, $transport, $PROXY_KIND" contains "$(<"$LAB_TMP/check.txt")" \
			"$transport port $PROXY_PORT: answers a query with a PROXY header"
	done
}

# stranger_gets STATUS TRANSPORT: what the server says to a client it does not serve; "" is nothing.
stranger_gets() {
	local out dig=(on client dig "@$FRONTEND" -b "$STRANGER")
	[ "$LAB_NAT" != kdig ] || dig=(on edge kdig "@$PROXY_BACKEND" -p "$PROXY_PORT" "+proxy=$STRANGER#9-$FRONTEND#53")
	out=$("${dig[@]}" stranger.example.com "$2" +retry=0 +time="$([ -z "$1" ] && echo 1 || echo "$LAB_ANSWER_SECONDS")" 2>&1 || true)
	equal "$(sed -nE 's/.* status: (\w+),?;?.*/\1/p' <<<"$out")" "$1"
}

seen_is_right() {
	"seen_by_$PROXY_SERVER" | sed -E 's/^(www .*) [0-9]+$/\1 -/' | grep -v ^stranger | sort >"$LAB_TMP/seen.sorted"
	sort "$LAB_TMP/asked" | cmp -s - "$LAB_TMP/seen.sorted"
}

# server_saw_right: the list of who asked what, from the server's log, is the list of who asked what.
server_saw_right() {
	wait_until 10 seen_is_right && [ -s "$LAB_TMP/asked" ] && return
	sort "$LAB_TMP/asked" | diff - "$LAB_TMP/seen.sorted" >&2 || true
	fail "$PROXY_SERVER knows other clients (right) than those that asked (left), $PROXY_KIND"
}
