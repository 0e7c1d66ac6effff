//===- Diff.cpp - what differs between two reports ------------------------===//
//
// Each section becomes a flat list of facts with names that do not depend on how kernels are
// numbered; facts of equal name and layer are compared, layers that differ equally told together.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/Diff.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>
#include <set>

namespace stoop::inspect {

namespace {
struct Fact {
  std::string name;
  json::Value value;
  int64_t layer = -1; ///< that the fact is about; -1: none
};

/// What is the same for several layers, as one fact for each.
struct Facts : std::vector<Fact> {
  void add(std::string name, json::Value value) { push_back({std::move(name), std::move(value)}); }
  void addForLayers(const json::Object &object, const std::string &name, const std::string &value);
};
using CollectFacts = void (*)(const json::Object &report, Facts &facts);

struct Section {
  llvm::StringLiteral name;
  CollectFacts collect;
};
} // namespace

/// `object` has a group's or verdict's `layers`, or none.
void Facts::addForLayers(const json::Object &object, const std::string &name,
                         const std::string &value) {
  constexpr int64_t kMostLayers = 4096; // more is damage
  const json::Array &layers = listAt(object, "layers");
  int64_t first = layers.size() == 2 ? layers[0].getAsInteger().value_or(-1) : -1;
  int64_t last = layers.size() == 2 ? layers[1].getAsInteger().value_or(-1) : -1;
  if (first < 0 || last < first || last >= kMostLayers)
    return add(name, value);
  for (int64_t layer = first; layer <= last; ++layer)
    push_back({name, value, layer});
}

static void launchFacts(const json::Object &report, Facts &facts) {
  for (const json::Value &value : listAt(report, "entries")) {
    const json::Object &entry = asObject(value);
    std::string name = textAt(entry, "name");
    facts.add(name, numberAt(entry, "launches"));
    facts.add(name + " a layer", numberAt(entry, "launches_per_layer"));
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
  facts.add("kernels", int64_t(kernels.size()));
  for (const json::Value &entry : listAt(report, "entries"))
    for (const json::Value &group : listAt(asObject(entry), "groups"))
      for (const json::Value &launch : listAt(asObject(group), "launches")) {
        std::string name = textAt(asObject(entry), "name") + " " + textAt(asObject(launch), "path");
        const json::Object *kernel = kernels.lookup(textAt(asObject(launch), "kernel"));
        if (kernel)
          facts.addForLayers(asObject(group), name, kernelText(*kernel));
      }
}

static void memoryFacts(const json::Object &report, Facts &facts) {
  const json::Object &memory = objectAt(report, "memory");
  facts.add("total", numberAt(memory, "total_bytes"));
  for (const json::Value &value : listAt(memory, "arenas"))
    facts.add("arena " + textAt(asObject(value), "name"), numberAt(asObject(value), "bytes"));
  facts.add("KV cache a token", numberAt(memory, "kv_bytes_per_token"));
  for (const json::Value &value : listAt(memory, "maps")) {
    const json::Object &map = asObject(value);
    std::string name = "in " + textAt(map, "arena") + " of " + textAt(map, "entry");
    facts.add("peak " + name, numberAt(map, "peak_bytes"));
    facts.add("lower bound " + name, numberAt(map, "lower_bound_bytes"));
  }
}

/// "binary layers.*.residual": ops may share a path.
static std::string endText(const json::Object &op, const std::string &path) {
  return llvm::StringRef(textAt(op, "op")).split('.').second.str() + " " + path;
}

static void fusionFacts(const json::Object &report, Facts &facts) {
  for (llvm::StringRef kind : {"missed", "passed"})
    for (const json::Value &value : listAt(objectAt(report, "fusion"), kind)) {
      const json::Object &verdict = asObject(value);
      const json::Object &producer = objectAt(verdict, "producer"),
                         &consumer = objectAt(verdict, "consumer");
      std::string name = textAt(verdict, "entry") + " " + endText(producer, producerPath(verdict)) +
                         " -> " + endText(consumer, textAt(consumer, "path"));
      facts.addForLayers(verdict, name,
                         kind == "passed" ? "fused" : "not fused: " + textAt(verdict, "reason"));
    }
}

static void memberFacts(const json::Object &object, llvm::StringRef prefix, Facts &facts) {
  for (const auto &[name, value] : sortedMembers(object))
    facts.add((prefix + name).str(), *value);
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
        facts.add((name + " " + key).str(), note.empty() ? fate.str() : (fate + ": " + note).str());
      }
}

static void provenanceFacts(const json::Object &report, Facts &facts) {
  const json::Object &provenance = objectAt(report, "provenance");
  for (const auto &[name, value] : sortedMembers(provenance))
    if (name != "tensors")
      facts.add(name.str(), *value);
  for (const json::Value &value : listAt(provenance, "tensors"))
    facts.add("tensor " + textAt(asObject(value), "key"), textAt(asObject(value), "hash"));
}

static constexpr Section sections[] = {
    {"launches", launchFacts}, {"kernels", kernelFacts}, {"memory", memoryFacts},
    {"fusion", fusionFacts},   {"options", optionFacts}, {"target", targetFacts},
    {"model", modelFacts},     {"ledger", ledgerFacts},  {"provenance", provenanceFacts}};

/// Facts of a section by name and layer; what comes again is numbered.
static Facts collectFacts(const Section &section, const json::Object &report) {
  Facts facts;
  section.collect(report, facts);
  std::map<std::pair<std::string, int64_t>, unsigned> times;
  for (Fact &fact : facts)
    if (unsigned before = times[{fact.name, fact.layer}]++)
      fact.name += " #" + std::to_string(before + 1);
  return facts;
}

/// " (layers 0, 2-4)"; nothing for none.
static std::string layersSuffix(const std::set<int64_t> &layers) {
  std::string text;
  for (auto first = layers.begin(); first != layers.end();) {
    auto last = first, next = std::next(first);
    while (next != layers.end() && *next == *last + 1)
      last = next++;
    text += (text.empty() ? "" : ", ") + std::to_string(*first) +
            (first == last ? "" : "-" + std::to_string(*last));
    first = next;
  }
  if (text.empty())
    return "";
  return (layers.size() == 1 ? " (layer " : " (layers ") + text + ")";
}

/// In percent of `before`, rounded: the one number that all renderings show.
static int64_t percentOf(int64_t before, int64_t after) {
  return std::llround((double(after) - double(before)) * 100 / std::abs(double(before)));
}

namespace {
/// What differs in the same way, in some layers or none.
struct Difference {
  std::string name;
  json::Value a, b;
  std::set<int64_t> layers;

  /// Fusions that were lost come first, then new ones, then other reasons for not fusing.
  int rank() const {
    auto refuses = [](const json::Value &value) {
      return value.getAsString().value_or("").starts_with("not fused");
    };
    return a == "fused" && refuses(b) ? 0 : refuses(a) && b == "fused" ? 1 : 2;
  }

  json::Object toJson(llvm::StringRef section) const {
    json::Object object{
        {"section", section}, {"what", name + layersSuffix(layers)}, {"a", a}, {"b", b}};
    auto before = a.getAsInteger(), after = b.getAsInteger();
    if (before && after && *before != 0)
      object["percent"] = percentOf(*before, *after);
    return object;
  }
};
} // namespace

/// Facts of a section that are not the same on both sides, in the order of `a`, then what `b` alone
/// has.
static void diffSection(const Section &section, const json::Object &a, const json::Object &b,
                        json::Array &differences) {
  const Facts left = collectFacts(section, a), right = collectFacts(section, b);
  if (left.empty() != right.empty() && section.name == "provenance")
    return; // a plan has none yet
  std::map<std::pair<std::string, int64_t>, const json::Value *> leftValues, rightValues;
  for (const Fact &fact : left)
    leftValues[{fact.name, fact.layer}] = &fact.value;
  for (const Fact &fact : right)
    rightValues[{fact.name, fact.layer}] = &fact.value;
  std::vector<Difference> found;
  auto isNothing = [](const json::Value &value) { return value == nullptr || value == ""; };
  auto add = [&](const Fact &fact, json::Value x, json::Value y) {
    if (isNothing(x) && isNothing(y))
      return; // not given, and not known to the older one
    auto equal = llvm::find_if(found, [&](const Difference &other) {
      return fact.layer >= 0 && other.name == fact.name && other.a == x && other.b == y;
    });
    if (equal == found.end())
      equal = found.insert(equal, {fact.name, std::move(x), std::move(y), {}});
    if (fact.layer >= 0)
      equal->layers.insert(fact.layer);
  };
  for (const Fact &fact : left) {
    auto other = rightValues.find({fact.name, fact.layer});
    if (other == rightValues.end() || *other->second != fact.value)
      add(fact, fact.value, other == rightValues.end() ? json::Value(nullptr) : *other->second);
  }
  for (const Fact &fact : right)
    if (!leftValues.count({fact.name, fact.layer}))
      add(fact, nullptr, fact.value);
  llvm::stable_sort(found,
                    [](const Difference &x, const Difference &y) { return x.rank() < y.rank(); });
  for (const Difference &difference : found)
    differences.push_back(difference.toJson(section.name));
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
  if (auto percent = difference.getInteger("percent"))
    text += " (" + std::string(*percent > 0 ? "+" : "") + std::to_string(*percent) + " %)";
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
