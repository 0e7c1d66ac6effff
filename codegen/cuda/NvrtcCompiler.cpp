//===- NvrtcCompiler.cpp - CUDA C++ to machine code -----------------------===//
//
// The cache key covers source, all headers, architecture, options and the library's version, so nothing
// ever needs to be cleared. Files are written under another name and renamed: a reader sees all or none.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/NvrtcCompiler.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <dlfcn.h>
#include <mutex>

using namespace stoop;
using codegen::CompiledCode;
using codegen::Nvrtc;

/// -lineinfo: reports about an address name the model path. No fast math: divisions and roots are exact.
static const char *const commonOptions[] = {"-std=c++20", "-lineinfo", "-default-device",
                                            "--no-source-include", "-diag-suppress=177"};

/// Files to try, best first.
static std::vector<std::string> candidates() {
  if (const char *forced = getenv("STOOP_NVRTC"))
    return {forced};
  std::vector<std::string> found = {"libnvrtc.so.13", "libnvrtc.so.12"};
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (const char *toolkit = getenv(variable))
      found.push_back(std::string(toolkit) + "/lib64/libnvrtc.so");
  found.push_back("/usr/local/cuda/lib64/libnvrtc.so");
  llvm::SmallString<128> beside(llvm::sys::fs::getMainExecutable(
      "stoop", reinterpret_cast<void *>(reinterpret_cast<intptr_t>(&candidates))));
  llvm::sys::path::remove_filename(beside);
  for (const char *version : {"13", "12"})
    found.push_back((beside + "/../deps/nvrtc/lib/libnvrtc.so." + version).str());
  return found;
}

template <class Function> bool Nvrtc::find(Function &function, const char *name) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

llvm::Error Nvrtc::load() {
  std::string reasons;
  for (const std::string &path : candidates()) {
    library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library)
      break;
    reasons += std::string("\n  ") + dlerror();
  }
  if (!library)
    return llvm::createStringError(
        "target cuda needs NVRTC, CUDA's compiler library, which is not here: install a CUDA toolkit "
        "of version 12 or newer, run test/setup.sh, or install the Python package nvidia-cuda-nvrtc and "
        "let STOOP_NVRTC name its libnvrtc.so.13; tried:" +
        reasons);
  bool complete = find(getVersion, "nvrtcVersion") && find(createProgram, "nvrtcCreateProgram") &&
                  find(destroyProgram, "nvrtcDestroyProgram") &&
                  find(compileProgram, "nvrtcCompileProgram") &&
                  find(getLogSize, "nvrtcGetProgramLogSize") && find(getLog, "nvrtcGetProgramLog") &&
                  find(getCubinSize, "nvrtcGetCUBINSize") && find(getCubin, "nvrtcGetCUBIN") &&
                  find(getPtxSize, "nvrtcGetPTXSize") && find(getPtx, "nvrtcGetPTX");
  int major = 0, minor = 0;
  if (!complete || getVersion(&major, &minor) != 0)
    return llvm::createStringError("the NVRTC library found lacks functions; version 12 is needed");
  versionText = std::to_string(major) + "." + std::to_string(minor);
  return llvm::Error::success();
}

llvm::Expected<const Nvrtc *> Nvrtc::get() {
  static Nvrtc library;
  static std::once_flag once;
  static std::string failure;
  std::call_once(once, [] {
    if (llvm::Error error = library.load())
      failure = llvm::toString(std::move(error));
  });
  if (!failure.empty())
    return llvm::createStringError(failure);
  return &library;
}

llvm::Expected<CompiledCode> Nvrtc::compile(const std::string &source,
                                            const kernels::GpuArchitecture &architecture) const {
  std::vector<const char *> texts, names;
  for (const kernels::GpuSource &header : kernels::gpuSources()) {
    texts.push_back(header.text.data());
    names.push_back(header.path.data());
  }
  ProgramHandle program = nullptr;
  if (createProgram(&program, source.c_str(), "kernel.cu", texts.size(), texts.data(),
                    names.data()) != 0)
    return llvm::createStringError("NVRTC cannot create a program");
  std::string target = ("--gpu-architecture=" + architecture.name).str();
  std::vector<const char *> options(std::begin(commonOptions), std::end(commonOptions));
  options.push_back(target.c_str());
  bool isCompiled = compileProgram(program, options.size(), options.data()) == 0;
  auto fetch = [&](auto size, auto read) {
    size_t bytes = 0;
    std::string text;
    if (size(program, &bytes) == 0 && bytes) {
      text.resize(bytes);
      if (read(program, text.data()) != 0)
        text.clear();
    }
    return text;
  };
  CompiledCode code;
  std::string log;
  if (isCompiled) {
    code.cubin = fetch(getCubinSize, getCubin);
    code.ptx = fetch(getPtxSize, getPtx);
  } else {
    log = fetch(getLogSize, getLog);
  }
  destroyProgram(&program);
  if (code.cubin.empty() || code.ptx.empty())
    return llvm::createStringError(log.empty() ? "NVRTC " + versionText + " gave no code for " +
                                                     architecture.name.str()
                                               : log.c_str());
  while (!code.ptx.empty() && code.ptx.back() == '\0')
    code.ptx.pop_back();
  return code;
}

/// The folder of the cache; empty: none.
static std::string cacheFolder() {
  if (const char *folder = getenv("STOOP_CACHE_DIR"))
    return folder;
  if (const char *folder = getenv("XDG_CACHE_HOME"))
    return std::string(folder) + "/stoop";
  if (const char *home = getenv("HOME"))
    return std::string(home) + "/.cache/stoop";
  return "";
}

/// Writes a file as a whole or not at all; failure is not an error of the compilation.
static void writeWhole(llvm::StringRef path, llvm::StringRef bytes) {
  llvm::SmallString<128> part;
  int file = -1;
  if (llvm::sys::fs::createUniqueFile(path + ".%%%%%%", file, part))
    return;
  llvm::raw_fd_ostream stream(file, /*shouldClose=*/true);
  stream << bytes;
  stream.close();
  bool isWritten = !stream.has_error();
  stream.clear_error();
  if (!isWritten || llvm::sys::fs::rename(part, path))
    llvm::sys::fs::remove(part);
}

llvm::Expected<CompiledCode>
Nvrtc::compileCached(const std::string &source,
                     const kernels::GpuArchitecture &architecture) const {
  llvm::SHA256 hash;
  auto add = [&](llvm::StringRef part) {
    hash.update(std::to_string(part.size()));
    hash.update(part);
  };
  add(source);
  for (const kernels::GpuSource &header : kernels::gpuSources())
    add(header.text);
  for (const char *option : commonOptions)
    add(option);
  add(architecture.name);
  add(versionText);
  std::string folder = cacheFolder();
  if (folder.empty() || llvm::sys::fs::create_directories(folder))
    return compile(source, architecture);
  std::string path = folder + "/" + llvm::toHex(hash.final(), /*LowerCase=*/true);
  auto read = [](const std::string &file) -> std::string {
    auto buffer = llvm::MemoryBuffer::getFile(file, /*IsText=*/false, /*NeedsTerminator=*/false);
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  };
  CompiledCode known{read(path + ".cubin"), read(path + ".ptx")};
  if (!known.cubin.empty() && !known.ptx.empty())
    return known;
  llvm::Expected<CompiledCode> fresh = compile(source, architecture);
  if (fresh) {
    writeWhole(path + ".cubin", fresh->cubin);
    writeWhole(path + ".ptx", fresh->ptx);
  }
  return fresh;
}
