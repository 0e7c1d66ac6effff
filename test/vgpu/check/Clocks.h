// Vector clocks of warps: who has been told about whose accesses.
// A warp's clock ticks at each of its synchronisations (bar, bar.warp.sync, mbarrier arrive). An access carries the clock
// of its time; it happens before a later one if the later thread's view covers that warp, lane and clock.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>

namespace vgpu {
using u8 = uint8_t;
using u32 = uint32_t;
using u64 = uint64_t;

constexpr u32 maxWarps = 32, manyLanes = 32;

/// What is known of one warp: all its lanes up to `all`, those of `lanes` up to `clock`.
struct Known {
  u32 all = 0, lanes = 0, clock = 0;

  bool covers(u32 lane, u32 when) const {
    return when <= all || (lane < 32 && (lanes >> lane & 1) && when <= clock);
  }
  void join(const Known &other) {
    all = std::max(all, other.all);
    if (other.clock > clock)
      clock = other.clock, lanes = other.lanes;
    else if (other.clock == clock)
      lanes |= other.lanes;
  }
};

/// Knowledge of the warps of one block.
struct BlockView {
  std::array<Known, maxWarps> warps = {};
  void join(const BlockView &other, u32 numWarps = maxWarps) {
    for (u32 i = 0; i < numWarps; ++i)
      warps[i].join(other.warps[i]);
  }
};

/// Knowledge of other blocks of the grid, by linear block index. Shared between warps, so never changed in place.
using GridView = std::map<u32, BlockView>;
using GridViewRef = std::shared_ptr<const GridView>;

inline void joinInto(GridViewRef &into, const GridViewRef &other) {
  if (!other || other == into)
    return;
  if (!into) {
    into = other;
    return;
  }
  auto merged = std::make_shared<GridView>(*into);
  for (const auto &[block, view] : *other)
    (*merged)[block].join(view);
  into = merged;
}

/// The clock and the knowledge of one warp. Release and acquire at device scope need a fence on both sides:
/// `fenced` is what a strong write of this warp publishes, `seen` what its strong reads have met, `acquired` what a
/// fence after them made usable.
struct WarpClock {
  u32 clock = 1;
  BlockView view;
  bool hasFenced = false;
  BlockView fenced;
  GridViewRef fencedOthers, seen, acquired;

  /// The view that lanes `mask` of warp `self` publish now.
  BlockView published(u32 self, u32 mask, u32 live) const {
    BlockView out = view;
    Known own{clock - 1, mask, clock};
    if ((live & ~mask) == 0)
      own.all = clock;
    out.warps[self].join(own);
    return out;
  }
};
} // namespace vgpu
