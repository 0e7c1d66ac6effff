//===- TuningDatabase.cpp - measured schedules in a text file -------------===//
//
// Entries are plain structs; protobuf appears here alone. After a merge in version control a key may
// occur twice: the later record counts.
//
//===----------------------------------------------------------------------===//
#include "passes/tuning/TuningDatabase.h"

#include "passes/tuning/tuning.pb.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>
#include <tuple>

namespace stoop::tuning {

static constexpr unsigned kSchema = 1;
static constexpr const char *kHead = "# proto-file: passes/tuning/tuning.proto\n"
                                     "# proto-message: stoop.tuning.Database\n";

std::string deviceName(llvm::StringRef model) {
  std::string name;
  for (char c : model.lower())
    if (llvm::isAlnum(c))
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
  return llvm::StringRef(name).rtrim('-').str();
}

std::string libraryHash(llvm::StringRef bitcode) {
  llvm::SHA256 hash;
  hash.update(bitcode);
  hash.update(LLVM_VERSION_STRING);
  return llvm::toHex(hash.final(), /*LowerCase=*/true).substr(0, 16);
}

std::string Entry::describe() const {
  return kernelTemplate + " for " + std::to_string(rows) + (rows == 1 ? " row" : " rows") +
         ", region " + region + ", " + setting.device + " " + setting.level;
}

static auto keyOf(const Entry &e) {
  return std::tie(e.setting.device, e.setting.processors, e.setting.level, e.setting.library,
                  e.kernelTemplate, e.region, e.rows);
}

void TuningDatabase::keep(llvm::function_ref<bool(const Entry &)> isWanted) {
  llvm::erase_if(all, [&](const Entry &entry) { return !isWanted(entry); });
}

void TuningDatabase::add(Entry entry) {
  auto place = llvm::lower_bound(
      all, entry, [](const Entry &a, const Entry &b) { return keyOf(a) < keyOf(b); });
  if (place == all.end() || keyOf(*place) != keyOf(entry))
    all.insert(place, std::move(entry));
  else if (place->predicted || !entry.predicted)
    *place = std::move(entry);
}

const Entry *TuningDatabase::find(const Setting &setting, llvm::StringRef kernelTemplate,
                                  llvm::StringRef region, int64_t rows,
                                  llvm::function_ref<bool(int64_t)> sameKernel) const {
  auto rank = [&](const Entry &entry) {
    return std::tuple(entry.predicted, entry.setting.device != setting.device, std::abs(entry.rows - rows));
  };
  const Entry *best = nullptr;
  for (const Entry &entry : all) {
    bool fits = entry.holdsFor(setting) && entry.kernelTemplate == kernelTemplate && entry.region == region &&
                (entry.rows == rows || sameKernel(entry.rows));
    if (fits && (!best || rank(entry) < rank(*best)))
      best = &entry;
  }
  return best;
}

//===----------------------------------------------------------------------===//
// To and from protobuf
//===----------------------------------------------------------------------===//

template <class Fields> static Tunables readTunables(const Fields &fields) {
  Tunables tunables;
  for (const Tunable &tunable : fields)
    tunables.push_back({tunable.name(), tunable.value()});
  return tunables;
}

template <class Fields> static void writeTunables(const Tunables &tunables, Fields &fields) {
  for (const auto &[name, value] : tunables) {
    Tunable &tunable = *fields.Add();
    tunable.set_name(name);
    tunable.set_value(value);
  }
}

static Times readTimes(const Measurement &m) {
  return {m.median_ns(), m.p10_ns(), m.p90_ns(), m.count()};
}

static void writeTimes(const Times &times, Measurement &m) {
  m.set_median_ns(times.median);
  m.set_p10_ns(times.p10);
  m.set_p90_ns(times.p90);
  m.set_count(times.count);
}

static constexpr std::pair<Rejection::Reason, Reason> kReasons[] = {
    {Rejection::WrongResult, WRONG_RESULT}, {Rejection::NotCompiled, NOT_COMPILED},
    {Rejection::Spills, SPILLS},            {Rejection::NoRoom, NO_ROOM},
    {Rejection::LaunchFailed, LAUNCH_FAILED}, {Rejection::NotLegal, NOT_LEGAL}};

/// What a file of a newer version says otherwise was not compiled either.
static Rejection::Reason readReason(Reason stored) {
  auto found = llvm::find_if(kReasons, [&](auto &pair) { return pair.second == stored; });
  return found == std::end(kReasons) ? Rejection::NotCompiled : found->first;
}

static Reason storedReason(Rejection::Reason reason) {
  return llvm::find_if(kReasons, [&](auto &pair) { return pair.first == reason; })->second;
}

std::string reasonName(Rejection::Reason reason) { return Reason_Name(storedReason(reason)); }

static Entry readEntry(const Record &record) {
  const Key &key = record.key();
  Entry e;
  e.setting = {key.device(), key.processors(), key.level(), key.library()};
  e.kernelTemplate = key.template_();
  e.region = key.region();
  e.rows = key.rows();
  e.tunables = readTunables(record.choice());
  e.measured = readTimes(record.measured());
  e.heuristic = readTimes(record.heuristic());
  e.launches = record.launches();
  e.predicted = record.predicted();
  e.candidates = record.candidates();
  for (const Rejected &rejected : record.rejected())
    e.rejected.push_back({readTunables(rejected.choice()),
                          readReason(rejected.reason()), rejected.detail()});
  e.stoop = record.provenance().stoop();
  e.date = record.provenance().date();
  e.summary = record.provenance().summary();
  return e;
}

static void writeEntry(const Entry &e, Record &record) {
  Key &key = *record.mutable_key();
  key.set_device(e.setting.device);
  key.set_processors(e.setting.processors);
  key.set_level(e.setting.level);
  key.set_library(e.setting.library);
  key.set_template_(e.kernelTemplate);
  key.set_region(e.region);
  key.set_rows(e.rows);
  writeTunables(e.tunables, *record.mutable_choice());
  writeTimes(e.measured, *record.mutable_measured());
  writeTimes(e.heuristic, *record.mutable_heuristic());
  record.set_launches(e.launches);
  record.set_predicted(e.predicted);
  record.set_candidates(e.candidates);
  for (const Rejection &rejection : e.rejected) {
    Rejected &rejected = *record.add_rejected();
    writeTunables(rejection.tunables, *rejected.mutable_choice());
    rejected.set_reason(storedReason(rejection.reason));
    rejected.set_detail(rejection.detail);
  }
  record.mutable_provenance()->set_stoop(e.stoop);
  record.mutable_provenance()->set_date(e.date);
  record.mutable_provenance()->set_summary(e.summary);
}

namespace {
/// Keeps the first complaint of protobuf's parser.
class FirstError : public google::protobuf::io::ErrorCollector {
public:
  void AddError(int line, google::protobuf::io::ColumnNumber column,
                const std::string &message) override {
    if (text.empty())
      text = "line " + std::to_string(line + 1) + ", column " + std::to_string(column + 1) + ": " +
             message;
  }
  std::string text;
};
} // namespace

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

static llvm::Error problem(const std::string &path, const llvm::Twine &what) {
  return llvm::createStringError("tuning database '" + path + "': " + what.str());
}

llvm::Expected<TuningDatabase> TuningDatabase::read(const std::string &path) {
  uint64_t size = 0;
  if (llvm::sys::fs::is_directory(path))
    return problem(path, "is a directory");
  if (std::error_code code = llvm::sys::fs::file_size(path, size))
    return problem(path, code.message());
  if (size > kMostBytes)
    return problem(path, llvm::Twine(size) + " bytes, at most " + llvm::Twine(kMostBytes));
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/true);
  if (!file)
    return problem(path, file.getError().message());
  Database message;
  FirstError error;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  if (!parser.ParseFromString((*file)->getBuffer().str(), &message))
    return problem(path, "is damaged: " + (error.text.empty() ? "no text" : error.text));
  if (message.schema_version() != kSchema)
    return problem(path, "schema_version " + llvm::Twine(message.schema_version()) +
                             "; this version of stoop reads " + llvm::Twine(kSchema));
  TuningDatabase database;
  for (const Record &record : message.record())
    database.add(readEntry(record));
  return database;
}

llvm::Error TuningDatabase::write(const std::string &path) const {
  Database message;
  message.set_schema_version(kSchema);
  for (const Entry &entry : all)
    writeEntry(entry, *message.add_record());
  std::string text;
  google::protobuf::TextFormat::PrintToString(message, &text);
  llvm::StringRef folder = llvm::sys::path::parent_path(path);
  if (std::error_code code =
          folder.empty() ? std::error_code() : llvm::sys::fs::create_directories(folder))
    return problem(path, "cannot make folder '" + folder + "': " + code.message());
  llvm::Error failed = llvm::writeToOutput(path, [&](llvm::raw_ostream &out) {
    out << kHead << text;
    return llvm::Error::success();
  });
  return failed ? problem(path, llvm::toString(std::move(failed))) : llvm::Error::success();
}

} // namespace stoop::tuning
