// ld and st of every space, width and vector; fences; cvta.
// Invariant: no byte of a space is touched that its checker has not let through.
#include "test/vgpu/exec/Memory.h"
#include "test/vgpu/check/Counters.h"

namespace vgpu {
namespace {
void checkContract(Warp &warp, const Instruction &inst, int lane, u64 address, u32 count, Access access) {
  const Launch &launch = warp.block->launch;
  auto it = std::upper_bound(launch.contract.begin(), launch.contract.end(), address,
                             [](u64 a, const Slice &s) { return a < s.begin; });
  std::string near;
  // Slices may overlap (a value updated in place): any that contains the bytes and allows the access will do.
  while (it != launch.contract.begin()) {
    --it;
    if (address + count <= it->end) {
      if ((!isRead(access) || it->mayRead) && (!isWrite(access) || it->mayWrite))
        return;
      near = "; slice '" + it->name + "' does not allow it";
    } else if (near.empty())
      near = "; " + std::to_string(address + count - it->end) + " bytes past slice '" + it->name + "'";
    if (it->end + (1 << 20) < address)
      break;
  }
  warp.report(Finding::LaunchContract, lane, inst,
              std::string(isWrite(access) ? "write" : "read") + " of " + std::to_string(count) + " bytes at " + hexAddress(address) +
                  " is in no slice of the launch" + near);
}

/// Whether one slice of the contract lets all lanes go on: the common case.
bool isInOneSlice(const Launch &launch, const u64 *addresses, u32 mask, u32 count, Access access) {
  u64 first = ~0ull, last = 0;
  for (u32 m = mask; m; m &= m - 1) {
    first = std::min(first, addresses[__builtin_ctz(m)]);
    last = std::max(last, addresses[__builtin_ctz(m)]);
  }
  for (const Slice &slice : launch.contract)
    if (first >= slice.begin && last + count <= slice.end && (!isRead(access) || slice.mayRead) && (!isWrite(access) || slice.mayWrite))
      return true;
  return false;
}

/// 32 lanes in full, each with its own consecutive bytes: the common case, with one check of the whole range's shadow.
bool isInitializedTile(const u64 *addresses, u32 count) {
  u64 first = addresses[0];
  for (u64 l = 1; l < 32; ++l)
    if (addresses[l] != first + l * count)
      return false;
  DeviceMemory &memory = DeviceMemory::get();
  if (first % count || !memory.inRange(first, 32 * count))
    return false;
  const u8 *s = memory.shadow(first);
  u8 different = 0;
  for (u32 i = 0; i < 32 * count; ++i)
    different |= s[i] ^ DeviceMemory::Initialized;
  return different == 0;
}

struct LocalMemory { // also checks
  static u8 *find(Warp &warp, int lane, const Op &op, u64 offset, u32 count, bool write) {
    Block &block = *warp.block;
    u32 size = block.launch.program->localBytes;
    if (offset > size || count > size - offset) {
      warp.report(Finding::OutOfBounds, lane, *op.source,
                  std::to_string(count) + " bytes at local +" + std::to_string(offset) + ": the thread has " + std::to_string(size));
      return nullptr;
    }
    u8 *state = block.localStateOf(warp, lane) + offset;
    if (write)
      memset(state, 1, count);
    else if (block.checks)
      for (u32 i = 0; i < count; ++i)
        if (!state[i] && (op.source->usedBytes >> (i & 63) & 1)) {
          warp.report(Finding::Uninitialized, lane, *op.source, std::to_string(count) + " bytes at local +" + std::to_string(offset));
          break;
        }
    return block.localOf(warp, lane) + offset;
  }
};

u8 *findParam(Warp &warp, int lane, const Op &op, u64 offset, u32 count) {
  const Launch &launch = warp.block->launch;
  if (offset + count <= launch.params.size())
    return const_cast<u8 *>(launch.params.data()) + offset;
  warp.report(Finding::OutOfBounds, lane, *op.source, std::to_string(count) + " bytes at parameter +" + std::to_string(offset));
  return nullptr;
}

Access accessOf(const Op &op, bool write) {
  bool strong = op.flags & memStrong;
  if (op.flags & memReadOnly)
    return Access::ReadOnly;
  return write ? (strong ? Access::StrongWrite : Access::Write) : (strong ? Access::StrongRead : Access::Read);
}

/// Checks an access of all active lanes in one space and leaves a host pointer for each lane that may go on.
u32 resolve(Warp &warp, const Op &op, Space space, u64 *addresses, u32 mask, bool write, u8 **pointers) {
  const u32 bytes = static_cast<u32>(op.size) * op.count;
  u32 good = 0;
  switch (space) {
  case Space::Shared: {
    u32 offsets[32];
    for (int l = 0; l < 32; ++l)
      offsets[l] = addresses[l] > UINT32_MAX ? UINT32_MAX - bytes + 1 : static_cast<u32>(addresses[l]);
    good = warp.block->shared.check(warp, *op.source, offsets, mask, bytes, accessOf(op, write), op.source->usedBytes);
    for (int l = 0; l < 32; ++l)
      pointers[l] = warp.block->shared.data() + (good >> l & 1 ? offsets[l] : 0);
    return good;
  }
  case Space::Global:
    good = checkGlobal(warp, *op.source, addresses, mask, bytes, accessOf(op, write), op.source->usedBytes);
    for (u32 m = good; m; m &= m - 1)
      pointers[__builtin_ctz(m)] = DeviceMemory::get().host(addresses[__builtin_ctz(m)]);
    return good;
  default:
    for (u32 m = mask; m; m &= m - 1) {
      int l = __builtin_ctz(m);
      if (addresses[l] % bytes) {
        warp.report(Finding::Misaligned, l, *op.source, std::to_string(bytes) + " bytes at +" + std::to_string(addresses[l]));
        continue;
      }
      pointers[l] = space == Space::Local ? LocalMemory::find(warp, l, op, addresses[l], bytes, write)
                                          : findParam(warp, l, op, addresses[l], bytes);
      good |= pointers[l] ? 1u << l : 0;
    }
    return good;
  }
}

/// Values of MEMORY bytes in registers that hold a REGISTER for each lane.
template <class MEMORY, class REGISTER> void loadAs(Warp &warp, const Op &op, u32 good, u8 *const *pointers) {
  for (u32 i = 0; i < op.count; ++i) {
    if (op.v[i] == noRegister)
      continue;
    u8 *d = warp.reg(op.v[i]);
    for (u32 m = good; m; m &= m - 1) {
      MEMORY value;
      memcpy(&value, pointers[__builtin_ctz(m)] + i * sizeof(MEMORY), sizeof(MEMORY));
      setLane<REGISTER>(d, __builtin_ctz(m), static_cast<REGISTER>(value));
    }
  }
}
void loadLanes(Warp &warp, const Op &op, u32 good, u8 *const *pointers) {
  switch (op.size) {
  case 8: return loadAs<u64, u64>(warp, op, good, pointers);
  case 4: return loadAs<u32, u32>(warp, op, good, pointers);
  case 2: return op.isSigned ? loadAs<i16, u32>(warp, op, good, pointers) : loadAs<u16, u32>(warp, op, good, pointers);
  default: return op.isSigned ? loadAs<i8, u32>(warp, op, good, pointers) : loadAs<u8, u32>(warp, op, good, pointers);
  }
}
template <class MEMORY, class REGISTER> void storeAs(Warp &warp, const Op &op, u32 good, u8 *const *pointers) {
  for (u32 i = 0; i < op.count; ++i) {
    const u8 *s = warp.reg(op.v[i]);
    for (u32 m = good; m; m &= m - 1) {
      const MEMORY value = static_cast<MEMORY>(getLane<REGISTER>(s, __builtin_ctz(m)));
      memcpy(pointers[__builtin_ctz(m)] + i * sizeof(MEMORY), &value, sizeof(MEMORY));
    }
  }
}
void storeLanes(Warp &warp, const Op &op, u32 good, u8 *const *pointers) {
  switch (op.size) {
  case 8: return storeAs<u64, u64>(warp, op, good, pointers);
  case 4: return storeAs<u32, u32>(warp, op, good, pointers);
  case 2: return storeAs<u16, u32>(warp, op, good, pointers);
  default: return storeAs<u8, u32>(warp, op, good, pointers);
  }
}

void accessSpace(Warp &warp, const Op &op, Space space, u64 *addresses, u32 mask, bool write) {
  u8 *pointers[32];
  bool strongGlobal = space == Space::Global && op.flags & memStrong;
  if (strongGlobal && write)
    for (u32 m = mask; m; m &= m - 1)
      publish(warp, addresses[__builtin_ctz(m)], op.flags & memRelease, mask);
  if (strongGlobal && !write)
    for (u32 m = mask; m; m &= m - 1)
      observe(warp, addresses[__builtin_ctz(m)], op.flags & memAcquire);
  u32 good = resolve(warp, op, space, addresses, mask, write, pointers);
  if (write)
    storeLanes(warp, op, good, pointers);
  else
    loadLanes(warp, op, good, pointers);
}

void accessMemory(Warp &warp, const Op &op, u32 mask, bool write) {
  u64 addresses[32];
  for (int l = 0; l < 32; ++l)
    addresses[l] = laneAddress(warp, op, l);
  if (op.space != Space::Generic)
    return accessSpace(warp, op, op.space, addresses, mask, write);
  u32 bySpace[5] = {};
  for (u32 m = mask; m; m &= m - 1)
    bySpace[static_cast<int>(resolveGeneric(addresses[__builtin_ctz(m)]))] |= m & -m;
  for (Space space : {Space::Global, Space::Shared, Space::Local, Space::Param})
    if (u32 lanes = bySpace[static_cast<int>(space)])
      accessSpace(warp, op, space, addresses, lanes, write);
}
} // namespace

Space resolveGeneric(u64 &address) {
  for (auto [window, space] : {std::pair{sharedWindow, Space::Shared}, {localWindow, Space::Local}, {paramWindow, Space::Param}})
    if (address - window < windowBytes) {
      address -= window;
      return space;
    }
  return Space::Global;
}

u32 checkGlobal(Warp &warp, const Instruction &inst, const u64 *addresses, u32 mask, u32 count, Access access, u64 used) {
  if (warp.counting && mask)
    warp.counting->addGlobal(addresses, mask, count, !warp.gridWaited, !warp.block->triggered);
  u32 good = 0;
  DeviceMemory &memory = DeviceMemory::get();
  if (mask == ~0u && isInitializedTile(addresses, count))
    good = mask;
  else
    for (u32 m = mask; m; m &= m - 1) {
      int lane = __builtin_ctz(m);
      if (addresses[lane] % count)
        warp.report(Finding::Misaligned, lane, inst, std::to_string(count) + " bytes at " + hexAddress(addresses[lane]));
      else if (memory.check(warp, lane, inst, addresses[lane], count, access, used))
        good |= 1u << lane;
    }
  if (!warp.checks() || !good)
    return good;
  if (warp.block->launch.hasContract && !isInOneSlice(warp.block->launch, addresses, good, count, access))
    for (u32 m = good; m; m &= m - 1)
      checkContract(warp, inst, __builtin_ctz(m), addresses[__builtin_ctz(m)], count, access);
  GlobalRaces::get().access(warp, inst, addresses, good, count, access);
  return good;
}

bool checkGlobalRange(Warp &warp, int lane, const Instruction &inst, u64 address, u32 count, Access access) {
  if (!DeviceMemory::get().check(warp, lane, inst, address, count, access))
    return false;
  if (warp.checks() && count) {
    if (warp.block->launch.hasContract)
      checkContract(warp, inst, lane, address, count, access);
    GlobalRaces::get().accessRange(warp, lane, inst, address, count, access);
  }
  return true;
}

void load(Warp &warp, const Op &op, u32 mask) { accessMemory(warp, op, mask, false); }
void store(Warp &warp, const Op &op, u32 mask) { accessMemory(warp, op, mask, true); }

void fence(Warp &warp, const Op &op, u32 mask) {
  if (!op.imm || !warp.checks())
    return;
  WarpClock &clock = warp.clock;
  clock.fenced.join(clock.published(warp.id, mask, warp.live));
  clock.hasFenced = true;
  acquireSeen(warp);
  clock.fencedOthers = clock.acquired;
}

void fenceProxyAsync(Warp &warp, const Op &op, u32 mask) {
  for (auto &[address, barrier] : warp.block->mbarriers)
    if (barrier.initWarp == warp.id)
      barrier.initFenced = true;
}

void acquireSeen(Warp &warp) { joinInto(warp.clock.acquired, warp.clock.seen); }

void publish(Warp &warp, u64 address, bool release, u32 active) {
  if (!warp.checks())
    return;
  WarpClock &clock = warp.clock;
  if (release) {
    Op deviceWide;
    deviceWide.imm = 1;
    fence(warp, deviceWide, active);
  }
  if (!clock.hasFenced)
    return;
  GridViewRef &variable = warp.block->syncVariables[address];
  auto merged = variable ? std::make_shared<GridView>(*variable) : std::make_shared<GridView>();
  (*merged)[static_cast<u32>(warp.block->index)].join(clock.fenced);
  variable = merged;
  joinInto(variable, clock.fencedOthers);
}

void observe(Warp &warp, u64 address, bool acquire) {
  if (!warp.checks())
    return;
  auto it = warp.block->syncVariables.find(address);
  if (it != warp.block->syncVariables.end())
    joinInto(warp.clock.seen, it->second);
  if (acquire)
    acquireSeen(warp);
}

void toSharedWindow(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a);
  forLanes<u64>(warp, op.d, mask, [&](int l) { return getLane<u64>(a, l) + static_cast<u64>(op.imm); });
}

void isInSpace(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a);
  u32 bits = 0;
  for (int l = 0; l < 32; ++l) {
    u64 address = getLane<u64>(a, l);
    bits |= static_cast<u32>(resolveGeneric(address) == op.space) << l;
  }
  setPredicate(warp, op.d, mask, bits);
}

void prefetch(Warp &warp, const Op &op, u32 mask) {
  if (!warp.checks())
    return;
  for (u32 m = mask; m; m &= m - 1) {
    u64 address = laneAddress(warp, op, __builtin_ctz(m));
    if (resolveGeneric(address) == Space::Global && !DeviceMemory::get().inRange(address, 1))
      warp.report(Finding::OutOfBounds, __builtin_ctz(m), *op.source, "prefetch of " + hexAddress(address) + ": not a device address");
  }
}
} // namespace vgpu
