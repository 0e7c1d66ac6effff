//===- Workload.h - the memory of one launch ---------------------*- C++ -*-===//
//
// Buffers for a planned kernel, filled with random values that mean something to it: finite numbers,
// tokens and positions in range, quantised panels with scales. Weights exist several times, so that
// repeated launches find them in memory, not in a cache, as a step of the program does. Attention is measured
// with a full context.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_TUNE_WORKLOAD_H
#define STOOP_COMPILER_TUNE_WORKLOAD_H

#include "ir/plan/PlanOps.h"
#include <random>
#include <string>
#include <vector>

namespace stoop::tune {

/// Pages of this process, released with the object.
class Pages {
public:
  /// Zeroed; small pages, as a program's weights have that are mapped from its file. Ends the process
  /// with LLVM's message when there is no memory.
  explicit Pages(uint64_t bytes);
  Pages(Pages &&other) : address(std::exchange(other.address, nullptr)), bytes(other.bytes) {}
  ~Pages();
  uint8_t *data() const { return address; }
  uint64_t size() const { return bytes; }

private:
  uint8_t *address;
  uint64_t bytes;
};

/// The operands of a launch in memory of their own.
class Workload {
public:
  /// `launch` runs `kernel`, both in a program at phase planned; the same `seed` gives the same values.
  /// `streamBytes`: how much memory the copies of the weights take together, at least one copy.
  Workload(plan::KernelOp kernel, plan::LaunchOp launch, uint64_t streamBytes, uint64_t seed);

  /// No other workload of the process has it, whatever its address.
  uint64_t id() const { return number; }
  unsigned numCopies() const { return copies; }
  size_t numOperands() const { return operands.size(); }
  uint64_t bytes(size_t operand) const { return operands[operand].bytes; }
  bool isWritten(size_t operand) const { return operands[operand].isWritten; }
  /// One of an operand's copies in this process's memory.
  uint8_t *data(size_t operand, unsigned copy) const { return operands[operand].memory[copy].data(); }
  /// What stoop_kernel_args.buffers points to, with one of the copies of the weights.
  void **buffers(unsigned copy) { return pointers[copy].data(); }

  /// Puts what kernels write back to how it was made.
  void reset();
  /// The bytes of everything that kernels write.
  std::string results() const;
  /// Where `actual` differs from `expected`, both from results(), by more than rounding explains, or
  /// holds what is not finite; empty if nowhere. Sums in another order may flip a rounding: 1/64 of a
  /// 16-bit value and of the buffer's root mean square, 1e-4 of float32.
  std::string difference(const std::string &expected, const std::string &actual) const;

private:
  struct Operand {
    mlir::Type element; ///< null: bytes
    uint64_t bytes;
    bool isWritten;
    std::vector<int32_t> numbers; ///< what it holds, if it is integers
    std::vector<Pages> memory; ///< one, or one per copy
  };
  void fill(uint8_t *data, const Operand &operand, mlir::RankedTensorType type,
            std::mt19937_64 &random) const;

  std::vector<Operand> operands;
  std::vector<std::vector<void *>> pointers; ///< per copy
  unsigned copies = 1;
  uint64_t number;
  bool isTiled = false; ///< quantised weights are in tiles instead of panels
};

} // namespace stoop::tune

#endif // STOOP_COMPILER_TUNE_WORKLOAD_H
