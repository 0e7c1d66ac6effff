// The findings of all checkers, in the order they were made.
#include "test/vgpu/check/Report.h"

namespace vgpu {
const char *findingName(Finding kind) {
  switch (kind) {
  case Finding::OutOfBounds: return "out-of-bounds access";
  case Finding::Uninitialized: return "uninitialized read";
  case Finding::Misaligned: return "misaligned address";
  case Finding::SharedRace: return "shared-memory race";
  case Finding::GlobalRace: return "global-memory race";
  case Finding::LaunchContract: return "launch contract broken";
  case Finding::Barrier: return "barrier misused";
  case Finding::AsyncCopy: return "asynchronous copy misused";
  case Finding::Proxy: return "proxies not ordered";
  case Finding::WarpSync: return "warp not converged";
  case Finding::GridControl: return "overlapping launches";
  case Finding::Deadlock: return "deadlock";
  case Finding::Trap: return "trap";
  case Finding::Assert: return "assertion failed";
  }
  return "unknown finding";
}

int findingError(Finding kind) {
  switch (kind) {
  case Finding::Misaligned: return 716;
  case Finding::Trap: return 719;
  case Finding::Assert: return 710;
  default: return 700;
  }
}

bool Report::add(Finding kind, const std::string &kernel, int line, const std::string &message) {
  ++total;
  std::string key = std::to_string(static_cast<int>(kind)) + kernel + ":" + std::to_string(line);
  auto [it, isNew] = known.emplace(key, list.size());
  if (isNew)
    list.push_back({kind, kernel, std::string(findingName(kind)) + ": " + message, line});
  else
    ++list[it->second].count;
  return isNew;
}

bool Report::has(Finding kind) const {
  for (const ReportItem &item : list)
    if (item.kind == kind)
      return true;
  return false;
}

std::string Report::text() const {
  std::string all;
  for (const ReportItem &item : list)
    all += item.message + (item.count > 1 ? " (" + std::to_string(item.count) + " times)" : "") + "\n";
  return all;
}

void Report::clear() {
  list.clear();
  known.clear();
  total = 0;
}

Report &Report::get() {
  static Report report;
  return report;
}
} // namespace vgpu
