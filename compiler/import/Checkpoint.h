//===- Checkpoint.h - All weight files of a checkpoint ----------*- C++ -*-===//
//
// A checkpoint directory's safetensors files as one set of tensors: a single `model.safetensors` or
// the shards of `model.safetensors.index.json`. Invariant: each tensor name occurs once.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_CHECKPOINT_H
#define STOOP_COMPILER_IMPORT_CHECKPOINT_H

#include "compiler/import/Safetensors.h"

namespace stoop::importer {

/// A tensor and the file that holds it; both owned by the Checkpoint.
struct TensorRef {
  const SafetensorsFile *file = nullptr;
  const TensorInfo *info = nullptr;
  explicit operator bool() const { return info != nullptr; }
  llvm::StringRef bytes() const { return file->bytes(*info); }
};

class Checkpoint {
public:
  /// Opens `model.safetensors` of `directory`, else the shards of its index. Errors: none of both
  /// (naming pickled files and how to convert them), any violation of the format, an index that
  /// disagrees with its shards, file names that leave the directory.
  static llvm::Expected<Checkpoint> open(llvm::StringRef directory);

  /// The checkpoint at `path` that would hold `tensors`, for planning without weights.
  static Checkpoint described(llvm::StringRef path, std::vector<TensorInfo> tensors);

  /// Whether `directory` holds what open() looks for.
  static bool hasWeights(llvm::StringRef directory);

  TensorRef find(llvm::StringRef name) const;
  bool contains(llvm::StringRef name) const { return static_cast<bool>(find(name)); }
  /// All tensor names, sorted.
  std::vector<std::string> names() const;
  /// The file's name inside of the checkpoint directory.
  static llvm::StringRef fileName(const TensorRef &tensor);
  /// Path of the single file or of the index: for messages about the whole set.
  llvm::StringRef path() const { return rootPath; }

private:
  llvm::Error addFile(SafetensorsFile file);
  llvm::Error addShards(llvm::StringRef directory, llvm::StringRef indexPath);

  std::string rootPath;
  std::vector<std::unique_ptr<SafetensorsFile>> shards;
  llvm::StringMap<TensorRef> tensors;
};

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_CHECKPOINT_H
