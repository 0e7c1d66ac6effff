//===- DeviceSampler.cpp - the sampling kernel on the virtual GPU ---------===//
//
// Every array is an allocation of its own, so that an access behind it is a finding.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/DeviceSampler.h"
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/NvrtcCompiler.h"
#include "stoop/abi.h"
#include "test/runtime/sampler/random_settings.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>
#include <cstring>

using namespace stoop;
using namespace stoop::test;

std::string DeviceSampler::ptx(std::string &failure, codegen::CubinInfo &info) {
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  if (!nvrtc) {
    failure = llvm::toString(nvrtc.takeError());
    return "";
  }
  llvm::Expected<codegen::CompiledCode> code = (*nvrtc)->compileCached(
      codegen::samplingSource().str(), *kernels::findGpuArchitecture(architectureName()));
  if (!code) {
    failure = llvm::toString(code.takeError());
    return "";
  }
  llvm::Expected<codegen::CubinInfo> cubin = codegen::readCubin(code->cubin, codegen::kChooseName);
  if (!cubin) {
    failure = llvm::toString(cubin.takeError());
    return "";
  }
  info = *cubin;
  return code->ptx;
}

DeviceSampler::DeviceSampler(uint32_t vocab, const PtxEdit &edit) : vocab(vocab) {
  std::string text = ptx(failure, info);
  if (failure.empty())
    failure = gpu.failure;
  if (!failure.empty())
    return;
  if (edit)
    text = edit(text);
  if (gpu.api.module_load(&module, text.c_str()) ||
      gpu.api.module_function(&function, module, codegen::kChooseName.data()) ||
      gpu.api.memory_allocate(&states, 2 * sizeof(stoop_gpu_state)))
    failure = "the virtual GPU refuses the kernel";
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
    if (gpu.api.memory_allocate(address, 2 * vocab * 4))
      failure = "out of device memory";
  }
  gpu.api.copy_to_device(states, initial, sizeof initial, gpu.stream);
  gpu.api.copy_to_device(histories + row * vocab * 4, counts.data(), vocab * 4, gpu.stream);
  if (gpu.api.stream_wait(gpu.stream))
    failure = "the state does not reach the device";
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

/// Kinds: 0 distinct, 1 with many ties, 2 with infinities, huge values and what is no number.
std::vector<float> SamplingTrials::logits(uint32_t vocab, int kind) {
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

std::string SamplingTrials::run(DeviceSampler &device, uint32_t vocab, int trial) {
  uint32_t ids = trial % 2 ? vocab : 1 + random() % vocab;
  stoop_sampling chosen = rt::random_settings(random);
  rt::Memory memory(nullptr);
  rt::Message message;
  rt::Sampler host;
  if (host.create(memory, vocab, ids, chosen, message) != STOOP_OK)
    return message.text;
  std::vector<uint32_t> prompt(random() % 12), history(vocab);
  for (uint32_t &id : prompt)
    id = random() % vocab;
  host.begin(prompt.data(), prompt.size());
  if (host.history())
    history.assign(host.history(), host.history() + vocab);
  device.begin(host, history, trial % 2);
  constexpr uint32_t kNone = UINT32_MAX;
  for (int step = 0; step < 4; ++step) {
    std::vector<float> values = logits(vocab, trial % 3);
    uint32_t expected = kNone;
    if (host.sample(values.data(), &expected, message) != STOOP_OK)
      expected = kNone;
    uint32_t actual = device.sample(values, ids, random());
    if (!device.failure.empty())
      return device.failure;
    if (actual != expected)
      return llvm::formatv("{0} instead of {1} of {2} ids, trial {3}, step {4}: temperature {5} top-k {6} "
                           "top-p {7} min-p {8}",
                           actual, expected, ids, trial, step, chosen.temperature, chosen.top_k,
                           chosen.top_p, chosen.min_p);
    if (expected == kNone)
      break;
  }
  return "";
}
