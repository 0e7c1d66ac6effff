//===- Frontend.cpp - a checkpoint as module and tokenizer ----------------===//
//
// Errors of both readers become messages here; warnings are shown once and
// travel on in the metadata.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Frontend.h"

#include "compiler/import/Checkpoint.h"
#include "compiler/import/Family.h"
#include "compiler/import/Importer.h"
#include "ir/lm/LmOps.h"
#include "runtime/tokenizer/formats/hf_json.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace stoop::driver {

FailureOr<TokenizerBlob> loadTokenizer(Session &session, const std::string &directory) {
  if (!rt::has_tokenizer(directory)) {
    session.error("'" + directory +
                  "' has no tokenizer (tokenizer.json, or vocab.json and merges.txt); with "
                  "--no-tokenizer the program takes and gives token ids only");
    return failure();
  }
  rt::tokenizer_import tokenizer;
  std::string message;
  if (!rt::import_tokenizer(directory, &tokenizer, &message)) {
    session.error(message);
    return failure();
  }
  for (const std::string &warning : tokenizer.warnings)
    session.warning(warning);
  for (const std::string &note : tokenizer.notes)
    session.say(note);
  TokenizerBlob blob;
  blob.bytes.assign(tokenizer.blob.begin(), tokenizer.blob.end());
  blob.numIds = tokenizer.num_ids;
  if (tokenizer.eos_id)
    blob.eosId = *tokenizer.eos_id;
  return blob;
}

/// Adds `has_tokenizer`, shows the importer's warnings and adds the tokenizer's to them.
static void completeMetadata(Session &session, ModuleOp module, bool hasTokenizer) {
  for (auto model : module.getOps<lm::ModelOp>()) {
    Builder builder(model.getContext());
    NamedAttrList metadata(model.getMetadata());
    if (auto imported = dyn_cast_or_null<ArrayAttr>(metadata.get("warnings")))
      for (Attribute warning : imported)
        session.warning(cast<StringAttr>(warning).getValue());
    std::vector<llvm::StringRef> all(session.warnings().begin(), session.warnings().end());
    metadata.set("warnings", builder.getStrArrayAttr(all));
    metadata.set("has_tokenizer", builder.getBoolAttr(hasTokenizer));
    model.setMetadataAttr(metadata.getDictionary(model.getContext()));
  }
}

static_assert(importer::limits::positions.most == kMostPositions);

/// Whether config.json is all that there is, and enough for the command.
static bool isConfigAlone(const ModelOptions &options) {
  return options.configAlone && (llvm::sys::fs::is_regular_file(options.checkpoint) ||
                                 !importer::Checkpoint::hasWeights(options.checkpoint));
}

static importer::ImportOptions importOptions(const ModelOptions &options, int64_t maxBatch) {
  importer::ImportOptions import;
  import.checkpointDir = options.checkpoint;
  import.dtype = options.dtype;
  import.maxSeqLen = options.maxSeqLen.value_or(0);
  import.maxBatch = maxBatch;
  import.alibi = options.alibi;
  import.allowExtra = options.allowExtra;
  import.forceTie = options.forceTie;
  import.configAlone = isConfigAlone(options);
  if (!options.eosIds.empty())
    import.eosIds = options.eosIds;
  return import;
}

FailureOr<OwningOpRef<ModuleOp>> loadModel(Session &session, const ModelOptions &options,
                                           int64_t maxBatch) {
  llvm::Expected<OwningOpRef<ModuleOp>> module =
      importer::importCheckpoint(session.context(), importOptions(options, maxBatch));
  if (module)
    return std::move(*module);
  session.error(module.takeError());
  return failure();
}

FailureOr<ImportedCheckpoint> loadCheckpoint(Session &session, const ModelOptions &options,
                                             int64_t maxBatch) {
  bool exists = llvm::sys::fs::exists(options.checkpoint);
  if (!exists || !(options.configAlone || llvm::sys::fs::is_directory(options.checkpoint))) {
    session.error("checkpoint '" + options.checkpoint +
                  (exists ? "' is not a directory" : "' does not exist"));
    return failure();
  }
  ImportedCheckpoint result;
  importer::ImportOptions import = importOptions(options, maxBatch);
  llvm::SmallString<128> config(options.checkpoint);
  llvm::sys::path::append(config, "config.json");
  if (llvm::sys::fs::is_directory(options.checkpoint) && !llvm::sys::fs::exists(config)) {
    session.error("'" + options.checkpoint + "' is no checkpoint: it has no config.json");
    return failure();
  }
  if (!import.configAlone)
    if (!importer::Checkpoint::hasWeights(options.checkpoint)) {
      auto weights = importer::Checkpoint::open(options.checkpoint);
      session.error(llvm::toString(weights.takeError()) +
                    " ('stoop plan' needs config.json alone)");
      return failure();
    }
  if (!options.noTokenizer &&
      !(import.configAlone && !rt::has_tokenizer(options.checkpoint))) {
    FailureOr<TokenizerBlob> tokenizer = loadTokenizer(session, options.checkpoint);
    if (failed(tokenizer))
      return failure();
    result.tokenizer = std::move(*tokenizer);
    import.numTokenIds = result.tokenizer.numIds;
    import.tokenizerEos = result.tokenizer.eosId;
  }
  llvm::Expected<OwningOpRef<ModuleOp>> module =
      importer::importCheckpoint(session.context(), import);
  if (!module) {
    session.error(module.takeError());
    return failure();
  }
  result.module = std::move(*module);
  completeMetadata(session, *result.module, !result.tokenizer.bytes.empty());
  return result;
}

} // namespace stoop::driver
