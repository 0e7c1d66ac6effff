//===- CpuLevels.cpp - feature levels, CPU names, this machine ------------===//
//
// CPUID leaf and bit numbers: Intel SDM volume 2, "CPUID"; AMX permission: Linux,
// Documentation/arch/x86/xstate.rst.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/CpuLevels.h"
#include "stoop/abi.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include <cpuid.h>
#include <cstring>
#include <sys/syscall.h>
#include <unistd.h>

using namespace llvm;
using namespace stoop;
using namespace stoop::kernels;

static constexpr codegen::CpuName kCpuNames[] = {
#define STOOP_CPU_NAME(name, level) {name, level},
#include "codegen/cpu/CpuNames.def"
};

static bool bit(unsigned value, unsigned index) { return value >> index & 1; }

/// Whether the kernel lets this process use AMX tile data (state component 18).
static bool amxPermitted() {
  constexpr long getPermission = 0x1022, requestPermission = 0x1023, tileData = 18;
  if (syscall(SYS_arch_prctl, requestPermission, tileData) != 0)
    return false;
  unsigned long granted = 0;
  return syscall(SYS_arch_prctl, getPermission, &granted) == 0 && (granted >> tileData & 1);
}

uint64_t codegen::detectCpuFeatures() {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, 27)) // OSXSAVE
    return 0;
  bool fma = bit(c, 12), movbe = bit(c, 22), f16c = bit(c, 29);
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  bool savesYmm = (low & 0x6) == 0x6, savesZmm = (low & 0xe6) == 0xe6;
  bool savesTiles = (low & 0x60000) == 0x60000;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
    return 0;
  unsigned leaf7b = b, leaf7c = c, leaf7d = d;
  if (!__get_cpuid(0x80000001, &a, &b, &c, &d))
    return 0;
  bool lzcnt = bit(c, 5);

  uint64_t features = 0;
  if (savesYmm && bit(leaf7b, 5) && bit(leaf7b, 3) && bit(leaf7b, 8) && fma && movbe && f16c &&
      lzcnt)
    features |= STOOP_CPU_AVX2;
  if (savesZmm && bit(leaf7b, 16) && bit(leaf7b, 17) && bit(leaf7b, 28) && bit(leaf7b, 30) &&
      bit(leaf7b, 31)) {
    features |= STOOP_CPU_AVX512;
    if (bit(leaf7c, 11))
      features |= STOOP_CPU_AVX512_VNNI;
    if (__get_cpuid_count(7, 1, &a, &b, &c, &d) && bit(a, 5))
      features |= STOOP_CPU_AVX512_BF16;
  }
  if (savesTiles && bit(leaf7d, 24) && amxPermitted()) {
    features |= STOOP_CPU_AMX_TILE;
    if (bit(leaf7d, 22))
      features |= STOOP_CPU_AMX_BF16;
    if (bit(leaf7d, 25))
      features |= STOOP_CPU_AMX_INT8;
  }
  return features;
}

std::string codegen::cpuModel() {
  // Three leaves of sixteen characters.
  char name[48] = {};
  for (unsigned leaf = 0; leaf < 3; ++leaf) {
    unsigned words[4];
    if (!__get_cpuid(0x80000002 + leaf, &words[0], &words[1], &words[2], &words[3]))
      return "unknown";
    std::memcpy(name + 16 * leaf, words, sizeof words);
  }
  StringRef model = StringRef(name, strnlen(name, sizeof name)).trim();
  return model.empty() ? "unknown" : model.str();
}

const KernelLevel *codegen::bestLevel(uint64_t features) {
  const KernelLevel *best = nullptr;
  for (const KernelLevel &level : kernelLevels())
    if ((level.required & ~features) == 0)
      best = &level;
  return best;
}

std::string codegen::describeFeatures(uint64_t features) {
  constexpr std::pair<uint64_t, StringRef> names[] = {{STOOP_CPU_AVX2, "AVX2"},
                                                      {STOOP_CPU_AVX512, "AVX-512"},
                                                      {STOOP_CPU_AVX512_BF16, "AVX-512 BF16"},
                                                      {STOOP_CPU_AVX512_VNNI, "AVX-512 VNNI"},
                                                      {STOOP_CPU_AMX_TILE, "AMX-TILE"},
                                                      {STOOP_CPU_AMX_BF16, "AMX-BF16"},
                                                      {STOOP_CPU_AMX_INT8, "AMX-INT8"}};
  SmallVector<StringRef> present;
  for (auto [mask, name] : names)
    if (features & mask)
      present.push_back(name);
  return present.empty() ? "none" : join(present, ", ");
}

ArrayRef<codegen::CpuName> codegen::cpuNames() { return kCpuNames; }

static Expected<const KernelLevel *> resolveOne(StringRef name) {
  if (name == "host") {
    uint64_t features = codegen::detectCpuFeatures();
    if (const KernelLevel *level = codegen::bestLevel(features))
      return level;
    return createStringError("host: this machine lacks x86-64-v3 (AVX2, FMA, BMI2, F16C); name "
                             "the CPU that the model shall run on");
  }
  if (const KernelLevel *level = findLevel(name))
    return level;
  for (const codegen::CpuName &cpu : kCpuNames)
    if (cpu.name == name)
      return findLevel(cpu.level);
  SmallVector<StringRef> known = {"host"};
  for (const KernelLevel &level : kernelLevels())
    known.push_back(level.name);
  for (const codegen::CpuName &cpu : kCpuNames)
    known.push_back(cpu.name);
  return createStringError("unknown CPU '" + name.str() + "'; known are " + join(known, ", "));
}

Expected<SmallVector<const KernelLevel *>> codegen::resolveTargetCpu(StringRef list) {
  SmallVector<StringRef> names;
  list.split(names, ',');
  SmallVector<const KernelLevel *> levels;
  for (StringRef name : names) {
    Expected<const KernelLevel *> level = resolveOne(name.trim());
    if (!level)
      return level.takeError();
    levels.push_back(*level);
  }
  // The table is in rising order, so pointers are too.
  sort(levels);
  levels.erase(llvm::unique(levels), levels.end());
  return levels;
}
