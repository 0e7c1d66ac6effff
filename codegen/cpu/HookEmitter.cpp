//===- HookEmitter.cpp - a kernel's epilogue as LLVM bitcode --------------===//
//
// ElementwiseOpInterface gives a scalar expression in arith and math. It is emitted once into a
// scratch block and copied from there with vector types, so that both hooks come from one
// description and the 16-lane one is vector code by construction, not by the vectoriser's leave.
// exp, erf and tanh become calls into the kernel bitcode.
//
//===----------------------------------------------------------------------===//
#include "codegen/cpu/HookEmitter.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace stoop;

namespace {
/// Emits one of the two hook functions into a module.
class HookBuilder {
public:
  HookBuilder(ModuleOp module, plan::KernelOp kernel, int64_t lanes)
      : module(module), kernel(kernel), lanes(lanes), builder(module.getBodyRegion()) {
    MLIRContext *context = module.getContext();
    f32 = Float32Type::get(context);
    i64 = IntegerType::get(context, 64);
    pointer = LLVM::LLVMPointerType::get(context);
    value = lanes == 1 ? Type(f32) : Type(VectorType::get({lanes}, f32));
    suffix = lanes == 1 ? "_1" : "_16";
  }

  LogicalResult build(Operation *anchor);

private:
  /// Declares `stoop_<name><suffix>` taking pointers and calls it.
  void callLibrary(StringRef name, ValueRange arguments);
  /// Value of `operand` at this row and column(s), as float32.
  FailureOr<Value> read(Value operand);
  FailureOr<Value> load(BlockArgument input);
  /// Rounds to a narrower element type; float32 passes.
  Value round(Value v, Type elementType);
  /// Runs a library function in place on a value.
  Value applyLibrary(StringRef name, Value v);
  FailureOr<Value> emitElementwise(lm::ElementwiseOpInterface op);
  /// Copies one scalar op of an expression with this hook's lanes.
  void copyWithLanes(Operation *op, IRMapping &map);
  Value constant(int64_t n) { return LLVM::ConstantOp::create(builder, loc, i64, n); }
  Value spill(Value v);
  Value reload(Value slot) {
    return LLVM::LoadOp::create(builder, loc, value, slot, /*alignment=*/4);
  }

  ModuleOp module;
  plan::KernelOp kernel;
  int64_t lanes;
  OpBuilder builder;
  Location loc = UnknownLoc::get(module.getContext());
  Type f32, i64, pointer, value;
  StringRef suffix;
  LLVM::LLVMFuncOp function;
  DenseMap<Value, Value> values;
};
} // namespace

void HookBuilder::callLibrary(StringRef name, ValueRange arguments) {
  std::string symbol = ("stoop_" + name + suffix).str();
  if (!module.lookupSymbol(symbol)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    Type result = LLVM::LLVMVoidType::get(module.getContext());
    SmallVector<Type> inputs(arguments.size(), pointer);
    LLVM::LLVMFuncOp::create(builder, loc, symbol, LLVM::LLVMFunctionType::get(result, inputs));
  }
  LLVM::CallOp::create(builder, loc, TypeRange(), symbol, arguments);
}

Value HookBuilder::spill(Value v) {
  Value slot;
  {
    // Allocas belong to the entry block, where they can be promoted.
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(&function.getBody().front());
    slot = LLVM::AllocaOp::create(builder, loc, pointer, value, constant(1), /*alignment=*/64);
  }
  if (v)
    LLVM::StoreOp::create(builder, loc, v, slot, /*alignment=*/4);
  return slot;
}

Value HookBuilder::applyLibrary(StringRef name, Value v) {
  Value slot = spill(v);
  callLibrary(name, slot);
  return reload(slot);
}

Value HookBuilder::round(Value v, Type elementType) {
  if (elementType.isF32())
    return v;
  return applyLibrary(("round_" + elementName(elementType)).str(), v);
}

FailureOr<Value> HookBuilder::load(BlockArgument input) {
  auto type = dyn_cast<RankedTensorType>(input.getType());
  if (!type || elementName(type.getElementType()).empty() || type.getElementType().isInteger())
    return kernel.emitOpError() << "cannot read an operand of type " << input.getType()
                                << " in an epilogue";
  Value row = function.getArgument(1), column = function.getArgument(2);
  Value index = column;
  if (type.getRank() == 2) {
    Value stride = constant(kernel.getRowStrides()[input.getArgNumber()]);
    index =
        LLVM::AddOp::create(builder, loc, LLVM::MulOp::create(builder, loc, row, stride), column);
  }
  Value slot =
      LLVM::GEPOp::create(builder, loc, pointer, pointer, function.getArgument(3),
                          ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(input.getArgNumber())});
  Value base = LLVM::LoadOp::create(builder, loc, pointer, slot);
  Type bytes = IntegerType::get(module.getContext(), 8 * elementBytes(type.getElementType()));
  Value address =
      LLVM::GEPOp::create(builder, loc, pointer, bytes, base, ArrayRef<LLVM::GEPArg>{index});
  Value result = spill(nullptr);
  callLibrary(("load_" + elementName(type.getElementType())).str(), {result, address});
  return reload(result);
}

FailureOr<Value> HookBuilder::read(Value operand) {
  if (Value known = values.lookup(operand))
    return known;
  auto input = dyn_cast<BlockArgument>(operand);
  if (!input)
    return kernel.emitOpError()
           << "epilogue uses a value that is neither an input nor computed before it";
  FailureOr<Value> loaded = load(input);
  if (succeeded(loaded))
    values[operand] = *loaded;
  return loaded;
}

void HookBuilder::copyWithLanes(Operation *op, IRMapping &map) {
  StringRef library = TypeSwitch<Operation *, StringRef>(op)
                          .Case<math::ExpOp>([](Operation *) { return "exp"; })
                          .Case<math::ErfOp>([](Operation *) { return "erf"; })
                          .Case<math::TanhOp>([](Operation *) { return "tanh"; })
                          .Default([](Operation *) { return ""; });
  if (!library.empty()) {
    map.map(op->getResult(0), applyLibrary(library, map.lookup(op->getOperand(0))));
    return;
  }
  auto constantOp = dyn_cast<arith::ConstantOp>(op);
  if (constantOp && lanes > 1) {
    auto splat = SplatElementsAttr::get(cast<ShapedType>(value), constantOp.getValue());
    map.map(op->getResult(0), arith::ConstantOp::create(builder, loc, splat));
    return;
  }
  Operation *copy = builder.clone(*op, map);
  if (lanes > 1)
    for (OpResult result : copy->getResults())
      result.setType(VectorType::get({lanes}, result.getType()));
}

FailureOr<Value> HookBuilder::emitElementwise(lm::ElementwiseOpInterface op) {
  Block expression;
  SmallVector<Value> scalars;
  IRMapping map;
  for (Value operand : op->getOperands()) {
    FailureOr<Value> v = read(operand);
    if (failed(v))
      return failure();
    scalars.push_back(expression.addArgument(f32, loc));
    map.map(scalars.back(), *v);
  }
  OpBuilder scalarBuilder(module.getContext());
  scalarBuilder.setInsertionPointToEnd(&expression);
  Value result = op.emitScalar(scalarBuilder, loc, scalars);
  for (Operation &scalarOp : expression)
    copyWithLanes(&scalarOp, map);
  return map.lookup(result);
}

LogicalResult HookBuilder::build(Operation *anchor) {
  MLIRContext *context = module.getContext();
  Type voidType = LLVM::LLVMVoidType::get(context);
  function =
      LLVM::LLVMFuncOp::create(builder, loc, ("stoop_hook" + suffix).str(),
                               LLVM::LLVMFunctionType::get(voidType, {pointer, i64, i64, pointer}));
  Block *body = function.addEntryBlock(builder);
  builder.setInsertionPointToEnd(body);
  Operation *yield = &kernel.getBody().front().back();
  Value out = yield->getOperand(0);

  if (anchor) {
    Value result = anchor->getResult(0);
    Value sums =
        LLVM::LoadOp::create(builder, loc, value, function.getArgument(0), /*alignment=*/4);
    bool last = out == result;
    values[result] = last ? sums : round(sums, getElementTypeOrSelf(result.getType()));
  }
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    if (&op == anchor)
      continue;
    auto elementwise = dyn_cast<lm::ElementwiseOpInterface>(op);
    if (!elementwise)
      return op.emitOpError() << "cannot be lowered in the epilogue of a CPU kernel";
    FailureOr<Value> v = emitElementwise(elementwise);
    if (failed(v))
      return failure();
    Value result = op.getResult(0);
    values[result] = out == result ? *v : round(*v, getElementTypeOrSelf(result.getType()));
  }
  Value final = values.lookup(out);
  if (!final)
    return kernel.emitOpError() << "yields a value that is not computed in its body";
  LLVM::StoreOp::create(builder, loc, final, function.getArgument(0), /*alignment=*/4);
  LLVM::ReturnOp::create(builder, loc, ValueRange());
  return success();
}

FailureOr<std::string> codegen::emitHooks(plan::KernelOp kernel, Operation *anchor) {
  MLIRContext *context = kernel.getContext();
  context->loadDialect<arith::ArithDialect, math::MathDialect, LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(*context);
  registerLLVMDialectTranslation(*context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
  for (int64_t lanes : {16, 1})
    if (failed(HookBuilder(*module, kernel, lanes).build(anchor)))
      return failure();

  PassManager pm(context, ModuleOp::getOperationName(), PassManager::Nesting::Implicit);
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
  if (failed(pm.run(*module)))
    return kernel.emitOpError("epilogue could not be lowered to LLVM");
  llvm::LLVMContext llvmContext;
  std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(*module, llvmContext, "hooks");
  if (!llvmModule)
    return kernel.emitOpError("epilogue could not be translated to LLVM IR");
  std::string bitcode;
  llvm::raw_string_ostream stream(bitcode);
  llvm::WriteBitcodeToFile(*llvmModule, stream);
  return bitcode;
}
