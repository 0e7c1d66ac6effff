// Packed epochs of global accesses and the rules by which one happens before another.
#include "test/vgpu/check/GlobalRaces.h"
#include "test/vgpu/exec/Grid.h"
#include <stdexcept>
#include <sys/mman.h>

namespace vgpu {
namespace {
// An epoch, from the top: launch 16, block 18, warp 6, lane 6, clock 13, strong 1, bytes 4. Zero: no access.
constexpr u64 manyBlocks = (1u << 18) - 1, severalWarps = 32, lastClock = (1u << 13) - 1;
u64 launchOf(u64 e) { return e >> 48; }
u64 blockOf(u64 e) { return e >> 30 & manyBlocks; }
u32 warpOf(u64 e) { return e >> 24 & 63; }
u32 laneOf(u64 e) { return e >> 18 & 63; }
u32 clockOf(u64 e) { return e >> 5 & lastClock; }
bool strongOf(u64 e) { return e >> 4 & 1; }
u64 bytesOf(u64 e) { return e & 15; }

u64 pack(u64 launch, u64 block, u64 warp, u64 lane, u64 clock, bool strong, u64 bytes) {
  return (launch & 0xffff) << 48 | block << 30 | warp << 24 | lane << 18 | std::min(clock, lastClock) << 5 | u64{strong} << 4 | bytes;
}
u64 byteMask(u64 cellAddress, u64 address, u64 count) {
  u64 first = std::max(cellAddress, address) - cellAddress, last = std::min(cellAddress + 4, address + count) - cellAddress;
  return (1u << last) - (1u << first);
}

/// Low bits of a launch id back to the id; ids never differ by more than half the range, see GlobalRaces::forget.
u64 fullId(u64 now, u64 low) { return (now & ~0xffffull) | low; }

bool ordered(const Warp &warp, u32 lane, u64 epoch) {
  const Launch &launch = warp.block->launch;
  if (launchOf(epoch) != (launch.id & 0xffff))
    return warp.launchOrder().contains(fullId(launch.id, launchOf(epoch)));
  if (clockOf(epoch) == lastClock)
    return true; // the clock ran out of bits
  const WarpClock &clock = warp.clock;
  if (blockOf(epoch) == manyBlocks)
    return clock.acquired != nullptr;
  if (blockOf(epoch) != warp.block->index) {
    if (!clock.acquired)
      return false;
    auto it = clock.acquired->find(static_cast<u32>(blockOf(epoch)));
    if (it == clock.acquired->end())
      return false;
    // The sync variable's own atomic follows the fence that published the block; having met it is enough.
    return strongOf(epoch) || warpOf(epoch) == severalWarps || it->second.warps[warpOf(epoch)].covers(laneOf(epoch), clockOf(epoch));
  }
  if (warpOf(epoch) == severalWarps) // clock: barriers that the block had completed
    return clockOf(epoch) < warp.block->barriersCompleted;
  if (warpOf(epoch) == warp.id)
    return laneOf(epoch) == lane || clockOf(epoch) < clock.clock;
  return clock.view.warps[warpOf(epoch)].covers(laneOf(epoch), clockOf(epoch));
}
} // namespace

void LaunchOrder::add(u64 id) {
  if (id < base)
    return;
  if (before.size() <= id - base)
    before.resize(id - base + 1);
  before[id - base] = true;
}
void LaunchOrder::join(const LaunchOrder &other) {
  for (u64 i = base; i < other.base; ++i)
    add(i);
  for (u64 i = 0; i < other.before.size(); ++i)
    if (other.before[i])
      add(other.base + i);
}

GlobalRaces::GlobalRaces() {
  base = DeviceMemory::get().base;
  void *p = mmap(nullptr, DeviceMemory::rangeBytes / 4 * sizeof(Cell), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    throw std::runtime_error("vgpu: cannot reserve address space for access histories");
  cells = static_cast<Cell *>(p);
}
GlobalRaces &GlobalRaces::get() {
  static GlobalRaces races;
  return races;
}
void GlobalRaces::forget() { madvise(cells, DeviceMemory::rangeBytes / 4 * sizeof(Cell), MADV_DONTNEED); }
void GlobalRaces::forget(u64 address, u64 count) {
  for (u64 a = address & ~3ull; a < address + count; a += 4)
    if (cell(a).write || cell(a).read)
      cell(a) = {};
}

void GlobalRaces::race(Warp &warp, int lane, const Instruction &inst, const char *kind, u64 address, u64 epoch) {
  const Launch &launch = warp.block->launch;
  std::string other;
  if (launchOf(epoch) != (launch.id & 0xffff) && fullId(launch.id, launchOf(epoch)) > launch.id)
    other = "a later launch that has started already and is before its griddepcontrol.wait";
  else if (launchOf(epoch) != (launch.id & 0xffff))
    other = "an earlier or concurrent launch, which this one does not depend on" +
            std::string(launch.programmatic && !warp.gridWaited ? " before its griddepcontrol.wait" : "");
  else if (blockOf(epoch) == manyBlocks)
    other = "several blocks";
  else if (blockOf(epoch) != warp.block->index)
    other = "block " + std::to_string(blockOf(epoch));
  else if (warpOf(epoch) == severalWarps)
    other = "several warps of the block";
  else
    other = "warp " + std::to_string(warpOf(epoch)) +
            (laneOf(epoch) == manyLanes ? ", several lanes" : ", lane " + std::to_string(laneOf(epoch)));
  warp.report(Finding::GlobalRace, lane, inst,
              std::string(kind) + " at " + hexAddress(address) + " (" + DeviceMemory::get().describe(address) + "), not ordered with " + other);
}

/// What is read past coherence has to have been there when the launch started, whatever it has waited for since.
void GlobalRaces::checkReadOnly(Warp &warp, int lane, const Instruction &inst, u64 address, u64 epoch) {
  const Launch &launch = warp.block->launch;
  const bool isOwn = launchOf(epoch) == (launch.id & 0xffff);
  if (!isOwn && launch.order.contains(fullId(launch.id, launchOf(epoch))))
    return;
  warp.report(Finding::GridControl, lane, inst,
              "non-coherent read at " + hexAddress(address) + " (" + DeviceMemory::get().describe(address) + ") of what " +
                  (isOwn ? "this launch" : "a launch that this one may overlap with") + " has written");
}

void GlobalRaces::check(Warp &warp, int lane, const Instruction &inst, u64 address, u32 count, Access access) {
  for (u64 a = address & ~3ull; a < address + count; a += 4) {
    const Cell &c = cell(a);
    u64 bytes = byteMask(a, address, count);
    if (access == Access::ReadOnly && (bytesOf(c.write) & bytes))
      checkReadOnly(warp, lane, inst, a, c.write);
    if ((bytesOf(c.write) & bytes) && !(strongOf(c.write) && isStrong(access)) && !ordered(warp, lane, c.write))
      race(warp, lane, inst, isWrite(access) ? "write after write" : "read after write", a, c.write);
    if (isWrite(access) && (bytesOf(c.read) & bytes) && !(strongOf(c.read) && isStrong(access)) && !ordered(warp, lane, c.read))
      race(warp, lane, inst, "write after read", a, c.read);
  }
}

void GlobalRaces::record(Warp &warp, int lane, u64 address, u32 count, Access access) {
  const Block &block = *warp.block;
  const u64 launch = block.launch.id & 0xffff, index = std::min<u64>(block.index, manyBlocks - 1);
  for (u64 a = address & ~3ull; a < address + count; a += 4) {
    Cell &c = cell(a);
    u64 bytes = byteMask(a, address, count);
    u64 me = pack(launch, index, warp.id, static_cast<u64>(lane), warp.clock.clock, isStrong(access), bytes);
    if (isWrite(access)) {
      bool same = (c.write ^ me) >> 5 == 0;
      c.write = me | (same ? bytesOf(c.write) : 0);
      c.read = 0;
      continue;
    }
    u64 old = c.read;
    if (old == me)
      continue;
    u64 all = bytes | bytesOf(old);
    if (old == 0 || launchOf(old) != launch)
      c.read = me;
    else if (blockOf(old) != index)
      c.read = pack(launch, manyBlocks, severalWarps, manyLanes, 0, isStrong(access) && strongOf(old), all);
    else if (warpOf(old) != warp.id && !(bytesOf(old) & ~bytes) && ordered(warp, lane, old))
      c.read = me; // whoever comes after this read comes after those before it
    else if (warpOf(old) != warp.id)
      c.read = pack(launch, index, severalWarps, manyLanes, block.barriersCompleted, isStrong(access) && strongOf(old), all);
    else
      c.read = pack(launch, index, warp.id, clockOf(old) == clockOf(me) && laneOf(old) != laneOf(me) ? manyLanes : laneOf(me),
                    warp.clock.clock, isStrong(access) && strongOf(old), all);
  }
}

void GlobalRaces::access(Warp &warp, const Instruction &inst, const u64 *addresses, u32 mask, u32 count, Access access) {
  for (u32 m = mask; m; m &= m - 1)
    check(warp, __builtin_ctz(m), inst, addresses[__builtin_ctz(m)], count, access);
  for (u32 m = mask; m; m &= m - 1)
    record(warp, __builtin_ctz(m), addresses[__builtin_ctz(m)], count, access);
}

void GlobalRaces::accessRange(Warp &warp, int lane, const Instruction &inst, u64 address, u64 count, Access access) {
  check(warp, lane, inst, address, static_cast<u32>(count), access);
  record(warp, lane, address, static_cast<u32>(count), access);
}

void GlobalRaces::accessNode(u64 launchId, const LaunchOrder &order, const std::string &what, u64 address, u64 count, bool write) {
  bool reported = false;
  auto conflicts = [&](u64 epoch, u64 bytes) {
    return (bytesOf(epoch) & bytes) && launchOf(epoch) != (launchId & 0xffff) && !order.contains(fullId(launchId, launchOf(epoch)));
  };
  for (u64 a = address & ~3ull; a < address + count; a += 4) {
    Cell &c = cell(a);
    u64 bytes = byteMask(a, address, count);
    if (!reported && (conflicts(c.write, bytes) || (write && conflicts(c.read, bytes)))) {
      Report::get().add(Finding::GlobalRace, what, 0,
                        what + " at " + hexAddress(a) + " (" + DeviceMemory::get().describe(a) + "), not ordered with an earlier or concurrent launch");
      reported = true;
    }
    u64 me = pack(launchId, manyBlocks, severalWarps, manyLanes, 0, false, bytes);
    (write ? c.write : c.read) = me;
    if (write)
      c.read = 0;
  }
}
} // namespace vgpu
