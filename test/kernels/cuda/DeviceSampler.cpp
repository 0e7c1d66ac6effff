//===- DeviceSampler.cpp - the sampling kernel on the virtual GPU ---------===//
//
// Every array is an allocation of its own, so that an access behind it is a finding. Where launches may overlap, the logits come
// from one that has not ended when the kernel starts.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/DeviceSampler.h"
#include "test/kernels/cuda/Producer.h"
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/NvrtcCompiler.h"
#include "test/runtime/sampler/random_settings.h"
#include "llvm/Support/FormatVariadic.h"
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
  for (uint64_t address : {states, histories, logitsAt, maximaAt})
    if (address)
      gpu.api.memory_free(address);
  gpu.api.module_unload(module);
}

void DeviceSampler::begin(const rt::Sampler &sampler, std::vector<uint32_t> counts, uint32_t inRow) {
  row = inRow;
  history = std::move(counts);
  state = {};
  state.position = 41, state.count = 62; // the ring's end comes with the third token
  memcpy(&state.seed, &sampler.settings(), sizeof sampler.settings());
  stoop_gpu_state initial[2] = {};
  initial[1 - row].slot = -1;
  initial[row] = state;
  // Anew, so that the other row's were never written.
  for (uint64_t *address : {&histories, &logitsAt, &maximaAt}) {
    if (*address)
      gpu.api.memory_free(*address);
    uint32_t numbers = address == &maximaAt ? stoop_logit_blocks(vocab) : vocab;
    if (gpu.api.memory_allocate(address, 2 * numbers * 4))
      failure = "out of device memory";
  }
  gpu.api.copy_to_device(states, initial, sizeof initial, gpu.stream);
  gpu.api.copy_to_device(histories + row * vocab * 4, history.data(), vocab * 4, gpu.stream);
  if (gpu.api.stream_wait(gpu.stream))
    failure = "the state does not reach the device";
}

uint32_t DeviceSampler::advance() {
  stoop_gpu_state after{};
  std::vector<uint32_t> noted(vocab);
  int error = gpu.api.copy_to_host(&after, states + row * sizeof after, sizeof after, gpu.stream);
  if (!error)
    error = gpu.api.copy_to_host(noted.data(), histories + row * vocab * 4, vocab * 4, gpu.stream);
  if (!error)
    error = gpu.api.stream_wait(gpu.stream);
  if (error) {
    failure = "error " + std::to_string(error);
    return UINT32_MAX;
  }
  const uint32_t token = after.ring[state.count % 64];
  const bool isToken = token != UINT32_MAX;
  state.ring[state.count++ % 64] = token;
  state.next_token = isToken ? token : 0;
  ++state.position;
  state.draws += !(state.temperature == 0 || state.top_k == 1);
  if (isToken && token < vocab)
    history[token] = sampling::noted(history[token]);
  if (memcmp(&after, &state, sizeof state) != 0)
    failure = llvm::formatv("the state behind token {0} is wrong: next {1}, position {2}, count {3}, draws {4}", token,
                            after.next_token, after.position, after.count, after.draws);
  else if (noted != history)
    failure = llvm::formatv("the history behind token {0} is wrong", token);
  return token;
}

uint32_t DeviceSampler::sample(const std::vector<float> &logits, uint32_t numIds, uint64_t seed,
                               bool hasMaxima) {
  gpu.seed(seed);
  Producer producer(gpu.api, gpu.stream);
  producer.write(logitsAt + row * vocab * 4, logits.data(), vocab * 4);
  const std::vector<float> maxima = rt::block_maxima(logits);
  const uint32_t blocks = maxima.size();
  producer.write(maximaAt + row * blocks * 4, maxima.data(), blocks * 4);
  if (producer.launch())
    failure = "the launch in front fails";
  uint64_t given = hasMaxima ? maximaAt : 0;
  void *parameters[] = {&logitsAt, &given, &vocab, &numIds, &states, &histories};
  rt::LaunchRange ranges[] = {{logitsAt, 2 * vocab * 4, 1, "logits"},
                              {states, 2 * sizeof state, 3, "states"},
                              {histories, 2 * vocab * 4, 3, "histories"},
                              {maximaAt, 2 * blocks * 4, 1, "maxima"}};
  gpu.api.next_launch(ranges, hasMaxima ? 4 : 3);
  uint32_t token = UINT32_MAX;
  rt::LaunchAttribute early{rt::kCudaStartsEarly, {}, {1}};
  const rt::LaunchConfig config{{2, 1, 1}, {512, 1, 1}, 0, gpu.stream, &early, overlapsLaunches() ? 1u : 0u};
  if (int error = gpu.api.launch_with(&config, function, parameters, nullptr))
    failure = "error " + std::to_string(error);
  else
    token = advance();
  if (std::string findings = gpu.findings(); !findings.empty())
    failure = findings;
  gpu.reset();
  return token;
}
