//===- NvrtcCompiler.h - CUDA C++ to machine code -----------------*- C++ -*-===//
//
// NVRTC, loaded at run time: no GPU, no driver, no headers of CUDA are needed. Kernel headers are passed
// as text. Results are kept in a folder, by the hash of everything that they depend on.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CUDA_NVRTCCOMPILER_H
#define STOOP_CODEGEN_CUDA_NVRTCCOMPILER_H

#include "kernels/catalog/GpuCatalog.h"
#include "llvm/Support/Error.h"
#include <string>

namespace stoop::codegen {

/// Machine code of one source and its PTX.
struct CompiledCode {
  std::string cubin, ptx;
};

/// The library. One object per process; methods may be called from any thread.
class Nvrtc {
public:
  /// Loads it on first use: STOOP_NVRTC, the loader's path, a CUDA toolkit, what test/setup.sh put beside
  /// the build. Fails with a message that says how to get it.
  static llvm::Expected<const Nvrtc *> get();

  /// "13.0".
  const std::string &version() const { return versionText; }
  /// As drivers count: 13000.
  int64_t versionNumber() const { return number; }

  /// Compiles a source that includes kernel headers by path. The error is the compiler's log.
  llvm::Expected<CompiledCode> compile(const std::string &source,
                                       const kernels::GpuArchitecture &architecture) const;

  /// As `compile`, from the code cache if it is there.
  llvm::Expected<CompiledCode> compileCached(const std::string &source,
                                             const kernels::GpuArchitecture &architecture) const;

private:
  Nvrtc() = default;
  llvm::Error load();
  void loadBuiltins() const;
  template <class Function> bool find(Function &function, const char *name);

  typedef struct Program *ProgramHandle;
  void *library = nullptr;
  std::string versionText;
  int64_t number = 0;
  int (*getVersion)(int *, int *) = nullptr;
  int (*createProgram)(ProgramHandle *, const char *, const char *, int, const char *const *,
                       const char *const *) = nullptr;
  int (*destroyProgram)(ProgramHandle *) = nullptr;
  int (*compileProgram)(ProgramHandle, int, const char *const *) = nullptr;
  int (*getLogSize)(ProgramHandle, size_t *) = nullptr;
  int (*getLog)(ProgramHandle, char *) = nullptr;
  int (*getCubinSize)(ProgramHandle, size_t *) = nullptr;
  int (*getCubin)(ProgramHandle, char *) = nullptr;
  int (*getPtxSize)(ProgramHandle, size_t *) = nullptr;
  int (*getPtx)(ProgramHandle, char *) = nullptr;
};

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CUDA_NVRTCCOMPILER_H
