//===- TuningDatabase.h - measured schedules in a text file ------*- C++ -*-===//
//
// Reads, looks up, merges and writes tuning.proto. Knows nothing of templates and their tunables: who
// uses a record checks it.
//
//===----------------------------------------------------------------------===//
#ifndef STOOP_PASSES_TUNING_TUNINGDATABASE_H
#define STOOP_PASSES_TUNING_TUNINGDATABASE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stoop::tuning {

/// The machine and compiler that measurements hold for.
struct Setting {
  std::string device;      ///< deviceName() of the CPU's model
  unsigned processors = 0; ///< 0: any
  std::string level;       ///< feature level
  std::string library;     ///< of the kernels, as hashed by libraryHash()

  bool operator==(const Setting &) const = default;
};

/// "AMD EPYC 7R13 Processor" -> "amd-epyc-7r13-processor".
std::string deviceName(llvm::StringRef model);

/// Hash of a level's kernel library together with LLVM's version, 16 hexadecimal digits.
std::string libraryHash(llvm::StringRef bitcode);

using Tunables = std::vector<std::pair<std::string, int64_t>>;

/// Times of one launch in nanoseconds.
struct Times {
  uint64_t median = 0, p10 = 0, p90 = 0;
  unsigned count = 0;
};

/// A candidate that was not timed.
struct Rejection {
  enum Reason {
    WrongResult,
    NotCompiled,
    Spills,      ///< registers
    NoRoom,      ///< for its shared memory
    LaunchFailed, ///< the driver refuses it
    NotLegal      ///< for the region
  };
  Tunables tunables;
  Reason reason;
  std::string detail;
};

/// One measured kernel.
struct Entry {
  Setting setting;
  std::string kernelTemplate, region; ///< region: fingerprint()
  int64_t rows = 0;
  Tunables tunables;
  Times measured, heuristic;
  std::vector<Rejection> rejected;
  std::string stoop, date, summary; ///< who measured when, the region in words

  /// The key in words, for messages.
  std::string describe() const;
};

/// All records of a file.
class TuningDatabase {
public:
  /// Most bytes of a file.
  static constexpr uint64_t kMostBytes = 64 << 20;

  /// Reads a file; fails for one that is no database of this schema, with its name and line.
  static llvm::Expected<TuningDatabase> read(const std::string &path);

  const std::vector<Entry> &entries() const { return all; }

  /// The entry of that region in that setting: for exactly these rows, else for the nearest number of
  /// rows that `sameKernel` takes for equal. Null if there is none.
  const Entry *find(const Setting &setting, llvm::StringRef kernelTemplate, llvm::StringRef region,
                    int64_t rows, llvm::function_ref<bool(int64_t)> sameKernel) const;

  /// Forgets entries that `isWanted` does not take.
  void keep(llvm::function_ref<bool(const Entry &)> isWanted);

  /// Adds an entry; one with the same key gives way.
  void add(Entry entry);

  /// Writes a file anew, entries in the order of their keys: a temporary file that takes its name.
  llvm::Error write(const std::string &path) const;

private:
  std::vector<Entry> all; ///< in the order of their keys
};

} // namespace stoop::tuning

#endif // STOOP_PASSES_TUNING_TUNINGDATABASE_H
