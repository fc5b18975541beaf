#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0-only
# deb.sh: the package that the tests look at. To be sourced after lab.sh.

DEB_DIR=$(cd "$LAB_ROOT" && realpath -m "${BUILD:-build}")/tests/deb
DEB= # set by build_deb

# build_deb: builds it unless that was done, for this very tree. Several tests may ask at once.
build_deb() {
	local tree
	mkdir -p "$DEB_DIR.lock"
	exec {DEB_LOCK}<"$DEB_DIR.lock"
	flock "$DEB_LOCK"
	tree=$(tree_of)
	if [ "$(cat "$DEB_DIR.tree" 2>/dev/null)" != "$tree" ] || ! ls "$DEB_DIR"/*.deb >/dev/null 2>&1; then
		rm -f "$DEB_DIR.tree"
		"$LAB_ROOT/scripts/build-deb" "$DEB_DIR" >"$LAB_TMP/build-deb.log" 2>&1 ||
			fail "the package cannot be built: $(cat "$LAB_TMP/build-deb.log")"
		echo "$tree" >"$DEB_DIR.tree"
	fi
	exec {DEB_LOCK}<&-
	DEB=$(ls "$DEB_DIR"/edge53_*.deb)
	expect "there is one package" test -f "$DEB"
}

# The commit and every byte that goes into the package.
tree_of() {
	(
		cd "$LAB_ROOT" || exit
		git -c safe.directory="$LAB_ROOT" rev-parse HEAD 2>/dev/null || true
		find Makefile LICENSE bpf completions debian docs include loader scripts -type f -print0 | sort -z | xargs -0 sha256sum
	) | sha256sum
}
