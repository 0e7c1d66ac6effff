// f16 and bf16 arithmetic, scalar and packed in pairs: computed in double, rounded once to the format.
#include "test/vgpu/exec/Handlers.h"

namespace vgpu {
namespace {
/// A double to bf16 with one rounding: the float is made odd-rounded first, so that the second rounding is right.
float oddRounded(double x) {
  float f = static_cast<float>(x);
  if (static_cast<double>(f) == x || f != f || std::isinf(f))
    return f;
  u32 u = std::bit_cast<u32>(f);
  bool awayFromZero = std::fabs(static_cast<double>(f)) > std::fabs(x);
  u32 truncated = awayFromZero ? u - 1 : u;
  return std::bit_cast<float>(truncated | 1);
}

struct F16 {
  static double to(u16 h) { return f16ToFloat(h); }
  static u16 from(double d) { return d != d ? 0x7fff : std::bit_cast<u16>(static_cast<_Float16>(d)); }
};
struct Bf16 {
  static double to(u16 h) { return bf16ToFloat(h); }
  static u16 from(double d) { return floatToBf16(oddRounded(d)); }
};

double addX(double a, double b) { return a + b; }
double subX(double a, double b) { return a - b; }
double mulX(double a, double b) { return a * b; }
double fmaX(double a, double b, double c) { return std::fma(a, b, c); }
double fmaRelu(double a, double b, double c) { return maxNumber(std::fma(a, b, c), 0.0); }
double ex2X(double a) { return std::exp2(a); }
double tanhX(double a) { return std::tanh(a); }
double maxNanX(double a, double b) { return a != a || b != b ? NAN : maxNumber(a, b); }
double minNanX(double a, double b) { return a != a || b != b ? NAN : minNumber(a, b); }

template <class H, auto F> u16 half1(u16 a) { return H::from(F(H::to(a))); }
template <class H, auto F> u16 half2(u16 a, u16 b) { return H::from(F(H::to(a), H::to(b))); }
template <class H, auto F> u16 half3(u16 a, u16 b, u16 c) { return H::from(F(H::to(a), H::to(b), H::to(c))); }
u16 negate(u16 a) { return a ^ 0x8000; }
u16 absolute(u16 a) { return a & 0x7fff; }

u16 low(u32 v) { return static_cast<u16>(v); }
u16 high(u32 v) { return static_cast<u16>(v >> 16); }
u32 pair(u16 l, u16 h) { return l | static_cast<u32>(h) << 16; }
template <auto F> u32 pair1(u32 a) { return pair(F(low(a)), F(high(a))); }
template <auto F> u32 pair2(u32 a, u32 b) { return pair(F(low(a), low(b)), F(high(a), high(b))); }
template <auto F> u32 pair3(u32 a, u32 b, u32 c) { return pair(F(low(a), low(b), low(c)), F(high(a), high(b), high(c))); }

template <auto F> void add1(HandlerTable &table, const std::string &name, const std::string &type) {
  table.add(name + "." + type, "ww", unary<u16, u16, F>);
  table.add(name + "." + type + "x2", "ww", unary<u32, u32, pair1<F>>);
}
template <auto F> void add2(HandlerTable &table, const std::string &name, const std::string &type) {
  table.add(name + "." + type, "www", binary<u16, u16, u16, F>);
  table.add(name + "." + type + "x2", "www", binary<u32, u32, u32, pair2<F>>);
}
template <auto F> void add3(HandlerTable &table, const std::string &name, const std::string &type) {
  table.add(name + "." + type, "wwww", ternary<u16, u16, u16, u16, F>);
  table.add(name + "." + type + "x2", "wwww", ternary<u32, u32, u32, u32, pair3<F>>);
}

template <class H> void addFormat(HandlerTable &table, const std::string &type) {
  for (const char *round : {"", ".rn"}) {
    std::string r = round;
    add2<half2<H, addX>>(table, "add" + r, type);
    add2<half2<H, subX>>(table, "sub" + r, type);
    add2<half2<H, mulX>>(table, "mul" + r, type);
  }
  add3<half3<H, fmaX>>(table, "fma.rn", type);
  add3<half3<H, fmaRelu>>(table, "fma.rn.relu", type);
  add2<half2<H, maxNumber<double>>>(table, "max", type);
  add2<half2<H, minNumber<double>>>(table, "min", type);
  add2<half2<H, maxNanX>>(table, "max.NaN", type);
  add2<half2<H, minNanX>>(table, "min.NaN", type);
  add1<negate>(table, "neg", type);
  add1<absolute>(table, "abs", type);
  add1<half1<H, ex2X>>(table, "ex2.approx", type);
  add1<half1<H, ex2X>>(table, "ex2.approx.ftz", type);
  add1<half1<H, tanhX>>(table, "tanh.approx", type);
}
} // namespace

void addHalfHandlers(HandlerTable &table) {
  addFormat<F16>(table, "f16");
  addFormat<Bf16>(table, "bf16");
}
} // namespace vgpu
