//===- ModelPaths.h - layers in the names of ops and tensors -----*- C++ -*-===//
//
// "layers.3.attn.qkv", "transformer.h.3.mlp.dense.weight": the first component that is a number is
// the layer. No name of a model family is known here.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_REPORT_MODELPATHS_H
#define STOOP_PASSES_REPORT_MODELPATHS_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringRef.h"

#include <optional>
#include <string>
#include <vector>

namespace stoop::report {

/// The layer that a path lies in, if it lies in one.
std::optional<int64_t> layerOf(llvm::StringRef path);

/// The path with `layer` in place of its own number or `*`, if it has one.
std::string withLayer(llvm::StringRef path, llvm::StringRef layer);

/// The path with `*` for its layer.
inline std::string anyLayer(llvm::StringRef path) { return withLayer(path, "*"); }

/// The names in a location, outermost first, fused ones in order; empty if it has none.
std::vector<std::string> pathsOf(mlir::Location location);

} // namespace stoop::report

#endif // STOOP_PASSES_REPORT_MODELPATHS_H
