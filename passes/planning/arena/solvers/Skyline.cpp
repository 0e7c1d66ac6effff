//===- Skyline.cpp - filling the lowest valley ---------------------------===//
//
// Steps at which no buffer begins or has ended are the same as the step before and are left out.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/solvers/Skyline.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <limits>

namespace stoop::arena {

Skyline::Skyline(const Problem &problem) : problem(problem) {
  std::vector<uint64_t> times;
  for (const Buffer &buffer : problem.buffers) {
    times.push_back(buffer.firstUse);
    times.push_back(uint64_t(buffer.lastUse) + 1);
  }
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  auto stepOf = [&](uint64_t time) {
    return uint32_t(std::lower_bound(times.begin(), times.end(), time) - times.begin());
  };
  byFirst.resize(times.empty() ? 0 : times.size() - 1);
  for (const Buffer &buffer : problem.buffers) {
    byFirst[stepOf(buffer.firstUse)].push_back(uint32_t(first.size()));
    first.push_back(stepOf(buffer.firstUse));
    last.push_back(stepOf(uint64_t(buffer.lastUse) + 1) - 1);
  }
}

/// The lowest segment, of equal ones the earliest.
size_t Skyline::lowest(const Segments &skyline) {
  workDone += skyline.size();
  return size_t(
      std::min_element(skyline.begin(), skyline.end(),
                       [](const Segment &a, const Segment &b) { return a.height < b.height; }) -
      skyline.begin());
}

/// Takes the waiting buffer with the largest key that lives within `valley`; none if there is none.
std::optional<size_t> Skyline::takeBest(const Segment &valley, llvm::ArrayRef<double> keys) {
  std::optional<uint32_t> best;
  size_t place = 0;
  for (uint32_t step = valley.first; step <= valley.last; ++step) {
    const std::vector<uint32_t> &list = waiting[step];
    ++workDone;
    if (list.empty() || (best && keys[list.back()] <= keys[*best]))
      continue;
    for (size_t i = list.size(); i-- > 0;) {
      ++workDone;
      if (last[list[i]] > valley.last)
        continue;
      if (!best || keys[list[i]] > keys[*best]) {
        best = list[i];
        place = i;
      }
      break; // the others that begin here have smaller keys
    }
  }
  if (!best)
    return std::nullopt;
  std::vector<uint32_t> &list = waiting[first[*best]];
  list.erase(list.begin() + ptrdiff_t(place));
  return *best;
}

/// Joins the segment at `index` with neighbours of its height.
void Skyline::mergeEqual(Segments &skyline, size_t index) {
  if (index + 1 < skyline.size() && skyline[index + 1].height == skyline[index].height) {
    skyline[index].last = skyline[index + 1].last;
    skyline.erase(skyline.begin() + ptrdiff_t(index) + 1);
  }
  if (index > 0 && skyline[index - 1].height == skyline[index].height) {
    skyline[index - 1].last = skyline[index].last;
    skyline.erase(skyline.begin() + ptrdiff_t(index));
  }
}

/// Fills a valley that no buffer can use up to its lower edge.
void Skyline::raise(Segments &skyline, size_t valley) {
  uint64_t height = std::numeric_limits<uint64_t>::max();
  if (valley > 0)
    height = skyline[valley - 1].height;
  if (valley + 1 < skyline.size())
    height = std::min(height, skyline[valley + 1].height);
  skyline[valley].height = height;
  mergeEqual(skyline, valley);
}

/// Puts steps [first, last] of the valley at `height`.
void Skyline::cover(Segments &skyline, size_t valley, uint32_t first, uint32_t last,
                    uint64_t height) {
  Segment before = skyline[valley], after = before;
  before.last = first - 1;
  after.first = last + 1;
  skyline[valley] = {first, last, height};
  if (after.first <= after.last)
    skyline.insert(skyline.begin() + ptrdiff_t(valley) + 1, after);
  if (before.first < first) {
    skyline.insert(skyline.begin() + ptrdiff_t(valley), before);
    ++valley;
  }
  mergeEqual(skyline, valley);
}

Placement Skyline::place(llvm::ArrayRef<double> keys) {
  waiting = byFirst;
  for (std::vector<uint32_t> &list : waiting)
    std::sort(list.begin(), list.end(), [&](uint32_t a, uint32_t b) {
      return keys[a] != keys[b] ? keys[a] < keys[b] : a > b;
    });
  Placement placement;
  placement.offsets.resize(problem.buffers.size());
  Segments skyline;
  if (!byFirst.empty())
    skyline.push_back({0, uint32_t(byFirst.size()) - 1, 0});
  for (size_t left = problem.buffers.size(); left > 0;) {
    size_t valley = lowest(skyline);
    std::optional<size_t> buffer = takeBest(skyline[valley], keys);
    if (!buffer) { // some other segment is higher, because the whole width holds every buffer
      raise(skyline, valley);
      continue;
    }
    const Buffer &chosen = problem.buffers[*buffer];
    uint64_t offset = llvm::alignTo(skyline[valley].height, chosen.align);
    placement.offsets[*buffer] = offset;
    placement.size = std::max(placement.size, offset + chosen.size);
    cover(skyline, valley, first[*buffer], last[*buffer], offset + chosen.size);
    --left;
  }
  return placement;
}

} // namespace stoop::arena
