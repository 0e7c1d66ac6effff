//===- FusedRegionTest.cpp - fused regions of linears against the reference ----===//
//
// Writes kernels as IR text, compiles them, and compares every result and cache with the reference
// evaluator's on the same body. Shapes have tails everywhere: rows that fill no strip, columns that
// fill no panel, heads that fill no panel either. bfloat16 kernels run with the software twins of
// vdpbf16ps and AMX too.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/DescribeKernel.h"
#include "codegen/reference/Evaluator.h"
#include "codegen/reference/ops/Ops.h"
#include "ir/lm/LmDialect.h"
#include "ir/plan/PlanDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "test/kernels/KernelHarness.h"
#include "test/kernels/References.h"
#include <cmath>
#include <gtest/gtest.h>
#include <map>

using namespace stoop;
using namespace stoop::test;
using mlir::Value;

namespace {
/// Text of one kernel in the making: arguments, ops, and results in the order they are added.
class Kernel {
public:
  Kernel(int64_t rows, Element element) : rows(rows), x(name(element)) {}

  /// A tensor type of this kernel's rows.
  std::string rowsOf(int64_t columns, const std::string &element) const {
    return "tensor<" + std::to_string(rows) + "x" + std::to_string(columns) + "x" + element + ">";
  }
  std::string argument(const std::string &type, int64_t stride) {
    std::string id = "%a" + std::to_string(strides.size());
    arguments += (strides.empty() ? "" : ", ") + id + ": " + type;
    strides.push_back(stride);
    types[id] = type;
    return id;
  }
  /// Rows in memory, with a gap between them.
  std::string rowArgument(int64_t columns, const std::string &element) {
    return argument(rowsOf(columns, element), columns + 3);
  }
  std::string weight(int64_t n, int64_t k, const std::string &element) {
    return argument("tensor<" + std::to_string(n) + "x" + std::to_string(k) + "x" + element + ">",
                    0);
  }
  std::string vector(int64_t columns) {
    return argument("tensor<" + std::to_string(columns) + "xf32>", 0);
  }
  std::string indices() { return argument("tensor<" + std::to_string(rows) + "xi32>", 0); }

  /// An op with a functional type.
  std::string op(const std::string &before, const std::vector<std::string> &operands,
                 const std::string &after, const std::string &type) {
    std::string list, operandTypes;
    for (const std::string &operand : operands) {
      list += (list.empty() ? " " : ", ") + operand;
      operandTypes += (operandTypes.empty() ? "" : ", ") + types[operand];
    }
    return define(before + list + after + " : (" + operandTypes + ") -> " + type, type);
  }
  std::string linear(const std::string &in, const std::string &w, int64_t n, const std::string &e) {
    return op("lm.linear", {in, w}, "", rowsOf(n, e));
  }
  std::string norm(bool layer, const std::string &in, int64_t columns) {
    std::vector<std::string> operands = {in, vector(columns)};
    if (layer)
      operands.push_back(vector(columns));
    return op(layer ? "lm.norm layer" : "lm.norm rms", operands, " eps(1.0e-5)",
              rowsOf(columns, x));
  }
  std::string bias(const std::string &in, int64_t columns) {
    return op("lm.bias", {in, vector(columns)}, "", types[in]);
  }
  std::string activation(const std::string &kind, const std::string &in) {
    return define("lm.activation " + kind + " " + in + " : " + types[in], types[in]);
  }
  std::string binary(const std::string &kind, const std::string &a, const std::string &b) {
    return define("lm.binary " + kind + " " + a + ", " + b + " : " + types[a], types[a]);
  }
  std::string view(const std::string &in, int64_t offset, int64_t columns) {
    std::string type = rowsOf(columns, x);
    return define(
        "lm.view " + in + "[" + std::to_string(offset) + "] : " + types[in] + " -> " + type, type);
  }
  std::string blockMax(const std::string &in, int64_t columns) {
    std::string type = rowsOf((columns + 15) / 16, "f32");
    return define("lm.block_max " + in + " : " + types[in] + " -> " + type, type);
  }
  static int64_t numbersOf(bool layer, int64_t columns, int64_t block) {
    return (columns + block - 1) / block * (layer ? 2 : 1);
  }
  std::string moments(bool layer, const std::string &in, int64_t columns, int64_t block) {
    std::string type = rowsOf(numbersOf(layer, columns, block), "f32");
    return define((layer ? "lm.block_moments layer " : "lm.block_moments rms ") + in + " by " + std::to_string(block) +
                      " : " + types[in] + " -> " + type,
                  type);
  }
  /// A norm that reads the moments of its rows, an argument behind theirs.
  std::string normOfMoments(bool layer, const std::string &in, int64_t columns, int64_t block) {
    std::vector<std::string> operands = {in, vector(columns)};
    if (layer)
      operands.push_back(vector(columns));
    int64_t numbers = numbersOf(layer, columns, block);
    std::string list, operandTypes, left = argument(rowsOf(numbers, "f32"), numbers + 1);
    for (const std::string &operand : operands) {
      list += (list.empty() ? "" : ", ") + operand;
      operandTypes += types[operand] + ", ";
    }
    return define((layer ? "lm.norm layer " : "lm.norm rms ") + list + " moments(" + left + " by " +
                      std::to_string(block) + ") eps(1.0e-5) : (" + operandTypes + types[left] + ") -> " +
                      rowsOf(columns, x),
                  rowsOf(columns, x));
  }
  std::string rope(const std::string &in, const std::string &positions, const std::string &table,
                   int64_t heads) {
    return op("lm.rope", {in, positions, table}, " heads(" + std::to_string(heads) + ")",
              types[in]);
  }
  void append(const std::vector<std::string> &operands) {
    std::string list, operandTypes;
    for (const std::string &operand : operands) {
      list += (list.empty() ? " " : ", ") + operand;
      operandTypes += (operandTypes.empty() ? "" : ", ") + types[operand];
    }
    ops += "  lm.kv_append" + list + " : " + operandTypes + "\n";
  }
  std::string define(const std::string &text, const std::string &type) {
    std::string id = "%v" + std::to_string(numOps++);
    ops += "  " + id + " = " + text + "\n";
    types[id] = type;
    return id;
  }
  void yield(const std::string &v, int64_t columns) {
    results.push_back(v);
    resultStrides.push_back(columns + 5);
  }

  std::string text() const {
    std::string all, list, listTypes;
    for (int64_t stride : strides)
      all += (all.empty() ? "" : ", ") + std::to_string(stride);
    for (int64_t stride : resultStrides)
      all += ", " + std::to_string(stride);
    for (const std::string &result : results) {
      list += (list.empty() ? " " : ", ") + result;
      listTypes += (listTypes.empty() ? " : " : ", ") + types.at(result);
    }
    return "plan.program @p target(\"cpu\") metadata({}) {\nplan.kernel @k "
           "schedule(#plan.schedule<\"" +
           templateName + "\", source = \"forced\", tunables = {}>) "
           "row_strides([" +
           all + "]) {\n^bb0(" + arguments + "):\n" + ops + "  lm.yield" + list + listTypes +
           "\n}\n}\n";
  }

  int64_t rows;
  std::string x; ///< element type of activations
  std::string templateName = "linear";

private:
  std::string arguments, ops;
  std::vector<int64_t> strides, resultStrides;
  std::vector<std::string> results;
  std::map<std::string, std::string> types;
  unsigned numOps = 0;
};

Element harnessElement(mlir::Type type) {
  return type.isF32() ? Element::F32 : type.isBF16() ? Element::BF16 : Element::F16;
}
reference::Element referenceElement(Element e) {
  return e == Element::F32    ? reference::Element::F32
         : e == Element::BF16 ? reference::Element::BF16
                              : reference::Element::F16;
}

/// A kernel's operands in both worlds: as the reference sees them and as memory.
class Bench {
public:
  Bench(plan::KernelOp kernel, int64_t validRows, uint64_t seed)
      : kernel(kernel), validRows(validRows), random(seed) {}

  /// Makes the operands and evaluates the reference.
  void prepare();
  /// Runs the code on fresh results and caches, and compares.
  void check(const LoadedKernel &code, unsigned threads);

private:
  void makeArgument(mlir::BlockArgument argument);
  void makeRows(mlir::BlockArgument argument, mlir::RankedTensorType type);
  void makeCache(mlir::BlockArgument argument, lm::KvType type);
  void makeStrange(Values &values);
  void makeHard(Element e, Values &values, int64_t columns);
  void takeMoments(mlir::BlockArgument argument, lm::NormOp norm, Values &values);
  void compareResult(Value result, unsigned index, Buffer &buffer, unsigned threads);
  unsigned takeLeftOut(lm::BlockMomentsOp op, llvm::MutableArrayRef<float> actual, llvm::ArrayRef<float> wanted);
  void compareCache(unsigned index, Buffer &buffer);

  plan::KernelOp kernel;
  int64_t validRows;
  std::mt19937_64 random;
  reference::Evaluator evaluator{lm::ModelOp()};
  std::unique_ptr<reference::Frame> frame;
  std::vector<Buffer> inputs; ///< caches as they were before the step
  std::map<unsigned, std::unique_ptr<reference::KvLayer>> caches;
  std::vector<reference::Datum> expected;
};

void Bench::makeRows(mlir::BlockArgument argument, mlir::RankedTensorType type) {
  Element e = harnessElement(type.getElementType());
  int64_t rows = type.getRank() == 2 ? type.getDimSize(0) : 1, columns = type.getShape().back();
  auto isWeight = [&](mlir::OpOperand &use) {
    return llvm::isa<lm::LinearOp, lm::EmbeddingOp>(use.getOwner()) && use.getOperandNumber() == 1;
  };
  bool weight = llvm::any_of(argument.getUses(), isWeight);
  Values values = randomValues(random, rows * columns, e, weight ? 0.5f : 1.5f);
  if (llvm::any_of(argument.getUsers(), llvm::IsaPred<lm::BlockMaxOp>))
    makeStrange(values);
  bool isHard = llvm::any_of(argument.getUsers(), [&](mlir::Operation *user) {
    auto norm = llvm::dyn_cast<lm::NormOp>(user);
    return llvm::isa<lm::BlockMomentsOp, lm::BinaryOp>(user) || (norm && norm.getMoments());
  });
  if (isHard)
    makeHard(e, values, columns);
  for (mlir::OpOperand &use : argument.getUses())
    if (auto norm = llvm::dyn_cast<lm::NormOp>(use.getOwner()); norm && norm.getMoments() == argument)
      takeMoments(argument, norm, values);
  reference::Tensor tensor(rows, columns, referenceElement(e));
  llvm::copy(values, tensor.mutableValues().begin());
  frame->define(argument, tensor);
  int64_t stride = kernel.getRowStrides()[argument.getArgNumber()];
  if (weight) {
    inputs.push_back(packPanel16(e, values, rows, columns));
  } else if (stride == 0) {
    inputs.push_back(Buffer::of(e, values));
  } else {
    inputs.emplace_back(rows * stride * bytesOf(e));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c)
        inputs.back().set(e, r * stride + c, values[r * columns + c]);
  }
}

/// Ties, infinities and what is no number, in one block of a few.
void Bench::makeStrange(Values &values) {
  static constexpr float strange[] = {NAN, INFINITY, -INFINITY, -0.0f, 0.0f, 3, 3, 3};
  for (float &v : values)
    if (random() % 32 == 0)
      v = strange[random() % std::size(strange)];
}

/// Rows that sums of squares are bad at: far from zero, a block far from the others, what is no number.
void Bench::makeHard(Element e, Values &values, int64_t columns) {
  for (int64_t row = 0; row * columns < int64_t(values.size()); ++row)
    for (int64_t c = 0; c < columns; ++c) {
      float &v = values[row * columns + c];
      switch (row % 6) {
      case 0:
        v += 100;
        break;
      case 1:
        v += c < columns / 5 ? -200 : 0;
        break;
      case 3:
        v = c == columns / 2 ? NAN : v;
        break;
      case 4:
        v = c == 0 ? INFINITY : v;
        break;
      }
      v = roundTo(e, v);
    }
}

/// Of the rows that the norm reads, which stand in front; a few blocks are left out.
void Bench::takeMoments(mlir::BlockArgument argument, lm::NormOp norm, Values &values) {
  bool layer = norm.getKind() == lm::NormKind::Layer;
  reference::Tensor moments = reference::blockMoments(frame->tensor(norm.getInput()), *norm.getBlock(), layer);
  llvm::copy(moments.values(), values.begin());
  int64_t numbers = layer ? 2 : 1;
  for (size_t i = 0; i < values.size(); i += numbers)
    if (random() % 4 == 0) {
      values[i] = 0;
      values[i + numbers - 1] = -1;
    }
}

void Bench::makeCache(mlir::BlockArgument argument, lm::KvType type) {
  Element e = harnessElement(type.getElementType());
  auto layer =
      std::make_unique<reference::KvLayer>(type.getBatch(), type.getHeads(), type.getPositions(),
                                           type.getHeadDim(), referenceElement(e));
  Values both = randomValues(random, 2 * layer->keys.size(), e);
  auto middle = both.begin() + layer->keys.size();
  layer->keys.assign(both.begin(), middle);
  layer->values.assign(middle, both.end());
  inputs.push_back(Buffer::of(e, both));
  frame->define(argument, layer.get());
  caches[argument.getArgNumber()] = std::move(layer);
}

void Bench::makeArgument(mlir::BlockArgument argument) {
  if (auto cache = llvm::dyn_cast<lm::KvType>(argument.getType()))
    return makeCache(argument, cache);
  auto type = llvm::cast<mlir::RankedTensorType>(argument.getType());
  if (!type.getElementType().isInteger())
    return makeRows(argument, type);
  // Tokens, positions and slots are told apart by their users; padding rows have slot -1.
  mlir::OpOperand &use = *argument.getUses().begin();
  bool tokens = llvm::isa<lm::EmbeddingOp>(use.getOwner());
  bool slots = llvm::isa<lm::KvAppendOp>(use.getOwner()) && use.getOperandNumber() == 4;
  std::vector<int32_t> values;
  for (int64_t r = 0; r < type.getDimSize(0); ++r)
    values.push_back(tokens  ? (r * 7 + 20) % 37
                     : slots ? (r >= validRows || r == 1 ? -1 : r % 3)
                             : (r * 5 + 3) % 61);
  frame->define(argument, values);
  inputs.push_back(Buffer::of(values));
}

void Bench::prepare() {
  frame = std::make_unique<reference::Frame>(evaluator, validRows);
  for (mlir::BlockArgument argument : kernel.getBody().getArguments())
    makeArgument(argument);
  auto results = frame->run(kernel.getBody().front());
  ASSERT_TRUE(mlir::succeeded(results));
  expected = *results;
}

/// Counts, over all regions of a narrow type, values that differ by more than float32 sums do. A row of
/// inputs that falls on the other side of a tie moves a fifth of its results, and does so once in some
/// fifty rows; a rounding that is missing moves a fifth of all.
class FusedRegion : public testing::Test {
public:
  static void TearDownTestSuite() {
    for (auto [element, count] : tally)
      EXPECT_LE(count.off, 3 + count.values / 20)
          << "of " << count.values << " values of element type " << int(element);
  }
  struct Count {
    size_t off = 0, values = 0;
  };
  static inline std::map<Element, Count> tally;
};

void expectClose(Element e, const Values &actual, const Values &wanted, const std::string &what) {
  // Of a narrow type: inputs that were rounded the other way, in small sums; the tally finds roundings that are missing.
  double tolerance = e == Element::F32 ? 2e-5 : e == Element::BF16 ? 8.0 / 256 : 8.0 / 2048;
  EXPECT_LE(worstError(actual, wanted), tolerance) << what;
  if (e == Element::F32)
    return;
  double largest = 0;
  for (float v : wanted)
    largest = std::max<double>(largest, std::fabs(v));
  FusedRegion::Count &count = FusedRegion::tally[e];
  count.values += wanted.size();
  for (size_t i = 0; i < wanted.size(); ++i)
    count.off += !(std::fabs(actual[i] - wanted[i]) <= 2e-5 * largest);
}

/// Moments that threads left out because they share the block's columns become what is wanted; their number.
unsigned Bench::takeLeftOut(lm::BlockMomentsOp op, llvm::MutableArrayRef<float> actual,
                            llvm::ArrayRef<float> wanted) {
  unsigned found = 0;
  int64_t numbers = op.getBlockNumbers();
  for (size_t i = 0; i < actual.size(); i += numbers)
    if (actual[i + numbers - 1] == -1) {
      std::copy_n(&wanted[i], numbers, &actual[i]);
      ++found;
    }
  return found;
}

void Bench::compareResult(Value result, unsigned index, Buffer &buffer, unsigned threads) {
  auto type = llvm::cast<mlir::RankedTensorType>(result.getType());
  Element e = harnessElement(type.getElementType());
  int64_t stride = kernel.getRowStrides()[kernel.getNumInputs() + index];
  int64_t rows = std::min(type.getDimSize(0), validRows), columns = type.getDimSize(1);
  const auto &tensor = std::get<reference::Tensor>(expected[index]);
  Values actual, wanted;
  for (int64_t r = 0; r < type.getDimSize(0); ++r) {
    Values row;
    for (int64_t c = 0; c < stride; ++c)
      row.push_back(buffer.at(e, r * stride + c));
    if (auto moments = result.getDefiningOp<lm::BlockMomentsOp>(); moments && r < rows) {
      EXPECT_LT(takeLeftOut(moments, llvm::MutableArrayRef(row).take_front(columns), tensor.row(r)), threads);
    }
    for (int64_t c = 0; c < stride; ++c) {
      float got = row[c];
      if (r < rows && c < columns && !std::isfinite(tensor.row(r)[c])) {
        float strange = tensor.row(r)[c];
        EXPECT_TRUE(std::isnan(strange) ? std::isnan(got) : got == strange) << "row " << r << ", column " << c;
      } else if (r < rows && c < columns) {
        actual.push_back(got);
        wanted.push_back(tensor.row(r)[c]);
      } else {
        ASSERT_TRUE(std::isnan(got)) << "wrote row " << r << ", column " << c;
      }
    }
  }
  EXPECT_TRUE(buffer.intact());
  expectClose(e, actual, wanted, "result " + std::to_string(index));
}

void Bench::compareCache(unsigned index, Buffer &buffer) {
  auto type = llvm::cast<lm::KvType>(kernel.getBody().getArgument(index).getType());
  Element e = harnessElement(type.getElementType());
  Values wanted(caches[index]->keys.begin(), caches[index]->keys.end()), actual;
  wanted.insert(wanted.end(), caches[index]->values.begin(), caches[index]->values.end());
  for (size_t i = 0; i < wanted.size(); ++i)
    actual.push_back(buffer.at(e, i));
  EXPECT_TRUE(buffer.intact());
  expectClose(e, actual, wanted, "cache " + std::to_string(index));
}

void Bench::check(const LoadedKernel &code, unsigned threads) {
  SCOPED_TRACE("valid rows " + std::to_string(validRows) + ", threads " + std::to_string(threads));
  std::vector<Buffer> operands = inputs;
  for (auto [i, result] : llvm::enumerate(kernel.getBody().front().back().getOperands())) {
    auto type = llvm::cast<mlir::RankedTensorType>(result.getType());
    operands.emplace_back(type.getDimSize(0) * kernel.getRowStrides()[kernel.getNumInputs() + i] *
                          bytesOf(harnessElement(type.getElementType())));
  }
  std::vector<Buffer *> pointers;
  for (Buffer &buffer : operands)
    pointers.push_back(&buffer);
  code.run(pointers, validRows, threads);
  for (auto [i, result] : llvm::enumerate(kernel.getBody().front().back().getOperands()))
    compareResult(result, i, operands[kernel.getNumInputs() + i], threads);
  for (auto &[index, cache] : caches)
    compareCache(index, operands[index]);
}

/// A kernel parsed from text.
struct Parsed {
  explicit Parsed(const Kernel &text) {
    mlir::DialectRegistry registry;
    registry.insert<lm::LmDialect, plan::PlanDialect>();
    reference::registerReferenceModels(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
    module = mlir::parseSourceString<mlir::ModuleOp>(text.text(), &context);
    if (module)
      module->walk([&](plan::KernelOp op) { kernel = op; });
  }
  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  plan::KernelOp kernel;
};

/// Ports to run a kernel with: its own, and the twins of instructions that this machine may lack.
std::vector<std::string> portsOf(const codegen::KernelSpec &spec) {
  std::vector<std::string> ports = {spec.port};
  llvm::StringRef variant = spec.port;
  if (!variant.consume_front("stoop_linear_bf16_bf16_"))
    return ports;
  ports.push_back(("stoop_linear_dot_twin_" + variant).str());
  if (variant == "many")
    ports.push_back("stoop_linear_tile_twin_many");
  return ports;
}

/// Compiles and checks one kernel for each number of valid rows.
void check(const Kernel &text, const std::vector<int64_t> &validRows) {
  SCOPED_TRACE(text.text());
  Parsed parsed(text);
  ASSERT_TRUE(parsed.kernel);
  mlir::FailureOr<codegen::KernelSpec> spec = codegen::describeKernel(parsed.kernel);
  ASSERT_TRUE(mlir::succeeded(spec));
  static unsigned threads = 0;
  for (const kernels::KernelLevel *level : runnableLevels())
    for (const std::string &port : portsOf(*spec)) {
      SCOPED_TRACE(port + " at " + level->name.str());
      spec->port = port;
      LoadedKernel code(*spec, *level);
      for (int64_t valid : validRows) {
        Bench bench(parsed.kernel, valid, runSeed() + valid);
        bench.prepare();
        bench.check(code, 1 + threads++ % 4);
      }
    }
}

/// Shape of an attention block.
struct Heads {
  int64_t heads, kvHeads, headDim;
  int64_t width() const { return (heads + 2 * kvHeads) * headDim; }
};

/// The ends of a QKV segment whose columns are `qkv`: Q is yielded, K and V go to the cache.
void addHeads(Kernel &k, const std::string &qkv, Heads h, bool rotate, const char *cacheElement) {
  std::string positions = k.indices(), slots = k.indices();
  std::string cache = k.argument("!lm.kv<3x61x" + std::to_string(h.kvHeads) + "x" +
                                     std::to_string(h.headDim) + "x" + cacheElement + ">",
                                 0);
  int64_t q = h.heads * h.headDim, kv = h.kvHeads * h.headDim;
  std::string qs = k.view(qkv, 0, q), ks = k.view(qkv, q, kv), vs = k.view(qkv, q + kv, kv);
  if (rotate) {
    std::string table = k.weight(61, h.headDim, "f32");
    qs = k.rope(qs, positions, table, h.heads);
    ks = k.rope(ks, positions, table, h.kvHeads);
  }
  k.append({cache, ks, vs, positions, slots});
  k.yield(qs, q);
}

/// norm(s) + { QKV with rotation and append | UP with bias and activation }.
Kernel parallelBlock(int64_t rows, Element e, const char *w, int64_t hidden, Heads h, int64_t ffn,
                     bool twoNorms, bool rms) {
  Kernel k(rows, e);
  std::string residual = k.rowArgument(hidden, "f32");
  std::string a = k.norm(!rms, residual, hidden), m = twoNorms ? k.norm(!rms, residual, hidden) : a;
  std::string qkv = k.linear(a, k.weight(h.width(), hidden, w), h.width(), k.x);
  std::string up = k.linear(m, k.weight(ffn, hidden, w), ffn, k.x);
  addHeads(k, qkv, h, true, k.x.c_str());
  k.yield(k.activation("gelu", k.bias(up, ffn)), ffn);
  return k;
}

TEST_F(FusedRegion, ParallelBlock) {
  check(parallelBlock(1, Element::F32, "f32", 70, {71, 1, 8}, 100, false, false), {1});
  check(parallelBlock(1, Element::BF16, "bf16", 96, {3, 1, 64}, 97, false, false), {1});
  check(parallelBlock(2, Element::BF16, "bf16", 65, {4, 2, 36}, 48, true, false), {1, 2});
  check(parallelBlock(4, Element::F16, "f16", 64, {5, 1, 40}, 31, true, true), {3, 4});
  check(parallelBlock(5, Element::F32, "bf16", 33, {2, 1, 80}, 64, true, false), {5});
  check(parallelBlock(49, Element::BF16, "bf16", 80, {6, 2, 36}, 200, true, false), {17, 49});
  check(parallelBlock(49, Element::F32, "f32", 1030, {2, 2, 128}, 530, false, false), {49});
  check(parallelBlock(100, Element::F16, "f16", 70, {4, 4, 34}, 40, false, true), {99});
}

TEST_F(FusedRegion, CompilesForEveryLevel) {
  for (int64_t rows : {1, 4, 49}) {
    Parsed parsed(parallelBlock(rows, Element::BF16, "bf16", 70, {3, 1, 36}, 100, true, false));
    mlir::FailureOr<codegen::KernelSpec> spec = codegen::describeKernel(parsed.kernel);
    ASSERT_TRUE(mlir::succeeded(spec));
    for (const kernels::KernelLevel &level : kernels::kernelLevels()) {
      auto object = codegen::specializeCached(*spec, level, std::string("stoop_k0"));
      EXPECT_TRUE(bool(object)) << level.name.str() << ": " << llvm::toString(object.takeError());
    }
  }
}

TEST_F(FusedRegion, BiasAndAppendWithoutRotation) {
  for (auto [rows, e] : {std::pair<int64_t, Element>{1, Element::F32},
                         {3, Element::BF16},
                         {50, Element::BF16},
                         {9, Element::F16}}) {
    Kernel k(rows, e);
    Heads h{4, 2, 24};
    std::string a = k.norm(true, k.rowArgument(50, "f32"), 50);
    std::string qkv = k.linear(a, k.weight(h.width(), 50, name(e)), h.width(), k.x);
    addHeads(k, k.bias(qkv, h.width()), h, false, "f16");
    check(k, {rows});
  }
}

/// { Wo a | Wd u } with biases, mlp + attention + residual, in one segment.
Kernel outAndDown(int64_t rows, Element e, const char *w, int64_t hidden, int64_t attention,
                  int64_t ffn, bool biases) {
  Kernel k(rows, e);
  std::string a = k.rowArgument(attention, k.x), u = k.rowArgument(ffn, k.x);
  std::string residual = k.rowArgument(hidden, k.x);
  std::string o = k.linear(a, k.weight(hidden, attention, w), hidden, k.x);
  std::string d = k.linear(u, k.weight(hidden, ffn, w), hidden, k.x);
  if (biases) {
    o = k.bias(o, hidden);
    d = k.bias(d, hidden);
  }
  k.yield(k.binary("add", k.binary("add", d, o), residual), hidden);
  return k;
}

TEST_F(FusedRegion, ConcatenatedInnerColumns) {
  check(outAndDown(1, Element::F32, "bf16", 150, 71, 300, true), {1});
  check(outAndDown(4, Element::BF16, "bf16", 33, 64, 1031, true), {2, 4});
  check(outAndDown(49, Element::BF16, "bf16", 1100, 40, 90, false), {49});
  check(outAndDown(6, Element::F16, "f16", 48, 33, 70, true), {5});
}

TEST_F(FusedRegion, GatedUnit) {
  for (auto [rows, e] : {std::pair<int64_t, Element>{1, Element::BF16},
                         {2, Element::F32},
                         {49, Element::BF16},
                         {13, Element::F32}}) {
    Kernel k(rows, e);
    std::string x = k.norm(false, k.rowArgument(90, "f32"), 90);
    std::string gate = k.linear(x, k.weight(277, 90, name(e)), 277, k.x);
    std::string up = k.linear(x, k.weight(277, 90, name(e)), 277, k.x);
    k.yield(k.binary("mul", k.activation("silu", gate), up), 277);
    check(k, {rows});
  }
}

// Values with several uses, several results of one segment, a plain view, a norm that is yielded.
TEST_F(FusedRegion, ManyResults) {
  for (auto [rows, e] :
       {std::pair<int64_t, Element>{1, Element::BF16}, {4, Element::F32}, {50, Element::BF16}}) {
    Kernel k(rows, e);
    std::string norm = k.norm(true, k.rowArgument(40, "f32"), 40);
    std::string other = k.rowArgument(55, k.x);
    std::string first = k.linear(norm, k.weight(55, 40, name(e)), 55, k.x);
    std::string biased = k.bias(first, 55);
    std::string product = k.binary("mul", k.activation("relu", biased), first);
    std::string second = k.linear(other, k.weight(30, 55, name(e)), 30, k.x);
    k.yield(norm, 40);
    k.yield(product, 55);
    k.yield(first, 55);
    k.yield(k.view(biased, 7, 21), 21);
    k.yield(k.binary("add", second, second), 30);
    check(k, {rows});
  }
}

// Reductions of several values of a segment, of a segment beside others, of columns that fill no block.
TEST_F(FusedRegion, ReductionsOfBlocks) {
  for (auto [rows, e, n] : {std::tuple<int64_t, Element, int64_t>{1, Element::F32, 320},
                            {1, Element::BF16, 37},
                            {3, Element::F32, 7},
                            {4, Element::F16, 48},
                            {50, Element::BF16, 119},
                            {9, Element::F32, 600}}) {
    Kernel k(rows, e);
    std::string x = k.norm(true, k.rowArgument(40, "f32"), 40);
    std::string first = k.linear(x, k.weight(n, 40, name(e)), n, k.x), biased = k.bias(first, n);
    k.yield(biased, n);
    k.yield(k.blockMax(biased, n), (n + 15) / 16);
    k.yield(k.blockMax(first, n), (n + 15) / 16);
    k.yield(k.activation("relu", k.linear(x, k.weight(30, 40, name(e)), 30, k.x)), 30);
    check(k, {rows});
  }
}

// A reduction alone, of ties, infinities and what is no number.
TEST_F(FusedRegion, ReductionAlone) {
  for (auto [rows, e, columns] : {std::tuple<int64_t, Element, int64_t>{1, Element::F32, 1000},
                                  {4, Element::BF16, 37},
                                  {3, Element::F16, 16},
                                  {7, Element::F32, 5}}) {
    Kernel k(rows, e);
    k.templateName = "reduction";
    k.yield(k.blockMax(k.rowArgument(columns, k.x), columns), (columns + 15) / 16);
    check(k, {rows, 1});
  }
}

/// A linear with bias and residual (float32, as it is for all types) whose sum's moments are left; another segment beside it.
Kernel leaveMoments(int64_t rows, Element e, int64_t n, int64_t block, bool layer) {
  Kernel k(rows, e);
  std::string x = k.rowArgument(40, k.x), residual = k.rowArgument(n, "f32");
  std::string other = k.linear(x, k.weight(70, 40, name(e)), 70, k.x);
  std::string sum = k.binary("add", k.bias(k.linear(x, k.weight(n, 40, name(e)), n, "f32"), n), residual);
  k.yield(k.activation("relu", other), 70);
  k.yield(sum, n);
  k.yield(k.moments(layer, sum, n, block), Kernel::numbersOf(layer, n, block));
  return k;
}

// Blocks of a part of a panel, of many panels, and beyond the row; threads that share blocks.
TEST_F(FusedRegion, MomentsAreLeftForTheNextNorm) {
  for (int round = 0; round < 4; ++round) { // numbers of threads
    check(leaveMoments(1, Element::F32, 600, 128, true), {1});
    check(leaveMoments(4, Element::F32, 301, 16, true), {3});
  }
  check(leaveMoments(1, Element::BF16, 77, 32, false), {1});
  check(leaveMoments(7, Element::F32, 2100, 128, true), {7});
  check(leaveMoments(50, Element::F16, 530, 64, false), {50});
  check(leaveMoments(9, Element::F32, 61, 7, false), {9});
}

TEST_F(FusedRegion, MomentsAlone) {
  for (auto [rows, e, columns, block] :
       {std::tuple<int64_t, Element, int64_t, int64_t>{1, Element::F32, 1000, 128},
        {7, Element::F32, 77, 16},
        {3, Element::BF16, 40, 64}})
    for (bool layer : {true, false}) {
      Kernel k(rows, e);
      k.templateName = "reduction";
      k.yield(k.moments(layer, k.rowArgument(columns, k.x), columns, block), Kernel::numbersOf(layer, columns, block));
      check(k, {rows, 1});
    }
}

// In front of linears, yielded too, and alone; blocks that were left out are measured by whoever reads.
TEST_F(FusedRegion, NormsReadMoments) {
  for (auto [rows, e, columns, block] :
       {std::tuple<int64_t, Element, int64_t, int64_t>{1, Element::F32, 600, 128},
        {4, Element::F32, 301, 16},
        {2, Element::BF16, 77, 32},
        {7, Element::F32, 2100, 128},
        {49, Element::BF16, 530, 64}})
    for (bool layer : {true, false}) {
      Kernel k(rows, e);
      std::string norm = k.normOfMoments(layer, k.rowArgument(columns, "f32"), columns, block);
      k.yield(k.linear(norm, k.weight(50, columns, name(e)), 50, k.x), 50);
      k.yield(norm, columns);
      check(k, {rows});
      Kernel alone(rows, e);
      alone.templateName = "norm";
      alone.yield(alone.normOfMoments(layer, alone.rowArgument(columns, "f32"), columns, block), columns);
      check(alone, {rows});
    }
}

TEST_F(FusedRegion, EmbeddingRidesInTheFirstLaunch) {
  for (auto [rows, e, w] : {std::tuple<int64_t, Element, const char *>{1, Element::F32, "f32"},
                            {1, Element::BF16, "bf16"},
                            {4, Element::F16, "f16"}}) {
    Kernel k(rows, e);
    std::string tokens = k.indices(), table = k.weight(37, 66, w);
    std::string embedded = k.op("lm.embedding", {tokens, table}, "", k.rowsOf(66, "f32"));
    std::string n = k.norm(true, embedded, 66);
    k.yield(embedded, 66);
    Heads h{3, 1, 20};
    addHeads(k, k.linear(n, k.weight(h.width(), 66, w), h.width(), k.x), h, true, w);
    k.yield(k.activation("gelu_tanh", k.linear(n, k.weight(50, 66, w), 50, k.x)), 50);
    check(k, {rows});
  }
}

TEST_F(FusedRegion, LastRowGoesToTheHead) {
  for (auto [e, rms] : {std::pair{Element::F32, false}, {Element::BF16, true}}) {
    Kernel k(1, e);
    std::string all = k.argument("tensor<20x77xf32>", 80);
    std::string last = k.define(
        "lm.gather_last " + all + " : tensor<20x77xf32> -> tensor<1x77xf32>", "tensor<1x77xf32>");
    std::string n = k.norm(!rms, last, 77);
    k.yield(last, 77);
    k.yield(k.linear(n, k.weight(301, 77, name(e)), 301, "f32"), 301);
    check(k, {1, 13, 20});
  }
}
} // namespace
