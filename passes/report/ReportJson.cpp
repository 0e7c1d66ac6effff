//===- ReportJson.cpp - a report as JSON ---------------------------------===//
//
// Keys are a contract with scripts: they stay, more may be added.
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

static json::Object memoryJson(const ProgramReport &report) {
  json::Array arenas;
  for (const ArenaReport &arena : report.arenas)
    arenas.push_back(
        json::Object{{"name", arena.name}, {"bytes", arena.bytes}, {"lifetime", arena.lifetime}});
  return json::Object{{"arenas", std::move(arenas)},
                      {"total_bytes", report.totalBytes},
                      {"kv_bytes_per_token", report.kvBytesPerToken}};
}

static json::Array entriesJson(const ProgramReport &report) {
  json::Array entries;
  for (const EntryReport &entry : report.entries)
    entries.push_back(json::Object{{"name", entry.name},
                                   {"kind", entry.kind},
                                   {"rows", entry.rows},
                                   {"launches", entry.launches},
                                   {"launches_per_layer", entry.launchesPerLayer}});
  return entries;
}

static json::Array kernelsJson(const ProgramReport &report) {
  json::Array kernels;
  for (const KernelReport &kernel : report.kernels)
    kernels.push_back(json::Object{{"name", kernel.name},
                                   {"template", kernel.templateName},
                                   {"tunables", orEmptyObject(kernel.tunables)},
                                   {"schedule_source", kernel.scheduleSource},
                                   {"ops", json::Array(kernel.ops)},
                                   {"launches", kernel.launches},
                                   {"bytes", kernel.bytes},
                                   {"flops", kernel.flops}});
  return kernels;
}

static json::Object fusionJson(const ProgramReport &report) {
  json::Array passed, missed;
  for (const FusionPassed &fusion : report.passed)
    passed.push_back(json::Object{
        {"anchor", fusion.anchor}, {"ops", json::Array(fusion.ops)}, {"count", fusion.count}});
  for (const FusionMissed &fusion : report.missed)
    missed.push_back(json::Object{{"op", fusion.op},
                                  {"reason", fusion.reason},
                                  {"count", fusion.count},
                                  {"example", fusion.example}});
  return json::Object{{"passed", std::move(passed)}, {"missed", std::move(missed)}};
}

json::Object toJson(const ProgramReport &report) {
  return json::Object{
      {"schema_version", kSchemaVersion},
      {"model", orEmptyObject(report.model)},
      {"target", json::Object{{"name", report.target}, {"levels", json::Array(report.levels)}}},
      {"options", orEmptyObject(report.options)},
      {"memory", memoryJson(report)},
      {"entries", entriesJson(report)},
      {"kernels", kernelsJson(report)},
      {"fusion", fusionJson(report)},
      {"ledger", orEmptyObject(report.ledger)},
      {"needs", json::Object{{"libraries", json::Array{"libc.so.6"}},
                             {"cpu_features", json::Array(report.levels)},
                             {"driver", nullptr}}},
      {"warnings", report.warnings ? toValue(report.warnings) : json::Value(json::Array())}};
}

} // namespace stoop::report
