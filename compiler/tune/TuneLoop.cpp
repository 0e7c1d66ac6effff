//===- TuneLoop.cpp - search of schedules by measuring --------------------===//
#include "compiler/tune/TuneLoop.h"

#include "codegen/ParallelJobs.h"
#include "codegen/cpu/DescribeKernel.h"
#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "passes/tuning/Fingerprint.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include <chrono>

using namespace mlir;

namespace stoop::tune {

/// Memory that the copies of a kernel's weights take at most, several times any cache; less for a
/// program whose weights are fewer.
static constexpr uint64_t kStreamBytes = 384u << 20;
static constexpr unsigned kLeastRounds = 3, kMostRounds = 15;
/// What a candidate has to gain.
static constexpr double kLeastGain = 0.01;

static int64_t rowsOf(plan::KernelOp kernel) {
  int64_t rows = 0;
  kernel.walk([&](lm::LinearOp linear) { rows = linear.getType().getDimSize(0); });
  return rows;
}

std::vector<TuneTask> collectTasks(plan::ProgramOp program, const schedule::TargetInfo &target) {
  plan::EntryOp longest;
  for (auto entry : program.getOps<plan::EntryOp>())
    if (entry.getKind() == plan::EntryKind::Prefill && (!longest || entry.getRows() > longest.getRows()))
      longest = entry;
  std::vector<TuneTask> tasks;
  llvm::StringSet<> seen;
  for (auto entry : program.getOps<plan::EntryOp>()) {
    if (entry.getKind() != plan::EntryKind::Decode && entry != longest)
      continue;
    for (auto launch : entry.getOps<plan::LaunchOp>()) {
      auto kernel = program.lookupSymbol<plan::KernelOp>(launch.getKernel());
      const schedule::TemplateInfo *known =
          target.findTemplate(kernel.getSchedule().getTemplateName());
      int64_t rows = rowsOf(kernel);
      if (!known || searchAxes(*known, rows).empty())
        continue;
      std::string region = tuning::fingerprint(kernel.getBody(), program.getMetadata());
      if (seen.insert(region + "," + std::to_string(rows)).second)
        tasks.push_back({kernel, launch, rows, region, tuning::summary(kernel.getBody())});
    }
  }
  return tasks;
}

std::vector<Axis> searchAxes(const schedule::TemplateInfo &kernel, int64_t rows) {
  std::vector<Axis> axes;
  for (const schedule::TunableInfo &tunable : kernel.tunables) {
    Axis axis{tunable.name.str(), {tunable.candidates.begin(), tunable.candidates.end()}};
    if (schedule::TemplateInfo::applies(tunable, rows) && !axis.values.empty())
      axes.push_back(std::move(axis));
  }
  return axes;
}

/// One choice of tunables on its way from values to times.
struct TuneLoop::Candidate {
  tuning::Tunables tunables;
  codegen::KernelSpec spec;
  std::optional<RunnableKernel> kernel;
  std::string problem; ///< why there is no kernel
  std::vector<uint64_t> samples;
};

static constexpr const char *kSymbol = "stoop_candidate";

/// Describes all (MLIR, one thread), then compiles them on a few.
void TuneLoop::compile(std::vector<Candidate> &candidates, TuneTask task) const {
  plan::KernelOp kernel = task.kernel;
  plan::ScheduleAttr before = kernel.getSchedule();
  Builder builder(kernel.getContext());
  for (Candidate &candidate : candidates) {
    SmallVector<NamedAttribute> tunables;
    for (const auto &[name, value] : candidate.tunables)
      tunables.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
    kernel.setScheduleAttr(plan::ScheduleAttr::get(kernel.getContext(), before.getTemplateName(),
                                                   "forced", builder.getDictionaryAttr(tunables)));
    FailureOr<codegen::KernelSpec> spec = codegen::describeKernel(kernel);
    if (failed(spec))
      candidate.problem = "cannot be described";
    else
      candidate.spec = std::move(*spec);
    if (options.alter)
      options.alter(candidate.tunables, candidate.spec);
  }
  kernel.setScheduleAttr(before);
  codegen::CompileOptions parallel;
  parallel.numThreads = options.jobs;
  codegen::runJobs(candidates, parallel, [&](Candidate &candidate) {
    if (!candidate.problem.empty() || candidate.kernel)
      return;
    llvm::Expected<std::string> object =
        codegen::specializeCached(candidate.spec, *options.level, {std::string(kSymbol)});
    llvm::Expected<codegen::LoadedCode> code =
        object ? codegen::LoadedCode::load(*object, kSymbol)
               : llvm::Expected<codegen::LoadedCode>(object.takeError());
    if (code)
      candidate.kernel.emplace(RunnableKernel{std::move(*code), candidate.spec.scratchBytes});
    else
      candidate.problem = llvm::toString(code.takeError());
  });
}

/// Runs a candidate once; an error says how its results differ.
llvm::Error TuneLoop::check(Candidate &candidate, const std::string &expected, Workload &work,
                            int64_t rows) {
  work.reset();
  machine.run(*candidate.kernel, work.buffers(0), rows);
  std::string difference = work.difference(expected, work.results());
  return difference.empty() ? llvm::Error::success() : llvm::createStringError(difference);
}

namespace {
/// Time that is left of a span.
class Deadline {
public:
  explicit Deadline(double seconds)
      : end(std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds)) {}
  double left() const {
    return std::chrono::duration<double>(end - std::chrono::steady_clock::now()).count();
  }

private:
  std::chrono::time_point<std::chrono::steady_clock, std::chrono::duration<double>> end;
};
} // namespace

static tuning::Tunables tunablesOf(plan::ScheduleAttr schedule) {
  tuning::Tunables tunables;
  for (NamedAttribute attribute : schedule.getTunables())
    tunables.push_back(
        {attribute.getName().str(), cast<IntegerAttr>(attribute.getValue()).getInt()});
  return tunables;
}

static tuning::Tunables with(tuning::Tunables tunables, const std::string &name, int64_t value) {
  for (auto &[known, current] : tunables)
    if (known == name)
      current = value;
  return tunables;
}

llvm::Expected<tuning::Entry> TuneLoop::tune(TuneTask task, double seconds) {
  Deadline deadline(seconds);
  auto program = task.kernel->getParentOfType<plan::ProgramOp>();
  uint64_t weights = 0;
  for (auto arena : program.getOps<plan::ArenaOp>())
    if (arena.getLifetime() == plan::Lifetime::Constant)
      weights += arena.getSize();
  Workload work(task.kernel, task.launch, std::min(kStreamBytes, weights), options.seed);

  tuning::Entry entry;
  entry.setting = options.setting;
  entry.kernelTemplate = task.kernel.getSchedule().getTemplateName().str();
  entry.region = task.region;
  entry.rows = task.rows;
  entry.summary = task.summary;

  std::vector<Candidate> first(1);
  first.front().tunables = tunablesOf(task.kernel.getSchedule());
  compile(first, task);
  if (!first.front().kernel)
    return llvm::createStringError(entry.describe() + ": " + first.front().problem);
  work.reset();
  machine.run(*first.front().kernel, work.buffers(0), task.rows);
  const std::string expected = work.results();
  if (std::string problem = work.difference(expected, expected); !problem.empty())
    return llvm::createStringError(entry.describe() + ": the heuristic kernel's results are not finite: " +
                                   problem);

  Candidate heuristic = std::move(first.front());
  std::optional<Candidate> found; // better than the heuristic
  const schedule::TemplateInfo &kernel = *options.target->findTemplate(entry.kernelTemplate);
  std::vector<Axis> axes = searchAxes(kernel, task.rows);
  for (size_t index = 0; index < axes.size() && (index == 0 || deadline.left() > 0); ++index) {
    const Axis &axis = axes[index];
    Candidate &best = found ? *found : heuristic;
    std::vector<Candidate> others;
    for (int64_t value : axis.values)
      if (tuning::Tunables next = with(best.tunables, axis.tunable, value); next != best.tunables)
        others.emplace_back().tunables = std::move(next);
    compile(others, task);
    std::vector<Candidate *> timed = {&best};
    for (Candidate &candidate : others) {
      if (!candidate.kernel) {
        entry.rejected.push_back({candidate.tunables, tuning::Rejection::NotCompiled, candidate.problem});
        continue;
      }
      // What the tunable does not change is no candidate.
      if (candidate.spec == best.spec)
        continue;
      if (llvm::Error wrong = check(candidate, expected, work, task.rows))
        entry.rejected.push_back(
            {candidate.tunables, tuning::Rejection::WrongResult, llvm::toString(std::move(wrong))});
      else
        timed.push_back(&candidate);
    }
    if (timed.size() == 1)
      continue;
    best.samples.clear();
    double share = deadline.left() / static_cast<double>(axes.size() - index);
    Deadline axisEnd(share);
    auto goesOn = [&](unsigned round) {
      return round == 0 || (round < kLeastRounds ? deadline.left() > 0 : axisEnd.left() > 0);
    };
    for (unsigned round = 0; round < kMostRounds && goesOn(round); ++round)
      for (Candidate *candidate : timed)
        candidate->samples.push_back(machine.time(*candidate->kernel, work, task.rows));
    Candidate *winner = *std::min_element(timed.begin(), timed.end(), [](Candidate *a, Candidate *b) {
      return summarize(a->samples).median < summarize(b->samples).median;
    });
    double limit = (1 - kLeastGain) * static_cast<double>(summarize(best.samples).median);
    if (winner != &best && static_cast<double>(summarize(winner->samples).median) < limit) {
      Candidate next = std::move(*winner);
      found.emplace(std::move(next));
    }
  }

  // What the record says is measured once more, the two in turn.
  Candidate &chosen = found ? *found : heuristic;
  std::vector<uint64_t> ours, theirs;
  for (unsigned round = 0; round < kMostRounds && (round < kLeastRounds || deadline.left() > 0); ++round) {
    ours.push_back(machine.time(*chosen.kernel, work, task.rows));
    if (found)
      theirs.push_back(machine.time(*heuristic.kernel, work, task.rows));
  }
  entry.measured = summarize(std::move(ours));
  entry.heuristic = found ? summarize(std::move(theirs)) : entry.measured;
  entry.tunables = chosen.tunables;
  if (found && entry.measured.median >= entry.heuristic.median) { // it was chance
    entry.tunables = heuristic.tunables;
    entry.measured = entry.heuristic;
  }
  return entry;
}

} // namespace stoop::tune
