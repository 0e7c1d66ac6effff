// Block order and residency. Blocks that spin take turns with the other resident ones, so blocks may wait for each other.
#include "test/vgpu/exec/Grid.h"
#include <numeric>
#include <utility>

namespace vgpu {
namespace {
constexpr size_t prologueBlocks = 256; // of a programmatic launch, run before their wait
} // namespace

Options &Options::get() {
  static Options options;
  return options;
}

GridRun::GridRun(const Launch &launch, std::function<void()> startDependents)
    : launch(launch), options(Options::get()), blockOrder(launch.blocks()), startDependents(std::move(startDependents)) {
  std::iota(blockOrder.begin(), blockOrder.end(), 0u);
  std::mt19937_64 rng(options.seed * 31 + launch.id);
  std::shuffle(blockOrder.begin(), blockOrder.end(), rng);
  moment = static_cast<Moment>(rng() % 3);
}

std::unique_ptr<Block> GridRun::makeBlock() {
  u32 index = blockOrder.back();
  blockOrder.pop_back();
  return std::make_unique<Block>(launch, index, syncVariables, options.seed + launch.id, options.checks);
}

/// Runs a block, and the launches behind this one up to their wait when it is the last to trigger or end.
Block::State GridRun::step(Block &block, bool stopAtGridWait) {
  Block::State state;
  do {
    state = block.run(stopAtGridWait);
    if (!block.counted && (block.triggered || state == Block::State::Done)) {
      block.counted = true;
      if (++passed == launch.blocks() && startDependents && moment != Moment::Late)
        std::exchange(startDependents, nullptr)();
    }
  } while (state == Block::State::Triggered && !isHeld(block));
  return state;
}

bool GridRun::releaseOne(std::vector<std::unique_ptr<Block>> &resident) {
  for (auto &block : resident)
    if (isHeld(*block))
      return block->released = true;
  return false;
}

void GridRun::runPrologue() {
  while (!blockOrder.empty() && started.size() < prologueBlocks) {
    started.push_back(makeBlock());
    step(*started.back(), true);
  }
}

void GridRun::runResident(std::vector<std::unique_ptr<Block>> &resident, size_t limit) {
  u32 fruitless = 0;
  while (!resident.empty() || !blockOrder.empty()) {
    while (!blockOrder.empty() && resident.size() < limit)
      resident.push_back(makeBlock());
    bool moved = false;
    for (size_t i = 0; i < resident.size();) {
      const Block::State state = isHeld(*resident[i]) ? Block::State::Yield : step(*resident[i], false);
      moved |= state != Block::State::Yield;
      if (state != Block::State::Done) {
        ++i;
        continue;
      }
      executed += resident[i]->instructions();
      resident.erase(resident.begin() + static_cast<long>(i));
    }
    // Others may need the place of a block that is held back, or wait for what it does.
    moved |= !moved && releaseOne(resident);
    fruitless = moved ? 0 : fruitless + 1;
    if (fruitless < options.spinRounds)
      continue;
    for (auto &block : resident)
      for (Warp &warp : block->warps)
        if (!warp.done()) {
          warp.report(Finding::Deadlock, 0, *warp.now, "the resident blocks spin without end");
          return;
        }
  }
}

void GridRun::finish() {
  size_t limit = launch.cooperative ? launch.blocks() : std::max<size_t>(1, options.multiprocessors);
  runResident(started, std::max(limit, started.size()));
  blockOrder.clear();
  if (startDependents)
    std::exchange(startDependents, nullptr)();
}

u64 runGrid(const Launch &launch) {
  GridRun run(launch);
  run.finish();
  return run.instructions();
}
} // namespace vgpu
