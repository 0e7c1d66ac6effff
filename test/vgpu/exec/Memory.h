// Handlers of everything that touches memory, and the address arithmetic they share.
#pragma once
#include "test/vgpu/exec/Grid.h"
#include "test/vgpu/exec/Handlers.h"

namespace vgpu {
// Op::flags of ld, st and atom. An address register is 32 bits wide unless memWide; memory order as in the PTX ISA.
enum MemoryFlags : u8 { memWide = 1, memStrong = 2, memAcquire = 4, memRelease = 8, memNoResult = 16, memReadOnly = 32 };

void load(Warp &warp, const Op &op, u32 mask);
void store(Warp &warp, const Op &op, u32 mask);
void fence(Warp &warp, const Op &op, u32 mask);           // imm: 1 when device-wide
void fenceProxyAsync(Warp &warp, const Op &op, u32 mask);
void toSharedWindow(Warp &warp, const Op &op, u32 mask);  // cvta; imm: what is added to the address
void isInSpace(Warp &warp, const Op &op, u32 mask);       // isspacep; imm: window, 0: global
void prefetch(Warp &warp, const Op &op, u32 mask);

/// atom and red on values of `type` with `operation`; nullptr when PTX has no such form.
Handler atomicHandler(const std::string &operation, const std::string &type);

void asyncCopy(Warp &warp, const Op &op, u32 mask);       // cp.async; e: source size register when flags say so
void asyncCommit(Warp &warp, const Op &op, u32 mask);
void asyncWait(Warp &warp, const Op &op, u32 mask);       // imm: groups that may be pending, -1: wait_all
void bulkCopy(Warp &warp, const Op &op, u32 mask);
void mbarrierInit(Warp &warp, const Op &op, u32 mask);
void mbarrierInvalidate(Warp &warp, const Op &op, u32 mask);
void mbarrierArrive(Warp &warp, const Op &op, u32 mask);  // b: count, c: bytes expected (0 registers: none)
void mbarrierExpect(Warp &warp, const Op &op, u32 mask);
void mbarrierTryWait(Warp &warp, const Op &op, u32 mask);

void loadMatrix(Warp &warp, const Op &op, u32 mask);
void storeMatrix(Warp &warp, const Op &op, u32 mask);
/// mma.sync for an opcode; nullptr when it is not supported. Fills the number of registers of D, A, B and C.
Handler matrixHandler(const std::string &opcode, std::array<u32, 4> &registers);

void packVector(Warp &warp, const Op &op, u32 mask);   // mov d, {a, b, ...}: v, elements of `size` bytes
void unpackVector(Warp &warp, const Op &op, u32 mask); // mov {a, b, ...}, d
void setPredicateConstant(Warp &warp, const Op &op, u32 mask);

void shuffle(Warp &warp, const Op &op, u32 mask);
void vote(Warp &warp, const Op &op, u32 mask);
void match(Warp &warp, const Op &op, u32 mask);
void activeMask(Warp &warp, const Op &op, u32 mask);
void elect(Warp &warp, const Op &op, u32 mask);
Handler reduceHandler(const std::string &operation, const std::string &type); // redux.sync

void printCall(Warp &warp, const Op &op, u32 mask);  // vprintf
void assertCall(Warp &warp, const Op &op, u32 mask); // __assertfail

/// Address of a lane: register a and imm.
inline u64 laneAddress(Warp &warp, const Op &op, int lane) {
  const u8 *a = warp.reg(op.a);
  return op.flags & memWide ? getLane<u64>(a, lane) + static_cast<u64>(op.imm)
                            : static_cast<u32>(getLane<u32>(a, lane) + static_cast<u32>(op.imm));
}

/// The space and the offset in it that a generic address means.
Space resolveGeneric(u64 &address);
/// Publishes or takes over knowledge of other blocks, for strong accesses to global memory.
void publish(Warp &warp, u64 address, bool release, u32 active);
void observe(Warp &warp, u64 address, bool acquire);
void acquireSeen(Warp &warp);
/// Contract, bounds, initialisation and races of the lanes' global accesses; returns the lanes that may go on.
u32 checkGlobal(Warp &warp, const Instruction &inst, const u64 *addresses, u32 mask, u32 count, Access access, u64 used = ~0ull);
bool checkGlobalRange(Warp &warp, int lane, const Instruction &inst, u64 address, u32 count, Access access);
} // namespace vgpu
