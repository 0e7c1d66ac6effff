//===- Fit.cpp - the largest value that fits a budget ---------------------===//
//
// The search never trusts its guess: it ends only when one value was seen to fit
// and the next one not to.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Fit.h"

#include "llvm/Support/FormatVariadic.h"
#include <algorithm>

namespace stoop::driver {

std::string sizeText(uint64_t bytes) {
  static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024; value /= 1024)
    ++unit;
  return unit == 0 ? std::to_string(bytes) + " B"
                   : llvm::formatv("{0:F2} {1}", value, units[unit]).str();
}

std::optional<int64_t>
largestThatFits(int64_t most, uint64_t budget,
                llvm::function_ref<std::optional<uint64_t>(int64_t)> bytesOf) {
  int64_t fits = 1, tooLarge = most;
  std::optional<uint64_t> below = bytesOf(fits);
  if (!below || *below > budget)
    return below ? std::optional<int64_t>(0) : std::nullopt;
  if (most <= 1)
    return most;
  std::optional<uint64_t> above = bytesOf(tooLarge);
  if (!above || *above <= budget)
    return above ? std::optional<int64_t>(most) : std::nullopt;
  for (unsigned step = 0; tooLarge - fits > 1; ++step) {
    // A guess on the straight line; each third step halves, so a bend costs little.
    double part = step % 3 == 2 ? 0.5 : double(budget - *below) / double(*above - *below);
    int64_t guess = fits + static_cast<int64_t>(part * static_cast<double>(tooLarge - fits));
    guess = std::clamp(guess, fits + 1, tooLarge - 1);
    std::optional<uint64_t> bytes = bytesOf(guess);
    if (!bytes)
      return std::nullopt;
    bool isFit = *bytes <= budget;
    (isFit ? fits : tooLarge) = guess;
    (isFit ? below : above) = bytes;
  }
  return fits;
}

} // namespace stoop::driver
