//===- TuneLoop.cpp - search of schedules by measuring --------------------===//
#include "compiler/tune/TuneLoop.h"

#include "ir/lm/LmOps.h"
#include "ir/support/DType.h"
#include "passes/tuning/Fingerprint.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringSet.h"
#include <chrono>

using namespace mlir;

namespace stoop::tune {

static constexpr unsigned kLeastRounds = 3, kMostRounds = 15;

/// Rows of the region's linears, or of its attention.
static int64_t rowsOf(plan::KernelOp kernel) {
  int64_t rows = 0;
  kernel.walk([&](lm::LinearOp linear) { rows = linear.getType().getDimSize(0); });
  kernel.walk([&](lm::AttentionOp attention) { rows = attention.getType().getDimSize(0); });
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

/// A range of as many values is tried whole, a longer one by doubling.
static constexpr int64_t kMostListed = 16;

/// The values of an axis.
static std::vector<int64_t> valuesOf(const schedule::TunableInfo &tunable) {
  if (!tunable.candidates.empty())
    return tunable.candidates.vec();
  std::vector<int64_t> values;
  bool isShort = (tunable.most - tunable.least) / tunable.step < kMostListed;
  for (int64_t value = tunable.least; value <= tunable.most;
       value = isShort ? value + tunable.step : 2 * value)
    if (tunable.holds(value))
      values.push_back(value);
  return values;
}

std::vector<Axis> searchAxes(const schedule::TemplateInfo &kernel, int64_t rows) {
  std::vector<Axis> axes;
  for (const schedule::TunableInfo &tunable : kernel.tunables)
    if (schedule::TemplateInfo::applies(tunable, rows))
      axes.push_back({tunable.name.str(), valuesOf(tunable)});
  return axes;
}

void withSchedule(plan::KernelOp kernel, const tuning::Tunables &tunables,
                  llvm::function_ref<void()> describe) {
  plan::ScheduleAttr before = kernel.getSchedule();
  Builder builder(kernel.getContext());
  SmallVector<NamedAttribute> attributes;
  for (const auto &[name, value] : tunables)
    attributes.push_back(builder.getNamedAttr(name, builder.getI64IntegerAttr(value)));
  kernel.setScheduleAttr(plan::ScheduleAttr::get(kernel.getContext(), before.getTemplateName(), "forced",
                                                 builder.getDictionaryAttr(attributes)));
  describe();
  kernel.setScheduleAttr(before);
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

namespace {
/// The search for one kernel.
class Search {
public:
  Search(Engine &engine, const TuneOptions &options, TuneTask task, double seconds);
  llvm::Expected<tuning::Entry> run();

private:
  llvm::Error start();
  llvm::Error searchAxis(const Axis &axis, double share);
  std::vector<Candidate *> rightOnes(std::vector<Candidate> &others, const Candidate &best);
  llvm::Error sampleInTurn(ArrayRef<Candidate *> candidates, unsigned least, const Deadline &until);
  llvm::Error measureChosen();

  Candidate &best() { return found ? *found : heuristic; }

  Engine &engine;
  const TuneOptions &options;
  TuneTask task;
  Deadline deadline;
  std::optional<Workload> work; ///< if candidates are run
  tuning::Entry entry;
  std::string expected; ///< results of the heuristic kernel
  Candidate heuristic;
  std::optional<Candidate> found; ///< better than the heuristic
};
} // namespace

static uint64_t weightBytes(plan::KernelOp kernel) {
  uint64_t bytes = 0;
  for (auto arena : kernel->getParentOfType<plan::ProgramOp>().getOps<plan::ArenaOp>())
    if (arena.getLifetime() == plan::Lifetime::Constant)
      bytes += arena.getSize();
  return bytes;
}

Search::Search(Engine &engine, const TuneOptions &options, TuneTask task, double seconds)
    : engine(engine), options(options), task(task), deadline(seconds) {
  if (engine.runs())
    work.emplace(task.kernel, task.launch, std::min(engine.streamBytes(), weightBytes(task.kernel)), options.seed);
  entry.setting = options.setting;
  entry.kernelTemplate = task.kernel.getSchedule().getTemplateName().str();
  entry.region = task.region;
  entry.rows = task.rows;
  entry.summary = task.summary;
  entry.predicted = !engine.runs();
  entry.candidates = 1; // the heuristic's
}

/// The heuristic kernel, whose results all others have to give.
llvm::Error Search::start() {
  std::vector<Candidate> first(1);
  first.front().tunables = tunablesOf(task.kernel.getSchedule());
  engine.compile(first, task.kernel);
  heuristic = std::move(first.front());
  if (!heuristic.code)
    return llvm::createStringError(entry.describe() + ": " + heuristic.problem);
  if (!work)
    return llvm::Error::success();
  if (llvm::Error failed = engine.run(*heuristic.code, *work, task.rows))
    return failed;
  expected = work->results();
  if (std::string problem = work->difference(expected, expected); !problem.empty())
    return llvm::createStringError(entry.describe() + ": the heuristic kernel's results are not finite: " +
                                   problem);
  return llvm::Error::success();
}

/// `least` samples of each whatever the time; kLeastRounds if there is time at all, more until `until`. A clock that counts, the
/// virtual GPU's or a model's, says the same each time: then two rounds tell all.
llvm::Error Search::sampleInTurn(ArrayRef<Candidate *> candidates, unsigned least, const Deadline &until) {
  for (Candidate *candidate : candidates)
    candidate->samples.clear();
  SmallVector<const Candidate *> timed(candidates.begin(), candidates.end());
  if (llvm::Error failed = engine.prepare(timed, task.launch))
    return failed;
  auto counts = [](Candidate *candidate) { return llvm::all_equal(candidate->samples); };
  for (unsigned round = 0; round < kMostRounds; ++round) {
    bool isOver = round >= least && (round < kLeastRounds ? deadline.left() <= 0 : until.left() <= 0);
    if (isOver || (round == 2 && llvm::all_of(candidates, counts)))
      break;
    for (Candidate *candidate : candidates) {
      llvm::Expected<uint64_t> time = engine.time(*candidate, work ? &*work : nullptr, task.rows);
      if (!time)
        return time.takeError();
      candidate->samples.push_back(*time);
    }
  }
  entry.launches = engine.launchesTimed();
  return llvm::Error::success();
}

/// Those with code of their own that gives the right results; the record keeps why others do not.
std::vector<Candidate *> Search::rightOnes(std::vector<Candidate> &others, const Candidate &best) {
  std::vector<Candidate *> right;
  for (Candidate &candidate : others) {
    auto reject = [&](tuning::Rejection::Reason reason, std::string detail) {
      entry.rejected.push_back({candidate.tunables, reason, std::move(detail)});
    };
    if (!candidate.code) {
      reject(candidate.reason, candidate.problem);
      continue;
    }
    // What the tunable does not change is no candidate.
    if (candidate.code->isSameAs(*best.code))
      continue;
    if (!work) {
      right.push_back(&candidate);
      continue;
    }
    if (llvm::Error failed = engine.run(*candidate.code, *work, task.rows)) {
      reject(tuning::Rejection::LaunchFailed, llvm::toString(std::move(failed)));
      continue;
    }
    if (std::string difference = work->difference(expected, work->results()); !difference.empty())
      reject(tuning::Rejection::WrongResult, difference);
    else
      right.push_back(&candidate);
  }
  return right;
}

/// Tries the values of one axis; what is better becomes `found`.
llvm::Error Search::searchAxis(const Axis &axis, double share) {
  std::vector<Candidate> others;
  for (int64_t value : axis.values)
    if (tuning::Tunables next = with(best().tunables, axis.tunable, value); next != best().tunables)
      others.emplace_back().tunables = std::move(next);
  engine.compile(others, task.kernel);
  entry.candidates += others.size();
  std::vector<Candidate *> timed = rightOnes(others, best());
  if (timed.empty())
    return llvm::Error::success();
  timed.insert(timed.begin(), &best());
  if (llvm::Error failed = sampleInTurn(timed, 1, Deadline(share)))
    return failed;
  Candidate *winner = *std::min_element(timed.begin(), timed.end(), [](Candidate *a, Candidate *b) {
    return summarize(a->samples).median < summarize(b->samples).median;
  });
  double limit = (1 - engine.leastGain()) * static_cast<double>(summarize(best().samples).median);
  if (winner != &best() && static_cast<double>(summarize(winner->samples).median) < limit) {
    Candidate next = std::move(*winner);
    found.emplace(std::move(next));
  }
  return llvm::Error::success();
}

/// What the record says is measured once more, the two in turn.
llvm::Error Search::measureChosen() {
  SmallVector<Candidate *, 2> both = {&heuristic};
  if (found)
    both.push_back(&*found);
  if (llvm::Error failed = sampleInTurn(both, kLeastRounds, deadline))
    return failed;
  entry.measured = summarize(best().samples);
  entry.heuristic = summarize(heuristic.samples);
  if (entry.predicted) // nothing was sampled
    entry.measured.count = entry.heuristic.count = 0;
  entry.tunables = best().tunables;
  if (found && entry.measured.median >= entry.heuristic.median) { // it was chance
    entry.tunables = heuristic.tunables;
    entry.measured = entry.heuristic;
  }
  return llvm::Error::success();
}

llvm::Expected<tuning::Entry> Search::run() {
  if (llvm::Error failed = start())
    return failed;
  std::vector<Axis> axes = searchAxes(*options.target->findTemplate(entry.kernelTemplate), task.rows);
  for (size_t i = 0; i < axes.size() && (i == 0 || deadline.left() > 0); ++i)
    if (llvm::Error failed = searchAxis(axes[i], deadline.left() / static_cast<double>(axes.size() - i)))
      return failed;
  if (llvm::Error failed = measureChosen())
    return failed;
  return std::move(entry);
}

llvm::Expected<tuning::Entry> TuneLoop::tune(TuneTask task, double seconds) {
  return Search(engine, options, std::move(task), seconds).run();
}

tuning::Times summarize(std::vector<uint64_t> samples) {
  std::sort(samples.begin(), samples.end());
  auto at = [&](double share) {
    return samples[static_cast<size_t>(share * static_cast<double>(samples.size() - 1) + 0.5)];
  };
  if (samples.empty())
    return {};
  return {at(0.5), at(0.1), at(0.9), static_cast<unsigned>(samples.size())};
}

} // namespace stoop::tune
