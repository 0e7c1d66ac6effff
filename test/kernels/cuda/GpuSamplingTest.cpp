//===- GpuSamplingTest.cpp - the device's sampler against the host's ------===//
//
// Generations on random logits: the token that the kernel chooses on the virtual GPU has to be the host
// sampler's, at every step, with ties, infinities and what is no number among the logits. Of two rows one is
// idle; its logits and history were never written, so that a read of them is a finding.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/NvrtcCompiler.h"
#include "runtime/sampler/sampler.h"
#include "stoop/abi.h"
#include "test/kernels/cuda/GpuHarness.h"
#include "test/runtime/sampler/random_settings.h"
#include <cmath>
#include <gtest/gtest.h>
#include <random>

using namespace stoop;
using namespace stoop::test;

namespace {
constexpr uint32_t kNone = UINT32_MAX;

/// The kernel with its memory on the device, for logits of `vocab` ids.
class DeviceSampler {
public:
  explicit DeviceSampler(uint32_t vocab) : vocab(vocab) { load(); }
  ~DeviceSampler();

  /// Starts where the host's sampler stands, in row `row` of 2.
  void begin(const rt::Sampler &sampler, const std::vector<uint32_t> &history, uint32_t row = 0);
  /// Chooses among ids below `numIds`; findings go to `failure`.
  uint32_t sample(const std::vector<float> &logits, uint32_t numIds, uint64_t seed);

  std::string failure;
  codegen::CubinInfo info;

private:
  void load();
  VirtualGpu &gpu = VirtualGpu::get();
  uint32_t vocab, row = 0;
  void *module = nullptr, *function = nullptr;
  uint64_t states = 0, histories = 0, logitsAt = 0;
};

void DeviceSampler::load() {
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  ASSERT_TRUE(bool(nvrtc)) << llvm::toString(nvrtc.takeError());
  llvm::Expected<codegen::CompiledCode> code = (*nvrtc)->compileCached(
      codegen::samplingSource().str(), *kernels::findGpuArchitecture(architectureName()));
  ASSERT_TRUE(bool(code)) << llvm::toString(code.takeError());
  llvm::Expected<codegen::CubinInfo> cubin = codegen::readCubin(code->cubin, codegen::kChooseName);
  ASSERT_TRUE(bool(cubin)) << llvm::toString(cubin.takeError());
  info = *cubin;
  ASSERT_EQ(gpu.failure, "");
  ASSERT_EQ(gpu.api.module_load(&module, code->ptx.c_str()), 0);
  ASSERT_EQ(gpu.api.module_function(&function, module, codegen::kChooseName.data()), 0);
  ASSERT_EQ(gpu.api.memory_allocate(&states, 2 * sizeof(stoop_gpu_state)), 0);
}

DeviceSampler::~DeviceSampler() {
  for (uint64_t address : {states, histories, logitsAt})
    if (address)
      gpu.api.memory_free(address);
  gpu.api.module_unload(module);
}

void DeviceSampler::begin(const rt::Sampler &sampler, const std::vector<uint32_t> &counts,
                          uint32_t inRow) {
  row = inRow;
  stoop_gpu_state initial[2] = {};
  initial[1 - row].slot = -1;
  memcpy(&initial[row].seed, &sampler.settings(), sizeof sampler.settings());
  // Anew, so that the other row's were never written.
  for (uint64_t *address : {&histories, &logitsAt}) {
    if (*address)
      gpu.api.memory_free(*address);
    ASSERT_EQ(gpu.api.memory_allocate(address, 2 * vocab * 4), 0);
  }
  gpu.api.copy_to_device(states, initial, sizeof initial, gpu.stream);
  gpu.api.copy_to_device(histories + row * vocab * 4, counts.data(), vocab * 4, gpu.stream);
  ASSERT_EQ(gpu.api.stream_wait(gpu.stream), 0);
}

uint32_t DeviceSampler::sample(const std::vector<float> &logits, uint32_t numIds, uint64_t seed) {
  gpu.seed(seed);
  gpu.api.copy_to_device(logitsAt + row * vocab * 4, logits.data(), vocab * 4, gpu.stream);
  void *parameters[] = {&logitsAt, &vocab, &numIds, &states, &histories};
  rt::LaunchRange ranges[] = {{logitsAt, 2 * vocab * 4, 1, "logits"},
                              {states, 2 * sizeof(stoop_gpu_state), 3, "states"},
                              {histories, 2 * vocab * 4, 3, "histories"}};
  gpu.api.next_launch(ranges, 3);
  stoop_gpu_state after{};
  const uint64_t state = states + row * sizeof after;
  int error = gpu.api.launch(function, 2, 1, 1, 512, 1, 1, 0, gpu.stream, parameters, nullptr);
  if (!error)
    error = gpu.api.copy_to_host(&after, state, sizeof after, gpu.stream);
  if (!error)
    error = gpu.api.stream_wait(gpu.stream);
  failure = gpu.findings();
  gpu.reset();
  if (failure.empty() && error)
    failure = "error " + std::to_string(error);
  return after.ring[(after.count - 1) % 64];
}

class Trials {
public:
  explicit Trials(uint64_t seed) : random(seed) {}

  std::vector<float> logits(uint32_t vocab, int kind);

  std::mt19937_64 random;
};

/// Kinds: 0 distinct, 1 with many ties, 2 with infinities, huge values and what is no number.
std::vector<float> Trials::logits(uint32_t vocab, int kind) {
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> values(vocab);
  for (float &x : values) {
    x = normal(random);
    if (kind == 1)
      x = std::round(x);
    if (kind == 2 && random() % 4 == 0)
      x = rt::pick<float>(random, {NAN, INFINITY, -INFINITY, 3e38f, -3e38f, -0.0f, 0});
  }
  return values;
}
} // namespace

TEST(GpuSampling, ChoosesWhatTheHostChooses) {
  const bool isExhaustive = getenv("STOOP_TEST_EXHAUSTIVE") != nullptr;
  Trials trials(2026);
  for (uint32_t vocab : {1u, 40u, 1000u, 2085u}) {
    DeviceSampler device(vocab);
    EXPECT_EQ(device.info.localBytes, 0u) << "spills";
    for (int trial = 0; trial < (isExhaustive ? 200 : 25); ++trial) {
      uint32_t ids = trial % 2 ? vocab : 1 + trials.random() % vocab;
      stoop_sampling settings = rt::random_settings(trials.random);
      rt::Memory memory(nullptr);
      rt::Message message;
      rt::Sampler host;
      ASSERT_EQ(host.create(memory, vocab, ids, settings, message), STOOP_OK) << message.text;
      std::vector<uint32_t> prompt(trials.random() % 12), history(vocab);
      for (uint32_t &id : prompt)
        id = trials.random() % vocab;
      host.begin(prompt.data(), prompt.size());
      if (host.history())
        history.assign(host.history(), host.history() + vocab);
      device.begin(host, history, trial % 2);
      for (int step = 0; step < 4; ++step) {
        std::vector<float> logits = trials.logits(vocab, trial % 3);
        uint32_t expected = kNone;
        if (host.sample(logits.data(), &expected, message) != STOOP_OK)
          expected = kNone;
        uint32_t actual = device.sample(logits, ids, trials.random());
        ASSERT_EQ(device.failure, "");
        ASSERT_EQ(actual, expected)
            << "of " << ids << " ids, trial " << trial << ", step " << step << ": temperature "
            << settings.temperature << " top-k " << settings.top_k << " top-p " << settings.top_p
            << " min-p " << settings.min_p;
        if (expected == kNone)
          break;
      }
    }
  }
}

/// More ids than 16 bits name, each as likely as the others: sums and ids at their largest.
TEST(GpuSampling, LargeVocabulary) {
  constexpr uint32_t kVocab = 70001;
  DeviceSampler device(kVocab);
  stoop_sampling settings{};
  settings.struct_size = sizeof settings;
  settings.temperature = settings.top_p = settings.repetition_penalty = 1;
  settings.seed = 12;
  rt::Memory memory(nullptr);
  rt::Message message;
  rt::Sampler host;
  ASSERT_EQ(host.create(memory, kVocab, kVocab, settings, message), STOOP_OK) << message.text;
  device.begin(host, std::vector<uint32_t>(kVocab));
  const std::vector<float> logits(kVocab, 2.5f);
  uint32_t largest = 0;
  for (int step = 0; step < 6; ++step) {
    uint32_t expected = 0;
    ASSERT_EQ(host.sample(logits.data(), &expected, message), STOOP_OK) << message.text;
    ASSERT_EQ(device.sample(logits, kVocab, step), expected);
    ASSERT_EQ(device.failure, "");
    largest = std::max(largest, expected);
  }
  EXPECT_GT(largest, kVocab / 3);
}
