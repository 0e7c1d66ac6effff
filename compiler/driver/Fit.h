//===- Fit.h - the largest value that fits a budget -------------*- C++ -*-===//
#ifndef STOOP_COMPILER_DRIVER_FIT_H
#define STOOP_COMPILER_DRIVER_FIT_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <optional>
#include <string>

namespace stoop::driver {

/// "11.4 GiB".
std::string sizeText(uint64_t bytes);

/// The largest value in [1, most] whose bytes are at most `budget`; 0 if 1 does not fit. Needs
/// bytesOf to grow with the value; about three calls if it grows linearly. `bytesOf` gives none on
/// an error that it has reported, which ends the search.
std::optional<int64_t> largestThatFits(int64_t most, uint64_t budget,
                                       llvm::function_ref<std::optional<uint64_t>(int64_t)> bytesOf);

} // namespace stoop::driver

#endif
