#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The package on a machine with systemd: installed, started before there is any device, reloaded, hung, upgraded under
# load, removed.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"
# shellcheck source-path=SCRIPTDIR source=machine.sh
. "$(dirname "$0")/machine.sh"

prop() { inside systemctl show -P "$1" edge53.service; }
is() { [ "$(prop "$1")" = "$2" ]; }
status_has() { contains "$(prop StatusText)" "$1"; }
answers_udp() { [ "$(ask client $FRONTEND www.example.com -b 203.0.113.7)" = 192.0.2.80 ]; }
answers_tcp() { [ "$(ask client $FRONTEND www.example.com -b 203.0.113.7 +tcp)" = 192.0.2.80 ]; }
both_work() { # WHEN
	wait_until 60 answers_udp || fail "no answer over UDP $1"
	expect "an answer over TCP $1" answers_tcp
}
say_journal() { inside journalctl --no-pager -q -n 60 >"$LAB_TMP/journal.log" 2>&1 || true; }

# new_config: standard input becomes the file that the service reads.
new_config() { inside sh -c 'cat >/etc/edge53/new && mv /etc/edge53/new /etc/edge53/edge53.yaml'; }

# Without `address`: the frontends are those of the device, which has none at first.
edge_file() { # WEIGHT
	cat <<-YAML
		edge:
		  - name: public-dns
		    interface: eth0
		    source: $TUNNEL_SOURCE
		    tunnel: eth1
		    backends:
		      - { address: $BACKEND, udp: 31053, tcp: 31054, weight: $1 }
		limits:
		  udp_slots: 65536
		  udp_timeout: 60s
	YAML
}

install() { # DEB
	inside dpkg --no-triggers -i "/tmp/$(basename "$1")" >"$LAB_TMP/dpkg.log" 2>&1 || fail "dpkg -i $(basename "$1")"
}
# shellcheck disable=SC2094 # two files, of two machines
put() { inside tee "/tmp/$(basename "$1")" <"$1" >"$LAB_TMP/put"; }

# newer DEB: prints the path of the same package with a higher version.
newer() {
	local out=$LAB_TMP/edge53-newer.deb
	dpkg-deb -R "$1" "$LAB_TMP/newer"
	sed -i 's/^Version: .*/&.1/' "$LAB_TMP/newer/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$LAB_TMP/newer" "$out" >/dev/null
	echo "$out"
}

need dpkg-buildpackage dh dpkg-deb dnsperf
lab_up
DEB=$("$LAB_ROOT/tests/package/build-deb" 2>"$LAB_TMP/build-deb.log") || fail "the package cannot be built"
lab_edge ethernet
boot_machine edge
trap 'status=$?; say_journal; (exit $status); machine_end' EXIT

# --- installed, with nothing to do -----------------------------------------------------------------

newer_deb=$(newer "$DEB")
put "$DEB"
put "$newer_deb"
install "$DEB"
expect "it starts at boot" equal "$(inside systemctl is-enabled edge53)" enabled
expect "without a configuration it has not started" is ActiveState inactive
expect "and has not failed" is Result success

# --- no device yet --------------------------------------------------------------------------------

on edge ip link del eth0
on edge ip link set eth1 name later
edge_file 1 | new_config
inside systemctl start edge53 || { say_journal; fail "systemctl start"; }
expect "it runs without any device" is ActiveState active
expect "and says so" status_has "public-dns: no device"
add_cable client eth0 edge eth0
on client ip addr add 198.55.102.1/24 dev eth0
on edge ip link set later down
on edge ip link set later name eth1
on edge ip link set eth1 up
on edge ip addr add "$FRONTEND/24" dev eth0
on edge ip route add default via 198.55.102.1
both_work "after devices and addresses came"
wait_until 30 status_has "public-dns: 1 device, 1 of 1 backend" || fail "status says $(prop StatusText)"

# --- as confined as the unit says -------------------------------------------------------------------

pid=$(prop MainPID)
field() { inside sed -n "s/^$1:[[:space:]]*//p" "/proc/$pid/status"; }
# CAP_NET_ADMIN 12, CAP_PERFMON 38, CAP_BPF 39
expect "three capabilities" equal "$(field CapEff)" "$(printf %016x $((1 << 12 | 1 << 38 | 1 << 39)))"
expect "no more can be had" equal "$(field CapBnd):$(field NoNewPrivs)" "$(field CapEff):1"
expect "a filter of system calls" equal "$(field Seccomp)" 2
for mount in '/sys ro' '/sys/fs/bpf rw' '/proc/sys ro' '/ ro'; do
	expect "$mount" grep -qE " ${mount% *} ${mount#* }[, ]" <(inside cat "/proc/$pid/mountinfo")
done
[ ! -e /sys/kernel/rcu_expedited ] ||
	expect "rcu_expedited can be written" grep -qE ' /sys/kernel/rcu_expedited rw[, ]' <(inside cat "/proc/$pid/mountinfo")

# --- reload ---------------------------------------------------------------------------------------

start_load client reload.log -s $FRONTEND -c 4 -Q 500
edge_file 2 | new_config
inside systemctl reload edge53
wait_until 60 inside sh -c 'journalctl -q -u edge53 | grep -q "reloaded /etc/edge53/edge53.yaml"' || fail "it is not reloaded"
edge_file 0 | new_config
inside systemctl reload edge53
wait_until 60 status_has "could not be reloaded" || fail "a wrong file is not reported: $(prop StatusText)"
both_work "after a wrong file"
edge_file 1 | new_config
inside systemctl reload edge53
status_is_good() { fails status_has "could not be reloaded"; }
wait_until 60 status_is_good || fail "a good file does not mend it"
end_load "$LOAD_PID" reload.log
expect "no query was lost at reloads" all_answered reload.log
expect "it is the same process" is MainPID "$pid"

# --- a loader that hangs ----------------------------------------------------------------------------

watchdog_sec() { # SECONDS, or nothing for the unit's own
	# shellcheck disable=SC2016
	inside sh -c 'mkdir -p /run/systemd/system/edge53.service.d && cd /run/systemd/system/edge53.service.d &&
		{ [ -z "$1" ] && rm short.conf || printf "[Service]\nWatchdogSec=%s\n" "$1" >short.conf; } &&
		systemctl daemon-reload' watchdog "${1-}"
}
watchdog_sec 10
inside systemctl restart edge53
pid=$(prop MainPID) restarts=$(prop NRestarts)
inside kill -STOP "$pid"
restarted() { [ "$(prop NRestarts)" -gt "$restarts" ] && is ActiveState active && ! is MainPID "$pid"; }
wait_until 120 restarted || fail "a loader that hangs is not started anew"
expect "by the watchdog" inside sh -c 'journalctl -q | grep -q "edge53.service: Watchdog timeout"'
watchdog_sec
both_work "after the watchdog"

# --- upgrade ----------------------------------------------------------------------------------------

pid=$(prop MainPID)
before=$(inside edge53 clients --json | json_get 'sum(c["queries"] for c in (d if isinstance(d, list) else d["clients"]))')
start_load client upgrade.log -s $FRONTEND -c 4 -Q 500
install "$newer_deb"
# shellcheck disable=SC2016
expect "the new version is there" contains "$(inside dpkg-query -W -f '${Version}' edge53)" .1
expect "the loader is another one" differs "$(prop MainPID)" "$pid"
expect "and it runs" is ActiveState active
end_load "$LOAD_PID" upgrade.log
expect "no query was lost in the upgrade" all_answered upgrade.log
after=$(inside edge53 clients --json | json_get 'sum(c["queries"] for c in (d if isinstance(d, list) else d["clients"]))')
[ "$after" -gt "$before" ] || fail "the counters began anew: $before before, $after after"

# --- stopped, removed -------------------------------------------------------------------------------

inside systemctl stop edge53
both_work "without a loader"
inside dpkg --no-triggers -r edge53 >"$LAB_TMP/dpkg.log" 2>&1 || fail "dpkg -r"
expect "no pin is left" fails inside ls /sys/fs/bpf/edge53
expect "no program is left" lacks "$(on edge ip -d link show dev eth0)" prog/xdp
expect "queries are not taken any more" fails ask client $FRONTEND www.example.com +time=1
expect "no loader is left" fails inside pgrep -x edge53
expect "the hook of pppd does no harm" inside /etc/ppp/ip-pre-up.d/edge53 eth0
inside dpkg --no-triggers -P edge53 >"$LAB_TMP/dpkg.log" 2>&1 || fail "dpkg -P"
expect "the hook is gone with the configuration" fails inside ls /etc/ppp/ip-pre-up.d/edge53
expect "what the operator wrote is not" inside ls /etc/edge53/edge53.yaml
