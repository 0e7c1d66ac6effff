//===- LmOps.cpp - entries, fusion roles and costs of lm ops --------------===//
//
// The custom format of lm.entry, the symbol uses, and the answers of each op to FusibleOpInterface and
// CostOpInterface. Verifiers are in LmVerifiers.cpp, scalar expressions in LmElementwise.cpp.
//
//===----------------------------------------------------------------------===//
#include "ir/lm/LmOps.h"
#include "ir/lm/ExactFloats.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace stoop::lm;

#include "ir/lm/LmInterfaces.cpp.inc"

#define GET_OP_CLASSES
#include "ir/lm/LmOps.cpp.inc"

//===----------------------------------------------------------------------===//
// lm.entry: a function with its kind as a keyword
//===----------------------------------------------------------------------===//

ParseResult EntryOp::parse(OpAsmParser &parser, OperationState &result) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<EntryKind> kind = symbolizeEntryKind(keyword);
  if (!kind)
    return parser.emitError(loc, "expected forward, decode, prefill or score");
  result.addAttribute(getKindAttrName(result.name), EntryKindAttr::get(parser.getContext(), *kind));
  auto buildType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag, std::string &) {
    return builder.getFunctionType(inputs, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false, getFunctionTypeAttrName(result.name), buildType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void EntryOp::print(OpAsmPrinter &printer) {
  // printFunctionOp would print the kind a second time, in the attribute dictionary.
  printer << ' ' << stringifyEntryKind(getKind()) << ' ';
  printer.printSymbolName(getSymName());
  function_interface_impl::printFunctionSignature(printer, *this, getArgumentTypes(),
                                                  /*isVariadic=*/false, getResultTypes());
  function_interface_impl::printFunctionAttributes(
      printer, *this,
      {getKindAttrName(), getFunctionTypeAttrName(), getArgAttrsAttrName(), getResAttrsAttrName()});
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false, /*printBlockTerminators=*/true);
}

//===----------------------------------------------------------------------===//
// Fusion roles
//===----------------------------------------------------------------------===//

llvm::StringRef EmbeddingOp::getAnchorKind() { return "embedding"; }
FusionRole EmbeddingOp::getFusionRole() { return FusionRole::Prologue; }
bool EmbeddingOp::selectsRows() { return true; }

llvm::StringRef GatherLastOp::getAnchorKind() { return "gather_last"; }
FusionRole GatherLastOp::getFusionRole() { return FusionRole::Prologue; }
bool GatherLastOp::selectsRows() { return true; }

llvm::StringRef NormOp::getAnchorKind() { return "norm"; }
FusionRole NormOp::getFusionRole() { return FusionRole::Prologue; }

llvm::StringRef LinearOp::getAnchorKind() { return "linear"; }
FusionRole LinearOp::getFusionRole() { return FusionRole::Linear; }

llvm::StringRef BiasOp::getAnchorKind() { return ""; }
FusionRole BiasOp::getFusionRole() { return FusionRole::Epilogue; }

llvm::StringRef ActivationOp::getAnchorKind() { return ""; }
FusionRole ActivationOp::getFusionRole() { return FusionRole::Epilogue; }

llvm::StringRef BinaryOp::getAnchorKind() { return ""; }
FusionRole BinaryOp::getFusionRole() { return FusionRole::Epilogue; }

llvm::StringRef ViewOp::getAnchorKind() { return ""; }
FusionRole ViewOp::getFusionRole() { return FusionRole::Epilogue; }

llvm::StringRef BlockMaxOp::getAnchorKind() { return "reduction"; }
FusionRole BlockMaxOp::getFusionRole() { return FusionRole::Epilogue; }
llvm::StringRef BlockMaxOp::getReduction() { return "block_max"; }

llvm::StringRef BlockMomentsOp::getAnchorKind() { return "reduction"; }
FusionRole BlockMomentsOp::getFusionRole() { return FusionRole::Epilogue; }
llvm::StringRef BlockMomentsOp::getReduction() {
  return getKind() == NormKind::Layer ? "layer_moments" : "rms_moments";
}
int64_t BlockMomentsOp::getBlockColumns() { return getBlock(); }
int64_t BlockMomentsOp::getBlockNumbers() { return numbersOf(getKind()); }

llvm::StringRef RopeOp::getAnchorKind() { return "rope"; }
FusionRole RopeOp::getFusionRole() { return FusionRole::Epilogue; }
int64_t RopeOp::getColumnGroup() {
  return cast<RankedTensorType>(getInput().getType()).getDimSize(1) / getHeads();
}

llvm::StringRef KvAppendOp::getAnchorKind() { return "kv_append"; }
FusionRole KvAppendOp::getFusionRole() { return FusionRole::Epilogue; }
int64_t KvAppendOp::getColumnGroup() { return getCache().getType().getHeadDim(); }

llvm::StringRef AttentionOp::getAnchorKind() { return "attention"; }
FusionRole AttentionOp::getFusionRole() { return FusionRole::Alone; }

//===----------------------------------------------------------------------===//
// Costs
//===----------------------------------------------------------------------===//

static int64_t numElements(Value value) {
  return cast<RankedTensorType>(value.getType()).getNumElements();
}

int64_t EmbeddingOp::getFlops() { return 0; }
int64_t LinearOp::getFlops() {
  return 2 * numElements(getResult()) *
         cast<RankedTensorType>(getInput().getType()).getDimSize(1);
}
int64_t NormOp::getFlops() { return 8 * numElements(getResult()); }
int64_t BiasOp::getFlops() { return numElements(getResult()); }
int64_t ActivationOp::getFlops() { return 10 * numElements(getResult()); }
int64_t BinaryOp::getFlops() { return numElements(getResult()); }
int64_t BlockMaxOp::getFlops() { return numElements(getInput()); }
int64_t BlockMomentsOp::getFlops() { return 2 * getBlockNumbers() * numElements(getInput()); }
int64_t GatherLastOp::getFlops() { return 0; }
int64_t RopeOp::getFlops() { return 3 * numElements(getResult()); }
int64_t KvAppendOp::getFlops() { return 0; }
/// Of rows of one sequence that end where the cache ends: the last sees all positions, each one
/// before it one less.
int64_t AttentionOp::getFlops() {
  auto type = cast<RankedTensorType>(getResult().getType());
  int64_t rows = type.getDimSize(0), positions = getCache().getType().getPositions();
  rows = std::min(rows, positions);
  return 4 * type.getDimSize(1) * (rows * positions - rows * (rows - 1) / 2);
}
