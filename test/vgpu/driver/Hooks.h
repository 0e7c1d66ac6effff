// What tests ask of the virtual driver beyond CUDA. Found with dlsym in the library; plain C so that any test can use it.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {
/// A range of device memory that a launch may touch; access: 1 read, 2 write, 3 both.
struct StoopVgpuSlice {
  uint64_t begin, bytes;
  int access;
  const char *name;
};
/// Objects alive: a run that cleans up leaves them as it found them.
struct StoopVgpuLive {
  size_t allocations, hostAllocations, modules, streams, events, graphs, graphExecs;
  uint64_t bytes;
};
/// The launch contract of the next kernel launch (also a captured one): any other access is a finding.
void stoopVgpuNextLaunch(const struct StoopVgpuSlice *slices, size_t count);
/// Findings since the last call, one a line; valid until the next call.
const char *stoopVgpuFindings(void);
/// Clears the sticky error, the findings and pending work.
void stoopVgpuReset(void);
struct StoopVgpuLive stoopVgpuLive(void);
/// Driver calls so far; the call that makes this number `call` fails (0: none does). Resets the count.
uint64_t stoopVgpuCalls(void);
void stoopVgpuFailAt(uint64_t call);
/// Seed of block, warp and node order.
void stoopVgpuSeed(uint64_t seed);
/// Starts (or ends) counting what modules that are loaded from now on do. The text has a line for each instruction that
/// ran, `op KERNEL PTX-LINE OPCODE EXECUTED REQUESTS BYTES SECTORS PASSES LEAST-PASSES`, and `call NAME COUNT`;
/// check/Counters.h says what they mean. It is valid until the next call.
void stoopVgpuCount(int isOn);
const char *stoopVgpuCounts(void);
/// Warp instructions executed so far.
uint64_t stoopVgpuInstructions(void);
}
