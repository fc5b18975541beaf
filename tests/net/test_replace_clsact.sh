#!/usr/bin/env bash
# An edge with a tunnel, and clsact in place of tcx: a loader takes the place of another, and nothing that is under way is lost.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_replace.sh"

replace_loaders wireguard
