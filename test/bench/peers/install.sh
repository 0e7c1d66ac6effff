#!/usr/bin/env bash
# Installs what Stoop is compared with into a folder outside of the repository: torch with transformers, CTranslate2,
# OpenVINO and llama.cpp, which is built from the source package of its Python binding. Needs PyPI, CMake, Ninja, a C++
# compiler and 8 GiB of disk. What is there already is left alone; `run.sh` compares with what it finds.
#   install.sh FOLDER [torch|ctranslate2|openvino|llama ...]        (default: all)
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
peers=("$@")
[ ${#peers[@]} -gt 0 ] || peers=(torch ctranslate2 openvino llama)

# have VENV MODULE
have() { [ -x "$folder/$1/bin/python" ] && "$folder/$1/bin/python" -c "import importlib.util as u, sys; sys.exit(u.find_spec('$2') is None)"; }
# install VENV PACKAGES...
install() {
  [ -x "$folder/$1/bin/python" ] || python3 -m venv "$folder/$1"
  "$folder/$1/bin/python" -m pip install -q "${@:2}"
}

for peer in "${peers[@]}"; do
  case $peer in
    torch) have python torch || install python numpy torch transformers safetensors ;;
    ctranslate2) have python ctranslate2 || install python numpy torch transformers safetensors ctranslate2 ;;
    openvino) have python-openvino openvino || install python-openvino openvino optimum-intel nncf ;; # pins other versions
    llama)
      have python gguf || install python numpy gguf
      tools=(llama-bench llama-quantize llama-batched-bench)
      [ -x "$folder/llama/bin/llama-batched-bench" ] && continue
      if [ ! -d "$folder"/llama-source/llama_cpp_python-* ]; then
        mkdir -p "$folder/llama-source"
        python3 -m pip download -q --no-deps --no-binary :all: -d "$folder/llama-source" llama-cpp-python
        tar xzf "$folder"/llama-source/llama_cpp_python-*.tar.gz -C "$folder/llama-source"
        rm "$folder"/llama-source/*.tar.gz
      fi
      cmake -S "$folder"/llama-source/llama_cpp_python-*/vendor/llama.cpp -B "$folder/llama" -G Ninja \
        -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DLLAMA_OPENSSL=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF >/dev/null
      ninja -C "$folder/llama" -j "${JOBS:-$(nproc)}" "${tools[@]}" >/dev/null
      ;;
    *) echo "install: no peer '$peer'; peers: torch ctranslate2 openvino llama" >&2; exit 2 ;;
  esac
  echo "install: $peer is in $folder" >&2
done
