#!/usr/bin/env bash
# From a fresh Debian 12 to generated text: installs, builds Stoop, compiles the model in model/ and runs the result.
# Arguments go to the compiled model, e.g. `run.sh -p "And the LORD said" -n 100`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)

"$root/test/setup.sh" --build
cd "$root"
cmake --preset release >/dev/null
ninja -C build stoop >&2
build/bin/stoop compile "$here/model" -o build/falcon-tiny
if [ $# -eq 0 ]; then
  # Sampled, with a fixed seed: the greedy text of so small a model loops.
  set -- -p "In the beginning" -n 96 --temp 0.7 --top-k 40 --seed 7
fi
exec build/falcon-tiny run "$@"
