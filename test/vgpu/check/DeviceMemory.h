// Device memory and its shadow. Device addresses are reserved PROT_NONE: a host dereference faults as with a real GPU;
// the executor reaches the bytes through an alias. Addresses are never reused, allocations have red zones.
#pragma once
#include "test/vgpu/check/Clocks.h"
#include <string>
#include <vector>

namespace vgpu {
class Warp;
struct Instruction;

/// ReadOnly: by ld.global.nc, which may see what a line of L1 held when the launch started.
enum class Access : u8 { Read, ReadOnly, Write, StrongRead, StrongWrite, Atomic };
inline bool isWrite(Access a) { return a == Access::Write || a == Access::StrongWrite || a == Access::Atomic; }
inline bool isRead(Access a) { return a != Access::Write && a != Access::StrongWrite; }
inline bool isStrong(Access a) { return a >= Access::StrongRead; }

class DeviceMemory {
public:
  static constexpr u64 rangeBytes = 32ull << 30, redZone = 512, alignment = 256;
  enum State : u8 { Unallocated, Uninitialized, Initialized };

  static DeviceMemory &get();

  /// Allocates `bytes`; 0 when `capacity` would be exceeded.
  u64 allocate(u64 bytes);
  /// False when `address` is not the start of a live allocation.
  bool release(u64 address);
  bool inRange(u64 address, u64 bytes) const { return address >= base && bytes <= rangeBytes && address - base <= rangeBytes - bytes; }
  /// True when the bytes lie in one live allocation.
  bool isAllocated(u64 address, u64 bytes) const;
  u8 *host(u64 address) { return bytes + (address - base); }
  u8 *shadow(u64 address) { return states + (address - base); }

  void write(u64 to, const void *from, u64 count);
  void read(void *to, u64 from, u64 count);
  void fill(u64 to, const void *pattern, u64 patternBytes, u64 count);
  void copy(u64 to, u64 from, u64 count); // copies initialisedness too

  /// Bounds and initialisedness for one lane; reports and returns false when the bytes must not be touched.
  /// `used`: bit i tells whether byte i matters (only for reads).
  bool check(Warp &warp, int lane, const Instruction &inst, u64 address, u32 count, Access access, u64 used = ~0ull);

  u64 capacity = 4ull << 30; // what the device claims to have
  u64 usedBytes() const { return inUse; }
  u64 mostBytes() const { return peak; } // that were allocated at a time
  size_t liveAllocations() const { return live.size(); }
  /// "allocation 0x..+4096", or the nearest one.
  std::string describe(u64 address) const;
  u64 base = 0;

private:
  DeviceMemory();
  u8 *bytes = nullptr, *states = nullptr;
  u64 top = 0, inUse = 0, peak = 0;
  std::map<u64, u64> live;
};

std::string hexAddress(u64 address);
} // namespace vgpu
