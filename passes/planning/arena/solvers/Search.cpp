//===- Search.cpp - local search over the keys of the skyline ------------===//
//
// Starts from several keys, then improves them in two ways in turn: squeaky wheel (Joslin and
// Clements, JAIR 10, 1999: what sticks out goes earlier) and random changes of one key in twenty.
// Keys are as good as few bytes lie above the lower bound, which says more than the peak. Stops at
// the liveness lower bound or when a fixed amount of work is done, never by the clock, and numbers
// come from a generator of its own: equal problems have equal placements everywhere. Buffers are
// brought into a canonical order first, so the order in which a problem lists them changes nothing.
//
//===----------------------------------------------------------------------===//
#include "passes/planning/arena/solvers/Skyline.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <tuple>

namespace stoop::arena {

/// About a quarter of a second on one core of 2020.
static constexpr uint64_t kMostWork = 150'000'000;
/// Enough for small problems; also keeps keys, which squeaky wheels multiply by up to 2.5, finite.
static constexpr unsigned kMostAttempts = 1000;
/// Squeaky-wheel steps before the next random ones, and the other way round.
static constexpr unsigned kStepsInTurn = 20;

namespace {
/// The search on a problem in canonical order.
class Search {
public:
  explicit Search(const Problem &problem)
      : problem(problem), lowerBound(livenessLowerBound(problem)), skyline(problem) {}

  Placement run();

private:
  void start();
  void squeakyWheel();
  void randomChanges();
  void attempt(const std::vector<double> &keys);
  bool isOver() const {
    return (numAttempts > 0 && best.size <= lowerBound) || skyline.work() >= kMostWork ||
           numAttempts >= kMostAttempts;
  }
  /// A factor from 2/3 to 3/2.
  double factor() {
    double value = 1.0 + double(random() % 501) / 1000.0;
    return random() % 2 ? value : 1.0 / value;
  }

  const Problem &problem;
  uint64_t lowerBound;
  Skyline skyline;
  std::minstd_rand random;
  Placement best, current;
  std::vector<double> bestKeys; ///< those with the fewest bytes above the lower bound
  uint64_t fewestAbove = 0;
  unsigned numAttempts = 0;
};
} // namespace

/// Places by `keys`; keeps the placement if it is the smallest, the keys if none were better.
void Search::attempt(const std::vector<double> &keys) {
  current = skyline.place(keys);
  uint64_t bytesAbove = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    uint64_t end = current.offsets[i] + problem.buffers[i].size;
    bytesAbove += end > lowerBound ? end - lowerBound : 0;
  }
  if (numAttempts++ == 0 || current.size < best.size)
    best = current;
  if (numAttempts == 1 || bytesAbove <= fewestAbove) {
    fewestAbove = bytesAbove;
    bestKeys = keys;
  }
}

/// Products of life and size in four mixtures. Only multiplication: exact rounding everywhere.
void Search::start() {
  for (auto [lifePower, sizePower] : {std::pair(1, 0), {1, 1}, {2, 1}, {1, 2}}) {
    std::vector<double> keys;
    for (const Buffer &buffer : problem.buffers) {
      double key = 1, life = double(buffer.lastUse - buffer.firstUse) + 1;
      for (int i = 0; i < lifePower; ++i)
        key *= life;
      for (int i = 0; i < sizePower; ++i)
        key *= double(buffer.size);
      keys.push_back(key);
    }
    attempt(keys);
    if (isOver())
      return;
  }
}

void Search::squeakyWheel() {
  std::vector<double> keys = bestKeys;
  for (unsigned step = 0; step < kStepsInTurn && !isOver(); ++step) {
    attempt(keys);
    for (size_t i = 0; i < keys.size(); ++i)
      if (current.offsets[i] + problem.buffers[i].size >= best.size)
        keys[i] *= 1.5 + double(random() % 1000) / 1000.0;
  }
}

void Search::randomChanges() {
  for (unsigned step = 0; step < kStepsInTurn && !isOver(); ++step) {
    std::vector<double> keys = bestKeys;
    for (double &key : keys)
      if (random() % 20 == 0)
        key *= factor();
    attempt(keys);
  }
}

Placement Search::run() {
  start();
  while (!isOver()) {
    squeakyWheel();
    randomChanges();
  }
  return best;
}

Placement solveSearch(const Problem &problem) {
  std::vector<size_t> order(problem.buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const Buffer &x = problem.buffers[a], &y = problem.buffers[b];
    return std::tie(y.size, x.firstUse, x.lastUse, y.align) <
           std::tie(x.size, y.firstUse, y.lastUse, x.align);
  });
  Problem canonical;
  for (size_t index : order)
    canonical.buffers.push_back(problem.buffers[index]);
  Placement found = Search(canonical).run(), placement = found;
  placement.offsets.resize(order.size());
  for (size_t i = 0; i < order.size(); ++i)
    placement.offsets[order[i]] = found.offsets[i];
  return placement;
}

} // namespace stoop::arena
