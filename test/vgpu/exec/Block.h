// A thread block (CTA): its warps, shared and local memory, named barriers and mbarriers.
#pragma once
#include "test/vgpu/check/GlobalRaces.h"
#include "test/vgpu/check/SharedMemory.h"
#include "test/vgpu/exec/Warp.h"
#include <random>
#include <unordered_map>

namespace vgpu {
/// A range of device memory that a launch may touch.
struct Slice {
  u64 begin = 0, end = 0;
  bool mayRead = false, mayWrite = false;
  std::string name;
};

/// One launch of a kernel. `order` holds from the start, `orderAfterWait` after griddepcontrol.wait.
struct Launch {
  std::shared_ptr<const Program> program;
  std::array<u32, 3> grid = {1, 1, 1}, block = {1, 1, 1};
  u32 dynamicShared = 0;
  std::vector<u8> params;
  bool hasContract = false;
  std::vector<Slice> contract; // sorted by begin
  bool programmatic = false;   // may start before the launch it depends on has ended
  bool cooperative = false;    // all blocks are resident
  u64 id = 0;
  LaunchOrder order, orderAfterWait;
  u64 blocks() const { return static_cast<u64>(grid[0]) * grid[1] * grid[2]; }
  u32 threads() const { return block[0] * block[1] * block[2]; }
};

struct MBarrier {
  u32 expected = 0, pending = 0;
  i64 bytes = 0; // of copies announced and not complete
  u32 phase = 0;
  BlockView published;       // by arrivals since init
  u32 initWarp = 0;
  bool initFenced = false;   // visible to the asynchronous proxy
};

/// cp.async.bulk: completes when somebody waits for its mbarrier, the latest legal moment.
struct BulkCopy {
  u32 to = 0, bytes = 0, barrier = 0;
  u64 from = 0;
  BlockView view;
};

/// What strong writes to an address of global memory have published.
using SyncVariables = std::unordered_map<u64, GridViewRef>;

class Block {
public:
  enum class State { Done, Yield, GridWait, Triggered };

  Block(const Launch &launch, u64 index, SyncVariables &syncVariables, u64 seed, bool checks);

  /// Runs until the block is done, every runnable warp spins or has used its budget, (stopAtGridWait) all wait there, or the
  /// block has executed griddepcontrol.launch_dependents for the first time.
  State run(bool stopAtGridWait);

  const Launch &launch;
  u64 index;
  std::array<u32, 3> id;
  SyncVariables &syncVariables;
  const bool checks;
  SharedMemory shared;
  std::vector<u8> local, localStates; // [thread][localBytes]
  std::vector<Warp> warps;
  u64 barriersCompleted = 0;
  bool triggered = false; // by launch_dependents; `counted`: the grid knows, `released`: it need not stop there any more
  bool counted = false, released = false;
  std::unordered_map<u32, MBarrier> mbarriers;
  std::vector<BulkCopy> bulkCopies;

  u8 *localOf(const Warp &warp, int lane) { return &local[static_cast<size_t>(warp.id * 32 + lane) * launch.program->localBytes]; }
  u8 *localStateOf(const Warp &warp, int lane) { return &localStates[static_cast<size_t>(warp.id * 32 + lane) * launch.program->localBytes]; }

  /// A warp's lanes arrive at a named barrier; the barrier completes when all expected threads have.
  void arrive(Warp &warp, const Op &op, u32 active, u32 barrier, u32 expected);
  void completeBulkCopies(u32 barrier);
  void tryFlip(MBarrier &barrier);
  u64 random() { return rng(); }
  u64 instructions() const;

private:
  struct NamedBarrier {
    u32 arrived = 0, expected = 0; // expected 0: all threads of the block
    BlockView joined;
    WarpClock joinedGlobal;
    u32 count = 0; // bar.red: threads with a true predicate
    u32 threads = 0;
  };
  void initWarps();
  void fillSpecials(Warp &warp);
  bool releaseBarriers();
  void release(u32 number, NamedBarrier &barrier);
  bool allDone() const;
  void reportDeadlock();

  std::array<NamedBarrier, 16> barriers;
  std::vector<u8> files;
  std::vector<u32> predicates;
  std::mt19937_64 rng;
};
} // namespace vgpu
