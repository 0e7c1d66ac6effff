//===- CpuLevels.h - feature levels, CPU names, this machine -----*- C++ -*-===//
//
// Maps what users write in --target-cpu to feature levels of the kernel library, and asks CPUID
// what this machine has. Features decide, never model names alone: LLVM's idea of a host's name is
// not consulted.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CPU_CPULEVELS_H
#define STOOP_CODEGEN_CPU_CPULEVELS_H

#include "kernels/catalog/Catalog.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"
#include <string>

namespace stoop::codegen {

/// stoop_cpu_feature bits of this machine: CPUID, and XGETBV for what the kernel saves. AMX counts
/// only when the kernel grants its use to this process.
uint64_t detectCpuFeatures();

/// This CPU's model as it calls itself: "AMD EPYC 7R13 Processor"; "unknown" if it does not say.
std::string cpuModel();

/// The best level whose features are all in `features`; null when there is none.
const kernels::KernelLevel *bestLevel(uint64_t features);

/// Names of the bits of `features`, comma-separated: "AVX2, AVX-512".
std::string describeFeatures(uint64_t features);

/// A CPU name that --target-cpu understands and the level it stands for.
struct CpuName {
  llvm::StringRef name;
  llvm::StringRef level;
};

/// All CPU names, without "host" and the levels' own names.
llvm::ArrayRef<CpuName> cpuNames();

/// Resolves a comma-separated --target-cpu value to levels, best last, each once. Fails for an
/// unknown name, listing the known ones, and for "host" on a machine below the lowest level.
llvm::Expected<llvm::SmallVector<const kernels::KernelLevel *>>
resolveTargetCpu(llvm::StringRef list);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CPU_CPULEVELS_H
