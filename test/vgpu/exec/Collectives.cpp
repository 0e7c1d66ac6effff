// shfl, vote, match, redux, activemask, elect: instructions in which the lanes of a warp see each other's registers.
// Also mov between a register and a vector of smaller ones. The scheduler has brought the lanes of the member mask together before a handler runs.
#include "test/vgpu/exec/Memory.h"

namespace vgpu {
namespace {
/// Member mask of a warp-wide instruction: register e, unless the form has all lanes.
u32 members(Warp &warp, const Op &op, u32 mask) {
  return op.flags & opFullMask ? ~0u : getLane<u32>(warp.reg(op.e), __builtin_ctz(mask));
}
enum ShuffleMode { Up, Down, Butterfly, Index };
} // namespace

void packVector(Warp &warp, const Op &op, u32 mask) {
  const u32 whole = op.size * op.count == 8 ? 8 : 4, part = op.size == 8 ? 8 : 4;
  for (u32 m = mask; m; m &= m - 1)
    for (u32 i = 0, l = static_cast<u32>(__builtin_ctz(m)); i < op.count; ++i)
      memcpy(warp.reg(op.d) + whole * l + i * op.size, warp.reg(op.v[i]) + part * l, op.size);
}
namespace {
template <u32 WHOLE, class PART> void unpack(Warp &warp, const Op &op, u32 mask) {
  for (u32 m = mask; m; m &= m - 1) {
    const u32 l = static_cast<u32>(__builtin_ctz(m));
    PART parts[WHOLE / sizeof(PART)];
    memcpy(parts, warp.reg(op.a) + WHOLE * l, WHOLE);
    for (u32 i = 0; i < WHOLE / sizeof(PART); ++i)
      if (op.v[i] != noRegister)
        setLane<u32>(warp.reg(op.v[i]), static_cast<int>(l), parts[i]);
  }
}
} // namespace
void unpackVector(Warp &warp, const Op &op, u32 mask) {
  const bool isWide = op.size * op.count == 8;
  switch (op.size) {
  case 4: return unpack<8, u32>(warp, op, mask);
  case 2: return isWide ? unpack<8, u16>(warp, op, mask) : unpack<4, u16>(warp, op, mask);
  default: return isWide ? unpack<8, u8>(warp, op, mask) : unpack<4, u8>(warp, op, mask);
  }
}
void setPredicateConstant(Warp &warp, const Op &op, u32 mask) { setPredicate(warp, op.d, mask, op.imm ? ~0u : 0); }

void shuffle(Warp &warp, const Op &op, u32 mask) {
  u32 source[32];
  memcpy(source, warp.reg(op.a), sizeof source);
  const u8 *b = warp.reg(op.b), *c = warp.reg(op.c);
  const u32 member = members(warp, op, mask);
  u32 inRange = 0;
  forLanes<u32>(warp, op.d, mask, [&](int lane) -> u32 {
    u32 l = static_cast<u32>(lane), delta = getLane<u32>(b, lane) & 31, clampAndMask = getLane<u32>(c, lane);
    u32 clamp = clampAndMask & 31, segment = clampAndMask >> 8 & 31;
    u32 last = (l & segment) | (clamp & ~segment), first = l & segment;
    i32 from = 0;
    bool valid = false;
    switch (op.imm) {
    case Up: from = static_cast<i32>(l) - static_cast<i32>(delta), valid = from >= static_cast<i32>(last); break;
    case Down: from = static_cast<i32>(l + delta), valid = from <= static_cast<i32>(last); break;
    case Butterfly: from = static_cast<i32>(l ^ delta), valid = from <= static_cast<i32>(last); break;
    default: from = static_cast<i32>(first | (delta & ~segment)), valid = from <= static_cast<i32>(last);
    }
    if (!valid)
      from = lane;
    else if (!((member & mask) >> from & 1) && warp.checks())
      warp.report(Finding::WarpSync, lane, *op.source, "reads lane " + std::to_string(from) + ", which does not take part");
    inRange |= static_cast<u32>(valid) << l;
    return source[from & 31];
  });
  if (op.target != noPredicate)
    setPredicate(warp, op.target, mask, inRange);
}

void vote(Warp &warp, const Op &op, u32 mask) { // imm: 0 all, 1 any, 2 uni, 3 ballot
  u32 p = warp.predicate(op.a) ^ (op.flags & opNegated ? ~0u : 0), bits = p & mask;
  if (op.imm == 3) {
    forLanes<u32>(warp, op.d, mask, [&](int) { return bits; });
    return;
  }
  bool value = op.imm == 0 ? bits == mask : op.imm == 1 ? bits != 0 : bits == mask || bits == 0;
  setPredicate(warp, op.d, mask, value ? ~0u : 0);
}

void match(Warp &warp, const Op &op, u32 mask) { // imm: 0 any, 1 all; size: bytes of the value
  const u8 *a = warp.reg(op.a);
  auto value = [&](int lane) -> u64 { return op.size == 8 ? getLane<u64>(a, lane) : getLane<u32>(a, lane); };
  u32 sets[32] = {};
  bool all = true;
  for (u32 m = mask; m; m &= m - 1) {
    int lane = __builtin_ctz(m);
    for (u32 n = mask; n; n &= n - 1)
      sets[lane] |= value(__builtin_ctz(n)) == value(lane) ? n & -n : 0;
    all &= sets[lane] == mask;
  }
  forLanes<u32>(warp, op.d, mask, [&](int lane) -> u32 { return op.imm == 0 ? sets[lane] : all ? mask : 0; });
  if (op.imm == 1 && op.target != noPredicate)
    setPredicate(warp, op.target, mask, all ? ~0u : 0);
}

void activeMask(Warp &warp, const Op &op, u32 mask) {
  forLanes<u32>(warp, op.d, mask, [&](int) { return mask; });
}

void elect(Warp &warp, const Op &op, u32 mask) {
  u32 leader = static_cast<u32>(__builtin_ctz(mask));
  if (op.d != noRegister)
    forLanes<u32>(warp, op.d, mask, [&](int) { return leader; });
  setPredicate(warp, op.target, mask, 1u << leader);
}

namespace {
template <class T, auto F> void reduce(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a);
  T sum = getLane<T>(a, __builtin_ctz(mask));
  for (u32 m = mask & (mask - 1); m; m &= m - 1)
    sum = F(sum, getLane<T>(a, __builtin_ctz(m)));
  forLanes<T>(warp, op.d, mask, [&](int) { return sum; });
}
u32 add(u32 a, u32 b) { return a + b; }
template <class T> T minimum(T a, T b) { return std::min(a, b); }
template <class T> T maximum(T a, T b) { return std::max(a, b); }
u32 land(u32 a, u32 b) { return a & b; }
u32 lor(u32 a, u32 b) { return a | b; }
u32 lxor(u32 a, u32 b) { return a ^ b; }
} // namespace

Handler reduceHandler(const std::string &operation, const std::string &type) {
  static const std::map<std::string, Handler> table = {
      {"add.u32", reduce<u32, add>},          {"add.s32", reduce<u32, add>},          {"min.u32", reduce<u32, minimum<u32>>},
      {"min.s32", reduce<i32, minimum<i32>>}, {"max.u32", reduce<u32, maximum<u32>>}, {"max.s32", reduce<i32, maximum<i32>>},
      {"and.b32", reduce<u32, land>},         {"or.b32", reduce<u32, lor>},           {"xor.b32", reduce<u32, lxor>}};
  auto it = table.find(operation + "." + type);
  return it == table.end() ? nullptr : it->second;
}
} // namespace vgpu
