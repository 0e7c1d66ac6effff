//===- Family.h - What a model family has to provide ------------*- C++ -*-===//
//
// A family turns its own config keys into a ModelSpec and its own tensor names into a WeightMap.
// The graph is built from these two alone, so a family never touches IR.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_FAMILY_H
#define STOOP_COMPILER_IMPORT_FAMILY_H

#include "compiler/import/ConfigReader.h"
#include "compiler/import/ModelSpec.h"
#include "compiler/import/WeightMap.h"

namespace stoop::importer {

struct Family {
  llvm::StringLiteral name;
  /// Values of `model_type` that mean this family; the first is the canonical one.
  std::vector<llvm::StringRef> modelTypes;
  /// Values of `architectures` that mean this family: used when model_type is absent, and to refuse
  /// models of the family with another head.
  std::vector<llvm::StringRef> architectures;
  /// "Falcon (RW, 7B, …)": for messages that list what is supported.
  llvm::StringLiteral description;

  /// Fills the spec from config.json; problems and warnings stay in the reader.
  void (*readConfig)(ConfigReader &config, ModelSpec &spec);
  /// Names every weight. May complete what the config left open in `spec` from the shapes in
  /// `checkpoint`; the ledger is told what was inferred. Errors: a fused shape that contradicts it.
  llvm::Error (*mapWeights)(const Checkpoint &checkpoint, Ledger &ledger, ModelSpec &spec,
                            WeightMap &weights);
};

#define STOOP_FAMILY(name) const Family &name##Family();
#include "compiler/import/Families.def"

/// All families in the order of Families.def.
std::vector<const Family *> allFamilies();

/// Limits of config keys, shared by the families. They keep every product of two sizes in int64.
namespace limits {
inline constexpr Limits size{1, 1 << 24};  ///< vocabulary, hidden, FFN
inline constexpr Limits count{1, 1 << 16}; ///< heads
inline constexpr Limits layers{1, 10'000};
inline constexpr Limits positions{1, 1 << 24};
inline constexpr Limits tokenId{-1, INT32_MAX}; ///< some configs write -1 for none
} // namespace limits

/// Reads bos_token_id and eos_token_id of config.json; absent: the family's defaults.
void readTokenIds(ConfigReader &config, ModelSpec &spec, int64_t bosDefault, int64_t eosDefault);

/// The keyword of lm.activation for Hugging Face's name at `key`; other names are a problem.
std::string readActivation(ConfigReader &config, llvm::StringRef key, llvm::StringRef fallback);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_FAMILY_H
