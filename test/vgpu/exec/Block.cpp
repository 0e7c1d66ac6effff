// The scheduler of one block: warps in a seeded order, named barriers, bulk copies, deadlock detection.
#include "test/vgpu/exec/Grid.h"
#include <algorithm>
#include <cstring>

namespace vgpu {
Block::Block(const Launch &launch, u64 index, SyncVariables &syncVariables, u64 seed, bool checks)
    : launch(launch), index(index), syncVariables(syncVariables), checks(checks), rng(seed * 0x9e3779b97f4a7c15ull + index) {
  id = {static_cast<u32>(index % launch.grid[0]), static_cast<u32>(index / launch.grid[0] % launch.grid[1]),
        static_cast<u32>(index / (static_cast<u64>(launch.grid[0]) * launch.grid[1]))};
  initWarps();
  const Program &program = *launch.program;
  shared.reset(program.dynamicShared + launch.dynamicShared, static_cast<u32>(warps.size()), checks);
  local.assign(static_cast<size_t>(program.localBytes) * warps.size() * 32, 0xa5);
  localStates.assign(local.size(), 0);
}

void Block::initWarps() {
  const Program &program = *launch.program;
  u32 threads = launch.threads(), count = (threads + 31) / 32;
  warps.resize(count);
  files.assign(static_cast<size_t>(count) * program.fileBytes + 64, 0xcd); // registers start as garbage
  predicates.assign(static_cast<size_t>(count) * program.numPredicates, 0xcdcdcdcd);
  for (u32 i = 0; i < count; ++i) {
    Warp &warp = warps[i];
    warp.id = i;
    warp.block = this;
    warp.file = files.data() + static_cast<size_t>(i) * program.fileBytes;
    warp.predicates = &predicates[static_cast<size_t>(i) * program.numPredicates];
    u32 lanes = std::min(32u, threads - i * 32);
    warp.live = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warp.fragments = {Fragment{0, warp.live}};
    warp.gridWaited = false;
    for (const Program::Constant &c : program.constants)
      for (int l = 0; l < 32; ++l)
        memcpy(warp.reg(c.offset) + l * (c.wide ? 8 : 4), &c.value, c.wide ? 8 : 4);
    fillSpecials(warp);
  }
}

void Block::fillSpecials(Warp &warp) {
  const auto &b = launch.block, &g = launch.grid;
  for (const Program::Special &s : launch.program->specials) {
    const size_t dot = s.name.find('.');
    const std::string_view base = std::string_view(s.name).substr(0, dot);
    const size_t axis = dot == std::string::npos ? 0 : static_cast<size_t>(s.name[dot + 1] - 'x');
    for (u32 l = 0; l < 32; ++l) {
      u32 t = warp.id * 32 + l;
      const std::array<u32, 3> tid = {t % b[0], t / b[0] % b[1], t / (b[0] * b[1])};
      u64 value = 0;
      if (base == "%tid") value = tid[axis];
      else if (base == "%ntid") value = b[axis];
      else if (base == "%ctaid") value = id[axis];
      else if (base == "%nctaid") value = g[axis];
      else if (base == "%laneid") value = l;
      else if (base == "%warpid") value = warp.id;
      else if (base == "%nwarpid") value = warps.size();
      else if (base == "%smid") value = index % Options::get().multiprocessors;
      else if (base == "%nsmid") value = Options::get().multiprocessors;
      else if (base == "%gridid") value = launch.id;
      else if (base == "%dynamic_smem_size") value = launch.dynamicShared;
      else if (base == "%total_smem_size") value = launch.dynamicShared + launch.program->staticShared;
      else if (base == "%lanemask_eq") value = 1u << l;
      else if (base == "%lanemask_lt") value = (1u << l) - 1;
      else if (base == "%lanemask_le") value = (2u << l) - 1;
      else if (base == "%lanemask_gt") value = ~((2u << l) - 1);
      else if (base == "%lanemask_ge") value = ~((1u << l) - 1);
      else if (base == "%cluster_nctaid" || base == "%nclusterid") value = base == "%nclusterid" ? g[axis] : 1;
      else if (base == "%clusterid") value = id[axis];
      memcpy(warp.reg(s.offset) + l * (s.wide ? 8 : 4), &value, s.wide ? 8 : 4);
    }
  }
}

u64 Block::instructions() const {
  u64 sum = 0;
  for (const Warp &warp : warps)
    sum += warp.instructions;
  return sum;
}

bool Block::allDone() const {
  for (const Warp &warp : warps)
    if (!warp.done())
      return false;
  return true;
}

Block::State Block::run(bool stopAtGridWait) {
  u32 idleRounds = 0;
  for (;;) {
    bool progress = false, gridWait = false, spun = false;
    std::vector<u32> order(warps.size());
    for (u32 i = 0; i < order.size(); ++i)
      order[i] = i;
    std::shuffle(order.begin(), order.end(), rng);
    for (u32 i : order) {
      Warp &warp = warps[i];
      if (warp.done())
        continue;
      if (warp.atGridWait && stopAtGridWait) {
        gridWait = true;
        continue;
      }
      u64 before = warp.instructions;
      warp.run(static_cast<i64>(64 + rng() % 4096));
      if (triggered && !counted)
        return State::Triggered;
      // A poll of an mbarrier is a handful of instructions; more than that is work.
      progress |= warp.done() || warp.instructions - before > 16;
      spun |= warp.spinning;
      gridWait |= warp.atGridWait && stopAtGridWait;
    }
    progress |= releaseBarriers();
    if (allDone())
      return State::Done;
    if (u64 limit = Options::get().blockInstructions; limit && instructions() > limit) {
      Warp &warp = *std::find_if(warps.begin(), warps.end(), [](const Warp &w) { return !w.done(); });
      warp.report(Finding::Deadlock, 0, *warp.now, "the block has not ended after " + std::to_string(limit) + " instructions");
      return State::Done;
    }
    if (progress && !spun)
      continue;
    if (gridWait && !progress)
      return State::GridWait;
    if (spun && (progress || ++idleRounds > 8))
      return State::Yield;
    if (!spun && !progress && ++idleRounds > 2) {
      reportDeadlock();
      return State::Done;
    }
  }
}

void Block::reportDeadlock() {
  for (Warp &warp : warps)
    if (!warp.done()) {
      const Fragment &f = warp.fragments.front();
      const Op &op = launch.program->ops[f.pc ? f.pc - 1 : 0];
      warp.report(Finding::Deadlock, __builtin_ctz(f.mask), *op.source, "no warp of the block can go on");
      return;
    }
}

void Block::arrive(Warp &warp, const Op &op, u32 active, u32 number, u32 expected) {
  if (number >= barriers.size()) {
    warp.report(Finding::Barrier, __builtin_ctz(active), *op.source, "barrier " + std::to_string(number) + " of 16");
    return;
  }
  if (checks && (warp.live & ~active) && !(op.flags & opUnaligned))
    warp.report(Finding::Barrier, __builtin_ctz(active), *op.source, "reached by a part of the warp only (lanes " + hexAddress(active) + ")");
  if (checks && expected % 32)
    warp.report(Finding::Barrier, __builtin_ctz(active), *op.source, "thread count " + std::to_string(expected) + " is no multiple of 32");
  NamedBarrier &barrier = barriers[number];
  barrier.arrived += active == warp.live ? 32 : static_cast<u32>(__builtin_popcount(active));
  barrier.expected = expected;
  barrier.joined.join(warp.clock.published(warp.id, active, warp.live), static_cast<u32>(warps.size()));
  if (op.flags & (opReduceCount | opReduceAnd | opReduceOr)) {
    u32 p = warp.predicate(op.c) ^ (op.flags & opNegated ? ~0u : 0);
    barrier.count += static_cast<u32>(__builtin_popcount(p & active));
    barrier.threads += static_cast<u32>(__builtin_popcount(active));
  }
  WarpClock &global = barrier.joinedGlobal;
  if (warp.clock.hasFenced) {
    global.hasFenced = true;
    global.fenced.join(warp.clock.fenced);
  }
  joinInto(global.fencedOthers, warp.clock.fencedOthers);
  joinInto(global.seen, warp.clock.seen);
  joinInto(global.acquired, warp.clock.acquired);
  ++warp.clock.clock;
}

bool Block::releaseBarriers() {
  bool any = false;
  for (u32 number = 0; number < barriers.size(); ++number) {
    NamedBarrier &barrier = barriers[number];
    if (!barrier.arrived)
      continue;
    u32 expected = barrier.expected;
    if (!expected)
      for (const Warp &warp : warps)
        expected += warp.done() ? 0 : 32;
    if (barrier.arrived < expected)
      continue;
    release(number, barrier);
    any = true;
  }
  return any;
}

void Block::release(u32 number, NamedBarrier &barrier) {
  ++barriersCompleted;
  for (Warp &warp : warps)
    for (Fragment &f : warp.fragments) {
      if (f.state != Fragment::AtBarrier || f.barrier != number)
        continue;
      f.state = Fragment::Ready;
      warp.clock.view.join(barrier.joined, static_cast<u32>(warps.size()));
      const WarpClock &global = barrier.joinedGlobal;
      if (global.hasFenced) {
        warp.clock.hasFenced = true;
        warp.clock.fenced.join(global.fenced);
      }
      joinInto(warp.clock.fencedOthers, global.fencedOthers);
      joinInto(warp.clock.seen, global.seen);
      joinInto(warp.clock.acquired, global.acquired);
      const Op &op = *f.waiting;
      if (op.flags & opReduceCount)
        for (u32 m = f.mask; m; m &= m - 1)
          memcpy(warp.reg(op.d) + 4 * __builtin_ctz(m), &barrier.count, 4);
      else if (op.flags & (opReduceAnd | opReduceOr)) {
        bool value = op.flags & opReduceAnd ? barrier.count == barrier.threads : barrier.count > 0;
        warp.predicate(op.d) = (warp.predicate(op.d) & ~f.mask) | (value ? f.mask : 0);
      }
    }
  barrier = {};
}

void Block::tryFlip(MBarrier &barrier) {
  if (barrier.pending == 0 && barrier.bytes == 0) {
    ++barrier.phase;
    barrier.pending = barrier.expected;
  }
}

void Block::completeBulkCopies(u32 address) {
  size_t keep = 0;
  for (BulkCopy &copy : bulkCopies) {
    if (copy.barrier != address) {
      bulkCopies[keep++] = copy;
      continue;
    }
    memcpy(shared.data() + copy.to, DeviceMemory::get().host(copy.from), copy.bytes);
    shared.endBulk(copy.to, copy.bytes);
    MBarrier &barrier = mbarriers[address];
    barrier.bytes -= copy.bytes;
    barrier.published.join(copy.view);
    tryFlip(barrier);
  }
  bulkCopies.resize(keep);
}
} // namespace vgpu
