// Runs the blocks of a launch in a seeded order. A programmatic (PDL) launch runs in two steps: all blocks up to their
// griddepcontrol.wait once all blocks of the primary launch have executed launch_dependents or ended, the rest when it has
// ended.
#pragma once
#include "test/vgpu/exec/Block.h"
#include <functional>
#include <memory>

namespace vgpu {
/// Parameters of the virtual GPU; the driver fills them from the environment.
struct Options {
  u32 arch = 90;          // STOOP_VGPU_ARCH: 80, 86, 89, 90, ...
  u32 multiprocessors = 4; // STOOP_VGPU_SMS
  u64 seed = 1;           // STOOP_VGPU_SEED: order of blocks, warps and graph nodes
  bool checks = true;     // STOOP_VGPU_CHECKS
  u32 driverVersion = 13000; // STOOP_VGPU_DRIVER: the CUDA that the driver supports, 12040 is 12.4
  u32 spinRounds = 2000;  // STOOP_VGPU_SPIN_ROUNDS: turns of spinning blocks without any block ending: a deadlock
  u64 blockInstructions = 0; // STOOP_VGPU_BLOCK_INSTRUCTIONS: a block that executes more does not end; 0: any number
  static Options &get();
};

class GridRun {
public:
  /// `startDependents` is called once, when those of a programmatic launch may start, or later, as the seed has it: with as
  /// many blocks as can be held back just behind their trigger; with blocks that go on; when the launch has ended.
  explicit GridRun(const Launch &launch, std::function<void()> startDependents = nullptr);
  /// The part before griddepcontrol.wait, of at most `residentBlocks` blocks.
  void runPrologue();
  void finish();
  u64 instructions() const { return executed; }

private:
  enum class Moment { Early, Midway, Late };

  std::unique_ptr<Block> makeBlock();
  Block::State step(Block &block, bool stopAtGridWait);
  bool isHeld(const Block &block) const { return startDependents && moment == Moment::Early && block.triggered && !block.released; }
  bool releaseOne(std::vector<std::unique_ptr<Block>> &resident);
  void runResident(std::vector<std::unique_ptr<Block>> &resident, size_t limit);

  const Launch launch;
  const Options options;
  std::vector<u32> blockOrder; // indices not started yet, taken from the back
  std::vector<std::unique_ptr<Block>> started;
  SyncVariables syncVariables;
  std::function<void()> startDependents; // empty once it has been called
  Moment moment;
  u64 passed = 0; // blocks that have triggered or ended
  u64 executed = 0;
};

/// Runs a launch to its end.
u64 runGrid(const Launch &launch);
} // namespace vgpu
