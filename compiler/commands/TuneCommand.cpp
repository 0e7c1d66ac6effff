//===- TuneCommand.cpp - stoop tune ---------------------------------------===//
//
// Measures the kernels of a checkpoint's shapes on this machine's CPU or GPU and adds the best schedules to
// a tuning database; without a GPU, predicts which would be. Needs no weights: config.json says their shapes.
//
//===----------------------------------------------------------------------===//
#include "compiler/commands/Command.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Tuning.h"
#include "compiler/tune/CpuEngine.h"
#include "compiler/tune/GpuEngine.h"
#include "compiler/tune/PredictEngine.h"
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
#include <map>

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
  int chooseModel(Session &session, bool isGiven);
  int openCpu(Session &session);
  int openGpu(Session &session);
  int openModel(Session &session, plan::ProgramOp program);
  bool isDone(tune::TuneTask &task) const;
  int measure(Session &session, plan::ProgramOp program);
  void print(const std::vector<tuning::Entry> &entries, double seconds) const;

  OutputOptions output;
  ModelOptions model;
  CompileOptions options;
  double timeLimit = 120;
  bool isPredicting = false; ///< for a GPU, and there is none
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
  if (isGiven && options.cudaArchitectures.size() != 1) {
    session.error("--cuda-arch: tune measures one architecture at a time");
    return ExitUsage;
  }
  std::vector<codegen::LocalGpu> gpus = codegen::localGpus();
  if (gpus.empty())
    return chooseModel(session, isGiven);
  if (!options.tuningDevice.empty()) {
    session.error("--tuning-device says whose measurements to use; tune measures the GPU that is here");
    return ExitUsage;
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

/// The architecture and machine of the roofline's table to predict for: --tuning-device, else the best that code for the given
/// architecture, or for the newest one with a machine, runs on.
int TuneCommand::chooseModel(Session &session, bool isGiven) {
  isPredicting = true;
  std::string known, machine;
  for (const kernels::GpuArchitecture &architecture : kernels::gpuArchitectures())
    for (const report::GpuModel &gpu : report::gpuModels(architecture.name, "bf16")) {
      std::string device = tuning::deviceName(gpu.name);
      bool isWanted = (options.tuningDevice.empty() || options.tuningDevice == device) &&
                      (!isGiven || options.cudaArchitectures.front() == architecture.name);
      known += (known.empty() ? "" : ", ") + device + " (" + architecture.name.str() + ")";
      if (!isWanted)
        continue;
      machine = device;
      setting = gpuSetting(device, gpu.multiprocessors, architecture.name);
    }
  if (machine.empty()) {
    session.error("there is no CUDA driver or it finds no GPU, and no machine of the model is the one that is asked for "
                  "(--tuning-device, --cuda-arch); it knows " + known);
    return ExitMachine;
  }
  options.cudaArchitectures = {setting.level};
  options.tuningDevice.clear();
  session.warning("there is no CUDA driver or it finds no GPU: schedules are ranked by a model of " + machine + ", " +
                  setting.level + ", and marked as predicted; what is measured on a GPU later takes their place");
  return ExitOk;
}

int TuneCommand::run(const CLI::App &app) {
  Session session(output);
  if (int code = prepare(session, app.count("--cuda-arch") != 0))
    return code;
  Compilation compilation(session, model, options, flagLedger(app));
  if (int code = compilation.configure())
    return code;
  if (int code = options.target != "cuda" ? openCpu(session) : isPredicting ? ExitOk : openGpu(session))
    return code;
  // A file that cannot be is said before the work.
  if (llvm::Error failed = database.write(path)) {
    session.error(std::move(failed));
    return ExitBadInput;
  }
  if (failed(compilation.fromCheckpoint(Phase::Planned)))
    return compilation.failureCode();
  plan::ProgramOp program = *compilation.module().getOps<plan::ProgramOp>().begin();
  if (isPredicting)
    if (int code = openModel(session, program))
      return code;
  return measure(session, program);
}

int TuneCommand::openModel(Session &session, plan::ProgramOp program) {
  auto dtype = program.getMetadata().getAs<StringAttr>("dtype");
  for (const report::GpuModel &gpu : report::gpuModels(setting.level, dtype ? dtype.getValue() : "f32"))
    if (tuning::deviceName(gpu.name) == setting.device)
      engine = std::make_unique<tune::PredictEngine>(gpu, *kernels::findGpuArchitecture(setting.level), output.jobs);
  return ExitOk;
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

/// Whether the database has what this run would find out.
bool TuneCommand::isDone(tune::TuneTask &task) const {
  const tuning::Entry *entry = database.find(setting, task.kernel.getSchedule().getTemplateName(), task.region, task.rows,
                                             [](int64_t) { return false; });
  return entry && entry->setting == setting && (isPredicting || !entry->predicted);
}

int TuneCommand::measure(Session &session, plan::ProgramOp program) {
  double load = 0;
  if (!isPredicting && getloadavg(&load, 1) == 1 && load > kQuiet)
    session.warning(llvm::formatv("the load average is {0:f2}: what else runs disturbs the measurement",
                                  load).str());
  auto begin = std::chrono::steady_clock::now();
  auto elapsed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const schedule::TargetInfo &target = *schedule::findTarget(options.target);
  tune::TuneLoop loop(*engine, {&target, setting});
  std::vector<tune::TuneTask> tasks =
      tune::collectTasks(program, target);
  // What an earlier run had no time for comes first.
  std::stable_partition(tasks.begin(), tasks.end(), [&](tune::TuneTask &task) { return !isDone(task); });
  std::vector<tuning::Entry> entries;
  {
    ProgressStep step(session.progressStyle(), isPredicting ? "predicting kernels" : "measuring kernels", tasks.size(),
                      /*bytes=*/false, timeLimit);
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

/// How many candidates were rejected for each reason.
static std::map<std::string, int64_t> countReasons(const tuning::Entry &entry) {
  std::map<std::string, int64_t> counts;
  for (const tuning::Rejection &rejection : entry.rejected)
    ++counts[tuning::reasonName(rejection.reason)];
  return counts;
}

/// "12 of 40 rejected: 8 NOT_LEGAL, 4 NO_ROOM".
static std::string rejectedText(const tuning::Entry &entry) {
  std::string text;
  for (const auto &[reason, count] : countReasons(entry))
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + reason;
  return std::to_string(entry.rejected.size()) + " of " + std::to_string(entry.candidates) + " rejected" +
         (text.empty() ? "" : ": " + text);
}

static llvm::json::Object reasonsJson(const tuning::Entry &entry) {
  llvm::json::Object object;
  for (const auto &[reason, count] : countReasons(entry))
    object[reason] = count;
  return object;
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
                                           {"launches", entry.launches},
                                           {"predicted", entry.predicted},
                                           {"candidates", entry.candidates},
                                           {"rejected", static_cast<int64_t>(entry.rejected.size())},
                                           {"rejected_by_reason", reasonsJson(entry)}});
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
    std::string chosen, of = entry.launches ? " a step of " + std::to_string(entry.launches) + " launches" : "";
    for (const auto &[name, value] : entry.tunables)
      chosen += " " + name + "=" + std::to_string(value);
    llvm::outs() << llvm::formatv("{0,4} rows  {1}{2,10:f1} us{3}, heuristic {4,10:f1} us  {5}{6}\n      {7}\n      {8}\n", entry.rows,
                                  entry.predicted ? "predicted " : "", entry.measured.median / 1e3, of,
                                  entry.heuristic.median / 1e3, entry.kernelTemplate, chosen, entry.summary, rejectedText(entry));
    // One of each reason: many values of a tunable are rejected for the same one.
    std::map<tuning::Rejection::Reason, std::string> examples;
    for (const tuning::Rejection &rejection : entry.rejected)
      examples.try_emplace(rejection.reason, rejection.detail);
    for (const auto &[reason, detail] : examples)
      llvm::outs() << "        " << tuning::reasonName(reason) << ": " << detail << "\n";
  }
  llvm::outs() << llvm::formatv("{0} kernels in {1:f1} s, written to '{2}'\n", entries.size(), seconds, path);
}

std::unique_ptr<Command> createTuneCommand() { return std::make_unique<TuneCommand>(); }

} // namespace stoop::driver
