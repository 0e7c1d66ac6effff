//===- Weights.cpp - parameters of a model as float32 -----------------------------------------===//
//
// The order of the steps is the contract of lm.weight: stack the sources' rows, reorder by the
// layout, round, convert to the element type. A quantised matrix holds what its integers stand for.
//
//===------------------------------------------------------------------------------------------===//
#include "codegen/reference/Weights.h"

#include "codegen/reference/ops/Ops.h"
#include "ir/lm/LmAttrNames.h"
#include "ir/support/DType.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace stoop::reference {

FailureOr<Element> elementOf(Type type) {
  if (type.isF32())
    return Element::F32;
  if (type.isBF16())
    return Element::BF16;
  if (type.isF16())
    return Element::F16;
  return failure();
}

FailureOr<Tensor> Weights::get(lm::WeightOp weight) {
  auto known = values.find(weight);
  if (known != values.end())
    return known->second;
  FailureOr<Tensor> tensor = read(weight);
  if (succeeded(tensor))
    values.try_emplace(weight, *tensor);
  return tensor;
}

FailureOr<const llvm::MemoryBuffer *> Weights::map(lm::WeightOp user, StringRef file) {
  std::unique_ptr<llvm::MemoryBuffer> &buffer = files[file];
  if (!buffer) {
    auto opened = llvm::MemoryBuffer::getFile(file, /*IsText=*/false,
                                              /*RequiresNullTerminator=*/false);
    if (!opened)
      return user.emitOpError() << "cannot read " << file << ": " << opened.getError().message();
    buffer = std::move(*opened);
  }
  return buffer.get();
}

/// Computes the table of a generator.
static FailureOr<Tensor> generate(lm::WeightOp weight, lm::RopeTableAttr table) {
  auto round = llvm::StringSwitch<std::optional<Element>>(table.getRound())
                   .Case("none", Element::F32)
                   .Case("bf16", Element::BF16)
                   .Case("f16", Element::F16)
                   .Default(std::nullopt);
  if (!round)
    return weight.emitOpError() << "unknown rounding '" << table.getRound() << "' of the table";
  return ropeTable(table.getInvFreq().asArrayRef(),
                   static_cast<float>(table.getFactor().getValueAsDouble()), table.getPositions(),
                   *round);
}

/// The tensors of matrices of integers, whose rows are stacked.
FailureOr<std::vector<quant::StoredMatrix>> Weights::mapStored(lm::WeightOp weight,
                                                               StringAttr form) {
  auto sources = llvm::to_vector(weight.getSourcesAttr().getAsRange<lm::SourceAttr>());
  std::vector<const char *> data;
  for (lm::SourceAttr source : sources) {
    FailureOr<const llvm::MemoryBuffer *> file = map(weight, source.getFile());
    if (failed(file))
      return failure();
    uint64_t bytes =
        uint64_t(source.getRows()) * source.getCols() * (source.getDtype().isInteger(32) ? 4 : 2);
    if (source.getOffset() + bytes > (*file)->getBufferSize())
      return weight.emitOpError() << "source '" << source.getKey() << "' ends beyond "
                                  << source.getFile();
    data.push_back((*file)->getBufferStart() + source.getOffset());
  }
  std::optional<quant::StoredForm> known = quant::parseStoredForm(form);
  if (!known)
    return weight.emitOpError() << "has an unknown stored form " << form;
  std::vector<quant::StoredMatrix> matrices;
  for (size_t i = 0; i + 2 < sources.size(); i += 3)
    matrices.push_back({*known, data[i], data[i + 1], data[i + 2], sources[i + 2].getCols(),
                        weight.getTensorType().getDimSize(1), sources[i + 2].getRows()});
  return matrices;
}

FailureOr<Tensor> Weights::readStored(lm::WeightOp weight, StringAttr form) {
  FailureOr<std::vector<quant::StoredMatrix>> matrices = mapStored(weight, form);
  if (failed(matrices))
    return failure();
  RankedTensorType type = weight.getTensorType();
  QuantScheme scheme = *quantSchemeOf(type);
  int64_t rows = type.getDimSize(0), cols = type.getDimSize(1);
  lm::QkvLayoutAttr layout = weight.getLayoutAttr();
  Tensor tensor(rows, cols, Element::F32);
  quant::Row integers;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t index = layout ? layout.storedRow(row) : row;
    auto matrix = matrices->begin();
    for (; index >= matrix->rows; ++matrix)
      index -= matrix->rows;
    quant::readStoredRow(*matrix, scheme, index, integers);
    quant::dequantizeRow(scheme, integers, cols, tensor.mutableValues().data() + row * cols);
  }
  return tensor;
}

/// A vector's elements are rows of one column: layouts permute them like rows of a matrix.
static std::pair<int64_t, int64_t> shapeOf(RankedTensorType type) {
  return {type.getDimSize(0), type.getRank() == 1 ? 1 : type.getDimSize(1)};
}

FailureOr<std::vector<float>> Weights::readFloats(lm::WeightOp weight) {
  auto [rows, cols] = shapeOf(weight.getTensorType());
  int64_t filled = 0;
  std::vector<float> stored(rows * cols);
  for (Attribute attr : weight.getSourcesAttr()) {
    auto source = cast<lm::SourceAttr>(attr);
    int64_t count = source.getRows() * source.getCols();
    FailureOr<Element> storedAs = elementOf(source.getDtype());
    FailureOr<const llvm::MemoryBuffer *> file = map(weight, source.getFile());
    if (failed(storedAs) || failed(file))
      return failure();
    uint64_t end = source.getOffset() + uint64_t(count) * byteWidth(*storedAs);
    if (end > (*file)->getBufferSize() || filled + count > rows * cols)
      return weight.emitOpError() << "source '" << source.getKey() << "' ends at byte " << end
                                  << " of " << source.getFile() << ", which has "
                                  << (*file)->getBufferSize();
    decode((*file)->getBufferStart() + source.getOffset(), *storedAs, count,
           stored.data() + filled);
    filled += count;
  }
  lm::QkvLayoutAttr layout = weight.getLayoutAttr();
  if (!layout)
    return stored;
  std::vector<float> ordered(stored.size());
  for (int64_t row = 0; row < rows; ++row)
    std::copy_n(&stored[layout.storedRow(row) * cols], cols, &ordered[row * cols]);
  return ordered;
}

FailureOr<quant::Anticipation> Weights::anticipate(lm::WeightOp weight, lm::InputsAttr inputs) {
  auto read = [&](FlatSymbolRefAttr name) -> FailureOr<std::vector<float>> {
    if (!name)
      return std::vector<float>();
    auto source = SymbolTable::lookupNearestSymbolFrom<lm::WeightOp>(weight, name);
    if (!source)
      return weight.emitOpError() << "expects inputs from " << name << ", which is no weight";
    return readFloats(source);
  };
  auto table = read(inputs.getTable()), scale = read(inputs.getScale()), bias = read(inputs.getBias()),
       matrix = read(inputs.getMatrix()), offset = read(inputs.getOffset()),
       factor = read(inputs.getFactor());
  for (const auto *values : {&table, &scale, &bias, &matrix, &offset, &factor})
    if (failed(*values))
      return failure();
  const int64_t cols = static_cast<int64_t>(scale->size());
  quant::InputsFormula formula;
  formula.tableRows = static_cast<int64_t>(table->size()) / cols;
  formula.scale = std::move(*scale);
  formula.bias = std::move(*bias);
  formula.offset = std::move(*offset);
  formula.first = inputs.getFirst();
  formula.rows = inputs.getRows();
  formula.head = inputs.getHead();
  formula.repeats = inputs.getRepeats();
  if (inputs.getActivation())
    formula.activation = static_cast<quant::Activation>(inputs.getActivation().getValue());
  formula.gated = bool(inputs.getFactor());
  auto rowsOf = [cols](const std::vector<float> &values) {
    return [cols, &values](int64_t row, float *out) {
      std::copy_n(&values[row * cols], cols, out);
      return llvm::Error::success();
    };
  };
  llvm::Expected<quant::InputSamples> samples =
      quant::drawInputs(formula, rowsOf(*table), rowsOf(*matrix), rowsOf(*factor));
  if (!samples)
    return weight.emitOpError() << llvm::toString(samples.takeError());
  if (samples->columns() != weight.getTensorType().getDimSize(1))
    return weight.emitOpError() << "has " << weight.getTensorType().getDimSize(1)
                                << " columns, its inputs have " << samples->columns();
  return quant::Anticipation(*samples);
}

/// Fills in what the integers of a weight's scheme stand for.
LogicalResult Weights::quantize(lm::WeightOp weight, const std::vector<float> &stored, Tensor &tensor) {
  QuantScheme scheme = *quantSchemeOf(weight.getTensorType());
  int64_t rows = tensor.rows(), cols = tensor.cols();
  std::vector<quant::Row> integers(rows);
  if (auto inputs = weight->getAttrOfType<lm::InputsAttr>(lm::kInputsAttrName)) {
    FailureOr<quant::Anticipation> anticipation = anticipate(weight, inputs);
    if (failed(anticipation))
      return failure();
    anticipation->quantizeRows(scheme, stored.data(), rows, integers.data());
  } else {
    for (int64_t row = 0; row < rows; ++row)
      quant::quantizeRow(scheme, &stored[row * cols], cols, quant::Rounding::Search, integers[row]);
  }
  for (int64_t row = 0; row < rows; ++row)
    quant::dequantizeRow(scheme, integers[row], cols, tensor.mutableValues().data() + row * cols);
  return success();
}

FailureOr<Tensor> Weights::read(lm::WeightOp weight) {
  if (auto form = weight->getAttrOfType<StringAttr>(lm::kStoredFormAttrName))
    return readStored(weight, form);
  if (lm::RopeTableAttr table = weight.getGeneratorAttr())
    return generate(weight, table);
  RankedTensorType type = weight.getTensorType();
  bool isVector = type.getRank() == 1;
  FailureOr<Element> element = elementOf(type.getElementType());
  if (failed(element))
    return weight.emitOpError() << "has an element type that cannot be evaluated: " << type;
  auto [rows, cols] = shapeOf(type);
  FailureOr<std::vector<float>> stored = readFloats(weight);
  if (failed(stored))
    return failure();
  Tensor tensor(isVector ? 1 : rows, isVector ? rows : cols, *element);
  if (quantSchemeOf(type)) {
    if (failed(quantize(weight, *stored, tensor)))
      return failure();
    return tensor;
  }
  Element round = Element::F32;
  if (std::optional<Type> narrower = weight.getRound())
    if (FailureOr<Element> known = elementOf(*narrower); succeeded(known))
      round = *known;
  for (int64_t row = 0; row < rows; ++row) {
    const float *from = stored->data() + row * cols;
    float *to = tensor.mutableValues().data() + row * cols;
    for (int64_t c = 0; c < cols; ++c)
      to[c] = roundTo(roundTo(from[c], round), *element);
  }
  return tensor;
}

} // namespace stoop::reference
