//===- Roofline.cpp - the table of machines ------------------------------===//
//
// Peaks are those of data sheets: what cannot be beaten, not what is reached.
//
//===----------------------------------------------------------------------===//
#include "passes/report/Roofline.h"

#include <cmath>

namespace stoop::report {

namespace {
/// One row: bandwidth in GB/s, peaks in GFLOP/s.
struct MachineRow {
  llvm::StringLiteral target, level, name;
  double bandwidth, narrowFlops, wideFlops; ///< narrow: bf16, f16; wide: f32
};
} // namespace

// CPU: 8 cores at 3 GHz, two FMA units each (2 x 2 x lanes operations a cycle), two channels of
// DDR5-4800. bf16 dot products (avx512-bf16) double the rate of f32; AMX does 2048 operations a
// cycle.
static constexpr MachineRow machines[] = {
    {"cpu", "x86-64-v3", "8 cores, 3 GHz, AVX2, DDR5-4800 x 2", 76.8, 768, 768},
    {"cpu", "avx512", "8 cores, 3 GHz, AVX-512, DDR5-4800 x 2", 76.8, 1536, 1536},
    {"cpu", "avx512-bf16", "8 cores, 3 GHz, AVX-512 BF16, DDR5-4800 x 2", 76.8, 3072, 1536},
    {"cpu", "amx", "8 cores, 3 GHz, AMX, DDR5-4800 x 2", 76.8, 49152, 1536},
    {"cuda", "sm_80", "A100 SXM 80 GB", 2039, 312e3, 19.5e3},
    {"cuda", "sm_90a", "H100 SXM", 3350, 989e3, 67e3},
};

std::optional<Machine> findMachine(llvm::StringRef target, llvm::StringRef level,
                                   llvm::StringRef dtype) {
  const MachineRow *found = nullptr;
  for (const MachineRow &row : machines)
    if (row.target == target && (row.level == level || !found))
      found = &row; // a level without a row of its own: the target's first
  if (!found)
    return std::nullopt;
  double flops = dtype == "f32" ? found->wideFlops : found->narrowFlops;
  return Machine{found->name, found->bandwidth * 1e9, flops * 1e9};
}

void predict(Cost &cost, const std::optional<Machine> &machine) {
  if (!machine)
    return;
  double memory = static_cast<double>(cost.bytes) / machine->bytesPerSecond;
  double work = static_cast<double>(cost.flops) / machine->flopsPerSecond;
  cost.memoryBound = memory >= work;
  cost.nanoseconds = std::llround(std::max(memory, work) * 1e9);
}

} // namespace stoop::report
