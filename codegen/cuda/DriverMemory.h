//===- DriverMemory.h - what a driver takes of a device -----------*- C++ -*-===//
//
// A program allocates what its plan lists. Its driver takes more of the device in the program's name: code with its
// constants and variables, and what executable graphs keep there. How much is the driver's secret; these are the rules by
// which the plan sets it aside. They are predictions: the runtime asks the driver before and after and reports what it took.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_CODEGEN_CUDA_DRIVERMEMORY_H
#define STOOP_CODEGEN_CUDA_DRIVERMEMORY_H

#include "ir/plan/PlanOps.h"

namespace stoop::codegen {

/// Device memory is handed out by pages: drivers take it in whole ones.
inline constexpr uint64_t kDevicePage = 2 << 20;
/// Sections of a loaded cubin each begin at a multiple of this.
inline constexpr uint64_t kSectionAlign = 256;
/// Of a kernel that is not compiled yet: of 273 cubins of the suite's models (NVRTC 13.0) the median takes 14 KiB, nine of ten
/// at most 39 KiB, the largest 74 KiB.
inline constexpr uint64_t kModuleReserve = 64 << 10;
/// Of a node of an executable graph. NVIDIA's own libraries count with about 10 KiB (CCCL, STF's cache of graphs).
inline constexpr uint64_t kGraphNodeReserve = 16 << 10;

/// Code, constants and variables of all modules that a program loads, in whole pages: of the level that takes most, as its
/// binaries say, or before there are any a reserve for each kernel and the sampling code. PTX counts as the cubin of its
/// architecture: what the driver makes of it is not known.
uint64_t modulesBytes(plan::ProgramOp program);

/// Graphs of all entries, in whole pages: a reserve for each node. An entry has one graph, a decode entry a second one that
/// feeds itself (runtime/device/cuda).
uint64_t graphsBytes(plan::ProgramOp program);

} // namespace stoop::codegen

#endif // STOOP_CODEGEN_CUDA_DRIVERMEMORY_H
