//===- DescribeKernel.cpp - a plan.kernel as port and parameters ----------===//
//
// One function per anchor op fills the template's parameter struct (kernels/common/params.h).
// Operands of a launch are the kernel's inputs, then its results; a block argument's number is
// therefore its index among the buffers.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/DescribeKernel.h"
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
/// Bytes ahead in the weight stream at which software prefetch pays, when the schedule names none.
constexpr int64_t kDefaultPrefetchBytes = 1024;

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
  /// The kernel's result as it is stored: the epilogue may change the anchor's element type.
  Value yielded() { return kernel.getBody().front().back().getOperand(0); }

  /// Rows of the entry as templates want to know them: `exact` up to that many, any number above.
  static int64_t maxRows(Value v, int64_t exact = 1) {
    int64_t rows = tensor(v).getDimSize(0);
    return rows <= exact ? rows : kernels::kAnyRows;
  }

  LogicalResult usePort(const Twine &elements);
  template <class Params> void setParams(const Params &params) {
    spec.params.assign(reinterpret_cast<const char *>(&params), sizeof params);
  }

  LogicalResult readLinear(lm::LinearOp op);
  LogicalResult readNorm(lm::NormOp op);
  LogicalResult readEmbedding(lm::EmbeddingOp op);
  LogicalResult readRope(lm::RopeOp op);
  LogicalResult readKvAppend(lm::KvAppendOp op);
  LogicalResult readAttention(lm::AttentionOp op);
  LogicalResult readGatherLast(lm::GatherLastOp op);
  LogicalResult readElementwise();
  LogicalResult addHooks(Operation *anchor);

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

LogicalResult KernelReader::addHooks(Operation *anchor) {
  FailureOr<std::string> hooks = codegen::emitHooks(kernel, anchor);
  if (failed(hooks))
    return failure();
  spec.hooks = std::move(*hooks);
  return success();
}

LogicalResult KernelReader::readLinear(lm::LinearOp op) {
  kernels::LinearParams p = {};
  p.x_operand = operand(op.getInput());
  p.w_operand = operand(op.getWeight());
  p.y_operand = result();
  p.x_stride = stride(p.x_operand);
  p.y_stride = stride(p.y_operand);
  p.n = tensor(op.getWeight()).getDimSize(0);
  p.k = tensor(op.getWeight()).getDimSize(1);
  p.max_rows = maxRows(op.getInput(), kernels::kGemvRows);
  auto prefetch = kernel.getSchedule().getTunables().getAs<IntegerAttr>("prefetch");
  p.prefetch = prefetch ? prefetch.getInt() : kDefaultPrefetchBytes;
  setParams(p);
  spec.scratchBytes = kernels::linear_scratch_bytes(p.k, p.max_rows);
  if (failed(usePort(element(op.getWeight()) + Twine(",") + element(op.getInput()) + "," +
                     element(yielded()))))
    return failure();
  return addHooks(op);
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
  setParams(p);
  return usePort(element(op.getTable()) + Twine(",") + element(op.getResult()));
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
  spec.scratchBytes = kernels::attention_scratch_bytes(p.head_dim);
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

LogicalResult KernelReader::readElementwise() {
  kernels::ElementwiseParams p = {};
  p.y_operand = result();
  p.y_stride = stride(p.y_operand);
  p.columns = tensor(yielded()).getDimSize(1);
  p.max_rows = maxRows(yielded());
  setParams(p);
  if (failed(usePort(element(yielded()))))
    return failure();
  return addHooks(nullptr);
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
      return op.emitOpError() << "cannot be computed by template '" << name << "' of kind "
                              << entry->kind;
    anchor = &op;
  }
  if (!entry->acceptsEpilogue && (!anchor || numOps != 1))
    return kernel.emitOpError() << "template '" << name << "' takes no epilogue, but the body has "
                                << numOps << " ops";
  if (!anchor && entry->kind != "elementwise")
    return kernel.emitOpError() << "template '" << name << "' expects an anchor of kind "
                                << entry->kind;

  LogicalResult done =
      !anchor ? readElementwise()
              : TypeSwitch<Operation *, LogicalResult>(anchor)
                    .Case([&](lm::LinearOp op) { return readLinear(op); })
                    .Case([&](lm::NormOp op) { return readNorm(op); })
                    .Case([&](lm::EmbeddingOp op) { return readEmbedding(op); })
                    .Case([&](lm::RopeOp op) { return readRope(op); })
                    .Case([&](lm::KvAppendOp op) { return readKvAppend(op); })
                    .Case([&](lm::AttentionOp op) { return readAttention(op); })
                    .Case([&](lm::GatherLastOp op) { return readGatherLast(op); })
                    .Default([](Operation *op) { return op->emitOpError("has no CPU kernel"); });
  if (failed(done))
    return failure();
  if (badOperand)
    return anchor->emitOpError("must read the kernel's inputs only");
  return std::move(spec);
}

FailureOr<KernelSpec> codegen::describeKernel(plan::KernelOp kernel) {
  return KernelReader(kernel).read();
}
