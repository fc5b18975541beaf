#!/usr/bin/env bash
# Enforced clients: a loader takes the place of another, and nothing that is under way is lost.
set -eu -o pipefail
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab_replace.sh"

replace_loaders enforce
