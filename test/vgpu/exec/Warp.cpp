// The warp interpreter. The fragment with the lowest program counter runs first, so lanes meet again where the compiler's
// layout joins them; a fragment that keeps branching backwards gives way, so spinning lanes cannot starve the others.
#include "test/vgpu/exec/Warp.h"
#include "test/vgpu/check/Counters.h"
#include "test/vgpu/exec/Grid.h"
#include <climits>
#include <cstring>

namespace vgpu {
namespace {
constexpr u32 backwardQuota = 2048;
u32 priority(const Fragment &f) { return f.backward / backwardQuota; }
} // namespace

bool Warp::checks() const { return block->checks; }
const LaunchOrder &Warp::launchOrder() const { return gridWaited ? block->launch.orderAfterWait : block->launch.order; }

void Warp::report(Finding kind, int lane, const Instruction &inst, const std::string &what) {
  const Launch &launch = block->launch;
  u32 thread = id * 32 + static_cast<u32>(lane);
  const auto &b = launch.block;
  auto triple = [](u32 x, u32 y, u32 z) { return "(" + std::to_string(x) + "," + std::to_string(y) + "," + std::to_string(z) + ")"; };
  Report::get().add(kind, launch.program->name, inst.line,
                    what + " [" + launch.program->name + ", block " + triple(block->id[0], block->id[1], block->id[2]) + ", thread " +
                        triple(thread % b[0], thread / b[0] % b[1], thread / (b[0] * b[1])) + ", " + launch.program->where(inst) +
                        ": " + inst.opcode + "]");
}

void Warp::mergeFragments() {
  for (size_t i = 0; i < fragments.size(); ++i)
    for (size_t j = i + 1; j < fragments.size();) {
      Fragment &a = fragments[i], &b = fragments[j];
      bool together = a.pc == b.pc && a.state != Fragment::AtBarrier && b.state != Fragment::AtBarrier;
      if (!together) {
        ++j;
        continue;
      }
      a.mask |= b.mask;
      a.state = Fragment::Ready; // a member mask may be complete now
      a.backward = std::min(a.backward, b.backward);
      fragments.erase(fragments.begin() + static_cast<long>(j));
    }
}

/// The ready fragment to run next, or -1. Fragments at a warp-wide instruction run only when nothing else can.
int Warp::pickFragment() {
  int best = -1;
  for (size_t i = 0; i < fragments.size(); ++i) {
    const Fragment &f = fragments[i];
    if (f.state != Fragment::Ready)
      continue;
    if (best < 0 || std::pair(priority(f), f.pc) < std::pair(priority(fragments[best]), fragments[best].pc))
      best = static_cast<int>(i);
  }
  return best;
}

void Warp::run(i64 budget) {
  spinning = false;
  while (!fragments.empty()) {
    mergeFragments();
    int pick = pickFragment();
    if (pick < 0) {
      // Lanes missing from a member mask will never come unless a barrier lets them go.
      bool atBarrier = false;
      for (const Fragment &f : fragments)
        atBarrier |= f.state == Fragment::AtBarrier;
      if (atBarrier)
        return;
      Fragment &f = fragments.front();
      const Op &op = block->launch.program->ops[f.pc];
      report(Finding::WarpSync, __builtin_ctz(f.mask), *op.source, "lanes of the member mask never arrive");
      f.mask = 0;
      live = 0;
      fragments.clear();
      return;
    }
    if (!runFragment(static_cast<size_t>(pick), budget))
      return;
  }
}

/// Runs one fragment to its next scheduling point; false when the warp has to give way.
bool Warp::runFragment(size_t index, i64 &budget) {
  const Op *code = block->launch.program->ops.data();
  OpCounts *counts = block->launch.program->counts ? block->launch.program->counts->data() : nullptr;
  u32 pc = fragments[index].pc;
  const u32 mask = fragments[index].mask;
  u32 stop = UINT_MAX; // another fragment waits there to be joined
  for (size_t i = 0; i < fragments.size(); ++i)
    if (i != index && fragments[i].pc > pc)
      stop = std::min(stop, fragments[i].pc);
  for (;;) {
    const Op &op = code[pc];
    u32 active = mask;
    if (op.guard != noPredicate)
      active &= op.guardNegated ? ~predicates[op.guard] : predicates[op.guard];
    ++instructions;
    now = op.source;
    if (counts) {
      counting = &counts[pc];
      counting->executed += active != 0;
    }
    if (op.control == Control::None) {
      if (active)
        op.handler(*this, op, active);
      if (++pc < stop)
        continue;
      fragments[index].pc = pc;
      return true;
    }
    switch (control(index, op, pc, active, budget)) {
    case Step::Reschedule: return true;
    case Step::Leave: return false;
    case Step::Next: break;
    }
    if (pc >= stop) {
      fragments[index].pc = pc;
      return true;
    }
  }
}

/// Next: `pc` is where this fragment goes on. Otherwise the fragments have been updated.
Warp::Step Warp::control(size_t index, const Op &op, u32 &pc, u32 active, i64 &budget) {
  Fragment &f = fragments[index];
  if (!active) {
    ++pc;
    return Step::Next;
  }
  switch (op.control) {
  case Control::Branch: {
    bool backward = op.target <= pc;
    if (backward && ++f.backward % backwardQuota == 0 && fragments.size() > 1)
      budget = 0;
    if (backward && Report::get().isFull()) {
      live = 0;
      fragments.clear();
      return Step::Leave;
    }
    Step step = branch(index, op.target, pc, active);
    if (backward && --budget <= 0) {
      if (step == Step::Next)
        fragments[index].pc = pc;
      spinning = true;
      return Step::Leave;
    }
    return step;
  }
  case Control::IndexBranch: return indexBranch(index, op, pc, active);
  case Control::Exit: return exitLanes(index, pc, active);
  case Control::Barrier: {
    u32 number = firstValue(op.a, active), expected = op.flags & opHasCount ? firstValue(op.b, active) : 0;
    f.pc = pc + 1;
    if (active != f.mask) { // lanes whose guard is false go on
      Fragment rest = f;
      rest.mask &= ~active;
      f.mask = active;
      fragments.push_back(rest);
    }
    Fragment &waiting = fragments[index];
    if (!(op.flags & opArriveOnly)) {
      waiting.state = Fragment::AtBarrier;
      waiting.barrier = number;
      waiting.waiting = &op;
    }
    block->arrive(*this, op, active, number, expected);
    return Step::Reschedule;
  }
  case Control::WarpSync: return warpSync(index, op, pc, active);
  case Control::TryWait:
    op.handler(*this, op, active);
    ++pc;
    f.pc = pc;
    if (predicates[op.d] & active)
      return Step::Next;
    spinning = true;
    return Step::Leave;
  case Control::GridLaunch:
    ++pc;
    if (block->triggered)
      return Step::Next;
    block->triggered = true;
    f.pc = pc;
    return Step::Leave; // the grid decides who goes on
  case Control::GridWait:
    if (!gridWaited && block->launch.programmatic && !atGridWait) {
      f.pc = pc; // executed again when the primary launch has ended
      atGridWait = true;
      return Step::Leave;
    }
    atGridWait = false;
    gridWaited = true;
    ++pc;
    return Step::Next;
  case Control::Trap:
    report(Finding::Trap, __builtin_ctz(active), *op.source, "trap executed");
    live = 0;
    fragments.clear();
    return Step::Reschedule;
  case Control::None: break;
  }
  ++pc;
  return Step::Next;
}

u32 Warp::firstValue(u32 offset, u32 active) {
  u32 value;
  memcpy(&value, file + offset + 4 * __builtin_ctz(active), 4);
  return value;
}

Warp::Step Warp::branch(size_t index, u32 target, u32 &pc, u32 active) {
  Fragment &f = fragments[index];
  if (active == f.mask) {
    pc = target;
    if (fragments.size() == 1)
      return Step::Next;
    f.pc = pc; // who runs next depends on the program counters
    return Step::Reschedule;
  }
  Fragment taken = f;
  taken.mask = active;
  taken.pc = target;
  f.mask &= ~active;
  f.pc = pc + 1;
  fragments.push_back(taken);
  return Step::Reschedule;
}

Warp::Step Warp::indexBranch(size_t index, const Op &op, u32 &pc, u32 active) {
  const auto &targets = block->launch.program->targets[static_cast<size_t>(op.imm)];
  Fragment base = fragments[index];
  u32 left = active;
  std::vector<Fragment> parts;
  while (left) {
    u32 value = firstValue(op.a, left), same = 0;
    for (u32 m = left; m; m &= m - 1)
      if (firstValue(op.a, m) == value)
        same |= 1u << __builtin_ctz(m);
    if (value >= targets.size()) {
      report(Finding::Trap, __builtin_ctz(same), *op.source, "brx.idx index " + std::to_string(value) + " of " + std::to_string(targets.size()));
      value = static_cast<u32>(targets.size()) - 1;
    }
    Fragment part = base;
    part.mask = same;
    part.pc = targets[value];
    parts.push_back(part);
    left &= ~same;
  }
  fragments[index] = parts.front();
  fragments.insert(fragments.end(), parts.begin() + 1, parts.end());
  if (base.mask & ~active) {
    base.mask &= ~active;
    base.pc = pc + 1;
    fragments.push_back(base);
  }
  return Step::Reschedule;
}

Warp::Step Warp::exitLanes(size_t index, u32 &pc, u32 active) {
  Fragment &f = fragments[index];
  for (const PendingCopy &copy : copies)
    if (copy.mask & active && checks()) {
      report(Finding::AsyncCopy, __builtin_ctz(copy.mask & active), *now, "thread exits with a cp.async in flight");
      break;
    }
  live &= ~active;
  f.mask &= ~active;
  f.pc = pc + 1;
  if (!f.mask)
    fragments.erase(fragments.begin() + static_cast<long>(index));
  return Step::Reschedule;
}

/// Lanes that name different member masks are groups of their own, which one instruction serves all.
Warp::Step Warp::warpSync(size_t index, const Op &op, u32 &pc, u32 active) {
  Fragment &f = fragments[index];
  u32 groups[32], count = 0, missing = 0;
  for (u32 left = active; left; left &= ~groups[count++]) {
    u32 members = op.flags & opFullMask ? ~0u : firstValue(op.e, left), &group = groups[count];
    group = left;
    if (!(op.flags & opFullMask))
      for (u32 m = left; m; m &= m - 1)
        if (firstValue(op.e, m) != members)
          group &= ~(m & -m);
    if (checks() && !(members >> __builtin_ctz(group) & 1))
      report(Finding::WarpSync, __builtin_ctz(group), *op.source, "executing lane is not in its member mask " + hexAddress(members));
    missing |= members & live & ~active;
  }
  if (missing) {
    if (fragments.size() == 1 || (missing & f.mask)) {
      // Either nobody else is left, or lanes of this very fragment skip it by their guard.
      report(Finding::WarpSync, __builtin_ctz(active), *op.source, "lanes " + hexAddress(missing) + " of the member mask do not take part");
    } else {
      f.pc = pc;
      f.state = Fragment::AtWarpSync;
      return Step::Reschedule;
    }
  }
  if (!op.handler)
    ++clock.clock; // bar.warp.sync orders memory among its lanes
  else
    for (u32 i = 0; i < count; ++i)
      op.handler(*this, op, groups[i]);
  ++pc;
  return Step::Next;
}
} // namespace vgpu
