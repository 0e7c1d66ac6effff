//===- PlannedWeights.cpp - plan.weight ops as packing jobs ---------------===//
//
// Translates attributes to the packer's plain structs. The origin dictionary has
// the keys of lm.weight: sources, layout, generator, round.
//
//===----------------------------------------------------------------------===//
#include "codegen/package/PlannedWeights.h"

#include "ir/lm/LmDialect.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace stoop::codegen {

static std::optional<ElementType> elementType(Type type) {
  if (type.isF32())
    return ElementType::F32;
  if (type.isF16())
    return ElementType::F16;
  if (type.isBF16())
    return ElementType::BF16;
  return std::nullopt;
}

static PackKind packKind(plan::PackKind kind) {
  switch (kind) {
  case plan::PackKind::Rows:
    return PackKind::Rows;
  case plan::PackKind::Vector:
    return PackKind::Vector;
  case plan::PackKind::Table:
    return PackKind::Table;
  case plan::PackKind::Panel16:
    return PackKind::Panel16;
  case plan::PackKind::Tiles:
    return PackKind::Tiles;
  }
  llvm_unreachable("unknown pack kind");
}

static std::string resolveFile(llvm::StringRef file, llvm::StringRef folder) {
  if (folder.empty())
    return file.str();
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, llvm::sys::path::filename(file));
  return path.str().str();
}

static FailureOr<TensorSource> readSource(plan::WeightOp op, lm::SourceAttr source, PackKind kind,
                                          llvm::StringRef folder) {
  std::optional<ElementType> element = elementType(source.getDtype());
  if (!element)
    return op.emitOpError() << "tensor '" << source.getKey() << "' has element type "
                            << source.getDtype() << ", expected f32, f16 or bf16";
  TensorSource result{source.getKey().str(),        source.getFile().str(),
                      uint64_t(source.getOffset()), *element,
                      uint64_t(source.getRows()),   uint64_t(source.getCols())};
  result.file = resolveFile(result.file, folder);
  if (kind == PackKind::Vector) { // one element a row, so that layouts apply to biases as well
    result.rows *= result.cols;
    result.cols = 1;
  }
  return result;
}

/// Sources in threes: codes, zeros, scales.
static LogicalResult readStored(plan::WeightOp op, ArrayAttr sources, StringAttr form,
                                llvm::StringRef folder, WeightPack &pack) {
  std::optional<quant::StoredForm> known = quant::parseStoredForm(form);
  if (!known || !pack.scheme || sources.size() % 3 != 0)
    return op.emitOpError() << "has sources that are no quantised matrices of form " << form;
  pack.storedForm = *known;
  std::vector<StoredTensor> tensors;
  for (auto source : sources.getAsRange<lm::SourceAttr>())
    tensors.push_back({source.getKey().str(), resolveFile(source.getFile(), folder),
                       source.getDtype().isInteger(32) ? "i32" : "f16",
                       static_cast<uint64_t>(source.getOffset()),
                       static_cast<uint64_t>(source.getRows()),
                       static_cast<uint64_t>(source.getCols())});
  for (size_t i = 0; i + 2 < tensors.size(); i += 3)
    pack.stored.push_back({tensors[i], tensors[i + 1], tensors[i + 2]});
  return success();
}

static std::optional<RopeTable> readRope(lm::RopeTableAttr table) {
  RopeTable rope;
  llvm::ArrayRef<float> frequencies = table.getInvFreq().asArrayRef();
  rope.inverseFrequencies.assign(frequencies.begin(), frequencies.end());
  rope.factor = static_cast<float>(table.getFactor().getValueAsDouble());
  rope.positions = static_cast<uint64_t>(table.getPositions());
  auto rounding = llvm::StringSwitch<std::optional<ElementType>>(table.getRound())
                      .Case("none", ElementType::F32)
                      .Case("bf16", ElementType::BF16)
                      .Case("f16", ElementType::F16)
                      .Default(std::nullopt);
  if (!rounding)
    return std::nullopt;
  rope.rounding = *rounding;
  return rope;
}

static LogicalResult readOrigin(plan::WeightOp op, llvm::StringRef folder, WeightPack &pack) {
  DictionaryAttr origin = op.getOrigin();
  if (auto table = origin.getAs<lm::RopeTableAttr>("generator")) {
    pack.rope = readRope(table);
    return pack.rope ? success() : op.emitOpError("has a generator with unknown rounding");
  }
  auto sources = origin.getAs<ArrayAttr>("sources");
  if (!sources || sources.empty())
    return op.emitOpError("has an origin with neither sources nor generator");
  auto layout = origin.getAs<lm::QkvLayoutAttr>("layout");
  if (layout)
    pack.origin.layout = QkvLayout{uint64_t(layout.getGroups()), uint64_t(layout.getQueries()),
                                   uint64_t(layout.getHeadDim())};
  if (auto form = origin.getAs<StringAttr>("stored_form"))
    return readStored(op, sources, form, folder, pack);
  for (Attribute attr : sources) {
    auto source = dyn_cast<lm::SourceAttr>(attr);
    if (!source)
      return op.emitOpError() << "has a source that is no checkpoint tensor: " << attr;
    FailureOr<TensorSource> read = readSource(op, source, pack.kind, folder);
    if (failed(read))
      return failure();
    pack.origin.sources.push_back(*read);
  }
  if (auto round = origin.getAs<TypeAttr>("round")) {
    std::optional<ElementType> rounding = elementType(round.getValue());
    if (!rounding)
      return op.emitOpError() << "is rounded to " << round.getValue()
                              << ", expected f32, f16 or bf16";
    pack.rounding = *rounding;
  }
  return success();
}

static FailureOr<WeightPack> readWeight(plan::WeightOp op, llvm::StringRef folder) {
  std::optional<plan::SliceAttr> place = op.getPlace();
  if (!place)
    return op.emitOpError("has no place yet; run the program through phase planned");
  plan::PackAttr layout = op.getPack();
  std::optional<ElementType> element = elementType(layout.getElementType());
  if (!element)
    return op.emitOpError() << "is packed as " << layout.getElementType()
                            << ", expected f32, f16 or bf16";
  WeightPack pack;
  pack.name = op.getSymName().str();
  pack.kind = packKind(layout.getKind());
  pack.element = *element;
  pack.rows = static_cast<uint64_t>(layout.getRows());
  pack.cols = static_cast<uint64_t>(layout.getCols());
  pack.scheme = layout.getQuantScheme();
  pack.offset = static_cast<uint64_t>(place->getOffset());
  pack.bytes = static_cast<uint64_t>(place->getSize());
  if (failed(readOrigin(op, folder, pack)))
    return failure();
  return pack;
}

/// Finds the weights that an lm.inputs names.
static LogicalResult readInputs(plan::WeightOp op, const llvm::StringMap<size_t> &places,
                                WeightPack &pack) {
  auto inputs = op.getOrigin().getAs<lm::InputsAttr>("inputs");
  if (!inputs)
    return success();
  InputsSource source;
  auto find = [&](FlatSymbolRefAttr name, auto &place) -> LogicalResult {
    if (!name)
      return success();
    auto found = places.find(name.getValue());
    if (found == places.end())
      return op.emitOpError() << "expects inputs from " << name << ", which is no weight";
    place = found->second;
    return success();
  };
  if (failed(find(inputs.getTable(), source.table)) || failed(find(inputs.getScale(), source.scale)) ||
      failed(find(inputs.getBias(), source.bias)) || failed(find(inputs.getMatrix(), source.matrix)) ||
      failed(find(inputs.getOffset(), source.offset)) || failed(find(inputs.getFactor(), source.factor)))
    return failure();
  source.formula.first = inputs.getFirst();
  source.formula.rows = inputs.getRows();
  source.formula.head = inputs.getHead();
  source.formula.repeats = inputs.getRepeats();
  if (inputs.getActivation())
    source.formula.activation = static_cast<quant::Activation>(inputs.getActivation().getValue());
  source.formula.gated = bool(inputs.getFactor());
  pack.inputs = std::move(source);
  return success();
}

FailureOr<PlannedWeights> readPlannedWeights(plan::ProgramOp program,
                                             llvm::StringRef weightsFolder) {
  PlannedWeights weights;
  llvm::StringMap<size_t> places;
  for (auto arena : program.getBody().getOps<plan::ArenaOp>())
    if (arena.getLifetime() == plan::Lifetime::Constant)
      weights.arenaBytes = static_cast<uint64_t>(arena.getSize());
  for (auto op : program.getBody().getOps<plan::WeightOp>()) {
    FailureOr<WeightPack> pack = readWeight(op, weightsFolder);
    if (failed(pack))
      return failure();
    places[pack->name] = weights.packs.size();
    weights.packs.push_back(std::move(*pack));
  }
  for (auto [op, pack] : llvm::zip_equal(program.getBody().getOps<plan::WeightOp>(), weights.packs))
    if (failed(readInputs(op, places, pack)))
      return failure();
  return weights;
}

} // namespace stoop::codegen
