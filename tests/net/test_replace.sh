#!/usr/bin/env bash
# An edge whose backend is on Ethernet: a loader takes the place of another, and nothing that is under way is lost.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_replace.sh"

replace_loaders ethernet
