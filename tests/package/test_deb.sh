#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# The Debian package: it can be built, lintian has nothing to say against it, and what is in it is what we mean.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

need dpkg-buildpackage dh lintian
lab_up
state_of_tree() { git -C "$LAB_ROOT" -c safe.directory="$LAB_ROOT" status --short 2>/dev/null || true; }
before=$(state_of_tree)
DEB=$("$LAB_ROOT/tests/package/build-deb" 2>"$LAB_TMP/build-deb.log") || fail "the package cannot be built"

lintian --allow-root --fail-on error,warning --tag-display-limit 0 "${DEB%/*}"/*.changes >"$LAB_TMP/lintian" 2>&1 ||
	fail "lintian: $(cat "$LAB_TMP/lintian")"

# debhelper brings make and the compiler for C; which clang is to be had differs.
build=$(sed -n "/^build='/,/'\$/p" "$LAB_ROOT/scripts/install-deps" | tr -d "'\n" | sed 's/^build=//')
expect "there is a list of what building takes" contains "$build" libbpf-dev
for name in $build; do
	case $name in
	gcc | make | libc6-dev | linux-libc-dev) ;;
	*) expect "$name is in Build-Depends" grep -qE "^(Build-Depends:)? $name( |,|\$)" "$LAB_ROOT/debian/control" ;;
	esac
done

# Debian 12 has units in /lib, Debian 13 in /usr/lib.
contents=$(dpkg-deb --fsys-tarfile "$DEB" | tar -t | grep -v '/$' | sed 's|^\./lib/|./usr/lib/|' | sort)
expect "what is in the package" equal "$contents" "$(sort <<-END
	./etc/ppp/ip-pre-up.d/edge53
	./usr/lib/systemd/system/edge53.service
	./usr/sbin/edge53
	./usr/share/bash-completion/completions/edge53
	./usr/share/doc/edge53/changelog.gz
	./usr/share/doc/edge53/copyright
	./usr/share/doc/edge53/examples/edge.yaml
	./usr/share/doc/edge53/examples/enforce.yaml
	./usr/share/doc/edge53/examples/every-key.yaml
	./usr/share/doc/edge53/examples/grafana-dashboard.json
	./usr/share/doc/edge53/examples/prometheus-alerts.yaml
	./usr/share/fish/vendor_completions.d/edge53.fish
	./usr/share/man/man5/edge53.yaml.5.gz
	./usr/share/man/man8/edge53.8.gz
	./usr/share/zsh/vendor-completions/_edge53
END
)"
dpkg-deb -x "$DEB" "$LAB_TMP/root"
version=$(dpkg-deb -f "$DEB" Version)
expect "the program knows the package's version" equal "$("$LAB_TMP/root/usr/sbin/edge53" --version)" "edge53 $version"
expect "which is this tree's" contains "$version" "$(sed -n 's/^VERSION := //p' "$LAB_ROOT/Makefile")"
expect "the unit starts the package's program" \
	grep -rqx 'ExecStart=/usr/sbin/edge53 run -c /etc/edge53/edge53.yaml' "$LAB_TMP/root" --include=edge53.service
dpkg-deb -e "$DEB" "$LAB_TMP/control"
expect "the hook of pppd is the operator's to change" grep -qx /etc/ppp/ip-pre-up.d/edge53 "$LAB_TMP/control/conffiles"
for script in "$LAB_TMP"/control/p*; do
	sh -n "$script"
done
expect "the work tree is as it was" equal "$(state_of_tree)" "$before"
