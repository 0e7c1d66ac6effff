//===- ReportJson.cpp - a report as JSON ---------------------------------===//
//
// Keys are a contract with scripts: they stay, more may be added, and report.schema.json names
// them.
//
//===----------------------------------------------------------------------===//
#include "passes/report/ProgramReport.h"

using namespace mlir;
namespace json = llvm::json;

namespace stoop::report {

/// Numbers, strings, lists and dictionaries as themselves, anything else as its text.
static json::Value toValue(Attribute attribute) {
  if (!attribute)
    return nullptr;
  if (auto text = dyn_cast<StringAttr>(attribute))
    return text.getValue();
  if (auto boolean = dyn_cast<BoolAttr>(attribute))
    return boolean.getValue();
  if (auto integer = dyn_cast<IntegerAttr>(attribute))
    return integer.getInt();
  if (auto number = dyn_cast<FloatAttr>(attribute))
    return number.getValueAsDouble();
  if (auto list = dyn_cast<ArrayAttr>(attribute))
    return json::Array(llvm::map_range(list, toValue));
  if (auto dictionary = dyn_cast<DictionaryAttr>(attribute)) {
    json::Object object;
    for (NamedAttribute entry : dictionary)
      object[entry.getName().strref()] = toValue(entry.getValue());
    return object;
  }
  std::string text;
  llvm::raw_string_ostream(text) << attribute;
  return text;
}

static json::Value orEmptyObject(DictionaryAttr attribute) {
  return attribute ? toValue(attribute) : json::Value(json::Object());
}

/// Adds bytes, flops, predicted time and bound; the latter only for a target with a known machine.
static void addCost(json::Object &object, const Cost &cost, const ProgramReport &report) {
  object["bytes"] = cost.bytes;
  object["flops"] = cost.flops;
  if (!report.machine)
    return;
  object["roofline_ns"] = cost.nanoseconds;
  object["bound"] = cost.memoryBound ? "memory" : "compute";
}

/// [first, last] of a group or verdict that lies in layers.
static void addLayers(json::Object &object, int64_t first, int64_t last) {
  if (first >= 0)
    object["layers"] = json::Array{first, last};
}

static json::Object mapJson(const EntryReport &entry, const MemoryMap &map) {
  json::Array buffers;
  for (const BufferReport &buffer : map.buffers)
    buffers.push_back(json::Object{{"name", buffer.name},
                                   {"offset", buffer.offset},
                                   {"bytes", buffer.bytes},
                                   {"first", buffer.first},
                                   {"last", buffer.last}});
  json::Object object{{"entry", entry.name},
                      {"arena", map.arena},
                      {"peak_bytes", map.peakBytes},
                      {"lower_bound_bytes", map.lowerBoundBytes},
                      {"fragmentation_bytes", map.peakBytes - map.lowerBoundBytes},
                      {"buffers", std::move(buffers)}};
  if (map.solver.empty())
    return object;
  json::Array solvers;
  for (const auto &[name, peak] : map.solvers)
    solvers.push_back(json::Object{{"solver", name}, {"peak_bytes", peak}});
  object["solver"] = map.solver;
  object["solvers"] = std::move(solvers);
  return object;
}

static json::Object memoryJson(const ProgramReport &report) {
  json::Array arenas, maps;
  for (const ArenaReport &arena : report.arenas) {
    json::Object object{{"name", arena.name},
                        {"bytes", arena.bytes},
                        {"align", arena.align},
                        {"lifetime", arena.lifetime}};
    if (!arena.planning.empty())
      object["planning"] = toValue(arena.planning);
    arenas.push_back(std::move(object));
  }
  for (const EntryReport &entry : report.entries)
    for (const MemoryMap &map : entry.maps)
      maps.push_back(mapJson(entry, map));
  json::Object memory{{"arenas", std::move(arenas)},
                      {"classes", toJson(report.classes)},
                      {"total_bytes", report.totalBytes},
                      {"kv_bytes_per_token", report.kvBytesPerToken},
                      {"maps", std::move(maps)}};
  if (!report.planning.empty())
    memory["planning"] = toValue(report.planning);
  return memory;
}

static json::Value launchJson(const LaunchReport &launch) {
  json::Array ops;
  for (const OpReport &op : launch.ops) {
    json::Object object{{"op", op.op}, {"path", op.path}};
    if (!op.tensors.empty())
      object["tensors"] = json::Array(op.tensors);
    ops.push_back(std::move(object));
  }
  return json::Object{{"kernel", launch.kernel}, {"path", launch.path}, {"ops", std::move(ops)}};
}

static json::Array entriesJson(const ProgramReport &report) {
  json::Array entries;
  for (const EntryReport &entry : report.entries) {
    json::Array groups;
    for (const LaunchGroup &group : entry.groups) {
      json::Object object{{"count", group.count()},
                          {"launches", json::Array(llvm::map_range(group.launches, launchJson))}};
      addLayers(object, group.firstLayer, group.lastLayer);
      groups.push_back(std::move(object));
    }
    json::Object object{{"name", entry.name},
                        {"kind", entry.kind},
                        {"rows", entry.rows},
                        {"launches", entry.launches},
                        {"launches_per_layer", entry.launchesPerLayer},
                        {"groups", std::move(groups)}};
    if (entry.samplingLaunches)
      object["sampling_launches"] = entry.samplingLaunches;
    if (entry.earlyLaunches)
      object["early_launches"] = entry.earlyLaunches;
    addCost(object, entry.cost, report);
    entries.push_back(std::move(object));
  }
  return entries;
}

/// The record that a schedule is from, and by what part of the heuristic's time the choice is faster.
static json::Object evidenceJson(DictionaryAttr evidence) {
  json::Object object;
  for (NamedAttribute number : evidence)
    object[number.getName().strref()] = toValue(number.getValue());
  double chosen = static_cast<double>(object.getInteger("chosen_ns").value_or(0));
  double heuristic = static_cast<double>(object.getInteger("heuristic_ns").value_or(0));
  object["gain"] = heuristic > 0 ? 1 - chosen / heuristic : 0.0;
  return object;
}

static json::Value kernelJson(const KernelReport &kernel, const ProgramReport &report) {
  json::Object entries;
  for (const auto &[name, launches] : kernel.entries)
    entries[name] = launches;
  json::Object object{{"name", kernel.name},
                      {"template", kernel.templateName},
                      {"tunables", orEmptyObject(kernel.tunables)},
                      {"schedule_source", kernel.scheduleSource},
                      {"ops", json::Array(kernel.ops)},
                      {"paths", json::Array(kernel.paths)},
                      {"rows", kernel.rows},
                      {"launches", kernel.launches},
                      {"entries", std::move(entries)}};
  if (kernel.evidence)
    object["schedule_evidence"] = evidenceJson(kernel.evidence);
  if (!kernel.splitUnit.empty()) {
    json::Object split{{"unit", kernel.splitUnit}, {"count", kernel.splitCount}};
    if (kernel.splitMost)
      split["most"] = kernel.splitMost;
    if (kernel.splitRowBlocks)
      split["row_blocks"] = kernel.splitRowBlocks;
    if (!kernel.splitBalance.empty()) {
      json::Object balance;
      for (const auto &[multiprocessors, part] : kernel.splitBalance)
        balance[multiprocessors] = part;
      split["balance"] = std::move(balance);
    }
    object["split"] = std::move(split);
  }
  if (kernel.sharedBytes)
    object["shared_bytes"] = kernel.sharedBytes;
  if (kernel.startsEarly) {
    json::Object start{{"early", *kernel.startsEarly}};
    if (kernel.bytesAhead)
      start["block_bytes_ahead"] = kernel.bytesAhead;
    if (!*kernel.startsEarly)
      start["reason"] = kernel.startsLateReason;
    object["start"] = std::move(start);
  }
  json::Array code;
  for (const CodeReport &level : kernel.code) {
    json::Object entry{{"level", level.level}};
    for (NamedAttribute resource : level.resources)
      entry[resource.getName().strref()] = cast<IntegerAttr>(resource.getValue()).getInt();
    code.push_back(std::move(entry));
  }
  if (!code.empty())
    object["code"] = std::move(code);
  addCost(object, kernel.cost, report);
  return object;
}

static json::Object verdictJson(const FusionVerdict &verdict) {
  json::Object object{
      {"entry", verdict.entry},
      {"pass", verdict.pass},
      {"producer", json::Object{{"op", verdict.producerOp}, {"path", verdict.producerPath}}},
      {"consumer", json::Object{{"op", verdict.consumerOp}, {"path", verdict.consumerPath}}},
      {"count", verdict.count},
      {"bytes", verdict.bytes}};
  addLayers(object, verdict.firstLayer, verdict.lastLayer);
  if (verdict.layerDistance != 0)
    object["layer_distance"] = verdict.layerDistance;
  if (!verdict.passed) {
    object["reason"] = verdict.reason;
    object["remedy"] = verdict.remedy;
  }
  return object;
}

static json::Object fusionJson(const ProgramReport &report) {
  json::Array passed, missed;
  for (const FusionVerdict &verdict : report.fusion)
    (verdict.passed ? passed : missed).push_back(verdictJson(verdict));
  return json::Object{{"passed", std::move(passed)}, {"missed", std::move(missed)}};
}

static json::Object targetJson(const ProgramReport &report) {
  json::Object target{{"name", report.target}, {"levels", json::Array(report.levels)}};
  if (report.machine)
    target["roofline"] = json::Object{{"machine", report.machine->name},
                                      {"bytes_per_second", report.machine->bytesPerSecond},
                                      {"flops_per_second", report.machine->flopsPerSecond}};
  return target;
}

static json::Array predictionsJson(const ProgramReport &report) {
  json::Array predictions;
  int64_t needed = report.classes.total(1);
  for (const StepPrediction &prediction : report.predictions) {
    json::Array steps;
    // A token of every sequence, or of a prompt all rows.
    for (const auto &[entry, nanoseconds] : llvm::zip_equal(report.entries, prediction.steps))
      steps.push_back(json::Object{
          {"entry", entry.name},
          {"predicted_ns", nanoseconds},
          {"predicted_tokens_per_second",
           1e9 * static_cast<double>(entry.rows) / static_cast<double>(nanoseconds)}});
    predictions.push_back(json::Object{{"machine", prediction.machine},
                                       {"bytes_per_second", prediction.bytesPerSecond},
                                       {"flops_per_second", prediction.flopsPerSecond},
                                       {"launch_ns", prediction.launchNanoseconds},
                                       {"fits", static_cast<double>(needed) <= prediction.memoryBytes},
                                       {"source", prediction.source},
                                       {"steps", std::move(steps)}});
  }
  return predictions;
}

/// What a machine must have. The runtime asks for this version of CUDA.
static json::Object needsJson(const ProgramReport &report) {
  json::Object needs{{"libraries", json::Array{"libc.so.6"}}, {"cpu_features", json::Array(report.levels)}, {"driver", nullptr}};
  if (report.target != "cuda")
    return needs;
  needs["cpu_features"] = json::Array();
  needs["driver"] = json::Object{
      {"library", "libcuda.so.1"}, {"cuda_version", std::to_string(report.cudaVersion / 1000) + ".0"}, {"architectures", json::Array(report.levels)}};
  return needs;
}

json::Object toJson(const ProgramReport &report) {
  json::Array kernels;
  for (const KernelReport &kernel : report.kernels)
    kernels.push_back(kernelJson(kernel, report));
  json::Object object{
      {"schema_version", kSchemaVersion},
      {"model", orEmptyObject(report.model)},
      {"target", targetJson(report)},
      {"options", orEmptyObject(report.options)},
      {"memory", memoryJson(report)},
      {"entries", entriesJson(report)},
      {"kernels", std::move(kernels)},
      {"fusion", fusionJson(report)},
      {"ledger", orEmptyObject(report.ledger)},
      {"needs", needsJson(report)},
      {"warnings", report.warnings ? toValue(report.warnings) : json::Value(json::Array())}};
  if (!report.predictions.empty())
    object["predictions"] = predictionsJson(report);
  return object;
}

} // namespace stoop::report
