// Instructions against host arithmetic: each runs on 32 random lanes, edge values among them, under a random predicate.
#include "test/vgpu/tests/OneInstruction.h"

namespace vgpu::test {
namespace {
TEST_F(InstructionsTest, Integers) {
  expectInteger<u32, u32>("add.s32", [](u32 a, u32 b) { return a + b; });
  expectInteger<u32, u32>("sub.s32", [](u32 a, u32 b) { return a - b; });
  expectInteger<u32, u32>("mul.lo.s32", [](u32 a, u32 b) { return a * b; });
  expectInteger<u64, u64>("mul.lo.s64", [](u64 a, u64 b) { return a * b; });
  expectInteger<i64, i32>("mul.wide.s32", [](i32 a, i32 b) { return static_cast<i64>(a) * b; });
  expectInteger<u64, u32>("mul.wide.u32", [](u32 a, u32 b) { return static_cast<u64>(a) * b; });
  expectInteger<u32, u32>("mul.hi.u32", [](u32 a, u32 b) { return static_cast<u32>(static_cast<u64>(a) * b >> 32); });
  expectInteger<i32, i32>("mul.hi.s32", [](i32 a, i32 b) { return static_cast<i32>(static_cast<i64>(a) * b >> 32); });
  expectInteger<i32, i32>("min.s32", [](i32 a, i32 b) { return std::min(a, b); });
  expectInteger<u64, u64>("max.u64", [](u64 a, u64 b) { return std::max(a, b); });
  expectInteger<u32, u32>("and.b32", [](u32 a, u32 b) { return a & b; });
  expectInteger<u64, u64>("xor.b64", [](u64 a, u64 b) { return a ^ b; });
  expectInteger<u32, u32>("shl.b32", [](u32 a, u32 b) { return b > 31 ? 0 : a << b; });
  expectInteger<u32, u32>("shr.u32", [](u32 a, u32 b) { return b > 31 ? 0 : a >> b; });
  expectInteger<i32, i32>("shr.s32", [](i32 a, i32 b) { return a >> std::min<u32>(static_cast<u32>(b), 31); });
  expectInteger<i32, i32>("div.s32", [](i32 a, i32 b) { return b == 0 ? -1 : static_cast<i32>(static_cast<i64>(a) / b); });
  expectInteger<i32, i32>("rem.s32", [](i32 a, i32 b) { return b == 0 ? a : static_cast<i32>(static_cast<i64>(a) % b); });
  expectInteger<u32, u32>("div.u32", [](u32 a, u32 b) { return b == 0 ? ~0u : a / b; });
}

TEST_F(InstructionsTest, BitFields) {
  std::vector<u64> a = random(), b = random(), c = random();
  auto check = [&](const std::string &body, auto expected) {
    std::vector<u64> got = run(body, a, b, c);
    for (int l = 0; l < 32; ++l)
      ASSERT_EQ(static_cast<u32>(got[l]), expected(static_cast<u32>(a[l]), static_cast<u32>(b[l]), static_cast<u32>(c[l]))) << body << a[l];
  };
  check("popc.b32 %rd, %ra;", [](u32 x, u32, u32) { return static_cast<u32>(__builtin_popcount(x)); });
  check("bfind.shiftamt.u32 %rd, %ra;", [](u32 x, u32, u32) { return x ? static_cast<u32>(__builtin_clz(x)) : ~0u; });
  check("bfind.shiftamt.s32 %rd, %ra;", [](u32 x, u32, u32) {
    u32 bits = x >> 31 ? ~x : x;
    return bits ? static_cast<u32>(__builtin_clz(bits)) : ~0u;
  });
  check("clz.b32 %rd, %ra;", [](u32 x, u32, u32) { return x ? static_cast<u32>(__builtin_clz(x)) : 32u; });
  check("bfe.u32 %rd, %ra, 5, 9;", [](u32 x, u32, u32) { return x >> 5 & 511; });
  check("bfe.s32 %rd, %ra, 5, 9;", [](u32 x, u32, u32) { return static_cast<u32>(static_cast<i32>(x << 18) >> 23); });
  check("bfi.b32 %rd, %ra, %rb, 8, 4;", [](u32 x, u32 y, u32) { return (y & ~0xf00u) | (x & 15) << 8; });
  check("prmt.b32 %rd, %ra, %rb, 0x7531;", [](u32 x, u32 y, u32) {
    return (x >> 8 & 0xff) | (x >> 24) << 8 | (y >> 8 & 0xff) << 16 | (y >> 24) << 24;
  });
  check("lop3.b32 %rd, %ra, %rb, %rc, 0xca;", [](u32 x, u32 y, u32 z) { return (x & y) | (~x & z); });
  check("shf.l.wrap.b32 %rd, %ra, %rb, 7;", [](u32 x, u32 y, u32) { return y << 7 | x >> 25; });
  check("dp4a.s32.s32 %rd, %ra, %rb, %rc;", [](u32 x, u32 y, u32 z) {
    for (int i = 0; i < 32; i += 8)
      z += static_cast<u32>(static_cast<i8>(x >> i) * static_cast<i8>(y >> i));
    return z;
  });
  check("mad.lo.s32 %rd, %ra, %rb, %rc;", [](u32 x, u32 y, u32 z) { return x * y + z; });
  check("{ .reg .pred q; setp.lt.s32 q, %ra, %rb; selp.b32 %rd, %ra, %rc, q; }",
        [](u32 x, u32 y, u32 z) { return static_cast<i32>(x) < static_cast<i32>(y) ? x : z; });
  check("{ .reg .pred q; setp.hi.u32 q, %ra, %rb; @!q add.s32 %rd, %ra, 7; }", [](u32 x, u32 y, u32) { return x > y ? 0 : x + 7; });
  check("{ .reg .b32 x; add.cc.u32 x, %ra, %rb; addc.u32 %rd, %rc, 0; }",
        [](u32 x, u32 y, u32 z) { return z + static_cast<u32>((static_cast<u64>(x) + y) >> 32); });
}

/// Lanes of different member masks meet at one instruction: each group by itself.
TEST_F(InstructionsTest, GroupsOfLanes) {
  std::vector<u64> a = random(), b = random();
  std::vector<u64> got = run("and.b32 %r2, %ra, 3; match.any.sync.b32 %r1, %r2, -1; redux.sync.add.u32 %rd, %rb, %r1;", a, b, a);
  for (int l = 0; l < 32; ++l) {
    u32 sum = 0;
    for (int other = 0; other < 32; ++other)
      sum += (a[other] & 3) == (a[l] & 3) ? static_cast<u32>(b[other]) : 0;
    EXPECT_EQ(static_cast<u32>(got[l]), sum) << l;
  }
}

TEST_F(InstructionsTest, Floats) {
  expectFloat("add.f32", 2, [](float a, float b, float) { return a + b; });
  expectFloat("sub.rn.f32", 2, [](float a, float b, float) { return a - b; });
  expectFloat("mul.f32", 2, [](float a, float b, float) { return a * b; });
  expectFloat("fma.rn.f32", 3, [](float a, float b, float c) { return std::fma(a, b, c); });
  expectFloat("div.rn.f32", 2, [](float a, float b, float) { return a / b; });
  expectFloat("sqrt.rn.f32", 1, [](float a, float, float) { return std::sqrt(a); });
  expectFloat("neg.f32", 1, [](float a, float, float) { return -a; });
  expectFloat("abs.f32", 1, [](float a, float, float) { return std::fabs(a); });
  expectFloat("ex2.approx.f32", 1, [](float a, float, float) { return std::exp2(a); }, 1e-6f);
  expectFloat("lg2.approx.f32", 1, [](float a, float, float) { return std::log2(a); }, 1e-6f);
  expectFloat("rsqrt.approx.f32", 1, [](float a, float, float) { return 1 / std::sqrt(a); }, 1e-6f);
  expectFloat("rcp.approx.ftz.f32", 1, [](float a, float, float) { return std::fpclassify(a) == FP_SUBNORMAL ? std::copysign(INFINITY, a) : std::fabs(1 / a) < 1.2e-38f ? std::copysign(0.f, a) : 1 / a; }, 1e-6f);
  expectFloat("tanh.approx.f32", 1, [](float a, float, float) { return std::tanh(a); }, 1e-6f);
  expectFloat("max.f32", 2, [](float a, float b, float) { return a != a ? b : b != b ? a : a == b ? (std::signbit(a) ? b : a) : std::max(a, b); });
  expectFloat("cvt.rni.f32.f32", 1, [](float a, float, float) { return std::nearbyint(a); });
}

/// A sum of floats is exact in double when their exponents are near: the directed results bracket it by one step.
TEST_F(InstructionsTest, DirectedRounding) {
  std::vector<u64> a(32), b(32), zero(32, 0);
  std::uniform_real_distribution<float> uniform(-8.f, 8.f);
  for (auto *v : {&a, &b})
    for (u64 &x : *v)
      x = std::bit_cast<u32>(uniform(rng));
  std::vector<u64> down = run("add.rm.f32 %rd, %ra, %rb;", a, b, zero), up = run("add.rp.f32 %rd, %ra, %rb;", a, b, zero);
  std::vector<u64> toZero = run("fma.rz.f32 %rd, %ra, %rb, 0f00000000;", a, b, zero);
  for (int l = 0; l < 32; ++l) {
    auto f = [](u64 v) { return static_cast<double>(std::bit_cast<float>(static_cast<u32>(v))); };
    double sum = f(a[l]) + f(b[l]), product = f(a[l]) * f(b[l]);
    EXPECT_LE(f(down[l]), sum);
    EXPECT_GE(f(up[l]), sum);
    EXPECT_EQ(f(up[l]), f(down[l]) == sum ? sum : std::nextafter(static_cast<float>(f(down[l])), INFINITY));
    EXPECT_LE(std::fabs(f(toZero[l])), std::fabs(product));
    EXPECT_GT(std::fabs(f(toZero[l])) * (1 + 0x1p-22), std::fabs(product));
  }
}

TEST_F(InstructionsTest, Conversions) {
  auto toInt = [](double r) { return r != r ? 0.0 : std::min(std::max(r, -2147483648.0), 2147483647.0); };
  std::vector<u64> a = randomFloats(), b = randomFloats(), zero(32, 0);
  std::vector<u64> rz = run("cvt.rzi.s32.f32 %rd, %ra;", a, zero, zero), rn = run("cvt.rni.s32.f32 %rd, %ra;", a, zero, zero);
  std::vector<u64> packed = run("cvt.rn.bf16x2.f32 %rd, %ra, %rb;", a, b, zero), half = run("cvt.rn.f16x2.f32 %rd, %ra, %rb;", a, b, zero);
  std::vector<u64> back = run("cvt.f32.f16 %rd, %ra;", half, zero, zero);
  for (int l = 0; l < 32; ++l) {
    float x = std::bit_cast<float>(static_cast<u32>(a[l])), y = std::bit_cast<float>(static_cast<u32>(b[l]));
    EXPECT_EQ(static_cast<i32>(rz[l]), static_cast<i32>(toInt(std::trunc(static_cast<double>(x))))) << x;
    EXPECT_EQ(static_cast<i32>(rn[l]), static_cast<i32>(toInt(std::nearbyint(static_cast<double>(x))))) << x;
    // bf16: the nearest of the two neighbours, found by exact comparison in double
    u16 got = static_cast<u16>(packed[l] >> 16);
    if (x != x) {
      EXPECT_EQ(got, 0x7fff);
    } else if (std::fabs(x) < 3e38f) {
      double d = std::fabs(static_cast<double>(bf16ToFloat(got)) - x);
      for (int step : {-1, 1})
        if (u16 next = static_cast<u16>(got + step); std::isfinite(bf16ToFloat(next))) {
          EXPECT_LE(d, std::fabs(static_cast<double>(bf16ToFloat(next)) - x)) << x;
        }
    }
    u16 low = static_cast<u16>(half[l]);
    EXPECT_EQ(low, y != y ? 0x7fff : std::bit_cast<u16>(static_cast<_Float16>(y))) << y;
    EXPECT_TRUE(sameFloat(std::bit_cast<float>(static_cast<u32>(back[l])), static_cast<float>(static_cast<_Float16>(y))) || y != y) << y;
  }
  std::vector<u64> i = random();
  std::vector<u64> extended = run("cvt.s64.s32 %dd, %ra;", i, zero, zero), floated = run("cvt.rn.f32.u32 %rd, %ra;", i, zero, zero);
  for (int l = 0; l < 32; ++l) {
    EXPECT_EQ(static_cast<i64>(extended[l]), static_cast<i64>(static_cast<i32>(i[l])));
    EXPECT_EQ(std::bit_cast<float>(static_cast<u32>(floated[l])), static_cast<float>(static_cast<u32>(i[l])));
  }
}

TEST_F(InstructionsTest, EightBitFloatsRoundTrip) {
  std::vector<u64> codes(32), zero(32, 0);
  for (const char *type : {"e4m3x2", "e5m2x2"})
    for (u32 base = 0; base < 128; base += 32) { // all positive codes but NaN and infinity
      for (u32 l = 0; l < 32; ++l)
        codes[l] = std::min<u32>(base + l, type[1] == '4' ? 0x7e : 0x7b);
      std::string t = type;
      std::vector<u64> got = run("{ .reg .b16 h; .reg .b32 f; cvt.u16.u32 h, %ra; cvt.rn.f16x2." + t + " f, h; cvt.rn.satfinite." + t +
                                     ".f16x2 h, f; cvt.u32.u16 %rd, h; }", codes, zero, zero);
      std::vector<u64> wide = run("{ .reg .b16 h, x, y; .reg .b32 f, fx, fy; cvt.u16.u32 h, %ra; cvt.rn.f16x2." + t +
                                      " f, h; mov.b32 {x, y}, f; cvt.f32.f16 fx, x; cvt.f32.f16 fy, y; cvt.rn.satfinite." + t +
                                      ".f32 h, fy, fx; cvt.u32.u16 %rd, h; }", codes, zero, zero);
      for (int l = 0; l < 32; ++l) {
        EXPECT_EQ(got[l], codes[l]) << type;
        EXPECT_EQ(wide[l], codes[l]) << type;
      }
    }
}

/// Ten bits of mantissa behind the leading one, ties away from zero.
TEST_F(InstructionsTest, ShortFloats) {
  std::vector<u64> a = randomFloats(), got = run("cvt.rna.tf32.f32 %rd, %ra;", a, a, a);
  for (int l = 0; l < 32; ++l) {
    const float x = std::bit_cast<float>(static_cast<u32>(a[l])), g = std::bit_cast<float>(static_cast<u32>(got[l]));
    int exponent = 0;
    const double mantissa = std::frexp(static_cast<double>(x), &exponent), step = std::ldexp(1.0, std::max(exponent - 11, -136));
    if (std::isfinite(x))
      EXPECT_EQ(g, static_cast<float>(std::round(std::ldexp(mantissa, exponent) / step) * step)) << x;
    else
      EXPECT_TRUE(sameFloat(x, g)) << x;
  }
}

TEST_F(InstructionsTest, PackedHalves) {
  std::vector<u64> a(32), b(32), c(32);
  std::normal_distribution<float> normal(0.f, 3.f);
  for (auto *v : {&a, &b, &c})
    for (u64 &x : *v)
      x = static_cast<u64>(floatToBf16(normal(rng))) << 16 | floatToBf16(normal(rng));
  std::vector<u64> got = run("fma.rn.bf16x2 %rd, %ra, %rb, %rc;", a, b, c);
  for (int l = 0; l < 32; ++l)
    for (int h = 0; h < 32; h += 16) {
      auto f = [&](u64 v) { return static_cast<double>(bf16ToFloat(static_cast<u16>(v >> h))); };
      double exact = f(a[l]) * f(b[l]) + f(c[l]), result = f(got[l]);
      EXPECT_LE(std::fabs(result - exact), std::fabs(exact) / 256) << exact;
    }
}

TEST_F(InstructionsTest, ShufflesAndReductions) {
  std::vector<u64> a = random(), zero(32, 0);
  auto lane = [&](int l) { return static_cast<u32>(a[l]); };
  std::vector<u64> xored = run("shfl.sync.bfly.b32 %rd, %ra, 5, 31, -1;", a, zero, zero);
  std::vector<u64> down = run("shfl.sync.down.b32 %rd|%p1, %ra, 3, 31, -1; selp.b32 %rd, %rd, 99, %p1;", a, zero, zero);
  std::vector<u64> up = run("shfl.sync.up.b32 %rd, %ra, 1, 0, -1;", a, zero, zero);
  std::vector<u64> idx = run("shfl.sync.idx.b32 %rd, %ra, 2, 0x1c03, -1;", a, zero, zero); // segments of 4
  std::vector<u64> sum = run("redux.sync.add.s32 %rd, %ra, -1;", a, zero, zero);
  std::vector<u64> most = run("redux.sync.max.u32 %rd, %ra, -1;", a, zero, zero);
  u32 total = 0, largest = 0;
  for (int l = 0; l < 32; ++l)
    total += lane(l), largest = std::max(largest, lane(l));
  for (int l = 0; l < 32; ++l) {
    EXPECT_EQ(xored[l], lane(l ^ 5));
    EXPECT_EQ(down[l], l + 3 < 32 ? lane(l + 3) : 99u);
    EXPECT_EQ(up[l], lane(l ? l - 1 : 0));
    EXPECT_EQ(idx[l], lane(l / 4 * 4 + 2));
    EXPECT_EQ(sum[l], total);
    EXPECT_EQ(most[l], largest);
  }
}

TEST_F(InstructionsTest, LoadsAndStoresOfEveryWidth) {
  std::vector<u64> a = random(), zero(32, 0);
  const std::string address = "{ .reg .b64 x; .reg .b32 s; .shared .align 16 .b8 mem[1024]; mov.u32 s, mem; mad.lo.u32 s, %r0, 16, s;";
  auto check = [&](const std::string &body, auto expected) {
    std::vector<u64> got = run(address + body + "}", a, zero, zero);
    for (int l = 0; l < 32; ++l)
      ASSERT_EQ(got[l], expected(a[l])) << body;
  };
  check("st.shared.u8 [s], %ra; ld.shared.u8 %rd, [s];", [](u64 v) { return v & 0xff; });
  check("st.shared.u8 [s+3], %ra; ld.shared.s8 %rd, [s+3];", [](u64 v) { return static_cast<u64>(static_cast<u32>(static_cast<i8>(v))); });
  check("st.shared.u16 [s], %ra; ld.shared.s16 %rd, [s];", [](u64 v) { return static_cast<u64>(static_cast<u32>(static_cast<i16>(v))); });
  check("st.shared.u32 [s], %da; ld.shared.s32 %dd, [s];", [](u64 v) { return static_cast<u64>(static_cast<i64>(static_cast<i32>(v))); });
  check("st.shared.u64 [s], %da; ld.shared.v2.u32 {%rc, %rd}, [s];", [](u64 v) { return v >> 32; });
  check("st.shared.v4.u32 [s], {%ra, %rb, %rc, %ra}; ld.shared.u32 %rd, [s+12];", [](u64 v) { return v & 0xffffffff; });
  check("st.shared.v2.u64 [s], {%db, %da}; ld.shared.u64 %dd, [s+8];", [](u64 v) { return v; });
  check("cvt.u64.u32 x, s; cvta.shared.u64 x, x; st.u32 [x], %ra; ld.shared.u32 %rd, [s];", [](u64 v) { return v & 0xffffffff; });
  check("{ .local .align 8 .b8 l[16]; st.local.u64 [l+8], %da; ld.local.u64 %dd, [l+8]; }", [](u64 v) { return v; });
}

TEST_F(InstructionsTest, Atomics) {
  std::vector<u64> zero(32, 0), one(32, 1);
  std::vector<u64> got = run("{ .shared .align 4 .b32 cell; setp.eq.u32 %p1, %r0, 0; @%p1 st.shared.u32 [cell], %ra; bar.sync 0;"
                             " atom.shared.add.u32 %rd, [cell], 3; }", one, zero, zero);
  std::sort(got.begin(), got.end());
  for (u32 l = 0; l < 32; ++l)
    EXPECT_EQ(got[l], 1 + 3 * l);
  Buffer cell(std::vector<u32>{5});
  std::vector<u64> where(32, cell.address);
  run("atom.global.cas.b32 %rd, [%da], 5, 9; red.global.max.u32 [%da], %r0;", where, zero, zero);
  EXPECT_EQ(cell.read<u32>()[0], 31u);
}

TEST_F(InstructionsTest, UnknownInstructionNamesTheLine) {
  try {
    run("\n\n wibble.f32 %rd, %ra;", random(), random(), random());
    FAIL() << "accepted";
  } catch (const PtxError &error) {
    EXPECT_EQ(error.line, 15);
    EXPECT_NE(std::string(error.what()).find("ptx line 15: unknown instruction in 'wibble.f32'"), std::string::npos) << error.what();
  }
  EXPECT_THROW(run("add.rz.bf16 %rd, %ra, %rb;", random(), random(), random()), PtxError);
  EXPECT_THROW(run("add.s32 %rd, %nosuch, %rb;", random(), random(), random()), PtxError);
  EXPECT_THROW(run("add.s32 %rd, %ra;", random(), random(), random()), PtxError);
  EXPECT_THROW(parseModule(".version 9.0\n.target sm_80\n.entry x() { add.s32 %r1, %r2"), PtxError);
}
} // namespace
} // namespace vgpu::test
