//===- PackLayout.h - Layouts of packed weights -----------------*- C++ -*-===//
//
// Produces one granule of a packed weight: the smallest part that can be made
// without the rest (16 rows; a stretch of a vector). Granules of a weight are
// equally long except the last, so their place in the arena is a product.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_PACKAGE_PACKLAYOUT_H
#define STOOP_CODEGEN_PACKAGE_PACKLAYOUT_H

#include "codegen/package/WeightPacker.h"
#include "codegen/quant/Anticipate.h"
#include <memory>

namespace stoop::codegen {

/// Buffers of one thread, kept between granules.
struct GranuleScratch {
  std::vector<uint8_t> stored, converted;
  std::shared_ptr<const quant::Anticipation> inputs; ///< of the weight at hand; null: not known
};

/// What the conversion of one granule met.
struct GranuleFindings {
  bool notFinite = false;  ///< NaN or infinity among the stored elements
  bool overflowed = false; ///< a finite element became infinite

  bool any() const { return notFinite || overflowed; }
  GranuleFindings &operator|=(const GranuleFindings &other) {
    notFinite |= other.notFinite;
    overflowed |= other.overflowed;
    return *this;
  }
};

/// What converting `count` elements at `stored` from one type to another meets.
GranuleFindings inspectElements(ElementType from, ElementType to, const void *stored,
                                uint64_t count);

/// Rows (vectors: elements) of a granule.
uint64_t granuleRows(const WeightPack &pack);
/// Bytes of every granule but the last.
uint64_t granuleBytes(const WeightPack &pack);
/// Number of granules.
uint64_t numGranules(const WeightPack &pack);

/// Writes granule `index` of `pack` to `out`, granuleBytes(pack) long (the last one: what is left).
/// Integers are rounded against scratch.inputs, if there are any. The stored rows that it read stay
/// in scratch.stored.
llvm::Expected<GranuleFindings> produceGranule(const WeightPack &pack, const WeightReader &reader,
                                               uint64_t index, GranuleScratch &scratch,
                                               uint8_t *out);

/// Rows of a weight as float32, whatever it will be packed as.
llvm::Error readFloats(const WeightOrigin &origin, const WeightReader &reader, uint64_t first,
                       uint64_t count, float *out);

} // namespace stoop::codegen

#endif
