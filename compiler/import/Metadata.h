//===- Metadata.h - The dictionary that follows a model ---------*- C++ -*-===//
//
// What the manifest of a binary and its runtime need beside the graph: token ids, sampling
// defaults, the ledger and the warnings of the import.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_METADATA_H
#define STOOP_COMPILER_IMPORT_METADATA_H

#include "compiler/import/HfConfig.h"
#include "mlir/IR/Builders.h"

namespace stoop::importer {

struct ImportOptions;

/// The stop set: the ids of generation_config.json, config.json and the tokenizer together, or
/// `options.eosIds` alone. Warns when the sources disagree. Errors: an id of the option that is not
/// in the vocabulary (ids of files that are not are dropped with a warning).
llvm::Expected<std::vector<int64_t>> stopSet(const HfConfig &config, const ImportOptions &options,
                                             Ledger &ledger);

/// The begin-of-text id of generation_config.json, else of config.json; -1 for none, also when it is not an id of
/// the model, which is a warning.
int64_t beginId(const HfConfig &config, Ledger &ledger);

/// The metadata dictionary of Importer.h. `dtype` is the resolved compute type's name.
mlir::DictionaryAttr buildMetadata(mlir::Builder &builder, const HfConfig &config,
                                   const ImportOptions &options, llvm::StringRef name,
                                   llvm::StringRef dtype, int64_t positions,
                                   llvm::ArrayRef<int64_t> eos, int64_t bos,
                                   const Ledger &ledger);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_METADATA_H
