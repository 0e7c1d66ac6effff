// What a kernel promises to launches that overlap with it, from its control flow alone.
#include "test/vgpu/exec/Program.h"

namespace vgpu {
void findGridControl(Program &program) {
  std::vector<bool> seen(program.ops.size());
  std::vector<u32> work = {0}; // reachable without griddepcontrol.wait
  while (!work.empty()) {
    const u32 pc = work.back();
    work.pop_back();
    if (pc >= seen.size() || seen[pc])
      continue;
    seen[pc] = true;
    const Op &op = program.ops[pc];
    const bool isGuarded = op.guard != noPredicate;
    bool goesOn = true;
    switch (op.control) {
    case Control::GridWait: goesOn = isGuarded; break;
    case Control::GridLaunch: program.triggersEarly = true; break;
    case Control::Exit:
      program.triggersEarly = true; // a block that ends counts as one that has triggered
      program.endWithoutWait = op.source;
      goesOn = isGuarded;
      break;
    case Control::Branch:
      work.push_back(op.target);
      goesOn = isGuarded;
      break;
    case Control::IndexBranch: {
      const std::vector<u32> &targets = program.targets[static_cast<size_t>(op.imm)];
      work.insert(work.end(), targets.begin(), targets.end());
      goesOn = isGuarded;
      break;
    }
    case Control::Trap: goesOn = isGuarded; break;
    default: break;
    }
    if (goesOn)
      work.push_back(pc + 1);
  }
}
} // namespace vgpu
