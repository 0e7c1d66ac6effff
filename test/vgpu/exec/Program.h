// The executable form of one kernel: operands are offsets into a warp's register file, callees are inlined.
// Invariant: executing an Op looks up no name and allocates nothing.
#pragma once
#include "test/vgpu/ptx/Module.h"
#include <array>
#include <memory>

namespace vgpu {
class Warp;
struct Op;
struct OpCounts;

/// Executes `op` for the lanes of `mask` (never empty).
using Handler = void (*)(Warp &warp, const Op &op, u32 mask);

/// What the scheduler has to do itself; None: the handler does all.
enum class Control : u8 {
  None,
  Branch,     // to `target`
  IndexBranch,// brx.idx: by register a into `targets[imm]`
  Exit,
  Barrier,    // bar.sync (wait) and bar.arrive (no wait); flags: BarrierArrive, BarrierReduce*
  WarpSync,   // waits for the lanes in the member mask (register a), then runs the handler if there is one
  TryWait,    // mbarrier.try_wait / test_wait
  GridWait,   // griddepcontrol.wait
  GridLaunch, // griddepcontrol.launch_dependents
  Trap
};

enum class Space : u8 { Generic, Global, Shared, Local, Param };

/// Address windows through which generic addresses reach shared, local and parameter memory.
constexpr u64 sharedWindow = 0x7b0000000000ull, localWindow = 0x7a0000000000ull, paramWindow = 0x790000000000ull;
constexpr u64 windowBytes = 1ull << 24;

constexpr u16 noPredicate = 0xffff;
constexpr u32 noRegister = ~0u; // a "_" operand

/// Op::flags of barriers and warp-wide instructions.
enum OpFlags : u8 { opHasCount = 1, opArriveOnly = 2, opFullMask = 4, opReduceCount = 8, opReduceAnd = 16, opReduceOr = 32, opNegated = 64, opUnaligned = 128 };

struct Op {
  Handler handler = nullptr;
  Control control = Control::None;
  Space space = Space::Generic;
  bool guardNegated = false, isSigned = false;
  u16 guard = noPredicate;      // predicate slot of @p
  u8 count = 1, size = 4;       // vector elements and bytes of each
  u8 flags = 0;                 // per instruction
  u32 d = 0, a = 0, b = 0, c = 0, e = 0; // register file offsets; predicate slots for predicate operands
  i64 imm = 0;                  // address offset or immediate
  u32 target = 0;
  std::array<u32, 16> v = {};   // vector operands, matrix fragments
  const Instruction *source = nullptr;
};

struct Program {
  std::string name;
  std::vector<Op> ops;
  std::vector<Variable> params;
  std::vector<u32> paramOffsets;
  u32 paramBytes = 0, staticShared = 0, dynamicShared = 0 /* offset */, localBytes = 0, maxThreads = 1024;
  u32 fileBytes = 0, numPredicates = 1;
  struct Constant {
    u32 offset;
    bool wide;
    u64 value;
  };
  std::vector<Constant> constants;
  struct Special {
    u32 offset;
    bool wide;
    std::string name;
  };
  std::vector<Special> specials;
  std::vector<std::vector<u32>> targets; // jump tables
  // griddepcontrol, over all paths of the control flow: whether launch_dependents, or the end, can be reached without wait;
  // the end that can, null if none.
  bool triggersEarly = false;
  const Instruction *endWithoutWait = nullptr;
  std::shared_ptr<const Module> module;             // owns the instructions
  std::shared_ptr<std::vector<OpCounts>> counts;    // one per op, null unless executions are counted
  std::string where(const Instruction &inst) const; // "ptx line 12 (model.layers.0:3)"
};

/// Device addresses of module-scope variables.
using SymbolTable = std::map<std::string, u64>;

/// Finds what Program says of griddepcontrol. Every edge of the control flow counts as possible.
void findGridControl(Program &program);

/// Resolves `entry` of `module`; throws PtxError for an instruction that is not known.
Program decode(std::shared_ptr<const Module> module, const Function &entry, const SymbolTable &symbols);
} // namespace vgpu
