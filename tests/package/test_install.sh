#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# `make install` puts everything below PREFIX, and `make uninstall` removes that and nothing else.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR/../net source=lab.sh
. "$(dirname "$0")/../net/lab.sh"

run_make() { # TARGET PREFIX
	make -C "$LAB_ROOT" -s BUILD="${BUILD:-build}" PREFIX="$2" DESTDIR="$root" "$1" >"$LAB_TMP/make.log" 2>&1 ||
		fail "make $1: $(cat "$LAB_TMP/make.log")"
}
files() { (cd "$root" && find . -type f | sort); }

need make
lab_up
for prefix in /usr /opt/edge53; do
	root=$LAB_TMP/root$prefix
	mkdir -p "$root$prefix/sbin" "$root$prefix/share/doc/edge53"
	echo other >"$root$prefix/sbin/other"
	echo notes >"$root$prefix/share/doc/edge53/notes"
	before=$(files)
	run_make install "$prefix"
	case $prefix in
	/usr) etc=/etc zsh=vendor-completions ;;
	*) etc=$prefix/etc zsh=site-functions ;;
	esac
	expect "what is installed below $prefix" equal "$(files)" "$(sort <<-END
		.$etc/ppp/ip-pre-up.d/edge53
		.$prefix/lib/systemd/system/edge53.service
		.$prefix/sbin/edge53
		.$prefix/sbin/other
		.$prefix/share/bash-completion/completions/edge53
		.$prefix/share/doc/edge53/examples/edge.yaml
		.$prefix/share/doc/edge53/examples/enforce.yaml
		.$prefix/share/doc/edge53/examples/every-key.yaml
		.$prefix/share/doc/edge53/examples/grafana-dashboard.json
		.$prefix/share/doc/edge53/examples/prometheus-alerts.yaml
		.$prefix/share/doc/edge53/notes
		.$prefix/share/fish/vendor_completions.d/edge53.fish
		.$prefix/share/man/man5/edge53.yaml.5
		.$prefix/share/man/man8/edge53.8
		.$prefix/share/zsh/$zsh/_edge53
	END
	)"
	expect "the unit starts what was installed" \
		grep -qx "ExecStart=$prefix/sbin/edge53 run -c /etc/edge53/edge53.yaml" "$root$prefix/lib/systemd/system/edge53.service"
	expect "no word of the unit is left to be replaced" fails grep '@[A-Z]*@' "$root$prefix/lib/systemd/system/edge53.service"
	expect "it runs" "$root$prefix/sbin/edge53" --version
	expect "pppd's hook can be run" test -x "$root$etc/ppp/ip-pre-up.d/edge53"
	run_make uninstall "$prefix"
	expect "uninstall leaves what was there" equal "$(files)" "$before"
	expect "and no directory of ours" fails test -e "$root$prefix/share/doc/edge53/examples"
	run_make uninstall "$prefix" # nothing is there: no failure
done
