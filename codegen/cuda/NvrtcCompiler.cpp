//===- NvrtcCompiler.cpp - CUDA C++ to machine code -----------------------===//
//
// The cache key covers source, all headers, architecture, options and the library's version.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/NvrtcCompiler.h"
#include "codegen/CodeCache.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <dlfcn.h>
#include <mutex>

using namespace stoop;
using codegen::CompiledCode;
using codegen::Nvrtc;

/// -lineinfo: PTX tells the model path of each instruction; cubins leave that out, with the copy of their PTX that would come
/// along: three fifths of their size. No fast math: divisions and roots are exact.
static const char *const commonOptions[] = {"-std=c++20", "-lineinfo", "--ptxas-options=--suppress-debug-info", "-default-device",
                                            "--no-source-include", "-diag-suppress=177"};

/// `text` with its name and all names that it gives itself as if they lay in the root folder: NVRTC puts
/// the folder that it runs in in front of other ones, and with the line table into the code.
static std::string rooted(llvm::StringRef text, llvm::StringRef name) {
  std::string result = ("#line 1 \"/" + name + "\"\n").str();
  while (!text.empty()) {
    auto [line, rest] = text.split('\n');
    if (line.consume_front("#line 1 \""))
      result += "#line 1 \"/";
    result += line;
    result += '\n';
    text = rest;
  }
  return result;
}

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

/// NVRTC asks for its second library by name alone, which the loader finds only in the system's folders
/// or among what is loaded. If it does not lie beside NVRTC, NVRTC's own message says so.
void Nvrtc::loadBuiltins() const {
  Dl_info place;
  if (!dladdr(reinterpret_cast<void *>(getVersion), &place))
    return;
  llvm::SmallString<128> path(place.dli_fname);
  llvm::sys::path::remove_filename(path);
  llvm::sys::path::append(path, "libnvrtc-builtins.so." + versionText);
  (void)dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
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
  number = major * 1000 + minor * 10;
  loadBuiltins();
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

/// The name by which kernels include a header: what differs between architectures is a choice of files.
static const char *includeName(llvm::StringRef path, const kernels::GpuArchitecture &architecture) {
  llvm::StringRef chosen = architecture.overlapsLaunches() ? "kernels/common/dependency_sm_90.cuh" : "kernels/common/dependency_none.cuh";
  return path == chosen ? "kernels/common/dependency.cuh" : path.data();
}

llvm::Expected<CompiledCode> Nvrtc::compile(const std::string &text,
                                            const kernels::GpuArchitecture &architecture) const {
  static const std::vector<std::string> headers = [] {
    std::vector<std::string> all;
    for (const kernels::GpuSource &header : kernels::gpuSources())
      all.push_back(rooted(header.text, header.path));
    return all;
  }();
  std::vector<const char *> texts, names;
  for (auto [header, text] : llvm::zip_equal(kernels::gpuSources(), headers)) {
    texts.push_back(text.c_str());
    names.push_back(includeName(header.path, architecture));
  }
  const std::string source = rooted(text, "kernel.cu");
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

/// Both forms in one entry of the cache, the size of the first in front.
static std::string join(const CompiledCode &code) {
  return std::to_string(code.cubin.size()) + "\n" + code.cubin + code.ptx;
}

static CompiledCode split(llvm::StringRef joined) {
  auto [digits, code] = joined.split('\n');
  size_t size = 0;
  digits.getAsInteger(10, size);
  return {code.take_front(size).str(), code.drop_front(std::min(size, code.size())).str()};
}

llvm::Expected<CompiledCode>
Nvrtc::compileCached(const std::string &source,
                     const kernels::GpuArchitecture &architecture) const {
  CodeKey key;
  key.add(rooted(source, "kernel.cu"));
  for (const kernels::GpuSource &header : kernels::gpuSources())
    key.add(header.text);
  for (const char *option : commonOptions)
    key.add(option);
  key.add(architecture.name).add(versionText);
  llvm::Expected<std::string> joined = cachedCode(key.text(), [&]() -> llvm::Expected<std::string> {
    llvm::Expected<CompiledCode> fresh = compile(source, architecture);
    if (!fresh)
      return fresh.takeError();
    return join(*fresh);
  });
  if (!joined)
    return joined.takeError();
  return split(*joined);
}
