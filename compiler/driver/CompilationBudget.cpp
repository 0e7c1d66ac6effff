//===- CompilationBudget.cpp - a program in a budget of memory ------------===//
//
// What a program takes is known to the byte once it is planned, except its code. A plan alone keeps a
// reserve for it. Where the code is going to be linked the budget counts what it takes, so that
// the context that is fitted is the largest: candidates for it are compiled and linked on the side.
//
//===----------------------------------------------------------------------===//
#include "codegen/TargetRegistry.h"
#include "compiler/driver/Compilation.h"
#include "compiler/driver/Fit.h"
#include "compiler/driver/Packaging.h"

using namespace mlir;

namespace stoop::driver {

unsigned Compilation::threads() const { return defaultThreads(compileOptions.maxThreads); }

/// Needs phase planned.
MemoryNeed Compilation::needOf(plan::ProgramOp program) const {
  MemoryNeed need{report::MemoryClasses::of(program)};
  if (need.classes.isPerThread())
    need.threads = threads();
  auto kernels = program.getOps<plan::KernelOp>();
  uint64_t numKernels = std::distance(kernels.begin(), kernels.end());
  uint64_t reserve = codegen::findTarget(compileOptions.target)->kernelCodeReserve();
  need.code = linkedCode ? linkedCode : kRuntimeReserve + numKernels * levels.size() * reserve;
  return need;
}

MemoryNeed Compilation::need() { return needOf(*module().getOps<plan::ProgramOp>().begin()); }

std::optional<uint64_t> Compilation::mostCodeBytes() {
  if (!compileOptions.memoryBudget)
    return std::nullopt;
  MemoryNeed planned = need();
  if (planned.isOnDevice())
    return std::nullopt;
  return *compileOptions.memoryBudget - (planned.total() - planned.code);
}

/// What the model would need. None after an error, which is reported.
std::optional<Compilation::Trial> Compilation::tryOut(Shape shape) {
  if (!trialSession) {
    OutputOptions output = session.output();
    output.quiet = true;
    trialSession = std::make_unique<Session>(output);
    preparePhases(*trialSession);
    if (failed(trialSession->disablePasses(compileOptions.disabledPasses, compileOptions.target)))
      return std::nullopt;
  }
  ModelOptions options = modelOptions;
  options.maxSeqLen = shape.context ? std::optional<int64_t>(shape.context) : std::nullopt;
  FailureOr<OwningOpRef<ModuleOp>> planned = loadModel(*trialSession, options, shape.batch);
  if (failed(planned) ||
      failed(trialSession->advance(**planned, Phase::Import, Phase::Planned, /*runFrom=*/true)))
    return std::nullopt;
  plan::ProgramOp program = *(*planned)->getOps<plan::ProgramOp>().begin();
  return Trial{program.getMetadata().getAs<IntegerAttr>("max_positions").getInt(),
               needOf(program)};
}

/// Compiles and links the model, but writes nothing, to know what its code takes. The kernels are in
/// the cache of code afterwards.
LogicalResult Compilation::learnCode(Shape shape) {
  OutputOptions output = session.output();
  output.quiet = true;
  Session side(output);
  side.muteWarnings();
  ModelOptions model = modelOptions;
  model.maxSeqLen = shape.context;
  model.fitContext = false;
  CompileOptions options = compileOptions;
  options.maxBatchSize = shape.batch;
  options.maxThreads = threads();
  options.memoryBudget.reset();
  options.quantization.calibration.clear(); // changes weights only
  options.remarksFilter.clear();
  options.dumpPhasesTo.clear();
  options.saveTemps.clear();
  Compilation other(side, std::move(model), std::move(options), flags);
  if (other.configure() != ExitOk || failed(other.fromCheckpoint(Phase::Binaries)))
    return failure();
  FailureOr<uint64_t> bytes = linkedBytes(side, other);
  if (failed(bytes))
    return failure();
  linkedCode = *bytes;
  return success();
}

/// Sets --max-seq-len to the most that fits, at most the config's.
LogicalResult Compilation::fitContext() {
  uint64_t budget = *compileOptions.memoryBudget;
  std::optional<Trial> whole = tryOut({0, compileOptions.maxBatchSize});
  if (!whole)
    return failure();
  std::optional<int64_t> context = largestContext(whole->context, compileOptions.maxBatchSize);
  if (!context)
    return failure();
  // With none that fits, the check of the whole plan says what is missing.
  modelOptions.maxSeqLen = std::max<int64_t>(*context, 1);
  if (*context && !session.output().quiet)
    llvm::errs() << "stoop: a context of " << *context
                 << (*context == whole->context ? " tokens, the config's, fits " : " tokens fits ")
                 << sizeText(budget) << "\n";
  return success();
}

/// The largest value up to `most` whose shape fits; 0: not even that of 1; none after an error.
std::optional<int64_t> Compilation::largest(int64_t most,
                                            llvm::function_ref<Shape(int64_t)> shapeOf) {
  // The code hardly depends on the shape: mostly the second link confirms the first. Were it not to,
  // what is compiled in the end is checked when it is linked.
  constexpr unsigned mostLinks = 4;
  std::optional<int64_t> fits, before;
  for (unsigned links = 0; links <= mostLinks; ++links) {
    before = fits;
    fits = largestThatFits(most, *compileOptions.memoryBudget,
                           [&](int64_t value) -> std::optional<uint64_t> {
                             std::optional<Trial> trial = tryOut(shapeOf(value));
                             return trial ? std::optional<uint64_t>(trial->need.total())
                                          : std::nullopt;
                           });
    if (!fits || !linksCode || fits == before)
      break;
    if (failed(learnCode(shapeOf(std::max<int64_t>(*fits, 1)))))
      return std::nullopt;
  }
  return fits;
}

std::optional<int64_t> Compilation::largestContext(int64_t most, int64_t batch) {
  return largest(most, [&](int64_t context) { return Shape{context, batch}; });
}

/// The flags that would fit, as a line for a refusal.
std::string Compilation::whatFits(Shape shape) {
  std::string line;
  std::optional<int64_t> tokens = largestContext(shape.context, shape.batch);
  if (tokens && *tokens > 0)
    line = "--max-seq-len " + std::to_string(*tokens) +
           (shape.batch > 1 ? " with batch " + std::to_string(shape.batch) : "");
  std::optional<int64_t> sequences =
      largest(shape.batch, [&](int64_t batch) { return Shape{shape.context, batch}; });
  if (sequences && *sequences > 0)
    line += (line.empty() ? "" : " or ") + ("--max-batch-size " + std::to_string(*sequences)) +
            " with context " + std::to_string(shape.context);
  return line.empty() ? "nothing fits, not even a context of 1 token" : "what fits: " + line;
}

LogicalResult Compilation::checkBudget() {
  std::optional<uint64_t> budget = compileOptions.memoryBudget;
  if (!budget)
    return success();
  MemoryNeed planned = need();
  uint64_t bytes = planned.total();
  if (bytes <= *budget)
    return success();
  // A reserve for the code decides nothing that linking is going to.
  if (linksCode && !linkedCode && bytes - planned.code <= *budget)
    return success();
  refuse(planned);
  return failure();
}

void Compilation::refuseCode(uint64_t bytes) {
  linkedCode = bytes;
  refuse(need());
}

/// Says what is missing and what would fit.
void Compilation::refuse(const MemoryNeed &planned) {
  uint64_t budget = *compileOptions.memoryBudget;
  DictionaryAttr metadata = (*module().getOps<plan::ProgramOp>().begin()).getMetadata();
  int64_t context = metadata.getAs<IntegerAttr>("max_positions").getInt(),
          batch = metadata.getAs<IntegerAttr>("max_batch").getInt();
  failedFor = ExitMachine;
  session.error("the program needs " + planned.totalText() + " with context " +
                llvm::Twine(context) +
                (planned.classes.isPerThread()
                     ? ", batch " + std::to_string(batch) + " and " + std::to_string(planned.threads) +
                           (planned.threads == 1 ? " thread" : " threads") + " (--max-threads), "
                     : " and batch " + std::to_string(batch) + ", ") +
                sizeText(planned.total() - budget) + " more than --memory-budget " +
                sizeText(budget) + "\n" + planned.table(budget) + "  " +
                (isFromFile ? "compile from the checkpoint to learn what fits"
                            : whatFits({context, batch})));
}

} // namespace stoop::driver
