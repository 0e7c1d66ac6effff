//===- WeightMap.cpp - From checkpoint tensors to lm weights ----------------===//
//
// See WeightMap.h. No weight data is read here, but for the comparison of a stored head with the
// embedding it is said to be tied to.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/WeightMap.h"

#include "compiler/import/Json.h"

using namespace llvm;

namespace stoop::importer {

std::string symbols::layer(int64_t index, StringRef name) {
  return ("layers." + Twine(index) + "." + name).str();
}

std::string symbols::bias(StringRef symbol) { return (symbol + ".bias").str(); }

void WeightMap::add(Weight weight) {
  indexOf[weight.symbol] = all.size();
  all.push_back(std::move(weight));
}

void WeightMap::addMatrix(std::string symbol, std::vector<std::pair<std::string, int64_t>> parts,
                          int64_t cols, bool fusedQkv) {
  Weight weight;
  weight.symbol = std::move(symbol);
  weight.cols = cols;
  weight.fusedQkv = fusedQkv;
  for (auto &[key, rows] : parts) {
    weight.parts.push_back({key, rows, {}});
    weight.rows += rows;
  }
  add(std::move(weight));
}

void WeightMap::addVector(std::string symbol, std::vector<std::pair<std::string, int64_t>> parts,
                          bool fusedQkv) {
  Weight weight;
  weight.symbol = std::move(symbol);
  weight.rows = 1;
  weight.isVector = true;
  weight.fusedQkv = fusedQkv;
  for (auto &[key, size] : parts) {
    weight.parts.push_back({key, size, {}});
    weight.cols += size;
  }
  add(std::move(weight));
}

void WeightMap::addEmbedding(std::string embedding, std::string head, int64_t rows, int64_t cols) {
  embeddingKey = std::move(embedding);
  headKey = std::move(head);
  vocab = rows;
  hidden = cols;
}

const Weight *WeightMap::find(StringRef symbol) const {
  auto found = indexOf.find(symbol);
  return found == indexOf.end() ? nullptr : &all[found->second];
}

StringRef WeightMap::headSymbol() const {
  return contains(symbols::head) ? symbols::head : symbols::embed;
}

/// Byte comparison in pieces, so that two heads of gigabytes do not stay in memory.
static bool sameContent(const TensorRef &a, const TensorRef &b) {
  if (a.info->dtype != b.info->dtype || a.info->shape != b.info->shape)
    return false;
  if (!a.file->hasBytes() || !b.file->hasBytes())
    return false; // a config that describes two heads means two
  constexpr size_t pieceBytes = 32u << 20;
  StringRef left = a.bytes(), right = b.bytes();
  for (size_t at = 0; at < left.size(); at += pieceBytes) {
    bool same = left.substr(at, pieceBytes) == right.substr(at, pieceBytes);
    a.file->releasePages();
    b.file->releasePages();
    if (!same)
      return false;
  }
  return true;
}

void WeightMap::settleHead(const Checkpoint &checkpoint, bool tied, bool forceTie, Ledger &ledger,
                           std::vector<std::string> &missing) {
  TensorRef embedding = checkpoint.find(embeddingKey), head = checkpoint.find(headKey);
  bool shared = tied && (!embedding || !head);
  if (embedding && head && sameContent(embedding, head)) {
    shared = true;
    ledger.ignored("tensors", headKey, "equal to " + embeddingKey + ", stored once");
  } else if (embedding && head && tied) {
    shared = forceTie;
    if (forceTie)
      ledger.ignored("tensors", headKey, "--force-tie: the embedding is the head");
    else
      ledger.warn(checkpoint.path() + ": '" + headKey + "' differs from '" + embeddingKey +
                  "' although tie_word_embeddings is true: the stored head is used (--force-tie "
                  "takes the embedding)");
  }
  if (shared && !embedding && !head) {
    missing.push_back("'" + embeddingKey + "'");
    return;
  }
  std::string first = shared && !embedding ? headKey : embeddingKey;
  addMatrix(symbols::embed.str(), {{first, vocab}}, hidden);
  if (!shared)
    addMatrix(symbols::head.str(), {{headKey, vocab}}, hidden);
}

std::vector<TensorInfo> WeightMap::expectedTensors(StringRef dtype, bool tied) const {
  std::vector<TensorInfo> tensors;
  auto add = [&](const std::string &key, SmallVector<uint64_t, 2> shape) {
    uint64_t count = 1;
    for (uint64_t extent : shape)
      count *= extent;
    tensors.push_back({key, dtype.str(), std::move(shape), 0, count * bitsOfDtype(dtype) / 8});
  };
  for (const Weight &weight : all)
    for (const WeightPart &part : weight.parts) {
      SmallVector<uint64_t, 2> shape{uint64_t(part.rows)};
      if (!weight.isVector)
        shape.push_back(uint64_t(weight.cols));
      add(part.key, std::move(shape));
    }
  add(embeddingKey, {uint64_t(vocab), uint64_t(hidden)});
  if (!tied)
    add(headKey, {uint64_t(vocab), uint64_t(hidden)});
  return tensors;
}

/// Buffers that old checkpoints store and that are computed instead.
static bool isComputedBuffer(StringRef name) {
  return name.ends_with(".inv_freq") || name.ends_with(".attention.bias") ||
         name.ends_with(".masked_bias");
}

static void checkPart(const Weight &weight, WeightPart &part, Ledger &ledger,
                      std::vector<std::string> &problems) {
  const TensorInfo &info = *part.tensor.info;
  ledger.used("tensors", part.key);
  SmallVector<uint64_t, 2> expected;
  expected.push_back(part.rows);
  if (!weight.isVector)
    expected.push_back(weight.cols);
  if (info.shape != expected)
    problems.push_back("tensor '" + part.key + "' has shape " + shapeText(info.shape) +
                       ", the config asks for " + shapeText(expected));
  if (info.dtype != "F32" && info.dtype != "F16" && info.dtype != "BF16")
    problems.push_back("tensor '" + part.key + "' has dtype " + info.dtype +
                       "; F32, F16 and BF16 are supported");
}

/// All parts of a weight are integers or none is: they are packed together.
static void checkUniform(const Weight &weight, std::vector<std::string> &problems) {
  for (const WeightPart &part : weight.parts)
    if (static_cast<bool>(part.stored) != weight.isStored()) {
      problems.push_back("'" + part.key + "' and '" + weight.parts.front().key +
                         "' become one matrix, but only one of them is quantised");
      return;
    }
}

Error WeightMap::resolve(const Checkpoint &checkpoint,
                         const std::optional<StoredQuantization> &quantization, bool tied,
                         bool forceTie, Ledger &ledger) {
  ledger.open("tensors", checkpoint.path());
  for (const std::string &name : checkpoint.names()) {
    ledger.found("tensors", name);
    if (isComputedBuffer(name))
      ledger.ignored("tensors", name, "a buffer that is computed instead");
  }

  std::vector<std::string> missing, problems;
  settleHead(checkpoint, tied, forceTie, ledger, missing);
  for (Weight &weight : all) {
    for (WeightPart &part : weight.parts) {
      part.tensor = checkpoint.find(part.key);
      size_t before = problems.size();
      if (!part.tensor && quantization && !weight.isVector)
        part.stored = findStoredMatrix(checkpoint, *quantization, part.key, part.rows, weight.cols,
                                       ledger, problems);
      if (part.tensor)
        checkPart(weight, part, ledger, problems);
      else if (!part.stored && problems.size() == before)
        missing.push_back("'" + part.key + "'");
    }
    checkUniform(weight, problems);
  }
  bool anyStored = any_of(all, [](const Weight &weight) { return weight.isStored(); });
  if (quantization && !anyStored && problems.empty() && missing.empty())
    problems.push_back("quantization_config says " + quantization->form +
                       ", but no matrix has codes (….qweight)");
  if (!missing.empty())
    problems.insert(problems.begin(), std::to_string(missing.size()) +
                                          (missing.size() == 1 ? " tensor is" : " tensors are") +
                                          " missing: " + listNames(missing));
  if (problems.empty())
    return Error::success();
  size_t shown = std::min<size_t>(problems.size(), 20);
  std::string text = problems.front();
  for (size_t i = 1; i < shown; ++i)
    text += "\n  " + problems[i];
  if (problems.size() > shown)
    text += "\n  and " + std::to_string(problems.size() - shown) + " more";
  return fileError(checkpoint.path(), text);
}

} // namespace stoop::importer
