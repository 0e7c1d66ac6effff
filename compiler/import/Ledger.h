//===- Ledger.h - What became of every input --------------------*- C++ -*-===//
//
// The consumption ledger: each config key and each tensor of a checkpoint must end as used,
// defaulted or ignored by specification (with the reason). Invariant: after close() succeeds,
// nothing that was found in the checkpoint is without a fate, so nothing in it was overlooked.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_LEDGER_H
#define STOOP_COMPILER_IMPORT_LEDGER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"
#include <map>
#include <string>
#include <vector>

namespace stoop::importer {

class Ledger {
public:
  enum class Fate {
    Found,     ///< present in the checkpoint, not yet accounted for
    Used,      ///< read, and it shaped the result
    Defaulted, ///< absent; `note` is the value taken
    Ignored    ///< present and without effect; `note` says why
  };
  struct Entry {
    Fate fate = Fate::Found;
    std::string note;
  };
  /// One source of inputs; keys in sorted order. Nested keys are written "rope_scaling.factor".
  struct Section {
    std::string file; ///< for messages
    std::map<std::string, Entry> entries;
  };

  /// Declares a section ("config", "generation_config", "tensors") and the file it stands for.
  void open(llvm::StringRef section, llvm::StringRef file);
  void found(llvm::StringRef section, llvm::StringRef key);
  void used(llvm::StringRef section, llvm::StringRef key);
  void defaulted(llvm::StringRef section, llvm::StringRef key, llvm::StringRef value);
  void ignored(llvm::StringRef section, llvm::StringRef key, llvm::StringRef reason);

  /// A message for the user that does not stop the compilation.
  void warn(const llvm::Twine &message);

  /// Fails and names every key or tensor that has no fate; with `allowExtra` each section's become
  /// one warning, and the entries end as ignored with the reason "--allow-extra".
  llvm::Error close(bool allowExtra);

  const std::map<std::string, Section> &sections() const { return table; }
  const std::vector<std::string> &warnings() const { return messages; }

private:
  void set(llvm::StringRef section, llvm::StringRef key, Fate fate, llvm::StringRef note);

  std::map<std::string, Section> table;
  std::vector<std::string> messages;
};

/// The words of the report: "used", "defaulted", "ignored_by_spec".
llvm::StringRef fateName(Ledger::Fate fate);

/// "a, b, c" of at most `limit` names, then "and N more".
std::string listNames(const std::vector<std::string> &names, size_t limit = 20);

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_LEDGER_H
