// The table of instructions with plain register operands, and loops over the 32 lanes of a warp to write them with.
// Invariant: a lane outside the mask keeps its destination; 8- and 16-bit results are zero-extended in 32-bit registers.
#pragma once
#include "test/vgpu/exec/Warp.h"
#include <bit>
#include <cmath>
#include <cstring>
#include <unordered_map>

namespace vgpu {
/// One letter an operand, destination first: w register of up to 32 bits, d of 64 bits, p predicate.
struct TableEntry {
  std::string signature;
  Handler handler;
};

class HandlerTable {
public:
  void add(const std::string &opcode, const std::string &signature, Handler handler) { entries[opcode] = {signature, handler}; }
  const TableEntry *find(const std::string &opcode) const {
    auto it = entries.find(opcode);
    return it == entries.end() ? nullptr : &it->second;
  }
  template <class F> void forEach(F visit) const {
    for (const auto &[name, entry] : entries)
      visit(name, entry);
  }
  size_t size() const { return entries.size(); }
  static const HandlerTable &get();

private:
  std::unordered_map<std::string, TableEntry> entries;
};

void addIntegerHandlers(HandlerTable &table);
void addBitHandlers(HandlerTable &table);
void addFloatHandlers(HandlerTable &table);
void addHalfHandlers(HandlerTable &table);
void addPredicateHandlers(HandlerTable &table);
void addConversionHandlers(HandlerTable &table);
void addSmallFloatHandlers(HandlerTable &table);

/// Register bytes of a lane for values of type T.
template <class T> constexpr u32 laneBytes = sizeof(T) == 8 ? 8 : 4;

template <class T> inline T getLane(const u8 *reg, int lane) {
  T value;
  memcpy(&value, reg + lane * laneBytes<T>, sizeof(T));
  return value;
}
template <class T> inline void setLane(u8 *reg, int lane, T value) {
  if constexpr (sizeof(T) < 4) {
    u32 wide = 0;
    memcpy(&wide, &value, sizeof(T));
    memcpy(reg + lane * 4, &wide, 4);
  } else
    memcpy(reg + lane * laneBytes<T>, &value, sizeof(T));
}

template <class D, class F> inline void forLanes(Warp &warp, u32 dest, u32 mask, F value) {
  u8 *d = warp.reg(dest);
  if (mask == ~0u) { // through a local array: the compiler cannot know that registers do not overlap
    alignas(32) u8 results[32 * laneBytes<D>];
    for (int lane = 0; lane < 32; ++lane)
      setLane<D>(results, lane, value(lane));
    memcpy(d, results, sizeof results);
    return;
  }
  for (int lane = 0; lane < 32; ++lane)
    if (mask >> lane & 1)
      setLane<D>(d, lane, value(lane));
}

template <class D, class A, auto F> void unary(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a);
  forLanes<D>(warp, op.d, mask, [&](int l) -> D { return F(getLane<A>(a, l)); });
}
template <class D, class A, class B, auto F> void binary(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b);
  forLanes<D>(warp, op.d, mask, [&](int l) -> D { return F(getLane<A>(a, l), getLane<B>(b, l)); });
}
template <class D, class A, class B, class C, auto F> void ternary(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b), *c = warp.reg(op.c);
  forLanes<D>(warp, op.d, mask, [&](int l) -> D { return F(getLane<A>(a, l), getLane<B>(b, l), getLane<C>(c, l)); });
}

inline void setPredicate(Warp &warp, u32 slot, u32 mask, u32 value) {
  u32 &p = warp.predicate(slot);
  p = (p & ~mask) | (value & mask);
}

// ---- scalar formats
inline float bf16ToFloat(u16 h) { return std::bit_cast<float>(static_cast<u32>(h) << 16); }
/// Round to nearest even; NaN is 0x7fff as on the hardware.
inline u16 floatToBf16(float f) {
  u32 u = std::bit_cast<u32>(f);
  if ((u & 0x7fffffff) > 0x7f800000)
    return 0x7fff;
  return static_cast<u16>((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}
inline float f16ToFloat(u16 h) { return static_cast<float>(std::bit_cast<_Float16>(h)); }
inline u16 floatToF16(float f) { return f != f ? 0x7fff : std::bit_cast<u16>(static_cast<_Float16>(f)); }
inline float flushDenormal(float f) {
  u32 u = std::bit_cast<u32>(f);
  return (u & 0x7f800000) ? f : std::bit_cast<float>(u & 0x80000000);
}
/// min and max return the other operand for NaN, and order -0 before +0.
template <class T> inline T maxNumber(T a, T b) { return a != a ? b : b != b ? a : a > b ? a : b > a ? b : std::signbit(a) ? b : a; }
template <class T> inline T minNumber(T a, T b) { return a != a ? b : b != b ? a : a < b ? a : b < a ? b : std::signbit(a) ? a : b; }
} // namespace vgpu
