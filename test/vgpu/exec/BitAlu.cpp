// Logic, shifts, bit fields, byte permutation and counting. Shift amounts clamp at the width, as PTX says.
#include "test/vgpu/exec/Handlers.h"

namespace vgpu {
namespace {
template <class T> struct Bits {
  static constexpr u32 width = 8 * sizeof(T);
  static T land(T a, T b) { return a & b; }
  static T lor(T a, T b) { return a | b; }
  static T lxor(T a, T b) { return a ^ b; }
  static T lnot(T a) { return static_cast<T>(~a); }
  static T cnot(T a) { return a == 0; }
  static T shl(T a, u32 n) { return n >= width ? 0 : static_cast<T>(a << n); }
  static T shr(T a, u32 n) { return n >= width ? 0 : static_cast<T>(a >> n); }
  static T sar(T a, u32 n) {
    using S = std::make_signed_t<T>;
    return static_cast<T>(static_cast<S>(a) >> std::min(n, width - 1));
  }
  static T move(T a) { return a; }
  static u32 popc(T a) { return static_cast<u32>(std::popcount(a)); }
  static u32 clz(T a) { return static_cast<u32>(std::countl_zero(a)); }
  static T brev(T a) {
    T r = 0;
    for (u32 i = 0; i < width; ++i)
      r = static_cast<T>(r << 1 | (a >> i & 1));
    return r;
  }
  static u32 findUnsigned(T a) { return a ? width - 1 - clz(a) : ~0u; }
  static u32 findSigned(T a) { return findUnsigned(a >> (width - 1) ? static_cast<T>(~a) : a); }
  // .shiftamt: the shift that brings the bit found to the top.
  static u32 shiftUnsigned(T a) { return a ? clz(a) : ~0u; }
  static u32 shiftSigned(T a) { return shiftUnsigned(a >> (width - 1) ? static_cast<T>(~a) : a); }
  static T extractUnsigned(T a, u32 pos, u32 len) {
    pos &= 0xff, len &= 0xff;
    T v = shr(a, pos);
    return len >= width ? v : static_cast<T>(v & (shl(1, len) - 1));
  }
  static T extractSigned(T a, u32 pos, u32 len) {
    pos &= 0xff, len &= 0xff;
    if (len == 0)
      return 0;
    T sign = a >> std::min(pos + len - 1, width - 1) & 1;
    T v = extractUnsigned(a, pos, len);
    u32 got = pos >= width ? 0 : std::min(len, width - pos);
    return sign && got < width ? static_cast<T>(v | ~(shl(1, got) - 1)) : v;
  }
};

template <class T> void bitFieldInsert(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b), *c = warp.reg(op.c), *e = warp.reg(op.e);
  forLanes<T>(warp, op.d, mask, [&](int l) -> T {
    u32 pos = getLane<u32>(c, l) & 0xff, len = getLane<u32>(e, l) & 0xff;
    T ones = len >= Bits<T>::width ? static_cast<T>(~T{0}) : static_cast<T>(Bits<T>::shl(1, len) - 1);
    T field = Bits<T>::shl(ones, pos);
    return (getLane<T>(b, l) & ~field) | (Bits<T>::shl(getLane<T>(a, l), pos) & field);
  });
}

void lop3(Warp &warp, const Op &op, u32 mask) { // lop3.b32 d, a, b, c, table
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b), *c = warp.reg(op.c), *e = warp.reg(op.e);
  forLanes<u32>(warp, op.d, mask, [&](int l) -> u32 {
    u32 x = getLane<u32>(a, l), y = getLane<u32>(b, l), z = getLane<u32>(c, l), table = getLane<u32>(e, l), r = 0;
    for (int i = 0; i < 8; ++i)
      if (table >> i & 1)
        r |= (i & 4 ? x : ~x) & (i & 2 ? y : ~y) & (i & 1 ? z : ~z);
    return r;
  });
}

u32 permute(u32 a, u32 b, u32 selector) {
  u64 bytes = static_cast<u64>(b) << 32 | a;
  u32 r = 0;
  for (int i = 0; i < 4; ++i) {
    u32 s = selector >> (4 * i) & 0xf, byte = static_cast<u32>(bytes >> (8 * (s & 7))) & 0xff;
    r |= (s & 8 ? (byte & 0x80 ? 0xff : 0) : byte) << (8 * i);
  }
  return r;
}

template <bool Left, bool Wrap> u32 funnelShift(u32 low, u32 high, u32 n) {
  n = Wrap ? n & 31 : std::min(n, 32u);
  u64 both = static_cast<u64>(high) << 32 | low;
  return static_cast<u32>(Left ? (both << n) >> 32 : both >> n);
}

template <class T> void addBits(HandlerTable &table, const std::string &bits) {
  using B = Bits<T>;
  const std::string w = sizeof(T) == 8 ? "d" : "w", t = ".b" + bits;
  table.add("and" + t, w + w + w, binary<T, T, T, B::land>);
  table.add("or" + t, w + w + w, binary<T, T, T, B::lor>);
  table.add("xor" + t, w + w + w, binary<T, T, T, B::lxor>);
  table.add("not" + t, w + w, unary<T, T, B::lnot>);
  table.add("cnot" + t, w + w, unary<T, T, B::cnot>);
  table.add("shl" + t, w + w + "w", binary<T, T, u32, B::shl>);
  table.add("shr" + t, w + w + "w", binary<T, T, u32, B::shr>);
  table.add("shr.u" + bits, w + w + "w", binary<T, T, u32, B::shr>);
  table.add("shr.s" + bits, w + w + "w", binary<T, T, u32, B::sar>);
  for (const char *kind : {"b", "u", "s", "f"})
    table.add("mov." + (kind + bits), w + w, unary<T, T, B::move>);
  if constexpr (sizeof(T) >= 4) {
    table.add("popc" + t, "w" + w, unary<u32, T, B::popc>);
    table.add("clz" + t, "w" + w, unary<u32, T, B::clz>);
    table.add("brev" + t, w + w, unary<T, T, B::brev>);
    table.add("bfind.u" + bits, "w" + w, unary<u32, T, B::findUnsigned>);
    table.add("bfind.s" + bits, "w" + w, unary<u32, T, B::findSigned>);
    table.add("bfind.shiftamt.u" + bits, "w" + w, unary<u32, T, B::shiftUnsigned>);
    table.add("bfind.shiftamt.s" + bits, "w" + w, unary<u32, T, B::shiftSigned>);
    table.add("bfe.u" + bits, w + w + "ww", ternary<T, T, u32, u32, B::extractUnsigned>);
    table.add("bfe.s" + bits, w + w + "ww", ternary<T, T, u32, u32, B::extractSigned>);
    table.add("bfi" + t, w + w + w + "ww", bitFieldInsert<T>);
  }
}
} // namespace

void addBitHandlers(HandlerTable &table) {
  addBits<u16>(table, "16");
  addBits<u32>(table, "32");
  addBits<u64>(table, "64");
  table.add("lop3.b32", "wwwww", lop3);
  table.add("prmt.b32", "wwww", ternary<u32, u32, u32, u32, permute>);
  table.add("shf.l.wrap.b32", "wwww", ternary<u32, u32, u32, u32, funnelShift<true, true>>);
  table.add("shf.l.clamp.b32", "wwww", ternary<u32, u32, u32, u32, funnelShift<true, false>>);
  table.add("shf.r.wrap.b32", "wwww", ternary<u32, u32, u32, u32, funnelShift<false, true>>);
  table.add("shf.r.clamp.b32", "wwww", ternary<u32, u32, u32, u32, funnelShift<false, false>>);
}
} // namespace vgpu
