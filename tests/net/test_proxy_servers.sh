#!/usr/bin/env bash
# What docs/backends.md says of servers that read PROXY headers: whom they believe, what they do with a query that has
# none, and what is heard of one that was not set up to read them.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_network.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_proxy.sh"
need kdig

OTHER=10.172.90.66              # neither the edge nor a client
HEADER="+proxy=203.0.113.7#4444-$FRONTEND#53"

# The columns: without header from the edge by UDP, by TCP; with header from elsewhere; with header from a client's
# address; without header from a client's address; a header that is not read, as edge53 sees it.
declare -A facts=(
	[unbound]="silent silent REFUSED NOERROR silent not_read"
	[pdns]="silent silent silent silent NOERROR silent"
	[dnsdist]="silent silent silent silent NOERROR silent"
	[knot_proxy]="NOERROR NOERROR silent silent NOERROR silent"
	[named]="silent silent silent silent silent not_read"
)

# outcome SOURCE KDIG-OPTIONS...: the status of the answer, or "silent".
outcome() {
	local source=$1 status
	shift
	status=$(on edge kdig -b "$source" "@$BACKEND" -p $PROXY_PORT www.example.com +retry=0 +timeout=1 "$@" 2>/dev/null |
		sed -n 's/.* status: \([A-Z]*\);.*/\1/p') || true
	echo "${status:-silent}"
}

# outcomes: the first five columns. Each question waits for itself, so all at once.
outcomes() {
	local pids=()
	outcome "$TUNNEL_SOURCE" >"$LAB_TMP/fact1" & pids+=($!)
	outcome "$TUNNEL_SOURCE" +tcp >"$LAB_TMP/fact2" & pids+=($!)
	outcome $OTHER "$HEADER" >"$LAB_TMP/fact3" & pids+=($!)
	outcome $CLIENT "$HEADER" >"$LAB_TMP/fact4" & pids+=($!)
	outcome $CLIENT >"$LAB_TMP/fact5" & pids+=($!)
	wait "${pids[@]}"
	cat "$LAB_TMP"/fact[1-5] | tr '\n' ' '
}

# forget_headers: the files of tests/net/backends as they would be on a server that nobody told of the edge.
forget_headers() {
	mkdir "$LAB_TMP/plain"
	for file in "$BACKENDS"/*.conf; do
		sed -E '/proxy-protocol-port|proxy-protocol-from|setProxyProtocol|proxy-allowlist|allow-proxy/d; s/ proxy plain / /' \
			"$file" >"$LAB_TMP/plain/${file##*/}"
	done
	BACKENDS=$LAB_TMP/plain
}
heard() { [ "$(reason_count edge header_not_read)" -gt 0 ]; }
# A busy machine may make any server silent for once. What these ask for must be so in the end.
reads_headers() { [ "$(outcome "$TUNNEL_SOURCE" "$HEADER")" = NOERROR ]; }
outcomes_are() { got=$(outcomes); [ "$got" = "$1" ]; }
believes_the_edge_only() { [ "$(outcome $CLIENT "$HEADER") $(outcome "$TUNNEL_SOURCE" "$HEADER")" = 'silent NOERROR' ]; }

servers=()
! command -v unbound >/dev/null || servers+=(unbound)
! command -v pdns_server >/dev/null || servers+=(pdns)
! command -v dnsdist >/dev/null || servers+=(dnsdist)
! compgen -G '/usr/lib/*/knot/modules-*/dnstap.so' >/dev/null || servers+=(knot_proxy)
! (need_named) >/dev/null || servers+=(named)
for PROXY_SERVER in "${servers[@]}"; do
	[ "$PROXY_SERVER" != named ] || need_named
	lab_up
	lab_network ethernet
	# The edge has the other addresses as well, and the backend answers to them.
	on edge ip addr add $OTHER/24 dev eth1
	on edge ip addr add $CLIENT/32 dev lo
	on backend ip route add $CLIENT via "$TUNNEL_SOURCE"
	"serve_$PROXY_SERVER"
	server=$SPAWNED
	expect "with header from the edge, $PROXY_SERVER" wait_until 30 reads_headers
	wait_until 30 outcomes_are "${facts[$PROXY_SERVER]% *} " || true # it is compared below
	if [ "$PROXY_SERVER" = unbound ]; then
		on backend nft add table inet filter
		on backend nft add chain inet filter input '{ type filter hook input priority 0; }'
		grep -oE 'nft add rule inet filter input .*' "$LAB_ROOT/docs/backends.md" >"$LAB_TMP/rules"
		expect "docs/backends.md has a rule for each family" equal "$(wc -l <"$LAB_TMP/rules")" 2
		on backend bash -e "$LAB_TMP/rules"
		expect "behind the rules nobody but the edge is believed" wait_until 30 believes_the_edge_only
	fi
	on edge ip addr del $CLIENT/32 dev lo
	end_process "$server"
	rm -rf "${LAB_TMP:?}/$PROXY_SERVER" "$LAB_TMP/knot-proxy"
	forget_headers
	: >"$LAB_TMP/$PROXY_SERVER.log"
	"serve_$PROXY_SERVER"
	BACKENDS=$LAB_HERE/backends
	proxy_config "$BACKEND"
	start_edge53 edge
	expect "no answer where the header is not read, $PROXY_SERVER" fails ask client $FRONTEND www.example.com +time=1
	patience=1
	[[ ${facts[$PROXY_SERVER]} != *not_read ]] || patience=30
	if wait_until $patience heard; then got+=not_read; else got+=silent; fi
	expect "what docs/backends.md says of $PROXY_SERVER" equal "$got" "${facts[$PROXY_SERVER]}"
	lab_take_down
done
