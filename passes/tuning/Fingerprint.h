//===- Fingerprint.h - what makes two fused regions the same -----*- C++ -*-===//
#ifndef STOOP_PASSES_TUNING_FINGERPRINT_H
#define STOOP_PASSES_TUNING_FINGERPRINT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Region.h"
#include <string>

namespace stoop::tuning {

/// The ops of a fused region in a canonical form: values are numbered by first use; of tensors only the
/// element type, the encoding and the last dimension count (of vectors of integers, which have one for
/// each row, not even that), of other types the name; attributes that
/// refer to symbols and locations are left out. So layers and numbers of rows do not tell regions apart,
/// nor do context lengths but those of a cache that attention reads, and a region is the same in lm.fused
/// and in the kernel made of it.
std::string canonicalText(mlir::Region &region);

/// 16 hexadecimal digits of a hash of that text and of `metadata`, the model's or the program's, as far
/// as it decides about kernels.
std::string fingerprint(mlir::Region &region, mlir::DictionaryAttr metadata);

/// The region's ops in a few words: "norm linear 6144x2048xbf16 bias".
std::string summary(mlir::Region &region);

} // namespace stoop::tuning

#endif // STOOP_PASSES_TUNING_FINGERPRINT_H
