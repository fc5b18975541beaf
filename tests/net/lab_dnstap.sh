#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# lab_dnstap.sh: for tests of export.dnstap. To be sourced after lab.sh.

# need_dnstap: an edge53 that was built with it.
need_dnstap() {
	[ "$(cat /proc/sys/kernel/perf_event_paranoid)" -le 2 ] ||
		skip "kernel.perf_event_paranoid is more than 2, where Debian's kernels open perf events for CAP_SYS_ADMIN only"
	case $(ldd "$EDGE53" 2>&1 || true) in
	*libfstrm*) ;;
	*) skip "$EDGE53 is built without dnstap" ;;
	esac
}

# dnstap_config LINE...: edge_config, and the keys of export.dnstap; every message is taken.
dnstap_config() {
	edge_config
	{
		printf 'export:\n  dnstap:\n    sample: 1\n'
		printf '    %s\n' "$@"
	} >>"$LAB_TMP/edge53.yaml"
}

# reload: the loader has read its configuration again.
reload() {
	local before
	before=$(grep -c 'reloaded' "$LAB_TMP/edge53.log" || true)
	kill -HUP "$EDGE53_PID"
	wait_until 60 more_reloads "$before" || fail "the configuration is not taken"
}
more_reloads() { [ "$(grep -c 'reloaded' "$LAB_TMP/edge53.log")" -gt "$1" ]; }

says() { grep -qF "$1" "$LAB_TMP/edge53.log"; }
threads() { find "/proc/$EDGE53_PID/task" -mindepth 1 -maxdepth 1 | wc -l; }

# tapped FIELD...: numbers of `edge53 status`.
tapped() { e53 "${LAB_TAPPED:-edge}" status --json | json_get "*(d['dnstap'][n] for n in '$*'.split())"; }
taps() { e53 "${LAB_TAPPED:-edge}" status | grep -A1 ^dnstap; }
is_written() { [ "$(tapped written)" = "$1" ]; }
is_not_written() { [ "$(tapped not_written)" = "$1" ]; }
is_connected() { [ "$(tapped connected)" = True ]; }
is_not_connected() { [ "$(tapped connected)" = False ]; }

# read_tap FILE: a line for each message. The file may not have ended.
read_tap() { dnstap-read "$1" 2>/dev/null || true; }
has_lines() { [ "$(read_tap "$1" | wc -l)" = "$2" ]; }

# start_collector FILE: fstrm_capture at $socket; COLLECTOR_PID.
start_collector() {
	# shellcheck disable=SC2154 # of the test
	rm -f "$socket"
	spawn edge collector.log fstrm_capture -t protobuf:dnstap.Dnstap -u "$socket" -w "$1"
	# shellcheck disable=SC2034 # for the test
	COLLECTOR_PID=$SPAWNED
	wait_until 20 test -S "$socket" || fail "fstrm_capture makes no socket"
}
