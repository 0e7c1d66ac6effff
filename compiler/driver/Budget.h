//===- Budget.h - what a plan needs against what there is -------*- C++ -*-===//
//
// The classes of memory of a planned program on a machine with a number of
// threads.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_DRIVER_BUDGET_H
#define STOOP_COMPILER_DRIVER_BUDGET_H

#include "passes/report/MemoryClasses.h"
#include <optional>
#include <string>

namespace stoop::driver {

/// Bytes kept for the code that every program has, before it is linked.
inline constexpr uint64_t kRuntimeReserve = 2112 << 10;

/// Threads of a program on this machine: `limit`, or as many as there are processors (0).
unsigned defaultThreads(unsigned limit = 0);

/// A planned program on `threads` threads (1: on a device).
struct MemoryNeed {
  report::MemoryClasses classes;
  unsigned threads = 1;
  uint64_t code = 0; ///< reserved; what it takes once it is linked

  /// Of a report on this machine, with the code's bytes if it is linked and a reserve for each kernel
  /// and level if not. None of a report without classes, as older ones.
  static std::optional<MemoryNeed> of(const llvm::json::Object &report);

  /// Whether the program's memory is a device's; its code stays with the host.
  bool isOnDevice() const { return !classes.isPerThread(); }
  /// What counts against --memory-budget: all classes of `list`. Weights and code are mapped from the file, the others
  /// allocated; on a device the driver takes modules and graphs.
  uint64_t total() const;
  /// Name and bytes of each class where the program's memory is, fixed ones first, the KV cache last.
  std::vector<std::pair<std::string, uint64_t>> list() const;
  /// "2.00 GiB", on a device "2.00 GiB of GPU memory".
  std::string totalText() const;
  /// One indented line per class, with what a device leaves to the host behind them. With a budget also what of the class does not fit when memory is
  /// given to them in this order: the shortfall by class.
  std::string table(std::optional<uint64_t> budget) const;
  /// {threads, bytes, budget_bytes} for the report.
  llvm::json::Object toJson(std::optional<uint64_t> budget) const;
};

} // namespace stoop::driver

#endif
