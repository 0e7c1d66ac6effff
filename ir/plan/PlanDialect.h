//===- PlanDialect.h - the program dialect -----------------------*- C++ -*-===//
#ifndef STOOP_IR_PLAN_PLANDIALECT_H
#define STOOP_IR_PLAN_PLANDIALECT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "ir/plan/PlanDialect.h.inc"
#include "ir/plan/PlanEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/plan/PlanTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/plan/PlanAttrs.h.inc"

namespace stoop::plan {
/// Discardable attribute that carries the schedule of a fused region.
inline constexpr llvm::StringLiteral kScheduleAttrName = "plan.schedule";
} // namespace stoop::plan

#endif // STOOP_IR_PLAN_PLANDIALECT_H
