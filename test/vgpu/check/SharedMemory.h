// The shared memory of one block, with a state for each byte and an access history for each 4-byte cell.
// Races are found by the order of synchronisations, not by luck of the schedule: an access that no barrier separates
// from an earlier conflicting one of another thread is reported whichever came first.
#pragma once
#include "test/vgpu/check/DeviceMemory.h"
#include <vector>

namespace vgpu {
class SharedMemory {
public:
  enum State : u8 { Uninitialized = 1, Initialized = 2, InFlight = 3 };

  void reset(u32 bytes, u32 warps, bool checks);
  u32 size() const { return numBytes; }
  u8 *data() { return bytes.data(); }

  /// Checks the accesses that lanes `mask` make together; returns the lanes whose bytes may be touched.
  u32 check(Warp &warp, const Instruction &inst, const u32 *offsets, u32 mask, u32 count, Access access, u64 used = ~0ull);
  /// One thread's access to a range, for bulk copies.
  bool checkRange(Warp &warp, int lane, const Instruction &inst, u32 offset, u32 count, Access access);

  /// An asynchronous copy into the range was started (its bytes must not be touched), or has completed: from then on
  /// it counts as a write by `lane`.
  void beginCopy(u32 offset, u32 count);
  void endCopy(Warp &warp, int lane, u32 offset, u32 count);
  /// Completed by hardware for an mbarrier: ordered by it, so no writer is recorded.
  void endBulk(u32 offset, u32 count);

private:
  struct Cell {
    u32 write = 0, read = 0; // packed epochs, 0: none
    u8 writeMask = 0, readMask = 0;
    uint16_t row = 0; // of `readers`, from 1; 0: none yet
  };
  u32 *readersOf(const Cell &cell) { return &readers[static_cast<size_t>(cell.row - 1) * numWarps]; }
  template <u32 CELLS> bool checkWords(Warp &warp, const u32 *offsets, u32 mask, bool write);
  bool checkState(Warp &warp, int lane, const Instruction &inst, u32 offset, u32 count, Access access, u64 used);
  void checkRaces(Warp &warp, int lane, const Instruction &inst, u32 offset, u32 count, Access access);
  void record(Warp &warp, int lane, u32 offset, u32 count, Access access);
  void recordRead(Warp &warp, int lane, u32 index, u8 mask);
  void race(Warp &warp, int lane, const Instruction &inst, const char *kind, u32 offset, u32 epoch);

  u32 numBytes = 0, numWarps = 0;
  bool checks = true;
  std::vector<u8> bytes, states;
  std::vector<Cell> cells;
  std::vector<u32> readers; // of cells read by several warps: epochs by [row][warp]
};
} // namespace vgpu
