//===- GpuCatalog.h - CUDA sources and architectures --------------*- C++ -*-===//
//
// What code generation for GPUs takes from the kernel library: the text of its headers and the list of
// architectures. Plain data.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_KERNELS_CATALOG_GPUCATALOG_H
#define STOOP_KERNELS_CATALOG_GPUCATALOG_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace stoop::kernels {

/// One header of the kernel library; `text` is NUL-terminated.
struct GpuSource {
  llvm::StringRef path; ///< as kernels include it
  llvm::StringRef text;
};

/// One architecture of Architectures.def.
struct GpuArchitecture {
  llvm::StringRef name;     ///< sm_80
  unsigned capability;      ///< compute capability times 10
  bool exact;               ///< code runs on this capability alone
  unsigned sharedKib;       ///< of shared memory that a block may have
  llvm::StringRef machines; ///< examples

  /// Whether machine code for it runs on a GPU of that compute capability (times 10).
  bool runsOn(unsigned gpu) const {
    return exact ? gpu == capability : gpu / 10 == capability / 10 && gpu >= capability;
  }
  /// Whether its launches may start before the one in front has ended: kernels wait for that themselves.
  bool overlapsLaunches() const { return capability >= 90; }
};

llvm::ArrayRef<GpuSource> gpuSources();
llvm::ArrayRef<GpuArchitecture> gpuArchitectures();

/// The architecture called `name`, or null.
const GpuArchitecture *findGpuArchitecture(llvm::StringRef name);

} // namespace stoop::kernels

#endif // STOOP_KERNELS_CATALOG_GPUCATALOG_H
