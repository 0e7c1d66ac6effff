//===- Diff.cpp - what differs between two reports ------------------------===//
//
// Each section becomes a flat list of facts with names that do not depend on how kernels are
// numbered; facts of equal name are compared.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/Diff.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

namespace stoop::inspect {

namespace {
/// Names and values, in the order of the report.
using Facts = std::vector<std::pair<std::string, json::Value>>;
using CollectFacts = void (*)(const json::Object &report, Facts &facts);

struct Section {
  llvm::StringLiteral name;
  CollectFacts collect;
};
} // namespace

static void launchFacts(const json::Object &report, Facts &facts) {
  for (const json::Value &value : listAt(report, "entries")) {
    const json::Object &entry = asObject(value);
    std::string name = textAt(entry, "name");
    facts.emplace_back(name, numberAt(entry, "launches"));
    facts.emplace_back(name + " a layer", numberAt(entry, "launches_per_layer"));
  }
}

/// "norm + linear + bias; linear prefetch=0, heuristic; 1.2 KiB": what a launch runs.
static std::string kernelText(const json::Object &kernel) {
  std::string text;
  for (const json::Value &op : listAt(kernel, "ops"))
    text += (text.empty() ? "" : " + ") + llvm::StringRef(scalarText(op)).split('.').second.str();
  text += "; " + textAt(kernel, "template");
  for (const auto &[name, value] : sortedMembers(objectAt(kernel, "tunables")))
    text += " " + name.str() + "=" + scalarText(*value);
  return text + ", " + textAt(kernel, "schedule_source") + "; " +
         byteText(numberAt(kernel, "bytes"));
}

static void kernelFacts(const json::Object &report, Facts &facts) {
  llvm::StringMap<const json::Object *> kernels;
  for (const json::Value &kernel : listAt(report, "kernels"))
    kernels[textAt(asObject(kernel), "name")] = &asObject(kernel);
  facts.emplace_back("kernels", int64_t(kernels.size()));
  llvm::StringMap<bool> seen;
  for (const json::Value &entry : listAt(report, "entries"))
    for (const json::Value &group : listAt(asObject(entry), "groups"))
      for (const json::Value &launch : listAt(asObject(group), "launches")) {
        std::string name = textAt(asObject(entry), "name") + " " + textAt(asObject(launch), "path");
        const json::Object *kernel = kernels.lookup(textAt(asObject(launch), "kernel"));
        if (kernel && seen.try_emplace(name, true).second)
          facts.emplace_back(name, kernelText(*kernel));
      }
}

static void memoryFacts(const json::Object &report, Facts &facts) {
  const json::Object &memory = objectAt(report, "memory");
  facts.emplace_back("total", numberAt(memory, "total_bytes"));
  for (const json::Value &value : listAt(memory, "arenas"))
    facts.emplace_back("arena " + textAt(asObject(value), "name"),
                       numberAt(asObject(value), "bytes"));
  facts.emplace_back("KV cache a token", numberAt(memory, "kv_bytes_per_token"));
  for (const json::Value &value : listAt(memory, "maps")) {
    const json::Object &map = asObject(value);
    std::string name = "in " + textAt(map, "arena") + " of " + textAt(map, "entry");
    facts.emplace_back("peak " + name, numberAt(map, "peak_bytes"));
    facts.emplace_back("lower bound " + name, numberAt(map, "lower_bound_bytes"));
  }
}

/// "binary layers.*.residual": ops may share a path.
static std::string endText(const json::Object &op) {
  return llvm::StringRef(textAt(op, "op")).split('.').second.str() + " " + textAt(op, "path");
}

static void fusionFacts(const json::Object &report, Facts &facts) {
  for (llvm::StringRef kind : {"missed", "passed"})
    for (const json::Value &value : listAt(objectAt(report, "fusion"), kind)) {
      const json::Object &verdict = asObject(value);
      std::string layers = scalarText(json::Value(json::Array(listAt(verdict, "layers"))));
      std::string name = textAt(verdict, "entry") + " " + endText(objectAt(verdict, "producer")) +
                         " -> " + endText(objectAt(verdict, "consumer"));
      if (!layers.empty())
        name += " (layers " + layers + ")";
      facts.emplace_back(name,
                         kind == "passed" ? "fused" : "not fused: " + textAt(verdict, "reason"));
    }
}

static void memberFacts(const json::Object &object, llvm::StringRef prefix, Facts &facts) {
  for (const auto &[name, value] : sortedMembers(object))
    facts.emplace_back((prefix + name).str(), *value);
}

static void optionFacts(const json::Object &report, Facts &facts) {
  memberFacts(objectAt(report, "options"), "--", facts);
}

static void targetFacts(const json::Object &report, Facts &facts) {
  memberFacts(objectAt(report, "target"), "", facts);
  memberFacts(objectAt(report, "needs"), "needs ", facts);
}

static void modelFacts(const json::Object &report, Facts &facts) {
  memberFacts(objectAt(report, "model"), "", facts);
}

/// Fates of config keys and tensors; those of flags are options.
static void ledgerFacts(const json::Object &report, Facts &facts) {
  for (const auto &[name, section] : sortedMembers(objectAt(report, "ledger")))
    for (llvm::StringRef fate : {"used", "defaulted", "ignored_by_spec"})
      for (const json::Value &value : listAt(asObject(*section), fate)) {
        if (name == "flags")
          continue;
        const json::Object &entry = asObject(value);
        std::string key = entry.empty() ? scalarText(value) : textAt(entry, "key");
        std::string note = textAt(entry, "value") + textAt(entry, "reason");
        facts.emplace_back((name + " " + key).str(),
                           note.empty() ? fate.str() : (fate + ": " + note).str());
      }
}

static void provenanceFacts(const json::Object &report, Facts &facts) {
  const json::Object &provenance = objectAt(report, "provenance");
  for (const auto &[name, value] : sortedMembers(provenance))
    if (name != "tensors")
      facts.emplace_back(name.str(), *value);
  for (const json::Value &value : listAt(provenance, "tensors"))
    facts.emplace_back("tensor " + textAt(asObject(value), "key"), textAt(asObject(value), "hash"));
}

static constexpr Section sections[] = {
    {"launches", launchFacts}, {"kernels", kernelFacts}, {"memory", memoryFacts},
    {"fusion", fusionFacts},   {"options", optionFacts}, {"target", targetFacts},
    {"model", modelFacts},     {"ledger", ledgerFacts},  {"provenance", provenanceFacts}};

/// Facts of a section; names that come again are numbered.
static Facts collectFacts(const Section &section, const json::Object &report) {
  Facts facts;
  section.collect(report, facts);
  llvm::StringMap<unsigned> times;
  for (auto &[name, value] : facts)
    if (unsigned before = times[name]++)
      name += " #" + std::to_string(before + 1);
  return facts;
}

/// Facts of a section that are not the same on both sides, in the order of `a`, then what `b` alone
/// has.
static void diffSection(const Section &section, const json::Object &a, const json::Object &b,
                        json::Array &differences) {
  const Facts left = collectFacts(section, a), right = collectFacts(section, b);
  if (left.empty() != right.empty() && section.name == "provenance")
    return; // a plan has none yet
  llvm::StringMap<const json::Value *> leftNames, rightNames;
  for (const auto &[name, value] : left)
    leftNames[name] = &value;
  for (const auto &[name, value] : right)
    rightNames[name] = &value;
  auto isNothing = [](const json::Value &value) { return value == nullptr || value == ""; };
  auto add = [&](const std::string &name, json::Value x, json::Value y) {
    if (isNothing(x) && isNothing(y))
      return; // not given, and not known to the older one
    differences.push_back(json::Object{
        {"section", section.name}, {"what", name}, {"a", std::move(x)}, {"b", std::move(y)}});
  };
  for (const auto &[name, value] : left) {
    const json::Value *other = rightNames.lookup(name);
    if (!other || *other != value)
      add(name, value, other ? *other : json::Value(nullptr));
  }
  for (const auto &[name, value] : right)
    if (!leftNames.count(name))
      add(name, nullptr, value);
}

json::Array diffReports(const json::Object &a, const json::Object &b) {
  json::Array differences;
  for (const Section &section : sections)
    diffSection(section, a, b, differences);
  return differences;
}

/// "51 -> 19 (-63 %)".
static std::string changeText(const json::Object &difference) {
  const json::Value *a = difference.get("a"), *b = difference.get("b");
  auto x = a->getAsInteger(), y = b->getAsInteger();
  if (!x || !y)
    return "";
  std::string text = grouped(*x) + " -> " + grouped(*y);
  if (*x != 0) {
    int64_t percent = (*y - *x) * 100 / std::abs(*x);
    text += " (" + std::string(percent > 0 ? "+" : "") + std::to_string(percent) + " %)";
  }
  return text;
}

static void printDifference(const json::Object &difference, const TextOutput &out) {
  std::string what = textAt(difference, "what");
  if (std::string change = changeText(difference); !change.empty())
    return out.line("  " + what + ": " + change);
  auto side = [&](llvm::StringRef key, llvm::StringRef sign, Tone tone) {
    const json::Value *value = difference.get(key);
    if (value->kind() == json::Value::Null)
      return;
    std::string text = scalarText(*value);
    out.line("    " + sign.str() + " " + (text.empty() ? "not given" : shortened(text, 120)), tone);
  };
  out.line("  " + what);
  side("a", "-", Tone::Bad);
  side("b", "+", Tone::Good);
}

void printDiff(const json::Array &differences, size_t limit, const TextOutput &out) {
  for (const Section &section : sections) {
    std::vector<const json::Object *> own;
    for (const json::Value &difference : differences)
      if (textAt(asObject(difference), "section") == section.name)
        own.push_back(&asObject(difference));
    if (own.empty())
      continue;
    out.line(section.name, Tone::Heading);
    for (const json::Object *difference : llvm::ArrayRef(own).take_front(limit))
      printDifference(*difference, out);
    if (own.size() > limit)
      out.line("  and " + std::to_string(own.size() - limit) + " more: --all", Tone::Dim);
  }
}

} // namespace stoop::inspect
