// cvt between integers and the IEEE formats, scalar and packed. Float to integer clamps and maps NaN to 0, as PTX says.
#include "test/vgpu/exec/Handlers.h"
#include <cfenv>
#include <limits>

namespace vgpu {
namespace {
enum Round { Nearest, Zero, Down, Up };

template <Round R, class F> F roundToInteger(F f) {
  return R == Nearest ? std::nearbyint(f) : R == Zero ? std::trunc(f) : R == Down ? std::floor(f) : std::ceil(f);
}

template <class D, class S, Round R> D floatToInteger(S value) {
  if (value != value)
    return 0;
  S r = roundToInteger<R>(value);
  // 2^digits is exact in S although the largest integer is not.
  const S limit = std::ldexp(S(1), std::numeric_limits<D>::digits);
  if (r >= limit)
    return std::numeric_limits<D>::max();
  if (r < (std::is_signed_v<D> ? -limit : S(0)))
    return std::numeric_limits<D>::min();
  return static_cast<D>(r);
}
template <class D, Round R> D f32ToInteger(float f) { return floatToInteger<D, float, R>(f); }
template <class D, Round R> D f32FlushToInteger(float f) { return floatToInteger<D, float, R>(flushDenormal(f)); }
template <class D, Round R> D f64ToInteger(double f) { return floatToInteger<D, double, R>(f); }
template <class D, Round R> D f16ToInteger(u16 h) { return floatToInteger<D, float, R>(f16ToFloat(h)); }
template <class D, Round R> D bf16ToInteger(u16 h) { return floatToInteger<D, float, R>(bf16ToFloat(h)); }

template <class S> float integerToF32(S v) { return static_cast<float>(v); }
template <class S> double integerToF64(S v) { return static_cast<double>(v); }
template <class S> u16 integerToF16(S v) { return std::bit_cast<u16>(static_cast<_Float16>(static_cast<double>(v))); }
template <class S> u16 integerToBf16(S v) { return floatToBf16(static_cast<float>(v)); }

template <class D, class S> D truncateOrExtend(S v) { return static_cast<D>(v); }
template <class D, class S> D saturate(S v) {
  using Wide = __int128;
  Wide w = v, low = std::numeric_limits<D>::min(), high = std::numeric_limits<D>::max();
  return static_cast<D>(w < low ? low : w > high ? high : w);
}

template <class T> std::string letter() { return sizeof(T) == 8 ? "d" : "w"; }
template <class T> std::string integerName() { return (std::is_signed_v<T> ? "s" : "u") + std::to_string(8 * sizeof(T)); }

template <class D, class S> void addIntegerPair(HandlerTable &table) {
  std::string name = integerName<D>() + "." + integerName<S>(), signature = letter<D>() + letter<S>();
  table.add("cvt." + name, signature, unary<D, S, truncateOrExtend<D, S>>);
  table.add("cvt.sat." + name, signature, unary<D, S, saturate<D, S>>);
}
template <class D> void addIntegerPairs(HandlerTable &table) {
  addIntegerPair<D, i8>(table), addIntegerPair<D, u8>(table), addIntegerPair<D, i16>(table), addIntegerPair<D, u16>(table);
  addIntegerPair<D, i32>(table), addIntegerPair<D, u32>(table), addIntegerPair<D, i64>(table), addIntegerPair<D, u64>(table);
}

template <class T, Round R> void addToInteger(HandlerTable &table, const std::string &round) {
  std::string prefix = "cvt." + round, to = "." + integerName<T>(), d = letter<T>();
  table.add(prefix + to + ".f32", d + "w", unary<T, float, f32ToInteger<T, R>>);
  table.add(prefix + ".ftz" + to + ".f32", d + "w", unary<T, float, f32FlushToInteger<T, R>>);
  table.add(prefix + ".sat" + to + ".f32", d + "w", unary<T, float, f32ToInteger<T, R>>);
  table.add(prefix + to + ".f64", d + "d", unary<T, double, f64ToInteger<T, R>>);
  table.add(prefix + to + ".f16", d + "w", unary<T, u16, f16ToInteger<T, R>>);
  table.add(prefix + to + ".bf16", d + "w", unary<T, u16, bf16ToInteger<T, R>>);
}
template <class T> void addFloatInteger(HandlerTable &table) {
  addToInteger<T, Nearest>(table, "rni");
  addToInteger<T, Zero>(table, "rzi");
  addToInteger<T, Down>(table, "rmi");
  addToInteger<T, Up>(table, "rpi");
  std::string from = "." + integerName<T>(), s = letter<T>();
  table.add("cvt.rn.f32" + from, "w" + s, unary<float, T, integerToF32<T>>);
  table.add("cvt.rn.f64" + from, "d" + s, unary<double, T, integerToF64<T>>);
  table.add("cvt.rn.f16" + from, "w" + s, unary<u16, T, integerToF16<T>>);
  table.add("cvt.rn.bf16" + from, "w" + s, unary<u16, T, integerToBf16<T>>);
}

float f32Flush(float f) { return flushDenormal(f); }
float f64ToF32(double d) { return static_cast<float>(d); }
double f32ToF64(float f) { return f; }
float saturateF32(float f) { return f != f ? 0.f : std::min(std::max(f, 0.f), 1.f); }
u16 f64ToF16(double d) { return std::bit_cast<u16>(static_cast<_Float16>(d)); }
double f16ToF64(u16 h) { return f16ToFloat(h); }
u16 f32ToBf16Zero(float f) { return f != f ? 0x7fff : static_cast<u16>(std::bit_cast<u32>(f) >> 16); }
u16 f32ToF16Zero(float f) {
  u16 h = floatToF16(f);
  bool tooLarge = std::fabs(f16ToFloat(h)) > std::fabs(f); // also the infinity that rounding made of a finite value
  return tooLarge ? h - 1 : h;
}
u16 relu(u16 h) { return (h & 0x7fff) > 0x7f80 ? h : h >> 15 ? 0 : h; }
u16 f32ToBf16Relu(float f) { return relu(floatToBf16(f)); }
u16 f32ToF16Relu(float f) { return f != f ? 0x7fff : floatToF16(std::max(f, 0.f)); }
/// cvt.rn.XXx2.f32 d, a, b: a in the upper half, b in the lower.
template <auto F> u32 packPair(float a, float b) { return static_cast<u32>(F(a)) << 16 | F(b); }
u16 bf16ToF16(u16 h) { return floatToF16(bf16ToFloat(h)); }
u16 f16ToBf16(u16 h) { return floatToBf16(f16ToFloat(h)); }
u32 f32ToTf32(float f) { // nearest, ties away from zero, 10 bits of mantissa
  u32 u = std::bit_cast<u32>(f);
  return (u & 0x7f800000) == 0x7f800000 ? u : (u + 0x1000) & ~0x1fffu;
}

template <auto To16> void addNarrow(HandlerTable &table, const std::string &prefix, const std::string &type) {
  table.add(prefix + "." + type + ".f32", "ww", unary<u16, float, To16>);
  table.add(prefix + "." + type + "x2.f32", "www", binary<u32, float, float, packPair<To16>>);
}
template <Round R> float integral(float f) { return roundToInteger<R>(f); }
template <Round R> float integralFlush(float f) { return roundToInteger<R>(flushDenormal(f)); }
template <Round R> double integralD(double f) { return roundToInteger<R>(f); }
template <Round R> void addIntegral(HandlerTable &table, const std::string &round) {
  table.add("cvt." + round + ".f32.f32", "ww", unary<float, float, integral<R>>);
  table.add("cvt." + round + ".ftz.f32.f32", "ww", unary<float, float, integralFlush<R>>);
  table.add("cvt." + round + ".f64.f64", "dd", unary<double, double, integralD<R>>);
}

void addFloatFormats(HandlerTable &table) {
  addNarrow<floatToBf16>(table, "cvt.rn", "bf16");
  addNarrow<floatToF16>(table, "cvt.rn", "f16");
  addNarrow<f32ToBf16Zero>(table, "cvt.rz", "bf16");
  addNarrow<f32ToF16Zero>(table, "cvt.rz", "f16");
  addNarrow<f32ToBf16Relu>(table, "cvt.rn.relu", "bf16");
  addNarrow<f32ToF16Relu>(table, "cvt.rn.relu", "f16");
  for (const char *flush : {"", ".ftz"}) {
    table.add(std::string("cvt") + flush + ".f32.f16", "ww", unary<float, u16, f16ToFloat>);
    table.add(std::string("cvt") + flush + ".f64.f32", "dw", unary<double, float, f32ToF64>);
  }
  table.add("cvt.f32.bf16", "ww", unary<float, u16, bf16ToFloat>);
  table.add("cvt.rn.f32.f64", "wd", unary<float, double, f64ToF32>);
  table.add("cvt.rn.f16.f64", "wd", unary<u16, double, f64ToF16>);
  table.add("cvt.f64.f16", "dw", unary<double, u16, f16ToF64>);
  table.add("cvt.rn.f16.bf16", "ww", unary<u16, u16, bf16ToF16>);
  table.add("cvt.rn.bf16.f16", "ww", unary<u16, u16, f16ToBf16>);
  table.add("cvt.ftz.f32.f32", "ww", unary<float, float, f32Flush>);
  table.add("cvt.sat.f32.f32", "ww", unary<float, float, saturateF32>);
  table.add("cvt.ftz.sat.f32.f32", "ww", unary<float, float, saturateF32>);
  table.add("cvt.rna.tf32.f32", "ww", unary<u32, float, f32ToTf32>);
  addIntegral<Nearest>(table, "rni");
  addIntegral<Zero>(table, "rzi");
  addIntegral<Down>(table, "rmi");
  addIntegral<Up>(table, "rpi");
}
} // namespace

void addConversionHandlers(HandlerTable &table) {
  addIntegerPairs<i8>(table), addIntegerPairs<u8>(table), addIntegerPairs<i16>(table), addIntegerPairs<u16>(table);
  addIntegerPairs<i32>(table), addIntegerPairs<u32>(table), addIntegerPairs<i64>(table), addIntegerPairs<u64>(table);
  addFloatInteger<i8>(table), addFloatInteger<u8>(table), addFloatInteger<i16>(table), addFloatInteger<u16>(table);
  addFloatInteger<i32>(table), addFloatInteger<u32>(table), addFloatInteger<i64>(table), addFloatInteger<u64>(table);
  addFloatFormats(table);
}
} // namespace vgpu
