#!/usr/bin/env bash
# The day a GPU is there: checks CUDA programs on its driver, then measures them; a table goes to test/bench/results.
# Needs no network. `run.sh --help` has the options; on the virtual GPU (--driver) it is a test of itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
[ -x "$root/build/bin/stoop" ] || { echo "run.sh: build/bin/stoop is missing: cmake --preset release && ninja -C build" >&2; exit 3; }
exec /usr/bin/python3 "$here/measure.py" "$@"
