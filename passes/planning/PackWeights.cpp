//===- PackWeights.cpp - order and place of every weight -----------------===//
//
// How a weight is packed follows from the ops that read it in the kernels' bodies, whatever else is
// fused into those kernels. Sizes are exact: padding is part of the pack.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/Passes.h"
#include "passes/planning/Places.h"

#include "ir/lm/LmOps.h"

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

/// Templates whose linears read tiles.
static constexpr StringLiteral kTileReaders[] = {"linear_stream", "linear_mma"};

/// Whether an op of a kernel on a grid takes rows out of any order: an embedding goes along with the head.
static bool adapts(Operation *reader) {
  return isa<lm::EmbeddingOp>(reader) && reader->getParentOp()->hasAttr(plan::kGeometryAttrName);
}

/// How an op reads a matrix: kernels on a grid in tiles or in rows, others by what they are. Vectors are always
/// `vector`.
static plan::PackKind matrixPack(Operation *reader) {
  auto kernel = cast<plan::KernelOp>(reader->getParentOp());
  if (kernel->hasAttr(plan::kGeometryAttrName))
    return isa<lm::LinearOp>(reader) && llvm::is_contained(kTileReaders, kernel.getSchedule().getTemplateName())
               ? plan::PackKind::Tiles
               : plan::PackKind::Rows;
  auto fusible = dyn_cast<lm::FusibleOpInterface>(reader);
  return llvm::StringSwitch<plan::PackKind>(fusible ? fusible.getAnchorKind() : "")
      .Cases({"linear", "embedding"}, plan::PackKind::Panel16)
      .Case("rope", plan::PackKind::Table)
      .Default(plan::PackKind::Rows);
}

namespace {
/// What the readers of a weight ask for, and who asked first.
struct Demand {
  plan::PackKind kind;
  Operation *reader;
};
using Demands = llvm::DenseMap<StringAttr, Demand>;

struct PackWeights : planning::impl::PackWeightsBase<PackWeights> {
  void runOnOperation() override {
    for (plan::ProgramOp program : getOperation().getOps<plan::ProgramOp>())
      if (failed(packProgram(program)))
        return signalPassFailure();
  }

  /// Enters what the readers of `argument`, a kernel's input, ask of `weight`.
  LogicalResult demand(plan::WeightOp weight, BlockArgument argument, Demands &demands) {
    for (Operation *reader : argument.getUsers()) {
      plan::PackKind kind = matrixPack(reader);
      auto [place, isFirst] = demands.try_emplace(weight.getSymNameAttr(), Demand{kind, reader});
      Demand &first = place->second;
      if (!isFirst && adapts(first.reader))
        first = {kind, reader};
      if (!adapts(reader) && first.kind != kind && weight.getPack().getKind() != plan::PackKind::Vector)
        return weight.emitOpError() << "is read as " << stringifyPackKind(first.kind) << " by "
                                    << first.reader->getName() << " and as "
                                    << stringifyPackKind(kind) << " by " << reader->getName();
    }
    return success();
  }

  /// Demands of all launches of `program` by weight.
  FailureOr<Demands> collectDemands(plan::ProgramOp program) {
    Demands demands;
    SymbolTable symbols(program);
    WalkResult walked = program.walk([&](plan::LaunchOp launch) {
      auto kernel = symbols.lookup<plan::KernelOp>(launch.getKernel());
      for (auto [read, argument] :
           llvm::zip_equal(launch.getReads(), kernel.getBody().getArguments())) {
        auto ref = read.getDefiningOp<plan::WeightRefOp>();
        if (ref &&
            failed(demand(symbols.lookup<plan::WeightOp>(ref.getWeight()), argument, demands)))
          return WalkResult::interrupt();
      }
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return failure();
    return demands;
  }

  /// Notes on kernels which tables of embeddings lie in tiles.
  void markTiledTables(plan::ProgramOp program) {
    SymbolTable symbols(program);
    program.walk([&](plan::LaunchOp launch) {
      auto kernel = symbols.lookup<plan::KernelOp>(launch.getKernel());
      for (auto [read, argument] : llvm::zip_equal(launch.getReads(), kernel.getBody().getArguments())) {
        auto ref = read.getDefiningOp<plan::WeightRefOp>();
        if (ref && llvm::any_of(argument.getUsers(), adapts) &&
            symbols.lookup<plan::WeightOp>(ref.getWeight()).getPack().getKind() == plan::PackKind::Tiles)
          kernel->setAttr(plan::kTiledAttrName, DenseI64ArrayAttr::get(&getContext(), {argument.getArgNumber()}));
      }
    });
  }

  LogicalResult packProgram(plan::ProgramOp program) {
    auto demands = collectDemands(program);
    if (failed(demands))
      return failure();
    int64_t offset = 0;
    for (plan::WeightOp weight : program.getOps<plan::WeightOp>()) {
      plan::PackAttr pack = weight.getPack();
      auto demand = demands->find(weight.getSymNameAttr());
      if (pack.getKind() != plan::PackKind::Vector && demand != demands->end()) {
        plan::PackKind kind = demand->second.kind;
        if (pack.getScheme() && adapts(demand->second.reader)) // alone: there is no plain order of codes
          kind = plan::PackKind::Tiles;
        bool isFloat = pack.getScheme() && pack.getQuantScheme()->isFloat; // panels are of integers
        if (pack.getScheme() && (kind == plan::PackKind::Rows || (isFloat && kind == plan::PackKind::Panel16)))
          return weight.emitOpError()
                 << "is quantised as " << pack.getScheme() << ", but "
                 << demand->second.reader->getName() << " reads it as "
                 << stringifyPackKind(kind);
        pack = plan::PackAttr::get(&getContext(), kind, pack.getElementType(),
                                   pack.getRows(), pack.getCols(), pack.getScheme());
      }
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
    markTiledTables(program);
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
