// What the checkers found. One finding per kind, kernel and PTX line; repetitions are only counted.
// Invariant: every finding names the kernel, block, thread and PTX line (and source line where the PTX has .loc).
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vgpu {
enum class Finding {
  OutOfBounds,
  Uninitialized,
  Misaligned,
  SharedRace,
  GlobalRace,
  LaunchContract,
  Barrier,    // divergent barrier, barrier misuse
  AsyncCopy,  // bytes used while a copy is in flight, or a copy never waited for
  Proxy,      // generic and asynchronous proxy not ordered
  WarpSync,   // member masks of shfl, vote, redux, match, mma, ldmatrix
  GridControl, // launches that overlap: an end without griddepcontrol.wait, a non-coherent read of what the other one writes
  Deadlock,
  Trap,
  Assert
};

/// Short name for messages and tests, e.g. "shared-memory race".
const char *findingName(Finding kind);

/// The CUresult that a real driver would make sticky: 700, 716 (misaligned), 719 (trap), 710 (assert).
int findingError(Finding kind);

struct ReportItem {
  Finding kind;
  std::string kernel, message; // message: complete, with kernel and position
  int line = 0;                // PTX line, 0: none
  uint64_t count = 1;
};

class Report {
public:
  /// Adds or counts a finding; returns true when it is a new one.
  bool add(Finding kind, const std::string &kernel, int line, const std::string &message);
  const std::vector<ReportItem> &items() const { return list; }
  /// Whether there is enough to read: what loops from here on is given up, as hardware stops at the first fault.
  bool isFull() const { return total > 5000; }
  bool empty() const { return list.empty(); }
  bool has(Finding kind) const;
  std::string text() const;
  void clear();
  static Report &get();

private:
  std::vector<ReportItem> list;
  std::map<std::string, size_t> known;
  uint64_t total = 0;
};
} // namespace vgpu
