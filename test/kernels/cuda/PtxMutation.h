//===- PtxMutation.h - broken variants of a kernel's PTX ----------*- C++ -*-===//
//
// A mutant differs from the kernel in one instruction: a synchronisation that is missing, or an operation that does
// something else. Tests and checkers have to notice each that changes what the kernel means.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_KERNELS_CUDA_PTXMUTATION_H
#define STOOP_TEST_KERNELS_CUDA_PTXMUTATION_H

#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace stoop::test {

struct Mutant {
  size_t line;        ///< of the PTX, from 0
  std::string before; ///< the instruction, without blanks around it
  std::string after;  ///< what stands there instead; empty: nothing

  std::string apply(const std::string &ptx) const;
  std::string text() const { return before + (after.empty() ? " deleted" : " -> " + after); }
};

/// Lines of PTX (from 0) of which a warp executed something.
using ExecutedLines = std::set<size_t>;

/// Each barrier, fence, wait and commit of `lines` deleted.
std::vector<Mutant> missingSynchronisation(const std::string &ptx, const ExecutedLines &lines);

/// Each instruction of that name deleted, be it executed or not.
std::vector<Mutant> withoutInstruction(const std::string &ptx, const std::string &opcode);

/// `count` instructions of `lines`, drawn by `seed`, turned into their opposites: sum and difference, larger and smaller,
/// a comparison or a guard and its negation, another lane of a shuffle, two factors of a matrix exchanged.
std::vector<Mutant> wrongOperations(const std::string &ptx, const ExecutedLines &lines, size_t count, uint64_t seed);

/// File and line of the source that line `line` of PTX comes from, e.g. "/kernels/sampling/sample.cuh" and 81.
std::pair<std::string, unsigned> sourceLineOf(const std::string &ptx, size_t line);

} // namespace stoop::test

#endif // STOOP_TEST_KERNELS_CUDA_PTXMUTATION_H
