#!/usr/bin/env bash
# What this machine can do at most, what compiled models do of it, and what other engines do, measured in turn.
# Writes a table to test/bench/results. `run.sh --help` has the options; peers/install.sh installs the others.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ -x "$root/build/bin/stoop" ] || { echo "run.sh: build/bin/stoop is missing: cmake --preset release && ninja -C build stoop" >&2; exit 3; }
exec /usr/bin/python3 "$here/compare.py" "$@"
