//===- KernelHarness.cpp - compile, load and run one kernel ---------------===//
#include "test/kernels/KernelHarness.h"
#include "codegen/cpu/CpuLevels.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "llvm/AsmParser/Parser.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <thread>

using namespace llvm;
using namespace stoop;

const char *test::name(Element element) {
  return element == Element::F32 ? "f32" : element == Element::BF16 ? "bf16" : "f16";
}

size_t test::bytesOf(Element element) { return element == Element::F32 ? 4 : 2; }

static uint16_t bf16Bits(float value) {
  if (std::isnan(value))
    return 0x7fc0;
  uint32_t bits = std::bit_cast<uint32_t>(value);
  return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/// Half precision by arithmetic on the exponent: the last place of `value` is a power of two.
static float roundToHalf(float value) {
  if (std::isnan(value) || std::isinf(value))
    return value;
  int exponent;
  std::frexp(value, &exponent);
  float unit = std::ldexp(1.0f, std::max(exponent - 11, -24));
  float rounded = std::nearbyint(value / unit) * unit;
  return std::fabs(rounded) >= 65520.0f ? std::copysign(INFINITY, value) : rounded;
}

float test::roundTo(Element element, float value) {
  if (element == Element::F32)
    return value;
  if (element == Element::BF16)
    return std::bit_cast<float>(uint32_t(bf16Bits(value)) << 16);
  return roundToHalf(value);
}

static uint16_t halfBits(float value) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isnan(value))
    return 0x7e00;
  float magnitude = std::fabs(roundToHalf(value));
  if (std::isinf(magnitude))
    return sign | 0x7c00;
  if (magnitude < std::ldexp(1.0f, -14))
    return sign | static_cast<uint16_t>(std::ldexp(magnitude, 24));
  int exponent;
  float fraction = std::frexp(magnitude, &exponent);
  return sign | (exponent + 14) << 10 | static_cast<uint16_t>((fraction * 2 - 1) * 1024);
}

static float halfValue(uint16_t bits) {
  int exponent = bits >> 10 & 31;
  float fraction = bits & 1023;
  float magnitude = exponent == 31  ? (fraction != 0 ? NAN : INFINITY)
                    : exponent == 0 ? std::ldexp(fraction, -24)
                                    : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

std::vector<const kernels::KernelLevel *> test::runnableLevels() {
  uint64_t features = codegen::detectCpuFeatures();
  std::vector<const kernels::KernelLevel *> levels;
  for (const kernels::KernelLevel &level : kernels::kernelLevels())
    if ((level.required & ~features) == 0)
      levels.push_back(&level);
  return levels;
}

uint64_t test::runSeed() {
  static const uint64_t seed = [] {
    const char *given = std::getenv("STOOP_TEST_SEED");
    uint64_t value = given ? std::strtoull(given, nullptr, 0)
                           : std::chrono::system_clock::now().time_since_epoch().count();
    errs() << "STOOP_TEST_SEED=" << value << "\n";
    return value;
  }();
  return seed;
}

test::Buffer::Buffer(size_t bytes) : bytes(bytes), storage(bytes + 2 * kGuard, 0xff) {}

bool test::Buffer::intact() const {
  for (size_t i = 0; i < kGuard; ++i)
    if (storage[i] != 0xff || storage[kGuard + bytes + i] != 0xff)
      return false;
  return true;
}

void test::Buffer::set(Element element, size_t index, float value) {
  unsigned char *p = storage.data() + kGuard + index * bytesOf(element);
  if (element == Element::F32) {
    std::memcpy(p, &value, 4);
    return;
  }
  uint16_t bits = element == Element::BF16 ? bf16Bits(value) : halfBits(value);
  std::memcpy(p, &bits, 2);
}

float test::Buffer::at(Element element, size_t index) const {
  const unsigned char *p = storage.data() + kGuard + index * bytesOf(element);
  if (element == Element::F32) {
    float value;
    std::memcpy(&value, p, 4);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return element == Element::BF16 ? std::bit_cast<float>(uint32_t(bits) << 16) : halfValue(bits);
}

test::Buffer test::Buffer::of(Element element, const std::vector<float> &values) {
  Buffer buffer(values.size() * bytesOf(element));
  for (size_t i = 0; i < values.size(); ++i)
    buffer.set(element, i, values[i]);
  return buffer;
}

test::Buffer test::Buffer::of(const std::vector<int32_t> &values) {
  Buffer buffer(values.size() * 4);
  std::memcpy(buffer.data(), values.data(), values.size() * 4);
  return buffer;
}

test::Buffer test::packPanel16(Element element, const std::vector<float> &values, int64_t rows,
                               int64_t columns) {
  int64_t pair = element == Element::BF16 ? 2 : 1;
  int64_t padded = (columns + pair - 1) / pair * pair, panels = (rows + 15) / 16;
  std::vector<float> packed(panels * 16 * padded, 0.0f);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      packed[r / 16 * padded * 16 + c / pair * pair * 16 + r % 16 * pair + c % pair] =
          values[r * columns + c];
  return Buffer::of(element, packed);
}

std::vector<float> test::randomValues(std::mt19937_64 &random, size_t count, Element element,
                                      float scale) {
  std::uniform_real_distribution<float> distribution(-scale, scale);
  std::vector<float> values(count);
  for (float &value : values)
    value = roundTo(element, distribution(random));
  return values;
}

static const char *const kHookHead =
    "define void @stoop_hook(ptr %sums, i64 %product_stride, i64 %segment, i64 %row, i64 %column, "
    "i64 %valid, ptr %tail, ptr %buffers) {\n";

std::string test::hookFromIr(const std::string &ir) {
  std::string text = ir.empty() ? kHookHead + std::string("  ret void\n}\n") : ir;
  LLVMContext context;
  SMDiagnostic diagnostic;
  std::unique_ptr<Module> module = parseAssemblyString(text, diagnostic, context);
  if (!module) {
    diagnostic.print("hook", errs());
    std::abort();
  }
  std::string bitcode;
  raw_string_ostream stream(bitcode);
  WriteBitcodeToFile(*module, stream);
  return bitcode;
}

/// Stores the sums in operand 2.
static std::string storingHook(const test::LinearShape &shape) {
  std::string element = test::name(shape.y);
  return test::hookFromIr("declare void @stoop_store_" + element + "(ptr, ptr, i64)\n" + kHookHead +
                          "  %slot = getelementptr ptr, ptr %buffers, i64 2\n"
                          "  %y = load ptr, ptr %slot\n"
                          "  %skip = mul i64 %row, " +
                          std::to_string(shape.yStride) +
                          "\n  %i = add i64 %skip, %column\n"
                          "  %p = getelementptr i" +
                          std::to_string(8 * test::bytesOf(shape.y)) +
                          ", ptr %y, i64 %i\n  call void @stoop_store_" + element +
                          "(ptr %p, ptr %sums, i64 %valid)\n  ret void\n}\n");
}

codegen::KernelSpec test::linearSpec(const std::string &ports, const LinearShape &shape) {
  struct {
    kernels::LinearParams header;
    kernels::LinearInput input;
    kernels::LinearSegment segment;
    kernels::LinearProduct product;
  } region = {};
  int64_t panels = (shape.n + 15) / 16;
  region.header.max_rows = shape.maxRows;
  region.header.prefetch = shape.prefetch;
  LinearShape::Blocks blocks = shape.blocks.value_or(LinearShape::Blocks{
      kernels::kGemmBlockPanels, kernels::kGemmBlockRows, kernels::kGemmBlockInner, kernels::kGemmBlockPanels});
  region.header.block_panels = kernels::block_panels_of(blocks.panels, shape.maxRows, 1);
  region.header.block_rows = blocks.rows;
  region.header.block_inner = blocks.inner;
  region.header.split_panels = blocks.splitPanels;
  region.header.num_inputs = region.header.num_segments = region.header.num_products = 1;
  region.header.quantized = !shape.quantGroup         ? kernels::kFloatWeights
                            : shape.floatActivations ? kernels::kFloatActivations
                                                     : kernels::kIntegerActivations;
  int64_t whole = shape.quantGroup ? kernels::kScaleColumns : 2;
  region.header.packed_columns = (shape.k + whole - 1) / whole * whole;
  region.header.total_cost = panels * shape.k;
  region.header.most_products = region.header.most_unit_panels = 1;
  region.header.whole_panels = shape.n % 16 == 0;
  region.header.prologue.yield_operand = -1;
  region.input.stride = shape.xStride;
  region.input.columns = shape.k;
  region.input.yield_operand = -1;
  region.segment.n = shape.n;
  region.segment.num_products = region.segment.unit_panels = 1;
  region.segment.panel_cost = shape.k;
  region.product = {0, 1, shape.k, shape.quantGroup.value_or(0)};
  bool few = shape.maxRows <= kernels::kGemvRows;
  std::string port = ports + (few ? "_" + std::to_string(shape.maxRows) : "_many");
  return makeSpec(port, region, kernels::linear_scratch_bytes(region.header), storingHook(shape));
}

/// Ends the process: a kernel that cannot be compiled fails every test that needs it.
template <class T> static T require(Expected<T> value, const char *what) {
  if (value)
    return std::move(*value);
  errs() << what << ": " << toString(value.takeError()) << "\n";
  std::exit(1);
}

static codegen::LoadedCode load(const codegen::KernelSpec &spec, const kernels::KernelLevel &level) {
  std::string symbol = "stoop_test_kernel";
  std::string object = require(codegen::specializeCached(spec, level, symbol), "specializeCached");
  return require(codegen::LoadedCode::load(object, symbol), "LoadedCode");
}

test::LoadedKernel::LoadedKernel(const codegen::KernelSpec &spec, const kernels::KernelLevel &level)
    : code(load(spec, level)), entry(code.function()), scratchBytes(spec.scratchBytes) {}

void test::LoadedKernel::run(const std::vector<Buffer *> &buffers, uint32_t numRows,
                             unsigned numThreads) const {
  std::vector<void *> pointers;
  for (Buffer *buffer : buffers)
    pointers.push_back(buffer->data());
  stoop_step step = {};
  step.num_rows = numRows;
  std::vector<std::thread> threads;
  for (unsigned t = 0; t < numThreads; ++t)
    threads.emplace_back([&, t] {
      constexpr size_t guard = 64;
      std::vector<unsigned char> scratch(scratchBytes + 64 + guard, 0xff);
      auto base = (reinterpret_cast<uintptr_t>(scratch.data()) + 63) / 64 * 64;
      stoop_kernel_args args = {pointers.data(), &step, t, numThreads,
                                reinterpret_cast<void *>(base)};
      entry(&args);
      for (auto *p = reinterpret_cast<unsigned char *>(base) + scratchBytes;
           p < scratch.data() + scratch.size(); ++p)
        if (*p != 0xff) {
          errs() << "kernel wrote past its scratch of " << scratchBytes << " bytes\n";
          std::abort();
        }
    });
  for (std::thread &thread : threads)
    thread.join();
}
