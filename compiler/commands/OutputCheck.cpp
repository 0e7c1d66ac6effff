//===- OutputCheck.cpp - an output is never an input ----------------------===//
//
// Only files that are read count: a program beside the weights that it was made from may be replaced.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/OutputCheck.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <set>

namespace stoop::driver {

static constexpr llvm::StringLiteral kShardIndex = "model.safetensors.index.json";

/// What the importer and the tokenizer's reader open in a checkpoint directory, beside shards.
static constexpr llvm::StringLiteral kCheckpointFiles[] = {
    "config.json",    "generation_config.json", "model.safetensors",     kShardIndex,
    "tokenizer.json", "tokenizer_config.json",  "special_tokens_map.json", "vocab.json",
    "merges.txt"};

static std::string inFolder(llvm::StringRef folder, llvm::StringRef name) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name);
  return path.str().str();
}

/// Names of the shards in an index; of one that cannot be read none, which its reader reports.
static std::set<std::string> shardsOf(const std::string &index) {
  std::set<std::string> shards;
  auto file = llvm::MemoryBuffer::getFile(index);
  if (!file)
    return shards;
  llvm::Expected<llvm::json::Value> value = llvm::json::parse((*file)->getBuffer());
  if (!value) {
    llvm::consumeError(value.takeError());
    return shards;
  }
  const llvm::json::Object *root = value->getAsObject();
  if (const llvm::json::Object *map = root ? root->getObject("weight_map") : nullptr)
    for (const auto &[tensor, shard] : *map)
      if (auto name = shard.getAsString())
        shards.insert(name->str());
  return shards;
}

std::vector<std::string> filesOf(const std::string &path) {
  if (!llvm::sys::fs::is_directory(path))
    return {path};
  std::vector<std::string> files;
  for (llvm::StringRef name : kCheckpointFiles)
    files.push_back(inFolder(path, name));
  for (const std::string &shard : shardsOf(inFolder(path, kShardIndex)))
    files.push_back(inFolder(path, shard));
  return files;
}

int refuseInputAsOutput(Session &session, llvm::StringRef flag, const std::string &output,
                        llvm::ArrayRef<std::string> inputs) {
  llvm::sys::fs::UniqueID written, read;
  if (output.empty() || llvm::sys::fs::getUniqueID(output, written))
    return ExitOk;
  for (const std::string &input : inputs) {
    if (input.empty() || llvm::sys::fs::getUniqueID(input, read) || read != written)
      continue;
    session.error("output '" + output + "' is the input '" + input + "'; name another file with " +
                  flag);
    return ExitUsage;
  }
  return ExitOk;
}

} // namespace stoop::driver
