//===- Quantization.cpp - checkpoints that store integers -----------------===//
//
// Small tensors are looked at here (the column order, zeros of a symmetric checkpoint); codes are
// not.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Quantization.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using nlohmann::json;

namespace stoop::importer {

static constexpr int64_t kLeastGroup = 32, kMostGroup = 1024, kCodesPerWord = 8;

std::string StoredQuantization::scheme() const {
  // Larger groups become several with the same scale.
  int64_t stored = group == 0 ? kMostGroup : std::min(group, kMostGroup);
  return "int4-g" + std::to_string(stored);
}

/// Keys that say how a checkpoint was made and not how it is stored.
static constexpr StringLiteral kHistory[] = {
    "damp_percent",    "true_sequential", "static_groups", "model_name_or_path", "tokenizer",
    "dataset",         "model_file_base_name", "model_seqlen", "block_name_to_quantize",
    "module_name_preceding_first_block", "batch_size", "pad_token_id", "use_cuda_fp16",
    "use_exllama",     "exllama_config",  "max_input_length", "cache_block_outputs", "backend",
    "quantizer",       "meta",            "fuse_max_seq_len", "modules_to_fuse", "do_fuse",
    "modules_in_block_to_quantize", "lm_head", "pack_dtype"};

/// The form of gptq or awq; a problem for everything else.
static std::string readForm(ConfigReader &reader) {
  std::string method = reader.hasValue("quant_method") ? reader.string("quant_method", "") : "";
  if (method != "gptq" && method != "awq") {
    reader.failKey("quant_method", "'" + (method.empty() ? "none" : method) +
                                       "' is not supported; gptq and awq are, and F32, F16 and "
                                       "BF16 weights");
    return "";
  }
  bool gptq = method == "gptq";
  StringRef key = gptq ? "checkpoint_format" : "version";
  std::string format = StringRef(reader.string(key, gptq ? "gptq" : "gemm")).lower();
  if (gptq ? format != "gptq" && format != "gptq_v2" : format != "gemm")
    reader.failKey(key, "'" + format + "' is not supported; " +
                            (gptq ? "gptq and gptq_v2 are" : "gemm is"));
  return gptq ? format : method;
}

Expected<std::optional<StoredQuantization>> readQuantization(ConfigReader &config) {
  const json &object = config.peek("quantization_config");
  if (object.is_null())
    return std::nullopt;
  config.use("quantization_config");
  if (!object.is_object())
    return fileError(config.file(), "key 'quantization_config': expects an object, found " +
                                        brief(object));
  ConfigReader reader(object, config.file(), config.section(), config.ledger(),
                      "quantization_config.");
  StoredQuantization result;
  result.form = readForm(reader);
  int64_t bits = reader.integer("bits", 4, {1, 32});
  if (bits != 4)
    reader.failKey("bits", Twine(bits) + " is not supported; 4 is");
  int64_t group = reader.integer("group_size", 128, {-1, INT32_MAX});
  bool fits = group == -1 || (group >= kLeastGroup && isPowerOf2_64(group));
  if (!fits)
    reader.failKey("group_size", Twine(group) + " is not supported; -1 and powers of two from " +
                                     Twine(kLeastGroup) + " on are");
  result.group = group == -1 ? 0 : group;
  result.symmetric = reader.boolean("sym", false) && result.form != "awq";
  reader.boolean("desc_act", false); // what counts is the stored order of columns
  if (reader.hasValue("modules_to_not_convert"))
    reader.use("modules_to_not_convert"); // tensors say which
  if (reader.has("zero_point") && !reader.boolean("zero_point", true))
    reader.failKey("zero_point", "false is not supported");
  for (StringRef key : kHistory)
    if (reader.has(key))
      reader.ignore(key, "says how the checkpoint was made");
  if (Error error = reader.takeError())
    return error;
  return result;
}

/// A tensor of the matrix with its expected shape and type; entered as used.
static TensorRef findPart(const Checkpoint &checkpoint, const std::string &name, StringRef dtype,
                          ArrayRef<uint64_t> shape, Ledger &ledger,
                          std::vector<std::string> &problems) {
  TensorRef tensor = checkpoint.find(name);
  if (!tensor) {
    problems.push_back("tensor '" + name + "' is missing beside its codes");
    return tensor;
  }
  ledger.used("tensors", name);
  if (ArrayRef<uint64_t>(tensor.info->shape) != shape)
    problems.push_back("tensor '" + name + "' has shape " + shapeText(tensor.info->shape) +
                       ", config and quantization_config ask for " + shapeText(shape));
  else if (tensor.info->dtype != dtype)
    problems.push_back("tensor '" + name + "' has dtype " + tensor.info->dtype + "; " +
                       dtype.str() + " is supported");
  else
    return tensor;
  return TensorRef();
}

/// Every 32-bit word of a tensor.
static bool allWords(const TensorRef &tensor, function_ref<bool(size_t, uint32_t)> holds) {
  StringRef bytes = tensor.bytes();
  for (size_t i = 0; i * 4 < bytes.size(); ++i)
    if (!holds(i, support::endian::read32le(bytes.data() + i * 4)))
      return false;
  return true;
}

/// g_idx names the group of each column; its absence means columns in order.
static void checkOrder(const Checkpoint &checkpoint, const std::string &name, int64_t cols,
                       int64_t group, Ledger &ledger, std::vector<std::string> &problems) {
  if (!checkpoint.contains(name))
    return;
  TensorRef order =
      findPart(checkpoint, name, "I32", {static_cast<uint64_t>(cols)}, ledger, problems);
  if (order && !allWords(order, [&](size_t column, uint32_t index) {
        return index == column / static_cast<size_t>(group);
      }))
    problems.push_back("tensor '" + name +
                       "' orders columns by activation (desc_act), which is not supported; "
                       "quantize without desc_act");
}

StoredMatrix findStoredMatrix(const Checkpoint &checkpoint, const StoredQuantization &quantization,
                              StringRef key, int64_t rows, int64_t cols, Ledger &ledger,
                              std::vector<std::string> &problems) {
  if (!key.consume_back(".weight") || !checkpoint.contains((key + ".qweight").str()))
    return {};
  std::string name = key.str();
  if (rows % kCodesPerWord != 0 || cols % kCodesPerWord != 0) {
    problems.push_back("matrix '" + name + "' of " + std::to_string(rows) + " x " +
                       std::to_string(cols) + " cannot be stored in words of 8 codes");
    return {};
  }
  uint64_t n = rows, k = cols, words = kCodesPerWord;
  uint64_t group = quantization.groupColumns(cols), groups = (k + group - 1) / group;
  bool awq = quantization.form == "awq";
  SmallVector<uint64_t, 2> codes = {awq ? k : k / words, awq ? n / words : n};
  StoredMatrix found;
  size_t before = problems.size();
  found.codes = findPart(checkpoint, name + ".qweight", "I32", codes, ledger, problems);
  found.zeros = findPart(checkpoint, name + ".qzeros", "I32", {groups, n / words}, ledger, problems);
  found.scales = findPart(checkpoint, name + ".scales", "F16", {groups, n}, ledger, problems);
  checkOrder(checkpoint, name + ".g_idx", cols, static_cast<int64_t>(group), ledger, problems);
  if (problems.size() != before)
    return {};
  uint32_t middle = quantization.form == "gptq" ? 0x77777777u : 0x88888888u;
  if (quantization.symmetric &&
      !allWords(found.zeros, [&](size_t, uint32_t word) { return word == middle; }))
    problems.push_back("tensor '" + name +
                       ".qzeros' has zeros other than 8, but quantization_config says sym");
  return found;
}

} // namespace stoop::importer
