//===- LmDialect.h - the model dialect ---------------------------*- C++ -*-===//
#ifndef STOOP_IR_LM_LMDIALECT_H
#define STOOP_IR_LM_LMDIALECT_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "ir/lm/LmDialect.h.inc"
#include "ir/lm/LmEnums.h.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/lm/LmTypes.h.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/lm/LmAttrs.h.inc"

#endif // STOOP_IR_LM_LMDIALECT_H
