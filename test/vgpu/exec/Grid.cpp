// Block order and residency. Blocks that spin take turns with the other resident ones, so blocks may wait for each other.
#include "test/vgpu/exec/Grid.h"
#include <numeric>

namespace vgpu {
namespace {
constexpr size_t prologueBlocks = 256; // of a programmatic launch, run before its primary
} // namespace

Options &Options::get() {
  static Options options;
  return options;
}

GridRun::GridRun(const Launch &launch) : launch(launch), options(Options::get()), blockOrder(launch.blocks()) {
  std::iota(blockOrder.begin(), blockOrder.end(), 0u);
  std::mt19937_64 rng(options.seed * 31 + launch.id);
  std::shuffle(blockOrder.begin(), blockOrder.end(), rng);
}

std::unique_ptr<Block> GridRun::makeBlock() {
  u32 index = blockOrder.back();
  blockOrder.pop_back();
  return std::make_unique<Block>(launch, index, syncVariables, options.seed + launch.id, options.checks);
}

void GridRun::runPrologue() {
  while (!blockOrder.empty() && started.size() < prologueBlocks) {
    std::unique_ptr<Block> block = makeBlock();
    block->run(true);
    started.push_back(std::move(block));
  }
}

void GridRun::runResident(std::vector<std::unique_ptr<Block>> &resident, size_t limit) {
  u32 fruitless = 0;
  while (!resident.empty() || !blockOrder.empty()) {
    while (!blockOrder.empty() && resident.size() < limit)
      resident.push_back(makeBlock());
    bool ended = false;
    for (size_t i = 0; i < resident.size();) {
      if (resident[i]->run(false) != Block::State::Done) {
        ++i;
        continue;
      }
      executed += resident[i]->instructions();
      resident.erase(resident.begin() + static_cast<long>(i));
      ended = true;
    }
    fruitless = ended ? 0 : fruitless + 1;
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
}

u64 runGrid(const Launch &launch) {
  GridRun run(launch);
  run.finish();
  return run.instructions();
}
} // namespace vgpu
