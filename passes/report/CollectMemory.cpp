//===- CollectMemory.cpp - which buffer lives where and when -------------===//
//
// A plan.slice is one buffer, from the first to the last launch that names it or a part of it.
// Buffers with a role belong to the host before and behind the launches.
//
//===----------------------------------------------------------------------===//
#include "passes/report/Collect.h"
#include "passes/report/ModelPaths.h"

#include "llvm/ADT/MapVector.h"

#include <map>

using namespace mlir;

namespace stoop::report {

namespace {
struct LiveBuffer {
  plan::SliceOp slice;
  BufferReport report;
};
} // namespace

/// The buffer that a slice is, or is a part of.
static plan::SliceOp wholeOf(Value buffer) {
  auto slice = buffer.getDefiningOp<plan::SliceOp>();
  while (slice && slice.getBase())
    slice = slice.getBase().getDefiningOp<plan::SliceOp>();
  return slice;
}

/// The role of a place in the entry; empty if it has none.
static llvm::StringRef roleOf(plan::EntryOp entry, plan::SliceOp slice) {
  std::pair<llvm::StringRef, plan::SliceAttr> roles[] = {{"tokens", entry.getTokensAttr()},
                                                         {"positions", entry.getPositionsAttr()},
                                                         {"slots", entry.getSlotsAttr()},
                                                         {"logits", entry.getLogitsAttr()},
                                                         {"maxima", entry.getMaximaAttr()}};
  for (auto &[role, place] : roles)
    if (place && place.getArena() == slice.getArenaAttr() &&
        place.getOffset() == static_cast<int64_t>(slice.getOffset()))
      return role;
  return "";
}

/// All buffers of arenas that are neither constant nor persistent, in order of first use.
static std::vector<LiveBuffer> collectBuffers(plan::EntryOp entry) {
  llvm::MapVector<Operation *, LiveBuffer> buffers;
  auto program = entry->getParentOfType<plan::ProgramOp>();
  auto comesAndGoes = [&](plan::SliceOp slice) {
    auto arena = SymbolTable::lookupNearestSymbolFrom<plan::ArenaOp>(program, slice.getArenaAttr());
    return arena && arena.getLifetime() != plan::Lifetime::Constant &&
           arena.getLifetime() != plan::Lifetime::Persistent;
  };
  int64_t step = 0;
  for (plan::LaunchOp launch : entry.getOps<plan::LaunchOp>()) {
    for (Value operand : launch->getOperands()) {
      plan::SliceOp slice = wholeOf(operand);
      if (!slice || !comesAndGoes(slice))
        continue;
      auto [found, isNew] = buffers.insert({slice, LiveBuffer{slice, {}}});
      BufferReport &report = found->second.report;
      if (isNew) {
        std::vector<std::string> paths = pathsOf(slice.getLoc());
        report = {paths.empty() ? std::string() : paths.back(),
                  static_cast<int64_t>(slice.getOffset()), static_cast<int64_t>(slice.getSize()),
                  step, step};
      }
      report.last = step;
    }
    ++step;
  }
  std::vector<LiveBuffer> result;
  for (auto &[op, buffer] : buffers) {
    if (llvm::StringRef role = roleOf(entry, buffer.slice); !role.empty()) {
      buffer.report.name = role.str();
      buffer.report.first = -1;
      buffer.report.last = step;
    }
    result.push_back(buffer);
  }
  return result;
}

/// Most bytes that one launch, or the host around them, keeps live.
static int64_t lowerBound(llvm::ArrayRef<BufferReport> buffers) {
  std::map<int64_t, int64_t> changes;
  for (const BufferReport &buffer : buffers) {
    changes[buffer.first] += buffer.bytes;
    changes[buffer.last + 1] -= buffer.bytes;
  }
  int64_t live = 0, most = 0;
  for (const auto &change : changes) {
    live += change.second;
    most = std::max(most, live);
  }
  return most;
}

/// What planning noted about the packing of an arena for an entry: solvers, and the bound with the
/// buffers' alignment.
static void readPacking(plan::EntryOp entry, MemoryMap &map) {
  auto program = entry->getParentOfType<plan::ProgramOp>();
  auto arena = SymbolTable::lookupNearestSymbolFrom<plan::ArenaOp>(
      program, StringAttr::get(entry.getContext(), map.arena));
  auto notes = arena->getAttrOfType<ArrayAttr>(plan::kPackingAttrName);
  if (!notes)
    return;
  auto text = [](DictionaryAttr note, llvm::StringRef key) {
    auto value = note.getAs<StringAttr>(key);
    return value ? value.str() : std::string();
  };
  auto number = [](DictionaryAttr note, llvm::StringRef key) {
    auto value = note.getAs<IntegerAttr>(key);
    return value ? value.getInt() : 0;
  };
  for (auto note : notes.getAsRange<DictionaryAttr>()) {
    if (text(note, "entry") != entry.getSymName())
      continue;
    map.solver = text(note, "kept");
    map.lowerBoundBytes = std::max(map.lowerBoundBytes, number(note, "lower_bound"));
    map.peakBytes = std::max(map.peakBytes, number(note, "peak"));
    if (auto solvers = note.getAs<ArrayAttr>("solvers"))
      for (auto solver : solvers.getAsRange<DictionaryAttr>())
        map.solvers.emplace_back(text(solver, "solver"), number(solver, "peak"));
  }
}

std::vector<MemoryMap> collectMaps(plan::EntryOp entry) {
  llvm::MapVector<llvm::StringRef, MemoryMap> maps;
  for (LiveBuffer &buffer : collectBuffers(entry)) {
    MemoryMap &map = maps[buffer.slice.getArena()];
    map.arena = buffer.slice.getArena().str();
    map.peakBytes = std::max(map.peakBytes, buffer.report.offset + buffer.report.bytes);
    map.buffers.push_back(std::move(buffer.report));
  }
  std::vector<MemoryMap> result;
  for (auto &[name, map] : maps) {
    map.lowerBoundBytes = lowerBound(map.buffers);
    readPacking(entry, map);
    result.push_back(std::move(map));
  }
  return result;
}

} // namespace stoop::report
