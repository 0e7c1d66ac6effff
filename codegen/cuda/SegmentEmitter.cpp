//===- SegmentEmitter.cpp - prologue and epilogue functors ----------------===//
//
// Every op's value is rounded to the element type of its result, as the ledger of roundings says; a
// rotation needs the value of its pair's column as well, so values are a function of the column.
//
//===----------------------------------------------------------------------===//
#include "codegen/cuda/SegmentEmitter.h"
#include "codegen/cuda/ScalarPrinter.h"
#include "ir/support/DType.h"
#include "llvm/Support/FormatVariadic.h"
#include <numeric>

using namespace mlir;
using namespace stoop;
using codegen::SegmentEmitter;
using llvm::formatv;

StringRef codegen::deviceType(Type element) {
  return element.isF32() ? "float" : element.isBF16() ? "bf16" : "f16";
}

std::string codegen::floatLiteral(float value) {
  std::string text = formatv("{0:E9}", double(value)).str();
  return formatv("{0}f", text).str();
}

static int64_t columnsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

StringRef SegmentEmitter::elementOf(Value value) const {
  return codegen::deviceType(getElementTypeOrSelf(value.getType()));
}

/// How the kernel sees a matrix whose elements are multiplied as `element`: elements, or codes of a scheme.
static std::string formOf(Value matrix, StringRef element) {
  std::optional<QuantScheme> scheme = quantSchemeOf(cast<RankedTensorType>(matrix.getType()));
  if (!scheme)
    return codegen::deviceType(getElementTypeOrSelf(matrix.getType())).str();
  if (scheme->bits == 4)
    return formatv("Int4<{0}, {1}>", element, scheme->group);
  return formatv("{0}<{1}>", scheme->isFloat ? "Fp8" : "Int8", element);
}

SmallVector<unsigned> SegmentEmitter::resultsOf(Value value) {
  SmallVector<unsigned> found;
  Operation *yield = kernel.getBody().front().getTerminator();
  for (OpOperand &operand : yield->getOpOperands())
    if (operand.get() == value)
      found.push_back(kernel.getNumInputs() + operand.getOperandNumber());
  return found;
}

std::string SegmentEmitter::nameOf(Value value) {
  std::string &name = names[value];
  if (name.empty())
    name = "v" + std::to_string(numNames++);
  return name;
}

/// Messages about what follows name the model path.
void SegmentEmitter::emitLine(Operation *op) {
  if (auto name = op->getLoc()->findInstanceOf<NameLoc>())
    out << "#line 1 \"" << name.getName().getValue() << "\"\n";
}

//===----------------------------------------------------------------------===//
// Prologue
//===----------------------------------------------------------------------===//

FailureOr<std::string> SegmentEmitter::rowSource() {
  if (auto embedding = dyn_cast_or_null<lm::EmbeddingOp>(parts.source)) {
    auto tiled = kernel->getAttrOfType<DenseI64ArrayAttr>(plan::kTiledAttrName);
    bool isTiled = tiled && llvm::is_contained(tiled.asArrayRef(), argument(embedding.getTable()));
    return formatv("{0}<{1}, {2}, {3}, {4}, {5}>", isTiled ? "TiledEmbeddingRow" : "EmbeddingRow",
                   formOf(embedding.getTable(), "bf16"), elementOf(embedding.getResult()), argument(embedding.getTokens()),
                   argument(embedding.getTable()), columnsOf(embedding.getTable()))
        .str();
  }
  Value from = parts.source ? parts.source->getOperand(0) : parts.prologueValue();
  auto input = dyn_cast<BlockArgument>(from);
  if (!input)
    return kernel.emitOpError("has a prologue that does not start from an input of the kernel");
  return formatv("{0}<{1}, {2}, {3}>", parts.source ? "LastRow" : "TensorRow", elementOf(input),
                 input.getArgNumber(), stride(input.getArgNumber()))
      .str();
}

LogicalResult SegmentEmitter::emitPrologue() {
  FailureOr<std::string> source = rowSource();
  if (failed(source))
    return failure();
  Value start = parts.prologueValue();
  int64_t columns = columnsOf(start);
  StringRef norm = "none";
  std::string moments = "NoMoments";
  float epsilon = 0;
  if (!parts.norms.empty()) {
    lm::NormOp first = parts.norms.front();
    norm = first.getKind() == lm::NormKind::Layer ? "layer" : "rms";
    epsilon = first.getEps().convertToFloat();
    if (first.getMoments()) {
      unsigned operand = argument(first.getMoments());
      moments = formatv("LeftMoments<{0}, {1}, {2}>", *first.getBlock(), operand, stride(operand));
    }
  }
  emitLine(parts.norms.empty() ? parts.source : lm::NormOp(parts.norms.front()).getOperation());
  out << "struct Rows {\n"
      << "  using Source = " << *source << "; using Moments = " << moments << ";\n"
      << formatv("  static constexpr int columns = {0};\n", columns)
      << formatv("  static constexpr Norm norm = Norm::{0}; static constexpr float epsilon = {1};\n", norm, floatLiteral(epsilon));
  emitResults(norm);
  out << "};\n";
  return success();
}

/// Stores an element of the rows, and what the norms make of it, where they are results.
void SegmentEmitter::emitResults(StringRef norm) {
  std::string body;
  llvm::raw_string_ostream text(body);
  auto store = [&](Value value, StringRef element) {
    for (unsigned result : resultsOf(value))
      text << formatv("    store_at<{0}>(a, {1}, {2}, row, c, {3});\n", elementOf(value), result, stride(result), element);
  };
  if (parts.source)
    store(parts.source->getResult(0), "x");
  for (lm::NormOp op : parts.norms)
    store(op.getResult(), formatv("{0}_norm<{1}>(x, s, vector_at(a, {2}, c){3})", norm, elementOf(op.getResult()),
                                  argument(op.getScale()),
                                  op.getBias() ? formatv(", vector_at(a, {0}, c)", argument(op.getBias())).str() : std::string())
                              .str());
  out << formatv("  static constexpr bool has_results = {0};\n", !body.empty());
  if (!body.empty())
    out << "  static __device__ void store(const A& a, int row, int c, float x, const RowStatistics& s) {\n" << body << "  }\n";
}

/// The rows of `value`, which the prologue makes, as a linear loads them.
std::string SegmentEmitter::normedRows(Value value) {
  auto norm = value.getDefiningOp<lm::NormOp>();
  bool isLayer = norm && norm.getKind() == lm::NormKind::Layer;
  return formatv("NormedRows<{0}, Norm::{1}, Rows::Source, {2}, {3}>", elementOf(value),
                 isLayer ? "layer" : norm ? "rms" : "none", norm ? int64_t(argument(norm.getScale())) : -1,
                 isLayer ? argument(norm.getBias()) : 0)
      .str();
}

//===----------------------------------------------------------------------===//
// Segments
//===----------------------------------------------------------------------===//

/// Elements that one load takes: as many as fill 16 bytes of the weight and divide the row. A strided
/// input may begin anywhere, so it is read one by one.
int64_t SegmentEmitter::vectorOf(lm::LinearOp linear) {
  int64_t k = columnsOf(linear.getWeight());
  Value from = linear.getInput();
  for (Operation *op = from.getDefiningOp(); isa_and_nonnull<lm::NormOp, lm::GatherLastOp>(op); op = from.getDefiningOp())
    from = op->getOperand(0);
  if (auto input = dyn_cast<BlockArgument>(from); input && stride(input.getArgNumber()) != k)
    return 1;
  Value factor = quantSchemeOf(linear.getWeight().getType()) ? Value(linear.getInput()) : Value(linear.getWeight());
  return std::gcd<int64_t, int64_t>(k, 16 / elementBytes(getElementTypeOrSelf(factor.getType())));
}

FailureOr<std::string> SegmentEmitter::linearType(lm::LinearOp linear) {
  std::string rows;
  if (auto input = dyn_cast<BlockArgument>(Value(linear.getInput())))
    rows = formatv("GlobalRows<{0}, {1}, {2}>", elementOf(input), input.getArgNumber(),
                   stride(input.getArgNumber()));
  else if (isa<lm::NormOp, lm::EmbeddingOp, lm::GatherLastOp>(linear.getInput().getDefiningOp()))
    rows = normedRows(linear.getInput());
  else
    return linear.emitOpError("reads a value that is neither an input nor of the prologue");
  return formatv("Linear<{0}, {1}, {2}, {3}, {4}>", formOf(linear.getWeight(), elementOf(linear.getInput())),
                 columnsOf(linear.getWeight()), argument(linear.getWeight()), rows,
                 vectorOf(linear))
      .str();
}

/// A linear's sum at a column, number `index` of the segment's, times the scale of the weight's row if it has one.
std::string SegmentEmitter::productOf(lm::LinearOp linear, unsigned index) {
  std::optional<QuantScheme> scheme = quantSchemeOf(linear.getWeight().getType());
  std::string sum = formatv("sum({0})", index);
  if (!scheme || scheme->group)
    return sum;
  return formatv("row_scale<{0}, {1}>(a, {2}, column) * {3}", formOf(linear.getWeight(), elementOf(linear.getInput())),
                 columnsOf(linear.getWeight()), argument(linear.getWeight()), sum);
}

FailureOr<std::string> SegmentEmitter::readOperand(Value operand) {
  auto input = dyn_cast<BlockArgument>(operand);
  if (!input) {
    if (!names.contains(operand))
      return kernel.emitOpError("has an epilogue that uses a value of the prologue");
    return nameOf(operand);
  }
  auto type = dyn_cast<RankedTensorType>(input.getType());
  if (!type || !isa<FloatType>(type.getElementType()))
    return kernel.emitOpError() << "cannot read an operand of type " << input.getType()
                                << " in an epilogue";
  unsigned number = input.getArgNumber();
  if (type.getRank() == 1)
    return formatv("vector_at(a, {0}, column)", number).str();
  return formatv("tensor_at<{0}>(a, {1}, {2}, row, column)", elementOf(input), number,
                 stride(number))
      .str();
}

LogicalResult SegmentEmitter::emitElementwise(lm::ElementwiseOpInterface op) {
  SmallVector<std::string> operands;
  for (Value operand : op->getOperands()) {
    FailureOr<std::string> read = readOperand(operand);
    if (failed(read))
      return failure();
    operands.push_back(*read);
  }
  FailureOr<std::string> expression = printScalar(op, operands);
  if (failed(expression))
    return failure();
  Value result = op->getResult(0);
  out << formatv("    const float {0} = round_to<{1}>({2});\n", nameOf(result), elementOf(result),
                 *expression);
  return success();
}

/// struct Values and the function that computes them at one column.
LogicalResult SegmentEmitter::emitValues(const lm::RegionSegment &segment) {
  SmallVector<Value> needed; // at the end of the epilogue
  auto need = [&](Value value) {
    if (!isa<BlockArgument>(value) && !llvm::is_contained(needed, value))
      needed.push_back(value);
  };
  for (Operation *op : segment.ops) {
    if (isa<lm::LinearOp, lm::ElementwiseOpInterface>(op) && !resultsOf(op->getResult(0)).empty())
      need(op->getResult(0));
    if (auto view = dyn_cast<lm::ViewOp>(op))
      need(view.getInput());
    if (isa<lm::BlockReductionOpInterface>(op))
      need(op->getOperand(0));
    if (isa<lm::RopeOp>(op) && !op->getOperand(0).getDefiningOp<lm::ViewOp>())
      need(op->getOperand(0));
    if (auto append = dyn_cast<lm::KvAppendOp>(op))
      for (Value value : {append.getKeys(), append.getValues()})
        if (Operation *from = value.getDefiningOp(); from && !isa<lm::ViewOp, lm::RopeOp>(from))
          need(value);
  }
  if (needed.empty())
    return success();
  std::string fields, list;
  std::string body;
  {
    llvm::raw_string_ostream text(body);
    SegmentEmitter inner(kernel, parts, text);
    unsigned linear = 0;
    for (Operation *op : segment.ops) {
      if (auto product = dyn_cast<lm::LinearOp>(op))
        text << formatv("    const float {0} = round_to<{1}>({2});\n", inner.nameOf(product.getResult()),
                        elementOf(product.getResult()), productOf(product, linear++));
      else if (auto elementwise = dyn_cast<lm::ElementwiseOpInterface>(op);
               elementwise && failed(inner.emitElementwise(elementwise)))
        return failure();
    }
    names = inner.names;
    numNames = inner.numNames;
  }
  for (Value value : needed) {
    fields += (fields.empty() ? "" : ", ") + nameOf(value);
    list += (list.empty() ? "" : ", ") + nameOf(value);
  }
  out << "  struct Values { float " << fields << "; };\n"
      << "  static __device__ Values values(const A& a, int row, int column, Sums sum) {\n"
      << body << "    return {" << list << "};\n  }\n";
  return success();
}

SegmentEmitter::Place SegmentEmitter::placeOf(Value value) const {
  if (auto view = value.getDefiningOp<lm::ViewOp>())
    return {view.getInput(), static_cast<int64_t>(view.getOffset())};
  return {value, 0};
}

/// The element of `base` at a column of the segment: a field of `values`, or an input's element.
std::string SegmentEmitter::elementAt(Value base, StringRef values, StringRef column) {
  if (auto input = dyn_cast<BlockArgument>(base))
    return formatv("tensor_at<{0}>(a, {1}, {2}, row, {3})", elementOf(input), input.getArgNumber(),
                   stride(input.getArgNumber()), column);
  return formatv("{0}.{1}", values, nameOf(base));
}

static std::string shifted(int64_t offset) {
  return offset ? formatv("column - {0}", offset).str() : "column";
}

/// The condition that a column of the segment is one of a view's, as the head of a statement.
static std::string range(int64_t offset, int64_t width, int64_t all) {
  if (offset == 0 && width == all)
    return "    ";
  if (offset == 0)
    return formatv("    if (column < {0}) ", width);
  if (offset + width == all)
    return formatv("    if (column >= {0}) ", offset);
  return formatv("    if (column >= {0} && column < {1}) ", offset, offset + width);
}

/// The element of a view, a rotated view or a whole value that stands at `column` of the segment.
std::string SegmentEmitter::finalValue(Value value) {
  auto rope = value.getDefiningOp<lm::RopeOp>();
  Place place = placeOf(rope ? Value(rope.getInput()) : value);
  std::string straight = elementAt(place.base, "v", shifted(place.offset));
  if (!rope)
    return straight;
  std::string other = place.offset ? formatv("other - {0}", place.offset).str() : "other";
  return formatv("rotate<{0}, {1}>(a, {2}, {3}, row, {4}, {5}, {6})", elementOf(value),
                 columnsOf(rope.getTable()), argument(rope.getPositions()),
                 argument(rope.getTable()), shifted(place.offset), straight,
                 elementAt(place.base, "w", other));
}

void SegmentEmitter::emitAppend(lm::KvAppendOp append, int64_t columns) {
  lm::KvType cache = append.getCache().getType();
  std::string shape = formatv("Cache<{0}, {1}, {2}, {3}, {4}>",
                              codegen::deviceType(cache.getElementType()), cache.getBatch(),
                              cache.getHeads(), cache.getPositions(), cache.getHeadDim());
  for (Value part : {append.getKeys(), append.getValues()}) {
    auto rope = part.getDefiningOp<lm::RopeOp>();
    int64_t offset = placeOf(rope ? Value(rope.getInput()) : part).offset;
    out << range(offset, columnsOf(part), columns)
        << formatv("{0}::append(a, {1}, {2}, {3}, {4}, row, {5}, {6});\n", shape,
                   argument(append.getCache()), argument(append.getPositions()),
                   argument(append.getSlots()),
                   part == append.getKeys() ? "0" : shape + "::values", shifted(offset),
                   finalValue(part));
  }
}

void SegmentEmitter::emitStore(const lm::RegionSegment &segment) {
  StringRef pair = segment.headDim ? ", int other, Sums other_sum" : "";
  out << formatv("  static __device__ void store(const A& a, int row, int column, Sums sum{0}) {{\n",
                 pair);
  bool hasValues = llvm::any_of(segment.ops, [](Operation *op) {
    return isa<lm::LinearOp, lm::ElementwiseOpInterface>(op);
  });
  if (hasValues) {
    out << "    const Values v = values(a, row, column, sum)" << (segment.headDim ? ", w = values(a, row, other, other_sum)" : "")
        << ";\n";
  }
  for (Operation *op : segment.ops) {
    if (auto append = dyn_cast<lm::KvAppendOp>(op)) {
      emitAppend(append, segment.columns);
      continue;
    }
    Value result = op->getResult(0);
    if (auto reduction = dyn_cast<lm::BlockReductionOpInterface>(op)) {
      for (unsigned operand : resultsOf(result))
        out << formatv("    store_{0}<{1}>(a, {2}, {3}, row, column, {4});\n",
                       reduction.getReduction(), segment.columns, operand, stride(operand),
                       elementAt(op->getOperand(0), "v", "column"));
      continue;
    }
    auto rope = dyn_cast<lm::RopeOp>(op);
    int64_t offset = placeOf(rope ? Value(rope.getInput()) : result).offset;
    for (unsigned operand : resultsOf(result))
      out << range(offset, columnsOf(result), segment.columns)
          << formatv("store_at<{0}>(a, {1}, {2}, row, {3}, {4});\n", elementOf(result), operand,
                     stride(operand), shifted(offset), finalValue(result));
  }
  out << "  }\n";
}

LogicalResult SegmentEmitter::emitSegment(const lm::RegionSegment &segment, unsigned number, StringRef shape) {
  emitLine(segment.ops.front());
  out << formatv("struct Segment{0} {{\n", number)
      << formatv("  static constexpr int columns = {0}, head_dim = {1}{2};\n", segment.columns, segment.headDim, shape);
  if (!segment.linears.empty()) {
    out << "  using Linears = List<";
    for (auto [index, linear] : llvm::enumerate(segment.linears)) {
      FailureOr<std::string> type = linearType(linear);
      if (failed(type))
        return failure();
      out << (index ? ",\n                       " : "") << *type;
    }
    out << ">;\n";
  }
  if (failed(emitValues(segment)))
    return failure();
  emitStore(segment);
  out << "};\n";
  return success();
}
