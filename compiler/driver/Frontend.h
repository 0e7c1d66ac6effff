//===- Frontend.h - a checkpoint as module and tokenizer --------*- C++ -*-===//
//
// Joins the two readers of a checkpoint, the tokenizer's and the model's: the
// importer needs to know the tokenizer's ids.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_DRIVER_FRONTEND_H
#define STOOP_COMPILER_DRIVER_FRONTEND_H

#include "compiler/driver/Session.h"

namespace stoop::driver {

/// A checkpoint's tokenizer as the program carries it.
struct TokenizerBlob {
  std::string bytes; ///< empty: none
  int64_t numIds = 0;
  std::optional<int64_t> eosId;
};

/// A module at phase import, and its tokenizer.
struct ImportedCheckpoint {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  TokenizerBlob tokenizer;
};

/// Reads the tokenizer of a checkpoint directory. Says what is wrong with it and fails; a directory
/// without one is an error that names --no-tokenizer.
mlir::FailureOr<TokenizerBlob> loadTokenizer(Session &session, const std::string &directory);

/// The model alone, at phase import; its warnings are not shown.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
loadModel(Session &session, const ModelOptions &options, int64_t maxBatch);

/// Reads tokenizer (unless --no-tokenizer) and model. The model's metadata says `has_tokenizer`;
/// `maxBatch` is the number of sequences in the KV cache. The import phase's gate has not run.
mlir::FailureOr<ImportedCheckpoint> loadCheckpoint(Session &session, const ModelOptions &options,
                                                   int64_t maxBatch);

} // namespace stoop::driver

#endif
