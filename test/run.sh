#!/usr/bin/env bash
# Installs, builds and runs every test that needs no GPU; ends with `N passed, N failed`. Run again, it takes minutes less.
# STOOP_JOBS: parallel jobs (default: all cores).
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${STOOP_JOBS:-$(nproc)}

test/setup.sh
mkdir -p build/test
cmake --preset release >build/test/configure.log 2>&1 || { cat build/test/configure.log >&2; exit 1; }
ninja -C build -j "$jobs"

passed=0 failed=0
# count FILE NAME: adds a JUnit report's results; NAME is what to say when the report is missing.
count() {
  local numbers
  numbers=$(/usr/bin/python3 test/meta/count_junit.py "$1") || { echo "$2: no results" >&2; failed=$((failed + 1)); return; }
  passed=$((passed + ${numbers% *})) failed=$((failed + ${numbers#* }))
}

rm -f build/test/lit.xml build/test/ctest.xml
/usr/lib/llvm-22/bin/lit -j "$jobs" -v --xunit-xml-output build/test/lit.xml build/test/lit || true
count build/test/lit.xml lit
(cd build && ctest -j "$jobs" --output-on-failure --output-junit test/ctest.xml) || true
count build/test/ctest.xml ctest

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
