//===- TuneCommand.cpp - stoop tune ---------------------------------------===//
//
// Measures the kernels of a checkpoint's shapes on this machine's CPU or GPU and adds the best schedules to
// a tuning database. Needs no weights: config.json says their shapes.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/Command.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Tuning.h"
#include "compiler/tune/CpuEngine.h"
#include "compiler/tune/GpuEngine.h"
#include "compiler/tune/TuneLoop.h"
#include "codegen/cpu/CpuLevels.h"
#include "codegen/cuda/LocalGpus.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdlib>

using namespace mlir;

namespace stoop::driver {

/// Load average above which others disturb the measurement.
static constexpr double kQuiet = 0.5;

namespace {

class TuneCommand : public Command {
public:
  void declare(CLI::App &app) override;
  int run(const CLI::App &app) override;

private:
  int prepare(Session &session, bool isArchitectureGiven);
  int chooseArchitecture(Session &session, bool isGiven);
  int openCpu(Session &session);
  int openGpu(Session &session);
  int measure(Session &session, ModuleOp module);
  void print(const std::vector<tuning::Entry> &entries, double seconds) const;

  OutputOptions output;
  ModelOptions model;
  CompileOptions options;
  double timeLimit = 120;
  std::string path;
  std::unique_ptr<tune::Engine> engine;
  tuning::Setting setting;
  tuning::TuningDatabase database;
};

} // namespace

void TuneCommand::declare(CLI::App &app) {
  declareModelOptions(app, model, /*required=*/true);
  app.get_option("CHECKPOINT")->description("directory in Hugging Face layout, or a config.json alone");
  model.configAlone = true;
  declareCompileOptions(app, options);
  app.get_option("--tuning-db")
      ->description("file that schedules are added to (default: the user's database)");
  app.add_option("--time-limit", timeLimit, "seconds; kernels that it leaves no time for are not tuned")
      ->check(CLI::Range(1.0, 86400.0))
      ->capture_default_str();
  declareOutputOptions(app, output);
}

/// Checks what has nothing to do with the model, and reads what the database holds already.
int TuneCommand::prepare(Session &session, bool isArchitectureGiven) {
  if (options.target == "cuda")
    if (int code = chooseArchitecture(session, isArchitectureGiven))
      return code;
  path = options.tuningDb.empty() ? userTuningDatabase() : options.tuningDb;
  if (path.empty() || path == "none") {
    session.error("tune writes a database: name a file with --tuning-db");
    return ExitUsage;
  }
  options.tuningDb = "none"; // candidates start from heuristics
  if (llvm::sys::fs::exists(path)) {
    llvm::Expected<tuning::TuningDatabase> read = tuning::TuningDatabase::read(path);
    if (!read) {
      session.error(read.takeError());
      return ExitBadInput;
    }
    database = std::move(*read);
  }
  return ExitOk;
}

/// The architecture to measure for, unless one is given the best that the first GPU runs.
int TuneCommand::chooseArchitecture(Session &session, bool isGiven) {
  if (!options.tuningDevice.empty()) {
    session.error("--tuning-device says whose measurements to use; tune measures the GPU that is here");
    return ExitUsage;
  }
  if (isGiven && options.cudaArchitectures.size() != 1) {
    session.error("--cuda-arch: tune measures one architecture at a time");
    return ExitUsage;
  }
  std::vector<codegen::LocalGpu> gpus = codegen::localGpus();
  if (gpus.empty()) {
    session.error("tune --target cuda measures on a GPU, and there is no driver or it finds none; "
                  "'stoop plan --target cuda' predicts times without");
    return ExitMachine;
  }
  if (isGiven)
    return ExitOk;
  options.cudaArchitectures.clear();
  for (const kernels::GpuArchitecture &architecture : kernels::gpuArchitectures())
    if (architecture.runsOn(gpus.front().capability))
      options.cudaArchitectures = {architecture.name.str()};
  if (!options.cudaArchitectures.empty())
    return ExitOk;
  session.error("no known architecture runs on the GPU '" + gpus.front().name + "'; 'stoop targets' lists them");
  return ExitMachine;
}

int TuneCommand::run(const CLI::App &app) {
  Session session(output);
  if (int code = prepare(session, app.count("--cuda-arch") != 0))
    return code;
  Compilation compilation(session, model, options, flagLedger(app));
  if (int code = compilation.configure())
    return code;
  if (int code = options.target == "cuda" ? openGpu(session) : openCpu(session))
    return code;
  // A file that cannot be is said before the work.
  if (llvm::Error failed = database.write(path)) {
    session.error(std::move(failed));
    return ExitBadInput;
  }
  if (failed(compilation.fromCheckpoint(Phase::Planned)))
    return compilation.failureCode();
  return measure(session, compilation.module());
}

int TuneCommand::openGpu(Session &session) {
  const kernels::GpuArchitecture *architecture =
      kernels::findGpuArchitecture(options.cudaArchitectures.front());
  if (!architecture) {
    session.error("--cuda-arch: tune measures machine code, of one architecture at a time");
    return ExitUsage;
  }
  llvm::Expected<std::unique_ptr<tune::GpuEngine>> gpu = tune::GpuEngine::open(*architecture, output.jobs);
  if (!gpu) {
    session.error(gpu.takeError());
    return ExitMachine;
  }
  setting = gpuSetting((*gpu)->deviceName(), (*gpu)->multiprocessors(), architecture->name);
  engine = std::move(*gpu);
  return ExitOk;
}

int TuneCommand::openCpu(Session &session) {
  llvm::Expected<llvm::SmallVector<const kernels::KernelLevel *>> levels =
      codegen::resolveTargetCpu(llvm::join(options.targetCpus, ","));
  if (!levels || levels->size() != 1) {
    llvm::consumeError(levels.takeError());
    session.error("--target-cpu: tune measures one CPU level at a time");
    return ExitUsage;
  }
  const kernels::KernelLevel *level = levels->front();
  if (uint64_t missing = level->required & ~codegen::detectCpuFeatures()) {
    session.error("--target-cpu: this machine cannot run level " + level->name + ": it lacks " +
                  codegen::describeFeatures(missing));
    return ExitMachine;
  }
  setting = hostSetting(level->name);
  llvm::Expected<std::unique_ptr<tune::CpuEngine>> cpu =
      tune::CpuEngine::start(*level, setting.processors, output.jobs);
  if (!cpu) {
    session.error(cpu.takeError());
    return ExitMachine;
  }
  engine = std::move(*cpu);
  return ExitOk;
}

/// Today in UTC.
static std::string today() {
  std::time_t now = std::time(nullptr);
  char text[16];
  std::strftime(text, sizeof text, "%Y-%m-%d", std::gmtime(&now));
  return text;
}

int TuneCommand::measure(Session &session, ModuleOp module) {
  double load = 0;
  if (getloadavg(&load, 1) == 1 && load > kQuiet)
    session.warning(llvm::formatv("the load average is {0:f2}: what else runs disturbs the measurement",
                                  load).str());
  auto begin = std::chrono::steady_clock::now();
  auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const schedule::TargetInfo &target = *schedule::findTarget(options.target);
  tune::TuneLoop loop(*engine, {&target, setting});
  std::vector<tune::TuneTask> tasks =
      tune::collectTasks(*module.getOps<plan::ProgramOp>().begin(), target);
  // What an earlier run had no time for comes first.
  std::stable_partition(tasks.begin(), tasks.end(), [&](tune::TuneTask &task) {
    return !database.find(setting, task.kernel.getSchedule().getTemplateName(), task.region, task.rows,
                          [](int64_t) { return false; });
  });
  std::vector<tuning::Entry> entries;
  {
    ProgressStep step(session.progressStyle(), "measuring kernels", tasks.size());
    for (size_t i = 0; i < tasks.size() && elapsed() < timeLimit; ++i) {
      llvm::Expected<tuning::Entry> entry =
          loop.tune(tasks[i], (timeLimit - elapsed()) / static_cast<double>(tasks.size() - i));
      if (!entry) {
        session.error(entry.takeError());
        return ExitBadInput;
      }
      entry->stoop = STOOP_VERSION;
      entry->date = today();
      database.add(*entry);
      entries.push_back(std::move(*entry));
      // A run that is ended keeps what it has measured.
      if (llvm::Error failed = database.write(path)) {
        session.error(std::move(failed));
        return ExitBadInput;
      }
      step.advance(i + 1);
    }
  }
  if (entries.size() < tasks.size())
    session.warning("--time-limit " + llvm::formatv("{0:f0}", timeLimit).str() + " left no time for " +
                    llvm::Twine(tasks.size() - entries.size()) + " of " + llvm::Twine(tasks.size()) +
                    " kernels; another run begins with those");
  print(entries, elapsed());
  return ExitOk;
}

static llvm::json::Object toJson(const tuning::Tunables &tunables) {
  llvm::json::Object object;
  for (const auto &[name, value] : tunables)
    object[name] = value;
  return object;
}

static llvm::json::Object toJson(const tuning::Times &times) {
  return llvm::json::Object{{"median_ns", times.median},
                            {"p10_ns", times.p10},
                            {"p90_ns", times.p90},
                            {"count", times.count}};
}

void TuneCommand::print(const std::vector<tuning::Entry> &entries, double seconds) const {
  if (output.json) {
    llvm::json::Array kernels;
    for (const tuning::Entry &entry : entries)
      kernels.push_back(llvm::json::Object{{"template", entry.kernelTemplate},
                                           {"rows", entry.rows},
                                           {"region", entry.region},
                                           {"summary", entry.summary},
                                           {"tunables", toJson(entry.tunables)},
                                           {"measured", toJson(entry.measured)},
                                           {"heuristic", toJson(entry.heuristic)},
                                           {"rejected", static_cast<int64_t>(entry.rejected.size())}});
    llvm::json::Object document{{"schema_version", 1},
                                {"database", path},
                                {"level", setting.level},
                                {"device", setting.device},
                                {"seconds", seconds},
                                {"kernels", std::move(kernels)}};
    llvm::outs() << llvm::formatv("{0:2}", llvm::json::Value(std::move(document))) << "\n";
    return;
  }
  for (const tuning::Entry &entry : entries) {
    std::string chosen;
    for (const auto &[name, value] : entry.tunables)
      chosen += " " + name + "=" + std::to_string(value);
    llvm::outs() << llvm::formatv(
        "{0,4} rows  {1,10:f1} us, heuristic {2,10:f1} us  {3}{4}\n      {5}\n", entry.rows,
        entry.measured.median / 1e3, entry.heuristic.median / 1e3, entry.kernelTemplate, chosen, entry.summary);
    for (const tuning::Rejection &rejection : entry.rejected)
      llvm::outs() << "      rejected: " << rejection.detail << "\n";
  }
  llvm::outs() << llvm::formatv("{0} kernels in {1:f1} s, written to '{2}'\n", entries.size(), seconds, path);
}

std::unique_ptr<Command> createTuneCommand() { return std::make_unique<TuneCommand>(); }

} // namespace stoop::driver
