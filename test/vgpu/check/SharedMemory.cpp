// The access history of shared memory: FastTrack epochs (warp, lane, clock) per 4-byte cell with byte masks, and a
// vector of readers once several warps have read a cell.
#include "test/vgpu/check/Counters.h"
#include "test/vgpu/check/SharedMemory.h"
#include "test/vgpu/exec/Grid.h"
#include <cstring>

namespace vgpu {
namespace {
constexpr u32 severalWarps = ~0u;
constexpr u32 clockBits = 21, clockMask = (1u << clockBits) - 1;

u32 pack(const Warp &warp, u32 lane) { return warp.id << 27 | lane << clockBits | std::min(warp.clock.clock, clockMask); }

bool ordered(const Warp &warp, u32 lane, u32 epoch) {
  u32 otherWarp = epoch >> 27, otherLane = epoch >> clockBits & 63, when = epoch & clockMask;
  if (otherWarp == warp.id)
    return otherLane == lane || when < warp.clock.clock;
  return warp.clock.view.warps[otherWarp].covers(otherLane, when);
}

u8 byteMask(u32 cell, u32 offset, u32 count) {
  u32 first = std::max(cell * 4, offset) - cell * 4, last = std::min(cell * 4 + 4, offset + count) - cell * 4;
  return static_cast<u8>((1u << last) - (1u << first));
}
} // namespace

void SharedMemory::reset(u32 size, u32 warps, bool enabled) {
  numBytes = size;
  numWarps = warps;
  checks = enabled;
  bytes.assign(size + 16, 0xa5); // never zero by luck
  if (!checks)
    return;
  states.assign(size + 16, Uninitialized);
  cells.assign(size / 4 + 8, {});
  readers.clear();
}

void SharedMemory::race(Warp &warp, int lane, const Instruction &inst, const char *kind, u32 offset, u32 epoch) {
  u32 otherLane = epoch >> clockBits & 63;
  std::string other = otherLane == manyLanes ? "several lanes" : "lane " + std::to_string(otherLane);
  warp.report(Finding::SharedRace, lane, inst,
              std::string(kind) + " at shared +" + std::to_string(offset) + ", not ordered with " + other + " of warp " +
                  std::to_string(epoch >> 27));
}

bool SharedMemory::checkState(Warp &warp, int lane, const Instruction &inst, u32 offset, u32 count, Access access, u64 used) {
  const char *verb = isWrite(access) ? "write" : "read";
  auto where = [&] { return " of " + std::to_string(count) + " bytes at shared +" + std::to_string(offset); };
  if (offset > numBytes || count > numBytes - offset) {
    warp.report(Finding::OutOfBounds, lane, inst, verb + where() + ": the block has " + std::to_string(numBytes) + " bytes");
    return false;
  }
  if (!checks)
    return true;
  u8 *s = &states[offset];
  bool inFlight = false, uninitialized = false;
  for (u32 i = 0; i < count; ++i) {
    inFlight |= s[i] == InFlight;
    uninitialized |= s[i] == Uninitialized && (used >> (i & 63) & 1);
  }
  if (inFlight)
    warp.report(Finding::AsyncCopy, lane, inst, verb + where() + " while an asynchronous copy to them is in flight");
  else if (uninitialized && isRead(access))
    warp.report(Finding::Uninitialized, lane, inst, verb + where());
  if (isWrite(access))
    memset(s, Initialized, count);
  return true;
}

void SharedMemory::checkRaces(Warp &warp, int lane, const Instruction &inst, u32 offset, u32 count, Access access) {
  const u32 me = pack(warp, lane);
  for (u32 i = offset / 4; i <= (offset + count - 1) / 4; ++i) {
    Cell &cell = cells[i];
    u8 mask = byteMask(i, offset, count);
    bool bothAtomic = access == Access::Atomic && cell.writeMask & 0x80;
    if ((cell.writeMask & mask) && cell.write != me && !bothAtomic && !ordered(warp, lane, cell.write))
      race(warp, lane, inst, isWrite(access) ? "write after write" : "read after write", i * 4, cell.write);
    if (!isWrite(access) || !cell.read || bothAtomic || !(cell.readMask & mask))
      continue;
    if (cell.read != severalWarps) {
      if (!ordered(warp, lane, cell.read))
        race(warp, lane, inst, "write after read", i * 4, cell.read);
      continue;
    }
    const u32 *epochs = readersOf(cell);
    for (u32 w = 0; w < numWarps; ++w)
      if (epochs[w] && !ordered(warp, lane, epochs[w])) {
        race(warp, lane, inst, "write after read", i * 4, epochs[w]);
        break;
      }
  }
}

void SharedMemory::recordRead(Warp &warp, int lane, u32 index, u8 mask) {
  Cell &cell = cells[index];
  const u32 me = pack(warp, lane);
  cell.readMask |= mask;
  if (cell.read == me)
    return;
  auto mergeSameWarp = [&](u32 old) { // two lanes at one clock become "several lanes"
    bool sameClock = (old & clockMask) == (me & clockMask);
    return sameClock && old != me ? pack(warp, manyLanes) : me;
  };
  if (cell.read == 0) {
    cell.read = me;
  } else if (cell.read == severalWarps) {
    u32 &mine = readersOf(cell)[warp.id];
    mine = mine ? mergeSameWarp(mine) : me;
  } else if (cell.read >> 27 == warp.id) {
    cell.read = mergeSameWarp(cell.read);
  } else if (ordered(warp, lane, cell.read)) {
    cell.read = me;
  } else {
    if (!cell.row) {
      readers.resize(readers.size() + numWarps);
      cell.row = static_cast<uint16_t>(readers.size() / numWarps);
    }
    u32 *epochs = readersOf(cell);
    std::fill(epochs, epochs + numWarps, 0u);
    epochs[cell.read >> 27] = cell.read;
    epochs[warp.id] = me;
    cell.read = severalWarps;
  }
}

void SharedMemory::record(Warp &warp, int lane, u32 offset, u32 count, Access access) {
  const u32 me = pack(warp, lane);
  for (u32 i = offset / 4; i <= (offset + count - 1) / 4; ++i) {
    Cell &cell = cells[i];
    u8 mask = byteMask(i, offset, count);
    if (!isWrite(access)) {
      recordRead(warp, lane, i, mask);
      continue;
    }
    cell.writeMask = static_cast<u8>((cell.write == me ? cell.writeMask & 0xf : 0) | mask | (access == Access::Atomic ? 0x80 : 0));
    cell.write = me;
    cell.read = cell.readMask = 0;
  }
}

/// Aligned accesses to whole cells, the common case: true when all of them are right, and then they are recorded.
/// Anything else is left to the general way, which finds words for it.
template <u32 CELLS> bool SharedMemory::checkWords(Warp &warp, const u32 *offsets, u32 mask, bool write) {
  constexpr u32 count = CELLS * 4;
  auto mayFollow = [&](u32 lane, u32 me, u32 epoch) { return epoch == me || ordered(warp, lane, epoch); };
  for (u32 m = mask; m; m &= m - 1) {
    const u32 lane = static_cast<u32>(__builtin_ctz(m)), offset = offsets[lane], me = pack(warp, lane);
    if (offset % count || offset >= numBytes || count > numBytes - offset)
      return false;
    u8 wrong = 0;
    for (u32 i = 0; i < count; ++i)
      wrong |= write ? states[offset + i] == InFlight : states[offset + i] ^ Initialized;
    if (wrong)
      return false;
    for (u32 i = 0; i < CELLS; ++i) {
      const Cell &cell = cells[offset / 4 + i];
      if (cell.write && !mayFollow(lane, me, cell.write))
        return false;
      if (write && cell.read && (cell.read == severalWarps || !mayFollow(lane, me, cell.read)))
        return false;
    }
  }
  for (u32 m = mask; m; m &= m - 1) {
    const u32 lane = static_cast<u32>(__builtin_ctz(m)), offset = offsets[lane], me = pack(warp, lane);
    if (write)
      memset(&states[offset], Initialized, count);
    for (u32 i = 0; i < CELLS; ++i) {
      Cell &cell = cells[offset / 4 + i];
      if (write)
        cell = {me, 0, 0xf, 0, cell.row};
      else if (cell.read != me)
        recordRead(warp, static_cast<int>(lane), offset / 4 + i, 0xf);
      else
        cell.readMask = 0xf;
    }
  }
  return true;
}

u32 SharedMemory::check(Warp &warp, const Instruction &inst, const u32 *offsets, u32 mask, u32 count, Access access, u64 used) {
  if (warp.counting)
    warp.counting->addShared(offsets, mask, count);
  if (checks && (access == Access::Read || access == Access::Write)) {
    const bool write = access == Access::Write;
    if ((count == 4 && checkWords<1>(warp, offsets, mask, write)) || (count == 8 && checkWords<2>(warp, offsets, mask, write)) ||
        (count == 16 && checkWords<4>(warp, offsets, mask, write)))
      return mask;
  }
  u32 good = 0;
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    if (offsets[lane] % count)
      warp.report(Finding::Misaligned, lane, inst, std::to_string(count) + " bytes at shared +" + std::to_string(offsets[lane]));
    else if (checkState(warp, lane, inst, offsets[lane], count, access, used))
      good |= 1u << lane;
  }
  if (!checks)
    return good;
  // All lanes are checked before any is recorded: lanes of one instruction do not race with each other.
  for (u32 m = good; m; m &= m - 1)
    checkRaces(warp, __builtin_ctz(m), inst, offsets[__builtin_ctz(m)], count, access);
  for (u32 m = good; m; m &= m - 1)
    record(warp, __builtin_ctz(m), offsets[__builtin_ctz(m)], count, access);
  return good;
}

bool SharedMemory::checkRange(Warp &warp, int lane, const Instruction &inst, u32 offset, u32 count, Access access) {
  if (!checkState(warp, lane, inst, offset, count, access, ~0ull))
    return false;
  if (checks && count) {
    checkRaces(warp, lane, inst, offset, count, access);
    record(warp, lane, offset, count, access);
  }
  return true;
}

void SharedMemory::beginCopy(u32 offset, u32 count) {
  if (checks)
    memset(&states[offset], InFlight, count);
}
void SharedMemory::endCopy(Warp &warp, int lane, u32 offset, u32 count) {
  if (!checks)
    return;
  memset(&states[offset], Initialized, count);
  record(warp, lane, offset, count, Access::Write);
}
void SharedMemory::endBulk(u32 offset, u32 count) {
  if (!checks)
    return;
  memset(&states[offset], Initialized, count);
  for (u32 i = offset / 4; i <= (offset + count - 1) / 4; ++i)
    cells[i] = {0, 0, 0, 0, cells[i].row};
}
} // namespace vgpu
