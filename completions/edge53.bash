# SPDX-License-Identifier: GPL-2.0-only
# bash completion of edge53. Needs nothing but bash; tests/package/test_completions.sh runs it.

# The word after the options that come before the command; options with a value take two words.
_edge53_verb()
{
	local i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--pins) i=$((i + 1)) ;;
		= | -*) [ "${COMP_WORDS[i]}" != = ] || i=$((i + 1)) ;;
		*)
			[ "${COMP_WORDS[i - 1]}" = = ] || { echo "${COMP_WORDS[i]}" && return; }
			;;
		esac
	done
}

_edge53_devices()
{
	local path

	for path in /sys/class/net/*; do
		echo "${path##*/}"
	done
}

_edge53()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb words
	local commands='run check status clients flows explain attach down help'
	local always='--help --usage --version'
	local fields='client queries/s queries replies bytes-in bytes-out tcp trunc noerror nxdomain servfail refused other first last'

	# "--config=FILE" is three words to bash.
	[ "$cur" != = ] || cur=
	[ "$prev" != = ] || prev=${COMP_WORDS[COMP_CWORD - 2]}
	verb=$(_edge53_verb)

	case $verb:$prev in
	*:--pins)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	run:-c | run:--config | check:-c | check:--config)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	explain:--packet)
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	run:--attach) words='auto clsact' ;;
	explain:--in | explain:--out) words=$(_edge53_devices) ;;
	explain:--type) words='A AAAA CNAME DNSKEY HTTPS MX NS PTR SOA SRV TXT' ;;
	explain:--flags) words='SYN ACK PSH,ACK FIN,ACK RST' ;;
	explain:--from | explain:--to | explain:--name | explain:--id | explain:--seq | explain:--ack | explain:--ttl) words= ;;
	explain:--from-mac | explain:--to-mac) words= ;;
	clients:-s | clients:--sort) words=$fields ;;
	clients:-n | clients:--top | attach:-w | attach:--wait) words= ;;
	*)
		case $verb in
		'') words="$commands --pins --verbose $always" ;;
		run) words="--config --attach $always" ;;
		check) words="--config --json --no-probe $always" ;;
		status) words="--all --json $always" ;;
		clients) words="--json --top --sort --watch --names $always" ;;
		flows) words="--json $always" ;;
		explain)
			words="--in --out --from --to --udp --tcp --name --type --id --reply --no-edns"
			words+=" --flags --seq --ack --ttl --from-mac --to-mac --packet --json $always"
			;;
		attach)
			words="--wait $always"
			[[ $cur == -* ]] || words=$(_edge53_devices)
			;;
		down) words=$always ;;
		help) words=$commands ;;
		esac
		# Options are offered to who begins one, or where there is nothing else.
		[[ -n $verb || $cur == -* ]] || words=$commands
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

complete -F _edge53 edge53
