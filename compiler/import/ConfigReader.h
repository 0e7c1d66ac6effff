//===- ConfigReader.h - Typed access to a JSON config -----------*- C++ -*-===//
//
// Reads the keys of one JSON object, records in the ledger what became of each, and collects the
// problems so that a config's mistakes are reported together. Invariant: a getter returns a value
// inside of its limits or the given default, never something else; takeError() says what was wrong.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_COMPILER_IMPORT_CONFIGREADER_H
#define STOOP_COMPILER_IMPORT_CONFIGREADER_H

#include "compiler/import/Json.h"
#include "compiler/import/Ledger.h"
#include <optional>

namespace stoop::importer {

/// Inclusive limits of an integer key.
struct Limits {
  int64_t least = 1;
  int64_t most = INT32_MAX;
};

class ConfigReader {
public:
  /// `object` must be a JSON object and outlive the reader, as must `ledger`. `prefix` is put
  /// before key names ("rope_scaling."). All keys of the object are entered in the ledger as found.
  ConfigReader(const nlohmann::json &object, llvm::StringRef file, llvm::StringRef section,
               Ledger &ledger, llvm::StringRef prefix = "");

  bool has(llvm::StringRef key) const;
  /// Present and not null.
  bool hasValue(llvm::StringRef key) const;
  /// The raw value, null if absent; leaves the ledger alone.
  const nlohmann::json &peek(llvm::StringRef key) const;

  /// Absent: the default, entered as defaulted. Null: a problem.
  int64_t integer(llvm::StringRef key, int64_t fallback, Limits limits = {});
  double number(llvm::StringRef key, double fallback, double least, double most);
  bool boolean(llvm::StringRef key, bool fallback);
  std::string string(llvm::StringRef key, llvm::StringRef fallback);
  /// Absent: a problem.
  int64_t requiredInteger(llvm::StringRef key, Limits limits = {});

  /// Absent or null: none; null counts as used.
  std::optional<int64_t> optionalInteger(llvm::StringRef key, Limits limits = {});
  std::optional<double> optionalNumber(llvm::StringRef key, double least, double most);
  std::optional<bool> optionalBoolean(llvm::StringRef key);
  /// An integer or a list of integers; absent or null: none.
  std::optional<std::vector<int64_t>> optionalIntegers(llvm::StringRef key, Limits limits);

  void use(llvm::StringRef key);
  void ignore(llvm::StringRef key, llvm::StringRef reason);
  void defaulted(llvm::StringRef key, llvm::StringRef value);
  void warn(const llvm::Twine &message);
  /// Records a problem; the text should name the keys. takeError() puts the file in front.
  void fail(const llvm::Twine &message);
  /// Records "key 'KEY': MESSAGE".
  void failKey(llvm::StringRef key, const llvm::Twine &message);

  /// All problems so far as one error, or success; forgets them.
  llvm::Error takeError();

  llvm::StringRef file() const { return fileName; }
  llvm::StringRef section() const { return sectionName; }
  Ledger &ledger() { return book; }

private:
  std::string fullKey(llvm::StringRef key) const { return keyPrefix + key.str(); }
  std::optional<int64_t> toInteger(llvm::StringRef key, const nlohmann::json &value, Limits limits);
  std::optional<double> toNumber(llvm::StringRef key, const nlohmann::json &value, double least,
                                 double most);

  const nlohmann::json &root;
  std::string fileName, sectionName, keyPrefix;
  Ledger &book;
  std::vector<std::string> problems;
};

} // namespace stoop::importer

#endif // STOOP_COMPILER_IMPORT_CONFIGREADER_H
