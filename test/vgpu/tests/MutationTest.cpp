// Guards the checkers: each synchronisation instruction of each sample kernel is deleted in turn and the mutant run under
// several seeds. It must be reported or give a wrong result, or be listed here with the reason why it is equivalent.
#include "test/vgpu/tests/Harness.h"
#include <functional>

namespace vgpu::test {
namespace {
bool synchronises(const std::string &opcode) {
  for (const char *prefix : {"bar.", "barrier.", "membar", "fence", "cp.async.wait", "cp.async.commit", "mbarrier.arrive", "griddepcontrol.wait"})
    if (opcode.rfind(prefix, 0) == 0)
      return true;
  return false;
}

struct Sample {
  std::string file, kernel;
  /// Runs the kernel and returns the bytes of its output.
  std::function<std::vector<u8>(std::shared_ptr<const Program>)> run;
};

std::vector<u16> halves(size_t count, u64 seed) {
  std::mt19937 rng(static_cast<u32>(seed));
  std::vector<u16> values(count);
  for (u16 &v : values)
    v = static_cast<u16>(0x3c00 + rng() % 0x400) ^ static_cast<u16>(rng() % 2 << 15); // bf16 of moderate size
  return values;
}

std::vector<u8> runLayerNorm(std::shared_ptr<const Program> program) {
  const int K = 1280, N = 8; // an odd number of chunks: the unrolled loop's remainder runs too
  Buffer x(halves(K, 1)), g(halves(K, 2)), b(halves(K, 3)), w(halves(N * K, 4)), y(N * 2);
  runGrid(makeLaunch(program, 1, 128, K * 4 + 4 * 3 * 512, x.address, g.address, b.address, w.address, y.address, K, N, 1e-5f));
  return y.read<u8>();
}
std::vector<u8> runAttention(std::shared_ptr<const Program> program) {
  const int T = 40;
  Buffer q(halves(2 * 64, 1)), k(halves(T * 64, 2)), v(halves(T * 64, 3)), out(2 * 64 * 2), o(2 * 3 * 64 * 4), ml(2 * 3 * 8);
  Buffer ticket(std::vector<u32>(2, 0)), pos(std::vector<int>{T - 1});
  Launch launch = makeLaunch(program, 3, 128, 0, q.address, k.address, v.address, out.address, o.address, ml.address, ticket.address,
                             pos.address, 2, 1, 0.1f, 16);
  launch.grid[1] = 2;
  runGrid(launch);
  return out.read<u8>();
}
std::vector<u8> runGemm(std::shared_ptr<const Program> program) {
  Buffer a(halves(64 * 128, 1)), b(halves(64 * 128, 2)), bias(halves(64, 3)), c(64 * 64 * 2);
  runGrid(makeLaunch(program, 1, 128, 0, a.address, b.address, bias.address, c.address, 64, 64, 128));
  return c.read<u8>();
}
std::vector<u8> runBulk(std::shared_ptr<const Program> program) {
  const int K = 16 * 40;
  Buffer w(halves(16 * K, 1)), x(halves(K, 2)), y(64);
  Kernels planted(readInput("planted.sm_90a.ptx"));
  // The primary writes x, so an unordered read of it is a race. Its float values make small bf16 pairs.
  Launch primary = makeLaunch(planted.get("produce"), 1, static_cast<u32>(K / 2), 0, x.address, 0.f);
  Launch launch = makeLaunch(program, 1, 160, 4 * 3 * 512, w.address, x.address, y.address, K, 3);
  launch.programmatic = true;
  launch.order = primary.order;
  GridRun run(launch);
  run.runPrologue();
  runGrid(primary);
  run.finish();
  return y.read<u8>();
}

TEST(MutationTest, DeletedSynchronisationIsNoticed) {
  const std::vector<Sample> samples = {{"layernorm_gemv.sm_80.ptx", "layernorm_gemv", runLayerNorm},
                                       {"attention_decode.sm_80.ptx", "attention_decode", runAttention},
                                       {"gemm_mma.sm_80.ptx", "gemm_mma", runGemm},
                                       {"gemv_bulk_pdl.sm_90a.ptx", "gemv_bulk_pdl", runBulk}};
  Options::get() = Options();
  Options::get().spinRounds = 20;
  int total = 0, caught = 0;
  std::vector<std::string> survivors;
  for (const Sample &sample : samples) {
    const Module module = parseModule(readInput(sample.file));
    Report::get().clear();
    Kernels original(readInput(sample.file));
    const std::vector<u8> expected = sample.run(original.get(sample.kernel));
    ASSERT_TRUE(Report::get().empty()) << Report::get().text();
    const auto &instructions = module.functions.at(sample.kernel).instructions;
    for (size_t i = 0; i < instructions.size(); ++i) {
      if (!synchronises(instructions[i].opcode))
        continue;
      auto mutant = std::make_shared<Module>(module);
      Function &function = mutant->functions.at(sample.kernel);
      Instruction &victim = function.instructions[i];
      victim.opcode = "nanosleep.u32"; // decodes to nothing; labels keep their places
      victim.operands.clear();
      auto program = std::make_shared<const Program>(decode(mutant, function, {}));
      bool noticed = false;
      for (u64 seed = 1; seed <= 3 && !noticed; ++seed) {
        Options::get().seed = seed;
        Report::get().clear();
        noticed = sample.run(program) != expected || !Report::get().empty();
      }
      Report::get().clear();
      ++total;
      caught += noticed;
      if (!noticed)
        survivors.push_back(sample.kernel + " " + instructions[i].opcode +
                            (instructions[i].operands.empty() ? "" : " " + std::to_string(instructions[i].operands[0].bits)));
    }
  }
  Options::get() = Options();
  RecordProperty("mutants", total);
  RecordProperty("caught", caught);
  printf("mutants caught: %d of %d\n", caught, total);
  EXPECT_GE(total, 30);
  // The loop's last wait_group 2 has two empty groups after the last copy, so wait_group 0 finds nothing pending.
  EXPECT_EQ(survivors, (std::vector<std::string>{"layernorm_gemv cp.async.wait_group 0"}));
}
} // namespace
} // namespace vgpu::test
