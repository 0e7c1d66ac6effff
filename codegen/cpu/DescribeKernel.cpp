//===- DescribeKernel.cpp - a plan.kernel as port and parameters ----------===//
//
// One function per anchor op fills the template's parameter struct (kernels/common/params.h);
// regions of linears are described in DescribeLinear.cpp. Operands of a launch are the kernel's
// inputs, then its results; a block argument's number is therefore its index among the buffers.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/DescribeKernel.h"
#include "codegen/cpu/DescribeLinear.h"
#include "codegen/cpu/HookEmitter.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "kernels/catalog/Catalog.h"
#include "kernels/common/params.h"
#include "kernels/common/scratch.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stoop;
using codegen::KernelSpec;

namespace {
class KernelReader {
public:
  explicit KernelReader(plan::KernelOp kernel) : kernel(kernel) {}
  FailureOr<KernelSpec> read();

private:
  /// Index of an operand of the anchor among the launch's buffers; the anchor reads inputs only.
  int64_t operand(Value v) {
    auto argument = dyn_cast<BlockArgument>(v);
    if (!argument) {
      badOperand = true;
      return 0;
    }
    return argument.getArgNumber();
  }
  int64_t result() { return kernel.getNumInputs(); }
  int64_t stride(int64_t index) { return kernel.getRowStrides()[index]; }
  static RankedTensorType tensor(Value v) { return cast<RankedTensorType>(v.getType()); }
  static StringRef element(Value v) { return elementName(getElementTypeOrSelf(v.getType())); }
  /// Rows of the entry as templates want to know them: one, or any number.
  static int64_t maxRows(Value v) { return tensor(v).getDimSize(0) == 1 ? 1 : kernels::kAnyRows; }

  LogicalResult usePort(const Twine &elements);
  template <class Params> void setParams(const Params &params) {
    spec.params.assign(reinterpret_cast<const char *>(&params), sizeof params);
  }

  LogicalResult readLinear();
  LogicalResult readNorm(lm::NormOp op);
  LogicalResult readEmbedding(lm::EmbeddingOp op);
  LogicalResult readRope(lm::RopeOp op);
  LogicalResult readKvAppend(lm::KvAppendOp op);
  LogicalResult readAttention(lm::AttentionOp op);
  LogicalResult readGatherLast(lm::GatherLastOp op);
  LogicalResult readMoments(lm::BlockMomentsOp op);
  LogicalResult readElementwise();
  FailureOr<Operation *> findAnchor();

  plan::KernelOp kernel;
  const kernels::KernelTemplate *entry = nullptr;
  KernelSpec spec;
  bool badOperand = false;
};
} // namespace

LogicalResult KernelReader::usePort(const Twine &elements) {
  std::string wanted = elements.str();
  const kernels::KernelPort *port = kernels::findPort(*entry, wanted);
  if (!port)
    return kernel.emitOpError() << "template '" << entry->name
                                << "' has no variant for element types " << wanted;
  spec.port = port->symbol.str();
  return success();
}

LogicalResult KernelReader::readLinear() {
  FailureOr<std::string> elements = codegen::describeLinear(kernel, spec);
  return failed(elements) ? failure() : usePort(*elements);
}

LogicalResult KernelReader::readNorm(lm::NormOp op) {
  kernels::NormParams p = {};
  bool layer = op.getKind() == lm::NormKind::Layer;
  p.x_operand = operand(op.getInput());
  p.gamma_operand = operand(op.getScale());
  p.beta_operand = layer ? operand(op.getBias()) : 0;
  p.y_operand = result();
  p.x_stride = stride(p.x_operand);
  p.y_stride = stride(p.y_operand);
  p.columns = tensor(op.getInput()).getDimSize(1);
  p.max_rows = maxRows(op.getInput());
  p.epsilon = op.getEps().convertToFloat();
  if (op.getMoments())
    p.moments = codegen::momentsAt(kernel, op.getKind(), *op.getBlock(), operand(op.getMoments()));
  setParams(p);
  return usePort(Twine(layer ? "layer," : "rms,") + element(op.getInput()) + "," +
                 element(op.getResult()));
}

LogicalResult KernelReader::readEmbedding(lm::EmbeddingOp op) {
  kernels::EmbeddingParams p = {};
  p.tokens_operand = operand(op.getTokens());
  p.w_operand = operand(op.getTable());
  p.y_operand = result();
  p.y_stride = stride(p.y_operand);
  p.vocab = tensor(op.getTable()).getDimSize(0);
  p.columns = tensor(op.getTable()).getDimSize(1);
  p.max_rows = maxRows(op.getResult());
  std::optional<QuantScheme> scheme = quantSchemeOf(tensor(op.getTable()));
  p.quant_group = scheme ? scheme->group : 0;
  setParams(p);
  return usePort((scheme ? "quant" : element(op.getTable())) + Twine(",") +
                 element(op.getResult()));
}

LogicalResult KernelReader::readRope(lm::RopeOp op) {
  kernels::RopeParams p = {};
  p.x_operand = operand(op.getInput());
  p.positions_operand = operand(op.getPositions());
  p.table_operand = operand(op.getTable());
  p.y_operand = result();
  p.x_stride = stride(p.x_operand);
  p.y_stride = stride(p.y_operand);
  p.heads = op.getHeads();
  p.head_dim = tensor(op.getTable()).getDimSize(1);
  p.table_rows = tensor(op.getTable()).getDimSize(0);
  p.max_rows = maxRows(op.getInput());
  setParams(p);
  return usePort(element(op.getInput()));
}

LogicalResult KernelReader::readKvAppend(lm::KvAppendOp op) {
  lm::KvType cache = op.getCache().getType();
  kernels::KvAppendParams p = {};
  p.kv_operand = operand(op.getCache());
  p.k_operand = operand(op.getKeys());
  p.v_operand = operand(op.getValues());
  p.positions_operand = operand(op.getPositions());
  p.slots_operand = operand(op.getSlots());
  p.k_stride = stride(p.k_operand);
  p.v_stride = stride(p.v_operand);
  p.batch = cache.getBatch();
  p.heads = cache.getHeads();
  p.positions = cache.getPositions();
  p.head_dim = cache.getHeadDim();
  p.max_rows = maxRows(op.getKeys());
  setParams(p);
  return usePort(element(op.getKeys()) + Twine(",") + elementName(cache.getElementType()));
}

LogicalResult KernelReader::readAttention(lm::AttentionOp op) {
  lm::KvType cache = op.getCache().getType();
  kernels::AttentionParams p = {};
  p.q_operand = operand(op.getQuery());
  p.kv_operand = operand(op.getCache());
  p.positions_operand = operand(op.getPositions());
  p.slots_operand = operand(op.getSlots());
  p.y_operand = result();
  p.q_stride = stride(p.q_operand);
  p.y_stride = stride(p.y_operand);
  p.batch = cache.getBatch();
  p.heads = op.getHeads();
  p.kv_heads = cache.getHeads();
  p.positions = cache.getPositions();
  p.head_dim = cache.getHeadDim();
  p.max_rows = maxRows(op.getQuery());
  p.alibi = static_cast<int64_t>(op.getAlibi());
  p.scale = op.getScale().convertToFloat();
  setParams(p);
  static_assert(static_cast<int64_t>(lm::AlibiMode::Hf) == kernels::kAlibiHf);
  static_assert(static_cast<int64_t>(lm::AlibiMode::Exact) == kernels::kAlibiExact);
  // Without ALiBi the table is still an argument of the port; one float stands in.
  spec.table.assign(1, 0.0f);
  if (std::optional<ArrayRef<float>> slopes = op.getSlopes())
    spec.table.assign(slopes->begin(), slopes->end());
  spec.scratchBytes = kernels::attention_scratch_bytes(p.head_dim, p.heads / p.kv_heads);
  return usePort(element(op.getQuery()) + Twine(",") + elementName(cache.getElementType()));
}

LogicalResult KernelReader::readGatherLast(lm::GatherLastOp op) {
  kernels::GatherLastParams p = {};
  p.x_operand = operand(op.getInput());
  p.y_operand = result();
  p.x_stride = stride(p.x_operand);
  p.columns = tensor(op.getInput()).getDimSize(1);
  p.max_rows = maxRows(op.getInput());
  setParams(p);
  return usePort(element(op.getInput()));
}

LogicalResult KernelReader::readMoments(lm::BlockMomentsOp op) {
  kernels::MomentsParams p = {};
  p.x_operand = operand(op.getInput());
  p.x_stride = stride(p.x_operand);
  p.columns = tensor(op.getInput()).getDimSize(1);
  p.max_rows = maxRows(op.getInput());
  p.moments = codegen::momentsAt(kernel, op.getKind(), op.getBlockColumns(), result());
  setParams(p);
  return usePort("moments," + element(op.getInput()));
}

/// Elementwise ops, or one reduction: the hook does everything.
LogicalResult KernelReader::readElementwise() {
  Operation *yield = &kernel.getBody().front().back();
  codegen::HookSegment hook;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (!isa<lm::ElementwiseOpInterface, lm::BlockReductionOpInterface>(op))
      return op.emitOpError("cannot be lowered in the epilogue of a CPU kernel");
    hook.ops.push_back(&op);
  }
  for (Value result : yield->getOperands())
    if (isa<BlockArgument>(result) || result.getType() != yield->getOperand(0).getType())
      return kernel.emitOpError(
          "yields values that are not computed in its body, or differ in type");
  // Elementwise ops have their results' columns, a reduction those that it reads.
  Operation *last = hook.ops.back();
  Value whole = isa<lm::BlockReductionOpInterface>(last) ? last->getOperand(0) : last->getResult(0);
  kernels::ElementwiseParams p = {};
  p.columns = tensor(whole).getDimSize(1);
  p.max_rows = maxRows(whole);
  setParams(p);
  FailureOr<std::string> code = codegen::emitHook(kernel, hook);
  if (failed(code))
    return failure();
  spec.hooks = std::move(*code);
  return usePort("");
}

/// The anchor of a body that has no linear; null for an elementwise kernel.
FailureOr<Operation *> KernelReader::findAnchor() {
  Operation *anchor = nullptr;
  unsigned numOps = 0;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    ++numOps;
    auto fusible = dyn_cast<lm::FusibleOpInterface>(op);
    if (!fusible || fusible.getAnchorKind().empty())
      continue;
    if (anchor)
      return op.emitOpError() << "is a second anchor in one kernel";
    if (fusible.getAnchorKind() != entry->kind)
      return op.emitOpError() << "cannot be computed by template '" << entry->name << "' of kind "
                              << entry->kind;
    anchor = &op;
  }
  if (!entry->acceptsEpilogue && (!anchor || numOps != 1))
    return kernel.emitOpError() << "template '" << entry->name
                                << "' takes no epilogue, but the body has " << numOps << " ops";
  return anchor;
}

FailureOr<KernelSpec> KernelReader::read() {
  StringRef name = kernel.getSchedule().getTemplateName();
  entry = kernels::findTemplate(name);
  if (!entry) {
    InFlightDiagnostic error = kernel.emitOpError()
                               << "names template '" << name << "', which is not one of";
    for (const kernels::KernelTemplate &known : kernels::kernelTemplates())
      error << " " << known.name;
    return error;
  }
  if (entry->kind == "linear" && !kernel.getBody().getOps<lm::LinearOp>().empty())
    return failed(readLinear()) ? FailureOr<KernelSpec>(failure()) : std::move(spec);
  FailureOr<Operation *> anchor = findAnchor();
  if (failed(anchor))
    return failure();
  if (!*anchor && entry->kind != "elementwise")
    return kernel.emitOpError() << "template '" << name << "' expects an anchor of kind "
                                << entry->kind;

  LogicalResult done =
      !*anchor ? readElementwise()
               : TypeSwitch<Operation *, LogicalResult>(*anchor)
                     .Case([&](lm::NormOp op) { return readNorm(op); })
                     .Case([&](lm::EmbeddingOp op) { return readEmbedding(op); })
                     .Case([&](lm::RopeOp op) { return readRope(op); })
                     .Case([&](lm::KvAppendOp op) { return readKvAppend(op); })
                     .Case([&](lm::AttentionOp op) { return readAttention(op); })
                     .Case([&](lm::GatherLastOp op) { return readGatherLast(op); })
                     .Case([&](lm::BlockMomentsOp op) { return readMoments(op); })
                     .Case([&](lm::BlockReductionOpInterface) { return readElementwise(); })
                     .Default([](Operation *op) { return op->emitOpError("has no CPU kernel"); });
  if (failed(done))
    return failure();
  if (badOperand)
    return (*anchor)->emitOpError("must read the kernel's inputs only");
  return std::move(spec);
}

FailureOr<KernelSpec> codegen::describeKernel(plan::KernelOp kernel) {
  return KernelReader(kernel).read();
}
