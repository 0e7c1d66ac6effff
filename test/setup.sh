#!/usr/bin/env bash
# Installs what building and testing Stoop needs on Debian 12, and nothing when all of it is there; last, fetches
# the sources of the regex library (fetch_oniguruma.sh) and CUDA's compiler library (fetch_nvrtc.sh).
# LLVM and MLIR 22 live in Debian's security suite; where a minimal system does not list that suite, it is added
# beside the archive that the system already uses. `setup.sh --build` leaves out what tests alone need.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

packages=(
  ca-certificates git g++-12 cmake ninja-build ccache binutils # build
  clang-22 llvm-22-dev llvm-22-tools libmlir-22-dev mlir-22-tools liblld-22-dev lld-22
  zlib1g-dev libzstd-dev libcli11-dev nlohmann-json3-dev protobuf-compiler libprotobuf-dev
  python3-pip # fetch_oniguruma.sh
  libgtest-dev libbenchmark-dev python3
)
[ "${1-}" = --build ] || packages+=(python3-numpy python3-jsonschema chromium-headless-shell) # tests

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
  "$here/fetch_oniguruma.sh"
  exec "$here/fetch_nvrtc.sh"
fi

if [ "$(id -u)" -ne 0 ]; then
  echo "setup: these Debian packages are missing; install them as root: ${missing[*]}" >&2
  exit 3
fi
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
if ! apt-cache show libmlir-22-dev >/dev/null 2>&1; then
  archive=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 -E '/debian/?$' || true)
  if [ -z "$archive" ]; then
    echo "setup: libmlir-22-dev is in none of this system's package sources; add Debian's bookworm-security suite" >&2
    exit 3
  fi
  echo "deb ${archive%/}-security bookworm-security main" >/etc/apt/sources.list.d/stoop-llvm.list
  apt-get -qq update
fi
echo "setup: installing ${missing[*]}" >&2
apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
"$here/fetch_oniguruma.sh"
"$here/fetch_nvrtc.sh"
