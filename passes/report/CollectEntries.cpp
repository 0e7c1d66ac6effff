//===- CollectEntries.cpp - launches of a step, identical layers once ----===//
//
// A kernel's body carries the names of the first region that it was made for; the names of a launch
// are those of its own location, op by op. Where a location lost some, the body's names with the
// launch's layer stand in.
//
//===----------------------------------------------------------------------===//
#include "passes/report/Collect.h"
#include "passes/report/ModelPaths.h"
#include "passes/report/Roofline.h"

#include "ir/lm/LmOps.h"

#include "llvm/ADT/StringMap.h"

#include <map>

using namespace mlir;

namespace stoop::report {

namespace {
/// Looks up what launches refer to.
class Program {
public:
  explicit Program(plan::ProgramOp program);

  plan::KernelOp kernel(llvm::StringRef name) const { return kernels.lookup(name); }
  /// Checkpoint keys of the weight that a buffer holds.
  std::vector<std::string> tensorsOf(Value buffer) const;

private:
  llvm::StringMap<plan::KernelOp> kernels;
  std::map<int64_t, plan::WeightOp> weights; ///< by offset in the constant arena
};

/// A launch with the layer that it belongs to; -1: none.
struct PlacedLaunch {
  int64_t layer;
  LaunchReport launch;
};
} // namespace

Program::Program(plan::ProgramOp program) {
  for (plan::KernelOp kernel : program.getOps<plan::KernelOp>())
    kernels[kernel.getSymName()] = kernel;
  for (plan::WeightOp weight : program.getOps<plan::WeightOp>())
    if (plan::SliceAttr place = weight.getPlaceAttr())
      weights.emplace(place.getOffset(), weight);
}

std::vector<std::string> Program::tensorsOf(Value buffer) const {
  std::vector<std::string> tensors;
  auto slice = buffer.getDefiningOp<plan::SliceOp>();
  auto after = slice ? weights.upper_bound(slice.getOffset()) : weights.begin();
  if (after == weights.begin())
    return tensors;
  plan::WeightOp weight = std::prev(after)->second;
  plan::SliceAttr place = weight.getPlaceAttr();
  bool holds = place.getArena() == slice.getArenaAttr() &&
               static_cast<int64_t>(slice.getOffset()) < place.getOffset() + place.getSize();
  auto sources = holds ? weight.getOrigin().getAs<ArrayAttr>("sources") : ArrayAttr();
  for (Attribute source : sources ? sources.getValue() : ArrayRef<Attribute>())
    if (auto tensor = dyn_cast<lm::SourceAttr>(source))
      tensors.push_back(tensor.getKey().str());
  return tensors;
}

/// The first of a location's names; empty if it has none.
static std::string firstPath(Location location) {
  std::vector<std::string> paths = pathsOf(location);
  return paths.empty() ? std::string() : paths.front();
}

/// The paths of the body's ops, as this launch runs them: those of its location if that has one for
/// each op, else the body's, for the last layer that the location names.
static std::vector<std::string> opPaths(plan::LaunchOp launch, Block &body) {
  std::vector<std::string> own = pathsOf(launch.getLoc()), paths;
  if (own.size() == llvm::range_size(body.without_terminator()))
    return own;
  std::string layer;
  for (const std::string &path : own)
    if (std::optional<int64_t> number = layerOf(path))
      layer = std::to_string(*number);
  for (Operation &op : body.without_terminator()) {
    std::string path = firstPath(op.getLoc());
    paths.push_back(layer.empty() ? path : withLayer(path, layer));
  }
  return paths;
}

static PlacedLaunch collectLaunch(plan::LaunchOp launch, const Program &program) {
  PlacedLaunch placed{-1, {launch.getKernel().str(), "", {}}};
  plan::KernelOp kernel = program.kernel(launch.getKernel());
  if (!kernel)
    return placed;
  Block &body = kernel.getBody().front();
  std::vector<std::string> paths = opPaths(launch, body);
  for (auto [index, op] : llvm::enumerate(body.without_terminator())) {
    OpReport report{op.getName().getStringRef().str(), paths[index], {}};
    for (Value operand : op.getOperands())
      if (auto input = dyn_cast<BlockArgument>(operand))
        llvm::append_range(report.tensors,
                           program.tensorsOf(launch.getReads()[input.getArgNumber()]));
    placed.launch.ops.push_back(std::move(report));
  }
  // Most of the work decides what a launch belongs to: an embedding may ride in front of a layer,
  // and a layer's last rows in front of the head.
  size_t main = std::distance(body.begin(), mainOp(body)->getIterator());
  placed.launch.path = paths[main];
  placed.layer = layerOf(paths[main]).value_or(-1);
  return placed;
}

/// `launch` with `*` for the layer it belongs to.
static LaunchReport generic(LaunchReport launch, int64_t layer) {
  if (layer < 0)
    return launch;
  launch.path = anyLayer(launch.path);
  for (OpReport &op : launch.ops) {
    op.path = anyLayer(op.path);
    for (std::string &tensor : op.tensors)
      tensor = anyLayer(tensor);
  }
  return launch;
}

static bool areEqual(const LaunchReport &a, const LaunchReport &b) {
  auto sameOp = [](const OpReport &x, const OpReport &y) {
    return x.op == y.op && x.path == y.path && x.tensors == y.tensors;
  };
  return a.kernel == b.kernel && a.ops.size() == b.ops.size() &&
         std::equal(a.ops.begin(), a.ops.end(), b.ops.begin(), sameOp);
}

/// Runs of launches of one layer; runs of following layers that are the same join the first.
static std::vector<LaunchGroup> groupLaunches(llvm::ArrayRef<PlacedLaunch> launches) {
  std::vector<LaunchGroup> groups;
  for (const PlacedLaunch &placed : launches) {
    if (groups.empty() || groups.back().firstLayer != placed.layer)
      groups.push_back({placed.layer, placed.layer, {}});
    groups.back().launches.push_back(generic(placed.launch, placed.layer));
  }
  std::vector<LaunchGroup> merged;
  for (LaunchGroup &group : groups) {
    LaunchGroup *before = merged.empty() ? nullptr : &merged.back();
    bool joins = before && group.firstLayer >= 0 && before->lastLayer + 1 == group.firstLayer &&
                 before->launches.size() == group.launches.size() &&
                 std::equal(group.launches.begin(), group.launches.end(), before->launches.begin(),
                            areEqual);
    if (joins)
      before->lastLayer = group.lastLayer;
    else
      merged.push_back(std::move(group));
  }
  return merged;
}

/// Launches that repeat with the layers. Where no launch says its layer: of each kernel, as many as
/// every layer can have.
static int64_t launchesPerLayer(llvm::ArrayRef<PlacedLaunch> launches,
                                const std::map<std::string, int64_t> &counts, int64_t layers) {
  if (layers <= 0)
    return 0;
  int64_t inLayers =
      llvm::count_if(launches, [](const PlacedLaunch &placed) { return placed.layer >= 0; });
  if (inLayers > 0)
    return inLayers / layers;
  int64_t perLayer = 0;
  for (const auto &count : counts)
    perLayer += count.second / layers;
  return perLayer;
}

/// The launch's path and those of ops of the same kind: a launch may compute several linears.
static std::vector<std::string> mainPaths(const LaunchReport &launch) {
  auto main = llvm::find_if(launch.ops, [&](const OpReport &op) { return op.path == launch.path; });
  std::vector<std::string> paths;
  for (const OpReport &op : launch.ops)
    if (main != launch.ops.end() && !op.path.empty() && op.op == main->op)
      paths.push_back(op.path);
  return paths;
}

/// Notes at each kernel of an entry how often and for what it is launched.
static void noteLaunches(const EntryReport &entry, const std::map<std::string, int64_t> &counts,
                         ProgramReport &report) {
  for (KernelReport &kernel : report.kernels) {
    auto found = counts.find(kernel.name);
    if (found == counts.end())
      continue;
    kernel.launches += found->second;
    kernel.entries.emplace_back(entry.name, found->second);
    for (const LaunchGroup &group : entry.groups)
      for (const LaunchReport &launch : group.launches) {
        if (launch.kernel != kernel.name)
          continue;
        for (const std::string &path : mainPaths(launch))
          if (!llvm::is_contained(kernel.paths, path))
            kernel.paths.push_back(path);
      }
  }
}

static EntryReport collectEntry(plan::EntryOp entry, const Program &program, int64_t layers,
                                ProgramReport &report) {
  EntryReport result;
  result.name = entry.getSymName().str();
  result.kind = stringifyEntryKind(entry.getKind()).str();
  result.rows = entry.getRows();
  std::vector<PlacedLaunch> launches;
  std::map<std::string, int64_t> counts;
  for (plan::LaunchOp launch : entry.getOps<plan::LaunchOp>()) {
    launches.push_back(collectLaunch(launch, program));
    ++counts[launch.getKernel().str()];
  }
  result.launches = launches.size();
  result.launchesPerLayer = launchesPerLayer(launches, counts, layers);
  result.groups = groupLaunches(launches);
  result.maps = collectMaps(entry);
  noteLaunches(result, counts, report);
  if (report.target == "cuda" && entry.getKind() == plan::EntryKind::Decode)
    result.samplingLaunches = 2;
  for (StepPrediction &prediction : report.predictions) {
    prediction.steps.push_back(0);
    predictLaunches(prediction, Cost(), result.samplingLaunches);
  }
  int64_t memoryTime = 0;
  for (const KernelReport &kernel : report.kernels) {
    auto found = counts.find(kernel.name);
    if (found == counts.end())
      continue;
    result.earlyLaunches += kernel.startsEarly.value_or(false) ? found->second : 0;
    // Of this entry's launches, which may serve more sequences than others of the kernel.
    Cost cost = costOf(program.kernel(kernel.name).getBody().front(), sequencesOf(entry));
    predict(cost, report.machine);
    for (StepPrediction &prediction : report.predictions)
      predictLaunches(prediction, cost, found->second);
    result.cost.bytes += found->second * cost.bytes;
    result.cost.flops += found->second * cost.flops;
    result.cost.nanoseconds += found->second * cost.nanoseconds;
    if (cost.memoryBound)
      memoryTime += found->second * cost.nanoseconds;
  }
  // What comes first follows a copy, in a generation the kernel that brings the tokens; what chooses the next one starts early.
  if (result.earlyLaunches)
    result.earlyLaunches += result.samplingLaunches ? 1 : -1;
  result.cost.memoryBound = 2 * memoryTime >= result.cost.nanoseconds;
  return result;
}

void collectEntries(plan::ProgramOp program, ProgramReport &report) {
  Program lookup(program);
  auto layers = program.getMetadata().getAs<IntegerAttr>("layers");
  for (plan::EntryOp entry : program.getOps<plan::EntryOp>())
    report.entries.push_back(collectEntry(entry, lookup, layers ? layers.getInt() : 0, report));
}

} // namespace stoop::report
