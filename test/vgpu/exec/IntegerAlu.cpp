// Integer arithmetic, comparison-free: add, mul, mad, div, min, max, dp4a, sad. Wrap-around as in two's complement.
// Division by zero gives all ones as the hardware does, and never traps the host.
#include "test/vgpu/exec/Handlers.h"
#include <limits>

namespace vgpu {
namespace {
template <class T> struct Integer {
  using U = std::make_unsigned_t<T>;
  static constexpr bool isSigned = std::is_signed_v<T>;
  static constexpr T add(T a, T b) { return static_cast<T>(static_cast<U>(a) + static_cast<U>(b)); }
  static constexpr T sub(T a, T b) { return static_cast<T>(static_cast<U>(a) - static_cast<U>(b)); }
  static constexpr T mulLo(T a, T b) {
    if constexpr (sizeof(T) == 2)
      return static_cast<T>(static_cast<u32>(a) * static_cast<u32>(b));
    else
      return static_cast<T>(static_cast<U>(a) * static_cast<U>(b));
  }
  static constexpr T mulHi(T a, T b) {
    using Wide = std::conditional_t<isSigned, __int128, unsigned __int128>;
    return static_cast<T>((static_cast<Wide>(a) * static_cast<Wide>(b)) >> (8 * sizeof(T)));
  }
  static constexpr T div(T a, T b) {
    if (b == 0)
      return static_cast<T>(~U{0});
    if (isSigned && b == static_cast<T>(-1))
      return sub(0, a);
    return static_cast<T>(a / b);
  }
  static constexpr T rem(T a, T b) {
    if (b == 0)
      return a;
    if (isSigned && b == static_cast<T>(-1))
      return 0;
    return static_cast<T>(a % b);
  }
  static constexpr T min(T a, T b) { return a < b ? a : b; }
  static constexpr T max(T a, T b) { return a > b ? a : b; }
  static constexpr T negate(T a) { return sub(0, a); }
  static constexpr T absolute(T a) { return a < 0 ? sub(0, a) : a; }
  static constexpr T madLo(T a, T b, T c) { return add(mulLo(a, b), c); }
  static constexpr T madHi(T a, T b, T c) { return add(mulHi(a, b), c); }
  static constexpr T sad(T a, T b, T c) { return add(c, static_cast<T>(a > b ? sub(a, b) : sub(b, a))); }
};

template <class T> T saturate(i64 v) {
  return static_cast<T>(std::min<i64>(std::max<i64>(v, std::numeric_limits<T>::min()), std::numeric_limits<T>::max()));
}
i32 addSaturating(i32 a, i32 b) { return saturate<i32>(static_cast<i64>(a) + b); }
i32 subSaturating(i32 a, i32 b) { return saturate<i32>(static_cast<i64>(a) - b); }

template <class T> void addArithmetic(HandlerTable &table, const std::string &type) {
  using I = Integer<T>;
  const std::string w = sizeof(T) == 8 ? "d" : "w", t = "." + type;
  auto two = [&](const std::string &name, Handler h) { table.add(name + t, w + w + w, h); };
  auto three = [&](const std::string &name, Handler h) { table.add(name + t, w + w + w + w, h); };
  two("add", binary<T, T, T, I::add>);
  two("sub", binary<T, T, T, I::sub>);
  two("mul.lo", binary<T, T, T, I::mulLo>);
  two("mul.hi", binary<T, T, T, I::mulHi>);
  two("div", binary<T, T, T, I::div>);
  two("rem", binary<T, T, T, I::rem>);
  two("min", binary<T, T, T, I::min>);
  two("max", binary<T, T, T, I::max>);
  three("mad.lo", ternary<T, T, T, T, I::madLo>);
  three("mad.hi", ternary<T, T, T, T, I::madHi>);
  three("sad", ternary<T, T, T, T, I::sad>);
  if constexpr (I::isSigned) {
    table.add("neg" + t, w + w, unary<T, T, I::negate>);
    table.add("abs" + t, w + w, unary<T, T, I::absolute>);
  }
}

template <class D, class S> D mulWide(S a, S b) { return static_cast<D>(static_cast<D>(a) * static_cast<D>(b)); }
template <class D, class S> D madWide(S a, S b, D c) { return Integer<D>::add(mulWide<D, S>(a, b), c); }
template <class D, class S> void addWide(HandlerTable &table, const std::string &type) {
  const std::string w = sizeof(D) == 8 ? "d" : "w";
  table.add("mul.wide." + type, w + "ww", binary<D, S, S, mulWide<D, S>>);
  table.add("mad.wide." + type, w + "ww" + w, ternary<D, S, S, D, madWide<D, S>>);
}

template <bool SA, bool SB> u32 dp4a(u32 a, u32 b, u32 c) {
  for (int i = 0; i < 32; i += 8) {
    i32 x = SA ? static_cast<i8>(a >> i) : static_cast<u8>(a >> i);
    i32 y = SB ? static_cast<i8>(b >> i) : static_cast<u8>(b >> i);
    c += static_cast<u32>(x * y);
  }
  return c;
}
template <bool SA, bool SB, int Half> u32 dp2a(u32 a, u32 b, u32 c) {
  for (int i = 0; i < 2; ++i) {
    i32 x = SA ? static_cast<i32>(static_cast<i16>(a >> (16 * i))) : static_cast<i32>(static_cast<u16>(a >> (16 * i)));
    u32 byte = b >> (8 * i + 16 * Half);
    i32 y = SB ? static_cast<i8>(byte) : static_cast<u8>(byte);
    c += static_cast<u32>(x * y);
  }
  return c;
}

// Carry chains: the carry flag is a hidden register, one bit a lane.
template <class T, bool CarryIn, bool CarryOut, bool Subtract> void carryChain(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a), *b = warp.reg(op.b);
  const u32 in = warp.carry;
  u32 out = 0;
  forLanes<T>(warp, op.d, mask, [&](int l) -> T {
    unsigned __int128 x = getLane<T>(a, l), y = static_cast<T>(Subtract ? ~getLane<T>(b, l) : getLane<T>(b, l));
    bool bit = CarryIn ? in >> l & 1 : false;
    unsigned __int128 sum = x + y + (Subtract ? !bit : bit);
    bool carry = sum >> (8 * sizeof(T)) & 1;
    out |= static_cast<u32>(Subtract ? !carry : carry) << l;
    return static_cast<T>(sum);
  });
  if (CarryOut)
    warp.carry = (in & ~mask) | (out & mask);
}
template <class T> void addCarry(HandlerTable &table, const std::string &type) {
  const std::string s = sizeof(T) == 8 ? "ddd" : "www";
  table.add("add.cc." + type, s, carryChain<T, false, true, false>);
  table.add("addc." + type, s, carryChain<T, true, false, false>);
  table.add("addc.cc." + type, s, carryChain<T, true, true, false>);
  table.add("sub.cc." + type, s, carryChain<T, false, true, true>);
  table.add("subc." + type, s, carryChain<T, true, false, true>);
  table.add("subc.cc." + type, s, carryChain<T, true, true, true>);
}
} // namespace

void addIntegerHandlers(HandlerTable &table) {
  addArithmetic<i16>(table, "s16");
  addArithmetic<u16>(table, "u16");
  addArithmetic<i32>(table, "s32");
  addArithmetic<u32>(table, "u32");
  addArithmetic<i64>(table, "s64");
  addArithmetic<u64>(table, "u64");
  addWide<i64, i32>(table, "s32");
  addWide<u64, u32>(table, "u32");
  addWide<i32, i16>(table, "s16");
  addWide<u32, u16>(table, "u16");
  table.add("add.sat.s32", "www", binary<i32, i32, i32, addSaturating>);
  table.add("sub.sat.s32", "www", binary<i32, i32, i32, subSaturating>);
  table.add("dp4a.s32.s32", "wwww", ternary<u32, u32, u32, u32, dp4a<true, true>>);
  table.add("dp4a.u32.u32", "wwww", ternary<u32, u32, u32, u32, dp4a<false, false>>);
  table.add("dp4a.u32.s32", "wwww", ternary<u32, u32, u32, u32, dp4a<false, true>>);
  table.add("dp4a.s32.u32", "wwww", ternary<u32, u32, u32, u32, dp4a<true, false>>);
  table.add("dp2a.lo.s32.s32", "wwww", ternary<u32, u32, u32, u32, dp2a<true, true, 0>>);
  table.add("dp2a.hi.s32.s32", "wwww", ternary<u32, u32, u32, u32, dp2a<true, true, 1>>);
  for (const char *type : {"u32", "s32", "b32"})
    addCarry<u32>(table, type);
  for (const char *type : {"u64", "s64", "b64"})
    addCarry<u64>(table, type);
}
} // namespace vgpu
