//===- Tuning.cpp - the tuning database of a compilation ------------------===//
//
// Measurements are of one CPU or GPU: a program that is compiled for several levels, or for another machine
// than the database's, has heuristic schedules, and the user is told.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Tuning.h"

#include "codegen/cpu/CpuLevels.h"
#include "codegen/cuda/LocalGpus.h"
#include "codegen/cuda/NvrtcCompiler.h"
#include "passes/schedule/DatabaseProvider.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringExtras.h"
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

tuning::Setting gpuSetting(llvm::StringRef device, unsigned multiprocessors,
                           llvm::StringRef architecture) {
  llvm::Expected<const codegen::Nvrtc *> nvrtc = codegen::Nvrtc::get();
  if (!nvrtc) {
    llvm::consumeError(nvrtc.takeError());
    return {tuning::deviceName(device), multiprocessors, architecture.str(), ""};
  }
  std::string sources = "nvrtc " + (*nvrtc)->version();
  for (const kernels::GpuSource &source : kernels::gpuSources())
    sources += (source.path + "\n" + source.text).str();
  return {tuning::deviceName(device), multiprocessors, architecture.str(), tuning::libraryHash(sources)};
}

/// The GPU to compile for: the one that is named, this machine's, or the only one with measurements for the
/// architecture; else any that is predicted. Says in `unusable` why there is none.
static tuning::Setting findGpu(const tuning::TuningDatabase &database, llvm::StringRef named,
                               llvm::StringRef architecture, std::string &unusable) {
  std::string device = named.str();
  unsigned multiprocessors = 0;
  if (named.empty())
    for (const codegen::LocalGpu &gpu : codegen::localGpus())
      if (device.empty() && kernels::findGpuArchitecture(architecture)->runsOn(gpu.capability)) {
        device = tuning::deviceName(gpu.name);
        multiprocessors = gpu.multiprocessors;
      }
  llvm::SetVector<llvm::StringRef> measured;
  for (const tuning::Entry &entry : database.entries())
    if (entry.setting.level == architecture && !entry.predicted)
      measured.insert(entry.setting.device);
  if (device.empty() && measured.size() == 1)
    device = measured.front().str();
  if (device.empty() && !measured.empty())
    unusable = "it was measured on " + llvm::join(measured, ", ") + "; --tuning-device says which to take";
  for (const tuning::Entry &entry : database.entries())
    if (device.empty() && entry.predicted && entry.setting.level == architecture)
      device = entry.setting.device;
  for (const tuning::Entry &entry : database.entries())
    if (!multiprocessors && entry.setting.level == architecture && entry.setting.device == device)
      multiprocessors = entry.setting.processors;
  return gpuSetting(device, multiprocessors, architecture);
}

FailureOr<std::string> tuningOptions(Session &session, const CompileOptions &options,
                                     llvm::ArrayRef<std::string> levels) {
  const std::string &given = options.tuningDb;
  std::string path = given.empty() ? userTuningDatabase() : given, none;
  if (path.empty() || given == "none" || (given.empty() && !llvm::sys::fs::exists(path)))
    return none;
  // The name becomes part of a pass pipeline's options.
  if (path.find_first_of("{}'\"") != std::string::npos) {
    session.error("--tuning-db: '" + path + "': the name of a tuning database has no braces or quotes");
    return failure();
  }
  const schedule::TargetInfo &target = *schedule::findTarget(options.target);
  bool isGpu = target.multiprocessors != 0;
  llvm::Expected<tuning::TuningDatabase> records = tuning::TuningDatabase::read(path);
  if (!records) {
    session.error(records.takeError());
    return failure();
  }
  bool isAbout = llvm::any_of(records->entries(), [&](const tuning::Entry &entry) {
    return target.findLevel(entry.setting.level);
  });
  if (given.empty() && !isAbout) // the user's database, filled for other targets
    return none;
  std::string unusable;
  llvm::StringRef level = schedule::commonLevel(levels);
  if (level.empty())
    unusable = isGpu ? "the program is compiled for several architectures (--cuda-arch)"
                     : "the program is compiled for several CPU levels";
  tuning::Setting setting = level.empty() ? tuning::Setting()
                            : isGpu ? findGpu(*records, options.tuningDevice, level, unusable)
                                    : hostSetting(level);
  llvm::Expected<schedule::DatabaseProvider> database =
      schedule::DatabaseProvider::of(std::move(*records), path, target, setting);
  if (!database) {
    session.error(database.takeError());
    return failure();
  }
  if (unusable.empty() && !database->isUsable())
    unusable = database->whyUnusable();
  if (!unusable.empty()) {
    session.warning("tuning database '" + path + "' is not used: " + unusable);
    return none;
  }
  session.say(database->isPredicted() ? "schedules predicted for " + setting.level + ", not measured, are read from '" + path + "'"
                                      : "schedules measured for " + std::string(isGpu ? setting.device : "this machine") +
                                            " are read from '" + path + "'");
  return " tuning-db={" + path + "} tuning-device=" + setting.device +
         " tuning-processors=" + std::to_string(setting.processors) +
         " tuning-library=" + setting.library;
}

} // namespace stoop::driver
