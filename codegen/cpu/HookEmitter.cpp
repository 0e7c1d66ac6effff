//===- HookEmitter.cpp - a kernel's elementwise work as LLVM bitcode -----===//
//
// ElementwiseOpInterface gives a scalar expression in arith and math. It is emitted into a scratch
// block and copied from there with vector types, so that the hook is vector code by construction,
// not by the vectoriser's leave. Columns that do not exist are computed and dropped. exp, erf and
// tanh become calls into the kernel bitcode; so do reductions, whose blocks are the hook's lanes.
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
constexpr int64_t kLanes = 16;
static_assert(kLanes == lm::kReductionBlock, "a call of the hook has one block of a reduction in registers");

/// Emits the hook into a module.
class HookBuilder {
public:
  HookBuilder(ModuleOp module, plan::KernelOp kernel)
      : module(module), kernel(kernel), builder(module.getBodyRegion()) {
    MLIRContext *context = module.getContext();
    f32 = Float32Type::get(context);
    i64 = IntegerType::get(context, 64);
    pointer = LLVM::LLVMPointerType::get(context);
    vector = VectorType::get({kLanes}, f32);
  }

  LogicalResult build(ArrayRef<codegen::HookSegment> segments);

private:
  /// Arguments of the hook, in their order.
  enum Argument { Sums, ProductStride, Segment, Row, Column, Valid, Tail, Buffers };
  Value argument(Argument which) { return function.getArgument(which); }

  LogicalResult emitSegment(const codegen::HookSegment &segment);
  void loadSums(ArrayRef<Value> sums);
  void storeResults();
  void storeTail(const codegen::HookSegment &segment);
  /// Declares `stoop_<name>` and calls it.
  void callLibrary(StringRef name, ValueRange arguments);
  /// Value of `operand` at this row and these columns, as float32 of its type's precision.
  FailureOr<Value> read(Value operand);
  FailureOr<Value> load(BlockArgument input);
  /// Address of this row's and column's element of a launch operand.
  Value addressOf(unsigned operand, RankedTensorType type) {
    return addressOf(operand, type, argument(Column));
  }
  Value addressOf(unsigned operand, RankedTensorType type, Value column);
  /// Rounds to a narrower element type; float32 passes.
  Value round(Value v, Type elementType);
  /// Runs a library function in place on a value.
  Value applyLibrary(StringRef name, Value v);
  FailureOr<Value> emitElementwise(lm::ElementwiseOpInterface op);
  /// Reduces the value that `op` reads and stores the block's numbers.
  LogicalResult emitReduction(lm::BlockReductionOpInterface op);
  /// Copies one scalar op of an expression with the hook's lanes.
  void copyWithLanes(Operation *op, IRMapping &map);
  Value constant(int64_t n) { return LLVM::ConstantOp::create(builder, loc, i64, n); }
  /// base[index] of elements of `type`.
  Value offset(Value base, Type type, LLVM::GEPArg index) {
    return LLVM::GEPOp::create(builder, loc, pointer, type, base, ArrayRef<LLVM::GEPArg>{index});
  }
  /// Memory that holds v, or anything when v is null.
  Value spill(Value v);
  Value reload(Value slot) {
    return LLVM::LoadOp::create(builder, loc, vector, slot, /*alignment=*/4);
  }

  ModuleOp module;
  plan::KernelOp kernel;
  OpBuilder builder;
  Location loc = UnknownLoc::get(module.getContext());
  Type f32, i64, pointer;
  VectorType vector;
  LLVM::LLVMFuncOp function;
  DenseMap<Value, Value> exact;   ///< of the segment, before rounding
  DenseMap<Value, Value> rounded; ///< as ops see them
};
} // namespace

void HookBuilder::callLibrary(StringRef name, ValueRange arguments) {
  std::string symbol = ("stoop_" + name).str();
  if (!module.lookupSymbol(symbol)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    Type result = LLVM::LLVMVoidType::get(module.getContext());
    SmallVector<Type> inputs(arguments.getTypes());
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
    slot = LLVM::AllocaOp::create(builder, loc, pointer, vector, constant(1), /*alignment=*/64);
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

Value HookBuilder::addressOf(unsigned operand, RankedTensorType type, Value column) {
  Value index = column;
  if (type.getRank() == 2) {
    Value stride = constant(kernel.getRowStrides()[operand]);
    Value row = LLVM::MulOp::create(builder, loc, argument(Row), stride);
    index = LLVM::AddOp::create(builder, loc, row, index);
  }
  Value slot = offset(argument(Buffers), pointer, static_cast<int32_t>(operand));
  Value base = LLVM::LoadOp::create(builder, loc, pointer, slot);
  Type bytes = IntegerType::get(module.getContext(), 8 * elementBytes(type.getElementType()));
  return offset(base, bytes, index);
}

FailureOr<Value> HookBuilder::load(BlockArgument input) {
  auto type = dyn_cast<RankedTensorType>(input.getType());
  if (!type || elementName(type.getElementType()).empty() || type.getElementType().isInteger())
    return kernel.emitOpError() << "cannot read an operand of type " << input.getType()
                                << " in an epilogue";
  Value result = spill(nullptr);
  callLibrary(("load_" + elementName(type.getElementType())).str(),
              {result, addressOf(input.getArgNumber(), type), argument(Valid)});
  return reload(result);
}

FailureOr<Value> HookBuilder::read(Value operand) {
  if (Value known = rounded.lookup(operand))
    return known;
  if (Value computed = exact.lookup(operand))
    return rounded[operand] = round(computed, getElementTypeOrSelf(operand.getType()));
  auto input = dyn_cast<BlockArgument>(operand);
  if (!input)
    return kernel.emitOpError()
           << "epilogue uses a value that is neither an input nor computed in its segment";
  FailureOr<Value> loaded = load(input);
  if (succeeded(loaded))
    rounded[operand] = *loaded;
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
  if (constantOp) {
    auto splat = SplatElementsAttr::get(vector, constantOp.getValue());
    map.map(op->getResult(0), arith::ConstantOp::create(builder, loc, splat));
    return;
  }
  Operation *copy = builder.clone(*op, map);
  for (OpResult result : copy->getResults())
    result.setType(VectorType::get({kLanes}, result.getType()));
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

LogicalResult HookBuilder::emitReduction(lm::BlockReductionOpInterface op) {
  FailureOr<Value> v = read(op->getOperand(0));
  if (failed(v))
    return failure();
  Value block = LLVM::UDivOp::create(builder, loc, argument(Column), constant(kLanes));
  Value column = LLVM::MulOp::create(builder, loc, block, constant(op.getBlockNumbers()));
  Operation *yield = &kernel.getBody().front().back();
  for (OpOperand &operand : yield->getOpOperands())
    if (operand.get() == op->getResult(0))
      callLibrary(op.getReduction(),
                  {addressOf(kernel.getNumInputs() + operand.getOperandNumber(),
                             cast<RankedTensorType>(operand.get().getType()), column),
                   spill(*v), argument(Valid)});
  return success();
}

void HookBuilder::loadSums(ArrayRef<Value> sums) {
  for (auto [i, sum] : llvm::enumerate(sums)) {
    Value skip = LLVM::MulOp::create(builder, loc, argument(ProductStride), constant(i));
    exact[sum] = reload(offset(argument(Sums), f32, skip));
  }
}

void HookBuilder::storeResults() {
  Operation *yield = &kernel.getBody().front().back();
  for (OpOperand &operand : yield->getOpOperands()) {
    Value computed = exact.lookup(operand.get());
    if (!computed)
      continue;
    auto type = cast<RankedTensorType>(operand.get().getType());
    Value address = addressOf(kernel.getNumInputs() + operand.getOperandNumber(), type);
    // Storing rounds.
    callLibrary(("store_" + elementName(type.getElementType())).str(),
                {address, spill(computed), argument(Valid)});
  }
}

void HookBuilder::storeTail(const codegen::HookSegment &segment) {
  for (auto [i, v] : llvm::enumerate(segment.tailValues))
    LLVM::StoreOp::create(
        builder, loc, *read(v),
        offset(argument(Tail), f32, static_cast<int32_t>(i * segment.tailColumns)),
        /*alignment=*/4);
}

LogicalResult HookBuilder::emitSegment(const codegen::HookSegment &segment) {
  exact.clear();
  rounded.clear();
  loadSums(segment.sums);
  for (Operation *op : segment.ops) {
    if (auto reduction = dyn_cast<lm::BlockReductionOpInterface>(op)) {
      if (failed(emitReduction(reduction)))
        return failure();
      continue;
    }
    FailureOr<Value> v = emitElementwise(cast<lm::ElementwiseOpInterface>(op));
    if (failed(v))
      return failure();
    exact[op->getResult(0)] = *v;
  }
  storeResults();
  storeTail(segment);
  LLVM::ReturnOp::create(builder, loc, ValueRange());
  return success();
}

LogicalResult HookBuilder::build(ArrayRef<codegen::HookSegment> segments) {
  Type voidType = LLVM::LLVMVoidType::get(module.getContext());
  function = LLVM::LLVMFuncOp::create(
      builder, loc, "stoop_hook",
      LLVM::LLVMFunctionType::get(voidType, {pointer, i64, i64, i64, i64, i64, pointer, pointer}));
  Block *entry = function.addEntryBlock(builder);
  SmallVector<Block *> blocks;
  SmallVector<APInt> numbers;
  for (auto [i, segment] : llvm::enumerate(segments)) {
    blocks.push_back(builder.createBlock(&function.getBody(), function.getBody().end()));
    numbers.emplace_back(64, i);
    if (failed(emitSegment(segment)))
      return failure();
  }
  builder.setInsertionPointToEnd(entry);
  // The last segment is the default: no number is above it.
  SmallVector<ValueRange> noOperands(segments.size() - 1);
  LLVM::SwitchOp::create(builder, loc, argument(Segment), blocks.back(), ValueRange(),
                         ArrayRef(numbers).drop_back(), ArrayRef(blocks).drop_back(), noOperands);
  return success();
}

FailureOr<std::string> codegen::emitHook(plan::KernelOp kernel, ArrayRef<HookSegment> segments) {
  MLIRContext *context = kernel.getContext();
  context->loadDialect<arith::ArithDialect, math::MathDialect, LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(*context);
  registerLLVMDialectTranslation(*context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(kernel.getLoc());
  if (failed(HookBuilder(*module, kernel).build(segments)))
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
