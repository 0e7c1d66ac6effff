//===- Diff.cpp - what differs between two reports ------------------------===//
//
// Each section becomes a flat list of facts with names that do not depend on how kernels are
// numbered; facts of equal name and layer are compared, layers that differ equally told together.
// A fact with fields (a launch) tells of those that differ. What differs is never cut.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/Diff.h"

#include "passes/report/ModelPaths.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>
#include <set>

namespace stoop::inspect {

namespace {
struct Fact {
  std::string name;
  json::Value value;
  int64_t layer = -1;      ///< that the fact is about; -1: none
  bool isOptional = false; ///< older reports or earlier phases do not know it: no difference
};

struct Facts : std::vector<Fact> {
  void add(std::string name, json::Value value) { push_back({std::move(name), std::move(value)}); }
  void addOptional(std::string name, const json::Value *value) {
    if (value && value->kind() != json::Value::Null)
      push_back({std::move(name), *value, -1, true});
  }
  /// Of a key or tensor, whose name may say a layer: "transformer.h.3.mlp.dense.weight".
  void addNamed(llvm::StringRef kind, const std::string &key, json::Value value) {
    push_back({(kind + " " + report::anyLayer(key)).str(), std::move(value), report::layerOf(key).value_or(-1)});
  }
  /// What is the same for several layers, as one fact for each.
  void addForLayers(const json::Object &object, const std::string &name, const json::Value &value);
};
using CollectFacts = void (*)(const json::Object &report, Facts &facts);

struct Section {
  llvm::StringLiteral name;
  CollectFacts collect;
};
} // namespace

/// `object` has a group's or verdict's `layers`, or none.
void Facts::addForLayers(const json::Object &object, const std::string &name,
                         const json::Value &value) {
  const json::Array &layers = listAt(object, "layers");
  int64_t first = layers.size() == 2 ? layers[0].getAsInteger().value_or(-1) : -1;
  int64_t last = layers.size() == 2 ? layers[1].getAsInteger().value_or(-1) : -1;
  if (first < 0)
    return add(name, value);
  for (int64_t layer = first; layer <= last; ++layer)
    push_back({name, value, layer});
}

/// Bytes, flops and predicted time, under the names that people read.
static void addCost(const json::Object &object, json::Object &fields) {
  for (auto [key, name] : {std::pair("bytes", "bytes moved"), std::pair("flops", "flops"),
                           std::pair("roofline_ns", "ns at best")})
    if (auto amount = object.getInteger(key))
      fields[name] = *amount;
}

static void launchFacts(const json::Object &report, Facts &facts) {
  for (const json::Value &value : listAt(report, "entries")) {
    const json::Object &entry = asObject(value);
    std::string name = textAt(entry, "name");
    facts.add(name, numberAt(entry, "launches"));
    facts.add(name + " a layer", numberAt(entry, "launches_per_layer"));
  }
  for (const json::Value &value : listAt(report, "entries")) {
    const json::Object &entry = asObject(value);
    json::Object cost{{"rows", numberAt(entry, "rows")}};
    addCost(entry, cost);
    facts.add("a step of " + textAt(entry, "name"), std::move(cost));
  }
}

/// What a launch runs, by name: ops, template, each tunable, where the schedule is from, cost.
static json::Object launchFields(const json::Object &kernel) {
  std::string ops;
  for (const json::Value &op : listAt(kernel, "ops"))
    ops += (ops.empty() ? "" : " + ") + llvm::StringRef(scalarText(op)).split('.').second.str();
  json::Object fields{{"ops", ops},
                      {"template", textAt(kernel, "template")},
                      {"schedule", textAt(kernel, "schedule_source")}};
  for (const auto &[name, value] : objectAt(kernel, "tunables"))
    fields["tunable " + name.str()] = value;
  addCost(kernel, fields);
  return fields;
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
          facts.addForLayers(asObject(group), name, launchFields(*kernel));
      }
}

static void memoryFacts(const json::Object &report, Facts &facts) {
  const json::Object &memory = objectAt(report, "memory");
  facts.add("arenas together", numberAt(memory, "total_bytes"));
  for (const json::Value &value : listAt(memory, "arenas"))
    facts.add("arena " + textAt(asObject(value), "name"), numberAt(asObject(value), "bytes"));
  for (const json::Value &value : listAt(memory, "classes")) { // the others are sums of arenas
    const json::Object &row = asObject(value);
    if (std::string name = textAt(row, "class");
        llvm::is_contained({"workspace", "stacks", "modules", "graphs", "code"}, name)) {
      facts.addOptional(name, row.get("bytes"));
      facts.addOptional(name + " a thread", row.get("bytes_per_thread"));
    }
  }
  facts.add("KV cache a token", numberAt(memory, "kv_bytes_per_token"));
  for (const json::Value &value : listAt(memory, "maps")) {
    const json::Object &map = asObject(value);
    std::string name = "in " + textAt(map, "arena") + " of " + textAt(map, "entry");
    facts.add("peak " + name, numberAt(map, "peak_bytes"));
    facts.add("lower bound " + name, numberAt(map, "lower_bound_bytes"));
    facts.addOptional("solver " + name, map.get("solver"));
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
        facts.addNamed(name, key, note.empty() ? fate.str() : (fate + ": " + note).str());
      }
}

static void provenanceFacts(const json::Object &report, Facts &facts) {
  const json::Object &provenance = objectAt(report, "provenance");
  for (const auto &[name, value] : sortedMembers(provenance))
    if (name != "tensors")
      facts.add(name.str(), *value);
  for (const json::Value &value : listAt(provenance, "tensors"))
    facts.addNamed("tensor", textAt(asObject(value), "key"), textAt(asObject(value), "hash"));
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

  /// Of facts with fields, those that differ.
  void keepWhatDiffers() {
    json::Object *x = a.getAsObject(), *y = b.getAsObject();
    if (!x || !y)
      return;
    std::vector<std::string> equal;
    for (const auto &[name, value] : *x)
      if (const json::Value *other = y->get(name); other && *other == value)
        equal.push_back(name.str());
    for (const std::string &name : equal) {
      x->erase(name);
      y->erase(name);
    }
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
    if (other == rightValues.end() ? !fact.isOptional : *other->second != fact.value)
      add(fact, fact.value, other == rightValues.end() ? json::Value(nullptr) : *other->second);
  }
  for (const Fact &fact : right)
    if (!leftValues.count({fact.name, fact.layer}) && !fact.isOptional)
      add(fact, nullptr, fact.value);
  llvm::stable_sort(found,
                    [](const Difference &x, const Difference &y) { return x.rank() < y.rank(); });
  for (Difference &difference : found) {
    difference.keepWhatDiffers();
    differences.push_back(difference.toJson(section.name));
  }
}

json::Array diffReports(const json::Object &a, const json::Object &b) {
  json::Array differences;
  for (const Section &section : sections)
    diffSection(section, a, b, differences);
  return differences;
}

/// "51 -> 19 (-63 %)"; empty if the two are no amounts.
static std::string changeText(const json::Value &a, const json::Value &b) {
  auto x = a.getAsInteger(), y = b.getAsInteger();
  if (!x || !y)
    return "";
  std::string text = grouped(*x) + " -> " + grouped(*y);
  if (*x == 0)
    return text;
  int64_t percent = percentOf(*x, *y);
  return text + " (" + (percent > 0 ? "+" : "") + std::to_string(percent) + " %)";
}

/// Text of a value that stands alone; of a launch, what it runs.
static std::string aloneText(const json::Value &value) {
  constexpr size_t kColumns = 120;
  std::string text = value.getAsObject() ? textAt(asObject(value), "ops") : "";
  if (text.empty())
    text = scalarText(value);
  return text.empty() ? "not given" : shortened(text, kColumns);
}

/// Two texts without what they share at both ends, where they are long; cut between words alone.
static std::pair<std::string, std::string> whereTheyDiffer(llvm::StringRef a, llvm::StringRef b) {
  constexpr size_t kShort = 60, kContext = 16; // columns
  if (std::max(a.size(), b.size()) <= kShort)
    return {a.str(), b.str()};
  size_t front = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  llvm::StringRef x = a.drop_front(front), y = b.drop_front(front);
  size_t back = std::mismatch(x.rbegin(), x.rend(), y.rbegin(), y.rend()).first - x.rbegin();
  size_t first = a.take_front(front).take_front(front > kContext ? front - kContext : 0).rfind(' ');
  size_t end = a.take_back(back).find(' ', kContext);
  bool cutsFront = first != llvm::StringRef::npos, cutsBack = end != llvm::StringRef::npos;
  auto cut = [&](llvm::StringRef text) {
    text = text.drop_front(cutsFront ? first : 0).drop_back(cutsBack ? back - end : 0);
    return (cutsFront ? "..." : "") + text.str() + (cutsBack ? " ..." : "");
  };
  return {cut(a), cut(b)};
}

/// "name: before -> after", or in three lines what is long: equal front and back are left out.
static void printChange(const std::string &name, const json::Value &a, const json::Value &b,
                        const std::string &indent, const TextOutput &out) {
  if (std::string change = changeText(a, b); !change.empty())
    return out.line(indent + name + ": " + change);
  auto [before, after] = whereTheyDiffer(scalarText(a), scalarText(b));
  for (std::string *side : {&before, &after})
    if (side->empty())
      *side = "not given";
  constexpr size_t kOneLine = 60; // columns of both together
  if (columnsOf(before) + columnsOf(after) <= kOneLine)
    return out.line(indent + name + ": " + before + " -> " + after);
  out.line(indent + name);
  out.line(indent + "  - " + before, Tone::Bad);
  out.line(indent + "  + " + after, Tone::Good);
}

static void printDifference(const json::Object &difference, const TextOutput &out) {
  std::string what = textAt(difference, "what");
  const json::Value &a = *difference.get("a"), &b = *difference.get("b");
  if (a == nullptr || b == nullptr) {
    out.line("  " + what);
    return a == nullptr ? out.line("    + " + aloneText(b), Tone::Good)
                        : out.line("    - " + aloneText(a), Tone::Bad);
  }
  if (!a.getAsObject() || !b.getAsObject())
    return printChange(what, a, b, "  ", out);
  out.line("  " + what);
  std::set<llvm::StringRef> names;
  for (const json::Value *side : {&a, &b})
    for (const auto &field : *side->getAsObject())
      names.insert(field.first);
  auto valueOf = [](const json::Value &side, llvm::StringRef name) {
    const json::Value *value = side.getAsObject()->get(name);
    return value ? *value : json::Value("");
  };
  for (llvm::StringRef name : names)
    printChange(name.str(), valueOf(a, name), valueOf(b, name), "    ", out);
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
