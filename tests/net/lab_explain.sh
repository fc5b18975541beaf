#!/usr/bin/env bash
# lab_explain.sh: what `edge53 explain` says, for tests. To be sourced after lab.sh.

EXPLAIN_PINS=                   # of another instance than the lab's

# explain_command NS OPTIONS
explain_command() {
	local ns=$1
	shift
	on "$ns" timeout 60 "$EDGE53" --pins "${EXPLAIN_PINS:-$LAB_PINS}" explain "$@"
}

# explain NS OPTIONS: what it says is in out.json, and in TOLD by path, as in TOLD[hooks.0.program]; steps have one of
# their own.
declare -A TOLD
explain() {
	local ns=$1 path value
	shift
	explain_command "$ns" "$@" --json >"$LAB_TMP/out.json" || fail "explain $*: $(cat "$LAB_TMP/out.json")"
	TOLD=()
	while IFS=$'\t' read -r path value; do
		TOLD[$path]=$value
	done < <(python -c '
import json, sys
told = json.load(open(sys.argv[1]))
def tell(path, at):
    for key, value in at.items() if isinstance(at, dict) else enumerate(at):
        if isinstance(value, (dict, list)):
            tell(f"{path}{key}.", value)
        elif value is not None:
            print(f"{path}{key}\t{value}")
tell("", told)
print("steps\t" + " ".join(s["step"] for h in told["hooks"] for s in h["steps"] if "step" in s))' "$LAB_TMP/out.json")
}
told() { echo "${TOLD[$1]-}"; }
# in_words NS OPTIONS: what people read, in out.log.
in_words() { explain_command "$@" >"$LAB_TMP/out.log" 2>&1 || fail "explain ${*:2}: $(cat "$LAB_TMP/out.log")"; }
says() { grep -qF -- "$1" "$LAB_TMP/out.log" || { echo "no '$1' in: $(cat "$LAB_TMP/out.log")" >&2; return 1; }; }
# ends FATE REASON
ends() { equal "$(told fate) $(told reason)" "$1 $2"; }
