//===- Metadata.cpp - The dictionary that follows a model -------------------===//
//
// Numbers are i64 and f64 attributes, lists array attributes, so that the dictionary becomes JSON
// without a schema.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Metadata.h"

#include "compiler/import/Importer.h"
#include "llvm/ADT/STLExtras.h"
#include <set>

using namespace llvm;
using namespace mlir;

namespace stoop::importer {

//===----------------------------------------------------------------------===//
// Stop set
//===----------------------------------------------------------------------===//

static std::string idsText(const std::vector<int64_t> &ids) {
  std::string text;
  for (int64_t id : ids)
    text += (text.empty() ? "" : ", ") + std::to_string(id);
  return text;
}

namespace {
struct EosSource {
  std::string name;
  std::vector<int64_t> ids;
};
} // namespace

/// Says so when two sources name different end-of-text ids.
static void warnDisagreement(const std::vector<EosSource> &sources, Ledger &ledger) {
  std::set<std::set<int64_t>> distinct;
  std::string text;
  for (const EosSource &source : sources) {
    distinct.emplace(source.ids.begin(), source.ids.end());
    text += (text.empty() ? "" : ", ") + source.name + " " + idsText(source.ids);
  }
  if (distinct.size() > 1)
    ledger.warn("end-of-text ids disagree (" + text +
                "): each of them stops generation; --eos-id sets others");
}

Expected<std::vector<int64_t>> stopSet(const HfConfig &config, const ImportOptions &options,
                                       Ledger &ledger) {
  int64_t vocab = config.spec.vocab;
  if (options.eosIds) {
    for (int64_t id : *options.eosIds)
      if (id < 0 || id >= vocab)
        return createStringError(std::errc::invalid_argument,
                                 "--eos-id %lld is not an id of the model (0 to %lld)",
                                 (long long)id, (long long)(vocab - 1));
    return *options.eosIds;
  }
  std::vector<EosSource> sources;
  if (!config.generation.eos.empty())
    sources.push_back({"generation_config.json", config.generation.eos});
  if (!config.spec.eos.empty())
    sources.push_back({"config.json", config.spec.eos});
  if (options.tokenizerEos)
    sources.push_back({"tokenizer", {*options.tokenizerEos}});
  warnDisagreement(sources, ledger);

  std::vector<int64_t> ids;
  for (const EosSource &source : sources)
    for (int64_t id : source.ids) {
      if (id >= vocab)
        ledger.warn(source.name + ": end-of-text id " + Twine(id) +
                    " is not an id of the model (0 to " + Twine(vocab - 1) + "); dropped");
      else if (!is_contained(ids, id))
        ids.push_back(id);
    }
  if (ids.empty())
    ledger.warn(
        "no end-of-text id is known: generation stops at its length only (--eos-id sets one)");
  return ids;
}

int64_t beginId(const HfConfig &config, Ledger &ledger) {
  std::optional<int64_t> id = config.generation.bos ? config.generation.bos : config.spec.bos;
  if (!id || *id < config.spec.vocab)
    return id.value_or(-1);
  ledger.warn((config.generation.bos ? "generation_config.json" : "config.json") +
              Twine(": begin-of-text id ") + Twine(*id) + " is not an id of the model (0 to " +
              Twine(config.spec.vocab - 1) + "); dropped");
  return -1;
}

//===----------------------------------------------------------------------===//
// Dictionary
//===----------------------------------------------------------------------===//

/// [{key = "…", <noteName> = "…"}]: the entries of one fate; used ones are plain names.
static ArrayAttr fateList(Builder &builder, const Ledger::Section &section, Ledger::Fate fate) {
  SmallVector<Attribute> list;
  for (const auto &[key, entry] : section.entries) {
    if (entry.fate != fate)
      continue;
    if (fate == Ledger::Fate::Used) {
      list.push_back(builder.getStringAttr(key));
      continue;
    }
    StringRef noteName = fate == Ledger::Fate::Defaulted ? "value" : "reason";
    list.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr("key", builder.getStringAttr(key)),
         builder.getNamedAttr(noteName, builder.getStringAttr(entry.note))}));
  }
  return builder.getArrayAttr(list);
}

static DictionaryAttr ledgerAttr(Builder &builder, const Ledger &ledger) {
  SmallVector<NamedAttribute> sections;
  for (const auto &[name, section] : ledger.sections()) {
    SmallVector<NamedAttribute> fates;
    for (Ledger::Fate fate : {Ledger::Fate::Used, Ledger::Fate::Defaulted, Ledger::Fate::Ignored})
      fates.push_back(builder.getNamedAttr(fateName(fate), fateList(builder, section, fate)));
    sections.push_back(builder.getNamedAttr(name, builder.getDictionaryAttr(fates)));
  }
  return builder.getDictionaryAttr(sections);
}

DictionaryAttr buildMetadata(Builder &builder, const HfConfig &config, const ImportOptions &options,
                             StringRef name, StringRef dtype, int64_t positions,
                             ArrayRef<int64_t> eos, int64_t bos, const Ledger &ledger) {
  SmallVector<NamedAttribute> entries;
  auto add = [&](StringRef key, Attribute value) {
    entries.push_back(builder.getNamedAttr(key, value));
  };
  auto integer = [&](int64_t value) -> Attribute { return builder.getI64IntegerAttr(value); };
  auto number = [&](double value) -> Attribute { return builder.getF64FloatAttr(value); };
  auto list = [&](const auto &values, auto &&convert) {
    return builder.getArrayAttr(to_vector(map_range(values, convert)));
  };
  const ModelSpec &spec = config.spec;
  const GenerationConfig &generation = config.generation;
  int64_t tokenIds =
      options.numTokenIds > 0 ? std::min(options.numTokenIds, spec.vocab) : spec.vocab;

  add("name", builder.getStringAttr(name));
  add("vocab", integer(spec.vocab));
  add("max_positions", integer(positions));
  add("max_batch", integer(options.maxBatch));
  add("num_token_ids", integer(tokenIds));
  add("eos", list(eos, integer));
  add("bos", integer(bos));
  add("temperature", number(generation.temperature));
  add("top_k", integer(generation.topK));
  add("top_p", number(generation.topP));
  add("min_p", number(generation.minP));
  add("repetition_penalty", number(generation.repetitionPenalty));
  add("dtype", builder.getStringAttr(dtype));
  add("alibi", builder.getStringAttr(spec.alibi ? options.alibi : "none"));
  add("config_sha256", builder.getStringAttr(config.sha256));
  add("ledger", ledgerAttr(builder, ledger));
  add("warnings", list(ledger.warnings(), [&](const std::string &text) -> Attribute {
        return builder.getStringAttr(text);
      }));
  return builder.getDictionaryAttr(entries);
}

} // namespace stoop::importer
