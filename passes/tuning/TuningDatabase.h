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

/// Times of one launch, or of a step, in nanoseconds.
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

/// "NO_ROOM", as the file has it.
std::string reasonName(Rejection::Reason reason);

/// One kernel that was measured, or predicted.
struct Entry {
  Setting setting;
  std::string kernelTemplate, region; ///< region: fingerprint()
  int64_t rows = 0;
  Tunables tunables;
  Times measured, heuristic;
  unsigned launches = 0;   ///< in the step that the times are of; 0: they are of one launch alone
  bool predicted = false;  ///< the times are a model's
  unsigned candidates = 0; ///< that were looked at
  std::vector<Rejection> rejected;
  std::string stoop, date, summary; ///< who measured when, the region in words

  /// The key in words, for messages.
  std::string describe() const;

  /// Whether it counts in a setting: measured there; predicted, for its level and kernels, whatever the machine.
  bool holdsFor(const Setting &here) const {
    return predicted ? setting.level == here.level && setting.library == here.library : setting == here;
  }
};

/// All records of a file.
class TuningDatabase {
public:
  /// Most bytes of a file.
  static constexpr uint64_t kMostBytes = 64 << 20;

  /// Reads a file; fails for one that is no database of this schema, with its name and line.
  static llvm::Expected<TuningDatabase> read(const std::string &path);

  const std::vector<Entry> &entries() const { return all; }

  /// The entry of that region that holds for that setting: for exactly these rows, else for the nearest number of
  /// rows that `sameKernel` takes for equal. What was measured goes before what was predicted, and predictions for the
  /// setting's device before those for others. Null if there is none.
  const Entry *find(const Setting &setting, llvm::StringRef kernelTemplate, llvm::StringRef region,
                    int64_t rows, llvm::function_ref<bool(int64_t)> sameKernel) const;

  /// Forgets entries that `isWanted` does not take.
  void keep(llvm::function_ref<bool(const Entry &)> isWanted);

  /// Adds an entry; one with the same key gives way, unless it was measured and the new one is predicted.
  void add(Entry entry);

  /// Writes a file anew, entries in the order of their keys: a temporary file that takes its name.
  llvm::Error write(const std::string &path) const;

private:
  std::vector<Entry> all; ///< in the order of their keys
};

} // namespace stoop::tuning

#endif // STOOP_PASSES_TUNING_TUNINGDATABASE_H
