#!/bin/bash
# Compiles the .cu files of this folder to the committed .ptx files. Needs nvcc 13 (NVCC=path); building and testing do not.
set -euo pipefail
cd "$(dirname "$0")"
nvcc=${NVCC:-/usr/local/cuda/bin/nvcc}
compile() { # name architecture
  "$nvcc" -ptx -std=c++17 -lineinfo -arch="$2" -o "$1.$2.ptx" "$1.cu"
  sed -i -e "/^\/\/ Compiler Build ID/d" -e "s|\(\.file.*\"\).*/|\1|" "$1.$2.ptx"
}
for name in layernorm_gemv attention_decode gemm_mma language; do
  compile "$name" sm_80
done
compile planted sm_90a
compile gemv_bulk_pdl sm_90a
