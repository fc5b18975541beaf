#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# machine.sh: a machine that has booted systemd, in one of the lab's network namespaces. To be sourced after lab.sh.
#
# Its files are this machine's, with a tmpfs above them: what is written there is gone when it goes. It has processes,
# mounts, host name, cgroups and a bpffs of its own. systemd starts nothing by itself there but the journal; what of
# /proc/sys is not the network namespace's own cannot be written.

MACHINE_PID=    # its first process, seen from outside
MACHINE_CGROUP= # the directory that its cgroups are below

# What runs first in the new namespaces; $1 is an empty directory.
# shellcheck disable=SC2016
MACHINE_BOOT='
	set -eu
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 tmpfs "$1"
	mkdir "$1/upper" "$1/work" "$1/root"
	mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
	cd "$1/root"
	mount -t proc proc proc
	mount --bind proc/sys proc/sys
	mount -o remount,bind,ro proc/sys
	mount -t sysfs sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t bpf -o mode=0700 bpf sys/fs/bpf
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs -o mode=1777 tmpfs tmp
	mount -t tmpfs -o mode=755 tmpfs dev
	for node in null zero full random urandom tty; do
		: >"dev/$node"
		mount --bind "/dev/$node" "dev/$node"
	done
	mkdir -p dev/pts dev/shm dev/net run/systemd/system
	mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
	ln -s pts/ptmx dev/ptmx
	# Nothing of what this machine would start.
	rm -rf lib/systemd/system/*.wants lib/systemd/system/*.requires etc/systemd/system lib/systemd/system-generators \
		etc/fstab usr/sbin/policy-rc.d etc/machine-id
	mkdir -p etc/systemd/system old
	: >etc/machine-id
	printf "[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n" >run/systemd/system/lab.target
	pivot_root . old
	umount -l /old
	exec env -i container=edge53-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --unit=lab.target \
		--log-target=journal --show-status=0'

# inside COMMAND...: run it in the machine.
inside() { nsenter -t "$MACHINE_PID" --all env -i -C / PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root "$@"; }

machine_is_up() { inside timeout 20 systemctl is-active systemd-journald.service; }

# boot_machine NAME: in the network namespace NAME.
boot_machine() {
	local hierarchy unshare
	need unshare nsenter
	[ -x /lib/systemd/systemd ] || skip "systemd is not installed"
	hierarchy=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	[ -n "$hierarchy" ] || skip "this machine has no cgroup2, which systemd needs"
	MACHINE_CGROUP=$hierarchy/$LAB_ID
	trap machine_end EXIT
	mkdir "$MACHINE_CGROUP" 2>/dev/null || skip "this machine's cgroups are not ours to change"
	mkdir "$LAB_TMP/machine"
	# shellcheck disable=SC2016
	spawn "$1" machine.log sh -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' join "$MACHINE_CGROUP" \
		unshare --mount --pid --uts --ipc --cgroup --fork --kill-child sh -c "$MACHINE_BOOT" boot "$LAB_TMP/machine"
	unshare=$SPAWNED
	wait_until 30 has_child "$unshare" || fail "no namespaces for a machine"
	MACHINE_PID=$(pgrep -P "$unshare")
	wait_until 60 machine_is_systemd || {
		gone "$MACHINE_PID" && skip "a machine with systemd cannot be set up here: $(tail -n 1 "$LAB_TMP/machine.log")"
		fail "the machine does not get as far as systemd"
	}
	wait_until 60 machine_is_up || fail "the machine does not boot"
}
has_child() { pgrep -P "$1"; }
machine_is_systemd() { [ "$(cat "/proc/$MACHINE_PID/comm" 2>/dev/null)" = systemd ]; }

# Every process of it goes with its first one. In place of lab_down on EXIT, which it ends with.
machine_end() {
	local status=$?
	set +e
	[ -z "$MACHINE_PID" ] || { kill -KILL "$MACHINE_PID" 2>/dev/null && wait_until 20 gone "$MACHINE_PID"; }
	MACHINE_PID=
	wait_until 20 machine_cgroups_gone
	(exit $status)
	lab_down
}
machine_cgroups_gone() {
	[ ! -d "$MACHINE_CGROUP" ] || find "$MACHINE_CGROUP" -depth -type d -exec rmdir {} + 2>/dev/null
	[ ! -d "$MACHINE_CGROUP" ]
}
