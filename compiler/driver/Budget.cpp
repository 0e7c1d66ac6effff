//===- Budget.cpp - what a plan needs against what there is ---------------===//
//
// Classes come from the plan; only the code, until it is linked, is a reserve, and what a driver takes a prediction.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Budget.h"

#include "codegen/TargetRegistry.h"
#include "compiler/driver/Fit.h"
#include "compiler/inspect/Json.h"
#include "stoop/abi.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Threading.h"
#include <algorithm>

namespace stoop::driver {

unsigned defaultThreads(unsigned limit) {
  unsigned most = STOOP_MOST_THREADS;
  return limit ? limit : std::min(llvm::hardware_concurrency().compute_thread_count(), most);
}

std::optional<MemoryNeed> MemoryNeed::of(const llvm::json::Object &report) {
  const llvm::json::Object &memory = inspect::objectAt(report, "memory");
  std::optional<report::MemoryClasses> classes =
      report::MemoryClasses::of(inspect::listAt(memory, "classes"));
  if (!classes)
    return std::nullopt;
  MemoryNeed need{*classes};
  if (classes->isPerThread())
    need.threads =
        defaultThreads(inspect::numberAt(inspect::objectAt(memory, "planning"), plan::kMaxThreadsAttrName));
  const llvm::json::Object &target = inspect::objectAt(report, "target");
  uint64_t linked = 0;
  for (const llvm::json::Value &row : inspect::listAt(memory, "classes"))
    if (inspect::textAt(inspect::asObject(row), "class") == "code")
      linked = inspect::numberAt(inspect::asObject(row), "bytes");
  uint64_t kernels = inspect::listAt(report, "kernels").size() * inspect::listAt(target, "levels").size();
  const codegen::TargetBackend *backend = codegen::findTarget(inspect::textAt(target, "name"));
  need.code = linked ? linked : kRuntimeReserve + kernels * (backend ? backend->kernelCodeReserve() : 0);
  return need;
}

std::vector<std::pair<std::string, uint64_t>> MemoryNeed::list() const {
  auto bytes = [](int64_t value) { return static_cast<uint64_t>(value); };
  std::vector<std::pair<std::string, uint64_t>> rows = {{"weights", bytes(classes.weights)}};
  if (isOnDevice())
    rows.insert(rows.end(), {{"modules", bytes(classes.modules)}, {"graphs", bytes(classes.graphs)}});
  else
    rows.insert(rows.end(), {{"code", code}, {"stacks", bytes(classes.stacks(threads))}});
  rows.insert(rows.end(), {{"workspace", bytes(classes.workspaces(threads))},
                           {"io", bytes(classes.io)},
                           {"activations", bytes(classes.activations)},
                           {"kv", bytes(classes.kv)}});
  return rows;
}

std::string MemoryNeed::totalText() const {
  return sizeText(total()) + (isOnDevice() ? " of GPU memory" : "");
}

uint64_t MemoryNeed::total() const {
  uint64_t sum = 0;
  for (const auto &[name, bytes] : list())
    sum += bytes;
  return sum;
}

std::string MemoryNeed::table(std::optional<uint64_t> budget) const {
  std::string text;
  uint64_t left = budget.value_or(0);
  auto row = [](llvm::StringRef name, uint64_t bytes) {
    return llvm::formatv("  {0,-12} {1,12}", name, sizeText(bytes)).str();
  };
  for (const auto &[name, bytes] : list()) {
    text += row(name, bytes);
    uint64_t held = std::min(left, bytes);
    left -= held;
    if (budget && held < bytes)
      text += llvm::formatv("  {0} short", sizeText(bytes - held));
    text += "\n";
  }
  if (isOnDevice())
    text += row("code", code) + "  of the host, not counted\n";
  return text;
}

llvm::json::Object MemoryNeed::toJson(std::optional<uint64_t> budget) const {
  llvm::json::Object need{{"threads", static_cast<int64_t>(threads)},
                          {"bytes", static_cast<int64_t>(total())},
                          {"code_reserve_bytes", static_cast<int64_t>(code)}};
  if (budget)
    need["budget_bytes"] = static_cast<int64_t>(*budget);
  return need;
}

} // namespace stoop::driver
