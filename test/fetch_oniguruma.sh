#!/usr/bin/env bash
# Puts the sources of Oniguruma 6.9.10 into build/deps/oniguruma, where the build takes them from. It is the regex
# library of the reference tokenizers, with the same Unicode 16 tables; Debian 12 has 6.9.8 (Unicode 14) and no
# static archive. The Python package jq carries it inside of its source archive. Does nothing when it is there.
set -euo pipefail
cd "$(dirname "$0")/.."
package=jq==1.13.0
hash=sha256:e62bdddeab3b8a0a404581a7bb6f1e8c4cc6082280870031f746074f4cac52c0
target=build/deps/oniguruma

[ -f "$target/src/oniguruma.h" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
echo "$package --no-binary jq --hash=$hash" >"$work/requirements.txt"
echo "setup: fetching the Oniguruma sources ($package)" >&2
if ! /usr/bin/python3 -m pip download --quiet --no-deps --require-hashes -r "$work/requirements.txt" -d "$work" >"$work/log" 2>&1; then
  cat "$work/log" >&2
  echo "setup: $package cannot be fetched from PyPI; the tokenizer's regex engine is built from it" >&2
  exit 3
fi
tar -xzf "$work/jq-1.13.0.tar.gz" -C "$work"
tar -xzf "$work/jq-1.13.0/deps/jq-1.8.2.tar.gz" -C "$work"
mkdir -p build/deps
rm -rf "$target"
mv "$work/jq-1.8.2/vendor/oniguruma" "$target.part"
mv "$target.part" "$target"
