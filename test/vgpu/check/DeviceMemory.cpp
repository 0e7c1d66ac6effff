// Allocation, host transfers and the per-lane check of global accesses.
#include "test/vgpu/check/DeviceMemory.h"
#include "test/vgpu/exec/Grid.h"
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <sys/mman.h>

namespace vgpu {
namespace {
u8 *reserve(u64 bytes, int protection) {
  void *p = mmap(nullptr, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    throw std::runtime_error("vgpu: cannot reserve " + std::to_string(bytes >> 30) + " GiB of address space");
  return static_cast<u8 *>(p);
}
} // namespace

std::string hexAddress(u64 address) {
  char text[32];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  return text;
}

DeviceMemory::DeviceMemory() {
  base = reinterpret_cast<u64>(reserve(rangeBytes, PROT_NONE));
  bytes = reserve(rangeBytes, PROT_READ | PROT_WRITE);
  states = reserve(rangeBytes, PROT_READ | PROT_WRITE);
  top = base + redZone;
}

DeviceMemory &DeviceMemory::get() {
  static DeviceMemory memory;
  return memory;
}

u64 DeviceMemory::allocate(u64 count) {
  top = (top + alignment - 1) / alignment * alignment;
  if (count > capacity - std::min(inUse, capacity) || !inRange(top, count + redZone))
    return 0;
  u64 address = top;
  top += count + redZone;
  live[address] = count;
  inUse += count;
  peak = std::max(peak, inUse);
  memset(shadow(address), Uninitialized, count);
  return address;
}

bool DeviceMemory::release(u64 address) {
  auto it = live.find(address);
  if (it == live.end())
    return false;
  memset(shadow(address), Unallocated, it->second);
  // The address is never handed out again, so whole pages of it can go back to the system.
  u64 first = (address + 4095) / 4096 * 4096, last = (address + it->second) / 4096 * 4096;
  if (last > first)
    madvise(host(first), last - first, MADV_DONTNEED);
  inUse -= it->second;
  live.erase(it);
  return true;
}

bool DeviceMemory::isAllocated(u64 address, u64 count) const {
  auto it = live.upper_bound(address);
  if (it == live.begin())
    return false;
  --it;
  return count <= it->second && address - it->first <= it->second - count;
}

void DeviceMemory::write(u64 to, const void *from, u64 count) {
  memcpy(host(to), from, count);
  memset(shadow(to), Initialized, count);
}
void DeviceMemory::read(void *to, u64 from, u64 count) { memcpy(to, host(from), count); }
void DeviceMemory::fill(u64 to, const void *pattern, u64 patternBytes, u64 count) {
  for (u64 i = 0; i < count; ++i)
    memcpy(host(to + i * patternBytes), pattern, patternBytes);
  memset(shadow(to), Initialized, count * patternBytes);
}
void DeviceMemory::copy(u64 to, u64 from, u64 count) {
  memmove(host(to), host(from), count);
  memmove(shadow(to), shadow(from), count);
}

std::string DeviceMemory::describe(u64 address) const {
  auto it = live.upper_bound(address);
  if (it == live.begin())
    return "below every allocation";
  --it;
  std::string what = "allocation " + hexAddress(it->first) + " of " + std::to_string(it->second) + " bytes";
  u64 offset = address - it->first;
  return offset < it->second ? "at +" + std::to_string(offset) + " of " + what
                             : std::to_string(offset - it->second) + " bytes past the end of " + what;
}

bool DeviceMemory::check(Warp &warp, int lane, const Instruction &inst, u64 address, u32 count, Access access, u64 used) {
  const char *verb = isWrite(access) ? "write" : "read";
  auto complain = [&](Finding kind, const std::string &what) {
    warp.report(kind, lane, inst, std::string(verb) + " of " + std::to_string(count) + " bytes at " + hexAddress(address) + what);
  };
  if (!inRange(address, count)) {
    complain(Finding::OutOfBounds, ": not a device address");
    return false;
  }
  if (!warp.checks())
    return true;
  u8 *s = shadow(address);
  u8 least = Initialized;
  for (u32 i = 0; i < count; ++i)
    least = std::min<u8>(least, s[i] == Uninitialized && !(used >> (i & 63) & 1) ? u8{Initialized} : s[i]);
  if (least == Unallocated) {
    complain(Finding::OutOfBounds, ", " + describe(address));
    return false;
  }
  if (least == Uninitialized && isRead(access))
    complain(Finding::Uninitialized, ", " + describe(address));
  if (isWrite(access))
    memset(s, Initialized, count);
  return true;
}
} // namespace vgpu
