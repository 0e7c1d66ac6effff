// Linears of at most 8 rows (decode) by tensor cores: the weights are the factor of 16 rows, the activations the one of 8
// columns, so that 1 to 8 rows cost the same instructions. Weights lie in tiles (ir/support/TileOrder.h), which have the same
// bytes whatever their form; codes become elements in registers (kernels/common/forms.cuh).
// All weights of the launch form one line of tiles: segment by segment, block of columns by block, linear by linear, slice
// of the inner dimension by slice, strip of 16 rows by strip. The blocks of the grid, one a multiprocessor, take equal parts
// of the line; SPLIT: cut anywhere, else between blocks of columns. The warps of a block take equal parts of each slice of up to
// 8 strips and keep a ring of copies in flight, each lane its own 16 bytes of a fragment: nobody has to wait for anybody. The
// ring runs ahead over strips and slices.
// Rows that a prologue makes are staged a slice at a time: whole rows where they fit beside the ring, else as much as fits,
// and blocks of columns are wider then, because each reads the rows again (from L2). So the ring is as long for 8 rows.
// Sums have a fixed order: a warp's tiles, then warps, then blocks; who comes last (a ticket) adds the parts of a block of
// columns that several blocks computed. The first copies are asked for before the launch in front has ended, and the next
// launch may start, and ask for its own, behind `trigger` percent of a block's tiles (100: at the end of the blocks).
// Memory traffic: n k weights once, past L1, first to leave L2; bound: memory.
#pragma once
#include "kernels/common/mma.cuh"
#include "kernels/linear/segment.cuh"
#include "kernels/norm/prologue.cuh"

namespace stoop::gpu {

// A segment's part of the line. A unit is a block of S::width columns that are finished together: heads that are rotated
// have both halves among them. `cost`: its tiles.
template <class S>
struct Units {
  static constexpr int width = S::width, strips = width / 16, pitch = width + 4;
  static constexpr int count = (S::columns + width - 1) / width;
  using Columns = TileColumns<width, S::head_dim>;
  template <class... L>
  static constexpr int tiles_of(List<L...>) { return strips * (L::k_tiles + ...); }
  static constexpr int cost = tiles_of(typename S::Linears()), tiles = count * cost;
  // Places behind the last column repeat its strip and are not stored.
  static __device__ int strip(int unit, int i) { return min(Columns::column(unit, 16 * i), S::columns - 1) / 16; }
};

// Tiles of a slice of the inner dimension, after which the next strip comes: all, where activations are read from memory.
template <class S, class L>
constexpr int slice_tiles() {
  constexpr int tiles = S::slice * kTileColumns / L::tile_columns;  // the slice holds whole tiles of each form
  return is_normed<typename L::Input> && tiles < L::k_tiles ? tiles : L::k_tiles;
}
// Elements from one row of a staged slice to the next: an odd number of 64 bytes, so that the lanes of a fragment meet no
// bank twice.
template <class S>
constexpr int slice_pitch() { return (S::slice | 1) * kTileColumns; }

template <class... S> constexpr int line_tiles() { return (Units<S>::tiles + ...); }
// Sums of a unit, at most.
template <class C, class... S>
constexpr int most_unit_sums() {
  int most = 0, sums = 0;
  ((sums = num_linears(typename S::Linears()) * C::rows * Units<S>::pitch, most = sums > most ? sums : most), ...);
  return most;
}
constexpr int kSumPitch = 20;  // of a warp's sums [row][column]: no two lanes of a fragment meet in a bank
template <class C> constexpr int kWarps = C::threads / 32;
template <class C> constexpr int kSumBytes = 2 * kWarps<C> * C::rows * kSumPitch * 4;  // of two strips a warp
constexpr int kGroupStrips = 8;  // that the warps share at a time: as many as there are warps, so none has more than two

// Of a slice of the prologue's rows, the largest that a segment asks for.
template <class C, class S, class... L>
constexpr int staged_bytes(List<L...>) {
  int most = 0, bytes = 0;
  ((bytes = is_normed<typename L::Input> ? C::rows * slice_pitch<S>() * 2 : 0, most = bytes > most ? bytes : most), ...);
  return most;
}
template <class C, class... S>
constexpr int staged_bytes() {
  int most = 0, bytes = 0;
  ((bytes = staged_bytes<C, S>(typename S::Linears()), most = bytes > most ? bytes : most), ...);
  return most;
}

// Of a tile and its scales in the ring.
template <class... S>
constexpr int stage_bytes() {
  int most = 0, bytes = 0;
  ((bytes = most_scale_bytes(typename S::Linears()), most = bytes > most ? bytes : most), ...);
  return kTileBytes + (most + 15) / 16 * 16;
}

template <class C, class... S>
constexpr int stream_shared_bytes() {
  return staged_bytes<C, S...>() + kWarps<C> * C::stages * stage_bytes<S...>() + kSumBytes<C> + most_unit_sums<C, S...>() * 4;
}

// The part of the line that a block takes: [first, behind).
struct Part {
  int first, behind;
};

// Where the unit that tile `at` of the line belongs to begins, and how many tiles it has.
template <class S, class... Rest>
__device__ inline Part unit_at(int at) {
  if (sizeof...(Rest) == 0 || at < Units<S>::tiles) {
    const int begin = at - at % Units<S>::cost;
    return {begin, begin + Units<S>::cost};
  }
  if constexpr (sizeof...(Rest) > 0) {
    const Part unit = unit_at<Rest...>(at - Units<S>::tiles);
    return {unit.first + Units<S>::tiles, unit.behind + Units<S>::tiles};
  }
}

// Blocks that have work: there may be fewer tiles than blocks.
template <class... S> __device__ inline int num_parts() { return min(static_cast<int>(gridDim.x), line_tiles<S...>()); }

// Where the part of block `block` begins; that of the block behind the last one is the end of the line.
template <class C, class... S>
__device__ inline int part_begin(int block) {
  constexpr int all = line_tiles<S...>();
  const int at = static_cast<int>(static_cast<u64>(all) * block / num_parts<S...>());
  if (C::split || at == all) return at;
  const Part unit = unit_at<S...>(at);
  return 2 * (at - unit.first) < unit.behind - unit.first ? unit.first : unit.behind;
}
// The block that computes tile `at` of a line that is cut anywhere.
template <class... S>
__device__ inline int owner_of(int at) {
  return static_cast<int>((static_cast<u64>(at + 1) * num_parts<S...>() - 1) / line_tiles<S...>());
}

// Consecutive tiles of a strip, and all that follow in its group of strips, of one slice.
struct Piece {
  const char *from, *scales;
  int count, group, scale_bytes;  // of a tile
};
// Tiles of the slice from tile `first` on: the last one of several may be shorter.
__device__ inline int width_of(int first, int slice, int all) { return slice == all ? all : min(slice, all - first); }
// The tiles of the line from `at` on, at most `most`. `at` counts from the unit's first tile.
template <class S, class L, class... Rest, class A>
__device__ inline Piece piece_of_unit(const A& a, int unit, int at, int most, List<L, Rest...>) {
  constexpr int strips = Units<S>::strips, slice = slice_tiles<S, L>(), tiles = strips * L::k_tiles;
  if (sizeof...(Rest) == 0 || at < tiles) {
    const int first = at / (strips * slice) * slice, count = width_of(first, slice, L::k_tiles), place = at - first * strips;
    const int strip = place / count, k = place % count, behind = min(strip / kGroupStrips * kGroupStrips + kGroupStrips, strips);
    const char* from = L::strip(a, Units<S>::strip(unit, strip));
    return {from + (first + k) * kTileBytes, from + L::k_tiles * kTileBytes + (first + k) * scale_bytes<L>(), min(count - k, most),
            min(behind * count - place, most), scale_bytes<L>()};
  }
  if constexpr (sizeof...(Rest) > 0) return piece_of_unit<S>(a, unit, at - tiles, most, List<Rest...>());
}
template <class S, class... Rest, class A>
__device__ inline Piece piece_at(const A& a, int at, int most) {
  if (sizeof...(Rest) == 0 || at < Units<S>::tiles)
    return piece_of_unit<S>(a, at / Units<S>::cost, at % Units<S>::cost, most, typename S::Linears());
  if constexpr (sizeof...(Rest) > 0) return piece_at<Rest...>(a, at - Units<S>::tiles, most);
}

// This warp's part of `count` tiles.
template <class C>
__device__ inline Part warp_part(int count) {
  const int warp = threadIdx.x / 32;
  return {count * warp / kWarps<C>, count * (warp + 1) / kWarps<C>};
}

// The copies that a warp has in flight. Each lane reads codes that it copied itself, so waiting for its own copies is enough;
// scales are copied by some for all lanes of the warp.
template <class C, class... S>
struct WeightRing {
  char *place, *end;  // of this lane: in the stage that is read next and then filled again; behind the last stage
  int at, behind;     // of the line: what the block copies behind the group that this warp copies
  u64 policy;
  const char* from = nullptr;    // of this lane, in the next tile to copy
  const char* scales = nullptr;  // likewise
  int scale_bytes = 0;
  int left = 0;                // tiles of its strip from there on, for this warp
  int next = 0, last = 0;      // of the line: what this warp copies of the group behind them

  // Has the next tile copied to the stage that was read last; behind the last tile an empty group keeps the count.
  template <class A>
  __device__ void request(const A& a) {
    if (left == 0) seek(a);
    if (left > 0) {
      copy_async16_once(place, from, policy);
      copy_async16_once(place + kTileBytes / 2, from + kTileBytes / 2, policy);
      from += kTileBytes;
      if constexpr (stage_bytes<S...>() > kTileBytes) {
        const int lane = threadIdx.x % 32;
        if (lane * 8 < scale_bytes) copy_async8_once(place + kTileBytes - lane * 8, scales, policy);
        scales += scale_bytes;
      }
      --left;
    }
    commit_async();
    place += stage_bytes<S...>();
    if (place == end) place -= C::stages * stage_bytes<S...>();
  }

  // Goes on to the next strip of which this warp has tiles.
  template <class A>
  __device__ void seek(const A& a) {
    while (left == 0 && (next < last || at < behind)) {
      if (next == last) {
        const int count = piece_at<S...>(a, at, behind - at).group;
        const Part mine = warp_part<C>(count);
        next = at + mine.first;
        last = at + mine.behind;
        at += count;
      } else {
        const Piece piece = piece_at<S...>(a, next, last - next);
        from = piece.from + threadIdx.x % 32 * 16;
        if constexpr (stage_bytes<S...>() > kTileBytes) {
          scales = piece.scales + threadIdx.x % 32 * 8;
          scale_bytes = piece.scale_bytes;
        }
        left = piece.count;
        next += left;
      }
    }
  }
};

// What the warps of a block share, and how far they have come.
template <class C, class... S>
struct Stream {
  int rows;
  const RowStatistics* statistics;  // of the prologue's rows
  char* staged;                     // a slice of them
  float *warp_sums, *unit_sums;
  WeightRing<C, S...> ring;
  int held = -1;  // which slice of which norm is staged
  int until_trigger;  // tiles that this warp multiplies before the next launch may start; negative: it has been told, or waits
};

// Columns k to k + 7 of a row of activations, which begin at `x`; zeros behind the last, which are staged as such.
template <class L, class T>
__device__ inline Fragment activations(const T* x, int k) {
  if constexpr (is_normed<typename L::Input> || (L::k % 8 == 0 && L::vector == 8)) {
    if (is_normed<typename L::Input> || L::k % L::tile_columns == 0 || k < L::k) return *reinterpret_cast<const Fragment*>(x);
    return {};
  } else {
    union {
      Vector<T, 8> elements;
      Fragment words;
    } columns = {};
    for (int i = 0; i < 8; i += L::vector)
      if (k + i < L::k)
        *reinterpret_cast<Vector<T, L::vector>*>(columns.elements.at + i) = *reinterpret_cast<const Vector<T, L::vector>*>(x + i);
    return columns.words;
  }
}

// The product of 32 columns, number `part` of a tile, whose codes are `words`; `more`: what the form asks for besides.
template <class L, class T, class... More>
__device__ inline void multiply_part(const Fragment (&words)[2], int part, const T* x, int k, float (&even)[4], float (&odd)[4],
                                     const More&... more) {
  const Fragment columns = activations<L>(x + part * kTileColumns, k + part * kTileColumns);
  u32 low[4], high[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    low[i] = L::Weight::element_pair(words, part, 0, i, more[i % 2]...);
    high[i] = L::Weight::element_pair(words, part, 1, i, more[i % 2]...);
  }
  mma<T>(even, low, {columns.at[0], columns.at[1]});
  mma<T>(odd, high, {columns.at[2], columns.at[3]});
}

// The product of a tile, of which `place` has this lane's codes, `scales` all scales.
template <class L, class T>
__device__ inline void multiply_tile(const char* place, const char* scales, const T* x, int k, float (&even)[4], float (&odd)[4]) {
  using W = typename L::Weight;
  constexpr int parts = W::columns / kTileColumns;
  Fragment words[2];
  load_words(words, place);
  if constexpr (W::groups == 0) {
#pragma unroll
    for (int part = 0; part < parts; ++part) multiply_part<L>(words, part, x, k, even, odd);
  } else {
    constexpr bool is_short = parts == W::groups;  // two products a group: groups are independent of each other anyway
    const typename W::Scales own(scales, threadIdx.x % 32 / 4);
#pragma unroll
    for (int group = 0; group < W::groups; ++group) {
      u32 zeros[2];
      own.minus_zeros(group, zeros);
      float sums[4] = {}, more[4] = {};
#pragma unroll
      for (int part = group * parts / W::groups; part < (group + 1) * parts / W::groups; ++part)
        multiply_part<L>(words, part, x, k, sums, is_short ? sums : more, zeros);
#pragma unroll
      for (int i = 0; i < 4; ++i) even[i] += own.scale(group, i / 2) * (is_short ? sums[i] : sums[i] + more[i]);
    }
  }
}

// Sums of `count` tiles of a strip's slice, from its tile `first` on, of linear L: [row g | g + 8][activation row 2q, 2q + 1] of
// lane 4 g + q.
template <class C, class S, class L, class Stream, class A>
__device__ inline void stream_strip(const A& a, Stream& stream, int first, int count, float (&sums)[4]) {
  using T = typename L::Element;
  const int lane = threadIdx.x % 32, row = min(lane / 4, stream.rows - 1);  // padding repeats the last row and is not stored
  int k = first * L::tile_columns + lane % 4 * 8;
  const T* x;
  if constexpr (is_normed<typename L::Input>)
    x = reinterpret_cast<const T*>(stream.staged) + row * slice_pitch<S>() + k;
  else
    x = L::Input::row(a, row) + k;
  float odd[4] = {};
  for (; count; --count) {
    if (kLaunchesOverlap && stream.until_trigger-- == 0) let_next_start();
    wait_async<C::stages - 1>();
    if constexpr (L::Weight::groups > 0) __syncwarp();  // scales that other lanes copied
    const char* place = stream.ring.place;
    multiply_tile<L>(place, place + kTileBytes - lane * 16, x, k, sums, odd);
    if constexpr (L::Weight::groups > 0) __syncwarp();  // all have read the scales
    stream.ring.request(a);
    k += L::tile_columns;
    x += L::tile_columns;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) sums[i] += odd[i];
}

// Calls `visit(row, strip)` for the places (row, strip, lane % 16) of a unit's sums, `strips` of them. Half warps take 16
// columns of a row each, the second half a row whose banks are 16 further.
template <class C, class Visit>
__device__ inline void for_each_place(int strips, Visit visit) {
  for (int i = threadIdx.x / 32; i < 4 * strips; i += kWarps<C>) {
    const int row = i % 4 + threadIdx.x % 32 / 16 * 4;
    if (row < C::rows) visit(row, i / 4);
  }
}

// Where a warp leaves its sums of the first or second strip that it has tiles of.
template <class C, class Stream>
__device__ inline float* warp_place(const Stream& stream, int warp, int turn) {
  return stream.warp_sums + (turn * kWarps<C> + warp) * C::rows * kSumPitch;
}

// Multiplies tiles [part) of a group of strips, `count` tiles of each; the sums are added to what earlier slices left at
// unit_sums [row][pitch].
template <class C, class S, class L, class Stream, class A>
__device__ inline void stream_group(const A& a, Stream& stream, Part part, int strips, int count, float* unit_sums, bool is_first_slice) {
  static_assert(kWarps<C> == kGroupStrips);
  const int lane = threadIdx.x % 32, row = lane % 4 * 2, column = lane / 4, all = part.behind - part.first;
  const Part mine = warp_part<C>(all);
  int turn = 0;
#pragma unroll 1
  for (int at = part.first + mine.first; at < part.first + mine.behind; ++turn) {
    const int k = at % count, tiles = min(count - k, part.first + mine.behind - at);
    float sums[4] = {};
    stream_strip<C, S, L>(a, stream, k, tiles, sums);
    float* to = warp_place<C>(stream, threadIdx.x / 32, turn);
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (row + i % 2 < C::rows) to[(row + i % 2) * kSumPitch + column + i / 2 * 8] = sums[i];
    at += tiles;
  }
  __syncthreads();  // the warps' sums
  // In order of the warps that have tiles of the strip.
  for_each_place<C>(strips, [&](int row, int strip) {
    float* sum = unit_sums + row * Units<S>::pitch + strip * 16 + threadIdx.x % 16;
    float total = is_first_slice ? 0 : *sum;
    const int begin = strip * count - part.first, end = begin + count;  // in the part
    for (int warp = all ? max((begin + 1) * kWarps<C> - 1, 0) / all : kWarps<C>; warp < kWarps<C>; ++warp) {
      const int from = all * warp / kWarps<C>, to = all * (warp + 1) / kWarps<C>;
      if (from >= end) break;
      if (from < to) total += warp_place<C>(stream, warp, from < begin)[row * kSumPitch + threadIdx.x % 16];
    }
    *sum = total;
  });
}

// Has the slice from tile `first` on of the rows that linear L multiplies in shared memory.
template <class C, class S, class L, class Stream, class A>
__device__ inline void stage_slice(const A& a, Stream& stream, int first) {
  const int wanted = L::Input::number * L::k + first * L::tile_columns;
  if (wanted == stream.held) return;
  // Nobody reads the slice before any more: all have met behind its last strips.
  stage_normed<L, C::threads, S::slice * kTileColumns, slice_pitch<S>()>(
      a, reinterpret_cast<typename L::Element*>(stream.staged), stream.rows, first * L::tile_columns, stream.statistics, 0, stream.rows);
  stream.held = wanted;
}

// The tiles [part) of a unit, of one linear; `from`: where the linear's tiles begin in the unit. The first slice leaves sums of
// all strips, be they zero.
template <class C, class S, class L, class Stream, class A>
__device__ inline void stream_linear(const A& a, Stream& stream, Part part, int from, float* unit_sums) {
  constexpr int strips = Units<S>::strips, slice = slice_tiles<S, L>();
#pragma unroll 1
  for (int first = 0; first < L::k_tiles; first += slice) {
    const int count = width_of(first, slice, L::k_tiles);
#pragma unroll 1
    for (int strip = 0; strip < strips; strip += kGroupStrips) {
      const int group = min(strips - strip, kGroupStrips), begin = from + first * strips + strip * count;
      const Part tiles = {max(part.first - begin, 0), min(part.behind - begin, group * count)};
      const bool is_ours = tiles.first < tiles.behind;
      if (first > 0 && !is_ours) continue;
      if constexpr (is_normed<typename L::Input>)
        if (is_ours) stage_slice<C, S, L>(a, stream, first);
      __syncthreads();  // the slice; all have added the warps' sums of the group before
      stream_group<C, S, L>(a, stream, is_ours ? tiles : Part{0, 0}, group, count, unit_sums + strip * 16, first == 0);
    }
  }
}

// Where a block leaves its part of a unit that it shares. Two places of the scratch for each block, behind the tickets: for
// the unit that its part of the line begins in the middle of, and for the one that it ends in the middle of.
template <class C, class... S, class A>
__device__ inline float* part_place(const A& a, int block, bool begins_here) {
  constexpr int stride = (most_unit_sums<C, S...>() + 31) / 32 * 32;
  return reinterpret_cast<float*>(static_cast<char*>(a.scratch) + C::ticket_bytes) + (2 * block + begins_here) * stride;
}

// Whether this block is the last of those that share the unit of S at [first, behind) of the line; then unit_sums holds all.
template <class C, class S, class... All, class A>
__device__ inline bool add_blocks(const A& a, int first, int behind, float* unit_sums) {
  constexpr int strips = Units<S>::strips * num_linears(typename S::Linears());
  __shared__ u32 arrived;
  const int block = blockIdx.x, begin = owner_of<All...>(first), end = owner_of<All...>(behind - 1);
  float* mine = part_place<C, All...>(a, block, block == begin);
  auto place_of = [](int row, int strip) {
    return (strip / Units<S>::strips * C::rows + row) * Units<S>::pitch + strip % Units<S>::strips * 16 + threadIdx.x % 16;
  };
  for_each_place<C>(strips, [&](int row, int strip) { mine[place_of(row, strip)] = unit_sums[place_of(row, strip)]; });
  u32* ticket = static_cast<u32*>(a.scratch) + begin;  // a block begins at most one unit that it does not end
  __threadfence();  // this thread's sums before the ticket
  __syncthreads();  // all threads' sums
  if (threadIdx.x == 0) arrived = atomicAdd(ticket, 1u);
  __syncthreads();  // `arrived`
  if (arrived != static_cast<u32>(end - begin)) return false;
  __threadfence();  // the other blocks' sums
  for_each_place<C>(strips, [&](int row, int strip) {
    float total = 0;
    for (int other = begin; other <= end; ++other) total += part_place<C, All...>(a, other, other == begin)[place_of(row, strip)];
    unit_sums[place_of(row, strip)] = total;
  });
  if (threadIdx.x == 0) *ticket = 0;  // for the next launch
  __syncthreads();                    // the sums of all blocks
  return true;
}

template <class C, class S, class A>
__device__ inline void finish_unit(const A& a, int rows, int unit, const float* unit_sums) {
  for_each_place<C>(Units<S>::strips, [&](int row, int strip) {
    if (row < rows)
      finish_place<S, Units<S>::width>(a, row, unit, strip * 16 + threadIdx.x % 16, unit_sums + row * Units<S>::pitch,
                                       C::rows * Units<S>::pitch);
  });
}

// A unit, or as much of it as lies in the block's part: tiles [part) of it. `first`: where the unit begins in the line.
template <class C, class S, class All, class Stream, class A, class... L>
__device__ inline void stream_unit(const A& a, Stream& stream, int unit, int first, Part part, List<L...>, All) {
  constexpr int linear_stride = C::rows * Units<S>::pitch;
  int from = 0, linear = 0;
  ((stream_linear<C, S, L>(a, stream, part, from, stream.unit_sums + linear++ * linear_stride),
    from += Units<S>::strips * L::k_tiles),
   ...);
  // Else each lane goes on with the sums that it added itself.
  if constexpr (S::head_dim > 0 || (C::split && sizeof...(L) > 1)) __syncthreads();  // the unit's sums
  if constexpr (C::split != 0) {
    const bool is_whole = part.first == 0 && part.behind == Units<S>::cost;
    if (!is_whole && !All::template add<C, S>(a, first, first + Units<S>::cost, stream.unit_sums)) return;
  }
  finish_unit<C, S>(a, stream.rows, unit, stream.unit_sums);
}

// All segments of a launch.
template <class... S>
struct Line {
  template <class C, class Shared, class A>
  static __device__ bool add(const A& a, int first, int behind, float* unit_sums) {
    return add_blocks<C, Shared, S...>(a, first, behind, unit_sums);
  }
};

// The block's part [part) of the line from segment S on, which begins at `begin`.
template <class C, class All, class S, class... Rest, class Stream, class A>
__device__ inline void stream_segments(const A& a, Stream& stream, Part part, int begin) {
  using U = Units<S>;
  for (int unit = max(part.first - begin, 0) / U::cost; unit < U::count && begin + unit * U::cost < part.behind; ++unit) {
    const int first = begin + unit * U::cost;
    const Part tiles = {max(part.first - first, 0), min(part.behind - first, U::cost)};
    stream_unit<C, S>(a, stream, unit, first, tiles, typename S::Linears(), All());
  }
  if constexpr (sizeof...(Rest) > 0) stream_segments<C, All, Rest...>(a, stream, part, begin + U::tiles);
}

// Shared memory: a slice of the prologue's rows, the ring [warp][stage][fragment][lane], warps' sums, a unit's sums.
template <class C, class P, class... S, class A>
__device__ inline void linear_stream(const A& a) {
  extern __shared__ __align__(16) char shared[];
  __shared__ RowStatistics statistics[C::rows];
  const int block = blockIdx.x;
  if (block >= num_parts<S...>()) return wait_for_earlier();
  const Part part = {part_begin<C, S...>(block), part_begin<C, S...>(block + 1)};
  constexpr int ring_bytes = C::stages * stage_bytes<S...>();
  char* copies = shared + staged_bytes<C, S...>();
  float* warp_sums = reinterpret_cast<float*>(copies + kWarps<C> * ring_bytes);
  char* place = copies + threadIdx.x / 32 * ring_bytes + threadIdx.x % 32 * 16;
  Stream<C, S...> stream = {0, statistics, shared, warp_sums, warp_sums + kSumBytes<C> / 4};
  stream.ring = {place, place + ring_bytes, part.first, part.behind, read_once_policy()};
#pragma unroll
  for (int i = 0; i < C::stages; ++i) stream.ring.request(a);
  wait_for_earlier();  // the weights are nobody's result
  stream.rows = valid_rows(a, C::rows);
  stream.until_trigger = C::trigger < 100 ? (part.behind - part.first) * C::trigger / (100 * kWarps<C>) : -1;
  if (stream.rows == 0) return wait_async<0>();
  find_statistics<P, C::threads>(a, 0, stream.rows, statistics);
  store_results<P, C::threads>(a, stream.rows, statistics, block, num_parts<S...>());
  stream_segments<C, Line<S...>, S...>(a, stream, part, 0);
}

}  // namespace stoop::gpu
