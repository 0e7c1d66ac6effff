//===- Importer.cpp - Hugging Face checkpoint to lm module -------------------===//
//
// The order of an import: configs, weights against the spec, ledger, choices of the compilation,
// graph. Everything that can be wrong with the input is found before the first op is built.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Importer.h"

#include "compiler/import/GraphBuilder.h"
#include "compiler/import/Metadata.h"
#include "ir/support/DType.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace mlir;

namespace stoop::importer {

static Error optionError(StringRef option, const Twine &message) {
  return createStringError("--" + option + ": " + message);
}

/// The dtype with the most bytes among the matrices; "f32" if there are none.
static std::string dominantDtype(const WeightMap &weights) {
  std::map<std::string, uint64_t> bytes;
  for (const Weight &weight : weights.weights())
    if (!weight.isVector)
      for (const WeightPart &part : weight.parts)
        if (const TensorRef &tensor = part.stored ? part.stored.scales : part.tensor)
          bytes[StringRef(tensor.info->dtype).lower()] += tensor.info->sizeBytes;
  std::string best = "f32";
  for (const auto &[name, size] : bytes)
    if (size > bytes[best])
      best = name;
  return best;
}

static Expected<FloatType> namedType(StringRef option, StringRef name, MLIRContext &context) {
  if (FloatType type = parseElementName(name, &context))
    return type;
  return optionError(option, "'" + name + "' is not one of auto, f32, bf16, f16");
}

/// The compiled context, with a warning when it goes beyond what the model was made for.
static Expected<int64_t> compiledContext(const ModelSpec &spec, const ImportOptions &options,
                                         Ledger &ledger) {
  if (options.maxSeqLen < 0 || options.maxSeqLen > limits::positions.most)
    return optionError("max-seq-len", "expects 1 to " + Twine(limits::positions.most) +
                                          " tokens, got " + Twine(options.maxSeqLen));
  int64_t positions = options.maxSeqLen > 0 ? options.maxSeqLen : spec.maxPositions;
  if (!spec.alibi && positions > spec.maxPositions)
    ledger.warn("--max-seq-len " + Twine(positions) + " is beyond max_position_embeddings " +
                Twine(spec.maxPositions) + ": expect worse text there");
  if (!spec.alibi && spec.rope.kind == RopeSpec::Kind::Dynamic)
    ledger.warn("dynamic rope scaling is specialised for the compiled context of " +
                Twine(positions) + " tokens");
  return positions;
}

static Expected<GraphOptions>
graphOptions(MLIRContext &context, const ModelSpec &spec, const WeightMap &weights,
             const std::optional<StoredQuantization> &quantization, const ImportOptions &options,
             Ledger &ledger) {
  GraphOptions graph;
  graph.quantization = quantization;
  std::string dtype = options.dtype == "auto" ? dominantDtype(weights) : options.dtype;
  std::string kvDtype = options.kvCacheDtype == "auto" ? dtype : options.kvCacheDtype;
  Expected<FloatType> compute = namedType("dtype", dtype, context);
  if (!compute)
    return compute.takeError();
  Expected<FloatType> kv = namedType("kv-cache-dtype", kvDtype, context);
  if (!kv)
    return kv.takeError();
  graph.computeType = *compute;
  graph.kvType = *kv;

  Expected<int64_t> positions = compiledContext(spec, options, ledger);
  if (!positions)
    return positions.takeError();
  graph.positions = *positions;
  if (options.maxBatch < 1 || options.maxBatch > limits::count.most)
    return optionError("max-batch-size", "expects 1 to " + Twine(limits::count.most) + ", got " +
                                             Twine(options.maxBatch));
  graph.batch = options.maxBatch;
  std::optional<lm::AlibiMode> alibi = lm::symbolizeAlibiMode(options.alibi);
  if (!alibi || *alibi == lm::AlibiMode::None)
    return optionError("alibi", "'" + options.alibi + "' is not one of hf, exact");
  if (spec.alibi) {
    graph.alibi = *alibi;
    return graph;
  }
  if (*alibi == lm::AlibiMode::Exact)
    return optionError("alibi", "exact: this model has rotary positions, not ALiBi");
  Expected<std::vector<float>> frequencies = ropeFrequencies(spec.rope, spec.headDim, *positions);
  if (!frequencies)
    return frequencies.takeError();
  graph.ropeFrequencies = std::move(*frequencies);
  return graph;
}

/// The checkpoint that a config.json describes, with a warning of what that rests on. Without weights torch_dtype says how
/// they are stored; Hugging Face calls it dtype since version 5.
static Expected<Checkpoint> describeCheckpoint(const HfConfig &config, const WeightMap &weights,
                                               const ImportOptions &options, Ledger &ledger) {
  StringRef dtype = llvm::StringSwitch<StringRef>(config.torchDtype)
                        .Case("float32", "F32")
                        .Case("float16", "F16")
                        .Cases({"bfloat16", ""}, "BF16")
                        .Default("");
  if (dtype.empty())
    return fileError(options.checkpointDir,
                     "key '" + config.torchDtypeKey + "': '" + config.torchDtype +
                         "' is none of float32, float16, bfloat16; without weights it decides how they are stored");
  if (!config.torchDtype.empty())
    ledger.used("config", config.torchDtypeKey);
  ledger.warn("no weights were read: shapes are what config.json asks for, stored in " + dtype +
              (config.torchDtype.empty() ? " (it names no torch_dtype)" : ""));
  return Checkpoint::described(options.checkpointDir,
                               weights.expectedTensors(dtype, config.spec.tiedHead));
}

/// The directory's own name, also for "." and "model/"; that of a config.json's directory, or of a
/// configuration under another name its own.
static std::string checkpointName(StringRef directory) {
  SmallString<128> path(directory);
  sys::fs::make_absolute(path);
  if (sys::fs::is_regular_file(path)) {
    if (sys::path::filename(path) != "config.json")
      return sys::path::stem(path).str();
    sys::path::remove_filename(path);
  }
  sys::path::remove_dots(path, /*remove_dot_dot=*/true);
  StringRef name = path;
  while (name.size() > 1 && sys::path::is_separator(name.back()))
    name = name.drop_back();
  return sys::path::filename(name).str();
}

static lm::ModelOp createModel(OpBuilder &builder, const ModelSpec &spec, const GraphOptions &graph,
                               DictionaryAttr metadata) {
  auto integer = [&](int64_t value) { return builder.getI64IntegerAttr(value); };
  auto model = lm::ModelOp::create(
      builder, builder.getUnknownLoc(), builder.getStringAttr(spec.family),
      builder.getStringAttr(spec.family), TypeAttr::get(graph.computeType), integer(spec.hidden),
      integer(spec.layers), integer(spec.heads), integer(spec.kvHeads), integer(spec.headDim),
      integer(spec.ffn), integer(spec.vocab), integer(graph.positions), integer(graph.batch),
      metadata);
  model.getBody().emplaceBlock();
  return model;
}

Expected<OwningOpRef<ModuleOp>> importCheckpoint(MLIRContext &context,
                                                 const ImportOptions &options) {
  context.loadDialect<lm::LmDialect>();
  Ledger ledger;
  Expected<HfConfig> config = loadHfConfig(options.checkpointDir, ledger);
  if (!config)
    return config.takeError();
  Expected<Checkpoint> checkpoint =
      options.configAlone ? Checkpoint() : Checkpoint::open(options.checkpointDir);
  if (!checkpoint)
    return checkpoint.takeError();

  ModelSpec &spec = config->spec;
  WeightMap weights;
  if (Error error = config->family->mapWeights(*checkpoint, ledger, spec, weights))
    return error;
  if (options.configAlone) {
    if (config->quantization)
      return fileError(options.checkpointDir,
                       "key 'quantization_config': which matrices are quantised is known from the "
                       "weights alone; download them, or remove the key");
    checkpoint = describeCheckpoint(*config, weights, options, ledger);
    if (!checkpoint)
      return checkpoint.takeError();
  }
  if (Error error = weights.resolve(*checkpoint, config->quantization, spec.tiedHead,
                                    options.forceTie, ledger))
    return error;
  if (Error error = ledger.close(options.allowExtra))
    return error;

  Expected<GraphOptions> graph =
      graphOptions(context, spec, weights, config->quantization, options, ledger);
  if (!graph)
    return graph.takeError();
  if (options.numTokenIds > spec.vocab)
    ledger.warn("the tokenizer has ids up to " + Twine(options.numTokenIds - 1) +
                ", the model's vocabulary ends at " + Twine(spec.vocab - 1) +
                ": texts that need larger ids cannot be processed");
  Expected<std::vector<int64_t>> eos = stopSet(*config, options, ledger);
  if (!eos)
    return eos.takeError();

  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
  builder.setInsertionPointToEnd(module->getBody());
  DictionaryAttr metadata =
      buildMetadata(builder, *config, options, checkpointName(options.checkpointDir),
                    elementName(graph->computeType), graph->positions, *eos,
                    beginId(*config, ledger), ledger);
  lm::ModelOp model = createModel(builder, spec, *graph, metadata);
  GraphBuilder(model, spec, weights, *graph).build();
  return module;
}

} // namespace stoop::importer
