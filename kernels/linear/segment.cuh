// Segments: linears of equal width that are combined column by column, and the order in which a tile visits columns.
// An epilogue rotates pairs of columns half a head apart, so a tile that is narrower than a head takes as many columns
// of each half; a tile of whole heads, or of a segment without rotation, takes them in order.
#pragma once
#include "kernels/common/forms.cuh"
#include "kernels/elementwise/reduce.cuh"
#include "kernels/rope/rotate.cuh"

namespace stoop::gpu {

template <class... T> struct List {};

// result = input weight^T: weight [n][K] of form W, elements in rows one after the other, or tiles
// (ir/support/TileOrder.h): the template that computes it says which. VECTOR: elements that may be loaded at once, of the
// input and of a weight in rows.
template <class W, int K, int WEIGHT, class Input_, int VECTOR>
struct Linear {
  using Input = Input_;
  using Weight = Form<W>;
  using Element = typename Weight::Element;  // what is multiplied
  static constexpr int k = K, vector = VECTOR, tile_columns = Weight::columns, k_tiles = (K + tile_columns - 1) / tile_columns;
  template <class A>
  static __device__ const W* weight(const A& a, int column) { return input<W>(a, WEIGHT) + static_cast<long long>(column) * K; }
  // The tiles of rows 16 `strip` to 16 `strip` + 15 of the weight, and their scales behind them.
  template <class A>
  static __device__ const char* strip(const A& a, int strip) {
    return input<char>(a, WEIGHT) + static_cast<long long>(strip) * Weight::strip_bytes(k_tiles);
  }
};

// Bytes of the scales of a tile, the most of several linears.
template <class L>
constexpr int scale_bytes() { return L::Weight::groups * 40; }
template <class... L>
constexpr int most_scale_bytes(List<L...>) {
  int most = 0;
  ((most = scale_bytes<L>() > most ? scale_bytes<L>() : most), ...);
  return most;
}

// Rows that a linear reads as they are; kernels/norm/prologue.cuh has those that are normalised on the way.
template <class T, int OPERAND, int STRIDE>
struct GlobalRows {
  using Element = T;
  template <class A>
  static __device__ const T* row(const A& a, int row) { return input<T>(a, OPERAND) + static_cast<long long>(row) * STRIDE; }
  template <int N, class A>
  static __device__ void load(const A& a, const void*, int row, int k, float (&to)[N]) { load_floats<N>(GlobalRows::row(a, row) + k, to); }
};

// How many linears a segment has, and the most of several segments.
template <class... L> constexpr int num_linears(List<L...>) { return sizeof...(L); }
template <class... S>
constexpr int most_linears() {
  int most = 0;
  ((most = num_linears(typename S::Linears()) > most ? num_linears(typename S::Linears()) : most), ...);
  return most;
}

// Columns of a tile of WIDTH; HEAD: head size of the segment's rotation, 0: none.
template <int WIDTH, int HEAD>
struct TileColumns {
  static constexpr bool paired = HEAD > 0 && WIDTH % (HEAD > 0 ? HEAD : 1) != 0;
  static_assert(!paired || (HEAD / 2) % (WIDTH / 2) == 0, "a tile takes equal parts of both halves of a head");
  static constexpr int half = paired ? WIDTH / 2 : HEAD / 2;

  static __device__ int column(int tile, int j) {
    if constexpr (!paired) {
      return tile * WIDTH + j;
    } else {
      constexpr int tiles = HEAD / WIDTH;
      const int first = tile / tiles * HEAD + tile % tiles * (WIDTH / 2);
      return j < WIDTH / 2 ? first + j : first + HEAD / 2 + j - WIDTH / 2;
    }
  }
  // The place in the tile of the other column of j's pair.
  static __device__ int partner(int j) {
    if constexpr (paired) return j < half ? j + half : j - half;
    return j % HEAD < half ? j + half : j - half;
  }
};

// Sums of one row and place of a tile, one per linear of the segment.
struct Sums {
  const float* at;
  int stride;  // floats from one linear's sums to the next
  __device__ float operator()(int linear) const { return at[linear * stride]; }
};

// Runs the epilogue of segment S for place (row, j) of a tile. `tile_sums` is [linear][row][WIDTH].
template <class S, int WIDTH, class A>
__device__ inline void finish_place(const A& a, int row, int tile, int j, const float* row_sums, int linear_stride) {
  using Columns = TileColumns<WIDTH, S::head_dim>;
  const int column = Columns::column(tile, j);
  if (column >= S::columns) return;
  if constexpr (S::head_dim > 0) {
    const int other = Columns::partner(j);
    S::store(a, row, column, Sums{row_sums + j, linear_stride}, Columns::column(tile, other),
             Sums{row_sums + other, linear_stride});
  } else {
    S::store(a, row, column, Sums{row_sums + j, linear_stride});
  }
}

}  // namespace stoop::gpu
