//===- KernelBenchmarks.cpp - rates of every kernel of the CPU catalog ----===//
//
// One benchmark per port of the catalog, at this machine's best level, on random inputs in one thread:
// bytes that a launch must move and operations, per second. Weights are larger than the caches.
//   stoop-bench-kernels [--smoke] [Google Benchmark's flags]
// --smoke: small shapes, one launch each. A result that is not finite ends the program with 4.
//
//===----------------------------------------------------------------------===//
#include "ir/support/QuantScheme.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "kernels/common/split.h"
#include "test/kernels/KernelHarness.h"
#include "llvm/ADT/StringExtras.h"
#include <benchmark/benchmark.h>
#include <cmath>
#include <cstring>

using namespace stoop;
using namespace stoop::test;

static bool smoke = false;
static int failures = 0;

namespace {
/// A kernel with its operands and what a launch costs.
struct Case {
  codegen::KernelSpec spec;
  std::vector<Buffer> buffers;
  size_t result;  ///< which of them is written
  Element element; ///< of the result
  uint32_t rows;
  double bytes, flops;
};
using Ports = llvm::SmallVector<llvm::StringRef>;
} // namespace

static Element elementOf(llvm::StringRef name) {
  return name == "f32" ? Element::F32 : name == "bf16" ? Element::BF16 : Element::F16;
}

static std::mt19937_64 &generator() {
  static std::mt19937_64 random(runSeed());
  return random;
}

/// `count` random values; after the first 64 Ki they repeat.
static Buffer values(Element element, int64_t count) {
  Buffer buffer(count * bytesOf(element));
  int64_t drawn = std::min<int64_t>(count, 1 << 16);
  std::vector<float> some = randomValues(generator(), drawn, element);
  for (int64_t i = 0; i < drawn; ++i)
    buffer.set(element, i, some[i]);
  auto *data = static_cast<char *>(buffer.data());
  for (size_t at = drawn * bytesOf(element); at < buffer.size(); at += drawn * bytesOf(element))
    std::memcpy(data + at, data, std::min(drawn * bytesOf(element), buffer.size() - at));
  return buffer;
}

static Buffer rowNumbers(int64_t count, int64_t first = 0) {
  std::vector<int32_t> numbers;
  for (int64_t i = 0; i < count; ++i)
    numbers.push_back(static_cast<int32_t>(first + i));
  return Buffer::of(numbers);
}

static Buffer zeros(int64_t count) { return Buffer::of(std::vector<int32_t>(count, 0)); }

/// Panels of random codes whose scales are about one over the largest code.
static Buffer quantised(const QuantScheme &scheme, int64_t rows, int64_t columns) {
  Buffer buffer(scheme.packedBytes(rows, columns));
  auto *data = static_cast<unsigned char *>(buffer.data());
  for (size_t i = 0; i < buffer.size(); ++i)
    data[i] = generator()();
  const float wide = 1.0f / 127;
  const uint16_t half = 0x2c44; // about 1/15
  int64_t blocks = scheme.group ? columns / scheme.group : 1, bytes = scheme.panelBytes(columns) / blocks;
  for (unsigned char *block = data; block < data + buffer.size(); block += bytes)
    for (int row = 0; row < 16; ++row)
      scheme.group ? std::memcpy(block + 2 * row, &half, 2) : std::memcpy(block + 4 * row, &wide, 4);
  return buffer;
}

/// elements: weights, input, rows.
static Case makeLinear(const std::string &symbol, const Ports &elements, const QuantScheme &scheme) {
  bool isMany = elements[2] == "many", isQuantised = elements[0] == "quant";
  int64_t rows = isMany ? (smoke ? 16 : 256) : std::stoll(elements[2].str());
  int64_t n = smoke ? 64 : isMany ? 2048 : 8192, k = smoke ? 128 : isMany ? 2048 : 8192;
  Element x = elementOf(elements[1]), w = elementOf(elements[0]);
  LinearShape shape{rows, n, k, k, n, Element::F32, /*prefetch=*/1024};
  if (isQuantised)
    shape.quantGroup = scheme.group;
  Case c{linearSpec(llvm::StringRef(symbol).rsplit('_').first.str(), shape), {}, 2, Element::F32, uint32_t(rows), 0,
         2.0 * rows * n * k};
  c.buffers.push_back(values(x, rows * k));
  c.buffers.push_back(isQuantised ? quantised(scheme, n, k) : values(w, n * k));
  c.buffers.emplace_back(rows * n * 4);
  c.bytes = c.buffers[1].size();
  return c;
}

/// elements: activations, cache. One row at the end of a context of 1,024, or a whole prompt of 256.
static Case makeAttention(const std::string &symbol, const Ports &elements, bool isPrompt) {
  Element x = elementOf(elements[0]), cache = elementOf(elements[1]);
  int64_t heads = smoke ? 2 : 32, headDim = 64, width = heads * headDim, rows = isPrompt ? (smoke ? 8 : 256) : 1;
  int64_t context = smoke ? 32 : 1024, start = isPrompt ? 0 : context - 1;
  kernels::AttentionParams p = {0,     1,       2,       3,       4,    width, width, 1,
                                heads, heads, context, headDim, rows, 0,     0.125};
  Case c{makeSpec(symbol, p, kernels::attention_scratch_bytes(headDim, 1)), {}, 4, x, uint32_t(rows), 0, 0};
  c.spec.table.assign(1, 0.0f);
  c.buffers.push_back(values(x, rows * width));
  c.buffers.push_back(values(cache, 2 * context * width));
  c.buffers.push_back(rowNumbers(rows, start));
  c.buffers.push_back(zeros(rows));
  c.buffers.emplace_back(rows * width * bytesOf(x));
  double pairs = double(rows) * heads * (start + (rows + 1) / 2.0);
  c.bytes = 2.0 * (start + rows) * width * bytesOf(cache);
  c.flops = 4 * pairs * headDim;
  return c;
}

static constexpr int64_t kRows = 64;
static int64_t columns() { return smoke ? 64 : 2048; }

static Case makeKvAppend(const std::string &symbol, const Ports &elements) {
  Element x = elementOf(elements[0]), cache = elementOf(elements[1]);
  int64_t heads = columns() / 64;
  kernels::KvAppendParams p = {0, 1, 2, 3, 4, columns(), columns(), 1, heads, kRows, 64, kRows};
  Case c{makeSpec(symbol, p), {}, 0, cache, kRows, 0, 0};
  c.buffers.push_back(values(cache, 2 * kRows * columns()));
  c.buffers.push_back(values(x, kRows * columns()));
  c.buffers.push_back(values(x, kRows * columns()));
  c.buffers.push_back(rowNumbers(kRows));
  c.buffers.push_back(zeros(kRows));
  c.bytes = 2.0 * kRows * columns() * (bytesOf(x) + bytesOf(cache));
  return c;
}

/// elements: kind, input, output.
static Case makeNorm(const std::string &symbol, const Ports &elements) {
  Element x = elementOf(elements[1]), y = elementOf(elements[2]);
  kernels::NormParams p = {0, 1, 2, 3, columns(), columns(), columns(), kRows, 1e-5, {}};
  Case c{makeSpec(symbol, p), {}, 3, y, kRows, double(kRows) * columns() * (bytesOf(x) + bytesOf(y)), 0};
  c.buffers.push_back(values(x, kRows * columns()));
  c.buffers.push_back(values(Element::F32, columns()));
  c.buffers.push_back(values(Element::F32, columns()));
  c.buffers.emplace_back(kRows * columns() * bytesOf(y));
  return c;
}

/// elements: weights, output.
static Case makeEmbedding(const std::string &symbol, const Ports &elements, const QuantScheme &scheme) {
  constexpr int64_t vocab = 1024;
  bool isQuantised = elements[0] == "quant";
  kernels::EmbeddingParams p = {0, 1, 2, columns(), columns(), vocab, kRows, isQuantised ? scheme.group : 0};
  Element w = elementOf(elements[0]), y = elementOf(elements[1]);
  Case c{makeSpec(symbol, p), {}, 2, y, kRows, double(kRows) * columns() * bytesOf(y), 0};
  c.buffers.push_back(rowNumbers(kRows));
  c.buffers.push_back(isQuantised ? quantised(scheme, vocab, columns()) : values(w, vocab * columns()));
  c.buffers.emplace_back(kRows * columns() * bytesOf(y));
  return c;
}

static Case makeRope(const std::string &symbol, const Ports &elements) {
  Element x = elementOf(elements[0]);
  kernels::RopeParams p = {0, 1, 2, 3, columns(), columns(), columns() / 64, 64, kRows, kRows};
  Case c{makeSpec(symbol, p), {}, 3, x, kRows, 2.0 * kRows * columns() * bytesOf(x), 3.0 * kRows * columns()};
  c.buffers.push_back(values(x, kRows * columns()));
  c.buffers.push_back(rowNumbers(kRows));
  c.buffers.push_back(values(Element::F32, kRows * 64));
  c.buffers.emplace_back(kRows * columns() * bytesOf(x));
  return c;
}

static Case makeGatherLast(const std::string &symbol, const Ports &elements) {
  Element x = elementOf(elements[0]);
  kernels::GatherLastParams p = {0, 1, columns(), columns(), kRows};
  Case c{makeSpec(symbol, p), {}, 1, x, kRows, 2.0 * columns() * bytesOf(x), 0};
  c.buffers.push_back(values(x, kRows * columns()));
  c.buffers.emplace_back(columns() * bytesOf(x));
  return c;
}

/// A hook that copies, or keeps the largest of its 16 columns: what the loop around hooks costs.
static Case makeElementwise(const std::string &symbol, bool isReduction) {
  std::string row = std::to_string(columns());
  std::string finish = isReduction ? "  %j = sdiv i64 %i, 16\n  %to = getelementptr float, ptr %y, i64 %j\n"
                                     "  %m = call float @llvm.vector.reduce.fmaximum.v16f32(<16 x float> %v)\n"
                                     "  store float %m, ptr %to, align 4\n"
                                   : "  %to = getelementptr float, ptr %y, i64 %i\n  store <16 x float> %v, ptr %to, align 4\n";
  std::string hook = hookFromIr(
      "define void @stoop_hook(ptr %sums, i64 %product_stride, i64 %segment, i64 %row, i64 %column, i64 %valid, "
      "ptr %tail, ptr %buffers) {\n  %x = load ptr, ptr %buffers\n  %slot = getelementptr ptr, ptr %buffers, i64 1\n"
      "  %y = load ptr, ptr %slot\n  %r = mul i64 %row, " + row + "\n  %i = add i64 %r, %column\n"
      "  %from = getelementptr float, ptr %x, i64 %i\n  %v = load <16 x float>, ptr %from, align 4\n" +
      finish + "  ret void\n}\ndeclare float @llvm.vector.reduce.fmaximum.v16f32(<16 x float>)\n");
  kernels::ElementwiseParams p = {columns(), kRows};
  Case c{makeSpec(symbol, p, 0, hook), {}, 1, Element::F32, kRows, (isReduction ? 4.25 : 8.0) * kRows * columns(), 0};
  c.buffers.push_back(values(Element::F32, kRows * columns()));
  c.buffers.emplace_back(kRows * columns() * 4 / (isReduction ? 16 : 1));
  return c;
}

/// elements: "moments", input.
static Case makeMoments(const std::string &symbol, const Ports &elements) {
  Element x = elementOf(elements[1]);
  constexpr int64_t block = 256;
  int64_t numbers = 2 * kernels::pieces_of(columns(), block);
  kernels::MomentsParams p = {0, columns(), columns(), kRows, {kernels::kLayerNorm, block, 1, numbers}};
  Case c{makeSpec(symbol, p), {}, 1, Element::F32, kRows, double(kRows) * columns() * bytesOf(x), 0};
  c.buffers.push_back(values(x, kRows * columns()));
  c.buffers.emplace_back(kRows * numbers * 4);
  return c;
}

static void run(benchmark::State &state, const std::function<Case()> &make) {
  Case c = make();
  LoadedKernel kernel(c.spec, *runnableLevels().back());
  std::vector<void *> pointers;
  for (Buffer &buffer : c.buffers)
    pointers.push_back(buffer.data());
  Buffer scratch(c.spec.scratchBytes + 64);
  stoop_step step = {};
  step.num_rows = c.rows;
  stoop_kernel_args args = {};
  args.buffers = pointers.data();
  args.step = &step;
  args.num_threads = 1;
  args.scratch = reinterpret_cast<void *>((reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64);
  for (auto _ : state)
    kernel.function()(&args);
  using benchmark::Counter;
  state.counters["bytes/s"] = Counter(c.bytes, Counter::kIsIterationInvariantRate);
  if (c.flops)
    state.counters["flop/s"] = Counter(c.flops, Counter::kIsIterationInvariantRate);
  // Buffers begin as NaN, so an element that was not written is found as well.
  Buffer &result = c.buffers[c.result];
  for (size_t i = 0; i < result.size() / bytesOf(c.element); ++i)
    if (!std::isfinite(result.at(c.element, i))) {
      ++failures;
      return state.SkipWithError(("element " + std::to_string(i) + " of the result is not finite").c_str());
    }
}

static void add(const std::string &name, std::function<Case()> make) {
  auto *bench = benchmark::RegisterBenchmark(name.c_str(), [make](benchmark::State &state) { run(state, make); });
  if (smoke)
    bench->Iterations(1);
}

/// A template without a line here is a failure, so that none is forgotten.
static void registerPort(const kernels::KernelTemplate &kernel, const kernels::KernelPort &port) {
  Ports elements;
  port.elements.split(elements, ',');
  std::string symbol = port.symbol.str(), name = kernel.name.str() + "/" + port.elements.str();
  // One launch of each arithmetic is enough to see that it works.
  if (smoke && kernel.name == "linear" && elements[2] != "1" && elements[2] != "many")
    return;
  if (kernel.name == "linear" || kernel.name == "embedding") {
    for (const char *scheme : {"int8", "int4-g32"}) {
      QuantScheme form = *QuantScheme::parse(scheme);
      bool isQuantised = elements[0] == "quant";
      std::string own = name + (isQuantised ? std::string("/") + scheme : "");
      if (kernel.name == "linear")
        add(own, [=] { return makeLinear(symbol, elements, form); });
      else
        add(own, [=] { return makeEmbedding(symbol, elements, form); });
      if (!isQuantised)
        return;
    }
  } else if (kernel.name == "attention") {
    add(name + "/decode", [=] { return makeAttention(symbol, elements, false); });
    add(name + "/prompt", [=] { return makeAttention(symbol, elements, true); });
  } else if (kernel.name == "kv_append") {
    add(name, [=] { return makeKvAppend(symbol, elements); });
  } else if (kernel.name == "norm") {
    add(name, [=] { return makeNorm(symbol, elements); });
  } else if (kernel.name == "rope") {
    add(name, [=] { return makeRope(symbol, elements); });
  } else if (kernel.name == "gather_last") {
    add(name, [=] { return makeGatherLast(symbol, elements); });
  } else if (elements[0] == "moments") {
    add(name, [=] { return makeMoments(symbol, elements); });
  } else if (kernel.name == "elementwise" || kernel.name == "reduction") {
    add(name, [=, isReduction = kernel.name == "reduction"] { return makeElementwise(symbol, isReduction); });
  } else {
    std::fprintf(stderr, "template %s has no operands in KernelBenchmarks.cpp\n", kernel.name.str().c_str());
    ++failures;
  }
}

int main(int argc, char **argv) {
  for (int i = 1; i < argc; ++i)
    if (std::strcmp(argv[i], "--smoke") == 0) {
      smoke = true;
      std::copy(argv + i + 1, argv + argc, argv + i);
      --argc;
    }
  for (const kernels::KernelTemplate &kernel : kernels::kernelTemplates())
    for (const kernels::KernelPort &port : kernel.ports)
      registerPort(kernel, port);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv))
    return 2;
  benchmark::RunSpecifiedBenchmarks();
  return failures ? 4 : 0;
}
