//===- DescribeLinear.cpp - a kernel of kind linear as parameters ---------===//
//
// Fills kernels::LinearParams and the arrays behind it, one function per array. Operands of a
// launch are the kernel's inputs, then its results; a block argument's number is its index among
// the buffers.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/DescribeLinear.h"
#include "codegen/cpu/HookEmitter.h"
#include "codegen/cpu/LinearRegion.h"
#include "ir/support/DType.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include <numeric>

using namespace mlir;
using namespace stoop;
using codegen::LinearRegion;
using codegen::RegionPart;
using codegen::RegionSegment;

static constexpr int64_t kLanes = 16;

int64_t codegen::elementType(Type type) {
  return type.isBF16()  ? kernels::kElementBf16
         : type.isF16() ? kernels::kElementF16
                        : kernels::kElementF32;
}

kernels::NormKind codegen::normKind(lm::NormKind kind) {
  return kind == lm::NormKind::Layer ? kernels::kLayerNorm : kernels::kRmsNorm;
}

kernels::Moments codegen::momentsAt(plan::KernelOp kernel, lm::NormKind kind, int64_t block, int64_t index) {
  return {normKind(kind), block, index, kernel.getRowStrides()[index]};
}

static RankedTensorType tensor(Value v) { return cast<RankedTensorType>(v.getType()); }
static Type element(Value v) { return getElementTypeOrSelf(v.getType()); }

namespace {
class LinearReader {
public:
  LinearReader(plan::KernelOp kernel, LinearRegion region)
      : kernel(kernel), region(std::move(region)) {}
  FailureOr<std::string> read(codegen::KernelSpec &spec);

private:
  void readSchedule();
  LogicalResult readPrologue();
  LogicalResult readInputs();
  LogicalResult readSegment(RegionSegment &segment);
  LogicalResult readPart(RegionSegment &segment, RegionPart &part);
  LogicalResult readMoments(lm::BlockMomentsOp op);
  LogicalResult readCache(RegionPart &part, kernels::LinearPart &p);
  FailureOr<std::string> elements();

  /// Index among the launch's buffers of a value that must be an input of the kernel.
  FailureOr<int64_t> operand(Value v, Operation *user);
  int64_t stride(int64_t index) { return kernel.getRowStrides()[index]; }
  /// Index among the launch's buffers of a value that the kernel yields; -1 if it does not.
  int64_t resultOperand(Value v);
  /// Sets where a prologue value goes if the kernel yields it; -1 if not.
  void setYield(Value v, int64_t &yieldOperand, int64_t &yieldStride);
  int64_t indexOfInput(Value v) {
    return std::distance(region.inputs.begin(), llvm::find(region.inputs, v));
  }

  plan::KernelOp kernel;
  LinearRegion region;
  kernels::LinearParams header = {};
  std::vector<kernels::LinearInput> inputs;
  std::vector<kernels::LinearSegment> segments;
  std::vector<kernels::LinearProduct> products;
  std::vector<kernels::LinearPart> parts;
  std::vector<kernels::LinearMoments> moments;
  SmallVector<codegen::HookSegment> hooks;
};
} // namespace

FailureOr<int64_t> LinearReader::operand(Value v, Operation *user) {
  if (auto argument = dyn_cast<BlockArgument>(v))
    return argument.getArgNumber();
  return user->emitOpError("reads a value that the kernel's prologue does not give");
}

int64_t LinearReader::resultOperand(Value v) {
  for (OpOperand &result : kernel.getBody().front().back().getOpOperands())
    if (result.get() == v)
      return kernel.getNumInputs() + result.getOperandNumber();
  return -1;
}

void LinearReader::setYield(Value v, int64_t &yieldOperand, int64_t &yieldStride) {
  yieldOperand = resultOperand(v);
  if (yieldOperand < 0)
    return;
  yieldStride = stride(yieldOperand);
  ++header.num_yields;
}

/// Tunables that a schedule leaves out, as those of other numbers of rows, have the value for which
/// nothing was measured.
void LinearReader::readSchedule() {
  auto tunable = [&](StringRef name, int64_t otherwise) {
    auto value = kernel.getSchedule().getTunables().getAs<IntegerAttr>(name);
    return value ? value.getInt() : otherwise;
  };
  bool few = header.max_rows <= kernels::kGemvRows;
  header.prefetch = few ? tunable("prefetch", 1024) : 0;
  header.block_panels = tunable("block_panels", few ? kernels::kGemvBlockPanels : kernels::kGemmBlockPanels);
  header.block_rows = tunable("block_rows", kernels::kGemmBlockRows);
  header.block_inner = tunable("block_inner", kernels::kGemmBlockInner);
  header.split_panels = tunable("split_panels", kernels::kGemmBlockPanels);
}

LogicalResult LinearReader::readPrologue() {
  kernels::LinearPrologue &p = header.prologue;
  p.yield_operand = -1;
  if (!region.source)
    return success();
  p.source = kernels::kRows;
  p.element = codegen::elementType(element(region.source));
  p.columns = tensor(region.source).getDimSize(1);
  Value rows = region.source;
  if (auto embedding = dyn_cast_or_null<lm::EmbeddingOp>(region.gather)) {
    if (tensor(region.source).getDimSize(0) > kernels::kGemvRows)
      return embedding.emitOpError()
             << "rides in a kernel of linears for at most " << kernels::kGemvRows << " rows";
    p.source = kernels::kEmbeddedRows;
    FailureOr<int64_t> tokens = operand(embedding.getTokens(), embedding);
    if (failed(tokens))
      return failure();
    p.tokens_operand = *tokens;
    p.vocab = tensor(embedding.getTable()).getDimSize(0);
    p.table_element = codegen::elementType(element(embedding.getTable()));
    if (std::optional<QuantScheme> scheme = quantSchemeOf(tensor(embedding.getTable()))) {
      p.table_element = kernels::kElementQuantized;
      p.table_group = scheme->group;
    }
    if (!element(region.source).isF32())
      return embedding.emitOpError("rides in a kernel of linears as float32 only");
    rows = embedding.getTable();
  } else if (auto gather = dyn_cast_or_null<lm::GatherLastOp>(region.gather)) {
    p.source = kernels::kLastRow;
    rows = gather.getInput();
  }
  FailureOr<int64_t> index =
      operand(rows, region.gather ? region.gather : region.norms.front().getOperation());
  if (failed(index))
    return failure();
  p.operand = *index;
  p.stride = stride(*index);
  if (region.gather)
    setYield(region.source, p.yield_operand, p.yield_stride);
  if (!region.norms.empty()) {
    lm::NormOp norm = region.norms.front();
    p.norm = codegen::normKind(norm.getKind());
    p.epsilon = norm.getEps().convertToFloat();
    if (norm.getMoments()) {
      FailureOr<int64_t> moments = operand(norm.getMoments(), norm);
      if (failed(moments))
        return failure();
      p.moments = codegen::momentsAt(kernel, norm.getKind(), *norm.getBlock(), *moments);
    }
  }
  return success();
}

LogicalResult LinearReader::readInputs() {
  for (Value v : region.inputs) {
    kernels::LinearInput in = {};
    in.columns = tensor(v).getDimSize(1);
    in.yield_operand = in.packed = -1;
    if (llvm::any_of(v.getUsers(), llvm::IsaPred<lm::LinearOp>)) {
      in.packed = header.packed_columns;
      int64_t whole = header.quantized ? kernels::kScaleColumns : 2;
      header.packed_columns += (in.columns + whole - 1) / whole * whole;
    }
    if (auto norm = v.getDefiningOp<lm::NormOp>()) {
      in.kind = kernels::kNormInput;
      FailureOr<int64_t> gamma = operand(norm.getScale(), norm);
      FailureOr<int64_t> beta = norm.getBias() ? operand(norm.getBias(), norm) : gamma;
      if (failed(gamma) || failed(beta))
        return failure();
      in.gamma_operand = *gamma;
      in.beta_operand = *beta;
      setYield(v, in.yield_operand, in.yield_stride);
    } else if (v == region.source && region.gather) {
      in.kind = kernels::kSourceInput;
    } else {
      in.kind = kernels::kMemoryInput;
      FailureOr<int64_t> index = operand(v, *v.getUsers().begin());
      if (failed(index))
        return failure();
      in.operand = *index;
      in.stride = stride(*index);
    }
    inputs.push_back(in);
  }
  return success();
}

LogicalResult LinearReader::readCache(RegionPart &part, kernels::LinearPart &p) {
  lm::KvAppendOp append = part.append;
  lm::KvType cache = append.getCache().getType();
  FailureOr<int64_t> kv = operand(append.getCache(), append),
                     positions = operand(append.getPositions(), append),
                     slots = operand(append.getSlots(), append);
  if (failed(kv) || failed(positions) || failed(slots))
    return failure();
  if (part.rope && append.getPositions() != part.rope.getPositions())
    return append.emitOpError("and the rotation in front of it have different positions");
  p.kv_operand = *kv;
  p.positions_operand = *positions;
  p.slots_operand = *slots;
  p.is_value = part.isValue;
  p.batch = cache.getBatch();
  p.kv_heads = cache.getHeads();
  p.positions = cache.getPositions();
  p.head_dim = cache.getHeadDim();
  header.cache_element = codegen::elementType(cache.getElementType());
  return success();
}

LogicalResult LinearReader::readPart(RegionSegment &segment, RegionPart &part) {
  kernels::LinearPart p = {};
  p.value = std::distance(segment.tailValues.begin(), llvm::find(segment.tailValues, part.whole));
  if (auto view = part.columns.getDefiningOp<lm::ViewOp>())
    p.begin = view.getOffset();
  p.end = p.begin + tensor(part.columns).getDimSize(1);
  p.table_operand = p.store_operand = p.kv_operand = -1;
  p.head_dim = p.end - p.begin;
  if (part.rope) {
    lm::RopeOp rope = part.rope;
    FailureOr<int64_t> table = operand(rope.getTable(), rope),
                       positions = operand(rope.getPositions(), rope);
    if (failed(table) || failed(positions))
      return failure();
    p.table_operand = *table;
    p.positions_operand = *positions;
    p.table_rows = tensor(rope.getTable()).getDimSize(0);
    p.head_dim = tensor(rope.getTable()).getDimSize(1);
  }
  if (part.append && failed(readCache(part, p)))
    return failure();
  if (part.result >= 0) {
    p.store_operand = kernel.getNumInputs() + part.result;
    p.store_stride = stride(p.store_operand);
  }
  bool inHeads = part.rope || part.append;
  if (inHeads && p.begin % p.head_dim != 0)
    return part.columns.getDefiningOp()->emitOpError()
           << "expects an offset that is a multiple of the head's " << p.head_dim
           << " columns, got " << p.begin;
  kernels::LinearSegment &s = segments.back();
  if (inHeads)
    s.unit_panels = std::lcm(s.unit_panels, std::lcm(p.head_dim, kLanes) / kLanes);
  header.part_element = codegen::elementType(element(part.columns));
  parts.push_back(p);
  return success();
}

/// Of columns as they are stored: the norm that reads the moments reads those.
LogicalResult LinearReader::readMoments(lm::BlockMomentsOp op) {
  int64_t value = resultOperand(op.getInput()), index = resultOperand(op.getResult());
  if (value < 0 || index < 0)
    return op.emitOpError("expects its kernel to yield it and what it reads");
  moments.push_back({static_cast<int64_t>(segments.size()), value, stride(value),
                     codegen::elementType(element(op.getInput())), tensor(op.getInput()).getDimSize(1),
                     codegen::momentsAt(kernel, op.getKind(), op.getBlockColumns(), index)});
  return success();
}

LogicalResult LinearReader::readSegment(RegionSegment &segment) {
  kernels::LinearSegment s = {};
  s.n = segment.products.front().getType().getDimSize(1);
  s.first_product = products.size();
  s.num_products = segment.products.size();
  s.unit_panels = 1;
  s.first_part = parts.size();
  s.num_parts = segment.parts.size();
  s.first_cost = header.total_cost;
  codegen::HookSegment &hook = hooks.emplace_back();
  for (lm::LinearOp product : segment.products) {
    FailureOr<int64_t> weight = operand(product.getWeight(), product);
    if (failed(weight))
      return failure();
    int64_t k = tensor(product.getWeight()).getDimSize(1);
    std::optional<QuantScheme> scheme = quantSchemeOf(tensor(product.getWeight()));
    products.push_back(
        {indexOfInput(product.getInput()), *weight, k, scheme ? scheme->group : 0});
    s.panel_cost += scheme ? scheme->panelBytes(k) : k;
    hook.sums.push_back(product);
  }
  for (lm::BlockMomentsOp op : segment.moments)
    if (failed(readMoments(op)))
      return failure();
  segments.push_back(s);
  for (RegionPart &part : segment.parts)
    if (failed(readPart(segment, part)))
      return failure();

  // A unit is never larger than the segment, whose end is the end of a head.
  kernels::LinearSegment &done = segments.back();
  int64_t panels = (s.n + kLanes - 1) / kLanes;
  done.unit_panels = std::min(done.unit_panels, panels);
  header.total_cost +=
      (panels + done.unit_panels - 1) / done.unit_panels * done.unit_panels * s.panel_cost;
  header.most_products = std::max(header.most_products, s.num_products);
  header.most_unit_panels = std::max(header.most_unit_panels, done.unit_panels);
  header.tail_values = std::max<int64_t>(header.tail_values, segment.tailValues.size());
  header.whole_panels &= s.n % kLanes == 0;
  hook.ops.assign(segment.columnwise.begin(), segment.columnwise.end());
  hook.tailValues.assign(segment.tailValues.begin(), segment.tailValues.end());
  hook.tailColumns = done.unit_panels * kLanes;
  return success();
}

/// Weights and activations, which all products share, and rows, as ports are told apart.
FailureOr<std::string> LinearReader::elements() {
  std::string common;
  for (RegionSegment &segment : region.segments) {
    for (lm::LinearOp product : segment.products) {
      RankedTensorType weight = tensor(product.getWeight());
      StringRef stored =
          quantSchemeOf(weight) ? "quant" : elementName(weight.getElementType());
      std::string own = (stored + Twine(",") +
                         elementName(element(product.getInput())))
                            .str();
      if (!common.empty() && own != common)
        return product.emitOpError()
               << "of element types " << own << " shares a kernel with one of " << common;
      common = own;
    }
    for (RegionPart &part : segment.parts)
      if (codegen::elementType(element(part.columns)) != header.part_element)
        return part.columns.getDefiningOp()->emitOpError(
            "differs in element type from other views in the kernel");
  }
  return common +
         (header.max_rows <= kernels::kGemvRows ? "," + std::to_string(header.max_rows) : ",many");
}

template <class T> static void append(std::string &bytes, llvm::ArrayRef<T> values) {
  bytes.append(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
}

/// Whether the program asks for activations of the model's type beside integer weights.
static bool keepsActivations(plan::KernelOp kernel) {
  auto program = kernel->getParentOfType<plan::ProgramOp>();
  return program && program.getMetadata().contains("activation_dtype");
}

FailureOr<std::string> LinearReader::read(codegen::KernelSpec &spec) {
  int64_t rows = tensor(region.segments.front().products.front()).getDimSize(0);
  header.max_rows = rows <= kernels::kGemvRows ? rows : kernels::kAnyRows;
  header.whole_panels = 1;
  lm::LinearOp first = region.segments.front().products.front();
  if (quantSchemeOf(tensor(first.getWeight())))
    header.quantized =
        keepsActivations(kernel) ? kernels::kFloatActivations : kernels::kIntegerActivations;
  readSchedule();
  if (failed(readPrologue()) || failed(readInputs()))
    return failure();
  for (RegionSegment &segment : region.segments)
    if (failed(readSegment(segment)))
      return failure();
  header.block_panels =
      kernels::block_panels_of(header.block_panels, header.max_rows, header.most_products);
  header.num_inputs = inputs.size();
  header.num_segments = segments.size();
  header.num_products = products.size();
  header.num_parts = parts.size();
  header.num_moments = moments.size();
  append(spec.params, llvm::ArrayRef(header));
  append(spec.params, llvm::ArrayRef(inputs));
  append(spec.params, llvm::ArrayRef(segments));
  append(spec.params, llvm::ArrayRef(products));
  append(spec.params, llvm::ArrayRef(parts));
  append(spec.params, llvm::ArrayRef(moments));
  spec.scratchBytes = kernels::linear_scratch_bytes(header);
  FailureOr<std::string> hook = codegen::emitHook(kernel, hooks);
  if (failed(hook))
    return failure();
  spec.hooks = std::move(*hook);
  return elements();
}

FailureOr<std::string> codegen::describeLinear(plan::KernelOp kernel, KernelSpec &spec) {
  FailureOr<LinearRegion> region = readLinearRegion(kernel);
  if (failed(region))
    return failure();
  return LinearReader(kernel, std::move(*region)).read(spec);
}
