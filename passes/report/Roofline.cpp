//===- Roofline.cpp - the table of machines ------------------------------===//
//
// Peaks are those of data sheets: what cannot be beaten, not what is reached.
//
//===----------------------------------------------------------------------===//
#include "passes/report/Roofline.h"

#include <cmath>

namespace stoop::report {

namespace {
/// What a GPU reaches of its data sheet, as far as anybody has published it.
struct InReach {
  double bandwidth, narrowFlops, wideFlops; ///< parts of the row's
  double launch;                            ///< us from a launch's end to the next one's first bytes
  double memory;                            ///< GB that the machine has
  double latency, cache;                    ///< of a load from memory when others are under way, us; what L2 gives, GB/s
  int64_t multiprocessors, sharedKib;       ///< shared memory of a multiprocessor
  llvm::StringLiteral source;
};

/// One row: bandwidth in GB/s, peaks in GFLOP/s.
struct MachineRow {
  llvm::StringLiteral target, level, name;
  double bandwidth, narrowFlops, wideFlops; ///< narrow: bf16, f16; wide: f32
  std::optional<InReach> inReach;
};
} // namespace

// CPU: 8 cores at 3 GHz, two FMA units each (2 x 2 x lanes operations a cycle), two channels of
// DDR5-4800. bf16 dot products (avx512-bf16) double the rate of f32; AMX does 2048 operations a
// cycle. GPUs: NVIDIA's data sheets. What is in reach of them was measured by others, or is derived
// from that, on kernels that are not these: no number here is a measurement of this project. Latencies and the rates of L2,
// which only the ranking of schedules looks at, are assumed: 0.7 to 1 us is what loads take on a busy GPU, and an A100's L2
// could give 5,120 bytes a cycle (NVIDIA's white paper).
static constexpr MachineRow machines[] = {
    {"cpu", "x86-64-v3", "8 cores, 3 GHz, AVX2, DDR5-4800 x 2", 76.8, 768, 768, {}},
    {"cpu", "avx512", "8 cores, 3 GHz, AVX-512, DDR5-4800 x 2", 76.8, 1536, 1536, {}},
    {"cpu", "avx512-bf16", "8 cores, 3 GHz, AVX-512 BF16, DDR5-4800 x 2", 76.8, 3072, 1536, {}},
    {"cpu", "amx", "8 cores, 3 GHz, AMX, DDR5-4800 x 2", 76.8, 49152, 1536, {}},
    {"cuda", "sm_80", "A100 SXM 80 GB", 2039, 312e3, 19.5e3,
     InReach{0.92, 0.75, 0.8, 3.3, 80, 0.7, 5000, 108, 164,
             "bandwidth: between a copy's 89 % (arXiv 2606.09682) and an H100's read; products: 65 % in a whole "
             "prompt of TensorRT-LLM, 75 % in one product (assumed); launch: as H100"}},
    {"cuda", "sm_90a", "H100 SXM", 3350, 989e3, 67e3,
     InReach{0.967, 0.62, 0.8, 3.3, 80, 0.8, 5500, 132, 228,
             "bandwidth: a tuned read, 3240 GB/s (fast.cu); products: mma.sync is 62 % of wgmma (arXiv 2402.13499); "
             "launch: 2.6 us a dependency in Hazy Research's decode kernel (2025) and 0.7 us for a node of a graph"}},
    {"cuda", "sm_90a", "H200 SXM", 4800, 989e3, 67e3,
     InReach{0.95, 0.62, 0.8, 3.3, 141, 0.8, 5500, 132, 228,
             "bandwidth: above a copy's 4300 GB/s as on H100 (assumed); products and launch: as H100"}},
};

/// Whether code of a level is for the machine: its PTX and its plain form count as well.
static bool isFor(const MachineRow &row, llvm::StringRef level) {
  level.consume_back(".ptx");
  return row.level == level || row.level == level.str() + "a";
}

std::optional<Machine> findMachine(llvm::StringRef target, llvm::StringRef level,
                                   llvm::StringRef dtype) {
  const MachineRow *found = nullptr;
  for (const MachineRow &row : machines)
    if (row.target == target && (!found || (isFor(row, level) && !isFor(*found, level))))
      found = &row; // the level's first row, or else the target's
  if (!found)
    return std::nullopt;
  double flops = dtype == "f32" ? found->wideFlops : found->narrowFlops;
  return Machine{found->name, found->bandwidth * 1e9, flops * 1e9};
}

std::vector<StepPrediction> predictedMachines(llvm::StringRef target, llvm::StringRef dtype) {
  std::vector<StepPrediction> predictions;
  for (const MachineRow &row : machines) {
    if (row.target != target || !row.inReach)
      continue;
    double flops = dtype == "f32" ? row.inReach->wideFlops * row.wideFlops
                                  : row.inReach->narrowFlops * row.narrowFlops;
    predictions.push_back({row.name, row.inReach->source, row.inReach->bandwidth * row.bandwidth * 1e9,
                           flops * 1e9, row.inReach->launch * 1e3, row.inReach->memory * 1e9, {}});
  }
  return predictions;
}

std::vector<GpuModel> gpuModels(llvm::StringRef level, llvm::StringRef dtype) {
  std::vector<GpuModel> models;
  for (const MachineRow &row : machines) {
    if (!row.inReach || !isFor(row, level))
      continue;
    const InReach &reach = *row.inReach;
    double wide = reach.wideFlops * row.wideFlops * 1e9;
    models.push_back({row.name, reach.multiprocessors, reach.sharedKib << 10, reach.bandwidth * row.bandwidth * 1e9,
                      reach.cache * 1e9, dtype == "f32" ? wide : reach.narrowFlops * row.narrowFlops * 1e9, wide,
                      reach.launch * 1e-6, reach.latency * 1e-6});
  }
  return models;
}

void predictLaunches(StepPrediction &prediction, const Cost &cost, int64_t launches) {
  double memory = static_cast<double>(cost.bytes) / prediction.bytesPerSecond;
  double work = static_cast<double>(cost.flops) / prediction.flopsPerSecond;
  double each = prediction.launchNanoseconds + std::max(memory, work) * 1e9;
  prediction.steps.back() += std::llround(static_cast<double>(launches) * each);
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
