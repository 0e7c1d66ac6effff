//===- Checkpoint.cpp - All weight files of a checkpoint --------------------===//
//
// Finds the weight files of a directory and cross-checks a shard index against what the shards
// hold.
//
//===----------------------------------------------------------------------===//
#include "compiler/import/Checkpoint.h"

#include "compiler/import/Json.h"
#include "llvm/Support/Path.h"
#include <map>

using namespace llvm;
using nlohmann::json;

namespace stoop::importer {

static std::string join(StringRef directory, StringRef name) {
  SmallString<128> path(directory);
  sys::path::append(path, name);
  return std::string(path);
}

/// The first pickled weight file of the directory, or "".
static std::string findPickle(StringRef directory) {
  std::error_code code;
  std::string found;
  for (sys::fs::directory_iterator it(directory, code), end; it != end && !code;
       it.increment(code)) {
    StringRef name = sys::path::filename(it->path());
    bool pickled = name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth") ||
                   name.ends_with(".bin.index.json");
    if (pickled && (found.empty() || name.str() < found))
      found = name.str();
  }
  return found;
}

static Error noWeights(StringRef directory) {
  std::string pickle = findPickle(directory);
  if (pickle.empty())
    return fileError(directory, "holds neither model.safetensors nor model.safetensors.index.json");
  return fileError(
      directory, "holds pickled weights only (" + pickle +
                     "), which can run code when loaded and are not read. Convert them: python3 -c "
                     "\"from transformers import AutoModelForCausalLM as M; M.from_pretrained('" +
                     directory + "', torch_dtype='auto').save_pretrained('" + directory +
                     "-safetensors')\"");
}

bool Checkpoint::hasWeights(StringRef directory) {
  return sys::fs::exists(join(directory, "model.safetensors")) ||
         sys::fs::exists(join(directory, "model.safetensors.index.json"));
}

Checkpoint Checkpoint::described(StringRef path, std::vector<TensorInfo> tensors) {
  Checkpoint checkpoint;
  checkpoint.rootPath = path.str();
  cantFail(checkpoint.addFile(SafetensorsFile::described(path, std::move(tensors))));
  return checkpoint;
}

Expected<Checkpoint> Checkpoint::open(StringRef directory) {
  if (!sys::fs::exists(directory))
    return fileError(directory, "no such checkpoint directory");
  if (!sys::fs::is_directory(directory))
    return fileError(directory, "is a file; give the checkpoint's directory (with config.json)");

  Checkpoint checkpoint;
  std::string single = join(directory, "model.safetensors");
  std::string index = join(directory, "model.safetensors.index.json");
  if (sys::fs::exists(single)) {
    checkpoint.rootPath = single;
    Expected<SafetensorsFile> file = SafetensorsFile::open(single);
    if (!file)
      return file.takeError();
    if (Error error = checkpoint.addFile(std::move(*file)))
      return error;
    return checkpoint;
  }
  if (!sys::fs::exists(index))
    return noWeights(directory);
  checkpoint.rootPath = index;
  if (Error error = checkpoint.addShards(directory, index))
    return error;
  return checkpoint;
}

Error Checkpoint::addFile(SafetensorsFile opened) {
  shards.push_back(std::make_unique<SafetensorsFile>(std::move(opened)));
  const SafetensorsFile &file = *shards.back();
  for (const TensorInfo &info : file.tensors()) {
    auto [entry, inserted] = tensors.try_emplace(info.name, TensorRef{&file, &info});
    if (!inserted)
      return fileError(file.path(), "tensor '" + info.name + "' is also in " +
                                 sys::path::filename(entry->second.file->path()));
  }
  return Error::success();
}

/// Shard files must lie beside the index, whatever the index says.
static bool isPlainName(StringRef name) {
  return !name.empty() && name != "." && name != ".." && !name.contains('/') &&
         !name.contains('\\') && !name.contains('\0');
}

/// weight_map of the index: tensor → shard; both checked for form only.
static Expected<std::map<std::string, std::string>> readWeightMap(StringRef indexPath) {
  Expected<std::string> text = readTextFile(indexPath);
  if (!text)
    return text.takeError();
  Expected<json> index = parseJsonObject(*text, indexPath);
  if (!index)
    return index.takeError();
  auto entry = index->find("weight_map");
  if (entry == index->end() || !entry->is_object() || entry->empty())
    return fileError(indexPath, "'weight_map' must be an object that maps tensors to shard files");
  std::map<std::string, std::string> shardOf;
  for (const auto &[tensor, shard] : entry->items()) {
    if (!shard.is_string() || !isPlainName(shard.get_ref<const std::string &>()))
      return fileError(indexPath, "'weight_map' key '" + tensor +
                                      "' must name a file beside the index, found " + brief(shard));
    shardOf[tensor] = shard.get<std::string>();
  }
  return shardOf;
}

Error Checkpoint::addShards(StringRef directory, StringRef indexPath) {
  Expected<std::map<std::string, std::string>> shardOf = readWeightMap(indexPath);
  if (!shardOf)
    return shardOf.takeError();
  std::map<std::string, std::string> firstTensorOf;
  for (const auto &[tensor, shard] : *shardOf)
    firstTensorOf.try_emplace(shard, tensor);
  for (const auto &[shard, tensor] : firstTensorOf) {
    std::string path = join(directory, shard);
    if (!sys::fs::exists(path))
      return fileError(indexPath, "shard '" + shard + "' (tensor '" + tensor + "', …) is missing");
    Expected<SafetensorsFile> file = SafetensorsFile::open(path);
    if (!file)
      return file.takeError();
    if (Error error = addFile(std::move(*file)))
      return error;
  }
  for (const auto &[tensor, shard] : *shardOf) {
    TensorRef found = find(tensor);
    if (!found)
      return fileError(indexPath,
                       "tensor '" + tensor + "' is in no shard; the index places it in " + shard);
    if (fileName(found) != shard)
      return fileError(indexPath, "tensor '" + tensor + "' lies in " + fileName(found) +
                                      ", the index places it in " + shard);
  }
  return Error::success();
}

TensorRef Checkpoint::find(StringRef name) const { return tensors.lookup(name); }

std::vector<std::string> Checkpoint::names() const {
  std::vector<std::string> all;
  for (const auto &entry : tensors)
    all.push_back(entry.getKey().str());
  llvm::sort(all);
  return all;
}

StringRef Checkpoint::fileName(const TensorRef &tensor) {
  return sys::path::filename(tensor.file->path());
}

} // namespace stoop::importer
