//===- KernelHarness.h - compile, load and run one kernel --------*- C++ -*-===//
//
// Tests specialise a template as the compiler does, load the object into this process and run it on
// one or more threads. Buffers are surrounded by guard bytes, so a write past an end is found.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_KERNELHARNESS_H
#define STOOP_TEST_KERNELS_KERNELHARNESS_H

#include "codegen/cpu/LoadKernel.h"
#include "codegen/cpu/SpecializeKernel.h"
#include "stoop/abi.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace stoop::test {

/// "f32", "bf16" or "f16".
enum class Element { F32, BF16, F16 };
const char *name(Element element);
size_t bytesOf(Element element);
/// Rounds to the element type, to nearest even.
float roundTo(Element element, float value);

/// Levels of the library that this machine can run.
std::vector<const kernels::KernelLevel *> runnableLevels();

/// Seed of this run: STOOP_TEST_SEED or the clock; printed once.
uint64_t runSeed();

/// Memory for one operand, guarded on both sides; fresh bytes are a NaN pattern in every element
/// type.
class Buffer {
public:
  explicit Buffer(size_t bytes);
  void *data() { return storage.data() + kGuard; }
  size_t size() const { return bytes; }
  /// Whether the guards are intact.
  bool intact() const;

  static Buffer of(Element element, const std::vector<float> &values);
  static Buffer of(const std::vector<int32_t> &values);
  /// Element i as float.
  float at(Element element, size_t index) const;
  void set(Element element, size_t index, float value);

private:
  static constexpr size_t kGuard = 256;
  size_t bytes;
  std::vector<unsigned char> storage;
};

/// A weight matrix in panel16 order (contract of plan.pack panel16), from row-major values.
Buffer packPanel16(Element element, const std::vector<float> &values, int64_t rows,
                   int64_t columns);

/// `count` values in [-scale, scale], each exactly representable in `element`.
std::vector<float> randomValues(std::mt19937_64 &random, size_t count, Element element,
                                float scale = 1.0f);

/// Bitcode of a hook written as LLVM IR; "" gives one that does nothing.
std::string hookFromIr(const std::string &ir);

/// A kernel in this process. Fails the test process with a message when it cannot be compiled.
class LoadedKernel {
public:
  LoadedKernel(const codegen::KernelSpec &spec, const kernels::KernelLevel &level);
  /// Runs a step of `numRows` rows on `numThreads` threads; scratch is what the spec states,
  /// guarded.
  void run(const std::vector<Buffer *> &buffers, uint32_t numRows, unsigned numThreads) const;
  stoop_kernel_fn function() const { return entry; }

private:
  codegen::LoadedCode code;
  stoop_kernel_fn entry;
  uint64_t scratchBytes;
};

/// Spec of a port with a parameter struct.
template <class Params>
codegen::KernelSpec makeSpec(const std::string &port, const Params &params,
                             uint64_t scratchBytes = 0, const std::string &hooks = "") {
  codegen::KernelSpec spec;
  spec.port = port;
  spec.params.assign(reinterpret_cast<const char *>(&params), sizeof params);
  spec.scratchBytes = scratchBytes;
  spec.hooks = hooks;
  return spec;
}

/// A region of one product, x in operand 0, weights in 1, whose sums are stored in operand 2; the
/// port is the variant of `ports` for that many rows.
struct LinearShape {
  int64_t maxRows, n, k, xStride, yStride;
  Element y;
  int64_t prefetch = 512;
  std::optional<int64_t> quantGroup = std::nullopt; ///< integer weights: QuantScheme::group
  bool floatActivations = false; ///< beside integer weights
  /// The schedule's blocks; none: those where nothing was measured.
  struct Blocks {
    int64_t panels, rows, inner, splitPanels;
  };
  std::optional<Blocks> blocks = std::nullopt;
};
codegen::KernelSpec linearSpec(const std::string &ports, const LinearShape &shape);

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_KERNELHARNESS_H
