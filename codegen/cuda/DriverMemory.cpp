//===- DriverMemory.cpp - what a driver takes of a device -----------------===//
//
// Counts modules and nodes as the runtime makes them; runtime/device/cuda/cuda_device.cc records the graphs.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/DriverMemory.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"

using namespace stoop;

/// Copies of a step's inputs (step, tokens, positions, slots) and of its results (logits, maxima); around a step that feeds
/// itself a kernel in front and behind, and the copy of its states.
static constexpr uint64_t kCopies = 6, kGeneratingNodes = 3;

uint64_t codegen::modulesBytes(plan::ProgramOp program) {
  llvm::StringMap<uint64_t> levels;
  for (auto binary : program.getOps<plan::BinaryOp>())
    if (auto bytes = binary->getAttrOfType<mlir::IntegerAttr>(plan::kModulesAttrName))
      levels[binary.getLevel()] += bytes.getInt();
  uint64_t most = 0;
  for (const auto &level : levels)
    most = std::max(most, level.second);
  if (levels.empty()) {
    auto kernels = program.getOps<plan::KernelOp>();
    most = (1 + std::distance(kernels.begin(), kernels.end())) * kModuleReserve;
  }
  return llvm::alignTo(most, kDevicePage);
}

uint64_t codegen::graphsBytes(plan::ProgramOp program) {
  uint64_t nodes = 0;
  for (auto entry : program.getOps<plan::EntryOp>()) {
    auto launches = entry.getOps<plan::LaunchOp>();
    uint64_t count = std::distance(launches.begin(), launches.end());
    nodes += count + kCopies;
    if (entry.getKind() == plan::EntryKind::Decode)
      nodes += count + kGeneratingNodes;
  }
  return llvm::alignTo(nodes * kGraphNodeReserve, kDevicePage);
}
