// A fixture that runs a few instructions on 32 lanes of random values, edge values among them.
#pragma once
#include "test/vgpu/exec/Handlers.h"
#include "test/vgpu/tests/Harness.h"

namespace vgpu::test {
class InstructionsTest : public VgpuTest {
protected:
  /// Runs `body` in a one-warp kernel: %a, %b, %c hold the inputs (%ra.. 32 bits, %da.. 64 bits) and %rd or %dd the result.
  std::vector<u64> run(const std::string &body, const std::vector<u64> &a, const std::vector<u64> &b, const std::vector<u64> &c) {
    const std::string text = R"(.version 9.0
.target sm_90a
.address_size 64
.visible .entry test(.param .u64 out, .param .u64 a, .param .u64 b, .param .u64 c)
{
 .reg .pred %p<8>; .reg .b16 %h<8>; .reg .b32 %r<16>; .reg .b32 %ra, %rb, %rc, %rd; .reg .b64 %l<8>; .reg .b64 %da, %db, %dc, %dd;
 mov.u32 %r0, %tid.x;
 mul.wide.u32 %l0, %r0, 8;
 ld.param.u64 %l1, [a]; add.s64 %l1, %l1, %l0; ld.global.u64 %da, [%l1]; cvt.u32.u64 %ra, %da;
 ld.param.u64 %l1, [b]; add.s64 %l1, %l1, %l0; ld.global.u64 %db, [%l1]; cvt.u32.u64 %rb, %db;
 ld.param.u64 %l1, [c]; add.s64 %l1, %l1, %l0; ld.global.u64 %dc, [%l1]; cvt.u32.u64 %rc, %dc;
 mov.b32 %rd, 0; mov.b64 %dd, 0;
)" + body + R"(
 cvt.u64.u32 %l2, %rd; or.b64 %dd, %dd, %l2;
 ld.param.u64 %l1, [out]; add.s64 %l1, %l1, %l0; st.global.u64 [%l1], %dd;
 ret;
})";
    Kernels kernels(text);
    Buffer out(32 * 8), ba(a), bb(b), bc(c);
    runGrid(makeLaunch(kernels.get("test"), 1, 32, 0, out.address, ba.address, bb.address, bc.address));
    expectClean();
    return out.read<u64>();
  }

  std::vector<u64> random() {
    static const u64 edges[] = {0, 1, ~0ull, 0x80000000, 0x7fffffff, 0x8000000000000000, 0x7fffffffffffffff, 31, 32, 33, 0xffff, 0x8000};
    std::vector<u64> values(32);
    for (u64 &v : values)
      v = rng() % 4 ? rng() : edges[rng() % 12];
    return values;
  }
  std::vector<u64> randomFloats() {
    static const float edges[] = {0.f, -0.f, 1.f, INFINITY, -INFINITY, NAN, 1e-40f, 3.4e38f, 0.5f, 1.5f, 2.5f};
    std::normal_distribution<float> normal(0.f, 10.f);
    std::vector<u64> values(32);
    for (u64 &v : values)
      v = std::bit_cast<u32>(rng() % 4 ? normal(rng) : edges[rng() % 11]);
    return values;
  }

  template <class D, class S, class F> void expectInteger(const std::string &inst, F expected) {
    const bool wideIn = sizeof(S) == 8, wideOut = sizeof(D) == 8;
    std::string in = wideIn ? "%d" : "%r";
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::vector<u64> a = random(), b = random(), c = random();
      std::vector<u64> got = run(inst + (wideOut ? " %dd, " : " %rd, ") + in + "a, " + in + "b;", a, b, c);
      for (int l = 0; l < 32; ++l)
        ASSERT_EQ(static_cast<D>(got[l]), expected(static_cast<S>(a[l]), static_cast<S>(b[l]))) << inst << " " << a[l] << ", " << b[l];
    }
  }
  static bool sameFloat(float a, float b) { return (a != a && b != b) || std::bit_cast<u32>(a) == std::bit_cast<u32>(b); }
  template <class F> void expectFloat(const std::string &inst, int operands, F expected, float relative = 0) {
    for (int repeat = 0; repeat < 3; ++repeat) {
      std::vector<u64> a = randomFloats(), b = randomFloats(), c = randomFloats();
      const char *tails[] = {"", " %rd, %ra;", " %rd, %ra, %rb;", " %rd, %ra, %rb, %rc;"};
      std::vector<u64> got = run(inst + tails[operands], a, b, c);
      for (int l = 0; l < 32; ++l) {
        auto f = [](u64 v) { return std::bit_cast<float>(static_cast<u32>(v)); };
        float e = expected(f(a[l]), f(b[l]), f(c[l])), g = f(got[l]);
        bool near = relative && std::isfinite(e) && std::fabs(g - e) <= relative * std::fabs(e) + 1e-37f;
        ASSERT_TRUE(sameFloat(e, g) || near) << inst << " " << f(a[l]) << ", " << f(b[l]) << ": " << g << ", expected " << e;
      }
    }
  }
};
} // namespace vgpu::test
