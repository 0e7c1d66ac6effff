//===- PlanOps.h - ops of the program dialect --------------------*- C++ -*-===//
#ifndef STOOP_IR_PLAN_PLANOPS_H
#define STOOP_IR_PLAN_PLANOPS_H

#include "ir/plan/PlanDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#define GET_OP_CLASSES
#include "ir/plan/PlanOps.h.inc"

#endif // STOOP_IR_PLAN_PLANOPS_H
