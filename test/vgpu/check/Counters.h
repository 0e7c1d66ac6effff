// What ran, and how it met memory: executions of each instruction, sectors of global memory and passes over the banks of
// shared memory. Kept only on request; a kernel that is decoded while counting is off is never counted.
#pragma once
#include "test/vgpu/exec/Program.h"
#include <map>

namespace vgpu {
/// Of one instruction, over all warps.
struct OpCounts {
  u64 executed = 0;             // by warps with a lane to execute it
  u64 requests = 0;             // accesses of a warp to global or shared memory
  u64 bytes = 0;                // global memory: distinct bytes within a request
  u64 sectors = 0;              // global memory: 32-byte sectors touched
  u64 passes = 0, leastPasses = 0; // shared memory: turns over the 32 banks; as many as without bank conflicts
  // Of `bytes`: requested before the warp's griddepcontrol.wait, and before the block's launch_dependents.
  u64 bytesAhead = 0, bytesUntriggered = 0;

  void addGlobal(const u64 *addresses, u32 mask, u32 count, bool isAhead = false, bool isUntriggered = false);
  void addShared(const u32 *offsets, u32 mask, u32 count);
};

/// One per op of a program.
using ProgramCounts = std::vector<OpCounts>;

class Counters {
public:
  /// Counting starts with the process if STOOP_VGPU_COVERAGE names a file, to which text() is appended at its end.
  static Counters &get();
  bool isOn = false;

  /// Counts for a program, or null while counting is off.
  std::shared_ptr<ProgramCounts> add(const Program &program);
  void call(const char *name) { ++calls[name]; }
  /// Lines of "op KERNEL PTX-LINE OPCODE EXECUTED REQUESTS BYTES SECTORS PASSES LEAST-PASSES BYTES-AHEAD BYTES-UNTRIGGERED" and
  /// "call NAME COUNT", of everything that ran since the last clear().
  std::string text() const;
  void clear();

private:
  Counters();
  struct Entry {
    std::shared_ptr<const Module> module; // owns the instructions
    std::string kernel;
    std::vector<const Instruction *> instructions;
    std::shared_ptr<ProgramCounts> counts;
  };
  std::vector<Entry> entries;
  std::map<std::string, u64> calls;
};
} // namespace vgpu
