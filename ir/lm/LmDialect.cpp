//===- LmDialect.cpp - registration, attributes and types of lm -----------===//
#include "ir/lm/LmDialect.h"
#include "ir/lm/ExactFloats.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stoop::lm;

#include "ir/lm/LmDialect.cpp.inc"
#include "ir/lm/LmEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/lm/LmTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/lm/LmAttrs.cpp.inc"

void LmDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/lm/LmTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/lm/LmAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/lm/LmOps.cpp.inc"
      >();
}

int64_t QkvLayoutAttr::storedRow(int64_t row) const {
  const int64_t groups = getGroups(), queries = getQueries(), headDim = getHeadDim();
  const int64_t head = row / headDim, d = row % headDim;
  const int64_t numQueryHeads = groups * queries;
  int64_t group, section;
  if (head < numQueryHeads) {
    group = head / queries;
    section = head % queries;
  } else {
    group = (head - numQueryHeads) % groups;
    section = queries + (head - numQueryHeads) / groups;
  }
  return (group * (queries + 2) + section) * headDim + d;
}

int64_t KvType::getBytes() const {
  return 2 * getBatch() * getPositions() * getHeads() * getHeadDim() *
         elementBytes(getElementType());
}

/// `<batch x positions x heads x head_dim x element>`, a shape like a tensor's.
Type KvType::parse(AsmParser &parser) {
  SmallVector<int64_t, 4> dims;
  Type elementType;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseDimensionList(dims, /*allowDynamic=*/false) ||
      parser.parseType(elementType) || parser.parseGreater())
    return Type();
  if (dims.size() != 4 || elementBytes(elementType) == 0) {
    parser.emitError(loc, "expected batch x positions x heads x head_dim x float type");
    return Type();
  }
  return KvType::get(parser.getContext(), dims[0], dims[1], dims[2], dims[3], elementType);
}

void KvType::print(AsmPrinter &printer) const {
  printer << '<' << getBatch() << 'x' << getPositions() << 'x' << getHeads() << 'x' << getHeadDim()
          << 'x' << getElementType() << '>';
}
