//===- Catalog.h - the CPU kernel templates as data --------------*- C++ -*-===//
//
// What is in the kernel library: templates, their ports per element type, and the library's bitcode
// per feature level. Plain data over LLVM's ADT; the lists come from the .def files that also
// instantiate the kernels, so an entry here is an entry there.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_KERNELS_CATALOG_CATALOG_H
#define STOOP_KERNELS_CATALOG_CATALOG_H

#include <cstdint>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace stoop::kernels {

/// One instance of a template: a symbol of the bitcode for a choice of element types.
struct KernelPort {
  llvm::StringRef symbol;    ///< "stoop_linear_bf16_f32_many"
  llvm::StringRef elements;  ///< element types in the order of the .def file, and what else tells
                             ///< ports apart: "bf16,f32,many"
};

/// A kernel template. Element types of its ports: linear weights,input,rows; embedding
/// weights,output; norm kind,input,output; attention and kv_append activations,cache; elementwise
/// and reduction none; all others activations.
struct KernelTemplate {
  llvm::StringRef name;  ///< name in schedules
  llvm::StringRef kind;  ///< kind of the fused regions it can compute
  bool acceptsEpilogue;  ///< elementwise ops may follow its anchor in the region
  llvm::ArrayRef<KernelPort> ports;
};

/// All templates of the library.
llvm::ArrayRef<KernelTemplate> kernelTemplates();

/// The template of that name; null when there is none.
const KernelTemplate *findTemplate(llvm::StringRef name);

/// The port of a template for comma-separated element types; null when the library has none.
const KernelPort *findPort(const KernelTemplate &kernel, llvm::StringRef elements);

/// A feature level of the library.
struct KernelLevel {
  llvm::StringRef name;     ///< "avx512-bf16"
  llvm::StringRef id;       ///< the name as part of a C symbol: "avx512_bf16"
  uint64_t required;        ///< bits of stoop_cpu_feature
  llvm::StringRef bitcode;  ///< the whole library, not yet optimised
};

/// All levels, best last.
llvm::ArrayRef<KernelLevel> kernelLevels();

/// The level of that name; null when there is none.
const KernelLevel *findLevel(llvm::StringRef name);

}  // namespace stoop::kernels

#endif  // STOOP_KERNELS_CATALOG_CATALOG_H
