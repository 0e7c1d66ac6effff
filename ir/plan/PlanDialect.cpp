//===- PlanDialect.cpp - registration, attributes and types of plan -------===//
#include "ir/plan/PlanDialect.h"
#include "ir/plan/PlanOps.h"
#include "ir/support/DType.h"
#include "ir/support/TileOrder.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace stoop::plan;

#include "ir/plan/PlanDialect.cpp.inc"
#include "ir/plan/PlanEnums.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "ir/plan/PlanTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "ir/plan/PlanAttrs.cpp.inc"

void PlanDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "ir/plan/PlanTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "ir/plan/PlanAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "ir/plan/PlanOps.cpp.inc"
      >();
}

LogicalResult PlanDialect::verifyOperationAttribute(Operation *op, NamedAttribute attribute) {
  if (attribute.getName() == kGeometryAttrName) {
    auto geometry = dyn_cast<GeometryAttr>(attribute.getValue());
    if (!geometry || geometry.getGrid().size() != 3)
      return op->emitOpError() << "expects a #plan.geometry with three numbers of blocks as "
                               << attribute.getName();
    return success();
  }
  if (attribute.getName() != kScheduleAttrName)
    return op->emitOpError() << "has an unknown plan attribute " << attribute.getName();
  if (!isa<ScheduleAttr>(attribute.getValue()))
    return op->emitOpError() << "expects a #plan.schedule as " << attribute.getName();
  return success();
}

LogicalResult PackAttr::verify(llvm::function_ref<InFlightDiagnostic()> emitError, PackKind kind,
                               Type element, int64_t, int64_t, StringAttr scheme) {
  if (kind == PackKind::Tiles && !scheme && !element.isBF16() && !element.isF16()) // (C2)
    return emitError() << "expects tiles of f16 or bf16, got " << element;
  if (!scheme)
    return success();
  if (!stoop::QuantScheme::parse(scheme)) // (C1)
    return emitError() << "expects the name of a quantisation scheme, got " << scheme;
  if (kind != PackKind::Panel16 && kind != PackKind::Tiles) // (C1)
    return emitError() << "expects a quantised weight to be packed as panel16 or tiles, got "
                       << stringifyPackKind(kind);
  if (kind == PackKind::Panel16 && stoop::QuantScheme::parse(scheme)->isFloat) // (C1)
    return emitError() << "expects " << scheme << " to be packed as tiles: panels are of integers";
  return success();
}

std::optional<stoop::QuantScheme> PackAttr::getQuantScheme() const {
  return getScheme() ? stoop::QuantScheme::parse(getScheme()) : std::nullopt;
}

int64_t PackAttr::getBytes() const {
  int64_t rows = getRows(), cols = getCols();
  if (getKind() == PackKind::Tiles)
    return stoop::TileForm::of(getQuantScheme()).bytes(rows, cols);
  if (std::optional<stoop::QuantScheme> scheme = getQuantScheme())
    return scheme->packedBytes(rows, cols);
  if (getKind() == PackKind::Panel16) {
    rows = llvm::alignTo(rows, 16);
    cols = getElementType().isBF16() ? llvm::alignTo(cols, 2) : cols;
  }
  return rows * cols * stoop::elementBytes(getElementType());
}
