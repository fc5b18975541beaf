#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# What bash and fish offer, and that zsh can load its function.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

# --- bash ----------------------------------------------------------------------------------------

# offered WORD...: what is offered for the last word, sorted, in one line. The words are as bash splits them.
offered() {
	bash --norc -c '
		. "$1"
		shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_edge53
		printf "%s\n" "${COMPREPLY[@]}" | sort | paste -sd " "' offered "$LAB_ROOT/completions/edge53.bash" "$@"
}

offers() { # WANTED WORD...
	local wanted=$1
	shift
	expect "bash: ${*@Q}" equal "$(offered "$@")" "$wanted"
}

lab_up
bash -n "$LAB_ROOT/completions/edge53.bash"
expect "bash registers it" contains "$(bash --norc -c '. "$1"; complete -p edge53' x "$LAB_ROOT/completions/edge53.bash")" \
	'-F _edge53 edge53'
offers 'attach check clients down explain flows help run status' edge53 ''
offers 'status' edge53 st
offers '--pins' edge53 --p
offers 'status' edge53 --pins /sys/fs/bpf/other st
offers 'status' edge53 --pins = /sys/fs/bpf/other st
offers 'status' edge53 -v st
offers '--json' edge53 status --j
offers 'noerror nxdomain' edge53 clients --sort n
offers 'noerror nxdomain' edge53 clients --sort = n
offers 'auto clsact' edge53 run --attach = =
offers '' edge53 clients --top 1
offers 'lo' edge53 attach lo
offers '--wait' edge53 attach --w
offers 'flows' edge53 help fl
touch "$LAB_TMP/one.yaml"
offers "$LAB_TMP/one.yaml" edge53 run -c "$LAB_TMP/one"
offers "$LAB_TMP/one.yaml" edge53 check --config = "$LAB_TMP/one"
offers '' edge53 nonsense --j

# Every option of every command, as --help has them.
commands=$("$EDGE53" --help | sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p')
options_of() { "$EDGE53" help "$1" | grep -v 'Not supported yet' | sed -nE 's/^ +(-., )?(--[a-z0-9-]+).*/\2/p'; }
n_options=0
for command in $commands; do
	for option in $(options_of "$command"); do
		expect "bash: $option of $command" contains "$(offered edge53 "$command" "$option")" "$option"
		n_options=$((n_options + 1))
	done
done
[ $n_options -gt 25 ] || fail "only $n_options options in --help: it is not read as it should be"

# --- fish ----------------------------------------------------------------------------------------

fish_offers() { # WANTED LINE
	# shellcheck disable=SC2016
	expect "fish: $2" equal "$(HOME=$LAB_TMP fish --no-config -c 'source $argv[1]; complete -C $argv[2]' \
		"$LAB_ROOT/completions/edge53.fish" "$2" | cut -f 1 | sort | paste -sd ' ')" "$1"
}

if command -v fish >/dev/null; then
	fish -n "$LAB_ROOT/completions/edge53.fish"
	fish_offers 'attach check clients down explain flows help run status' 'edge53 '
	fish_offers 'status' 'edge53 st'
	fish_offers 'status' 'edge53 --pins /sys/fs/bpf/other st'
	fish_offers '--json' 'edge53 status --j'
	fish_offers 'noerror nxdomain' 'edge53 clients --sort n'
	fish_offers 'auto clsact' 'edge53 run --attach '
	fish_offers 'lo' 'edge53 attach lo'
	fish_offers "$LAB_TMP/one.yaml" "edge53 run -c $LAB_TMP/one"
	for command in $commands; do
		fish_offers "$(options_of "$command" | sort | paste -sd ' ')" "edge53 $command --"
	done
fi

# --- zsh -----------------------------------------------------------------------------------------

# What it offers takes a terminal; that every function it calls is there does not.
if command -v zsh >/dev/null; then
	zsh -n "$LAB_ROOT/completions/_edge53"
	# shellcheck disable=SC2016
	said=$(ZDOTDIR=$LAB_TMP zsh -f -c '
		fpath=("$1" $fpath)
		autoload -Uz compinit && compinit -u -d "$2/dump" && print -r -- ${_comps[edge53]}
		autoload +X -Uz _edge53 _arguments _describe _files _directories _net_interfaces' zsh \
		"$LAB_ROOT/completions" "$LAB_TMP" 2>&1)
	expect "zsh finds the function and those it calls" equal "$said" _edge53
fi
need fish zsh
