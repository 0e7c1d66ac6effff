//===- QuantScheme.cpp - integer forms of weight matrices -----------------===//
#include "ir/support/QuantScheme.h"

#include <algorithm>

using namespace stoop;

static constexpr int64_t kPanelRows = 16, kUnitBytes = 64;

std::optional<QuantScheme> QuantScheme::parse(llvm::StringRef name) {
  if (name == "int8" || name == "fp8")
    return QuantScheme{8, 0, name == "fp8"};
  int64_t group = 0;
  if (!name.consume_front("int4-g") || name.getAsInteger(10, group) || group < 32 || group > 1024 ||
      (group & (group - 1)) != 0)
    return std::nullopt;
  return QuantScheme{4, group};
}

std::string QuantScheme::name() const {
  return isFloat ? "fp8" : bits == 8 ? "int8" : "int4-g" + std::to_string(group);
}

int64_t QuantScheme::numGroups(int64_t cols) const {
  return group == 0 ? 1 : (cols + group - 1) / group;
}

int64_t QuantScheme::groupColumns(int64_t index, int64_t cols) const {
  return group == 0 ? cols : std::min(group, cols - index * group);
}

int64_t QuantScheme::panelBytes(int64_t cols) const {
  if (bits == 8)
    return kPanelRows * 4 + (cols + 3) / 4 * kUnitBytes;
  // Groups are whole units, so padding is needed behind the last one only.
  return numGroups(cols) * kPanelRows * 5 / 2 + (cols + 7) / 8 * kUnitBytes;
}

int64_t QuantScheme::packedBytes(int64_t rows, int64_t cols) const {
  return (rows + kPanelRows - 1) / kPanelRows * panelBytes(cols);
}
