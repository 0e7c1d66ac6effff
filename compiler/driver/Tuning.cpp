//===- Tuning.cpp - the tuning database of a compilation ------------------===//
//
// Measurements are of this machine: a program that is compiled for several levels, or on another CPU
// than the database's, has heuristic schedules, and the user is told.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Tuning.h"

#include "codegen/cpu/CpuLevels.h"
#include "passes/schedule/DatabaseProvider.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Threading.h"
#include <cstdlib>

using namespace mlir;

namespace stoop::driver {

std::string userTuningDatabase() {
  if (const char *named = std::getenv("STOOP_TUNING_DB"))
    return llvm::StringRef(named) == "none" ? "" : named;
  llvm::SmallString<128> path;
  const char *data = std::getenv("XDG_DATA_HOME"), *home = std::getenv("HOME");
  if (data && *data)
    path = data;
  else if (home && *home)
    llvm::sys::path::append(path, home, ".local", "share");
  else
    return "";
  llvm::sys::path::append(path, "stoop", "tuning.txtpb");
  return path.str().str();
}

tuning::Setting hostSetting(llvm::StringRef level) {
  return {tuning::deviceName(codegen::cpuModel()),
          llvm::hardware_concurrency().compute_thread_count(), level.str(),
          tuning::libraryHash(kernels::findLevel(level)->bitcode)};
}

FailureOr<std::string> tuningOptions(Session &session, const std::string &given,
                                     llvm::ArrayRef<std::string> levels) {
  std::string path = given.empty() ? userTuningDatabase() : given, none;
  if (path.empty() || given == "none" || (given.empty() && !llvm::sys::fs::exists(path)))
    return none;
  // The name becomes part of a pass pipeline's options.
  if (path.find_first_of("{}'\"") != std::string::npos) {
    session.error("--tuning-db: '" + path + "': the name of a tuning database has no braces or quotes");
    return failure();
  }
  tuning::Setting setting = hostSetting(levels.front());
  llvm::Expected<schedule::DatabaseProvider> database =
      schedule::DatabaseProvider::read(path, *schedule::findTarget("cpu"), setting);
  if (!database) {
    session.error(database.takeError());
    return failure();
  }
  std::string unusable = levels.size() > 1 ? "the program is compiled for several CPU levels"
                         : database->isUsable() ? ""
                                                : database->whyUnusable();
  if (!unusable.empty()) {
    session.warning("tuning database '" + path + "' is not used: " + unusable);
    return none;
  }
  session.say("schedules measured for this machine are read from '" + path + "'");
  return " tuning-db={" + path + "} tuning-device=" + setting.device +
         " tuning-processors=" + std::to_string(setting.processors) +
         " tuning-library=" + setting.library;
}

} // namespace stoop::driver
