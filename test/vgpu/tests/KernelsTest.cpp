// Whole kernels of the kinds an LLM needs, compiled by NVRTC's compiler, against plain host arithmetic under several
// seeds of the block and warp order; no checker may report anything.
#include "test/vgpu/exec/Handlers.h"
#include "test/vgpu/tests/Harness.h"

namespace vgpu::test {
namespace {
using Floats = std::vector<float>;

class KernelsTest : public VgpuTest {
protected:
  /// Random values that bf16 represents, and their bf16 form.
  Floats random(size_t count, float scale) {
    std::normal_distribution<float> normal(0.f, scale);
    Floats values(count);
    for (float &v : values)
      v = bf16ToFloat(floatToBf16(normal(rng)));
    return values;
  }
  static std::vector<u16> toBf16(const Floats &values) {
    std::vector<u16> out(values.size());
    for (size_t i = 0; i < values.size(); ++i)
      out[i] = floatToBf16(values[i]);
    return out;
  }
  static void expectNear(const Floats &expected, const std::vector<u16> &actual, float tolerance) {
    ASSERT_EQ(expected.size(), actual.size());
    for (size_t i = 0; i < expected.size(); ++i)
      ASSERT_NEAR(expected[i], bf16ToFloat(actual[i]), tolerance * (1.f + std::fabs(expected[i]))) << "element " << i;
  }
};

TEST_F(KernelsTest, LayerNormGemv) {
  Kernels kernels(readInput("layernorm_gemv.sm_80.ptx"));
  auto program = kernels.get("layernorm_gemv");
  for (u64 seed = 1; seed <= 3; ++seed) {
    Options::get().seed = seed;
    const int K = seed == 1 ? 320 : 512, N = 21;
    Floats x = random(K, 1), gamma = random(K, 1), beta = random(K, 0.2f), w = random(static_cast<size_t>(N) * K, 0.05f), expected(N);
    double mean = 0, square = 0;
    for (float v : x)
      mean += v / K, square += static_cast<double>(v) * v / K;
    for (int n = 0; n < N; ++n) {
      double acc = 0;
      for (int k = 0; k < K; ++k)
        acc += ((x[k] - mean) / std::sqrt(square - mean * mean + 1e-5) * gamma[k] + beta[k]) * w[static_cast<size_t>(n) * K + k];
      expected[n] = static_cast<float>(0.5 * acc * (1 + std::erf(acc * 0.70710678)));
    }
    Buffer bx(toBf16(x)), bg(toBf16(gamma)), bb(toBf16(beta)), bw(toBf16(w)), by(N * 2);
    runGrid(makeLaunch(program, 3, 128, K * 4 + 4 * 3 * 512, bx.address, bg.address, bb.address, bw.address, by.address, K, N, 1e-5f));
    expectClean();
    expectNear(expected, by.read<u16>(), 0.01f);
  }
}

TEST_F(KernelsTest, SplitAttentionMergesInTheLastBlock) {
  Kernels kernels(readInput("attention_decode.sm_80.ptx"));
  auto program = kernels.get("attention_decode");
  const int heads = 4, kvHeads = 2, D = 64;
  for (u64 seed = 1; seed <= 4; ++seed) {
    Options::get().seed = seed;
    const int T = 37 + static_cast<int>(seed) * 3, chunk = 16, splits = (T + chunk - 1) / chunk;
    Floats q = random(heads * D, 1), k = random(static_cast<size_t>(T) * kvHeads * D, 1), v = random(k.size(), 1), expected(heads * D);
    for (int h = 0; h < heads; ++h) {
      std::vector<double> p(T);
      double sum = 0;
      for (int t = 0; t < T; ++t) {
        double dot = 0;
        for (int d = 0; d < D; ++d)
          dot += static_cast<double>(q[h * D + d]) * k[(t * kvHeads + h / 2) * D + d];
        sum += p[t] = std::exp(dot / 8);
      }
      for (int d = 0; d < D; ++d) {
        double o = 0;
        for (int t = 0; t < T; ++t)
          o += p[t] / sum * v[(t * kvHeads + h / 2) * D + d];
        expected[h * D + d] = static_cast<float>(o);
      }
    }
    Buffer bq(toBf16(q)), bk(toBf16(k)), bv(toBf16(v)), out(heads * D * 2), partO(heads * splits * D * 4), partMl(heads * splits * 8);
    Buffer ticket(std::vector<u32>(heads, 0)), pos(std::vector<int>{T - 1});
    Launch launch = makeLaunch(program, static_cast<u32>(splits), 128, 0, bq.address, bk.address, bv.address, out.address, partO.address,
                               partMl.address, ticket.address, pos.address, heads, kvHeads, 1.44269504f / 8, chunk);
    launch.grid[1] = heads;
    runGrid(launch);
    expectClean();
    expectNear(expected, out.read<u16>(), 0.01f);
    EXPECT_EQ(ticket.read<u32>(), std::vector<u32>(heads, 0));
  }
}

TEST_F(KernelsTest, TensorCoreGemm) {
  Kernels kernels(readInput("gemm_mma.sm_80.ptx"));
  auto program = kernels.get("gemm_mma");
  const int M = 64, N = 128, K = 96;
  Floats a = random(M * K, 1), b = random(N * K, 1), bias = random(N, 1), expected(M * N);
  for (int m = 0; m < M; ++m)
    for (int n = 0; n < N; ++n) {
      double acc = bias[n];
      for (int k = 0; k < K; ++k)
        acc += static_cast<double>(a[m * K + k]) * b[n * K + k];
      expected[m * N + n] = static_cast<float>(acc);
    }
  Buffer ba(toBf16(a)), bb(toBf16(b)), bbias(toBf16(bias)), bc(M * N * 2);
  runGrid(makeLaunch(program, 2, 128, 0, ba.address, bb.address, bbias.address, bc.address, M, N, K));
  expectClean();
  expectNear(expected, bc.read<u16>(), 0.01f);
}

TEST_F(KernelsTest, BulkCopyPipelineBehindAPrimary) {
  Kernels kernels(readInput("gemv_bulk_pdl.sm_90a.ptx"));
  auto program = kernels.get("gemv_bulk_pdl");
  const int K = 16 * 37, rows = 32, perStage = 3;
  Floats w = random(rows * K, 0.1f), x = random(K, 1);
  std::vector<u16> packed(rows * K); // fragment order: [block][tile][lane][8]
  for (int block = 0; block < rows / 16; ++block)
    for (int tile = 0; tile < K / 16; ++tile)
      for (int lane = 0; lane < 32; ++lane)
        for (int i = 0; i < 8; ++i) {
          int row = block * 16 + lane / 4 + (i / 2 % 2) * 8, col = tile * 16 + lane % 4 * 2 + i % 2 + i / 4 * 8;
          packed[((block * (K / 16) + tile) * 32 + lane) * 8 + i] = floatToBf16(w[row * K + col]);
        }
  for (u64 seed = 1; seed <= 3; ++seed) {
    Options::get().seed = seed;
    Buffer bw(packed), bx(toBf16(x)), by(rows * 4);
    Launch launch = makeLaunch(program, rows / 16, 160, 4 * perStage * 512, bw.address, bx.address, by.address, K, perStage);
    launch.programmatic = true;
    GridRun run(launch);
    run.runPrologue();
    run.finish();
    expectClean();
    std::vector<float> y = by.read<float>();
    for (int r = 0; r < rows; ++r) {
      double expected = 0;
      for (int k = 0; k < K; ++k)
        expected += static_cast<double>(w[r * K + k]) * x[k];
      EXPECT_NEAR(expected, y[r], 1e-3) << r;
    }
  }
}

TEST_F(KernelsTest, Language) {
  Kernels kernels(readInput("language.sm_80.ptx"));
  std::vector<int> y(32, 0);
  Buffer by(y);
  runGrid(makeLaunch(kernels.get("local_array"), 1, 32, 0, by.address, 5));
  int a[32];
  for (int i = 0; i < 32; ++i)
    a[i] = i * 5;
  for (int i = 0; i < 32; ++i)
    a[i * 5 & 31] += a[i];
  for (int t = 0; t < 32; ++t)
    EXPECT_EQ(by.read<int>()[t], a[(t + 5) & 31]);
  struct Big {
    int v[2000];
  } big;
  for (int i = 0; i < 2000; ++i)
    big.v[i] = i * i;
  runGrid(makeLaunch(kernels.get("big_params"), 1, 32, 0, big, by.address));
  for (int t = 0; t < 32; ++t)
    EXPECT_EQ(by.read<int>()[t], big.v[t * 3]);
  runGrid(makeLaunch(kernels.get("symbols"), 1, 32, 0, by.address));
  std::vector<int> counted = by.read<int>();
  std::sort(counted.begin(), counted.end());
  for (int t = 0; t < 32; ++t)
    EXPECT_EQ(counted[t], 5 + t);
  expectClean();
}

TEST_F(KernelsTest, CallsAndConstants) {
  Kernels kernels(readInput("language.sm_80.ptx"));
  for (int select = 0; select < 2; ++select) {
    Floats y = random(32, 30);
    y[5] = 1e6f; // the slow path of sinf
    Buffer by(y);
    runGrid(makeLaunch(kernels.get("calls"), 1, 32, 0, by.address, select));
    expectClean();
    const float table[4] = {1, 2, 4, 8};
    for (int t = 0; t < 32; ++t) {
      float expected = y[t] * std::sin(y[t]) + y[t & 3] + table[t & 3];
      EXPECT_NEAR(by.read<float>()[t], expected, 1e-5f * (1 + std::fabs(y[t]))) << t;
    }
  }
}

TEST_F(KernelsTest, PrintfAssertAndTrap) {
  Kernels kernels(readInput("language.sm_80.ptx"));
  auto run = [&](std::vector<int> values) {
    Buffer y(values);
    testing::internal::CaptureStdout();
    runGrid(makeLaunch(kernels.get("say"), 1, 1, 0, y.address));
    std::string printed = testing::internal::GetCapturedStdout();
    return std::pair(printed, y.read<int>()[5]);
  };
  EXPECT_EQ(run({3, 42, 2, 1, 0, 0}), (std::pair<std::string, int>("hello 42 2.000\n", 77)));
  expectClean();
  EXPECT_EQ(run({0, 0, 0, 0, 0, 0}).second, 0);
  ASSERT_EQ(Report::get().items().size(), 1u);
  EXPECT_NE(Report::get().text().find("language.cu:"), std::string::npos) << Report::get().text();
  EXPECT_NE(Report::get().text().find("y[3] > 0"), std::string::npos) << Report::get().text();
  expectFinding(Finding::Assert);
  run({0, 0, 0, 1, 9, 0});
  expectFinding(Finding::Trap);
}

TEST_F(KernelsTest, VotesAndDivergence) {
  Kernels kernels(readInput("language.sm_80.ptx"));
  std::vector<u32> x(32);
  for (u32 &v : x)
    v = static_cast<u32>(rng() % 90);
  u32 odd = 0, sum = 0;
  for (int t = 0; t < 32; ++t)
    odd |= (x[t] & 1) << t, sum += x[t];
  Buffer bx(x), by(32 * 5 * 4);
  runGrid(makeLaunch(kernels.get("votes"), 1, 32, 0, bx.address, by.address));
  std::vector<u32> y = by.read<u32>();
  for (u32 t = 0; t < 32; ++t) {
    u32 same = 0;
    for (u32 i = 0; i < 32; ++i)
      same |= u32{(x[i] & 3) == (x[t] & 3)} << i;
    EXPECT_EQ(y[t], odd);
    EXPECT_EQ(y[32 + t], 2u + (std::find(x.begin(), x.end(), 1u) != x.end()));
    EXPECT_EQ(y[64 + t], sum);
    EXPECT_EQ(y[96 + t], same);
    EXPECT_EQ(y[128 + t], static_cast<u32>(__builtin_popcount(odd)));
  }
  Buffer by2(128);
  runGrid(makeLaunch(kernels.get("divergent"), 1, 32, 0, bx.address, by2.address));
  for (u32 t = 0; t < 32; ++t) {
    int n = static_cast<int>(x[t]), s = 0;
    for (int i = 0; i < n; ++i)
      s += i & 1 ? i * 3 : -i;
    s = (n & 3) == 0 ? s + 100 : (n & 3) == 1 ? s ^ 0x55 : (n & 3) == 2 ? -s : s;
    EXPECT_EQ(by2.read<int>()[t], s) << n;
  }
  expectClean();
}
} // namespace
} // namespace vgpu::test
