//===- DescribeSplit.cpp - what a CPU kernel deals to threads -------------===//
//
// Reads the parameters that the kernel is compiled with, so that it cannot say anything else than
// what the kernel does; only the number of rows, which parameters may leave open, is the body's.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/DescribeSplit.h"

#include "ir/lm/LmOps.h"
#include "kernels/common/split.h"
#include "llvm/ADT/TypeSwitch.h"
#include <limits>

using namespace mlir;
using namespace stoop;
using codegen::WorkSplit;

/// Rows of the first tensor with rows that an op makes, else reads.
static int64_t rowsOf(Operation *op) {
  for (Value value : llvm::concat<Value>(op->getResults(), op->getOperands()))
    if (auto type = dyn_cast<RankedTensorType>(value.getType()); type && type.getRank() == 2)
      return type.getDimSize(0);
  return 1;
}

static bool servesOneSequence(plan::KernelOp kernel) {
  for (auto entry : kernel->getParentOfType<plan::ProgramOp>().getOps<plan::EntryOp>())
    if (entry.getKind() != plan::EntryKind::Decode)
      for (auto launch : entry.getOps<plan::LaunchOp>())
        if (launch.getKernel() == kernel.getSymName())
          return true;
  return false;
}

static WorkSplit splitOfLinear(const kernels::LinearParams &p, int64_t rows) {
  int64_t units = 0, least = std::numeric_limits<int64_t>::max(), most = 0;
  for (const kernels::LinearSegment &s :
       llvm::ArrayRef(kernels::linear_segments(&p), p.num_segments)) {
    units += kernels::segment_units(s);
    least = std::min(least, s.unit_panels * 16);
    most = std::max(most, s.unit_panels * 16);
  }
  WorkSplit split{"blocks of " + std::to_string(least) +
                      (least < most ? " to " + std::to_string(most) : "") + " columns",
                  units};
  if (p.max_rows > kernels::kGemvRows)
    split.rowBlocks = kernels::pieces_of(rows, p.block_rows);
  return split;
}

static WorkSplit splitOfAttention(const kernels::AttentionParams &p, int64_t rows,
                                  bool oneSequence) {
  if (rows > 1 && oneSequence)
    return {"blocks of up to " + std::to_string(kernels::kQueryRows) + " rows of one head",
            kernels::attention_split(p, rows, 1, true).items};
  WorkSplit split{"pieces of groups of " + std::to_string(p.heads / p.kv_heads) + " heads",
                  kernels::attention_split(p, rows, 1, false).items};
  if (p.heads == p.kv_heads) // nothing to cut
    return {"heads", split.count};
  split.most = kernels::attention_split(p, rows, rows * p.heads, false).items;
  return split;
}

template <class Params> static Params paramsOf(const codegen::KernelSpec &spec) {
  Params params;
  std::memcpy(&params, spec.params.data(), sizeof params);
  return params;
}

WorkSplit codegen::describeSplit(plan::KernelOp kernel, const KernelSpec &spec) {
  Block &body = kernel.getBody().front();
  for (auto linear : body.getOps<lm::LinearOp>())
    return splitOfLinear(*reinterpret_cast<const kernels::LinearParams *>(spec.params.data()),
                         rowsOf(linear));
  using namespace kernels;
  WorkSplit split;
  for (Operation &op : body.without_terminator()) {
    int64_t rows = rowsOf(&op);
    auto items = [&](auto params) { return split_items(params, rows); };
    split = TypeSwitch<Operation *, WorkSplit>(&op)
                .Case([&](lm::AttentionOp) {
                  return splitOfAttention(paramsOf<AttentionParams>(spec), rows,
                                          servesOneSequence(kernel));
                })
                .Case([&](lm::NormOp) {
                  return WorkSplit{"rows", items(paramsOf<NormParams>(spec))};
                })
                .Case([&](lm::EmbeddingOp) {
                  return WorkSplit{"columns", items(paramsOf<EmbeddingParams>(spec))};
                })
                .Case([&](lm::GatherLastOp) {
                  return WorkSplit{"columns", items(paramsOf<GatherLastParams>(spec))};
                })
                .Case([&](lm::RopeOp) {
                  return WorkSplit{"pairs of row and head", items(paramsOf<RopeParams>(spec))};
                })
                .Case([&](lm::KvAppendOp) {
                  return WorkSplit{"pairs of row and head", items(paramsOf<KvAppendParams>(spec))};
                })
                .Case([&](lm::BlockMomentsOp moments) {
                  return WorkSplit{"blocks of " + std::to_string(moments.getBlockColumns()) + " columns",
                                   items(paramsOf<MomentsParams>(spec))};
                })
                .Case<lm::ElementwiseOpInterface, lm::BlockReductionOpInterface>([&](auto) {
                  return WorkSplit{"blocks of 16 columns", items(paramsOf<ElementwiseParams>(spec))};
                })
                .Default(WorkSplit());
    if (split.count)
      break;
  }
  return split;
}
