//===- Why.cpp - one op's story -------------------------------------------===//
//
// Names match from the most exact to the least: whole path, part of the model, op. A query with a
// layer gets that layer's answer; one without gets that of a layer with the most equals.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/Why.h"

#include "passes/report/ModelPaths.h"
#include "llvm/ADT/STLExtras.h"

#include <array>
#include <map>
#include <optional>
#include <set>

namespace stoop::inspect {

using report::anyLayer;
using report::layerOf;

namespace {
/// How well a name answers a query.
enum class Match { None, Op, Part, Tail, Whole };

/// One op of one launch of one entry.
struct Place {
  const json::Object *entry, *group, *launch, *op;
  int64_t index; ///< of the launch in its entry, for the layer asked for
  int64_t layer; ///< -1: none
};
} // namespace

/// A checkpoint's or the IR's name in one spelling: "layers.*.self_attention.dense".
static std::string normalized(llvm::StringRef name) {
  name.consume_front("transformer.") || name.consume_front("model.");
  name.consume_back(".weight");
  if (name == "lm_head")
    return "head"; // where it is tied, no tensor of the checkpoint is called so
  std::string text = name.starts_with("h.") ? ("layers." + name.drop_front(2)).str() : name.str();
  return anyLayer(text);
}

static std::vector<std::string> namesOf(const json::Object &op) {
  std::vector<std::string> names = {normalized(textAt(op, "path"))};
  for (const json::Value &tensor : listAt(op, "tensors"))
    names.push_back(normalized(scalarText(tensor)));
  return names;
}

static Match matchOf(const json::Object &op, llvm::StringRef wanted) {
  Match best = Match::None;
  for (llvm::StringRef name : namesOf(op)) {
    if (name == wanted)
      return Match::Whole;
    if (name.ends_with(("." + wanted).str()))
      best = Match::Tail;
    else if (name.starts_with((wanted + ".").str()) || name.contains(("." + wanted + ".").str()))
      best = std::max(best, Match::Part);
  }
  llvm::StringRef kind = op.getString("op").value_or("");
  bool isKind = kind == wanted || kind.split('.').second == wanted;
  return best == Match::None && isKind ? Match::Op : best;
}

/// First and last layer of a group or verdict; -1: none.
static std::pair<int64_t, int64_t> layersOf(const json::Object &object) {
  const json::Array &layers = listAt(object, "layers");
  if (layers.size() != 2)
    return {-1, -1};
  return {layers[0].getAsInteger().value_or(-1), layers[1].getAsInteger().value_or(-1)};
}

/// Calls `use` for each op of each launch, for `layer` where the group has it.
template <typename Use>
static void forEachPlace(const json::Object &report, std::optional<int64_t> layer, Use use) {
  for (const json::Value &entry : listAt(report, "entries")) {
    int64_t before = 0;
    for (const json::Value &part : listAt(asObject(entry), "groups")) {
      const json::Object &group = asObject(part);
      const json::Array &launches = listAt(group, "launches");
      auto [first, last] = layersOf(group);
      bool isIn = !layer || first < 0 || (first <= *layer && *layer <= last);
      int64_t shown = layer && first >= 0 ? *layer : first;
      int64_t index = before + (isIn && first >= 0 ? shown - first : 0) * int64_t(launches.size());
      for (const json::Value &launch : launches) {
        for (const json::Value &op : listAt(asObject(launch), "ops"))
          if (isIn)
            use(Place{&asObject(entry), &group, &asObject(launch), &asObject(op), index, shown});
        ++index;
      }
      before += int64_t(launches.size()) * (first < 0 ? 1 : last - first + 1);
    }
  }
}

/// "nothing is called …; nearest: …".
static llvm::Error unknownName(const json::Object &report, const std::string &query,
                               llvm::StringRef wanted, std::optional<int64_t> layer) {
  int64_t lastLayer = -1;
  std::set<std::string> known;
  bool isKnown = false;
  forEachPlace(report, std::nullopt, [&](const Place &place) {
    lastLayer = std::max(lastLayer, layersOf(*place.group).second);
    isKnown |= matchOf(*place.op, wanted) != Match::None;
    for (std::string &name : namesOf(*place.op))
      known.insert(std::move(name));
  });
  if (isKnown && layer && *layer > lastLayer)
    return llvm::createStringError("--why " + query + ": the model has layers 0 to " +
                                   std::to_string(lastLayer));
  std::vector<std::pair<unsigned, std::string>> ranked;
  for (const std::string &name : known) {
    // What follows the layer counts most: many ask without the beginning.
    llvm::StringRef tail = llvm::StringRef(name).split("*.").second;
    unsigned distance = llvm::StringRef(name).edit_distance(wanted);
    ranked.emplace_back(tail.empty() ? distance : std::min(distance, tail.edit_distance(wanted)),
                        layer ? report::withLayer(name, std::to_string(*layer)) : name);
  }
  llvm::sort(ranked);
  std::string nearest;
  for (size_t i = 0; i < std::min<size_t>(ranked.size(), 3); ++i)
    nearest += (i ? ", " : "") + ranked[i].second;
  return llvm::createStringError("--why " + query +
                                 ": nothing in the model is called so; nearest: " + nearest);
}

/// The path of an op for the layer that is told of; -1: as it is.
static std::string shownPath(const json::Object &op, int64_t layer) {
  std::string path = textAt(op, "path");
  return layer < 0 ? path : report::withLayer(path, std::to_string(layer));
}

static json::Array shownTensors(const json::Object &op, int64_t layer) {
  json::Array tensors;
  for (const json::Value &tensor : listAt(op, "tensors"))
    tensors.push_back(layer < 0 ? scalarText(tensor)
                                : report::withLayer(scalarText(tensor), std::to_string(layer)));
  return tensors;
}

/// The layers that an end of a verdict lies in; nothing if in none.
static std::optional<std::pair<int64_t, int64_t>> layersOfEnd(const json::Object &verdict,
                                                              llvm::StringRef end) {
  std::string path = textAt(objectAt(verdict, end), "path");
  if (std::optional<int64_t> layer = layerOf(path))
    return std::make_pair(*layer, *layer);
  auto [first, last] = layersOf(verdict);
  auto liesInLayers = [&](llvm::StringRef key) {
    std::string any = textAt(objectAt(verdict, key), "path");
    return report::withLayer(any, "0") != any;
  };
  if (first < 0 || !liesInLayers(end))
    return std::nullopt;
  int64_t back =
      end == "producer" && liesInLayers("consumer") ? numberAt(verdict, "layer_distance") : 0;
  return std::make_pair(first - back, last - back);
}

/// The layer to show for the other end of a verdict whose own end lies in `layer`; -1: none, or
/// several.
static int64_t otherLayer(const json::Object &verdict, bool isProducer,
                          std::optional<int64_t> layer) {
  auto own = layersOfEnd(verdict, isProducer ? "producer" : "consumer"),
       other = layersOfEnd(verdict, isProducer ? "consumer" : "producer");
  if (!other)
    return -1;
  if (own && layer)
    return *layer - own->first + other->first;
  return other->first == other->second ? other->first : -1;
}

/// A verdict as the end in `layer` sees it.
static json::Object edgeJson(const json::Object &edge, llvm::StringRef verdict, bool isProducer,
                             std::optional<int64_t> layer) {
  const json::Object &other = objectAt(edge, isProducer ? "consumer" : "producer");
  json::Object found{
      {"verdict", verdict},
      {"direction", isProducer ? "to" : "from"},
      {"op", textAt(other, "op")},
      {"path", shownPath(other, otherLayer(edge, isProducer, layer))},
      {"bytes_per_layer", numberAt(edge, "bytes") / std::max<int64_t>(1, numberAt(edge, "count"))},
      {"bytes", numberAt(edge, "bytes")},
      {"count", numberAt(edge, "count")},
      {"pass", textAt(edge, "pass")}};
  if (verdict == "missed") {
    found["reason"] = textAt(edge, "reason");
    found["remedy"] = textAt(edge, "remedy");
  }
  return found;
}

/// The verdicts of an entry that an op is an end of; of equal layers in a row, an op may be both.
static json::Array edgesOf(const json::Object &report, const Place &place) {
  json::Array edges;
  std::optional<int64_t> layer = layerOf(shownPath(*place.op, place.layer));
  auto isOp = [&](const json::Object &verdict, llvm::StringRef end) {
    const json::Object &op = objectAt(verdict, end);
    auto layers = layersOfEnd(verdict, end);
    return textAt(op, "op") == textAt(*place.op, "op") &&
           anyLayer(textAt(op, "path")) == anyLayer(textAt(*place.op, "path")) &&
           (!layers || !layer || (layers->first <= *layer && *layer <= layers->second));
  };
  for (llvm::StringRef verdict : {"passed", "missed"})
    for (const json::Value &value : listAt(objectAt(report, "fusion"), verdict)) {
      const json::Object &edge = asObject(value);
      if (textAt(edge, "entry") != textAt(*place.entry, "name"))
        continue;
      for (bool isProducer : {false, true})
        if (isOp(edge, isProducer ? "producer" : "consumer"))
          edges.push_back(edgeJson(edge, verdict, isProducer, layer));
    }
  return edges;
}

/// The launch of a place, the ops beside its op, and its edges.
static json::Object placeJson(const json::Object &report, const Place &place) {
  json::Array beside;
  for (const json::Value &op : listAt(*place.launch, "ops"))
    if (&asObject(op) != place.op)
      beside.push_back(shownPath(asObject(op), place.layer));
  json::Object result{{"entry", textAt(*place.entry, "name")},
                      {"launch", place.index},
                      {"launches", numberAt(*place.entry, "launches")},
                      {"layers", json::Array(listAt(*place.group, "layers"))},
                      {"kernel", textAt(*place.launch, "kernel")},
                      {"with", std::move(beside)},
                      {"edges", edgesOf(report, place)}};
  for (const json::Value &value : listAt(report, "kernels")) {
    const json::Object &kernel = asObject(value);
    if (textAt(kernel, "name") != textAt(*place.launch, "kernel"))
      continue;
    for (llvm::StringRef key :
         {"template", "schedule_source", "schedule_evidence", "bytes", "flops", "roofline_ns", "bound", "start"})
      if (const json::Value *fact = kernel.get(key))
        result[key] = *fact;
  }
  return result;
}

llvm::Expected<json::Object> explain(const json::Object &report, const std::string &query) {
  std::optional<int64_t> layer = layerOf(query);
  std::string wanted = normalized(query);
  Match best = Match::None;
  forEachPlace(report, layer, [&](const Place &place) {
    if (layer && layersOf(*place.group).first < 0)
      return; // asked for a layer, and this is none
    best = std::max(best, matchOf(*place.op, wanted));
  });
  if (best == Match::None)
    return unknownName(report, query, wanted, layer);
  json::Array ops;
  using Key = std::array<std::string, 3>;
  auto keyOf = [](const Place &place) -> Key {
    return {textAt(*place.entry, "name"), textAt(*place.op, "op"), textAt(*place.op, "path")};
  };
  auto spanOf = [](const Place &place) {
    auto [first, last] = layersOf(*place.group);
    return last - first;
  };
  std::map<Key, int64_t> widest; ///< Who names no layer is told of the one that has most equals.
  forEachPlace(report, layer, [&](const Place &place) {
    int64_t &span = widest.try_emplace(keyOf(place), -1).first->second;
    span = std::max(span, spanOf(place));
  });
  std::set<Key> seen;
  forEachPlace(report, layer, [&](const Place &place) {
    if (matchOf(*place.op, wanted) != best || (layer && layersOf(*place.group).first < 0) ||
        spanOf(place) < widest.at(keyOf(place)) || !seen.insert(keyOf(place)).second)
      return;
    std::string path = shownPath(*place.op, place.layer);
    auto found = llvm::find_if(ops, [&](const json::Value &op) {
      return textAt(asObject(op), "path") == path &&
             textAt(asObject(op), "op") == textAt(*place.op, "op");
    });
    if (found == ops.end()) {
      ops.push_back(json::Object{{"op", textAt(*place.op, "op")},
                                 {"path", path},
                                 {"tensors", shownTensors(*place.op, place.layer)},
                                 {"moves_data", textAt(*place.op, "op") != "lm.view"},
                                 {"entries", json::Array()}});
      found = std::prev(ops.end());
    }
    found->getAsObject()->getArray("entries")->push_back(placeJson(report, place));
  });
  return json::Object{{"query", query}, {"ops", std::move(ops)}};
}

//===----------------------------------------------------------------------===//
// Text
//===----------------------------------------------------------------------===//

/// What two entries must have in common to be told together.
static std::string storyOf(const json::Object &place) {
  std::string story = scalarText(json::Value(json::Array(listAt(place, "with"))));
  for (const json::Value &value : listAt(place, "edges")) {
    const json::Object &edge = asObject(value);
    for (llvm::StringRef key : {"verdict", "direction", "path", "reason"})
      story += "|" + textAt(edge, key);
  }
  return story;
}

static void printPlace(const json::Object &place, const TextOutput &out) {
  out.line("  " + textAt(place, "entry") + ": launch " +
           std::to_string(numberAt(place, "launch") + 1) + " of " +
           std::to_string(numberAt(place, "launches")) + ", kernel " + textAt(place, "kernel") +
           " (" + textAt(place, "template") + ", " + textAt(place, "schedule_source") +
           "), moves " + byteText(numberAt(place, "bytes")) +
           (place.get("roofline_ns") ? ", at best " + timeText(numberAt(place, "roofline_ns")) +
                                           ", " + textAt(place, "bound") + " bound"
                                     : std::string()));
  if (const json::Object &start = objectAt(place, "start"); start.getBoolean("early").value_or(false))
    out.line("    starts before the launch in front has ended, where the GPU can overlap launches" +
                 (start.get("block_bytes_ahead") ? ", and asks for " + byteText(numberAt(start, "block_bytes_ahead")) + " of weights a block"
                                                 : std::string()),
             Tone::Dim);
  else if (!start.empty())
    out.line("    starts when the launch in front has ended: " + textAt(start, "reason"), Tone::Dim);
  if (auto [first, last] = layersOf(place); first < last)
    out.line("    the same in each of the layers " + std::to_string(first) + " to " +
                 std::to_string(last),
             Tone::Dim);
  const json::Array &beside = listAt(place, "with");
  out.line("    " + (beside.empty() ? std::string("alone in its launch")
                                    : "with " + scalarText(json::Value(json::Array(beside)))),
           Tone::Dim);
  for (const json::Value &value : listAt(place, "edges")) {
    const json::Object &edge = asObject(value);
    bool isFused = textAt(edge, "verdict") == "passed";
    out.write(isFused ? "    fused     " : "    not fused ", isFused ? Tone::Good : Tone::Bad);
    int64_t bytes = numberAt(edge, "bytes_per_layer");
    out.line(
        std::string(textAt(edge, "direction") == "to" ? "-> " : "<- ") + textAt(edge, "op") + " " +
        textAt(edge, "path") +
        (bytes ? ": " + byteText(bytes) + (isFused ? " saved" : " still moved") : std::string()));
    if (!isFused)
      out.line("              because " + textAt(edge, "reason"));
    if (std::string remedy = textAt(edge, "remedy"); !remedy.empty())
      out.line("              to fuse: " + remedy);
  }
}

/// One line per op, for answers with many.
static void printBriefly(const json::Array &ops, const TextOutput &out) {
  Table table;
  table.add({"", "", "launch", "kernel", ">fused", ">not"}, Tone::Dim);
  for (const json::Value &value : ops) {
    const json::Object &op = asObject(value);
    const json::Array &places = listAt(op, "entries");
    const json::Object &place = asObject(places.front());
    auto isFused = [](const json::Value &edge) {
      return textAt(asObject(edge), "verdict") == "passed";
    };
    int64_t fused = llvm::count_if(listAt(place, "edges"), isFused);
    table.add({textAt(op, "op"), textAt(op, "path"),
               textAt(place, "entry") + " " + std::to_string(numberAt(place, "launch") + 1),
               textAt(place, "kernel"), ">" + std::to_string(fused),
               ">" + std::to_string(int64_t(listAt(place, "edges").size()) - fused)});
  }
  table.print(out, "");
  out.line("each of them tells more: --why PATH", Tone::Dim);
}

void printExplanation(const json::Object &answer, const TextOutput &out) {
  if (listAt(answer, "ops").size() > 3)
    return printBriefly(listAt(answer, "ops"), out);
  for (const json::Value &value : listAt(answer, "ops")) {
    const json::Object &op = asObject(value);
    out.write(textAt(op, "op") + " " + textAt(op, "path"), Tone::Heading);
    std::string tensors = scalarText(json::Value(json::Array(listAt(op, "tensors"))));
    out.line(tensors.empty() ? "" : ", reads " + tensors);
    if (!op.getBoolean("moves_data").value_or(true))
      out.line("  a view: it names columns of what another op makes, moves no data and has no "
               "verdict of its own",
               Tone::Dim);
    std::vector<std::pair<std::string, std::vector<const json::Object *>>> stories;
    for (const json::Value &place : listAt(op, "entries")) {
      std::string story = storyOf(asObject(place));
      auto told = llvm::find_if(stories, [&](const auto &known) { return known.first == story; });
      if (told == stories.end())
        told = stories.insert(told, {story, {}});
      told->second.push_back(&asObject(place));
    }
    for (const auto &[story, places] : stories) {
      printPlace(*places.front(), out);
      std::string others;
      for (const json::Object *place : llvm::ArrayRef(places).drop_front())
        others += (others.empty() ? "" : ", ") + textAt(*place, "entry");
      if (!others.empty())
        out.line("    the same in " + others, Tone::Dim);
    }
  }
}

} // namespace stoop::inspect
