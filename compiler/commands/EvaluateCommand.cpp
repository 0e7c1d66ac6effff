//===- EvaluateCommand.cpp - stoop evaluate: the model on the reference -----===//
//
// Runs a checkpoint's imported graph on the reference evaluator: a greedy
// completion, or the likelihood of given tokens, in the JSON of an emitted
// program's `run` and `perplexity`. Slow and exact; no code is generated.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/Command.h"
#include "compiler/commands/OutputCheck.h"

#include "codegen/reference/Decode.h"
#include "compiler/driver/Calibration.h"
#include "compiler/driver/Session.h"
#include "runtime/tokenizer/tokenizer.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <CLI/CLI.hpp>

using namespace mlir;

namespace stoop::driver {
namespace {

/// What evaluate takes beside the model's options.
struct EvaluateOptions {
  std::string prompt, promptFile, promptsFile, idsFile, logitsFile;
  std::optional<std::string> promptIds;
  int64_t predict = 128;
  std::optional<int64_t> window, last;
  bool ignoreEos = false;
};

/// One model on the evaluator, and its tokenizer if it has one.
struct LoadedModel {
  ImportedCheckpoint checkpoint;
  CalibratedFiles calibrated;
  lm::ModelOp model;
  std::unique_ptr<reference::Evaluator> evaluator;
  lm::EntryOp entry;
  std::optional<rt::tokenizer> tokenizer;
};

class EvaluateCommand : public Command {
public:
  void declare(CLI::App &app) override;
  int run(const CLI::App &app) override;

private:
  LogicalResult load(Session &session, LoadedModel &loaded);
  FailureOr<std::vector<int64_t>> encodePrompt(Session &session, LoadedModel &loaded);
  FailureOr<std::vector<std::vector<int32_t>>> readPrompts(Session &session, LoadedModel &loaded);
  LogicalResult generate(Session &session, LoadedModel &loaded);
  LogicalResult score(Session &session, LoadedModel &loaded);
  void printGeneration(LoadedModel &loaded, ArrayRef<int32_t> prompt,
                       const reference::Generation &result);

  OutputOptions output;
  ModelOptions modelOptions;
  QuantizationOptions quantization;
  EvaluateOptions options;
};

} // namespace

void EvaluateCommand::declare(CLI::App &app) {
  declareModelOptions(app, modelOptions, /*required=*/true);
  declareQuantizationOptions(app, quantization);
  declareCalibration(app, quantization);
  declareOutputOptions(app, output);
  CLI::Option *prompt = app.add_option("-p,--prompt", options.prompt, "text to complete");
  CLI::Option *file =
      app.add_option("-f,--file", options.promptFile, "read the text from a file; - is stdin");
  CLI::Option *promptIds =
      app.add_option("--prompt-ids", options.promptIds, "token ids to complete: 1,2,3");
  CLI::Option *prompts =
      app.add_option("--prompts", options.promptsFile,
                     "file with a JSON array of prompts, each an array of token ids: one result for each, with --json a line each");
  CLI::Option *ids = app.add_option("--ids", options.idsFile,
                                    "JSON array of token ids whose likelihood is wanted");
  file->excludes(prompt);
  promptIds->excludes(prompt)->excludes(file);
  prompts->excludes(prompt)->excludes(file)->excludes(promptIds);
  ids->excludes(prompt)->excludes(file)->excludes(promptIds)->excludes(prompts);
  app.add_option("-n,--predict", options.predict,
                 "tokens to generate; -1: until the context is full")
      ->check(CLI::Range(int64_t(-1), int64_t(1) << 30))
      ->excludes(ids)
      ->capture_default_str();
  app.add_flag("--ignore-eos", options.ignoreEos, "go on after end-of-text")->excludes(ids);
  app.add_option(
         "--logits", options.logitsFile,
         "write the logits of each generated or predicted token to a safetensors file: tensor "
         "logits, or logits.N of prompt N");
  app.add_option("--window", options.window,
                 "tokens of each independent window (default: the context)")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 30))
      ->needs(ids);
  app.add_option("--last", options.last, "score only the last K tokens of each window")
      ->check(CLI::Range(int64_t(1), int64_t(1) << 30))
      ->needs(ids);
}

//===----------------------------------------------------------------------===//
// Input
//===----------------------------------------------------------------------===//

LogicalResult EvaluateCommand::load(Session &session, LoadedModel &loaded) {
  DialectRegistry registry;
  reference::registerReferenceModels(registry);
  session.context().appendDialectRegistry(registry);
  FailureOr<ImportedCheckpoint> checkpoint = loadCheckpoint(session, modelOptions, /*maxBatch=*/1);
  if (failed(checkpoint))
    return failure();
  FailureOr<CalibratedFiles> calibrated =
      calibrate(session, *checkpoint, modelOptions, quantization);
  if (failed(calibrated) ||
      failed(session.advance(*checkpoint->module, Phase::Import, Phase::Import, /*runFrom=*/true)) ||
      failed(chooseSchemes(session, *checkpoint->module, quantization)))
    return failure();
  loaded.checkpoint = std::move(*checkpoint);
  loaded.calibrated = std::move(*calibrated);
  loaded.model = *loaded.checkpoint.module->getOps<lm::ModelOp>().begin();
  loaded.evaluator = std::make_unique<reference::Evaluator>(loaded.model);
  loaded.entry = loaded.evaluator->lookup("forward");
  const std::string &blob = loaded.checkpoint.tokenizer.bytes;
  if (blob.empty())
    return success();
  std::string message;
  if (!loaded.tokenizer.emplace().load(blob.data(), blob.size(), &message)) {
    session.error("the tokenizer cannot be loaded: " + message);
    return failure();
  }
  return success();
}

/// The whole content of a file; "-" is standard input.
static FailureOr<std::string> readFile(Session &session, const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFileOrSTDIN(path, /*IsText=*/false);
  if (!buffer) {
    session.error("cannot read '" + path + "': " + buffer.getError().message());
    return failure();
  }
  return (*buffer)->getBuffer().str();
}

/// Checks ids against the vocabulary; `where` names their origin.
static FailureOr<std::vector<int32_t>> checkIds(Session &session, ArrayRef<int64_t> ids,
                                                int64_t vocab, const std::string &where) {
  for (int64_t id : ids)
    if (id < 0 || id >= vocab) {
      session.error(where + ": token id " + llvm::Twine(id) + " is not an id of the model (0 to " +
                    llvm::Twine(vocab - 1) + ")");
      return failure();
    }
  return std::vector<int32_t>(ids.begin(), ids.end());
}

/// The ids of a comma list, optionally in brackets; "" and "[]" are none, as for a compiled program.
static FailureOr<std::vector<int64_t>> parseIds(Session &session, llvm::StringRef text) {
  llvm::StringRef list = text.trim();
  if (list.size() >= 2 && list.front() == '[' && list.back() == ']')
    list = list.drop_front().drop_back().trim();
  std::vector<int64_t> ids;
  llvm::SmallVector<llvm::StringRef> words;
  if (!list.empty())
    list.split(words, ',');
  for (llvm::StringRef word : words)
    if (word.trim().getAsInteger(10, ids.emplace_back())) {
      session.error("--prompt-ids expects a comma list of token ids, not '" + text + "'");
      return failure();
    }
  return ids;
}

/// Reads a JSON document.
static FailureOr<llvm::json::Value> readJson(Session &session, const std::string &path) {
  FailureOr<std::string> text = readFile(session, path);
  if (failed(text))
    return failure();
  llvm::Expected<llvm::json::Value> document = llvm::json::parse(*text);
  if (!document) {
    session.error("'" + path + "': " + llvm::toString(document.takeError()));
    return failure();
  }
  return std::move(*document);
}

/// The integers of an array; nothing if it is null or holds anything else.
static std::optional<std::vector<int64_t>> integersOf(const llvm::json::Array *array) {
  std::vector<int64_t> integers;
  for (size_t i = 0; array && i < array->size(); ++i) {
    std::optional<int64_t> integer = (*array)[i].getAsInteger();
    if (!integer)
      return std::nullopt;
    integers.push_back(*integer);
  }
  return array ? std::make_optional(integers) : std::nullopt;
}

/// Reads a JSON array of ids, or an object with one under "ids".
static FailureOr<std::vector<int64_t>> readIdsFile(Session &session, const std::string &path) {
  FailureOr<llvm::json::Value> document = readJson(session, path);
  if (failed(document))
    return failure();
  const llvm::json::Object *object = document->getAsObject();
  if (auto ids = integersOf(object ? object->getArray("ids") : document->getAsArray()))
    return *ids;
  session.error("'" + path + "': expected a JSON array of token ids");
  return failure();
}

/// Reads a JSON array of prompts, each an array of ids; at least one prompt.
static FailureOr<std::vector<std::vector<int64_t>>> readPromptsFile(Session &session,
                                                                    const std::string &path) {
  FailureOr<llvm::json::Value> document = readJson(session, path);
  if (failed(document))
    return failure();
  std::vector<std::vector<int64_t>> prompts;
  const llvm::json::Array *array = document->getAsArray();
  for (size_t i = 0; array && i < array->size(); ++i) {
    std::optional<std::vector<int64_t>> prompt = integersOf((*array)[i].getAsArray());
    if (!prompt)
      array = nullptr;
    else
      prompts.push_back(std::move(*prompt));
  }
  if (array && !prompts.empty())
    return prompts;
  session.error("'" + path + "': expected a JSON array of prompts, each an array of token ids");
  return failure();
}

/// The ids of the one prompt of --prompt-ids, --prompt or --file; empty text gives none.
FailureOr<std::vector<int64_t>> EvaluateCommand::encodePrompt(Session &session,
                                                              LoadedModel &loaded) {
  if (options.promptIds)
    return parseIds(session, *options.promptIds);
  if (!loaded.tokenizer) {
    session.error("without a tokenizer the prompt must be token ids (--prompt-ids 1,2,3)");
    return failure();
  }
  std::string text = options.prompt;
  if (!options.promptFile.empty()) {
    FailureOr<std::string> content = readFile(session, options.promptFile);
    if (failed(content))
      return failure();
    text = *content;
  }
  std::vector<uint32_t> encoded;
  std::string message;
  if (!loaded.tokenizer->encode(text, {/*add_special_tokens=*/false}, encoded, &message)) {
    session.error("the prompt cannot be encoded: " + message);
    return failure();
  }
  return std::vector<int64_t>(encoded.begin(), encoded.end());
}

/// All prompts, checked before the first is evaluated.
FailureOr<std::vector<std::vector<int32_t>>> EvaluateCommand::readPrompts(Session &session,
                                                                          LoadedModel &loaded) {
  std::vector<std::vector<int64_t>> wide(1);
  bool many = !options.promptsFile.empty();
  if (many) {
    FailureOr<std::vector<std::vector<int64_t>>> read =
        readPromptsFile(session, options.promptsFile);
    if (failed(read))
      return failure();
    wide = std::move(*read);
  } else {
    FailureOr<std::vector<int64_t>> encoded = encodePrompt(session, loaded);
    if (failed(encoded))
      return failure();
    wide[0] = std::move(*encoded);
  }
  int64_t vocab = loaded.model.getVocab(), context = loaded.model.getMaxPositions();
  auto bos = dyn_cast_or_null<IntegerAttr>(loaded.model.getMetadata().get("bos"));
  std::vector<std::vector<int32_t>> prompts;
  for (std::vector<int64_t> &ids : wide) {
    std::string where = many ? "prompt " + std::to_string(prompts.size()) : "prompt";
    if (ids.empty() && bos && bos.getInt() >= 0)
      ids.push_back(bos.getInt());
    if (ids.empty()) {
      session.error((many ? where : "the prompt") +
                    " is empty and the model has no begin-of-text token");
      return failure();
    }
    if (static_cast<int64_t>(ids.size()) > context) {
      session.error((many ? where : "the prompt") + " has " + llvm::Twine(ids.size()) +
                    " tokens, but the context is " + llvm::Twine(context) + " (--max-seq-len)");
      return failure();
    }
    FailureOr<std::vector<int32_t>> checked = checkIds(session, ids, vocab, where);
    if (failed(checked))
      return failure();
    prompts.push_back(std::move(*checked));
  }
  return prompts;
}

//===----------------------------------------------------------------------===//
// Output
//===----------------------------------------------------------------------===//

/// A float32 tensor [values.size() / vocab, vocab] and its name.
struct NamedLogits {
  std::string name;
  std::vector<float> values;
};

/// Writes tensors to a safetensors file; nothing is left behind on failure.
static llvm::Error writeLogits(const std::string &path, ArrayRef<NamedLogits> tensors,
                               int64_t vocab) {
  return llvm::writeToOutput(path, [&](llvm::raw_ostream &out) {
    llvm::json::Object table;
    uint64_t begin = 0;
    for (const NamedLogits &tensor : tensors) {
      uint64_t end = begin + tensor.values.size() * sizeof(float);
      table[tensor.name] = llvm::json::Object{
          {"dtype", "F32"},
          {"shape", llvm::json::Array{int64_t(tensor.values.size()) / vocab, vocab}},
          {"data_offsets", llvm::json::Array{begin, end}}};
      begin = end;
    }
    std::string header;
    llvm::raw_string_ostream(header) << llvm::json::Value(std::move(table));
    header.resize(llvm::alignTo(header.size(), 8), ' ');
    char length[8];
    llvm::support::endian::write64le(length, header.size());
    out.write(length, sizeof length);
    out << header;
    for (const NamedLogits &tensor : tensors)
      for (float value : tensor.values) {
        char word[4];
        llvm::support::endian::write32le(word, llvm::bit_cast<uint32_t>(value));
        out.write(word, sizeof word);
      }
    return llvm::Error::success();
  });
}

void EvaluateCommand::printGeneration(LoadedModel &loaded, ArrayRef<int32_t> prompt,
                                      const reference::Generation &result) {
  std::vector<uint32_t> shown(result.ids.begin(), result.ids.end());
  if (result.stopped)
    shown.pop_back(); // the stop token is an id, not text
  std::string text =
      loaded.tokenizer ? loaded.tokenizer->decode(shown, /*skip_special=*/false) : "";
  if (output.json) {
    llvm::outs() << llvm::json::Value(
                        llvm::json::Object{{"prompt_ids", llvm::json::Array(prompt)},
                                           {"ids", llvm::json::Array(result.ids)},
                                           {"text", llvm::json::fixUTF8(text)},
                                           {"finish_reason", result.stopped ? "stop" : "length"},
                                           {"stop_reason", nullptr}})
                 << "\n";
    return;
  }
  if (loaded.tokenizer)
    llvm::outs() << text;
  else
    llvm::interleave(result.ids, llvm::outs(), ",");
  llvm::outs() << "\n";
}

//===----------------------------------------------------------------------===//
// Work
//===----------------------------------------------------------------------===//

/// Generation as the options and the model's metadata ask for it.
static reference::GenerationSettings settingsOf(const EvaluateOptions &options, lm::ModelOp model) {
  DictionaryAttr metadata = model.getMetadata();
  reference::GenerationSettings settings;
  settings.maxTokens = options.predict < 0 ? model.getMaxPositions() : options.predict;
  auto numIds = dyn_cast_or_null<IntegerAttr>(metadata.get("num_token_ids"));
  settings.numTokenIds = numIds ? numIds.getInt() : model.getVocab();
  auto eos = dyn_cast_or_null<ArrayAttr>(metadata.get("eos"));
  if (eos && !options.ignoreEos)
    for (Attribute id : eos)
      settings.stopIds.push_back(static_cast<int32_t>(cast<IntegerAttr>(id).getInt()));
  return settings;
}

LogicalResult EvaluateCommand::generate(Session &session, LoadedModel &loaded) {
  FailureOr<std::vector<std::vector<int32_t>>> prompts = readPrompts(session, loaded);
  if (failed(prompts))
    return failure();
  reference::GenerationSettings settings = settingsOf(options, loaded.model);
  size_t total = 0, before = 0;
  for (const std::vector<int32_t> &prompt : *prompts)
    total += prompt.size() + settings.maxTokens;
  ProgressStep progress(session.progressStyle(), "evaluating", total);
  settings.onFed = [&](int64_t tokens) { progress.advance(before + tokens); };
  std::vector<reference::Generation> results;
  std::vector<NamedLogits> logits;
  for (const std::vector<int32_t> &prompt : *prompts) {
    reference::Sequence sequence(*loaded.evaluator, loaded.entry);
    FailureOr<reference::Generation> result = reference::generate(sequence, prompt, settings);
    if (failed(result))
      return failure();
    before += prompt.size() + settings.maxTokens;
    if (!options.logitsFile.empty())
      logits.push_back({options.promptsFile.empty() ? std::string("logits")
                                                    : "logits." + std::to_string(logits.size()),
                        std::move(result->logits)});
    results.push_back(std::move(*result));
  }
  if (!options.logitsFile.empty())
    if (llvm::Error error = writeLogits(options.logitsFile, logits, loaded.model.getVocab())) {
      session.error("cannot write '" + options.logitsFile +
                    "': " + llvm::toString(std::move(error)));
      return failure();
    }
  for (auto [prompt, result] : llvm::zip(*prompts, results))
    printGeneration(loaded, prompt, result);
  return success();
}

LogicalResult EvaluateCommand::score(Session &session, LoadedModel &loaded) {
  FailureOr<std::vector<int64_t>> wide = readIdsFile(session, options.idsFile);
  if (failed(wide))
    return failure();
  FailureOr<std::vector<int32_t>> ids =
      checkIds(session, *wide, loaded.model.getVocab(), options.idsFile);
  if (failed(ids))
    return failure();
  int64_t context = loaded.model.getMaxPositions(), window = options.window.value_or(context);
  if (ids->size() < 2) {
    session.error("'" + options.idsFile + "' has " + llvm::Twine(ids->size()) +
                  " token ids, but at least 2 are needed to predict one");
    return failure();
  }
  if (window > context) {
    session.error("--window is " + llvm::Twine(window) + ", but the context is " +
                  llvm::Twine(context) + " (--max-seq-len)");
    return failure();
  }
  ProgressStep progress(session.progressStyle(), "scoring", ids->size() - 1);
  NamedLogits logits{"logits", {}};
  auto keep = [&](ArrayRef<float> row) {
    if (!options.logitsFile.empty())
      logits.values.insert(logits.values.end(), row.begin(), row.end());
  };
  FailureOr<reference::Score> result =
      reference::score(*loaded.evaluator, loaded.entry, *ids, window, options.last.value_or(0),
                       [&](size_t done) { progress.advance(done); }, keep);
  if (failed(result))
    return failure();
  if (!options.logitsFile.empty())
    if (llvm::Error failed = writeLogits(options.logitsFile, logits, loaded.model.getVocab())) {
      session.error(std::move(failed));
      return failure();
    }
  double mean = result->nats / static_cast<double>(result->tokens);
  if (!std::isfinite(mean)) {
    session.error("the likelihood is not a number: some of the model's logits are not");
    return failure();
  }
  if (output.json)
    llvm::outs() << llvm::json::Value(llvm::json::Object{{"tokens", int64_t(result->tokens)},
                                                         {"mean_nats", mean},
                                                         {"perplexity", std::exp(mean)}})
                 << "\n";
  else
    llvm::outs() << llvm::format("%zu tokens, mean %.6f nats, perplexity %.4f\n", result->tokens,
                                 mean, std::exp(mean));
  return success();
}

int EvaluateCommand::run(const CLI::App &app) {
  bool hasPrompt = app.count("--prompt") || app.count("--file") || app.count("--prompt-ids") ||
                   app.count("--prompts");
  bool scores = app.count("--ids");
  Session session(output);
  if (!hasPrompt && !scores) {
    session.error(
        "evaluate: one of --prompt, --file, --prompt-ids, --prompts and --ids is required");
    return ExitUsage;
  }
  if (modelOptions.fitContext) {
    session.error("--max-seq-len fit is for compiling: evaluate has no --memory-budget");
    return ExitUsage;
  }
  std::vector<std::string> inputs = filesOf(modelOptions.checkpoint);
  llvm::append_range(inputs, llvm::ArrayRef<std::string>{options.promptFile, options.promptsFile,
                                                         options.idsFile, quantization.calibration});
  if (int code = refuseInputAsOutput(session, "--logits", options.logitsFile, inputs))
    return code;
  LoadedModel loaded;
  if (failed(load(session, loaded)))
    return ExitBadInput;
  return succeeded(scores ? score(session, loaded) : generate(session, loaded)) ? ExitOk
                                                                                : ExitBadInput;
}

std::unique_ptr<Command> createEvaluateCommand() { return std::make_unique<EvaluateCommand>(); }

} // namespace stoop::driver
