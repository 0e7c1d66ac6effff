//===- HfConfig.h - config.json and generation_config.json ------*- C++ -*-===//
//
// From the two config files of a checkpoint to typed structs. Invariant of a returned HfConfig: its
// spec satisfies ModelSpec.h's, and each key of both files has a fate in the ledger or is left for
// Ledger::close to name.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_HFCONFIG_H
#define STOOP_COMPILER_IMPORT_HFCONFIG_H

#include "compiler/import/Family.h"

namespace stoop::importer {

/// Sampling defaults and token ids of generation_config.json.
struct GenerationConfig {
  std::vector<int64_t> eos;
  std::optional<int64_t> bos;
  double temperature = 0.0; ///< 0: greedy; other than 0 only with do_sample
  int64_t topK = 0;         ///< 0: off
  double topP = 1.0;
  double minP = 0.0;
  double repetitionPenalty = 1.0;
};

struct HfConfig {
  const Family *family = nullptr;
  ModelSpec spec;
  GenerationConfig generation;
  std::optional<StoredQuantization> quantization; ///< of matrices that are integers already
  std::string sha256; ///< of config.json's bytes, in hex
  std::string torchDtype; ///< what config.json says of the weights ("bfloat16"); may be empty
  std::string torchDtypeKey; ///< under which key
};

/// A JSON text and the path it came from (for messages).
struct ConfigText {
  std::string path, text;
};

/// Parses config.json and, if there is one, generation_config.json. Errors: bad JSON, an
/// architecture that is not supported (says which are), keys of the wrong type or out of range, and
/// keys that contradict each other (both named).
llvm::Expected<HfConfig> parseHfConfig(const ConfigText &config,
                                       const std::optional<ConfigText> &generation, Ledger &ledger);

/// parseHfConfig on the files of a checkpoint directory, or on a config.json alone.
llvm::Expected<HfConfig> loadHfConfig(llvm::StringRef directory, Ledger &ledger);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_HFCONFIG_H
