//===- Calibration.cpp - rounding that is measured on a text --------------===//
//
// Windows of the text are sequences of one step, each in a slot of its own, so that one walk through
// the model meets each layer once. The inputs are those of the float model: layers are independent.
//
//===----------------------------------------------------------------------===//
#include "compiler/driver/Calibration.h"

#include "codegen/quant/Compensate.h"
#include "codegen/quant/Stored.h"
#include "codegen/reference/LayerWalk.h"
#include "ir/lm/LmAttrNames.h"
#include "ir/support/DType.h"
#include "mlir/Pass/PassManager.h"
#include "passes/graph/Passes.h"
#include "runtime/tokenizer/tokenizer.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Parallel.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace stoop::driver {

/// Tokens that are looked at, in windows spread over the text, and those of one window.
static constexpr int64_t kMostTokens = 8192, kWindow = 256;
/// Rows of a matrix that one task rounds.
static constexpr int64_t kTaskRows = 32;

CalibratedFiles::~CalibratedFiles() {
  if (!folder.empty())
    llvm::sys::fs::remove_directories(folder);
}

LogicalResult chooseSchemes(Session &session, ModuleOp module, const QuantizationOptions &options) {
  graph::QuantizeWeightsOptions choice;
  choice.scheme = options.scheme;
  choice.overrides.assign(options.overrides.begin(), options.overrides.end());
  PassManager manager(&session.context(), ModuleOp::getOperationName());
  manager.addPass(graph::createQuantizeWeights(choice));
  manager.addPass(graph::createExpectInputs());
  return manager.run(module);
}

//===----------------------------------------------------------------------===//
// The text
//===----------------------------------------------------------------------===//

/// The ids of the calibration text; at least one.
static FailureOr<std::vector<int32_t>> readText(Session &session, const std::string &path,
                                                const TokenizerBlob &blob) {
  std::string where = "--calibration '" + path + "'";
  auto fail = [&](const llvm::Twine &message) {
    session.error(where + ": " + message);
    return failure();
  };
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false);
  if (!file)
    return fail("cannot be read: " + file.getError().message());
  llvm::StringRef text = (*file)->getBuffer();
  if (text.trim().empty())
    return fail("the text is empty");
  size_t offset = 0;
  if (!llvm::json::isUTF8(text, &offset))
    return fail("the text is not UTF-8 at byte " + llvm::Twine(offset));
  if (blob.bytes.empty())
    return fail("a text needs the checkpoint's tokenizer, but --no-tokenizer leaves it out");
  rt::tokenizer tokenizer;
  std::string message;
  std::vector<uint32_t> ids;
  if (!tokenizer.load(blob.bytes.data(), blob.bytes.size(), &message))
    return fail("the tokenizer cannot be loaded: " + message);
  if (!tokenizer.encode({text.data(), text.size()}, {/*add_special_tokens=*/false}, ids, &message))
    return fail("the text cannot be encoded: " + message);
  if (ids.empty())
    return fail("the text has no tokens");
  return std::vector<int32_t>(ids.begin(), ids.end());
}

namespace {
/// Windows of a text as the sequences of one step.
struct Windows {
  int64_t length, count;
  reference::Step step;

  Windows(ArrayRef<int32_t> ids, int64_t context)
      : length(std::min({kWindow, context, static_cast<int64_t>(ids.size())})),
        count(std::min<int64_t>(kMostTokens / length, ids.size() / length)) {
    int64_t spare = static_cast<int64_t>(ids.size()) - length;
    for (int64_t slot = 0; slot < count; ++slot) {
      int64_t first = count > 1 ? spare * slot / (count - 1) : 0;
      for (int64_t position = 0; position < length; ++position) {
        step.tokens.push_back(ids[first + position]);
        step.positions.push_back(static_cast<int32_t>(position));
        step.slots.push_back(static_cast<int32_t>(slot));
      }
    }
  }
};

/// The file of integers, and where in it each weight lies.
class IntegerFile {
public:
  IntegerFile(MLIRContext *context, std::string path, llvm::raw_ostream &out)
      : builder(context), path(std::move(path)), out(out) {}

  /// Appends a matrix; its sources are codes, zeros and scales.
  ArrayAttr append(llvm::StringRef name, const QuantScheme &scheme, ArrayRef<quant::Row> rows,
                   int64_t cols) {
    quant::StoredBytes bytes(scheme, rows, cols);
    int64_t count = static_cast<int64_t>(rows.size());
    Type words = builder.getI32Type();
    return builder.getArrayAttr(
        {write(name + ".qweight", ArrayRef(bytes.codes), words, count),
         write(name + ".qzeros", ArrayRef(bytes.zeros), words, (count + 7) / 8),
         write(name + ".scales", ArrayRef(bytes.scales), builder.getF16Type(), count)});
  }

private:
  template <typename T>
  Attribute write(const llvm::Twine &key, ArrayRef<T> values, Type type, int64_t cols) {
    auto source = lm::SourceAttr::get(builder.getContext(), key.str(), path, offset, type,
                                      static_cast<int64_t>(values.size()) / cols, cols);
    out.write(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T));
    offset += static_cast<int64_t>(values.size() * sizeof(T));
    return source;
  }

  Builder builder;
  std::string path;
  llvm::raw_ostream &out;
  int64_t offset = 0;
};
} // namespace

//===----------------------------------------------------------------------===//
// The layers
//===----------------------------------------------------------------------===//

/// Types of the int4 matrices that are not integers yet, by name.
static FailureOr<llvm::MapVector<StringAttr, RankedTensorType>>
findMatrices(Session &session, ModuleOp module, const QuantizationOptions &options) {
  OwningOpRef<ModuleOp> chosen = module.clone();
  if (failed(chooseSchemes(session, *chosen, options)))
    return failure();
  llvm::MapVector<StringAttr, RankedTensorType> types;
  chosen->walk([&](lm::WeightOp weight) {
    std::optional<QuantScheme> scheme = quantSchemeOf(weight.getTensorType());
    if (scheme && scheme->bits == 4 && !weight->hasAttr(lm::kStoredFormAttrName))
      types[weight.getSymNameAttr()] = weight.getTensorType();
  });
  if (!types.empty())
    return types;
  session.error("--calibration helps int4 weights alone, and there are none to round: "
                "--quantization is " + options.scheme);
  return failure();
}

/// Rounds all rows of a matrix.
static std::vector<quant::Row> roundRows(const quant::Compensation &compensation,
                                         const QuantScheme &scheme,
                                         const reference::Tensor &weight) {
  std::vector<quant::Row> rows(weight.rows());
  int64_t tasks = (weight.rows() + kTaskRows - 1) / kTaskRows;
  llvm::parallelFor(0, tasks, [&](size_t task) {
    int64_t first = static_cast<int64_t>(task) * kTaskRows;
    compensation.quantizeRows(scheme, weight.row(first).data(),
                              std::min(kTaskRows, weight.rows() - first), &rows[first]);
  });
  return rows;
}

namespace {
/// Rounds the matrices of a walk as it meets them.
struct Rounder {
  Session &session;
  const llvm::MapVector<StringAttr, RankedTensorType> &types;
  IntegerFile &file;
  ProgressStep progress;
  llvm::DenseMap<StringAttr, ArrayAttr> sources = llvm::DenseMap<StringAttr, ArrayAttr>();
  Value input = {}; ///< whose moments `compensation` has
  std::optional<quant::Compensation> compensation = std::nullopt;
  bool failed = false;

  WalkResult visit(lm::LinearOp op, const reference::Tensor &inputs,
                   const reference::Tensor &weight) {
    auto load = op.getWeight().getDefiningOp<lm::LoadWeightOp>();
    auto found = load ? types.find(load.getWeightAttr().getAttr()) : types.end();
    if (found == types.end() || sources.contains(found->first))
      return WalkResult::advance();
    if (op.getInput() != input) {
      quant::InputMoments moments(inputs.cols());
      moments.add(inputs.values().data(), inputs.rows());
      failed = !moments.isFinite();
      if (failed) {
        session.error("--calibration: the inputs of '" + found->first.getValue() +
                      "' are not all numbers");
        return WalkResult::interrupt();
      }
      compensation.emplace(std::move(moments));
      input = op.getInput();
    }
    QuantScheme scheme = *quantSchemeOf(found->second);
    sources[found->first] = file.append(found->first.getValue(), scheme,
                                        roundRows(*compensation, scheme, weight), weight.cols());
    progress.advance(sources.size());
    return sources.size() == types.size() ? WalkResult::interrupt() : WalkResult::advance();
  }
};
} // namespace

/// Makes weights read the file.
static void useIntegers(ModuleOp module,
                        const llvm::MapVector<StringAttr, RankedTensorType> &types,
                        const llvm::DenseMap<StringAttr, ArrayAttr> &sources) {
  module.walk([&](lm::WeightOp weight) {
    auto found = sources.find(weight.getSymNameAttr());
    if (found == sources.end())
      return;
    weight.setTypeAttr(TypeAttr::get(types.lookup(found->first)));
    weight.setSourcesAttr(found->second);
    weight.removeLayoutAttr(); // rows are in the weight's order
    weight->setAttr(lm::kStoredFormAttrName, StringAttr::get(module.getContext(), "gptq_v2"));
  });
  module.walk([&](lm::LoadWeightOp load) {
    if (sources.contains(load.getWeightAttr().getAttr()))
      load.getResult().setType(types.lookup(load.getWeightAttr().getAttr()));
  });
}

FailureOr<CalibratedFiles> calibrate(Session &session, ImportedCheckpoint &checkpoint,
                                     const ModelOptions &modelOptions,
                                     const QuantizationOptions &options) {
  CalibratedFiles files;
  if (options.calibration.empty())
    return files;
  auto types = findMatrices(session, *checkpoint.module, options);
  if (failed(types))
    return failure();
  FailureOr<std::vector<int32_t>> ids =
      readText(session, options.calibration, checkpoint.tokenizer);
  if (failed(ids))
    return failure();
  auto imported = *checkpoint.module->getOps<lm::ModelOp>().begin();
  Windows windows(*ids, static_cast<int64_t>(imported.getMaxPositions()));

  DialectRegistry registry;
  reference::registerReferenceModels(registry);
  session.context().appendDialectRegistry(registry);
  ModelOptions shorter = modelOptions;
  shorter.maxSeqLen = windows.length;
  FailureOr<OwningOpRef<ModuleOp>> module = loadModel(session, shorter, windows.count);
  if (failed(module))
    return failure();
  reference::Evaluator evaluator(*(*module)->getOps<lm::ModelOp>().begin());

  llvm::SmallString<128> folder;
  std::error_code problem = llvm::sys::fs::createUniqueDirectory("stoop-calibrated", folder);
  files.folder = folder.str().str();
  llvm::sys::path::append(folder, "integers.bin");
  auto out = problem ? nullptr : std::make_unique<llvm::raw_fd_ostream>(folder, problem);
  if (problem) {
    session.error("--calibration: cannot create '" + folder + "': " + problem.message());
    return failure();
  }
  IntegerFile file(&session.context(), folder.str().str(), *out);
  Rounder rounder{session, *types, file,
                  ProgressStep(session.progressStyle(), "calibrating", types->size())};
  LogicalResult walked = reference::walkLinears(
      evaluator, evaluator.lookup("forward"), windows.step,
      [&](lm::LinearOp op, const reference::Tensor &inputs, const reference::Tensor &weight) {
        return rounder.visit(op, inputs, weight);
      });
  if (failed(walked) || rounder.failed)
    return failure();
  out->close();
  if (out->has_error()) {
    session.error("--calibration: cannot write '" + folder + "': " + out->error().message());
    out->clear_error();
    return failure();
  }
  useIntegers(*checkpoint.module, *types, rounder.sources);
  return files;
}

} // namespace stoop::driver
