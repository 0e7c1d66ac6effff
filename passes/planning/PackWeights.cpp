//===- PackWeights.cpp - order and place of every weight -----------------===//
//
// How a weight is packed follows from the templates that read it, so a new template needs a row
// here and nothing else. Sizes are exact: padding is part of the pack.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/Passes.h"
#include "passes/planning/Places.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

namespace stoop::planning {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "passes/planning/Passes.h.inc"
} // namespace stoop::planning

using namespace mlir;
using namespace stoop;

/// Alignment of the arena: the payload's, so that the weights can be mapped as they lie in the
/// file.
static constexpr int64_t kWeightArenaAlign = 65536;

/// How kernels of `templateName` read a matrix. Vectors are always `vector`.
static plan::PackKind matrixPack(StringRef templateName) {
  return llvm::StringSwitch<plan::PackKind>(templateName)
      .Cases({"linear", "embedding"}, plan::PackKind::Panel16)
      .Case("rope", plan::PackKind::Table)
      .Default(plan::PackKind::Rows);
}

namespace {
/// What the readers of a weight ask for, and who asked first.
struct Demand {
  plan::PackKind kind;
  plan::KernelOp reader;
};

struct PackWeights : planning::impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    for (plan::ProgramOp program : getOperation().getOps<plan::ProgramOp>())
      if (failed(packProgram(program)))
        return signalPassFailure();
  }

  /// Demands of all launches of `program` by weight.
  FailureOr<llvm::DenseMap<StringAttr, Demand>> collectDemands(plan::ProgramOp program) {
    llvm::DenseMap<StringAttr, Demand> demands;
    SymbolTable symbols(program);
    WalkResult walked = program.walk([&](plan::LaunchOp launch) {
      auto kernel = symbols.lookup<plan::KernelOp>(launch.getKernel());
      for (Value read : launch.getReads()) {
        auto ref = read.getDefiningOp<plan::WeightRefOp>();
        if (!ref)
          continue;
        plan::PackKind kind = matrixPack(kernel.getSchedule().getTemplateName());
        Demand &demand =
            demands.try_emplace(ref.getWeightAttr().getAttr(), Demand{kind, kernel}).first->second;
        auto weight = symbols.lookup<plan::WeightOp>(ref.getWeight());
        if (demand.kind != kind && weight.getPack().getKind() != plan::PackKind::Vector) {
          weight.emitOpError() << "is read as " << stringifyPackKind(demand.kind)
                               << " by template '" << demand.reader.getSchedule().getTemplateName()
                               << "' and as " << stringifyPackKind(kind) << " by template '"
                               << kernel.getSchedule().getTemplateName() << "'";
          return WalkResult::interrupt();
        }
      }
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return failure();
    return demands;
  }

  LogicalResult packProgram(plan::ProgramOp program) {
    auto demands = collectDemands(program);
    if (failed(demands))
      return failure();
    int64_t offset = 0;
    for (plan::WeightOp weight : program.getOps<plan::WeightOp>()) {
      plan::PackAttr pack = weight.getPack();
      auto demand = demands->find(weight.getSymNameAttr());
      if (pack.getKind() != plan::PackKind::Vector && demand != demands->end())
        pack = plan::PackAttr::get(&getContext(), demand->second.kind, pack.getElementType(),
                                   pack.getRows(), pack.getCols());
      bool isFloat32 =
          pack.getKind() == plan::PackKind::Vector || pack.getKind() == plan::PackKind::Table;
      if (isFloat32 && !pack.getElementType().isF32())
        return weight.emitOpError() << "is read as " << stringifyPackKind(pack.getKind())
                                    << ", expects f32, got " << pack.getElementType();
      weight.setPackAttr(pack);
      offset = llvm::alignTo(offset, planning::kBufferAlign);
      weight.setPlaceAttr(plan::SliceAttr::get(&getContext(),
                                               FlatSymbolRefAttr::get(&getContext(), "weights"),
                                               offset, pack.getBytes()));
      offset += pack.getBytes();
    }
    planning::addArena(program, "weights", offset, kWeightArenaAlign, plan::Lifetime::Constant);
    SymbolTable symbols(program);
    program.walk([&](plan::WeightRefOp ref) {
      plan::SliceAttr place = *symbols.lookup<plan::WeightOp>(ref.getWeight()).getPlace();
      planning::placeBuffer(ref, "weights", place.getOffset(), place.getSize());
    });
    return success();
  }
};
} // namespace
