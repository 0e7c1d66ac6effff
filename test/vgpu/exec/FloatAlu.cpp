// f32 and f64 arithmetic. Built with -ffp-contract=off: a product and a sum never fuse on their own.
// The approximate instructions (ex2, lg2, rsqrt, sin, tanh, ...) are computed exactly rounded here, so they differ from
// hardware in their last bits: compare with tolerances. .ftz flushes inputs and results.
#include "test/vgpu/exec/Handlers.h"
#include <cfenv>

namespace vgpu {
namespace {
float clamp01(float f) { return f != f ? 0.f : std::min(std::max(f, 0.f), 1.f); }

template <auto F> float flushed1(float a) { return flushDenormal(F(flushDenormal(a))); }
template <auto F> float flushed2(float a, float b) { return flushDenormal(F(flushDenormal(a), flushDenormal(b))); }
template <auto F> float flushed3(float a, float b, float c) {
  return flushDenormal(F(flushDenormal(a), flushDenormal(b), flushDenormal(c)));
}
template <auto F> float saturated2(float a, float b) { return clamp01(F(a, b)); }
template <auto F> float saturated3(float a, float b, float c) { return clamp01(F(a, b, c)); }

/// `names`: spellings without .ftz and type, e.g. {"add", "add.rn"}.
template <auto F> void addUnary(HandlerTable &table, std::initializer_list<std::string> names) {
  for (const std::string &name : names) {
    table.add(name + ".f32", "ww", unary<float, float, F>);
    table.add(name + ".ftz.f32", "ww", unary<float, float, flushed1<F>>);
  }
}
template <auto F> void addBinary(HandlerTable &table, std::initializer_list<std::string> names) {
  for (const std::string &name : names) {
    table.add(name + ".f32", "www", binary<float, float, float, F>);
    table.add(name + ".ftz.f32", "www", binary<float, float, float, flushed2<F>>);
    table.add(name + ".sat.f32", "www", binary<float, float, float, saturated2<F>>);
    table.add(name + ".ftz.sat.f32", "www", binary<float, float, float, saturated2<flushed2<F>>>);
  }
}

float addF(float a, float b) { return a + b; }
float subF(float a, float b) { return a - b; }
float mulF(float a, float b) { return a * b; }
float divF(float a, float b) { return a / b; }
float fmaF(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
float negF(float a) { return -a; }
float absF(float a) { return std::fabs(a); }
float sqrtF(float a) { return std::sqrt(a); }
float rsqrtF(float a) { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(a))); }
float rcpF(float a) { return 1.f / a; }
float ex2F(float a) { return std::exp2(a); }
float lg2F(float a) { return std::log2(a); }
float sinF(float a) { return std::sin(a); }
float cosF(float a) { return std::cos(a); }
float tanhF(float a) { return std::tanh(a); }
float copySign(float a, float b) { return std::copysign(b, a); }
float maxNan(float a, float b) { return a != a || b != b ? std::bit_cast<float>(0x7fffffffu) : maxNumber(a, b); }
float minNan(float a, float b) { return a != a || b != b ? std::bit_cast<float>(0x7fffffffu) : minNumber(a, b); }
u32 testFinite(float a) { return std::isfinite(a); }
u32 testInfinite(float a) { return std::isinf(a); }
u32 testNan(float a) { return a != a; }

/// The operation under another rounding mode; volatile keeps it between the two switches.
template <auto F, int Mode> float directed2(float a, float b) {
  volatile float x = a, y = b;
  fesetround(Mode);
  volatile float result = F(x, y);
  fesetround(FE_TONEAREST);
  return result;
}
template <auto F, int Mode> float directed3(float a, float b, float c) {
  volatile float x = a, y = b, z = c;
  fesetround(Mode);
  volatile float result = F(x, y, z);
  fesetround(FE_TONEAREST);
  return result;
}
template <int Mode> void addDirected(HandlerTable &table, const std::string &round) {
  addBinary<directed2<addF, Mode>>(table, {"add." + round});
  addBinary<directed2<subF, Mode>>(table, {"sub." + round});
  addBinary<directed2<mulF, Mode>>(table, {"mul." + round});
  addBinary<directed2<divF, Mode>>(table, {"div." + round});
  table.add("fma." + round + ".f32", "wwww", ternary<float, float, float, float, directed3<fmaF, Mode>>);
  table.add("fma." + round + ".ftz.f32", "wwww", ternary<float, float, float, float, flushed3<directed3<fmaF, Mode>>>);
}

double addD(double a, double b) { return a + b; }
double subD(double a, double b) { return a - b; }
double mulD(double a, double b) { return a * b; }
double divD(double a, double b) { return a / b; }
double fmaD(double a, double b, double c) { return std::fma(a, b, c); }
double negD(double a) { return -a; }
double absD(double a) { return std::fabs(a); }
double sqrtD(double a) { return std::sqrt(a); }
double rcpD(double a) { return 1.0 / a; }
double rsqrtD(double a) { return 1.0 / std::sqrt(a); }
double copySignD(double a, double b) { return std::copysign(b, a); }

template <auto F> void testProperty(Warp &warp, const Op &op, u32 mask) {
  const u8 *a = warp.reg(op.a);
  u32 bits = 0;
  for (int l = 0; l < 32; ++l)
    bits |= F(getLane<float>(a, l)) << l;
  setPredicate(warp, op.d, mask, bits);
}

void addDouble(HandlerTable &table) {
  for (const char *round : {"", ".rn"}) {
    std::string r = round;
    table.add("add" + r + ".f64", "ddd", binary<double, double, double, addD>);
    table.add("sub" + r + ".f64", "ddd", binary<double, double, double, subD>);
    table.add("mul" + r + ".f64", "ddd", binary<double, double, double, mulD>);
  }
  table.add("div.rn.f64", "ddd", binary<double, double, double, divD>);
  table.add("fma.rn.f64", "dddd", ternary<double, double, double, double, fmaD>);
  table.add("neg.f64", "dd", unary<double, double, negD>);
  table.add("abs.f64", "dd", unary<double, double, absD>);
  table.add("sqrt.rn.f64", "dd", unary<double, double, sqrtD>);
  table.add("rcp.rn.f64", "dd", unary<double, double, rcpD>);
  table.add("rcp.approx.ftz.f64", "dd", unary<double, double, rcpD>);
  table.add("rsqrt.approx.f64", "dd", unary<double, double, rsqrtD>);
  table.add("rsqrt.approx.ftz.f64", "dd", unary<double, double, rsqrtD>);
  table.add("min.f64", "ddd", binary<double, double, double, minNumber<double>>);
  table.add("max.f64", "ddd", binary<double, double, double, maxNumber<double>>);
  table.add("copysign.f64", "ddd", binary<double, double, double, copySignD>);
}
} // namespace

void addFloatHandlers(HandlerTable &table) {
  addBinary<addF>(table, {"add", "add.rn"});
  addBinary<subF>(table, {"sub", "sub.rn"});
  addBinary<mulF>(table, {"mul", "mul.rn"});
  addBinary<divF>(table, {"div.rn", "div.full", "div.approx"});
  addBinary<maxNumber<float>>(table, {"max"});
  addBinary<minNumber<float>>(table, {"min"});
  addBinary<maxNan>(table, {"max.NaN"});
  addBinary<minNan>(table, {"min.NaN"});
  table.add("fma.rn.f32", "wwww", ternary<float, float, float, float, fmaF>);
  table.add("fma.rn.ftz.f32", "wwww", ternary<float, float, float, float, flushed3<fmaF>>);
  table.add("fma.rn.sat.f32", "wwww", ternary<float, float, float, float, saturated3<fmaF>>);
  table.add("fma.rn.ftz.sat.f32", "wwww", ternary<float, float, float, float, saturated3<flushed3<fmaF>>>);
  addUnary<negF>(table, {"neg"});
  addUnary<absF>(table, {"abs"});
  addUnary<sqrtF>(table, {"sqrt.rn", "sqrt.approx"});
  addUnary<rsqrtF>(table, {"rsqrt.approx"});
  addUnary<rcpF>(table, {"rcp.rn", "rcp.approx"});
  addUnary<ex2F>(table, {"ex2.approx"});
  addUnary<lg2F>(table, {"lg2.approx"});
  addUnary<sinF>(table, {"sin.approx"});
  addUnary<cosF>(table, {"cos.approx"});
  addUnary<tanhF>(table, {"tanh.approx"});
  table.add("copysign.f32", "www", binary<float, float, float, copySign>);
  table.add("testp.finite.f32", "pw", testProperty<testFinite>);
  table.add("testp.infinite.f32", "pw", testProperty<testInfinite>);
  table.add("testp.notanumber.f32", "pw", testProperty<testNan>);
  addDirected<FE_TOWARDZERO>(table, "rz");
  addDirected<FE_DOWNWARD>(table, "rm");
  addDirected<FE_UPWARD>(table, "rp");
  addDouble(table);
}
} // namespace vgpu
