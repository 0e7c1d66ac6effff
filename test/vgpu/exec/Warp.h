// A warp: 32 lanes, their registers, and the fragments into which divergence has split it.
#pragma once
#include "test/vgpu/check/Clocks.h"
#include "test/vgpu/check/DeviceMemory.h"
#include "test/vgpu/check/Report.h"
#include "test/vgpu/exec/Program.h"

namespace vgpu {
class Block;
struct LaunchOrder;

/// Lanes that share a program counter.
struct Fragment {
  enum State : u8 { Ready, AtBarrier, AtWarpSync };
  u32 pc = 0, mask = 0;
  State state = Ready;
  u32 barrier = 0;            // AtBarrier: its number
  const Op *waiting = nullptr; // AtBarrier: the instruction, for the result of bar.red
  u32 backward = 0;           // backward branches taken, so that a spinning fragment lets others run
};

/// A cp.async that has been started: the bytes move when its thread waits for it, the latest legal moment.
struct PendingCopy {
  u32 mask = 0, bytes = 0;
  u32 to[32], sourceBytes[32], group[32]; // sourceBytes: the rest is zero-filled
  u64 from[32];
};

class Warp {
public:
  u32 id = 0;
  Block *block = nullptr;
  u32 live = 0; // lanes that have not exited
  u32 carry = 0;
  std::vector<Fragment> fragments;
  WarpClock clock;
  bool gridWaited = false; // griddepcontrol.wait has returned
  bool atGridWait = false, spinning = false;
  u64 instructions = 0;
  std::vector<PendingCopy> copies;
  u32 groups[32] = {}; // cp.async groups committed by each lane
  const Instruction *now = nullptr;
  OpCounts *counting = nullptr; // of the instruction being executed; null: nothing is counted

  u8 *reg(u32 offset) { return file + offset; }
  u32 &predicate(u32 slot) { return predicates[slot]; }
  bool done() const { return fragments.empty(); }
  bool checks() const;
  const LaunchOrder &launchOrder() const;

  void report(Finding kind, int lane, const Instruction &inst, const std::string &what);

  /// Runs until all fragments wait or are done, or `budget` control instructions have passed.
  void run(i64 budget);

  u8 *file = nullptr;
  u32 *predicates = nullptr;

private:
  void mergeFragments();
  int pickFragment();
  bool runFragment(size_t index, i64 &budget);
  u32 firstValue(u32 offset, u32 active); // value of the first active lane
  enum class Step { Next, Reschedule, Leave };
  Step control(size_t index, const Op &op, u32 &pc, u32 active, i64 &budget);
  Step branch(size_t index, u32 target, u32 &pc, u32 active);
  Step indexBranch(size_t index, const Op &op, u32 &pc, u32 active);
  Step exitLanes(size_t index, u32 &pc, u32 active);
  Step warpSync(size_t index, const Op &op, u32 &pc, u32 active);
};
} // namespace vgpu
