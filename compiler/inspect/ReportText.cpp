//===- ReportText.cpp - a report for people -------------------------------===//
//
// A rendering of the JSON report and of nothing else, so that text and JSON cannot disagree. Each
// section prints at most `limit` rows, the summary few, a section asked for by name all.
//
//===----------------------------------------------------------------------===//
#include "compiler/inspect/ReportText.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

namespace stoop::inspect {

static constexpr size_t kAll = ~size_t(0);
/// Rows per section of the summary. The sections' sum with headings stays under 60 lines.
static constexpr size_t kFew = 8;

/// "and 12 more": what a limit left out.
static void printRest(size_t count, size_t limit, llvm::StringRef section, const TextOutput &out) {
  if (count > limit)
    out.line("  and " + std::to_string(count - limit) + " more: --section " + section.str(),
             Tone::Dim);
}

static std::string layersText(const json::Object &object) {
  const json::Array &layers = listAt(object, "layers");
  if (layers.size() != 2)
    return "";
  std::string first = scalarText(layers[0]), last = scalarText(layers[1]);
  return first == last ? "layer " + first : "layers " + first + "-" + last;
}

//===----------------------------------------------------------------------===//
// Sections
//===----------------------------------------------------------------------===//

/// How many matrices each scheme has, and of how many rounding knew what enters.
static std::string weightsText(const json::Object &model) {
  std::string text;
  for (const json::Value &value : listAt(model, "quantization")) {
    const json::Object &entry = asObject(value);
    text += (text.empty() ? "" : ", ") + grouped(numberAt(entry, "matrices")) + " " +
            (textAt(entry, "scheme") == "none" ? "unquantised" : textAt(entry, "scheme"));
    if (numberAt(entry, "anticipated") > 0)
      text += " (" + grouped(numberAt(entry, "anticipated")) + " rounded against sample inputs)";
  }
  return text;
}

/// Two or three lines: dimensions, limits, target.
static void printHead(const json::Object &report, const TextOutput &out) {
  const json::Object &model = objectAt(report, "model"), &target = objectAt(report, "target");
  auto number = [&](llvm::StringRef key) { return grouped(numberAt(model, key)); };
  Table table;
  auto counted = [&](llvm::StringRef key, const char *thing) {
    return number(key) + " " + thing + (numberAt(model, key) == 1 ? "" : "s");
  };
  table.add({"model", textAt(model, "name") + ": " + textAt(model, "dtype") + ", " +
                          counted("layers", "layer") + ", hidden " + number("hidden") + ", ffn " +
                          number("ffn") + ", " + counted("heads", "head") + " on " +
                          counted("kv_heads", "KV head") + " of " + number("head_dim")});
  table.add({"", "vocabulary " + number("vocab") + ", context " + number("max_positions") +
                     " tokens, batch " + number("batch")});
  if (std::string weights = weightsText(model); !weights.empty())
    table.add({"weights", weights});
  std::string needs =
      scalarText(json::Value(json::Array(listAt(objectAt(report, "needs"), "libraries"))));
  table.add({"target", textAt(target, "name") + " " +
                           scalarText(json::Value(json::Array(listAt(target, "levels")))) +
                           (needs.empty() ? "" : ", needs " + needs)});
  if (const json::Object &driver = objectAt(objectAt(report, "needs"), "driver"); !driver.empty())
    table.add({"driver", textAt(driver, "library") + " of CUDA " + textAt(driver, "cuda_version") +
                             " or newer"});
  std::string given;
  for (const json::Value &flag : listAt(objectAt(objectAt(report, "ledger"), "flags"), "used"))
    given += (given.empty() ? "" : " ") + textAt(asObject(flag), "key") + " " +
             textAt(asObject(flag), "value");
  table.add({"options", given.empty() ? "none given" : shortened(given, 100)});
  table.print(out, "");
}

static void printModel(const json::Object &report, const TextOutput &out) {
  out.line("model", Tone::Heading);
  Table table;
  for (const auto &[name, value] : sortedMembers(objectAt(report, "model")))
    table.add({name.str(), shortened(scalarText(*value), 100)});
  table.print(out);
}

static void printOptions(const json::Object &report, const TextOutput &out) {
  out.line("options", Tone::Heading);
  Table table;
  for (const auto &[name, value] : sortedMembers(objectAt(report, "options")))
    table.add({"--" + name.str(), scalarText(*value).empty() ? "not given" : scalarText(*value)});
  table.print(out);
}

/// The entry that needs most of an arena, and how much of that is waste.
static std::string peakText(const json::Array &maps, llvm::StringRef arena) {
  const json::Object *largest = nullptr;
  for (const json::Value &value : maps)
    if (const json::Object &map = asObject(value); textAt(map, "arena") == arena)
      if (!largest || numberAt(map, "peak_bytes") > numberAt(*largest, "peak_bytes"))
        largest = &map;
  if (!largest)
    return "";
  int64_t peak = numberAt(*largest, "peak_bytes"), bound = numberAt(*largest, "lower_bound_bytes");
  int64_t permille = bound > 0 ? (peak - bound) * 1000 / bound : 0;
  return textAt(*largest, "entry") + " needs most, " + std::to_string(permille / 10) + "." +
         std::to_string(permille % 10) + " % above the lower bound";
}

static void printPlanning(const json::Object &notes, const TextOutput &out) {
  Table table;
  for (const auto &[name, value] : sortedMembers(notes))
    table.add({name.str(), shortened(scalarText(*value), 100)});
  table.print(out, "    ");
}

/// "search of first-fit 4 608, best-fit 4 608, search 4 096": whose packing was kept, and the peaks
/// of all that were tried.
static std::string solversText(const json::Object &map) {
  std::string text;
  for (const json::Value &solver : listAt(map, "solvers"))
    text += (text.empty() ? " of " : ", ") + textAt(asObject(solver), "solver") + " " +
            grouped(numberAt(asObject(solver), "peak_bytes"));
  return textAt(map, "solver") + text;
}

static void printMemory(const json::Object &report, bool isFull, const TextOutput &out) {
  const json::Object &memory = objectAt(report, "memory");
  const json::Array &maps = listAt(memory, "maps");
  out.line("memory", Tone::Heading);
  Table table;
  for (const json::Value &value : listAt(memory, "arenas")) {
    const json::Object &arena = asObject(value);
    std::string lifetime = textAt(arena, "lifetime");
    std::string remark = lifetime == "persistent"
                             ? grouped(numberAt(memory, "kv_bytes_per_token")) + " B a token"
                             : peakText(maps, textAt(arena, "name"));
    table.add({textAt(arena, "name"), ">" + grouped(numberAt(arena, "bytes")), lifetime, remark});
  }
  int64_t total = numberAt(memory, "total_bytes");
  table.add({"arenas", ">" + grouped(total), "together", byteText(total)});
  bool isOnDevice = false;
  for (const json::Value &value : listAt(memory, "classes")) { // what is no arena
    const json::Object &row = asObject(value);
    std::string name = textAt(row, "class");
    isOnDevice |= name == "stacks" && !row.get("bytes_per_thread");
    if (row.get("bytes_per_thread"))
      table.add({name, ">" + grouped(numberAt(row, "bytes_per_thread")), "a thread"});
    else if (name == "workspace")
      table.add({name, ">" + grouped(numberAt(row, "bytes")), "device"});
    else if ((name == "modules" || name == "graphs") && numberAt(row, "bytes"))
      table.add({name, ">" + grouped(numberAt(row, "bytes")), "driver", "predicted"});
    else if (name == "code" && row.getInteger("bytes"))
      table.add({name, ">" + grouped(numberAt(row, "bytes")), "mapped"});
    else if (name == "code" && memory.get("need"))
      table.add({name, ">" + grouped(numberAt(objectAt(memory, "need"), "code_reserve_bytes")),
                 "reserved"});
  }
  if (const json::Object &need = objectAt(memory, "need"); !need.empty()) {
    int64_t threads = numberAt(need, "threads"), bytes = numberAt(need, "bytes");
    table.add({"all", ">" + grouped(bytes), isOnDevice ? "needed on the device, without the code" : "needed",
               byteText(bytes) + (threads == 1 ? "" : " with " + grouped(threads) + " threads")});
  }
  table.print(out);
  if (!isFull)
    return;
  printPlanning(objectAt(memory, "planning"), out);
  Table peaks;
  peaks.add({"entry", "arena", ">buffers", ">peak", ">lower bound", ">fragmentation", "solver"},
            Tone::Dim);
  for (const json::Value &value : maps) {
    const json::Object &map = asObject(value);
    peaks.add({textAt(map, "entry"), textAt(map, "arena"),
               ">" + grouped(int64_t(listAt(map, "buffers").size())),
               ">" + grouped(numberAt(map, "peak_bytes")),
               ">" + grouped(numberAt(map, "lower_bound_bytes")),
               ">" + grouped(numberAt(map, "fragmentation_bytes")), solversText(map)});
  }
  peaks.print(out);
}

static void printEntries(const json::Object &report, size_t limit, const TextOutput &out) {
  out.line("entries", Tone::Heading);
  Table table;
  // Where a GPU can overlap launches: those that start before the one in front has ended.
  const bool hasEarly = llvm::any_of(listAt(report, "entries"), [](const json::Value &entry) { return asObject(entry).get("early_launches"); });
  std::vector<std::string> head = {"", ">rows", ">launches", ">a layer", ">moved", ">GFLOP", ">at best", "bound"};
  if (hasEarly)
    head.insert(head.begin() + 3, ">early");
  table.add(std::move(head), Tone::Dim);
  const json::Array &entries = listAt(report, "entries");
  for (const json::Value &value :
       llvm::ArrayRef(entries.data(), entries.size()).take_front(limit)) {
    const json::Object &entry = asObject(value);
    std::string flops = std::to_string(numberAt(entry, "flops") / 1000000);
    flops.insert(0, flops.size() < 4 ? 4 - flops.size() : 0, '0');
    flops.insert(flops.size() - 3, ".");
    int64_t sampling = numberAt(entry, "sampling_launches");
    std::vector<std::string> cells = {textAt(entry, "name"), ">" + grouped(numberAt(entry, "rows")),
                                      ">" + grouped(numberAt(entry, "launches")) + (sampling ? " + " + grouped(sampling) : ""),
                                      ">" + grouped(numberAt(entry, "launches_per_layer")),
                                      ">" + byteText(numberAt(entry, "bytes")), ">" + flops,
                                      ">" + timeText(numberAt(entry, "roofline_ns")), textAt(entry, "bound")};
    if (hasEarly)
      cells.insert(cells.begin() + 3, ">" + grouped(numberAt(entry, "early_launches")));
    table.add(std::move(cells));
  }
  table.print(out);
  printRest(entries.size(), limit, "entries", out);
}

/// What GPUs are predicted to need for the steps of the first `limit` entries.
static void printPredictions(const json::Object &report, size_t limit, const TextOutput &out) {
  const json::Array &machines = listAt(report, "predictions");
  if (machines.empty())
    return;
  out.line("predicted, not measured", Tone::Heading);
  Table table;
  table.add({"", "", ">a step", ">tokens/s", ">read at", ">a launch"}, Tone::Dim);
  auto rounded = [](const json::Object &object, llvm::StringRef key, double unit) {
    return grouped(std::llround(object.getNumber(key).value_or(0) / unit));
  };
  for (const json::Value &value : machines) {
    const json::Object &machine = asObject(value);
    const json::Array &steps = listAt(machine, "steps");
    for (const json::Value &part : llvm::ArrayRef(steps.data(), steps.size()).take_front(limit)) {
      const json::Object &step = asObject(part);
      bool fits = machine.getBoolean("fits").value_or(true);
      table.add({textAt(machine, "machine") + (fits ? "" : " (too little memory)"), textAt(step, "entry"),
                 ">" + timeText(numberAt(step, "predicted_ns")),
                 ">" + rounded(step, "predicted_tokens_per_second", 1),
                 ">" + rounded(machine, "bytes_per_second", 1e9) + " GB/s",
                 ">" + rounded(machine, "launch_ns", 1) + " ns"});
    }
  }
  table.print(out);
  if (limit == kAll)
    for (const json::Value &value : machines)
      out.line("  " + textAt(asObject(value), "machine") + ": " + textAt(asObject(value), "source"),
               Tone::Dim);
}

/// The launches of each entry, identical layers once.
static void printLaunches(const json::Object &report, const TextOutput &out) {
  for (const json::Value &value : listAt(report, "entries")) {
    const json::Object &entry = asObject(value);
    out.line(textAt(entry, "name") + ", " + grouped(numberAt(entry, "launches")) + " launches",
             Tone::Heading);
    for (const json::Value &part : listAt(entry, "groups")) {
      const json::Object &group = asObject(part);
      std::string layers = layersText(group);
      out.line("  " + (layers.empty() ? "outside of layers" : layers), Tone::Dim);
      Table table;
      for (const json::Value &launch : listAt(group, "launches")) {
        std::string ops;
        for (const json::Value &op : listAt(asObject(launch), "ops"))
          ops += (ops.empty() ? "" : " + ") +
                 llvm::StringRef(textAt(asObject(op), "op")).split('.').second.str();
        table.add({textAt(asObject(launch), "kernel"), textAt(asObject(launch), "path"), ops});
      }
      table.print(out, "    ");
    }
  }
}

/// "64 blocks of 16 columns", "1 row", "1 to 71 pieces of groups of 71 heads".
static std::string splitText(const json::Object &split) {
  if (split.empty())
    return "";
  std::string unit = textAt(split, "unit"), first = unit.substr(0, unit.find(' '));
  int64_t count = numberAt(split, "count"), most = std::max(count, numberAt(split, "most"));
  if (most == 1 && llvm::StringRef(first).ends_with("s"))
    unit.erase(first.size() - 1, 1);
  int64_t rowBlocks = numberAt(split, "row_blocks");
  return grouped(count) + (most > count ? " to " + grouped(most) : "") + " " + unit +
         (rowBlocks > 1 ? " in " + grouped(rowBlocks) + " blocks of rows" : "");
}

/// Registers and shared memory at each level, and what is spilled: "sm_80 40 regs 4.0 KiB".
static std::string codeText(const json::Object &kernel) {
  std::string text;
  for (const json::Value &value : listAt(kernel, "code")) {
    const json::Object &code = asObject(value);
    text += (text.empty() ? "" : ", ") + textAt(code, "level") + " " +
            std::to_string(numberAt(code, "registers")) + " regs";
    if (int64_t shared = numberAt(code, "static_shared_bytes"))
      text += " " + byteText(shared);
    if (int64_t spilled = numberAt(code, "local_bytes"))
      text += ", spills " + byteText(spilled);
  }
  return text;
}

/// The parts of a model whose matrices a kernel holds: "layers.*.attn.out + mlp.down".
static std::string pathsText(const json::Array &paths) {
  std::string text;
  for (const json::Value &value : paths) {
    std::string path = scalarText(value);
    llvm::StringRef part = path;
    if (!text.empty())
      part.consume_front("layers.*.");
    text += (text.empty() ? "" : " + ") + part.str();
  }
  return text;
}

/// "early, 64.0 KiB ahead", "late".
static std::string startText(const json::Object &kernel) {
  const json::Object &start = objectAt(kernel, "start");
  if (!start.getBoolean("early").value_or(false))
    return "late";
  int64_t ahead = numberAt(start, "block_bytes_ahead");
  return "early" + (ahead ? ", " + byteText(ahead) + " a block ahead" : std::string());
}

/// Rounded, so that the parts of a whole add up to about 100.
static std::string percentText(double part, double whole) {
  return std::to_string(whole > 0 ? std::llround(part * 100 / whole) : 0) + " %";
}

/// Who chose a kernel's schedule, and by how much it is faster than what the heuristic would have taken: "tuned, 3.1 % of a step
/// less", "predicted, 12.0 % less", "tuned, as the heuristic", "heuristic".
static std::string sourceText(const json::Object &kernel) {
  std::string source = textAt(kernel, "schedule_source");
  const json::Object &evidence = objectAt(kernel, "schedule_evidence");
  if (evidence.empty())
    return source;
  double gain = evidence.getNumber("gain").value_or(0);
  bool isStep = numberAt(evidence, "launches") != 0;
  if (numberAt(evidence, "chosen_ns") == numberAt(evidence, "heuristic_ns"))
    return source + ", as the heuristic";
  return source + llvm::formatv(", {0:f1} %{1} less", 100 * gain, isStep ? " of a step" : "").str();
}

/// Kernels of one entry by the time that their launches take at best; in full with flops and the schedule's source, which
/// the summary names only where it is not the rule.
static void printKernels(const json::Object &report, const std::string &entry, size_t limit, bool isFull,
                         const TextOutput &out) {
  struct Row {
    const json::Object *kernel;
    int64_t launches;
    double time; ///< ns; a sum of what a report says may be beyond integers
  };
  std::vector<Row> rows;
  double total = 0;
  for (const json::Value &value : listAt(report, "kernels")) {
    const json::Object &kernel = asObject(value);
    int64_t launches = numberAt(objectAt(kernel, "entries"), entry);
    if (launches)
      rows.push_back({&kernel, launches, double(launches) * double(numberAt(kernel, "roofline_ns"))});
    total += launches ? rows.back().time : 0;
  }
  llvm::stable_sort(rows, [](const Row &a, const Row &b) { return a.time > b.time; });
  const bool hasCode = !rows.empty() && rows.front().kernel->get("code");
  Table table;
  std::vector<std::string> head = {"", entry, "template", ">launches", ">each moves"};
  if (isFull)
    head.push_back(">MFLOP");
  const bool hasStart = isFull && !rows.empty() && rows.front().kernel->get("start");
  if (hasStart)
    head.push_back("starts");
  head.insert(head.end(), {">at best", "bound", ">share", hasCode ? "code" : "split"});
  table.add(std::move(head), Tone::Dim);
  for (const Row &row : llvm::ArrayRef(rows).take_front(limit)) {
    const json::Object &kernel = *row.kernel, &split = objectAt(kernel, "split");
    std::string tunables = textAt(kernel, "template");
    for (const auto &[name, value] : sortedMembers(objectAt(kernel, "tunables")))
      tunables += " " + name.str() + "=" + scalarText(*value);
    if (isFull || textAt(kernel, "schedule_source") != "heuristic")
      tunables += " (" + sourceText(kernel) + ")";
    std::vector<std::string> cells = {textAt(kernel, "name"), shortened(pathsText(listAt(kernel, "paths")), 36), tunables,
                                      ">" + grouped(row.launches), ">" + byteText(numberAt(kernel, "bytes"))};
    if (isFull)
      cells.push_back(">" + llvm::formatv("{0:f3}", double(numberAt(kernel, "flops")) / 1e6).str());
    if (hasStart)
      cells.push_back(startText(kernel));
    cells.insert(cells.end(), {">" + timeText(numberAt(kernel, "roofline_ns")), textAt(kernel, "bound"),
                               ">" + percentText(row.time, total), hasCode ? codeText(kernel) : splitText(split)});
    table.add(std::move(cells));
  }
  table.print(out);
  printRest(rows.size(), limit, "kernels", out);
}

static void printAllKernels(const json::Object &report, const TextOutput &out) {
  out.line("kernels", Tone::Heading);
  for (const json::Value &entry : listAt(report, "entries"))
    printKernels(report, textAt(asObject(entry), "name"), kAll, /*isFull=*/true, out);
}

/// "binary layers.*-1.residual -> norm layers.*.norm": ops may share a path.
static std::string edgeText(const json::Object &verdict) {
  auto end = [&](llvm::StringRef key, const std::string &path) {
    return llvm::StringRef(textAt(objectAt(verdict, key), "op")).split('.').second.str() + " " + path;
  };
  return end("producer", producerPath(verdict)) + " -> " +
         end("consumer", textAt(objectAt(verdict, "consumer"), "path"));
}

/// Counts, then misses, most traffic first: of all entries if `isFull`, with what passed, else of
/// the first one. `limit` counts lines.
static void printFusion(const json::Object &report, size_t limit, bool isFull,
                        const TextOutput &out) {
  const json::Object &fusion = objectAt(report, "fusion");
  const json::Array &passed = listAt(fusion, "passed");
  std::vector<const json::Object *> missed;
  auto sum = [](const json::Array &verdicts) {
    int64_t count = 0;
    for (const json::Value &verdict : verdicts)
      count += numberAt(asObject(verdict), "count");
    return grouped(count);
  };
  const json::Array &entries = listAt(report, "entries");
  std::string first = entries.empty() ? "" : textAt(asObject(entries[0]), "name");
  for (const json::Value &verdict : listAt(fusion, "missed"))
    if (isFull || textAt(asObject(verdict), "entry") == first)
      missed.push_back(&asObject(verdict));
  llvm::stable_sort(missed, [](const json::Object *a, const json::Object *b) {
    return numberAt(*a, "bytes") > numberAt(*b, "bytes");
  });
  out.line("fusion", Tone::Heading);
  out.line("  " + sum(passed) + " edges fused, " + sum(listAt(fusion, "missed")) +
           " not, in all entries");
  limit = isFull ? limit : limit / 2; // two lines each
  for (const json::Object *verdict : llvm::ArrayRef(missed).take_front(limit)) {
    std::string layers = layersText(*verdict), remedy = textAt(*verdict, "remedy");
    out.write("  not ", Tone::Bad);
    out.line(edgeText(*verdict) + ", " + textAt(*verdict, "entry") +
             (layers.empty() ? "" : ", " + layers) + ": " + byteText(numberAt(*verdict, "bytes")) +
             " a step");
    out.line("      " + textAt(*verdict, "reason") +
                 (remedy.empty() || !isFull ? "" : "; to fuse: " + remedy),
             Tone::Dim);
  }
  printRest(missed.size(), limit, "fusion", out);
  Table table;
  if (isFull)
    for (const json::Value &value : passed) {
      const json::Object &verdict = asObject(value);
      table.add({"fused", edgeText(verdict), textAt(verdict, "entry"), layersText(verdict),
                 ">" + byteText(numberAt(verdict, "bytes"))});
    }
  table.print(out);
}

/// How many inputs of each section ended how; `isFull`: every one.
static void printLedger(const json::Object &report, bool isFull, const TextOutput &out) {
  out.line("ledger", Tone::Heading);
  const auto sections = sortedMembers(objectAt(report, "ledger"));
  static constexpr llvm::StringLiteral fates[] = {"used", "defaulted", "ignored_by_spec"};
  Table counts;
  counts.add({"", ">used", ">defaulted", ">ignored"}, Tone::Dim);
  for (const auto &[name, section] : sections) {
    std::vector<std::string> cells = {name.str()};
    for (llvm::StringRef fate : fates)
      cells.push_back(">" + grouped(int64_t(listAt(asObject(*section), fate).size())));
    counts.add(std::move(cells));
  }
  counts.print(out);
  if (!isFull)
    return;
  for (const auto &[name, section] : sections) {
    out.line("  " + name.str(), Tone::Heading);
    Table table;
    for (llvm::StringRef fate : fates)
      for (const json::Value &entry : listAt(asObject(*section), fate)) {
        const json::Object &fields = asObject(entry);
        std::string key = fields.empty() ? scalarText(entry) : textAt(fields, "key");
        table.add({key, fate == fates[2] ? "ignored" : fate.str(),
                   textAt(fields, "value") + textAt(fields, "reason")});
      }
    table.print(out, "    ");
  }
}

static void printProvenance(const json::Object &report, bool isFull, const TextOutput &out) {
  const json::Object &provenance = objectAt(report, "provenance");
  out.line("provenance", Tone::Heading);
  Table table;
  std::map<std::string, std::string> sorted;
  sorted["config_sha256"] = textAt(objectAt(report, "model"), "config_sha256");
  for (const auto &[name, value] : sortedMembers(provenance))
    if (name != "tensors")
      sorted[name.str()] = scalarText(*value);
  const json::Array &tensors = listAt(provenance, "tensors");
  if (!provenance.empty())
    sorted["tensors"] = grouped(int64_t(tensors.size())) + ", each with its hash";
  for (const auto &[name, text] : sorted)
    if (!text.empty())
      table.add({name, text});
  table.print(out);
  Table hashes;
  if (isFull)
    for (const json::Value &value : tensors) {
      const json::Object &tensor = asObject(value);
      hashes.add({textAt(tensor, "hash"), textAt(tensor, "key"), textAt(tensor, "dtype"),
                  ">" + grouped(numberAt(tensor, "elements")), textAt(tensor, "file")});
    }
  hashes.print(out, "    ");
}

static void printWarnings(const json::Object &report, size_t limit, const TextOutput &out) {
  const json::Array &warnings = listAt(report, "warnings");
  if (warnings.empty())
    return;
  out.line("warnings", Tone::Heading);
  for (const json::Value &warning :
       llvm::ArrayRef(warnings.data(), warnings.size()).take_front(limit))
    out.line("  " + scalarText(warning), Tone::Bad);
  printRest(warnings.size(), limit, "warnings", out);
}

//===----------------------------------------------------------------------===//
// Summary and sections by name
//===----------------------------------------------------------------------===//

llvm::ArrayRef<llvm::StringRef> sectionNames() {
  static const llvm::StringRef names[] = {"model",      "options",  "memory", "entries",
                                          "launches",   "kernels",  "fusion", "ledger",
                                          "provenance", "warnings", "all"};
  return names;
}

void printSummary(const json::Object &report, const TextOutput &out) {
  printHead(report, out);
  printMemory(report, /*isFull=*/false, out);
  printEntries(report, kFew, out);
  const json::Array &entries = listAt(report, "entries");
  if (!entries.empty())
    out.line("kernels", Tone::Heading), printKernels(report, textAt(asObject(entries[0]), "name"), kFew, /*isFull=*/false, out);
  printPredictions(report, 1, out);
  printFusion(report, kFew, /*isFull=*/false, out);
  printLedger(report, /*isFull=*/false, out);
  printWarnings(report, 3, out);
  const json::Object &machine = objectAt(objectAt(report, "target"), "roofline");
  if (!machine.empty())
    out.line("at best: predicted for " + textAt(machine, "machine") + ", rows at the end of a full context", Tone::Dim);
  out.line("more: --section NAME, --why OP, --format json|html", Tone::Dim);
}

void printSections(const json::Object &report, llvm::ArrayRef<std::string> sections,
                   const TextOutput &out) {
  auto isAsked = [&](llvm::StringRef name) {
    return llvm::is_contained(sections, name) || llvm::is_contained(sections, "all");
  };
  if (isAsked("model"))
    printModel(report, out);
  if (isAsked("options"))
    printOptions(report, out);
  if (isAsked("memory"))
    printMemory(report, /*isFull=*/true, out);
  if (isAsked("entries"))
    printEntries(report, kAll, out), printPredictions(report, kAll, out);
  if (isAsked("launches"))
    printLaunches(report, out);
  if (isAsked("kernels"))
    printAllKernels(report, out);
  if (isAsked("fusion"))
    printFusion(report, kAll, /*isFull=*/true, out);
  if (isAsked("ledger"))
    printLedger(report, /*isFull=*/true, out);
  if (isAsked("provenance"))
    printProvenance(report, /*isFull=*/true, out);
  if (isAsked("warnings"))
    printWarnings(report, kAll, out);
}

} // namespace stoop::inspect
