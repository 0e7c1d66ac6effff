//===- Importer.h - Hugging Face checkpoint to lm module --------*- C++ -*-===//
//
// The front end's one entry point. Invariant of the result: a module with one lm.model whose entry
// @forward has dynamic rows, and whose weights refer to the checkpoint's files; no weight was read.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_IMPORTER_H
#define STOOP_COMPILER_IMPORT_IMPORTER_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace stoop::importer {

struct ImportOptions {
  std::string checkpointDir; ///< with configAlone also the path of a config.json
  bool configAlone = false;  ///< read no weights: shapes and dtype are what config.json says
  std::string dtype = "auto";        ///< compute type: auto (the checkpoint's), f32, bf16, f16
  std::string kvCacheDtype = "auto"; ///< auto (the compute type), f32, bf16, f16
  int64_t maxSeqLen = 0;             ///< compiled context in tokens; 0: the config's
  int64_t maxBatch = 1;              ///< sequences in the KV cache
  std::string alibi = "hf";          ///< rounding of the ALiBi bias: hf, exact
  bool allowExtra = false;           ///< unknown keys and tensors are warnings
  bool forceTie = false;             ///< the embedding is the head even if another is stored
  std::optional<std::vector<int64_t>> eosIds; ///< replaces the stop set
  std::optional<int64_t> tokenizerEos;        ///< id of tokenizer_config's eos_token
  int64_t numTokenIds = 0; ///< ids the tokenizer knows, the largest + 1; 0: no tokenizer
};

/// Imports a checkpoint directory. The lm.model's `metadata` holds name, vocab, max_positions,
/// max_batch, num_token_ids, eos (array), bos (-1: none), temperature (0: greedy), top_k, top_p,
/// min_p, repetition_penalty, dtype, alibi (none, hf, exact), config_sha256, ledger and warnings
/// (array of strings that the caller should show). Errors name the file and key, tensor or option.
/// Loads the lm dialect into `context`.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> importCheckpoint(mlir::MLIRContext &context,
                                                                   const ImportOptions &options);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_IMPORTER_H
