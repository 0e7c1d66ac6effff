// The 8-bit floats e4m3 and e5m2, always packed in pairs. Conversion to them saturates to the largest finite value.
#include "test/vgpu/exec/Handlers.h"

namespace vgpu {
namespace {
/// A format of sign, exponent and mantissa bits; e4m3 has no infinity and only 0x7f as NaN.
template <int Exponent, int Mantissa, u8 Largest> struct Small {
  static constexpr int bias = (1 << (Exponent - 1)) - 1;

  static float toFloat(u8 code) {
    u32 magnitude = code & 0x7f;
    float sign = code & 0x80 ? -1.f : 1.f;
    if (magnitude > Largest)
      return Exponent == 5 && magnitude == 0x7c ? sign * INFINITY : NAN;
    int exponent = static_cast<int>(magnitude >> Mantissa), fraction = magnitude & ((1 << Mantissa) - 1);
    float value = exponent ? std::ldexp(static_cast<float>(fraction + (1 << Mantissa)), exponent - bias - Mantissa)
                           : std::ldexp(static_cast<float>(fraction), 1 - bias - Mantissa);
    return sign * value;
  }

  static u8 fromFloat(float f) { // round to nearest even, saturating to finite
    if (f != f)
      return 0x7f;
    u8 sign = std::signbit(f) ? 0x80 : 0;
    float magnitude = std::fabs(f);
    if (magnitude == 0)
      return sign;
    if (magnitude >= toFloat(Largest))
      return sign | Largest;
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    exponent = std::max(exponent - 1, 1 - bias); // of the leading bit, or the subnormals' one
    float steps = std::nearbyint(std::ldexp(magnitude, Mantissa - exponent));
    u32 code = static_cast<u32>(steps) + (static_cast<u32>(exponent + bias - 1) << Mantissa);
    return sign | static_cast<u8>(std::min<u32>(code, Largest));
  }
};
using E4M3 = Small<4, 3, 0x7e>;
using E5M2 = Small<5, 2, 0x7b>;

template <class S> u16 fromPair(float a, float b) { return static_cast<u16>(S::fromFloat(a) << 8 | S::fromFloat(b)); }
template <class S> u16 fromHalves(u32 v) {
  return fromPair<S>(f16ToFloat(static_cast<u16>(v >> 16)), f16ToFloat(static_cast<u16>(v)));
}
template <class S> u32 toHalves(u16 v) {
  return static_cast<u32>(floatToF16(S::toFloat(static_cast<u8>(v >> 8)))) << 16 | floatToF16(S::toFloat(static_cast<u8>(v)));
}

template <class S> void addFormat(HandlerTable &table, const std::string &name) {
  table.add("cvt.rn.satfinite." + name + ".f32", "www", binary<u16, float, float, fromPair<S>>);
  table.add("cvt.rn.satfinite." + name + ".f16x2", "ww", unary<u16, u32, fromHalves<S>>);
  table.add("cvt.rn.f16x2." + name, "ww", unary<u32, u16, toHalves<S>>);
}
} // namespace

void addSmallFloatHandlers(HandlerTable &table) {
  addFormat<E4M3>(table, "e4m3x2");
  addFormat<E5M2>(table, "e5m2x2");
}

const HandlerTable &HandlerTable::get() {
  static const HandlerTable table = [] {
    HandlerTable t;
    addIntegerHandlers(t);
    addBitHandlers(t);
    addFloatHandlers(t);
    addHalfHandlers(t);
    addPredicateHandlers(t);
    addConversionHandlers(t);
    addSmallFloatHandlers(t);
    return t;
  }();
  return table;
}
} // namespace vgpu
