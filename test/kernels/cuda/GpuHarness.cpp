//===- GpuHarness.cpp - one CUDA kernel on the virtual GPU ----------------===//
//
// Every operand is an allocation of its own, exactly as large as its last row needs, so that an access
// behind it is a finding; unwritten results are too. What is no weight is written by a launch right in front, before whose end the
// kernel starts where launches may overlap.
//
//===----------------------------------------------------------------------===//
#include "test/kernels/cuda/GpuHarness.h"
#include "test/kernels/cuda/Producer.h"
#include "codegen/cuda/CubinInfo.h"
#include "codegen/cuda/KernelEmitter.h"
#include "codegen/cuda/NvrtcCompiler.h"
#include "codegen/quant/Strip.h"
#include "codegen/reference/Evaluator.h"
#include "codegen/reference/ops/Ops.h"
#include "ir/lm/LmDialect.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "ir/support/TileOrder.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/planning/Passes.h"
#include <cmath>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <random>

using namespace mlir;
using namespace stoop;
using namespace stoop::test;
using reference::Datum;
using reference::Element;
using reference::KvLayer;
using reference::Tensor;

namespace {
/// A model that gives the evaluator something to belong to.
constexpr const char *kModel = R"(
lm.model @m attributes {family = "test", dtype = f32, hidden = 8 : i64, layers = 1 : i64, heads = 1 : i64,
    kv_heads = 1 : i64, head_dim = 8 : i64, ffn = 8 : i64, vocab = 8 : i64, max_positions = 8 : i64,
    batch = 1 : i64, metadata = {}} {
}
)";

/// A parsed and planned kernel.
struct Parsed {
  explicit Parsed(const std::string &text);
  DialectRegistry registry;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  plan::KernelOp kernel;
};

/// One operand: what the reference reads and what the device holds.
struct Operand {
  int64_t rows = 1, cols = 1, stride = 0;
  Type element;
  bool isCache = false, isTiled = false;
  std::vector<char> bytes;

  /// Where element [row][col] lies, in elements.
  int64_t placeOf(int64_t row, int64_t col) const { return isTiled ? tiledPlace(row, col, cols) : row * stride + col; }
  uint64_t address = 0;
};
} // namespace

std::string test::architectureName() {
  const char *name = getenv("STOOP_TEST_GPU_ARCH");
  return name ? name : "sm_80";
}

bool test::overlapsLaunches() { return kernels::findGpuArchitecture(architectureName())->overlapsLaunches(); }

Parsed::Parsed(const std::string &text) {
  registry.insert<lm::LmDialect, plan::PlanDialect>();
  reference::registerReferenceModels(registry);
  context.appendDialectRegistry(registry);
  context.loadAllAvailableDialects();
  module = parseSourceString<ModuleOp>(
      kModel + ("plan.program @p target(\"cuda\") metadata({}) {\n" + text + "\n}"), &context);
  if (!module)
    return;
  PassManager pm(&context);
  pm.addPass(planning::createSetGeometry());
  if (failed(pm.run(*module)))
    return;
  module->walk([&](plan::KernelOp op) { kernel = op; });
}

VirtualGpu &VirtualGpu::get() {
  static VirtualGpu gpu;
  return gpu;
}

VirtualGpu::VirtualGpu() {
  std::string capability = architectureName() == "sm_90a" ? "90" : "80";
  setenv("STOOP_VGPU_ARCH", capability.c_str(), 1);
  setenv("STOOP_VGPU_BLOCK_INSTRUCTIONS", "4000000", 0);
  setenv("STOOP_CUDA_DRIVER", STOOP_BUILD_DIR "/test/vgpu/libcuda.so.1", 1);
  rt::Message message;
  void *contextHandle = nullptr;
  int device = 0;
  if (api.load(0, message) != STOOP_OK || api.device_get(&device, 0) ||
      api.context_retain(&contextHandle, device) || api.context_set(contextHandle) ||
      api.stream_create(&stream, rt::kCudaStreamNonBlocking)) {
    failure = std::string("no virtual GPU: ") + message.text;
    return;
  }
  void *library = dlopen(getenv("STOOP_CUDA_DRIVER"), RTLD_NOW | RTLD_NOLOAD);
  findings = reinterpret_cast<const char *(*)()>(dlsym(library, "stoopVgpuFindings"));
  reset = reinterpret_cast<void (*)()>(dlsym(library, "stoopVgpuReset"));
  seed = reinterpret_cast<void (*)(uint64_t)>(dlsym(library, "stoopVgpuSeed"));
  count = reinterpret_cast<void (*)(int)>(dlsym(library, "stoopVgpuCount"));
  counts = reinterpret_cast<const char *(*)()>(dlsym(library, "stoopVgpuCounts"));
}

std::vector<OpCount> test::countedOps() {
  std::vector<OpCount> ops;
  llvm::StringRef rest = VirtualGpu::get().counts();
  while (!rest.empty()) {
    auto [line, behind] = rest.split('\n');
    rest = behind;
    llvm::SmallVector<llvm::StringRef> words;
    line.split(words, ' ');
    if (words.size() < 12 || words[0] != "op")
      continue;
    OpCount op{words[3].str(), line.str()};
    for (auto [word, number] : {std::pair{4, &op.executed}, {5, &op.requests}, {6, &op.bytes}, {7, &op.sectors}, {8, &op.passes},
                                {9, &op.leastPasses}, {10, &op.bytesAhead}, {11, &op.bytesUntriggered}})
      words[word].getAsInteger(10, *number);
    ops.push_back(op);
  }
  return ops;
}

static Element elementOf(Type type) {
  return type.isF32() ? Element::F32 : type.isBF16() ? Element::BF16 : Element::F16;
}

/// One element as it is stored.
static void storeElement(char *to, float value, Type type) {
  if (type.isF32()) {
    std::memcpy(to, &value, 4);
    return;
  }
  uint16_t bits = 0;
  if (type.isBF16()) {
    uint32_t wide;
    std::memcpy(&wide, &value, 4);
    bits = wide >> 16;
  } else {
    _Float16 half = static_cast<_Float16>(value);
    std::memcpy(&bits, &half, 2);
  }
  std::memcpy(to, &bits, 2);
}

/// Ties, infinities and what is no number: inputs of a reduction.
static float strangeValue(std::mt19937_64 &rng) {
  static constexpr float values[] = {NAN, INFINITY, -INFINITY, -0.0f, 3, 3, 4, -5};
  uint64_t pick = rng() % 64;
  return pick < std::size(values) ? values[pick] : float(int64_t(rng() % 7) - 8);
}

/// An element of rows that sums of squares are bad at: far from zero, a part far from the rest, what is no number.
static float hardValue(float value, uint64_t row, int64_t column, int64_t columns) {
  switch (row % 5) {
  case 0:
    return value + 100;
  case 1:
    return column < columns / 5 ? value - 50 : value;
  case 2:
    return column == columns / 2 ? NAN : value;
  case 3:
    return column == 0 ? INFINITY : value;
  default:
    return value;
  }
}

namespace {
/// Runs one kernel both ways.
class Comparison {
public:
  Comparison(Parsed &parsed, const GpuStep &step) : kernel(parsed.kernel), step(step), rng(step.seed),
      evaluator(*parsed.module->getOps<lm::ModelOp>().begin()), frame(evaluator, step.validRows) {}

  void makeInputs();
  bool evaluate();
  std::string launch(const std::string &ptx);
  double compare();

private:
  void makeInput(BlockArgument argument);
  std::optional<Tensor> momentsFor(BlockArgument argument);
  bool isTiled(BlockArgument argument);
  std::vector<int32_t> indicesFor(BlockArgument argument, int64_t rows);
  Operand makeOperand(Value value, int64_t stride);
  std::string copyIn(VirtualGpu &gpu, Producer &producer);
  bool isWeight(size_t operand);

  plan::KernelOp kernel;
  const GpuStep &step;
  std::mt19937_64 rng;
  reference::Evaluator evaluator;
  reference::Frame frame;
  std::vector<Operand> operands;
  std::vector<std::unique_ptr<KvLayer>> caches;
  std::vector<std::pair<size_t, KvLayer *>> writtenCaches;
  std::vector<Datum> expected;
};
} // namespace

Operand Comparison::makeOperand(Value value, int64_t stride) {
  Operand operand;
  operand.stride = stride;
  auto type = cast<RankedTensorType>(value.getType());
  operand.element = type.getElementType();
  operand.rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  operand.cols = type.getShape().back();
  if (stride == 0 || type.getRank() == 1)
    operand.stride = operand.cols;
  operand.bytes.resize(((operand.rows - 1) * operand.stride + operand.cols) *
                       elementBytes(operand.element));
  return operand;
}

/// Positions, slots and tokens by what reads them.
std::vector<int32_t> Comparison::indicesFor(BlockArgument argument, int64_t rows) {
  for (OpOperand &use : argument.getUses()) {
    if (auto embedding = dyn_cast<lm::EmbeddingOp>(use.getOwner())) {
      int64_t vocab = cast<RankedTensorType>(embedding.getTable().getType()).getDimSize(0);
      std::vector<int32_t> tokens(rows);
      for (int32_t &token : tokens)
        token = rng() % vocab;
      return tokens;
    }
    bool isSlot = (isa<lm::KvAppendOp>(use.getOwner()) && use.getOperandNumber() == 4) ||
                  (isa<lm::AttentionOp>(use.getOwner()) && use.getOperandNumber() == 3);
    return isSlot ? step.slots : step.positions;
  }
  return std::vector<int32_t>(rows);
}

/// What a norm reads of rows that stand in front of the argument; nothing for other arguments.
std::optional<Tensor> Comparison::momentsFor(BlockArgument argument) {
  for (Operation *user : argument.getUsers())
    if (auto norm = dyn_cast<lm::NormOp>(user); norm && norm.getMoments() == argument)
      return reference::blockMoments(frame.tensor(norm.getInput()), *norm.getBlock(),
                                     norm.getKind() == lm::NormKind::Layer);
  return std::nullopt;
}

/// Rows in a scheme: codes as the device has them, and what they stand for as the reference has it.
static Tensor quantise(const QuantScheme &scheme, const std::vector<float> &values, Operand &operand) {
  TileForm form = TileForm::of(scheme);
  Tensor tensor(operand.rows, operand.cols, Element::F32);
  operand.bytes.assign(form.bytes(operand.rows, operand.cols), 0);
  std::vector<float> row(operand.cols);
  for (int64_t r = 0; r < operand.rows; ++r) {
    quant::Row codes;
    quant::quantizeRow(scheme, &values[r * operand.cols], operand.cols, quant::Rounding::Nearest, codes);
    quant::packTileRow(scheme, codes, r % kTileStrip, operand.cols,
                       reinterpret_cast<uint8_t *>(operand.bytes.data()) + r / kTileStrip * form.stripBytes(operand.cols));
    quant::dequantizeRow(scheme, codes, operand.cols, row.data());
    for (int64_t c = 0; c < operand.cols; ++c)
      tensor.set(r, c, row[c]);
  }
  return tensor;
}

/// Whether the kernel reads a matrix in tiles: a weight of a template on tensor cores, or a table that it is told of.
bool Comparison::isTiled(BlockArgument argument) {
  auto tables = kernel->getAttrOfType<DenseI64ArrayAttr>(plan::kTiledAttrName);
  StringRef name = kernel.getSchedule().getTemplateName();
  bool isWeight = llvm::any_of(argument.getUses(), [](OpOperand &use) {
    return isa<lm::LinearOp>(use.getOwner()) && use.getOperandNumber() == 1;
  });
  return (tables && llvm::is_contained(tables.asArrayRef(), argument.getArgNumber())) ||
         (isWeight && (name == "linear_stream" || name == "linear_mma"));
}

void Comparison::makeInput(BlockArgument argument) {
  std::normal_distribution<float> normal;
  if (auto cache = dyn_cast<lm::KvType>(argument.getType())) {
    Element element = elementOf(cache.getElementType());
    auto layer = std::make_unique<KvLayer>(cache.getBatch(), cache.getHeads(), cache.getPositions(),
                                           cache.getHeadDim(), element);
    Operand operand;
    operand.isCache = true;
    operand.element = cache.getElementType();
    operand.bytes.resize(cache.getBytes());
    size_t bytes = elementBytes(operand.element), count = layer->keys.size();
    for (size_t i = 0; i < count; ++i) {
      layer->keys[i] = reference::roundTo(normal(rng), element);
      layer->values[i] = reference::roundTo(normal(rng), element);
      storeElement(&operand.bytes[i * bytes], layer->keys[i], operand.element);
      storeElement(&operand.bytes[(count + i) * bytes], layer->values[i], operand.element);
    }
    if (llvm::any_of(argument.getUsers(), [](Operation *op) { return isa<lm::KvAppendOp>(op); }))
      writtenCaches.emplace_back(operands.size(), layer.get());
    frame.define(argument, layer.get());
    caches.push_back(std::move(layer));
    operands.push_back(std::move(operand));
    return;
  }
  Operand operand = makeOperand(argument, kernel.getRowStrides()[argument.getArgNumber()]);
  if (operand.element.isInteger()) {
    std::vector<int32_t> indices = indicesFor(argument, operand.cols);
    std::memcpy(operand.bytes.data(), indices.data(), operand.bytes.size());
    frame.define(argument, indices);
  } else {
    bool isReduced = llvm::any_of(argument.getUsers(), llvm::IsaPred<lm::BlockMaxOp>);
    bool isHard = llvm::any_of(argument.getUsers(), [&](Operation *user) {
      auto norm = dyn_cast<lm::NormOp>(user);
      return isa<lm::BlockMomentsOp>(user) || (norm && norm.getMoments());
    });
    std::optional<Tensor> moments = momentsFor(argument);
    // Weights are scaled so that sums stay near one.
    float scale = 1;
    for (OpOperand &use : argument.getUses())
      if (isa<lm::LinearOp>(use.getOwner()) && use.getOperandNumber() == 1)
        scale = 1 / std::sqrt(static_cast<float>(operand.cols));
    if (std::optional<QuantScheme> scheme = quantSchemeOf(cast<RankedTensorType>(argument.getType()))) {
      std::vector<float> values(operand.rows * operand.cols);
      for (float &value : values)
        value = normal(rng) * scale;
      frame.define(argument, quantise(*scheme, values, operand));
      operands.push_back(std::move(operand));
      return;
    }
    operand.isTiled = isTiled(argument);
    if (operand.isTiled)
      operand.bytes.assign(TileForm().bytes(operand.rows, operand.cols), 0);
    Tensor tensor(operand.rows, operand.cols, elementOf(operand.element));
    size_t bytes = elementBytes(operand.element);
    for (int64_t r = 0; r < operand.rows; ++r)
      for (int64_t c = 0; c < operand.cols; ++c) {
        float value = moments ? moments->row(r)[c] : isReduced ? strangeValue(rng) : normal(rng) * scale;
        tensor.set(r, c, isHard && !moments ? hardValue(value, r + step.seed, c, operand.cols) : value);
        storeElement(&operand.bytes[operand.placeOf(r, c) * bytes], tensor.row(r)[c],
                     operand.element);
      }
    frame.define(argument, tensor);
  }
  operands.push_back(std::move(operand));
}

void Comparison::makeInputs() {
  for (BlockArgument argument : kernel.getBody().getArguments())
    makeInput(argument);
  Operation *yield = kernel.getBody().front().getTerminator();
  for (auto [index, value] : llvm::enumerate(yield->getOperands()))
    operands.push_back(makeOperand(value, kernel.getRowStrides()[kernel.getNumInputs() + index]));
}

bool Comparison::evaluate() {
  FailureOr<std::vector<Datum>> results = frame.run(kernel.getBody().front());
  if (failed(results))
    return false;
  expected = std::move(*results);
  return true;
}

/// Whether the operand is what linears multiply by: kernels may ask for that ahead.
bool Comparison::isWeight(size_t operand) {
  return llvm::any_of(kernel.getBody().getArgument(operand).getUses(),
                      [](OpOperand &use) { return isa<lm::LinearOp>(use.getOwner()) && use.getOperandNumber() == 1; });
}

std::string Comparison::copyIn(VirtualGpu &gpu, Producer &producer) {
  for (auto [index, operand] : llvm::enumerate(operands)) {
    if (gpu.api.memory_allocate(&operand.address, operand.bytes.size()))
      return "out of device memory";
    if (index >= kernel.getNumInputs())
      continue;
    if (!isWeight(index))
      producer.write(operand.address, operand.bytes.data(), operand.bytes.size());
    else
      gpu.api.copy_to_device(operand.address, operand.bytes.data(), operand.bytes.size(), gpu.stream);
  }
  return "";
}

std::string Comparison::launch(const std::string &ptx) {
  VirtualGpu &gpu = VirtualGpu::get();
  if (!gpu.failure.empty())
    return gpu.failure;
  gpu.seed(step.seed);
  auto geometry = kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
  void *module = nullptr, *function = nullptr;
  if (int error = gpu.api.module_load(&module, ptx.c_str()))
    return "the virtual GPU refuses the PTX: error " + std::to_string(error);
  if (gpu.api.module_function(&function, module, "stoop_kernel"))
    return "no entry";
  if (geometry.getShared() > 40 * 1024) // of the 48 KiB that need no asking for, kernels have a few as variables
    gpu.api.function_set(function, rt::kCudaFunctionMaxShared, geometry.getShared());
  Producer producer(gpu.api, gpu.stream);
  if (std::string failed = copyIn(gpu, producer); !failed.empty())
    return failed;
  uint64_t stepAddress = 0, scratch = 0, scratchBytes = geometry.getScratch() + 256;
  stoop_step header{};
  header.num_rows = step.validRows;
  gpu.api.memory_allocate(&stepAddress, sizeof header);
  gpu.api.memory_allocate(&scratch, scratchBytes);
  producer.write(stepAddress, &header, sizeof header);
  producer.write(scratch, nullptr, scratchBytes);
  if (producer.launch())
    return "the launch in front fails";
  std::vector<uint64_t> arguments = {stepAddress, scratch};
  std::vector<rt::LaunchRange> ranges = {{stepAddress, sizeof header, 1, "step"},
                                         {scratch, scratchBytes, 3, "scratch"}};
  std::vector<uint8_t> access = codegen::operandAccess(kernel);
  for (auto [index, operand] : llvm::enumerate(operands)) {
    arguments.push_back(operand.address);
    ranges.push_back({operand.address, operand.bytes.size(), access[index], "operand"});
  }
  void *parameters[] = {arguments.data()};
  gpu.api.next_launch(ranges.data(), ranges.size());
  ArrayRef<int64_t> grid = geometry.getGrid();
  int64_t blocks = grid[1] ? grid[0] : std::min<int64_t>(grid[0], step.multiprocessors);
  rt::LaunchAttribute early{rt::kCudaStartsEarly, {}, {1}};
  const rt::LaunchConfig config{{static_cast<uint32_t>(blocks), static_cast<uint32_t>(std::max<int64_t>(grid[1], 1)), static_cast<uint32_t>(grid[2])},
                                {static_cast<uint32_t>(geometry.getThreads()), 1, 1}, static_cast<uint32_t>(geometry.getShared()),
                                gpu.stream, &early, overlapsLaunches() ? 1u : 0u};
  int error = gpu.api.launch_with(&config, function, parameters, nullptr);
  for (Operand &operand : operands)
    if (!error)
      error = gpu.api.copy_to_host(operand.bytes.data(), operand.address, operand.bytes.size(), gpu.stream);
  if (!error)
    error = gpu.api.stream_wait(gpu.stream);
  std::string findings = gpu.findings();
  gpu.reset();
  for (Operand &operand : operands)
    gpu.api.memory_free(operand.address);
  gpu.api.memory_free(stepAddress);
  gpu.api.memory_free(scratch);
  gpu.api.module_unload(module);
  if (!findings.empty())
    return findings;
  return error ? "error " + std::to_string(error) : "";
}

double Comparison::compare() {
  double worst = 0;
  auto note = [&](double difference, double scale) {
    double relative = difference / scale;
    worst = relative == relative ? std::max(worst, relative) : INFINITY;
  };
  for (auto [index, datum] : llvm::enumerate(expected)) {
    const Operand &operand = operands[kernel.getNumInputs() + index];
    const Tensor &tensor = std::get<Tensor>(datum);
    double scale = 1e-30;
    int64_t rows = std::min<int64_t>(operand.rows, step.validRows);
    for (int64_t r = 0; r < rows; ++r)
      for (float value : tensor.row(r))
        if (std::isfinite(value))
          scale = std::max<double>(scale, std::abs(value));
    std::vector<float> actual(operand.cols);
    for (int64_t r = 0; r < rows; ++r) {
      reference::decode(&operand.bytes[r * operand.stride * elementBytes(operand.element)],
                        elementOf(operand.element), operand.cols, actual.data());
      for (int64_t c = 0; c < operand.cols; ++c) {
        float wanted = tensor.row(r)[c];
        // What is no number, or infinite, has to be just that.
        bool isSame = std::isnan(wanted) ? std::isnan(actual[c]) : actual[c] == wanted;
        note(isSame ? 0 : std::abs(double(actual[c]) - wanted), scale);
      }
    }
  }
  for (auto [index, layer] : writtenCaches) {
    const Operand &operand = operands[index];
    std::vector<float> actual(2 * layer->keys.size());
    reference::decode(operand.bytes.data(), elementOf(operand.element), actual.size(), actual.data());
    for (size_t i = 0; i < layer->keys.size(); ++i) {
      note(std::abs(actual[i] - layer->keys[i]), 4);
      note(std::abs(actual[layer->keys.size() + i] - layer->values[i]), 4);
    }
  }
  return worst;
}

static std::string compile(Parsed &parsed, GpuOutcome &outcome) {
  FailureOr<std::string> source = codegen::emitKernel(parsed.kernel);
  if (failed(source)) {
    outcome.failure = "no source";
    return "";
  }
  outcome.sourceLines = std::count(source->begin(), source->end(), '\n');
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  if (!nvrtc) {
    outcome.failure = llvm::toString(nvrtc.takeError());
    return "";
  }
  const kernels::GpuArchitecture *architecture = kernels::findGpuArchitecture(architectureName());
  llvm::Expected<codegen::CompiledCode> code = (*nvrtc)->compileCached(*source, *architecture);
  if (!code) {
    outcome.failure = llvm::toString(code.takeError()) + "\n" + *source;
    return "";
  }
  llvm::Expected<codegen::CubinInfo> info = codegen::readCubin(code->cubin, codegen::kEntryName);
  if (!info) {
    outcome.failure = llvm::toString(info.takeError());
    return "";
  }
  outcome.registers = info->registers;
  auto geometry = parsed.kernel->getAttrOfType<plan::GeometryAttr>(plan::kGeometryAttrName);
  outcome.sharedBytes = info->sharedBytes + geometry.getShared();
  outcome.localBytes = info->localBytes;
  return code->ptx;
}

GpuOutcome test::runGpuKernel(const std::string &text, const GpuStep &step,
                              const PtxEdit &edit) {
  GpuOutcome outcome;
  Parsed parsed(text);
  if (!parsed.kernel) {
    outcome.failure = "the kernel does not parse";
    return outcome;
  }
  std::string ptx = compile(parsed, outcome);
  if (!outcome.failure.empty())
    return outcome;
  Comparison comparison(parsed, step);
  comparison.makeInputs();
  // The device first: the reference changes caches in place.
  std::string failure = comparison.launch(edit ? edit(ptx) : ptx);
  outcome.findings = failure;
  outcome.failure = failure;
  if (failure.empty() && !comparison.evaluate())
    outcome.failure = "the reference cannot evaluate the region";
  if (outcome.failure.empty())
    outcome.worst = comparison.compare();
  return outcome;
}

std::string test::ptxOf(const std::string &text) {
  Parsed parsed(text);
  GpuOutcome outcome;
  return parsed.kernel ? compile(parsed, outcome) : "";
}
