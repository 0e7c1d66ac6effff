#!/usr/bin/env bash
# Puts NVRTC, CUDA's compiler library, into build/deps/nvrtc/lib, where stoop looks for it, unless a CUDA toolkit on this
# machine has it. It compiles for GPUs and needs none. Does nothing when it is there; without it the CUDA tests cannot run.
set -euo pipefail
cd "$(dirname "$0")/.."
package=nvidia-cuda-nvrtc==13.0.88
hash=sha256:ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575
target=build/deps/nvrtc

[ -f "$target/lib/libnvrtc.so.13" ] && exit 0
[ -e /usr/local/cuda/lib64/libnvrtc.so ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "$package --hash=$hash" >"$work/requirements.txt"
echo "setup: fetching NVRTC ($package)" >&2
if ! /usr/bin/python3 -m pip download --quiet --no-deps --require-hashes -r "$work/requirements.txt" -d "$work" >"$work/log" 2>&1; then
  cat "$work/log" >&2
  echo "setup: $package cannot be fetched from PyPI; target cuda and its tests need it" >&2
  exit 3
fi
mkdir -p "$target.part/lib"
/usr/bin/python3 -m zipfile -e "$work"/nvidia_cuda_nvrtc-*.whl "$work/wheel"
mv "$work"/wheel/nvidia/cu13/lib/libnvrtc.so.13 "$work"/wheel/nvidia/cu13/lib/libnvrtc-builtins.so.13.0 "$target.part/lib/"
rm -rf "$target"
mv "$target.part" "$target"
