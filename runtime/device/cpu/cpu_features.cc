// CPU feature detection. A feature counts only when the operating system saves its registers too
// (XCR0), else the first instruction would fault.
#include "runtime/device/cpu/cpu_features.h"

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stoop/abi.h"

namespace stoop::rt {
namespace {

// XCR0 bits: SSE and AVX state; opmask and ZMM state; AMX tile configuration and data.
constexpr uint64_t kAvxState = 0x6, kAvx512State = 0xe0, kTileState = 0x60000;
constexpr int kRequestXcompPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
constexpr int kTileDataFeature = 18;

uint64_t read_xcr0() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

bool all(unsigned value, unsigned bits) { return (value & bits) == bits; }

}  // namespace

uint64_t detect_cpu_features(bool request_amx) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
  constexpr unsigned kV3Leaf1 = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C | bit_MOVBE |
                                bit_SSE4_2 | bit_SSSE3 | bit_POPCNT;
  if (!all(c, kV3Leaf1)) return 0;
  uint64_t xcr0 = read_xcr0();
  unsigned b7, c7, d7, a71 = 0, extended_c = 0, unused;
  if ((xcr0 & kAvxState) != kAvxState || !__get_cpuid_count(7, 0, &a, &b7, &c7, &d7)) return 0;
  if (a >= 1) __get_cpuid_count(7, 1, &a71, &unused, &unused, &unused);
  __get_cpuid(0x80000001, &unused, &unused, &extended_c, &unused);
  constexpr unsigned kLzcnt = 1u << 5;
  if (!all(b7, bit_AVX2 | bit_BMI | bit_BMI2) || !(extended_c & kLzcnt)) return 0;

  uint64_t features = STOOP_CPU_AVX2;
  constexpr unsigned kV4 = bit_AVX512F | bit_AVX512BW | bit_AVX512CD | bit_AVX512DQ | bit_AVX512VL;
  if ((xcr0 & kAvx512State) == kAvx512State && all(b7, kV4)) {
    features |= STOOP_CPU_AVX512;
    if (a71 & bit_AVX512BF16) features |= STOOP_CPU_AVX512_BF16;
    if (c7 & bit_AVX512VNNI) features |= STOOP_CPU_AVX512_VNNI;
  }
  constexpr unsigned kAmxBf16 = 1u << 22, kAmxTile = 1u << 24, kAmxInt8 = 1u << 25;
  if (request_amx && (d7 & kAmxTile) && (xcr0 & kTileState) == kTileState &&
      syscall(SYS_arch_prctl, kRequestXcompPermission, kTileDataFeature) == 0) {
    features |= STOOP_CPU_AMX_TILE;
    if (d7 & kAmxBf16) features |= STOOP_CPU_AMX_BF16;
    if (d7 & kAmxInt8) features |= STOOP_CPU_AMX_INT8;
  }
  return features;
}

}  // namespace stoop::rt
