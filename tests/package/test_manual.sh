#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The manual pages and the completions have every command and option that edge53 has, edge53.yaml(5) has every key of the
# schema where it belongs, and the examples are configurations that edge53 takes.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

MANUAL=$LAB_ROOT/docs/edge53.8
KEYS=$LAB_ROOT/docs/edge53.yaml.5
COMPLETIONS=("$LAB_ROOT/completions/edge53.bash" "$LAB_ROOT/completions/_edge53" "$LAB_ROOT/completions/edge53.fish")

# options_of HELP: "long [short]" of each line of an option.
options_of() {
	sed -nE 's/^ +(-(.), )?--([a-z0-9-]+).*/\3 \2/p' "$1"
}

has() { # FILE PATTERN
	grep -qE -- "$2" "$1" || fail "${1#"$LAB_ROOT/"} has no $2"
}

check_option() { # COMMAND LONG SHORT
	local pattern="Fl -$2( |$)" file

	# As mdoc writes them: .It Fl j , Fl -json
	[ -z "${3-}" ] || pattern="Fl (\\\\&)?[$3] , $pattern"
	section "$1" | grep -qE -- "^\.It $pattern" || fail "docs/edge53.8 does not have --$2${3:+, -$3} of ${1:-all commands}"
	for file in "${COMPLETIONS[@]}"; do
		has "$file" "(--|-l )$2\\b"
	done
}

# section COMMAND: the lines of a command in edge53(8), and of what all have.
section() {
	awk -v command="$1" '
		/^\.Sh / { here = $2 == "OPTIONS"; inside = $2 == "COMMANDS" }
		inside && /^\.It (Xo )?Cm / { here = $0 ~ "Cm " command "( |$)" }
		here' "$MANUAL"
}

lab_up

# --- pages ---------------------------------------------------------------------------------------

for page in "$MANUAL" "$KEYS"; do
	if command -v mandoc >/dev/null; then
		said=$(mandoc -T lint -W warning "$page" 2>&1) || fail "mandoc: $said"
		expect "mandoc finds nothing in $page" equal "$said" ''
	fi
	if command -v man >/dev/null && command -v groff >/dev/null; then
		said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings=w -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null) ||
			fail "man: $said"
		expect "man finds nothing in $page" equal "$said" ''
	fi
done

# --- commands and options ------------------------------------------------------------------------

"$EDGE53" --help >"$LAB_TMP/help"
commands=$(sed -n '/^Commands/,/^$/s/^  \([a-z]*\) .*/\1/p' "$LAB_TMP/help")
expect "there are commands in --help" contains "$commands" status
n_options=0
while read -r long short; do
	check_option '' "$long" "$short"
	n_options=$((n_options + 1))
done < <(options_of "$LAB_TMP/help")
for command in $commands help; do
	has "$MANUAL" "^\.It (Xo )?Cm $command( |$)"
	for file in "${COMPLETIONS[@]}"; do
		has "$file" "(^|[ '])${command}[: ')]"
	done
	[ "$command" != help ] || continue
	"$EDGE53" help "$command" >"$LAB_TMP/help-$command"
	while read -r long short; do
		check_option "$command" "$long" "$short"
		n_options=$((n_options + 1))
	done < <(options_of "$LAB_TMP/help-$command")
done
[ $n_options -gt 30 ] || fail "only $n_options options in --help: it is not read as it should be"

fields=$({ "$EDGE53" --pins "$LAB_PINS" clients --sort no-such-field 2>&1 || true; } | sed -n 's/.*there are //p' | tr -d ,)
expect "there are fields to sort by" contains "$fields" nxdomain
for field in $fields; do
	has "$MANUAL" "[, ]$field( |$)|^\.Cm $field "
	for file in "${COMPLETIONS[@]}"; do
		has "$file" "(^|[ ('])${field}([ )']|$)"
	done
done

# --- keys ----------------------------------------------------------------------------------------

# "BLOCK KEY" of each key of the schema.
keys_of_schema() {
	awk -F '[("),]+' '
		/^static const cyaml_schema_field_t / { match($0, /[a-z0-9_]+_fields/); block = substr($0, RSTART, RLENGTH - 7) }
		block && /^\t(TEXT|LIST|BLOCK|SEVERAL_FORMS|CYAML_FIELD_[A-Z]+)\(/ { sub(/^\t/, ""); print block, $2 }
	' "$LAB_ROOT/loader/config_schema.c"
}

heading_of() { # BLOCK
	case $1 in
	edge | backend) echo EDGE ;;
	enforce | doh) echo ENFORCE ;;
	rate) echo RATE ;;
	return) echo RETURN ;;
	limits) echo LIMITS ;;
	export) echo EXPORT ;;
	top) echo DESCRIPTION ;;
	*) echo . ;; # somewhere
	esac
}

n_keys=0
while read -r block key; do
	awk -v heading="$(heading_of "$block")" -v key="$key" '
		/^\.Sh / { here = $2 ~ heading }
		here && ($0 ~ "^\\.It Cm " key "$" || heading == "DESCRIPTION" && $0 ~ "^\\.Cm (.* )?" key "( |$)") { found = 1 }
		END { exit !found }' "$KEYS" || fail "docs/edge53.yaml.5 does not have the key $key of $block"
	n_keys=$((n_keys + 1))
done < <(keys_of_schema)
[ $n_keys -gt 40 ] || fail "only $n_keys keys in the schema: it is not read as it should be"

# Blocks that are not in the schema, as a key is more than that: `health: off`.
health_keys=$(sed -n 's/^static const char \*const keys\[\] = { \(.*\), NULL };/\1/p' "$LAB_ROOT/loader/config_health.c" | tr -d ',"')
expect "there are keys of health" contains "$health_keys" interval
for key in $health_keys; do
	sed -n '/^\.Sh HEALTH/,/^\.Sh RETURN/p' "$KEYS" | grep -qx ".It Cm $key" ||
		fail "docs/edge53.yaml.5 does not have the key $key of health"
done

# --- examples ------------------------------------------------------------------------------------

# check_example FILE SERVICE: whatever this host lacks (1), the file is one that edge53 takes.
check_example() {
	local status=0 said

	said=$(on empty "$EDGE53" --pins "$LAB_PINS" check --no-probe -c "$1" 2>&1) || status=$?
	lacks "$said" "$1:" || fail "$1 is refused: $said"
	contains "$said" "\"$2\"" || fail "check of $1 does not plan its service: $said"
	[ $status -le 1 ] || fail "check of $1 ends with $status: $said"
}

# The blocks of a page between .Bd -literal and .Ed that begin with the word.
example_of_page() { # WORD
	awk -v word="$1:" '/^\.Ed/ { on = 0 } on == 1 { on = $0 == word ? 2 : 0 } on == 2; /^\.Bd -literal/ { on = 1 }' "$KEYS"
}

add_namespace empty
check_example "$LAB_ROOT/docs/examples/edge.yaml" public-dns
check_example "$LAB_ROOT/docs/examples/enforce.yaml" vpn
check_example "$LAB_ROOT/loader/edge53.yaml.example" public-dns
for word in edge:public-dns enforce:vpn; do
	example_of_page "${word%:*}" >"$LAB_TMP/page-${word%:*}.yaml"
	check_example "$LAB_TMP/page-${word%:*}.yaml" "${word#*:}"
done
sed 's/interface/interfaces/' "$LAB_ROOT/docs/examples/edge.yaml" >"$LAB_TMP/wrong.yaml"
said=$(on empty "$EDGE53" check --no-probe -c "$LAB_TMP/wrong.yaml" 2>&1 || true)
expect "a wrong file would be seen" contains "$said" "$LAB_TMP/wrong.yaml:"
