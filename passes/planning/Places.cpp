//===- Places.cpp - what the placing passes share ------------------------===//
#include "passes/planning/Places.h"

using namespace mlir;

namespace stoop::planning {

plan::ArenaOp addArena(plan::ProgramOp program, llvm::StringRef name, int64_t size, int64_t align,
                       plan::Lifetime lifetime) {
  Block &body = program.getBody().front();
  OpBuilder builder(body.getParentOp()->getContext());
  builder.setInsertionPointToStart(&body);
  while (builder.getInsertionPoint() != body.end() &&
         isa<plan::ArenaOp>(*builder.getInsertionPoint()))
    builder.setInsertionPointAfter(&*builder.getInsertionPoint());
  return plan::ArenaOp::create(builder, program.getLoc(), name, size, align, lifetime);
}

void placeBuffer(Operation *buffer, llvm::StringRef arena, int64_t offset, int64_t size) {
  OpBuilder builder(buffer);
  auto type = builder.getType<plan::BufferType>();
  Value base = plan::SliceOp::create(builder, buffer->getLoc(), type, arena, offset, size, Value());
  buffer->getResult(0).replaceAllUsesWith(base);
  buffer->erase();
  for (Operation *user : llvm::make_early_inc_range(base.getUsers())) {
    auto subview = dyn_cast<plan::SubviewOp>(user);
    if (!subview)
      continue;
    builder.setInsertionPoint(subview);
    int64_t inner = subview.getOffset();
    Value view = plan::SliceOp::create(builder, subview.getLoc(), type, arena, offset + inner,
                                       size - inner, base);
    subview.getResult().replaceAllUsesWith(view);
    subview.erase();
  }
}

} // namespace stoop::planning
