//===- ReportText.cpp - a report for people -------------------------------===//
//
// A rendering of the JSON report and of nothing else, so that text and JSON
// cannot disagree. Unknown keys are skipped; absent ones leave no trace.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/ReportText.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Format.h"
#include <map>

using llvm::json::Array;
using llvm::json::Object;
using llvm::json::Value;

namespace stoop::inspect {

static std::string scalarText(const Value &value) {
  if (auto text = value.getAsString())
    return text->str();
  if (auto integer = value.getAsInteger())
    return std::to_string(*integer);
  if (const Array *array = value.getAsArray()) {
    std::string all;
    for (const Value &element : *array)
      all += (all.empty() ? "" : ", ") + scalarText(element);
    return all;
  }
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}

/// Digits in groups of three: 11 583 592.
static std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), " ");
  return digits;
}

static void heading(llvm::StringRef title, llvm::raw_ostream &out) { out << title << "\n"; }

/// One line per scalar member, in the order of names.
static void printMembers(llvm::StringRef title, const Object *object, llvm::raw_ostream &out) {
  if (!object || object->empty())
    return;
  heading(title, out);
  std::map<llvm::StringRef, const Value *> sorted;
  for (const auto &member : *object)
    if (!member.second.getAsObject())
      sorted.emplace(member.first, &member.second);
  for (const auto &[name, value] : sorted) {
    std::string text = scalarText(*value);
    if (text.empty())
      continue;
    if (text.size() > 100)
      text = text.substr(0, 97) + "...";
    out << "  " << llvm::left_justify(name, 24) << " " << text << "\n";
  }
}

static void printMemory(const Object *memory, llvm::raw_ostream &out) {
  if (!memory)
    return;
  heading("memory", out);
  if (const Array *arenas = memory->getArray("arenas"))
    for (const Value &value : *arenas)
      if (const Object *arena = value.getAsObject())
        out << "  " << llvm::left_justify(arena->getString("name").value_or("?"), 12) << " "
            << llvm::right_justify(grouped(arena->getInteger("bytes").value_or(0)), 18)
            << " bytes  " << arena->getString("lifetime").value_or("") << "\n";
  if (auto total = memory->getInteger("total_bytes"))
    out << "  " << llvm::left_justify("total", 12) << " "
        << llvm::right_justify(grouped(*total), 18) << " bytes\n";
  if (auto perToken = memory->getInteger("kv_bytes_per_token"))
    out << "  " << llvm::left_justify("KV cache", 12) << " "
        << llvm::right_justify(grouped(*perToken), 18) << " bytes a token\n";
}

static void printEntries(const Array *entries, llvm::raw_ostream &out) {
  if (!entries || entries->empty())
    return;
  heading("entries", out);
  for (const Value &value : *entries) {
    const Object *entry = value.getAsObject();
    if (!entry)
      continue;
    out << "  " << llvm::left_justify(entry->getString("name").value_or("?"), 16) << " "
        << entry->getInteger("launches").value_or(0) << " launches";
    if (const Value *perLayer = entry->get("launches_per_layer"))
      out << ", " << scalarText(*perLayer) << " a layer";
    out << "\n";
  }
}

/// Kernels by template, with the number of each and who chose the schedule; all of them if
/// `verbose`.
static void printKernels(const Array *kernels, bool verbose, llvm::raw_ostream &out) {
  if (!kernels || kernels->empty())
    return;
  std::map<std::string, unsigned> counts;
  for (const Value &value : *kernels)
    if (const Object *kernel = value.getAsObject())
      ++counts[kernel->getString("template").value_or("?").str()];
  heading("kernels", out);
  for (const auto &[name, count] : counts)
    out << "  " << llvm::left_justify(name, 16) << " " << count << "\n";
  if (!verbose)
    return;
  for (const Value &value : *kernels)
    out << "  " << value << "\n";
}

static void printFusion(const Object *fusion, bool verbose, llvm::raw_ostream &out) {
  if (!fusion)
    return;
  const Array *passed = fusion->getArray("passed"), *missed = fusion->getArray("missed");
  heading("fusion", out);
  out << "  passed " << (passed ? passed->size() : 0) << ", missed "
      << (missed ? missed->size() : 0) << "\n";
  if (!verbose || !missed)
    return;
  for (const Value &value : *missed)
    out << "  missed: " << value << "\n";
}

/// How many inputs of each section ended how; with `verbose` every one that was not used.
static void printLedger(const Object *ledger, bool verbose, llvm::raw_ostream &out) {
  if (!ledger)
    return;
  heading("ledger", out);
  for (const auto &section : *ledger) {
    const Object *fates = section.second.getAsObject();
    if (!fates)
      continue;
    out << "  " << llvm::left_justify(section.first.str(), 20);
    for (llvm::StringRef fate : {"used", "defaulted", "ignored_by_spec"})
      if (const Array *entries = fates->getArray(fate); entries && !entries->empty())
        out << " " << fate << " " << entries->size();
    out << "\n";
    for (llvm::StringRef fate : {"defaulted", "ignored_by_spec"})
      if (const Array *entries = fates->getArray(fate); verbose && entries)
        for (const Value &entry : *entries)
          out << "    " << fate << " " << entry << "\n";
  }
}

static void printProvenance(const Object *provenance, bool verbose, llvm::raw_ostream &out) {
  if (!provenance)
    return;
  const Array *tensors = provenance->getArray("tensors");
  Object scalars;
  for (const auto &member : *provenance)
    if (member.first != "tensors")
      scalars.try_emplace(member.first, member.second);
  if (tensors)
    scalars["tensors"] = static_cast<int64_t>(tensors->size());
  printMembers("provenance", &scalars, out);
  if (verbose && tensors)
    for (const Value &tensor : *tensors)
      out << "  " << tensor << "\n";
}

void printReport(const Object &report, bool verbose, llvm::raw_ostream &out) {
  if (auto target = report.getString("target"))
    out << "target " << *target << "\n";
  else
    printMembers("target", report.getObject("target"), out);
  printMembers("model", report.getObject("model"), out);
  printMembers("options", report.getObject("options"), out);
  printMemory(report.getObject("memory"), out);
  printEntries(report.getArray("entries"), out);
  printKernels(report.getArray("kernels"), verbose, out);
  printFusion(report.getObject("fusion"), verbose, out);
  printLedger(report.getObject("ledger"), verbose, out);
  printMembers("needs", report.getObject("needs"), out);
  if (const Array *warnings = report.getArray("warnings"); warnings && !warnings->empty()) {
    heading("warnings", out);
    for (const Value &warning : *warnings)
      out << "  " << scalarText(warning) << "\n";
  }
  printProvenance(report.getObject("provenance"), verbose, out);
}

} // namespace stoop::inspect
