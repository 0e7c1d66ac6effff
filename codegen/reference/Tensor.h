//===- Tensor.h - values of the reference evaluator -------------------------------------------===//
//
// A matrix of float32 values with a logical element type. Arithmetic of the evaluator is float32 or
// better; a value is rounded to its element type exactly once, when it is stored. Invariant: every
// value held by a Tensor is representable in its element type.
//
//===------------------------------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_REFERENCE_TENSOR_H
#define STOOP_CODEGEN_REFERENCE_TENSOR_H

#include "llvm/ADT/ArrayRef.h"

#include <cassert>
#include <cstdint>
#include <memory>
#include <vector>

namespace stoop::reference {

/// Element types of the model; the evaluator holds each as float32.
enum class Element : uint8_t { F32, BF16, F16 };

/// Bytes of one stored element.
unsigned byteWidth(Element element);

/// Rounds to the nearest bfloat16, ties to even; NaN stays NaN, overflow becomes infinite.
float roundToBF16(float value);
/// Rounds to the nearest IEEE half, ties to even, with subnormals; overflow becomes infinite.
float roundToF16(float value);
/// Rounds to `element`; the identity for F32.
float roundTo(float value, Element element);

/// The float32 value of a stored bfloat16.
float fromBF16(uint16_t bits);
/// The float32 value of a stored IEEE half.
float fromF16(uint16_t bits);
/// Converts `count` little-endian elements at `bytes` (any alignment) to float32 at `out`.
void decode(const void *bytes, Element element, size_t count, float *out);

/// A row-major [rows, cols] matrix; copies share the storage. A vector is a matrix of one row.
class Tensor {
public:
  Tensor() = default;
  /// A zero matrix.
  Tensor(int64_t rows, int64_t cols, Element element)
      : numRows(rows), numCols(cols), elementType(element),
        storage(std::make_shared<std::vector<float>>(rows * cols)) {}

  int64_t rows() const { return numRows; }
  int64_t cols() const { return numCols; }
  Element element() const { return elementType; }

  llvm::ArrayRef<float> row(int64_t index) const {
    assert(index >= 0 && index < numRows && "row out of range");
    return {storage->data() + index * numCols, static_cast<size_t>(numCols)};
  }
  llvm::ArrayRef<float> values() const { return *storage; }

  /// Stores one value, rounded to the element type.
  void set(int64_t rowIndex, int64_t col, double value) {
    assert(rowIndex < numRows && col < numCols && "element out of range");
    (*storage)[rowIndex * numCols + col] = roundTo(static_cast<float>(value), elementType);
  }
  /// Writable storage for code that rounds (or copies already rounded values) itself.
  llvm::MutableArrayRef<float> mutableValues() { return *storage; }

private:
  int64_t numRows = 0, numCols = 0;
  Element elementType = Element::F32;
  std::shared_ptr<std::vector<float>> storage;
};

/// One layer's keys and values: [slots][heads][positions][headDim] each, rounded to `element`. Kept as double, in
/// which attention reads each of them many times.
struct KvLayer {
  KvLayer(int64_t slots, int64_t heads, int64_t positions, int64_t headDim, Element element)
      : slots(slots), heads(heads), positions(positions), headDim(headDim), element(element),
        keys(slots * heads * positions * headDim), values(keys.size()) {}

  size_t offset(int64_t slot, int64_t head, int64_t position) const {
    assert(slot < slots && head < heads && position < positions && "outside of the KV cache");
    return ((slot * heads + head) * positions + position) * headDim;
  }

  int64_t slots, heads, positions, headDim;
  Element element;
  std::vector<double> keys, values;
};

} // namespace stoop::reference

#endif // STOOP_CODEGEN_REFERENCE_TENSOR_H
