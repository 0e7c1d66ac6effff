//===- ModelPaths.cpp - layers in the names of ops and tensors -----------===//
#include "passes/report/ModelPaths.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace stoop::report {

/// Begin and end of the first component that is a number or `*`; nothing if there is none.
static std::optional<std::pair<size_t, size_t>> layerRange(llvm::StringRef path) {
  for (size_t begin = 0; begin < path.size();) {
    size_t end = std::min(path.find('.', begin), path.size());
    llvm::StringRef part = path.slice(begin, end);
    if (part == "*" || (!part.empty() && part.size() < 10 && llvm::all_of(part, llvm::isDigit)))
      return std::make_pair(begin, end);
    begin = end + 1;
  }
  return std::nullopt;
}

std::optional<int64_t> layerOf(llvm::StringRef path) {
  auto range = layerRange(path);
  int64_t layer = 0;
  if (!range || path.slice(range->first, range->second).getAsInteger(10, layer))
    return std::nullopt;
  return layer;
}

std::string withLayer(llvm::StringRef path, llvm::StringRef layer) {
  auto range = layerRange(path);
  if (!range)
    return path.str();
  return (path.take_front(range->first) + layer + path.drop_front(range->second)).str();
}

static void collectPaths(Location location, std::vector<std::string> &paths) {
  if (auto name = dyn_cast<NameLoc>(location))
    paths.push_back(name.getName().str());
  else if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      collectPaths(part, paths);
  else if (auto call = dyn_cast<CallSiteLoc>(location))
    collectPaths(call.getCallee(), paths);
}

std::vector<std::string> pathsOf(Location location) {
  std::vector<std::string> paths;
  collectPaths(location, paths);
  return paths;
}

} // namespace stoop::report
