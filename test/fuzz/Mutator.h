//===- Mutator.h - Seeded mutations of text and binary inputs ---*- C++ -*-===//
//
// A plain mutation engine for parser tests: bit flips, cuts, copies, splices of two inputs, numbers
// replaced by extreme ones, and tokens of a dictionary. The same seed gives the same inputs on
// every machine, so a failure is reproduced by its number.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_TEST_FUZZ_MUTATOR_H
#define STOOP_TEST_FUZZ_MUTATOR_H

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace stoop::test {

class Mutator {
public:
  /// `dictionary`: pieces of the format that random bytes would hardly hit.
  Mutator(uint64_t seed, std::vector<std::string> dictionary);

  /// A seed input with one to eight mutations.
  std::string mutate(const std::vector<std::string> &seeds);

  /// Uniform in [0, bound); 0 if bound is 0. Independent of the standard library's distributions,
  /// whose results differ between implementations.
  size_t below(size_t bound);

private:
  void mutateOnce(std::string &text, const std::vector<std::string> &seeds);
  void replaceNumber(std::string &text);

  std::mt19937_64 random;
  std::vector<std::string> dictionary;
};

/// Executions of a fuzz test: STOOP_FUZZ_COUNT, or `fallback`.
size_t fuzzCount(size_t fallback);
/// STOOP_FUZZ_SEED, or 1.
uint64_t fuzzSeed();

} // namespace stoop::test

#endif // STOOP_TEST_FUZZ_MUTATOR_H
