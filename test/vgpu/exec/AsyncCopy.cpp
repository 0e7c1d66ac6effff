// cp.async with its groups, cp.async.bulk with mbarriers. A copy moves its bytes at the latest moment the program
// allows - when a thread waits for it - so that a missing wait reads old data as well as being reported.
#include "test/vgpu/exec/Memory.h"

namespace vgpu {
namespace {
u32 sharedAddress(Warp &warp, u32 reg, i64 offset, int lane) {
  return getLane<u32>(warp.reg(reg), lane) + static_cast<u32>(offset);
}

void finishCopies(Warp &warp, u32 mask, i64 allowed) {
  size_t keep = 0;
  for (PendingCopy &copy : warp.copies) {
    for (u32 m = copy.mask & mask; m; m &= m - 1) {
      int lane = __builtin_ctz(m);
      if (allowed >= 0 && static_cast<i64>(copy.group[lane]) >= static_cast<i64>(warp.groups[lane]) - allowed)
        continue;
      u8 *to = warp.block->shared.data() + copy.to[lane];
      memset(to, 0, copy.bytes);
      memcpy(to, DeviceMemory::get().host(copy.from[lane]), copy.sourceBytes[lane]);
      warp.block->shared.endCopy(warp, lane, copy.to[lane], copy.bytes);
      copy.mask &= ~(1u << lane);
    }
    if (copy.mask) {
      if (&warp.copies[keep] != &copy)
        warp.copies[keep] = copy;
      ++keep;
    }
  }
  warp.copies.resize(keep);
}

MBarrier &findBarrier(Warp &warp, const Op &op, u32 address, int lane) {
  auto it = warp.block->mbarriers.find(address);
  if (it == warp.block->mbarriers.end()) {
    warp.report(Finding::Barrier, lane, *op.source, "mbarrier at shared +" + std::to_string(address) + " is not initialized");
    it = warp.block->mbarriers.emplace(address, MBarrier{}).first;
  }
  // The object's bytes carry the ordering between its init and its use.
  if (warp.checks())
    warp.block->shared.checkRange(warp, lane, *op.source, address, 8, Access::Read);
  return it->second;
}

void arriveOne(Warp &warp, const Op &op, MBarrier &barrier, int lane, u32 count) {
  if (barrier.pending < count) {
    warp.report(Finding::Barrier, lane, *op.source, "more arrivals at an mbarrier than its " + std::to_string(barrier.expected));
    return;
  }
  barrier.published.join(warp.clock.published(warp.id, 1u << lane, warp.live));
  barrier.pending -= count;
  warp.block->tryFlip(barrier);
}
} // namespace

void asyncCopy(Warp &warp, const Op &op, u32 mask) {
  PendingCopy copy;
  copy.bytes = op.size;
  u32 to[32];
  u64 from[32];
  for (int l = 0; l < 32; ++l) {
    to[l] = sharedAddress(warp, op.a, op.imm, l);
    from[l] = getLane<u64>(warp.reg(op.b), l) + static_cast<u64>(static_cast<i64>(static_cast<i32>(op.target)));
    copy.sourceBytes[l] = op.flags & opHasCount ? std::min<u32>(getLane<u32>(warp.reg(op.e), l), op.size) : op.size;
  }
  u32 good = warp.block->shared.check(warp, *op.source, to, mask, op.size, Access::Write);
  u32 whole = 0;
  for (u32 m = good; m; m &= m - 1)
    whole |= copy.sourceBytes[__builtin_ctz(m)] == op.size ? m & -m : 0;
  u32 read = checkGlobal(warp, *op.source, from, whole, op.size, Access::Read);
  for (u32 m = good & ~whole; m; m &= m - 1) {
    int l = __builtin_ctz(m);
    if (!copy.sourceBytes[l] || checkGlobalRange(warp, l, *op.source, from[l], copy.sourceBytes[l], Access::Read))
      read |= 1u << l;
  }
  copy.mask = read;
  for (u32 m = read; m; m &= m - 1) {
    int l = __builtin_ctz(m);
    copy.to[l] = to[l];
    copy.from[l] = copy.sourceBytes[l] ? from[l] : DeviceMemory::get().base;
    copy.group[l] = warp.groups[l];
    warp.block->shared.beginCopy(to[l], op.size);
  }
  if (copy.mask)
    warp.copies.push_back(copy);
}

void asyncCommit(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1)
    ++warp.groups[__builtin_ctz(m)];
}

void asyncWait(Warp &warp, const Op &op, u32 mask) { finishCopies(warp, mask, op.imm); }

void bulkCopy(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    BulkCopy copy;
    copy.to = sharedAddress(warp, op.a, op.imm, lane);
    copy.from = getLane<u64>(warp.reg(op.b), lane) + static_cast<u64>(static_cast<i64>(static_cast<i32>(op.target)));
    copy.bytes = getLane<u32>(warp.reg(op.c), lane);
    copy.barrier = sharedAddress(warp, op.d, op.v[0], lane);
    if (copy.to % 16 || copy.from % 16 || copy.bytes % 16)
      warp.report(Finding::Misaligned, lane, *op.source,
                  "bulk copy of " + std::to_string(copy.bytes) + " bytes from " + hexAddress(copy.from) + " to shared +" + std::to_string(copy.to));
    MBarrier &barrier = findBarrier(warp, op, copy.barrier, lane);
    if (!barrier.initFenced && warp.checks())
      warp.report(Finding::Proxy, lane, *op.source,
                  "mbarrier at shared +" + std::to_string(copy.barrier) + " is used by a bulk copy without a fence.proxy.async (or "
                  "fence.mbarrier_init) after its init");
    if (!warp.block->shared.checkRange(warp, lane, *op.source, copy.to, copy.bytes, Access::Write) ||
        !checkGlobalRange(warp, lane, *op.source, copy.from, copy.bytes, Access::Read))
      continue;
    copy.view = warp.clock.published(warp.id, 1u << lane, warp.live);
    warp.block->shared.beginCopy(copy.to, copy.bytes);
    warp.block->bulkCopies.push_back(copy);
  }
}

void mbarrierInit(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    u32 address = static_cast<u32>(laneAddress(warp, op, lane));
    if (!warp.block->shared.checkRange(warp, lane, *op.source, address, 8, Access::Write))
      continue;
    MBarrier barrier;
    barrier.expected = barrier.pending = getLane<u32>(warp.reg(op.b), lane);
    barrier.initWarp = warp.id;
    warp.block->mbarriers[address] = barrier;
  }
}

void mbarrierInvalidate(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1)
    warp.block->mbarriers.erase(static_cast<u32>(laneAddress(warp, op, __builtin_ctz(m))));
}

void mbarrierArrive(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    MBarrier &barrier = findBarrier(warp, op, static_cast<u32>(laneAddress(warp, op, lane)), lane);
    if (op.c != noRegister)
      barrier.bytes += getLane<u32>(warp.reg(op.c), lane);
    arriveOne(warp, op, barrier, lane, op.b != noRegister ? getLane<u32>(warp.reg(op.b), lane) : 1);
  }
  ++warp.clock.clock;
}

void mbarrierExpect(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    findBarrier(warp, op, static_cast<u32>(laneAddress(warp, op, lane)), lane).bytes += getLane<u32>(warp.reg(op.c), lane);
  }
}

void mbarrierTryWait(Warp &warp, const Op &op, u32 mask) {
  u32 passed = 0;
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    u32 address = static_cast<u32>(laneAddress(warp, op, lane));
    MBarrier &barrier = findBarrier(warp, op, address, lane);
    warp.block->completeBulkCopies(address);
    if ((barrier.phase & 1) == (getLane<u32>(warp.reg(op.b), lane) & 1))
      continue;
    passed |= 1u << lane;
    warp.clock.view.join(barrier.published);
  }
  setPredicate(warp, op.d, mask, passed);
}
} // namespace vgpu
