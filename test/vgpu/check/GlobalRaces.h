// Happens-before on global memory: between lanes, warps and blocks of a grid, and between grids and copies.
// Each 4-byte cell keeps its last write and last read with their place in the order of things. When several threads
// have read a cell, the history keeps only that several lanes, warps or blocks did; that loses findings, it makes none up.
#pragma once
#include "test/vgpu/check/DeviceMemory.h"

namespace vgpu {
/// Which earlier launches (kernel or copy nodes) a launch is ordered after. Ids rise by one a launch.
struct LaunchOrder {
  u64 base = 0;             // all launches below are ordered
  std::vector<bool> before; // of launches base, base + 1, ...

  bool contains(u64 id) const { return id < base || (id - base < before.size() && before[id - base]); }
  void add(u64 id);
  void join(const LaunchOrder &other);
  static LaunchOrder everythingBefore(u64 id) { return {id, {}}; }
};

class GlobalRaces {
public:
  static GlobalRaces &get();

  /// The accesses that lanes `mask` of a warp make together.
  void access(Warp &warp, const Instruction &inst, const u64 *addresses, u32 mask, u32 count, Access access);
  /// One thread's access to a range.
  void accessRange(Warp &warp, int lane, const Instruction &inst, u64 address, u64 count, Access access);
  /// A copy or memset node; `what` names it in a report.
  void accessNode(u64 launchId, const LaunchOrder &order, const std::string &what, u64 address, u64 count, bool write);
  /// Forgets all history (launch ids wrapped around, or a test starts afresh).
  void forget();
  /// Forgets the history of a range, for freed memory.
  void forget(u64 address, u64 count);

  struct Cell {
    u64 write, read;
  };

private:
  GlobalRaces();
  Cell &cell(u64 address) { return cells[(address - base) / 4]; }
  void check(Warp &warp, int lane, const Instruction &inst, u64 address, u32 count, Access access);
  void record(Warp &warp, int lane, u64 address, u32 count, Access access);
  void race(Warp &warp, int lane, const Instruction &inst, const char *kind, u64 address, u64 epoch);
  void checkReadOnly(Warp &warp, int lane, const Instruction &inst, u64 address, u64 epoch);
  Cell *cells = nullptr;
  u64 base = 0;
};
} // namespace vgpu
